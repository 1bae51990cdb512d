/* SPDX-License-Identifier: GPL-3.0-or-later */
/* app.c -- the @name@ app: everything it adds to the house, as tables.
 *
 * It keeps notes: one route writes one, one lists them, one job counts them. Replace them with
 * yours; the shape (table, handler, transaction, job, metric) is what every app has.
 */
#include "base/clock.h"
#include "platform/app/app.h"

enum { NOTE_BYTES_MAX = 1000, LIST_MAX = 200 };

static const struct metric_family metrics[] = {
    { "@name@_notes_total", METRIC_COUNTER, "Notes written." },
    { 0 },
};

static const struct store_migration migrations[] = {
    { 1, "CREATE TABLE @name@_notes (id @id, username @text NOT NULL, body @text NOT NULL, "
         "created_ms @int NOT NULL)@strict;" },
    { 0 },
};

/* ------------------------------------------------------------------ routes */

struct note {
    str username, body;
    int64_t id;
};

static err insert_note(struct store_tx *tx, void *arg)
{
    struct note *n = arg;
    struct store_rows *rows;
    TRY(store_query(
        store_tx_read(tx),
        "INSERT INTO @name@_notes (username, body, created_ms) VALUES (?1, ?2, ?3) RETURNING id",
        ARGS(sql_text(n->username), sql_text(n->body), sql_int(clock_wall_ms())), &rows));
    if (store_next(rows))
        n->id = store_col_int(rows, 0);
    return store_rows_close(rows);
}

static err note_create(struct http_request *rq, struct http_reply *rp)
{
    struct house *h = rq_house(rq);
    const struct json *body;
    struct note n = { .username = http_user(rq) };
    TRY(http_body_json(rq, &body));
    TRY(json_need_str(body, "body", &n.body));
    if (n.body.len == 0 || n.body.len > NOTE_BYTES_MAX)
        return ERR(ERR_INVALID, "field 'body' must have 1 to %d bytes", NOTE_BYTES_MAX);
    TRY(store_write(house_store(h), insert_note, &n));
    metric_add(metric_cell_plain(house_metrics(h), &metrics[0]), 1);
    http_status(rp, 201);
    struct json_out *w = http_json(rp);
    json_object_begin(w);
    json_kv_int(w, "id", n.id);
    json_object_end(w);
    return OK;
}

static err list_notes(struct store_read *rd, void *arg)
{
    struct json_out *w = arg;
    struct store_rows *rows;
    TRY(store_query(
        rd, "SELECT id, username, body, created_ms FROM @name@_notes ORDER BY id DESC LIMIT ?1",
        ARGS(sql_int(LIST_MAX)), &rows));
    while (store_next(rows)) {
        json_object_begin(w);
        json_kv_int(w, "id", store_col_int(rows, 0));
        json_kv_str(w, "username", store_col_text(rows, 1));
        json_kv_str(w, "body", store_col_text(rows, 2));
        json_kv_time_ms(w, "createdAt", store_col_int(rows, 3));
        json_object_end(w);
    }
    return store_rows_close(rows);
}

static err note_list(struct http_request *rq, struct http_reply *rp)
{
    struct json_out *w = http_json(rp);
    json_items_begin(w);
    TRY(store_read(house_store(rq_house(rq)), list_notes, w));
    json_items_end(w);
    return OK;
}

static err note_count_start(struct http_request *rq, struct http_reply *rp)
{
    return app_start_job(rq, rp, &(struct job_spec){ .kind = "@name@.count", .payload = STR("{}") },
                         202, "/v1/runs/");
}

static const struct route routes[] = {
    { "POST", "/v1/@name@/notes", "Write a note.", ACCESS_ANALYST, note_create,
      .body = "\"body\":{\"type\":\"string\"}", .reply = "{\"type\":\"object\"}",
      .reply_status = 201, .example = "{\"body\":\"hello\"}", .metric = "@name@_notes_total" },
    { "GET", "/v1/@name@/notes", "List notes, newest first.", ACCESS_VIEWER, note_list,
      .reply = "{\"type\":\"object\"}" },
    { "POST", "/v1/@name@/count", "Count the notes, as a tracked job.", ACCESS_ANALYST,
      note_count_start, .reply = "{\"type\":\"object\"}", .reply_status = 202 },
    { 0 },
};

/* ------------------------------------------------------------------ job */

static err count_notes(struct store_read *rd, void *arg)
{
    return store_get_int(rd, "SELECT COUNT(*) FROM @name@_notes", NO_ARGS, arg);
}

static err count_run(struct run *run, const struct json *payload)
{
    int64_t count;
    TRY(store_read(run_store(run), count_notes, &count));
    TRY(run_metric(run, "notes", (double)count, 0));
    str report = arena_fmt(run_arena(run), "{\"notes\":%lld}", (long long)count);
    ARENA_TRY(report.ptr);
    TRY(run_artifact(run, "report.json", report));
    RUN_LOG(run, LOG_INFO, "@name@.counted", NULL, F_INT("notes", count));
    return run_result(run, report);
}

static const struct job_kind jobs[] = {
    { .name = "@name@.count",
      .help = "Counts the notes.",
      .component = "@name@",
      .run = count_run,
      .payload_schema = "",
      .event = "@name@.counted",
      .artifact = "report.json" },
    { 0 },
};

const struct app app_@name@ = {
    .name = "@name@",
    .title = "@Title@",
    .summary = "Keeps notes: the pattern of an app.",
    .migrations = migrations,
    .routes = routes,
    .jobs = jobs,
    .metrics = metrics,
};
