# SPDX-License-Identifier: GPL-3.0-or-later
"""From SQLite and a folder to PostgreSQL and back, with the same answers; backups that cross from one engine
to the other; passwords that nobody sees."""
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "http")]
import cluster  # noqa: E402
os.environ.pop("SKERRY_TEST_DB", None)  # this file starts its own server
import harness  # noqa: E402
from test_backup import KILLS, answers, assert_restored, assert_same, details, fill, run_json, settle, spied  # noqa: E402

PASSWORDS = (cluster.PASSWORD, cluster.PASSWORD_IN_URL)


class MoveToPostgres(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.db = cluster.usual()
        cls.db.__enter__()
        cls.addClassCleanup(cls.db.__exit__)

    def setUp(self):
        self.server = harness.Server()
        self.addCleanup(self.server.close)
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="skerry-moved-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)

    def url(self, schema):
        self.db.sql(f"CREATE SCHEMA IF NOT EXISTS {schema}")
        return f"{self.db.url}?options=-csearch_path%3D{schema}"

    def env_file(self, schema):
        file = self.folder / "new.env"
        file.write_text(f"SKERRY_DB={self.url(schema)}\nSKERRY_BLOBS=file:{self.folder}/blobs\n")
        return file

    def same(self, before, server):
        assert_same(self, before, server)

    def spied(self, server, *args):
        return spied(self, server, [p.encode() for p in PASSWORDS], *args)

    def test_there_and_back(self):
        fill(self.server, seed="postgres")
        before = answers(self.server) | details(self.server)
        env = self.env_file("there")
        self.spied(self.server, "move", "--env", env)
        self.server.stop()
        out = self.spied(self.server, "move", "--env", env)
        self.assertIn(b"Done.", out)
        old = self.server.cli("status", check=False)
        self.assertEqual(old.returncode, 5)
        shutil.copy(env, self.server.home / ".env")
        self.server.start()
        settle(self.server)
        self.assertTrue(self.server.get("/v1/status").json()["store"].startswith("postgresql"))
        self.same(before, self.server)
        fill(self.server, seed="written there")  # numbers of rows go on behind those that came along
        before = answers(self.server) | details(self.server)
        self.assertFalse(run_json(self.server, "move", "--to", "sqlite:", "--blobs", "file:")["complete"])
        self.server.stop()
        self.assertTrue(run_json(self.server, "move", "--to", "sqlite:", "--blobs", "file:")["complete"])
        (self.server.home / ".env").unlink()
        self.server.start()
        settle(self.server)
        self.assertTrue(self.server.get("/v1/status").json()["store"].startswith("sqlite"))
        self.same(before, self.server)
        fill(self.server, seed="written here again")
        self.assertEqual(self.server.unexpected_errors(), [])
        for file in self.server.home.rglob("*"):
            if file.is_file():
                for password in PASSWORDS:
                    self.assertNotIn(password.encode(), file.read_bytes(), file)

    def test_a_server_elsewhere_on_the_same_database_is_noticed(self):
        url = self.url("shared")
        self.server.stop()
        first = harness.Server(env={"SKERRY_DB": url, "SKERRY_BLOBS": f"file:{self.folder}/blobs"}, start=False)
        self.addCleanup(first.close)
        first.cli("status")
        second = harness.Server(env={"SKERRY_DB": url, "SKERRY_BLOBS": f"file:{self.folder}/blobs"})
        self.addCleanup(second.close)
        self.assertFalse(run_json(first, "move", "--to", "sqlite:")["complete"])
        self.assertEqual(second.get("/v1/runs").status, 200)
        second.stop()
        self.assertTrue(run_json(first, "move", "--to", "sqlite:")["complete"])
        with self.assertRaisesRegex(AssertionError, "moved to"):
            second.start()
        second.process = None

    def test_a_backup_of_one_engine_is_restored_into_the_other(self):
        fill(self.server, seed="crossing")
        settle(self.server)
        before = answers(self.server) | details(self.server)
        run_json(self.server, "backup", self.folder / "backup")
        there = harness.Server(env={"SKERRY_DB": self.url("crossing")}, start=False)
        self.addCleanup(there.close)
        there.cli("restore", self.folder / "backup")
        there.start()
        settle(there)
        assert_restored(self, before, there)
        report = run_json(there, "backup", self.folder / "backup")
        self.assertLess(report["bytesWritten"], 2_000_000)
        self.assertTrue(run_json(there, "backup", "verify", self.folder / "backup")["good"])
        for file in (self.folder / "backup").rglob("*"):
            if file.is_file():
                for password in PASSWORDS:
                    self.assertNotIn(password.encode(), file.read_bytes(), file)

    def test_killed_again_and_again(self):
        fill(self.server, seed="killed", games=1000)
        before = answers(self.server) | details(self.server)
        env, rng, killed = self.env_file("killed"), random.Random(3), 0
        self.server.stop()
        for i in range(KILLS):
            after_s = 0.03 * i + rng.uniform(0, 0.01)  # the first die at once, on a fast machine too
            code = self.server.cli_killed(after_s, "move", "--env", env)
            killed += code < 0
            if killed and code == 0:
                break
        self.assertGreater(killed, 0)
        done = self.server.cli("move", "--env", env, check=False)
        self.assertIn(done.returncode, (0, 5), done.stderr)  # 5: it was done already
        shutil.copy(env, self.server.home / ".env")
        self.server.start()
        settle(self.server)
        self.same(before, self.server)

    def test_the_database_crashes_again_and_again(self):
        """A move that was cut off says so, nothing it wrote is taken for whole, and the next one goes on."""
        fill(self.server, seed="crashes", games=1000)
        before = answers(self.server) | details(self.server)
        env, rng, cut_off, code = self.env_file("crashes"), random.Random(7), 0, None
        self.server.stop()
        for i in range(KILLS):
            move = subprocess.Popen([harness.BINARY, "move", "--env", env], env=self.server.environment(), cwd=self.server.home,
                                    stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
            time.sleep(0.05 * i + rng.uniform(0, 0.05))
            self.db.stop(signal.SIGQUIT)
            words = move.communicate(timeout=120)[1]
            self.db.start()
            code = move.returncode
            if code == 0:
                break
            cut_off += 1
            self.assertIn(code, (5, 8, 10), words)  # 5: it had ended; 10: nobody knows whether the last commit is stored
            for password in PASSWORDS:
                self.assertNotIn(password.encode(), words)
            if code == 5:
                break
        self.assertGreater(cut_off, 0)
        done = self.server.cli("move", "--env", env, check=False)
        self.assertIn(done.returncode, (0, 5), done.stderr)
        shutil.copy(env, self.server.home / ".env")
        self.server.start()
        settle(self.server)
        self.same(before, self.server)


if __name__ == "__main__":
    unittest.main()
