/* SPDX-License-Identifier: GPL-3.0-or-later */
/* score.c -- judging a network on samples. The samples are cut into a fixed number of shards, so
 * that the sums are the same on any number of threads. */
#include <math.h>
#include <stdlib.h>

#include "engine/chess/net.h"
#include "engine/learn/metrics.h"

enum { SHARDS = 64 };

struct shard {
    struct learn_tally tally;
    double value_loss;
    uint64_t outcomes[3]; /* win, draw, loss */
};

struct score_work {
    const struct chess_net *net;
    const struct chess_sample_source *samples;
    bool (*include)(void *arg, const struct chess_sample *s);
    void *arg;
    struct shard *shards;
};

static void judge(struct shard *shard, const struct chess_net *net, const struct chess_sample *s)
{
    struct chess_prediction p;
    int truth = 0;

    chess_net_predict(net, &s->position, &s->conditions, &p);
    while (truth < p.move_count && p.moves[truth] != s->move)
        truth++;
    if (truth == p.move_count)
        return;
    learn_tally_add(&shard->tally, p.probability, (size_t)p.move_count, (size_t)truth);
    if (s->outcome < -1 || s->outcome > 1)
        return;
    const float value[3] = { p.win, p.draw, p.loss };
    double chance = (double)value[1 - s->outcome];
    shard->outcomes[1 - s->outcome]++;
    shard->value_loss -= log(chance > LEARN_PROBABILITY_MIN ? chance : LEARN_PROBABILITY_MIN);
}

static void judge_shard(void *arg, size_t index)
{
    struct score_work *w = arg;
    size_t end = (size_t)((double)w->samples->count * (double)(index + 1) / SHARDS);
    struct chess_sample s;

    if (index + 1 == SHARDS)
        end = w->samples->count;
    for (size_t i = (size_t)((double)w->samples->count * (double)index / SHARDS); i < end; i++) {
        w->samples->get(w->samples->arg, i, &s);
        if (!w->include || w->include(w->arg, &s))
            judge(&w->shards[index], w->net, &s);
    }
}

/* Log loss of always saying how often each outcome occurs here. */
static double baseline_loss(const uint64_t outcomes[3], double total)
{
    double loss = 0;
    for (int i = 0; i < 3; i++)
        if (outcomes[i])
            loss -= (double)outcomes[i] / total * log((double)outcomes[i] / total);
    return loss;
}

err chess_net_score(const struct chess_net *net, const struct chess_sample_source *samples,
                    bool (*include)(void *arg, const struct chess_sample *s), void *arg,
                    struct pool *pool, struct chess_score *ret_score)
{
    struct score_work w = { .net = net, .samples = samples, .include = include, .arg = arg };
    struct shard all = { 0 };

    w.shards = calloc(SHARDS, sizeof *w.shards);
    if (!w.shards)
        return ERR(ERR_NO_MEMORY, "no memory to judge %zu positions", samples->count);
    pool_each(pool, SHARDS, judge_shard, &w);
    for (int i = 0; i < SHARDS; i++) {
        learn_tally_merge(&all.tally, &w.shards[i].tally);
        all.value_loss += w.shards[i].value_loss;
        for (int o = 0; o < 3; o++)
            all.outcomes[o] += w.shards[i].outcomes[o];
    }
    free(w.shards);

    double count = all.tally.count ? (double)all.tally.count : 1;
    double valued = (double)(all.outcomes[0] + all.outcomes[1] + all.outcomes[2]);
    struct chess_score score = {
        .positions = all.tally.count,
        .top1 = (double)all.tally.top1 / count,
        .top3 = (double)all.tally.top3 / count,
        .top5 = (double)all.tally.top5 / count,
        .log_loss = all.tally.log_loss / count,
        .ece = learn_tally_ece(&all.tally),
    };
    if (valued > 0) {
        score.value_log_loss = all.value_loss / valued;
        score.value_baseline_log_loss = baseline_loss(all.outcomes, valued);
    }
    for (int b = 0; b < LEARN_BINS; b++) {
        double in_bin = all.tally.bin_count[b] ? (double)all.tally.bin_count[b] : 1;
        score.bin_count[b] = all.tally.bin_count[b];
        score.bin_confidence[b] = all.tally.bin_confidence[b] / in_bin;
        score.bin_accuracy[b] = (double)all.tally.bin_hits[b] / in_bin;
    }
    *ret_score = score;
    return OK;
}
