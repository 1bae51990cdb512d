/* SPDX-License-Identifier: GPL-3.0-or-later */
/* core_backup.c -- backups: made and verified as jobs, put back by a verb, watched by metrics. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "platform/app/core.h"
#include "platform/app/house_private.h"

enum {
    VERB_ARENA_BYTES = 64 * 1024 * 1024,
    PLAN_ARENA_BYTES = 64 * 1024 * 1024,
    REPORT_BYTES_MAX = 64 * 1024,
    /* A nightly backup that failed a whole week, or a weekly look at it that did. */
    STALE_MS = 9 * 24 * 3600 * 1000,
};

const struct job_schedule core_backup_schedules[] = {
    { "core.backup.daily", "41 2 * * *", "core.backup", "{}", "Nightly backup." },
    { "core.backup.verify", "11 4 * * 0", "core.verify_backup", "{}",
      "Weekly look at the backup." },
    { 0 },
};

const struct metric_family core_backup_metrics[] = {
    { .name = "skerry_backup_age_seconds",
      .type = METRIC_GAUGE,
      .help = "Age of the newest backup; -1: there is none." },
    { .name = "skerry_backup_verified_age_seconds",
      .type = METRIC_GAUGE,
      .help = "Age of the newest backup that was verified; -1: there is none." },
    { 0 },
};

/* ------------------------------------------------------------------ when */

err core_backup_times(struct house *h, struct backup_times *ret_times)
{
    struct move_note notes[] = { { "backup_ms", STR_NONE }, { "backup_verified_ms", STR_NONE } };
    struct backup_times times = { 0 };
    arena keep;
    arena_init(&keep, 64 * 1024);
    err e = move_notes_read(h->store, notes, COUNT_OF(notes), &keep);
    if (!e.code && notes[0].value.len)
        e = str_to_i64(notes[0].value, &times.made_ms);
    if (!e.code && notes[1].value.len)
        e = str_to_i64(notes[1].value, &times.verified_ms);
    arena_deinit(&keep);
    if (!e.code)
        *ret_times = times;
    return e;
}

static void set_age(struct house *h, size_t family, int64_t at_ms)
{
    double age = at_ms ? (double)(clock_wall_ms() - at_ms) / 1000 : -1;
    metric_set(metric_cell_plain(h->metrics, &core_backup_metrics[family]), age);
}

err core_backup_refresh(struct house *h)
{
    struct backup_times times;
    TRY(core_backup_times(h, &times));
    set_age(h, 0, times.made_ms);
    set_age(h, 1, times.verified_ms);
    return OK;
}

static void say_age(int64_t at_ms, char out[48])
{
    int64_t hours = (clock_wall_ms() - at_ms) / 3600000;
    if (!at_ms)
        snprintf(out, 48, "never");
    else if (hours < 48)
        snprintf(out, 48, "%lld hours ago", (long long)hours);
    else
        snprintf(out, 48, "%lld days ago", (long long)hours / 24);
}

void core_backup_examine(struct house *h, struct finding *ret_finding)
{
    struct backup_times times = { 0 };
    char made[48], verified[48];
    int64_t stale_ms = clock_wall_ms() - STALE_MS;
    err e = core_backup_times(h, &times);
    say_age(times.made_ms, made);
    say_age(times.verified_ms, verified);
    *ret_finding = (struct finding){
        .what = "backup",
        .is_good = !e.code &&
                   (!times.made_ms || (times.made_ms > stale_ms && times.verified_ms > stale_ms)),
        .next_step = "skerry backup DIR, then skerry backup verify DIR: docs/operations.md",
    };
    if (e.code)
        snprintf(ret_finding->state, sizeof ret_finding->state, "%s", e.msg);
    else if (!times.made_ms)
        snprintf(ret_finding->state, sizeof ret_finding->state,
                 "none yet (skerry backup DIR makes one)");
    else
        snprintf(ret_finding->state, sizeof ret_finding->state,
                 "made %s, the newest verified one is of %s", made, verified);
}

/* ------------------------------------------------------------------ jobs */

static void tell_run(void *arg, const char *what, int64_t done, int64_t total)
{
    run_progress(arg, done, total > done ? total : done + 1);
}

static err check_run(void *arg)
{
    return run_check(arg);
}

static bool is_file_name(str path)
{
    return !house_backup_is_s3(path) &&
           (str_ends(path, STR(".db")) || str_ends(path, STR(".dump")));
}

static err end_run(struct run *run, struct buf *text)
{
    TRY(buf_check(text));
    TRY(run_artifact(run, "report.json", buf_str(text)));
    return run_result(run, buf_str(text));
}

/* A copy of the rows alone, as the engine writes it. */
static err copy_rows(struct run *run, const char *file, struct json_out *w)
{
    int64_t bytes;
    TRY(store_backup(run_store(run), file));
    TRY(fs_size(file, &bytes));
    TRY(run_metric(run, "bytes", (double)bytes, 0));
    json_kv_cstr(w, "path", file);
    json_kv_int(w, "bytes", bytes);
    return OK;
}

static err note_time(struct house *h, const char *name, int64_t at_ms)
{
    char text[24];
    snprintf(text, sizeof text, "%lld", (long long)at_ms);
    return move_notes_write(h->store, &(struct move_note){ name, str_of(text) }, 1);
}

static err make_backup(struct run *run, const char *folder, int64_t keep_count, struct json_out *w)
{
    struct house *h = run_house(run);
    struct backup_report r;
    char inbox[FS_PATH_BYTES];
    TRY(fs_join(inbox, h->home, "inbox"));
    struct backup_options options = {
        .from = { .store = h->store, .blobs = h->blobs, .roots = house_roots, .roots_arg = h },
        .inbox = inbox,
        .keep_count = (int)keep_count,
        .program = SKERRY_VERSION,
        .progress = { .show = tell_run, .check = check_run, .arg = run },
    };
    struct house_backup to;
    TRY(house_backup_open(h, folder, true, &to));
    options.place = to.place;
    err made = backup_make(&options, &r);
    house_backup_close(&to);
    TRY(made);
    TRY(note_time(h, "backup_ms", r.created_ms));
    TRY(run_metric(run, "rows", (double)r.rows, 0));
    TRY(run_metric(run, "blobs", (double)r.blobs, 0));
    TRY(run_metric(run, "bytes_written", (double)r.bytes_written, 0));
    json_kv_cstr(w, "path", folder);
    json_kv_cstr(w, "name", r.name);
    json_kv_int(w, "tables", r.tables);
    json_kv_int(w, "rows", r.rows);
    json_kv_int(w, "blobs", r.blobs);
    json_kv_int(w, "blobBytes", r.blob_bytes);
    json_kv_int(w, "objectsWritten", r.objects_written);
    json_kv_int(w, "bytesWritten", r.bytes_written);
    json_kv_int(w, "backupsKept", r.backups_kept);
    json_kv_int(w, "backupsDropped", r.backups_dropped);
    return OK;
}

/* The folder of the payload, else of the setting. */
static err folder_of(struct run *run, const struct json *payload, char **ret_folder)
{
    str path = setting_str(run_house(run), "SKERRY_BACKUP_DIR");
    TRY(json_opt_str(payload, "path", &path));
    if (!path.len)
        return ERR(ERR_INVALID, "where to? name a folder or s3://bucket/prefix, or set "
                                "SKERRY_BACKUP_DIR");
    TRY(house_backup_check(path));
    *ret_folder = arena_cstr(run_arena(run), path);
    ARENA_TRY(*ret_folder);
    return OK;
}

err core_backup_run(struct run *run, const struct json *payload)
{
    char *folder;
    int64_t keep_count = setting_int(run_house(run), "SKERRY_BACKUP_KEEP");
    TRY(folder_of(run, payload, &folder));
    TRY(json_opt_int(payload, "keep", 0, 10000, &keep_count));
    struct buf text;
    struct json_out w;
    buf_init(&text, REPORT_BYTES_MAX);
    json_out_init(&w, &text);
    json_object_begin(&w);
    err e = is_file_name(str_of(folder)) ? copy_rows(run, folder, &w)
                                         : make_backup(run, folder, keep_count, &w);
    json_object_end(&w);
    if (!e.code)
        e = end_run(run, &text);
    buf_deinit(&text);
    return e;
}

/* ------------------------------------------------------------------ verify */

struct verification {
    struct backup *backup;
    const struct move_progress *progress;
    int64_t rows, objects, bytes;
};

/* The rows in a store of their own, beside the backup's blobs. */
static err restore_scratch(struct house *h, struct house *scratch, struct verification *v,
                           arena *keep)
{
    const struct move_schema *schemas;
    TRY(house_schemas(h, keep, &schemas));
    TRY(backup_restore_rows(v->backup, scratch->store, schemas, v->progress, keep, &v->rows));
    TRY(store_check(scratch->store));
    scratch->blobs = backup_blobs(v->backup);
    err e = backup_check_named(v->backup, house_roots, scratch);
    scratch->blobs = NULL; /* the backup's */
    return e;
}

static err verify_in(struct house *h, const char *folder, struct verification *v)
{
    struct house *scratch = NULL;
    arena keep; /* outlives the store */
    TRY(backup_check_objects(v->backup, v->progress, &v->objects, &v->bytes));
    TRY(fs_remove_tree(folder)); /* of a verification that was killed */
    TRY(fs_mkdirs(folder));
    arena_init(&keep, PLAN_ARENA_BYTES);
    err e = house_open_bare(
        &(struct house_bare){ .home = folder, .db = "sqlite:", .without_blobs = true }, &scratch);
    if (!e.code)
        e = restore_scratch(h, scratch, v, &keep);
    house_close(scratch);
    arena_deinit(&keep);
    return err_first(e, fs_remove_tree(folder));
}

static err verify_backup(struct run *run, const char *path, const char *name, struct json_out *w)
{
    struct house *h = run_house(run);
    struct move_progress progress = { .show = tell_run, .check = check_run, .arg = run };
    struct verification v = { .progress = &progress };
    char scratch[FS_PATH_BYTES];
    int64_t created_ms = 0;
    struct house_backup from;
    TRY(fs_join(scratch, h->home, "verify"));
    TRY(house_backup_open(h, path, true, &from));
    err e = backup_open(&from.place, name, &v.backup);
    if (!e.code) {
        e = verify_in(h, scratch, &v);
        created_ms = backup_created_ms(v.backup);
        json_kv_cstr(w, "path", path);
        json_kv_cstr(w, "name", backup_name(v.backup));
        json_kv_time_ms(w, "createdAt", created_ms);
    }
    backup_close(v.backup);
    house_backup_close(&from);
    struct backup_times times;
    TRY(e);
    TRY(core_backup_times(h, &times));
    if (created_ms > times.verified_ms)
        TRY(note_time(h, "backup_verified_ms", created_ms));
    TRY(run_metric(run, "rows", (double)v.rows, 0));
    TRY(run_metric(run, "bytes", (double)v.bytes, 0));
    json_kv_int(w, "rows", v.rows);
    json_kv_int(w, "objects", v.objects);
    json_kv_int(w, "bytes", v.bytes);
    json_kv_bool(w, "good", true);
    return OK;
}

err core_backup_verify_run(struct run *run, const struct json *payload)
{
    char *folder;
    str name = STR_NONE;
    TRY(folder_of(run, payload, &folder));
    TRY(json_opt_str(payload, "name", &name));
    const char *wanted = name.len ? arena_cstr(run_arena(run), name) : NULL;
    struct buf text;
    struct json_out w;
    buf_init(&text, REPORT_BYTES_MAX);
    json_out_init(&w, &text);
    json_object_begin(&w);
    err e = verify_backup(run, folder, wanted, &w);
    json_object_end(&w);
    if (!e.code)
        e = end_run(run, &text);
    buf_deinit(&text);
    return e;
}

/* ------------------------------------------------------------------ verbs */

struct backup_words {
    bool verify;
    const char *path, *name;
    int64_t keep_count; /* -1: not said */
};

static err read_words(const struct verb_args *args, struct backup_words *ret_words)
{
    struct backup_words w = { .keep_count = -1 };
    int i = 0;
    if (args->count && strcmp(args->values[0], "verify") == 0) {
        w.verify = true;
        i++;
    }
    for (; i < args->count; i++) {
        const char *word = args->values[i];
        if (strcmp(word, "--keep") == 0 && i + 1 < args->count && !w.verify)
            TRY(err_wrap(str_to_i64(str_of(args->values[++i]), &w.keep_count), "--keep"));
        else if (word[0] == '-')
            return ERR(ERR_INVALID, "skerry backup does not know '%.40s' (skerry backup --help)",
                       word);
        else if (!w.path)
            w.path = word;
        else if (w.verify && !w.name)
            w.name = word;
        else
            return ERR(ERR_INVALID,
                       "usage: skerry backup [verify] [DIR|s3://BUCKET/PREFIX] [--keep N] [NAME]");
    }
    *ret_words = w;
    return OK;
}

/* The server may do the job, from its own folder. */
static err absolute(const char *path, char out[FS_PATH_BYTES])
{
    char folder[FS_PATH_BYTES];
    if (path[0] == '/' || house_backup_is_s3(str_of(path)))
        return snprintf(out, FS_PATH_BYTES, "%s", path) < FS_PATH_BYTES
                   ? OK
                   : ERR(ERR_TOO_BIG, "the path is too long");
    if (!getcwd(folder, sizeof folder))
        return ERR_SYS("asking for the current folder");
    return fs_join(out, folder, path);
}

err core_verb_backup(struct house *h, const struct verb_args *args)
{
    struct backup_words words = { 0 };
    char full[FS_PATH_BYTES];
    struct buf payload;
    struct json_out w;
    arena keep;
    struct job_info info;
    TRY(read_words(args, &words));
    if (words.path) {
        TRY(house_backup_check(str_of(words.path)));
        TRY(absolute(words.path, full));
    }
    buf_init(&payload, JOB_PAYLOAD_MAX);
    json_out_init(&w, &payload);
    json_object_begin(&w);
    if (words.path)
        json_kv_cstr(&w, "path", full);
    if (words.name)
        json_kv_cstr(&w, "name", words.name);
    if (words.keep_count >= 0)
        json_kv_int(&w, "keep", words.keep_count);
    json_object_end(&w);
    arena_init(&keep, VERB_ARENA_BYTES);
    err e = buf_check(&payload);
    if (!e.code)
        e = app_run_job(
            h,
            &(struct job_spec){ .kind = words.verify ? "core.verify_backup" : "core.backup",
                                .payload = buf_str(&payload),
                                .is_here = true },
            args->json, &keep, &info);
    arena_deinit(&keep);
    buf_deinit(&payload);
    return e;
}

static err restore_into(struct backup *b, struct house *to, const struct move_progress *progress,
                        arena *keep, int64_t *ret_rows)
{
    const struct move_schema *schemas;
    const char *place;
    char inbox[FS_PATH_BYTES];
    TRY(house_schemas(to, keep, &schemas));
    TRY(fs_join(inbox, to->home, "inbox"));
    TRY(backup_restore_rows(b, to->store, schemas, progress, keep, ret_rows));
    TRY(backup_restore_blobs(b, to->blobs, inbox, progress));
    TRY(store_check(to->store));
    /* The job that made the backup is in it, unfinished. It is not to go on from there. */
    TRY(house_place(to, &place));
    TRY(jobs_adopt(to->store, place, "core.backup"));
    return backup_restore_done(b, to->store);
}

static err restore(struct house *to, const struct house_backup *from, const struct verb_args *args,
                   arena *keep)
{
    struct backup *b = NULL;
    struct verb_progress shown;
    struct move_progress progress = core_verb_progress(&shown);
    int64_t rows = 0;
    char path[FS_PATH_BYTES];
    TRY(fs_join(path, to->home, "serve.lock"));
    TRY(err_wrap(fs_lock(path, STR("skerry restore"), &to->lock_fd), "stop the server first"));
    TRY(backup_open(&from->place, args->count > 1 ? args->values[1] : NULL, &b));
    err e = restore_into(b, to, &progress, keep, &rows);
    core_verb_progress_end(&shown);
    if (!e.code && args->json)
        printf("{\"name\":\"%s\",\"rows\":%lld}\n", backup_name(b), (long long)rows);
    else if (!e.code)
        printf("%lld rows and their blobs are back, as of %.18s. Start: skerry serve\n",
               (long long)rows, backup_name(b));
    backup_close(b);
    return e;
}

static err open_restored(void)
{
    struct house *h = NULL;
    TRY(err_wrap(house_open(&(struct house_options){ .mode = HOUSE_VERB, .quiet = true }, &h),
                 "opening what was restored"));
    house_close(h);
    return OK;
}

err core_verb_restore(struct house *none, const struct verb_args *args)
{
    if (args->count < 1 || args->count > 2 || args->values[0][0] == '-')
        return ERR(ERR_INVALID, "usage: skerry restore DIR|s3://BUCKET/PREFIX [NAME]");
    struct house *to = NULL;
    struct house_backup from = { .lock_fd = -1 };
    TRY(house_backup_check(str_of(args->values[0])));
    arena keep; /* outlives the store */
    arena_init(&keep, PLAN_ARENA_BYTES);
    err e = house_open_bare(&(struct house_bare){ 0 }, &to);
    if (!e.code)
        e = house_backup_open(to, args->values[0], false, &from);
    if (!e.code)
        e = restore(to, &from, args, &keep);
    house_backup_close(&from);
    house_close(to);
    arena_deinit(&keep);
    return e.code ? e : open_restored();
}
