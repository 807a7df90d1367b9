#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What must not compile does not, and for the reason that the file's second line names.

    tests/compile_fail/run.py [--compiler clang++-19]
"""
import argparse
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
EXPECTED = "// error: "


def compile_one(compiler, path):
    command = [compiler, "-std=c++23", "-fsyntax-only", "-fno-caret-diagnostics", "-DFMT_SHARED",
               "-I" + str(HERE.parent.parent / "src"), str(path)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--compiler", default="clang++-19")
    compiler = parser.parse_args().compiler

    control = compile_one(compiler, HERE / "control.cc")
    if control.returncode != 0:
        print("control.cc must compile, or the rest proves nothing:\n" + control.stderr)
        return 1
    cases = sorted(set(HERE.glob("*.cc")) - {HERE / "control.cc"})
    failed = 0
    for path in cases:
        second = path.read_text(encoding="utf-8").splitlines()[1]
        run = compile_one(compiler, path)
        if not second.startswith(EXPECTED):
            problem = "its second line does not say which error"
        elif run.returncode == 0:
            problem = "compiles, and must not"
        elif second[len(EXPECTED):] not in run.stderr:
            problem = f"fails, but not with {second[len(EXPECTED):]!r}:\n{run.stderr[:2000]}"
        else:
            continue
        failed += 1
        print(f"{path.name}: {problem}")
    print(f"compile_fail: {len(cases) - failed} of {len(cases)} refused as they must be")
    return 1 if failed or not cases else 0


if __name__ == "__main__":
    sys.exit(main())
