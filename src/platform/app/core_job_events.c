/* SPDX-License-Identifier: GPL-3.0-or-later */
/* core_job_events.c -- a job, or all of them, as server-sent events.
 *
 * An event carries the whole job as it is then, but for what may be long (payload, a large result):
 * that is one GET away. So nothing depends on having seen the event before, and a client that was
 * away is told how things stand. All jobs come over one connection, because browsers open six to a
 * server: those that run when it begins, then each change and each step of any job. The id of an
 * event is the number of a change; who comes back with it (Last-Event-ID) is told what ended
 * meanwhile.
 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "platform/app/core.h"

enum {
    ARENA_BYTES = 4 * 1024 * 1024,
    ERROR_CHARS_MAX = 400, /* in an event; a block of a stream has 4 KiB */
    RESULT_CHARS_MAX = 1000,
    SECONDS_MAX = 24 * 3600,
    /* Where several write at once (PostgreSQL) a smaller number may be committed after a greater
     * one: so far back is looked again. */
    LATE_MAX = 64,
    BACK_MAX = 1000, /* changes that a client may have missed and still be told */
    TOLD_MAX = JOB_NEWS_CHANGED_MAX + JOB_NEWS_RUNNING_MAX,
};

/* What was said of a job last. */
struct told {
    char id[UUID_BYTES];
    enum job_state state;
    int attempts;
    bool pause_wanted, stop_wanted;
    int64_t done, total;
};

static struct told told_of(const struct job_info *job)
{
    struct told t = { .state = job->state,
                      .attempts = job->attempts,
                      .pause_wanted = job->pause_wanted,
                      .stop_wanted = job->stop_wanted,
                      .done = job->done,
                      .total = job->total };
    memcpy(t.id, job->id, sizeof t.id);
    return t;
}

static bool is_same(const struct told *a, const struct told *b)
{
    return a->state == b->state && a->attempts == b->attempts &&
           a->pause_wanted == b->pause_wanted && a->stop_wanted == b->stop_wanted &&
           a->done == b->done && a->total == b->total;
}

static bool is_over(enum job_state state)
{
    return state == JOB_SUCCEEDED || state == JOB_FAILED || state == JOB_STOPPED;
}

/* event_no 0: without an id. False: it does not fit any more, and nothing was written. */
static bool write_event(struct buf *out, size_t max, struct job_info job, int64_t event_no)
{
    struct json_out w;
    size_t before = out->len;
    job.payload = job.cursor = STR_NONE;
    if (job.result.len > RESULT_CHARS_MAX)
        job.result = STR_NONE;
    job.error = str_sub(job.error, 0, ERROR_CHARS_MAX);
    if (event_no)
        buf_add_fmt(out, "id: %lld\n", (long long)event_no);
    buf_add_fmt(out, "event: %s\ndata: ", job_state_name(job.state));
    json_out_init(&w, out);
    core_write_job(&w, &job);
    buf_add_cstr(out, "\n\n");
    if (!out->failed && out->len <= max)
        return true;
    out->len = before;
    return false;
}

/* ------------------------------------------------------------------ one job */

struct job_watch {
    struct jobs *jobs;
    struct told last; /* with its id from the beginning */
    bool sent_any;
};

static ptrdiff_t pull_job(void *arg, char *out, size_t max)
{
    struct job_watch *watch = arg;
    struct job_info job;
    arena keep;
    struct buf text;
    ptrdiff_t count = 0;
    if (watch->sent_any && is_over(watch->last.state))
        return -1;
    arena_init(&keep, ARENA_BYTES);
    buf_init(&text, 2 * max);
    err e = job_get(watch->jobs, str_of(watch->last.id), &keep, &job);
    struct told now = e.code ? watch->last : told_of(&job);
    if (e.code) {
        count = -1;
    } else if (!watch->sent_any || !is_same(&watch->last, &now)) {
        count = write_event(&text, max, job, 0) ? (ptrdiff_t)text.len : -1;
        if (count > 0)
            memcpy(out, text.ptr, text.len);
        watch->sent_any = true;
        watch->last = now;
    }
    buf_deinit(&text);
    arena_deinit(&keep);
    return count;
}

err core_job_events(struct http_request *rq, struct http_reply *rp)
{
    struct job_info job;
    TRY(job_get(house_jobs(rq_house(rq)), http_param(rq, "id"), http_arena(rq), &job));
    /* Outlives the request's arena: freed by done. */
    struct job_watch *watch = calloc(1, sizeof *watch);
    if (!watch)
        return ERR(ERR_NO_MEMORY, "no memory to watch a job");
    watch->jobs = house_jobs(rq_house(rq));
    watch->last = told_of(&job);
    http_sse(rp, (struct http_stream){ .pull = pull_job, .done = free, .arg = watch });
    return OK;
}

/* ------------------------------------------------------------------ all jobs */

struct follow {
    struct jobs *jobs;
    int64_t until_ns; /* monotonic; 0: for ever */
    int64_t floor;    /* older changes are nobody's news */
    int64_t told_no;  /* changes up to here were told */
    struct told told[TOLD_MAX];
    size_t told_count;
};

static const struct told *find_told(const struct told *list, size_t count, const char *id)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(list[i].id, id) == 0)
            return &list[i];
    return NULL;
}

/* Tells what differs from what was told, until the block is full; the rest is still news at the
 * next look. `now` takes the place of what was told. */
static void tell_news(struct follow *f, const struct job_news *news, size_t count, struct told *now,
                      struct buf *text, size_t max)
{
    size_t now_count = 0;
    bool is_full = false;
    for (size_t i = 0; i < count; i++) {
        const struct job_news *one = &news[i];
        struct told fresh = told_of(&one->info);
        if (find_told(now, now_count, fresh.id))
            continue; /* it has changed, and it runs */
        const struct told *old = find_told(f->told, f->told_count, fresh.id);
        int64_t no = one->event_no > f->told_no ? one->event_no : f->told_no;
        if (!is_full && (!old || !is_same(old, &fresh)))
            is_full = !write_event(text, max, one->info, no);
        if (!is_full)
            f->told_no = no;
        if (!is_full || old)
            now[now_count++] = is_full ? *old : fresh;
    }
    memcpy(f->told, now, now_count * sizeof *now);
    f->told_count = now_count;
}

static ptrdiff_t pull_all(void *arg, char *out, size_t max)
{
    struct follow *f = arg;
    struct job_news *news;
    size_t count;
    arena keep;
    struct buf text;
    if (f->until_ns && clock_mono_ns() >= f->until_ns)
        return -1;
    arena_init(&keep, ARENA_BYTES);
    buf_init(&text, 2 * max);
    int64_t since = f->told_no - LATE_MAX > f->floor ? f->told_no - LATE_MAX : f->floor;
    err e = job_news_since(f->jobs, since, &keep, &news, &count);
    struct told *now = e.code ? NULL : NEW_ARRAY(&keep, struct told, TOLD_MAX);
    if (now)
        tell_news(f, news, count, now, &text, max);
    if (text.len)
        memcpy(out, text.ptr, text.len);
    ptrdiff_t written = now ? (ptrdiff_t)text.len : -1; /* -1: it ends, and the client asks again */
    buf_deinit(&text);
    arena_deinit(&keep);
    return written;
}

/* Where the client stopped: 0 when it does not say, or says nothing that we gave out. */
static int64_t last_event_no(struct http_request *rq, int64_t newest)
{
    int64_t no = 0;
    err e = str_to_i64(http_header(rq, "Last-Event-ID"), &no);
    return e.code || no <= 0 || no > newest ? 0 : no;
}

err core_jobs_events(struct http_request *rq, struct http_reply *rp)
{
    int64_t newest, seconds = 0;
    struct jobs *jobs = house_jobs(rq_house(rq));
    TRY(http_query_int(rq, "seconds", 1, SECONDS_MAX, &seconds));
    TRY(job_news_newest(jobs, &newest));
    struct follow *f = calloc(1, sizeof *f); /* freed by done */
    if (!f)
        return ERR(ERR_NO_MEMORY, "no memory to follow jobs");
    int64_t from = last_event_no(rq, newest);
    f->jobs = jobs;
    f->until_ns = seconds ? clock_mono_ns() + seconds * 1000000000 : 0;
    f->told_no = from ? from : newest;
    f->floor = from ? from - LATE_MAX : newest;
    if (newest - f->told_no > BACK_MAX)
        f->floor = f->told_no = newest - BACK_MAX;
    http_sse(rp, (struct http_stream){ .pull = pull_all, .done = free, .arg = f });
    return OK;
}
