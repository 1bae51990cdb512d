/* SPDX-License-Identifier: GPL-3.0-or-later */
/* house_room.c -- the budget of the disk: what is used, and what is refused because of it.
 *
 * What counts is what this machine's disk holds because of us and does not give back by itself: the
 * store (less the pages that removed rows left, which it fills again), blobs in a folder, and
 * uploads that wait. A store or a bucket elsewhere has an owner who looks after it.
 *
 * Counting walks all blobs, so it is done now and then, never for longer than a fiftieth of the
 * time; in between, uploads are added as they come. So the number is a little late, never by more
 * than what jobs wrote since. At the budget, what would store more bytes is refused with 507, which
 * clients of MLflow and OpenTelemetry take for final: uploads, exports of traces, new jobs. Rows of
 * metrics and params go on: they are small, and losing them costs somebody a night of training. So
 * do reads, deletions, gc, and jobs under way.
 */
#include <errno.h>
#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/fs.h"
#include "platform/app/house_private.h"

enum {
    MEASURE_MIN_MS = 2000,
    MEASURE_SHARE = 50,         /* at most one part in so many of the time */
    NEAR_PERCENT = 90,          /* of the budget: said, and a gc is brought forward */
    CALM_PERCENT = 85,          /* below it is calm again */
    HURRY_MS = 6 * 3600 * 1000, /* as long as it stays near, a gc so often */
};

enum { FAMILY_USED, FAMILY_BUDGET, FAMILY_FREE, FAMILY_REFUSED };
const struct metric_family house_room_metrics[] = {
    [FAMILY_USED] = { "skerry_disk_used_bytes", METRIC_GAUGE,
                      "Bytes of the store, blobs and waiting uploads on this machine." },
    [FAMILY_BUDGET] = { "skerry_disk_budget_bytes", METRIC_GAUGE,
                        "SKERRY_DISK_BUDGET: what they may take; 0: no limit." },
    [FAMILY_FREE] = { "skerry_disk_free_bytes", METRIC_GAUGE,
                      "Bytes free on the disk of the data folder." },
    [FAMILY_REFUSED] = { "skerry_disk_refused_total", METRIC_COUNTER,
                         "Uploads, exports and jobs refused for want of room." },
    { 0 },
};

static struct metric_cell *cell(const struct house *h, int family)
{
    return metric_cell_plain(h->metrics, &house_room_metrics[family]);
}

void house_room_open(struct house *h)
{
    struct house_room *r = &h->room;
    pthread_mutex_init(&r->lock, NULL);
    r->budget = setting_int(h, "SKERRY_DISK_BUDGET");
    r->free_min = setting_int(h, "SKERRY_DISK_FREE_MIN");
    metric_set(cell(h, FAMILY_BUDGET), (double)r->budget);
    (void)cell(h, FAMILY_REFUSED); /* exposed from the start */
}

void house_room_close(struct house *h)
{
    pthread_mutex_destroy(&h->room.lock);
}

/* ------------------------------------------------------------------ measuring */

/* Files right in a folder of the data folder; none is fine. */
static int64_t folder_bytes(const struct house *h, const char *name)
{
    char path[FS_PATH_BYTES], file[FS_PATH_BYTES];
    struct stat st;
    int64_t bytes = 0;
    DIR *folder = fs_join(path, h->home, name).code ? NULL : opendir(path);
    if (!folder)
        return 0;
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;)
        if (!fs_join(file, path, entry->d_name).code && lstat(file, &st) == 0 &&
            S_ISREG(st.st_mode))
            bytes += st.st_size;
    closedir(folder);
    return bytes;
}

static err used_bytes(struct house *h, int64_t *ret_bytes)
{
    struct blobs_usage usage = { 0 };
    int64_t store = 0, spare = 0;
    if (!store_is_shared(h->store)) {
        TRY(store_size(h->store, &store));
        TRY(store_spare(h->store, &spare));
    }
    if (!str_starts(setting_str(h, "SKERRY_BLOBS"), STR("s3:")))
        TRY(blobs_usage(h->blobs, &usage));
    *ret_bytes = store - spare + usage.bytes + folder_bytes(h, "inbox") + folder_bytes(h, "spool");
    return OK;
}

struct hurry {
    struct house *h;
    char run_id[HEX_ID_BYTES], job_id[UUID_BYTES];
    bool is_new;
};

static err hurry_fn(struct store_tx *tx, void *arg)
{
    struct hurry *x = arg;
    struct job_spec job = { .kind = "core.gc",
                            .payload = STR("{}"),
                            .key = STR("gc"),
                            .username = setting_str(x->h, "SKERRY_USER"),
                            .run_id = str_of(x->run_id) };
    return app_add_job_tx(x->h, tx, &job, x->job_id, &x->is_new);
}

/* The gc of the night, now. On a disk that is full to the last byte it cannot even be queued: that
 * is said, and keeps nobody from starting. */
static void hurry(struct house *h)
{
    struct hurry x = { .h = h };
    rand_hex_id(x.run_id);
    err e = store_write(h->store, hurry_fn, &x);
    if (e.code)
        log_error(h->log, NULL, "disk.gc_not_queued", &e);
    else
        jobs_wake(h->jobs);
    h->room.hurried_ms = clock_wall_ms();
}

static bool is_above(const struct house_room *r, int percent)
{
    int64_t used = atomic_load(&r->used), free_bytes = atomic_load(&r->free);
    /* The same distances from the other end. */
    bool is_tight = r->free_min && free_bytes / (200 - percent) < r->free_min / NEAR_PERCENT;
    return is_tight || (r->budget && used / percent >= r->budget / 100);
}

/* r->lock is held. */
static void judge(struct house *h)
{
    struct house_room *r = &h->room;
    bool was_near = atomic_load(&r->is_near),
         is_near = is_above(r, was_near ? CALM_PERCENT : NEAR_PERCENT);
    if (is_near != was_near && h->mode == HOUSE_SERVE)
        log_event(h->log, is_near ? LOG_WARN : LOG_INFO, NULL, is_near ? "disk.near" : "disk.calm",
                  is_near ? "the disk or its budget is nearly used up: delete what is not needed, "
                            "or raise SKERRY_DISK_BUDGET; a gc begins now"
                          : "there is room again",
                  F_INT("used", atomic_load(&r->used)), F_INT("budget", r->budget),
                  F_INT("free", atomic_load(&r->free)), F_INT("free_min", r->free_min));
    atomic_store(&r->is_near, is_near);
    bool is_due = is_near && (!was_near || clock_wall_ms() - r->hurried_ms >= HURRY_MS);
    if (is_due && h->mode == HOUSE_SERVE && h->jobs)
        hurry(h);
}

/* r->lock is held. */
static err measure(struct house *h)
{
    struct house_room *r = &h->room;
    int64_t began_ns = clock_mono_ns(), used = 0, free_bytes = 0;
    TRY(fs_free_bytes(h->home, &free_bytes));
    TRY(used_bytes(h, &used));
    atomic_store(&r->free, free_bytes);
    atomic_store(&r->used, used);
    metric_set(cell(h, FAMILY_USED), (double)used);
    metric_set(cell(h, FAMILY_FREE), (double)free_bytes);
    int64_t now_ns = clock_mono_ns(), pause_ns = (now_ns - began_ns) * MEASURE_SHARE;
    r->next_ns = now_ns +
                 (pause_ns > MEASURE_MIN_MS * 1000000LL ? pause_ns : MEASURE_MIN_MS * 1000000LL);
    judge(h);
    return OK;
}

err house_room_measure(struct house *h, bool is_now)
{
    struct house_room *r = &h->room;
    pthread_mutex_lock(&r->lock);
    err e = is_now || clock_mono_ns() >= r->next_ns ? measure(h) : OK;
    pthread_mutex_unlock(&r->lock);
    return e.code ? err_wrap(e, "measuring the disk") : OK;
}

/* ------------------------------------------------------------------ is there room? */

static err no_room(struct house *h, const char *what, int64_t has, const char *of, int64_t limit)
{
    metric_add(cell(h, FAMILY_REFUSED), 1);
    return ERR(ERR_NO_SPACE,
               "no room: %lld MiB are %s, and %s is %lld MiB. Delete runs or files and run 'skerry "
               "gc', or change the setting; reading goes on",
               (long long)(has >> 20), what, of, (long long)(limit >> 20));
}

err house_room_admit(void *house, int64_t bytes)
{
    struct house *h = house;
    struct house_room *r = &h->room;
    int64_t free_bytes;
    int64_t coming = atomic_fetch_add(&r->coming, bytes) + bytes;
    int64_t wanted = atomic_load(&r->used) + coming + (bytes == 0);
    err e = OK;
    if (r->budget && wanted > r->budget)
        e = no_room(h, "used or on their way", wanted, "SKERRY_DISK_BUDGET", r->budget);
    else if (r->free_min && !fs_free_bytes(h->home, &free_bytes).code &&
             free_bytes - coming < r->free_min)
        e = no_room(h, "free", free_bytes, "SKERRY_DISK_FREE_MIN", r->free_min);
    if (e.code)
        atomic_fetch_sub(&r->coming, bytes);
    return e;
}

/* Stored or not: counted as stored until somebody counts. */
void house_room_released(void *house, int64_t bytes)
{
    struct house *h = house;
    atomic_fetch_add(&h->room.used, bytes);
    atomic_fetch_sub(&h->room.coming, bytes);
}

err house_room_need(struct house *h, int64_t bytes)
{
    TRY(house_room_admit(h, bytes));
    house_room_released(h, bytes);
    return OK;
}

/* ------------------------------------------------------------------ telling */

enum house_room_state house_room_state(const struct house *h)
{
    const struct house_room *r = &h->room;
    if ((r->budget && atomic_load(&r->used) >= r->budget) ||
        (r->free_min && atomic_load(&r->free) < r->free_min))
        return ROOM_FULL;
    return is_above(r, NEAR_PERCENT) ? ROOM_NEAR : ROOM_OK;
}

const char *house_room_state_name(enum house_room_state state)
{
    return state == ROOM_FULL ? "full" : state == ROOM_NEAR ? "near" : "ok";
}

void house_room_json(struct house *h, const err *measured, struct json_out *w)
{
    const struct house_room *r = &h->room;
    json_key(w, "disk");
    json_object_begin(w);
    json_kv_cstr(w, "state", house_room_state_name(house_room_state(h)));
    json_kv_int(w, "usedBytes", atomic_load(&r->used));
    json_kv_int(w, "budgetBytes", r->budget);
    json_kv_int(w, "freeBytes", atomic_load(&r->free));
    json_kv_int(w, "freeMinBytes", r->free_min);
    json_kv_cstr(w, "error", measured->code ? measured->msg : NULL);
    json_object_end(w);
}

void house_room_examine(struct house *h, struct finding *ret_finding)
{
    const struct house_room *r = &h->room;
    *ret_finding = (struct finding){ .what = "disk budget",
                                     .next_step = "delete runs or files and run 'skerry gc', or "
                                                  "raise SKERRY_DISK_BUDGET: docs/operations.md" };
    err e = house_room_measure(h, true);
    ret_finding->is_good = !e.code && house_room_state(h) == ROOM_OK;
    long long used = (long long)(atomic_load(&r->used) >> 20);
    if (e.code) {
        ret_finding->next_step = "see what is said of the disk and the blobs";
        snprintf(ret_finding->state, sizeof ret_finding->state, "%s", e.msg);
    } else if (r->budget) {
        snprintf(ret_finding->state, sizeof ret_finding->state, "%lld of %lld MiB used (%s)", used,
                 (long long)(r->budget >> 20), house_room_state_name(house_room_state(h)));
    } else {
        snprintf(ret_finding->state, sizeof ret_finding->state,
                 "%lld MiB used, no SKERRY_DISK_BUDGET", used);
    }
}
