/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "platform/blobs/s3_xml.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"

/* ------------------------------------------------------------------ the walk */

struct s3_xml s3_xml_of(str text)
{
    return (struct s3_xml){ .rest = text };
}

static enum s3_xml_event end_bad(struct s3_xml *x)
{
    x->bad = true;
    x->rest = STR_NONE;
    return S3_XML_END;
}

/* Steps over everything up to and including `mark`. */
static bool skip_past(struct s3_xml *x, str mark)
{
    ptrdiff_t at = str_find(x->rest, mark);
    if (at < 0)
        return false;
    x->rest = str_sub(x->rest, (size_t)at + mark.len, x->rest.len);
    return true;
}

/* "ns:Name attr='...'" -> "Name" */
static str local_name(str tag)
{
    size_t len = 0;
    while (len < tag.len && tag.ptr[len] != ' ' && tag.ptr[len] != '\t' && tag.ptr[len] != '\n' &&
           tag.ptr[len] != '\r' && tag.ptr[len] != '/')
        len++;
    str name = str_sub(tag, 0, len);
    ptrdiff_t colon = str_find_char(name, ':');
    return colon >= 0 ? str_sub(name, (size_t)colon + 1, name.len) : name;
}

static enum s3_xml_event close_element(struct s3_xml *x, str name, str text)
{
    if (x->depth == 0 || !str_eq(name, x->names[x->depth - 1]))
        return end_bad(x);
    x->depth--;
    x->name = name;
    x->text = text;
    return S3_XML_CLOSE;
}

static enum s3_xml_event open_element(struct s3_xml *x, str tag)
{
    str name = local_name(tag);
    if (name.len == 0 || x->depth == S3_XML_DEPTH_MAX)
        return end_bad(x);
    x->names[x->depth++] = name;
    x->name = name;
    x->text = STR_NONE;
    x->closes_next = str_ends(tag, STR("/"));
    return S3_XML_OPEN;
}

enum s3_xml_event s3_xml_next(struct s3_xml *x)
{
    if (x->bad)
        return S3_XML_END;
    if (x->closes_next) {
        x->closes_next = false;
        return close_element(x, x->name, STR_NONE);
    }
    for (;;) {
        ptrdiff_t at = str_find_char(x->rest, '<');
        if (at < 0)
            return x->depth ? end_bad(x) : S3_XML_END;
        str text = str_sub(x->rest, 0, (size_t)at);
        x->rest = str_sub(x->rest, (size_t)at, x->rest.len);
        if (str_starts(x->rest, STR("<![CDATA["))) {
            x->rest = str_sub(x->rest, 9, x->rest.len);
            ptrdiff_t end = str_find(x->rest, STR("]]>"));
            if (end < 0)
                return end_bad(x);
            text = str_sub(x->rest, 0, (size_t)end);
            x->rest = str_sub(x->rest, (size_t)end + 3, x->rest.len);
            if (!str_starts(x->rest, STR("</")))
                return end_bad(x); /* text in pieces: S3 has none */
        } else if (str_starts(x->rest, STR("<!--"))) {
            if (!skip_past(x, STR("-->")))
                return end_bad(x);
            continue;
        } else if (str_starts(x->rest, STR("<?")) || str_starts(x->rest, STR("<!"))) {
            if (!skip_past(x, STR(">")))
                return end_bad(x);
            continue;
        }
        ptrdiff_t end = str_find_char(x->rest, '>');
        if (end < 0)
            return end_bad(x);
        str tag = str_sub(x->rest, 1, (size_t)end - 1);
        x->rest = str_sub(x->rest, (size_t)end + 1, x->rest.len);
        if (str_starts(tag, STR("/")))
            return close_element(x, local_name(str_sub(tag, 1, tag.len)), text);
        return open_element(x, tag);
    }
}

/* ------------------------------------------------------------------ text */

/* "#38" or "#x26" -> '&'; 0 when it is no character. */
static uint32_t reference(str digits)
{
    bool is_hex = str_starts(digits, STR("#x"));
    uint32_t c = 0;
    size_t from = is_hex ? 2 : 1;
    if (digits.len <= from || digits.len > 9)
        return 0;
    for (size_t i = from; i < digits.len; i++) {
        char d = digits.ptr[i];
        uint32_t value = d >= '0' && d <= '9'   ? (uint32_t)(d - '0')
                         : d >= 'a' && d <= 'f' ? (uint32_t)(d - 'a' + 10)
                         : d >= 'A' && d <= 'F' ? (uint32_t)(d - 'A' + 10)
                                                : 99;
        if (value >= (is_hex ? 16u : 10u))
            return 0;
        c = c * (is_hex ? 16 : 10) + value;
        if (c > 0x10ffff)
            return 0;
    }
    return c >= 0xd800 && c < 0xe000 ? 0 : c;
}

/* What stands between '&' and ';'. */
static uint32_t entity(str name)
{
    static const struct {
        const char *name;
        char c;
    } named[] = { { "amp", '&' }, { "lt", '<' }, { "gt", '>' }, { "quot", '"' }, { "apos", '\'' } };
    for (size_t i = 0; i < COUNT_OF(named); i++)
        if (str_eq(name, str_of(named[i].name)))
            return (unsigned char)named[i].c;
    return str_starts(name, STR("#")) ? reference(name) : 0;
}

bool s3_xml_decode(str raw, char *out, size_t out_bytes)
{
    size_t len = 0;
    while (raw.len) {
        char bytes[4] = { raw.ptr[0] };
        size_t count = 1;
        if (raw.ptr[0] == '&') {
            ptrdiff_t end = str_find_char(raw, ';');
            uint32_t c = end > 1 ? entity(str_sub(raw, 1, (size_t)end - 1)) : 0;
            if (!c)
                return false;
            count = str_utf8_put(c, bytes);
            raw = str_sub(raw, (size_t)end, raw.len);
        }
        if (len + count >= out_bytes)
            return false;
        memcpy(out + len, bytes, count);
        len += count;
        raw = str_sub(raw, 1, raw.len);
    }
    out[len] = '\0';
    return true;
}

err s3_xml_find(str text, const char *name, char *out, size_t out_bytes)
{
    struct s3_xml x = s3_xml_of(text);
    for (enum s3_xml_event event; (event = s3_xml_next(&x)) != S3_XML_END;)
        if (event == S3_XML_CLOSE && str_eq(x.name, str_of(name)) &&
            s3_xml_decode(x.text, out, out_bytes))
            return OK;
    return ERR(ERR_UPSTREAM, "S3 answered without <%s>", name);
}

/* ------------------------------------------------------------------ replies */

/* For people: cut rather than refused. */
static void keep_text(str raw, char *out, size_t out_bytes)
{
    if (!s3_xml_decode(raw, out, out_bytes))
        snprintf(out, out_bytes, "%.*s", STR_ARG(raw));
}

bool s3_xml_fault(str text, struct s3_fault *ret_fault)
{
    struct s3_xml x = s3_xml_of(text);
    struct s3_fault fault = { 0 };
    bool is_error = false;
    for (enum s3_xml_event event; (event = s3_xml_next(&x)) != S3_XML_END;) {
        if (event == S3_XML_OPEN) {
            is_error = is_error || str_eq(x.name, STR("Error"));
            continue;
        }
        if (str_eq(x.name, STR("Code")))
            keep_text(x.text, fault.code, sizeof fault.code);
        else if (str_eq(x.name, STR("Message")))
            keep_text(x.text, fault.message, sizeof fault.message);
        else if (str_eq(x.name, STR("Region")))
            keep_text(x.text, fault.region, sizeof fault.region);
        else if (str_eq(x.name, STR("RequestTime")))
            keep_text(x.text, fault.request_time, sizeof fault.request_time);
        else if (str_eq(x.name, STR("ServerTime")))
            keep_text(x.text, fault.server_time, sizeof fault.server_time);
    }
    if (!is_error || x.bad || !fault.code[0])
        return false;
    *ret_fault = fault;
    return true;
}

/* A member of an entry; members that nobody needs are passed over. */
static bool read_member(struct s3_entry *entry, const struct s3_xml *x)
{
    if (str_eq(x->name, STR("Key")))
        return s3_xml_decode(x->text, entry->key, sizeof entry->key);
    if (str_eq(x->name, STR("UploadId")))
        return s3_xml_decode(x->text, entry->upload_id, sizeof entry->upload_id);
    if (str_eq(x->name, STR("ETag")))
        return s3_xml_decode(x->text, entry->etag, sizeof entry->etag);
    if (str_eq(x->name, STR("Size")))
        return str_to_i64(x->text, &entry->bytes).code == ERR_NONE && entry->bytes >= 0;
    if (str_eq(x->name, STR("PartNumber")))
        return str_to_i64(x->text, &entry->part_number).code == ERR_NONE;
    if (str_eq(x->name, STR("LastModified")) || str_eq(x->name, STR("Initiated")))
        return clock_parse(x->text, &entry->wall_ms).code == ERR_NONE;
    return true;
}

static bool read_page_member(struct s3_page *page, const struct s3_xml *x)
{
    if (str_eq(x->name, STR("IsTruncated")))
        page->is_truncated = str_eq_nocase(x->text, STR("true"));
    else if (str_eq(x->name, STR("NextContinuationToken")) ||
             str_eq(x->name, STR("NextKeyMarker")) || str_eq(x->name, STR("NextPartNumberMarker")))
        return s3_xml_decode(x->text, page->next, sizeof page->next);
    else if (str_eq(x->name, STR("NextUploadIdMarker")))
        return s3_xml_decode(x->text, page->next_upload, sizeof page->next_upload);
    return true;
}

err s3_xml_page(str text, const char *element, s3_entry_fn fn, void *arg, struct s3_page *ret_page)
{
    struct s3_xml x = s3_xml_of(text);
    struct s3_page page = { 0 };
    struct s3_entry entry = { .bytes = -1 };
    bool is_good = true;
    int root_count = 0;
    for (enum s3_xml_event event; is_good && (event = s3_xml_next(&x)) != S3_XML_END;) {
        bool is_entry = str_eq(x.name, str_of(element));
        if (event == S3_XML_OPEN) {
            root_count += x.depth == 1;
            if (is_entry)
                entry = (struct s3_entry){ .bytes = -1 };
        } else if (is_entry && x.depth == 1) {
            TRY(fn(arg, &entry));
        } else if (x.depth == 2) {
            is_good = read_member(&entry, &x);
        } else if (x.depth == 1) {
            is_good = read_page_member(&page, &x);
        }
    }
    if (x.bad || !is_good || root_count != 1 || (page.is_truncated && !page.next[0]))
        return ERR(ERR_UPSTREAM, "S3 answered a listing that cannot be read");
    *ret_page = page;
    return OK;
}
