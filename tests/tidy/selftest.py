#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""A check that cannot fail is worth nothing: each rule gets a small house that keeps it, and one that
breaks it in one place. If this fails, the checks let through what they are there to find.
"""
import os
import shutil
import subprocess
import tempfile
import unittest

import doors
import globals as mutable_globals
import pictures
import rooms
import sources
import style
import undefined

SPDX = "/* SPDX-License-Identifier: GPL-3.0-or-later */\n"
README = "# a room\n\n- `{}` the file\n"

HOUSE = {
    "src/engine/meson.build": "subdir('learn')\nsubdir('chess')\n",
    "src/platform/meson.build": "# order\nsubdir('store')\nsubdir('http')\nsubdir('jobs')\n",
    "src/base/str.h": SPDX + "#include <stddef.h>\n",
    "src/base/README.md": README.format("str.h"),
    "src/engine/learn/adam.h": SPDX + '#include "base/str.h"\n',
    "src/engine/learn/README.md": README.format("adam.h"),
    "src/engine/chess/net.c": SPDX + '#include "engine/learn/adam.h"\n',
    "src/engine/chess/README.md": README.format("net.c"),
    "src/platform/store/store.h": SPDX + '#include "base/str.h"\n',
    "src/platform/store/backend.h": SPDX + "/* backend.h -- Private to this room. */\n",
    "src/platform/store/sqlite.c": SPDX + '#include <sqlite3.h>\n#include "platform/store/backend.h"\n',
    "src/platform/store/README.md": "store.h backend.h, sqlite.[ch]\n",
    "src/platform/store/sqlite.h": SPDX,
    "src/platform/http/http.h": SPDX + "#include <microhttpd.h>\n",
    "src/platform/http/README.md": README.format("http.h"),
    "src/platform/jobs/jobs.c": SPDX + '#include "platform/store/store.h"\n#include "base/str.h"\n',
    "src/platform/jobs/README.md": README.format("jobs.c"),
    "src/apps/chess/app.c": SPDX + '#include "engine/chess/net.c"\n#include "platform/jobs/jobs.c"\n',
    "src/apps/chess/plugins/one.c": SPDX + '#include "apps/chess/app.c"\n',
    "src/apps/chess/README.md": "app.c and the folder `plugins/`\n",
    "src/apps/rps/app.h": SPDX + "#include <stdio.h>\n",
    "src/apps/rps/README.md": README.format("app.h"),
    "src/main/main.c": SPDX + '#include "apps/rps/app.h"\n\nint main(void)\n{\n    return 0;\n}\n',
    "src/main/README.md": README.format("main.c"),
}


class House:
    """A source tree in a temporary folder, with some files replaced, added or (None) left out."""

    def __init__(self, **kwargs):
        self.files = {**HOUSE, **kwargs.get("files", {})}

    def __enter__(self):
        self.root = tempfile.mkdtemp(prefix="skerry-tidy-")
        for path, content in self.files.items():
            if content is None:
                continue
            where = os.path.join(self.root, path)
            os.makedirs(os.path.dirname(where), exist_ok=True)
            with open(where, "w", encoding="utf-8", newline="") as f:
                f.write(content)
        return self.root

    def __exit__(self, *_):
        shutil.rmtree(self.root)


def body(count, name="walk"):
    """A function of `count` lines, braces included."""
    return f"static void {name}(void)\n{{\n" + "    step();\n" * (count - 2) + "}\n"


class Checks(unittest.TestCase):
    def assert_one(self, check, files, part):
        with House(files=files) as root:
            findings = check(root)
        self.assertEqual(len(findings), 1, findings)
        self.assertIn(part, findings[0])

    def assert_none(self, check, files):
        with House(files=files) as root:
            self.assertEqual(check(root), [])

    def test_a_tidy_house_passes(self):
        for check in (doors.check, style.check, rooms.check, pictures.check, undefined.check):
            self.assert_none(check, {})

    def test_an_empty_folder_does_not_pass(self):
        folder = tempfile.mkdtemp(prefix="skerry-tidy-")
        try:
            for check in (doors.check, style.check, rooms.check, pictures.check, undefined.check):
                self.assertEqual(check(folder), [f"{folder}: no source files in src/"])
        finally:
            shutil.rmtree(folder)

    # ---------------------------------------------------------------- doors

    def test_doors_that_open_the_wrong_way(self):
        cases = (
            ("src/base/str.h", "platform/store/store.h", "base does not know platform"),
            ("src/base/str.h", "engine/learn/adam.h", "base does not know engine"),
            ("src/engine/learn/adam.h", "platform/store/store.h", "engine does not know platform"),
            ("src/engine/learn/adam.h", "engine/chess/net.c", "engine/chess comes after"),
            ("src/platform/jobs/jobs.c", "engine/learn/adam.h", "platform does not know engine"),
            ("src/platform/jobs/jobs.c", "apps/rps/app.h", "platform does not know apps"),
            ("src/platform/store/store.h", "platform/jobs/jobs.c", "platform/jobs comes after"),
            ("src/apps/chess/app.c", "apps/rps/app.h", "an app never uses another app"),
            ("src/apps/chess/app.c", "main/main.c", "apps does not know main"),
            ("src/platform/jobs/jobs.c", "platform/store/backend.h", "private to platform/store"),
            ("src/platform/jobs/jobs.c", "store.h", "includes are written from src/"),
            ("src/platform/jobs/jobs.c", "../store/store.h", "includes are written from src/"),
        )
        for path, target, part in cases:
            with self.subTest(path=path, target=target):
                self.assert_one(doors.check, {path: SPDX + f' #  include "{target}"\n'}, part)

    def test_hidden_libraries_stay_hidden(self):
        for header in ("sqlite3.h", "microhttpd.h", "jansson.h"):
            self.assert_one(doors.check, {"src/platform/jobs/jobs.c": SPDX + f"#include <{header}>\n"},
                            f"may see <{header}>")

    def test_a_room_that_is_not_built_cannot_be_used(self):
        self.assert_one(doors.check, {"src/platform/new/new.h": SPDX,
                                      "src/platform/jobs/jobs.c": SPDX + '#include "platform/new/new.h"\n'},
                        "platform/new is not in")

    # ---------------------------------------------------------------- Python

    def test_names_that_nobody_defines(self):
        self.assert_none(undefined.check, {"tests/http/test_one.py": "import os\nprint(os.name)\n"})
        self.assert_one(undefined.check, {"tests/http/test_one.py": "print(harness.name)\n"}, "undefined name 'harness'")
        self.assert_one(undefined.check, {"tools/one.py": "import os\n"}, "'os' imported but unused")
        with House(files={"bench/one.py": "def f(:\n"}) as root:
            self.assertIn("bench/one.py:1", undefined.check(root)[0])

    # ---------------------------------------------------------------- pictures

    def test_pictures(self):
        seen = {"docs/web.md": "![Play](screenshots/play.png)\n", "docs/screenshots/play.png": "x" * pictures.SIZE_MAX}
        self.assert_none(pictures.check, seen)
        many = {f"docs/screenshots/{i}.png": "x" * 110000 for i in range(10)}
        shown = "".join(f'<img alt="{i}" src="screenshots/{i}.png">\n' for i in range(10))
        cases = (
            ({"docs/screenshots/play.png": "x" * (pictures.SIZE_MAX + 1)}, "120001 bytes"),
            ({"README.md": '<img src="docs/screenshots/play.png">\n'}, "has no words"),
            ({"docs/web.md": "![Play](screenshots/play.png) ![](screenshots/play.png)\n"}, "has no words"),
            ({"docs/start.md": "![Gone](screenshots/gone.png)\n"}, "docs/screenshots/gone.png is not there"),
            ({"docs/screenshots/other.png": "x"}, "no page shows it"),
            ({**many, "docs/start.md": shown, "docs/screenshots/play.png": "x"}, "1100001 bytes together"),
        )
        for files, part in cases:
            with self.subTest(part=part):
                self.assert_one(pictures.check, {**seen, **files}, part)

    # ---------------------------------------------------------------- style

    def test_style(self):
        path = "src/base/str.h"
        cases = (
            ("/* no licence */\n", "first line"),
            (SPDX + "/* " + "x" * 98 + "*/\n", "103 columns"),
            (SPDX + "int\tx;\n", "a tab"),
            (SPDX + "int x; \n", "white space"),
            (SPDX + "int x;\r\n", "white space"),
            (SPDX + "int x;", "no newline"),
            (SPDX + "/* " + "TO" + "DO: later */\n", "without an owner"),
            (SPDX + "// FIX" + "ME\n", "without an owner"),
            (SPDX + "int x;\n" * 800, "801 lines"),
            (SPDX + body(121), "walk has 121 lines"),
        )
        for content, part in cases:
            with self.subTest(part=part):
                self.assert_one(style.check, {path: content}, part)

    def test_the_web_ui_says_what_calls_answer(self):
        self.assert_one(style.check, {"web/src/pages/x/X.tsx": "const rows = asked.data as unknown as Row[];\n"}, "Replies")
        self.assert_none(style.check, {"web/src/pages/x/X.tsx": "const rows = asked.data as Row[];\n"})

    def test_every_banned_call_is_found(self):
        for name in style.BANNED:
            self.assert_one(style.check, {"src/base/str.h": SPDX + f"x = {name} (a);\n"}, f"{name} is banned")

    def test_what_only_looks_banned(self):
        self.assert_none(style.check, {"src/base/str.h": SPDX + 'f("strcpy(a)"); /* gets(x) */\n'
                                       "snprintf(a); gmtime_r(t); my_atoi(x); s->gets(x); s.strcat(y);\n"})

    def test_limits_are_not_too_strict(self):
        exact = SPDX + "/* " + "ä" * 94 + " */\n" + body(120) + "/* TO" + "DO(#12): with an owner */\n"
        self.assertEqual(max(len(line) for line in exact.split("\n")), 100)
        self.assert_none(style.check, {"src/base/str.h": exact, "tools/x.sh": "#!/bin/sh\n# " + style.SPDX + "\n"})

    def test_rows_of_tables_are_not_code(self):
        rows = "    static const int rows[] = {\n" + "        1,\n" * 150 + "    };\n"
        for steps, count in ((116, 0), (117, 1)):
            content = SPDX + "static void f(void)\n{\n" + rows + "    step();\n" * steps + "}\n"
            with House(files={"src/base/str.h": content}) as root:
                self.assertEqual(len(style.check(root)), count)

    def test_examples_choose_their_licence(self):
        line = "/* SPDX-License-Identifier: CC0-1.0 */\n"
        self.assert_none(style.check, {"examples/plugin.c": line})
        self.assert_one(style.check, {"examples/plugin.c": "/* none */\n"}, "first line")
        self.assert_one(style.check, {"tools/plugin.c": line}, "first line")

    def test_long_functions_are_reported(self):
        table = SPDX + "static const int numbers[] =\n{\n" + "    1,\n" * 90 + "};\n"
        with House(files={"src/base/str.c": SPDX + body(80, "fits") + "\n" + body(81, "tall"),
                          "src/base/table.c": table}) as root:
            self.assertEqual(style.long_functions(root), ["src/base/str.c:85: tall has 81 lines"])

    # ---------------------------------------------------------------- rooms

    def test_readmes(self):
        cases = (
            ({"src/platform/jobs/README.md": None}, "missing"),
            ({"src/platform/jobs/queue.c": SPDX}, "does not mention queue.c"),
            ({"src/platform/jobs/README.md": "jobs.c old.c\n"}, "mentions old.c, which is nowhere"),
            ({"src/platform/jobs/README.md": "jobs.c\n" * 101}, "101 lines"),
            ({"src/platform/jobs/README.md": "myjobs.c jobs.conf src/jobs.c\n",
              "tests/README.md": "myjobs.c\n", "tests/myjobs.c": SPDX}, "does not mention jobs.c"),
            ({"src/apps/chess/README.md": "app.c\n"}, "the folder plugins/"),
            ({"src/base/str.c": SPDX}, "does not mention str.c"),
        )
        for files, part in cases:
            with self.subTest(part=part):
                self.assert_one(rooms.check, files, part)

    def test_folders_beside_src_explain_themselves_too(self):
        good = {"bench/README.md": "| one.py | a |\n| `load/` | b |\n", "bench/one.py": "", "bench/load/two.c": SPDX, "bench/meson.build": ""}
        self.assert_none(rooms.check, good)
        for files, part in (({"bench/README.md": None}, "missing"), ({"bench/one2.py": ""}, "does not mention one2.py"),
                            ({"bench/more/x.c": SPDX}, "does not mention more/")):
            with self.subTest(part=part):
                self.assert_one(rooms.check, {**good, **files}, part)

    def test_names_in_readmes(self):
        self.assertEqual(rooms.names_in("`a.c`, b.h; x.[ch] y.h/.c z.c/h q.{c,h} lib/w.c v.cc 1.2.c u.c(3)"),
                         {"a.c", "b.h", "x.c", "x.h", "y.h", "y.c", "z.c", "z.h", "q.c", "q.h"})

    # ---------------------------------------------------------------- globals

    SOURCE = """
    #include <stdio.h>
    static int counter;               /* .bss */
    int level = 3;                    /* .data */
    static _Thread_local int depth;   /* .tbss */
    const int limit = 4;
    static const char *const names[] = { "a", "b" }; /* .data.rel.ro */
    int next(int i)
    {
        static int calls = 7;
        calls += i;
        return printf("%s", names[i & 1]) + ++counter + level + ++depth + limit + calls;
    }
    """

    def library(self, folder, source):
        os.makedirs(os.path.join(folder, "src", "room"))
        path = os.path.join(folder, "src", "room", "room")
        with open(path + ".c", "w", encoding="utf-8") as f:
            f.write(source)
        compiler = os.environ.get("CC", "cc").split()
        subprocess.run(compiler + ["-O1", "-fPIC", "-c", path + ".c", "-o", path + ".o"], check=True)
        subprocess.run(["ar", "rcs", os.path.join(folder, "src", "room", "libroom.a"), path + ".o"], check=True)

    def globals_of(self, source, allow):
        folder = tempfile.mkdtemp(prefix="skerry-tidy-")
        try:
            self.library(folder, source)
            allow_path = os.path.join(folder, "allow")
            with open(allow_path, "w", encoding="utf-8") as f:
                f.write(allow)
            return mutable_globals.check(folder, allow_path, 1)
        finally:
            shutil.rmtree(folder)

    def test_every_mutable_global_is_found(self):
        found = "\n".join(self.globals_of(self.SOURCE, "# none\n"))
        for name in ("counter", "level", "depth", "calls"):
            self.assertIn(f"'{name}'", found)
        self.assertEqual(found.count("\n"), 3, found)

    def test_exceptions_need_a_reason_and_a_symbol(self):
        allow = "".join(f"room {x}: a reason\n" for x in ("counter", "level", "depth", "calls"))
        self.assertEqual(self.globals_of(self.SOURCE, "# why\n" + allow), [])
        self.assertIn("room gone is not there", self.globals_of(self.SOURCE, allow + "room gone: x\n")[0])
        with self.assertRaises(SystemExit):
            self.globals_of(self.SOURCE, "room counter\n")

    def test_nothing_built_is_not_fine(self):
        folder = tempfile.mkdtemp(prefix="skerry-tidy-")
        try:
            self.assertEqual(len(mutable_globals.check(folder, os.devnull, 1)), 1)
        finally:
            shutil.rmtree(folder)

    # ---------------------------------------------------------------- reading C

    def test_comments_and_literals(self):
        source = 'a("/* not */ \\" x"); /* "c" \n d */ \'"\' // e "f\nb;'
        bare, comments = sources.bare_c(source), sources.comments_c(source)
        self.assertEqual(bare.count("\n"), source.count("\n"))
        self.assertEqual(bare.split(), ["a(", ");", "b;"])
        self.assertIn("/* \"c\"", comments)
        self.assertIn('// e "f', comments)
        self.assertNotIn("not", comments)


if __name__ == "__main__":
    unittest.main()
