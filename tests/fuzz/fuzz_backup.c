/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a backup folder holds, as any disk may give it back: the first byte says which. A manifest
 * that is taken can be written and is taken again, and no file in it has a path; rows that are
 * taken give the same bytes. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "platform/move/manifest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ARENA_BYTES = 64 * 1024 * 1024 };

static void manifest_twice(str text)
{
    arena keep;
    struct manifest m, again;
    struct buf out;
    arena_init(&keep, ARENA_BYTES);
    buf_init(&out, ARENA_BYTES);
    err e = manifest_parse(&keep, text, &m);
    if (!e.code) {
        for (size_t i = 0; i < m.file_count; i++)
            assert(str_find_char(m.files[i].name, '/') < 0 && m.files[i].name.ptr[0] != '.');
        manifest_write(&m, &out);
        e = manifest_parse(&keep, buf_str(&out), &again);
        assert(!e.code && again.table_count == m.table_count && again.file_count == m.file_count);
    }
    buf_deinit(&out);
    arena_deinit(&keep);
}

static void rows_twice(str bytes)
{
    static const struct store_column columns[] = { { STR_INIT("id"), STORE_INT, 1 },
                                                   { STR_INIT("value"), STORE_REAL, 0 },
                                                   { STR_INIT("name"), STORE_TEXT, 0 },
                                                   { STR_INIT("key"), STORE_BLOB, 0 } };
    const struct store_table table = { .name = STR("t"), .columns = columns, .column_count = 4 };
    const struct table_plan plan = { .table = &table };
    struct cursor in = cursor_of(bytes);
    struct store_value row[4], again[4];
    struct buf out;
    buf_init(&out, ARENA_BYTES);
    while (cursor_left(&in)) {
        err e = row_decode(&in, &table, row);
        if (e.code)
            break;
        buf_clear(&out);
        row_encode(&plan, row, &out);
        struct cursor back = cursor_of(buf_str(&out));
        e = row_decode(&back, &table, again);
        assert(!e.code && cursor_left(&back) == 0 && row_equal(&plan, row, again));
    }
    buf_deinit(&out);
}

static void lines(str text)
{
    struct blob_list list = { 0 };
    err e = blob_lines_parse(text, &list);
    if (!e.code)
        blob_list_sort(&list);
    blob_list_deinit(&list);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    char *copy = malloc(size); /* cut to size: reading over its end is seen */
    if (!copy)
        return 0;
    memcpy(copy, data + 1, size - 1);
    str rest = str_from(copy, size - 1);
    if (data[0] == 'm')
        manifest_twice(rest);
    else if (data[0] == 'r')
        rows_twice(rest);
    else
        lines(rest);
    free(copy);
    return 0;
}
