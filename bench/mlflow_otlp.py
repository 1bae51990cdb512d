#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Spans a second that a server takes and keeps: OTLP over HTTP, protobuf, on open connections.

usage: bench/mlflow_otlp.py URL CONNECTIONS REQUESTS [SPANS-A-REQUEST [SPANS-A-TRACE]]

Each span is what MLflow's client sends of a small tool call (about 400 bytes: inputs, outputs, type, name). Every
request has new trace ids. Prints a JSON line: spans and requests a second of all connections together, milliseconds of
one request. The server must have experiment 0.
"""
import http.client
import json
import multiprocessing
import os
import struct
import sys
import time
import urllib.parse


def varint(n):
    out = bytearray()
    while n > 127:
        out.append(n & 127 | 128)
        n >>= 7
    out.append(n)
    return bytes(out)


def sub(number, payload):
    return varint(number << 3 | 2) + varint(len(payload)) + payload


def pair(key, value):
    return sub(1, key.encode()) + sub(2, value)


def text(value):
    return sub(1, value.encode())


def one(trace, number, root):
    start = 1_700_000_000_000_000_000 + number * 1_000_000
    body = sub(1, trace) + sub(2, struct.pack(">Q", number + 1))
    if not root:
        body += sub(4, struct.pack(">Q", number // 1000 * 1000 + 1))
    body += sub(5, b"call_tool") + varint(6 << 3) + b"\x01"
    body += varint(7 << 3 | 1) + struct.pack("<Q", start) + varint(8 << 3 | 1) + struct.pack("<Q", start + 900_000)
    body += sub(9, pair("mlflow.traceRequestId", text("tr-" + trace.hex())))
    body += sub(9, pair("mlflow.spanType", text("TOOL")))
    body += sub(9, pair("mlflow.spanFunctionName", text("call_tool")))
    question = sub(1, pair("question", text("what is the tide at the pier this evening?")))
    body += sub(9, pair("mlflow.spanInputs", sub(6, question)))
    body += sub(9, pair("mlflow.spanOutputs", text("it is high at nine and the wind comes from the north-west")))
    body += sub(9, pair("mlflow.spanLogLevel", varint(3 << 3) + b"\x14"))
    return sub(2, body + sub(15, varint(3 << 3) + b"\x01"))


def export(spans, per_trace):
    resource = sub(1, sub(1, pair("service.name", text("bench"))))
    trace, made = b"", []
    for i in range(spans):
        if i % per_trace == 0:
            trace = os.urandom(16)
        made.append(one(trace, i, i % per_trace == 0))
    return sub(1, resource + sub(2, b"".join(made)))


def connection(url, requests, spans, per_trace, start, results):
    where = urllib.parse.urlsplit(url)
    bodies = [export(spans, per_trace) for _ in range(requests)]
    headers = {"Content-Type": "application/x-protobuf", "x-mlflow-experiment-id": "0"}
    link = http.client.HTTPConnection(where.hostname, where.port, timeout=600)
    link.connect()
    start.wait()
    times = []
    for body in bodies:
        began = time.perf_counter()
        link.request("POST", "/v1/traces", body, headers)
        reply = link.getresponse()
        answer = reply.read()
        if reply.status != 200:
            raise SystemExit(f"{reply.status} {answer[:200]}")
        times.append(time.perf_counter() - began)
    results.put((time.perf_counter(), times))


def main():
    url, connections, requests = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    spans = int(sys.argv[4]) if len(sys.argv) > 4 else 512
    per_trace = int(sys.argv[5]) if len(sys.argv) > 5 else 8
    results, start = multiprocessing.Queue(), multiprocessing.Barrier(connections + 1)
    workers = [multiprocessing.Process(target=connection, args=(url, requests, spans, per_trace, start, results))
               for _ in range(connections)]
    for worker in workers:
        worker.start()
    start.wait()
    began = time.perf_counter()
    done = [results.get(timeout=900) for _ in workers]
    for worker in workers:
        worker.join()
    seconds = max(end for end, _ in done) - began
    times = sorted(t * 1000 for _, ts in done for t in ts)
    print(json.dumps({"spans_per_s": round(connections * requests * spans / seconds),
                      "requests_per_s": round(connections * requests / seconds, 1),
                      "p50_ms": round(times[len(times) // 2], 2), "p99_ms": round(times[int(len(times) * 0.99)], 2)}))


if __name__ == "__main__":
    main()
