/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/learn/lbfgs.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MEMORY = 10, TRIES_MAX = 30 };
/* Sufficient decrease and curvature: the values that Nocedal and Wright give for quasi-Newton. */
#define DECREASE 1e-4
#define CURVATURE 0.9
/* A gain below this share of the value is rounding. */
#define GAIN_MIN 1e-10

struct search {
    const struct learn_lbfgs *problem;
    double *x, *gradient; /* where we are */
    double value;
    double *trial, *trial_gradient; /* where the line search last looked */
    double *direction;
    double *steps[MEMORY], *changes[MEMORY]; /* of x and of the gradient, as a ring */
    double scale[MEMORY];                    /* 1 / (step . change) */
    int stored, newest;
};

static double dot(const double *a, const double *b, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += a[i] * b[i];
    return sum;
}

/* ------------------------------------------------------------------ direction */

/* The two-loop recursion: direction = -H * gradient. */
static void find_direction(struct search *s)
{
    size_t n = s->problem->count;
    double share[MEMORY];
    for (size_t i = 0; i < n; i++)
        s->direction[i] = -s->gradient[i];
    for (int k = 0; k < s->stored; k++) {
        int at = (s->newest - k + MEMORY) % MEMORY;
        share[at] = s->scale[at] * dot(s->steps[at], s->direction, n);
        for (size_t i = 0; i < n; i++)
            s->direction[i] -= share[at] * s->changes[at][i];
    }
    if (s->stored > 0) {
        const double *change = s->changes[s->newest];
        double first = 1 / (s->scale[s->newest] * dot(change, change, n));
        for (size_t i = 0; i < n; i++)
            s->direction[i] *= first;
    }
    for (int k = s->stored - 1; k >= 0; k--) {
        int at = (s->newest - k + MEMORY) % MEMORY;
        double back = s->scale[at] * dot(s->changes[at], s->direction, n);
        for (size_t i = 0; i < n; i++)
            s->direction[i] += (share[at] - back) * s->steps[at][i];
    }
}

/* Keeps the step that was made, if the curvature along it is positive as the recursion needs. */
static void remember(struct search *s)
{
    size_t n = s->problem->count;
    int at = (s->newest + 1) % MEMORY;
    for (size_t i = 0; i < n; i++) {
        s->steps[at][i] = s->trial[i] - s->x[i];
        s->changes[at][i] = s->trial_gradient[i] - s->gradient[i];
    }
    double along = dot(s->steps[at], s->changes[at], n);
    if (!(along > 1e-12 * dot(s->changes[at], s->changes[at], n)))
        return;
    s->scale[at] = 1 / along;
    s->newest = at;
    s->stored = s->stored < MEMORY ? s->stored + 1 : MEMORY;
}

/* ------------------------------------------------------------------ line search */

/* A place on the line: step, value and slope there. */
struct place {
    double step, value, slope;
};

static struct place look(struct search *s, double step)
{
    size_t n = s->problem->count;
    struct place p = { .step = step };
    for (size_t i = 0; i < n; i++)
        s->trial[i] = s->x[i] + step * s->direction[i];
    p.value = s->problem->function(s->problem->arg, s->trial, s->trial_gradient);
    p.slope = dot(s->trial_gradient, s->direction, n);
    if (!isfinite(p.value) || !isfinite(p.slope))
        p.value = INFINITY; /* too far */
    return p;
}

static bool is_low(const struct place *start, const struct place *p)
{
    return p->value <= start->value + DECREASE * p->step * start->slope;
}

static bool is_flat(const struct place *start, const struct place *p)
{
    return fabs(p->slope) <= -CURVATURE * start->slope;
}

/* Where the cubic through both ends is least, kept off the ends; the middle, where there is none.
 */
static double between(const struct place *a, const struct place *b)
{
    double width = b->step - a->step, middle = a->step + width / 2;
    if (!isfinite(b->value) || !isfinite(a->value))
        return middle;
    double d1 = a->slope + b->slope - 3 * (a->value - b->value) / (a->step - b->step);
    double square = d1 * d1 - a->slope * b->slope;
    if (!(square >= 0))
        return middle;
    double d2 = copysign(sqrt(square), width);
    double step = b->step - width * (b->slope + d2 - d1) / (b->slope - a->slope + 2 * d2);
    double low = fmin(a->step, b->step), high = fmax(a->step, b->step);
    if (!(step > low + 0.1 * (high - low) && step < high - 0.1 * (high - low)))
        return middle;
    return step;
}

/* Algorithm 3.6: a place between `low`, which is the best so far, and `high`, that satisfies both
 * conditions. The trial is left at the place returned; step 0: there is none. */
static struct place zoom(struct search *s, const struct place *start, struct place low,
                         struct place high, int tries)
{
    for (; tries < TRIES_MAX; tries++) {
        struct place p = look(s, between(&low, &high));
        if (!is_low(start, &p) || p.value >= low.value) {
            high = p;
            continue;
        }
        if (is_flat(start, &p))
            return p;
        if (p.slope * (high.step - low.step) >= 0)
            high = low;
        low = p;
    }
    /* lower than the start is good enough; the curvature is checked when it is remembered */
    return low.step > 0 ? look(s, low.step) : (struct place){ .step = 0 };
}

/* Algorithm 3.5. */
static struct place line_search(struct search *s, double step)
{
    struct place start = { 0, s->value, dot(s->gradient, s->direction, s->problem->count) };
    struct place previous = start;
    if (!(start.slope < 0))
        return (struct place){ .step = 0 };
    for (int tries = 0; tries < TRIES_MAX; tries++) {
        struct place p = look(s, step);
        if (!is_low(&start, &p) || (tries > 0 && p.value >= previous.value))
            return zoom(s, &start, previous, p, tries);
        if (is_flat(&start, &p))
            return p;
        if (p.slope >= 0)
            return zoom(s, &start, p, previous, tries);
        previous = p;
        step *= 2;
    }
    return previous;
}

/* ------------------------------------------------------------------ iterations */

static bool has_converged(const struct search *s)
{
    size_t n = s->problem->count;
    double size = sqrt(dot(s->x, s->x, n));
    return sqrt(dot(s->gradient, s->gradient, n)) <= s->problem->tolerance * fmax(1, size);
}

static void swap(double **a, double **b)
{
    double *kept = *a;
    *a = *b;
    *b = kept;
}

static err iterate(struct search *s, enum learn_lbfgs_end *ret_end)
{
    const struct learn_lbfgs *problem = s->problem;
    *ret_end = LEARN_LBFGS_CONVERGED;
    for (int i = 1; !has_converged(s); i++) {
        bool stop = false;
        if (i > problem->iterations) {
            *ret_end = LEARN_LBFGS_ITERATIONS;
            return OK;
        }
        find_direction(s);
        /* without a memory the direction has the length of the gradient, which means nothing */
        double norm = sqrt(dot(s->gradient, s->gradient, problem->count));
        struct place p = line_search(s, s->stored ? 1 : fmin(1, 1 / norm));
        if (!(p.step > 0) || !(p.value <= s->value)) {
            if (s->stored == 0) {
                *ret_end = LEARN_LBFGS_STUCK;
                return OK;
            }
            s->stored = 0; /* the memory misleads: once more, along the gradient */
            continue;
        }
        double gain = s->value - p.value;
        remember(s);
        swap(&s->x, &s->trial);
        swap(&s->gradient, &s->trial_gradient);
        s->value = p.value;
        struct learn_lbfgs_iteration told = { i, s->value, p.step, s->x };
        if (problem->after)
            TRY(problem->after(problem->arg, &told, &stop));
        if (stop) {
            *ret_end = LEARN_LBFGS_STOPPED;
            return OK;
        }
        if (gain <= GAIN_MIN * fmax(fabs(s->value), 1e-300))
            return OK;
    }
    return OK;
}

err learn_lbfgs_minimise(const struct learn_lbfgs *problem, double *x, double *ret_value,
                         enum learn_lbfgs_end *ret_end)
{
    struct search s = { .problem = problem };
    size_t n = problem->count;
    double *memory = calloc(n, (5 + 2 * MEMORY) * sizeof *memory);
    enum learn_lbfgs_end end = LEARN_LBFGS_STUCK;
    if (!memory)
        return ERR(ERR_NO_MEMORY, "no memory to minimise over %zu variables", n);
    s.x = memory;
    s.gradient = memory + n;
    s.trial = memory + 2 * n;
    s.trial_gradient = memory + 3 * n;
    s.direction = memory + 4 * n;
    for (int k = 0; k < MEMORY; k++) {
        s.steps[k] = memory + (5 + 2 * (size_t)k) * n;
        s.changes[k] = s.steps[k] + n;
    }
    memcpy(s.x, x, n * sizeof *x);
    s.value = problem->function(problem->arg, s.x, s.gradient);
    err e = isfinite(s.value)
                ? iterate(&s, &end)
                : ERR(ERR_INVALID, "the function to minimise is %g at the start", s.value);
    if (!e.code) {
        memcpy(x, s.x, n * sizeof *x);
        *ret_value = s.value;
        *ret_end = end;
    }
    free(memory);
    return e;
}
