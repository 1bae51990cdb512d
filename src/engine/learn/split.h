/* SPDX-License-Identifier: GPL-3.0-or-later */
/* split.h -- which rows train, which validate and which test, so that nothing leaks between them.
 *
 * By group: rows of one group (a game, a player) always land in the same part, decided by a hash of
 * the seed and the group's number. A group keeps its part when others are added or removed, and the
 * shares are met only on average. By time: the oldest train, the newest test, cut at whole
 * instants. And three for small tables whose rows carry their group, where shares must be met and
 * whole groups as well: in order of time, every n-th group, and folds for cross-validation.
 */
#ifndef SKERRY_LEARN_SPLIT_H
#define SKERRY_LEARN_SPLIT_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

enum learn_part { LEARN_TRAIN, LEARN_VALID, LEARN_TEST };

/* Shares of 1; the rest trains. */
struct learn_shares {
    double valid, test;
};

/* ERR_INVALID unless both shares are in 0..1 and leave something to train on. */
MUST_USE err learn_shares_check(const struct learn_shares *shares);

enum learn_part learn_split_group(uint64_t seed, uint64_t group, const struct learn_shares *shares);
/* The group of a text key ("https://lichess.org/abcdefgh", a player's name). The same on any
 * machine. */
uint64_t learn_split_key(str key);

/* Rows before valid_from train, rows before test_from validate, the others test. */
struct learn_time_cuts {
    int64_t valid_from, test_from;
};
/* Finds the cuts for the shares. Sorts `times`. Equal times are never cut apart, so a part may come
 * out smaller or empty. count 0 puts everything into training. */
void learn_split_times(int64_t *times, size_t count, const struct learn_shares *shares,
                       struct learn_time_cuts *ret_cuts);
enum learn_part learn_split_time(int64_t time, const struct learn_time_cuts *cuts);

/* The three below take the group of each row, look at nothing else but what they say, and give all
 * rows of a group the same part. ERR_NO_MEMORY; nothing is written then. `parts` holds `count`. */

/* Groups in the order of their earliest time (of their first row, where that is equal): the oldest
 * train, the newest test. Cut between groups, where it is nearest to the shares of the rows; with
 * enough groups no part that has a share is empty. */
MUST_USE err learn_split_chronological(const uint64_t *groups, const int64_t *times, size_t count,
                                       const struct learn_shares *shares, enum learn_part *parts);
/* Of the groups in the order in which they first appear, every `nth` (2 or more) validates: the
 * one after nth - 1 others. The rest trains. */
MUST_USE err learn_split_every(const uint64_t *groups, size_t count, size_t nth,
                               enum learn_part *parts);
/* Shuffles the groups and gives each to the fold that has the fewest rows, the first of equals.
 * `fold_count` 2 to LEARN_FOLDS_MAX; fold_of[row] is below it. */
enum { LEARN_FOLDS_MAX = 16 };
MUST_USE err learn_split_folds(const uint64_t *groups, size_t count, size_t fold_count,
                               uint64_t seed, uint8_t *fold_of);

const char *learn_part_name(enum learn_part part); /* "train", "valid", "test" */

#endif
