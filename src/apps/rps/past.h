/* SPDX-License-Identifier: GPL-3.0-or-later */
/* past.h -- a person's finished games, as rows.
 *
 * Who has a name of their own is remembered. A finished game gets the next of its player's numbers
 * (rps_games.person_seq) in the transaction that finishes it; a new game notes how many there were
 * (person_seen), in the one that begins it. So what a game knows of its player is a fact in the
 * store, the same for every server, after every restart, and for a training years later.
 */
#ifndef SKERRY_RPS_PAST_H
#define SKERRY_RPS_PAST_H

#include "engine/rps/player_past.h"
#include "platform/store/store.h"

/* False for "" and for the names that /start_game gives to those who say none ("Player-4F2"). */
bool rps_is_person(str name);

/* Some of a person's games, by number. All zero is none. */
struct rps_finished {
    int64_t first; /* number of the first */
    size_t game_count, turn_count;
    struct rps_finished_game {
        size_t first, count; /* turns */
        int64_t id; /* rps_games.id; 0: that game is gone, and counts as one of no rounds */
    } * games;
    struct rps_turn *turns;
};
/* Games `from` to `to`; `from` > `to`: none. */
MUST_USE err rps_past_read(struct store_read *rd, str name, int64_t from, int64_t to,
                           struct rps_finished *ret_past);
void rps_past_deinit(struct rps_finished *past); /* accepts all zero */
/* For rps_recall_to; arg is a struct rps_finished. ERR_INTERNAL for a game that was not read. */
rps_past_game rps_past_turns;

/* How many finished games this name has. */
MUST_USE err rps_past_count(struct store_read *rd, str name, int64_t *ret_count);

#endif
