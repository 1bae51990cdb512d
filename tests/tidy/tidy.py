#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks the code against the rules of the house. Run one check, or all:
    tests/tidy/tidy.py doors|style|rooms|pictures|undefined [ROOT]
    tests/tidy/tidy.py globals BUILD_FOLDER
"""
import os
import sys

import doors
import globals as mutable_globals
import pictures
import rooms
import style
import undefined

HERE = os.path.dirname(os.path.abspath(__file__))
LIBRARIES_MIN = 8  # base, observe, store, blobs, http, jobs, track, auth


def run(name, argument):
    root = argument or os.path.dirname(os.path.dirname(HERE))
    if name == "globals":
        if not argument:
            raise SystemExit(__doc__)
        return mutable_globals.check(argument, os.path.join(HERE, "globals.allow"), LIBRARIES_MIN)
    checks = {"doors": doors.check, "style": style.check, "rooms": rooms.check,
              "pictures": pictures.check, "undefined": undefined.check}
    if name not in checks:
        raise SystemExit(__doc__)
    if name == "style":
        for line in style.long_functions(root):
            print(f"long: {line}")
    return checks[name](root)


def main():
    if not 2 <= len(sys.argv) <= 3:
        raise SystemExit(__doc__)
    findings = run(sys.argv[1], sys.argv[2] if len(sys.argv) == 3 else None)
    for finding in findings:
        print(finding)
    print(f"{sys.argv[1]}: {len(findings)} findings")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
