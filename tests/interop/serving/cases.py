# SPDX-License-Identifier: GPL-3.0-or-later
"""What a scoring server is asked: (name, content type, body). The same questions for every model, since a wrong one
has an answer, too."""

import json

COLUMNS = ["a", "b", "c", "n"]
ROWS = [[0.5, -1.25, 0.25, 3], [1.5, 0.75, -0.5, 0], [-2.0, 1.0, 0.0, 4]]
BY_NAME = [dict(zip(COLUMNS, row)) for row in ROWS]
LISTS = {name: [row[i] for row in ROWS] for i, name in enumerate(COLUMNS)}
JSON = "application/json"


def changed(row, column, value):
    rows = [list(r) for r in ROWS]
    rows[row][column] = value
    return rows


def split(rows, columns=COLUMNS, **rest):
    return {"dataframe_split": {"columns": columns, "data": rows, **rest}}


def without(name):
    return [{k: v for k, v in r.items() if k != name} for r in BY_NAME]


QUESTIONS = {
    "split": split(ROWS),
    "split-index": split(ROWS, index=[7, 8, 9]),
    "split-reordered": split([r[::-1] for r in ROWS], COLUMNS[::-1]),
    "split-extra-column": split([[*r, 1] for r in ROWS], [*COLUMNS, "more"]),
    "split-missing-column": split([r[:2] + r[3:] for r in ROWS], ["a", "b", "n"]),
    "split-no-columns": {"dataframe_split": {"data": ROWS}},
    "split-no-data": {"dataframe_split": {"columns": COLUMNS}},
    "split-unknown-key": split(ROWS, other=1),
    "split-ragged": split([ROWS[0], ROWS[1][:3]]),
    "split-too-wide": split([[*r, 1] for r in ROWS]),
    "split-list": {"dataframe_split": ROWS},
    "split-one-row": split(ROWS[:1]),
    "split-no-rows": split([]),
    "split-whole-numbers": split([[1, 2, 3, 4], [5, 6, 7, 8]]),
    "split-large-number": split([[1e300, 1, 1, 1]]),
    "split-number-as-text": split(changed(0, 0, "0.5")),
    "split-text": split(changed(0, 0, "half")),
    "split-null": split(changed(0, 0, None)),
    "split-null-in-long": split(changed(0, 3, None)),
    "split-fraction-in-long": split(changed(0, 3, 2.5)),
    "split-whole-real-in-long": split(changed(0, 3, 2.0)),
    "split-bool": split(changed(0, 0, True)),
    "split-all-bool": split([[True, False, True, True]]),
    "split-nested": split(changed(0, 0, [1])),
    "records": {"dataframe_records": BY_NAME},
    "records-missing-everywhere": {"dataframe_records": without("c")},
    "records-missing-once": {"dataframe_records": [BY_NAME[0], without("c")[1]]},
    "records-extra": {"dataframe_records": [{**BY_NAME[0], "more": 1}]},
    "records-dict": {"dataframe_records": BY_NAME[0]},
    "records-empty": {"dataframe_records": []},
    "records-lists": {"dataframe_records": ROWS},
    "instances-named": {"instances": BY_NAME},
    "instances-rows": {"instances": ROWS},
    "instances-uneven": {"instances": [BY_NAME[0], without("c")[1]]},
    "instances-empty": {"instances": []},
    "inputs-columns": {"inputs": LISTS},
    "inputs-named": {"inputs": BY_NAME},
    "inputs-rows": {"inputs": ROWS},
    "inputs-one-row": {"inputs": BY_NAME[0]},
    "inputs-flat": {"inputs": ROWS[0]},
    "inputs-scalar": {"inputs": 3},
    "inputs-text": {"inputs": "three"},
    "inputs-uneven": {"inputs": {**LISTS, "a": [0.5]}},
    "inputs-missing": {"inputs": {k: v for k, v in LISTS.items() if k != "c"}},
    "params-empty": {**split(ROWS), "params": {}},
    "params-unknown": {**split(ROWS), "params": {"depth": 3}},
    "two-shapes": {**split(ROWS), "instances": ROWS},
    "no-shape": {"rows": ROWS},
    "other-key": {**split(ROWS), "comment": "kept"},
    "instances-signature-name": {"instances": ROWS, "signature_name": "s"},
    "list": ROWS,
    "number": 3,
    "empty-object": {},
}
CSV = "a,b,c,n\n0.5,-1.25,0.25,3\n1.5,0.75,-0.5,0\n-2.0,1.0,0.0,4\n"
TEXTS = {
    "not-json": (JSON, "{"),
    "no-body": (JSON, ""),
    "json-charset": (JSON + "; charset=utf-8", json.dumps(split(ROWS))),
    "json-latin": (JSON + "; charset=latin-1", json.dumps(split(ROWS))),
    "json-parameter": (JSON + "; format=pandas-split", json.dumps(split(ROWS))),
    "json-nan": (JSON, '{"dataframe_split":{"columns":["a","b","c","n"],"data":[[NaN,1,2,3]]}}'),
    "csv": ("text/csv", CSV),
    "csv-crlf": ("text/csv", CSV.replace("\n", "\r\n")),
    "csv-quoted": ("text/csv", '"n","c","b","a"\n"3","0.25","-1.25","0.5"\n'),
    "csv-missing-value": ("text/csv", "a,b,c,n\n,1,2,3\n"),
    "csv-missing-long": ("text/csv", "a,b,c,n\n0.5,1,2,\n"),
    "csv-text": ("text/csv", "a,b,c,n\nhalf,1,2,3\n"),
    "csv-missing-column": ("text/csv", "a,b,n\n0.5,1,3\n"),
    "csv-extra-column": ("text/csv", "a,b,more,c,n\n0.5,1,9,2,3\n"),
    "csv-short-row": ("text/csv", "a,b,c,n\n0.5,1,2\n"),
    "csv-long-row": ("text/csv", "a,b,c,n\n1,2,3,4\n1,2,3,4,5\n"),
    "csv-index": ("text/csv", ",a,b,c,n\n0,0.5,1,2,3\n"),
    "csv-header-only": ("text/csv", "a,b,c,n\n"),
    "csv-empty": ("text/csv", ""),
    "xml": ("application/xml", "<a/>"),
}


def all_cases():
    for name, body in QUESTIONS.items():
        yield name, JSON, json.dumps(body)
    for name, (kind, body) in TEXTS.items():
        yield name, kind, body
