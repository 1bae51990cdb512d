/* SPDX-License-Identifier: GPL-3.0-or-later */
/* game_store.h -- stored games, found and read back.
 *
 * A game's row says who, when and how it ended; its moves lie in a pack. Routes, exports and
 * whoever else needs a game ask here.
 */
#ifndef SKERRY_APPS_CHESS_GAME_STORE_H
#define SKERRY_APPS_CHESS_GAME_STORE_H

#include "apps/chess/game_record.h"
#include "base/arena.h"
#include "base/json.h"
#include "platform/blobs/blobs.h"
#include "platform/store/store.h"

struct stored_game {
    uint8_t key[GAME_KEY_BYTES];
    enum chess_platform platform;
    str external_id, white, black, white_title, black_title, time_control, opening;
    int64_t white_rating, black_rating; /* 0: unknown */
    enum chess_result result;
    int rated; /* 1, 0, -1 */
    enum chess_speed speed;
    uint32_t date;
    bool has_time;
    int64_t start_ms, end_ms;
    uint16_t eco;
    int64_t plies;
    int flags; /* GAME_HAS_... of ingest_store.h */
    struct blob_id pack;
    uint32_t pack_index;
};

MUST_USE err stored_game_get(struct store *store, const uint8_t key[GAME_KEY_BYTES], arena *keep,
                             struct stored_game *ret_game);

/* Moves, clocks, evals and tags, out of the pack. All of it lives as long as keep. */
MUST_USE err stored_game_read(struct blobs *blobs, const struct stored_game *game, arena *keep,
                              struct pgn_game *ret_game);

/* Writes the members of a game into an open object. */
void stored_game_write(const struct stored_game *game, struct json_out *w);

/* ------------------------------------------------------------------ lists */

struct game_query {
    str player; /* any platform, any case; empty: everybody */
    str opponent;
    enum chess_color color; /* of player, when has_color */
    bool has_color;
    enum chess_result result; /* CHESS_RESULT_UNKNOWN: any */
    int outcome;              /* for player: 1 win, 0 draw, -1 loss, when has_outcome */
    bool has_outcome;
    bool has_since, has_until, has_speed;
    int64_t since_ms, until_ms; /* end of the game, until not included */
    enum chess_speed speed;
    str eco; /* "B", "B2" or "B20" */
    int64_t limit, offset;
};
/* Newest first; games whose time is unknown come last. */
MUST_USE err stored_game_list(struct store *store, const struct game_query *query, arena *keep,
                              struct stored_game **ret_games, size_t *ret_count);

/* "B", "B2", "B20" as a range of chess_games.eco; ERR_INVALID for anything else. */
MUST_USE err eco_range(str text, int *ret_first, int *ret_last);

#endif
