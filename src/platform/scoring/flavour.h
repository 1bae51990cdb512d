/* SPDX-License-Identifier: GPL-3.0-or-later */
/* flavour.h -- what can run models of one of MLflow's flavours. Private to this room.
 *
 * A flavour is a table of functions on top of a library that is loaded when the first model of the
 * flavour is asked. Another flavour is another row in flavours.c.
 */
#ifndef SKERRY_SCORING_FLAVOUR_H
#define SKERRY_SCORING_FLAVOUR_H

#include "platform/scoring/batch.h"

struct flavour {
    const char *name; /* "xgboost", as under flavors: in MLmodel; NULL ends the table */
    const char *data; /* where MLmodel names its file: "flavors.xgboost.data" */
    const char *file; /* what that is when it does not say */
    /* Loads the library; `path` may be empty: by its usual names. ERR_UNSUPPORTED says what to
     * install. It stays loaded. */
    err (*open)(const char *path, void **ret_library);
    void (*close)(void *library);
    /* ERR_INVALID when these bytes are no model, ERR_UNSUPPORTED when it is one of those that
     * cannot be run here. Nothing of `bytes` is kept. */
    err (*load)(void *library, const struct mlmodel *m, str bytes, void **ret_model);
    /* Any number of threads at once. ERR_INVALID when the rows are not what the model takes. The
     * answer lives in `keep`. */
    err (*predict)(const void *model, const struct score_batch *in, arena *keep,
                   struct prediction *ret_prediction);
    void (*free)(void *model); /* accepts NULL */
};

extern const struct flavour scoring_xgboost, scoring_onnx;

#endif
