# SPDX-License-Identifier: GPL-3.0-or-later
"""What the client does not do: every endpoint asked directly, also wrongly. Nothing is asserted, all is recorded.

A session is a function of a Wire. It may use what the server answered, so that the recording learns its names.
"""
import gzip
import json
import urllib.error
import urllib.parse
import urllib.request

SESSIONS = {}
API = "/api/2.0/mlflow/"
API3 = "/api/3.0/mlflow/"
AJAX = "/ajax-api/2.0/mlflow/"
PROXY = "/api/2.0/mlflow-artifacts/"
T0 = 1600000000000   # a time of ours, not the server's


def session(name, since_3=False):
    def add(function):
        SESSIONS[name] = (function, since_3)
        return function
    return add


def sessions(suite):
    return {name: f for name, (f, since_3) in sorted(SESSIONS.items()) if suite != "2.22" or not since_3}


class Wire:
    def __init__(self, url):
        self.url = url

    def ask(self, method, path, body=None, query=(), **headers):
        """A dict or list becomes JSON; text and bytes go as they are. Returns parsed JSON or {}."""
        target = self.url + path
        if query:
            target += "?" + urllib.parse.urlencode(list(query))
        names = {k.replace("_", "-"): v for k, v in headers.items()}
        if isinstance(body, (dict, list)):
            body = json.dumps(body)
        if isinstance(body, str):
            body = body.encode()
        if body is not None:
            names.setdefault("Content-Type", "application/json")
        request = urllib.request.Request(target, data=body, method=method, headers=names)
        try:
            with urllib.request.urlopen(request, timeout=120) as reply:
                text = reply.read()
        except urllib.error.HTTPError as e:
            text = e.read()
            e.close()
        try:
            answer = json.loads(text)
            return answer if isinstance(answer, dict) else {}
        except ValueError:
            return {}

    def get(self, path, *query, **headers):
        return self.ask("GET", path, None, query, **headers)

    def post(self, path, body=None, **headers):
        return self.ask("POST", path, {} if body is None else body, **headers)

    def experiment(self, name, **more):
        return self.post(API + "experiments/create", {"name": name, **more})["experiment_id"]

    def run(self, experiment, **more):
        body = {"experiment_id": experiment, "user_id": "ann", "start_time": T0, **more}
        return self.post(API + "runs/create", body)["run"]["info"]["run_id"]


@session("raw-00-misc")
def misc(wire):
    for path in ("/health", "/version", API3 + "server-info", "/ajax-api/3.0/mlflow/server-info", "/metrics"):
        wire.get(path)
    wire.get("/nowhere")
    wire.get("/api/2.0/mlflow/nowhere")
    wire.post("/health")
    wire.ask("DELETE", API + "experiments/create")
    wire.get(API + "runs/create")
    wire.get("/health", Host="evil.example")
    wire.post(API + "experiments/search", {"max_results": 5, "filter": "name = 'none'"}, Origin="http://evil.example")
    wire.ask("OPTIONS", API + "experiments/search")
    wire.ask("HEAD", "/health")


@session("raw-01-bodies")
def bodies(wire):
    create = API + "experiments/create"
    wire.ask("POST", create)
    for body in ("", "not json", "[]", "null", "3", '"text"', "{", '{"name": 3}', '{"name": null}', '{"name": ["a"]}',
                 '{"name": {"a": 1}}', '{"name": ""}', '{"name": "bodies", "tags": "x"}', '{"name": "b", "tags": [1]}',
                 '{"nam": "x"}'):
        wire.ask("POST", create, body)
    wire.ask("POST", create, '{"name": "bodies text"}', Content_Type="text/plain")
    wire.ask("POST", create, '{"name": "bodies form"}', Content_Type="application/x-www-form-urlencoded")
    wire.ask("POST", create, '{"name": "bodies charset"}', Content_Type="application/json; charset=utf-8")
    wire.ask("POST", create, json.dumps(json.dumps({"name": "bodies twice"})))
    wire.ask("POST", create, {"name": "bodies unknown field", "bogus": 1})
    wire.ask("POST", create, {"name": "bodies camel", "artifactLocation": "mlflow-artifacts:/camel"})
    wire.ask("POST", create, {"name": "bodies ünï \u2713 \U0001f600 \\ \" \n"})
    wire.get(API + "experiments/get-by-name", ("experiment_name", "bodies ünï \u2713 \U0001f600 \\ \" \n"))
    exp = wire.experiment("bodies types")
    for body in ({"experiment_id": int(exp), "start_time": str(T0)}, {"experiment_id": exp, "start_time": "soon"},
                 {"experiment_id": exp, "start_time": 1.5}, {"experiment_id": exp, "start_time": T0 + 0.0},
                 {"experiment_id": exp, "start_time": 2 ** 63}, {"experiment_id": exp, "start_time": True},
                 {"experiment_id": exp, "run_name": 7}, {"experiment_id": exp, "tags": {"a": "b"}}):
        wire.post(API + "runs/create", body)
    rid = wire.run(exp)
    for status in ("FINISHED", "finished", 4, "4", "BOGUS", 99, None):
        wire.post(API + "runs/update", {"run_id": rid, "status": status})
    wire.ask("POST", API + "runs/log-metric", '{"run_id": "%s", "key": "m", "value": NaN, "timestamp": 1}' % rid)
    wire.ask("POST", API + "runs/log-metric", '{"run_id": "%s", "key": "m", "value": 1e999, "timestamp": 1}' % rid)


@session("raw-10-experiments")
def experiments(wire):
    e = API + "experiments/"
    tags = [{"key": "a", "value": "1"}, {"key": "b", "value": ""}, {"key": "c"}]
    one = wire.experiment("raw one", tags=tags[:2])
    wire.post(e + "create", {"name": "raw one"})
    wire.post(e + "create", {"name": "raw no value", "tags": tags[2:]})
    wire.post(e + "create", {"name": "raw twice", "tags": [tags[0], tags[0]]})
    wire.post(e + "create", {"name": "n" * 500})
    wire.post(e + "create", {"name": "n" * 501})
    for location in ("mlflow-artifacts:/elsewhere", "s3://bucket/path", "/tmp/x", "file:///tmp/x", "s3://b/p#frag",
                     "s3://b/p?query=1", "runs:/abc", "http://h/p/../q"):
        made = wire.post(e + "create", {"name": "raw at " + location, "artifact_location": location})
        if "experiment_id" in made:
            wire.get(e + "get", ("experiment_id", made["experiment_id"]))
    for query in ((), (("experiment_id", ""),), (("experiment_id", "nonsense"),), (("experiment_id", "987654"),),
                  (("experiment_id", one),), (("experiment_id", one), ("experiment_id", "0")), (("bogus", "1"),)):
        wire.get(e + "get", *query)
    for query in ((), (("experiment_name", ""),), (("experiment_name", "nobody"),), (("experiment_name", "raw one"),)):
        wire.get(e + "get-by-name", *query)
    for body in ({}, {"experiment_id": one}, {"experiment_id": one, "key": "k"},
                 {"experiment_id": one, "key": "k", "value": ""}, {"experiment_id": one, "key": "", "value": "v"},
                 {"experiment_id": one, "key": "k" * 250, "value": "v"}, {"experiment_id": one, "key": "k" * 251, "value": "v"},
                 {"experiment_id": one, "key": "long", "value": "v" * 5001}, {"experiment_id": one, "key": "long2", "value": "v" * 20001},
                 {"experiment_id": one, "key": "../x", "value": "v"}, {"experiment_id": "987654", "key": "k", "value": "v"}):
        wire.post(e + "set-experiment-tag", body)
    wire.get(e + "get", ("experiment_id", one))
    for body in ({"experiment_id": one}, {"experiment_id": one, "key": "a"}, {"experiment_id": one, "key": "a"}):
        wire.post(e + "delete-experiment-tag", body)
    for body in ({}, {"experiment_id": one}, {"experiment_id": one, "new_name": ""}, {"experiment_id": one, "new_name": "raw two"},
                 {"experiment_id": one, "new_name": "Default"}, {"experiment_id": "987654", "new_name": "x"}):
        wire.post(e + "update", body)
    rid = wire.run(one)
    gone = wire.run(one)
    wire.post(API + "runs/delete", {"run_id": gone})
    for body in ({}, {"experiment_id": "987654"}, {"experiment_id": one}, {"experiment_id": one}):
        wire.post(e + "delete", body)
    wire.get(e + "get", ("experiment_id", one))
    wire.get(e + "get-by-name", ("experiment_name", "raw two"))
    wire.post(e + "create", {"name": "raw two"})
    wire.post(e + "update", {"experiment_id": one, "new_name": "raw three"})
    wire.post(e + "set-experiment-tag", {"experiment_id": one, "key": "k", "value": "v"})
    wire.post(API + "runs/create", {"experiment_id": one})
    wire.get(API + "runs/get", ("run_id", rid))
    wire.post(API + "runs/restore", {"run_id": rid})
    for body in ({}, {"experiment_id": one}, {"experiment_id": one}, {"experiment_id": "987654"}):
        wire.post(e + "restore", body)
    wire.get(API + "runs/get", ("run_id", gone))
    mine = "name LIKE 'raw %'"
    for body in ({}, {"max_results": 0}, {"max_results": -1}, {"max_results": 50001}, {"max_results": "2", "filter": mine},
                 {"max_results": 2, "filter": mine}, {"max_results": 2, "filter": mine, "view_type": "ALL"},
                 {"max_results": 2, "filter": mine, "view_type": 2}, {"max_results": 2, "filter": mine, "view_type": "BOGUS"},
                 {"max_results": 2, "filter": mine, "view_type": "ACTIVE_ONLY", "order_by": ["bogus"]},
                 {"max_results": 2, "filter": mine, "view_type": "ACTIVE_ONLY", "order_by": ["name UP"]},
                 {"max_results": 2, "filter": mine, "view_type": "ACTIVE_ONLY", "order_by": ["tags.a"]},
                 {"max_results": 2, "filter": mine, "view_type": "ACTIVE_ONLY", "page_token": "bogus"},
                 {"max_results": 2, "filter": mine, "view_type": "ACTIVE_ONLY", "page_token": ""},
                 {"max_results": 100, "filter": mine, "view_type": "ACTIVE_ONLY", "order_by": ["name DESC"]}):
        wire.post(e + "search", body)
    wire.get(e + "search", ("max_results", "3"), ("filter", mine), ("view_type", "ACTIVE_ONLY"), ("order_by", "name"))
    wire.get(e + "search", ("max_results", "three"))
    for text in ("bogus = 'x'", "name", "name =", "name = x", "name = 3", "name > 'a'", "name IN ('raw two', 'b')",
                 "name = 'raw two' OR name = 'x'", "(name = 'raw two')", "creation_time = 'x'", "creation_time > 5 AND " + mine,
                 "tags.a IS NULL AND " + mine, "tags.a = 1", "last_update_time >= 0 AND tags.b = '' AND " + mine, "NAME = 'raw two'",
                 "attribute.name = 'raw two'", "attributes.name = 'raw two'", "tag.b ilike '%'", "name != 'raw two' and " + mine):
        wire.post(e + "search", {"max_results": 100, "view_type": "ACTIVE_ONLY", "filter": text, "order_by": ["name"]})
    wire.get("/ajax-api/2.0/mlflow/experiments/search", ("max_results", "1"), ("filter", mine), ("view_type", "ACTIVE_ONLY"),
             ("order_by", "name"))


@session("raw-20-runs")
def runs(wire):
    r = API + "runs/"
    exp = wire.experiment("raw runs")
    tag = [{"key": "mlflow.runName", "value": "by tag"}]
    for more in ({}, {"run_name": ""}, {"run_name": "named"}, {"tags": tag}, {"run_name": "by tag", "tags": tag},
                 {"run_name": "other", "tags": tag}, {"tags": [{"key": "a"}]}, {"tags": [{"key": "", "value": "x"}]},
                 {"run_name": "twice", "tags": [{"key": "a", "value": "1"}, {"key": "a", "value": "2"}]}, {"run_name": "n" * 8001},
                 {"tags": [{"key": "k" * 251, "value": "x"}]}, {"tags": [{"key": "long", "value": "v" * 8001}]}):
        wire.post(r + "create", {"experiment_id": exp, "start_time": T0, **more})
    for body in ({"run_name": "in none"}, {"experiment_id": "987654"}, {"experiment_id": "nonsense"}, {"experiment_id": exp}):
        wire.post(r + "create", body)
    rid = wire.run(exp, run_name="main", tags=[{"key": "a", "value": "1"}])
    for query in ((), (("run_id", ""),), (("run_id", "0" * 32),), (("run_id", "a/b"),), (("run_uuid", rid),),
                  (("run_id", rid),), (("run_id", rid), ("run_uuid", "0" * 32))):
        wire.get(r + "get", *query)
    for body in ({}, {"run_id": rid}, {"run_uuid": rid, "status": "FAILED"}, {"run_id": rid, "end_time": T0 + 5},
                 {"run_id": rid, "run_name": ""}, {"run_id": rid, "run_name": "renamed"}, {"run_id": "0" * 32},
                 {"run_id": rid, "status": "RUNNING", "end_time": 0}):
        wire.post(r + "update", body)
    wire.get(r + "get", ("run_id", rid))
    for body in ({}, {"run_id": rid}, {"run_id": rid, "key": "a"}, {"run_id": rid, "key": "a", "value": ""},
                 {"run_id": rid, "key": "k" * 251, "value": "v"}, {"run_id": rid, "key": "k", "value": "v" * 8001},
                 {"run_id": rid, "key": "k", "value": "v" * 8000},
                 {"run_id": rid, "key": "mlflow.runName", "value": "third"}, {"run_id": rid, "key": "mlflow.runName", "value": ""},
                 {"run_id": rid, "key": "mlflow.user", "value": "bob"}, {"run_id": "0" * 32, "key": "a", "value": "b"}):
        wire.post(r + "set-tag", body)
    for body in ({}, {"run_id": rid}, {"run_id": rid, "key": "a"}, {"run_id": rid, "key": "a"}, {"run_id": "0" * 32, "key": "a"},
                 {"run_id": rid, "key": "mlflow.runName"}):
        wire.post(r + "delete-tag", body)
    wire.get(r + "get", ("run_id", rid))
    for body in ({}, {"run_id": "0" * 32}, {"run_id": rid}, {"run_id": rid}):
        wire.post(r + "delete", body)
    for path, body in (("log-metric", {"key": "m", "value": 1, "timestamp": 1}), ("log-parameter", {"key": "p", "value": "1"}),
                       ("set-tag", {"key": "t", "value": "1"}), ("delete-tag", {"key": "t"}), ("update", {"status": "FAILED"}),
                       ("log-batch", {"params": [{"key": "q", "value": "1"}]}), ("log-batch", {}),
                       ("log-inputs", {"datasets": []})):
        wire.post(r + path, {"run_id": rid, **body})
    wire.get(r + "get", ("run_id", rid))
    wire.get(API + "artifacts/list", ("run_id", rid))
    for body in ({}, {"run_id": "0" * 32}, {"run_id": rid}, {"run_id": rid}):
        wire.post(r + "restore", body)
    model = {"artifact_path": "model", "flavors": {}, "utc_time_created": "2026-01-01 00:00:00.000000", "run_id": rid}
    for body in ({}, {"run_id": rid}, {"run_id": rid, "model_json": "nonsense"}, {"run_id": rid, "model_json": "{}"},
                 {"run_id": rid, "model_json": json.dumps(model)}, {"run_id": rid, "model_json": json.dumps(model)}):
        wire.post(r + "log-model", body)
    wire.get(r + "get", ("run_id", rid))


@session("raw-21-metrics")
def metrics(wire):
    r = API + "runs/"
    exp = wire.experiment("raw metrics")
    rid = wire.run(exp)
    other = wire.run(exp)
    good = {"run_id": rid, "key": "m", "value": 1.5, "timestamp": T0}
    for drop in ("run_id", "key", "value", "timestamp"):
        wire.post(r + "log-metric", {k: v for k, v in good.items() if k != drop})
    for change in ({}, {"step": 3}, {"step": -5}, {"step": "4"}, {"step": 1.5}, {"value": "2.5", "step": 9}, {"value": "abc"},
                   {"value": True}, {"value": None}, {"value": "NaN", "key": "nan"}, {"value": "Infinity", "key": "inf"},
                   {"value": "-Infinity", "key": "ninf"}, {"value": 1e308, "key": "big"}, {"value": -0.0, "key": "minus zero"},
                   {"value": 0.1, "key": "tenth"}, {"value": 12345678901234567890, "key": "integer"}, {"timestamp": 0, "key": "epoch"},
                   {"timestamp": -1, "key": "before"}, {"timestamp": "soon"}, {"timestamp": str(T0 + 1)}, {"key": ""},
                   {"key": "a/b c-d.e_f:g"}, {"key": "a//b"}, {"key": "../a"}, {"key": "/a"}, {"key": "."}, {"key": "a/./b"},
                   {"key": "a$b"}, {"key": "ünï"}, {"key": "k" * 250}, {"key": "k" * 251}, {"run_id": "0" * 32},
                   {"run_id": "bad/id"}, {"run_uuid": rid, "run_id": ""}):
        wire.post(r + "log-metric", {**good, **change})
    wire.get(r + "get", ("run_id", rid))
    history = API + "metrics/get-history"
    for step, at, value in ((0, 5, 1.0), (0, 3, 2.0), (1, 1, 7.0), (1, 1, 6.0), (1, 1, 7.0), (2, 1, "NaN"), (2, 1, 0.0)):
        wire.post(r + "log-metric", {"run_id": rid, "key": "h", "value": value, "timestamp": T0 + at, "step": step})
    for query in ((), (("run_id", rid),), (("run_id", rid), ("metric_key", "h")), (("run_id", rid), ("metric_key", "nothing")),
                  (("run_uuid", rid), ("metric_key", "nan")), (("run_id", "0" * 32), ("metric_key", "h")),
                  (("run_id", rid), ("metric_key", "h"), ("max_results", "0")), (("run_id", rid), ("metric_key", "h"), ("max_results", "-1")),
                  (("run_id", rid), ("metric_key", "h"), ("max_results", "x")), (("run_id", rid), ("metric_key", "h"), ("page_token", "x"))):
        wire.get(history, *query)
    page = wire.get(history, ("run_id", rid), ("metric_key", "h"), ("max_results", "4"))
    wire.get(history, ("run_id", rid), ("metric_key", "h"), ("max_results", "4"), ("page_token", page.get("next_page_token", "")))
    wire.get(r + "get", ("run_id", rid))
    steps = [{"key": "s", "value": i / 4, "timestamp": T0 + i, "step": i * 10} for i in range(40)]
    wire.post(r + "log-batch", {"run_id": rid, "metrics": steps})
    wire.post(r + "log-batch", {"run_id": other, "metrics": steps[5:15]})
    interval = "metrics/get-history-bulk-interval"
    both = (("run_ids", rid), ("run_ids", other), ("metric_key", "s"))
    for prefix in (API, AJAX):
        wire.get(prefix + interval, *both, ("max_results", "5"))
    for query in ((), both[:2], both[2:], both, both + (("max_results", "0"),), both + (("max_results", "2501"),),
                  both + (("max_results", "6"), ("start_step", "100"), ("end_step", "200")), both + (("max_results", "6"), ("start_step", "100")),
                  both + (("max_results", "6"), ("start_step", "200"), ("end_step", "100")), both + (("max_results", "2"),),
                  (("run_ids", "0" * 32), ("metric_key", "s"), ("max_results", "5"))):
        wire.get(API + interval, *query)
    for query in ((), (("run_id", rid),), (("run_id", rid), ("metric_key", "s"), ("max_results", "15")),
                  (("run_id", rid), ("metric_key", "nothing")), (("run_id", "0" * 32), ("metric_key", "s")),
                  tuple(("run_id", rid) for _ in range(101)) + (("metric_key", "s"),), (("run_id", rid), ("metric_key", "h"), ("max_results", "-1"))):
        wire.get(AJAX + "metrics/get-history-bulk", *query)


@session("raw-22-batch")
def batch(wire):
    r = API + "runs/"
    exp = wire.experiment("raw batch")
    rid = wire.run(exp)

    def metric(i, **more):
        return {"key": f"m{i}", "value": i, "timestamp": T0, "step": 0, **more}

    for body in ({}, {"run_id": rid}, {"run_id": "0" * 32}, {"run_id": rid, "metrics": [{"key": "a"}]},
                 {"run_id": rid, "metrics": [{"key": "a", "value": 1}]}, {"run_id": rid, "metrics": [{"value": 1, "timestamp": 1}]},
                 {"run_id": rid, "metrics": [metric(1, value="x")]}, {"run_id": rid, "metrics": [metric(1, value=True)]},
                 {"run_id": rid, "metrics": [metric(1, value="NaN"), metric(1), metric(1)]}, {"run_id": rid, "metrics": "x"},
                 {"run_id": rid, "metrics": [metric(2, key="../x")]}, {"run_id": rid, "params": [{"key": "p"}]},
                 {"run_id": rid, "params": [{"key": "", "value": "x"}]}, {"run_id": rid, "params": [{"key": "a", "value": "1"}, {"key": "a", "value": "1"}]},
                 {"run_id": rid, "params": [{"key": "b", "value": "1"}, {"key": "b", "value": "2"}]},
                 {"run_id": rid, "params": [{"key": "ok", "value": "1"}]}, {"run_id": rid, "params": [{"key": "ok", "value": "1"}]},
                 {"run_id": rid, "params": [{"key": "ok", "value": "2"}, {"key": "fresh", "value": "1"}], "tags": [{"key": "after", "value": "1"}]},
                 {"run_id": rid, "params": [{"key": "long", "value": "v" * 6000}]}, {"run_id": rid, "params": [{"key": "longer", "value": "v" * 6001}]},
                 {"run_id": rid, "params": [{"key": "k" * 251, "value": "v"}]}, {"run_id": rid, "tags": [{"key": "t", "value": "v" * 8001}]},
                 {"run_id": rid, "tags": [{"key": "t", "value": "1"}, {"key": "t", "value": "2"}]},
                 {"run_id": rid, "tags": [{"key": "mlflow.runName", "value": "from batch"}]},
                 {"run_id": rid, "metrics": [metric(3)] * 1001},
                 {"run_id": rid, "params": [{"key": "n", "value": "1"}] * 101},
                 {"run_id": rid, "tags": [{"key": "n", "value": "1"}] * 101},
                 {"run_id": rid, "metrics": [metric(4)] * 1000},
                 {"run_id": rid, "metrics": [metric(3)] * 1000, "params": [{"key": "one", "value": "1"}]}):
        wire.post(r + "log-batch", body)
    wire.get(r + "get", ("run_id", rid))
    good = {"run_id": rid, "key": "single", "value": "1"}
    for change in ({}, {}, {"value": "2"}, {"key": "empty", "value": ""}, {"key": ""}, {"key": "v6000", "value": "v" * 6000},
                   {"key": "v6001", "value": "v" * 6001}, {"key": "k" * 250}, {"key": "k" * 251}, {"key": "a#b"}, {"key": "a:b"},
                   {"run_id": "0" * 32}, {"key": "none", "value": None}, {"key": "number", "value": 3}):
        wire.post(r + "log-parameter", {**good, **change})
    wire.post(r + "log-parameter", {"run_id": rid})
    wire.post(r + "log-parameter", {"run_id": rid, "key": "no value"})
    wire.get(r + "get", ("run_id", rid))


@session("raw-23-inputs")
def inputs(wire):
    r = API + "runs/"
    exp = wire.experiment("raw inputs")
    rid = wire.run(exp)
    data = {"name": "d", "digest": "abc", "source_type": "local", "source": "{\"uri\": \"x\"}"}
    tags = [{"key": "mlflow.data.context", "value": "train"}]
    for body in ({}, {"run_id": rid}, {"run_id": rid, "datasets": []}, {"run_id": rid, "datasets": [{"tags": tags}]},
                 {"run_id": rid, "datasets": [{"dataset": {"name": "d"}}]}, {"run_id": rid, "datasets": [{"dataset": data}]},
                 {"run_id": rid, "datasets": [{"dataset": data, "tags": tags}]},
                 {"run_id": rid, "datasets": [{"dataset": {**data, "digest": "def", "schema": "{}", "profile": "{}"}, "tags": tags}]},
                 {"run_id": rid, "datasets": [{"dataset": {**data, "name": "n" * 501}}]},
                 {"run_id": rid, "datasets": [{"dataset": {**data, "digest": "d" * 37}}]},
                 {"run_id": "0" * 32, "datasets": [{"dataset": data}]}):
        wire.post(r + "log-inputs", body)
    wire.get(r + "get", ("run_id", rid))
    for path in (API + "experiments/search-datasets", AJAX + "experiments/search-datasets", "/api/2.0mlflow/experiments/search-datasets"):
        for body in ({}, {"experiment_ids": [exp]}, {"experiment_ids": ["987654"]}):
            wire.post(path, body)
    for body in ({}, {"run_id": rid}, {"run_id": rid, "models": []}, {"run_id": rid, "models": [{"model_id": "m-nothing", "step": 1}]},
                 {"run_id": "0" * 32, "models": []}):
        wire.post(r + "outputs", body)
    wire.get(r + "get", ("run_id", rid))


@session("raw-24-search")
def search(wire):
    s = API + "runs/search"
    exp = wire.experiment("raw search")
    ids = []
    for i in range(6):
        rid = wire.run(exp, start_time=T0 + i, run_name=f"r{i}", tags=[{"key": "t", "value": "ab_%"[i % 4]}])
        ids.append(rid)
        wire.post(API + "runs/log-batch", {
            "run_id": rid, "params": [{"key": "p", "value": str(i)}, {"key": "with space", "value": "x"}],
            "metrics": [{"key": "m", "value": "NaN" if i == 4 else -i, "timestamp": T0, "step": 0}] if i != 5 else []})
    wire.post(API + "runs/update", {"run_id": ids[0], "status": "FINISHED", "end_time": T0 + 9})
    wire.post(API + "runs/delete", {"run_id": ids[1]})
    for text in ("", " ", "metrics.m < 0", "metrics.m <= -2.0", "metrics.m > -1e2", "metrics.m = 0", "metrics.m = NaN",
                 "metrics.m = 'NaN'", "metrics.m LIKE '1'", "m > 1", "metrics.m > -3 AND metrics.m < 0 and params.p != '9'",
                 "params.p = \"2\"", "params.p = 2", "params.`with space` = 'x'", "params.\"with space\" = 'x'", "params.with space = 'x'",
                 "params.p IN ('2', '3')", "params.p IS NULL", "params.q IS NULL", "tags.t IS NOT NULL", "metrics.m IS NULL",
                 "tags.t LIKE '\\_'", "tags.t LIKE '_'", "tags.t = '%'", "tags.t LIKE '%'", "tag.t ilike 'A'", "params.p LIKE '_'",
                 "status = 'RUNNING'", "status != 'FINISHED'", "status = 'running'", "status LIKE 'FIN%'", "attribute.status = 'BOGUS'",
                 "run_id = 'x'", "run_id IN ('a', '')", "run_id IN (a)", "run_id IN ()", "run_id NOT IN ('%s')" % ids[2],
                 "run_name IN ('r1', 'r2')", "`run name` = 'r2'", "\"Run Name\" = 'r2'", "user_id = 'ann'", "user_id = 'bob'",
                 "artifact_uri LIKE '%artifacts'", "start_time = %d" % T0, "start_time = '%d'" % T0, "created >= %d" % (T0 + 1),
                 "end_time > 0", "end_time = NULL", "lifecycle_stage = 'active'", "experiment_id = '0'", "params.p = '2' OR params.p = '3'",
                 "NOT params.p = '2'", "(params.p = '2')", "params.p = '2' AND", "AND", "params.p == '2'", "params.p <> '2'",
                 "'2' = params.p", "params = '2'", "params. = '2'", ".p = '2'", "params.p = '2'; params.p = '3'", "params.p = '2' -- x",
                 "params.p = 'it''s'", "params.p = 'it\\'s'", "run.status = 'RUNNING'", "attr.status = 'RUNNING'",
                 "parameters.p = '3'", "parameter.p = '3'", "metric.m = -3", "dataset.name = 'x'", "dataset.bogus = 'x'", "trace.x = 'y'",
                 "tags.t BETWEEN 'a' AND 'b'", "metrics.m = 0x10", "metrics.m = 1_0", "metrics.m >= +1", "tags.mlflow.runName = 'r2'"):
        wire.post(s, {"experiment_ids": [exp], "filter": text})
    for order in (["metrics.m"], ["metrics.m DESC"], ["params.p DESC"], ["tags.t asc"], ["start_time"], ["status DESC", "params.p"],
                  ["attributes.run_name DESC"], ["status", "run_name"], ["bogus"], ["metrics.m UP"], ["metrics.m ASC DESC"],
                  [""], ["metrics"], ["params.`with space`"], ["dataset.name"], ["end_time ASC"], ["metrics.m, params.p"]):
        wire.post(s, {"experiment_ids": [exp], "order_by": order, "max_results": 10})
    for body in ({}, {"experiment_ids": []}, {"experiment_ids": exp}, {"experiment_ids": ["987654"]}, {"experiment_ids": [exp], "max_results": 0},
                 {"experiment_ids": [exp], "max_results": -1}, {"experiment_ids": [exp], "max_results": 50001},
                 {"experiment_ids": [exp], "run_view_type": "ALL"}, {"experiment_ids": [exp], "run_view_type": "DELETED_ONLY"},
                 {"experiment_ids": [exp], "run_view_type": "bogus"}, {"experiment_ids": [exp], "page_token": "bogus"},
                 {"experiment_ids": [exp], "page_token": "eyJvZmZzZXQiOiA5OTl9"}, {"experiment_ids": [exp, exp], "max_results": 1}):
        wire.post(s, body)
    token = ""
    while token is not None:
        body = {"experiment_ids": [exp], "max_results": 2, "order_by": ["params.p"]}
        token = wire.post(s, {**body, "page_token": token} if token else body).get("next_page_token")
    wire.get(s, ("experiment_ids", exp))


def texts(wire, base):
    """What the artifact tests look at."""
    wire.ask("PUT", PROXY + f"artifacts/{base}/a.txt", "0123456789", Content_Type="text/plain")
    wire.ask("PUT", PROXY + f"artifacts/{base}/dir/b.html", "<b>x</b>", Content_Type="text/html")
    wire.ask("PUT", PROXY + f"artifacts/{base}/dir/sub/c.json", "{}", Content_Type="application/json")
    wire.ask("PUT", PROXY + f"artifacts/{base}/empty", b"", Content_Type="application/octet-stream")


@session("raw-30-artifacts")
def artifacts(wire):
    exp = wire.experiment("raw artifacts")
    rid = wire.run(exp)
    base = f"{exp}/{rid}/artifacts"
    texts(wire, base)
    a = PROXY + "artifacts/"
    wire.ask("PUT", a + base + "/a.txt", "overwritten")
    wire.ask("PUT", a + base + "/a.txt/below", "a file is in the way")
    wire.ask("PUT", a + base + "/dir", "a folder is in the way")
    wire.ask("POST", a + base + "/a.txt", "x")
    for path in ("/a.txt", "/dir/b.html", "/dir/sub/c.json", "/empty", "/nothing", "/dir", "", "/a.txt/"):
        wire.get(a + base + path)
    for value in ("bytes=2-4", "bytes=2-", "bytes=-3", "bytes=99-", "nonsense"):
        wire.get(a + base + "/a.txt", Range=value)
    wire.ask("HEAD", a + base + "/a.txt")
    wire.get(a + base + "/a.txt", If_None_Match="*")
    for path in (base, base + "/dir", base + "/a.txt", base + "/nothing", exp, "/", "../", base + "/../..", "/etc"):
        wire.get(PROXY + "artifacts", ("path", path))
    for path in ("../x", "%2e%2e/x", "%252e%252e/x", "a/%2e%2e/%2e%2e/x", "/etc/passwd", "%2Fetc%2Fpasswd", "C:/x", "C%3A%5Cx", "a%23b",
                 "a%3Fb", "a%00b", "a%0Ab", "file:%2F%2F%2Fetc%2Fpasswd", "a%5C..%5Cb", "./x", "a//b"):
        wire.get(a + path)
        wire.ask("PUT", a + path, "x")
    listing = API + "artifacts/list"
    for query in ((), (("run_id", rid),), (("run_uuid", rid),), (("run_id", rid), ("path", "dir")), (("run_id", rid), ("path", "a.txt")),
                  (("run_id", rid), ("path", "dir/")), (("run_id", rid), ("path", "nothing")), (("run_id", rid), ("path", "../..")),
                  (("run_id", rid), ("path", "/etc")), (("run_id", rid), ("path", "%2e%2e")), (("run_id", rid), ("path", "")),
                  (("run_id", "0" * 32),), (("run_id", rid), ("page_token", "x"))):
        wire.get(listing, *query)
    for query in ((), (("run_id", rid),), (("run_id", rid), ("path", "a.txt")), (("run_uuid", rid), ("path", "dir/b.html")),
                  (("run_id", rid), ("path", "nothing")), (("run_id", rid), ("path", "../x")), (("run_id", "0" * 32), ("path", "a.txt")),
                  (("run_id", rid), ("path", "dir"))):
        wire.get("/get-artifact", *query)
    upload = AJAX + "upload-artifact"
    for query in ("", f"?run_uuid={rid}", f"?run_uuid={rid}&path=up.txt", f"?run_uuid={rid}&path=../x", f"?run_uuid={'0' * 32}&path=x"):
        wire.ask("POST", upload + query, "uploaded", Content_Type="text/plain")
    wire.get("/get-artifact", ("run_id", rid), ("path", "up.txt"))
    for path in ("/dir", "/dir", "/a.txt", "/nothing", "/../.."):
        wire.ask("DELETE", a + base + path)
    wire.get(PROXY + "artifacts", ("path", base))
    mpu = PROXY + "mpu/"
    for step, body in (("create", {"path": "big.bin", "num_parts": 2}), ("create", {}), ("create", {"path": "b", "num_parts": 0}),
                       ("complete", {"path": "big.bin", "upload_id": "u", "parts": []}), ("abort", {"path": "big.bin", "upload_id": "u"})):
        wire.post(mpu + f"{step}/{base}", body)
    for path in ("presigned/", "mpd/presigned/"):
        wire.get(PROXY + path + base + "/a.txt")
    for path in ("artifacts/presigned-upload-url", "artifacts/presigned-download-url"):
        wire.post(API + path, {"run_id": rid, "path": "a.txt"})
        wire.post(API + path, {})


@session("raw-40-models")
def models(wire):
    m = API + "registered-models/"
    for body in ({}, {"name": ""}, {"name": "raw m"}, {"name": "raw m"}, {"name": "raw/slash"}, {"name": "raw:colon"}, {"name": "n" * 257},
                 {"name": "raw d", "description": "d", "tags": [{"key": "k", "value": "v"}, {"key": "e", "value": ""}]},
                 {"name": "raw t", "tags": [{"key": "k"}]}, {"name": "raw tt", "tags": [{"key": "k", "value": "1"}, {"key": "k", "value": "2"}]},
                 {"name": "raw dd", "description": "d" * 5001}):
        wire.post(m + "create", body)
    for query in ((), (("name", ""),), (("name", "raw m"),), (("name", "raw d"),), (("name", "nobody"),)):
        wire.get(m + "get", *query)
    for body in ({}, {"name": "raw m"}, {"name": "raw m", "description": ""}, {"name": "raw m", "description": "new"}, {"name": "nobody", "description": "x"}):
        wire.ask("PATCH", m + "update", body)
    wire.post(m + "update", {"name": "raw m", "description": "by post"})
    for body in ({}, {"name": "raw m"}, {"name": "raw m", "key": "k"}, {"name": "raw m", "key": "k", "value": "v"}, {"name": "raw m", "key": "k", "value": ""},
                 {"name": "raw m", "key": "k" * 251, "value": "v"}, {"name": "raw m", "key": "l", "value": "v" * 5001}, {"name": "nobody", "key": "k", "value": "v"}):
        wire.post(m + "set-tag", body)
    for body in ({}, {"name": "raw m", "key": "k"}, {"name": "raw m", "key": "k"}, {"name": "nobody", "key": "k"}):
        wire.ask("DELETE", m + "delete-tag", body)
    for body in ({}, {"name": "raw m"}, {"name": "raw m", "new_name": ""}, {"name": "raw m", "new_name": "raw d"}, {"name": "nobody", "new_name": "x"},
                 {"name": "raw m", "new_name": "raw n"}):
        wire.post(m + "rename", body)
    versions(wire)
    mine = "name LIKE 'raw %'"
    for query in ((("filter", mine),), (("filter", mine), ("max_results", "2")), (("filter", mine), ("max_results", "0")), (("filter", mine), ("max_results", "1001")),
                  (("filter", mine), ("max_results", "-1")), (("filter", mine), ("order_by", "name DESC")), (("filter", mine), ("order_by", "bogus")),
                  (("filter", mine), ("order_by", "name UP")), (("filter", mine), ("page_token", "bogus")), (("filter", "name = 'raw n'"),),
                  (("filter", "name != 'raw n' and " + mine),), (("filter", "tags.k = 'v'"),), (("filter", "tags.`k` != 'x' and " + mine),), (("filter", "name > 'a'"),),
                  (("filter", "bogus = 'x'"),), (("filter", "name IN ('raw n')"),), (("filter", "name"),), (("filter", "name = raw"),), (("filter", "name = 'a' OR name = 'b'"),),
                  (("filter", mine), ("order_by", "last_updated_timestamp DESC"), ("order_by", "name")), (("filter", "name ilike 'RAW %'"), ("order_by", "creation_timestamp"))):
        wire.get(m + "search", *query)
    page = wire.get(m + "search", ("filter", mine), ("max_results", "2"), ("order_by", "name"))
    wire.get(m + "search", ("filter", mine), ("max_results", "2"), ("order_by", "name"), ("page_token", page.get("next_page_token", "")))
    for body in ({}, {"name": "raw n"}, {"name": "raw n"}):
        wire.ask("DELETE", m + "delete", body)
    wire.ask("DELETE", m + "delete", None, [("name", "raw d")])
    wire.get(API + "model-versions/get", ("name", "raw n"), ("version", "1"))


def versions(wire):
    m, v = API + "registered-models/", API + "model-versions/"
    exp = wire.experiment("raw versions")
    rid = wire.run(exp)
    source = f"mlflow-artifacts:/{exp}/{rid}/artifacts/model"
    good = {"name": "raw n", "source": source, "run_id": rid}
    for drop in ("name", "source"):
        wire.post(v + "create", {k: x for k, x in good.items() if k != drop})
    for change in ({}, {"description": "d", "run_link": "http://x.invalid/1", "tags": [{"key": "k", "value": "v"}]}, {"run_id": ""}, {"run_id": "0" * 32},
                   {"name": "nobody"}, {"source": "/etc/passwd"}, {"source": "file:///etc"}, {"source": "models:/raw n/1"}, {"source": "models:/raw n/99"},
                   {"source": "models:/m-" + "0" * 32}, {"source": "s3://bucket/x"}, {"source": source + "/../../x"}, {"source": "mlflow-artifacts:/a/%2e%2e/b"},
                   {"source": "http://h/x?a=b"}, {"source": "relative/path"}, {"source": f"runs:/{rid}/model"}, {"source": ""}):
        wire.post(v + "create", {**good, **change})
    for query in ((), (("name", "raw n"),), (("name", "raw n"), ("version", "1")), (("name", "raw n"), ("version", "2")), (("name", "raw n"), ("version", "99")),
                  (("name", "raw n"), ("version", "x")), (("name", "raw n"), ("version", "")), (("name", "nobody"), ("version", "1")), (("name", "raw n"), ("version", "01"))):
        wire.get(v + "get", *query)
        wire.get(v + "get-download-uri", *query)
    for body in ({}, {"name": "raw n", "version": "1"}, {"name": "raw n", "version": 1, "description": "n"}, {"name": "raw n", "version": "99", "description": "n"}):
        wire.ask("PATCH", v + "update", body)
    for body in ({}, {"name": "raw n", "version": "1"}, {"name": "raw n", "version": "1", "stage": "bogus"}, {"name": "raw n", "version": "1", "stage": "sTaGiNg"},
                 {"name": "raw n", "version": "2", "stage": "Staging", "archive_existing_versions": True}, {"name": "raw n", "version": "2", "stage": "None", "archive_existing_versions": True},
                 {"name": "raw n", "version": "2", "stage": "Archived"}, {"name": "raw n", "version": "99", "stage": "Staging"}, {"name": "raw n", "version": "2", "stage": "Production", "archive_existing_versions": "maybe"}):
        wire.post(v + "transition-stage", body)
    wire.post(m + "get-latest-versions", {"name": "raw n"})
    wire.get(m + "get-latest-versions", ("name", "raw n"), ("stages", "None"), ("stages", "Archived"))
    for body in ({}, {"name": "nobody"}, {"name": "raw n", "stages": ["bogus"]}, {"name": "raw n", "stages": ["none", "staging"]}):
        wire.post(m + "get-latest-versions", body)
    for body in ({}, {"name": "raw n", "version": "1"}, {"name": "raw n", "version": "1", "key": "k"}, {"name": "raw n", "version": "1", "key": "k", "value": "v"},
                 {"name": "raw n", "version": "99", "key": "k", "value": "v"}, {"name": "raw n", "version": "x", "key": "k", "value": "v"}):
        wire.post(v + "set-tag", body)
    for body in ({}, {"name": "raw n", "version": "1", "key": "k"}, {"name": "raw n", "version": "1", "key": "k"}, {"name": "raw n", "version": "99", "key": "k"}):
        wire.ask("DELETE", v + "delete-tag", body)
    for alias, version in (("champ", "1"), ("champ", "2"), ("Champ", "1"), ("latest", "1"), ("LATEST", "1"), ("v1", "1"), ("V12", "1"), ("v1x", "1"), ("a b", "1"), ("a.b", "1"),
                           ("a" * 255, "1"), ("a" * 256, "1"), ("", "1"), ("x", "99"), ("x", "y"), ("x", "")):
        wire.post(m + "alias", {"name": "raw n", "alias": alias, "version": version})
    wire.post(m + "alias", {"name": "nobody", "alias": "x", "version": "1"})
    for query in ((), (("name", "raw n"), ("alias", "champ")), (("name", "raw n"), ("alias", "nothing")), (("name", "nobody"), ("alias", "champ"))):
        wire.get(m + "alias", *query)
    for body in ({}, {"name": "raw n", "alias": "Champ"}, {"name": "raw n", "alias": "Champ"}, {"name": "nobody", "alias": "x"}):
        wire.ask("DELETE", m + "alias", body)
    wire.get(m + "get", ("name", "raw n"))
    for text in ("", "name = 'raw n'", "name LIKE 'raw%'", f"run_id = '{rid}'", f"run_id IN ('{rid}', 'x')", f"name = 'raw n' and run_id != '{rid}'", f"source_path = '{source}'",
                 "name = 'raw n' and version_number > 1", "version_number = '1'", "name = 'raw n' and tags.k = 'v'", "bogus = 'x'", "name > 'x'", "name", "name = 'raw n' OR name = 'x'",
                 "name = 'raw n' and source_path LIKE '%model'", "version = '1'", "stage = 'None'", "name IN ('raw n')", "name = 'raw n' and status = 'READY'"):
        wire.get(v + "search", ("filter", text), ("order_by", "name"), ("order_by", "version_number DESC"), ("max_results", "100"))
    for query in ((("max_results", "0"),), (("max_results", "200001"),), (("order_by", "bogus"),), (("page_token", "bogus"),), (("order_by", "version"),)):
        wire.get(v + "search", ("filter", "name = 'raw n'"), *query)
    page = wire.get(v + "search", ("filter", "name = 'raw n'"), ("max_results", "1"), ("order_by", "version_number ASC"))
    wire.get(v + "search", ("filter", "name = 'raw n'"), ("max_results", "1"), ("order_by", "version_number ASC"), ("page_token", page.get("next_page_token", "")))
    wire.get("/model-versions/get-artifact", ("name", "raw n"), ("version", "1"), ("path", "MLmodel"))
    wire.get("/model-versions/get-artifact")
    for body in ({}, {"name": "raw n", "version": "2"}, {"name": "raw n", "version": "2"}, {"name": "raw n", "version": "x"}, {"name": "nobody", "version": "1"}):
        wire.ask("DELETE", v + "delete", body)
    wire.get(m + "get", ("name", "raw n"))
    wire.get(m + "alias", ("name", "raw n"), ("alias", "champ"))
    wire.post(v + "create", good)


@session("raw-50-traces2")
def traces2(wire):
    t = API + "traces"
    exp = wire.experiment("raw traces 2")
    for body in ({}, {"experiment_id": exp}, {"experiment_id": "987654", "timestamp_ms": T0}):
        wire.post(t, body)
    made = wire.post(t, {"experiment_id": exp, "timestamp_ms": T0, "request_metadata": [{"key": "rm", "value": "1"}], "tags": [{"key": "mlflow.traceName", "value": "raw"}]})
    tid = made.get("trace_info", {}).get("request_id", "nothing")
    for body in ({}, {"timestamp_ms": T0 + 7, "status": "OK", "request_metadata": [{"key": "more", "value": "2"}], "tags": [{"key": "x", "value": "y"}]}, {"status": "BOGUS"}):
        wire.ask("PATCH", f"{t}/{tid}", body)
    wire.ask("PATCH", f"{t}/nothing", {"timestamp_ms": T0, "status": "OK"})
    for path in (f"{tid}/info", "nothing/info", tid):
        wire.get(f"{t}/{path}")
    ids = ("experiment_ids", exp)
    for query in ((), (ids,), (ids, ("filter", "tags.x = 'y'")), (ids, ("filter", "status = 'OK'")), (ids, ("filter", "timestamp_ms > 5 AND execution_time_ms < 10")),
                  (ids, ("filter", "name = 'raw'")), (ids, ("filter", "request_metadata.rm = '1'")), (ids, ("filter", "bogus = 'x'")), (ids, ("filter", "attributes.bogus = 'x'")), (ids, ("order_by", "timestamp_ms DESC")),
                  (ids, ("order_by", "bogus")), (ids, ("max_results", "0")), (ids, ("max_results", "501")), (ids, ("page_token", "bogus"))):
        wire.get(t, *query)
    for body in ({}, {"key": "k"}, {"key": "k", "value": "v"}, {"key": "k" * 251, "value": "v"}, {"key": "l", "value": "v" * 8001}):
        wire.ask("PATCH", f"{t}/{tid}/tags", body)
    wire.ask("PATCH", f"{t}/nothing/tags", {"key": "k", "value": "v"})
    for body in ({}, {"key": "k"}, {"key": "k"}):
        wire.ask("DELETE", f"{t}/{tid}/tags", body)
    wire.get(AJAX + "get-trace-artifact", ("request_id", tid))
    for body in ({}, {"experiment_id": exp}, {"experiment_id": exp, "max_timestamp_millis": T0, "request_ids": [tid]}, {"experiment_id": exp, "request_ids": ["nothing"]},
                 {"experiment_id": exp, "request_ids": [tid]}, {"experiment_id": exp, "max_timestamp_millis": T0 + 1000, "max_traces": 0}, {"experiment_id": exp, "max_timestamp_millis": T0 + 1000}):
        wire.post(t + "/delete-traces", body)


def otlp_json(trace_hex, span_hex, **span):
    """An export of one span as OTLP JSON."""
    made = {"traceId": trace_hex, "spanId": span_hex, "name": "op", "kind": 1, "startTimeUnixNano": str(T0 * 10 ** 6),
            "endTimeUnixNano": str((T0 + 12) * 10 ** 6), "attributes": [{"key": "mlflow.spanInputs", "value": {"stringValue": "{\"x\": 1}"}}],
            "status": {"code": 1}, **span}
    return {"resourceSpans": [{"resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "svc"}}]},
                               "scopeSpans": [{"scope": {"name": "lib"}, "spans": [made]}]}]}


@session("raw-51-traces3", since_3=True)
def traces3(wire):
    t = API3 + "traces"
    exp = wire.experiment("raw traces 3")
    where = {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": exp}}
    tid = "tr-" + "ab" * 16
    info = {"trace_id": tid, "trace_location": where, "request_time": "2020-09-13T12:26:40Z", "execution_duration": "1.500s", "state": "OK",
            "request_preview": "in", "response_preview": "out", "trace_metadata": {"m": "1", "mlflow.trace_schema.version": "3"}, "tags": {"mlflow.traceName": "raw", "a": "b"}}
    for body in ({}, {"trace": {}}, {"trace": {"trace_info": {}}}, {"trace": {"trace_info": {**info, "trace_location": {}}}}, {"trace": {"trace_info": info}},
                 {"trace": {"trace_info": {**info, "state": "ERROR"}}}, {"trace": {"trace_info": {**info, "trace_id": "tr-" + "cd" * 16, "state": "IN_PROGRESS", "execution_duration": "0s"}}},
                 {"trace": {"trace_info": {**info, "request_time": "yesterday"}}}, {"trace": {"trace_info": {**info, "trace_id": "x", "trace_location": {**where, "mlflow_experiment": {"experiment_id": "987654"}}}}}):
        wire.post(t, body)
    wire.get(f"{t}/{tid}")
    wire.get(f"{t}/nothing")
    for query in ((), (("trace_id", tid),), (("trace_id", tid), ("allow_partial", "true")), (("trace_id", "nothing"),), (("trace_id", tid), ("allow_partial", "maybe"))):
        wire.get(f"{t}/get", *query)
    wire.get(f"{t}/batchGet", ("trace_ids", tid), ("trace_ids", "nothing"))
    wire.get(f"{t}/batchGet")
    wire.post(f"{t}/batchGetInfos", {"trace_ids": [tid, "nothing"]})
    for body in ({}, {"locations": [where]}, {"locations": [where], "max_results": 0}, {"locations": [where], "max_results": 501}, {"locations": [where], "page_token": "bogus"},
                 {"locations": [where], "order_by": ["bogus"]}, {"locations": [where], "order_by": ["timestamp ASC"], "max_results": 1}):
        wire.post(f"{t}/search", body)
    for text in ("status = 'OK'", "state = 'OK'", "name = 'raw'", "tags.a = 'b'", "tag.a != 'b'", "metadata.m = '1'", "request_metadata.m = '1'", "timestamp_ms > 0", "timestamp > 0 AND execution_time_ms >= 1500",
                 "trace.status = 'ERROR'", "attributes.name LIKE 'r%'", "span.name = 'op'", "span.type = 'TOOL'", "span.content LIKE '%x%'", "span.attributes.k = 'v'", "feedback.q = 'x'", "expectation.q IS NULL",
                 "request_id = '%s'" % tid, "trace_id = '%s'" % tid, "run_id = 'x'", "client_request_id = 'x'", "prompt = 'a/1'", "text LIKE '%in%'", "tags.a RLIKE '^b$'", "name = 'a' OR name = 'b'", "bogus = 'x'", "end_time > 0"):
        wire.post(f"{t}/search", {"locations": [where], "filter": text, "order_by": ["timestamp_ms DESC"]})
    for prefix in (API, API3):
        wire.ask("PATCH", f"{prefix}traces/{tid}/tags", {"key": "k", "value": "v"})
        wire.ask("DELETE", f"{prefix}traces/{tid}/tags", {"key": "k"})
    wire.ask("DELETE", f"{t}/{tid}/tags", {"key": "k"})
    rid = wire.run(exp)
    for body in ({}, {"trace_ids": [tid], "run_id": rid}, {"trace_ids": [tid] * 101, "run_id": rid}, {"trace_ids": ["nothing"], "run_id": rid}):
        wire.post(API + "traces/link-to-run", body)
    wire.post(f"{t}/search", {"locations": [where], "filter": f"run_id = '{rid}'"})
    wire.post(API + "traces/link-prompts", {"trace_id": tid, "prompt_versions": [{"name": "p", "version": "1"}]})
    judge(wire, f"{t}/{tid}/assessments")
    for body in ({}, {"experiment_id": exp}, {"experiment_id": exp, "request_ids": ["nothing"]}, {"experiment_id": exp, "request_ids": [tid]},
                 {"experiment_id": exp, "max_timestamp_millis": T0 + 10 ** 6, "max_traces": 5}):
        wire.post(f"{t}/delete-traces", body)
    wire.post(f"{t}/search", {"locations": [where]})


def judge(wire, path):
    who = {"source_type": "HUMAN", "source_id": "ann"}
    good = {"assessment_name": "q", "source": who, "feedback": {"value": "yes"}, "create_time": "2020-09-13T12:26:40Z", "last_update_time": "2020-09-13T12:26:40Z"}
    wire.post(path, {})
    wire.post(path, {"assessment": {"source": who}})
    made = wire.post(path, {"assessment": good}).get("assessment", {}).get("assessment_id", "nothing")
    wire.post(path, {"assessment": {**good, "feedback": {"value": 1.5}, "rationale": "r", "metadata": {"k": "v"}, "span_id": "0123456789abcdef"}})
    wire.post(path, {"assessment": {**good, "feedback": None, "expectation": {"value": {"a": 1}}}})
    wire.post(path, {"assessment": {k: v for k, v in good.items() if k != "source"}})
    wire.get(f"{path}/{made}")
    wire.get(f"{path}/nothing")
    for body in ({}, {"assessment": {"assessment_name": "r"}, "update_mask": "assessment_name"}, {"assessment": {"feedback": {"value": "no"}}, "update_mask": "feedback"},
                 {"assessment": {"rationale": "why"}, "update_mask": "rationale,bogus"}):
        wire.ask("PATCH", f"{path}/{made}", body)
    wire.ask("DELETE", f"{path}/{made}")
    wire.ask("DELETE", f"{path}/{made}")


@session("raw-53-charts", since_3=True)
def charts(wire):
    """traces/metrics, and RLIKE."""
    t = API3 + "traces"
    exp = wire.experiment("raw charts")
    where = {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": exp}}
    for i in range(6):
        wire.post(t, {"trace": {"trace_info": {
            "trace_id": f"tr-{i:02x}" + "c5" * 15, "trace_location": where, "request_time": f"2024-01-0{1 + i // 3}T0{i}:00:00Z",
            "execution_duration": f"{i}.250s", "state": "ERROR" if i == 5 else "OK",
            "tags": {"mlflow.traceName": "ask" if i % 2 else "look", "team": ("harbour", "Pier 7", "a\nb")[i % 3]},
            "trace_metadata": {"mlflow.trace.session": f"s{i // 2}", "mlflow.trace.tokenUsage": json.dumps(
                {"input_tokens": 10 * i, "output_tokens": i, "total_tokens": 11 * i})}}}})
    cost = {"key": "mlflow.llm.cost", "value": {"stringValue": json.dumps({"input_cost": 0.5, "output_cost": 1, "total_cost": 1.5})}}
    model = {"key": "mlflow.llm.model", "value": {"stringValue": "gpt-x"}}
    kind = {"key": "mlflow.spanType", "value": {"stringValue": "LLM"}}
    word = {"key": "word", "value": {"stringValue": "tide 42"}}
    wire.post("/v1/traces", otlp_json("c7" * 16, "22" * 8, attributes=[cost, model, kind, word]), x_mlflow_experiment_id=exp)
    wire.post("/v1/traces", otlp_json("c7" * 16, "33" * 8, parentSpanId="22" * 8, name="child", status={"code": 2, "message": "no"}), x_mlflow_experiment_id=exp)
    path = f"{t}/tr-00" + "c5" * 15 + "/assessments"
    for name, value in (("good", 4), ("q", 1), ("q", True), ("q", "yes"), ("q", "no"), ("q", "perhaps")):
        wire.post(path, {"assessment": {"assessment_name": name, "source": {"source_type": "HUMAN", "source_id": "ann"}, "feedback": {"value": value},
                                        "create_time": "2020-09-13T12:26:40Z", "last_update_time": "2020-09-13T12:26:40Z"}})

    def chart(view, metric, *aggregations, **more):
        wire.post(t + "/metrics", {"experiment_ids": [exp], "view_type": view, "metric_name": metric, "aggregations": [
            {"aggregation_type": a} if isinstance(a, str) else {"aggregation_type": "PERCENTILE", "percentile_value": a} for a in aggregations], **more})

    day = {"time_interval_seconds": 86400, "start_time_ms": 1704067200000, "end_time_ms": 1704240000000}
    for metric in ("trace_count", "session_count"):
        chart("TRACES", metric, "COUNT")
        chart("TRACES", metric, "COUNT", **day)
    chart("TRACES", "trace_count", "COUNT", dimensions=["trace_name", "trace_status"])
    chart("TRACES", "trace_count", "COUNT", max_results=1, **day)
    chart("TRACES", "trace_count", "COUNT", start_time_ms=1704067200000, end_time_ms=1704067200000)
    chart("TRACES", "latency", "AVG", "MIN", "MAX", 50, 95, 12.5, filters=["trace.tag.team = 'harbour'"])
    chart("TRACES", "latency", "AVG", "AVG", dimensions=["trace_name"], **day)
    for metric in ("input_tokens", "output_tokens", "total_tokens", "cache_read_input_tokens"):
        chart("TRACES", metric, "SUM", "AVG", 90, dimensions=["trace_name"])
    for text in ("trace.status = 'ERROR'", "trace.metadata.`mlflow.trace.session` = 's1'", "trace.tag.`team` = 'Pier 7'", "trace.status = 'none'", "trace.bogus = 'x'",
                 "trace.tag = 'x'", "trace.status.x = 'x'", "trace.status != 'x'", "span.name = 'op'", "assessment.name = 'q'", "bogus.x = 'y'", "status = 'OK'", "",
                 "trace.status = 5"):
        chart("TRACES", "trace_count", "COUNT", filters=[text])
    chart("SPANS", "span_count", "COUNT", dimensions=["span_name", "span_type", "span_status"])
    chart("SPANS", "span_count", "COUNT", dimensions=["span_model_name"])
    chart("SPANS", "latency", "AVG", 50, filters=["span.name = 'child'", "span.status = 'ERROR'"])
    for metric in ("input_cost", "total_cost"):
        chart("SPANS", metric, "SUM", dimensions=["span_model_name"])
    chart("SPANS", "input_cost", "SUM", time_interval_seconds=3600, start_time_ms=T0 - 1, end_time_ms=T0 + 1)
    chart("ASSESSMENTS", "assessment_count", "COUNT", dimensions=["assessment_name", "assessment_value"])
    chart("ASSESSMENTS", "assessment_value", "AVG", "MIN", "MAX", dimensions=["assessment_name"])
    chart("ASSESSMENTS", "assessment_value", "AVG", filters=["assessment.name = 'q'", "assessment.type = 'feedback'", "trace.status = 'OK'"])
    for view, metric, aggregation, more in (("TRACES", "bogus", "COUNT", {}), ("TRACES", "trace_count", "SUM", {}), ("SPANS", "latency", "COUNT", {}),
                                            ("TRACES", "latency", "AVG", {"dimensions": ["span_name"]}), ("ASSESSMENTS", "assessment_value", "AVG", {"dimensions": ["x"]}),
                                            ("TRACES", "latency", "AVG", {"time_interval_seconds": 60})):
        chart(view, metric, aggregation, **more)
    base = {"experiment_ids": [exp], "view_type": "TRACES", "metric_name": "trace_count", "aggregations": [{"aggregation_type": "COUNT"}]}
    for name in base:
        wire.post(t + "/metrics", {k: v for k, v in base.items() if k != name})
    wire.post(t + "/metrics", {**base, "view_type": 1, "aggregations": [{"aggregation_type": 1}]})
    wire.post(t + "/metrics", {**base, "experiment_ids": ["987654"]})
    for text in ("tags.team RLIKE '^h'", "tags.team rlike 'r'", "tags.team RLIKE '(?i)^pier \\d$'", "tags.team RLIKE '^.*$'", "tags.team RLIKE '^[^x]+$'", "name RLIKE '^l.+k$'",
                 "metadata.`mlflow.trace.session` RLIKE 's[12]'", "request_id RLIKE '^tr-0[12]'", "status RLIKE 'ERR'", "span.name RLIKE '^ch'", "span.type RLIKE 'L{2}M'",
                 "span.attributes.word RLIKE '^tide \\d+$'", "span.attributes.word RLIKE '42'", "feedback.q RLIKE 'perhaps'", "timestamp_ms RLIKE '1'", "span.content RLIKE 'x'",
                 "tags.team RLIKE '('", "tags.team RLIKE 5"):
        wire.post(f"{t}/search", {"locations": [where], "filter": text, "order_by": ["timestamp_ms ASC"]})


@session("raw-52-otlp", since_3=True)
def otlp(wire):
    exp = wire.experiment("raw otlp")
    first = otlp_json("11" * 16, "22" * 8)
    wire.post("/v1/traces", first)
    wire.post("/v1/traces", first, x_mlflow_experiment_id=exp)
    wire.post("/v1/traces", otlp_json("11" * 16, "33" * 8, parentSpanId="22" * 8, name="child", status={"code": 2, "message": "no"}), x_mlflow_experiment_id=exp)
    wire.get(API3 + "traces/get", ("trace_id", "tr-" + "11" * 16))
    wire.get(API3 + "traces/tr-" + "11" * 16)
    packed = gzip.compress(json.dumps(otlp_json("44" * 16, "55" * 8)).encode(), mtime=0)
    wire.ask("POST", "/v1/traces", packed, x_mlflow_experiment_id=exp, Content_Encoding="gzip")
    wire.ask("POST", "/v1/traces", b"junk", x_mlflow_experiment_id=exp, Content_Encoding="gzip")
    wire.ask("POST", "/v1/traces", b"junk", x_mlflow_experiment_id=exp, Content_Encoding="br")
    for body, kind in ((b"\xff\xff\xff", "application/x-protobuf"), (b"", "application/x-protobuf"), (b"{", "application/json"), (b"{}", "application/json"), (b"x", "text/plain")):
        wire.ask("POST", "/v1/traces", body, x_mlflow_experiment_id=exp, Content_Type=kind)
    wire.post("/v1/traces", otlp_json("zz", "1"), x_mlflow_experiment_id=exp)
    wire.post("/v1/traces", otlp_json("66" * 16, "77" * 8), x_mlflow_experiment_id="987654")
    rid = wire.run(exp)
    wire.post("/v1/traces", otlp_json("88" * 16, "99" * 8), x_mlflow_experiment_id=exp, x_mlflow_run_id=rid)
    wire.get("/v1/traces")
    where = {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": exp}}
    for text in ("", "span.name = 'child'", "span.status = 'ERROR'", "span.attributes.mlflow.spanInputs LIKE '%x%'", f"run_id = '{rid}'"):
        wire.post(API3 + "traces/search", {"locations": [where], "filter": text, "order_by": ["timestamp_ms ASC"]})


@session("raw-60-logged-models", since_3=True)
def logged_models(wire):
    m = API + "logged-models"
    exp = wire.experiment("raw logged models")
    rid = wire.run(exp)
    for body in ({}, {"experiment_id": "987654"}, {"experiment_id": exp}, {"experiment_id": exp, "name": ""}, {"experiment_id": exp, "name": "a/b"}, {"experiment_id": exp, "name": "n" * 501},
                 {"experiment_id": exp, "name": "x", "source_run_id": "0" * 32}, {"experiment_id": exp, "name": "p", "params": [{"key": "k", "value": "v" * 6001}]},
                 {"experiment_id": exp, "name": "t", "tags": [{"key": "k"}]}):
        wire.post(m, body)
    made = wire.post(m, {"experiment_id": exp, "name": "raw", "model_type": "agent", "source_run_id": rid, "params": [{"key": "p", "value": "1"}], "tags": [{"key": "t", "value": "1"}]})
    mid = made.get("model", {}).get("info", {}).get("model_id", "m-nothing")
    wire.get(f"{m}/{mid}")
    wire.get(f"{m}/m-nothing")
    for body in ({}, {"model_id": mid}, {"model_id": mid, "status": "BOGUS"}, {"model_id": mid, "status": "LOGGED_MODEL_PENDING"}, {"model_id": mid, "status": "LOGGED_MODEL_UPLOAD_FAILED"},
                 {"status": "LOGGED_MODEL_READY"}):
        wire.ask("PATCH", f"{m}/{mid}", body)
    for body in ({}, {"tags": [{"key": "u", "value": "2"}]}, {"tags": [{"key": "u"}]}):
        wire.ask("PATCH", f"{m}/{mid}/tags", body)
    for key in ("u", "u", "with%20space"):
        wire.ask("DELETE", f"{m}/{mid}/tags/{key}")
    for body in ({}, {"params": [{"key": "q", "value": "2"}]}, {"params": [{"key": "p", "value": "2"}]}):
        wire.post(f"{m}/{mid}/params", body)
    metric = {"run_id": rid, "key": "acc", "value": 0.5, "timestamp": T0, "step": 2, "model_id": mid, "dataset_name": "d", "dataset_digest": "abc"}
    wire.post(API + "runs/log-metric", metric)
    wire.post(API + "runs/log-metric", {**metric, "model_id": "m-nothing"})
    wire.post(API + "runs/log-batch", {"run_id": rid, "metrics": [{k: v for k, v in {**metric, "step": 3, "value": 0.75}.items() if k != "run_id"}]})
    wire.post(API + "runs/outputs", {"run_id": rid, "models": [{"model_id": mid, "step": 4}]})
    wire.post(API + "runs/log-inputs", {"run_id": rid, "models": [{"model_id": mid}]})
    wire.get(API + "runs/get", ("run_id", rid))
    wire.get(API + "metrics/get-history", ("run_id", rid), ("metric_key", "acc"))
    wire.get(f"{m}/{mid}")
    ids = [exp]
    for text in (None, "name = 'raw'", "name LIKE 'raw%'", "name IN ('raw')", "model_id = '%s'" % mid, "model_type = 'agent'", "status = 'READY'", "status = 'FAILED'", "source_run_id = '%s'" % rid, "creation_timestamp > 0",
                 "metrics.acc > 0.6", "metrics.acc < 0.6", "params.p = '1'", "tags.t = '1'", "tag.t = '1'", "metric.acc > 0", "attributes.name = 'raw'", "bogus = 'x'", "name = 'a' OR name = 'b'", "metrics.acc = 'x'"):
        wire.post(m + "/search", {"experiment_ids": ids, "filter": text, "order_by": [{"field_name": "creation_time"}]})
    for more in ({"max_results": 0}, {"max_results": 51}, {"page_token": "bogus"}, {"order_by": [{"field_name": "bogus"}]}, {"order_by": [{"field_name": "metrics.acc", "ascending": False}]}, {"order_by": ["name"]},
                 {"order_by": [{"field_name": "metrics.acc", "dataset_digest": "abc"}]}, {"datasets": [{"dataset_name": "d", "dataset_digest": "abc"}], "filter": "metrics.acc > 0"},
                 {"datasets": [{"dataset_digest": "abc"}]}, {"datasets": [{"dataset_name": "other"}], "filter": "metrics.acc > 0"}):
        wire.post(m + "/search", {"experiment_ids": ids, **more})
    wire.post(m + "/search", {})
    page = wire.post(m + "/search", {"experiment_ids": ids, "max_results": 1, "order_by": [{"field_name": "creation_time"}]})
    wire.post(m + "/search", {"experiment_ids": ids, "max_results": 1, "order_by": [{"field_name": "creation_time"}], "page_token": page.get("next_page_token", "")})
    wire.ask("PUT", PROXY + f"artifacts/{exp}/models/{mid}/artifacts/MLmodel", "flavors: {}\n")
    for query in ((), (("artifact_directory_path", ""),), (("artifact_directory_path", "nothing"),), (("artifact_directory_path", "../.."),)):
        wire.get(f"{m}/{mid}/artifacts/directories", *query)
    for query in ((("artifact_file_path", "MLmodel"),), (("artifact_file_path", "nothing"),), ()):
        wire.get(f"/ajax-api/2.0/mlflow/logged-models/{mid}/artifacts/files", *query)
    wire.post(API + "registered-models/create", {"name": "raw of logged"})
    wire.post(API + "model-versions/create", {"name": "raw of logged", "source": f"models:/{mid}", "model_id": mid, "run_id": rid})
    wire.get(f"{m}/{mid}")
    wire.get(API + "model-versions/get-download-uri", ("name", "raw of logged"), ("version", "1"))
    wire.ask("DELETE", f"{m}/{mid}")
    wire.ask("DELETE", f"{m}/{mid}")
    wire.get(f"{m}/{mid}")


@session("raw-70-webhooks", since_3=True)
def webhooks(wire):
    w = API + "webhooks"
    wire.get(w)
    wire.post(w, {})
    wire.post(w, {"name": "hook", "url": "nonsense", "events": [{"entity": "REGISTERED_MODEL", "action": "CREATED"}]})
    wire.get(f"{w}/nothing")
    wire.get(w, ("max_results", "1"))
