/* SPDX-License-Identifier: GPL-3.0-or-later */
/* mlmodel.h -- the file MLmodel that MLflow writes beside a model: which flavours it has, and what
 * its signature wants.
 *
 * It is YAML. Read is what PyYAML's dumper writes: nested mappings, and scalars plain or quoted
 * that go on over several lines. Items of lists, block texts, anchors and tags are passed over: the
 * few values that matter here are never written so.
 */
#ifndef SKERRY_SCORING_MLMODEL_H
#define SKERRY_SCORING_MLMODEL_H

#include <stdint.h>

#include "base/arena.h"

enum { MLMODEL_BYTES_MAX = 4 * 1024 * 1024, MLMODEL_COLUMNS_MAX = 10000, MLMODEL_DIMS_MAX = 8 };

enum column_type {
    COLUMN_BOOLEAN,
    COLUMN_INTEGER, /* 32 bits */
    COLUMN_LONG,
    COLUMN_FLOAT,
    COLUMN_DOUBLE,
    COLUMN_STRING,
    COLUMN_OTHER, /* binary, datetime, arrays, objects, maps: not served */
};
const char *column_type_name(enum column_type type);

struct column_spec {
    str name; /* empty: the signature has no names */
    enum column_type type;
    bool is_optional;
};

/* What a model wants: columns, or one tensor without a name; or it does not say. */
struct signature {
    bool is_given, is_named;
    bool is_unreadable; /* given, but as nothing that is served: several tensors, unknown types */
    struct column_spec *columns;
    size_t column_count;
    bool is_tensor;
    str tensor_type; /* "float32" */
    int64_t shape[MLMODEL_DIMS_MAX];
    size_t dims;
    bool has_params; /* a schema of parameters */
};

struct mlmodel_entry {
    str path, value; /* "flavors.xgboost.data", "model.ubj" */
};
struct mlmodel {
    struct mlmodel_entry *entries;
    size_t entry_count;
    struct signature signature;
};

/* ERR_INVALID for what cannot be an MLmodel, ERR_TOO_BIG above a maximum. Lives in `keep`. */
MUST_USE err mlmodel_read(str text, arena *keep, struct mlmodel *ret_model);

/* The value at a path; empty when absent or null. */
str mlmodel_value(const struct mlmodel *m, const char *path);
bool mlmodel_has_flavour(const struct mlmodel *m, const char *flavour);
/* Names of its flavours, "xgboost, python_function", into out. */
void mlmodel_flavours(const struct mlmodel *m, char *out, size_t bytes);

#endif
