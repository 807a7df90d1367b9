# SPDX-License-Identifier: Apache-2.0
"""The strict recording upstream: takes apart what reaches it by the letter of RFC 9112.

Everything that is not exactly one well-formed request at a time is a problem of the gate's, and is
kept with the request. Each complete request gets a small answer that carries the request's own
nonce, so that a client can tell whose answer it was given.
"""
import json
import re
import socket
import threading
from dataclasses import dataclass, field

NONCE = re.compile(rb"nonce-[a-z]{12}")
REQUEST_LINE = re.compile(rb"([A-Z]+) (/[!-~]*) HTTP/1\.1")
FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+): ?([!-~](?:[ -~]*[!-~])?)?")
# Nothing of the client's own connection, identity or trust may come through.
FORBIDDEN = {
    "connection-extra", "te", "trailer", "upgrade", "expect", "cookie", "forwarded", "x-real-ip",
    "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-original-url", "x-rewrite-url",
    "x-http-method-override", "proxy-authorization", "proxy-connection", "keep-alive",
    "http2-settings",
    "true-client-ip", "cf-connecting-ip", "api-key", "x-api-key", "origin", "transfer_encoding",
    "content_length", "x-hostile", "openai-organization", "openai-project", "x-sallyport-module",
}


@dataclass
class Record:
    method: str
    target: str
    headers: list
    body: bytes
    problems: list = field(default_factory=list)

    def nonce(self):
        found = NONCE.search(self.body) or NONCE.search(self.target.encode())
        return found.group().decode() if found else None


def no_duplicates(pairs):
    keys = [key for key, _ in pairs]
    if len(keys) != len(set(keys)):
        raise ValueError("duplicate key")
    return dict(pairs)


class Recorder:
    """`secret_of_client` must never arrive, `secret_of_gate` must, in every request."""

    def __init__(self, secret_of_gate):
        self.secret_of_gate = secret_of_gate
        self.secret_of_client = None
        self._lock = threading.Lock()
        self._records = []
        self._partial = []
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def take(self):
        """The requests since the last call, and the incomplete ones."""
        with self._lock:
            records, self._records = self._records, []
            partial, self._partial = self._partial, []
        return records, partial

    def _accept(self):
        while True:
            connection, _ = self._listener.accept()
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        stream = _Bytes(connection)
        with connection:
            try:
                while True:
                    record = self._read(stream)
                    if record is None:
                        return
                    if stream.waiting():
                        record.problems.append("bytes behind the request")
                    with self._lock:
                        self._records.append(record)
                    connection.sendall(self._answer(record))
            except _Incomplete:
                with self._lock:
                    self._partial.append(bytes(stream.seen))
            except (OSError, _Malformed) as error:
                with self._lock:
                    self._records.append(Record("?", "?", [], bytes(stream.seen), [str(error)]))

    def _read(self, stream):
        stream.begin()
        head = stream.until(b"\r\n\r\n", at_start=True)
        if head is None:
            return None
        lines = head[:-4].split(b"\r\n")
        start = REQUEST_LINE.fullmatch(lines[0])
        if not start:
            raise _Malformed(f"request line {lines[0]!r}")
        headers, problems = [], []
        for line in lines[1:]:
            matched = FIELD.fullmatch(line)
            if not matched:
                raise _Malformed(f"field {line!r}")
            headers.append((matched[1].decode().lower(), (matched[2] or b"").decode()))
        body = self._body(stream, headers)
        record = Record(start[1].decode(), start[2].decode(), headers, body, problems)
        self._check(record, head)
        return record

    def _body(self, stream, headers):
        lengths = [value for name, value in headers if name == "content-length"]
        codings = [value for name, value in headers if name == "transfer-encoding"]
        if len(lengths) + len(codings) > 1:
            raise _Malformed("two framings")
        if codings:
            if codings != ["chunked"]:
                raise _Malformed(f"coding {codings!r}")
            return self._chunks(stream)
        if not lengths:
            return b""
        if not re.fullmatch(r"0|[1-9][0-9]{0,17}", lengths[0]):
            raise _Malformed(f"length {lengths[0]!r}")
        return stream.exactly(int(lengths[0]))

    def _chunks(self, stream):
        body = b""
        while True:
            line = stream.until(b"\r\n")[:-2]
            if not re.fullmatch(rb"[0-9a-fA-F]{1,15}", line):
                raise _Malformed(f"chunk size {line!r}")
            data = stream.exactly(int(line, 16))
            if stream.exactly(2) != b"\r\n":
                raise _Malformed("chunk end")
            if not data:
                return body
            body += data

    def _check(self, record, head):
        names = [name for name, _ in record.headers]
        for name in sorted(set(names)):
            if names.count(name) > 1:
                record.problems.append(f"field twice: {name}")
            if name in FORBIDDEN:
                record.problems.append(f"field of the client's: {name}")
        values = dict(record.headers)
        if values.get("host") != f"127.0.0.1:{self.port}":
            record.problems.append(f"host {values.get('host')!r}")
        if self.secret_of_client and self.secret_of_client.encode() in head + record.body:
            record.problems.append("leak: the client's key")
        if self.secret_of_gate not in values.get("authorization", ""):
            record.problems.append("no credential of the gate's")
        if values.get("content-type", "").startswith("application/json") and record.body:
            try:
                json.loads(record.body.decode("utf-8"), object_pairs_hook=no_duplicates)
            except (ValueError, RecursionError) as error:
                record.problems.append(f"body: {error}")
        if "content-encoding" in values:
            record.problems.append("a coded body")

    @staticmethod
    def _answer(record):
        nonce = record.nonce() or "none"
        if record.target.startswith("/v1/chat/completions"):
            value = {
                "id": "chatcmpl-" + nonce, "object": "chat.completion", "created": 1,
                "model": "gpt-4o-mini",
                "choices": [{"index": 0, "finish_reason": "stop",
                             "message": {"role": "assistant", "content": "said " + nonce}}],
                "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5},
            }
        else:
            value = {"id": nonce, "object": "thing"}
        body = json.dumps(value).encode()
        head = (f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nx-request-id: up-{nonce}\r\n"
                f"Content-Length: {len(body)}\r\n\r\n").encode()
        return head if record.method == "HEAD" else head + body


class _Malformed(Exception):
    pass


class _Incomplete(Exception):
    pass


class _Bytes:
    def __init__(self, connection):
        self._connection = connection
        self._buffer = b""
        self.seen = bytearray()

    def begin(self):
        self.seen.clear()

    def waiting(self):
        self._connection.setblocking(False)
        try:
            self._buffer += self._connection.recv(65536)
        except BlockingIOError:
            pass
        finally:
            self._connection.setblocking(True)
        return bool(self._buffer)

    def _fill(self):
        data = self._connection.recv(65536)
        self._buffer += data
        return bool(data)

    def _use(self, size):
        out, self._buffer = self._buffer[:size], self._buffer[size:]
        self.seen += out
        return out

    def until(self, mark, at_start=False):
        while mark not in self._buffer:
            if not self._fill():
                if at_start and not self._buffer:
                    return None
                self._use(len(self._buffer))
                raise _Incomplete
        return self._use(self._buffer.index(mark) + len(mark))

    def exactly(self, size):
        while len(self._buffer) < size:
            if not self._fill():
                self._use(len(self._buffer))
                raise _Incomplete
        return self._use(size)
