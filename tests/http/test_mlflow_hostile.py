# SPDX-License-Identifier: GPL-3.0-or-later
"""What should not come from an MLflow client, and what it should not be able to do: numbers that are none, texts at
and beyond their limits, paths that lead out, things that were deleted, many at once, programs that die. The traps of
MLflow's API, one by one, are in the table at the end of tests/interop/mlflow/NOTES.md; some are tested here."""
import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
import unittest

import harness

API = "/api/2.0/mlflow"
PROXY = "/api/2.0/mlflow-artifacts/artifacts"
JSON = {"Content-Type": "application/json"}
BAD = "INVALID_PARAMETER_VALUE"
ERROR = {"error_code", "message", "sqlstate", "error_class"}

# A client in a process of its own: sends without an end, and says when the server has some of it.
UPLOADER = """
import socket, sys
port, path, chunked = int(sys.argv[1]), sys.argv[2], sys.argv[3] == "chunked"
c = socket.create_connection(("127.0.0.1", port))
head = "Transfer-Encoding: chunked" if chunked else "Content-Length: 100000000"
c.sendall(f"PUT {path} HTTP/1.1\\r\\nHost: 127.0.0.1\\r\\n{head}\\r\\n\\r\\n".encode())
piece = b"h" * 65536
while True:
    c.sendall((b"10000\\r\\n" + piece + b"\\r\\n") if chunked else piece[:4096])
    print("more", flush=True)
"""


class Hostile(harness.ServerTest):
    def call(self, method, path, expect=200, **body):
        reply = self.server.request(method, path if path.startswith("/api") else API + path, json.dumps(body), JSON)
        self.assertEqual(reply.status, expect, f"{path} {str(body)[:200]}: {reply}")
        return reply.json()

    def post(self, path, expect=200, **body):
        return self.call("POST", path, expect, **body)

    def get(self, path, expect=200, **query):
        reply = self.server.get(API + path, **query)
        self.assertEqual(reply.status, expect, reply)
        return reply.json()

    def raw(self, path, text, expect):
        reply = self.server.request("POST", API + path, text.encode(), JSON)
        self.assertEqual(reply.status, expect, f"{text[:200]}: {reply}")
        return reply.json()

    def refused(self, path, text, code=BAD, expect=400, **body):
        answer = self.post(path, expect, **body)
        self.assertEqual((answer["error_code"], set(answer)), (code, ERROR), answer)
        self.assertIn(text, answer["message"])

    def run_id(self, experiment="0"):
        return self.post("/runs/create", experiment_id=experiment)["run"]["info"]["run_id"]

    def data(self, run):
        return self.get("/runs/get", run_id=run)["run"]["data"]

    # ------------------------------------------------------------------ numbers

    def test_numbers_that_json_does_not_know_are_texts_or_refused(self):
        run = self.run_id()
        for key, value, stored in (("a", '"NaN"', "NaN"), ("b", '"Infinity"', 1.7976931348623157e308),
                                   ("c", '"-Infinity"', -1.7976931348623157e308), ("d", "1e-400", 0), ("e", "1.7976931348623157e308",
                                                                                                     1.7976931348623157e308)):
            self.raw("/runs/log-metric", f'{{"run_id":"{run}","key":"{key}","value":{value},"timestamp":1}}', 200)
            self.raw("/runs/log-batch", f'{{"run_id":"{run}","metrics":[{{"key":"{key}","value":{value},"timestamp":2,"step":1}}]}}', 200)
            history = self.get("/metrics/get-history", run_id=run, metric_key=key)["metrics"]
            self.assertEqual([m["value"] for m in history], [stored, stored])
        for value in ("NaN", "Infinity", "-Infinity", "1e999", "-1e999", '"nan"', '"inf"', '"+Infinity"', '"1e999"', '"0x10"', '" 1"',
                      '""', "null", '"1_000"', "true", "[]", "{}", '"NaN "'):
            for path, text in (("/runs/log-metric", f'{{"run_id":"{run}","key":"z","value":{value},"timestamp":1}}'),
                               ("/runs/log-batch", f'{{"run_id":"{run}","metrics":[{{"key":"z","value":{value},"timestamp":1}}]}}')):
                answer = self.raw(path, text, 400)
                self.assertEqual(answer["error_code"], BAD, value)
        for field in ("timestamp", "step"):
            for value in ("1.5", "9223372036854775808", "-9223372036854775809", "1e19", '"x"', '"1.0"', "NaN", "true", "[]", "1e400"):
                with self.subTest(field=field, value=value):
                    other = '"timestamp":1,' if field == "step" else ""
                    self.raw("/runs/log-metric", f'{{"run_id":"{run}","key":"z","value":1,{other}"{field}":{value}}}', 400)
        self.raw("/runs/log-metric", f'{{"run_id":"{run}","key":"z","value":1,"timestamp":-1}}', 400)
        self.assertEqual(sorted(m["key"] for m in self.data(run)["metrics"]), list("abcde"))
        edge = {"timestamp": 2**63 - 1, "step": -2**63}
        self.post("/runs/log-metric", run_id=run, key="edge", value=1, **edge)
        self.assertEqual({k: v for k, v in self.get("/metrics/get-history", run_id=run, metric_key="edge")["metrics"][0].items()
                          if k in edge}, edge)
        # what is read back is JSON for every parser, where no client asks for more
        def no_constant(text):
            raise AssertionError(f"{text} is no JSON")
        for path in (f"{API}/runs/get?run_id={run}", f"{API}/metrics/get-history?run_id={run}&metric_key=a", f"/v1/runs/{run}",
                     f"/v1/runs/{run}/metrics/a"):
            reply = self.server.get(path)
            self.assertEqual(reply.status, 200, reply)
            json.loads(reply.body, parse_constant=no_constant)
        for path in ("get-history-bulk?run_id", "get-history-bulk-interval?run_ids"):
            reply = self.server.get(f"/ajax-api/2.0/mlflow/metrics/{path}={run}&metric_key=a")
            self.assertEqual({m["value"] for m in json.loads(reply.body, parse_constant=no_constant)["metrics"]}, {"NaN"})

    def test_params_are_texts_whatever_they_look_like(self):
        run = self.run_id()
        texts = ["NaN", "nan", "Infinity", "-inf", "null", "1e999", "\u20ac" * 100, "'; DROP TABLE runs; --", "\u202e", "a\tb\nc", "{}"]
        for i, text in enumerate(texts):
            self.post("/runs/log-parameter", run_id=run, key=f"p{i:02}", value=text)
        self.assertEqual([p["value"] for p in sorted(self.data(run)["params"], key=lambda p: p["key"])], texts)
        for value in ("NaN", "1", "true", "[]", "{}"):
            self.raw("/runs/log-parameter", f'{{"run_id":"{run}","key":"x","value":{value}}}', 400)
        for text in ('"a\\u0000b"', '"\\ud800"', '"\\udc00x"'):  # NUL, halves of pairs
            self.raw("/runs/log-parameter", f'{{"run_id":"{run}","key":"x","value":{text}}}', 400)
        reply = self.server.request("POST", API + "/runs/set-tag", b'{"run_id":"%s","key":"x","value":"\xff"}' % run.encode(), JSON)
        self.assertEqual(reply.status, 400, reply)
        self.assertEqual(len(self.data(run)["params"]), len(texts))
        for text in ("metrics.a = NaN", "metrics.a > Infinity", "metrics.a > 1e999", "metrics.a = 'x'", "params.a = 3"):
            self.refused("/runs/search", "", experiment_ids=["0"], filter=text)

    # ------------------------------------------------------------------ lengths

    def test_lengths_are_counted_in_characters(self):
        run = self.run_id()
        for letter in ("x", "\u20ac", "\U0001f600"):  # of 1, 3 and 4 bytes
            is_plain = letter != "\U0001f600"
            for path, more in (("/runs/log-metric", {"value": 1, "timestamp": 1}), ("/runs/log-parameter", {"value": "v"}),
                               ("/runs/set-tag", {"value": "v"})):
                if is_plain:  # MLflow's names have letters only
                    self.post(path, run_id=run, key=letter * 250, **more)
                self.post(path, 400, run_id=run, key=letter * 251, **more)
            for length, kept in ((6000, 6000), (6001, 6000)):
                self.post("/runs/log-parameter", run_id=run, key=f"p{ord(letter)}-{length}", value=letter * length)
                self.assertEqual([len(p["value"]) for p in self.data(run)["params"] if p["key"] == f"p{ord(letter)}-{length}"], [kept])
            for length, kept in ((8000, 8000), (8001, 8000)):
                self.post("/runs/set-tag", run_id=run, key="t", value=letter * length)
                self.assertEqual([t["value"] for t in self.data(run)["tags"] if t["key"] == "t"], [letter * kept])
        before = self.data(run)
        for what, count, text in (("metrics", 1001, "at most 1000 metrics"), ("params", 101, "at most 100 params"), ("tags", 101, "at most 100 tags")):
            items = [{"key": f"k{i}", "value": 1 if what == "metrics" else "v", "timestamp": 1} for i in range(count)]
            self.refused("/runs/log-batch", text, run_id=run, **{what: items})
        self.refused("/runs/log-batch", "1000", run_id=run, metrics=[{"key": "m", "value": i, "timestamp": i} for i in range(900)],
                     params=[{"key": f"q{i}", "value": "v"} for i in range(60)], tags=[{"key": f"u{i}", "value": "v"} for i in range(60)])
        # one that is too long spoils the batch, and nothing of it is there
        self.refused("/runs/log-batch", "'Param key' exceeds the maximum length of 250 characters", run_id=run, metrics=[{"key": "ok", "value": 1, "timestamp": 1}],
                     params=[{"key": "ok", "value": "1"}, {"key": "x" * 251, "value": "1"}])
        self.assertEqual(self.data(run), before)

    def test_texts_of_full_length_fit_when_they_are_escaped(self):
        """Clients write JSON in ASCII: a sign may take twelve bytes."""
        long = "\U0001f600" * 8000
        tags = [{"key": f"k{i}", "value": long} for i in range(40)]
        run = self.post("/runs/create", experiment_id="0", tags=tags)["run"]["info"]["run_id"]
        self.assertEqual(sorted(t["value"] == long for t in self.data(run)["tags"])[-40:], [True] * 40)
        self.post("/runs/log-batch", run_id=run, tags=tags)
        self.post("/experiments/create", name="long", tags=[{"key": "k", "value": "\u20ac" * 1600} for _ in range(1)] + [
            {"key": f"k{i}", "value": "x" * 4000} for i in range(30)])
        trace = "tr-" + "8" * 32
        self.post("/api/3.0/mlflow/traces", trace={"trace_info": {"trace_id": trace, "state": "OK", "trace_location": {
            "mlflow_experiment": {"experiment_id": "0"}}}})
        for version in ("2.0", "3.0"):
            self.call("PATCH", f"/api/{version}/mlflow/traces/{trace}/tags", key="k" + version, value=long)
        info = self.server.get(f"/api/3.0/mlflow/traces/{trace}").json()["trace"]["trace_info"]
        self.assertEqual({info["tags"]["k2.0"], info["tags"]["k3.0"]}, {long})

    def test_bodies_beyond_any_limit_are_refused_not_dropped(self):
        run = self.run_id()
        for body in (b"[" * 100000, b'{"a":' * 50000, b'"' + b"x" * 60000, b"{" + b'"a":1,' * 5000 + b"}", b"\x00" * 1000, b"\xff\xfe{}"):
            reply = self.server.request("POST", API + "/runs/log-batch", body, JSON)
            self.assertEqual(reply.status, 400, (body[:20], reply))
            self.assertEqual(set(reply.json()), ERROR)
        reply = self.server.request("POST", API + "/runs/set-tag", json.dumps({"run_id": run, "key": "k", "value": "x" * (3 << 20)}), JSON)
        self.assertEqual((reply.status, reply.json()["error_code"]), (400, BAD))  # 413 is not in MLflow's words, 5xx would be repeated
        self.assertEqual(self.server.get("/health").status, 200)

    # ------------------------------------------------------------------ deleted and restored

    def experiment(self, name, **more):
        return self.post("/experiments/create", name=name, **more)["experiment_id"]

    def stage(self, experiment):
        return self.get("/experiments/get", experiment_id=experiment)["experiment"]["lifecycle_stage"]

    def test_deleted_experiments_are_kept_and_come_back(self):
        experiment = self.experiment("tides")
        live, gone = self.run_id(experiment), self.run_id(experiment)
        self.post("/runs/log-metric", run_id=live, key="m", value=1, timestamp=1)
        self.post("/runs/delete", run_id=gone)
        self.post("/runs/delete", run_id=gone)  # again: fine
        self.post("/experiments/delete", experiment_id=experiment)
        self.assertEqual(self.stage(experiment), "deleted")
        self.assertEqual(self.get("/experiments/get-by-name", experiment_name="tides")["experiment"]["experiment_id"], experiment)
        self.refused("/experiments/delete", f"No Experiment with id={experiment} exists", "RESOURCE_DOES_NOT_EXIST", 404, experiment_id=experiment)
        self.refused("/experiments/create", "tides", "RESOURCE_ALREADY_EXISTS", name="tides")  # the name stays taken
        self.refused("/experiments/update", "", experiment_id=experiment, new_name="x")  # MLflow: 500
        self.refused("/runs/create", "", experiment_id=experiment)
        for path, more in (("/runs/set-tag", {"key": "k", "value": "v"}), ("/runs/log-parameter", {"key": "k", "value": "v"}),
                           ("/runs/log-metric", {"key": "k", "value": 1, "timestamp": 1}), ("/runs/update", {"status": "FINISHED"}),
                           ("/runs/log-batch", {"metrics": [{"key": "k", "value": 1, "timestamp": 1}]}), ("/runs/delete-tag", {"key": "k"})):
            self.refused(path, "must be in the 'active' state", run_id=live, **more)
        self.assertEqual(self.data(live)["metrics"][0]["value"], 1)  # and is read
        found = lambda view: {r["info"]["run_id"] for r in self.post("/runs/search", experiment_ids=[experiment], run_view_type=view).get("runs", [])}  # noqa: E731
        self.assertEqual((found("ACTIVE_ONLY"), found("DELETED_ONLY")), (set(), {live, gone}))
        names = lambda view: {e["name"] for e in self.post("/experiments/search", view_type=view, max_results=1000)["experiments"]}  # noqa: E731
        self.assertEqual(["tides" in names(v) for v in ("ACTIVE_ONLY", "DELETED_ONLY", "ALL")], [False, True, True])
        self.post("/experiments/restore", experiment_id=experiment)
        self.refused("/experiments/restore", f"No Experiment with id={experiment} exists", "RESOURCE_DOES_NOT_EXIST", 404, experiment_id=experiment)
        self.assertEqual(self.stage(experiment), "active")
        self.assertEqual(found("ACTIVE_ONLY"), {live, gone})  # as MLflow: all of them
        self.post("/runs/set-tag", run_id=live, key="k", value="v")
        # experiment 0 is there from the first start, and stays what runs without one go to
        self.assertEqual(self.get("/experiments/get", experiment_id="0")["experiment"]["name"], "Default")

    def test_what_is_made_again_is_new(self):
        for _ in range(2):
            self.post("/registered-models/create", name="again", tags=[{"key": "k", "value": "v"}])
            self.assertEqual(self.post("/model-versions/create", name="again", source="s3://b/x")["model_version"]["version"], "1")
            self.post("/registered-models/alias", name="again", alias="best", version="1")
            self.call("DELETE", "/registered-models/delete", name="again")
            self.get("/registered-models/get", 404, name="again")
            self.get("/model-versions/get", 404, name="again", version="1")
            self.get("/registered-models/alias", 404, name="again", alias="best")
        self.refused("/model-versions/create", "Registered Model with name=again", "RESOURCE_DOES_NOT_EXIST", 404, name="again", source="s3://b/x")

    # ------------------------------------------------------------------ many at once

    def ledger(self, name):
        return self.server.get(f"/v1/models/{name}/promotions", limit=1000).json()["items"][::-1]

    def at_once(self, jobs):
        """All start together; returns what they raised."""
        errors, barrier = [], threading.Barrier(len(jobs))

        def work(job):
            try:
                barrier.wait()
                job()
            except Exception as e:
                errors.append(e)
        threads = [threading.Thread(target=work, args=(job,)) for job in jobs]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        return errors

    def test_of_many_that_move_an_alias_one_wins(self):
        self.post("/registered-models/create", name="race")
        versions = [self.post("/model-versions/create", name="race", source="s3://b/x")["model_version"]["version"] for _ in range(24)]
        for _ in range(3):
            moves = [lambda v=v: self.post("/registered-models/alias", name="race", alias="prod", version=v) for v in versions]
            self.assertEqual(self.at_once(moves), [])
            rows, at = self.ledger("race"), 0
            for row in rows:
                self.assertEqual(row["from"], at, rows)
                self.assertNotEqual(row["from"], row["to"])
                at = row["to"]
            self.assertEqual(self.get("/registered-models/alias", name="race", alias="prod")["model_version"]["version"], str(at))
            self.assertEqual(self.get("/registered-models/get", name="race")["registered_model"]["aliases"], [{"alias": "prod", "version": str(at)}])
        self.assertEqual([int(n) for (n,) in self.server.sql("SELECT COUNT(*) FROM model_aliases WHERE name = 'race'")], [1])

    def test_an_alias_never_points_at_what_is_deleted(self):
        self.post("/registered-models/create", name="falls")
        versions = [self.post("/model-versions/create", name="falls", source="s3://b/x")["model_version"]["version"] for _ in range(12)]

        def drop(version):
            self.call("DELETE", "/model-versions/delete", name="falls", version=version)

        def move(version):
            reply = self.server.post(API + "/registered-models/alias", {"name": "falls", "alias": f"a{version}", "version": version})
            self.assertIn(reply.status, (200, 404), reply)
        self.assertEqual(self.at_once([lambda v=v: drop(v) for v in versions] + [lambda v=v: move(v) for v in versions]), [])
        self.assertEqual(self.get("/registered-models/get", name="falls")["registered_model"].get("aliases", []), [])
        at = {}
        for row in self.ledger("falls"):
            self.assertEqual(row["from"], at.get(row["alias"], 0))
            at[row["alias"]] = row["to"]
        self.assertEqual(set(at.values()) - {0}, set())

    def test_names_and_numbers_are_given_once(self):
        replies = []
        make = lambda: replies.append(self.server.post(API + "/experiments/create", {"name": "one"}).status)  # noqa: E731
        self.assertEqual(self.at_once([make] * 16), [])
        self.assertEqual(sorted(replies), [200] + [400] * 15)
        self.post("/registered-models/create", name="counted")
        numbers = []
        add = lambda: numbers.append(int(self.post("/model-versions/create", name="counted", source="s3://b/x")["model_version"]["version"]))  # noqa: E731
        self.assertEqual(self.at_once([add] * 20), [])
        self.assertEqual(sorted(numbers), list(range(1, 21)))
        run, kept = self.run_id(), []

        def param(value):
            reply = self.server.post(API + "/runs/log-parameter", {"run_id": run, "key": "p", "value": value})
            kept.append((reply.status, value))
        self.assertEqual(self.at_once([lambda i=i: param(str(i)) for i in range(16)]), [])
        winner, = [v for status, v in kept if status == 200]
        self.assertEqual((self.data(run)["params"], {s for s, _ in kept}), ([{"key": "p", "value": winner}], {200, 400}))

    # ------------------------------------------------------------------ files

    def objects(self):
        return sorted(self.server.objects.glob("*/*"))

    def temporary(self):
        return self.server.half_written

    @unittest.skipIf(harness.TEST_BLOBS, "the files are the S3 store's")
    def test_a_link_in_place_of_the_bytes_is_not_followed(self):
        secret = self.server.home / "secret.txt"
        body = b"the bytes that were logged"
        secret.write_bytes(b"what nobody may read here!"[:len(body)])
        self.assertEqual(self.server.request("PUT", f"{PROXY}/linked/f.txt", body).status, 200)
        digest = hashlib.sha256(body).hexdigest()
        place, = [p for p in self.objects() if digest.endswith(p.name)]
        place.unlink()
        place.symlink_to(secret)
        try:
            reply = self.server.get(f"{PROXY}/linked/f.txt")
            self.assertNotIn(secret.read_bytes(), reply.body)
            self.assertGreaterEqual(reply.status, 400, reply)
        except OSError:
            pass  # broken off is as good
        finally:
            place.unlink()
            self.assertEqual(self.server.request("PUT", f"{PROXY}/linked/f.txt", body).status, 200)
        self.assertEqual(self.server.get(f"{PROXY}/linked/f.txt").body, body)
        self.server.expect_error("http.request")  # rightly

    def test_nothing_outside_the_home_is_written_or_read(self):
        outside = self.server.home.parent / (self.server.home.name + "-outside")
        for path in (f"../{outside.name}/x", f"..%2f{outside.name}%2fx", f"%2e%2e/{outside.name}/x", f"a/%252e%252e/%252e%252e/{outside.name}",
                     f"{outside}/x", f"%2F{str(outside)[1:]}/x", "....//x/../../y", "a/..;/b", "%c0%ae%c0%ae/x", "%u002e%u002e/x", "a/%00../x",
                     "..\\x", "..%5cx"):
            for method in ("PUT", "GET", "DELETE"):
                reply = self.server.request(method, f"{PROXY}/{path}", b"x" if method == "PUT" else None)
                self.assertLess(reply.status, 500, (path, reply))
        self.assertFalse(outside.exists())
        self.assertEqual([p for p in self.server.home.rglob("*") if p.is_symlink() or p.name in ("x", "y")], [])

    def test_a_client_that_is_killed_while_it_sends_leaves_nothing(self):
        before = self.objects()
        for how in ("chunked", "length"):
            path = f"{PROXY}/killed/{how}.bin"
            with subprocess.Popen([sys.executable, "-c", UPLOADER, str(self.server.port), path, how], stdout=subprocess.PIPE) as client:
                for _ in range(30):
                    client.stdout.readline()
                harness.until(self.temporary, "nothing of it has arrived")
                os.kill(client.pid, signal.SIGKILL)
            harness.until(lambda: not self.temporary(), "the half of a file stays")
            self.assertEqual(self.server.get(path).status, 404)
        self.assertEqual(self.objects(), before)
        self.assertEqual(self.server.get(PROXY + "?path=killed").json(), {})
        self.assertEqual([int(n) for (n,) in self.server.sql("SELECT COUNT(*) FROM files WHERE path LIKE 'killed%'")], [0])

    # ------------------------------------------------------------------ the rest of the traps

    def test_only_200_and_an_object_say_that_it_went_well(self):
        """Clients take 200 only, read every body as JSON, and repeat what is 5xx for minutes."""
        run = self.run_id()
        for method, path, body in (("POST", "/runs/set-tag", {"run_id": run, "key": "k", "value": "v"}),
                                   ("POST", "/runs/log-batch", {"run_id": run}), ("POST", "/runs/delete", {"run_id": run}),
                                   ("POST", "/runs/restore", {"run_id": run}),
                                   ("POST", "/experiments/set-experiment-tag", {"experiment_id": "0", "key": "k", "value": "v"})):
            reply = self.server.request(method, API + path, json.dumps(body), JSON)
            self.assertEqual((reply.status, reply.body), (200, b"{}"), path)
        for method, path, status in (("GET", "/nothing/here", 404), ("PUT", "/x", 404), ("POST", "/runs/get", 405), ("GET", "/runs/create", 405),
                                     ("DELETE", "/runs/delete", 405)):
            for prefix in (API, "/ajax-api/2.0/mlflow"):
                reply = self.server.request(method, prefix + path, None if method == "GET" else "{}", JSON)
                self.assertEqual((reply.status, reply.json()["error_code"]), (status, "ENDPOINT_NOT_FOUND"), (method, path))

    def test_a_runs_name_and_its_tag_are_one(self):
        run = self.run_id()
        name = lambda: (self.get("/runs/get", run_id=run)["run"]["info"]["run_name"],  # noqa: E731
                        next(t["value"] for t in self.data(run)["tags"] if t["key"] == "mlflow.runName"))
        for path, more in (("/runs/set-tag", {"key": "mlflow.runName", "value": "by tag"}), ("/runs/update", {"run_name": "by name"}),
                           ("/runs/log-batch", {"tags": [{"key": "mlflow.runName", "value": "by batch"}]})):
            self.post(path, run_id=run, **more)
            wanted = more.get("run_name") or more.get("value") or more["tags"][0]["value"]
            self.assertEqual(name(), (wanted, wanted))
        for path, more in (("/runs/set-tag", {"key": "mlflow.runName", "value": ""}), ("/runs/update", {"run_name": ""})):
            self.post(path, run_id=run, **more)
            self.assertEqual(name(), ("by batch", "by batch"))
        self.assertEqual(self.post("/runs/create", experiment_id="0", tags=[{"key": "mlflow.runName", "value": "x"}])["run"]["info"]["run_name"], "x")

    def test_what_is_promised_by_the_version_is_there(self):
        """Clients ask /version, and from 3.4 on send spans as protobuf; server-info says what they need not try."""
        reply = self.server.get("/version")
        self.assertEqual((reply.status, reply.text), (200, "3.17.2"))
        info = self.server.get("/api/3.0/mlflow/server-info").json()
        self.assertEqual((info["store_type"], info["multipart_uploads_enabled"], info["multipart_downloads_enabled"]), ("SqlStore", False, False))
        reply = self.server.request("POST", "/v1/traces", b"", {"Content-Type": "application/x-protobuf", "x-mlflow-experiment-id": "0"})
        self.assertEqual((reply.status, list(reply.json())), (400, ["detail"]), reply)  # there, but nothing was sent
        self.assertEqual(self.server.get("/health").status, 200)

    def test_twins_and_python_s_words(self):
        """Some addresses are asked with GET and with POST; lists repeat a parameter; booleans are True and False."""
        self.post("/registered-models/create", name="twin")
        self.post("/model-versions/create", name="twin", source="s3://b/x")
        self.post("/registered-models/alias", name="twin", alias="best", version="1")
        for path, body, query in (("/experiments/search", {"max_results": 5, "filter": "name = 'Default'"}, "max_results=5&filter=name%20%3D%20'Default'"),
                                  ("/registered-models/get-latest-versions", {"name": "twin", "stages": ["None", "Staging"]},
                                   "name=twin&stages=None&stages=Staging")):
            reply = self.server.get(f"{API}{path}?{query}")
            self.assertEqual((reply.status, reply.json()), (200, self.post(path, **body)))
        runs = [self.run_id(), self.run_id()]
        for run in runs:
            self.post("/runs/log-metric", run_id=run, key="m", value=1, timestamp=1)
        asked = "&".join(f"run_ids={run}" for run in runs)
        self.assertEqual(len(self.server.get(f"{API}/metrics/get-history-bulk-interval?{asked}&metric_key=m").json()["metrics"]), 2)
        trace = "tr-" + "9" * 32
        self.post("/api/3.0/mlflow/traces", trace={"trace_info": {"trace_id": trace, "state": "OK", "trace_location": {
            "mlflow_experiment": {"experiment_id": "0"}}}})
        for word in ("True", "true", "False", "false"):
            self.assertIn(self.server.get(f"/api/3.0/mlflow/traces/get?trace_id={trace}&allow_partial={word}").status, (200, 404), word)
        # a search for versions knows no aliases, the version itself does; its number is a text, times are numbers
        found, = self.get("/model-versions/search", filter="name='twin'")["model_versions"]
        self.assertNotIn("aliases", found)
        got = self.get("/model-versions/get", name="twin", version="1")["model_version"]
        self.assertEqual((got["aliases"], got["version"], type(got["creation_timestamp"])), (["best"], "1", int))

    def test_a_foreign_host_is_told_what_to_set(self):
        reply = self.server.get(API + "/experiments/get?experiment_id=0", headers={"Host": "evil.example"})
        self.assertEqual((reply.status, reply.json()["error_code"]), (403, "PERMISSION_DENIED"), reply)
        self.assertIn("SKERRY_HOSTS", reply.json()["message"])
        reply = self.server.request("POST", API + "/runs/create", '{"experiment_id":"0"}', {**JSON, "Origin": "http://evil.example"})
        self.assertEqual(reply.status, 403, reply)


if __name__ == "__main__":
    unittest.main()
