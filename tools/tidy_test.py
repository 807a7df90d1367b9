#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Each rule of tools/tidy against a small example that breaks it, and one that does not."""
import importlib.machinery
import importlib.util
import os
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.dont_write_bytecode = True
loader = importlib.machinery.SourceFileLoader("tidy", os.path.join(HERE, "tidy"))
tidy = importlib.util.module_from_spec(importlib.util.spec_from_loader("tidy", loader))
loader.exec_module(tidy)

LICENCE = "// SPDX-License-Identifier: Apache-2.0\n"
ROOMS = ("# who\nbase:\nevent: base\nnet: base\nexchange: base net\naudit: base event\n"
         "textless: audit\n")


def told(files, reveal="", rooms=ROOMS):
    """What check() says about these files, as "path:line text"."""
    texts = {"tools/rooms.txt": rooms, "tools/reveal_allowed.txt": reveal, **files}
    sources = {path: tidy.Source(path, text) for path, text in texts.items()}
    return [f"{p.path}:{p.line} {p.text}" for p in tidy.check(sources)]


def cpp(body):
    return {"src/base/x.cc": LICENCE + body}


def header(body=""):
    return LICENCE + "#pragma once\n" + body


class Rules(unittest.TestCase):
    def says(self, files, words, **more):
        found = told(files, **more)
        self.assertTrue(any(words in line for line in found), f"{words!r} not in {found}")

    def is_quiet(self, files, **more):
        self.assertEqual(told(files, **more), [])

    def test_rooms(self):
        base = {"src/base/a.h": header(), "src/net/n.h": header()}
        both = LICENCE + '#include "base/a.h"\n#include "net/n.h"\n'
        self.is_quiet({**base, "src/net/x.cc": both})
        self.says({**base, "src/base/x.cc": LICENCE + '#include "net/n.h"\n'},
                  "src/base/x.cc:2 base/ may not include net/")
        self.says({**base, "src/net/x.cc": LICENCE + '#include "base/gone.h"\n'}, "is not a file")
        self.says({"src/attic/x.cc": LICENCE}, "room attic/ is not in")
        self.is_quiet({"src/main.cc": LICENCE + '#include "anything.h"\n'})

    def test_textless_on_the_transitive_closure(self):
        files = {"src/exchange/x.h": header(), "src/event/e.h": header('#include "event/f.h"\n'),
                 "src/event/f.h": header('#include "exchange/x.h"\n'),
                 "src/audit/a.h": header('#include "event/e.h"\n')}
        self.says(files, "src/audit/a.h:1 reaches exchange/: src/audit/a.h -> src/event/e.h -> "
                         "src/event/f.h -> src/exchange/x.h")
        files["src/event/f.h"] = header()
        self.is_quiet(files)

    def test_the_includes_of_a_loop_end(self):
        files = {"src/audit/a.h": header('#include "audit/b.h"\n'),
                 "src/audit/b.h": header('#include "audit/a.h"\n')}
        self.is_quiet(files)

    def test_sizes(self):
        self.is_quiet({"src/base/x.cc": LICENCE + "\n" * 699})
        self.says({"src/base/x.cc": LICENCE + "\n" * 700}, "701 lines, at most 700")
        self.says({"src/exchange/exchange.h": header() + "\n" * 200}, "at most 200")
        self.says({"src/main.cc": LICENCE + "\n" * 200}, "at most 200")
        self.is_quiet({"rules/list.txt": "x\n" * 5000})

    def test_function_length(self):
        def body(count):
            return "namespace a {\nint f(int b) {\n" + "  b = b + 1;\n" * count + "}\n}\n"
        self.is_quiet(cpp(body(68)))
        self.says(cpp(body(69)), "src/base/x.cc:3 a function of 71 lines, at most 70")
        table = "  const int kList[] = {\n" + "      1,\n" * 100 + "  };\n"
        self.is_quiet(cpp("int f() {\n" + table + "  return 1;\n}\n"))
        self.is_quiet(cpp("int f() {\n  return {\n" + "      1,\n" * 100 + "  };\n}\n"))
        self.is_quiet(cpp("const char* f(int a) {\n  switch (a) {\n" +
                          '    case 1:\n      return "a";\n' * 50 + "  }\n}\n"))
        member = "class A {\n  int f() const {\n" + "    if (a) {\n    }\n" * 40 + "  }\n};\n"
        self.says(cpp(member), "a function of 82 lines")
        braces = "int f() {\n" + '  s = "{{{"; c = \'{\';  // {{{ /* {\n' * 68 + "}\nint g() {\n}\n"
        self.is_quiet(cpp(braces))
        self.is_quiet(cpp("constexpr A kAll[] = {\n" + "    {f(1)},\n" * 200 + "};\n"))

    def test_names(self):
        for name in ("util.h", "string_utils.cc", "common_test.cc", "misc.py", "KeyManager.h",
                     "key_manager.h", "helpers.ts"):
            self.says({"src/base/" + name: header()}, "says nothing")
        self.says({"src/base/keyRing.h": header()}, "not snake_case")
        self.is_quiet({"src/base/commonness.h": header(), "src/base/key_ring_test.cc": LICENCE})

    def test_licence(self):
        self.says({"src/base/x.cc": "\n" + LICENCE}, "SPDX")
        self.says({"src/base/x.cc": "// SPDX-License-Identifier: MIT\n"}, "SPDX")
        self.says({"tools/x.py": "import os\n"}, "SPDX")
        self.says({"tools/run": "#!/bin/sh\necho\n"}, "SPDX")
        self.says({"CMakeLists.txt": "project(x)\n"}, "SPDX")
        self.is_quiet({"tools/run": "#!/bin/sh\n# SPDX-License-Identifier: Apache-2.0\n"})
        self.is_quiet({"docs/x.md": "# X\n"})

    def test_pragma_once(self):
        self.says({"src/base/x.h": LICENCE}, "#pragma once")
        self.says({"src/base/x.h": LICENCE + "// #pragma once\n"}, "#pragma once")

    def test_columns(self):
        self.is_quiet(cpp("/" * 100 + "\n"))
        self.says(cpp("/" * 101 + "\n"), "src/base/x.cc:2 101 columns")
        self.is_quiet(cpp("const char* a = R\"(" + "x" * 200 + ")\";\n"))
        self.is_quiet({"docs/x.md": "x" * 200})

    def test_promises(self):
        self.says(cpp("// TO" "DO: later\n"), "a promise")
        self.says(cpp("// TO" "DO(me): later\n"), "a promise")
        self.says(cpp("// FIX" "ME\n"), "a promise")
        self.is_quiet(cpp("// TO" "DO(perf): once it matters\n"))

    def test_await_alone(self):
        good = ["co_await f(a, std::move(b));", "const Result<int> r = co_await f(a[1], b->c());",
                "auto&& r = co_await f(a);", "co_return co_await f();", "f(a);\nco_await g();",
                "if (a && b) co_await f(a);", "if (a && b) {\n co_await f(a);\n}",
                "while (a && !b) c = co_await f();", "for (;;) {\n  x = co_await f({}, a);\n}",
                "// co_await f({1})\n", 's = "co_await f({1}) && ?";', "case 1:\n  co_await f();",
                "if (!x) co_return;\nelse co_await f();", "[[maybe_unused]] auto x = co_await f();"]
        for line in good:
            self.is_quiet(cpp("Task<void> t() {\n" + line + "\n}\n"))
        bad = [("co_await f({1, 2});", "a brace"), ("co_await f(Args{.a = 1});", "a brace"),
               ("co_await F{a};", "a brace"), ("x = a ? co_await f() : 1;", "?:"),
               ("x = co_await f(a ? b : c);", "?:"), ("x = a && co_await f();", "&& or ||"),
               ("x = co_await f() || b;", "&& or ||"),
               ("if (a && co_await f()) {\n}", "&& or ||"),
               ("co_await f([&] { return 1; });", "a "),
               ("co_await f([=](int) -> int;", "a lambda"),
               ("co_await f(co_await g());", "a second co_await"),
               ("x = co_await f() + co_await g();", "a second co_await")]
        for line, words in bad:
            self.says(cpp("Task<void> t() {\n" + line + "\n}\n"), "await alone: " + words)

    def test_reveal(self):
        use = cpp("void f() { send(key.reveal()); }\n")
        self.says(use, "reveal() outside of tools/reveal_allowed.txt")
        self.is_quiet(use, reveal="# why\nsrc/base/x.cc  # sends it\n")
        self.says(cpp("int a;\n"), "does not use reveal() any more", reveal="src/base/x.cc\n")
        self.is_quiet(cpp("// reveal() is the way out\n"))
        self.is_quiet({"src/base/x_test.cc": LICENCE + "int a = key.reveal();\n"})

    def test_places(self):
        for place in ("/wo" "rk/main", "/fa" "rm/x", "/tmp/br" "ief", "/ho" "me/me/x"):
            self.says({"docs/x.md": "see " + place}, "a path of one machine")
        self.says({"package-lock.json": '"https://registry.npm' 'js.org/x"'}, "a registry's host")
        self.is_quiet({"docs/x.md": "frame" "wo" "rk/main $HO" "ME/x build/wo" "rk/x"})

    def test_format(self):
        with tempfile.TemporaryDirectory() as root:
            with open(os.path.join(root, ".clang-format"), "w", encoding="utf-8") as file:
                file.write("BasedOnStyle: Google\n")
            for name, text in (("good.cc", "int a = 1;\n"), ("bad.cc", "int  a=1 ;\n")):
                with open(os.path.join(root, name), "w", encoding="utf-8") as file:
                    file.write(text)
            problems = list(tidy.formatted(root, ["good.cc", "bad.cc"]))
        self.assertEqual([p.path for p in problems], ["bad.cc"])

    def test_the_exit_status_tells(self):
        with tempfile.TemporaryDirectory() as root:
            os.makedirs(os.path.join(root, "tools"))
            with open(os.path.join(HERE, "tidy"), encoding="utf-8") as file:
                text = file.read()
            files = {"tools/tidy": text, "tools/rooms.txt": ROOMS, "docs/x.md": "x\n"}

            def run():
                for path, content in files.items():
                    os.makedirs(os.path.dirname(os.path.join(root, path)), exist_ok=True)
                    with open(os.path.join(root, path), "w", encoding="utf-8") as file:
                        file.write(content)
                command = [sys.executable, os.path.join(root, "tools/tidy")]
                return subprocess.run(command, capture_output=True, check=False, text=True)

            subprocess.run(["git", "init", "-q", root], check=True)
            self.assertEqual(run().returncode, 0, run().stdout)
            files["tools/x.py"] = "import os\n"
            self.assertEqual(run().returncode, 1)
            self.assertIn("tools/x.py:1: line 1 must be", run().stdout)


if __name__ == "__main__":
    unittest.main()
