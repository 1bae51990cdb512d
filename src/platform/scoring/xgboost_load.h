/* SPDX-License-Identifier: GPL-3.0-or-later */
/* xgboost_load.h -- the functions of libxgboost that this room uses. Private to this room.
 *
 * Not linked: it brings OpenMP and the C++ library, and most servers have no such model. Declared
 * here and not taken from its header, so that building needs no libxgboost-dev; these have had the
 * same arguments from 1.6 to 3.x.
 */
#ifndef SKERRY_SCORING_XGBOOST_LOAD_H
#define SKERRY_SCORING_XGBOOST_LOAD_H

#include <stdint.h>

#include "base/err.h"

/* X(result, name, arguments) */
#define XGBOOST_FUNCTIONS(X)                                                                       \
    X(const char *, XGBGetLastError, (void))                                                       \
    X(void, XGBoostVersion, (int *major, int *minor, int *patch))                                  \
    X(int, XGBoosterCreate, (const void **matrices, uint64_t count, void **ret_booster))           \
    X(int, XGBoosterFree, (void *booster))                                                         \
    X(int, XGBoosterLoadModelFromBuffer, (void *booster, const void *bytes, uint64_t count))       \
    X(int, XGBoosterSetParam, (void *booster, const char *name, const char *value))                \
    X(int, XGBoosterGetAttr,                                                                       \
      (void *booster, const char *key, const char **ret_value, int *ret_found))                    \
    X(int, XGBoosterGetNumFeature, (void *booster, uint64_t *ret_count))                           \
    X(int, XGBoosterGetStrFeatureInfo,                                                             \
      (void *booster, const char *field, uint64_t *ret_count, const char ***ret_names))            \
    X(int, XGBoosterSaveJsonConfig, (void *booster, uint64_t *ret_bytes, const char **ret_config)) \
    X(int, XGBoosterPredictFromDense,                                                              \
      (void *booster, const char *array, const char *config, void *matrix,                         \
       const uint64_t **ret_shape, uint64_t *ret_dims, const float **ret_values))                  \
    X(int, XGBoosterPredictFromDMatrix,                                                            \
      (void *booster, void *matrix, const char *config, const uint64_t **ret_shape,                \
       uint64_t *ret_dims, const float **ret_values))                                              \
    X(int, XGDMatrixCreateFromMat,                                                                 \
      (const float *values, uint64_t rows, uint64_t columns, float missing, void **ret_matrix))    \
    X(int, XGDMatrixSetFloatInfo,                                                                  \
      (void *matrix, const char *field, const float *values, uint64_t count))                      \
    X(int, XGDMatrixFree, (void *matrix))                                                          \
    X(int, XGBoosterUpdateOneIter, (void *booster, int round, void *matrix))                       \
    X(int, XGBoosterSlice, (void *booster, int begin, int end, int step, void **ret_booster))      \
    X(int, XGBoosterSaveModelToBuffer,                                                             \
      (void *booster, const char *config, uint64_t *ret_bytes, const char **ret_model))

struct xgboost_functions {
#define XGBOOST_MEMBER(result, name, arguments) result(*name) arguments;
    XGBOOST_FUNCTIONS(XGBOOST_MEMBER)
#undef XGBOOST_MEMBER
    int major, minor; /* its version */
};

/* ERR_UNSUPPORTED, with the package to install, when the library or a function is not there. It
 * stays loaded. `path` may be empty. */
MUST_USE err xgboost_load(const char *path, struct xgboost_functions *ret_functions);

/* An error from what the library says: its first line, without the stack of C++ functions. */
MUST_USE err xgboost_failed(const struct xgboost_functions *lib, enum err_code code,
                            const char *what);

#endif
