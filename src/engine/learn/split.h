/* SPDX-License-Identifier: GPL-3.0-or-later */
/* split.h -- which rows train, which validate and which test, so that nothing leaks between them.
 *
 * By group: rows of one group (a game, a player) always land in the same part, decided by a hash of
 * the seed and the group's number. A group keeps its part when others are added or removed, and the
 * shares are met only on average. By time: the oldest train, the newest test, cut at whole
 * instants.
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

const char *learn_part_name(enum learn_part part); /* "train", "valid", "test" */

#endif
