#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""What leaves by itself: log lines to Loki, lines and spans as OTLP, events to Kafka. With destinations that
are away, refuse, hang, or talk nonsense. Whatever they do, the server answers, and no secret is seen."""
import pathlib
import time
import unittest

import harness
from fake_sink import Sink

TOKEN = "glc_very-secret-token-4711"


class Outbox(unittest.TestCase):
    def setUp(self):
        self.sink = Sink()
        self.addCleanup(self.sink.close)

    def serve(self, **env):
        env.setdefault("SKERRY_OUTBOX_RETRY_SECONDS", "1")
        server = harness.Server(env=env)
        self.addCleanup(server.close)
        return server

    def loki(self, **env):
        return self.serve(SKERRY_LOKI_URL=self.sink.url, **env)

    def info(self, server, name="loki"):
        return {i["destination"]: i for i in server.get("/v1/outbox").json()["items"]}[name]

    def events(self):
        return [line["event"] for _, _, line, _ in self.sink.loki_lines()]

    # -------------------------------------------------------------- Loki

    def test_loki_gets_every_line_once(self):
        server = self.loki(SKERRY_LOKI_TENANT="skerries", SKERRY_LOKI_TOKEN=TOKEN)
        server.request("GET", "/v1/runs", headers={"X-Request-Id": "find-me"})
        harness.until(lambda: [m for _, _, _, m in self.sink.loki_lines() if m.get("request_id") == "find-me"], "the line's way to Loki")
        path, headers, _ = self.sink.requests[0]
        self.assertEqual(path, "/loki/api/v1/push")
        self.assertEqual(headers["X-Scope-OrgID"], "skerries")
        self.assertEqual(headers["Authorization"], "Bearer " + TOKEN)
        labels = {tuple(sorted(labels)) for labels, *_ in self.sink.loki_lines()}
        self.assertEqual(labels, {("component", "level", "service_instance_id", "service_name")})
        self.assertEqual({labels["service_instance_id"] for labels, *_ in self.sink.loki_lines()},
                         {(server.home / "place").read_text().strip()})
        server.stop()
        server.start()  # nothing twice after a restart
        harness.until(lambda: self.events().count("serve.started") == 2, "the second start's line")
        sent = [(ns, str(line)) for _, ns, line, _ in self.sink.loki_lines()]
        self.assertEqual(len(sent), len(set(sent)))
        shipped = {str(line) for _, _, line, _ in self.sink.loki_lines()}
        harness.until(lambda: {str(x) for x in server.log_lines() if "event" in x} <= {str(x) for _, _, x, _ in self.sink.loki_lines()},
              "every line's way to Loki")
        self.assertTrue(shipped)

    def test_an_outage_is_said_once_and_made_up_for(self):
        self.sink.answer = 503
        server = self.loki()
        harness.until(lambda: self.info(server)["breaker"] == "open", "the breaker's opening")
        for _ in range(50):
            self.assertEqual(server.get("/v1/runs").status, 200)
        tried = self.sink.tried
        harness.until(lambda: self.sink.tried > tried + 2, "further tries")
        self.assertIn("answered 503", self.info(server)["error"])
        self.assertGreater(server.metric("skerry_outbox_failed_total", destination="loki"), 4)
        self.assertEqual(server.metric("skerry_outbox_sent_total", destination="loki"), 0)
        self.sink.answer = 204
        harness.until(lambda: self.events().count("outbox.recovered") == 1, "the recovery's line")
        self.assertEqual(self.events().count("outbox.unreachable"), 1)
        self.assertEqual(len(server.logged("outbox.unreachable")), 1)
        # Asking makes a line itself, so a few always wait.
        harness.until(lambda: server.metric("skerry_outbox_backlog_items", destination="loki") < 50, "a short backlog")
        self.assertEqual(server.metric("skerry_outbox_breaker_state", destination="loki"), 0)

    def test_what_it_asks_for_is_obeyed(self):
        self.sink.answer, self.sink.headers = 429, {"Retry-After": "300"}
        server = self.loki()
        harness.until(lambda: self.sink.tried == 1, "a first try")
        self.info(server)
        harness.until(lambda: self.info(server)["waiting"] > 0, "a look")
        self.assertEqual(self.sink.tried, 1)

    def test_nonsense_and_silence_do_not_hold_the_server(self):
        for answer in ("garbage", "hang"):
            with self.subTest(answer):
                self.sink.answer = answer
                server = self.loki()
                harness.until(lambda: self.sink.tried > 0, "a try")
                self.assertEqual(server.get("/v1/runs").status, 200)
                self.assertEqual(server.stop(), 0)  # fails after a minute
                self.sink.going.set()

    def test_a_line_that_is_refused_becomes_a_dead_letter_and_can_be_replayed(self):
        server = self.loki()
        self.sink.refuses = "poisoned-id"
        self.sink.why = (b"entry for stream '{component=\"http\", level=\"info\", service_instance_id=\"0123456789abcdef\", "
                         b"service_name=\"skerry\"}' has timestamp too old: 2026-11-21 20:58:17 +0000 UTC")
        server.request("GET", "/v1/runs", headers={"X-Request-Id": "poisoned-id"})
        server.request("GET", "/v1/runs", headers={"X-Request-Id": "good-id"})
        harness.until(lambda: self.info(server)["dead"] == 1, "a dead letter")
        harness.until(lambda: "good-id" in str(self.sink.loki_lines()), "the good line's way")
        letter = server.get("/v1/outbox/loki/dead").json()["items"][0]
        self.assertIn("timestamp too old", letter["why"])  # as Loki says it: the stream first
        self.assertEqual(letter["line"]["request_id"], "poisoned-id")
        self.assertIn("poisoned-id", server.cli("outbox", "dead", "loki").stdout.decode())
        self.sink.refuses = None
        self.assertEqual(server.cli("outbox", "replay", "loki").stdout, b"1 wait again\n")
        harness.until(lambda: "poisoned-id" in str(self.sink.loki_lines()), "the replayed line's way")
        self.assertEqual(self.info(server)["dead"], 0)

    def test_a_loki_without_structured_metadata_gets_lines_without(self):
        self.sink.refuses = ',{"event":"'  # a third value: within a line, quotes are escaped
        self.sink.why = b"error reading entry: array must contains 2 values"
        server = self.loki()
        server.request("GET", "/v1/runs", headers={"X-Request-Id": "find-me"})
        harness.until(lambda: "find-me" in str(self.sink.loki_lines()), "the line's way")
        self.assertEqual([m for _, _, _, m in self.sink.loki_lines() if m], [])
        self.assertEqual(self.info(server)["dead"], 0)

    def test_loki_gets_lines_of_a_batch_in_the_order_of_time(self):
        server = self.loki()
        server.stop()
        for minute in (2, 1, 3):
            line = '{"ts":"2026-11-29T20:0%d:00.000Z","level":"info","event":"test.sorted","component":"test"}' % minute
            server.sql("INSERT INTO outbox_items (destination, is_dead, event_id, type, subject, body, bytes, at_ms)"
                       " VALUES (?, 0, '', '', '', ?, 100, 1)", "loki", line)
        server.start()
        harness.until(lambda: self.events().count("test.sorted") == 3, "the lines' way")
        self.assertEqual([line["ts"][14:16] for _, _, line, _ in self.sink.loki_lines() if line["event"] == "test.sorted"],
                         ["01", "02", "03"])

    def test_a_loki_that_takes_less_at_once_than_a_batch_gets_smaller_ones(self):
        self.sink.answer = 503
        server = self.loki()
        for i in range(20):
            server.get(f"/v1/runs/{i}{'x' * 5000}")
        harness.until(lambda: self.info(server)["waitingBytes"] > 100_000, "a backlog")
        self.sink.burst_bytes = 32 * 1024
        self.sink.answer = 204
        long = {line["path"] for line in server.log_lines() if len(line.get("path", "")) > 5000}
        self.assertEqual(len(long), 20)
        harness.until(lambda: long <= {line.get("path") for _, _, line, _ in self.sink.loki_lines()}, "the arrival of every line")
        self.assertEqual((self.info(server)["dead"], self.info(server)["lost"]), (0, 0))

    def test_a_wrong_token_loses_nothing(self):
        self.sink.answer = 401
        server = self.loki()
        harness.until(lambda: self.info(server)["error"], "a failure")
        self.assertEqual(self.info(server)["dead"], 0)
        self.sink.answer = 204
        harness.until(lambda: "serve.started" in self.events(), "the first line's way")

    # -------------------------------------------------------------- OTLP

    def test_otlp_gets_lines_and_spans(self):
        self.sink.answer, self.sink.reply = 200, b"{}"
        server = self.serve(SKERRY_OTLP_URL=self.sink.url, SKERRY_OTLP_HEADERS="X-Api-Key=" + TOKEN)
        run = server.post("/v1/ingest", raw=next(harness.EXAMPLES.glob("games/*.zst")).read_bytes()).json()
        server.wait(f"/v1/jobs/{run['jobId']}", lambda j: j["status"] == "succeeded")
        harness.until(lambda: any(r.get("traceId") == run["runId"] for r in self.sink.otlp("logs")), "the run's lines")
        record = next(r for r in self.sink.otlp("logs") if r.get("traceId") == run["runId"])
        self.assertEqual(record["severityText"], "info")
        self.assertIsInstance(record["timeUnixNano"], str)
        path, headers, body = self.sink.requests[0]
        self.assertEqual(headers["X-Api-Key"], TOKEN)
        names = {a["key"]: a["value"] for a in body[next(iter(body))][0]["resource"]["attributes"]}
        self.assertEqual(names["service.name"], {"stringValue": "skerry"})
        span = harness.until(lambda: [s for s in self.sink.otlp("traces") if s["traceId"] == run["runId"]], "the run's span")[0]
        self.assertEqual(span["name"], "chess.ingest")
        self.assertEqual(span["status"], {"code": 1})
        self.assertLessEqual(int(span["startTimeUnixNano"]), int(span["endTimeUnixNano"]))
        self.assertRegex(span["spanId"], "^[0-9a-f]{16}$")

    def test_a_page_is_no_collector(self):
        self.sink.answer, self.sink.reply = 200, b"<html>Welcome to this network</html>"
        server = self.serve(SKERRY_OTLP_URL=self.sink.url)
        error = harness.until(lambda: self.info(server, "otlp-logs")["error"], "a failure")
        self.assertIn("not OTLP", error)
        self.assertEqual(self.info(server, "otlp-logs")["sent"], 0)

    def test_refusals_without_names_are_counted(self):
        self.sink.answer = 200
        self.sink.reply = b'{"partialSuccess":{"rejectedLogRecords":"2","errorMessage":"too old"}}'
        server = self.serve(SKERRY_OTLP_URL=self.sink.url)
        harness.until(lambda: self.info(server, "otlp-logs")["lost"] >= 2, "the count")

    # -------------------------------------------------------------- Kafka that is not there

    def test_events_wait_for_a_kafka_that_is_away(self):
        server = self.serve(SKERRY_KAFKA_BROKERS=f"127.0.0.1:{harness.free_port()}", SKERRY_OUTBOX_ROWS="3")
        run = server.post("/v1/maintenance/collect").json()
        server.wait(f"/v1/jobs/{run['jobId']}", lambda j: j["status"] == "succeeded")
        rows = harness.until(lambda: server.sql("SELECT type, subject FROM outbox_items WHERE destination = ? ORDER BY id", "kafka"),
                     "rows of the run")
        self.assertEqual(rows[:2], [("run.started", run["runId"]), ("run.finished", run["runId"])])
        for _ in range(4):
            job = server.post("/v1/maintenance/collect").json()["jobId"]
            server.wait(f"/v1/jobs/{job}", lambda j: j["status"] == "succeeded")
        harness.until(lambda: self.info(server, "kafka")["waiting"] == 3, "the cap")
        self.assertGreater(self.info(server, "kafka")["lost"], 0)
        self.assertIn("not reachable" if self.info(server, "kafka")["breaker"] != "closed" else "up",
                      server.cli("outbox").stdout.decode())

    # -------------------------------------------------------------- kill -9

    def test_kill(self):
        """Lines that are in a file leave, once or twice, never not at all."""
        server = self.loki()
        self.sink.answer = "slow"
        for i in range(6):
            for k in range(20):
                server.request("GET", "/v1/runs", headers={"X-Request-Id": f"kill-{i}-{k}"})
            time.sleep(0.1 * i)
            server.kill()
            server.start()
        in_files = {line["request_id"] for line in server.log_lines() if line.get("request_id", "").startswith("kill-")}
        self.assertGreater(len(in_files), 20)
        harness.until(lambda: in_files <= {m.get("request_id") for _, _, _, m in self.sink.loki_lines()}, "every line's way to Loki")

    # -------------------------------------------------------------- secrets

    def test_no_secret_is_seen(self):
        self.sink.answer = "echo"
        server = self.loki(SKERRY_LOKI_TOKEN=TOKEN, SKERRY_OTLP_URL=self.sink.url,
                           SKERRY_OTLP_HEADERS="Authorization=Bearer " + TOKEN, SKERRY_KAFKA_BROKERS="127.0.0.1:1",
                           SKERRY_KAFKA_SECURITY="sasl_plaintext", SKERRY_KAFKA_USERNAME="someone", SKERRY_KAFKA_PASSWORD=TOKEN,
                           SKERRY_KAFKA_MECHANISM="PLAIN")
        harness.until(lambda: self.info(server, "loki")["breaker"] == "open" and self.info(server, "otlp-logs")["breaker"] == "open",
              "two open breakers")
        job = server.post("/v1/maintenance/collect").json()["jobId"]
        server.wait(f"/v1/jobs/{job}", lambda j: j["status"] == "succeeded")
        server.cli("backup", server.home / "copy.db")
        seen = [server.get(p).text for p in ("/v1/outbox", "/v1/settings", "/metrics", "/v1/logs?limit=5000&level=debug")]
        seen += [server.cli("outbox").stdout.decode(), server.cli("config").stdout.decode()]
        seen.append(pathlib.Path(f"/proc/{server.process.pid}/cmdline").read_text())
        self.assertIn("***", self.info(server, "loki")["error"])
        server.stop()
        for file in server.home.rglob("*"):
            if file.is_file():
                seen.append(file.read_bytes().decode("latin-1"))
        for text in seen:
            self.assertNotIn(TOKEN, text)

    def test_wrong_settings_are_said_at_the_start(self):
        for env, words in (({"SKERRY_LOKI_URL": "https://me:hunter22@logs.example"}, "credentials"),
                           ({"SKERRY_LOKI_URL": "logs.example"}, "SKERRY_LOKI_URL"),
                           ({"SKERRY_OTLP_URL": "http://localhost", "SKERRY_OTLP_HEADERS": "hunter22"}, "Name=value"),
                           ({"SKERRY_KAFKA_BROKERS": "localhost", "SKERRY_KAFKA_SECURITY": "tls"}, "sasl_ssl")):
            with self.subTest(words):
                server = harness.Server(env=env, start=False)
                self.addCleanup(server.close)
                done = server.cli("status", check=False)
                self.assertEqual(done.returncode, 2)
                self.assertIn(words, done.stderr.decode())
                self.assertNotIn("hunter22", done.stderr.decode())


if __name__ == "__main__":
    unittest.main()
