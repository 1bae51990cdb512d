# SPDX-License-Identifier: GPL-3.0-or-later
"""The unit programs that open a store, and the HTTP suite, on a private PostgreSQL server: as Meson runs them. The HTTP suite
has its blobs in a real S3 store, too; kill -9 included."""
import json
import os
import pathlib
import subprocess
import unittest

import world
from s3_servers import REGION, VersityGW

BUILD = pathlib.Path(world.harness.BINARY).parent


class Postgres(unittest.TestCase):
    def run_suite(self, name, **env):
        world.peer("pg_dump")
        done = subprocess.run(["meson", "test", "-C", BUILD, "--no-rebuild", "--print-errorlogs", name], env={**os.environ, **env},
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.assertEqual(done.returncode, 0, done.stdout[-5000:])
        self.assertRegex(done.stdout, r"Ok:\s+1\b", "it was skipped: PostgreSQL is not installed")

    def run_suite_with_s3(self, name):
        """versitygw keeps objects as files: tests look at them, make them old, and count them."""
        store = VersityGW()
        self.addCleanup(store.close)
        self.run_suite(name, SKERRY_TEST_BLOBS=json.dumps({
            "endpoint": store.endpoint, "region": REGION, "access": store.access, "secret": store.secret, "bucket": "suite",
            "folder": str(store.folder / "data")}))
        self.assertIn("suite", os.listdir(store.folder / "data"), "no blob went there")

    def test_unit_programs(self):
        self.run_suite("postgres_unit")

    def test_http_suite(self):
        self.run_suite_with_s3("postgres_http")

    def test_the_rest_of_the_http_suite(self):
        self.run_suite_with_s3("postgres_http_more")
