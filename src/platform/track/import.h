/* SPDX-License-Identifier: GPL-3.0-or-later */
/* import.h -- what another tracking system knows, put into ours, row by row and in bulk.
 *
 * A source says rows of the kinds below, parents first, and now and then where it is; the rest is
 * here: a transaction for some thousand rows, in which the place is noted too, so that a job that
 * was killed goes on there. A row that is here already is not put again: what differs from it is
 * counted, named, and stays as it is here, except that what was unfinished here may finish. A row
 * whose run, trace or model is not here is skipped and counted.
 *
 * Run ids, model ids and trace ids are kept. An experiment keeps its number when that is free here.
 * Its name may be taken: then the runs go into the experiment of that name, unless just one of the
 * two is deleted; then it becomes "NAME (imported)". So does a registered model whose name is
 * taken. What an experiment or model of the source became is noted in a tag of it here.
 *
 * One thread at a time.
 */
#ifndef SKERRY_TRACK_IMPORT_H
#define SKERRY_TRACK_IMPORT_H

#include "platform/track/run.h"
#include "platform/track/track.h"

/* Kinds of rows, and what one holds: t text, o text or NULL, i number, n number or NULL, r real.
 * Numbers ending in _ms are of time; is_ are 0 or 1. `experiment` is the source's number. */
enum import_kind {
    IMPORT_EXPERIMENT,     /* i experiment, t name, i is_deleted, i created_ms, i updated_ms */
    IMPORT_EXPERIMENT_TAG, /* i experiment, t key, t value */
    IMPORT_RUN,            /* t run_id, i experiment, t name, t user, t status, i is_deleted,
                              n start_ms, n end_ms, n deleted_ms, o our own run's id if it is a
                              mirror of one */
    IMPORT_PARAM,          /* t run_id, t key, t value */
    IMPORT_TAG,            /* t run_id, t key, t value */
    IMPORT_METRIC,         /* t run_id, t key, i ts_ms, i step, r value, i is_nan */
    IMPORT_DATASET,        /* t run_id, t name, t digest, t source_type, t source, t schema,
                              t profile, t context */
    IMPORT_DATASET_TAG,    /* t run_id, t name, t digest, t key, t value */
    IMPORT_LOGGED_MODEL,   /* t model_id, i experiment, t name, i created_ms, i updated_ms,
                              t status, o status_message, o model_type, o source run,
                              i is_deleted */
    IMPORT_LOGGED_PARAM,   /* t model_id, t key, t value */
    IMPORT_LOGGED_TAG,     /* t model_id, t key, t value */
    IMPORT_LOGGED_METRIC,  /* t model_id, t key, i ts_ms, i step, t run_id, r value, i is_nan,
                              o dataset_name, o dataset_digest */
    IMPORT_MODEL_USE,      /* t run_id, t "in" or "out", t model_id, i step */
    IMPORT_MODEL,          /* t name, o description, i created_ms, i updated_ms */
    IMPORT_MODEL_TAG,      /* t name, t key, t value */
    IMPORT_VERSION,        /* t name, i version, t stage, t status, o status_message, o description,
                              o user, o source, o run_id, o run_link, i created_ms, i updated_ms */
    IMPORT_VERSION_TAG,    /* t name, i version, t key, t value */
    IMPORT_ALIAS,          /* t name, t alias, i version */
    IMPORT_TRACE,          /* t trace_id, i experiment, i request_ms, n duration_ms, t state,
                              o client_request_id, o request_preview, o response_preview */
    IMPORT_TRACE_TAG,      /* t trace_id, t key, t value */
    IMPORT_TRACE_METADATA, /* t trace_id, t key, t value */
    IMPORT_SPAN,           /* t trace_id, t span_id, o parent, t name, o type, t status, i start_ns,
                              n end_ns, t content */
    IMPORT_ASSESSMENT,     /* t assessment_id, t trace_id, t name, t kind, t value, o error,
                              o rationale, t source_type, o source_id, o metadata, o span_id,
                              o run_id, o overrides, i is_valid, i created_ms, i updated_ms */
    IMPORT_ARTIFACT,       /* t run_id, t path, t blob, i bytes, i created_ms */
    IMPORT_FILE,           /* i experiment, t path below the experiment's root, t blob, i bytes,
                              i created_ms */
    IMPORT_KIND_COUNT
};

enum {
    IMPORT_BATCH_ROWS = 10000,
    IMPORT_BATCH_BYTES = 8 * 1024 * 1024, /* of texts; the row that goes beyond is in it, too */
    IMPORT_COLUMNS_MAX = 16,
    IMPORT_DIFFERENCES_MAX = 100, /* that are named; all are counted */
    IMPORT_AFTER_BYTES_MAX = 4096,
};

struct import_counts {
    int64_t source;    /* said */
    int64_t added;     /* new here */
    int64_t same;      /* here already */
    int64_t different; /* here already, with another value, which stays */
    int64_t skipped;   /* belongs to something that is not here */
    int64_t here;      /* counted here at the end, among what came from this source; -1: not */
};

struct import;

/* `source` names where it comes from, for good: a path, an address. Goes on where an earlier try of
 * the run's job was. */
MUST_USE err import_open(struct run *run, str source, struct import **ret_import);
void import_close(struct import *im); /* what was not flushed is lost; accepts NULL */

/* Where the source is: rows said before this are not needed again once they are stored. Stages are
 * the source's own numbers, `after` its own text. */
MUST_USE err import_place(struct import *im, int stage, str after);
int import_stage(const struct import *im);
str import_after(const struct import *im); /* lives as long as im */

/* One row. Values are copied; of a wrong type they are converted, texts are cut at a NUL and where
 * they stop being UTF-8. */
MUST_USE err import_row(struct import *im, enum import_kind kind, const struct store_value *values,
                        size_t count);
#define IMPORT(im, kind, ...)                                             \
    import_row((im), (kind), (const struct store_value[]){ __VA_ARGS__ }, \
               sizeof((const struct store_value[]){ __VA_ARGS__ }) / sizeof(struct store_value))
/* Rows of IMPORT_ARTIFACT or IMPORT_FILE, of a blob that was put: it is unpinned once the row is
 * stored, or im is closed. run_id empty: a file of the experiment. */
MUST_USE err import_file(struct import *im, str run_id, int64_t experiment, str path,
                         const struct blob_info *blob, int64_t created_ms);
/* Is a file of that size and, unless 0, time here already? Then it counts as such. */
MUST_USE err import_file_known(struct import *im, str run_id, int64_t experiment, str path,
                               int64_t bytes, int64_t created_ms, bool *ret_known);
/* Artifacts that are somewhere we cannot read. */
void import_elsewhere(struct import *im, str uri);
MUST_USE err import_flush(struct import *im);

/* Counts and sums up what is here now of what came from this source. */
MUST_USE err import_compare(struct import *im);
const struct import_counts *import_counts(const struct import *im, enum import_kind kind);
int64_t import_rows_said(const struct import *im);
/* Members of an open object: what was counted, digests of both sides, the first differences. */
void import_report(const struct import *im, struct json_out *w);

#endif
