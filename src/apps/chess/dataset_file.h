/* SPDX-License-Identifier: GPL-3.0-or-later */
/* dataset_file.h -- a dataset of positions: fixed-size rows in one memory-mapped file.
 *
 * A file holds the rows of each split one after another, and a table of the games they come from.
 * It is written once, in that order, and then only read: row n of a split is found by a
 * multiplication, so a shuffled walk over a hundred million rows needs no copy and no memory. The
 * format is described, byte by byte, at the top of dataset_file.c.
 *
 * For training: chess_dataset_open, then chess_dataset_source for each split.
 */
#ifndef SKERRY_APPS_CHESS_DATASET_FILE_H
#define SKERRY_APPS_CHESS_DATASET_FILE_H

#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "engine/chess/net.h"
#include "platform/blobs/blobs.h"
#include "platform/track/track.h"

enum chess_split { CHESS_TRAIN, CHESS_VALID, CHESS_TEST, CHESS_SPLIT_COUNT };
const char *chess_split_name(enum chess_split split); /* "train" */
/* "train", "valid" (also "val"), "test"; ERR_INVALID names the three. */
MUST_USE err chess_split_parse(str text, enum chess_split *ret_split);

enum {
    CHESS_ROW_BYTES = 48,
    CHESS_ROW_GAME_BYTES = 48,
    CHESS_ECO_NONE = 0xFFFF,
    CHESS_DATASET_SCHEMA = 1, /* version of the row format */
};

/* A row, unpacked: what the network learns from, and what else is known at that move. */
struct chess_row {
    struct chess_sample sample;
    uint32_t clock_cs; /* what the mover had left before the move, or PGN_CLOCK_NONE */
    int16_t eval_cp;   /* white's view after the move, or PGN_EVAL_NONE */
};

/* Where rows come from. */
struct chess_row_game {
    uint8_t key[16];    /* the game's id, see game_record.h */
    uint64_t first_row; /* within its split */
    uint32_t row_count;
    uint8_t split;                       /* enum chess_split */
    uint8_t result;                      /* enum chess_result */
    uint8_t speed;                       /* enum chess_speed */
    uint8_t platform;                    /* enum chess_platform */
    uint16_t white_rating, black_rating; /* 0: unknown */
    uint32_t date;                       /* 20261121; parts that are not known are 00 */
    int32_t initial_s;                   /* time control; -1: unknown */
    uint16_t increment_s;
    uint16_t eco; /* 0..499 for A00..E99, or CHESS_ECO_NONE */
};

/* "B20" for 120; "" for CHESS_ECO_NONE. */
void chess_eco_write(uint16_t eco, char out[4]);
uint16_t chess_eco_parse(str text); /* CHESS_ECO_NONE unless it starts with A00..E99 */

/* ------------------------------------------------------------------ rows and games as bytes */

/* False, with out untouched, when the position cannot be held: more than 32 pieces. */
bool chess_row_pack(const struct chess_row *row, unsigned char out[CHESS_ROW_BYTES]);
void chess_row_unpack(const unsigned char bytes[CHESS_ROW_BYTES], struct chess_row *ret_row);
void chess_row_game_pack(const struct chess_row_game *game,
                         unsigned char out[CHESS_ROW_GAME_BYTES]);
void chess_row_game_unpack(const unsigned char bytes[CHESS_ROW_GAME_BYTES],
                           struct chess_row_game *ret_game);

enum { CHESS_DATASET_HEAD_BYTES = 16, CHESS_DATASET_FOOT_BYTES = 64 };
void chess_dataset_head(unsigned char out[CHESS_DATASET_HEAD_BYTES]);
void chess_dataset_foot(const uint64_t rows[CHESS_SPLIT_COUNT], uint64_t games,
                        unsigned char out[CHESS_DATASET_FOOT_BYTES]);

/* ------------------------------------------------------------------ a file, read */

struct chess_dataset;

/* Maps the dataset's blob. ERR_CONFLICT while it is not ready, ERR_UNSUPPORTED for a newer format,
 * ERR_CORRUPT. Any thread may read it; close when no reader is left. */
MUST_USE err chess_dataset_open(struct blobs *blobs, const struct dataset_info *info,
                                struct chess_dataset **ret_dataset);
/* The same over bytes that the caller keeps. */
MUST_USE err chess_dataset_open_bytes(str bytes, struct chess_dataset **ret_dataset);
void chess_dataset_close(struct chess_dataset *ds); /* accepts NULL */

size_t chess_dataset_rows(const struct chess_dataset *ds, enum chess_split split);
size_t chess_dataset_rows_all(const struct chess_dataset *ds);
size_t chess_dataset_games(const struct chess_dataset *ds);
/* index < rows of that split */
void chess_dataset_row(const struct chess_dataset *ds, enum chess_split split, size_t index,
                       struct chess_row *ret_row);
/* index < games; chess_sample.game is such an index. */
void chess_dataset_game(const struct chess_dataset *ds, size_t index,
                        struct chess_row_game *ret_game);

/* Random access for training and judging. Valid until ds is closed; thread-safe. */
void chess_dataset_source(struct chess_dataset *ds, enum chess_split split,
                          struct chess_sample_source *ret_source);

#endif
