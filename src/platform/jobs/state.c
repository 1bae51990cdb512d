/* SPDX-License-Identifier: GPL-3.0-or-later */
/* state.c -- what may become what, and what an ended try means. Pure: no store, no clock.
 *
 * The table `may` is the whole life of a job; every change of state in this room asks it. Decisions
 * about an ended try are here, so that they can be read, and tested, without running anything.
 */
#include <assert.h>

#include "platform/jobs/jobs_internal.h"

#define BIT(state) (1u << (state))

static const char *const state_names[JOB_STATE_COUNT] = {
    [JOB_WAITING] = "waiting", [JOB_QUEUED] = "queued",       [JOB_RUNNING] = "running",
    [JOB_PAUSED] = "paused",   [JOB_SUCCEEDED] = "succeeded", [JOB_FAILED] = "failed",
    [JOB_STOPPED] = "stopped",
};

static const unsigned may[JOB_STATE_COUNT] = {
    [JOB_WAITING] = BIT(JOB_QUEUED) | BIT(JOB_PAUSED) | BIT(JOB_STOPPED) | BIT(JOB_FAILED),
    [JOB_QUEUED] = BIT(JOB_RUNNING) | BIT(JOB_PAUSED) | BIT(JOB_STOPPED),
    [JOB_RUNNING] = BIT(JOB_SUCCEEDED) | BIT(JOB_FAILED) | BIT(JOB_QUEUED) | BIT(JOB_PAUSED) |
                    BIT(JOB_STOPPED),
    [JOB_PAUSED] = BIT(JOB_QUEUED) | BIT(JOB_WAITING) | BIT(JOB_STOPPED),
    [JOB_SUCCEEDED] = 0,
    [JOB_FAILED] = BIT(JOB_QUEUED) | BIT(JOB_WAITING),  /* replay */
    [JOB_STOPPED] = BIT(JOB_QUEUED) | BIT(JOB_WAITING), /* replay */
};

const char *job_state_name(enum job_state state)
{
    assert((unsigned)state < JOB_STATE_COUNT);
    return state_names[state];
}

bool job_state_parse(str text, enum job_state *ret_state)
{
    for (int i = 0; i < JOB_STATE_COUNT; i++) {
        if (str_eq(text, str_of(state_names[i]))) {
            *ret_state = (enum job_state)i;
            return true;
        }
    }
    return false;
}

bool job_state_may(enum job_state from, enum job_state to)
{
    return may[from] >> to & 1;
}

bool job_state_is_finished(enum job_state state)
{
    return state == JOB_SUCCEEDED || state == JOB_FAILED || state == JOB_STOPPED;
}

err job_state_check(const char *id, enum job_state from, enum job_state to)
{
    if (job_state_may(from, to))
        return OK;
    char options[96] = "nothing else";
    size_t len = 0;
    for (int i = 0; i < JOB_STATE_COUNT; i++) {
        if (may[from] >> i & 1)
            len += (size_t)snprintf(options + len, sizeof(options) - len, "%s%s", len ? ", " : "",
                                    state_names[i]);
    }
    return ERR(ERR_CONFLICT, "job %s is %s, so it cannot become %s: it can become %s", id,
               state_names[from], state_names[to], options);
}

/* ------------------------------------------------------------------ the end of a try */

/* Codes behind which the world may look better in a moment. The others say that the input or our
 * own code is wrong: trying again changes nothing. */
static bool is_worth_retrying(enum err_code code)
{
    static const bool worth[ERR_CODE_COUNT] = {
        [ERR_BUSY] = true,     [ERR_TIMEOUT] = true,   [ERR_UPSTREAM] = true, [ERR_IO] = true,
        [ERR_NO_SPACE] = true, [ERR_NO_MEMORY] = true, [ERR_CONFLICT] = true,
    };
    return worth[code];
}

struct job_outcome job_outcome_of(const struct job_try *t, enum err_code code)
{
    if (code == ERR_NONE)
        return (
            struct job_outcome){ .to = JOB_SUCCEEDED, .event = "job.succeeded", .is_spent = true };
    if (t->stop_wanted)
        return (struct job_outcome){ .to = JOB_STOPPED, .event = "job.stopped", .is_spent = true };
    if (code == ERR_CANCELLED && t->pause_wanted)
        return (struct job_outcome){ .to = JOB_PAUSED, .event = "job.paused" };
    if (code == ERR_CANCELLED && t->was_told)
        return (struct job_outcome){ .to = JOB_QUEUED, .event = "job.requeued" };
    /* A database that is away or a disk that is full is not the job's fault: it may take an hour.
     */
    if (is_worth_retrying(code) && t->was_hindered && t->kills + 1 < JOB_KILLS_MAX)
        return t->pause_wanted ? (struct job_outcome){ .to = JOB_PAUSED, .event = "job.paused" }
                               : (struct job_outcome){ .to = JOB_QUEUED,
                                                       .event = "job.retried",
                                                       .has_backoff = true,
                                                       .is_hindered = true };
    if (!is_worth_retrying(code) || t->attempts >= t->tries_max)
        return (struct job_outcome){ .to = JOB_FAILED, .event = "job.failed", .is_spent = true };
    if (t->pause_wanted)
        return (struct job_outcome){ .to = JOB_PAUSED, .event = "job.paused", .is_spent = true };
    return (struct job_outcome){
        .to = JOB_QUEUED,
        .event = "job.retried",
        .is_spent = true,
        .has_backoff = true,
    };
}

struct job_outcome job_outcome_of_crash(const struct job_try *t)
{
    if (t->stop_wanted)
        return (struct job_outcome){ .to = JOB_STOPPED, .event = "job.stopped", .is_spent = true };
    /* A job that got on before the crash is not what kills us: its counts began again with its new
     * cursor, and the try does not count; nor does one that somebody else ended. */
    bool is_given_up = t->was_killed ? t->kills + 1 >= JOB_KILLS_MAX
                                     : t->crashes + 1 >= JOB_CRASHES_MAX;
    bool is_spent = !t->has_moved && !t->was_killed;
    if (is_given_up)
        return (struct job_outcome){ .to = JOB_FAILED, .event = "job.failed", .is_spent = true };
    if (t->pause_wanted)
        return (
            struct job_outcome){ .to = JOB_PAUSED, .event = "job.paused", .is_spent = is_spent };
    return (struct job_outcome){
        .to = JOB_QUEUED,
        .event = "job.lease_lost",
        .is_spent = is_spent,
    };
}

int64_t job_backoff_ms(int attempt, int64_t base_ms, uint64_t random)
{
    int64_t delay_ms = base_ms;
    for (int i = 1; i < attempt && delay_ms < JOB_BACKOFF_MAX_MS; i++)
        delay_ms *= 2;
    if (delay_ms > JOB_BACKOFF_MAX_MS)
        delay_ms = JOB_BACKOFF_MAX_MS;
    /* Half of it is jitter, so that jobs which failed together do not come back together. */
    int64_t half = delay_ms / 2;
    return delay_ms - half + (int64_t)(random % (uint64_t)(half + 1));
}

/* ------------------------------------------------------------------ how long will it take? */

double job_pace_update(struct job_pace *p, int64_t now_ns, int64_t done, int64_t total)
{
    bool is_new_phase = done < p->done || (p->total > 0 && total != p->total);
    p->total = total;
    if (p->at_ns == 0 || is_new_phase) {
        *p = (struct job_pace){ .at_ns = now_ns, .done = done, .total = total, .rate = -1 };
        return -1;
    }
    double dt = (double)(now_ns - p->at_ns) / 1e9;
    if (dt >= JOB_PACE_STEP_S) {
        double rate = (double)(done - p->done) / dt;
        /* A memory of about ten seconds: the first measurement counts fully, then they blend. */
        double weight = p->rate < 0 ? 1 : dt / (dt + JOB_PACE_MEMORY_S);
        p->rate = p->rate < 0 ? rate : p->rate + weight * (rate - p->rate);
        p->at_ns = now_ns;
        p->done = done;
    }
    if (total <= 0 || done > total || p->rate <= 0)
        return -1;
    return (double)(total - done) / p->rate;
}
