/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a handler says: status, headers and one kind of body; and the one shape of every error. */
#include "platform/http/http_internal.h"

#include <assert.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"

void reply_init(struct http_reply *rp, struct http_request *rq)
{
    rp->rq = rq;
    rp->kind = REPLY_BUFFER;
    rp->status = 200;
    rp->content_type = NULL;
    rp->header_count = 0;
    rp->is_json = false;
    rp->bytes = STR_NONE;
    rp->fd = -1;
    rp->total_bytes = rp->from = rp->length = 0;
    rp->etag = NULL;
    rp->has_modified = false;
    rp->modified = 0;
    rp->has_stream = rp->is_sse = rp->is_packed = false;
    rp->stream_last_ns = 0;
}

void reply_reset(struct http_reply *rp)
{
    if (rp->has_stream && rp->stream.done)
        rp->stream.done(rp->stream.arg);
    if (rp->fd >= 0)
        close(rp->fd);
    buf_clear(&rp->body);
    buf_clear(&rp->packed);
    reply_init(rp, rp->rq);
}

/* A second body would mean that a handler is wrong about what it answers. */
static void claim(struct http_reply *rp, enum reply_kind kind)
{
    assert(rp->kind == REPLY_BUFFER && !rp->is_json && rp->body.len == 0);
    rp->kind = kind;
}

void http_status(struct http_reply *rp, int status)
{
    assert(status >= 200 && status <= 599);
    rp->status = status;
}

const char *reply_header(const struct http_reply *rp, const char *name)
{
    for (size_t i = 0; i < rp->header_count; i++)
        if (!strcasecmp(rp->headers[i].name, name))
            return rp->headers[i].value;
    return NULL;
}

void http_set_header(struct http_reply *rp, const char *name, str value)
{
    for (size_t i = 0; i < value.len; i++)
        assert(value.ptr[i] != '\r' && value.ptr[i] != '\n' && value.ptr[i] != '\0');
    char *copy = request_scratch(rp->rq, value.len + 1);
    if (!copy)
        return; /* the arena remembers, and the reply becomes an error */
    if (value.len)
        memcpy(copy, value.ptr, value.len);
    copy[value.len] = '\0';
    size_t at = 0;
    while (at < rp->header_count && strcasecmp(rp->headers[at].name, name) != 0)
        at++;
    assert(at < HTTP_REPLY_HEADERS_MAX);
    rp->headers[at] = (struct reply_header){ name, copy };
    if (at == rp->header_count)
        rp->header_count++;
}

struct json_out *http_json(struct http_reply *rp)
{
    if (!rp->is_json) {
        claim(rp, REPLY_BUFFER);
        rp->is_json = true;
        rp->content_type = "application/json";
        json_out_init(&rp->json, &rp->body);
    }
    return &rp->json;
}

struct buf *http_text(struct http_reply *rp, const char *content_type)
{
    assert(rp->kind == REPLY_BUFFER && !rp->is_json);
    rp->content_type = content_type;
    return &rp->body;
}

void http_static(struct http_reply *rp, const char *content_type, str bytes, const char *etag)
{
    claim(rp, REPLY_STATIC);
    rp->content_type = content_type;
    rp->bytes = bytes;
    rp->total_bytes = (int64_t)bytes.len;
    if (!etag || !etag[0])
        return;
    bool is_quoted = etag[0] == '"' || !strncmp(etag, "W/", 2);
    char *copy = request_scratch(rp->rq, strlen(etag) + 3);
    if (!copy)
        return;
    size_t len = strlen(etag);
    memcpy(copy + !is_quoted, etag, len + 1);
    if (!is_quoted) {
        copy[0] = '"';
        memcpy(copy + 1 + len, "\"", 2);
    }
    rp->etag = copy;
}

static bool is_plain_in_name(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_';
}

/* attachment; filename=plain, or filename="ascii"; filename*=UTF-8''percent-encoded (RFC 6266) */
void http_attachment(struct http_reply *rp, str name)
{
    struct buf text;
    buf_init(&text, 4096);
    size_t plain = 0;
    while (plain < name.len && is_plain_in_name(name.ptr[plain]))
        plain++;
    if (name.len && plain == name.len) {
        buf_add_fmt(&text, "attachment; filename=%.*s", STR_ARG(name));
        if (!text.failed)
            http_set_header(rp, "Content-Disposition", buf_str(&text));
        buf_deinit(&text);
        return;
    }
    buf_add_cstr(&text, "attachment; filename=\"");
    for (const char *c = name.ptr; c < name.ptr + name.len; c++)
        buf_add_char(&text, *c >= 0x20 && *c < 0x7F && *c != '"' && *c != '\\' ? *c : '_');
    buf_add_cstr(&text, "\"; filename*=UTF-8''");
    for (const char *c = name.ptr; c < name.ptr + name.len; c++) {
        if (is_plain_in_name(*c))
            buf_add_char(&text, *c);
        else
            buf_add_fmt(&text, "%%%02X", (unsigned char)*c);
    }
    if (!text.failed)
        http_set_header(rp, "Content-Disposition", buf_str(&text));
    buf_deinit(&text);
}

err http_file(struct http_reply *rp, const char *content_type, const char *path,
              const char *download_name)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return ERR_SYS("opening '%s'", path);
    struct stat st;
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        close(fd);
        return ERR(ERR_NOT_FOUND, "'%s' is not a file", path);
    }
    claim(rp, REPLY_FILE);
    rp->fd = fd;
    rp->content_type = content_type;
    rp->total_bytes = st.st_size;
    rp->has_modified = true;
    rp->modified = st.st_mtim.tv_sec;
    char *etag = request_scratch(rp->rq, 64);
    ARENA_TRY(etag);
    snprintf(etag, 64, "\"%llx-%llx\"",
             (unsigned long long)st.st_mtim.tv_sec * 1000000000ull +
                 (unsigned long long)st.st_mtim.tv_nsec,
             (unsigned long long)st.st_size);
    rp->etag = etag;
    if (download_name)
        http_attachment(rp, str_of(download_name));
    return OK;
}

void http_redirect(struct http_reply *rp, int status, const char *location)
{
    http_status(rp, status);
    http_set_header(rp, "Location", str_of(location));
}

void http_stream(struct http_reply *rp, const char *content_type, struct http_stream stream)
{
    claim(rp, REPLY_STREAM);
    rp->content_type = content_type;
    rp->stream = stream;
    rp->total_bytes = stream.bytes;
    rp->has_stream = true;
    if (rp->stream.wait_ms <= 0)
        rp->stream.wait_ms = 250;
}

void http_sse(struct http_reply *rp, struct http_stream stream)
{
    http_stream(rp, "text/event-stream", stream);
    rp->is_sse = true;
    rp->stream_last_ns = clock_mono_ns();
    http_set_header(rp, "Cache-Control", STR("no-cache"));
    http_set_header(rp, "X-Accel-Buffering", STR("no")); /* nginx would collect events otherwise */
}

/* ------------------------------------------------------------------ problems (RFC 9457) */

static const struct http_error_shape *shape_of(const struct http_request *rq)
{
    const struct http_error_shape *shape = rq->server->options.error_shapes;
    str path = http_raw_path(rq); /* also where the request was refused before it was read */
    while (shape && shape->prefix && !str_starts(path, str_of(shape->prefix)))
        shape++;
    return shape && shape->prefix ? shape : NULL;
}

static void problem_body(struct http_reply *rp, int status, const char *code, str detail)
{
    const struct http_request *rq = rp->rq;
    struct json_out *w = http_json(rp);
    rp->content_type = "application/problem+json";
    json_object_begin(w);
    json_key(w, "type");
    json_out_fmt(w, "urn:skerry:problem:%s", code);
    json_kv_cstr(w, "title", MHD_get_reason_phrase_for((unsigned)status));
    json_kv_int(w, "status", status);
    json_kv_str(w, "detail", detail);
    json_kv_cstr(w, "code", code);
    json_kv_str(w, "instance", str_sub(http_raw_path(rq), 0, 512));
    json_kv_str(w, "requestId", http_request_id(rq));
    json_object_end(w);
}

static void problem_write(struct http_reply *rp, int status, const char *code, str detail)
{
    const struct http_request *rq = rp->rq;
    const struct http_error_shape *shape = shape_of(rq);
    rp->status = status;
    if (shape)
        shape->write(rp, status, code, detail);
    else
        problem_body(rp, status, code, detail);
    status = rp->status;
    if (status == 503 && !reply_header(rp, "Retry-After"))
        http_set_header(rp, "Retry-After", STR("1"));
    if (status == 429 && rq->retry_after_s && !reply_header(rp, "Retry-After")) {
        char seconds[24];
        snprintf(seconds, sizeof seconds, "%lld", (long long)rq->retry_after_s);
        http_set_header(rp, "Retry-After", str_of(seconds));
    }
    if (status == 401 && !reply_header(rp, "WWW-Authenticate"))
        http_set_header(rp, "WWW-Authenticate", STR("Bearer"));
}

void reply_error(struct http_reply *rp, const err *e)
{
    struct http_request *rq = rp->rq;
    const char *allow = reply_header(rp, "Allow");
    reply_reset(rp);
    if (allow) /* lives in the scratch */
        http_set_header(rp, "Allow", str_of(allow));
    int status = rq->status_override ? rq->status_override : err_http_status(e->code);
    const char *code = rq->code_override ? rq->code_override : err_code_name(e->code);
    problem_write(rp, status, code, str_of(e->msg));
}

void http_problem(struct http_reply *rp, int status, const char *code, const char *fmt, ...)
{
    char detail[1024];
    va_list args;
    va_start(args, fmt);
    vsnprintf(detail, sizeof detail, fmt, args);
    va_end(args);
    reply_reset(rp);
    problem_write(rp, status, code, str_of(detail));
}

str reply_raw_problem(struct http_reply *rp, arena *keep)
{
    str body = buf_str(&rp->body);
    return arena_fmt(keep,
                     "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n"
                     "X-Request-Id: %.*s\r\nConnection: close\r\n%s\r\n%.*s",
                     rp->status, MHD_get_reason_phrase_for((unsigned)rp->status), rp->content_type,
                     body.len, STR_ARG(http_request_id(rp->rq)),
                     rp->status == 503 ? "Retry-After: 1\r\n" : "", STR_ARG(body));
}
