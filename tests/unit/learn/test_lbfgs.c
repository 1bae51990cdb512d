/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The minimiser on functions whose least place is known: one that stops short leaves every
 * regression worse, without an error. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "engine/learn/lbfgs.h"

#define assert_near(a, b, tolerance) assert_true(fabs((a) - (b)) <= (tolerance))

enum { N = 20 };

/* Rosenbrock's banana in N dimensions, least at 1, 1, ...: a curved valley. */
static double banana(void *arg, const double *x, double *g)
{
    double sum = 0;
    memset(g, 0, N * sizeof *g);
    for (size_t i = 0; i + 1 < N; i++) {
        double a = x[i + 1] - x[i] * x[i], b = 1 - x[i];
        sum += 100 * a * a + b * b;
        g[i] += -400 * a * x[i] - 2 * b;
        g[i + 1] += 200 * a;
    }
    return sum;
}

/* A bowl, ten thousand times steeper in one direction than in another. */
static double bowl(void *arg, const double *x, double *g)
{
    double sum = 0;
    for (size_t i = 0; i < N; i++) {
        double steep = pow(10, 4.0 * (double)i / (N - 1)), gap = x[i] - (double)i;
        sum += steep * gap * gap / 2;
        g[i] = steep * gap;
    }
    return sum;
}

/* No number beyond 1: the search must come back from there. log is least at 0.5. */
static double cliff(void *arg, const double *x, double *g)
{
    double sum = 0;
    for (size_t i = 0; i < N; i++) {
        g[i] = -1 / x[i] + 1 / (1 - x[i]);
        sum -= log(x[i]) + log(1 - x[i]);
    }
    return sum;
}

/* Falls for ever, to -infinity. */
static double slide(void *arg, const double *x, double *g)
{
    for (size_t i = 0; i < N; i++)
        g[i] = i == 0;
    return x[0];
}

static err stop_at_three(void *arg, const struct learn_lbfgs_iteration *i, bool *stop)
{
    *stop = i->iteration == 3;
    return OK;
}

static err refuse(void *arg, const struct learn_lbfgs_iteration *i, bool *stop)
{
    return i->iteration == 2 ? ERR(ERR_CANCELLED, "enough") : OK;
}

static struct learn_lbfgs problem_of(learn_lbfgs_function f)
{
    return (struct learn_lbfgs){ .count = N, .iterations = 500, .tolerance = 1e-8, .function = f };
}

static void test_finds_the_least(void **state)
{
    struct learn_lbfgs problem = problem_of(banana);
    enum learn_lbfgs_end end;
    double x[N], again[N], value;
    for (size_t i = 0; i < N; i++)
        x[i] = again[i] = i % 2 ? 1 : -1.2;
    assert_int_equal(learn_lbfgs_minimise(&problem, x, &value, &end).code, ERR_NONE);
    assert_int_equal(end, LEARN_LBFGS_CONVERGED);
    assert_near(value, 0, 1e-12);
    for (size_t i = 0; i < N; i++)
        assert_near(x[i], 1, 1e-5);
    assert_int_equal(learn_lbfgs_minimise(&problem, again, &value, &end).code, ERR_NONE);
    assert_memory_equal(x, again, sizeof x);

    problem = problem_of(bowl);
    memset(x, 0, sizeof x);
    assert_int_equal(learn_lbfgs_minimise(&problem, x, &value, &end).code, ERR_NONE);
    for (size_t i = 0; i < N; i++)
        assert_near(x[i], (double)i, 1e-4);

    problem = problem_of(cliff);
    for (size_t i = 0; i < N; i++)
        x[i] = 1e-3 + (double)i / 25;
    assert_int_equal(learn_lbfgs_minimise(&problem, x, &value, &end).code, ERR_NONE);
    for (size_t i = 0; i < N; i++)
        assert_near(x[i], 0.5, 1e-5);
}

static void test_ends(void **state)
{
    struct learn_lbfgs problem = problem_of(slide);
    enum learn_lbfgs_end end;
    double x[N] = { 0 }, value = 7;
    problem.iterations = 5;
    problem.tolerance = 0;
    assert_int_equal(learn_lbfgs_minimise(&problem, x, &value, &end).code, ERR_NONE);
    assert_int_equal(end, LEARN_LBFGS_ITERATIONS);
    assert_true(value < -5);

    problem = problem_of(banana);
    problem.after = stop_at_three;
    memset(x, 0, sizeof x);
    assert_int_equal(learn_lbfgs_minimise(&problem, x, &value, &end).code, ERR_NONE);
    assert_int_equal(end, LEARN_LBFGS_STOPPED);
    problem.after = refuse;
    assert_int_equal(learn_lbfgs_minimise(&problem, x, &value, &end).code, ERR_CANCELLED);

    problem = problem_of(cliff);
    for (size_t i = 0; i < N; i++)
        x[i] = 2; /* no number */
    assert_int_equal(learn_lbfgs_minimise(&problem, x, &value, &end).code, ERR_INVALID);

    problem = problem_of(bowl);
    for (size_t i = 0; i < N; i++)
        x[i] = (double)i; /* there already */
    assert_int_equal(learn_lbfgs_minimise(&problem, x, &value, &end).code, ERR_NONE);
    assert_int_equal(end, LEARN_LBFGS_CONVERGED);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_finds_the_least),
                                        cmocka_unit_test(test_ends) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
