/* SPDX-License-Identifier: GPL-3.0-or-later */
/* search_traces.c -- conditions that only traces have: runs they belong to, text of spans, prompts
 * they used, and attributes of spans, which are found in a line of the span's content. */
#include "platform/track/client_internal.h"
#include "platform/track/search_internal.h"

enum { TEXT_BYTES_MAX = 4 * SEARCH_TEXT_BYTES_MAX };
#define ESCAPE " ESCAPE '!'"

/* Text as JSON has it, between the quotes or with them. */
static err json_text(str text, bool has_quotes, arena *keep, str *ret)
{
    struct buf out;
    buf_init(&out, TEXT_BYTES_MAX);
    json_escape(&out, text);
    err e = buf_check(&out);
    str whole = buf_str(&out);
    if (!e.code) {
        *ret = arena_str(keep, has_quotes ? whole : str_sub(whole, 1, whole.len - 2));
        e = arena_check(keep);
    }
    buf_deinit(&out);
    return e;
}

/* ------------------------------------------------------------------ attributes of spans */

/* The line of the key, as rows y with y.v: its value, JSON. */
static err line_add(struct search_sql *s, str key)
{
    str quoted, marker;
    TRY(json_text(key, true, s->keep, &quoted));
    marker = arena_fmt(s->keep, "\n%.*s:", STR_ARG(quoted));
    TRY(arena_check(s->keep));
    search_sql_add(s, "(SELECT substr(z.rest, 1, @instr(z.rest, ");
    search_sql_arg(s, sql_text(STR("\n")));
    search_sql_add(s, ") - 1) AS v FROM (SELECT substr(x.content, @instr(x.content, ");
    search_sql_arg(s, sql_text(marker));
    buf_add_fmt(&s->text, ") + %zu) AS rest FROM trace_spans x WHERE x.trace = r.id AND @instr(",
                client_characters(marker));
    search_sql_add(s, "x.content, ");
    search_sql_arg(s, sql_text(marker));
    search_sql_add(s, ") > 0) z) y");
    return OK;
}

/* A text is compared without its quotes; whatever else there is as it stands: 1, true, {"a": 1} */
static err like_add(struct search_sql *s, const struct search_condition *c)
{
    bool to_lower = c->op == SEARCH_ILIKE;
    const char *v = to_lower ? "lower(y.v)" : "y.v";
    str inside, of_text, of_json;
    TRY(json_text(c->text, false, s->keep, &inside));
    TRY(search_sql_pattern(inside, to_lower, s->keep, &of_text));
    TRY(search_sql_pattern(c->text, to_lower, s->keep, &of_json));
    of_text = arena_fmt(s->keep, "\"%.*s\"", STR_ARG(of_text));
    TRY(arena_check(s->keep));
    buf_add_fmt(&s->text, "(%s LIKE ", v);
    search_sql_arg(s, sql_text(of_text));
    buf_add_fmt(&s->text, ESCAPE " OR (substr(y.v, 1, 1) <> '\"' AND %s LIKE ", v);
    search_sql_arg(s, sql_text(of_json));
    search_sql_add(s, ESCAPE "))");
    return OK;
}

static err attribute_add(struct search_sql *s, const struct search_condition *c)
{
    bool is_not = c->op == SEARCH_NE || c->op == SEARCH_NOT_IN;
    const str *values = c->list_count ? c->list : &c->text;
    size_t count = c->list_count ? c->list_count : 1;
    search_sql_add(s, "EXISTS (SELECT 1 FROM ");
    TRY(line_add(s, c->key));
    search_sql_add(s, " WHERE ");
    if (c->op == SEARCH_LIKE || c->op == SEARCH_ILIKE) {
        TRY(like_add(s, c));
        search_sql_add(s, ")");
        return OK;
    }
    if (c->op == SEARCH_RLIKE) {
        search_sql_rlike(s, c,
                         "CASE WHEN substr(y.v, 1, 1) = '\"' THEN"
                         " substr(y.v, 2, length(y.v) - 2) ELSE y.v END");
        search_sql_add(s, ")");
        return OK;
    }
    search_sql_add(s, is_not ? "y.v NOT IN (" : "y.v IN (");
    for (size_t i = 0; i < count; i++) {
        str quoted;
        TRY(json_text(values[i], true, s->keep, &quoted));
        search_sql_add(s, i ? ", " : "");
        search_sql_arg(s, sql_text(quoted));
        search_sql_add(s, ", ");
        search_sql_arg(s, sql_text(values[i]));
    }
    search_sql_add(s, "))");
    return OK;
}

/* ------------------------------------------------------------------ the others */

/* "name/version" among [{"name": "p", "version": "1"}]. */
static err prompt_add(struct search_sql *s, const struct search_condition *c)
{
    str version = c->text, name = str_split(&version, '/'), quoted_name, quoted_version;
    TRY(json_text(name, true, s->keep, &quoted_name));
    TRY(json_text(version, true, s->keep, &quoted_version));
    str wanted = arena_fmt(s->keep, "{\"name\": %.*s, \"version\": %.*s}", STR_ARG(quoted_name),
                           STR_ARG(quoted_version));
    TRY(arena_check(s->keep));
    buf_add_fmt(&s->text, "@instr(COALESCE(%s, ''), ", c->attribute->sql);
    search_sql_arg(s, sql_text(wanted));
    search_sql_add(s, ") > 0");
    return OK;
}

err search_sql_of_traces(struct search_sql *s, const struct search_condition *c, bool *ret_is_done)
{
    const struct search_key *k = c->attribute;
    *ret_is_done = true;
    if (c->entity->any_prefix && !k)
        return attribute_add(s, c);
    if (k && k->is_prompt)
        return prompt_add(s, c);
    if (!k || !k->from) {
        *ret_is_done = false;
        return OK;
    }
    buf_add_fmt(&s->text, "EXISTS (SELECT 1 FROM %s AND ", k->from);
    TRY(search_sql_value(s, c, k->from_sql, NULL));
    search_sql_add(s, ")");
    return OK;
}
