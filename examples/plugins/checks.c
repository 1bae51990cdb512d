/* SPDX-License-Identifier: CC0-1.0 */
/* checks.c -- the tutorial plugin: who gave more checks? docs/plugins.md walks through it.
 *
 *     skerry plugin build examples/plugins/checks.c
 *     skerry chess analyse
 *     curl -s http://127.0.0.1:8001/v1/analytics/checks/results?limit=3
 */
#include <skerry/plugin.h>

static int analyse(const struct skerry_game *g, struct skerry_result *r)
{
    int white = 0, black = 0;
    for (int i = 0; i < g->plies; i++) {
        if (!(g->moves[i].flags & SKERRY_CHECK))
            continue;
        if (g->moves[i].piece & SKERRY_BLACK)
            black++;
        else
            white++;
    }
    r->set_int(r, "white", white);
    r->set_int(r, "black", black);
    return SKERRY_DONE;
}

/* Change the version when the meaning of the answer changes: all games are then looked at again. */
SKERRY_PLUGIN(checks, "1", "Counts the checks that each side gave.", analyse)
