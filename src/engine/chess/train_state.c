/* SPDX-License-Identifier: GPL-3.0-or-later */
/* train_state.c -- making and freeing a trainer, its defaults, and checkpoints.
 *
 * A checkpoint is the whole state between two steps: options and shape (to refuse another
 * training's), counters, weights, their average, best weights and Adam's moments; little-endian, a
 * SHA-256 at the end. Its bytes are our own, but a disk may have hurt them, so reading trusts
 * nothing.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "engine/chess/train.h"

static const char checkpoint_magic[8] = { 'S', 'K', 'C', 'H', 'K', 'P', 'T', '2' };

/* Fewer samples than this overfit soon. */
enum { SMALL_BELOW = 1000000 };
/* So they are also seen in a mirror, as soon as they come again. The gain falls with their number:
 * log loss 0.03 at an eighth of a million, 0.005 at half a million. */
#define MIRRORED 0.5

/* ------------------------------------------------------------------ options */

struct chess_train_options chess_train_defaults(size_t count)
{
    /* Found on masters.pgn (5 million positions) and on the games in examples/ (0.14 million),
     * which overfit after half a dozen epochs. */
    bool small = count < SMALL_BELOW;
    return (struct chess_train_options){
        .seed = 1,
        .batch_size = small ? 256 : 1024,
        .learning_rate = small ? 0.003 : 0.006,
        .weight_decay = small ? 0.5 : 0.1,
        .dropout = small ? 0.3 : 0.15,
        .epochs = small ? 6 : 20,
        .patience = 0,
        .book = !small,
        .threads = thread_core_count(),
    };
}

err chess_train_options_check(const struct chess_train_options *o)
{
    if (o->batch_size < 0 || o->batch_size > CHESS_TRAIN_BATCH_MAX)
        return ERR(ERR_INVALID, "batch size %d: give 1 to %d, or 0 for the default", o->batch_size,
                   CHESS_TRAIN_BATCH_MAX);
    if (!(o->learning_rate >= 0 && o->learning_rate <= 1))
        return ERR(ERR_INVALID,
                   "learning rate %g: give a number above 0 up to 1, or 0 for the default",
                   o->learning_rate);
    if (!(o->weight_decay <= 10))
        return ERR(ERR_INVALID,
                   "weight decay %g: give 0 to 10, or a negative number for the default",
                   o->weight_decay);
    if (!(o->dropout <= 0.9))
        return ERR(ERR_INVALID, "dropout %g: give 0 to 0.9, or a negative number for the default",
                   o->dropout);
    if (o->epochs < 1 || o->epochs > CHESS_TRAIN_EPOCHS_MAX)
        return ERR(ERR_INVALID, "%d epochs: give 1 to %d", o->epochs, CHESS_TRAIN_EPOCHS_MAX);
    if (!(o->minutes_max >= 0 && o->minutes_max <= 60 * 24 * 365))
        return ERR(ERR_INVALID, "at most %g minutes: give a positive number, or 0 for no bound",
                   o->minutes_max);
    if (o->patience < 0)
        return ERR(ERR_INVALID,
                   "patience %d: give a number of evaluation rounds, or 0 to train to the end",
                   o->patience);
    if (o->threads < 0 || o->threads > TRAIN_SLICES_MAX)
        return ERR(ERR_INVALID, "%d threads: give 1 to %d, or 0 for all cores", o->threads,
                   TRAIN_SLICES_MAX);
    if (o->size < CHESS_NET_AUTO || o->size > CHESS_NET_LARGE)
        return ERR(ERR_INVALID, "network size %d: give 0 (by the data) to %d", (int)o->size,
                   CHESS_NET_LARGE);
    return OK;
}

static struct net_shape shape_of(enum chess_net_size size, size_t count)
{
    static const struct net_shape shapes[] = {
        [CHESS_NET_SMALL] = { .bag = 64, .square = 16, .move = 32, .value = 16 },
        [CHESS_NET_MEDIUM] = { .bag = 128, .square = 32, .move = 48, .value = 32 },
        [CHESS_NET_LARGE] = { .bag = 64, .square = 64, .move = 80, .value = 32 },
    };
    if (size == CHESS_NET_AUTO)
        size = count < 300000    ? CHESS_NET_SMALL
               : count < 1500000 ? CHESS_NET_MEDIUM
                                 : CHESS_NET_LARGE;
    return shapes[size];
}

struct chess_train_options chess_train_resolve(const struct chess_train_options *given,
                                               size_t count)
{
    struct chess_train_options o = *given, defaults = chess_train_defaults(count);
    o.batch_size = o.batch_size ? o.batch_size : defaults.batch_size;
    o.learning_rate = o.learning_rate > 0 ? o.learning_rate : defaults.learning_rate;
    o.weight_decay = o.weight_decay >= 0 ? o.weight_decay : defaults.weight_decay;
    o.dropout = o.dropout >= 0 ? o.dropout : defaults.dropout;
    o.threads = o.threads ? o.threads : defaults.threads;
    if (o.threads > TRAIN_SLICES_MAX)
        o.threads = TRAIN_SLICES_MAX;
    if (o.threads > o.batch_size)
        o.threads = o.batch_size;
    return o;
}

/* ------------------------------------------------------------------ life */

static err slices_new(struct chess_trainer *t)
{
    t->slices = calloc((size_t)t->options.threads, sizeof *t->slices);
    if (!t->slices)
        return ERR(ERR_NO_MEMORY, "no memory for a trainer");
    for (int s = 0; s < t->options.threads; s++) {
        t->slices[s].trainer = t;
        t->slices[s].gradient = net_floats(t->at.count);
        t->slices[s].touched = calloc(NET_TABLE_ROWS, 1);
        if (!t->slices[s].gradient || !t->slices[s].touched)
            return ERR(ERR_NO_MEMORY, "no memory for the gradient of %zu weights", t->at.count);
        TRY(net_batch_new(&t->shape, true, &t->slices[s].batch));
    }
    return OK;
}

static err trainer_fill(struct chess_trainer *t)
{
    net_layout_of(&t->shape, &t->at);
    t->weights = net_floats(t->at.count);
    t->average = net_floats(t->at.count);
    t->best = net_floats(t->at.count);
    t->transposed = net_floats(net_transpose_count(&t->shape));
    if (!t->weights || !t->average || !t->best || !t->transposed)
        return ERR(ERR_NO_MEMORY, "no memory for a network of %zu weights", t->at.count);
    TRY(learn_adam_init(&t->adam, t->at.count));
    t->adam.weight_decay = t->options.weight_decay;
    net_init(&t->shape, t->options.seed, t->weights);
    memcpy(t->average, t->weights, t->at.count * sizeof(float));
    return slices_new(t);
}

err chess_trainer_new(const struct chess_train_options *options,
                      const struct chess_sample_source *train,
                      const struct chess_sample_source *valid, struct chess_trainer **ret_trainer)
{
    TRY(chess_train_options_check(options));
    if (train->count == 0)
        return ERR(ERR_INVALID, "there is no position to train on");
    struct chess_trainer *t = calloc(1, sizeof *t);
    if (!t)
        return ERR(ERR_NO_MEMORY, "no memory for a trainer");
    t->options = chess_train_resolve(options, train->count);
    t->shape = shape_of(options->size, train->count);
    t->kernels = learn_kernels_best();
    t->schedule = (struct learn_schedule){
        .decay = LEARN_DECAY_LINEAR,
        .rate = t->options.learning_rate,
        .warm_up = 0.02,
        .end_share = 0.01,
    };
    t->train = *train;
    if (valid)
        t->valid = *valid;
    t->valid_count = t->valid.count < TRAIN_VALID_MAX ? t->valid.count : TRAIN_VALID_MAX;
    t->mirrored = train->count < SMALL_BELOW ? MIRRORED : 0;
    t->best_loss = INFINITY;
    double steps = ceil((double)t->options.epochs * (double)train->count / t->options.batch_size);
    t->step_total = (int64_t)steps;
    err e = trainer_fill(t);
    if (e.code) {
        chess_trainer_free(t);
        return e;
    }
    *ret_trainer = t;
    return OK;
}

void chess_trainer_free(struct chess_trainer *t)
{
    if (!t)
        return;
    for (int s = 0; t->slices && s < t->options.threads; s++) {
        free(t->slices[s].gradient);
        free(t->slices[s].touched);
        net_batch_free(t->slices[s].batch);
    }
    free(t->slices);
    free(t->weights);
    free(t->average);
    free(t->best);
    free(t->transposed);
    learn_adam_deinit(&t->adam);
    free(t);
}

err chess_trainer_net(struct chess_trainer *t, struct chess_net **ret_net)
{
    struct chess_net *net;
    TRY(net_new(&t->shape, isinf(t->best_loss) ? t->average : t->best, &net));
    if (t->options.book) {
        err e = chess_net_add_book(net, &t->train);
        if (e.code) {
            chess_net_free(net);
            return e;
        }
    }
    *ret_net = net;
    return OK;
}

/* ------------------------------------------------------------------ checkpoints */

static void add_f64(struct buf *out, double x)
{
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    buf_add_u64(out, bits);
}

static double get_f64(struct cursor *c)
{
    uint64_t bits = cursor_u64(c);
    double x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* Everything that must be the same for a checkpoint to fit, as bytes to compare. */
static void add_identity(const struct chess_trainer *t, struct buf *out)
{
    buf_add_bytes(out, checkpoint_magic, sizeof checkpoint_magic);
    buf_add_u32(out, FEATURES_VERSION);
    buf_add_u64(out, t->options.seed);
    buf_add_u32(out, (uint32_t)t->options.batch_size);
    buf_add_u32(out, (uint32_t)t->options.threads);
    add_f64(out, t->options.learning_rate);
    add_f64(out, t->options.weight_decay);
    add_f64(out, t->options.dropout);
    buf_add_u64(out, t->train.count);
    buf_add_u64(out, t->valid.count);
    buf_add_u32(out, t->shape.bag);
    buf_add_u32(out, t->shape.square);
    buf_add_u32(out, t->shape.move);
    buf_add_u32(out, t->shape.value);
}

err chess_trainer_checkpoint(struct chess_trainer *t, struct buf *out)
{
    const float *arrays[] = { t->weights, t->average, t->best, t->adam.first, t->adam.second };
    size_t start = out->len;
    uint8_t digest[SHA256_BYTES];

    add_identity(t, out);
    buf_add_u64(out, (uint64_t)t->step);
    buf_add_u64(out, (uint64_t)t->last_round_step);
    add_f64(out, t->elapsed_s);
    add_f64(out, t->last_round);
    add_f64(out, t->best_loss);
    buf_add_u32(out, (uint32_t)t->rounds_without_gain);
    buf_add_u8(out, t->stopped_early);
    for (size_t a = 0; a < COUNT_OF(arrays); a++)
        for (size_t i = 0; i < t->at.count; i++)
            buf_add_f32(out, arrays[a][i]);
    TRY(buf_check(out));
    sha256_of(str_from(out->ptr + start, out->len - start), digest);
    buf_add_bytes(out, digest, sizeof digest);
    return buf_check(out);
}

err chess_trainer_restore(struct chess_trainer *t, str checkpoint)
{
    float *arrays[] = { t->weights, t->average, t->best, t->adam.first, t->adam.second };
    struct buf identity;
    uint8_t digest[SHA256_BYTES];

    if (checkpoint.len < SHA256_BYTES)
        return ERR(ERR_CORRUPT, "the checkpoint has only %zu bytes", checkpoint.len);
    str body = str_from(checkpoint.ptr, checkpoint.len - SHA256_BYTES);
    sha256_of(body, digest);
    if (memcmp(digest, checkpoint.ptr + body.len, sizeof digest) != 0)
        return ERR(ERR_CORRUPT, "the checkpoint's checksum is wrong: it is cut short or damaged; "
                                "start again without it");
    buf_init(&identity, 4096);
    add_identity(t, &identity);
    err e = buf_check(&identity);
    if (!e.code && !str_starts(body, buf_str(&identity)))
        e = ERR(ERR_CONFLICT,
                "the checkpoint is of another training (options, dataset or network differ)");
    struct cursor c = cursor_of(body);
    cursor_bytes(&c, identity.len);
    buf_deinit(&identity);
    TRY(e);

    uint64_t step = cursor_u64(&c), last_round_step = cursor_u64(&c);
    double elapsed_s = get_f64(&c), last_round = get_f64(&c), best_loss = get_f64(&c);
    uint32_t rounds = cursor_u32(&c);
    bool stopped_early = cursor_u8(&c) != 0;
    if (c.bad || cursor_left(&c) != COUNT_OF(arrays) * t->at.count * sizeof(float) ||
        step > INT64_MAX / 2 || last_round_step > step || rounds > INT32_MAX || !(elapsed_s >= 0) ||
        !(last_round >= 0 && last_round <= 1) || isnan(best_loss))
        return ERR(ERR_CORRUPT, "the checkpoint holds impossible values; start again without it");
    for (size_t a = 0; a < COUNT_OF(arrays); a++)
        for (size_t i = 0; i < t->at.count; i++)
            arrays[a][i] = cursor_f32(&c);
    t->step = (int64_t)step;
    t->adam.step = (int64_t)step;
    t->last_round_step = (int64_t)last_round_step;
    t->elapsed_s = elapsed_s;
    t->last_round = last_round;
    t->best_loss = best_loss;
    t->rounds_without_gain = (int)rounds;
    t->stopped_early = stopped_early;
    return OK;
}
