/* SPDX-License-Identifier: GPL-3.0-or-later */
/* live.h -- games that are being played, in memory: what a round needs without asking the store.
 *
 * The rows are the truth. A game that is not here is read from them; one whose last write failed is
 * dropped, and read again. One request at a time has a game (take, give): so a round number is
 * played once in this process, and the primary key sees to it across processes. Bounded: the game
 * that was used longest ago makes room.
 */
#ifndef SKERRY_RPS_LIVE_H
#define SKERRY_RPS_LIVE_H

#include "apps/rps/policies.h"
#include "apps/rps/rps_app.h"
#include "base/list.h"

struct rps_live {
    char id[RPS_ID_BYTES_MAX + 1];
    int64_t number; /* rps_games.id */
    const struct rps_policy *policy;
    enum rps_alias alias; /* RPS_ALIASES: no model is asked */
    bool has_opening, is_test, is_easy;
    uint8_t opening[RPS_GAMBIT_ROUNDS];
    int64_t version; /* rps_games.model_version */
    char player[RPS_NAME_BYTES_MAX + 1];
    int64_t seen; /* rps_games.person_seen: of the player's games */
    struct rps_game game;
    struct rps_history history;
    struct rps_round rounds[RPS_ROUNDS_MAX]; /* game.rounds of them */

    bool is_busy;          /* guarded by the table's lock; the rest is of whoever has the game */
    struct list_link link; /* by last use */
};

struct rps_live_table;
MUST_USE err rps_live_open(size_t games_max, struct rps_live_table **ret_table);
void rps_live_close(struct rps_live_table *t); /* accepts NULL */
size_t rps_live_count(struct rps_live_table *t);

enum rps_take { RPS_TAKEN, RPS_TAKEN_BY_OTHERS, RPS_NOT_HERE };
enum rps_take rps_live_take(struct rps_live_table *t, str id, struct rps_live **ret_live);
void rps_live_give(struct rps_live_table *t, struct rps_live *live);
/* The caller has it and does not trust it any more. */
void rps_live_drop(struct rps_live_table *t, struct rps_live *live);

/* A new game from the heap, all zero, which is nobody's yet. */
MUST_USE err rps_live_new(struct rps_live **ret_live);
/* Puts it into the table, taken by the caller. When one of that id is there, `live` is freed and
 * the other is taken instead, if that is possible. Full of games in use: RPS_NOT_HERE, freed. */
enum rps_take rps_live_add(struct rps_live_table *t, struct rps_live *live,
                           struct rps_live **ret_live);

/* The state after a round that is stored. */
void rps_live_advance(struct rps_live *live, const struct rps_game *game,
                      const struct rps_round *round);

#endif
