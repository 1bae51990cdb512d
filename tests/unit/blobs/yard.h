/* SPDX-License-Identifier: GPL-3.0-or-later */
/* yard.h -- a place of its own for one test, and the blobs in it.
 *
 * The same tests run for each backend: built with YARD_S3, the blobs are in an S3 server inside the
 * test (fake_s3.h), or, when SKERRY_TEST_S3_ENDPOINT, _BUCKET, _REGION, _ACCESS and _SECRET are in
 * the environment, in a real one. Tests that reach around the backend to its files call
 * yard_needs_files first: a real server does not show them.
 */
#ifndef SKERRY_TEST_BLOBS_YARD_H
#define SKERRY_TEST_BLOBS_YARD_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/rand.h"
#include "fake_s3.h"
#include "platform/blobs/blobs.h"

#ifndef YARD_S3
#define YARD_S3 0
#endif

#define assert_ok(call)                                                         \
    do {                                                                        \
        err assert_ok_ = (call);                                                \
        if (assert_ok_.code)                                                    \
            fail_msg("%s: %s", err_code_name(assert_ok_.code), assert_ok_.msg); \
    } while (0)

#define assert_err(call, expected)                                                            \
    do {                                                                                      \
        err assert_err_ = (call);                                                             \
        if (assert_err_.code != (expected))                                                   \
            fail_msg("got %s '%s', not %s", err_code_name(assert_err_.code), assert_err_.msg, \
                     err_code_name(expected));                                                \
    } while (0)

struct yard {
    char folder[64];   /* ours: the blobs, or what S3 keeps locally */
    char objects[160]; /* the folder of the objects; "" when it cannot be seen */
    char url[160];
    struct blobs_s3 s3;
    struct fake_s3 fake;
    struct blobs *blobs;
    arena keep;
    const unsigned char *big; /* in keep: what a test wants to have once */
};

static inline bool yard_is_real(void)
{
    return YARD_S3 && getenv("SKERRY_TEST_S3_ENDPOINT");
}

static inline void yard_needs_files(void)
{
    if (yard_is_real())
        skip();
}

static inline void yard_open(struct yard *y)
{
    assert_ok(blobs_open_with(&(struct blobs_options){ .url = y->url, .s3 = &y->s3 }, &y->blobs));
}

static inline void yard_setup_file(struct yard *y)
{
    snprintf(y->url, sizeof y->url, "file:%s", y->folder);
    snprintf(y->objects, sizeof y->objects, "%s/objects", y->folder);
}

static inline void yard_setup_s3(struct yard *y)
{
    static const char *const names[] = { "ENDPOINT", "REGION", "ACCESS", "SECRET", "BUCKET" };
    const char *values[COUNT_OF(names)];
    y->s3 = (struct blobs_s3){ .local_folder = y->folder, .create_bucket = true };
    if (yard_is_real()) {
        char id[HEX_ID_BYTES], name[64];
        for (size_t i = 0; i < COUNT_OF(names); i++) {
            snprintf(name, sizeof name, "SKERRY_TEST_S3_%s", names[i]);
            values[i] = getenv(name);
            assert_non_null(values[i]);
        }
        rand_hex_id(id);
        snprintf(y->url, sizeof y->url, "s3://%s/test %s", values[4], id);
    } else {
        char *endpoint = arena_alloc(&y->keep, 64, 1, 1);
        assert_non_null(endpoint);
        fake_s3_open(&y->fake);
        snprintf(endpoint, 64, "http://127.0.0.1:%d", y->fake.port);
        values[0] = endpoint;
        values[1] = FAKE_REGION;
        values[2] = FAKE_ACCESS;
        values[3] = FAKE_SECRET;
        snprintf(y->url, sizeof y->url, "s3://yard/pre fix/2");
        snprintf(y->objects, sizeof y->objects, "%s/yard/pre fix/2/objects", y->fake.folder);
    }
    y->s3.endpoint = values[0];
    y->s3.region = values[1];
    y->s3.access_key = values[2];
    y->s3.secret_key = values[3];
}

static inline int yard_setup(void **state)
{
    struct yard *y = calloc(1, sizeof *y);
    assert_non_null(y);
    /* What S3 keeps locally may be lost: no disk is needed to test it. */
    snprintf(y->folder, sizeof y->folder, "%s/skerry-test-XXXXXX",
             YARD_S3 && access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    assert_non_null(mkdtemp(y->folder));
    arena_init(&y->keep, 64 << 20);
    if (YARD_S3)
        yard_setup_s3(y);
    else
        yard_setup_file(y);
    yard_open(y);
    *state = y;
    return 0;
}

static inline int yard_teardown(void **state)
{
    struct yard *y = *state;
    blobs_close(y->blobs);
    if (y->fake.port)
        fake_s3_close(&y->fake);
    arena_deinit(&y->keep);
    assert_ok(fs_remove_tree(y->folder));
    free(y);
    return 0;
}

static inline void yard_path(const struct yard *y, const struct blob_id *id,
                             char out[FS_PATH_BYTES])
{
    snprintf(out, FS_PATH_BYTES, "%s/%.2s", y->objects, id->hex);
    assert_ok(fs_mkdirs(out)); /* S3 has no folders until something is in them */
    snprintf(out, FS_PATH_BYTES, "%s/%.2s/%s", y->objects, id->hex, id->hex + 2);
}

static inline struct blob_info yard_put(struct yard *y, str bytes)
{
    struct blob_info info = { 0 };
    assert_ok(blob_put(y->blobs, bytes, &info));
    return info;
}

static inline struct blobs_usage yard_usage(struct yard *y)
{
    struct blobs_usage usage = { 0 };
    assert_ok(blobs_usage(y->blobs, &usage));
    return usage;
}

static inline err yard_count_name(void *arg, const char *name)
{
    ++*(int *)arg;
    return OK;
}

/* Files in tmp/. */
static inline int yard_temporary_count(const struct yard *y)
{
    char path[100];
    int count = 0;
    snprintf(path, sizeof path, "%s/tmp", y->folder);
    assert_ok(fs_list(path, yard_count_name, &count));
    return count;
}

/* Bytes that depend on where they are, so that a shifted or cut copy differs. */
static inline unsigned char *yard_bytes(struct yard *y, size_t count)
{
    unsigned char *bytes = arena_alloc(&y->keep, count + 1, 1, 1);
    assert_non_null(bytes);
    for (size_t i = 0; i < count; i++)
        bytes[i] = (unsigned char)(i * 31 + (i >> 8) * 7 + (i >> 16));
    return bytes;
}

#endif
