/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <dirent.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/hash.h"
#include "base/rand.h"
#include "fake_s3_inside.h"

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
    fake_answer(h, 200, "ETag: \"whole\"\r\n", "", 0, false);
}

static void get_object(struct http *h, bool head_only)
{
    char *bytes = NULL, more[300], date[40], range_line[100] = "";
    size_t count = 0, from = 0;
    int64_t changed_ms = 0, first = 0;
    atomic_fetch_add(head_only ? &h->fake->heads : &h->fake->gets, 1);
    if (!load(h->file, &bytes, &count, &changed_ms)) {
        fake_answer_fault(h, 404, "NoSuchKey", "");
        return;
    }
    str range = fake_header(h, STR("range"));
    if (str_starts(range, STR("bytes="))) {
        range = str_sub(range, 6, range.len);
        MUST(str_to_i64(str_split(&range, '-'), &first));
        if ((size_t)first >= count) {
            fake_answer_fault(h, 416, "InvalidRange", "");
            free(bytes);
            return;
        }
        from = (size_t)first;
        snprintf(range_line, sizeof range_line, "Content-Range: bytes %zu-%zu/%zu\r\n", from,
                 count - 1, count);
    }
    fake_http_date(changed_ms, date);
    snprintf(more, sizeof more, "Last-Modified: %s\r\nETag: \"whole\"\r\n%s", date, range_line);
    long long cut = atomic_load(&h->fake->cut_get);
    if (!head_only && cut && atomic_load(&h->fake->cuts) > 0 && count - from > (size_t)cut) {
        atomic_fetch_sub(&h->fake->cuts, 1);
        fake_answer(h, from ? 206 : 200, more, "", count - from, true);
        fake_send(h->fd, bytes + from, (size_t)cut);
        shutdown(h->fd, SHUT_RDWR);
    } else {
        fake_answer(h, from ? 206 : 200, more, bytes + from, count - from, head_only);
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

void fake_list_objects(struct http *h, const char *bucket_folder)
{
    struct all_found all = { 0 };
    struct buf xml;
    bool there;
    str prefix = fake_query(h, "prefix", &there),
        token = fake_query(h, "continuation-token", &there);
    int listed = 0;
    atomic_fetch_add(&h->fake->lists, 1);
    walk(bucket_folder, "", &all);
    if (all.count)
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
    fake_answer_xml(h, 200, &xml);
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
    fake_answer_xml(h, 200, &xml);
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
    void (*on_part)(void *arg) = atomic_load(&h->fake->on_part);
    if (on_part)
        on_part(atomic_load(&h->fake->on_part_arg));
    fake_answer(h, 200, etag, "", 0, false);
}

static void list_parts(struct http *h, const char *folder)
{
    struct all_found all = { 0 };
    struct buf xml;
    bool there;
    str marker = fake_query(h, "part-number-marker", &there);
    long after = marker.len ? strtol(marker.ptr, NULL, 10) : 0;
    int listed = 0;
    walk(folder, "", &all);
    if (all.count)
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
    fake_answer_xml(h, 200, &xml);
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
        fake_answer_fault(h, 400, "InvalidPart", "");
    } else if (atomic_load(&h->fake->late_fault) > 0) {
        atomic_fetch_sub(&h->fake->late_fault, 1);
        buf_add_cstr(&xml, "<?xml version=\"1.0\"?>\n<Error><Code>InternalError</Code></Error>");
        fake_answer_xml(h, 200, &xml);
    } else {
        save(h->file, whole.ptr ? whole.ptr : "", whole.len);
        MUST(fs_remove_tree(folder));
        if (atomic_load(&h->fake->lost_complete) > 0) {
            atomic_fetch_sub(&h->fake->lost_complete, 1);
            shutdown(h->fd, SHUT_RDWR);
        } else {
            buf_add_cstr(&xml, "<CompleteMultipartUploadResult><ETag>\"a-2\"</ETag>"
                               "</CompleteMultipartUploadResult>");
            fake_answer_xml(h, 200, &xml);
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

void fake_list_uploads(struct http *h)
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
    fake_answer(h, 200, "", xml.ptr + begin, xml.len - begin, false);
    buf_deinit(&xml);
}

static void serve_upload(struct http *h, str id)
{
    char folder[2048];
    bool there;
    str number = fake_query(h, "partNumber", &there);
    upload_folder(h, id, folder);
    if (!fs_exists(folder)) {
        fake_answer_fault(h, 404, "NoSuchUpload", "");
    } else if (str_eq(h->method, STR("PUT"))) {
        put_part(h, id, number);
    } else if (str_eq(h->method, STR("GET"))) {
        list_parts(h, folder);
    } else if (str_eq(h->method, STR("POST"))) {
        upload_end(h, folder);
    } else {
        atomic_fetch_add(&h->fake->aborts, 1);
        MUST(fs_remove_tree(folder));
        fake_answer(h, 204, "", "", 0, false);
    }
}

void fake_serve_object(struct http *h)
{
    bool is_upload, begins;
    str id = fake_query(h, "uploadId", &is_upload);
    fake_query(h, "uploads", &begins);
    if (is_upload) {
        serve_upload(h, id);
    } else if (begins) {
        upload_begin(h);
    } else if (str_eq(h->method, STR("PUT"))) {
        put_object(h);
    } else if (str_eq(h->method, STR("DELETE"))) {
        unlink(h->file);
        fake_answer(h, 204, "", "", 0, false);
    } else {
        get_object(h, str_eq(h->method, STR("HEAD")));
    }
}
