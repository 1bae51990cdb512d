# SPDX-License-Identifier: GPL-3.0-or-later
"""The registry over MLflow's REST API: one registry with our own models, one ledger, and nothing served that cannot be."""
import json
import threading
import unittest

import harness
import trained

API = "/api/2.0/mlflow"


class Registry:
    """Calls of MLflow's clients."""

    def call(self, method, path, expect=200, **body):
        raw = json.dumps(body).encode()
        reply = self.server.request(method, API + path, raw, {"Content-Type": "application/json"})
        self.assertEqual(reply.status, expect, reply)
        return reply.json()

    def post(self, path, expect=200, **body):
        return self.call("POST", path, expect, **body)

    def get(self, path, expect=200, **query):
        reply = self.server.get(API + path, **query)
        self.assertEqual(reply.status, expect, reply)
        return reply.json()

    def refused(self, method, path, code, text, expect=400, **body):
        answer = self.call(method, path, expect, **body)
        self.assertEqual(answer["error_code"], code, answer)
        self.assertIn(text, answer["message"])

    def name(self, name, **more):
        return self.post("/registered-models/create", name=name, **more)["registered_model"]

    def version(self, name, source="s3://bucket/x", **more):
        return self.post("/model-versions/create", name=name, source=source, **more)["model_version"]

    def model(self, name):
        return self.get("/registered-models/get", name=name)["registered_model"]

    def alias(self, name, alias, version, expect=200):
        return self.post("/registered-models/alias", expect, name=name, alias=alias, version=str(version))

    def ledger(self, name):
        """Rows oldest first, each alias checked to be a chain."""
        rows = self.server.get(f"/v1/models/{name}/promotions", limit=1000).json()["items"][::-1]
        at = {}
        for row in rows:
            self.assertEqual(row["from"], at.get(row["alias"], 0), rows)
            at[row["alias"]] = row["to"]
        return rows, {a: v for a, v in at.items() if v}


class MlflowRegistry(Registry, harness.ServerTest):
    def test_names_and_versions_have_the_shape_that_clients_parse(self):
        self.assertEqual(set(self.name("shape")), {"name", "creation_timestamp", "last_updated_timestamp"})
        made = self.version("shape", tags=[{"key": "k", "value": "v"}])
        self.assertEqual((made["version"], made["current_stage"], made["status"], made["description"], made["run_id"],
                          made["run_link"]), ("1", "None", "READY", "", "", ""))
        self.alias("shape", "best", 1)
        model = self.model("shape")
        self.assertEqual(model["aliases"], [{"alias": "best", "version": "1"}])
        self.assertNotIn("aliases", model["latest_versions"][0])
        self.assertEqual(self.get("/registered-models/alias", name="shape", alias="best")["model_version"]["aliases"], ["best"])
        for ask in (lambda: self.post("/registered-models/get-latest-versions", name="shape", stages=["none"]),
                    lambda: self.get("/registered-models/get-latest-versions", name="shape", stages="None")):
            self.assertEqual([v["version"] for v in ask()["model_versions"]], ["1"])
        self.assertEqual(self.get("/model-versions/get-download-uri", name="shape", version="01")["artifact_uri"],
                         "s3://bucket/x")
        changed = self.call("PATCH", "/model-versions/update", name="shape", version="1")["model_version"]
        self.assertNotIn("description", changed)

    def test_what_is_wrong_is_said_in_the_words_of_mlflow(self):
        self.name("words")
        self.version("words")
        bad = "INVALID_PARAMETER_VALUE"
        self.refused("POST", "/registered-models/create", "RESOURCE_ALREADY_EXISTS", "Registered Model (name=words) already exists.",
                     name="words")
        self.refused("POST", "/registered-models/create", bad, "Names cannot contain '/' or ':'", name="a/b")
        self.refused("POST", "/registered-models/create", bad, "required parameter 'name'")
        self.refused("PATCH", "/registered-models/update", "RESOURCE_DOES_NOT_EXIST", "Registered Model with name=no not found", 404,
                     name="no")
        self.refused("POST", "/registered-models/set-tag", bad, "'value' exceeds the maximum length of 100000 characters",
                     name="words", key="k", value="v" * 100001)
        self.refused("POST", "/model-versions/create", "RESOURCE_DOES_NOT_EXIST", "Registered Model with name=no", 404, name="no",
                     source="s3://b/x")
        for source, text in (("/etc/passwd", "To use a local path"), ("file:///etc", "'/etc'"), ("http://h/x", "'http' scheme"),
                             ("s3://b/%252e%252e/x", "relative path references"), ("mlflow-artifacts:/a/../b", "relative path"),
                             ("mlflow-artifacts:/0/x", "The run_id request parameter"), ("models:/words", "Not a proper models:/ URI"),
                             ("models:/m-0", "The model_id request parameter")):
            self.refused("POST", "/model-versions/create", bad, text, name="words", source=source)
        self.refused("POST", "/model-versions/create", "RESOURCE_DOES_NOT_EXIST", "(name=words, version=99)", 404, name="words",
                     source="models:/words/99")
        for alias, text in (("latest", "is reserved"), ("v1", "is reserved"), ("7", "is reserved"), ("a b", "Invalid alias name"),
                            ("a" * 256, "maximum length of 255")):
            self.refused("POST", "/registered-models/alias", bad, text, name="words", alias=alias, version="1")
        self.refused("POST", "/registered-models/alias", bad, "must be an integer, got 'x'", name="words", alias="a", version="x")
        self.refused("POST", "/registered-models/alias", "RESOURCE_DOES_NOT_EXIST", "(name=words, version=9) not found", 404,
                     name="words", alias="a", version="9")
        self.refused("POST", "/model-versions/transition-stage", bad, "Invalid Model Version stage: Live", name="words", version="1",
                     stage="Live")
        self.refused("POST", "/model-versions/transition-stage", bad, "is not an Active stage", name="words", version="1",
                     stage="Archived", archive_existing_versions=True)
        self.call("DELETE", "/registered-models/delete-tag", name="words", key="absent")
        self.call("DELETE", "/registered-models/alias", name="words", alias="absent")

    def test_deleted_things_are_gone_and_numbers_stay_taken(self):
        self.name("gone")
        for _ in range(2):
            self.version("gone")
        self.alias("gone", "best", 2)
        self.call("DELETE", "/model-versions/delete", name="gone", version="2")
        self.refused("DELETE", "/model-versions/delete", "RESOURCE_DOES_NOT_EXIST", "version=2", 404, name="gone", version="2")
        self.assertIn("Registered model alias best not found.",
                      self.get("/registered-models/alias", 400, name="gone", alias="best")["message"])
        self.assertEqual(self.ledger("gone")[1], {})
        self.assertEqual(self.version("gone")["version"], "3")
        self.alias("gone", "best", 3)
        self.assertEqual(self.post("/registered-models/rename", name="gone", new_name="new")["registered_model"]["aliases"],
                         [{"alias": "best", "version": "3"}])
        self.get("/registered-models/get", 404, name="gone")
        self.assertEqual(self.ledger("new")[1], {"best": 3})
        self.call("DELETE", "/registered-models/delete", name="new")
        self.get("/registered-models/get", 404, name="new")
        self.assertEqual([r["to"] for r in self.ledger("new")[0]], [2, 0, 3, 0])

    def test_aliases_that_eight_move_at_once_have_one_history(self):
        self.name("race")
        for _ in range(4):
            self.version("race")
        errors = []

        def move(worker):
            try:
                for i in range(20):
                    if (i + worker) % 5 == 0:
                        self.call("DELETE", "/registered-models/alias", name="race", alias="prod")
                    else:
                        self.alias("race", "prod", (i + worker) % 4 + 1)
            except AssertionError as e:
                errors.append(e)
        threads = [threading.Thread(target=move, args=(w,)) for w in range(8)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertEqual(errors, [])
        rows, at = self.ledger("race")
        self.assertTrue(all(r["from"] != r["to"] for r in rows))
        self.assertEqual({a["alias"]: int(a["version"]) for a in self.model("race").get("aliases", [])}, at)

    def test_a_model_is_logged_as_mlflow_3_does_it(self):
        run = self.post("/runs/create", experiment_id="0")["run"]["info"]["run_id"]
        model = self.post("/logged-models", experiment_id="0", name="net", source_run_id=run,
                          params=[{"key": "rate", "value": "0.1"}])["model"]
        id = model["info"]["model_id"]
        self.assertEqual(model["info"]["artifact_uri"], f"mlflow-artifacts:/0/models/{id}/artifacts")
        self.assertEqual(model["info"]["status"], "LOGGED_MODEL_PENDING")
        self.post("/runs/outputs", run_id=run, models=[{"model_id": id, "step": 0}])
        put = self.server.request("PUT", f"/api/2.0/mlflow-artifacts/artifacts/0/models/{id}/artifacts/data/MLmodel", b"flavors")
        self.assertEqual(put.status, 200)
        ready = self.call("PATCH", f"/logged-models/{id}", model_id=id, status="LOGGED_MODEL_READY")["model"]
        self.assertEqual(ready["info"]["status"], "LOGGED_MODEL_READY")
        self.post("/runs/log-metric", run_id=run, key="acc", value=0.5, timestamp=1, step=2, model_id=id)
        self.post(f"/logged-models/{id}/params", model_id=id, params=[{"key": "depth", "value": "3"}])
        self.refused("POST", f"/logged-models/{id}/params", "INVALID_PARAMETER_VALUE", "Changing param values", model_id=id,
                     params=[{"key": "depth", "value": "4"}])
        self.call("PATCH", f"/logged-models/{id}/tags", tags=[{"key": "a b", "value": "1"}])
        self.call("DELETE", f"/logged-models/{id}/tags/a%20b")
        self.refused("DELETE", f"/logged-models/{id}/tags/a%20b", "RESOURCE_DOES_NOT_EXIST", "No tag with key 'a b'", 404)
        files = self.get(f"/logged-models/{id}/artifacts/directories", artifact_directory_path="data")["files"]
        self.assertEqual(files, [{"path": "data/MLmodel", "is_dir": False, "file_size": 7}])
        self.name("logged")
        made = self.version("logged", source=f"models:/{id}", model_id=id)
        self.assertEqual((made["run_id"], made["source"]), (run, f"models:/{id}"))
        self.assertEqual(self.get("/model-versions/get-download-uri", name="logged", version="1")["artifact_uri"],
                         f"mlflow-artifacts:/0/models/{id}/artifacts")
        file = self.server.get("/model-versions/get-artifact?name=logged&version=1&path=data/MLmodel")
        self.assertEqual(file.text, "flavors")
        data = self.get(f"/logged-models/{id}")["model"]
        self.assertEqual(data["data"]["metrics"][0]["run_id"], run)
        self.assertEqual(data["info"]["tags"], [{"key": "mlflow.modelVersions", "value": '[{"name": "logged", "version": 1}]'}])
        graph = self.server.get(f"/v1/lineage/{run}").json()
        kinds = {n["id"]: n["type"] for n in graph["nodes"]}
        self.assertEqual(kinds[id], "model")
        self.assertEqual(sorted(n["name"] for n in graph["nodes"] if n["type"] == "model"), ["logged", "net"])
        self.call("DELETE", f"/logged-models/{id}")
        self.call("DELETE", f"/logged-models/{id}")
        self.get(f"/logged-models/{id}", 404)
        self.refused("PATCH", f"/logged-models/{id}", "RESOURCE_DOES_NOT_EXIST", id, 404, model_id=id, status="LOGGED_MODEL_READY")

    def test_clients_models_stand_in_v1_and_prompts_do_not(self):
        self.name("theirs")
        self.version("theirs", source="s3://bucket/theirs")
        self.name("greeting", tags=[{"key": "mlflow.prompt.is_prompt", "value": "true"}])
        self.version("greeting", source="dummy-source", tags=[{"key": "mlflow.prompt.is_prompt", "value": "true"},
                                                              {"key": "mlflow.prompt.text", "value": "Hello {{name}}"}])
        listed = {m["modelId"]: m["kind"] for m in self.server.get("/v1/models").json()}
        self.assertEqual(listed.get("theirs"), "mlflow")
        self.assertNotIn("greeting", listed)
        shown = self.server.get("/v1/models/theirs/versions").json()[0]
        self.assertEqual((shown["artifactUri"], shown["kind"], shown["digest"]), ("s3://bucket/theirs", "mlflow", ""))
        self.assertIn("from s3://bucket/theirs", self.server.cli("models").stdout.decode())
        load = self.server.post("/v1/models/load", {"modelId": "theirs", "modelVersion": "1"})
        self.assertEqual(load.status, 400, load)
        self.assertIn("of kind 'mlflow'", load.text)


class OurModels(Registry, trained.TrainedTest):
    """A model that this server trained, in the hands of an MLflow client."""

    def test_an_alias_that_a_client_moves_serves(self):
        name = self.model
        again = trained.train(self.server, self.dataset)
        newest = int(again["result"]["modelVersion"])
        self.alias(name, "prod", newest)
        active = {m["alias"]: m for m in self.server.get("/v1/models/active").json()["items"]}
        self.assertEqual(active["prod"]["modelVersion"], str(newest))
        rows, at = self.ledger(name)
        self.assertEqual((at["prod"], rows[-1]["reason"]), (newest, "set by an MLflow client"))

        found = self.get("/model-versions/get", name=name, version=str(newest))["model_version"]
        self.assertEqual(found["source"], f"mlflow-artifacts:/{self.experiment(found['run_id'])}/{found['run_id']}/artifacts/model")
        files = self.server.get("/api/2.0/mlflow-artifacts/artifacts?path=" + found["source"].split(":/", 1)[1]).json()["files"]
        self.assertEqual([f["path"] for f in files], ["net.bin"])

        # what cannot be loaded is not promoted, and what serves stays
        theirs = self.version(name)["version"]
        self.refused("POST", "/registered-models/alias", "INVALID_PARAMETER_VALUE", "cannot load", name=name, alias="prod",
                     version=theirs)
        self.assertEqual(self.ledger(name)[1]["prod"], newest)
        self.refused("DELETE", "/model-versions/delete", "INVALID_PARAMETER_VALUE", "may be serving", name=name, version=str(newest))
        self.refused("DELETE", "/registered-models/delete", "INVALID_PARAMETER_VALUE", "stay for lineage", name=name)
        self.server.stop()
        self.server.start()  # a client's newer version does not hide ours
        active = {m["alias"]: m for m in self.server.get("/v1/models/active").json()["items"]}
        self.assertEqual(active["prod"]["modelVersion"], str(newest))

    def experiment(self, run):
        return self.get("/runs/get", run_id=run)["run"]["info"]["experiment_id"]


if __name__ == "__main__":
    unittest.main()
