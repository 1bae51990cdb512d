# SPDX-License-Identifier: GPL-3.0-or-later
"""A recording HTTP proxy in front of one server. Bodies stream through; of large ones length and digest are kept.

    with Proxy(upstream_url) as proxy:      clients use proxy.url
        proxy.begin("runs")                 or POST /-/session/runs from a client in another process
        proxy.sessions["runs"]              list of Exchange, in the order in which the requests arrived
A `meddle(exchange, status, body) -> (status, body)` may change an answer: that is how the replay is tested.
"""
import hashlib
import http.client
import http.server
import threading
import urllib.parse

KEPT = 1 << 20   # bytes of a body that are kept
CHUNK = 1 << 18
HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "te", "upgrade", "proxy-connection"}


class Body:
    """A body that went through: its bytes if there were few, its length and digest anyway."""

    def __init__(self):
        self.length, self.hash, self.bytes = 0, hashlib.sha256(), b""

    def add(self, data):
        self.length += len(data)
        self.hash.update(data)
        self.bytes = self.bytes + data if self.bytes is not None and self.length <= KEPT else None

    @property
    def sha256(self):
        return self.hash.hexdigest()


class Exchange:
    def __init__(self, method, target, headers):
        self.method, self.target, self.headers = method, target, headers
        self.body, self.answer = Body(), Body()
        self.status, self.answer_headers = None, {}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def request_chunks(self):
        """The body, decoded; None if the request has none."""
        if "chunked" in self.headers.get("Transfer-Encoding", "").lower():
            while size := int(self.rfile.readline().split(b";")[0], 16):
                while size:
                    data = self.rfile.read(min(size, CHUNK))
                    size -= len(data)
                    yield data
                self.rfile.readline()
            while self.rfile.readline().strip():
                pass
        else:
            left = int(self.headers.get("Content-Length") or 0)
            while left:
                data = self.rfile.read(min(left, CHUNK))
                left -= len(data)
                yield data

    def control(self):
        for _ in self.request_chunks():
            pass
        self.server.proxy.begin(self.path.rsplit("/", 1)[1])
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def forward(self):
        if self.path.startswith("/-/session/"):
            return self.control()
        # One at a time: then the order in which they are noted is the order in which they took effect.
        with self.server.proxy.one:
            self.pass_on()

    def pass_on(self):
        proxy = self.server.proxy
        exchange = Exchange(self.command, self.path, {k.lower(): v for k, v in self.headers.items()})
        proxy.note(exchange)

        def recorded():
            for data in self.request_chunks():
                exchange.body.add(data)
                yield data

        headers = {k: v for k, v in self.headers.items() if k.lower() not in HOP | {"host"}}
        host = self.headers.get("Host", "")
        headers["Host"] = proxy.upstream.netloc if host == urllib.parse.urlsplit(proxy.url).netloc else host
        has_length = self.headers.get("Content-Length")
        is_chunked = "Transfer-Encoding" in self.headers
        if has_length:
            headers["Content-Length"] = has_length
        elif is_chunked:
            headers["Transfer-Encoding"] = "chunked"
        link = http.client.HTTPConnection(proxy.upstream.hostname, proxy.upstream.port, timeout=600)
        try:
            link.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in headers.items():
                link.putheader(name, value)
            body = recorded() if has_length or is_chunked else None
            link.endheaders(body, encode_chunked=is_chunked)
            self.answer(exchange, link.getresponse())
        finally:
            link.close()

    def answer(self, exchange, reply):
        exchange.status = reply.status
        exchange.answer_headers = {k.lower(): v for k, v in reply.getheaders()}
        meddle = self.server.proxy.meddle
        whole = None
        if meddle:
            exchange.status, whole = meddle(exchange, reply.status, reply.read())
        self.send_response_only(exchange.status)
        for name, value in reply.getheaders():
            if name.lower() not in HOP:
                self.send_header(name, value)
        length = str(len(whole)) if whole is not None else reply.getheader("Content-Length")
        no_body = self.command == "HEAD" or exchange.status in (204, 304)
        if length is not None or no_body:
            self.send_header("Content-Length", length or "0")
        else:
            self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        pieces = [whole] if whole is not None else iter(lambda: reply.read(CHUNK), b"")
        for data in pieces:
            exchange.answer.add(data)
            self.wfile.write(data if length is not None else b"%x\r\n%s\r\n" % (len(data), data))
        if length is None and not no_body:
            self.wfile.write(b"0\r\n\r\n")

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = do_OPTIONS = forward


class Proxy:
    def __init__(self, upstream, meddle=None):
        self.upstream, self.meddle = urllib.parse.urlsplit(upstream), meddle
        self.sessions, self.current, self.lock = {}, None, threading.Lock()
        self.one = threading.Lock()
        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.proxy = self
        self.http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}"
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def begin(self, name):
        with self.lock:
            self.current = self.sessions.setdefault(name, [])

    def note(self, exchange):
        with self.lock:
            if self.current is not None:
                self.current.append(exchange)

    def __enter__(self):
        return self

    def __exit__(self, *what):
        self.http.shutdown()
        self.http.server_close()
