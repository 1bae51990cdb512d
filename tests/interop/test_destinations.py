# SPDX-License-Identifier: GPL-3.0-or-later
"""The outbox against the real other side: an OpenTelemetry collector, a log database behind Loki's protocol, a
Kafka broker read by another client. They also go away and come back. Loki itself is in test_loki.py."""
import ctypes
import json
import pathlib
import random
import unittest

import harness
from outbox_peers import BlackHole, Collector, Kafka, SecureKafka, VictoriaLogs, newer_librdkafka
from world import GAMES, wait_until


class Work(harness.Server):
    def must(self, reply):
        if reply.status >= 400:
            raise AssertionError(str(reply))
        return reply.json()

    def job(self, job_id):
        job = self.wait(f"/v1/jobs/{job_id}", lambda j: j["status"] in ("succeeded", "failed", "stopped"))
        if job["status"] != "succeeded":
            raise AssertionError(f"job {job['kind']} {job['status']}: {job['error']}")
        return job

    def collect(self):
        made = self.must(self.post("/v1/maintenance/collect"))
        self.job(made["jobId"])
        return made["runId"]

    def info(self, name):
        return {i["destination"]: i for i in self.get("/v1/outbox").json()["items"]}[name]


class Interop(unittest.TestCase):
    def peer(self, kind):
        peer = kind()
        self.addCleanup(peer.close)
        return peer

    def serve(self, **env):
        server = Work(env={"SKERRY_OUTBOX_RETRY_SECONDS": "1", **env})
        self.addCleanup(server.close)
        return server

    # -------------------------------------------------------------- OTLP

    def test_a_collector_understands_lines_and_spans(self):
        from google.protobuf import json_format
        from opentelemetry.proto.logs.v1 import logs_pb2
        from opentelemetry.proto.trace.v1 import trace_pb2
        collector = self.peer(Collector)
        server = self.serve(SKERRY_OTLP_URL=collector.url)
        made = server.must(server.post("/v1/ingest", files={"file": (GAMES.name, GAMES.read_bytes())}))
        server.job(made["jobId"])
        wait_until(lambda: any(made["runId"] in line for line in collector.lines("traces")), "the span's arrival")
        wait_until(lambda: any("ingest.completed" in line for line in collector.lines("logs")), "the line's arrival")
        records = [r for line in collector.lines("logs") for r in json.loads(line)["resourceLogs"][0]["scopeLogs"][0]["logRecords"]]
        for record in records:  # by the protocol's own definitions, beside the collector's
            json_format.ParseDict({k: v for k, v in record.items() if k not in ("traceId", "spanId")}, logs_pb2.LogRecord())
        done = next(r for r in records if {"key": "event", "value": {"stringValue": "ingest.completed"}} in r["attributes"])
        self.assertEqual(done["traceId"], made["runId"])
        self.assertEqual(done["severityNumber"], 9)
        self.assertTrue(any(a["key"] == "added" and "intValue" in a["value"] for a in done["attributes"]))
        spans = [s for line in collector.lines("traces") for s in json.loads(line)["resourceSpans"][0]["scopeSpans"][0]["spans"]]
        span = next(s for s in spans if s["traceId"] == made["runId"])
        self.assertEqual(span["name"], "chess.ingest")
        json_format.ParseDict({k: v for k, v in span.items() if k not in ("traceId", "spanId", "parentSpanId")}, trace_pb2.Span())
        lines = [line for line in server.log_lines() if "event" in line]
        wait_until(lambda: sum(len(r["scopeLogs"][0]["logRecords"]) for line in collector.lines("logs")
                               for r in json.loads(line)["resourceLogs"]) >= len(lines), "every line's arrival")
        self.assertEqual(server.info("otlp-logs")["dead"] + server.info("otlp-logs")["lost"], 0)

    def test_a_collector_that_was_away_gets_all(self):
        collector = self.peer(Collector)
        server = self.serve(SKERRY_OTLP_URL=collector.url)
        server.collect()
        wait_until(lambda: collector.lines("logs"), "first lines")
        collector.stop()
        runs = [server.collect() for _ in range(5)]
        wait_until(lambda: server.info("otlp-logs")["error"], "a failure")
        collector.start()
        wait_until(lambda: all(any(run in line for line in collector.lines("traces")) for run in runs), "all spans' arrival")

    # -------------------------------------------------------------- Loki's protocol

    def test_loki_push_is_understood(self):
        logs = self.peer(VictoriaLogs)
        server = self.serve(SKERRY_LOKI_URL=logs.url + "/insert")
        run = server.collect()
        found = wait_until(lambda: [r for r in logs.query(f"run_id:{run}") if r["event"] == "run.finished"], "the line's arrival")[0]
        place = (server.home / "place").read_text().strip()
        self.assertEqual(found["_stream"], '{component="maintenance",level="info",service_instance_id="' + place + '",service_name="skerry"}')
        line = next(x for x in server.log_lines() if x.get("event") == "run.finished" and x.get("run_id") == run)
        self.assertEqual(found["_time"].rstrip("Z").rstrip("0"), line["ts"].rstrip("Z").rstrip("0"))
        logs.stop()
        away = server.collect()
        wait_until(lambda: server.info("loki")["error"], "a failure")
        logs.start()
        wait_until(lambda: logs.query(f"run_id:{away}"), "the arrival of what happened meanwhile")
        self.assertEqual(len(logs.query(f"run_id:{away} event:=run.finished")), 1)

    # -------------------------------------------------------------- Kafka

    def test_kafka_gets_each_event_once(self):
        kafka = self.peer(Kafka)
        server = self.serve(SKERRY_KAFKA_BROKERS=kafka.brokers, SKERRY_KAFKA_TOPIC="skerry.events")
        made = server.must(server.post("/v1/ingest", files={"file": (GAMES.name, GAMES.read_bytes())}))
        server.job(made["jobId"])
        wait_until(lambda: server.info("kafka")["sent"] >= 3 and not server.info("kafka")["waiting"], "the events' way")
        kafka.stop()
        away = [server.collect() for _ in range(3)]
        wait_until(lambda: server.info("kafka")["error"], "a failure")
        server.kill()  # with events that wait
        server.start()
        kafka.start()
        wait_until(lambda: not server.info("kafka")["waiting"] and server.info("kafka")["sent"] >= 9, "the rest's way", 120)
        messages = kafka.messages("skerry.events")
        events = [json.loads(m.value) for m in messages]
        self.assertEqual([e["type"] for e in events if e["subject"] == made["runId"]],
                         ["skerry.run.started", "skerry.games.imported", "skerry.run.finished"])
        for run in away:
            self.assertEqual([e["type"] for e in events if e["subject"] == run], ["skerry.run.started", "skerry.run.finished"])
        ids = [e["id"] for e in events]
        self.assertEqual(len(ids), len(set(ids)))
        for message, event in zip(messages, events):
            self.assertEqual(event["specversion"], "1.0")
            self.assertEqual(message.key.decode(), event["subject"])
            self.assertEqual(dict(message.headers)["id"].decode(), event["id"])
        imported = next(e for e in events if e["type"] == "skerry.games.imported")
        self.assertGreater(imported["data"]["added"], 0)

    def test_kafka_gets_what_waited_before_a_black_hole(self):
        kafka = self.peer(Kafka)
        kafka.stop()
        hole = BlackHole(kafka.ports[0])
        self.addCleanup(hole.close)
        server = self.serve(SKERRY_KAFKA_BROKERS=kafka.brokers)
        for _ in range(10):
            server.collect()
        wait_until(lambda: server.info("kafka")["error"], "a failure", 120)
        self.assertTrue(hole.swallows())
        server.kill()
        server.start()
        for _ in range(10):
            server.collect()
        waiting = server.sql("SELECT event_id FROM outbox_items WHERE destination = ? ORDER BY id", "kafka")
        self.assertEqual((len(waiting), server.info("kafka")["sent"]), (40, 0))
        hole.close()
        kafka.start()
        wait_until(lambda: not server.info("kafka")["waiting"], "the events' way", 120)
        last = server.collect()
        wait_until(lambda: server.info("kafka")["sent"] == 42, "the way of one more run's", 120)
        events = [json.loads(m.value) for m in kafka.messages("skerry.events")]
        self.assertEqual([e["id"] for e in events[:-2]], [event_id for event_id, in waiting])  # each once, in order
        self.assertEqual([(e["type"], e["subject"]) for e in events[-2:]],
                         [("skerry.run.started", last), ("skerry.run.finished", last)])
        info = server.info("kafka")
        self.assertEqual((info["dead"], info["lost"]), (0, 0))

    def test_an_event_that_the_broker_refuses_is_a_dead_letter(self):
        kafka = self.peer(Kafka)  # takes 20,000 bytes at most
        server = self.serve(SKERRY_KAFKA_BROKERS=kafka.brokers)
        server.stop()
        server.sql("INSERT INTO outbox_items (destination, is_dead, event_id, type, subject, body, bytes, at_ms)"
                   " VALUES (?, 0, ?, ?, ?, ?, 60000, 1)", "kafka", "big", "test.big", "it",
                   json.dumps({"x": random.Random(1).randbytes(30000).hex()}))
        server.start()
        run = server.collect()
        wait_until(lambda: server.info("kafka")["dead"] == 1, "the dead letter", 120)
        wait_until(lambda: not server.info("kafka")["waiting"], "the others' way", 120)
        self.assertIn("large", server.get("/v1/outbox/kafka/dead").json()["items"][0]["why"])
        self.assertEqual(len([m for m in kafka.messages("skerry.events") if m.key.decode() == run]), 2)

    # -------------------------------------------------------------- Kafka with TLS and passwords

    def secure(self, kafka, mechanism, password, **env):
        return self.serve(SKERRY_KAFKA_BROKERS=kafka.secure_brokers, SKERRY_KAFKA_SECURITY="sasl_ssl",
                          SKERRY_KAFKA_MECHANISM=mechanism, SKERRY_KAFKA_USERNAME=kafka.user, SKERRY_KAFKA_PASSWORD=password,
                          SKERRY_KAFKA_TOPIC="from-" + mechanism.lower(), SKERRY_OUTBOX_CA_FILE=str(kafka.authority), **env)

    def arrives(self, kafka, server, run):
        wait_until(lambda: server.info("kafka")["sent"] >= 2 and not server.info("kafka")["waiting"], "the events' way", 120)
        topic = server.extra_env["SKERRY_KAFKA_TOPIC"]
        self.assertEqual([json.loads(m.value)["type"] for m in kafka.messages(topic) if m.key.decode() == run],
                         ["skerry.run.started", "skerry.run.finished"])

    def nowhere(self, server, *secrets):
        """No secret in what the server says, writes or is started with."""
        seen = [server.get(p).text for p in ("/v1/outbox", "/v1/settings", "/metrics", "/v1/logs?limit=5000&level=debug")]
        seen += [server.cli("outbox").stdout.decode(), server.cli("config").stdout.decode()]
        seen.append(pathlib.Path(f"/proc/{server.process.pid}/cmdline").read_text())
        self.assertEqual(server.stop(), 0)
        seen += [file.read_bytes().decode("latin-1") for file in server.home.rglob("*") if file.is_file()]
        for secret in secrets:
            for text in seen:
                self.assertNotIn(secret, text)

    def test_kafka_by_tls_and_password(self):
        kafka = self.peer(SecureKafka)
        newer = {"LD_LIBRARY_PATH": str(newer_librdkafka(kafka.folder))}
        for mechanism, env in (("PLAIN", {}), ("SCRAM-SHA-256", newer), ("SCRAM-SHA-512", newer)):
            with self.subTest(mechanism):
                server = self.secure(kafka, mechanism, kafka.password, **env)
                self.arrives(kafka, server, server.collect())
                self.nowhere(server, kafka.password)

    def test_what_waits_for_the_right_password_authority_and_library(self):
        kafka = self.peer(SecureKafka)
        wrong = "not-the-passw0rd"
        server = self.secure(kafka, "SCRAM-SHA-512", wrong, LD_LIBRARY_PATH=str(newer_librdkafka(kafka.folder)))
        run = server.collect()

        def again(**env):
            self.assertEqual((server.info("kafka")["waiting"], server.info("kafka")["dead"]), (2, 0))
            self.assertEqual(server.stop(), 0)
            server.extra_env.update(env)
            server.start()

        said = wait_until(lambda: server.info("kafka")["error"], "a failure")
        self.assertIn("uthentication", said)
        self.assertNotIn(wrong, said)
        again(SKERRY_KAFKA_PASSWORD=kafka.password, SKERRY_OUTBOX_CA_FILE="")  # who vouches for it?
        self.assertIn("certificate", wait_until(lambda: server.info("kafka")["error"], "another failure"))
        again(SKERRY_OUTBOX_CA_FILE=str(kafka.authority), LD_LIBRARY_PATH="")
        if ctypes.CDLL("librdkafka.so.1").rd_kafka_version() < 0x02060100:
            said = wait_until(lambda: server.info("kafka")["error"], "a failure of the system's library")
            self.assertIn("librdkafka before 2.6.1", said)
            again(SKERRY_KAFKA_MECHANISM="PLAIN")
        self.arrives(kafka, server, run)  # nothing was lost meanwhile
        self.nowhere(server, wrong, kafka.password)
