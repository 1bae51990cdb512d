# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes models as people log them with MLflow, in a folder: one subfolder a model. Runs inside an environment of
tests/interop/mlflow; the ONNX ones are made where onnx and skl2onnx are installed.

usage: models.py FOLDER"""

import json
import os
import shutil
import sys
import warnings

warnings.filterwarnings("ignore")

import mlflow.sklearn
import mlflow.xgboost
import numpy as np
import pandas as pd
import xgboost as xgb
from mlflow.models import infer_signature
from mlflow.models.signature import ModelSignature
from mlflow.types import ColSpec, Schema

COLUMNS = ["a", "b", "c", "n"]
SMALL = {"n_estimators": 3, "max_depth": 2}


def data():
    rng = np.random.default_rng(7)
    x = pd.DataFrame(rng.normal(size=(300, 3)), columns=COLUMNS[:3])
    x["n"] = rng.integers(0, 5, 300)
    three = (x.a + x.n > 2).astype(int) + (x.b > 0.5).astype(int)
    return x, three, (x.a > 0).astype(int), x.a * 2 + x.b, rng.normal(size=300)


def xgboost_models(out):
    x, three, two, real, noise = data()
    sign = infer_signature(x, three)

    def save(name, model, **rest):
        mlflow.xgboost.save_model(model, os.path.join(out, name), **rest)

    classifier = xgb.XGBClassifier(**SMALL).fit(x, three)
    save("classifier", classifier, signature=sign)
    save("classifier-json", classifier, signature=sign, model_format="json")
    save("classifier-unsigned", classifier)
    save("classifier-binary", xgb.XGBClassifier(**SMALL).fit(x, two), signature=sign)
    save("regressor", xgb.XGBRegressor(**SMALL).fit(x, real), signature=sign)
    save("linear", xgb.XGBRegressor(n_estimators=3, booster="gblinear").fit(x, real), signature=sign)
    early = xgb.XGBRegressor(n_estimators=60, max_depth=2, learning_rate=0.6, early_stopping_rounds=2)
    early.fit(x[:200], real[:200], eval_set=[(x[200:], real[200:] + noise[200:])], verbose=False)
    save("regressor-stopped", early, signature=sign)

    named = xgb.DMatrix(x, label=three)

    def train(objective, matrix=named, **rest):
        return xgb.train({"objective": objective, "max_depth": 2, **rest}, matrix, 3)

    soft = train("multi:softprob", num_class=3)
    save("native-softprob", soft, signature=infer_signature(x, soft.predict(named)))
    save("native-softmax-unsigned", train("multi:softmax", num_class=3))
    save("native-binary", train("binary:logistic", xgb.DMatrix(x, label=two)), signature=sign)
    optional = Schema([ColSpec("double", "a"), ColSpec("float", "b"), ColSpec("double", "c", required=False),
                       ColSpec("integer", "n")])
    save("native-optional", train("reg:squarederror", xgb.DMatrix(x, label=real)), signature=ModelSignature(optional))
    bare = x.values.astype(np.float32)
    save("native-tensor", train("multi:softprob", xgb.DMatrix(bare, label=three), num_class=3),
         signature=infer_signature(bare, soft.predict(named)))
    save("classifier-bare-unsigned", xgb.XGBClassifier(**SMALL).fit(x.values, three))


def sklearn_models(out):
    from sklearn.linear_model import LogisticRegression

    x, _, two, _, _ = data()
    mlflow.sklearn.save_model(LogisticRegression().fit(x, two), os.path.join(out, "sklearn"),
                              signature=infer_signature(x, two))


def onnx_models(out):
    import mlflow.onnx
    from skl2onnx import to_onnx
    from sklearn.linear_model import LinearRegression, LogisticRegression

    x, three, _, real, _ = data()
    bare = x.values.astype(np.float32)
    line = to_onnx(LinearRegression().fit(bare, real), bare[:1], target_opset=17)
    mlflow.onnx.save_model(line, os.path.join(out, "onnx-regressor"), signature=infer_signature(x, real))
    mlflow.onnx.save_model(line, os.path.join(out, "onnx-tensor"), signature=infer_signature(bare, real.values))
    mlflow.onnx.save_model(line, os.path.join(out, "onnx-unsigned"))
    fitted = LogisticRegression().fit(bare, three)
    classes = to_onnx(fitted, bare[:1], target_opset=17, options={id(fitted): {"zipmap": False}})
    mlflow.onnx.save_model(classes, os.path.join(out, "onnx-classes"), signature=infer_signature(x, three))
    mlflow.onnx.save_model(classes, os.path.join(out, "onnx-classes-tensor"),
                           signature=infer_signature(bare, three.values))


def main():
    out = sys.argv[1]
    shutil.rmtree(out, ignore_errors=True)
    os.makedirs(out)
    xgboost_models(out)
    sklearn_models(out)
    try:
        onnx_models(out)
    except ImportError as why:
        print(json.dumps({"onnx": f"not made: {why}"}))


if __name__ == "__main__":
    main()
