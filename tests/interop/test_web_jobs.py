# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs in a real browser: watched, stopped and tried again by clicks; why one failed and what one waits for; workers drained;
schedules; dead letters sent again. And the overview of a server of which a part is down."""
import pathlib
import re
import sys
import unittest

from playwright.sync_api import expect

import browser
from world import wait_until

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "http"))
import fake_sink  # noqa: E402
import harness  # noqa: E402


class OwnServer(browser.PageTest):
    """Where something is broken, or nobody may take jobs: not the server that all share."""
    env = {}

    @classmethod
    def make_server(cls):
        server = harness.Server(env=cls.env)
        cls.addClassCleanup(server.close)
        return server


class Queue(browser.PageTest):
    def start(self):
        made = browser.World.must("POST", "/v1/trainings", {"datasetId": browser.World.dataset["id"], "minutes": 30, "epochs": 10000, "patience": 10000, "seed": 7})
        self.addCleanup(self.server.post, f"/v1/jobs/{made['jobId']}/control", {"action": "stop"})
        self.server.wait(f"/v1/jobs/{made['jobId']}", lambda j: j["status"] == "running")
        return made["jobId"], made["runId"]

    def test_a_job_is_stopped_and_tried_again_by_clicks(self):
        job, run = self.start()
        page = self.open("/jobs?state=running")
        stop = page.get_by_role("button", name=f"Stop: chess.train {job[-6:]}", exact=True)
        expect(page.get_by_role("link", name=f"(chess.train) {job[-6:]}, which runs")).to_be_visible()
        stop.click()
        page.get_by_role("dialog", name="Stop chess.train?").get_by_role("button", name="Stop", exact=True).click()
        expect(stop).to_have_count(0)
        page.get_by_role("button", name=re.compile("^Stopped")).click()
        page.get_by_role("group", name="Jobs", exact=True).locator(f"a[href='/ui/jobs/{job}']").click()
        view = page.locator("[data-job]")
        expect(view).to_have_attribute("data-job", "stopped")
        page.get_by_role("button", name="Try again").click()
        expect(view).to_have_attribute("data-job", "running")
        # Nobody reloads: the bar moves.
        bar = page.get_by_role("progressbar", name="Progress of chess.train")
        expect(bar).to_have_attribute("aria-valuenow", re.compile("[0-9]"))
        page.get_by_role("button", name="Pause").click()
        expect(view).to_have_attribute("data-job", "paused")
        page.get_by_role("button", name="Resume").click()
        expect(view).to_have_attribute("data-job", "running")
        page.get_by_role("button", name="Stop", exact=True).click()
        page.get_by_role("dialog").get_by_role("button", name="Stop", exact=True).click()
        expect(view).to_have_attribute("data-job", "stopped")
        history = page.get_by_role("group", name="What happened").locator("tbody")
        expect(history.get_by_text("stopped", exact=True)).to_have_count(2)
        expect(history.get_by_text("paused", exact=True)).to_have_count(1)
        self.check_axe(page)
        page.get_by_role("link", name="Log", exact=True).click()
        expect(page.get_by_role("list", name="Logs")).to_contain_text("run.")
        page.go_back()
        page.get_by_role("link", name="Run", exact=True).click()
        expect(page).to_have_url(re.compile(f"/runs/{run}"))

    def test_the_server_filters_by_state_and_kind(self):
        page = self.open("/jobs?kind=chess.dataset")
        rows = page.get_by_role("group", name="Jobs", exact=True).locator("tbody tr[data-row]")
        expect(rows.first).to_contain_text("chess.dataset")
        shown = page.get_by_role("button", name=re.compile("^All [0-9]+$"))
        expect(shown).to_have_text(re.compile(f"{self.server.get('/v1/jobs/count?kind=chess.dataset').json()['count']}$"))
        page.get_by_role("button", name=re.compile("^Succeeded")).click()
        expect(page).to_have_url(re.compile("state=succeeded"))
        expect(rows.first).to_contain_text("chess.dataset")
        expect(rows.filter(has_not_text="chess.dataset")).to_have_count(0)
        page.get_by_label("Kind", exact=True).select_option("core.gc")
        expect(page).to_have_url(re.compile("kind=core.gc"))

    def test_what_comes_by_the_clock(self):
        page = self.open("/jobs?tab=schedules")
        row = page.get_by_role("row").filter(has_text="core.gc.daily")
        expect(row).to_contain_text("17 3 * * *")
        expect(row).to_contain_text(re.compile("in [0-9]+ (hr|min)"))

    def test_every_part_can_be_read_and_fits(self):
        words = {"queue": "chess.ingest", "schedules": "core.gc.daily", "workers": "the server", "outbox": "Nothing leaves"}
        for tab, word in words.items():
            with self.subTest(tab=tab):
                page = self.open(f"/jobs?tab={tab}", theme="light")
                expect(page.get_by_role("tabpanel")).to_contain_text(word)
                self.check_axe(page)
                page = self.open(f"/jobs?tab={tab}", size=browser.PHONE, lang="de")
                expect(page.get_by_role("heading", level=1)).to_have_text("Aufträge")
                expect(page.get_by_role("tabpanel").get_by_role("progressbar")).to_have_count(0)
                self.check_fits(page)
                self.check_axe(page)


class Waiting(OwnServer):
    def test_why_one_failed(self):
        made = self.server.post("/v1/datasets", {"name": "nothing", "filter": {"minElo": 3999}}).json()
        self.server.wait(f"/v1/jobs/{made['jobId']}", lambda j: j["status"] == "failed")
        page = self.open("/")
        page.get_by_role("link", name="Failed jobs: 1").click()
        row = page.get_by_role("group", name="Jobs", exact=True).locator("tbody tr[data-row]")
        expect(row).to_have_count(1)
        expect(row).to_contain_text("the filter matches no game")
        row.get_by_role("link", name="chess.dataset").click()
        expect(page.get_by_role("alert")).to_contain_text("the filter matches no game")
        expect(page.get_by_role("group", name="What happened")).to_contain_text("the filter matches no game")
        expect(page.get_by_role("region", name="What it was given")).to_contain_text(made["id"])

    def test_a_worker_is_drained_and_the_job_says_what_it_waits_for(self):
        page = self.open("/jobs?tab=workers")
        page.get_by_role("button", name="Drain").click()
        page.get_by_role("dialog").get_by_role("button", name="Drain").click()
        expect(page.get_by_text("takes no new job", exact=True)).to_be_visible()
        job = self.server.post("/v1/analytics/run").json()["jobId"]
        page.get_by_role("tab", name="Jobs").click()
        page.get_by_role("button", name=re.compile("^Queued")).click()
        row = page.get_by_role("group", name="Jobs", exact=True).locator("tbody tr[data-row]", has=page.locator(f"a[href='/ui/jobs/{job}']"))
        expect(row).to_contain_text("draining")
        row.locator(f"a[href='/ui/jobs/{job}']").click()
        expect(page.locator("[data-job=queued]")).to_contain_text("draining")
        page.goto(self.url("/jobs?tab=workers"))
        page.get_by_role("button", name="Take jobs again").click()
        expect(page.get_by_text("takes jobs", exact=True)).to_be_visible()
        self.server.wait(f"/v1/jobs/{job}", lambda j: j["status"] == "succeeded")

    def test_the_overview_says_what_is_down(self):
        blobs, away = self.server.home / "blobs", self.server.home / "blobs.away"
        page = self.open("/")
        expect(page.get_by_role("region", name="Health")).to_contain_text("0 bytes" if not list(blobs.glob("objects/*/*")) else "blobs")
        self.expect("503")
        blobs.rename(away)
        blobs.touch()
        try:
            wait_until(lambda: self.server.get("/v1/status").json()["disk"]["error"], "a measurement that fails")
            page.reload()
            health = page.get_by_role("region", name="Health")
            expect(health.get_by_text("down", exact=True)).to_have_count(1)
            expect(health).to_contain_text("Not a directory")
            expect(health.get_by_text("up", exact=True)).to_have_count(2)
            expect(page.get_by_role("region", name="Status")).to_contain_text("Repo: skerry")
            expect(page.get_by_role("alert")).to_have_count(0)
            expect(page.get_by_role("region", name="Needs attention")).to_contain_text("Blobs is down")
            page.goto(self.url("/settings?tab=doctor"))
            found = page.get_by_role("list", name="Check-up").get_by_role("listitem").filter(has_text="Next step: check the permissions of the blobs folder")
            expect(found).to_contain_text("needs attention")
        finally:
            blobs.unlink()
            away.rename(blobs)
        wait_until(lambda: self.server.get("/health/deps").status == 200, "the blobs' return")


class Together(OwnServer):
    """A browser has six connections to a server: whatever a page follows must leave it room to ask."""
    FAR_MS = 4102444800000
    COUNT = 10

    def elsewhere(self, no):
        """A job that a worker on another machine does."""
        job = f"10b{no:05}-0000-4000-8000-000000000000"
        self.server.sql(
            "INSERT INTO jobs (id, kind, state, priority, payload, username, run_id, tries_max, attempts, crashes, pause_wanted, stop_wanted,"
            " worker, lease_no, lease_moved, lease_until_ms, created_ms, started_ms, next_try_ms, done, total, eta_s)"
            f" VALUES ('{job}', 'chess.train', 'running', 0, '{{}}', 'ada{no}', '{no:032x}', 3, 1, 0, 0, 0, 'elsewhere-1', 1, 0,"
            f" {self.FAR_MS}, 1790000000000, 1790000000000, 0, {no}, 100, 12.5)")
        self.tell(job, "queued", "running")
        return job

    def tell(self, job, before, after):
        self.server.sql("INSERT INTO job_events (job_id, at_ms, event, from_state, to_state, attempt, took_ms, by_worker)"
                        f" VALUES ('{job}', 1790000000000, 'job.test', '{before}', '{after}', 1, 5, 'elsewhere-1')")

    def test_ten_running_jobs_are_one_stream(self):
        jobs = [self.elsewhere(no) for no in range(self.COUNT)]
        page = self.open("/settings")
        live, most = set(), [0]

        def begun(request):
            if request.url.endswith("/events"):
                live.add(request)
                most[0] = max(most[0], len(live))
        page.on("request", begun)
        page.on("requestfinished", lambda request: live.discard(request))
        page.on("requestfailed", lambda request: live.discard(request))
        page.get_by_role("navigation").get_by_role("link", name="Overview").click()
        bars = page.get_by_role("region", name="Running now").get_by_role("progressbar")
        expect(bars).to_have_count(self.COUNT)
        wait_until(lambda: page.evaluate("1") and [r.url.split("/v1/")[1] for r in live] == ["jobs/events"], "one stream for all", 20)
        # Only the stream says so: the lists are held back.
        page.route("**/v1/jobs?*", lambda route: None)
        self.server.sql(f"UPDATE jobs SET done = 77 WHERE id = '{jobs[4]}'")
        expect(bars.and_(page.locator("[aria-valuenow='77']"))).to_have_count(1)
        # It goes on after the server was away, and an end in between is told.
        for part in ("ERR_CONNECTION", "ERR_EMPTY_RESPONSE", "ERR_INCOMPLETE", "503"):
            self.expect(part)
        self.server.stop()
        self.server.sql(f"UPDATE jobs SET state = 'succeeded', finished_ms = 1790000001000, lease_until_ms = NULL WHERE id = '{jobs[5]}'")
        self.tell(jobs[5], "running", "succeeded")
        self.server.start()
        running = page.get_by_role("region", name="Running now")
        expect(running.get_by_text("succeeded", exact=True)).to_have_count(1)
        page.unroute("**/v1/jobs?*")
        # Another page follows the same jobs: still one, and it answers at once.
        page.get_by_role("navigation").get_by_role("link", name="Jobs").click()
        expect(page.get_by_role("region", name="Running").get_by_role("progressbar")).to_have_count(self.COUNT - 1)
        self.assertLessEqual(most[0], 2)
        self.assertLessEqual(len(live), 1)
        page.get_by_role("navigation").get_by_role("link", name="Settings").click()
        expect(page.get_by_role("heading", level=1)).to_have_text(re.compile("Settings"))
        wait_until(lambda: page.evaluate("1") and not live, "the stream ends when nobody follows it", 20)


class DeadLetters(OwnServer):
    @classmethod
    def make_server(cls):
        cls.sink = fake_sink.Sink()
        cls.addClassCleanup(cls.sink.close)
        cls.env = {"SKERRY_LOKI_URL": cls.sink.url, "SKERRY_OUTBOX_RETRY_SECONDS": "1"}
        return super().make_server()

    def dead(self):
        return self.server.get("/v1/outbox").json()["items"][0]["dead"]

    def refuse(self, name):
        """A line that the destination does not take, with `name` in it."""
        self.sink.refuses = name
        self.server.request("GET", "/v1/runs", headers={"X-Request-Id": name})
        wait_until(lambda: self.dead() > 0, "a dead letter")
        self.sink.refuses = None

    def test_they_are_shown_sent_again_and_forgotten(self):
        self.refuse("poisoned-once")
        page = self.open("/jobs?tab=outbox")
        letters = page.get_by_role("group", name="Dead letters of loki")
        expect(letters).to_contain_text("it does not take this line")
        expect(letters).to_contain_text("poisoned-once")
        self.check_axe(page)
        page.get_by_role("button", name="Send all again").click()
        expect(page.get_by_text("It has refused nothing")).to_be_visible()
        wait_until(lambda: "poisoned-once" in str(self.sink.loki_lines()), "the line's way")
        self.refuse("poisoned-twice")
        expect(letters).to_contain_text("poisoned-twice")
        page.get_by_role("button", name="Forget all").click()
        page.get_by_role("dialog").get_by_role("button", name="Forget all").click()
        expect(page.get_by_text("It has refused nothing")).to_be_visible()
        self.assertEqual(self.dead(), 0)


if __name__ == "__main__":
    unittest.main()
