/* SPDX-License-Identifier: GPL-3.0-or-later */
/* assign.h -- which of a family's models plays a game: Production or the challenger B.
 *
 * The choice is a hash of who plays, so it is the same in every process and after every restart,
 * and nothing has to be remembered. Pure functions.
 */
#ifndef SKERRY_RPS_ASSIGN_H
#define SKERRY_RPS_ASSIGN_H

#include "engine/rps/policy.h"

enum rps_alias { RPS_PRODUCTION, RPS_B, RPS_SHADOW1, RPS_SHADOW2, RPS_ALIASES };

const char *rps_alias_name(enum rps_alias alias); /* "Production", "B", "shadow1", "shadow2" */
enum rps_alias rps_alias_find(str name);          /* exactly so; RPS_ALIASES when there is none */

/* A number in [0, 1): the first eight bytes of SHA-256("who|family") over 2^64, cut to 53 bits.
 * `who` is the game's id or, where there is none, the session's. */
double rps_assign_unit(str who, enum rps_family family);

/* Production with probability `ratio` (0 and less: never, 1 and more: always) for a uniform `unit`,
 * else B. */
enum rps_alias rps_assign(double ratio, double unit);

/* Whether rps_assign looks at `unit` at all. */
bool rps_assign_needs_unit(double ratio);

#endif
