# SPDX-License-Identifier: GPL-3.0-or-later
"""Uploading games: every kind of file, good and bad, as a user sees it."""
import gzip
import io
import pathlib
import re
import struct
import subprocess
import unittest
import zipfile

import harness
import pgn_make


def zstd(data):
    return subprocess.run(["zstd", "-q", "-c"], input=data, stdout=subprocess.PIPE, check=True).stdout


def zip_of(entries):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as z:
        for name, data in entries.items():
            z.writestr(name, data)
    return out.getvalue()


class Ingest(harness.ServerTest):
    def start(self, content, name="games.pgn", **fields):
        reply = self.server.post("/v1/ingest", files={"file": (name, content)}, fields=fields)
        self.assertEqual(reply.status, 202, reply)
        body = reply.json()
        self.assertEqual(body["status"], "queued")
        self.assertEqual(reply.headers["Location"], f"/v1/ingest/{body['runId']}")
        return body["runId"]

    def finish(self, run):
        return self.server.wait(f"/v1/ingest/{run}",
                                lambda b: b["status"] in ("SUCCEEDED", "FAILED", "STOPPED"))

    def load(self, content, name="games.pgn", **fields):
        return self.finish(self.start(content, name, **fields))

    def count(self):
        return self.server.get("/v1/games/count").json()["count"]

    def failed(self, content, name, *says):
        self.server.expect_error("ingest.failed")
        self.server.expect_error("job.failed")
        self.server.expect_error("run.failed")
        before = self.count()
        done = self.load(content, name)
        self.assertEqual(done["status"], "FAILED", done)
        for word in says:
            self.assertIn(word, done["message"])
        return done, self.count() - before

    # ------------------------------------------------------------------ good files

    def test_plain_games_are_stored(self):
        before = self.count()
        done = self.load(pgn_make.games(300, seed="plain").encode(), note="a note", version="v1",
                         datasetId="mine")
        self.assertEqual(done["status"], "SUCCEEDED", done)
        self.assertEqual((done["games"], done["duplicates"], done["refused"]), (300, 0, 0))
        self.assertEqual(done["positions"], 300 * 16)
        self.assertEqual((done["note"], done["datasetId"], done["versions"]), ("a note", "mine", ["v1"]))
        self.assertEqual(done["progress"], 1)
        self.assertEqual(self.count() - before, 300)

    def test_every_compression_gives_the_same_games(self):
        for kind, pack in (("zst", zstd), ("gz", gzip.compress),
                           ("zip", lambda d: zip_of({"inner/games.pgn": d}))):
            with self.subTest(kind):
                text = pgn_make.games(120, seed=kind).encode()
                done = self.load(pack(text), f"games.pgn.{kind}")
                self.assertEqual(done["status"], "SUCCEEDED", done)
                self.assertEqual((done["games"], done["positions"]), (120, 120 * 16))

    def test_a_raw_body_is_an_upload_too(self):
        reply = self.server.post("/v1/ingest?name=raw.pgn", raw=pgn_make.games(5, seed="raw").encode())
        self.assertEqual(reply.status, 202, reply)
        done = self.finish(reply.json()["runId"])
        self.assertEqual((done["status"], done["games"], done["source"]), ("SUCCEEDED", 5, "raw.pgn"))

    def test_a_zip_of_several_files_skips_what_holds_no_games(self):
        done = self.load(zip_of({"a.pgn": pgn_make.games(3, seed="za"),
                                 "sub/b.pgn": pgn_make.games(4, seed="zb"),
                                 "__MACOSX/._a.pgn": b"\0\1\2",
                                 "picture.png": b"\x89PNG\r\n"}), "both.zip")
        self.assertEqual((done["status"], done["games"]), ("SUCCEEDED", 7), done)

    def test_what_unpacks_zips_is_loaded_with_the_first_one(self):
        server = harness.Server()
        self.addCleanup(server.close)
        maps = pathlib.Path(f"/proc/{server.process.pid}/maps")
        self.assertNotIn("libarchive", maps.read_text())
        reply = server.post("/v1/ingest", files={"file": ("first.zip", zip_of({"a.pgn": pgn_make.games(2, seed="lazy")}))})
        done = server.wait(reply.headers["Location"], lambda b: b["status"] in ("SUCCEEDED", "FAILED"))
        self.assertEqual(done["status"], "SUCCEEDED", done)
        self.assertIn("libarchive", maps.read_text())

    def test_names_in_a_zip_are_never_paths(self):
        marker = self.server.home / "escaped.pgn"
        done = self.load(zip_of({"../escaped.pgn": pgn_make.games(2, seed="esc"),
                                 "/tmp/skerry-absolute.pgn": pgn_make.games(2, seed="abs")}), "evil.zip")
        self.assertEqual(done["games"], 4)
        self.assertFalse(marker.exists())

    # ------------------------------------------------------------------ duplicates

    def test_the_same_file_again_adds_nothing(self):
        text = pgn_make.games(200, seed="again").encode()
        first = self.load(text)
        again = self.load(text)
        self.assertEqual((first["games"], first["duplicates"]), (200, 0))
        self.assertEqual((again["games"], again["duplicates"]), (0, 200))
        self.assertEqual(again["status"], "SUCCEEDED")

    def test_a_game_twice_in_one_file_counts_once(self):
        one = pgn_make.game(1, seed="twice")
        done = self.load((one + pgn_make.game(2, seed="twice") + one).encode())
        self.assertEqual((done["games"], done["duplicates"]), (2, 1))

    def test_a_lichess_game_is_known_by_its_address(self):
        plain = pgn_make.game(1, seed="li", lichess_id="abcdEFGH")
        annotated = pgn_make.game(1, seed="li", lichess_id="abcdEFGH/black", clocks=True)
        other = pgn_make.game(1, seed="li", lichess_id="abcdEFGZ")
        done = self.load((plain + annotated + other).encode())
        self.assertEqual((done["games"], done["duplicates"]), (2, 1))

    # ------------------------------------------------------------------ bad games, bad files

    def test_a_broken_game_in_the_middle_is_reported_and_the_rest_kept(self):
        head = pgn_make.games(3, seed="mid")
        text = head + pgn_make.BROKEN + pgn_make.games(3, first=3, seed="mid")
        done = self.load(text.encode(), "middle.pgn")
        self.assertEqual((done["status"], done["games"], done["refused"]), ("SUCCEEDED", 6, 1), done)
        report = self.server.get(done["reportUri"]).json()
        self.assertEqual(report["added"], 6)
        [refused] = report["refused"]
        self.assertEqual((refused["file"], refused["game"]), ("middle.pgn", 4))
        self.assertTrue(head.count("\n") < refused["line"] <= head.count("\n") + 8, refused)
        self.assertIn("Qh7", refused["reason"])
        self.assertEqual(sum(r["count"] for r in report["reasons"]), 1)
        self.assertTrue(self.server.logged("ingest.game_refused", run_id=done["runId"]))

    def test_an_empty_file_is_refused_at_once(self):
        for reply in (self.server.post("/v1/ingest", files={"file": ("empty.pgn", b"")}),
                      self.server.post("/v1/ingest", raw=b"")):
            self.assertEqual(reply.status, 400, reply)

    def test_a_form_without_a_file_is_refused(self):
        reply = self.server.post("/v1/ingest", fields={"note": "no file"})
        self.assertEqual(reply.status, 400, reply)
        self.assertIn("file", reply.json()["detail"])

    def test_a_binary_file_is_refused_with_a_hint(self):
        self.failed(bytes(range(256)) * 200, "picture.png", "picture.png")

    def test_a_file_of_only_broken_games_says_where_the_first_is(self):
        done, added = self.failed(pgn_make.BROKEN.encode(), "bad.pgn", "bad.pgn", "line")
        self.assertEqual((added, done["refused"]), (0, 1))

    def test_a_truncated_zst_keeps_what_was_read(self):
        whole = pgn_make.games(20000, seed="trunc").encode()
        packed = zstd(whole)
        done, added = self.failed(packed[: len(packed) * 2 // 3], "cut.pgn.zst", "cut.pgn.zst")
        self.assertGreater(added, 1000)
        self.assertLess(added, 20000)
        self.assertEqual(added, done["games"])
        again = self.load(packed, "cut.pgn.zst")
        self.assertEqual((again["status"], again["games"], again["duplicates"]),
                         ("SUCCEEDED", 20000 - added, added))

    def test_a_gigantic_line_is_one_refused_game(self):
        text = (pgn_make.game(1, seed="giant") + '[Event "' + "x" * 20_000_000 + '"]\n\n1. e4 *\n\n'
                + "{" + "y" * 20_000_000 + "}\n\n" + pgn_make.game(2, seed="giant"))
        done = self.load(text.encode(), "giant.pgn")
        self.assertEqual(done["status"], "SUCCEEDED", done)
        self.assertGreaterEqual(done["games"], 2)

    def test_a_zip_that_promises_too_much_is_refused(self):
        # 100 MB of one byte: real, but nothing that games could look like.
        bomb = zip_of({"bomb.pgn": b"x" * 100_000_000})
        _, added = self.failed(bomb, "bomb.zip", "bomb.zip", "unpack")
        self.assertEqual(added, 0)

    def test_a_zip_that_lies_about_its_size_is_refused(self):
        bomb = bytearray(zip_of({"bomb.pgn": b"x" * 100_000_000}))
        for match in list(re.finditer(struct.pack("<I", 100_000_000), bytes(bomb))):
            bomb[match.start():match.end()] = struct.pack("<I", 1000)
        self.failed(bytes(bomb), "liar.zip", "liar.zip")

    def test_a_zip_of_too_many_files_is_refused(self):
        self.failed(zip_of({f"{i}.pgn": b"" for i in range(1001)}), "many.zip", "1000")

    def test_a_cut_zip_is_refused(self):
        whole = zip_of({"a.pgn": pgn_make.games(500, seed="cutzip")})
        self.failed(whole[: len(whole) // 2], "half.zip", "half.zip")

    # ------------------------------------------------------------------ the address

    def test_ids_are_accepted_as_older_clients_write_them(self):
        run = self.start(pgn_make.games(1, seed="ids").encode())
        self.finish(run)
        dashed = f"{run[:8]}-{run[8:12]}-{run[12:16]}-{run[16:20]}-{run[20:]}"
        for form in (run, "ing_" + run, dashed, "ing_" + dashed, run.upper()):
            self.assertEqual(self.server.get(f"/v1/ingest/{form}").json()["runId"], run)

    def test_unknown_and_malformed_ids_are_404(self):
        for run in ("0" * 32, "ing_zzz", "1", "0" * 33, "%20"):
            self.assertEqual(self.server.get(f"/v1/ingest/{run}").status, 404, run)

    def test_the_old_address_redirects(self):
        reply = self.server.post("/v1/data/import", raw=b"x")
        self.assertEqual((reply.status, reply.headers["Location"]), (308, "/v1/ingest"))

    def test_imports_are_listed_newest_first(self):
        a = self.start(pgn_make.games(1, seed="la").encode(), "la.pgn")
        self.finish(a)
        b = self.start(pgn_make.games(1, seed="lb").encode(), "lb.pgn")
        self.finish(b)
        items = self.server.get("/v1/ingest?limit=100").json()["items"]
        runs = [i["runId"] for i in items]
        self.assertLess(runs.index(b), runs.index(a))

    def test_metrics_and_log_tell_about_an_import(self):
        before = self.server.metric("chs_ingest_games_total")
        skipped = self.server.metric("chs_ingest_skipped_total")
        text = pgn_make.games(10, seed="metrics").encode()
        run = self.start(text)
        self.finish(run)
        self.load(text)
        self.assertEqual(self.server.metric("chs_ingest_games_total") - before, 10)
        self.assertEqual(self.server.metric("chs_ingest_skipped_total") - skipped, 10)
        self.assertEqual(self.server.metric("chs_ingest_active"), 0)
        for event in ("ingest.started", "ingest.completed", "ingest.report_written"):
            self.assertTrue(self.server.logged(event, run_id=run), event)

    def test_the_inbox_is_empty_after_a_success(self):
        self.load(pgn_make.games(2, seed="inbox").encode())
        names = {b["runId"] for b in self.server.get("/v1/ingest?limit=100").json()["items"]
                 if b["status"] not in ("SUCCEEDED",)}
        self.assertLessEqual(len(list((self.server.home / "inbox").iterdir())), len(names))


class IngestCommandLine(unittest.TestCase):
    def setUp(self):
        self.server = harness.Server(start=False)
        self.addCleanup(self.server.close)

    def test_files_and_a_pipe_without_a_server(self):
        file = self.server.home / "cli.pgn"
        file.write_text(pgn_make.games(50, seed="cli"))
        self.server.cli("chess", "import", file)
        self.server.cli("chess", "import", "-", input=pgn_make.games(60, seed="cli").encode())
        out = self.server.cli("chess", "games", "--limit", "1000", "--json").stdout
        self.assertEqual(out.count(b'"moveCount"'), 60)

    def test_a_missing_file_is_said(self):
        done = self.server.cli("chess", "import", "nowhere.pgn", check=False)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn(b"nowhere.pgn", done.stderr)


if __name__ == "__main__":
    unittest.main()
