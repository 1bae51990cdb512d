# SPDX-License-Identifier: GPL-3.0-or-later
"""Both directions between us and a real MLflow server: what its clients made comes to us, by its SQLite file
and over REST, and what we make comes to it through the mirror.

    moves.py [--suite 3] [--binary build/skerry]
With SKERRY_TEST_DB, the URL of a PostgreSQL database, ours is tried on SQLite and on that. A line "ok STEP" for each
of STEPS and suite; exit status 1 if anything differs.
"""
import argparse
import contextlib
import json
import sqlite3
import subprocess
import sys
import time

import record
import server as servers

ROOT = servers.ROOT
sys.path.insert(0, str(ROOT / "tests" / "http"))
import harness  # noqa: E402

STEPS = [f"{engine}-{step}" for engine in ("sqlite", "postgres") for step in ("import-file", "import-rest", "mirror")]
STEPS.append("sqlite-back")
PARTS = {"runs": "runs", "params": "params", "metrics": "metrics", "tags": "tags", "experimentTags": "experiment_tags",
         "registeredModels": "registered_models", "modelVersions": "model_versions", "aliases": "registered_model_aliases",
         "registeredModelTags": "registered_model_tags", "modelVersionTags": "model_version_tags",
         "loggedModels": "logged_models", "loggedModelParams": "logged_model_params", "loggedModelTags": "logged_model_tags",
         "loggedModelMetrics": "logged_model_metrics"}

# What is read back of the mirror, by the real client.
READ_BACK = """
import json, os, sys
from mlflow import MlflowClient
client = MlflowClient()
out = {"runs": [], "models": []}
for experiment in client.search_experiments(filter_string=f"name LIKE '{os.environ['BELOW']}%'"):
    for run in client.search_runs([experiment.experiment_id]):
        out["runs"].append({"id": run.data.tags["skerry.run_id"], "status": run.info.status, "params": run.data.params,
            "metrics": {key: [(p.step, p.value) for p in client.get_metric_history(run.info.run_id, key)] for key in run.data.metrics},
            "inputs": sorted([i.dataset.name, len(i.dataset.digest), i.dataset.source_type, i.dataset.profile, {t.key: t.value for t in i.tags}]
                             for i in run.inputs.dataset_inputs),
            "artifacts": sorted(f.path for f in client.list_artifacts(run.info.run_id))})
for model in client.search_registered_models():
    for version in client.search_model_versions(f"name='{model.name}'"):
        if "skerry.version" in version.tags:
            out["models"].append({"name": model.name, "tags": version.tags, "aliases": model.aliases,
                "version": version.version, "source": version.source, "stage": version.current_stage,
                "description": version.description, "name_tags": model.tags,
                "files": sorted(f.path for f in client.list_logged_model_artifacts(version.source.removeprefix("models:/")))
                         if version.source.startswith("models:/") else
                         sorted(f.path for f in client.list_artifacts(version.run_id, version.source.split("/artifacts/")[1]))
                         if version.run_id and "/artifacts/" in version.source else []})
if hasattr(client, "search_logged_models"):
    for experiment in client.search_experiments(filter_string=f"name LIKE '{os.environ['BELOW']}%'"):
        for model in client.search_logged_models([experiment.experiment_id]):
            run = client.get_run(model.source_run_id)
            out.setdefault("logged", []).append({"name": model.name, "status": str(model.status), "params": model.params, "tags": model.tags,
                "metrics": {m.key: (m.value, m.step, m.dataset_name) for m in model.metrics or []}, "run": run.data.tags["skerry.run_id"],
                "outputs": [o.model_id == model.model_id for o in run.outputs.model_outputs],
                "files": sorted(f.path for f in client.list_logged_model_artifacts(model.model_id))})
json.dump(out, sys.stdout)
"""

# What a client registers with us, changes and deletes; "kept" and "logged" are left, of the former without version 2.
REGISTER = """
import os, pathlib, tempfile
import mlflow, numpy
from mlflow import MlflowClient
client = MlflowClient()
first, kept, gone, logged = (os.environ["NAMES"] + n for n in ("first name", "kept", "gone", "logged"))
folder = pathlib.Path(tempfile.mkdtemp())
(folder / "MLmodel").write_text("flavors: {}")
with mlflow.start_run() as run:
    mlflow.log_artifacts(str(folder), "model")
    mlflow.log_input(mlflow.data.from_numpy(numpy.arange(6.0), name="waves"), context="training", tags={"season": "autumn"})
    if hasattr(mlflow, "initialize_logged_model"):
        whole = mlflow.initialize_logged_model(os.environ["NAMES"].strip() + "-whole", source_run_id=run.info.run_id, params={"depth": "3"}, tags={"team": "pier"})
        client.log_outputs(run.info.run_id, [mlflow.entities.LoggedModelOutput(whole.model_id, step=7)])
        client.log_model_artifacts(whole.model_id, str(folder))
        mlflow.finalize_logged_model(whole.model_id, "READY")
        mlflow.log_metric("auc", 0.5, step=2, model_id=whole.model_id)
        mlflow.set_logged_model_tags(whole.model_id, {"team": "harbour"})
client.create_registered_model(first, tags={"team": "pier", "old": "1"}, description="of cards")
for i in range(3):
    client.create_model_version(first, run.info.artifact_uri + "/model", run.info.run_id, tags={"k": str(i)})
client.set_registered_model_alias(first, "champion", "1")
client.set_registered_model_alias(first, "champion", "3")
client.set_registered_model_alias(first, "dropped", "1")
client.delete_registered_model_alias(first, "dropped")
client.rename_registered_model(first, kept)
client.delete_registered_model_tag(kept, "old")
client.set_model_version_tag(kept, "3", "k", "changed")
client.delete_model_version_tag(kept, "1", "k")
client.update_model_version(kept, "3", "better")
client.transition_model_version_stage(kept, "1", "Production")
client.transition_model_version_stage(kept, "3", "Production", archive_existing_versions=True)
client.delete_model_version(kept, "2")
client.create_registered_model(gone)
client.create_model_version(gone, "s3://bucket/x")
client.delete_registered_model(gone)
if hasattr(mlflow, "initialize_logged_model"):
    model = client.create_logged_model("0", source_run_id=run.info.run_id)
    client.log_model_artifacts(model.model_id, str(folder))
    client.create_registered_model(logged)
    client.create_model_version(logged, f"models:/{model.model_id}", model_id=model.model_id)
"""


# Whether all of ours, by the first address, is there once, by the second; what is in a list of files says the server.
COMPARE_BACK = """
import json, sys, urllib.request
from mlflow import MlflowClient
urls = sys.argv[1:3]
ours, theirs = (MlflowClient(u, u) for u in urls)
def files(url, run, path=""):
    with urllib.request.urlopen(f"{url}/api/2.0/mlflow/artifacts/list?run_id={run}&path={urllib.request.quote(path)}") as reply:
        for f in json.load(reply).get("files", []):
            yield from files(url, run, f["path"]) if f["is_dir"] else [(f["path"], f.get("file_size", 0))]
def data(client, url, run):
    points = {k: sorted((m.step, m.timestamp, repr(m.value)) for m in client.get_metric_history(run.info.run_id, k)) for k in run.data.metrics}
    kept = sorted(f for f in files(url, run.info.run_id) if not f[0].startswith("registered/"))
    return run.data.params, points, run.info.status, run.info.start_time, run.info.end_time, run.info.run_name, kept
runs = versions = 0
for e in ours.search_experiments():
    there = theirs.get_experiment_by_name(e.name)
    for run in ours.search_runs([e.experiment_id]):
        found = theirs.search_runs([there.experiment_id], f"tags.`skerry.run_id` = '{run.info.run_id}'")
        assert len(found) == 1, (run.info.run_id, len(found))
        a, b = data(ours, urls[0], run), data(theirs, urls[1], found[0])
        assert a == b, (a, b)
        assert {k: v for k, v in run.data.tags.items() if k != "mlflow.parentRunId"}.items() <= found[0].data.tags.items()
        runs += 1
for m in ours.search_registered_models():
    numbers = [v.version for v in ours.search_model_versions(f"name = '{m.name}'")]
    there = {v.tags["skerry.version"]: v for v in theirs.search_model_versions(f"name = '{m.name}'") if "skerry.version" in v.tags}
    assert sorted(there) == sorted(map(str, numbers)), (m.name, numbers, sorted(there))
    aliases = theirs.get_registered_model(m.name).aliases
    assert all(aliases[a] == there[str(v)].version for a, v in ours.get_registered_model(m.name).aliases.items()), aliases
    versions += len(numbers)
assert runs > 20 and versions >= 3, (runs, versions)
print(f"{runs} runs and {versions} versions are there once")
"""


class Failed(Exception):
    pass


def check(holds, what):
    if not holds:
        raise Failed(what)


def import_from(ours, source):
    done = ours.cli("import", "mlflow", source, "--json", check=False)
    check(done.returncode == 0, f"import from {source}: {done.stderr.decode()}")
    return json.loads(done.stdout)


def rows_there(path):
    with contextlib.closing(sqlite3.connect(path)) as db:
        tables = {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        return {part: db.execute(f"SELECT COUNT(*) FROM {table}").fetchone()[0] for part, table in PARTS.items() if table in tables}


def report_of(ours, run_id):
    ((blob,),) = ours.sql("SELECT blob FROM artifacts WHERE run_id = ? AND path = 'report.json'", run_id)
    found = [f for f in ours.home.rglob("*") if f.is_file() and f.name.endswith(blob[4:])]
    return json.loads(found[0].read_bytes())


def bring(source, there):
    """What the recorded client sessions made, twice: the second time nothing is new."""
    ours = harness.Server(start=False)
    try:
        for again in (False, True):
            report = report_of(ours, import_from(ours, source)["runId"])
            for part, count in there.items():
                got = report["counts"].get(part, {"source": 0, "added": 0, "same": 0})
                if "://" in source and part.startswith("loggedModel"):
                    continue  # deleted ones are not listed over REST
                check(got["source"] == count, f"{source}: {part}: {got} of {count}")
                check(got["same" if again else "added"] == count or count == 0, f"{source}: {part}: {got}, again: {again}")
            for part in ("runs", "params", "metrics", "tags", "artifacts"):
                check(report["counts"][part]["equal"], f"{source}: digests of {part} differ: {report['counts'][part]}")
            check(report["differences"] == [], report["differences"])
        return f"from {source}: {there}"
    finally:
        ours.close()


def read_back(suite, url, engine):
    env = {**servers.quiet_env(), "MLFLOW_TRACKING_URI": url, "BELOW": f"mirror/{engine}/"}
    done = subprocess.run([servers.venv(suite) / "bin" / "python", "-c", READ_BACK], env=env, capture_output=True, timeout=300)
    check(done.returncode == 0, done.stderr.decode()[-2000:])
    return json.loads(done.stdout)


def until(holds, what, timeout_s=180):
    end = time.monotonic() + timeout_s
    while time.monotonic() < end:
        if holds():
            return
        time.sleep(0.2)
    raise Failed(f"{what} did not happen within {timeout_s} s")


def mirror(suite, server, engine):
    """A training of ours, read back by the client of that version."""
    import pgn_make
    import trained
    ours = harness.Server(env={"SKERRY_MIRROR_URL": server.url, "SKERRY_MIRROR_EXPERIMENT": f"mirror/{engine}/",
                               "SKERRY_OUTBOX_RETRY_SECONDS": "1"})
    try:
        trained.import_games(ours, pgn_make.games(trained.GAMES, seed="moves"))
        dataset = trained.build_dataset(ours, "moves")["id"]
        training = trained.train(ours, dataset)
        check(training["status"] == "succeeded", training)
        model, version = training["result"]["modelId"], training["result"]["modelVersion"]
        ours.post("/v1/models/promote", {"modelId": model, "modelVersion": str(version)})
        state = lambda: next(i for i in ours.get("/v1/outbox").json()["items"] if i["destination"] == "mlflow")  # noqa: E731
        until(lambda: state()["waiting"] == 0 and state()["sent"] > 5, f"mirroring: {state()}")
        check(state()["dead"] == 0, ours.get("/v1/outbox/mlflow/dead").json())
        there = read_back(suite, server.url, engine)
        by_id = {run["id"]: run for run in there["runs"]}
        check(len(by_id) == len(there["runs"]), "a run is there twice")
        run_id = training["runId"]
        own = ours.get(f"/v1/runs/{run_id}").json()
        got = by_id[run_id]
        check(got["status"] == "FINISHED", got)
        check(got["params"] == {p: str(v) for p, v in own["params"].items()} if isinstance(own.get("params"), dict) else got["params"], got["params"])
        check(got["metrics"] and got["artifacts"], got)
        check([i[:3] for i in got["inputs"]] == [["moves", 36, "skerry"]], got["inputs"])
        version_there = [m for m in there["models"] if m["aliases"].get("prod") == m["version"]]
        check(len(version_there) == 1 and version_there[0]["tags"]["skerry.version"] == str(version), there["models"])
        ours_url = f"http://127.0.0.1:{ours.port}"
        env = {**servers.quiet_env(), "MLFLOW_TRACKING_URI": ours_url, "NAMES": engine + " "}
        done = subprocess.run([servers.venv(suite) / "bin" / "python", "-W", "ignore", "-c", REGISTER], env=env, capture_output=True, timeout=300)
        check(done.returncode == 0, done.stderr.decode()[-3000:])
        until(lambda: state()["waiting"] == 0, f"mirroring the registry: {state()}")
        check(state()["dead"] == 0, ours.get("/v1/outbox/mlflow/dead").json())
        read = read_back(suite, server.url, engine)
        models = read["models"]
        waves, = [i for run in read["runs"] for i in run["inputs"] if i[0] == "waves"]
        check((waves[2], waves[4]) == ("code", {"mlflow.data.context": "training", "season": "autumn"}), waves)
        check("shape" in waves[3], waves)
        is_named = lambda m, *names: m["name"] in [f"{engine} {n}" for n in names]  # noqa: E731
        kept = {m["tags"]["skerry.version"]: m for m in models if is_named(m, "kept")}
        check(sorted(kept) == ["1", "3"], models)
        check(not [m for m in models if is_named(m, "gone", "first name")], models)
        check(kept["3"]["name_tags"] == {"skerry.kind": "mlflow", "team": "pier"}, kept)
        check((kept["3"]["stage"], kept["1"]["stage"], kept["3"]["description"]) == ("Production", "Archived", "better"), kept)
        check(kept["3"]["tags"]["k"] == "changed" and "k" not in kept["1"]["tags"], kept)
        check(sorted((v["name"], v["files"][0].rsplit("/", 1)[-1]) for v in models if is_named(v, "kept", "logged"))
              == [(f"{engine} kept", "MLmodel")] * 2 + [(f"{engine} logged", "MLmodel")] * (suite == "3"), models)
        check({k: str(v) for k, v in kept["3"]["aliases"].items()} == {"champion": kept["3"]["version"]}, kept)
        if suite == "3":
            whole, = [m for m in read["logged"] if m["name"] == f"{engine}-whole"]
            check((whole["params"], whole["tags"]["team"], whole["files"], whole["outputs"]) == ({"depth": "3"}, "harbour", ["MLmodel"], [True]), whole)
            check("READY" in whole["status"] and whole["metrics"]["auc"][:2] == [0.5, 2], whole)
        return (f"{len(by_id)} runs; training: {len(got['params'])} params, {sum(map(len, got['metrics'].values()))} points, "
                f"{len(got['artifacts'])} files; {version_there[0]['source']}; {len(models)} versions in all")
    finally:
        ours.close()


def back(suite, server):
    """How to leave: what was brought here goes into a real server by tools/mlflow-back.py, twice; there once."""
    ours = harness.Server(start=False)
    try:
        import_from(ours, str(server.home / "mlflow.db"))
        ours.start()
        url = f"http://127.0.0.1:{ours.port}"
        for program in (ROOT / "tools" / "mlflow-back.py",) * 2 + ("-c",):
            command = [COMPARE_BACK] if program == "-c" else []
            done = subprocess.run([servers.venv(suite) / "bin" / "python", program, *command, url, server.url],
                                  env=servers.quiet_env(), capture_output=True, timeout=600)
            check(done.returncode == 0, f"{program}: {done.stdout.decode()[-1000:]} {done.stderr.decode()[-3000:]}")
        return done.stdout.decode().strip()
    finally:
        ours.close()


def passes(name, step, *arguments):
    """Whether it failed, as a number."""
    try:
        print(f"ok {name}: {step(*arguments)}", flush=True)
        return 0
    except (Failed, AssertionError) as e:
        print(f"FAILED {name}: {e}", flush=True)
        return 1


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--suite", choices=servers.SUITES, action="append")
    parser.add_argument("--binary", default=str(ROOT / "build" / "skerry"))
    options = parser.parse_args()
    harness.BINARY = options.binary
    database, failed = harness.TEST_DB, 0
    for suite in options.suite or servers.SUITES:
        with servers.Server(suite) as server:
            record.run_clients(suite, server.url, [])
            there = rows_there(server.home / "mlflow.db")
            engines = (("sqlite", None), ("postgres", database))[:2 if database else 1]
            for engine, url in engines:
                harness.use_database(url)
                failed += passes(f"{engine}-import-file", bring, str(server.home / "mlflow.db"), there)
                failed += passes(f"{engine}-import-rest", bring, server.url, there)
            harness.use_database(None)   # before there are mirrored versions, which bear the same tags
            failed += passes("sqlite-back", back, suite, server)
            for engine, url in engines:
                harness.use_database(url)
                failed += passes(f"{engine}-mirror", mirror, suite, server, engine)
    print(f"{failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
