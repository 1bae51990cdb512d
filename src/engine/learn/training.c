/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/learn/training.h"

#include <math.h>

#include "engine/learn/metrics.h"

static err check_rows(const struct learn_training *t, struct learn_rows rows)
{
    for (size_t i = 0; i < rows.count; i++)
        if (rows.index[i] >= t->table->row_count)
            return ERR(ERR_INVALID, "row %u of a table of %zu", rows.index[i], t->table->row_count);
    return OK;
}

err learn_training_check(const struct learn_training *t)
{
    TRY(check_rows(t, t->train));
    TRY(check_rows(t, t->valid));
    for (size_t c = 0; t->danger && c < t->table->class_count; c++)
        if (t->danger[c] >= t->table->class_count)
            return ERR(ERR_INVALID, "class %zu has the danger %d, of %zu classes", c, t->danger[c],
                       t->table->class_count);
    const uint8_t *labels = t->table->labels;
    for (size_t i = 1; i < t->train.count; i++)
        if (labels[t->train.index[i]] != labels[t->train.index[0]])
            return OK;
    return ERR(ERR_INVALID,
               "training on %zu rows that do not hold two classes: there is nothing to tell apart; "
               "wait for more data",
               t->train.count);
}

void learn_training_weights(const struct learn_training *t, bool balanced, double *ret_weights)
{
    if (balanced) {
        learn_table_class_weights(t->table, t->train, ret_weights);
        return;
    }
    for (size_t c = 0; c < t->table->class_count; c++)
        ret_weights[c] = 1;
}

void learn_loss_add(struct learn_loss *l, const float *probability, size_t class_count,
                    size_t label, double class_weight, const uint8_t *danger)
{
    double p = (double)probability[label];
    l->cross_entropy -= class_weight * log(p > LEARN_PROBABILITY_MIN ? p : LEARN_PROBABILITY_MIN);
    l->weight += class_weight;
    if (danger)
        l->danger += (double)probability[danger[label]];
    l->count++;
    l->hits += learn_rank(probability, class_count, label) == 0;
}

double learn_loss_value(const struct learn_loss *l, double lambda)
{
    if (l->count == 0)
        return NAN;
    double entropy = l->weight > 0 ? l->cross_entropy / l->weight : 0;
    return entropy + lambda * l->danger / (double)l->count;
}

double learn_loss_accuracy(const struct learn_loss *l)
{
    return l->count ? (double)l->hits / (double)l->count : NAN;
}
