/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Signatures: the examples that AWS publishes for S3, and encodings they do not show. If these
 * failed, every server would refuse us, or some keys and queries would never work. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "platform/blobs/s3_sign.h"

#define assert_ok(call)                     \
    do {                                    \
        err assert_ok_ = (call);            \
        if (assert_ok_.code)                \
            fail_msg("%s", assert_ok_.msg); \
    } while (0)

/* The account of "Authenticating Requests (AWS Signature Version 4)" in the S3 API reference. */
static const struct s3_credentials example = {
    .access_key = "AKIAIOSFODNN7EXAMPLE",
    .secret_key = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    .session_token = "",
    .region = "us-east-1",
};
static const char empty[] = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
static const int64_t example_ms = INT64_C(1369353600000); /* 2013-05-24T00:00:00Z */

#define EXAMPLE_HOST STR_INIT("examplebucket.s3.amazonaws.com")

static void check(const struct s3_request *rq, const char *expected)
{
    struct buf out;
    buf_init(&out, 4096);
    assert_ok(s3_sign(&example, rq, &out));
    assert_string_equal(out.ptr, expected);
    buf_deinit(&out);
}

#define HEAD_OF_EXAMPLES \
    "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,"

static void test_get_with_range(void **state)
{
    const struct s3_request rq = {
        .method = "GET",
        .host = EXAMPLE_HOST,
        .path = STR_INIT("/test.txt"),
        .headers = { { STR_INIT("range"), STR_INIT("bytes=0-9") } },
        .header_count = 1,
        .payload_sha256 = empty,
        .wall_ms = example_ms,
    };
    check(&rq, HEAD_OF_EXAMPLES
          "SignedHeaders=host;range;x-amz-content-sha256;x-amz-date,"
          "Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
}

/* '$' in the path, and further headers. */
static void test_put(void **state)
{
    const struct s3_request rq = {
        .method = "PUT",
        .host = EXAMPLE_HOST,
        .path = STR_INIT("/test$file.text"),
        .headers = { { STR_INIT("date"), STR_INIT("Fri, 24 May 2013 00:00:00 GMT") },
                     { STR_INIT("x-amz-storage-class"), STR_INIT("REDUCED_REDUNDANCY") } },
        .header_count = 2,
        .payload_sha256 = "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072",
        .wall_ms = example_ms,
    };
    check(&rq, HEAD_OF_EXAMPLES
          "SignedHeaders=date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class,"
          "Signature=98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd");
}

/* A parameter without a value. */
static void test_get_lifecycle(void **state)
{
    const struct s3_request rq = {
        .method = "GET",
        .host = EXAMPLE_HOST,
        .path = STR_INIT("/"),
        .params = { { STR_INIT("lifecycle"), STR_INIT("") } },
        .param_count = 1,
        .payload_sha256 = empty,
        .wall_ms = example_ms,
    };
    check(&rq, HEAD_OF_EXAMPLES
          "SignedHeaders=host;x-amz-content-sha256;x-amz-date,"
          "Signature=fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543");
}

/* Parameters that are not in order. */
static void test_list(void **state)
{
    const struct s3_request rq = {
        .method = "GET",
        .host = EXAMPLE_HOST,
        .path = STR_INIT("/"),
        .params = { { STR_INIT("prefix"), STR_INIT("J") },
                    { STR_INIT("max-keys"), STR_INIT("2") } },
        .param_count = 2,
        .payload_sha256 = empty,
        .wall_ms = example_ms,
    };
    check(&rq, HEAD_OF_EXAMPLES
          "SignedHeaders=host;x-amz-content-sha256;x-amz-date,"
          "Signature=34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7");
}

static void test_presigned(void **state)
{
    const struct s3_request rq = {
        .method = "GET",
        .host = EXAMPLE_HOST,
        .path = STR_INIT("/test.txt"),
        .wall_ms = example_ms,
    };
    struct buf out;
    buf_init(&out, 4096);
    assert_ok(s3_presign(&example, &rq, 86400, &out));
    assert_string_equal(
        out.ptr, "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524"
                 "%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&"
                 "X-Amz-SignedHeaders=host&X-Amz-Signature="
                 "aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404");
    buf_clear(&out);
    assert_int_equal(s3_presign(&example, &rq, 0, &out).code, ERR_INVALID);
    assert_int_equal(s3_presign(&example, &rq, S3_PRESIGN_S_MAX + 1, &out).code, ERR_INVALID);
    buf_deinit(&out);
}

/* ------------------------------------------------------------------ encodings */

/* Every byte: 66 stand for themselves, and '/' where it divides a path. */
static void test_every_byte(void **state)
{
    char all[256];
    struct buf out;
    for (int i = 0; i < 256; i++)
        all[i] = (char)i;
    buf_init(&out, 4096);
    for (int keep_slash = 0; keep_slash < 2; keep_slash++) {
        buf_clear(&out);
        s3_encode(str_from(all, sizeof all), keep_slash, &out);
        size_t at = 0;
        for (int i = 0; i < 256; i++) {
            char expected[4];
            bool plain = (i >= '0' && i <= '9') || (i >= 'A' && i <= 'Z') ||
                         (i >= 'a' && i <= 'z') || strchr("-._~", i ? i : 'x') ||
                         (keep_slash && i == '/');
            snprintf(expected, sizeof expected, plain ? "%c" : "%%%02X", i);
            assert_memory_equal(out.ptr + at, expected, strlen(expected));
            at += strlen(expected);
        }
        assert_int_equal(at, out.len);
    }
    buf_deinit(&out);
}

static void test_queries(void **state)
{
    static const struct {
        struct s3_pair params[4];
        size_t count;
        const char *expected;
    } cases[] = {
        { { { STR_INIT(""), STR_INIT("") } }, 0, "" },
        { { { STR_INIT("b"), STR_INIT("2") }, { STR_INIT("a"), STR_INIT("1") } }, 2, "a=1&b=2" },
        /* The same name: by value. */
        { { { STR_INIT("a"), STR_INIT("z") }, { STR_INIT("a"), STR_INIT("b") } }, 2, "a=b&a=z" },
        /* A longer name comes after its beginning, although '=' sorts after '-'. */
        { { { STR_INIT("prefix-x"), STR_INIT("1") }, { STR_INIT("prefix"), STR_INIT("2") } },
          2,
          "prefix=2&prefix-x=1" },
        { { { STR_INIT("partNumber"), STR_INIT("3") },
            { STR_INIT("uploadId"), STR_INIT("a/b+c=d&e f~") } },
          2,
          "partNumber=3&uploadId=a%2Fb%2Bc%3Dd%26e%20f~" },
        { { { STR_INIT("prefix"), STR_INIT("\xc3\xa4/*'()!") } },
          1,
          "prefix=%C3%A4%2F%2A%27%28%29%21" },
    };
    struct buf out;
    buf_init(&out, 4096);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        buf_clear(&out);
        buf_add_cstr(&out, "");
        assert_ok(s3_query(cases[i].params, cases[i].count, &out));
        assert_string_equal(out.ptr, cases[i].expected);
    }
    buf_deinit(&out);
}

/* A session token is signed, and does not disturb the order. */
static void test_session_token(void **state)
{
    struct s3_credentials with = example;
    with.session_token = "token";
    const struct s3_request rq = { .method = "GET",
                                   .host = EXAMPLE_HOST,
                                   .path = STR_INIT("/x"),
                                   .payload_sha256 = empty,
                                   .wall_ms = example_ms };
    struct buf out;
    buf_init(&out, 4096);
    assert_ok(s3_sign(&with, &rq, &out));
    assert_non_null(strstr(
        out.ptr, "SignedHeaders=host;x-amz-content-sha256;x-amz-date;x-amz-security-token,"));
    assert_null(strstr(out.ptr, with.secret_key));
    buf_deinit(&out);
}

static void test_date(void **state)
{
    char date[S3_DATE_BYTES];
    s3_date(example_ms + 45296789, date);
    assert_string_equal(date, "20130524T123456Z");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_get_with_range), cmocka_unit_test(test_put),
        cmocka_unit_test(test_get_lifecycle),  cmocka_unit_test(test_list),
        cmocka_unit_test(test_presigned),      cmocka_unit_test(test_every_byte),
        cmocka_unit_test(test_queries),        cmocka_unit_test(test_session_token),
        cmocka_unit_test(test_date),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
