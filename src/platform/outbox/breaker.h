/* SPDX-License-Identifier: GPL-3.0-or-later */
/* breaker.h -- when may a destination be tried next, and with how much? Private to this room. Pure:
 * the time and the dice are given.
 *
 *   closed -> open       after BREAKER_FAILURES_MAX failures in a row
 *   open -> half-open    when the pause is over: one item may try
 *   half-open -> closed  it was taken   | -> open   it was not
 */
#ifndef SKERRY_OUTBOX_BREAKER_H
#define SKERRY_OUTBOX_BREAKER_H

#include "platform/outbox/outbox.h"

enum { BREAKER_FAILURES_MAX = 5, BREAKER_ASKED_MAX_MS = 10 * 60 * 1000 };

struct breaker {
    int64_t base_ms, max_ms;
    enum outbox_breaker state;
    int failures;          /* in a row */
    int64_t not_before_ms; /* monotonic */
};

void breaker_init(struct breaker *b, int64_t base_ms, int64_t max_ms);
/* How long to wait before the next try; 0: try now. An open breaker whose pause is over becomes
 * half-open. */
int64_t breaker_wait_ms(struct breaker *b, int64_t now_ms);
/* Both return true when the state changed between working and not: what a person wants to hear. */
bool breaker_succeeded(struct breaker *b);
/* asked_ms is what the destination asked for, 0 for nothing; dice is random. */
bool breaker_failed(struct breaker *b, int64_t now_ms, int64_t asked_ms, uint64_t dice);

#endif
