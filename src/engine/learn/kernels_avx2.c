/* SPDX-License-Identifier: GPL-3.0-or-later */
/* kernels_avx2.c -- the kernels for processors with AVX2 and FMA. meson.build compiles this file,
 * and only it, with those instructions: nothing here may be called before learn_kernels_get has
 * looked. */
#include "engine/learn/kernels_builds.h"

#define LANES_NATIVE 8
#define TILE_ROWS 6 /* 12 sums, two of B and one of A: 15 of 16 registers */
#define KERNELS_NAME learn_kernels_avx2
#define KERNELS_TEXT "avx2"
#include "engine/learn/kernels_body.h"
