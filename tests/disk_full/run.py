#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A disk that is really full: the journal lies on an ext4 image of 8 MiB that fills under load.

Every call is then answered 503 within a second (the one that was under way is cut before its last
byte), none is passed unrecorded; when there is space again the same process goes on by itself, and
the journal is whole. Needs root and a loop device; says so and ends with 77 (skipped) without them.
"""
import argparse
import http.client
import json
import os
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../kill9"))
import run as kill9  # noqa: E402  the house, and the comparison of answers with the journal

SKIPPED = 77
REFUSED_WITHIN_S = 1.0
RECOVERED_WITHIN_S = 2.0


def mounted(image, path):
    with open(image, "wb") as file:
        file.truncate(8 << 20)
    os.makedirs(path, mode=0o700)
    made = subprocess.run(["mkfs.ext4", "-q", "-F", image], capture_output=True, check=False)
    if made.returncode != 0:
        return False
    return subprocess.run(["mount", "-o", "loop", image, path], capture_output=True,
                          check=False).returncode == 0


class Counted:
    """The calls of one life, in the form that kill9.compare reads."""

    def __init__(self):
        self.whole, self.refused, self.unavailable, self.cut = [], [], 0, 0


def ask(house, counted):
    """Status and error code of one call; status 0 when the answer was cut."""
    connection = http.client.HTTPConnection("127.0.0.1", house.port, timeout=20)
    connection.request("POST", "/v1/embeddings",
                       json.dumps({"model": "text-embedding-3-small", "input": "a"}),
                       {"Authorization": f"Bearer {house.key}", "Content-Type": "application/json"})
    try:
        answer = connection.getresponse()
        text = answer.read()
    except http.client.IncompleteRead:
        counted.cut += 1
        return 0, None
    finally:
        connection.close()
    request_id = answer.getheader("x-sallyport-request-id")
    if 200 <= answer.status < 300:
        counted.whole.append((request_id, answer.status))
        return answer.status, None
    counted.unavailable += 1
    return answer.status, json.loads(text)["error"]["code"]


def fill(path):
    """Takes all the space there is, to the last block."""
    with open(path, "wb", buffering=0) as file:
        for size in (64 << 10, 4 << 10, 1 << 10):
            try:
                while True:
                    file.write(b"x" * size)
            except OSError:
                pass


def scenario(house, gate, counted, filler):
    for _ in range(50):
        status, _ = ask(house, counted)
        if status != 200:
            return f"before the disk was full a call got {status}"

    fill(filler)
    # Space that is already taken for the journal may still be used up.
    first_refused = None
    for _ in range(20_000):
        begun = time.monotonic()
        status, code = ask(house, counted)
        took = time.monotonic() - begun
        if status not in (0, 200):
            first_refused = (status, code, took)
            break
    if first_refused is None:
        return "the disk was full and nobody was refused"
    status, code, took = first_refused
    if status != 503 or code != "journal_unavailable" or took > REFUSED_WITHIN_S:
        return f"the first refusal was {status} {code} after {took:.2f} s"
    for _ in range(50):
        begun = time.monotonic()
        status, code = ask(house, counted)
        if status != 503 or time.monotonic() - begun > REFUSED_WITHIN_S:
            return f"while the disk was full a call got {status} {code}"

    os.remove(filler)
    freed = time.monotonic()
    while ask(house, counted)[0] != 200:
        if time.monotonic() - freed > RECOVERED_WITHIN_S:
            return "it did not recover by itself"
    print(f"disk_full: refused after {took * 1000:.0f} ms, recovered after "
          f"{(time.monotonic() - freed) * 1000:.0f} ms, {counted.unavailable} refused, "
          f"{counted.cut} cut")
    if gate.poll() is not None:
        return "the gate died"
    return None


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--sallyport", default="build/release/sallyport")
    options = arguments.parse_args()
    with tempfile.TemporaryDirectory(prefix="disk-full-") as directory:
        journal = os.path.join(directory, "journal")
        if not mounted(os.path.join(directory, "image"), journal):
            print("disk_full: skipped, a loop device cannot be mounted here")
            return SKIPPED
        house = gate = None
        try:
            house = kill9.House(options.sallyport, directory)
            gate = house.start("serve")
            kill9.wait_for(house.port, gate, house.log)
            counted = Counted()
            problem = scenario(house, gate, counted, os.path.join(journal, "filler"))
            gate.terminate()
            gate.wait(20)
            problems = [problem] if problem else []
            problems += kill9.compare(house, [counted])
            house.ask("audit", "verify")
            with open(house.log, encoding="utf-8", errors="replace") as log:
                text = log.read()
            for event in ("journal.write_failed", "journal.recovered"):
                if text.count(event) != 1:
                    problems.append(f"{event} stands {text.count(event)} times in the log")
        finally:
            if gate and gate.poll() is None:
                gate.kill()
                gate.wait()
            if house:
                house.sim.kill()
                house.sim.wait()
            subprocess.run(["umount", journal], check=False)
    for line in problems[:20]:
        print("  " + line)
    print(f"disk_full: {len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
