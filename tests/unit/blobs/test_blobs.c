/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Put, get, map, stream, verify; damage, full disk, misuse. */
#include "yard.h"

#include <sys/mount.h>

/* SHA-256 of "abc", from FIPS 180-4's examples. */
static const char abc_hex[] = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
static const char empty_hex[] = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/* Changes one byte of a stored object behind our back. */
static void damage(struct yard *y, const struct blob_id *id, off_t at)
{
    char path[FS_PATH_BYTES];
    yard_path(y, id, path);
    assert_int_equal(chmod(path, 0600), 0);
    int fd = open(path, O_RDWR);
    assert_true(fd >= 0);
    char c;
    assert_int_equal(pread(fd, &c, 1, at), 1);
    c ^= 1;
    assert_int_equal(pwrite(fd, &c, 1, at), 1);
    close(fd);
}

static void cut(struct yard *y, const struct blob_id *id, off_t bytes)
{
    char path[FS_PATH_BYTES];
    yard_path(y, id, path);
    assert_int_equal(chmod(path, 0600), 0);
    assert_int_equal(truncate(path, bytes), 0);
}

/* ------------------------------------------------------------------ names */

/* If this failed, a name from a request could become a path of its own choice. */
static void test_names(void **state)
{
    static const struct {
        const char *text;
        bool good;
    } cases[] = {
        { abc_hex, true },
        { "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", true },
        { "BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD", true },
        { "", false },
        { "sha256:", false },
        { "ba7816bf", false },
        { "../../../../../../../../../../../../../../../../../../etc/passwd", false },
        { "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015a", false },
        { "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015adx", false },
        { "ga7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", false },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct blob_id id;
        err e = blob_id_parse(str_of(cases[i].text), &id);
        assert_int_equal(e.code, cases[i].good ? ERR_NONE : ERR_INVALID);
        if (cases[i].good)
            assert_string_equal(id.hex, abc_hex);
    }
}

static void test_unset_name(void **state)
{
    struct yard *y = *state;
    const struct blob_id none = { 0 };
    struct blob_info info;
    struct blob_map map = { 0 };
    str bytes;
    assert_err(blob_stat(y->blobs, &none, &info), ERR_INVALID);
    assert_err(blob_get(y->blobs, &none, &y->keep, 100, &bytes), ERR_INVALID);
    assert_err(blob_map(y->blobs, &none, &map), ERR_INVALID);
    assert_err(blob_pin(y->blobs, &none), ERR_INVALID);
    blob_unmap(&map);
}

static void test_urls(void **state)
{
    static const struct {
        const char *url;
        enum err_code code;
    } cases[] = {
        { NULL, ERR_UNSUPPORTED },      { "", ERR_UNSUPPORTED },  { "gopher://x", ERR_UNSUPPORTED },
        { "s3://bucket", ERR_INVALID }, /* without keys */
        { "file", ERR_INVALID },        { "file:", ERR_INVALID }, { "file:/dev/null/x", ERR_IO },
    };
    struct blobs *b = NULL;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        err e = blobs_open(cases[i].url, &b);
        if (e.code != cases[i].code)
            fail_msg("%s: %s: %s", cases[i].url, err_code_name(e.code), e.msg);
    }
    blobs_close(NULL);
}

/* ------------------------------------------------------------------ put and get */

static void test_put_and_get(void **state)
{
    struct yard *y = *state;
    static const struct {
        const char *text, *hex;
    } cases[] = { { "abc", abc_hex }, { "", empty_hex } };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct blob_info info = yard_put(y, str_of(cases[i].text));
        assert_string_equal(info.id.hex, cases[i].hex);
        assert_int_equal(info.bytes, strlen(cases[i].text));

        str bytes = STR("untouched");
        assert_ok(blob_get(y->blobs, &info.id, &y->keep, 3, &bytes));
        assert_true(str_eq(bytes, str_of(cases[i].text)));
        struct blob_map map = { 0 };
        for (int twice = 0; twice < 2; twice++) {
            assert_ok(blob_map(y->blobs, &info.id, &map));
            assert_true(str_eq(str_from(map.bytes, map.count), str_of(cases[i].text)));
            blob_unmap(&map);
        }
        assert_ok(blob_verify(y->blobs, &info.id));
        struct blob_info found;
        assert_ok(blob_stat(y->blobs, &info.id, &found));
        assert_int_equal(found.bytes, info.bytes);
    }
    assert_int_equal(yard_temporary_count(y), 0);
}

static void test_missing(void **state)
{
    struct yard *y = *state;
    struct blob_id id;
    struct blob_info info;
    struct blob_map map = { 0 };
    struct blob_reader *reader = NULL;
    str bytes = STR("untouched");
    assert_ok(blob_id_parse(str_of(abc_hex), &id));
    assert_err(blob_get(y->blobs, &id, &y->keep, 100, &bytes), ERR_NOT_FOUND);
    assert_err(blob_stat(y->blobs, &id, &info), ERR_NOT_FOUND);
    assert_err(blob_map(y->blobs, &id, &map), ERR_NOT_FOUND);
    assert_err(blob_verify(y->blobs, &id), ERR_NOT_FOUND);
    assert_err(blob_pin(y->blobs, &id), ERR_NOT_FOUND);
    assert_err(blob_reader_open(y->blobs, &id, 0, &reader, NULL), ERR_NOT_FOUND);
    assert_true(str_eq(bytes, STR("untouched")));
    assert_null(reader);
    blob_reader_close(NULL);
    blob_writer_abort(NULL);
    blob_unpin(y->blobs, &id); /* one too many does nothing */
}

static void test_get_has_a_maximum(void **state)
{
    struct yard *y = *state;
    struct blob_info info = yard_put(y, STR("four"));
    str bytes;
    assert_err(blob_get(y->blobs, &info.id, &y->keep, 3, &bytes), ERR_TOO_BIG);
    arena small;
    arena_init(&small, 1);
    assert_err(blob_get(y->blobs, &info.id, &small, 100, &bytes), ERR_NO_MEMORY);
    arena_deinit(&small);
}

/* If this failed, ten runs on one dataset would store it ten times. */
static void test_same_bytes_once(void **state)
{
    struct yard *y = *state;
    struct blob_info a = yard_put(y, STR("same"));
    struct blob_info b = yard_put(y, STR("same"));
    assert_string_equal(a.id.hex, b.id.hex);
    struct blobs_usage usage = yard_usage(y);
    assert_int_equal(usage.count, 1);
    assert_int_equal(usage.bytes, 4);
}

/* Every way to cut bytes into writes gives the same blob. */
static void test_streaming(void **state)
{
    struct yard *y = *state;
    static const size_t steps[] = { 1, 7, 4096, 65535, 65536, 65537, 200000, 300001 };
    enum { COUNT = 300001 };
    const unsigned char *bytes = yard_bytes(y, COUNT);
    struct blob_info whole = yard_put(y, str_from(bytes, COUNT));
    assert_int_equal(whole.bytes, COUNT);
    for (size_t s = 0; s < COUNT_OF(steps); s++) {
        struct blob_writer *w = NULL;
        struct blob_info info;
        assert_ok(blob_writer_open(y->blobs, &w));
        for (size_t at = 0; at < COUNT; at += steps[s])
            assert_ok(blob_write(w, bytes + at, at + steps[s] < COUNT ? steps[s] : COUNT - at));
        assert_ok(blob_writer_commit(w, &info));
        assert_string_equal(info.id.hex, whole.id.hex);
        assert_int_equal(info.bytes, COUNT);
    }
    str got;
    assert_ok(blob_get(y->blobs, &whole.id, &y->keep, COUNT, &got));
    assert_true(str_eq(got, str_from(bytes, COUNT)));
}

/* Large ones take another way to the disk from 16 MiB on, in blocks of 1 MiB: the pieces of a
 * writer meet these borders anyhow. */
static void test_large_ones(void **state)
{
    struct yard *y = *state;
    enum { MIB = 1024 * 1024 };
    static const size_t sizes[] = { 16 * MIB, 16 * MIB + 1, 17 * MIB, 18 * MIB + 4095,
                                    21 * MIB + 7 };
    static const size_t pieces[] = { 65536, 256 * 1024 - 1, 3 * MIB + 5 };
    unsigned char *bytes = malloc(sizes[COUNT_OF(sizes) - 1]);
    assert_non_null(bytes);
    for (size_t i = 0; i < sizes[COUNT_OF(sizes) - 1]; i++)
        bytes[i] = (unsigned char)(i * 2654435761u >> 13);
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        struct blob_writer *w;
        struct blob_info info;
        char wanted[SHA256_HEX_BYTES];
        size_t piece = pieces[i % COUNT_OF(pieces)];
        assert_ok(blob_writer_open(y->blobs, &w));
        for (size_t at = 0; at < sizes[i]; at += piece)
            assert_ok(blob_write(w, bytes + at, sizes[i] - at < piece ? sizes[i] - at : piece));
        assert_ok(blob_writer_commit(w, &info));
        sha256_hex_of(str_from(bytes, sizes[i]), wanted);
        assert_string_equal(info.id.hex, wanted);
        assert_int_equal(info.bytes, sizes[i]);
        assert_ok(blob_verify(y->blobs, &info.id));
        blob_unpin(y->blobs, &info.id);
    }
    struct blob_writer *left;
    assert_ok(blob_writer_open(y->blobs, &left));
    assert_ok(blob_write(left, bytes, sizes[4]));
    blob_writer_abort(left);
    free(bytes);
    assert_int_equal(yard_usage(y).count, COUNT_OF(sizes));
}

static void test_abort_leaves_nothing(void **state)
{
    struct yard *y = *state;
    struct blob_writer *w = NULL;
    assert_ok(blob_writer_open(y->blobs, &w));
    assert_ok(blob_write(w, yard_bytes(y, 100000), 100000));
    assert_int_equal(yard_temporary_count(y), 1);
    blob_writer_abort(w);
    assert_int_equal(yard_temporary_count(y), 0);
    assert_int_equal(yard_usage(y).count, 0);
}

static void test_put_file(void **state)
{
    struct yard *y = *state;
    char path[100];
    struct blob_info info, direct;
    const unsigned char *bytes = yard_bytes(y, 200000);
    snprintf(path, sizeof path, "%s/input", y->folder);
    assert_ok(fs_write_durable(path, str_from(bytes, 200000)));
    assert_ok(blob_put_file(y->blobs, path, &info));
    direct = yard_put(y, str_from(bytes, 200000));
    assert_string_equal(info.id.hex, direct.id.hex);
    assert_true(fs_exists(path));
    assert_err(blob_put_file(y->blobs, "/nowhere/at/all", &info), ERR_NOT_FOUND);
    assert_err(blob_put_file(y->blobs, "/tmp", &info), ERR_IO);
    assert_int_equal(yard_temporary_count(y), 0);
}

/* Ranges, as HTTP asks for them. */
static void test_read_from_the_middle(void **state)
{
    struct yard *y = *state;
    struct blob_info info = yard_put(y, STR("0123456789"));
    static const struct {
        int64_t offset;
        const char *rest; /* NULL: refused */
    } cases[] = { { 0, "0123456789" }, { 4, "456789" }, { 10, "" }, { 11, NULL }, { -1, NULL } };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct blob_reader *r = NULL;
        int64_t total = 0;
        err e = blob_reader_open(y->blobs, &info.id, cases[i].offset, &r, &total);
        assert_int_equal(e.code, cases[i].rest ? ERR_NONE : ERR_INVALID);
        if (!cases[i].rest)
            continue;
        assert_int_equal(total, 10);
        char out[20];
        size_t done = 0, got = 0;
        do {
            assert_ok(blob_read(r, out + done, 3, &got));
            done += got;
        } while (got > 0);
        assert_true(str_eq(str_from(out, done), str_of(cases[i].rest)));
        blob_reader_close(r);
    }
}

/* ------------------------------------------------------------------ damage */

static err read_through(struct yard *y, const struct blob_id *id, size_t *ret_bytes)
{
    struct blob_reader *r = NULL;
    char out[1000];
    size_t got = 1;
    *ret_bytes = 0;
    TRY(blob_reader_open(y->blobs, id, 0, &r, NULL));
    err e = OK;
    while (!e.code && got > 0) {
        e = blob_read(r, out, sizeof out, &got);
        if (!e.code)
            *ret_bytes += got;
    }
    blob_reader_close(r);
    return e;
}

/* If this failed, a model with flipped bits would serve predictions. */
static void test_damage_is_found(void **state)
{
    struct yard *y = *state;
    yard_needs_files();
    enum { COUNT = 5000 };
    struct blob_info info = yard_put(y, str_from(yard_bytes(y, COUNT), COUNT));
    static const off_t places[] = { 0, 2500, COUNT - 1 };
    for (size_t i = 0; i < COUNT_OF(places); i++) {
        struct blob_map map = { 0 };
        str bytes = STR_NONE;
        size_t read = 0;
        damage(y, &info.id, places[i]);
        assert_err(blob_get(y->blobs, &info.id, &y->keep, COUNT, &bytes), ERR_CORRUPT);
        assert_null(bytes.ptr);
        assert_err(blob_map(y->blobs, &info.id, &map), ERR_CORRUPT);
        assert_null(map.bytes);
        assert_err(blob_verify(y->blobs, &info.id), ERR_CORRUPT);
        assert_err(read_through(y, &info.id, &read), ERR_CORRUPT);
        assert_true(read < COUNT);      /* the last piece was held back */
        damage(y, &info.id, places[i]); /* flips it back */
        assert_ok(blob_verify(y->blobs, &info.id));
    }
    cut(y, &info.id, COUNT - 1);
    assert_err(blob_verify(y->blobs, &info.id), ERR_CORRUPT);
    cut(y, &info.id, 0);
    assert_err(blob_verify(y->blobs, &info.id), ERR_CORRUPT);
    str bytes;
    assert_err(blob_get(y->blobs, &info.id, &y->keep, COUNT, &bytes), ERR_CORRUPT);
}

/* The advice of the error message works. */
static void test_putting_again_heals(void **state)
{
    struct yard *y = *state;
    yard_needs_files();
    struct blob_info info = yard_put(y, STR("precious"));
    damage(y, &info.id, 3);
    assert_err(blob_verify(y->blobs, &info.id), ERR_CORRUPT);
    yard_put(y, STR("precious"));
    assert_ok(blob_verify(y->blobs, &info.id));
    assert_int_equal(yard_usage(y).count, 1);
}

/* A map made before stays good while the object is replaced. */
static void test_map_survives_replacement(void **state)
{
    struct yard *y = *state;
    struct blob_info info = yard_put(y, STR("precious"));
    struct blob_map map = { 0 };
    struct blob_gc_report report;
    assert_ok(blob_map(y->blobs, &info.id, &map));
    yard_put(y, STR("precious"));
    blob_unpin(y->blobs, &info.id);
    blob_unpin(y->blobs, &info.id);
    assert_ok(blobs_collect(y->blobs, NULL, 0, 0, &report));
    assert_int_equal(report.removed_count, 1);
    assert_true(str_eq(str_from(map.bytes, map.count), STR("precious")));
    blob_unmap(&map);
    assert_err(blob_map(y->blobs, &info.id, &map), ERR_NOT_FOUND);
}

/* ------------------------------------------------------------------ full disk, limits */

#if !YARD_S3
static int disk_teardown(void **state)
{
    struct yard *y = *state;
    blobs_close(y->blobs);
    y->blobs = NULL;
    umount2(y->folder, MNT_DETACH); /* fails where nothing was mounted */
    return yard_teardown(state);
}

/* If this failed, half a dataset would have a name, or the server would need a restart. */
static void test_no_space(void **state)
{
    struct yard *y = *state;
    struct blob_info info = { 0 };
    enum { COUNT = 600000 };
    const unsigned char *bytes = yard_bytes(y, COUNT);
    blobs_close(y->blobs);
    y->blobs = NULL;
    if (mount("tmpfs", y->folder, "tmpfs", 0, "size=1m") != 0)
        skip();
    yard_open(y);
    assert_ok(blob_put(y->blobs, str_from(bytes, COUNT), &info));
    for (int i = 0; i < 3; i++) {
        struct blob_info second = { 0 };
        assert_err(blob_put(y->blobs, str_from(bytes + 1, COUNT - 1), &second), ERR_NO_SPACE);
        assert_int_equal(second.bytes, 0);
        assert_int_equal(yard_temporary_count(y), 0);
    }
    assert_int_equal(yard_usage(y).count, 1);
    assert_ok(blob_verify(y->blobs, &info.id));
    assert_int_equal(mount("tmpfs", y->folder, "tmpfs", MS_REMOUNT, "size=8m"), 0);
    assert_ok(blob_put(y->blobs, str_from(bytes + 1, COUNT - 1), &info));
    assert_ok(blob_verify(y->blobs, &info.id));
}

#endif

/* Open files are bounded, and a refused put leaves the others alone. */
static void test_open_writers_are_bounded(void **state)
{
    struct yard *y = *state;
    static struct blob_writer *writers[2000];
    size_t count = 0;
    err e = OK;
    while (count < COUNT_OF(writers)) {
        e = blob_writer_open(y->blobs, &writers[count]);
        if (e.code)
            break;
        count++;
    }
    assert_true(count > 100 && count < COUNT_OF(writers));
    assert_true(e.code == ERR_BUSY || e.code == ERR_IO); /* ours, or the process' open files */
    assert_int_equal(yard_temporary_count(y), count);
    for (size_t i = 0; i < count; i++)
        blob_writer_abort(writers[i]);
    assert_int_equal(yard_temporary_count(y), 0);
    yard_put(y, STR("works again"));
}

/* ------------------------------------------------------------------ texts */

struct names {
    int count;
    char last[64];
};

static err note_name(void *arg, const char *name)
{
    struct names *n = arg;
    n->count++;
    snprintf(n->last, sizeof n->last, "%s", name);
    return OK;
}

static void test_texts(void **state)
{
    struct yard *y = *state;
    struct names names = { 0 };
    str text;
    yard_put(y, STR("an object is no text"));
    assert_ok(blobs_text_each(y->blobs, "notes", note_name, &names));
    assert_int_equal(names.count, 0);
    assert_err(blobs_text_get(y->blobs, "notes", "a.json", &y->keep, 100, &text), ERR_NOT_FOUND);
    assert_ok(blobs_text_put(y->blobs, "notes", "a.json", STR("first")));
    assert_ok(blobs_text_put(y->blobs, "notes", "a.json", STR("the second")));
    assert_ok(blobs_text_put(y->blobs, "others", "b.json", STR("")));
    assert_ok(blobs_text_get(y->blobs, "notes", "a.json", &y->keep, 100, &text));
    assert_true(str_eq(text, STR("the second")));
    assert_err(blobs_text_get(y->blobs, "notes", "a.json", &y->keep, 9, &text), ERR_TOO_BIG);
    assert_ok(blobs_text_each(y->blobs, "notes", note_name, &names));
    assert_int_equal(names.count, 1);
    assert_string_equal(names.last, "a.json");
    assert_int_equal(yard_usage(y).count, 1);
    assert_ok(blobs_text_remove(y->blobs, "notes", "a.json"));
    assert_ok(blobs_text_remove(y->blobs, "notes", "a.json"));
    assert_err(blobs_text_get(y->blobs, "notes", "a.json", &y->keep, 100, &text), ERR_NOT_FOUND);
    static const char *const bad[] = { "", "..", ".x", "a/b", "a b", "\n" };
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        assert_err(blobs_text_put(y->blobs, "notes", bad[i], STR("x")), ERR_INVALID);
        assert_err(blobs_text_put(y->blobs, bad[i], "x", STR("x")), ERR_INVALID);
    }
}

static void test_put_aside(void **state)
{
    struct yard *y = *state;
    struct blob_info info = yard_put(y, STR("good")), found;
    assert_ok(blob_put_aside(y->blobs, &info.id));
    assert_err(blob_stat(y->blobs, &info.id, &found), ERR_NOT_FOUND);
    assert_ok(blob_put_aside(y->blobs, &info.id));
    yard_put(y, STR("good"));
    assert_ok(blob_verify(y->blobs, &info.id));
}

int main(void)
{
#define WITH_YARD(test) cmocka_unit_test_setup_teardown(test, yard_setup, yard_teardown)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        WITH_YARD(test_unset_name),
        cmocka_unit_test(test_urls),
        WITH_YARD(test_put_and_get),
        WITH_YARD(test_missing),
        WITH_YARD(test_get_has_a_maximum),
        WITH_YARD(test_same_bytes_once),
        WITH_YARD(test_streaming),
        WITH_YARD(test_large_ones),
        WITH_YARD(test_abort_leaves_nothing),
        WITH_YARD(test_put_file),
        WITH_YARD(test_read_from_the_middle),
        WITH_YARD(test_damage_is_found),
        WITH_YARD(test_putting_again_heals),
        WITH_YARD(test_map_survives_replacement),
#if !YARD_S3 /* test_s3.c has its own: what is local is another thing there */
        cmocka_unit_test_setup_teardown(test_no_space, yard_setup, disk_teardown),
#endif
        WITH_YARD(test_open_writers_are_bounded),
        WITH_YARD(test_texts),
        WITH_YARD(test_put_aside),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
