/* SPDX-License-Identifier: GPL-3.0-or-later */
/* app.c -- an app whose models are toys: how an app states a family and uses it, whole, for tests
 * of serving over HTTP and on several servers.
 *
 * A version's blob is "QUALITY SEED": it is right so many times in a hundred. A round has a number,
 * which is also its truth (number % 3). Rounds are rows; a round and its note are one transaction.
 */
#include <stdlib.h>

#include "base/rand.h"
#include "platform/app/app.h"
#include "platform/serving/serving.h"

enum { CLASSES = 3 };

extern const struct app app_toy;

struct toy_state {
    struct served_family *family;
};

/* ------------------------------------------------------------------ the family */

struct toy_model {
    int64_t quality, seed;
};

static err toy_load(void *ctx, const struct model_version_info *info, str bytes, void **ret_model)
{
    struct toy_model m;
    str rest = bytes;
    (void)ctx;
    (void)info;
    TRY(str_to_i64(str_split(&rest, ' '), &m.quality));
    TRY(str_to_i64(rest, &m.seed));
    struct toy_model *made = malloc(sizeof *made);
    if (!made)
        return ERR(ERR_NO_MEMORY, "no memory for a toy");
    *made = m;
    *ret_model = made;
    return OK;
}

static bool toy_predict(const void *model, const void *input, float *ret_p)
{
    const struct toy_model *m = model;
    int64_t number = *(const int64_t *)input;
    bool is_right = (int64_t)(rand_mix((uint64_t)(number + m->seed)) % 100) < m->quality;
    for (int i = 0; i < CLASSES; i++)
        ret_p[i] = i == (number + !is_right) % CLASSES ? 0.6F : 0.2F;
    return true;
}

static const struct serving_family families[] = {
    { .name = "toy",
      .model = "toy",
      .help = "Knows a number's remainder, more or less often.",
      .class_count = CLASSES,
      .ratio_setting = "TOY_RATIO",
      .load = toy_load,
      .drop = free,
      .predict = toy_predict },
    { .name = NULL },
};

static const struct model_kind model_kinds[] = {
    { .name = "toy.model",
      .dataset_kind = "toy.none",
      .train_job = "core.collect", /* nobody trains toys */
      .evaluate_job = "core.collect",
      .params_schema = "",
      .suites = "",
      .load = house_family_load },
    { .name = NULL },
};

static const struct setting settings[] = {
    { "TOY_RATIO", SETTING_REAL, "0.5", "Share of subjects that Production gets.", .max = 1 },
    { 0 },
};

static const struct store_migration migrations[] = {
    { 1, "CREATE TABLE toy_rounds (number @int PRIMARY KEY, alias @text NOT NULL, version @int NOT "
         "NULL, is_right @int NOT NULL) @strict" },
    { 0 },
};

/* ------------------------------------------------------------------ routes */

static err version_create(struct http_request *rq, struct http_reply *rp)
{
    struct house *h = rq_house(rq);
    const struct json *body;
    str bytes;
    struct model_version_info info;
    struct model_spec spec = { .name = STR("toy"), .kind = "toy.model" };
    TRY(http_body_json(rq, &body));
    TRY(json_need_str(body, "bytes", &bytes));
    TRY(blob_put(house_blobs(h), bytes, &spec.blob));
    err e = model_register(house_track(h), &spec, http_arena(rq), &info);
    if (e.code) {
        blob_unpin(house_blobs(h), &spec.blob.id);
        return e;
    }
    struct json_out *w = http_json(rp);
    json_object_begin(w);
    json_kv_int(w, "version", info.version);
    json_object_end(w);
    return OK;
}

struct round {
    struct served_family *family;
    struct serving_call call;
    int64_t number;
};

static err round_fn(struct store_tx *tx, void *arg)
{
    struct round *r = arg;
    const struct serving_answer *a = &r->call.answers[r->call.active];
    int truth = (int)(r->number % CLASSES);
    TRY(store_exec(tx,
                   "INSERT INTO toy_rounds (number, alias, version, is_right)"
                   " VALUES (?1, ?2, ?3, ?4)",
                   ARGS(sql_int(r->number), sql_cstr(serving_aliases[r->call.active]),
                        sql_int(a->version), sql_int(a->best == truth)),
                   NULL));
    return serving_note_tx(r->family, tx, &r->call, truth);
}

static err play(struct http_request *rq, struct http_reply *rp)
{
    struct house *h = rq_house(rq);
    struct round r = { .family = ((struct toy_state *)app_state(h, &app_toy))->family };
    const struct json *body;
    const char *why;
    TRY(http_body_json(rq, &body));
    TRY(json_need_int(body, "number", 0, INT64_MAX - CLASSES, &r.number));
    str subject = arena_fmt(http_arena(rq), "%lld", (long long)r.number);
    ARENA_TRY(subject.ptr);
    enum serving_slot slot = serving_assign(r.family, subject);
    if (!serving_predict(r.family, slot, true, &r.number, &r.call, &why)) {
        serving_fallback(r.family, slot, why);
        return ERR(ERR_CONFLICT, "no toy answers: %s", why);
    }
    TRY(store_write(house_store(h), round_fn, &r));
    struct json_out *w = http_json(rp);
    json_object_begin(w);
    json_kv_cstr(w, "alias", serving_aliases[slot]);
    json_kv_int(w, "version", r.call.answers[slot].version);
    json_kv_int(w, "said", r.call.answers[slot].best);
    json_object_end(w);
    return OK;
}

static const struct route routes[] = {
    { "POST", "/v1/toy/versions", "Register a toy.", ACCESS_ANALYST, version_create,
      .body = "{\"bytes\":{\"type\":\"string\"}}", .example = "{\"bytes\":\"50 1\"}" },
    { "POST", "/v1/toy/play", "Play a round.", ACCESS_VIEWER, play,
      .body = "{\"number\":{\"type\":\"integer\"}}", .example = "{\"number\":1}" },
    { 0 },
};

static err toy_start(struct house *h, void *state)
{
    struct toy_state *toy = state;
    toy->family = serving_find(house_serving(h), STR("toy"));
    return OK;
}

const struct app app_toy = {
    .name = "toy",
    .title = "Toy",
    .summary = "Toys that serve, for tests.",
    .settings = settings,
    .migrations = migrations,
    .routes = routes,
    .model_kinds = model_kinds,
    .families = families,
    .state_bytes = sizeof(struct toy_state),
    .start = toy_start,
};
