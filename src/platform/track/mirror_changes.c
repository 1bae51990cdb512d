/* SPDX-License-Identifier: GPL-3.0-or-later */
/* mirror_changes.c -- what happens to our models and their versions, done in somebody's MLflow.
 *
 * An event names the part that changed; what that part is now is read here. Names there are
 * changed and deleted only where the mirror has made them, and versions only those that carry our
 * id: what others keep under the same name is theirs. */
#include <stdio.h>

#include "platform/track/mirror_internal.h"

#define API "/api/2.0/mlflow/"

enum { ALIASES_MAX = 1000 };

/* ------------------------------------------------------------------ asking */

/* A call that may find nothing there. */
static err ask_softly(struct mirror *m, const char *method, const char *path)
{
    bool is_missing;
    return mirror_try(m, method, path, "RESOURCE_DOES_NOT_EXIST", &is_missing, NULL);
}

static struct json_out body_of(struct mirror *m, str name, const struct mirror_version *there)
{
    struct json_out w = mirror_body(m);
    json_kv_str(&w, "name", there ? there->name : name);
    if (there)
        json_kv_str(&w, "version", there->number);
    return w;
}

/* Its tags, when the mirror has made it; NULL otherwise. */
static err made_by_us(struct mirror *m, str name, const struct json **ret_model)
{
    struct buf path;
    const struct json *reply = NULL;
    bool is_missing = false;
    *ret_model = NULL;
    buf_init(&path, 8000);
    buf_add_cstr(&path, API "registered-models/get?name=");
    net_api_escape(&path, name, false);
    buf_clear(&m->body);
    err e = buf_check(&path);
    if (!e.code)
        e = mirror_try(m, "GET", path.ptr, "RESOURCE_DOES_NOT_EXIST", &is_missing, &reply);
    buf_deinit(&path);
    if (e.code || is_missing)
        return e;
    const struct json *model = json_get(reply, "registered_model");
    const struct json *tags = json_get(model, "tags");
    for (size_t i = 0; i < json_count(tags); i++)
        if (str_eq(json_str(json_get(json_at(tags, i), "key"), STR_NONE), STR(MIRROR_TAG_KIND)))
            *ret_model = model;
    return OK;
}

/* ------------------------------------------------------------------ aliases, stages */

/* Where the alias points now; a later event says what came after. */
err mirror_alias(struct mirror *m, str name, str alias, int64_t version)
{
    struct mirror_version there = { .name = name };
    if (version)
        TRY(mirror_version_need(m, &(struct mirror_wanted){ .name = name, .version = version },
                                &there));
    if (version && !there.number.len)
        return OK; /* deleted meanwhile, or not ours */
    struct json_out w = mirror_body(m);
    json_kv_str(&w, "name", there.name);
    json_kv_str(&w, "alias", alias);
    if (version)
        json_kv_str(&w, "version", there.number);
    json_object_end(&w);
    return ask_softly(m, version ? "POST" : "DELETE", API "registered-models/alias");
}

err mirror_stage(struct mirror *m, const struct mirror_version *there, str stage)
{
    struct json_out w = body_of(m, STR_NONE, there);
    json_kv_str(&w, "stage", stage);
    json_kv_bool(&w, "archive_existing_versions", false);
    json_object_end(&w);
    return ask_softly(m, "POST", API "model-versions/transition-stage");
}

/* ------------------------------------------------------------------ one part of one thing */

struct part {
    str key; /* of the row: the version's id, or the name */
    str tag;
    arena *keep;
    const char *sql, *tag_sql;
    /* results */
    str description, stage, value;
    bool is_found, has_tag, is_foreign;
};

static err part_fn(struct store_read *rd, void *arg)
{
    struct part *p = arg;
    struct store_rows *rows;
    TRY(store_query(rd, p->sql, ARGS(sql_text(p->key)), &rows));
    p->is_found = store_next(rows);
    if (p->is_found) {
        p->description = store_col_text_keep(rows, 0, p->keep);
        p->stage = store_col_text_keep(rows, 1, p->keep);
        p->is_foreign = store_col_int(rows, 2) != 0;
    }
    TRY(store_rows_close(rows));
    if (!p->tag.len)
        return OK;
    err e = store_get_text(rd, p->tag_sql, ARGS(sql_text(p->key), sql_text(p->tag)), p->keep,
                           &p->value);
    p->has_tag = !e.code;
    return e.code == ERR_NOT_FOUND ? OK : e;
}

static err part_read(struct mirror *m, struct part *p, bool is_name)
{
    p->keep = &m->keep;
    p->sql = is_name ? "SELECT description, '', (SELECT COUNT(*) FROM registered_model_tags t"
                       " WHERE t.name = m.name AND (t.key LIKE '" IMPORT_TAG_SOURCE ".%'"
                       " OR t.key = '" MIRROR_TAG_KIND "'))"
                       " FROM registered_models m WHERE name = ?1"
                     : "SELECT description, stage, 0 FROM model_versions WHERE id = ?1"
                       " AND stage <> 'Deleted_Internal'";
    p->tag_sql = is_name
                     ? "SELECT value FROM registered_model_tags WHERE name = ?1 AND key = ?2"
                     : "SELECT value FROM model_version_tags WHERE version_id = ?1 AND key = ?2";
    TRY(store_read(m->config->store, part_fn, p));
    return arena_check(&m->keep);
}

/* `there` NULL: the name itself. */
static err part_send(struct mirror *m, const struct part *p, str name,
                     const struct mirror_version *there, str what)
{
    bool is_tag = str_eq(what, STR("tag"));
    if (is_tag && str_starts(p->tag, STR("skerry."))) /* ours, by which things are found there */
        return OK;
    if (str_eq(what, STR("stage")) && there)
        return mirror_stage(m, there, p->stage);
    struct json_out w = body_of(m, name, there);
    if (is_tag)
        json_kv_str(&w, "key", p->tag);
    if (is_tag && p->has_tag)
        json_kv_str(&w, "value", p->value);
    if (!is_tag)
        json_kv_str(&w, "description", p->description);
    json_object_end(&w);
    if (!is_tag)
        return ask_softly(m, "PATCH",
                          there ? API "model-versions/update" : API "registered-models/update");
    if (p->has_tag)
        return ask_softly(m, "POST",
                          there ? API "model-versions/set-tag" : API "registered-models/set-tag");
    return ask_softly(m, "DELETE",
                      there ? API "model-versions/delete-tag" : API "registered-models/delete-tag");
}

err mirror_change(struct mirror *m, const struct mirror_wanted *wanted, str what, str key)
{
    bool is_name = wanted->id.len == 0;
    struct part p = { .key = is_name ? wanted->name : wanted->id, .tag = key };
    struct mirror_version there;
    TRY(part_read(m, &p, is_name));
    if (!p.is_found || p.is_foreign) /* gone, or renamed, which a later event tells */
        return OK;
    if (is_name) {
        const struct json *made = NULL;
        TRY(mirror_name_need(m, wanted->name));
        if (what.len)
            TRY(made_by_us(m, wanted->name, &made));
        return made ? part_send(m, &p, wanted->name, NULL, what) : OK;
    }
    TRY(mirror_version_need(m, wanted, &there));
    return there.number.len ? part_send(m, &p, STR_NONE, &there, what) : OK;
}

/* ------------------------------------------------------------------ names that change */

struct own_aliases {
    str name;
    arena *keep;
    str aliases[ALIASES_MAX];
    int64_t versions[ALIASES_MAX];
    size_t count;
};

static err own_aliases_fn(struct store_read *rd, void *arg)
{
    struct own_aliases *a = arg;
    struct store_rows *rows;
    a->count = 0;
    TRY(store_query(rd,
                    "SELECT alias, version FROM model_aliases WHERE name = ?1 ORDER BY alias"
                    " LIMIT ?2",
                    ARGS(sql_text(a->name), sql_int(ALIASES_MAX)), &rows));
    while (a->count < ALIASES_MAX && store_next(rows)) {
        a->aliases[a->count] = store_col_text_keep(rows, 0, a->keep);
        a->versions[a->count++] = store_col_int(rows, 1);
    }
    return store_rows_close(rows);
}

static err next_tag_fn(struct store_read *rd, void *arg)
{
    struct part *p = arg;
    struct store_rows *rows;
    TRY(store_query(rd,
                    "SELECT key, value FROM registered_model_tags WHERE name = ?1 AND key > ?2"
                    " ORDER BY key LIMIT 1",
                    ARGS(sql_text(p->key), sql_text(p->tag)), &rows));
    p->has_tag = store_next(rows);
    if (p->has_tag) {
        p->tag = store_col_text_keep(rows, 0, p->keep);
        p->value = store_col_text_keep(rows, 1, p->keep);
    }
    return store_rows_close(rows);
}

static err name_fill(struct mirror *m, str name)
{
    struct part p = { .key = name };
    TRY(part_read(m, &p, true));
    if (!p.is_found)
        return OK;
    TRY(part_send(m, &p, name, NULL, STR("description")));
    for (;;) {
        TRY(store_read(m->config->store, next_tag_fn, &p));
        TRY(arena_check(&m->keep));
        if (!p.has_tag)
            return OK;
        TRY(part_send(m, &p, name, NULL, STR("tag")));
    }
}

/* Events from before a rename name the model as it was called then, and find nothing here any more:
 * so description, tags and aliases of the name are told again. */
err mirror_rename(struct mirror *m, str from, str to)
{
    const struct json *model;
    bool is_taken;
    TRY(made_by_us(m, from, &model));
    if (model) {
        struct json_out w = mirror_body(m);
        json_kv_str(&w, "name", from);
        json_kv_str(&w, "new_name", to);
        json_object_end(&w);
        TRY(mirror_try(m, "POST", API "registered-models/rename", "RESOURCE_ALREADY_EXISTS",
                       &is_taken, NULL));
        TRY(name_fill(m, to));
    }
    struct own_aliases *own = NEW(&m->keep, struct own_aliases);
    ARENA_TRY(own);
    *own = (struct own_aliases){ .name = to, .keep = &m->keep };
    TRY(store_read(m->config->store, own_aliases_fn, own));
    TRY(arena_check(&m->keep));
    for (size_t i = 0; i < own->count; i++)
        TRY(mirror_alias(m, to, own->aliases[i], own->versions[i]));
    return OK;
}

/* ------------------------------------------------------------------ what is deleted */

static err version_drop(struct mirror *m, const struct mirror_version *there)
{
    struct json_out w = body_of(m, STR_NONE, there);
    json_object_end(&w);
    return ask_softly(m, "DELETE", API "model-versions/delete");
}

err mirror_version_delete(struct mirror *m, str id)
{
    struct mirror_version there;
    TRY(mirror_version_find(m, id, &there));
    return there.number.len ? version_drop(m, &there) : OK;
}

/* The id that we gave to a version there; empty: it is somebody else's. */
static str our_id(const struct json *version)
{
    const struct json *tags = json_get(version, "tags");
    for (size_t i = 0; i < json_count(tags); i++)
        if (str_eq(json_str(json_get(json_at(tags, i), "key"), STR_NONE), STR(MIRROR_TAG_VERSION)))
            return json_str(json_get(json_at(tags, i), "value"), STR_NONE);
    return STR_NONE;
}

static err still_here_fn(struct store_read *rd, void *arg)
{
    struct part *p = arg;
    int64_t count = 0;
    TRY(store_get_int(rd,
                      "SELECT COUNT(*) FROM model_versions WHERE id = ?1"
                      " AND stage <> 'Deleted_Internal'",
                      ARGS(sql_text(p->key)), &count));
    p->is_found = count > 0;
    return OK;
}

/* A page of a name's versions there; those of ours that are here no more go. */
static err drop_page(struct mirror *m, str name, bool of_prompt, str token, int64_t *ret_dropped,
                     int64_t *ret_left, str *ret_next)
{
    struct buf path;
    const struct json *reply = NULL;
    char quote = str_find_char(name, '\'') >= 0 ? '"' : '\'';
    str filter = arena_fmt(&m->keep, "name = %c%.*s%c%s", quote, STR_ARG(name), quote,
                           of_prompt ? " AND tags.`mlflow.prompt.is_prompt` = 'true'" : "");
    ARENA_TRY(filter.ptr);
    buf_init(&path, 16000);
    buf_add_cstr(&path, API "model-versions/search?max_results=200&filter=");
    net_api_escape(&path, filter, false);
    if (token.len) {
        buf_add_cstr(&path, "&page_token=");
        net_api_escape(&path, token, false);
    }
    buf_clear(&m->body);
    err e = buf_check(&path);
    if (!e.code)
        e = mirror_ask(m, "GET", path.ptr, &reply);
    buf_deinit(&path);
    TRY(e);
    *ret_dropped = 0;
    const struct json *list = json_get(reply, "model_versions");
    for (size_t i = 0; i < json_count(list); i++) {
        const struct json *version = json_at(list, i);
        struct part p = { .key = our_id(version), .is_found = true };
        if (p.key.len)
            TRY(store_read(m->config->store, still_here_fn, &p));
        if (p.is_found) {
            ++*ret_left;
            continue;
        }
        TRY(version_drop(
            m, &(struct mirror_version){ json_str(json_get(version, "name"), STR_NONE),
                                         json_str(json_get(version, "version"), STR_NONE) }));
        ++*ret_dropped;
    }
    *ret_next = json_str(json_get(reply, "next_page_token"), STR_NONE);
    return OK;
}

err mirror_name_delete(struct mirror *m, str name)
{
    int64_t left = 0, dropped;
    const struct json *model;
    for (int of_prompt = 0; of_prompt < 2; of_prompt++) {
        str token = STR_NONE;
        int64_t before = left;
        do {
            TRY(drop_page(m, name, of_prompt, token, &dropped, &left, &token));
            if (dropped) { /* pages there may be counted from the start */
                token = STR_NONE;
                left = before;
            }
        } while (dropped || token.len);
    }
    struct part own = { .key = name };
    TRY(part_read(m, &own, true));
    if (left || own.is_found) /* others have versions there, or it was made anew */
        return OK;
    TRY(made_by_us(m, name, &model));
    if (!model)
        return OK;
    struct json_out w = body_of(m, name, NULL);
    json_object_end(&w);
    return ask_softly(m, "DELETE", API "registered-models/delete");
}
