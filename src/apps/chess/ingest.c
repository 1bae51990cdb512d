/* SPDX-License-Identifier: GPL-3.0-or-later */
/* ingest.c -- the routes of imports: take an upload, say how far it is, show what came of it.
 *
 * An upload is answered with 202 once the bytes are synced in the inbox and the job is in the
 * store: from then on it will be imported, whatever happens to this process.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "apps/chess/chess_app.h"
#include "apps/chess/chess_metrics.h"
#include "apps/chess/demo_games.h"
#include "base/clock.h"
#include "base/fs.h"

enum {
    LIST_MAX = 100,
    REPORT_BYTES_MAX = 4 * 1024 * 1024,
    NOTE_BYTES_MAX = 2000,
    NAME_BYTES_MAX = 200,
    /* A failed import can be replayed as long as its upload is there. */
    INBOX_AGE_MAX_MS = 7 * 24 * 3600 * 1000,
    ACTIVE_MAX = 10000,
};

err inbox_path(const struct house *h, const char *file, char out[FS_PATH_BYTES])
{
    char folder[FS_PATH_BYTES];
    TRY(fs_join(folder, house_home(h), "inbox"));
    return file ? fs_join(out, folder, file) : fs_join(out, house_home(h), "inbox");
}

/* ------------------------------------------------------------------ start */

struct sweep {
    struct house *h;
    const struct job_info *active;
    size_t active_count;
};

static err sweep_file(void *arg, const char *name)
{
    const struct sweep *s = arg;
    char path[FS_PATH_BYTES];
    struct stat st;
    TRY(inbox_path(s->h, name, path));
    if (lstat(path, &st) != 0 || !S_ISREG(st.st_mode) ||
        clock_wall_ms() - (int64_t)st.st_mtim.tv_sec * 1000 < INBOX_AGE_MAX_MS)
        return OK;
    for (size_t i = 0; i < s->active_count; i++) {
        if (str_contains(s->active[i].payload, str_of(name)))
            return OK;
    }
    if (unlink(path) == 0)
        log_event(house_log(s->h), LOG_INFO, NULL, "ingest.upload_forgotten", NULL,
                  F_CSTR("file", name));
    return OK;
}

err ingest_start(struct house *h)
{
    char folder[FS_PATH_BYTES];
    arena scratch;
    struct job_info *active;
    size_t count;
    TRY(inbox_path(h, NULL, folder));
    TRY(fs_mkdirs(folder));
    arena_init(&scratch, 64 * 1024 * 1024);
    err e = job_list(house_jobs(h),
                     &(struct job_filter){
                         .kind = STR("chess.ingest"), .state = STR("active"), .limit = ACTIVE_MAX },
                     &scratch, &active, &count);
    if (!e.code)
        e = fs_list(folder, sweep_file, &(struct sweep){ h, active, count });
    arena_deinit(&scratch);
    return e;
}

/* ------------------------------------------------------------------ POST */

/* A form field, or for a raw body the query parameter of that name. */
static err field(struct http_request *rq, const char *name, size_t bytes_max, str *ret_value)
{
    const struct http_upload *part = http_upload(rq, name);
    str value = part ? part->value : http_query(rq, name);
    if (value.len > bytes_max)
        return ERR(ERR_INVALID, "field '%s' is longer than %zu bytes", name, bytes_max);
    if (str_utf8_valid_len(value) != value.len)
        return ERR(ERR_INVALID, "field '%s' is not UTF-8", name);
    *ret_value = value;
    return OK;
}

struct upload_text {
    str name, dataset, version, note, tags;
};

static err upload_payload(arena *keep, const char *file, const struct upload_text *t,
                          str *ret_payload)
{
    struct buf text;
    struct json_out w;
    buf_init(&text, JOB_PAYLOAD_MAX);
    json_out_init(&w, &text);
    json_object_begin(&w);
    json_kv_cstr(&w, "upload", file);
    json_kv_str(&w, "name", t->name);
    if (t->dataset.len)
        json_kv_str(&w, "datasetId", t->dataset);
    if (t->version.len)
        json_kv_str(&w, "version", t->version);
    if (t->note.len)
        json_kv_str(&w, "note", t->note);
    if (t->tags.len)
        json_kv_str(&w, "tags", t->tags);
    json_object_end(&w);
    str payload = arena_str(keep, buf_str(&text));
    err e = buf_check(&text);
    buf_deinit(&text);
    if (e.code)
        return e;
    ARENA_TRY(payload.ptr);
    *ret_payload = payload;
    return OK;
}

/* Out of the spool, under a name of ours, and on the disk. */
static err upload_keep(struct house *h, const struct http_upload *file, char name[HEX_ID_BYTES],
                       char path[FS_PATH_BYTES])
{
    char folder[FS_PATH_BYTES];
    rand_hex_id(name);
    TRY(inbox_path(h, name, path));
    TRY(inbox_path(h, NULL, folder));
    TRY(http_upload_take(file, path));
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    err e = fd < 0 || fsync(fd) != 0 ? ERR_SYS("keeping the upload in '%s'", path) : OK;
    if (fd >= 0)
        close(fd);
    if (!e.code)
        e = fs_sync_dir(folder);
    if (e.code)
        unlink(path);
    return e;
}

static void tell_queued(struct http_request *rq, str source, int64_t bytes)
{
    struct house *h = rq_house(rq);
    struct log_labels labels = {
        .component = STR("ingest"),
        .username = http_user(rq),
        .request_id = http_request_id(rq),
    };
    metric_add(chess_cell(house_metrics(h), CHESS_M_INGEST_JOBS), 1);
    log_event(house_log(h), LOG_INFO, &labels, "ingest.queued", NULL, F_STR("source", source),
              F_INT("bytes", bytes));
}

err ingest_post(struct http_request *rq, struct http_reply *rp)
{
    struct house *h = rq_house(rq);
    const struct http_upload *file = http_upload(rq, "file");
    if (!file || !file->path)
        return ERR(ERR_INVALID, "no file was sent: use form field 'file', or the file as the body "
                                "(curl -F file=@games.pgn .../v1/ingest)");
    if (file->bytes == 0)
        return ERR(ERR_INVALID, "the file is empty: there is nothing to import");

    struct upload_text t;
    char name[HEX_ID_BYTES], path[FS_PATH_BYTES];
    TRY(field(rq, "name", NAME_BYTES_MAX, &t.name));
    TRY(field(rq, "datasetId", NAME_BYTES_MAX, &t.dataset));
    TRY(field(rq, "version", NAME_BYTES_MAX, &t.version));
    TRY(field(rq, "note", NOTE_BYTES_MAX, &t.note));
    TRY(field(rq, "tags", NOTE_BYTES_MAX, &t.tags));
    if (!t.name.len)
        t.name = file->filename.len ? str_sub(file->filename, 0, NAME_BYTES_MAX) : STR("upload");

    int64_t bytes = file->bytes;
    TRY(upload_keep(h, file, name, path));
    struct job_spec spec = { .kind = "chess.ingest", .is_here = true };
    err e = upload_payload(http_arena(rq), name, &t, &spec.payload);
    if (!e.code)
        e = app_start_job(rq, rp, &spec, 202, "/v1/ingest/");
    if (e.code) {
        unlink(path);
        return e;
    }
    tell_queued(rq, t.name, bytes);
    return OK;
}

/* POST /v1/games/demo: the games inside the program take the way of an upload. */
err ingest_demo(struct http_request *rq, struct http_reply *rp)
{
    struct house *h = rq_house(rq);
    const struct upload_text t = { .name = STR("demo games.pgn.zst"),
                                   .dataset = STR("demo"),
                                   .note = STR("games that come with Skerry") };
    str games = str_from(demo_games_bytes, (size_t)(demo_games_end - demo_games_bytes));
    char name[HEX_ID_BYTES], path[FS_PATH_BYTES], run_id[HEX_ID_BYTES] = "", job[UUID_BYTES] = "";
    struct job_spec spec = { .kind = "chess.ingest", .is_here = true };
    rand_hex_id(name);
    TRY(inbox_path(h, name, path));
    TRY(fs_write_durable(path, games));
    err e = upload_payload(http_arena(rq), name, &t, &spec.payload);
    if (!e.code)
        e = app_queue_job(rq, &spec, run_id, job);
    if (e.code) {
        unlink(path);
        return e;
    }
    tell_queued(rq, t.name, (int64_t)games.len);
    str location = arena_fmt(http_arena(rq), "/v1/ingest/%s", run_id);
    ARENA_TRY(location.ptr);
    http_status(rp, 202);
    http_set_header(rp, "Location", location);
    struct json_out *w = http_json(rp);
    json_object_begin(w);
    json_kv_bool(w, "queued", true);
    json_kv_cstr(w, "runId", run_id);
    json_kv_cstr(w, "jobId", job);
    json_kv_cstr(w, "status", "queued");
    json_object_end(w);
    return OK;
}

err ingest_moved(struct http_request *rq, struct http_reply *rp)
{
    http_redirect(rp, 308, "/v1/ingest");
    return OK;
}

/* ------------------------------------------------------------------ GET */

/* Accepts "ing_" in front and dashes inside, as older clients send ids. ERR_NOT_FOUND otherwise:
 * what has not that shape cannot be a run. */
static err run_id_parse(str text, char out[HEX_ID_BYTES])
{
    str rest = str_starts(text, STR("ing_")) ? str_sub(text, 4, text.len) : text;
    size_t n = 0;
    for (size_t i = 0; i < rest.len; i++) {
        char c = rest.ptr[i];
        if (c == '-')
            continue;
        if (c >= 'A' && c <= 'F')
            c = (char)(c - 'A' + 'a');
        bool is_hex = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
        if (!is_hex || n == HEX_ID_BYTES - 1)
            break;
        out[n++] = c;
    }
    out[n] = '\0';
    if (n != HEX_ID_BYTES - 1)
        return ERR(ERR_NOT_FOUND, "there is no import '%.*s'", STR_ARG(str_sub(text, 0, 60)));
    return OK;
}

/* One import: what its job says and what its row says. Either may be missing: the row before the
 * job began, the job after it was forgotten. */
struct ingest_view {
    arena *keep;
    str run_id;
    bool has_row;
    str source, dataset, version, note, tags, state, error;
    int64_t bytes, games, duplicates, refused, plies, packs, started_ms, finished_ms;
    bool has_job;
    struct job_info job;
};

static const char select_row[] =
    "SELECT run_id, source, dataset, version, note, tags, state, error, bytes, games, duplicates, "
    "refused, plies, packs, started_ms, finished_ms FROM chess_ingests WHERE run_id = ?1";

static err view_row(struct store_read *rd, void *arg)
{
    struct ingest_view *v = arg;
    struct store_rows *rows;
    TRY(store_query(rd, select_row, ARGS(sql_text(v->run_id)), &rows));
    v->has_row = store_next(rows);
    if (v->has_row) {
        str *const texts[] = { &v->source, &v->dataset, &v->version, &v->note,
                               &v->tags,   &v->state,   &v->error };
        int64_t *const numbers[] = { &v->bytes, &v->games, &v->duplicates, &v->refused,
                                     &v->plies, &v->packs, &v->started_ms, &v->finished_ms };
        for (size_t i = 0; i < COUNT_OF(texts); i++)
            *texts[i] = store_col_text_keep(rows, (int)i + 1, v->keep);
        for (size_t i = 0; i < COUNT_OF(numbers); i++)
            *numbers[i] = store_col_int(rows, (int)(i + 1 + COUNT_OF(texts)));
    }
    TRY(store_rows_close(rows));
    return arena_check(v->keep);
}

/* Before the job began, what it was given is all that is known. */
static err view_payload(struct ingest_view *v)
{
    const struct json *payload;
    if (v->has_row || !v->has_job)
        return OK;
    TRY(json_parse(v->keep, v->job.payload, &payload));
    v->source = json_str(json_get(payload, "name"), json_str(json_get(payload, "path"), STR_NONE));
    v->dataset = json_str(json_get(payload, "datasetId"), STR_NONE);
    v->version = json_str(json_get(payload, "version"), STR_NONE);
    v->note = json_str(json_get(payload, "note"), STR_NONE);
    v->tags = json_str(json_get(payload, "tags"), STR_NONE);
    return OK;
}

static err view_load(struct house *h, struct ingest_view *v)
{
    TRY(store_read(house_store(h), view_row, v));
    return view_payload(v);
}

static const char *view_status(const struct ingest_view *v)
{
    static const char *const of_job[] = {
        [JOB_WAITING] = "PENDING", [JOB_QUEUED] = "PENDING",      [JOB_RUNNING] = "RUNNING",
        [JOB_PAUSED] = "PAUSED",   [JOB_SUCCEEDED] = "SUCCEEDED", [JOB_FAILED] = "FAILED",
        [JOB_STOPPED] = "STOPPED",
    };
    if (v->has_job)
        return of_job[v->job.state];
    return str_eq(v->state, STR("succeeded")) ? "SUCCEEDED"
           : str_eq(v->state, STR("failed"))  ? "FAILED"
                                              : "STOPPED";
}

static void view_write(const struct ingest_view *v, struct json_out *w)
{
    const char *status = view_status(v);
    bool done = strcmp(status, "SUCCEEDED") == 0;
    bool has_report = v->has_row && (done || strcmp(status, "FAILED") == 0);
    json_kv_str(w, "runId", v->run_id);
    if (v->has_job)
        json_kv_cstr(w, "jobId", v->job.id);
    json_kv_cstr(w, "status", status);
    json_kv_str(w, "source", v->source);
    json_kv_str(w, "datasetId", v->dataset);
    json_kv_str(w, "version", v->version);
    json_key(w, "versions");
    json_array_begin(w);
    if (v->version.len)
        json_out_str(w, v->version);
    json_array_end(w);
    json_kv_str(w, "note", v->note);
    json_kv_str(w, "tags", v->tags);
    json_key(w, "reportUri");
    if (has_report)
        json_out_fmt(w, "/v1/ingest/%.*s/report", STR_ARG(v->run_id));
    else
        json_out_null(w);
    json_kv_int(w, "filesWritten", v->packs + (has_report ? 1 : 0));
    json_kv_str(w, "message", v->has_job && v->job.error.len ? v->job.error : v->error);
    double progress = done ? 1 : 0;
    if (!done && v->has_job && v->job.total > 0)
        progress = (double)v->job.done / (double)v->job.total;
    json_kv_real(w, "progress", progress > 1 ? 1 : progress);
    if (v->has_job && v->job.state == JOB_RUNNING && v->job.eta_s >= 0)
        json_kv_real(w, "etaSec", v->job.eta_s);
    json_kv_int(w, "games", v->games);
    json_kv_int(w, "duplicates", v->duplicates);
    json_kv_int(w, "refused", v->refused);
    json_kv_int(w, "positions", v->plies);
    json_kv_int(w, "bytes", v->bytes);
    json_kv_time_ms(w, "startedAt", v->started_ms);
    json_kv_time_ms(w, "finishedAt", v->finished_ms);
}

/* The import that the address names; ERR_NOT_FOUND also for a run that is none. */
static err view_find(struct http_request *rq, struct ingest_view *ret_view)
{
    struct house *h = rq_house(rq);
    char id[HEX_ID_BYTES];
    TRY(run_id_parse(http_param(rq, "runId"), id));
    struct ingest_view v = { .keep = http_arena(rq),
                             .run_id = arena_str(http_arena(rq), str_of(id)) };
    ARENA_TRY(v.run_id.ptr);
    err e = job_get_by_run(house_jobs(h), v.run_id, v.keep, &v.job);
    if (e.code && e.code != ERR_NOT_FOUND)
        return e;
    v.has_job = !e.code && strcmp(v.job.kind, "chess.ingest") == 0;
    TRY(view_load(h, &v));
    if (!v.has_job && !v.has_row)
        return ERR(ERR_NOT_FOUND, "there is no import '%s'", id);
    *ret_view = v;
    return OK;
}

err ingest_get(struct http_request *rq, struct http_reply *rp)
{
    struct ingest_view v;
    TRY(view_find(rq, &v));
    struct json_out *w = http_json(rp);
    json_object_begin(w);
    view_write(&v, w);
    json_object_end(w);
    return OK;
}

err ingest_report_get(struct http_request *rq, struct http_reply *rp)
{
    struct house *h = rq_house(rq);
    struct ingest_view v;
    struct artifact_info report;
    str bytes;
    TRY(view_find(rq, &v));
    err e = track_artifact_get(house_track(h), v.run_id, STR("report.json"), http_arena(rq),
                               &report);
    if (e.code == ERR_NOT_FOUND)
        return ERR(ERR_NOT_FOUND, "import '%.*s' has no report: it is not finished",
                   STR_ARG(v.run_id));
    if (e.code)
        return e;
    TRY(blob_get(house_blobs(h), &report.blob, http_arena(rq), REPORT_BYTES_MAX, &bytes));
    buf_add(http_text(rp, "application/json"), bytes);
    return OK;
}

err ingest_list(struct http_request *rq, struct http_reply *rp)
{
    struct house *h = rq_house(rq);
    int64_t limit = 20, offset = 0;
    struct job_info *jobs;
    size_t count;
    TRY(http_query_int(rq, "limit", 1, LIST_MAX, &limit));
    TRY(http_query_int(rq, "offset", 0, INT32_MAX, &offset));
    TRY(job_list(
        house_jobs(h),
        &(struct job_filter){ .kind = STR("chess.ingest"), .limit = limit + 1, .offset = offset },
        http_arena(rq), &jobs, &count));
    struct json_out *w = http_json(rp);
    json_object_begin(w);
    json_key(w, "items");
    json_array_begin(w);
    for (size_t i = 0; i < count && i < (size_t)limit; i++) {
        struct ingest_view v = {
            .keep = http_arena(rq), .run_id = jobs[i].run_id, .has_job = true, .job = jobs[i]
        };
        TRY(view_load(h, &v));
        json_object_begin(w);
        view_write(&v, w);
        json_object_end(w);
    }
    json_array_end(w);
    if (count > (size_t)limit)
        json_kv_int(w, "nextOffset", offset + limit);
    json_object_end(w);
    return OK;
}
