#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Times the shipped questions and some sums in a ClickHouse that holds the benchmark's records.

    bench/audit/clickhouse.py PORT

The end of the window is that of bench/audit/traffic.h. Each query runs four times; the server's own
time and the CPU time of all its threads come from /proc, so that other work shows.
"""
import os
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
QUESTIONS = os.path.join(HERE, "..", "..", "packaging", "clickhouse", "questions.sql")
NOW = "toDateTime('2026-11-24 14:05:00', 'UTC')"
REQUESTS = "FROM sallyport.audit WHERE kind = 'request'"
SUMS = "count(), sum(tokens_input), sum(tokens_output), sum(cost_usd)"
MORE = [("sums by key", f"SELECT api_key_id, {SUMS} {REQUESTS} GROUP BY api_key_id"),
        ("sums by hour",
         f"SELECT toStartOfHour(time), {SUMS} {REQUESTS} GROUP BY toStartOfHour(time)"),
        ("keys per address", f"SELECT ip, uniqExact(api_key_id) {REQUESTS} GROUP BY ip"),
        ("one key, one day",
         f"SELECT {SUMS} {REQUESTS} AND api_key_id = 'user_4242' AND time >= {NOW} - 86400")]


def server_cpu_ms():
    pids = subprocess.run(["pgrep", "-x", "clickhouse-serv"], capture_output=True, text=True,
                          check=True).stdout.split()
    ticks = 0
    for pid in pids:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as stat:
            fields = stat.read().rsplit(")", 1)[1].split()
            ticks += int(fields[11]) + int(fields[12])
    return ticks * 1000 // os.sysconf("SC_CLK_TCK")


def questions():
    with open(QUESTIONS, encoding="utf-8") as text:
        lines = [line for line in text if not line.startswith("--")]
    queries = [query.strip() for query in "".join(lines).split(";") if query.strip()]
    return list(zip(["ask keys", "ask ips", "ask cost", "ask injection"],
                    [query.replace("now()", NOW) for query in queries], strict=True))


def main():
    for name, query in questions() + MORE:
        times = []
        for _ in range(4):
            begun, cpu = time.monotonic(), server_cpu_ms()
            subprocess.run(["clickhouse-client", "--port", sys.argv[1], "--query",
                            query + " FORMAT Null"], check=True)
            times.append(f"{(time.monotonic() - begun) * 1000:.0f} (cpu {server_cpu_ms() - cpu})")
        print(f"{name:18} ms: {' '.join(times)}", flush=True)


if __name__ == "__main__":
    main()
