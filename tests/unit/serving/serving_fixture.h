/* SPDX-License-Identifier: GPL-3.0-or-later */
/* serving_fixture.h -- a toy app's families on tracking of their own.
 *
 * A toy model's blob is "QUALITY SEED": it is right so many times in a hundred, by a hash of the
 * seed and the input's number; an input knows its own truth. "broken" cannot be loaded.
 */
#ifndef SKERRY_TEST_SERVING_FIXTURE_H
#define SKERRY_TEST_SERVING_FIXTURE_H

#include "track_fixture.h"

#include <stdatomic.h>
#include <stdio.h>

#include "platform/serving/promotion.h"

enum { TOY_CLASSES = 3, TOY_FEATURES = 2 };

struct toy_preparation {
    int calls, models;
    bool refuses;
};
struct toy_input {
    struct toy_preparation *preparation; /* NULL: nobody looks */
    uint64_t number;
    int truth;
    float features[TOY_FEATURES];
};

/* Of one process's toys: how many models are in memory, and how often one was loaded. */
struct toy_counts {
    atomic_int alive, loads;
};

struct toys {
    struct fixture *f;
    struct serving *s;
    struct served_family *family; /* "toy", by outcome; its model is "toy_model" */
    struct served_family *plain;  /* "plain", by predictions; "plain_model" */
    struct toy_counts counts;
};

extern const struct serving_family toy_families[];

int toys_init(void **state);
int toys_deinit(void **state);
/* Opens serving on the fixture's store again; log_percent 0. NULL: the defaults of tests. */
struct serving *toys_open(struct toys *t, const struct serving_options *options);
/* Registers the next version of a model: right so many times in a hundred. */
int64_t toys_version(struct toys *t, const char *model, int quality);
int64_t toys_broken(struct toys *t, const char *model);
void toys_move(struct toys *t, const char *model, enum serving_slot slot, int64_t version);
/* One round: an input with a truth by `number`. */
struct toy_input toys_input(uint64_t number);
/* So many rounds from `number` on: predicted by all, noted. */
void toys_play(struct toys *t, struct served_family *f, uint64_t number, int rounds);
int64_t toys_sum(struct toys *t, const char *what); /* over serving_windows */

#endif
