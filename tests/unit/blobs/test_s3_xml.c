/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Replies of S3: what servers send is read, and what they should not send is refused. */
#include "yard.h"

#include "platform/blobs/s3.h"

struct seen {
    int count;
    struct s3_entry last;
};

static err see(void *arg, const struct s3_entry *entry)
{
    struct seen *s = arg;
    s->count++;
    s->last = *entry;
    return OK;
}

static void test_listing(void **state)
{
    static const char text[] =
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!-- a comment with <tags> -->"
        "<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Name>b</Name>"
        "<Prefix>a&amp;b/</Prefix><KeyCount>2</KeyCount><MaxKeys>1000</MaxKeys>"
        "<IsTruncated>true</IsTruncated><NextContinuationToken>1&#x2F;&lt;</NextContinuationToken>"
        "<Contents><Key>one</Key><LastModified>2026-11-28T10:00:00Z</LastModified>"
        "<ETag>&quot;abc&quot;</ETag><Size>5</Size><StorageClass/></Contents>\n"
        "<Contents><Key>a&amp;b/&#228;&#x20ac;</Key>"
        "<LastModified>2026-11-28T10:00:00.250Z</LastModified>"
        "<Owner><ID>x</ID><Key>not this</Key></Owner><Size>12345678901</Size></Contents>"
        "</ListBucketResult>\n";
    struct seen seen = { 0 };
    struct s3_page page;
    assert_ok(s3_xml_page(str_of(text), "Contents", see, &seen, &page));
    assert_int_equal(seen.count, 2);
    assert_string_equal(seen.last.key, "a&b/\xc3\xa4\xe2\x82\xac");
    assert_int_equal(seen.last.bytes, INT64_C(12345678901));
    assert_int_equal(seen.last.wall_ms % 1000, 250);
    assert_string_equal(seen.last.etag, "");
    assert_true(page.is_truncated);
    assert_string_equal(page.next, "1/<");
}

static void test_uploads_and_parts(void **state)
{
    static const char uploads[] =
        "<a:ListMultipartUploadsResult xmlns:a='x'><a:IsTruncated>true</a:IsTruncated>"
        "<a:NextKeyMarker>k</a:NextKeyMarker><a:NextUploadIdMarker>u</a:NextUploadIdMarker>"
        "<a:Upload><a:Key>k</a:Key><a:UploadId>id+/=</a:UploadId>"
        "<a:Initiator><a:ID>me</a:ID></a:Initiator>"
        "<a:Initiated>2026-11-28T10:00:00.000Z</a:Initiated></a:Upload>"
        "</a:ListMultipartUploadsResult>";
    static const char parts[] = "<ListPartsResult><Part><PartNumber>7</PartNumber>"
                                "<ETag><![CDATA[\"x&y\"]]></ETag><Size>9</Size></Part>"
                                "</ListPartsResult>";
    struct seen seen = { 0 };
    struct s3_page page;
    assert_ok(s3_xml_page(str_of(uploads), "Upload", see, &seen, &page));
    assert_int_equal(seen.count, 1);
    assert_string_equal(seen.last.upload_id, "id+/=");
    assert_true(seen.last.wall_ms > 0);
    assert_string_equal(page.next_upload, "u");
    assert_int_equal(s3_xml_page(str_of(parts), "Part", see, &seen, &page).code, ERR_UPSTREAM);
    static const char plain[] = "<ListPartsResult><Part><PartNumber>7</PartNumber>"
                                "<ETag>\"xy\"</ETag><Size>9</Size></Part></ListPartsResult>";
    assert_ok(s3_xml_page(str_of(plain), "Part", see, &seen, &page));
    assert_int_equal(seen.last.part_number, 7);
    assert_int_equal(seen.last.bytes, 9);
    assert_string_equal(seen.last.etag, "\"xy\"");
}

/* If one of these passed for an empty listing, collection would think that nothing is there. */
static void test_bad_pages(void **state)
{
    static const char *const cases[] = {
        "",
        "text",
        "<a>",
        "<a></b>",
        "</a>",
        "<a><Contents></a>",
        "<a/><b/>",
        "<a><Contents><Size>x</Size></Contents></a>",
        "<a><Contents><Size>-1</Size></Contents></a>",
        "<a><Contents><Key>&nbsp;</Key></Contents></a>",
        "<a><Contents><Key>&#0;</Key></Contents></a>",
        "<a><Contents><Key>&#xD800;</Key></Contents></a>",
        "<a><Contents><Key>&#x110000;</Key></Contents></a>",
        "<a><Contents><Key>&amp</Key></Contents></a>",
        "<a><Contents><LastModified>yesterday</LastModified></Contents></a>",
        "<a><IsTruncated>true</IsTruncated></a>", /* without a place to go on */
        "<a><!-- ",
        "<a><b",
        "<html><body>Not Found</html>",
        "<a><b><c><d><e><f><g><h><i><j><k><l><m><n><o><p><q></q></p></o></n></m></l></k></j></i></"
        "h>"
        "</g></f></e></d></c></b></a>",
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct seen seen = { 0 };
        struct s3_page page;
        if (!s3_xml_page(str_of(cases[i]), "Contents", see, &seen, &page).code)
            fail_msg("accepted: %s", cases[i]);
    }
}

static void test_fault(void **state)
{
    struct s3_fault fault;
    assert_true(s3_xml_fault(STR("<Error><Code>RequestTimeTooSkewed</Code><Message>a &amp; b"
                                 "</Message><RequestTime>20260101T000000Z</RequestTime>"
                                 "<ServerTime>2026-11-28T10:00:00Z</ServerTime></Error>"),
                             &fault));
    assert_string_equal(fault.code, "RequestTimeTooSkewed");
    assert_string_equal(fault.message, "a & b");
    assert_string_equal(fault.server_time, "2026-11-28T10:00:00Z");
    assert_false(s3_xml_fault(STR("<CompleteMultipartUploadResult><ETag>x</ETag>"
                                  "</CompleteMultipartUploadResult>"),
                              &fault));
    assert_false(s3_xml_fault(STR(""), &fault));
    assert_false(s3_xml_fault(STR("<html>502 Bad Gateway</html>"), &fault));
}

static void test_find(void **state)
{
    char out[8];
    assert_ok(s3_xml_find(STR("<a><UploadId>1234567</UploadId></a>"), "UploadId", out, 8));
    assert_string_equal(out, "1234567");
    assert_err(s3_xml_find(STR("<a><UploadId>12345678</UploadId></a>"), "UploadId", out, 8),
               ERR_UPSTREAM);
    assert_err(s3_xml_find(STR("<a></a>"), "UploadId", out, 8), ERR_UPSTREAM);
}

static void test_http_date(void **state)
{
    assert_int_equal(s3_http_date(STR("Wed, 21 Oct 2015 07:28:00 GMT")), INT64_C(1445412480000));
    assert_int_equal(s3_http_date(STR("")), 0);
    assert_int_equal(s3_http_date(STR("Wed, 21 Okt 2015 07:28:00 GMT")), 0);
    assert_int_equal(s3_http_date(STR("Wed, 21 anF 2015 07:28:00 GMT")), 0);
    assert_int_equal(s3_http_date(STR("Wed, 32 Oct 2015 07:28:00 GMT")), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_listing),   cmocka_unit_test(test_uploads_and_parts),
        cmocka_unit_test(test_bad_pages), cmocka_unit_test(test_fault),
        cmocka_unit_test(test_find),      cmocka_unit_test(test_http_date),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
