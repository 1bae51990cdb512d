# SPDX-License-Identifier: GPL-3.0-or-later
"""`make demo` as a new user sees it, with a training of a few seconds: what it says, how it ends, what it leaves."""
import os
import re
import signal
import subprocess
import sys
import tempfile
import unittest
import urllib.request

import harness

DEMO = harness.ROOT / "tools" / "demo.py"
OK = re.compile(r"demo ok: (\d+) games, (\d+) positions, held-out top-1 ([\d.]+) %, model (\S+)@(\d+), "
                r"predict p50 \d+ us, (http://127\.0\.0\.1:\d+)")
STEPS = ("import", "dataset", "train", "evaluate", "register", "promote", "predict", "play")


class Demo(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="skerry-demo-")
        self.addCleanup(folder.cleanup)
        self.home = folder.name

    def demo(self, **more):
        env = {k: v for k, v in os.environ.items() if not k.startswith(("SKERRY_", "API_", "DEMO_"))}
        env.update(SKERRY_HOME=self.home, SKERRY_BINARY=harness.BINARY, API_PORT=str(harness.free_port()), DEMO_MINUTES="0.05", **more)
        done = subprocess.run([sys.executable, DEMO], env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, timeout=300)
        return done.returncode, done.stdout.decode(), done.stderr.decode()

    def test_it_goes_through_the_loop_and_again_on_the_same_data(self):
        for version in (1, 2):
            code, out, err = self.demo()
            self.assertEqual((code, err), (0, ""), out)
            for step in STEPS:
                self.assertRegex(out, rf"(?m)^{step} +[\d.]+ s   \S")
            last = OK.fullmatch(out.splitlines()[-1])
            self.assertTrue(last, out)
            games, positions, top1, model, number, url = last.groups()
            self.assertEqual((int(games), model, int(number)), (2179, "chess-policy", version))
            self.assertGreater(int(positions), 100_000)
            self.assertGreater(float(top1), float(re.search(r"any legal move: ([\d.]+) %", out).group(1)))
            with self.assertRaises(OSError):  # nobody looks: nothing is left running
                urllib.request.urlopen(url + "/health", timeout=5)

    def test_it_stays_when_asked_to(self):
        code, out, err = self.demo(DEMO_KEEP="1")
        pid = int(re.search(r"goes on running \(pid (\d+)\)", err).group(1))
        self.addCleanup(os.kill, pid, signal.SIGTERM)
        self.assertEqual(code, 0)
        url = OK.fullmatch(out.splitlines()[-1]).group(6)
        self.assertEqual(urllib.request.urlopen(url + "/health", timeout=10).status, 200)

    def test_a_step_that_fails_ends_it(self):
        code, out, err = self.demo(SKERRY_BACKUP_KEEP="many")  # no server starts so
        self.assertEqual(code, 1)
        self.assertNotIn("demo ok", out)
        self.assertIn("demo failed: ", err)
        self.assertIn("SKERRY_BACKUP_KEEP", err)


if __name__ == "__main__":
    unittest.main()
