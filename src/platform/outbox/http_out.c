/* SPDX-License-Identifier: GPL-3.0-or-later */
/* http_out.c -- one POST: gzip, headers with credentials, and the meaning of statuses. */
#include "platform/outbox/http_out.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/clock.h"
#include "base/json.h"

enum {
    HEADERS_MAX = 32,
    CONFIG_BYTES = 256 * 1024,
    PACKED_BYTES_MAX = 16 << 20,
    GZIP_WINDOW = 15 + 16, /* zlib: gzip's frame */
    SECRET_BYTES_MIN = 4,  /* shorter ones would be found everywhere */
};

/* ------------------------------------------------------------------ pure */

int64_t http_out_retry_after_ms(str header)
{
    int64_t seconds = 0;
    err e = str_to_i64(str_trim(header), &seconds);
    if (e.code || seconds < 0 || seconds > 86400)
        return 0;
    return seconds * 1000;
}

err http_out_otlp_reply(str reply, int64_t *ret_refused, char why[OUTBOX_WHY_BYTES])
{
    arena keep;
    const struct json *root = NULL;
    int64_t refused = 0;
    why[0] = '\0';
    *ret_refused = 0;
    if (str_trim(reply).len == 0)
        return OK;
    arena_init(&keep, HTTP_OUT_REPLY_MAX * 32);
    err e = json_parse(&keep, reply, &root);
    if (e.code || json_kind(root) != JSON_IS_OBJECT) {
        arena_deinit(&keep);
        return ERR(ERR_UPSTREAM, "it answered with something that is not OTLP: is this the address "
                                 "of a collector?");
    }
    const struct json *partial = json_get(root, "partialSuccess");
    static const char *const counts[] = { "rejectedLogRecords", "rejectedSpans" };
    for (size_t i = 0; i < COUNT_OF(counts); i++) {
        const struct json *value = json_get(partial, counts[i]);
        int64_t number = json_int(value, 0); /* 64-bit numbers may come as text */
        if (json_kind(value) == JSON_IS_STR && str_to_i64(json_str(value, STR_NONE), &number).code)
            number = 0;
        if (number > 0 && number <= 1000000)
            refused += number;
    }
    str words = json_str(json_get(partial, "errorMessage"), STR_NONE);
    static const struct outbox_http nobody = { .token = "", .headers = "" };
    http_out_excerpt(&nobody, words, why, OUTBOX_WHY_BYTES);
    arena_deinit(&keep);
    *ret_refused = refused;
    return OK;
}

bool http_out_wants_plain_lines(str reply)
{
    return str_find(reply, STR("array must contain")) >= 0 ||
           (str_find(reply, STR("structured metadata")) >= 0 &&
            str_find(reply, STR("disallowed")) >= 0);
}

static void blot(char *text, str secret)
{
    if (secret.len < SECRET_BYTES_MIN)
        return;
    for (ptrdiff_t at; (at = str_find(str_of(text), secret)) >= 0;)
        memset(text + at, '*', secret.len);
}

void http_out_excerpt(const struct outbox_http *config, str text, char *out, size_t out_bytes)
{
    char line[1024];
    size_t n = 0;
    text = str_trim(text);
    text.len = str_utf8_valid_len(text);
    for (size_t i = 0; i < text.len && n + 1 < sizeof line; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        line[n++] = c < 0x20 || c == 0x7f ? ' ' : (char)c;
    }
    line[n] = '\0';
    /* A server, or somebody in between, may give back what it was sent. */
    blot(line, str_of(config->token));
    for (str rest = str_of(config->headers); rest.len;) {
        str value = str_split(&rest, ',');
        str_split(&value, '=');
        blot(line, str_trim(value));
    }
    str shown = str_sub(str_of(line), 0, out_bytes - 1);
    shown.len = str_utf8_valid_len(shown);
    if (shown.len)
        memcpy(out, shown.ptr, shown.len);
    out[shown.len] = '\0';
}

/* ------------------------------------------------------------------ opening */

static void add_base64(struct buf *out, str bytes)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < bytes.len; i += 3) {
        uint32_t group = 0;
        size_t n = bytes.len - i < 3 ? bytes.len - i : 3;
        for (size_t k = 0; k < 3; k++)
            group = group << 8 | (k < n ? (unsigned char)bytes.ptr[i + k] : 0);
        for (size_t k = 0; k < 4; k++)
            buf_add_char(out, k <= n ? digits[group >> (18 - 6 * k) & 63] : '=');
    }
}

static err credentials(const char *token, arena *keep, str *ret_header)
{
    struct buf line;
    buf_init(&line, 16 * 1024);
    if (strchr(token, ':')) {
        buf_add_cstr(&line, "Authorization: Basic ");
        add_base64(&line, str_of(token));
    } else {
        buf_add_cstr(&line, "Authorization: Bearer ");
        buf_add_cstr(&line, token);
    }
    err e = buf_check(&line);
    if (!e.code)
        *ret_header = arena_str(keep, buf_str(&line));
    buf_deinit(&line);
    return e.code ? e : arena_check(keep);
}

static err make_headers(struct http_out *h)
{
    const struct outbox_http *config = h->config;
    const char **list = NEW_ARRAY(&h->keep, const char *, HEADERS_MAX + 1);
    size_t n = 0;
    ARENA_TRY(list);
    list[n++] = "Content-Type: application/json";
    list[n++] = "Content-Encoding: gzip";
    list[n++] = "User-Agent: skerry";
    if (config->tenant[0])
        list[n++] = arena_fmt(&h->keep, "X-Scope-OrgID: %s", config->tenant).ptr;
    if (config->token[0]) {
        str header;
        TRY(credentials(config->token, &h->keep, &header));
        list[n++] = header.ptr;
    }
    for (str rest = str_of(config->headers); rest.len && n < HEADERS_MAX;) {
        str value = str_split(&rest, ',');
        str name = str_trim(str_split(&value, '='));
        if (name.len)
            list[n++] =
                arena_fmt(&h->keep, "%.*s: %.*s", STR_ARG(name), STR_ARG(str_trim(value))).ptr;
    }
    h->headers = list;
    return arena_check(&h->keep);
}

err http_out_open(const struct outbox_http *config, const char *path, struct http_out **ret_out)
{
    struct http_out *h = calloc(1, sizeof *h);
    if (!h)
        return ERR(ERR_NO_MEMORY, "opening a destination: out of memory");
    h->config = config;
    arena_init(&h->keep, CONFIG_BYTES);
    str base = str_of(config->url);
    while (str_ends(base, STR("/")))
        base.len--;
    h->url = arena_fmt(&h->keep, "%.*s%s", STR_ARG(base), path).ptr;
    err e = arena_check(&h->keep);
    if (!e.code)
        e = make_headers(h);
    if (!e.code)
        e = net_open(&(struct net_options){ .lanes_max = 1,
                                            .ca_file = config->ca_file,
                                            .plain_only_nearby = true },
                     &h->net);
    if (e.code) {
        http_out_close(h);
        return e;
    }
    *ret_out = h;
    return OK;
}

void http_out_close(struct http_out *h)
{
    if (!h)
        return;
    net_close(h->net);
    arena_deinit(&h->keep);
    free(h);
}

static bool has_control(const char *text)
{
    for (const char *c = text; *c; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            return true;
    return false;
}

err outbox_url_check(const char *url, const char *setting)
{
    str rest = str_of(url);
    if (!str_starts(rest, STR("http://")) && !str_starts(rest, STR("https://")))
        return ERR(ERR_INVALID, "setting %s must be an address like https://host:port", setting);
    rest = str_sub(rest, (size_t)str_find(rest, STR("//")) + 2, rest.len);
    str host = str_split(&rest, '/');
    if (str_find_char(host, '@') >= 0)
        return ERR(ERR_INVALID,
                   "setting %s has credentials in it, which would be shown: give them "
                   "in a setting of their own",
                   setting);
    return OK;
}

err outbox_http_check(const struct outbox_http *config, const char *url_setting,
                      const char *headers_setting)
{
    TRY(outbox_url_check(config->url, url_setting));
    if (has_control(config->url) || has_control(config->tenant) || has_control(config->token) ||
        has_control(config->headers))
        return ERR(ERR_INVALID, "setting %s, %s, a token or a tenant has a line break in it",
                   url_setting, headers_setting);
    for (str rest = str_of(config->headers); rest.len;) {
        str header = str_split(&rest, ',');
        if (str_trim(header).len && str_find_char(header, '=') < 1)
            return ERR(ERR_INVALID, "setting %s must be Name=value, several separated by commas",
                       headers_setting);
    }
    return OK;
}

/* ------------------------------------------------------------------ posting */

static err pack(str text, struct buf *out)
{
    z_stream z = { 0 };
    if (deflateInit2(&z, 3, Z_DEFLATED, GZIP_WINDOW, 8, Z_DEFAULT_STRATEGY) != Z_OK)
        return ERR(ERR_NO_MEMORY, "packing a batch: out of memory");
    uLong bound = deflateBound(&z, (uLong)text.len);
    char *room = buf_reserve(out, bound);
    if (!room) {
        deflateEnd(&z);
        return err_wrap(buf_check(out), "packing a batch");
    }
    z.next_in = (Bytef *)(uintptr_t)text.ptr;
    z.avail_in = (uInt)text.len;
    z.next_out = (Bytef *)room;
    z.avail_out = (uInt)bound;
    int code = deflate(&z, Z_FINISH);
    out->len += z.total_out;
    deflateEnd(&z);
    return code == Z_STREAM_END ? OK : ERR(ERR_INTERNAL, "packing a batch: zlib said %d", code);
}

static err judge(const struct http_out *h, int status, str text)
{
    char words[180]; /* Loki names the stream first, and then what is wrong with it */
    if (status >= 200 && status < 300)
        return OK;
    http_out_excerpt(h->config, text, words, sizeof words);
    enum err_code code = ERR_UPSTREAM;
    if (status == 400 || status == 422)
        code = ERR_INVALID;
    else if (status == 413)
        code = ERR_TOO_BIG;
    else if (status == 401 || status == 403)
        code = ERR_DENIED;
    else if (status == 429 || status == 503)
        code = ERR_BUSY;
    return ERR(code, "%.60s answered %d%s%s", h->url, status, words[0] ? ": " : "", words);
}

err http_out_post(struct http_out *h, struct outbox_batch *batch, str json, struct buf *reply)
{
    struct buf packed;
    struct net_call *call = NULL;
    buf_init(&packed, PACKED_BYTES_MAX);
    err e = pack(json, &packed);
    struct net_request rq = { .method = "POST",
                              .url = h->url,
                              .headers = h->headers,
                              .has_body = true,
                              .body = buf_str(&packed),
                              .deadline_ns = batch->deadline_ns,
                              .stop = batch->stop };
    if (!e.code)
        e = net_begin(h->net, &rq, &call);
    if (!e.code)
        e = net_read_all(call, reply);
    if (e.code == ERR_TOO_BIG || e.code == ERR_INVALID) /* the answer, not what was sent */
        e.code = ERR_UPSTREAM;
    if (!e.code) {
        batch->retry_after_ms = http_out_retry_after_ms(net_header(call, STR("Retry-After")));
        e = judge(h, net_status(call), buf_str(reply));
    } else if (e.code != ERR_CANCELLED) {
        e = err_wrap(e, "sending to %.100s", h->url);
    }
    net_end(call);
    buf_deinit(&packed);
    return e;
}
