/* SPDX-License-Identifier: GPL-3.0-or-later */
/* core_gc.c -- what goes: by rules of experiments, out of the trash, and blobs that nobody refers
 * to any more.
 *
 * A gc is a job like every other. First it says what it would do, in full and with the bytes
 * (plan.json), and if that was all that was asked for, ends. Then it does it and says what it did
 * (report.json). Both go through the same code, once without writing.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/map.h"
#include "platform/app/core.h"
#include "platform/app/house_private.h"
#include "platform/app/server_client.h"
#include "platform/query/query.h"
#include "platform/track/retention.h"

enum {
    LISTED_MAX = 1000,   /* things that a plan or report names one by one */
    GOING_MAX = 2000000, /* whose bytes a plan can know */
    REPORT_BYTES_MAX = 1024 * 1024,
    GOING_ARENA_BYTES = 512 * 1024 * 1024,
    WAIT_MS = 200,
};
#define JOBS_KEPT_MS (90LL * 24 * 3600 * 1000)
#define DAY_MS (24LL * 3600 * 1000)

enum { FAMILY_THINGS, FAMILY_BYTES };
const struct metric_family core_gc_metrics[] = {
    [FAMILY_THINGS] = { "skerry_gc_total",
                        METRIC_COUNTER,
                        "Things that a gc did: trash_run, purge_run, purge_model, "
                        "purge_experiment, remove_trace, remove_blob.",
                        { "what" } },
    [FAMILY_BYTES] = { "skerry_gc_bytes_total", METRIC_COUNTER,
                       "Bytes of blobs that collections removed." },
    { 0 },
};

/* ------------------------------------------------------------------ a pass and what it says */

struct gc {
    struct run *run;
    struct retention want;
    /* of one pass */
    struct json_out *list; /* an open array */
    size_t listed;
    struct map going; /* ids of runs and paths of files, of a rehearsal */
    arena keep;
    bool is_going_whole; /* all of them are known */
};

static void tell(void *arg, enum retention_act act, str id, str files)
{
    struct gc *g = arg;
    if (g->listed < LISTED_MAX) {
        json_object_begin(g->list);
        json_kv_cstr(g->list, "do", retention_act_name(act));
        json_kv_str(g->list, "id", id);
        json_object_end(g->list);
        g->listed++;
    }
    str key = act == RETENTION_PURGE_RUN ? id : files;
    bool is_for_good = act == RETENTION_PURGE_RUN || act == RETENTION_PURGE_MODEL ||
                       act == RETENTION_PURGE_EXPERIMENT || act == RETENTION_REMOVE_TRACE;
    if (!g->want.is_rehearsal || !is_for_good || !key.len)
        return;
    union map_value *value;
    bool is_new;
    err e = map_put(&g->going, arena_str(&g->keep, key), &value, &is_new);
    e = err_first(e, arena_check(&g->keep));
    g->is_going_whole = g->is_going_whole && !e.code;
}

static err check(void *arg)
{
    struct gc *g = arg;
    return run_check(g->run);
}

static bool is_going(void *arg, str run_id, str path)
{
    const struct gc *g = arg;
    if (run_id.len)
        return map_find(&g->going, run_id) != NULL;
    for (size_t i = 0; i < path.len; i++)
        if (path.ptr[i] == '/' && map_find(&g->going, str_sub(path, 0, i)))
            return true;
    return false;
}

/* What tracking and the apps would still refer to. */
static err roots_after(void *arg, blob_mark_fn mark, void *mark_arg)
{
    struct gc *g = arg;
    struct house *h = run_house(g->run);
    TRY(retention_roots(&(struct retention_roots){ h->store, is_going, g }, mark, mark_arg));
    TRY(jobs_roots_in(h->store, mark, mark_arg));
    for (size_t i = 0; i < h->app_count; i++)
        if (h->apps[i]->roots)
            TRY(h->apps[i]->roots(h, mark, mark_arg));
    return OK;
}

static err rehearse_collection(struct gc *g, struct blob_gc_report *ret_report)
{
    struct house *h = run_house(g->run);
    struct blob_gc_options options;
    const struct blob_owner owners[] = { { roots_after, g } };
    house_collect_options(h, &options);
    options.is_rehearsal = true;
    return blobs_collect_with(h->blobs, owners, COUNT_OF(owners), &options, ret_report);
}

/* The numbers, as members of an open object. */
static void write_numbers(const struct gc *g, const struct retention_report *r,
                          const struct blob_gc_report *blobs, struct json_out *w)
{
    json_kv_bool(w, "dryRun", g->want.is_rehearsal);
    json_kv_int(w, "experimentsWithRules", r->rules);
    json_kv_int(w, "rulesThatAreNoNumbers", r->rules_wrong);
    json_kv_int(w, "runsIntoTrash", r->counts[RETENTION_TRASH_RUN]);
    json_kv_int(w, "runsPurged", r->counts[RETENTION_PURGE_RUN]);
    json_kv_int(w, "loggedModelsPurged", r->counts[RETENTION_PURGE_MODEL]);
    json_kv_int(w, "experimentsPurged", r->counts[RETENTION_PURGE_EXPERIMENT]);
    json_kv_int(w, "tracesRemoved", r->counts[RETENTION_REMOVE_TRACE]);
    json_kv_int(w, "keptBecauseNeeded",
                r->counts[RETENTION_KEEP_RUN] + r->counts[RETENTION_KEEP_MODEL]);
    json_kv_int(w, "blobsRemoved", blobs->removed_count);
    json_key(w, "bytesFreed");
    if (g->is_going_whole)
        json_out_int(w, blobs->removed_bytes);
    else
        json_out_null(w);
    json_kv_int(w, "bytesTooYoung", blobs->young_bytes);
}

struct outcome {
    struct retention_report report;
    struct blob_gc_report blobs;
    str numbers; /* JSON, in the run's arena */
};

static err pass(struct gc *g, struct outcome *o)
{
    struct house *h = run_house(g->run);
    TRY(retention_apply(h->track, &g->want, &o->report));
    return g->want.is_rehearsal ? rehearse_collection(g, &o->blobs) : house_collect(h, &o->blobs);
}

static err pass_to_artifact(struct gc *g, struct buf *text, struct buf *numbers, struct outcome *o)
{
    struct json_out list, w;
    json_out_init(&list, text);
    json_object_begin(&list);
    json_key(&list, "items");
    json_array_begin(&list);
    g->list = &list;
    g->listed = 0;
    TRY(pass(g, o));
    json_array_end(&list);
    json_kv_bool(&list, "itemsAreAll", g->listed < LISTED_MAX);
    write_numbers(g, &o->report, &o->blobs, &list);
    json_object_end(&list);
    json_out_init(&w, numbers);
    json_object_begin(&w);
    write_numbers(g, &o->report, &o->blobs, &w);
    json_object_end(&w);
    TRY(err_first(buf_check(text), buf_check(numbers)));
    o->numbers = arena_str(run_arena(g->run), buf_str(numbers));
    TRY(arena_check(run_arena(g->run)));
    return run_artifact(g->run, g->want.is_rehearsal ? "plan.json" : "report.json", buf_str(text));
}

static err run_pass(struct gc *g, bool is_rehearsal, struct outcome *ret_outcome)
{
    struct buf text, numbers;
    *ret_outcome = (struct outcome){ 0 };
    g->want.is_rehearsal = is_rehearsal;
    g->is_going_whole = true;
    buf_init(&text, REPORT_BYTES_MAX);
    buf_init(&numbers, REPORT_BYTES_MAX);
    arena_init(&g->keep, GOING_ARENA_BYTES);
    map_init(&g->going, GOING_MAX);
    err e = pass_to_artifact(g, &text, &numbers, ret_outcome);
    map_deinit(&g->going);
    arena_deinit(&g->keep);
    buf_deinit(&numbers);
    buf_deinit(&text);
    if (!e.code)
        RUN_LOG(g->run, LOG_INFO, is_rehearsal ? "gc.planned" : "gc.done", NULL,
                F_STR("numbers", ret_outcome->numbers));
    return e;
}

/* ------------------------------------------------------------------ the job */

/* Finished jobs are history: their runs stay, the rows of the queue need not. */
static err purge_jobs(struct run *run)
{
    int64_t removed, before_ms = clock_wall_ms() - JOBS_KEPT_MS;
    do {
        TRY(run_check(run));
        TRY(jobs_purge(house_jobs(run_house(run)), before_ms, &removed));
    } while (removed == JOBS_PURGE_MAX);
    return OK;
}

static err missing(const struct blob_gc_report *report)
{
    if (!report->missing_count)
        return OK;
    return ERR(ERR_CORRUPT,
               "%lld blobs are referred to but missing, the first is %s: restore them from a "
               "backup",
               (long long)report->missing_count, report->first_missing.hex);
}

static void count_things(struct house *h, const struct outcome *o)
{
    for (int act = 0; act < RETENTION_ACT_COUNT; act++)
        if (act != RETENTION_KEEP_RUN && act != RETENTION_KEEP_MODEL)
            metric_add(METRIC_CELL(h->metrics, &core_gc_metrics[FAMILY_THINGS],
                                   str_of(retention_act_name((enum retention_act)act))),
                       (double)o->report.counts[act]);
    metric_add(METRIC_CELL(h->metrics, &core_gc_metrics[FAMILY_THINGS], STR("remove_blob")),
               (double)o->blobs.removed_count);
    metric_add(metric_cell_plain(h->metrics, &core_gc_metrics[FAMILY_BYTES]),
               (double)o->blobs.removed_bytes);
}

/* "30d", "12h", "0d": how long something was in the trash. Absent: as SKERRY_KEEP_DELETED_DAYS
 * says.
 */
static err deleted_before(struct house *h, str age, int64_t now_ms, int64_t *ret_before_ms)
{
    int64_t age_ms = setting_int(h, "SKERRY_KEEP_DELETED_DAYS") * DAY_MS;
    if (age.len == 0 && age_ms == 0) {
        *ret_before_ms = 0; /* for ever */
        return OK;
    }
    if (age.len)
        TRY(err_wrap(query_duration_parse(age, &age_ms), "olderThan, --older-than"));
    *ret_before_ms = now_ms - age_ms; /* never what this very pass moves into the trash */
    return OK;
}

err core_gc_run(struct run *run, const struct json *payload)
{
    struct house *h = run_house(run);
    struct gc g = { .run = run,
                    .want = { .now_ms = clock_wall_ms(),
                              .traces_days = setting_int(h, "SKERRY_KEEP_TRACES_DAYS"),
                              .tell = tell,
                              .check = check } };
    struct outcome o;
    str age = STR_NONE;
    bool is_dry = json_bool(json_get(payload, "dryRun"), false);
    TRY(json_opt_str(payload, "olderThan", &age));
    TRY(deleted_before(h, age, g.want.now_ms, &g.want.deleted_before_ms));
    g.want.arg = &g;
    TRY(run_pass(&g, true, &o));
    if (is_dry)
        return run_result(run, o.numbers);
    TRY(purge_jobs(run));
    TRY(run_pass(&g, false, &o));
    count_things(h, &o);
    TRY(run_metric(run, "purged_runs", (double)o.report.counts[RETENTION_PURGE_RUN], 0));
    TRY(run_metric(run, "removed_bytes", (double)o.blobs.removed_bytes, 0));
    TRY(missing(&o.blobs));
    return run_result(run, o.numbers);
}

err core_collect_run(struct run *run, const struct json *payload)
{
    struct outcome o = { 0 };
    TRY(purge_jobs(run));
    TRY(house_collect(run_house(run), &o.blobs));
    count_things(run_house(run), &o);
    TRY(run_metric(run, "removed_blobs", (double)o.blobs.removed_count, 0));
    TRY(run_metric(run, "removed_bytes", (double)o.blobs.removed_bytes, 0));
    TRY(run_metric(run, "missing_blobs", (double)o.blobs.missing_count, 0));
    str text = arena_fmt(run_arena(run),
                         "{\"kept\":%lld,\"removed\":%lld,\"removedBytes\":%lld,\"missing\":%lld}",
                         (long long)o.blobs.kept_count, (long long)o.blobs.removed_count,
                         (long long)o.blobs.removed_bytes, (long long)o.blobs.missing_count);
    ARENA_TRY(text.ptr);
    TRY(run_artifact(run, "report.json", text));
    TRY(missing(&o.blobs));
    return run_result(run, text);
}

/* ------------------------------------------------------------------ the routes */

err core_collect(struct http_request *rq, struct http_reply *rp)
{
    struct job_spec job = { .kind = "core.collect", .payload = STR("{}"), .key = STR("collect") };
    return app_start_job(rq, rp, &job, 202, "/v1/runs/");
}

/* {"olderThan":"30d","dryRun":true} in the form of a payload. Two that ask for the same are one. */
static err gc_payload(str age, bool is_dry, arena *keep, str *ret_payload)
{
    int64_t age_ms;
    if (age.len)
        TRY(err_wrap(query_duration_parse(age, &age_ms), "olderThan, --older-than"));
    *ret_payload = age.len ? arena_fmt(keep, "{\"dryRun\":%s,\"olderThan\":\"%.*s\"}",
                                       is_dry ? "true" : "false", STR_ARG(age))
                           : arena_fmt(keep, "{\"dryRun\":%s}", is_dry ? "true" : "false");
    ARENA_TRY(ret_payload->ptr);
    return OK;
}

err core_gc(struct http_request *rq, struct http_reply *rp)
{
    const struct json *body = NULL;
    str age = STR_NONE, payload;
    bool is_dry = false;
    if (http_body(rq).len)
        TRY(http_body_json(rq, &body));
    TRY(json_opt_str(body, "olderThan", &age));
    TRY(json_opt_bool(body, "dryRun", &is_dry));
    TRY(gc_payload(age, is_dry, http_arena(rq), &payload));
    if (!is_dry)
        TRY(auth_audit(house_auth(rq_house(rq)), http_user(rq), STR("maintenance.gc"), age,
                       payload));
    struct job_spec job = { .kind = "core.gc", .payload = payload, .key = payload };
    return app_start_job(rq, rp, &job, 202, "/v1/runs/");
}

/* ------------------------------------------------------------------ the verb */

static err read_args(const struct verb_args *args, str *ret_age, bool *ret_is_dry)
{
    for (int i = 0; i < args->count; i++) {
        if (strcmp(args->values[i], "--dry-run") == 0)
            *ret_is_dry = true;
        else if (strcmp(args->values[i], "--older-than") == 0 && i + 1 < args->count)
            *ret_age = str_of(args->values[++i]);
        else
            return ERR(ERR_INVALID, "usage: skerry gc [--older-than 30d] [--dry-run] [--json]");
    }
    return OK;
}

/* A running server does it: then it also takes what is young, since it sees that no verb is at
 * work. This one only waits, so it gives its lock back. */
static err leave_to_server(struct house *h, const char *id)
{
    bool is_over = false;
    struct server_address server;
    if (h->lock_fd >= 0)
        close(h->lock_fd);
    h->lock_fd = -1;
    while (!is_over && server_find(h->home, &server)) {
        arena scratch;
        struct job_info info = { 0 };
        arena_init(&scratch, 1024 * 1024);
        err e = job_get(house_jobs(h), str_of(id), &scratch, &info);
        is_over = info.state == JOB_SUCCEEDED || info.state == JOB_FAILED ||
                  info.state == JOB_STOPPED;
        arena_deinit(&scratch);
        TRY(e);
        if (!is_over)
            clock_sleep_ms(WAIT_MS);
    }
    return OK;
}

static err verb_gc(struct house *h, const struct verb_args *args, arena *keep)
{
    str age = STR_NONE, payload;
    bool is_dry = false;
    struct job_info info;
    struct server_address server;
    char id[UUID_BYTES];
    bool is_new;
    TRY(read_args(args, &age, &is_dry));
    TRY(gc_payload(age, is_dry, keep, &payload));
    struct job_spec spec = { .kind = "core.gc",
                             .payload = payload,
                             .key = payload,
                             .username = setting_str(h, "SKERRY_USER") };
    TRY(job_add(house_jobs(h), &spec, id, &is_new));
    if (server_find(h->home, &server))
        TRY(leave_to_server(h, id));
    return app_finish_job(h, id, args->json, keep, &info);
}

err core_verb_gc(struct house *h, const struct verb_args *args)
{
    arena keep;
    arena_init(&keep, 4 * 1024 * 1024);
    err e = verb_gc(h, args, &keep);
    arena_deinit(&keep);
    return e;
}
