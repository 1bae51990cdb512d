# SPDX-License-Identifier: GPL-3.0-or-later
"""Backups in S3, on two real servers: incremental, verified, healed, put back with the same answers; killed in between;
from another store than the one that has the blobs; and nowhere a key. SKERRY_MOVE_KILLS (default 8) says how often at least."""
import os
import pathlib
import random
import subprocess
import sys
import unittest

import s3_servers
import world

sys.path.append(str(world.ROOT / "tests" / "postgres"))   # last: it has a test_postgres of its own
import cluster  # noqa: E402
import harness  # noqa: E402
from test_backup import answers, assert_restored, details, fill, run_json, settle, spied  # noqa: E402

KILLS = int(os.environ.get("SKERRY_MOVE_KILLS", "8"))
BUCKET = "backups"


def access_to(store, prefix="SKERRY_BACKUP_S3_"):
    return {prefix + "ENDPOINT": store.endpoint, prefix + "REGION": s3_servers.REGION, prefix + "ACCESS_KEY": store.access,
            prefix + "SECRET_KEY": store.secret, "SKERRY_S3_CREATE_BUCKET": "true",
            "SKERRY_S3_GRACE_SECONDS": "0"}  # here nobody else writes there


class Suite:
    kind = None

    @classmethod
    def setUpClass(cls):
        cls.store = cls.kind()
        cls.addClassCleanup(cls.store.close)
        cls.env = access_to(cls.store)
        cls.server = harness.Server(env=cls.env)
        cls.addClassCleanup(cls.server.close)
        fill(cls.server, games=1500, seed="in s3")
        cls.client = cls.store.client()

    def place(self):
        """A prefix of its own for each test."""
        return f"s3://{BUCKET}/of {self.id().rsplit('.', 1)[1]}"

    def keys(self, below=""):
        prefix = self.place()[len(f"s3://{BUCKET}/"):] + "/" + below
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=prefix)
        try:
            return sorted(o["Key"] for page in pages for o in page.get("Contents", ()))
        except self.client.exceptions.NoSuchBucket:  # the first backup makes it
            return []

    def fresh(self, **env):
        server = harness.Server(start=False, env={**self.env, **env})
        self.addCleanup(server.close)
        return server

    def spied(self, server, *args):
        return spied(self, server, [self.store.secret.encode(), self.store.access.encode()], *args)

    def restored(self, before, server=None):
        copy = server or self.fresh()
        self.spied(copy, "restore", self.place())
        copy.start()
        settle(copy)
        assert_restored(self, before, copy)
        self.assertEqual(copy.unexpected_errors(), [])

    def assert_no_keys(self, home):
        for file in home.rglob("*"):
            if file.is_file():
                self.assertNotIn(self.store.secret.encode(), file.read_bytes(), file)

    # ------------------------------------------------------------------ what it does

    def test_incremental_verified_and_back(self):
        settle(self.server)
        before = answers(self.server) | details(self.server)
        first = run_json(self.server, "backup", self.place())
        self.assertEqual(first["path"], self.place())
        self.assertGreater(first["blobs"], 0)
        self.spied(self.server, "backup", self.place())
        third = run_json(self.server, "backup", self.place())
        self.assertLess(third["bytesWritten"], first["bytesWritten"] / 2)
        self.assertEqual(third["backupsKept"], 3)
        self.assertEqual(len(self.keys("backups/")), 3)
        self.spied(self.server, "backup", "verify", self.place())
        self.restored(before)
        copied = len(self.keys("objects/"))
        last = run_json(self.server, "backup", self.place(), "--keep", "1")
        self.assertEqual((last["backupsKept"], last["backupsDropped"]), (1, 3))
        self.assertEqual(self.keys("backups/")[0].rsplit("/", 1)[1], last["name"])
        self.assertLess(len(self.keys("objects/")), copied + last["objectsWritten"])  # what no other needs went along
        self.assertTrue(run_json(self.server, "backup", "verify", self.place())["good"])
        self.assertGreaterEqual(self.server.metric("skerry_backup_verified_age_seconds"), 0)
        self.assert_no_keys(self.server.home)

    def test_a_flipped_byte_is_found_and_healed(self):
        run_json(self.server, "backup", self.place())
        rng = random.Random(3)
        for _ in range(4):
            key = rng.choice(self.keys("objects/"))  # all belong to the one backup that stays
            whole = self.client.get_object(Bucket=BUCKET, Key=key)["Body"].read()
            self.client.put_object(Bucket=BUCKET, Key=key, Body=whole[:-1] + bytes([whole[-1] ^ 1]))
            done = self.server.cli("backup", "verify", self.place(), check=False)
            self.assertEqual(done.returncode, 12, done.stderr[-300:])
            self.assertNotIn(key, self.keys("objects/"))
            run_json(self.server, "backup", self.place(), "--keep", "1")
            self.assertTrue(run_json(self.server, "backup", "verify", self.place())["good"])
        [manifest] = self.keys("backups/")
        whole = self.client.get_object(Bucket=BUCKET, Key=manifest)["Body"].read()
        self.client.put_object(Bucket=BUCKET, Key=manifest, Body=whole.replace(b"rows", b"rowz", 1))
        self.assertEqual(self.server.cli("backup", "verify", self.place(), check=False).returncode, 12)
        for event in ("run.failed", "job.failed"):
            self.server.expect_error(event)

    def kill_ever_later(self, is_enough, server, *verb):
        """kill -9 from the first moments of a verb on, however fast the machine is; how many hit."""
        after_s, hits, tries = 0.005, 0, 0
        while True:
            code = server.cli_killed(after_s, *verb)
            hits, tries, after_s = hits + (code < 0), tries + 1, after_s * 1.3
            if tries >= KILLS and is_enough(code):
                return hits

    def test_killed_backups_go_on_and_killed_restores_too(self):
        settle(self.server)
        before = answers(self.server) | details(self.server)
        hits = self.kill_ever_later(lambda code: self.keys("objects/"), self.server, "backup", self.place())
        self.assertGreater(hits, 0)
        last = run_json(self.server, "backup", self.place(), "--keep", "1")
        there = len(self.keys("objects/"))
        self.assertLess(last["objectsWritten"], there)  # what the killed ones had put was not sent again
        self.assertEqual(len(self.keys("backups/")), 1)
        self.assertTrue(run_json(self.server, "backup", "verify", self.place())["good"])
        copy = self.fresh()
        self.assertGreater(self.kill_ever_later(lambda code: code >= 0, copy, "restore", self.place()), 0)
        if self.is_whole(copy):
            copy.start()
            settle(copy)
            assert_restored(self, before, copy)
        else:
            self.restored(before, copy)
        self.server.expect_error("job.crashed")
        self.server.expect_error("job.failed")
        self.server.expect_error("run.failed")

    def is_whole(self, server):
        if not (server.home / "skerry.db").exists() or not server.sql("SELECT name FROM sqlite_master WHERE name = 'runs'"):
            return False
        return server.sql("SELECT value FROM move_notes WHERE name = 'state'") != [("filling",)]

    def test_every_night_where_the_settings_say(self):
        server = self.fresh(SKERRY_BACKUP_DIR=self.place())
        server.start()
        self.assertIn("core.backup.daily", [s["name"] for s in server.get("/v1/schedules").json()["items"]])
        made = run_json(server, "backup")
        self.assertEqual(made["path"], self.place())
        self.assertTrue(run_json(server, "backup", "verify")["good"])
        self.assert_no_keys(server.home)

    # ------------------------------------------------------------------ what is refused

    def refused(self, code, server, *args):
        done = server.cli(*args, check=False)
        self.assertEqual(done.returncode, code, done.stderr)
        self.assertNotIn(self.store.secret.encode(), done.stdout + done.stderr)
        return done.stderr.decode()

    def test_what_is_refused(self):
        run_json(self.server, "backup", self.place())
        other = self.fresh()
        self.assertIn("another installation", self.refused(5, other, "backup", self.place()))
        self.assertIn("empty", self.refused(5, other, "restore", self.place()))
        self.assertIn("no backup", self.refused(4, self.fresh(), "restore", self.place() + "/nothing"))
        address = f"s3://{self.store.access}:{self.store.secret}@{BUCKET}/x"
        for words in (("backup", address), ("backup", "verify", address), ("restore", address)):
            said = self.refused(2, self.fresh(), *words)
            self.assertIn("SKERRY_BACKUP_S3_ACCESS_KEY", said)
            self.assertNotIn(self.store.access, said)
        wrong = self.fresh(SKERRY_BACKUP_S3_SECRET_KEY=self.store.secret[::-1])
        self.refused(9, wrong, "restore", self.place())
        self.assertTrue(run_json(self.server, "backup", "verify", self.place())["good"])

    def test_two_at_once(self):
        """One makes it, the other is told so or comes after it; the backup is whole."""
        two = [subprocess.Popen([harness.BINARY, "backup", self.place()], env=self.server.environment(), cwd=self.server.home,
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(2)]
        said = [(p.communicate()[1], p.returncode) for p in two]
        self.assertIn(0, [code for _, code in said])
        for text, code in said:
            self.assertTrue(code == 0 or b"another backup uses" in text, text)
        self.assertTrue(run_json(self.server, "backup", "verify", self.place())["good"])
        for event in ("run.failed", "job.failed"):
            self.server.expect_error(event)


class OnSeaweedFS(Suite, unittest.TestCase):
    kind = s3_servers.SeaweedFS


class OnVersityGW(Suite, unittest.TestCase):
    kind = s3_servers.VersityGW


class FromElsewhere(unittest.TestCase):
    """Rows in PostgreSQL, blobs in one S3 store, backups in another with keys of its own; back into a data folder."""

    def test_there_and_back(self):
        db = cluster.Cluster()
        db.__enter__()
        self.addCleanup(db.__exit__)
        blobs, backups = s3_servers.VersityGW(), s3_servers.SeaweedFS()
        self.addCleanup(blobs.close)
        self.addCleanup(backups.close)
        env = {**access_to(blobs, "SKERRY_S3_"), **access_to(backups), "SKERRY_DB": db.url, "SKERRY_BLOBS": "s3://blobs/x"}
        server = harness.Server(env=env)
        self.addCleanup(server.close)
        fill(server, seed="elsewhere")
        before = answers(server) | details(server)
        place = "s3://backups/y"
        secrets = [s.encode() for s in (blobs.secret, backups.secret, cluster.PASSWORD, cluster.PASSWORD_IN_URL)]
        spied(self, server, secrets, "backup", place)
        self.assertTrue(run_json(server, "backup", "verify", place)["good"])
        self.assertEqual({b["Name"] for b in blobs.client().list_buckets()["Buckets"]}, {"blobs"})
        copy = harness.Server(start=False, env=access_to(backups))
        self.addCleanup(copy.close)
        spied(self, copy, secrets, "restore", place)
        copy.start()
        settle(copy)
        assert_restored(self, before, copy)
        for home in (server.home, copy.home):
            for file in (f for f in pathlib.Path(home).rglob("*") if f.is_file()):
                for secret in secrets:
                    self.assertNotIn(secret, file.read_bytes(), file)


if __name__ == "__main__":
    unittest.main()
