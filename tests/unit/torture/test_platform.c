/* SPDX-License-Identifier: GPL-3.0-or-later */
/* If these fail, a server that is short of memory loses what it had acknowledged, hangs, or has to
 * be restarted to go on. */
#include "torture.h"

#include "platform/blobs/blobs.h"
#include "platform/observe/log.h"
#include "platform/observe/metrics.h"
#include "platform/store/store.h"
#include "platform/track/run.h"
#include "platform/track/track.h"

/* ------------------------------------------------------------------ log and metrics */

static const struct metric_family families[] = {
    { .name = "torture_total", .help = "Counts.", .type = METRIC_COUNTER, .labels = { "who" } },
    { 0 },
};

static err log_work(struct torture_place *place)
{
    char folder[FS_PATH_BYTES];
    struct log *log = NULL;
    struct metrics *metrics = NULL;
    struct log_line *lines = NULL;
    struct buf text;
    arena keep;
    size_t count = 0;
    TRY(fs_join(folder, place->folder, "log"));
    arena_init(&keep, 4 << 20);
    buf_init(&text, 1 << 20);
    err e = log_open(
        &(struct log_options){
            .folder = folder, .quiet = true, .segment_bytes = 5000, .bytes_max = 20000 },
        &log);
    if (!e.code)
        e = metrics_open(&metrics);
    if (!e.code)
        e = metrics_register(metrics, families);
    for (int i = 0; i < 20 && !e.code; i++) {
        log_event(log, LOG_INFO, NULL, "tick", "a line", F_INT("i", i));
        metric_add(METRIC_CELL(metrics, &families[0], STR("ada")), 1);
    }
    if (!e.code)
        e = log_search(log, &(struct log_query){ .text = STR("tick"), .limit = 5 }, &keep, &lines,
                       &count);
    if (!e.code && count > 5)
        e = ERR(ERR_INTERNAL, "%zu lines", count);
    if (!e.code) {
        metrics_write(metrics, METRICS_PROMETHEUS, &text);
        e = buf_check(&text);
    }
    metrics_close(metrics);
    log_close(log);
    buf_deinit(&text);
    arena_deinit(&keep);
    return e;
}

static void logs_and_metrics(void **state)
{
    torture(*state, log_work);
}

/* ------------------------------------------------------------------ store */

static const struct store_migration steps[] = {
    { 1, "CREATE TABLE note (id @id, text @text NOT NULL, number @int NOT NULL) @strict" },
    { 0, NULL },
};

struct notes {
    int64_t before, added, after;
    arena *keep;
};

static err notes_count(struct store_read *rd, void *arg)
{
    struct notes *n = arg;
    str text = STR_NONE;
    TRY(store_get_text(rd, "SELECT 'a text'", NO_ARGS, n->keep, &text));
    if (!str_eq(text, STR("a text")))
        return ERR(ERR_INTERNAL, "another text came back");
    return store_get_int(rd, "SELECT count(*) FROM note", NO_ARGS, &n->after);
}

static err notes_add(struct store_tx *tx, void *arg)
{
    struct notes *n = arg;
    struct store_bulk *bulk = NULL;
    struct store_rows *rows = NULL;
    int64_t inserted = 0;
    TRY(store_get_int(store_tx_read(tx), "SELECT count(*) FROM note", NO_ARGS, &n->before));
    TRY(store_exec(tx, "INSERT INTO note (text, number) VALUES (?1, ?2)",
                   ARGS(sql_text(STR("single")), sql_int(1)), NULL));
    TRY(store_bulk_begin(tx, "note", "text, number", 2, &bulk));
    err e = OK;
    for (int i = 0; i < 20 && !e.code; i++) {
        const struct store_value values[] = { sql_text(STR("one of many")), sql_int(i) };
        e = store_bulk_row(bulk, values);
    }
    e = err_first(e, store_bulk_end(bulk, &inserted));
    if (e.code)
        return e;
    TRY(store_query_dynamic(
        store_tx_read(tx), STR("SELECT id, text FROM note ORDER BY text LIMIT 3"), NO_ARGS, &rows));
    while (store_next(rows))
        (void)store_col_text_keep(rows, 1, n->keep);
    n->added = inserted + 1;
    return err_first(arena_check(n->keep), store_rows_close(rows));
}

/* A failed transaction leaves nothing, one that was acknowledged all of it. */
static err store_use(struct store *s, arena *keep)
{
    struct notes n = { .keep = keep };
    TRY(store_migrate(s, "torture", steps));
    TRY(store_write(s, notes_add, &n));
    TRY(store_read(s, notes_count, &n));
    if (n.added != 21 || n.after != n.before + n.added || n.before % 21)
        return ERR(ERR_INTERNAL, "%d notes, %d added, %d then", (int)n.before, (int)n.added,
                   (int)n.after);
    return OK;
}

static err store_work(struct torture_place *place)
{
    char url[128];
    struct store *s = NULL;
    arena keep;
    snprintf(url, sizeof url, "sqlite:%s/torture.db", place->folder);
    arena_init(&keep, 1 << 20);
    err e = store_open(&(struct store_options){ .url = url }, &s);
    if (!e.code)
        e = store_use(s, &keep);
    store_close(s);
    arena_deinit(&keep);
    return e;
}

static void stores(void **state)
{
    torture(*state, store_work);
}

/* The store that was open when memory ran out is the one that must go on. */
static err open_store_work(struct torture_place *place)
{
    arena keep;
    arena_init(&keep, 1 << 20);
    err e = store_use(place->arg, &keep);
    arena_deinit(&keep);
    return e;
}

static void an_open_store_goes_on(void **state)
{
    struct torture_place *place = *state;
    struct store *s = NULL;
    char url[128];
    snprintf(url, sizeof url, "sqlite:%s/torture.db", place->folder);
    assert_int_equal(store_open(&(struct store_options){ .url = url, .readers_max = 1 }, &s).code,
                     ERR_NONE);
    place->arg = s;
    torture(place, open_store_work);
    assert_int_equal(store_check(s).code, ERR_NONE);
    store_close(s);
}

/* ------------------------------------------------------------------ blobs */

static err blob_use(struct blobs *b, arena *keep)
{
    struct blob_info info, streamed;
    struct blob_writer *w = NULL;
    struct blob_reader *r = NULL;
    struct blob_gc_report report;
    str bytes = STR_NONE;
    int64_t total = 0;
    size_t count = 0;
    char part[16];
    TRY(blob_put(b, STR("some bytes"), &info));
    blob_unpin(b, &info.id);
    TRY(blob_get(b, &info.id, keep, 100, &bytes));
    if (!str_eq(bytes, STR("some bytes")))
        return ERR(ERR_INTERNAL, "other bytes came back");
    TRY(blob_writer_open(b, &w));
    err e = blob_write(w, "piece by piece", 14);
    if (e.code) {
        blob_writer_abort(w);
        return e;
    }
    TRY(blob_writer_commit(w, &streamed));
    blob_unpin(b, &streamed.id);
    TRY(blob_reader_open(b, &streamed.id, 0, &r, &total));
    e = blob_read(r, part, sizeof part, &count);
    blob_reader_close(r);
    if (e.code)
        return e;
    struct blob_map map = { 0 };
    TRY(blob_map(b, &info.id, &map));
    blob_unmap(&map);
    return blobs_collect(b, NULL, 0, 0, &report);
}

static err blobs_work(struct torture_place *place)
{
    char url[128];
    struct blobs *b = NULL;
    arena keep;
    snprintf(url, sizeof url, "file:%s/blobs", place->folder);
    arena_init(&keep, 1 << 20);
    err e = blobs_open(url, &b);
    if (!e.code)
        e = blob_use(b, &keep);
    blobs_close(b);
    arena_deinit(&keep);
    return e;
}

static void blob_stores(void **state)
{
    torture(*state, blobs_work);
}

/* ------------------------------------------------------------------ a run */

struct rooms {
    struct log *log;
    struct metrics *metrics;
    struct store *store;
    struct blobs *blobs;
    struct track *track;
};

static err run_use(struct track *t)
{
    struct run *r = NULL;
    TRY(run_begin(t, &(struct run_options){ .component = "test", .username = STR("ada") }, &r));
    err e = run_param(r, "size", STR("small"));
    for (int i = 0; i < 10 && !e.code; i++)
        e = run_metric(r, "loss", 1.0 / (i + 1), i);
    if (!e.code)
        e = run_artifact(r, "report.json", STR("{}"));
    return err_first(e, run_end(r, &e));
}

static err rooms_open(struct torture_place *place, struct rooms *rooms)
{
    char path[FS_PATH_BYTES], url[128];
    TRY(fs_join(path, place->folder, "log"));
    TRY(log_open(&(struct log_options){ .folder = path, .quiet = true }, &rooms->log));
    TRY(metrics_open(&rooms->metrics));
    TRY(metrics_register(rooms->metrics, track_metrics));
    snprintf(url, sizeof url, "sqlite:%s/skerry.db", place->folder);
    TRY(store_open(&(struct store_options){ .url = url }, &rooms->store));
    snprintf(url, sizeof url, "file:%s/blobs", place->folder);
    TRY(blobs_open(url, &rooms->blobs));
    return track_open(&(struct track_options){ .store = rooms->store,
                                               .blobs = rooms->blobs,
                                               .log = rooms->log,
                                               .metrics = rooms->metrics,
                                               .sole_worker = true },
                      &rooms->track);
}

static err track_work(struct torture_place *place)
{
    struct rooms rooms = { 0 };
    err e = rooms_open(place, &rooms);
    if (!e.code)
        e = run_use(rooms.track);
    track_close(rooms.track);
    blobs_close(rooms.blobs);
    store_close(rooms.store);
    metrics_close(rooms.metrics);
    log_close(rooms.log);
    return e;
}

static void runs(void **state)
{
    torture(*state, track_work);
}

int main(void)
{
#define T(fn) cmocka_unit_test_setup_teardown(fn, torture_setup, torture_teardown)
    const struct CMUnitTest tests[] = {
        T(logs_and_metrics), T(stores), T(an_open_store_goes_on), T(blob_stores), T(runs),
    };
    alloc_fail_install();
    return cmocka_run_group_tests_name("platform without memory", tests, NULL, NULL);
}
