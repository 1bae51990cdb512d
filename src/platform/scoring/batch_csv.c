/* SPDX-License-Identifier: GPL-3.0-or-later */
/* batch_csv.c -- a scoring request as CSV: a header, then a row a line, as pandas reads it. */
#include <string.h>

#include "base/buf.h"
#include "platform/scoring/batch.h"

/* Reads fields; a quoted one may hold commas, line breaks, and "" for a quote. */
struct csv {
    str rest;
    arena *keep;
    size_t line;
    bool row_ends; /* behind the field that was read */
};

static err quoted_field(struct csv *c, str *ret_field)
{
    struct buf out;
    size_t i = 1;
    buf_init(&out, c->rest.len + 1);
    for (;; i++) {
        if (i >= c->rest.len) {
            buf_deinit(&out);
            return ERR(ERR_INVALID, "line %zu: a field in quotes does not end", c->line);
        }
        if (c->rest.ptr[i] == '"') {
            if (i + 1 >= c->rest.len || c->rest.ptr[i + 1] != '"')
                break;
            i++;
        }
        c->line += c->rest.ptr[i] == '\n';
        buf_add_char(&out, c->rest.ptr[i]);
    }
    *ret_field = arena_str(c->keep, buf_str(&out));
    err e = err_first(buf_check(&out), arena_check(c->keep));
    buf_deinit(&out);
    c->rest = str_sub(c->rest, i + 1, c->rest.len);
    return e;
}

static err next_field(struct csv *c, str *ret_field)
{
    str field = STR_NONE;
    size_t end = 0;
    if (c->rest.len && c->rest.ptr[0] == '"')
        TRY(quoted_field(c, &field));
    while (end < c->rest.len && c->rest.ptr[end] != ',' && c->rest.ptr[end] != '\n' &&
           c->rest.ptr[end] != '\r')
        end++;
    if (field.ptr == NULL)
        field = str_sub(c->rest, 0, end);
    c->row_ends = end == c->rest.len || c->rest.ptr[end] != ',';
    if (end < c->rest.len && c->rest.ptr[end] == '\r' && end + 1 < c->rest.len &&
        c->rest.ptr[end + 1] == '\n')
        end++;
    if (c->row_ends)
        c->line++;
    c->rest = str_sub(c->rest, end + 1, c->rest.len);
    *ret_field = field;
    return OK;
}

static bool is_null(str field)
{
    static const char *const words[] = {
        "",        "NA",      "NaN",  "nan",  "null",     "NULL",     "None",
        "N/A",     "n/a",     "#N/A", "<NA>", "-nan",     "#N/A N/A", "1.#IND",
        "-1.#IND", "1.#QNAN", "#NA",  "-NaN", "-1.#QNAN",
    };
    for (size_t i = 0; i < COUNT_OF(words); i++)
        if (str_eq(field, str_of(words[i])))
            return true;
    return false;
}

static struct cell cell_of(str field)
{
    struct cell c = { .kind = CELL_TEXT, .text = field };
    if (is_null(field))
        c.kind = CELL_NULL;
    return c;
}

/* A column in which all is a number, or all is True and False, is no column of texts. */
static void infer(struct score_batch *b, size_t column)
{
    size_t numbers = 0, truths = 0, texts = 0;
    double real;
    for (size_t i = 0; i < b->rows; i++) {
        const struct cell *c = &b->cells[i * b->columns + column];
        if (c->kind != CELL_TEXT)
            continue;
        bool truth = str_eq_nocase(c->text, STR("true")) || str_eq_nocase(c->text, STR("false"));
        err e = str_to_f64(str_trim(c->text), &real);
        numbers += !e.code;
        truths += truth;
        texts += e.code && !truth;
    }
    if (texts || (numbers && truths))
        return;
    for (size_t i = 0; i < b->rows; i++) {
        struct cell *c = &b->cells[i * b->columns + column];
        if (c->kind != CELL_TEXT)
            continue;
        if (truths)
            *c = (struct cell){ .kind = CELL_BOOL, .truth = (c->text.ptr[0] | 32) == 't' };
        else if (!str_to_f64(str_trim(c->text), &real).code)
            *c = (struct cell){ .kind = CELL_REAL, .real = real };
    }
}

void batch_infer(struct score_batch *b)
{
    for (size_t k = 0; b->is_text && k < b->columns; k++)
        infer(b, k);
    b->is_text = false;
}

static err read_header(struct csv *c, struct score_batch *b)
{
    str fields[64], field;
    size_t room = COUNT_OF(fields);
    str *names = fields;
    do {
        TRY(next_field(c, &field));
        if (b->columns == BATCH_COLUMNS_MAX)
            return ERR(ERR_TOO_BIG, "the header has more than %d columns", BATCH_COLUMNS_MAX);
        if (b->columns == room) {
            str *grown = NEW_ARRAY(c->keep, str, 2 * room);
            ARENA_TRY(grown);
            memcpy(grown, names, room * sizeof *grown);
            names = grown;
            room *= 2;
        }
        names[b->columns++] = field;
    } while (!c->row_ends);
    b->names = NEW_ARRAY(c->keep, str, b->columns);
    ARENA_TRY(b->names);
    memcpy(b->names, names, b->columns * sizeof *names);
    return OK;
}

static err read_row(struct csv *c, struct score_batch *b)
{
    size_t k = 0, line = c->line;
    str field;
    do {
        TRY(next_field(c, &field));
        if (k == b->columns)
            return ERR(ERR_INVALID, "line %zu has more fields than the header, which has %zu", line,
                       b->columns);
        b->cells[b->rows * b->columns + k++] = cell_of(field);
    } while (!c->row_ends);
    b->rows++;
    return OK;
}

static size_t count_lines(str text)
{
    size_t lines = 1;
    for (size_t i = 0; i < text.len; i++)
        lines += text.ptr[i] == '\n' || text.ptr[i] == '\r';
    return lines;
}

static void skip_empty_lines(struct csv *c)
{
    while (c->rest.len && (c->rest.ptr[0] == '\n' || c->rest.ptr[0] == '\r')) {
        c->line += c->rest.ptr[0] == '\n';
        c->rest = str_sub(c->rest, 1, c->rest.len);
    }
}

err batch_read_csv(str text, arena *keep, struct score_batch *ret_batch)
{
    struct score_batch b = { .is_table = true, .is_text = true };
    struct csv c = { .rest = text, .keep = keep, .line = 1 };
    if (str_starts(c.rest, STR("\xef\xbb\xbf")))
        c.rest = str_sub(c.rest, 3, c.rest.len);
    skip_empty_lines(&c);
    if (c.rest.len == 0)
        return ERR(ERR_INVALID, "the body is empty: a header and rows were expected");
    TRY(read_header(&c, &b));
    size_t lines = count_lines(c.rest);
    if (lines > BATCH_CELLS_MAX / b.columns)
        return ERR(ERR_TOO_BIG, "%zu lines of %zu columns: at most %d values are taken at once",
                   lines, b.columns, BATCH_CELLS_MAX);
    b.cells = NEW_ARRAY(keep, struct cell, lines * b.columns);
    ARENA_TRY(b.cells);
    for (skip_empty_lines(&c); c.rest.len; skip_empty_lines(&c))
        TRY(read_row(&c, &b));
    *ret_batch = b;
    return OK;
}
