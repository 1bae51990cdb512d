# SPDX-License-Identifier: GPL-3.0-or-later
"""The other compiler: all our C is free of clang's warnings, too, with the flags of the build."""
import concurrent.futures
import json
import os
import pathlib
import shlex
import subprocess
import tempfile
import unittest

from world import peer

BUILD = pathlib.Path(os.environ["SKERRY_BINARY"]).resolve().parent
# What gcc knows and clang does not is no fault of the code.
EXTRA = ["-fsyntax-only", "-Werror", "-Wno-unknown-warning-option", "-Wno-unused-command-line-argument"]


def without_output(arguments):
    """A compiler's command line without its name ("ccache cc" is two words) and without what it would write."""
    first = next(i for i, argument in enumerate(arguments) if argument.startswith("-"))
    kept, rest = [], iter(arguments[first:])
    for argument in rest:
        if argument in ("-o", "-MQ", "-MF"):
            next(rest)
        elif argument not in ("-c", "-MD"):
            kept.append(argument)
    return kept


def said(folder, arguments):
    done = subprocess.run([peer("clang-14"), *EXTRA, *without_output(arguments)], cwd=folder, capture_output=True, text=True)
    return "" if done.returncode == 0 and not done.stderr else done.stderr or f"clang ended with {done.returncode}"


class Clang(unittest.TestCase):
    def test_a_warning_is_found(self):
        with tempfile.TemporaryDirectory(prefix="skerry-clang-") as folder:
            (pathlib.Path(folder) / "one.c").write_text("int f(void);\nint f(void)\n{\n    int unused;\n    return 0;\n}\n")
            self.assertIn("unused", said(folder, ["cc", "-Wall", "-o", "one.o", "-c", "one.c"]))
            self.assertEqual(said(folder, ["cc", "-o", "one.o", "-c", "one.c"]), "")

    def test_all_of_it_compiles_without_a_warning(self):
        commands = json.loads((BUILD / "compile_commands.json").read_text())
        ours = [(c["directory"], shlex.split(c["command"])) for c in commands if c["file"].endswith(".c")]
        self.assertGreater(len(ours), 400)
        # `make build` makes the program; sources that are made for tests alone come with the tests.
        missing = sorted({c["file"] for c in commands if not (pathlib.Path(c["directory"]) / c["file"]).exists()})
        if missing:
            made = subprocess.run(["ninja", "-C", str(BUILD), *missing], capture_output=True, text=True)
            self.assertEqual(made.returncode, 0, made.stdout[-2000:] + made.stderr)
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            answers = [text for text in pool.map(lambda one: said(*one), ours) if text]
        self.assertFalse(answers, "\n".join(answers)[:4000])


if __name__ == "__main__":
    unittest.main()
