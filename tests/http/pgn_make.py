# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes legal games as PGN text, as many as a test needs, the same ones each time.

Both sides push their eight pawns one step in random order: every order is legal, so there are more than a
billion different games and no chess program is needed to make them.
"""
import random

FILES = "abcdefgh"
RESULTS = ("1-0", "0-1", "1/2-1/2")


def moves(rng, plies=16):
    white, black = list(FILES), list(FILES)
    rng.shuffle(white)
    rng.shuffle(black)
    out = []
    for i in range(plies):
        side, rank = (white, "3") if i % 2 == 0 else (black, "6")
        out.append(side[i // 2] + rank)
    return out


def clock(seconds):
    return f"{int(seconds) // 3600}:{int(seconds) // 60 % 60:02d}:{int(seconds) % 60:02d}"


def game(number, seed=1, lichess_id=None, tags=None, clocks=False, result=None, plies=16):
    rng = random.Random(f"{seed}/{number}")
    sans = moves(rng, plies)
    result = result or RESULTS[rng.randrange(3)]
    day = number % 28 + 1
    month = number // 28 % 12 + 1
    year = 2015 + number // 336 % 9
    head = {
        "Event": "Rated Blitz game",
        "Site": f"https://lichess.org/{lichess_id}" if lichess_id else "Test hall",
        "Date": f"{year}.{month:02d}.{day:02d}",
        "Round": "-",
        "White": f"white{number % 50}",
        "Black": f"black{number}",
        "Result": result,
        "UTCDate": f"{year}.{month:02d}.{day:02d}",
        "UTCTime": f"{number % 24:02d}:{number % 60:02d}:00",
        "WhiteElo": str(1000 + number * 7 % 1500),
        "BlackElo": str(1000 + number * 11 % 1500),
        "TimeControl": "180+2",
        "Termination": "Normal",
    }
    head.update(tags or {})
    text = "".join(f'[{k} "{v}"]\n' for k, v in head.items() if v is not None) + "\n"
    words = []
    for i, san in enumerate(sans):
        if i % 2 == 0:
            words.append(f"{i // 2 + 1}.")
        words.append(san)
        if clocks:
            words.append(f"{{ [%clk {clock(180 - i * 10)}] }}")
    return text + " ".join(words) + f" {result}\n\n"


def games(count, first=0, **options):
    return "".join(game(n, **options) for n in range(first, first + count))


BROKEN = """[Event "Broken"]
[Site "?"]
[White "nobody"]
[Black "nobody else"]
[Result "1-0"]

1. e4 e5 2. Qh7 Nc6 1-0

"""
