#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A stranger verifies a log that the real program wrote.

It is checked by Go's own note and tlog packages (stranger.go, no code of ours) and by `audit
verify`. Both must accept it, and both must refuse every one of a set of altered copies. Exit 77: no
Go here.
"""
import argparse
import glob
import http.client
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
CONFIG = """\
version: 1
http:
  listeners:
    - {{name: gate, address: "127.0.0.1:{gate}"}}
keys:
  pepper: ${{env:STRANGER_PEPPER}}
upstream:
  - name: sim
    base_url: http://127.0.0.1:{gate}/v1
    api_key: ${{env:STRANGER_PROVIDER_KEY}}
audit:
  path: {directory}/journal
  origin: stranger.example.com/audit
store:
  path: {directory}/sallyport.db
admin:
  listener: {{address: "127.0.0.1:{admin}"}}
  socket: {directory}/admin.sock
"""
RECORDS = 300  # of one life of the gate


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


class Gate:
    def __init__(self, binary, directory):
        self.binary = os.path.abspath(binary)
        self.directory = directory
        self.config = os.path.join(directory, "sallyport.yaml")
        self.environment = dict(os.environ, STRANGER_PEPPER=secrets.token_hex(32),
                                STRANGER_PROVIDER_KEY="sk-sim")
        self.port = free_port()
        with open(self.config, "w", encoding="utf-8") as out:
            out.write(CONFIG.format(gate=self.port, admin=free_port(), directory=directory))

    def command(self, *arguments):
        return subprocess.run([self.binary, "-c", self.config, *arguments], env=self.environment,
                              capture_output=True, text=True, timeout=120, check=False)

    def live(self, records, rotate=False):
        """One life: each key that is made is a record of the administrator's. In the middle of it
        the log's own key may give way to the next one."""
        log = open(os.path.join(self.directory, "log"), "a", encoding="utf-8")
        process = subprocess.Popen([self.binary, "-c", self.config, "serve"],
                                   env=self.environment, stdout=log, stderr=log)
        admin = os.path.join(self.directory, "admin.sock")
        deadline = time.monotonic() + 30
        connection = None
        while connection is None:
            try:
                plain = socket.socket(socket.AF_UNIX)
                plain.connect(admin)
                connection = http.client.HTTPConnection("localhost")
                connection.sock = plain
            except OSError:
                if process.poll() is not None or time.monotonic() > deadline:
                    raise SystemExit("did not start:\n" + self.log()) from None
                time.sleep(0.01)
        for i in range(records):
            if rotate and i == records // 2:
                connection.request("POST", "/admin/v1/audit/rotate-key", "{}",
                                   {"Content-Type": "application/json"})
                answer = connection.getresponse()
                told = answer.read()
                if answer.status != 200:
                    raise SystemExit(f"the new key was answered {answer.status}: {told}")
            body = json.dumps({"name": f"app-{secrets.token_hex(6)}-{i}"})
            connection.request("POST", "/admin/v1/keys", body,
                               {"Content-Type": "application/json"})
            answer = connection.getresponse()
            answer.read()
            if answer.status not in (200, 201):
                raise SystemExit(f"a key was answered {answer.status}")
        process.send_signal(signal.SIGTERM)
        if process.wait(30) != 0:
            raise SystemExit("did not end well:\n" + self.log())

    def log(self):
        with open(os.path.join(self.directory, "log"), encoding="utf-8") as text:
            return text.read()[-4000:]


def crc32c(data, table=[]):
    if not table:
        for n in range(256):
            for _ in range(8):
                n = (n >> 1) ^ (0x82F63B78 if n & 1 else 0)
            table.append(n)
    crc = 0xFFFFFFFF
    for byte in data:
        crc = table[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    return crc ^ 0xFFFFFFFF


def flip(path, at):
    with open(path, "r+b") as file:
        file.seek(at, os.SEEK_END if at < 0 else os.SEEK_SET)
        byte = file.read(1)
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte[0] ^ 1]))


def first_segment(journal):
    return sorted(glob.glob(f"{journal}/seg/*.jsonl"))[0]


def rewrite(journal, change):
    """The first segment with other lines, numbered and summed anew as a forger would."""
    path = first_segment(journal)
    with open(path, "rb") as file:
        lines = file.read().rstrip(b"\0").rstrip(b"\n").split(b"\n")
    bodies = [line[:line.rindex(b',"seq":')] for line in lines]
    change(bodies)
    with open(path, "wb") as file:
        for seq, body in enumerate(bodies, 1):
            body += b',"seq":%d' % seq
            file.write(body + b',"crc":"%08x"}\n' % crc32c(body))


def behead(journal, bound):
    """The first 100 records are gone, and a file says that they were pruned."""
    path = first_segment(journal)
    with open(path, "rb") as file:
        lines = file.read().rstrip(b"\0").split(b"\n")
    with open(f"{journal}/seg/{101:020d}.jsonl", "wb") as file:
        file.write(b"\n".join(lines[100:]))
    os.remove(path)
    if bound:
        with open(f"{journal}/min_index", "w", encoding="ascii") as file:
            file.write(bound)


def forge_key(gate, directory, good, pretend):
    """In a house of his own, somebody who has the journal and not its key brings another one. With
    `pretend` he writes that the old key gave way to it."""
    journal = os.path.join(directory, "journal")
    os.remove(os.path.join(directory, "journal.signing_key"))
    told = gate.command("--json", "audit", "accept-state")
    if told.returncode != 0:
        raise SystemExit("accept-state: " + told.stderr + told.stdout)
    if not pretend:
        gate.live(20)
        return
    key = json.loads(told.stdout)["key"]
    for path in sorted(glob.glob(f"{journal}/seg/*.jsonl")):
        with open(path, "rb") as file:
            lines = file.read().rstrip(b"\0").rstrip(b"\n").split(b"\n")
        if b"audit_state_accepted" in lines[-1]:
            break
    body, seq = lines[-1][:lines[-1].rindex(b',"seq":')], json.loads(lines[-1])["seq"]
    body = body.replace(b"audit_state_accepted", b"audit_key_rotated")
    body += b',"seq":%d' % seq
    lines[-1] = body + b',"crc":"%08x"}' % crc32c(body)
    for thing in ("tile", "checkpoints", "checkpoint"):
        path_of = os.path.join(journal, thing)
        shutil.rmtree(path_of) if os.path.isdir(path_of) else os.remove(path_of)
        copy = shutil.copytree if os.path.isdir(f"{good}/{thing}") else shutil.copy
        copy(f"{good}/{thing}", path_of)
    with open(path, "wb") as file:
        file.write(b"\n".join(lines) + b"\n")
    with open(f"{journal}/vkeys", encoding="utf-8") as file:
        terms = [line.split(" ") for line in file.read().splitlines()]
    terms[-2][2] = terms[-1][1] = str(seq)
    with open(f"{journal}/vkeys", "w", encoding="utf-8") as file:
        file.write("".join(" ".join(term) + "\n" for term in terms))
    with open(f"{good}/checkpoint", encoding="utf-8") as file:
        text = "".join(file.readlines()[:3])
    with open(f"{directory}/journal.last_signed", "w", encoding="utf-8") as file:
        file.write("sallyport last signed v1\n" + text + key + "\n")
    gate.live(20)


def swap(bodies):
    # Both keep the other's time, or the order of times alone would give it away.
    bodies[5], bodies[6] = bodies[5][:43] + bodies[6][43:], bodies[6][:43] + bodies[5][43:]


def put_back(journal, note):
    with open(f"{journal}/checkpoint", "w", encoding="utf-8") as file:
        file.write(note)


def cut(path):
    os.truncate(path, os.path.getsize(path) - 32)


def replace(journal, other):
    shutil.rmtree(journal)
    shutil.copytree(other, journal)


def cases(old_note, fork, accepted, rotated):
    return [
        ("the first records gone", lambda j: behead(j, "")),
        ("the first records gone, a bound", lambda j: behead(j, "100\n")),
        ("the first records gone, a bound and a record", lambda j: behead(j, "100 310\n")),
        ("a key that somebody brought", lambda j: replace(j, accepted)),
        ("a rotation that the old key did not sign", lambda j: replace(j, rotated)),
        ("a bit of a record", lambda j: flip(first_segment(j), 200)),
        ("a bit of a full tile", lambda j: flip(f"{j}/tile/0/000", 40)),
        ("a bit of a partial tile", lambda j: flip(sorted(glob.glob(f"{j}/tile/0/*.p/*"))[-1], 3)),
        ("a bit of the checkpoint", lambda j: flip(f"{j}/checkpoint", 35)),
        ("a bit of the signature", lambda j: flip(f"{j}/checkpoint", -20)),
        ("a record changed", lambda j: rewrite(j, lambda b: b.__setitem__(
            9, b[9].replace(b"app-", b"apq-")))),
        ("a record removed", lambda j: rewrite(j, lambda b: b.pop(9))),
        ("a swapped pair", lambda j: rewrite(j, swap)),
        ("a record twice", lambda j: rewrite(j, lambda b: b.insert(9, b[9]))),
        ("a truncated tile", lambda j: cut(f"{j}/tile/0/000")),
        ("an old checkpoint put back", lambda j: put_back(j, old_note)),
        ("a fork, signed by the same key", lambda j: replace(j, fork)),
    ]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--sallyport", required=True)
    options = parser.parse_args()
    if shutil.which("go") is None or not os.path.isdir("/usr/share/gocode/src/golang.org/x/mod"):
        print("golang-go and golang-golang-x-mod-dev are not installed (tools/deps test)")
        return 77
    with tempfile.TemporaryDirectory() as top:
        stranger = os.path.join(top, "stranger")
        subprocess.run(["go", "build", "-o", stranger, "stranger.go"], check=True, cwd=HERE,
                       env=dict(os.environ, GO111MODULE="off", GOPATH="/usr/share/gocode",
                                GOCACHE=os.path.join(top, "cache"), GOFLAGS=""))
        return run(options.sallyport, stranger, top)


def run(binary, stranger, top):
    directory = os.path.join(top, "house")
    os.mkdir(directory)
    gate = Gate(binary, directory)
    journal = os.path.join(directory, "journal")
    good = os.path.join(top, "good")
    gate.live(RECORDS)
    with open(f"{journal}/checkpoint", encoding="utf-8") as file:
        old_note = file.read()
    # The fork: a copy of everything, the state too, that lives on elsewhere.
    house = os.path.join(top, "copy")
    shutil.copytree(directory, house)
    gate.live(RECORDS, rotate=True)
    shutil.copytree(journal, good)
    with open(f"{journal}/vkeys", encoding="utf-8") as file:
        vkeys = [line.split(" ")[0] for line in file]
    aside = os.path.join(top, "aside")
    os.rename(directory, aside)

    def elsewhere(name, source, live):
        """What becomes of the journal in a copy of `source` that lives in our place."""
        shutil.copytree(source, directory)
        live()
        os.rename(journal, os.path.join(top, name))
        shutil.rmtree(directory)
        return os.path.join(top, name)

    fork = elsewhere("fork", house, lambda: gate.live(RECORDS + 20))
    accepted = elsewhere("accepted", aside, lambda: forge_key(gate, directory, good, False))
    rotated = elsewhere("rotated", aside, lambda: forge_key(gate, directory, good, True))
    os.rename(aside, directory)

    def by_stranger(folder, *more, vkey=vkeys[0]):  # known since the first life
        return subprocess.run([stranger, "-journal", folder, "-vkey", vkey, *more],
                              capture_output=True, text=True, check=False, timeout=120)

    seen = os.path.join(top, "seen")
    shutil.copy(f"{good}/checkpoint", seen)
    wrong = 0

    def expect(why, answer, code):
        nonlocal wrong
        if answer.returncode == code:
            return
        wrong += 1
        print(f"{why}: exit {answer.returncode} instead of {code}\n{answer.stdout}{answer.stderr}")

    expect("the good log, stranger", by_stranger(journal, "-seen", seen), 0)
    expect("the good log, verify", gate.command("audit", "verify"), 0)
    exported = os.path.join(top, "exported")
    expect("export", gate.command("audit", "export", exported), 0)
    expect("the exported log, stranger", by_stranger(exported, "-exported", "-seen", seen,
                                                      vkey=vkeys[-1]), 0)
    proof = os.path.join(top, "proof")
    expect("prove", gate.command("audit", "prove", "7", "--out", proof), 0)
    check = ["audit", "check-proof", f"{proof}/7.tlog-proof", "--record", f"{proof}/7.record",
             "--vkey", vkeys[-1]]
    expect("check-proof", gate.command(*check), 0)
    flip(f"{proof}/7.record", 50)
    expect("check-proof of a changed record", gate.command(*check), 3)
    for why, change in cases(old_note, fork, accepted, rotated):
        replace(journal, good)
        change(journal)
        expect(why + ", stranger", by_stranger(journal, "-seen", seen), 3)
        expect(why + ", verify", gate.command("audit", "verify"), 3)
    for why, what in (("a fork", fork), ("a forged rotation", rotated)):
        replace(journal, what)
        answer = gate.command("serve")
        if answer.returncode == 0 or "accept-state" not in answer.stderr + answer.stdout:
            wrong += 1
            print(f"the house starts on {why}:", answer.stderr)
    # Last, for it goes on with the state: what the program prunes, and says so, is no damage.
    replace(journal, good)
    first = first_segment(journal)
    expect("prune", gate.command("audit", "prune", "--keep", "1ms"), 0)
    if os.path.exists(first):
        wrong += 1
        print("nothing was pruned")
    expect("the pruned log, stranger", by_stranger(journal, "-seen", seen), 0)
    expect("the pruned log, verify", gate.command("audit", "verify"), 0)
    print("both verifiers agree" if wrong == 0 else f"{wrong} answers are wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
