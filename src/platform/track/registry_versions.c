/* SPDX-License-Identifier: GPL-3.0-or-later */
/* registry_versions.c -- versions of registered models, as MLflow's clients make, change and delete
 * them. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "platform/track/client_internal.h"
#include "platform/track/registry_internal.h"

enum { SHOWN_BYTES = 100, SOURCE_BYTES_MAX = 2048, LINK_BYTES_MAX = 2048 };
enum { NOTE_BYTES_MAX = 1024 * 1024 };
#define SCRATCH_BYTES (4u * 1024u * 1024u)
#define TAG_VERSIONS STR("mlflow.modelVersions")

err registry_version_id(struct store_read *rd, str name, int64_t version, arena *keep, str *ret_id)
{
    err e = store_get_text(rd,
                           "SELECT id FROM model_versions WHERE name = ?1 AND version = ?2"
                           " AND stage <> 'Deleted_Internal'",
                           ARGS(sql_text(name), sql_int(version)), keep, ret_id);
    return e.code == ERR_NOT_FOUND ? registry_no_version(name, version) : e;
}

/* ------------------------------------------------------------------ create */

struct create {
    struct track *track;
    const struct registry_version_spec *spec;
    str location, run_id;
    arena *scratch;
    /* results */
    char id[UUID_BYTES];
    int64_t version;
};

static err tag_put(struct store_tx *tx, str version_id, str key, str value)
{
    return store_exec(tx,
                      "INSERT INTO model_version_tags (version_id, key, value) VALUES (?1, ?2, ?3)"
                      " ON CONFLICT (version_id, key) DO UPDATE SET value = excluded.value",
                      ARGS(sql_text(version_id), sql_text(key), sql_text(value)), NULL);
}

/* Adds {"name", "version"} to the list that the tag holds, and leaves what is no list alone. */
static err model_note(struct store_tx *tx, const struct create *c)
{
    str before = STR_NONE;
    const struct json *list = NULL;
    struct buf text;
    struct json_out w;
    err e = store_get_text(
        store_tx_read(tx), "SELECT value FROM logged_model_tags WHERE model_id = ?1 AND key = ?2",
        ARGS(sql_text(c->spec->model_id), sql_text(TAG_VERSIONS)), c->scratch, &before);
    if (e.code && e.code != ERR_NOT_FOUND)
        return e;
    before = str_trim(before);
    if (before.len > 2 &&
        (before.len > NOTE_BYTES_MAX / 2 || json_parse(c->scratch, before, &list).code ||
         json_kind(list) != JSON_IS_ARRAY || json_count(list) == 0))
        return OK;
    buf_init(&text, NOTE_BYTES_MAX);
    if (list)
        buf_add(&text, str_sub(before, 0, before.len - 1));
    buf_add_cstr(&text, list ? ", {\"name\": " : "[{\"name\": ");
    json_out_init(&w, &text);
    json_out_str(&w, c->spec->name);
    buf_add_fmt(&text, ", \"version\": %lld}]", (long long)c->version);
    e = buf_check(&text);
    if (!e.code)
        e = store_exec(
            tx,
            "INSERT INTO logged_model_tags (model_id, key, value) VALUES (?1, ?2, ?3)"
            " ON CONFLICT (model_id, key) DO UPDATE SET value = excluded.value",
            ARGS(sql_text(c->spec->model_id), sql_text(TAG_VERSIONS), sql_text(buf_str(&text))),
            NULL);
    buf_deinit(&text);
    return e;
}

static err create_fn(struct store_tx *tx, void *arg)
{
    struct create *c = arg;
    const struct registry_version_spec *s = c->spec;
    rand_uuid(c->id);
    TRY(registry_need_model(store_tx_read(tx), s->name));
    TRY(store_get_int(store_tx_read(tx),
                      "SELECT COALESCE(MAX(version), 0) + 1 FROM model_versions WHERE name = ?1",
                      ARGS(sql_text(s->name)), &c->version));
    TRY(store_exec(
        tx,
        "INSERT INTO model_versions (id, name, version, kind, stage, status, description, source,"
        " run_id, run_link, model_id, location, bytes, created_ms, updated_ms)"
        " VALUES (?1, ?2, ?3, '" REGISTRY_KIND_CLIENT "', 'None', 'READY', ?4, ?5, ?6, ?7, ?8, ?9,"
        " 0, ?10, ?10)",
        ARGS(sql_cstr(c->id), sql_text(s->name), sql_int(c->version), sql_text(s->description),
             sql_text(s->source), sql_text(c->run_id), sql_text(s->run_link),
             sql_text_opt(s->model_id), sql_text_opt(c->location), sql_int(clock_wall_ms())),
        NULL));
    for (size_t i = 0; i < s->tag_count; i++)
        TRY(tag_put(tx, str_of(c->id), s->tags[i].key, s->tags[i].value));
    if (s->model_id.len)
        TRY(model_note(tx, c));
    TRY(registry_touch(tx, s->name));
    return track_tell_model(c->track, tx,
                            &(struct model_news){ .type = "model.registered",
                                                  .name = s->name,
                                                  .id = str_of(c->id),
                                                  .version = c->version,
                                                  .run_id = c->run_id,
                                                  .source = s->source });
}

static err check_length(const char *what, str text, size_t bytes_max)
{
    return text.len <= bytes_max
               ? OK
               : ERR(ERR_INVALID, "'%s' exceeds the maximum length of %zu characters", what,
                     bytes_max);
}

err registry_version_create(struct track *t, const struct registry_version_spec *spec, arena *keep,
                            int64_t *ret_version)
{
    struct create c = { .track = t, .spec = spec, .scratch = keep };
    TRY(check_length("source", spec->source, SOURCE_BYTES_MAX));
    TRY(check_length("run_link", spec->run_link, LINK_BYTES_MAX));
    TRY(check_length("run_id", spec->run_id, SHOWN_BYTES));
    TRY(check_length("model_id", spec->model_id, SHOWN_BYTES));
    TRY(registry_check_tags(spec->tags, spec->tag_count));
    TRY(registry_source_resolve(t, spec, keep, &c.location, &c.run_id));
    TRY(store_write(t->store, create_fn, &c));
    struct log_labels labels = { .component = STR("registry"),
                                 .run_id = c.run_id,
                                 .model_id = str_of(c.id),
                                 .username = spec->username };
    metric_add(TRACK_CELL(t->metrics, TRACK_M_MODEL_VERSIONS, STR(REGISTRY_KIND_CLIENT)), 1);
    log_event(t->log, LOG_INFO, &labels, "model.registered", NULL, F_STR("name", spec->name),
              F_INT("version", c.version), F_STR("source", spec->source));
    *ret_version = c.version;
    return OK;
}

/* ------------------------------------------------------------------ read */

struct find {
    struct track *track;
    str name, alias;
    int64_t version;
    arena *keep;
    struct registry_version *found;
};

static err get_fn(struct store_read *rd, void *arg)
{
    struct find *f = arg;
    str id;
    if (f->alias.len) {
        err e = store_get_int(rd,
                              "SELECT version FROM model_aliases WHERE name = ?1 AND alias = ?2",
                              ARGS(sql_text(f->name), sql_text(f->alias)), &f->version);
        if (e.code == ERR_NOT_FOUND) {
            TRY(registry_need_model(rd, f->name));
            return ERR(ERR_INVALID, "Registered model alias %.*s not found.",
                       STR_ARG(str_sub(f->alias, 0, SHOWN_BYTES)));
        }
        TRY(e);
    }
    TRY(registry_version_id(rd, f->name, f->version, f->keep, &id));
    return registry_versions_read(f->track, &id, 1, true, f->keep, &f->found);
}

static err find(struct track *t, struct find *f, struct registry_version **ret_version)
{
    f->track = t;
    TRY(store_read(t->store, get_fn, f));
    *ret_version = f->found;
    return OK;
}

err registry_version_get(struct track *t, str name, int64_t version, arena *keep,
                         struct registry_version **ret_version)
{
    return find(t, &(struct find){ .name = name, .version = version, .keep = keep }, ret_version);
}

err registry_alias_get(struct track *t, str name, str alias, arena *keep,
                       struct registry_version **ret_version)
{
    return find(t, &(struct find){ .name = name, .alias = alias, .keep = keep }, ret_version);
}

static err need_model_fn(struct store_read *rd, void *arg)
{
    const str *name = arg;
    return registry_need_model(rd, *name);
}

err registry_alias_remove(struct track *t, str name, str alias, str username)
{
    TRY(store_read(t->store, need_model_fn, &name));
    err e = model_alias_remove(t, name, alias, username, STR("removed by an MLflow client"));
    return e.code == ERR_NOT_FOUND ? OK : e;
}

/* ------------------------------------------------------------------ change */

struct change {
    struct track *track;
    str name, key, value, username;
    int64_t version;
    bool has_value, archive_others;
    arena *scratch;
    str id; /* of the row */
};

static err tell(struct store_tx *tx, const struct change *c, const char *what)
{
    return track_tell_model(c->track, tx,
                            &(struct model_news){ .type = what ? "model.changed" : "model.deleted",
                                                  .name = c->name,
                                                  .id = c->id,
                                                  .version = c->version,
                                                  .what = what,
                                                  .key = c->key });
}

static err change_begin(struct store_tx *tx, struct change *c)
{
    TRY(registry_version_id(store_tx_read(tx), c->name, c->version, c->scratch, &c->id));
    TRY(store_exec(tx, "UPDATE model_versions SET updated_ms = ?2 WHERE id = ?1",
                   ARGS(sql_text(c->id), sql_int(clock_wall_ms())), NULL));
    return registry_touch(tx, c->name);
}

static err write_change(struct track *t, store_write_fn fn, struct change *c)
{
    arena scratch;
    arena_init(&scratch, SCRATCH_BYTES);
    c->track = t;
    c->scratch = &scratch;
    err e = store_write(t->store, fn, c);
    arena_deinit(&scratch);
    return e;
}

static err describe_fn(struct store_tx *tx, void *arg)
{
    struct change *c = arg;
    TRY(change_begin(tx, c));
    TRY(store_exec(tx, "UPDATE model_versions SET description = ?2 WHERE id = ?1",
                   ARGS(sql_text(c->id), c->has_value ? sql_text(c->value) : sql_null()), NULL));
    return tell(tx, c, "description");
}

err registry_version_describe(struct track *t, str name, int64_t version, str description,
                              bool has_description)
{
    return write_change(
        t, describe_fn,
        &(struct change){
            .name = name, .version = version, .value = description, .has_value = has_description });
}

static err tag_set_fn(struct store_tx *tx, void *arg)
{
    struct change *c = arg;
    TRY(registry_version_id(store_tx_read(tx), c->name, c->version, c->scratch, &c->id));
    TRY(tag_put(tx, c->id, c->key, c->value));
    return tell(tx, c, "tag");
}

err registry_version_tag_set(struct track *t, str name, int64_t version, str key, str value)
{
    struct track_tag tag = { key, value };
    TRY(registry_check_tags(&tag, 1));
    return write_change(
        t, tag_set_fn,
        &(struct change){ .name = name, .version = version, .key = key, .value = value });
}

static err tag_delete_fn(struct store_tx *tx, void *arg)
{
    struct change *c = arg;
    TRY(registry_version_id(store_tx_read(tx), c->name, c->version, c->scratch, &c->id));
    TRY(store_exec(tx, "DELETE FROM model_version_tags WHERE version_id = ?1 AND key = ?2",
                   ARGS(sql_text(c->id), sql_text(c->key)), NULL));
    return tell(tx, c, "tag");
}

err registry_version_tag_delete(struct track *t, str name, int64_t version, str key)
{
    return write_change(t, tag_delete_fn,
                        &(struct change){ .name = name, .version = version, .key = key });
}

/* ------------------------------------------------------------------ stages */

err registry_stage_name(str text, str *ret_stage)
{
    static const char *const stages[] = { "None", "Staging", "Production", "Archived" };
    for (size_t i = 0; i < COUNT_OF(stages); i++) {
        if (str_eq_nocase(text, str_of(stages[i]))) {
            *ret_stage = str_of(stages[i]);
            return OK;
        }
    }
    return ERR(ERR_INVALID,
               "Invalid Model Version stage: %.*s. Value must be one of None, Staging, "
               "Production, Archived.",
               STR_ARG(str_sub(text, 0, SHOWN_BYTES)));
}

/* Those that are in the stage, but this one, one after the other: each is told of. */
static err archive_others(struct store_tx *tx, const struct change *c)
{
    for (;;) {
        struct change other = { .track = c->track, .name = c->name };
        struct store_rows *rows;
        TRY(store_query(store_tx_read(tx),
                        "SELECT id, version FROM model_versions WHERE name = ?1 AND stage = ?2"
                        " AND id <> ?3 LIMIT 1",
                        ARGS(sql_text(c->name), sql_text(c->value), sql_text(c->id)), &rows));
        if (store_next(rows)) {
            other.id = store_col_text_keep(rows, 0, c->scratch);
            other.version = store_col_int(rows, 1);
        }
        TRY(store_rows_close(rows));
        TRY(arena_check(c->scratch));
        if (!other.id.len)
            return OK;
        TRY(store_exec(
            tx, "UPDATE model_versions SET stage = 'Archived', updated_ms = ?2 WHERE id = ?1",
            ARGS(sql_text(other.id), sql_int(clock_wall_ms())), NULL));
        TRY(tell(tx, &other, "stage"));
    }
}

static err stage_fn(struct store_tx *tx, void *arg)
{
    struct change *c = arg;
    TRY(change_begin(tx, c));
    if (c->archive_others)
        TRY(archive_others(tx, c));
    TRY(store_exec(tx, "UPDATE model_versions SET stage = ?2 WHERE id = ?1",
                   ARGS(sql_text(c->id), sql_text(c->value)), NULL));
    return tell(tx, c, "stage");
}

err registry_version_stage(struct track *t, str name, int64_t version, str stage,
                           bool archive_others)
{
    struct change c = { .name = name, .version = version, .archive_others = archive_others };
    TRY(registry_stage_name(stage, &c.value));
    bool is_active = str_eq(c.value, STR("Staging")) || str_eq(c.value, STR("Production"));
    if (archive_others && !is_active)
        return ERR(ERR_INVALID,
                   "Model version transition cannot archive existing model versions because '%.*s' "
                   "is not an Active stage. Valid stages are ['Staging', 'Production']",
                   STR_ARG(c.value));
    return write_change(t, stage_fn, &c);
}

/* ------------------------------------------------------------------ delete */

static err delete_fn(struct store_tx *tx, void *arg)
{
    struct change *c = arg;
    int64_t serving = 0;
    TRY(change_begin(tx, c));
    TRY(store_get_int(store_tx_read(tx),
                      "SELECT COUNT(*) FROM model_versions v JOIN model_aliases a"
                      " ON a.name = v.name AND a.version = v.version"
                      " WHERE v.id = ?1 AND v.kind <> '" REGISTRY_KIND_CLIENT "'",
                      ARGS(sql_text(c->id)), &serving));
    if (serving)
        return ERR(ERR_INVALID,
                   "Version %lld of model '%.*s' was trained by this server, has an alias and may "
                   "be serving: move the alias first",
                   (long long)c->version, STR_ARG(str_sub(c->name, 0, 60)));
    TRY(model_aliases_drop_tx(c->track, tx, c->name, c->version, c->username,
                              STR("the version was deleted"), c->scratch));
    TRY(store_exec(tx, "DELETE FROM model_version_tags WHERE version_id = ?1",
                   ARGS(sql_text(c->id)), NULL));
    TRY(store_exec(tx,
                   "UPDATE model_versions SET stage = 'Deleted_Internal', description = NULL,"
                   " user_id = NULL, source = NULL, location = NULL, run_id = NULL,"
                   " run_link = NULL, model_id = NULL, status_message = NULL, blob = NULL"
                   " WHERE id = ?1",
                   ARGS(sql_text(c->id)), NULL));
    return tell(tx, c, NULL);
}

err registry_version_delete(struct track *t, str name, int64_t version, str username)
{
    TRY(write_change(t, delete_fn,
                     &(struct change){ .name = name, .version = version, .username = username }));
    struct log_labels labels = { .component = STR("registry"),
                                 .model_id = name,
                                 .username = username };
    log_event(t->log, LOG_INFO, &labels, "model.deleted", NULL, F_STR("name", name),
              F_INT("version", version));
    return OK;
}
