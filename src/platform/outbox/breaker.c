/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "platform/outbox/breaker.h"

void breaker_init(struct breaker *b, int64_t base_ms, int64_t max_ms)
{
    *b = (struct breaker){ .base_ms = base_ms, .max_ms = max_ms };
}

int64_t breaker_wait_ms(struct breaker *b, int64_t now_ms)
{
    if (now_ms < b->not_before_ms)
        return b->not_before_ms - now_ms;
    if (b->state == OUTBOX_OPEN)
        b->state = OUTBOX_HALF_OPEN;
    return 0;
}

bool breaker_succeeded(struct breaker *b)
{
    bool was_down = b->state != OUTBOX_CLOSED;
    b->state = OUTBOX_CLOSED;
    b->failures = 0;
    b->not_before_ms = 0;
    return was_down;
}

/* Full jitter: anything up to the doubled pause, so that many servers that lost the same
 * destination do not come back together. An open breaker waits for the upper half of the longest
 * pause. */
static int64_t pause_ms(const struct breaker *b, uint64_t dice)
{
    int64_t high = b->max_ms;
    if (b->state == OUTBOX_OPEN)
        return high / 2 + (int64_t)(dice % (uint64_t)(high - high / 2 + 1));
    int doublings = b->failures - 1;
    if (doublings < 30 && b->base_ms << doublings < high)
        high = b->base_ms << doublings;
    return (int64_t)(dice % (uint64_t)(high + 1));
}

bool breaker_failed(struct breaker *b, int64_t now_ms, int64_t asked_ms, uint64_t dice)
{
    bool was_closed = b->state == OUTBOX_CLOSED;
    b->failures++;
    if (!was_closed || b->failures >= BREAKER_FAILURES_MAX)
        b->state = OUTBOX_OPEN;
    if (asked_ms > BREAKER_ASKED_MAX_MS)
        asked_ms = BREAKER_ASKED_MAX_MS;
    int64_t pause = pause_ms(b, dice);
    b->not_before_ms = now_ms + (asked_ms > pause ? asked_ms : pause);
    return was_closed && b->state == OUTBOX_OPEN;
}
