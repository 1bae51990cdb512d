#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Wraps the lines that are too long, and only those, with clang-format. Look at what it did: a table in
a comment is better wrapped by hand.
    tests/tidy/narrow.py FILE...
"""
import shutil
import subprocess
import sys

import style


def narrow(path, formatter):
    with open(path, encoding="utf-8") as f:
        lines = f.read().split("\n")
    long = [f"--lines={n}:{n}" for n, line in enumerate(lines, 1) if len(line) > style.LINE_MAX]
    if long:
        subprocess.run([formatter, "-i", *long, path], check=True)
        print(f"{path}: {len(long)} lines")


def main():
    formatter = shutil.which("clang-format-14") or shutil.which("clang-format")
    if not formatter or len(sys.argv) < 2:
        raise SystemExit(__doc__ if formatter else "clang-format is not installed: apt install clang-format-14")
    for path in sys.argv[1:]:
        narrow(path, formatter)


if __name__ == "__main__":
    main()
