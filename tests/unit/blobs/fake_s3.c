/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "fake_s3.h"

#include <arpa/inet.h>
#include <dirent.h>
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

enum { CONNECTIONS_MAX = 64, HEAD_MAX = 16384, PATH_MAX_BYTES = 1024, SKEW_MAX_MS = 900000 };

#define MUST(call)                                       \
    do {                                                 \
        err must_ = (call);                              \
        if (must_.code) {                                \
            fprintf(stderr, "fake S3: %s\n", must_.msg); \
            abort();                                     \
        }                                                \
    } while (0)

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

struct query {
    struct s3_pair pairs[S3_PARAMS_MAX];
    size_t count;
};

struct http {
    struct fake_s3 *fake;
    int fd;
    char head[HEAD_MAX + 1];
    size_t head_len;
    str method, target, headers;
    char path[PATH_MAX_BYTES]; /* decoded */
    char decoded[8][1100];
    struct query query;
    char *body;
    size_t body_len;
    char file[2048]; /* of the object */
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

static str header_of(const struct http *h, str name)
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

static str query_of(const struct http *h, const char *name, bool *ret_there)
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
    if (header_of(h, STR("content-length")).len)
        MUST(str_to_i64(header_of(h, STR("content-length")), &length));
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

static void http_date(int64_t wall_ms, char out[40])
{
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    char iso[CLOCK_ISO_BYTES];
    clock_iso(wall_ms, iso);
    int month = (iso[5] - '0') * 10 + iso[6] - '0';
    snprintf(out, 40, "Mon, %.2s %.3s %.4s %.8s GMT", iso + 8, months + (month - 1) * 3, iso,
             iso + 11);
}

static void send_all(int fd, const char *bytes, size_t count)
{
    for (size_t at = 0; at < count;) {
        ssize_t sent = send(fd, bytes + at, count - at, MSG_NOSIGNAL);
        if (sent <= 0)
            return;
        at += (size_t)sent;
    }
}

/* head_only: Content-Length without the bytes. */
static void answer(struct http *h, int status, const char *more, const char *body, size_t count,
                   bool head_only)
{
    char head[1024], date[40];
    http_date(now_of(h->fake), date);
    int len = snprintf(head, sizeof head,
                       "HTTP/1.1 %d X\r\nDate: %s\r\nContent-Length: %zu\r\n%s\r\n", status, date,
                       count, more);
    send_all(h->fd, head, (size_t)len);
    if (!head_only)
        send_all(h->fd, body, count);
}

static void answer_xml(struct http *h, int status, const struct buf *xml)
{
    answer(h, status, "Content-Type: application/xml\r\n", xml->ptr ? xml->ptr : "", xml->len,
           false);
}

static void answer_fault(struct http *h, int status, const char *code, const char *more)
{
    char body[600];
    int len = snprintf(body, sizeof body,
                       "<?xml version=\"1.0\"?>\n<Error><Code>%s</Code><Message>told to &amp; "
                       "did</Message>%s</Error>",
                       code, more);
    atomic_fetch_add(&h->fake->refused, 1);
    answer(h, status, "", body, (size_t)len, str_eq(h->method, STR("HEAD")));
}

/* ------------------------------------------------------------------ who is asking */

/* "SignedHeaders=a;b" -> the headers we sign beside those that every request signs. */
static void extra_headers(const struct http *h, struct s3_request *rq)
{
    if (header_of(h, STR("range")).len)
        rq->headers[rq->header_count++] = (struct s3_pair){ STR("range"),
                                                            header_of(h, STR("range")) };
}

static bool is_signed(struct http *h)
{
    struct buf expected;
    char payload[SHA256_HEX_BYTES], given[SHA256_HEX_BYTES];
    int64_t wall_ms = 0;
    char iso[32];
    str date = header_of(h, STR("x-amz-date")), auth = header_of(h, STR("authorization"));
    sha256_hex_of(str_from(h->body, h->body_len), payload);
    snprintf(given, sizeof given, "%.*s", STR_ARG(header_of(h, STR("x-amz-content-sha256"))));
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
        answer_fault(h, 403, "RequestTimeTooSkewed", more);
        return false;
    }
    if (!str_contains(auth, STR("Credential=" FAKE_ACCESS "/"))) {
        answer_fault(h, 403, "InvalidAccessKeyId", "");
        return false;
    }
    if (!str_contains(auth, STR("/" FAKE_REGION "/s3/"))) {
        answer_fault(h, 400, "AuthorizationHeaderMalformed", "<Region>" FAKE_REGION "</Region>");
        return false;
    }
    struct s3_request rq = { .path = str_of(h->path),
                             .host = header_of(h, STR("host")),
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
        answer_fault(h, 403, "SignatureDoesNotMatch", "");
    else if (strcmp(given, payload) != 0)
        answer_fault(h, 400, "XAmzContentSHA256Mismatch", "");
    return same && strcmp(given, payload) == 0;
}

/* ------------------------------------------------------------------ objects */

static bool load(const char *path, char **ret_bytes, size_t *ret_count, int64_t *ret_changed_ms)
{
    struct stat st;
    FILE *f = fopen(path, "rb");
    if (!f)
        return false;
    if (fstat(fileno(f), &st) != 0 || !S_ISREG(st.st_mode)) {
        fclose(f);
        return false;
    }
    *ret_count = (size_t)st.st_size;
    *ret_changed_ms = st.st_mtim.tv_sec * INT64_C(1000);
    *ret_bytes = malloc(*ret_count + 1);
    bool good = *ret_bytes && fread(*ret_bytes, 1, *ret_count, f) == *ret_count;
    fclose(f);
    return good;
}

/* Written beside and renamed: whoever looks at the files sees whole objects. */
static void save(const char *path, const char *bytes, size_t count)
{
    char folder[2048], temporary[2100];
    snprintf(folder, sizeof folder, "%s", path);
    *strrchr(folder, '/') = '\0';
    MUST(fs_mkdirs(folder));
    snprintf(temporary, sizeof temporary, "%s.new", path);
    FILE *f = fopen(temporary, "wb");
    if (!f || fwrite(bytes, 1, count, f) != count || fclose(f) != 0 || rename(temporary, path) != 0)
        abort();
}

static void put_object(struct http *h)
{
    atomic_fetch_add(&h->fake->puts, 1);
    if (h->body_len && atomic_load(&h->fake->spoil) > 0) {
        atomic_fetch_sub(&h->fake->spoil, 1);
        h->body[0] ^= 1;
    }
    save(h->file, h->body, h->body_len);
    answer(h, 200, "ETag: \"whole\"\r\n", "", 0, false);
}

static void get_object(struct http *h, bool head_only)
{
    char *bytes = NULL, more[300], date[40], range_line[100] = "";
    size_t count = 0, from = 0;
    int64_t changed_ms = 0, first = 0;
    atomic_fetch_add(head_only ? &h->fake->heads : &h->fake->gets, 1);
    if (!load(h->file, &bytes, &count, &changed_ms)) {
        answer_fault(h, 404, "NoSuchKey", "");
        return;
    }
    str range = header_of(h, STR("range"));
    if (str_starts(range, STR("bytes="))) {
        range = str_sub(range, 6, range.len);
        MUST(str_to_i64(str_split(&range, '-'), &first));
        if ((size_t)first >= count) {
            answer_fault(h, 416, "InvalidRange", "");
            free(bytes);
            return;
        }
        from = (size_t)first;
        snprintf(range_line, sizeof range_line, "Content-Range: bytes %zu-%zu/%zu\r\n", from,
                 count - 1, count);
    }
    http_date(changed_ms, date);
    snprintf(more, sizeof more, "Last-Modified: %s\r\nETag: \"whole\"\r\n%s", date, range_line);
    long long cut = atomic_load(&h->fake->cut_get);
    if (!head_only && cut && atomic_load(&h->fake->cuts) > 0 && count - from > (size_t)cut) {
        atomic_fetch_sub(&h->fake->cuts, 1);
        answer(h, from ? 206 : 200, more, "", count - from, true);
        send_all(h->fd, bytes + from, (size_t)cut);
        shutdown(h->fd, SHUT_RDWR);
    } else {
        answer(h, from ? 206 : 200, more, bytes + from, count - from, head_only);
    }
    free(bytes);
}

/* ------------------------------------------------------------------ listings */

struct found {
    char key[PATH_MAX_BYTES];
    int64_t bytes, changed_ms;
};
struct all_found {
    struct found *items;
    size_t count, cap;
};

static void walk(const char *folder, const char *key, struct all_found *all)
{
    DIR *dir = opendir(folder);
    if (!dir)
        return;
    for (struct dirent *d; (d = readdir(dir)) != NULL;) {
        char path[2048], name[PATH_MAX_BYTES];
        struct stat st;
        if (d->d_name[0] == '.')
            continue;
        if (snprintf(path, sizeof path, "%s/%s", folder, d->d_name) >= (int)sizeof path ||
            snprintf(name, sizeof name, "%s%s%s", key, key[0] ? "/" : "", d->d_name) >=
                (int)sizeof name ||
            lstat(path, &st) != 0)
            continue;
        if (S_ISDIR(st.st_mode)) {
            walk(path, name, all);
            continue;
        }
        if (all->count == all->cap) {
            all->cap = all->cap ? all->cap * 2 : 64;
            all->items = realloc(all->items, all->cap * sizeof *all->items);
            if (!all->items)
                abort();
        }
        struct found *f = &all->items[all->count++];
        memcpy(f->key, name, sizeof name);
        f->bytes = st.st_size;
        f->changed_ms = st.st_mtim.tv_sec * INT64_C(1000) + st.st_mtim.tv_nsec / 1000000;
    }
    closedir(dir);
}

static int by_key(const void *a, const void *b)
{
    return strcmp(((const struct found *)a)->key, ((const struct found *)b)->key);
}

static void list_objects(struct http *h, const char *bucket_folder)
{
    struct all_found all = { 0 };
    struct buf xml;
    bool there;
    str prefix = query_of(h, "prefix", &there), token = query_of(h, "continuation-token", &there);
    int listed = 0;
    atomic_fetch_add(&h->fake->lists, 1);
    walk(bucket_folder, "", &all);
    qsort(all.items, all.count, sizeof all.items[0], by_key);
    buf_init(&xml, 8 << 20);
    buf_add_cstr(&xml, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ListBucketResult "
                       "xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">");
    for (size_t i = 0; i < all.count; i++) {
        const struct found *f = &all.items[i];
        char iso[CLOCK_ISO_BYTES];
        if (!str_starts(str_of(f->key), prefix) || str_cmp(str_of(f->key), token) <= 0)
            continue;
        if (listed++ == h->fake->page_max) {
            buf_add_fmt(&xml,
                        "<IsTruncated>true</IsTruncated><NextContinuationToken>%s</"
                        "NextContinuationToken>",
                        all.items[i - 1].key);
            break;
        }
        clock_iso(f->changed_ms + atomic_load(&h->fake->clock_ms), iso);
        buf_add_fmt(&xml,
                    "<Contents><Key>%s</Key><LastModified>%s</LastModified><ETag>&quot;x&quot;</"
                    "ETag><Size>%lld</Size><Owner><ID>1</ID></Owner></Contents>",
                    f->key, iso, (long long)f->bytes);
    }
    buf_add_cstr(&xml, "</ListBucketResult>");
    MUST(buf_check(&xml));
    answer_xml(h, 200, &xml);
    buf_deinit(&xml);
    free(all.items);
}

/* ------------------------------------------------------------------ uploads */

static void upload_folder(const struct http *h, str id, char out[2048])
{
    snprintf(out, 2048, "%s/.uploads/%.*s", h->fake->folder, STR_ARG(id));
}

static void upload_begin(struct http *h)
{
    char id[HEX_ID_BYTES], folder[2048], path[2100];
    struct buf xml;
    rand_hex_id(id);
    upload_folder(h, str_of(id), folder);
    snprintf(path, sizeof path, "%s/key", folder);
    save(path, h->path, strlen(h->path));
    buf_init(&xml, 4096);
    buf_add_fmt(&xml,
                "<InitiateMultipartUploadResult><UploadId>%s</UploadId>"
                "</InitiateMultipartUploadResult>",
                id);
    answer_xml(h, 200, &xml);
    buf_deinit(&xml);
}

static void put_part(struct http *h, str id, str number)
{
    char folder[2048], path[2100], etag[100], digest[SHA256_HEX_BYTES];
    upload_folder(h, id, folder);
    snprintf(path, sizeof path, "%s/part-%05d", folder, (int)strtol(number.ptr, NULL, 10));
    if (h->fake->spoil > 0 && h->body_len) {
        atomic_fetch_sub(&h->fake->spoil, 1);
        h->body[0] ^= 1;
    }
    save(path, h->body, h->body_len);
    sha256_hex_of(str_from(h->body, h->body_len), digest);
    snprintf(etag, sizeof etag, "ETag: \"%.32s\"\r\n", digest);
    atomic_fetch_add(&h->fake->parts, 1);
    if (h->fake->on_part)
        h->fake->on_part(h->fake->on_part_arg);
    answer(h, 200, etag, "", 0, false);
}

static void list_parts(struct http *h, const char *folder)
{
    struct all_found all = { 0 };
    struct buf xml;
    bool there;
    str marker = query_of(h, "part-number-marker", &there);
    long after = marker.len ? strtol(marker.ptr, NULL, 10) : 0;
    int listed = 0;
    walk(folder, "", &all);
    qsort(all.items, all.count, sizeof all.items[0], by_key);
    buf_init(&xml, 1 << 20);
    buf_add_cstr(&xml, "<ListPartsResult><Initiator><ID>me</ID></Initiator>");
    for (size_t i = 0; i < all.count; i++) {
        char path[2100], digest[SHA256_HEX_BYTES], *bytes;
        size_t count;
        int64_t changed_ms;
        if (strncmp(all.items[i].key, "part-", 5) != 0 ||
            strtol(all.items[i].key + 5, NULL, 10) <= after)
            continue;
        if (listed++ == h->fake->page_max) {
            buf_add_fmt(&xml,
                        "<IsTruncated>true</IsTruncated><NextPartNumberMarker>%ld</"
                        "NextPartNumberMarker>",
                        strtol(all.items[i - 1].key + 5, NULL, 10));
            break;
        }
        snprintf(path, sizeof path, "%s/%.40s", folder, all.items[i].key);
        if (!load(path, &bytes, &count, &changed_ms))
            abort();
        sha256_hex_of(str_from(bytes, count), digest);
        free(bytes);
        buf_add_fmt(&xml,
                    "<Part><PartNumber>%ld</PartNumber><LastModified>2026-01-01T00:00:00.000Z</"
                    "LastModified><ETag>\"%.32s\"</ETag><Size>%zu</Size></Part>",
                    strtol(all.items[i].key + 5, NULL, 10), digest, count);
    }
    buf_add_cstr(&xml, "</ListPartsResult>");
    MUST(buf_check(&xml));
    answer_xml(h, 200, &xml);
    buf_deinit(&xml);
    free(all.items);
}

static void upload_end(struct http *h, const char *folder)
{
    struct buf whole, xml;
    str rest = str_from(h->body, h->body_len);
    bool good = true;
    buf_init(&whole, 256 << 20);
    while (good && str_contains(rest, STR("<PartNumber>"))) {
        char path[2100], *bytes = NULL;
        size_t count = 0;
        int64_t changed_ms;
        rest = str_sub(rest, (size_t)str_find(rest, STR("<PartNumber>")) + 12, rest.len);
        snprintf(path, sizeof path, "%s/part-%05d", folder, (int)strtol(rest.ptr, NULL, 10));
        good = load(path, &bytes, &count, &changed_ms);
        if (good) {
            char digest[SHA256_HEX_BYTES], etag[80];
            sha256_hex_of(str_from(bytes, count), digest);
            int len = snprintf(etag, sizeof etag, "<ETag>\"%.32s\"</ETag>", digest);
            ptrdiff_t at = str_find(rest, STR("<ETag>"));
            good = at >= 0 &&
                   str_eq(str_sub(rest, (size_t)at, (size_t)len), str_from(etag, (size_t)len));
            buf_add_bytes(&whole, bytes, count);
        }
        free(bytes);
    }
    buf_init(&xml, 4096);
    if (!good) {
        answer_fault(h, 400, "InvalidPart", "");
    } else if (atomic_load(&h->fake->late_fault) > 0) {
        atomic_fetch_sub(&h->fake->late_fault, 1);
        buf_add_cstr(&xml, "<?xml version=\"1.0\"?>\n<Error><Code>InternalError</Code></Error>");
        answer_xml(h, 200, &xml);
    } else {
        save(h->file, whole.ptr ? whole.ptr : "", whole.len);
        MUST(fs_remove_tree(folder));
        if (atomic_load(&h->fake->lost_complete) > 0) {
            atomic_fetch_sub(&h->fake->lost_complete, 1);
            shutdown(h->fd, SHUT_RDWR);
        } else {
            buf_add_cstr(&xml, "<CompleteMultipartUploadResult><ETag>\"a-2\"</ETag>"
                               "</CompleteMultipartUploadResult>");
            answer_xml(h, 200, &xml);
        }
    }
    buf_deinit(&xml);
    buf_deinit(&whole);
}

static err list_upload(void *arg, const char *name)
{
    struct buf *xml = arg;
    char path[2100], *key = NULL, iso[CLOCK_ISO_BYTES];
    size_t count = 0;
    int64_t changed_ms = 0;
    /* the folder's name stands before the list in the buffer's own first line: see list_uploads */
    snprintf(path, sizeof path, "%.*s/%s/key", (int)strcspn(xml->ptr, "\n"), xml->ptr, name);
    if (!load(path, &key, &count, &changed_ms))
        return OK;
    clock_iso(changed_ms, iso);
    key[count] = '\0';
    const char *in_bucket = strchr(key + 1, '/');
    buf_add_fmt(xml,
                "<Upload><Key>%s</Key><UploadId>%s</UploadId><Initiated>%s</Initiated></Upload>",
                in_bucket ? in_bucket + 1 : key, name, iso);
    free(key);
    return OK;
}

static void list_uploads(struct http *h)
{
    struct buf xml;
    char folder[2048];
    upload_folder(h, STR_NONE, folder);
    buf_init(&xml, 1 << 20);
    buf_add_fmt(&xml, "%s\n", folder);
    size_t begin = xml.len;
    buf_add_cstr(&xml, "<ListMultipartUploadsResult><IsTruncated>false</IsTruncated>");
    if (fs_exists(folder))
        MUST(fs_list(folder, list_upload, &xml));
    buf_add_cstr(&xml, "</ListMultipartUploadsResult>");
    MUST(buf_check(&xml));
    answer(h, 200, "", xml.ptr + begin, xml.len - begin, false);
    buf_deinit(&xml);
}

/* ------------------------------------------------------------------ dispatch */

static void serve_upload(struct http *h, str id)
{
    char folder[2048];
    bool there;
    str number = query_of(h, "partNumber", &there);
    upload_folder(h, id, folder);
    if (!fs_exists(folder)) {
        answer_fault(h, 404, "NoSuchUpload", "");
    } else if (str_eq(h->method, STR("PUT"))) {
        put_part(h, id, number);
    } else if (str_eq(h->method, STR("GET"))) {
        list_parts(h, folder);
    } else if (str_eq(h->method, STR("POST"))) {
        upload_end(h, folder);
    } else {
        atomic_fetch_add(&h->fake->aborts, 1);
        MUST(fs_remove_tree(folder));
        answer(h, 204, "", "", 0, false);
    }
}

static void serve_object(struct http *h)
{
    bool is_upload, begins;
    str id = query_of(h, "uploadId", &is_upload);
    query_of(h, "uploads", &begins);
    if (is_upload) {
        serve_upload(h, id);
    } else if (begins) {
        upload_begin(h);
    } else if (str_eq(h->method, STR("PUT"))) {
        put_object(h);
    } else if (str_eq(h->method, STR("DELETE"))) {
        unlink(h->file);
        answer(h, 204, "", "", 0, false);
    } else {
        get_object(h, str_eq(h->method, STR("HEAD")));
    }
}

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
    query_of(h, "partNumber", &part);
    query_of(h, "uploadId", &upload);
    query_of(h, "uploads", &begin);
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
        answer_fault(h, 503, "SlowDown", "");
        return true;
    }
    if (take(&f->fail_500)) {
        answer_fault(h, 500, "InternalError", "");
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
        answer(h, 200, "", "", 0, false);
        return;
    }
    if (!fs_exists(bucket)) {
        answer_fault(h, 404, "NoSuchBucket", "");
        return;
    }
    bool uploads;
    query_of(h, "uploads", &uploads);
    snprintf(h->file, sizeof h->file, "%s%s", h->fake->folder, h->path);
    if (key)
        serve_object(h);
    else if (uploads)
        list_uploads(h);
    else
        list_objects(h, bucket);
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
