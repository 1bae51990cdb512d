/* SPDX-License-Identifier: GPL-3.0-or-later */
/* batch_json.c -- the four JSON shapes of a scoring request. */
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/map.h"
#include "platform/scoring/batch.h"

enum { JSON_BYTES_MAX = 64 * 1024 * 1024, SHOWN_BYTES = 60 };

/* ------------------------------------------------------------------ JSON with NaN */

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/* Copies `text` with null for each NaN outside of strings: Python writes it for what is missing. */
static void without_nan(str text, struct buf *out)
{
    bool in_string = false;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (in_string && c == '\\' && i + 1 < text.len) {
            buf_add_bytes(out, text.ptr + i++, 2);
            continue;
        }
        if (c == '"')
            in_string = !in_string;
        bool nan = !in_string && str_starts(str_sub(text, i, 3), STR("NaN")) &&
                   (i == 0 || !is_word(text.ptr[i - 1])) &&
                   (i + 3 == text.len || !is_word(text.ptr[i + 3]));
        if (nan) {
            buf_add(out, STR("null"));
            i += 2;
        } else {
            buf_add_char(out, c);
        }
    }
}

static err parse(str text, arena *keep, const struct json **ret_root)
{
    struct buf changed;
    err e = json_parse(keep, text, ret_root);
    if (!e.code || !str_contains(text, STR("NaN")))
        return e;
    buf_init(&changed, JSON_BYTES_MAX);
    without_nan(text, &changed);
    e = buf_check(&changed);
    if (!e.code)
        e = json_parse(keep, buf_str(&changed), ret_root);
    buf_deinit(&changed);
    return e;
}

/* ------------------------------------------------------------------ cells */

static struct cell cell_of(const struct json *node)
{
    switch (json_kind(node)) {
    case JSON_IS_NONE:
    case JSON_IS_NULL:
        break;
    case JSON_IS_BOOL:
        return (struct cell){ .kind = CELL_BOOL, .truth = json_bool(node, false) };
    case JSON_IS_INT:
        return (struct cell){ .kind = CELL_INT, .integer = json_int(node, 0) };
    case JSON_IS_REAL:
        return (struct cell){ .kind = CELL_REAL, .real = json_num(node, 0) };
    case JSON_IS_STR:
        return (struct cell){ .kind = CELL_TEXT, .text = json_str(node, STR_NONE) };
    case JSON_IS_ARRAY:
    case JSON_IS_OBJECT:
        return (struct cell){ .kind = CELL_OTHER };
    }
    return (struct cell){ .kind = CELL_NULL };
}

static err make(struct score_batch *b, arena *keep)
{
    if (b->columns > BATCH_COLUMNS_MAX || (b->columns && b->rows > BATCH_CELLS_MAX / b->columns))
        return ERR(ERR_TOO_BIG,
                   "%zu rows of %zu columns: at most %d columns and %d values are "
                   "taken at once",
                   b->rows, b->columns, BATCH_COLUMNS_MAX, BATCH_CELLS_MAX);
    b->cells = NEW_ARRAY(keep, struct cell, b->rows * b->columns + 1);
    ARENA_TRY(b->cells);
    return OK;
}

static struct cell *cell_at(const struct score_batch *b, size_t row, size_t column)
{
    return &b->cells[row * b->columns + column];
}

static size_t widest(const struct json *rows)
{
    size_t width = 0;
    for (size_t i = 0; i < json_count(rows); i++) {
        const struct json *row = json_at(rows, i);
        size_t count = json_kind(row) == JSON_IS_ARRAY ? json_count(row) : 1;
        width = count > width ? count : width;
    }
    return width;
}

/* Lists of values, or values. Rows that are too short end in nulls. */
static err read_rows(const struct json *rows, arena *keep, struct score_batch *b)
{
    b->rows = json_count(rows);
    b->columns = widest(rows);
    TRY(make(b, keep));
    for (size_t i = 0; i < b->rows; i++) {
        const struct json *row = json_at(rows, i);
        bool is_list = json_kind(row) == JSON_IS_ARRAY;
        for (size_t k = 0; k < b->columns; k++)
            *cell_at(b, i, k) = is_list ? cell_of(json_at(row, k)) : cell_of(k ? NULL : row);
    }
    return OK;
}

/* ------------------------------------------------------------------ records */

/* Names in the order in which they first appear. */
struct names {
    str *list;
    size_t count, room;
    arena *keep;
};

static err names_at(struct names *n, str name, size_t hint, size_t *ret_index)
{
    if (hint < n->count && str_eq(n->list[hint], name)) { /* records mostly look the same */
        *ret_index = hint;
        return OK;
    }
    for (size_t i = 0; i < n->count; i++) {
        if (str_eq(n->list[i], name)) {
            *ret_index = i;
            return OK;
        }
    }
    if (n->count == BATCH_COLUMNS_MAX)
        return ERR(ERR_TOO_BIG, "records have more than %d names", BATCH_COLUMNS_MAX);
    if (n->count == n->room) {
        size_t room = n->room ? 2 * n->room : 32;
        str *grown = NEW_ARRAY(n->keep, str, room);
        ARENA_TRY(grown);
        if (n->count)
            memcpy(grown, n->list, n->count * sizeof *grown);
        n->list = grown;
        n->room = room;
    }
    n->list[n->count] = name;
    *ret_index = n->count++;
    return OK;
}

/* Calls for each member of each record: counts names first, then fills cells. */
static err walk_records(const struct json *records, struct names *names, struct score_batch *fill)
{
    for (size_t i = 0; i < json_count(records); i++) {
        void *iter = NULL;
        str key;
        const struct json *value;
        size_t hint = 0, index = 0;
        while (json_next(json_at(records, i), &iter, &key, &value)) {
            TRY(names_at(names, key, hint, &index));
            hint = index + 1;
            if (fill)
                *cell_at(fill, i, index) = cell_of(value);
        }
    }
    return OK;
}

static bool are_records(const struct json *list)
{
    size_t count = json_count(list);
    for (size_t i = 0; i < count; i++)
        if (json_kind(json_at(list, i)) != JSON_IS_OBJECT)
            return false;
    return count > 0;
}

static err read_records(const struct json *records, arena *keep, struct score_batch *b)
{
    struct names names = { .keep = keep };
    TRY(walk_records(records, &names, NULL));
    b->rows = json_count(records);
    b->columns = names.count;
    b->names = names.list;
    TRY(make(b, keep));
    return walk_records(records, &names, b);
}

/* {"a": [1, 2], "b": [3, 4]}, or {"a": 1, "b": 3}: one row. */
static err read_columns(const struct json *object, arena *keep, struct score_batch *b)
{
    void *iter = NULL;
    str key;
    const struct json *value;
    bool lists = false, scalars = false;
    b->columns = json_count(object);
    b->names = NEW_ARRAY(keep, str, b->columns + 1);
    ARENA_TRY(b->names);
    while (json_next(object, &iter, &key, &value)) {
        bool is_list = json_kind(value) == JSON_IS_ARRAY;
        size_t rows = is_list ? json_count(value) : 1;
        if ((lists || scalars) && (rows != b->rows || lists != is_list))
            return ERR(ERR_INVALID, "column '%.*s' has another number of values than those before",
                       STR_ARG(str_sub(key, 0, SHOWN_BYTES)));
        lists = is_list;
        scalars = !is_list;
        b->rows = rows;
    }
    TRY(make(b, keep));
    iter = NULL;
    for (size_t k = 0; json_next(object, &iter, &key, &value); k++) {
        b->names[k] = key;
        for (size_t i = 0; i < b->rows; i++)
            *cell_at(b, i, k) = cell_of(lists ? json_at(value, i) : value);
    }
    return OK;
}

/* ------------------------------------------------------------------ shapes */

static err read_split(const struct json *split, arena *keep, struct score_batch *b)
{
    void *iter = NULL;
    str key;
    const struct json *value, *data = json_get(split, "data"),
                              *columns = json_get(split, "columns");
    if (json_kind(split) != JSON_IS_OBJECT)
        return ERR(ERR_INVALID, "dataframe_split must be an object with 'columns' and 'data'");
    while (json_next(split, &iter, &key, &value))
        if (!str_eq(key, STR("columns")) && !str_eq(key, STR("data")) && !str_eq(key, STR("index")))
            return ERR(ERR_INVALID, "dataframe_split has 'data', 'columns' and 'index', not '%.*s'",
                       STR_ARG(str_sub(key, 0, SHOWN_BYTES)));
    if (json_kind(data) != JSON_IS_ARRAY)
        return ERR(ERR_INVALID, "dataframe_split needs 'data', a list of rows");
    TRY(read_rows(data, keep, b));
    if (json_kind(columns) <= JSON_IS_NULL)
        return OK;
    if (json_kind(columns) != JSON_IS_ARRAY || (b->rows && json_count(columns) != b->columns))
        return ERR(ERR_INVALID, "dataframe_split has %zu columns, but rows of %zu values",
                   json_count(columns), b->columns);
    b->columns = json_count(columns);
    b->names = NEW_ARRAY(keep, str, b->columns + 1);
    ARENA_TRY(b->names);
    for (size_t k = 0; k < b->columns; k++)
        b->names[k] = json_str(json_at(columns, k), STR_NONE);
    return OK;
}

static err read_list(const struct json *list, arena *keep, struct score_batch *b)
{
    if (are_records(list))
        return read_records(list, keep, b);
    TRY(read_rows(list, keep, b));
    b->is_flat = json_count(list) && json_kind(json_at(list, 0)) != JSON_IS_ARRAY;
    return OK;
}

static err read_instances(const struct json *list, arena *keep, struct score_batch *b)
{
    if (json_kind(list) != JSON_IS_ARRAY)
        return ERR(ERR_INVALID, "instances must be a list of rows or of objects");
    for (size_t i = 1; are_records(list) && i < json_count(list); i++)
        if (json_count(json_at(list, i)) != json_count(json_at(list, 0)))
            return ERR(ERR_INVALID, "instances %zu has not as many names as instances 0", i);
    return read_list(list, keep, b);
}

static err read_inputs(const struct json *inputs, arena *keep, struct score_batch *b)
{
    switch (json_kind(inputs)) {
    case JSON_IS_OBJECT:
        return read_columns(inputs, keep, b);
    case JSON_IS_ARRAY:
        return read_list(inputs, keep, b);
    case JSON_IS_NONE:
    case JSON_IS_NULL:
        return ERR(ERR_INVALID, "inputs is null");
    case JSON_IS_BOOL:
    case JSON_IS_INT:
    case JSON_IS_REAL:
    case JSON_IS_STR:
        break;
    }
    b->rows = b->columns = 1;
    b->is_flat = true;
    TRY(make(b, keep));
    *cell_at(b, 0, 0) = cell_of(inputs);
    return OK;
}

err batch_read_json(str text, arena *keep, struct score_batch *ret_batch)
{
    static const char *const shapes[] = { "dataframe_split", "dataframe_records", "instances",
                                          "inputs" };
    const struct json *root, *found = NULL;
    size_t shape = 0, count = 0;
    struct score_batch b = { .rows = 0 };
    TRY(parse(text, keep, &root));
    for (size_t i = 0; i < COUNT_OF(shapes); i++) {
        const struct json *node = json_get(root, shapes[i]);
        if (json_kind(node) != JSON_IS_NONE) {
            found = node;
            shape = i;
            count++;
        }
    }
    if (count != 1)
        return ERR(ERR_INVALID,
                   "the body must be a JSON object with exactly one of 'dataframe_split', "
                   "'dataframe_records', 'instances' and 'inputs'; this one has %zu of them",
                   count);
    b.is_table = shape <= 1;
    if (shape == 1 && json_kind(found) != JSON_IS_ARRAY)
        return ERR(ERR_INVALID, "dataframe_records must be a list of objects");
    if (shape == 0)
        TRY(read_split(found, keep, &b));
    else if (shape == 1)
        TRY(read_list(found, keep, &b));
    else if (shape == 2)
        TRY(read_instances(found, keep, &b));
    else
        TRY(read_inputs(found, keep, &b));
    *ret_batch = b;
    return OK;
}
