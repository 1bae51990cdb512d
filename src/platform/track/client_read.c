/* SPDX-License-Identifier: GPL-3.0-or-later */
/* client_read.c -- runs with all they have logged, many at a time: bulk.h has the mechanism. */
#include <string.h>

#include "platform/track/bulk.h"
#include "platform/track/client_internal.h"

/* Of schemas and profiles of datasets in one call: a reply holds 16 MiB. Beyond, they are left out.
 */
enum { DATASET_TEXT_BYTES_MAX = 4 * 1024 * 1024 };

struct page {
    struct bulk *bulk;
    arena *keep;
    struct client_run *runs; /* in the order of the page's ids */
    size_t count;
    size_t *text_bytes; /* of schemas and profiles so far, of all pages */
};

/* ------------------------------------------------------------------ the runs themselves */

static err read_rows(struct page *p)
{
    struct store_rows *rows;
    TRY(bulk_query(p->bulk,
                   "SELECT r.run_id, r.run_name, r.user_id, r.status, r.experiment_id, r.start_ms,"
                   " r.end_ms, CASE WHEN r.lifecycle_stage = 'deleted' THEN 1 ELSE 0 END,"
                   " e.artifact_location,"
                   " CASE WHEN r.status IN ('FINISHED', 'FAILED', 'KILLED') THEN 1 ELSE 0 END,"
                   " CASE WHEN r.origin = 'client' THEN 1 ELSE 0 END FROM runs r"
                   " JOIN experiments e ON e.experiment_id = r.experiment_id WHERE r.run_id IN #",
                   &rows));
    while (store_next(rows)) {
        struct client_run *r = &p->runs[bulk_index(p->bulk, rows)];
        str location = store_col_text(rows, 8);
        bool has_slash = location.len && location.ptr[location.len - 1] == '/';
        *r = (struct client_run){
            .run_id = store_col_text_keep(rows, 0, p->keep),
            .name = store_col_text_keep(rows, 1, p->keep),
            .user_id = store_col_text_keep(rows, 2, p->keep),
            .status = store_col_text_keep(rows, 3, p->keep),
            .experiment_id = store_col_int(rows, 4),
            .start_ms = store_col_int(rows, 5),
            .end_ms = store_col_int(rows, 6),
            .is_deleted = store_col_int(rows, 7) != 0,
            .has_ended = store_col_int(rows, 9) != 0,
            .is_clients = store_col_int(rows, 10) != 0,
        };
        r->artifact_uri = arena_fmt(p->keep, "%.*s%s%.*s/artifacts", STR_ARG(location),
                                    has_slash ? "" : "/", STR_ARG(r->run_id));
    }
    TRY(store_rows_close(rows));
    TRY(arena_check(p->keep));
    for (size_t i = 0; i < p->count; i++)
        if (p->runs[i].run_id.len == 0)
            return ERR(ERR_NOT_FOUND, "Run with id=%.*s not found", STR_ARG(p->bulk->ids[i].bytes));
    return OK;
}

/* ------------------------------------------------------------------ inputs and outputs */

/* The context of an edge is a tag of the input to clients. */
static err dataset_row(struct page *p, struct store_rows *rows, struct client_dataset *d)
{
    str context = store_col_text(rows, 4);
    *d = (struct client_dataset){
        .id = store_col_text_keep(rows, 3, p->keep),
        .name = store_col_text_keep(rows, 6, p->keep),
        .digest = store_col_text_keep(rows, 7, p->keep),
    };
    if (context.len) {
        struct track_tag *tag = NEW(p->keep, struct track_tag);
        ARENA_TRY(tag);
        *tag = (struct track_tag){ CLIENT_TAG_CONTEXT, arena_str(p->keep, context) };
        d->tags = tag;
        d->tag_count = 1;
    }
    if (store_col_int(rows, 8)) {
        d->source_type = STR("skerry");
        d->source = arena_fmt(p->keep, "{\"dataset_id\": \"%.*s\"}", STR_ARG(d->id));
        d->profile = arena_fmt(p->keep, "{\"num_rows\": %lld}", (long long)store_col_int(rows, 9));
    }
    return OK;
}

static err read_edges(struct page *p, bool *ret_has_clients)
{
    struct bulk_list datasets, in, out;
    struct store_rows *rows;
    bulk_list_init(&datasets, sizeof(struct client_dataset));
    bulk_list_init(&in, sizeof(struct client_model));
    bulk_list_init(&out, sizeof(struct client_model));
    TRY(bulk_query(p->bulk,
                   "SELECT a.run_id, a.kind, a.direction, a.asset_id, a.context, a.step, d.name,"
                   " COALESCE(d.digest, d.version), CASE WHEN d.kind = '" DATASET_KIND_CLIENT
                   "' THEN 0 ELSE 1 END,"
                   " d.rows FROM run_assets a"
                   " LEFT JOIN datasets d ON a.kind = 'dataset' AND d.id = a.asset_id"
                   " WHERE a.run_id IN # AND (a.kind = 'model' OR a.direction = 'in')"
                   " ORDER BY a.run_id, a.kind, a.asset_id, a.context",
                   &rows));
    while (store_next(rows)) {
        size_t i = bulk_index(p->bulk, rows);
        struct client_run *r = &p->runs[i];
        str id = store_col_text(rows, 3);
        if (str_eq(store_col_text(rows, 1), STR("dataset"))) {
            struct client_dataset *last = bulk_slice(&datasets, i, r->dataset_count);
            /* one that is read twice, for different ends, is one input to clients */
            if (last && str_eq(last[r->dataset_count - 1].id, id))
                continue;
            struct client_dataset *d = bulk_add(&datasets, p->bulk, i, &r->dataset_count);
            ARENA_TRY(d);
            TRY(dataset_row(p, rows, d));
            *ret_has_clients |= !store_col_int(rows, 8);
            continue;
        }
        bool is_in = str_eq(store_col_text(rows, 2), STR("in"));
        struct client_model *m = is_in ? bulk_add(&in, p->bulk, i, &r->model_in_count)
                                       : bulk_add(&out, p->bulk, i, &r->model_out_count);
        ARENA_TRY(m);
        m->model_id = arena_str(p->keep, id);
        m->step = store_col_int(rows, 5);
    }
    for (size_t i = 0; i < p->count; i++) {
        p->runs[i].datasets = bulk_slice(&datasets, i, p->runs[i].dataset_count);
        p->runs[i].models_in = bulk_slice(&in, i, p->runs[i].model_in_count);
        p->runs[i].models_out = bulk_slice(&out, i, p->runs[i].model_out_count);
    }
    return store_rows_close(rows);
}

/* What clients said of their datasets: read once each, however many runs of the page read it. */
static err sources_by_id(struct page *p, struct map *by_id)
{
    struct store_rows *rows;
    size_t bytes = 0;
    TRY(bulk_query(p->bulk,
                   "SELECT dataset_id, source_type, source, schema_text, profile"
                   " FROM dataset_sources WHERE dataset_id IN"
                   " (SELECT asset_id FROM run_assets WHERE run_id IN # AND kind = 'dataset'"
                   " AND direction = 'in')",
                   &rows));
    while (store_next(rows)) {
        struct client_dataset *d = NEW(p->keep, struct client_dataset);
        ARENA_TRY(d);
        d->id = store_col_text_keep(rows, 0, p->keep);
        d->source_type = store_col_text_keep(rows, 1, p->keep);
        d->source = store_col_text_keep(rows, 2, p->keep);
        bytes += store_col_text(rows, 3).len + store_col_text(rows, 4).len;
        if (bytes <= DATASET_TEXT_BYTES_MAX) {
            d->schema = store_col_text_keep(rows, 3, p->keep);
            d->profile = store_col_text_keep(rows, 4, p->keep);
        }
        union map_value *slot;
        bool is_new;
        TRY(map_put(by_id, d->id, &slot, &is_new));
        slot->ptr = d;
    }
    TRY(store_rows_close(rows));
    return arena_check(p->keep);
}

static err read_sources(struct page *p, struct map *by_id)
{
    TRY(sources_by_id(p, by_id));
    for (size_t i = 0; i < p->count; i++) {
        for (size_t j = 0; j < p->runs[i].dataset_count; j++) {
            struct client_dataset *d = &p->runs[i].datasets[j];
            const union map_value *found = map_find(by_id, d->id);
            if (!found)
                continue;
            const struct client_dataset *source = found->ptr;
            d->source_type = source->source_type;
            d->source = source->source;
            *p->text_bytes += source->schema.len + source->profile.len;
            if (*p->text_bytes <= DATASET_TEXT_BYTES_MAX) {
                d->schema = source->schema;
                d->profile = source->profile;
            }
        }
    }
    return OK;
}

static struct client_dataset *dataset_of(struct client_run *r, str id)
{
    for (size_t i = 0; i < r->dataset_count; i++)
        if (str_eq(r->datasets[i].id, id))
            return &r->datasets[i];
    return NULL;
}

/* Tags of an input beside its context. There are few: each makes the input's list anew. */
static err read_input_tags(struct page *p)
{
    struct store_rows *rows;
    TRY(bulk_query(p->bulk,
                   "SELECT run_id, dataset_id, key, value FROM input_tags WHERE run_id IN #"
                   " ORDER BY run_id, dataset_id, key",
                   &rows));
    while (store_next(rows)) {
        struct client_dataset *d = dataset_of(&p->runs[bulk_index(p->bulk, rows)],
                                              store_col_text(rows, 1));
        if (!d)
            continue;
        struct track_tag *tags = NEW_ARRAY(p->keep, struct track_tag, d->tag_count + 1);
        ARENA_TRY(tags);
        if (d->tag_count)
            memcpy(tags, d->tags, d->tag_count * sizeof *tags);
        tags[d->tag_count] = (struct track_tag){ store_col_text_keep(rows, 2, p->keep),
                                                 store_col_text_keep(rows, 3, p->keep) };
        d->tags = tags;
        d->tag_count++;
    }
    TRY(store_rows_close(rows));
    return arena_check(p->keep);
}

static err read_inputs(struct page *p)
{
    bool has_clients = false;
    TRY(read_edges(p, &has_clients));
    if (!has_clients)
        return OK;
    struct map by_id;
    map_init(&by_id, BULK_PAGE_MAX * CLIENT_DATASETS_MAX);
    err e = read_sources(p, &by_id);
    map_deinit(&by_id);
    return e.code ? e : read_input_tags(p);
}

/* ------------------------------------------------------------------ pages */

struct runs_read {
    const str *run_ids;
    size_t count;
    arena *keep;
    struct client_run *runs;
    size_t text_bytes;
};

static err read_page(struct bulk *b, void *arg, size_t done)
{
    struct runs_read *r = arg;
    struct page p = { .bulk = b,
                      .keep = b->keep,
                      .runs = r->runs + done,
                      .count = b->count,
                      .text_bytes = &r->text_bytes };
    TRY(read_rows(&p));
    TRY(client_data_read(b, p.runs));
    return read_inputs(&p);
}

static err runs_read_fn(struct store_read *rd, void *arg)
{
    struct runs_read *r = arg;
    r->text_bytes = 0;
    r->runs = NEW_ARRAY(r->keep, struct client_run, r->count + 1);
    ARENA_TRY(r->runs);
    return bulk_each(rd, r->run_ids, r->count, r->keep, read_page, r);
}

err client_runs_read(struct track *t, const str *run_ids, size_t count, arena *keep,
                     struct client_run **ret_runs)
{
    struct runs_read r = { .run_ids = run_ids, .count = count, .keep = keep };
    if (count > CLIENT_READ_RUNS_MAX)
        return ERR(ERR_TOO_BIG, "%zu runs are asked for at once: at most %d", count,
                   CLIENT_READ_RUNS_MAX);
    TRY(store_read(t->store, runs_read_fn, &r));
    client_data_want(t, r.runs, count);
    size_t kept = 0;
    for (size_t i = 0; i < count; i++)
        kept += r.runs[i].is_kept;
    metric_add(TRACK_CELL(t->metrics, TRACK_M_RUN_READS, STR("text")), (double)kept);
    metric_add(TRACK_CELL(t->metrics, TRACK_M_RUN_READS, STR("rows")), (double)(count - kept));
    *ret_runs = r.runs;
    return OK;
}
