#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The recipes of docs/derived-tokens.md, run as they stand; the program checks what they print.

    run.py --sallyport PROGRAM --node NODE
"""
import argparse
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

# Of the published test vectors: no gateway accepts it, but tokens can be made from it.
KEY = "sk-sp1-AbCdEfGhIjKl-MnOpQrStUvWxYz0123456789aBcDeFgH3P46UU"
OTHER = "sk-sp1-OA3gbEkUmALh-vZ1G48KBGIx3asgFiKBLz4fXAWCFc2ho00fqbk"
EXPECTED = ["ep=chat", "models=gpt-5*", "calls=10"]
DOCUMENT = pathlib.Path(__file__).resolve().parents[2] / "docs" / "derived-tokens.md"


def recipe(language):
    return re.search(rf"```{language}\n(.*?)```", DOCUMENT.read_text(), re.S).group(1)


def run(words, given="", key=KEY):
    env = dict(os.environ, SALLYPORT_KEY=key)
    return subprocess.run(words, input=given, env=env, capture_output=True, text=True, timeout=60)


def must(condition, what, done):
    if not condition:
        sys.exit(f"{what}\nexit {done.returncode}\n{done.stdout}{done.stderr}")


def check(program, token, key=KEY):
    return run([program, "keys", "derive", "--check", "--from-env", "SALLYPORT_KEY"], token, key)


def prove(program, name, words):
    made = run(words)
    must(made.returncode == 0, f"the recipe in {name} failed", made)
    token = made.stdout.strip()
    good = check(program, token)
    must(good.returncode == 0, f"the token of {name} was refused", good)
    said = json.loads(good.stdout)["caveats"]
    must(said[2:] == EXPECTED, f"{name}: other caveats than were asked for", good)
    must(check(program, token, OTHER).returncode == 1, f"{name}: fits another key", good)

    narrowed = run([program, "keys", "derive", "--narrow", "--read-only", "--life", "1m"], token)
    must(narrowed.returncode == 0, f"the token of {name} cannot be narrowed", narrowed)
    good = check(program, narrowed.stdout)
    said = json.loads(good.stdout)["caveats"]
    must(good.returncode == 0 and "ro=1" in said, f"{name}: the narrowed one is refused", good)
    # Without its last caveat but one it has another chain.
    parts = narrowed.stdout.strip().split(".")
    shorter = check(program, ".".join(parts[:-3] + parts[-2:]))
    must(shorter.returncode == 1, f"{name}: a caveat could be removed", shorter)
    print(f"{name}: as documented")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--sallyport", required=True)
    parser.add_argument("--node", required=True)
    args = parser.parse_args()
    own = run([args.sallyport, "keys", "derive"], KEY + "\n")
    must(own.returncode == 0, "no token of our own", own)
    must(check(args.sallyport, own.stdout).returncode == 0, "our own token is refused", own)
    seen = run([args.sallyport, "keys", "derive", KEY])
    must(seen.returncode == 2 and KEY not in seen.stderr, "a key as an argument is refused", seen)
    with tempfile.TemporaryDirectory() as folder:
        for name, language, ending, runner in (("Python", "python", "py", sys.executable),
                                               ("JavaScript", "javascript", "mjs", args.node)):
            file = pathlib.Path(folder) / f"recipe.{ending}"
            file.write_text(recipe(language))
            prove(args.sallyport, name, [runner, str(file)])


main()
