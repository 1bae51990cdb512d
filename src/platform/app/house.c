/* SPDX-License-Identifier: GPL-3.0-or-later */
/* house.c -- opens the rooms in order, starts the apps, and takes everything down in reverse.
 *
 * Two kinds of process stand in a home: one server (it holds serve.lock) and any number of
 * command-line verbs beside it. They share the store and the blobs; jobs go under leases, so a verb
 * and the server never do the same job at the same time.
 */
#include <assert.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "platform/app/house_private.h"
#include "platform/app/process.h"

enum {
    SERVER_ARENA_BYTES = 64 * 1024 * 1024,
    COMPUTE_QUEUE_MAX = 1024,
    DRAIN_MS = 10000,
    HISTORY_INTERVAL_MS = 15000,
    /* A blob younger than this may belong to a verb that has not stored its row yet: an hour is far
     * more than any stage needs between the two. */
    COLLECT_MIN_AGE_MS = 3600 * 1000,
};

const char *house_home(const struct house *h)
{
    return h->home;
}
struct store *house_store(const struct house *h)
{
    return h->store;
}
struct blobs *house_blobs(const struct house *h)
{
    return h->blobs;
}
struct log *house_log(const struct house *h)
{
    return h->log;
}
struct metrics *house_metrics(const struct house *h)
{
    return h->metrics;
}
struct jobs *house_jobs(const struct house *h)
{
    return h->jobs;
}
struct track *house_track(const struct house *h)
{
    return h->track;
}
struct history *house_history(const struct house *h)
{
    return h->history;
}
struct auth *house_auth(const struct house *h)
{
    return h->auth;
}
struct pool *house_compute(const struct house *h)
{
    return h->compute;
}
struct http_server *house_http(const struct house *h)
{
    return h->http;
}
int64_t house_started_ms(const struct house *h)
{
    return h->started_ms;
}
const struct app *const *house_apps(const struct house *h)
{
    return h->apps;
}

void *app_state(const struct house *h, const struct app *app)
{
    for (size_t i = 0; i < h->app_count; i++)
        if (h->apps[i] == app)
            return h->states[i];
    assert(!"the app is in the registry");
    return NULL;
}

static const struct setting_value *need_setting(const struct house *h, const char *name)
{
    const struct setting_value *value = settings_find(&h->settings, name);
    assert(value); /* declared in an app's settings table */
    return value;
}

str setting_str(const struct house *h, const char *name)
{
    return need_setting(h, name)->text;
}
int64_t setting_int(const struct house *h, const char *name)
{
    return need_setting(h, name)->integer;
}
double setting_real(const struct house *h, const char *name)
{
    return need_setting(h, name)->real;
}
bool setting_bool(const struct house *h, const char *name)
{
    return need_setting(h, name)->integer != 0;
}

const struct dataset_kind *house_dataset_kind(const struct house *h, str name)
{
    for (size_t i = 0; i < h->app_count; i++)
        for (const struct dataset_kind *k = h->apps[i]->dataset_kinds; k && k->name; k++)
            if (name.len == 0 || str_eq(name, str_of(k->name)))
                return k;
    return NULL;
}

const struct model_kind *house_model_kind(const struct house *h, str name)
{
    for (size_t i = 0; i < h->app_count; i++)
        for (const struct model_kind *k = h->apps[i]->model_kinds; k && k->name; k++)
            if (name.len == 0 || str_eq(name, str_of(k->name)))
                return k;
    return NULL;
}

/* ------------------------------------------------------------------ opening */

static err find_home(struct house *h, const char *given)
{
    const char *home = given ? given : getenv("SKERRY_HOME");
    str path;
    if (home && home[0]) {
        path = arena_str(&h->keep, str_of(home));
    } else {
        const char *user_home = getenv("HOME");
        if (!user_home || !user_home[0])
            return ERR(ERR_INVALID, "no data folder: set SKERRY_HOME (HOME is not set either)");
        path = arena_fmt(&h->keep, "%s/.skerry", user_home);
    }
    ARENA_TRY(path.ptr);
    h->home = (char *)(uintptr_t)path.ptr;
    return err_wrap(fs_mkdirs(h->home), "opening the data folder (set SKERRY_HOME to use another)");
}

static err take_server_lock(struct house *h)
{
    char path[FS_PATH_BYTES], note[96];
    TRY(fs_join(path, h->home, "serve.lock"));
    int len = snprintf(note, sizeof note, "pid %d, port %lld", (int)getpid(),
                       (long long)setting_int(h, "API_PORT"));
    err e = fs_lock(path, str_from(note, (size_t)len), &h->lock_fd);
    if (e.code == ERR_CONFLICT)
        return err_wrap(e,
                        "another 'skerry serve' uses the data folder '%s'; stop it, or set "
                        "SKERRY_HOME and API_PORT for a second one",
                        h->home);
    return e;
}

/* Verbs share verbs.lock. A server that can have it alone knows that nobody is between writing a
 * blob and writing its row, so that it may collect even the youngest orphan. Best effort: without
 * the lock the server only collects old ones. */
static int lock_verbs(const struct house *h, int how)
{
    char path[FS_PATH_BYTES];
    err e = fs_join(path, h->home, "verbs.lock");
    int fd = e.code ? -1 : open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0640);
    if (fd >= 0 && flock(fd, how | LOCK_NB) != 0) {
        close(fd);
        fd = -1;
    }
    return fd;
}

static err open_log(struct house *h, bool quiet)
{
    char folder[FS_PATH_BYTES];
    struct log_options options = {
        .folder = folder,
        .quiet = quiet || h->mode == HOUSE_VERB,
        .bytes_max = setting_int(h, "SKERRY_LOG_BYTES"),
        .age_max_ms = setting_int(h, "SKERRY_LOG_DAYS") * 24 * 3600 * 1000,
    };
    TRY(err_wrap(log_level_parse(setting_str(h, "SKERRY_LOG_LEVEL"), &options.level_min),
                 "setting SKERRY_LOG_LEVEL"));
    TRY(fs_join(folder, h->home, "logs"));
    TRY(fs_mkdirs(folder));
    return log_open(&options, &h->log);
}

static err open_metrics(struct house *h)
{
    TRY(metrics_open(&h->metrics));
    TRY(metrics_register(h->metrics, process_metrics));
    process_metrics_update(h->metrics);
    TRY(metrics_register(h->metrics, house_metrics_table));
    TRY(metrics_register(h->metrics, jobs_metrics));
    TRY(metrics_register(h->metrics, track_metrics));
    TRY(metrics_register(h->metrics, auth_metrics));
    for (size_t i = 0; i < h->app_count; i++)
        if (h->apps[i]->metrics)
            TRY(metrics_register(h->metrics, h->apps[i]->metrics));
    return OK;
}

static err open_store(struct house *h)
{
    str url = setting_str(h, "SKERRY_DB");
    str given = url.len ? url : arena_fmt(&h->keep, "sqlite:%s/skerry.db", h->home);
    ARENA_TRY(given.ptr);
    TRY(store_open(&(struct store_options){ .url = arena_cstr(&h->keep, given) }, &h->store));
    for (size_t i = 0; i < h->app_count; i++)
        if (h->apps[i]->migrations)
            TRY(store_migrate(h->store, h->apps[i]->name, h->apps[i]->migrations));
    return house_open_blobs(h);
}

static err open_jobs(struct house *h)
{
    const struct job_kind *tables[HOUSE_APPS_MAX];
    size_t count = 0;
    for (size_t i = 0; i < h->app_count; i++)
        if (h->apps[i]->jobs)
            tables[count++] = h->apps[i]->jobs;
    char host[64] = "host";
    gethostname(host, sizeof host - 1);
    str worker = arena_fmt(&h->keep, "%s:%d", host, (int)getpid());
    ARENA_TRY(worker.ptr);
    str crash_folder = arena_fmt(&h->keep, "%s/crashes", h->home);
    ARENA_TRY(crash_folder.ptr);
    struct jobs_options options = {
        .store = h->store,
        .metrics = h->metrics,
        .log = h->log,
        .worker = worker.ptr,
        .crash_folder = crash_folder.ptr,
        .execute = house_execute_job,
        .observe = house_job_observed,
        .arg = h,
    };
    return jobs_open(&options, tables, count, &h->jobs);
}

static err open_rooms(struct house *h, bool quiet)
{
    TRY(settings_load(h->apps, h->home, &h->keep, &h->settings));
    if (h->mode == HOUSE_SERVE)
        TRY(take_server_lock(h));
    else
        h->lock_fd = lock_verbs(h, LOCK_SH);
    TRY(open_log(h, quiet));
    TRY(open_metrics(h));
    TRY(open_store(h));
    /* Jobs before tracking: tracking asks which runs' jobs are unfinished. */
    TRY(open_jobs(h));
    struct track_options track = { .store = h->store,
                                   .blobs = h->blobs,
                                   .log = h->log,
                                   .metrics = h->metrics,
                                   .jobs = h->jobs,
                                   .sole_worker = h->mode == HOUSE_SERVE,
                                   .is_shared = store_is_shared(h->store),
                                   .ctx = h };
    TRY(track_open(&track, &h->track));
    char *user = arena_cstr(&h->keep, setting_str(h, "SKERRY_USER"));
    ARENA_TRY(user);
    TRY(auth_open(
        &(struct auth_options){
            .store = h->store, .log = h->log, .metrics = h->metrics, .default_user = user },
        &h->auth));
    TRY(history_open(h->store, h->metrics, &h->history));
    int threads = (int)setting_int(h, "SKERRY_COMPUTE_THREADS");
    return pool_open("compute", threads > 0 ? threads : thread_core_count(), COMPUTE_QUEUE_MAX,
                     &h->compute);
}

static err start_apps(struct house *h)
{
    for (size_t i = 0; i < h->app_count; i++) {
        const struct app *app = h->apps[i];
        h->states[i] = NEW_ARRAY(&h->keep, max_align_t, app->state_bytes / sizeof(max_align_t) + 1);
        ARENA_TRY(h->states[i]);
        h->started[i] = true;
        if (app->start)
            TRY(err_wrap(app->start(h, h->states[i]), "starting app %s", app->name));
    }
    return OK;
}

err house_open(const struct house_options *options, struct house **ret_house)
{
    struct house *h = calloc(1, sizeof *h);
    if (!h)
        return ERR(ERR_NO_MEMORY, "no memory to start");
    signal(SIGPIPE,
           SIG_IGN); /* a client that leaves is an error of its write, not of the process */
    h->mode = options->mode;
    h->apps = options->apps ? options->apps : app_registry;
    h->lock_fd = -1;
    h->started_ms = clock_wall_ms();
    arena_init(&h->keep, SERVER_ARENA_BYTES);
    while (h->apps[h->app_count])
        h->app_count++;

    err e = h->app_count <= HOUSE_APPS_MAX ? OK
                                           : ERR(ERR_TOO_BIG, "more than %d apps", HOUSE_APPS_MAX);
    if (!e.code)
        e = app_check_all(h->apps);
    if (!e.code)
        e = find_home(h, options->home);
    if (!e.code)
        e = open_rooms(h, options->quiet);
    if (!e.code)
        e = start_apps(h);
    if (e.code) {
        house_close(h);
        return e;
    }
    *ret_house = h;
    return OK;
}

void house_close(struct house *h)
{
    if (!h)
        return;
    http_close(h->http, DRAIN_MS);
    if (h->jobs)
        jobs_close(h->jobs, DRAIN_MS);
    if (h->history)
        history_close(h->history);
    for (size_t i = h->app_count; i-- > 0;)
        if (h->started[i] && h->apps[i]->stop)
            h->apps[i]->stop(h, h->states[i]);
    pool_close(h->compute);
    if (h->auth)
        auth_close(h->auth);
    if (h->track)
        track_close(h->track);
    if (h->blobs)
        blobs_close(h->blobs);
    store_close(h->store);
    if (h->log)
        log_close(h->log);
    if (h->metrics)
        metrics_close(h->metrics);
    if (h->lock_fd >= 0)
        close(h->lock_fd);
    arena_deinit(&h->keep);
    free(h);
}

/* ------------------------------------------------------------------ serving */

/* "a.example,b.example" as a NULL-ended list. */
static err split_list(struct house *h, str text, const char *const **ret_list)
{
    size_t count = 0;
    for (str rest = text; rest.len;)
        count += str_trim(str_split(&rest, ',')).len > 0;
    const char **list = NEW_ARRAY(&h->keep, const char *, count + 1);
    ARENA_TRY(list);
    size_t i = 0;
    for (str rest = text; rest.len;) {
        str item = str_trim(str_split(&rest, ','));
        if (!item.len)
            continue;
        list[i] = arena_cstr(&h->keep, item);
        ARENA_TRY(list[i]);
        i++;
    }
    *ret_list = list;
    return OK;
}

static err open_http(struct house *h)
{
    const struct route *tables[HOUSE_APPS_MAX];
    size_t count = 0;
    for (size_t i = 0; i < h->app_count; i++)
        if (h->apps[i]->routes)
            tables[count++] = h->apps[i]->routes;
    char spool[FS_PATH_BYTES];
    TRY(fs_join(spool, h->home, "spool"));
    TRY(fs_remove_tree(spool)); /* what a dead process left half received */
    TRY(fs_mkdirs(spool));
    char *address = arena_cstr(&h->keep, setting_str(h, "SKERRY_BIND"));
    ARENA_TRY(address);
    TRY(auth_check_bind(h->auth, address));
    struct http_options options = {
        .bind_address = address,
        .port = (int)setting_int(h, "API_PORT"),
        .workers = (int)setting_int(h, "SKERRY_HTTP_WORKERS"),
        .upload_bytes_max = setting_int(h, "SKERRY_UPLOAD_MAX"),
        .rate_percent = (int)setting_int(h, "SKERRY_RATE_PERCENT"),
        .spool_folder = arena_cstr(&h->keep, str_of(spool)),
        .hooks = { .ctx = h, .authorise = house_authorise, .finished = house_request_finished },
    };
    ARENA_TRY(options.spool_folder);
    TRY(split_list(h, setting_str(h, "SKERRY_HOSTS"), &options.hosts_extra));
    TRY(split_list(h, setting_str(h, "SKERRY_ORIGINS"), &options.origins));
    TRY(house_watch_routes(h));
    return err_wrap(http_open(&options, tables, count, &h->http), "API_PORT %d, SKERRY_BIND %s",
                    options.port, address);
}

/* The lock file tells command-line verbs where the server is. */
static err note_port(struct house *h)
{
    char note[96];
    int len = snprintf(note, sizeof note, "pid %d, port %d", (int)getpid(), http_port(h->http));
    if (ftruncate(h->lock_fd, 0) != 0 || pwrite(h->lock_fd, note, (size_t)len, 0) != len)
        return ERR_SYS("writing the lock file");
    return OK;
}

/* What a killed process left: blobs whose rows were never written, half-written temporary files. */
static err collect_at_start(struct house *h)
{
    struct blob_gc_report report;
    int alone = lock_verbs(h, LOCK_EX);
    err e = house_collect(h, alone >= 0 ? 0 : -1, &report);
    if (alone >= 0)
        close(alone);
    return e;
}

err house_serve(struct house *h)
{
    assert(h->mode == HOUSE_SERVE);
    TRY(collect_at_start(h));
    TRY(house_settle_datasets(h));
    for (size_t i = 0; i < h->app_count; i++)
        if (h->apps[i]->schedules)
            TRY(jobs_schedule(h->jobs, h->apps[i]->schedules));
    TRY(jobs_start(h->jobs, (int)setting_int(h, "SKERRY_WORKERS")));
    history_refresh_with(h->history, house_refresh_metrics, h);
    TRY(history_start(h->history, HISTORY_INTERVAL_MS,
                      setting_int(h, "SKERRY_METRICS_DAYS") * 24 * 3600 * 1000));
    TRY(open_http(h));
    TRY(note_port(h));
    log_event(h->log, LOG_INFO, NULL, "serve.started", NULL, F_INT("port", http_port(h->http)),
              F_CSTR("home", h->home));
    return OK;
}

/* ------------------------------------------------------------------ collection */

static err app_roots(void *arg, blob_mark_fn mark, void *mark_arg)
{
    struct house *h = arg;
    for (size_t i = 0; i < h->app_count; i++)
        if (h->apps[i]->roots)
            TRY(h->apps[i]->roots(h, mark, mark_arg));
    return OK;
}

err house_collect(struct house *h, int64_t min_age_ms, struct blob_gc_report *ret_report)
{
    const struct blob_owner owners[] = { { track_roots, h->track }, { app_roots, h } };
    struct blob_gc_report report;
    TRY(blobs_collect(h->blobs, owners, COUNT_OF(owners),
                      min_age_ms < 0 ? COLLECT_MIN_AGE_MS : min_age_ms, &report));
    enum log_level level = report.missing_count ? LOG_ERROR : LOG_INFO;
    log_event(h->log, level, NULL, "blobs.collected", NULL, F_INT("kept", report.kept_count),
              F_INT("removed", report.removed_count), F_INT("removed_bytes", report.removed_bytes),
              F_INT("missing", report.missing_count));
    *ret_report = report;
    return OK;
}
