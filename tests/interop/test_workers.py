# SPDX-License-Identifier: GPL-3.0-or-later
"""skerry work on several machines that share PostgreSQL and S3, and what happens to machines.

Every test ends with the same question: is each job done, and its effect there once?
"""
import re
import signal
import subprocess
import time
import unittest

import fleet
from fleet import LEASE_S, STATE
from world import GAMES, harness, wait_until

TO_DO = "(start the server, or correct SKERRY_DB)"
REASON = re.escape(TO_DO) + "|terminating connection"  # the latter from a connection that was open when it stopped

setUpModule, tearDownModule = fleet.enter, fleet.leave


class Workers(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.fleet = f = fleet.Fleet(3)
        try:
            s = f.server
            made = s.post("/v1/ingest", files={"file": (GAMES.name, GAMES.read_bytes())}).json()
            ended = f.wait_done(made["jobId"])
            assert ended["status"] == "succeeded", ended
            f.drain_hub()
            made = s.post("/v1/datasets", {"name": "fleet", "split": {"train": 0.8, "valid": 0.1, "test": 0.1}}).json()
            ended = f.wait_done(made["jobId"])
            assert ended["status"] == "succeeded", ended
            cls.dataset = made["id"]
        except BaseException:
            f.close()
            raise

    @classmethod
    def tearDownClass(cls):
        cls.fleet.close()

    def setUp(self):
        self.fleet.all_there(3)

    def train(self, seconds):
        made = self.fleet.server.post("/v1/trainings", {"datasetId": self.dataset, "minutes": seconds / 60, "epochs": 1000,
                                                        "patience": 10000, "seed": 1})  # time alone ends it
        self.assertEqual(made.status, 201, made)
        return made.json()

    def done_once(self, made, timeout_s=120):
        """The job succeeded, its run is whole, and its one model is there."""
        job = self.fleet.wait_done(made["jobId"], timeout_s)
        self.assertEqual(job["status"], "succeeded", job)
        run = made["runId"]
        self.assertEqual(self.fleet.sql(f"SELECT status FROM runs WHERE run_id = '{run}'"), [["FINISHED"]])
        self.assertEqual(self.fleet.sql(f"SELECT count(*) FROM model_versions WHERE run_id = '{run}'"), [["1"]])
        self.assertEqual(self.fleet.sql("SELECT count(*) FROM job_events WHERE event = 'job.succeeded' "
                                        f"AND job_id = '{made['jobId']}'"), [["1"]])
        return job

    def events(self, made):
        return [row[0] for row in self.fleet.sql(f"SELECT event FROM job_events WHERE job_id = '{made['jobId']}' "
                                                 "ORDER BY event_no")]

    def running_with_checkpoint(self, seconds=8):
        made = self.train(seconds)
        worker = self.fleet.wait_holder(made["jobId"])
        self.fleet.wait_cursor(made["jobId"])
        return made, worker

    # ------------------------------------------------------------------ who is there

    def test_workers_announce_what_they_have_and_take(self):
        listed = {w["name"]: w for w in self.fleet.listed() if w["state"] != "gone"}
        self.assertEqual(sorted(listed), ["hub", "w1", "w2", "w3"])
        w1, hub = listed["w1"], listed["hub"]
        self.assertEqual((w1["role"], hub["role"], hub["state"]), ("work", "serve", "draining"))
        self.assertGreater(w1["cores"], 0)
        self.assertGreater(w1["memoryBytes"], 1 << 28)
        self.assertIn("chess.train", w1["kinds"])
        self.assertNotIn("chess.analyse", w1["kinds"])  # the plugins are in the server's folder
        self.assertIn("chess.analyse", hub["kinds"])
        self.assertEqual(len({w["dataFolder"] for w in listed.values()}), 4)
        shown = self.fleet.server.cli("workers").stdout.decode()
        for name in listed:
            self.assertIn(name, shown)
        wait_until(lambda: self.fleet.server.metric("skerry_workers", state="active") == 3, "the gauge", 30)

    def test_an_upload_waits_for_its_machine(self):
        made = self.fleet.server.post("/v1/ingest", files={"file": (GAMES.name, GAMES.read_bytes())}).json()
        job = self.fleet.job(made["jobId"])
        self.assertIn("all 1 workers that could take it are draining", job["waitsFor"])
        time.sleep(2)
        self.assertEqual(self.fleet.job(made["jobId"])["status"], "queued")  # nobody else touched it
        self.fleet.resume_hub()
        self.assertEqual(self.fleet.wait_done(made["jobId"])["status"], "succeeded")
        self.fleet.drain_hub()

    # ------------------------------------------------------------------ things happen to machines

    def test_a_killed_worker_is_followed_within_a_lease(self):
        made, first = self.running_with_checkpoint()
        first.kill()
        began = time.monotonic()
        self.fleet.wait_holder(made["jobId"], other_than=first)
        took = time.monotonic() - began
        first.start()
        self.done_once(made)
        self.assertIn("job.lease_lost", self.events(made))
        print(f"a killed worker was followed after {took / LEASE_S:.2f} leases ({took:.1f} s)", flush=True)

    def test_a_worker_that_is_cut_off_changes_nothing_later(self):
        made, first = self.running_with_checkpoint()
        first.machine.cut()
        second = self.fleet.wait_holder(made["jobId"], other_than=first)
        first.machine.join()
        self.assertIsNot(first, second)
        self.done_once(made)
        wait_until(lambda: "lease_lost" in first.text() or "run.lost" in first.text(), "the first one noticing", 60)
        self.assertIsNone(first.process.poll(), first.text()[-2000:])  # it takes the next job
        again = self.train(1)
        self.done_once(again)

    def test_the_database_lets_go_of_one_that_is_cut_off(self):
        """Of its rows and locks, that is: by itself it would notice after hours."""
        first = self.fleet.workers[0]
        there = f"SELECT pid FROM pg_stat_activity WHERE client_addr = '10.213.77.{first.machine.number + 10}'"
        before = [pid for pid, in self.fleet.sql(there)]
        self.assertGreater(len(before), 1)
        first.machine.cut()
        try:
            wait_until(lambda: not [pid for pid, in self.fleet.sql(there) if pid in before], "the end of its connections", 60)
        finally:
            first.machine.join()
        self.fleet.all_there(3)

    def test_a_worker_that_is_stopped_longer_than_its_lease_changes_nothing_later(self):
        made, first = self.running_with_checkpoint()
        first.signal(signal.SIGSTOP)
        self.fleet.wait_holder(made["jobId"], other_than=first)
        first.signal(signal.SIGCONT)
        self.done_once(made)
        wait_until(lambda: "run.lost" in first.text() or "lease_lost" in first.text(), "the first one noticing", 60)

    # ------------------------------------------------------------------ things happen to the database

    def refusal(self):
        reply = self.fleet.server.get("/v1/jobs")
        self.assertEqual(reply.status, 503, reply)
        return reply.text

    def test_the_database_restarts(self):
        made, _ = self.running_with_checkpoint()
        for how in (signal.SIGINT, signal.SIGQUIT):  # in order, and as after a crash
            STATE["db"].stop(how)
            try:
                # Everybody hears why, not only the thread that tried to connect.
                wait_until(lambda: TO_DO in self.refusal(), "a connection that is refused")
                for _ in range(20):
                    self.assertRegex(self.refusal(), REASON)
            finally:
                STATE["db"].start()
            time.sleep(1)
        self.done_once(made)
        self.fleet.drain_hub()

    def test_the_database_is_paused_for_longer_than_a_lease(self):
        made, _ = self.running_with_checkpoint()
        STATE["db"].signal_all(signal.SIGSTOP)
        time.sleep(LEASE_S * 2)
        STATE["db"].signal_all(signal.SIGCONT)
        job = self.done_once(made)
        self.assertLessEqual(job["attempts"], 3)
        self.fleet.drain_hub()

    def test_the_disk_of_the_database_is_full(self):
        made, _ = self.running_with_checkpoint()
        STATE["db"].fill()
        waiting = [self.fleet.server.post("/v1/trainings", {"datasetId": self.dataset, "minutes": 0.01, "epochs": 5})
                   for _ in range(3)]
        time.sleep(12)  # tries fail again and again meanwhile
        STATE["db"].make_room()
        self.done_once(made, 180)
        for reply in waiting:  # refused with a reason, or done
            if reply.status == 201:
                self.done_once(reply.json(), 180)
            else:
                self.assertIn(reply.status, (500, 503, 507), reply)
        self.fleet.server.expect_error("")
        self.fleet.drain_hub()

    def test_the_disk_of_a_worker_is_full(self):
        """It cannot keep copies of blobs, nor write its log: it waits, and goes on when there is room."""
        for worker in self.fleet.workers:
            self.assertEqual(worker.stop(), 0)
        machine = fleet.Machine(9)
        small = fleet.Worker(machine, self.fleet.schema, disk_mib=64, SKERRY_S3_CACHE_BYTES="16M")
        try:
            wait_until(lambda: any(w["name"] == "w9" and w["state"] == "active" for w in self.fleet.listed()), "w9")
            small.fill()
            made = self.train(2)
            time.sleep(10)
            self.assertIsNone(small.process.poll(), small.text()[-2000:])
            job = self.fleet.job(made["jobId"])
            self.assertIn(job["status"], ("queued", "running"), job)
            small.make_room()
            self.done_once(made, 180)
        finally:
            small.close()
            machine.close()
            for worker in self.fleet.workers:
                worker.start()

    # ------------------------------------------------------------------ draining

    def tell(self, name, action, ends=None):
        self.fleet.server.cli("workers", action, name)
        if ends:
            self.assertEqual(ends.process.wait(60), 0, ends.text()[-2000:])

    def test_a_drained_worker_hands_its_job_on_at_once(self):
        made, first = self.running_with_checkpoint(12)
        began = time.monotonic()
        self.tell(first.machine.name, "drain", ends=first)  # two seconds of grace, then the checkpoint
        self.assertLess(time.monotonic() - began, 30)
        self.fleet.wait_holder(made["jobId"], other_than=first)
        job = self.done_once(made)
        self.assertEqual(job["attempts"], 1)  # no try was spent
        self.assertIn("job.requeued", self.events(made))
        self.assertNotIn("job.lease_lost", self.events(made))
        first.start()

    def test_a_second_signal_ends_it_sooner(self):
        only, *others = self.fleet.workers
        for worker in self.fleet.workers:
            self.assertEqual(worker.stop(), 0)
        only.start(SKERRY_DRAIN_SECONDS="3600")
        made, _ = self.running_with_checkpoint(10)
        only.process.terminate()
        time.sleep(2)
        self.assertIsNone(only.process.poll(), only.text()[-2000:])  # it would wait for an hour
        only.process.terminate()
        self.assertEqual(only.process.wait(30), 0, only.text()[-2000:])
        for worker in self.fleet.workers:
            worker.start()
        self.assertEqual(self.done_once(made)["attempts"], 1)

    def test_a_rolling_restart_under_load_loses_nothing(self):
        made = [self.train(2) for _ in range(10)]
        for worker in self.fleet.workers * 2:
            self.assertEqual(worker.stop(), 0, worker.text()[-2000:])
            worker.start()
            self.fleet.all_there(3)
        for one in made:
            job = self.done_once(one, 180)
            self.assertEqual(job["attempts"], 1)
            self.assertNotIn("job.lease_lost", self.events(one))
        self.assertEqual(self.fleet.sql("SELECT count(*) FROM jobs WHERE state = 'failed'"), [["0"]])

    # ------------------------------------------------------------------ what is refused

    def run_worker(self, **env):
        home = self.fleet.server.home / "other"
        home.mkdir(exist_ok=True)
        full = {**fleet.shared(self.fleet.schema, "hub"), "SKERRY_HOME": str(home), "PATH": "/usr/bin:/bin", **env}
        done = subprocess.run([harness.BINARY, "work"], env=full, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, timeout=60)
        return done.returncode, done.stderr

    def test_what_cannot_be_shared_is_refused(self):
        for more, code, says in (({"SKERRY_DB": ""}, 2, "SKERRY_DB=postgresql://"),
                                 ({"SKERRY_BLOBS": ""}, 2, "SKERRY_BLOBS=s3://"),
                                 ({"SKERRY_WORK_KINDS": "chess.trian"}, 2, "chess.train"),
                                 ({"SKERRY_WORKER_NAME": "a/b"}, 2, "SKERRY_WORKER_NAME")):
            got, text = self.run_worker(**more)
            self.assertEqual(got, code, text)
            self.assertIn(says, text)

    def test_a_program_older_than_the_store_is_refused(self):
        table = self.fleet.sql("SELECT table_name FROM information_schema.tables WHERE table_name LIKE '%migration%' "
                               f"AND table_schema = '{self.fleet.schema}'")[0][0]
        columns = [c[0] for c in self.fleet.sql("SELECT column_name FROM information_schema.columns WHERE table_name = "
                                                f"'{table}' AND table_schema = '{self.fleet.schema}' ORDER BY ordinal_position")]
        values = ", ".join("number + 1" if c in ("number", "step") else c for c in columns)
        step = next(c for c in columns if c in ("number", "step"))
        newest = f"owner = 'jobs' AND {step} = (SELECT max({step}) FROM {table} WHERE owner = 'jobs')"
        self.fleet.sql(f"INSERT INTO {table} SELECT {values.replace('number + 1', step + ' + 1')} FROM {table} WHERE {newest}")
        try:
            got, text = self.run_worker()
            self.assertEqual(got, 13, text)
            self.assertIn("newer", text)
        finally:
            self.fleet.sql(f"DELETE FROM {table} WHERE {newest}")

    def test_health_and_metrics_have_a_port(self):
        machine = self.fleet.machines[0]
        worker = self.fleet.workers[0]
        self.assertEqual(worker.stop(), 0)
        worker.start(SKERRY_WORK_PORT="9188")
        self.fleet.all_there(3)
        ask = machine.inside + "curl -s --max-time 10 -o - -w '%{http_code}' http://127.0.0.1:9188"
        self.assertTrue(fleet.shell(ask + "/health").endswith("200"))
        self.assertIn("skerry_jobs_running", fleet.shell(ask + "/metrics"))
        self.assertIn("skerry_jobs_running", fleet.shell(ask + "/actuator/prometheus"))
        self.assertIn('"status":"UP"', fleet.shell(ask + "/actuator/health"))
        self.assertTrue(fleet.shell(ask + "/v1/jobs").endswith("404"))
        self.assertEqual(worker.stop(), 0)
        worker.start()
