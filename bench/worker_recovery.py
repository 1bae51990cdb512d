# SPDX-License-Identifier: GPL-3.0-or-later
"""How long a killed worker's job stands still: the test of it, several times over. Needs root, for namespaces.

usage: worker_recovery.py TIMES      prints one JSON number a time: the standstill in leases
"""
import contextlib
import json
import pathlib
import re
import sys
import io

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tests" / "interop"))
import test_workers  # noqa: E402


def main():
    test_workers.setUpModule()
    try:
        fleet = test_workers.Workers("test_a_killed_worker_is_followed_within_a_lease")
        fleet.setUpClass()
        try:
            for _ in range(int(sys.argv[1])):
                said = io.StringIO()
                fleet.setUp()
                with contextlib.redirect_stdout(said):
                    fleet.test_a_killed_worker_is_followed_within_a_lease()
                print(json.dumps(float(re.search(r"after ([\d.]+) leases", said.getvalue()).group(1))), flush=True)
        finally:
            fleet.tearDownClass()
    finally:
        test_workers.tearDownModule()


main()
