/* SPDX-License-Identifier: GPL-3.0-or-later */
/* search_parse.h -- MLflow's search grammar: text in, conditions and orders out. No store.
 *
 *   filter     := [clause (AND clause)*]            no OR, no NOT, no brackets but a list's
 *   clause     := identifier operator value
 *               | identifier IS [NOT] NULL | identifier [NOT] IN ('a', 'b')
 *   identifier := [entity.]key                      no entity: an attribute; only the first dot
 *                                                   divides; odd keys in "quotes" or `backticks`
 *   value      := number | 'text' | "text"
 *   order      := identifier [ASC | DESC]
 *
 * What can be searched in each kind of search, and with which operators, stands in tables
 * (search_kinds.c). Errors are ERR_INVALID in MLflow's words. As in MLflow a text ends at the quote
 * that began it, and '' inside of one stays two quotes. Any thread.
 */
#ifndef SKERRY_TRACK_SEARCH_PARSE_H
#define SKERRY_TRACK_SEARCH_PARSE_H

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

enum {
    SEARCH_TEXT_BYTES_MAX = 64 * 1024, /* of a filter: a list of 1000 run ids fits */
    SEARCH_CLAUSES_MAX = 50,
    SEARCH_LIST_MAX = 1000,
    SEARCH_ORDERS_MAX = 8,
    SEARCH_TOKENS_MAX = 1000,
};

enum search_kind {
    SEARCH_RUNS,
    SEARCH_EXPERIMENTS,
    SEARCH_MODELS,        /* registered ones */
    SEARCH_VERSIONS,      /* of registered models */
    SEARCH_LOGGED_MODELS, /* MLflow 3's */
    SEARCH_TRACES,
    SEARCH_KIND_COUNT,
};

enum search_op {
    SEARCH_NE,
    SEARCH_LT,
    SEARCH_LE,
    SEARCH_EQ,
    SEARCH_GT,
    SEARCH_GE,
    SEARCH_ILIKE,
    SEARCH_IN,
    SEARCH_IS_NOT_NULL,
    SEARCH_IS_NULL,
    SEARCH_LIKE,
    SEARCH_NOT_IN,
    SEARCH_RLIKE,
    SEARCH_OP_COUNT,
};
extern const char *const search_op_names[SEARCH_OP_COUNT];

/* ------------------------------------------------------------------ what can be searched */

/* A key that an entity has, like start_time. */
struct search_key {
    const char *name;
    const char *sql;  /* its value, as an expression over the entity's rows */
    unsigned ops;     /* 1 << enum search_op; 0: not in filters */
    bool is_number;   /* else a text */
    bool is_nullable; /* orders: no value comes last */
    bool has_lists;   /* IN and NOT IN really work; the others name it in their operators only */
    bool takes_text;  /* a number may come as a quoted text */
    bool is_order;    /* can be ordered by */
    /* A column of the searched table with an index of its beginnings; NULL: none. */
    const char *indexed;
    /* Looked for in rows `x` of these, as this expression over them; NULL: as `sql` in the searched
     * row. */
    const char *from, *from_sql;
    bool is_prompt; /* "name/version", among the prompts that `sql` lists */
};

/* How an operator that an entity does not have is refused; see search_parse.c. */
enum search_refusal {
    SEARCH_REFUSE_SET,
    SEARCH_REFUSE_SET_OPEN, /* MLflow forgot a quote */
    SEARCH_REFUSE_FOR,
    SEARCH_REFUSE_NAMED,
};

struct search_entity {
    const char *name;  /* in messages */
    const char *names; /* in filters, with a space before and after each */
    /* The entity's own keys; NULL: any key, whose value `value_is_number` or is a text. */
    const struct search_key *keys;
    unsigned ops; /* of any key */
    bool value_is_number;
    bool is_order;
    bool has_nan;        /* its rows have is_nan beside value */
    bool is_nan_ignored; /* ... and NaN is no value at all */
    bool is_own;         /* the columns of the searched row itself */
    /* Rows `x` that belong to the searched row `r`, with conditions, for EXISTS (SELECT 1 FROM
     * ...). NULL: is_own. */
    const char *from;
    /* Where a search may begin: table, its column with the owner, and what that equals in r. For
     * any key, with one row for (owner, key); for a key of its own that is indexed. NULL: none. */
    const char *table, *owner, *owned;
    enum search_refusal refusal;
    /* Beside `keys`, any key behind this: an attribute of a span, in the text of its content. */
    const char *any_prefix;
    const char *number_sql; /* values are texts, or numbers, which are here; NULL: one of them */
};

struct search_grammar {
    const struct search_entity *entities; /* the first is what a key without entity means */
    size_t entity_count;
    const char *unknown_before, *unknown_after; /* around the name of an unknown entity */
    bool quotes_clauses;                        /* in "Invalid clause(s)" */
    /* Around a key that nothing can be ordered by; NULL: as in filters. */
    const char *order_before, *order_after;
};
extern const struct search_grammar search_grammars[SEARCH_KIND_COUNT];

/* ------------------------------------------------------------------ what was asked for */

struct search_condition {
    const struct search_entity *entity;
    const struct search_key *attribute; /* NULL: any key */
    str key;
    enum search_op op;
    bool is_number;
    bool is_integer; /* of numbers */
    double number;
    int64_t integer;
    str text;                /* of RLIKE: in its portable form */
    const str *list;         /* of IN and NOT IN; texts */
    const int64_t *integers; /* the same as numbers, where the key is one */
    size_t list_count;
};
struct search_filter {
    struct search_condition *conditions;
    size_t count;
};
struct search_order {
    const struct search_entity *entity;
    const struct search_key *attribute;
    str key;
    bool is_descending;
};

/* Results live in `keep`; texts are slices of `filter` and `order_by`. */
MUST_USE err search_parse_filter(enum search_kind kind, str filter, arena *keep,
                                 struct search_filter *ret_filter);
MUST_USE err search_parse_order(enum search_kind kind, str order_by,
                                struct search_order *ret_order);
/* One condition `name = 'text'` and nothing beside it: how charts of traces are narrowed down. The
 * name is as it was written. */
MUST_USE err search_parse_equation(str filter, arena *keep, str *ret_name, str *ret_text);
/* An identifier alone, which is all of `name`. */
MUST_USE err search_parse_name(enum search_kind kind, str name, bool for_order,
                               struct search_order *ret_order);

#endif
