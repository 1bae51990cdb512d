/* SPDX-License-Identifier: GPL-3.0-or-later */
/* house_hooks.c -- what the house does around every request and every job: access, metrics, log
 * lines, runs. Handlers and stages do none of this themselves, so none can forget it. */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "platform/app/core.h"
#include "platform/app/house_private.h"
#include "platform/app/process.h"

/* The SLA buckets of the reference (0.1 .. 10 s) plus those where this server lives. */
static const double request_buckets[] = { 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01,
                                          0.025,  0.05,    0.1,    0.3,   1,      3,     10 };

enum {
    FAMILY_REQUESTS,
    FAMILY_SECONDS,
    FAMILY_PROBLEMS,
    FAMILY_LIMITED,
    FAMILY_REGISTRY,
    FAMILY_VERSIONS,
    FAMILY_WORKERS,
};

const struct metric_family house_metrics_table[] = {
    {
        .name = "chs_api_requests_total",
        .type = METRIC_COUNTER,
        .help = "HTTP requests by route, status, outcome and kind of user.",
        .labels = { "method", "uri", "status", "outcome", "user_kind" },
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
    {
        .name = "chs_model_registry_requests_total",
        .type = METRIC_COUNTER,
        .help = "Requests to the model registry.",
        .labels = { "endpoint", "status" },
    },
    {
        .name = "chs_model_registry_versions_total",
        .type = METRIC_COUNTER,
        .help = "Versions of a model that were registered, deleted ones included.",
        .labels = { "model_id" },
    },
    {
        .name = "skerry_workers",
        .type = METRIC_GAUGE,
        .help = "Processes that do jobs, by state: active, draining, gone (silent, or ended this "
                "week).",
        .labels = { "state" },
    },
    { 0 },
};

/* What our handlers answer. Any other status is counted as well, a little slower. */
static const int house_statuses[HOUSE_STATUS_COUNT] = { 200, 201, 202, 204, 206, 304, 308,
                                                        400, 401, 403, 404, 405, 409, 413,
                                                        415, 429, 500, 502, 503, 504, 507 };
static const char *const user_kinds[] = { "auth", "anon" };

/* Of ours, or of the disk's. 501 is an answer: clients ask what a server can do, and go on without.
 */
static bool is_failure(int status)
{
    return status >= 500 && status != 501;
}

err house_watch_routes(struct house *h)
{
    for (size_t i = 0; i < h->app_count; i++) {
        for (const struct route *r = h->apps[i]->routes; r && r->method; r++) {
            if (h->watch_count == HOUSE_ROUTES_MAX)
                return ERR(ERR_TOO_BIG, "more than %d routes", HOUSE_ROUTES_MAX);
            struct route_watch *w = &h->watches[h->watch_count++];
            w->route = r;
            h->route_counts[i]++;
            w->is_registry = h->apps[i] == &app_core &&
                             str_starts(str_of(r->path), STR("/v1/models"));
            if (w->is_registry)
                (void)METRIC_CELL(h->metrics, &house_metrics_table[FAMILY_REGISTRY],
                                  str_of(r->path), STR("200"));
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
        size_t count = h->route_counts[i];
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

static struct metric_cell *make_request_cell(struct house *h, const struct route_watch *w,
                                             int status, int user_kind)
{
    char text[12];
    str number = str_from(text, (size_t)snprintf(text, sizeof text, "%d", status));
    const char *outcome = is_failure(status) ? "error" : status >= 400 ? "client_error" : "success";
    return METRIC_CELL(h->metrics, &house_metrics_table[FAMILY_REQUESTS], str_of(w->route->method),
                       str_of(w->route->path), number, str_of(outcome),
                       str_of(user_kinds[user_kind]));
}

/* Made with the first request: seventeen series for each of four hundred routes, most of which are
 * never asked, would be most of what an idle server exposes and remembers. */
static struct metric_cell *seconds_cell(struct house *h, struct route_watch *w)
{
    struct metric_cell *cell = atomic_load_explicit(&w->seconds, memory_order_acquire);
    if (!cell) {
        cell = METRIC_CELL(h->metrics, &house_metrics_table[FAMILY_SECONDS],
                           str_of(w->route->method), str_of(w->route->path));
        atomic_store_explicit(&w->seconds, cell, memory_order_release);
    }
    return cell;
}

static void count_request(struct house *h, struct route_watch *w, int status, int user_kind,
                          int64_t duration_ns)
{
    metric_observe(seconds_cell(h, w), (double)duration_ns / 1e9);
    int i = 0;
    while (i < HOUSE_STATUS_COUNT && house_statuses[i] != status)
        i++;
    struct metric_cell *cell = i < HOUSE_STATUS_COUNT
                                   ? atomic_load_explicit(&w->requests[i][user_kind],
                                                          memory_order_acquire)
                                   : NULL;
    if (!cell) {
        cell = make_request_cell(h, w, status, user_kind);
        if (i < HOUSE_STATUS_COUNT)
            atomic_store_explicit(&w->requests[i][user_kind], cell, memory_order_release);
    }
    metric_add(cell, 1);
    if (w->is_registry) {
        char text[12];
        str number = str_from(text, (size_t)snprintf(text, sizeof text, "%d", status));
        metric_add(METRIC_CELL(h->metrics, &house_metrics_table[FAMILY_REGISTRY],
                               str_of(w->route->path), number),
                   1);
    }
}

/* A model's newest number is how many versions it has had. Verbs register versions, too, in another
 * process: the store knows. */
static err refresh_versions(struct house *h, arena *keep)
{
    struct model_version_info *models;
    size_t count;
    struct model_filter filter = { .newest_only = true, .limit = METRIC_CELLS_DEFAULT };
    TRY(model_list(h->track, &filter, keep, &models, &count));
    for (size_t i = 0; i < count; i++) {
        struct metric_cell *cell = METRIC_CELL(h->metrics, &house_metrics_table[FAMILY_VERSIONS],
                                               models[i].name);
        double more = (double)models[i].version - metric_value(cell);
        if (more > 0)
            metric_add(cell, more);
    }
    return OK;
}

static err refresh_workers(struct house *h, arena *keep)
{
    static const char *const states[] = { "active", "draining", "gone" };
    struct worker_info *workers;
    size_t count;
    if (!h->jobs)
        return OK;
    TRY(workers_list(h->jobs, keep, &workers, &count));
    for (size_t s = 0; s < COUNT_OF(states); s++) {
        size_t there = 0;
        for (size_t i = 0; i < count; i++)
            there += str_eq(workers[i].state, str_of(states[s]));
        metric_set(METRIC_CELL(h->metrics, &house_metrics_table[FAMILY_WORKERS], str_of(states[s])),
                   (double)there);
    }
    return OK;
}

void house_refresh_metrics(void *house)
{
    struct house *h = house;
    arena keep;
    process_metrics_update(h->metrics);
    arena_init(&keep, 4 * 1024 * 1024);
    err e = refresh_versions(h, &keep);
    e = err_first(e, refresh_workers(h, &keep));
    arena_deinit(&keep);
    if (!e.code)
        e = core_backup_refresh(h);
    if (!e.code)
        e = house_room_measure(h, false);
    for (size_t i = 0; i < h->app_count && !e.code; i++)
        if (h->started[i] && h->apps[i]->refresh)
            e = h->apps[i]->refresh(h, h->states[i]);
    if (e.code) /* the store is in trouble, and says so where somebody waits for it */
        log_error(h->log, NULL, "metrics.refresh_failed", &e);
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

/* What a client says its request is about, in a header of the contract: good for finding lines, and
 * believed for nothing else. */
static str said_id(const struct http_request *rq, const char *header)
{
    str id = http_header(rq, header);
    bool is_sane = id.len > 0 && id.len <= 64;
    for (size_t i = 0; is_sane && i < id.len; i++) {
        char c = id.ptr[i];
        is_sane = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  strchr("-_.:@", c);
    }
    return is_sane ? id : STR_NONE;
}

/* What an operator must look at. "Try again in a moment" is not, nor is the 503 by which a server
 * tells whoever asks for its health, every few seconds, what is down. */
static enum log_level level_of(int status, const err *e)
{
    bool is_told = status == 503 && (!e || e->code == ERR_NONE || e->code == ERR_BUSY);
    return is_failure(status) && !is_told ? LOG_ERROR : status >= 400 ? LOG_WARN : LOG_INFO;
}

void house_request_finished(void *ctx, const struct http_request *rq, int status,
                            int64_t duration_ns, int64_t bytes_out, const err *e)
{
    struct house *h = ctx;
    const struct route *route = http_route(rq);
    struct route_watch *w = route ? find_watch(h, route) : NULL;
    int64_t suppressed = 0;
    if (w)
        count_request(h, w, status, http_user(rq).len ? 0 : 1, duration_ns);
    if (status == 429)
        metric_add(metric_cell_plain(h->metrics, &house_metrics_table[FAMILY_LIMITED]), 1);
    if (!may_log(w ? w : &h->unknown, clock_mono_ns() / 1000000000, &suppressed))
        return;
    struct log_labels labels = { .component = STR("http"),
                                 .request_id = http_request_id(rq),
                                 .username = http_user(rq) };
    char run_id[HEX_ID_BYTES] = "";
    if (route) { /* else the head may not have been read */
        err none = app_run_id_parse(said_id(rq, "X-Run-Id"), run_id);
        labels.run_id = none.code ? STR_NONE : str_of(run_id);
        labels.dataset_id = said_id(rq, "X-Dataset-Id");
        labels.model_id = said_id(rq, "X-Model-Id");
    }
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
    if (e && e->code &&
        is_failure(status)) { /* our own mistake, or the disk's: where it was noticed */
        fields[n++] = F_CSTR("at", e->file);
        fields[n++] = F_INT("line", e->line);
    }
    log_event_fields(h->log, level_of(status, e), &labels, "http.request",
                     e && e->code ? e->msg : NULL, fields, n);
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
