/* SPDX-License-Identifier: GPL-3.0-or-later */
/* dataset_history.c -- what is known of datasets that were built before: which imports they were
 * made from (their parents are packs, and a pack belongs to the import that wrote it), and, after a
 * restart, how many rows they have. */
#include "apps/chess/chess_app.h"
#include "apps/chess/chess_metrics.h"
#include "apps/chess/dataset_file.h"
#include "base/map.h"

struct history {
    const struct map *packs; /* of the dataset, by digest */
    struct json_out *out;
};

static void write_import(struct json_out *w, struct store_rows *rows)
{
    int64_t started_ms = store_col_int(rows, 9), finished_ms = store_col_int(rows, 10);
    json_object_begin(w);
    json_kv_time_ms(w, "at", finished_ms ? finished_ms : started_ms);
    json_kv_str(w, "user", store_col_text(rows, 2));
    json_kv_str(w, "note", store_col_text(rows, 3));
    json_kv_str(w, "version", store_col_text(rows, 4));
    json_kv_str(w, "datasetId", store_col_text(rows, 5));
    json_kv_str(w, "runId", store_col_text(rows, 6));
    json_kv_str(w, "source", store_col_text(rows, 7));
    json_kv_int(w, "games", store_col_int(rows, 8));
    json_object_end(w);
}

/* An import's packs come one after another, so the last one written is all there is to remember. */
static err read_history(struct store_read *rd, void *arg)
{
    const struct history *h = arg;
    struct store_rows *rows;
    int64_t written = 0;
    TRY(store_query(rd,
                    "SELECT k.blob, i.id, i.username, i.note, i.version, i.dataset, i.run_id, "
                    "i.source, i.games, i.started_ms, i.finished_ms "
                    "FROM chess_packs k JOIN chess_ingests i ON i.id = k.ingest_id "
                    "ORDER BY i.id DESC",
                    NO_ARGS, &rows));
    while (store_next(rows)) {
        int64_t id = store_col_int(rows, 1);
        if (id == written || !map_find(h->packs, store_col_text(rows, 0)))
            continue;
        write_import(h->out, rows);
        written = id;
    }
    return store_rows_close(rows);
}

err dataset_history(struct house *h, const struct dataset_info *info, struct json_out *out)
{
    struct blob_id *blobs;
    size_t count;
    arena keep;
    struct map packs;
    struct history history = { .packs = &packs, .out = out };
    arena_init(&keep, 64 * 1024 * 1024);
    err e = dataset_parents(house_track(h), str_of(info->id), &keep, &blobs, &count);
    map_init(&packs, e.code ? 1 : count + 1);
    for (size_t i = 0; !e.code && i < count; i++) {
        union map_value *value;
        bool is_new;
        e = map_put(&packs, str_of(blobs[i].hex), &value, &is_new);
    }
    if (!e.code)
        e = store_read(house_store(h), read_history, &history);
    map_deinit(&packs);
    arena_deinit(&keep);
    return e;
}

/* ------------------------------------------------------------------ lineage */

const char dataset_imports_sql[] =
    "SELECT i.run_id, 'run' FROM dataset_blobs b JOIN chess_packs k ON k.blob = b.blob"
    " JOIN chess_ingests i ON i.id = k.ingest_id WHERE b.dataset_id = ?1"
    " GROUP BY i.run_id ORDER BY MAX(i.id) DESC LIMIT ?2";
const char dataset_of_import_sql[] =
    "SELECT b.dataset_id, 'dataset' FROM chess_ingests i JOIN chess_packs k ON k.ingest_id = i.id"
    " JOIN dataset_blobs b ON b.blob = k.blob JOIN datasets d ON d.id = b.dataset_id"
    " WHERE i.run_id = ?1 GROUP BY b.dataset_id ORDER BY MAX(d.created_ms) DESC LIMIT ?2";

/* ------------------------------------------------------------------ start */

enum { GAUGED_MAX = 80 }; /* three splits each stay within a family's 256 label sets */

static err gauge_rows(struct house *h, const struct dataset_info *d, arena *keep)
{
    const struct json *manifest;
    TRY(json_parse(keep, d->manifest, &manifest));
    for (int i = 0; i < CHESS_SPLIT_COUNT; i++) {
        const char *split = chess_split_name((enum chess_split)i);
        const struct json *part = json_get(json_get(manifest, "splits"), split);
        if (part)
            metric_set(
                CHESS_CELL(house_metrics(h), CHESS_M_DATASET_ROWS, str_of(d->id), str_of(split)),
                json_num(json_get(part, "rows"), 0));
    }
    return OK;
}

err dataset_start(struct house *h)
{
    struct dataset_filter filter = { .kind = STR("chess.positions"),
                                     .state = STR("ready"),
                                     .limit = GAUGED_MAX };
    struct dataset_info *infos;
    size_t count = 0;
    arena keep;
    arena_init(&keep, 256 * 1024 * 1024);
    err e = dataset_list(house_track(h), &filter, &keep, &infos, &count);
    for (size_t i = 0; !e.code && i < count; i++)
        e = gauge_rows(h, &infos[i], &keep);
    arena_deinit(&keep);
    return e;
}
