/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/learn/pipeline.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/learn/reference.h"
#include "engine/learn/split.h"

enum { METRICS_BYTES_MAX = LEARN_TEXT_BYTES_MAX, NAME_BYTES = 64, VALID_EVERY = 5 };

const char *learn_stage_name(enum learn_stage stage)
{
    switch (stage) {
    case LEARN_STAGE_HOLDOUT:
        return "holdout";
    case LEARN_STAGE_CANDIDATE:
        return "candidate";
    case LEARN_STAGE_FOLDS:
        return "folds";
    }
    return "?";
}

/* A network or trees, before it has a card. */
struct model {
    struct learn_dense *dense;
    struct learn_forest *forest;
};

struct run {
    const struct learn_pipeline *p;
    size_t rows; /* of the table */
    /* Lists of row numbers, each with room for all. */
    uint32_t *train, *valid, *test, *holdout_train;
    size_t holdout_train_count;
    enum learn_part *parts;
    uint8_t *folds;
    uint64_t *groups; /* scratch: of the rows that are split into folds */
    enum learn_stage stage;
    int part;
    struct buf metrics;
    struct json_out metrics_out;
    struct learn_outcome holdout;
    struct model candidate;
    str candidate_part;               /* what its features are made with */
    struct learn_reference reference; /* of the candidate */
};

/* ------------------------------------------------------------------ pieces */

static void model_free(struct model *m)
{
    learn_dense_free(m->dense);
    learn_forest_free(m->forest);
    *m = (struct model){ 0 };
}

static void predict(const struct model *m, const double *features, float *probability)
{
    if (m->dense)
        learn_dense_predict(m->dense, features, probability);
    else
        learn_forest_predict(m->forest, features, probability);
}

static void judge(const struct run *r, const struct model *m, const uint32_t *rows, size_t count,
                  struct learn_report *report)
{
    const struct learn_table *table = r->p->table;
    *report = (struct learn_report){ .class_count = table->class_count };
    for (size_t i = 0; i < count; i++) {
        float probability[LEARN_CLASSES_MAX];
        predict(m, learn_table_row(table, rows[i]), probability);
        learn_report_add(report, probability, table->labels[rows[i]]);
    }
}

/* A figure goes to whoever listens, and into the model. */
static err put(void *arg, const char *name, double value)
{
    struct run *r = arg;
    if (r->p->metric)
        TRY(r->p->metric(r->p->arg, name, value));
    json_kv_real(&r->metrics_out, name, value);
    return OK;
}

static err report_epoch(void *arg, const struct learn_epoch *epoch)
{
    const struct run *r = arg;
    return r->p->report ? r->p->report(r->p->arg, r->stage, r->part, epoch) : OK;
}

static err train(struct run *r, const struct learn_config *config, size_t train_count,
                 size_t valid_count, struct model *ret_model, struct learn_outcome *ret_outcome)
{
    const struct learn_pipeline *p = r->p;
    struct learn_training training = { .table = p->table,
                                       .train = { r->train, train_count },
                                       .valid = { r->valid, valid_count },
                                       .danger = p->danger,
                                       .seed = p->seed,
                                       .threads = p->threads,
                                       .report = report_epoch,
                                       .arg = r };
    *ret_model = (struct model){ 0 };
    if (p->prepare) {
        str part = STR_NONE;
        TRY(p->prepare(p->arg, r->stage, r->part, training.train, &part));
        if (r->stage == LEARN_STAGE_CANDIDATE)
            r->candidate_part = part;
    }
    if (config->family == LEARN_NET)
        return learn_mlp_train(&config->net, &training, &ret_model->dense, ret_outcome);
    if (config->family == LEARN_LOGIT)
        return learn_softmax_train(&config->logit, &training, &ret_model->dense, ret_outcome);
    if (!p->train_trees)
        return ERR(ERR_UNSUPPORTED, "training trees: this program has nothing to train them with");
    TRY(learn_training_check(&training));
    /* what tells of its epochs is ours; what else it needs is the caller's */
    return p->train_trees(p->arg, &config->trees, &training, &ret_model->forest, ret_outcome);
}

/* Fills train, valid and test from the parts of the rows, in their order. */
static void gather(struct run *r, size_t *ret_train, size_t *ret_valid, size_t *ret_test)
{
    size_t count[3] = { 0 };
    uint32_t *const lists[3] = { r->train, r->valid, r->test };
    for (size_t i = 0; i < r->rows; i++)
        lists[r->parts[i]][count[r->parts[i]]++] = (uint32_t)i;
    *ret_train = count[LEARN_TRAIN];
    *ret_valid = count[LEARN_VALID];
    *ret_test = count[LEARN_TEST];
}

/* ------------------------------------------------------------------ stages */

static err run_holdout(struct run *r)
{
    const struct learn_table *table = r->p->table;
    const struct learn_shares shares = { .valid = 0.2, .test = 0.2 };
    struct learn_report report;
    struct model model;
    size_t train_count, valid_count, test_count;
    r->stage = LEARN_STAGE_HOLDOUT;
    TRY(learn_split_chronological(table->groups, table->times, r->rows, &shares, r->parts));
    gather(r, &train_count, &valid_count, &test_count);
    memcpy(r->holdout_train, r->train, train_count * sizeof *r->train);
    r->holdout_train_count = train_count;
    TRY(train(r, r->p->config, train_count, valid_count, &model, &r->holdout));
    judge(r, &model, r->valid, valid_count, &report);
    err e = put(r, "val_acc_holdout", learn_report_accuracy(&report));
    judge(r, &model, r->test, test_count, &report);
    model_free(&model);
    if (!e.code)
        e = put(r, "test_acc_holdout", learn_report_accuracy(&report));
    return e.code ? e : learn_report_each(&report, "test", r->p->class_names, put, r);
}

/* What the candidate was shown, and what it says of the rows that only stopped it. */
static err describe(struct run *r, size_t valid_count)
{
    const struct learn_table *table = r->p->table;
    for (size_t i = 0; i < valid_count; i++) {
        float probability[LEARN_CLASSES_MAX], best = 0;
        predict(&r->candidate, learn_table_row(table, r->valid[i]), probability);
        for (size_t c = 0; c < table->class_count; c++)
            best = probability[c] > best ? probability[c] : best;
        learn_reference_answer(&r->reference, (double)best);
    }
    learn_reference_close(&r->reference);
    for (size_t i = 0; i < r->p->watched_count; i++)
        TRY(learn_reference_watch(&r->reference, table, r->p->watched[i]));
    return OK;
}

static err run_candidate(struct run *r)
{
    const struct learn_table *table = r->p->table;
    struct learn_report report;
    struct learn_outcome outcome;
    size_t train_count, valid_count, test_count;
    r->stage = LEARN_STAGE_CANDIDATE;
    TRY(learn_split_every(table->groups, r->rows, VALID_EVERY, r->parts));
    gather(r, &train_count, &valid_count, &test_count);
    TRY(train(r, r->p->config, train_count, valid_count, &r->candidate, &outcome));
    judge(r, &r->candidate, r->train, train_count, &report);
    TRY(put(r, "train_acc_production", learn_report_accuracy(&report)));
    judge(r, &r->candidate, r->valid, valid_count, &report);
    TRY(describe(r, valid_count));
    TRY(put(r, "val_acc_production", learn_report_accuracy(&report)));
    return put(r, "val_log_loss_production", learn_report_log_loss(&report));
}

/* The configuration, without stopping: for as long as the hold-out found best. */
static struct learn_config fixed_length(const struct run *r)
{
    struct learn_config c = *r->p->config;
    int length = r->holdout.best_epoch > 0 ? r->holdout.best_epoch : 1;
    if (c.family == LEARN_NET)
        c.net.epochs = length;
    else if (c.family == LEARN_LOGIT)
        c.logit.iterations = length;
    else
        c.trees.rounds = length;
    return c;
}

static err run_fold(struct run *r, int fold, struct learn_report *report)
{
    struct learn_config config = fixed_length(r);
    struct learn_outcome outcome;
    struct model model;
    size_t train_count = 0, test_count = 0;
    char name[NAME_BYTES];
    r->part = fold;
    for (size_t i = 0; i < r->holdout_train_count; i++) {
        if (r->folds[i] == fold)
            r->test[test_count++] = r->holdout_train[i];
        else
            r->train[train_count++] = r->holdout_train[i];
    }
    TRY(train(r, &config, train_count, 0, &model, &outcome));
    judge(r, &model, r->test, test_count, report);
    model_free(&model);
    snprintf(name, sizeof name, "cv_fold_%d_acc", fold + 1);
    return test_count ? put(r, name, learn_report_accuracy(report)) : OK;
}

static err run_folds(struct run *r)
{
    struct learn_report fold[LEARN_PIPELINE_FOLDS],
        all = { .class_count = r->p->table->class_count };
    double square = 0;
    r->stage = LEARN_STAGE_FOLDS;
    for (size_t i = 0; i < r->holdout_train_count; i++)
        r->groups[i] = r->p->table->groups[r->holdout_train[i]];
    TRY(learn_split_folds(r->groups, r->holdout_train_count, LEARN_PIPELINE_FOLDS, r->p->seed,
                          r->folds));
    for (int k = 0; k < LEARN_PIPELINE_FOLDS; k++) {
        TRY(run_fold(r, k, &fold[k]));
        learn_report_merge(&all, &fold[k]);
    }
    double mean = learn_report_accuracy(&all);
    for (int k = 0; k < LEARN_PIPELINE_FOLDS; k++)
        if (fold[k].tally.count)
            square += (double)fold[k].tally.count * pow(learn_report_accuracy(&fold[k]) - mean, 2);
    TRY(put(r, "cv_mean_acc", mean));
    TRY(put(r, "cv_std_acc", sqrt(square / (double)all.tally.count)));
    return put(r, "cv_log_loss", learn_report_log_loss(&all));
}

/* ------------------------------------------------------------------ all of it */

static err write_params(const struct run *r, struct buf *out)
{
    struct json_out w;
    json_out_init(&w, out);
    json_object_begin(&w);
    if (r->p->config->id)
        json_kv_cstr(&w, "hyperparameter_config_id", r->p->config->id);
    json_kv_cstr(&w, "algorithm", learn_family_name(r->p->config->family));
    json_kv_int(&w, "n_features", (int64_t)r->p->table->feature_count);
    json_kv_int(&w, "n_samples", (int64_t)r->rows);
    json_kv_int(&w, "seed", (int64_t)(r->p->seed & INT64_MAX));
    learn_config_write(r->p->config, &w);
    json_object_end(&w);
    return buf_check(out);
}

static err finish(struct run *r, struct learn_classifier **ret_classifier)
{
    struct learn_card card = { .family = r->p->config->family, .feature_set = r->p->feature_set };
    struct model model = r->candidate;
    struct buf params;
    json_key(&r->metrics_out, "reference");
    learn_reference_write(&r->reference, &r->metrics_out);
    json_object_end(&r->metrics_out);
    TRY(buf_check(&r->metrics));
    buf_init(&params, LEARN_TEXT_BYTES_MAX);
    err e = write_params(r, &params);
    for (size_t c = 0; c < r->p->table->class_count; c++)
        card.class_names[c] = r->p->class_names[c];
    card.params = buf_str(&params);
    card.metrics = buf_str(&r->metrics);
    card.part = r->candidate_part;
    if (!e.code) {
        r->candidate = (struct model){ 0 }; /* taken, whatever happens */
        e = model.dense ? learn_classifier_of_dense(&card, model.dense, ret_classifier)
                        : learn_classifier_of_forest(&card, model.forest, ret_classifier);
    }
    buf_deinit(&params);
    return e;
}

static err check(const struct run *r)
{
    const struct learn_table *table = r->p->table;
    size_t groups = 0;
    if (r->rows < LEARN_PIPELINE_ROWS_MIN)
        return ERR(ERR_INVALID, "%zu rows to train and judge a model: at least %d are needed",
                   r->rows, LEARN_PIPELINE_ROWS_MIN);
    /* rows of a group mostly stand together; this counts too many when they do not */
    for (size_t i = 0; i < r->rows; i++)
        groups += i == 0 || table->groups[i] != table->groups[i - 1];
    if (groups < LEARN_PIPELINE_GROUPS_MIN)
        return ERR(
            ERR_INVALID,
            "%zu rows of %zu games: at least %d games are needed, because a game is never in "
            "two parts",
            r->rows, groups, LEARN_PIPELINE_GROUPS_MIN);
    return OK;
}

static err run_all(struct run *r, struct learn_classifier **ret_classifier)
{
    TRY(check(r));
    json_out_init(&r->metrics_out, &r->metrics);
    json_object_begin(&r->metrics_out);
    TRY(run_holdout(r));
    TRY(run_candidate(r));
    TRY(run_folds(r));
    return finish(r, ret_classifier);
}

err learn_pipeline_run(const struct learn_pipeline *p, struct learn_classifier **ret_classifier)
{
    size_t rows = p->table->row_count;
    uint32_t *lists = calloc(4 * rows + 1, sizeof *lists);
    struct run r = { .p = p,
                     .rows = rows,
                     .train = lists,
                     .valid = lists + rows,
                     .test = lists + 2 * rows,
                     .holdout_train = lists + 3 * rows,
                     .parts = calloc(rows + 1, sizeof *r.parts),
                     .folds = calloc(rows + 1, sizeof *r.folds),
                     .groups = calloc(rows + 1, sizeof *r.groups) };
    buf_init(&r.metrics, METRICS_BYTES_MAX);
    err e = lists && r.parts && r.folds && r.groups
                ? run_all(&r, ret_classifier)
                : ERR(ERR_NO_MEMORY, "no memory to split %zu rows", rows);
    model_free(&r.candidate);
    buf_deinit(&r.metrics);
    free(lists);
    free(r.parts);
    free(r.folds);
    free(r.groups);
    return e;
}

/* ------------------------------------------------------------------ matrices */

err learn_matrix_init(struct learn_matrix *m, const struct learn_table *table,
                      struct learn_rows rows, const double *class_weights)
{
    size_t width = table->feature_count;
    *m = (struct learn_matrix){ .values = calloc(rows.count * width + 1, sizeof *m->values),
                                .labels = calloc(rows.count + 1, sizeof *m->labels),
                                .weights = calloc(rows.count + 1, sizeof *m->weights),
                                .count = rows.count };
    if (!m->values || !m->labels || !m->weights) {
        learn_matrix_deinit(m);
        return ERR(ERR_NO_MEMORY, "no memory for %zu rows of trees", rows.count);
    }
    for (size_t i = 0; i < rows.count; i++) {
        uint32_t row = rows.index[i];
        for (size_t f = 0; f < width; f++)
            m->values[i * width + f] = learn_forest_value(learn_table_row(table, row)[f]);
        m->labels[i] = table->labels[row];
        m->weights[i] = (float)class_weights[table->labels[row]];
    }
    return OK;
}

void learn_matrix_deinit(struct learn_matrix *m)
{
    free(m->values);
    free(m->labels);
    free(m->weights);
    *m = (struct learn_matrix){ 0 };
}
