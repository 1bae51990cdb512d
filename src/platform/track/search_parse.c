/* SPDX-License-Identifier: GPL-3.0-or-later */
/* search_parse.c -- tokens, clauses, values.
 *
 * Whatever is part of no clause and no AND is gathered and named in one error, as MLflow does:
 * people see all that was not understood. AND may also stand at the beginning and at the end.
 */
#include "platform/track/search_parse.h"

#include <string.h>

#include "base/buf.h"
#include "base/pattern.h"

enum { SHOWN_BYTES = 60, NAMES_BYTES_MAX = 1024, NUMBER_BYTES_MAX = 64 };

const char *const search_op_names[SEARCH_OP_COUNT] = {
    [SEARCH_NE] = "!=",
    [SEARCH_LT] = "<",
    [SEARCH_LE] = "<=",
    [SEARCH_EQ] = "=",
    [SEARCH_GT] = ">",
    [SEARCH_GE] = ">=",
    [SEARCH_ILIKE] = "ILIKE",
    [SEARCH_IN] = "IN",
    [SEARCH_IS_NOT_NULL] = "IS NOT NULL",
    [SEARCH_IS_NULL] = "IS NULL",
    [SEARCH_LIKE] = "LIKE",
    [SEARCH_NOT_IN] = "NOT IN",
    [SEARCH_RLIKE] = "RLIKE",
};

static str shown(str text)
{
    str s = str_sub(text, 0, SHOWN_BYTES);
    s.len = str_utf8_valid_len(s);
    return s;
}

/* ------------------------------------------------------------------ tokens */

enum token_kind { TOKEN_WORD, TOKEN_TEXT, TOKEN_NUMBER, TOKEN_OP, TOKEN_GROUP, TOKEN_OTHER };

struct token {
    enum token_kind kind;
    str text;
};

struct tokens {
    struct token *items;
    size_t count;
    bool has_semicolon;
};

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (unsigned char)c >= 0x80;
}

static bool is_word(char c)
{
    return is_letter(c) || is_digit(c) || c == '$' || c == '#';
}

/* The length of the quoted text that begins `s`, 0 when it does not end. A doubled quote goes on,
 * and so does one behind a backslash, when there is another one to end it. */
static size_t quoted_len(str s, bool has_backslash)
{
    char quote = s.ptr[0];
    for (size_t i = 1; i < s.len; i++) {
        if (has_backslash && s.ptr[i] == '\\' && i + 1 < s.len && s.ptr[i + 1] == quote)
            i++;
        else if (s.ptr[i] == quote && i + 1 < s.len && s.ptr[i + 1] == quote && quote != '`')
            i++;
        else if (s.ptr[i] == quote)
            return i + 1;
    }
    return has_backslash ? quoted_len(s, false) : 0;
}

/* Words, quoted or not, with dots between them. */
static size_t word_len(str s)
{
    size_t at = 0;
    for (;;) {
        if (at < s.len && (s.ptr[at] == '"' || s.ptr[at] == '`')) {
            size_t len = quoted_len(str_sub(s, at, s.len), false);
            if (!len)
                return at;
            at += len;
        } else {
            while (at < s.len && is_word(s.ptr[at]))
                at++;
        }
        if (at == s.len || s.ptr[at] != '.' || at == 0)
            return at;
        at++;
    }
}

static size_t digits_len(str s, size_t at)
{
    size_t from = at;
    while (at < s.len && is_digit(s.ptr[at]))
        at++;
    return at - from;
}

/* -1, 2.5, .5, 1e-3 */
static size_t number_len(str s)
{
    size_t at = s.ptr[0] == '-' ? 1 : 0;
    size_t whole = digits_len(s, at);
    at += whole;
    if (at < s.len && s.ptr[at] == '.') {
        size_t part = digits_len(s, at + 1);
        if (whole == 0 && part == 0)
            return 0;
        at += 1 + part;
    } else if (whole == 0) {
        return 0;
    }
    if (at < s.len && (s.ptr[at] == 'e' || s.ptr[at] == 'E')) {
        size_t sign = at + 1 < s.len && (s.ptr[at + 1] == '-' || s.ptr[at + 1] == '+') ? 1 : 0;
        size_t exponent = digits_len(s, at + 1 + sign);
        if (exponent)
            at += 1 + sign + exponent;
    }
    return at;
}

/* From a bracket to the one that closes it, or all. */
static size_t group_len(str s)
{
    size_t depth = 0;
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] == '\'' || s.ptr[i] == '"') {
            size_t len = quoted_len(str_sub(s, i, s.len), true);
            i += len ? len - 1 : 0;
        } else if (s.ptr[i] == '(') {
            depth++;
        } else if (s.ptr[i] == ')' && --depth == 0) {
            return i + 1;
        }
    }
    return s.len;
}

static size_t op_len(str s)
{
    static const char *const ops[] = { "!=", "<>", "==", "<=", ">=", "=", "<", ">" };
    for (size_t i = 0; i < COUNT_OF(ops); i++)
        if (str_starts(s, str_of(ops[i])))
            return strlen(ops[i]);
    return 0;
}

static struct token token_next(str s)
{
    char c = s.ptr[0];
    size_t len = 0;
    if (c == '\'' && (len = quoted_len(s, true)) > 0)
        return (struct token){ TOKEN_TEXT, str_sub(s, 0, len) };
    if (str_starts(s, STR("--"))) { /* a comment: no part of a filter */
        ptrdiff_t end = str_find_char(s, '\n');
        return (struct token){ TOKEN_OTHER, str_sub(s, 0, end < 0 ? s.len : (size_t)end) };
    }
    if ((is_digit(c) || c == '-' || c == '.') && (len = number_len(s)) > 0) {
        size_t more = len;
        while (more < s.len && is_word(s.ptr[more]))
            more++;
        /* 1_0 is neither a number nor a name */
        return (struct token){ more > len ? TOKEN_OTHER : TOKEN_NUMBER, str_sub(s, 0, more) };
    }
    if ((is_letter(c) || c == '"' || c == '`') && (len = word_len(s)) > 0)
        return (struct token){ TOKEN_WORD, str_sub(s, 0, len) };
    if (c == '(')
        return (struct token){ TOKEN_GROUP, str_sub(s, 0, group_len(s)) };
    if ((len = op_len(s)) > 0)
        return (struct token){ TOKEN_OP, str_sub(s, 0, len) };
    return (struct token){ TOKEN_OTHER, str_sub(s, 0, 1) };
}

static err tokens_read(str text, arena *keep, struct tokens *ret)
{
    struct tokens t = { .items = NEW_ARRAY(keep, struct token, SEARCH_TOKENS_MAX) };
    ARENA_TRY(t.items);
    for (size_t at = 0; at < text.len;) {
        if (is_space(text.ptr[at])) {
            at++;
            continue;
        }
        if (t.count == SEARCH_TOKENS_MAX)
            return ERR(ERR_INVALID, "The filter has more than %d words", SEARCH_TOKENS_MAX);
        struct token token = token_next(str_sub(text, at, text.len));
        t.has_semicolon |= str_eq(token.text, STR(";"));
        at += token.text.len;
        t.items[t.count++] = token;
    }
    *ret = t;
    return OK;
}

static bool is_keyword(const struct tokens *t, size_t at, const char *word)
{
    return at < t->count && t->items[at].kind == TOKEN_WORD &&
           str_eq_nocase(t->items[at].text, str_of(word));
}

/* ------------------------------------------------------------------ names */

static str unquoted(str s, const char *quotes)
{
    for (const char *q = quotes; *q; q++)
        if (s.len >= 2 && s.ptr[0] == *q && s.ptr[s.len - 1] == *q)
            return str_sub(s, 1, s.len - 2);
    return s;
}

static const struct search_key *key_find(const struct search_entity *entity, str name,
                                         bool for_order)
{
    for (const struct search_key *k = entity->keys; k->name; k++)
        if (str_eq(str_of(k->name), name) && (for_order ? k->is_order : k->ops != 0))
            return k;
    return NULL;
}

static err key_unknown(const struct search_grammar *g, const struct search_entity *entity, str name,
                       bool for_order)
{
    char room[NAMES_BYTES_MAX];
    size_t len = 0;
    if (for_order && g->order_before)
        return ERR(ERR_INVALID, "%s%.*s%s", g->order_before, STR_ARG(shown(name)), g->order_after);
    for (const struct search_key *k = entity->keys; k->name; k++) {
        size_t name_len = strlen(k->name);
        if ((for_order ? !k->is_order : k->ops == 0) || len + name_len + 4 > sizeof room)
            continue;
        memcpy(room + len, len ? ", '" : "'", len ? 3 : 1);
        len += len ? 3 : 1;
        memcpy(room + len, k->name, name_len);
        len += name_len;
        room[len++] = '\'';
    }
    return ERR(ERR_INVALID, "Invalid %s key '%.*s' specified. Valid keys are '{%.*s}'",
               entity->is_own ? "attribute" : entity->name, STR_ARG(shown(name)), (int)len, room);
}

static const struct search_entity *entity_find(const struct search_grammar *g, str name)
{
    char spaced[SHOWN_BYTES];
    if (name.len == 0 || name.len + 2 > sizeof spaced || str_find_char(name, ' ') >= 0)
        return NULL;
    spaced[0] = spaced[name.len + 1] = ' ';
    memcpy(spaced + 1, name.ptr, name.len);
    for (size_t i = 0; i < g->entity_count; i++)
        if (str_contains(str_of(g->entities[i].names), str_from(spaced, name.len + 2)))
            return &g->entities[i];
    return NULL;
}

err search_parse_name(enum search_kind kind, str name, bool for_order,
                      struct search_order *ret_order)
{
    const struct search_grammar *g = &search_grammars[kind];
    struct search_order o = { .entity = &g->entities[0], .key = name };
    ptrdiff_t dot = str_find_char(name, '.');
    if (dot >= 0) {
        str entity = unquoted(str_sub(name, 0, (size_t)dot), "`");
        o.entity = entity_find(g, entity);
        o.key = str_sub(name, (size_t)dot + 1, name.len);
        if (!o.entity)
            return ERR(ERR_INVALID, "%s%.*s%s", g->unknown_before, STR_ARG(shown(entity)),
                       g->unknown_after);
    }
    o.key = unquoted(unquoted(o.key, "'\""), "`");
    if (for_order && !o.entity->is_order)
        return kind == SEARCH_RUNS
                   ? ERR(ERR_INVALID, "Invalid identifier type '%s'", o.entity->name)
                   : ERR(ERR_INVALID, "Invalid order_by entity: %s", o.entity->name);
    str any = str_of(o.entity->any_prefix);
    if (any.len && !for_order && str_starts(o.key, any) && o.key.len > any.len) {
        o.key = unquoted(str_sub(o.key, any.len, o.key.len), "`");
    } else if (o.entity->keys) {
        o.attribute = key_find(o.entity, o.key, for_order);
        if (!o.attribute)
            return key_unknown(g, o.entity, o.key, for_order);
    }
    *ret_order = o;
    return OK;
}

/* ------------------------------------------------------------------ values */

struct clause {
    struct token left, op_token, right; /* right.text is empty for IS NULL */
    enum search_op op;
    bool is_op_known; /* == and <> are not */
};

static err value_unquoted(str text)
{
    return ERR(ERR_INVALID,
               "Parameter value is either not quoted or unidentified quote types used for string"
               " value %.*s. Use either single or double quotes.",
               STR_ARG(shown(text)));
}

static err text_read(const struct token *t, str *ret_text)
{
    str text = unquoted(t->text, "'\"");
    if (text.len == t->text.len)
        return value_unquoted(t->text);
    *ret_text = text;
    return OK;
}

static err number_read(str text, struct search_condition *c)
{
    char room[NUMBER_BYTES_MAX];
    c->is_number = true;
    c->is_integer = !str_to_i64(text, &c->integer).code;
    if (c->is_integer) {
        c->number = (double)c->integer;
        return OK;
    }
    /* our reader of numbers wants digits on both sides of the point */
    size_t len = 0;
    for (size_t i = 0; i < text.len && len + 3 < sizeof room; i++) {
        if (text.ptr[i] == '.' && (len == 0 || !is_digit(room[len - 1])))
            room[len++] = '0';
        room[len++] = text.ptr[i];
        if (text.ptr[i] == '.' && (i + 1 == text.len || !is_digit(text.ptr[i + 1])))
            room[len++] = '0';
    }
    if (text.len + 3 >= sizeof room || str_to_f64(str_from(room, len), &c->number).code)
        return ERR(ERR_INVALID, "The number %.*s is out of range", STR_ARG(shown(text)));
    return OK;
}

static err list_wrong(const char *why)
{
    return ERR(ERR_INVALID,
               "While parsing a list in the query, expected a non-empty list of string values, but"
               " got %s",
               why);
}

static err integers_of(struct search_condition *c, arena *keep)
{
    int64_t *integers = NEW_ARRAY(keep, int64_t, c->list_count);
    ARENA_TRY(integers);
    for (size_t i = 0; i < c->list_count; i++)
        if (str_to_i64(c->list[i], &integers[i]).code)
            return ERR(ERR_INVALID, "Invalid value for numeric attribute '%s': '%.*s'",
                       c->attribute->name, STR_ARG(shown(c->list[i])));
    c->integers = integers;
    return OK;
}

static err list_read(str group, arena *keep, struct search_condition *c)
{
    str *list = NEW_ARRAY(keep, str, SEARCH_LIST_MAX);
    ARENA_TRY(list);
    bool wants_value = true;
    if (!str_ends(group, STR(")")) || group.len < 2)
        return list_wrong("ill-formed list.");
    str inside = str_sub(group, 1, group.len - 2);
    for (size_t at = 0; at < inside.len;) {
        char ch = inside.ptr[at];
        if (is_space(ch)) {
            at++;
        } else if (ch == ',' && !wants_value) {
            wants_value = true;
            at++;
        } else if ((ch == '\'' || ch == '"') && wants_value) {
            size_t len = quoted_len(str_sub(inside, at, inside.len), true);
            if (!len)
                return list_wrong("ill-formed list.");
            if (c->list_count == SEARCH_LIST_MAX)
                return ERR(ERR_INVALID, "A list in the query holds more than %d values",
                           SEARCH_LIST_MAX);
            list[c->list_count++] = str_sub(inside, at + 1, len - 2);
            wants_value = false;
            at += len;
        } else {
            return list_wrong("ill-formed list.");
        }
    }
    if (c->list_count == 0)
        return list_wrong("empty list");
    c->list = list;
    return c->attribute && c->attribute->is_number ? integers_of(c, keep) : OK;
}

static err lists_unsupported(const struct search_entity *entity)
{
    char room[NAMES_BYTES_MAX];
    size_t len = 0;
    for (const struct search_key *k = entity->keys; k->name; k++) {
        size_t name_len = strlen(k->name);
        if (!k->has_lists || len + name_len + 4 > sizeof room)
            continue;
        memcpy(room + len, len ? ", '" : "'", len ? 3 : 1);
        len += len ? 3 : 1;
        memcpy(room + len, k->name, name_len);
        len += name_len;
        room[len++] = '\'';
    }
    return ERR(ERR_INVALID,
               "Only [%.*s] attributes support comparison with a list of quoted string values.",
               (int)len, room);
}

static err number_value(const struct clause *cl, struct search_condition *c)
{
    const struct search_key *k = c->attribute;
    str text = cl->right.text;
    if (k && k->takes_text && (cl->right.kind == TOKEN_TEXT || cl->right.kind == TOKEN_WORD)) {
        TRY(text_read(&cl->right, &text));
        c->is_number = c->is_integer = true;
        c->number = 0;
        if (str_to_i64(text, &c->integer).code)
            return ERR(ERR_INVALID, "Invalid value for numeric attribute '%s': '%.*s'", k->name,
                       STR_ARG(shown(text)));
        c->number = (double)c->integer;
        return OK;
    }
    if (cl->right.kind == TOKEN_NUMBER)
        return number_read(text, c);
    if (k)
        return ERR(ERR_INVALID, "Expected numeric value type for numeric attribute: %s. Found %.*s",
                   k->name, STR_ARG(shown(text)));
    return ERR(ERR_INVALID, "Expected numeric value type for metric. Found %.*s",
               STR_ARG(shown(text)));
}

static err value_read(const struct clause *cl, arena *keep, struct search_condition *c)
{
    const struct search_entity *entity = c->entity;
    bool is_number = c->attribute ? c->attribute->is_number : entity->value_is_number;
    bool has_lists = c->attribute ? c->attribute->has_lists : (entity->ops & 1u << SEARCH_IN) != 0;
    if (cl->right.kind == TOKEN_GROUP && c->attribute && !has_lists && !is_number)
        return lists_unsupported(entity);
    if (cl->right.kind == TOKEN_GROUP && has_lists)
        return list_read(cl->right.text, keep, c);
    if (is_number)
        return number_value(cl, c);
    bool orders = cl->op == SEARCH_LT || cl->op == SEARCH_LE || cl->op == SEARCH_GT ||
                  cl->op == SEARCH_GE;
    if (entity->number_sql && (orders || cl->right.kind == TOKEN_NUMBER))
        return cl->right.kind == TOKEN_NUMBER
                   ? number_read(cl->right.text, c)
                   : ERR(ERR_INVALID, "Expected numeric value type for %s.%.*s. Found %.*s",
                         entity->name, STR_ARG(shown(c->key)), STR_ARG(shown(cl->right.text)));
    if (cl->right.kind == TOKEN_TEXT || cl->right.kind == TOKEN_WORD)
        return text_read(&cl->right, &c->text);
    if (c->attribute)
        return ERR(ERR_INVALID, "Expected a quoted string value for %s. Got value %.*s",
                   entity->is_own ? "attributes" : "dataset attributes",
                   STR_ARG(shown(cl->right.text)));
    return ERR(ERR_INVALID,
               "Expected a quoted string value for %s (e.g. 'my-value'). Got value %.*s",
               entity->name, STR_ARG(shown(cl->right.text)));
}

/* ------------------------------------------------------------------ clauses */

static err op_refused(const struct search_condition *c, unsigned ops, str op)
{
    char room[NAMES_BYTES_MAX];
    size_t len = 0;
    const struct search_entity *entity = c->entity;
    if (entity->refusal == SEARCH_REFUSE_FOR && c->attribute && c->attribute->is_number)
        return ERR(ERR_INVALID, "Invalid comparator for attribute %s: %.*s", c->attribute->name,
                   STR_ARG(op));
    if (entity->refusal == SEARCH_REFUSE_FOR)
        return ERR(ERR_INVALID, "Invalid comparator for %s: %.*s", entity->name, STR_ARG(op));
    for (size_t i = 0; i < SEARCH_OP_COUNT; i++) {
        size_t name_len = strlen(search_op_names[i]);
        if (!(ops & 1u << i))
            continue;
        memcpy(room + len, len ? ", '" : "'", len ? 3 : 1);
        len += len ? 3 : 1;
        memcpy(room + len, search_op_names[i], name_len);
        len += name_len;
        room[len++] = '\'';
    }
    if (entity->refusal == SEARCH_REFUSE_NAMED)
        return ERR(ERR_INVALID,
                   "Invalid comparison operator for %s.%.*s: '%.*s'. Expected one of (%.*s).",
                   entity->name, STR_ARG(shown(c->key)), STR_ARG(op), (int)len, room);
    return ERR(ERR_INVALID, "Invalid comparator '%.*s' not one of '{%.*s}%s", STR_ARG(op), (int)len,
               room, entity->refusal == SEARCH_REFUSE_SET_OPEN ? "" : "'");
}

static err condition_read(enum search_kind kind, const struct clause *cl, arena *keep,
                          struct search_condition *ret)
{
    struct search_condition c = { .op = cl->op };
    struct search_order name;
    if (cl->left.kind != TOKEN_WORD)
        return ERR(ERR_INVALID, "Invalid comparison clause. Expected 'Identifier' found '%.*s'",
                   STR_ARG(shown(cl->left.text)));
    TRY(search_parse_name(kind, cl->left.text, false, &name));
    c.entity = name.entity;
    c.attribute = name.attribute;
    c.key = name.key;
    unsigned ops = c.attribute ? c.attribute->ops : c.entity->ops;
    bool is_null_test = cl->is_op_known &&
                        (cl->op == SEARCH_IS_NULL || cl->op == SEARCH_IS_NOT_NULL);
    if (is_null_test && !(ops & 1u << cl->op))
        return ERR(ERR_INVALID,
                   "IS NULL / IS NOT NULL is only supported for tags and params, not for '%s'"
                   " '%.*s'",
                   c.entity->name, STR_ARG(shown(c.key)));
    if (!is_null_test)
        TRY(value_read(cl, keep, &c));
    if (!cl->is_op_known || !(ops & 1u << cl->op))
        return op_refused(&c, ops, cl->op_token.text);
    bool is_list_op = cl->op == SEARCH_IN || cl->op == SEARCH_NOT_IN;
    if (c.list_count && !is_list_op)
        return ERR(ERR_INVALID, "Expected a quoted string value for '%s', not a list: %.*s",
                   search_op_names[cl->op], STR_ARG(shown(cl->right.text)));
    bool is_like = cl->op == SEARCH_LIKE || cl->op == SEARCH_ILIKE || cl->op == SEARCH_RLIKE;
    if (is_like && c.is_number)
        return value_unquoted(cl->right.text);
    if (cl->op == SEARCH_RLIKE)
        TRY(pattern_portable(keep, c.text, &c.text));
    *ret = c;
    return OK;
}

/* The operator at `at`: how many tokens it has, 0 when there is none. */
static size_t op_read(const struct tokens *t, size_t at, struct clause *cl)
{
    static const struct {
        enum search_op op;
        const char *words[3];
    } spelled[] = {
        { SEARCH_LIKE, { "LIKE" } },
        { SEARCH_ILIKE, { "ILIKE" } },
        { SEARCH_RLIKE, { "RLIKE" } },
        { SEARCH_IN, { "IN" } },
        { SEARCH_NOT_IN, { "NOT", "IN" } },
        { SEARCH_IS_NULL, { "IS", "NULL" } },
        { SEARCH_IS_NOT_NULL, { "IS", "NOT", "NULL" } },
    };
    if (at >= t->count)
        return 0;
    cl->op_token = t->items[at];
    if (t->items[at].kind == TOKEN_OP) {
        cl->is_op_known = false;
        for (size_t i = 0; i < SEARCH_ILIKE; i++) {
            if (str_eq(t->items[at].text, str_of(search_op_names[i]))) {
                cl->op = (enum search_op)i;
                cl->is_op_known = true;
            }
        }
        return 1;
    }
    for (size_t i = 0; i < COUNT_OF(spelled); i++) {
        size_t count = 0;
        while (count < 3 && spelled[i].words[count] &&
               is_keyword(t, at + count, spelled[i].words[count]))
            count++;
        if (count == 3 || !spelled[i].words[count]) {
            cl->op = spelled[i].op;
            cl->op_token.text = str_of(search_op_names[cl->op]);
            cl->is_op_known = true;
            return count;
        }
    }
    return 0;
}

/* A clause at `at`: how many tokens it has, 0 when there is none. */
static size_t clause_read(const struct tokens *t, size_t at, struct clause *ret)
{
    struct clause cl = { .left = t->items[at] };
    bool is_operand = cl.left.kind == TOKEN_WORD || cl.left.kind == TOKEN_TEXT ||
                      cl.left.kind == TOKEN_NUMBER;
    if (!is_operand || is_keyword(t, at, "NOT") || is_keyword(t, at, "AND") ||
        is_keyword(t, at, "OR"))
        return 0;
    size_t op = op_read(t, at + 1, &cl);
    if (!op)
        return 0;
    bool is_null_test = cl.is_op_known && (cl.op == SEARCH_IS_NULL || cl.op == SEARCH_IS_NOT_NULL);
    bool is_list_op = cl.is_op_known && (cl.op == SEARCH_IN || cl.op == SEARCH_NOT_IN);
    size_t value = at + 1 + op;
    if (!is_null_test) {
        if (value >= t->count || is_keyword(t, value, "AND"))
            return 0;
        cl.right = t->items[value];
        bool is_char = cl.right.kind == TOKEN_OTHER && cl.right.text.len == 1;
        if (cl.right.kind == TOKEN_OP || is_char || (is_list_op && cl.right.kind != TOKEN_GROUP))
            return 0;
    }
    *ret = cl;
    return 1 + op + (is_null_test ? 0 : 1);
}

/* All that is left over, in one error. */
static err leftovers(const struct search_grammar *g, const struct tokens *t, const bool *is_left)
{
    char room[NAMES_BYTES_MAX];
    size_t len = 0;
    const char *quote = g->quotes_clauses ? "'" : "";
    for (size_t i = 0; i < t->count && len + SHOWN_BYTES + 8 < sizeof room; i++) {
        str text = shown(t->items[i].text);
        if (!is_left[i])
            continue;
        if (len) {
            memcpy(room + len, ", ", 2);
            len += 2;
        }
        memcpy(room + len, quote, strlen(quote));
        len += strlen(quote);
        memcpy(room + len, text.ptr, text.len);
        len += text.len;
        memcpy(room + len, quote, strlen(quote));
        len += strlen(quote);
    }
    return ERR(ERR_INVALID, "Invalid clause(s) in filter string: %.*s", (int)len, room);
}

static err clauses_read(enum search_kind kind, const struct tokens *t, arena *keep,
                        struct search_filter *f)
{
    struct clause *clauses = NEW_ARRAY(keep, struct clause, SEARCH_CLAUSES_MAX);
    bool *is_left = NEW_ARRAY(keep, bool, t->count + 1);
    bool has_left = false, after_clause = false;
    ARENA_TRY(clauses);
    ARENA_TRY(is_left);
    for (size_t at = 0; at < t->count;) {
        struct clause cl;
        size_t len = clause_read(t, at, &cl);
        if (len && !after_clause) {
            if (f->count == SEARCH_CLAUSES_MAX)
                return ERR(ERR_INVALID, "The filter has more than %d conditions",
                           SEARCH_CLAUSES_MAX);
            clauses[f->count++] = cl;
            after_clause = true;
            at += len;
        } else if (is_keyword(t, at, "AND")) {
            after_clause = false;
            at++;
        } else {
            is_left[at] = has_left = true;
            after_clause = false;
            at++;
        }
    }
    if (has_left)
        return leftovers(&search_grammars[kind], t, is_left);
    f->conditions = NEW_ARRAY(keep, struct search_condition, f->count + 1);
    ARENA_TRY(f->conditions);
    for (size_t i = 0; i < f->count; i++)
        TRY(condition_read(kind, &clauses[i], keep, &f->conditions[i]));
    return OK;
}

err search_parse_filter(enum search_kind kind, str filter, arena *keep,
                        struct search_filter *ret_filter)
{
    struct search_filter f = { 0 };
    struct tokens tokens = { 0 };
    if (filter.len > SEARCH_TEXT_BYTES_MAX)
        return ERR(ERR_INVALID, "The filter has %zu bytes; the most is %d", filter.len,
                   SEARCH_TEXT_BYTES_MAX);
    if (str_utf8_valid_len(filter) != filter.len || str_find_char(filter, '\0') >= 0)
        return ERR(ERR_INVALID, "The filter is no UTF-8 text, or holds a NUL byte");
    TRY(tokens_read(filter, keep, &tokens));
    if (filter.len && tokens.count == 0)
        return ERR(ERR_INVALID, "Invalid filter '%.*s'. Could not be parsed.",
                   STR_ARG(shown(filter)));
    if (tokens.has_semicolon)
        return ERR(ERR_INVALID,
                   "Search filter contained multiple expression %s%.*s%s. Provide AND-ed expression"
                   " list.",
                   str_find_char(filter, '\'') >= 0 ? "\"" : "'", STR_ARG(shown(filter)),
                   str_find_char(filter, '\'') >= 0 ? "\"" : "'");
    TRY(clauses_read(kind, &tokens, keep, &f));
    *ret_filter = f;
    return OK;
}

err search_parse_equation(str filter, arena *keep, str *ret_name, str *ret_text)
{
    struct tokens t = { 0 };
    struct clause cl = { 0 };
    size_t len = 0;
    if (filter.len > SEARCH_TEXT_BYTES_MAX || str_utf8_valid_len(filter) != filter.len ||
        str_find_char(filter, '\0') >= 0)
        return ERR(ERR_INVALID, "The filter is too long, no UTF-8 text, or holds a NUL byte");
    TRY(tokens_read(filter, keep, &t));
    if (t.count)
        len = clause_read(&t, 0, &cl);
    if (t.count == 0 || len < t.count) {
        str rest = len < t.count ? t.items[len].text : STR_NONE;
        return rest.len ? ERR(ERR_INVALID, "Invalid clause(s) in filter string: %.*s",
                              STR_ARG(shown(rest)))
                        : ERR(ERR_INVALID, "Invalid filter: '%.*s'. Expected one filter clause.",
                              STR_ARG(shown(filter)));
    }
    *ret_name = cl.left.text;
    if (!cl.is_op_known || cl.op != SEARCH_EQ)
        return ERR(ERR_INVALID, "Invalid comparator: '%.*s', only '=' operator is supported",
                   STR_ARG(shown(cl.op_token.text)));
    if (cl.right.kind == TOKEN_TEXT || cl.right.kind == TOKEN_WORD)
        return text_read(&cl.right, ret_text);
    str rest = cl.left.text;
    str_split(&rest, '.');
    str entity = str_split(&rest, '.');
    return ERR(ERR_INVALID,
               "Expected a quoted string value for %.*s value (e.g. 'my-value'). Got value %.*s",
               STR_ARG(shown(entity)), STR_ARG(shown(cl.right.text)));
}

/* ------------------------------------------------------------------ orders */

err search_parse_order(enum search_kind kind, str order_by, struct search_order *ret_order)
{
    enum { ORDER_TOKENS_MAX = 3 };
    struct token tokens[ORDER_TOKENS_MAX];
    size_t count = 0;
    bool is_clear = order_by.len <= SEARCH_TEXT_BYTES_MAX &&
                    str_utf8_valid_len(order_by) == order_by.len &&
                    str_find_char(order_by, '\0') < 0;
    for (size_t at = 0; is_clear && at < order_by.len;) {
        if (is_space(order_by.ptr[at])) {
            at++;
            continue;
        }
        struct token token = token_next(str_sub(order_by, at, order_by.len));
        is_clear = token.kind == TOKEN_WORD && count < 2;
        if (is_clear)
            tokens[count++] = token;
        at += token.text.len;
    }
    if (!is_clear || count == 0)
        return ERR(ERR_INVALID, "Invalid order_by clause '%.*s'. Could not be parsed.",
                   STR_ARG(shown(order_by)));
    bool is_descending = count == 2 && str_eq_nocase(tokens[1].text, STR("DESC"));
    if (count == 2 && !is_descending && !str_eq_nocase(tokens[1].text, STR("ASC")))
        return ERR(ERR_INVALID, "Invalid ordering key in order_by clause '%.*s'.",
                   STR_ARG(shown(order_by)));
    struct search_order o;
    TRY(search_parse_name(kind, tokens[0].text, true, &o));
    o.is_descending = is_descending;
    *ret_order = o;
    return OK;
}
