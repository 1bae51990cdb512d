/* SPDX-License-Identifier: GPL-3.0-or-later */
/* blob_reply.c -- a blob as the body of a reply: streamed, with ranges, checked as it passes. */
#include <stdio.h>
#include <stdlib.h>

#include "platform/app/app.h"

struct blob_download {
    struct blobs *blobs;
    struct blob_id id;
    struct blob_reader *reader;
};

static ptrdiff_t pull_blob(void *arg, char *out, size_t max)
{
    struct blob_download *download = arg;
    size_t count;
    err e = blob_read(download->reader, out, max, &count);
    /* A digest that does not match ends the stream early: the client sees a broken transfer. */
    return e.code || count == 0 ? -1 : (ptrdiff_t)count;
}

static err seek_blob(void *arg, int64_t offset)
{
    struct blob_download *download = arg;
    blob_reader_close(download->reader);
    download->reader = NULL;
    return blob_reader_open(download->blobs, &download->id, offset, &download->reader, NULL);
}

static void close_blob(void *arg)
{
    struct blob_download *download = arg;
    blob_reader_close(download->reader);
    free(download);
}

err house_send_blob(struct house *h, struct http_reply *rp, const struct blob_id *id,
                    const char *content_type)
{
    struct blob_reader *reader;
    int64_t bytes;
    char etag[sizeof id->hex + 2];
    TRY(blob_reader_open(house_blobs(h), id, 0, &reader, &bytes));
    struct blob_download *download = calloc(1, sizeof *download);
    if (!download) {
        blob_reader_close(reader);
        return ERR(ERR_NO_MEMORY, "sending blob %s: out of memory", id->hex);
    }
    *download = (struct blob_download){ house_blobs(h), *id, reader };
    snprintf(etag, sizeof etag, "\"%s\"", id->hex);
    http_set_header(rp, "ETag", str_of(etag));
    /* Somebody's bytes, at the address where the web UI lives: shown, perhaps, but nothing in them
     * runs or asks. */
    http_set_header(rp, "Content-Security-Policy",
                    STR("sandbox; default-src 'none'; img-src data:; style-src 'unsafe-inline'"));
    http_stream(rp, content_type,
                (struct http_stream){ .pull = pull_blob,
                                      .done = close_blob,
                                      .arg = download,
                                      .seek = seek_blob,
                                      .bytes = bytes });
    return OK;
}
