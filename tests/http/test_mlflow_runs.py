# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs over MLflow's REST API: what its clients send is taken, what they read is what was sent."""
import http.client
import json
import math
import threading
import unittest

import harness
import pgn_make

API = "/api/2.0/mlflow"


class MlflowRuns(harness.ServerTest):
    # ------------------------------------------------------------------ helpers

    def post(self, path, expect=200, **body):
        reply = self.server.post(API + path, body)
        self.assertEqual(reply.status, expect, reply)
        return reply.json()

    def get(self, path, expect=200, **query):
        reply = self.server.get(API + path, **query)
        self.assertEqual(reply.status, expect, reply)
        return reply.json()

    def refused(self, path, code, text, expect=400, **body):
        answer = self.post(path, expect, **body)
        self.assertEqual(answer["error_code"], code, answer)
        self.assertIn(text, answer["message"])

    def create(self, **more):
        return self.post("/runs/create", experiment_id="0", **more)["run"]["info"]["run_id"]

    def run_of(self, id):
        return self.get("/runs/get", run_id=id)["run"]

    @staticmethod
    def texts(list):
        return {t["key"]: t["value"] for t in list}

    # ------------------------------------------------------------------ life

    def test_a_run_has_the_shape_that_clients_parse(self):
        run = self.post("/runs/create", experiment_id="0", user_id="ada", start_time=1700000000123, run_name="first",
                        tags=[{"key": "mlflow.source.name", "value": "train.py"}])["run"]
        info = run["info"]
        self.assertEqual(info["run_id"], info["run_uuid"])
        self.assertRegex(info["run_id"], "^[0-9a-f]{32}$")
        self.assertEqual(info, {"run_id": info["run_id"], "run_uuid": info["run_id"], "experiment_id": "0", "run_name": "first",
                                "user_id": "ada", "status": "RUNNING", "start_time": 1700000000123, "lifecycle_stage": "active",
                                "artifact_uri": f"mlflow-artifacts:/0/{info['run_id']}/artifacts"})
        self.assertEqual(self.texts(run["data"]["tags"]), {"mlflow.runName": "first", "mlflow.source.name": "train.py"})
        self.assertNotIn("metrics", run["data"])  # an empty list is not there
        self.assertEqual(run["inputs"], {})
        self.assertEqual(self.run_of(info["run_id"]), dict(run, outputs={}))
        self.assertEqual(self.get("/runs/get", run_uuid=info["run_id"])["run"], dict(run, outputs={}))

        done = self.post("/runs/update", run_uuid=info["run_id"], status=3, end_time="1700000000999")["run_info"]
        self.assertEqual((done["status"], done["end_time"], done["run_name"]), ("FINISHED", 1700000000999, "first"))
        self.assertEqual(self.post("/runs/update", run_id=info["run_id"], run_name="x")["run_info"]["status"], "FINISHED")
        self.assertEqual(self.texts(self.run_of(info["run_id"])["data"]["tags"])["mlflow.runName"], "x")

    def test_what_is_missing_or_wrong_is_said(self):
        run = self.create()
        self.refused("/runs/create", "INVALID_PARAMETER_VALUE", "experiment_id")
        self.refused("/runs/create", "RESOURCE_DOES_NOT_EXIST", "No Experiment with id=4711 exists", 404, experiment_id="4711")
        self.refused("/runs/create", "INVALID_PARAMETER_VALUE", "Both 'run_name' argument and 'mlflow.runName' tag",
                     experiment_id="0", run_name="a", tags=[{"key": "mlflow.runName", "value": "b"}])
        self.refused("/runs/update", "INVALID_PARAMETER_VALUE", "status", run_id=run, status="DONE")
        self.refused("/runs/update", "INVALID_PARAMETER_VALUE", "run_id")
        self.refused("/runs/delete", "RESOURCE_DOES_NOT_EXIST", "Run with id=nope not found", 404, run_id="nope")
        self.refused("/runs/delete-tag", "RESOURCE_DOES_NOT_EXIST", f"No tag with name: k in run with id {run}", 404, run_id=run,
                     key="k")
        for missing in ("key", "value", "timestamp"):
            body = {"run_id": run, "key": "k", "value": 1, "timestamp": 1}
            del body[missing]
            self.refused("/runs/log-metric", "INVALID_PARAMETER_VALUE", f"required parameter '{missing}'", **body)
        metrics = [{"key": "k", "value": 1, "timestamp": 1}, {"key": "k", "value": 1}]
        self.refused("/runs/log-batch", "INVALID_PARAMETER_VALUE", "'metrics[1].timestamp'", run_id=run, metrics=metrics)
        for wrong in (True, "many", [], {}):
            self.refused("/runs/log-metric", "INVALID_PARAMETER_VALUE", "value", run_id=run, key="k", value=wrong, timestamp=1)
        self.refused("/runs/log-batch", "INVALID_PARAMETER_VALUE", "metrics[1].name", run_id=run,
                     metrics=[dict(metrics[0]), dict(metrics[0], key="a//b")])
        self.refused("/runs/log-batch", "INVALID_PARAMETER_VALUE", "at most 1000 metrics. Got 1001 metrics", run_id=run,
                     metrics=[{"key": "k", "value": i, "timestamp": 1} for i in range(1001)])
        for list in ({}, "x", 3):
            self.post("/runs/log-batch", 400, run_id=run, metrics=list)
            self.post("/runs/log-batch", 400, run_id=run, params=list)
            self.post("/runs/log-inputs", 400, run_id=run, datasets=list)
            self.post("/runs/outputs", 400, run_id=run, models=list)
        for item in ("x", 3, None, []):
            self.post("/runs/log-batch", 400, run_id=run, metrics=[item])
            self.post("/runs/log-batch", 400, run_id=run, tags=[item])
            self.post("/runs/log-inputs", 400, run_id=run, datasets=[item])
            self.post("/runs/outputs", 400, run_id=run, models=[item])
        self.post("/runs/log-batch", run_id=run)  # nothing is fine
        self.assertEqual(self.run_of(run)["data"], {"tags": self.run_of(run)["data"]["tags"]})

    def test_a_deleted_run_is_read_and_not_written(self):
        run = self.create()
        self.post("/runs/delete", run_id=run)
        self.assertEqual(self.run_of(run)["info"]["lifecycle_stage"], "deleted")
        self.refused("/runs/set-tag", "INVALID_PARAMETER_VALUE",
                     f"The run {run} must be in the 'active' state. Current state is deleted.", run_id=run, key="k", value="v")
        self.assertNotIn(run, [r["runId"] for r in self.server.get("/v1/runs").json()["items"]])
        self.post("/runs/restore", run_id=run)
        self.post("/runs/set-tag", run_id=run, key="k", value="v")

    # ------------------------------------------------------------------ params, tags, metrics

    def test_params_do_not_change(self):
        run = self.create()
        self.post("/runs/log-parameter", run_id=run, key="a", value="1")
        self.post("/runs/log-parameter", run_id=run, key="a", value="1")
        self.post("/runs/log-parameter", run_id=run, key="empty")
        self.refused("/runs/log-parameter", "INVALID_PARAMETER_VALUE",
                     "Changing param values is not allowed. Param with key='a' was already logged with value='1' for run "
                     f"ID='{run}'. Attempted logging new value '2'.", run_id=run, key="a", value="2")
        self.refused("/runs/log-batch", "INVALID_PARAMETER_VALUE",
                     "Changing param values is not allowed. Params were already logged='[{'key': 'a', 'old_value': '1', "
                     f"'new_value': '3'}}]' for run ID='{run}'.", run_id=run,
                     params=[{"key": "b", "value": "1"}, {"key": "a", "value": "3"}])
        self.refused("/runs/log-batch", "INVALID_PARAMETER_VALUE", "Duplicate parameter keys have been submitted: ['b']",
                     run_id=run, params=[{"key": "b", "value": "1"}, {"key": "b", "value": "1"}])
        self.assertEqual(self.texts(self.run_of(run)["data"]["params"]), {"a": "1", "empty": ""})
        long = {"run_id": run, "params": [{"key": f"p{i}", "value": "x" * 9000} for i in range(100)],
                "tags": [{"key": f"t{i}", "value": "\u20ac" * 9000} for i in range(100)]}
        self.post("/runs/log-batch", **long)
        data = self.run_of(run)["data"]
        self.assertEqual({len(self.texts(data["params"])[f"p{i}"]) for i in range(100)}, {6000})
        self.assertEqual({len(self.texts(data["tags"])[f"t{i}"]) for i in range(100)}, {8000})

    def test_numbers_that_are_none_travel_as_text(self):
        run = self.create()
        for key, value in (("nan", "NaN"), ("up", "Infinity"), ("down", "-Infinity"), ("text", "0.25"), ("whole", 3)):
            self.post("/runs/log-metric", run_id=run, key=key, value=value, timestamp="5", step="-2")
        latest = {m["key"]: m for m in self.run_of(run)["data"]["metrics"]}
        self.assertEqual(latest["nan"], {"key": "nan", "value": "NaN", "timestamp": 5, "step": -2})
        self.assertEqual((latest["up"]["value"], latest["down"]["value"]), (1.7976931348623157e308, -1.7976931348623157e308))
        self.assertEqual((latest["text"]["value"], latest["whole"]["value"]), (0.25, 3))

    def test_errors_say_what_mlflow_says(self):
        run = self.create()
        answer = self.post("/runs/log-metric", 400, run_id=run, key="a/../../b//c", value=1, timestamp=1)
        self.assertEqual(answer, {
            "error_code": "INVALID_PARAMETER_VALUE", "sqlstate": "KAM00", "error_class": "INVALID_PARAMETER_VALUE",
            "message": "Invalid value \"a/../../b//c\" for parameter 'name' supplied: Names may be treated as files in certain "
                       "cases, and must not resolve to other names when treated as such. This name would resolve to '../b/c'"})
        for key, other in (("/x/..", "/"), ("//x", "//x"), ("///x/", "/x"), ("x/..", "."), ("../..", "../.."), ("..", ".."),
                           ("./a/../b", "b"), ("a/", "a"), ("/..", "/")):
            self.refused("/runs/set-tag", "INVALID_PARAMETER_VALUE", f"would resolve to '{other}'", run_id=run, key=key, value="")
        for value, type_ in ((1, "int"), (1.5, "float"), (True, "bool"), ([], "list"), ({}, "dict")):
            self.refused("/runs/set-tag", "INVALID_PARAMETER_VALUE", f"Hint: Value was of type '{type_}'.", run_id=run, key=value)
        self.refused("/runs/log-batch", "INVALID_PARAMETER_VALUE", "required parameter 'params[1].key'", run_id=run,
                     params=[{"key": "k", "value": "v"}, {"value": "v"}])
        self.refused("/runs/log-metric", "INVALID_PARAMETER_VALUE", "'Metric name' exceeds", run_id=run, key="k" * 251, value=1, timestamp=1)
        self.refused("/runs/log-parameter", "INVALID_PARAMETER_VALUE", "'Param key' exceeds", run_id=run, key="k" * 251, value="1")
        self.assertEqual(self.get("/runs/get", 404, run_id="none")["error_class"], "RESOURCE_NOT_FOUND")
        self.assertEqual(self.get("/experiments/get", 400, experiment_id="tide")["message"],
                         "Invalid experiment ID 'tide'. Experiment ID must be a valid integer.")
        reply = self.server.request("DELETE", API + "/runs/create")
        self.assertEqual((reply.status, reply.json()["error_code"]), (405, "ENDPOINT_NOT_FOUND"))
        self.assertIn("POST", reply.headers["Allow"])
        reply = self.server.post(API + "/runs/create", raw=b"{}", headers={"Content-Type": "text/plain"})
        self.assertEqual((reply.status, reply.json()["message"]), (400, "Bad Request. Content-Type must be one of ['application/json']."))

    def test_whole_numbers_are_doubles(self):
        run = self.create()
        for key, value, text in (("a", 1, "1.0"), ("b", -3, "-3.0"), ("c", 9007199254740993, "9007199254740992.0"), ("d", 1e16, "1e+16"),
                                 ("e", 0, "0.0"), ("f", 0.5, "0.5")):
            self.post("/runs/log-metric", run_id=run, key=key, value=value, timestamp=1)
            raw = self.server.get(API + "/metrics/get-history", run_id=run, metric_key=key).text
            self.assertIn(f'"value":{text},', raw)

    def test_experiments_take_what_mlflow_takes(self):
        made = self.post("/experiments/create", name="\u00fc" * 500, tags=[{"key": "long", "value": "v" * 20000}])
        got = self.get("/experiments/get", experiment_id=made["experiment_id"])["experiment"]
        self.assertEqual((got["workspace"], len(got["tags"][0]["value"])), ("default", 20000))
        no = "INVALID_PARAMETER_VALUE"
        self.refused("/experiments/create", no, "'name' exceeds the maximum length of 500 characters", name="n" * 501)
        self.refused("/experiments/create", no, "cannot be a runs:/ URI", name="x", artifact_location="runs:/a")
        self.refused("/experiments/create", no, "can't include fragments", name="x", artifact_location="s3://a/b#c")
        for scheme in ("http", "HTTPS", "ftp"):
            self.refused("/experiments/create", no, "cannot use the", name="x", artifact_location=scheme + "://a/b")
        self.refused("/experiments/create", "RESOURCE_ALREADY_EXISTS", "'k' is given twice", name="x",
                     tags=[{"key": "k", "value": "1"}, {"key": "k", "value": "2"}])
        self.refused("/experiments/set-experiment-tag", no, "'value' exceeds the maximum length of 20000 characters",
                     experiment_id=made["experiment_id"], key="k", value="v" * 20001)

    def test_old_clients_and_camel_case(self):
        run = self.create()
        twice = json.dumps(json.dumps({"run_uuid": run, "key": "k", "value": "v"}))
        reply = self.server.post(API + "/runs/set-tag", raw=twice.encode(), headers={"Content-Type": "application/json"})
        self.assertEqual((reply.status, reply.json()), (200, {}))
        self.post("/runs/log-batch", runId=run, metrics=[{"key": "m", "value": 1, "timestamp": 2, "step": 3, "unknown": [],
                                                          "modelId": None, "datasetName": "d"}])
        self.assertEqual(self.texts(self.run_of(run)["data"]["tags"])["k"], "v")
        self.assertEqual(self.run_of(run)["data"]["metrics"][0]["step"], 3)
        reply = self.server.get("/ajax-api/2.0/mlflow/runs/get", run_id=run)
        self.assertEqual(reply.json()["run"]["info"]["run_id"], run)
        model = {"run_id": run, "artifact_path": "model", "utc_time_created": "now", "flavors": {"f": {"config": 1, "x": [2]}}}
        self.post("/runs/log-model", run_id=run, model_json=json.dumps(dict(model, signature="large")))
        self.post("/runs/log-model", run_id=run, model_json=json.dumps(model))
        noted = json.loads(self.texts(self.run_of(run)["data"]["tags"])["mlflow.log-model.history"])
        self.assertEqual(noted, [dict(model, model_uuid=None, flavors={"f": {"x": [2]}})] * 2)
        self.refused("/runs/log-model", "INVALID_PARAMETER_VALUE", "not a valid JSON", run_id=run, model_json="{")
        self.refused("/runs/log-model", "INVALID_PARAMETER_VALUE", "missing mandatory fields", run_id=run, model_json="{}")

    def test_the_latest_is_the_largest_step(self):
        run = self.create()
        for value, step in ((1, 5), (2, 9), (3, 7)):
            self.post("/runs/log-metric", run_id=run, key="m", value=value, timestamp=1000 - step, step=step)
        self.assertEqual(self.run_of(run)["data"]["metrics"], [{"key": "m", "value": 2, "timestamp": 991, "step": 9}])

    def test_histories(self):
        runs = sorted(self.create() for _ in range(2))
        for n, run in enumerate(runs):
            metrics = [{"key": "m", "value": i / 7, "timestamp": 100 + i, "step": i} for i in range(500)]
            for _ in range(2):  # the same points again are not there twice
                self.post("/runs/log-batch", run_id=run, metrics=metrics[n:])
        whole = self.get("/metrics/get-history", run_id=runs[0], metric_key="m")
        self.assertEqual([m["value"] for m in whole["metrics"]], [i / 7 for i in range(500)])
        self.assertNotIn("next_page_token", whole)
        paged, token = [], ""
        while True:
            page = self.get("/metrics/get-history", run_uuid=runs[0], metric_key="m", max_results=99, page_token=token)
            paged += page["metrics"]
            token = page.get("next_page_token")
            if not token:
                break
        self.assertEqual(paged, whole["metrics"])
        self.assertEqual(self.get("/metrics/get-history", run_id=runs[0], metric_key="none"), {})
        self.get("/metrics/get-history", 400, run_id=runs[0], metric_key="m", page_token="x")
        self.get("/metrics/get-history", 400, run_id=runs[0], metric_key="m", max_results=0)
        self.assertEqual(self.get("/metrics/get-history", run_id="none", metric_key="m"), {})

        both = "&".join(f"run_id={r}" for r in reversed(runs))
        bulk = self.server.get(f"/ajax-api/2.0/mlflow/metrics/get-history-bulk?{both}&metric_key=m&max_results=600").json()
        self.assertEqual([m["run_id"] for m in bulk["metrics"]], [runs[0]] * 500 + [runs[1]] * 100)
        both = "&".join(f"run_ids={r}" for r in runs)
        sample = self.get(f"/metrics/get-history-bulk-interval?{both}&metric_key=m&max_results=5")["metrics"]
        self.assertEqual([m["step"] for m in sample if m["run_id"] == runs[0]], [0, 100, 200, 300, 499])
        self.assertEqual([m["step"] for m in sample if m["run_id"] == runs[1]][::4], [1, 499])
        self.get(f"/metrics/get-history-bulk-interval?{both}&metric_key=m&start_step=1", 400)
        self.get("/metrics/get-history-bulk-interval?metric_key=m", 400)
        self.assertEqual(self.get("/metrics/get-history-bulk-interval", run_ids="none", metric_key="m"), {})
        many = "&".join(f"run_id={runs[0]}" for _ in range(100))
        path = f"/ajax-api/2.0/mlflow/metrics/get-history-bulk?{many}&metric_key=m&max_results="
        self.assertEqual(len(self.server.get(path + "-1").json()["metrics"]), 25000)  # no number: all that one answer may hold
        self.assertEqual(self.server.get(f"{path}1&run_id=x").json()["message"],
                         "GetMetricHistoryBulk request cannot specify more than 100 run_ids. Received 101 run_ids.")

    def test_a_long_history_comes_as_the_points_of_a_chart(self):
        """GET /v1/runs/{id}/metrics/{key}?points=: few points, and among them the one that stands out."""
        run = self.create()
        for first in range(0, 20000, 1000):
            self.post("/runs/log-batch", run_id=run, metrics=[
                {"key": "val/loss", "value": 99 if step == 12345 else step % 5, "timestamp": 1000000 - step, "step": step}
                for step in range(first, first + 1000)])
        path = f"/v1/runs/{run}/metrics/val%2Floss"
        got = self.server.get(path, points=200).json()
        points = got["points"]
        self.assertEqual((got["key"], got["total"]), ("val/loss", 20000))
        self.assertTrue(150 < len(points) <= 200, len(points))
        self.assertEqual((points[0]["step"], points[-1]["step"]), (0, 19999))
        self.assertIn((12345, 99), [(p["step"], p["value"]) for p in points])
        self.assertEqual(points, sorted(points, key=lambda p: p["step"]))
        part = self.server.get(path, **{"points": 200, "from": 12340, "to": 12349}).json()
        self.assertEqual([p["step"] for p in part["points"]], list(range(12340, 12350)))
        late = self.server.get(path, **{"points": 10, "by": "time", "from": 990000, "to": 1000000}).json()
        self.assertEqual((late["total"], late["points"][0]["step"], late["points"][-1]["step"]), (10001, 10000, 0))
        self.assertEqual(len(self.server.get(path, limit=7).json()["points"]), 7)
        for wrong in ({"points": 3}, {"points": 10001}, {"points": 10, "by": "x"}, {"points": 10, "from": 1},
                      {"points": 10, "from": 2, "to": 1}):
            self.assertEqual(self.server.get(path, **wrong).status, 400, wrong)
        self.assertEqual(self.server.get(f"/v1/runs/{run}/metrics/none", points=10).json()["points"], [])

    # ------------------------------------------------------------------ inputs, outputs, and our own

    def test_inputs_and_outputs(self):
        run = self.create()
        dataset = {"name": "tides@harbour", "digest": "4f2a", "source_type": "http", "source": "{\"url\": \"http://x\"}",
                   "schema": "{\"mlflow_colspec\": []}", "profile": "{\"num_rows\": 3}"}
        tags = [{"key": "mlflow.data.context", "value": "training"}, {"key": "more", "value": "1"}]
        for _ in range(2):
            self.post("/runs/log-inputs", run_id=run, datasets=[{"dataset": dataset, "tags": tags}], models=[{"model_id": "m-1"}])
        self.post("/runs/outputs", run_id=run, models=[{"model_id": "m-2", "step": "4"}])
        got = self.run_of(run)
        self.assertEqual(got["inputs"], {"dataset_inputs": [{"tags": tags, "dataset": dataset}],
                                         "model_inputs": [{"model_id": "m-1"}]})
        self.assertEqual(got["outputs"], {"model_outputs": [{"model_id": "m-2", "step": 4}]})
        used = self.post("/experiments/search-datasets", experiment_ids=["0"])["dataset_summaries"]
        self.assertIn({"experiment_id": "0", "name": "tides@harbour", "digest": "4f2a", "context": "training"}, used)
        self.post("/experiments/search-datasets", 400, experiment_ids=[])
        self.post("/runs/outputs", 400, run_id=run)
        self.post("/runs/log-inputs", 400, run_id=run, datasets=[{"dataset": dict(dataset, name="x" * 501)}])
        # the same things in our own views
        listed = [d for d in self.server.get("/v1/datasets").json()["items"] if d["name"] == "tides@harbour"]
        self.assertEqual(len(listed), 1)
        shown = self.server.get(f"/v1/datasets/{listed[0]['id']}").json()
        self.assertEqual((shown["version"], shown["kind"], shown["status"]), ("4f2a", "mlflow", "ready"))
        lineage = self.server.get(f"/v1/lineage/{run}")
        self.assertEqual(lineage.status, 200, lineage)
        self.assertIn("tides@harbour", [n.get("name") for n in lineage.json()["nodes"]])
        self.assertGreaterEqual({n["id"] for n in lineage.json()["nodes"]}, {run, listed[0]["id"], "m-1", "m-2"})
        # it has no bytes: nothing can be trained on it, and that is the asker's mistake
        for reply in (self.server.post("/v1/trainings", {"datasetId": listed[0]["id"]}),
                      self.server.get(f"/v1/datasets/{listed[0]['id']}/export"),
                      self.server.get(f"/v1/datasets/{listed[0]['id']}/sample")):
            self.assertIn(reply.status, (400, 404, 409), reply)

    def test_runs_of_clients_are_among_ours_and_ours_among_theirs(self):
        run = self.create(tags=[{"key": "mlflow.user", "value": "grace"}])
        self.post("/runs/log-batch", run_id=run, metrics=[{"key": "m", "value": 1, "timestamp": 2}])
        ours = self.server.get(f"/v1/runs/{run}").json()
        self.assertEqual((ours["component"], ours["username"], ours["status"]), ("mlflow", "grace", "RUNNING"))
        self.assertIn(run, [r["runId"] for r in self.server.get("/v1/runs", component="mlflow").json()["items"]])
        self.assertTrue(self.server.logged("run.created", run_id=run))

        made = self.server.post("/v1/ingest", raw=pgn_make.games(20, seed="mlflow-runs").encode())
        self.server.wait(made.headers["Location"], lambda b: b["status"] == "SUCCEEDED")
        got = self.run_of(made.json()["runId"])
        self.assertEqual(got["info"]["status"], "FINISHED")
        self.assertEqual(got["info"]["artifact_uri"], f"mlflow-artifacts:/0/{made.json()['runId']}/artifacts")
        self.assertTrue(got["data"]["metrics"])
        self.assertIn("mlflow.runName", self.texts(got["data"]["tags"]))

    # ------------------------------------------------------------------ at once, and after a kill

    def test_eight_writers_on_one_run(self):
        run, failures = self.create(), []

        def write(n):
            try:
                for i in range(10):
                    metrics = [{"key": "shared", "value": n, "timestamp": 1, "step": step} for step in range(i * 20, i * 20 + 20)]
                    metrics.append({"key": f"own-{n}", "value": i, "timestamp": i, "step": i})
                    self.post("/runs/log-batch", run_id=run, metrics=metrics, params=[{"key": "same", "value": "1"}],
                              tags=[{"key": "last", "value": str(n)}])
            except Exception as e:
                failures.append(e)
        threads = [threading.Thread(target=write, args=(n,)) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(failures, [])
        latest = {m["key"]: (m["value"], m["step"]) for m in self.run_of(run)["data"]["metrics"]}
        self.assertEqual(latest, {"shared": (7, 199), **{f"own-{n}": (9, 9) for n in range(8)}})
        history = self.get("/metrics/get-history", run_id=run, metric_key="shared")["metrics"]
        self.assertEqual(len(history), 8 * 200)
        self.assertEqual(self.texts(self.run_of(run)["data"]["params"]), {"same": "1"})


class MlflowKilled(unittest.TestCase):
    def test_what_was_acknowledged_is_there_after_kill_9(self):
        server = harness.Server()
        self.addCleanup(server.close)
        made = server.post(API + "/runs/create", {"experiment_id": "0"}).json()
        run, sent = made["run"]["info"]["run_id"], 0
        for kill in range(4):
            killer = threading.Timer(0.15 + 0.1 * kill, server.process.kill)
            killer.start()
            before = sent
            try:
                while True:  # until the server is gone
                    metrics = [{"key": f"k{i % 5}", "value": math.sqrt(i), "timestamp": sent, "step": sent * 100 + i}
                               for i in range(100)]
                    reply = server.post(API + "/runs/log-batch", {"run_id": run, "metrics": metrics,
                                                                  "tags": [{"key": "sent", "value": str(sent)}]})
                    self.assertEqual(reply.status, 200, reply)
                    sent += 1
            except (OSError, http.client.HTTPException):
                pass
            killer.join()
            server.kill()
            server.start()
            self.assertGreaterEqual(sent, before)
            got = server.get(API + "/runs/get", run_id=run).json()["run"]
            self.assertEqual(got["info"]["status"], "RUNNING")  # a client's run is the client's to end
            tags = {t["key"]: t["value"] for t in got["data"]["tags"]}
            stored = int(tags.get("sent", -1)) + 1
            self.assertIn(stored, (sent, sent + 1))  # the last one may be there without its answer
            history = server.get(API + "/metrics/get-history", run_id=run, metric_key="k0").json().get("metrics", [])
            self.assertEqual(len(history), stored * 20)  # and whole
            sent = stored
        self.assertGreater(sent, 0)


if __name__ == "__main__":
    unittest.main(verbosity=2)
