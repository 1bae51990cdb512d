/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Files MLmodel from strangers: what is read refers to memory that is there, and reading it again
 * says the same. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "platform/scoring/mlmodel.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t touch(str s)
{
    size_t sum = 0;
    for (size_t i = 0; i < s.len; i++)
        sum += (unsigned char)s.ptr[i];
    return sum;
}

static size_t read_once(str text)
{
    arena keep;
    struct mlmodel m;
    char names[32];
    size_t sum = 0;
    arena_init(&keep, 64 * 1024 * 1024);
    if (!mlmodel_read(text, &keep, &m).code) {
        for (size_t i = 0; i < m.entry_count; i++)
            sum += touch(m.entries[i].path) + 3 * touch(m.entries[i].value);
        for (size_t i = 0; i < m.signature.column_count; i++)
            sum += touch(m.signature.columns[i].name) +
                   strlen(column_type_name(m.signature.columns[i].type));
        mlmodel_flavours(&m, names, sizeof names);
        sum += strlen(names) + mlmodel_has_flavour(&m, "xgboost");
        if (m.signature.dims > MLMODEL_DIMS_MAX)
            abort();
    }
    arena_deinit(&keep);
    return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    /* a copy of exactly this size, so that a read beyond it is seen */
    char *copy = malloc(size ? size : 1);
    if (size)
        memcpy(copy, data, size);
    if (read_once(str_from(copy, size)) != read_once(str_from(copy, size)))
        abort();
    free(copy);
    return 0;
}
