# SPDX-License-Identifier: GPL-3.0-or-later
"""The same samples in a real Prometheus and in ours, the same questions, the same answers; and promtool as a
client of ours.

Our samples are read out of the running server (a range selector gives them as they are) and backfilled into
Prometheus, so the two can only differ in what they make of them.
"""
import subprocess
import time
import unittest

from prometheus import Prometheus, ask, difference
from world import World, peer

MINUTES = 20
SELECTED = '{__name__=~"chs_(api_request.*|predict_.*|ingest_.*|moves_total|training_.*|selfplay_.*)|process_.*"}'
QUESTIONS = """
chs_ingest_games_total
sum by (outcome) (chs_api_requests_total)
sum by (uri) (rate(chs_api_requests_total{method="GET"}[2m])) > 0
sum(increase(chs_api_requests_total[5m]))
topk(2, sum by (uri) (chs_api_request_seconds_sum))
irate(process_cpu_seconds_total[1m])
rate(process_cpu_seconds_total[90s])
delta(process_resident_memory_bytes[3m])
deriv(process_resident_memory_bytes[3m])
avg_over_time(process_resident_memory_bytes[5m]) / 1024 / 1024
max_over_time(process_open_fds[5m]) - min_over_time(process_open_fds[5m])
quantile(0.9, chs_api_requests_total)
stddev by (method) (chs_api_requests_total)
histogram_quantile(0.95, sum by (le) (rate(chs_api_request_seconds_bucket[5m])))
histogram_quantile(0.5, sum by (le, uri) (chs_api_request_seconds_bucket{method="POST"}))
histogram_quantile(0.99, chs_predict_latency_seconds_bucket)
sum(rate(chs_predict_latency_seconds_sum[5m])) / sum(rate(chs_predict_latency_seconds_count[5m]))
sum by (uri) (chs_api_requests_total) / on () group_left sum(chs_api_requests_total)
chs_api_requests_total and on (uri) chs_api_request_seconds_count > 5
chs_api_requests_total{outcome="success"} unless chs_api_requests_total{method="POST"}
chs_ingest_games_total or chs_moves_total
chs_training_loss
changes(chs_training_loss[10m])
resets(chs_api_requests_total[10m])
absent(chs_no_such_thing{a="b"})
count({__name__=~"chs_(ingest|api)_.+"})
count by (__name__) ({__name__=~"chs_ingest_.+"})
round(chs_api_request_seconds_sum * 1000, 0.5)
clamp(chs_moves_total, 1, 50)
scalar(chs_ingest_games_total) * 2
process_start_time_seconds - time()
last_over_time(chs_moves_total[7m])
count_over_time(chs_ingest_games_total[4m])
chs_moves_total offset 1m
""".strip().split("\n")


class PromQL(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = World.get()
        cls.ours = f"http://127.0.0.1:{cls.server.port}"
        # Two rounds of sampling behind the last work; live values are left behind then.
        time.sleep(31)
        cls.now = round(time.time() - 2, 3) + 0.0007
        read = ask(cls.ours, "query", query=SELECTED + f"[{MINUTES}m]", time=cls.now)
        assert read["status"] == "success", read
        series = [(one["metric"], one["values"]) for one in read["data"]["result"]]
        assert len(series) > 300, len(series)
        cls.prometheus = Prometheus(peer, series)
        cls.addClassCleanup(cls.prometheus.close)

    def test_answers_at_one_moment(self):
        for question in QUESTIONS:
            for at in (self.now, self.now - 37.3, self.now - 400.1):
                with self.subTest(question=question, at=at):
                    self.compare("query", query=question, time=f"{at:.3f}")

    def test_answers_over_time(self):
        for question in QUESTIONS:
            with self.subTest(question=question):
                self.compare("query_range", query=question, start=f"{self.now - 300:.3f}", end=f"{self.now:.3f}", step="17.3")

    def compare(self, path, **parameters):
        wanted, got = ask(self.prometheus.base, path, **parameters), ask(self.ours, path, **parameters)
        self.assertEqual(wanted["status"], "success", wanted)
        self.assertEqual(got["status"], "success", got)
        self.assertIsNone(difference(wanted["data"], got["data"]))

    def promtool(self, *args, code=0):
        done = subprocess.run([peer("promtool"), "query", *args], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60)
        text = done.stdout.decode()
        self.assertEqual(done.returncode, code, text)
        return text

    def test_promtool_asks_us(self):
        self.assertRegex(self.promtool("instant", self.ours, "up"), r'^up\{job="skerry"\} => 1 @\[')
        games = self.server.metric("chs_ingest_games_total")
        self.assertIn(f"=> {games:g} @[", self.promtool("instant", self.ours, "sum(chs_ingest_games_total)"))
        over = self.promtool("range", "--step=15s", self.ours, "sum(chs_ingest_games_total)")
        self.assertIn("=>\n", over)
        self.assertGreater(over.count(" @["), 1)
        self.assertIn('{__name__="up", job="skerry"}', self.promtool("series", '--match=up', self.ours))
        self.assertIn("skerry", self.promtool("labels", self.ours, "job"))
        self.assertIn("bad_data", self.promtool("instant", self.ours, "up{", code=1))


if __name__ == "__main__":
    unittest.main()
