# SPDX-License-Identifier: GPL-3.0-or-later
"""/openapi.json is valid OpenAPI 3.1 for a validator that is not ours, and its examples fit its schemas."""
import copy
import unittest

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
        game = self.server.get("/v1/games/recent?limit=1").json()[0]["id"]
        version = str(World.model["modelVersion"])
        return {"games": game, "datasets": World.dataset["id"], "byName": World.dataset["name"], "ingest": World.ingest["runId"],
                "runs": World.training["runId"], "trainings": World.training["runId"], "training": World.training["runId"],
                "jobs": World.training["jobId"], "models": World.model["modelId"], "versions": version,
                "lineage": World.dataset["id"], "play": World.play["gameId"], "selfplay": World.match["runId"],
                "evaluations": World.must("GET", "/v1/evaluations?limit=1")["items"][0]["evaluationId"],
                "eval": World.must("GET", "/v1/evaluations?limit=1")["items"][0]["evaluationId"],
                "train": World.training["runId"], "label": "component",
                "analytics": "move_count", "metrics": "loss", "artifacts": "training_report.json"}

    def fill(self, path, ids):
        """None for what this test cannot name or what never ends."""
        if path.endswith("/events") or "/keys" in path:
            return None
        parts = path.strip("/").split("/")
        out = []
        for i, part in enumerate(parts):
            if part.startswith("{"):
                part = ids.get("selfplay" if "selfplay" in path else parts[i - 1])
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
        self.assertLess(len(unfilled), 5, unfilled)
        self.assertEqual(wrong, [], "\n" + "\n".join(wrong))


if __name__ == "__main__":
    unittest.main()
