/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/learn/table.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A deviation below this share of the mean is rounding: the sum of equal numbers is not exact. */
#define VARIES_MIN 1e-10

err learn_table_init(struct learn_table *t, size_t feature_count, size_t class_count,
                     size_t row_max)
{
    if (feature_count == 0 || feature_count > LEARN_FEATURES_MAX)
        return ERR(ERR_INVALID, "a table of %zu features: give 1 to %d", feature_count,
                   LEARN_FEATURES_MAX);
    if (class_count < 2 || class_count > LEARN_CLASSES_MAX)
        return ERR(ERR_INVALID, "a table of %zu classes: give 2 to %d", class_count,
                   LEARN_CLASSES_MAX);
    if (row_max == 0 || row_max > LEARN_ROWS_MAX)
        return ERR(ERR_INVALID, "a table of at most %zu rows: give 1 to %d", row_max,
                   LEARN_ROWS_MAX);
    *t = (struct learn_table){ .feature_count = feature_count,
                               .class_count = class_count,
                               .row_max = row_max };
    return OK;
}

void learn_table_deinit(struct learn_table *t)
{
    free(t->values);
    free(t->labels);
    free(t->groups);
    free(t->times);
    *t = (struct learn_table){ 0 };
}

static bool grow(void *pointer, size_t count, size_t size)
{
    void *old, *grown;
    memcpy(&old, pointer, sizeof old);
    grown = reallocarray(old, count, size);
    if (grown)
        memcpy(pointer, &grown, sizeof grown);
    return grown;
}

static err make_room(struct learn_table *t)
{
    size_t room = t->row_room ? t->row_room * 2 : 1024;
    if (room > t->row_max)
        room = t->row_max;
    if (!grow(&t->values, room, t->feature_count * sizeof *t->values) ||
        !grow(&t->labels, room, sizeof *t->labels) || !grow(&t->groups, room, sizeof *t->groups) ||
        !grow(&t->times, room, sizeof *t->times))
        return ERR(ERR_NO_MEMORY, "no memory for a table of %zu rows of %zu features", room,
                   t->feature_count);
    t->row_room = room;
    return OK;
}

err learn_table_add(struct learn_table *t, const double *values, size_t label, uint64_t group,
                    int64_t time)
{
    if (label >= t->class_count)
        return ERR(ERR_INVALID, "a row of class %zu in a table of %zu classes", label,
                   t->class_count);
    if (t->row_count == t->row_max)
        return ERR(ERR_TOO_BIG, "the table is full: it takes %zu rows", t->row_max);
    if (t->row_count == t->row_room)
        TRY(make_room(t));
    size_t row = t->row_count++;
    memcpy(t->values + row * t->feature_count, values, t->feature_count * sizeof *values);
    t->labels[row] = (uint8_t)label;
    t->groups[row] = group;
    t->times[row] = time;
    return OK;
}

const double *learn_table_row(const struct learn_table *t, size_t row)
{
    return t->values + row * t->feature_count;
}

void learn_table_scale(const struct learn_table *t, struct learn_rows rows, double *ret_mean,
                       double *ret_scale)
{
    for (size_t f = 0; f < t->feature_count; f++) {
        double sum = 0, squares = 0;
        size_t there = 0;
        for (size_t i = 0; i < rows.count; i++) {
            double value = learn_table_row(t, rows.index[i])[f];
            if (isfinite(value)) {
                sum += value;
                there++;
            }
        }
        double mean = there ? sum / (double)there : 0;
        for (size_t i = 0; i < rows.count; i++) {
            double value = learn_table_row(t, rows.index[i])[f];
            if (isfinite(value))
                squares += (value - mean) * (value - mean);
        }
        double deviation = there ? sqrt(squares / (double)there) : 0;
        bool varies = deviation > VARIES_MIN * fabs(mean) && isfinite(deviation);
        ret_mean[f] = isfinite(mean) ? mean : 0;
        ret_scale[f] = varies ? deviation : 1;
    }
}

void learn_table_class_weights(const struct learn_table *t, struct learn_rows rows,
                               double *ret_weights)
{
    size_t count[LEARN_CLASSES_MAX] = { 0 }, there = 0;
    for (size_t i = 0; i < rows.count; i++)
        count[t->labels[rows.index[i]]]++;
    for (size_t c = 0; c < t->class_count; c++)
        there += count[c] > 0;
    for (size_t c = 0; c < t->class_count; c++)
        ret_weights[c] = count[c] ? (double)rows.count / ((double)there * (double)count[c]) : 0;
}
