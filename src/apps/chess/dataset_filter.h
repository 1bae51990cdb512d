/* SPDX-License-Identifier: GPL-3.0-or-later */
/* dataset_filter.h -- which games and which of their positions go into a dataset, and into which
 * split.
 *
 * A filter is JSON. What concerns whole games becomes SQL, what concerns positions is tested while
 * games are replayed. Unknown keys are refused: a misspelt filter must not silently select
 * everything.
 */
#ifndef SKERRY_APPS_CHESS_DATASET_FILTER_H
#define SKERRY_APPS_CHESS_DATASET_FILTER_H

#include "apps/chess/dataset_file.h"
#include "base/arena.h"
#include "base/json.h"
#include "platform/store/store.h"

enum {
    ROW_FILTER_LIST_MAX = 32, /* values in one list */
    ROW_FILTER_ARGS_MAX = 96,
};

enum chess_phase { CHESS_OPENING_PHASE, CHESS_MIDDLEGAME, CHESS_ENDGAME, CHESS_PHASE_COUNT };

struct row_filter {
    /* games */
    str player;           /* lower case; empty: anybody */
    int min_elo, max_elo; /* of both players; 0: any */
    bool has_since, has_until;
    int64_t since_ms, until_ms; /* end of the game; until not included */
    str time_control;           /* as written in the game */
    unsigned speeds;            /* bit n = enum chess_speed n; 0: any */
    unsigned platforms;         /* bit n = enum chess_platform n; 0: any */
    struct {
        int first, last;
    } eco[ROW_FILTER_LIST_MAX];
    size_t eco_count;
    enum chess_result result;         /* CHESS_RESULT_UNKNOWN: any */
    int rated;                        /* -1: any */
    str sources[ROW_FILTER_LIST_MAX]; /* imports: run id, or what they were filed under */
    size_t source_count;
    /* positions */
    int color;            /* with a player: his colour; else the side to move; -1: any */
    bool own_moves;       /* only where the player is to move */
    unsigned phases;      /* bit n = enum chess_phase n; 0: any */
    int min_ply, max_ply; /* from 0; max -1: any */
    double min_clock_s;   /* the mover had at least that; 0: any */
    int64_t limit;        /* rows; 0: all */
};

/* filter may be NULL or null: everything. ERR_INVALID names the field and what it takes. */
MUST_USE err row_filter_parse(const struct json *filter, arena *keep,
                              struct row_filter *ret_filter);

/* Appends " AND ..." for table alias g, with values from ?(*count + 1) on. */
MUST_USE err row_filter_sql(const struct row_filter *f, struct buf *sql,
                            struct store_value values[ROW_FILTER_ARGS_MAX], size_t *count);

/* `player_color` is the filter's player's colour in this game, or -1 when there is no such filter.
 */
bool row_filter_has(const struct row_filter *f, const struct chess_position *p, size_t ply,
                    uint32_t clock_cs, int player_color);

const char *chess_phase_name(enum chess_phase phase); /* "opening" */
enum chess_phase chess_phase_of(const struct chess_position *p, size_t ply);

/* ------------------------------------------------------------------ splits */

struct split_plan {
    bool by_time; /* oldest games train, newest test; else by a hash of the game's moves */
    double share[CHESS_SPLIT_COUNT]; /* sums to 1 */
    uint64_t seed;
    int64_t valid_from_ms, test_from_ms; /* by time; set by the builder */
};

/* {"by":"game","train":0.8,"valid":0.1,"test":0.1,"seed":42}; absent or null: that. */
MUST_USE err split_plan_parse(const struct json *split, struct split_plan *ret_plan);

/* The same game always falls into the same split, and so do its copies with equal moves. */
enum chess_split split_plan_of(const struct split_plan *plan, uint64_t moves_hash, int64_t end_ms);

#endif
