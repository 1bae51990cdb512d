/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../test_db.h"
#include "../test_folder.h"
#include "base/clock.h"
#include "base/fs.h"
#include "outbox_fixture.h"

enum { PATIENCE_MS = 30000 };

/* ------------------------------------------------------------------ the fake */

static err fake_open(const void *config, void **ret_state)
{
    struct fake *f = (struct fake *)(uintptr_t)config;
    pthread_mutex_lock(&f->lock);
    f->opens++;
    pthread_mutex_unlock(&f->lock);
    *ret_state = f;
    return OK;
}

static void fake_close(void *state)
{
    struct fake *f = state;
    if (!f)
        return;
    pthread_mutex_lock(&f->lock);
    f->closes++;
    pthread_mutex_unlock(&f->lock);
}

static void keep(struct fake *f, const struct outbox_item *item)
{
    if (f->count < GOT_MAX)
        snprintf(f->got[f->count++], GOT_BYTES, "%.*s",
                 (int)(item->body.len < GOT_BYTES ? item->body.len : GOT_BYTES), item->body.ptr);
}

static err answer(struct fake *f, struct outbox_batch *batch)
{
    f->calls++;
    batch->retry_after_ms = f->retry_after_ms;
    if (batch->count > f->largest)
        f->largest = batch->count;
    if (f->answer)
        return ERR(f->answer, "it says no");
    for (size_t i = 0; f->poison && i < batch->count; i++)
        if (str_contains(batch->items[i].body, str_of(f->poison)))
            return ERR(ERR_INVALID, "it does not take this");
    for (size_t i = 0; i < batch->count; i++) {
        if (f->marks_itself && i == 2)
            return ERR(ERR_UPSTREAM, "it broke off");
        keep(f, &batch->items[i]);
        if (f->marks_itself)
            batch->items[i].outcome = OUTBOX_SENT;
    }
    batch->unnamed_refusals = f->unnamed;
    return OK;
}

static err fake_send(void *state, struct outbox_batch *batch)
{
    struct fake *f = state;
    pthread_mutex_lock(&f->lock);
    bool is_slow = f->is_slow;
    pthread_mutex_unlock(&f->lock);
    while (is_slow && clock_mono_ns() < batch->deadline_ns) {
        if (atomic_load(batch->stop))
            return ERR(ERR_CANCELLED, "given up");
        clock_sleep_ms(5);
    }
    if (is_slow)
        return ERR(ERR_TIMEOUT, "too slow");
    pthread_mutex_lock(&f->lock);
    err e = answer(f, batch);
    pthread_mutex_unlock(&f->lock);
    return e;
}

const struct outbox_kind fake_events = { .name = "fake-events",
                                         .takes = OUTBOX_EVENTS,
                                         .items_max = 100,
                                         .bytes_max = 64 * 1024,
                                         .open = fake_open,
                                         .send = fake_send,
                                         .close = fake_close };
const struct outbox_kind fake_lines = { .name = "fake-lines",
                                        .takes = OUTBOX_LINES,
                                        .items_max = 100,
                                        .bytes_max = 64 * 1024,
                                        .open = fake_open,
                                        .send = fake_send,
                                        .close = fake_close };

void fake_set(struct fake *fake, enum err_code code)
{
    pthread_mutex_lock(&fake->lock);
    fake->answer = code;
    pthread_mutex_unlock(&fake->lock);
}

size_t fake_count(struct fake *fake)
{
    pthread_mutex_lock(&fake->lock);
    size_t count = fake->count;
    pthread_mutex_unlock(&fake->lock);
    return count;
}

bool fake_has(struct fake *fake, const char *text)
{
    bool found = false;
    pthread_mutex_lock(&fake->lock);
    for (size_t i = 0; i < fake->count && !found; i++)
        found = strstr(fake->got[i], text) != NULL;
    pthread_mutex_unlock(&fake->lock);
    return found;
}

void expect_count(struct fake *fake, size_t count)
{
    for (int waited = 0; waited < PATIENCE_MS && fake_count(fake) < count; waited += 5)
        clock_sleep_ms(5);
    assert_int_equal(fake_count(fake), count);
}

/* ------------------------------------------------------------------ the outbox */

int fixture_set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    *state = f;
    if (!f || !test_folder_make(f->folder, sizeof f->folder, "outbox"))
        return 1;
    arena_init(&f->keep, 64 << 20);
    pthread_mutex_init(&f->events.lock, NULL);
    pthread_mutex_init(&f->lines.lock, NULL);
    test_db_url(f->folder, "test.db", f->url, sizeof f->url);
    f->destinations[0] = (struct outbox_destination){ &fake_events, &f->events };
    f->destinations[1] = (struct outbox_destination){ &fake_lines, &f->lines };
    f->options = (struct outbox_options){
        .destinations = f->destinations,
        .destination_count = 2,
        .instance = "here",
        .retry_ms = 1,
        .retry_max_ms = 20,
        .timeout_ms = 5000,
        .poll_ms = 10,
    };
    return 0;
}

void fixture_open(struct fixture *f, bool starts)
{
    char logs[128];
    snprintf(logs, sizeof logs, "%s/logs", f->folder);
    if (!f->options.started_ms)
        f->options.started_ms = clock_wall_ms();
    assert_ok(log_open(&(struct log_options){ .folder = logs, .quiet = true }, &f->log));
    assert_ok(metrics_open(&f->metrics));
    assert_ok(metrics_register(f->metrics, outbox_metrics));
    assert_ok(store_open(&(struct store_options){ .url = f->url }, &f->store));
    f->options.store = f->store;
    f->options.log = f->log;
    f->options.metrics = f->metrics;
    assert_ok(outbox_open(&f->options, &f->outbox));
    if (starts)
        assert_ok(outbox_start(f->outbox));
}

void fixture_close(struct fixture *f)
{
    outbox_close(f->outbox);
    store_close(f->store);
    log_close(f->log);
    metrics_close(f->metrics);
    f->outbox = NULL;
    f->store = NULL;
    f->log = NULL;
    f->metrics = NULL;
}

int fixture_tear_down(void **state)
{
    struct fixture *f = *state;
    if (f->store)
        fixture_close(f);
    test_db_drop(f->url);
    err e = fs_remove_tree(f->folder);
    arena_deinit(&f->keep);
    free(f);
    return e.code;
}

struct putting {
    struct fixture *f;
    const char *data;
    bool fails;
};

static err put_fn(struct store_tx *tx, void *arg)
{
    struct putting *p = arg;
    struct outbox_event event = { .type = "test.told",
                                  .subject = STR("it"),
                                  .data = str_of(p->data) };
    TRY(outbox_put(p->f->outbox, tx, &event));
    return p->fails ? ERR(ERR_CONFLICT, "rolled back") : OK;
}

err fixture_put(struct fixture *f, const char *data, bool fails)
{
    struct putting p = { f, data, fails };
    return store_write(f->store, put_fn, &p);
}

struct outbox_info fixture_info(struct fixture *f, const char *name)
{
    struct outbox_info *infos;
    size_t count;
    assert_ok(outbox_list(f->outbox, &f->keep, &infos, &count));
    for (size_t i = 0; i < count; i++)
        if (strcmp(infos[i].name, name) == 0)
            return infos[i];
    fail_msg("no %s", name);
    return infos[0];
}

size_t fixture_logged(struct fixture *f, const char *event)
{
    struct log_line *lines;
    size_t count = 0;
    assert_ok(log_search(f->log, &(struct log_query){ .event = str_of(event), .limit = 5000 },
                         &f->keep, &lines, &count));
    return count;
}
