#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""A UCI engine that knows no chess: `fake_engine.py FOLDER`. FOLDER/table.json has the legal moves of the
positions it may be asked about, by FEN; FOLDER/limit, if there is one, what must follow "go" ("nodes 10000");
FOLDER/mode is how it behaves, in one of these words:

good      answers; every score follows from position and move (score), so sums are known beforehand
slow      the same, after a while
some      like good, but for a quarter of the positions (is_bad) it dies instead
noise     like good, among lines that mean nothing
crash     dies when asked
exit      ends when asked, with code 3
garbage   writes bytes of all kinds when asked, and no answer
endless   writes a line of 100 MB when asked
flood     writes lines without end when asked, and no answer
silent    never answers a question
illegal   answers moves that are not legal
scoreless answers moves without a score
deaf      does not know searchmoves
brood     like good, and starts a process of its own first
prisoner  says in its name what it can see and do (freedom)
mute      says nothing at all
wordy     writes a line of 100 MB instead of saying hello
"""
import hashlib
import json
import os
import pathlib
import resource
import stat
import subprocess
import sys
import time

SLOW_S = 0.05
NAME = "Fake Engine 1.0"


def number(*words):
    return int.from_bytes(hashlib.sha256("/".join(words).encode()).digest()[:4], "big")


def score(fen, move):
    """(centipawns, its UCI text): from -400 to 400, now and then a mate, which counts as 1000."""
    n = number(fen, move)
    if n % 19 == 0:
        return (1000, "mate 3") if n % 2 else (-1000, "mate -2")
    if n % 17 == 0:
        return (1000, "cp 2500") if n % 2 else (-1000, "cp -1700")
    return n % 801 - 400, f"cp {n % 801 - 400}"


def is_bad(fen):
    return number("bad", fen) % 4 == 0


def install(folder, mode="good"):
    """Makes FOLDER with a program to be named in CHESS_ENGINE; returns the program."""
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "mode").write_text(mode)
    program = folder / "engine"
    program.write_text(f"#!/bin/sh\nexec '{sys.executable}' '{pathlib.Path(__file__).resolve()}' '{folder}'\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return program


def freedom():
    """One word for each thing an engine must not have, or must have limited; see test_uci_engine.c."""
    here = pathlib.Path("/proc/self/fd")
    fds = sorted(int(entry.name) for entry in here.iterdir() if entry.exists())
    limit = lambda what: resource.getrlimit(what)[1]
    return " ".join((f"fds={','.join(map(str, fds))}", f"leads={os.getpgrp() == os.getpid()}",
                     f"secret={'SKERRY_SECRET' in os.environ}", f"memory={limit(resource.RLIMIT_AS) >> 20}",
                     f"files={limit(resource.RLIMIT_NOFILE)}", f"written={limit(resource.RLIMIT_FSIZE)}",
                     f"core={limit(resource.RLIMIT_CORE)}", f"idle={os.nice(0) >= 10}"))


def say(line):
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def write_for_ever(data, times):
    for _ in range(times):
        os.write(1, data)


def misbehave(mode, fen):
    """Does what the mode wants instead of an answer; returns when it wants one."""
    if mode == "crash" or (mode == "some" and is_bad(fen)):
        os.abort()
    if mode == "exit":
        sys.exit(3)
    if mode == "silent":
        time.sleep(3600)
    if mode == "endless":
        write_for_ever(b"x" * 1_000_000, 100)
    if mode == "flood":
        write_for_ever(b"info depth 1 score cp 1\n" * 10_000, 10**9)
    if mode == "garbage":
        write_for_ever(bytes(range(256)) * 40 + b"\ninfo score cp nan\ninfo score\nbestmov e2e4\n", 10)
        time.sleep(3600)
    if mode == "noise":
        sys.stdout.buffer.write(b"\r\n\x00\xff\ninfo score\ninfo score cp\ninfo string score cp 1\ninfo nodes score\n")
        say("info depth 3 multipv 2 score cp 77 pv a2a3")
    if mode == "slow":
        time.sleep(SLOW_S)


def answer(mode, fen, legal, words):
    moves = words[words.index("searchmoves") + 1:] if "searchmoves" in words and mode != "deaf" else legal
    best = max(moves, key=lambda m: score(fen, m)[0])
    misbehave(mode, fen)
    if mode == "illegal":
        return say("info score cp 1\nbestmove a1h8")
    if mode != "scoreless":
        say("info depth 1 score cp 12345 lowerbound nodes 1")
        say(f"info depth 2 seldepth 3 multipv 1 score {score(fen, best)[1]} nodes 5 pv {best} score cp 999")
    say(f"bestmove {best} ponder {best}")


def main():
    folder = pathlib.Path(sys.argv[1])
    mode = (folder / "mode").read_text().strip()
    if mode == "mute":
        time.sleep(3600)
    if mode == "wordy":
        write_for_ever(b"x" * 1_000_000, 100)
    if mode == "brood":
        subprocess.Popen([sys.executable, "-c", "import time; time.sleep(3600)", str(folder)])
    table = json.loads((folder / "table.json").read_text())
    fen, is_new = None, False
    for line in sys.stdin:
        words = line.split()
        if words[:1] == ["uci"]:
            say(f"id name {freedom() if mode == 'prisoner' else NAME}\nid author nobody\noption name Hash type spin default 1 min 1 max 4\nuciok")
        elif words[:1] == ["isready"]:
            say("readyok")
        elif words[:1] == ["ucinewgame"]:
            is_new = True
        elif words[:3] == ["setoption", "name", "Hash"]:
            assert words == ["setoption", "name", "Hash", "value", "4"], words
        elif words[:2] == ["position", "fen"]:
            fen = line.split(None, 2)[2].strip()
        elif words[:1] == ["go"]:
            assert is_new, "asked without ucinewgame: the answer would depend on what was asked before"
            assert fen in table, fen
            limit = folder / "limit"
            assert not limit.exists() or " ".join(words[1:3]) == limit.read_text(), words
            is_new = False
            answer(mode, fen, table[fen], words)
        elif words[:1] == ["quit"]:
            return
        else:
            raise AssertionError(f"not expected: {line!r}")


if __name__ == "__main__":
    main()
