/* SPDX-License-Identifier: GPL-3.0-or-later */
/* core_doctor.c -- `skerry doctor` and /v1/doctor: what is well, what is not, and the next step.
 *
 * Most of it is cheap, and the overview of the web UI asks for that now and then. Thorough is what
 * reads the whole store or starts a program of an app's: the verb always does, the route when an
 * admin asks for it.
 */
#include <stdio.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/thread.h"
#include "platform/app/core.h"
#include "platform/app/house_private.h"
#include "platform/app/server_client.h"

enum { FINDINGS_MAX = 32, OUTPUT_BYTES_MAX = 1024 * 1024 };

static void look_at(struct finding *f, const char *what, const err *e, const char *next_step)
{
    *f = (struct finding){ .what = what, .is_good = !e->code, .next_step = next_step };
    snprintf(f->state, sizeof f->state, "%s", e->code ? e->msg : "good");
}

static err read_one(struct store_read *rd, void *arg)
{
    return store_get_int(rd, "SELECT 1", NO_ARGS, arg);
}

static void examine_store(struct house *h, bool is_thorough, struct finding *f)
{
    int64_t one;
    err e = is_thorough ? store_check(h->store) : store_read(h->store, read_one, &one);
    look_at(f, "store", &e, "restore a backup: docs/operations.md");
    if (!e.code)
        snprintf(f->state, sizeof f->state, is_thorough ? "%s, integrity check clean" : "%s",
                 store_engine(h->store));
}

static void examine_blobs(struct house *h, struct finding *f)
{
    struct blobs_usage usage = { 0 };
    err e = blobs_usage(h->blobs, &usage);
    look_at(f, "blobs", &e,
            str_starts(setting_str(h, "SKERRY_BLOBS"), STR("s3:"))
                ? "see that the S3 server runs: docs/operations.md"
                : "check the permissions of the blobs folder");
    if (!e.code)
        snprintf(f->state, sizeof f->state, "%lld blobs, %lld bytes", (long long)usage.count,
                 (long long)usage.bytes);
}

static void examine_disk(struct house *h, struct finding *f)
{
    int64_t free_bytes = 0;
    err e = fs_free_bytes(h->home, &free_bytes);
    if (!e.code && free_bytes < (int64_t)256 << 20)
        e = ERR(ERR_NO_SPACE, "only %lld MiB free", (long long)(free_bytes >> 20));
    look_at(f, "disk", &e, "make room, or move SKERRY_HOME");
    if (!e.code)
        snprintf(f->state, sizeof f->state, "%lld MiB free in %s", (long long)(free_bytes >> 20),
                 h->home);
}

static void examine_server(struct house *h, struct finding *f)
{
    struct server_address server;
    *f = (struct finding){ .what = "server", .is_good = true };
    if (h->mode == HOUSE_SERVE)
        snprintf(f->state, sizeof f->state, "running, pid %d", (int)getpid());
    else if (server_find(h->home, &server))
        snprintf(f->state, sizeof f->state, "running, pid %d, http://127.0.0.1:%d", server.pid,
                 server.port);
    else
        snprintf(f->state, sizeof f->state, "not running (skerry serve starts it)");
}

static size_t examine(struct house *h, bool is_thorough, struct finding out[FINDINGS_MAX])
{
    size_t n = 0;
    examine_store(h, is_thorough, &out[n++]);
    examine_blobs(h, &out[n++]);
    examine_disk(h, &out[n++]);
    err e = access(h->home, W_OK) == 0 ? OK : ERR_SYS("'%s' cannot be written", h->home);
    look_at(&out[n++], "data folder", &e, "run as its owner, or set SKERRY_HOME");
    examine_server(h, &out[n++]);
    out[n] = (struct finding){ .what = "cores", .is_good = true };
    snprintf(out[n].state, sizeof out[n].state, "%d usable", thread_core_count());
    n++;
    core_backup_examine(h, &out[n++]);
    house_room_examine(h, &out[n++]);
    for (size_t i = 0; is_thorough && house_apps(h)[i]; i++)
        if (house_apps(h)[i]->examine)
            n += house_apps(h)[i]->examine(h, out + n, FINDINGS_MAX - n);
    return n;
}

static void write_finding(struct json_out *w, const struct finding *f)
{
    json_object_begin(w);
    json_kv_cstr(w, "what", f->what);
    json_kv_bool(w, "good", f->is_good);
    json_kv_cstr(w, "state", f->state);
    json_kv_cstr(w, "nextStep", f->is_good ? NULL : f->next_step);
    json_object_end(w);
}

err core_doctor(struct http_request *rq, struct http_reply *rp)
{
    struct finding findings[FINDINGS_MAX];
    bool is_thorough = str_eq(http_query(rq, "thorough"), STR("true"));
    if (is_thorough && http_granted(rq) < ACCESS_ADMIN)
        return ERR(ERR_DENIED, "reading the whole store is for admins; leave out 'thorough'");
    size_t count = examine(rq_house(rq), is_thorough, findings);
    struct json_out *w = http_json(rp);
    json_items_begin(w);
    for (size_t i = 0; i < count; i++)
        write_finding(w, &findings[i]);
    json_items_end(w);
    return OK;
}

err core_verb_doctor(struct house *h, const struct verb_args *args)
{
    struct finding findings[FINDINGS_MAX];
    size_t count = examine(h, true, findings), bad = 0;
    struct buf out;
    struct json_out w;
    buf_init(&out, OUTPUT_BYTES_MAX);
    json_out_init(&w, &out);
    if (args->json)
        json_array_begin(&w);
    for (size_t i = 0; i < count; i++) {
        const struct finding *f = &findings[i];
        bad += !f->is_good;
        if (args->json) {
            write_finding(&w, f);
        } else {
            buf_add_fmt(&out, "%-4s %-12s %s\n", f->is_good ? "ok" : "BAD", f->what, f->state);
            if (!f->is_good)
                buf_add_fmt(&out, "     next step:   %s\n", f->next_step);
        }
    }
    if (args->json)
        json_array_end(&w);
    printf("%.*s%s", STR_ARG(buf_str(&out)), args->json ? "\n" : "");
    buf_deinit(&out);
    return bad ? ERR(ERR_CONFLICT, "%zu findings need attention", bad) : OK;
}
