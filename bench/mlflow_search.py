#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run search at size: fills a tracking database with runs, and times searches over HTTP.

usage: bench/mlflow_search.py fill skerry|mlflow STORE RUNS METRICS
       bench/mlflow_search.py ask URL ROUNDS PAGES [--pid PID]

`fill` writes the same runs (METRICS metrics, 10 params, 6 tags each, experiment 0) into the SQLite file of a server that
is not running, or into Skerry's tables in a PostgreSQL database (STORE is its URL): through REST it takes MLflow hours.
Histories stay empty: a search reads latest values only. Ids begin with the time, as ours do; MLflow makes random ones,
and would be slower with them.
`ask` prints a JSON line: milliseconds until the last byte, over one open connection, pages of 100:
{"KIND": {"p50", "p95", "max", "count", "cpu_ms"}, ..., "all": {...}}, where `first` and then `paging` go PAGES pages
through everything, and `all` leaves `first` out: Skerry keeps what it read of runs that have ended. cpu_ms is the
processor time that process PID, or its group, took for a request.
"""
import argparse
import http.client
import json
import os
import pathlib
import random
import sqlite3
import subprocess
import sys
import time
import urllib.parse

API = "/api/2.0/mlflow"
START = 1_700_000_000_000
PAGE = 100


def runs(count, metrics):
    dice = random.Random(4)
    for i in range(count):
        yield (f"{START + i * 1000:012x}7{dice.getrandbits(76):019x}", f"sweep-{i % 97}-{i}", START + i * 1000 - dice.randrange(500),
               [(f"val/metric_{k}", dice.random()) for k in range(metrics)],
               [(f"param_{k}", str(dice.randrange(10 ** (k % 4)))) for k in range(9)] + [("model", f"model-{dice.randrange(5)}")],
               [("team", f"team-{dice.randrange(8)}"), ("mlflow.runName", f"sweep-{i % 97}-{i}"), ("mlflow.user", "ann"),
                ("mlflow.source.type", "LOCAL"), ("mlflow.source.name", "train.py"), ("rare", f"r{i}")])


# table -> columns of ours, and of MLflow's; a run's rows are written in this order
SKERRY = {
    "runs": "INSERT INTO runs (run_id, experiment_id, run_name, user_id, component, origin, status, lifecycle_stage, created_ms,"
            " start_ms, end_ms, attempts) VALUES (?1, 0, ?2, 'ann', 'client', 'client', 'FINISHED', 'active', ?3, ?3, ?3 + 5000, 1)",
    "latest_metrics": "INSERT INTO latest_metrics (run_id, key, step, ts_ms, value, is_nan) VALUES (?, ?, 1, ?, ?, 0)",
    "params": "INSERT INTO params (run_id, key, value) VALUES (?, ?, ?)",
    "tags": "INSERT INTO tags (run_id, key, value) VALUES (?, ?, ?)",
}
MLFLOW = {
    "runs": "INSERT INTO runs (run_uuid, experiment_id, name, user_id, status, lifecycle_stage, start_time, end_time, artifact_uri,"
            " source_type) VALUES (?1, 0, ?2, 'ann', 'FINISHED', 'active', ?3, ?3 + 5000, 'mlflow-artifacts:/0/' || ?1 ||"
            " '/artifacts', 'LOCAL')",
    "latest_metrics": "INSERT INTO latest_metrics (run_uuid, key, step, timestamp, value, is_nan) VALUES (?, ?, 1, ?, ?, 0)",
    "params": "INSERT INTO params (run_uuid, key, value) VALUES (?, ?, ?)",
    "tags": "INSERT INTO tags (run_uuid, key, value) VALUES (?, ?, ?)",
}


def field(value):
    """In the text form of COPY."""
    return str(value).replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n")


def fill_postgres(url, count, metrics):
    """Ours, through psql and COPY, a thousand runs at a time."""
    sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tests" / "postgres"))
    import cluster
    psql = subprocess.Popen([f"{cluster.programs()}/psql", "-XqAtv", "ON_ERROR_STOP=1", url], stdin=subprocess.PIPE, text=True)

    def copy(table, columns, rows):
        psql.stdin.write(f"COPY {table} ({columns}) FROM STDIN;\n")
        psql.stdin.writelines("\t".join(map(field, row)) + "\n" for row in rows)
        psql.stdin.write("\\.\n")

    def batch(some):
        copy("runs", "run_id, experiment_id, run_name, user_id, component, origin, status, lifecycle_stage, created_ms, start_ms,"
             " end_ms, attempts", ((run, 0, name, "ann", "client", "client", "FINISHED", "active", start, start, start + 5000, 1)
                                   for run, name, start, *_ in some))
        copy("latest_metrics", "run_id, key, step, ts_ms, value, is_nan",
             ((run, key, 1, start, value, 0) for run, _, start, values, *_ in some for key, value in values))
        copy("params", "run_id, key, value", ((run, *param) for run, _, _, _, params, _ in some for param in params))
        copy("tags", "run_id, key, value", ((run, *tag) for run, _, _, _, _, tags in some for tag in tags))

    some = []
    for run in runs(count, metrics):
        some.append(run)
        if len(some) == 1000:
            batch(some)
            some = []
    batch(some)
    psql.stdin.write("VACUUM ANALYZE;\n")  # as the server does by itself within minutes
    psql.stdin.close()
    if psql.wait() != 0:
        raise SystemExit("mlflow_search: psql refused the rows")


def fill(sql, path, count, metrics):
    if path.startswith("postgresql:"):
        return fill_postgres(path, count, metrics)
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA synchronous=OFF")
        for run, name, start, values, params, tags in runs(count, metrics):
            db.execute(sql["runs"], (run, name, start))
            db.executemany(sql["latest_metrics"], [(run, key, start, value) for key, value in values])
            db.executemany(sql["params"], [(run, key, value) for key, value in params])
            db.executemany(sql["tags"], [(run, key, value) for key, value in tags])
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()


class Client:
    def __init__(self, url):
        parts = urllib.parse.urlsplit(url)
        self.connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=600)

    def post(self, text):
        self.connection.request("POST", API + "/runs/search", text, {"Content-Type": "application/json"})
        return self.connection.getresponse()

    def search(self, **body):
        text = json.dumps({"experiment_ids": ["0"], "max_results": PAGE, **body})
        before = time.perf_counter()
        try:
            reply = self.post(text)
        except http.client.RemoteDisconnected:  # MLflow's workers close what was idle for a while
            self.connection.close()
            before = time.perf_counter()
            reply = self.post(text)
        got = reply.read()
        took = time.perf_counter() - before
        if reply.status != 200:
            raise SystemExit(f"mlflow_search: {body}: {reply.status} {got[:500]!r}")
        return took * 1e3, json.loads(got)


def questions(dice):
    """Of each kind one, a little different each time."""
    metric = f"val/metric_{dice.randrange(5)}"
    return {
        "newest": {},
        "metric": {"filter": f"metrics.`{metric}` > {dice.random() / 2:.4f}", "order_by": [f"metrics.`{metric}` DESC"]},
        "tag+param": {"filter": f"tags.team = 'team-{dice.randrange(8)}' AND params.model = 'model-{dice.randrange(5)}'"},
        "name": {"filter": f"attributes.run_name LIKE 'sweep-{dice.randrange(97)}-%'"},
    }


def cpu_ms(pid):
    """Of a process, or of the group that it leads."""
    total = 0
    for name in os.listdir("/proc"):
        try:
            with open(f"/proc/{int(name)}/stat") as f:
                fields = f.read().rpartition(")")[2].split()
        except (ValueError, OSError):
            continue  # no process, or one that has ended
        if int(name) == pid or int(fields[2]) == pid:
            total += int(fields[11]) + int(fields[12])
    return total * 1000 / os.sysconf("SC_CLK_TCK")


def figures(times, cpu=None):
    times = sorted(times)
    return {"p50": times[len(times) // 2], "p95": times[len(times) * 95 // 100], "max": times[-1], "count": len(times),
            "cpu_ms": cpu / len(times) if cpu is not None else None}


def page_through(client, pages):
    token = None
    for _ in range(pages):
        took, reply = client.search(**({"page_token": token} if token else {}))
        yield took
        token = reply.get("next_page_token")
        if not token:
            break


def one_kind(client, bodies):
    for body in bodies:
        took, reply = client.search(**body)
        assert reply.get("runs"), body
        yield took


def ask(url, rounds, pages, pid):
    client, dice, kinds, all_times = Client(url), random.Random(7), {}, []
    for _ in range(rounds):
        for kind, body in questions(dice).items():
            kinds.setdefault(kind, []).append(body)
    work = {"first": page_through(client, pages), **{kind: one_kind(client, bodies) for kind, bodies in kinds.items()},
            "paging": page_through(client, pages)}
    out, total = {}, 0
    for kind, requests in work.items():
        before = cpu_ms(pid) if pid else 0
        times = list(requests)
        cpu = cpu_ms(pid) - before if pid else None
        out[kind] = figures(times, cpu)
        if kind != "first":
            all_times += times
            total += cpu or 0
    print(json.dumps({**out, "all": figures(all_times, total if pid else None)}))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)
    filler = verbs.add_parser("fill")
    filler.add_argument("kind", choices=["skerry", "mlflow"])
    filler.add_argument("store")
    filler.add_argument("runs", type=int)
    filler.add_argument("metrics", type=int)
    asker = verbs.add_parser("ask")
    asker.add_argument("url")
    asker.add_argument("rounds", type=int)
    asker.add_argument("pages", type=int)
    asker.add_argument("--pid", type=int)
    o = parser.parse_args()
    if o.verb == "fill":
        fill({"skerry": SKERRY, "mlflow": MLFLOW}[o.kind], o.store, o.runs, o.metrics)
    else:
        ask(o.url, o.rounds, o.pages, o.pid)


if __name__ == "__main__":
    main()
