/* SPDX-License-Identifier: GPL-3.0-or-later */
/* traces.h -- traces as MLflow's clients make, fill and read them: what one call of a program did.
 *
 * A trace is told about twice, in any order: as a whole, with state, previews, tags and metadata
 * (trace_start), and span by span (trace_log_spans). Whichever comes first makes it. What
 * trace_start says counts, except that a trace lasts at least as long as its spans, and that spans
 * of a root fill in what is not known yet: state and previews.
 *
 * Tags mlflow.artifactLocation and, where there are spans, mlflow.trace.spansLocation are of every
 * trace and stand in no row, unless a client set them to something else.
 *
 * What a call has written is on disk when it returns, all of it or nothing. Messages of errors are
 * MLflow's where clients read them. Any thread.
 */
#ifndef SKERRY_TRACK_TRACES_H
#define SKERRY_TRACK_TRACES_H

#include "platform/track/assessments.h"
#include "platform/track/spans.h"

enum {
    TRACES_MAX = 500,      /* read, or deleted by id, at a time; as MLflow */
    TRACE_TAGS_MAX = 1000, /* of one call; metadata likewise */
    TRACE_LINKS_MAX = 100,
    TRACE_ID_CHARACTERS_MAX = 250,
    TRACE_PREVIEW_CHARACTERS_MAX = 1000,
};

/* ------------------------------------------------------------------ reading */

struct trace_info {
    int64_t number; /* of its row */
    str trace_id, state;
    int64_t experiment_id, request_ms, duration_ms;
    bool has_duration;
    bool has_spans;                                           /* in our tables */
    str client_request_id, request_preview, response_preview; /* ptr NULL: none */
    struct track_tag *tags, *metadata;                        /* by key */
    struct assessment *assessments;                           /* oldest first */
    size_t tag_count, metadata_count, assessment_count;
};

/* Those of `ids` that are there, in their order. At most TRACES_MAX. */
MUST_USE err traces_read(struct track *t, const str *ids, size_t count, arena *keep,
                         struct trace_info **ret_infos, size_t *ret_count);
/* ERR_NOT_FOUND. */
MUST_USE err trace_read(struct track *t, str trace_id, arena *keep, struct trace_info *ret_info);
/* Writes the spans into an open array: roots first, then as they began. */
MUST_USE err trace_write_spans(struct track *t, const struct trace_info *info, struct json_out *w);
MUST_USE err trace_count_spans(struct track *t, const struct trace_info *info, int64_t *ret_count);

/* ------------------------------------------------------------------ making and changing */

struct trace_spec {
    str trace_id;
    int64_t experiment_id, request_ms, duration_ms;
    bool has_duration;
    str state;                                                /* OK, ERROR, ... */
    str client_request_id, request_preview, response_preview; /* empty: none */
    const struct track_tag *tags, *metadata;
    size_t tag_count, metadata_count;
    const struct assessment *assessments; /* without ids and times of ours: they are made */
    size_t assessment_count;
};
/* Makes it, or merges with what is there. The experiment must be active. */
MUST_USE err trace_start(struct track *t, const struct trace_spec *spec);
/* How MLflow 2 ends one: it lasted until end_ms. ERR_NOT_FOUND. */
MUST_USE err trace_end(struct track *t, const struct trace_spec *spec, int64_t end_ms);

/* Values beyond 8000 characters are cut. ERR_NOT_FOUND, ERR_INVALID. */
MUST_USE err trace_tag_set(struct track *t, str trace_id, str key, str value);
MUST_USE err trace_tag_delete(struct track *t, str trace_id, str key);

MUST_USE err traces_delete(struct track *t, int64_t experiment_id, const str *ids, size_t count,
                           int64_t *ret_deleted);
/* The oldest that began at max_ms or before; at most `count`. */
MUST_USE err traces_delete_older(struct track *t, int64_t experiment_id, int64_t max_ms,
                                 int64_t count, int64_t *ret_deleted);

/* A trace that is not there yet is linked all the same. */
MUST_USE err traces_link_run(struct track *t, const str *trace_ids, size_t count, str run_id);
/* Versions of prompts: key is the name. They stand in tag mlflow.linkedPrompts. */
MUST_USE err trace_link_prompts(struct track *t, str trace_id, const struct track_tag *versions,
                                size_t count);

/* All spans of an export. A span that is there already is replaced. run_id: traces whose root is
 * here belong to it; empty: none. ERR_NOT_FOUND: no such experiment. */
MUST_USE err trace_log_spans(struct track *t, int64_t experiment_id, str run_id,
                             const struct span_batch *batch);

#endif
