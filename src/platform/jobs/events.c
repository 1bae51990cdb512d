/* SPDX-License-Identifier: GPL-3.0-or-later */
/* events.c -- every change of state is told: a row in job_events, a log line, metrics, observer.
 *
 * The row is written by the transaction that makes the change. The rest happens after the commit,
 * by reading job_events from where we stopped: so nothing is told that did not happen, everything
 * is told once and in order, and jobs that a caller adds inside its own transaction need no special
 * path. One thread at a time tells; another that comes meanwhile leaves a note and goes on. Gauges
 * follow all rows; counters, log and observer only those that this process wrote.
 */
#include <assert.h>
#include <string.h>

#include "platform/jobs/jobs_internal.h"

static const double seconds_buckets[] = { 0.01, 0.05, 0.1, 0.5,  1,    5,     10,
                                          30,   60,   300, 1800, 7200, 21600, 86400 };

enum {
    METRIC_CHANGES,
    METRIC_SECONDS,
    METRIC_WAIT_SECONDS,
    METRIC_WAITING,
    METRIC_RUNNING,
    METRIC_CLAIMS,
};

const struct metric_family jobs_metrics[] = {
    [METRIC_CHANGES] = { "skerry_jobs_total",
                         METRIC_COUNTER,
                         "Jobs that entered a state, by kind and state.",
                         { "kind", "state" },
                         .cells_max = 2048 },
    [METRIC_SECONDS] = { "skerry_job_seconds",
                         METRIC_HISTOGRAM,
                         "Duration of a try.",
                         { "kind" },
                         .buckets = seconds_buckets,
                         .bucket_count = COUNT_OF(seconds_buckets) },
    [METRIC_WAIT_SECONDS] = { "skerry_job_wait_seconds",
                              METRIC_HISTOGRAM,
                              "Time between due and started.",
                              { "kind" },
                              .buckets = seconds_buckets,
                              .bucket_count = COUNT_OF(seconds_buckets) },
    [METRIC_WAITING] = { "skerry_jobs_waiting",
                         METRIC_GAUGE,
                         "Jobs that are waiting or queued.",
                         { "kind" } },
    [METRIC_RUNNING] = { "skerry_jobs_running",
                         METRIC_GAUGE,
                         "Jobs that a worker holds.",
                         { "kind" } },
    [METRIC_CLAIMS] = { "skerry_job_claims_total", METRIC_COUNTER,
                        "Transactions of this process that took one job or several." },
    { 0 },
};

err job_event_add(struct jobs *j, struct store_tx *tx, const struct job_event_row *row,
                  int64_t now_ms)
{
    static const char sql[] =
        "INSERT INTO job_events (job_id, at_ms, event, from_state, to_state, attempt, "
        "took_ms, by_worker, detail) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
    assert(row->from < 0 || job_state_may((enum job_state)row->from, row->to));
    const char *from = row->from < 0 ? NULL : job_state_name((enum job_state)row->from);
    if (row->to == JOB_QUEUED)
        TRY(store_notify(tx, JOBS_TOPIC));
    struct store_args args = ARGS(sql_text(row->job_id), sql_int(now_ms), sql_cstr(row->event),
                                  sql_cstr(from), sql_cstr(job_state_name(row->to)),
                                  sql_int(row->attempt), sql_int(row->took_ms), sql_cstr(j->worker),
                                  sql_text_opt(row->detail));
    return store_exec(tx, sql, args, NULL);
}

/* ------------------------------------------------------------------ telling */

struct told_event {
    struct job_info info;
    int64_t event_no, took_ms;
    str event, detail;
    bool is_new, is_ours;
    enum job_state from, to;
};

struct told_events {
    struct jobs *jobs;
    arena keep;
    int64_t after;
    struct told_event *events;
    size_t count;
};

static err told_read(struct store_rows *rows, struct told_events *t, struct told_event *ret_event)
{
    struct told_event ev = { .is_new = store_col_is_null(rows, JOB_COLUMN_COUNT + 1) };
    TRY(job_row_read(rows, &t->keep, &ev.info));
    ev.event = store_col_text_keep(rows, JOB_COLUMN_COUNT, &t->keep);
    bool known = ev.is_new || job_state_parse(store_col_text(rows, JOB_COLUMN_COUNT + 1), &ev.from);
    if (!known || !job_state_parse(store_col_text(rows, JOB_COLUMN_COUNT + 2), &ev.to))
        return ERR(ERR_CORRUPT, "an event of job %s names an unknown state", ev.info.id);
    ev.info.state = ev.to; /* as it was then: the row may have moved on */
    ev.info.attempts = (int)store_col_int(rows, JOB_COLUMN_COUNT + 3);
    ev.took_ms = store_col_int(rows, JOB_COLUMN_COUNT + 4);
    ev.is_ours = str_eq(store_col_text(rows, JOB_COLUMN_COUNT + 5), str_of(t->jobs->worker));
    ev.detail = store_col_text_keep(rows, JOB_COLUMN_COUNT + 6, &t->keep);
    ev.event_no = store_col_int(rows, JOB_COLUMN_COUNT + 7);
    ARENA_TRY(ev.event.ptr);
    *ret_event = ev;
    return OK;
}

#define TOLD_SELECT                                                           \
    "SELECT " JOB_COLUMNS ", event, from_state, to_state, attempt, took_ms, " \
    "by_worker, detail, event_no FROM job_events JOIN jobs ON id = job_id WHERE "

static err told_walk(struct told_events *t, struct store_rows *rows)
{
    err e = OK;
    while (!e.code && t->count < JOBS_TAIL_MAX && store_next(rows)) {
        e = told_read(rows, t, &t->events[t->count]);
        if (!e.code)
            t->count++;
    }
    return err_first(e, store_rows_close(rows));
}

/* Late ones first; then what is new. */
static err told_late(struct store_read *rd, struct told_events *t)
{
    struct store_value values[JOB_GAPS_MAX];
    size_t count = 0;
    struct store_rows *rows;
    struct buf sql;
    if (!t->jobs->untold.count)
        return OK;
    buf_init(&sql, 8 * 1024);
    buf_add_cstr(&sql, TOLD_SELECT "event_no IN (");
    job_gaps_sql(&t->jobs->untold, &sql, values, &count);
    buf_add_fmt(&sql, ") ORDER BY event_no LIMIT %d", JOBS_TAIL_MAX);
    err e = buf_check(&sql);
    if (!e.code)
        e = store_query_dynamic(rd, buf_str(&sql), (struct store_args){ values, count }, &rows);
    buf_deinit(&sql);
    return e.code ? e : told_walk(t, rows);
}

static err told_query(struct store_read *rd, void *arg)
{
    struct told_events *t = arg;
    arena_reset(&t->keep);
    t->count = 0;
    t->events = NEW_ARRAY(&t->keep, struct told_event, JOBS_TAIL_MAX);
    ARENA_TRY(t->events);
    TRY(told_late(rd, t));
    struct store_rows *rows;
    TRY(store_query(rd, TOLD_SELECT "event_no > ?1 ORDER BY event_no LIMIT ?2",
                    ARGS(sql_int(t->after), sql_int(JOBS_TAIL_MAX)), &rows));
    return told_walk(t, rows);
}

static void gauge_move(struct jobs *j, str kind, enum job_state state, double amount)
{
    if (state == JOB_WAITING || state == JOB_QUEUED)
        metric_add(METRIC_CELL(j->options.metrics, &jobs_metrics[METRIC_WAITING], kind), amount);
    if (state == JOB_RUNNING)
        metric_add(METRIC_CELL(j->options.metrics, &jobs_metrics[METRIC_RUNNING], kind), amount);
}

static void tell_metrics(struct jobs *j, const struct told_event *ev)
{
    str kind = str_of(ev->info.kind);
    if (!ev->is_new)
        gauge_move(j, kind, ev->from, -1);
    gauge_move(j, kind, ev->to, 1);
    if (!ev->is_ours)
        return;
    struct metrics *m = j->options.metrics;
    metric_add(METRIC_CELL(m, &jobs_metrics[METRIC_CHANGES], kind, str_of(job_state_name(ev->to))),
               1);
    double seconds = (double)ev->took_ms / 1000;
    if (ev->took_ms >= 0 && !ev->is_new && ev->from == JOB_RUNNING)
        metric_observe(METRIC_CELL(m, &jobs_metrics[METRIC_SECONDS], kind), seconds);
    if (ev->took_ms >= 0 && ev->to == JOB_RUNNING)
        metric_observe(METRIC_CELL(m, &jobs_metrics[METRIC_WAIT_SECONDS], kind), seconds);
}

static void tell_log(struct jobs *j, const struct told_event *ev)
{
    const struct job_kind *kind = jobs_kind(j, str_of(ev->info.kind));
    struct log_labels labels = {
        .component = str_of(kind && kind->component ? kind->component : "jobs"),
        .run_id = ev->info.run_id,
        .username = ev->info.username,
    };
    bool is_bad = ev->to == JOB_FAILED;
    char event[32];
    snprintf(event, sizeof(event), "%.*s", STR_ARG(ev->event));
    char msg[320];
    snprintf(msg, sizeof(msg), "%s is %s%s%.*s", ev->info.kind, job_state_name(ev->to),
             ev->detail.len ? ": " : "", STR_ARG(str_sub(ev->detail, 0, 200)));
    enum log_level odd_level = ev->detail.len ? LOG_WARN : LOG_INFO;
    log_event(j->options.log, is_bad ? LOG_ERROR : odd_level, &labels, event, msg,
              F_CSTR("job_id", ev->info.id), F_CSTR("kind", ev->info.kind),
              F_INT("attempt", ev->info.attempts), F_INT("took_ms", ev->took_ms));
}

static void tell(struct jobs *j, const struct told_event *ev)
{
    if (j->options.metrics)
        tell_metrics(j, ev);
    if (!ev->is_ours)
        return;
    if (j->options.log)
        tell_log(j, ev);
    if (j->options.observe) {
        char event[32];
        snprintf(event, sizeof(event), "%.*s", STR_ARG(ev->event));
        j->options.observe(j->options.arg, &ev->info, event);
    }
}

void jobs_count_claim(struct jobs *j)
{
    if (j->options.metrics)
        metric_add(metric_cell_plain(j->options.metrics, &jobs_metrics[METRIC_CLAIMS]), 1);
}

void jobs_warn(struct jobs *j, const char *event, const char *id, const err *e)
{
    if (!j->options.log)
        return;
    struct log_labels labels = { .component = STR("jobs") };
    log_event(j->options.log, LOG_WARN, &labels, event, e->msg, F_CSTR("job_id", id ? id : ""),
              F_CSTR("code", err_code_name(e->code)));
}

static void told_note(struct jobs *j, int64_t event_no)
{
    if (event_no < j->events_told) {
        job_gaps_fill(&j->untold, event_no);
        return;
    }
    job_gaps_note(&j->untold, j->events_told, event_no, clock_wall_ms());
    j->events_told = event_no;
}

/* Tells what is new. Only the thread that set is_telling comes here. */
static void tell_all(struct jobs *j)
{
    struct told_events t = { .jobs = j };
    job_gaps_forget(&j->untold, clock_wall_ms());
    /* Each row may carry payload, cursor and result. */
    arena_init(&t.keep, (size_t)JOBS_TAIL_MAX * 4 * JOB_PAYLOAD_MAX);
    do {
        t.after = j->events_told;
        err e = store_read(j->options.store, told_query, &t);
        if (e.code) {
            /* The rows stay: the next change tells them too. */
            jobs_store_failed(j, "jobs.telling_failed", &e);
            break;
        }
        for (size_t i = 0; i < t.count; i++) {
            told_note(j, t.events[i].event_no);
            tell(j, &t.events[i]);
        }
    } while (t.count == JOBS_TAIL_MAX);
    arena_deinit(&t.keep);
}

void jobs_changed(struct jobs *j)
{
    pthread_mutex_lock(&j->lock);
    j->change_count++;
    j->must_tell = true;
    pthread_cond_broadcast(&j->changed);
    bool is_mine = !j->is_telling;
    j->is_telling = true;
    while (is_mine && j->must_tell) {
        j->must_tell = false;
        pthread_mutex_unlock(&j->lock);
        tell_all(j);
        pthread_mutex_lock(&j->lock);
        j->rounds_told++;
        pthread_cond_broadcast(&j->changed);
    }
    if (is_mine)
        j->is_telling = false;
    pthread_mutex_unlock(&j->lock);
}

void jobs_tell_now(struct jobs *j)
{
    jobs_changed(j);
    pthread_mutex_lock(&j->lock);
    /* Another thread's round may have read before our note; then one more follows. */
    uint64_t last = j->rounds_told + (j->must_tell ? 2 : 1);
    while (j->is_telling && j->rounds_told < last)
        pthread_cond_wait(&j->changed, &j->lock);
    pthread_mutex_unlock(&j->lock);
}

/* ------------------------------------------------------------------ at start */

static err start_read(struct store_read *rd, void *arg)
{
    struct jobs *j = arg;
    TRY(store_get_int(rd, "SELECT COALESCE(max(event_no), 0) FROM job_events", NO_ARGS,
                      &j->events_told));
    if (!j->options.metrics)
        return OK;
    /* So that a kind is there with zero before its first job. */
    for (size_t i = 0; i < j->kind_count; i++) {
        str kind = str_of(j->kinds[i]->name);
        metric_set(METRIC_CELL(j->options.metrics, &jobs_metrics[METRIC_WAITING], kind), 0);
        metric_set(METRIC_CELL(j->options.metrics, &jobs_metrics[METRIC_RUNNING], kind), 0);
    }
    struct store_rows *rows;
    TRY(store_query(rd,
                    "SELECT kind, state, count(*) FROM jobs "
                    "WHERE state IN ('waiting', 'queued', 'running') GROUP BY kind, state",
                    NO_ARGS, &rows));
    while (store_next(rows)) {
        enum job_state state = JOB_WAITING;
        if (job_state_parse(store_col_text(rows, 1), &state))
            gauge_move(j, store_col_text(rows, 0), state, (double)store_col_int(rows, 2));
    }
    return store_rows_close(rows);
}

err jobs_events_start(struct jobs *j)
{
    return store_read(j->options.store, start_read, j);
}

/* ------------------------------------------------------------------ reading them back */

struct events_get {
    str id;
    arena *keep;
    struct job_event *events;
    size_t count;
};

static err event_copy(struct store_rows *rows, arena *keep, struct job_event *ret_event)
{
    struct job_event ev = {
        .at_ms = store_col_int(rows, 0),
        .event = store_col_text_keep(rows, 1, keep),
        .from = store_col_text_keep(rows, 2, keep),
        .to = store_col_text_keep(rows, 3, keep),
        .attempt = (int)store_col_int(rows, 4),
        .took_ms = store_col_int(rows, 5),
        .worker = store_col_text_keep(rows, 6, keep),
        .detail = store_col_text_keep(rows, 7, keep),
    };
    *ret_event = ev;
    return arena_check(keep);
}

static err events_read(struct store_read *rd, void *arg)
{
    struct events_get *g = arg;
    g->count = 0;
    g->events = NEW_ARRAY(g->keep, struct job_event, JOB_EVENTS_MAX);
    ARENA_TRY(g->events);
    struct store_rows *rows;
    TRY(store_query(
        rd,
        "SELECT at_ms, event, from_state, to_state, attempt, took_ms, by_worker, detail "
        "FROM job_events WHERE job_id = ?1 ORDER BY event_no DESC LIMIT ?2",
        ARGS(sql_text(g->id), sql_int(JOB_EVENTS_MAX)), &rows));
    err e = OK;
    while (!e.code && g->count < JOB_EVENTS_MAX && store_next(rows))
        e = event_copy(rows, g->keep, &g->events[g->count++]);
    return err_first(e, store_rows_close(rows));
}

err job_events_list(struct jobs *j, str id, arena *keep, struct job_event **ret_events,
                    size_t *ret_count)
{
    struct events_get g = { .id = id, .keep = keep };
    TRY(store_read(j->options.store, events_read, &g));
    *ret_events = g.events;
    *ret_count = g.count;
    return OK;
}
