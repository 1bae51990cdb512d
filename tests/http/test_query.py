#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Grafana and promtool ask us as they ask Prometheus and Loki: do the shapes, errors and numbers fit?"""
import json
import pathlib
import re
import time
import unittest
import urllib.parse

import harness

BOARDS = pathlib.Path(harness.ROOT) / "deploy" / "grafana"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


class Query(harness.ServerTest):
    def prom(self, path="/api/v1/query", method="GET", **parameters):
        text = urllib.parse.urlencode(parameters, doseq=True)
        if method == "POST":
            return self.server.request("POST", path, text, FORM)
        return self.server.get(path + "?" + text)

    def value(self, query):
        reply = self.prom(query=query)
        self.assertEqual(reply.status, 200, reply)
        result = reply.json()["data"]["result"]
        return float(result[0]["value"][1]) if result else None

    def test_what_was_counted_is_there_at_once(self):
        for _ in range(5):
            self.server.get("/v1/status")
        def counted():
            return self.server.metric("chs_api_requests_total", uri="/v1/status") or 0
        harness.until(lambda: counted() >= 5, "the requests, counted after their replies,")
        harness.until(lambda: self.value('sum(chs_api_requests_total{uri="/v1/status"})') == counted(), "the same count")
        self.assertEqual(self.value("up"), 1)
        self.assertGreater(self.value("process_resident_memory_bytes"), 1e6)

    def test_a_form_body_is_as_good_as_a_query_string(self):
        for method in ("GET", "POST"):
            reply = self.prom(method=method, query='{__name__="up",job=~"s.+y"}', time="1700000000.5")
            self.assertEqual(reply.json(), {"status": "success", "data": {"resultType": "vector", "result": []}})
            reply = self.prom("/api/v1/query_range", method, query="vector(3)", start=100, end="1970-01-01T00:03:20Z", step="1m")
            self.assertEqual(reply.json()["data"], {"resultType": "matrix", "result": [
                {"metric": {}, "values": [[100, "3"], [160, "3"]]}]})
            reply = self.prom("/api/v1/series", method, **{"match[]": ["up", "process_open_fds"]})
            self.assertEqual(reply.json()["data"], [{"__name__": "process_open_fds"}, {"__name__": "up", "job": "skerry"}])
            names = self.prom("/api/v1/labels", method).json()["data"]
            self.assertEqual(names, sorted(set(names)))
            self.assertTrue({"__name__", "le", "uri", "outcome"} <= set(names))

    def test_the_other_paths_give_the_same(self):
        for path in ("/obs/prom/query", "/obs/prom/instant", "/v1/obs/promql"):
            self.assertEqual(self.prom(path, query="1+1", time=5).json()["data"], {"resultType": "scalar", "result": [5, "2"]})
        for path in ("/obs/prom/range", "/v1/obs/range"):
            self.assertEqual(self.prom(path, query="1", start=0, end=60, step=60).json()["data"]["resultType"], "matrix")
        for path in ("/obs/loki/range", "/obs/loki/query_range", "/v1/obs/loki", "/obs/loki/query"):
            self.assertEqual(self.prom(path, query='{component="http"}', limit=3).json()["data"]["resultType"], "streams")

    def test_values_of_labels_and_metadata(self):
        self.assertEqual(self.prom("/api/v1/label/job/values").json()["data"], ["skerry"])
        self.assertIn("up", self.prom("/api/v1/label/__name__/values").json()["data"])
        some = self.prom("/api/v1/label/le/values", **{"match[]": "chs_training_step_duration_seconds_bucket"}).json()["data"]
        self.assertEqual(len(some), 11)
        meta = self.prom("/api/v1/metadata").json()["data"]
        self.assertEqual(meta["chs_api_request_seconds"][0]["type"], "histogram")
        self.assertEqual(list(self.prom("/api/v1/metadata", metric="chs_games_stored").json()["data"]), ["chs_games_stored"])
        self.assertRegex(self.prom("/api/v1/status/buildinfo").json()["data"]["version"], r"^\d+\.\d+\.\d+$")

    def test_errors_have_prometheus_shape(self):
        cases = ((dict(query="up{"), 400, "bad_data", "character 4"),
                 (dict(), 400, "bad_data", "query"),
                 (dict(query="up", time="yesterday"), 400, "bad_data", "time"),
                 (dict(query="up", time="1e300"), 400, "bad_data", "time"),
                 (dict(query="up", timeout="soon"), 400, "bad_data", "timeout"),
                 (dict(query="chs_api_requests_total + on () chs_api_requests_total"), 422, "execution", "duplicate"))
        self.server.get("/v1/status")
        self.server.get("/v1/users/me")
        for parameters, status, kind, part in cases:
            reply = self.prom(**parameters)
            self.assertEqual((reply.status, reply.json()["status"], reply.json()["errorType"]), (status, "error", kind), reply)
            self.assertIn(part, reply.json()["error"])
        for parameters in (dict(start=0, end=11000, step=1), dict(start=5, end=1, step=1), dict(start=0, end=1, step=0),
                           dict(start=0, end=1, step=-5), dict(start=0, end=1), dict(end=1, step=1)):
            self.assertEqual(self.prom("/api/v1/query_range", query="up", **parameters).status, 400, parameters)
        self.assertEqual(self.prom("/api/v1/series").status, 400)
        self.assertEqual(self.prom("/api/v1/labels", **{"match[]": "{"}).status, 400)
        self.assertEqual(self.server.request("POST", "/api/v1/query", "query=%zz", FORM).status, 400)
        self.assertEqual(self.prom(query="up" + " " * 20000, method="POST").status, 400)

    def test_log_lines_are_found_and_counted(self):
        marker = "q" + str(time.monotonic_ns())
        for _ in range(3):
            self.server.get("/v1/nothing/" + marker)
        self.assertTrue(self.server.logged("http.request", path="/v1/nothing/" + marker))
        base = "/loki/api/v1/"
        ask = dict(query=f'{{component="http",level="warn"}} |= "{marker}" | json | status=404', direction="forward", limit=2)
        data = self.prom(base + "query_range", **ask).json()["data"]
        self.assertEqual(data["resultType"], "streams")
        values = [v for stream in data["result"] for v in stream["values"]]
        self.assertEqual(len(values), 2)
        self.assertEqual(json.loads(values[0][1])["path"], "/v1/nothing/" + marker)
        self.assertEqual(len(values[0][0]), 19)
        # The first one excluded by its own nanoseconds; the end as a date.
        later = self.prom(base + "query_range", **dict(ask, limit=10, start=int(values[0][0]) + 1000000, end="2100-01-01T00:00:00Z"))
        self.assertLessEqual(len([v for s in later.json()["data"]["result"] for v in s["values"]]), 2)
        count = f'sum by (level) (count_over_time({{component="http"}} |= "{marker}" [5m]))'
        result = self.prom(base + "query", query=count).json()["data"]["result"]
        self.assertEqual([(r["metric"], float(r["value"][1]) >= 3) for r in result if r["metric"]["level"] == "warn"], [({"level": "warn"}, True)])
        self.assertEqual(self.prom(base + "query", query="vector(1)+vector(1)").json()["data"]["result"][0]["value"][1], "2")
        self.assertIn("component", self.prom(base + "labels").json()["data"])
        self.assertIn("http.request", self.prom(base + "label/event/values").json()["data"])
        refused = self.prom(base + "query_range", query="{component=")
        self.assertEqual((refused.status, refused.headers["Content-Type"]), (400, "text/plain; charset=utf-8"))
        self.assertIn("character 12", refused.text)

    def test_every_panel_of_our_dashboards_is_answered(self):
        exposed = set(re.findall(r"^(\w+)", self.server.get("/metrics").text, re.M)) | {"up"}
        asked = 0
        for board in sorted(BOARDS.glob("*.json")):
            for panel in json.loads(board.read_text())["panels"]:
                for target in panel["targets"]:
                    expr = target["expr"].replace("$__rate_interval", "1m").replace("$model_id", ".*").replace("$model_version", ".*")
                    loki = target["datasource"]["type"] == "loki"
                    now = time.time()
                    reply = self.prom("/loki/api/v1/query_range" if loki else "/api/v1/query_range", query=expr, start=f"{now - 3600:.3f}",
                                      end=f"{now:.3f}", step=60)
                    self.assertEqual(reply.status, 200, (board.name, expr, reply))
                    for name in re.findall(r"\b(?:chs|skerry|process)_\w+", expr):
                        family = re.sub(r"_(bucket|sum|count)$", "", name)
                        known = name in exposed or name in self.families() or family in self.families()
                        self.assertTrue(known, f"{board.name}: there is no metric {name}")
                    asked += 1
        self.assertGreaterEqual(asked, 60)

    def families(self):
        """Metrics that have no series yet stand in the tables of the source only."""
        if not hasattr(Query, "names"):
            sources = (harness.ROOT / "src").rglob("*.c")
            Query.names = set(re.findall(r'"((?:chs|skerry|process)_\w+)"', "".join(f.read_text() for f in sources)))
        return Query.names


class WithKeys(harness.ServerTest):
    """Our keys and roles are what the reference's X-Obs-Api-Key is: once a key exists, each question needs one."""

    def test_a_viewer_may_ask_and_a_stranger_not(self):
        made = self.server.post("/v1/keys", {"username": "root", "role": "admin"}).json()
        admin = {"Authorization": "Bearer " + made["key"]}
        viewer = self.server.post("/v1/keys", {"username": "grafana", "role": "viewer"}, headers=admin).json()["key"]
        for path in ("/api/v1/query?query=up", "/loki/api/v1/labels", "/obs/prom/query?query=up"):
            self.assertEqual(self.server.get(path).status, 401, path)
            self.assertEqual(self.server.get(path, headers={"Authorization": "Bearer " + viewer}).status, 200, path)


if __name__ == "__main__":
    unittest.main()
