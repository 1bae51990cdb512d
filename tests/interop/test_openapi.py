# SPDX-License-Identifier: GPL-3.0-or-later
"""/openapi.json is valid OpenAPI 3.1 for a validator that is not ours, and its examples fit its schemas."""
import copy
import json
import re
import unittest
import urllib.parse

from openapi_spec_validator import OpenAPIV31SpecValidator
from openapi_spec_validator.validation.exceptions import OpenAPIValidationError
from openapi_schema_validator import OAS31Validator

from world import World


def problems(document):
    return [f"{'/'.join(map(str, e.absolute_path))}: {e.message}" if hasattr(e, "absolute_path") else str(e)
            for e in OpenAPIV31SpecValidator(document).iter_errors()]


class OpenApi(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = World.get()
        cls.document = cls.server.get("/openapi.json").json()

    def operations(self):
        for path, item in self.document["paths"].items():
            for method, operation in item.items():
                yield path, method, operation

    def test_it_is_valid(self):
        self.assertTrue(self.document["openapi"].startswith("3.1."))
        self.assertGreater(len(self.document["paths"]), 50)
        self.assertEqual(problems(self.document), [])

    def test_the_validator_does_complain(self):
        for damage in (lambda d: d.pop("info"), lambda d: d["info"].pop("title"),
                       lambda d: d["paths"]["/v1/games/{id}"]["get"]["parameters"][0].pop("in")):
            broken = copy.deepcopy(self.document)
            damage(broken)
            try:
                found = problems(broken)
            except (OpenAPIValidationError, LookupError) as raised:
                found = [raised]  # instead of listed: a complaint as well
            self.assertTrue(found)

    def test_schemas_are_json_schema(self):
        def schemas(node):
            if isinstance(node, dict):
                for key, value in node.items():
                    if key == "schema":
                        yield value
                    yield from schemas(value)
            elif isinstance(node, list):
                for value in node:
                    yield from schemas(value)
        found = list(schemas(self.document))
        self.assertGreater(len(found), 100)
        for schema in found:
            OAS31Validator.check_schema(schema)

    def test_examples_fit_their_schemas(self):
        seen = 0
        for path, method, operation in self.operations():
            body = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
            if "example" in body:
                seen += 1
                errors = [e.message for e in OAS31Validator(body["schema"]).iter_errors(body["example"])]
                self.assertEqual(errors, [], f"{method} {path}")
        self.assertGreater(seen, 3)

    def ids(self):
        """What fills the braces: the last word before them, or of the whole path, says what is meant."""
        newest = self.server.get("/v1/games/recent?limit=1").json()[0]
        asset = re.search(r'/ui/assets/([^"]+)"', self.server.get("/ui/").text)[1]
        game, player = newest["id"], urllib.parse.quote(newest["white"], safe="")
        version = str(World.model["modelVersion"])
        logged = World.must("POST", "/api/2.0/mlflow/logged-models", {"experiment_id": "0"})["model"]["info"]["model_id"]
        trace = "tr-" + "7" * 32
        World.must("POST", "/api/3.0/mlflow/traces", {"trace": {"trace_info": {"trace_id": trace, "trace_location": {
            "mlflow_experiment": {"experiment_id": "0"}}, "state": "OK"}}})
        span = {"traceId": "7" * 32, "spanId": "0102030405060708", "name": "one", "startTimeUnixNano": "1", "endTimeUnixNano": "2"}
        self.server.request("POST", "/v1/traces", json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}),
                            {"Content-Type": "application/json", "x-mlflow-experiment-id": "0"})
        assessment = World.must("POST", f"/api/3.0/mlflow/traces/{trace}/assessments",
                                {"assessment": {"feedback": {"value": True}}})["assessment"]["assessment_id"]
        rounds = World.must("POST", "/start_game", {"policy": "logan", "player_name": "Ann"})["game_id"]
        while not World.must("POST", "/play", {"game_id": rounds, "user_move": "rock"})["finished"]:
            pass
        return {"logged-models": logged, "traces": trace, "assessments": assessment, "{id}": version, "<trace>": trace,
                "<run>": World.training["runId"], "<model>": World.model["modelId"], "<logged>": logged, "<experiment>": "0",
                "games": game, "players": player, "ui": "runs", "assets": asset, "datasets": World.dataset["id"], "byName": World.dataset["name"], "ingest": World.ingest["runId"],
                "runs": World.training["runId"], "trainings": World.training["runId"], "training": World.training["runId"],
                "jobs": World.training["jobId"], "models": World.model["modelId"], "versions": version,
                "lineage": World.dataset["id"], "play": World.play["gameId"], "selfplay": World.match["runId"],
                "evaluations": World.must("GET", "/v1/evaluations?limit=1")["items"][0]["evaluationId"],
                "eval": World.must("GET", "/v1/evaluations?limit=1")["items"][0]["evaluationId"],
                "train": World.training["runId"], "label": "component",
                "policy": "logan", "player": "Ann", "{game_id}": rounds, "serving": "xgboost",
                "analytics": "move_count", "metrics": "loss", "artifacts": "training_report.json"}

    def fill(self, path, ids):
        """None for what this test cannot name or what never ends."""
        if path.endswith("}/events") or "/keys" in path or "mlflow-artifacts/" in path or "/artifacts/files" in path \
                or "get-trace-artifact" in path or "mlflow/model-versions/get-artifact" in "mlflow" + path:
            return None  # presigned downloads are refused with 501, and files need to be there
        parts = path.strip("/").split("/")
        out = []
        for i, part in enumerate(parts):
            if part.startswith("{"):
                part = ids.get("selfplay" if "selfplay" in path else part if part == "{game_id}" else parts[i - 1])
                if part is None:
                    return None
            out.append(part)
        return "/" + "/".join(out)

    def test_reads_answer_what_they_promise(self):
        """Every GET: status and media type as documented, and the body fits its schema, nulls included."""
        wrong, seen, unfilled, ids = [], 0, [], self.ids()
        for template, method, operation in self.operations():
            if method != "get":
                continue
            path = self.fill(template, ids)
            if path is None:
                unfilled.append(template)
                continue
            example = operation.get("x-example")
            for end, query in {"/artifacts/list": "run_id=<run>", "/get-artifact": "run_id=<run>&path=training_report.json",
                               "/registered-models/alias": "name=<model>&alias=prod", "/traces/get": "trace_id=<trace>",
                               "/traces/batchGet": "trace_ids=<trace>"}.items():
                example = query if template.endswith(end) else example
            for word in [w for w in ids if w.startswith("<") and example and w in example]:
                example = example.replace(word, ids[word])
            reply = self.server.get(path + ("?" + example if example else ""))
            answer = operation["responses"].get(str(reply.status))
            if answer is None:
                wrong.append(f"{template} answered {reply.status}, which is not documented: {reply.text[:150]}")
                continue
            content = answer.get("content", {}).get("application/json")
            if not content:
                continue
            seen += 1
            errors = [f"{'/'.join(map(str, e.absolute_path))}: {e.message}"
                      for e in OAS31Validator(content["schema"]).iter_errors(reply.json())]
            if errors:
                wrong.append(f"{template}: {len(errors)} errors: " + "; ".join(sorted({e[:120] for e in errors})[:4]))
        self.assertGreater(seen, 40)
        self.assertLess(len([path for path in unfilled if "mlflow" not in path]), 5, unfilled)
        self.assertEqual(wrong, [], "\n" + "\n".join(wrong))


if __name__ == "__main__":
    unittest.main()
