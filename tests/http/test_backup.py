# SPDX-License-Identifier: GPL-3.0-or-later
"""Backups: incremental, verified, put back with the same answers; damage anywhere is found; kill -9 leaves
no half backup and no half restore. SKERRY_MOVE_KILLS (default 12) sets how often each is killed."""
import json
import os
import pathlib
import random
import re
import shutil
import subprocess
import tempfile
import time
import unittest

import harness
import pgn_make

KILLS = int(os.environ.get("SKERRY_MOVE_KILLS", "12"))


def run_json(server, *args):
    return json.loads(server.cli(*args, "--json").stdout)


def answers(server):
    """What every read route without a parameter in its path says, but for what differs from second to second."""
    said = {}
    document = server.get("/openapi.json").json()
    for path, operations in sorted(document["paths"].items()):
        if "get" not in operations or "{" in path or path.startswith(("/health", "/metrics", "/v1/metrics", "/v1/logs",
                                                                     "/v1/obs", "/obs", "/api", "/loki", "/v1/health", "/actuator")):
            continue
        if path in ("/v1/status", "/v1/settings", "/v1/schedules", "/v1/users/me", "/v1/doctor", "/v1/workers", "/v1/ui", "/healthz",
                    "/v1/jobs/events"):  # goes on for ever
            continue
        if path.endswith("/internal/promotion/event_totals"):  # of the days until now
            continue
        reply = server.get(path)
        said[path] = (reply.status, re.sub(rb'"timestamp":"[^"]*"', b"", reply.body))  # of the answer
    return said


def assert_same(test, before, server, but=()):
    """Whatever was answered with 200 before is answered the same now."""
    after = answers(server) | details(server)
    for path, said in before.items():
        if said[0] == 200 and path not in but:
            test.assertEqual(said, after.get(path), path)


def assert_restored(test, before, server):
    """The same, but that a backup is a job with a run, and the restored copy knows of it."""
    assert_same(test, before, server, but=("/v1/jobs", "/v1/jobs/count", "/v1/runs", "/v1/keys"))


def spied(test, server, secrets, *args):
    """Runs a verb and reads the machine's process list all the while: no secret is in it."""
    process = subprocess.Popen([harness.BINARY, *map(str, args)], env=server.environment(), cwd=server.home,
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    seen = b""
    while process.poll() is None:
        for line in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
            try:
                seen += line.read_bytes()
            except OSError:
                continue
        time.sleep(0.01)
    out, err = process.communicate()
    test.assertEqual(process.returncode, 0, err)
    for secret in secrets:
        test.assertNotIn(secret, seen + out + err)
    return out


def ids(server, path, key):
    return [item[key] for item in server.get(path).json()["items"]]


def details(server):
    said = {}
    for run in ids(server, "/v1/runs?limit=100", "runId"):
        for path in (f"/v1/runs/{run}", f"/v1/runs/{run}/artifacts", f"/v1/lineage/{run}"):
            reply = server.get(path)
            said[path] = (reply.status, reply.body)
        for artifact in json.loads(said[f"/v1/runs/{run}/artifacts"][1])["items"]:
            path = f"/v1/runs/{run}/artifacts/{artifact['path']}"
            said[path] = (200, server.get(path).body)
    for dataset in ids(server, "/v1/datasets?limit=100", "id"):
        for path in (f"/v1/datasets/{dataset}", f"/v1/datasets/{dataset}/sample?limit=50", f"/v1/datasets/{dataset}/export?format=csv"):
            reply = server.get(path)
            said[path] = (reply.status, reply.body)
    return said


def fill(server, games=300, seed="backup"):
    made = server.post("/v1/ingest", raw=pgn_make.games(games, seed=seed).encode()).json()
    server.wait(f"/v1/jobs/{made['jobId']}", lambda j: j["status"] == "succeeded")
    made = server.post("/v1/datasets", {"name": seed, "split": {"train": 0.8, "valid": 0.1, "test": 0.1}}).json()
    server.wait(f"/v1/jobs/{made['jobId']}", lambda j: j["status"] == "succeeded")
    settle(server)


def settle(server):
    """Until no job is under way."""
    deadline = time.monotonic() + 120
    while server.get("/v1/jobs?status=active&limit=1").json()["items"]:
        if time.monotonic() > deadline:
            raise AssertionError("jobs do not come to rest")
        time.sleep(0.05)


class BackupTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = harness.Server()
        cls.addClassCleanup(cls.server.close)
        fill(cls.server)

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="skerry-backup-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)

    def fresh(self):
        server = harness.Server(start=False)
        self.addCleanup(server.close)
        return server

    def test_a_second_backup_writes_what_is_new(self):
        first = run_json(self.server, "backup", self.folder)
        second = run_json(self.server, "backup", self.folder)
        self.assertGreater(first["rows"], 300)
        self.assertGreater(first["blobs"], 0)
        self.assertLess(second["bytesWritten"], first["bytesWritten"] / 2)
        self.assertEqual(second["backupsKept"], 2)
        third = run_json(self.server, "backup", self.folder, "--keep", "1")
        self.assertEqual((third["backupsKept"], third["backupsDropped"]), (1, 2))
        self.assertTrue(run_json(self.server, "backup", "verify", self.folder)["good"])

    def test_what_dropped_backups_held_alone_is_removed(self):
        run_json(self.server, "backup", self.folder)
        (self.folder / "objects" / "00" / ("0" * 62)).write_bytes(b"left by a backup that was killed")
        report = run_json(self.server, "backup", self.folder, "--keep", "1")
        self.assertFalse((self.folder / "objects" / "00" / ("0" * 62)).exists())
        manifest = json.loads((self.folder / "backups" / report["name"]).read_text())
        named = {p["sha256"] for t in manifest["tables"] for p in t["parts"]}
        named |= {x["sha256"] for x in manifest["blobs"]["lists"]} | {f["sha256"] for f in manifest["files"]}
        for listed in manifest["blobs"]["lists"]:
            path = self.folder / "objects" / listed["sha256"][:2] / listed["sha256"][2:]
            named |= {line.split()[0] for line in path.read_text().splitlines()}
        there = {f.parent.name + f.name for f in (self.folder / "objects").glob("*/*")}
        self.assertEqual(there, named)

    def test_the_age_is_a_metric_and_part_of_doctor_and_status(self):
        run_json(self.server, "backup", self.folder)
        run_json(self.server, "backup", "verify", self.folder)
        for name in ("skerry_backup_age_seconds", "skerry_backup_verified_age_seconds"):
            self.assertGreaterEqual(self.server.metric(name), 0)
            self.assertLess(self.server.metric(name), 600)
        status = self.server.get("/v1/status").json()
        self.assertTrue(status["lastBackupAt"] and status["lastVerifiedBackupAt"])
        [line] = [f for f in run_json(self.server, "doctor") if f["what"] == "backup"]
        self.assertTrue(line["good"])

    def test_restored_it_answers_the_same(self):
        settle(self.server)
        before = answers(self.server) | details(self.server)
        run_json(self.server, "backup", self.folder)
        copy = self.fresh()
        copy.cli("restore", self.folder)
        copy.start()
        settle(copy)
        assert_restored(self, before, copy)
        self.assertEqual(copy.unexpected_errors(), [])
        jobs = copy.get("/v1/jobs?kind=core.backup").json()["items"]
        self.assertEqual((jobs[0]["status"], {j["status"] for j in jobs[1:]} - {"succeeded"}), ("stopped", set()))

    def test_restore_wants_an_empty_place(self):
        run_json(self.server, "backup", self.folder)
        done = self.server.cli("restore", self.folder, check=False)
        self.assertEqual(done.returncode, 5)
        self.assertIn(b"stop the server", done.stderr)
        other = self.fresh()
        other.cli("status")
        done = other.cli("restore", self.folder, check=False)
        self.assertEqual(done.returncode, 5)
        self.assertIn(b"empty", done.stderr)
        done = other.cli("restore", self.folder / "nothing", check=False)
        self.assertEqual(done.returncode, 5 if done.returncode == 5 else 4)

    def test_a_newer_backup_is_refused(self):
        report = run_json(self.server, "backup", self.folder)
        path = self.folder / "backups" / report["name"]
        manifest = json.loads(path.read_text())
        manifest["migrations"][0]["number"] += 1
        self.replace(path, json.dumps(manifest))
        done = self.fresh().cli("restore", self.folder, check=False)
        self.assertEqual(done.returncode, 13, done.stderr)

    def replace(self, path, text):
        import hashlib
        path.unlink()
        name = path.name.split("-")[0] + "-" + hashlib.sha256(text.encode()).hexdigest() + ".json"
        (path.parent / name).write_text(text)

    def test_a_flipped_byte_anywhere_is_found(self):
        run_json(self.server, "backup", self.folder)
        rng = random.Random(1)
        files = [f for f in sorted(self.folder.rglob("*")) if f.is_file() and f.name != "backup.lock"]
        self.assertGreater(len(files), 20)
        for file in files:
            whole = file.read_bytes()
            at = rng.randrange(len(whole))
            file.write_bytes(whole[:at] + bytes([whole[at] ^ 1 << rng.randrange(8)]) + whole[at + 1:])
            with self.subTest(file=file.name):
                done = self.server.cli("backup", "verify", self.folder, check=False)
                self.assertEqual(done.returncode, 12, done.stderr[-300:])
            file.write_bytes(whole)
        self.assertTrue(run_json(self.server, "backup", "verify", self.folder)["good"])
        self.server.expect_error("run.failed")
        self.server.expect_error("job.failed")

    def test_the_next_backup_heals_what_was_found_damaged(self):
        run_json(self.server, "backup", self.folder)
        for i in range(6):  # all objects belong to the one backup; the first victim is a list of blobs
            [manifest] = [json.loads(f.read_text()) for f in (self.folder / "backups").glob("*.json")]
            listed = manifest["blobs"]["lists"][0]["sha256"]
            victim = self.folder / "objects" / listed[:2] / listed[2:]
            victim = sorted((self.folder / "objects").glob("*/*"))[i * 4] if i else victim
            whole = victim.read_bytes()
            victim.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
            done = self.server.cli("backup", "verify", self.folder, check=False)
            self.assertEqual(done.returncode, 12, done.stderr[-300:])
            run_json(self.server, "backup", self.folder, "--keep", "1")
            self.assertTrue(run_json(self.server, "backup", "verify", self.folder)["good"])
        self.server.expect_error("run.failed")
        self.server.expect_error("job.failed")

    def test_a_missing_object_is_found(self):
        run_json(self.server, "backup", self.folder)
        victim = sorted((self.folder / "objects").glob("*/*"))[3]
        victim.unlink()
        self.assertEqual(self.server.cli("backup", "verify", self.folder, check=False).returncode, 12)
        run_json(self.server, "backup", self.folder, "--keep", "1")  # heals what is still wanted
        self.assertTrue(run_json(self.server, "backup", "verify", self.folder)["good"])
        self.server.expect_error("run.failed")
        self.server.expect_error("job.failed")

    def test_settings_are_not_in_it(self):
        secret = "s3cret-of-the-env-file"
        (self.server.home / ".env").write_text(f"SKERRY_S3_SECRET_KEY={secret}\n")
        run_json(self.server, "backup", self.folder)
        for file in self.folder.rglob("*"):
            if file.is_file():
                self.assertNotIn(secret.encode(), file.read_bytes(), file)

    def test_backups_while_games_come_in_are_whole(self):
        for i in range(3):
            started = self.server.post("/v1/ingest", raw=pgn_make.games(400, seed=f"busy{i}").encode()).json()
            run_json(self.server, "backup", self.folder, "--keep", "2")
            self.assertTrue(run_json(self.server, "backup", "verify", self.folder)["good"])
            self.server.wait(f"/v1/jobs/{started['jobId']}", lambda j: j["status"] == "succeeded")


class KilledTest(unittest.TestCase):
    """kill -9 while a backup is made, and while one is put back."""

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="skerry-backup-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.server = harness.Server()
        self.addCleanup(self.server.close)
        self.random = random.Random(7)
        fill(self.server, games=1500)

    def is_filling(self, server):
        """None: there is nothing yet."""
        if not (server.home / "skerry.db").exists() or not server.sql("SELECT name FROM sqlite_master WHERE name = 'runs'"):
            return None
        return server.sql("SELECT value FROM move_notes WHERE name = 'state'") == [("filling",)]

    def test_killed_backups_and_restores(self):
        before = answers(self.server) | details(self.server)
        self.server.stop()
        killed = 0
        for i in range(KILLS):
            killed += self.server.cli_killed(0.02 * i + self.random.uniform(0, 0.01), "backup", self.folder) < 0
            for manifest in (self.folder / "backups").glob("*.json"):
                json.loads(manifest.read_text())  # never half a one
        run_json(self.server, "backup", self.folder, "--keep", "1")
        self.assertTrue(run_json(self.server, "backup", "verify", self.folder)["good"])
        self.assertGreater(killed, 0)
        copy = harness.Server(start=False)
        self.addCleanup(copy.close)
        killed = 0
        for i in range(KILLS):
            killed += copy.cli_killed(0.02 * i + self.random.uniform(0, 0.01), "restore", self.folder) < 0
            if self.is_filling(copy):
                done = copy.cli("status", check=False)  # not to be used before it is whole
                self.assertEqual(done.returncode, 5, done.stderr)
                self.assertIn(b"half filled", done.stderr)
        self.assertGreater(killed, 0)
        if self.is_filling(copy) is not False:
            copy.cli("restore", self.folder)
        copy.start()
        settle(copy)
        assert_restored(self, before, copy)


class ScheduleTest(unittest.TestCase):
    def test_a_folder_in_the_settings_makes_nightly_backups(self):
        folder = tempfile.mkdtemp(prefix="skerry-backup-")
        self.addCleanup(shutil.rmtree, folder, ignore_errors=True)
        server = harness.Server(env={"SKERRY_BACKUP_DIR": folder})
        self.addCleanup(server.close)
        names = [s["name"] for s in server.get("/v1/schedules").json()["items"]]
        self.assertIn("core.backup.daily", names)
        self.assertIn("core.backup.verify", names)
        self.assertEqual(run_json(server, "backup")["path"], folder)
        self.assertTrue(run_json(server, "backup", "verify")["good"])


if __name__ == "__main__":
    unittest.main()
