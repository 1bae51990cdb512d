/* SPDX-License-Identifier: GPL-3.0-or-later */
/* query_internal.h -- Private to this room: the tree, and what the parts of the evaluator share. */
#ifndef SKERRY_QUERY_INTERNAL_H
#define SKERRY_QUERY_INTERNAL_H

#include "base/buf.h"
#include "base/pattern.h"
#include "platform/query/query.h"

enum { MATCHERS_MAX = 32, STAGES_MAX = 16, GROUP_LABELS_MAX = 32, CALL_ARGS_MAX = 3 };

/* ------------------------------------------------------------------ lex.c */

enum token_kind {
    TOKEN_END,
    TOKEN_NAME,     /* metric, label, function, keyword */
    TOKEN_NUMBER,   /* .number */
    TOKEN_DURATION, /* .duration_ms */
    TOKEN_STRING,   /* .text, without quotes, escapes taken out */
    TOKEN_SIGN,     /* punctuation, .text as written */
};

struct token {
    enum token_kind kind;
    size_t at; /* byte in the text */
    str text;
    double number;
    int64_t duration_ms;
};

struct lexer {
    arena *keep;
    str text;
    size_t next;
    enum query_language language;
};
MUST_USE err lex_next(struct lexer *lexer, struct token *ret_token);
/* "character 17" is what a person can find: the first one is 1. */
#define AT(position) ((position) + 1)

/* ------------------------------------------------------------------ the tree */

enum match_op { MATCH_EQUAL, MATCH_NOT_EQUAL, MATCH_PATTERN, MATCH_NOT_PATTERN };

struct matcher {
    str name, value;
    enum match_op op;
    struct pattern *pattern;
};
struct query_selector {
    struct matcher matchers[MATCHERS_MAX];
    size_t count;
};

enum stage_kind {
    STAGE_CONTAINS, /* |= "text" */
    STAGE_PATTERN,  /* |~ "expression" */
    STAGE_JSON,     /* | json */
    STAGE_LABEL,    /* | name = "value", | name > 3 */
    STAGE_DROP,     /* | drop a, b */
};
/* One step that a log line has to pass. */
struct stage {
    enum stage_kind kind;
    bool negated; /* != and !~ */
    str text;
    struct pattern *pattern;
    struct matcher matcher;      /* STAGE_LABEL against text */
    const struct token *compare; /* STAGE_LABEL against a number: == != < <= > >= */
    double number;
    str names[GROUP_LABELS_MAX];
    size_t name_count;
};
struct pipeline {
    struct stage stages[STAGES_MAX];
    size_t count;
    bool has_json;
};

enum node_kind {
    NODE_NUMBER,
    NODE_STRING,
    NODE_SELECT, /* an instant selector, or with range_ms a range selector */
    NODE_CALL,
    NODE_AGGREGATE,
    NODE_BINARY,
    NODE_NEGATE,
};

enum binary_op {
    OP_NONE,
    OP_OR,
    OP_AND,
    OP_UNLESS,
    OP_EQUAL,
    OP_NOT_EQUAL,
    OP_LESS,
    OP_LESS_EQUAL,
    OP_GREATER,
    OP_GREATER_EQUAL,
    OP_ADD,
    OP_SUBTRACT,
    OP_MULTIPLY,
    OP_DIVIDE,
    OP_MODULO,
    OP_POWER,
};
static inline bool op_is_set(enum binary_op op)
{
    return op >= OP_OR && op <= OP_UNLESS;
}
static inline bool op_is_comparison(enum binary_op op)
{
    return op >= OP_EQUAL && op <= OP_GREATER_EQUAL;
}

enum aggregate_op {
    AGGREGATE_SUM,
    AGGREGATE_AVG,
    AGGREGATE_MIN,
    AGGREGATE_MAX,
    AGGREGATE_COUNT,
    AGGREGATE_GROUP,
    AGGREGATE_STDDEV,
    AGGREGATE_STDVAR,
    AGGREGATE_TOPK,
    AGGREGATE_BOTTOMK,
    AGGREGATE_QUANTILE,
};

/* Names of labels in by(), without(), on(), ignoring(), group_left(): sorted. */
struct label_list {
    str names[GROUP_LABELS_MAX];
    size_t count;
};

enum cardinality { ONE_TO_ONE, MANY_TO_ONE, ONE_TO_MANY };

struct function;

struct node {
    enum node_kind kind;
    enum query_type type;
    size_t at;

    double number;
    str text;

    struct query_selector *selector;
    struct pipeline *pipeline; /* of a log selector; NULL in PromQL */
    int64_t range_ms, offset_ms;

    const struct function *function;
    struct node
        *args[CALL_ARGS_MAX]; /* also: [0] of an aggregate, a negation; [0] [1] of a binary */
    size_t arg_count;

    enum aggregate_op aggregate;
    struct node *param; /* of topk, bottomk, quantile */
    struct label_list *labels;
    bool without; /* by() is the other */

    enum binary_op op;
    bool returns_bool;
    bool matches_on; /* on() rather than ignoring() */
    enum cardinality cardinality;
    struct label_list *include;
};

struct query {
    enum query_language language;
    str text;
    struct node *root;
};

/* ------------------------------------------------------------------ parse.c, parse_select.c */

struct parser {
    struct lexer lexer;
    struct token token; /* the one at hand */
    int depth, operators;
};
MUST_USE err parse_advance(struct parser *p);
bool parse_is(const struct parser *p, const char *sign);
bool parse_is_word(const struct parser *p, const char *word); /* any case */
MUST_USE err parse_expect(struct parser *p, const char *sign, const char *where);
MUST_USE err parse_unexpected(const struct parser *p, const char *wanted);
MUST_USE err parse_string(struct parser *p, const char *what, str *ret_text);
/* "(a, b)": the sorted names. */
MUST_USE err parse_label_list(struct parser *p, struct label_list **ret_list);
/* Matchers in braces, added to what the selector has. */
MUST_USE err parse_matchers(struct parser *p, struct query_selector *selector);
/* A selector in either language, with its range and offset; the token at hand begins it. */
MUST_USE err parse_select(struct parser *p, struct node **ret_node);
MUST_USE err parse_node(struct parser *p, enum node_kind kind, enum query_type type,
                        struct node **ret_node);

/* ------------------------------------------------------------------ labels.c */

int labels_cmp(struct labels a, struct labels b);
MUST_USE err labels_copy(arena *keep, struct labels from, struct labels *ret_labels);
/* Keeps those in the list, or (drop) all but those. `drop_name` takes __name__ off as well. */
MUST_USE err labels_filter(arena *keep, struct labels from, const struct label_list *list,
                           bool drop, bool drop_name, struct labels *ret_labels);
MUST_USE err labels_set(arena *keep, struct labels from, str name, str value,
                        struct labels *ret_labels);
/* A text that is the same for the same label set, as a key of maps. NULL .ptr: out of memory. */
str labels_key(arena *keep, struct labels labels);
bool label_list_has(const struct label_list *list, str name);
void label_list_sort(struct label_list *list);

/* ------------------------------------------------------------------ evaluation */

struct eval {
    const struct query_source *source;
    arena *keep;
    struct query_times times;
    size_t steps;
    int64_t deadline_ns;
    int64_t samples; /* looked at so far */
    /* Set by a sum for its argument, which takes it back: what it may be reduced to at once. There
     * may be very many series that are only summed. NULL: nothing. */
    const struct label_list *sum_by;
    bool sum_without;
};
static inline int64_t eval_time(const struct eval *ev, size_t step)
{
    return ev->times.start_ms + (int64_t)step * ev->times.step_ms;
}
/* ERR_TIMEOUT past the deadline. */
MUST_USE err eval_check(const struct eval *ev);
/* Counts samples against the maximum. */
MUST_USE err eval_count(struct eval *ev, size_t samples);

/* What a part of an expression comes to: scalars, or series with values at each moment. */
struct value {
    enum query_type type;
    double *scalars;
    struct query_series *series;
    size_t count, room;
    str text;
    bool is_ordered; /* as sort() or topk() want it at one moment */
};
/* A new series, absent everywhere. */
MUST_USE err value_add(struct eval *ev, struct value *v, struct labels labels,
                       struct query_series **ret_series);
/* Series of the same labels become one. ERR_CONFLICT when both have a value at one moment. */
MUST_USE err value_merge(struct eval *ev, struct value *v);
MUST_USE err eval_node(struct eval *ev, const struct node *node, struct value *ret_value);
/* eval_select.c */
MUST_USE err eval_select(struct eval *ev, const struct node *node, struct value *ret_value);
MUST_USE err eval_range_function(struct eval *ev, const struct node *call, struct value *ret_value);
/* A range selector at one moment: samples as they are. */
MUST_USE err eval_raw(struct eval *ev, const struct node *node, struct query_result *result);
/* eval_lines.c */
MUST_USE err eval_line_counts(struct eval *ev, const struct node *call, struct value *ret_value);
MUST_USE err eval_lines(struct eval *ev, const struct node *node, size_t limit, bool oldest_first,
                        struct query_stream **ret_streams, size_t *ret_count);
MUST_USE err aggregate_eval(struct eval *ev, const struct node *node, struct value *ret_value);
MUST_USE err binary_eval(struct eval *ev, const struct node *node, struct value *ret_value);
MUST_USE err histogram_quantile_eval(struct eval *ev, const struct node *call,
                                     struct value *ret_value);
double quantile_of(double *values, size_t count, double q); /* sorts values */

/* ------------------------------------------------------------------ functions.c */

/* Samples of one window, in order of time; at least one. */
struct window {
    const struct query_point *points;
    size_t count;
    int64_t from_ms, to_ms; /* the window: from < ts <= to */
    double arg;             /* a scalar argument */
};

enum function_kind {
    FUNCTION_RANGE, /* of a range of samples */
    FUNCTION_LINES, /* of a range of log lines */
    FUNCTION_MATH,  /* of each value */
    FUNCTION_OTHER, /* its own way; .eval */
};
enum { LANGUAGE_PROM = 1, LANGUAGE_LOG = 2 };

struct function {
    const char *name;
    enum function_kind kind;
    unsigned languages;
    enum query_type returns;
    size_t args_min, arg_count;
    enum query_type args[CALL_ARGS_MAX];
    double (*range)(const struct window *w);          /* query_absent(): no value */
    double (*math)(double value, double a, double b); /* a and b: scalar arguments */
    double defaults[2];
    err (*eval)(struct eval *ev, const struct node *call, struct value *ret_value);
    bool keeps_name;
};
const struct function *function_find(str name, unsigned language); /* NULL: none */

#endif
