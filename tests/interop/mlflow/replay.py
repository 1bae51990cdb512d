# SPDX-License-Identifier: GPL-3.0-or-later
"""Says the recorded requests to another server and compares its answers.

    replay.py URL [--suite 2.22|3] [--differences FILE|none] [--big] [--show N] [SESSION...]
Prints a line per session: N exchanges: E equal, M say more, L differ for a listed reason, U differ. To say more is to
be equal but for listed fields and headers that were not recorded. Exit status 1 if U > 0 or if
a listed difference did not occur. Sessions are said in the order of their names; the server should be fresh.
"""
import argparse
import base64
import fnmatch
import hashlib
import http.client
import json
import pathlib
import re
import sys
import time
import tomllib
import urllib.parse

import golden

HERE = pathlib.Path(__file__).resolve().parent
SPACING_S = 0.003   # as slow as the recording was: answers in order of time must not have equal times
# Lists without an order of their own. Those whose items have different "key"s are sorted by it, too.
UNORDERED = {"aliases", "latest_versions", "registrations", "dataset_inputs", "dataset_summaries", "assessments",
             "model_inputs", "model_outputs"}


MORE = ("(absent)", None)   # what was not recorded, in the JSON and in the headers


class Unknown(Exception):
    """A request needs a value that the server never gave."""


class Bindings:
    """What the replayed server chose for each placeholder."""

    def __init__(self, url):
        self.values = {"<<url 0>>": url}

    def fill(self, value):
        if isinstance(value, dict) and "<<int>>" in value:
            text = self.fill(value["<<int>>"])
            return int(text) if text.isdigit() else text
        if isinstance(value, dict):
            return {self.fill(k): self.fill(v) for k, v in value.items()}
        if isinstance(value, list):
            return [self.fill(v) for v in value]
        if not isinstance(value, str):
            return value
        if value.startswith("<<ms ") and value in self.values:
            return int(self.values[value])

        def known(match):
            if match.group() not in self.values:
                raise Unknown(f"the server has not given {match.group()}")
            return self.values[match.group()]
        return golden.PLACEHOLDER.sub(known, value)

    def match(self, expected, actual):
        """Whether a text is what the template says; what it says of new placeholders is learnt."""
        pattern, new, end = "", {}, 0
        for found in golden.PLACEHOLDER.finditer(expected):
            kind, name = found.group(1), found.group()
            pattern += re.escape(expected[end:found.start()])
            end = found.end()
            if name in self.values and kind not in golden.ANYTHING:
                pattern += re.escape(self.values[name])
            elif name in new:
                pattern += golden.LOOSE[kind] if kind in golden.ANYTHING else f"(?P={new[name]})"
            else:
                new[name] = f"g{len(new)}"
                pattern += f"(?P<{new[name]}>{golden.LOOSE[kind]})"
        actual = golden.sort_sets(actual)
        match = re.fullmatch(pattern + re.escape(expected[end:]), actual, re.DOTALL)
        if match:
            self.values.update((name, match.group(group)) for name, group in new.items())
        return bool(match)


def paired(name, expected, actual, bound, at):
    """The items of two lists as they are compared, in pairs."""
    for items in (expected, actual):
        keys = [item.get("key") for item in items if isinstance(item, dict)]
        if len(keys) != len(items) or not all(isinstance(k, str) for k in keys) or len(set(keys)) != len(keys):
            break
    else:
        by_key = [sorted(items, key=lambda item: item["key"]) for items in (expected, actual)]
        return zip(*by_key)
    return partners(expected, actual, bound, at) if name in UNORDERED else zip(expected, actual)


def partners(expected, actual, bound, at):
    """Each item with the first of the others that is equal; what has no equal, with what is left."""
    left, alone = list(actual), []
    for item in expected:
        for other in left:
            before = dict(bound.values)
            if not any(compare(item, other, bound, at)):
                left.remove(other)
                yield item, other
                break
            bound.values = before
        else:
            alone.append(item)
    yield from zip(alone, left)


def compare(expected, actual, bound, at):
    """(where, expected, actual) of every difference; learns placeholders on the way."""
    if isinstance(expected, dict) and isinstance(actual, dict):
        keys = {k: k for k in expected}
        for key in expected:
            if golden.PLACEHOLDER.search(key):
                keys[key] = next((a for a in actual if bound.match(key, a)), key)
        for key, theirs in keys.items():
            if theirs not in actual:
                yield f"{at}.{key}", expected[key], "(absent)"
            else:
                yield from compare(expected[key], actual[theirs], bound, f"{at}.{key}")
        for key in actual:
            if key not in keys.values():
                yield f"{at}.{key}", "(absent)", actual[key]
    elif isinstance(expected, list) and isinstance(actual, list):
        name = at.rsplit(".", 1)[-1]
        if len(expected) != len(actual):
            yield f"{at}.length", len(expected), len(actual)
        for i, (one, other) in enumerate(paired(name, expected, actual, bound, at)):
            yield from compare(one, other, bound, f"{at}.{i}")
    elif isinstance(expected, str) and golden.PLACEHOLDER.search(expected):
        is_number = expected.startswith("<<ms ") and expected.endswith(">>") and type(actual) is int
        if not (isinstance(actual, str) or is_number) or not bound.match(expected, str(actual)):
            yield at, expected, actual
    elif isinstance(expected, str) and isinstance(actual, str):
        if expected != golden.sort_sets(actual):
            yield at, expected, actual
    elif type(expected) is not type(actual) or expected != actual:
        yield at, expected, actual


class Answer:
    def __init__(self, reply):
        self.status = reply.status
        self.headers = {k.lower(): v for k, v in reply.getheaders()}
        self.length, digest, kept = 0, hashlib.sha256(), b""
        while data := reply.read(1 << 18):
            self.length += len(data)
            digest.update(data)
            kept = kept + data if self.length <= (8 << 20) else b""
        self.body, self.sha256 = kept, digest.hexdigest()


def say(url, line, bound):
    """Sends a recorded request; returns the Answer."""
    method, path = bound.fill(line["ask"]).split(" ", 1)
    if "%2" not in line["ask"]:
        path = urllib.parse.quote(path, safe="/:@!$&'()*+,;=~")
    if line.get("query"):
        path += "?" + urllib.parse.urlencode([tuple(pair) for pair in bound.fill(line["query"])])
    headers = bound.fill(line.get("headers", {}))
    body = line.get("body")
    pieces = None
    if body is not None:
        if "json" in body:
            pieces = [json.dumps(bound.fill(body["json"])).encode()]
        elif "text" in body:
            pieces = [bound.fill(body["text"]).encode()]
        elif "base64" in body:
            pieces = [base64.b64decode(body["base64"])]
        else:
            pieces = golden.blob(body["sha256"], body["bytes"])
    if "content-type" not in headers and body is not None:
        headers["Content-Type"] = golden.JSON_TYPE
    is_chunked = "transfer-encoding" in headers
    if body is None and not is_chunked and method in ("POST", "PUT", "PATCH"):
        headers["Content-Length"] = "0"
    elif body is not None and not is_chunked:
        pieces = pieces if "sha256" in body else list(pieces)
        headers["Content-Length"] = str(body["bytes"] if "sha256" in body else sum(map(len, pieces)))
    parts = urllib.parse.urlsplit(url)
    link = http.client.HTTPConnection(parts.hostname, parts.port, timeout=600)
    try:
        link.request(method, path, body=iter(pieces or ()) if is_chunked or body is not None else None,
                     headers=headers, encode_chunked=is_chunked)
        return Answer(link.getresponse())
    finally:
        link.close()


def differences(line, answer, bound):
    if answer.status != line["status"]:
        yield "status", f"{line['status']} {json.dumps(line.get('answer'))[:300]}", \
            f"{answer.status} {answer.body[:300].decode(errors='replace')}"
        return
    expected = line.get("answer_headers", {})
    for name in golden.KEPT_ANSWER_HEADERS:
        want, have = expected.get(name), answer.headers.get(name)
        if name == "x-content-type-options" and not want:
            continue   # more of it does no harm
        if name == "content-type":
            want = want or (golden.JSON_TYPE if "json" in line.get("answer", {}) else None)
            want, have = (want or "").split(";")[0], (have or "").split(";")[0]
        yield from compare(want, have, bound, f"header.{name}")
    body = line.get("answer")
    if body is None:
        if answer.length:
            yield "body", "(empty)", answer.body[:300].decode(errors="replace")
    elif "json" in body:
        try:
            actual = json.loads(answer.body)
        except ValueError:
            yield "body", "JSON", answer.body[:300].decode(errors="replace")
            return
        yield from compare(body["json"], actual, bound, "body")
    elif "text" in body:
        yield from compare(body["text"], answer.body.decode(errors="replace"), bound, "body")
    elif "base64" in body:
        yield from compare(body["base64"], base64.b64encode(answer.body).decode(), bound, "body")
    else:
        yield from compare(body["bytes"], answer.length, bound, "body.bytes")
        if answer.sha256 != body["sha256"] and answer.sha256 != golden.blob_digest(body["sha256"], body["bytes"]):
            yield "body.sha256", body["sha256"], answer.sha256


def fits(value, patterns):
    """Whether a value, as text or JSON, is like a pattern, or one of several."""
    value = value if isinstance(value, str) else json.dumps(value)
    return any(fnmatch.fnmatchcase(value, p) for p in ([patterns] if isinstance(patterns, str) else patterns))


class Listed:
    """The differences that are allowed, each with its reason; which of them occurred is kept."""

    def __init__(self, path):
        self.rules = tomllib.loads(path.read_text()).get("difference", []) if path else []
        for rule in self.rules:
            if not rule.get("reason"):
                raise SystemExit(f"{path}: a difference without a reason: {rule}")
            rule["used"] = 0

    def covers(self, suite, session, ask, difference):
        """Of a difference: None, "more" or "other"."""
        at, expected, actual = difference
        for rule in self.rules:
            wanted = ((suite, "suite"), (session, "session"), (ask, "ask"), (at, "at"), (expected, "recorded"), (actual, "answered"))
            if all(fits(value, rule.get(key, "*")) for value, key in wanted):
                rule["used"] += 1
                return "more" if expected in MORE and actual not in MORE else "other"
        return None

    def stale(self, suites, sessions):
        for rule in self.rules:
            concerns = any(fits(s, rule.get("suite", "*")) for s in suites)
            if concerns and not sessions and not rule["used"]:
                yield {k: v for k, v in rule.items() if k != "used"}


def play(url, suite, path, listed, show):
    """Replays one file; returns (equal, saying more, listed, unlisted)."""
    _, lines = golden.read(path)
    bound = Bindings(url)
    equal = more = known = unknown = 0
    for number, line in enumerate(lines, 2):
        time.sleep(SPACING_S)
        try:
            found = list(differences(line, say(url, line, bound), bound))
        except Unknown as e:
            found = [("request", "", str(e))]
        except (OSError, http.client.HTTPException) as e:
            found = [("connection", "an answer", repr(e))]
        kinds = [listed.covers(suite, path.stem, line["ask"], d) for d in found]
        rest = [d for d, kind in zip(found, kinds) if not kind]
        equal += not found
        unknown += bool(rest)
        more += bool(found) and set(kinds) == {"more"}
        known += not rest and "other" in kinds
        if rest and show > 0:
            show -= 1
            print(f"  {suite}/{path.name}:{number} {line['ask']}")
            for at, expected, actual in rest[:5]:
                print(f"    {at}\n      recorded {json.dumps(expected)[:400]}\n      answered {json.dumps(actual)[:400]}")
    return equal, more, known, unknown


def counted(equal, more, known, unknown):
    return (f"{equal + more + known + unknown} exchanges: {equal} equal, {more} say more, {known} differ for a listed reason, "
            f"{unknown} differ")


def replay(url, suites, listed, sessions=(), big=False, show=20, folder=HERE / "golden"):
    """Replays files against a server; prints and returns how many exchanges differ for no listed reason."""
    bad = 0
    for suite in suites:
        for path in sorted((folder / suite).glob("*.ndjson")):
            if (sessions and path.stem not in sessions) or (not big and golden.read(path)[0].get("big")):
                continue
            counts = play(url, suite, path, listed, show)
            bad += counts[-1]
            print(f"{suite}/{path.stem}: {counted(*counts)}", flush=True)
    for rule in listed.stale(suites, sessions):
        print(f"a listed difference does not occur: {json.dumps(rule)}")
        bad += 1
    return bad


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url")
    parser.add_argument("sessions", nargs="*", metavar="SESSION")
    parser.add_argument("--suite", choices=("2.22", "3"), required=True, help="a server is the peer of one version")
    parser.add_argument("--differences", default=str(HERE / "differences.toml"))
    parser.add_argument("--big", action="store_true", help="the session with gigabytes, too")
    parser.add_argument("--show", type=int, default=20, help="how many differing exchanges per session to print")
    options = parser.parse_args()
    listed = Listed(None if options.differences == "none" else pathlib.Path(options.differences))
    bad = replay(options.url.rstrip("/"), [options.suite], listed, options.sessions, options.big, options.show)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
