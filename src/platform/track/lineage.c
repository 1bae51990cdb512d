/* SPDX-License-Identifier: GPL-3.0-or-later */
/* lineage.c -- what was made from what, by which run.
 *
 * run_assets holds the edges: a run read an asset ("in") or made it ("out"). So a graph alternates
 * runs and assets, and everything between two assets is a run. What was there before the first
 * dataset, imports, only apps know: they say it in queries. Finding the neighbourhood of
 * something is a walk in breadth with three bounds: depth, number of nodes, neighbours of one node.
 */
#include "platform/track/registry.h"
#include "platform/track/track_internal.h"

#include <stdlib.h>

#include "base/clock.h"

enum { NODES_MAX = 500, NEIGHBOURS_MAX = 200, EDGES_MAX = 4000, DEPTH_MAX = 10 };
#define LINEAGE_ARENA_BYTES (8u * 1024u * 1024u)

/* ------------------------------------------------------------------ recording */

err track_edge_add(struct store_tx *tx, str run_id, const char *direction, const char *kind,
                   str asset_id, str context)
{
    int64_t there = 0;
    bool is_dataset = kind[0] == 'd';
    TRY(store_get_int(store_tx_read(tx),
                      is_dataset ? "SELECT COUNT(*) FROM datasets WHERE id = ?1"
                                 : "SELECT COUNT(*) FROM model_versions WHERE id = ?1",
                      ARGS(sql_text(asset_id)), &there));
    if (!there)
        return ERR(ERR_NOT_FOUND, "no %s has the id '%.*s'",
                   is_dataset ? "dataset" : "model version", STR_ARG(asset_id));
    TRY(store_get_int(store_tx_read(tx), "SELECT COUNT(*) FROM runs WHERE run_id = ?1",
                      ARGS(sql_text(run_id)), &there));
    if (!there)
        return ERR(ERR_NOT_FOUND, "Run with id=%.*s not found", STR_ARG(run_id));
    return store_exec(tx,
                      "INSERT INTO run_assets (run_id, direction, kind, asset_id, context, step,"
                      " at_ms) VALUES (?1, ?2, ?3, ?4, ?5, 0, ?6) ON CONFLICT DO NOTHING",
                      ARGS(sql_text(run_id), sql_cstr(direction), sql_cstr(kind),
                           sql_text(asset_id), sql_text(context), sql_int(clock_wall_ms())),
                      NULL);
}

struct edge_write {
    str run_id, asset_id, context;
    const char *direction, *kind;
};

static err edge_fn(struct store_tx *tx, void *arg)
{
    const struct edge_write *w = arg;
    return track_edge_add(tx, w->run_id, w->direction, w->kind, w->asset_id, w->context);
}

static err edge_add(struct run *r, const char *direction, const char *kind, str asset_id,
                    const char *context)
{
    struct edge_write w = { str_of(r->id), asset_id, str_of(context), direction, kind };
    if (w.context.len)
        TRY(track_check_name("context", w.context, 500, ""));
    return job_write(r->job, r->track->store, edge_fn, &w);
}

err run_dataset_in(struct run *r, str dataset_id, const char *context)
{
    return edge_add(r, "in", "dataset", dataset_id, context);
}

err run_dataset_out(struct run *r, str dataset_id)
{
    return edge_add(r, "out", "dataset", dataset_id, NULL);
}

err run_model_in(struct run *r, str model_version_id)
{
    return edge_add(r, "in", "model", model_version_id, NULL);
}

err run_model_out(struct run *r, str model_version_id)
{
    return edge_add(r, "out", "model", model_version_id, NULL);
}

/* ------------------------------------------------------------------ walking */

/* A version that a client registers names its run itself: it is no output to MLflow, which knows
 * logged models as such, so it has no edge of its own. */
#define OF_CLIENT "kind = '" REGISTRY_KIND_CLIENT "'"

enum node_type { NODE_RUN, NODE_DATASET, NODE_MODEL };

struct node {
    str id;
    enum node_type type;
    int depth;
};

struct walk {
    struct store_read *rd;
    const struct lineage_sources *sources; /* never NULL */
    arena memory;
    struct map by_id;
    struct node nodes[NODES_MAX];
    size_t count;
    bool truncated;
};

static err node_add(struct walk *w, str id, enum node_type type, int depth)
{
    if (map_find(&w->by_id, id))
        return OK;
    if (w->count == NODES_MAX) {
        w->truncated = true;
        return OK;
    }
    str kept = arena_str(&w->memory, id);
    ARENA_TRY(kept.ptr);
    union map_value *slot;
    bool is_new;
    TRY(map_put(&w->by_id, kept, &slot, &is_new));
    slot->num = (int64_t)w->count;
    w->nodes[w->count++] = (struct node){ kept, type, depth };
    return OK;
}

static err start_node(struct walk *w, str id)
{
    static const struct {
        const char *sql;
        enum node_type type;
    } places[] = {
        { "SELECT COUNT(*) FROM runs WHERE run_id = ?1", NODE_RUN },
        { "SELECT COUNT(*) FROM datasets WHERE id = ?1", NODE_DATASET },
        { "SELECT COUNT(*) FROM model_versions WHERE id = ?1", NODE_MODEL },
        { "SELECT COUNT(*) FROM logged_models WHERE model_id = ?1", NODE_MODEL },
    };
    for (size_t i = 0; i < COUNT_OF(places); i++) {
        int64_t there = 0;
        TRY(store_get_int(w->rd, places[i].sql, ARGS(sql_text(id)), &there));
        if (there)
            return node_add(w, id, places[i].type, 0);
    }
    return ERR(ERR_NOT_FOUND, "no run, dataset or model version has the id '%.*s'", STR_ARG(id));
}

/* What a query finds beside a node: an id and what it is of, in each row. */
static err add_found(struct walk *w, const struct node *n, const char *sql)
{
    struct store_rows *rows;
    int64_t seen = 0;
    TRY(store_query(w->rd, sql, ARGS(sql_text(n->id), sql_int(NEIGHBOURS_MAX + 1)), &rows));
    err e = OK;
    while (!e.code && store_next(rows)) {
        if (++seen > NEIGHBOURS_MAX) {
            w->truncated = true;
            break;
        }
        str kind = store_col_text(rows, 1);
        enum node_type type = str_eq(kind, STR("run"))       ? NODE_RUN
                              : str_eq(kind, STR("dataset")) ? NODE_DATASET
                                                             : NODE_MODEL;
        e = node_add(w, store_col_text(rows, 0), type, n->depth + 1);
    }
    return err_first(e, store_rows_close(rows));
}

static err expand(struct walk *w, const struct node *n)
{
    if (n->type == NODE_RUN)
        TRY(add_found(w, n,
                      "SELECT asset_id, kind FROM run_assets WHERE run_id = ?1"
                      " UNION SELECT id, 'model' FROM model_versions WHERE run_id = ?1"
                      " AND " OF_CLIENT " LIMIT ?2"));
    else
        TRY(add_found(w, n,
                      "SELECT run_id, 'run' FROM (SELECT run_id, at_ms FROM run_assets"
                      " WHERE asset_id = ?1 UNION ALL SELECT run_id, created_ms"
                      " FROM model_versions WHERE id = ?1 AND run_id <> ''"
                      " AND " OF_CLIENT ") near"
                      " GROUP BY run_id ORDER BY MAX(at_ms) DESC LIMIT ?2"));
    for (const struct lineage_sources *s = w->sources; s->of_dataset; s++)
        if (n->type != NODE_MODEL)
            TRY(add_found(w, n, n->type == NODE_RUN ? s->of_run : s->of_dataset));
    return OK;
}

/* ------------------------------------------------------------------ writing */

static const char *const node_sql[] = {
    [NODE_RUN] = "SELECT run_name, status, component, CAST(attempts AS @text), start_ms, NULL"
                 " FROM runs WHERE run_id = ?1",
    [NODE_DATASET] = "SELECT name, state, kind, version, created_ms, digest, rows, bytes"
                     " FROM datasets WHERE id = ?1",
    [NODE_MODEL] =
        "SELECT name, CASE stage WHEN 'Deleted_Internal' THEN 'deleted' ELSE 'ready' END,"
        " kind, CAST(version AS @text), created_ms, digest, 0, bytes, version"
        " FROM model_versions WHERE id = ?1"
        /* what MLflow's clients log, before it is a version of anything */
        " UNION ALL SELECT name, CASE lifecycle_stage WHEN 'deleted' THEN 'deleted'"
        " ELSE 'ready' END, 'mlflow', '', created_ms, '', 0, 0, 0"
        " FROM logged_models WHERE model_id = ?1",
};

static void node_row_json(struct store_rows *rows, const struct node *n, struct json_out *out)
{
    json_kv_str(out, "name", store_col_text(rows, 0));
    json_kv_str(out, n->type == NODE_RUN ? "status" : "state", store_col_text(rows, 1));
    json_kv_str(out, n->type == NODE_RUN ? "component" : "kind", store_col_text(rows, 2));
    if (n->type != NODE_RUN)
        json_kv_str(out, "version", store_col_text(rows, 3));
    json_kv_time_ms(out, n->type == NODE_RUN ? "startedAt" : "createdAt", store_col_int(rows, 4));
    if (n->type == NODE_RUN)
        return;
    json_kv_str(out, "digest", store_col_text(rows, 5));
    if (n->type == NODE_DATASET)
        json_kv_int(out, "rows", store_col_int(rows, 6));
    json_kv_int(out, "bytes", store_col_int(rows, 7));
}

static err node_json(struct walk *w, const struct node *n, struct json_out *out)
{
    struct store_rows *rows;
    str name = STR_NONE, aliases = STR_NONE;
    int64_t version = 0;

    static const char *const types[] = { "run", "dataset", "model" };
    TRY(store_query(w->rd, node_sql[n->type], ARGS(sql_text(n->id)), &rows));
    json_object_begin(out);
    json_kv_str(out, "id", n->id);
    json_kv_cstr(out, "type", types[n->type]);
    if (store_next(rows)) {
        node_row_json(rows, n, out);
        if (n->type == NODE_MODEL) {
            name = store_col_text_keep(rows, 0, &w->memory);
            version = store_col_int(rows, 8);
        }
    } else { /* a client may name models that it never logged */
        json_kv_str(out, "name", n->id);
    }
    err e = store_rows_close(rows);
    if (!e.code && n->type == NODE_MODEL) {
        e = model_aliases_text(w->rd, name, version, &w->memory, &aliases);
        json_kv_str(out, "aliases", aliases);
    }
    json_object_end(out);
    return e;
}

/* The edges of one run whose other end is in the picture. */
static err edges_json(struct walk *w, const struct node *run, int *left, struct json_out *out)
{
    struct store_rows *rows;
    TRY(store_query(w->rd,
                    "SELECT asset_id, direction, context, at_ms FROM run_assets WHERE run_id = ?1"
                    " UNION ALL SELECT id, 'out', 'registered', created_ms FROM model_versions"
                    " WHERE run_id = ?1 AND " OF_CLIENT " ORDER BY 4, 1",
                    ARGS(sql_text(run->id)), &rows));
    while (store_next(rows)) {
        str asset = store_col_text(rows, 0);
        if (!map_find(&w->by_id, asset))
            continue;
        if ((*left)-- <= 0) {
            w->truncated = true;
            break;
        }
        bool in = str_eq(store_col_text(rows, 1), STR("in"));
        json_object_begin(out);
        json_kv_str(out, "from", in ? asset : run->id);
        json_kv_str(out, "to", in ? run->id : asset);
        json_kv_str(out, "run_id", run->id);
        json_kv_str(out, "context", store_col_text(rows, 2));
        json_object_end(out);
    }
    return store_rows_close(rows);
}

/* From the imports that a dataset was made from to the run that made it of them, or to itself where
 * that run is not in the picture. */
static err import_edges_json(struct walk *w, const struct node *dataset, int *left,
                             struct json_out *out)
{
    str to = STR_NONE;
    for (const struct lineage_sources *s = w->sources; s->of_dataset; s++) {
        struct store_rows *rows;
        if (!to.len) {
            TRY(store_get_text(w->rd, "SELECT COALESCE(run_id, '') FROM datasets WHERE id = ?1",
                               ARGS(sql_text(dataset->id)), &w->memory, &to));
            to = map_find(&w->by_id, to) ? to : dataset->id;
        }
        TRY(store_query(w->rd, s->of_dataset, ARGS(sql_text(dataset->id), sql_int(NEIGHBOURS_MAX)),
                        &rows));
        while (store_next(rows)) {
            str run = store_col_text(rows, 0);
            if (!map_find(&w->by_id, run))
                continue;
            if ((*left)-- <= 0) {
                w->truncated = true;
                break;
            }
            json_object_begin(out);
            json_kv_str(out, "from", run);
            json_kv_str(out, "to", to);
            json_kv_str(out, "run_id", run);
            json_kv_cstr(out, "context", "import");
            json_object_end(out);
        }
        TRY(store_rows_close(rows));
    }
    return OK;
}

struct lineage_read {
    str id;
    int depth;
    struct walk *walk;
    struct json_out *out;
};

static err walk_write(struct walk *w, struct json_out *out)
{
    err e = OK;
    int edges_left = EDGES_MAX;

    json_object_begin(out);
    json_key(out, "nodes");
    json_array_begin(out);
    for (size_t i = 0; !e.code && i < w->count; i++)
        e = node_json(w, &w->nodes[i], out);
    json_array_end(out);
    json_key(out, "edges");
    json_array_begin(out);
    for (size_t i = 0; !e.code && i < w->count; i++)
        if (w->nodes[i].type == NODE_RUN)
            e = edges_json(w, &w->nodes[i], &edges_left, out);
        else if (w->nodes[i].type == NODE_DATASET)
            e = import_edges_json(w, &w->nodes[i], &edges_left, out);
    json_array_end(out);
    json_kv_bool(out, "truncated", w->truncated);
    json_object_end(out);
    return e;
}

static err lineage_fn(struct store_read *rd, void *arg)
{
    struct lineage_read *l = arg;
    struct walk *w = l->walk;

    w->rd = rd;
    TRY(start_node(w, l->id));
    for (size_t i = 0; i < w->count && w->nodes[i].depth < l->depth; i++)
        TRY(expand(w, &w->nodes[i]));
    return walk_write(w, l->out);
}

err track_lineage_json(struct track *t, str id, int depth, const struct lineage_sources *sources,
                       struct json_out *out)
{
    static const struct lineage_sources none[] = { { 0 } };
    struct walk *w = calloc(1, sizeof *w);
    if (!w)
        return ERR(ERR_NO_MEMORY, "lineage of '%.*s': out of memory", STR_ARG(id));
    w->sources = sources ? sources : none;
    arena_init(&w->memory, LINEAGE_ARENA_BYTES);
    map_init(&w->by_id, NODES_MAX);
    struct lineage_read l = {
        .id = id,
        .depth = depth < 1           ? 1
                 : depth > DEPTH_MAX ? DEPTH_MAX
                                     : depth,
        .walk = w,
        .out = out,
    };
    err e = store_read(t->store, lineage_fn, &l);
    map_deinit(&w->by_id);
    arena_deinit(&w->memory);
    free(w);
    return e;
}
