/* SPDX-License-Identifier: GPL-3.0-or-later */
/* castling -- who castled where and when, and whether both went to opposite sides. */
#include <skerry/plugin.h>

static int analyse(const struct skerry_game *g, struct skerry_result *r)
{
    const char *side[2] = { "none", "none" };
    int32_t ply[2] = { 0, 0 };
    for (int32_t i = 0; i < g->plies; i++) {
        const struct skerry_move *m = &g->moves[i];
        int color = m->piece & SKERRY_BLACK ? 1 : 0;
        if (m->flags & (SKERRY_CASTLE_KING | SKERRY_CASTLE_QUEEN)) {
            side[color] = m->flags & SKERRY_CASTLE_KING ? "king" : "queen";
            ply[color] = i + 1;
        }
    }
    r->set_text(r, "white", side[0]);
    r->set_text(r, "black", side[1]);
    if (ply[0])
        r->set_int(r, "white_ply", ply[0]);
    if (ply[1])
        r->set_int(r, "black_ply", ply[1]);
    r->set_bool(r, "opposite", ply[0] && ply[1] && side[0][0] != side[1][0]);
    return SKERRY_DONE;
}

SKERRY_PLUGIN(castling, "1", "Tells who castled where and when.", analyse)
