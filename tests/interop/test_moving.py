# SPDX-License-Identifier: GPL-3.0-or-later
"""Moving house for real: from the data folder to PostgreSQL and SeaweedFS beside a running server, and back,
with the same answers; and the demo there as at home."""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

import s3_servers
import world  # noqa: F401 -- puts tests/http on the path

sys.path.append(str(world.ROOT / "tests" / "postgres"))   # last: it has a test_postgres of its own
import cluster  # noqa: E402
import harness  # noqa: E402
from test_backup import answers, assert_restored, assert_same, details, fill, run_json, settle, spied  # noqa: E402


class MoveTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if not cluster.programs():
            raise AssertionError("PostgreSQL is not installed: tools/deps.sh interop installs it")
        cls.db = cluster.Cluster()
        cls.db.__enter__()
        cls.addClassCleanup(cls.db.__exit__)
        cls.s3 = s3_servers.SeaweedFS()
        cls.addClassCleanup(cls.s3.close)

    def secrets(self):
        return [cluster.PASSWORD.encode(), cluster.PASSWORD_IN_URL.encode(), self.s3.secret.encode()]

    def settings(self, name):
        self.db.sql(f"CREATE SCHEMA {name}")
        return {"SKERRY_DB": f"{self.db.url}?options=-csearch_path%3D{name}", "SKERRY_BLOBS": f"s3://{name}/skerry",
                "SKERRY_S3_ENDPOINT": self.s3.endpoint, "SKERRY_S3_REGION": s3_servers.REGION,
                "SKERRY_S3_ACCESS_KEY": self.s3.access, "SKERRY_S3_SECRET_KEY": self.s3.secret,
                "SKERRY_S3_CREATE_BUCKET": "true"}

    def same(self, before, server):
        assert_same(self, before, server)

    def spied(self, server, *args):
        return spied(self, server, self.secrets(), *args)

    def test_there_and_back(self):
        server = harness.Server()
        self.addCleanup(server.close)
        fill(server, seed="interop", games=800)
        before = answers(server) | details(server)
        folder = pathlib.Path(tempfile.mkdtemp(prefix="skerry-move-"))
        self.addCleanup(shutil.rmtree, folder, ignore_errors=True)
        env = folder / "new.env"
        env.write_text("".join(f"{k}={v}\n" for k, v in self.settings("moving").items()))
        self.spied(server, "move", "--env", env)
        server.stop()
        self.assertIn(b"Done.", self.spied(server, "move", "--env", env))
        shutil.copy(env, server.home / ".env")
        shutil.move(server.home / "blobs", folder / "old-blobs")
        server.start()
        settle(server)
        self.same(before, server)
        fill(server, seed="interop there")
        backup = run_json(server, "backup", folder / "backup")
        self.assertGreater(backup["blobs"], 0)
        self.assertTrue(run_json(server, "backup", "verify", folder / "backup")["good"])
        before = answers(server) | details(server)
        server.stop()
        self.assertIn(b"Done.", self.spied(server, "move", "--to", "sqlite:", "--blobs", "file:"))
        (server.home / ".env").unlink()
        server.start()
        settle(server)
        self.same(before, server)
        self.assertEqual(server.unexpected_errors(), [])
        for file in [*server.home.rglob("*"), *(folder / "backup").rglob("*")]:
            for secret in self.secrets() if file.is_file() else ():
                self.assertNotIn(secret, file.read_bytes(), file)

    def test_backups_of_what_is_in_s3(self):
        """Into a folder, the second time only what is new; and back, into a folder and into another bucket."""
        server = harness.Server(env=self.settings("backed"))
        self.addCleanup(server.close)
        fill(server, seed="in s3")
        before = answers(server) | details(server)
        folder = pathlib.Path(tempfile.mkdtemp(prefix="skerry-s3-backup-"))
        self.addCleanup(shutil.rmtree, folder, ignore_errors=True)
        first = run_json(server, "backup", folder)
        self.assertGreater(first["blobs"], 0)
        self.assertFalse((server.home / "blobs").exists())
        second = run_json(server, "backup", folder)
        self.assertGreaterEqual(second["blobs"], first["blobs"])  # it has what the first one left about itself, too
        self.assertLess(second["bytesWritten"], first["bytesWritten"] / 2)
        self.assertTrue(run_json(server, "backup", "verify", folder)["good"])
        for file in folder.rglob("*"):
            for secret in self.secrets() if file.is_file() else ():
                self.assertNotIn(secret, file.read_bytes(), file)
        for env in ({}, self.settings("restored")):
            copy = harness.Server(start=False, env=env)
            self.addCleanup(copy.close)
            copy.cli("restore", folder)
            copy.start()
            settle(copy)
            self.assertEqual((copy.home / "blobs").exists(), not env)
            assert_restored(self, before, copy)
            self.assertEqual(copy.unexpected_errors(), [])

    def test_the_demo_is_the_same_there(self):
        home = tempfile.mkdtemp(prefix="skerry-demo-")
        self.addCleanup(shutil.rmtree, home, ignore_errors=True)
        env = {k: v for k, v in os.environ.items() if not k.startswith(("SKERRY_", "API_"))}
        settings = self.settings("demo")
        places = [f"{name}={settings.pop(name)}" for name in ("SKERRY_DB", "SKERRY_BLOBS")]
        env.update(settings, SKERRY_HOME=home, SKERRY_BINARY=harness.BINARY, DEMO_MINUTES="0.1")
        done = subprocess.run([world.peer("make"), "-C", str(world.ROOT), "demo", *(p.replace("$", "$$") for p in places)],
                              env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=900)
        self.assertEqual(done.returncode, 0, done.stdout[-1500:] + done.stderr[-1500:])
        self.assertIn(b"demo ok:", done.stdout)
        self.assertFalse((pathlib.Path(home) / "skerry.db").exists())
        self.assertFalse((pathlib.Path(home) / "blobs").exists())


if __name__ == "__main__":
    unittest.main()
