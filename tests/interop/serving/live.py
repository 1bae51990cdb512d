# SPDX-License-Identifier: GPL-3.0-or-later
"""The unmodified client logs, registers and moves aliases against a running Skerry; what Skerry predicts must be what the
model predicts in Python. Runs inside an environment of tests/interop/mlflow.

usage: live.py URL"""

import json
import sys
import urllib.request
import warnings

warnings.filterwarnings("ignore")

import mlflow
import mlflow.xgboost
import models
import numpy as np
import xgboost as xgb
from mlflow import MlflowClient
from mlflow.models import infer_signature


def invoke(url, name, ref, rows):
    body = json.dumps({"dataframe_split": rows.to_dict(orient="split")}).encode()
    request = urllib.request.Request(f"{url}/v1/models/{name}/{ref}/invocations", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as reply:
        return reply.headers["X-Model-Version"], json.loads(reply.read())["predictions"]


def log(model, x, predicted):
    by_name = "name" if mlflow.__version__.startswith("3") else "artifact_path"
    with mlflow.start_run():
        mlflow.xgboost.log_model(model, **{by_name: "model"}, signature=infer_signature(x, predicted),
                                 registered_model_name="fraud")
    return np.asarray(predicted)


def main():
    url = sys.argv[1]
    mlflow.set_tracking_uri(url)
    x, three, _, real, _ = models.data()
    classifier = xgb.XGBClassifier(**models.SMALL).fit(x, three)
    booster = xgb.train({"objective": "reg:squarederror", "max_depth": 3}, xgb.DMatrix(x, label=real), 5)
    expected = {"1": log(classifier, x, classifier.predict(x)),
                "2": log(booster, x, booster.predict(xgb.DMatrix(x)))}
    client = MlflowClient()
    for version in ("1", "2", "1", "2"):
        client.set_registered_model_alias("fraud", "champion", version)
        answered, predictions = invoke(url, "fraud", "champion", x)
        assert answered == version, (answered, version)
        assert np.allclose(predictions, expected[version], rtol=1e-6), version
    assert invoke(url, "fraud", "latest", x.head(2))[0] == "2"
    print(f"mlflow {mlflow.__version__}, xgboost {xgb.__version__}: {len(x)} rows equal, the alias moved four times")


if __name__ == "__main__":
    main()
