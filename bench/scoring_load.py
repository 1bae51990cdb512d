# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks a scoring server for predictions on open connections; prints figures as JSON.

usage: scoring_load.py URL CONNECTIONS SECONDS [ROWS]"""
import http.client
import json
import sys
import threading
import time
import urllib.parse

ROW = [0.5, -1.25, 0.25, 3]


def ask(url, until, body, latencies):
    connection = http.client.HTTPConnection(url.hostname, url.port, timeout=60)
    while time.monotonic() < until:
        before = time.perf_counter()
        connection.request("POST", url.path, body, {"Content-Type": "application/json"})
        reply = connection.getresponse()
        text = reply.read()
        if reply.status != 200:
            raise SystemExit(f"{url.geturl()} answered {reply.status}: {text[:200]!r}")
        latencies.append(time.perf_counter() - before)


def main():
    url = urllib.parse.urlsplit(sys.argv[1])
    connections, seconds = int(sys.argv[2]), float(sys.argv[3])
    rows = int(sys.argv[4]) if len(sys.argv) > 4 else 1
    body = json.dumps({"dataframe_split": {"columns": ["a", "b", "c", "n"], "data": [ROW] * rows}})
    ask(url, time.monotonic() + 0.5, body, [])  # loads the model
    latencies, until = [], time.monotonic() + seconds
    threads = [threading.Thread(target=ask, args=(url, until, body, latencies)) for _ in range(connections)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    latencies.sort()
    print(json.dumps({"requests_per_s": len(latencies) / seconds, "p50_ms": latencies[len(latencies) // 2] * 1000,
                      "p99_ms": latencies[len(latencies) * 99 // 100] * 1000}))


if __name__ == "__main__":
    main()
