# SPDX-License-Identifier: GPL-3.0-or-later
"""Analytics plugins that behave badly: each costs its own game, never the server or another plugin."""
import json
import pathlib
import shutil
import unittest

import harness
import pgn_make
import trained

GAMES = 40
# A plugin whose deed depends on the game: black's name is "black<number>".
SOURCE = """
#include <skerry/plugin.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
static int analyse(const struct skerry_game *g, struct skerry_result *r)
{
    int number = atoi(g->black + 5);
    r->set_int(r, "number", number);
    %(deed)s
    return SKERRY_DONE;
}
SKERRY_PLUGIN(%(name)s, "%(version)s", "For a test.", analyse)
"""


@unittest.skipUnless(shutil.which("cc"), "building a plugin needs a C compiler")
class Plugins(harness.ServerTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        trained.import_games(cls.server, pgn_make.games(GAMES, seed="plugins"))

    def build(self, name, deed, version="1"):
        source = pathlib.Path(self.server.home) / f"{name}.c"
        source.write_text(SOURCE % {"name": name, "deed": deed, "version": version})
        return json.loads(self.server.cli("plugin", "build", source, "--json").stdout)

    def analyse(self):
        """A whole pass from now."""
        job = trained.job_done(self.server, self.server.post("/v1/analytics/run").json()["jobId"])
        self.assertEqual(job["status"], "succeeded", job)
        return {p["plugin"]: p for p in job["result"]["plugins"]}

    def one(self, name, version="1"):
        [row] = [p for p in self.server.get("/v1/analytics").json()["items"] if (p["name"], p["version"]) == (name, version)]
        return row

    def counts(self, name, version="1"):
        row = self.one(name, version)
        return row["completed"], row["skipped"], row["failed"], row["pending"]

    def results(self, name, **query):
        return self.server.get(f"/v1/analytics/{name}/results", limit=1000, **query).json()["items"]

    def costs_one_game(self, name, deed, *words):
        self.build(name, f"if (number == 7) {{ {deed} }}")
        self.analyse()
        self.assertEqual(self.counts(name), (GAMES - 1, 0, 1, 0))
        [failed] = [r for r in self.results(name) if r["status"] == "failed"]
        for word in words:
            self.assertIn(word, failed["reason"])
        self.assertEqual(failed["attempts"], 1)
        game = self.server.get(f"/v1/games/{failed['gameId']}").json()
        self.assertEqual(game["black"], "black7")
        self.assertEqual(self.server.get("/health").status, 200)
        # The others are not touched by it.
        self.assertEqual(self.counts("move_count", self.one_version("move_count")), (GAMES, 0, 0, 0))

    def one_version(self, name):
        return next(p["version"] for p in self.server.get("/v1/analytics").json()["items"] if p["name"] == name)

    def test_a_crash_costs_one_game(self):
        self.costs_one_game("crashing", "raise(SIGSEGV);", "crashed")

    def test_abort_costs_one_game(self):
        self.costs_one_game("aborting", "abort();", "crashed")

    def test_leaving_costs_one_game(self):
        self.costs_one_game("leaving", "_exit(0);", "ended")

    def test_opening_a_file_is_forbidden(self):
        self.costs_one_game("reading", 'open("/etc/hostname", O_RDONLY);', "may not")

    def test_opening_a_socket_is_forbidden(self):
        self.costs_one_game("calling", "socket(AF_INET, SOCK_STREAM, 0);", "may not")

    def test_starting_a_program_is_forbidden(self):
        self.costs_one_game("starting", 'execl("/bin/true", "true", (char *)0);', "may not")

    def test_an_endless_loop_is_ended(self):
        self.costs_one_game("endless", "for (volatile int i = 0;; i++) ;", "longer than its time")

    def test_eating_all_memory_costs_one_game(self):
        self.costs_one_game("hungry", "for (;;) { volatile char *p = malloc(1 << 20); *p = 1; }", "crashed")

    def test_writing_to_the_channel_costs_one_game(self):
        self.costs_one_game("chatty", 'write(1, "hello hello hello", 17);', "standard output")

    def test_skipped_and_failed_are_told_apart(self):
        self.build("picky", 'if (number < 10) return SKERRY_SKIPPED;'
                            ' if (number == 10) { r->fail(r, "ten is \\"too\\" much"); return SKERRY_FAILED; }')
        self.analyse()
        self.assertEqual(self.counts("picky"), (GAMES - 11, 10, 1, 0))
        [failed] = [r for r in self.results("picky") if r["status"] == "failed"]
        self.assertEqual(failed["reason"], 'ten is "too" much')
        done = [r["result"]["number"] for r in self.results("picky") if r["status"] == "completed"]
        self.assertEqual(sorted(done), list(range(11, GAMES)))

    def test_failures_are_tried_again_a_few_times(self):
        self.build("failing", 'if (number == 3) return SKERRY_FAILED;')
        self.analyse()
        attempts = []
        for _ in range(6):
            [failed] = [r for r in self.results("failing") if r["status"] == "failed"]
            attempts.append(failed["attempts"])
            self.analyse()  # too early: nothing happens
            self.server.sql("UPDATE chess_analytic_results SET next_try_ms = 1 WHERE next_try_ms > 0 AND"
                            " analytic_id = (SELECT id FROM chess_analytics WHERE name = 'failing')")
            self.analyse()
        self.assertEqual(attempts, [1, 2, 3, 4, 4, 4])

    def test_another_version_runs_over_all_games_again(self):
        self.build("growing", "")
        self.analyse()
        self.assertEqual(self.counts("growing"), (GAMES, 0, 0, 0))
        self.build("growing", 'r->set_text(r, "more", "\\xc3\\xa9\\n\\"");', version="2")
        self.analyse()
        self.assertEqual(self.counts("growing", "2"), (GAMES, 0, 0, 0))
        self.assertEqual((self.one("growing")["active"], self.one("growing", "2")["active"]), (False, True))
        self.assertEqual({r["result"].get("more") for r in self.results("growing")}, {'é\n"'})
        self.assertEqual({r["version"] for r in self.results("growing", version="1")}, {"1"})

    def test_what_is_no_plugin_is_refused_when_it_is_built(self):
        for text, word in (("int x;", "skerry_plugin"), ("#include <skerry/plugin.h>\nsyntax error", "compiling"),
                           (SOURCE % {"name": "Upper", "deed": "", "version": "1"}, "lower-case"),
                           (SOURCE % {"name": "empty", "deed": "", "version": ""}, "version"),
                           ("#include <stdlib.h>\n__attribute__((constructor)) static void f(void) { abort(); }", "crashed")):
            file = pathlib.Path(self.server.home) / "wrong.c"
            file.write_text(text)
            done = self.server.cli("plugin", "build", file, check=False)
            self.assertNotEqual(done.returncode, 0, text)
            self.assertIn(word, done.stderr.decode())
        self.assertEqual([f for f in (self.server.home / "plugins").iterdir() if "wrong" in f.name or f.name[0] == "."], [])

    def test_a_pass_that_runs_is_not_the_one_that_is_asked_for(self):
        """It may have passed by what has come since."""
        def ask():
            return self.server.post("/v1/analytics/run").json()["jobId"]

        for version in map(str, range(20)):  # until one still runs when the other plugin is there
            self.build("lingering", "for (volatile int i = 0; number == 7;) ;", version)
            first = ask()
            while self.server.get(f"/v1/jobs/{first}").json()["status"] == "queued":
                pass
            self.build("arriving", "", version)
            second, third = ask(), ask()
            if self.server.get(f"/v1/jobs/{first}").json()["status"] == "running":
                break
        else:
            self.fail("no pass ran long enough to meet it")
        self.assertNotEqual(second, first)
        self.assertEqual(third, second)
        for job in (first, second):
            self.assertEqual(trained.job_done(self.server, job)["status"], "succeeded")
        self.assertEqual(self.counts("arriving", version), (GAMES, 0, 0, 0))

    def test_a_file_that_is_no_library_is_reported_and_the_rest_goes_on(self):
        self.server.expect_error("analytics.failed")
        junk = self.server.home / "plugins" / "junk.so"
        junk.parent.mkdir(exist_ok=True)
        junk.write_bytes(b"not a library")
        try:
            self.assertIn("move_count", self.analyse())
            self.assertTrue(self.server.get("/v1/logs?event=analytics.failed").json()["items"])
        finally:
            junk.unlink()


if __name__ == "__main__":
    unittest.main()
