#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Loki, a collector and Kafka that cannot be reached, under a stream of many thousand lines and events: nobody's port, and a
black hole, which accepts and never answers. Memory, disk and rows stay within what docs/operations.md says, every request is
answered, and afterwards everything that was still kept arrives, without a gap and once."""
import http.client
import json
import pathlib
import socket
import threading
import unittest

import harness
from fake_sink import Sink

ROWS = 500
LOG_BYTES = 1 << 20
FILE_BYTES = 8 << 20     # of the log file that is being written
RSS_BYTES = 24 << 20     # growth: a batch for each destination while it is sent, compressed, kept to be sent again
LONG = "x" * 5000


class Hole:
    """Accepts, reads nothing, says nothing."""

    def __init__(self):
        self.taken, self.lock, self.is_over = [], threading.Lock(), False
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                connection = self.listener.accept()[0]
            except OSError:
                return
            with self.lock:
                self.taken.append(connection)
                if self.is_over:
                    connection.close()

    def close(self):
        with self.lock:
            if self.is_over:
                return
            self.is_over = True
            for connection in self.taken:
                connection.close()
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


class Nobody:
    def __init__(self):
        self.port = harness.free_port()

    def close(self):
        pass


class Unreachable:
    place = None

    def setUp(self):
        self.places = {name: self.place() for name in ("loki", "otlp", "kafka")}
        for place in self.places.values():
            self.addCleanup(place.close)
        url = {name: f"127.0.0.1:{place.port}" for name, place in self.places.items()}
        self.server = harness.Server(env={
            "SKERRY_LOKI_URL": "http://" + url["loki"], "SKERRY_OTLP_URL": "http://" + url["otlp"], "SKERRY_KAFKA_BROKERS": url["kafka"],
            "SKERRY_OUTBOX_ROWS": str(ROWS), "SKERRY_LOG_BYTES": str(LOG_BYTES), "SKERRY_OUTBOX_RETRY_SECONDS": "1"})
        self.addCleanup(self.server.close)
        self.connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=60)
        self.addCleanup(self.connection.close)
        paths = self.server.get("/openapi.json").json()["paths"]
        self.long_paths = [path[:path.index("{")] + LONG + path[path.index("}") + 1:] for path, routes in paths.items()
                           if "get" in routes and path.count("{") == 1 and "..." not in path]
        self.runs, self.asked, self.events_peak, self.disk_peak = [], 0, 0, 0

    def ask(self, method, path, body=None):
        self.connection.request(method, path, json.dumps(body) if body else None, {"Content-Type": "application/json"})
        reply = self.connection.getresponse()
        text = reply.read()
        self.asked += 1
        self.assertNotIn(reply.status, (500, 503, 504, 507), text)
        return reply.status, text

    def one_run(self):
        status, text = self.ask("POST", "/api/2.0/mlflow/runs/create", {"experiment_id": "0"})
        self.assertEqual(status, 200, text)
        self.runs.append(json.loads(text)["run"]["info"]["run_id"])
        self.assertEqual(self.ask("POST", "/api/2.0/mlflow/runs/update", {"run_id": self.runs[-1], "status": "FINISHED"})[0], 200)

    def rss(self):
        status = pathlib.Path(f"/proc/{self.server.process.pid}/status").read_text()
        return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1]) * 1024

    def log_bytes(self):
        return sum(f.stat().st_size for f in (self.server.home / "logs").iterdir())

    def info(self, name):
        return {i["destination"]: i for i in self.server.get("/v1/outbox").json()["items"]}[name]

    def stream(self, runs):
        """Lines that are long, and runs with their events."""
        for _ in range(runs):
            self.one_run()
        for path in self.long_paths:
            self.ask("GET", path)
        rows, = self.server.sql("SELECT count(*), sum(bytes) FROM outbox_items WHERE destination = ?", "kafka")
        self.events_peak = max(self.events_peak, rows[0])
        self.disk_peak = max(self.disk_peak, self.log_bytes())

    def test_limits_hold_and_what_is_kept_arrives(self):
        self.stream(100)
        rss, files = self.rss(), set()
        while len(files) < 2:  # until the log has gone on to another file, and dropped the first
            self.stream(20)
            files |= {f.name for f in (self.server.home / "logs").iterdir()}
        for _ in range(3):  # that what is there in the end is more than a few lines
            self.stream(20)
        self.assertGreater(self.asked, 2000)
        self.assertLess(self.rss() - rss, RSS_BYTES)
        self.assertLess(self.disk_peak, LOG_BYTES + FILE_BYTES + LOG_BYTES)
        # The cap is looked after every second: what comes in a second or two may be above it.
        self.assertLess(self.events_peak, ROWS * 4)
        self.assertGreater(len(self.runs) * 2, ROWS)
        harness.until(lambda: self.info("kafka")["waiting"] <= ROWS, "the cap on events")
        self.assertGreater(self.info("kafka")["lost"], 0)
        kept = [subject for subject, in self.server.sql("SELECT subject FROM outbox_items WHERE destination = ? ORDER BY id", "kafka")]
        self.assertEqual(kept, [run for run in self.runs for _ in range(2)][-len(kept):])  # the oldest went first
        if self.place is Hole:  # one connection at a time for each, and pauses between
            self.assertLess(len(self.places["loki"].taken), 30)
        self.comes_back()

    @staticmethod
    def in_loki(sink):
        """The runs whose making it was told of, as they came."""
        return [line["run_id"] for _, _, line, _ in sink.loki_lines() if line.get("event") == "run.created"]

    @staticmethod
    def in_otlp(sink):
        made = {"key": "event", "value": {"stringValue": "run.created"}}
        return [record["traceId"] for record in sink.otlp("logs") if made in record["attributes"]]

    def comes_back(self):
        sinks = {}
        for name in ("loki", "otlp"):
            self.places[name].close()
            sinks[name] = Sink(self.places[name].port)
            self.addCleanup(sinks[name].close)
        sinks["otlp"].answer, sinks["otlp"].reply = 200, b"{}"

        # The oldest go first: with the last run's line all have arrived.
        for name, got in (("loki", lambda: self.in_loki(sinks["loki"])), ("otlp-logs", lambda: self.in_otlp(sinks["otlp"]))):
            harness.until(lambda: self.runs[-1] in got(), f"the way of all lines to {name}", 120)
            self.assertGreater(self.info(name)["lost"], 0)  # those of the file that went
            self.assertEqual(self.info(name)["dead"], 0)
            self.assertGreater(len(got()), 10)
            self.assertEqual(got(), self.runs[-len(got()):])
        lines = [(ns, json.dumps(line)) for _, ns, line, _ in sinks["loki"].loki_lines()]
        self.assertEqual(len(lines), len(set(lines)))
        in_files = {line["run_id"] for line in self.server.log_lines() if line.get("event") == "run.created"}
        self.assertLessEqual(in_files, set(self.in_loki(sinks["loki"])))
        said = [(line["event"], line["destination"]) for line in self.server.log_lines()
                if line.get("event") in ("outbox.unreachable", "outbox.recovered", "outbox.lost")]
        self.assertEqual(len(said), len(set(said)), said)


class Refused(Unreachable, unittest.TestCase):
    place = Nobody


class BlackHole(Unreachable, unittest.TestCase):
    place = Hole


if __name__ == "__main__":
    unittest.main()
