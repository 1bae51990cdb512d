/* SPDX-License-Identifier: GPL-3.0-or-later */
/* xgboost.c -- models that mlflow.xgboost logs, on libxgboost.
 *
 * What MLflow answers depends on the Python class that was logged: a native Booster gives its
 * output, an XGBClassifier the labels that it makes of it. A class of scikit-learn's kind stops at
 * the best iteration when training stopped early; a Booster does not.
 *
 * Predicting from many threads on one booster is what XGBoost promises for trees: results stand in
 * memory of the calling thread. Configuring it is not, and is put off to the first prediction, so
 * loading makes one. Linear boosters have no such promise: a lock stands around them.
 */
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "platform/scoring/flavour.h"
#include "platform/scoring/xgboost_load.h"

enum { CONFIG_BYTES_MAX = 64 * 1024 * 1024, FEATURES_MAX = MLMODEL_COLUMNS_MAX };

enum answer { ANSWER_RAW, ANSWER_CLASS, ANSWER_CLASS_GIVEN };

struct xgboost_model {
    const struct xgboost_functions *lib;
    void *booster;
    enum answer answer;
    bool is_native; /* a Booster, not a class of scikit-learn's kind */
    bool is_linear;
    int64_t class_count;   /* of a classifier; at least 2 */
    int64_t iteration_end; /* 0: all of them */
    uint64_t features;
    arena keep;             /* of names */
    str *names;             /* of the features; NULL: it was trained without */
    pthread_mutex_t linear; /* held around predictions of a linear booster */
};

static err open_library(const char *path, void **ret_library)
{
    struct xgboost_functions *lib = calloc(1, sizeof *lib);
    if (!lib)
        return ERR(ERR_NO_MEMORY, "no memory to load libxgboost");
    err e = xgboost_load(path, lib);
    if (e.code)
        free(lib);
    else
        *ret_library = lib;
    return e;
}

/* ------------------------------------------------------------------ loading */

static err read_class(const struct mlmodel *mlmodel, struct xgboost_model *m)
{
    static const struct {
        const char *name;
        bool is_classifier;
    } classes[] = {
        { "xgboost.core.Booster", false },           { "xgboost.sklearn.XGBModel", false },
        { "xgboost.sklearn.XGBRegressor", false },   { "xgboost.sklearn.XGBRFRegressor", false },
        { "xgboost.sklearn.XGBRanker", false },      { "xgboost.sklearn.XGBClassifier", true },
        { "xgboost.sklearn.XGBRFClassifier", true },
    };
    str name = mlmodel_value(mlmodel, "flavors.xgboost.model_class");
    if (name.len == 0)
        name = STR("xgboost.core.Booster");
    for (size_t i = 0; i < COUNT_OF(classes); i++) {
        if (str_eq(name, str_of(classes[i].name))) {
            m->answer = classes[i].is_classifier ? ANSWER_CLASS : ANSWER_RAW;
            m->is_native = i == 0;
            return OK;
        }
    }
    return ERR(ERR_UNSUPPORTED,
               "it is a %.*s, whose predictions are made in Python: log its booster, "
               "model.get_booster()",
               STR_ARG(str_sub(name, 0, 80)));
}

static err too_new(const struct xgboost_functions *lib, str made)
{
    return ERR(ERR_UNSUPPORTED,
               "it was made by xgboost %.*s, and libxgboost here is %d.%d: point "
               "SKERRY_XGBOOST_LIB to one as new (pip's xgboost has it in xgboost/lib)",
               STR_ARG(str_sub(made, 0, 20)), lib->major, lib->minor);
}

/* Since 3.1 the base score is a list, "[5E-1]". Libraries before read that without a word as
 * another number, and every prediction is wrong; so the file itself is looked at. */
static bool has_list_of_scores(str bytes)
{
    ptrdiff_t at = str_find(bytes, STR("base_score"));
    return at >= 0 && str_find_char(str_sub(bytes, (size_t)at + 10, 16), '[') >= 0;
}

/* What 1.7 was seen to do right with are models up to 3.0; nobody knows what later ones change. */
static err check_version(const struct mlmodel *mlmodel, const struct xgboost_functions *lib,
                         str bytes)
{
    enum { SCORES_ARE_LISTS = 3001 };
    int here = lib->major * 1000 + lib->minor;
    str text = mlmodel_value(mlmodel, "flavors.xgboost.xgb_version");
    str rest = text, major = str_split(&rest, '.'), minor = str_split(&rest, '.');
    int64_t made = 0, made_minor = 0;
    if (here < SCORES_ARE_LISTS && has_list_of_scores(bytes))
        return too_new(lib, text.len ? text : STR("3.1 or later"));
    if (str_to_i64(major, &made).code || str_to_i64(minor, &made_minor).code || made < 0 ||
        made > 1000 || made_minor < 0 || made_minor >= 1000)
        return OK;
    made = made * 1000 + made_minor;
    return made > here && made >= SCORES_ARE_LISTS ? too_new(lib, text) : OK;
}

static err read_names(struct xgboost_model *m)
{
    const char **names = NULL;
    uint64_t count = 0;
    if (m->lib->XGBoosterGetNumFeature(m->booster, &m->features) ||
        m->lib->XGBoosterGetStrFeatureInfo(m->booster, "feature_name", &count, &names))
        return xgboost_failed(m->lib, ERR_INVALID, "its features");
    if (m->features > FEATURES_MAX)
        return ERR(ERR_TOO_BIG, "it has %llu features, at most %d are served",
                   (unsigned long long)m->features, FEATURES_MAX);
    if (count != m->features)
        return OK;
    m->names = NEW_ARRAY(&m->keep, str, count + 1);
    for (uint64_t i = 0; i < count && m->names; i++)
        m->names[i] = arena_str(&m->keep, str_of(names[i]));
    return arena_check(&m->keep);
}

static err read_config(struct xgboost_model *m)
{
    const struct json *root, *learner;
    const char *text = NULL;
    uint64_t bytes = 0;
    arena scratch;
    if (m->lib->XGBoosterSaveJsonConfig(m->booster, &bytes, &text))
        return xgboost_failed(m->lib, ERR_INVALID, "its configuration");
    arena_init(&scratch, CONFIG_BYTES_MAX);
    err e = json_parse(&scratch, str_from(text, bytes), &root);
    if (!e.code) {
        learner = json_get(root, "learner");
        str classes = json_str(json_get(json_get(learner, "learner_model_param"), "num_class"),
                               STR_NONE);
        str objective = json_str(json_get(json_get(learner, "objective"), "name"), STR_NONE);
        str booster = json_str(json_get(json_get(learner, "gradient_booster"), "name"), STR_NONE);
        m->is_linear = str_eq(booster, STR("gblinear"));
        if (str_to_i64(classes, &m->class_count).code || m->class_count < 2)
            m->class_count = 2;
        if (m->answer == ANSWER_CLASS && str_eq(objective, STR("multi:softmax")))
            m->answer = ANSWER_CLASS_GIVEN;
    }
    arena_deinit(&scratch);
    return err_wrap(e, "its configuration");
}

/* A class of scikit-learn's kind uses the trees up to the best iteration. */
static void read_best_iteration(struct xgboost_model *m)
{
    const char *text = NULL;
    int found = 0;
    int64_t best = 0;
    if (m->is_native || m->is_linear ||
        m->lib->XGBoosterGetAttr(m->booster, "best_iteration", &text, &found) || !found)
        return;
    if (!str_to_i64(str_of(text), &best).code && best >= 0 && best < INT32_MAX)
        m->iteration_end = best + 1;
}

static void free_model(void *model)
{
    struct xgboost_model *m = model;
    if (!m)
        return;
    if (m->booster)
        m->lib->XGBoosterFree(m->booster);
    pthread_mutex_destroy(&m->linear);
    arena_deinit(&m->keep);
    free(m);
}

static err warm_up(struct xgboost_model *m);

static err load_into(struct xgboost_model *m, const struct mlmodel *mlmodel, str bytes)
{
    TRY(read_class(mlmodel, m));
    TRY(check_version(mlmodel, m->lib, bytes));
    if (m->lib->XGBoosterCreate(NULL, 0, &m->booster))
        return xgboost_failed(m->lib, ERR_NO_MEMORY, "making a booster");
    if (m->lib->XGBoosterLoadModelFromBuffer(m->booster, bytes.ptr, bytes.len))
        return xgboost_failed(m->lib, ERR_INVALID, "reading the model");
    /* requests have threads of their own */
    if (m->lib->XGBoosterSetParam(m->booster, "nthread", "1"))
        return xgboost_failed(m->lib, ERR_INVALID, "setting it to one thread");
    TRY(read_names(m));
    TRY(read_config(m));
    read_best_iteration(m);
    return warm_up(m);
}

static err load(void *library, const struct mlmodel *mlmodel, str bytes, void **ret_model)
{
    struct xgboost_model *m = calloc(1, sizeof *m);
    if (!m)
        return ERR(ERR_NO_MEMORY, "no memory to load a model");
    m->lib = library;
    arena_init(&m->keep, CONFIG_BYTES_MAX);
    pthread_mutex_init(&m->linear, NULL);
    err e = load_into(m, mlmodel, bytes);
    if (e.code)
        free_model(m);
    else
        *ret_model = m;
    return e;
}

/* ------------------------------------------------------------------ predicting */

/* What it answers; the memory is of the booster and of this thread, until its next prediction. */
struct raw {
    const uint64_t *shape;
    uint64_t dims;
    const float *values;
};

static err predict_trees(const struct xgboost_model *m, const float *rows, size_t row_count,
                         struct raw *ret_raw)
{
    char array[160], config[160];
    snprintf(array, sizeof array,
             "{\"data\":[%llu,true],\"shape\":[%zu,%llu],\"typestr\":\"<f4\",\"version\":3}",
             (unsigned long long)(uintptr_t)rows, row_count, (unsigned long long)m->features);
    snprintf(config, sizeof config,
             "{\"type\":0,\"training\":false,\"iteration_begin\":0,\"iteration_end\":%lld,"
             "\"strict_shape\":false,\"cache_id\":0,\"missing\":NaN}",
             (long long)m->iteration_end);
    return m->lib->XGBoosterPredictFromDense(m->booster, array, config, NULL, &ret_raw->shape,
                                             &ret_raw->dims, &ret_raw->values)
               ? xgboost_failed(m->lib, ERR_INVALID, "predicting")
               : OK;
}

static err predict_linear(const struct xgboost_model *m, const float *rows, size_t row_count,
                          struct raw *ret_raw)
{
    void *matrix = NULL;
    static const char config[] = "{\"type\":0,\"training\":false,\"iteration_begin\":0,"
                                 "\"iteration_end\":0,\"strict_shape\":false}";
    if (m->lib->XGDMatrixCreateFromMat(rows, row_count, m->features, NAN, &matrix))
        return xgboost_failed(m->lib, ERR_INVALID, "reading the rows");
    bool bad = m->lib->XGBoosterPredictFromDMatrix(m->booster, matrix, config, &ret_raw->shape,
                                                   &ret_raw->dims, &ret_raw->values);
    m->lib->XGDMatrixFree(matrix);
    return bad ? xgboost_failed(m->lib, ERR_INVALID, "predicting") : OK;
}

static size_t count_of(const struct raw *r)
{
    size_t count = 1;
    for (uint64_t i = 0; i < r->dims; i++)
        count *= r->shape[i];
    return count;
}

/* The labels that an XGBClassifier makes of probabilities. */
static void labels(const struct xgboost_model *m, const struct raw *r, size_t rows, int64_t *out,
                   struct output *o)
{
    size_t width = rows ? count_of(r) / rows : 1;
    bool is_matrix = r->dims > 1;
    o->type = OUTPUT_LONG;
    o->values = out;
    o->dims = 1;
    if (is_matrix && m->class_count != 2) {
        for (size_t i = 0; i < rows; i++)
            for (size_t k = 1; k < width; k++)
                if (r->values[i * width + k] > r->values[i * width + (size_t)out[i]])
                    out[i] = (int64_t)k;
        return;
    }
    bool many = is_matrix && width != 1; /* several labels a row */
    for (size_t i = 0; i < rows * width; i++)
        out[i] = m->answer == ANSWER_CLASS_GIVEN && !many ? (int64_t)r->values[i]
                                                          : r->values[i] > 0.5F;
    if (many) {
        o->dims = 2;
        o->shape[1] = (int64_t)width;
    }
}

static err keep_answer(const struct xgboost_model *m, const struct raw *r, size_t rows, arena *keep,
                       struct prediction *ret_prediction)
{
    size_t count = count_of(r);
    struct output *o = NEW(keep, struct output);
    ARENA_TRY(o);
    if (r->dims > MLMODEL_DIMS_MAX)
        return ERR(ERR_UNSUPPORTED, "it answers in %d dimensions", (int)r->dims);
    o->dims = r->dims;
    for (uint64_t i = 0; i < r->dims; i++)
        o->shape[i] = (int64_t)r->shape[i];
    if (m->answer == ANSWER_RAW) {
        float *values = NEW_ARRAY(keep, float, count + 1);
        ARENA_TRY(values);
        memcpy(values, r->values, count * sizeof *values);
        o->type = OUTPUT_FLOAT;
        o->values = values;
    } else {
        int64_t *out = NEW_ARRAY(keep, int64_t, count + 1);
        ARENA_TRY(out);
        labels(m, r, rows, out, o);
    }
    *ret_prediction = (struct prediction){ .outputs = o, .count = 1 };
    return OK;
}

static err predict_rows(const struct xgboost_model *m, const float *rows, size_t row_count,
                        arena *keep, struct prediction *ret_prediction)
{
    struct raw r = { .dims = 0 };
    if (!m->is_linear) {
        TRY(predict_trees(m, rows, row_count, &r));
        return keep_answer(m, &r, row_count, keep, ret_prediction);
    }
    pthread_mutex_t *lock = (pthread_mutex_t *)&m->linear;
    pthread_mutex_lock(lock);
    err e = predict_linear(m, rows, row_count, &r);
    if (!e.code)
        e = keep_answer(m, &r, row_count, keep, ret_prediction);
    pthread_mutex_unlock(lock);
    return e;
}

static err warm_up(struct xgboost_model *m)
{
    arena scratch;
    struct prediction ignored;
    arena_init(&scratch, CONFIG_BYTES_MAX);
    float *row = NEW_ARRAY(&scratch, float, m->features + 1);
    err e = row ? predict_rows(m, row, 1, &scratch, &ignored)
                : ERR(ERR_NO_MEMORY, "no memory for a row");
    arena_deinit(&scratch);
    return err_wrap(e, "its first prediction");
}

static err check_columns(const struct xgboost_model *m, const struct score_batch *in)
{
    if (in->columns != m->features)
        return ERR(ERR_INVALID, "the model has %llu features, the rows have %zu",
                   (unsigned long long)m->features, in->columns);
    for (size_t k = 0; m->names && in->names && k < in->columns; k++)
        if (!str_eq(m->names[k], in->names[k]))
            return ERR(ERR_INVALID,
                       "feature %zu of the model is called '%.*s', the column there '%.*s'", k,
                       STR_ARG(str_sub(m->names[k], 0, 60)), STR_ARG(str_sub(in->names[k], 0, 60)));
    return OK;
}

static err predict(const void *model, const struct score_batch *in, arena *keep,
                   struct prediction *ret_prediction)
{
    const struct xgboost_model *m = model;
    double *numbers;
    TRY(check_columns(m, in));
    TRY(batch_numbers(in, keep, &numbers));
    size_t count = in->rows * in->columns;
    float *rows = NEW_ARRAY(keep, float, count + 1);
    ARENA_TRY(rows);
    for (size_t i = 0; i < count; i++) {
        rows[i] = (float)numbers[i];
        /* where Python makes a DMatrix, that is refused */
        if ((m->is_native || m->is_linear) && isinf(rows[i]))
            return ERR(ERR_INVALID, "%g in row %zu is more than a number of 32 bits can be",
                       numbers[i], i / in->columns);
    }
    return predict_rows(m, rows, in->rows, keep, ret_prediction);
}

const struct flavour scoring_xgboost = {
    .name = "xgboost",
    .data = "flavors.xgboost.data",
    .file = "model.xgb",
    .open = open_library,
    .close = free,
    .load = load,
    .predict = predict,
    .free = free_model,
};
