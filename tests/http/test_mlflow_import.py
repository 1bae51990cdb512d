#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""skerry import mlflow: from an SQLite file of MLflow 2 or 3 and from a folder mlruns, made here; again; killed in
between; with names that are taken; with what leads elsewhere. And the mirror against a server that is away or refuses."""
import json
import pathlib
import shutil
import signal
import sqlite3
import subprocess
import tempfile
import time
import unittest
import urllib.parse

import harness

TABLES = """
CREATE TABLE experiments (experiment_id INTEGER NOT NULL, name VARCHAR(256), artifact_location VARCHAR(256),
  lifecycle_stage VARCHAR(32), creation_time BIGINT, last_update_time BIGINT, PRIMARY KEY (experiment_id), UNIQUE (name));
CREATE TABLE experiment_tags (key VARCHAR(250), value VARCHAR(5000), experiment_id INTEGER, PRIMARY KEY (key, experiment_id));
CREATE TABLE runs (run_uuid VARCHAR(32) PRIMARY KEY, name VARCHAR(250), user_id VARCHAR(256), status VARCHAR(9), start_time BIGINT,
  end_time BIGINT, deleted_time BIGINT, lifecycle_stage VARCHAR(20), artifact_uri VARCHAR(200), experiment_id INTEGER);
CREATE TABLE params (key VARCHAR(250), value VARCHAR(8000), run_uuid VARCHAR(32), PRIMARY KEY (key, run_uuid));
CREATE TABLE tags (key VARCHAR(250), value VARCHAR(8000), run_uuid VARCHAR(32), PRIMARY KEY (key, run_uuid));
CREATE TABLE metrics (key VARCHAR(250), value FLOAT, timestamp BIGINT, run_uuid VARCHAR(32), step BIGINT, is_nan BOOLEAN,
  PRIMARY KEY (key, timestamp, step, run_uuid, value, is_nan));
CREATE TABLE datasets (dataset_uuid VARCHAR(36), experiment_id INTEGER, name VARCHAR(500), digest VARCHAR(36),
  dataset_source_type VARCHAR(36), dataset_source TEXT, dataset_schema TEXT, dataset_profile TEXT);
CREATE TABLE inputs (input_uuid VARCHAR(36), source_type VARCHAR(36), source_id VARCHAR(36), destination_type VARCHAR(36),
  destination_id VARCHAR(36));
CREATE TABLE input_tags (input_uuid VARCHAR(36), name VARCHAR(255), value VARCHAR(500));
CREATE TABLE registered_models (name VARCHAR(256) PRIMARY KEY, creation_time BIGINT, last_updated_time BIGINT, description VARCHAR(5000));
CREATE TABLE registered_model_tags (key VARCHAR(250), value VARCHAR(5000), name VARCHAR(256), PRIMARY KEY (key, name));
CREATE TABLE model_versions (name VARCHAR(256), version INTEGER, creation_time BIGINT, last_updated_time BIGINT, description VARCHAR(5000),
  user_id VARCHAR(256), current_stage VARCHAR(20), source VARCHAR(500), run_id VARCHAR(32), run_link VARCHAR(500), status VARCHAR(20),
  status_message VARCHAR(500), PRIMARY KEY (name, version));
CREATE TABLE model_version_tags (key VARCHAR(250), value TEXT, name VARCHAR(256), version INTEGER, PRIMARY KEY (key, name, version));
CREATE TABLE registered_model_aliases (alias VARCHAR(256), version INTEGER, name VARCHAR(256), PRIMARY KEY (name, alias));
"""
TABLES_3 = """
CREATE TABLE logged_models (model_id VARCHAR(36) PRIMARY KEY, experiment_id INTEGER, name VARCHAR(500), artifact_location VARCHAR(1000),
  creation_timestamp_ms BIGINT, last_updated_timestamp_ms BIGINT, status INTEGER, lifecycle_stage VARCHAR(32), model_type VARCHAR(500),
  source_run_id VARCHAR(32), status_message VARCHAR(1000));
CREATE TABLE trace_info (request_id VARCHAR(50) PRIMARY KEY, experiment_id INTEGER, timestamp_ms BIGINT, execution_time_ms BIGINT,
  status VARCHAR(50), client_request_id VARCHAR(50), request_preview VARCHAR(1000), response_preview VARCHAR(1000));
CREATE TABLE trace_tags (key VARCHAR(250), value VARCHAR(8000), request_id VARCHAR(50));
CREATE TABLE spans (trace_id VARCHAR(50), span_id VARCHAR(50), parent_span_id VARCHAR(50), name TEXT, type VARCHAR(500),
  status VARCHAR(50), start_time_unix_nano BIGINT, end_time_unix_nano BIGINT, content TEXT);
CREATE TABLE assessments (assessment_id VARCHAR(50) PRIMARY KEY, trace_id VARCHAR(50), name VARCHAR(250), assessment_type VARCHAR(50),
  value TEXT, error TEXT, created_timestamp BIGINT, last_updated_timestamp BIGINT, source_type VARCHAR(50), source_id VARCHAR(250),
  run_id VARCHAR(32), span_id VARCHAR(50), rationale TEXT, overrides VARCHAR(50), valid BOOLEAN, assessment_metadata TEXT);
"""


def run_id(n):
    return f"{n:032x}"


class Foreign:
    """An MLflow's database and artifacts in a folder."""

    def __init__(self, folder, runs=3, points=5, is_3=True):
        self.folder = pathlib.Path(folder)
        self.path = self.folder / "mlflow.db"
        self.db = sqlite3.connect(self.path)
        self.db.executescript(TABLES + (TABLES_3 if is_3 else ""))
        add = self.add
        add("experiments", 0, "Default", "mlflow-artifacts:/0", "active", 1000, 1000)
        add("experiments", 7, "vision", "mlflow-artifacts:/7", "active", 1001, 1002)
        add("experiments", 8, "gone", "mlflow-artifacts:/8", "deleted", 1003, 1004)
        add("experiment_tags", "team", "harbour", 7)
        for n in range(1, runs + 1):
            self.run(n, points)
        self.run(99, 1, experiment=8, stage="deleted")
        add("datasets", "d1", 7, "boats", "abc123", "local", '{"uri":"boats.csv"}', None, None)
        add("inputs", "i1", "DATASET", "d1", "RUN", run_id(1))
        add("input_tags", "i1", "mlflow.data.context", "training")
        add("input_tags", "i1", "split", "left")
        add("registered_models", "detector", 2000, 2001, "finds boats")
        add("registered_model_tags", "owner", "kim", "detector")
        add("model_versions", "detector", 1, 2002, 2003, None, "kim", "Staging", f"mlflow-artifacts:/7/{run_id(1)}/artifacts/model",
            run_id(1), None, "READY", None)
        add("model_version_tags", "quality", "high", "detector", 1)
        add("registered_model_aliases", "champion", 1, "detector")
        if is_3:
            add("logged_models", "m-" + run_id(5), 7, "net", f"mlflow-artifacts:/7/models/m-{run_id(5)}/artifacts", 3000, 3001, 2, "active",
                "pytorch", run_id(1), None)
            add("trace_info", "tr-" + run_id(6), 7, 4000, 12, "OK", None, "in", "out")
            add("trace_tags", "kind", "test", "tr-" + run_id(6))
            add("spans", "tr-" + run_id(6), "00000000000000f1", None, "root", "CHAIN", "OK", 4000000000, 4012000000,
                json.dumps({"name": "root", "attributes": {"mlflow.spanType": '"CHAIN"', "mlflow.spanInputs": '{"q": [1,\n 2]}', "n": "3"},
                            "events": [{"name": "step", "time_unix_nano": 5, "attributes": {"k": "v"}}], "links": [],
                            "status": {"code": "STATUS_CODE_OK", "message": "fine"}}))
            add("assessments", "a-1", "tr-" + run_id(6), "good", "feedback", "true", None, 4100, 4100, "HUMAN", "kim", None, None, "nice", None,
                1, None)
        self.db.commit()

    def add(self, table, *values):
        self.db.execute(f"INSERT INTO {table} VALUES ({','.join('?' * len(values))})", values)

    def run(self, n, points, experiment=7, stage="active", status="FINISHED"):
        self.add("runs", run_id(n), f"run {n}", "kim", status, 5000 + n, 6000 + n, None if stage == "active" else 6500, stage,
                 f"mlflow-artifacts:/{experiment}/{run_id(n)}/artifacts", experiment)
        self.add("params", "lr", str(n / 10), run_id(n))
        self.add("tags", "mlflow.runName", f"run {n}", run_id(n))
        self.db.executemany("INSERT INTO metrics VALUES ('loss', ?, ?, ?, ?, 0)",
                            ((1 / (i + 1), 5000 + i, run_id(n), i) for i in range(points)))
        self.add("metrics", "odd", 0, 5000, run_id(n), 0, 1)
        folder = self.folder / "mlartifacts" / str(experiment) / run_id(n) / "artifacts" / "model"
        folder.mkdir(parents=True)
        (folder / "weights.bin").write_bytes(bytes([n % 256]) * 1000)


class ImportTest(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="mlflow-foreign-"))
        self.addCleanup(shutil.rmtree, self.folder, True)
        self.server = harness.Server()
        self.addCleanup(self.server.close)

    def bring(self, source, *more, fails=None):
        done = self.server.cli("import", "mlflow", str(source), *more, "--json", check=False)
        if fails is not None:
            self.assertNotEqual(done.returncode, 0)
            self.assertIn(fails, done.stderr.decode())
            return None
        self.assertEqual(done.returncode, 0, done.stderr.decode())
        run = json.loads(done.stdout)["runId"]
        return self.server.get(f"/v1/runs/{run}/artifacts/report.json").json()

    def counts(self, report, part):
        c = report["counts"][part]
        return c["source"], c["added"], c["same"], c["different"], c["skipped"]

    def runs(self, **body):
        reply = self.server.get("/api/2.0/mlflow/runs/get?" + urllib.parse.urlencode(body))
        self.assertEqual(reply.status, 200, reply)
        return reply.json()["run"]

    def assert_equal_sides(self, report):
        for part in ("runs", "params", "metrics", "tags", "artifacts"):
            self.assertTrue(report["counts"][part]["equal"], (part, report["counts"][part]))

    # -------------------------------------------------------------- SQLite

    def test_everything_comes_and_nothing_twice(self):
        source = Foreign(self.folder)
        report = self.bring(source.path)
        self.assertTrue(report["allIsHere"], report)
        self.assert_equal_sides(report)
        self.assertEqual(self.counts(report, "runs"), (4, 4, 0, 0, 0))
        self.assertEqual(self.counts(report, "metrics"), (20, 20, 0, 0, 0))
        for part in ("loggedModels", "traces", "traceTags", "spans", "assessments", "datasets", "datasetTags", "aliases", "modelVersions"):
            self.assertEqual(self.counts(report, part), (1, 1, 0, 0, 0), part)
        run = self.runs(run_id=run_id(2))
        self.assertEqual(run["info"]["status"], "FINISHED")
        self.assertEqual(run["info"]["run_name"], "run 2")
        self.assertEqual(run["info"]["experiment_id"], "7")
        self.assertEqual({p["key"]: p["value"] for p in run["data"]["params"]}, {"lr": "0.2"})
        latest = {m["key"]: (m["value"], m["step"]) for m in run["data"]["metrics"]}
        self.assertEqual(latest, {"loss": (0.2, 4), "odd": ("NaN", 0)})
        history = self.server.get(f"/api/2.0/mlflow/metrics/get-history?run_id={run_id(2)}&metric_key=loss").json()["metrics"]
        self.assertEqual([(m["step"], m["timestamp"]) for m in history], [(i, 5000 + i) for i in range(5)])
        self.assertEqual(self.runs(run_id=run_id(99))["info"]["lifecycle_stage"], "deleted")
        gone = self.server.get("/api/2.0/mlflow/experiments/get?experiment_id=8").json()["experiment"]
        self.assertEqual((gone["name"], gone["lifecycle_stage"]), ("gone", "deleted"))
        inputs = self.runs(run_id=run_id(1))["inputs"]["dataset_inputs"]
        self.assertEqual(inputs[0]["dataset"]["digest"], "abc123")
        got = self.server.get(f"/api/2.0/mlflow-artifacts/artifacts/7/{run_id(2)}/artifacts/model/weights.bin")
        self.assertEqual(got.body, b"\2" * 1000)
        trace = self.server.get(f"/api/3.0/mlflow/traces/get?trace_id=tr-{run_id(6)}").json()["trace"]
        self.assertEqual(trace["trace_info"]["assessments"][0]["feedback"]["value"], True)
        span, = trace["spans"]
        self.assertEqual((span["name"], span["status"]), ("root", {"message": "fine", "code": "STATUS_CODE_OK"}))
        attributes = {a["key"]: a["value"] for a in span["attributes"]}
        self.assertEqual(attributes["mlflow.spanType"], {"string_value": "CHAIN"})
        self.assertEqual(attributes["n"], {"int_value": 3})
        self.assertEqual(attributes["mlflow.spanInputs"]["kvlist_value"]["values"][0]["key"], "q")
        self.assertEqual(span["events"][0]["name"], "step")
        source.run(4, 2)
        source.db.commit()
        report = self.bring(source.path)
        self.assertEqual(self.counts(report, "runs"), (5, 1, 4, 0, 0))
        self.assertEqual(self.counts(report, "metrics"), (23, 3, 20, 0, 0))
        self.assertEqual(self.counts(report, "artifacts"), (5, 1, 4, 0, 0))
        self.assertEqual(self.counts(report, "registeredModels"), (1, 0, 1, 0, 0))
        self.assert_equal_sides(report)

    def test_what_comes_later_is_shown_though_the_run_was_kept(self):
        source = Foreign(self.folder)
        for i in range(50):
            source.add("metrics", f"m{i}", i, 5000, run_id(1), 0, 0)
        source.db.commit()
        self.bring(source.path)
        kept = "SELECT COUNT(*) FROM run_data WHERE run_id = ?"
        for list_, row, shown in (("metrics", (1.5, 9000, run_id(1), 9, 0), 1.5), ("tags", ("here", run_id(1)), "here"),
                                  ("params", ("0.5", run_id(1)), "0.5")):
            while not self.server.sql(kept, run_id(1))[0][0]:
                self.runs(run_id=run_id(1))
            source.add(list_, "late", *row)
            source.db.commit()
            self.bring(source.path)
            self.assertEqual({x["key"]: x["value"] for x in self.runs(run_id=run_id(1))["data"][list_]}["late"], shown)

    def test_mlflow_2_has_fewer_tables(self):
        report = self.bring(Foreign(self.folder, is_3=False).path)
        self.assertTrue(report["allIsHere"], report)
        self.assertNotIn("loggedModels", report["counts"])

    def test_while_its_server_writes(self):
        source = Foreign(self.folder)
        source.add("tags", "late", "1", run_id(1))  # an open write transaction
        report = self.bring(source.path)
        self.assertEqual(self.counts(report, "tags"), (4, 4, 0, 0, 0))
        source.db.commit()
        self.assertEqual(self.counts(self.bring(source.path), "tags"), (5, 1, 4, 0, 0))

    def test_what_differs_here_stays_and_is_named(self):
        source = Foreign(self.folder)
        self.bring(source.path)
        self.server.post("/api/2.0/mlflow/runs/set-tag", {"run_id": run_id(1), "key": "note", "value": "mine"})
        source.add("tags", "note", "theirs", run_id(1))
        source.db.commit()
        report = self.bring(source.path)
        self.assertEqual(self.counts(report, "tags"), (5, 0, 4, 1, 0))
        self.assertIn("note", report["differences"][0]["what"])
        self.assertFalse(report["counts"]["tags"]["equal"])
        self.assertFalse(report["allIsHere"])
        tags = {t["key"]: t["value"] for t in self.runs(run_id=run_id(1))["data"]["tags"]}
        self.assertEqual(tags["note"], "mine")

    def test_a_run_that_was_under_way_may_end(self):
        source = Foreign(self.folder)
        source.run(50, 1, status="RUNNING")
        source.db.commit()
        self.bring(source.path)
        self.assertEqual(self.runs(run_id=run_id(50))["info"]["status"], "RUNNING")
        source.db.execute("UPDATE runs SET status = 'FAILED' WHERE run_uuid = ?", (run_id(50),))
        source.db.commit()
        self.bring(source.path)
        self.assertEqual(self.runs(run_id=run_id(50))["info"]["status"], "FAILED")

    def test_names_and_numbers_that_are_taken(self):
        made = [self.server.post("/api/2.0/mlflow/experiments/create", {"name": f"mine {i}"}).json()["experiment_id"] for i in range(7)]
        self.assertIn("7", made)
        self.server.post("/api/2.0/mlflow/experiments/create", {"name": "gone"})
        source = Foreign(self.folder)
        self.assertTrue(self.bring(source.path)["allIsHere"])
        by_name = lambda name: self.server.get(  # noqa: E731
            "/api/2.0/mlflow/experiments/get-by-name?" + urllib.parse.urlencode({"experiment_name": name})).json()["experiment"]
        vision = by_name("vision")["experiment_id"]
        self.assertNotEqual(vision, "7")
        self.assertEqual(by_name("gone (imported)")["lifecycle_stage"], "deleted")
        self.assertEqual(by_name("gone")["lifecycle_stage"], "active")
        run = self.runs(run_id=run_id(1))
        self.assertEqual(run["info"]["artifact_uri"], f"mlflow-artifacts:/{vision}/{run_id(1)}/artifacts")
        # Renamed and deleted here: the next import finds it all the same.
        self.server.post("/api/2.0/mlflow/experiments/update", {"experiment_id": vision, "new_name": "sight"})
        report = self.bring(source.path)
        self.assertEqual(self.counts(report, "experiments"), (3, 0, 3, 0, 0))

    def test_files_outside_are_not_taken(self):
        secret = pathlib.Path(tempfile.mkdtemp(prefix="mlflow-secret-"))
        self.addCleanup(shutil.rmtree, secret, True)
        (secret / "key").write_text("secret")
        source = Foreign(self.folder)
        source.db.execute("UPDATE runs SET artifact_uri = ? WHERE run_uuid = ?", (str(secret), run_id(1)))
        source.db.execute("UPDATE runs SET artifact_uri = ? WHERE run_uuid = ?", (f"mlflow-artifacts:/../../{secret.name}", run_id(2)))
        source.db.execute("UPDATE runs SET artifact_uri = 's3://bucket/x' WHERE run_uuid = ?", (run_id(3),))
        (self.folder / "mlartifacts" / "8" / run_id(99) / "artifacts" / "link").symlink_to(secret / "key")
        source.db.commit()
        report = self.bring(source.path)
        self.assertEqual(report["artifactRootsElsewhere"], 3)
        self.assertEqual(report["passedOver"], 1)
        self.assertEqual(self.counts(report, "artifacts"), (1, 1, 0, 0, 0))
        report = self.bring(source.path, "--artifacts", str(secret))  # told so: then it may
        self.assertEqual(report["counts"]["artifacts"]["added"], 1)

    def test_what_is_no_mlflow_is_said(self):
        self.bring(self.folder / "nothing", fails="there is no")
        (self.folder / "text.db").write_text("hello " * 300)
        self.bring(self.folder / "text.db", fails="not a database")
        sqlite3.connect(self.folder / "other.db").execute("CREATE TABLE t (x)")
        self.bring(self.folder / "other.db", fails="no table experiments")
        ours = sqlite3.connect(self.folder / "ours.db")
        ours.executescript("CREATE TABLE experiments (experiment_id); CREATE TABLE runs (run_id)")
        self.bring(self.folder / "ours.db", fails="imported from its address")
        (self.folder / "empty").mkdir()
        self.bring(self.folder / "empty", fails="no experiment of MLflow")
        self.bring(f"http://127.0.0.1:{harness.free_port()}", fails="asking http://127.0.0.1")
        self.assertEqual(self.server.cli("import", "mlflow", check=False).returncode, 2)

    def test_killed_it_goes_on(self):
        """Whenever it dies, the next try ends with all of it, once."""
        Foreign(self.folder, runs=40, points=1500).db.close()
        env = self.server.environment()
        self.server.stop()
        kills = 0
        for delay in (0.05, 0.1, 0.15, 0.2, 0.3, 0.4):
            child = subprocess.Popen([harness.BINARY, "import", "mlflow", str(self.folder / "mlflow.db")], env=env,
                                     stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            time.sleep(delay)
            if child.poll() is None:
                child.send_signal(signal.SIGKILL)
                kills += 1
            child.wait()
        self.server.start()
        report = self.bring(self.folder / "mlflow.db")
        self.assert_equal_sides(report)
        self.assertEqual(report["counts"]["metrics"]["here"], 40 * 1501 + 2)
        self.assertEqual(report["counts"]["runs"]["here"], 41)
        self.assertGreater(kills, 0)

    # -------------------------------------------------------------- a folder

    def mlruns(self):
        def put(path, text):
            path = self.folder / "mlruns" / path
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        big = "598604445063715693"
        put(f"{big}/meta.yaml", f"artifact_location: file:///x\ncreation_time: 1\nexperiment_id: '{big}'\nlast_update_time: 2\n"
                                "lifecycle_stage: active\nname: 'it''s: a \"test\"'\n")
        put(f"{big}/tags/team", "harbour")
        base = f"{big}/{run_id(1)}"
        put(f"{base}/meta.yaml", f"artifact_uri: file:///x\nend_time: 9\nexperiment_id: '{big}'\nlifecycle_stage: active\nrun_id: {run_id(1)}\n"
                                 "run_name: \"caf\\xE9 one\"\nstart_time: 5\nstatus: 3\ntags: []\nuser_id: kim\n")
        put(f"{base}/params/net/depth", "12")
        put(f"{base}/tags/note", "two\nlines")
        put(f"{base}/metrics/loss", "5 0.5 0\n6 0.25 1\n6 0.25 1\nbroken\n7 nan 2\n")
        put(f"{base}/metrics/old", "5 1.5\n")
        put(f"{base}/artifacts/a/b.txt", "hello")
        put(f"{base}/inputs/i/meta.yaml", "destination_id: x\ndestination_type: RUN\nsource_id: d1\nsource_type: DATASET\n"
                                          "tags:\n  mlflow.data.context: training\n  k: v\n")
        put(f"{big}/datasets/d1/meta.yaml", "digest: 300830b9\nname: df\nprofile: null\nschema: null\nsource: '{\"a\": 1,\n  \"b\": 2}'\n"
                                            "source_type: code\n")
        put(".trash/9/meta.yaml", "creation_time: 1\nexperiment_id: '9'\nlast_update_time: 2\nlifecycle_stage: deleted\nname: old\n")
        put(f".trash/9/{run_id(2)}/meta.yaml", f"end_time: null\nexperiment_id: '9'\nlifecycle_stage: deleted\nrun_id: {run_id(2)}\n"
                                               "run_name: r2\nstart_time: 5\nstatus: 1\nuser_id: kim\n")
        put("models/reg/meta.yaml", "aliases:\n  champ: '1'\ncreation_timestamp: 1\ndescription: 'a: b # c'\nlast_updated_timestamp: 2\nname: reg\n")
        put("models/reg/aliases/champ", "1")
        put("models/reg/version-1/meta.yaml", f"aliases:\n- champ\ncreation_timestamp: 1\ncurrent_stage: Staging\ndescription: null\n"
                                              f"last_updated_timestamp: 2\nname: reg\nrun_id: {run_id(1)}\nsource: runs:/{run_id(1)}/a\n"
                                              "status: READY\nversion: 1\n")
        put("models/reg/version-1/tags/q", "z")
        return self.folder / "mlruns"

    def test_a_folder_of_files(self):
        report = self.bring(self.mlruns())
        self.assertEqual(self.counts(report, "runs"), (2, 2, 0, 0, 0))
        self.assertEqual(self.counts(report, "metrics"), (5, 4, 1, 0, 0))  # one line was there twice
        self.assertEqual(report["passedOver"], 1)
        self.assertIn("time value step", report["firstPassedOver"])
        run = self.runs(run_id=run_id(1))
        self.assertEqual(run["info"]["run_name"], "caf\u00e9 one")
        self.assertEqual({p["key"]: p["value"] for p in run["data"]["params"]}, {"net/depth": "12"})
        self.assertEqual({t["key"]: t["value"] for t in run["data"]["tags"]}["note"], "two\nlines")
        self.assertEqual({m["key"]: m["value"] for m in run["data"]["metrics"]}, {"loss": "NaN", "old": 1.5})
        dataset = run["inputs"]["dataset_inputs"][0]
        self.assertEqual(json.loads(dataset["dataset"]["source"]), {"a": 1, "b": 2})
        self.assertEqual({t["key"]: t["value"] for t in dataset["tags"]}, {"mlflow.data.context": "training", "k": "v"})
        name = urllib.parse.urlencode({"experiment_name": "it's: a \"test\""})
        self.assertEqual(self.server.get("/api/2.0/mlflow/experiments/get-by-name?" + name).status, 200)
        self.assertEqual(self.runs(run_id=run_id(2))["info"]["lifecycle_stage"], "deleted")
        for part in ("registeredModels", "modelVersions", "modelVersionTags", "aliases"):
            self.assertEqual(self.counts(report, part), (1, 1, 0, 0, 0))
        again = self.bring(self.folder / "mlruns")
        self.assertEqual(self.counts(again, "runs"), (2, 0, 2, 0, 0))
        self.assertEqual(self.counts(again, "artifacts"), (1, 0, 1, 0, 0))


if __name__ == "__main__":
    unittest.main()
