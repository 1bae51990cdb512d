# SPDX-License-Identifier: GPL-3.0-or-later
"""Filters at random: is what MLflow's own parser takes taken here, and what it refuses refused?

usage: build/mlflow-3-venv/bin/python tests/interop/mlflow/grammar.py URL [COUNT [SEED]]

Prints what only one of the two takes, but for the reasons in `expected`. Exit status 1 if there is any.
"""
import json
import random
import re
import sys
import urllib.error
import urllib.request

from mlflow.exceptions import MlflowException
from mlflow.utils.search_utils import SearchUtils

NAMES = ["metrics.loss", "metric.`a b`", "params.p", "param.\"x y\"", "tags.t", "tag.mlflow.runName", "attributes.status", "status",
         "run_id", "attr.run_name", "start_time", "run.end_time", "dataset.name", "datasets.context", "user_id", "bogus", "bogus.x",
         "attributes.bogus", "dataset.bogus", "`run name`", "artifact_uri", "created", "metrics.loss.val", "tags.`q`"]
OPS = ["=", "!=", "<", "<=", ">", ">=", "LIKE", "ILIKE", "IN", "NOT IN", "like", "in", "==", "<>", "IS NULL", "IS NOT NULL"]
VALUES = ["1", "-2.5", "1e3", "'x'", "\"y\"", "'a%'", "('a', 'b')", "('a')", "()", "('a',)", "NULL", "'it''s'", "word", "''"]


def filter_make(dice):
    clauses = []
    for _ in range(dice.randrange(1, 4)):
        op = dice.choice(OPS)
        clauses.append(f"{dice.choice(NAMES)} {op}" + ("" if op.startswith("IS") else f" {dice.choice(VALUES)}"))
    text = dice.choice([" AND ", " and ", "  AND\n"]).join(clauses)
    if dice.randrange(6) == 0:  # and broken
        at = dice.randrange(len(text) + 1)
        text = text[:at] + dice.choice(["(", ")", "'", "\"", " ", "AND ", "OR ", ",", ".", "="]) + text[at + dice.randrange(2):]
    return text


def theirs(text):
    """None: taken. Else why not."""
    try:
        for c in SearchUtils.parse_search_filter(text):
            key, op = SearchUtils.translate_key_alias(c["key"]), c["comparator"].upper()
            if not (SearchUtils.is_attribute(c["type"], key, op) or SearchUtils.is_metric(c["type"], op) or
                    SearchUtils.is_param(c["type"], op) or SearchUtils.is_tag(c["type"], op) or SearchUtils.is_dataset(c["type"], op)):
                return "no such type"
            if (op in ("IN", "NOT IN")) != isinstance(c["value"], tuple):
                return "a list, or none"
    except MlflowException as e:
        return e.message
    except Exception as e:  # a 500 of the real server
        return repr(e)
    return None


def ours(url, text):
    body = json.dumps({"experiment_ids": ["0"], "max_results": 1, "filter": text}).encode()
    request = urllib.request.Request(url + "/api/2.0/mlflow/runs/search", body, {"Content-Type": "application/json"})
    try:
        urllib.request.urlopen(request, timeout=60).close()
        return None
    except urllib.error.HTTPError as e:
        assert e.code == 400, (text, e.code)
        return json.load(e)["message"]


def expected(text, their, our):
    """Why they may differ."""
    if our is None and re.search(r"\b(like|in)\b", text):
        return "operators in lower case: MLflow's tokens know them in some places"
    if their is None and our.startswith("Invalid clause(s)"):
        return "a b = 'x': MLflow reads a name with an alias"
    return None


def main():
    url, count = sys.argv[1].rstrip("/"), int(sys.argv[2]) if len(sys.argv) > 2 else 3000
    dice = random.Random(int(sys.argv[3]) if len(sys.argv) > 3 else 1)
    different = taken = 0
    for _ in range(count):
        text = filter_make(dice)
        their, our = theirs(text), ours(url, text)
        taken += their is None
        if (their is None) != (our is None) and not expected(text, their, our):
            different += 1
            print(f"{text!r}\n  MLflow: {their or 'taken'}\n  ours:   {our or 'taken'}")
    print(f"{count} filters, {taken} taken by MLflow, {different} differ")
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
