# SPDX-License-Identifier: GPL-3.0-or-later
"""Clients' models answer over HTTP: as MLflow's scoring server did when it was asked the same (the recordings in
tests/interop/serving), and with the alias moving under load. The models are files that MLflow 2.22 wrote; they need the
system's libxgboost (Debian: libxgboost0)."""
import ctypes
import json
import pathlib
import sys
import threading
import tomllib
import unittest

import harness

SERVING = pathlib.Path(__file__).resolve().parents[1] / "interop" / "serving"
sys.path.insert(0, str(SERVING))
import cases  # noqa: E402
import compare  # noqa: E402
import world  # noqa: E402

MODELS = SERVING / "models"
BODY = cases.QUESTIONS["split"]


def has_library():
    try:
        ctypes.CDLL("libxgboost.so.0")
        return True
    except OSError:
        return False


def golden():
    with open(SERVING / "golden" / "2.22.json", encoding="utf-8") as f:
        return json.load(f)


class Refusals(harness.ServerTest):
    def refused(self, name, status, *words):
        reply = self.server.post(f"/v1/models/{name}/1/invocations", BODY)
        self.assertEqual(reply.status, status, reply)
        for word in words:
            self.assertIn(word, reply.json()["detail"])

    def test_another_flavour_is_named(self):
        path = "0/models/sklearn-1/artifacts"
        self.server.request("PUT", world.ARTIFACTS + path + "/MLmodel", (MODELS / "2.22/sklearn/MLmodel").read_bytes())
        world.register(self.server, "sklearn", 1, "mlflow-artifacts:/" + path)
        self.refused("sklearn", 501, "python_function, sklearn", "ONNX")

    def test_what_is_not_there(self):
        self.assertEqual(self.server.post("/v1/models/nobody/prod/invocations", BODY).status, 404)
        world.register(self.server, "elsewhere", 1, "s3://bucket/model")
        self.refused("elsewhere", 404, "s3://bucket/model")
        world.register(self.server, "hollow", 1, "mlflow-artifacts:/0/models/hollow")
        self.refused("hollow", 404, "MLmodel")

    def test_params_in_the_signature(self):
        path = "0/models/params-1/artifacts"
        text = (MODELS / "2.22/regressor/MLmodel").read_text("utf-8").replace("params: null", "params: '[{\"name\": \"p\"}]'")
        self.server.request("PUT", world.ARTIFACTS + path + "/MLmodel", text.encode())
        world.register(self.server, "params", 1, "mlflow-artifacts:/" + path)
        self.refused("params", 501, "params")

    def test_a_file_that_is_no_model(self):
        path = "0/models/broken-1/artifacts"
        world.put_files(self.server, MODELS / "2.22/regressor", path)
        self.server.request("PUT", world.ARTIFACTS + path + "/model.xgb", b"{L this is no model" * 10)
        world.register(self.server, "broken", 1, "mlflow-artifacts:/" + path)
        self.refused("broken", 501)
        self.assertEqual(self.server.get("/health").status, 200)


@unittest.skipUnless(has_library(), "libxgboost is not installed")
class Invocations(harness.ServerTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        world.add(cls.server, "swap", 1, MODELS / "2.22/regressor", "live")
        world.add(cls.server, "swap", 2, MODELS / "2.22/classifier")

    def test_answers_equal_the_recordings(self):
        rules = tomllib.loads((SERVING / "differences.toml").read_text("utf-8"))["rule"]
        asked, findings, _ = compare.compare(self.server, MODELS / "2.22", golden(), rules, lambda line: None)
        self.assertGreater(asked, 900)
        self.assertEqual(findings, [])

    def test_an_alias_that_moves_under_load(self):
        right = {"1": golden()["regressor"]["split"]["body"], "2": golden()["classifier"]["split"]["body"]}
        wrong, seen = [], set()

        def ask():
            for _ in range(150):
                reply = self.server.post("/v1/models/swap/live/invocations", BODY)
                version = reply.headers.get("X-Model-Version")
                seen.add(version)
                if reply.status != 200 or not compare.close(right.get(version), reply.json()):
                    wrong.append(reply)

        threads = [threading.Thread(target=ask) for _ in range(4)]
        for t in threads:
            t.start()
        version = 1
        while any(t.is_alive() for t in threads):
            version = 3 - version
            world.point(self.server, "swap", "live", version)
            reply = self.server.post("/v1/models/swap/live/invocations", BODY)  # the next request has the new one
            self.assertEqual(reply.headers["X-Model-Version"], str(version))
        for t in threads:
            t.join()
        self.assertEqual(wrong, [])
        self.assertEqual(seen, {"1", "2"})

    def test_a_model_says_what_it_takes(self):
        told = self.server.get("/v1/models/swap/2/invocations").json()
        self.assertEqual((told["modelVersion"], told["flavour"]), ("2", "xgboost"))
        self.assertEqual([c["name"] for c in told["inputs"]], cases.COLUMNS)
        self.assertEqual(told["inputs"][3], {"name": "n", "type": "long", "required": True})
        active = self.server.get("/v1/models/active").json()["items"]
        self.assertIn(("swap", "2"), [(m["modelId"], m["modelVersion"]) for m in active])

    def test_predictions_and_refusals_are_counted(self):
        self.server.post("/v1/models/swap/1/invocations", BODY)
        before = self.server.metric("skerry_scoring_rows_total", model="swap", version="1")
        self.server.post("/v1/models/swap/1/invocations", BODY)
        self.assertEqual(self.server.metric("skerry_scoring_rows_total", model="swap", version="1"), before + 3)
        self.server.post("/v1/models/swap/1/invocations", {"inputs": {"a": [1]}})
        self.assertGreater(self.server.metric("skerry_scoring_errors_total", reason="columns"), 0)
        self.assertTrue(self.server.logged("scoring.loaded", name="swap"))

    def test_too_many_values_at_once(self):
        body = {"inputs": [[1] * 4] * 500001}
        self.assertEqual(self.server.post("/v1/models/swap/1/invocations", body).status, 413)

    def test_a_newer_model_than_the_library_is_refused(self):
        library = ctypes.CDLL("libxgboost.so.0")
        numbers = [ctypes.c_int() for _ in range(3)]
        library.XGBoostVersion(*map(ctypes.byref, numbers))
        if (numbers[0].value, numbers[1].value) >= (3, 2):
            self.skipTest("this libxgboost is as new as the model")
        world.add(self.server, "newer", 1, MODELS / "3/regressor")
        reply = self.server.post("/v1/models/newer/1/invocations", BODY)
        self.assertEqual(reply.status, 501)
        self.assertIn("3.2.0", reply.json()["detail"])


if __name__ == "__main__":
    unittest.main()
