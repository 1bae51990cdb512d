/* SPDX-License-Identifier: GPL-3.0-or-later */
/* trouble.c -- the store is away: what its silence means for leases, and how often we say so.
 *
 * Threads that look for work and the keeper try again each second. An outage of an hour is told
 * when it begins, once a minute, and when it is over, not some thousand times.
 */
#include "base/clock.h"
#include "platform/jobs/jobs_internal.h"

#define SECOND_NS INT64_C(1000000000)
#define AGAIN_NS (60 * SECOND_NS)
#define SETTLED_NS (5 * SECOND_NS) /* a shorter outage is over before anybody looks */

static int64_t patience_ns(const struct jobs *j)
{
    return j->options.lease_ms * 1000000 / 3;
}

static bool is_of_store(const err *e)
{
    return e->code == ERR_BUSY || e->code == ERR_IO || e->code == ERR_NO_SPACE ||
           e->code == ERR_TIMEOUT;
}

void jobs_note_trouble(struct jobs *j, const err *e)
{
    if (is_of_store(e))
        atomic_store(&j->trouble_ns, clock_mono_ns());
}

void jobs_note_hang(struct jobs *j, int64_t start_ns)
{
    if (clock_mono_ns() - start_ns > patience_ns(j))
        atomic_store(&j->trouble_ns, clock_mono_ns());
}

bool jobs_is_after_trouble(const struct jobs *j)
{
    int64_t at_ns = atomic_load(&j->trouble_ns);
    return at_ns && clock_mono_ns() - at_ns < patience_ns(j);
}

/* Of all threads that find the store away within a minute, one. */
static bool is_mine_to_tell(struct jobs *j)
{
    int64_t now_ns = clock_mono_ns(), began_ns = 0;
    if (atomic_compare_exchange_strong(&j->away_ns, &began_ns, now_ns)) {
        atomic_store(&j->away_told_ns, now_ns);
        return true;
    }
    int64_t told_ns = atomic_load(&j->away_told_ns);
    return now_ns - told_ns >= AGAIN_NS &&
           atomic_compare_exchange_strong(&j->away_told_ns, &told_ns, now_ns);
}

void jobs_store_failed(struct jobs *j, const char *event, const err *e)
{
    jobs_note_trouble(j, e);
    if (!is_of_store(e) || is_mine_to_tell(j))
        jobs_warn(j, event, NULL, e);
}

void jobs_store_answered(struct jobs *j)
{
    int64_t began_ns = atomic_load(&j->away_ns), last_ns = atomic_load(&j->trouble_ns);
    /* Where a disk is full one thing works while another fails. */
    if (!began_ns || clock_mono_ns() - last_ns < SETTLED_NS ||
        !atomic_compare_exchange_strong(&j->away_ns, &began_ns, 0))
        return;
    if (last_ns - began_ns < SETTLED_NS || !j->options.log)
        return;
    struct log_labels labels = { .component = STR("jobs") };
    log_event(j->options.log, LOG_INFO, &labels, "jobs.store_back", "the store answers again",
              F_INT("away_s", (last_ns - began_ns) / SECOND_NS));
}
