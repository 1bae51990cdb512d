/* SPDX-License-Identifier: GPL-3.0-or-later */
/* models.c -- registering model versions, and reading them.
 *
 * A version's number is one more than the largest ever given, deleted ones included, so "version 3"
 * means one thing for ever. A version is READY as soon as it is there: its blob was synced before.
 */
#include "platform/track/track_internal.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"

/* ------------------------------------------------------------------ register */

struct model_add {
    struct track *track;
    const struct model_spec *spec;
    const struct json *tags; /* parsed, or NULL */
    arena *keep;
    char id[UUID_BYTES]; /* result */
    int64_t version;     /* result */
};

static err name_put(struct store_tx *tx, const struct model_spec *s, int64_t now_ms)
{
    TRY(store_exec(
        tx,
        "INSERT INTO registered_models (name, kind, display_name, created_ms, updated_ms)"
        " VALUES (?1, ?2, ?3, ?4, ?4) ON CONFLICT (name) DO UPDATE SET"
        " display_name = COALESCE(excluded.display_name, registered_models.display_name),"
        " updated_ms = excluded.updated_ms",
        ARGS(sql_text(s->name), sql_cstr(s->kind), sql_text_opt(s->display_name), sql_int(now_ms)),
        NULL));
    int64_t same = 0;
    TRY(store_get_int(store_tx_read(tx),
                      "SELECT COUNT(*) FROM registered_models WHERE name = ?1 AND kind = ?2",
                      ARGS(sql_text(s->name), sql_cstr(s->kind)), &same));
    if (!same)
        return ERR(ERR_CONFLICT,
                   "model '%.*s' is of another kind than '%s': register under another "
                   "name",
                   STR_ARG(s->name), s->kind);
    return OK;
}

static err tags_put(struct store_tx *tx, const struct model_add *m)
{
    void *iter = NULL;
    str key;
    const struct json *value;
    while (json_next(m->tags, &iter, &key, &value)) {
        str text = json_str(value, STR_NONE);
        struct buf dumped;
        buf_init(&dumped, TRACK_JSON_SMALL_MAX);
        if (json_kind(value) != JSON_IS_STR) {
            json_dump(value, &dumped);
            text = buf_str(&dumped);
        }
        err e = store_exec(tx,
                           "INSERT INTO model_version_tags (version_id, key, value)"
                           " VALUES (?1, ?2, ?3)",
                           ARGS(sql_cstr(m->id), sql_text(key), sql_text(text)), NULL);
        buf_deinit(&dumped);
        if (e.code)
            return e;
    }
    return OK;
}

static err trained_on_check(struct store_tx *tx, str dataset_id)
{
    if (dataset_id.len == 0)
        return OK;
    int64_t there = 0;
    TRY(store_get_int(store_tx_read(tx),
                      "SELECT COUNT(*) FROM datasets WHERE id = ?1 AND state = 'ready'",
                      ARGS(sql_text(dataset_id)), &there));
    return there ? OK
                 : ERR(ERR_NOT_FOUND,
                       "the dataset '%.*s' that the model names is not there or not "
                       "ready",
                       STR_ARG(dataset_id));
}

static err register_fn(struct store_tx *tx, void *arg)
{
    struct model_add *m = arg;
    const struct model_spec *s = m->spec;
    int64_t now_ms = clock_wall_ms();
    char source[96];

    rand_uuid(m->id);
    TRY(trained_on_check(tx, s->dataset_id));
    TRY(name_put(tx, s, now_ms));
    TRY(store_get_int(store_tx_read(tx),
                      "SELECT COALESCE(MAX(version), 0) + 1 FROM model_versions WHERE name = ?1",
                      ARGS(sql_text(s->name)), &m->version));
    snprintf(source, sizeof source, "sha256:%s", s->blob.id.hex);
    TRY(store_exec(
        tx,
        "INSERT INTO model_versions (id, name, version, kind, stage, status, source,"
        " run_id, dataset_id, metrics, blob, digest, bytes, created_ms, updated_ms)"
        " VALUES (?1, ?2, ?3, ?4, 'None', 'READY', ?5, ?6, ?7, ?8, ?9, ?9, ?10, ?11, ?11)",
        ARGS(sql_cstr(m->id), sql_text(s->name), sql_int(m->version), sql_cstr(s->kind),
             sql_cstr(source), sql_text_opt(s->run_id), sql_text_opt(s->dataset_id),
             sql_text_opt(s->metrics), sql_cstr(s->blob.id.hex), sql_int(s->blob.bytes),
             sql_int(now_ms)),
        NULL));
    TRY(tags_put(tx, m));
    if (s->run_id.len)
        TRY(track_edge_add(tx, s->run_id, "out", "model", str_of(m->id), STR_NONE));
    return track_tell_version(m->track, tx, s, str_of(m->id), m->version);
}

static err spec_check(const struct model_spec *s, arena *keep, const struct json **ret_tags)
{
    TRY(track_check_name("model name", s->name, TRACK_MODEL_NAME_BYTES_MAX, "/:@\""));
    if (!s->kind || !*s->kind)
        return ERR(ERR_INVALID, "model '%.*s' needs a kind, like 'chess.policy'", STR_ARG(s->name));
    TRY(track_check_json("metrics of a model", s->metrics, TRACK_JSON_SMALL_MAX));
    if (s->tags.len == 0)
        return OK;
    if (s->tags.len > TRACK_JSON_SMALL_MAX)
        return ERR(ERR_TOO_BIG, "tags of a model are %zu bytes of JSON: at most %d are kept",
                   s->tags.len, TRACK_JSON_SMALL_MAX);
    const struct json *tags;
    TRY(json_parse(keep, s->tags, &tags));
    if (json_kind(tags) != JSON_IS_OBJECT)
        return ERR(ERR_INVALID, "tags of a model must be a JSON object");
    *ret_tags = tags;
    return OK;
}

err model_register(struct track *t, const struct model_spec *spec, arena *keep,
                   struct model_version_info *ret_info)
{
    struct model_add m = { .track = t, .spec = spec, .keep = keep };
    struct blob_info there;
    char version[24];

    err e = spec_check(spec, keep, &m.tags);
    if (!e.code)
        e = blob_stat(t->blobs, &spec->blob.id, &there);
    if (!e.code)
        e = job_write(spec->job, t->store, register_fn, &m);
    if (e.code)
        return err_wrap(e, "registering model '%.*s'", STR_ARG(spec->name));
    blob_unpin(t->blobs, &spec->blob.id);

    struct log_labels labels = { .component = STR("registry"),
                                 .run_id = spec->run_id,
                                 .dataset_id = spec->dataset_id,
                                 .model_id = str_of(m.id) };
    metric_add(TRACK_CELL(t->metrics, TRACK_M_MODEL_VERSIONS, str_of(spec->kind)), 1);
    log_event(t->log, LOG_INFO, &labels, "model.registered", NULL, F_STR("name", spec->name),
              F_INT("version", m.version), F_INT("bytes", spec->blob.bytes),
              F_CSTR("digest", spec->blob.id.hex));
    snprintf(version, sizeof version, "%lld", (long long)m.version);
    return model_get(t, spec->name, str_of(version), keep, ret_info);
}

/* ------------------------------------------------------------------ read */

#define MODEL_COLUMNS                                                                            \
    "v.id, v.name, v.version, v.kind, m.display_name, v.metrics, v.blob, v.bytes, v.created_ms," \
    " v.run_id, v.dataset_id, v.source, m.kind"
#define MODEL_TABLES "model_versions v JOIN registered_models m ON m.name = v.name"

static err model_row(struct store_rows *rows, arena *keep, struct model_version_info *ret_info)
{
    struct model_version_info info = {
        .name = store_col_text_keep(rows, 1, keep),
        .version = store_col_int(rows, 2),
        .kind = store_col_text_keep(rows, 3, keep),
        .display_name = store_col_text_keep(rows, 4, keep),
        .metrics = store_col_is_null(rows, 5) ? STR("{}") : store_col_text_keep(rows, 5, keep),
        .bytes = store_col_int(rows, 7),
        .created_ms = store_col_int(rows, 8),
        .run_id = store_col_text_keep(rows, 9, keep),
        .dataset_id = store_col_text_keep(rows, 10, keep),
        .source = store_col_text_keep(rows, 11, keep),
        .name_kind = store_col_text_keep(rows, 12, keep),
    };
    snprintf(info.id, sizeof info.id, "%.*s", STR_ARG(store_col_text(rows, 0)));
    if (!store_col_is_null(rows, 6))
        TRY(blob_id_parse(store_col_text(rows, 6), &info.blob));
    *ret_info = info;
    return OK;
}

static err tags_text(struct store_read *rd, str version_id, arena *keep, str *ret_text)
{
    struct store_rows *rows;
    struct buf text;
    struct json_out w;

    buf_init(&text, TRACK_JSON_LARGE_MAX);
    json_out_init(&w, &text);
    err e = store_query(rd,
                        "SELECT key, value FROM model_version_tags WHERE version_id = ?1"
                        " ORDER BY key",
                        ARGS(sql_text(version_id)), &rows);
    if (!e.code) {
        json_object_begin(&w);
        while (store_next(rows)) {
            json_key_str(&w, store_col_text(rows, 0));
            json_out_str(&w, store_col_text(rows, 1));
        }
        json_object_end(&w);
        e = err_first(store_rows_close(rows), buf_check(&text));
    }
    if (!e.code)
        *ret_text = arena_str(keep, buf_str(&text));
    buf_deinit(&text);
    return e;
}

err model_aliases_text(struct store_read *rd, str name, int64_t version, arena *keep, str *ret_text)
{
    struct store_rows *rows;
    str text = STR_NONE;
    TRY(store_query(
        rd, "SELECT alias FROM model_aliases WHERE name = ?1 AND version = ?2 ORDER BY alias",
        ARGS(sql_text(name), sql_int(version)), &rows));
    while (store_next(rows)) {
        str alias = store_col_text(rows, 0);
        text = text.len ? arena_fmt(keep, "%.*s,%.*s", STR_ARG(text), STR_ARG(alias))
                        : arena_str(keep, alias);
    }
    TRY(store_rows_close(rows));
    *ret_text = text;
    return OK;
}

/* The lists that hang on a version. Not joined: one query each is microseconds, and engines
 * disagree on how to gather strings. */
static err model_fill(struct store_read *rd, struct model_version_info *info, arena *keep)
{
    TRY(tags_text(rd, str_of(info->id), keep, &info->tags));
    return model_aliases_text(rd, info->name, info->version, keep, &info->aliases);
}

struct model_find {
    str name, version;
    arena *keep;
    struct model_version_info info;
};

/* "7" or "v7"; 0 when it is something else. */
static int64_t version_number(str text)
{
    int64_t number = 0;
    if (text.len > 1 && (text.ptr[0] == 'v' || text.ptr[0] == 'V'))
        text = str_sub(text, 1, text.len - 1);
    err e = str_to_i64(text, &number);
    return e.code || number < 0 ? 0 : number;
}

static err model_find_fn(struct store_read *rd, void *arg)
{
    struct model_find *f = arg;
    struct store_rows *rows;
    int64_t number = version_number(f->version);

    if (f->version.len == 0 || str_eq_nocase(f->version, STR("latest")))
        TRY(store_query(rd,
                        "SELECT " MODEL_COLUMNS " FROM " MODEL_TABLES
                        " WHERE v.name = ?1 AND v.stage <> 'Deleted_Internal'"
                        " ORDER BY v.version DESC LIMIT 1",
                        ARGS(sql_text(f->name)), &rows));
    else if (number)
        TRY(store_query(rd,
                        "SELECT " MODEL_COLUMNS " FROM " MODEL_TABLES
                        " WHERE v.name = ?1 AND v.version = ?2 AND v.stage <> 'Deleted_Internal'",
                        ARGS(sql_text(f->name), sql_int(number)), &rows));
    else
        TRY(store_query(rd,
                        "SELECT " MODEL_COLUMNS " FROM " MODEL_TABLES
                        " JOIN model_aliases a ON a.name = v.name AND a.version = v.version"
                        " WHERE v.name = ?1 AND a.alias = ?2",
                        ARGS(sql_text(f->name), sql_text(f->version)), &rows));
    err e = OK;
    bool found = store_next(rows);
    if (found)
        e = model_row(rows, f->keep, &f->info);
    e = err_first(e, store_rows_close(rows));
    if (e.code)
        return e;
    if (!found)
        return ERR(
            ERR_NOT_FOUND, "no model '%.*s'%s%.*s: 'skerry models' or GET /v1/models lists them",
            STR_ARG(f->name), f->version.len ? " with version or alias " : "", STR_ARG(f->version));
    return model_fill(rd, &f->info, f->keep);
}

err model_get(struct track *t, str name, str version, arena *keep,
              struct model_version_info *ret_info)
{
    struct model_find f = { .name = name, .version = version, .keep = keep };
    TRY(store_read(t->store, model_find_fn, &f));
    TRY(arena_check(keep));
    *ret_info = f.info;
    return OK;
}

struct model_holder {
    str kind, alias;
    arena *keep;
    struct model_version_info info;
};

static err model_holder_fn(struct store_read *rd, void *arg)
{
    struct model_holder *h = arg;
    struct store_rows *rows;
    TRY(store_query(rd,
                    "SELECT " MODEL_COLUMNS " FROM " MODEL_TABLES
                    " JOIN model_aliases a ON a.name = v.name AND a.version = v.version"
                    " WHERE a.alias = ?1 AND v.kind = ?2 ORDER BY COALESCE((SELECT MAX(p.id)"
                    " FROM model_promotions p WHERE p.name = a.name AND p.alias = a.alias), 0) DESC"
                    " LIMIT 1",
                    ARGS(sql_text(h->alias), sql_text(h->kind)), &rows));
    err e = OK;
    bool found = store_next(rows);
    if (found)
        e = model_row(rows, h->keep, &h->info);
    TRY(err_first(e, store_rows_close(rows)));
    if (!found)
        return ERR(ERR_NOT_FOUND, "no model of kind '%.*s' has the alias %.*s", STR_ARG(h->kind),
                   STR_ARG(h->alias));
    return model_fill(rd, &h->info, h->keep);
}

err model_alias_holder(struct track *t, str kind, str alias, arena *keep,
                       struct model_version_info *ret_info)
{
    struct model_holder h = { .kind = kind, .alias = alias, .keep = keep };
    TRY(store_read(t->store, model_holder_fn, &h));
    TRY(arena_check(keep));
    *ret_info = h.info;
    return OK;
}

struct model_list_read {
    const struct model_filter *filter;
    arena *keep;
    struct model_version_info *infos;
    size_t count;
};

static err model_list_fn(struct store_read *rd, void *arg)
{
    struct model_list_read *l = arg;
    const struct model_filter *f = l->filter;
    struct track_query q;
    struct store_rows *rows;
    size_t room = (size_t)track_limit(f->limit);

    l->count = 0;
    l->infos = NEW_ARRAY(l->keep, struct model_version_info, room);
    ARENA_TRY(l->infos);
    track_query_init(&q, "SELECT " MODEL_COLUMNS " FROM " MODEL_TABLES
                         " WHERE v.stage <> 'Deleted_Internal'");
    if (f->name.len)
        track_query_and(&q, "v.name = ", sql_text(f->name), "");
    if (f->kind.len)
        track_query_and(&q, "v.kind = ", sql_text(f->kind), "");
    if (f->newest_only)
        track_query_add(&q, " AND v.version = (SELECT MAX(n.version) FROM model_versions n"
                            " WHERE n.name = v.name AND n.stage <> 'Deleted_Internal'");
    if (f->newest_only && f->kind.len) /* a client may have added versions to a name of ours */
        track_query_add(&q, " AND n.kind = v.kind");
    if (f->newest_only)
        track_query_add(&q, ")");
    if (!f->name.len) /* texts, not models, though clients keep them among models */
        track_query_add(&q, " AND NOT EXISTS (SELECT 1 FROM registered_model_tags p"
                            " WHERE p.name = v.name AND p.key = 'mlflow.prompt.is_prompt'"
                            " AND p.value = 'true')");
    track_query_add(&q, " ORDER BY v.created_ms DESC, v.id DESC");
    track_query_page(&q, f->limit, f->offset);
    err e = track_query_run(&q, rd, &rows);
    if (!e.code) {
        while (!e.code && l->count < room && store_next(rows)) {
            e = model_row(rows, l->keep, &l->infos[l->count]);
            l->count++;
        }
        e = err_first(e, store_rows_close(rows));
    }
    track_query_deinit(&q);
    for (size_t i = 0; !e.code && i < l->count; i++)
        e = model_fill(rd, &l->infos[i], l->keep);
    return err_first(e, arena_check(l->keep));
}

err model_list(struct track *t, const struct model_filter *filter, arena *keep,
               struct model_version_info **ret_infos, size_t *ret_count)
{
    struct model_list_read l = { .filter = filter, .keep = keep };
    TRY(store_read(t->store, model_list_fn, &l));
    *ret_infos = l.infos;
    *ret_count = l.count;
    return OK;
}
