# SPDX-License-Identifier: Apache-2.0
"""A proxy with the classic mistakes, to prove that the run finds them. Never an example.

It reads lengths with int(), lets Transfer-Encoding win over Content-Length, takes bare LF for a
line end, drops lines it does not understand, forwards the client's head as it came, streams the
body up while it arrives, pools its upstream connections, and refuses HTAB.
"""
import re
import socket
import threading

EXPECTED = {"desync": 20, "phantom": 20, "dirty": 20, "leak": 20, "lenient": 10, "overstrict": 5,
            "status": 5, "silent": 5}


SECTIONS = {"good", "content_length", "transfer_encoding", "chunk_coding", "request_line", "target",
            "fields"}


class BrokenProxy:
    def __init__(self, upstream_port, provider_key):
        self._upstream_port = upstream_port
        self._credential = b"X-Provider: " + provider_key.encode()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.address = self._listener.getsockname()
        self._pool = []
        self._pool_lock = threading.Lock()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            connection, _ = self._listener.accept()
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, client):
        with client:
            client.settimeout(0.5)
            waiting = b""
            try:
                while True:
                    waiting = self._one(client, waiting)
            except (OSError, EOFError):
                pass
            except (ValueError, IndexError):
                try:
                    client.sendall(
                        b"HTTP/1.1 500 Broken\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                except OSError:
                    pass

    def _one(self, client, waiting):
        while not re.search(rb"\r?\n\r?\n", waiting):
            waiting += self._more(client)
        head, body = re.split(rb"\r?\n\r?\n", waiting, maxsplit=1)
        lines = re.split(rb"\r?\n", head)
        if b"\t" in head:
            raise ValueError("a tab")
        method, target, _ = lines[0].split(b" ", 2)
        length, chunked = 0, False
        for line in lines[1:]:
            name, _, value = line.partition(b":")
            if name.strip().lower() == b"content-length":
                length = int(value)
            if name.strip().lower() == b"transfer-encoding" and b"chunked" in value:
                chunked = True
        upstream = self._connect()
        head_up = b"\r\n".join([b"%s %s HTTP/1.1" % (method, target), *lines[1:],
                                self._credential]) + b"\r\n\r\n"
        upstream.sendall(head_up)
        mark = b"0\r\n\r\n"
        while (mark not in body) if chunked else (len(body) < length):
            body += self._more(client)
        used = body.index(mark) + len(mark) if chunked else length
        upstream.sendall(body[:used])
        client.sendall(self._answer(upstream))
        with self._pool_lock:
            self._pool.append(upstream)
        return body[used:]

    def _connect(self):
        with self._pool_lock:
            if self._pool:
                return self._pool.pop()
        upstream = socket.create_connection(("127.0.0.1", self._upstream_port), timeout=0.3)
        return upstream

    @staticmethod
    def _answer(upstream):
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += BrokenProxy._more(upstream)
        head, _, body = answer.partition(b"\r\n\r\n")
        length = int(re.search(rb"Content-Length: (\d+)", head)[1])
        while len(body) < length:
            body += BrokenProxy._more(upstream)
        return head + b"\r\n\r\n" + body

    @staticmethod
    def _more(connection):
        data = connection.recv(65536)
        if not data:
            raise EOFError
        return data


def prove(recorder, provider_key, make_run, run_all, report, make_cases):
    """0 when each kind of mistake was found at least as often as it was built in."""
    proxy = BrokenProxy(recorder.port, provider_key)
    key = "sk-sp1-client-key-of-the-proof"
    run = make_run(proxy.address, key, recorder, provider_key, envelopes=False, wait_s=1.0)
    chosen = [case for case in make_cases(key) if case.tags & SECTIONS][::3]
    counts, seconds = run_all(run, chosen, lambda: True, 40)
    found = report(run, counts, seconds, 20)
    missed = {name: least for name, least in EXPECTED.items() if found[name] < least}
    if missed:
        print(f"not proven, found too few of: {missed}")
        return 1
    print("proven: every kind of mistake was found")
    return 0
