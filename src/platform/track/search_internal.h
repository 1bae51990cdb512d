/* SPDX-License-Identifier: GPL-3.0-or-later */
/* search_internal.h -- what the files about search share. Not for other rooms. */
#ifndef SKERRY_TRACK_SEARCH_INTERNAL_H
#define SKERRY_TRACK_SEARCH_INTERNAL_H

#include "platform/track/search.h"
#include "platform/track/track_internal.h"

/* Each order has at most two keys: whether there is a value, and the value. Then the ties. */
enum {
    SEARCH_KEYS_MAX = 2 * SEARCH_ORDERS_MAX + 3,
    SEARCH_PREFIX_CHARACTERS = 100,
    SEARCH_RLIKE_CHARACTERS = 65536
};
/* As it stands in the indexes: values may be longer than what an index holds. */
#define SEARCH_PREFIX(value) "substr(" value ", 1, 100)"

/* Places in the order: what the rows of a page are sorted by, and what a token holds. */
enum search_key_type { SEARCH_KEY_INT, SEARCH_KEY_REAL, SEARCH_KEY_TEXT };
struct search_sort {
    enum search_key_type type;
    bool is_descending;
};
struct search_place {
    struct store_value values[SEARCH_KEYS_MAX];
    size_t count;
};
/* ERR_INVALID for what is no token, or one of another search. */
MUST_USE err search_token_read(const struct search_spec *spec, const struct search_sort *sorts,
                               size_t count, arena *keep, struct search_place *ret_place);

/* ------------------------------------------------------------------ SQL */

struct search_sql {
    struct buf text;
    struct store_value *args; /* room for all that a search can have */
    size_t count, room;
    arena *keep;
    const struct search_spec *spec;
};

MUST_USE err search_sql_init(struct search_sql *s, const struct search_spec *spec, size_t room,
                             arena *keep);
void search_sql_deinit(struct search_sql *s);
void search_sql_reset(struct search_sql *s);
void search_sql_add(struct search_sql *s, const char *text);
void search_sql_arg(struct search_sql *s, struct store_value value); /* appends ?N */
MUST_USE err search_sql_run(struct search_sql *s, struct store_read *rd,
                            struct store_rows **ret_rows);

/* The condition on rows `x` of its entity, or on `alias` where the condition's key is fixed
 * already. */
MUST_USE err search_sql_value(struct search_sql *s, const struct search_condition *c,
                              const char *column, const char *nan_column);
/* RLIKE on a text. */
void search_sql_rlike(struct search_sql *s, const struct search_condition *c, const char *text);
/* One condition on the searched row r. */
MUST_USE err search_sql_condition(struct search_sql *s, const struct search_condition *c);
/* Those of traces that are like no other; *ret_is_done false: it is like the others. */
MUST_USE err search_sql_of_traces(struct search_sql *s, const struct search_condition *c,
                                  bool *ret_is_done);
/* `pattern` for LIKE ... ESCAPE '!': a "!" of the user's own is escaped. */
MUST_USE err search_sql_pattern(str pattern, bool to_lower, arena *keep, str *ret);
/* What every search of the kind has: experiments, life, no prompts. */
void search_sql_scope(struct search_sql *s, const struct search_filter *f);
/* True for a condition on a prompt's mark that the scope stands for already. */
bool search_is_prompt_rule(const struct search_spec *spec, const struct search_filter *f,
                           const struct search_condition *c);
/* " FROM `alias` WHERE": rows where a search may begin that wants this condition. False when no
 * index would help. `whole`: exactly; else what the index alone can say, or a little more. */
bool search_can_begin(const struct search_condition *c);
MUST_USE err search_sql_begin(struct search_sql *s, const struct search_condition *c,
                              const char *alias, bool whole);

#endif
