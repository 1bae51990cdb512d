/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What an S3 server, or whoever sits in its place, answers: the readers stay inside the text, their
 * strings are terminated, and a page that is accepted is one document. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "platform/blobs/s3.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static err look(void *arg, const struct s3_entry *entry)
{
    if (strnlen(entry->key, sizeof entry->key) == sizeof entry->key ||
        strnlen(entry->upload_id, sizeof entry->upload_id) == sizeof entry->upload_id ||
        strnlen(entry->etag, sizeof entry->etag) == sizeof entry->etag || entry->bytes < -1)
        abort();
    return OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const elements[] = { "Contents", "Upload", "Part" };
    str text = { (const char *)data, size };
    char small[8];
    struct s3_fault fault;
    struct s3_page page;
    for (size_t i = 0; i < COUNT_OF(elements); i++)
        if (!s3_xml_page(text, elements[i], look, NULL, &page).code && page.is_truncated &&
            !page.next[0])
            abort();
    if (s3_xml_fault(text, &fault) && !fault.code[0])
        abort();
    if (!s3_xml_find(text, "UploadId", small, sizeof small).code &&
        strnlen(small, sizeof small) == sizeof small)
        abort();
    s3_http_date(text);
    return 0;
}
