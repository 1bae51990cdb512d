/* SPDX-License-Identifier: GPL-3.0-or-later */
/* kernels.c -- the portable build of the kernels, and the choice between the builds. */
#include "engine/learn/kernels_builds.h"

#include <stdlib.h>

#define LANES_NATIVE 4 /* SSE2 and NEON; elsewhere the compiler splits it */
#define TILE_ROWS 4    /* 8 sums, two of B and one of A: 11 of 16 registers */
#define KERNELS_NAME learn_kernels_portable
#define KERNELS_TEXT "portable"
#include "engine/learn/kernels_body.h"

const struct learn_kernels *learn_kernels_get(enum learn_simd limit)
{
#ifdef SKERRY_KERNELS_X86
    __builtin_cpu_init();
    if (limit >= LEARN_SIMD_AVX512 && __builtin_cpu_supports("avx512f") &&
        __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512dq"))
        return &learn_kernels_avx512;
    if (limit >= LEARN_SIMD_AVX2 && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        return &learn_kernels_avx2;
#endif
    return &learn_kernels_portable;
}

const struct learn_kernels *learn_kernels_best(void)
{
    const char *wish = getenv("SKERRY_SIMD");
    if (wish && strcmp(wish, "portable") == 0)
        return learn_kernels_get(LEARN_SIMD_PORTABLE);
    if (wish && strcmp(wish, "avx2") == 0)
        return learn_kernels_get(LEARN_SIMD_AVX2);
    return learn_kernels_get(LEARN_SIMD_AVX512);
}
