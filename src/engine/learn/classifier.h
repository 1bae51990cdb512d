/* SPDX-License-Identifier: GPL-3.0-or-later */
/* classifier.h -- a trained model of any of the three families: one kind of file, one way to ask.
 *
 * The file holds all that an answer needs: which features it takes and in which order they are
 * called (the name of a feature set stands for that), standardisation, classes, and what it was
 * trained with and how good it was. A classifier is a value: made once, never changed, asked by any
 * number of threads.
 */
#ifndef SKERRY_LEARN_CLASSIFIER_H
#define SKERRY_LEARN_CLASSIFIER_H

#include "engine/learn/config.h"
#include "engine/learn/dense.h"
#include "engine/learn/forest.h"

enum {
    LEARN_NAME_BYTES_MAX = 64,                /* of a feature set, of a class */
    LEARN_TEXT_BYTES_MAX = 64 * 1024,         /* of params and of metrics */
    LEARN_PART_BYTES_MAX = 256 * 1024,        /* of what features are made with */
    LEARN_MODEL_BYTES_MAX = 64 * 1024 * 1024, /* of a file */
};

/* What is written on it. */
struct learn_card {
    enum learn_family family;
    size_t feature_count, class_count;
    str feature_set;                    /* "contract-50" */
    str class_names[LEARN_CLASSES_MAX]; /* class_count of them */
    str params, metrics;                /* JSON objects; an empty text is {} */
    /* What the features of this model are made with, where they were fitted, too: bytes that are
     * the subject's own, with a version and checks of its own. Empty: they need nothing. */
    str part;
};

struct learn_classifier;

/* Takes over the network or the trees, also when it fails. The card is copied; its counts are those
 * of the model, whatever it says. ERR_INVALID for names that are empty, too long or no UTF-8, texts
 * that are no JSON objects, or a family that is not served by such a model; ERR_NO_MEMORY. */
MUST_USE err learn_classifier_of_dense(const struct learn_card *card, struct learn_dense *take,
                                       struct learn_classifier **ret_classifier);
MUST_USE err learn_classifier_of_forest(const struct learn_card *card, struct learn_forest *take,
                                        struct learn_classifier **ret_classifier);
void learn_classifier_free(struct learn_classifier *c); /* accepts NULL */

const struct learn_card *learn_classifier_card(const struct learn_classifier *c);
size_t learn_classifier_bytes(const struct learn_classifier *c); /* in memory, about */
/* Of its file, in hexadecimal: the same model has the same. "" for one that was neither loaded nor
 * saved. */
const char *learn_classifier_digest(const struct learn_classifier *c);

/* Fills class_count probabilities from feature_count features: finite, with sum 1, for any input. A
 * feature that is not finite is missing. No allocation, no lock; any number of threads. */
void learn_classifier_predict(const struct learn_classifier *c, const double *features,
                              float *probability);

/* Appends the file. ERR_TOO_BIG, ERR_NO_MEMORY: of the buffer. */
MUST_USE err learn_classifier_save(struct learn_classifier *c, struct buf *out);
/* `bytes` may come from anywhere and are not kept. ERR_CORRUPT when they are damaged or not such a
 * file, ERR_UNSUPPORTED when a newer program made them, ERR_NO_MEMORY. */
MUST_USE err learn_classifier_load(str bytes, struct learn_classifier **ret_classifier);

#endif
