/* SPDX-License-Identifier: GPL-3.0-or-later */
/* move.c -- an installation from one place to another.
 *
 * The order of the end is what keeps acknowledged writes: first the source says "leaving", so that
 * nobody opens it any more; then the last differences are copied and compared; then the source says
 * "moved", and last the target loses its "filling". A crash between any two leaves at most one of
 * them usable, and the move can be run again.
 */
#include <stdio.h>
#include <string.h>

#include "platform/move/copy.h"
#include "platform/move/notes.h"

enum { SNAPSHOTS_MAX = 4, FROM_BYTES = 80 };

struct move {
    const struct move_place *from, *to;
    const struct move_schema *schemas;
    const struct move_progress *progress;
    arena *keep;
    bool is_final;
    char from_id[HEX_ID_BYTES];
    struct table_plan *plans;
    size_t plan_count;
    struct blob_list blobs;
    struct move_report report;
};

/* ------------------------------------------------------------------ may the target be used? */

struct target_look {
    arena *keep;
    size_t table_count; /* without those that any store has as soon as it is written to */
    str state, from, installation;
};

static err target_look(struct store_read *rd, void *arg)
{
    struct target_look *look = arg;
    struct store_table *tables = NULL;
    size_t count = 0;
    bool has_notes = false;
    look->table_count = 0;
    TRY(store_tables(rd, look->keep, &tables, &count));
    for (size_t i = 0; i < count; i++) {
        look->table_count += !schema_is_own_affair(tables[i].name);
        has_notes |= str_eq(tables[i].name, STR("move_notes"));
    }
    if (!has_notes)
        return OK;
    TRY(move_note_get(rd, "state", look->keep, &look->state));
    TRY(move_note_get(rd, "from", look->keep, &look->from));
    return move_note_get(rd, "installation", look->keep, &look->installation);
}

/* Says in the target whose copy it is, before the first row is written. */
static err claim_target(struct move *m)
{
    struct target_look look = { .keep = m->keep };
    char from[FROM_BYTES];
    snprintf(from, sizeof from, "installation:%s", m->from_id);
    TRY(store_read(m->to->store, target_look, &look));
    /* A move that was killed early leaves one or both of its own tables, and no word in them. */
    bool is_empty = look.table_count == 0 && !look.installation.len && !look.state.len;
    bool is_ours = str_eq(look.state, STR("filling")) && str_eq(look.from, str_of(from));
    bool is_old_home = (str_eq(look.state, STR("moved")) || str_eq(look.state, STR("leaving"))) &&
                       str_eq(look.installation, str_of(m->from_id));
    if (!is_empty && !is_ours && !is_old_home)
        return ERR(ERR_CONFLICT,
                   "%s holds something else: %s (name an empty database, or drop what it holds)",
                   m->to->shown,
                   str_eq(look.state, STR("filling")) ? "a copy of another installation"
                                                      : "an installation that is in use");
    TRY(store_migrate(m->to->store, "move", move_migrations));
    if (is_ours)
        return OK;
    const struct move_note notes[] = { { "state", STR("filling") },
                                       { "from", str_of(from) },
                                       { "peer", STR_NONE },
                                       { "blobs_checked", STR_NONE } };
    return move_notes_write(m->to->store, notes, COUNT_OF(notes));
}

/* ------------------------------------------------------------------ rows */

struct table_job {
    struct table_plan *plan, *there;
    struct table_digest here, target;
    bool is_equal;
};

static err look_at_tables(struct move *m, struct row_source *source, struct table_job *jobs)
{
    for (size_t i = 0; i < m->plan_count; i++) {
        struct table_job *j = &jobs[i];
        TRY(move_tell(m->progress, "compare", (int64_t)i, (int64_t)m->plan_count));
        TRY(store_digest(m->to->store, j->there, &j->target));
        TRY(source_digest(source, j->plan, &j->here));
        j->is_equal = table_digest_equal(&j->here, &j->target);
        m->report.rows += j->here.rows;
        m->report.tables_equal_already += j->is_equal;
    }
    return OK;
}

static err copy_tables(struct move *m, struct row_source *source, struct table_job *jobs)
{
    struct sync_report report;
    int64_t done = 0, deleted = 0;
    for (size_t i = m->plan_count; i-- > 0;) {
        if (jobs[i].is_equal || jobs[i].target.rows == 0)
            continue;
        TRY(sync_delete(source, m->to->store, jobs[i].there, &report));
        deleted += report.changed;
    }
    m->report.rows_changed += deleted;
    for (size_t i = 0; i < m->plan_count; i++) {
        TRY(move_tell(m->progress, "rows", done, m->report.rows));
        done += jobs[i].here.rows;
        /* A deleted parent may have taken rows along. */
        if (jobs[i].is_equal && (!deleted || !jobs[i].plan->table->parent_count))
            continue;
        TRY(sync_write(source, m->to->store, jobs[i].there, &report));
        m->report.rows_changed += report.changed;
        TRY(store_digest(m->to->store, jobs[i].there, &jobs[i].target));
        if (!table_digest_equal(&jobs[i].here, &jobs[i].target))
            return ERR(ERR_CORRUPT,
                       "table %s was copied and is not the same: %lld rows here, %lld there (run "
                       "it again; if it happens again, please report it)",
                       jobs[i].plan->name, (long long)jobs[i].here.rows,
                       (long long)jobs[i].target.rows);
    }
    return OK;
}

static bool all_equal(const struct table_job *jobs, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!jobs[i].is_equal)
            return false;
    return true;
}

/* Makes the target's tables like the source's. */
static err match_schemas(struct move *m, struct store_read *rd, struct table_plan **ret_there)
{
    struct schema_step *steps = NULL;
    size_t step_count = 0, there_count = 0;
    TRY(schema_steps(rd, m->keep, &steps, &step_count));
    TRY(schema_apply(m->to->store, m->schemas, steps, step_count));
    TRY(schema_plans_of(m->to->store, m->keep, ret_there, &there_count));
    return err_wrap(schema_compare(m->plans, m->plan_count, *ret_there, there_count),
                    "comparing the tables with those at %s", m->to->shown);
}

static err copy_rows(struct move *m, struct store_read *rd)
{
    struct table_plan *there = NULL;
    TRY(match_schemas(m, rd, &there));
    struct table_job *jobs = NEW_ARRAY(m->keep, struct table_job, m->plan_count + 1);
    ARENA_TRY(jobs);
    for (size_t i = 0; i < m->plan_count; i++)
        jobs[i] = (struct table_job){ .plan = &m->plans[i], .there = &there[i] };
    struct store_source s;
    struct row_source source = store_source_of(&s, rd);
    m->report.rows = m->report.tables_equal_already = 0;
    err e = look_at_tables(m, &source, jobs);
    if (!e.code && !all_equal(jobs, m->plan_count))
        e = copy_tables(m, &source, jobs);
    store_source_deinit(&s);
    return e;
}

/* One snapshot: its rows, and the names of its blobs. */
static err snapshot(struct store_read *rd, void *arg)
{
    struct move *m = arg;
    TRY(schema_plans(rd, m->keep, &m->plans, &m->plan_count));
    m->report.tables = (int64_t)m->plan_count;
    if (m->to->store)
        TRY(copy_rows(m, rd));
    return blob_list_named(&m->blobs, m->from->roots, m->from->roots_arg);
}

/* ------------------------------------------------------------------ blobs */

static err copy_blobs(struct move *m, bool check_all)
{
    m->report.blobs = m->report.blob_bytes = 0;
    for (size_t i = 0; i < m->blobs.count; i++) {
        struct blob_info *info = &m->blobs.items[i];
        bool copied = false;
        TRY(move_tell(m->progress, "blobs", (int64_t)i, (int64_t)m->blobs.count));
        TRY(blob_copy(m->from->blobs, m->to->blobs, info, true, &copied));
        if (!copied && check_all)
            TRY(err_wrap(blob_verify(m->to->blobs, &info->id), "reading back what is there"));
        m->report.blobs++;
        m->report.blob_bytes += info->bytes;
        m->report.blobs_copied += copied;
        m->report.blob_bytes_copied += copied ? info->bytes : 0;
    }
    return OK;
}

/* Blobs that an earlier run copied were read back by it, if it came to its end. */
static err checked_already(struct move *m, bool *ret_checked)
{
    *ret_checked = false;
    if (!m->to->store)
        return OK;
    struct move_note note = { "blobs_checked", STR_NONE };
    TRY(move_notes_read(m->to->store, &note, 1, m->keep));
    *ret_checked = note.value.len > 0;
    note.value = STR_NONE;
    return *ret_checked ? move_notes_write(m->to->store, &note, 1) : OK;
}

static err copy_all(struct move *m)
{
    bool checked = false;
    TRY(checked_already(m, &checked));
    /* The bulk beforehand, so that the snapshot's rows do not wait for it. */
    if (m->to->blobs) {
        TRY(blob_list_named(&m->blobs, m->from->roots, m->from->roots_arg));
        err e = copy_blobs(m, !checked);
        if (e.code && e.code != ERR_NOT_FOUND)
            return e;
    }
    err e = OK;
    for (int i = 0; i < SNAPSHOTS_MAX; i++) {
        TRY(store_read(m->from->store, snapshot, m));
        if (!m->to->blobs)
            return OK;
        e = copy_blobs(m, false);
        if (e.code != ERR_NOT_FOUND)
            break;
    }
    if (e.code)
        return e.code == ERR_NOT_FOUND
                   ? err_wrap(e,
                              "a blob is named by the rows and missing (restore it from a backup)")
                   : e;
    const struct move_note note = { "blobs_checked", STR("1") };
    return m->to->store ? move_notes_write(m->to->store, &note, 1) : OK;
}

/* ------------------------------------------------------------------ the end */

static err source_says(struct move *m, const char *state)
{
    const struct move_note notes[] = { { "state", str_of(state) },
                                       { "peer", str_of(m->to->shown) } };
    return move_notes_write(m->from->store, notes, COUNT_OF(notes));
}

static err need_alone(struct move *m)
{
    int64_t others = 0;
    TRY(store_others(m->from->store, &others));
    if (others)
        return ERR(ERR_BUSY,
                   "%lld other Skerry processes are connected to %s: stop them, then run this "
                   "again",
                   (long long)others, m->from->shown);
    return OK;
}

static err finish(struct move *m)
{
    const struct move_note notes[] = { { "installation", str_of(m->from_id) },
                                       { "state", STR_NONE },
                                       { "from", STR_NONE },
                                       { "peer", STR_NONE },
                                       { "blobs_checked", STR_NONE } };
    TRY(source_says(m, "moved"));
    return move_notes_write(m->to->store, notes, COUNT_OF(notes));
}

/* Nobody opens the source from here on; when it comes to nothing, it stays in use. */
static err copy_finally(struct move *m)
{
    TRY(source_says(m, "leaving"));
    err e = need_alone(m);
    if (!e.code)
        e = copy_all(m);
    if (e.code)
        return err_first(e, move_stay(m->from->store));
    return finish(m);
}

static err move_all(struct move *m)
{
    TRY(move_installation(m->from->store, m->from_id));
    if (m->to->blobs)
        TRY(move_blobs_claim(m->to->blobs, m->to->blobs_shown, m->from_id));
    if (m->to->store)
        TRY(claim_target(m));
    TRY(m->is_final && m->to->store ? copy_finally(m) : copy_all(m));
    m->report.is_complete = m->is_final;
    return OK;
}

err move_run(const struct move_place *from, const struct move_place *to,
             const struct move_schema *schemas, bool is_final, const struct move_progress *progress,
             arena *keep, struct move_report *ret_report)
{
    struct move m = { .from = from,
                      .to = to,
                      .schemas = schemas,
                      .progress = progress,
                      .keep = keep,
                      .is_final = is_final };
    err e = move_all(&m);
    blob_list_deinit(&m.blobs);
    if (!e.code)
        *ret_report = m.report;
    return e;
}

err move_stay(struct store *s)
{
    const struct move_note notes[] = { { "state", STR_NONE }, { "peer", STR_NONE } };
    return move_notes_write(s, notes, COUNT_OF(notes));
}
