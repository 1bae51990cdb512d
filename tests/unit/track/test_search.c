/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Search: does every filter, in every order and page size, find what a plain loop over all runs
 * finds, whatever plan is taken and whatever engine answers? */
#include "track_fixture.h"

#include <math.h>
#include <stdio.h>

#include "platform/track/search.h"

/* More than what is looked up and sorted: all plans are taken. */
enum { RUN_COUNT = 1500, SEARCH_ROUNDS = 250, TEXT_BYTES = 2048 };

static const double numbers[] = { -1, 0, 0.5, 2, 1e300, NAN };
static const char *const texts[] = {
    "a", "A", "b", "a%", "a_c", "aXc", "", "!", "it's", "\xC3\xA4"
};
static const char *const patterns[] = { "a%", "A%", "_", "%",   "a_c",
                                        "%c", "",   "!", "b%x", "%\xC3\xA4" };
static const char *const keys[] = { "m0", "m1", "m2" };

struct model_run {
    char id[33];
    int64_t start_ms, end_ms;        /* 0: none */
    int metric[3], param[3], tag[3]; /* index of the value; -1: none */
    char name[16];
    bool is_deleted;
};

struct world {
    struct fixture *f;
    struct model_run runs[RUN_COUNT];
    uint64_t seed;
};

static int64_t dice(struct world *w, int64_t below)
{
    w->seed ^= w->seed << 13;
    w->seed ^= w->seed >> 7;
    w->seed ^= w->seed << 17;
    return (int64_t)((w->seed >> 11) % (uint64_t)below);
}

/* ------------------------------------------------------------------ the same runs twice */

static err insert_values(struct store_tx *tx, const struct model_run *r)
{
    for (int k = 0; k < 3; k++) {
        struct store_value id = sql_text(str_of(r->id)), key = sql_cstr(keys[k]);
        if (r->metric[k] >= 0) {
            double v = numbers[r->metric[k]];
            TRY(store_exec(tx,
                           "INSERT INTO latest_metrics (run_id, key, step, ts_ms, value, is_nan)"
                           " VALUES (?1, ?2, 0, 0, ?3, ?4)",
                           ARGS(id, key, sql_real(isnan(v) ? 0 : v), sql_int(isnan(v))), NULL));
        }
        if (r->param[k] >= 0)
            TRY(store_exec(tx, "INSERT INTO params (run_id, key, value) VALUES (?1, ?2, ?3)",
                           ARGS(id, key, sql_cstr(texts[r->param[k]])), NULL));
        if (r->tag[k] >= 0)
            TRY(store_exec(tx, "INSERT INTO tags (run_id, key, value) VALUES (?1, ?2, ?3)",
                           ARGS(id, key, sql_cstr(texts[r->tag[k]])), NULL));
    }
    return OK;
}

static err insert_fn(struct store_tx *tx, void *arg)
{
    struct world *w = arg;
    for (int i = 0; i < RUN_COUNT; i++) {
        struct model_run *r = &w->runs[i];
        TRY(store_exec(tx,
                       "INSERT INTO runs (run_id, experiment_id, run_name, user_id, component,"
                       " origin, status, lifecycle_stage, created_ms, start_ms, end_ms, attempts)"
                       " VALUES (?1, 0, ?2, 'ada', 'client', 'client', ?3, ?4, 1, ?5, ?6, 1)",
                       ARGS(sql_text(str_of(r->id)), sql_cstr(r->name),
                            sql_cstr(r->end_ms ? "FINISHED" : "RUNNING"),
                            sql_cstr(r->is_deleted ? "deleted" : "active"),
                            r->start_ms ? sql_int(r->start_ms) : sql_null(),
                            r->end_ms ? sql_int(r->end_ms) : sql_null()),
                       NULL));
        TRY(insert_values(tx, r));
    }
    return OK;
}

/* A few values are common, most are rare, and some keys are missing. */
static int pick(struct world *w, int count)
{
    if (dice(w, 6) == 0)
        return -1;
    return (int)(dice(w, 3) ? dice(w, 2) : dice(w, count));
}

static void world_make(struct world *w)
{
    for (int i = 0; i < RUN_COUNT; i++) {
        struct model_run *r = &w->runs[i];
        snprintf(r->id, sizeof r->id, "%016llx%016x", (unsigned long long)dice(w, 1LL << 50), i);
        snprintf(r->name, sizeof r->name, "%s-%d", dice(w, 2) ? "Run" : "run", (int)dice(w, 40));
        r->start_ms = dice(w, 20) ? 1000 + dice(w, 50) : 0;
        r->end_ms = dice(w, 3) ? 2000 + dice(w, 10) : 0;
        r->is_deleted = dice(w, 10) == 0;
        for (int k = 0; k < 3; k++) {
            r->metric[k] = pick(w, COUNT_OF(numbers));
            r->param[k] = pick(w, COUNT_OF(texts));
            r->tag[k] = pick(w, COUNT_OF(texts));
        }
    }
    assert_ok(store_write(w->f->store, insert_fn, w));
}

/* ------------------------------------------------------------------ a plain evaluator */

enum what { METRIC, PARAM, TAG, NAME, START, END, STATUS, ID, WHAT_COUNT };

struct condition {
    enum what what;
    int key;
    const char *op;
    double number;
    char text[64];
};

static bool like(str s, str pattern, bool nocase)
{
    if (pattern.len == 0)
        return s.len == 0;
    if (pattern.ptr[0] == '%') {
        for (size_t i = 0; i <= s.len; i++)
            if (like(str_sub(s, i, s.len), str_sub(pattern, 1, pattern.len), nocase))
                return true;
        return false;
    }
    if (s.len == 0)
        return false;
    size_t step = 1; /* _ stands for a character, not for a byte */
    while (pattern.ptr[0] == '_' && step < s.len && ((unsigned char)s.ptr[step] & 0xC0) == 0x80)
        step++;
    bool same = nocase ? str_eq_nocase(str_sub(s, 0, 1), str_sub(pattern, 0, 1))
                       : s.ptr[0] == pattern.ptr[0];
    return (pattern.ptr[0] == '_' || same) &&
           like(str_sub(s, step, s.len), str_sub(pattern, 1, pattern.len), nocase);
}

/* False: it has none. */
static bool number_of(const struct model_run *r, enum what what, int key, double *ret)
{
    if (what == START || what == END) {
        int64_t ms = what == START ? r->start_ms : r->end_ms;
        *ret = (double)ms;
        return ms != 0;
    }
    if (r->metric[key] < 0)
        return false;
    *ret = numbers[r->metric[key]];
    return true;
}

static bool text_of(const struct model_run *r, enum what what, int key, str *ret)
{
    switch ((int)what) {
    case NAME:
        *ret = str_of(r->name);
        return true;
    case STATUS:
        *ret = str_of(r->end_ms ? "FINISHED" : "RUNNING");
        return true;
    case ID:
        *ret = str_of(r->id);
        return true;
    default: {
        int at = what == PARAM ? r->param[key] : r->tag[key];
        *ret = at < 0 ? STR_NONE : str_of(texts[at]);
        return at >= 0;
    }
    }
}

static bool is_numeric(enum what what)
{
    return what == METRIC || what == START || what == END;
}

static bool fulfils(const struct model_run *r, const struct condition *c)
{
    double v;
    str s;
    if (is_numeric(c->what)) {
        if (!number_of(r, c->what, c->key, &v))
            return false;
        return strcmp(c->op, "=") == 0    ? v == c->number
               : strcmp(c->op, "!=") == 0 ? v != c->number
               : strcmp(c->op, "<") == 0  ? v < c->number
               : strcmp(c->op, "<=") == 0 ? v <= c->number
               : strcmp(c->op, ">") == 0  ? v > c->number
                                          : v >= c->number;
    }
    bool has = text_of(r, c->what, c->key, &s);
    if (strcmp(c->op, "IS NULL") == 0)
        return !has;
    if (strcmp(c->op, "IS NOT NULL") == 0)
        return has;
    if (!has)
        return false;
    if (strcmp(c->op, "=") == 0)
        return str_eq(s, str_of(c->text));
    if (strcmp(c->op, "!=") == 0)
        return !str_eq(s, str_of(c->text));
    return like(s, str_of(c->text), strcmp(c->op, "ILIKE") == 0);
}

struct order {
    enum what what;
    int key;
    bool is_descending;
};
struct order_list {
    struct order items[3];
    size_t count;
};

static int order_one(const struct model_run *a, const struct model_run *b, const struct order *o)
{
    int sign = o->is_descending ? -1 : 1;
    if (is_numeric(o->what)) {
        double x = 0, y = 0;
        int rank_x = !number_of(a, o->what, o->key, &x) ? 2 : isnan(x) ? 1 : 0;
        int rank_y = !number_of(b, o->what, o->key, &y) ? 2 : isnan(y) ? 1 : 0;
        if (rank_x != rank_y || rank_x)
            return rank_x - rank_y;
        return x < y ? -sign : x > y ? sign : 0;
    }
    str x, y;
    bool has_x = text_of(a, o->what, o->key, &x), has_y = text_of(b, o->what, o->key, &y);
    if (!has_x || !has_y)
        return has_y - has_x;
    return sign * str_cmp(x, y);
}

static int order_all(const void *a, const void *b, void *arg)
{
    const struct model_run *x = *(const struct model_run *const *)a;
    const struct model_run *y = *(const struct model_run *const *)b;
    const struct order_list *list = arg;
    const struct order newest = { START, 0, true };
    bool by_start = false;
    for (size_t i = 0; i < list->count; i++) {
        int c = order_one(x, y, &list->items[i]);
        by_start |= list->items[i].what == START;
        if (c)
            return c;
    }
    int c = by_start ? 0 : order_one(x, y, &newest);
    return c ? c : strcmp(x->id, y->id);
}

/* ------------------------------------------------------------------ random searches */

static void name_print(char *out, size_t bytes, enum what what, int key)
{
    static const char *const names[WHAT_COUNT] = { "metrics.", "params.",  "tags.",  "run_name",
                                                   "created",  "end_time", "status", "run_id" };
    static const char *const quoted[] = { "m0", "`m1`", "\"m2\"" };
    snprintf(out, bytes, "%s%s", names[what], what <= TAG ? quoted[key] : "");
}

/* `first`: on what the order is by; NULL: on anything. */
static void condition_make(struct world *w, struct condition *c, const struct order *first)
{
    static const char *const number_ops[] = { "=", "!=", "<", "<=", ">", ">=" };
    static const char *const text_ops[] = { "=", "!=", "LIKE", "ILIKE", "IS NULL", "IS NOT NULL" };
    *c = (struct condition){ .what = (enum what)dice(w, ID), .key = (int)dice(w, 3) };
    if (first && first->what != ID) {
        c->what = first->what;
        c->key = first->key;
    }
    if (is_numeric(c->what)) {
        c->op = number_ops[dice(w, COUNT_OF(number_ops))];
        c->number = c->what == METRIC  ? numbers[dice(w, COUNT_OF(numbers) - 1)]
                    : c->what == START ? (double)(1000 + dice(w, 50))
                                       : (double)(2000 + dice(w, 10));
        return;
    }
    c->op = text_ops[dice(w, c->what <= TAG ? 6 : 4)];
    bool is_pattern = strstr(c->op, "LIKE") != NULL;
    if (c->what == NAME)
        snprintf(c->text, sizeof c->text, is_pattern ? "run-1%%" : "Run-%d", (int)dice(w, 40));
    else if (c->what == STATUS)
        snprintf(c->text, sizeof c->text, "%s", is_pattern ? "fin%" : "RUNNING");
    else
        snprintf(c->text, sizeof c->text, "%s",
                 is_pattern ? patterns[dice(w, COUNT_OF(patterns))]
                            : texts[dice(w, COUNT_OF(texts))]);
}

static size_t condition_print(char *out, size_t bytes, const struct condition *c)
{
    char name[32];
    name_print(name, sizeof name, c->what, c->key);
    if (is_numeric(c->what))
        return (size_t)snprintf(out, bytes, "%s %s %.17g", name, c->op, c->number);
    if (strncmp(c->op, "IS", 2) == 0)
        return (size_t)snprintf(out, bytes, "%s %s", name, c->op);
    const char *quote = strchr(c->text, '\'') ? "\"" : "'";
    return (size_t)snprintf(out, bytes, "%s %s %s%s%s", name, c->op, quote, c->text, quote);
}

struct asked {
    struct condition conditions[3];
    size_t condition_count;
    struct order_list orders;
    char filter[TEXT_BYTES];
    char order_texts[3][64];
    str order_by[3];
};

static void orders_make(struct world *w, struct asked *a)
{
    size_t wanted = (size_t)dice(w, 4);
    for (size_t i = 0; i < wanted; i++) {
        struct order o = { (enum what)dice(w, WHAT_COUNT), (int)dice(w, 3), dice(w, 2) };
        bool again = false;
        for (size_t j = 0; j < a->orders.count; j++)
            again |= a->orders.items[j].what == o.what &&
                     (o.what > TAG || a->orders.items[j].key == o.key);
        if (again)
            continue;
        char name[32];
        size_t at = a->orders.count;
        name_print(name, sizeof name, o.what, o.key);
        snprintf(a->order_texts[at], sizeof a->order_texts[at], "%s%s", name,
                 o.is_descending ? " DESC"
                 : dice(w, 2)    ? " ASC"
                                 : "");
        a->order_by[at] = str_of(a->order_texts[at]);
        a->orders.items[a->orders.count++] = o;
    }
}

static void asked_make(struct world *w, struct asked *a)
{
    size_t len = 0;
    memset(a, 0, sizeof *a);
    orders_make(w, a);
    a->condition_count = (size_t)dice(w, 4);
    for (size_t i = 0; i < a->condition_count; i++) {
        const struct order *first = a->orders.count && dice(w, 2) ? &a->orders.items[0] : NULL;
        condition_make(w, &a->conditions[i], first);
        if (i)
            len += (size_t)snprintf(a->filter + len, sizeof a->filter - len, " AND ");
        len += condition_print(a->filter + len, sizeof a->filter - len, &a->conditions[i]);
    }
}

static size_t expect(struct world *w, struct asked *a, enum search_view view,
                     const struct model_run **out)
{
    size_t count = 0;
    for (int i = 0; i < RUN_COUNT; i++) {
        const struct model_run *r = &w->runs[i];
        bool wanted = view == SEARCH_ALL || r->is_deleted == (view == SEARCH_DELETED);
        for (size_t j = 0; wanted && j < a->condition_count; j++)
            wanted = fulfils(r, &a->conditions[j]);
        if (wanted)
            out[count++] = r;
    }
    qsort_r(out, count, sizeof *out, order_all, &a->orders);
    return count;
}

static void assert_finds(struct world *w, struct search_spec *spec, const struct model_run **wanted,
                         size_t count)
{
    size_t at = 0;
    spec->page_token = STR_NONE;
    for (;;) {
        struct search_page page;
        assert_ok(search_run(w->f->track, spec, &w->f->mem, &page));
        for (size_t i = 0; i < page.count; i++, at++)
            if (at >= count || !str_eq(page.hits[i].id, str_of(wanted[at]->id)))
                fail_msg(
                    "seed %llu: '%.*s' by %zu orders ('%.*s'), pages of %lld: place %zu of %zu",
                    (unsigned long long)w->seed, STR_ARG(spec->filter), spec->order_count,
                    STR_ARG(spec->order_count ? spec->order_by[0] : STR_NONE),
                    (long long)spec->limit, at, count);
        if (!page.is_more)
            break;
        assert_int_equal(page.count, spec->limit);
        assert_ok(search_token(spec, &page, page.count - 1, &w->f->mem, &spec->page_token));
    }
    assert_int_equal(at, count);
}

static void every_search_finds_what_a_loop_finds(void **state)
{
    static const int64_t experiments[] = { 0, 77 };
    struct fixture *f = *state;
    struct world *w = test_malloc(sizeof *w);
    struct asked *a = test_malloc(sizeof *a);
    const struct model_run **wanted = test_malloc(RUN_COUNT * sizeof *wanted);
    *w = (struct world){ .f = f, .seed = 88172645463325252ULL };
    world_make(w);
    for (int i = 0; i < SEARCH_ROUNDS; i++) {
        asked_make(w, a);
        struct search_spec spec = { .kind = SEARCH_RUNS,
                                    .filter = str_of(a->filter),
                                    .order_by = a->order_by,
                                    .order_count = a->orders.count,
                                    .experiment_ids = experiments,
                                    .experiment_count = 1 + (size_t)dice(w, 2),
                                    .view = (enum search_view)(dice(w, 4) ? 0 : dice(w, 3)) };
        size_t count = expect(w, a, spec.view, wanted);
        spec.limit = RUN_COUNT;
        assert_finds(w, &spec, wanted, count);
        spec.limit = count < 40 ? 1 : 1 + (int64_t)count / (2 + dice(w, 5));
        assert_finds(w, &spec, wanted, count);
        arena_reset(&f->mem);
    }
    test_free(wanted);
    test_free(a);
    test_free(w);
}

/* ------------------------------------------------------------------ the other kinds */

static const char *found(struct fixture *f, struct search_spec *spec)
{
    struct search_page page;
    struct buf text;
    spec->limit = spec->limit ? spec->limit : 100;
    assert_ok(search_run(f->track, spec, &f->mem, &page));
    buf_init(&text, 4096);
    for (size_t i = 0; i < page.count; i++) {
        buf_add_fmt(&text, "%s%.*s", i ? " " : "", STR_ARG(page.hits[i].id));
        if (spec->kind == SEARCH_EXPERIMENTS)
            buf_add_fmt(&text, "%lld", (long long)page.hits[i].number);
    }
    const char *kept = arena_cstr(&f->mem, buf_str(&text));
    buf_deinit(&text);
    return kept;
}

static const char *registry(struct fixture *f, enum search_kind kind, const char *filter,
                            const char *order)
{
    str order_by = str_of(order);
    return found(f, &(struct search_spec){ .kind = kind,
                                           .filter = str_of(filter),
                                           .order_by = &order_by,
                                           .order_count = order ? 1 : 0 });
}

static void prompts_are_hidden_unless_asked_for(void **state)
{
    struct fixture *f = *state;
    static const char *const models[] = { "fish", "greet", "owl" };
    char sql[512];
    for (int i = 0; i < 3; i++) {
        snprintf(sql, sizeof sql,
                 "INSERT INTO registered_models (name, kind, created_ms, updated_ms)"
                 " VALUES ('%s', 'mlflow', %d, %d)",
                 models[i], i, 10 - i);
        fixture_exec(f, sql);
        for (int v = 1; v <= 2; v++) {
            snprintf(sql, sizeof sql,
                     "INSERT INTO model_versions (id, name, version, kind, stage, status, source,"
                     " run_id, bytes, created_ms, updated_ms) VALUES ('%s%d', '%s', %d, 'mlflow',"
                     " '%s', 'READY', 's3://b/%s', 'run%d', 0, %d, %d)",
                     models[i], v, models[i], v, i == 2 && v == 2 ? "Deleted_Internal" : "None",
                     models[i], v, v, 100 * i + v);
            fixture_exec(f, sql);
        }
    }
    fixture_exec(f, "INSERT INTO registered_model_tags (name, key, value)"
                    " VALUES ('greet', 'mlflow.prompt.is_prompt', 'true')");
    fixture_exec(f, "INSERT INTO registered_model_tags (name, key, value)"
                    " VALUES ('fish', 'mlflow.prompt.is_prompt', 'false')");
    fixture_exec(f,
                 "INSERT INTO registered_model_tags (name, key, value) VALUES ('owl', 'k', 'v')");
    fixture_exec(f, "INSERT INTO model_version_tags (version_id, key, value)"
                    " VALUES ('greet1', 'mlflow.prompt.is_prompt', 'true')");
#define MARK "tags.`mlflow.prompt.is_prompt` "
    static const struct {
        enum search_kind kind;
        const char *filter, *order, *found;
    } cases[] = {
        { SEARCH_MODELS, "", NULL, "fish owl" },
        { SEARCH_MODELS, MARK "= 'true'", NULL, "greet" },
        { SEARCH_MODELS, MARK "!= 'false'", NULL, "greet" },
        { SEARCH_MODELS, MARK "!= 'true'", NULL, "fish owl" },
        { SEARCH_MODELS, MARK "= 'false'", NULL, "fish owl" },
        { SEARCH_MODELS, "name = 'greet' AND tag.`mlflow.prompt.is_prompt` != 'true'", NULL, "" },
        { SEARCH_MODELS, "name ILIKE 'OW%' and tags.k = 'v'", NULL, "owl" },
        { SEARCH_MODELS, "name IN ('owl', 'x')", NULL, "owl" },
        { SEARCH_MODELS, "tags.k != 'x'", NULL, "owl" },
        { SEARCH_MODELS, "", "name DESC", "owl fish" },
        { SEARCH_MODELS, "", "timestamp", "owl fish" },
        { SEARCH_VERSIONS, "", NULL, "owl1 fish2 fish1" },
        { SEARCH_VERSIONS, MARK "= 'true'", NULL, "greet1" },
        { SEARCH_VERSIONS, "version_number >= '2'", NULL, "fish2" },
        { SEARCH_VERSIONS, "version_number = 1", "name", "fish1 owl1" },
        { SEARCH_VERSIONS, "run_id IN ('run2')", NULL, "fish2" },
        { SEARCH_VERSIONS, "source_path LIKE 's3://b/f%'", "version_number", "fish1 fish2" },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        assert_string_equal(registry(f, cases[i].kind, cases[i].filter, cases[i].order),
                            cases[i].found);
}

static void logged_models_by_metrics_on_datasets(void **state)
{
    struct fixture *f = *state;
    static const int64_t zero[] = { 0 };
    char sql[400];
    for (int i = 0; i < 4; i++) {
        snprintf(sql, sizeof sql,
                 "INSERT INTO logged_models (model_id, experiment_id, name, artifact_location,"
                 " created_ms, updated_ms, status, lifecycle_stage) VALUES ('m%d', 0, 'n%d', 'x',"
                 " %d, %d, 'LOGGED_MODEL_%s', '%s')",
                 i, i % 2, i, i, i ? "READY" : "PENDING", i == 3 ? "deleted" : "active");
        fixture_exec(f, sql);
    }
    /* m0: 0.9 later 0.1 on train; m1: 0.5 on test; m2: NaN */
    static const char *const points[] = { "('m0', 'acc', 1, 0, 'r', 0.9, 0, 'train', 'd1')",
                                          "('m0', 'acc', 2, 0, 'r', 0.1, 0, 'train', 'd2')",
                                          "('m1', 'acc', 1, 0, 'r', 0.5, 0, 'test', 'd1')",
                                          "('m2', 'acc', 1, 0, 'r', 0.0, 1, NULL, NULL)" };
    for (size_t i = 0; i < COUNT_OF(points); i++) {
        snprintf(sql, sizeof sql,
                 "INSERT INTO logged_model_metrics (model_id, key, ts_ms, step, run_id, value,"
                 " is_nan, dataset_name, dataset_digest) VALUES %s",
                 points[i]);
        fixture_exec(f, sql);
    }
    const struct search_dataset train = { STR("train"), STR_NONE };
    const struct search_dataset train1 = { STR("train"), STR("d1") };
    const struct {
        const char *filter;
        struct search_field field;
        const struct search_dataset *dataset;
        const char *found;
    } cases[] = {
        { "", { STR_NONE }, NULL, "m2 m1 m0" },
        { "status = 'READY'", { STR_NONE }, NULL, "m2 m1" },
        { "attributes.name = 'n0'", { STR("name"), false }, NULL, "m2 m0" },
        { "metrics.acc > 0.4", { STR("creation_time"), false }, NULL, "m0 m1" },
        { "metrics.acc != 0.4", { STR_NONE }, NULL, "m1 m0" },
        { "metrics.acc > 0.4", { STR_NONE }, &train, "m0" },
        { "", { STR_NONE }, &train, "m0" },
        { "", { STR("metrics.acc"), true }, NULL, "m1 m0 m2" },
        { "", { STR("metrics.acc"), false }, NULL, "m0 m1 m2" },
        { "", { STR("metrics.acc"), true, train1 }, NULL, "m0 m2 m1" },
        { "model_type = 'x'", { STR_NONE }, NULL, "" },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct search_spec spec = { .kind = SEARCH_LOGGED_MODELS,
                                    .filter = str_of(cases[i].filter),
                                    .fields = &cases[i].field,
                                    .field_count = cases[i].field.name.len > 0,
                                    .datasets = cases[i].dataset,
                                    .dataset_count = cases[i].dataset != NULL,
                                    .experiment_ids = zero,
                                    .experiment_count = 1 };
        assert_string_equal(found(f, &spec), cases[i].found);
    }
}

/* ------------------------------------------------------------------ what is refused */

static void mistakes_are_named(void **state)
{
    struct fixture *f = *state;
    static const struct {
        enum search_kind kind;
        const char *filter, *message;
    } cases[] = {
        { SEARCH_MODELS, "name > 'a'", "Invalid comparator for attribute: >" },
        { SEARCH_MODELS, "bogus = 'x'",
          "Invalid attribute key 'bogus' specified. Valid keys are '{'name'}'" },
        { SEARCH_MODELS, "name", "Invalid clause(s) in filter string: name" },
        { SEARCH_VERSIONS, "version_number LIKE '1'",
          "Invalid comparator for attribute version_number: LIKE" },
        { SEARCH_VERSIONS, "version_number = 'x'",
          "Invalid value for numeric attribute 'version_number': 'x'" },
        { SEARCH_VERSIONS, "stage = 'None'",
          "Invalid attribute key 'stage' specified. Valid keys are '{'name', 'run_id',"
          " 'source_path', 'version_number'}'" },
        { SEARCH_LOGGED_MODELS, "tag.t = '1'",
          "Invalid entity type: 'tag'. Expected one of ['attributes', 'metrics', 'params',"
          " 'tags']." },
        { SEARCH_LOGGED_MODELS, "metrics.acc LIKE 1",
          "Invalid comparison operator for metrics.acc: 'LIKE'. Expected one of ('!=', '<', '<=',"
          " '=', '>', '>=')." },
        { SEARCH_TRACES, "bogus.x = 'y'",
          "Invalid entity type 'bogus'. Valid values are {'attribute', 'attributes', 'expectation',"
          " 'feedback', 'issue', 'metadata', 'request_metadata', 'span', 'tag', 'tags', 'trace'}" },
        { SEARCH_RUNS, "tags.a = 'x' tags.b = 'y'",
          "Invalid clause(s) in filter string: 'tags.b', '=', ''y''" },
        { SEARCH_RUNS, "run_id IN ('a' 'b')",
          "While parsing a list in the query, expected a non-empty list of string values, but got"
          " ill-formed list." },
        { SEARCH_RUNS, "metrics.m > 1e999", "The number 1e999 is out of range" },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct search_filter filter;
        err e = search_parse_filter(cases[i].kind, str_of(cases[i].filter), &f->mem, &filter);
        assert_int_equal(e.code, ERR_INVALID);
        assert_string_equal(e.msg, cases[i].message);
    }
}

static void sizes_are_bounded(void **state)
{
    struct fixture *f = *state;
    struct search_filter filter;
    struct buf text;
    buf_init(&text, 1 << 20);
    for (int i = 0; i <= SEARCH_CLAUSES_MAX; i++)
        buf_add_fmt(&text, "%stags.t%d = 'x'", i ? " AND " : "", i);
    assert_err(search_parse_filter(SEARCH_RUNS, buf_str(&text), &f->mem, &filter), ERR_INVALID);
    buf_clear(&text);
    buf_add_cstr(&text, "run_id IN (");
    for (int i = 0; i < SEARCH_LIST_MAX; i++)
        buf_add_fmt(&text, "%s'%032d'", i ? "," : "", i);
    size_t full = text.len;
    buf_add_cstr(&text, ")");
    assert_ok(search_parse_filter(SEARCH_RUNS, buf_str(&text), &f->mem, &filter));
    assert_int_equal(filter.conditions[0].list_count, SEARCH_LIST_MAX);
    assert_string_equal(registry(f, SEARCH_RUNS, "run_id = 'x'", NULL), "");
    text.len = full;
    buf_add_cstr(&text, ",'x')");
    assert_err(search_parse_filter(SEARCH_RUNS, buf_str(&text), &f->mem, &filter), ERR_INVALID);
    while (text.len <= SEARCH_TEXT_BYTES_MAX)
        buf_add_cstr(&text, " AND tags.x = '0123456789012345678901234567890123456789'");
    assert_err(search_parse_filter(SEARCH_RUNS, buf_str(&text), &f->mem, &filter), ERR_INVALID);
    buf_deinit(&text);
}

static void a_made_up_token_is_refused(void **state)
{
    struct fixture *f = *state;
    static const int64_t zero[] = { 0 };
    struct search_spec spec = {
        .kind = SEARCH_RUNS, .experiment_ids = zero, .experiment_count = 1, .limit = 1
    };
    struct search_page page;
    fixture_end(fixture_run(f, "a"), ERR_NONE);
    fixture_end(fixture_run(f, "b"), ERR_NONE);
    assert_ok(search_run(f->track, &spec, &f->mem, &page));
    assert_true(page.is_more);
    str token;
    assert_ok(search_token(&spec, &page, 0, &f->mem, &token));
    char *changed = arena_cstr(&f->mem, token);
    for (size_t i = 0; i < token.len; i++) {
        char was = changed[i];
        changed[i] = '*';
        spec.page_token = str_from(changed, token.len);
        assert_err(search_run(f->track, &spec, &f->mem, &page), ERR_INVALID);
        changed[i] = was;
        spec.page_token = str_from(changed, i + 1 < token.len ? i + 1 : 1);
        assert_err(search_run(f->track, &spec, &f->mem, &page), ERR_INVALID);
    }
    spec.page_token = token;
    assert_ok(search_run(f->track, &spec, &f->mem, &page));
    assert_int_equal(page.count, 1);
    assert_false(page.is_more);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_init, fixture_deinit)
        TEST(every_search_finds_what_a_loop_finds),
        TEST(prompts_are_hidden_unless_asked_for),
        TEST(logged_models_by_metrics_on_datasets),
        TEST(mistakes_are_named),
        TEST(sizes_are_bounded),
        TEST(a_made_up_token_is_refused),
    };
    return cmocka_run_group_tests_name("track_search", tests, NULL, NULL);
}
