/* SPDX-License-Identifier: GPL-3.0-or-later */
/* split.c -- parts by hash and by time. The hash is a strong mixer over the whole 64 bits, so that
 * neighbouring numbers (games of one file) are independent, and one seed's split tells nothing
 * about another's. */
#include "engine/learn/split.h"

#include <stdlib.h>

#include "base/rand.h"

err learn_shares_check(const struct learn_shares *shares)
{
    if (!(shares->valid >= 0 && shares->valid < 1))
        return ERR(ERR_INVALID, "the share for validation is %g; give a number from 0 to below 1",
                   shares->valid);
    if (!(shares->test >= 0 && shares->test < 1))
        return ERR(ERR_INVALID, "the share for testing is %g; give a number from 0 to below 1",
                   shares->test);
    if (shares->valid + shares->test >= 1)
        return ERR(ERR_INVALID, "validation (%g) and test (%g) leave nothing to train on",
                   shares->valid, shares->test);
    return OK;
}

enum learn_part learn_split_group(uint64_t seed, uint64_t group, const struct learn_shares *shares)
{
    double unit = (double)(rand_mix(rand_mix(seed) ^ group) >> 11) * 0x1p-53;
    if (unit < shares->test)
        return LEARN_TEST;
    if (unit < shares->test + shares->valid)
        return LEARN_VALID;
    return LEARN_TRAIN;
}

uint64_t learn_split_key(str key)
{
    /* FNV-1a, then mixed: its low bits alone are weak */
    uint64_t hash = 0xCBF29CE484222325u;
    for (size_t i = 0; i < key.len; i++)
        hash = (hash ^ (unsigned char)key.ptr[i]) * 0x100000001B3u;
    return rand_mix(hash);
}

static int time_cmp(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* The first time of the newest `share` of the sorted times; INT64_MAX when that is none. */
static int64_t cut_at(const int64_t *sorted, size_t count, double share)
{
    size_t newest = (size_t)(share * (double)count + 0.5);
    return newest == 0 ? INT64_MAX : sorted[count - newest];
}

void learn_split_times(int64_t *times, size_t count, const struct learn_shares *shares,
                       struct learn_time_cuts *ret_cuts)
{
    if (count > 0)
        qsort(times, count, sizeof times[0], time_cmp);
    struct learn_time_cuts cuts;
    cuts.test_from = cut_at(times, count, shares->test);
    cuts.valid_from = cut_at(times, count, shares->test + shares->valid);
    *ret_cuts = cuts;
}

enum learn_part learn_split_time(int64_t time, const struct learn_time_cuts *cuts)
{
    if (time >= cuts->test_from)
        return LEARN_TEST;
    return time >= cuts->valid_from ? LEARN_VALID : LEARN_TRAIN;
}

const char *learn_part_name(enum learn_part part)
{
    switch (part) {
    case LEARN_TRAIN:
        return "train";
    case LEARN_VALID:
        return "valid";
    case LEARN_TEST:
        return "test";
    }
    return "?";
}
