/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Lineage: can one walk from a model back to the dataset and forward to what used it? */
#include "track_fixture.h"

#include <stdio.h>

static const struct json *lineage(struct fixture *f, const char *id, int depth)
{
    struct buf text;
    struct json_out w;
    const struct json *root;
    buf_init(&text, 4 * 1024 * 1024);
    json_out_init(&w, &text);
    assert_ok(track_lineage_json(f->track, str_of(id), depth, NULL, &w));
    assert_ok(json_parse(&f->mem, buf_str(&text), &root));
    buf_deinit(&text);
    return root;
}

static bool has_edge(const struct json *graph, const char *from, const char *to)
{
    const struct json *edges = json_get(graph, "edges");
    for (size_t i = 0; i < json_count(edges); i++)
        if (str_eq(json_str(json_get(json_at(edges, i), "from"), STR_NONE), str_of(from)) &&
            str_eq(json_str(json_get(json_at(edges, i), "to"), STR_NONE), str_of(to)))
            return true;
    return false;
}

static const struct json *node(const struct json *graph, const char *id)
{
    const struct json *nodes = json_get(graph, "nodes");
    for (size_t i = 0; i < json_count(nodes); i++)
        if (str_eq(json_str(json_get(json_at(nodes, i), "id"), STR_NONE), str_of(id)))
            return json_at(nodes, i);
    return NULL;
}

struct chain {
    char build[HEX_ID_BYTES], train[HEX_ID_BYTES], evaluate[HEX_ID_BYTES];
    struct dataset_info dataset;
    struct model_version_info model;
};

/* build -> dataset -> train -> model -> evaluate */
static void make_chain(struct fixture *f, struct chain *c)
{
    struct run *r = fixture_run(f, "dataset");
    memcpy(c->build, run_id(r), HEX_ID_BYTES);
    assert_ok(dataset_create(f->track,
                             &(struct dataset_spec){ .name = STR("games"), .kind = "t.rows" },
                             &f->mem, &c->dataset));
    assert_ok(dataset_finish(f->track, str_of(c->dataset.id),
                             &(struct dataset_result){ .blob = fixture_blob(f, STR("rows")),
                                                       .rows = 9,
                                                       .run_id = str_of(run_id(r)) }));
    assert_ok(run_dataset_out(r, str_of(c->dataset.id))); /* said twice: one edge */
    fixture_end(r, ERR_NONE);

    r = fixture_run(f, "training");
    memcpy(c->train, run_id(r), HEX_ID_BYTES);
    assert_ok(run_dataset_in(r, str_of(c->dataset.id), "training"));
    assert_ok(run_dataset_in(r, str_of(c->dataset.id), "training"));
    assert_ok(model_register(f->track,
                             &(struct model_spec){ .name = STR("net"),
                                                   .kind = "t.net",
                                                   .blob = fixture_blob(f, STR("weights")),
                                                   .run_id = str_of(run_id(r)),
                                                   .dataset_id = str_of(c->dataset.id) },
                             &f->mem, &c->model));
    fixture_end(r, ERR_NONE);
    assert_ok(model_promote(f->track, STR("net"), 1, STR("prod"), STR("ada"), STR("")));

    r = fixture_run(f, "evaluation");
    memcpy(c->evaluate, run_id(r), HEX_ID_BYTES);
    assert_ok(run_model_in(r, str_of(c->model.id)));
    fixture_end(r, ERR_NONE);
}

static void a_model_leads_back_to_its_data_and_on_to_its_use(void **state)
{
    struct fixture *f = *state;
    struct chain c;
    make_chain(f, &c);
    const struct json *graph = lineage(f, c.model.id, 10);
    assert_int_equal(json_count(json_get(graph, "nodes")), 5);
    assert_int_equal(json_count(json_get(graph, "edges")), 4);
    assert_true(has_edge(graph, c.build, c.dataset.id));
    assert_true(has_edge(graph, c.dataset.id, c.train));
    assert_true(has_edge(graph, c.train, c.model.id));
    assert_true(has_edge(graph, c.model.id, c.evaluate));
    assert_false(json_bool(json_get(graph, "truncated"), true));
    assert_true(
        str_eq(json_str(json_get(node(graph, c.model.id), "aliases"), STR_NONE), STR("prod")));
    assert_true(
        str_eq(json_str(json_get(node(graph, c.dataset.id), "state"), STR_NONE), STR("ready")));
    assert_true(
        str_eq(json_str(json_get(node(graph, c.train), "status"), STR_NONE), STR("FINISHED")));
}

static void depth_bounds_the_picture(void **state)
{
    struct fixture *f = *state;
    struct chain c;
    make_chain(f, &c);
    const struct json *graph = lineage(f, c.dataset.id, 1);
    assert_int_equal(json_count(json_get(graph, "nodes")), 3); /* it, its builder, its reader */
    assert_int_equal(json_count(json_get(graph, "edges")), 2);
    graph = lineage(f, c.train, 1);
    assert_int_equal(json_count(json_get(graph, "nodes")), 3);
    struct buf text;
    struct json_out w;
    buf_init(&text, 4096);
    json_out_init(&w, &text);
    assert_err(track_lineage_json(f->track, STR("nobody"), 3, NULL, &w), ERR_NOT_FOUND);
    assert_int_equal(text.len, 0);
    buf_deinit(&text);
}

static void deleted_assets_stay_in_the_picture(void **state)
{
    struct fixture *f = *state;
    struct dataset_info d = fixture_dataset(f, "games", STR("rows"));
    struct run *r = fixture_run(f, "evaluation");
    char id[HEX_ID_BYTES];
    memcpy(id, run_id(r), sizeof id);
    assert_ok(run_dataset_in(r, str_of(d.id), "evaluation"));
    fixture_end(r, ERR_NONE);
    assert_ok(dataset_delete(f->track, str_of(d.id)));
    const struct json *graph = lineage(f, id, 3);
    const struct json *n = node(graph, d.id);
    assert_true(str_eq(json_str(json_get(n, "state"), STR_NONE), STR("deleted")));
    assert_int_equal(json_str(json_get(n, "digest"), STR_NONE).len, 64);
}

static void edges_to_nothing_are_refused(void **state)
{
    struct fixture *f = *state;
    struct run *r = fixture_run(f, "training");
    struct dataset_info d = fixture_dataset(f, "games", STR("rows"));
    assert_err(run_dataset_in(r, STR("nobody"), "training"), ERR_NOT_FOUND);
    assert_err(run_dataset_out(r, STR("nobody")), ERR_NOT_FOUND);
    assert_err(run_model_in(r, str_of(d.id)), ERR_NOT_FOUND); /* a dataset is no model */
    assert_err(run_model_out(r, STR("")), ERR_NOT_FOUND);
    assert_err(run_dataset_in(r, str_of(d.id), "a\nb"), ERR_INVALID);
    fixture_end(r, ERR_NONE);
    assert_int_equal(fixture_int(f, "SELECT COUNT(*) FROM run_assets"), 0);
}

static err many_edges(struct store_tx *tx, void *arg)
{
    char id[40];
    for (int i = 0; i < 700; i++) {
        snprintf(id, sizeof id, "%032d", i);
        TRY(store_exec(
            tx,
            "INSERT INTO runs (run_id, experiment_id, run_name, user_id, component, origin,"
            " status, lifecycle_stage, created_ms, attempts) VALUES (?1, 0, 'n', 'u', 'c',"
            " 'client', 'FINISHED', 'active', 1, 1)",
            ARGS(sql_cstr(id)), NULL));
        TRY(track_edge_add(tx, str_of(id), "in", "dataset", str_of(arg), STR_NONE));
    }
    return OK;
}

/* A dataset that thousands of runs have read must not make an answer of megabytes. */
static void a_crowd_is_cut_and_said_so(void **state)
{
    struct fixture *f = *state;
    struct dataset_info d = fixture_dataset(f, "games", STR("rows"));
    assert_ok(store_write(f->store, many_edges, d.id));
    const struct json *graph = lineage(f, d.id, 10);
    assert_int_equal(json_count(json_get(graph, "nodes")), 201);
    assert_true(json_bool(json_get(graph, "truncated"), false));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, fixture_init, fixture_deinit)
        T(a_model_leads_back_to_its_data_and_on_to_its_use),
        T(depth_bounds_the_picture),
        T(deleted_assets_stay_in_the_picture),
        T(edges_to_nothing_are_refused),
        T(a_crowd_is_cut_and_said_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
