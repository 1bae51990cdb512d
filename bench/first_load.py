# SPDX-License-Identifier: GPL-3.0-or-later
"""How soon can a page be used that somebody opens for the first time? In Debian's Chromium, driven by its own pipe: a driver that
watches a page (Playwright polls it, has its scripts run in it and every request reported) takes the same two processors while the page
loads, and added a half to what a page takes on its own.

    shown = first_load.interactive(url, ready, rounds)     {"ms": [...], "cpu_ms": [...]}

`ready` is a function in JavaScript that says whether what is waited for shows values of the server. Interactive: it does, and no
task of the main thread that takes more than 50 ms ends later, for QUIET_S at least. The page is first asked after ASK_S, then once in so long. Each round is a browser context of its own,
which is left alone for REST_S before it is sent to the page, so that the browser has ended what it does for a new window: nothing
is cached, not even a connection. Times are the page's own, from when its navigation began.
"""
import contextlib
import json
import os
import subprocess
import tempfile
import time

from world import peer

REST_S = 1
ASK_S = 1
QUIET_S = 1
LOAD_S_MAX = 180
WINDOW = {"width": 1280, "height": 800}
FLAGS = ("--headless=new", "--remote-debugging-pipe", "--no-first-run", "--no-default-browser-check", "--disable-background-networking",
         "--disable-component-update", "--hide-scrollbars", "--lang=en-GB")

WATCH = """
window.__long = 0; window.__ready = 0;
new PerformanceObserver(list => { for (const e of list.getEntries()) window.__long = Math.max(window.__long, e.startTime + e.duration); })
    .observe({ type: 'longtask', buffered: true });
(() => {
    const isReady = %s;
    const look = () => { if (!window.__ready && isReady()) window.__ready = performance.now(); };
    new MutationObserver(look).observe(document, { childList: true, subtree: true, characterData: true });
})();
"""


class Browser:
    """Speaks the DevTools protocol, a message and a zero byte each, which the browser reads at descriptor 3 and writes at 4."""

    def __init__(self, folder):
        to_read, self.to = os.pipe()
        answers, from_write = os.pipe()
        sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
        command = 'exec 3<&"$1" 4>&"$2"; shift 2; exec "$@"'
        self.process = subprocess.Popen(
            ["bash", "-c", command, "chromium", str(to_read), str(from_write), peer("chromium"), *FLAGS, *sandbox, f"--user-data-dir={folder}", "about:blank"],
            pass_fds=(to_read, from_write), stderr=subprocess.DEVNULL)
        os.close(to_read)
        os.close(from_write)
        self.answers = os.fdopen(answers, "rb", buffering=0)
        self.rest, self.asked = b"", 0

    def message(self):
        while b"\0" not in self.rest:
            more = self.answers.read(1 << 16)
            if not more:
                raise RuntimeError(f"Chromium ended (exit status {self.process.wait()}) while it was asked for something")
            self.rest += more
        first, _, self.rest = self.rest.partition(b"\0")
        return json.loads(first)

    def call(self, method, session=None, **params):
        self.asked += 1
        os.write(self.to, json.dumps({"id": self.asked, "method": method, "params": params, **({"sessionId": session} if session else {})}).encode() + b"\0")
        while (said := self.message()).get("id") != self.asked:
            pass
        if "error" in said:
            raise RuntimeError(f"Chromium: {method}: {said['error']['message']}")
        return said["result"]

    def close(self):
        with contextlib.suppress(RuntimeError, OSError):
            self.call("Browser.close")
        self.process.wait(30)
        os.close(self.to)
        self.answers.close()


def one(browser, url, ready):
    """(ms until interactive, ms of the main thread's processor time until then and, as it is asked once in ASK_S, one to two seconds of rest)"""
    context = browser.call("Target.createBrowserContext")["browserContextId"]
    target = browser.call("Target.createTarget", url="about:blank", browserContextId=context)["targetId"]
    session = browser.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
    ask = lambda method, **params: browser.call(method, session, **params)  # noqa: E731
    times = lambda: ask("Runtime.evaluate", expression="[window.__ready, window.__long]", returnByValue=True)["result"]["value"]  # noqa: E731
    ask("Page.enable")
    ask("Performance.enable", timeDomain="threadTicks")
    ask("Emulation.setDeviceMetricsOverride", **WINDOW, deviceScaleFactor=1, mobile=False)
    ask("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark"}])
    ask("Page.addScriptToEvaluateOnNewDocument", source=WATCH % ready)
    time.sleep(REST_S)
    went = ask("Page.navigate", url=url)
    if went.get("errorText"):
        raise RuntimeError(f"Chromium does not get {url}: {went['errorText']}")
    for _ in range(LOAD_S_MAX // ASK_S):
        time.sleep(ASK_S)
        if times()[0]:
            break
    else:
        raise RuntimeError(f"{url} shows nothing of the server within {LOAD_S_MAX} s")
    time.sleep(QUIET_S)
    used = {m["name"]: m["value"] for m in ask("Performance.getMetrics")["metrics"]}
    got = max(times()), used["TaskDuration"] * 1000
    browser.call("Target.disposeBrowserContext", browserContextId=context)
    return got


def interactive(url, ready, rounds):
    with tempfile.TemporaryDirectory(prefix="skerry-first-load-") as folder:
        browser = Browser(folder)
        try:
            took = [one(browser, url, ready) for _ in range(rounds + 1)][1:]  # the first starts the browser's own processes
        finally:
            browser.close()
    return {"ms": [ms for ms, _ in took], "cpu_ms": [cpu for _, cpu in took]}
