/* SPDX-License-Identifier: GPL-3.0-or-later */
/* binary.c -- operators between numbers and vectors.
 *
 * Between vectors, series that agree in the labels that count form a group; at each moment a group
 * may have one series on the side that is "one". A result is made for each pair of a group that
 * ever meets, and results of the same labels become one.
 */
#include <math.h>
#include <string.h>

#include "base/map.h"
#include "platform/query/query_internal.h"

/* For a comparison: 1 or 0. */
static double compute(enum binary_op op, double a, double b)
{
    switch (op) {
    case OP_ADD:
        return a + b;
    case OP_SUBTRACT:
        return a - b;
    case OP_MULTIPLY:
        return a * b;
    case OP_DIVIDE:
        return a / b;
    case OP_MODULO:
        return fmod(a, b);
    case OP_POWER:
        return pow(a, b);
    case OP_EQUAL:
        return a == b;
    case OP_NOT_EQUAL:
        return a != b;
    case OP_LESS:
        return a < b;
    case OP_LESS_EQUAL:
        return a <= b;
    case OP_GREATER:
        return a > b;
    case OP_GREATER_EQUAL:
        return a >= b;
    case OP_NONE:
    case OP_OR:
    case OP_AND:
    case OP_UNLESS:
        break;
    }
    return NAN;
}

/* A comparison without bool lets `kept` pass, or nothing. */
static double result_of(const struct node *node, double a, double b, double kept)
{
    double value = compute(node->op, a, b);
    if (op_is_comparison(node->op) && !node->returns_bool)
        return value != 0 ? kept : query_absent();
    return value;
}

static bool drops_name(const struct node *node)
{
    return !op_is_comparison(node->op) || node->returns_bool;
}

static err vector_and_number(struct eval *ev, const struct node *node, struct value *v,
                             const double *numbers, bool number_is_left)
{
    for (size_t k = 0; k < v->count; k++) {
        struct query_series *s = &v->series[k];
        if (drops_name(node))
            TRY(labels_filter(ev->keep, s->labels, NULL, true, true, &s->labels));
        for (size_t i = 0; i < ev->steps; i++) {
            double a = s->values[i];
            if (query_is_absent(a))
                continue;
            s->values[i] = number_is_left ? result_of(node, numbers[i], a, a)
                                          : result_of(node, a, numbers[i], a);
        }
    }
    return value_merge(ev, v);
}

/* ------------------------------------------------------------------ groups of two sides */

struct pairing {
    struct eval *ev;
    const struct node *node;
    struct value *sides[2]; /* [0] many (or the left one), [1] one */
    struct map groups;      /* key -> number */
    size_t group_count;
    size_t *group_of[2];
    size_t *first[2]; /* chains of the series of each group; SIZE_MAX ends one */
    size_t *next[2];
};

static err pairing_side(struct pairing *p, int side)
{
    static const struct label_list none;
    struct eval *ev = p->ev;
    const struct label_list *list = p->node->labels ? p->node->labels : &none;
    const struct value *v = p->sides[side];
    for (size_t i = v->count; i-- > 0;) { /* backwards, so that chains run forwards */
        struct labels labels;
        union map_value *slot;
        bool is_new;
        TRY(labels_filter(ev->keep, v->series[i].labels, list, !p->node->matches_on,
                          !p->node->matches_on, &labels));
        str key = labels_key(ev->keep, labels);
        ARENA_TRY(key.ptr);
        TRY(map_put(&p->groups, key, &slot, &is_new));
        if (is_new) {
            slot->num = (int64_t)p->group_count;
            p->first[0][p->group_count] = p->first[1][p->group_count] = SIZE_MAX;
            p->group_count++;
        }
        size_t g = (size_t)slot->num;
        p->group_of[side][i] = g;
        p->next[side][i] = p->first[side][g];
        p->first[side][g] = i;
    }
    return OK;
}

static err pairing_make(struct pairing *p)
{
    size_t total = p->sides[0]->count + p->sides[1]->count + 1;
    map_init(&p->groups, 2 * QUERY_SERIES_MAX);
    for (int side = 0; side < 2; side++) {
        p->group_of[side] = NEW_ARRAY(p->ev->keep, size_t, total);
        p->first[side] = NEW_ARRAY(p->ev->keep, size_t, total);
        p->next[side] = NEW_ARRAY(p->ev->keep, size_t, total);
    }
    err e = arena_check(p->ev->keep);
    for (int side = 0; !e.code && side < 2; side++)
        e = pairing_side(p, side);
    map_deinit(&p->groups);
    return e;
}

static bool any_there(const struct pairing *p, int side, size_t group, size_t step)
{
    for (size_t i = p->first[side][group]; i != SIZE_MAX; i = p->next[side][i])
        if (!query_is_absent(p->sides[side]->series[i].values[step]))
            return true;
    return false;
}

/* ------------------------------------------------------------------ and, or, unless */

static err set_operation(struct pairing *p, struct value *ret_value)
{
    struct eval *ev = p->ev;
    struct value *left = p->sides[0], *right = p->sides[1];
    enum binary_op op = p->node->op;
    for (size_t k = 0; op == OP_OR && k < right->count; k++) {
        TRY(eval_check(ev));
        for (size_t i = 0; i < ev->steps; i++)
            if (any_there(p, 0, p->group_of[1][k], i))
                right->series[k].values[i] = query_absent();
    }
    for (size_t k = 0; op != OP_OR && k < left->count; k++) {
        TRY(eval_check(ev));
        for (size_t i = 0; i < ev->steps; i++)
            if (any_there(p, 1, p->group_of[0][k], i) != (op == OP_AND))
                left->series[k].values[i] = query_absent();
    }
    *ret_value = *left;
    if (op != OP_OR)
        return OK;
    for (size_t k = 0; k < right->count; k++) {
        struct query_series *series;
        TRY(eval_check(ev));
        TRY(value_add(ev, ret_value, right->series[k].labels, &series));
        memcpy(series->values, right->series[k].values, ev->steps * sizeof *series->values);
    }
    ret_value->is_ordered = false;
    return value_merge(ev, ret_value);
}

/* ------------------------------------------------------------------ arithmetic and comparisons */

/* Labels of the result of a pair; `many` and `one` as in the pairing. */
static err pair_labels(struct pairing *p, struct labels many, struct labels one,
                       struct labels *ret_labels)
{
    static const struct label_list none;
    struct eval *ev = p->ev;
    const struct node *node = p->node;
    struct labels labels = many;
    if (node->cardinality == ONE_TO_ONE)
        TRY(labels_filter(ev->keep, labels, node->labels ? node->labels : &none, !node->matches_on,
                          drops_name(node), &labels));
    else if (drops_name(node))
        TRY(labels_filter(ev->keep, labels, &none, true, true, &labels));
    for (size_t i = 0; node->include && i < node->include->count; i++)
        TRY(labels_set(ev->keep, labels, node->include->names[i],
                       labels_get(one, node->include->names[i]), &labels));
    *ret_labels = labels;
    return OK;
}

/* No two series of a group at the same moment on the side that is "one". */
static err check_one(const struct pairing *p, int side, size_t group)
{
    for (size_t i = 0; i < p->ev->steps; i++) {
        size_t there = 0;
        for (size_t k = p->first[side][group]; k != SIZE_MAX; k = p->next[side][k])
            there += !query_is_absent(p->sides[side]->series[k].values[i]);
        if (there < 2)
            continue;
        if (side == 1)
            return ERR(ERR_CONFLICT,
                       "found duplicate series for the match group on the %s hand-side of the "
                       "operator at character %zu; many-to-many matching not allowed: matching "
                       "labels must be unique on one side",
                       p->node->cardinality == ONE_TO_MANY ? "left" : "right", AT(p->node->at));
        return ERR(ERR_CONFLICT,
                   "multiple matches for labels at the operator at character %zu: many-to-one "
                   "matching must be explicit (group_left/group_right)",
                   AT(p->node->at));
    }
    return OK;
}

static err pair(struct pairing *p, size_t many, size_t one, struct value *out)
{
    const struct query_series *m = &p->sides[0]->series[many], *o = &p->sides[1]->series[one];
    struct query_series *series = NULL;
    bool swapped = p->node->cardinality == ONE_TO_MANY;
    TRY(eval_check(p->ev));
    for (size_t i = 0; i < p->ev->steps; i++) {
        if (query_is_absent(m->values[i]) || query_is_absent(o->values[i]))
            continue;
        double a = swapped ? o->values[i] : m->values[i];
        double b = swapped ? m->values[i] : o->values[i];
        double value = result_of(p->node, a, b, a);
        if (query_is_absent(value))
            continue;
        if (!series) {
            struct labels labels;
            TRY(pair_labels(p, m->labels, o->labels, &labels));
            TRY(value_add(p->ev, out, labels, &series));
        }
        series->values[i] = value;
    }
    return OK;
}

static err arithmetic(struct pairing *p, struct value *ret_value)
{
    *ret_value = (struct value){ .type = QUERY_VECTOR };
    for (size_t g = 0; g < p->group_count; g++) {
        TRY(check_one(p, 1, g));
        if (p->first[0][g] == SIZE_MAX || p->first[1][g] == SIZE_MAX)
            continue;
        if (p->node->cardinality == ONE_TO_ONE)
            TRY(check_one(p, 0, g));
        for (size_t k = p->first[0][g]; k != SIZE_MAX; k = p->next[0][k])
            for (size_t n = p->first[1][g]; n != SIZE_MAX; n = p->next[1][n])
                TRY(pair(p, k, n, ret_value));
    }
    return value_merge(p->ev, ret_value);
}

err binary_eval(struct eval *ev, const struct node *node, struct value *ret_value)
{
    struct value left, right;
    TRY(eval_node(ev, node->args[0], &left));
    TRY(eval_node(ev, node->args[1], &right));
    if (left.type == QUERY_SCALAR && right.type == QUERY_SCALAR) {
        for (size_t i = 0; i < ev->steps; i++)
            left.scalars[i] = compute(node->op, left.scalars[i], right.scalars[i]);
        *ret_value = left;
        return OK;
    }
    if (left.type == QUERY_SCALAR || right.type == QUERY_SCALAR) {
        bool number_is_left = left.type == QUERY_SCALAR;
        *ret_value = number_is_left ? right : left;
        return vector_and_number(ev, node, ret_value, number_is_left ? left.scalars : right.scalars,
                                 number_is_left);
    }
    bool swapped = node->cardinality == ONE_TO_MANY;
    struct pairing p = { .ev = ev,
                         .node = node,
                         .sides = { swapped ? &right : &left, swapped ? &left : &right } };
    TRY(pairing_make(&p));
    return op_is_set(node->op) ? set_operation(&p, ret_value) : arithmetic(&p, ret_value);
}
