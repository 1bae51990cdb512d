# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may do what over MLflow's API: every route with every role, by token and by password; keys that end; who did
it. And that nobody listens to the world without a key."""
import base64
import json
import subprocess
import unittest

import harness

# What a viewer may send although it is no GET: questions that are too long for an address.
QUESTIONS = {
    "/experiments/search", "/runs/search", "/traces/search", "/logged-models/search", "/experiments/search-datasets",
    "/metrics/get-history-bulk", "/metrics/get-history-bulk-interval", "/traces/batchGet", "/traces/batchGetInfos",
    "/registered-models/get-latest-versions", "/registered-models/search", "/model-versions/search", "/traces/calculate-filter-correlation",
    "/traces/metrics",
}


def bearer(key):
    return {"Authorization": "Bearer " + key}


def basic(name, password):
    return {"Authorization": "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()}


class Access(harness.ServerTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.keys = {}
        for role in ("admin", "analyst", "viewer"):
            cls.keys[role] = json.loads(cls.server.cli("key", "create", role + "-person", role, "--json").stdout)["key"]
        routes = cls.ask("GET", "/v1/permissions", "admin").json()["items"]
        cls.routes = [r for r in routes if r["app"] == "mlflow"]

    @classmethod
    def ask(cls, method, path, role=None, body=None, headers=None):
        headers = dict(headers or (bearer(cls.keys[role]) if role else {}))
        if body is not None:
            headers["Content-Type"] = "application/json"
        return cls.server.request(method, path, json.dumps(body) if body is not None else None, headers)

    def post(self, path, role, **body):
        reply = self.ask("POST", "/api/2.0/mlflow" + path, role, body)
        self.assertEqual(reply.status, 200, reply)
        return reply.json()

    @staticmethod
    def path(route):
        return route["path"].replace("{", "x").replace("}", "")

    def test_every_route_refuses_strangers_and_weaker_roles(self):
        ranks = {"public": 0, "viewer": 1, "analyst": 2, "admin": 3}
        self.assertGreater(len(self.routes), 80)
        for route in self.routes:
            what, needed = f"{route['method']} {route['path']}", ranks[route["access"]]
            body = {} if route["method"] not in ("GET", "PUT") else None
            for role in (None, "viewer", "analyst", "admin"):
                reply = self.ask(route["method"], self.path(route), role, body)
                if ranks.get(role, 0) >= needed:
                    self.assertNotIn(reply.status, (401, 403), (what, role))
                    continue
                self.assertEqual(reply.status, 403 if role else 401, (what, role, reply))
                if route["path"] != "/v1/traces":  # OpenTelemetry's own shape
                    self.assertEqual(reply.json()["error_code"], "PERMISSION_DENIED" if role else "UNAUTHENTICATED", what)
                if not role:
                    self.assertIn("WWW-Authenticate", reply.headers, what)

    def test_a_viewer_only_reads(self):
        """By the routes themselves, whatever their table says: what is no question needs more than a viewer."""
        for route in self.routes:
            tail = "/" + route["path"].split("/mlflow/", 1)[-1]
            asks = route["method"] == "GET" or any(tail.endswith(q) for q in QUESTIONS)
            if route["access"] in ("viewer", "public"):
                self.assertTrue(asks, route)
            elif route["method"] == "GET":
                self.fail(f"a viewer could read this: {route}")
        made = self.post("/runs/create", "analyst", experiment_id="0")["run"]["info"]["run_id"]
        for path, body in (("/runs/create", {"experiment_id": "0"}), ("/runs/delete", {"run_id": made}),
                           ("/runs/log-metric", {"run_id": made, "key": "a", "value": 1, "timestamp": 1}),
                           ("/experiments/create", {"name": "viewer's"}), ("/registered-models/create", {"name": "viewer's"})):
            self.assertEqual(self.ask("POST", "/api/2.0/mlflow" + path, "viewer", body).status, 403, path)
        reply = self.ask("GET", "/api/2.0/mlflow/runs/get?run_id=" + made, "viewer")
        self.assertEqual((reply.status, reply.json()["run"]["info"]["lifecycle_stage"]), (200, "active"))

    def test_tokens_and_passwords(self):
        """MLFLOW_TRACKING_TOKEN is a bearer, MLFLOW_TRACKING_USERNAME and _PASSWORD are Basic."""
        address = "/api/2.0/mlflow/experiments/get?experiment_id=0"
        key = self.keys["viewer"]
        for headers, status in ((bearer(key), 200), (basic("viewer-person", key), 200), (basic("anybody", key), 200),
                                (bearer(key + "x"), 401), (basic("viewer-person", "secret"), 401),
                                ({"Authorization": "Basic nonsense"}, 401), ({}, 401)):
            reply = self.ask("GET", address, headers=headers or {"X-None": "1"})
            self.assertEqual(reply.status, status, (headers, reply))

    def test_a_run_has_the_user_of_its_key(self):
        def user(role, **body):
            run = self.post("/runs/create", role, experiment_id="0", **body)["run"]
            return run["info"]["user_id"], {t["key"]: t["value"] for t in run["data"]["tags"]}.get("mlflow.user")
        self.assertEqual(user("analyst"), ("analyst-person", "analyst-person"))
        self.assertEqual(user("analyst", user_id="unknown"), ("analyst-person", "analyst-person"))  # MlflowClient says so
        self.assertEqual(user("admin", user_id="somebody"), ("somebody", None))
        self.assertEqual(user("admin", tags=[{"key": "mlflow.user", "value": "ada"}]), ("ada", "ada"))

    def test_the_doctor_is_for_all_and_a_thorough_one_for_admins(self):
        quick = {f["what"]: f for f in self.ask("GET", "/v1/doctor", "viewer").json()["items"]}
        self.assertTrue(all(f["nextStep"] is None for f in quick.values() if f["good"]))
        self.assertTrue(quick["store"]["good"], quick)
        self.assertNotIn("integrity", quick["store"]["state"])
        for role in ("viewer", "analyst"):
            reply = self.ask("GET", "/v1/doctor?thorough=true", role)
            self.assertEqual(reply.status, 403, reply)
        whole = {f["what"]: f for f in self.ask("GET", "/v1/doctor?thorough=true", "admin").json()["items"]}
        self.assertGreater(set(whole), set(quick))
        told = {f["what"]: f for f in json.loads(self.server.cli("doctor", "--json", check=False).stdout)}
        self.assertEqual(set(told), set(whole))
        self.assertEqual(told["store"], whole["store"])

    def test_the_audit_trail_says_who(self):
        made = self.post("/runs/create", "analyst", experiment_id="0")["run"]["info"]["run_id"]
        self.post("/runs/delete", "analyst", run_id=made)
        self.post("/runs/restore", "admin", run_id=made)
        experiment = self.post("/experiments/create", "analyst", name="audited")["experiment_id"]
        self.post("/experiments/set-experiment-tag", "analyst", experiment_id=experiment, key="skerry.keep_days", value="7")
        self.post("/experiments/delete", "admin", experiment_id=experiment)
        self.post("/registered-models/create", "analyst", name="audited")
        self.post("/model-versions/create", "analyst", name="audited", source=f"runs:/{made}/m", run_id=made)
        self.assertEqual(self.ask("DELETE", "/api/2.0/mlflow/model-versions/delete", "analyst",
                                  {"name": "audited", "version": "1"}).status, 200)
        self.assertEqual(self.ask("DELETE", "/api/2.0/mlflow-artifacts/artifacts/a/b", "analyst").status, 200)
        self.assertEqual(self.ask("POST", "/v1/maintenance/gc", "admin", {}).status, 202)
        rows = self.ask("GET", "/v1/admin/audit?limit=200", "admin").json()["items"]
        found = {(r["username"], r["action"], r["subject"]) for r in rows}
        for row in (("analyst-person", "run.delete", made), ("admin-person", "run.restore", made),
                    ("analyst-person", "experiment.rule", experiment), ("admin-person", "experiment.delete", experiment),
                    ("analyst-person", "model.create_version", "audited@1"), ("analyst-person", "model.delete", "audited@1"),
                    ("analyst-person", "artifact.delete", "a/b"), ("admin-person", "maintenance.gc", "")):
            self.assertIn(row, found)
        only = self.ask("GET", "/v1/admin/audit?user=admin-person&action=run.", "admin").json()["items"]
        self.assertEqual({(r["username"], r["action"]) for r in only}, {("admin-person", "run.restore")})
        self.assertEqual(self.ask("GET", "/v1/admin/audit", "analyst").status, 403)

    def test_keys_are_revoked_and_expire(self):
        made = self.ask("POST", "/v1/keys", "admin", {"username": "guest", "role": "viewer", "expiresInDays": 7}).json()
        self.assertTrue(made["expiresAt"])
        mine = "/api/2.0/mlflow/experiments/get?experiment_id=0"
        self.assertEqual(self.ask("GET", mine, headers=bearer(made["key"])).status, 200)
        self.server.cli("key", "revoke", made["id"])  # beside the running server
        reply = self.ask("GET", mine, headers=bearer(made["key"]))
        self.assertEqual((reply.status, reply.json()["error_code"]), (401, "UNAUTHENTICATED"))

        late = json.loads(self.server.cli("key", "create", "late", "viewer", "--days", "1", "--json").stdout)
        self.assertEqual(self.ask("GET", mine, headers=bearer(late["key"])).status, 200)
        self.server.sql("UPDATE auth_keys SET expires_ms = 1 WHERE id = ?", late["id"])
        self.server.cli("key", "create", "other", "viewer")  # the server looks again
        reply = self.ask("GET", mine, headers=bearer(late["key"]))
        self.assertEqual(reply.status, 401, reply)
        self.assertIn("expired", reply.json()["message"])
        listed = self.server.cli("key", "list").stdout.decode()
        self.assertRegex(listed, made["id"] + r"  viewer   revoked")
        self.assertRegex(listed, late["id"] + r"  viewer   expired")
        self.assertNotIn(late["key"], listed)
        for args in (("key", "create"), ("key", "create", "x", "king"), ("key", "create", "x", "--days", "-1"), ("key",),
                     ("key", "forget", "x")):
            self.assertEqual(self.server.cli(*args, check=False).returncode, 2, args)
        self.assertEqual(self.server.cli("key", "revoke", "nothing", check=False).returncode, 4)


class Exposed(unittest.TestCase):
    def test_the_first_key_counts_at_once(self):
        server = harness.Server()
        self.addCleanup(server.close)
        mine = "/api/2.0/mlflow/experiments/get?experiment_id=0"
        self.assertEqual(server.get(mine).status, 200)
        key = json.loads(server.cli("key", "create", "root", "admin", "--json").stdout)["key"]
        self.assertEqual(server.get(mine).status, 401)
        self.assertEqual(server.get(mine, headers=bearer(key)).status, 200)

    def test_nobody_listens_to_the_world_without_an_admin_key(self):
        server = harness.Server(start=False)
        self.addCleanup(server.close)
        server.extra_env["SKERRY_BIND"] = "0.0.0.0"
        server.cli("key", "create", "reader", "viewer")  # is not enough
        done = subprocess.run([harness.BINARY, "serve"], env=server.environment(), capture_output=True, timeout=60)
        self.assertEqual(done.returncode, 3, done)
        self.assertIn(b"skerry key create NAME admin", done.stderr)


if __name__ == "__main__":
    unittest.main()
