/* SPDX-License-Identifier: GPL-3.0-or-later */
/* kernels_builds.h -- the builds of the kernels, known to kernels.c and to the files that define
 * them. */
#ifndef SKERRY_LEARN_KERNELS_BUILDS_H
#define SKERRY_LEARN_KERNELS_BUILDS_H

#include "engine/learn/kernels.h"

extern const struct learn_kernels learn_kernels_portable;
extern const struct learn_kernels learn_kernels_avx2;
extern const struct learn_kernels learn_kernels_avx512;

#endif
