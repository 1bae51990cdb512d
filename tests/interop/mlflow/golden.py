# SPDX-License-Identifier: GPL-3.0-or-later
"""Golden files: what an Exchange becomes in a file, and which of its values are only names for something.

A file is a session: NDJSON, a line that says what was recorded, then one exchange a line. What the server chose
(ids, tokens, times, names at random) stands as a placeholder, <<kind number>>: the replay learns at the same place
of the answer what another server chose, and says that in the requests that follow. What the client chose stays.

    ask      method and path                     status   of the answer
    query    [[key, value], ...] decoded         answer_headers  those of KEPT_ANSWER_HEADERS, if not application/json
    headers  those of KEPT_HEADERS               answer   as below
    body     {"json": .. with {"<<int>>": id} for an id that was said as a number} | {"text": ..} | {"base64": ..} | {"sha256": .., "bytes": n}   absent: no body
A letter that stands there a hundred times or more is written <<v times 6000>>. A body with sha256 is not kept; blob()
makes another one of that length, and that is what a replay sends and expects.
"""
import base64
import hashlib
import json
import random
import re
import urllib.parse

KEPT_HEADERS = ("content-type", "content-encoding", "transfer-encoding", "range", "origin", "authorization",
                "x-mlflow-experiment-id", "x-mlflow-run-id", "x-mlflow-workspace")
KEPT_ANSWER_HEADERS = ("content-type", "content-encoding", "content-disposition", "content-range", "accept-ranges",
                       "x-content-type-options", "location", "allow", "www-authenticate")
TEXT_MAX = 6000
BASE64_MAX = 400
JSON_TYPE = "application/json"
# Times that only the server can have chosen, even if a client's clock showed the same.
SERVER_TIMES = {"creation_time", "last_update_time", "creation_timestamp", "last_updated_timestamp", "created_time",
                "creation_timestamp_ms", "last_updated_timestamp_ms", "last_updated_time", "create_time"}
MADE_NAME = re.compile(r"[a-z]+-[a-z]+-\d{1,4}")
VOLATILE = (  # kind, what it looks like in a text
    ("uuid", re.compile(r"(?<![0-9a-f-])[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}(?![0-9a-f-])")),
    ("id", re.compile(r"(?<![0-9a-f])[0-9a-f]{32}(?![0-9a-f])")),
    ("experiment", re.compile(r"(?<!\d)7100000\d\d(?!\d)")),
    ("ms", re.compile(r"(?<!\d)1[789]\d{11}(?!\d)")),
    ("address", re.compile(r"(?<![0-9a-f])0x[0-9a-f]{8,}")),
    ("date", re.compile(r"20\d\d-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+)?Z?")),
)
PLACEHOLDER = re.compile(r"<<(\w+) (\d+)>>")
LOOSE = {"id": r"[\w\-]+", "uuid": r"[\w\-]+", "experiment": r"[\w\-]+", "token": r".+", "ms": r"\d+", "date": r".+?",
         "name": r".+", "address": r".+?", "home": r"[^'\" ]*?", "url": r"https?://[\w.:\-\[\]]+"}
ANYTHING = {"ms", "date", "token", "home", "address"}   # not the same value each time: only its form is compared


def blob(sha256, length):
    """Bytes that stand for a body which was not kept: the same for the same digest and length."""
    piece = random.Random(sha256).randbytes(min(length, 1 << 20))
    while length > 0:
        yield piece[:length]
        length -= len(piece)


def blob_digest(sha256, length):
    made = hashlib.sha256()
    for piece in blob(sha256, length):
        made.update(piece)
    return made.hexdigest()


MANY = re.compile(r"([A-Za-z0-9])\1{99,}")
SQUEEZED = re.compile(r"<<(\w) times (\d+)>>")


def walk(value, change):
    """A JSON value with each of its texts changed."""
    if isinstance(value, dict):
        return {change(k): walk(v, change) for k, v in value.items()}
    if isinstance(value, list):
        return [walk(v, change) for v in value]
    return change(value) if isinstance(value, str) else value


def squeeze_lists(value):
    """A list of one item many times is said shortly, too."""
    if isinstance(value, dict):
        return {k: squeeze_lists(v) for k, v in value.items()}
    if isinstance(value, list) and len(value) >= 100 and all(item == value[0] for item in value):
        return {"<<times>>": len(value), "item": value[0]}
    return [squeeze_lists(v) for v in value] if isinstance(value, list) else value


def stretch_lists(value):
    if isinstance(value, dict):
        if "<<times>>" in value:
            return [value["item"]] * value["<<times>>"]
        return {k: stretch_lists(v) for k, v in value.items()}
    return [stretch_lists(v) for v in value] if isinstance(value, list) else value


def squeeze(text):
    """Texts at a limit are one letter thousands of times: a file says it shortly."""
    return MANY.sub(lambda m: f"<<{m.group(1)} times {len(m.group())}>>", text)


def stretch(text):
    return SQUEEZED.sub(lambda m: m.group(1) * int(m.group(2)), text)


SET = re.compile(r"\{('[^{}']*'(?:, '[^{}']*')*)\}")


def sort_sets(text):
    """Messages that print a set of Python's have it in another order each time."""
    return SET.sub(lambda m: "{" + ", ".join(sorted(m.group(1).split(", "))) + "}", text)


def strings(value):
    """(key, string) of every leaf of a JSON value that is a text or a whole number, keys of maps included."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield None, key
            for name, leaf in strings(inner):
                yield name or key, leaf
    elif isinstance(value, list):
        for inner in value:
            yield from strings(inner)
    elif isinstance(value, str) or type(value) is int:
        yield None, value


def body_form(body, content_type):
    """What a file says of a proxy.Body."""
    if body.length == 0:
        return None
    if body.bytes is not None:
        try:
            text = body.bytes.decode()
            if JSON_TYPE in content_type:
                try:
                    value = json.loads(text)
                    json.dumps(value, allow_nan=False)
                    return {"json": value}
                except ValueError:
                    pass
            if len(text) <= TEXT_MAX:
                return {"text": text}
        except UnicodeDecodeError:
            if len(body.bytes) <= BASE64_MAX or "protobuf" in content_type:
                return {"base64": base64.b64encode(body.bytes).decode()}
    return {"sha256": body.sha256, "bytes": body.length}


class Names:
    """The placeholders of one session, given out in the order in which the values appeared."""

    def __init__(self, since_ms, until_ms, fixed):
        self.since, self.until = since_ms, until_ms
        self.known = dict(fixed)   # value -> placeholder
        self.counts = {}
        self.said = ""             # all that clients have said: their values are no placeholders

    def new(self, kind, value):
        if value in self.known or value in self.said:
            return
        self.counts[kind] = self.counts.get(kind, 0) + 1
        self.known[value] = f"<<{kind} {self.counts[kind]}>>"

    def is_now(self, kind, value):
        if kind == "ms":
            return self.since <= int(value) <= self.until
        return value[:4] >= "2026"   # what our sessions say is older

    def learn(self, answer):
        previous = {}
        for key, leaf in strings(answer):
            text = str(leaf)
            if key == "next_page_token" and text:
                self.known.setdefault(text, f"<<token {len(self.known)}>>")
            if key in SERVER_TIMES and isinstance(leaf, int) and self.since <= leaf <= self.until:
                self.known[text] = "<<ms 0>>"
            is_name = key in ("run_name", "name") or (key == "value" and previous.get("key") == "mlflow.runName")
            if is_name and MADE_NAME.fullmatch(text):
                self.new("name", text)
            for kind, pattern in VOLATILE:
                for match in pattern.finditer(text):
                    if kind == "address":
                        self.known.setdefault(match.group(), "<<address 0>>")
                    elif kind in ("ms", "date"):
                        if self.is_now(kind, match.group()) and match.group() not in self.said:
                            self.known.setdefault(match.group(), f"<<{kind} 0>>")
                    else:
                        self.new(kind, match.group())
            if key:
                previous[key] = text

    def put(self, text):
        # The longest first: an id may be part of a longer one.
        if not self.known:
            return text
        pattern = "|".join(re.escape(v) for v in sorted(self.known, key=len, reverse=True))
        return re.sub(rf"(?<![\da-f])(?:{pattern})(?![\da-f])", lambda m: self.known[m.group()], text)

    def put_json(self, value):
        if isinstance(value, dict):
            return {self.put(k): self.put_json(v) for k, v in value.items()}
        if isinstance(value, list):
            return [self.put_json(v) for v in value]
        if isinstance(value, str):
            return self.put(value)
        if type(value) is int and str(value) in self.known:
            name = self.known[str(value)]
            return name if name.startswith("<<ms ") else {"<<int>>": name}
        return value

    def put_body(self, form):
        if form is None:
            return None
        return {k: self.put_json(v) if k == "json" else self.put(v) if k == "text" else v for k, v in form.items()}


def line_of(exchange, names):
    parts = urllib.parse.urlsplit(exchange.target)
    query = urllib.parse.parse_qsl(parts.query, keep_blank_values=True)
    path = urllib.parse.unquote(parts.path) if "%25" not in parts.path and "%2" not in parts.path else parts.path
    sent = body_form(exchange.body, exchange.headers.get("content-type", ""))
    got = body_form(exchange.answer, exchange.answer_headers.get("content-type", ""))
    headers = {k: exchange.headers[k] for k in KEPT_HEADERS if exchange.headers.get(k, JSON_TYPE) != JSON_TYPE}
    if sent is None and "content-type" in exchange.headers:
        headers["content-type"] = exchange.headers["content-type"]
    if not exchange.headers.get("host", "").startswith("127.0.0.1"):
        headers["host"] = exchange.headers.get("host", "")
    answer_headers = {k: v for k, v in exchange.answer_headers.items()
                      if k in KEPT_ANSWER_HEADERS and (v != JSON_TYPE or "json" not in (got or {}))}
    if "content-disposition" not in answer_headers:   # MLflow 3 says it of everything
        answer_headers.pop("x-content-type-options", None)
    line = {"ask": names.put(f"{exchange.method} {path}")}
    if query:
        line["query"] = names.put_json([list(pair) for pair in query])
    if headers:
        line["headers"] = names.put_json(headers)
    if sent is not None:
        line["body"] = names.put_body(sent)
    names.said += "\n" + json.dumps([path, query, sent], ensure_ascii=False)
    if got is not None:
        names.learn(got.get("json", got.get("text")))
    names.learn(answer_headers)
    line["status"] = exchange.status
    if answer_headers:
        line["answer_headers"] = names.put_json(answer_headers)
    if got is not None:
        line["answer"] = walk(names.put_body(got), sort_sets)
    return line


def write(path, about, lines):
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", encoding="utf-8") as f:
        for line in [about, *lines]:
            f.write(json.dumps(squeeze_lists(walk(line, squeeze)), ensure_ascii=True, separators=(",", ":")) + "\n")


def read(path):
    """(about, lines)"""
    with open(path, encoding="utf-8") as f:
        about, *lines = [stretch_lists(walk(json.loads(line), stretch)) for line in f]
    return about, lines
