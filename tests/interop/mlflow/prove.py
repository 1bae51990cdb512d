# SPDX-License-Identifier: GPL-3.0-or-later
"""Proves the replay tool. Recordings replayed against a fresh real server of the same version are all equal; and any
change of an answer is found, which a parrot shows: a server that only says what was recorded.

    prove.py [--suite 2.22|3] [--big] [--parrot]      --parrot: without the real servers
"""
import argparse
import base64
import contextlib
import http.server
import io
import json
import sys
import threading
import unittest

import golden
import replay
import server as servers

MADE = {"id": "{:032x}", "uuid": "00000000-0000-4000-8000-{:012x}", "experiment": "{}", "token": "token{}", "ms": "1{:012}",
        "date": "2030-01-01T00:00:{:02}Z", "name": "made-name-{}", "home": "/home/{}", "address": "0x{:012x}", "url": "http://127.0.0.1:{}00000"}
SESSION = "client-20-client"


def made_up(text):
    return golden.PLACEHOLDER.sub(lambda m: MADE[m.group(1)].format(int(m.group(2))), text)


def answer_of(line):
    """(status, headers, body) of a recorded exchange, as if another server had said it."""
    body = line.get("answer") or {}
    if "json" in body:
        text = golden.walk(body["json"], made_up)
        raw = json.dumps(text).replace('"1000000000000"', "1000000000000").encode()   # times are numbers
    elif "base64" in body:
        raw = base64.b64decode(body["base64"])
    elif "sha256" in body:
        raw = b"".join(golden.blob(body["sha256"], body["bytes"]))
    else:
        raw = made_up(body.get("text", "")).encode()
    headers = {} if "json" not in body else {"content-type": golden.JSON_TYPE}
    headers.update(golden.walk(line.get("answer_headers", {}), made_up))
    return line["status"], headers, raw


class Parrot(http.server.BaseHTTPRequestHandler):
    def log_message(self, *args):
        pass

    def reply(self):
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            while size := int(self.rfile.readline(), 16):
                self.rfile.read(size + 2)
            self.rfile.readline()
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        line = next(self.server.lines)
        status, headers, raw = self.server.change(line, *answer_of(line))
        us = "http://127.0.0.1:%d" % self.server.server_address[1]
        raw = raw.replace(MADE["url"].format(0).encode(), us.encode())
        self.send_response_only(status)
        for name, value in headers.items():
            self.send_header(name, value.replace(MADE["url"].format(0), us))
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(raw)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = do_OPTIONS = reply


def replayed(suite, session, change=lambda line, *answer: answer, rules=()):
    """Replays a session against the parrot; returns (equal, saying more, listed, unlisted) and the Listed."""
    path = replay.HERE / "golden" / suite / f"{session}.ndjson"
    with http.server.HTTPServer(("127.0.0.1", 0), Parrot) as parrot:
        parrot.lines, parrot.change = iter(golden.read(path)[1]), change
        threading.Thread(target=parrot.serve_forever, daemon=True).start()
        listed = replay.Listed(None)
        listed.rules = [{**rule, "used": 0} for rule in rules]
        with contextlib.redirect_stdout(io.StringIO()) as said:
            counts = replay.play(f"http://127.0.0.1:{parrot.server_address[1]}", suite, path, listed, 5)
        parrot.shutdown()
    return counts, listed, said.getvalue()


def on(ask, change):
    """Changes the first answer to this request that is a 200."""
    state = {"is_done": False}

    def changed(line, status, headers, raw):
        if line["ask"].endswith(ask) and status == 200 and not state["is_done"]:
            state["is_done"] = True
            return change(status, headers, raw)
        return status, headers, raw
    return changed


def edit(change):
    """A change of the answer's JSON."""
    def changed(status, headers, raw):
        value = json.loads(raw)
        change(value)
        return status, headers, json.dumps(value).encode()
    return changed


MEDDLES = {
    "another value": ("runs/get", edit(lambda v: v["run"]["info"].update(status="BOGUS"))),
    "a number as a text": ("runs/get", edit(lambda v: v["run"]["info"].update(start_time="1700000000000"))),
    "a server's time that is a text": ("experiments/get", edit(lambda v: v["experiment"].update(creation_time="today"))),
    "a field more": ("runs/get", edit(lambda v: v["run"].update(more=1))),
    "a field less": ("runs/get", edit(lambda v: v["run"]["info"].pop("artifact_uri"))),
    "another id": ("runs/get", edit(lambda v: v["run"]["info"].update(run_id="f" * 32))),
    "an item less": ("runs/search", edit(lambda v: v["runs"].pop() if v.get("runs") else v.update(runs=[{}]))),
    "a metric's history in another order": ("metrics/get-history", edit(lambda v: v["metrics"].reverse())),
    "another status": ("experiments/get", lambda s, h, raw: (201, h, raw)),
    "no body": ("runs/set-tag", lambda s, h, raw: (s, h, b"")),
    "another type": ("runs/set-tag", lambda s, h, raw: (s, {"content-type": "text/html"}, raw)),
}


class Replay(unittest.TestCase):
    suite = None

    def test_a_parrot_is_equal(self):
        for path in sorted((replay.HERE / "golden" / self.suite).glob("*.ndjson")):
            if golden.read(path)[0].get("big"):
                continue
            with self.subTest(path.stem):
                (_, more, listed, unlisted), _, said = replayed(self.suite, path.stem)
                self.assertEqual((more, listed, unlisted), (0, 0, 0), said)

    def test_meddling_is_found(self):
        for name, (ask, change) in MEDDLES.items():
            with self.subTest(name):
                (*_, unlisted), _, said = replayed(self.suite, SESSION, on(ask, change))
                self.assertGreater(unlisted, 0)

    def test_tags_in_another_order_are_equal(self):
        def reverse(value):
            value["run"]["data"]["tags"].reverse()
        (*_, unlisted), _, said = replayed(self.suite, SESSION, on("runs/get", edit(reverse)))
        self.assertEqual(unlisted, 0, said)

    def test_a_listed_difference_is_counted_and_a_stale_one_found(self):
        rule = {"session": SESSION, "ask": "GET */experiments/get", "at": "status", "reason": "for the test"}
        change = on("experiments/get", MEDDLES["another status"][1])
        (_, more, listed, unlisted), rules, said = replayed(self.suite, SESSION, change, [rule])
        self.assertEqual((more, listed, unlisted, list(rules.stale([self.suite], ()))), (0, 1, 0, []), said)
        _, rules, _ = replayed(self.suite, SESSION, rules=[rule])
        self.assertEqual(len(list(rules.stale([self.suite], ()))), 1)

    def test_only_the_answer_that_is_listed_may_differ(self):
        rule = {"ask": ["none", "GET */experiments/get"], "at": "status", "recorded": "200 *", "reason": "for the test"}
        for answered, expected in (("201 *", (1, 0)), (["404 *", "201 *"], (1, 0)), ("404 *", (0, 1))):
            change = on("experiments/get", MEDDLES["another status"][1])
            (_, _, *counts), _, said = replayed(self.suite, SESSION, change, [{**rule, "answered": answered}])
            self.assertEqual(tuple(counts), expected, said)

    def test_to_say_more_is_counted_for_itself(self):
        for rule, expected in (({"at": "body.run.more"}, (1, 0, 0)), ({"at": "body.run.other"}, (0, 0, 1))):
            change = on("runs/get", edit(lambda v: v["run"].update(more=1)))
            (_, *counts), _, said = replayed(self.suite, SESSION, change, [{**rule, "reason": "for the test"}])
            self.assertEqual(tuple(counts), expected, said)


class Real(unittest.TestCase):
    suite, big = None, False

    def test_the_same_version_answers_equally(self):
        with servers.Server(self.suite) as server:
            with contextlib.redirect_stdout(io.StringIO()) as said:
                bad = replay.replay(server.url, [self.suite], replay.Listed(None), (), self.big)
        print(said.getvalue())
        self.assertEqual(bad, 0)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--suite", choices=servers.SUITES, action="append")
    parser.add_argument("--big", action="store_true", help="the session with gigabytes, too")
    parser.add_argument("--parrot", action="store_true", help="without the real servers")
    options = parser.parse_args()
    failed = 0
    for suite in options.suite or servers.SUITES:
        print(f"== MLflow {suite}", flush=True)
        Replay.suite = Real.suite = suite
        Real.big = options.big
        tests = unittest.TestSuite(unittest.defaultTestLoader.loadTestsFromTestCase(case)
                                   for case in ([Replay] if options.parrot else [Replay, Real]))
        failed |= not unittest.TextTestRunner(stream=sys.stdout, verbosity=2).run(tests).wasSuccessful()
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
