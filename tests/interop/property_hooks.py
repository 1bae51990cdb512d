# SPDX-License-Identifier: GPL-3.0-or-later
"""What Schemathesis is told about this API, beside its schema: things that are there.

An id made at random names nothing, and every route would only say 404. So in half of the requests all
fields that are ids name something that is there, now and then of another kind, and in half of these the rest
is the example of the document. Which requests is told by what they are, so that a run with the same seed
is the same run. SKERRY_PROPERTY_IDS names the file with the ids (see test_properties.py).
"""
import hashlib
import json
import os
import urllib.parse

import schemathesis

with open(os.environ["SKERRY_PROPERTY_IDS"], encoding="utf-8") as _file:
    THERE, SPARE = json.load(_file)  # to use, and to delete
FIELDS = {"run_id": "run", "run_uuid": "run", "runId": "run", "source_run_id": "run", "run_ids": "run",
          "experiment_id": "experiment", "experiment_ids": "experiment", "model_id": "logged", "trace_id": "trace",
          "trace_ids": "trace", "request_ids": "trace", "request_id": "trace", "assessment_id": "assessment", "name": "model",
          "version": "version", "alias": "alias", "metric_key": "metric", "experiment_name": "experiment_name",
          "datasetId": "dataset", "tag_key": "tag"}
BY_NOUN = {"games": "game", "datasets": "dataset", "runs": "run", "jobs": "job", "models": "model", "lineage": "run",
           "trainings": "run", "ingest": "ingest", "metrics": "metric", "byName": "dataset_name", "analytics": "plugin",
           "artifacts": "file"}
LOCAL = ("id", "runId", "key", "path")  # names that say nothing: what they mean is the word before them


def dice(case):
    text = json.dumps([case.method, case.path, case.path_parameters, case.query, case.body], sort_keys=True, default=repr)
    return int(hashlib.sha256(text.encode(errors="replace")).hexdigest()[:8], 16)


def example(operation, there):
    """The document's, with its words in angle brackets filled in; None without one."""
    text = operation.definition.raw.get("x-example")
    if not text:
        return None
    for word in ("model", "run", "experiment", "logged", "trace"):
        text = text.replace(f"<{word}>", there[word])
    return text.replace("<deleted experiment>", there["experiment"]).replace("<new>", "new-" + hashlib.sha256(text.encode()).hexdigest()[:8])


def thing(name, noun, roll, there):
    kind = BY_NOUN.get(noun) if name in LOCAL and noun in BY_NOUN else FIELDS.get(name)
    if kind is None:
        return None
    if roll % 32 == 0:
        kind = sorted(there)[roll // 32 % len(there)]
    return there[kind]


def names_of(container):
    return {parameter.name for parameter in container}


@schemathesis.hook
def before_call(context, case, kwargs):
    roll = dice(case)
    # A key of an administrator ends the trust in this machine, without which the rest of the run has no access.
    if isinstance(case.body, dict) and case.path == "/v1/keys" and case.body.get("role") == "admin":
        case.body["role"] = "viewer"
    if case.path == "/v1/jobs/events":
        case.query = {**(case.query or {}), "seconds": 1}  # without it there is no end
    if roll % 2:
        return
    ends = case.method == "DELETE" or any(word in case.path for word in ("/delete", "/rename", "/restore", "/control"))
    there = SPARE if ends else THERE
    parts = case.path.strip("/").split("/")
    for name in list(case.path_parameters or {}):
        place = "{" + name + "}"
        value = thing(name, parts[parts.index(place) - 1] if place in parts else "", roll // 4, there)
        if value is not None:
            case.path_parameters[name] = value
    text = example(case.operation, there) if roll // 2 % 2 else None
    if text and text.startswith("{") and isinstance(case.body, dict):
        case.body = {**case.body, **json.loads(text)}
    elif text and not text.startswith("{"):
        case.query = dict(urllib.parse.parse_qsl(text))
    for name in names_of(case.operation.query):
        value = thing(name, "", roll // 4, there)
        if value is not None:
            case.query = {**(case.query or {}), name: value}
    if case.path == "/v1/trainings" and isinstance(case.body, dict):
        case.body = {**case.body, "minutes": 0.02}  # one that is there is trained on
    if isinstance(case.body, dict) and not case.path.endswith(("/create", "/rename")):
        for name in FIELDS.keys() & case.body.keys():
            value = thing(name, "", roll // 4, there)
            case.body[name] = [value] if name.endswith("s") else value


@schemathesis.check
def no_server_error(ctx, response, case):
    """A 5xx is nobody's answer but where the table says so: what MLflow's clients fall back on is 501."""
    if response.status_code < 500 or str(response.status_code) in case.operation.definition.raw["responses"]:
        return
    if response.status_code == 501 and case.path.endswith("/invocations"):
        return  # a model of a flavour that nothing here runs, as documented
    raise AssertionError(f"{response.status_code}: {response.text[:300]}")
