# SPDX-License-Identifier: GPL-3.0-or-later
"""Both expositions of /metrics, read by promtool, by Prometheus itself and by the OpenMetrics parser of
its Python client, after every part of the loop has moved its counters."""
import json
import subprocess
import tempfile
import time
import unittest
import urllib.parse
import urllib.request

from prometheus_client import parser as text_parser
from prometheus_client.openmetrics import parser as openmetrics_parser

import harness
from world import World, peer, wait_until

OPENMETRICS = "application/openmetrics-text; version=1.0.0"

# Complaints of the linter that we accept, each with its reason: (end of the line, reason).
ACCEPTED_TEXT = ()
ACCEPTED_OPENMETRICS = (
    ("_total no help text",
     "promtool 2.42 reads every input as format 0.0.4, where HELP must repeat a counter's whole name; "
     "OpenMetrics demands the name without _total"),
)


def promtool(text, accepted):
    """The linter's complaints, less the accepted ones."""
    done = subprocess.run([peer("promtool"), "check", "metrics"], input=text.encode(),
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60)
    lines = done.stdout.decode().splitlines()
    if done.returncode and not lines:
        return [f"promtool ended with {done.returncode} and said nothing"]
    return [line for line in lines if not any(line.endswith(end) for end, _ in accepted)]


class Metrics(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = World.get()
        cls.text = cls.server.get("/metrics").text
        reply = cls.server.get("/metrics", headers={"Accept": OPENMETRICS})
        cls.openmetrics, cls.openmetrics_type = reply.text, reply.headers["Content-Type"]

    def test_the_loop_has_moved_the_counters(self):
        """Without this the tests below could praise an empty page."""
        for family in ("chs_ingest_games_total", "chs_dataset_rows_total", "chs_training_step_duration_seconds_count", "chs_predict_requests_total",
                       "chs_selfplay_games_total", "chs_moves_total", "chs_api_requests_total", "skerry_jobs_total"):
            self.assertRegex(self.text, rf"(?m)^{family}(\{{[^\n]*\}})? [0-9.e+-]+$")

    def test_promtool_finds_nothing_in_the_text_format(self):
        self.assertEqual(promtool(self.text, ACCEPTED_TEXT), [])

    def test_promtool_finds_nothing_in_openmetrics(self):
        self.assertEqual(promtool(self.openmetrics, ACCEPTED_OPENMETRICS), [])

    def test_promtool_does_complain(self):
        """The check itself can fail."""
        self.assertNotEqual(promtool(self.text + "chs_bad_total 1\nchs_bad_total 1\n", ACCEPTED_TEXT), [])

    def test_the_strict_openmetrics_parser_reads_it(self):
        self.assertTrue(self.openmetrics_type.startswith("application/openmetrics-text; version=1.0.0"))
        strict = list(openmetrics_parser.text_string_to_metric_families(self.openmetrics))
        plain = {(f.name, f.type) for f in text_parser.text_string_to_metric_families(self.text)}
        # Beside the gauge chs_dataset_rows, OpenMetrics has no room for a counter family chs_dataset_rows:
        # chs_dataset_rows_total keeps its sample and loses its type there.
        plain.remove(("chs_dataset_rows", "counter"))
        plain.add(("chs_dataset_rows_total", "unknown"))
        self.assertEqual(sorted((f.name, f.type) for f in strict), sorted(plain))
        self.assertTrue(all(f.documentation and f.samples for f in strict))

    def test_prometheus_scrapes_it(self):
        """The server itself: it negotiates OpenMetrics, stores the samples and knows types and help."""
        port = harness.free_port()
        with tempfile.TemporaryDirectory(prefix="skerry-prom-") as folder:
            config = f"{folder}/prometheus.yml"
            with open(config, "w") as f:
                f.write("global: {scrape_interval: 1s}\nscrape_configs:\n  - job_name: skerry\n"
                        f"    static_configs: [{{targets: ['127.0.0.1:{self.server.port}']}}]\n")
            with open(f"{folder}/log", "w") as log:
                process = subprocess.Popen([peer("prometheus"), f"--config.file={config}", f"--storage.tsdb.path={folder}/tsdb",
                                            f"--web.listen-address=127.0.0.1:{port}"], stdout=log, stderr=log)
            try:
                self.check_prometheus(f"http://127.0.0.1:{port}/api/v1/")
            finally:
                process.terminate()
                process.wait(30)

    def check_prometheus(self, base):
        def ask(path, **query):
            try:
                with urllib.request.urlopen(base + path + "?" + urllib.parse.urlencode(query), timeout=10) as reply:
                    return json.load(reply)["data"]
            except OSError:
                return None  # it is still starting

        target = wait_until(lambda: next((t for t in (ask("targets") or {}).get("activeTargets", ())
                                          if t["health"] != "unknown"), None), "a scrape")
        self.assertEqual((target["health"], target["lastError"]), ("up", ""))
        time.sleep(0.2)  # a scrape is stored just after it is judged
        found = wait_until(lambda: (ask("query", query="sum(chs_ingest_games_total)") or {}).get("result"), "a stored sample")
        self.assertEqual(float(found[0]["value"][1]), self.server.metric("chs_ingest_games_total"))
        metadata = (ask("metadata", metric="chs_predict_latency_seconds") or {}).get("chs_predict_latency_seconds")
        self.assertEqual(metadata[0]["type"], "histogram")
        self.assertTrue(metadata[0]["help"])


if __name__ == "__main__":
    unittest.main()
