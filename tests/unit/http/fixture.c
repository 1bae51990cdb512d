/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/hash.h"

char fixture_static_bytes[FIXTURE_STATIC_BYTES + 1];

static err get_ok(struct http_request *rq, struct http_reply *rp)
{
    buf_add_cstr(http_text(rp, "text/plain"), "ok\n");
    return OK;
}

static err get_echo(struct http_request *rq, struct http_reply *rp)
{
    struct json_out *w = http_json(rp);
    int64_t limit = 7;
    TRY(http_query_int(rq, "limit", 1, 100, &limit));
    str tags[4];
    size_t tag_count = http_query_all(rq, "tag", tags, 4);
    json_object_begin(w);
    json_kv_str(w, "id", http_param(rq, "id"));
    json_kv_str(w, "q", http_query(rq, "q"));
    json_kv_int(w, "limit", limit);
    json_kv_int(w, "tags", (int64_t)tag_count);
    json_kv_str(w, "requestId", http_request_id(rq));
    json_kv_str(w, "agent", http_header(rq, "user-agent"));
    json_kv_str(w, "address", http_client_address(rq));
    json_kv_bool(w, "loopback", http_client_is_loopback(rq));
    json_kv_str(w, "user", http_user(rq));
    json_object_end(w);
    return OK;
}

static err get_rest(struct http_request *rq, struct http_reply *rp)
{
    buf_add(http_text(rp, "text/plain"), http_param(rq, "rest"));
    return OK;
}

static err post_json(struct http_request *rq, struct http_reply *rp)
{
    const struct json *root;
    TRY(http_body_json(rq, &root));
    str name;
    TRY(json_need_str(root, "name", &name));
    http_status(rp, 201);
    http_set_header(rp, "Location", STR("/v1/things/1"));
    struct json_out *w = http_json(rp);
    json_object_begin(w);
    json_kv_str(w, "name", name);
    json_object_end(w);
    return OK;
}

static err post_raw(struct http_request *rq, struct http_reply *rp)
{
    buf_add_fmt(http_text(rp, "text/plain"), "%zu", http_body(rq).len);
    return OK;
}

static err fail_after_writing(struct http_request *rq, struct http_reply *rp)
{
    json_array_begin(http_json(rp));
    http_set_header(rp, "X-Half", STR("done"));
    int64_t code = ERR_CONFLICT;
    TRY(http_query_int(rq, "code", 1, ERR_CODE_COUNT - 1, &code));
    return ERR((enum err_code)code, "the thing is \"%s\"", "busy\n");
}

static err get_problem(struct http_request *rq, struct http_reply *rp)
{
    http_problem(rp, 422, "odd_move", "move %d is odd", 7);
    return OK;
}

static err get_big(struct http_request *rq, struct http_reply *rp)
{
    int64_t bytes = 0;
    TRY(http_query_int(rq, "bytes", 0, 1 << 30, &bytes));
    struct buf *out = http_text(rp, "text/plain");
    static const char line[] = "0123456789abcdefghijklmnopqrstuvwxyz\n";
    while (out->len < (size_t)bytes && !out->failed)
        buf_add_bytes(out, line, sizeof line - 1);
    return OK;
}

static err get_static(struct http_request *rq, struct http_reply *rp)
{
    http_static(rp, "text/plain", str_from(fixture_static_bytes, FIXTURE_STATIC_BYTES), "v1");
    return OK;
}

static err get_tagged(struct http_request *rq, struct http_reply *rp)
{
    http_set_header(rp, "ETag", STR("\"seven\""));
    buf_add_cstr(http_text(rp, "text/plain"), "tagged");
    return OK;
}

static err get_file(struct http_request *rq, struct http_reply *rp)
{
    struct fixture *f = http_ctx(rq);
    char path[FS_PATH_BYTES];
    TRY(fs_join(path, f->folder, "file.bin"));
    return http_file(rp, "application/octet-stream", path, "na\xc3\xafve \"file\".bin");
}

static err get_missing(struct http_request *rq, struct http_reply *rp)
{
    return http_file(rp, "text/plain", "/nonexistent/file", NULL);
}

static err get_hold(struct http_request *rq, struct http_reply *rp)
{
    struct fixture *f = http_ctx(rq);
    atomic_fetch_add(&f->running, 1);
    pthread_mutex_lock(&f->lock);
    while (f->hold)
        pthread_cond_wait(&f->changed, &f->lock);
    pthread_mutex_unlock(&f->lock);
    atomic_fetch_sub(&f->running, 1);
    return get_ok(rq, rp);
}

static err get_redirect(struct http_request *rq, struct http_reply *rp)
{
    http_redirect(rp, 308, "/v1/ok");
    return OK;
}

/* ------------------------------------------------------------------ streams */

struct counter {
    struct fixture *fixture;
    int next, last, idle;
};

static ptrdiff_t pull_lines(void *arg, char *out, size_t max)
{
    struct counter *c = arg;
    if (c->next == c->last)
        return -1;
    if (c->next % 3 == 1 && !c->idle) { /* sometimes there is nothing yet */
        c->idle = 1;
        return 0;
    }
    c->idle = 0;
    return snprintf(out, max, "line %d\n", c->next++);
}

static ptrdiff_t pull_events(void *arg, char *out, size_t max)
{
    struct counter *c = arg;
    if (c->next == c->last)
        return 0; /* for ever: the client must leave, or the server end it */
    return snprintf(out, max, "event: tick\ndata: %d\n\n", c->next++);
}

static ptrdiff_t pull_endless(void *arg, char *out, size_t max)
{
    memset(out, 'x', max);
    return (ptrdiff_t)max;
}

static void stream_done(void *arg)
{
    struct counter *c = arg;
    atomic_fetch_add(&c->fixture->stream_done, 1);
    free(c);
}

static err stream_begin(struct http_request *rq, struct http_stream *ret_stream, int last)
{
    struct counter *c = calloc(1, sizeof *c);
    ARENA_TRY(c);
    c->fixture = http_ctx(rq);
    c->last = last;
    *ret_stream = (struct http_stream){
        .pull = pull_lines, .done = stream_done, .arg = c, .wait_ms = 10
    };
    return OK;
}

static err get_stream(struct http_request *rq, struct http_reply *rp)
{
    struct http_stream stream;
    TRY(stream_begin(rq, &stream, 10));
    http_stream(rp, "application/x-ndjson", stream);
    return OK;
}

static err get_endless(struct http_request *rq, struct http_reply *rp)
{
    struct http_stream stream;
    TRY(stream_begin(rq, &stream, 10));
    stream.pull = pull_endless;
    http_stream(rp, "application/octet-stream", stream);
    return OK;
}

static err get_events(struct http_request *rq, struct http_reply *rp)
{
    struct http_stream stream;
    TRY(stream_begin(rq, &stream, 3));
    stream.pull = pull_events;
    http_sse(rp, stream);
    return OK;
}

/* A thousand letters, and then, with ?broken, a source that fails at the last hundred. */
enum { SIZED_BYTES = 1000, SIZED_BREAKS_AT = 900 };

static ptrdiff_t pull_sized(void *arg, char *out, size_t max)
{
    struct counter *c = arg;
    if (c->next == c->last)
        return -1;
    size_t count = 0;
    for (; count < max && count < 64 && c->next < c->last; count++)
        out[count] = (char)('a' + c->next++ % 26);
    return (ptrdiff_t)count;
}

static err seek_sized(void *arg, int64_t offset)
{
    struct counter *c = arg;
    c->next = (int)offset;
    return offset == 13 ? ERR(ERR_CORRUPT, "thirteen is out of order") : OK;
}

static err get_sized(struct http_request *rq, struct http_reply *rp)
{
    struct http_stream stream;
    TRY(stream_begin(rq, &stream, http_query(rq, "broken").ptr ? SIZED_BREAKS_AT : SIZED_BYTES));
    stream.pull = pull_sized;
    stream.seek = seek_sized;
    stream.bytes = SIZED_BYTES;
    http_set_header(rp, "ETag", STR("\"sized\""));
    http_stream(rp, "text/plain", stream);
    return OK;
}

static err stream_then_fail(struct http_request *rq, struct http_reply *rp)
{
    TRY(get_stream(rq, rp));
    return ERR(ERR_NOT_FOUND, "changed my mind");
}

/* ------------------------------------------------------------------ uploads */

static err post_upload(struct http_request *rq, struct http_reply *rp)
{
    struct json_out *w = http_json(rp);
    json_object_begin(w);
    json_kv_int(w, "body", (int64_t)http_body(rq).len);
    json_key(w, "parts");
    json_array_begin(w);
    for (size_t i = 0; i < http_upload_count(rq); i++) {
        const struct http_upload *upload = http_upload_at(rq, i);
        json_object_begin(w);
        json_kv_str(w, "field", upload->field);
        json_kv_str(w, "filename", upload->filename);
        json_kv_int(w, "bytes", upload->bytes);
        json_kv_str(w, "value", upload->value);
        if (upload->path) {
            char hex[SHA256_HEX_BYTES];
            struct fs_map map;
            TRY(fs_map_open(upload->path, &map));
            sha256_hex_of(str_from(map.bytes, map.count), hex);
            fs_map_close(&map);
            json_kv_cstr(w, "sha256", hex);
        }
        json_object_end(w);
    }
    json_array_end(w);
    json_object_end(w);
    const struct http_upload *keep = http_upload(rq, "keep");
    if (keep) {
        struct fixture *f = http_ctx(rq);
        char path[FS_PATH_BYTES];
        TRY(fs_join(path, f->folder, "kept"));
        TRY(http_upload_take(keep, path));
        err again = http_upload_take(keep, path);
        if (!again.code)
            return ERR(ERR_INTERNAL, "an upload was taken twice");
    }
    return OK;
}

/* ------------------------------------------------------------------ sinks */

struct sink {
    struct fixture *fixture;
    struct sha256 sha;
    int64_t bytes;
};

static err sink_open(struct http_request *rq, void **ret_sink)
{
    struct fixture *f = http_ctx(rq);
    if (str_eq(http_query(rq, "refuse"), STR("1")))
        return ERR(ERR_INVALID, "refused before the first byte");
    struct sink *sink = calloc(1, sizeof *sink);
    if (!sink)
        return ERR(ERR_NO_MEMORY, "no memory for a sink");
    sink->fixture = f;
    sha256_begin(&sink->sha);
    atomic_fetch_add(&f->sinks_open, 1);
    *ret_sink = sink;
    return OK;
}

static err sink_write(void *arg, str bytes)
{
    struct sink *sink = arg;
    sha256_add(&sink->sha, bytes.ptr, bytes.len);
    sink->bytes += (int64_t)bytes.len;
    if (sink->bytes > 3000000)
        return ERR(ERR_NO_SPACE, "the sink is full");
    return OK;
}

static void sink_close(void *arg)
{
    struct sink *sink = arg;
    atomic_fetch_sub(&sink->fixture->sinks_open, 1);
    free(sink);
}

static const struct http_sink sink = { sink_open, sink_write, sink_close };

static err put_sink(struct http_request *rq, struct http_reply *rp)
{
    struct sink *sunk = http_sunk(rq);
    char hex[SHA256_HEX_BYTES] = "";
    if (sunk)
        sha256_end_hex(&sunk->sha, hex);
    buf_add_fmt(http_text(rp, "text/plain"), "%lld %s", sunk ? (long long)sunk->bytes : -1LL, hex);
    return OK;
}

/* ------------------------------------------------------------------ later */

struct later {
    struct http_request *rq;
    err result;
};

static void *later_main(void *arg)
{
    struct later *later = arg; /* goes with the request */
    http_later_done(later->rq, later->result);
    return NULL;
}

/* Written now, sent when somebody else says so: from a thread, or (how=now) before the return. */
static err get_later(struct http_request *rq, struct http_reply *rp)
{
    int64_t code = 0;
    pthread_t thread;
    struct later *later = NEW(http_arena(rq), struct later);
    TRY(http_query_int(rq, "code", 0, ERR_CODE_COUNT - 1, &code));
    bool is_now = str_eq(http_query(rq, "how"), STR("now"));
    *later = (struct later){ .rq = rq };
    if (code)
        later->result = ERR((enum err_code)code, "it failed later");
    TRY(get_ok(rq, rp));
    TRY(http_later(rq));
    if (is_now || pthread_create(&thread, NULL, later_main, later) != 0)
        later_main(later);
    else
        pthread_detach(thread);
    return OK;
}

static err later_on_worker(struct http_request *rq, struct http_reply *rp)
{
    return str_eq(http_query(rq, "then"), STR("later")) ? get_later(rq, rp) : get_ok(rq, rp);
}

static err get_moved(struct http_request *rq, struct http_reply *rp)
{
    (void)rp;
    http_on_worker(rq, later_on_worker);
    return OK;
}

/* ------------------------------------------------------------------ the table */

static const struct route routes[] = {
    { "GET", "/v1/ok", "Says ok.", ACCESS_PUBLIC, get_ok },
    { "GET", "/v1/inline", "Says ok at once.", ACCESS_PUBLIC, get_ok, .is_inline = true,
      .alias = "/health" },
    { "GET", "/v1/later", "Says ok later.", ACCESS_PUBLIC, get_later },
    { "GET", "/v1/later-inline", "Says ok later.", ACCESS_PUBLIC, get_later, .is_inline = true },
    { "GET", "/v1/moved", "Goes on elsewhere.", ACCESS_PUBLIC, get_moved, .is_inline = true },
    { "GET", "/v1/echo/{id}", "Says what it got.", ACCESS_PUBLIC, get_echo },
    { "GET", "/files/{rest...}", "Says the rest.", ACCESS_PUBLIC, get_rest },
    { "POST", "/v1/things", "Takes JSON.", ACCESS_PUBLIC, post_json, .body = "{}",
      .is_inline = true },
    { "POST", "/v1/raw", "Counts bytes.", ACCESS_PUBLIC, post_raw, .body_max = 100000 },
    { "PUT", "/v1/raw", "Counts bytes.", ACCESS_PUBLIC, post_raw, .is_inline = true },
    { "GET", "/v1/fail", "Fails.", ACCESS_PUBLIC, fail_after_writing },
    { "GET", "/v1/problem", "Has a problem.", ACCESS_PUBLIC, get_problem },
    { "GET", "/v1/big", "Is big.", ACCESS_PUBLIC, get_big },
    { "GET", "/v1/static", "Never changes.", ACCESS_PUBLIC, get_static, .is_inline = true },
    { "GET", "/v1/tagged", "Has a tag.", ACCESS_PUBLIC, get_tagged },
    { "GET", "/v1/file", "Sends a file.", ACCESS_PUBLIC, get_file },
    { "GET", "/v1/missing", "Sends no file.", ACCESS_PUBLIC, get_missing },
    { "GET", "/v1/hold", "Waits.", ACCESS_PUBLIC, get_hold },
    { "GET", "/v1/redirect", "Points elsewhere.", ACCESS_PUBLIC, get_redirect },
    { "GET", "/v1/stream", "Streams lines.", ACCESS_PUBLIC, get_stream },
    { "GET", "/v1/endless", "Streams for ever.", ACCESS_PUBLIC, get_endless },
    { "GET", "/v1/events", "Streams events.", ACCESS_PUBLIC, get_events },
    { "GET", "/v1/sized", "Streams what it knows the size of.", ACCESS_PUBLIC, get_sized,
      .query = "broken:bool" },
    { "GET", "/v1/stream-fail", "Streams not.", ACCESS_PUBLIC, stream_then_fail },
    { "POST", "/v1/upload", "Takes files.", ACCESS_PUBLIC, post_upload, .is_upload = true },
    { "POST", "/v1/small-upload", "Takes small files.", ACCESS_PUBLIC, post_upload,
      .is_upload = true, .body_max = 300000 },
    { "PUT", "/v1/sink", "Hashes what comes.", ACCESS_PUBLIC, put_sink, .is_upload = true,
      .sink = &sink },
    { "POST", "/v1/admin", "For admins.", ACCESS_ADMIN, get_ok },
    { 0 },
};

static err authorise(void *ctx, struct http_request *rq, enum access needed)
{
    http_request_set_user(rq, STR("tester"), ACCESS_VIEWER);
    str key = http_header(rq, "X-Api-Key");
    if (needed == ACCESS_ADMIN && key.len == 0)
        return ERR(ERR_UNAUTHENTICATED, "an API key is needed");
    if (needed == ACCESS_ADMIN && !str_eq(key, STR("admin")))
        return ERR(ERR_DENIED, "admins only");
    return OK;
}

static void finished(void *ctx, const struct http_request *rq, int status, int64_t duration_ns,
                     int64_t bytes_out, const err *e)
{
    struct fixture *f = ctx;
    atomic_store(&f->last_status, status);
    atomic_store(&f->last_bytes, bytes_out);
    if (e)
        atomic_fetch_add(&f->finished_errors, 1);
    atomic_fetch_add(&f->finished, 1);
}

int fixture_set_up_with(void **state, struct http_options options)
{
    struct fixture *f = calloc(1, sizeof *f);
    pthread_mutex_init(&f->lock, NULL);
    pthread_cond_init(&f->changed, NULL);
    snprintf(f->folder, sizeof f->folder, "/tmp/skerry-http-XXXXXX");
    if (!mkdtemp(f->folder))
        return 1;
    for (int i = 0; i < FIXTURE_STATIC_BYTES; i++)
        fixture_static_bytes[i] = (char)('a' + i % 26);
    options.spool_folder = options.spool_folder ? options.spool_folder : f->folder;
    options.hooks = (struct http_hooks){ .ctx = f, .authorise = authorise, .finished = finished };
    const struct route *tables[] = { routes };
    err e = http_open(&options, tables, 1, &f->server);
    if (e.code) {
        print_error("%s\n", e.msg);
        return 1;
    }
    f->port = http_port(f->server);
    *state = f;
    return 0;
}

int fixture_set_up(void **state)
{
    return fixture_set_up_with(state, (struct http_options){ 0 });
}

int fixture_tear_down(void **state)
{
    struct fixture *f = *state;
    fixture_hold(f, false);
    http_close(f->server, 5000);
    err e = fs_remove_tree(f->folder);
    pthread_mutex_destroy(&f->lock);
    pthread_cond_destroy(&f->changed);
    free(f);
    return e.code != ERR_NONE;
}

void fixture_hold(struct fixture *f, bool hold)
{
    pthread_mutex_lock(&f->lock);
    f->hold = hold;
    pthread_cond_broadcast(&f->changed);
    pthread_mutex_unlock(&f->lock);
}

void fixture_await(const _Atomic int *counter, int value)
{
    for (int i = 0; atomic_load(counter) < value; i++) {
        if (i > CLIENT_PATIENCE_S * 100)
            fail_msg("a counter stays at %d, and should reach %d", atomic_load(counter), value);
        clock_sleep_ms(10);
    }
}

int64_t fixture_rss_bytes(void)
{
    FILE *file = fopen("/proc/self/statm", "r");
    assert_non_null(file);
    long size = 0, resident = 0;
    assert_int_equal(fscanf(file, "%ld %ld", &size, &resident), 2);
    fclose(file);
    return (int64_t)resident * sysconf(_SC_PAGESIZE);
}

void assert_status(const struct answer *a, int status)
{
    if (a->status != status)
        fail_msg("status %d, not %d:\n%s", a->status, status, a->text);
}

void assert_code(const struct answer *a, int status, const char *code)
{
    assert_status(a, status);
    char needle[128];
    snprintf(needle, sizeof needle, "\"status\":%d,", status);
    assert_non_null(strstr(a->text, needle));
    snprintf(needle, sizeof needle, "\"code\":\"%s\"", code);
    if (!strstr(a->text, needle))
        fail_msg("no %s in:\n%s", needle, a->text);
    if (!str_eq(answer_header(a, "Content-Type"), STR("application/problem+json")))
        fail_msg("not a problem:\n%s", a->text);
    str id = answer_header(a, "X-Request-Id");
    snprintf(needle, sizeof needle, "\"requestId\":\"%.*s\"", STR_ARG(id));
    assert_true(id.len > 0);
    assert_non_null(strstr(a->text, needle));
}

void assert_body(const struct answer *a, const char *expected)
{
    if (!str_eq(a->body, str_of(expected)))
        fail_msg("body '%.*s', not '%s'", STR_ARG(a->body), expected);
}
