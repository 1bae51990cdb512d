# SPDX-License-Identifier: GPL-3.0-or-later
"""What people do with the unmodified MLflow client, with asserts on what it gives back.

    MLFLOW_TRACKING_URI=http://127.0.0.1:PORT python sessions.py [SESSION...]
Runs in an environment that has mlflow 2.22 or 3; the server should be fresh. The last line is "N passed, N failed".
The names carry an order, because the replay keeps it. `big` is run only when it is named.
"""
import os
import pathlib
import sys
import time
import traceback
import urllib.request

import mlflow
from mlflow import MlflowClient

IS_3 = int(mlflow.__version__.split(".")[0]) >= 3
SESSIONS = {}
ON_REQUEST = {"client-90-big"}


def session(name, since_3=False):
    def add(function):
        if IS_3 or not since_3:
            SESSIONS[name] = function
        return function
    return add


def eq(actual, expected):
    if actual != expected:
        raise AssertionError(f"expected {expected!r}, got {actual!r}")


def next_millisecond():
    """What the server orders by its time must not fall into the same one."""
    now = time.time_ns() // 1_000_000
    while time.time_ns() // 1_000_000 == now:
        pass


def refused(code, function, *args, **kwargs):
    """The client must raise with this error code, or one of these; returns its message."""
    try:
        function(*args, **kwargs)
    except mlflow.exceptions.MlflowException as e:
        if e.error_code not in ((code,) if isinstance(code, str) else code):
            raise AssertionError(f"expected {code}, got {e.error_code}: {e.message}") from e
        return e.message
    raise AssertionError(f"{function} was not refused; expected {code}")


@session("client-00-default")
def default_experiment(client):
    eq(client.get_experiment("0").name, "Default")
    eq(client.get_experiment_by_name("Default").lifecycle_stage, "active")
    eq(client.get_experiment_by_name("nobody"), None)
    with mlflow.start_run(run_name="in default") as run:
        mlflow.log_metric("m", 1)
    run = mlflow.get_run(run.info.run_id)
    eq((run.info.experiment_id, run.info.run_name, run.info.status), ("0", "in default", "FINISHED"))
    assert run.info.artifact_uri.startswith("mlflow-artifacts:/0/"), run.info.artifact_uri
    eq([r.info.run_id for r in client.search_runs(["0"])], [run.info.run_id])


@session("client-10-fluent")
def fluent(client):
    experiment = mlflow.set_experiment("fluent")
    eq(mlflow.set_experiment("fluent").experiment_id, experiment.experiment_id)
    mlflow.set_experiment_tag("team", "blue")
    with mlflow.start_run(run_name="parent", tags={"a": "1"}, description="what it is") as parent:
        eq(mlflow.log_param("lr", 0.1), 0.1)
        mlflow.log_params({"depth": 3, "empty": "", "long": "x" * 6000, "ünï": "çödé \u2713"})
        mlflow.log_metric("loss", 0.5, step=0)
        mlflow.log_metric("loss", 0.25, step=1)
        mlflow.log_metric("loss", float("nan"), step=2)
        mlflow.log_metrics({"up": float("inf"), "down": float("-inf"), "zero": 0.0, "tiny": 5e-324}, step=3)
        mlflow.set_tag("color", "red")
        mlflow.set_tags({"color": "green", "n": 7})
        for i in range(3):
            with mlflow.start_run(run_name=f"child {i}", nested=True) as child:
                mlflow.log_metric("score", i * 1.5, timestamp=1700000000000 + i)
                mlflow.log_param("i", i)
        eq(mlflow.active_run().info.run_id, parent.info.run_id)
    eq(mlflow.get_parent_run(child.info.run_id).info.run_id, parent.info.run_id)
    run = mlflow.get_run(parent.info.run_id)
    eq(run.data.params["ünï"], "çödé \u2713")
    eq((run.data.params["empty"], len(run.data.params["long"])), ("", 6000))
    assert run.data.metrics["loss"] != run.data.metrics["loss"], "NaN expected"
    eq(run.data.metrics["up"], 1.7976931348623157e308)
    eq((run.data.tags["color"], run.data.tags["n"]), ("green", "7"))
    eq(run.data.tags["mlflow.note.content"], "what it is")
    try:
        with mlflow.start_run(run_name="breaks") as broken:
            raise RuntimeError("on purpose")
    except RuntimeError:
        pass
    eq(mlflow.get_run(broken.info.run_id).info.status, "FAILED")
    with mlflow.start_run(run_id=broken.info.run_id):
        mlflow.log_metric("again", 1)
    eq(mlflow.get_run(broken.info.run_id).info.status, "FINISHED")
    frame = mlflow.search_runs(experiment_names=["fluent"], filter_string="metrics.score > 1",
                               order_by=["metrics.score DESC"])
    eq(list(frame["params.i"]), ["2", "1"])
    eq(len(mlflow.search_runs([experiment.experiment_id], output_format="list", max_results=2)), 2)
    eq([e.name for e in mlflow.search_experiments(filter_string="name = 'fluent'")], ["fluent"])
    with mlflow.start_run() as unnamed:
        pass
    assert unnamed.info.run_name, "the server gives a name"
    mlflow.delete_run(unnamed.info.run_id)
    eq(mlflow.get_run(unnamed.info.run_id).info.lifecycle_stage, "deleted")
    mlflow.delete_experiment(experiment.experiment_id)
    eq(mlflow.get_experiment(experiment.experiment_id).lifecycle_stage, "deleted")
    refused("INVALID_PARAMETER_VALUE", mlflow.set_experiment, "fluent")


@session("client-11-async")
def fluent_async(client):
    mlflow.set_experiment("async")
    with mlflow.start_run() as run:
        for step in range(20):
            mlflow.log_metric("m", step, step=step, synchronous=False)
        mlflow.log_params({"a": 1}, synchronous=False)
        mlflow.set_tags({"t": "x"}, synchronous=False).wait()
        mlflow.flush_async_logging()
    eq(len(client.get_metric_history(run.info.run_id, "m")), 20)
    eq(client.get_run(run.info.run_id).data.params, {"a": "1"})


@session("client-20-client")
def client_api(client):
    from mlflow.entities import Metric, Param, RunTag, ViewType
    exp = client.create_experiment("client", tags={"k": "v", "n": "1"})
    eq(client.get_experiment(exp).tags, {"k": "v", "n": "1"})
    refused("RESOURCE_ALREADY_EXISTS", client.create_experiment, "client")
    client.set_experiment_tag(exp, "k", "w")
    client.rename_experiment(exp, "client renamed")
    eq(client.get_experiment_by_name("client renamed").experiment_id, exp)
    run = client.create_run(exp, start_time=1700000000000, tags={"x": "y"}, run_name="one")
    rid = run.info.run_id
    eq((run.info.status, run.info.start_time, run.data.tags["mlflow.runName"]), ("RUNNING", 1700000000000, "one"))
    client.log_metric(rid, "m", 1.0, timestamp=1700000000001, step=5)
    client.log_metric(rid, "m", 9.0, timestamp=1700000000009, step=4)
    client.log_metric(rid, "m", 2.0, timestamp=1700000000001, step=5)
    client.log_metric(rid, "m", 2.0, timestamp=1700000000001, step=5)
    eq(client.get_run(rid).data.metrics["m"], 2.0)
    eq([m.value for m in client.get_metric_history(rid, "m")], [1.0, 2.0, 9.0])
    client.log_param(rid, "p", "1")
    client.log_param(rid, "p", "1")
    refused("INVALID_PARAMETER_VALUE", client.log_param, rid, "p", "2")
    client.log_batch(rid, metrics=[Metric("b", i / 8, 1700000000000 + i, i) for i in range(100)],
                     params=[Param(f"p{i}", str(i)) for i in range(50)], tags=[RunTag("t", "1"), RunTag("t", "2")])
    eq(client.get_run(rid).data.tags["t"], "2")
    eq(len(client.get_metric_history(rid, "b")), 100)
    client.set_tag(rid, "mlflow.runName", "two")
    eq(client.get_run(rid).info.run_name, "two")
    client.update_run(rid, name="three")
    eq(client.get_run(rid).data.tags["mlflow.runName"], "three")
    client.update_run(rid, status="SCHEDULED")
    client.delete_tag(rid, "t")
    refused("RESOURCE_DOES_NOT_EXIST", client.delete_tag, rid, "t")
    client.set_terminated(rid, "KILLED", end_time=1700000009999)
    done = client.get_run(rid).info
    eq((done.status, done.end_time), ("KILLED", 1700000009999))
    client.delete_run(rid)
    refused("INVALID_PARAMETER_VALUE", client.log_metric, rid, "m", 1)
    eq(client.search_runs([exp]), [])
    eq([r.info.run_id for r in client.search_runs([exp], run_view_type=ViewType.DELETED_ONLY)], [rid])
    client.restore_run(rid)
    eq(len(client.search_runs([exp], run_view_type=ViewType.ALL)), 1)
    client.delete_experiment(exp)
    eq(client.get_run(rid).info.lifecycle_stage, "deleted")
    refused("RESOURCE_DOES_NOT_EXIST", client.delete_experiment, exp)
    client.restore_experiment(exp)
    eq(client.get_run(rid).info.lifecycle_stage, "active")
    refused("RESOURCE_DOES_NOT_EXIST", client.get_run, "0" * 32)
    refused("RESOURCE_DOES_NOT_EXIST", client.get_experiment, "987654")


@session("client-21-search")
def search(client):
    from mlflow.entities import Metric
    exp = client.create_experiment("search")
    other = client.create_experiment("search other")
    runs = []
    for i in range(12):
        run = client.create_run(exp if i < 10 else other, start_time=1700000000000 + i, run_name=f"run-{i:02}",
                                tags={"parity": "even" if i % 2 == 0 else "odd", "dotted.key": str(i)})
        rid = run.info.run_id
        runs.append(rid)
        client.log_batch(rid, metrics=[Metric("acc", i / 10, 1700000000000, 0)])
        client.log_param(rid, "model", "Forest" if i < 5 else "linear")
        if i % 3 == 0:
            client.log_metric(rid, "rare metric", float("nan") if i == 3 else i, timestamp=1700000000000)
        if i < 8:
            client.set_terminated(rid, "FINISHED", end_time=1700000001000 + i)
    order = ["attributes.start_time ASC"]

    def found(text, by=order, where=(exp,)):
        return [runs.index(r.info.run_id) for r in client.search_runs(list(where), text, order_by=by)]

    eq(found(""), list(range(10)))
    eq(found("", None), list(range(9, -1, -1)))
    eq(found("", where=(exp, other)), list(range(12)))
    eq(found("metrics.acc >= 0.5 and params.model = 'linear'"), [5, 6, 7, 8, 9])
    eq(found("metric.acc < 0.3 AND tags.parity != 'odd'"), [0, 2])
    eq(found("params.model LIKE 'For%'"), [0, 1, 2, 3, 4])
    eq(found("params.model LIKE 'for%'"), [])
    eq(found("params.model ILIKE 'for%'"), [0, 1, 2, 3, 4])
    eq(found("tags.`dotted.key` = '7'"), [7])
    eq(found('tags."dotted.key" = "8"'), [8])
    eq(found("metrics.`rare metric` > 2"), [6, 9])
    eq(found("metrics.`rare metric` != 6"), [0, 3, 9])   # 3 is NaN
    eq(found("attributes.status = 'RUNNING'"), [8, 9])
    eq(found("status = 'FINISHED' and attributes.end_time >= 1700000001006"), [6, 7])
    eq(found("attributes.run_name LIKE 'run-0%'"), list(range(10)))
    eq(found("run_name = 'run-03'"), [3])
    eq(found(f"attributes.run_id IN ('{runs[1]}', '{runs[4]}')"), [1, 4])
    eq(found(f"attributes.run_id NOT IN ('{runs[1]}', '{runs[4]}') and metrics.acc < 0.6"), [0, 2, 3, 5])
    eq(found(f"run_id = '{runs[2]}'"), [2])
    eq(found("start_time > 1700000000007"), [8, 9])
    eq(found("", ["metrics.`rare metric` DESC", "start_time ASC"]), [9, 6, 0, 3, 1, 2, 4, 5, 7, 8])
    eq(found("", ["metrics.`rare metric` ASC", "start_time ASC"]), [0, 6, 9, 3, 1, 2, 4, 5, 7, 8])
    eq(found("", ["params.model DESC", "metrics.acc DESC"]), [9, 8, 7, 6, 5, 4, 3, 2, 1, 0])
    eq(found("", ["tags.parity", "attributes.run_name DESC"]), [8, 6, 4, 2, 0, 9, 7, 5, 3, 1])
    eq(found("", ["end_time DESC"])[:8], [7, 6, 5, 4, 3, 2, 1, 0])
    seen, token = [], None
    while True:
        page = client.search_runs([exp], order_by=order, max_results=4, page_token=token)
        seen += [runs.index(r.info.run_id) for r in page]
        token = page.token
        if not token:
            break
    eq(seen, list(range(10)))
    for bad in ("metrics.acc = 'x'", "params.model = 3", "bogus.x = 1", "attributes.bogus = 'x'", "metrics.acc >",
                "params.a = 'x' OR params.b = 'y'", "tags.parity > 'a'", "status IN ('RUNNING')", "; DROP", "run_id LIKE"):
        refused("INVALID_PARAMETER_VALUE", client.search_runs, [exp], bad)
    refused("INVALID_PARAMETER_VALUE", client.search_runs, [exp], "", order_by=["bogus.x"])
    refused("INVALID_PARAMETER_VALUE", client.search_runs, [exp], "", order_by=["metrics.acc SIDEWAYS"])
    refused("INVALID_PARAMETER_VALUE", client.search_runs, [exp], "", max_results=50001)
    refused("INVALID_PARAMETER_VALUE", client.search_runs, [exp], "", page_token="not a token")


@session("client-22-experiments")
def experiments(client):
    from mlflow.entities import ViewType
    ids = [client.create_experiment(f"Exps-{c}", tags={"group": "vowel" if c in "ae" else "other", "only": c})
           for c in "abcde"]
    client.delete_experiment(ids[4])

    def found(text, by=("name ASC",), view=ViewType.ACTIVE_ONLY):
        return "".join(e.name[-1] for e in client.search_experiments(view, filter_string=text, order_by=list(by)))

    eq(found("name LIKE 'Exps-%'"), "abcd")
    eq(found("name LIKE 'exps-%'"), "")
    eq(found("name ILIKE 'exps-%'", ["name DESC"]), "dcba")
    eq(found("name LIKE 'Exps-%'", view=ViewType.DELETED_ONLY), "e")
    eq(found("name LIKE 'Exps-%' and tags.group = 'vowel'", view=ViewType.ALL), "ae")
    eq(found("name LIKE 'Exps-%' and tags.group != 'vowel'"), "bcd")
    eq(found("name LIKE 'Exps-%' and tag.only ILIKE 'B'"), "b")
    eq(found("attribute.name = 'Exps-c'"), "c")
    eq(found("name LIKE 'Exps-%'", ["creation_time DESC"]), "dcba")
    eq(found("name LIKE 'Exps-%'", ["last_update_time ASC", "experiment_id ASC"]), "abcd")
    eq(found("name LIKE 'Exps-%' and creation_time > 1600000000000"), "abcd")
    page = client.search_experiments(filter_string="name LIKE 'Exps-%'", order_by=["name"], max_results=3)
    eq("".join(e.name[-1] for e in page), "abc")
    page = client.search_experiments(filter_string="name LIKE 'Exps-%'", order_by=["name"], max_results=3,
                                     page_token=page.token)
    eq(("".join(e.name[-1] for e in page), page.token), ("d", None) if page.token is None else ("d", ""))
    refused("INVALID_PARAMETER_VALUE", client.search_experiments, filter_string="metrics.x = 1")
    refused("INVALID_PARAMETER_VALUE", client.search_experiments, filter_string="name > 'x'")
    if IS_3:
        client.delete_experiment_tag(ids[0], "only")
        eq(client.get_experiment(ids[0]).tags, {"group": "vowel"})
    refused("INVALID_PARAMETER_VALUE", client.create_experiment, "")


@session("client-30-datasets")
def datasets(client):
    import numpy
    import pandas
    mlflow.set_experiment("datasets")
    frame = pandas.DataFrame({"a": [1, 2, 3], "b": [0.5, 1.5, 2.5], "y": ["u", "v", "w"]})
    train = mlflow.data.from_pandas(frame, source="https://example.invalid/train.csv", name="train set", targets="y")
    array = mlflow.data.from_numpy(numpy.arange(6).reshape(2, 3), name="array")
    with mlflow.start_run(run_name="with data") as run:
        mlflow.log_input(train, context="training", tags={"who": "me"})
        mlflow.log_input(train, context="training", tags={"who": "me"})
        mlflow.log_input(array, context="eval")
    with mlflow.start_run(run_name="without data"):
        pass
    inputs = client.get_run(run.info.run_id).inputs.dataset_inputs
    eq(sorted(i.dataset.name for i in inputs), ["array", "train set"])
    one = next(i for i in inputs if i.dataset.name == "train set")
    eq(sorted((t.key, t.value) for t in one.tags), [("mlflow.data.context", "training"), ("who", "me")])
    eq(one.dataset.digest, train.digest)

    def found(text):
        return [r.info.run_name for r in client.search_runs([run.info.experiment_id], text)]

    eq(found("dataset.name = 'train set'"), ["with data"])
    eq(found(f"datasets.digest = '{array.digest}'"), ["with data"])
    eq(found("dataset.context = 'eval' and dataset.name LIKE 'arr%'"), ["with data"])
    eq(found("dataset.context = 'nothing'"), [])
    eq(found("dataset.name IN ('array', 'other')"), ["with data"])
    refused("INVALID_PARAMETER_VALUE", found, "dataset.bogus = 'x'")


@session("client-40-artifacts")
def artifacts(client):
    import shutil
    import tempfile
    mlflow.set_experiment("artifacts")
    folder = pathlib.Path(tempfile.mkdtemp(prefix="mlflow-session-"))
    (folder / "sub" / "deep").mkdir(parents=True)
    (folder / "empty.txt").write_bytes(b"")
    (folder / "hello.txt").write_text("hello\n")
    (folder / "sub" / "data.bin").write_bytes(bytes(range(256)) * 40)
    (folder / "sub" / "deep" / "späce name+&.json").write_text("{}")
    with mlflow.start_run() as run:
        rid = run.info.run_id
        eq(client.list_artifacts(rid), [])
        mlflow.log_artifact(str(folder / "empty.txt"))
        mlflow.log_artifact(str(folder / "hello.txt"), "texts")
        mlflow.log_artifacts(str(folder), "tree")
        mlflow.log_text("some text", "texts/note.md")
        mlflow.log_dict({"k": [1, 2]}, "conf.json")
        mlflow.log_dict({"k": [1, 2]}, "conf.yaml")
        mlflow.log_table({"q": ["a", "b"], "n": [1, 2]}, "table.json")
        mlflow.log_table({"q": ["c"], "n": [3]}, "table.json")
        eq(mlflow.get_artifact_uri("x"), f"mlflow-artifacts:/{run.info.experiment_id}/{rid}/artifacts/x")
    top = [(f.path, f.is_dir, f.file_size) for f in client.list_artifacts(rid)]
    # An empty file's size is 0 or not told.
    eq([(p, d, s or 0) for p, d, s in top[:3]],
       [("conf.json", False, 29), ("conf.yaml", False, 11), ("empty.txt", False, 0)])
    eq(top[3][:2], ("table.json", False))
    eq(top[4:], [("texts", True, None), ("tree", True, None)])
    eq([f.path for f in client.list_artifacts(rid, "tree/sub/deep")], ["tree/sub/deep/späce name+&.json"])
    eq(client.list_artifacts(rid, "nothing/here"), [])
    eq(client.list_artifacts(rid, "texts/hello.txt"), [])
    try:
        client.list_artifacts(rid, "../..")
    except Exception as e:   # of requests, not of mlflow: artifacts are no REST store
        assert "400" in str(e) and "Invalid path" in str(e), e
    else:
        raise AssertionError("a path out of the run was listed")
    down = pathlib.Path(client.download_artifacts(rid, "", str(folder / "sub" / "deep")))
    eq((down / "tree" / "sub" / "data.bin").read_bytes(), bytes(range(256)) * 40)
    eq((down / "empty.txt").read_bytes(), b"")
    eq(mlflow.artifacts.load_text(f"runs:/{rid}/texts/note.md"), "some text")
    eq(mlflow.artifacts.load_dict(run.info.artifact_uri + "/conf.json"), {"k": [1, 2]})
    eq(len(mlflow.load_table("table.json", run_ids=[rid])), 3)
    eq([f.path for f in mlflow.artifacts.list_artifacts(run_id=rid, artifact_path="texts")],
       ["texts/hello.txt", "texts/note.md"])
    try:
        mlflow.artifacts.download_artifacts(f"runs:/{rid}/nothing.txt")
    except Exception as e:   # its class differs between versions
        print("  a missing artifact:", type(e).__name__, str(e)[:90].replace(rid, "RUN"))
    else:
        raise AssertionError("a missing artifact was downloaded")
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
    get_artifact_repository(run.info.artifact_uri).delete_artifacts("tree")
    eq([f.path for f in client.list_artifacts(rid)][-1], "texts")
    shutil.rmtree(folder)


def iris():
    """Numbers that need no download: two clouds that a line tells apart."""
    rows = [[i % 7 + (3.0 if i % 2 else 0.0), (i * 5) % 11 / 2] for i in range(60)]
    return rows, [i % 2 for i in range(60)]


@session("client-50-sklearn")
def sklearn_model(client):
    import pandas
    import sklearn.linear_model
    mlflow.set_experiment("sklearn")
    rows, labels = iris()
    frame = pandas.DataFrame(rows, columns=["a", "b"])
    mlflow.sklearn.autolog(log_post_training_metrics=True)
    with mlflow.start_run(run_name="auto") as auto:
        sklearn.linear_model.LogisticRegression(max_iter=50, random_state=1).fit(frame, labels)
    mlflow.sklearn.autolog(disable=True)
    run = client.get_run(auto.info.run_id)
    eq(run.data.params["max_iter"], "50")
    assert "training_accuracy_score" in run.data.metrics, run.data.metrics
    model = sklearn.linear_model.LogisticRegression(max_iter=50, random_state=1).fit(frame, labels)
    with mlflow.start_run(run_name="by hand") as hand:
        info = mlflow.sklearn.log_model(
            model, **({"name": "model"} if IS_3 else {"artifact_path": "model"}), registered_model_name="sk",
            signature=mlflow.models.infer_signature(frame, labels), input_example=frame[:2],
            pip_requirements=["scikit-learn"])
        mlflow.log_metric("acc", 0.9)
    eq(client.get_model_version("sk", "1").run_id, hand.info.run_id)
    for uri in ("models:/sk/1", info.model_uri, f"runs:/{hand.info.run_id}/model"):
        eq(list(mlflow.pyfunc.load_model(uri).predict(frame)), list(model.predict(frame)))
    client.set_registered_model_alias("sk", "champion", 1)
    loaded = mlflow.sklearn.load_model("models:/sk@champion")
    eq(loaded.get_params()["max_iter"], 50)
    version = mlflow.register_model(info.model_uri, "sk", tags={"second": "yes"})
    eq(version.version, "2" if isinstance(version.version, str) else 2)
    eq(list(mlflow.pyfunc.load_model("models:/sk/latest").predict(frame[:3])), list(model.predict(frame[:3])))


@session("client-51-xgboost")
def xgboost_model(client):
    import numpy
    import xgboost
    mlflow.set_experiment("xgboost")
    rows, labels = iris()
    data = xgboost.DMatrix(numpy.array(rows), label=labels)
    mlflow.xgboost.autolog(log_models=False)
    with mlflow.start_run(run_name="auto") as auto:
        booster = xgboost.train({"max_depth": 2, "nthread": 1, "seed": 1, "objective": "binary:logistic"}, data,
                                num_boost_round=5, evals=[(data, "train")], verbose_eval=False)
    mlflow.xgboost.autolog(disable=True)
    run = client.get_run(auto.info.run_id)
    eq(run.data.params["max_depth"], "2")
    eq(len(client.get_metric_history(auto.info.run_id, "train-logloss")), 5)
    with mlflow.start_run(run_name="by hand"):
        info = mlflow.xgboost.log_model(booster, **({"name": "booster"} if IS_3 else {"artifact_path": "booster"}),
                                        registered_model_name="xgb", pip_requirements=["xgboost"])
    loaded = mlflow.xgboost.load_model("models:/xgb/1")
    eq(list(loaded.predict(data)), list(booster.predict(data)))
    eq(len(info.flavors), 2)


@session("client-60-registry")
def registry(client):
    exp = client.create_experiment("registry")
    rid = client.create_run(exp, run_name="source").info.run_id
    source = f"mlflow-artifacts:/{exp}/{rid}/artifacts/model"
    model = client.create_registered_model("reg", tags={"k": "v"}, description="first")
    eq((model.name, model.tags, model.description), ("reg", {"k": "v"}, "first"))
    refused("RESOURCE_ALREADY_EXISTS", client.create_registered_model, "reg")
    for i in range(3):
        version = client.create_model_version("reg", source, rid, tags={"i": str(i)}, description=f"v{i + 1}")
        eq((str(version.version), version.status, version.current_stage), (str(i + 1), "READY", "None"))
    client.update_registered_model("reg", "second")
    client.update_model_version("reg", "1", "one")
    eq(client.get_model_version("reg", "1").description, "one")
    eq(client.get_model_version_download_uri("reg", "1"), source)
    client.set_registered_model_tag("reg", "t", "1")
    client.delete_registered_model_tag("reg", "t")
    client.delete_registered_model_tag("reg", "t")
    client.set_model_version_tag("reg", "2", "t", "1")
    client.delete_model_version_tag("reg", "2", "t")
    client.delete_model_version_tag("reg", "2", "t")
    client.set_registered_model_alias("reg", "champion", "1")
    client.set_registered_model_alias("reg", "champion", "2")
    client.set_registered_model_alias("reg", "other", "2")
    eq(str(client.get_model_version_by_alias("reg", "champion").version), "2")
    eq(sorted(client.get_model_version("reg", "2").aliases), ["champion", "other"])
    eq({k: str(v) for k, v in client.get_registered_model("reg").aliases.items()}, {"champion": "2", "other": "2"})
    client.delete_registered_model_alias("reg", "other")
    client.delete_registered_model_alias("reg", "other")
    refused("INVALID_PARAMETER_VALUE", client.get_model_version_by_alias, "reg", "other")
    for bad in ("latest", "v1", "a b"):
        refused("INVALID_PARAMETER_VALUE", client.set_registered_model_alias, "reg", bad, "1")
    refused("RESOURCE_DOES_NOT_EXIST", client.set_registered_model_alias, "reg", "x", "99")
    client.transition_model_version_stage("reg", "1", "Staging")
    client.transition_model_version_stage("reg", "2", "production")
    eq(client.transition_model_version_stage("reg", "3", "Production", archive_existing_versions=True).current_stage,
       "Production")
    eq(client.get_model_version("reg", "2").current_stage, "Archived")
    eq(sorted((v.current_stage, str(v.version)) for v in client.get_latest_versions("reg")),
       [("Archived", "2"), ("Production", "3"), ("Staging", "1")])
    eq([str(v.version) for v in client.get_latest_versions("reg", ["Production"])], ["3"])
    refused("INVALID_PARAMETER_VALUE", client.transition_model_version_stage, "reg", "1", "Nowhere")
    eq([str(v.version) for v in client.search_model_versions("name = 'reg'", order_by=["version_number ASC"])],
       ["1", "2", "3"])
    eq([str(v.version) for v in client.search_model_versions(f"run_id = '{rid}' and tags.i = '1'")], ["2"])
    client.delete_model_version("reg", "2")
    refused("RESOURCE_DOES_NOT_EXIST", client.get_model_version, "reg", "2")
    refused(("INVALID_PARAMETER_VALUE", "RESOURCE_DOES_NOT_EXIST"), client.get_model_version_by_alias, "reg", "champion")
    client.rename_registered_model("reg", "reg renamed")
    eq(client.get_registered_model("reg renamed").name, "reg renamed")
    eq(str(client.create_model_version("reg renamed", source, rid).version), "4")
    client.delete_model_version("reg renamed", "4")
    eq(str(client.create_model_version("reg renamed", source, rid).version), "5")
    for name in ("Alpha-model", "beta-model", "gamma-model"):
        client.create_registered_model(name, tags={"fam": name[0]})
    found = client.search_registered_models("name LIKE '%-model'", order_by=["name DESC"], max_results=2)
    eq([m.name for m in found], ["gamma-model", "beta-model"])
    found = client.search_registered_models("name LIKE '%-model'", order_by=["name DESC"], max_results=2,
                                            page_token=found.token)
    eq([m.name for m in found], ["Alpha-model"])
    eq([m.name for m in client.search_registered_models("tags.fam = 'b'")], ["beta-model"])
    eq([m.name for m in client.search_registered_models("name ILIKE 'alpha%'")], ["Alpha-model"])
    refused("INVALID_PARAMETER_VALUE", client.search_registered_models, "bogus = 'x'")
    client.delete_registered_model("reg renamed")
    refused("RESOURCE_DOES_NOT_EXIST", client.get_registered_model, "reg renamed")


@session("client-61-prompts")
def prompts(client):
    api = mlflow.genai if IS_3 else mlflow
    first = api.register_prompt("greet", "Hello {{name}}", commit_message="one", tags={"lang": "en"})
    eq(int(first.version), 1)
    eq(api.register_prompt("greet", "Dear {{name}}", commit_message="two").version in (2, "2"), True)
    eq(api.load_prompt("prompts:/greet/1").format(name="you"), "Hello you")
    api.set_prompt_alias("greet", "live", 2)
    eq(api.load_prompt("prompts:/greet@live").template, "Dear {{name}}")
    api.delete_prompt_alias("greet", "live")
    eq([m.name for m in client.search_registered_models("name = 'greet'")], [])
    eq(len(client.search_model_versions("name = 'greet'")), 0)
    eq([m.name for m in client.search_registered_models("name = 'greet' and tags.`mlflow.prompt.is_prompt` = 'true'")],
       ["greet"])
    if IS_3:
        eq([p.name for p in mlflow.genai.search_prompts("name = 'greet'")], ["greet"])
        eq(api.load_prompt("no-such-prompt", version=1, allow_missing=True), None)


@session("client-70-traces")
def traces(client):
    experiment = mlflow.set_experiment("traces")

    @mlflow.trace(span_type="TOOL", attributes={"depth": 1})
    def inner(x):
        return x * 2

    @mlflow.trace
    def outer(x):
        mlflow.update_current_trace(tags={"kind": "test"})
        return {"doubled": inner(x)}

    @mlflow.trace
    def breaks():
        raise ValueError("on purpose")

    with mlflow.start_run():
        eq(outer(21), {"doubled": 42})
    next_millisecond()  # traces are ordered by theirs
    outer(2)
    next_millisecond()
    try:
        breaks()
    except ValueError:
        pass
    if IS_3:   # 2.22 exports at once
        mlflow.flush_trace_async_logging()
    where = {"locations": [experiment.experiment_id]} if IS_3 else {"experiment_ids": [experiment.experiment_id]}
    found = client.search_traces(**where, order_by=["timestamp_ms ASC"])
    eq([str(t.info.status).rsplit(".", 1)[-1] for t in found], ["OK", "OK", "ERROR"])
    eq([s.name for s in found[0].data.spans], ["outer", "inner"])
    name = "trace_id" if IS_3 else "request_id"
    first = getattr(found[0].info, name)
    eq(client.get_trace(first).data.spans[1].outputs, 42)
    client.set_trace_tag(first, "mine", "yes")
    client.delete_trace_tag(first, "mine")
    refused("RESOURCE_DOES_NOT_EXIST", client.delete_trace_tag, first, "mine")
    client.set_trace_tag(first, "mine", "again")
    eq(len(client.search_traces(**where, filter_string="tags.mine = 'again'")), 1)
    eq(len(client.search_traces(**where, filter_string="status = 'ERROR'")), 1)
    eq(len(client.search_traces(**where, filter_string="tags.kind = 'test'", max_results=1)), 1)
    refused("INVALID_PARAMETER_VALUE", client.search_traces, **where, filter_string="bogus.x = 'y'")
    if IS_3:
        eq(len(client.search_traces(**where, filter_string="name = 'outer'")), 2)
        eq(len(client.search_traces(**where, filter_string="span.name = 'inner'")), 2)
        assessments(first)
    eq(client.delete_traces(experiment.experiment_id, **{f"{name}s": [first]}), 1)
    eq(len(client.search_traces(**where)), 2)
    eq(client.delete_traces(experiment.experiment_id, max_timestamp_millis=int(time.time() * 1000) + 60000,
                            max_traces=10), 2)


def assessments(trace_id):
    from mlflow.entities import AssessmentSource
    human = AssessmentSource("HUMAN", "ann@example.invalid")
    made = mlflow.log_feedback(trace_id=trace_id, name="good", value=True, rationale="it is", source=human)
    wish = mlflow.log_expectation(trace_id=trace_id, name="wanted", value={"doubled": 42}, source=human)
    eq(mlflow.get_assessment(trace_id, made.assessment_id).value, True)
    from mlflow.entities import Expectation
    mlflow.update_assessment(trace_id, wish.assessment_id, Expectation(name="wanted", value=43))
    eq(mlflow.get_assessment(trace_id, wish.assessment_id).value, 43)
    from mlflow.entities import Feedback
    again = mlflow.override_feedback(trace_id=trace_id, assessment_id=made.assessment_id, value=False, rationale="no")
    eq(again.overrides, made.assessment_id)
    eq(sorted(a.name for a in mlflow.get_trace(trace_id).info.assessments), ["good", "good", "wanted"])
    mlflow.log_assessment(trace_id, Feedback(name="err", error=ValueError("judge broke")))
    mlflow.delete_assessment(trace_id, wish.assessment_id)
    refused("RESOURCE_DOES_NOT_EXIST", mlflow.get_assessment, trace_id, wish.assessment_id)


@session("client-80-logged-models", since_3=True)
def logged_models(client):
    experiment = mlflow.set_experiment("logged models")
    made = [mlflow.create_external_model(f"ext-{i}", model_type="agent" if i else "other", params={"temp": str(i)},
                                         tags={"t": str(i)}) for i in range(3)]
    with mlflow.start_run() as run:
        for i, model in enumerate(made):
            mlflow.log_metric("score", i / 2, step=1, model_id=model.model_id)
    eq([m.value for m in client.get_logged_model(made[2].model_id).metrics], [1.0])
    eq(client.get_logged_model(made[0].model_id).params, {"temp": "0"})

    def found(text, by=None):
        models = client.search_logged_models([experiment.experiment_id], text, order_by=by or [{"field_name": "name"}])
        return [m.name for m in models]

    eq(found(None), ["ext-0", "ext-1", "ext-2"])
    eq(found("metrics.score > 0.2"), ["ext-1", "ext-2"])
    eq(found("params.temp = '1'"), ["ext-1"])
    eq(found("tags.t != '1' AND model_type = 'agent'"), ["ext-2"])
    eq(found("name LIKE 'ext-%'", [{"field_name": "metrics.score", "ascending": False}]), ["ext-2", "ext-1", "ext-0"])
    refused("INVALID_PARAMETER_VALUE", found, "bogus.x = 'y'")
    client.set_logged_model_tags(made[0].model_id, {"x": "1", "y": "2"})
    client.delete_logged_model_tag(made[0].model_id, "x")
    eq(client.get_logged_model(made[0].model_id).tags["y"], "2")
    opened = mlflow.initialize_logged_model("slow", params={"a": "b"})
    eq(str(opened.status).rsplit(".", 1)[-1], "PENDING")
    mlflow.log_model_params({"late": "1"}, model_id=opened.model_id)
    client.log_model_artifact(opened.model_id, __file__)
    eq([f.path for f in client.list_logged_model_artifacts(opened.model_id)], [pathlib.Path(__file__).name])
    done = mlflow.finalize_logged_model(opened.model_id, "READY")
    eq(str(done.status).rsplit(".", 1)[-1], "READY")
    page = client.search_logged_models([experiment.experiment_id], max_results=3, order_by=[{"field_name": "name"}])
    eq(len(client.search_logged_models([experiment.experiment_id], max_results=3, order_by=[{"field_name": "name"}],
                                       page_token=page.token)), 1)
    client.delete_logged_model(made[0].model_id)
    refused("RESOURCE_DOES_NOT_EXIST", client.get_logged_model, made[0].model_id)
    outputs = client.get_run(run.info.run_id).outputs
    assert outputs is None or not outputs.model_outputs, outputs


@session("client-90-big")
def big(client):
    """A file of gigabytes up and down (MLFLOW_SESSION_BIG_MB, 2304 unless set)."""
    import hashlib
    import shutil
    import tempfile
    megabytes = int(os.environ.get("MLFLOW_SESSION_BIG_MB", "2304"))
    folder = pathlib.Path(tempfile.mkdtemp(prefix="mlflow-session-"))
    try:
        block, whole = bytes(range(256)) * 4096, hashlib.sha256()
        with open(folder / "big.bin", "wb") as f:
            for _ in range(megabytes):
                f.write(block)
                whole.update(block)
        mlflow.set_experiment("big")
        with mlflow.start_run() as run:
            mlflow.log_artifact(str(folder / "big.bin"))
        eq(client.list_artifacts(run.info.run_id)[0].file_size, megabytes << 20)
        (folder / "big.bin").unlink()
        down, digest = client.download_artifacts(run.info.run_id, "big.bin", str(folder)), hashlib.sha256()
        with open(down, "rb") as f:
            while data := f.read(1 << 20):
                digest.update(data)
        eq(digest.hexdigest(), whole.hexdigest())
    finally:
        shutil.rmtree(folder)


def main():
    recorder = os.environ.get("MLFLOW_SESSION_RECORDER")
    passed = failed = 0
    for name in sys.argv[1:] or sorted(set(SESSIONS) - ON_REQUEST):
        if recorder:
            urllib.request.urlopen(urllib.request.Request(f"{recorder}/-/session/{name}", method="POST")).close()
        try:
            SESSIONS[name](MlflowClient())
            passed += 1
            print("ok", name, flush=True)
        except Exception:
            failed += 1
            print("FAILED", name, traceback.format_exc(), sep="\n", flush=True)
        while mlflow.active_run():
            mlflow.end_run()
        if IS_3:
            mlflow.flush_trace_async_logging()
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
