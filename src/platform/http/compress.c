/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Compression of whole replies: which kind the client wants, and doing it. */
#include "platform/http/http_internal.h"

#include <string.h>
#include <zlib.h>
#include <zstd.h>

const char *packing_name(enum packing packing)
{
    return packing == PACKING_ZSTD ? "zstd" : packing == PACKING_GZIP ? "gzip" : "identity";
}

/* Weight of one "name;q=0.5" item in thousandths; 1000 without a weight. */
static int item_weight(str params)
{
    while (params.len) {
        str param = str_trim(str_split(&params, ';'));
        if (param.len < 3 || (param.ptr[0] | 0x20) != 'q' || param.ptr[1] != '=')
            continue;
        int weight = param.ptr[2] == '1' ? 1000 : 0;
        int unit = 100;
        for (size_t i = 4; i < param.len && i < 7 && weight < 1000; i++, unit /= 10)
            weight += param.ptr[i] >= '0' && param.ptr[i] <= '9' ? (param.ptr[i] - '0') * unit : 0;
        return weight;
    }
    return 1000;
}

/* Of one coding by name, "*" included; -1: the client does not name it. */
static int named_weight(str accept_encoding, str coding)
{
    int weight = -1;
    while (accept_encoding.len) {
        str item = str_split(&accept_encoding, ',');
        str name = str_trim(str_split(&item, ';'));
        if (str_eq_nocase(name, coding))
            weight = item_weight(item);
    }
    return weight;
}

/* zstd before gzip at equal weight: it is several times quicker for the same size. */
enum packing packing_choose(str accept_encoding)
{
    int gzip = named_weight(accept_encoding, STR("gzip")),
        zstd = named_weight(accept_encoding, STR("zstd"));
    if (gzip < 0)
        gzip = named_weight(accept_encoding, STR("x-gzip"));
    /* A star allows gzip, which everybody knows; not zstd, which a client must have heard of. */
    if (gzip < 0)
        gzip = named_weight(accept_encoding, STR("*"));
    if (zstd > 0 && zstd >= gzip)
        return PACKING_ZSTD;
    return gzip > 0 ? PACKING_GZIP : PACKING_NONE;
}

int http_accepts_encoding(const struct http_request *rq, const char *coding)
{
    int weight = named_weight(rq->known.accept_encoding, str_of(coding));
    if (weight < 0)
        weight = named_weight(rq->known.accept_encoding, STR("*"));
    return weight < 0 ? 0 : weight;
}

bool packing_suits(const char *content_type)
{
    static const char *const types[] = { "application/json",        "application/problem+json",
                                         "application/javascript",  "application/xml",
                                         "application/x-ndjson",    "application/openmetrics-text",
                                         "application/x-chess-pgn", "application/manifest+json",
                                         "image/svg+xml",           "application/wasm" };
    if (!content_type)
        return false;
    str type = str_of(content_type);
    type = str_trim(str_split(&type, ';'));
    if (str_starts(type, STR("text/")))
        return !str_eq(type, STR("text/event-stream"));
    for (size_t i = 0; i < COUNT_OF(types); i++)
        if (str_eq(type, str_of(types[i])))
            return true;
    return str_ends(type, STR("+json"));
}

static err pack_gzip(str bytes, bool is_quick, struct buf *out)
{
    z_stream z = { 0 };
    /* 15 + 16: the largest window, with a gzip header. */
    if (deflateInit2(&z, is_quick ? 1 : 5, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK)
        return ERR(ERR_NO_MEMORY, "compressing the reply: out of memory");
    uLong bound = deflateBound(&z, bytes.len);
    char *room = bytes.len < UINT32_MAX ? buf_reserve(out, bound) : NULL;
    int result = Z_BUF_ERROR;
    if (room) {
        z.next_in = (Bytef *)(uintptr_t)bytes.ptr;
        z.avail_in = (uInt)bytes.len;
        z.next_out = (Bytef *)room;
        z.avail_out = (uInt)bound;
        result = deflate(&z, Z_FINISH);
        out->len += z.total_out;
    }
    deflateEnd(&z);
    return result == Z_STREAM_END ? OK : ERR(ERR_NO_MEMORY, "compressing the reply failed");
}

static err pack_zstd(str bytes, bool is_quick, struct buf *out)
{
    size_t bound = ZSTD_compressBound(bytes.len);
    char *room = buf_reserve(out, bound);
    size_t count = room ? ZSTD_compress(room, bound, bytes.ptr, bytes.len, is_quick ? 1 : 3) : 0;
    if (!room || ZSTD_isError(count))
        return ERR(ERR_NO_MEMORY, "compressing the reply failed");
    out->len += count;
    return OK;
}

err pack(enum packing packing, str bytes, bool is_quick, struct buf *out)
{
    return packing == PACKING_ZSTD ? pack_zstd(bytes, is_quick, out)
                                   : pack_gzip(bytes, is_quick, out);
}
