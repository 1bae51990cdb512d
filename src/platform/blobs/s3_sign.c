/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "platform/blobs/s3_sign.h"

#include <nettle/hmac.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/hash.h"

enum { TEXT_BYTES_MAX = 64 * 1024, HEADERS_ALL_MAX = S3_HEADERS_MAX + 4 };

/* ------------------------------------------------------------------ canonical pieces */

static bool is_unreserved(unsigned char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

void s3_encode(str raw, bool keep_slash, struct buf *out)
{
    static const char digits[] = "0123456789ABCDEF";
    for (size_t i = 0; i < raw.len; i++) {
        unsigned char c = (unsigned char)raw.ptr[i];
        if (is_unreserved(c) || (keep_slash && c == '/')) {
            buf_add_char(out, (char)c);
        } else {
            const char text[] = { '%', digits[c >> 4], digits[c & 15] };
            buf_add_bytes(out, text, sizeof text);
        }
    }
}

static int compare_pairs(const void *a, const void *b)
{
    const struct s3_pair *x = a, *y = b;
    int names = str_cmp(x->name, y->name);
    return names ? names : str_cmp(x->value, y->value);
}

/* Sorted after encoding, as the rules want: '-' sorts before 'A', but "%2D" would not. */
static err query_of(const struct s3_pair *params, size_t count, struct buf *text, struct buf *out)
{
    struct s3_pair pairs[S3_PARAMS_MAX * 2];
    size_t ends[S3_PARAMS_MAX * 4];
    if (count > COUNT_OF(pairs))
        return ERR(ERR_TOO_BIG, "a request to S3 has at most %zu parameters", COUNT_OF(pairs));
    for (size_t i = 0; i < count; i++) {
        s3_encode(params[i].name, false, text);
        ends[2 * i] = text->len;
        s3_encode(params[i].value, false, text);
        ends[2 * i + 1] = text->len;
    }
    TRY(buf_check(text));
    str all = buf_str(text);
    for (size_t i = 0, at = 0; i < count; i++) {
        pairs[i].name = str_sub(all, at, ends[2 * i] - at);
        pairs[i].value = str_sub(all, ends[2 * i], ends[2 * i + 1] - ends[2 * i]);
        at = ends[2 * i + 1];
    }
    qsort(pairs, count, sizeof pairs[0], compare_pairs);
    for (size_t i = 0; i < count; i++) {
        if (i)
            buf_add_char(out, '&');
        buf_add(out, pairs[i].name);
        buf_add_char(out, '=');
        buf_add(out, pairs[i].value);
    }
    return buf_check(out);
}

err s3_query(const struct s3_pair *params, size_t count, struct buf *out)
{
    struct buf text;
    buf_init(&text, TEXT_BYTES_MAX);
    err e = query_of(params, count, &text, out);
    buf_deinit(&text);
    return e;
}

void s3_date(int64_t wall_ms, char out[S3_DATE_BYTES])
{
    char iso[CLOCK_ISO_BYTES];
    size_t at = 0;
    clock_iso(wall_ms, iso);
    for (size_t i = 0; i < 19; i++) /* 2013-05-24T00:00:00 without the dashes and colons */
        if (iso[i] != '-' && iso[i] != ':')
            out[at++] = iso[i];
    out[at++] = 'Z';
    out[at] = '\0';
}

/* ------------------------------------------------------------------ the signature */

static void hmac(const uint8_t *key, size_t key_bytes, str text, uint8_t out[SHA256_BYTES])
{
    struct hmac_sha256_ctx ctx;
    hmac_sha256_set_key(&ctx, key_bytes, key);
    hmac_sha256_update(&ctx, text.len, (const uint8_t *)text.ptr);
    hmac_sha256_digest(&ctx, SHA256_BYTES, out);
    explicit_bzero(&ctx, sizeof ctx);
}

/* date/region/s3/aws4_request */
static void add_scope(const struct s3_credentials *c, const char *date, struct buf *out)
{
    buf_add_fmt(out, "%.8s/%s/s3/aws4_request", date, c->region);
}

static err signature_of(const struct s3_credentials *c, const char *date, str canonical,
                        char out[SHA256_HEX_BYTES])
{
    struct buf text;
    char digest[SHA256_HEX_BYTES];
    uint8_t key[SHA256_BYTES];
    sha256_hex_of(canonical, digest);
    buf_init(&text, TEXT_BYTES_MAX);
    buf_add_fmt(&text, "AWS4%s", c->secret_key);
    hmac((const uint8_t *)text.ptr, text.len, str_from(date, 8), key);
    if (text.ptr)
        explicit_bzero(text.ptr, text.len);
    hmac(key, sizeof key, str_of(c->region), key);
    hmac(key, sizeof key, STR("s3"), key);
    hmac(key, sizeof key, STR("aws4_request"), key);

    buf_clear(&text);
    buf_add_fmt(&text, "AWS4-HMAC-SHA256\n%s\n", date);
    add_scope(c, date, &text);
    buf_add_fmt(&text, "\n%s", digest);
    err e = buf_check(&text);
    hmac(key, sizeof key, buf_str(&text), key);
    hex_encode(key, sizeof key, out);
    explicit_bzero(key, sizeof key);
    buf_deinit(&text);
    return e;
}

static void add_canonical_headers(const struct s3_pair *headers, size_t count, struct buf *out)
{
    for (size_t i = 0; i < count; i++) {
        buf_add(out, headers[i].name);
        buf_add_char(out, ':');
        buf_add(out, str_trim(headers[i].value));
        buf_add_char(out, '\n');
    }
}

static void add_signed_names(const struct s3_pair *headers, size_t count, struct buf *out)
{
    for (size_t i = 0; i < count; i++) {
        if (i)
            buf_add_char(out, ';');
        buf_add(out, headers[i].name);
    }
}

/* The bytes both sides hash. */
static err canonical_request(const struct s3_request *rq, str query, const struct s3_pair *headers,
                             size_t header_count, const char *payload, struct buf *out)
{
    buf_add_fmt(out, "%s\n", rq->method);
    s3_encode(rq->path, true, out);
    buf_add_char(out, '\n');
    buf_add(out, query);
    buf_add_char(out, '\n');
    add_canonical_headers(headers, header_count, out);
    buf_add_char(out, '\n');
    add_signed_names(headers, header_count, out);
    buf_add_fmt(out, "\n%s", payload);
    return buf_check(out);
}

static err sign_with(const struct s3_credentials *c, const struct s3_request *rq,
                     const struct s3_pair *headers, size_t header_count, struct buf *query,
                     struct buf *canonical, struct buf *out)
{
    char date[S3_DATE_BYTES], signature[SHA256_HEX_BYTES];
    s3_date(rq->wall_ms, date);
    TRY(s3_query(rq->params, rq->param_count, query));
    TRY(canonical_request(rq, buf_str(query), headers, header_count, rq->payload_sha256,
                          canonical));
    TRY(signature_of(c, date, buf_str(canonical), signature));
    buf_add_fmt(out, "AWS4-HMAC-SHA256 Credential=%s/", c->access_key);
    add_scope(c, date, out);
    buf_add_cstr(out, ",SignedHeaders=");
    add_signed_names(headers, header_count, out);
    buf_add_fmt(out, ",Signature=%s", signature);
    return buf_check(out);
}

err s3_sign(const struct s3_credentials *credentials, const struct s3_request *rq,
            struct buf *ret_authorization)
{
    char date[S3_DATE_BYTES];
    struct s3_pair headers[HEADERS_ALL_MAX];
    size_t count = 0;
    s3_date(rq->wall_ms, date);
    if (rq->header_count > S3_HEADERS_MAX)
        return ERR(ERR_TOO_BIG, "a request to S3 has at most %d headers", S3_HEADERS_MAX);
    headers[count++] = (struct s3_pair){ STR("host"), rq->host };
    headers[count++] = (struct s3_pair){ STR("x-amz-content-sha256"), str_of(rq->payload_sha256) };
    headers[count++] = (struct s3_pair){ STR("x-amz-date"), str_of(date) };
    if (credentials->session_token[0])
        headers[count++] = (struct s3_pair){ STR("x-amz-security-token"),
                                             str_of(credentials->session_token) };
    for (size_t i = 0; i < rq->header_count; i++)
        headers[count++] = rq->headers[i];
    qsort(headers, count, sizeof headers[0], compare_pairs);

    struct buf query, canonical;
    buf_init(&query, TEXT_BYTES_MAX);
    buf_init(&canonical, TEXT_BYTES_MAX);
    err e = sign_with(credentials, rq, headers, count, &query, &canonical, ret_authorization);
    buf_deinit(&canonical);
    buf_deinit(&query);
    return e;
}

/* ------------------------------------------------------------------ presigned URLs */

static err presign_with(const struct s3_credentials *c, const struct s3_request *rq,
                        const struct s3_pair *params, size_t param_count, struct buf *text,
                        struct buf *canonical, struct buf *ret_query)
{
    const struct s3_pair host = { STR("host"), rq->host };
    char date[S3_DATE_BYTES], signature[SHA256_HEX_BYTES];
    s3_date(rq->wall_ms, date);
    size_t begin = ret_query->len;
    TRY(query_of(params, param_count, text, ret_query));
    str query = str_sub(buf_str(ret_query), begin, ret_query->len - begin);
    TRY(canonical_request(rq, query, &host, 1, "UNSIGNED-PAYLOAD", canonical));
    TRY(signature_of(c, date, buf_str(canonical), signature));
    buf_add_fmt(ret_query, "&X-Amz-Signature=%s", signature);
    return buf_check(ret_query);
}

err s3_presign(const struct s3_credentials *credentials, const struct s3_request *rq,
               int64_t valid_s, struct buf *ret_query)
{
    if (valid_s < 1 || valid_s > S3_PRESIGN_S_MAX)
        return ERR(ERR_INVALID, "a presigned URL is valid for 1 to %d seconds, not %lld",
                   S3_PRESIGN_S_MAX, (long long)valid_s);
    char date[S3_DATE_BYTES], seconds[24];
    s3_date(rq->wall_ms, date);
    snprintf(seconds, sizeof seconds, "%lld", (long long)valid_s);
    struct buf credential, text, canonical;
    buf_init(&credential, TEXT_BYTES_MAX);
    buf_init(&text, TEXT_BYTES_MAX);
    buf_init(&canonical, TEXT_BYTES_MAX);
    buf_add_fmt(&credential, "%s/", credentials->access_key);
    add_scope(credentials, date, &credential);

    struct s3_pair params[S3_PARAMS_MAX + 6];
    size_t count = 0;
    for (; count < rq->param_count && count < S3_PARAMS_MAX; count++)
        params[count] = rq->params[count];
    params[count++] = (struct s3_pair){ STR("X-Amz-Algorithm"), STR("AWS4-HMAC-SHA256") };
    params[count++] = (struct s3_pair){ STR("X-Amz-Credential"), buf_str(&credential) };
    params[count++] = (struct s3_pair){ STR("X-Amz-Date"), str_of(date) };
    params[count++] = (struct s3_pair){ STR("X-Amz-Expires"), str_of(seconds) };
    params[count++] = (struct s3_pair){ STR("X-Amz-SignedHeaders"), STR("host") };
    if (credentials->session_token[0])
        params[count++] = (struct s3_pair){ STR("X-Amz-Security-Token"),
                                            str_of(credentials->session_token) };
    err e = buf_check(&credential);
    if (!e.code)
        e = presign_with(credentials, rq, params, count, &text, &canonical, ret_query);
    buf_deinit(&canonical);
    buf_deinit(&text);
    buf_deinit(&credential);
    return e;
}
