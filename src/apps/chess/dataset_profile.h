/* SPDX-License-Identifier: GPL-3.0-or-later */
/* dataset_profile.h -- what is in a dataset: a line about each column, its quality, its
 * distributions.
 *
 * Taken while rows are written, in constant memory. Counts of distinct values are exact for small
 * ranges (plies, ratings, moves, openings) and estimated by HyperLogLog for the rest, to about one
 * percent.
 */
#ifndef SKERRY_APPS_CHESS_DATASET_PROFILE_H
#define SKERRY_APPS_CHESS_DATASET_PROFILE_H

#include "apps/chess/dataset_file.h"
#include "base/json.h"

/* Counts distinct 64-bit hashes: 16384 registers, standard error 0.8 %. */
enum { DISTINCT_REGISTERS = 16384 };
struct distinct {
    uint8_t registers[DISTINCT_REGISTERS];
};
void distinct_add(struct distinct *d, uint64_t hash);
double distinct_count(const struct distinct *d);

struct dataset_profile;
MUST_USE err dataset_profile_new(struct dataset_profile **ret_profile);
void dataset_profile_free(struct dataset_profile *p); /* accepts NULL */

/* Called before a game's rows. `date` is the game's. */
void dataset_profile_game(struct dataset_profile *p, const struct chess_row_game *game);
/* row's position key must be set. `game` is what dataset_profile_game got last. */
void dataset_profile_row(struct dataset_profile *p, const struct chess_row *row,
                         const struct chess_row_game *game);

/* Writes {"schema":{"columns":[...]},"quality":{...},"stats":{...}} as one object. */
void dataset_profile_write(const struct dataset_profile *p, struct json_out *w);
/* Writes the stats object alone: result, time_category, elo_buckets, ... */
void dataset_profile_stats(const struct dataset_profile *p, struct json_out *w);

#endif
