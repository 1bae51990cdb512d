/* SPDX-License-Identifier: GPL-3.0-or-later */
/* house.c -- opens the rooms in order, starts the apps, and takes everything down in reverse.
 *
 * Two kinds of process stand in a home: one server (it holds serve.lock) and any number of
 * command-line verbs beside it. They share the store and the blobs; jobs go under leases, so a verb
 * and the server never do the same job at the same time.
 */
#include <assert.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "platform/app/core.h"
#include "platform/app/house_private.h"
#include "platform/app/process.h"
#include "platform/scoring/scoring.h"
#include "platform/serving/serving.h"

enum {
    SERVER_ARENA_BYTES = 64 * 1024 * 1024,
    COMPUTE_QUEUE_MAX = 1024,
    DRAIN_MS = 10000,
    HISTORY_INTERVAL_MS = 15000,
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
struct outbox *house_outbox(const struct house *h)
{
    return h->outbox;
}
struct history *house_history(const struct house *h)
{
    return h->history;
}
struct scoring *house_scoring(const struct house *h)
{
    return h->scoring;
}
struct serving *house_serving(const struct house *h)
{
    return h->serving;
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

err house_find_home(struct house *h, const char *given)
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

static err open_log(struct house *h, bool quiet)
{
    char folder[FS_PATH_BYTES];
    struct log_options options = {
        .folder = folder,
        .quiet = quiet || h->mode == HOUSE_VERB,
        .is_silent = h->mode == HOUSE_VERB, /* the verb ends with a sentence of its own */
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
    TRY(metrics_register(h->metrics, house_room_metrics));
    TRY(metrics_register(h->metrics, core_backup_metrics));
    TRY(metrics_register(h->metrics, jobs_metrics));
    TRY(metrics_register(h->metrics, track_metrics));
    TRY(metrics_register(h->metrics, auth_metrics));
    TRY(metrics_register(h->metrics, outbox_metrics));
    TRY(metrics_register(h->metrics, scoring_metrics));
    TRY(metrics_register(h->metrics, serving_metrics));
    for (size_t i = 0; i < h->app_count; i++)
        if (h->apps[i]->metrics)
            TRY(metrics_register(h->metrics, h->apps[i]->metrics));
    return OK;
}

/* Whose they are; and that all who share a database have the same. */
static err check_blobs(struct house *h)
{
    char id[HEX_ID_BYTES];
    const char *url;
    TRY(house_blobs_url(h, &url));
    if (setting_str(h, "SKERRY_BLOBS").len) { /* beside its store nobody else comes by mistake */
        TRY(move_installation(h->store, id));
        TRY(move_blobs_claim(h->blobs, url, id));
    }
    bool is_shared = !str_starts(str_of(store_engine(h->store)), STR("sqlite"));
    return is_shared ? move_blobs_meet(h->store, h->blobs, url) : OK;
}

static err open_store(struct house *h, bool may_be_moved)
{
    const char *url;
    TRY(house_store_url(h, &url));
    TRY(store_open(&(struct store_options){ .url = url }, &h->store));
    TRY(store_migrate(h->store, "move", move_migrations));
    TRY(move_admit(h->store, may_be_moved));
    for (size_t i = 0; i < h->app_count; i++)
        if (h->apps[i]->migrations)
            TRY(store_migrate(h->store, h->apps[i]->name, h->apps[i]->migrations));
    TRY(house_open_blobs(h));
    return may_be_moved ? OK : check_blobs(h);
}

static err open_jobs(struct house *h)
{
    const struct job_kind *tables[HOUSE_APPS_MAX];
    size_t count = 0;
    for (size_t i = 0; i < h->app_count; i++)
        if (h->apps[i]->jobs)
            tables[count++] = h->apps[i]->jobs;
    struct worker_self self;
    TRY(house_self(h, &self));
    char host[64] = "host";
    gethostname(host, sizeof host - 1);
    /* Two machines may bear the same name; they do not have the same data folder. */
    str worker = arena_fmt(&h->keep, "%s~%.8s:%d", host, self.place, (int)getpid());
    ARENA_TRY(worker.ptr);
    str crash_folder = arena_fmt(&h->keep, "%s/crashes", h->home);
    ARENA_TRY(crash_folder.ptr);
    struct jobs_options options = {
        .store = h->store,
        .metrics = h->metrics,
        .log = h->log,
        .worker = worker.ptr,
        .self = self,
        .lease_ms = setting_int(h, "SKERRY_LEASE_SECONDS") * 1000,
        .crash_folder = crash_folder.ptr,
        .execute = house_execute_job,
        .observe = house_job_observed,
        .arg = h,
    };
    return jobs_open(&options, tables, count, &h->jobs);
}

static err open_scoring(struct house *h)
{
    struct scoring_options options = { .track = h->track,
                                       .blobs = h->blobs,
                                       .log = h->log,
                                       .metrics = h->metrics,
                                       .bytes_max = setting_int(h, "SKERRY_SCORING_BYTES") };
    options.xgboost_library = arena_cstr(&h->keep, setting_str(h, "SKERRY_XGBOOST_LIB"));
    options.onnx_library = arena_cstr(&h->keep, setting_str(h, "SKERRY_ONNX_LIB"));
    TRY(arena_check(&h->keep));
    return scoring_open(&options, &h->scoring);
}

static err open_serving(struct house *h)
{
    const struct serving_family *tables[HOUSE_APPS_MAX];
    size_t count = 0;
    for (size_t i = 0; i < h->app_count; i++)
        if (h->apps[i]->families)
            tables[count++] = h->apps[i]->families;
    struct serving_options options = {
        .store = h->store,
        .track = h->track,
        .blobs = h->blobs,
        .log = h->log,
        .metrics = h->metrics,
        .ctx = h,
        .log_percent = setting_real(h, "SKERRY_SERVING_LOG_PERCENT"),
        .log_days = (int)setting_int(h, "SKERRY_SERVING_LOG_DAYS"),
        .window_hours = (int)setting_int(h, "SKERRY_SERVING_WINDOW_HOURS"),
        .alpha = setting_real(h, "SKERRY_SERVING_ALPHA"),
        .margin = setting_real(h, "SKERRY_SERVING_MARGIN"),
        .trials_min = setting_int(h, "SKERRY_SERVING_OUTCOMES_MIN"),
        .judged_min = setting_int(h, "SKERRY_SERVING_JUDGED_MIN"),
        .drift_max = setting_real(h, "SKERRY_SERVING_DRIFT_MAX"),
    };
    TRY(serving_open(&options, tables, count, &h->serving));
    for (size_t i = 0; i < serving_family_count(h->serving); i++) {
        struct served_family *f = serving_family_at(h->serving, i);
        if (served_row(f)->ratio_setting)
            serving_ratio_set(f, setting_real(h, served_row(f)->ratio_setting));
    }
    return OK;
}

static err open_rooms(struct house *h, const struct house_options *options)
{
    TRY(settings_load(h->apps, h->home, &h->keep, &h->settings));
    if (h->mode == HOUSE_WORK)
        TRY(house_must_share(h));
    if (h->mode == HOUSE_SERVE)
        TRY(take_server_lock(h));
    else
        h->lock_fd = house_lock_verbs(h);
    TRY(open_log(h, options->quiet));
    TRY(open_metrics(h));
    TRY(open_store(h, options->may_be_moved));
    TRY(house_open_outbox(h));
    /* Jobs before tracking: tracking asks which runs' jobs are unfinished. */
    TRY(open_jobs(h));
    struct track_options track = { .store = h->store,
                                   .blobs = h->blobs,
                                   .log = h->log,
                                   .metrics = h->metrics,
                                   .jobs = h->jobs,
                                   .outbox = h->outbox,
                                   .sole_worker = h->mode == HOUSE_SERVE,
                                   .is_shared = store_is_shared(h->store),
                                   .ctx = h };
    TRY(track_open(&track, &h->track));
    TRY(open_scoring(h));
    TRY(open_serving(h));
    char *user = arena_cstr(&h->keep, setting_str(h, "SKERRY_USER"));
    ARENA_TRY(user);
    char news[FS_PATH_BYTES];
    TRY(fs_join(news, h->home, "keys.changed"));
    TRY(auth_open(&(struct auth_options){ .store = h->store,
                                          .log = h->log,
                                          .metrics = h->metrics,
                                          .default_user = user,
                                          .news_path = news },
                  &h->auth));
    TRY(history_open(h->store, h->metrics, &h->history));
    house_room_open(h);
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
    house_follow_init(h);
    while (h->apps[h->app_count])
        h->app_count++;

    err e = h->app_count <= HOUSE_APPS_MAX ? OK
                                           : ERR(ERR_TOO_BIG, "more than %d apps", HOUSE_APPS_MAX);
    if (!e.code)
        e = app_check_all(h->apps);
    if (!e.code)
        e = house_find_home(h, options->home);
    if (!e.code)
        e = open_rooms(h, options);
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
    jobs_close(h->jobs, DRAIN_MS);
    house_follow_stop(h);
    h->jobs = NULL; /* the history takes a last sample of all metrics, and asks who works */
    if (h->history)
        history_close(h->history);
    for (size_t i = h->app_count; i-- > 0;)
        if (h->started[i] && h->apps[i]->stop)
            h->apps[i]->stop(h, h->states[i]);
    pool_close(h->compute);
    serving_close(h->serving); /* drops models by functions of the apps */
    if (h->auth)
        auth_close(h->auth);
    scoring_close(h->scoring);
    if (h->track)
        track_close(h->track);
    outbox_close(h->outbox);
    if (h->blobs)
        blobs_close(h->blobs);
    store_close(h->store);
    if (h->log)
        log_close(h->log);
    if (h->metrics)
        metrics_close(h->metrics);
    if (h->lock_fd >= 0)
        close(h->lock_fd);
    house_room_close(h);
    house_follow_deinit(h);
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

/* Those of all apps in one table. */
static err collect_error_shapes(struct house *h, const struct http_error_shape **ret_shapes)
{
    size_t count = 1;
    for (size_t i = 0; i < h->app_count; i++)
        for (const struct http_error_shape *s = h->apps[i]->error_shapes; s && s->prefix; s++)
            count++;
    struct http_error_shape *shapes = NEW_ARRAY(&h->keep, struct http_error_shape, count);
    ARENA_TRY(shapes);
    *ret_shapes = shapes;
    for (size_t i = 0; i < h->app_count; i++)
        for (const struct http_error_shape *s = h->apps[i]->error_shapes; s && s->prefix; s++)
            *shapes++ = *s;
    shapes->prefix = NULL;
    return OK;
}

/* Of the platform's routes, those that say how this process is: for supervisors and scrapers. */
static err watch_routes(struct house *h, const struct route **ret_table)
{
    static const char *const paths[] = { "/health",      "/health/live", "/health/ready",
                                         "/health/deps", "/metrics",     "/actuator/health" };
    struct route *table = NEW_ARRAY(&h->keep, struct route, COUNT_OF(paths) + 1);
    size_t count = 0;
    ARENA_TRY(table);
    for (const struct route *r = app_core.routes; r->method; r++)
        for (size_t i = 0; i < COUNT_OF(paths); i++)
            if (strcmp(r->path, paths[i]) == 0 && count < COUNT_OF(paths))
                table[count++] = *r;
    *ret_table = table;
    return OK;
}

static err open_http(struct house *h, int port)
{
    const struct route *tables[HOUSE_APPS_MAX];
    size_t count = 0;
    if (h->mode == HOUSE_WORK)
        TRY(watch_routes(h, &tables[count++]));
    for (size_t i = 0; h->mode == HOUSE_SERVE && i < h->app_count; i++)
        if (h->apps[i]->routes)
            tables[count++] = h->apps[i]->routes;
    char spool[FS_PATH_BYTES];
    TRY(fs_join(spool, h->home, h->mode == HOUSE_WORK ? "work.spool" : "spool"));
    TRY(fs_remove_tree(spool)); /* what a dead process left half received */
    TRY(fs_mkdirs(spool));
    char *address = arena_cstr(&h->keep, setting_str(h, "SKERRY_BIND"));
    ARENA_TRY(address);
    TRY(auth_check_bind(h->auth, address));
    struct http_options options = {
        .bind_address = address,
        .port = port,
        .workers = (int)setting_int(h, "SKERRY_HTTP_WORKERS"),
        .upload_bytes_max = setting_int(h, "SKERRY_UPLOAD_MAX"),
        .rate_percent = (int)setting_int(h, "SKERRY_RATE_PERCENT"),
        .spool_folder = arena_cstr(&h->keep, str_of(spool)),
        .hooks = { .ctx = h,
                   .authorise = house_authorise,
                   .admit = house_room_admit,
                   .released = house_room_released,
                   .finished = house_request_finished },
    };
    ARENA_TRY(options.spool_folder);
    TRY(split_list(h, setting_str(h, "SKERRY_HOSTS"), &options.hosts_extra));
    TRY(split_list(h, setting_str(h, "SKERRY_ORIGINS"), &options.origins));
    TRY(collect_error_shapes(h, &options.error_shapes));
    TRY(house_watch_routes(h));
    return err_wrap(http_open(&options, tables, count, &h->http), "%s %d, SKERRY_BIND %s",
                    h->mode == HOUSE_WORK ? "SKERRY_WORK_PORT" : "API_PORT", port, address);
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

err house_serve(struct house *h)
{
    assert(h->mode == HOUSE_SERVE);
    TRY(house_collect_at_start(h));
    TRY(house_settle_datasets(h));
    for (size_t i = 0; i < h->app_count; i++)
        if (h->apps[i]->schedules)
            TRY(jobs_schedule(h->jobs, h->apps[i]->schedules));
    if (setting_str(h, "SKERRY_BACKUP_DIR").len)
        TRY(jobs_schedule(h->jobs, core_backup_schedules));
    if (serving_family_count(h->serving) && setting_bool(h, "SKERRY_AUTO_PROMOTION"))
        TRY(jobs_schedule(h->jobs, core_serving_schedules));
    TRY(serving_start(h->serving));
    TRY(house_follow_start(h));
    TRY(jobs_start(h->jobs, (int)setting_int(h, "SKERRY_WORKERS")));
    history_refresh_with(h->history, house_refresh_metrics, h);
    TRY(history_start(h->history, HISTORY_INTERVAL_MS,
                      setting_int(h, "SKERRY_METRICS_DAYS") * 24 * 3600 * 1000));
    TRY(outbox_start(h->outbox));
    err measured = house_room_measure(h, true); /* before the first upload comes */
    if (measured.code)
        log_error(h->log, NULL, "disk.not_measured", &measured);
    TRY(open_http(h, (int)setting_int(h, "API_PORT")));
    TRY(note_port(h));
    log_event(h->log, LOG_INFO, NULL, "serve.started", NULL, F_INT("port", http_port(h->http)),
              F_CSTR("home", h->home));
    return OK;
}

err house_work(struct house *h)
{
    assert(h->mode == HOUSE_WORK);
    int port = (int)setting_int(h, "SKERRY_WORK_PORT");
    TRY(outbox_start(h->outbox));
    TRY(house_follow_start(h));
    TRY(jobs_start(h->jobs, (int)setting_int(h, "SKERRY_WORKERS")));
    if (port)
        TRY(open_http(h, port));
    log_event(h->log, LOG_INFO, NULL, "work.started", NULL, F_INT("port", port),
              F_STR("name", setting_str(h, "SKERRY_WORKER_NAME")), F_CSTR("home", h->home));
    return OK;
}
