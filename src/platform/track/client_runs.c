/* SPDX-License-Identifier: GPL-3.0-or-later */
/* client_runs.c -- how a client's run begins, changes, goes and comes back.
 *
 * A run's name stands twice, in its row and in tag mlflow.runName: whichever way it is changed,
 * both change.
 */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "platform/track/client_internal.h"

enum { USER_BYTES_MAX = 256, TAG_CHARACTERS_MAX = 8000 };
#define COMPONENT "mlflow"

/* ------------------------------------------------------------------ names for the nameless */

static const char *const moods[] = {
    "amber", "ample", "brave",  "breezy", "calm",  "clear",  "deep",    "early",
    "eager", "fair",  "fleet",  "gentle", "glad",  "golden", "hardy",   "high",
    "keen",  "light", "loyal",  "merry",  "misty", "north",  "patient", "quiet",
    "salty", "sharp", "silver", "steady", "sunny", "swift",  "tidal",   "wide",
};
static const char *const things[] = {
    "anchor", "auk",    "bay",   "beacon",  "bell",   "buoy",   "cliff",  "cod",
    "cove",   "dune",   "eider", "ferry",   "fjord",  "gannet", "gull",   "harbour",
    "heron",  "island", "kelp",  "lantern", "mast",   "otter",  "petrel", "pier",
    "puffin", "reef",   "sail",  "seal",    "skerry", "sound",  "tern",   "wave",
};

void client_name_make(char out[64])
{
    uint32_t chance;
    rand_bytes(&chance, sizeof chance);
    snprintf(out, 64, "%s-%s-%u", moods[chance % COUNT_OF(moods)],
             things[(chance >> 8) % COUNT_OF(things)], (chance >> 16) % 1000);
}

/* ------------------------------------------------------------------ rows */

err client_write_begin(struct store_tx *tx, str run_id)
{
    enum { DELETED, AT_WORK, ENDED };
    int64_t state = DELETED;
    err e = store_get_int(store_tx_read(tx),
                          "SELECT CASE WHEN lifecycle_stage <> 'active' THEN 0"
                          " WHEN status IN ('FINISHED', 'FAILED', 'KILLED') THEN 2 ELSE 1 END"
                          " FROM runs WHERE run_id = ?1",
                          ARGS(sql_text(run_id)), &state);
    if (e.code == ERR_NOT_FOUND)
        return ERR(ERR_NOT_FOUND, "Run with id=%.*s not found", STR_ARG(str_sub(run_id, 0, 100)));
    if (e.code)
        return e;
    if (state == DELETED)
        return ERR(ERR_INVALID,
                   "The run %.*s must be in the 'active' state. Current state is deleted.",
                   STR_ARG(run_id));
    return state == ENDED ? client_data_forget(tx, run_id) : OK;
}

err client_tag_put(struct store_tx *tx, str run_id, const struct track_tag *tag)
{
    if (str_eq(tag->key, CLIENT_TAG_RUN_NAME)) {
        if (tag->value.len == 0) /* a run has a name */
            return OK;
        TRY(store_exec(tx, "UPDATE runs SET run_name = ?2 WHERE run_id = ?1",
                       ARGS(sql_text(run_id), sql_text(tag->value)), NULL));
    }
    return store_exec(tx,
                      "INSERT INTO tags (run_id, key, value) VALUES (?1, ?2, ?3)"
                      " ON CONFLICT (run_id, key) DO UPDATE SET value = excluded.value",
                      ARGS(sql_text(run_id), sql_text(tag->key), sql_text(tag->value)), NULL);
}

static void announce(struct track *t, str run_id, str username, const char *event, str detail)
{
    struct log_labels labels = { .component = STR(COMPONENT),
                                 .run_id = run_id,
                                 .username = username };
    log_event(t->log, LOG_INFO, &labels, event, NULL, F_STR("detail", detail));
}

/* ------------------------------------------------------------------ create */

struct create {
    struct track *track;
    const struct client_run_spec *spec;
    str name;
    int64_t start_ms;
    char id[HEX_ID_BYTES];
};

static err create_fn(struct store_tx *tx, void *arg)
{
    struct create *c = arg;
    const struct client_run_spec *spec = c->spec;
    str id = str_of(c->id);

    TRY(experiment_need_active(store_tx_read(tx), spec->experiment_id));
    TRY(store_exec(tx,
                   "INSERT INTO runs (run_id, experiment_id, run_name, user_id, component, origin,"
                   " status, lifecycle_stage, created_ms, start_ms, attempts)"
                   " VALUES (?1, ?2, ?3, ?4, '" COMPONENT "', 'client', 'RUNNING', 'active', ?5,"
                   " ?6, 1)",
                   ARGS(sql_text(id), sql_int(spec->experiment_id), sql_text(c->name),
                        sql_text(spec->user_id), sql_int(clock_wall_ms()), sql_int(c->start_ms)),
                   NULL));
    for (size_t i = 0; i < spec->tag_count; i++) {
        struct track_tag tag = spec->tags[i];
        tag.value = client_cut(tag.value, TAG_CHARACTERS_MAX);
        TRY(client_tag_put(tx, id, &tag));
    }
    TRY(client_tag_put(tx, id, &(struct track_tag){ CLIENT_TAG_RUN_NAME, c->name }));
    return track_tell_run(c->track, tx, "run.started", id);
}

/* The name by argument and the one by tag are one. */
static err name_choose(const struct client_run_spec *spec, str *ret_name)
{
    str tagged = STR_NONE;
    for (size_t i = 0; i < spec->tag_count; i++)
        if (str_eq(spec->tags[i].key, CLIENT_TAG_RUN_NAME))
            tagged = spec->tags[i].value;
    if (spec->name.len && tagged.len && !str_eq(spec->name, tagged))
        return ERR(ERR_INVALID,
                   "Both 'run_name' argument and 'mlflow.runName' tag are specified, but with "
                   "different values (run_name='%.*s', mlflow.runName='%.*s').",
                   STR_ARG(str_sub(spec->name, 0, 50)), STR_ARG(str_sub(tagged, 0, 50)));
    *ret_name = spec->name.len ? spec->name : tagged;
    return OK;
}

err client_run_create(struct track *t, const struct client_run_spec *spec,
                      char ret_id[HEX_ID_BYTES])
{
    char made[64];
    struct create c = { .track = t, .spec = spec, .start_ms = spec->start_ms };
    TRY(name_choose(spec, &c.name));
    c.name = client_cut(c.name, TAG_CHARACTERS_MAX);
    for (size_t i = 0; i < spec->tag_count; i++)
        TRY(client_check_key("tags", i, "key", spec->tags[i].key));
    if (spec->user_id.len > USER_BYTES_MAX)
        return ERR(ERR_INVALID, "'user_id' exceeds the maximum length of %d characters",
                   USER_BYTES_MAX);
    if (c.name.len == 0) {
        client_name_make(made);
        c.name = str_of(made);
    }
    if (c.start_ms <= 0)
        c.start_ms = clock_wall_ms();
    rand_hex_id(c.id);
    TRY(store_write(t->store, create_fn, &c));
    announce(t, str_of(c.id), spec->user_id, "run.created", c.name);
    memcpy(ret_id, c.id, HEX_ID_BYTES);
    return OK;
}

/* ------------------------------------------------------------------ update */

struct change {
    struct track *track;
    str run_id;
    const struct client_run_change *to;
    /* results */
    bool ended;
};

static bool is_end(str status)
{
    return str_eq(status, STR("FINISHED")) || str_eq(status, STR("FAILED")) ||
           str_eq(status, STR("KILLED"));
}

static const char *event_of(str status)
{
    if (str_eq(status, STR("FINISHED")))
        return "run.finished";
    return str_eq(status, STR("KILLED")) ? "run.killed" : "run.failed";
}

static err update_fn(struct store_tx *tx, void *arg)
{
    struct change *c = arg;
    int64_t changed = 0;

    c->ended = false;
    TRY(client_write_begin(tx, c->run_id));
    if (c->to->status.len) {
        TRY(store_exec(tx,
                       "UPDATE runs SET status = ?2 WHERE run_id = ?1 AND origin = 'client'"
                       " AND status <> ?2",
                       ARGS(sql_text(c->run_id), sql_text(c->to->status)), &changed));
        c->ended = changed > 0 && is_end(c->to->status);
        int64_t is_so = 0;
        TRY(store_get_int(store_tx_read(tx),
                          "SELECT COUNT(*) FROM runs WHERE run_id = ?1 AND status = ?2",
                          ARGS(sql_text(c->run_id), sql_text(c->to->status)), &is_so));
        if (!is_so)
            return ERR(ERR_INVALID,
                       "The status of run %.*s is set by the job of this server that makes it:"
                       " stop the job to end the run",
                       STR_ARG(c->run_id));
    }
    if (c->to->end_ms >= 0)
        TRY(store_exec(tx, "UPDATE runs SET end_ms = ?2 WHERE run_id = ?1 AND origin = 'client'",
                       ARGS(sql_text(c->run_id), sql_int(c->to->end_ms)), NULL));
    if (c->to->name.len)
        TRY(client_tag_put(tx, c->run_id, &(struct track_tag){ CLIENT_TAG_RUN_NAME, c->to->name }));
    return c->ended ? track_tell_run(c->track, tx, event_of(c->to->status), c->run_id) : OK;
}

err client_run_update(struct track *t, str run_id, const struct client_run_change *change)
{
    struct client_run_change to = *change;
    struct change c = { .track = t, .run_id = run_id, .to = &to };
    to.name = client_cut(to.name, TAG_CHARACTERS_MAX);
    TRY(store_write(t->store, update_fn, &c));
    if (c.ended) {
        metric_add(TRACK_CELL(t->metrics, TRACK_M_RUNS, STR(COMPONENT), to.status), 1);
        announce(t, run_id, STR_NONE, "run.ended", to.status);
    }
    return OK;
}

/* ------------------------------------------------------------------ delete and restore */

/* Sets *ret_is_house_work for a run that one of our stages works on, or will. */
static err run_find(struct store_read *rd, str run_id, bool *ret_is_house_work)
{
    int64_t works = 0;
    err e = store_get_int(rd,
                          "SELECT CASE WHEN origin = 'house' AND status IN ('RUNNING', 'SCHEDULED')"
                          " THEN 1 ELSE 0 END FROM runs WHERE run_id = ?1",
                          ARGS(sql_text(run_id)), &works);
    if (e.code == ERR_NOT_FOUND)
        return ERR(ERR_NOT_FOUND, "Run with id=%.*s not found", STR_ARG(str_sub(run_id, 0, 100)));
    *ret_is_house_work = works != 0;
    return e;
}

static err delete_fn(struct store_tx *tx, void *arg)
{
    const str *run_id = arg;
    bool works = false;
    TRY(run_find(store_tx_read(tx), *run_id, &works));
    if (works)
        return ERR(ERR_INVALID, "The run %.*s is at work in this server: stop its job first",
                   STR_ARG(*run_id));
    return store_exec(tx,
                      "UPDATE runs SET lifecycle_stage = 'deleted', deleted_ms = ?2"
                      " WHERE run_id = ?1 AND lifecycle_stage = 'active'",
                      ARGS(sql_text(*run_id), sql_int(clock_wall_ms())), NULL);
}

err client_run_delete(struct track *t, str run_id)
{
    return store_write(t->store, delete_fn, &run_id);
}

static err restore_fn(struct store_tx *tx, void *arg)
{
    const str *run_id = arg;
    int64_t found = 0;
    TRY(store_exec(tx,
                   "UPDATE runs SET lifecycle_stage = 'active', deleted_ms = NULL"
                   " WHERE run_id = ?1 AND purge_ms IS NULL",
                   ARGS(sql_text(*run_id)), &found));
    return found ? OK
                 : ERR(ERR_NOT_FOUND, "Run with id=%.*s not found",
                       STR_ARG(str_sub(*run_id, 0, 100)));
}

err client_run_restore(struct track *t, str run_id)
{
    return store_write(t->store, restore_fn, &run_id);
}
