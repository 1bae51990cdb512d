/* SPDX-License-Identifier: GPL-3.0-or-later */
/* logged_models.c -- logged models: making, changing and deleting them. */
#include "platform/track/logged_models.h"

#include <stdio.h>

#include "base/clock.h"
#include "platform/track/client_internal.h"
#include "platform/track/track_internal.h"

enum { NAME_BYTES_MAX = 1000, TYPE_BYTES_MAX = 500, VALUE_CHARACTERS_MAX = 100000 };

static err not_found(str id)
{
    return ERR(ERR_NOT_FOUND, "Logged model with ID '%.*s' not found.",
               STR_ARG(str_sub(id, 0, 100)));
}

err logged_model_get(struct track *t, str id, arena *keep, struct logged_model **ret_model)
{
    TRY(logged_models_read(t, &id, 1, keep, ret_model));
    return (*ret_model)->is_deleted ? not_found(id) : OK;
}

/* ------------------------------------------------------------------ create */

struct create {
    const struct logged_model_spec *spec;
    str name;
    char id[LOGGED_MODEL_ID_BYTES];
};

static err check_name(str name)
{
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        if (c == '/' || c == ':' || c == '.' || c == '%' || c == '"' || c == '\'')
            return ERR(ERR_INVALID,
                       "Invalid model name ('%.*s') provided. Model name must be a non-empty "
                       "string and cannot contain the following characters: "
                       "('/', ':', '.', '%%', '\"', \"'\")",
                       STR_ARG(str_sub(name, 0, 60)));
    }
    return track_check_name("Logged model name", name, NAME_BYTES_MAX, "");
}

static err check_pairs(const char *list, const struct track_tag *pairs, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        TRY(client_check_key(list, i, "key", pairs[i].key));
        if (pairs[i].value.len > VALUE_CHARACTERS_MAX &&
            client_characters(pairs[i].value) > VALUE_CHARACTERS_MAX)
            return ERR(ERR_INVALID, "'%s[%zu].value' exceeds the maximum length of %d characters",
                       list, i, VALUE_CHARACTERS_MAX);
    }
    return OK;
}

static err tag_put(struct store_tx *tx, str id, const struct track_tag *tag)
{
    return store_exec(tx,
                      "INSERT INTO logged_model_tags (model_id, key, value) VALUES (?1, ?2, ?3)"
                      " ON CONFLICT (model_id, key) DO UPDATE SET value = excluded.value",
                      ARGS(sql_text(id), sql_text(tag->key), sql_text(tag->value)), NULL);
}

static err param_put(struct store_tx *tx, str id, const struct track_tag *param)
{
    int64_t is_same = 0;
    TRY(store_exec(tx,
                   "INSERT INTO logged_model_params (model_id, key, value) VALUES (?1, ?2, ?3)"
                   " ON CONFLICT (model_id, key) DO NOTHING",
                   ARGS(sql_text(id), sql_text(param->key), sql_text(param->value)), NULL));
    TRY(store_get_int(store_tx_read(tx),
                      "SELECT COUNT(*) FROM logged_model_params"
                      " WHERE model_id = ?1 AND key = ?2 AND value = ?3",
                      ARGS(sql_text(id), sql_text(param->key), sql_text(param->value)), &is_same));
    return is_same ? OK
                   : ERR(ERR_INVALID,
                         "Changing param values is not allowed. Param with key='%.*s' was already "
                         "logged with another value for model ID='%.*s'.",
                         STR_ARG(str_sub(param->key, 0, 60)), STR_ARG(id));
}

static err create_fn(struct store_tx *tx, void *arg)
{
    const struct create *c = arg;
    const struct logged_model_spec *s = c->spec;
    TRY(experiment_need_active(store_tx_read(tx), s->experiment_id));
    TRY(store_exec(
        tx,
        "INSERT INTO logged_models (model_id, experiment_id, name, artifact_location, created_ms,"
        " updated_ms, status, model_type, source_run_id, lifecycle_stage)"
        " SELECT ?1, experiment_id, ?3, artifact_location || CASE WHEN substr(artifact_location,"
        " length(artifact_location), 1) = '/' THEN '' ELSE '/' END || 'models/' || ?1 ||"
        " '/artifacts', ?4, ?4, 'LOGGED_MODEL_PENDING', ?5, ?6, 'active'"
        " FROM experiments WHERE experiment_id = ?2",
        ARGS(sql_cstr(c->id), sql_int(s->experiment_id), sql_text(c->name),
             sql_int(clock_wall_ms()), sql_text(s->model_type), sql_text(s->source_run_id)),
        NULL));
    for (size_t i = 0; i < s->param_count; i++)
        TRY(param_put(tx, str_of(c->id), &s->params[i]));
    for (size_t i = 0; i < s->tag_count; i++)
        TRY(tag_put(tx, str_of(c->id), &s->tags[i]));
    return OK;
}

static void announce(struct track *t, const char *event, str id, str detail)
{
    struct log_labels labels = { .component = STR("mlflow"), .model_id = id };
    log_event(t->log, LOG_INFO, &labels, event, NULL, F_STR("detail", detail));
}

err logged_model_create(struct track *t, const struct logged_model_spec *spec,
                        char ret_id[LOGGED_MODEL_ID_BYTES])
{
    char made[64], hex[HEX_ID_BYTES];
    struct create c = { .spec = spec, .name = spec->name };
    if (c.name.len == 0) {
        client_name_make(made);
        c.name = str_of(made);
    }
    TRY(check_name(c.name));
    if (spec->model_type.len > TYPE_BYTES_MAX || spec->source_run_id.len > TYPE_BYTES_MAX)
        return ERR(ERR_INVALID,
                   "'model_type' and 'source_run_id' have a maximum length of %d characters",
                   TYPE_BYTES_MAX);
    TRY(check_pairs("params", spec->params, spec->param_count));
    TRY(check_pairs("tags", spec->tags, spec->tag_count));
    rand_hex_id(hex);
    snprintf(c.id, sizeof c.id, "m-%s", hex);
    TRY(store_write(t->store, create_fn, &c));
    announce(t, "logged_model.created", str_of(c.id), c.name);
    snprintf(ret_id, LOGGED_MODEL_ID_BYTES, "%s", c.id);
    return OK;
}

/* ------------------------------------------------------------------ change */

struct change {
    struct track *track;
    str id, value; /* status, or the key of a tag */
    const struct track_tag *pairs;
    size_t count;
};

static err touch(struct store_tx *tx, str id)
{
    int64_t found = 0;
    TRY(store_exec(tx,
                   "UPDATE logged_models SET updated_ms = ?2 WHERE model_id = ?1"
                   " AND lifecycle_stage = 'active'",
                   ARGS(sql_text(id), sql_int(clock_wall_ms())), &found));
    return found ? OK : not_found(id);
}

static err finish_fn(struct store_tx *tx, void *arg)
{
    const struct change *c = arg;
    TRY(touch(tx, c->id));
    TRY(store_exec(tx, "UPDATE logged_models SET status = ?2 WHERE model_id = ?1",
                   ARGS(sql_text(c->id), sql_text(c->value)), NULL));
    return track_tell_logged(c->track, tx, "logged_model.finished", c->id);
}

err logged_model_finish(struct track *t, str id, str status)
{
    TRY(store_write(t->store, finish_fn,
                    &(struct change){ .track = t, .id = id, .value = status }));
    announce(t, "logged_model.finished", id, status);
    return OK;
}

static err tags_fn(struct store_tx *tx, void *arg)
{
    const struct change *c = arg;
    TRY(touch(tx, c->id));
    for (size_t i = 0; i < c->count; i++)
        TRY(tag_put(tx, c->id, &c->pairs[i]));
    return track_tell_logged(c->track, tx, "logged_model.changed", c->id);
}

err logged_model_tags_set(struct track *t, str id, const struct track_tag *tags, size_t count)
{
    TRY(check_pairs("tags", tags, count));
    return store_write(t->store, tags_fn,
                       &(struct change){ .track = t, .id = id, .pairs = tags, .count = count });
}

static err tag_delete_fn(struct store_tx *tx, void *arg)
{
    const struct change *c = arg;
    int64_t gone = 0;
    TRY(touch(tx, c->id));
    TRY(store_exec(tx, "DELETE FROM logged_model_tags WHERE model_id = ?1 AND key = ?2",
                   ARGS(sql_text(c->id), sql_text(c->value)), &gone));
    if (!gone)
        return ERR(ERR_NOT_FOUND, "No tag with key '%.*s' found for model with ID '%.*s'.",
                   STR_ARG(str_sub(c->value, 0, 100)), STR_ARG(c->id));
    return track_tell_logged(c->track, tx, "logged_model.changed", c->id);
}

err logged_model_tag_delete(struct track *t, str id, str key)
{
    return store_write(t->store, tag_delete_fn,
                       &(struct change){ .track = t, .id = id, .value = key });
}

static err params_fn(struct store_tx *tx, void *arg)
{
    const struct change *c = arg;
    TRY(touch(tx, c->id));
    for (size_t i = 0; i < c->count; i++)
        TRY(param_put(tx, c->id, &c->pairs[i]));
    return track_tell_logged(c->track, tx, "logged_model.changed", c->id);
}

err logged_model_params_add(struct track *t, str id, const struct track_tag *params, size_t count)
{
    TRY(check_pairs("params", params, count));
    return store_write(t->store, params_fn,
                       &(struct change){ .track = t, .id = id, .pairs = params, .count = count });
}

static err delete_fn(struct store_tx *tx, void *arg)
{
    const struct change *c = arg;
    int64_t found = 0;
    TRY(store_exec(tx,
                   "UPDATE logged_models SET updated_ms = ?2, lifecycle_stage = 'deleted'"
                   " WHERE model_id = ?1",
                   ARGS(sql_text(c->id), sql_int(clock_wall_ms())), &found));
    return found ? track_tell_logged(c->track, tx, "logged_model.deleted", c->id)
                 : not_found(c->id);
}

err logged_model_delete(struct track *t, str id)
{
    TRY(store_write(t->store, delete_fn, &(struct change){ .track = t, .id = id }));
    announce(t, "logged_model.deleted", id, STR_NONE);
    return OK;
}
