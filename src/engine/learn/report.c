/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/learn/report.h"

#include <math.h>
#include <stdio.h>

void learn_report_add(struct learn_report *r, const float *probability, size_t truth)
{
    size_t top = 0;
    for (size_t c = 0; c < r->class_count; c++) {
        double gap = (double)probability[c] - (c == truth);
        r->square_error += gap * gap;
        if (probability[c] > probability[top])
            top = c;
    }
    learn_tally_add(&r->tally, probability, r->class_count, truth);
    r->confusion[truth][top]++;
}

void learn_report_merge(struct learn_report *into, const struct learn_report *from)
{
    learn_tally_merge(&into->tally, &from->tally);
    into->square_error += from->square_error;
    for (size_t t = 0; t < from->class_count; t++)
        for (size_t p = 0; p < from->class_count; p++)
            into->confusion[t][p] += from->confusion[t][p];
}

static double mean(const struct learn_report *r, double sum)
{
    return r->tally.count ? sum / (double)r->tally.count : NAN;
}

double learn_report_accuracy(const struct learn_report *r)
{
    return mean(r, (double)r->tally.top1);
}

double learn_report_log_loss(const struct learn_report *r)
{
    return mean(r, r->tally.log_loss);
}

double learn_report_brier(const struct learn_report *r)
{
    return mean(r, r->square_error);
}

static double truths(const struct learn_report *r, size_t class)
{
    uint64_t sum = 0;
    for (size_t p = 0; p < r->class_count; p++)
        sum += r->confusion[class][p];
    return (double)sum;
}

static double predictions(const struct learn_report *r, size_t class)
{
    uint64_t sum = 0;
    for (size_t t = 0; t < r->class_count; t++)
        sum += r->confusion[t][class];
    return (double)sum;
}

double learn_report_precision(const struct learn_report *r, size_t class)
{
    double count = predictions(r, class);
    return count > 0 ? (double)r->confusion[class][class] / count : NAN;
}

double learn_report_recall(const struct learn_report *r, size_t class)
{
    double count = truths(r, class);
    return count > 0 ? (double)r->confusion[class][class] / count : NAN;
}

double learn_report_f1(const struct learn_report *r, size_t class)
{
    double count = truths(r, class) + predictions(r, class);
    return count > 0 ? 2 * (double)r->confusion[class][class] / count : NAN;
}

static double mean_of_classes(const struct learn_report *r,
                              double (*figure)(const struct learn_report *, size_t))
{
    double sum = 0;
    size_t there = 0;
    for (size_t c = 0; c < r->class_count; c++) {
        double value = figure(r, c);
        if (isnan(value))
            continue;
        sum += value;
        there++;
    }
    return there ? sum / (double)there : NAN;
}

double learn_report_balanced_accuracy(const struct learn_report *r)
{
    return mean_of_classes(r, learn_report_recall);
}

double learn_report_macro_f1(const struct learn_report *r)
{
    return mean_of_classes(r, learn_report_f1);
}

static double calibration_error(const struct learn_report *r)
{
    return r->tally.count ? learn_tally_ece(&r->tally) : NAN;
}

err learn_report_each(const struct learn_report *r, const char *part, const str *class_names,
                      err (*fn)(void *arg, const char *name, double value), void *arg)
{
    static const struct {
        const char *name;
        double (*figure)(const struct learn_report *);
    } whole[] = {
        { "accuracy", learn_report_accuracy },
        { "balanced_accuracy", learn_report_balanced_accuracy },
        { "macro_f1", learn_report_macro_f1 },
        { "log_loss", learn_report_log_loss },
        { "brier", learn_report_brier },
        { "ece", calibration_error },
    };
    static const struct {
        const char *name;
        double (*figure)(const struct learn_report *, size_t class);
    } classes[] = {
        { "acc", learn_report_recall },
        { "precision", learn_report_precision },
        { "f1", learn_report_f1 },
    };
    char name[LEARN_METRIC_NAME_BYTES];
    for (size_t i = 0; i < COUNT_OF(whole); i++) {
        double value = whole[i].figure(r);
        snprintf(name, sizeof name, "%s_%s", part, whole[i].name);
        if (!isnan(value))
            TRY(fn(arg, name, value));
    }
    for (size_t i = 0; i < COUNT_OF(classes); i++)
        for (size_t c = 0; c < r->class_count; c++) {
            double value = classes[i].figure(r, c);
            snprintf(name, sizeof name, "%s_%s_%.*s", part, classes[i].name,
                     STR_ARG(class_names[c]));
            if (!isnan(value))
                TRY(fn(arg, name, value));
        }
    return OK;
}
