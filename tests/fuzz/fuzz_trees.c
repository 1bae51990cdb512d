/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Models of xgboost in JSON, from strangers: whatever is read can be walked, answers with a
 * distribution, and comes back from our own file with the same answers. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/learn/forest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const double rows[][8] = {
    { 0, 0, 0, 0, 0, 0, 0, 0 },
    { 1, -1, 0.5, 3, -1e300, 1e9, 2, 0 },
    { NAN, INFINITY, 0.1, 0.2, -3, NAN, 7, 1e-40 },
};

static void compare(const struct learn_forest *a, const struct learn_forest *b, size_t classes)
{
    for (size_t r = 0; r < COUNT_OF(rows); r++) {
        float p[LEARN_CLASSES_MAX], q[LEARN_CLASSES_MAX];
        double sum = 0;
        learn_forest_predict(a, rows[r], p);
        learn_forest_predict(b, rows[r], q);
        for (size_t c = 0; c < classes; c++)
            sum += (double)p[c];
        if (!(fabs(sum - 1) < 1e-3) || memcmp(p, q, classes * sizeof *p) != 0)
            abort();
    }
}

static void read_as(str json, size_t features, size_t classes)
{
    struct learn_forest *forest, *again;
    struct buf bytes;
    if (learn_forest_new(features, classes, &forest).code)
        return;
    err e = learn_forest_add_xgboost(forest, json);
    if (e.code && learn_forest_tree_count(forest) != 0)
        abort();
    buf_init(&bytes, 16 << 20);
    learn_forest_write(forest, &bytes);
    struct cursor c = cursor_of(buf_str(&bytes));
    if (buf_check(&bytes).code || learn_forest_read(&c, features, classes, &again).code)
        abort();
    compare(forest, again, classes);
    learn_forest_free(forest);
    learn_forest_free(again);
    buf_deinit(&bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    /* a copy of exactly this size, so that a read beyond it is seen */
    char *copy = malloc(size ? size : 1);
    if (!copy)
        return 0;
    if (size)
        memcpy(copy, data, size);
    read_as(str_from(copy, size), 2, 2);
    read_as(str_from(copy, size), 8, 3);
    free(copy);
    return 0;
}
