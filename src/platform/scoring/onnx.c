/* SPDX-License-Identifier: GPL-3.0-or-later */
/* onnx.c -- models that mlflow.onnx logs, on libonnxruntime.
 *
 * A model with one input gets all columns as one matrix, one with several gets each column that is
 * called like an input. What comes out has MLflow's shape: rows of an object each for a table, one
 * object of arrays for an array. A session may be run by many threads; each runs on its own.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "platform/scoring/flavour.h"
#include "platform/scoring/onnx_load.h"

enum { NAMES_BYTES_MAX = 4 * 1024 * 1024, PORTS_MAX = 1024, LOG_ERRORS = 3, ONE_THREAD = 1 };

struct library {
    struct onnx_functions ort;
    struct ort_env *env;
    struct ort_memory *memory;
    struct ort_allocator *allocator; /* not ours to free */
};

struct input_port {
    int element;
    size_t dims;
    int64_t shape[MLMODEL_DIMS_MAX];
};

struct onnx_model {
    const struct library *lib;
    struct ort_session *session;
    arena keep;
    size_t input_count, output_count;
    const char **input_names, **output_names;
    struct input_port *inputs;
};

/* Takes the status: NULL is fine. */
static err check(const struct library *lib, struct ort_status *status, enum err_code code,
                 const char *what)
{
    if (!status)
        return OK;
    str text = str_of(lib->ort.GetErrorMessage(status));
    err e = ERR(code, "%s: onnxruntime says: %.*s", what, STR_ARG(str_sub(text, 0, 150)));
    lib->ort.ReleaseStatus(status);
    return e;
}

static void close_library(void *library)
{
    struct library *lib = library;
    if (lib->memory)
        lib->ort.ReleaseMemoryInfo(lib->memory);
    if (lib->env)
        lib->ort.ReleaseEnv(lib->env);
    free(lib);
}

static err open_library(const char *path, void **ret_library)
{
    struct library *lib = calloc(1, sizeof *lib);
    if (!lib)
        return ERR(ERR_NO_MEMORY, "no memory to load libonnxruntime");
    err e = onnx_load(path, &lib->ort);
    if (e.code) {
        free(lib);
        return e;
    }
    const struct onnx_functions *ort = &lib->ort;
    e = check(lib, ort->CreateEnv(LOG_ERRORS, "skerry", &lib->env), ERR_INTERNAL, "starting");
    if (!e.code)
        e = check(lib, ort->CreateCpuMemoryInfo(0, 0, &lib->memory), ERR_INTERNAL, "its memory");
    if (!e.code)
        e = check(lib, ort->GetAllocatorWithDefaultOptions(&lib->allocator), ERR_INTERNAL,
                  "its memory");
    if (e.code)
        close_library(lib);
    else
        *ret_library = lib;
    return e;
}

/* ------------------------------------------------------------------ loading */

static err read_tensor(const struct library *lib, const struct ort_tensor *tensor, int *ret_element,
                       size_t *ret_dims, int64_t shape[MLMODEL_DIMS_MAX])
{
    const struct onnx_functions *ort = &lib->ort;
    TRY(check(lib, ort->GetTensorElementType(tensor, ret_element), ERR_INVALID, "a tensor"));
    TRY(check(lib, ort->GetDimensionsCount(tensor, ret_dims), ERR_INVALID, "a tensor"));
    if (*ret_dims > MLMODEL_DIMS_MAX)
        return ERR(ERR_UNSUPPORTED, "a tensor has %zu dimensions, at most %d are served", *ret_dims,
                   MLMODEL_DIMS_MAX);
    return check(lib, ort->GetDimensions(tensor, shape, *ret_dims), ERR_INVALID, "a tensor");
}

static err read_input(struct onnx_model *m, size_t index)
{
    const struct onnx_functions *ort = &m->lib->ort;
    struct input_port *in = &m->inputs[index];
    struct ort_type *type = NULL;
    const struct ort_tensor *tensor = NULL;
    TRY(check(m->lib, ort->SessionGetInputTypeInfo(m->session, index, &type), ERR_INVALID,
              "its inputs"));
    err e = check(m->lib, ort->CastTypeInfoToTensorInfo(type, &tensor), ERR_INVALID, "its inputs");
    if (!e.code)
        e = tensor ? read_tensor(m->lib, tensor, &in->element, &in->dims, in->shape)
                   : ERR(ERR_UNSUPPORTED, "input '%s' is no tensor", m->input_names[index]);
    ort->ReleaseTypeInfo(type);
    if (e.code)
        return e;
    bool known = in->element == ORT_FLOAT || in->element == ORT_DOUBLE ||
                 in->element == ORT_INT32 || in->element == ORT_INT64 || in->element == ORT_BOOL;
    return known ? OK
                 : ERR(ERR_UNSUPPORTED, "input '%s' is of ONNX's element type %d, not a number",
                       m->input_names[index], in->element);
}

typedef struct ort_status *(*name_fn)(const struct ort_session *session, size_t index,
                                      struct ort_allocator *allocator, char **ret_name);

static err read_names(struct onnx_model *m, size_t count, name_fn get, const char ***ret_names)
{
    if (count == 0 || count > PORTS_MAX)
        return ERR(ERR_UNSUPPORTED, "it has %zu inputs or outputs, 1 to %d are served", count,
                   PORTS_MAX);
    const char **names = NEW_ARRAY(&m->keep, const char *, count);
    ARENA_TRY(names);
    for (size_t i = 0; i < count; i++) {
        char *name = NULL;
        TRY(check(m->lib, get(m->session, i, m->lib->allocator, &name), ERR_INVALID, "its names"));
        names[i] = arena_cstr(&m->keep, str_of(name));
        TRY(check(m->lib, m->lib->ort.AllocatorFree(m->lib->allocator, name), ERR_INTERNAL,
                  "its names"));
        ARENA_TRY(names[i]);
    }
    *ret_names = names;
    return OK;
}

static err open_session(struct onnx_model *m, str bytes)
{
    const struct onnx_functions *ort = &m->lib->ort;
    struct ort_options *options = NULL;
    TRY(check(m->lib, ort->CreateSessionOptions(&options), ERR_INTERNAL, "its options"));
    err e = check(m->lib, ort->SetIntraOpNumThreads(options, ONE_THREAD), ERR_INTERNAL, "threads");
    if (!e.code)
        e = check(m->lib, ort->SetInterOpNumThreads(options, ONE_THREAD), ERR_INTERNAL, "threads");
    if (!e.code)
        e = check(m->lib, ort->SetSessionLogSeverityLevel(options, LOG_ERRORS), ERR_INTERNAL,
                  "its log");
    if (!e.code)
        e = check(
            m->lib,
            ort->CreateSessionFromArray(m->lib->env, bytes.ptr, bytes.len, options, &m->session),
            ERR_INVALID, "reading the model");
    ort->ReleaseSessionOptions(options);
    return e;
}

static err load_into(struct onnx_model *m, str bytes)
{
    const struct onnx_functions *ort = &m->lib->ort;
    TRY(open_session(m, bytes));
    TRY(check(m->lib, ort->SessionGetInputCount(m->session, &m->input_count), ERR_INVALID,
              "its inputs"));
    TRY(check(m->lib, ort->SessionGetOutputCount(m->session, &m->output_count), ERR_INVALID,
              "its outputs"));
    TRY(read_names(m, m->input_count, ort->SessionGetInputName, &m->input_names));
    TRY(read_names(m, m->output_count, ort->SessionGetOutputName, &m->output_names));
    m->inputs = NEW_ARRAY(&m->keep, struct input_port, m->input_count);
    ARENA_TRY(m->inputs);
    for (size_t i = 0; i < m->input_count; i++)
        TRY(read_input(m, i));
    return OK;
}

static void free_model(void *model)
{
    struct onnx_model *m = model;
    if (!m)
        return;
    if (m->session)
        m->lib->ort.ReleaseSession(m->session);
    arena_deinit(&m->keep);
    free(m);
}

static err load(void *library, const struct mlmodel *mlmodel, str bytes, void **ret_model)
{
    (void)mlmodel; /* its flavour names providers; this is the CPU's */
    struct onnx_model *m = calloc(1, sizeof *m);
    if (!m)
        return ERR(ERR_NO_MEMORY, "no memory to load a model");
    m->lib = library;
    arena_init(&m->keep, NAMES_BYTES_MAX);
    err e = load_into(m, bytes);
    if (e.code)
        free_model(m);
    else
        *ret_model = m;
    return e;
}

/* ------------------------------------------------------------------ inputs */

static size_t element_bytes(int element)
{
    return element == ORT_BOOL ? 1 : element == ORT_FLOAT || element == ORT_INT32 ? 4 : 8;
}

static err put_number(int element, double number, void *values, size_t at)
{
    bool is_integer = element == ORT_INT32 || element == ORT_INT64 || element == ORT_BOOL;
    if (is_integer && (number != floor(number) || fabs(number) > 9007199254740992.0))
        return ERR(ERR_INVALID, "the model takes integers, and %.17g is none", number);
    if (element == ORT_INT32 && fabs(number) > INT32_MAX)
        return ERR(ERR_INVALID, "the model takes integers of 32 bits, and %.17g is none", number);
    if (element == ORT_FLOAT)
        ((float *)values)[at] = (float)number;
    else if (element == ORT_DOUBLE)
        ((double *)values)[at] = number;
    else if (element == ORT_INT32)
        ((int32_t *)values)[at] = (int32_t)number;
    else if (element == ORT_INT64)
        ((int64_t *)values)[at] = (int64_t)number;
    else
        ((bool *)values)[at] = number != 0;
    return OK;
}

/* Columns from..from+count of the batch as the tensor of an input. */
static err make_tensor(const struct onnx_model *m, const struct input_port *in,
                       const struct score_batch *b, const double *numbers, size_t from,
                       size_t count, arena *keep, struct ort_value **ret_value)
{
    size_t total = b->rows * count, bytes = total * element_bytes(in->element);
    int64_t shape[2] = { (int64_t)b->rows, (int64_t)count };
    void *values = arena_alloc(keep, bytes + 8, 1, 8);
    ARENA_TRY(values);
    for (size_t i = 0; i < total; i++)
        TRY(put_number(in->element, numbers[i / count * b->columns + from + i % count], values, i));
    size_t dims = b->is_flat || (count == 1 && in->dims == 1) ? 1 : 2;
    return check(m->lib,
                 m->lib->ort.CreateTensorWithDataAsOrtValue(m->lib->memory, values, bytes, shape,
                                                            dims, in->element, ret_value),
                 ERR_INVALID, "reading the rows");
}

static err find_column(const struct score_batch *b, const char *name, size_t *ret_index)
{
    for (size_t k = 0; b->names && k < b->columns; k++) {
        if (str_eq(b->names[k], str_of(name))) {
            *ret_index = k;
            return OK;
        }
    }
    return ERR(ERR_INVALID, "the model has an input '%s', and no column is called so", name);
}

static err make_inputs(const struct onnx_model *m, const struct score_batch *b, arena *keep,
                       struct ort_value **values)
{
    double *numbers;
    TRY(batch_numbers(b, keep, &numbers));
    if (m->input_count == 1)
        return make_tensor(m, &m->inputs[0], b, numbers, 0, b->columns, keep, &values[0]);
    for (size_t i = 0; i < m->input_count; i++) {
        size_t k = 0;
        TRY(find_column(b, m->input_names[i], &k));
        TRY(make_tensor(m, &m->inputs[i], b, numbers, k, 1, keep, &values[i]));
    }
    return OK;
}

/* ------------------------------------------------------------------ outputs */

static err read_texts(const struct library *lib, const struct ort_value *value, size_t count,
                      arena *keep, struct output *o)
{
    size_t bytes = 0;
    str *texts = NEW_ARRAY(keep, str, count + 1);
    size_t *offsets = NEW_ARRAY(keep, size_t, count + 1);
    ARENA_TRY(texts && offsets);
    TRY(check(lib, lib->ort.GetStringTensorDataLength(value, &bytes), ERR_INTERNAL, "its texts"));
    char *all = NEW_ARRAY(keep, char, bytes + 1);
    ARENA_TRY(all);
    TRY(check(lib, lib->ort.GetStringTensorContent(value, all, bytes, offsets, count), ERR_INTERNAL,
              "its texts"));
    for (size_t i = 0; i < count; i++) {
        size_t end = i + 1 < count ? offsets[i + 1] : bytes;
        texts[i] = str_from(all + offsets[i], end - offsets[i]);
    }
    o->type = OUTPUT_TEXT;
    o->values = texts;
    return OK;
}

static err keep_values(const struct library *lib, struct ort_value *value, int element,
                       size_t count, arena *keep, struct output *o)
{
    void *values = NULL;
    if (element == ORT_STRING)
        return read_texts(lib, value, count, keep, o);
    TRY(check(lib, lib->ort.GetTensorMutableData(value, &values), ERR_INTERNAL, "its answer"));
    if (element == ORT_INT32) {
        int64_t *wide = NEW_ARRAY(keep, int64_t, count + 1);
        ARENA_TRY(wide);
        for (size_t i = 0; i < count; i++)
            wide[i] = ((const int32_t *)values)[i];
        o->type = OUTPUT_LONG;
        o->values = wide;
        return OK;
    }
    o->type = element == ORT_FLOAT    ? OUTPUT_FLOAT
              : element == ORT_DOUBLE ? OUTPUT_DOUBLE
              : element == ORT_BOOL   ? OUTPUT_BOOL
                                      : OUTPUT_LONG;
    void *copy = arena_alloc(keep, count + 1, element_bytes(element), 8);
    ARENA_TRY(copy);
    if (count)
        memcpy(copy, values, count * element_bytes(element));
    o->values = copy;
    return OK;
}

static err read_output(const struct onnx_model *m, size_t index, struct ort_value *value,
                       arena *keep, struct output *o)
{
    const struct onnx_functions *ort = &m->lib->ort;
    struct ort_tensor *tensor = NULL;
    int is_tensor = 0, element = 0;
    TRY(check(m->lib, ort->IsTensor(value, &is_tensor), ERR_INTERNAL, "its answer"));
    if (!is_tensor)
        return ERR(ERR_UNSUPPORTED,
                   "output '%s' is a list or map, not a tensor (of skl2onnx: export with "
                   "zipmap=False)",
                   m->output_names[index]);
    TRY(check(m->lib, ort->GetTensorTypeAndShape(value, &tensor), ERR_INTERNAL, "its answer"));
    err e = read_tensor(m->lib, tensor, &element, &o->dims, o->shape);
    ort->ReleaseTensorTypeAndShapeInfo(tensor);
    if (e.code)
        return e;
    bool known = element == ORT_FLOAT || element == ORT_DOUBLE || element == ORT_INT32 ||
                 element == ORT_INT64 || element == ORT_BOOL || element == ORT_STRING;
    if (!known)
        return ERR(ERR_UNSUPPORTED,
                   "output '%s' is of ONNX's element type %d, not a number or text",
                   m->output_names[index], element);
    size_t count = 1;
    for (size_t i = 0; i < o->dims; i++)
        count *= (size_t)o->shape[i];
    o->name = str_of(m->output_names[index]);
    return keep_values(m->lib, value, element, count, keep, o);
}

/* A table has a value of each output in each row. */
static err check_table(const struct prediction *p)
{
    size_t first = 1;
    for (size_t k = 0; k < p->count; k++) {
        size_t count = 1;
        for (size_t i = 0; i < p->outputs[k].dims; i++)
            count *= (size_t)p->outputs[k].shape[i];
        if (k && count != first)
            return ERR(ERR_INVALID,
                       "outputs '%.*s' and '%.*s' have different numbers of values and make no "
                       "table: log the model with a signature of tensors, and ask with 'inputs'",
                       STR_ARG(p->outputs[0].name), STR_ARG(p->outputs[k].name));
        first = count;
    }
    return OK;
}

static err predict_with(const struct onnx_model *m, const struct score_batch *in, arena *keep,
                        struct ort_value **inputs, struct ort_value **outputs,
                        struct prediction *ret_prediction)
{
    struct prediction p = { .count = m->output_count, .is_table = in->is_table };
    p.outputs = NEW_ARRAY(keep, struct output, m->output_count);
    ARENA_TRY(p.outputs);
    TRY(make_inputs(m, in, keep, inputs));
    TRY(check(m->lib,
              m->lib->ort.Run(m->session, NULL, m->input_names,
                              (const struct ort_value *const *)inputs, m->input_count,
                              m->output_names, m->output_count, outputs),
              ERR_INVALID, "predicting"));
    for (size_t i = 0; i < m->output_count; i++)
        TRY(read_output(m, i, outputs[i], keep, &p.outputs[i]));
    if (p.is_table)
        TRY(check_table(&p));
    *ret_prediction = p;
    return OK;
}

static err predict(const void *model, const struct score_batch *in, arena *keep,
                   struct prediction *ret_prediction)
{
    const struct onnx_model *m = model;
    struct ort_value **inputs = NEW_ARRAY(keep, struct ort_value *, m->input_count);
    struct ort_value **outputs = NEW_ARRAY(keep, struct ort_value *, m->output_count);
    ARENA_TRY(inputs && outputs);
    err e = predict_with(m, in, keep, inputs, outputs, ret_prediction);
    for (size_t i = 0; i < m->input_count; i++)
        if (inputs[i])
            m->lib->ort.ReleaseValue(inputs[i]);
    for (size_t i = 0; i < m->output_count; i++)
        if (outputs[i])
            m->lib->ort.ReleaseValue(outputs[i]);
    return e;
}

const struct flavour scoring_onnx = {
    .name = "onnx",
    .data = "flavors.onnx.data",
    .file = "model.onnx",
    .open = open_library,
    .close = close_library,
    .load = load,
    .predict = predict,
    .free = free_model,
};
