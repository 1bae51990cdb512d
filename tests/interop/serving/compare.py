# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks Skerry what MLflow's scoring server was asked, and compares with what that answered: status, error code and
predictions. What may differ is in differences.toml, each with its reason; one that no longer occurs is an error.

usage: compare.py MODELS GOLDEN.json     SKERRY_XGBOOST_LIB, SKERRY_ONNX_LIB: libraries as new as the models"""

import json
import math
import os
import pathlib
import sys
import tomllib

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "http"))
import cases
import harness
import world

RELATIVE = 1e-6


def close(a, b):
    """Numbers of single precision, whose last bit may differ between builds of a library."""
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(close(a[k], b[k]) for k in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(close, a, b))
    if isinstance(a, float) or isinstance(b, float):
        return isinstance(a, (int, float)) and isinstance(b, (int, float)) and math.isclose(
            a, b, rel_tol=RELATIVE, abs_tol=1e-7)
    return a == b


def difference(theirs, reply):
    if theirs["status"] != reply.status:
        return f"{theirs['status']}, ours {reply.status}: {reply.text[:200]}"
    if reply.status == 200:
        ours = reply.json()
        return None if close(theirs["body"], ours) else f"{json.dumps(theirs['body'])[:200]}, ours {reply.text[:200]}"
    if theirs.get("error_code") and theirs["error_code"] != reply.json().get("error_code"):
        return f"{theirs['error_code']}, ours {reply.text[:200]}"
    return None


def expected(rules, model, case):
    """The rule that covers a difference, or None."""
    for rule in rules:
        if case in rule["cases"] and (model in rule["models"] or "*" in rule["models"]):
            return rule
    return None


def compare(server, models, golden, rules, say):
    """How many were asked, those that differ, and the rules that were needed."""
    asked, findings, used = 0, [], []
    for model, answers in golden.items():
        world.add(server, model, 1, os.path.join(models, model))
        for case, kind, body in cases.all_cases():
            reply = server.request("POST", f"/v1/models/{model}/1/invocations", body.encode(), {"Content-Type": kind})
            asked += 1
            found = difference(answers[case], reply)
            rule = found and expected(rules, model, case)
            if rule:
                used.append(rule["reason"])
            elif found:
                findings.append(f"{model} {case}: {found}")
                say(findings[-1])
    return asked, findings, used


def main():
    models, golden_path = sys.argv[1:3]
    with open(golden_path, encoding="utf-8") as f:
        golden = json.load(f)
    rules = tomllib.loads((HERE / "differences.toml").read_text("utf-8")).get("rule", [])
    libraries = {k: os.environ[k] for k in ("SKERRY_XGBOOST_LIB", "SKERRY_ONNX_LIB") if k in os.environ}
    server = harness.Server(env=libraries)
    try:
        asked, findings, used = compare(server, models, golden, rules, print)
    finally:
        server.close()
    unused = [r["reason"] for r in rules if r["reason"] not in used and
              ("*" in r["models"] or set(r["models"]) & set(golden))]
    for reason in unused:
        print(f"no longer differs: {reason}")
    print(f"{golden_path}: {asked} requests, {asked - len(findings) - len(used)} equal, {len(used)} differ as expected, "
          f"{len(findings)} differ")
    sys.exit(bool(findings or unused))


if __name__ == "__main__":
    main()
