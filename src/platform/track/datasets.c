/* SPDX-License-Identifier: GPL-3.0-or-later */
/* datasets.c -- datasets from registered to ready, failed or deleted.
 *
 *   building -> ready            dataset_finish: one transaction, so nobody sees half of it
 *   building -> failed -> ready  a later try of the build may still succeed
 *   any      -> deleted          refused while a registered model was trained on it
 *
 * Before the transaction that makes a dataset ready, its blob is in the blob store, synced and
 * pinned; after it, the row keeps it alive. A deleted dataset keeps its row for lineage, its number
 * is not given again, and its blobs are left to collection.
 */
#include "platform/track/track_internal.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"

#define NAME_FORBIDDEN "@/\""

/* ------------------------------------------------------------------ create */

struct dataset_make {
    struct track *track;
    const struct dataset_spec *spec;
    arena *keep;
    struct dataset_info info; /* result */
};

static err spec_check(const struct dataset_spec *s)
{
    TRY(track_check_name("dataset name", s->name, TRACK_NAME_BYTES_MAX, NAME_FORBIDDEN));
    if (s->version.len)
        TRY(track_check_name("dataset version", s->version, 64, NAME_FORBIDDEN " "));
    if (!s->kind || !*s->kind)
        return ERR(ERR_INVALID, "dataset '%.*s' needs a kind, like 'chess.positions'",
                   STR_ARG(s->name));
    TRY(track_check_json("filter", s->filter, TRACK_JSON_SMALL_MAX));
    TRY(track_check_json("split", s->split, TRACK_JSON_SMALL_MAX));
    return track_check_json("tags", s->tags, TRACK_JSON_SMALL_MAX);
}

static str json_or_empty(str json)
{
    return json.len ? json : STR("{}");
}

err dataset_create_tx(struct track *t, struct store_tx *tx, const struct dataset_spec *spec,
                      arena *keep, struct dataset_info *ret_info)
{
    struct store_read *rd = store_tx_read(tx);
    struct dataset_info info = { .state = STR("building"), .created_ms = clock_wall_ms() };
    int64_t number = 0;

    TRY(spec_check(spec));
    /* Versions of a name have times that ascend, also within a millisecond or when the clock is
     * put back: the newest is what a name alone means. */
    int64_t last_ms = 0;
    TRY(store_get_int(rd, "SELECT COALESCE(MAX(created_ms), 0) FROM datasets WHERE name = ?1",
                      ARGS(sql_text(spec->name)), &last_ms));
    if (info.created_ms <= last_ms)
        info.created_ms = last_ms + 1;
    if (spec->version.len == 0) {
        TRY(store_get_int(rd,
                          "SELECT COALESCE(MAX(version_number), 0) + 1 FROM datasets"
                          " WHERE name = ?1",
                          ARGS(sql_text(spec->name)), &number));
        info.version = arena_fmt(keep, "%lld", (long long)number);
    } else {
        info.version = arena_str(keep, spec->version);
        err plain = str_to_i64(spec->version, &number);
        if (plain.code || number < 0 || spec->version.ptr[0] == '0')
            number = 0;
    }
    rand_uuid(info.id);
    info.updated_ms = info.created_ms;
    info.name = arena_str(keep, spec->name);
    info.kind = arena_str(keep, str_of(spec->kind));
    info.filter = arena_str(keep, json_or_empty(spec->filter));
    info.split = arena_str(keep, json_or_empty(spec->split));
    info.tags = arena_str(keep, json_or_empty(spec->tags));
    info.note = arena_str(keep, spec->note);
    info.profile = info.manifest = STR("{}");
    TRY(arena_check(keep));

    err e = store_exec(tx,
                       "INSERT INTO datasets (id, name, version, version_number, kind, state,"
                       " filter, split, tags, note, rows, bytes, created_ms, updated_ms)"
                       " VALUES (?1, ?2, ?3, ?4, ?5, 'building', ?6, ?7, ?8, ?9, 0, 0, ?10, ?10)",
                       ARGS(sql_cstr(info.id), sql_text(info.name), sql_text(info.version),
                            number ? sql_int(number) : sql_null(), sql_text(info.kind),
                            sql_text(info.filter), sql_text(info.split), sql_text(info.tags),
                            sql_text_opt(info.note), sql_int(info.created_ms)),
                       NULL);
    if (e.code == ERR_CONFLICT)
        return ERR(ERR_CONFLICT,
                   "dataset '%.*s@%.*s' exists, or existed and was deleted: choose another version,"
                   " or none to get the next number",
                   STR_ARG(info.name), STR_ARG(info.version));
    if (e.code)
        return e;
    *ret_info = info;
    return OK;
}

static err create_fn(struct store_tx *tx, void *arg)
{
    struct dataset_make *m = arg;
    return dataset_create_tx(m->track, tx, m->spec, m->keep, &m->info);
}

void dataset_announce(struct track *t, const struct dataset_info *info)
{
    struct log_labels labels = { .component = STR("dataset"),
                                 .dataset_id = str_of(info->id),
                                 .run_id = info->run_id };
    metric_add(TRACK_CELL(t->metrics, TRACK_M_DATASETS, info->kind, STR("created")), 1);
    log_event(t->log, LOG_INFO, &labels, "dataset.created", NULL, F_STR("name", info->name),
              F_STR("version", info->version), F_STR("kind", info->kind));
}

err dataset_create(struct track *t, const struct dataset_spec *spec, arena *keep,
                   struct dataset_info *ret_info)
{
    struct dataset_make m = { .track = t, .spec = spec, .keep = keep };
    TRY(store_write(t->store, create_fn, &m));
    dataset_announce(t, &m.info);
    *ret_info = m.info;
    return OK;
}

/* ------------------------------------------------------------------ change of state */

struct dataset_change {
    str id, reason;
    const struct dataset_result *result;
    /* results */
    char kind[64], name[TRACK_NAME_BYTES_MAX + 1], version[72];
};

/* Reads what the log line needs, and the state. */
static err change_begin(struct store_tx *tx, struct dataset_change *c, bool *ret_was_ready)
{
    struct store_rows *rows;
    TRY(store_query(store_tx_read(tx),
                    "SELECT kind, name, version, state FROM datasets"
                    " WHERE id = ?1 AND state <> 'deleted'",
                    ARGS(sql_text(c->id)), &rows));
    bool found = store_next(rows);
    if (found) {
        snprintf(c->kind, sizeof c->kind, "%.*s", STR_ARG(store_col_text(rows, 0)));
        snprintf(c->name, sizeof c->name, "%.*s", STR_ARG(store_col_text(rows, 1)));
        snprintf(c->version, sizeof c->version, "%.*s", STR_ARG(store_col_text(rows, 2)));
        *ret_was_ready = str_eq(store_col_text(rows, 3), STR("ready"));
    }
    TRY(store_rows_close(rows));
    return found ? OK : ERR(ERR_NOT_FOUND, "no dataset has the id '%.*s'", STR_ARG(c->id));
}

static void change_told(struct track *t, const struct dataset_change *c, enum log_level level,
                        const char *state, const char *event, str run_id)
{
    struct log_labels labels = { .component = STR("dataset"),
                                 .dataset_id = c->id,
                                 .run_id = run_id };
    metric_add(TRACK_CELL(t->metrics, TRACK_M_DATASETS, str_of(c->kind), str_of(state)), 1);
    if (c->result)
        log_event(t->log, level, &labels, event, NULL, F_CSTR("name", c->name),
                  F_CSTR("version", c->version), F_INT("rows", c->result->rows),
                  F_INT("bytes", c->result->blob.bytes), F_CSTR("digest", c->result->blob.id.hex));
    else
        log_event(t->log, level, &labels, event, NULL, F_CSTR("name", c->name),
                  F_CSTR("version", c->version), F_STR("reason", c->reason));
}

static err finish_fn(struct store_tx *tx, void *arg)
{
    struct dataset_change *c = arg;
    const struct dataset_result *res = c->result;
    bool was_ready = false;

    TRY(change_begin(tx, c, &was_ready));
    if (was_ready)
        return ERR(ERR_CONFLICT,
                   "dataset '%s@%s' is ready already: a ready dataset does not change", c->name,
                   c->version);
    TRY(store_exec(tx,
                   "UPDATE datasets SET state = 'ready', reason = NULL, blob = ?2, digest = ?2,"
                   " rows = ?3, bytes = ?4, profile = ?5, manifest = ?6, run_id = ?7,"
                   " updated_ms = ?8 WHERE id = ?1",
                   ARGS(sql_text(c->id), sql_cstr(res->blob.id.hex), sql_int(res->rows),
                        sql_int(res->blob.bytes), sql_text_opt(res->profile),
                        sql_text_opt(res->manifest), sql_text_opt(res->run_id),
                        sql_int(clock_wall_ms())),
                   NULL));
    for (size_t i = 0; i < res->parent_count; i++)
        TRY(store_exec(tx,
                       "INSERT INTO dataset_blobs (dataset_id, blob) VALUES (?1, ?2)"
                       " ON CONFLICT DO NOTHING",
                       ARGS(sql_text(c->id), sql_cstr(res->parents[i].hex)), NULL));
    if (res->run_id.len)
        TRY(track_edge_add(tx, res->run_id, "out", "dataset", c->id, STR_NONE));
    return OK;
}

err dataset_finish(struct track *t, str id, const struct dataset_result *result)
{
    struct dataset_change c = { .id = id, .result = result };
    struct blob_info there;

    TRY(track_check_json("profile", result->profile, TRACK_JSON_LARGE_MAX));
    TRY(track_check_json("manifest", result->manifest, TRACK_JSON_LARGE_MAX));
    err e = blob_stat(t->blobs, &result->blob.id, &there);
    for (size_t i = 0; !e.code && i < result->parent_count; i++)
        e = blob_stat(t->blobs, &result->parents[i], &there);
    if (!e.code)
        e = job_write(result->job, t->store, finish_fn, &c);
    if (e.code)
        return err_wrap(e, "finishing dataset %.*s", STR_ARG(id));
    blob_unpin(t->blobs, &result->blob.id);
    change_told(t, &c, LOG_INFO, "ready", "dataset.ready", result->run_id);
    return OK;
}

static err fail_fn(struct store_tx *tx, void *arg)
{
    struct dataset_change *c = arg;
    bool was_ready = false;

    TRY(change_begin(tx, c, &was_ready));
    if (was_ready)
        return ERR(ERR_CONFLICT, "dataset '%s@%s' is ready: it cannot fail any more", c->name,
                   c->version);
    return store_exec(tx,
                      "UPDATE datasets SET state = 'failed', reason = ?2, updated_ms = ?3"
                      " WHERE id = ?1",
                      ARGS(sql_text(c->id), sql_text(c->reason), sql_int(clock_wall_ms())), NULL);
}

err dataset_fail(struct track *t, struct job *job, str id, str reason)
{
    struct dataset_change c = { .id = id, .reason = str_sub(reason, 0, 1000) };
    TRY(job_write(job, t->store, fail_fn, &c));
    change_told(t, &c, LOG_ERROR, "failed", "dataset.failed", STR_NONE);
    return OK;
}

static err delete_fn(struct store_tx *tx, void *arg)
{
    struct dataset_change *c = arg;
    struct store_rows *rows;
    bool was_ready = false;

    TRY(change_begin(tx, c, &was_ready));
    TRY(store_query(store_tx_read(tx),
                    "SELECT name, version FROM model_versions"
                    " WHERE dataset_id = ?1 AND stage <> 'Deleted_Internal'"
                    " ORDER BY created_ms LIMIT 1",
                    ARGS(sql_text(c->id)), &rows));
    err e = OK;
    if (store_next(rows))
        e = ERR(ERR_CONFLICT,
                "dataset '%s@%s' cannot be deleted: model '%.*s' version %lld was trained on it; "
                "delete that version first",
                c->name, c->version, STR_ARG(store_col_text(rows, 0)),
                (long long)store_col_int(rows, 1));
    e = err_first(e, store_rows_close(rows));
    if (e.code)
        return e;
    TRY(store_exec(tx, "DELETE FROM dataset_blobs WHERE dataset_id = ?1", ARGS(sql_text(c->id)),
                   NULL));
    return store_exec(tx,
                      "UPDATE datasets SET state = 'deleted', blob = NULL, updated_ms = ?2"
                      " WHERE id = ?1",
                      ARGS(sql_text(c->id), sql_int(clock_wall_ms())), NULL);
}

err dataset_delete(struct track *t, str id)
{
    struct dataset_change c = { .id = id };
    TRY(store_write(t->store, delete_fn, &c));
    change_told(t, &c, LOG_INFO, "deleted", "dataset.deleted", STR_NONE);
    return OK;
}

/* ------------------------------------------------------------------ read */

#define DATASET_COLUMNS                                                                         \
    "id, name, version, kind, state, filter, split, profile, manifest, tags, note, blob, rows," \
    " bytes, run_id, created_ms, updated_ms, reason"

static str json_col(struct store_rows *rows, int column, arena *keep)
{
    return store_col_is_null(rows, column) ? STR("{}") : store_col_text_keep(rows, column, keep);
}

static err dataset_row(struct store_rows *rows, arena *keep, struct dataset_info *ret_info)
{
    struct dataset_info info = {
        .name = store_col_text_keep(rows, 1, keep),
        .version = store_col_text_keep(rows, 2, keep),
        .kind = store_col_text_keep(rows, 3, keep),
        .state = store_col_text_keep(rows, 4, keep),
        .filter = json_col(rows, 5, keep),
        .split = json_col(rows, 6, keep),
        .profile = json_col(rows, 7, keep),
        .manifest = json_col(rows, 8, keep),
        .tags = json_col(rows, 9, keep),
        .note = store_col_text_keep(rows, 10, keep),
        .rows = store_col_int(rows, 12),
        .bytes = store_col_int(rows, 13),
        .run_id = store_col_text_keep(rows, 14, keep),
        .created_ms = store_col_int(rows, 15),
        .updated_ms = store_col_int(rows, 16),
        .reason = store_col_text_keep(rows, 17, keep),
    };
    snprintf(info.id, sizeof info.id, "%.*s", STR_ARG(store_col_text(rows, 0)));
    if (!store_col_is_null(rows, 11))
        TRY(blob_id_parse(store_col_text(rows, 11), &info.blob));
    *ret_info = info;
    return OK;
}

struct dataset_find {
    str id_or_name, version;
    arena *keep;
    struct dataset_info info;
    bool found;
};

static err find_one(struct store_read *rd, struct dataset_find *f, const char *sql,
                    struct store_args args)
{
    struct store_rows *rows;
    TRY(store_query(rd, sql, args, &rows));
    err e = OK;
    f->found = store_next(rows);
    if (f->found)
        e = dataset_row(rows, f->keep, &f->info);
    return err_first(e, store_rows_close(rows));
}

static err find_version(struct store_read *rd, struct dataset_find *f, str name, str version)
{
    if (version.len == 0 || str_eq(version, STR("latest")))
        return find_one(rd, f,
                        "SELECT " DATASET_COLUMNS " FROM datasets"
                        " WHERE name = ?1 AND state <> 'deleted'"
                        /* a client's dataset has no bytes: it never stands for one of ours */
                        " ORDER BY CASE kind WHEN '" DATASET_KIND_CLIENT "' THEN 1 ELSE 0 END,"
                        " CASE state WHEN 'ready' THEN 0 ELSE 1 END,"
                        " created_ms DESC, id DESC LIMIT 1",
                        ARGS(sql_text(name)));
    return find_one(rd, f,
                    "SELECT " DATASET_COLUMNS " FROM datasets"
                    " WHERE name = ?1 AND version = ?2 AND state <> 'deleted'",
                    ARGS(sql_text(name), sql_text(version)));
}

static err find_fn(struct store_read *rd, void *arg)
{
    struct dataset_find *f = arg;

    TRY(find_one(rd, f,
                 "SELECT " DATASET_COLUMNS " FROM datasets WHERE id = ?1 AND state <> 'deleted'",
                 ARGS(sql_text(f->id_or_name))));
    if (f->found && f->version.len && !str_eq(f->version, f->info.version))
        return find_version(rd, f, f->info.name, f->version);
    if (f->found)
        return OK;
    str version = f->version;
    str name = f->id_or_name;
    if (version.len == 0 && str_find_char(name, '@') >= 0) {
        version = name;
        name = str_split(&version, '@');
    }
    return find_version(rd, f, name, version);
}

err dataset_get(struct track *t, str id_or_name, str version, arena *keep,
                struct dataset_info *ret_info)
{
    struct dataset_find f = { .id_or_name = id_or_name, .version = version, .keep = keep };
    TRY(store_read(t->store, find_fn, &f));
    TRY(arena_check(keep));
    if (!f.found)
        return ERR(ERR_NOT_FOUND, "no dataset '%.*s'%s%.*s", STR_ARG(id_or_name),
                   version.len ? " with version " : "", STR_ARG(version));
    *ret_info = f.info;
    return OK;
}

struct dataset_list_read {
    const struct dataset_filter *filter;
    arena *keep;
    struct dataset_info *infos;
    size_t count;
};

static err list_query(struct track_query *q, const struct dataset_filter *f, arena *keep)
{
    /* The newest version is picked among those that match the other conditions. */
    track_query_add(q, "SELECT " DATASET_COLUMNS " FROM (SELECT datasets.*,"
                       " ROW_NUMBER() OVER (PARTITION BY name ORDER BY created_ms DESC, id DESC)"
                       " AS age FROM datasets WHERE state <> 'deleted'");
    if (f->name.len)
        track_query_and(q, "name = ", sql_text(f->name), "");
    if (f->kind.len)
        track_query_and(q, "kind = ", sql_text(f->kind), "");
    if (f->state.len)
        track_query_and(q, "state = ", sql_text(f->state), "");
    if (f->q.len) {
        str pattern;
        TRY(track_like_part(keep, f->q, &pattern));
        track_query_and(q, "lower(name) LIKE ", sql_text(pattern), " ESCAPE '!'");
    }
    track_query_add(q, ") AS found");
    if (f->newest_only)
        track_query_add(q, " WHERE age = 1");
    str sort = str_of(f->sort);
    if (str_eq(sort, STR("size")))
        track_query_add(q, " ORDER BY bytes DESC, created_ms DESC, id DESC");
    else if (str_eq(sort, STR("rows")))
        track_query_add(q, " ORDER BY rows DESC, created_ms DESC, id DESC");
    else if (sort.len == 0 || str_eq(sort, STR("createdAt")))
        track_query_add(q, " ORDER BY created_ms DESC, id DESC");
    else
        return ERR(ERR_INVALID, "datasets cannot be sorted by '%s': use size, rows or createdAt",
                   f->sort);
    track_query_page(q, f->limit, f->offset);
    return OK;
}

static err list_fn(struct store_read *rd, void *arg)
{
    struct dataset_list_read *l = arg;
    struct track_query q;
    struct store_rows *rows;
    size_t room = (size_t)track_limit(l->filter->limit);

    l->count = 0;
    l->infos = NEW_ARRAY(l->keep, struct dataset_info, room);
    ARENA_TRY(l->infos);
    track_query_init(&q, "");
    err e = list_query(&q, l->filter, l->keep);
    if (!e.code)
        e = track_query_run(&q, rd, &rows);
    if (!e.code) {
        while (!e.code && l->count < room && store_next(rows)) {
            e = dataset_row(rows, l->keep, &l->infos[l->count]);
            l->count++;
        }
        e = err_first(e, store_rows_close(rows));
    }
    track_query_deinit(&q);
    return err_first(e, arena_check(l->keep));
}

err dataset_list(struct track *t, const struct dataset_filter *filter, arena *keep,
                 struct dataset_info **ret_infos, size_t *ret_count)
{
    struct dataset_list_read l = { .filter = filter, .keep = keep };
    TRY(store_read(t->store, list_fn, &l));
    *ret_infos = l.infos;
    *ret_count = l.count;
    return OK;
}

struct parents_read {
    str id;
    arena *keep;
    struct blob_id *blobs;
    size_t count;
};

static err parents_fn(struct store_read *rd, void *arg)
{
    struct parents_read *p = arg;
    struct store_rows *rows;
    int64_t count = 0;
    err e = OK;
    TRY(store_get_int(rd, "SELECT COUNT(*) FROM dataset_blobs WHERE dataset_id = ?1",
                      ARGS(sql_text(p->id)), &count));
    p->count = 0;
    p->blobs = NEW_ARRAY(p->keep, struct blob_id, (size_t)count + 1);
    ARENA_TRY(p->blobs);
    TRY(store_query(rd, "SELECT blob FROM dataset_blobs WHERE dataset_id = ?1",
                    ARGS(sql_text(p->id)), &rows));
    while (!e.code && p->count < (size_t)count && store_next(rows))
        e = blob_id_parse(store_col_text(rows, 0), &p->blobs[p->count++]);
    return err_first(e, store_rows_close(rows));
}

err dataset_parents(struct track *t, str id, arena *keep, struct blob_id **ret_blobs,
                    size_t *ret_count)
{
    struct parents_read p = { .id = id, .keep = keep };
    TRY(store_read(t->store, parents_fn, &p));
    *ret_blobs = p.blobs;
    *ret_count = p.count;
    return OK;
}

struct dataset_counts {
    int64_t names, versions;
};

static err count_fn(struct store_read *rd, void *arg)
{
    struct dataset_counts *c = arg;
    TRY(store_get_int(rd, "SELECT COUNT(DISTINCT name) FROM datasets WHERE state <> 'deleted'",
                      NO_ARGS, &c->names));
    return store_get_int(rd, "SELECT COUNT(*) FROM datasets WHERE state <> 'deleted'", NO_ARGS,
                         &c->versions);
}

err dataset_count(struct track *t, int64_t *ret_names, int64_t *ret_versions)
{
    struct dataset_counts c = { 0 };
    TRY(store_read(t->store, count_fn, &c));
    *ret_names = c.names;
    *ret_versions = c.versions;
    return OK;
}

struct versions_read {
    str name;
    int64_t count;
};

static err versions_fn(struct store_read *rd, void *arg)
{
    struct versions_read *v = arg;
    return store_get_int(rd, "SELECT COUNT(*) FROM datasets WHERE name = ?1 AND state <> 'deleted'",
                         ARGS(sql_text(v->name)), &v->count);
}

err dataset_count_versions(struct track *t, str name, int64_t *ret_count)
{
    struct versions_read v = { .name = name };
    TRY(store_read(t->store, versions_fn, &v));
    *ret_count = v.count;
    return OK;
}
