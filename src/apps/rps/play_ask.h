/* SPDX-License-Identifier: GPL-3.0-or-later */
/* play_ask.h -- what /play is asked, as programs write it: read in one pass, without a tree. */
#ifndef SKERRY_RPS_PLAY_ASK_H
#define SKERRY_RPS_PLAY_ASK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

struct rps_plain_ask {
    str game_id, user_move; /* slices of the body */
    int64_t round;          /* 0: not given */
};

/* Reads an object of the members game_id, user_move and, if it is there, round, each once: texts of
 * printable ASCII without escapes, and a whole number. False for any other body, wrong or right:
 * then the parser of all JSON tells. */
bool rps_ask_read_plain(str body, struct rps_plain_ask *ret_ask);

#endif
