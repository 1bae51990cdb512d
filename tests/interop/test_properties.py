# SPDX-License-Identifier: GPL-3.0-or-later
"""Every route of /openapi.json, asked thousands of things by Schemathesis: nothing is answered with a 5xx, and every
answer has the media type and the shape that the document promises. Twice: trusted because the client is on this
machine, and as an administrator with a key, where nobody is trusted without one. Then in sequences: what one answer
says is asked of the next address (links that Schemathesis infers from names and schemas, 927 of them), so that a run
is made, written, searched and deleted by one scenario. A scenario is about six requests, and reaches few of the
addresses: it goes beside the other phases, not in their place."""
import hashlib
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

import world  # noqa: F401, puts the harness on the path
import harness

HERE = pathlib.Path(__file__).resolve().parent
EXAMPLES = int(os.environ.get("SKERRY_PROPERTY_EXAMPLES") or 5)  # of each operation, beside those of its limits
SEEDS_MAX = 20
SCENARIOS = int(os.environ.get("SKERRY_PROPERTY_SCENARIOS") or 25)
CHECKS = "no_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
# What a request at random may well make, and what a job says when it can do nothing with it.
EXPECTED = [what + ".failed" for what in ("run", "job", "dataset", "ingest", "training", "selfplay", "analytics")]


class Properties(unittest.TestCase):
    def setUp(self):
        self.server = harness.Server()
        self.addCleanup(self.server.close)
        self.headers = {}
        self.there = None
        for event in EXPECTED:
            self.server.expect_error(event)

    def must(self, method, path, body=None):
        raw = None if body is None else json.dumps(body)
        reply = self.server.request(method, path, raw, {"Content-Type": "application/json", **self.headers})
        self.assertLess(reply.status, 300, f"{method} {path}: {reply}")
        return reply.json() if reply.body else None

    def logged_things(self, name):
        """One of each that MLflow's ids name."""
        api = "/api/2.0/mlflow"
        experiment = self.must("POST", api + "/experiments/create", {"name": name, "tags": [{"key": "team", "value": "pier"}]})["experiment_id"]
        run = self.must("POST", api + "/runs/create", {"experiment_id": experiment, "run_name": name})["run"]["info"]
        self.must("POST", api + "/runs/log-batch", {
            "run_id": run["run_id"], "params": [{"key": "rate", "value": "0.1"}], "tags": [{"key": "team", "value": "harbour"}],
            "metrics": [{"key": "loss", "value": 1 / (i + 1), "timestamp": i, "step": i} for i in range(20)]})
        file = f"{experiment}/{run['run_id']}/artifacts/a/f.txt"
        reply = self.server.request("PUT", "/api/2.0/mlflow-artifacts/artifacts/" + file, b"hello", self.headers)
        self.assertEqual(reply.status, 200, reply)
        self.must("POST", api + "/registered-models/create", {"name": name})
        version = self.must("POST", api + "/model-versions/create", {
            "name": name, "source": run["artifact_uri"] + "/a", "run_id": run["run_id"]})["model_version"]["version"]
        self.must("POST", api + "/registered-models/alias", {"name": name, "alias": "champion", "version": version})
        logged = self.must("POST", api + "/logged-models", {"experiment_id": experiment, "tags": [{"key": "team", "value": "x"}]})
        trace = "tr-" + hashlib.md5(name.encode()).hexdigest()
        self.must("POST", "/api/3.0/mlflow/traces", {"trace": {"trace_info": {"trace_id": trace, "state": "OK", "trace_location": {
            "type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": experiment}}, "tags": {"team": "x"}}}})
        assessment = self.must("POST", f"/api/3.0/mlflow/traces/{trace}/assessments",
                               {"assessment": {"assessment_name": "good", "feedback": {"value": True}}})["assessment"]
        return {"experiment": experiment, "experiment_name": name, "metric": "loss", "model": name, "alias": "champion", "trace": trace,
                "run": run["run_id"], "file": file, "version": version, "logged": logged["model"]["info"]["model_id"], "tag": "team",
                "assessment": assessment["assessment_id"]}

    def things(self):
        """Those to use, and those to delete."""
        imported = self.must("POST", "/v1/games/demo")
        self.wait_for_job(imported["jobId"])
        found = []
        for name in ("tides", "spare"):
            made = self.must("POST", "/v1/datasets", {"name": name})
            self.wait_for_job(made["jobId"])
            found.append({**self.logged_things(name), "ingest": imported["runId"], "job": imported["jobId"], "dataset": made["id"],
                          "dataset_name": name, "plugin": "move_count", "game": self.must("GET", "/v1/games/recent?limit=1")[0]["id"]})
        return found

    def wait_for_job(self, job_id):
        world.wait_until(lambda: self.must("GET", f"/v1/jobs/{job_id}")["status"] == "succeeded", f"job {job_id}")

    def schemathesis(self, seed, phases="coverage,fuzzing", examples=EXAMPLES):
        self.there = self.there or self.things()
        document = self.must("GET", "/openapi.json")
        operations = sum(len(item) for item in document["paths"].values())
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            (folder / "ids.json").write_text(json.dumps(self.there))
            (folder / "openapi.json").write_text(json.dumps(document))
            command = [str(pathlib.Path(sys.executable).with_name("schemathesis")), "run", "openapi.json",
                       "--url", f"http://127.0.0.1:{self.server.port}",
                       "--phases", phases, "--checks", CHECKS, "--max-examples", str(examples), "--seed", str(seed),
                       # One: in two threads Python 3.11 fails now and then ("AST constructor recursion depth mismatch").
                       "--workers", "1", "--no-shrink", "--continue-on-failure", "--request-timeout", "120", "--warnings", "off",
                       "--generation-database", "none", "--no-color"]
            for name, value in self.headers.items():
                command += ["--header", f"{name}: {value}"]
            env = {**os.environ, "SCHEMATHESIS_HOOKS": "property_hooks", "PYTHONPATH": str(HERE),
                   "SKERRY_PROPERTY_IDS": str(folder / "ids.json")}
            done = subprocess.run(command, cwd=folder, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                  errors="replace", timeout=1500)
        self.assertEqual(done.returncode, 0, done.stdout[-20000:])
        self.assertIn(f"Selected: {operations}/{operations}", done.stdout)
        self.assertEqual(self.server.unexpected_errors(), [])
        self.assertEqual(self.server.get("/health").status, 200)
        return done.stdout

    def test_trusted_on_this_machine(self):
        self.schemathesis(4711)

    def test_an_administrator_with_a_key(self):
        self.headers["Authorization"] = "Bearer " + self.must("POST", "/v1/keys", {"username": "ada", "role": "admin"})["key"]
        self.assertEqual(self.server.get("/v1/runs").status, 401)
        self.schemathesis(4712)

    def test_one_request_after_the_other(self):
        for seed in range(4713, 4713 + SEEDS_MAX):  # a link is followed when a thing happens to be made: ids are new each time
            told = self.schemathesis(seed, "stateful", SCENARIOS)
            self.assertRegex(told, r"Scenarios: +[1-9]")
            covered, selected = map(int, re.search(r"(\d+) covered / (\d+) selected", told).groups())
            self.assertGreater(selected, 500, told)
            if covered:
                return
        self.fail(f"no link was followed in {SEEDS_MAX} runs: {told}")


if __name__ == "__main__":
    unittest.main()
