# SPDX-License-Identifier: GPL-3.0-or-later
"""Starting, stopping and running out of disk: a clear sentence, and on as before when the cause is gone."""
import os
import pathlib
import re
import signal
import sqlite3
import subprocess
import tempfile
import time
import unittest

import harness
import pgn_make
import trained
from trained import OVER, START


class Starting(unittest.TestCase):
    """Each of these ends at once with an exit code and a sentence that says what to do."""

    def setUp(self):
        self.server = harness.Server(start=False)
        self.addCleanup(self.server.close)

    def refused(self, code, *words, **env):
        done = subprocess.run([harness.BINARY, "serve"], env={**self.server.environment(), **env}, cwd=self.server.home,
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=20)
        self.assertEqual(done.returncode, code, done.stderr)
        sentence = done.stderr.splitlines()[-1]  # log lines may come before
        self.assertTrue(sentence.startswith("skerry: "), done.stderr)
        for word in words:
            self.assertIn(word, sentence)

    def test_a_second_server_on_the_same_home_is_refused(self):
        self.server.start()
        self.refused(5, str(self.server.home), "SKERRY_HOME", f"pid {self.server.process.pid}", API_PORT="0")
        self.assertEqual(self.server.get("/health").status, 200)

    def test_another_installation_with_the_same_blobs_is_refused(self):
        """A collection of each would remove what it does not know: all of the other's."""
        with tempfile.TemporaryDirectory(prefix="skerry-test-") as folder:
            blobs = {"SKERRY_BLOBS": f"file:{folder}"}
            first = harness.Server(env=blobs)
            self.addCleanup(first.close)
            made = first.post("/v1/ingest", files={"file": ("one.pgn", pgn_make.game(1).encode())}).json()
            first.wait(f"/v1/jobs/{made['jobId']}", lambda j: j["status"] == "succeeded")
            self.refused(5, folder, "another installation", **blobs)
            done = self.server.cli("move", "--blobs", f"file:{folder}", check=False)
            self.assertEqual(done.returncode, 5, done.stderr)
            self.assertIn(b"another installation", done.stderr)
            first.stop()
            first.start()  # as before
            first.stop()

    def test_a_second_server_on_the_same_port_is_refused(self):
        self.server.start()
        with tempfile.TemporaryDirectory(prefix="skerry-test-") as other:
            self.refused(5, str(self.server.port), "API_PORT", SKERRY_HOME=other)
        self.assertEqual(self.server.get("/health").status, 200)

    def test_the_lock_of_a_killed_server_holds_nobody_up(self):
        self.server.start()
        self.server.kill()
        self.server.start()

    def test_a_crash_leaves_a_note_that_the_next_start_tells(self):
        self.server.start()
        self.server.process.send_signal(signal.SIGSEGV)
        self.assertEqual(self.server.process.wait(timeout=60), -signal.SIGSEGV)
        self.server.stderr.close()
        self.server.process = None
        notes = self.server.home / "crashes"
        self.assertEqual([note.read_text() for note in notes.iterdir()], ["11\n"])
        self.server.start()
        self.assertEqual(list(notes.iterdir()), [])
        self.assertEqual(self.server.stop(), 0)
        told = [line["signal"] for line in self.server.log_lines() if line.get("event") == "process.crashed"]
        self.assertEqual(told, [11])

    def test_port_0_takes_a_free_one(self):
        process = subprocess.Popen([harness.BINARY, "serve"], env={**self.server.environment(), "API_PORT": "0"},
                                   cwd=self.server.home, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        try:
            line = next(l for l in process.stdout if l.startswith("skerry serves on"))  # log lines may come before
            self.server.port = int(re.search(r"http://127\.0\.0\.1:(\d+)", line).group(1))
            self.assertEqual(self.server.get("/health").status, 200)
        finally:
            process.send_signal(signal.SIGTERM)
            self.assertEqual(process.wait(timeout=60), 0)
            process.stdout.close()

    def test_listening_to_the_network_needs_an_admin_key(self):
        self.refused(3, "0.0.0.0", "admin key", SKERRY_BIND="0.0.0.0")
        self.server.cli("key", "create", "root", "analyst")
        self.refused(3, "admin key", SKERRY_BIND="0.0.0.0")
        key = self.server.cli("key", "create", "root", "admin", "--json").stdout
        self.server.extra_env = {"SKERRY_BIND": "0.0.0.0"}
        self.server.start()
        self.assertEqual(self.server.get("/v1/status").status, 401)
        token = re.search(r'"key":"([^"]+)"', key.decode()).group(1)
        self.assertEqual(self.server.get("/v1/status", headers={"Authorization": f"Bearer {token}"}).status, 200)

    def test_settings_that_make_no_sense_are_refused(self):
        for name, value in (("API_PORT", "http"), ("API_PORT", "70000"), ("API_PORT", "-1"), ("SKERRY_UPLOAD_MAX", "lots"),
                            ("SKERRY_LOG_LEVEL", "loud"), ("SKERRY_WORKERS", "1.5"), ("SKERRY_WORKERS", "0"), ("SKERRY_LOG_DAYS", "999999999999"),
                            ("SKERRY_HTTP_WORKERS", "-3"), ("CHESS_CHECKPOINT_SECONDS", "often")):
            with self.subTest(name=name, value=value):
                self.refused(2, name, value, **{name: value})
        self.refused(13, "sqlite:", SKERRY_DB="oracle:x")

    def test_a_store_of_a_newer_program_is_refused_and_untouched(self):
        self.server.start()
        self.assertEqual(self.server.stop(), 0)
        self.server.sql("INSERT INTO store_migrations SELECT owner, number + 1000, applied_ms, checksum"
                        " FROM store_migrations WHERE owner = 'chess' AND number = 1")
        file = self.server.home / "skerry.db"
        before = not harness.TEST_DB and file.read_bytes()
        self.refused(13, "newer")
        self.assertEqual(not harness.TEST_DB and file.read_bytes(), before)

    def test_a_home_that_is_a_file_is_refused(self):
        file = self.server.home / "file"
        file.write_text("")
        self.refused(5, str(file), "SKERRY_HOME", SKERRY_HOME=str(file))

    @unittest.skipIf(harness.TEST_DB, "it is a file's fault")
    def test_a_store_that_is_none_is_refused(self):
        (self.server.home / "skerry.db").write_bytes(b"this is not a database" * 1000)
        self.refused(12, "skerry.db")


class Doors(harness.ServerTest):
    def test_other_hosts_and_origins_are_refused(self):
        """A web page elsewhere must not drive a server that trusts this machine (DNS rebinding, forged forms)."""
        port = self.server.port
        for headers, status in (({"Host": f"127.0.0.1:{port}"}, 200), ({"Host": f"localhost:{port}"}, 200),
                                ({"Host": "evil.example"}, 403), ({"Host": f"evil.example:{port}"}, 403),
                                ({"Origin": f"http://127.0.0.1:{port}"}, 200), ({"Origin": "https://evil.example"}, 403),
                                ({"Origin": "null"}, 403)):
            self.assertEqual(self.server.get("/v1/status", headers=headers).status, status, headers)
        reply = self.server.post("/v1/datasets", {"name": "x"}, headers={"Origin": "https://evil.example"})
        self.assertEqual(reply.status, 403)
        self.assertEqual(self.server.get("/v1/datasets/count").json()["count"], 0)


class Stopping(trained.TrainedTest):
    env = {"CHESS_CHECKPOINT_SECONDS": "0.2"}

    def start_long(self, **more):
        made = self.server.post("/v1/trainings", {"datasetId": self.dataset, **trained.SMALL, "epochs": 10000,
                                                  "batchSize": 64, "patience": 10000, **more})
        made = self.ok(made, 201)
        self.addCleanup(self.control, made["runId"], "stop")
        return made

    def wait_for_steps(self, run, more_than=0):
        return self.server.wait(f"/v1/trainings/{run}", lambda b: b["status"] == "running" and b["step"] > more_than)

    def control(self, run, action):
        return self.server.post(f"/v1/trainings/{run}/control", {"action": action})

    def stop_and_wait(self, run):
        self.ok(self.control(run, "stop"), 202)
        return self.server.wait(f"/v1/trainings/{run}", lambda b: b["status"] in OVER)

    def test_a_training_outlives_a_restart(self):
        run = self.start_long()["runId"]
        before = self.wait_for_steps(run)["step"]
        self.assertEqual(self.server.stop(), 0)
        [(state, attempts, cursor)] = self.server.sql(
            "SELECT state, attempts, resume_cursor FROM jobs WHERE run_id = ?", run)
        self.assertEqual((state, attempts), ("queued", 0))  # a restart is not a failed try
        kept = int(re.search(r'"step":(\d+)', cursor).group(1))
        self.assertGreaterEqual(kept, before)
        self.server.start()
        self.wait_for_steps(run, more_than=kept)
        [line] = self.server.get(f"/v1/logs?event=training.resumed&run_id={run}").json()["items"]
        self.assertEqual(line["run_id"], run)
        self.assertEqual(self.stop_and_wait(run)["status"], "stopped")
        self.assertEqual(self.server.get(f"/v1/runs/{run}").json()["status"], "KILLED")

    def test_pause_resume_stop(self):
        run = self.start_long()["runId"]
        before = self.wait_for_steps(run)["step"]
        self.ok(self.control(run, "pause"), 202)
        paused = self.server.wait(f"/v1/trainings/{run}", lambda b: b["status"] == "paused")
        time.sleep(0.3)
        self.assertEqual(self.server.get(f"/v1/trainings/{run}").json()["step"], paused["step"])
        self.ok(self.control(run, "resume"), 202)
        self.wait_for_steps(run, more_than=max(before, paused["step"]))
        self.assertEqual(self.stop_and_wait(run)["status"], "stopped")
        for action in ("pause", "stop"):
            self.assertEqual(self.control(run, action).status, 409, action)
        for body in ({}, {"action": "explode"}, {"action": 1}):
            self.assertEqual(self.server.post(f"/v1/trainings/{run}/control", body).status, 400, body)
        self.assertEqual(self.control("0" * 32, "pause").status, 404)

    def test_what_is_stopped_before_its_turn_is_over(self):
        """Trainings run one at a time: the second waits. Nothing may say SCHEDULED or building for ever."""
        first, second = self.start_long(), self.start_long(seed=2)
        self.wait_for_steps(first["runId"])
        self.assertEqual(self.stop_and_wait(second["runId"])["status"], "stopped")
        self.assertEqual(self.server.get(f"/v1/runs/{second['runId']}").json()["status"], "KILLED")
        self.ok(self.control(first["runId"], "pause"), 202)
        self.server.wait(f"/v1/trainings/{first['runId']}", lambda b: b["status"] == "paused")
        self.assertEqual(self.stop_and_wait(first["runId"])["status"], "stopped")
        self.assertEqual(self.server.get(f"/v1/runs/{first['runId']}").json()["status"], "KILLED")

    def test_work_that_is_given_up_reports(self):
        """The twelfth kill in a row without progress: the job fails, and so do its run and its dataset."""
        for event in ("job.failed", "dataset.failed"):
            self.server.expect_error(event)
        made = self.ok(self.server.post("/v1/datasets", {"name": "given-up"}), 201)
        trained.job_done(self.server, made["jobId"])
        self.server.kill()
        self.server.sql("UPDATE jobs SET state = 'running', kills = 11, lease_moved = 0, lease_until_ms = 1,"
                        " finished_ms = NULL WHERE id = ?", made["jobId"])
        self.server.sql("UPDATE runs SET status = 'RUNNING' WHERE run_id = ?", made["runId"])
        self.server.sql("UPDATE datasets SET state = 'building' WHERE id = ?", made["id"])
        self.server.start()
        job = self.server.get(f"/v1/jobs/{made['jobId']}").json()
        self.assertEqual(job["status"], "failed")
        self.assertIn("given up", job["error"])
        self.assertEqual(self.server.get(f"/v1/runs/{made['runId']}").json()["status"], "FAILED")
        self.assertEqual(self.server.get(f"/v1/datasets/{made['id']}").json()["status"], "failed")


@unittest.skipUnless(os.geteuid() == 0, "mounting a small file system needs root")
@unittest.skipIf(harness.TEST_DB, "the disk is the database server's")
class DiskFull(unittest.TestCase):
    """A home of 160 MiB that is filled to the last byte and emptied again."""

    def setUp(self):
        self.home = pathlib.Path(tempfile.mkdtemp(prefix="skerry-test-"))
        self.addCleanup(os.rmdir, self.home)
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=160m", "tmpfs", self.home], capture_output=True, text=True)
        if mounted.returncode != 0:
            self.skipTest(f"this machine does not let root mount: {mounted.stderr.strip()}")
        self.addCleanup(subprocess.run, ["umount", "-l", self.home], check=True)
        # To the very end: what is kept free for better times would refuse before it.
        self.server = harness.Server(home=self.home, env={"SKERRY_DISK_FREE_MIN": "0"}, start=False)
        self.addCleanup(self.server.close)
        self.filler = self.home / "filler"

    def fill(self, leave_bytes=0):
        with open(self.filler, "wb", buffering=0) as file:
            try:
                while True:
                    file.write(b"\0" * 65536)
            except OSError:
                pass
            if leave_bytes:
                file.truncate(file.tell() - leave_bytes)

    def make_room(self):
        self.filler.unlink()

    def problem(self, reply):
        self.assertEqual(reply.status, 507, reply)
        self.assertEqual(reply.json()["code"], "no_space", reply)
        self.assertTrue(reply.json()["detail"])

    def fits(self, reply):
        """A write may still fit into the log file that the store has on disk already; else it is refused."""
        if reply.status >= 300:
            self.problem(reply)
        return reply.status < 300

    def full_half_way(self, path, leave_bytes, *body, **more):
        """Starts a job that runs out of room in the middle: it says why, and goes on when there is room."""
        self.fill(leave_bytes)
        made = self.server.post(path, *body, **more)
        self.assertLess(made.status, 300, made)
        job = made.json()["jobId"]
        # With no room at all not even the error can be noted before there is some: then two seconds in which
        # nothing moves must do.
        deadline, quiet = time.monotonic() + harness.JOB_TIMEOUT_S, 0
        while time.monotonic() < deadline and quiet < 100 and not self.server.get(f"/v1/jobs/{job}").json()["error"]:
            disk = os.statvfs(self.home)
            quiet = quiet + 1 if disk.f_bavail * disk.f_bsize < 256 * 1024 else 0
            time.sleep(0.02)
        self.assertEqual(self.server.get("/health").status, 200)
        self.make_room()
        done = trained.job_done(self.server, job)
        self.assertEqual(done["status"], "succeeded", done)
        events = self.server.sql("SELECT event, detail FROM job_events WHERE job_id = ?", job)
        self.assertTrue([e for e in events if re.search("no room|space", e[1] or "")], events)
        return made.json()

    def test_everything_fails_cleanly_and_recovers(self):
        self.server.start()
        trained.import_games(self.server, pgn_make.games(300, seed="full"))
        dataset = trained.build_dataset(self.server, "full")["id"]
        model = trained.train(self.server, dataset)["result"]
        promotion = {"modelId": model["modelId"], "modelVersion": str(model["modelVersion"])}
        self.assertEqual(self.server.post("/v1/models/promote", promotion).status, 200)
        game = self.server.post("/v1/play/new", {}).json()["gameId"]
        games = self.server.get("/v1/games/count").json()["count"]

        self.fill()
        self.problem(self.server.post("/v1/ingest", raw=pgn_make.games(3000, seed="more").encode()))
        moved = False
        for path, body in (("/v1/datasets", {"name": "no-room"}), ("/v1/trainings", {"datasetId": dataset}),
                           ("/v1/play/new", {}), (f"/v1/play/{game}/move", {"uci": "e2e4"})):
            moved = self.fits(self.server.post(path, body))
        self.assertTrue(any(not self.fits(self.server.post("/v1/play/new", {})) for _ in range(2000)))
        # What needs no room goes on.
        self.assertEqual(self.server.get("/health").status, 200)
        self.assertEqual(self.server.get("/health/ready").status, 503)
        self.assertIn("down", self.server.get("/health/ready").json()["disk"]["status"])
        self.assertEqual(self.server.get("/actuator/health").json()["components"]["diskSpace"]["status"], "DOWN")
        self.assertEqual(self.server.post("/v1/predict", {"fen": START}).status, 200)
        self.assertEqual(self.server.get(f"/v1/play/{game}").json()["plies"], 2 if moved else 0)
        self.assertEqual(self.server.get("/v1/games/count").json()["count"], games)

        self.make_room()
        self.assertEqual(self.server.get("/health/ready").status, 200)
        if not moved:
            self.assertEqual(self.server.post(f"/v1/play/{game}/move", {"uci": "e2e4"}).json()["plies"], 2)
        self.assertEqual(trained.import_games(self.server, pgn_make.games(3000, seed="more"))["games"], 3000)

        text = pgn_make.games(40000, seed="half-way").encode()
        run = self.full_half_way("/v1/ingest", len(text) + 5_000_000, raw=text)
        body = self.server.get(f"/v1/ingest/{run['runId']}").json()
        self.assertEqual((body["status"], body["games"], body["duplicates"]), ("SUCCEEDED", 40000, 0))
        body = self.full_half_way("/v1/datasets", 1_500_000, {"name": "half-way", "filter": {"limit": 50000}})
        self.assertEqual(self.server.get(f"/v1/datasets/{body['id']}").json()["rows"], 50000)
        self.full_half_way("/v1/trainings", 1_500_000, {"datasetId": dataset, **trained.SMALL})
        with sqlite3.connect(self.home / "skerry.db") as connection:
            self.assertEqual(connection.execute("PRAGMA integrity_check").fetchall(), [("ok",)])
        connection.close()
        self.assertEqual(self.server.stop(), 0)

    def test_a_disk_that_is_read_only_says_so(self):
        self.server.cli("status")
        subprocess.run(["mount", "-o", "remount,ro", self.home], check=True)
        for words in (["serve"], ["status"], ["backup", self.home / "backup"]):
            done = subprocess.run([harness.BINARY, *words], env=self.server.environment(), cwd="/", capture_output=True,
                                  stdin=subprocess.DEVNULL, text=True, timeout=60)
            self.assertEqual(done.returncode, 10, done.stderr)
            self.assertRegex(done.stderr, "[Rr]ead-only")
        subprocess.run(["mount", "-o", "remount,rw", self.home], check=True)
        self.server.start()
        self.assertEqual(self.server.stop(), 0)

    def test_a_start_on_a_full_disk_says_so(self):
        self.fill()
        done = subprocess.run([harness.BINARY, "serve"], env=self.server.environment(), cwd="/", capture_output=True,
                              stdin=subprocess.DEVNULL, text=True, timeout=60)
        self.assertEqual(done.returncode, 10, done.stderr)
        self.assertTrue(done.stderr.startswith("skerry: "), done.stderr)
        self.make_room()
        self.server.start()
        self.assertEqual(self.server.stop(), 0)


if __name__ == "__main__":
    unittest.main()
