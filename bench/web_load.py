# SPDX-License-Identifier: GPL-3.0-or-later
"""How fast the web UI feels, in Debian's Chromium, which is driven by Playwright. Run by bench.py with the environment of
make interop; the server has its data already.

    web_load.py fill URL RUNS POINTS       makes runs of 5 metrics, one of POINTS points, and a chess model, all by the
                                           API; {"run", "metric", "pages": what Lighthouse is to look at}
    web_load.py all URL FILLED             every figure, a line each: [name, value, unit]; FILLED is what fill said
    web_load.py overview URL ROUNDS        {"ms": [...], "cpu_ms": [...]} until the overview is interactive
    web_load.py runs URL ROUNDS            the same for the table of runs
    web_load.py mlflow URL ROUNDS          the same for the table of runs of MLflow's UI
    web_load.py pan URL RUN METRIC         {"points", "points_sent", "frames_per_s", "p95_ms", "worst_ms"} of a chart that is pulled
    web_load.py lighthouse URL PATH        {"performance", "accessibility"} of a page, as a desktop; from npm, by npx
    web_load.py table URL                  {"scroll_fps", "scroll_p95_ms", "answers_ms": [...], "filters_ms": [...], "rows"}

Interactive: first_load.py says what that is. Frames are those that the page is asked to draw (requestAnimationFrame).
"""
import concurrent.futures
import contextlib
import http.client
import json
import math
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import threading
import urllib.parse

import mlflow_search

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tools"), str(ROOT / "tests" / "interop")]
import demo  # noqa: E402
import first_load  # noqa: E402
from browser import Chromium  # noqa: E402
from world import peer  # noqa: E402

ROUNDS = 11
PULLS = 24  # to and fro
STEPS = 60  # of the mouse, in each
CLIENTS = 4
METRIC = "val/metric_0"
LIGHTHOUSE = "lighthouse@12.8.2"  # the last that runs on Node 18

# Where each kind goes, and what it has when it shows the server's values.
READY = {
    "overview": ("/ui/", "() => /[0-9]/.test(document.querySelector('main dl dd')?.textContent ?? '')"
                         " && /Repo: skerry/.test(document.querySelector('main pre')?.textContent ?? '')"),
    "runs": ("/ui/runs", "() => !!document.querySelector('main tr[data-row] a')"),
    "mlflow": ("/#/experiments/0/runs", "() => /sweep-/.test(document.body?.textContent ?? '')"),
}

FRAMES = """() => {
    window.__frames = [];
    const next = (at) => { window.__frames.push(at); window.__asks = requestAnimationFrame(next); };
    window.__asks = requestAnimationFrame(next);
}"""
STOP_FRAMES = """() => {
    cancelAnimationFrame(window.__asks);
    return window.__frames.slice(1).map((at, i) => at - window.__frames[i]);
}"""


def fill(url, count, points):
    """As MLflow's clients do it: each run is created and gets a batch, on a few open connections."""
    host, mine = urllib.parse.urlsplit(url).netloc, threading.local()

    def post(path, body):
        if not hasattr(mine, "http"):
            mine.http = http.client.HTTPConnection(host, timeout=600)
        mine.http.request("POST", mlflow_search.API + path, json.dumps(body), {"Content-Type": "application/json"})
        reply = mine.http.getresponse()
        got = reply.read()
        if reply.status != 200:
            raise SystemExit(f"web_load: {path}: {reply.status} {got[:300]!r}")
        return json.loads(got)

    def one(run):
        _, name, start, metrics, params, tags = run
        made = post("/runs/create", {"experiment_id": "0", "run_name": name, "start_time": start})["run"]["info"]["run_id"]
        pairs = lambda list_: [{"key": key, "value": value} for key, value in list_ if not key.startswith("mlflow.")]  # noqa: E731
        post("/runs/log-batch", {"run_id": made, "params": pairs(params), "tags": pairs(tags), "metrics": [
            {"key": key, "value": value, "timestamp": start, "step": 1} for key, value in metrics]})
        post("/runs/update", {"run_id": made, "status": "FINISHED", "end_time": start + 5000})

    long = post("/runs/create", {"experiment_id": "0", "run_name": "long", "start_time": 1})["run"]["info"]["run_id"]

    def batch(first):
        post("/runs/log-batch", {"run_id": long, "metrics": [
            {"key": METRIC, "value": math.sin(i / 9000) + (i * 7919 % 1000) / 3000, "timestamp": i, "step": i} for i in range(first, first + 1000)]})

    with concurrent.futures.ThreadPoolExecutor(CLIENTS) as clients:
        for _ in clients.map(batch, range(0, points, 1000)):
            pass
        post("/runs/update", {"run_id": long, "status": "FINISHED", "end_time": points})
        for _ in clients.map(one, mlflow_search.runs(count, 5)):
            pass
    with contextlib.redirect_stdout(sys.stderr):
        client = demo.Client(urllib.parse.urlsplit(url).port)
        demo.step_import(client)
        model = demo.step_train(client, demo.step_dataset(client), 0.1)
        demo.step_register_promote(client, model)
    version = client.call("GET", f"/v1/models/{model['modelId']}/versions")[0]
    game = client.call("POST", "/v1/play/new", {"color": "white"})["gameId"]
    return {"run": long, "metric": METRIC, "pages": {"overview": "/", "runs": "/runs", "run": f"/runs/{version['runId']}", "play": f"/play/{game}"}}


def lighthouse(url, path):
    with tempfile.NamedTemporaryFile(suffix=".json") as report:
        subprocess.run(["npx", "--yes", LIGHTHOUSE, f"{url}/ui{path}", "--preset=desktop", "--only-categories=performance,accessibility", "--quiet",
                        "--output=json", f"--output-path={report.name}", "--chrome-flags=--headless=new" + (" --no-sandbox" if os.geteuid() == 0 else "")],
                       check=True, stdout=sys.stderr, env=dict(os.environ, CHROME_PATH=peer("chromium")))
        found = json.load(report)
    for category in found["categories"].values():
        for ref in category["auditRefs"]:
            audit = found["audits"][ref["id"]]
            if ref["weight"] and audit["score"] is not None and audit["score"] < 0.9:
                print(f"{path}: {ref['id']}: {audit['score']} {audit.get('displayValue', '')}", file=sys.stderr)
    return {name: category["score"] * 100 for name, category in found["categories"].items()}


def page_of(browser):
    context = browser.new_context(viewport=first_load.WINDOW, locale="en-GB", color_scheme="dark")
    context.set_default_timeout(180000)
    return context.new_page()


def interactive(kind, url, rounds):
    path, ready = READY[kind]
    return first_load.interactive(url + path, ready, rounds)


def frames(deltas):
    deltas = sorted(deltas)
    return {"frames_per_s": 1000 * len(deltas) / sum(deltas), "p95_ms": deltas[len(deltas) * 95 // 100], "worst_ms": deltas[-1]}


def pan(browser, url, run, metric):
    """Zooms into a part in the middle, then pulls it to and fro with Shift held, as a hand does."""
    page = page_of(browser)
    sent = []
    page.on("response", lambda r: sent.append(r) if f"/metrics/{urllib.parse.quote(metric, safe='')}" in r.url else None)
    page.goto(f"{url}/ui/runs/{run}")
    plot = page.locator(f"[data-metric='{metric}'] .u-over")
    plot.scroll_into_view_if_needed()
    box = plot.bounding_box()
    y = box["y"] + box["height"] / 2
    at = lambda share: box["x"] + box["width"] * share  # noqa: E731
    page.mouse.move(at(0.3), y)
    page.mouse.down()
    page.mouse.move(at(0.7), y, steps=10)
    with page.expect_response(lambda r: "from=" in r.url):
        page.mouse.up()
    page.wait_for_load_state("networkidle")
    page.keyboard.down("Shift")
    page.mouse.move(at(0.5), y)
    page.mouse.down()
    page.evaluate(FRAMES)
    for pull in range(PULLS):
        to = 0.2 if pull % 2 == 0 else 0.8
        for step in range(1, STEPS + 1):
            since = 0.5 if pull == 0 else 1 - to
            page.mouse.move(at(since + (to - since) * step / STEPS), y)
    deltas = page.evaluate(STOP_FRAMES)
    page.mouse.up()
    page.keyboard.up("Shift")
    page.wait_for_load_state("networkidle")
    histories = [r.json() for r in sent]
    return {"points": max(h["total"] for h in histories), "points_sent": max(len(h["points"]) for h in histories),
            "kb_sent": max(len(r.body()) for r in sent) / 1000, **frames(deltas)}


ANSWERS = """() => performance.getEntriesByType('resource').filter(e => e.name.endsWith('/runs/search')).map(e => e.responseEnd - e.startTime)"""
FILTERS = ("sweep-7", "metrics.`val/metric_1` > 0.9", "tags.team = 'team-3' AND params.model = 'model-2'",
           "attributes.run_name LIKE 'sweep-42-%'", "params.param_3 = '500'", "no-such-run")


def table(browser, url):
    page = page_of(browser)
    page.add_init_script("performance.setResourceTimingBufferSize(5000)")
    page.goto(url + "/ui/runs")
    rows = page.get_by_role("group", name="Runs", exact=True)
    rows.locator("tr[data-row]").first.wait_for()
    box = rows.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.evaluate(FRAMES)
    for _ in range(600):
        page.mouse.wheel(0, 360)  # ten rows
    deltas = page.evaluate(STOP_FRAMES)
    page.wait_for_load_state("networkidle")
    reached = rows.locator("tr[data-row]").last.get_attribute("data-row")
    scrolled = page.evaluate(ANSWERS)
    filters = []
    for text in FILTERS:
        page.evaluate("() => performance.clearResourceTimings()")
        page.get_by_label("Filter of runs").fill(text)
        page.wait_for_function(f"() => ({ANSWERS})().length > 0")
        page.wait_for_function("() => document.querySelector('[data-asking=false]') !== null || /No run matches/.test(document.body.innerText)")
        filters.append(page.evaluate(ANSWERS)[0])
    page.context.close()
    got = frames(deltas)
    return {"rows": int(reached) + 1, "scroll_fps": got["frames_per_s"], "scroll_p95_ms": got["p95_ms"], "answers_ms": scrolled, "filters_ms": filters}


def everything(browser, url, filled):
    """[name, value, unit] of each figure of the bench `web`."""
    for kind in ("overview", "runs"):
        shown = interactive(kind, url, ROUNDS)
        yield f"web-{kind}", statistics.median(shown["ms"]), f"ms until interactive, nothing cached, median of {ROUNDS}"
        yield f"web-{kind}-worst", max(shown["ms"]), f"ms, the worst of {ROUNDS}"
        yield f"web-{kind}-cpu", statistics.median(shown["cpu_ms"]), "ms of the main thread's processor time, one to two seconds of rest included"
    pulled = pan(browser, url, filled["run"], filled["metric"])
    for figure, unit in (("frames_per_s", "frames/s"), ("p95_ms", "ms a frame, p95"), ("worst_ms", "ms, the longest frame")):
        yield f"web-pan-{figure.replace('_', '-')}", pulled[figure], f"{unit}, while a chart of {pulled['points']} points is pulled"
    yield "web-pan-points", pulled["points_sent"], f"of the {pulled['points']} points are in an answer, at most; {pulled['kb_sent']:.0f} kB"
    rows = table(browser, url)
    yield "web-scroll", rows["scroll_fps"], f"frames/s, while {rows['rows']} runs are scrolled through"
    for name, answers in (("web-scroll-answer", rows["answers_ms"]), ("web-filter-answer", rows["filters_ms"])):
        yield name, statistics.median(answers), f"ms, median of {len(answers)} answers as the browser sees them"
        yield f"{name}-worst", max(answers), "ms, the slowest of them"
    for name, path in filled["pages"].items():
        for category, score in lighthouse(url, path).items():
            yield f"web-lighthouse-{category}-{name}", score, "of 100"


def main():
    kind, url, *rest = sys.argv[1:]
    if kind == "fill":
        return print(json.dumps(fill(url, int(rest[0]), int(rest[1]))))
    if kind == "lighthouse":
        return print(json.dumps(lighthouse(url, *rest)))
    if kind in READY:
        return print(json.dumps(interactive(kind, url, int(rest[0]))))
    browser = Chromium.get()
    try:
        if kind == "all":
            for figure in everything(browser, url, json.loads(rest[0])):
                print(json.dumps(figure), flush=True)
            return None
        else:
            got = {"pan": pan, "table": table}[kind](browser, url, *rest)
    finally:
        Chromium.close()
    return print(json.dumps(got))


if __name__ == "__main__":
    main()
