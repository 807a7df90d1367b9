#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""kill -9 under load: each answer a client got whole has exactly one outcome in the journal.

Each round starts the gate, lets eight clients ask, kills the gate after a random number of answers,
and starts it again. --prove takes the last lines out of the journal after the kill, as a recorder
that keeps them in memory would lose them: the comparison must then fail.
"""
import argparse
import glob
import http.client
import json
import os
import random
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time

CONFIG = """\
version: 1
http:
  listeners:
    - {{name: gate, address: "127.0.0.1:{gate}"}}
keys:
  pepper: ${{env:KILL9_PEPPER}}
upstream:
  - name: sim
    base_url: http://127.0.0.1:{sim}/v1
    api_key: ${{env:KILL9_PROVIDER_KEY}}
audit:
  path: {directory}/journal
  segment_bytes: 1MiB
store:
  path: {directory}/sallyport.db
admin:
  listener: {{address: "127.0.0.1:{admin}"}}
  socket: {directory}/admin.sock
"""
CLIENTS = 8
ANSWERS_MAX = 150  # of one life of the gate
START_S_MAX = 1.0


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def wait_for(port, process, log, limit_s=20):
    """Seconds until something accepts on the port."""
    begun = time.monotonic()
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return time.monotonic() - begun
        except OSError:
            if process.poll() is not None or time.monotonic() - begun > limit_s:
                with open(log, encoding="utf-8", errors="replace") as text:
                    raise SystemExit("did not start:\n" + text.read()[-4000:]) from None
            time.sleep(0.005)


class Life:
    """What the clients of one life of the gate got, and when it ends."""

    def __init__(self, process, answers_until_kill):
        self._lock = threading.Lock()
        self._process = process
        self._left = answers_until_kill
        self.over = threading.Event()
        self.whole = []  # request ids of answers that arrived to the last byte
        self.refused = []

    def got(self, request_id, status):
        with self._lock:
            (self.whole if 200 <= status < 300 else self.refused).append((request_id, status))
            self._left -= 1
            if self._left == 0:
                self._process.kill()


def body_of(dice):
    kind = dice.randrange(4)
    if kind == 0:
        return "/v1/embeddings", {"model": "text-embedding-3-small", "input": "a"}
    if kind == 1:
        return "/v1/responses", {"model": "gpt-4o-mini", "input": "a"}
    chat = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "a"}]}
    if kind == 2:
        chat.update(stream=True, max_tokens=12)
    return "/v1/chat/completions", chat


def client(life, port, key, seed):
    dice = random.Random(seed)
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    wrong = dict(headers, Authorization="Bearer sk-wrong")
    while not life.over.is_set():
        path, body = body_of(dice)
        is_stranger = dice.randrange(20) == 0
        try:
            connection.request("POST", path, json.dumps(body), wrong if is_stranger else headers)
            answer = connection.getresponse()
            text = answer.read()
        except (OSError, http.client.HTTPException):
            return  # the gate is dead
        if body.get("stream") and not is_stranger and not text.endswith(b"data: [DONE]\n\n"):
            return  # cut in the middle: no whole answer
        life.got(answer.getheader("x-sallyport-request-id"), answer.status)


class House:
    def __init__(self, binary, directory):
        self.binary = os.path.abspath(binary)
        self.directory = directory
        self.port, sim_port = free_port(), free_port()
        self.config = os.path.join(directory, "sallyport.yaml")
        self.log = os.path.join(directory, "log")
        with open(self.config, "w", encoding="utf-8") as out:
            out.write(CONFIG.format(gate=self.port, sim=sim_port, admin=free_port(),
                                    directory=directory))
        self.environment = dict(os.environ, KILL9_PEPPER=secrets.token_hex(32),
                                KILL9_PROVIDER_KEY="sk-sim")
        self.sim = self.start("sim", "--listen", f"127.0.0.1:{sim_port}", "--token-delay", "1ms")
        wait_for(sim_port, self.sim, self.log)
        self.key = self.ask("keys", "create", "kill9").strip().splitlines()[-1].strip()

    def start(self, *arguments):
        with open(self.log, "ab") as log:
            return subprocess.Popen([self.binary, "-c", self.config, *arguments], stdout=log,
                                    stderr=log, env=self.environment)

    def ask(self, *arguments, codes=(0,)):
        done = subprocess.run([self.binary, "-c", self.config, *arguments], env=self.environment,
                              capture_output=True, text=True, timeout=60, check=False)
        if done.returncode not in codes:
            raise SystemExit(f"{' '.join(arguments)} ended with {done.returncode}: "
                             f"{done.stdout[-2000:]}{done.stderr[-2000:]}")
        return done.stdout

    def live_and_die(self, answers, seed):
        """One life: returns what clients got and how long the start took."""
        gate = self.start("serve")
        start_s = wait_for(self.port, gate, self.log)
        life = Life(gate, answers)
        threads = [threading.Thread(target=client, args=(life, self.port, self.key, f"{seed} {n}"))
                   for n in range(CLIENTS)]
        for thread in threads:
            thread.start()
        gate.wait()
        life.over.set()
        for thread in threads:
            thread.join()
        return life, start_s

    def settle(self):
        """A start that is ended in order: what the kill left open is closed."""
        gate = self.start("serve")
        start_s = wait_for(self.port, gate, self.log)
        gate.terminate()
        if gate.wait(20) != 0:
            raise SystemExit("the gate did not end in order")
        return start_s


def lose_last_lines(directory):
    """What a recorder that answers before it writes would lose."""
    for path in sorted(glob.glob(os.path.join(directory, "journal/seg/*.jsonl")), reverse=True):
        with open(path, "rb") as file:
            lines = file.read().rstrip(b"\0").splitlines(keepends=True)
        if len(lines) > 12:
            with open(path, "wb") as file:
                file.write(b"".join(lines[:-10]) + b"\0" * 4096)
            break
    # What was signed would tell of it, and the gate would not start: here the comparison must.
    for name in ("journal/checkpoint", "journal.last_signed"):
        path = os.path.join(directory, name)
        if os.path.exists(path):
            os.unlink(path)
    shutil.rmtree(os.path.join(directory, "journal/checkpoints"), ignore_errors=True)


def compare(house, lives):
    """Problems, as sentences."""
    outcomes, intents = {}, {}
    for line in house.ask("audit", "query", "--json", "--limit", "0", "--kind",
                          "request").splitlines():
        record = json.loads(line)
        outcomes.setdefault(record["request_id"], []).append(record)
    for line in house.ask("audit", "query", "--json", "--limit", "0", "--kind",
                          "intent").splitlines():
        record = json.loads(line)
        intents.setdefault(record["request_id"], []).append(record)
    problems = []
    for request_id, status in [a for life in lives for a in life.whole + life.refused]:
        found = outcomes.get(request_id, [])
        if len(found) != 1:
            problems.append(f"{request_id} ({status}) has {len(found)} outcomes")
        elif found[0]["status"] != status:
            problems.append(f"{request_id} got {status}, the journal says {found[0]['status']}")
    for request_id, _ in [a for life in lives for a in life.whole]:
        if len(intents.get(request_id, [])) != 1:
            problems.append(f"{request_id} has {len(intents.get(request_id, []))} intents")
    for request_id in intents:
        if len(outcomes.get(request_id, [])) != 1:
            problems.append(f"intent {request_id} has {len(outcomes.get(request_id, []))} outcomes")
    return problems


def run(house, rounds, seed, prove):
    dice = random.Random(seed)
    lives, starts = [], []
    for number in range(rounds):
        life, start_s = house.live_and_die(dice.randrange(1, ANSWERS_MAX), f"{seed} {number}")
        lives.append(life)
        starts.append(start_s)
        if prove:
            lose_last_lines(house.directory)
    starts.append(house.settle())
    problems = compare(house, lives)
    if not prove:
        house.ask("audit", "verify")
        slow = [f"{s:.2f}" for s in starts if s > START_S_MAX]
        if slow:
            problems.append(f"starts took longer than {START_S_MAX} s: {', '.join(slow)}")
    whole = sum(len(life.whole) for life in lives)
    refused = sum(len(life.refused) for life in lives)
    print(f"kill9: {rounds} rounds, {whole} whole answers, {refused} refused, slowest start "
          f"{max(starts):.3f} s, {len(problems)} problems (seed {seed})")
    return problems


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--sallyport", default="build/release/sallyport")
    arguments.add_argument("--rounds", type=int, default=50)
    arguments.add_argument("--seed", type=int, default=20261124)
    arguments.add_argument("--prove", action="store_true")
    options = arguments.parse_args()
    with tempfile.TemporaryDirectory(prefix="kill9-") as directory:
        house = House(options.sallyport, directory)
        try:
            problems = run(house, options.rounds, options.seed, options.prove)
        finally:
            house.sim.kill()
            house.sim.wait()
    for problem in problems[:20]:
        print("  " + problem)
    if options.prove:
        print("the test finds lost records" if problems else "the test found nothing: it is blind")
        return 0 if problems else 1
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
