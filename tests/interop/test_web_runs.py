# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs, metrics and logs in a real browser: found by the search grammar, compared, a training watched while it runs."""
import re
import struct
import unittest
import zlib

from playwright.sync_api import expect

import browser

API = "/api/2.0/mlflow"


def png(width, height):
    """A grey picture."""
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    rows = b"".join(b"\0" + b"\x80" * width for _ in range(height))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
            + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


class Client:
    """What these tests write as an MLflow client would."""

    def __init__(self, server):
        self.server = server

    def must(self, path, **body):
        reply = self.server.post(API + path, body)
        if reply.status != 200:
            raise AssertionError(f"{path}: {reply}")
        return reply.json()

    def run(self, name, params=None, metrics=None, experiment="0"):
        """Metrics: {"loss": [value of step 0, ...]}. Returns the run's id."""
        made = self.must("/runs/create", experiment_id=experiment, run_name=name, user_id="ada", start_time=1790000000000)
        run_id = made["run"]["info"]["run_id"]
        self.must("/runs/log-batch", run_id=run_id, params=[{"key": k, "value": str(v)} for k, v in (params or {}).items()])
        for key, values in (metrics or {}).items():
            for first in range(0, len(values), 1000):
                self.must("/runs/log-batch", run_id=run_id, metrics=[
                    {"key": key, "value": v, "timestamp": 1790000000000 + first + i, "step": first + i}
                    for i, v in enumerate(values[first:first + 1000])])
        self.must("/runs/update", run_id=run_id, status="FINISHED", end_time=1790000060000)
        return run_id

    def experiment(self, name):
        return self.must("/experiments/create", name=name)["experiment_id"]

    def artifact(self, run_id, path, content):
        reply = self.server.request("PUT", f"/api/2.0/mlflow-artifacts/artifacts/0/{run_id}/artifacts/{path}", content)
        if reply.status != 200:
            raise AssertionError(f"{path}: {reply}")


class RunsTest(browser.PageTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.client = Client(cls.server)

    def table(self, page):
        return page.get_by_role("group", name="Runs", exact=True)


class Table(RunsTest):
    def test_words_find_names_and_the_grammar_finds_numbers(self):
        for i in range(3):
            self.client.run(f"tide-{i}", {"rate": i / 10}, {"loss": [1, 0.5 + i]})
        page = self.open("/runs")
        page.get_by_label("Filter of runs").fill("tide")
        rows = self.table(page).locator("tbody tr[data-row]")
        expect(rows).to_have_count(3)
        page.get_by_label("Filter of runs").fill("attributes.run_name LIKE 'tide-%' AND metrics.loss > 1")
        expect(rows).to_have_count(2)
        self.assertIn("metrics.loss", page.evaluate("decodeURIComponent(location.search)"))
        page.get_by_label("Filter of runs").fill("attributes.run_name LIKE 'tide-%' AND params.rate = '0.2'")
        expect(rows).to_have_count(1)
        expect(rows).to_contain_text("tide-2")
        self.expect("400")
        page.get_by_label("Filter of runs").fill("attributes.run_name LIKE 'tide-%' AND nonsense.loss > 1")
        expect(page.get_by_text("Invalid entity type 'nonsense'")).to_be_visible()
        page.get_by_label("Filter of runs").fill("no-such-name")
        expect(page.get_by_text("No run matches")).to_be_visible()
        page.get_by_role("link", name="All runs").click()
        expect(rows.first).to_be_visible()

    def test_a_metric_sorts_on_the_server(self):
        experiment = self.client.experiment("sorted")
        for i in (3, 1, 2):
            self.client.run(f"sorted-{i}", metrics={"depth": [i]}, experiment=experiment)
        page = self.open(f"/runs?experiment={experiment}")
        rows = self.table(page).locator("tbody tr[data-row]")
        expect(rows).to_have_count(3)
        self.table(page).get_by_role("button", name="depth").click()
        expect(rows).to_contain_text(["sorted-1", "sorted-2", "sorted-3"])
        self.table(page).get_by_role("button", name="depth").click()
        expect(rows).to_contain_text(["sorted-3", "sorted-2", "sorted-1"])
        page.reload()
        expect(rows).to_contain_text(["sorted-3", "sorted-2", "sorted-1"])

    def test_further_pages_come_while_one_scrolls(self):
        experiment = self.client.experiment("pages")
        for i in range(450):
            self.client.must("/runs/create", experiment_id=experiment, run_name=f"page-{i:03}", start_time=1790000000000 + i)
        page = self.open(f"/runs?experiment={experiment}")
        expect(page.get_by_text("200 rows, more follow")).to_be_visible()
        rows = self.table(page).locator("tbody tr[data-row]")
        self.assertLess(rows.count(), 80)  # only what is seen is drawn
        rows.first.focus()
        focused = self.table(page).locator("tr:focus")
        for told, last in (("400 rows, more follow", 199), ("450 rows", 399), ("450 rows", 449)):
            page.keyboard.press("End")
            expect(focused).to_have_attribute("data-row", str(last))
            expect(page.get_by_text(told, exact=True)).to_be_visible()
        expect(focused).to_contain_text("page-000")
        with page.expect_download() as saved:
            page.get_by_role("button", name="CSV").click()
        lines = open(saved.value.path(), encoding="utf-8").read().splitlines()
        self.assertEqual(len(lines), 451)
        self.assertIn("page-000", lines[450])

    def test_keys_choose_and_open(self):
        self.client.run("keys-one")
        page = self.open("/runs?q=keys-one")
        row = self.table(page).locator("tbody tr[data-row]").first
        row.focus()
        page.keyboard.press("Space")
        expect(row).to_have_attribute("aria-selected", "true")
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", level=1)).to_have_text("keys-one")
        page.go_back()
        expect(page.get_by_label("Filter of runs")).to_have_value("keys-one")


class Compare(RunsTest):
    def test_two_runs_side_by_side(self):
        for i in range(2):
            self.client.run(f"pair-{i}", {"rate": (i + 1) / 10, "depth": 4}, {"loss": [1 / (s + i + 1) for s in range(50)], "val/acc": [0.5, 0.6 + i / 10]})
        page = self.open("/runs?q=pair-")
        boxes = self.table(page).get_by_role("checkbox")
        expect(boxes).to_have_count(2)
        for box in boxes.all():
            box.check()
        page.get_by_role("link", name="Compare 2").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Compare runs")
        params = page.get_by_role("region", name="Parameters")
        expect(params.get_by_role("row", name="rate")).to_contain_text(re.compile("0.1.*0.2|0.2.*0.1"))
        expect(params.get_by_role("row", name="depth")).to_have_attribute("data-differs", "false")
        page.get_by_label("Only what differs").check()
        expect(params.get_by_role("row", name="depth")).to_have_count(0)
        expect(page.get_by_role("region", name="Metrics").get_by_role("row", name="val/acc")).to_contain_text("0.7")
        for metric in ("loss", "val/acc"):
            chart = page.locator(f"[data-metric='{metric}']")
            chart.scroll_into_view_if_needed()
            expect(chart.locator("canvas")).to_be_visible()
            for name in ("pair-0", "pair-1"):
                expect(chart.locator(".u-legend")).to_contain_text(name)
        page.get_by_label("Log scale").check()
        expect(page).to_have_url(re.compile("log=1"))
        page.reload()
        expect(page.get_by_label("Log scale")).to_be_checked()
        self.check_axe(page)

    def test_what_was_measured_once_is_a_number_or_bars_and_no_line(self):
        ids = [self.client.run(f"once-{i}", metrics={"once/acc": [0.25 * (i + 1)]}) for i in range(2)]
        page = self.open(f"/runs/compare?runs={','.join(ids)}")
        card = page.locator("[data-metric='once/acc']")
        bars = card.get_by_role("listitem")
        expect(bars).to_have_count(2)
        for bar, (name, value) in zip(bars.all(), (("once-0", "0.25"), ("once-1", "0.5"))):
            expect(bar).to_contain_text(name)
            expect(bar).to_contain_text(value)
        widths = card.locator("[aria-hidden] > span").evaluate_all("all => all.map(e => e.getBoundingClientRect().width)")
        self.assertAlmostEqual(widths[0] / widths[1], 0.5, places=2)
        expect(card.locator("canvas")).to_have_count(0)
        self.check_axe(page)
        page = self.open(f"/runs/{ids[0]}")
        card = page.locator("[data-metric='once/acc']")
        expect(card).to_contain_text(re.compile("0.25.*Measured once", re.S))
        expect(card.locator("canvas")).to_have_count(0)

    def test_nothing_chosen_says_what_to_do(self):
        page = self.open("/runs/compare")
        expect(page.get_by_text("No runs chosen")).to_be_visible()


class Run(RunsTest):
    def test_a_training_is_watched_paused_and_stopped(self):
        made = browser.World.must("POST", "/v1/trainings", {"datasetId": browser.World.dataset["id"], "minutes": 30, "epochs": 10000,
                                                            "patience": 10000, "seed": 2})
        page = self.open(f"/runs/{made['runId']}")
        self.addCleanup(self.server.post, f"/v1/jobs/{made['jobId']}/control", {"action": "stop"})
        step = page.get_by_label("Latest values").locator("div", has=page.get_by_text("step", exact=True)).locator("dd")
        chart = page.locator("[data-metric='loss']")
        expect(chart.locator("canvas")).to_be_visible()
        expect(page.get_by_role("progressbar")).to_be_visible()
        # Nobody reloads: the numbers move, and so does the line.
        was, told = step.inner_text(), chart.locator("figure > p").inner_text()
        expect(step).not_to_have_text(was)
        expect(chart.locator("figure > p")).not_to_have_text(told)
        page.get_by_role("button", name="Pause").click()
        expect(page.locator("[data-job='paused']")).to_be_visible()
        page.get_by_role("button", name="Resume").click()
        expect(page.locator("[data-job='running']")).to_be_visible()
        page.get_by_role("button", name="Stop").click()
        page.get_by_role("dialog").get_by_role("button", name="Stop").click()
        expect(page.get_by_role("button", name="Stop")).to_have_count(0)
        self.assertEqual(self.server.wait(f"/v1/jobs/{made['jobId']}", lambda j: j["status"] != "running")["status"], "stopped")

    def test_what_a_training_was_given_and_made(self):
        run = browser.World.training["runId"]
        page = self.open(f"/runs/{run}")
        expect(page.get_by_text("finished").first).to_be_visible()
        page.get_by_role("tab", name="Inputs and outputs").click()
        expect(page.get_by_role("row", name="interop")).to_contain_text("read")
        expect(page.get_by_role("row", name=browser.World.model["modelId"])).to_contain_text("made")
        page.get_by_role("tab", name="Parameters").click()
        expect(page.get_by_role("group", name="Parameters")).to_contain_text("seed")
        page.get_by_role("tab", name="Artifacts").click()
        expect(page.locator("pre")).to_contain_text("{")
        page.get_by_role("tab", name="Log lines").click()
        expect(page.get_by_role("list", name="Log lines")).to_contain_text("run.finished")
        page.get_by_role("link", name="All lines of this run").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Logs")
        expect(page.get_by_role("list", name="Logs")).to_contain_text("run.finished")
        page.go_back()
        expect(page.get_by_role("tab", name="Log lines")).to_have_attribute("aria-selected", "true")

    def test_a_long_history_is_reduced_and_keeps_its_spike(self):
        run = self.client.run("long", metrics={"loss": [777 if s == 12345 else s % 3 for s in range(20000)]})
        page = self.open("/runs?q=long")
        with page.expect_response(re.compile(f"/v1/runs/{run}/metrics/loss")) as answer:
            page.goto(self.url(f"/runs/{run}"))
        history = answer.value.json()
        self.assertEqual(history["total"], 20000)
        self.assertLessEqual(len(history["points"]), 1000)
        self.assertIn(777, [p["value"] for p in history["points"]])
        plot = page.locator("[data-metric='loss'] .u-over")
        expect(plot).to_be_visible()
        box = plot.bounding_box()
        # Drawing over a part asks the server for the points of that part.
        with page.expect_response(re.compile("from=.*to=")) as answer:
            page.mouse.move(box["x"] + box["width"] * 0.6, box["y"] + 50)
            page.mouse.down()
            page.mouse.move(box["x"] + box["width"] * 0.64, box["y"] + 60, steps=5)
            page.mouse.up()
        part = answer.value.json()
        self.assertLess(part["total"], 4000)
        self.assertTrue(all(10000 < p["step"] < 15000 for p in part["points"]))
        page.get_by_role("button", name="Whole range").click()
        expect(page.get_by_role("button", name="Whole range")).to_have_count(0)

    def test_artifacts_can_be_looked_into(self):
        run = self.client.run("files")
        self.client.artifact(run, "deep/report.json", b'{"b":[1,2]}')
        self.client.artifact(run, "table.csv", b'name,value\r\n"a, quoted",1.5\r\n')
        self.client.artifact(run, "game.pgn", b'[Event "interop"]\n\n1. e4 e5 *\n')
        self.client.artifact(run, "picture.png", png(20, 10))
        self.client.artifact(run, "weights.bin", b"\0\1\2")
        page = self.open(f"/runs/{run}?tab=artifacts")
        files = page.get_by_role("list", name="Artifacts")
        files.get_by_role("button", name="deep/report.json").click()
        expect(page.locator("pre")).to_have_text('{\n  "b": [\n    1,\n    2\n  ]\n}')
        files.get_by_role("button", name="table.csv").click()
        expect(page.get_by_role("cell", name="a, quoted")).to_be_visible()
        files.get_by_role("button", name="game.pgn").click()
        expect(page.locator("pre")).to_contain_text("1. e4 e5 *")
        files.get_by_role("button", name="picture.png").click()
        picture = page.get_by_role("img", name="picture.png")
        expect(picture).to_be_visible()
        self.assertEqual(picture.evaluate("async i => (await i.decode(), i.naturalWidth)"), 20)
        files.get_by_role("button", name="weights.bin").click()
        expect(page.get_by_text("There is no preview")).to_be_visible()
        with page.expect_download() as saved:
            page.get_by_role("button", name="Download").click()
        self.assertEqual(open(saved.value.path(), "rb").read(), b"\0\1\2")

    def test_a_run_that_is_not_there(self):
        self.expect("404")
        page = self.open(f"/runs/{'0' * 32}")
        expect(page.get_by_role("alert")).to_contain_text("not found")


class Logs(RunsTest):
    def test_the_log_is_followed_and_leads_to_a_run_and_back(self):
        page = self.open("/logs")
        page.get_by_role("button", name="Follow").click()
        page.get_by_label("Component").select_option("mlflow")
        expect(page.get_by_role("button", name="Following")).to_be_visible()
        self.client.run("heard-of")
        line = page.get_by_role("listitem").filter(has_text="heard-of")
        expect(line).to_be_visible()
        self.client.run("heard-of-later")
        later = page.get_by_role("listitem").filter(has_text="heard-of-later")
        expect(later).to_have_count(1)
        later.get_by_role("button", name=re.compile("All fields of run.created")).click()
        expect(later).to_contain_text("username")
        later.get_by_role("link").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("heard-of-later")
        page.go_back()
        expect(page.get_by_role("heading", level=1)).to_have_text("Logs")
        expect(page.get_by_label("Component")).to_have_value("mlflow")

    def test_what_this_page_asks_for_does_not_drown_the_log(self):
        self.client.run("not-drowned")
        for _ in range(330):  # more than a page of lines
            self.server.get("/v1/logs?limit=1")
        page = self.open("/logs")
        lines = page.get_by_role("list", name="Logs").get_by_role("listitem")
        expect(lines.filter(has_text="not-drowned").first).to_be_visible()
        expect(lines.filter(has_text="/ui/assets/")).to_have_count(0)
        expect(lines.filter(has_text="path=/v1/logs")).to_have_count(0)
        # Who wants them has them.
        page.get_by_label("Component").select_option("http")
        expect(lines.filter(has_text="path=/v1/logs").first).to_be_visible()

    def test_filters_stand_in_the_address(self):
        self.client.run("needle-in-the-log")
        page = self.open("/logs")
        page.get_by_label("Text of the line").fill("needle-in-the-log")
        lines = page.get_by_role("list", name="Logs").get_by_role("listitem")
        expect(lines.first).to_contain_text("needle-in-the-log")
        for line in lines.all():
            expect(line).to_contain_text("needle-in-the-log")
        page.reload()
        expect(page.get_by_label("Text of the line")).to_have_value("needle-in-the-log")
        page.get_by_label("Level").select_option("error")
        expect(page.get_by_text("No lines")).to_be_visible()


class Metrics(browser.PageTest):
    def test_a_board_shows_our_own_series(self):
        page = self.open("/metrics?range=15m")
        memory = page.get_by_role("region", name="Memory (MiB)")
        expect(memory.locator("canvas")).to_be_visible()
        page.get_by_role("tab", name="Jobs and training").click()
        expect(page.get_by_role("region", name="Jobs", exact=True).locator("canvas")).to_be_visible()
        expect(page).to_have_url(re.compile("board=work"))

    def test_any_question_can_be_asked(self):
        page = self.open("/metrics?board=query&range=15m")
        page.get_by_label("PromQL").fill("sum by (outcome) (rate(chs_api_requests_total[$window]))")
        page.get_by_role("button", name="Ask").click()
        expect(page.get_by_role("group", name="Last values")).to_contain_text("success")
        expect(page.locator("canvas")).to_be_visible()
        self.expect("400")
        page.get_by_label("PromQL").fill("rate(")
        page.keyboard.press("Enter")
        expect(page.get_by_role("alert")).to_contain_text("query")
        page.go_back()
        expect(page.get_by_role("group", name="Last values")).to_contain_text("success")


class Views(RunsTest):
    """Each view in both themes, on a phone, and in German."""

    def views(self):
        runs = [self.client.run(f"view-{i}", {"rate": i}, {"loss": [2, 1]}) for i in range(2)]
        training = browser.World.training["runId"]
        return [("/runs?q=view", lambda p: p.get_by_text("view-0").first), (f"/runs/{training}", lambda p: p.get_by_label("Latest values")),
                (f"/runs/{training}?tab=artifacts", lambda p: p.locator("pre")), (f"/runs/{training}?tab=params", lambda p: p.get_by_text("seed").first),
                (f"/runs/{training}?tab=log", lambda p: p.get_by_text("run.finished").first),
                (f"/runs/compare?runs={','.join(runs)}", lambda p: p.get_by_role("row", name="rate")),
                ("/logs", lambda p: p.get_by_role("listitem").filter(has_text="http").first),
                ("/metrics?range=15m", lambda p: p.locator("canvas").first),
                ("/metrics?board=query&query=process_open_fds&range=15m", lambda p: p.get_by_role("group", name="Last values"))]

    def test_no_accessibility_fault(self):
        for path, seen in self.views():
            for theme in ("dark", "light"):
                with self.subTest(path=path, theme=theme):
                    page = self.open(path, theme=theme)
                    expect(seen(page)).to_be_visible()
                    self.check_axe(page)
                    page.context.close()

    def test_a_phone_needs_no_sideways_scrolling(self):
        for path, seen in self.views():
            with self.subTest(path=path):
                page = self.open(path, size=browser.PHONE)
                expect(seen(page)).to_be_visible()
                self.check_fits(page)
                page.context.close()

    def test_german(self):
        for path, title in (("/runs", "Läufe"), ("/logs", "Protokoll"), ("/metrics", "Metriken"), ("/runs/compare", "Läufe vergleichen")):
            page = self.open(path, lang="de")
            expect(page.get_by_role("heading", level=1)).to_have_text(title)


if __name__ == "__main__":
    unittest.main()
