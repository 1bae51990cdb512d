/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Forms from strangers, fed whole and in pieces: both must say the same. The first line of the
 * input is the Content-Type, the first byte of the second how large the pieces are. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "platform/http/multipart.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static err on_begin(void *arg, str name, str filename)
{
    if (str_utf8_valid_len(name) != name.len || str_utf8_valid_len(filename) != filename.len)
        abort();
    buf_add_char(arg, '<');
    buf_add(arg, name);
    buf_add_char(arg, filename.ptr ? '|' : '-');
    buf_add(arg, filename);
    buf_add_char(arg, ':');
    return OK;
}

static err on_data(void *arg, str bytes)
{
    buf_add(arg, bytes);
    return OK;
}

static err on_end(void *arg)
{
    buf_add_char(arg, '>');
    return OK;
}

static bool feed(str type, str body, size_t piece, struct buf *out)
{
    struct multipart m;
    err e = multipart_init(&m, type, (struct multipart_events){ out, on_begin, on_data, on_end });
    if (e.code)
        return false;
    char *window = malloc(body.len + 1);
    size_t held = 0;
    do {
        size_t count = body.len < piece ? body.len : piece, used = 0;
        if (count)
            memcpy(window + held, body.ptr, count);
        held += count;
        body = str_sub(body, count, body.len);
        e = multipart_feed(&m, str_from(window, held), body.len == 0, &used);
        if (e.code)
            break;
        if (used > held)
            abort();
        held -= used;
        memmove(window, window + used, held);
    } while (body.len);
    free(window);
    return !e.code;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    str body = { (const char *)data, size };
    str type = str_split(&body, '\n');
    if (body.len == 0 || size > 1 << 20)
        return 0;
    size_t piece = 1 + (unsigned char)body.ptr[0];
    body = str_sub(body, 1, body.len);
    struct buf whole, pieces;
    buf_init(&whole, 4 << 20);
    buf_init(&pieces, 4 << 20);
    bool a = feed(type, body, body.len + 1, &whole);
    bool b = feed(type, body, piece, &pieces);
    /* A limit may be reached at another byte; a body that is accepted must be the same either way.
     */
    if (a != b || (a && !str_eq(buf_str(&whole), buf_str(&pieces))))
        abort();
    buf_deinit(&whole);
    buf_deinit(&pieces);
    return 0;
}
