/* SPDX-License-Identifier: GPL-3.0-or-later */
/* search.c -- one page: the order, where to begin, what to read.
 *
 * The plan is ours and not the engine's, which has no statistics on an embedded file:
 *
 *   1. A condition that few rows fulfil, by a count that stops early: begin there, in its index,
 *      look the searched rows up, sort them.
 *   2. Else, when the order is by a metric, param or tag: walk that index in its order, first the
 *      values, then NaN, then what has none ("stages"), until the page is full.
 *   3. Else walk the searched rows in their own order until the page is full.
 *
 * All three give the same rows in the same order: a token of one fits the others.
 */
#include "platform/track/search.h"

#include <string.h>

#include "platform/track/search_internal.h"

/* Up to so many rows are looked up and sorted; more are walked until the page is full. */
enum { FEW_ROWS = 1000, HITS_FIRST = 128 };
#define FIRST_MS "-9223372036854775807"
#define LAST_MS "9223372036854775807"

enum stage { STAGE_VALUES, STAGE_NAN, STAGE_MISSING, STAGE_ALL };

/* How a kind is read. */
struct source {
    const char *table, *id, *number;
    struct {
        const char *sql; /* that of the key in search_kinds.c: no tie when it is ordered by */
        enum search_key_type type;
        bool is_descending;
        bool is_nullable;
    } ties[2];
    const char *defaults[2]; /* orders when none is given, beyond the ties */
};

static const struct source sources[SEARCH_KIND_COUNT] = {
    [SEARCH_RUNS] = { "runs",
                      "r.run_id",
                      "0",
                      { { "r.start_ms", SEARCH_KEY_INT, true, true },
                        { "r.run_id", SEARCH_KEY_TEXT, false, false } },
                      { NULL } },
    [SEARCH_EXPERIMENTS] = { "experiments",
                             "''",
                             "r.experiment_id",
                             { { "r.experiment_id", SEARCH_KEY_INT, true, false } },
                             { "creation_time DESC", "experiment_id ASC" } },
    [SEARCH_MODELS] = { "registered_models",
                        "r.name",
                        "0",
                        { { "r.name", SEARCH_KEY_TEXT, false, false } },
                        { NULL } },
    [SEARCH_VERSIONS] = { "model_versions",
                          "r.id",
                          "0",
                          { { "r.name", SEARCH_KEY_TEXT, false, false },
                            { "r.version", SEARCH_KEY_INT, true, false } },
                          { "last_updated_timestamp DESC" } },
    [SEARCH_LOGGED_MODELS] = { "logged_models",
                               "r.model_id",
                               "0",
                               { { "r.created_ms", SEARCH_KEY_INT, true, false },
                                 { "r.model_id", SEARCH_KEY_TEXT, false, false } },
                               { NULL } },
    [SEARCH_TRACES] = { "traces",
                        "r.trace_id",
                        "0",
                        { { "r.request_ms", SEARCH_KEY_INT, true, false },
                          { "r.trace_id", SEARCH_KEY_TEXT, false, false } },
                        { NULL } },
};

struct search {
    const struct search_spec *spec;
    const struct source *source;
    arena *keep;
    struct search_filter filter;
    struct search_order orders[SEARCH_ORDERS_MAX];
    struct search_dataset order_datasets[SEARCH_ORDERS_MAX];
    size_t order_count;
    struct search_sort sorts[SEARCH_KEYS_MAX];
    size_t sort_count;
    struct search_place after; /* count 0: from the beginning */
    struct search_sql sql;
    /* results, set anew by each try */
    struct search_hit *hits;
    struct store_value *places; /* sort_count of each hit */
    size_t hit_count, hit_room;
    bool is_more;
};

/* ------------------------------------------------------------------ what was asked for */

static err order_push(struct search *s, const struct search_order *o, struct search_dataset dataset)
{
    for (size_t i = 0; i < s->order_count; i++)
        if (s->orders[i].entity == o->entity && str_eq(s->orders[i].key, o->key))
            return ERR(ERR_INVALID, "`order_by` contains duplicate fields: '%.*s'",
                       STR_ARG(str_sub(o->key, 0, 100)));
    if (s->order_count == SEARCH_ORDERS_MAX)
        return ERR(ERR_INVALID, "`order_by` has more than %d fields", SEARCH_ORDERS_MAX);
    s->order_datasets[s->order_count] = dataset;
    s->orders[s->order_count++] = *o;
    return OK;
}

static err fields_parse(struct search *s)
{
    for (size_t i = 0; i < s->spec->field_count; i++) {
        const struct search_field *f = &s->spec->fields[i];
        struct search_order o;
        TRY(search_parse_name(s->spec->kind, f->name, true, &o));
        o.is_descending = f->is_descending;
        if (f->dataset.digest.len && !f->dataset.name.len)
            return ERR(ERR_INVALID, "`dataset_digest` in `order_by` needs `dataset_name`");
        TRY(order_push(s, &o, f->dataset));
    }
    return OK;
}

static err spec_parse(struct search *s)
{
    const struct search_spec *spec = s->spec;
    TRY(search_parse_filter(spec->kind, spec->filter, s->keep, &s->filter));
    TRY(fields_parse(s));
    for (size_t i = 0; i < spec->order_count; i++) {
        struct search_order o;
        TRY(search_parse_order(spec->kind, spec->order_by[i], &o));
        TRY(order_push(s, &o, (struct search_dataset){ 0 }));
    }
    for (size_t i = 0; s->order_count == i && i < COUNT_OF(s->source->defaults); i++) {
        struct search_order o;
        if (!s->source->defaults[i])
            break;
        TRY(search_parse_order(spec->kind, str_of(s->source->defaults[i]), &o));
        TRY(order_push(s, &o, (struct search_dataset){ 0 }));
    }
    if (spec->experiment_count > SEARCH_EXPERIMENTS_MAX)
        return ERR(ERR_INVALID, "More than %d experiments", SEARCH_EXPERIMENTS_MAX);
    for (size_t i = 0; i < spec->dataset_count; i++)
        if (!spec->datasets[i].name.len)
            return ERR(ERR_INVALID, "`dataset_name` in the `datasets` clause must be specified.");
    return OK;
}

static size_t args_room(const struct search *s)
{
    size_t room = 64 + 3 * SEARCH_KEYS_MAX + 3 * SEARCH_ORDERS_MAX;
    for (size_t i = 0; i < s->filter.count; i++)
        room += 12 + 2 * s->filter.conditions[i].list_count + 2 * s->spec->dataset_count;
    return room + 2 * s->spec->dataset_count;
}

/* ------------------------------------------------------------------ keys of the order */

static void sort_push(struct search *s, enum search_key_type type, bool is_descending)
{
    s->sorts[s->sort_count++] = (struct search_sort){ type, is_descending };
}

static bool is_observed(const struct search *s, const char *sql)
{
    for (size_t i = 0; i < s->order_count; i++)
        if (s->orders[i].attribute && str_eq(str_of(s->orders[i].attribute->sql), str_of(sql)))
            return true;
    return false;
}

/* The types of the keys, in the order in which keys_add writes them. */
static void sorts_make(struct search *s)
{
    for (size_t i = 0; i < s->order_count; i++) {
        const struct search_order *o = &s->orders[i];
        const struct search_key *k = o->attribute;
        if (k && k->is_number) {
            sort_push(s, SEARCH_KEY_INT, o->is_descending);
            continue;
        }
        if (!k || k->is_nullable)
            sort_push(s, SEARCH_KEY_INT, false);
        sort_push(s, !k && o->entity->value_is_number ? SEARCH_KEY_REAL : SEARCH_KEY_TEXT,
                  o->is_descending);
    }
    for (size_t i = 0; i < COUNT_OF(s->source->ties) && s->source->ties[i].sql; i++)
        if (!is_observed(s, s->source->ties[i].sql))
            sort_push(s, s->source->ties[i].type, s->source->ties[i].is_descending);
}

static void key_next(struct search *s, size_t *count)
{
    buf_add_fmt(&s->sql.text, " AS k%zu, ", (*count)++);
}

/* A number of the row's own. Without one it comes last. */
static void own_number_add(struct search *s, const char *sql, bool is_nullable, bool is_descending)
{
    if (is_nullable)
        buf_add_fmt(&s->sql.text, "COALESCE(%s, %s)", sql, is_descending ? FIRST_MS : LAST_MS);
    else
        search_sql_add(&s->sql, sql);
}

/* The latest value of a logged model's metric: there is one for each time it was measured. */
static void logged_value_add(struct search *s, size_t i)
{
    const struct search_dataset *d = &s->order_datasets[i];
    search_sql_add(&s->sql, "(SELECT CASE WHEN m.is_nan = 1 THEN NULL ELSE m.value END"
                            " FROM logged_model_metrics m WHERE m.model_id = r.model_id"
                            " AND m.key = ");
    search_sql_arg(&s->sql, sql_text(s->orders[i].key));
    if (d->name.len) {
        search_sql_add(&s->sql, " AND m.dataset_name = ");
        search_sql_arg(&s->sql, sql_text(d->name));
    }
    if (d->digest.len) {
        search_sql_add(&s->sql, " AND m.dataset_digest = ");
        search_sql_arg(&s->sql, sql_text(d->digest));
    }
    search_sql_add(&s->sql, " ORDER BY m.ts_ms DESC, m.step DESC, m.run_id LIMIT 1)");
}

/* A value of any key: joined as o0, o1, ... In a stage all rows have a first value, or none. */
static void other_key_add(struct search *s, size_t i, enum stage stage, size_t *count)
{
    const struct search_order *o = &s->orders[i];
    const char *nothing = o->entity->value_is_number ? "CAST(0 AS @real)" : "''";
    if (i == 0 && stage != STAGE_ALL) {
        buf_add_fmt(&s->sql.text, "%d", stage);
        key_next(s, count);
        search_sql_add(&s->sql, stage == STAGE_VALUES ? "o0.value" : nothing);
        key_next(s, count);
        return;
    }
    if (!o->entity->table) {
        search_sql_add(&s->sql, "CASE WHEN ");
        logged_value_add(s, i);
        buf_add_fmt(&s->sql.text, " IS NULL THEN %d ELSE 0 END", STAGE_MISSING);
        key_next(s, count);
        search_sql_add(&s->sql, "COALESCE(");
        logged_value_add(s, i);
        search_sql_add(&s->sql, ", CAST(0 AS @real))");
        key_next(s, count);
        return;
    }
    buf_add_fmt(&s->sql.text, "CASE WHEN o%zu.value IS NULL THEN %d ", i, STAGE_MISSING);
    if (o->entity->has_nan)
        buf_add_fmt(&s->sql.text, "WHEN o%zu.is_nan = 1 THEN %d ", i, STAGE_NAN);
    search_sql_add(&s->sql, "ELSE 0 END");
    key_next(s, count);
    buf_add_fmt(&s->sql.text, "COALESCE(o%zu.value, %s)", i, nothing);
    key_next(s, count);
}

static void keys_add(struct search *s, enum stage stage)
{
    size_t count = 0;
    for (size_t i = 0; i < s->order_count; i++) {
        const struct search_order *o = &s->orders[i];
        const struct search_key *k = o->attribute;
        if (!k) {
            other_key_add(s, i, stage, &count);
        } else if (k->is_number) {
            own_number_add(s, k->sql, k->is_nullable, o->is_descending);
            key_next(s, &count);
        } else {
            if (k->is_nullable) {
                buf_add_fmt(&s->sql.text, "CASE WHEN %s IS NULL THEN %d ELSE 0 END", k->sql,
                            STAGE_MISSING);
                key_next(s, &count);
                buf_add_fmt(&s->sql.text, "COALESCE(%s, '')", k->sql);
            } else {
                search_sql_add(&s->sql, k->sql);
            }
            key_next(s, &count);
        }
    }
    for (size_t i = 0; i < COUNT_OF(s->source->ties) && s->source->ties[i].sql; i++) {
        if (is_observed(s, s->source->ties[i].sql))
            continue;
        own_number_add(s, s->source->ties[i].sql, s->source->ties[i].is_nullable,
                       s->source->ties[i].is_descending);
        key_next(s, &count);
    }
}

/* Rows behind the place: k0 >= a AND (k0 > a OR (k1 >= b AND (k1 > b OR ...))). The first part lets
 * an index begin there. */
static void after_add(struct search *s, size_t from, bool by_prefix)
{
    search_sql_add(&s->sql, " WHERE ");
    if (by_prefix) {
        buf_add_fmt(&s->sql.text,
                    SEARCH_PREFIX("q.k%zu") " %s= "
                                            "substr(",
                    from, s->sorts[from].is_descending ? "<" : ">");
        search_sql_arg(&s->sql, s->after.values[from]);
        search_sql_add(&s->sql, ", 1, 100) AND ");
    }
    for (size_t i = from; i < s->sort_count; i++) {
        const char *op = s->sorts[i].is_descending ? "<" : ">";
        bool is_last = i + 1 == s->sort_count;
        buf_add_fmt(&s->sql.text, "q.k%zu %s%s ", i, op, is_last ? "" : "=");
        search_sql_arg(&s->sql, s->after.values[i]);
        if (!is_last)
            buf_add_fmt(&s->sql.text, " AND (q.k%zu %s ?%zu OR (", i, op, s->sql.count);
    }
    for (size_t i = from; i + 1 < s->sort_count; i++)
        search_sql_add(&s->sql, "))");
}

/* ------------------------------------------------------------------ one query */

static bool has_lead(const struct search *s)
{
    return s->order_count && !s->orders[0].attribute && s->orders[0].entity->table;
}

/* FROM and the first condition. `begin`: where to begin; NULL: at the order or the rows. */
static err from_add(struct search *s, enum stage stage, const struct search_condition *begin)
{
    const struct search_order *lead = &s->orders[0];
    bool by_lead = stage == STAGE_VALUES || stage == STAGE_NAN;
    if (begin)
        buf_add_fmt(&s->sql.text, "%s d CROSS JOIN ", begin->entity->table);
    else if (by_lead)
        buf_add_fmt(&s->sql.text, "%s o0 CROSS JOIN ", lead->entity->table);
    buf_add_fmt(&s->sql.text, "%s r", s->source->table);
    for (size_t i = 0; i < s->order_count; i++) {
        const struct search_order *o = &s->orders[i];
        if (o->attribute || !o->entity->table || (i == 0 && stage != STAGE_ALL))
            continue;
        buf_add_fmt(&s->sql.text,
                    " LEFT JOIN %s o%zu ON o%zu.%s = %s AND o%zu.key = ", o->entity->table, i, i,
                    o->entity->owner, o->entity->owned, i);
        search_sql_arg(&s->sql, sql_text(o->key));
    }
    search_sql_add(&s->sql, " WHERE ");
    if (begin) {
        TRY(search_sql_begin(&s->sql, begin, "d", true));
        buf_add_fmt(&s->sql.text, " AND d.%s = %s AND ", begin->entity->owner,
                    begin->entity->owned);
    } else if (by_lead) {
        search_sql_add(&s->sql, "o0.key = ");
        search_sql_arg(&s->sql, sql_text(lead->key));
        if (lead->entity->has_nan)
            buf_add_fmt(&s->sql.text, " AND o0.is_nan = %d", stage == STAGE_NAN);
        buf_add_fmt(&s->sql.text, " AND o0.%s = %s AND ", lead->entity->owner, lead->entity->owned);
    } else if (stage == STAGE_MISSING) {
        buf_add_fmt(&s->sql.text, "NOT EXISTS (SELECT 1 FROM %s AND x.key = ", lead->entity->from);
        search_sql_arg(&s->sql, sql_text(lead->key));
        search_sql_add(&s->sql, ") AND ");
    }
    return OK;
}

/* A condition on the very value that the order is by. */
static bool is_on_lead(const struct search *s, const struct search_condition *c)
{
    return has_lead(s) && c->entity == s->orders[0].entity && str_eq(c->key, s->orders[0].key) &&
           c->op != SEARCH_IS_NULL && c->op != SEARCH_IS_NOT_NULL;
}

static err conditions_add(struct search *s, enum stage stage, const struct search_condition *begin)
{
    search_sql_scope(&s->sql, &s->filter);
    for (size_t i = 0; i < s->filter.count; i++) {
        const struct search_condition *c = &s->filter.conditions[i];
        if (c == begin || search_is_prompt_rule(s->spec, &s->filter, c))
            continue;
        search_sql_add(&s->sql, " AND ");
        if (stage <= STAGE_NAN && is_on_lead(s, c))
            TRY(search_sql_value(&s->sql, c, "o0.value", c->entity->has_nan ? "o0.is_nan" : NULL));
        else
            TRY(search_sql_condition(&s->sql, c));
    }
    return OK;
}

static void order_add(struct search *s, size_t from, bool by_prefix, int64_t limit)
{
    search_sql_add(&s->sql, " ORDER BY ");
    if (by_prefix)
        buf_add_fmt(&s->sql.text, SEARCH_PREFIX("q.k%zu") "%s, ", from,
                    s->sorts[from].is_descending ? " DESC" : "");
    for (size_t i = from; i < s->sort_count; i++)
        buf_add_fmt(&s->sql.text, "%sq.k%zu%s", i > from ? ", " : "", i,
                    s->sorts[i].is_descending ? " DESC" : "");
    buf_add_fmt(&s->sql.text, " LIMIT %lld", (long long)limit);
}

static err query_make(struct search *s, enum stage stage, const struct search_condition *begin,
                      bool is_after, int64_t limit)
{
    size_t constant = stage == STAGE_ALL ? 0 : 1;
    constant += stage == STAGE_NAN || stage == STAGE_MISSING ? 1 : 0;
    /* texts stand in their index with their beginning */
    bool by_prefix = stage == STAGE_VALUES && !s->orders[0].entity->value_is_number;
    search_sql_reset(&s->sql);
    search_sql_add(&s->sql, "SELECT q.* FROM (SELECT ");
    keys_add(s, stage);
    buf_add_fmt(&s->sql.text, "%s AS id, %s AS number FROM ", s->source->id, s->source->number);
    TRY(from_add(s, stage, begin));
    TRY(conditions_add(s, stage, begin));
    search_sql_add(&s->sql, ") q");
    if (is_after)
        after_add(s, constant, by_prefix);
    order_add(s, constant, by_prefix, limit);
    return OK;
}

/* ------------------------------------------------------------------ reading */

static void place_read(struct search *s, struct store_rows *rows, struct store_value *values)
{
    for (size_t i = 0; i < s->sort_count; i++) {
        switch (s->sorts[i].type) {
        case SEARCH_KEY_INT:
            values[i] = sql_int(store_col_int(rows, (int)i));
            break;
        case SEARCH_KEY_REAL:
            values[i] = sql_real(store_col_real(rows, (int)i));
            break;
        case SEARCH_KEY_TEXT:
            values[i] = sql_text(store_col_text_keep(rows, (int)i, s->keep));
            break;
        }
    }
}

static err hits_grow(struct search *s)
{
    size_t room = s->hit_room ? s->hit_room * 2 : HITS_FIRST;
    struct search_hit *hits = NEW_ARRAY(s->keep, struct search_hit, room);
    struct store_value *places = NEW_ARRAY(s->keep, struct store_value, room * s->sort_count);
    ARENA_TRY(hits);
    ARENA_TRY(places);
    if (s->hit_count) {
        memcpy(hits, s->hits, s->hit_count * sizeof *hits);
        memcpy(places, s->places, s->hit_count * s->sort_count * sizeof *places);
    }
    s->hits = hits;
    s->places = places;
    s->hit_room = room;
    return OK;
}

/* Fills the page; one row beyond it says that there is more. */
static err rows_read(struct search *s, struct store_read *rd)
{
    struct store_rows *rows;
    TRY(search_sql_run(&s->sql, rd, &rows));
    while (store_next(rows)) {
        if (s->hit_count == (size_t)s->spec->limit) {
            s->is_more = true;
            break;
        }
        if (s->hit_count == s->hit_room)
            TRY(hits_grow(s));
        s->hits[s->hit_count] = (struct search_hit){
            .id = store_col_text_keep(rows, (int)s->sort_count, s->keep),
            .number = store_col_int(rows, (int)s->sort_count + 1),
        };
        place_read(s, rows, s->places + s->hit_count * s->sort_count);
        s->hit_count++;
    }
    TRY(store_rows_close(rows));
    return arena_check(s->keep);
}

/* The condition that fewest rows fulfil, when they are few; NULL: none. */
static err begin_find(struct search *s, struct store_read *rd,
                      const struct search_condition **ret_begin)
{
    int64_t fewest = FEW_ROWS + 1;
    for (size_t i = 0; i < s->filter.count; i++) {
        const struct search_condition *c = &s->filter.conditions[i];
        struct store_rows *rows;
        if (!search_can_begin(c))
            continue;
        search_sql_reset(&s->sql);
        buf_add_fmt(&s->sql.text, "SELECT COUNT(*) FROM (SELECT 1 AS one FROM %s d WHERE ",
                    c->entity->table);
        TRY(search_sql_begin(&s->sql, c, "d", false));
        buf_add_fmt(&s->sql.text, " LIMIT %lld) q", (long long)fewest);
        TRY(search_sql_run(&s->sql, rd, &rows));
        int64_t count = store_next(rows) ? store_col_int(rows, 0) : 0;
        TRY(store_rows_close(rows));
        if (count < fewest) {
            fewest = count;
            *ret_begin = c;
        }
    }
    return OK;
}

/* Nothing without a value, or NaN, can be found: a condition wants a real one. */
static bool is_stage_empty(const struct search *s, enum stage stage)
{
    for (size_t i = 0; i < s->filter.count; i++) {
        const struct search_condition *c = &s->filter.conditions[i];
        if (is_on_lead(s, c) && (stage == STAGE_MISSING || c->op != SEARCH_NE))
            return true;
    }
    return stage == STAGE_NAN && !s->orders[0].entity->has_nan;
}

static err stages_read(struct search *s, struct store_read *rd)
{
    for (enum stage stage = STAGE_VALUES; stage <= STAGE_MISSING && !s->is_more; stage++) {
        bool is_after = s->after.count && s->after.values[0].integer == (int64_t)stage;
        if (s->after.count && s->after.values[0].integer > (int64_t)stage)
            continue;
        if (stage != STAGE_VALUES && is_stage_empty(s, stage))
            continue;
        int64_t limit = s->spec->limit - (int64_t)s->hit_count + 1;
        TRY(query_make(s, stage, NULL, is_after, limit));
        TRY(rows_read(s, rd));
    }
    return OK;
}

static err page_fn(struct store_read *rd, void *arg)
{
    struct search *s = arg;
    const struct search_condition *begin = NULL;
    s->hit_count = 0;
    s->is_more = false;
    TRY(begin_find(s, rd, &begin));
    if (!begin && has_lead(s))
        return stages_read(s, rd);
    TRY(query_make(s, STAGE_ALL, begin, s->after.count > 0, s->spec->limit + 1));
    return rows_read(s, rd);
}

err search_run(struct track *t, const struct search_spec *spec, arena *keep,
               struct search_page *ret_page)
{
    bool by_experiment = spec->kind == SEARCH_RUNS || spec->kind == SEARCH_LOGGED_MODELS ||
                         spec->kind == SEARCH_TRACES;
    struct search *s = NEW(keep, struct search);
    ARENA_TRY(s);
    s->spec = spec;
    s->source = &sources[spec->kind];
    s->keep = keep;
    TRY(spec_parse(s));
    sorts_make(s);
    if (spec->page_token.len)
        TRY(search_token_read(spec, s->sorts, s->sort_count, keep, &s->after));
    if (by_experiment && spec->experiment_count == 0) {
        *ret_page = (struct search_page){ 0 };
        return OK;
    }
    TRY(search_sql_init(&s->sql, spec, args_room(s), keep));
    err e = store_read(t->store, page_fn, s);
    search_sql_deinit(&s->sql);
    TRY(e);
    *ret_page = (struct search_page){ s->hits, s->hit_count, s->is_more, s->places, s->sort_count };
    return OK;
}

struct snapshot {
    err (*fn)(void *arg);
    void *arg;
};

static err snapshot_fn(struct store_read *rd, void *arg)
{
    struct snapshot *s = arg;
    return s->fn(s->arg);
}

err search_snapshot(struct track *t, err (*fn)(void *arg), void *arg)
{
    return store_read(t->store, snapshot_fn, &(struct snapshot){ fn, arg });
}
