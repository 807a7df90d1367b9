#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Sums the scores of many logs: sum_up.py SCORE.json... prints a table for each group of logs.

The group is the name up to the first minus (the style) and what follows the seed:
harsh-3.score.json is of `harsh`, calm-7-only.score.json of `calm only`.
"""
import collections
import json
import math
import os
import sys


def group_of(path):
    parts = os.path.basename(path).removesuffix(".score.json").split("-")
    return " ".join(parts[:1] + parts[2:])


def at_share(values, share):
    """Nearest rank."""
    ordered = sorted(values)
    return ordered[max(1, math.ceil(share * len(ordered))) - 1]


def row(name, attacks):
    times = [a["after_s"] for a in attacks if a["after_s"] is not None]
    in_time = sum(a["in_time"] for a in attacks)
    missed = [a for a in attacks if a["after_s"] is None]
    shown = [f"{at_share(times, s):9.0f}" if times else f"{'-':>9}" for s in (0.5, 0.9)]
    named = sum(a["right_ip"] for a in attacks)
    other = sum(a["other_name"] for a in missed)
    medium = sum(a["below_high"] for a in missed)
    return (f"{name:<24}{len(attacks):8}{100 * in_time / len(attacks):8.0f}%"
            f"{100 * len(times) / len(attacks):8.0f}%{shown[0]}{shown[1]}"
            f"{named:7}{other:7}{medium:8}")


def by_dimension(attacks, name, pieces):
    """In-time share along one dimension; numbers are put into `pieces`."""
    groups = collections.defaultdict(list)
    for attack in attacks:
        value = attack["dimensions"].get(name)
        if value is None:
            continue
        if pieces:
            below = [piece for piece in pieces if float(value) < piece]
            value = f"< {below[0]:g}" if below else f">= {pieces[-1]:g}"
        groups[value].append(attack["in_time"])
    if not groups:
        return
    order = sorted(groups)
    if pieces:
        labels = [f"< {piece:g}" for piece in pieces] + [f">= {pieces[-1]:g}"]
        order = [label for label in labels if label in groups]
    shares = [f"{v} {100 * sum(groups[v]) / len(groups[v]):.0f}% of {len(groups[v])}"
              for v in order]
    print(f"  in time by {name}: " + ", ".join(shares))


def table(name, scores):
    attacks = [attack for score in scores for attack in score["each"]]
    key_days = sum(score["key_days"] for score in scores)
    false_alarms = [alarm for score in scores for alarm in score["false_each"]]
    print(f"\n{name}: {len(scores)} logs, {key_days:.0f} key-days")
    print(f"{'shape':<24}{'attacks':>8}{'in time':>9}{'caught':>9}{'p50 s':>9}{'p90 s':>9}"
          f"{'ip':>7}{'other':>7}{'medium':>8}")
    shapes = collections.defaultdict(list)
    for attack in attacks:
        shapes[attack["shape"]].append(attack)
    for shape in sorted(shapes):
        print(row(shape, shapes[shape]))
    if attacks:
        print(row("all", attacks))
    rate = 100 * len(false_alarms) / key_days if key_days else 0
    print(f"false high alarms: {len(false_alarms)}, {rate:.2f} per 100 key-days")
    for title, key in (("by", "detector"), ("at", "benign")):
        for what, count in collections.Counter(a[key] for a in false_alarms).most_common():
            print(f"  {title} {what:<28}{count:6}{100 * count / key_days:8.3f}")
    by_dimension(attacks, "network", [])
    by_dimension(attacks, "profile", [])
    by_dimension(attacks, "victim", [])
    by_dimension(attacks, "per_minute", [2, 5, 20, 100])
    by_dimension(attacks, "baseline_days", [2, 4, 8])


def main(paths):
    groups = collections.defaultdict(list)
    for path in paths:
        with open(path, encoding="utf-8") as file:
            groups[group_of(path)].append(json.load(file))
    for name in sorted(groups):
        table(name, groups[name])
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
