#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs test programs against one private PostgreSQL server: each makes schemas of its own in it.

usage: tests/postgres/run.py PROGRAM...     a .py file is run by Python

SKERRY_TEST_CITUS=1 has it on Citus with a worker. Exits with 77, which Meson calls skipped, when PostgreSQL is not installed.
"""
import os
import signal
import subprocess
import sys

import cluster


def end(*_):
    sys.exit(1)


def main():
    if not cluster.programs():
        print("PostgreSQL is not installed (apt-get install postgresql): skipped")
        return 77
    signal.signal(signal.SIGTERM, end)
    failed = []
    with cluster.usual() as server:
        env = dict(os.environ, SKERRY_TEST_DB=server.url)
        for program in sys.argv[1:]:
            command = [sys.executable, program] if program.endswith(".py") else [program]
            print("==", program, flush=True)
            if subprocess.run(command, env=env, stdin=subprocess.DEVNULL).returncode != 0:
                failed.append(program)
                print(f"-- {program} failed", flush=True)
    for program in failed:
        print("failed:", program)
    return 1 if failed or len(sys.argv) < 2 else 0


if __name__ == "__main__":
    sys.exit(main())
