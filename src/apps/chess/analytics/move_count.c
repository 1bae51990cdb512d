/* SPDX-License-Identifier: GPL-3.0-or-later */
/* move_count -- how long the game was. */
#include <skerry/plugin.h>

static int analyse(const struct skerry_game *g, struct skerry_result *r)
{
    r->set_int(r, "move_count", g->plies);
    r->set_int(r, "full_moves", (g->plies + 1) / 2);
    return SKERRY_DONE;
}

SKERRY_PLUGIN(move_count, "1", "Counts the half moves of a game.", analyse)
