/* SPDX-License-Identifier: GPL-3.0-or-later */
/* models:/ URIs from strangers: what is accepted names exactly one kind of thing, with pieces of
 * the text. */
#include <stdint.h>
#include <stdlib.h>

#include "platform/track/registry.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_inside(str part, str whole)
{
    if (part.len && (part.ptr < whole.ptr || part.ptr + part.len > whole.ptr + whole.len))
        abort();
    for (size_t i = 0; i < part.len; i++)
        if (part.ptr[i] == '/')
            abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    str text = str_from(data, size);
    struct registry_uri uri;
    if (registry_uri_parse(text, &uri).code)
        return 0;
    if ((uri.model_id.len > 0) + (uri.version.len > 0) + (uri.alias.len > 0) != 1)
        abort();
    if ((uri.name.len > 0) == (uri.model_id.len > 0))
        abort();
    check_inside(uri.model_id, text);
    check_inside(uri.name, text);
    check_inside(uri.version, text);
    check_inside(uri.alias, text);
    return 0;
}
