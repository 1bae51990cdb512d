/* SPDX-License-Identifier: GPL-3.0-or-later */
/* assign.c -- the A/B split by a hash. */
#include "engine/rps/assign.h"

#include <string.h>

#include "base/hash.h"

static const char *const names[RPS_ALIASES] = { "Production", "B", "shadow1", "shadow2" };

const char *rps_alias_name(enum rps_alias alias)
{
    return names[alias];
}

enum rps_alias rps_alias_find(str name)
{
    size_t i = 0;
    while (i < RPS_ALIASES && !str_eq(name, str_of(names[i])))
        i++;
    return (enum rps_alias)i;
}

double rps_assign_unit(str who, enum rps_family family)
{
    const char *name = rps_family_name(family);
    uint8_t digest[SHA256_BYTES];
    struct sha256 h;
    uint64_t bits = 0;

    sha256_begin(&h);
    sha256_add(&h, who.ptr, who.len);
    sha256_add(&h, "|", 1);
    sha256_add(&h, name, strlen(name));
    sha256_end(&h, digest);
    for (int i = 0; i < 8; i++)
        bits = bits << 8 | digest[i];
    /* 53 bits are what a double holds below 1; rounding all 64 could give 1 itself */
    return (double)(bits >> 11) * 0x1p-53;
}

bool rps_assign_needs_unit(double ratio)
{
    return ratio > 0 && ratio < 1;
}

enum rps_alias rps_assign(double ratio, double unit)
{
    if (ratio >= 1)
        return RPS_PRODUCTION;
    return ratio > 0 && unit < ratio ? RPS_PRODUCTION : RPS_B;
}
