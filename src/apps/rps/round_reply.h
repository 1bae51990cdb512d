/* SPDX-License-Identifier: GPL-3.0-or-later */
/* round_reply.h -- what /play answers about one round. */
#ifndef SKERRY_RPS_ROUND_REPLY_H
#define SKERRY_RPS_ROUND_REPLY_H

#include "apps/rps/choose.h"

struct rps_round_reply {
    const struct rps_live *live; /* before the round */
    const struct rps_game *after;
    const struct rps_round *round;
    const struct rps_choice *choice;
    const char *run_id; /* of the version that predicted; "" */
    bool is_replayed;   /* the round was played before, this is the same answer again */
};
void rps_write_round(struct json_out *w, const struct rps_round_reply *r);
/* Members of it: the bot's move, the result, what it brought, the scores after it, and what the
 * moves were worth. */
void rps_write_outcome(struct json_out *w, const struct rps_round *round);
/* {"rock":..,"paper":..,"scissors":..} */
void rps_write_moves(struct json_out *w, const char *name, const double values[RPS_MOVES]);

#endif
