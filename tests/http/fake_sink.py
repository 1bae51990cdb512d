# SPDX-License-Identifier: GPL-3.0-or-later
"""A server that stands where Loki or a collector would, and behaves as badly as a test wants."""
import gzip
import http.server
import json
import threading
import time


class Sink:
    """`answer` is what it does next: a status, "hang", "garbage", "slow", or "echo" (500, with what it got)."""

    def __init__(self, port=0):
        self.answer = 204
        self.headers = {}
        self.reply = b""
        self.requests = []  # (path, headers, parsed body), of those that were answered with 2xx
        self.tried = 0
        self.refuses = None  # text: a batch that has it is answered with 400, and why
        self.why = b"it does not take this line"
        self.burst_bytes = None  # of lines, as Loki counts them: what is more in one batch is always answered with 429
        self.going = threading.Event()
        sink = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_POST(self):
                packed = self.rfile.read(int(self.headers["Content-Length"]))
                try:
                    sink.handle(self, gzip.decompress(packed))
                except OSError:
                    pass  # it gave up, or was killed

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

        self.http = Server(("127.0.0.1", port), Handler)
        self.port = self.http.server_address[1]
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def handle(self, handler, text):
        self.tried += 1
        answer = self.answer
        if answer == "hang":
            self.going.wait(120)
            return
        if answer == "garbage":
            handler.wfile.write(b"\x00\xffthis is not HTTP\r\n\r\n")
            handler.close_connection = True
            return
        reply = self.reply
        if answer == "slow":
            time.sleep(0.3)
            answer = 204
        if answer == "echo":
            answer, reply = 500, b"you said " + handler.headers.get("Authorization", "").encode()
        if self.refuses and self.refuses.encode() in text:
            answer, reply = 400, self.why
        if self.burst_bytes and 200 <= answer < 300:
            lines = [value[1] for stream in json.loads(text)["streams"] for value in stream["values"]]
            if sum(map(len, lines)) > self.burst_bytes:
                answer, reply = 429, b"Ingestion rate limit exceeded"
        if 200 <= answer < 300:
            self.requests.append((handler.path, dict(handler.headers), json.loads(text)))
        handler.send_response(answer)
        for name, value in self.headers.items():
            handler.send_header(name, value)
        if answer == 204:
            reply = b""
        handler.send_header("Content-Length", str(len(reply)))
        handler.end_headers()
        handler.wfile.write(reply)

    def close(self):
        self.going.set()
        self.http.shutdown()
        self.http.server_close()

    # -------------------------------------------------------------- what it got

    def loki_lines(self):
        """(labels, ns, line, metadata) of every line that was pushed."""
        return [(stream["stream"], int(value[0]), json.loads(value[1]), value[2] if len(value) > 2 else {})
                for _, _, body in list(self.requests) for stream in body.get("streams", []) for value in stream["values"]]

    def otlp(self, signal):
        outer, inner, items = {"logs": ("resourceLogs", "scopeLogs", "logRecords"),
                               "traces": ("resourceSpans", "scopeSpans", "spans")}[signal]
        return [item for path, _, body in list(self.requests) if path.endswith(f"/v1/{signal}")
                for resource in body[outer] for scope in resource[inner] for item in scope[items]]
