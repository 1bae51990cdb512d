# SPDX-License-Identifier: GPL-3.0-or-later
"""deploy/prometheus/alerts.yml: promtool takes it, every alert fires when it should and only then, and asks for
series that this program has, in words that its own PromQL understands, too."""
import pathlib
import re
import subprocess
import tempfile
import unittest

from world import ROOT, World, peer

RULES = ROOT / "deploy" / "prometheus" / "alerts.yml"
CASES = pathlib.Path(__file__).with_name("alerts_test.yml")


def promtool(*args):
    done = subprocess.run([peer("promtool"), *args], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120)
    return done.returncode, done.stdout.decode()


class Alerts(unittest.TestCase):
    def setUp(self):
        self.text = RULES.read_text()
        self.names = re.findall(r"(?m)^ +- alert: (\w+)$", self.text)
        self.expressions = re.findall(r"(?m)^ +expr: (.+)$", self.text)

    def test_promtool_takes_the_rules(self):
        code, said = promtool("check", "rules", RULES)
        self.assertEqual(code, 0, said)
        self.assertIn(f"{len(self.names)} rules found", said)
        self.assertEqual(len(self.expressions), len(self.names))

    def test_each_fires_when_it_should(self):
        code, said = promtool("test", "rules", CASES)
        self.assertEqual(code, 0, said)
        cases = CASES.read_text()
        for name in self.names:
            self.assertRegex(cases, rf"alertname: {name}\n +exp_alerts:\n", name)  # it fires
            self.assertIn(f"alertname: {name}, exp_alerts: []", cases, name)      # and it keeps quiet

    def test_the_cases_can_fail(self):
        with tempfile.TemporaryDirectory() as folder:
            worse = pathlib.Path(folder, "alerts.yml")
            worse.write_text(self.text.replace("> 0.05", "> 0.5"))
            cases = pathlib.Path(folder, "cases.yml")
            cases.write_text(CASES.read_text().replace("../../deploy/prometheus/alerts.yml", str(worse)))
            code, said = promtool("test", "rules", cases)
            self.assertNotEqual(code, 0)
            self.assertIn("SkerryErrors", said)

    def test_they_ask_for_what_there_is(self):
        server = World.get()
        have = set(re.findall(r"(?m)^# TYPE (\S+) ", server.get("/metrics").text)) | {"up"}
        for name, expression in zip(self.names, self.expressions):
            for metric in re.findall(r"\b(?:chs|skerry)_\w+|\bup\b", expression):
                self.assertIn(re.sub(r"_bucket$", "", metric), have, name)
            reply = server.get("/api/v1/query", query=expression)
            self.assertEqual((reply.status, reply.json()["status"]), (200, "success"), (name, reply))


if __name__ == "__main__":
    unittest.main()
