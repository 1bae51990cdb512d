/* SPDX-License-Identifier: GPL-3.0-or-later */
/* largest_swing -- the move that changed the evaluation most.
 *
 * Evaluations are those in the game's comments (white's view), clamped to ten pawns as in the
 * reference, where mate counts as ten; so an already lost game does not swing. The start counts as
 * 0.3 pawns. */
#include <skerry/plugin.h>

#include <stdlib.h>

enum { CLAMP_CP = 1000, START_CP = 30, MATE_CP = 30000 };

static int32_t clamp(int32_t cp)
{
    return cp > CLAMP_CP ? CLAMP_CP : cp < -CLAMP_CP ? -CLAMP_CP : cp;
}

static int analyse(const struct skerry_game *g, struct skerry_result *r)
{
    int32_t before = START_CP, largest = 0, best_ply = -1;
    for (int32_t i = 0; i < g->plies; i++) {
        int32_t eval = g->moves[i].eval_cp;
        if (eval == SKERRY_EVAL_NONE)
            continue; /* a gap is bridged: the swing belongs to the next move that is known */
        int32_t swing = clamp(eval) - before;
        if (best_ply < 0 || abs(swing) > abs(largest)) {
            largest = swing;
            best_ply = i;
        }
        before = clamp(eval);
    }
    if (best_ply < 0)
        return SKERRY_SKIPPED;
    const struct skerry_move *m = &g->moves[best_ply];
    r->set_real(r, "swing_eval", abs(largest) / 100.0);
    r->set_int(r, "ply", best_ply + 1);
    r->set_text(r, "move_san", m->san);
    r->set_text(r, "move_uci", m->uci);
    if (abs(m->eval_cp) > MATE_CP)
        r->set_int(r, "forced_mate_in", 32000 - abs(m->eval_cp));
    return SKERRY_DONE;
}

SKERRY_PLUGIN_NEEDING(largest_swing, "1", "Finds the move that changed the evaluation most.",
                      analyse, SKERRY_NEEDS_EVALS)
