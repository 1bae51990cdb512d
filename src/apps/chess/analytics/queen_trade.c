/* SPDX-License-Identifier: GPL-3.0-or-later */
/* queen_trade -- were the queens exchanged, when, and who took first?
 *
 * A trade is a queen taken and the other side's queen taken in answer by the very next move. */
#include <skerry/plugin.h>

static int is_queen(uint8_t piece)
{
    return (piece & 7) == SKERRY_QUEEN;
}

static int analyse(const struct skerry_game *g, struct skerry_result *r)
{
    for (int32_t i = 0; i + 1 < g->plies; i++) {
        const struct skerry_move *first = &g->moves[i], *second = &g->moves[i + 1];
        if (!is_queen(first->captured) || !is_queen(second->captured))
            continue;
        r->set_bool(r, "traded", 1);
        r->set_int(r, "ply", i + 1);
        r->set_text(r, "first_to_take", first->piece & SKERRY_BLACK ? "black" : "white");
        r->set_text(r, "move_san", first->san);
        return SKERRY_DONE;
    }
    r->set_bool(r, "traded", 0);
    return SKERRY_DONE;
}

SKERRY_PLUGIN(queen_trade, "1", "Tells whether the queens were exchanged, and when.", analyse)
