/* SPDX-License-Identifier: GPL-3.0-or-later */
/* choose.h -- the bot's move: gambit, rule, or the move of the highest expected value. */
#ifndef SKERRY_RPS_CHOOSE_H
#define SKERRY_RPS_CHOOSE_H

#include "apps/rps/live.h"
#include "apps/rps/sight.h"

struct rps_choice {
    enum rps_source source;
    unsigned move;
    double p[RPS_MOVES];      /* of the user's move; a third each when nobody was asked */
    double values[RPS_MOVES]; /* what each move of the bot is worth by them */
    struct rps_sight sight;   /* what the models saw; contract-50 is always there */
    int64_t version;          /* that predicted; 0: none */
    const char *why;          /* a fallback's reason, a literal; else NULL */
    bool has_call;
    struct serving_call call; /* with those beside it */
};

/* Which models are asked: those of the game's family, the others beside the game's own. Round
 * `live->game.rounds + 1` with these points. `die` is for bots that throw one. Counts nothing: the
 * round is not stored yet. ERR_BUSY without may_read: it has to be done on a worker; else what the
 * store says. */
MUST_USE err rps_choose_move(struct rps_state *s, const struct rps_live *live,
                             const struct rps_points *points, uint64_t die, bool may_read,
                             struct rps_choice *ret_choice);

/* An answer of one family for what is shown. *ret_why is NULL, or a literal that says why the
 * answer is uniform. Errors as above. */
MUST_USE err rps_ask(struct rps_state *s, enum rps_family family, enum rps_alias alias,
                     bool with_others, struct rps_sight *sight, struct serving_call *ret_call,
                     double ret_p[RPS_MOVES], const char **ret_why);

/* After the last round of a game, which is stored: what was learned of its player is kept. `number`
 * is its rps_games.person_seq. */
void rps_remember(struct rps_state *s, const struct rps_live *after,
                  const struct rps_choice *choice, int64_t number);

#endif
