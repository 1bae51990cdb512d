/* SPDX-License-Identifier: GPL-3.0-or-later */
/* forest_xgboost.c -- trees from the JSON that XGBoost saves, 1.0 to 3.x.
 *
 * There, a tree is columns: for each node its children (-1: none), feature and value, where that of
 * a leaf is its answer. Nodes that pruning removed are still in the columns and are reached from
 * nowhere; here nodes are written in the order in which they are reached, children next to each
 * other.
 */
#include <math.h>
#include <stdlib.h>

#include "base/json.h"
#include "engine/learn/forest_internal.h"

/* Numbers of a model's parameters are text. */
static bool param(const struct json *object, const char *key, int64_t *ret_value)
{
    const struct json *node = json_get(object, key);
    if (json_kind(node) == JSON_IS_INT) {
        *ret_value = json_int(node, 0);
        return true;
    }
    return !str_to_i64(json_str(node, STR_NONE), ret_value).code;
}

/* "5E-1", or since 3.1 "[5E-1,5E-1,5E-1]"; one for all classes, or one each. */
static err base_scores(const struct learn_forest *f, str text, float *ret_base)
{
    size_t count = 0;
    double value = 0;
    if (str_starts(text, STR("[")) && str_ends(text, STR("]")))
        text = str_sub(text, 1, text.len - 2);
    while (text.len > 0 && count < f->class_count) {
        if (str_to_f64(str_trim(str_split(&text, ',')), &value).code || fabs(value) > 1e6)
            return ERR(ERR_INVALID, "a base score is no number");
        ret_base[count++] = (float)value;
    }
    if (text.len > 0 || (count != 1 && count != f->class_count))
        return ERR(ERR_INVALID, "it has base scores for other classes");
    for (; count < f->class_count; count++)
        ret_base[count] = ret_base[0];
    return OK;
}

static err check_learner(const struct learn_forest *f, const struct json *learner)
{
    const struct json *params = json_get(learner, "learner_model_param");
    const struct json *booster = json_get(learner, "gradient_booster");
    str objective = json_str(json_get(json_get(learner, "objective"), "name"), STR_NONE);
    str name = json_str(json_get(booster, "name"), STR_NONE);
    int64_t features = 0, classes = 0, targets = 1;
    if (!param(params, "num_feature", &features) || !param(params, "num_class", &classes))
        return ERR(ERR_INVALID, "it is no model of xgboost in JSON");
    if (!str_eq(objective, STR("multi:softprob")) && !str_eq(objective, STR("multi:softmax")))
        return ERR(ERR_UNSUPPORTED,
                   "its objective is '%.*s': trees of classes have multi:softprob or multi:softmax",
                   STR_ARG(str_sub(objective, 0, 60)));
    if (!str_eq(name, STR("gbtree")))
        return ERR(ERR_UNSUPPORTED, "its booster is '%.*s': only gbtree is walked here",
                   STR_ARG(str_sub(name, 0, 60)));
    if (param(params, "num_target", &targets) && targets > 1)
        return ERR(ERR_UNSUPPORTED, "it has %lld targets: only one is walked here",
                   (long long)targets);
    if (features != (int64_t)f->feature_count || classes != (int64_t)f->class_count)
        return ERR(ERR_INVALID, "it has %lld features and %lld classes, not %zu and %zu",
                   (long long)features, (long long)classes, f->feature_count, f->class_count);
    return OK;
}

/* ------------------------------------------------------------------ a tree */

struct columns {
    const struct json *left, *right, *feature, *value, *default_left;
    size_t count;
};

static err columns_of(const struct json *tree, struct columns *ret_columns)
{
    struct columns c = { .left = json_get(tree, "left_children"),
                         .right = json_get(tree, "right_children"),
                         .feature = json_get(tree, "split_indices"),
                         .value = json_get(tree, "split_conditions"),
                         .default_left = json_get(tree, "default_left") };
    int64_t leaf_size = 0;
    c.count = json_count(c.left);
    if (c.count == 0 || json_count(c.right) != c.count || json_count(c.feature) != c.count ||
        json_count(c.value) != c.count || json_count(c.default_left) != c.count ||
        json_kind(c.left) != JSON_IS_ARRAY || json_kind(c.right) != JSON_IS_ARRAY ||
        json_kind(c.feature) != JSON_IS_ARRAY || json_kind(c.value) != JSON_IS_ARRAY ||
        json_kind(c.default_left) != JSON_IS_ARRAY)
        return ERR(ERR_INVALID, "its columns do not have one length");
    if (json_count(json_get(tree, "categories")) > 0)
        return ERR(ERR_UNSUPPORTED, "it splits by categories: only numbers are compared here");
    if (param(json_get(tree, "tree_param"), "size_leaf_vector", &leaf_size) && leaf_size > 1)
        return ERR(ERR_UNSUPPORTED, "its leaves are vectors: only single values are added here");
    *ret_columns = c;
    return OK;
}

static bool flag(const struct json *node)
{
    return json_bool(node, json_int(node, 0) != 0);
}

/* Writes the nodes behind those of the forest, in the order in which they are reached. `from` holds
 * room for as many indices into the columns. More than there are: some are reached twice. */
static err nodes_of(struct learn_forest *f, const struct columns *c, size_t *from,
                    size_t *ret_count)
{
    struct forest_node *nodes = f->nodes + f->node_count;
    size_t reached = 1;
    from[0] = 0;
    for (size_t i = 0; i < reached; i++) {
        int64_t left = json_int(json_at(c->left, from[i]), -2);
        int64_t right = json_int(json_at(c->right, from[i]), -2);
        double value = json_num(json_at(c->value, from[i]), NAN);
        int64_t feature = json_int(json_at(c->feature, from[i]), -1);
        nodes[i].value = (float)value;
        f->default_left[f->node_count + i] = 0;
        if (left == -1 && right == -1) {
            nodes[i].feature = (uint16_t)f->feature_count;
            nodes[i].left = (uint16_t)i;
            continue;
        }
        if (left < 0 || right < 0 || left >= (int64_t)c->count || right >= (int64_t)c->count ||
            feature < 0 || feature >= (int64_t)f->feature_count || reached + 2 > c->count)
            return ERR(ERR_INVALID, "node %zu has impossible children or an unknown feature",
                       from[i]);
        nodes[i].feature = (uint16_t)feature;
        nodes[i].left = (uint16_t)reached;
        f->default_left[f->node_count + i] = flag(json_at(c->default_left, from[i]));
        from[reached++] = (size_t)left;
        from[reached++] = (size_t)right;
    }
    *ret_count = reached;
    return OK;
}

static err add_tree(struct learn_forest *f, const struct json *tree, int64_t class)
{
    struct columns c = { 0 };
    size_t count = 0;
    TRY(columns_of(tree, &c));
    if (c.count > LEARN_TREE_NODES_MAX)
        return ERR(ERR_TOO_BIG, "it has %zu nodes: at most %d are served", c.count,
                   LEARN_TREE_NODES_MAX);
    if (class < 0 || class >= (int64_t)f->class_count)
        return ERR(ERR_INVALID, "it is for class %lld", (long long)class);
    TRY(forest_make_room(f, 1, c.count));
    size_t *from = calloc(c.count, sizeof *from);
    if (!from)
        return ERR(ERR_NO_MEMORY, "no memory for a tree of %zu nodes", c.count);
    err e = nodes_of(f, &c, from, &count);
    free(from);
    if (!e.code)
        e = forest_add_tree(f, count, (size_t) class);
    if (e.code == ERR_CORRUPT) /* it came from outside and is not ours */
        e.code = ERR_INVALID;
    return e;
}

static err add_model(struct learn_forest *f, const struct json *root)
{
    const struct json *learner = json_get(root, "learner");
    const struct json *model = json_get(json_get(learner, "gradient_booster"), "model");
    const struct json *trees = json_get(model, "trees"), *classes = json_get(model, "tree_info");
    float base[LEARN_CLASSES_MAX] = { 0 };
    TRY(check_learner(f, learner));
    TRY(base_scores(
        f, json_str(json_get(json_get(learner, "learner_model_param"), "base_score"), STR_NONE),
        base));
    for (size_t c = 0; c < f->class_count && f->tree_count > 0; c++)
        if (f->base[c] < base[c] || f->base[c] > base[c])
            return ERR(ERR_INVALID, "its base scores are not those of the trees before");
    if (json_kind(trees) != JSON_IS_ARRAY || json_kind(classes) != JSON_IS_ARRAY ||
        json_count(trees) != json_count(classes))
        return ERR(ERR_INVALID, "it does not say of which class its trees are");
    for (size_t t = 0; t < json_count(trees); t++) {
        err e = add_tree(f, json_at(trees, t), json_int(json_at(classes, t), -1));
        if (e.code)
            return err_wrap(e, "tree %zu", t);
    }
    for (size_t c = 0; c < f->class_count; c++)
        f->base[c] = base[c];
    return OK;
}

err learn_forest_add_xgboost(struct learn_forest *f, str json)
{
    enum { SCRATCH_BYTES = 64 * 1024 }; /* the tree of the document is not in there */
    size_t trees = f->tree_count, nodes = f->node_count;
    const struct json *root = NULL;
    arena scratch;
    if (json.len > LEARN_FOREST_JSON_BYTES_MAX)
        return ERR(ERR_TOO_BIG, "a model of %zu bytes of JSON: at most %d", json.len,
                   LEARN_FOREST_JSON_BYTES_MAX);
    arena_init(&scratch, SCRATCH_BYTES);
    err e = json_parse(&scratch, json, &root);
    if (!e.code)
        e = add_model(f, root);
    arena_deinit(&scratch);
    if (!e.code)
        return OK;
    f->tree_count = trees;
    f->node_count = nodes;
    return err_wrap(e, "reading trees of xgboost");
}
