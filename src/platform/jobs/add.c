/* SPDX-License-Identifier: GPL-3.0-or-later */
/* add.c -- a new job: checked, written, and known by id and run id from then on. */
#include "platform/jobs/jobs_internal.h"

static err spec_check_lengths(const struct job_spec *s)
{
    const struct {
        const char *name;
        str text;
    } texts[] = { { "key", s->key }, { "username", s->username }, { "schedule", s->schedule } };
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        if (texts[i].text.len > JOB_NAME_MAX)
            return ERR(ERR_TOO_BIG, "the %s of a job has %zu bytes; at most %d are possible",
                       texts[i].name, texts[i].text.len, JOB_NAME_MAX);
    }
    if (s->payload.len > JOB_PAYLOAD_MAX)
        return ERR(ERR_TOO_BIG,
                   "the payload of a job has %zu bytes; at most %d are possible: store "
                   "the data and send its id",
                   s->payload.len, JOB_PAYLOAD_MAX);
    if (s->priority < -JOB_PRIORITY_MAX || s->priority > JOB_PRIORITY_MAX)
        return ERR(ERR_INVALID, "priority %d is not between %d and %d", s->priority,
                   -JOB_PRIORITY_MAX, JOB_PRIORITY_MAX);
    if (s->not_before_ms < 0 || s->not_before_ms > CLOCK_MS_MAX)
        return ERR(ERR_INVALID, "the start time of a job lies out of range");
    return OK;
}

static err run_id_check(str run_id)
{
    bool ok = run_id.len == HEX_ID_BYTES - 1;
    for (size_t i = 0; ok && i < run_id.len; i++) {
        char c = run_id.ptr[i];
        ok = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
    }
    return ok ? OK
              : ERR(ERR_INVALID, "run id '%.*s' is not 32 lower-case hex digits", STR_ARG(run_id));
}

static err payload_check(str payload)
{
    arena scratch;
    arena_init(&scratch, 8 * 1024 * 1024); /* a tree takes more room than its text */
    const struct json *root = NULL;
    err e = json_parse(&scratch, payload, &root);
    if (!e.code && json_kind(root) != JSON_IS_OBJECT)
        e = ERR(ERR_INVALID, "it is not a JSON object");
    arena_deinit(&scratch);
    return e.code ? err_wrap(e, "the payload of a job") : OK;
}

static err spec_check(struct jobs *j, const struct job_spec *s, const struct job_kind **ret_kind)
{
    const struct job_kind *kind = jobs_kind(j, str_of(s->kind));
    if (!kind)
        return ERR(ERR_INVALID, "there is no job kind '%s'", s->kind ? s->kind : "");
    TRY(spec_check_lengths(s));
    if (s->run_id.len)
        TRY(run_id_check(s->run_id));
    if (s->payload.len)
        TRY(payload_check(s->payload));
    *ret_kind = kind;
    return OK;
}

/* Refuses what would make the queue longer than allowed. Counts no further than that. */
static err pending_check(struct jobs *j, struct store_tx *tx, const char *kind)
{
    int64_t one = 0;
    err e = store_get_int(store_tx_read(tx),
                          "SELECT 1 FROM jobs_queue WHERE kind = ?1 LIMIT 1 OFFSET ?2",
                          ARGS(sql_cstr(kind), sql_int(j->options.pending_max - 1)), &one);
    if (e.code == ERR_NOT_FOUND)
        return OK;
    if (e.code)
        return e;
    return ERR(ERR_BUSY,
               "%lld jobs of the kind %s are waiting already: try again when some are done",
               (long long)j->options.pending_max, kind);
}

/* The unfinished job with this key: *ret_found false when there is none. */
static err key_find(struct store_tx *tx, const struct job_spec *s, char id[UUID_BYTES],
                    bool *ret_found)
{
    struct store_rows *rows;
    TRY(store_query(store_tx_read(tx),
                    "SELECT id FROM jobs WHERE kind = ?1 AND job_key = ?2 AND finished_ms IS NULL",
                    ARGS(sql_cstr(s->kind), sql_text(s->key)), &rows));
    bool found = store_next(rows);
    if (found)
        snprintf(id, UUID_BYTES, "%.*s", STR_ARG(store_col_text(rows, 0)));
    TRY(store_rows_close(rows));
    *ret_found = found;
    return OK;
}

static err row_insert(struct jobs *j, struct store_tx *tx, const struct job_kind *kind,
                      const struct job_spec *s, const char *id, enum job_state state,
                      int64_t now_ms)
{
    char run_id[HEX_ID_BYTES];
    rand_hex_id(run_id);
    return store_exec(
        tx,
        "INSERT INTO jobs (id, kind, state, priority, payload, job_key, username, schedule, "
        "run_id, tries_max, created_ms, next_try_ms, attempts, crashes, pause_wanted, "
        "stop_wanted, lease_no, lease_moved, done, total, eta_s, place) "
        "VALUES (?1, ?2, ?13, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, "
        "0, 0, 0, 0, 0, 0, 0, 0, -1, ?12)",
        ARGS(sql_cstr(id), sql_cstr(kind->name), sql_int(s->priority),
             sql_text(s->payload.len ? s->payload : STR("{}")), sql_text_opt(s->key),
             sql_text(s->username.len ? s->username : STR("")), sql_text_opt(s->schedule),
             s->run_id.len ? sql_text(s->run_id) : sql_cstr(run_id),
             sql_int(kind->tries_max > 0 ? kind->tries_max : JOB_TRIES_DEFAULT), sql_int(now_ms),
             sql_int(s->not_before_ms > now_ms ? s->not_before_ms : now_ms),
             sql_cstr(s->is_here ? j->options.self.place : NULL), sql_cstr(job_state_name(state))),
        NULL);
}

err job_add_tx(struct jobs *j, struct store_tx *tx, const struct job_spec *spec,
               char ret_id[UUID_BYTES], bool *ret_is_new)
{
    const struct job_kind *kind = NULL;
    TRY(spec_check(j, spec, &kind));
    char id[UUID_BYTES];
    if (spec->key.len) {
        bool found = false;
        TRY(key_find(tx, spec, id, &found));
        if (found) {
            snprintf(ret_id, UUID_BYTES, "%s", id);
            *ret_is_new = false;
            return OK;
        }
    }
    TRY(pending_check(j, tx, spec->kind));
    int64_t now_ms = clock_wall_ms();
    rand_uuid(id);
    bool has_needs = spec->needs && spec->needs[0];
    err e = row_insert(j, tx, kind, spec, id, has_needs ? JOB_WAITING : JOB_QUEUED, now_ms);
    if (e.code == ERR_CONFLICT && spec->run_id.len)
        return err_wrap(e, "run id %.*s may be in use already", STR_ARG(spec->run_id));
    if (e.code)
        return e;
    bool is_waiting = false;
    TRY(job_needs_add(tx, id, spec->needs, &is_waiting));
    enum job_state state = is_waiting ? JOB_WAITING : JOB_QUEUED;
    if (has_needs && !is_waiting)
        TRY(store_exec(tx, "UPDATE jobs SET state = 'queued' WHERE id = ?1", ARGS(sql_cstr(id)),
                       NULL));
    struct job_event_row row = {
        .job_id = str_of(id),
        .event = is_waiting ? "job.waiting" : "job.queued",
        .from = -1,
        .to = state,
        .took_ms = -1,
    };
    TRY(job_event_add(j, tx, &row, now_ms));
    snprintf(ret_id, UUID_BYTES, "%s", id);
    *ret_is_new = true;
    return OK;
}

struct add_tx {
    struct jobs *jobs;
    const struct job_spec *spec;
    char id[UUID_BYTES];
    bool is_new;
};

static err add_write(struct store_tx *tx, void *arg)
{
    struct add_tx *a = arg;
    return job_add_tx(a->jobs, tx, a->spec, a->id, &a->is_new);
}

err job_add(struct jobs *j, const struct job_spec *spec, char ret_id[UUID_BYTES], bool *ret_is_new)
{
    struct add_tx a = { .jobs = j, .spec = spec };
    TRY(store_write(j->options.store, add_write, &a));
    snprintf(ret_id, UUID_BYTES, "%s", a.id);
    *ret_is_new = a.is_new;
    jobs_wake(j);
    return OK;
}
