# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes by rules, by age and by hand; what is refused when the disk is full; and that room comes back."""
import json
import random
import time
import unittest

import harness

API = "/api/2.0/mlflow"
PROXY = "/api/2.0/mlflow-artifacts/artifacts"


class Client:
    """As much of MLflow's client as the tests need."""

    def __init__(self, server):
        self.server = server

    def post(self, path, **body):
        reply = self.server.post(API + path, body)
        assert reply.status == 200, (path, reply)
        return reply.json()

    def experiment(self, name, **tags):
        made = self.post("/experiments/create", name=name)["experiment_id"]
        for key, value in tags.items():
            self.post("/experiments/set-experiment-tag", experiment_id=made, key="skerry." + key, value=str(value))
        return made

    def run(self, experiment="0", start=None, size=0, end=True):
        body = {"experiment_id": experiment} | ({"start_time": start} if start else {})
        run_id = self.post("/runs/create", **body)["run"]["info"]["run_id"]
        self.post("/runs/log-batch", run_id=run_id, params=[{"key": "p", "value": "1"}],
                  metrics=[{"key": "m", "value": i, "timestamp": i, "step": i} for i in range(20)])
        if size:
            assert self.put(experiment, run_id, "data.bin", size).status == 200
        if end:
            self.post("/runs/update", run_id=run_id, status="FINISHED", end_time=start or int(time.time() * 1000))
        return run_id

    def put(self, experiment, run_id, name, size):
        body = random.Random(name + run_id).randbytes(size)
        return self.server.request("PUT", f"{PROXY}/{experiment}/{run_id}/artifacts/{name}", body, {})

    def stage(self, run_id):
        reply = self.server.get(API + "/runs/get?run_id=" + run_id)
        return reply.json()["run"]["info"]["lifecycle_stage"] if reply.status == 200 else None

    def gc(self, *args):
        self.server.age_objects()
        return json.loads(self.server.cli("gc", "--json", *args).stdout)


class Retention(harness.ServerTest):
    def setUp(self):
        self.client = Client(self.server)
        self.client.gc("--older-than", "0s")  # what other tests left

    def test_what_was_deleted_goes_by_age_and_its_bytes_with_it(self):
        kept, gone = self.client.run(size=70000), self.client.run(size=50000)
        self.client.post("/runs/delete", run_id=gone)
        self.assertEqual(self.client.gc()["runsPurged"], 0)  # thirty days are not over
        self.client.post("/runs/restore", run_id=gone)
        self.assertEqual(self.client.gc("--older-than", "0s")["runsPurged"], 0)
        self.client.post("/runs/delete", run_id=gone)

        plan = self.client.gc("--older-than", "0s", "--dry-run")
        self.assertEqual((plan["dryRun"], plan["runsPurged"], plan["bytesFreed"]), (True, 1, 50000))
        self.assertEqual(self.client.stage(gone), "deleted")
        report = self.client.gc("--older-than", "0s")
        self.assertEqual((report["dryRun"], report["runsPurged"], report["bytesFreed"]), (False, 1, 50000))
        self.assertIsNone(self.client.stage(gone))
        self.assertEqual(self.client.stage(kept), "active")
        self.assertEqual(self.server.post(API + "/runs/restore", {"run_id": gone}).status, 404)
        self.assertEqual(self.server.get(f"{PROXY}/0/{gone}/artifacts/data.bin").status, 404)
        self.assertEqual(self.server.get(f"{PROXY}/0/{kept}/artifacts/data.bin").status, 200)
        self.assertGreaterEqual(self.server.metric("skerry_gc_total", what="purge_run"), 1)
        self.assertGreaterEqual(self.server.metric("skerry_gc_bytes_total"), 50000)

    def test_the_days_are_a_setting_that_the_nightly_job_keeps(self):
        old, young = self.client.run(), self.client.run()
        for run_id, days in ((old, 31), (young, 29)):
            self.client.post("/runs/delete", run_id=run_id)
            self.server.sql("UPDATE runs SET deleted_ms = deleted_ms - ? WHERE run_id = ?", days * 86400000, run_id)
        made = self.server.post("/v1/maintenance/gc").json()
        job = self.server.wait(f"/v1/jobs/{made['jobId']}", lambda j: j["status"] in ("succeeded", "failed"))
        self.assertEqual(job["status"], "succeeded", job)
        self.assertIsNone(self.client.stage(old))
        self.assertEqual(self.client.stage(young), "deleted")
        names = {i["path"] for i in self.server.get(f"/v1/runs/{made['runId']}/artifacts").json()["items"]}
        self.assertEqual(names, {"plan.json", "report.json"})
        plan = self.server.get(f"/v1/runs/{made['runId']}/artifacts/plan.json").json()
        self.assertIn({"do": "purge_run", "id": old}, plan["items"])
        schedules = self.server.get("/v1/schedules").json()["items"]
        self.assertIn("core.gc.daily", [s["name"] for s in schedules])

    def test_rules_of_an_experiment(self):
        day = 86400000
        now = int(time.time() * 1000)
        made = self.client.experiment("rules", keep_runs=2, keep_days=10)
        runs = [self.client.run(made, start=now - (20 - i) * day) for i in range(6)]  # 20 to 15 days old
        elsewhere = self.client.run(start=now - 500 * day)
        self.client.post("/runs/set-tag", run_id=runs[0], key="keep", value="baseline")
        self.client.post("/registered-models/create", name="rules")
        self.client.post("/model-versions/create", name="rules", source=f"runs:/{runs[1]}/model", run_id=runs[1])
        self.client.post("/registered-models/alias", name="rules", alias="champion", version="1")
        plan = self.client.gc("--dry-run")
        self.assertEqual((plan["runsIntoTrash"], plan["keptBecauseNeeded"]), (2, 2))
        self.assertEqual({self.client.stage(r) for r in runs}, {"active"})
        self.assertEqual(self.client.gc()["runsIntoTrash"], 2)
        self.assertEqual([self.client.stage(r) for r in runs],
                         ["active", "active", "deleted", "deleted", "active", "active"])
        self.assertEqual(self.client.stage(elsewhere), "active")
        # They are in MLflow's own trash: found as deleted, and restored.
        found = self.server.post(API + "/runs/search", {"experiment_ids": [made], "run_view_type": "DELETED_ONLY"}).json()
        self.assertEqual({r["info"]["run_id"] for r in found["runs"]}, set(runs[2:4]))
        self.client.post("/runs/restore", run_id=runs[2])
        self.assertEqual(self.client.stage(runs[2]), "active")
        # Deleted by hand, and still needed by a version: kept, whatever the age.
        self.client.post("/runs/delete", run_id=runs[1])
        report = self.client.gc("--older-than", "0s")  # the restored one is older than its rule: again
        self.assertEqual((report["runsPurged"], report["runsIntoTrash"]), (1, 1))
        self.assertEqual([self.client.stage(r) for r in runs[1:4]], ["deleted", "deleted", None])

    def test_a_rule_that_is_no_number_is_refused(self):
        for key, value in (("keep_runs", "many"), ("keep_days", "-3"), ("keep_traces_days", "1.5")):
            reply = self.server.post(API + "/experiments/set-experiment-tag",
                                     {"experiment_id": "0", "key": "skerry." + key, "value": value})
            self.assertEqual((reply.status, reply.json()["error_code"]), (400, "INVALID_PARAMETER_VALUE"), reply)
            self.assertIn("must be a number", reply.json()["message"])

    def test_an_experiment_goes_with_all_that_is_in_it(self):
        made = self.client.experiment("short-lived")
        run_id = self.client.run(made, size=30000)
        self.client.post("/experiments/delete", experiment_id=made)
        report = self.client.gc("--older-than", "0s")
        self.assertEqual((report["runsPurged"], report["experimentsPurged"]), (1, 1))
        self.assertGreaterEqual(report["bytesFreed"], 30000)
        self.assertIsNone(self.client.stage(run_id))
        self.assertEqual(self.server.get(API + "/experiments/get?experiment_id=" + made).status, 404)
        again = self.client.experiment("short-lived")
        self.assertGreater(int(again), int(made))

    def test_wrong_requests(self):
        for body in ({"olderThan": "a week"}, {"olderThan": 7}, {"dryRun": "yes"}):
            self.assertEqual(self.server.post("/v1/maintenance/gc", body).status, 400, body)
        for args in (("--older-than",), ("--older-than", "soon"), ("everything",)):
            self.assertEqual(self.server.cli("gc", *args, check=False).returncode, 2, args)


class RetentionAlone(unittest.TestCase):
    """Without a server, and with servers that are killed."""

    def setUp(self):
        self.server = harness.Server()
        self.addCleanup(self.server.close)
        self.client = Client(self.server)

    def test_the_verb_works_alone(self):
        run_id = self.client.run(size=40000)
        self.client.post("/runs/delete", run_id=run_id)
        self.server.stop()
        report = self.client.gc("--older-than", "0s")
        self.assertEqual((report["runsPurged"], report["bytesFreed"]), (1, 40000))
        self.server.start()
        self.assertIsNone(self.client.stage(run_id))

    def test_killed_in_the_middle_the_next_one_finishes(self):
        chance = random.Random(20261128)
        for _ in range(6):
            runs = [self.client.run(size=3000) for _ in range(30)]
            for run_id in runs[10:]:
                self.client.post("/runs/delete", run_id=run_id)
            self.server.post("/v1/maintenance/gc", {"olderThan": "0s"})
            time.sleep(chance.random() * 0.25)
            self.server.kill()
            self.server.start()
            self.server.wait("/v1/jobs?kind=core.gc&limit=50",
                             lambda found: all(j["status"] in ("succeeded", "failed") for j in found["items"]))
            report = self.client.gc("--older-than", "0s")
            self.assertEqual([self.client.stage(r) for r in runs], ["active"] * 10 + [None] * 20, report)
        self.assertEqual(self.server.sql("SELECT count(*) FROM runs WHERE purge_ms IS NOT NULL"), [(0,)])
        for table in ("params", "tags", "latest_metrics", "artifacts"):
            self.assertEqual(self.server.sql(f"SELECT count(*) FROM {table} WHERE run_id NOT IN (SELECT run_id FROM runs)"), [(0,)])
        self.server.age_objects()
        made = self.server.post("/v1/maintenance/collect").json()
        job = self.server.wait(f"/v1/jobs/{made['jobId']}", lambda j: j["status"] in ("succeeded", "failed"))
        self.assertEqual(job["status"], "succeeded", job)  # no blob is missing
        stored = {p.parent.name + p.name for p in self.server.objects.glob("*/*")}
        named = {row[0] for row in self.server.sql("SELECT blob FROM artifacts")}
        self.assertEqual(stored, named)  # and none is too many
        self.assertEqual(self.server.unexpected_errors(), [])


@unittest.skipIf(harness.TEST_DB, "rows are on the disk of the database's server")
class Budget(unittest.TestCase):
    BUDGET = 100 << 20  # the store's own log takes some MiB and gives them back when it likes
    FILE = 12 << 20

    def setUp(self):
        self.server = harness.Server(env={"SKERRY_DISK_BUDGET": str(self.BUDGET)})
        self.addCleanup(self.server.close)
        self.client = Client(self.server)

    def gc(self):
        made = self.server.post("/v1/maintenance/gc", {"olderThan": "0s"}).json()
        job = self.server.wait(f"/v1/jobs/{made['jobId']}", lambda j: j["status"] in ("succeeded", "failed"))
        self.assertEqual(job["status"], "succeeded", job)

    def test_full_refuses_bytes_and_nothing_else_and_room_comes_back(self):
        self.server.expect_error("http.request")  # 507 is the operator's matter
        runs = [self.client.run(size=self.FILE) for _ in range(4)]
        first = self.client.run()
        sizes, last = 0, None
        for i in range(20):
            last = self.client.put("0", first, f"f{i}", self.FILE)
            if last.status != 200:
                break
            sizes += 1
        self.assertEqual(last.status, 507, last)
        self.assertGreater(sizes, 0)
        self.assertEqual(set(last.json()), {"error_code", "message"})
        self.assertIn("SKERRY_DISK_BUDGET", last.json()["message"])
        self.assertNotIn("Retry-After", last.headers)
        # A body of a length that nobody knows is cut off where the budget ends.
        pieces = (b"x" * 65536 for _ in range(16 * self.FILE // (1 << 20)))
        reply = self.server.request("PUT", f"{PROXY}/0/{first}/artifacts/chunked", pieces, {})
        self.assertEqual(reply.status, 507, reply)
        self.server.wait("/v1/status", lambda s: not self.server.half_written)
        # Our own pages, imports and trainings say it in their shape.
        reply = self.server.post("/v1/ingest", raw=b"1. e4 *" * 2000000)
        self.assertEqual((reply.status, reply.json()["code"]), (507, "no_space"), reply)
        # What is small goes on, and so does reading.
        self.client.post("/runs/log-batch", run_id=first, metrics=[{"key": "loss", "value": 1, "timestamp": 1, "step": 1}])
        self.assertEqual(self.server.get(f"{PROXY}/0/{runs[0]}/artifacts/data.bin").status, 200)
        self.assertEqual(self.server.get("/v1/status").json()["disk"]["budgetBytes"], self.BUDGET)
        # Deleted, collected: there is room at once.
        for run_id in runs:
            self.client.post("/runs/delete", run_id=run_id)
        self.gc()
        self.assertEqual(self.client.put("0", first, "after", self.FILE).status, 200)
        status = self.server.get("/v1/status").json()["disk"]
        self.assertEqual(status["state"], "ok", status)
        self.assertGreaterEqual(self.server.metric("skerry_disk_refused_total"), 3)
        self.assertEqual(self.server.metric("skerry_disk_budget_bytes"), self.BUDGET)

    def test_near_it_says_so_once_and_begins_a_gc(self):
        keep = self.client.run()
        deleted = self.client.run()
        self.client.post("/runs/delete", run_id=deleted)
        self.server.sql("UPDATE runs SET deleted_ms = 1 WHERE run_id = ?", deleted)
        used = self.server.get("/v1/status").json()["disk"]["usedBytes"]
        size = self.BUDGET * 93 // 100 - used
        self.assertEqual(self.client.put("0", keep, "big", size).status, 200)
        self.server.wait("/v1/status", lambda s: s["disk"]["state"] == "near" and self.server.logged("disk.near", timeout=0),
                         timeout=60)
        self.server.wait("/v1/jobs?kind=core.gc", lambda found: any(j["status"] == "succeeded" for j in found["items"]))
        self.assertIsNone(self.client.stage(deleted))
        for _ in range(3):
            self.server.get("/metrics")
            self.server.get("/v1/status")
        self.assertEqual(len(self.server.logged("disk.near")), 1)
        doctor = self.server.cli("doctor", check=False)
        self.assertEqual(doctor.returncode, 5)
        self.assertIn(b"disk budget", doctor.stdout)

    def test_verbs_keep_to_it_too(self):
        self.server.stop()
        self.server.extra_env["SKERRY_DISK_BUDGET"] = "4096"
        (self.server.home / "one.pgn").write_text("1. e4 e5 *\n\n")
        done = self.server.cli("chess", "import", "one.pgn", check=False)
        self.assertEqual(done.returncode, 10, done)
        self.assertIn(b"SKERRY_DISK_BUDGET", done.stderr)
        self.assertEqual(self.server.cli("gc", check=False).returncode, 0)  # what makes room goes on


class FreeSpace(harness.ServerTest):
    env = {"SKERRY_DISK_FREE_MIN": "1000000G"}

    def test_what_must_stay_free_stays_free(self):
        self.server.expect_error("http.request")
        client = Client(self.server)
        reply = client.put("0", client.run(), "x", 100)
        self.assertEqual(reply.status, 507, reply)
        self.assertIn("SKERRY_DISK_FREE_MIN", reply.json()["message"])
        self.assertEqual(self.server.get("/v1/status").json()["disk"]["state"], "full")


if __name__ == "__main__":
    unittest.main()
