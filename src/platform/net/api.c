/* SPDX-License-Identifier: GPL-3.0-or-later */
/* api.c -- JSON over HTTP as a client. */
#include "platform/net/api.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

enum { CONFIG_BYTES = 64 * 1024, ADDRESS_BYTES = 8192, WORDS_BYTES = 110 };

struct net_api {
    struct net *net;
    arena keep;
    const char *url;
    const char *json_headers[4], *plain_headers[3];
    int64_t call_ms;
};

static err make_headers(struct net_api *a, const char *token)
{
    const char *who = NULL;
    if (strchr(token, ':')) {
        char *base64 = arena_alloc(&a->keep, (strlen(token) + 2) / 3 * 4 + 1, 1, 1);
        ARENA_TRY(base64);
        base64[str_base64(str_of(token), base64)] = '\0';
        who = arena_fmt(&a->keep, "Authorization: Basic %s", base64).ptr;
    } else if (token[0]) {
        who = arena_fmt(&a->keep, "Authorization: Bearer %s", token).ptr;
    }
    a->json_headers[0] = a->plain_headers[0] = "User-Agent: skerry";
    a->json_headers[1] = "Content-Type: application/json";
    a->json_headers[2] = a->plain_headers[1] = who;
    return arena_check(&a->keep);
}

err net_api_open(const struct net_api_options *options, struct net_api **ret_api)
{
    struct net_api *a = calloc(1, sizeof *a);
    const char *token = options->token ? options->token : "";
    if (!a)
        return ERR(ERR_NO_MEMORY, "opening %.100s: out of memory", options->url);
    arena_init(&a->keep, CONFIG_BYTES);
    a->call_ms = options->call_ms;
    a->url = arena_cstr(&a->keep, str_of(options->url));
    err e = make_headers(a, token);
    for (const char *c = token; !e.code && *c; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            e = ERR(ERR_INVALID, "the token for %.100s has a line break in it", options->url);
    if (!e.code)
        e = net_open(&(struct net_options){ .lanes_max = 2,
                                            .ca_file = options->ca_file,
                                            .plain_only_nearby = true },
                     &a->net);
    if (e.code) {
        net_api_close(a);
        return e;
    }
    *ret_api = a;
    return OK;
}

void net_api_close(struct net_api *a)
{
    if (!a)
        return;
    net_close(a->net);
    arena_deinit(&a->keep);
    free(a);
}

/* ------------------------------------------------------------------ what an answer means */

/* What it says of itself, one printable line. */
static void words_of(str text, char out[WORDS_BYTES])
{
    size_t n = 0;
    str all = str_sub(text, 0, str_utf8_valid_len(text));
    ptrdiff_t at = str_find(all, STR("\"message\":"));
    all = at >= 0 ? str_sub(all, (size_t)at + 10, all.len) : all;
    for (size_t i = 0; i < all.len && n + 5 < WORDS_BYTES; i++) {
        unsigned char c = (unsigned char)all.ptr[i];
        out[n++] = c < 0x20 || c == 0x7f ? ' ' : (char)c;
    }
    out[n] = '\0';
    out[str_utf8_valid_len(str_of(out))] = '\0';
}

static err judge(const struct net_api *a, const char *method, const char *path, int status,
                 str text)
{
    char words[WORDS_BYTES];
    enum err_code code = ERR_UPSTREAM;
    if (status >= 200 && status < 300)
        return OK;
    if (status == 404)
        code = ERR_NOT_FOUND;
    else if (status == 401 || status == 403)
        code = ERR_DENIED;
    else if (status == 429 || status == 503)
        code = ERR_BUSY;
    else if (status >= 400 && status < 500)
        code = ERR_INVALID;
    words_of(text, words);
    return ERR(code, "%s %.60s%.70s answered %d: %s", method, a->url, path, status, words);
}

/* ------------------------------------------------------------------ calls */

static err begin(struct net_api *a, const char *method, const char *path, str body, bool has_body,
                 bool is_json, const atomic_bool *stop, struct net_call **ret_call)
{
    char address[ADDRESS_BYTES];
    int n = snprintf(address, sizeof address, "%s%s", a->url, path);
    if (n < 0 || (size_t)n >= sizeof address)
        return ERR(ERR_TOO_BIG, "an address at %.100s would be too long", a->url);
    struct net_request rq = { .method = method,
                              .url = address,
                              .headers = is_json ? a->json_headers : a->plain_headers,
                              .has_body = has_body,
                              .body = body,
                              .deadline_ns = a->call_ms ? clock_mono_ns() + a->call_ms * 1000000
                                                        : 0,
                              .stop = stop };
    err e = net_begin(a->net, &rq, ret_call);
    return e.code && e.code != ERR_CANCELLED ? err_wrap(e, "asking %.80s", a->url) : e;
}

static err call(struct net_api *a, const char *method, const char *path, str body,
                const atomic_bool *stop, struct buf *text, int *ret_status)
{
    struct net_call *c = NULL;
    bool has_body = body.len > 0;
    TRY(begin(a, method, path, body, has_body, has_body, stop, &c));
    err e = net_read_all(c, text);
    *ret_status = net_status(c);
    net_end(c);
    return e.code && e.code != ERR_CANCELLED ? err_wrap(e, "asking %.80s", a->url) : e;
}

err net_api_call(struct net_api *a, const char *method, const char *path, str body,
                 const atomic_bool *stop, arena *keep, int *ret_status,
                 const struct json **ret_reply)
{
    struct buf text;
    buf_init(&text, NET_API_REPLY_MAX);
    err e = call(a, method, path, body, stop, &text, ret_status);
    if (!e.code && json_parse(keep, buf_str(&text), ret_reply).code)
        *ret_reply = NULL;
    buf_deinit(&text);
    return e.code ? e : arena_check(keep);
}

err net_api_need(struct net_api *a, const char *method, const char *path, str body,
                 const atomic_bool *stop, arena *keep, const struct json **ret_reply)
{
    struct buf text;
    int status = 0;
    buf_init(&text, NET_API_REPLY_MAX);
    err e = call(a, method, path, body, stop, &text, &status);
    if (!e.code)
        e = judge(a, method, path, status, buf_str(&text));
    if (!e.code) {
        err bad = json_parse(keep, buf_str(&text), ret_reply);
        if (bad.code == ERR_NO_MEMORY)
            e = bad;
        else if (bad.code)
            e = ERR(ERR_UPSTREAM, "%s %.80s%.80s answered with something that is not JSON", method,
                    a->url, path);
    }
    buf_deinit(&text);
    return e;
}

static err read_refusal(struct net_api *a, const char *method, const char *path, struct net_call *c)
{
    struct buf text;
    if (net_status(c) >= 200 && net_status(c) < 300)
        return OK;
    buf_init(&text, 64 * 1024);
    err e = net_read_all(c, &text);
    e = e.code && e.code != ERR_TOO_BIG ? e : judge(a, method, path, net_status(c), buf_str(&text));
    buf_deinit(&text);
    return e;
}

err net_api_get(struct net_api *a, const char *path, const atomic_bool *stop,
                struct net_call **ret_call)
{
    struct net_call *c = NULL;
    TRY(begin(a, "GET", path, STR_NONE, false, false, stop, &c));
    err e = read_refusal(a, "GET", path, c);
    if (e.code) {
        net_end(c);
        return e;
    }
    *ret_call = c;
    return OK;
}

err net_api_put(struct net_api *a, const char *path, str bytes, const atomic_bool *stop)
{
    struct net_call *c = NULL;
    TRY(begin(a, "PUT", path, bytes, true, false, stop, &c));
    err e = read_refusal(a, "PUT", path, c);
    net_end(c);
    return e;
}

void net_api_escape(struct buf *out, str text, bool keeps_slash)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        bool is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                        (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.' || c == '~' ||
                        (keeps_slash && c == '/');
        if (is_plain)
            buf_add_char(out, (char)c);
        else
            buf_add_fmt(out, "%%%02X", c);
    }
}
