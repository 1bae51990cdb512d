/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "fake_s3_inside.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/hash.h"
#include "base/rand.h"
#include "platform/blobs/s3_sign.h"
#include "platform/blobs/s3_xml.h"

enum { CONNECTIONS_MAX = 64, SKEW_MAX_MS = 900000 };

struct connection {
    struct fake_s3 *fake;
    int fd;
    pthread_t thread;
    bool used;
};

struct inside {
    pthread_t accepting;
    pthread_mutex_t lock; /* one request at a time: S3's promises are per request */
    pthread_mutex_t connections_lock;
    struct connection connections[CONNECTIONS_MAX];
};

/* ------------------------------------------------------------------ reading a request */

static bool read_some(int fd, void *out, size_t count)
{
    for (size_t at = 0; at < count;) {
        ssize_t got = read(fd, (char *)out + at, count - at);
        if (got <= 0)
            return false;
        at += (size_t)got;
    }
    return true;
}

str fake_header(const struct http *h, str name)
{
    for (str rest = h->headers; rest.len;) {
        str line = str_split(&rest, '\n');
        str key = str_split(&line, ':');
        if (str_eq_nocase(key, name))
            return str_trim(line);
    }
    return STR_NONE;
}

static int hex_digit(char c)
{
    return c <= '9' ? c - '0' : (c | 32) - 'a' + 10;
}

static void percent_decode(str raw, char *out, size_t out_bytes)
{
    size_t len = 0;
    for (size_t i = 0; i < raw.len && len + 1 < out_bytes; i++) {
        if (raw.ptr[i] == '%' && i + 2 < raw.len) {
            out[len++] = (char)(hex_digit(raw.ptr[i + 1]) << 4 | hex_digit(raw.ptr[i + 2]));
            i += 2;
        } else {
            out[len++] = raw.ptr[i];
        }
    }
    out[len] = '\0';
}

static void read_target(struct http *h)
{
    str rest = h->target;
    percent_decode(str_split(&rest, '?'), h->path, sizeof h->path);
    h->query.count = 0;
    while (rest.len && h->query.count < 4) {
        str value = str_split(&rest, '&');
        str name = str_split(&value, '=');
        size_t at = h->query.count * 2;
        percent_decode(name, h->decoded[at], sizeof h->decoded[at]);
        percent_decode(value, h->decoded[at + 1], sizeof h->decoded[at + 1]);
        h->query.pairs[h->query.count++] = (struct s3_pair){ str_of(h->decoded[at]),
                                                             str_of(h->decoded[at + 1]) };
    }
}

str fake_query(const struct http *h, const char *name, bool *ret_there)
{
    for (size_t i = 0; i < h->query.count; i++) {
        if (str_eq(h->query.pairs[i].name, str_of(name))) {
            *ret_there = true;
            return h->query.pairs[i].value;
        }
    }
    *ret_there = false;
    return STR_NONE;
}

static bool read_request(struct http *h)
{
    h->head_len = 0;
    while (!str_ends(str_from(h->head, h->head_len), STR("\r\n\r\n"))) {
        if (h->head_len == HEAD_MAX || !read_some(h->fd, h->head + h->head_len, 1))
            return false;
        h->head_len++;
    }
    h->head[h->head_len] = '\0';
    str rest = str_from(h->head, h->head_len);
    str line = str_split(&rest, '\n');
    h->method = str_split(&line, ' ');
    h->target = str_split(&line, ' ');
    h->headers = rest;
    int64_t length = 0;
    if (fake_header(h, STR("content-length")).len)
        MUST(str_to_i64(fake_header(h, STR("content-length")), &length));
    h->body_len = (size_t)length;
    h->body = malloc(h->body_len + 1);
    if (!h->body || !read_some(h->fd, h->body, h->body_len)) {
        free(h->body);
        return false;
    }
    h->body[h->body_len] = '\0';
    read_target(h);
    return true;
}

/* ------------------------------------------------------------------ answering */

static int64_t now_of(const struct fake_s3 *f)
{
    return clock_wall_ms() + atomic_load(&f->clock_ms);
}

void fake_http_date(int64_t wall_ms, char out[40])
{
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    char iso[CLOCK_ISO_BYTES];
    clock_iso(wall_ms, iso);
    int month = (iso[5] - '0') * 10 + iso[6] - '0';
    snprintf(out, 40, "Mon, %.2s %.3s %.4s %.8s GMT", iso + 8, months + (month - 1) * 3, iso,
             iso + 11);
}

void fake_send(int fd, const char *bytes, size_t count)
{
    for (size_t at = 0; at < count;) {
        ssize_t sent = send(fd, bytes + at, count - at, MSG_NOSIGNAL);
        if (sent <= 0)
            return;
        at += (size_t)sent;
    }
}

/* head_only: Content-Length without the bytes. */
void fake_answer(struct http *h, int status, const char *more, const char *body, size_t count,
                 bool head_only)
{
    char head[1024], date[40];
    fake_http_date(now_of(h->fake), date);
    int len = snprintf(head, sizeof head,
                       "HTTP/1.1 %d X\r\nDate: %s\r\nContent-Length: %zu\r\n%s\r\n", status, date,
                       count, more);
    fake_send(h->fd, head, (size_t)len);
    if (!head_only)
        fake_send(h->fd, body, count);
}

void fake_answer_xml(struct http *h, int status, const struct buf *xml)
{
    fake_answer(h, status, "Content-Type: application/xml\r\n", xml->ptr ? xml->ptr : "", xml->len,
                false);
}

void fake_answer_fault(struct http *h, int status, const char *code, const char *more)
{
    char body[600];
    int len = snprintf(body, sizeof body,
                       "<?xml version=\"1.0\"?>\n<Error><Code>%s</Code><Message>told to &amp; "
                       "did</Message>%s</Error>",
                       code, more);
    atomic_fetch_add(&h->fake->refused, 1);
    fake_answer(h, status, "", body, (size_t)len, str_eq(h->method, STR("HEAD")));
}

/* ------------------------------------------------------------------ who is asking */

/* "SignedHeaders=a;b" -> the headers we sign beside those that every request signs. */
static void extra_headers(const struct http *h, struct s3_request *rq)
{
    if (fake_header(h, STR("range")).len)
        rq->headers[rq->header_count++] = (struct s3_pair){ STR("range"),
                                                            fake_header(h, STR("range")) };
}

static bool is_signed(struct http *h)
{
    struct buf expected;
    char payload[SHA256_HEX_BYTES], given[SHA256_HEX_BYTES];
    int64_t wall_ms = 0;
    char iso[32];
    str date = fake_header(h, STR("x-amz-date")), auth = fake_header(h, STR("authorization"));
    sha256_hex_of(str_from(h->body, h->body_len), payload);
    snprintf(given, sizeof given, "%.*s", STR_ARG(fake_header(h, STR("x-amz-content-sha256"))));
    if (date.len != 16)
        return false;
    snprintf(iso, sizeof iso, "%.4s-%.2s-%.2sT%.2s:%.2s:%.2sZ", date.ptr, date.ptr + 4,
             date.ptr + 6, date.ptr + 9, date.ptr + 11, date.ptr + 13);
    if (clock_parse(str_of(iso), &wall_ms).code)
        return false;
    if (llabs(wall_ms - now_of(h->fake)) > SKEW_MAX_MS) {
        char more[200], server[CLOCK_ISO_BYTES];
        clock_iso(now_of(h->fake), server);
        snprintf(more, sizeof more, "<RequestTime>%.*s</RequestTime><ServerTime>%s</ServerTime>",
                 STR_ARG(date), server);
        fake_answer_fault(h, 403, "RequestTimeTooSkewed", more);
        return false;
    }
    if (!str_contains(auth, STR("Credential=" FAKE_ACCESS "/"))) {
        fake_answer_fault(h, 403, "InvalidAccessKeyId", "");
        return false;
    }
    if (!str_contains(auth, STR("/" FAKE_REGION "/s3/"))) {
        fake_answer_fault(h, 400, "AuthorizationHeaderMalformed",
                          "<Region>" FAKE_REGION "</Region>");
        return false;
    }
    struct s3_request rq = { .path = str_of(h->path),
                             .host = fake_header(h, STR("host")),
                             .param_count = h->query.count,
                             .payload_sha256 = given,
                             .wall_ms = wall_ms };
    char method[8];
    snprintf(method, sizeof method, "%.*s", STR_ARG(h->method));
    rq.method = method;
    memcpy(rq.params, h->query.pairs, sizeof h->query.pairs);
    extra_headers(h, &rq);
    const struct s3_credentials credentials = { FAKE_ACCESS, FAKE_SECRET, "", FAKE_REGION };
    buf_init(&expected, 8192);
    MUST(s3_sign(&credentials, &rq, &expected));
    bool same = str_eq(buf_str(&expected), auth);
    buf_deinit(&expected);
    if (!same)
        fake_answer_fault(h, 403, "SignatureDoesNotMatch", "");
    else if (strcmp(given, payload) != 0)
        fake_answer_fault(h, 400, "XAmzContentSHA256Mismatch", "");
    return same && strcmp(given, payload) == 0;
}

/* ------------------------------------------------------------------ dispatch */

static bool take(atomic_int *count)
{
    int left = atomic_load(count);
    while (left > 0)
        if (atomic_compare_exchange_weak(count, &left, left - 1))
            return true;
    return false;
}

/* 'p'ut, 'g'et, 'h'ead, 'd'elete, 'l'ist, 'u'pload part, 'e'nd of an upload, 'b'egin of one */
static int op_of(const struct http *h)
{
    bool part, upload, begin;
    fake_query(h, "partNumber", &part);
    fake_query(h, "uploadId", &upload);
    fake_query(h, "uploads", &begin);
    if (str_eq(h->method, STR("POST")))
        return begin ? 'b' : 'e';
    if (part)
        return 'u';
    if (str_eq(h->method, STR("GET")) && !strchr(h->path + 1, '/'))
        return 'l';
    return h->method.ptr[0] | 32;
}

static bool fails_as_told(struct http *h)
{
    struct fake_s3 *f = h->fake;
    int only = atomic_load(&f->only_op);
    if (only && only != op_of(h))
        return false;
    if (take(&f->drop)) {
        shutdown(h->fd, SHUT_RDWR);
        return true;
    }
    if (take(&f->slow_down)) {
        fake_answer_fault(h, 503, "SlowDown", "");
        return true;
    }
    if (take(&f->folder_is_gone)) {
        fake_answer_fault(h, 409, "ExistingObjectIsDirectory", "");
        return true;
    }
    if (take(&f->fail_500)) {
        fake_answer_fault(h, 500, "InternalError", "");
        return true;
    }
    return false;
}

static void serve(struct http *h)
{
    char bucket[2048];
    atomic_fetch_add(&h->fake->requests, 1);
    if (fails_as_told(h) || !is_signed(h))
        return;
    const char *key = strchr(h->path + 1, '/');
    int bucket_len = key ? (int)(key - h->path) : (int)strlen(h->path);
    snprintf(bucket, sizeof bucket, "%s%.*s", h->fake->folder, bucket_len, h->path);
    if (!key && str_eq(h->method, STR("PUT"))) {
        MUST(fs_mkdirs(bucket));
        fake_answer(h, 200, "", "", 0, false);
        return;
    }
    if (!fs_exists(bucket)) {
        fake_answer_fault(h, 404, "NoSuchBucket", "");
        return;
    }
    bool uploads;
    fake_query(h, "uploads", &uploads);
    snprintf(h->file, sizeof h->file, "%s%s", h->fake->folder, h->path);
    if (key)
        fake_serve_object(h);
    else if (uploads)
        fake_list_uploads(h);
    else
        fake_list_objects(h, bucket);
}

static void *connection_main(void *arg)
{
    struct connection *c = arg;
    struct inside *in = c->fake->inside;
    struct http *h = calloc(1, sizeof *h);
    if (!h)
        abort();
    h->fake = c->fake;
    h->fd = c->fd;
    while (read_request(h)) {
        pthread_mutex_lock(&in->lock);
        serve(h);
        pthread_mutex_unlock(&in->lock);
        free(h->body);
        h->body = NULL;
    }
    free(h);
    shutdown(c->fd, SHUT_RDWR);
    atomic_fetch_sub(&c->fake->live, 1);
    return NULL;
}

static void *accept_main(void *arg)
{
    struct fake_s3 *f = arg;
    struct inside *in = f->inside;
    for (size_t i = 0; i < 100000; i++) {
        int fd = accept4(f->listen_fd, NULL, NULL, SOCK_CLOEXEC);
        if (fd < 0 || atomic_load(&f->stop)) {
            if (fd >= 0)
                close(fd);
            break;
        }
        int on = 1; /* heads and bodies are sent one after the other */
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        pthread_mutex_lock(&in->connections_lock);
        struct connection *c = &in->connections[i % CONNECTIONS_MAX];
        if (c->used) { /* its place is needed: whoever was there is long done, or is cut off */
            shutdown(c->fd, SHUT_RDWR);
            pthread_join(c->thread, NULL);
            close(c->fd);
        }
        *c = (struct connection){ .fake = f, .fd = fd, .used = true };
        atomic_fetch_add(&f->live, 1);
        if (pthread_create(&c->thread, NULL, connection_main, c) != 0)
            abort();
        pthread_mutex_unlock(&in->connections_lock);
    }
    return NULL;
}

void fake_s3_open(struct fake_s3 *f)
{
    memset(f, 0, sizeof *f);
    struct inside *in = calloc(1, sizeof *in);
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof address;
    /* In memory where that is possible: what is tested is not this disk. */
    snprintf(f->folder, sizeof f->folder, "%s/skerry-s3-XXXXXX",
             access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    f->page_max = 1000;
    f->inside = in;
    f->listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (!in || !mkdtemp(f->folder) || f->listen_fd < 0 ||
        bind(f->listen_fd, (struct sockaddr *)&address, sizeof address) != 0 ||
        listen(f->listen_fd, 64) != 0 ||
        getsockname(f->listen_fd, (struct sockaddr *)&address, &len) != 0)
        abort();
    f->port = ntohs(address.sin_port);
    pthread_mutex_init(&in->lock, NULL);
    pthread_mutex_init(&in->connections_lock, NULL);
    if (pthread_create(&in->accepting, NULL, accept_main, f) != 0)
        abort();
}

void fake_s3_settle(struct fake_s3 *f)
{
    /* Connections are taken in their order: when ours is answered, none before it is waiting. */
    static const char ask[] = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
    char answer[64];
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_port = htons((uint16_t)f->port),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) != 0)
        abort();
    fake_send(fd, ask, sizeof ask - 1);
    shutdown(fd, SHUT_WR);
    while (read(fd, answer, sizeof answer) > 0)
        ;
    close(fd);
    while (atomic_load(&f->live) > 0)
        clock_sleep_ms(1);
}

void fake_s3_close(struct fake_s3 *f)
{
    struct inside *in = f->inside;
    atomic_store(&f->stop, true);
    shutdown(f->listen_fd, SHUT_RDWR);
    pthread_join(in->accepting, NULL);
    close(f->listen_fd);
    for (size_t i = 0; i < CONNECTIONS_MAX; i++) {
        struct connection *c = &in->connections[i];
        if (!c->used)
            continue;
        shutdown(c->fd, SHUT_RDWR);
        pthread_join(c->thread, NULL);
        close(c->fd);
    }
    MUST(fs_remove_tree(f->folder));
    free(in);
}
