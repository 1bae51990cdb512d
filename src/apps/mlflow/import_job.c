/* SPDX-License-Identifier: GPL-3.0-or-later */
/* import_job.c -- `skerry import mlflow SOURCE`: the verb, the job, the report. */
#include "apps/mlflow/import.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "platform/app/app.h"

enum { REPORT_BYTES_MAX = 1024 * 1024, VERB_ARENA_BYTES = 16 * 1024 * 1024 };

const struct setting import_settings[] = {
    { "SKERRY_IMPORT_TOKEN", SETTING_STR, "",
      "Who `skerry import mlflow URL` is at that server: a token, or name:password.", 0, 0, true },
    { 0 },
};

/* ------------------------------------------------------------------ for the readers */

void import_pass_over(struct import_work *w, str what, const char *why)
{
    if (!w->unreadable++)
        snprintf(w->first_unreadable, sizeof w->first_unreadable, "%.*s: %s",
                 STR_ARG(str_sub(what, 0, 120)), why);
}

err import_step(struct import_work *w)
{
    int64_t done = w->done ? w->done : import_rows_said(w->im);
    run_progress(w->run, done, w->total > done ? w->total : done + 1);
    return run_check(w->run);
}

/* ------------------------------------------------------------------ the job */

static bool is_address(const char *source)
{
    return strncmp(source, "http://", 7) == 0 || strncmp(source, "https://", 8) == 0;
}

/* Where mlflow-artifacts:/ of a server with its defaults is. */
static err guess_artifacts(struct import_work *w, arena *keep)
{
    static const char *const names[] = { "mlartifacts", "artifacts", "mlruns" };
    char path[FS_PATH_BYTES];
    struct stat st;
    for (size_t i = 0; !w->artifacts && i < COUNT_OF(names); i++) {
        TRY(fs_join(path, w->home, names[i]));
        if (stat(path, &st) == 0 && S_ISDIR(st.st_mode)) {
            w->artifacts = arena_cstr(keep, str_of(path));
            ARENA_TRY(w->artifacts);
        }
    }
    return OK;
}

static err read_local(struct import_work *w, arena *keep)
{
    struct stat st;
    if (stat(w->source, &st) != 0)
        return ERR_SYS("reading %s", w->source);
    bool is_folder = S_ISDIR(st.st_mode);
    snprintf(w->home, sizeof w->home, "%.*s", FS_PATH_BYTES - 1, w->source);
    char *slash = strrchr(w->home, '/');
    if (!is_folder && slash)
        *(slash == w->home ? slash + 1 : slash) = '\0';
    TRY(guess_artifacts(w, keep));
    return is_folder ? import_from_folder(w) : import_from_sqlite(w);
}

static bool is_equal(const struct import *im)
{
    for (int k = 0; k < IMPORT_KIND_COUNT; k++) {
        const struct import_counts *c = import_counts(im, (enum import_kind)k);
        if (c->different || c->skipped)
            return false;
    }
    return true;
}

static void write_report(const struct import_work *w, struct json_out *out)
{
    json_object_begin(out);
    import_report(w->im, out);
    json_kv_int(out, "passedOver", w->unreadable);
    if (w->first_unreadable[0])
        json_kv_cstr(out, "firstPassedOver", w->first_unreadable);
    json_kv_bool(out, "allIsHere", is_equal(w->im) && !w->unreadable);
    json_object_end(out);
}

static err say_result(const struct import_work *w)
{
    static const enum import_kind shown[] = { IMPORT_EXPERIMENT,   IMPORT_RUN,     IMPORT_PARAM,
                                              IMPORT_METRIC,       IMPORT_TAG,     IMPORT_ARTIFACT,
                                              IMPORT_LOGGED_MODEL, IMPORT_VERSION, IMPORT_TRACE };
    static const char *const names[] = { "experiments",  "runs",          "params",
                                         "metrics",      "tags",          "artifacts",
                                         "loggedModels", "modelVersions", "traces" };
    struct buf text;
    struct json_out out;
    buf_init(&text, REPORT_BYTES_MAX);
    json_out_init(&out, &text);
    json_object_begin(&out);
    for (size_t i = 0; i < COUNT_OF(shown); i++) {
        const struct import_counts *c = import_counts(w->im, shown[i]);
        char line[160];
        snprintf(line, sizeof line,
                 "%lld there, %lld new here, %lld here already, %lld differ, "
                 "%lld skipped",
                 (long long)c->source, (long long)c->added, (long long)c->same,
                 (long long)c->different, (long long)c->skipped);
        if (c->source)
            json_kv_cstr(&out, names[i], line);
    }
    json_kv_bool(&out, "allIsHere", is_equal(w->im) && !w->unreadable);
    json_kv_cstr(&out, "runId", run_id(w->run));
    json_object_end(&out);
    err e = buf_check(&text);
    if (!e.code)
        e = run_result(w->run, buf_str(&text));
    buf_deinit(&text);
    return e;
}

static err finish(struct import_work *w)
{
    static const enum import_kind measured[] = { IMPORT_RUN, IMPORT_METRIC, IMPORT_ARTIFACT };
    static const char *const names[] = { "runs", "metric_points", "artifacts" };
    struct buf text;
    struct json_out out;
    TRY(import_compare(w->im));
    for (size_t i = 0; i < COUNT_OF(measured); i++)
        TRY(run_metric(w->run, names[i], (double)import_counts(w->im, measured[i])->source, 0));
    buf_init(&text, REPORT_BYTES_MAX);
    json_out_init(&out, &text);
    write_report(w, &out);
    err e = buf_check(&text);
    if (!e.code)
        e = run_artifact(w->run, "report.json", buf_str(&text));
    buf_deinit(&text);
    TRY(e);
    RUN_LOG(w->run, LOG_INFO, "mlflow.imported", NULL, F_INT("rows", import_rows_said(w->im)),
            F_BOOL("all_is_here", is_equal(w->im)));
    return say_result(w);
}

static err import_run(struct run *run, const struct json *payload)
{
    struct import_work *w = NEW(run_arena(run), struct import_work);
    str source, artifacts = STR_NONE;
    ARENA_TRY(w);
    TRY(json_need_str(payload, "source", &source));
    TRY(json_opt_str(payload, "artifacts", &artifacts));
    w->run = run;
    w->source = arena_cstr(run_arena(run), source);
    ARENA_TRY(w->source);
    if (artifacts.len)
        w->artifacts = arena_cstr(run_arena(run), artifacts);
    TRY(import_open(run, source, &w->im));
    err e;
    if (is_address(w->source)) {
        const char *token = arena_cstr(run_arena(run),
                                       setting_str(run_house(run), "SKERRY_IMPORT_TOKEN"));
        e = token ? import_from_server(w, token) : arena_check(run_arena(run));
    } else {
        e = read_local(w, run_arena(run));
    }
    if (!e.code)
        e = finish(w);
    else if (e.code == ERR_CANCELLED) /* what was said so far stays */
        e = err_first(e, import_flush(w->im));
    import_close(w->im);
    return e;
}

const struct job_kind import_jobs[] = {
    { .name = "mlflow.import",
      .help = "Takes over experiments, runs, models and traces of another MLflow.",
      .component = "import",
      .run = import_run,
      .payload_schema = "{\"source\":{\"type\":\"string\"},\"artifacts\":{\"type\":\"string\"}}",
      .artifact = "report.json",
      .event = "mlflow.imported",
      .stays_home = true, /* it reads files of the asker's machine */
      .concurrent_max = 1 },
    { 0 },
};

/* ------------------------------------------------------------------ the verb */

static err real_path(const char *path, arena *keep, const char **ret_path)
{
    char out[PATH_MAX];
    if (strncmp(path, "sqlite:///", 10) == 0) /* as MLflow's --backend-store-uri has it */
        path += 10;
    if (!realpath(path, out))
        return ERR_SYS("there is no %s to import from", path);
    *ret_path = arena_cstr(keep, str_of(out));
    ARENA_TRY(*ret_path);
    return OK;
}

static err start(struct house *h, const struct verb_args *args, arena *keep)
{
    const char *source = NULL, *artifacts = NULL;
    struct buf payload;
    struct json_out w;
    struct job_info info;
    for (int i = 0; i < args->count; i++) {
        const char *word = args->values[i];
        if (strcmp(word, "--artifacts") == 0 && i + 1 < args->count)
            TRY(real_path(args->values[++i], keep, &artifacts));
        else if (word[0] == '-' || source)
            return ERR(ERR_INVALID, "usage: skerry import mlflow SOURCE [--artifacts FOLDER]");
        else
            source = word;
    }
    if (!source)
        return ERR(ERR_INVALID, "import from where? an SQLite file, a folder mlruns, or the "
                                "address of a server");
    if (!is_address(source))
        TRY(real_path(source, keep, &source));
    str address = str_of(source);
    while (is_address(source) && str_ends(address, STR("/")))
        address.len--;
    buf_init(&payload, JOB_PAYLOAD_MAX);
    json_out_init(&w, &payload);
    json_object_begin(&w);
    json_kv_str(&w, "source", address);
    if (artifacts)
        json_kv_cstr(&w, "artifacts", artifacts);
    json_object_end(&w);
    err e = buf_check(&payload);
    if (!e.code)
        e = app_run_job(h,
                        &(struct job_spec){ .kind = "mlflow.import",
                                            .payload = buf_str(&payload),
                                            .key = address,
                                            .is_here = true },
                        args->json, keep, &info);
    buf_deinit(&payload);
    return e;
}

static err verb_import(struct house *h, const struct verb_args *args)
{
    arena keep;
    arena_init(&keep, VERB_ARENA_BYTES);
    err e = start(h, args, &keep);
    arena_deinit(&keep);
    return e;
}

const struct verb import_verbs[] = {
    { "import", "skerry import mlflow SOURCE [--artifacts FOLDER]",
      "Takes over what another MLflow has: experiments, runs with full metric histories, "
      "artifacts,\nregistered models, logged models, traces. SOURCE is its SQLite file, its folder "
      "mlruns,\nor the address of a running server. It is only read. Again is fine: only what is "
      "new comes.\n"
      "  skerry import mlflow mlflow.db --artifacts ./mlartifacts\n"
      "  skerry import mlflow ./mlruns\n"
      "  skerry import mlflow http://mlflow.example:5000",
      verb_import, .needs_app_name = true },
    { 0 },
};
