#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""ClickHouse takes the journal of a real gate as it stands, and counts what `audit query` counts.

A gate with the simulated provider is asked by a few keys, with and without success. Its journal is
imported as JSONEachRow into the table of packaging/clickhouse/audit.sql, and sums by every field
are compared with ours, cell by cell. The shipped questions must run. Exit 77: no ClickHouse here.
"""
import argparse
import decimal
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
SHIPPED = os.path.join(HERE, "..", "..", "packaging", "clickhouse")
START_S_MAX = 30
GATE = """\
version: 1
http:
  listeners:
    - {{name: gate, address: "127.0.0.1:{gate}"}}
keys:
  pepper: ${{env:CLICKHOUSE_PEPPER}}
meter:
  prices: file:{directory}/prices.json
upstream:
  - name: sim
    base_url: http://127.0.0.1:{sim}/v1
    api_key: ${{env:CLICKHOUSE_PROVIDER_KEY}}
audit:
  path: {directory}/journal
store:
  path: {directory}/sallyport.db
admin:
  listener: {{address: "127.0.0.1:{admin}"}}
  socket: {directory}/admin.sock
"""
SERVER = """\
<yandex>
  <logger><level>warning</level><console>1</console></logger>
  <http_port>{http}</http_port>
  <tcp_port>{tcp}</tcp_port>
  <interserver_http_port>{between}</interserver_http_port>
  <listen_host>127.0.0.1</listen_host>
  <path>{directory}/</path>
  <tmp_path>{directory}/tmp/</tmp_path>
  <mark_cache_size>67108864</mark_cache_size>
  <users_config>{directory}/users.xml</users_config>
  <default_profile>default</default_profile>
  <default_database>default</default_database>
</yandex>
"""
USERS = """\
<yandex>
  <profiles><default><max_memory_usage>1000000000</max_memory_usage></default></profiles>
  <users><default>
    <password></password><networks><ip>127.0.0.1</ip></networks>
    <profile>default</profile><quota>default</quota>
  </default></users>
  <quotas><default></default></quotas>
</yandex>
"""
PRICES = {"version": 1, "models": [
    {"model": "sim-chunks-3", "input": 1, "output": 10, "reasons": False},
    {"model": "sim-chunks-9", "input": 2, "output": 20, "reasons": False}]}
IMPORT = ["--input_format_skip_unknown_fields=1", "--input_format_import_nested_json=1",
          "--query", "INSERT INTO sallyport.audit FORMAT JSONEachRow"]
# A field of ours, and the same for ClickHouse.
FIELDS = [("key", "api_key_id"), ("kind", "kind"), ("status", "toString(status)"),
          ("model", "model"), ("endpoint", "nullIf(endpoint, '')"), ("error", "error"),
          ("ip", "nullIf(ip, '')"),
          ("metadata.module", "`metadata.module`"), ("upstream", "upstream"),
          ("action", "action"),
          ("stream", "if(isNull(stream), NULL, if(stream = 1, 'true', 'false'))"),
          ("verdict", "`injection.verdict`")]
MEASURES = [("count", "count()"), ("requests", "sum(ifNull(repeated, 1))"),
            ("sum:tokens_input", "sum(tokens_input)"), ("sum:tokens_output", "sum(tokens_output)"),
            ("sum:cost_usd", "sum(cost_usd)"), ("max:latency_ms", "max(latency_ms)"),
            ("distinct:kid", "ifNull(uniqExact(kid), 0)")]


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def listens(port):
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
        return True
    except OSError:
        return False


class Programs:
    """Everything that was started, and one log of what it said."""

    def __init__(self, directory):
        self.log = os.path.join(directory, "log")
        self.running = []

    def start(self, port, *command, environment=None):
        with open(self.log, "ab") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
        self.running.append(process)
        begun = time.monotonic()
        while not listens(port):
            if process.poll() is not None or time.monotonic() - begun > START_S_MAX:
                with open(self.log, encoding="utf-8", errors="replace") as text:
                    raise SystemExit(f"{command[0]} did not start:\n" + text.read()[-4000:])
            time.sleep(0.01)
        return process

    def stop(self):
        for process in reversed(self.running):
            if process.poll() is not None:
                continue
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


class House:
    """A gate before the simulated provider."""

    def __init__(self, binary, directory, programs):
        self.binary = os.path.abspath(binary)
        self.config = os.path.join(directory, "sallyport.yaml")
        self.journal = os.path.join(directory, "journal")
        self.port, sim = free_port(), free_port()
        with open(os.path.join(directory, "prices.json"), "w", encoding="utf-8") as out:
            json.dump(PRICES, out)
        with open(self.config, "w", encoding="utf-8") as out:
            out.write(GATE.format(gate=self.port, sim=sim, admin=free_port(), directory=directory))
        self.environment = dict(os.environ, CLICKHOUSE_PEPPER=secrets.token_hex(32),
                                CLICKHOUSE_PROVIDER_KEY="sk-sim")
        programs.start(sim, self.binary, "sim", "--listen", f"127.0.0.1:{sim}",
                       environment=self.environment)
        self.gate = programs.start(self.port, self.binary, "-c", self.config, "serve",
                                   environment=self.environment)

    def stop(self):
        self.gate.send_signal(signal.SIGTERM)
        if self.gate.wait(30) != 0:
            raise SystemExit("the gate did not end well")

    def command(self, *arguments):
        done = subprocess.run([self.binary, "-c", self.config, *arguments], env=self.environment,
                              capture_output=True, text=True, timeout=120, check=False)
        if done.returncode != 0:
            raise SystemExit(f"{' '.join(arguments)} ended with {done.returncode}: {done.stderr}")
        return done.stdout

    def call(self, key, model, stream):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        body = json.dumps({"model": model, "stream": stream, "max_tokens": 20,
                           "messages": [{"role": "user", "content": "how are you today?"}]})
        connection.request("POST", "/v1/chat/completions", body,
                           {"Authorization": f"Bearer {key}", "Content-Type": "application/json"})
        answer = connection.getresponse()
        answer.read()
        connection.close()
        return answer.status

    def traffic(self):
        seen = {}
        for number in range(4):
            key = self.command("keys", "create", f"app-{number}").strip().splitlines()[-1].strip()
            for i in range(12):
                model = "sim-chunks-3" if i % 3 else "sim-chunks-9"
                status = self.call(key, model, stream=i % 2 == 0)
                seen[status] = seen.get(status, 0) + 1
        for _ in range(9):
            status = self.call("sk-sp1-" + secrets.token_hex(20), "sim-chunks-3", stream=False)
            seen[status] = seen.get(status, 0) + 1
        if seen != {200: 48, 401: 9}:
            raise SystemExit(f"the gate answered {seen}")


class ClickHouse:
    def __init__(self, directory, programs):
        self.port = free_port()
        os.makedirs(os.path.join(directory, "tmp"))
        config = os.path.join(directory, "config.xml")
        with open(config, "w", encoding="utf-8") as out:
            out.write(SERVER.format(http=free_port(), tcp=self.port, between=free_port(),
                                    directory=directory))
        with open(os.path.join(directory, "users.xml"), "w", encoding="utf-8") as out:
            out.write(USERS)
        programs.start(self.port, shutil.which("clickhouse-server"), f"--config-file={config}")

    def run(self, *arguments, given=None):
        done = subprocess.run(["clickhouse-client", "--port", str(self.port), *arguments],
                              input=given, capture_output=True, timeout=120, check=False)
        if done.returncode != 0:
            raise SystemExit(f"clickhouse-client {arguments}: {done.stderr.decode()[-2000:]}")
        return done.stdout.decode()

    def rows(self, query):
        text = self.run("--output_format_json_quote_64bit_integers=0", "--query",
                        query + " FORMAT JSONEachRow")
        return [json.loads(line, parse_float=decimal.Decimal) for line in text.splitlines()]


def lines_of(journal):
    """The journal's segments as they stand; the newest has zeros at its end."""
    out = b""
    for path in sorted(glob.glob(os.path.join(journal, "seg", "*.jsonl"))):
        with open(path, "rb") as segment:
            out += segment.read().rstrip(b"\0")
    return out


def plain(value):
    """A cell, however it was written: a number, a word, or nothing."""
    if value is None:
        return None
    try:
        return str(decimal.Decimal(str(value)).normalize())
    except decimal.InvalidOperation:
        return value


def ours(house, field):
    arguments = ["audit", "query", "--json", "--group-by", field]
    for measure, _ in MEASURES:
        arguments += ["--measure", measure]
    answer = json.loads(house.command(*arguments))
    name = next(name for name in answer["rows"][0] if name not in dict(MEASURES))
    return answer, {row[name]: [plain(row[measure]) for measure, _ in MEASURES]
                    for row in answer["rows"]}


def theirs(server, expression):
    """Intents that have their outcome are left out, as `audit query` leaves them out."""
    sums = ", ".join(f"{theirs} AS m{i}" for i, (_, theirs) in enumerate(MEASURES))
    rows = server.rows(
        f"SELECT {expression} AS field, {sums} FROM sallyport.audit FINAL "
        "WHERE kind != 'intent' OR request_id NOT IN "
        "(SELECT request_id FROM sallyport.audit WHERE kind = 'request') GROUP BY field")
    return {row["field"]: [plain(row[f"m{i}"]) for i in range(len(MEASURES))] for row in rows}


def compare(house, server):
    lines = lines_of(house.journal).count(b"\n")
    if server.rows("SELECT count() AS n, max(seq) AS last FROM sallyport.audit FINAL") != [
            {"n": lines, "last": lines}]:
        raise SystemExit(f"ClickHouse does not hold the journal's {lines} lines once each")
    cells = 0
    for field, expression in FIELDS:
        answer, mine = ours(house, field)
        others = theirs(server, expression)
        if answer["holds_up_to_seq"] != lines or answer["missing"]:
            raise SystemExit(f"audit query holds {answer['holds_up_to_seq']} of {lines} records")
        if mine != others:
            raise SystemExit(f"by {field} we say\n{mine}\nand ClickHouse says\n{others}")
        cells += sum(len(row) for row in mine.values())
    print(f"{lines} records, {cells} sums by {len(FIELDS)} fields: the same")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--sallyport", required=True)
    options = parser.parse_args()
    if not shutil.which("clickhouse-server") or not shutil.which("clickhouse-client"):
        print("no clickhouse-server and clickhouse-client here")
        return 77
    with tempfile.TemporaryDirectory(prefix="clickhouse-") as directory:
        programs = Programs(directory)
        try:
            house = House(options.sallyport, directory, programs)
            server = ClickHouse(os.path.join(directory, "server"), programs)
            with open(os.path.join(SHIPPED, "audit.sql"), "rb") as table:
                server.run("--multiquery", given=table.read())
            house.traffic()
            # Once from the journal that is being written, and again when it is whole.
            server.run(*IMPORT, given=lines_of(house.journal))
            house.stop()
            server.run(*IMPORT, given=lines_of(house.journal))
            compare(house, server)
            with open(os.path.join(SHIPPED, "questions.sql"), "rb") as questions:
                said = server.run("--multiquery", given=questions.read())
            # Nobody was anywhere before: each of the four keys came from a new place.
            if said.count("app-") != 8 or "127.0.0.1" not in said:
                raise SystemExit(f"the shipped questions were answered:\n{said}")
        finally:
            programs.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
