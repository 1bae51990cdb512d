/* SPDX-License-Identifier: GPL-3.0-or-later */
/* batch.c -- cells become what a signature says; answers become JSON. */
#include "platform/scoring/batch.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"

enum { SHOWN_BYTES = 60, MISSING_BYTES = 160 };

static const double LONG_END = 9223372036854775808.0; /* 2^63 */

/* ------------------------------------------------------------------ values */

/* A number as Python's float() reads it, of which JSON and CSV carry what str_to_f64 takes. */
static bool text_number(str text, double *ret_value)
{
    text = str_trim(text);
    bool minus = text.len && text.ptr[0] == '-';
    str word = text.len && (minus || text.ptr[0] == '+') ? str_sub(text, 1, text.len) : text;
    if (str_eq_nocase(word, STR("nan"))) {
        *ret_value = NAN;
        return true;
    }
    if (str_eq_nocase(word, STR("inf")) || str_eq_nocase(word, STR("infinity"))) {
        *ret_value = minus ? -INFINITY : INFINITY;
        return true;
    }
    return !str_to_f64(text, ret_value).code;
}

static bool to_double(struct cell *c)
{
    double real = NAN;
    switch (c->kind) {
    case CELL_NULL:
        break;
    case CELL_BOOL:
        real = c->truth;
        break;
    case CELL_INT:
        real = (double)c->integer;
        break;
    case CELL_REAL:
        return true;
    case CELL_TEXT:
        if (!text_number(c->text, &real))
            return false;
        break;
    case CELL_OTHER:
        return false;
    }
    *c = (struct cell){ .kind = CELL_REAL, .real = real };
    return true;
}

/* Fractions are cut off, as numpy does it; what no integer can say is refused. */
static bool to_integer(struct cell *c, int64_t min, int64_t max)
{
    int64_t integer = 0;
    switch (c->kind) {
    case CELL_NULL:
    case CELL_OTHER:
        return false;
    case CELL_BOOL:
        integer = c->truth;
        break;
    case CELL_INT:
        integer = c->integer;
        break;
    case CELL_REAL:
        if (!(c->real >= -LONG_END && c->real < LONG_END))
            return false;
        integer = (int64_t)c->real;
        break;
    case CELL_TEXT:
        if (str_to_i64(str_trim(c->text), &integer).code)
            return false;
        break;
    }
    *c = (struct cell){ .kind = CELL_INT, .integer = integer };
    return integer >= min && integer <= max;
}

static bool to_bool(struct cell *c)
{
    bool truth = false;
    switch (c->kind) {
    case CELL_BOOL:
        return true;
    case CELL_INT:
        truth = c->integer != 0;
        break;
    case CELL_REAL:
        truth = c->real != 0;
        break;
    case CELL_TEXT:
        truth = str_eq_nocase(c->text, STR("true"));
        if (!truth && !str_eq_nocase(c->text, STR("false")))
            return false;
        break;
    case CELL_NULL:
    case CELL_OTHER:
        return false;
    }
    *c = (struct cell){ .kind = CELL_BOOL, .truth = truth };
    return true;
}

static bool to_column(struct cell *c, enum column_type type)
{
    switch (type) {
    case COLUMN_BOOLEAN:
        return to_bool(c);
    case COLUMN_INTEGER:
        return to_integer(c, INT32_MIN, INT32_MAX);
    case COLUMN_LONG:
        return to_integer(c, INT64_MIN, INT64_MAX);
    case COLUMN_FLOAT:
    case COLUMN_DOUBLE:
        return to_double(c);
    case COLUMN_STRING:
        return c->kind != CELL_OTHER;
    case COLUMN_OTHER:
        break;
    }
    return false;
}

static void show(const struct cell *c, char *out, size_t bytes)
{
    if (c->kind == CELL_TEXT)
        snprintf(out, bytes, "'%.*s'", STR_ARG(str_sub(c->text, 0, SHOWN_BYTES)));
    else if (c->kind == CELL_INT)
        snprintf(out, bytes, "%lld", (long long)c->integer);
    else if (c->kind == CELL_REAL)
        snprintf(out, bytes, "%.17g", c->real);
    else
        snprintf(out, bytes, "%s",
                 c->kind == CELL_OTHER  ? "a list or object"
                 : c->kind == CELL_NULL ? "null"
                 : c->truth             ? "true"
                                        : "false");
}

/* ------------------------------------------------------------------ columns */

static bool find_column(const struct score_batch *b, str name, size_t hint, size_t *ret_index)
{
    if (b->names && hint < b->columns && str_eq(b->names[hint], name)) {
        *ret_index = hint;
        return true;
    }
    for (size_t k = 0; b->names && k < b->columns; k++) {
        if (str_eq(b->names[k], name)) {
            *ret_index = k;
            return true;
        }
    }
    return false;
}

static err cast_column(struct score_batch *b, size_t k, const struct column_spec *spec)
{
    for (size_t i = 0; i < b->rows; i++) {
        struct cell *c = &b->cells[i * b->columns + k], before = *c;
        if (to_column(c, spec->type))
            continue;
        char shown[SHOWN_BYTES + 4];
        show(&before, shown, sizeof shown);
        return ERR(ERR_INVALID, "column '%.*s' is of type %s, which %s in row %zu is not",
                   STR_ARG(str_sub(spec->name.len || !b->names ? spec->name : b->names[k], 0,
                                   SHOWN_BYTES)),
                   column_type_name(spec->type), shown, i);
    }
    return OK;
}

err batch_cast(struct score_batch *b, const struct signature *s)
{
    struct column_spec number = { .type = COLUMN_DOUBLE };
    for (size_t k = 0; s->is_tensor && k < b->columns; k++)
        TRY(cast_column(b, k, &number));
    for (size_t i = 0; !s->is_tensor && i < s->column_count; i++) {
        size_t k = i;
        bool there = s->is_named ? find_column(b, s->columns[i].name, i, &k) : i < b->columns;
        if (there)
            TRY(cast_column(b, k, &s->columns[i]));
    }
    return OK;
}

static err missing(const struct score_batch *b, const struct signature *s)
{
    char names[MISSING_BYTES] = "";
    size_t used = 0, k;
    for (size_t i = 0; i < s->column_count && used < sizeof names - 1; i++) {
        const struct column_spec *c = &s->columns[i];
        if (c->is_optional || find_column(b, c->name, i, &k))
            continue;
        int n = snprintf(names + used, sizeof names - used, "%s'%.*s'", used ? ", " : "",
                         STR_ARG(str_sub(c->name, 0, SHOWN_BYTES)));
        used += n > 0 ? (size_t)n : 0;
    }
    return used ? ERR(ERR_INVALID, "Model is missing inputs [%s]%s", names,
                      b->names ? "" : ": the columns of the request have no names")
                : OK;
}

static err tensor_fits(const struct score_batch *b, const struct signature *s)
{
    size_t dims = b->is_flat ? 1 : 2;
    bool fits = s->dims == dims && (s->shape[0] == -1 || s->shape[0] == (int64_t)b->rows) &&
                (dims == 1 || s->shape[1] == -1 || s->shape[1] == (int64_t)b->columns);
    if (!fits)
        return ERR(ERR_INVALID,
                   "the model wants a tensor of %zu dimensions, the last of %lld; the request has "
                   "%zu dimensions: %zu rows of %zu values",
                   s->dims, s->dims ? (long long)s->shape[s->dims - 1] : 0, dims, b->rows,
                   b->columns);
    return OK;
}

err batch_choose(struct score_batch *b, const struct signature *s, arena *keep)
{
    if (!s->is_given)
        return OK;
    if (s->is_tensor) {
        if (b->names && !b->is_table)
            return ERR(ERR_INVALID, "the model wants a tensor without names: send rows as lists");
        b->names = NULL;
        b->is_table = false;
        return tensor_fits(b, s);
    }
    b->is_table = true;
    if (!s->is_named)
        return OK;
    TRY(missing(b, s));
    size_t *from = NEW_ARRAY(keep, size_t, s->column_count + 1), count = 0;
    str *names = NEW_ARRAY(keep, str, s->column_count + 1);
    ARENA_TRY(from && names);
    bool same = true;
    for (size_t i = 0; i < s->column_count; i++) {
        if (!find_column(b, s->columns[i].name, i, &from[count]))
            continue;
        same = same && from[count] == count;
        names[count++] = s->columns[i].name;
    }
    if (!same || count != b->columns) {
        struct cell *cells = NEW_ARRAY(keep, struct cell, b->rows * count + 1);
        ARENA_TRY(cells);
        for (size_t i = 0; i < b->rows; i++)
            for (size_t k = 0; k < count; k++)
                cells[i * count + k] = b->cells[i * b->columns + from[k]];
        b->cells = cells;
        b->columns = count;
    }
    b->names = names;
    return OK;
}

err batch_numbers(const struct score_batch *b, arena *keep, double **ret_numbers)
{
    size_t count = b->rows * b->columns;
    double *numbers = NEW_ARRAY(keep, double, count + 1);
    ARENA_TRY(numbers);
    for (size_t i = 0; i < count; i++) {
        struct cell c = b->cells[i];
        if (c.kind == CELL_TEXT || !to_double(&c))
            return ERR(ERR_INVALID, "column %zu, row %zu is %s, and the model takes numbers",
                       i % b->columns, i / b->columns,
                       c.kind == CELL_TEXT ? "a text" : "a list or object");
        numbers[i] = c.real;
    }
    *ret_numbers = numbers;
    return OK;
}

/* ------------------------------------------------------------------ answers */

static void write_value(const struct output *o, size_t index, struct json_out *out)
{
    switch (o->type) {
    case OUTPUT_FLOAT:
        json_out_real(out, (double)((const float *)o->values)[index]);
        break;
    case OUTPUT_DOUBLE:
        json_out_real(out, ((const double *)o->values)[index]);
        break;
    case OUTPUT_LONG:
        json_out_int(out, ((const int64_t *)o->values)[index]);
        break;
    case OUTPUT_BOOL:
        json_out_bool(out, ((const bool *)o->values)[index]);
        break;
    case OUTPUT_TEXT:
        json_out_str(out, ((const str *)o->values)[index]);
        break;
    }
}

/* Lists in lists, MLMODEL_DIMS_MAX deep at most. */
static void write_dims(const struct output *o, size_t dim, size_t *index, struct json_out *out)
{
    if (dim == o->dims) {
        write_value(o, (*index)++, out);
        return;
    }
    json_array_begin(out);
    for (int64_t i = 0; i < o->shape[dim]; i++)
        write_dims(o, dim + 1, index, out);
    json_array_end(out);
}

static size_t values_of(const struct output *o)
{
    size_t count = 1;
    for (size_t i = 0; i < o->dims; i++)
        count *= (size_t)o->shape[i];
    return count;
}

static void write_table(const struct prediction *p, struct json_out *out)
{
    size_t rows = p->count ? values_of(&p->outputs[0]) : 0;
    json_array_begin(out);
    for (size_t i = 0; i < rows; i++) {
        json_object_begin(out);
        for (size_t k = 0; k < p->count; k++) {
            json_key_str(out, p->outputs[k].name);
            write_value(&p->outputs[k], i, out);
        }
        json_object_end(out);
    }
    json_array_end(out);
}

void prediction_write(const struct prediction *p, struct json_out *out)
{
    size_t index = 0;
    if (p->count == 1 && p->outputs[0].name.len == 0) {
        write_dims(&p->outputs[0], 0, &index, out);
        return;
    }
    if (p->is_table) {
        write_table(p, out);
        return;
    }
    json_object_begin(out);
    for (size_t k = 0; k < p->count; k++) {
        json_key_str(out, p->outputs[k].name);
        index = 0;
        write_dims(&p->outputs[k], 0, &index, out);
    }
    json_object_end(out);
}
