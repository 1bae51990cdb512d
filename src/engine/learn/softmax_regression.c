/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/learn/softmax_regression.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/learn/lbfgs.h"

#define LOSS_IMPROVES_MIN 1e-6
#define GRADIENT_TOLERANCE 1e-6

struct learn_softmax_options learn_softmax_defaults(void)
{
    return (struct learn_softmax_options){
        .iterations = 200, .l2 = 0.01, .patience = 25, .class_weights = true
    };
}

err learn_softmax_check(const struct learn_softmax_options *o)
{
    if (o->iterations < 1 || o->iterations > 100000)
        return ERR(ERR_INVALID, "%d iterations: give 1 to 100000", o->iterations);
    if (!(o->l2 >= 0 && o->l2 <= 1e6))
        return ERR(ERR_INVALID, "an l2 of %g: give 0 to 1000000", o->l2);
    if (o->patience < 1)
        return ERR(ERR_INVALID, "a patience of %d iterations: give 1 or more", o->patience);
    if (!(o->lambda_danger >= 0 && o->lambda_danger <= 100))
        return ERR(ERR_INVALID, "a lambda_danger of %g: give 0 to 100", o->lambda_danger);
    return OK;
}

/* The variables are a row of class_count weights for each feature, then class_count biases. */
struct trainer {
    const struct learn_softmax_options *options;
    const struct learn_training *training;
    size_t features, classes, count;
    double class_weights[LEARN_CLASSES_MAX];
    double weight_sum; /* over the training rows */
    float *rows;       /* scaled */
    double *weights;
    struct learn_dense *candidate, *best;
    int worse;
    struct learn_outcome outcome;
};

/* Probabilities of a row by these weights; the log of the one of its label. */
static double predict_row(const struct trainer *t, const double *weights, const float *row,
                          size_t label, double *p)
{
    size_t classes = t->classes;
    double top = -INFINITY, sum = 0;
    memcpy(p, weights + t->features * classes, classes * sizeof *p);
    for (size_t f = 0; f < t->features; f++)
        for (size_t c = 0; c < classes; c++)
            p[c] += (double)row[f] * weights[f * classes + c];
    for (size_t c = 0; c < classes; c++)
        top = p[c] > top ? p[c] : top;
    double logit = p[label];
    for (size_t c = 0; c < classes; c++)
        sum += p[c] = exp(p[c] - top);
    for (size_t c = 0; c < classes; c++)
        p[c] /= sum;
    return logit - top - log(sum);
}

static double loss_and_gradient(void *arg, const double *weights, double *gradient)
{
    struct trainer *t = arg;
    const uint8_t *danger = t->training->danger;
    size_t classes = t->classes, matrix = t->features * classes;
    double lambda = danger ? t->options->lambda_danger / (double)t->count : 0, square = 0;
    double entropy = 0, risks = 0;
    memset(gradient, 0, (matrix + classes) * sizeof *gradient);
    for (size_t i = 0; i < t->count; i++) {
        double p[LEARN_CLASSES_MAX] = { 0 }, d[LEARN_CLASSES_MAX] = { 0 };
        const float *row = t->rows + i * t->features;
        size_t label = t->training->table->labels[t->training->train.index[i]];
        double share = t->class_weights[label] / t->weight_sum;
        double likelihood = predict_row(t, weights, row, label, p);
        double risk = danger ? lambda * p[danger[label]] : 0;
        entropy -= share * likelihood;
        risks += risk;
        for (size_t c = 0; c < classes; c++)
            d[c] = (share - risk) * p[c];
        d[label] -= share;
        if (danger)
            d[danger[label]] += risk;
        for (size_t f = 0; f < t->features; f++)
            for (size_t c = 0; c < classes; c++)
                gradient[f * classes + c] += (double)row[f] * d[c];
        for (size_t c = 0; c < classes; c++)
            gradient[matrix + c] += d[c];
    }
    for (size_t i = 0; i < matrix; i++) {
        square += weights[i] * weights[i];
        gradient[i] += 2 * t->options->l2 * weights[i];
    }
    return entropy + risks + t->options->l2 * square;
}

static void fill(const struct trainer *t, const double *weights, struct learn_dense *d)
{
    float *bias = learn_dense_bias(d, 0);
    size_t padded = learn_dense_padded(t->classes);
    for (size_t f = 0; f < t->features; f++)
        for (size_t c = 0; c < t->classes; c++)
            d->weights[0][f * padded + c] = (float)weights[f * t->classes + c];
    for (size_t c = 0; c < t->classes; c++)
        bias[c] = (float)weights[t->features * t->classes + c];
}

static void judge(const struct trainer *t, struct learn_rows rows, struct learn_loss *sum)
{
    const struct learn_table *table = t->training->table;
    float p[LEARN_CLASSES_MAX];
    for (size_t i = 0; i < rows.count; i++) {
        uint32_t row = rows.index[i];
        learn_dense_predict(t->candidate, learn_table_row(table, row), p);
        learn_loss_add(sum, p, t->classes, table->labels[row], t->class_weights[table->labels[row]],
                       t->training->danger);
    }
}

static err after(void *arg, const struct learn_lbfgs_iteration *i, bool *stop)
{
    struct trainer *t = arg;
    const struct learn_training *training = t->training;
    bool has_valid = training->valid.count > 0;
    double lambda = t->options->lambda_danger;
    struct learn_loss valid = { 0 }, sum = { 0 };
    fill(t, i->x, t->candidate);
    judge(t, training->train, &sum);
    judge(t, training->valid, &valid);
    struct learn_epoch epoch = { .epoch = i->iteration,
                                 .epoch_max = t->options->iterations,
                                 .train_loss = learn_loss_value(&sum, lambda),
                                 .train_accuracy = learn_loss_accuracy(&sum),
                                 .valid_loss = learn_loss_value(&valid, lambda),
                                 .valid_accuracy = learn_loss_accuracy(&valid),
                                 .rate = i->step };
    if (training->report)
        TRY(training->report(training->arg, &epoch));
    t->outcome.epochs = i->iteration;
    if (!has_valid || epoch.valid_loss < t->outcome.valid_loss - LOSS_IMPROVES_MIN) {
        struct learn_dense *kept = t->best;
        t->best = t->candidate;
        t->candidate = kept;
        t->worse = 0;
        t->outcome.best_epoch = i->iteration;
        t->outcome.train_loss = epoch.train_loss;
        t->outcome.valid_loss = epoch.valid_loss;
    } else {
        t->worse++;
    }
    *stop = t->worse >= t->options->patience;
    t->outcome.stopped_early = *stop;
    return OK;
}

static err trainer_init(struct trainer *t, const struct learn_softmax_options *options,
                        const struct learn_training *training)
{
    const struct learn_table *table = training->table;
    struct learn_dense_shape shape = { .feature_count = table->feature_count,
                                       .layer_count = 1,
                                       .width = { table->class_count } };
    double scale[LEARN_FEATURES_MAX];
    *t = (struct trainer){ .options = options,
                           .training = training,
                           .features = table->feature_count,
                           .classes = table->class_count,
                           .count = training->train.count,
                           .outcome.valid_loss = INFINITY };
    learn_training_weights(training, options->class_weights, t->class_weights);
    for (size_t i = 0; i < t->count; i++)
        t->weight_sum += t->class_weights[table->labels[training->train.index[i]]];
    TRY(learn_dense_new(&shape, &t->candidate));
    TRY(learn_dense_new(&shape, &t->best));
    t->rows = learn_floats(t->count * t->features);
    t->weights = calloc((t->features + 1) * t->classes, sizeof *t->weights);
    if (!t->rows || !t->weights)
        return ERR(ERR_NO_MEMORY, "no memory to train on %zu rows", t->count);
    learn_table_scale(table, training->train, t->best->mean, scale);
    for (size_t f = 0; f < t->features; f++) {
        t->best->inverse_scale[f] = t->candidate->inverse_scale[f] = 1 / scale[f];
        t->candidate->mean[f] = t->best->mean[f];
    }
    for (size_t i = 0; i < t->count; i++)
        for (size_t f = 0; f < t->features; f++)
            t->rows[i * t->features + f] = learn_scaled(
                learn_table_row(table, training->train.index[i])[f], t->best->mean[f],
                t->best->inverse_scale[f]);
    return OK;
}

static err train(struct trainer *t)
{
    struct learn_lbfgs problem = { .count = (t->features + 1) * t->classes,
                                   .iterations = t->options->iterations,
                                   .tolerance = GRADIENT_TOLERANCE,
                                   .function = loss_and_gradient,
                                   .after = after,
                                   .arg = t };
    enum learn_lbfgs_end end;
    double value;
    bool stop = false;
    TRY(learn_lbfgs_minimise(&problem, t->weights, &value, &end));
    if (t->outcome.epochs > 0)
        return OK;
    /* the start was the best place already: features that say nothing */
    return after(t, &(struct learn_lbfgs_iteration){ 1, value, 0, t->weights }, &stop);
}

err learn_softmax_train(const struct learn_softmax_options *options,
                        const struct learn_training *training, struct learn_dense **ret_dense,
                        struct learn_outcome *ret_outcome)
{
    TRY(learn_softmax_check(options));
    TRY(learn_training_check(training));
    struct trainer *t = malloc(sizeof *t);
    if (!t)
        return ERR(ERR_NO_MEMORY, "no memory to train a regression");
    err e = trainer_init(t, options, training);
    if (!e.code)
        e = train(t);
    if (!e.code) {
        *ret_dense = t->best;
        t->best = NULL;
        if (ret_outcome)
            *ret_outcome = t->outcome;
    }
    learn_dense_free(t->candidate);
    learn_dense_free(t->best);
    free(t->rows);
    free(t->weights);
    free(t);
    return e;
}
