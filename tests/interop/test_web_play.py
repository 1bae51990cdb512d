# SPDX-License-Identifier: GPL-3.0-or-later
"""The pages of chess and of rock, paper, scissors in a real browser: games are played to their ends, with mouse and keys."""
import re
import unittest

import chess
from playwright.sync_api import expect

import browser
import views
import harness
from world import World

# Mate is near: whatever the model answers, the game ends within a few moves.
MATE_IN_ONE = "7k/Q7/6K1/8/8/8/8/8 w - - 0 1"
DROPPED = """[Event "Drop"]
[Site "?"]
[Date "2024.05.01"]
[White "Dropped One"]
[Black "Dropped Two"]
[Result "1-0"]

1. e4 e5 2. Qh5 Nc6 3. Bc4 Nf6 4. Qxf7# 1-0
"""
PROMOTION = "8/4P3/8/8/8/k7/8/K7 w - - 0 1"


def new_game(**wish):
    return World.must("POST", "/v1/play/new", wish)["gameId"]


def ready(page):
    """The board is drawn, and it is the person's turn."""
    expect(page.locator("[data-ready=true]")).to_be_visible()
    expect(page.get_by_role("button", name="Play", exact=True)).to_be_enabled()


def square(page, name, orientation="white"):
    """Where a square lies on the screen."""
    box = page.locator("cg-board").bounding_box()
    file, rank = "abcdefgh".index(name[0]), int(name[1]) - 1
    x, y = (file, 7 - rank) if orientation == "white" else (7 - file, rank)
    return box["x"] + (x + 0.5) * box["width"] / 8, box["y"] + (y + 0.5) * box["height"] / 8


class Chess(browser.PageTest):
    def test_a_game_to_its_end_by_keyboard(self):
        page = self.open("/play?rating=1200")
        start = page.get_by_role("button", name="Start the game")
        start.focus()
        page.keyboard.press("Enter")
        page.wait_for_url(re.compile("/play/[0-9a-f-]{36}"))
        # No clock: the fifth move at the latest is a resignation; before it, each move is written as text.
        for _ in range(4):
            if page.locator("[data-result]").count():
                break
            ready(page)
            fen = page.locator("[data-fen]").get_attribute("data-fen")
            board = chess.Board(fen)
            field = page.get_by_label("Your move as text")
            field.fill(board.san(next(iter(board.legal_moves))))
            field.press("Enter")
            expect(page.locator("[data-fen]")).not_to_have_attribute("data-fen", fen)
        page.get_by_role("button", name="Resign").press("Enter")
        page.get_by_role("dialog").get_by_role("button", name="Resign").press("Enter")
        expect(page.locator("[data-result]")).to_contain_text("You lost")
        with page.expect_download() as saved:
            page.get_by_role("button", name="PGN").press("Enter")
        self.assertIn('[Event "Game against a model"]', saved.value.path().read_text())

    def test_mate_with_the_mouse(self):
        page = self.open("/play/" + new_game(color="white", fen=MATE_IN_ONE))
        ready(page)
        page.mouse.click(*square(page, "a7"))
        page.mouse.click(*square(page, "g7"))
        expect(page.locator("[data-result=WHITE_WIN]")).to_contain_text("You won by checkmate")
        expect(page.locator("[data-said]")).to_contain_text("White played Qg7#")

    def test_promotion_is_asked_for(self):
        page = self.open("/play/" + new_game(color="white", fen=PROMOTION))
        ready(page)
        page.mouse.click(*square(page, "e7"))
        page.mouse.click(*square(page, "e8"))
        dialog = page.get_by_role("dialog", name="Promote the pawn to")
        expect(dialog).to_be_visible()
        page.keyboard.press("Escape")
        ready(page)
        page.mouse.click(*square(page, "e7"))
        page.mouse.click(*square(page, "e8"))
        dialog.get_by_role("button", name="Rook").click()
        expect(page.get_by_role("list", name="Moves")).to_contain_text("e8=R")

    def test_moves_are_taken_back_and_games_resumed(self):
        page = self.open("/play/" + new_game(color="white"))
        ready(page)
        field = page.get_by_label("Your move as text")
        field.fill("Ke4")
        field.press("Enter")
        expect(page.get_by_role("alert")).to_contain_text("no legal move")
        field.fill("nf3")
        field.press("Enter")
        expect(page.get_by_role("list", name="Moves")).to_contain_text("Nf3")
        ready(page)
        page.reload()
        expect(page.get_by_role("list", name="Moves")).to_contain_text("Nf3")
        page.get_by_role("button", name="Take back").click()
        expect(page.get_by_text("No move was made yet.")).to_be_visible()

    def test_people_s_moves_are_shown(self):
        page = self.open("/play/" + new_game(color="white"))
        ready(page)
        listed = page.get_by_role("list", name="What people would play here").get_by_role("listitem")
        expect(listed).to_have_count(6)
        expect(listed.first).to_contain_text("%")
        expect(page.locator(".cg-shapes line").first).to_be_attached()
        page.get_by_label("Show as arrows and list").uncheck()
        expect(page.locator(".cg-shapes line")).to_have_count(0)

    def test_clocks_tick_and_run_out(self):
        page = self.open("/play/" + new_game(color="white", clock={"initial": 3, "increment": 0}))
        for move in ("e4",):
            ready(page)
            page.get_by_label("Your move as text").fill(move)
            page.get_by_label("Your move as text").press("Enter")
        expect(page.locator("[data-result=BLACK_WIN], [data-result=DRAW]")).to_be_visible()
        expect(page.get_by_role("timer", name="Time left: White")).to_have_text("0:00.0")

    def test_it_fits_and_can_be_read(self):
        game = new_game(color="white")
        for theme, size in (("dark", browser.DESK), ("light", browser.DESK), ("dark", browser.PHONE)):
            for path in ("/play", "/play/" + game):
                with self.subTest(path=path, theme=theme, width=size["width"]):
                    page = self.open(path, theme=theme, size=size)
                    if path != "/play":
                        ready(page)
                    else:
                        expect(page.get_by_role("region", name="Games so far").first).to_be_visible()
                    self.check_axe(page)
                    self.check_fits(page)


class German(browser.PageTest):
    def test_how_a_game_ended_and_how_fast_it_was_is_said_in_german(self):
        game = new_game(color="white", fen=MATE_IN_ONE)
        World.must("POST", f"/v1/play/{game}/move", {"uci": "a7g7"})
        page = self.open("/play/" + game, lang="de")
        expect(page.locator("[data-result=WHITE_WIN]")).to_contain_text("Du hast gewonnen durch Matt")
        page = self.open("/play", lang="de")
        expect(page.get_by_role("row", name=re.compile("Du hast gewonnen, Matt")).first).to_be_visible()
        row = next(g for g in World.must("GET", "/v1/games/recent?limit=100") if g["timeCategory"] == "RAPID")
        page = self.open(f"/games/{row['id']}", lang="de")
        expect(page.get_by_role("region", name="Die Partie")).to_contain_text("Schnellschach")
        page = self.open("/player?name=" + row["white"].replace(" ", "%20"), lang="de")
        expect(page.get_by_role("region", name="Wertung").first).to_contain_text("Schnellschach")


class Empty(browser.OwnServerTest):
    def test_without_a_model_the_way_to_one_is_shown(self):
        page = self.open("/play")
        for link, heading in (("Import games", "Games"), ("New dataset", "New dataset"), ("New training", "New training"), ("Promote a version", "Models")):
            page.get_by_role("main").get_by_role("link", name=link).click()
            expect(page.get_by_role("heading", level=1)).to_have_text(heading)
            page.go_back()
            expect(page.get_by_role("heading", level=1)).to_have_text("Play chess")
        self.check_axe(page)

    def test_a_server_whose_user_does_not_play_is_no_error(self):
        page = self.open("/player")
        expect(page.get_by_role("main")).to_contain_text("Nobody has any yet")
        page.get_by_role("main").get_by_role("link", name="Import games").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Games")


class Games(browser.PageTest):
    def test_a_file_is_imported_by_drop(self):
        page = self.open("/games")
        page.locator("[data-drop]").evaluate("""(zone, text) => {
            const data = new DataTransfer();
            data.items.add(new File([text], "dropped.pgn"));
            zone.dispatchEvent(new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true }));
        }""", DROPPED)
        expect(page.locator("[data-drop] [role=status]")).to_contain_text("dropped.pgn: 1 games are new, 0 were there, 0 refused")
        page.get_by_label("Player").fill("Dropped One")
        page.get_by_label("Player").press("Enter")
        row = page.get_by_role("row", name="Dropped Two")
        expect(row).to_contain_text("1–0")
        row.click()
        page.wait_for_url(re.compile("/games/[0-9a-f-]{36}"))
        said = page.get_by_role("status").filter(has_text="Start")
        expect(said).to_be_visible()
        page.keyboard.press("End")
        expect(page.get_by_text("After 4. Qxf7#")).to_be_visible()
        page.keyboard.press("ArrowLeft")
        expect(page.get_by_text("After 3. Nf6")).to_be_visible()
        expect(page.get_by_role("list", name="What people would play here").get_by_role("listitem").first).to_contain_text("%")

    def test_pages_fit_and_can_be_read(self):
        player = World.must("GET", "/v1/games/recent?limit=1")[0]["white"].replace(" ", "%20")
        game = World.must("GET", "/v1/games/recent?limit=1")[0]["id"]
        evaluation = World.must("GET", "/v1/evaluations")["items"][0]["id"]
        paths = ("/games", f"/games/{game}?ply=3", f"/player?name={player}", "/judged", "/judged?tab=matches", f"/judged/{evaluation}",
                 f"/judged/matches/{World.match['runId']}")
        for theme, size in (("dark", browser.DESK), ("light", browser.PHONE)):
            for path in paths:
                with self.subTest(path=path, theme=theme):
                    page = self.open(path, theme=theme, size=size)
                    views.settled(page)
                    self.check_axe(page)
                    self.check_fits(page)


class Rps(browser.PageTest):
    def test_a_game_to_its_end_by_keyboard(self):
        page = self.open("/rps?policy=ace")
        page.get_by_label("Your name").fill("Keyboard Ann")
        page.get_by_label("Your name").press("Enter")
        said = page.get_by_role("status").and_(page.locator("[data-over]"))
        expect(page.get_by_role("heading", name="Round 1")).to_be_visible()
        for round_no in range(1, 200):
            page.keyboard.press("rps"[round_no % 3])
            expect(page.get_by_role("region", name="Rounds").get_by_role("row")).to_have_count(round_no + 1)
            if said.get_attribute("data-over") == "true":
                break
        expect(said).to_contain_text(re.compile("won the game|game is a tie"))
        page.get_by_role("link", name="Rock, paper, scissors").last.click()
        page.get_by_role("tab", name="Boards").click()
        expect(page.get_by_role("region", name="Policies against people").first).to_contain_text("brian")
        games = World.must("GET", "/v1/rps/games?player_name=Keyboard%20Ann")["games"]
        self.assertEqual([g["winner"] is not None for g in games], [True])

    def test_a_game_has_an_address_and_goes_on_after_a_reload_in_another_tab_and_after_a_restart(self):
        server = harness.Server()
        self.addCleanup(server.close)
        shared, self.server = self.server, server
        self.addCleanup(setattr, self, "server", shared)
        page = self.open("/rps?policy=cal")
        page.get_by_label("Your name").fill("Resuming Ann")
        page.get_by_role("button", name="Start the game").click()
        page.wait_for_url(re.compile(r"/ui/rps/[0-9a-f-]{36}$"))
        game = page.url.rsplit("/", 1)[1]

        def rounds(tab, count):
            expect(tab.get_by_role("region", name="Rounds").get_by_role("row")).to_have_count(count + 1)
        expect(page.get_by_role("heading", name="Round 1")).to_be_visible()
        for count, key in enumerate("rp", 1):
            page.keyboard.press(key)
            rounds(page, count)
        page.reload()
        rounds(page, 2)
        expect(page.get_by_role("heading", level=1)).to_have_text("Against cal")
        expect(page.get_by_role("heading", name="Round 3")).to_be_visible()
        expect(page.get_by_role("region", name="What it expected of you")).to_contain_text("It plays a fixed opening")
        # In a second tab the third; the first one has it when it is looked at again.
        other = page.context.new_page()
        other.goto(page.url)
        rounds(other, 2)
        other.keyboard.press("s")
        rounds(other, 3)
        page.bring_to_front()
        page.evaluate("() => window.dispatchEvent(new Event('focus'))")
        rounds(page, 3)
        # What another tab has played meanwhile is not played twice, but said and shown.
        server.post("/play", {"game_id": game, "user_move": "rock"})
        self.expect("409")
        page.keyboard.press("p")
        rounds(page, 4)
        expect(page.get_by_role("status").filter(has_text="Round 4 was played with rock")).to_be_visible()
        for part in ("ERR_CONNECTION", "ERR_EMPTY_RESPONSE", "ERR_INCOMPLETE", "503"):
            self.expect(part)
        server.kill()
        page.keyboard.press("p")  # into the void
        expect(page.locator("[data-connection=offline]")).to_be_visible()
        server.start()
        expect(page.locator("[data-connection=offline]")).to_have_count(0)
        page.keyboard.press("p")
        rounds(page, 5)
        told = server.get(f"/v1/rps/games/{game}").json()
        self.assertEqual([r["user_move"] for r in told["rounds"]], ["rock", "paper", "scissors", "rock", "paper"])
        other.close()
        for theme, size, lang in (("dark", browser.DESK, "en"), ("light", browser.PHONE, "de")):
            view = self.open(f"/rps/{game}", theme=theme, size=size, lang=lang)
            rows = view.get_by_role("table").get_by_role("row")
            expect(rows).to_have_count(6)
            self.check_axe(view)
            self.check_fits(view)

    def test_what_is_no_game_leads_to_a_new_one(self):
        self.expect("404")
        page = self.open("/rps/nowhere")
        expect(page.get_by_role("main")).to_contain_text("There is no such game")
        page.get_by_role("link", name="New game").click()
        expect(page.get_by_role("button", name="Start the game")).to_be_visible()

    def test_it_fits_and_can_be_read(self):
        for theme, size in (("dark", browser.DESK), ("light", browser.DESK), ("light", browser.PHONE)):
            for tab in ("play", "boards", "promotions"):
                with self.subTest(tab=tab, theme=theme, width=size["width"]):
                    page = self.open(f"/rps?tab={tab}", theme=theme, size=size)
                    expect(page.get_by_role("tabpanel")).to_be_visible()
                    self.check_axe(page)
                    self.check_fits(page)


if __name__ == "__main__":
    unittest.main()
