/* SPDX-License-Identifier: GPL-3.0-or-later */
/* search.h -- what all searches of MLflow's API share: arguments, groups, tokens. Not for other
 * apps.
 *
 * What is found is read and written in groups, so that a page of large things needs no more memory
 * than its answer, and a page ends early where the answer would become too large. Finding and
 * reading see one moment of the store.
 */
#ifndef SKERRY_MLFLOW_SEARCH_H
#define SKERRY_MLFLOW_SEARCH_H

#include "apps/mlflow/mlflow_app.h"
#include "platform/track/search.h"

struct search_reply {
    struct track *track;
    struct search_spec *spec;
    const char *list; /* member that the found things are in */
    /* Reads these, into `memory`, and writes each. */
    err (*write)(struct track *t, const struct search_hit *hits, size_t count, arena *memory,
                 struct json_out *w);
    arena *keep;
    struct json_out *w;
};

/* filter, page_token, order_by, and max_results of 1 to results_max; spec->limit comes with the
 * default, and becomes page_max at most. */
MUST_USE err search_args(const struct wire_args *a, arena *keep, int64_t results_max,
                         int64_t page_max, struct search_spec *spec);
/* experiment_ids: texts that are numbers; others are found nowhere. */
MUST_USE err search_args_experiments(const struct wire_args *a, arena *keep,
                                     struct search_spec *spec);
MUST_USE err search_answer(struct http_request *rq, struct http_reply *rp, struct search_reply *r);

#endif
