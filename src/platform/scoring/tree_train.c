/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "platform/scoring/tree_train.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "platform/scoring/xgboost_load.h"

#define PROBABILITY_MIN 1e-9 /* as in every log loss of the house */

enum { FEATURES_MAX = 1024, CLASSES_MAX = 32, THREADS_MAX = 256, VALUE_BYTES = 32 };

struct training {
    const struct tree_train_options *options;
    const struct tree_train_rows *train, *valid;
    const struct tree_train_ends *ends;
    struct xgboost_functions lib;
    void *train_matrix, *valid_matrix, *booster;
    struct tree_train_outcome outcome;
};

/* ------------------------------------------------------------------ what may be asked for */

static err check_range(const char *name, double value, double min, double max)
{
    if (value >= min && value <= max)
        return OK;
    return ERR(ERR_INVALID, "training trees: %s is %g; give %g to %g", name, value, min, max);
}

static err check_options(const struct tree_train_options *o)
{
    const struct {
        const char *name;
        double value, min, max;
    } ranges[] = {
        { "feature_count", (double)o->feature_count, 1, FEATURES_MAX },
        { "class_count", (double)o->class_count, 2, CLASSES_MAX },
        { "n_estimators", o->rounds, 1, TREE_TRAIN_ROUNDS_MAX },
        { "learning_rate", o->rate, 1e-6, 1 },
        { "max_depth", o->depth, 1, TREE_TRAIN_DEPTH_MAX },
        { "min_child_weight", o->min_child_weight, 0, 1e9 },
        { "subsample", o->subsample, 0.01, 1 },
        { "colsample_bytree", o->colsample, 0.01, 1 },
        { "lambda", o->lambda, 0, 1e9 },
        { "alpha", o->alpha, 0, 1e9 },
        { "gamma", o->gamma, 0, 1e9 },
        { "early_stopping_rounds", o->patience, 0, TREE_TRAIN_ROUNDS_MAX },
        { "threads", o->threads, 0, THREADS_MAX },
        { "slice_rounds", o->slice_rounds, 0, TREE_TRAIN_ROUNDS_MAX },
    };
    for (size_t i = 0; i < COUNT_OF(ranges); i++)
        TRY(check_range(ranges[i].name, ranges[i].value, ranges[i].min, ranges[i].max));
    return OK;
}

static err check_rows(const struct tree_train_options *o, const struct tree_train_rows *rows)
{
    for (size_t i = 0; i < rows->count; i++) {
        float label = rows->labels[i];
        if (!(label >= 0 && label < (float)o->class_count && floorf(label) >= label))
            return ERR(ERR_INVALID, "training trees: row %zu has class %g of %zu", i, (double)label,
                       o->class_count);
        if (rows->weights && !(rows->weights[i] >= 0 && isfinite(rows->weights[i])))
            return ERR(ERR_INVALID, "training trees: row %zu has weight %g", i,
                       (double)rows->weights[i]);
    }
    return OK;
}

/* ------------------------------------------------------------------ the library's things */

static err make_matrix(const struct training *t, const struct tree_train_rows *rows,
                       void **ret_matrix)
{
    const struct xgboost_functions *lib = &t->lib;
    if (lib->XGDMatrixCreateFromMat(rows->values, rows->count, t->options->feature_count, NAN,
                                    ret_matrix))
        return xgboost_failed(lib, ERR_INVALID, "training trees: the rows");
    if (lib->XGDMatrixSetFloatInfo(*ret_matrix, "label", rows->labels, rows->count))
        return xgboost_failed(lib, ERR_INVALID, "training trees: the labels");
    if (rows->weights &&
        lib->XGDMatrixSetFloatInfo(*ret_matrix, "weight", rows->weights, rows->count))
        return xgboost_failed(lib, ERR_INVALID, "training trees: the weights");
    return OK;
}

static err set(const struct training *t, const char *name, const char *value)
{
    if (t->lib.XGBoosterSetParam(t->booster, name, value))
        return xgboost_failed(&t->lib, ERR_INVALID, name);
    return OK;
}

static err set_number(const struct training *t, const char *name, double value)
{
    char text[VALUE_BYTES];
    snprintf(text, sizeof text, "%.17g", value);
    return set(t, name, text);
}

static err make_booster(struct training *t)
{
    const struct tree_train_options *o = t->options;
    const void *matrices[] = { t->train_matrix, t->valid_matrix };
    const struct {
        const char *name;
        double value;
    } numbers[] = {
        { "num_class", (double)o->class_count },
        { "learning_rate", o->rate },
        { "max_depth", o->depth },
        { "min_child_weight", o->min_child_weight },
        { "subsample", o->subsample },
        { "colsample_bytree", o->colsample },
        { "lambda", o->lambda },
        { "alpha", o->alpha },
        { "gamma", o->gamma },
        { "seed", (double)(o->seed & INT32_MAX) },
        { "nthread", o->threads ? o->threads : 1 },
        { "verbosity", 0 },
        { "base_score", 0.5 }, /* newer versions would estimate it */
        { "disable_default_eval_metric", 1 },
    };
    if (t->lib.XGBoosterCreate(matrices, t->valid_matrix ? 2 : 1, &t->booster))
        return xgboost_failed(&t->lib, ERR_NO_MEMORY, "training trees: making a booster");
    TRY(set(t, "objective", "multi:softprob"));
    TRY(set(t, "tree_method", o->is_exact ? "exact" : "hist"));
    for (size_t i = 0; i < COUNT_OF(numbers); i++)
        TRY(set_number(t, numbers[i].name, numbers[i].value));
    return OK;
}

/* ------------------------------------------------------------------ rounds */

/* The library remembers the scores of its own matrices, so only the newest trees are walked. */
static err judge(const struct training *t, void *matrix, const struct tree_train_rows *rows,
                 double *ret_loss, double *ret_accuracy)
{
    static const char config[] = "{\"type\":0,\"training\":false,\"iteration_begin\":0,"
                                 "\"iteration_end\":0,\"strict_shape\":false}";
    size_t classes = t->options->class_count, hits = 0;
    const uint64_t *shape = NULL;
    const float *values = NULL;
    uint64_t dims = 0;
    double loss = 0, weights = 0;
    if (t->lib.XGBoosterPredictFromDMatrix(t->booster, matrix, config, &shape, &dims, &values))
        return xgboost_failed(&t->lib, ERR_INTERNAL, "training trees: judging a round");
    if (dims != 2 || shape[0] != rows->count || shape[1] != classes)
        return ERR(ERR_UNSUPPORTED,
                   "training trees: this libxgboost (%d.%d) answers in another shape", t->lib.major,
                   t->lib.minor);
    for (size_t i = 0; i < rows->count; i++) {
        const float *p = values + i * classes;
        size_t label = (size_t)rows->labels[i], top = 0;
        double weight = rows->weights ? (double)rows->weights[i] : 1;
        for (size_t c = 1; c < classes; c++)
            top = p[c] > p[top] ? c : top;
        hits += top == label;
        loss -= weight * log(fmax((double)p[label], PROBABILITY_MIN));
        weights += weight;
    }
    *ret_loss = weights > 0 ? loss / weights : NAN;
    *ret_accuracy = (double)hits / (double)rows->count;
    return OK;
}

static err train_rounds(struct training *t)
{
    bool has_valid = t->valid_matrix;
    double best = INFINITY;
    for (int r = 1; r <= t->options->rounds; r++) {
        struct tree_train_round round = {
            .round = r, .round_max = t->options->rounds, .valid_loss = NAN, .valid_accuracy = NAN
        };
        if (t->lib.XGBoosterUpdateOneIter(t->booster, r - 1, t->train_matrix))
            return xgboost_failed(&t->lib, ERR_INVALID, "training trees: a round");
        TRY(judge(t, t->train_matrix, t->train, &round.train_loss, &round.train_accuracy));
        if (has_valid)
            TRY(judge(t, t->valid_matrix, t->valid, &round.valid_loss, &round.valid_accuracy));
        if (t->ends->report)
            TRY(t->ends->report(t->ends->arg, &round));
        t->outcome.rounds = r;
        if (!has_valid || t->options->patience == 0 || round.valid_loss < best) {
            best = round.valid_loss;
            t->outcome.best_round = r;
            t->outcome.train_loss = round.train_loss;
            t->outcome.valid_loss = round.valid_loss;
        } else if (r - t->outcome.best_round >= t->options->patience) {
            t->outcome.stopped_early = true;
            break;
        }
    }
    if (t->outcome.best_round == 0) /* validation rows that all weigh nothing */
        return ERR(ERR_INVALID, "training trees: the validation rows have no loss to judge by");
    return OK;
}

static err hand_out(const struct training *t)
{
    const struct xgboost_functions *lib = &t->lib;
    int rounds = t->options->slice_rounds ? t->options->slice_rounds : TREE_TRAIN_SLICE_ROUNDS;
    for (int at = 0; at < t->outcome.best_round; at += rounds) {
        int end = at + rounds;
        void *slice = NULL;
        const char *json = NULL;
        uint64_t bytes = 0;
        end = end < t->outcome.best_round ? end : t->outcome.best_round;
        if (lib->XGBoosterSlice(t->booster, at, end, 1, &slice))
            return xgboost_failed(lib, ERR_INTERNAL, "training trees: taking rounds out");
        err e = lib->XGBoosterSaveModelToBuffer(slice, "{\"format\":\"json\"}", &bytes, &json)
                    ? xgboost_failed(lib, ERR_INTERNAL, "training trees: saving rounds")
                    : t->ends->slice(t->ends->arg, str_from(json, bytes));
        lib->XGBoosterFree(slice);
        if (e.code)
            return e;
    }
    return OK;
}

static err train(struct training *t)
{
    TRY(make_matrix(t, t->train, &t->train_matrix));
    if (t->valid && t->valid->count > 0)
        TRY(make_matrix(t, t->valid, &t->valid_matrix));
    TRY(make_booster(t));
    TRY(train_rounds(t));
    return hand_out(t);
}

err tree_train(const char *library, const struct tree_train_options *options,
               const struct tree_train_rows *rows, const struct tree_train_rows *valid,
               const struct tree_train_ends *ends, struct tree_train_outcome *ret_outcome)
{
    struct training t = { .options = options, .train = rows, .valid = valid, .ends = ends };
    TRY(check_options(options));
    if (rows->count == 0)
        return ERR(ERR_INVALID, "training trees: there are no rows");
    TRY(check_rows(options, rows));
    if (valid)
        TRY(check_rows(options, valid));
    TRY(xgboost_load(library, &t.lib));
    err e = train(&t);
    if (t.booster)
        t.lib.XGBoosterFree(t.booster);
    if (t.valid_matrix)
        t.lib.XGDMatrixFree(t.valid_matrix);
    if (t.train_matrix)
        t.lib.XGDMatrixFree(t.train_matrix);
    if (!e.code && ret_outcome)
        *ret_outcome = t.outcome;
    return e;
}
