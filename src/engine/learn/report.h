/* SPDX-License-Identifier: GPL-3.0-or-later */
/* report.h -- how well classes were told apart: the whole of it, by class, under the names that
 * are logged.
 *
 * An open value like learn_tally, which it contains: zero it, set class_count, add predictions.
 */
#ifndef SKERRY_LEARN_REPORT_H
#define SKERRY_LEARN_REPORT_H

#include "base/str.h"
#include "engine/learn/metrics.h"
#include "engine/learn/table.h"

struct learn_report {
    size_t class_count;
    struct learn_tally tally;                                 /* accuracy, log loss, calibration */
    double square_error;                                      /* sum */
    uint64_t confusion[LEARN_CLASSES_MAX][LEARN_CLASSES_MAX]; /* [truth][prediction] */
};

/* The prediction is the most probable class, the first of equals. */
void learn_report_add(struct learn_report *r, const float *probability, size_t truth);
void learn_report_merge(struct learn_report *into, const struct learn_report *from);

/* All are NAN where nothing was added. */
double learn_report_accuracy(const struct learn_report *r);
double learn_report_log_loss(const struct learn_report *r);
/* Mean over rows of the sum over classes of (probability - truth)^2 (Brier 1950): 0 to 2. */
double learn_report_brier(const struct learn_report *r);
double learn_report_balanced_accuracy(const struct learn_report *r); /* mean recall, where there */
/* Mean of F1 over the classes that were true or predicted at least once. */
double learn_report_macro_f1(const struct learn_report *r);
/* NAN where the class was never predicted, or never true. */
double learn_report_precision(const struct learn_report *r, size_t class);
double learn_report_recall(const struct learn_report *r, size_t class);
double learn_report_f1(const struct learn_report *r, size_t class);

/* Calls fn with every figure under its name, `part` being "test", "val" or so: test_accuracy,
 * test_balanced_accuracy, test_macro_f1, test_log_loss, test_brier, test_ece, and for each class
 * test_acc_rock (which is its recall), test_precision_rock, test_f1_rock. Those that are NAN are
 * left out, because a store of metrics takes numbers. Names are cut at LEARN_METRIC_NAME_BYTES. The
 * first error of fn ends it. */
enum { LEARN_METRIC_NAME_BYTES = 128 };
MUST_USE err learn_report_each(const struct learn_report *r, const char *part,
                               const str *class_names,
                               err (*fn)(void *arg, const char *name, double value), void *arg);

#endif
