/* SPDX-License-Identifier: GPL-3.0-or-later */
/* config.c -- configurations as JSON: one table says where each name stands and what it may be. */
#include "engine/learn/config.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

static const char *const family_names[LEARN_FAMILY_END] = {
    [LEARN_LOGIT] = "multinomial_logistic",
    [LEARN_NET] = "feedforward_nn",
    [LEARN_TREES] = "xgboost",
};

const char *learn_family_name(enum learn_family family)
{
    return family >= LEARN_LOGIT && family < LEARN_FAMILY_END ? family_names[family] : "?";
}

err learn_family_find(str name, enum learn_family *ret_family)
{
    for (int f = LEARN_LOGIT; f < LEARN_FAMILY_END; f++)
        if (str_eq(name, str_of(family_names[f]))) {
            *ret_family = (enum learn_family)f;
            return OK;
        }
    return ERR(ERR_INVALID,
               "there is no family of models '%.*s': give multinomial_logistic, feedforward_nn or "
               "xgboost",
               STR_ARG(str_sub(name, 0, 60)));
}

/* As the contract has them; patience of trees is what the reference lost on the way. */
static struct learn_tree_options tree_defaults(void)
{
    return (struct learn_tree_options){ .rounds = 300,
                                        .rate = 0.05,
                                        .depth = 3,
                                        .min_child_weight = 2,
                                        .subsample = 0.8,
                                        .colsample = 0.7,
                                        .lambda = 2,
                                        .alpha = 0.1,
                                        .is_exact = true,
                                        .patience = 20 };
}

struct learn_config learn_config_default(enum learn_family family)
{
    struct learn_config c = { .family = family };
    if (family == LEARN_LOGIT)
        c.logit = learn_softmax_defaults();
    else if (family == LEARN_NET)
        c.net = learn_mlp_defaults();
    else
        c.trees = tree_defaults();
    return c;
}

/* ------------------------------------------------------------------ the table */

enum kind { KIND_INT, KIND_REAL, KIND_BOOL };

struct field {
    enum learn_family family;
    enum kind kind;
    const char *name;
    size_t offset;
    double min, max;
};

#define AT(member) offsetof(struct learn_config, member)
static const struct field fields[] = {
    { LEARN_NET, KIND_REAL, "dropout", AT(net.dropout), 0, 0.95 },
    { LEARN_NET, KIND_INT, "epochs", AT(net.epochs), 1, LEARN_EPOCHS_MAX },
    { LEARN_NET, KIND_INT, "batch_size", AT(net.batch), 2, LEARN_BATCH_MAX },
    { LEARN_NET, KIND_REAL, "learning_rate", AT(net.rate), 1e-6, 1 },
    { LEARN_NET, KIND_REAL, "weight_decay", AT(net.weight_decay), 0, 1 },
    { LEARN_NET, KIND_INT, "patience", AT(net.patience), 1, LEARN_EPOCHS_MAX },
    { LEARN_NET, KIND_INT, "reduce_lr_patience", AT(net.plateau), 1, LEARN_EPOCHS_MAX },
    { LEARN_NET, KIND_REAL, "lambda_danger", AT(net.lambda_danger), 0, 100 },
    { LEARN_NET, KIND_BOOL, "use_class_weights", AT(net.class_weights), 0, 0 },

    { LEARN_LOGIT, KIND_INT, "iterations", AT(logit.iterations), 1, 100000 },
    { LEARN_LOGIT, KIND_REAL, "l2_lambda", AT(logit.l2), 0, 1e6 },
    { LEARN_LOGIT, KIND_INT, "patience", AT(logit.patience), 1, 100000 },
    { LEARN_LOGIT, KIND_REAL, "lambda_danger", AT(logit.lambda_danger), 0, 100 },
    { LEARN_LOGIT, KIND_BOOL, "use_class_weights", AT(logit.class_weights), 0, 0 },

    { LEARN_TREES, KIND_INT, "n_estimators", AT(trees.rounds), 1, 10000 },
    { LEARN_TREES, KIND_REAL, "learning_rate", AT(trees.rate), 1e-6, 1 },
    { LEARN_TREES, KIND_INT, "max_depth", AT(trees.depth), 1, 12 },
    { LEARN_TREES, KIND_REAL, "min_child_weight", AT(trees.min_child_weight), 0, 1e9 },
    { LEARN_TREES, KIND_REAL, "subsample", AT(trees.subsample), 0.01, 1 },
    { LEARN_TREES, KIND_REAL, "colsample_bytree", AT(trees.colsample), 0.01, 1 },
    { LEARN_TREES, KIND_REAL, "reg_lambda", AT(trees.lambda), 0, 1e9 },
    { LEARN_TREES, KIND_REAL, "reg_alpha", AT(trees.alpha), 0, 1e9 },
    { LEARN_TREES, KIND_REAL, "gamma", AT(trees.gamma), 0, 1e9 },
    { LEARN_TREES, KIND_BOOL, "exact", AT(trees.is_exact), 0, 0 },
    { LEARN_TREES, KIND_INT, "early_stopping_rounds", AT(trees.patience), 0, 10000 },
    { LEARN_TREES, KIND_BOOL, "use_class_weights", AT(trees.class_weights), 0, 0 },
};

/* ------------------------------------------------------------------ in */

static err read_field(const struct field *f, struct learn_config *config, const struct json *object)
{
    unsigned char *place = (unsigned char *)config + f->offset;
    if (f->kind == KIND_REAL) {
        double value = 0;
        TRY(json_opt_real(object, f->name, f->min, f->max, &value));
        if (json_kind(json_get(object, f->name)) != JSON_IS_NULL)
            memcpy(place, &value, sizeof value);
        return OK;
    }
    if (f->kind == KIND_BOOL) {
        bool value = false;
        TRY(json_opt_bool(object, f->name, &value));
        if (json_kind(json_get(object, f->name)) != JSON_IS_NULL)
            memcpy(place, &value, sizeof value);
        return OK;
    }
    int64_t wide = 0;
    TRY(json_opt_int(object, f->name, (int64_t)f->min, (int64_t)f->max, &wide));
    int value = (int)wide;
    if (json_kind(json_get(object, f->name)) != JSON_IS_NULL)
        memcpy(place, &value, sizeof value);
    return OK;
}

static err read_hidden(struct learn_mlp_options *o, const struct json *list)
{
    size_t count = json_count(list);
    if (json_kind(list) != JSON_IS_ARRAY || count > LEARN_HIDDEN_MAX)
        return ERR(ERR_INVALID, "field 'hidden' must be a list of at most %d widths",
                   LEARN_HIDDEN_MAX);
    for (size_t i = 0; i < count; i++) {
        int64_t width = json_int(json_at(list, i), 0);
        if (width < 1 || width > LEARN_WIDTH_MAX)
            return ERR(ERR_INVALID, "field 'hidden': widths are whole numbers from 1 to %d",
                       LEARN_WIDTH_MAX);
        o->hidden[i] = (uint32_t)width;
    }
    o->hidden_count = count;
    return OK;
}

static const struct field *field_find(enum learn_family family, str name)
{
    for (size_t i = 0; i < COUNT_OF(fields); i++)
        if (fields[i].family == family && str_eq(name, str_of(fields[i].name)))
            return &fields[i];
    return NULL;
}

err learn_config_read(struct learn_config *config, const struct json *object)
{
    struct learn_config changed = *config;
    const struct json *value;
    void *iter = NULL;
    str key;
    if (json_kind(object) != JSON_IS_OBJECT)
        return ERR(ERR_INVALID, "a configuration is a JSON object");
    while (json_next(object, &iter, &key, &value)) {
        const struct field *f = field_find(config->family, key);
        if (config->family == LEARN_NET && str_eq(key, STR("hidden")))
            TRY(read_hidden(&changed.net, value));
        else if (f)
            TRY(read_field(f, &changed, object));
        else
            return ERR(ERR_INVALID, "a configuration of %s has no '%.*s'",
                       learn_family_name(config->family), STR_ARG(str_sub(key, 0, 60)));
    }
    *config = changed;
    return OK;
}

/* ------------------------------------------------------------------ out */

static void write_field(const struct field *f, const struct learn_config *config,
                        struct json_out *out)
{
    const unsigned char *place = (const unsigned char *)config + f->offset;
    if (f->kind == KIND_REAL) {
        double value;
        memcpy(&value, place, sizeof value);
        json_kv_real(out, f->name, value);
    } else if (f->kind == KIND_BOOL) {
        bool value;
        memcpy(&value, place, sizeof value);
        json_kv_bool(out, f->name, value);
    } else {
        int value;
        memcpy(&value, place, sizeof value);
        json_kv_int(out, f->name, value);
    }
}

void learn_config_write(const struct learn_config *config, struct json_out *out)
{
    if (config->family == LEARN_NET) {
        json_key(out, "hidden");
        json_array_begin(out);
        for (size_t l = 0; l < config->net.hidden_count; l++)
            json_out_int(out, config->net.hidden[l]);
        json_array_end(out);
    }
    for (size_t i = 0; i < COUNT_OF(fields); i++)
        if (fields[i].family == config->family)
            write_field(&fields[i], config, out);
}
