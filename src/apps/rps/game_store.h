/* SPDX-License-Identifier: GPL-3.0-or-later */
/* game_store.h -- games and rounds as rows. */
#ifndef SKERRY_RPS_GAME_STORE_H
#define SKERRY_RPS_GAME_STORE_H

#include "apps/rps/choose.h"

struct rps_new_game {
    const struct rps_live *live; /* id, policy, alias, opening, is_test */
    str session_id, player_name;
    const char *opening_name; /* NULL: none */
    int64_t now_ms;
};
/* *ret_number is rps_games.id, *ret_seen is person_seen. */
MUST_USE err rps_game_insert(struct store_tx *tx, const struct rps_new_game *game,
                             int64_t *ret_number, int64_t *ret_seen);

/* One round, and what it changes in its game. ERR_CONFLICT: somebody else played that number.
 * *ret_person_seq is the game's number among those of its player when it ends with this round and
 * is remembered; else 0. */
struct rps_new_round {
    const struct rps_live *live; /* as it was before */
    const struct rps_round *round;
    const struct rps_game *after;
    const struct rps_choice *choice;
    int64_t version; /* of the game after the round, see rps_games.model_version */
    const char *run_id;
    int64_t now_ms;
};
MUST_USE err rps_round_insert(struct store_tx *tx, const struct rps_new_round *round,
                              int64_t *ret_person_seq);

/* A game with all rounds, as it stands. ERR_NOT_FOUND; ERR_CONFLICT for an imported game, which
 * cannot be played on. */
MUST_USE err rps_game_read(struct store_read *rd, str id, struct rps_live *ret_live);

/* The choice of a stored round: source, version and probabilities; features and values are made
 * again from `before`, the game before that round. ERR_NOT_FOUND. */
MUST_USE err rps_choice_read(struct store_read *rd, const struct rps_live *before,
                             int64_t round_number, struct rps_choice *ret_choice);

/* The choices of all rounds that `live` has, without features and values. */
MUST_USE err rps_choices_read(struct store_read *rd, const struct rps_live *live,
                              struct rps_choice *choices);

/* A game and its rounds without HTTP, committed on return: start.c and play.c. The answer of a
 * round is what /play says. */
MUST_USE err rps_start_now(struct rps_state *s, const struct rps_policy *policy, str player_name,
                           struct rps_live *ret_live);
MUST_USE err rps_play_now(struct rps_state *s, struct rps_live *live, unsigned move,
                          struct json_out *w);

#endif
