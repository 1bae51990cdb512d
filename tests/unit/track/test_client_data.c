/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What runs have logged as a text that is kept: if it were ever older than its rows, clients would
 * not see what they have just written. */
#include "track_fixture.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#include "platform/track/client_runs.h"

enum { KEYS = 40 };

static err log_some(struct track *t, str id, const struct client_batch *batch, arena *keep)
{
    struct client_conflicts none;
    return client_run_log(t, id, batch, keep, &none);
}

static err log_tag(struct track *t, str id, const char *key, str value, arena *keep)
{
    struct track_tag tag = { str_of(key), value };
    return log_some(t, id, &(struct client_batch){ .tags = &tag, .tag_count = 1 }, keep);
}

static void log_metric(struct fixture *f, str id, const char *key, double value, int64_t step)
{
    struct client_metric m = { .key = str_of(key), .value = value, .ts_ms = 7, .step = step };
    assert_ok(log_some(f->track, id, &(struct client_batch){ .metrics = &m, .metric_count = 1 },
                       &f->mem));
}

static void set_status(struct fixture *f, str id, const char *status)
{
    assert_ok(client_run_update(
        f->track, id, &(struct client_run_change){ .status = str_of(status), .end_ms = -1 }));
}

/* With enough in it to be worth keeping. */
static str begin(struct fixture *f, int keys)
{
    char id[HEX_ID_BYTES];
    struct client_metric metrics[KEYS];
    struct track_tag param = { STR("p"), STR("\"quoted\" \xC3\xA9") };
    assert_ok(client_run_create(f->track, &(struct client_run_spec){ .name = STR("r") }, id));
    for (int i = 0; i < keys; i++)
        metrics[i] = (struct client_metric){ .key = arena_fmt(&f->mem, "metric %d", i),
                                             .value = i / 8.0,
                                             .ts_ms = 1700000000000 + i,
                                             .step = i };
    struct client_batch batch = { metrics, &param, NULL, (size_t)keys, 1, 0, false };
    assert_ok(log_some(f->track, str_of(id), &batch, &f->mem));
    return arena_str(&f->mem, str_of(id));
}

static struct client_run *get(struct fixture *f, str id)
{
    struct client_run *run;
    assert_ok(client_runs_read(f->track, &id, 1, &f->mem, &run));
    return run;
}

static bool has(struct fixture *f, str id, const char *part)
{
    struct client_run *r = get(f, id);
    const struct json *parsed;
    assert_ok(json_parse(&f->mem, r->data, &parsed));
    return strstr(r->data.ptr, part) != NULL;
}

/* Whatever flusher and readers did before. */
static void keep(struct fixture *f, str id)
{
    assert_ok(client_data_fill(f->track, &id, 1));
    assert_true(get(f, id)->is_kept);
}

static void the_text_is_what_the_rows_make(void **state)
{
    struct fixture *f = *state;
    str id = begin(f, KEYS);
    str fresh = get(f, id)->data;
    assert_true(has(f, id,
                    "{\"metrics\":[{\"key\":\"metric 0\",\"value\":0.0,"
                    "\"timestamp\":1700000000000,\"step\":0},{\"key\":\"metric 1\","
                    "\"value\":0.125,"));
    assert_true(has(f, id,
                    "],\"params\":[{\"key\":\"p\",\"value\":\"\\\"quoted\\\" \xC3\xA9\"}],"
                    "\"tags\":[{\"key\":\"mlflow.runName\",\"value\":\"r\"}]}"));
    set_status(f, id, "FINISHED");
    keep(f, id);
    assert_string_equal(get(f, id)->data.ptr, fresh.ptr);

    char bare[HEX_ID_BYTES];
    assert_ok(client_run_create(f->track, &(struct client_run_spec){ .name = STR("s") }, bare));
    fixture_exec(f, "DELETE FROM tags WHERE value = 's'");
    assert_string_equal(get(f, str_of(bare))->data.ptr, "{}");
}

static void only_what_is_worth_it_is_kept(void **state)
{
    struct fixture *f = *state;
    struct run *ours = fixture_run(f, "test");
    str id = begin(f, KEYS), small = begin(f, 1), house = arena_str(&f->mem, str_of(run_id(ours)));
    for (int i = 0; i < KEYS; i++)
        assert_ok(run_metric(ours, arena_fmt(&f->mem, "metric %d", i).ptr, i, 0));
    fixture_end(ours, ERR_NONE);
    set_status(f, small, "FINISHED");
    str all[] = { id, small, house };
    assert_ok(client_data_fill(f->track, all, COUNT_OF(all)));
    assert_int_equal(fixture_int(f, "SELECT COUNT(*) FROM run_data"), 0);
    assert_true(get(f, house)->data.len > 1024);
}

static void a_reader_gets_it_kept(void **state)
{
    struct fixture *f = *state;
    char id[HEX_ID_BYTES];
    memcpy(id, begin(f, KEYS).ptr, sizeof id);
    set_status(f, str_of(id), "KILLED");
    while (!get(f, str_of(id))->is_kept) /* the flusher makes it; a test that hangs is stopped */
        arena_reset(&f->mem);
    assert_true(fixture_exposed(f, "skerry_run_reads_total{from=\"text\"} 1"));
}

static void every_change_is_seen_at_once(void **state)
{
    struct fixture *f = *state;
    str id = begin(f, KEYS);
    set_status(f, id, "FINISHED");
    keep(f, id);
    log_metric(f, id, "late", 0.5, 1);
    assert_true(has(f, id, "{\"key\":\"late\",\"value\":0.5,\"timestamp\":7,\"step\":1}"));
    keep(f, id);
    log_metric(f, id, "late", 0.75, 2);
    assert_true(has(f, id, "{\"key\":\"late\",\"value\":0.75,\"timestamp\":7,\"step\":2}"));
    keep(f, id);
    assert_ok(log_tag(f->track, id, "note", STR("one"), &f->mem));
    assert_true(has(f, id, "{\"key\":\"note\",\"value\":\"one\"}"));
    keep(f, id);
    assert_ok(client_run_tag_delete(f->track, id, STR("note")));
    assert_false(has(f, id, "\"note\""));
    keep(f, id);
    struct track_tag param = { STR("lr"), STR("0.1") };
    assert_ok(log_some(f->track, id, &(struct client_batch){ .params = &param, .param_count = 1 },
                       &f->mem));
    assert_true(has(f, id, "{\"key\":\"lr\",\"value\":\"0.1\"}"));
    keep(f, id);
    assert_ok(client_run_update(f->track, id,
                                &(struct client_run_change){ .end_ms = -1, .name = STR("new") }));
    assert_true(has(f, id, "{\"key\":\"mlflow.runName\",\"value\":\"new\"}"));
    keep(f, id);
    assert_ok(client_run_model_note(f->track, id, STR("{\"a\":1}"), &f->mem));
    assert_true(has(f, id, "mlflow.log-model.history"));

    /* at work again: what it logs is not looked after, so nothing may be kept of it */
    keep(f, id);
    set_status(f, id, "RUNNING");
    assert_ok(client_data_fill(f->track, &id, 1));
    log_metric(f, id, "late", 1.5, 3);
    assert_true(has(f, id, "\"value\":1.5,"));
    set_status(f, id, "FINISHED");
    keep(f, id);
    assert_true(has(f, id, "\"value\":1.5,"));

    /* deleted and restored it is the same; it goes with its run */
    assert_ok(client_run_delete(f->track, id));
    assert_true(get(f, id)->is_kept);
    assert_ok(client_run_restore(f->track, id));
    assert_true(get(f, id)->is_kept);
    fixture_exec(f, "DELETE FROM tags");
    fixture_exec(f, "DELETE FROM params");
    fixture_exec(f, "DELETE FROM metrics");
    fixture_exec(f, "DELETE FROM latest_metrics");
    fixture_exec(f, "DELETE FROM runs");
    assert_int_equal(fixture_int(f, "SELECT COUNT(*) FROM run_data"), 0);
}

/* ------------------------------------------------------------------ many at once */

enum { WRITERS = 3, ROUNDS = 60 };

struct crowd {
    struct track *track;
    str ids[WRITERS];
    atomic_int at_work;
    atomic_int next;
    err failures[WRITERS + 1];
};

/* What it has written it reads, however often others keep the text meanwhile. */
static void *writer_main(void *arg)
{
    struct crowd *c = arg;
    int me = atomic_fetch_add(&c->next, 1);
    arena mem;
    arena_init(&mem, 8 << 20);
    for (int i = 0; i < ROUNDS && !c->failures[me].code; i++) {
        struct client_run *run;
        arena_reset(&mem);
        str value = arena_fmt(&mem, "round %d of %d", i, me);
        err e = log_tag(c->track, c->ids[me], "round", value, &mem);
        for (int again = 0; !e.code && again < 3; again++) {
            e = client_runs_read(c->track, &c->ids[me], 1, &mem, &run);
            if (!e.code && !strstr(run->data.ptr, value.ptr))
                e = ERR(ERR_INTERNAL, "'%s' is not in %.60s", value.ptr,
                        strstr(run->data.ptr, "round"));
        }
        c->failures[me] = e;
    }
    arena_deinit(&mem);
    atomic_fetch_sub(&c->at_work, 1);
    return NULL;
}

static void *keeper_main(void *arg)
{
    struct crowd *c = arg;
    while (atomic_load(&c->at_work) && !c->failures[WRITERS].code)
        c->failures[WRITERS] = client_data_fill(c->track, c->ids, WRITERS);
    return NULL;
}

static void no_reader_sees_an_old_text(void **state)
{
    struct fixture *f = *state;
    struct crowd c = { .track = f->track };
    pthread_t threads[WRITERS + 1];
    atomic_store(&c.at_work, WRITERS);
    for (int i = 0; i < WRITERS; i++) {
        c.ids[i] = begin(f, KEYS);
        set_status(f, c.ids[i], "FINISHED");
    }
    for (int i = 0; i <= WRITERS; i++)
        assert_int_equal(
            pthread_create(&threads[i], NULL, i < WRITERS ? writer_main : keeper_main, &c), 0);
    for (int i = 0; i <= WRITERS; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i <= WRITERS; i++)
        assert_ok(c.failures[i]);
}

/* Logs to the last run whatever its status is. */
static void *logger_main(void *arg)
{
    struct crowd *c = arg;
    arena mem;
    arena_init(&mem, 8 << 20);
    for (int i = 0; i < 2 * ROUNDS && !c->failures[0].code; i++) {
        arena_reset(&mem);
        struct client_metric m = { .key = arena_fmt(&mem, "metric %d", i % KEYS),
                                   .step = 1000 + i };
        c->failures[0] = log_some(c->track, c->ids[0],
                                  &(struct client_batch){ .metrics = &m, .metric_count = 1 }, &mem);
    }
    arena_deinit(&mem);
    atomic_fetch_sub(&c->at_work, 1);
    return NULL;
}

static void *ender_main(void *arg)
{
    struct crowd *c = arg;
    for (int i = 0; atomic_load(&c->at_work) && !c->failures[1].code; i++)
        c->failures[1] = client_run_update(
            c->track, c->ids[0],
            &(struct client_run_change){ .status = i % 2 ? STR("RUNNING") : STR("FINISHED"),
                                         .end_ms = -1 });
    return NULL;
}

/* A point that was logged while the run ended is in what is kept. */
static void an_end_and_a_last_point_meet(void **state)
{
    struct fixture *f = *state;
    struct crowd c = { .track = f->track };
    void *(*const mains[])(void *) = { logger_main, ender_main, keeper_main };
    pthread_t threads[COUNT_OF(mains)];
    for (int i = 0; i < WRITERS; i++)
        c.ids[i] = begin(f, KEYS);
    atomic_store(&c.at_work, 1);
    for (size_t i = 0; i < COUNT_OF(mains); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, mains[i], &c), 0);
    for (size_t i = 0; i < COUNT_OF(mains); i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i <= WRITERS; i++)
        assert_ok(c.failures[i]);
    str kept = get(f, c.ids[0])->data; /* or what the rows make: there may be no text */
    fixture_exec(f, "DELETE FROM run_data");
    assert_string_equal(kept.ptr, get(f, c.ids[0])->data.ptr);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_init, fixture_deinit)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_text_is_what_the_rows_make), TEST(only_what_is_worth_it_is_kept),
        TEST(a_reader_gets_it_kept),          TEST(every_change_is_seen_at_once),
        TEST(no_reader_sees_an_old_text),     TEST(an_end_and_a_last_point_meet),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
