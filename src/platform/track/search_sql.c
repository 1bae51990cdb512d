/* SPDX-License-Identifier: GPL-3.0-or-later */
/* search_sql.c -- conditions as SQL. The text is made from our own tables only; everything a person
 * typed travels as an argument. */
#include <assert.h>
#include <stdio.h>

#include "platform/track/search_internal.h"

/* The longest part is a list of experiments, which are numbers of ours and stand in the text. */
enum { TEXT_BYTES_MAX = 512 * 1024 };
/* Escapes in LIKE patterns: MLflow has none, so it is one that we put in ourselves. */
#define ESCAPE " ESCAPE '!'"

err search_sql_init(struct search_sql *s, const struct search_spec *spec, size_t room, arena *keep)
{
    *s = (struct search_sql){ .room = room, .keep = keep, .spec = spec };
    buf_init(&s->text, TEXT_BYTES_MAX);
    s->args = NEW_ARRAY(keep, struct store_value, room);
    ARENA_TRY(s->args);
    return OK;
}

void search_sql_deinit(struct search_sql *s)
{
    buf_deinit(&s->text);
}

void search_sql_reset(struct search_sql *s)
{
    buf_clear(&s->text);
    s->count = 0;
}

void search_sql_add(struct search_sql *s, const char *text)
{
    buf_add_cstr(&s->text, text);
}

void search_sql_arg(struct search_sql *s, struct store_value value)
{
    assert(s->count < s->room);
    s->args[s->count++] = value;
    buf_add_fmt(&s->text, "?%zu", s->count);
}

err search_sql_run(struct search_sql *s, struct store_read *rd, struct store_rows **ret_rows)
{
    TRY(buf_check(&s->text));
    return store_query_dynamic(rd, buf_str(&s->text), (struct store_args){ s->args, s->count },
                               ret_rows);
}

/* ------------------------------------------------------------------ values */

err search_sql_pattern(str pattern, bool to_lower, arena *keep, str *ret)
{
    char *text = NEW_ARRAY(keep, char, pattern.len * 2 + 1);
    size_t len = 0;
    ARENA_TRY(text);
    for (size_t i = 0; i < pattern.len; i++) {
        char c = pattern.ptr[i];
        if (c == '!')
            text[len++] = '!';
        text[len++] = to_lower && c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
    }
    *ret = str_from(text, len);
    return OK;
}

static void list_add(struct search_sql *s, const struct search_condition *c)
{
    for (size_t i = 0; i < c->list_count; i++) {
        search_sql_add(s, i ? ", " : " (");
        search_sql_arg(s, c->integers ? sql_int(c->integers[i]) : sql_text(c->list[i]));
    }
    search_sql_add(s, ")");
}

static struct store_value value_of(const struct search_condition *c)
{
    if (!c->is_number)
        return sql_text(c->text);
    return c->is_integer && c->attribute ? sql_int(c->integer) : sql_real(c->number);
}

static err like_add(struct search_sql *s, const struct search_condition *c, const char *column)
{
    bool to_lower = c->op == SEARCH_ILIKE;
    str pattern;
    TRY(search_sql_pattern(c->text, to_lower, s->keep, &pattern));
    buf_add_fmt(&s->text, to_lower ? "lower(%s) LIKE " : "%s LIKE ", column);
    search_sql_arg(s, sql_text(pattern));
    search_sql_add(s, ESCAPE);
    return OK;
}

/* A text may have megabytes, and an expression looks at each character. */
void search_sql_rlike(struct search_sql *s, const struct search_condition *c, const char *text)
{
    buf_add_fmt(&s->text, "substr(%s, 1, %d) @rlike ", text, SEARCH_RLIKE_CHARACTERS);
    search_sql_arg(s, sql_text(c->text));
}

err search_sql_value(struct search_sql *s, const struct search_condition *c, const char *column,
                     const char *nan_column)
{
    static const char *const spelled[SEARCH_OP_COUNT] = {
        [SEARCH_NE] = "<>", [SEARCH_LT] = "<",  [SEARCH_LE] = "<=", [SEARCH_EQ] = "=",
        [SEARCH_GT] = ">",  [SEARCH_GE] = ">=", [SEARCH_IN] = "IN", [SEARCH_NOT_IN] = "NOT IN",
    };
    if (c->op == SEARCH_LIKE || c->op == SEARCH_ILIKE)
        return like_add(s, c, column);
    if (c->op == SEARCH_RLIKE) {
        search_sql_rlike(s, c, column);
        return OK;
    }
    bool nan_matches = nan_column && c->op == SEARCH_NE && !c->entity->is_nan_ignored;
    if (nan_column) /* NaN is stored as 0; it is like no number, and so differs from each */
        buf_add_fmt(&s->text, nan_matches ? "(%s = 1 OR " : "(%s = 0 AND ", nan_column);
    buf_add_fmt(&s->text, "%s %s ", column, spelled[c->op]);
    if (c->list_count)
        list_add(s, c);
    else
        search_sql_arg(s, value_of(c));
    if (nan_column)
        search_sql_add(s, ")");
    return OK;
}

/* (x.dataset_name = ? AND x.dataset_digest = ? OR ...) */
static void datasets_add(struct search_sql *s)
{
    for (size_t i = 0; i < s->spec->dataset_count; i++) {
        const struct search_dataset *d = &s->spec->datasets[i];
        search_sql_add(s, i ? " OR x.dataset_name = " : " AND (x.dataset_name = ");
        search_sql_arg(s, sql_text(d->name));
        if (d->digest.len) {
            search_sql_add(s, " AND x.dataset_digest = ");
            search_sql_arg(s, sql_text(d->digest));
        }
    }
    if (s->spec->dataset_count)
        search_sql_add(s, ")");
}

err search_sql_condition(struct search_sql *s, const struct search_condition *c)
{
    const struct search_entity *entity = c->entity;
    if (s->spec->kind == SEARCH_TRACES) {
        bool is_done = false;
        TRY(search_sql_of_traces(s, c, &is_done));
        if (is_done)
            return OK;
    }
    if (entity->is_own)
        return search_sql_value(s, c, c->attribute->sql, NULL);
    buf_add_fmt(&s->text, "%sEXISTS (SELECT 1 FROM %s", c->op == SEARCH_IS_NULL ? "NOT " : "",
                entity->from);
    if (!c->attribute) {
        search_sql_add(s, " AND x.key = ");
        search_sql_arg(s, sql_text(c->key));
    }
    if (c->op != SEARCH_IS_NULL && c->op != SEARCH_IS_NOT_NULL) {
        search_sql_add(s, " AND ");
        const char *any = c->is_number && entity->number_sql ? entity->number_sql : "x.value";
        TRY(search_sql_value(s, c, c->attribute ? c->attribute->sql : any,
                             entity->has_nan ? "x.is_nan" : NULL));
    }
    if (s->spec->kind == SEARCH_LOGGED_MODELS && entity->has_nan)
        datasets_add(s);
    search_sql_add(s, ")");
    return OK;
}

/* ------------------------------------------------------------------ the scope */

static const str PROMPT_KEY = STR_INIT("mlflow.prompt.is_prompt");

static bool is_prompt_condition(const struct search_condition *c)
{
    return !c->attribute && str_eq(c->key, PROMPT_KEY);
}

/* MLflow's rule: prompts are registered models with a mark, and are found only when the first
 * condition on the mark asks for them. */
static bool wants_prompts(const struct search_filter *f)
{
    for (size_t i = 0; i < f->count; i++) {
        const struct search_condition *c = &f->conditions[i];
        if (is_prompt_condition(c))
            return (c->op == SEARCH_EQ && str_eq_nocase(c->text, STR("true"))) ||
                   (c->op == SEARCH_NE && str_eq_nocase(c->text, STR("false")));
    }
    return false;
}

static bool is_registry(const struct search_spec *spec)
{
    return spec->kind == SEARCH_MODELS || spec->kind == SEARCH_VERSIONS;
}

bool search_is_prompt_rule(const struct search_spec *spec, const struct search_filter *f,
                           const struct search_condition *c)
{
    return is_registry(spec) && is_prompt_condition(c) && !wants_prompts(f);
}

static void experiments_add(struct search_sql *s)
{
    const struct search_spec *spec = s->spec;
    search_sql_add(s, spec->experiment_count == 1 ? "r.experiment_id = " : "r.experiment_id IN (");
    for (size_t i = 0; i < spec->experiment_count; i++)
        buf_add_fmt(&s->text, "%s%lld", i ? "," : "", (long long)spec->experiment_ids[i]);
    search_sql_add(s, spec->experiment_count == 1 ? "" : ")");
}

void search_sql_scope(struct search_sql *s, const struct search_filter *f)
{
    static const char *const lives[] = {
        [SEARCH_ACTIVE] = "r.lifecycle_stage = 'active'",
        [SEARCH_DELETED] = "r.lifecycle_stage = 'deleted'",
        [SEARCH_ALL] = "r.lifecycle_stage IN ('active', 'deleted')",
    };
    switch (s->spec->kind) {
    case SEARCH_RUNS:
        experiments_add(s);
        search_sql_add(s, " AND ");
        search_sql_add(s, lives[s->spec->view]);
        break;
    case SEARCH_EXPERIMENTS:
        search_sql_add(s, lives[s->spec->view]);
        break;
    case SEARCH_MODELS:
        search_sql_add(s, wants_prompts(f)
                              ? "r.name IS NOT NULL"
                              : "NOT EXISTS (SELECT 1 FROM registered_model_tags p WHERE p.name ="
                                " r.name AND p.key = 'mlflow.prompt.is_prompt' AND p.value ="
                                " 'true')");
        break;
    case SEARCH_VERSIONS: /* one version with the mark hides them all */
        search_sql_add(s, "r.stage <> 'Deleted_Internal'");
        if (!wants_prompts(f))
            search_sql_add(s, " AND NOT EXISTS (SELECT 1 FROM model_versions v"
                              " JOIN model_version_tags p ON p.version_id = v.id"
                              " WHERE v.name = r.name AND p.key = 'mlflow.prompt.is_prompt'"
                              " AND p.value = 'true')");
        break;
    case SEARCH_LOGGED_MODELS: {
        experiments_add(s);
        search_sql_add(s, " AND r.lifecycle_stage <> 'deleted'");
        bool has_metric = false;
        for (size_t i = 0; i < f->count; i++)
            has_metric |= f->conditions[i].entity->has_nan;
        if (s->spec->dataset_count && !has_metric) {
            search_sql_add(s, " AND EXISTS (SELECT 1 FROM logged_model_metrics x"
                              " WHERE x.model_id = r.model_id");
            datasets_add(s);
            search_sql_add(s, ")");
        }
        break;
    }
    case SEARCH_TRACES:
        experiments_add(s);
        break;
    case SEARCH_KIND_COUNT:
        break;
    }
}

/* ------------------------------------------------------------------ where a search can begin */

/* What a pattern begins with, as far as an index of prefixes goes. */
static str literal_prefix(str pattern)
{
    size_t len = 0;
    while (len < pattern.len && len < SEARCH_PREFIX_CHARACTERS && pattern.ptr[len] != '%' &&
           pattern.ptr[len] != '_')
        len++;
    str prefix = str_sub(pattern, 0, len);
    prefix.len = str_utf8_valid_len(prefix);
    return prefix;
}

bool search_can_begin(const struct search_condition *c)
{
    if (!c->entity->table || (c->attribute && !c->attribute->indexed))
        return false;
    if (c->op == SEARCH_LIKE)
        return literal_prefix(c->text).len > 0;
    return c->op == SEARCH_EQ || (c->entity->value_is_number && c->op != SEARCH_NE);
}

err search_sql_begin(struct search_sql *s, const struct search_condition *c, const char *alias,
                     bool whole)
{
    char value[32], nan[16], prefixed[64];
    snprintf(value, sizeof value, "%s.%s", alias, c->attribute ? c->attribute->indexed : "value");
    snprintf(nan, sizeof nan, "%s.is_nan", alias);
    snprintf(prefixed, sizeof prefixed, "substr(%s, 1, %d)", value, SEARCH_PREFIX_CHARACTERS);
    if (!c->attribute) {
        buf_add_fmt(&s->text, "%s.key = ", alias);
        search_sql_arg(s, sql_text(c->key));
        search_sql_add(s, " AND ");
    }
    if (c->entity->value_is_number)
        return search_sql_value(s, c, value, nan);
    if (c->op == SEARCH_LIKE) {
        /* 0xF4 0x8F 0xBF 0xBF is the last character there is */
        str prefix = literal_prefix(c->text);
        str last = arena_fmt(s->keep, "%.*s\xF4\x8F\xBF\xBF", STR_ARG(prefix));
        TRY(arena_check(s->keep));
        buf_add_fmt(&s->text, "%s >= ", prefixed);
        search_sql_arg(s, sql_text(prefix));
        buf_add_fmt(&s->text, " AND %s <= ", prefixed);
        search_sql_arg(s, sql_text(last));
    } else {
        buf_add_fmt(&s->text, "%s = substr(", prefixed);
        search_sql_arg(s, sql_text(c->text));
        buf_add_fmt(&s->text, ", 1, %d)", SEARCH_PREFIX_CHARACTERS);
    }
    if (!whole)
        return OK;
    if (c->op == SEARCH_LIKE) {
        search_sql_add(s, " AND ");
        return search_sql_value(s, c, value, NULL);
    }
    /* Not "=": SQLite would put the constant into substr() above, and not know the index again. */
    buf_add_fmt(&s->text, " AND %s >= ?%zu AND %s <= ?%zu", value, s->count, value, s->count);
    return OK;
}
