/* SPDX-License-Identifier: GPL-3.0-or-later */
/* gaps.c -- event numbers that were passed over.
 *
 * Where several write at once (PostgreSQL), an event with a smaller number may be committed after
 * one with a greater: who reads on from the greatest would never tell it. So numbers that are
 * missing are remembered and looked for again, until their transaction must have ended. One that
 * was rolled back leaves a gap for ever, and is forgotten then.
 */
#include <string.h>

#include "platform/jobs/jobs_internal.h"

/* Longer than a transaction of ours may last. */
enum { GAP_KEEP_MS = 120 * 1000 };

void job_gaps_note(struct job_gaps *g, int64_t before, int64_t event_no, int64_t now_ms)
{
    /* The newest are those that may still come. */
    int64_t from = event_no - before > JOB_GAPS_MAX ? event_no - JOB_GAPS_MAX : before + 1;
    for (int64_t no = from; no < event_no; no++) {
        if (g->count == JOB_GAPS_MAX) {
            memmove(g->gaps, g->gaps + 1, sizeof g->gaps - sizeof g->gaps[0]);
            g->count--;
        }
        g->gaps[g->count++] = (struct job_gap){ no, now_ms };
    }
}

bool job_gaps_fill(struct job_gaps *g, int64_t event_no)
{
    for (size_t i = 0; i < g->count; i++) {
        if (g->gaps[i].event_no != event_no)
            continue;
        memmove(g->gaps + i, g->gaps + i + 1, (g->count - i - 1) * sizeof g->gaps[0]);
        g->count--;
        return true;
    }
    return false;
}

void job_gaps_forget(struct job_gaps *g, int64_t now_ms)
{
    size_t old = 0;
    while (old < g->count && g->gaps[old].seen_ms < now_ms - GAP_KEEP_MS)
        old++;
    memmove(g->gaps, g->gaps + old, (g->count - old) * sizeof g->gaps[0]);
    g->count -= old;
}

void job_gaps_sql(const struct job_gaps *g, struct buf *sql, struct store_value *values,
                  size_t *ret_count)
{
    size_t count = 1;
    while (count < g->count)
        count *= 2; /* few different texts, so that they stay prepared */
    for (size_t i = 0; i < count; i++) {
        values[i] = sql_int(g->gaps[i < g->count ? i : g->count - 1].event_no);
        buf_add_fmt(sql, "%s?%zu", i ? "," : "", i + 1);
    }
    *ret_count = count;
}
