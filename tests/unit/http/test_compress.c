/* SPDX-License-Identifier: GPL-3.0-or-later */
/* If these fail, clients get bodies that they cannot read, or read too many bytes. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

#include "platform/http/http_internal.h"

static void the_client_decides(void **state)
{
    static const struct {
        const char *accept;
        enum packing packing;
    } rows[] = {
        { "", PACKING_NONE },
        { "gzip", PACKING_GZIP },
        { "GZip, deflate, br", PACKING_GZIP },
        { "gzip, deflate, br, zstd", PACKING_ZSTD },
        { "zstd;q=0.5, gzip;q=0.8", PACKING_GZIP },
        { "zstd;q=0.8, gzip;q=0.8", PACKING_ZSTD },
        { "gzip;q=0", PACKING_NONE },
        { "gzip; q=0.0, *;q=1", PACKING_NONE },
        { "gzip;q=0.001", PACKING_GZIP },
        { "*", PACKING_GZIP },
        { "*;q=0", PACKING_NONE },
        { "identity", PACKING_NONE },
        { "br, deflate", PACKING_NONE },
        { "x-gzip", PACKING_GZIP },
        { ",,;;q=,", PACKING_NONE },
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        if (packing_choose(str_of(rows[i].accept)) != rows[i].packing)
            fail_msg("'%s'", rows[i].accept);
}

static void only_text_is_packed(void **state)
{
    (void)state;
    assert_true(packing_suits("application/json") && packing_suits("text/html; charset=utf-8"));
    assert_true(packing_suits("application/geo+json") && packing_suits("image/svg+xml"));
    assert_false(packing_suits("image/png") || packing_suits("application/octet-stream") ||
                 packing_suits(NULL));
    assert_false(packing_suits("text/event-stream"));
}

static void bytes_come_back(void **state)
{
    (void)state;
    struct buf text, packed;
    buf_init(&text, 1 << 20);
    buf_init(&packed, 1 << 20);
    for (int i = 0; i < 5000; i++)
        buf_add_fmt(&text, "{\"i\":%d},", i * i);
    char *back = malloc(text.len);
    for (int quick = 0; quick < 2; quick++) {
        buf_clear(&packed);
        err e = pack(PACKING_GZIP, buf_str(&text), quick, &packed);
        assert_int_equal(e.code, 0);
        assert_true(packed.len < text.len / 2);
        z_stream z = { .next_in = (Bytef *)packed.ptr,
                       .avail_in = (uInt)packed.len,
                       .next_out = (Bytef *)back,
                       .avail_out = (uInt)text.len };
        assert_int_equal(inflateInit2(&z, 15 + 16), Z_OK);
        assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
        assert_int_equal(z.total_out, text.len);
        inflateEnd(&z);
        assert_memory_equal(back, text.ptr, text.len);

        buf_clear(&packed);
        e = pack(PACKING_ZSTD, buf_str(&text), quick, &packed);
        assert_int_equal(e.code, 0);
        assert_int_equal(ZSTD_decompress(back, text.len, packed.ptr, packed.len), text.len);
        assert_memory_equal(back, text.ptr, text.len);
    }
    struct buf small;
    buf_init(&small, 16);
    err e = pack(PACKING_ZSTD, buf_str(&text), true, &small);
    assert_int_not_equal(e.code, 0);
    free(back);
    buf_deinit(&text);
    buf_deinit(&packed);
    buf_deinit(&small);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_client_decides),
        cmocka_unit_test(only_text_is_packed),
        cmocka_unit_test(bytes_come_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
