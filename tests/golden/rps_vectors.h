/* SPDX-License-Identifier: GPL-3.0-or-later */
/* rps_vectors.h -- what the checks of golden vectors share. */
#ifndef SKERRY_TESTS_RPS_VECTORS_H
#define SKERRY_TESTS_RPS_VECTORS_H

#include "base/json.h"
#include "engine/rps/game.h"

enum { VECTOR_ROUNDS_MAX = 4096 };

/* Says what is wrong with the vector at hand, and is false: `return mismatch(...)`. */
bool mismatch(const char *fmt, ...) PRINTF_LIKE(1, 2);

/* Each is true, or has said what differs. */
bool check_number(const char *what, const struct json *want, double got); /* to the bit */
bool check_close(const char *what, const struct json *want, double got);  /* within 1e-12 */
bool check_int(const char *what, const struct json *want, int64_t got);
bool check_bool(const char *what, const struct json *want, bool got);
bool check_text(const char *what, const struct json *want, const char *got); /* NULL: null */

/* A string of r, p, s; false when something else is in it or it is longer than `max`. */
bool read_moves(const struct json *text, uint8_t *moves, size_t max, size_t *ret_count);

/* One vector. */
typedef bool vector_check(const struct json *input, const struct json *expected);

vector_check check_round_points, check_gambit, check_outcome, check_game, check_policy,
    check_legacy;
vector_check check_features;
vector_check check_alias, check_promotion;

#endif
