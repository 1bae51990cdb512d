/* SPDX-License-Identifier: GPL-3.0-or-later */
/* promotion_contract.c -- swap on the better win rate, challengers in the order of their accuracy.
 */
#include "engine/rps/promotion_contract.h"

#include <math.h>

const char *rps_decision_name(enum rps_decision decision)
{
    static const char *const names[] = { "swap_production_b", "retain_production",
                                         "insufficient_data" };
    return names[decision];
}

static double share(struct rps_share s)
{
    return s.total ? (double)s.hits / (double)s.total : 0;
}

/* One-sided test of two shares with the pooled variance; nothing when there is no variance. */
static void compare(struct rps_share production, struct rps_share b, struct rps_promotion *ret)
{
    double total = (double)(production.total + b.total);
    double pooled = (double)(production.hits + b.hits) / total;

    ret->has_z = pooled > 0 && pooled < 1;
    if (!ret->has_z)
        return;
    double spread = sqrt(pooled * (1 - pooled) *
                         (1 / (double)b.total + 1 / (double)production.total));
    ret->z = (share(b) - share(production)) / spread;
    ret->p = 0.5 * erfc(ret->z / sqrt(2.0));
}

/* Whether the model of alias x goes before that of y. */
static bool is_before(const struct rps_promotion_input *in, enum rps_alias x, enum rps_alias y)
{
    double x_share = share(in->accuracy[x]), y_share = share(in->accuracy[y]);
    if (x_share != y_share)
        return x_share > y_share;
    return in->accuracy[x].total > in->accuracy[y].total;
}

static int64_t since(bool has_baseline, int64_t now, int64_t then)
{
    return has_baseline && now >= then ? now - then : now;
}

void rps_promotion_decide(const struct rps_promotion_input *in, struct rps_promotion *ret)
{
    struct rps_share production = in->games[RPS_PRODUCTION], b = in->games[RPS_B];
    struct rps_promotion made = { .decision = RPS_TOO_LITTLE };
    enum rps_alias slots[RPS_ALIASES] = { RPS_PRODUCTION, RPS_B, RPS_SHADOW1, RPS_SHADOW2 };

    if (production.total >= RPS_PROMOTION_GAMES_MIN && b.total >= RPS_PROMOTION_GAMES_MIN) {
        compare(production, b, &made);
        made.decision = share(b) > share(production) ? RPS_SWAP : RPS_RETAIN;
    }
    bool is_swap = made.decision == RPS_SWAP;
    if (is_swap) {
        slots[RPS_PRODUCTION] = RPS_B;
        slots[RPS_B] = RPS_PRODUCTION;
    }

    /* insertion keeps the order of slots where nothing else decides */
    made.source[RPS_PRODUCTION] = slots[RPS_PRODUCTION];
    for (int i = RPS_B; i < RPS_ALIASES; i++) {
        int at = i;
        for (; at > RPS_B && is_before(in, slots[i], made.source[at - 1]); at--)
            made.source[at] = made.source[at - 1];
        made.source[at] = slots[i];
    }
    for (int i = 0; i < RPS_ALIASES; i++) {
        made.accuracy[i] = share(in->accuracy[made.source[i]]);
        made.is_reordered = made.is_reordered ||
                            (i != RPS_PRODUCTION && made.source[i] != slots[i]);
    }
    if (!is_swap) {
        made.production_games_since_swap = since(in->has_baseline, production.total,
                                                 in->baseline_production_games);
        made.b_games_since_swap = since(in->has_baseline, b.total, in->baseline_b_games);
        made.cycles_since_swap = in->cycles_since_swap + 1;
    }
    *ret = made;
}
