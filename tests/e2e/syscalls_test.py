#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What one request costs in system calls on sockets: 2 receives and 2 sends, exactly.

The gate runs under strace between a client on one kept-alive connection and the simulated provider.
Requests are counted between two marked ones, after a warm-up, so that connecting is not in the
figure. One receive more means a read that only found out that the socket was empty; one send more
means a head that left without its body.
"""
import argparse
import collections
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

WARM_UP = 20
REQUESTS = 200
BODY_BYTES = 1024
START_S = 30
RECEIVES = {"recvfrom", "recvmsg", "recvmmsg", "read", "readv"}
SENDS = {"sendto", "sendmsg", "sendmmsg", "write", "writev"}
TRACED = sorted(RECEIVES | SENDS)
SKIPPED = 77  # ctest shows it as skipped

CONFIG = """\
version: 1
http:
  threads: 1
  listeners:
    - {{name: gate, address: "127.0.0.1:{gate}"}}
keys:
  pepper: ${{env:SYSCALLS_PEPPER}}
upstream:
  - name: simulation
    base_url: http://127.0.0.1:{provider}/v1
    api_key: ${{env:SYSCALLS_PROVIDER_KEY}}
audit:
  path: {directory}/journal
store:
  path: {directory}/sallyport.db
admin:
  listener: {{address: "127.0.0.1:{admin}"}}
  socket: {directory}/admin.sock
"""

# 1234 recvfrom(18<socket:[4711]>, "POST /v1/...", 16384, 0, NULL, NULL) = 1290
CALL = re.compile(r"^\d+ +(?:<\.\.\. )?(\w+)(?:\(| resumed>)")
ON_SOCKET = re.compile(r"^\d+ +\w+\(\d+<(?:socket|TCP|TCPv6|UNIX)")
RESULT = re.compile(r"= (-?\d+)(?: \w+)?(?: \(.*\))?$")


def skip(why):
    print(f"SKIPPED: {why}")
    sys.exit(SKIPPED)


def check_tracing():
    if shutil.which("strace") is None:
        sys.exit("strace is not installed: apt-get install strace")
    tried = subprocess.run(["strace", "-o", "/dev/null", "true"], capture_output=True, text=True,
                           check=False)
    if tried.returncode != 0 and re.search("not permitted|denied|PTRACE", tried.stderr):
        skip("this kernel or container does not permit ptrace: " + tried.stderr.strip())
    if tried.returncode != 0:
        sys.exit("strace does not work here: " + tried.stderr.strip())


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def wait_for(port, process, log):
    deadline = time.monotonic() + START_S
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port), timeout=START_S)
        except OSError:
            if process.poll() is not None or time.monotonic() > deadline:
                sys.exit("did not start:\n" + log.read_text(errors="replace")[-4000:])
            time.sleep(0.02)


class Client:
    """One kept-alive connection; a request leaves in one write, as every HTTP library sends it."""

    def __init__(self, connection, key):
        self._connection = connection
        self._stream = connection.makefile("rb")
        request = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": ""}]}
        request["messages"][0]["content"] = "a" * (BODY_BYTES - len(json.dumps(request)))
        self._body = json.dumps(request).encode()
        self._key = key

    def ask(self, mark):
        head = (f"POST /v1/chat/completions HTTP/1.1\r\nX-Mark: {mark}\r\nHost: gate\r\n"
                f"Authorization: Bearer {self._key}\r\nContent-Type: application/json\r\n"
                f"Content-Length: {len(self._body)}\r\n\r\n")
        self._connection.sendall(head.encode() + self._body)
        status = self._stream.readline()
        length = 0
        while (line := self._stream.readline()) not in (b"\r\n", b""):
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        self._stream.read(length)
        if not status.startswith(b"HTTP/1.1 200 ") or length == 0:
            sys.exit(f"not the answer expected: {status!r}, {length} bytes")


def count(log):
    """Calls on sockets between the two marks, by name and result sign; others for the report."""
    on_sockets, others = collections.Counter(), collections.Counter()
    empty = 0
    counting = False
    unfinished = {}  # thread -> whether its call under way is on a socket and counted
    for line in log.read_text(errors="replace").splitlines():
        thread = line.split(" ", 1)[0]
        if "count-begin" in line:
            counting = True
        if "count-end" in line:
            break
        called = CALL.match(line)
        if not called or not counting:
            continue
        name = called.group(1)
        resumed = "<... " in line
        # A call counts once, at its beginning; its result may stand in a later line.
        is_socket = unfinished.pop(thread, False) if resumed else bool(ON_SOCKET.match(line))
        if line.endswith("<unfinished ...>"):
            unfinished[thread] = is_socket
        if not resumed:
            (on_sockets if is_socket else others)[name] += 1
        result = RESULT.search(line)
        if is_socket and result and int(result.group(1)) <= 0:
            empty += 1
    if not counting:
        sys.exit("strace did not see the requests; does the gate log show them?")
    return on_sockets, others, empty


def run(binary, directory):
    gate, provider, admin = free_port(), free_port(), free_port()
    config = directory / "sallyport.yaml"
    config.write_text(CONFIG.format(gate=gate, provider=provider, admin=admin, directory=directory))
    environment = dict(os.environ, SYSCALLS_PEPPER=os.urandom(32).hex(),
                       SYSCALLS_PROVIDER_KEY="sk-sim")
    made = subprocess.run([binary, "-c", config, "keys", "create", "syscalls"],
                          env=environment, capture_output=True, text=True, check=True)
    key = made.stdout.strip().splitlines()[-1].strip()

    trace, gate_log, provider_log = (directory / name for name in ("trace", "gate", "provider"))
    strace = ["strace", "-f", "-y", "-s", "96", "-o", trace, "-e", "trace=" + ",".join(TRACED),
              "-e", "signal=none"]
    with open(gate_log, "wb") as out, open(provider_log, "wb") as other:
        sim = subprocess.Popen([binary, "sim", "--listen", f"127.0.0.1:{provider}"], stdout=other,
                               stderr=other)
        served = subprocess.Popen([*strace, binary, "-c", config, "serve"], env=environment,
                                  stdout=out, stderr=out)
        try:
            wait_for(provider, sim, provider_log).close()
            with wait_for(gate, served, gate_log) as connection:
                client = Client(connection, key)
                for _ in range(WARM_UP):
                    client.ask("warm-up")
                for i in range(REQUESTS):
                    client.ask("count-begin" if i == 0 else "counted")
                client.ask("count-end")
        finally:
            children = pathlib.Path(f"/proc/{served.pid}/task/{served.pid}/children").read_text()
            for child in children.split():
                os.kill(int(child), signal.SIGTERM)
            sim.terminate()
            for process in (served, sim):
                process.wait(timeout=START_S)
    return count(trace)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    root = pathlib.Path(__file__).resolve().parents[2]
    parser.add_argument("--sallyport", default=root / "build/release/sallyport", type=pathlib.Path)
    parser.add_argument("--keep-trace", help="copy the trace there, to see what was counted")
    arguments = parser.parse_args()
    check_tracing()
    with tempfile.TemporaryDirectory(prefix="syscalls-") as name:
        directory = pathlib.Path(name)
        on_sockets, others, empty = run(arguments.sallyport.resolve(), directory)
        if arguments.keep_trace:
            shutil.copy(directory / "trace", arguments.keep_trace)
    receives = sum(on_sockets[name] for name in RECEIVES)
    sends = sum(on_sockets[name] for name in SENDS)
    print(f"{REQUESTS} requests: {receives} receives, {sends} sends on sockets "
          f"({empty} without bytes): {dict(on_sockets)}")
    print("not counted (event descriptors, journal): "
          + ", ".join(f"{name} {n / REQUESTS:.2f} a request" for name, n in others.items()))
    if (receives, sends) != (2 * REQUESTS, 2 * REQUESTS):
        sys.exit(f"FAILED: a request takes {receives / REQUESTS:.3f} receives and "
                 f"{sends / REQUESTS:.3f} sends, not 2 and 2")
    print("PASSED")


if __name__ == "__main__":
    main()
