/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Model files of classes from strangers: whatever loads answers with a distribution, whatever it is
 * asked, and is saved as it came. The checksum is added here, which no fuzzer would find. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "engine/learn/classifier.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void ask(const struct learn_classifier *c, double value, double step)
{
    const struct learn_card *card = learn_classifier_card(c);
    double features[LEARN_FEATURES_MAX], sum = 0;
    float probability[LEARN_CLASSES_MAX];
    for (size_t f = 0; f < card->feature_count; f++, value += step)
        features[f] = value;
    learn_classifier_predict(c, features, probability);
    for (size_t k = 0; k < card->class_count; k++)
        sum += (double)probability[k];
    if (!(fabs(sum - 1) < 1e-3))
        abort();
}

static void load(str bytes)
{
    struct learn_classifier *c = NULL;
    struct buf again;
    if (learn_classifier_load(bytes, &c).code)
        return;
    ask(c, 0, 0.25);
    ask(c, -1e300, 1e299);
    ask(c, NAN, 0);
    ask(c, INFINITY, 0);
    buf_init(&again, bytes.len);
    if (learn_classifier_save(c, &again).code || !str_eq(buf_str(&again), bytes))
        abort();
    buf_deinit(&again);
    learn_classifier_free(c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *bytes = malloc(size + SHA256_BYTES);
    if (!bytes)
        return 0;
    if (size)
        memcpy(bytes, data, size);
    sha256_of(str_from(bytes, size), (uint8_t *)bytes + size);
    load(str_from(bytes, size + SHA256_BYTES));
    free(bytes);
    return 0;
}
