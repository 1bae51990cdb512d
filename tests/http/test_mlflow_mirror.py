#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The mirror: our runs and models in an MLflow, here one that is played. It goes away, answers nonsense, refuses;
a real one is in tests/interop/mlflow."""
import http.server
import json
import threading
import unittest
import urllib.parse

import harness
import pgn_make
import trained

TOKEN = "mirror-secret-4711"
PROMPT = " AND tags.`mlflow.prompt.is_prompt` = 'true'"


class Player(http.server.BaseHTTPRequestHandler):
    """As much of MLflow's tracking server as a mirror asks for."""
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, body):
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def handle_any(self):
        s = self.server.state
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path, _, query = self.path.partition("?")
        s.asked.append((self.command, path, dict(self.headers)))
        if s.status != 200:
            return self.answer(s.status, {"error_code": "X", "message": "no"} if s.status != 500 else b"<html>")
        if path.startswith("/api/2.0/mlflow-artifacts/artifacts/"):
            s.files[urllib.parse.unquote(path.split("/artifacts/", 1)[1])] = raw
            return self.answer(200, {})
        body = json.loads(raw) if raw else dict(urllib.parse.parse_qsl(query))
        name = path.removeprefix("/api/2.0/mlflow/").replace("/", "_").replace("-", "_")
        if name.startswith("logged_models"):
            if s.is_old:
                return self.answer(404, b"<html>")
            with s.lock:
                return self.answer(*s.logged_models(self.command, path.split("/")[5:], body))
        with s.lock:
            return self.answer(*getattr(s, name)(body))

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = handle_any


class Played:
    def __init__(self):
        self.experiments, self.runs, self.models, self.versions, self.aliases, self.files = {}, {}, {}, [], {}, {}
        self.asked, self.status, self.lock, self.batches = [], 200, threading.Lock(), []
        self.logged, self.is_old = {}, False  # is_old: a server of MLflow 2
        self.httpd = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Player)
        self.httpd.daemon_threads = True
        self.httpd.state = self
        self.url = f"http://127.0.0.1:{self.httpd.server_address[1]}"
        threading.Thread(target=self.httpd.serve_forever, daemon=True).start()

    def close(self):
        self.httpd.shutdown()
        self.httpd.server_close()

    def experiments_get_by_name(self, b):
        found = self.experiments.get(b["experiment_name"])
        if not found:
            return 404, {"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "no"}
        return 200, {"experiment": {"experiment_id": found, "name": b["experiment_name"]}}

    def experiments_create(self, b):
        self.experiments[b["name"]] = str(len(self.experiments) + 1)
        return 200, {"experiment_id": self.experiments[b["name"]]}

    def runs_search(self, b):
        wanted = b["filter"].split("'")[1]
        found = [r for r in self.runs.values() if r["tags"].get("skerry.run_id") == wanted]
        return 200, {"runs": [{"info": r["info"]} for r in found]} if found else {}

    def runs_create(self, b):
        run = f"{len(self.runs) + 1:032x}"
        info = {"run_id": run, "artifact_uri": f"mlflow-artifacts:/{b['experiment_id']}/{run}/artifacts", "status": "RUNNING"}
        self.runs[run] = {"info": info, "tags": {t["key"]: t["value"] for t in b["tags"]}, "params": {}, "metrics": set(), "name": b["run_name"]}
        return 200, {"run": {"info": info}}

    def runs_log_batch(self, b):
        run = self.runs[b["run_id"]]
        self.batches.append(b)
        run["params"].update({p["key"]: p["value"] for p in b.get("params", [])})
        run["tags"].update({t["key"]: t["value"] for t in b.get("tags", [])})
        run["metrics"] |= {(m["key"], m["step"], m["timestamp"], str(m["value"])) for m in b.get("metrics", [])}
        assert len(b.get("metrics", [])) <= 1000 and len(b.get("params", [])) <= 100 and len(b.get("tags", [])) <= 100
        return 200, {}

    def logged_models(self, method, parts, b):
        """By the address behind logged-models/."""
        if method == "POST" and not parts:
            model = f"m-{len(self.logged) + 1:032x}"
            self.logged[model] = {**b, "status": "LOGGED_MODEL_PENDING", "tags": {t["key"]: t["value"] for t in b["tags"]},
                                  "params": {t["key"]: t["value"] for t in b["params"]}}
        elif parts[0] == "search":
            wanted = b["filter"].split("'")[1]
            found = [m for m, x in self.logged.items() if x["tags"]["skerry.model_id"] == wanted and x["experiment_id"] in b["experiment_ids"]]
            return 200, {"models": [self.logged_one(m) for m in found]}
        else:
            model = parts[0]
            if method == "DELETE" and parts[1:2] == ["tags"]:
                del self.logged[model]["tags"][urllib.parse.unquote(parts[2])]
            elif method == "DELETE":
                del self.logged[model]
                return 200, {}
            elif parts[1:] in (["tags"], ["params"]):
                self.logged[model][parts[1]].update({t["key"]: t["value"] for t in b[parts[1]]})
            else:
                self.logged[model]["status"] = b["status"]
        return 200, {"model": self.logged_one(model)}

    def logged_one(self, model):
        x = self.logged[model]
        return {"info": {"model_id": model, "artifact_uri": f"mlflow-artifacts:/{x['experiment_id']}/models/{model}/artifacts",
                         "tags": [{"key": k, "value": v} for k, v in x["tags"].items()]},
                "data": {"params": [{"key": k, "value": v} for k, v in x["params"].items()]}}

    def runs_get(self, b):
        run = self.runs[b["run_id"]]
        return 200, {"run": {"info": run["info"], "inputs": {"dataset_inputs": run.get("datasets", []), "model_inputs": [{"model_id": m} for m in run.get("inputs", ())]},
                             "outputs": {"model_outputs": [{"model_id": m, "step": s} for m, s in run.get("outputs", ())]}}}

    def link(self, b, kind, links):
        """As MLflow does it: once, and never again."""
        there = self.runs[b["run_id"]].setdefault(kind, set())
        if there & links:
            return 400, {"error_code": "BAD_REQUEST", "message": "(sqlite3.IntegrityError) UNIQUE constraint failed"}
        there |= links
        return 200, {}

    def runs_outputs(self, b):
        return self.link(b, "outputs", {(m["model_id"], m["step"]) for m in b["models"]})

    def runs_log_inputs(self, b):
        if "datasets" in b:
            there = self.runs[b["run_id"]].setdefault("datasets", [])
            for new in b["datasets"]:
                assert len(new["dataset"]["digest"]) <= 36 and new["dataset"]["source"], new
                assert all(d["dataset"] != new["dataset"] for d in there), new  # told once
                there.append(new)
            return 200, {}
        return self.link(b, "inputs", {m["model_id"] for m in b["models"]})

    def runs_update(self, b):
        self.runs[b["run_id"]]["info"].update(status=b["status"], end_time=b.get("end_time"))
        return 200, {"run_info": {}}

    def registered_models_create(self, b):
        if b["name"] in self.models:
            return 400, {"error_code": "RESOURCE_ALREADY_EXISTS", "message": "there"}
        self.models[b["name"]] = {**b, "tags": {t["key"]: t["value"] for t in b.get("tags", [])}}
        return 200, {"registered_model": b}

    def registered_models_get(self, b):
        model = self.models.get(b["name"])
        if not model:
            return 404, {"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "no"}
        return 200, {"registered_model": {**model, "tags": [{"key": k, "value": v} for k, v in model["tags"].items()]}}

    def registered_models_update(self, b):
        self.models[b["name"]]["description"] = b.get("description")
        return 200, {"registered_model": b}

    def registered_models_rename(self, b):
        assert b["new_name"] not in self.models
        self.models[b["new_name"]] = {**self.models.pop(b["name"]), "name": b["new_name"]}
        for version in self.versions:
            if version["name"] == b["name"]:
                version["name"] = b["new_name"]
        self.aliases = {(b["new_name"] if n == b["name"] else n, a): v for (n, a), v in self.aliases.items()}
        return 200, {"registered_model": b}

    def registered_models_delete(self, b):
        assert self.models.pop(b["name"])
        self.versions = [v for v in self.versions if v["name"] != b["name"]]
        return 200, {}

    def registered_models_set_tag(self, b):
        self.models[b["name"]]["tags"][b["key"]] = b["value"]
        return 200, {}

    def registered_models_delete_tag(self, b):
        self.models[b["name"]]["tags"].pop(b["key"], None)
        return 200, {}

    def model_versions_search(self, b):
        """One condition, on the name or on a tag; prompts only for who asks."""
        wanted = b["filter"].replace(PROMPT, "")
        key, _, value = wanted.partition(" = ")
        value, key = value[1:-1], key.removeprefix("tags.").strip("`")
        found = [v for v in self.versions if (v["tags"].get("mlflow.prompt.is_prompt") == "true") == (wanted != b["filter"])
                 and (v["name"] if key == "name" else v["tags"].get(key)) == value]
        return 200, {"model_versions": [{**v, "tags": [{"key": k, "value": x} for k, x in v["tags"].items()]} for v in found]}

    def model_versions_create(self, b):
        version = {**b, "version": str(len(self.versions) + 5), "stage": "None",  # numbers of its own
                   "tags": {t["key"]: t["value"] for t in b["tags"]}}
        assert b["name"] in self.models
        self.versions.append(version)
        return 200, {"model_version": version}

    def version(self, b):
        return next(v for v in self.versions if (v["name"], v["version"]) == (b["name"], b["version"]))

    def model_versions_set_tag(self, b):
        self.version(b)["tags"][b["key"]] = b["value"]
        return 200, {}

    def model_versions_delete_tag(self, b):
        self.version(b)["tags"].pop(b["key"], None)
        return 200, {}

    def model_versions_update(self, b):
        self.version(b)["description"] = b["description"]
        return 200, {}

    def model_versions_transition_stage(self, b):
        assert not b["archive_existing_versions"]
        self.version(b)["stage"] = b["stage"]
        return 200, {}

    def model_versions_delete(self, b):
        self.versions.remove(self.version(b))
        self.aliases = {k: v for k, v in self.aliases.items() if (k[0], v) != (b["name"], b["version"])}
        return 200, {}

    def registered_models_alias(self, b):
        if "version" in b:
            self.aliases[b["name"], b["alias"]] = b["version"]
        else:
            self.aliases.pop((b["name"], b["alias"]), None)
        return 200, {}


class Mirror(unittest.TestCase):
    def setUp(self):
        self.there = Played()
        self.addCleanup(self.there.close)

    def serve(self, **env):
        server = harness.Server(env={"SKERRY_MIRROR_URL": self.there.url, "SKERRY_MIRROR_TOKEN": TOKEN, "SKERRY_OUTBOX_RETRY_SECONDS": "1",
                                     **env})
        self.addCleanup(server.close)
        return server

    def state(self, server):
        return next(i for i in server.get("/v1/outbox").json()["items"] if i["destination"] == "mlflow")

    def settled(self, server, sent):
        harness.until(lambda: self.state(server)["waiting"] == 0 and self.state(server)["sent"] >= sent, f"mirroring: {self.state(server)}")

    def client_run(self, server, points=3, end="FINISHED"):
        run = server.post("/api/2.0/mlflow/runs/create", {"experiment_id": "0", "run_name": "mine", "start_time": 5}).json()["run"]["info"]
        for at in range(0, points, 900):  # 1000 with params and tags
            reply = server.post("/api/2.0/mlflow/runs/log-batch", {
                "run_id": run["run_id"], "params": [{"key": "lr", "value": "0.1"}], "tags": [{"key": "note", "value": "x"}],
                "metrics": [{"key": "loss", "value": "NaN" if i == 1 else i, "timestamp": i, "step": i} for i in range(at, min(points, at + 900))]})
            self.assertEqual(reply.status, 200, reply)
        reply = server.request("PUT", f"/api/2.0/mlflow-artifacts/artifacts/0/{run['run_id']}/artifacts/a%20b/f.txt", body=b"hello")
        self.assertEqual(reply.status, 200, reply)
        server.post("/api/2.0/mlflow/runs/update", {"run_id": run["run_id"], "status": end, "end_time": 9})
        return run["run_id"]

    def test_a_clients_run_goes_along(self):
        server = self.serve(SKERRY_MIRROR_EXPERIMENT="from skerry/")
        own = self.client_run(server, points=2500)
        self.settled(server, 2)
        self.assertEqual(list(self.there.experiments), ["from skerry/Default"])
        run, = self.there.runs.values()
        self.assertEqual(run["tags"]["skerry.run_id"], own)
        self.assertEqual(run["tags"]["note"], "x")
        self.assertEqual(run["params"], {"lr": "0.1"})
        self.assertEqual(len(run["metrics"]), 2500)
        self.assertIn(("loss", 1, 1, "NaN"), run["metrics"])
        self.assertEqual((run["info"]["status"], run["info"]["end_time"]), ("FINISHED", 9))
        self.assertEqual(self.there.files, {f"1/{run['info']['run_id']}/artifacts/a b/f.txt": b"hello"})
        self.assertTrue(all(h["Authorization"] == "Bearer " + TOKEN for _, _, h in self.there.asked))

    def test_training_registry_and_aliases(self):
        server = self.serve()
        trained.import_games(server, pgn_make.games(trained.GAMES, seed="mirror"))
        training = trained.train(server, trained.build_dataset(server, "mirror")["id"])
        self.assertEqual(training["status"], "succeeded")
        model, version = training["result"]["modelId"], training["result"]["modelVersion"]
        server.post("/v1/models/promote", {"modelId": model, "modelVersion": str(version), "alias": "prod"})
        harness.until(lambda: (model, "prod") in self.there.aliases, "the alias")
        self.settled(server, 5)
        mine, = [v for v in self.there.versions if v["name"] == model]
        self.assertEqual(mine["tags"]["skerry.version"], str(version))
        self.assertEqual(self.there.aliases[model, "prod"], mine["version"])
        run = next(r for r in self.there.runs.values() if r["tags"]["skerry.run_id"] == training["runId"])
        self.assertEqual(mine["run_id"], run["info"]["run_id"])
        self.assertTrue(mine["source"].startswith(run["info"]["artifact_uri"]))
        self.assertEqual(run["info"]["status"], "FINISHED")
        dataset, tags = self.reads(training["runId"])["mirror"]
        self.assertEqual(dataset["source_type"], "skerry")
        self.assertGreater(json.loads(dataset["profile"])["num_rows"], 100)
        self.assertIn("dataset_id", json.loads(dataset["source"]))
        self.assertEqual(self.state(server)["dead"], 0)

    # ------------------------------------------------------------------ what was read

    def reads(self, own):
        """What a run of ours read, as it is there: name -> (dataset, tags)."""
        run = next(r for r in self.there.runs.values() if r["tags"]["skerry.run_id"] == own)
        return {d["dataset"]["name"]: (d["dataset"], {t["key"]: t["value"] for t in d["tags"]}) for d in run.get("datasets", [])}

    def test_datasets_that_a_run_read_go_along(self):
        server = self.serve()
        run = self.call(server, "POST", "runs/create", experiment_id="0", run_name="reader")["run"]["info"]["run_id"]
        wine = {"name": "wine", "digest": "a1b2", "source_type": "http", "source": '{"url": "https://x/wine.csv"}',
                "schema": '{"mlflow_colspec": []}', "profile": '{"num_rows": 9}'}
        plain = {"name": "plain", "digest": "c3", "source_type": "local", "source": "{}"}
        self.call(server, "POST", "runs/log-inputs", run_id=run, datasets=[
            {"dataset": wine, "tags": [{"key": "mlflow.data.context", "value": "training"}, {"key": "season", "value": "autumn"}]},
            {"dataset": plain}])
        self.call(server, "POST", "runs/update", run_id=run, status="FINISHED")
        self.settled(server, 2)
        self.assertEqual(self.reads(run), {"wine": (wine, {"mlflow.data.context": "training", "season": "autumn"}), "plain": (plain, {})})
        sent = self.state(server)["sent"]
        self.call(server, "POST", "runs/update", run_id=run, status="FINISHED")  # told once more, and nothing is there twice
        server.sql("INSERT INTO outbox_items (destination, is_dead, event_id, type, subject, body, bytes, at_ms)"
                   " VALUES (?, 0, ?, ?, ?, ?, 2, 1)", "mlflow", "again", "run.finished", run, "{}")
        self.settled(server, sent + 1)
        self.assertEqual(len(self.reads(run)), 2)
        self.assertEqual(self.state(server)["dead"], 0)

    def test_a_dataset_that_is_refused_leaves_the_run_whole(self):
        server = self.serve()
        run = self.call(server, "POST", "runs/create", experiment_id="0")["run"]["info"]["run_id"]
        self.call(server, "POST", "runs/log-inputs", run_id=run, datasets=[{"dataset": {"name": "n", "digest": "d", "source_type": "s", "source": "x"}}])
        self.there.runs_log_inputs = lambda b: (400, {"error_code": "INVALID_PARAMETER_VALUE", "message": "not this dataset"})
        self.call(server, "POST", "runs/update", run_id=run, status="FINISHED", end_time=7)
        harness.until(lambda: self.state(server)["dead"] == 1, "the dead letter")
        self.assertIn("not this dataset", server.get("/v1/outbox/mlflow/dead").json()["items"][0]["why"])
        there, = self.there.runs.values()
        self.assertEqual((there["info"]["status"], there["info"]["end_time"]), ("FINISHED", 7))
        del self.there.runs_log_inputs
        server.cli("outbox", "replay", "mlflow")
        harness.until(lambda: self.reads(run), "the dataset, replayed")

    # ------------------------------------------------------------------ what clients register

    def call(self, server, method, path, **body):
        reply = server.request(method, "/api/2.0/mlflow/" + path, json.dumps(body), {"Content-Type": "application/json"})
        self.assertEqual(reply.status, 200, reply)
        return reply.json()

    def register(self, server, name, **more):
        return self.call(server, "POST", "model-versions/create", name=name, **more)["model_version"]["version"]

    def there_of(self, version):
        return next((v for v in self.there.versions if v["tags"].get("skerry.version") == version), None)

    def test_what_clients_register_goes_along(self):
        server = self.serve()
        run = self.call(server, "POST", "runs/create", experiment_id="0", run_name="mine")["run"]["info"]
        self.call(server, "POST", "registered-models/create", name="fraud", description="of cards", tags=[{"key": "team", "value": "pier"}])
        first = self.register(server, "fraud", source=run["artifact_uri"] + "/model", run_id=run["run_id"], description="one",
                              tags=[{"key": "k", "value": "v"}, {"key": "skerry.version", "value": "forged"}])
        second = self.register(server, "fraud", source="s3://bucket/x")
        logged = self.call(server, "POST", "logged-models", experiment_id="0", source_run_id=run["run_id"])["model"]["info"]
        for path, body in (("MLmodel", b"flavors"), ("data/weights.bin", b"w" * 1000)):
            root = logged["artifact_uri"].removeprefix("mlflow-artifacts:/")
            self.assertEqual(server.request("PUT", f"/api/2.0/mlflow-artifacts/artifacts/{root}/{path}", body).status, 200)
        third = self.register(server, "fraud", source=f"models:/{logged['model_id']}", model_id=logged["model_id"])
        self.call(server, "POST", "registered-models/alias", name="fraud", alias="champion", version=first)
        self.call(server, "POST", "registered-models/alias", name="fraud", alias="champion", version=third)
        harness.until(lambda: len(self.there.versions) == 3 and self.state(server)["waiting"] == 0, "three versions")
        self.assertEqual(self.there.models["fraud"]["description"], "of cards")
        self.assertEqual(self.there.models["fraud"]["tags"], {"skerry.kind": "mlflow", "team": "pier"})
        there, = self.there.runs
        root = f"mlflow-artifacts:/1/{there}/artifacts"
        model, = self.there.logged
        self.assertEqual([self.there_of(v)["source"] for v in (first, second, third)], [root + "/model", "s3://bucket/x", f"models:/{model}"])
        self.assertEqual(self.there_of(third)["model_id"], model)
        self.assertEqual([self.there_of(v).get("run_id") for v in (first, second, third)], [there, None, there])
        self.assertEqual(self.there.files, {f"1/models/{model}/artifacts/MLmodel": b"flavors",
                                            f"1/models/{model}/artifacts/data/weights.bin": b"w" * 1000})
        self.assertEqual((self.there_of(first)["tags"]["k"], self.there_of(first)["description"]), ("v", "one"))
        self.assertEqual(self.there.aliases, {("fraud", "champion"): self.there_of(third)["version"]})
        self.assertEqual(self.state(server)["dead"], 0)

    def log_model(self, server, run, name="scorer"):
        """As MLflow 3's client does it."""
        logged = self.call(server, "POST", "logged-models", experiment_id="0", source_run_id=run["run_id"], name=name, model_type="Agent",
                           params=[{"key": "depth", "value": "3"}],
                           tags=[{"key": "team", "value": "pier"}, {"key": "skerry.model_id", "value": "forged"}])["model"]["info"]
        self.call(server, "POST", "runs/outputs", run_id=run["run_id"], models=[{"model_id": logged["model_id"], "step": 7}])
        root = logged["artifact_uri"].removeprefix("mlflow-artifacts:/")
        self.assertEqual(server.request("PUT", f"/api/2.0/mlflow-artifacts/artifacts/{root}/data/w%20x.bin", b"w" * 1000).status, 200)
        self.call(server, "PATCH", "logged-models/" + logged["model_id"], model_id=logged["model_id"], status="LOGGED_MODEL_READY")
        return logged["model_id"]

    def test_logged_models(self):
        server = self.serve()
        run = self.call(server, "POST", "runs/create", experiment_id="0", run_name="mine")["run"]["info"]
        own = self.log_model(server, run)
        self.call(server, "POST", "runs/log-batch", run_id=run["run_id"], metrics=[
            {"key": "auc", "value": v, "timestamp": 5 + i, "step": i, "model_id": own, "dataset_name": "d", "dataset_digest": "x"}
            for i, v in enumerate((0.5, "NaN"))])
        self.call(server, "POST", "runs/update", run_id=run["run_id"], status="FINISHED", end_time=9)
        reader = self.call(server, "POST", "runs/create", experiment_id="0", run_name="reads")["run"]["info"]
        self.call(server, "POST", "runs/log-inputs", run_id=reader["run_id"], models=[{"model_id": own}])
        self.call(server, "POST", "runs/update", run_id=reader["run_id"], status="FINISHED", end_time=9)
        self.settled(server, 5)
        (model, there), = self.there.logged.items()
        runs = {r["tags"]["skerry.run_id"]: r for r in self.there.runs.values()}
        made, read = runs[run["run_id"]], runs[reader["run_id"]]
        self.assertEqual((there["name"], there["model_type"], there["status"], there["source_run_id"], there["params"]),
                         ("scorer", "Agent", "LOGGED_MODEL_READY", made["info"]["run_id"], {"depth": "3"}))
        self.assertEqual(there["tags"], {"skerry.model_id": own, "team": "pier"})
        self.assertEqual(made["outputs"], {(model, 7)})
        self.assertEqual(read["inputs"], {model})
        self.assertEqual(self.there.files, {f"1/models/{model}/artifacts/data/w x.bin": b"w" * 1000})
        of_model = [(m["key"], m["step"], str(m["value"]), m["model_id"], m["dataset_name"], m["dataset_digest"])
                    for b in self.there.batches for m in b.get("metrics", []) if "model_id" in m]
        self.assertEqual(set(of_model), {("auc", 0, "0.5", model, "d", "x"), ("auc", 1, "NaN", model, "d", "x")})

        self.call(server, "PATCH", f"logged-models/{own}/tags", tags=[{"key": "team", "value": "harbour"}, {"key": "a b", "value": "1"}])
        harness.until(lambda: there["tags"].get("a b") == "1", "a tag")
        self.call(server, "DELETE", f"logged-models/{own}/tags/a%20b")
        self.call(server, "POST", f"logged-models/{own}/params", model_id=own, params=[{"key": "width", "value": "4"}])
        self.settled(server, 8)
        self.assertEqual((there["tags"], there["params"]), ({"skerry.model_id": own, "team": "harbour"}, {"depth": "3", "width": "4"}))
        self.call(server, "POST", "registered-models/create", name="fraud")
        version = self.register(server, "fraud", source=f"models:/{own}", model_id=own, run_id=run["run_id"])
        self.settled(server, 9)
        self.assertEqual(self.there_of(version)["source"], f"models:/{model}")
        puts = [path for method, path, _ in self.there.asked if method == "PUT"]
        self.assertEqual(len(puts), 1, puts)  # the files went once
        self.call(server, "DELETE", f"logged-models/{own}")
        self.settled(server, 10)
        self.assertEqual(self.there.logged, {})
        self.assertEqual(self.state(server)["dead"], 0)

    def test_logged_models_while_it_is_away(self):
        server = self.serve()
        self.there.status = 503
        run = self.call(server, "POST", "runs/create", experiment_id="0", run_name="mine")["run"]["info"]
        kept, gone = (self.log_model(server, run, name) for name in ("kept", "gone"))
        self.call(server, "DELETE", f"logged-models/{gone}")
        harness.until(lambda: self.there.asked, "a try")
        self.there.status = 200
        self.settled(server, 4)
        self.assertEqual([m["tags"]["skerry.model_id"] for m in self.there.logged.values()], [kept])
        self.assertEqual((len(self.there.files), self.state(server)["dead"]), (1, 0))

    def test_a_server_of_mlflow_2_gets_the_files_with_the_run(self):
        self.there.is_old = True
        server = self.serve()
        run = self.call(server, "POST", "runs/create", experiment_id="0", run_name="mine")["run"]["info"]
        own = self.log_model(server, run)
        self.call(server, "POST", "registered-models/create", name="fraud")
        version = self.register(server, "fraud", source=f"models:/{own}", model_id=own)
        self.call(server, "POST", "runs/update", run_id=run["run_id"], status="FINISHED", end_time=9)
        self.settled(server, 4)
        there, = self.there.runs
        self.assertEqual(self.there_of(version)["source"], f"mlflow-artifacts:/1/{there}/artifacts/skerry-model-{version}")
        self.assertNotIn("model_id", self.there_of(version))
        self.assertEqual(self.there.files, {f"1/{there}/artifacts/skerry-model-{version}/data/w x.bin": b"w" * 1000})
        self.assertEqual((self.there.runs[there]["info"]["status"], self.state(server)["dead"]), ("FINISHED", 0))

    def test_what_clients_change_is_changed_there(self):
        server = self.serve()
        self.call(server, "POST", "registered-models/create", name="fraud", tags=[{"key": "old", "value": "1"}])
        first, second = (self.register(server, "fraud", source="s3://b/x") for _ in range(2))
        self.call(server, "POST", "model-versions/set-tag", name="fraud", version=first, key="k", value="v")
        self.call(server, "POST", "model-versions/set-tag", name="fraud", version=first, key="gone", value="v")
        self.call(server, "DELETE", "model-versions/delete-tag", name="fraud", version=first, key="gone")
        self.call(server, "PATCH", "model-versions/update", name="fraud", version=first, description="better")
        self.call(server, "POST", "model-versions/transition-stage", name="fraud", version=first, stage="production")
        harness.until(lambda: self.there_of(first) and self.there_of(first)["stage"] == "Production", "the stage")
        self.call(server, "POST", "model-versions/transition-stage", name="fraud", version=second, stage="Production",
                  archive_existing_versions=True)
        self.call(server, "POST", "registered-models/set-tag", name="fraud", key="new", value="2")
        self.call(server, "DELETE", "registered-models/delete-tag", name="fraud", key="old")
        self.call(server, "PATCH", "registered-models/update", name="fraud", description="of cards")
        harness.until(lambda: self.state(server)["waiting"] == 0 and self.there.models["fraud"].get("description") == "of cards", "the changes")
        self.assertEqual({k: v for k, v in self.there_of(first)["tags"].items() if k in ("k", "gone")}, {"k": "v"})
        self.assertEqual(self.there_of(first)["description"], "better")
        self.assertEqual([self.there_of(v)["stage"] for v in (first, second)], ["Archived", "Production"])
        self.assertEqual(self.there.models["fraud"]["tags"], {"skerry.kind": "mlflow", "new": "2"})
        # and what is deleted: of the other side's only what is ours
        self.there.versions.append({"name": "fraud", "version": "99", "source": "s3://theirs", "tags": {}})
        self.call(server, "POST", "registered-models/alias", name="fraud", alias="champion", version=second)
        self.call(server, "DELETE", "model-versions/delete", name="fraud", version=first)
        harness.until(lambda: not self.there_of(first) and ("fraud", "champion") in self.there.aliases, "the deletion")
        self.call(server, "DELETE", "registered-models/alias", name="fraud", alias="champion")
        self.call(server, "DELETE", "registered-models/delete", name="fraud")
        harness.until(lambda: len(self.there.versions) == 1, "the deletion of all")
        self.settled(server, 10)
        self.assertEqual((list(self.there.models), self.there.aliases), (["fraud"], {}))  # somebody else has a version there
        self.there.versions.clear()
        self.call(server, "POST", "registered-models/create", name="fraud")
        self.call(server, "DELETE", "registered-models/delete", name="fraud")
        harness.until(lambda: not self.there.models, "the deletion of the name")
        self.assertEqual(self.state(server)["dead"], 0)

    def test_a_rename_and_a_prompt_while_it_is_away(self):
        self.there.status = 500
        server = self.serve()
        self.call(server, "POST", "registered-models/create", name="old")
        first = self.register(server, "old", source="s3://b/1")
        self.call(server, "POST", "registered-models/alias", name="old", alias="champion", version=first)
        self.call(server, "POST", "registered-models/rename", name="old", new_name="new")
        self.call(server, "POST", "registered-models/set-tag", name="new", key="k", value="v")
        second = self.register(server, "new", source="s3://b/2")
        prompt = [{"key": "mlflow.prompt.is_prompt", "value": "true"}]
        self.call(server, "POST", "registered-models/create", name="greeting", tags=prompt)
        self.register(server, "greeting", source="dummy-source", tags=prompt + [{"key": "mlflow.prompt.text", "value": "Hello"}])
        harness.until(lambda: self.state(server)["error"], "a failure")
        self.there.status = 200
        self.settled(server, 8)
        self.assertEqual(sorted(self.there.models), ["greeting", "new"])
        self.assertEqual(self.there.models["new"]["tags"], {"skerry.kind": "mlflow", "k": "v"})
        of_new = {v["tags"]["skerry.version"]: v["version"] for v in self.there.versions if v["name"] == "new"}
        self.assertEqual(sorted(of_new), [first, second])
        self.assertEqual(self.there.aliases, {("new", "champion"): of_new[first]})
        self.assertEqual(self.there.models["greeting"]["tags"]["mlflow.prompt.is_prompt"], "true")
        self.call(server, "DELETE", "registered-models/delete", name="greeting")
        harness.until(lambda: "greeting" not in self.there.models, "the prompt's deletion")
        self.assertEqual(self.state(server)["dead"], 0)

    def test_away_and_back_nothing_is_lost_or_doubled(self):
        self.there.status = 500
        server = self.serve()
        own = [self.client_run(server) for _ in range(3)]  # nobody waits for it
        harness.until(lambda: self.state(server)["error"], "a failure")
        self.assertNotIn(TOKEN, json.dumps(self.state(server)))
        self.there.status = 200
        self.settled(server, 6)
        self.assertEqual(sorted(r["tags"]["skerry.run_id"] for r in self.there.runs.values()), sorted(own))
        server.stop()
        server.start()
        self.client_run(server)
        self.settled(server, 8)
        self.assertEqual(len(self.there.runs), 4)

    def test_what_it_refuses_is_kept_and_can_be_replayed(self):
        self.there.status = 400
        server = self.serve()
        self.client_run(server)
        harness.until(lambda: self.state(server)["dead"] == 2, "dead letters")
        self.there.status = 200
        server.cli("outbox", "replay", "mlflow")
        harness.until(lambda: [r for r in self.there.runs.values() if r["info"]["status"] == "FINISHED"], "the replay")
        self.assertEqual(len(self.there.runs), 1)

    def test_two_that_mirror_each_other_do_not_go_in_circles(self):
        """What the other one mirrored here is not news there; and a name that both have is each one's own."""
        pair = [harness.Server() for _ in range(2)]
        for own, other in (pair, pair[::-1]):
            self.addCleanup(own.close)
            self.call(own, "POST", "registered-models/create", name="both")
            own.stop()
            own.extra_env = {"SKERRY_MIRROR_URL": f"http://127.0.0.1:{other.port}", "SKERRY_OUTBOX_RETRY_SECONDS": "1"}
        for server in pair:
            server.start()
        for at, server in enumerate(pair):
            run = self.client_run(server)
            self.log_model(server, {"run_id": run}, name=f"scorer {at}")
            self.call(server, "POST", "registered-models/create", name=f"mine {at}")
            version = self.register(server, f"mine {at}", source="s3://bucket/x", run_id=run)
            self.call(server, "POST", "registered-models/alias", name=f"mine {at}", alias="champion", version=version)
        for server in pair:
            self.call(server, "POST", "registered-models/set-tag", name="both", key="k", value="v")
            self.call(server, "PATCH", "registered-models/update", name="both", description=f"of {server.port}")
        harness.until(lambda: all(self.state(s)["waiting"] == 0 for s in pair) and all(
            s.sql("SELECT COUNT(*) FROM model_aliases") == [(2,)] for s in pair), "what one has at the other")
        # What goes in a circle never ends: what comes behind it is sent, and then nothing waits.
        for at, server in enumerate(pair):
            self.call(server, "POST", "registered-models/set-tag", name=f"mine {at}", key="last", value="1")
        told = "SELECT COUNT(*) FROM registered_model_tags WHERE key = 'last'"
        harness.until(lambda: all(s.sql(told) == [(2,)] and self.state(s)["waiting"] == 0 for s in pair), "the last change")
        for server in pair:
            counts = {t: server.sql(f"SELECT COUNT(*) FROM {t}")[0][0]
                      for t in ("runs", "logged_models", "registered_models", "model_versions", "model_aliases")}
            self.assertEqual(counts, {"runs": 2, "logged_models": 2, "registered_models": 3, "model_versions": 2, "model_aliases": 2})
            self.assertEqual(self.state(server)["dead"], 0)
            both = server.get("/api/2.0/mlflow/registered-models/get", name="both").json()["registered_model"]
            self.assertEqual(both["description"], f"of {server.port}")
            self.assertLess(self.state(server)["sent"], 60)

    def test_its_own_address_is_refused_at_start(self):
        for address in ("http://127.0.0.1:{}", "http://LOCALHOST:{}/", "http://[::1]:{}/mlflow"):
            server = harness.Server(start=False)
            self.addCleanup(server.close)
            server.extra_env = {"SKERRY_MIRROR_URL": address.format(server.port)}
            done = server.cli("serve", check=False)
            self.assertEqual((done.returncode, done.stdout), (2, b""))
            self.assertIn("SKERRY_MIRROR_URL is the address of this server", done.stderr.decode())

    def test_a_wrong_address_is_refused_at_start(self):
        server = harness.Server(env={"SKERRY_MIRROR_URL": "mlflow.example"}, start=False)
        self.addCleanup(server.close)
        done = server.cli("status", check=False)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("SKERRY_MIRROR_URL", done.stderr.decode())


if __name__ == "__main__":
    unittest.main()
