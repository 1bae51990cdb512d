# SPDX-License-Identifier: GPL-3.0-or-later
"""The addresses of the web UI's views that show something on the server of the loop (World): each page, each of its tabs, one of
each thing. Tests of what every view owes its reader go through them."""
import contextlib

from world import World

# Tables that are wider than what they stand in.
WIDE = """() => [...document.querySelectorAll('main [data-table]')]
  .filter((box) => [...box.querySelectorAll('[role=group]')].some((pane) => pane.querySelector('table') && pane.scrollWidth > pane.clientWidth))
  .map((box) => box.dataset.table)"""


def of_world():
    """Paths below /ui. The plugins have run; what is compared are two runs of the loop."""
    ask = World.must
    player = ask("GET", "/v1/games/recent?limit=1")[0]["white"].replace(" ", "%20")
    game = ask("GET", "/v1/games/recent?limit=1")[0]["id"]
    evaluation = ask("GET", "/v1/evaluations")["items"][0]["id"]
    runs = [r["runId"] for r in ask("GET", "/v1/runs?limit=50")["items"]]
    job = ask("GET", "/v1/jobs?status=succeeded&limit=1")["items"][0]["id"]
    dataset, training, match, model = World.dataset["id"], World.training["runId"], World.match["runId"], World.model["modelId"]
    return [
        "/", "/runs", f"/runs/compare?runs={','.join(runs[:3])}", "/runs/new",
        *(f"/runs/{training}?tab={tab}" for tab in ("metrics", "params", "assets", "artifacts", "tags", "log")),
        "/models", "/models?tab=serving", f"/models/{model}",
        "/datasets", *(f"/datasets/{dataset}?tab={tab}" for tab in ("profile", "quality", "sample", "versions", "origin", "export")), "/datasets/new",
        f"/lineage/{dataset}",
        *(f"/jobs?tab={tab}" for tab in ("queue", "schedules", "workers", "outbox")), f"/jobs/{job}",
        "/logs", "/metrics", "/metrics?tab=query",
        *(f"/settings?tab={tab}" for tab in ("settings", "keys", "users", "audit", "doctor", "maintenance", "prefs")),
        "/api", "/api/post_v1_predict",
        "/games", f"/games?player={player}", f"/games/{game}", "/player", f"/player?name={player}",
        "/plugins", "/plugins/move_count", "/plugins/largest_swing",
        "/judged", "/judged?tab=matches", f"/judged/{evaluation}", f"/judged/matches/{match}", "/judged/new", "/judged/matches/new",
        "/play", f"/play/{World.play['gameId']}",
        "/rps", "/rps?tab=boards", "/rps?tab=promotions",
    ]


def settled(page):
    """All that the view asks for first has come, the German of the server's sentences, too. Not "networkidle": some views ask
    again and again, or listen."""
    page.wait_for_function("() => !document.querySelector('main [role=status] > svg') && !document.querySelector('main span.invisible')")


@contextlib.contextmanager
def opened(test, path, **how):
    """The view, settled; closed again, since it goes on asking."""
    page = test.open(path, **how)
    settled(page)
    try:
        yield page
    finally:
        page.context.close()
