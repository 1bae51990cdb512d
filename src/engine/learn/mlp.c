/* SPDX-License-Identifier: GPL-3.0-or-later */
/* mlp.c -- the training loop: epochs, validation, the rate, patience, and the best weights kept.
 */
#include "engine/learn/mlp.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/learn/adam.h"
#include "engine/learn/mlp_internal.h"

#define RATE_MIN 1e-6
#define RATE_FACTOR 0.5
#define LOSS_IMPROVES_MIN 1e-6

struct learn_mlp_options learn_mlp_defaults(void)
{
    return (struct learn_mlp_options){
        .hidden_count = 2,
        .hidden = { 64, 32 },
        .dropout = 0.3,
        .epochs = 200,
        .batch = 64,
        .rate = 3e-3,
        .weight_decay = 1e-4,
        .patience = 15,
        .plateau = 7,
    };
}

err learn_mlp_check(const struct learn_mlp_options *o)
{
    if (o->hidden_count > LEARN_HIDDEN_MAX)
        return ERR(ERR_INVALID, "%zu hidden layers: at most %d", o->hidden_count, LEARN_HIDDEN_MAX);
    for (size_t l = 0; l < o->hidden_count; l++)
        if (o->hidden[l] == 0 || o->hidden[l] > LEARN_WIDTH_MAX)
            return ERR(ERR_INVALID, "hidden layer %zu is %u wide: give 1 to %d", l + 1,
                       o->hidden[l], LEARN_WIDTH_MAX);
    if (!(o->dropout >= 0 && o->dropout <= 0.95))
        return ERR(ERR_INVALID, "a dropout of %g: give 0 to 0.95", o->dropout);
    if (o->epochs < 1 || o->epochs > LEARN_EPOCHS_MAX)
        return ERR(ERR_INVALID, "%d epochs: give 1 to %d", o->epochs, LEARN_EPOCHS_MAX);
    if (o->batch < 2 || o->batch > LEARN_BATCH_MAX)
        return ERR(ERR_INVALID, "a batch of %d rows: batch norm needs 2 or more, at most %d",
                   o->batch, LEARN_BATCH_MAX);
    if (!(o->rate > 0 && o->rate <= 1))
        return ERR(ERR_INVALID, "a learning rate of %g: give more than 0, at most 1", o->rate);
    if (!(o->weight_decay >= 0 && o->weight_decay <= 1))
        return ERR(ERR_INVALID, "a weight decay of %g: give 0 to 1", o->weight_decay);
    if (o->patience < 1 || o->plateau < 1)
        return ERR(ERR_INVALID, "a patience of %d and a plateau of %d epochs: give 1 or more",
                   o->patience, o->plateau);
    if (!(o->lambda_danger >= 0 && o->lambda_danger <= 100))
        return ERR(ERR_INVALID, "a lambda_danger of %g: give 0 to 100", o->lambda_danger);
    return OK;
}

/* Everything of one training. */
struct trainer {
    const struct learn_mlp_options *options;
    const struct learn_training *training;
    double class_weights[LEARN_CLASSES_MAX];
    struct mlp_loss loss;
    struct rng rng;
    struct mlp net;
    struct learn_adam adam;
    float *rows;     /* scaled, all training rows */
    float *batch;    /* those of a step, together */
    uint8_t *labels; /* of a step */
    uint32_t *order;
    struct learn_dense *candidate, *best;
    double rate;
    double plateau_loss;
    int plateau_epochs, worse_epochs; /* since the validation loss was last better */
    struct learn_outcome outcome;
};

static void trainer_deinit(struct trainer *t)
{
    mlp_deinit(&t->net);
    learn_adam_deinit(&t->adam);
    free(t->rows);
    free(t->batch);
    free(t->labels);
    free(t->order);
    learn_dense_free(t->candidate);
    learn_dense_free(t->best);
}

static err scale_rows(struct trainer *t)
{
    const struct learn_table *table = t->training->table;
    struct learn_rows train = t->training->train;
    size_t width = table->feature_count;
    double scale[LEARN_FEATURES_MAX];
    learn_table_scale(table, train, t->best->mean, scale);
    for (size_t f = 0; f < width; f++) {
        t->best->inverse_scale[f] = 1 / scale[f];
        t->candidate->mean[f] = t->best->mean[f];
        t->candidate->inverse_scale[f] = t->best->inverse_scale[f];
    }
    for (size_t i = 0; i < train.count; i++)
        for (size_t f = 0; f < width; f++)
            t->rows[i * width + f] = learn_scaled(learn_table_row(table, train.index[i])[f],
                                                  t->best->mean[f], t->best->inverse_scale[f]);
    return OK;
}

static err trainer_init(struct trainer *t, const struct learn_mlp_options *options,
                        const struct learn_training *training)
{
    const struct learn_table *table = training->table;
    size_t count = training->train.count, batch = (size_t)options->batch + 1;
    struct learn_dense_shape shape = { .feature_count = table->feature_count,
                                       .layer_count = options->hidden_count + 1 };
    for (size_t l = 0; l < options->hidden_count; l++)
        shape.width[l] = options->hidden[l];
    shape.width[options->hidden_count] = table->class_count;
    *t = (struct trainer){ .options = options,
                           .training = training,
                           .rate = options->rate,
                           .plateau_loss = INFINITY,
                           .outcome.valid_loss = INFINITY };
    learn_training_weights(training, options->class_weights, t->class_weights);
    t->loss = (struct mlp_loss){ t->class_weights, training->danger, options->lambda_danger };
    rng_init(&t->rng, training->seed);
    TRY(mlp_init(&t->net, &shape, batch, options->dropout, &t->rng));
    TRY(learn_adam_init(&t->adam, t->net.weight_count));
    TRY(learn_dense_new(&shape, &t->candidate));
    TRY(learn_dense_new(&shape, &t->best));
    t->rows = learn_floats(count * table->feature_count);
    t->batch = learn_floats(batch * table->feature_count);
    t->labels = calloc(batch, sizeof *t->labels);
    t->order = calloc(count, sizeof *t->order);
    if (!t->rows || !t->batch || !t->labels || !t->order)
        return ERR(ERR_NO_MEMORY, "no memory to train on %zu rows", count);
    for (size_t i = 0; i < count; i++)
        t->order[i] = (uint32_t)i;
    return scale_rows(t);
}

static void update(struct trainer *t)
{
    struct mlp *net = &t->net;
    struct learn_adam_factors factors = learn_adam_next(&t->adam, t->rate, 1);
    float *parts[1] = { net->gradient };
    for (size_t l = 0; l < net->shape.layer_count && t->options->weight_decay > 0; l++) {
        const struct mlp_layer *layer = &net->layers[l];
        net->kernels->axpy(net->gradient + layer->matrix, (float)t->options->weight_decay,
                           net->weights + layer->matrix, layer->inputs * layer->outputs);
    }
    net->kernels->adam(net->weights, t->adam.first, t->adam.second, parts, 1, net->weight_count,
                       &factors);
}

static void train_epoch(struct trainer *t, struct learn_loss *sum)
{
    struct learn_rows train = t->training->train;
    const struct learn_table *table = t->training->table;
    size_t width = table->feature_count, batch = (size_t)t->options->batch;
    rng_shuffle_u32(&t->rng, t->order, train.count);
    for (size_t at = 0, count; at < train.count; at += count) {
        count = train.count - at < batch ? train.count - at : batch;
        if (train.count - at - count == 1)
            count++; /* one row alone has no variance */
        for (size_t i = 0; i < count; i++) {
            uint32_t row = t->order[at + i];
            memcpy(t->batch + i * width, t->rows + row * width, width * sizeof *t->batch);
            t->labels[i] = table->labels[train.index[row]];
        }
        mlp_draw(&t->net, count, &t->rng);
        mlp_step(&t->net, t->batch, t->labels, count, &t->loss, sum);
        update(t);
    }
}

static void validate(const struct trainer *t, struct learn_loss *sum)
{
    const struct learn_table *table = t->training->table;
    float probability[LEARN_CLASSES_MAX];
    for (size_t i = 0; i < t->training->valid.count; i++) {
        uint32_t row = t->training->valid.index[i];
        learn_dense_predict(t->candidate, learn_table_row(table, row), probability);
        learn_loss_add(sum, probability, table->class_count, table->labels[row],
                       t->class_weights[table->labels[row]], t->training->danger);
    }
}

/* Keeps the candidate when it is the best so far; true when patience is at its end. */
static bool judge(struct trainer *t, const struct learn_epoch *epoch)
{
    bool has_valid = t->training->valid.count > 0;
    bool is_best = !has_valid || epoch->valid_loss < t->outcome.valid_loss - LOSS_IMPROVES_MIN;
    t->outcome.epochs = epoch->epoch;
    t->worse_epochs = is_best ? 0 : t->worse_epochs + 1;
    if (is_best) {
        struct learn_dense *swap = t->best;
        t->best = t->candidate;
        t->candidate = swap;
        t->outcome.best_epoch = epoch->epoch;
        t->outcome.train_loss = epoch->train_loss;
        t->outcome.valid_loss = epoch->valid_loss;
    }
    if (!has_valid)
        return false;
    t->plateau_epochs++;
    if (epoch->valid_loss < t->plateau_loss * (1 - 1e-4)) {
        t->plateau_loss = epoch->valid_loss;
        t->plateau_epochs = 0;
    }
    if (t->plateau_epochs >= t->options->plateau) {
        t->rate = fmax(t->rate * RATE_FACTOR, RATE_MIN);
        t->plateau_epochs = 0;
    }
    return t->worse_epochs >= t->options->patience;
}

static err train(struct trainer *t)
{
    const struct learn_training *training = t->training;
    for (int e = 1; e <= t->options->epochs; e++) {
        struct learn_loss sum = { 0 }, valid = { 0 };
        struct learn_epoch epoch = { .epoch = e, .epoch_max = t->options->epochs, .rate = t->rate };
        train_epoch(t, &sum);
        mlp_fold(&t->net, t->candidate);
        validate(t, &valid);
        epoch.train_loss = learn_loss_value(&sum, t->loss.lambda);
        epoch.train_accuracy = learn_loss_accuracy(&sum);
        epoch.valid_loss = learn_loss_value(&valid, t->loss.lambda);
        epoch.valid_accuracy = learn_loss_accuracy(&valid);
        if (!isfinite(epoch.train_loss) || !learn_dense_is_sane(t->candidate))
            return ERR(ERR_INVALID,
                       "the network's loss is no number any more in epoch %d: train it with a "
                       "smaller learning rate than %g",
                       e, t->rate);
        if (training->report)
            TRY(training->report(training->arg, &epoch));
        if (judge(t, &epoch)) {
            t->outcome.stopped_early = true;
            break;
        }
    }
    return OK;
}

err learn_mlp_train(const struct learn_mlp_options *options, const struct learn_training *training,
                    struct learn_dense **ret_dense, struct learn_outcome *ret_outcome)
{
    TRY(learn_mlp_check(options));
    TRY(learn_training_check(training));
    struct trainer *t = malloc(sizeof *t);
    if (!t)
        return ERR(ERR_NO_MEMORY, "no memory to train a network");
    err e = trainer_init(t, options, training);
    if (!e.code)
        e = train(t);
    if (!e.code) {
        *ret_dense = t->best;
        t->best = NULL;
        if (ret_outcome)
            *ret_outcome = t->outcome;
    }
    trainer_deinit(t);
    free(t);
    return e;
}
