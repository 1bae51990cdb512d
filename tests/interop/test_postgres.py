# SPDX-License-Identifier: GPL-3.0-or-later
"""The unit programs that open a store, and the HTTP suite, on a private PostgreSQL server: as Meson runs them."""
import pathlib
import subprocess
import unittest

import world

BUILD = pathlib.Path(world.harness.BINARY).parent


class Postgres(unittest.TestCase):
    def run_suite(self, name):
        world.peer("pg_dump")
        done = subprocess.run(["meson", "test", "-C", BUILD, "--no-rebuild", "--print-errorlogs", name],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.assertEqual(done.returncode, 0, done.stdout[-5000:])
        self.assertRegex(done.stdout, r"Ok:\s+1\b", "it was skipped: PostgreSQL is not installed")

    def test_unit_programs(self):
        self.run_suite("postgres_unit")

    def test_http_suite(self):
        self.run_suite("postgres_http")
