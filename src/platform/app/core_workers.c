/* SPDX-License-Identifier: GPL-3.0-or-later */
/* core_workers.c -- who does jobs, on all machines: the list, and letting one drain. */
#include <stdio.h>
#include <string.h>

#include "platform/app/core.h"

enum { ARENA_BYTES = 8 * 1024 * 1024, OUTPUT_BYTES = 4 * 1024 * 1024 };

static void write_kinds(struct json_out *w, str kinds)
{
    json_key(w, "kinds");
    json_array_begin(w);
    for (str rest = kinds; rest.len;) {
        str kind = str_split(&rest, ',');
        if (kind.len)
            json_out_str(w, kind);
    }
    json_array_end(w);
}

static void write_worker(struct json_out *w, const struct worker_info *x)
{
    json_object_begin(w);
    json_kv_str(w, "name", x->name);
    json_kv_str(w, "id", x->id);
    json_kv_str(w, "role", x->role);
    json_kv_str(w, "state", x->state);
    json_kv_str(w, "version", x->version);
    json_kv_str(w, "dataFolder", x->place);
    json_kv_int(w, "cores", x->cores);
    json_kv_int(w, "memoryBytes", x->memory_bytes);
    json_key(w, "gpu");
    if (x->gpu.len)
        json_out_str(w, x->gpu);
    else
        json_out_null(w);
    json_kv_int(w, "jobsMax", x->places);
    json_kv_int(w, "jobsRunning", x->running);
    json_kv_time_ms(w, "startedAt", x->started_ms);
    json_kv_time_ms(w, "seenAt", x->seen_ms);
    write_kinds(w, x->kinds);
    json_object_end(w);
}

err core_workers_list(struct http_request *rq, struct http_reply *rp)
{
    struct worker_info *workers;
    size_t count;
    TRY(workers_list(house_jobs(rq_house(rq)), http_arena(rq), &workers, &count));
    struct json_out *w = http_json(rp);
    json_items_begin(w);
    for (size_t i = 0; i < count; i++)
        write_worker(w, &workers[i]);
    json_items_end(w);
    return OK;
}

/* ------------------------------------------------------------------ drain, resume */

static err tell(struct house *h, str action, str name, str username, int64_t *ret_count)
{
    bool drains = str_eq(action, STR("drain"));
    if (!drains && !str_eq(action, STR("resume")))
        return ERR(ERR_INVALID, "action must be drain or resume, and is '%.*s'",
                   STR_ARG(str_sub(action, 0, 40)));
    TRY(worker_drain(house_jobs(h), name, drains, ret_count));
    struct log_labels labels = { .component = STR("jobs"), .username = username };
    log_event(house_log(h), LOG_INFO, &labels, "worker.told", NULL, F_STR("name", name),
              F_STR("action", action), F_INT("workers", *ret_count));
    return OK;
}

err core_worker_control(struct http_request *rq, struct http_reply *rp)
{
    const struct json *body;
    str action, name = http_param(rq, "name");
    int64_t count;
    TRY(http_body_json(rq, &body));
    TRY(json_need_str(body, "action", &action));
    TRY(tell(rq_house(rq), action, name, http_user(rq), &count));
    http_status(rp, 202);
    struct json_out *w = http_json(rp);
    json_object_begin(w);
    json_kv_str(w, "name", name);
    json_kv_str(w, "action", action);
    json_kv_int(w, "workers", count);
    json_object_end(w);
    return OK;
}

/* ------------------------------------------------------------------ the verb */

static void print_worker(struct buf *out, const struct worker_info *x)
{
    buf_add_fmt(out, "%-20.*s %-6.*s %-9.*s %3lld/%-3lld %3lld cores %6lld MiB  %-8.*s %.*s\n",
                STR_ARG(x->name), STR_ARG(x->role), STR_ARG(x->state), (long long)x->running,
                (long long)x->places, (long long)x->cores, (long long)(x->memory_bytes >> 20),
                STR_ARG(x->version), STR_ARG(x->gpu.len ? x->gpu : STR("no GPU")));
    str kinds = x->kinds.len > 2 ? str_sub(x->kinds, 1, x->kinds.len - 2) : STR("nothing");
    buf_add_fmt(out, "    takes %.*s\n    id %.*s\n", STR_ARG(kinds), STR_ARG(x->id));
}

static err list(struct house *h, bool json, arena *keep, struct buf *out)
{
    struct worker_info *workers;
    size_t count;
    struct json_out w;
    TRY(workers_list(house_jobs(h), keep, &workers, &count));
    json_out_init(&w, out);
    if (json)
        json_array_begin(&w);
    for (size_t i = 0; i < count; i++) {
        if (json)
            write_worker(&w, &workers[i]);
        else
            print_worker(out, &workers[i]);
    }
    if (json)
        json_array_end(&w);
    else if (count == 0)
        buf_add_cstr(out,
                     "Nobody does jobs: skerry serve does, and skerry work on other machines.");
    if (json || count == 0)
        buf_add_char(out, '\n');
    return buf_check(out);
}

err core_verb_workers(struct house *h, const struct verb_args *args)
{
    if (args->count == 2) {
        int64_t count = 0;
        TRY(tell(h, str_of(args->values[0]), str_of(args->values[1]), setting_str(h, "SKERRY_USER"),
                 &count));
        printf(args->json ? "{\"workers\":%lld,\"action\":\"%s\"}\n" : "%lld told: %s\n",
               (long long)count, args->values[0]);
        return OK;
    }
    if (args->count)
        return ERR(ERR_INVALID, "usage: skerry workers [drain NAME | resume NAME] [--json]");
    arena keep;
    struct buf out;
    arena_init(&keep, ARENA_BYTES);
    buf_init(&out, OUTPUT_BYTES);
    err e = list(h, args->json, &keep, &out);
    if (!e.code)
        fwrite(out.ptr, 1, out.len, stdout);
    buf_deinit(&out);
    arena_deinit(&keep);
    return e;
}
