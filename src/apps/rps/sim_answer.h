/* SPDX-License-Identifier: GPL-3.0-or-later */
/* sim_answer.h -- what a load generator needs of an HTTP answer, without parsing all of it. The
 * text comes from a server and may be anything. Pure functions. */
#ifndef SKERRY_RPS_SIM_ANSWER_H
#define SKERRY_RPS_SIM_ANSWER_H

#include "base/str.h"

enum rps_answer_state { RPS_ANSWER_MORE, RPS_ANSWER_WHOLE, RPS_ANSWER_BROKEN };

struct rps_answer {
    bool is_good; /* 200 */
    str body;     /* slice of the text */
};
/* HTTP/1.1 with a Content-Length; an answer of more than bytes_max in all is broken. */
enum rps_answer_state rps_answer_read(str text, size_t bytes_max, struct rps_answer *ret_answer);

/* The value behind the first occurrence of `key`, written as in the body: "\"round\":" */
str rps_answer_text(str body, const char *key);      /* up to the next quote; empty: none */
double rps_answer_number(str body, const char *key); /* -1: none */

#endif
