/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What settings and answers are taken for. If these failed, a secret could be read in a log, or
 * what a proxy says would be taken for the word of a collector. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

#include "platform/outbox/http_out.h"

static void test_retry_after(void **state)
{
    static const struct {
        const char *text;
        int64_t ms;
    } cases[] = {
        { "5", 5000 },
        { " 120 ", 120000 },
        { "", 0 },
        { "-1", 0 },
        { "1.5", 0 },
        { "99999999", 0 },
        { "Wed, 21 Oct", 0 },
        { "99999999999999999999", 0 },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        assert_int_equal(http_out_retry_after_ms(str_of(cases[i].text)), cases[i].ms);
}

static void test_otlp_replies(void **state)
{
    static const struct {
        const char *text;
        enum err_code code;
        int64_t refused;
    } cases[] = {
        { "", ERR_NONE, 0 },
        { "{}", ERR_NONE, 0 },
        { "{\"partialSuccess\":{}}", ERR_NONE, 0 },
        { "{\"partialSuccess\":null}", ERR_NONE, 0 },
        { "{\"partialSuccess\":{\"rejectedSpans\":\"3\",\"errorMessage\":\"no\"}}", ERR_NONE, 3 },
        { "{\"partialSuccess\":{\"rejectedLogRecords\":2}}", ERR_NONE, 2 },
        { "{\"partialSuccess\":{\"rejectedLogRecords\":\"many\"}}", ERR_NONE, 0 },
        { "{\"partialSuccess\":{\"rejectedLogRecords\":-5}}", ERR_NONE, 0 },
        { "<html>Welcome</html>", ERR_UPSTREAM, 0 },
        { "[]", ERR_UPSTREAM, 0 },
        { "ok", ERR_UPSTREAM, 0 },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        int64_t refused = -1;
        char why[OUTBOX_WHY_BYTES];
        err e = http_out_otlp_reply(str_of(cases[i].text), &refused, why);
        if (e.code != cases[i].code || refused != cases[i].refused)
            fail_msg("%s: %s, %lld", cases[i].text, e.msg, (long long)refused);
    }
}

static void test_which_loki_takes_no_metadata(void **state)
{
    static const struct {
        const char *text;
        bool is_plain;
    } cases[] = {
        { "loghttp.PushRequest.Streams: []*loghttp.Stream: loghttp.Stream.Entries: error reading "
          "entry: array must contains 2 values, error found in #10 byte of ...|\"}\", "
          "{\"event\":|...",
          true },
        { "stream '{service_name=\"skerry\"}' includes structured metadata, but this feature is "
          "disallowed. Please see `limits_config.allow_structured_metadata` or contact your Loki "
          "administrator to enable it.",
          true },
        { "stream '{service_name=\"skerry\"}' has structured metadata too large: '70000' bytes",
          false },
        { "entry with timestamp 2026-11-29 20:00:00 ignored, reason: 'entry too far behind'",
          false },
        { "", false },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        if (http_out_wants_plain_lines(str_of(cases[i].text)) != cases[i].is_plain)
            fail_msg("%s", cases[i].text);
}

static void test_secrets_are_blotted(void **state)
{
    const struct outbox_http config = {
        .token = "s3cr3t-token", .headers = "Authorization=Bearer topsecret, X-Key=hunter22"
    };
    char out[100];
    http_out_excerpt(&config, STR("bad s3cr3t-token\r\nor Bearer topsecret, hunter22 hunter22"),
                     out, sizeof out);
    assert_null(strstr(out, "s3cr3t"));
    assert_null(strstr(out, "topsecret"));
    assert_null(strstr(out, "hunter"));
    assert_null(strchr(out, '\n'));
    assert_non_null(strstr(out, "bad ****"));
    http_out_excerpt(&config, STR("\xff\xfe"), out, sizeof out);
    assert_string_equal(out, "");
    char small[5];
    http_out_excerpt(&config, STR("abc\xc3\xa9xyz"), small, sizeof small);
    assert_string_equal(small, "abc"); /* not half a character */
}

static void test_settings(void **state)
{
    static const struct {
        const char *url, *headers;
        bool is_good;
    } cases[] = {
        { "http://127.0.0.1:3100", "", true },
        { "https://logs.example/base", "A=b,C=d=e", true },
        { "https://user:pass@logs.example", "", false },
        { "logs.example:3100", "", false },
        { "ftp://logs.example", "", false },
        { "https://logs.example", "nonsense", false },
        { "https://logs.example", "=x", false },
        { "https://logs.example", "A=b\r\nEvil: yes", false },
        { "https://logs.example/?a=@", "", true },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct outbox_http config = {
            .url = cases[i].url, .tenant = "", .token = "", .headers = cases[i].headers
        };
        err e = outbox_http_check(&config, "URL", "HEADERS");
        if ((e.code == ERR_NONE) != cases[i].is_good)
            fail_msg("%s %s: %s", cases[i].url, cases[i].headers, e.msg);
        assert_null(strstr(e.msg, "pass"));
    }
}

static void test_kafka_settings(void **state)
{
    struct outbox_kafka c = {
        .security = "plaintext", .topic = "t", .username = "", .password = ""
    };
    assert_int_equal(outbox_kafka_check(&c).code, ERR_NONE);
    c.security = "sasl_ssl";
    assert_int_equal(outbox_kafka_check(&c).code, ERR_INVALID);
    c.username = "u";
    c.password = "hunter22";
    assert_int_equal(outbox_kafka_check(&c).code, ERR_NONE);
    c.security = "tls";
    err e = outbox_kafka_check(&c);
    assert_int_equal(e.code, ERR_INVALID);
    assert_null(strstr(e.msg, "hunter22"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_retry_after),
        cmocka_unit_test(test_otlp_replies),
        cmocka_unit_test(test_which_loki_takes_no_metadata),
        cmocka_unit_test(test_secrets_are_blotted),
        cmocka_unit_test(test_settings),
        cmocka_unit_test(test_kafka_settings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
