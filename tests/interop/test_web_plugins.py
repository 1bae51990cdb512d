# SPDX-License-Identifier: GPL-3.0-or-later
"""Analytics plugins in a real browser: none yet, a pass watched to its end, one's own C file taken up, its answers as a table
that leads to the games, failures with their reasons."""
import re
import unittest

from playwright.sync_api import expect

import browser
from world import GAMES, ROOT

# Fails at every third game or so.
PICKY = """
#include <skerry/plugin.h>
static int analyse(const struct skerry_game *g, struct skerry_result *r)
{
    if (g->plies %% 3 == 0)
        return SKERRY_FAILED;
    r->set_int(r, "thirds", g->plies / 3);
    return SKERRY_DONE;
}
SKERRY_PLUGIN(picky, "%s", "Does not like multiples of three.", analyse)
"""


class Plugins(browser.OwnServerTest):
    def build(self, version):
        source = self.server.home / "picky.c"
        source.write_text(PICKY % version)
        self.server.cli("plugin", "build", source)

    def one(self, name, version):
        rows = self.server.get("/v1/analytics").json()["items"]
        return next(r for r in rows if (r["name"], r["version"]) == (name, version))

    def run_now(self, page):
        page.get_by_role("button", name="Run now").click()
        expect(page.get_by_text(re.compile("Done. New answers: "))).to_be_visible()
        expect(page.locator("[data-pass]")).to_have_attribute("data-pass", "succeeded")

    def test_from_nothing_to_answers(self):
        page = self.open("/plugins")
        expect(page.get_by_text("No plugin has run yet")).to_be_visible()
        expect(page.get_by_role("region", name="Your own plugin")).to_contain_text("skerry plugin build my_plugin.c")
        self.check_axe(page)
        made = self.server.post("/v1/ingest", files={"file": (GAMES.name, GAMES.read_bytes())}).json()
        self.server.wait(f"/v1/jobs/{made['jobId']}", lambda j: j["status"] == "succeeded")
        # The import began a pass: whoever asks for one while it runs gets that one, and it knows no plugin that came later.
        self.server.wait("/v1/jobs?kind=chess.analyse&limit=1", lambda jobs: jobs["items"] and jobs["items"][0]["status"] == "succeeded")
        self.server.cli("plugin", "build", ROOT / "examples" / "plugins" / "checks.c")
        self.build("1")
        self.run_now(page)
        table = page.get_by_role("group", name="Plugins", exact=True)
        games = self.server.get("/v1/games/count").json()["count"]
        expect(table.get_by_role("row").filter(has_text="checks")).to_contain_text(str(games))
        said = self.one("picky", "1")
        self.assertGreater(said["failed"], 0)
        expect(table.get_by_role("row").filter(has_text="picky")).to_contain_text(str(said["failed"]))
        # What it failed at, and how often it tried.
        table.get_by_role("link", name="picky 1", exact=True).click()
        answers = page.get_by_role("group", name="Results")
        expect(page.get_by_text(f"failed {said['failed']}")).to_be_visible()
        expect(answers.get_by_role("button", name="thirds")).to_be_visible()
        expect(answers.get_by_text("Failed", exact=True).first).to_be_visible()
        page.get_by_label("Filter rows").fill("answered")
        expect(page.get_by_text(f"{said['completed']} of {said['completed'] + said['failed']} rows")).to_be_visible()
        with page.expect_download() as saved:
            page.get_by_role("button", name="CSV").click()
        lines = open(saved.value.path(), encoding="utf-8").read().splitlines()
        self.assertEqual(len(lines), said["completed"] + 1)
        self.assertIn("thirds", lines[0])
        # From an answer to its game. (No model serves here that could say its moves: 409.)
        self.expect("/v1/predict")
        answers.locator("tbody a").first.click()
        expect(page).to_have_url(re.compile("/games/[0-9a-f-]{36}"))
        # A new version looks at all of them again; the old answers stay.
        self.build("2")
        page.goto(self.url("/plugins"))
        self.run_now(page)
        expect(page.get_by_role("link", name="picky 2", exact=True)).to_be_visible()
        expect(table.get_by_role("row").filter(has=page.get_by_role("link", name="picky 1", exact=True))).to_contain_text("of before")
        self.check_axe(page)
        page = self.open("/plugins/picky?version=2", size=browser.PHONE, theme="light", lang="de")
        expect(page.get_by_role("group", name="Ergebnisse").get_by_text("Beantwortet").first).to_be_visible()
        expect(page.get_by_label("Version")).to_have_value("2")
        self.check_fits(page)
        self.check_axe(page)
        page = self.open("/plugins", size=browser.PHONE, theme="light", lang="de")
        expect(page.get_by_role("link", name="picky 2", exact=True)).to_be_visible()
        self.check_fits(page)
        self.check_axe(page)


if __name__ == "__main__":
    unittest.main()
