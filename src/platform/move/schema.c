/* SPDX-License-Identifier: GPL-3.0-or-later */
/* schema.c -- which tables there are, and how far their owners' migrations have come. */
#include <stdio.h>
#include <stdlib.h>

#include "platform/move/copy.h"

enum { OWNERS_MAX = 64 };

err schema_steps(struct store_read *rd, arena *keep, struct schema_step **ret_steps,
                 size_t *ret_count)
{
    struct schema_step *steps = NEW_ARRAY(keep, struct schema_step, OWNERS_MAX);
    struct store_rows *rows = NULL;
    size_t count = 0;
    ARENA_TRY(steps);
    TRY(store_query(rd,
                    "SELECT owner, MAX(number) FROM store_migrations GROUP BY owner"
                    " ORDER BY owner LIMIT 64",
                    NO_ARGS, &rows));
    while (count < OWNERS_MAX && store_next(rows)) {
        steps[count].owner = store_col_text_keep(rows, 0, keep);
        steps[count].number = (int)store_col_int(rows, 1);
        count++;
    }
    TRY(store_rows_close(rows));
    *ret_steps = steps;
    *ret_count = count;
    return arena_check(keep);
}

static const struct move_schema *schema_find(const struct move_schema *schemas, str owner)
{
    for (const struct move_schema *m = schemas; m->owner; m++)
        if (str_eq(owner, str_of(m->owner)))
            return m;
    return NULL;
}

err schema_apply(struct store *s, const struct move_schema *schemas,
                 const struct schema_step *steps, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct move_schema *m = schema_find(schemas, steps[i].owner);
        int newest = 0;
        for (const struct store_migration *step = m ? m->steps : NULL; step && step->number; step++)
            newest = step->number;
        if (steps[i].number > newest)
            return ERR(
                ERR_UNSUPPORTED,
                "the tables of '%.*s' are at step %d, this program knows %d (use the program "
                "that wrote them, or a newer one)",
                STR_ARG(str_sub(steps[i].owner, 0, 40)), steps[i].number, newest);
        if (m)
            TRY(store_migrate_to(s, m->owner, m->steps, steps[i].number));
    }
    return OK;
}

/* ------------------------------------------------------------------ tables */

bool schema_is_own_affair(str name)
{
    return str_eq(name, STR("store_migrations")) || str_eq(name, STR("move_notes"));
}

err schema_plans(struct store_read *rd, arena *keep, struct table_plan **ret_plans,
                 size_t *ret_count)
{
    struct store_table *tables = NULL;
    size_t table_count = 0, count = 0;
    TRY(store_tables(rd, keep, &tables, &table_count));
    struct table_plan *plans = NEW_ARRAY(keep, struct table_plan, table_count + 1);
    ARENA_TRY(plans);
    for (size_t i = 0; i < table_count; i++)
        if (!schema_is_own_affair(tables[i].name))
            TRY(table_plan_make(&tables[i], keep, &plans[count++]));
    *ret_plans = plans;
    *ret_count = count;
    return OK;
}

struct plans_call {
    arena *keep;
    struct table_plan *plans;
    size_t count;
};

static err plans_read(struct store_read *rd, void *arg)
{
    struct plans_call *c = arg;
    return schema_plans(rd, c->keep, &c->plans, &c->count);
}

err schema_plans_of(struct store *s, arena *keep, struct table_plan **ret_plans, size_t *ret_count)
{
    struct plans_call call = { .keep = keep };
    TRY(store_read(s, plans_read, &call));
    *ret_plans = call.plans;
    *ret_count = call.count;
    return OK;
}

static err table_compare(const struct store_table *a, const struct store_table *b)
{
    bool same = str_eq(a->name, b->name) && a->column_count == b->column_count;
    for (size_t i = 0; same && i < a->column_count; i++)
        same = str_eq(a->columns[i].name, b->columns[i].name) &&
               a->columns[i].type == b->columns[i].type && a->columns[i].key == b->columns[i].key;
    if (same)
        return OK;
    return ERR(ERR_CONFLICT,
               "table %.*s has other columns on the other side, there %.*s (copy "
               "into an empty store)",
               STR_ARG(a->name), STR_ARG(b->name));
}

err schema_compare(const struct table_plan *a, size_t a_count, const struct table_plan *b,
                   size_t b_count)
{
    for (size_t i = 0; i < a_count && i < b_count; i++)
        TRY(table_compare(a[i].table, b[i].table));
    if (a_count != b_count)
        return ERR(ERR_CONFLICT,
                   "%zu tables on one side, %zu on the other (copy into an empty "
                   "store)",
                   a_count, b_count);
    return OK;
}
