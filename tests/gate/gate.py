#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The observability gate: walks every route and every job kind of a running server and fails where one
is not documented, has no example that works, moves no metric, leaves no log line, or (jobs) no artifact.

It starts its own server on a free port with a temporary home, brings it through the loop once (import,
dataset, training, promotion, a game), and then calls everything that /openapi.json lists. Nothing here
names a route that exists only here: a new route or job kind is walked without a change to this file,
unless it needs a value for a path parameter that nothing else has, which is then said.
"""
import json
import pathlib
import re
import sys
import time
import urllib.parse
import uuid

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "http"))
import harness  # noqa: E402

GAMES = ROOT / "examples" / "games"
METHODS = ("get", "post", "put", "patch", "delete")


class Gate:
    def __init__(self, server):
        self.server = server
        self.passed, self.failures = 0, []
        self.ids = {}

    # -------------------------------------------------------------- the loop, once

    def call(self, method, path, body=None, headers=None):
        headers = dict(headers or {})
        if isinstance(body, (dict, list)):
            body, headers["Content-Type"] = json.dumps(body), "application/json"
        return self.server.request(method, path, body, headers)

    def must(self, method, path, body=None, headers=None):
        reply = self.call(method, path, body, headers)
        if reply.status >= 400:
            raise SystemExit(f"gate: {method} {path} answered {reply.status}: {reply.text[:300]}")
        return reply.json()

    def wait(self, job_id, states=("succeeded",)):
        deadline = time.monotonic() + 180
        while time.monotonic() < deadline:
            job = self.must("GET", f"/v1/jobs/{job_id}")
            if job["status"] in states:
                return job
            if job["status"] in ("failed", "stopped"):
                raise SystemExit(f"gate: job {job['kind']} {job['status']}: {job['error']}")
            time.sleep(0.1)
        raise SystemExit(f"gate: job {job_id} did not end within three minutes")

    def prepare(self):
        games = sorted(GAMES.glob("*.pgn.zst"))[0].read_bytes()
        made = self.must("POST", "/v1/ingest", games)
        self.wait(made["jobId"])
        self.ids["ingest"] = made["runId"]
        dataset = self.must("POST", "/v1/datasets", {"name": "gate-setup", "split": {"train": 0.8, "valid": 0.1, "test": 0.1}})
        self.wait(dataset["jobId"])
        self.ids["datasets"] = dataset["id"]
        training = self.must("POST", "/v1/trainings", {"datasetId": dataset["id"], "minutes": 0.05, "epochs": 1, "notes": "gate"})
        result = self.wait(training["jobId"])["result"]
        self.ids.update(trainings=training["runId"], training=training["runId"], runs=training["runId"], jobs=training["jobId"],
                        lineage=dataset["id"], models=result["modelId"], analytics="move_count", label="component")
        self.must("POST", "/v1/models/promote", {"modelId": result["modelId"], "modelVersion": str(result["modelVersion"])})
        evaluation = self.must("POST", "/v1/evaluations", {"candidateModelId": result["modelId"]})
        self.wait(evaluation["jobId"])
        self.ids["evaluations"] = evaluation["evaluationId"]
        match = self.must("POST", "/v1/selfplay", {"games": 2, "seed": 1})
        self.wait(match["jobId"])
        self.ids["selfplay"] = match["runId"]
        self.wait(self.must("POST", "/v1/analytics/run")["jobId"])
        self.ids["games"] = self.must("GET", "/v1/games/recent?limit=1")[0]["id"]
        self.result = result

    # -------------------------------------------------------------- filling in a route

    def path_of(self, template, method):
        """The path with values for its parameters, made for destructive routes, known for the others."""
        def value(match):
            name, before = match.group(1), template[:match.start()].strip("/").split("/")[-1]
            if name == "version":
                return str(self.result["modelVersion"])
            if name == "key":
                return "loss"
            if name == "path":
                return "training_report.json"
            if template.startswith("/v1/play/"):
                return self.spare_game(template)
            if template.startswith("/v1/admin/users/"):
                self.spare_key()
                return "gate"
            if template.startswith("/v1/keys/"):
                return self.spare_key()
            if template.startswith("/v1/datasets") and method == "delete":
                return self.spare_dataset()
            if template.endswith("/control"):
                return self.spare_training()[0 if before == "trainings" else 1]
            if template.startswith("/v1/metrics/selfplay") or "selfplay" in template:
                return self.ids["selfplay"]
            if template.startswith("/v1/metrics/train") or template.startswith("/v1/logs/training"):
                return self.ids["trainings"]
            if template.startswith("/runner/eval"):
                return self.ids["evaluations"]
            if before == "byName":
                return self.ids["datasets"]
            if before not in self.ids:
                raise LookupError(f"no value is known for {{{name}}} after /{before}/")
            return self.ids[before]
        return re.sub(r"\{(\w+)\}", value, template)

    def spare_game(self, template):
        game = self.must("POST", "/v1/play/new", {"color": "white"})["gameId"]
        if template.endswith("/takeback"):
            self.must("POST", f"/v1/play/{game}/move", {"uci": "e2e4"})
        return game

    def spare_key(self):
        return self.must("POST", "/v1/keys", {"username": "gate", "role": "viewer"})["id"]

    def spare_dataset(self):
        made = self.must("POST", "/v1/datasets", {"name": "gate-" + uuid.uuid4().hex[:8]})
        self.wait(made["jobId"])
        return made["id"]

    def spare_training(self):
        """A training that can be paused, stopped or replayed: long, or just stopped."""
        made = self.must("POST", "/v1/trainings", {"datasetId": self.ids["datasets"], "minutes": 5, "epochs": 1000})
        self.wait(made["jobId"], ("running",))
        return made["runId"], made["jobId"]

    def request_of(self, template, method, operation):
        """(path, body, headers) of the example call."""
        path = self.path_of(template, method)
        body = operation.get("requestBody", {}).get("content", {})
        example = operation.get("x-example")
        headers = {"X-Request-Id": "gate-" + uuid.uuid4().hex}
        if "multipart/form-data" in body:
            games = sorted(GAMES.glob("*.pgn.zst"))[0].read_bytes()
            kind, content = harness.multipart({}, {"file": ("games.pgn.zst", games)})
            return path, content, dict(headers, **{"Content-Type": kind})
        if "application/json" in body:
            value = json.loads(example) if example and example.startswith("{") else self.body_for(template)
            if template.endswith("/control") and "jobs" in template:
                value = {"action": "stop"}
            return path, json.dumps(value), dict(headers, **{"Content-Type": "application/json"})
        if example and not example.startswith("{"):
            path += "?" + example
        return path, b"" if method == "post" else None, headers

    def body_for(self, template):
        """Bodies that must name what exists here; a route with none of these needs an example in its row."""
        known = {"/v1/trainings": {"datasetId": self.ids["datasets"], "minutes": 0.02, "epochs": 1},
                 "/v1/evaluations": {"candidateModelId": self.ids["models"]},
                 "/runner/eval/start": {"modelId": self.ids["models"], "limit": 50},
                 "/v1/models/load": {"modelId": self.ids["models"], "modelVersion": str(self.result["modelVersion"])},
                 "/v1/models/promote": {"modelId": self.ids["models"], "modelVersion": str(self.result["modelVersion"])}}
        if template not in known:
            raise LookupError("its row has no example body")
        return known[template]

    # -------------------------------------------------------------- judging

    def metrics(self):
        """name{labels} -> value"""
        out = {}
        for line in self.call("GET", "/metrics").text.splitlines():
            if line and line[0] != "#":
                series, _, value = line.rpartition(" ")
                out[series] = float(value)
        return out

    @staticmethod
    def total(metrics, family):
        return sum(v for k, v in metrics.items()
                   if k.split("{")[0] in (family, family + "_count"))

    def routed(self, metrics, method, template):
        # A route's own "{rest...}" is "{rest}" in OpenAPI.
        return sum(v for k, v in metrics.items()
                   if k.startswith("chs_api_requests_total{") and f'method="{method.upper()}"' in k
                   and f'uri="{template}"' in k.replace("...}", "}"))

    def log_lines(self, **query):
        path = "/v1/logs?" + urllib.parse.urlencode(dict(query, range="1h", limit=50))
        return self.must("GET", path)["items"]

    def fail(self, what, why):
        self.failures.append((what, why))
        print(f"FAIL {what}: {why}")

    def judge(self, what, problems):
        if problems:
            self.fail(what, "; ".join(problems))
        else:
            self.passed += 1
            print(f"ok   {what}")

    def route(self, template, method, operation, raw):
        what = f"{method.upper()} {template}"
        problems = []
        for member in ("summary", "x-access", "operationId", "responses"):
            if not operation.get(member):
                problems.append(f"OpenAPI has no {member}")
        try:
            path, body, headers = self.request_of(template, method, operation)
        except LookupError as missing:
            self.fail(what, str(missing))
            return
        before = self.metrics()
        reply = self.server.request(method.upper(), path, body, headers)
        documented = {int(s) for s in operation.get("responses", {}) if s.isdigit()}
        if reply.status not in documented:
            problems.append(f"answered {reply.status}, documented is {sorted(documented)}: {reply.text[:200]}")
        time.sleep(0.02)  # the counters move after the reply is sent
        after = self.metrics()
        owner = operation.get("x-alias-of", raw)
        if self.routed(after, method, owner) <= self.routed(before, method, owner):
            problems.append("chs_api_requests_total did not move")
        family = operation.get("x-metric")
        if family and not self.moved(family, before):
            problems.append(f"its metric {family} did not move")
        if not self.has_request_line(method, path, body, headers):
            problems.append("there is no http.request line with its request id")
        event = operation.get("x-event")
        if event and not self.log_lines(event=event):
            problems.append(f"there is no log line with event {event}")
        self.judge(what, problems)

    def has_request_line(self, method, path, body, headers):
        """A route writes so many lines a second, and the gate's own looking at /metrics and /v1/logs uses them up: a
        read is asked for once more in a second of its own."""
        for attempt in range(2 if method == "get" else 1):
            if attempt:
                time.sleep(1.1)
                headers = dict(headers, **{"X-Request-Id": "gate-" + uuid.uuid4().hex})
                self.server.request(method.upper(), path, body, headers)
                time.sleep(0.02)
            if any(l.get("event") == "http.request" for l in self.log_lines(request_id=headers["X-Request-Id"])):
                return True
        return False

    def moved(self, family, before):
        """Work that a route starts goes on behind its reply: its metric may take a moment."""
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            if self.total(self.metrics(), family) > self.total(before, family):
                return True
            time.sleep(0.1)
        return False

    def job(self, job):
        kind, problems = job["kind"], []
        for member in ("summary", "component", "payload"):
            if not job.get(member):
                problems.append(f"OpenAPI has no {member}")
        done = self.must("GET", f"/v1/jobs?kind={kind}&status=succeeded&limit=1")["items"]
        if not done and job.get("example") is not None:
            started = self.server.cli(*self.verb_for(kind), check=False)
            done = self.must("GET", f"/v1/jobs?kind={kind}&status=succeeded&limit=1")["items"]
            if not done:
                problems.append("its verb did not succeed: " + started.stderr.decode()[-200:])
        if not done:
            self.fail(f"job {kind}", "; ".join(problems + ["no route, schedule or verb led to a run of it"]))
            return
        run = done[0]["runId"]
        if self.must("GET", f"/v1/runs/{run}")["status"] != "FINISHED":
            problems.append("its run is not FINISHED")
        family = job.get("metric")
        if family and not any(k.split("{")[0] in (family, family + "_count") for k in self.metrics()):
            problems.append(f"its metric {family} is not exposed")
        if not self.log_lines(run_id=run):
            problems.append("no log line carries its run id")
        if job.get("event") and not self.log_lines(run_id=run, event=job["event"]):
            problems.append(f"its run has no log line with event {job['event']}")
        artifacts = [a["path"] for a in self.must("GET", f"/v1/runs/{run}/artifacts")["items"]]
        if job.get("artifact") and job["artifact"] not in artifacts:
            problems.append(f"its run has no artifact {job['artifact']} (it has {artifacts})")
        self.judge(f"job {kind}", problems)

    @staticmethod
    def verb_for(kind):
        app, _, name = kind.partition(".")
        return (name,) if app == "core" else (app, name)

    def walk(self):
        self.prepare()
        document = self.must("GET", "/openapi.json")
        # Keys would close the door for everybody without one: they come last, and an admin key never.
        paths = sorted(document["paths"].items(), key=lambda p: ("/keys" in p[0], p[0]))
        for template, operations in paths:
            for method in METHODS:
                if method in operations:
                    self.route(template, method, operations[method], template)
        self.server.cli("backup", str(self.server.home / "gate-backup.db"))
        for job in document["x-jobs"]:
            self.job(job)


def main():
    server = harness.Server()
    try:
        gate = Gate(server)
        gate.walk()
    finally:
        server.stop()
    for what, why in gate.failures:
        print(f"gate: {what}: {why}", file=sys.stderr)
    print(f"{gate.passed} passed, {len(gate.failures)} failed")
    return 1 if gate.failures or not gate.passed else 0


if __name__ == "__main__":
    sys.exit(main())
