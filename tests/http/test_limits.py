# SPDX-License-Identifier: GPL-3.0-or-later
"""Input of any size and shape through a pipe, at constant memory: the whole program, not only its reader.

SKERRY_PIPE_MB sets how much text goes through the pipe (default 200; 10240 is the promise, and takes minutes).
"""
import os
import subprocess
import threading
import unittest

import harness
import pgn_make

PIPE_BYTES = int(os.environ.get("SKERRY_PIPE_MB", "200")) * 1000 * 1000
LINE_BYTES = 100 * 1000 * 1000
DEPTH = 10000
MEMORY_KIB_MAX = 96 * 1024


def peak_kib(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM:"))


class Pipe(unittest.TestCase):
    def setUp(self):
        self.server = harness.Server(start=False)
        self.addCleanup(self.server.close)

    def import_pieces(self, pieces):
        """Feeds the pieces to `skerry chess import -`; returns its peak memory in KiB, taken before its end."""
        process = subprocess.Popen([harness.BINARY, "chess", "import", "-"], env=self.server.environment(),
                                   cwd=self.server.home, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE)
        said = {}
        readers = [threading.Thread(target=lambda name=name: said.update({name: getattr(process, name).read()}))
                   for name in ("stdout", "stderr")]
        for reader in readers:
            reader.start()
        for piece in pieces:
            process.stdin.write(piece)
        process.stdin.flush()
        peak = peak_kib(process.pid)
        process.stdin.close()
        code = process.wait(timeout=600)
        for reader in readers:
            reader.join()
        process.stdout.close()
        process.stderr.close()
        self.assertEqual(code, 0, said)
        return peak

    def last_import(self):
        self.server.start()
        return self.server.get("/v1/ingest").json()["items"][0]

    def test_a_long_pipe_takes_no_more_memory_than_a_short_one(self):
        # The same games again and again: recognising them costs what storing them does, but for the disk.
        block = pgn_make.games(2000, seed="pipe", clocks=True).encode()
        count = PIPE_BYTES // len(block) + 1
        peak = self.import_pieces(block for _ in range(count))
        self.assertLess(peak, MEMORY_KIB_MAX)
        done = self.last_import()
        self.assertEqual((done["games"], done["duplicates"], done["refused"]), (2000, 2000 * (count - 1), 0))

    def test_a_line_of_100_mb_is_one_refused_game(self):
        pieces = [pgn_make.game(1, seed="line").encode(), b'[Event "long"]\n\n1. e4 {']
        pieces += [b"0123456789" * 10000] * (LINE_BYTES // 100000)
        pieces += [b"} e5 *\n\n", pgn_make.game(2, seed="line").encode()]
        peak = self.import_pieces(pieces)
        self.assertLess(peak, MEMORY_KIB_MAX)
        done = self.last_import()
        self.assertEqual((done["games"], done["refused"]), (2, 1))

    def test_10000_nested_variations_are_one_game(self):
        deep = "1. e4 " + "(1. d4 " * DEPTH + ")" * DEPTH + " e5 1-0"
        text = pgn_make.game(1, seed="deep") + '[Event "deep"]\n[Result "1-0"]\n\n' + deep + "\n\n" + pgn_make.game(2, seed="deep")
        self.assertLess(self.import_pieces([text.encode()]), MEMORY_KIB_MAX)
        done = self.last_import()
        self.assertEqual((done["games"], done["refused"]), (3, 0))


if __name__ == "__main__":
    unittest.main()
