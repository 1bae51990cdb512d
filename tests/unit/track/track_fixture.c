/* SPDX-License-Identifier: GPL-3.0-or-later */
/* track_fixture.c -- see track_fixture.h. */
#include "track_fixture.h"

#include <stdio.h>

#include "base/fs.h"
#include "../test_db.h"
#include "../test_folder.h"

void fixture_folder(struct fixture *f)
{
    *f = (struct fixture){ 0 };
    if (!test_folder_make(f->folder, sizeof f->folder, "track"))
        abort();
    test_db_url(f->folder, "skerry.db", f->db_url, sizeof f->db_url);
    arena_init(&f->mem, 64u * 1024u * 1024u);
}

void fixture_folder_remove(struct fixture *f)
{
    assert_ok(fs_remove_tree(f->folder));
    test_db_drop(f->db_url);
    arena_deinit(&f->mem);
}

err fixture_try_open(struct fixture *f)
{
    char path[128], url[160];
    snprintf(path, sizeof path, "%s/log", f->folder);
    TRY(log_open(&(struct log_options){ .folder = path, .level_min = LOG_DEBUG, .quiet = true },
                 &f->log));
    TRY(metrics_open(&f->metrics));
    TRY(metrics_register(f->metrics, track_metrics));
    TRY(store_open(&(struct store_options){ .url = f->db_url }, &f->store));
    snprintf(url, sizeof url, "file:%s/blobs", f->folder);
    TRY(blobs_open(url, &f->blobs));
    return track_open(&(struct track_options){ .store = f->store,
                                               .blobs = f->blobs,
                                               .log = f->log,
                                               .metrics = f->metrics,
                                               .sole_worker = true,
                                               .ctx = f },
                      &f->track);
}

void fixture_shut(struct fixture *f)
{
    track_close(f->track);
    blobs_close(f->blobs);
    store_close(f->store);
    metrics_close(f->metrics);
    log_close(f->log);
    f->track = NULL;
    f->blobs = NULL;
    f->store = NULL;
    f->metrics = NULL;
    f->log = NULL;
}

int fixture_init(void **state)
{
    struct fixture *f = malloc(sizeof *f);
    if (!f)
        return -1;
    fixture_folder(f);
    assert_ok(fixture_try_open(f));
    *state = f;
    return 0;
}

int fixture_deinit(void **state)
{
    struct fixture *f = *state;
    fixture_shut(f);
    fixture_folder_remove(f);
    free(f);
    return 0;
}

struct run *fixture_run(struct fixture *f, const char *component)
{
    struct run *r = NULL;
    assert_ok(run_begin(
        f->track, &(struct run_options){ .component = component, .username = STR("ada") }, &r));
    return r;
}

void fixture_end(struct run *r, enum err_code code)
{
    err result = code ? ERR(code, "made by the test") : OK;
    assert_ok(run_end(r, &result));
}

struct one_read {
    struct fixture *f;
    const char *sql;
    int64_t number;
    str text;
};

static err int_fn(struct store_read *rd, void *arg)
{
    struct one_read *o = arg;
    return store_get_int(rd, o->sql, NO_ARGS, &o->number);
}

static err text_fn(struct store_read *rd, void *arg)
{
    struct one_read *o = arg;
    return store_get_text(rd, o->sql, NO_ARGS, &o->f->mem, &o->text);
}

static err exec_fn(struct store_tx *tx, void *arg)
{
    const char *const *sql = arg;
    return store_exec(tx, *sql, NO_ARGS, NULL);
}

void fixture_exec(struct fixture *f, const char *sql)
{
    assert_ok(store_write(f->store, exec_fn, &sql));
}

int64_t fixture_int(struct fixture *f, const char *sql)
{
    struct one_read o = { .f = f, .sql = sql };
    assert_ok(store_read(f->store, int_fn, &o));
    return o.number;
}

str fixture_text(struct fixture *f, const char *sql)
{
    struct one_read o = { .f = f, .sql = sql };
    assert_ok(store_read(f->store, text_fn, &o));
    return o.text;
}

size_t fixture_logged(struct fixture *f, const char *event, str *ret_last)
{
    struct log_line *lines;
    size_t count;
    assert_ok(
        log_search(f->log, &(struct log_query){ .event = str_of(event) }, &f->mem, &lines, &count));
    if (ret_last)
        *ret_last = count ? lines[0].json : STR_NONE;
    return count;
}

bool fixture_exposed(struct fixture *f, const char *line)
{
    struct buf text;
    buf_init(&text, 1024 * 1024);
    metrics_write(f->metrics, METRICS_PROMETHEUS, &text);
    bool found = str_contains(buf_str(&text), str_of(line));
    buf_deinit(&text);
    return found;
}

struct blob_info fixture_blob(struct fixture *f, str bytes)
{
    struct blob_info info;
    assert_ok(blob_put(f->blobs, bytes, &info));
    return info;
}

struct dataset_info fixture_dataset(struct fixture *f, const char *name, str bytes)
{
    struct dataset_info info;
    assert_ok(dataset_create(f->track,
                             &(struct dataset_spec){ .name = str_of(name), .kind = "t.rows" },
                             &f->mem, &info));
    assert_ok(
        dataset_finish(f->track, str_of(info.id),
                       &(struct dataset_result){ .blob = fixture_blob(f, bytes), .rows = 7 }));
    return info;
}

struct blob_gc_report fixture_collect(struct fixture *f)
{
    struct blob_gc_report report;
    struct blob_owner owner = { track_roots, f->track };
    assert_ok(blobs_collect(f->blobs, &owner, 1, 0, &report));
    return report;
}
