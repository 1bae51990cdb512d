/* SPDX-License-Identifier: GPL-3.0-or-later */
/* adam.c -- the bookkeeping around the Adam kernel: moments, bias correction, schedule. */
#include "engine/learn/adam.h"

#include <math.h>
#include <stdlib.h>

double learn_schedule_rate(const struct learn_schedule *s, double progress)
{
    double at = progress < 0 ? 0 : progress > 1 ? 1 : progress;
    if (s->warm_up > 0 && at < s->warm_up)
        return s->rate * at / s->warm_up;
    double rest = s->warm_up < 1 ? (at - s->warm_up) / (1 - s->warm_up) : 1;
    double height = s->decay == LEARN_DECAY_COSINE ? 0.5 * (1 + cos(rest * 3.14159265358979323846))
                                                   : 1 - rest;
    return s->rate * (s->end_share + (1 - s->end_share) * height);
}

err learn_adam_init(struct learn_adam *a, size_t count)
{
    float *first = calloc(count ? count : 1, sizeof *first);
    float *second = calloc(count ? count : 1, sizeof *second);
    if (!first || !second) {
        free(first);
        free(second);
        return ERR(ERR_NO_MEMORY, "no memory for the moments of %zu weights", count);
    }
    *a = (struct learn_adam){
        .beta1 = 0.9,
        .beta2 = 0.999,
        .epsilon = 1e-8,
        .count = count,
        .first = first,
        .second = second,
    };
    return OK;
}

void learn_adam_deinit(struct learn_adam *a)
{
    free(a->first);
    free(a->second);
    *a = (struct learn_adam){ 0 };
}

struct learn_adam_factors learn_adam_next(struct learn_adam *a, double rate, double gradient_scale)
{
    a->step++;
    double t = (double)a->step;
    return (struct learn_adam_factors){
        .rate = (float)(rate / (1 - pow(a->beta1, t))),
        .beta1 = (float)a->beta1,
        .beta2 = (float)a->beta2,
        .second_scale = (float)(1 / (1 - pow(a->beta2, t))),
        .epsilon = (float)a->epsilon,
        .decay = (float)(rate * a->weight_decay),
        .gradient_scale = (float)gradient_scale,
    };
}
