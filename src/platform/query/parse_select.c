/* SPDX-License-Identifier: GPL-3.0-or-later */
/* parse_select.c -- selectors: matchers in braces, what follows them, and whom they match.
 *
 * In PromQL name{a="x"}[5m] offset 1h; in LogQL {a="x"} |= "text" | json | b > 3 [5m]. A LogQL
 * selector is of the type "range of samples" with and without a range, so that only the functions
 * that count lines take it.
 */
#include <string.h>

#include "platform/query/query_internal.h"

/* ------------------------------------------------------------------ matchers */

static err compile_matcher(struct parser *p, size_t at, struct matcher *m)
{
    if (m->op != MATCH_PATTERN && m->op != MATCH_NOT_PATTERN)
        return OK;
    err e = pattern_compile(p->lexer.keep, m->value, &m->pattern);
    return e.code ? err_wrap(e, "character %zu", AT(at)) : OK;
}

static bool match_op_at(const struct parser *p, enum match_op *ret_op)
{
    static const char *const signs[] = { [MATCH_EQUAL] = "=",
                                         [MATCH_NOT_EQUAL] = "!=",
                                         [MATCH_PATTERN] = "=~",
                                         [MATCH_NOT_PATTERN] = "!~" };
    for (size_t i = 0; i < COUNT_OF(signs); i++) {
        if (parse_is(p, signs[i])) {
            *ret_op = (enum match_op)i;
            return true;
        }
    }
    return false;
}

err parse_matchers(struct parser *p, struct query_selector *selector)
{
    TRY(parse_expect(p, "{", "'{' and matchers"));
    while (!parse_is(p, "}")) {
        struct matcher m = { .name = p->token.text };
        size_t at = p->token.at;
        if (p->token.kind != TOKEN_NAME || str_contains(m.name, STR(":")))
            return parse_unexpected(p, "the name of a label or '}'");
        if (selector->count == MATCHERS_MAX)
            return ERR(ERR_INVALID, "character %zu: more than %d matchers", AT(at), MATCHERS_MAX);
        TRY(parse_advance(p));
        if (!match_op_at(p, &m.op))
            return parse_unexpected(p, "one of = != =~ !~");
        TRY(parse_advance(p));
        TRY(parse_string(p, "a value in quotes", &m.value));
        TRY(compile_matcher(p, at, &m));
        selector->matchers[selector->count++] = m;
        if (!parse_is(p, ","))
            break;
        TRY(parse_advance(p));
    }
    return parse_expect(p, "}", "',' or '}' behind a matcher");
}

static bool matcher_takes(const struct matcher *m, str value)
{
    switch (m->op) {
    case MATCH_EQUAL:
        return str_eq(value, m->value);
    case MATCH_NOT_EQUAL:
        return !str_eq(value, m->value);
    case MATCH_PATTERN:
        return pattern_matches(m->pattern, value);
    case MATCH_NOT_PATTERN:
        return !pattern_matches(m->pattern, value);
    }
    return false;
}

bool query_selector_matches(const struct query_selector *s, struct labels labels)
{
    for (size_t i = 0; i < s->count; i++)
        if (!matcher_takes(&s->matchers[i], labels_get(labels, s->matchers[i].name)))
            return false;
    return true;
}

str query_selector_demands(const struct query_selector *s, str label)
{
    for (size_t i = 0; i < s->count; i++)
        if (s->matchers[i].op == MATCH_EQUAL && str_eq(s->matchers[i].name, label))
            return s->matchers[i].value;
    return STR_NONE;
}

str query_selector_name(const struct query_selector *s)
{
    return query_selector_demands(s, LABELS_NAME);
}

/* A selector that the empty label set passes would take everything. */
static err check_selector(const struct query_selector *s, size_t at)
{
    for (size_t i = 0; i < s->count; i++)
        if (!matcher_takes(&s->matchers[i], STR_NONE))
            return OK;
    return ERR(ERR_INVALID,
               "character %zu: a selector needs a matcher that does not match the empty text",
               AT(at));
}

/* ------------------------------------------------------------------ stages of a log query */

static err parse_line_filter(struct parser *p, struct stage *stage)
{
    bool pattern = parse_is(p, "|~") || parse_is(p, "!~");
    size_t at;
    *stage = (struct stage){ .kind = pattern ? STAGE_PATTERN : STAGE_CONTAINS,
                             .negated = parse_is(p, "!=") || parse_is(p, "!~") };
    TRY(parse_advance(p));
    at = p->token.at;
    TRY(parse_string(p, "a text in quotes", &stage->text));
    if (!pattern)
        return OK;
    err e = pattern_compile(p->lexer.keep, stage->text, &stage->pattern);
    return e.code ? err_wrap(e, "character %zu", AT(at)) : OK;
}

/* name = "value" or name > 3; the name is read. */
static err parse_label_filter(struct parser *p, str name, struct stage *stage)
{
    *stage = (struct stage){ .kind = STAGE_LABEL, .matcher = { .name = name } };
    size_t at = (size_t)(name.ptr - p->lexer.text.ptr);
    struct token *compare = NEW(p->lexer.keep, struct token);
    ARENA_TRY(compare);
    *compare = p->token;
    bool has_op = match_op_at(p, &stage->matcher.op);
    if (!has_op && !parse_is(p, "==") && !parse_is(p, "<") && !parse_is(p, "<=") &&
        !parse_is(p, ">") && !parse_is(p, ">="))
        return ERR(ERR_INVALID,
                   "character %zu: the stage '%.*s' is not supported: json, drop and label filters "
                   "like level=\"error\" or status >= 500 are",
                   AT(at), STR_ARG(str_sub(name, 0, 40)));
    TRY(parse_advance(p));
    if (p->token.kind == TOKEN_NUMBER && stage->matcher.op != MATCH_PATTERN &&
        stage->matcher.op != MATCH_NOT_PATTERN) {
        stage->compare = compare;
        stage->number = p->token.number;
        return parse_advance(p);
    }
    if (!has_op)
        return parse_unexpected(p, "a number");
    TRY(parse_string(p, "a value in quotes", &stage->matcher.value));
    return compile_matcher(p, at, &stage->matcher);
}

static err parse_drop(struct parser *p, struct stage *stage)
{
    *stage = (struct stage){ .kind = STAGE_DROP };
    for (;;) {
        if (p->token.kind != TOKEN_NAME)
            return parse_unexpected(p, "the name of a label");
        if (stage->name_count == GROUP_LABELS_MAX)
            return ERR(ERR_INVALID, "character %zu: more than %d labels", AT(p->token.at),
                       GROUP_LABELS_MAX);
        stage->names[stage->name_count++] = p->token.text;
        TRY(parse_advance(p));
        if (!parse_is(p, ","))
            return OK;
        TRY(parse_advance(p));
    }
}

/* Behind "|". */
static err parse_pipe(struct parser *p, struct pipeline *pipeline, struct stage *stage)
{
    str name = p->token.text;
    if (p->token.kind != TOKEN_NAME)
        return parse_unexpected(p, "json, drop or a label filter");
    bool is_json = parse_is_word(p, "json"), is_drop = parse_is_word(p, "drop");
    TRY(parse_advance(p));
    if (is_json) {
        *stage = (struct stage){ .kind = STAGE_JSON };
        pipeline->has_json = true;
        return OK;
    }
    if (is_drop && p->token.kind == TOKEN_NAME)
        return parse_drop(p, stage);
    return parse_label_filter(p, name, stage);
}

static err parse_pipeline(struct parser *p, struct pipeline *pipeline)
{
    for (;;) {
        bool is_filter = parse_is(p, "|=") || parse_is(p, "!=") || parse_is(p, "|~") ||
                         parse_is(p, "!~");
        if (!is_filter && !parse_is(p, "|"))
            return OK;
        if (pipeline->count == STAGES_MAX)
            return ERR(ERR_INVALID, "character %zu: more than %d stages", AT(p->token.at),
                       STAGES_MAX);
        struct stage *stage = &pipeline->stages[pipeline->count++];
        if (is_filter) {
            TRY(parse_line_filter(p, stage));
            continue;
        }
        TRY(parse_advance(p));
        TRY(parse_pipe(p, pipeline, stage));
    }
}

/* ------------------------------------------------------------------ ranges and offsets */

static err parse_range(struct parser *p, struct node *node)
{
    if (!parse_is(p, "["))
        return OK;
    TRY(parse_advance(p));
    if (p->token.kind != TOKEN_DURATION)
        return parse_unexpected(p, "a duration like 5m");
    if (p->token.duration_ms == 0)
        return ERR(ERR_INVALID, "character %zu: a range must be longer than nothing",
                   AT(p->token.at));
    node->range_ms = p->token.duration_ms;
    node->type = QUERY_MATRIX;
    TRY(parse_advance(p));
    if (parse_is(p, ":"))
        return ERR(ERR_INVALID, "character %zu: subqueries like [1h:5m] are not supported",
                   AT(p->token.at));
    return parse_expect(p, "]", "']' behind a range");
}

static err parse_offset(struct parser *p, struct node *node)
{
    if (!parse_is_word(p, "offset"))
        return OK;
    TRY(parse_advance(p));
    bool negative = parse_is(p, "-");
    if (negative)
        TRY(parse_advance(p));
    if (p->token.kind != TOKEN_DURATION)
        return parse_unexpected(p, "a duration like 5m");
    node->offset_ms = negative ? -p->token.duration_ms : p->token.duration_ms;
    return parse_advance(p);
}

static err parse_metric_name(struct parser *p, struct query_selector *selector)
{
    if (p->token.kind != TOKEN_NAME)
        return OK;
    selector->matchers[selector->count++] = (struct matcher){ .name = LABELS_NAME,
                                                              .value = p->token.text,
                                                              .op = MATCH_EQUAL };
    return parse_advance(p);
}

err parse_select(struct parser *p, struct node **ret_node)
{
    struct node *node = NULL;
    bool is_log = p->lexer.language == QUERY_LOGQL;
    TRY(parse_node(p, NODE_SELECT, is_log ? QUERY_MATRIX : QUERY_VECTOR, &node));
    node->selector = NEW(p->lexer.keep, struct query_selector);
    ARENA_TRY(node->selector);
    if (is_log) {
        node->pipeline = NEW(p->lexer.keep, struct pipeline);
        ARENA_TRY(node->pipeline);
        TRY(parse_matchers(p, node->selector));
    } else {
        TRY(parse_metric_name(p, node->selector));
        if (parse_is(p, "{"))
            TRY(parse_matchers(p, node->selector));
    }
    TRY(check_selector(node->selector, node->at));
    if (is_log)
        TRY(parse_pipeline(p, node->pipeline));
    TRY(parse_range(p, node));
    TRY(parse_offset(p, node));
    if (parse_is(p, "@"))
        return ERR(ERR_INVALID, "character %zu: the modifier @ is not supported", AT(p->token.at));
    *ret_node = node;
    return OK;
}
