/* SPDX-License-Identifier: GPL-3.0-or-later */
/* split_groups.c -- splits of rows that carry their group. All of them first number the groups; a
 * part is then decided for a group, and a row can only look up that of its own. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rand.h"
#include "engine/learn/split.h"

struct group {
    int64_t time; /* earliest */
    size_t first; /* row */
    size_t rows;
    uint32_t part; /* what is decided */
};

struct row_key {
    uint64_t group;
    size_t row;
};

struct grouping {
    struct group *groups; /* in order of appearance */
    size_t group_count;
    uint32_t *group_of; /* row -> index into groups */
};

static int key_cmp(const void *a, const void *b)
{
    const struct row_key *x = a, *y = b;
    if (x->group != y->group)
        return x->group < y->group ? -1 : 1;
    return (x->row > y->row) - (x->row < y->row);
}

static int first_cmp(const void *a, const void *b)
{
    const struct group *x = a, *y = b;
    return (x->first > y->first) - (x->first < y->first);
}

static int time_then_first_cmp(const void *a, const void *b)
{
    const struct group *x = a, *y = b;
    if (x->time != y->time)
        return x->time < y->time ? -1 : 1;
    return first_cmp(a, b);
}

static void grouping_deinit(struct grouping *g)
{
    free(g->groups);
    free(g->group_of);
}

/* Sets g->group_of for groups that are in their order now. */
static void number_rows(struct grouping *g, const struct row_key *keys, size_t count)
{
    /* the groups by their first row, so that a run of equal keys finds its own */
    for (size_t i = 0; i < g->group_count; i++)
        g->group_of[g->groups[i].first] = (uint32_t)i;
    for (size_t i = 0; i < count; i++)
        if (i > 0 && keys[i].group == keys[i - 1].group)
            g->group_of[keys[i].row] = g->group_of[keys[i - 1].row];
}

/* The groups of the rows, in the order that `cmp` says. `times` may be NULL. */
static err grouping_init(struct grouping *g, const uint64_t *group, const int64_t *times,
                         size_t count, int (*cmp)(const void *, const void *))
{
    struct row_key *keys = calloc(count + 1, sizeof *keys);
    *g = (struct grouping){ .groups = calloc(count + 1, sizeof *g->groups),
                            .group_of = calloc(count + 1, sizeof *g->group_of) };
    if (!keys || !g->groups || !g->group_of || count > UINT32_MAX) {
        free(keys);
        grouping_deinit(g);
        return ERR(ERR_NO_MEMORY, "no memory to split %zu rows", count);
    }
    for (size_t i = 0; i < count; i++)
        keys[i] = (struct row_key){ group[i], i };
    qsort(keys, count, sizeof *keys, key_cmp);
    for (size_t i = 0; i < count; i++) {
        int64_t time = times ? times[keys[i].row] : 0;
        if (i == 0 || keys[i].group != keys[i - 1].group)
            g->groups[g->group_count++] = (struct group){ .time = time, .first = keys[i].row };
        struct group *last = &g->groups[g->group_count - 1];
        last->time = time < last->time ? time : last->time;
        last->rows++;
    }
    qsort(g->groups, g->group_count, sizeof *g->groups, cmp);
    number_rows(g, keys, count);
    free(keys);
    return OK;
}

/* How many of the groups lie before the cut that is nearest to this many rows. */
static size_t groups_before(const struct grouping *g, double rows)
{
    size_t before = 0, groups = 0;
    while (groups < g->group_count) {
        size_t after = before + g->groups[groups].rows;
        if (fabs((double)after - rows) > fabs((double)before - rows))
            break;
        before = after;
        groups++;
    }
    return groups;
}

err learn_split_chronological(const uint64_t *groups, const int64_t *times, size_t count,
                              const struct learn_shares *shares, enum learn_part *parts)
{
    struct grouping g;
    TRY(learn_shares_check(shares));
    TRY(grouping_init(&g, groups, times, count, time_then_first_cmp));
    size_t has_valid = shares->valid > 0, has_test = shares->test > 0;
    size_t train = groups_before(&g, (1 - shares->valid - shares->test) * (double)count);
    size_t seen = groups_before(&g, (1 - shares->test) * (double)count);
    if (g.group_count > has_valid + has_test) {
        /* one large game at an end must not take all of a part */
        size_t seen_max = g.group_count - has_test, seen_min = 1 + has_valid;
        seen = seen < seen_min ? seen_min : seen > seen_max ? seen_max : seen;
        size_t train_max = seen - has_valid;
        train = train < 1 ? 1 : train > train_max ? train_max : train;
    }
    for (size_t i = 0; i < count; i++)
        parts[i] = g.group_of[i] < train  ? LEARN_TRAIN
                   : g.group_of[i] < seen ? LEARN_VALID
                                          : LEARN_TEST;
    grouping_deinit(&g);
    return OK;
}

err learn_split_every(const uint64_t *groups, size_t count, size_t nth, enum learn_part *parts)
{
    struct grouping g;
    if (nth < 2)
        return ERR(ERR_INVALID, "every group cannot validate: give 2 or more, not %zu", nth);
    TRY(grouping_init(&g, groups, NULL, count, first_cmp));
    for (size_t i = 0; i < count; i++)
        parts[i] = g.group_of[i] % nth == nth - 1 ? LEARN_VALID : LEARN_TRAIN;
    grouping_deinit(&g);
    return OK;
}

err learn_split_folds(const uint64_t *groups, size_t count, size_t fold_count, uint64_t seed,
                      uint8_t *fold_of)
{
    struct grouping g;
    struct rng rng;
    size_t rows[LEARN_FOLDS_MAX] = { 0 };
    if (fold_count < 2 || fold_count > LEARN_FOLDS_MAX)
        return ERR(ERR_INVALID, "%zu folds: give 2 to %d", fold_count, LEARN_FOLDS_MAX);
    TRY(grouping_init(&g, groups, NULL, count, first_cmp));
    uint32_t *order = calloc(g.group_count + 1, sizeof *order);
    if (!order) {
        grouping_deinit(&g);
        return ERR(ERR_NO_MEMORY, "no memory to shuffle %zu groups", g.group_count);
    }
    for (size_t i = 0; i < g.group_count; i++)
        order[i] = (uint32_t)i;
    rng_init(&rng, seed);
    rng_shuffle_u32(&rng, order, g.group_count);
    for (size_t i = 0; i < g.group_count; i++) {
        struct group *group = &g.groups[order[i]];
        for (size_t f = 1; f < fold_count; f++)
            if (rows[f] < rows[group->part])
                group->part = (uint32_t)f;
        rows[group->part] += group->rows;
    }
    for (size_t i = 0; i < count; i++)
        fold_of[i] = (uint8_t)g.groups[g.group_of[i]].part;
    free(order);
    grouping_deinit(&g);
    return OK;
}
