/* SPDX-License-Identifier: GPL-3.0-or-later */
/* s3_call.c -- one request to S3: signed, sent, tried again when that can help, its error
 * explained.
 *
 * Every request of this backend may be repeated: names are digests, so a second PUT writes the same
 * bytes, and a second DELETE finds nothing. What is tried again: a connection that fails or breaks,
 * 429, 500, 502, 503, 504 and the codes S3 gives to them, and what servers that keep objects as
 * files say when two requests meet in a folder. Everything else is said at once, with what the
 * operator should do.
 *
 * No message holds a key, a signature or a URL with a query.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/rand.h"
#include "platform/blobs/s3.h"

enum {
    PAUSE_FIRST_MS = 100,
    PAUSE_MAX_MS = 5000,
    URL_BYTES = S3_HOST_BYTES + S3_BUCKET_BYTES + 3 * S3_KEY_BYTES + 4096,
    HEADER_LINES = 10,
    FAULT_BYTES_MAX = 64 * 1024,
};

static const int64_t TRUSTED_NS = INT64_C(10000000000);

static const char EMPTY_SHA256[] =
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

void s3_key(const struct s3 *s, const struct blob_id *id, char out[S3_KEY_BYTES])
{
    snprintf(out, S3_KEY_BYTES, "%sobjects/%.2s/%.62s", s->prefix, id->hex, id->hex + 2);
}

int64_t s3_http_date(str text)
{
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    char iso[40];
    int64_t wall_ms;
    if (text.len != 29 || !str_ends(text, STR(" GMT")))
        return 0;
    str month = str_sub(text, 8, 3);
    ptrdiff_t at = str_find(str_of(months), month);
    if (at < 0 || at % 3)
        return 0;
    snprintf(iso, sizeof iso, "%.4s-%02d-%.2sT%.8sZ", text.ptr + 12, (int)(at / 3 + 1),
             text.ptr + 5, text.ptr + 17);
    return clock_parse(str_of(iso), &wall_ms).code ? 0 : wall_ms;
}

bool s3_is_transient(const err *e)
{
    return e->code == ERR_TIMEOUT || e->code == ERR_UPSTREAM || e->code == ERR_BUSY;
}

void s3_pause(int tries)
{
    struct rng rng;
    uint64_t seed;
    int64_t most = PAUSE_MAX_MS;
    if (tries < 6)
        most = PAUSE_FIRST_MS << (tries > 0 ? tries - 1 : 0);
    rand_bytes(&seed, sizeof seed);
    rng_init(&rng, seed);
    clock_sleep_ms(1 + (int64_t)rng_below(&rng, (uint64_t)most));
}

/* ------------------------------------------------------------------ one attempt */

/* What an attempt builds; alive until its reply is read. */
struct attempt {
    struct buf url, lines;
    const char *headers[HEADER_LINES];
    struct net_request rq;
};

static void attempt_free(struct attempt *a)
{
    buf_deinit(&a->url);
    if (a->lines.ptr)
        explicit_bzero(a->lines.ptr, a->lines.len);
    buf_deinit(&a->lines);
    free(a);
}

/* Lines one after the other, each terminated, so that they stand still while the buffer grows. */
static void add_line(struct attempt *a, const char *name, str value)
{
    buf_add_fmt(&a->lines, "%s: %.*s", name, STR_ARG(value));
    buf_add_char(&a->lines, '\0');
}

static void point_at_lines(struct attempt *a)
{
    size_t count = 0;
    for (size_t at = 0; at < a->lines.len && count < HEADER_LINES - 1;
         at += strlen(a->lines.ptr + at) + 1)
        a->headers[count++] = a->lines.ptr + at;
    a->headers[count] = NULL;
}

static err build(const struct s3 *s, const struct s3_call *call, struct attempt *a)
{
    char payload[SHA256_HEX_BYTES], date[S3_DATE_BYTES];
    char path[S3_BUCKET_BYTES + S3_KEY_BYTES + 2];
    snprintf(path, sizeof path, "/%s%s%s", s->bucket, call->key[0] ? "/" : "", call->key);
    if (call->payload_sha256)
        snprintf(payload, sizeof payload, "%s", call->payload_sha256);
    else if (call->has_body && call->body.len)
        sha256_hex_of(call->body, payload);
    else
        snprintf(payload, sizeof payload, "%s", EMPTY_SHA256);
    struct s3_request signing = {
        .method = call->method,
        .host = str_of(s->host),
        .path = str_of(path),
        .param_count = call->param_count,
        .payload_sha256 = payload,
        .wall_ms = clock_wall_ms(),
    };
    memcpy(signing.params, call->params, sizeof signing.params);
    if (call->range)
        signing.headers[signing.header_count++] = (struct s3_pair){ STR("range"),
                                                                    str_of(call->range) };

    buf_add_cstr(&a->url, s->endpoint);
    s3_encode(str_of(path), true, &a->url);
    if (call->param_count) {
        buf_add_char(&a->url, '?');
        TRY(s3_query(call->params, call->param_count, &a->url));
    }
    buf_add_char(&a->url, '\0');
    TRY(buf_check(&a->url));

    s3_date(signing.wall_ms, date);
    buf_add_cstr(&a->lines, "Authorization: ");
    TRY(s3_sign(&s->credentials, &signing, &a->lines));
    buf_add_char(&a->lines, '\0');
    add_line(a, "x-amz-date", str_of(date));
    add_line(a, "x-amz-content-sha256", str_of(payload));
    if (s->session_token[0])
        add_line(a, "x-amz-security-token", str_of(s->session_token));
    if (call->range)
        add_line(a, "Range", str_of(call->range));
    if (call->has_body)
        add_line(a, "Content-Type", STR("application/octet-stream"));
    TRY(buf_check(&a->lines));
    point_at_lines(a);
    a->rq = (struct net_request){
        .method = call->method,
        .url = a->url.ptr,
        .headers = a->headers,
        .has_body = call->has_body,
        .body = call->body,
        .body_is_file = call->body_is_file,
        .body_fd = call->body_fd,
        .body_offset = call->body_offset,
        .body_bytes = call->body_bytes,
    };
    return OK;
}

static err attempt_begin(struct s3 *s, const struct s3_call *call, struct net_call **ret_call)
{
    struct attempt *a = calloc(1, sizeof *a);
    if (!a)
        return ERR(ERR_NO_MEMORY, "a request to S3: out of memory");
    buf_init(&a->url, URL_BYTES);
    buf_init(&a->lines, URL_BYTES);
    err e = build(s, call, a);
    if (!e.code)
        e = net_begin(call->is_read ? s->reads : s->calls, &a->rq, ret_call);
    attempt_free(a);
    return e;
}

static int64_t header_int(const struct net_call *nc, str name)
{
    int64_t value;
    return str_to_i64(net_header(nc, name), &value).code ? -1 : value;
}

static void read_head(const struct net_call *nc, struct s3_reply *ret_reply)
{
    struct s3_reply reply = { .bytes = header_int(nc, STR("content-length")) };
    str etag = net_header(nc, STR("etag")), range = net_header(nc, STR("content-range"));
    int64_t total;
    snprintf(reply.etag, sizeof reply.etag, "%.*s", STR_ARG(etag));
    reply.changed_ms = s3_http_date(net_header(nc, STR("last-modified")));
    reply.server_ms = s3_http_date(net_header(nc, STR("date")));
    if (reply.server_ms == 0)
        reply.server_ms = clock_wall_ms();
    reply.total = reply.bytes;
    str_split(&range, '/'); /* "bytes 5-9/10" */
    if (!str_to_i64(range, &total).code)
        reply.total = total;
    *ret_reply = reply;
}

/* ------------------------------------------------------------------ what an error means */

struct verdict {
    bool again;
    const char *reason; /* of a retry, for metrics */
    err e;
};

static bool is_one_of(const char *code, const char *const *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(code, list[i]) == 0)
            return true;
    return false;
}

static err explain_clock(const struct s3 *s, const struct s3_fault *fault, str server_date)
{
    char ours[CLOCK_ISO_BYTES];
    str theirs = str_sub(fault->server_time[0] ? str_of(fault->server_time) : server_date, 0, 40);
    clock_iso(clock_wall_ms(), ours);
    return ERR(ERR_UPSTREAM,
               "S3 at %.60s refuses our clock: here it is %.19sZ, there %.*s. Correct the clock of "
               "this machine (timedatectl set-ntp true)",
               s->endpoint, ours, STR_ARG(theirs.len ? theirs : STR("another time")));
}

static err explain_region(const struct s3 *s, const char *region)
{
    if (!region[0])
        return ERR(ERR_UPSTREAM,
                   "S3 at %.60s does not take region '%s' for bucket '%s': set SKERRY_S3_REGION to "
                   "the bucket's, or SKERRY_S3_ENDPOINT to its server",
                   s->endpoint, s->region, s->bucket);
    return ERR(ERR_UPSTREAM, "bucket '%s' is in region '%s', not '%s': set SKERRY_S3_REGION=%s",
               s->bucket, region, s->region, region);
}

/* The codes whose cure we know. */
static err explain(const struct s3 *s, const struct s3_call *call, int status,
                   const struct s3_fault *fault, const struct net_call *nc)
{
    static const char *const missing[] = { "NoSuchKey", "NoSuchUpload", "NotFound" };
    static const char *const unfit[] = { "InvalidPart", "InvalidPartOrder", "EntityTooSmall" };
    const char *code = fault->code;
    str region = net_header(nc, STR("x-amz-bucket-region"));
    char region_text[64];
    snprintf(region_text, sizeof region_text, "%.*s", STR_ARG(region));
    if (strcmp(code, "NoSuchBucket") == 0)
        return ERR(ERR_UPSTREAM,
                   "bucket '%s' is not there at %.60s: make it, or let us make it with "
                   "SKERRY_S3_CREATE_BUCKET=true",
                   s->bucket, s->endpoint);
    if (is_one_of(code, missing, COUNT_OF(missing)) || (status == 404 && !code[0]))
        return ERR(ERR_NOT_FOUND, "not in the store of blobs");
    if (is_one_of(code, unfit, COUNT_OF(unfit)))
        return ERR(ERR_CONFLICT, "S3 at %.60s does not take the parts it has: %s", s->endpoint,
                   code);
    if (strcmp(code, "RequestTimeTooSkewed") == 0)
        return explain_clock(s, fault, net_header(nc, STR("date")));
    if (strcmp(code, "InvalidAccessKeyId") == 0 || strcmp(code, "XAdminUserNotFound") == 0)
        return ERR(ERR_UPSTREAM,
                   "S3 at %.60s does not know the access key: check "
                   "SKERRY_S3_ACCESS_KEY",
                   s->endpoint);
    if (strcmp(code, "SignatureDoesNotMatch") == 0)
        return ERR(ERR_UPSTREAM,
                   "S3 at %.60s knows the access key, but our signature is wrong: check "
                   "SKERRY_S3_SECRET_KEY (and that no proxy rewrites requests)",
                   s->endpoint);
    if (strcmp(code, "AuthorizationHeaderMalformed") == 0 ||
        strcmp(code, "PermanentRedirect") == 0 ||
        strcmp(code, "IllegalLocationConstraintException") == 0 || status == 301 || status == 307)
        return explain_region(s, fault->region[0] ? fault->region : region_text);
    if (strcmp(code, "AccessDenied") == 0 || status == 403)
        return ERR(ERR_UPSTREAM,
                   "S3 at %.60s does not allow '%s' in bucket '%s' with this key: give it read, "
                   "write, list and delete there",
                   s->endpoint, s3_op_name(call->op), s->bucket);
    return ERR(ERR_UPSTREAM, "S3 at %.60s answered '%s' with %d %s%s%.90s", s->endpoint,
               s3_op_name(call->op), status, code, fault->message[0] ? ": " : "", fault->message);
}

static struct verdict judge(const struct s3 *s, const struct s3_call *call, int status,
                            const struct s3_fault *fault, const struct net_call *nc)
{
    /* ExistingObjectIsDirectory: versitygw 1.8 could not make the folder of an object, as it
     * removed that folder at the same moment, with its last object. Objects of ours are never
     * folders. */
    static const char *const passing[] = {
        "InternalError",      "OperationAborted", "ConditionalRequestConflict",
        "RequestTimeout",     "SlowDown",         "ExistingObjectIsDirectory",
        "ServiceUnavailable", "Throttling",       "XMinioServerNotInitialized",
        "TooManyRequests",
    };
    struct verdict v = { .e = explain(s, call, status, fault, nc) };
    bool is_slow_down = strcmp(fault->code, "SlowDown") == 0 || status == 429;
    v.again = is_slow_down || status == 500 || (status >= 502 && status <= 504) ||
              is_one_of(fault->code, passing, COUNT_OF(passing));
    v.reason = is_slow_down ? "slow_down" : "server_error";
    return v;
}

static struct verdict judge_network(const struct s3 *s, err e)
{
    struct verdict v = { .again = s3_is_transient(&e), .reason = "connection" };
    if (e.code == ERR_TIMEOUT)
        v.reason = "timeout";
    if (e.code == ERR_NO_MEMORY)
        v.e = e;
    else
        v.e = ERR(e.code == ERR_TIMEOUT ? ERR_TIMEOUT : ERR_UPSTREAM, "S3 at %.60s: %.150s",
                  s->endpoint, e.msg);
    return v;
}

/* A HEAD is refused without a reason: 404 may mean the blob, the bucket or the key. The bucket
 * asked with a GET says which; not needed when the server took bucket and key a moment ago. */
static err ask_reason(struct s3 *s, err otherwise)
{
    struct s3_call list = { .op = S3_LIST,
                            .method = "GET",
                            .key = "",
                            .params = { { STR("list-type"), STR("2") },
                                        { STR("max-keys"), STR("1") } },
                            .param_count = 2,
                            .no_retry = true };
    struct s3_reply reply;
    struct net_call *nc = NULL;
    err e = s3_begin(s, &list, &nc, &reply);
    net_end(nc);
    return e.code ? e : otherwise;
}

/* ------------------------------------------------------------------ try again */

static const char *outcome_of(const struct verdict *v, int status)
{
    if (!v->e.code)
        return "ok";
    if (v->e.code == ERR_NOT_FOUND)
        return "not_found";
    return !v->again && status >= 400 && status < 500 ? "refused" : "failed";
}

/* One attempt and what to think of it; *ret_call is set when v.e is OK. */
static struct verdict try_once(struct s3 *s, const struct s3_call *call, struct net_call **ret_call,
                               struct s3_reply *ret_reply)
{
    struct net_call *nc = NULL;
    struct verdict v = { 0 };
    int status = 0;
    int64_t begin_ns = clock_mono_ns();
    err e = attempt_begin(s, call, &nc);
    if (e.code) {
        *ret_reply = (struct s3_reply){ 0 };
        v = judge_network(s, e);
    } else if ((status = net_status(nc)) / 100 == 2) {
        read_head(nc, ret_reply);
        atomic_store(&s->taken_ns, clock_mono_ns());
        *ret_call = nc;
    } else {
        struct buf body;
        struct s3_fault fault = { 0 };
        buf_init(&body, FAULT_BYTES_MAX);
        if (!net_read_all(nc, &body).code)
            s3_xml_fault(buf_str(&body), &fault);
        v = judge(s, call, status, &fault, nc);
        *ret_reply = (struct s3_reply){ 0 };
        snprintf(ret_reply->fault, sizeof ret_reply->fault, "%s", fault.code);
        buf_deinit(&body);
        net_end(nc);
        bool is_known = status == 404 && clock_mono_ns() - atomic_load(&s->taken_ns) < TRUSTED_NS;
        if (call->op == S3_HEAD && !v.again && !is_known)
            v.e = ask_reason(s, v.e);
    }
    str op = str_of(s3_op_name(call->op));
    s3_count(s, S3_FAMILY_REQUESTS, op, str_of(outcome_of(&v, status)), 1);
    s3_count(s, S3_FAMILY_SECONDS, op, STR_NONE, (double)(clock_mono_ns() - begin_ns) / 1e9);
    if (!v.e.code && call->has_body)
        s3_count(s, S3_FAMILY_BYTES, STR("sent"), STR_NONE,
                 (double)(call->body_is_file ? call->body_bytes : (int64_t)call->body.len));
    return v;
}

static void note_retry(struct s3 *s, const struct s3_call *call, const struct verdict *v, int tries)
{
    str op = str_of(s3_op_name(call->op));
    s3_count(s, S3_FAMILY_RETRIES, op, str_of(v->reason), 1);
    if (s->log && tries == 1)
        log_event(s->log, LOG_WARN, NULL, "s3.retry", v->e.msg, F_STR("op", op),
                  F_CSTR("reason", v->reason));
}

static err give_up(const struct s3 *s, const struct verdict *v, int tries)
{
    if (!v->again || tries < 2)
        return v->e;
    return ERR(v->e.code, "%.190s (%d tries in %lld s)", v->e.msg, tries,
               (long long)(s->retry_ms / 1000));
}

err s3_begin(struct s3 *s, const struct s3_call *call, struct net_call **ret_call,
             struct s3_reply *ret_reply)
{
    int64_t until_ns = clock_mono_ns() + s->retry_ms * 1000000;
    for (int tries = 1;; tries++) {
        struct verdict v = try_once(s, call, ret_call, ret_reply);
        if (!v.e.code)
            return OK;
        if (!v.again || call->no_retry || clock_mono_ns() >= until_ns)
            return give_up(s, &v, tries);
        note_retry(s, call, &v, tries);
        s3_pause(tries);
    }
}

/* Completing an upload may answer 200 and an error: S3 sends the head before it knows. */
static err check_late_fault(struct s3 *s, const struct s3_call *call, str body,
                            const struct net_call *nc, struct verdict *ret_verdict)
{
    struct s3_fault fault;
    *ret_verdict = (struct verdict){ 0 };
    if (call->op == S3_UPLOAD_END && s3_xml_fault(body, &fault))
        *ret_verdict = judge(s, call, 200, &fault, nc);
    return ret_verdict->e;
}

err s3_send(struct s3 *s, const struct s3_call *call, struct buf *body, struct s3_reply *ret_reply)
{
    int64_t until_ns = clock_mono_ns() + s->retry_ms * 1000000;
    buf_init(body, S3_REPLY_BYTES_MAX);
    for (int tries = 1;; tries++) {
        struct net_call *nc = NULL;
        struct verdict v;
        TRY(s3_begin(s, call, &nc, ret_reply));
        buf_clear(body);
        err e = net_read_all(nc, body);
        if (e.code)
            v = judge_network(s, e);
        else
            e = check_late_fault(s, call, buf_str(body), nc, &v);
        net_end(nc);
        if (!e.code)
            return OK;
        if (!v.again || call->no_retry || clock_mono_ns() >= until_ns)
            return give_up(s, &v, tries);
        note_retry(s, call, &v, tries);
        s3_pause(tries);
    }
}
