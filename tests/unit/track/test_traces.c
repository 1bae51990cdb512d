/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Traces: do start and spans merge in any order, is what was exported read back, is it found? */
#include "track_fixture.h"

#include <stdio.h>

#include "platform/track/search.h"
#include "platform/track/traces.h"

#define TRACE "tr-0102030405060708090a0b0c0d0e0f10"
#define HEX "0102030405060708090a0b0c0d0e0f10"
#define MS "000000"

/* ------------------------------------------------------------------ exports */

/* `spans` in JSON with ' for ". */
static err log_json(struct fixture *f, const char *spans, str run_id)
{
    struct span_batch batch = { 0 };
    bool has_resources;
    str text = arena_fmt(&f->mem,
                         "{'resourceSpans':[{'resource':{'attributes':[{'key':'service.name',"
                         "'value':{'stringValue':'pier'}},{'key':'telemetry.sdk.name','value':"
                         "{'stringValue':'hidden'}}]},'scopeSpans':[{'spans':[%s]}]}]}",
                         spans);
    char *bytes = arena_cstr(&f->mem, text);
    for (size_t i = 0; i < text.len; i++)
        bytes[i] = bytes[i] == '\'' ? '"' : bytes[i];
    err e = span_batch_read_json(str_from(bytes, text.len), &f->mem, &batch, &has_resources);
    if (!e.code)
        e = trace_log_spans(f->track, 0, run_id, &batch);
    span_batch_deinit(&batch);
    return e;
}

#define ROOT                                                                                       \
    "{'traceId':'" HEX "','spanId':'aaaaaaaaaaaaaaaa','name':'outer','startTimeUnixNano':'1000" MS \
    "','endTimeUnixNano':'1500" MS "','status':{'code':1},'attributes':["                          \
    "{'key':'mlflow.spanInputs','value':{'kvlistValue':{'values':[{'key':'x','value':"             \
    "{'intValue':'21'}}]}}},"                                                                      \
    "{'key':'mlflow.traceTag.team','value':{'stringValue':'harbour'}},"                            \
    "{'key':'note','value':{'stringValue':'tide \\\"high\\\"'}},"                                  \
    "{'key':'other','value':{'stringValue':'wind'}},{'key':'depth','value':{'intValue':7}}]}"
#define CHILD                                                                                   \
    "{'traceId':'" HEX "','spanId':'bbbbbbbbbbbbbbbb','parentSpanId':'aaaaaaaaaaaaaaaa',"       \
    "'name':'inner','startTimeUnixNano':'1100" MS "','endTimeUnixNano':'1700" MS "',"           \
    "'status':{'code':2,'message':'no'},'attributes':[{'key':'mlflow.spanType','value':"        \
    "{'stringValue':'TOOL'}}],'events':[{'name':'exception','timeUnixNano':'5','attributes':[{" \
    "'key':'k','value':{'stringValue':'v'}}]}],'links':[{'traceId':'" HEX                       \
    "','spanId':'cccccccccccccccc'}]}"

static struct trace_info get(struct fixture *f)
{
    struct trace_info info;
    assert_ok(trace_read(f->track, STR(TRACE), &f->mem, &info));
    return info;
}

static const char *value_of(const struct track_tag *list, size_t count, const char *key)
{
    for (size_t i = 0; i < count; i++)
        if (str_eq(list[i].key, str_of(key)))
            return list[i].value.ptr;
    return NULL;
}

static const char *tag_of(const struct trace_info *info, const char *key)
{
    return value_of(info->tags, info->tag_count, key);
}

static err start(struct fixture *f, int64_t duration_ms)
{
    static const struct track_tag tags[] = { { STR_INIT("mlflow.traceName"), STR_INIT("outer") },
                                             { STR_INIT("team"), STR_INIT("client") } };
    static const struct track_tag metadata[] = { { STR_INIT("mlflow.sourceRun"), STR_INIT("r1") } };
    return trace_start(f->track, &(struct trace_spec){ .trace_id = STR(TRACE),
                                                       .request_ms = 990,
                                                       .duration_ms = duration_ms,
                                                       .has_duration = true,
                                                       .state = STR("ERROR"),
                                                       .request_preview = STR("in"),
                                                       .tags = tags,
                                                       .tag_count = 2,
                                                       .metadata = metadata,
                                                       .metadata_count = 1 });
}

static str spans_of(struct fixture *f)
{
    struct trace_info info = get(f);
    struct buf text;
    struct json_out w;
    buf_init(&text, 1 << 20);
    json_out_init(&w, &text);
    json_array_begin(&w);
    assert_ok(trace_write_spans(f->track, &info, &w));
    json_array_end(&w);
    str copy = arena_str(&f->mem, buf_str(&text));
    buf_deinit(&text);
    return copy;
}

/* ------------------------------------------------------------------ start and spans */

static void spans_alone_make_a_trace(void **state)
{
    struct fixture *f = *state;
    assert_ok(log_json(f, CHILD, STR_NONE));
    struct trace_info info = get(f);
    assert_string_equal(info.state.ptr, "IN_PROGRESS"); /* its root is not here yet */
    assert_null(info.request_preview.ptr);
    assert_ok(log_json(f, ROOT, STR_NONE));
    info = get(f);
    assert_string_equal(info.state.ptr, "OK");
    assert_int_equal(info.request_ms, 1000);
    assert_int_equal(info.duration_ms, 700); /* until the last of them ended */
    assert_string_equal(info.request_preview.ptr, "{\"x\": 21}");
    assert_string_equal(tag_of(&info, "mlflow.trace.spansLocation"), "TRACKING_STORE");
    assert_string_equal(tag_of(&info, "mlflow.artifactLocation"),
                        "mlflow-artifacts:/0/traces/" TRACE "/artifacts");
    assert_string_equal(tag_of(&info, "service.name"), "pier");
    assert_string_equal(tag_of(&info, "team"), "harbour");
    assert_null(tag_of(&info, "telemetry.sdk.name"));
}

static void what_start_says_counts_in_any_order(void **state)
{
    struct fixture *f = *state;
    for (int spans_first = 0; spans_first < 2; spans_first++) {
        int64_t gone;
        if (spans_first)
            assert_ok(log_json(f, ROOT "," CHILD, STR_NONE));
        assert_ok(start(f, 10));
        struct trace_info info = get(f);
        if (!spans_first) {
            assert_null(tag_of(&info, "mlflow.trace.spansLocation"));
            assert_int_equal(info.duration_ms, 10);
            assert_ok(log_json(f, ROOT "," CHILD, STR_NONE));
        }
        info = get(f);
        assert_string_equal(info.state.ptr, "ERROR");
        assert_string_equal(info.request_preview.ptr, "in");
        assert_int_equal(info.request_ms, 990);
        assert_string_equal(value_of(info.metadata, info.metadata_count, "mlflow.sourceRun"), "r1");
        assert_string_equal(tag_of(&info, "mlflow.traceName"), "outer");
        assert_non_null(tag_of(&info, "mlflow.trace.spansLocation"));
        assert_ok(traces_delete(f->track, 0, &STR(TRACE), 1, &gone));
        assert_int_equal(gone, 1);
    }
}

static void a_trace_lasts_as_long_as_its_spans(void **state)
{
    struct fixture *f = *state;
    assert_ok(start(f, 10));
    assert_ok(log_json(f, CHILD, STR_NONE));
    struct trace_info info = get(f);
    assert_int_equal(info.request_ms, 990);
    assert_int_equal(info.duration_ms, 710);
    assert_ok(log_json(f, ROOT, STR_NONE));
    info = get(f);
    assert_int_equal(info.duration_ms, 710);
}

static void a_span_that_comes_again_is_replaced(void **state)
{
    struct fixture *f = *state;
    int64_t count;
    assert_ok(log_json(f, ROOT, STR_NONE));
    assert_ok(log_json(f,
                       "{'traceId':'" HEX "','spanId':'aaaaaaaaaaaaaaaa','name':'second',"
                       "'startTimeUnixNano':'1','endTimeUnixNano':'2'},{'traceId':'" HEX
                       "','spanId':'aaaaaaaaaaaaaaaa','name':'third','startTimeUnixNano':'1'}",
                       STR_NONE));
    struct trace_info info = get(f);
    assert_ok(trace_count_spans(f->track, &info, &count));
    assert_int_equal(count, 1);
    assert_true(str_contains(spans_of(f), STR("\"name\":\"third\"")));
}

static void spans_are_read_as_protobuf_says(void **state)
{
    struct fixture *f = *state;
    assert_ok(log_json(f, CHILD "," ROOT, STR_NONE));
    str text = spans_of(f);
    static const char *const wanted[] = {
        "[{\"trace_id\":\"AQIDBAUGBwgJCgsMDQ4PEA==\",\"span_id\":\"qqqqqqqqqqo=\",\"name\":"
        "\"outer\","
        "\"start_time_unix_nano\":1000000000,\"end_time_unix_nano\":1500000000,\"attributes\":[",
        "{\"key\":\"mlflow.spanInputs\",\"value\":{\"kvlist_value\":{\"values\":[{\"key\":\"x\","
        "\"value\":{\"int_value\":21}}]}}}",
        "{\"key\":\"note\",\"value\":{\"string_value\":\"tide \\\"high\\\"\"}}",
        "{\"key\":\"mlflow.traceRequestId\",\"value\":{\"string_value\":\"" TRACE "\"}}",
        "\"status\":{\"code\":\"STATUS_CODE_OK\"}}",
        "\"parent_span_id\":\"qqqqqqqqqqo=\"",
        "\"events\":[{\"time_unix_nano\":5,\"name\":\"exception\",\"attributes\":[{\"key\":\"k\","
        "\"value\":{\"string_value\":\"v\"}}]}]",
        "\"links\":[{\"trace_id\":\"AQIDBAUGBwgJCgsMDQ4PEA==\",\"span_id\":\"zMzMzMzMzMw=\"}]",
        "\"status\":{\"message\":\"no\",\"code\":\"STATUS_CODE_ERROR\"}}]",
    };
    for (size_t i = 0; i < COUNT_OF(wanted); i++)
        if (!str_contains(text, str_of(wanted[i])))
            fail_msg("%s\nis not in\n%.*s", wanted[i], STR_ARG(text));
}

/* ------------------------------------------------------------------ protobuf */

static void message(struct buf *out, uint64_t number, str bytes)
{
    buf_add_varint(out, number << 3 | 2);
    buf_add_varint(out, bytes.len);
    buf_add(out, bytes);
}

/* One span with one attribute k, whose value is this AnyValue. */
static err read_proto(struct fixture *f, str value, struct span_batch *ret_batch)
{
    struct buf level[5];
    bool has_resources;
    for (size_t i = 0; i < COUNT_OF(level); i++)
        buf_init(&level[i], 1 << 20);
    message(&level[0], 1, STR("k"));
    message(&level[0], 2, value);
    message(&level[1], 1, STR("0123456789abcdef"));
    message(&level[1], 2, STR("01234567"));
    message(&level[1], 9, buf_str(&level[0]));
    message(&level[2], 2, buf_str(&level[1]));
    message(&level[3], 2, buf_str(&level[2]));
    message(&level[4], 1, buf_str(&level[3]));
    str whole = arena_str(&f->mem, buf_str(&level[4]));
    for (size_t i = 0; i < COUNT_OF(level); i++)
        buf_deinit(&level[i]);
    return span_batch_read_proto(whole, &f->mem, ret_batch, &has_resources);
}

static void protobuf_and_its_values_are_kept_in_lines(void **state)
{
    struct fixture *f = *state;
    static const struct {
        str any;
        const char *line;
    } cases[] = {
        { STR_INIT("\x0a\x02hi"), "\"k\":\"hi\"\n" },
        { STR_INIT("\x0a\x08{\"a\":\n1}"), "\"k\":{\"a\": 1}\n" },
        { STR_INIT("\x0a\x01"
                   "1"),
          "\"k\":\"1\"\n" },
        { STR_INIT("\x0a\x03{a}"), "\"k\":\"{a}\"\n" },
        { STR_INIT("\x10\x01"), "\"k\":true\n" },
        { STR_INIT("\x18\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), "\"k\":-1\n" },
        { STR_INIT("\x21\0\0\0\0\0\0\xf0\x3f"), "\"k\":1.0\n" },
        { STR_INIT("\x21\0\0\0\0\0\0\xf8\x7f"), "\"k\":NaN\n" },
        { STR_INIT("\x2a\x08\x0a\x02\x18\x05\x0a\x02\x10\0"), "\"k\":[5, false]\n" },
        { STR_INIT("\x32\x00"), "\"k\":{}\n" },
        { STR_INIT("\x3a\x02\x01\x02"), "\"k\":\"AQI=\"\n" },
        { STR_INIT(""), "\"k\":null\n" },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct span_batch batch = { 0 };
        assert_ok(read_proto(f, cases[i].any, &batch));
        assert_int_equal(batch.count, 1);
        if (!str_contains(batch.spans[0].content, str_of(cases[i].line)))
            fail_msg("%s is not in %.*s", cases[i].line, STR_ARG(batch.spans[0].content));
        span_batch_deinit(&batch);
    }
}

static void broken_and_endless_exports_are_refused(void **state)
{
    struct fixture *f = *state;
    struct span_batch batch = { 0 };
    struct buf deep, outer;
    bool has_resources;
    assert_err(span_batch_read_proto(STR("\xff\xff\xff"), &f->mem, &batch, &has_resources),
               ERR_INVALID);
    span_batch_deinit(&batch);
    assert_err(span_batch_read_proto(STR("\x0a\x7f"), &f->mem, &batch, &has_resources),
               ERR_INVALID);
    span_batch_deinit(&batch);
    buf_init(&deep, 1 << 20);
    buf_init(&outer, 1 << 20);
    buf_add(&deep, STR("\x10\x01"));
    for (int i = 0; i < SPAN_DEPTH_MAX; i++) {
        buf_clear(&outer);
        message(&outer, 1, buf_str(&deep));
        buf_clear(&deep);
        message(&deep, 5, buf_str(&outer));
    }
    assert_err(read_proto(f, buf_str(&deep), &batch), ERR_TOO_BIG);
    span_batch_deinit(&batch);
    buf_deinit(&deep);
    buf_deinit(&outer);
    assert_err(log_json(f, "{'traceId':'zz','spanId':'aaaaaaaaaaaaaaaa'}", STR_NONE), ERR_INVALID);
    assert_err(log_json(f, "{'traceId':'" HEX "','spanId':''}", STR_NONE), ERR_INVALID);
    assert_int_equal(fixture_int(f, "SELECT COUNT(*) FROM traces"), 0);
}

static void too_many_attributes_are_refused(void **state)
{
    struct fixture *f = *state;
    struct buf text;
    buf_init(&text, 1 << 20);
    buf_add_cstr(&text, "{'traceId':'" HEX "','spanId':'aaaaaaaaaaaaaaaa','attributes':[");
    for (int i = 0; i < SPAN_ATTRIBUTES_MAX + 2; i++)
        buf_add_fmt(&text, "%s{'key':'k%d','value':{}}", i ? "," : "", i);
    buf_add_cstr(&text, "]}");
    assert_err(log_json(f, arena_cstr(&f->mem, buf_str(&text)), STR_NONE), ERR_TOO_BIG);
    buf_deinit(&text);
    assert_int_equal(fixture_int(f, "SELECT COUNT(*) FROM traces"), 0);
}

/* ------------------------------------------------------------------ search */

static size_t found(struct fixture *f, const char *filter)
{
    static const int64_t experiment = 0;
    struct search_page page;
    struct search_spec spec = { .kind = SEARCH_TRACES,
                                .filter = str_of(filter),
                                .experiment_ids = &experiment,
                                .experiment_count = 1,
                                .limit = 10 };
    err e = search_run(f->track, &spec, &f->mem, &page);
    if (e.code)
        fail_msg("%s: %s", filter, e.msg);
    return page.count;
}

static void spans_are_found_by_what_they_hold(void **state)
{
    struct fixture *f = *state;
    assert_ok(log_json(f, ROOT "," CHILD, STR("r7")));
    static const struct {
        const char *filter;
        size_t count;
    } cases[] = {
        { "span.name = 'inner'", 1 },
        { "span.name = 'nobody'", 0 },
        { "span.type = 'TOOL' AND span.status = 'ERROR'", 1 },
        { "span.content LIKE '%wind%'", 1 },
        { "trace.text ILIKE '%WIND%'", 1 },
        { "span.attributes.other = 'wind'", 1 },
        { "span.attributes.other = 'win'", 0 },
        { "span.attributes.other LIKE 'w%d'", 1 },
        { "span.attributes.other ILIKE 'W%D'", 1 },
        { "span.attributes.note LIKE '%wind%'", 0 }, /* that is the next attribute's */
        { "span.attributes.note = 'tide \"high\"'", 1 },
        { "span.attributes.note LIKE '%\"high\"'", 1 },
        { "span.attributes.depth = '7'", 1 },
        { "span.attributes.depth != '7'", 0 },
        { "span.attributes.depth IN ('6', '7')", 1 },
        { "span.attributes.depth NOT IN ('6', '7')", 0 },
        { "span.attributes.mlflow.spanInputs LIKE '%\"x\": 21%'", 1 },
        { "span.attributes.nothing != 'x'", 0 },
        { "run_id = 'r7'", 1 },
        { "run_id = 'r8'", 0 },
        { "tags.team = 'harbour' AND status = 'OK'", 1 },
        { "execution_time_ms = 700 AND end_time > 1600", 1 },
        { "name = 'outer'", 0 }, /* that is the tag's, which spans do not set */
        { "issue.id = 'i'", 0 },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        if (found(f, cases[i].filter) != cases[i].count)
            fail_msg("%s does not find %zu", cases[i].filter, cases[i].count);
}

static void a_run_may_be_linked_before_the_trace_is_there(void **state)
{
    struct fixture *f = *state;
    static const struct track_tag prompts[] = { { STR_INIT("p"), STR_INIT("1") },
                                                { STR_INIT("q"), STR_INIT("2") } };
    assert_ok(traces_link_run(f->track, &STR(TRACE), 1, STR("early")));
    assert_ok(start(f, 1));
    assert_int_equal(found(f, "run_id = 'early'"), 1);
    assert_int_equal(found(f, "run_id = 'r1'"), 1);
    assert_ok(trace_link_prompts(f->track, STR(TRACE), prompts, 1));
    assert_ok(trace_link_prompts(f->track, STR(TRACE), prompts, 2)); /* one of them again */
    struct trace_info info = get(f);
    assert_string_equal(tag_of(&info, "mlflow.linkedPrompts"),
                        "[{\"name\": \"p\", \"version\": \"1\"}, {\"name\": \"q\", \"version\":"
                        " \"2\"}]");
    assert_int_equal(found(f, "prompt = 'q/2'"), 1);
    assert_int_equal(found(f, "prompt = 'q/1'"), 0);
    assert_err(trace_link_prompts(f->track, STR("tr-x"), prompts, 1), ERR_NOT_FOUND);
}

/* ------------------------------------------------------------------ tags, assessments, delete */

static void tags_change_and_have_limits(void **state)
{
    struct fixture *f = *state;
    assert_ok(start(f, 1));
    assert_ok(trace_tag_set(f->track, STR(TRACE), STR("k"), STR("v")));
    struct trace_info info = get(f);
    assert_string_equal(tag_of(&info, "k"), "v");
    assert_ok(trace_tag_delete(f->track, STR(TRACE), STR("k")));
    assert_err(trace_tag_delete(f->track, STR(TRACE), STR("k")), ERR_NOT_FOUND);
    assert_err(trace_tag_set(f->track, STR("tr-x"), STR("k"), STR("v")), ERR_NOT_FOUND);
    char key[252];
    memset(key, 'k', 251);
    key[251] = '\0';
    assert_err(trace_tag_set(f->track, STR(TRACE), str_of(key), STR("v")), ERR_INVALID);
}

static void an_assessment_that_is_overridden_comes_back(void **state)
{
    struct fixture *f = *state;
    struct assessment first, second, read;
    struct assessment a = { .trace_id = STR(TRACE),
                            .name = STR("good"),
                            .kind = "feedback",
                            .json = STR("0.5"),
                            .source_type = STR("HUMAN"),
                            .metadata = STR("{\"a\":\"1\",\"b\":\"2\"}") };
    assert_ok(start(f, 1));
    assert_ok(assessment_add(f->track, &a, &f->mem, &first));
    assert_int_equal(found(f, "feedback.good > 0.4"), 1);
    assert_int_equal(found(f, "feedback.good > 0.6"), 0);
    assert_int_equal(found(f, "expectation.good IS NULL"), 1);
    a.json = STR("\"yes\"");
    a.overrides = first.id;
    assert_ok(assessment_add(f->track, &a, &f->mem, &second));
    assert_ok(assessment_read(f->track, STR(TRACE), first.id, &f->mem, &read));
    assert_false(read.is_valid);
    assert_int_equal(found(f, "feedback.good = 'yes'"), 1);
    assert_int_equal(found(f, "feedback.good > 0.4"), 0);
    assert_ok(assessment_change(f->track, STR(TRACE), second.id,
                                &(struct assessment_change){ .metadata = STR("{\"b\":\"3\"}") },
                                &f->mem, &read));
    assert_string_equal(read.metadata.ptr, "{\"a\":\"1\",\"b\":\"3\"}");
    assert_err(
        assessment_change(f->track, STR(TRACE), second.id,
                          &(struct assessment_change){ .kind = "expectation", .json = STR("1") },
                          &f->mem, &read),
        ERR_INVALID);
    assert_ok(assessment_delete(f->track, STR(TRACE), second.id));
    assert_ok(assessment_delete(f->track, STR(TRACE), second.id));
    assert_ok(assessment_read(f->track, STR(TRACE), first.id, &f->mem, &read));
    assert_true(read.is_valid);
    a.overrides = STR("a-none");
    assert_err(assessment_add(f->track, &a, &f->mem, &second), ERR_NOT_FOUND);
}

static void deleting_leaves_nothing(void **state)
{
    struct fixture *f = *state;
    static const char *const tables[] = { "traces",     "trace_spans",    "trace_tags",
                                          "trace_runs", "trace_metadata", "assessments" };
    struct assessment made;
    int64_t gone;
    assert_ok(start(f, 1));
    assert_ok(log_json(f, ROOT "," CHILD, STR("r7")));
    assert_ok(assessment_add(f->track,
                             &(struct assessment){ .trace_id = STR(TRACE),
                                                   .name = STR("g"),
                                                   .kind = "feedback",
                                                   .json = STR("1"),
                                                   .source_type = STR("CODE") },
                             &f->mem, &made));
    assert_ok(traces_delete(f->track, 5, &STR(TRACE), 1, &gone)); /* another experiment */
    assert_int_equal(gone, 0);
    assert_ok(traces_delete_older(f->track, 0, 989, 10, &gone));
    assert_int_equal(gone, 0);
    assert_ok(traces_delete_older(f->track, 0, 990, 10, &gone));
    assert_int_equal(gone, 1);
    for (size_t i = 0; i < COUNT_OF(tables); i++) {
        char sql[64];
        snprintf(sql, sizeof sql, "SELECT COUNT(*) FROM %s", tables[i]);
        if (fixture_int(f, sql) != 0)
            fail_msg("%s still has rows", tables[i]);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_init, fixture_deinit)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(spans_alone_make_a_trace),
        TEST(what_start_says_counts_in_any_order),
        TEST(a_trace_lasts_as_long_as_its_spans),
        TEST(a_span_that_comes_again_is_replaced),
        TEST(spans_are_read_as_protobuf_says),
        TEST(protobuf_and_its_values_are_kept_in_lines),
        TEST(broken_and_endless_exports_are_refused),
        TEST(too_many_attributes_are_refused),
        TEST(spans_are_found_by_what_they_hold),
        TEST(a_run_may_be_linked_before_the_trace_is_there),
        TEST(tags_change_and_have_limits),
        TEST(an_assessment_that_is_overridden_comes_back),
        TEST(deleting_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
