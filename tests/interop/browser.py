# SPDX-License-Identifier: GPL-3.0-or-later
"""The web UI in a real browser: Debian's Chromium, driven by Playwright.

    class Runs(browser.PageTest):
        def test_newest_first(self):
            page = self.open("/runs")                       # below /ui, on the server of the loop (World)
            page.get_by_role("row").nth(1).click()
            self.check_axe(page)

What a page writes to its console as an error, throws, or asks for in vain fails the test that opened it, unless the
test announced it with self.expect("part of the message"). `width` and `height` make a phone, `theme` is dark or light,
`lang` en or de. Tests wait for what they want to see (expect(...) of Playwright waits), never for a time.
"""
import os
import pathlib
import unittest

from playwright.sync_api import expect, sync_playwright

from world import ROOT, World, harness, peer

AXE = ROOT / "web" / "node_modules" / "axe-core" / "axe.min.js"
PHONE = {"width": 360, "height": 740}
DESK = {"width": 1280, "height": 800}
# The machine may be busy; nobody waits so long where it works.
TIMEOUT_MS = 30000
expect.set_options(timeout=TIMEOUT_MS)
WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


class Chromium:
    """One browser for all tests; a context of its own for each page."""
    driver = browser = None

    @classmethod
    def get(cls):
        if cls.browser is None:
            cls.driver = sync_playwright().start()
            # As root, in a container, Chromium has no sandbox; it only sees our own pages.
            args = ["--no-sandbox"] if os.geteuid() == 0 else []
            cls.browser = cls.driver.chromium.launch(executable_path=peer("chromium"), args=args)
        return cls.browser

    @classmethod
    def close(cls):
        if cls.browser is not None:
            cls.browser.close()
            cls.driver.stop()
            cls.browser = cls.driver = None


class PageTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = cls.make_server()
        if not cls.server.get("/v1/ui").json()["built"]:
            raise AssertionError("this build has no web UI: tools/web.sh builds it")

    @classmethod
    def make_server(cls):
        """The server of the loop, which all share; a test that stops it makes its own."""
        return World.get()

    def setUp(self):
        self.wrong, self.expected = [], []
        self.addCleanup(self.check_quiet)

    def expect(self, part):
        """A message of the console with this in it is what the test wants."""
        self.expected.append(part)

    def check_quiet(self):
        wrong = [w for w in self.wrong if not any(part in w for part in self.expected)]
        self.assertEqual(wrong, [], "the page said so")

    def url(self, path):
        return f"http://127.0.0.1:{self.server.port}/ui{path}"

    def open(self, path="/", size=None, theme="dark", lang="en", **context):
        """Opens a view and waits for its heading."""
        made = Chromium.get().new_context(viewport=size or DESK, color_scheme=theme, locale={"en": "en-GB", "de": "de-DE"}[lang],
                                          reduced_motion="reduce", **context)
        self.addCleanup(made.close)
        made.set_default_timeout(TIMEOUT_MS)
        page = made.new_page()
        page.on("console", lambda m: self.wrong.append(f"{m.text} ({m.location.get('url', '')})") if m.type == "error" else None)
        page.on("pageerror", lambda e: self.wrong.append(str(e)))
        page.goto(self.url(path))
        page.get_by_role("heading", level=1).wait_for()
        return page

    def press_both(self, page, keys, heading):
        """Two keys one after the other ("g a") and the heading they lead to. Keys that a busy machine presses too far apart
        are not two of one shortcut: who is not there yet presses them again, as a person would."""
        there = page.get_by_role("heading", level=1, name=heading)
        for _ in range(10):
            for key in keys.split():
                page.keyboard.press(key)
            try:
                return expect(there).to_be_focused(timeout=TIMEOUT_MS / 10)
            except AssertionError:
                continue
        expect(there).to_be_focused()

    def check_axe(self, page, **options):
        """No violation of WCAG 2.2 AA, as far as a program can tell. Works under our Content-Security-Policy."""
        page.evaluate(AXE.read_text(encoding="utf-8"))
        found = page.evaluate("options => axe.run(document, options)", {"runOnly": {"type": "tag", "values": WCAG}, **options})
        told = [f"{v['id']} ({v['impact']}): {v['help']}: " + "; ".join(n["html"][:160] + " -> " + n["failureSummary"][-200:] for n in v["nodes"][:3])
                for v in found["violations"]]
        self.assertEqual(told, [])

    def check_fits(self, page):
        """Nothing makes the page wider than the window."""
        wide = page.evaluate("() => document.documentElement.scrollWidth - document.documentElement.clientWidth")
        self.assertLessEqual(wide, 0, "the page scrolls sideways")


def shot(page, name, folder):
    """A picture of the window as it is; returns its path."""
    path = pathlib.Path(folder) / f"{name}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=str(path), animations="disabled")
    return path


class OwnServerTest(PageTest):
    """A new server of the class's own, with nothing in it."""

    @classmethod
    def make_server(cls):
        server = harness.Server()
        cls.addClassCleanup(server.close)
        return server
