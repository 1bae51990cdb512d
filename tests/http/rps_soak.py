#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plays games over HTTP while aliases are moved under them, and then looks for anything lost.

    tests/http/rps_soak.py [GAMES]      default 100000

Twelve models play; every second a version moves to another alias, every half minute the promotion judges. At the
end every round that was answered must be in the store, every game over, and every prediction joined with its truth.
Not part of the suites: it takes minutes.
"""
import json
import os
import pathlib
import subprocess
import sys
import threading
import time

import harness

TOOL = os.environ.get("RPS_MODELS") or str(pathlib.Path(harness.BINARY).parent / "tests" / "http" / "rps_models")
POLICIES = {"logan": "rps_bot_mnlogit", "brian": "rps_bot_feedforward", "forrest": "rps_bot_xgboost"}
ALIASES = ["Production", "B", "shadow1", "shadow2"]


def main():
    games = int(sys.argv[1]) if len(sys.argv) > 1 else 100000
    server = harness.Server(start=False)
    subprocess.run([TOOL, str(server.home)], env=server.environment(), check=True)
    server.start()
    told, moves, stop = {}, [0], threading.Event()

    def play(policy):
        """A few thousand games at a time: no verb runs for hours."""
        left, told[policy] = games // len(POLICIES), {"games": 0, "rounds": 0, "failures": 0, "mismatches": 0}
        while left > 0:
            done = server.cli("rps", "sim", "--url", f"http://127.0.0.1:{server.port}", "--user", "dan", "--policy", policy,
                              "--games", min(left, 3000), "--seed", left, "--connections", "24", "--keep", "--json", check=False)
            if done.returncode != 0:
                told[policy] = done.stderr.decode()
                return
            for key, value in json.loads(done.stdout).items():
                if key in told[policy]:
                    told[policy][key] += value
            left -= 3000

    def move():
        while not stop.wait(1):
            turn = moves[0]
            name = list(POLICIES.values())[turn % 3]
            done = subprocess.run([TOOL, str(server.home), name, str(turn // 3 % 4 + 1), ALIASES[turn // 12 % 4]],
                                  env=server.environment(), capture_output=True)
            moves[0] += done.returncode == 0
            if turn % 30 == 29:
                server.post("/v1/serving/promotion", {})

    players = [threading.Thread(target=play, args=(p,)) for p in POLICIES]
    mover = threading.Thread(target=move)
    begun = time.monotonic()
    for thread in players + [mover]:
        thread.start()
    for thread in players:
        thread.join()
    seconds = time.monotonic() - begun
    stop.set()
    mover.join()
    problems = [f"{p}: {t}" for p, t in told.items() if not isinstance(t, dict) or t["failures"] or t["mismatches"]]
    if problems:
        print("\n".join(problems), file=sys.stderr)
        return 1
    rounds = sum(t["rounds"] for t in told.values())
    stored = server.sql("SELECT COUNT(*) FROM rps_rounds")[0][0]
    over = server.sql("SELECT COUNT(*) FROM rps_games WHERE winner <> 0")[0][0]
    fallbacks = server.sql("SELECT COUNT(*) FROM rps_rounds WHERE source IN (3, 4)")[0][0]
    asked = server.sql("SELECT COUNT(*) FROM rps_rounds WHERE source = 2")[0][0]
    print(json.dumps({"games": over, "rounds": stored, "seconds": round(seconds), "aliasMoves": moves[0], "fallbacks": fallbacks}))
    expected = {"rounds": (stored, rounds), "games over": (over, sum(t["games"] for t in told.values())), "fallbacks": (fallbacks, 0)}
    # Predictions wait a moment in the table that is added up.
    deadline = time.monotonic() + 60
    made = -1
    while made != 4 * asked and time.monotonic() < deadline:
        time.sleep(1)
        made = sum(v for v in (server.metric("rps_model_predictions_by_alias_total"),) if v)
    expected["predictions counted"] = (made, 4 * asked)
    lost = {k: v for k, v in expected.items() if v[0] != v[1]}
    for what, (there, should) in lost.items():
        print(f"{what}: {there}, should be {should}", file=sys.stderr)
    server.close()
    return 1 if lost else 0


if __name__ == "__main__":
    sys.exit(main())
