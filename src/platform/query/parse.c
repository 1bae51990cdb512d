/* SPDX-License-Identifier: GPL-3.0-or-later */
/* parse.c -- expressions: precedence climbing over tokens, into a tree whose types are checked
 * while it grows. Both languages have these; they differ in what a selector is (parse_select.c).
 *
 * From weak to strong: or; and unless; == != < <= > >=; + -; * / %; unary - +; ^, which alone
 * binds to the right.
 */
#include <math.h>
#include <string.h>

#include "platform/query/query_internal.h"

enum { UNARY_PRECEDENCE = 6, SHOWN_BYTES = 40 };

/* ------------------------------------------------------------------ tokens */

err parse_advance(struct parser *p)
{
    return lex_next(&p->lexer, &p->token);
}

bool parse_is(const struct parser *p, const char *sign)
{
    return p->token.kind == TOKEN_SIGN && str_eq(p->token.text, str_of(sign));
}

bool parse_is_word(const struct parser *p, const char *word)
{
    return p->token.kind == TOKEN_NAME && str_eq_nocase(p->token.text, str_of(word));
}

err parse_unexpected(const struct parser *p, const char *wanted)
{
    if (p->token.kind == TOKEN_END)
        return ERR(ERR_INVALID, "character %zu: the query ends where %s is wanted", AT(p->token.at),
                   wanted);
    str shown = str_sub(p->lexer.text, p->token.at, p->lexer.next - p->token.at);
    return ERR(ERR_INVALID, "character %zu: '%.*s' stands where %s is wanted", AT(p->token.at),
               STR_ARG(str_sub(shown, 0, SHOWN_BYTES)), wanted);
}

err parse_expect(struct parser *p, const char *sign, const char *where)
{
    if (!parse_is(p, sign))
        return parse_unexpected(p, where);
    return parse_advance(p);
}

err parse_string(struct parser *p, const char *what, str *ret_text)
{
    if (p->token.kind != TOKEN_STRING)
        return parse_unexpected(p, what);
    *ret_text = p->token.text;
    return parse_advance(p);
}

err parse_label_list(struct parser *p, struct label_list **ret_list)
{
    struct label_list *list = NEW(p->lexer.keep, struct label_list);
    ARENA_TRY(list);
    TRY(parse_expect(p, "(", "'(' and the names of labels"));
    while (!parse_is(p, ")")) {
        if (p->token.kind != TOKEN_NAME || str_contains(p->token.text, STR(":")))
            return parse_unexpected(p, "the name of a label");
        if (list->count == GROUP_LABELS_MAX)
            return ERR(ERR_INVALID, "character %zu: more than %d labels", AT(p->token.at),
                       GROUP_LABELS_MAX);
        list->names[list->count++] = p->token.text;
        TRY(parse_advance(p));
        if (!parse_is(p, ","))
            break;
        TRY(parse_advance(p));
    }
    TRY(parse_expect(p, ")", "')' behind the names of labels"));
    label_list_sort(list);
    *ret_list = list;
    return OK;
}

err parse_node(struct parser *p, enum node_kind kind, enum query_type type, struct node **ret_node)
{
    struct node *node = NEW(p->lexer.keep, struct node);
    ARENA_TRY(node);
    node->kind = kind;
    node->type = type;
    node->at = p->token.at;
    *ret_node = node;
    return OK;
}

static const char *type_name(enum query_type type)
{
    static const char *const names[] = { [QUERY_SCALAR] = "a number",
                                         [QUERY_VECTOR] = "an instant vector",
                                         [QUERY_MATRIX] = "a range of samples",
                                         [QUERY_STRING] = "a string" };
    return names[type];
}

static err want_type(const struct node *node, enum query_type type, const char *who)
{
    if (node->type == type)
        return OK;
    return ERR(ERR_INVALID, "character %zu: %s wants %s, and this is %s%s", AT(node->at), who,
               type_name(type), type_name(node->type),
               type == QUERY_MATRIX ? ": put a range like [5m] behind a selector" : "");
}

static err parse_binary(struct parser *p, int precedence, struct node **ret_node);

/* ------------------------------------------------------------------ aggregations */

static const struct {
    const char *name;
    enum aggregate_op op;
    bool has_param;
} aggregates[] = {
    { "sum", AGGREGATE_SUM, false },          { "avg", AGGREGATE_AVG, false },
    { "min", AGGREGATE_MIN, false },          { "max", AGGREGATE_MAX, false },
    { "count", AGGREGATE_COUNT, false },      { "group", AGGREGATE_GROUP, false },
    { "stddev", AGGREGATE_STDDEV, false },    { "stdvar", AGGREGATE_STDVAR, false },
    { "topk", AGGREGATE_TOPK, true },         { "bottomk", AGGREGATE_BOTTOMK, true },
    { "quantile", AGGREGATE_QUANTILE, true },
};

static ptrdiff_t aggregate_find(str name)
{
    for (size_t i = 0; i < COUNT_OF(aggregates); i++)
        if (str_eq_nocase(name, str_of(aggregates[i].name)))
            return (ptrdiff_t)i;
    return -1;
}

/* by (..) or without (..), which may stand before or behind the parentheses. */
static err parse_grouping(struct parser *p, struct node *node)
{
    if (node->labels || !(parse_is_word(p, "by") || parse_is_word(p, "without")))
        return OK;
    node->without = parse_is_word(p, "without");
    TRY(parse_advance(p));
    return parse_label_list(p, &node->labels);
}

/* Behind the name of the operator; the node's place is that of the name. */
static err parse_aggregate(struct parser *p, size_t row, size_t at, struct node **ret_node)
{
    struct node *node = NULL;
    TRY(parse_node(p, NODE_AGGREGATE, QUERY_VECTOR, &node));
    node->at = at;
    node->aggregate = aggregates[row].op;
    TRY(parse_grouping(p, node));
    TRY(parse_expect(p, "(", "'(' behind an aggregation"));
    if (aggregates[row].has_param) {
        TRY(parse_binary(p, 1, &node->param));
        TRY(want_type(node->param, QUERY_SCALAR, aggregates[row].name));
        TRY(parse_expect(p, ",", "',' behind the parameter of an aggregation"));
    }
    TRY(parse_binary(p, 1, &node->args[0]));
    TRY(want_type(node->args[0], QUERY_VECTOR, aggregates[row].name));
    TRY(parse_expect(p, ")", "')' at the end of an aggregation"));
    TRY(parse_grouping(p, node));
    *ret_node = node;
    return OK;
}

/* ------------------------------------------------------------------ calls */

static err parse_arguments(struct parser *p, struct node *node)
{
    const struct function *f = node->function;
    while (!parse_is(p, ")")) {
        if (node->arg_count == f->arg_count)
            return ERR(ERR_INVALID, "character %zu: %s takes at most %zu arguments",
                       AT(p->token.at), f->name, f->arg_count);
        struct node *arg;
        TRY(parse_binary(p, 1, &arg));
        TRY(want_type(arg, f->args[node->arg_count], f->name));
        node->args[node->arg_count++] = arg;
        if (!parse_is(p, ","))
            break;
        TRY(parse_advance(p));
    }
    if (node->arg_count < f->args_min)
        return ERR(ERR_INVALID, "character %zu: %s needs %zu argument%s, and has %zu", AT(node->at),
                   f->name, f->args_min, f->args_min == 1 ? "" : "s", node->arg_count);
    return OK;
}

static err parse_call(struct parser *p, struct token name, struct node **ret_node)
{
    struct node *node = NULL;
    unsigned language = p->lexer.language == QUERY_LOGQL ? LANGUAGE_LOG : LANGUAGE_PROM;
    const struct function *f = function_find(name.text, language);
    if (!f)
        return ERR(ERR_INVALID,
                   "character %zu: the function '%.*s' is not supported: "
                   "docs/observability.md lists those that are",
                   AT(name.at), STR_ARG(str_sub(name.text, 0, SHOWN_BYTES)));
    TRY(parse_node(p, NODE_CALL, f->returns, &node));
    node->at = name.at;
    node->function = f;
    TRY(parse_advance(p));
    TRY(parse_arguments(p, node));
    TRY(parse_expect(p, ")", "')' at the end of the arguments"));
    *ret_node = node;
    return OK;
}

/* ------------------------------------------------------------------ operands */

static bool word_number(str word, double *ret_value)
{
    if (str_eq_nocase(word, STR("inf")))
        *ret_value = INFINITY;
    else if (str_eq_nocase(word, STR("nan")))
        *ret_value = NAN;
    else
        return false;
    return true;
}

static err parse_number(struct parser *p, double value, struct node **ret_node)
{
    TRY(parse_node(p, NODE_NUMBER, QUERY_SCALAR, ret_node));
    (*ret_node)->number = value;
    return parse_advance(p);
}

/* A name: an aggregation, a call, a number, or a metric. One token ahead tells which. */
static err parse_name(struct parser *p, struct node **ret_node)
{
    struct lexer ahead = p->lexer;
    struct token name = p->token, next;
    double value;
    TRY(lex_next(&ahead, &next));
    bool opens = next.kind == TOKEN_SIGN && str_eq(next.text, STR("("));
    bool groups = next.kind == TOKEN_NAME &&
                  (str_eq_nocase(next.text, STR("by")) || str_eq_nocase(next.text, STR("without")));
    ptrdiff_t row = aggregate_find(name.text);
    if (row >= 0 && (opens || groups)) {
        TRY(parse_advance(p));
        return parse_aggregate(p, (size_t)row, name.at, ret_node);
    }
    if (opens) {
        TRY(parse_advance(p));
        return parse_call(p, name, ret_node);
    }
    if (word_number(name.text, &value))
        return parse_number(p, value, ret_node);
    return parse_select(p, ret_node);
}

static err parse_operand(struct parser *p, struct node **ret_node)
{
    switch (p->token.kind) {
    case TOKEN_NUMBER:
        return parse_number(p, p->token.number, ret_node);
    case TOKEN_STRING:
        TRY(parse_node(p, NODE_STRING, QUERY_STRING, ret_node));
        return parse_string(p, "a string", &(*ret_node)->text);
    case TOKEN_NAME:
        return parse_name(p, ret_node);
    case TOKEN_SIGN:
        if (parse_is(p, "{"))
            return parse_select(p, ret_node);
        if (!parse_is(p, "("))
            break;
        TRY(parse_advance(p));
        TRY(parse_binary(p, 1, ret_node));
        TRY(parse_expect(p, ")", "')'"));
        if (parse_is(p, "["))
            return ERR(ERR_INVALID,
                       "character %zu: subqueries, a range behind an expression, are not supported",
                       AT(p->token.at));
        return OK;
    case TOKEN_DURATION:
    case TOKEN_END:
        break;
    }
    return parse_unexpected(p, "a number, a selector, a function or '('");
}

static err parse_unary(struct parser *p, struct node **ret_node)
{
    bool minus = parse_is(p, "-");
    struct node *node = NULL;
    if (!minus && !parse_is(p, "+"))
        return parse_operand(p, ret_node);
    TRY(parse_node(p, NODE_NEGATE, QUERY_SCALAR, &node));
    TRY(parse_advance(p));
    TRY(parse_binary(p, UNARY_PRECEDENCE, &node->args[0]));
    node->type = node->args[0]->type;
    if (node->type != QUERY_SCALAR && node->type != QUERY_VECTOR)
        return ERR(ERR_INVALID, "character %zu: a sign stands before %s", AT(node->at),
                   type_name(node->type));
    *ret_node = minus ? node : node->args[0];
    return OK;
}

/* ------------------------------------------------------------------ binary operators */

static const struct {
    const char *text;
    enum binary_op op;
    int precedence;
} operators[] = {
    { "or", OP_OR, 1 },         { "and", OP_AND, 2 },      { "unless", OP_UNLESS, 2 },
    { "==", OP_EQUAL, 3 },      { "!=", OP_NOT_EQUAL, 3 }, { "<", OP_LESS, 3 },
    { "<=", OP_LESS_EQUAL, 3 }, { ">", OP_GREATER, 3 },    { ">=", OP_GREATER_EQUAL, 3 },
    { "+", OP_ADD, 4 },         { "-", OP_SUBTRACT, 4 },   { "*", OP_MULTIPLY, 5 },
    { "/", OP_DIVIDE, 5 },      { "%", OP_MODULO, 5 },     { "^", OP_POWER, 6 },
};

static ptrdiff_t operator_at(const struct parser *p)
{
    for (size_t i = 0; i < COUNT_OF(operators); i++)
        if (p->token.kind == TOKEN_SIGN ? str_eq(p->token.text, str_of(operators[i].text))
                                        : parse_is_word(p, operators[i].text))
            return (ptrdiff_t)i;
    return -1;
}

static err parse_group_side(struct parser *p, struct node *node)
{
    bool left = parse_is_word(p, "group_left");
    if (!left && !parse_is_word(p, "group_right"))
        return OK;
    if (op_is_set(node->op))
        return ERR(ERR_INVALID, "character %zu: and, or and unless take no group_left",
                   AT(p->token.at));
    node->cardinality = left ? MANY_TO_ONE : ONE_TO_MANY;
    TRY(parse_advance(p));
    if (!parse_is(p, "("))
        return OK;
    TRY(parse_label_list(p, &node->include));
    for (size_t i = 0; node->matches_on && i < node->include->count; i++)
        if (label_list_has(node->labels, node->include->names[i]))
            return ERR(ERR_INVALID, "character %zu: label '%.*s' stands in on() and in group",
                       AT(node->at), STR_ARG(node->include->names[i]));
    return OK;
}

/* bool, on(..), ignoring(..), group_left(..) behind an operator */
static err parse_modifiers(struct parser *p, struct node *node)
{
    if (parse_is_word(p, "bool")) {
        if (!op_is_comparison(node->op))
            return ERR(ERR_INVALID, "character %zu: bool goes with comparisons only",
                       AT(p->token.at));
        node->returns_bool = true;
        TRY(parse_advance(p));
    }
    if (!parse_is_word(p, "on") && !parse_is_word(p, "ignoring"))
        return OK;
    node->matches_on = parse_is_word(p, "on");
    TRY(parse_advance(p));
    TRY(parse_label_list(p, &node->labels));
    return parse_group_side(p, node);
}

static err check_binary(struct node *node)
{
    enum query_type left = node->args[0]->type, right = node->args[1]->type;
    for (int i = 0; i < 2; i++)
        if (node->args[i]->type != QUERY_SCALAR && node->args[i]->type != QUERY_VECTOR)
            return ERR(ERR_INVALID, "character %zu: an operator cannot take %s",
                       AT(node->args[i]->at), type_name(node->args[i]->type));
    bool is_scalar = left == QUERY_SCALAR && right == QUERY_SCALAR;
    if (op_is_set(node->op) && (left != QUERY_VECTOR || right != QUERY_VECTOR))
        return ERR(ERR_INVALID, "character %zu: and, or and unless take vectors, not numbers",
                   AT(node->at));
    if (is_scalar && op_is_comparison(node->op) && !node->returns_bool)
        return ERR(ERR_INVALID, "character %zu: comparing two numbers needs bool: 1 < bool 2",
                   AT(node->at));
    if (node->labels && (left != QUERY_VECTOR || right != QUERY_VECTOR))
        return ERR(ERR_INVALID, "character %zu: on and ignoring go between two vectors",
                   AT(node->at));
    node->type = is_scalar ? QUERY_SCALAR : QUERY_VECTOR;
    return OK;
}

static err parse_operators(struct parser *p, int precedence, struct node **ret_node)
{
    struct node *left;
    TRY(parse_unary(p, &left));
    for (;;) {
        ptrdiff_t row = operator_at(p);
        if (row < 0 || operators[row].precedence < precedence)
            break;
        if (++p->operators > QUERY_OPERATORS_MAX) /* each may make the tree deeper by one */
            return ERR(ERR_INVALID, "character %zu: more than %d operators", AT(p->token.at),
                       QUERY_OPERATORS_MAX);
        struct node *node = NULL;
        TRY(parse_node(p, NODE_BINARY, QUERY_VECTOR, &node));
        node->op = operators[row].op;
        TRY(parse_advance(p));
        TRY(parse_modifiers(p, node));
        node->args[0] = left;
        int next = operators[row].precedence + (node->op == OP_POWER ? 0 : 1);
        TRY(parse_binary(p, next, &node->args[1]));
        TRY(check_binary(node));
        left = node;
    }
    *ret_node = left;
    return OK;
}

static err parse_binary(struct parser *p, int precedence, struct node **ret_node)
{
    if (++p->depth > QUERY_DEPTH_MAX)
        return ERR(ERR_INVALID, "character %zu: the query is nested deeper than %d",
                   AT(p->token.at), QUERY_DEPTH_MAX);
    TRY(parse_operators(p, precedence, ret_node));
    p->depth--;
    return OK;
}

/* ------------------------------------------------------------------ whole texts */

static err parser_begin(struct parser *p, arena *keep, enum query_language language, str text)
{
    if (text.len > QUERY_BYTES_MAX)
        return ERR(ERR_INVALID, "the query has %zu bytes; at most %d", text.len, QUERY_BYTES_MAX);
    if (str_utf8_valid_len(text) != text.len)
        return ERR(ERR_INVALID, "character %zu: the query is not UTF-8",
                   AT(str_utf8_valid_len(text)));
    if (str_find_char(text, '\0') >= 0)
        return ERR(ERR_INVALID, "character %zu: the query has a NUL in it",
                   AT((size_t)str_find_char(text, '\0')));
    *p = (struct parser){ .lexer = { .keep = keep, .text = text, .language = language } };
    return parse_advance(p);
}

static err parser_end(const struct parser *p)
{
    if (p->token.kind == TOKEN_END)
        return OK;
    if (parse_is(p, "@"))
        return ERR(ERR_INVALID, "character %zu: the modifier @ is not supported", AT(p->token.at));
    return parse_unexpected(p, "an operator or the end");
}

err query_parse(arena *keep, enum query_language language, str text, struct query **ret_query)
{
    struct parser p;
    struct query *q = NEW(keep, struct query);
    ARENA_TRY(q);
    TRY(parser_begin(&p, keep, language, text));
    if (p.token.kind == TOKEN_END)
        return ERR(ERR_INVALID, "the query is empty");
    *q = (struct query){ .language = language, .text = text };
    TRY(parse_binary(&p, 1, &q->root));
    TRY(parser_end(&p));
    if (language == QUERY_LOGQL && q->root->type == QUERY_MATRIX && q->root->range_ms)
        return ERR(ERR_INVALID,
                   "character %zu: a range of lines has to be counted: "
                   "count_over_time(...) or rate(...)",
                   AT(q->root->at));
    *ret_query = q;
    return OK;
}

bool query_wants_lines(const struct query *q)
{
    return q->root->kind == NODE_SELECT && q->root->pipeline;
}

err query_selector_parse(arena *keep, str text, struct query_selector **ret_selector)
{
    struct parser p;
    struct node *node = NULL;
    TRY(parser_begin(&p, keep, QUERY_PROMQL, text));
    TRY(parse_operand(&p, &node));
    TRY(parser_end(&p));
    if (node->kind != NODE_SELECT || node->range_ms || node->offset_ms)
        return ERR(ERR_INVALID, "'%.*s' is not a series selector like name{label=\"value\"}",
                   STR_ARG(str_sub(text, 0, SHOWN_BYTES)));
    *ret_selector = node->selector;
    return OK;
}
