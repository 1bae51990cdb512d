# SPDX-License-Identifier: GPL-3.0-or-later
"""A real Prometheus that holds given samples: they are backfilled as blocks, then asked over HTTP."""
import json
import pathlib
import shutil
import subprocess
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request

import harness


def ask(base, path, **parameters):
    """The JSON of an answer, whatever its status."""
    url = f"{base}/api/v1/{path}?" + urllib.parse.urlencode(parameters, doseq=True)
    try:
        with urllib.request.urlopen(url, timeout=30) as reply:
            return json.load(reply)
    except urllib.error.HTTPError as refusal:
        return json.load(refusal)


def series_text(labels):
    name = labels["__name__"]
    inside = ",".join(f"{k}={json.dumps(v)}" for k, v in sorted(labels.items()) if k != "__name__")
    return f"{name}{{{inside}}}" if inside else name


class Prometheus:
    """series: a list of (labels, [(seconds, value)])."""

    def __init__(self, peer, series):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="skerry-prom-"))
        self.process = None
        try:
            self.fill(peer, series)
            self.start(peer)
        except BaseException:
            self.close()
            raise

    def fill(self, peer, series):
        lines = []
        for labels, samples in sorted(series, key=lambda s: series_text(s[0])):
            lines += [f"{series_text(labels)} {value} {ts:.3f}" for ts, value in samples]
        text = self.folder / "samples.txt"
        text.write_text("\n".join(lines) + "\n# EOF\n")
        subprocess.run([peer("promtool"), "tsdb", "create-blocks-from", "openmetrics", str(text), str(self.folder / "tsdb")],
                       check=True, stdout=subprocess.DEVNULL)

    def start(self, peer):
        port = harness.free_port()
        self.base = f"http://127.0.0.1:{port}"
        (self.folder / "prometheus.yml").write_text("{}\n")
        with open(self.folder / "log", "w") as log:
            self.process = subprocess.Popen(
                [peer("prometheus"), f"--config.file={self.folder}/prometheus.yml", f"--storage.tsdb.path={self.folder}/tsdb",
                 "--storage.tsdb.retention.time=100y", f"--web.listen-address=127.0.0.1:{port}"], stdout=log, stderr=log)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            try:
                with urllib.request.urlopen(self.base + "/-/ready", timeout=5) as reply:
                    if reply.status == 200:
                        return
            except OSError:
                time.sleep(0.1)
        raise AssertionError("Prometheus did not start: " + (self.folder / "log").read_text()[-1000:])

    def close(self):
        if self.process:
            self.process.terminate()
            self.process.wait(30)
        shutil.rmtree(self.folder, ignore_errors=True)


def series_of(data):
    """An answer as {labels: [(time, value)]}, so that two answers can be compared whatever their order."""
    kind, result = data["resultType"], data["result"]
    if kind in ("scalar", "string"):
        return {(): [tuple(result)]}
    return {tuple(sorted(one["metric"].items())): [tuple(v) for v in one.get("values", [one.get("value")])] for one in result}


def is_near(a, b):
    x, y = float(a), float(b)
    return x == y or (x != x and y != y) or abs(x - y) <= 1e-9 * max(abs(x), abs(y), 1e-3)


def difference(wanted, got):
    """What differs between two answers ("data" of each), or None."""
    if wanted["resultType"] != got["resultType"]:
        return f"{got['resultType']} instead of {wanted['resultType']}"
    a, b = series_of(wanted), series_of(got)
    if set(a) != set(b):
        return f"series {sorted(set(b) - set(a))[:3]} too many, {sorted(set(a) - set(b))[:3]} too few"
    for labels, points in a.items():
        if len(points) != len(b[labels]):
            return f"{labels}: {len(b[labels])} points instead of {len(points)}"
        for (t, v), (u, w) in zip(points, b[labels]):
            if abs(t - u) > 1e-6 or not is_near(v, w):
                return f"{labels}: {u} {w} instead of {t} {v}"
    return None
