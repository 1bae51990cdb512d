/* SPDX-License-Identifier: GPL-3.0-or-later */
/* boards.h -- what statistics share. */
#ifndef SKERRY_RPS_BOARDS_H
#define SKERRY_RPS_BOARDS_H

#include "apps/rps/wire.h"

/* Names that programs play under: ace to hal, sim1, sim[3], sim-user-7, ... */
bool rps_is_program_name(str player_name);
/* 0 to 100 with two decimals; 0 without any. */
double rps_percent(int64_t part, int64_t total);
/* METRICS_SINCE_DATE as "since". */
void rps_write_since(struct json_out *w, const struct rps_state *s);

#endif
