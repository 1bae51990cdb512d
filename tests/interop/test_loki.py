# SPDX-License-Identifier: GPL-3.0-or-later
"""The outbox against Grafana Loki itself: what it holds, read back by its own queries, is what our log files hold, each
line once and in order; also after outages, limits that were met, and kill -9."""
import json
import time
import unittest
import urllib.error

from outbox_peers import Loki
from test_destinations import Work
from world import GAMES, wait_until

LONG = "x" * 5000


class Interop(unittest.TestCase):
    def setUp(self):
        self.loki = Loki()
        self.addCleanup(self.loki.close)

    def serve(self):
        server = Work(env={"SKERRY_OUTBOX_RETRY_SECONDS": "1", "SKERRY_LOKI_URL": self.loki.url})
        self.addCleanup(server.close)
        return server

    @staticmethod
    def instance(server):
        return (server.home / "place").read_text().strip()

    def query(self, query, **more):
        try:
            return self.loki.query_range(query, **more)
        except urllib.error.HTTPError as problem:  # it has just started
            if problem.code < 500:
                raise AssertionError(f"{query}: {problem.code} {problem.read()}")
        except OSError:
            self.assertIsNone(self.loki.process.poll(), "Loki has ended")
        return []

    def in_loki(self, server):
        """(component, level) -> our lines, as Loki gives them."""
        return {(labels["component"], labels["level"]): [json.loads(line) for _, line in values]
                for labels, values in self.query(f'{{service_instance_id="{self.instance(server)}"}}')}

    @staticmethod
    def in_files(server):
        """The same of the server's own files. Loki sorts by time; lines of one time stay in the order they had."""
        streams = {}
        for line in server.log_lines():
            if "event" in line:
                streams.setdefault((line.get("component", "server"), line["level"]), []).append(line)
        return {key: sorted(lines, key=lambda line: line["ts"]) for key, lines in streams.items()}

    def all_arrives(self, server):
        """Every line once and in order. Nobody asks the server meanwhile, so its log comes to rest."""
        def different():
            there, here = self.in_loki(server), self.in_files(server)
            return [(key, len(there.get(key, [])), len(here.get(key, []))) for key in there.keys() | here.keys()
                    if there.get(key) != here.get(key)]
        try:
            wait_until(lambda: not different(), "the arrival of every line", 120)
        except AssertionError:
            self.fail(f"(component, level), lines in Loki, lines in the files: {different()}; {server.info('loki')}")
        info = server.info("loki")
        self.assertEqual((info["dead"], info["lost"], info["error"] or ""), (0, 0, ""))

    def write_lines(self, server, bytes_min):
        """Runs, and requests with long addresses, until that much waits for Loki."""
        while server.info("loki")["waitingBytes"] < bytes_min:
            server.collect()
            for i in range(20):
                server.get(f"/v1/runs/{i}{LONG}")

    def test_lines_are_found_by_labels_and_fields(self):
        server = self.serve()
        made = server.must(server.post("/v1/ingest", files={"file": (GAMES.name, GAMES.read_bytes())}))
        server.job(made["jobId"])
        run = server.collect()
        self.all_arrives(server)
        self.assertEqual(set(json.loads(self.loki.ask("loki/api/v1/labels"))["data"]) - {"__name__"},
                         {"service_name", "service_instance_id", "component", "level"})
        (labels, values), = self.query(f'{{service_name="skerry",level="info"}} | json | event="run.finished" | run_id="{run}"')
        self.assertEqual((labels["component"], labels["service_instance_id"]), ("maintenance", self.instance(server)))
        (at_ns, line), = values
        ours, = server.logged("run.finished", run_id=run)
        self.assertEqual(json.loads(line), ours)
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(int(at_ns) // 10**9)) + f".{int(at_ns) // 10**6 % 1000:03d}Z"
        self.assertEqual(stamp, ours["ts"])
        done = [json.loads(line) for _, values in self.query('{component="ingest"} | json | event="ingest.completed" | added > 100')
                for _, line in values]
        self.assertEqual([line["run_id"] for line in done], [made["runId"]])
        counted = self.query('sum by (component) (count_over_time({service_name="skerry"} | json | event="run.finished" [1h]))', step="1h")
        finished = [line["component"] for line in server.logged("run.finished")]
        self.assertIn("ingest", finished)
        self.assertEqual({labels["component"]: int(values[-1][1]) for labels, values in counted},
                         {component: finished.count(component) for component in finished})

    def test_an_outage_with_more_than_a_batch_and_a_kill(self):
        server = self.serve()
        server.collect()
        self.all_arrives(server)
        self.loki.stop()
        self.write_lines(server, 1 << 20)
        server.kill()
        server.start()
        self.write_lines(server, 5 << 19)
        self.assertEqual(server.info("loki")["dead"], 0, server.get("/v1/outbox/loki/dead").text)
        self.loki.start()
        self.all_arrives(server)
        self.assertEqual(len(server.logged("serve.started")), 2)
        self.assertGreater(self.loki.refused("rate_limited"), 0)  # 429: it was too fast, and waited
        self.loki.stop()
        self.loki.start()  # what it took is on its disk
        self.all_arrives(server)

    def test_one_that_was_cut_off_sends_older_lines_than_others_did(self):
        first, second = self.serve(), self.serve()
        self.all_arrives(second)
        self.loki.stop()
        self.write_lines(second, 1 << 18)
        second.kill()
        self.loki.start()
        first.collect()
        self.all_arrives(first)
        second.start()
        second.collect()
        self.all_arrives(second)
        self.all_arrives(first)

    def serve_with_old_lines(self, *ages):
        """A server with lines that wait to be sent once more, so many hours old."""
        server = self.serve()
        server.stop()
        for hours in ages:
            ts = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(time.time() - hours * 3600))
            line = json.dumps({"ts": ts, "level": "info", "event": f"test.{hours}", "component": "test"})
            server.sql("INSERT INTO outbox_items (destination, is_dead, event_id, type, subject, body, bytes, at_ms)"
                       " VALUES (?, 0, '', '', '', ?, 100, 1)", "loki", line)
        server.start()
        return server

    def test_lines_of_a_batch_are_sent_in_the_order_of_time(self):
        server = self.serve_with_old_lines(0.1, 0.2)
        wait_until(lambda: self.query('{component="test"}'), "the lines' way")
        dead = server.get("/v1/outbox/loki/dead").json()["items"]
        self.assertEqual([], dead)
        found = self.query('{component="test"}')
        self.assertEqual([json.loads(line)["event"] for _, values in found for _, line in values], ["test.0.2", "test.0.1"])

    def test_a_line_that_is_too_old_is_a_dead_letter(self):
        server = self.serve_with_old_lines(8 * 24, 1)
        wait_until(lambda: server.info("loki")["dead"] == 1, "the dead letter")
        letter, = server.get("/v1/outbox/loki/dead").json()["items"]
        self.assertEqual(letter["line"]["event"], "test.192")
        self.assertIn("timestamp too old", letter["why"])
        found = wait_until(lambda: self.query('{component="test"}'), "the way of the other")
        self.assertEqual([json.loads(line)["event"] for _, values in found for _, line in values], ["test.1"])


if __name__ == "__main__":
    unittest.main()
