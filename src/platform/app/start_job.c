/* SPDX-License-Identifier: GPL-3.0-or-later */
/* start_job.c -- how routes and verbs start work: both add a job; a route answers at once, a verb
 * runs the job itself and shows how far it is. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "platform/app/house_private.h"

err app_add_job_tx(struct house *h, struct store_tx *tx, const struct job_spec *spec,
                   char ret_id[UUID_BYTES], bool *ret_is_new)
{
    const struct job_kind *kind = jobs_kind(house_jobs(h), str_of(spec->kind));
    TRY(job_add_tx(house_jobs(h), tx, spec, ret_id, ret_is_new));
    if (!*ret_is_new)
        return OK;
    struct run_plan plan = { .run_id = spec->run_id,
                             .job_id = str_of(ret_id),
                             .job_kind = spec->kind,
                             .component = kind ? kind->component : "",
                             .username = spec->username };
    return track_run_schedule_tx(house_track(h), tx, &plan);
}

struct addition {
    struct house *h;
    const struct job_spec *spec;
    char id[UUID_BYTES];
    bool is_new;
};

static err add_tx(struct store_tx *tx, void *arg)
{
    struct addition *a = arg;
    return app_add_job_tx(a->h, tx, a->spec, a->id, &a->is_new);
}

/* What makes room must go on when there is none. */
static bool is_maintenance(struct house *h, const char *name)
{
    const struct job_kind *kind = jobs_kind(house_jobs(h), str_of(name));
    return kind && strcmp(kind->component, "maintenance") == 0;
}

err app_queue_job(struct http_request *rq, const struct job_spec *spec,
                  char ret_run_id[HEX_ID_BYTES], char ret_job_id[UUID_BYTES])
{
    struct house *h = rq_house(rq);
    struct job_spec job = *spec;
    struct addition a = { .h = h, .spec = &job };
    char run_id[HEX_ID_BYTES];
    rand_hex_id(run_id);
    job.run_id = str_of(run_id);
    if (job.username.len == 0)
        job.username = http_user(rq);
    if (!is_maintenance(h, spec->kind))
        TRY(house_room_need(h, 0));
    TRY(store_write(house_store(h), add_tx, &a));
    jobs_wake(house_jobs(h));
    if (!a.is_new) { /* the unfinished job with the same key has a run id of its own */
        struct job_info info = { 0 };
        TRY(job_get(house_jobs(h), str_of(a.id), http_arena(rq), &info));
        snprintf(run_id, sizeof run_id, "%.*s", STR_ARG(info.run_id));
    }
    memcpy(ret_run_id, run_id, HEX_ID_BYTES);
    memcpy(ret_job_id, a.id, UUID_BYTES);
    return OK;
}

err app_start_job(struct http_request *rq, struct http_reply *rp, const struct job_spec *spec,
                  int status, const char *location_prefix)
{
    char run_id[HEX_ID_BYTES] = "", job_id[UUID_BYTES] = "";
    TRY(app_queue_job(rq, spec, run_id, job_id));
    str location = arena_fmt(http_arena(rq), "%s%s", location_prefix, run_id);
    ARENA_TRY(location.ptr);
    http_status(rp, status);
    http_set_header(rp, "Location", location);
    struct json_out *w = http_json(rp);
    json_object_begin(w);
    json_kv_cstr(w, "runId", run_id);
    json_kv_cstr(w, "jobId", job_id);
    json_kv_cstr(w, "status", "queued");
    json_object_end(w);
    return OK;
}

/* ------------------------------------------------------------------ a verb's progress */

enum { BAR_CELLS = 24, PLAIN_LINE_MS = 2000, BAR_MS = 100 };

struct progress {
    bool is_terminal;
    bool shown;         /* a bar stands on the terminal line */
    int64_t next_ms;    /* monotonic */
    int64_t started_ms; /* monotonic */
};

static void format_seconds(double s, char out[32])
{
    if (!(s >= 0) || s > 359999)
        snprintf(out, 32, "--");
    else if (s < 3600)
        snprintf(out, 32, "%d:%02d", (int)s / 60, (int)s % 60);
    else
        snprintf(out, 32, "%d:%02d:%02d", (int)s / 3600, (int)s / 60 % 60, (int)s % 60);
}

static void show_progress(void *arg, const struct job_info *info)
{
    struct progress *p = arg;
    int64_t now = clock_mono_ns() / 1000000;
    if (now < p->next_ms || info->total <= 0)
        return;
    p->next_ms = now + (p->is_terminal ? BAR_MS : PLAIN_LINE_MS);
    double share = (double)info->done / (double)info->total;
    if (share > 1)
        share = 1;
    char eta[32], spent[32];
    format_seconds(info->eta_s, eta);
    format_seconds((double)(now - p->started_ms) / 1000, spent);
    if (!p->is_terminal) {
        fprintf(stderr, "%s: %3.0f %%  %s, %s left\n", info->kind, share * 100, spent, eta);
        return;
    }
    char bar[BAR_CELLS + 1];
    int full = (int)(share * BAR_CELLS);
    for (int i = 0; i < BAR_CELLS; i++)
        bar[i] = i < full ? '#' : '.';
    bar[BAR_CELLS] = '\0';
    fprintf(stderr, "\r%-16s [%s] %3.0f %%  %s, %s left\033[K", info->kind, bar, share * 100, spent,
            eta);
    fflush(stderr);
    p->shown = true;
}

/* "name 1, top1 0.41": the plain members of an object; how many there are of what is not plain. */
static void add_members(struct buf *out, const struct json *object)
{
    void *iter = NULL;
    str key;
    const struct json *value;
    for (const char *comma = ""; json_next(object, &iter, &key, &value); comma = ", ") {
        buf_add_fmt(out, "%s%.*s ", comma, STR_ARG(key));
        if (json_kind(value) == JSON_IS_STR)
            buf_add(out, json_str(value, STR_NONE));
        else if (json_kind(value) == JSON_IS_ARRAY || json_kind(value) == JSON_IS_OBJECT)
            buf_add_fmt(out, "(%zu)", json_count(value));
        else
            json_dump(value, out);
    }
}

enum { DEPTH_SHOWN = 3, VALUE_COLUMN = 22 };

/* A line for each plain value, deeper for what is inside; of lists of objects a line each. What is
 * still deeper is in --json. */
static void add_lines(struct buf *out, const struct json *object, int depth)
{
    void *iter = NULL;
    str key;
    const struct json *value;
    while (json_next(object, &iter, &key, &value)) {
        bool is_list = json_kind(value) == JSON_IS_ARRAY &&
                       json_kind(json_at(value, 0)) == JSON_IS_OBJECT;
        bool is_inside = json_kind(value) == JSON_IS_OBJECT && depth < DEPTH_SHOWN;
        int pad = is_list || is_inside ? 0 : VALUE_COLUMN - 2 * depth;
        buf_add_fmt(out, "%*s%-*.*s%s", 2 * depth, "", pad, STR_ARG(key), pad ? " " : "");
        for (size_t i = 0; is_list && i < json_count(value); i++) {
            buf_add_fmt(out, "\n%*s", 2 * depth + 2, "");
            add_members(out, json_at(value, i));
        }
        if (json_kind(value) == JSON_IS_STR)
            buf_add(out, json_str(value, STR_NONE));
        else if (!is_list && !is_inside)
            json_dump(value, out);
        buf_add_char(out, '\n');
        if (is_inside)
            add_lines(out, value, depth + 1);
    }
}

static err print_result(const struct job_info *info, bool json, arena *keep)
{
    const struct json *result;
    struct buf out;
    if (json) {
        printf("%.*s\n", STR_ARG(info->result.len ? info->result : STR("{}")));
        return OK;
    }
    if (!info->result.len)
        return OK;
    TRY(json_parse(keep, info->result, &result));
    buf_init(&out, 16 * 1024 * 1024);
    add_lines(&out, result, 1);
    err e = buf_check(&out);
    if (!e.code)
        fwrite(out.ptr, 1, out.len, stdout);
    buf_deinit(&out);
    return e;
}

static enum err_code failed_code(const struct job_info *info)
{
    if (info->state != JOB_FAILED || !info->error_code.len)
        return ERR_CANCELLED;
    return err_code_find(info->error_code.ptr, info->error_code.len);
}

err app_run_job(struct house *h, const struct job_spec *spec, bool json, arena *keep,
                struct job_info *ret_info)
{
    char id[UUID_BYTES];
    bool is_new;
    struct job_spec job = *spec;
    if (job.username.len == 0)
        job.username = setting_str(h, "SKERRY_USER");
    if (!is_maintenance(h, spec->kind)) {
        TRY(house_room_measure(h, false)); /* nobody else does in a verb */
        TRY(house_room_need(h, 0));
    }
    TRY(job_add(house_jobs(h), &job, id, &is_new));
    return app_finish_job(h, id, json, keep, ret_info);
}

err app_finish_job(struct house *h, const char *id, bool json, arena *keep,
                   struct job_info *ret_info)
{
    struct progress progress = { .is_terminal = isatty(STDERR_FILENO),
                                 .started_ms = clock_mono_ns() / 1000000 };
    progress.next_ms = progress.is_terminal ? 0 : progress.started_ms + PLAIN_LINE_MS;
    struct job_info info;
    err e = jobs_run_until(house_jobs(h), str_of(id), show_progress, &progress, keep, &info);
    if (progress.shown)
        fputs("\r\033[K", stderr);
    TRY(e);
    if (info.state != JOB_SUCCEEDED)
        return ERR(failed_code(&info), "%s %s: %.*s", info.kind, job_state_name(info.state),
                   STR_ARG(info.error));
    *ret_info = info;
    return print_result(&info, json, keep);
}
