/* SPDX-License-Identifier: GPL-3.0-or-later */
/* analytics_job.c -- the job chess.analyse: every plugin over every game it has not seen, in
 * batches.
 *
 * A batch's answers are one transaction. When the child crashes, the game it was looking at is
 * marked failed, the answers before it are kept, and a new child goes on with the next game.
 */
#include <string.h>

#include "apps/chess/analytics.h"
#include "apps/chess/chess_app.h"
#include "apps/chess/chess_metrics.h"
#include "apps/chess/game_record.h"
#include "base/fs.h"
#include "engine/chess/pack.h"

enum {
    PLUGINS_MAX = 100,
    CRASHES_MAX = 20, /* in one pass: then the plugin rests until the next one */
    BATCH_ARENA_BYTES = 256 * 1024 * 1024,
    PASSES_MAX = 16, /* that run at once: ours, the schedule's, those of verbs */
    LIST_ARENA_BYTES = 1024 * 1024,
};

err analytics_folder(const struct house *h, char out[4096])
{
    return fs_join(out, house_home(h), "plugins");
}

err analytics_spec(struct house *h, struct job_spec *ret_spec)
{
    static const str keys[] = { STR_INIT("all"), STR_INIT("next") };
    const struct job_filter running = { .kind = STR(ANALYTICS_KIND),
                                        .state = STR("running"),
                                        .limit = PASSES_MAX };
    arena keep;
    struct job_info *infos = NULL;
    size_t count = 0;
    bool has_begun = false;
    arena_init(&keep, LIST_ARENA_BYTES);
    err e = job_list(house_jobs(h), &running, &keep, &infos, &count);
    for (size_t i = 0; !e.code && i < count; i++)
        has_begun = has_begun || str_eq(infos[i].key, keys[0]);
    arena_deinit(&keep);
    *ret_spec = (struct job_spec){ .kind = ANALYTICS_KIND,
                                   .payload = STR("{}"),
                                   .key = keys[has_begun] };
    return e;
}

err analytics_wake(struct house *h)
{
    char id[UUID_BYTES];
    bool is_new;
    struct job_spec spec;
    TRY(analytics_spec(h, &spec));
    spec.priority = -5;
    return job_add(house_jobs(h), &spec, id, &is_new);
}

/* ------------------------------------------------------------------ which plugins there are */

struct plugins {
    arena *keep;
    const char *folder;
    const char *origins[PLUGINS_MAX];
    size_t count;
};

static err see_file(void *arg, const char *name)
{
    struct plugins *p = arg;
    if (!str_ends(str_of(name), STR(".so")) || name[0] == '.' || p->count == PLUGINS_MAX)
        return OK;
    str path = arena_fmt(p->keep, "%s/%s", p->folder, name);
    ARENA_TRY(path.ptr);
    p->origins[p->count++] = path.ptr;
    return OK;
}

static err find_plugins(struct house *h, struct plugins *p)
{
    char folder[FS_PATH_BYTES];
    for (size_t i = 0; plugin_builtin_names[i]; i++) {
        str origin = arena_fmt(p->keep, "builtin:%s", plugin_builtin_names[i]);
        ARENA_TRY(origin.ptr);
        p->origins[p->count++] = origin.ptr;
    }
    TRY(analytics_folder(h, folder));
    TRY(fs_mkdirs(folder));
    p->folder = folder;
    return fs_list(folder, see_file, p);
}

/* ------------------------------------------------------------------ one plugin */

struct pass {
    struct run *run;
    struct house *h;
    const char *origin;
    struct plugin_child child;
    struct plugin_info info;
    int64_t analytic_id;
    int64_t done, skipped, failed, crashes;
    /* the pack that was read last stays mapped: games come in the order of their packs */
    struct blob_map map;
    struct blob_id mapped;
};

static err packed_game(struct pass *p, const struct pending_game *g, str *ret_game)
{
    if (memcmp(&p->mapped, &g->pack, sizeof p->mapped) != 0) {
        blob_unmap(&p->map);
        memset(&p->mapped, 0, sizeof p->mapped);
        TRY(blob_map(house_blobs(p->h), &g->pack, &p->map));
        p->mapped = g->pack;
    }
    return pack_game(str_from(p->map.bytes, p->map.count), g->index, ret_game);
}

/* Asks the child; a crash is an answer, too: the game failed. */
static err ask(struct pass *p, const struct pending_game *g, arena *keep,
               struct analytic_answer *ret)
{
    char id[UUID_BYTES];
    str packed;
    *ret = (struct analytic_answer){ .game_id = g->game_id, .attempts = g->attempts + 1 };
    if (p->child.pid == 0)
        TRY(plugin_child_start(p->origin, &p->child));
    game_id_write(g->key, id);
    TRY(packed_game(p, g, &packed));
    err e = plugin_child_ask(&p->child, id, packed, keep, &ret->status, &ret->text);
    if (!e.code)
        return OK;
    p->crashes++;
    ret->status = PLUGIN_FAILED;
    ret->text = arena_str(keep, str_of(e.msg));
    ARENA_TRY(ret->text.ptr);
    RUN_LOG(p->run, LOG_WARN, "analytics.crashed", e.msg, F_CSTR("plugin", p->info.name),
            F_CSTR("game_id", id));
    return OK;
}

static void count_answer(struct pass *p, enum plugin_status status)
{
    static const char *const names[] = {
        [PLUGIN_DONE] = "completed", [PLUGIN_SKIPPED] = "skipped", [PLUGIN_FAILED] = "failed"
    };
    p->done += status == PLUGIN_DONE;
    p->skipped += status == PLUGIN_SKIPPED;
    p->failed += status == PLUGIN_FAILED;
    if (status <= PLUGIN_FAILED)
        metric_add(CHESS_CELL(house_metrics(p->h), CHESS_M_ANALYTIC_GAMES, str_of(p->info.name),
                              str_of(names[status])),
                   1);
}

/* Answers a batch and stores it. *ret_last is the last game looked at. */
static err do_batch(struct pass *p, const struct pending_game *games, size_t count, arena *keep,
                    int64_t *ret_last)
{
    struct analytic_answer *answers = NEW_ARRAY(keep, struct analytic_answer, count);
    size_t answered = 0;
    ARENA_TRY(answers);
    for (size_t i = 0; i < count && p->crashes < CRASHES_MAX; i++) {
        TRY(run_check(p->run));
        TRY(ask(p, &games[i], keep, &answers[answered]));
        answered++;
        *ret_last = games[i].game_id;
    }
    struct analytic_batch batch = { .analytic_id = p->analytic_id,
                                    .answers = answers,
                                    .count = answered,
                                    .job = run_job(p->run),
                                    .cursor = STR("{}") };
    TRY(analytic_store(house_store(p->h), &batch));
    for (size_t i = 0; i < answered; i++)
        count_answer(p, answers[i].status);
    return OK;
}

static err do_games(struct pass *p)
{
    int64_t after = 0;
    bool retries = true; /* those first: they are few */
    err e = OK;
    while (!e.code && p->crashes < CRASHES_MAX) {
        arena keep;
        struct pending_game *games;
        size_t count = 0;
        arena_init(&keep, BATCH_ARENA_BYTES);
        e = retries ? analytic_retries(house_store(p->h), p->analytic_id, &keep, &games, &count)
                    : analytic_pending(house_store(p->h), p->analytic_id, p->info.needs, after,
                                       &keep, &games, &count);
        int64_t last = after;
        if (!e.code && count)
            e = do_batch(p, games, count, &keep, &last);
        arena_deinit(&keep);
        if (!retries)
            after = last;
        if (count == 0 && !retries)
            break;
        if (count < ANALYTIC_BATCH)
            retries = false; /* a retried game that fails again waits for its next time */
    }
    return e;
}

static err do_plugin(struct pass *p, struct json_out *report)
{
    TRY(plugin_child_start(p->origin, &p->child));
    p->info = p->child.info;
    const char *slash = strrchr(p->origin, '/');
    TRY(analytic_register(house_store(p->h), run_job(p->run), &p->info,
                          str_of(slash ? slash + 1 : p->origin), &p->analytic_id));
    err e = do_games(p);
    plugin_child_stop(&p->child);
    blob_unmap(&p->map);
    json_object_begin(report);
    json_kv_cstr(report, "plugin", p->info.name);
    json_kv_cstr(report, "version", p->info.version);
    json_kv_int(report, "completed", p->done);
    json_kv_int(report, "skipped", p->skipped);
    json_kv_int(report, "failed", p->failed);
    json_kv_cstr(report, "error",
                 e.code                      ? e.msg
                 : p->crashes >= CRASHES_MAX ? "it crashed too often: it rests until the next pass"
                                             : NULL);
    json_object_end(report);
    TRY(e);
    return run_metric(p->run, p->info.name, (double)p->done, 0);
}

/* ------------------------------------------------------------------ the job */

static err do_all(struct run *run, struct plugins *plugins, struct json_out *report, int64_t *total)
{
    TRY(analytic_retire_all(run_store(run), run_job(run)));
    for (size_t i = 0; i < plugins->count; i++) {
        struct pass pass = { .run = run, .h = run_house(run), .origin = plugins->origins[i] };
        err e = do_plugin(&pass, report);
        *total += pass.done + pass.skipped + pass.failed;
        run_progress(run, (int64_t)i + 1, (int64_t)plugins->count);
        if (e.code == ERR_CANCELLED || e.code == ERR_TIMEOUT || e.code == ERR_CONFLICT)
            return e;
        if (e.code) /* one plugin's trouble is its own */
            RUN_LOG(run, LOG_ERROR, "analytics.failed", e.msg,
                    F_CSTR("plugin", plugins->origins[i]));
    }
    return OK;
}

err analytics_run(struct run *run, const struct json *payload)
{
    struct plugins plugins = { .keep = run_arena(run) };
    struct buf report;
    struct json_out w;
    int64_t total = 0;
    TRY(find_plugins(run_house(run), &plugins));
    buf_init(&report, 256 * 1024);
    json_out_init(&w, &report);
    json_object_begin(&w);
    json_key(&w, "plugins");
    json_array_begin(&w);
    err e = do_all(run, &plugins, &w, &total);
    if (!e.code) {
        json_array_end(&w);
        json_kv_int(&w, "games", total);
        json_object_end(&w);
        e = buf_check(&report);
    }
    if (!e.code)
        e = run_artifact(run, "report.json", buf_str(&report));
    if (!e.code)
        e = run_result(run, buf_str(&report));
    if (!e.code)
        RUN_LOG(run, LOG_INFO, "analytics.completed", NULL, F_INT("answers", total),
                F_INT("plugins", (int64_t)plugins.count));
    buf_deinit(&report);
    return e;
}
