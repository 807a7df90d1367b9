#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Hostile requests through the whole gate, with an upstream that records what arrives.

    run.py --sallyport PATH   every case whole, then one byte a segment; exit 3 if any was found
    run.py --prove            the same against a deliberately broken proxy: the run must find it out

What can be found (hostile-input classes): desync, phantom, dirty, leak, lenient, unnormalised,
overstrict; and of the gate's manners: status, not_closed, silent, envelope, probe, crash.
"""
import argparse
import collections
import json
import random
import secrets
import string
import sys
import time

import broken_proxy
import cases
from gate import Gate
from raw_client import exchange
from recorder import Recorder

BYTEWISE_BYTES_MAX = 3000   # larger cases run whole only: their classes are about size
FOUND = 3


class Run:
    def __init__(self, address, key, recorder, provider_key, envelopes=True, wait_s=8.0):
        self.address = address
        self.key = key
        self.recorder = recorder
        self.provider_key = provider_key.encode()
        self.envelopes = envelopes
        self.wait_s = wait_s
        self.findings = []
        self.random = random.Random(9112)
        recorder.secret_of_client = key

    def nonce(self):
        return b"nonce-" + "".join(self.random.choices(string.ascii_lowercase, k=12)).encode()

    def case(self, case, mode):
        one, two = self.nonce(), self.nonce()
        if not any(cases.N1 in part for part in case.parts):
            one = cases.N1  # inside a compressed body, where it cannot be replaced
        host = b"%s:%d" % (self.address[0].encode(), self.address[1])
        parts = [self._fill(part, one, two, host) for part in case.parts]
        self.recorder.take()
        outcome = exchange(self.address, parts, mode == "bytewise", case.half_close,
                           case.heads_only, case.answers, self.wait_s)
        probe_nonce, probe_problem = self._probe()
        records, partial = self.recorder.take()
        own = [record for record in records if record.nonce() != probe_nonce.decode()]
        found = self._judge(case, outcome, own, partial, one.decode(), two.decode())
        if probe_problem:
            found.append(("probe", probe_problem))
        elif len(records) - len(own) != 1:
            found.append(("desync", "the probe arrived twice or not at all"))
        self.findings += [(category, case.name, mode, detail) for category, detail in found]

    @staticmethod
    def _fill(part, one, two, host):
        # An absolute target names this gate.
        return part.replace(cases.N1, one).replace(cases.N2, two).replace(b"@HOST@", host)

    def _probe(self):
        nonce = self.nonce()
        body = cases.chat_body(nonce)
        message = cases.Builder(self.key).post(body, fields=b"Connection: close\r\n")
        outcome = exchange(self.address, [message], wait_s=self.wait_s)
        if len(outcome.responses) != 1:
            return nonce, f"{len(outcome.responses)} answers, end {outcome.end}"
        answer = outcome.responses[0]
        if answer.status != 200 or nonce not in answer.body:
            return nonce, f"status {answer.status}, {answer.body[:80]!r}"
        return nonce, None

    def _judge(self, case, outcome, records, partial, one, two):
        answers = outcome.responses
        first = answers[0].status if answers else None
        found = []
        for record in records:
            if record.target.startswith(cases.CANARY_PATH):
                found.append(("desync", f"the canary arrived, answered {first}"))
            for problem in record.problems:
                found.append(("leak" if problem.startswith("leak") else "dirty", problem))
        if partial:
            found.append(("dirty", f"half a request went up: {partial[0][:60]!r}"))
        if self.provider_key in b"".join(answer.raw for answer in answers) + outcome.leftover:
            found.append(("leak", "the provider's key came down"))
        if outcome.leftover:
            found.append(("dirty", f"bytes that are no answer: {outcome.leftover[:60]!r}"))
        served = first is not None and first < 300
        if case.kind == "accept" or (case.kind == "either" and served and case.paths):
            found += self._judge_served(case, outcome, records, one, two)
        else:
            found += self._judge_refused(case, outcome, records)
        return found

    def _judge_served(self, case, outcome, records, one, two):
        statuses = [answer.status for answer in outcome.responses]
        expected = [200] * len(case.paths)
        if statuses[:len(expected)] != expected:
            return [("overstrict", f"answered {statuses}, {self._code(outcome)}")]
        found = []
        behind = statuses[len(expected):]
        if behind and (len(behind) > 1 or behind[0] not in case.behind):
            found.append(("desync", f"answered {statuses}"))
        targets = [record.target for record in records]
        nonces = [one, two]
        paths = [path.replace(cases.N1.decode(), one) for path in case.paths]
        if len(targets) > len(paths):
            found.append(("desync", f"{targets} arrived"))
        elif targets != paths:
            found.append(("unnormalised", f"{targets} arrived"))
        elif case.check_body and [record.nonce() for record in records] != nonces[:len(paths)]:
            found.append(("dirty", "another body arrived"))
        for nonce, answer in zip(nonces[:len(paths)], outcome.responses):
            if case.check_body and not case.heads_only and nonce.encode() not in answer.body:
                found.append(("desync", "the answer is somebody else's"))
        if outcome.end == "open":
            found.append(("not_closed", "after our end"))
        return found

    def _judge_refused(self, case, outcome, records):
        found = []
        first = outcome.responses[0].status if outcome.responses else None
        if records:
            refused = first is None or first >= 400
            category = "phantom" if refused else "lenient"
            found.append((category,
                          f"answered {first}, arrived {records[0].method} {records[0].target}"))
        elif first is None:
            if not case.silent_ok:
                found.append(("silent", f"no answer, end {outcome.end}"))
        elif first < 400 and first not in case.statuses:
            found.append(("lenient", f"answered {first}"))
        elif first not in case.statuses:
            found.append(("status", f"{first} {self._code(outcome)}, not one of {case.statuses}"))
        if len(outcome.responses) > 1:
            found.append(("desync", f"answered {[answer.status for answer in outcome.responses]}"))
        if outcome.end == "open" or (first and not case.stays_open_ok and self.envelopes
                                     and outcome.responses[0].headers.get("connection") != "close"):
            found.append(("not_closed", f"after {first}"))
        if first and first >= 400 and self.envelopes:
            found += self._judge_envelope(outcome.responses[0], case)
        return found

    @staticmethod
    def _judge_envelope(answer, case):
        missing = {"x-request-id", "x-should-retry"} - answer.headers.keys()
        if missing:
            return [("envelope", f"without {sorted(missing)}")]
        if case.heads_only or not answer.body:
            return []
        try:
            code = json.loads(answer.body)["error"]["code"]
            return [] if isinstance(code, str) and code else [("envelope", "without a code")]
        except (ValueError, KeyError, TypeError):
            return [("envelope", f"{answer.body[:60]!r}")]

    @staticmethod
    def _code(outcome):
        try:
            return json.loads(outcome.responses[0].body)["error"]["code"]
        except (ValueError, KeyError, TypeError, IndexError):
            return "without a code"


def runs_bytewise(case):
    return not case.whole_only and sum(map(len, case.parts)) <= BYTEWISE_BYTES_MAX


def run_all(run, chosen, alive, bytewise_max):
    started = time.monotonic()
    counts = collections.Counter()
    for mode in ("whole", "bytewise"):
        if mode == "bytewise":
            chosen = [case for case in chosen if runs_bytewise(case)][:bytewise_max]
        for case in chosen:
            counts[mode] += 1
            run.case(case, mode)
            if not alive():
                run.findings.append(("crash", case.name, mode, "the gate died"))
                return counts, time.monotonic() - started
    return counts, time.monotonic() - started


def report(run, counts, seconds, shown_max):
    for category, name, mode, detail in run.findings[:shown_max]:
        print(f"{category:12} {name} ({mode}): {detail}")
    by_category = collections.Counter(category for category, *_ in run.findings)
    sums = [f"{name} {count}" for name, count in sorted(by_category.items())]
    ran = f"{counts['whole']} cases whole, {counts['bytewise']} bytewise, {seconds:.0f} s"
    print(f"hostile: {ran}: {', '.join(sums) or 'nothing found'}")
    return by_category


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--sallyport", help="the gate's binary")
    what.add_argument("--prove", action="store_true",
                      help="show that the run finds a broken proxy out")
    parser.add_argument("--only", default="", help="cases whose section or name contains this")
    parser.add_argument("--bytewise-max", type=int, default=10_000,
                        help="cases run one byte a segment")
    parser.add_argument("--shown-max", type=int, default=200)
    parser.add_argument("--log", action="store_true", help="print the end of the gate's own log")
    options = parser.parse_args()
    provider_key = "sk-upstream-" + secrets.token_hex(16)
    recorder = Recorder(provider_key)

    if options.prove:
        return broken_proxy.prove(recorder, provider_key, Run, run_all, report, cases.make)
    with Gate(options.sallyport, recorder.port, provider_key) as gate:
        chosen = [case for case in cases.make(gate.key)
                  if any(options.only in name for name in (case.name, *case.tags))]
        if not chosen:
            parser.error(f"no case is called {options.only!r}")
        run = Run(gate.address, gate.key, recorder, provider_key)
        counts, seconds = run_all(run, chosen, gate.alive, options.bytewise_max)
        for path in gate.files_with(gate.key, provider_key):
            run.findings.append(("leak", "afterwards", "whole", f"a key stands in {path}"))
        found = report(run, counts, seconds, options.shown_max)
        if gate.alive():
            print(f"the gate's peak memory: {gate.resident_kib() // 1024} MiB")
        if options.log or not gate.alive():
            print(gate.log()[-4000:])
    return FOUND if found else 0


if __name__ == "__main__":
    sys.exit(main())
