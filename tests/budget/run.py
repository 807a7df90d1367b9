#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Zero overshoot, through the whole program: 64 clients at one time against one hard budget.

Each round has a fresh key with a budget. Clients ask, some hang up in the middle, the gate is
killed with -9 under load and started again, until the budget is used up. What the simulated
provider generated, by its own log, must never be more than the budget, and at least 80 % of it.
Another round has clients that stop reading and then leave: while the gate waits for them, the
provider generates into the buffers on the way.
--prove takes away what the ledger knew with each kill: the comparison must then fail.
"""
import argparse
import http.client
import json
import os
import random
import secrets
import socket
import sqlite3
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
  pepper: ${{env:BUDGET_PEPPER}}
meter:
  prices: file:{directory}/prices.json
upstream:
  - name: sim
    base_url: http://127.0.0.1:{sim}/v1
    api_key: ${{env:BUDGET_PROVIDER_KEY}}
audit:
  path: {directory}/journal
store:
  path: {directory}/sallyport.db
admin:
  listener: {{address: "127.0.0.1:{admin}"}}
  socket: {directory}/admin.sock
"""
CLIENTS = 64
TOKENS = 300  # that a call generates, unless it is cut
MODEL = f"sim-chunks-{TOKENS}"
SMALL = "sim-chunks-1"
LONG_TOKENS = 100_000
LONG = f"sim-chunks-{LONG_TOKENS}"
STALLED_CLIENTS = 6
PRICES = {"version": 1, "models": [
    {"model": MODEL, "input": 1, "output": 10, "reasons": False},
    {"model": LONG, "input": 1, "output": 10, "reasons": False},
    {"model": SMALL, "input": 1, "output": 10, "reasons": False}]}
START_S_MAX = 20


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


class House:
    def __init__(self, binary, directory):
        self.binary = os.path.abspath(binary)
        self.directory = directory
        self.port, self.sim_port = free_port(), free_port()
        self.config = os.path.join(directory, "sallyport.yaml")
        self.log = os.path.join(directory, "log")
        with open(os.path.join(directory, "prices.json"), "w", encoding="utf-8") as out:
            json.dump(PRICES, out)
        with open(self.config, "w", encoding="utf-8") as out:
            out.write(CONFIG.format(gate=self.port, sim=self.sim_port, admin=free_port(),
                                    directory=directory))
        self.environment = dict(os.environ, BUDGET_PEPPER=secrets.token_hex(32),
                                BUDGET_PROVIDER_KEY="sk-sim")
        self.sim = None
        self.simulate("1ms")

    def simulate(self, token_delay):
        if self.sim:
            self.sim.kill()
            self.sim.wait()
        self.sim = self.start("sim", "--listen", f"127.0.0.1:{self.sim_port}",
                              "--token-delay", token_delay)
        self.wait_for(self.sim_port, self.sim)

    def start(self, *arguments):
        with open(self.log, "ab") as log:
            return subprocess.Popen([self.binary, "-c", self.config, *arguments], stdout=log,
                                    stderr=log, env=self.environment)

    def wait_for(self, port, process):
        begun = time.monotonic()
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                return
            except OSError:
                if process.poll() is not None or time.monotonic() - begun > START_S_MAX:
                    with open(self.log, encoding="utf-8", errors="replace") as text:
                        raise SystemExit("did not start:\n" + text.read()[-4000:]) from None
                time.sleep(0.005)

    def serve(self):
        gate = self.start("serve")
        self.wait_for(self.port, gate)
        return gate

    def ask(self, *arguments):
        done = subprocess.run([self.binary, "-c", self.config, *arguments], env=self.environment,
                              capture_output=True, text=True, timeout=60, check=False)
        if done.returncode != 0:
            raise SystemExit(f"{' '.join(arguments)} ended with {done.returncode}: "
                             f"{done.stdout[-2000:]}{done.stderr[-2000:]}")
        return done.stdout

    def new_key(self, name, budget):
        made = self.ask("keys", "create", name, "--budget", budget)
        return made.strip().splitlines()[-1].strip()

    def sim_page(self, method, path):
        connection = http.client.HTTPConnection("127.0.0.1", self.sim_port, timeout=20)
        connection.request(method, path)
        return json.loads(connection.getresponse().read() or b"{}")


class Bill:
    """What the provider generated since the round began, by its own log."""

    def __init__(self, house):
        self.house = house
        self.seen = {}
        self.last = 0

    def read(self):
        page = self.house.sim_page("GET", "/sim/requests")
        numbers = [call["number"] for call in page["requests"]]
        if numbers and self.last and min(numbers) > self.last + 1:
            raise SystemExit("the provider's log is too short for this test")
        self.last = max(numbers, default=self.last)
        for call in page["requests"]:
            if call["path"] == "/v1/chat/completions" and call["status"] == 200:
                self.seen[call["number"]] = call

    def tokens(self, prompt):
        total = 0
        for call in self.seen.values():
            most = {MODEL: TOKENS, LONG: LONG_TOKENS}.get(call["model"], 1)
            # The first piece of a stream has no text; a plain answer has no pieces.
            made = most if call["pieces"] == 0 else min(max(call["pieces"] - 1, 0), most)
            total += prompt + made
        return total


class Round:
    def __init__(self, house, key):
        self.house, self.key = house, key
        self.stop = threading.Event()
        self.counts = {}
        self.lock = threading.Lock()

    def count(self, what):
        with self.lock:
            self.counts[what] = self.counts.get(what, 0) + 1
            return self.counts[what]

    def body(self, model, stream):
        most = TOKENS if model == MODEL else 1
        return json.dumps({"model": model, "stream": stream, "max_completion_tokens": most,
                           "messages": [{"role": "user", "content": "a b c d e f g h"}]})

    def once(self, dice, model=MODEL):
        """One call, some of which hang up in the middle: the code of the answer, or None."""
        stream = dice.randrange(4) != 0
        hang_up = stream and dice.randrange(4) == 0
        connection = http.client.HTTPConnection("127.0.0.1", self.house.port, timeout=30)
        try:
            connection.request("POST", "/v1/chat/completions", self.body(model, stream),
                               {"Authorization": f"Bearer {self.key}",
                                "Content-Type": "application/json"})
            answer = connection.getresponse()
            if answer.status != 200:
                return json.loads(answer.read())["error"]["code"]
            if hang_up:
                answer.read(dice.randrange(1, 90_000))
                self.count("hung up")
                return None
            answer.read()
            self.count("whole")
            return None
        except (OSError, http.client.HTTPException, ValueError):
            self.count("broken")
            self.stop.wait(0.02)  # while the gate is down
            return None
        finally:
            connection.close()

    def client(self, seed):
        dice = random.Random(seed)
        while not self.stop.is_set():
            code = self.once(dice)
            if code == "budget_exceeded":
                self.count("refused")
                return
            if code is not None:
                self.count(code)

    def run(self, gate, kills, seed):
        threads = [threading.Thread(target=self.client, args=(f"{seed} {n}",))
                   for n in range(CLIENTS)]
        for thread in threads:
            thread.start()
        for kill in range(kills):
            goal = 150 * (kill + 1)
            while self.counts.get("whole", 0) < goal and any(t.is_alive() for t in threads):
                time.sleep(0.005)
            gate.kill()
            gate.wait()
            if self.house.forgetful:
                self.house.forget()
            gate = self.house.serve()
        for thread in threads:
            thread.join()
        # What is left is too little for a call of the usual size: small ones use it up.
        dice = random.Random(seed)
        for _ in range(4000):
            if self.once(dice, SMALL) == "budget_exceeded":
                break
        return gate


def forget(house):
    """What a gate that keeps its sums in memory only would know after a kill: nothing."""
    database = sqlite3.connect(os.path.join(house.directory, "sallyport.db"), timeout=10)
    for table in ("ledger_sums", "ledger_accounts", "ledger_open", "ledger_closed"):
        database.execute(f"DELETE FROM {table}")
    database.execute("UPDATE ledger_checkpoint SET seq = 9000000000000")
    database.commit()
    database.close()
    for path in os.listdir(os.path.join(house.directory, "journal/seg")):
        os.remove(os.path.join(house.directory, "journal/seg", path))


def prompt_tokens(house):
    """How many tokens the provider counts in the request of this test."""
    connection = http.client.HTTPConnection("127.0.0.1", house.sim_port, timeout=20)
    connection.request("POST", "/v1/chat/completions", Round(house, "").body(SMALL, False),
                       {"Authorization": "Bearer sk-sim", "Content-Type": "application/json"})
    return json.loads(connection.getresponse().read())["usage"]["prompt_tokens"]


def one_round(house, gate, number, options):
    key = house.new_key(f"round_{number}", f"{options.tokens}tokens/total")
    house.sim_page("DELETE", "/sim/requests")
    prompt = prompt_tokens(house)
    house.sim_page("DELETE", "/sim/requests")
    bill = Bill(house)
    stop = threading.Event()

    def watch():
        while not stop.wait(0.25):
            bill.read()

    watcher = threading.Thread(target=watch)
    watcher.start()
    play = Round(house, key)
    begun = time.monotonic()
    gate = play.run(gate, options.kills, f"{options.seed} {number}")
    stop.set()
    watcher.join()
    bill.read()
    used = bill.tokens(prompt)
    share = 100 * used / options.tokens
    print(f"round {number}: {used} of {options.tokens} tokens ({share:.1f} %), "
          f"{len(bill.seen)} calls, {time.monotonic() - begun:.1f} s, {play.counts}", flush=True)
    problems = []
    if used > options.tokens:
        problems.append(f"round {number}: the provider generated {used} tokens, the budget is "
                        f"{options.tokens}")
    if used < options.tokens * 8 // 10:
        problems.append(f"round {number}: only {share:.1f} % of the budget was used")
    return gate, problems


def settled_pieces(house):
    """How much the provider has sent so far, when that no longer grows."""
    last = -1
    while True:
        pieces = sum(call["pieces"] for call in house.sim_page("GET", "/sim/requests")["requests"])
        if pieces == last:
            return pieces
        last = pieces
        time.sleep(0.5)  # the provider works as fast as it can: half a second of nothing is the end


def stalled_call(house, key):
    """A stream that its client does not read: the socket, or None when the budget is used up."""
    body = json.dumps({"model": LONG, "stream": True, "max_completion_tokens": LONG_TOKENS,
                       "messages": [{"role": "user", "content": "a b c d e f g h"}]}).encode()
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.settimeout(30)
    client.connect(("127.0.0.1", house.port))
    client.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nHost: gate\r\nAuthorization: Bearer " +
                   key.encode() + b"\r\nContent-Type: application/json\r\nContent-Length: " +
                   str(len(body)).encode() + b"\r\n\r\n" + body)
    if b" 200 " in client.recv(20):
        return client
    client.close()
    return None


def stalled_round(house, options):
    """Clients that stop reading and then leave; what the buffers on the way took is billed."""
    budget = options.stalled_tokens
    house.simulate("0ms")
    key = house.new_key("stalled", f"{budget}tokens/total")
    house.sim_page("DELETE", "/sim/requests")
    prompt = prompt_tokens(house)
    house.sim_page("DELETE", "/sim/requests")
    bill = Bill(house)
    calls, full = 0, False
    while not full:
        clients = []
        while not full and len(clients) < STALLED_CLIENTS:
            client = stalled_call(house, key)
            full = client is None and not clients
            if client is None:
                break
            clients.append(client)
        settled_pieces(house)
        for client in clients:
            client.close()
        calls += len(clients)
        wait_until_settled(house)
        bill.read()
    used = bill.tokens(prompt)
    print(f"stalled clients: {used} of {budget} tokens, {calls} calls", flush=True)
    if calls < budget // (2 * LONG_TOKENS):
        return [f"stalled clients: only {calls} calls were let through"]
    if used > budget:
        return [f"stalled clients: the provider generated {used} tokens, the budget is {budget}"]
    return []


def wait_until_settled(house):
    begun = time.monotonic()
    while time.monotonic() - begun < 20:
        row = house.ask("budgets", "show", "key:stalled").strip().splitlines()[-1].split()
        if row[6] == "0":  # account, unit, per, kind, amount, spent, held, share
            return
    raise SystemExit("calls whose clients have left are still open: " + " ".join(row))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--sallyport", required=True)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--kills", type=int, default=1)
    parser.add_argument("--tokens", type=int, default=300_000)
    parser.add_argument("--stalled-tokens", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--prove", action="store_true")
    options = parser.parse_args()
    problems = []
    with tempfile.TemporaryDirectory() as directory:
        house = House(options.sallyport, directory)
        house.forgetful = options.prove
        house.forget = lambda: forget(house)
        gate = None
        try:
            gate = house.serve()
            for number in range(options.rounds):
                gate, found = one_round(house, gate, number, options)
                problems += found
            if not options.prove:
                problems += stalled_round(house, options)
        finally:
            for process in (gate, house.sim):
                if process and process.poll() is None:
                    process.kill()
                    process.wait()
    for problem in problems:
        print(problem, file=sys.stderr)
    if options.prove:
        print("proved" if problems else "a gate that forgets was not found out")
        return 0 if problems else 1
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
