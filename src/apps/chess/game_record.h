/* SPDX-License-Identifier: GPL-3.0-or-later */
/* game_record.h -- what a game's tags mean: the facts that are kept as columns and searched.
 *
 * PGN tags are free text. Here they become numbers with one meaning: ratings, times, speed class,
 * result, platform, and the key by which a game is recognised when it comes again. Nothing here
 * fails: what cannot be read is unknown.
 */
#ifndef SKERRY_APPS_CHESS_GAME_RECORD_H
#define SKERRY_APPS_CHESS_GAME_RECORD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/rand.h"
#include "base/str.h"
#include "engine/chess/net.h"
#include "engine/chess/pgn.h"

enum chess_platform { CHESS_PLATFORM_PGN, CHESS_LICHESS, CHESS_CHESSCOM, CHESS_PLATFORM_COUNT };

enum { GAME_KEY_BYTES = 16 };
#define GAME_TIME_NONE INT64_MIN /* times before 1970 are negative, so 0 cannot mean unknown */

struct game_record {
    /* Also the game's public id, as UUID (version 8, RFC 9562): the same game gets the same id in
     * every installation. Made from platform and external id where there is one, else from start
     * position, moves, names, date and result. */
    uint8_t key[GAME_KEY_BYTES];
    uint64_t moves_hash; /* start position and moves alone: groups copies of a game in splits */
    enum chess_platform platform;
    char external_id[32]; /* "NRafdioG", "live/998800720"; empty: none */
    str white, black;     /* "?" when the tag is missing */
    str white_title, black_title;
    uint16_t white_rating, black_rating; /* 0: unknown */
    enum chess_result result;
    int8_t rated; /* 1, 0, -1 unknown */
    enum chess_speed speed;
    str time_control;  /* as written */
    int32_t initial_s; /* -1: unknown; seconds a move for correspondence */
    uint16_t increment_s;
    uint32_t date; /* 20211001; unknown parts are 00; 0: unknown */
    int64_t start_ms,
        end_ms;   /* GAME_TIME_NONE: unknown. The end is the start where only that is known */
    uint16_t eco; /* 0..499 or CHESS_ECO_NONE, from the moves, else from the tag */
    str opening;  /* name from the table of openings, else from the tag */
    uint32_t ply_count;
    bool has_clocks, has_evals, has_fen, is_960;
};

/* Slices point into g's tags or into static tables. */
void game_record_of(const struct pgn_game *g, struct game_record *ret_record);

/* The key of a game that is known by its platform's id. */
void game_key_of_external(enum chess_platform platform, str external_id,
                          uint8_t ret_key[GAME_KEY_BYTES]);
void game_id_write(const uint8_t key[GAME_KEY_BYTES], char out[UUID_BYTES]);
/* Reads a game's UUID, or "lichess:NRafdioG", or "chess.com:live/998800720". ERR_NOT_FOUND for
 * anything else: no game can have that id. */
MUST_USE err game_id_parse(str text, uint8_t ret_key[GAME_KEY_BYTES]);

/* ------------------------------------------------------------------ names of values */

const char *chess_platform_name(enum chess_platform platform); /* "LICHESS" */
const char *chess_result_name(enum chess_result result);       /* "WHITE_WIN"; "UNKNOWN" */
/* "WHITE_WIN", also "1-0" and "white"; false when it is none of the names. */
bool chess_result_find(str text, enum chess_result *ret_result);
const char *chess_winner_name(enum chess_result result);      /* "white", "black", "draw" or NULL */
const char *chess_speed_name(enum chess_speed speed);         /* "BLITZ"; "UNKNOWN" */
bool chess_speed_find(str text, enum chess_speed *ret_speed); /* any case */

/* ------------------------------------------------------------------ single tags, for tests */

/* "600+5", "600", "40/7200:3600", "1/86400", "15 min. + 10 s. per move", "-" */
void time_control_read(str text, enum chess_speed *ret_speed, int32_t *ret_initial_s,
                       uint16_t *ret_increment_s);
uint16_t rating_read(str text); /* "1503", "1500?", "?", "-", "": 0 when unknown */
uint32_t date_read(str text);   /* "1955.??.??" is 19550000 */

#endif
