/* SPDX-License-Identifier: GPL-3.0-or-later */
/* ingest_job.c -- the job "chess.ingest": reads a source, stores its games, tells what happened.
 *
 * The job's thread stores while another one reads. A try that is cut off, by a signal, a pause or a
 * full disk, leaves whole batches and a cursor; the next try reads the source again from its
 * beginning, which takes a fraction of storing it, and goes on behind the last batch.
 */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "apps/chess/analytics.h"
#include "apps/chess/chess_app.h"
#include "apps/chess/chess_events.h"
#include "apps/chess/chess_metrics.h"
#include "apps/chess/ingest_store.h"
#include "base/clock.h"

enum {
    POLL_MS = 100, /* how soon a stop is noticed */
    REFUSALS_LOGGED_MAX = 100,
    REPORT_BYTES_MAX = 4 * 1024 * 1024,
    SHORT_TEXT_MAX = 500,
};

struct ingest {
    struct run *run;
    struct metrics *metrics;
    str path, name, dataset, version, note, tags;
    bool is_upload; /* the file is in our inbox */
    bool was_done;
    int64_t started_ns;
    struct ingest_source *source;
    struct ingest_reader *reader;
    struct ingest_report report;
    struct ingest_read_stats read;
    struct ingest_store store;
};

/* ------------------------------------------------------------------ the row of this import */

struct row_begin {
    const struct ingest *in;
    int64_t id, refused;
    bool was_done; /* an earlier try did all of it, and died before the job could say so */
};

static err row_begin_tx(struct store_tx *tx, void *arg)
{
    struct row_begin *b = arg;
    const struct ingest *in = b->in;
    struct store_rows *rows;
    b->id = 0;
    b->was_done = false;
    TRY(store_query(store_tx_read(tx),
                    "SELECT id, state, refused FROM chess_ingests WHERE run_id = ?1",
                    ARGS(sql_cstr(run_id(in->run))), &rows));
    if (store_next(rows)) {
        b->id = store_col_int(rows, 0);
        b->was_done = str_eq(store_col_text(rows, 1), STR("succeeded"));
        b->refused = store_col_int(rows, 2);
    }
    TRY(store_rows_close(rows));
    if (b->was_done)
        return OK;
    if (b->id)
        return store_exec(tx,
                          "UPDATE chess_ingests SET state = 'running', error = '', finished_ms = 0 "
                          "WHERE id = ?1",
                          ARGS(sql_int(b->id)), NULL);
    TRY(store_query(
        store_tx_read(tx),
        "INSERT INTO chess_ingests (run_id, username, source, dataset, version, note, tags, "
        "state, error, bytes, games, duplicates, refused, plies, packs, started_ms, "
        "finished_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 'running', '', 0, 0, 0, 0, 0, 0, "
        "?8, 0) RETURNING id",
        ARGS(sql_cstr(run_id(in->run)), sql_cstr(run_username(in->run)), sql_text(in->name),
             sql_text(in->dataset), sql_text(in->version), sql_text(in->note), sql_text(in->tags),
             sql_int(clock_wall_ms())),
        &rows));
    b->id = store_next(rows) ? store_col_int(rows, 0) : 0;
    return store_rows_close(rows);
}

struct row_end {
    int64_t id, refused, bytes;
    const char *state;
    const char *error;
    const struct ingest *ingest;
    bool is_told; /* not of an import that will go on */
};

static err row_end_tx(struct store_tx *tx, void *arg)
{
    const struct row_end *r = arg;
    const struct ingest *in = r->ingest;
    TRY(store_exec(tx,
                   "UPDATE chess_ingests SET state = ?2, error = ?3, refused = ?4, bytes = ?5, "
                   "finished_ms = ?6 WHERE id = ?1",
                   ARGS(sql_int(r->id), sql_cstr(r->state), sql_cstr(r->error), sql_int(r->refused),
                        sql_int(r->bytes), sql_int(clock_wall_ms())),
                   NULL));
    struct chess_import told = { .run_id = run_id(in->run),
                                 .state = r->state,
                                 .error = r->error,
                                 .source = in->name,
                                 .dataset = in->dataset,
                                 .added = in->store.counts.games,
                                 .duplicates = in->store.counts.duplicates,
                                 .refused = r->refused,
                                 .positions = in->store.counts.plies,
                                 .bytes = r->bytes };
    return r->is_told ? chess_tell_import(run_house(in->run), tx, &told) : OK;
}

/* ------------------------------------------------------------------ opening */

/* An upload is named, not addressed: only what lies in our inbox under a name we made is deleted
 * later. */
static err upload_path(struct ingest *in, str name)
{
    char file[HEX_ID_BYTES], path[FS_PATH_BYTES];
    snprintf(file, sizeof file, "%.*s", STR_ARG(name));
    if (name.len != HEX_ID_BYTES - 1 || strspn(file, "0123456789abcdef") != name.len)
        return ERR(ERR_INVALID, "field 'upload' is not the name of an upload");
    TRY(inbox_path(run_house(in->run), file, path));
    in->path = arena_str(run_arena(in->run), str_of(path));
    ARENA_TRY(in->path.ptr);
    in->is_upload = true;
    return OK;
}

static err payload_read(struct ingest *in, const struct json *payload)
{
    str upload = STR_NONE;
    TRY(json_opt_str(payload, "path", &in->path));
    TRY(json_opt_str(payload, "upload", &upload));
    if (upload.len)
        TRY(upload_path(in, upload));
    in->name = in->path;
    TRY(json_opt_str(payload, "name", &in->name));
    TRY(json_opt_str(payload, "datasetId", &in->dataset));
    TRY(json_opt_str(payload, "version", &in->version));
    TRY(json_opt_str(payload, "note", &in->note));
    TRY(json_opt_str(payload, "tags", &in->tags));
    in->name = str_sub(in->name, 0, SHORT_TEXT_MAX);
    if (!in->path.len)
        return ERR(ERR_INVALID, "field 'path' is empty: name a file, or \"-\" for standard input");
    return OK;
}

/* What was read in an earlier try must still be what is read now. */
static err source_check(struct ingest *in)
{
    struct ingest_store *s = &in->store;
    int64_t bytes = ingest_source_bytes_total(in->source);
    bool again = s->counts.ordinal > 0;
    if (again && bytes < 0)
        return ERR(
            ERR_INVALID,
            "importing from a pipe was cut off after %llu games and cannot be read again: send the "
            "games once more, those that are stored are recognised",
            (unsigned long long)s->counts.ordinal);
    if (again && s->source_bytes != bytes)
        return ERR(
            ERR_INVALID,
            "'%.*s' had %lld bytes when its import began and has %lld now: import it anew, stored "
            "games are recognised",
            STR_ARG(in->name), (long long)s->source_bytes, (long long)bytes);
    s->source_bytes = bytes;
    return OK;
}

static err ingest_open(struct ingest *in)
{
    struct house *h = run_house(in->run);
    char *path = arena_cstr(run_arena(in->run), in->path);
    ARENA_TRY(path);
    struct row_begin row = { .in = in };
    TRY(job_write(run_job(in->run), run_store(in->run), row_begin_tx, &row));
    TRY(ingest_store_init(&in->store, run_store(in->run), run_blobs(in->run), run_job(in->run),
                          row.id));
    TRY(ingest_report_init(&in->report));
    in->was_done = row.was_done;
    if (in->was_done) {
        in->report.refused = (uint64_t)row.refused;
        return OK;
    }
    if (in->is_upload && access(path, F_OK) != 0)
        return ERR(ERR_INVALID, "the upload '%.*s' is not there any more: upload it again",
                   STR_ARG(in->name));
    TRY(ingest_source_open(
        &(struct ingest_source_options){
            .path = path,
            .name = in->name,
            .expanded_bytes_max = setting_int(h, "CHESS_INGEST_EXPANDED_MAX"),
        },
        &in->source));
    TRY(source_check(in));
    return ingest_reader_open(
        &(struct ingest_reader_options){
            .source = in->source,
            .report = &in->report,
            .skip = in->store.counts.ordinal,
        },
        &in->reader);
}

/* ------------------------------------------------------------------ working */

static double seconds_since(int64_t start_ns)
{
    return (double)(clock_mono_ns() - start_ns) / 1e9;
}

static void count_batch(struct ingest *in, const struct ingest_counts *before,
                        int64_t upserts_before)
{
    const struct ingest_counts *now = &in->store.counts;
    struct metrics *m = in->metrics;
    metric_add(chess_cell(m, CHESS_M_INGEST_GAMES), (double)(now->games - before->games));
    metric_add(chess_cell(m, CHESS_M_GAMES_STORED), (double)(now->games - before->games));
    metric_add(chess_cell(m, CHESS_M_INGEST_SKIPPED),
               (double)(now->duplicates - before->duplicates));
    metric_add(chess_cell(m, CHESS_M_INGEST_POSITIONS), (double)(now->plies - before->plies));
    metric_add(chess_cell(m, CHESS_M_INGEST_FILES), (double)(now->packs - before->packs));
    metric_add(chess_cell(m, CHESS_M_INGEST_UPSERTS), (double)(in->store.upserts - upserts_before));
    metric_add(chess_cell(m, CHESS_M_INGEST_WRITES), 1);
    if (now->bytes_in > before->bytes_in)
        metric_add(chess_cell(m, CHESS_M_INGEST_BYTES), (double)(now->bytes_in - before->bytes_in));
}

static err batch_store(struct ingest *in, const struct ingest_batch *batch)
{
    struct ingest_counts before = in->store.counts;
    int64_t upserts = in->store.upserts;
    TRY(ingest_store_batch(&in->store, batch));
    count_batch(in, &before, upserts);
    double seconds = seconds_since(in->started_ns);
    TRY(run_metric(in->run, "games", (double)in->store.counts.games, in->store.counts.packs));
    return run_metric(in->run, "games_per_second",
                      (double)in->store.counts.games / (seconds > 0 ? seconds : 1),
                      in->store.counts.packs);
}

/* Stores batches until the reader ends; its result is the import's. */
static err batches_store(struct ingest *in)
{
    for (;;) {
        struct ingest_batch *batch;
        bool end;
        err e = ingest_reader_take(in->reader, POLL_MS, &batch, &end);
        if (end)
            return e;
        TRY(run_check(in->run));
        struct ingest_read_stats stats;
        ingest_reader_stats(in->reader, &stats);
        run_progress(in->run, stats.bytes_in, ingest_source_bytes_total(in->source));
        if (!batch)
            continue;
        e = batch_store(in, batch);
        ingest_reader_give_back(in->reader, batch);
        if (e.code)
            return e;
    }
}

/* A source without a single game is a mistake somebody wants to hear about. */
static err anything_read(const struct ingest *in)
{
    if (in->store.counts.games + in->store.counts.duplicates > 0)
        return OK;
    if (in->report.refused == 0)
        return ERR(ERR_INVALID, "'%.*s' holds no chess games: is it PGN?", STR_ARG(in->name));
    if (!in->report.listed_count)
        return ERR(ERR_INVALID, "none of the %llu games of '%.*s' could be read",
                   (unsigned long long)in->report.refused, STR_ARG(in->name));
    const struct ingest_refusal *first = &in->report.listed[0];
    return ERR(ERR_INVALID, "none of the %llu games of '%.*s' could be read; line %llu: %.*s",
               (unsigned long long)in->report.refused, STR_ARG(in->name),
               (unsigned long long)first->line, STR_ARG(first->reason));
}

/* ------------------------------------------------------------------ telling */

static void counts_write(const struct ingest *in, struct json_out *w)
{
    const struct ingest_counts *c = &in->store.counts;
    json_kv_cstr(w, "runId", run_id(in->run));
    json_kv_str(w, "source", in->name);
    json_kv_int(w, "added", c->games);
    json_kv_int(w, "duplicates", c->duplicates);
    json_kv_int(w, "refusedCount", (int64_t)in->report.refused);
    json_kv_int(w, "withoutMoves", (int64_t)in->read.empty);
    json_kv_int(w, "positions", c->plies);
    json_kv_int(w, "packs", c->packs);
    json_kv_int(w, "files", (int64_t)in->read.files);
    json_kv_int(w, "filesSkipped", in->source ? ingest_source_skipped(in->source) : 0);
    json_kv_int(w, "bytes", in->read.bytes_in);
}

static err report_write(struct ingest *in, const err *result)
{
    struct buf text;
    struct json_out w;
    buf_init(&text, REPORT_BYTES_MAX);
    json_out_init(&w, &text);
    json_object_begin(&w);
    counts_write(in, &w);
    json_kv_real(&w, "seconds", seconds_since(in->started_ns));
    json_key(&w, "error");
    json_out_cstr(&w, result->code ? result->msg : NULL);
    ingest_report_write(&in->report, &w);
    json_object_end(&w);
    err e = buf_check(&text);
    if (!e.code)
        e = run_artifact(in->run, "report.json", buf_str(&text));
    buf_deinit(&text);
    if (e.code)
        return e;
    metric_add(chess_cell(in->metrics, CHESS_M_INGEST_FILES), 1);
    RUN_LOG(in->run, LOG_INFO, "ingest.report_written", NULL, F_CSTR("path", "report.json"),
            F_INT("refused", (int64_t)in->report.refused));
    return OK;
}

static err result_write(struct ingest *in)
{
    struct buf text;
    struct json_out w;
    double seconds = seconds_since(in->started_ns);
    buf_init(&text, 16 * 1024);
    json_out_init(&w, &text);
    json_object_begin(&w);
    counts_write(in, &w);
    json_kv_real(&w, "seconds", seconds);
    json_kv_real(&w, "gamesPerSecond",
                 (double)(in->store.counts.games + in->store.counts.duplicates) /
                     (seconds > 0 ? seconds : 1));
    json_object_end(&w);
    err e = buf_check(&text);
    if (!e.code)
        e = run_result(in->run, buf_str(&text));
    buf_deinit(&text);
    return e;
}

static void log_refusals(struct ingest *in)
{
    for (size_t i = 0; i < in->report.listed_count && i < REFUSALS_LOGGED_MAX; i++) {
        const struct ingest_refusal *f = &in->report.listed[i];
        RUN_LOG(in->run, LOG_WARN, "ingest.game_refused", NULL, F_STR("file", f->file),
                F_INT("line", (int64_t)f->line), F_INT("game", (int64_t)f->game),
                F_STR("reason", f->reason));
    }
    if (in->store.counts.duplicates)
        RUN_LOG(in->run, LOG_INFO, "ingest.duplicate_skipped", NULL,
                F_INT("count", in->store.counts.duplicates));
    if (in->read.empty)
        RUN_LOG(in->run, LOG_INFO, "ingest.games_without_moves", NULL,
                F_INT("count", (int64_t)in->read.empty));
}

/* What happened, wherever it can be asked for: report, row, log, metrics. Returns the import's
 * error, or that of telling about it. */
static err ingest_tell(struct ingest *in, err result)
{
    struct metrics *m = in->metrics;
    bool stopped = result.code == ERR_CANCELLED;
    if (!stopped) {
        log_refusals(in);
        metric_add(chess_cell(m, CHESS_M_INGEST_REFUSED), (double)in->report.refused);
        result = err_first(result, report_write(in, &result));
    }
    struct row_end row = {
        .id = in->store.ingest_id,
        .refused = (int64_t)in->report.refused,
        .bytes = in->read.bytes_in,
        .state = stopped       ? "stopped"
                 : result.code ? "failed"
                               : "succeeded",
        .error = result.code ? result.msg : "",
        .ingest = in,
        .is_told = !stopped,
    };
    if (row.id)
        result = err_first(result,
                           job_write(run_job(in->run), run_store(in->run), row_end_tx, &row));
    if (!result.code)
        result = result_write(in);
    if (stopped)
        return result;
    metric_add(chess_cell(m, result.code ? CHESS_M_INGEST_FAILED : CHESS_M_INGEST_SUCCESS), 1);
    metric_observe(
        CHESS_CELL(m, CHESS_M_INGEST_DURATION, result.code ? STR("failed") : STR("success")),
        seconds_since(in->started_ns));
    if (result.code)
        RUN_LOG(in->run, LOG_ERROR, "ingest.failed", result.msg, F_STR("source", in->name),
                F_INT("added", in->store.counts.games));
    else
        RUN_LOG(in->run, LOG_INFO, "ingest.completed", NULL, F_STR("source", in->name),
                F_INT("added", in->store.counts.games),
                F_INT("duplicates", in->store.counts.duplicates),
                F_INT("refused", (int64_t)in->report.refused),
                F_INT("positions", in->store.counts.plies));
    return result;
}

/* ------------------------------------------------------------------ the job */

static err ingest_params(const struct ingest *in)
{
    TRY(run_param(in->run, "source", in->name));
    if (in->dataset.len)
        TRY(run_tag(in->run, "dataset", in->dataset));
    if (in->version.len)
        TRY(run_tag(in->run, "version", in->version));
    if (in->note.len)
        TRY(run_tag(in->run, "note", in->note));
    if (in->tags.len)
        TRY(run_tag(in->run, "tags", in->tags));
    return OK;
}

static err ingest_work(struct ingest *in)
{
    err e = batches_store(in);
    ingest_reader_stats(in->reader, &in->read);
    ingest_reader_close(in->reader); /* from here on the report is ours alone */
    if (!e.code)
        e = anything_read(in);
    return ingest_tell(in, e);
}

err ingest_run(struct run *run, const struct json *payload)
{
    struct ingest in = {
        .run = run,
        .metrics = run_metrics(run),
        .started_ns = clock_mono_ns(),
    };
    TRY(payload_read(&in, payload));
    TRY(ingest_params(&in));
    metric_add(chess_cell(in.metrics, CHESS_M_INGEST_STARTS), 1);
    metric_add(chess_cell(in.metrics, CHESS_M_INGEST_ACTIVE), 1);
    RUN_LOG(run, LOG_INFO, "ingest.started", NULL, F_STR("source", in.name));

    err e = ingest_open(&in);
    if (!e.code && !in.was_done)
        e = ingest_work(&in);
    else if (!e.code)
        e = result_write(&in);
    else
        e = ingest_tell(&in, e);
    if (!e.code && in.is_upload) {
        char *path = arena_cstr(run_arena(run), in.path);
        if (path)
            unlink(path);
    }
    if (!e.code) {
        /* The plugins have new games to look at. When the queue will not have it, their schedule
         * comes by: no reason to import again. */
        err woken = analytics_wake(run_house(run));
        if (woken.code)
            RUN_LOG(run, LOG_WARN, "analytics.not_woken", woken.msg);
    }

    metric_add(chess_cell(in.metrics, CHESS_M_INGEST_ACTIVE), -1);
    ingest_source_close(in.source);
    ingest_report_deinit(&in.report);
    ingest_store_deinit(&in.store);
    return e;
}
