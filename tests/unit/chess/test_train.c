/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Training: that it learns, repeats itself, stops when told, and goes on as if it had never
 * stopped. */
#include "net_help.h"

#include <math.h>
#include <stdatomic.h>

#include "engine/chess/train.h"

static struct chess_train_options small_options(void)
{
    return (struct chess_train_options){
        .seed = 5,
        .batch_size = 32,
        .learning_rate = 0.004,
        .weight_decay = 0.01,
        .dropout = 0.1,
        .epochs = 3,
        .threads = 2,
        .size = CHESS_NET_SMALL,
    };
}

static struct chess_trainer *trainer_of(const struct chess_train_options *o,
                                        struct sample_set *train, struct sample_set *valid)
{
    struct chess_trainer *t;
    struct chess_sample_source train_source = source_of(train), valid_source = { 0 };
    if (valid)
        valid_source = source_of(valid);
    assert_ok(chess_trainer_new(o, &train_source, valid ? &valid_source : NULL, &t));
    return t;
}

static err stop_at_step(void *arg, const struct chess_train_report *r)
{
    return r->step >= *(int64_t *)arg ? ERR(ERR_CANCELLED, "asked to stop") : OK;
}

/* Reports come by time, and after every evaluation round: the first round at or behind `step`
 * stops. */
static void run_to(struct chess_trainer *t, int64_t step)
{
    err e = chess_trainer_run(t, NULL, stop_at_step, &step);
    assert_int_equal(e.code, ERR_CANCELLED);
}

static uint64_t weights_hash(const struct chess_trainer *t)
{
    return str_hash(str_from(t->weights, t->at.count * sizeof(float)));
}

/* ------------------------------------------------------------------ learning */

/* A network that cannot learn sixty positions by heart has something broken in it. */
static void test_overfits_a_tiny_set(void **state)
{
    struct sample_set set = samples_make(51, 64);
    for (size_t i = 0; i < set.count; i++)
        set.samples[i].outcome = (int8_t)(i * 7 % 3) - 1;
    struct chess_train_options o = small_options();
    o.dropout = 0;
    o.weight_decay = 0;
    o.epochs = 150;
    struct chess_trainer *t = trainer_of(&o, &set, NULL);
    struct chess_net *net;
    struct chess_score score;
    struct chess_sample_source source = source_of(&set);
    assert_ok(chess_trainer_run(t, NULL, NULL, NULL));
    assert_ok(chess_trainer_net(t, &net));
    assert_ok(chess_net_score(net, &source, NULL, NULL, NULL, &score));
    assert_int_equal(score.positions, 64);
    assert_true(score.top1 > 0.95);
    assert_true(score.log_loss < 0.2);
    assert_true(score.value_log_loss < 0.5 * score.value_baseline_log_loss);
    chess_net_free(net);
    chess_trainer_free(t);
    free(set.samples);
}

/* What it learned must hold for games it has not seen. */
static void test_generalises(void **state)
{
    struct sample_set train = samples_make(52, 4000), valid = samples_make(53, 800);
    struct chess_train_options o = small_options();
    o.epochs = 6;
    struct chess_trainer *t = trainer_of(&o, &train, &valid);
    struct chess_net *net;
    struct chess_score before, after;
    struct chess_sample_source source = source_of(&valid);
    assert_ok(chess_trainer_net(t, &net));
    assert_ok(chess_net_score(net, &source, NULL, NULL, NULL, &before));
    chess_net_free(net);
    assert_ok(chess_trainer_run(t, NULL, NULL, NULL));
    assert_ok(chess_trainer_net(t, &net));
    assert_ok(chess_net_score(net, &source, NULL, NULL, NULL, &after));
    print_message("top-1 %.3f -> %.3f, log loss %.3f -> %.3f\n", before.top1, after.top1,
                  before.log_loss, after.log_loss);
    assert_true(after.top1 > 0.5 && before.top1 < 0.2);
    assert_true(after.log_loss < 0.6 * before.log_loss);
    chess_net_free(net);
    chess_trainer_free(t);
    free(train.samples);
    free(valid.samples);
}

/* ------------------------------------------------------------------ the same again */

static void test_repeatable_with_and_without_threads(void **state)
{
    struct sample_set set = samples_make(54, 500);
    struct chess_train_options o = small_options();
    struct pool *pool;
    uint64_t hash[4];
    assert_ok(pool_open("test", 3, 64, &pool));
    for (int i = 0; i < 4; i++) {
        o.seed = i == 3 ? 6 : 5;
        struct chess_trainer *t = trainer_of(&o, &set, NULL);
        assert_ok(chess_trainer_run(t, i == 1 ? pool : NULL, NULL, NULL));
        assert_int_equal(t->step, t->step_total);
        hash[i] = weights_hash(t);
        chess_trainer_free(t);
    }
    assert_true(hash[0] == hash[1]); /* the pool's threads do not matter, the slices do */
    assert_true(hash[0] == hash[2]);
    assert_true(hash[0] != hash[3]); /* another seed, another training */
    pool_close(pool);
    free(set.samples);
}

/* Train N steps, or k, save, load into a new trainer, N - k: the same bits. */
static void test_resume_is_exact(void **state)
{
    struct sample_set train = samples_make(55, 600), valid = samples_make(56, 150);
    struct chess_train_options o = small_options();
    o.epochs = 10;
    struct chess_trainer *whole = trainer_of(&o, &train, &valid);
    assert_ok(chess_trainer_run(whole, NULL, NULL, NULL));
    static const int64_t stops[] = { 1, 40, 170 }; /* the last where the average lags */
    for (size_t i = 0; i < 3; i++) {
        struct chess_trainer *first = trainer_of(&o, &train, &valid), *second;
        struct buf checkpoint;
        buf_init(&checkpoint, 64 << 20);
        run_to(first, stops[i]);
        assert_true(first->step >= stops[i] && first->step < first->step_total);
        assert_ok(chess_trainer_checkpoint(first, &checkpoint));
        chess_trainer_free(first);
        second = trainer_of(&o, &train, &valid);
        assert_ok(chess_trainer_restore(second, buf_str(&checkpoint)));
        assert_ok(chess_trainer_run(second, NULL, NULL, NULL));
        assert_int_equal(second->step, whole->step);
        assert_memory_equal(second->weights, whole->weights, whole->at.count * sizeof(float));
        assert_memory_equal(second->average, whole->average, whole->at.count * sizeof(float));
        assert_memory_equal(second->best, whole->best, whole->at.count * sizeof(float));
        assert_memory_equal(second->adam.second, whole->adam.second,
                            whole->at.count * sizeof(float));
        chess_trainer_free(second);
        buf_deinit(&checkpoint);
    }
    chess_trainer_free(whole);
    free(train.samples);
    free(valid.samples);
}

static void test_order_is_a_permutation(void **state)
{
    static const size_t counts[] = { 1, 2, 3, 5, 64, 1000, 4097 };
    for (size_t c = 0; c < sizeof counts / sizeof counts[0]; c++) {
        uint8_t *seen = calloc(counts[c], 1);
        size_t fixed = 0, same = 0;
        for (size_t place = 0; place < counts[c]; place++) {
            size_t index = train_order(9, 3, counts[c], place);
            assert_true(index < counts[c] && !seen[index]);
            seen[index] = 1;
            fixed += index == place;
            same += index == train_order(9, 4, counts[c], place);
        }
        if (counts[c] >= 64)
            assert_true(fixed < 10 && same < 10); /* about one is expected */
        free(seen);
    }
}

/* ------------------------------------------------------------------ mirrored samples */

/* The bag's rows of b are those of a with left and right changed. */
static void assert_mirrored_squares(const struct features *a, const struct features *b)
{
    assert_int_equal(a->bag_count, b->bag_count);
    for (int i = 0; i < a->bag_count; i++) {
        uint16_t row = a->bag[i];
        bool found = false;
        if (row >= BAG_PIECE && row <= BAG_PIECE_END)
            row = (uint16_t)(BAG_PIECE + ((row - BAG_PIECE) ^ 7));
        else if (row >= BAG_EN_PASSANT && row <= BAG_EN_PASSANT_END)
            row = (uint16_t)(BAG_EN_PASSANT + ((row - BAG_EN_PASSANT) ^ 7));
        for (int j = 0; j < b->bag_count; j++)
            found |= b->bag[j] == row;
        assert_true(found);
    }
}

static uint16_t row_of(const struct features *f, int move, int first, int end)
{
    for (int r = f->move_start[move]; r < f->move_start[move + 1]; r++)
        if (f->rows[r] >= first && f->rows[r] <= end)
            return (uint16_t)(f->rows[r] - first);
    return 0xffff;
}

static int index_of(const struct chess_sample *s, const chess_move *moves, int count)
{
    int at = 0;
    while (at < count && moves[at] != s->move)
        at++;
    assert_true(at < count);
    return at;
}

static void test_mirrored_samples(void **state)
{
    struct sample_set set = samples_make(67, 4000);
    size_t turned = 0;
    for (size_t i = 0; i < set.count; i++) {
        struct chess_sample s = set.samples[i], back;
        struct features a, b;
        chess_move moves[CHESS_MOVES_MAX], mirrored[CHESS_MOVES_MAX];
        const uint8_t(*rook)[2] = s.position.castling_rook;
        bool may_castle = rook[0][0] != CHESS_NO_SQUARE || rook[0][1] != CHESS_NO_SQUARE ||
                          rook[1][0] != CHESS_NO_SQUARE || rook[1][1] != CHESS_NO_SQUARE;
        assert_true(train_mirror(&s) == !may_castle);
        if (may_castle) {
            assert_memory_equal(&s.position, &set.samples[i].position, sizeof s.position);
            assert_int_equal(s.move, set.samples[i].move);
            continue;
        }
        turned++;
        assert_true(chess_position_check(&s.position));
        int count = chess_moves(&set.samples[i].position, moves);
        assert_int_equal(chess_moves(&s.position, mirrored), count);
        int at = index_of(&set.samples[i], moves, count), there = index_of(&s, mirrored, count);
        features_extract(&set.samples[i].position, &s.conditions, moves, count, &a);
        features_extract(&s.position, &s.conditions, mirrored, count, &b);
        assert_mirrored_squares(&a, &b);
        /* the same move in the mirror, with the same exchange */
        assert_int_equal(row_of(&a, at, MOVE_PIECE_TO, MOVE_PIECE_TO_END) ^ 7,
                         row_of(&b, there, MOVE_PIECE_TO, MOVE_PIECE_TO_END));
        assert_int_equal(row_of(&a, at, MOVE_BEST, MOVE_BEST_END),
                         row_of(&b, there, MOVE_BEST, MOVE_BEST_END));
        assert_int_equal(a.move_start[at + 1] - a.move_start[at],
                         b.move_start[there + 1] - b.move_start[there]);
        back = s;
        assert_true(train_mirror(&back));
        assert_memory_equal(&back.position, &set.samples[i].position, sizeof back.position);
        assert_int_equal(back.move, set.samples[i].move);
    }
    assert_true(turned > 500 && turned < set.count);
    free(set.samples);
}

/* King and rook against king, the king on a1: in the first epoch no other kind is seen, later about
 * half of them stand on h1. */
static void test_samples_that_come_again_are_mirrored(void **state)
{
    struct chess_position p;
    assert_ok(chess_fen_parse(str_of("8/8/8/3k4/8/8/8/K6R w - - 0 1"), &p));
    struct chess_sample sample = { .position = p, .outcome = 2 };
    assert_ok(chess_uci_parse(&p, str_of("a1b2"), &sample.move));
    struct sample_set set = { calloc(64, sizeof sample), 64, 64 };
    assert_non_null(set.samples);
    for (size_t i = 0; i < set.count; i++)
        set.samples[i] = sample;
    struct chess_train_options o = small_options();
    for (o.epochs = 1; o.epochs <= 4; o.epochs += 3) {
        struct chess_trainer *t = trainer_of(&o, &set, NULL);
        assert_ok(chess_trainer_run(t, NULL, NULL, NULL));
        size_t seen[2] = { 0 }; /* kings on a1, on h1 in the last batches */
        for (int s = 0; s < 2; s++)
            for (size_t i = 0; i < t->slices[s].batch->count; i++)
                for (int m = 0; m < 2; m++)
                    for (int r = 0; r < t->slices[s].batch->rows[i].features.bag_count; r++)
                        seen[m] += t->slices[s].batch->rows[i].features.bag[r] ==
                                   BAG_PIECE + CHESS_KING * 64 + (m ? 7 : 0);
        assert_int_equal(seen[0] + seen[1], 32);
        assert_true(o.epochs == 1 ? seen[1] == 0 : seen[0] > 4 && seen[1] > 4);
        chess_trainer_free(t);
    }
    /* not of a million, where there is no lack of real ones */
    struct chess_sample_source many = source_of(&set);
    struct chess_trainer *t;
    many.count = 1000000;
    assert_ok(chess_trainer_new(&o, &many, NULL, &t));
    assert_true(t->mirrored == 0);
    chess_trainer_free(t);
    free(set.samples);
}

/* ------------------------------------------------------------------ the average of the weights */

/* What is saved is the average of the weights; at first that is the weights. */
static void test_the_average_is_what_is_saved(void **state)
{
    struct sample_set set = samples_make(62, 600);
    struct chess_train_options o = small_options();
    for (int round = 0; round < 2; round++) {
        o.epochs = round ? 12 : 3;
        struct chess_trainer *t = trainer_of(&o, &set, NULL);
        struct chess_net *net;
        assert_ok(chess_trainer_run(t, NULL, NULL, NULL));
        assert_true((t->step > 160) == (round == 1));
        assert_ok(chess_trainer_net(t, &net));
        assert_memory_equal(net->weights, t->average, t->at.count * sizeof(float));
        bool same = memcmp(t->average, t->weights, t->at.count * sizeof(float)) == 0;
        assert_true(same == (round == 0));
        double away = 0, size = 0; /* a lag, no other network */
        for (size_t i = 0; i < t->at.count; i++) {
            away += pow((double)(t->average[i] - t->weights[i]), 2);
            size += pow((double)t->weights[i], 2);
        }
        assert_true(away < 0.01 * size);
        chess_net_free(net);
        chess_trainer_free(t);
    }
    free(set.samples);
}

/* In the middle of a training, where the average is not the weights: what a round judged is what is
 * kept. */
static void test_the_average_is_what_is_judged(void **state)
{
    struct sample_set set = samples_make(66, 512);
    struct chess_sample_source source = source_of(&set);
    struct chess_train_options o = small_options();
    o.epochs = 40;
    struct chess_trainer *t = trainer_of(&o, &set, &set);
    struct chess_net *net;
    struct chess_score score;
    run_to(t, 300);
    assert_ok(chess_trainer_net(t, &net));
    assert_ok(chess_net_score(net, &source, NULL, NULL, NULL, &score));
    double loss = score.log_loss + 0.25 * score.value_log_loss;
    assert_true(fabs(loss - t->best_loss) < 1e-5 * loss);
    chess_net_free(net);
    chess_trainer_free(t);
    free(set.samples);
}

/* ------------------------------------------------------------------ stopping */

static void test_cancel_keeps_the_state(void **state)
{
    struct sample_set set = samples_make(57, 400);
    struct chess_train_options o = small_options();
    o.epochs = 2000;
    struct chess_trainer *t = trainer_of(&o, &set, NULL);
    int64_t stop = 0; /* at the first tick */
    err e = chess_trainer_run(t, NULL, stop_at_step, &stop);
    assert_int_equal(e.code, ERR_CANCELLED);
    assert_true(t->step > 0 && t->step < t->step_total);
    int64_t step = t->step;
    struct buf checkpoint;
    buf_init(&checkpoint, 64 << 20);
    assert_ok(chess_trainer_checkpoint(t, &checkpoint));
    e = chess_trainer_run(t, NULL, stop_at_step, &stop); /* and goes on */
    assert_int_equal(e.code, ERR_CANCELLED);
    assert_true(t->step > step);
    buf_deinit(&checkpoint);
    chess_trainer_free(t);
    free(set.samples);
}

struct reports {
    int rounds;
    struct chess_train_report last;
};

static err keep_report(void *arg, const struct chess_train_report *r)
{
    struct reports *seen = arg;
    assert_true(r->progress >= seen->last.progress && r->progress <= 1 && r->eta_s >= 0);
    seen->rounds += r->evaluated;
    seen->last = *r;
    return OK;
}

/* A validation set that contradicts the training set: it can only get worse. */
static void test_early_stopping(void **state)
{
    struct sample_set train = samples_make(58, 200), valid = samples_make(58, 200);
    for (size_t i = 0; i < valid.count; i++) {
        chess_move moves[CHESS_MOVES_MAX];
        int count = chess_moves(&valid.samples[i].position, moves), pick = 0;
        while (pick + 1 < count && moves[pick] == valid.samples[i].move)
            pick++;
        valid.samples[i].move = moves[pick];
    }
    struct chess_train_options o = small_options();
    o.epochs = 200;
    o.patience = 3;
    struct chess_trainer *t = trainer_of(&o, &train, &valid);
    struct reports seen = { 0 };
    assert_ok(chess_trainer_run(t, NULL, keep_report, &seen));
    assert_true(t->step < t->step_total);
    assert_true(seen.rounds >= 4 && seen.last.evaluated);
    assert_true(isfinite(t->best_loss) && seen.last.valid_loss > t->best_loss);
    chess_trainer_free(t);
    free(train.samples);
    free(valid.samples);
}

enum { JUDGED = 187 };

struct counted_set {
    struct sample_set set;
    atomic_int judged[JUDGED];
};

static void counted_get(void *arg, size_t index, struct chess_sample *ret_sample)
{
    struct counted_set *c = arg;
    atomic_fetch_add(&c->judged[index], 1);
    *ret_sample = c->set.samples[index];
}

/* In a round each row of the validation set counts once, none twice in place of its neighbour. */
static void test_each_row_is_judged_once(void **state)
{
    struct sample_set train = samples_make(63, 100);
    struct counted_set valid = { .set = samples_make(64, JUDGED) };
    struct chess_sample_source train_source = source_of(&train);
    struct chess_sample_source valid_source = { JUDGED, counted_get, &valid };
    struct chess_train_options o = small_options();
    struct chess_trainer *t;
    struct reports seen = { 0 };
    assert_ok(chess_trainer_new(&o, &train_source, &valid_source, &t));
    assert_ok(chess_trainer_run(t, NULL, keep_report, &seen));
    assert_true(seen.rounds >= 1);
    for (int i = 0; i < JUDGED; i++)
        assert_int_equal(valid.judged[i], seen.rounds);
    chess_trainer_free(t);
    free(train.samples);
    free(valid.set.samples);
}

static void test_minutes_bound_the_training(void **state)
{
    struct sample_set set = samples_make(59, 300);
    struct chess_train_options o = small_options();
    o.epochs = CHESS_TRAIN_EPOCHS_MAX;
    o.minutes_max = 0.005;
    struct chess_trainer *t = trainer_of(&o, &set, &set);
    struct reports seen = { 0 };
    assert_ok(chess_trainer_run(t, NULL, keep_report, &seen));
    assert_true(t->step > 0 && t->step < t->step_total);
    assert_true(seen.last.progress == 1 && seen.last.evaluated && seen.rounds >= 1);
    assert_true(seen.last.samples_per_s > 0 && seen.last.loss > 0);
    chess_trainer_free(t);
    free(set.samples);
}

/* ------------------------------------------------------------------ refusals */

static void test_bad_options_are_refused(void **state)
{
    struct {
        struct chess_train_options o;
        const char *says;
    } cases[] = {
        { small_options(), "batch" },         { small_options(), "learning rate" },
        { small_options(), "learning rate" }, { small_options(), "weight decay" },
        { small_options(), "dropout" },       { small_options(), "epochs" },
        { small_options(), "minutes" },       { small_options(), "patience" },
        { small_options(), "threads" },       { small_options(), "size" },
        { small_options(), "epochs" },        { small_options(), "dropout" },
    };
    cases[0].o.batch_size = -1;
    cases[1].o.learning_rate = -0.1;
    cases[2].o.learning_rate = NAN;
    cases[3].o.weight_decay = NAN;
    cases[4].o.dropout = 1;
    cases[5].o.epochs = 0;
    cases[6].o.minutes_max = -1;
    cases[7].o.patience = -2;
    cases[8].o.threads = 1000;
    cases[9].o.size = (enum chess_net_size)9;
    cases[10].o.epochs = CHESS_TRAIN_EPOCHS_MAX + 1;
    cases[11].o.dropout = NAN;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        err e = chess_train_options_check(&cases[i].o);
        assert_int_equal(e.code, ERR_INVALID);
        assert_non_null(strstr(e.msg, cases[i].says));
    }
    struct chess_train_options good = chess_train_defaults(100000);
    assert_ok(chess_train_options_check(&good));
    struct chess_train_options empty = { .epochs = 1, .weight_decay = -1, .dropout = -1 };
    assert_ok(chess_train_options_check(&empty));
    struct chess_sample_source nothing = { 0 };
    struct chess_trainer *t = NULL;
    assert_int_equal(chess_trainer_new(&good, &nothing, NULL, &t).code, ERR_INVALID);
    assert_null(t);
}

/* One sample with an illegal move among good ones must not train anything, nor stop the rest. */
static void test_illegal_samples_are_left_out(void **state)
{
    struct sample_set set = samples_make(60, 100);
    for (size_t i = 0; i < set.count; i += 2)
        set.samples[i].move = CHESS_MOVE_NONE;
    struct chess_train_options o = small_options();
    struct chess_trainer *t = trainer_of(&o, &set, &set);
    struct reports seen = { 0 };
    assert_ok(chess_trainer_run(t, NULL, keep_report, &seen));
    for (size_t i = 0; i < t->at.count; i++)
        assert_true(isfinite(t->weights[i]));
    for (size_t i = 0; i < set.count; i++)
        set.samples[i].move = CHESS_MOVE_NONE;
    chess_trainer_free(t);
    t = trainer_of(&o, &set, &set);
    assert_ok(chess_trainer_run(t, NULL, NULL, NULL)); /* nothing but bad samples */
    for (size_t i = 0; i < t->at.count; i++)
        assert_true(isfinite(t->weights[i]));
    chess_trainer_free(t);
    free(set.samples);
}

static void test_bad_checkpoints_are_refused(void **state)
{
    struct sample_set set = samples_make(61, 200);
    struct chess_train_options o = small_options();
    struct chess_trainer *t = trainer_of(&o, &set, &set), *other;
    struct buf b;
    buf_init(&b, 64 << 20);
    run_to(t, 5);
    assert_ok(chess_trainer_checkpoint(t, &b));
    uint64_t before = weights_hash(t);
    static const size_t lengths[] = { 0, 5, 31, 40, 200 };
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++)
        assert_int_equal(chess_trainer_restore(t, str_sub(buf_str(&b), 0, lengths[i])).code,
                         ERR_CORRUPT);
    b.ptr[b.len / 2] ^= 4;
    assert_int_equal(chess_trainer_restore(t, buf_str(&b)).code, ERR_CORRUPT);
    b.ptr[b.len / 2] ^= 4;
    assert_true(weights_hash(t) == before);
    /* another training's */
    o.seed++;
    other = trainer_of(&o, &set, &set);
    assert_int_equal(chess_trainer_restore(other, buf_str(&b)).code, ERR_CONFLICT);
    chess_trainer_free(other);
    o.seed--;
    set.count--;
    other = trainer_of(&o, &set, &set);
    assert_int_equal(chess_trainer_restore(other, buf_str(&b)).code, ERR_CONFLICT);
    chess_trainer_free(other);
    assert_ok(chess_trainer_restore(t, buf_str(&b)));
    /* a checkpoint needs room */
    struct buf tiny;
    buf_init(&tiny, 1000);
    assert_int_equal(chess_trainer_checkpoint(t, &tiny).code, ERR_TOO_BIG);
    buf_deinit(&tiny);
    buf_deinit(&b);
    chess_trainer_free(t);
    chess_trainer_free(NULL);
    free(set.samples);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_overfits_a_tiny_set),
        cmocka_unit_test(test_generalises),
        cmocka_unit_test(test_repeatable_with_and_without_threads),
        cmocka_unit_test(test_resume_is_exact),
        cmocka_unit_test(test_order_is_a_permutation),
        cmocka_unit_test(test_mirrored_samples),
        cmocka_unit_test(test_samples_that_come_again_are_mirrored),
        cmocka_unit_test(test_the_average_is_what_is_saved),
        cmocka_unit_test(test_the_average_is_what_is_judged),
        cmocka_unit_test(test_cancel_keeps_the_state),
        cmocka_unit_test(test_early_stopping),
        cmocka_unit_test(test_each_row_is_judged_once),
        cmocka_unit_test(test_minutes_bound_the_training),
        cmocka_unit_test(test_bad_options_are_refused),
        cmocka_unit_test(test_illegal_samples_are_left_out),
        cmocka_unit_test(test_bad_checkpoints_are_refused),
    };
    chess_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
