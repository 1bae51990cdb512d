/* SPDX-License-Identifier: GPL-3.0-or-later */
/* forest_internal.h -- how a forest stands in memory. Private to forest.c and forest_xgboost.c. */
#ifndef SKERRY_LEARN_FOREST_INTERNAL_H
#define SKERRY_LEARN_FOREST_INTERNAL_H

#include "engine/learn/forest.h"

/* An inner node goes to `left` of its tree when the feature is less than the value, else to the one
 * behind it. Children stand behind their parents, so every walk ends. A leaf has as its feature one
 * that is always minus infinity and as `left` itself: a walk that is there stays there, and trees
 * of different depths can be walked in step. Its value is its answer. */
struct forest_node {
    float value;
    uint16_t feature;
    uint16_t left;
};

struct forest_tree {
    uint32_t first; /* node */
    uint16_t count;
    uint16_t depth; /* steps that a walk may take */
    uint16_t class;
};

struct learn_forest {
    size_t feature_count, class_count;
    float base[LEARN_CLASSES_MAX]; /* scores before the first tree */
    struct forest_tree *trees;
    size_t tree_count, tree_room;
    struct forest_node *nodes;
    uint8_t *default_left; /* of each node: where it goes when the feature is missing */
    size_t node_count, node_room;
};

/* Whether the node is a leaf of this forest. */
static inline bool forest_is_leaf(const struct learn_forest *f, const struct forest_node *n)
{
    return n->feature == f->feature_count;
}

/* Makes room behind the last one. ERR_TOO_BIG, ERR_NO_MEMORY. */
MUST_USE err forest_make_room(struct learn_forest *f, size_t trees, size_t nodes);
/* Takes the `count` nodes behind the last one as a tree, when they are one: ERR_CORRUPT. There is
 * room. */
MUST_USE err forest_add_tree(struct learn_forest *f, size_t count, size_t class);

#endif
