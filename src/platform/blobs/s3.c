/* SPDX-License-Identifier: GPL-3.0-or-later */
/* s3.c -- settings of the S3 backend, what it counts, and its table. */
#include "platform/blobs/s3.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    MIB = 1024 * 1024,
    PART_BYTES = 16 * MIB,
    PARTS_PARALLEL = 4,
    RETRY_MS = 60 * 1000,
    PROBE_MS = 10 * 1000, /* a server that is not there is said soon after the start */
    CALLS_MAX = 32,
    READS_MAX = 64,
};

/* By enum s3_family. */
const struct metric_family blobs_metrics[] = {
    [S3_FAMILY_REQUESTS] = { "skerry_s3_requests_total", METRIC_COUNTER,
                             "Requests to the S3 store, tries counted one by one.",
                             .labels = { "op", "outcome" } },
    [S3_FAMILY_RETRIES] = { "skerry_s3_retries_total", METRIC_COUNTER,
                            "Requests to the S3 store that were sent again, and why.",
                            .labels = { "op", "reason" } },
    [S3_FAMILY_BYTES] = { "skerry_s3_bytes_total", METRIC_COUNTER,
                          "Bytes of bodies sent to and received from the S3 store.",
                          .labels = { "direction" } },
    [S3_FAMILY_SECONDS] = { "skerry_s3_request_seconds", METRIC_HISTOGRAM,
                            "Time until the S3 store answered.", .labels = { "op" } },
    [S3_FAMILY_CACHE_READS] = { "skerry_blob_cache_reads_total", METRIC_COUNTER,
                                "Blobs opened or mapped, by whether a local copy was there.",
                                .labels = { "result" } },
    [S3_FAMILY_CACHE_BYTES] = { "skerry_blob_cache_bytes", METRIC_GAUGE,
                                "Bytes of local copies of blobs." },
    [S3_FAMILY_PARTS_RESUMED] = { "skerry_s3_parts_resumed_total", METRIC_COUNTER,
                                  "Parts that an interrupted upload did not have to send again." },
    { 0 },
};

const char *s3_op_name(enum s3_op op)
{
    static const char *const names[] = {
#define S3_OP_NAME(op, name) [op] = name,
        S3_OPS(S3_OP_NAME)
#undef S3_OP_NAME
    };
    return names[op];
}

void s3_count(struct s3 *s, enum s3_family family, str a, str b, double amount)
{
    if (!s->metrics)
        return;
    const struct metric_family *f = &blobs_metrics[family];
    size_t labels = 0;
    while (f->labels[labels])
        labels++;
    struct metric_cell *cell = metric_cell(s->metrics, f, (const str[]){ a, b }, labels);
    if (f->type == METRIC_HISTOGRAM)
        metric_observe(cell, amount);
    else
        metric_add(cell, amount);
}

/* ------------------------------------------------------------------ settings */

/* Copies a setting that goes into headers and URLs; an unset one gets `otherwise`. */
static err keep_text(const char *what, const char *text, const char *otherwise, char *out,
                     size_t out_bytes)
{
    const char *value = text && text[0] ? text : otherwise;
    size_t len = strlen(value);
    bool good = len < out_bytes;
    for (size_t i = 0; i < len && good; i++)
        good = value[i] > ' ' && value[i] < 127;
    if (!good)
        return ERR(ERR_INVALID, "%s is too long or holds a space or a special character", what);
    memcpy(out, value, len + 1);
    return OK;
}

static bool is_one_word(str text, const char *others)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              strchr(others, c)))
            return false;
    }
    return text.len > 0;
}

/* "//bucket/a/b" */
static err read_location(struct s3 *s, const char *location)
{
    str rest = str_of(location);
    if (!str_starts(rest, STR("//")))
        return ERR(ERR_INVALID, "opening blobs 's3:%.80s': write s3://bucket or s3://bucket/prefix",
                   location);
    rest = str_sub(rest, 2, rest.len);
    str bucket = str_split(&rest, '/');
    if (bucket.len < 3 || bucket.len >= sizeof s->bucket || !is_one_word(bucket, ".-_") ||
        bucket.ptr[0] == '.')
        return ERR(ERR_INVALID,
                   "opening blobs 's3:%.80s': a bucket has 3 to 63 letters, digits, '-' or '.'",
                   location);
    snprintf(s->bucket, sizeof s->bucket, "%.*s", STR_ARG(bucket));
    size_t len = 0;
    while (rest.len) {
        str part = str_split(&rest, '/');
        if (part.len == 0)
            continue;
        if (part.ptr[0] == '.' || str_utf8_valid_len(part) != part.len ||
            len + part.len + 2 > sizeof s->prefix || memchr(part.ptr, '\r', part.len) ||
            memchr(part.ptr, '\n', part.len))
            return ERR(ERR_INVALID,
                       "opening blobs 's3:%.80s': parts of a prefix do not begin with '.', and all "
                       "have less than %d bytes",
                       location, S3_PREFIX_BYTES);
        len += (size_t)snprintf(s->prefix + len, sizeof s->prefix - len, "%.*s/", STR_ARG(part));
    }
    return OK;
}

static err read_endpoint(struct s3 *s, const char *given)
{
    char aws[S3_HOST_BYTES];
    snprintf(aws, sizeof aws, "https://s3.%s.amazonaws.com", s->region);
    TRY(keep_text("SKERRY_S3_ENDPOINT", given, aws, s->endpoint, sizeof s->endpoint));
    for (size_t len = strlen(s->endpoint); len > 0 && s->endpoint[len - 1] == '/'; len--)
        s->endpoint[len - 1] = '\0';
    str rest = str_of(s->endpoint);
    bool is_plain = str_starts(rest, STR("http://"));
    if (!is_plain && !str_starts(rest, STR("https://")))
        return ERR(ERR_INVALID, "SKERRY_S3_ENDPOINT must begin with https:// (or http:// nearby)");
    rest = str_sub(rest, is_plain ? 7 : 8, rest.len);
    if (!is_one_word(rest, ".-:[]_"))
        return ERR(ERR_INVALID,
                   "SKERRY_S3_ENDPOINT must be like https://host:port, without a path or a user");
    /* As curl writes Host: without the port that goes without saying. */
    str port = is_plain ? STR(":80") : STR(":443");
    str host = str_ends(rest, port) ? str_sub(rest, 0, rest.len - port.len) : rest;
    snprintf(s->host, sizeof s->host, "%.*s", STR_ARG(host));
    return OK;
}

static err read_settings(struct s3 *s, const struct blobs_s3 *o, const char *location)
{
    TRY(read_location(s, location));
    if (!o || !o->access_key || !o->access_key[0] || !o->secret_key || !o->secret_key[0])
        return ERR(ERR_INVALID,
                   "opening blobs 's3:%.80s': no keys: set SKERRY_S3_ACCESS_KEY and "
                   "SKERRY_S3_SECRET_KEY",
                   location);
    if (!o->local_folder || !o->local_folder[0])
        return ERR(ERR_INVALID, "opening blobs 's3:%.80s': no folder for local copies", location);
    TRY(keep_text("SKERRY_S3_REGION", o->region, "us-east-1", s->region, sizeof s->region));
    if (!is_one_word(str_of(s->region), "-_"))
        return ERR(ERR_INVALID, "SKERRY_S3_REGION must be like eu-central-1");
    TRY(keep_text("SKERRY_S3_ACCESS_KEY", o->access_key, "", s->access_key, sizeof s->access_key));
    TRY(keep_text("SKERRY_S3_SECRET_KEY", o->secret_key, "", s->secret_key, sizeof s->secret_key));
    TRY(keep_text("SKERRY_S3_SESSION_TOKEN", o->session_token, "", s->session_token,
                  sizeof s->session_token));
    TRY(read_endpoint(s, o->endpoint));
    s->credentials = (struct s3_credentials){ .access_key = s->access_key,
                                              .secret_key = s->secret_key,
                                              .session_token = s->session_token,
                                              .region = s->region };
    s->part_bytes = o->part_bytes > 0 ? o->part_bytes : PART_BYTES;
    if (s->part_bytes < S3_PART_BYTES_MIN)
        return ERR(ERR_INVALID,
                   "SKERRY_S3_PART_BYTES must be at least 5M: S3 takes no smaller ones");
    s->parts_parallel = o->parts_parallel > 0 ? o->parts_parallel : PARTS_PARALLEL;
    s->retry_ms = o->retry_ms > 0 ? o->retry_ms : RETRY_MS;
    s->grace_ms = o->grace_ms;
    s->orphan_ms = o->orphan_ms;
    s->cache_bytes_max = o->cache_bytes;
    s->verify = o->verify;
    return OK;
}

/* ------------------------------------------------------------------ open, close */

static void s3_close(void *engine)
{
    struct s3 *s = engine;
    if (!s)
        return;
    net_close(s->reads);
    net_close(s->calls);
    s3_cache_close(s);
    pthread_mutex_destroy(&s->evict_lock);
    explicit_bzero(s, sizeof *s);
    free(s);
}

static err create_bucket(struct s3 *s)
{
    char body_text[200] = "";
    struct buf body;
    struct s3_reply reply;
    if (strcmp(s->region, "us-east-1") != 0) /* which must not be named */
        snprintf(body_text, sizeof body_text,
                 "<CreateBucketConfiguration><LocationConstraint>%s</LocationConstraint>"
                 "</CreateBucketConfiguration>",
                 s->region);
    struct s3_call call = {
        .op = S3_BUCKET, .method = "PUT", .key = "", .has_body = true, .body = str_of(body_text)
    };
    err e = s3_send(s, &call, &body, &reply);
    buf_deinit(&body);
    bool is_there = strcmp(reply.fault, "BucketAlreadyOwnedByYou") == 0; /* another was faster */
    if (e.code && !is_there)
        return err_wrap(e, "making bucket '%s'", s->bucket);
    if (s->log)
        log_event(s->log, LOG_INFO, NULL, "s3.bucket.created", NULL, F_CSTR("bucket", s->bucket));
    return OK;
}

/* Lists one key: needs the endpoint, the clock, the keys, the region and the bucket to be right. */
static err probe(struct s3 *s, bool may_create)
{
    int64_t retry_ms = s->retry_ms;
    struct buf body;
    struct s3_reply reply;
    struct s3_call call = { .op = S3_LIST,
                            .method = "GET",
                            .key = "",
                            .params = { { STR("list-type"), STR("2") },
                                        { STR("prefix"), str_of(s->prefix) },
                                        { STR("max-keys"), STR("1") } },
                            .param_count = 3 };
    if (s->retry_ms > PROBE_MS)
        s->retry_ms = PROBE_MS;
    err e = s3_send(s, &call, &body, &reply);
    buf_deinit(&body);
    if (e.code && may_create && strcmp(reply.fault, "NoSuchBucket") == 0)
        e = create_bucket(s);
    s->retry_ms = retry_ms;
    if (e.code == ERR_NOT_FOUND) /* something answers there that is no S3 */
        return ERR(ERR_UPSTREAM, "%.80s answers, but not as S3 does: check SKERRY_S3_ENDPOINT",
                   s->endpoint);
    return e;
}

static err open_parts(struct s3 *s, const struct blobs_options *options, const char *location)
{
    const struct blobs_s3 *o = options->s3;
    TRY(read_settings(s, o, location));
    struct net_options net = { .lanes_max = CALLS_MAX,
                               .stall_ms = o->stall_ms,
                               .ca_file = o->ca_file,
                               .plain_only_nearby = true };
    TRY(net_open(&net, &s->calls));
    net.lanes_max = READS_MAX;
    TRY(net_open(&net, &s->reads));
    TRY(s3_cache_open(s, o->local_folder));
    return err_wrap(probe(s, o->create_bucket), "opening blobs");
}

static err s3_open(const struct blobs_options *options, const char *location, void **ret_engine)
{
    struct s3 *s = calloc(1, sizeof *s);
    if (!s)
        return ERR(ERR_NO_MEMORY, "opening blobs 's3:%.80s': out of memory", location);
    pthread_mutex_init(&s->evict_lock, NULL);
    s->log = options->log;
    s->metrics = options->metrics;
    err e = open_parts(s, options, location);
    if (e.code) {
        s3_close(s);
        return e;
    }
    *ret_engine = s;
    return OK;
}

static int64_t s3_grace_ms(void *engine)
{
    return ((const struct s3 *)engine)->grace_ms;
}

const struct blob_backend blob_backend_s3 = {
    .scheme = "s3",
    .open = s3_open,
    .close = s3_close,
    .put_begin = s3_put_begin,
    .put_write = s3_put_write,
    .put_commit = s3_put_commit,
    .put_abort = s3_put_abort,
    .get_open = s3_get_open,
    .get_read = s3_get_read,
    .get_close = s3_get_close,
    .map = s3_map,
    .stat = s3_stat,
    .remove = s3_remove,
    .each = s3_each,
    .sweep = s3_sweep,
    .text_put = s3_text_put,
    .text_get = s3_text_get,
    .text_remove = s3_text_remove,
    .text_each = s3_text_each,
    .put_aside = s3_put_aside,
    .grace_ms = s3_grace_ms,
    .forget = s3_cache_forget,
    .url = s3_url,
};
