/* SPDX-License-Identifier: GPL-3.0-or-later */
/* onnx_load.h -- the functions of libonnxruntime that this room uses. Private to this room.
 *
 * The library exports one function, which gives a table of pointers. Places in it never change: new
 * functions are added at its end. Declared here and not taken from its header, which Debian 12 does
 * not have.
 */
#ifndef SKERRY_SCORING_ONNX_LOAD_H
#define SKERRY_SCORING_ONNX_LOAD_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct ort_status;
struct ort_env;
struct ort_session;
struct ort_options;
struct ort_value;
struct ort_type;   /* of an input or output */
struct ort_tensor; /* element type and shape */
struct ort_memory;
struct ort_allocator;

/* Element types of tensors. */
enum ort_element {
    ORT_FLOAT = 1,
    ORT_INT32 = 6,
    ORT_INT64 = 7,
    ORT_STRING = 8,
    ORT_BOOL = 9,
    ORT_DOUBLE = 11,
};

/* X(place, result, name, arguments). A status that is NULL means it went well. */
#define ONNX_FUNCTIONS(X)                                                                          \
    X(2, const char *, GetErrorMessage, (const struct ort_status *status))                         \
    X(3, struct ort_status *, CreateEnv, (int level, const char *name, struct ort_env **ret_env))  \
    X(8, struct ort_status *, CreateSessionFromArray,                                              \
      (struct ort_env * env, const void *bytes, size_t count, const struct ort_options *options,   \
       struct ort_session **ret_session))                                                          \
    X(9, struct ort_status *, Run,                                                                 \
      (struct ort_session * session, const void *run_options, const char *const *input_names,      \
       const struct ort_value *const *inputs, size_t input_count, const char *const *output_names, \
       size_t output_count, struct ort_value **ret_outputs))                                       \
    X(10, struct ort_status *, CreateSessionOptions, (struct ort_options * *ret_options))          \
    X(22, struct ort_status *, SetSessionLogSeverityLevel,                                         \
      (struct ort_options * options, int level))                                                   \
    X(24, struct ort_status *, SetIntraOpNumThreads, (struct ort_options * options, int count))    \
    X(25, struct ort_status *, SetInterOpNumThreads, (struct ort_options * options, int count))    \
    X(30, struct ort_status *, SessionGetInputCount,                                               \
      (const struct ort_session *session, size_t *ret_count))                                      \
    X(31, struct ort_status *, SessionGetOutputCount,                                              \
      (const struct ort_session *session, size_t *ret_count))                                      \
    X(33, struct ort_status *, SessionGetInputTypeInfo,                                            \
      (const struct ort_session *session, size_t index, struct ort_type **ret_type))               \
    X(36, struct ort_status *, SessionGetInputName,                                                \
      (const struct ort_session *session, size_t index, struct ort_allocator *allocator,           \
       char **ret_name))                                                                           \
    X(37, struct ort_status *, SessionGetOutputName,                                               \
      (const struct ort_session *session, size_t index, struct ort_allocator *allocator,           \
       char **ret_name))                                                                           \
    X(49, struct ort_status *, CreateTensorWithDataAsOrtValue,                                     \
      (const struct ort_memory *memory, void *values, size_t bytes, const int64_t *shape,          \
       size_t dims, int element, struct ort_value **ret_value))                                    \
    X(50, struct ort_status *, IsTensor, (const struct ort_value *value, int *ret_is_tensor))      \
    X(51, struct ort_status *, GetTensorMutableData,                                               \
      (struct ort_value * value, void **ret_values))                                               \
    X(53, struct ort_status *, GetStringTensorDataLength,                                          \
      (const struct ort_value *value, size_t *ret_bytes))                                          \
    X(54, struct ort_status *, GetStringTensorContent,                                             \
      (const struct ort_value *value, void *out, size_t bytes, size_t *offsets, size_t count))     \
    X(55, struct ort_status *, CastTypeInfoToTensorInfo,                                           \
      (const struct ort_type *type, const struct ort_tensor **ret_tensor))                         \
    X(60, struct ort_status *, GetTensorElementType,                                               \
      (const struct ort_tensor *tensor, int *ret_element))                                         \
    X(61, struct ort_status *, GetDimensionsCount,                                                 \
      (const struct ort_tensor *tensor, size_t *ret_count))                                        \
    X(62, struct ort_status *, GetDimensions,                                                      \
      (const struct ort_tensor *tensor, int64_t *ret_shape, size_t count))                         \
    X(65, struct ort_status *, GetTensorTypeAndShape,                                              \
      (const struct ort_value *value, struct ort_tensor **ret_tensor))                             \
    X(69, struct ort_status *, CreateCpuMemoryInfo,                                                \
      (int allocator_type, int memory_type, struct ort_memory **ret_memory))                       \
    X(76, struct ort_status *, AllocatorFree, (struct ort_allocator * allocator, void *pointer))   \
    X(78, struct ort_status *, GetAllocatorWithDefaultOptions,                                     \
      (struct ort_allocator * *ret_allocator))                                                     \
    X(92, void, ReleaseEnv, (struct ort_env * env))                                                \
    X(93, void, ReleaseStatus, (struct ort_status * status))                                       \
    X(94, void, ReleaseMemoryInfo, (struct ort_memory * memory))                                   \
    X(95, void, ReleaseSession, (struct ort_session * session))                                    \
    X(96, void, ReleaseValue, (struct ort_value * value))                                          \
    X(98, void, ReleaseTypeInfo, (struct ort_type * type))                                         \
    X(99, void, ReleaseTensorTypeAndShapeInfo, (struct ort_tensor * tensor))                       \
    X(100, void, ReleaseSessionOptions, (struct ort_options * options))

struct onnx_functions {
#define ONNX_MEMBER(place, result, name, arguments) result(*name) arguments;
    ONNX_FUNCTIONS(ONNX_MEMBER)
#undef ONNX_MEMBER
};

/* ERR_UNSUPPORTED, with what to install, when the library is not there. It stays loaded. `path` may
 * be empty. */
MUST_USE err onnx_load(const char *path, struct onnx_functions *ret_functions);

#endif
