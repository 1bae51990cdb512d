/* SPDX-License-Identifier: GPL-3.0-or-later */
/* kernels_avx512.c -- the kernels for processors with AVX-512. meson.build compiles this file, and
 * only it, with those instructions: nothing here may be called before learn_kernels_get has looked.
 */
#include "engine/learn/kernels_builds.h"

#define LANES_NATIVE 16
#define TILE_ROWS 12 /* 24 sums, two of B and one of A: 27 of 32 registers */
#define KERNELS_NAME learn_kernels_avx512
#define KERNELS_TEXT "avx512"
#include "engine/learn/kernels_body.h"
