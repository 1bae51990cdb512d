/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "serving_fixture.h"

#include "base/rand.h"

struct toy_model {
    struct toy_counts *counts;
    int64_t quality, seed;
};

static err toy_load(void *ctx, const struct model_version_info *info, str bytes, void **ret_model)
{
    struct toys *t = ctx;
    struct toy_model m = { .counts = &t->counts };
    str rest = bytes;
    if (str_starts(bytes, STR("broken")))
        return ERR(ERR_CORRUPT, "this toy is broken");
    TRY(str_to_i64(str_split(&rest, ' '), &m.quality));
    TRY(str_to_i64(rest, &m.seed));
    struct toy_model *made = malloc(sizeof *made);
    if (!made)
        return ERR(ERR_NO_MEMORY, "no memory for a toy");
    *made = m;
    atomic_fetch_add(&t->counts.alive, 1);
    atomic_fetch_add(&t->counts.loads, 1);
    *ret_model = made;
    (void)info;
    return OK;
}

static void toy_drop(void *model)
{
    struct toy_model *m = model;
    atomic_fetch_sub(&m->counts->alive, 1);
    m->quality = -1; /* a use after this would be seen */
    free(m);
}

static bool toy_predict(const void *model, const void *input, float *ret_p)
{
    const struct toy_model *m = model;
    const struct toy_input *in = input;
    uint64_t hash = rand_mix(in->number * 1000003 + (uint64_t)m->seed);
    bool is_right = (int64_t)(hash % 100) < m->quality;
    if (m->quality < 0)
        return false;
    int said = is_right ? in->truth : (in->truth + 1 + (int)(hash >> 32) % 2) % TOY_CLASSES;
    for (int i = 0; i < TOY_CLASSES; i++)
        ret_p[i] = i == said ? 0.6F : 0.2F;
    return true;
}

static bool toy_prepare(const void *input, const void *const models[SERVING_SLOTS])
{
    const struct toy_input *in = input;
    if (!in->preparation)
        return true;
    in->preparation->calls++;
    in->preparation->models = 0;
    for (int i = 0; i < SERVING_SLOTS; i++)
        in->preparation->models += models[i] != NULL;
    return !in->preparation->refuses;
}

static void toy_watch(const void *input, float *ret_values)
{
    const struct toy_input *in = input;
    memcpy(ret_values, in->features, sizeof in->features);
}

/* Both features were spread evenly over [0, 1), and every answer was sure by 0.6. */
static void toy_reference(const void *model, struct serving_reference *ret_reference)
{
    (void)model;
    ret_reference->has_confidence = true;
    ret_reference->confidence[6] = 1;
    ret_reference->feature_count = TOY_FEATURES;
    for (int f = 0; f < TOY_FEATURES; f++) {
        for (int i = 0; i < SERVING_BINS; i++)
            ret_reference->shares[f][i] = 0.1;
        for (int i = 0; i < SERVING_BINS - 1; i++)
            ret_reference->edges[f][i] = (i + 1) / 10.0;
    }
}

#define TOY(family_name, model_name)                                                           \
    .name = family_name, .model = model_name, .help = "A toy.", .class_count = TOY_CLASSES,    \
    .feature_count = TOY_FEATURES, .load = toy_load, .drop = toy_drop, .predict = toy_predict, \
    .prepare = toy_prepare, .watch = toy_watch, .reference = toy_reference

const struct serving_family toy_families[] = {
    { TOY("toy", "toy_model"), .is_by_outcome = true },
    { TOY("plain", "plain_model") },
    { .name = NULL },
};

struct serving *toys_open(struct toys *t, const struct serving_options *options)
{
    struct serving_options o = options ? *options : (struct serving_options){ .flush_ms = 50 };
    const struct serving_family *tables[] = { toy_families };
    struct serving *s = NULL;
    o.store = t->f->store;
    o.track = t->f->track;
    o.blobs = t->f->blobs;
    o.log = t->f->log;
    o.metrics = t->f->metrics;
    o.ctx = t;
    assert_ok(serving_open(&o, tables, 1, &s));
    return s;
}

int toys_init(void **state)
{
    struct toys *t = calloc(1, sizeof *t);
    void *fixture = NULL;
    if (!t || fixture_init(&fixture))
        return -1;
    t->f = fixture;
    assert_ok(metrics_register(t->f->metrics, serving_metrics));
    t->s = toys_open(t, NULL);
    t->family = serving_find(t->s, STR("toy"));
    t->plain = serving_find(t->s, STR("plain_model"));
    assert_non_null(t->family);
    assert_non_null(t->plain);
    *state = t;
    return 0;
}

int toys_deinit(void **state)
{
    struct toys *t = *state;
    void *fixture = t->f;
    serving_close(t->s);
    assert_int_equal(atomic_load(&t->counts.alive), 0); /* every model was given back */
    int result = fixture_deinit(&fixture);
    free(t);
    return result;
}

static int64_t register_bytes(struct toys *t, const char *model, str bytes)
{
    struct model_version_info info;
    assert_ok(model_register(t->f->track,
                             &(struct model_spec){ .name = str_of(model),
                                                   .kind = "t.toy",
                                                   .blob = fixture_blob(t->f, bytes) },
                             &t->f->mem, &info));
    return info.version;
}

int64_t toys_version(struct toys *t, const char *model, int quality)
{
    char text[64];
    snprintf(text, sizeof text, "%d %d", quality, atomic_load(&t->counts.loads) * 7919 + quality);
    return register_bytes(t, model, str_of(text));
}

int64_t toys_broken(struct toys *t, const char *model)
{
    return register_bytes(t, model, STR("broken"));
}

void toys_move(struct toys *t, const char *model, enum serving_slot slot, int64_t version)
{
    assert_ok(model_promote(t->f->track, str_of(model), version, str_of(serving_aliases[slot]),
                            STR("ada"), STR("by the test")));
}

struct toy_input toys_input(uint64_t number)
{
    struct toy_input in = { .number = number, .truth = (int)(rand_mix(number) % TOY_CLASSES) };
    for (int i = 0; i < TOY_FEATURES; i++)
        in.features[i] = (float)(rand_mix(number * TOY_FEATURES + (uint64_t)i) % 1000) / 1000.0F;
    return in;
}

void toys_play(struct toys *t, struct served_family *f, uint64_t number, int rounds)
{
    (void)t;
    for (int i = 0; i < rounds; i++) {
        struct toy_input in = toys_input(number + (uint64_t)i);
        struct serving_call call;
        assert_true(serving_predict(f, SERVING_PRODUCTION, true, &in, &call, NULL));
        serving_note(f, &call, in.truth);
    }
}

int64_t toys_sum(struct toys *t, const char *what)
{
    str sql = arena_fmt(&t->f->mem,
                        "SELECT COALESCE(CAST(SUM(%s) AS @int), 0) FROM serving_windows", what);
    return fixture_int(t->f, sql.ptr);
}
