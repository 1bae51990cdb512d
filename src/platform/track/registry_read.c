/* SPDX-License-Identifier: GPL-3.0-or-later */
/* registry_read.c -- registered models and versions, many at a time. */
#include "platform/track/bulk.h"
#include "platform/track/registry_internal.h"

enum { SHOWN_BYTES = 150 };

const char *const registry_stages[REGISTRY_STAGES] = { "Archived", "None", "Production",
                                                       "Staging" };

err registry_no_model(str name)
{
    return ERR(ERR_NOT_FOUND, "Registered Model with name=%.*s not found",
               STR_ARG(registry_shown(name)));
}

err registry_no_version(str name, int64_t version)
{
    return ERR(ERR_NOT_FOUND, "Model Version (name=%.*s, version=%lld) not found",
               STR_ARG(registry_shown(name)), (long long)version);
}

str registry_shown(str text)
{
    str shown = str_sub(text, 0, SHOWN_BYTES);
    shown.len = str_utf8_valid_len(shown);
    return shown;
}

str registry_col_opt(struct store_rows *rows, int column, arena *keep)
{
    return store_col_is_null(rows, column) ? STR_NONE : store_col_text_keep(rows, column, keep);
}

/* ------------------------------------------------------------------ versions */

/* Column 0 is what they are asked by. */
#define VERSION_COLUMNS                                                                        \
    " v.id, v.name, v.version, v.kind, v.stage, v.status, v.created_ms, v.updated_ms,"         \
    " v.description, v.source, v.run_id, v.run_link, v.user_id, v.status_message, v.model_id," \
    " v.location, (SELECT e.artifact_location FROM runs r JOIN experiments e"                  \
    " ON e.experiment_id = r.experiment_id WHERE r.run_id = v.run_id),"                        \
    " (SELECT MIN(a.path) FROM artifacts a WHERE a.run_id = v.run_id AND a.blob = v.blob)"     \
    " FROM model_versions v "

/* Our own stages register a blob, by its digest. Where the run that made it has it as an artifact,
 * that is what a client can fetch: the directory it is in. */
static str source_of(struct store_rows *rows, arena *keep)
{
    str source = store_col_text(rows, 10), location = store_col_text(rows, 17);
    str path = store_col_text(rows, 18);
    if (!str_starts(source, STR("sha256:")) || path.len == 0)
        return registry_col_opt(rows, 10, keep);
    bool has_slash = location.len && location.ptr[location.len - 1] == '/';
    size_t end = path.len;
    while (end > 0 && path.ptr[end - 1] != '/')
        end--;
    str directory = str_sub(path, 0, end ? end - 1 : 0);
    return arena_fmt(keep, "%.*s%s%.*s/artifacts%s%.*s", STR_ARG(location), has_slash ? "" : "/",
                     STR_ARG(store_col_text(rows, 11)), directory.len ? "/" : "",
                     STR_ARG(directory));
}

static void version_row(struct store_rows *rows, arena *keep, struct registry_version *v)
{
    *v = (struct registry_version){
        .id = store_col_text_keep(rows, 1, keep),
        .name = store_col_text_keep(rows, 2, keep),
        .version = store_col_int(rows, 3),
        .kind = store_col_text_keep(rows, 4, keep),
        .stage = store_col_text_keep(rows, 5, keep),
        .status = store_col_text_keep(rows, 6, keep),
        .created_ms = store_col_int(rows, 7),
        .updated_ms = store_col_int(rows, 8),
        .description = registry_col_opt(rows, 9, keep),
        .source = source_of(rows, keep),
        .run_id = registry_col_opt(rows, 11, keep),
        .run_link = registry_col_opt(rows, 12, keep),
        .user_id = registry_col_opt(rows, 13, keep),
        .status_message = registry_col_opt(rows, 14, keep),
        .model_id = registry_col_opt(rows, 15, keep),
        .location = store_col_text_keep(rows, 16, keep),
    };
}

struct versions_read {
    const str *ids;
    size_t count;
    bool with_aliases;
    arena *keep;
    struct registry_version *versions;
};

static err version_rows(struct bulk *b, struct registry_version *versions)
{
    struct store_rows *rows;
    TRY(bulk_query(
        b, "SELECT v.id," VERSION_COLUMNS "WHERE v.id IN # AND v.stage <> 'Deleted_Internal'",
        &rows));
    while (store_next(rows))
        version_row(rows, b->keep, &versions[bulk_index(b, rows)]);
    TRY(store_rows_close(rows));
    TRY(arena_check(b->keep));
    for (size_t i = 0; i < b->count; i++)
        if (versions[i].id.len == 0)
            return ERR(ERR_NOT_FOUND, "no model version has the id '%.*s'",
                       STR_ARG(str_sub(b->ids[i].bytes, 0, 100)));
    return OK;
}

static err version_tags(struct bulk *b, struct registry_version *versions)
{
    struct bulk_list tags;
    struct store_rows *rows;
    bulk_list_init(&tags, sizeof(struct track_tag));
    TRY(bulk_query(b,
                   "SELECT version_id, key, value FROM model_version_tags WHERE version_id IN #"
                   " ORDER BY version_id, key",
                   &rows));
    while (store_next(rows)) {
        size_t i = bulk_index(b, rows);
        struct track_tag *tag = bulk_add(&tags, b, i, &versions[i].tag_count);
        ARENA_TRY(tag);
        *tag = (struct track_tag){ store_col_text_keep(rows, 1, b->keep),
                                   store_col_text_keep(rows, 2, b->keep) };
    }
    for (size_t i = 0; i < b->count; i++)
        versions[i].tags = bulk_slice(&tags, i, versions[i].tag_count);
    return store_rows_close(rows);
}

static err version_aliases(struct bulk *b, struct registry_version *versions)
{
    struct bulk_list aliases;
    struct store_rows *rows;
    bulk_list_init(&aliases, sizeof(str));
    TRY(bulk_query(b,
                   "SELECT v.id, a.alias FROM model_versions v JOIN model_aliases a"
                   " ON a.name = v.name AND a.version = v.version WHERE v.id IN #"
                   " ORDER BY v.id, a.alias",
                   &rows));
    while (store_next(rows)) {
        size_t i = bulk_index(b, rows);
        str *alias = bulk_add(&aliases, b, i, &versions[i].alias_count);
        ARENA_TRY(alias);
        *alias = store_col_text_keep(rows, 1, b->keep);
    }
    for (size_t i = 0; i < b->count; i++)
        versions[i].aliases = bulk_slice(&aliases, i, versions[i].alias_count);
    return store_rows_close(rows);
}

static err versions_page(struct bulk *b, void *arg, size_t done)
{
    struct versions_read *r = arg;
    TRY(version_rows(b, r->versions + done));
    TRY(version_tags(b, r->versions + done));
    return r->with_aliases ? version_aliases(b, r->versions + done) : OK;
}

static err versions_fn(struct store_read *rd, void *arg)
{
    struct versions_read *r = arg;
    r->versions = NEW_ARRAY(r->keep, struct registry_version, r->count + 1);
    ARENA_TRY(r->versions);
    return bulk_each(rd, r->ids, r->count, r->keep, versions_page, r);
}

err registry_versions_read(struct track *t, const str *ids, size_t count, bool with_aliases,
                           arena *keep, struct registry_version **ret_versions)
{
    struct versions_read r = {
        .ids = ids, .count = count, .with_aliases = with_aliases, .keep = keep
    };
    if (count > REGISTRY_READ_VERSIONS_MAX)
        return ERR(ERR_TOO_BIG, "%zu model versions are asked for at once: at most %d", count,
                   REGISTRY_READ_VERSIONS_MAX);
    TRY(store_read(t->store, versions_fn, &r));
    *ret_versions = r.versions;
    return OK;
}

/* ------------------------------------------------------------------ registered models */

struct models_read {
    const str *names;
    size_t count;
    arena *keep;
    struct registry_model *models;
};

static err model_rows(struct bulk *b, struct registry_model *models)
{
    struct store_rows *rows;
    TRY(bulk_query(b,
                   "SELECT name, kind, description, created_ms, updated_ms FROM registered_models"
                   " WHERE name IN #",
                   &rows));
    while (store_next(rows))
        models[bulk_index(b, rows)] = (struct registry_model){
            .name = store_col_text_keep(rows, 0, b->keep),
            .kind = store_col_text_keep(rows, 1, b->keep),
            .description = registry_col_opt(rows, 2, b->keep),
            .created_ms = store_col_int(rows, 3),
            .updated_ms = store_col_int(rows, 4),
        };
    TRY(store_rows_close(rows));
    TRY(arena_check(b->keep));
    for (size_t i = 0; i < b->count; i++)
        if (models[i].name.len == 0)
            return registry_no_model(b->ids[i].bytes);
    return OK;
}

static err model_tags(struct bulk *b, struct registry_model *models)
{
    struct bulk_list tags;
    struct store_rows *rows;
    bulk_list_init(&tags, sizeof(struct track_tag));
    TRY(bulk_query(b,
                   "SELECT name, key, value FROM registered_model_tags WHERE name IN #"
                   " ORDER BY name, key",
                   &rows));
    while (store_next(rows)) {
        size_t i = bulk_index(b, rows);
        struct track_tag *tag = bulk_add(&tags, b, i, &models[i].tag_count);
        ARENA_TRY(tag);
        *tag = (struct track_tag){ store_col_text_keep(rows, 1, b->keep),
                                   store_col_text_keep(rows, 2, b->keep) };
    }
    for (size_t i = 0; i < b->count; i++)
        models[i].tags = bulk_slice(&tags, i, models[i].tag_count);
    return store_rows_close(rows);
}

static err model_aliases(struct bulk *b, struct registry_model *models)
{
    struct bulk_list aliases;
    struct store_rows *rows;
    bulk_list_init(&aliases, sizeof(struct registry_alias));
    TRY(bulk_query(b,
                   "SELECT name, alias, version FROM model_aliases WHERE name IN #"
                   " ORDER BY name, alias",
                   &rows));
    while (store_next(rows)) {
        size_t i = bulk_index(b, rows);
        struct registry_alias *a = bulk_add(&aliases, b, i, &models[i].alias_count);
        ARENA_TRY(a);
        *a = (struct registry_alias){ store_col_text_keep(rows, 1, b->keep),
                                      store_col_int(rows, 2) };
    }
    for (size_t i = 0; i < b->count; i++)
        models[i].aliases = bulk_slice(&aliases, i, models[i].alias_count);
    return store_rows_close(rows);
}

#define NEWEST_OF_STAGES                                                       \
    "JOIN (SELECT name, stage, MAX(version) AS version FROM model_versions"    \
    " WHERE name IN # AND stage <> 'Deleted_Internal' GROUP BY name, stage) n" \
    " ON n.name = v.name AND n.version = v.version"

/* Their tags come in the same order, so that one walk deals them out. */
static err model_latest_tags(struct bulk *b, struct bulk_list *latest)
{
    struct bulk_list tags;
    struct store_rows *rows;
    struct registry_version *versions = latest->items;
    size_t at = 0;
    bulk_list_init(&tags, sizeof(struct track_tag));
    TRY(bulk_query(
        b,
        "SELECT v.name, v.version, t.key, t.value FROM model_versions v " NEWEST_OF_STAGES
        " JOIN model_version_tags t ON t.version_id = v.id"
        " ORDER BY v.name, v.version, t.key",
        &rows));
    size_t all = 1; /* they are dealt out below, not as slices of things */
    while (store_next(rows)) {
        while (at < latest->count && !(versions[at].version == store_col_int(rows, 1) &&
                                       str_eq(versions[at].name, store_col_text(rows, 0))))
            at++;
        struct track_tag *tag = bulk_add(&tags, b, 0, &all);
        ARENA_TRY(tag);
        *tag = (struct track_tag){ store_col_text_keep(rows, 2, b->keep),
                                   store_col_text_keep(rows, 3, b->keep) };
        if (at < latest->count)
            versions[at].tag_count++;
    }
    struct track_tag *next = tags.items;
    for (size_t i = 0; next && i < latest->count; i++) {
        versions[i].tags = next;
        next += versions[i].tag_count;
    }
    return store_rows_close(rows);
}

static err model_latest(struct bulk *b, struct registry_model *models)
{
    struct bulk_list latest;
    struct store_rows *rows;
    bulk_list_init(&latest, sizeof(struct registry_version));
    TRY(bulk_query(
        b, "SELECT v.name," VERSION_COLUMNS NEWEST_OF_STAGES " ORDER BY v.name, v.version", &rows));
    while (store_next(rows)) {
        size_t i = bulk_index(b, rows);
        struct registry_version *v = bulk_add(&latest, b, i, &models[i].latest_count);
        ARENA_TRY(v);
        version_row(rows, b->keep, v);
    }
    TRY(store_rows_close(rows));
    TRY(arena_check(b->keep));
    for (size_t i = 0; i < b->count; i++)
        models[i].latest = bulk_slice(&latest, i, models[i].latest_count);
    return latest.count ? model_latest_tags(b, &latest) : OK;
}

static err models_page(struct bulk *b, void *arg, size_t done)
{
    struct registry_model *models = ((struct models_read *)arg)->models + done;
    TRY(model_rows(b, models));
    TRY(model_tags(b, models));
    TRY(model_aliases(b, models));
    return model_latest(b, models);
}

static err models_fn(struct store_read *rd, void *arg)
{
    struct models_read *r = arg;
    r->models = NEW_ARRAY(r->keep, struct registry_model, r->count + 1);
    ARENA_TRY(r->models);
    return bulk_each(rd, r->names, r->count, r->keep, models_page, r);
}

err registry_models_read(struct track *t, const str *names, size_t count, arena *keep,
                         struct registry_model **ret_models)
{
    struct models_read r = { .names = names, .count = count, .keep = keep };
    if (count > REGISTRY_READ_MODELS_MAX)
        return ERR(ERR_TOO_BIG, "%zu registered models are asked for at once: at most %d", count,
                   REGISTRY_READ_MODELS_MAX);
    TRY(store_read(t->store, models_fn, &r));
    *ret_models = r.models;
    return OK;
}
