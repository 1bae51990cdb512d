/* SPDX-License-Identifier: GPL-3.0-or-later */
/* play_store.h -- games of a person against a model, as rows: every acknowledged move is on disk.
 *
 * A game is its rows: each request reads them, plays the moves again (microseconds), adds what is
 * new and commits. Nothing is kept in memory, so nothing is lost with the process, and two servers
 * could share it.
 */
#ifndef SKERRY_APPS_CHESS_PLAY_STORE_H
#define SKERRY_APPS_CHESS_PLAY_STORE_H

#include "apps/chess/match.h"
#include "base/rand.h"
#include "engine/chess/net.h"
#include "platform/store/store.h"

struct play {
    char id[UUID_BYTES];
    str username, model_name, model_version;
    enum chess_color person;            /* the colour the person plays */
    struct chess_conditions conditions; /* what the model pretends to be, and whom it meets */
    double temperature;
    int64_t top_k;
    int64_t initial_ms, increment_ms; /* initial 0: no clock */
    int64_t clock_ms[2];              /* left, by colour, when the last move was made */
    int64_t created_ms, turn_since_ms;
    int64_t taken_back; /* plies; such a game is not used for training */
    bool use_for_training, published;
    struct match_game *game;
    int64_t *spent_ms; /* by ply */
};

/* ERR_NOT_FOUND for an unknown id. The game is played again from its rows. */
MUST_USE err play_read(struct store_read *rd, str id, arena *keep, struct play *ret_play);
MUST_USE err play_insert(struct store_tx *tx, const struct play *p, str start_fen);
/* Adds the plies from `from` on and writes the clocks and the result. ERR_CONFLICT when another
 * request has added that ply first. */
MUST_USE err play_update(struct store_tx *tx, const struct play *p, size_t from);
/* Removes the plies from `plies` on. */
MUST_USE err play_cut(struct store_tx *tx, const struct play *p, size_t plies);

#endif
