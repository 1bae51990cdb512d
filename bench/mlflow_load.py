#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Logs metrics to an MLflow server as fast as it takes them, and prints a JSON line.

usage: bench/mlflow_load.py URL CONNECTIONS REQUESTS [--keys N]

Each connection logs to a run of its own, REQUESTS log-batch requests of 1000 metrics over N keys (10), and stays
open. Bodies are made before the clock starts, so that it is the server that is measured.
{"metrics_per_s", "p50_ms", "p99_ms", "metrics"}: of acknowledged requests; what the server kept is counted afterwards.
"""
import argparse
import json
import socket
import threading
import time
import urllib.parse
import urllib.request

API = "/api/2.0/mlflow"
BATCH = 1000


def ask(url, method, path, body=None, **query):
    target = url + API + path + ("?" + urllib.parse.urlencode(query) if query else "")
    data = json.dumps(body).encode() if body is not None else None
    request = urllib.request.Request(target, data, {"Content-Type": "application/json"}, method=method)
    with urllib.request.urlopen(request, timeout=120) as reply:
        return json.load(reply)


def bodies(host, run, requests, keys):
    """Requests as bytes. A step has a value of each key, as a training loop logs them."""
    made, start = [], 1_700_000_000_000
    for n in range(requests):
        metrics = []
        for i in range(n * BATCH, (n + 1) * BATCH):
            step = i // keys
            metrics.append({"key": f"train/metric_{i % keys}", "value": 1.0 / (1 + i * 0.37), "timestamp": start + step,
                            "step": step})
        body = json.dumps({"run_id": run, "metrics": metrics, "params": [], "tags": []}).encode()
        made.append((f"POST {API}/runs/log-batch HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n"
                     f"Content-Length: {len(body)}\r\n\r\n").encode() + body)
    return made


class Connection:
    def __init__(self, host, port):
        self.socket = socket.create_connection((host, port), timeout=300)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.left = b""

    def exchange(self, request):
        """Sends it and waits for the answer, which must be 200."""
        self.socket.sendall(request)
        got = self.left
        while b"\r\n\r\n" not in got:
            got += self.more()
        head, _, got = got.partition(b"\r\n\r\n")
        if not head.split(b" ", 2)[1] == b"200":
            raise RuntimeError(f"refused: {head!r} {got[:500]!r}")
        length = next(int(h.split(b":")[1]) for h in head.split(b"\r\n") if h.lower().startswith(b"content-length:"))
        while len(got) < length:
            got += self.more()
        self.left = got[length:]

    def more(self):
        piece = self.socket.recv(65536)
        if not piece:
            raise RuntimeError("the server closed the connection")
        return piece


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("connections", type=int)
    parser.add_argument("requests", type=int)
    parser.add_argument("--keys", type=int, default=10)
    options = parser.parse_args()
    parts = urllib.parse.urlsplit(options.url)

    runs = [ask(options.url, "POST", "/runs/create", {"experiment_id": "0", "start_time": 1})["run"]["info"]["run_id"]
            for _ in range(options.connections)]
    work = [bodies(parts.netloc, run, options.requests, options.keys) for run in runs]
    connections = [Connection(parts.hostname, parts.port) for _ in runs]
    times, failures = [], []

    def one(connection, requests):
        try:
            for request in requests:
                before = time.perf_counter()
                connection.exchange(request)
                times.append(time.perf_counter() - before)
        except Exception as e:
            failures.append(e)

    threads = [threading.Thread(target=one, args=pair) for pair in zip(connections, work)]
    begun = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    took = time.perf_counter() - begun
    if failures:
        raise SystemExit(f"mlflow_load: {failures[0]}")
    last = (options.requests * BATCH - 1) // options.keys
    for run in runs:  # the last step of the first key is what a reader sees
        metrics = ask(options.url, "GET", "/runs/get", run_id=run)["run"]["data"]["metrics"]
        assert {m["key"]: int(m["step"]) for m in metrics}["train/metric_0"] == last, metrics[:3]
    times.sort()
    total = options.connections * options.requests * BATCH
    print(json.dumps({"metrics_per_s": total / took, "p50_ms": times[len(times) // 2] * 1e3,
                      "p99_ms": times[len(times) * 99 // 100] * 1e3, "metrics": total}))


if __name__ == "__main__":
    main()
