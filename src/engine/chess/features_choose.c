/* SPDX-License-Identifier: GPL-3.0-or-later */
/* features_choose.c -- which build of feature extraction runs; features_view.h says why there are
 * two. */
#include "engine/chess/features.h"

features_fn *features_fast(void)
{
#ifdef SKERRY_FEATURES_X86
    /* processors with AVX2 have all of these, but hypervisors can hide some */
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") &&
        __builtin_cpu_supports("bmi2") && __builtin_cpu_supports("popcnt"))
        return features_extract_avx2;
#endif
    return NULL;
}

void features_extract(const struct chess_position *p, const struct chess_conditions *conditions,
                      const chess_move *moves, int move_count, struct features *out)
{
    features_fn *fast = features_fast();
    (fast ? fast : features_extract_plain)(p, conditions, moves, move_count, out);
}
