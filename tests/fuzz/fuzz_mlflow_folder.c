/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Files of an MLflow's folder: meta.yaml and lines of metrics. Nothing that is read crashes, and
 * what is kept stays within its bounds. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "apps/mlflow/import.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct import_meta meta; /* large */
    struct import_point point;
    arena keep;
    str text = str_from(data, size);
    arena_init(&keep, 16 * 1024 * 1024);
    if (!import_yaml(text, &keep, &meta).code) {
        size_t bytes = 0;
        if (meta.count > IMPORT_YAML_MAX)
            abort();
        for (size_t i = 0; i < meta.count; i++) {
            str all[] = { meta.fields[i].parent, meta.fields[i].key, meta.fields[i].value };
            for (size_t k = 0; k < COUNT_OF(all); k++)
                for (size_t n = 0; n < all[k].len; n++)
                    bytes += all[k].ptr[n] != '\0'; /* all of it can be read */
            if (meta.fields[i].is_null && meta.fields[i].value.len)
                abort();
        }
        if (bytes > size * 8 + 4096)
            abort();
    }
    for (str rest = text; rest.len;) {
        str line = str_split(&rest, '\n');
        if (import_point_parse(line, &point) && point.rest.len > line.len)
            abort();
    }
    arena_deinit(&keep);
    return 0;
}
