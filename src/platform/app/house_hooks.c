/* SPDX-License-Identifier: GPL-3.0-or-later */
/* house_hooks.c -- what the house does around every request and every job: access, metrics, log
 * lines, runs. Handlers and stages do none of this themselves, so none can forget it. */
#include <assert.h>
#include <string.h>

#include "base/clock.h"
#include "platform/app/house_private.h"

/* The SLA buckets of the reference (0.1 .. 10 s) plus those where this server lives. */
static const double request_buckets[] = { 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01,
                                          0.025,  0.05,    0.1,    0.3,   1,      3,     10 };

enum { FAMILY_REQUESTS, FAMILY_SECONDS, FAMILY_PROBLEMS, FAMILY_LIMITED };

const struct metric_family house_metrics_table[] = {
    {
        .name = "chs_api_requests_total",
        .type = METRIC_COUNTER,
        .help = "HTTP requests by route, outcome and kind of user.",
        .labels = { "method", "uri", "outcome", "user_kind" },
        .cells_max = HOUSE_ROUTES_MAX * 6,
    },
    {
        .name = "chs_api_request_seconds",
        .type = METRIC_HISTOGRAM,
        .help = "Time from the request's arrival to its reply, by route.",
        .labels = { "method", "uri" },
        .buckets = request_buckets,
        .bucket_count = COUNT_OF(request_buckets),
        .cells_max = HOUSE_ROUTES_MAX,
    },
    {
        .name = "chs_security_rejected_total",
        .type = METRIC_COUNTER,
        .help = "Requests refused for missing or insufficient access.",
    },
    {
        .name = "chs_security_rate_limited_total",
        .type = METRIC_COUNTER,
        .help = "Requests refused because their client made too many in a minute.",
    },
    { 0 },
};

static const char *const outcomes[] = { "success", "client_error", "error" };
static const char *const user_kinds[] = { "auth", "anon" };

err house_watch_routes(struct house *h)
{
    for (size_t i = 0; i < h->app_count; i++) {
        for (const struct route *r = h->apps[i]->routes; r && r->method; r++) {
            if (h->watch_count == HOUSE_ROUTES_MAX)
                return ERR(ERR_TOO_BIG, "more than %d routes", HOUSE_ROUTES_MAX);
            struct route_watch *w = &h->watches[h->watch_count++];
            w->route = r;
            /* Made now, so that every route is exposed, with zero, from the start. */
            w->seconds = METRIC_CELL(h->metrics, &house_metrics_table[FAMILY_SECONDS],
                                     str_of(r->method), str_of(r->path));
        }
    }
    return OK;
}

/* Route tables are few and their rows contiguous, so the watch is found by position, not by search.
 */
static struct route_watch *find_watch(struct house *h, const struct route *route)
{
    size_t base = 0;
    for (size_t i = 0; i < h->app_count; i++) {
        const struct route *table = h->apps[i]->routes;
        size_t count = 0;
        while (table && table[count].method)
            count++;
        if (table && route >= table && route < table + count)
            return &h->watches[base + (size_t)(route - table)];
        base += count;
    }
    return NULL;
}

err house_authorise(void *ctx, struct http_request *rq, enum access needed)
{
    struct house *h = ctx;
    err e = auth_authorise(h->auth, rq, needed);
    if (e.code)
        metric_add(metric_cell_plain(h->metrics, &house_metrics_table[FAMILY_PROBLEMS]), 1);
    return e;
}

static void count_request(struct house *h, struct route_watch *w, int outcome, int user_kind,
                          int64_t duration_ns)
{
    metric_observe(w->seconds, (double)duration_ns / 1e9);
    struct metric_cell *cell = atomic_load_explicit(&w->requests[outcome][user_kind],
                                                    memory_order_relaxed);
    if (!cell) {
        cell = METRIC_CELL(h->metrics, &house_metrics_table[FAMILY_REQUESTS],
                           str_of(w->route->method), str_of(w->route->path),
                           str_of(outcomes[outcome]), str_of(user_kinds[user_kind]));
        atomic_store_explicit(&w->requests[outcome][user_kind], cell, memory_order_relaxed);
    }
    metric_add(cell, 1);
}

/* True when this request's line is to be written; *ret_suppressed is how many were not before it.
 */
static bool may_log(struct route_watch *w, int64_t now_s, int64_t *ret_suppressed)
{
    int64_t second = atomic_load_explicit(&w->second, memory_order_relaxed);
    if (second != now_s && atomic_compare_exchange_strong(&w->second, &second, now_s))
        atomic_store_explicit(&w->lines, 0, memory_order_relaxed);
    if (atomic_load_explicit(&w->lines, memory_order_relaxed) >= REQUEST_LINES_PER_S ||
        atomic_fetch_add_explicit(&w->lines, 1, memory_order_relaxed) >= REQUEST_LINES_PER_S) {
        atomic_fetch_add_explicit(&w->suppressed, 1, memory_order_relaxed);
        return false;
    }
    *ret_suppressed = atomic_exchange_explicit(&w->suppressed, 0, memory_order_relaxed);
    return true;
}

void house_request_finished(void *ctx, const struct http_request *rq, int status,
                            int64_t duration_ns, int64_t bytes_out, const err *e)
{
    struct house *h = ctx;
    const struct route *route = http_route(rq);
    struct route_watch *w = route ? find_watch(h, route) : NULL;
    int64_t suppressed = 0;
    if (w)
        count_request(h, w,
                      status >= 500   ? 2
                      : status >= 400 ? 1
                                      : 0,
                      http_user(rq).len ? 0 : 1, duration_ns);
    if (status == 429)
        metric_add(metric_cell_plain(h->metrics, &house_metrics_table[FAMILY_LIMITED]), 1);
    if (!may_log(w ? w : &h->unknown, clock_mono_ns() / 1000000000, &suppressed))
        return;
    struct log_labels labels = { .component = STR("http"),
                                 .request_id = http_request_id(rq),
                                 .username = http_user(rq) };
    enum log_level level = status >= 500 ? LOG_ERROR : status >= 400 ? LOG_WARN : LOG_INFO;
    struct log_field fields[9];
    size_t n = 0;
    fields[n++] = F_STR("method", http_method(rq));
    fields[n++] = F_STR("path", http_raw_path(rq));
    fields[n++] = F_INT("status", status);
    fields[n++] = F_REAL("duration_ms", (double)(duration_ns / 1000) / 1000);
    fields[n++] = F_INT("bytes", bytes_out);
    if (route)
        fields[n++] = F_CSTR("route", route->path);
    if (suppressed)
        fields[n++] = F_INT("suppressed", suppressed);
    if (e && e->code && status >= 500) { /* our own mistake, or the disk's: where it was noticed */
        fields[n++] = F_CSTR("at", e->file);
        fields[n++] = F_INT("line", e->line);
    }
    log_event_fields(h->log, level, &labels, "http.request", e && e->code ? e->msg : NULL, fields,
                     n);
}

/* ------------------------------------------------------------------ jobs */

err house_execute_job(void *arg, struct job *job, const struct job_kind *kind)
{
    struct house *h = arg;
    struct run *run = NULL;
    TRY(run_begin(h->track, &(struct run_options){ .job = job, .component = kind->component },
                  &run));
    const struct json *payload = NULL;
    err e = json_parse(run_arena(run), job_payload(job), &payload);
    if (!e.code)
        e = kind->run(run, payload);
    /* The stage's own error decides; but work whose record could not be written has not succeeded.
     */
    err ended = run_end(run, &e);
    return err_first(e, ended);
}
