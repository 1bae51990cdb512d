/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/learn/forest_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Leaves of boosted trees are below 10, and a hundred thousand of these are no overflow. */
#define SCORE_MAX 1e6f

enum { TOGETHER = 8 }; /* walks at once; as many as a core keeps loads in flight for */

err learn_forest_new(size_t feature_count, size_t class_count, struct learn_forest **ret_forest)
{
    if (feature_count == 0 || feature_count > LEARN_FEATURES_MAX)
        return ERR(ERR_INVALID, "trees of %zu features: give 1 to %d", feature_count,
                   LEARN_FEATURES_MAX);
    if (class_count < 2 || class_count > LEARN_CLASSES_MAX)
        return ERR(ERR_INVALID, "trees of %zu classes: give 2 to %d", class_count,
                   LEARN_CLASSES_MAX);
    struct learn_forest *f = calloc(1, sizeof *f);
    if (!f)
        return ERR(ERR_NO_MEMORY, "no memory for trees");
    f->feature_count = feature_count;
    f->class_count = class_count;
    *ret_forest = f;
    return OK;
}

void learn_forest_free(struct learn_forest *f)
{
    if (!f)
        return;
    free(f->trees);
    free(f->nodes);
    free(f->default_left);
    free(f);
}

size_t learn_forest_feature_count(const struct learn_forest *f)
{
    return f->feature_count;
}

size_t learn_forest_class_count(const struct learn_forest *f)
{
    return f->class_count;
}

size_t learn_forest_tree_count(const struct learn_forest *f)
{
    return f->tree_count;
}

size_t learn_forest_node_count(const struct learn_forest *f)
{
    return f->node_count;
}

size_t learn_forest_bytes(const struct learn_forest *f)
{
    return sizeof *f + f->tree_room * sizeof *f->trees +
           f->node_room * (sizeof *f->nodes + sizeof *f->default_left);
}

/* ------------------------------------------------------------------ building */

/* Half as much again as there was, so that trees can be added one by one. The first time it is
 * exactly what is wanted: what is read from a file wastes nothing. */
static size_t at_least(size_t wanted, size_t room, size_t most)
{
    size_t grown = room + room / 2;
    grown = grown < most ? grown : most;
    return wanted > grown ? wanted : grown;
}

static err make_tree_room(struct learn_forest *f, size_t wanted)
{
    if (wanted > LEARN_TREES_MAX)
        return ERR(ERR_TOO_BIG, "%zu trees: at most %d are served", wanted, LEARN_TREES_MAX);
    if (wanted <= f->tree_room)
        return OK;
    wanted = at_least(wanted, f->tree_room, LEARN_TREES_MAX);
    struct forest_tree *trees = reallocarray(f->trees, wanted, sizeof *trees);
    if (!trees)
        return ERR(ERR_NO_MEMORY, "no memory for %zu trees", wanted);
    f->trees = trees;
    f->tree_room = wanted;
    return OK;
}

err forest_make_room(struct learn_forest *f, size_t trees, size_t nodes)
{
    TRY(make_tree_room(f, f->tree_count + trees));
    size_t wanted = f->node_count + nodes;
    if (wanted > LEARN_FOREST_NODES_MAX)
        return ERR(ERR_TOO_BIG, "trees of %zu nodes: at most %d are served", wanted,
                   LEARN_FOREST_NODES_MAX);
    if (wanted <= f->node_room)
        return OK;
    wanted = at_least(wanted, f->node_room, LEARN_FOREST_NODES_MAX);
    struct forest_node *grown = reallocarray(f->nodes, wanted, sizeof *grown);
    if (grown)
        f->nodes = grown;
    uint8_t *sides = grown ? realloc(f->default_left, wanted) : NULL;
    if (!sides)
        return ERR(ERR_NO_MEMORY, "no memory for trees of %zu nodes", wanted);
    f->default_left = sides;
    f->node_room = wanted;
    return OK;
}

/* How deep the tree is; -1 when its nodes are none. */
static int depth_of(const struct learn_forest *f, const struct forest_node *nodes, size_t count,
                    uint16_t *depth)
{
    int deepest = 0;
    memset(depth, 0, count * sizeof *depth);
    for (size_t i = 0; i < count; i++) {
        const struct forest_node *n = &nodes[i];
        if (forest_is_leaf(f, n)) {
            if (n->left != i || !(fabsf(n->value) <= SCORE_MAX))
                return -1;
            continue;
        }
        if (n->feature > f->feature_count || n->left <= i || n->left + 1u >= count ||
            !isfinite(n->value))
            return -1;
        for (size_t child = n->left; child < n->left + 2u; child++) {
            int below = depth[i] + 1;
            depth[child] = below > depth[child] ? (uint16_t)below : depth[child];
            deepest = below > deepest ? below : deepest;
        }
    }
    return deepest;
}

err forest_add_tree(struct learn_forest *f, size_t count, size_t class)
{
    uint16_t *scratch;
    if (count == 0 || count > LEARN_TREE_NODES_MAX || class >= f->class_count)
        return ERR(ERR_CORRUPT, "tree %zu has %zu nodes and class %zu", f->tree_count, count,
                   class);
    scratch = malloc(count * sizeof *scratch);
    if (!scratch)
        return ERR(ERR_NO_MEMORY, "no memory to check a tree of %zu nodes", count);
    int depth = depth_of(f, f->nodes + f->node_count, count, scratch);
    free(scratch);
    if (depth < 0)
        return ERR(ERR_CORRUPT, "tree %zu is no tree of this forest", f->tree_count);
    f->trees[f->tree_count++] = (struct forest_tree){ .first = (uint32_t)f->node_count,
                                                      .count = (uint16_t)count,
                                                      .depth = (uint16_t)depth,
                                                      .class = (uint16_t) class };
    f->node_count += count;
    return OK;
}

/* ------------------------------------------------------------------ predicting */

float learn_forest_value(double feature)
{
    float value = (float)feature;
    return isfinite(value) ? value : NAN;
}

static inline size_t step(const struct forest_node *nodes, size_t at, const float *x)
{
    const struct forest_node *n = &nodes[at];
    return n->left + (size_t) !(x[n->feature] < n->value);
}

/* As above, where features may be missing. */
static inline size_t careful_step(const struct learn_forest *f, size_t first, size_t at,
                                  const float *x)
{
    const struct forest_node *n = &f->nodes[first + at];
    if (isnan(x[n->feature]))
        return n->left + (size_t)!f->default_left[first + at];
    return step(f->nodes + first, at, x);
}

static void walk_one(const struct learn_forest *f, const struct forest_tree *t, const float *x,
                     float *score)
{
    size_t at = 0;
    for (size_t d = 0; d < t->depth; d++)
        at = careful_step(f, t->first, at, x);
    score[t->class] += f->nodes[t->first + at].value;
}

/* TOGETHER trees in step. The order of additions stays that of the trees. */
static inline void walk_together(const struct learn_forest *f, const struct forest_tree *t,
                                 const float *x, float *score)
{
    const struct forest_node *nodes[TOGETHER];
    size_t at[TOGETHER] = { 0 }, depth = 0;
    for (size_t k = 0; k < TOGETHER; k++) {
        nodes[k] = f->nodes + t[k].first;
        depth = t[k].depth > depth ? t[k].depth : depth;
    }
    for (size_t d = 0; d < depth; d++)
#pragma GCC unroll 8
        for (size_t k = 0; k < TOGETHER; k++)
            at[k] = step(nodes[k], at[k], x);
    for (size_t k = 0; k < TOGETHER; k++)
        score[t[k].class] += nodes[k][at[k]].value;
}

/* As XGBoost does it: exponentials in float, their sum in double. */
static void softmax(float *score, size_t count)
{
    float top = score[0];
    double sum = 0;
    for (size_t c = 1; c < count; c++)
        top = score[c] > top ? score[c] : top;
    for (size_t c = 0; c < count; c++) {
        score[c] = expf(score[c] - top);
        sum += (double)score[c];
    }
    for (size_t c = 0; c < count; c++)
        score[c] /= (float)sum;
}

void learn_forest_predict(const struct learn_forest *f, const double *features, float *probability)
{
    float x[LEARN_FEATURES_MAX + 1], score[LEARN_CLASSES_MAX];
    bool is_missing = false;
    size_t t = 0;
    for (size_t i = 0; i < f->feature_count; i++) {
        x[i] = learn_forest_value(features[i]);
        is_missing |= isnan(x[i]);
    }
    x[f->feature_count] = -INFINITY;
    memcpy(score, f->base, sizeof score);
    if (!is_missing)
        for (; t + TOGETHER <= f->tree_count; t += TOGETHER)
            walk_together(f, f->trees + t, x, score);
    for (; t < f->tree_count; t++)
        walk_one(f, f->trees + t, x, score);
    softmax(score, f->class_count);
    memcpy(probability, score, f->class_count * sizeof *score);
}

/* ------------------------------------------------------------------ as bytes */

enum { LEAF = 0x7FFF, DEFAULT_LEFT = 0x8000, NODE_BYTES = 8, TREE_BYTES = 4 };

void learn_forest_write(const struct learn_forest *f, struct buf *out)
{
    buf_add_u32(out, (uint32_t)f->tree_count);
    buf_add_u32(out, (uint32_t)f->node_count);
    for (size_t c = 0; c < f->class_count; c++)
        buf_add_f32(out, f->base[c]);
    for (size_t t = 0; t < f->tree_count; t++) {
        const struct forest_tree *tree = &f->trees[t];
        buf_add_u16(out, tree->class);
        buf_add_u16(out, tree->count);
        for (size_t i = tree->first; i < tree->first + (size_t)tree->count; i++) {
            const struct forest_node *n = &f->nodes[i];
            unsigned feature = forest_is_leaf(f, n) ? LEAF : n->feature;
            buf_add_f32(out, n->value);
            buf_add_u16(out, (uint16_t)(feature | (f->default_left[i] ? DEFAULT_LEFT : 0)));
            buf_add_u16(out, n->left);
        }
    }
}

/* A node and where it goes without the feature, from NODE_BYTES bytes. Returns the feature. */
static inline unsigned node_read(const unsigned char *b, struct forest_node *n, uint8_t *ret_left)
{
    uint32_t bits = b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
    unsigned feature = b[4] | (unsigned)b[5] << 8;
    memcpy(&n->value, &bits, sizeof bits);
    n->left = (uint16_t)(b[6] | b[7] << 8);
    *ret_left = feature >= DEFAULT_LEFT;
    return feature & LEAF;
}

/* Room was made for all nodes that the head promised. */
static err tree_read(struct cursor *c, struct learn_forest *f)
{
    size_t class = cursor_u16(c), count = cursor_u16(c);
    if (c->bad || cursor_left(c) / NODE_BYTES < count || count > f->node_room - f->node_count)
        return ERR(ERR_CORRUPT, "the trees are cut short in tree %zu", f->tree_count);
    str bytes = cursor_bytes(c, count * NODE_BYTES);
    for (size_t i = 0; i < count; i++) {
        size_t at = f->node_count + i;
        unsigned feature = node_read((const unsigned char *)bytes.ptr + i * NODE_BYTES,
                                     &f->nodes[at], &f->default_left[at]);
        if (feature >= f->feature_count && feature != LEAF)
            return ERR(ERR_CORRUPT, "tree %zu asks for feature %u of %zu", f->tree_count, feature,
                       f->feature_count);
        f->nodes[at].feature = (uint16_t)(feature == LEAF ? f->feature_count : feature);
    }
    return forest_add_tree(f, count, class);
}

static err body_read(struct cursor *c, struct learn_forest *f)
{
    size_t trees = cursor_u32(c), nodes = cursor_u32(c);
    if (c->bad || trees > cursor_left(c) / TREE_BYTES || nodes > cursor_left(c) / NODE_BYTES)
        return ERR(ERR_CORRUPT, "the trees are cut short");
    TRY(forest_make_room(f, trees, nodes));
    for (size_t k = 0; k < f->class_count; k++) {
        f->base[k] = cursor_f32(c);
        if (!(fabsf(f->base[k]) <= SCORE_MAX))
            return ERR(ERR_CORRUPT, "the base score of class %zu is not sane", k);
    }
    for (size_t t = 0; t < trees; t++)
        TRY(tree_read(c, f));
    if (c->bad || f->node_count != nodes)
        return ERR(ERR_CORRUPT, "the trees have %zu nodes, and promised %zu", f->node_count, nodes);
    return OK;
}

err learn_forest_read(struct cursor *c, size_t feature_count, size_t class_count,
                      struct learn_forest **ret_forest)
{
    struct learn_forest *f;
    TRY(learn_forest_new(feature_count, class_count, &f));
    err e = body_read(c, f);
    if (e.code)
        learn_forest_free(f);
    else
        *ret_forest = f;
    return e;
}
