#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Many seeds of each style: write the log, replay it, score the findings, sum up. Prints a table.
#
#   run.sh --build DIR [--seeds N] [--first-seed N] [--styles "harsh calm"] [--days 14] [--keys 34]
#          [--attacks 18] [--fields all|mission] [--leave-out SHAPE] [--config FILE] [--out DIR]
#
# --leave-out SHAPE runs every seed twice: without the shape (what one tunes on) and with that shape
# alone (what one reports). --out keeps logs, truths, findings and scores; else they are deleted.
# Exit 3: this build has no `sallyport replay`, or it failed.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
build='' seeds=3 first_seed=1 styles='harsh calm' days=14 keys=34 attacks=18 fields=all
leave_out='' config='' out=''
while [ $# -gt 0 ]; do
  [ $# -ge 2 ] || { echo "run.sh: $1 needs a value" >&2; exit 2; }
  case "$1" in
    --build) build=$2 ;;
    --seeds) seeds=$2 ;;
    --first-seed) first_seed=$2 ;;
    --styles) styles=$2 ;;
    --days) days=$2 ;;
    --keys) keys=$2 ;;
    --attacks) attacks=$2 ;;
    --fields) fields=$2 ;;
    --leave-out) leave_out=$2 ;;
    --config) config=$2 ;;
    --out) out=$2 ;;
    *) echo "run.sh: unknown option $1" >&2; exit 2 ;;
  esac
  shift 2
done
[ -n "$build" ] || { echo 'run.sh: --build is missing' >&2; exit 2; }

keep=true
if [ -z "$out" ]; then
  out=$(mktemp -d)
  keep=false
  trap 'rm -rf "$out"' EXIT
fi
mkdir -p "$out"

replay=("$build/sallyport" replay)
[ -z "$config" ] || replay+=(--config "$config")
if [ ! -x "$build/sallyport" ] || ! "$build/sallyport" replay --help >/dev/null 2>&1; then
  echo "run.sh: $build/sallyport has no replay" >&2
  exit 3
fi

# one NAME SEED STYLE OPTIONS...: leaves $out/NAME.score.json
one() {
  local name=$1 seed=$2 style=$3
  shift 3
  local log=$out/$name.jsonl truth=$out/$name.truth.jsonl findings=$out/$name.findings.jsonl
  "$build/traffic_log" --seed "$seed" --style "$style" --days "$days" --keys "$keys" \
    --attacks "$attacks" --fields "$fields" --out "$log" --truth "$truth" "$@" 2>/dev/null
  local status=0 begin end
  begin=$(date +%s.%N)
  "${replay[@]}" "$log" >"$findings" 2>"$out/$name.replay.log" || status=$?
  end=$(date +%s.%N)
  # 3: something was found, which is what a log with attacks is for.
  if [ "$status" != 0 ] && [ "$status" != 3 ]; then
    echo "run.sh: replay of $name ended with $status" >&2
    tail -3 "$out/$name.replay.log" >&2
    exit 3
  fi
  "$build/traffic_score" --log "$log" --truth "$truth" --json <"$findings" >"$out/$name.score.json"
  printf '%-28s %9d lines replayed in %6.1f s\n' "$name" "$(wc -l <"$log")" \
    "$(awk -v a="$begin" -v b="$end" 'BEGIN { print b - a }')" >&2
  $keep || rm -f "$log"
}

for style in $styles; do
  for ((seed = first_seed; seed < first_seed + seeds; ++seed)); do
    if [ -z "$leave_out" ]; then
      one "$style-$seed" "$seed" "$style"
    else
      one "$style-$seed-without" "$seed" "$style" --without-shape "$leave_out"
      one "$style-$seed-only" "$seed" "$style" --shape "$leave_out"
    fi
  done
done
python3 "$here/sum_up.py" "$out"/*.score.json
