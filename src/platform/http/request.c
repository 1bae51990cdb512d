/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A request: its life, its head, and what handlers ask it.
 *
 * Requests are kept and used again, with the buffers they have grown, so that a small request costs
 * no allocation of ours. The target is copied once, because libmicrohttpd cuts it up in place;
 * headers stay where libmicrohttpd has them, which is valid until the request is completed.
 */
#include "platform/http/http_internal.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/rand.h"
#include "platform/http/path.h"

/* ------------------------------------------------------------------ life */

char *request_scratch(struct http_request *rq, size_t bytes)
{
    if (bytes <= sizeof rq->scratch - rq->scratch_used) {
        char *p = rq->scratch + rq->scratch_used;
        rq->scratch_used += bytes;
        return p;
    }
    return arena_alloc(&rq->arena, bytes, 1, 1);
}

static struct http_request *request_new(struct http_server *s)
{
    struct http_request *rq = calloc(1, sizeof *rq);
    if (!rq)
        return NULL;
    size_t bytes_max = (size_t)s->options.arena_bytes_max;
    arena_init(&rq->arena, bytes_max);
    buf_init(&rq->body, SIZE_MAX / 2); /* the route's body_max is checked before each write */
    buf_init(&rq->reply.body, bytes_max);
    buf_init(&rq->reply.packed, bytes_max);
    return rq;
}

static void request_free(struct http_request *rq)
{
    arena_deinit(&rq->arena);
    buf_deinit(&rq->body);
    buf_deinit(&rq->reply.body);
    buf_deinit(&rq->reply.packed);
    free(rq);
}

struct http_request *request_take(struct http_server *s, struct MHD_Connection *mhd,
                                  const char *target)
{
    pthread_mutex_lock(&s->free_lock);
    struct http_request *rq = s->free_requests;
    if (rq) {
        s->free_requests = rq->next_free;
        s->free_count--;
    }
    pthread_mutex_unlock(&s->free_lock);
    if (!rq)
        rq = request_new(s);
    if (!rq)
        return NULL;
    memset(rq, 0, offsetof(struct http_request, arena));
    rq->server = s;
    rq->mhd = mhd;
    rq->method_id = METHOD_COUNT;
    reply_init(&rq->reply, rq);
    /* Longer targets are refused later with 414; one more byte tells that. */
    size_t len = target ? strnlen(target, PATH_BYTES_MAX + 1) : 0;
    char *copy = request_scratch(rq, len + 1);
    if (copy && target)
        memcpy(copy, target, len);
    rq->target = copy ? str_from(copy, len) : STR_NONE;
    return rq;
}

static void buf_relax(struct buf *b)
{
    if (b->cap > HTTP_KEEP_BYTES)
        buf_deinit(b);
    else
        buf_clear(b);
}

void request_give_back(struct http_request *rq)
{
    struct http_server *s = rq->server;
    upload_free(rq->upload);
    rq->upload = NULL;
    reply_reset(&rq->reply);
    arena_rewind(&rq->arena);
    buf_relax(&rq->body);
    buf_relax(&rq->reply.body);
    buf_relax(&rq->reply.packed);
    pthread_mutex_lock(&s->free_lock);
    bool is_kept = s->free_count < HTTP_REQUESTS_KEPT;
    if (is_kept) {
        rq->next_free = s->free_requests;
        s->free_requests = rq;
        s->free_count++;
    }
    pthread_mutex_unlock(&s->free_lock);
    if (!is_kept)
        request_free(rq);
}

void requests_free_all(struct http_server *s)
{
    while (s->free_requests) {
        struct http_request *rq = s->free_requests;
        s->free_requests = rq->next_free;
        request_free(rq);
    }
    s->free_count = 0;
}

/* ------------------------------------------------------------------ headers */

static err refuse_as(struct http_request *rq, int status, const char *code, err e)
{
    rq->status_override = status;
    rq->code_override = code;
    return e;
}

static bool is_token(const char *name, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        char c = name[i];
        bool fine = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                    strchr("!#$%&'*+-.^_`|~", c);
        if (!fine || c == '\0')
            return false;
    }
    return len > 0;
}

static void header_length(struct known_headers *known, str value)
{
    int64_t length = -1;
    err e = str_to_i64(value, &length);
    if (e.code || length < 0 || (known->length_count && known->content_length != length))
        known->is_malformed = true;
    known->content_length = length;
    known->length_count++;
}

/* Keeps the headers that this room reads itself. Their names are told apart by length first. */
static void header_known(struct known_headers *known, str name, str value)
{
    static const struct {
        str name;
        size_t offset;
    } slots[] = {
        { STR_INIT("Range"), offsetof(struct known_headers, range) },
        { STR_INIT("Origin"), offsetof(struct known_headers, origin) },
        { STR_INIT("If-Range"), offsetof(struct known_headers, if_range) },
        { STR_INIT("Content-Type"), offsetof(struct known_headers, content_type) },
        { STR_INIT("X-Request-Id"), offsetof(struct known_headers, request_id) },
        { STR_INIT("If-None-Match"), offsetof(struct known_headers, if_none_match) },
        { STR_INIT("Accept-Encoding"), offsetof(struct known_headers, accept_encoding) },
        { STR_INIT("X-Correlation-Id"), offsetof(struct known_headers, correlation_id) },
        { STR_INIT("If-Modified-Since"), offsetof(struct known_headers, if_modified_since) },
    };
    if (str_eq_nocase(name, STR("Host"))) {
        known->host = value;
        known->host_count++;
    } else if (str_eq_nocase(name, STR("Content-Length"))) {
        header_length(known, value);
    } else if (str_eq_nocase(name, STR("Transfer-Encoding"))) {
        bool is_first = !known->is_chunked && !known->has_other_encoding;
        known->is_chunked = is_first && str_eq_nocase(value, STR("chunked"));
        known->has_other_encoding = !known->is_chunked;
    } else if (str_eq_nocase(name, STR("Expect"))) {
        known->expects_continue = str_eq_nocase(value, STR("100-continue"));
    } else {
        for (size_t i = 0; i < COUNT_OF(slots); i++)
            if (name.len == slots[i].name.len && str_eq_nocase(name, slots[i].name))
                *(str *)(void *)((char *)known + slots[i].offset) = value;
    }
}

static enum MHD_Result header_visit(void *arg, enum MHD_ValueKind kind, const char *name,
                                    size_t name_len, const char *value, size_t value_len)
{
    struct known_headers *known = arg;
    if (!is_token(name, name_len) || ++known->count > HTTP_HEADERS_MAX)
        known->is_malformed = true;
    for (size_t i = 0; i < value_len; i++)
        if (((unsigned char)value[i] < 0x20 && value[i] != '\t') || value[i] == 0x7F)
            known->is_malformed = true;
    header_known(known, str_from(name, name_len), str_trim(str_from(value, value_len)));
    return MHD_YES;
}

/* Framing that proxies and servers may read differently is how requests are smuggled: refused. */
static err headers_check(struct http_request *rq)
{
    struct known_headers *known = &rq->known;
    known->content_length = -1;
    MHD_get_connection_values_n(rq->mhd, MHD_HEADER_KIND, header_visit, known);
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(
        rq->mhd, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
    if (info && info->header_size > HTTP_HEAD_BYTES_MAX)
        return refuse_as(rq, 431, "head_too_large",
                         ERR(ERR_TOO_BIG, "the request's head has %zu bytes, and the maximum is %d",
                             info->header_size, HTTP_HEAD_BYTES_MAX));
    if (known->is_malformed)
        return ERR(ERR_INVALID,
                   "the request headers are malformed, contradict each other, or are more than %d",
                   HTTP_HEADERS_MAX);
    if (known->has_other_encoding || (known->is_chunked && known->length_count))
        return ERR(ERR_INVALID, "a body must come with Content-Length or with Transfer-Encoding: "
                                "chunked, and not with both");
    if (known->host_count > 1 || (known->host_count == 0 && !rq->is_http10))
        return ERR(ERR_INVALID, "exactly one Host header is needed");
    return OK;
}

bool request_has_body(const struct http_request *rq)
{
    return rq->known.is_chunked || rq->known.content_length > 0;
}

/* ------------------------------------------------------------------ id */

static bool is_sane_id(str id)
{
    if (id.len == 0 || id.len > HTTP_ID_BYTES)
        return false;
    for (size_t i = 0; i < id.len; i++) {
        char c = id.ptr[i];
        bool fine = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                    c == '-' || c == '_' || c == '.' || c == ':';
        if (!fine)
            return false;
    }
    return true;
}

/* 32 hex digits, the size of a trace id. Unique by the counter, and hard to confuse by the seed;
 * they are no secret. */
static void make_id(struct http_request *rq)
{
    uint64_t serial = atomic_fetch_add_explicit(&rq->server->id_serial, 1, memory_order_relaxed);
    uint64_t first = rand_mix(rq->server->id_seed ^ serial);
    uint64_t parts[2] = { first, rand_mix(first + serial) };
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < 32; i++)
        rq->id[i] = digits[(parts[i / 16] >> (4 * (i % 16))) & 15];
    rq->id_len = 32;
}

static void choose_id(struct http_request *rq)
{
    str given = is_sane_id(rq->known.request_id) ? rq->known.request_id : rq->known.correlation_id;
    if (is_sane_id(given)) {
        memcpy(rq->id, given.ptr, given.len);
        rq->id_len = given.len;
    } else {
        make_id(rq);
    }
    rq->id[rq->id_len] = '\0';
}

/* ------------------------------------------------------------------ head */

static err query_parse(struct http_request *rq)
{
    if (rq->raw_query.len == 0)
        return OK;
    char *scratch = request_scratch(rq, rq->raw_query.len);
    ARENA_TRY(scratch);
    str rest = rq->raw_query, name, value;
    err e = OK;
    while (query_next(&rest, &scratch, &name, &value, &e)) {
        if (rq->query_count == HTTP_QUERY_MAX)
            return ERR(ERR_INVALID, "more than %d query parameters", HTTP_QUERY_MAX);
        rq->query[rq->query_count].name = name;
        rq->query[rq->query_count++].value = value;
    }
    return e;
}

static err target_parse(struct http_request *rq)
{
    if (rq->target.len > PATH_BYTES_MAX)
        return refuse_as(
            rq, 414, "uri_too_long",
            ERR(ERR_TOO_BIG, "the request target is longer than %d bytes", PATH_BYTES_MAX));
    rq->is_star = str_eq(rq->target, STR("*")) && str_eq(rq->method, STR("OPTIONS"));
    if (rq->is_star) /* asks about the server, not about a path */
        rq->target = STR("/");
    str authority;
    TRY(target_split(rq->target, &authority, &rq->raw_path, &rq->raw_query));
    if (authority.len)
        TRY(guard_host(&rq->server->guard, authority));
    char *scratch = request_scratch(rq, rq->raw_path.len);
    ARENA_TRY(scratch);
    TRY(path_parse(rq->raw_path, scratch, &rq->path));
    return query_parse(rq);
}

/* "GET, HEAD, OPTIONS" */
static void allow_header(struct http_request *rq)
{
    unsigned allowed = rq->match.allowed;
    struct buf text;
    buf_init(&text, 128);
    for (size_t i = 0; i < METHOD_COUNT; i++)
        if (allowed & (1u << i))
            buf_add_fmt(&text, "%s, ", method_names[i]);
    if (allowed & (1u << METHOD_GET))
        buf_add_cstr(&text, "HEAD, ");
    buf_add_cstr(&text, "OPTIONS");
    http_set_header(&rq->reply, "Allow", buf_str(&text));
    buf_deinit(&text);
}

static err route_find(struct http_request *rq)
{
    if (rq->is_star)
        rq->match.allowed = (1u << METHOD_COUNT) - 1;
    else if (!router_find(rq->server->router, rq->method_id, &rq->path, &rq->match))
        return ERR(ERR_NOT_FOUND, "nothing is at %.*s: /openapi.json lists what is",
                   STR_ARG(str_sub(rq->raw_path, 0, 120)));
    else
        rq->route = rq->match.route;
    if (rq->route)
        return OK;
    allow_header(rq);
    if (str_eq(rq->method, STR("OPTIONS")))
        return OK;
    return refuse_as(rq, 405, "method_not_allowed",
                     ERR(ERR_INVALID, "%.*s is not possible here: see the Allow header",
                         STR_ARG(str_sub(rq->method, 0, 20))));
}

static bool is_json_type(str content_type)
{
    str type = str_trim(str_split(&content_type, ';'));
    return str_eq_nocase(type, STR("application/json")) ||
           (type.len > 5 && str_eq_nocase(str_sub(type, type.len - 5, 5), STR("+json")));
}

static err json_type_check(struct http_request *rq)
{
    str type = rq->known.content_type;
    if (type.len == 0 || rq->route->takes_any_type || is_json_type(type))
        return OK;
    return refuse_as(rq, 415, "unsupported_media_type",
                     ERR(ERR_INVALID,
                         "the body is '%.*s': send JSON, with Content-Type: application/json",
                         STR_ARG(str_sub(type, 0, 80))));
}

/* Is the body to be spooled? JSON, sent to a route that takes uploads, is read into memory like any
 * other, unless the route takes all bodies as they are. */
static bool is_spooled(const struct http_request *rq)
{
    return rq->route && rq->route->is_upload &&
           (rq->route->sink || !is_json_type(rq->known.content_type));
}

static err body_prepare(struct http_request *rq)
{
    const struct route *route = rq->route;
    bool spooled = is_spooled(rq);
    rq->body_max = spooled ? rq->server->options.upload_bytes_max : HTTP_BODY_DEFAULT;
    if (route->body_max && spooled == route->is_upload)
        rq->body_max = route->body_max;
    if (!request_has_body(rq))
        return OK;
    if (rq->known.content_length > rq->body_max)
        return ERR(ERR_TOO_BIG, "the body has %lld bytes, and the maximum here is %lld",
                   (long long)rq->known.content_length, (long long)rq->body_max);
    if (route->body && !spooled)
        TRY(json_type_check(rq));
    return spooled ? upload_new(rq, &rq->upload) : OK;
}

static err rate_check(struct http_request *rq)
{
    struct http_server *s = rq->server;
    int64_t max = (int64_t)rq->route->per_minute * s->options.rate_percent / 100;
    if (!rq->route->per_minute || !s->options.rate_percent)
        return OK;
    uint64_t client = rate_client(http_client_address(rq), http_client_is_loopback(rq),
                                  http_header(rq, "X-Forwarded-For"));
    int64_t wait_ms = rate_take(&s->rates, client, rq->route, max > 0 ? max : 1, mono_ms());
    if (wait_ms == 0)
        return OK;
    rq->retry_after_s = (wait_ms + 999) / 1000;
    return refuse_as(rq, 429, "rate_limited",
                     ERR(ERR_BUSY, "more than %lld requests a minute to %s %s: try again in %lld s",
                         (long long)(max > 0 ? max : 1), rq->route->method, rq->route->path,
                         (long long)rq->retry_after_s));
}

err request_begin(struct http_request *rq, const char *method, const char *version)
{
    struct http_server *s = rq->server;
    rq->was_begun = true;
    rq->started_ns = clock_mono_ns();
    rq->method = str_of(method);
    rq->method_id = method_of(rq->method);
    rq->is_head = str_eq(rq->method, STR("HEAD"));
    rq->is_http10 = !strcmp(version, "HTTP/1.0");
    err e = headers_check(rq);
    choose_id(rq);
    if (e.code)
        return e;
    if (atomic_load_explicit(&s->is_closing, memory_order_relaxed))
        return ERR(ERR_BUSY, "the server is shutting down: try again in a moment");
    if (!rq->target.ptr)
        return ERR(ERR_NO_MEMORY, "no memory for the request target");
    if (rq->known.host_count)
        TRY(guard_host(&s->guard, rq->known.host));
    if (rq->known.origin.len)
        TRY(guard_origin(&s->guard, rq->known.origin, rq->known.host, &rq->origin_listed));
    TRY(target_parse(rq));
    TRY(route_find(rq));
    if (!rq->route) /* OPTIONS */
        return OK;
    if (s->options.hooks.authorise)
        TRY(s->options.hooks.authorise(s->options.hooks.ctx, rq, rq->route->access));
    else
        rq->granted = ACCESS_PUBLIC;
    TRY(rate_check(rq));
    return body_prepare(rq);
}

/* ------------------------------------------------------------------ what handlers ask */

void *http_ctx(const struct http_request *rq)
{
    return rq->server->options.hooks.ctx;
}

arena *http_arena(struct http_request *rq)
{
    return &rq->arena;
}

const struct route *http_route(const struct http_request *rq)
{
    return rq->route;
}

str http_method(const struct http_request *rq)
{
    return rq->method;
}

str http_raw_path(const struct http_request *rq)
{
    return rq->raw_path.ptr ? rq->raw_path : rq->target;
}

str http_param(const struct http_request *rq, const char *name)
{
    for (size_t i = 0; rq->route && i < rq->match.param_count; i++)
        if (str_eq(rq->match.params[i].name, str_of(name)))
            return rq->match.params[i].value;
    assert(!"a handler asked for a path parameter that its route does not have");
    return STR_NONE;
}

str http_query(const struct http_request *rq, const char *name)
{
    str one = STR_NONE;
    http_query_all(rq, name, &one, 1);
    return one;
}

size_t http_query_all(const struct http_request *rq, const char *name, str *out, size_t out_max)
{
    size_t count = 0;
    for (size_t i = 0; i < rq->query_count && count < out_max; i++)
        if (str_eq(rq->query[i].name, str_of(name)))
            out[count++] = rq->query[i].value;
    return count;
}

err http_query_int(const struct http_request *rq, const char *name, int64_t min, int64_t max,
                   int64_t *value)
{
    str text;
    if (http_query_all(rq, name, &text, 1) == 0)
        return OK;
    int64_t number = 0;
    err e = str_to_i64(text, &number);
    if (e.code || number < min || number > max)
        return ERR(ERR_INVALID,
                   "query parameter '%s' must be a whole number from %lld to %lld, and is '%.*s'",
                   name, (long long)min, (long long)max, STR_ARG(str_sub(text, 0, 40)));
    *value = number;
    return OK;
}

str http_header(const struct http_request *rq, const char *name)
{
    const char *value = NULL;
    size_t len = 0;
    if (MHD_lookup_connection_value_n(rq->mhd, MHD_HEADER_KIND, name, strlen(name), &value, &len) !=
        MHD_YES)
        return STR_NONE;
    return str_trim(str_from(value, value ? len : 0));
}

str http_request_id(const struct http_request *rq)
{
    return str_from(rq->id, rq->id_len);
}

str http_client_address(const struct http_request *rq)
{
    return str_of(rq->conn ? rq->conn->address : "");
}

bool http_client_is_loopback(const struct http_request *rq)
{
    return rq->conn && rq->conn->is_loopback;
}

str http_user(const struct http_request *rq)
{
    return rq->user;
}

void http_request_set_user(struct http_request *rq, str user, enum access granted)
{
    char *copy = request_scratch(rq, user.len + 1);
    if (copy && user.len)
        memcpy(copy, user.ptr, user.len);
    rq->user = copy ? str_from(copy, user.len) : STR_NONE;
    rq->granted = granted;
}

enum access http_granted(const struct http_request *rq)
{
    return rq->granted;
}

str http_body(const struct http_request *rq)
{
    return buf_str(&rq->body);
}

err http_body_json(struct http_request *rq, const struct json **ret_root)
{
    TRY(json_type_check(rq));
    const struct json *root = NULL;
    if (rq->body.len == 0)
        return ERR(ERR_INVALID, "the body is empty: send a JSON object");
    TRY(err_wrap(json_parse(&rq->arena, buf_str(&rq->body), &root), "reading the body as JSON"));
    if (json_kind(root) != JSON_IS_OBJECT)
        return ERR(ERR_INVALID, "the body must be a JSON object");
    *ret_root = root;
    return OK;
}
