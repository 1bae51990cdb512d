/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Scoring requests from strangers. The first byte says whether the rest is JSON or CSV, and which
 * signature it meets. */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "platform/scoring/batch.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_cells(const struct score_batch *b)
{
    size_t sum = 0;
    for (size_t i = 0; i < b->rows * b->columns; i++)
        if (b->cells[i].kind == CELL_TEXT)
            for (size_t k = 0; k < b->cells[i].text.len; k++)
                sum += (unsigned char)b->cells[i].text.ptr[k];
    for (size_t k = 0; b->names && k < b->columns; k++)
        sum += b->names[k].len ? (unsigned char)b->names[k].ptr[0] : 0;
    if (sum == SIZE_MAX)
        abort();
}

/* What fits a signature of columns has them all, in order, as what they are. */
static void check_fit(const struct score_batch *b, const struct signature *s)
{
    if (s->is_named && b->columns > s->column_count)
        abort();
    for (size_t i = 0; s->is_named && i < b->rows * b->columns; i++)
        if (b->cells[i].kind != CELL_REAL && b->cells[i].kind != CELL_INT)
            abort();
}

static void write_back(const struct score_batch *b, const double *numbers, arena *keep)
{
    struct output o = { .type = OUTPUT_DOUBLE,
                        .dims = 2,
                        .shape = { (int64_t)b->rows, (int64_t)b->columns },
                        .values = numbers };
    struct prediction p = { .outputs = &o, .count = 1 };
    struct buf out;
    struct json_out w;
    const struct json *root;
    buf_init(&out, 64 * 1024 * 1024);
    json_out_init(&w, &out);
    prediction_write(&p, &w);
    if (!buf_check(&out).code && json_parse(keep, buf_str(&out), &root).code == ERR_INVALID)
        abort();
    buf_deinit(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct column_spec columns[] = {
        { .name = STR_INIT("a"), .type = COLUMN_DOUBLE },
        { .name = STR_INIT("b"), .type = COLUMN_LONG },
        { .name = STR_INIT("c"), .type = COLUMN_INTEGER, .is_optional = true }
    };
    static const struct signature signatures[] = {
        { .is_given = false },
        { .is_given = true, .is_named = true, .columns = columns, .column_count = 3 },
        { .is_given = true, .is_tensor = true, .shape = { -1, 2 }, .dims = 2 },
        { .is_given = true, .columns = columns, .column_count = 2 },
    };
    arena keep;
    struct score_batch b;
    double *numbers;
    if (size == 0)
        return 0;
    const struct signature *s = &signatures[(data[0] >> 1) % 4];
    char *copy = malloc(size);
    memcpy(copy, data + 1, size - 1);
    str text = str_from(copy, size - 1);
    arena_init(&keep, 64 * 1024 * 1024);
    err e = data[0] & 1 ? batch_read_csv(text, &keep, &b) : batch_read_json(text, &keep, &b);
    if (!e.code) {
        check_cells(&b);
        if (!s->is_given)
            batch_infer(&b);
        e = batch_cast(&b, s);
        if (!e.code)
            e = batch_choose(&b, s, &keep);
        if (!e.code)
            check_fit(&b, s);
        if (!e.code && !batch_numbers(&b, &keep, &numbers).code && b.rows * b.columns < 10000)
            write_back(&b, numbers, &keep);
    }
    arena_deinit(&keep);
    free(copy);
    return 0;
}
