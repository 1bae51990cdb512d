/* SPDX-License-Identifier: GPL-3.0-or-later */
/* search.h -- pages of runs, experiments, models, by MLflow's filters and orders.
 *
 * A search says what it found by key, in order; client_runs_read and its like read the things
 * themselves. A page gives a token from which the next one begins. The token holds the place
 * and not a number of rows: what is added or removed meanwhile makes nothing come twice or get
 * lost, and the last page costs what the first does. It fits only the search that gave it.
 *
 * Meaning, on both engines: texts compare by bytes, LIKE minds case (% and _ stand for any text
 * and any character, nothing is escaped), ILIKE does not mind the case of ASCII letters. What lacks
 * a key matches no condition on it, != included. Orders put what lacks the key last, both ways,
 * and NaN before that; equals come in the order of the kind (runs: newest first, then by id).
 */
#ifndef SKERRY_TRACK_SEARCH_H
#define SKERRY_TRACK_SEARCH_H

#include "platform/track/search_parse.h"
#include "platform/track/track.h"

enum {
    SEARCH_EXPERIMENTS_MAX = 10000,
    SEARCH_DATASETS_MAX = 50,
    SEARCH_TOKEN_BYTES_MAX = 256 * 1024
};

enum search_view { SEARCH_ACTIVE, SEARCH_DELETED, SEARCH_ALL };

struct search_dataset {
    str name, digest; /* empty: any */
};
/* An order of logged models: by an attribute, or the latest value of "metrics.x" on a dataset. */
struct search_field {
    str name;
    bool is_descending;
    struct search_dataset dataset;
};

struct search_spec {
    enum search_kind kind;
    str filter;
    const str *order_by;
    size_t order_count;
    const struct search_field *fields; /* SEARCH_LOGGED_MODELS: instead of order_by */
    size_t field_count;
    const int64_t *experiment_ids; /* runs, logged models, traces: only of these */
    size_t experiment_count;
    enum search_view view;                 /* runs, experiments */
    const struct search_dataset *datasets; /* logged models: of metrics that count */
    size_t dataset_count;
    int64_t limit; /* 1 or more */
    str page_token;
};

struct search_hit {
    str id;         /* run_id, name of a registered model, id of a version, model_id, trace_id */
    int64_t number; /* of an experiment */
};
struct search_page {
    struct search_hit *hits;
    size_t count;
    bool is_more;                     /* beyond the last one */
    const struct store_value *places; /* of the hits, for search_token */
    size_t place_values;              /* of each */
};

/* ERR_INVALID, in MLflow's words, for a filter, order or token that cannot be. */
MUST_USE err search_run(struct track *t, const struct search_spec *spec, arena *keep,
                        struct search_page *ret_page);
/* How many traces of its experiments a filter finds; the rest of the spec is not looked at. */
MUST_USE err search_count_traces(struct track *t, const struct search_spec *spec, arena *keep,
                                 int64_t *ret_count);
/* Calls fn(arg) within one snapshot: what it searches, and then reads, is of one moment. */
MUST_USE err search_snapshot(struct track *t, err (*fn)(void *arg), void *arg);
/* The token for the page that begins behind hit `index`: the last one, or an earlier one where the
 * caller cannot show them all. */
MUST_USE err search_token(const struct search_spec *spec, const struct search_page *page,
                          size_t index, arena *keep, str *ret_token);

#endif
