#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The observability gate: walks every route and every job kind of a running server and fails where one
is not documented, has no example that works, moves no metric, leaves no log line, or (jobs) no artifact.

It starts its own server on a free port with a temporary home, brings it through the loop once (import,
dataset, training, promotion, a game), and then calls everything that /openapi.json lists. Nothing here
names a route that exists only here: a new route or job kind is walked without a change to this file,
unless it needs a value for a path parameter that nothing else has, which is then said.
"""
import collections
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
LINES_PER_S = 20  # REQUEST_LINES_PER_S of platform/app


class NothingHere(LookupError):
    """No app of this build has what the route is about."""


class Gate:
    def __init__(self, server):
        self.server = server
        self.passed, self.failures = 0, []
        self.ids = {}
        self.asked = collections.defaultdict(list)  # when what was asked to prepare others, by method and path

    # -------------------------------------------------------------- the loop, once

    def call(self, method, path, body=None, headers=None):
        headers = dict(headers or {})
        self.asked[method, path].append(time.monotonic())
        if isinstance(body, (dict, list)):
            body, headers["Content-Type"] = json.dumps(body), "application/json"
        return self.server.request(method, path, body, headers)

    def must(self, method, path, body=None, headers=None):
        reply = self.call(method, path, body, headers)
        if reply.status >= 400:
            raise SystemExit(f"gate: {method} {path} answered {reply.status}: {reply.text[:300]}")
        return reply.json() if reply.body else None

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
            if name == "ref":
                return "prod"
            if name == "view":
                return "runs"
            if name == "asset":
                return self.ui_asset()
            if name == "key":
                return "loss"
            if name == "family":
                return self.family(template)
            if "mlflow-artifacts" in template:
                return self.spare_file()
            if name == "path":
                return "training_report.json"
            if name == "model_id":
                return self.logged_model() if method == "get" else self.spare_logged()
            if name == "type":
                return self.served_type() if method == "delete" else "xgboost"
            if name == "alias":
                return "B"
            if name == "game_id":
                return self.rps_game()
            if name in ("policy", "player"):
                self.rps_game()
                return "ace" if name == "policy" else "Ann"
            if name == "tag_key":
                return "gate"
            if name == "trace_id":
                return self.spare_trace()
            if name == "assessment_id":
                return self.must("POST", f"/api/3.0/mlflow/traces/{self.ids['spare_trace']}/assessments",
                                 {"assessment": {"feedback": {"value": True}}})["assessment"]["assessment_id"]
            if template.startswith("/v1/play/"):
                return self.spare_game(template)
            if template.startswith("/v1/admin/users/"):
                self.spare_key()
                return "gate"
            if template.startswith("/v1/keys/"):
                return self.spare_key()
            if template.startswith("/v1/datasets") and method == "delete":
                return self.spare_dataset()
            if template.startswith("/v1/workers/"):
                return self.must("GET", "/v1/workers")["items"][0]["name"]
            if template.endswith("/control"):
                return self.spare_training()[0 if before == "trainings" else 1]
            if template.startswith("/v1/metrics/selfplay") or "selfplay" in template:
                return self.ids["selfplay"]
            if template.startswith("/v1/metrics/train") or template.startswith("/v1/logs/training"):
                return self.ids["trainings"]
            if template.startswith("/runner/eval"):
                return self.ids["evaluations"]
            if before == "players":
                return urllib.parse.quote(self.must("GET", "/v1/games/recent?limit=1")[0]["white"], safe="")
            if before == "byName":
                return self.ids["datasets"]
            if before == "outbox":
                return "loki"
            if before not in self.ids:
                raise LookupError(f"no value is known for {{{name}}} after /{before}/")
            return self.ids[before]
        return re.sub(r"\{(\w+)\}", value, template)

    def ui_asset(self):
        """A file of the web UI, as its page names it."""
        named = re.search(r"/ui/assets/([^\"]+)", self.call("GET", "/ui/").text)
        if not named:
            raise NothingHere("this build has no web UI")
        return named.group(1)

    def family(self, template):
        """A family that serves; for a rollback, one whose Production has just replaced another version."""
        families = self.must("GET", "/v1/serving")["items"]
        if not families:
            raise NothingHere("no app of this build has a family of models")
        if template.endswith("/rollback"):
            self.promoted(families[0])
        return families[0]["family"]

    def promoted(self, family):
        """As if promotion had put the newest version in the place of the one before it."""
        known = self.call("GET", f"/v1/models/{family['modelId']}/versions")
        versions = [v["modelVersion"] for v in known.json()] if known.status == 200 else []
        if len(versions) < 2:
            raise NothingHere(f"model {family['modelId']} has no two versions")
        self.must("POST", "/v1/models/promote", {"modelId": family["modelId"], "modelVersion": versions[0], "to": "Production"})
        slot = {"alias": "Production", "versionBefore": int(versions[1]), "versionAfter": int(versions[0]), "source": "B"}
        self.server.sql("INSERT INTO serving_decisions (family, decision, at_ms, is_reordered, reason, username, source, data)"
                        f" VALUES ('{family['family']}', 'swap_production_b', 1, 0, 'gate', 'gate', 'gate',"
                        f" '{json.dumps({'slots': [slot]})}')")

    def spare_game(self, template):
        game = self.must("POST", "/v1/play/new", {"color": "white"})["gameId"]
        if template.endswith("/takeback"):
            self.must("POST", f"/v1/play/{game}/move", {"uci": "e2e4"})
        return game

    def rps_game(self):
        """A game of rock, paper, scissors that has just begun."""
        return self.must("POST", "/start_game", {"policy": "ace", "player_name": "Ann"})["game_id"]

    def served_type(self):
        """A family of models for rock, paper, scissors of which one serves."""
        if "served_type" not in self.ids:
            rows = "".join(f"{i},g{i},{k},{'rps'[(i + k) % 3]},{'rps'[i * k % 3]}\n" for i in range(1, 121) for k in range(1, 21))
            log = ("id,game,period,choice,other.choice\n" + rows).encode()
            self.wait(self.must("POST", "/v1/rps/import?name=gate.csv", log)["jobId"])
            wish = {"family": "multinomial_logistic", "source": "people", "force": True}
            self.wait(self.must("POST", "/v1/rps/train", wish)["jobId"])
            self.must("POST", "/models/reload")
            self.ids["served_type"] = wish["family"]
        return self.ids["served_type"]

    def spare_key(self):
        return self.must("POST", "/v1/keys", {"username": "gate", "role": "viewer"})["id"]

    def spare_file(self, path="gate/spare.txt"):
        """A file that a client stored."""
        self.must("PUT", "/api/2.0/mlflow-artifacts/artifacts/" + path, b"gate")
        return path

    def logged_model(self):
        """What a client of MLflow 3 leaves: a logged model with a file, a version made of it, and a trace with a file."""
        if "logged_model" not in self.ids:
            self.ids.update(logged_model="m-gate", trace="tr-gate")
            self.spare_file("0/models/m-gate/artifacts/MLmodel")
            self.spare_file("0/traces/tr-gate/artifacts/traces.json")
            for statement in (
                    "INSERT INTO logged_models (model_id, experiment_id, name, artifact_location, created_ms, updated_ms,"
                    " status, lifecycle_stage) VALUES ('m-gate', 0, 'm', 'mlflow-artifacts:/0/models/m-gate/artifacts', 1, 1,"
                    " 'LOGGED_MODEL_READY', 'active')",
                    "INSERT INTO registered_models (name, kind, created_ms, updated_ms) VALUES ('gate', 'k', 1, 1)",
                    "INSERT INTO model_versions (id, name, version, kind, stage, status, source, bytes, created_ms, updated_ms)"
                    " VALUES ('gate', 'gate', 1, 'k', 'None', 'READY', 'models:/m-gate', 0, 1, 1)",
                    "INSERT INTO traces (trace_id, experiment_id, request_ms, state, has_spans) VALUES ('tr-gate', 0, 1, 'OK', 0)"):
                self.server.sql(statement)
        return self.ids["logged_model"]

    def spare_logged(self):
        """A logged model of its own, with a tag."""
        made = self.must("POST", "/api/2.0/mlflow/logged-models",
                         {"experiment_id": "0", "tags": [{"key": "gate", "value": "1"}]})
        self.ids["logged"] = made["model"]["info"]["model_id"]
        return self.ids["logged"]

    def spare_model(self):
        """A registered model of a client, with a version and an alias."""
        name = uuid.uuid4().hex
        self.must("POST", "/api/2.0/mlflow/registered-models/create", {"name": name})
        self.must("POST", "/api/2.0/mlflow/model-versions/create", {"name": name, "source": "s3://bucket/model"})
        self.must("POST", "/api/2.0/mlflow/registered-models/alias", {"name": name, "alias": "champion", "version": "1"})
        return name

    OTLP_HEADERS = {"Content-Type": "application/json", "x-mlflow-experiment-id": "0"}

    @staticmethod
    def export(trace):
        """What an OpenTelemetry program sends of one span."""
        span = {"traceId": trace, "spanId": "0102030405060708", "name": "gate", "startTimeUnixNano": "1", "endTimeUnixNano": "2"}
        return json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]})

    def spare_trace(self):
        """A trace of its own with a span and a tag."""
        trace = uuid.uuid4().hex
        self.server.request("POST", "/v1/traces", self.export(trace), self.OTLP_HEADERS)
        self.must("PATCH", f"/api/3.0/mlflow/traces/tr-{trace}/tags", {"key": "gate", "value": "1"})
        self.ids["spare_trace"] = "tr-" + trace
        return "tr-" + trace

    def query_for(self, template):
        """Queries that must name what exists here."""
        run = self.ids["trainings"]
        queries = {"/api/2.0/mlflow/artifacts/list": f"run_id={run}",
                   "/get-artifact": f"run_id={run}&path=training_report.json",
                   "/model-versions/get-artifact": "name=gate&version=1&path=MLmodel",
                   "/ajax-api/2.0/mlflow/logged-models/{model_id}/artifacts/files": "artifact_file_path=MLmodel",
                   "/ajax-api/2.0/mlflow/get-trace-artifact": "request_id=tr-gate",
                   "/ajax-api/2.0/mlflow/upload-artifact": f"run_uuid={run}&path=gate.txt"}
        queries["/ajax-api/2.0/mlflow/artifacts/list"] = queries["/api/2.0/mlflow/artifacts/list"]
        queries["/ajax-api/3.0/mlflow/get-trace-artifact"] = queries["/ajax-api/2.0/mlflow/get-trace-artifact"]
        for prefix in ("/api", "/ajax-api"):
            queries[prefix + "/3.0/mlflow/traces/get"] = "trace_id=" + self.ids.get("spare_trace", "")
            queries[prefix + "/3.0/mlflow/traces/batchGet"] = "trace_ids=" + self.ids.get("spare_trace", "")
        if "/traces/" in template and "spare_trace" not in self.ids:
            self.spare_trace()
            return self.query_for(template)
        if template in queries:
            self.logged_model()
        return queries.get(template)

    def spare_dataset(self):
        made = self.must("POST", "/v1/datasets", {"name": "gate-" + uuid.uuid4().hex[:8]})
        self.wait(made["jobId"])
        return made["id"]

    def spare_training(self):
        """A training that can be paused, stopped or replayed: long, or just stopped."""
        made = self.must("POST", "/v1/trainings", {"datasetId": self.ids["datasets"], "minutes": 5, "epochs": 10000,
                                                   "patience": 10000})
        self.wait(made["jobId"], ("running",))
        return made["runId"], made["jobId"]

    def request_of(self, template, method, operation):
        """(path, body, headers) of the example call."""
        path = self.path_of(template, method)
        body = operation.get("requestBody", {}).get("content", {})
        example = self.filled(operation.get("x-example"))
        headers = {"X-Request-Id": "gate-" + uuid.uuid4().hex}
        if template == "/v1/traces":
            return path, self.export(uuid.uuid4().hex), dict(headers, **self.OTLP_HEADERS)
        if template == "/v1/rps/import":
            return path, self.people_log(), headers
        if "multipart/form-data" in body:
            games = sorted(GAMES.glob("*.pgn.zst"))[0].read_bytes()
            kind, content = harness.multipart({}, {"file": ("games.pgn.zst", games)})
            return path, content, dict(headers, **{"Content-Type": kind})
        if "application/json" in body:
            value = json.loads(example) if example and example[0] in "{[" else self.body_for(template)
            if template.endswith("/control") and "jobs" in template:
                value = {"action": "stop"}
            return path, json.dumps(value), dict(headers, **{"Content-Type": "application/json"})
        query = example if example and example[0] not in "{[" else self.query_for(template)
        if query:
            path += "?" + query
        if "application/octet-stream" in body:
            return path, b"gate", headers
        return path, b"" if method == "post" else None, headers

    @staticmethod
    def people_log():
        """240 people who play 20 rounds each, as a log for rps."""
        return ("id,game,period,choice,other.choice\n" + "".join(
            f"{i},g{i},{k},{'rps'[(i + k * k) % 3]},{'rps'[(k * i) % 3]}\n" for i in range(1, 241) for k in range(1, 21))).encode()

    def filled(self, example):
        """The example with its words in angle brackets filled in, each time with a thing of its own: "<new>" is a name,
        "<run>" a run of a client, "<experiment>" one with a tag, "<deleted experiment>" one that was deleted, "<model>" a
        registered model of a client, "<trace>" a trace, "<game>" a game of rps; "<logged>" is the logged model in the path."""
        def experiment():
            return self.must("POST", "/api/2.0/mlflow/experiments/create",
                             {"name": uuid.uuid4().hex, "tags": [{"key": "team", "value": "gate"}]})["experiment_id"]

        def deleted():
            made = experiment()
            self.must("POST", "/api/2.0/mlflow/experiments/delete", {"experiment_id": made})
            return made

        def run():
            made = self.must("POST", "/api/2.0/mlflow/runs/create", {"experiment_id": "0", "run_name": "gate"})
            return made["run"]["info"]["run_id"]

        for word, make in (("<new>", lambda: uuid.uuid4().hex), ("<run>", run), ("<experiment>", experiment),
                           ("<deleted experiment>", deleted), ("<model>", self.spare_model),
                           ("<trace>", self.spare_trace), ("<game>", self.rps_game), ("<logged>", lambda: self.ids["logged"])):
            if example and word in example:
                example = example.replace(word, make())
        return example

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
        template = template.replace("...}", "}")
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
        except NothingHere as nothing:
            print(f"none {what}: {nothing}")
            return
        except LookupError as missing:
            self.fail(what, str(missing))
            return
        self.leave_room(method.upper(), path)
        before = self.metrics()
        reply = self.server.request(method.upper(), path, body, headers)
        documented = {int(s) for s in operation.get("responses", {}) if s.isdigit()}
        if reply.status not in documented:
            problems.append(f"answered {reply.status}, documented is {sorted(documented)}: {reply.text[:200]}")
        owner = operation.get("x-alias-of", raw)
        if not self.comes(lambda: self.routed(self.metrics(), method, owner) > self.routed(before, method, owner)):
            problems.append("chs_api_requests_total did not move")
        family = operation.get("x-metric")
        if family and not self.comes(lambda: self.total(self.metrics(), family) > self.total(before, family)):
            problems.append(f"its metric {family} did not move")
        if not self.has_request_line(method, path, body, headers):
            problems.append("there is no http.request line with its request id")
        event = operation.get("x-event")
        if event and not self.comes(lambda: self.log_lines(event=event)):
            problems.append(f"there is no log line with event {event}")
        self.judge(what, problems)

    def leave_room(self, method, path):
        """A route writes so many lines a second; on a fast machine, preparing other routes takes all of them."""
        second_ago = time.monotonic() - 1
        if sum(when > second_ago for when in self.asked[method, path]) >= LINES_PER_S / 2:
            time.sleep(1.1)

    def has_request_line(self, method, path, body, headers):
        """A route writes so many lines a second, and the gate's own looking at /metrics and /v1/logs uses them up: a
        read is asked for once more in a second of its own."""
        for attempt in range(2 if method == "get" else 1):
            if attempt:
                time.sleep(1.1)
                headers = dict(headers, **{"X-Request-Id": "gate-" + uuid.uuid4().hex})
                self.server.request(method.upper(), path, body, headers)
            asked = headers["X-Request-Id"]
            # A line that was left out never comes; one that comes late is a line all the same.
            if self.comes(lambda: any(l.get("event") == "http.request" for l in self.log_lines(request_id=asked)),
                          1 if method == "get" and not attempt else 20):
                return True
        return False

    @staticmethod
    def comes(holds, seconds=20):
        """A request is counted and logged after its reply is sent, and work that it starts goes on behind it."""
        deadline = time.monotonic() + seconds
        while not holds():
            if time.monotonic() > deadline:
                return False
            time.sleep(0.02)
        return True

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
        other = self.server.home / "mlruns" / "1"
        other.mkdir(parents=True)
        (other / "meta.yaml").write_text("experiment_id: '1'\nlifecycle_stage: active\nname: elsewhere\n")
        self.server.cli("import", "mlflow", str(other.parent))
        people = self.server.home / "people.csv"
        people.write_bytes(self.people_log())
        self.server.cli("rps", "import", str(people))
        self.server.cli("rps", "train", "--family", "multinomial_logistic", "--source", "people", "--force")
        self.server.cli("rps", "evaluate", "rps_bot_mnlogit@latest")
        self.server.cli("backup", str(self.server.home / "gate-backup"))
        self.server.cli("backup", "verify", str(self.server.home / "gate-backup"))
        for job in document["x-jobs"]:
            self.job(job)


def main():
    # A destination that is not there: its routes have something to show, and its failing is part of the walk.
    server = harness.Server(env={"SKERRY_LOKI_URL": f"http://127.0.0.1:{harness.free_port()}"})
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
