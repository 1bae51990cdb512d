/* SPDX-License-Identifier: GPL-3.0-or-later */
/* sync.c -- makes a table of the target equal to that of a source.
 *
 * Both are walked in the order of the key. Each page of the source covers a range of keys; what the
 * target has in that range is read, the two are compared, and the differences are written in one
 * transaction. So it does not matter whether the target was empty, half filled by a process that
 * was killed, or filled yesterday.
 */
#include <assert.h>
#include <stdlib.h>

#include "platform/move/copy.h"

/* Rows of the target in a range of keys. */
struct target {
    struct store *store;
    const struct table_plan *plan;
    const struct store_value *until; /* end of the range; NULL: of the table */
    struct store_value *last;        /* read last; NULL: nothing yet */
    arena last_memory;
    struct page page;
    size_t at;
    bool is_read; /* the page holds what comes next, or nothing does */
};

struct change_list {
    const struct store_value *inserts[PAGE_ROWS_MAX];
    const struct store_value *updates[PAGE_ROWS_MAX];
    struct store_value *deletes[PAGE_ROWS_MAX];
    size_t insert_count, update_count, delete_count;
    arena memory; /* of deletes */
};

struct sync {
    const struct table_plan *plan;
    struct target target;
    struct change_list *changes;
    int64_t changed;
    bool deletes; /* else inserts and updates */
};

/* ------------------------------------------------------------------ the target */

static err target_page(struct store_read *rd, void *arg)
{
    struct target *t = arg;
    return page_read(rd, t->plan, t->last, t->until, &t->page);
}

/* The next row of the range, or NULL. It lives until the one after it is asked for. */
static err target_peek(struct target *t, const struct store_value **ret_row)
{
    if (!t->is_read || (t->page.row_count && t->at == t->page.row_count)) {
        TRY(store_read(t->store, target_page, t));
        t->at = 0;
        t->is_read = true;
        if (t->page.row_count) {
            arena_reset(&t->last_memory);
            TRY(row_keep(t->plan, page_row(&t->page, t->page.row_count - 1), &t->last_memory,
                         &t->last));
        }
    }
    *ret_row = t->at < t->page.row_count ? page_row(&t->page, t->at) : NULL;
    return OK;
}

static void target_range(struct target *t, const struct store_value *until)
{
    t->until = until;
    t->is_read = false;
}

/* The range is done: what was written into it is not read again. */
static err target_pass(struct target *t)
{
    arena_reset(&t->last_memory);
    return row_keep(t->plan, t->until, &t->last_memory, &t->last);
}

/* ------------------------------------------------------------------ differences */

static err write_inserts(struct store_tx *tx, const struct table_plan *p,
                         const struct change_list *c)
{
    struct store_bulk *bulk = NULL;
    int64_t inserted = 0;
    if (!c->insert_count)
        return OK;
    TRY(store_bulk_begin(tx, p->name, p->columns, (int)p->table->column_count, &bulk));
    for (size_t i = 0; i < c->insert_count; i++)
        TRY(store_bulk_row(bulk, c->inserts[i]));
    TRY(store_bulk_end(bulk, &inserted));
    if (inserted != (int64_t)c->insert_count)
        return ERR(ERR_CONFLICT,
                   "table %s: a row to be written clashes with one that is to change (empty the "
                   "target, then run this again)",
                   p->name);
    return OK;
}

static err write_update(struct store_tx *tx, const struct table_plan *p,
                        const struct store_value *row)
{
    struct store_value values[STORE_COLUMNS_MAX];
    size_t count = 0;
    int64_t changed = 0;
    assert(p->update); /* rows of the same key differ in some other column */
    for (size_t i = 0; i < p->table->column_count; i++)
        if (!p->table->columns[i].key)
            values[count++] = row[i];
    for (size_t i = 0; i < p->key_count; i++)
        values[count++] = row[p->keys[i]];
    TRY(store_exec(tx, p->update, (struct store_args){ values, count }, &changed));
    return changed == 1 ? OK
                        : ERR(ERR_CONFLICT, "table %s changed meanwhile in the target", p->name);
}

static err write_delete(struct store_tx *tx, const struct table_plan *p,
                        const struct store_value *row)
{
    struct store_value values[STORE_COLUMNS_MAX];
    for (size_t i = 0; i < p->key_count; i++)
        values[i] = row[p->keys[i]];
    /* Nothing changed: it went with its parent. */
    return store_exec(tx, p->remove, (struct store_args){ values, p->key_count }, NULL);
}

static err write_changes(struct store_tx *tx, void *arg)
{
    const struct sync *s = arg;
    const struct change_list *c = s->changes;
    for (size_t i = 0; i < c->delete_count; i++)
        TRY(write_delete(tx, s->plan, c->deletes[i]));
    for (size_t i = 0; i < c->update_count; i++)
        TRY(write_update(tx, s->plan, c->updates[i]));
    return write_inserts(tx, s->plan, c);
}

static err flush_changes(struct sync *s)
{
    struct change_list *c = s->changes;
    size_t count = c->delete_count + c->update_count + c->insert_count;
    if (count)
        TRY(err_wrap(store_write(s->target.store, write_changes, s), "writing to table %s",
                     s->plan->name));
    s->changed += (int64_t)count;
    c->insert_count = c->update_count = c->delete_count = 0;
    arena_reset(&c->memory);
    return OK;
}

/* A row that the source lacks. */
static err extra(struct sync *s, const struct store_value *row)
{
    struct change_list *c = s->changes;
    if (!s->deletes)
        return ERR(ERR_CONFLICT,
                   "table %s of the target has a row that the source lacks: somebody else writes "
                   "there (stop it, then run this again)",
                   s->plan->name);
    TRY(row_keep(s->plan, row, &c->memory, &c->deletes[c->delete_count]));
    c->delete_count++;
    return c->delete_count == PAGE_ROWS_MAX ? flush_changes(s) : OK;
}

/* Rows of the target before `row`; of the whole range when it is NULL. *ret_same is the one of the
 * same key, or NULL. */
static err catch_up(struct sync *s, const struct store_value *row,
                    const struct store_value **ret_same)
{
    *ret_same = NULL;
    for (;;) {
        const struct store_value *there = NULL;
        TRY(target_peek(&s->target, &there));
        int order = !there ? 1 : !row ? -1 : row_key_cmp(s->plan, there, row);
        if (order > 0)
            return OK;
        s->target.at++;
        if (order == 0) {
            *ret_same = there;
            return OK;
        }
        TRY(extra(s, there));
    }
}

static err sync_page(struct sync *s, const struct page *p)
{
    struct change_list *c = s->changes;
    target_range(&s->target, page_row(p, p->row_count - 1));
    for (size_t i = 0; i < p->row_count; i++) {
        const struct store_value *row = page_row(p, i), *same = NULL;
        TRY(catch_up(s, row, &same));
        if (s->deletes)
            continue;
        if (!same)
            c->inserts[c->insert_count++] = row;
        else if (!row_equal(s->plan, row, same))
            c->updates[c->update_count++] = row;
    }
    TRY(flush_changes(s)); /* the rows live in the page */
    return target_pass(&s->target);
}

static err ids_continue(struct store_tx *tx, void *arg)
{
    const struct table_plan *p = arg;
    return store_ids_continue(tx, str_of(p->name));
}

static err sync_pages(struct sync *s, struct row_source *source, struct digester *digest)
{
    struct page p;
    const struct store_value *same = NULL;
    page_init(&p);
    err e = source->begin(source->arg, s->plan);
    while (!e.code) {
        e = source->next(source->arg, &p);
        if (e.code || !p.row_count)
            break;
        e = digester_add(digest, s->plan, &p);
        if (!e.code)
            e = sync_page(s, &p);
    }
    page_deinit(&p);
    target_range(&s->target, NULL);
    if (!e.code)
        e = catch_up(s, NULL, &same);
    return e.code ? e : flush_changes(s);
}

static err run(struct row_source *source, struct store *target, const struct table_plan *t,
               bool deletes, struct sync_report *ret_report)
{
    struct digester digest;
    struct sync s = { .plan = t,
                      .target = { .store = target, .plan = t },
                      .changes = calloc(1, sizeof *s.changes),
                      .deletes = deletes };
    if (!s.changes)
        return ERR(ERR_NO_MEMORY, "copying table %s: out of memory", t->name);
    arena_init(&s.changes->memory, PAGE_ARENA_BYTES);
    arena_init(&s.target.last_memory, PAGE_ARENA_BYTES);
    page_init(&s.target.page);
    digester_begin(&digest);
    err e = sync_pages(&s, source, &digest);
    digester_end(&digest, &ret_report->digest);
    ret_report->changed = s.changed;
    page_deinit(&s.target.page);
    arena_deinit(&s.target.last_memory);
    arena_deinit(&s.changes->memory);
    free(s.changes);
    return e;
}

err sync_delete(struct row_source *source, struct store *target, const struct table_plan *t,
                struct sync_report *ret_report)
{
    return run(source, target, t, true, ret_report);
}

err sync_write(struct row_source *source, struct store *target, const struct table_plan *t,
               struct sync_report *ret_report)
{
    TRY(run(source, target, t, false, ret_report));
    return store_write(target, ids_continue, (void *)(uintptr_t)t);
}
