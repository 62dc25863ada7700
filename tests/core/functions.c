/* Functions with a gradient of one's own, and the public checks of gradients. */
#include "core/wick.h"

#include <criterion/criterion.h>
#include <string.h>

static wk_tensor leaf(wk_ctx *c)
{
    return wk_track(c, wk_make(c, (double[]){0.5, -1, 2}, WK_f64, WK_SHAPE(3)));
}
static double at(wk_ctx *c, wk_tensor x, int64_t i)
{
    return wk_item(c, wk_select(c, wk_flatten(c, x, 0, -1), 0, i));
}
static wk_tensor total(wk_ctx *c, wk_tensor x)
{
    return wk_sum(c, x, WK_ALL_DIMS, false);
}
static bool refused(wk_ctx *c, wk_status s, const char *part)
{
    const bool ok = wk_ctx_status(c) == s && strstr(wk_ctx_message(c), part);
    if (!ok) cr_log_error("%d: %s", (int)wk_ctx_status(c), wk_ctx_message(c));
    wk_ctx_clear(c);
    return ok;
}
#define FINE(c) cr_assert_eq(wk_ctx_status(c), WK_OK, "%s", wk_ctx_message(c))

/* ---- functions ---- */

/* y = a b, count of positives in a */
static void multiply(wk_ctx *c, void *arg, const wk_tensor *x, wk_tensor *y)
{
    (void)arg;
    y[0] = wk_mul(c, x[0], x[1]);
    y[1] = wk_sum(c, wk_gt(c, x[0], wk_scalar(c, 0)), WK_ALL_DIMS, false);
}
static void multiply_back(wk_ctx *c, void *arg, const wk_tensor *x, const wk_tensor *y, const wk_tensor *dy,
                          wk_tensor *dx)
{
    cr_assert(wk_is_none(dy[1]) && y[1]->dtype == WK_i64);
    if (arg) ++*(int *)arg;
    dx[0] = wk_mul(c, dy[0], x[1]);
    dx[1] = wk_mul(c, dy[0], x[0]);
}
static void count_release(void *arg)
{
    *(int *)arg += 100;
}
static const wk_function product = {
    .name = "product", .forward = multiply, .backward = multiply_back, .release = count_release, .n_out = 2};

Test(functions, record_and_differentiate)
{
    wk_ctx *c = wk_ctx_new("cpu");
    int     calls = 0;
    wk_tape_begin(c);
    const wk_tensor x[2] = {leaf(c), leaf(c)};
    wk_tensor       y[2], dx[2], ddx;
    wk_apply(c, &product, &calls, 2, x, y);
    cr_assert_eq(wk_item(c, y[1]), 2);
    const wk_tensor s = total(c, wk_square(c, y[0]));
    wk_grad_of(c, 1, &s, NULL, 2, x, dx, (wk_grad_opts){.create_graph = true});
    FINE(c);
    cr_assert_eq(at(c, dx[0], 2), 2 * 4 * 2);
    const wk_tensor up = total(c, dx[0]); /* 2 a b^2, by b: 4 a b */
    wk_grad_of(c, 1, &up, NULL, 1, &x[1], &ddx, (wk_grad_opts){.retain_graph = true});
    FINE(c);
    cr_assert_eq(at(c, ddx, 1), 4 * -1 * -1);
    cr_assert(calls >= 2 && calls < 100, "held while the tape is: %d", calls);
    wk_tape_end(c);
    cr_assert_geq(calls, 100);
    calls = 0; /* not recorded: released at once */
    wk_apply(c, &product, &calls, 2, (wk_tensor[]){wk_detach(c, x[0]), wk_detach(c, x[1])}, y);
    cr_assert_eq(calls, 100);
    cr_assert_eq(y[0]->node, 0);
    wk_ctx_free(c);
}

/* A clamp whose gradient goes straight through; it looks at no values. */
static void clamp(wk_ctx *c, void *arg, const wk_tensor *x, wk_tensor *y)
{
    const double *bound = arg;
    y[0] = wk_clamp(c, x[0], -*bound, *bound);
}
static void straight(wk_ctx *c, void *arg, const wk_tensor *x, const wk_tensor *y, const wk_tensor *dy,
                     wk_tensor *dx)
{
    (void)c, (void)arg, (void)x, (void)y;
    dx[0] = dy[0];
}
/* sum and difference; the gradient of a result that nobody used is zeros */
static void both(wk_ctx *c, void *arg, const wk_tensor *x, wk_tensor *y)
{
    (void)arg;
    y[0] = wk_add(c, x[0], x[1]);
    y[1] = wk_sub(c, x[0], x[1]);
}
static void both_back(wk_ctx *c, void *arg, const wk_tensor *x, const wk_tensor *y, const wk_tensor *dy,
                      wk_tensor *dx)
{
    (void)arg, (void)x, (void)y;
    dx[0] = wk_add(c, dy[0], dy[1]);
    dx[1] = wk_sub(c, dy[0], dy[1]);
}

Test(functions, keep_what_they_ask_for)
{
    static const wk_function f = {.name = "clamp_through",
                                  .forward = clamp,
                                  .backward = straight,
                                  .n_out = 1,
                                  .shapes_of_inputs = true,
                                  .shapes_of_outputs = true};
    static const wk_function g = {.name = "both", .forward = both, .backward = both_back, .n_out = 2};
    wk_ctx                  *c = wk_ctx_new("cpu");
    double                   bound = 1;
    wk_tensor                y[2];
    wk_tape_begin(c);
    const wk_tensor x = leaf(c), w = leaf(c);
    const wk_tensor h = wk_apply(c, &f, &bound, 1, &x, y);
    cr_assert(at(c, h, 2) == 1 && at(c, h, 1) == -1);
    wk_backward(c, total(c, wk_mul(c, h, h)));
    cr_assert_eq(at(c, wk_grad(c, x), 2), 2, "%s", wk_ctx_message(c));
    wk_apply(c, &g, NULL, 2, (wk_tensor[]){x, w}, y);
    wk_backward(c, total(c, wk_square(c, y[1])));
    FINE(c);
    cr_assert_eq(at(c, wk_grad(c, w), 2), 0);
    cr_assert_eq(at(c, wk_grad(c, x), 2), 2);
    wk_ctx_free(c);
}

static void nothing(wk_ctx *c, void *arg, const wk_tensor *x, const wk_tensor *y, const wk_tensor *dy,
                    wk_tensor *dx)
{
    (void)c, (void)arg, (void)x, (void)y, (void)dy, (void)dx;
}
static void too_long(wk_ctx *c, void *arg, const wk_tensor *x, const wk_tensor *y, const wk_tensor *dy,
                     wk_tensor *dx)
{
    (void)arg, (void)x, (void)y;
    dx[0] = wk_unsqueeze(c, dy[0], 0);
}
/* By hand, on the host: nothing of it is recorded. */
static void cube(wk_ctx *c, void *arg, const wk_tensor *x, wk_tensor *y)
{
    double v[3];
    (void)arg;
    wk_read(c, x[0], v);
    for (int i = 0; i < 3; i++) v[i] = v[i] * v[i] * v[i];
    y[0] = wk_make(c, v, WK_f64, WK_SHAPE(3));
}
static void cube_back(wk_ctx *c, void *arg, const wk_tensor *x, const wk_tensor *y, const wk_tensor *dy,
                      wk_tensor *dx)
{
    double v[3], g[3];
    (void)arg, (void)y;
    wk_read(c, x[0], v);
    wk_read(c, dy[0], g);
    for (int i = 0; i < 3; i++) v[i] = 3 * v[i] * v[i] * g[i];
    dx[0] = wk_make(c, v, WK_f64, WK_SHAPE(3));
}
static void empty(wk_ctx *c, void *arg, const wk_tensor *x, wk_tensor *y)
{
    (void)c, (void)arg, (void)x, (void)y;
}

Test(functions, errors_name_them)
{
    static const wk_function none = {.name = "mine", .forward = clamp, .backward = nothing, .n_out = 1},
                             long_one = {.name = "mine", .forward = clamp, .backward = too_long, .n_out = 1},
                             no_result = {.name = "mine", .forward = empty, .backward = nothing, .n_out = 1},
                             many = {.name = "mine", .forward = clamp, .backward = nothing, .n_out = 5},
                             by_hand = {.name = "cube",
                                        .forward = cube,
                                        .backward = cube_back,
                                        .n_out = 1,
                                        .once_differentiable = true};
    wk_ctx   *c = wk_ctx_new("cpu");
    double    bound = 1;
    wk_tensor y[5], dx;
    wk_tape_begin(c);
    const wk_tensor x = leaf(c);
    wk_backward(c, total(c, wk_apply(c, &none, &bound, 1, &x, y)));
    cr_assert(refused(c, WK_ENOGRAD, "mine: backward gave no gradient of operand 0"));
    wk_backward(c, total(c, wk_apply(c, &long_one, &bound, 1, &x, y)));
    cr_assert(refused(c, WK_ESHAPE, "mine: gradient of operand 0 is [1, 3], the operand [3]"));
    cr_assert(wk_is_none(wk_apply(c, &no_result, &bound, 1, &x, y)));
    cr_assert(refused(c, WK_EARG, "mine: forward gave no result 0"));
    cr_assert(wk_is_none(wk_apply(c, &many, &bound, 1, &x, y)));
    cr_assert(refused(c, WK_EARG, "mine: 5 results"));
    wk_tape_begin(c);
    const wk_tensor p = leaf(c), s = total(c, wk_apply(c, &by_hand, NULL, 1, &p, y));
    wk_grad_of(c, 1, &s, NULL, 1, &p, &dx, (wk_grad_opts){.create_graph = true});
    FINE(c);
    cr_assert_eq(at(c, dx, 2), 12);
    wk_backward(c, total(c, dx));
    cr_assert(refused(c, WK_ENOGRAD, "cube: once_differentiable"));
    wk_ctx_free(c);
}

/* ---- checks ---- */

static void fine(wk_ctx *c, void *arg, const wk_tensor *x, wk_tensor *y)
{
    (void)arg;
    y[0] = wk_matmul(c, x[0], wk_tanh(c, x[1]));
    y[1] = wk_argmax(c, x[0], 0, false);
    y[2] = wk_mul(c, wk_sum(c, x[1], WK_ALL_DIMS, false), wk_uniform(c, 0, 1, WK_f64, WK_SHAPE(2)));
}
/* The second row of the gradient is twice what it should be. */
static void bad_back(wk_ctx *c, void *arg, const wk_tensor *x, const wk_tensor *y, const wk_tensor *dy,
                     wk_tensor *dx)
{
    (void)arg, (void)y;
    const wk_tensor rows = wk_make(c, (double[]){1, 2}, WK_f64, WK_SHAPE(2, 1));
    dx[0] = wk_mul(c, wk_mul(c, dy[0], x[1]), rows);
    dx[1] = wk_mul(c, dy[0], x[0]);
}
static void bad(wk_ctx *c, void *arg, const wk_tensor *x, wk_tensor *y)
{
    static const wk_function f = {.name = "bad", .forward = multiply, .backward = bad_back, .n_out = 2};
    wk_tensor                both_of[2];
    (void)arg;
    y[0] = wk_apply(c, &f, NULL, 2, x, both_of);
}
/* A right gradient, whose own is cut: the factor is taken off the tape. */
static void cut_back(wk_ctx *c, void *arg, const wk_tensor *x, const wk_tensor *y, const wk_tensor *dy,
                     wk_tensor *dx)
{
    (void)arg, (void)y;
    dx[0] = wk_mul(c, dy[0], wk_detach(c, x[1]));
    dx[1] = wk_mul(c, dy[0], x[0]);
}
static void cut(wk_ctx *c, void *arg, const wk_tensor *x, wk_tensor *y)
{
    static const wk_function f = {.name = "cut", .forward = multiply, .backward = cut_back, .n_out = 2};
    wk_tensor                both_of[2];
    (void)arg;
    y[0] = wk_apply(c, &f, NULL, 2, x, both_of);
}

Test(functions, gradcheck)
{
    wk_ctx *c = wk_ctx_new("cpu");
    wk_seed(c, 5);
    wk_tensor x[2] = {wk_normal(c, 0, 1, WK_f64, WK_SHAPE(2, 3)), wk_normal(c, 0, 1, WK_f64, WK_SHAPE(3, 2))};
    x[1] = wk_transpose(c, wk_normal(c, 0, 1, WK_f64, WK_SHAPE(2, 3)), 0, 1);
    wk_tape_begin(c); /* rests meanwhile */
    const wk_tensor p = leaf(c), s = total(c, wk_square(c, p));
    for (int fast = 0; fast < 2; fast++) {
        const wk_gradcheck_opts o = {.n_out = 3, .fast_mode = fast};
        cr_assert_eq(wk_gradcheck(c, fine, NULL, 2, x, o), WK_OK, "%s", wk_ctx_message(c));
        cr_assert_eq(wk_gradgradcheck(c, fine, NULL, 2, x, o), WK_OK, "%s", wk_ctx_message(c));
    }
    x[1] = wk_expand(c, wk_normal(c, 0, 1, WK_f64, WK_SHAPE(1, 2)), WK_SHAPE(3, 2));
    cr_assert_eq(wk_gradcheck(c, fine, NULL, 2, x, (wk_gradcheck_opts){.n_out = 3}), WK_OK, "%s",
                 wk_ctx_message(c));
    wk_backward(c, s);
    FINE(c);
    cr_assert_eq(at(c, wk_grad(c, p), 2), 4);
    wk_ctx_free(c);
}

Test(functions, gradcheck_names_what_differs)
{
    wk_ctx         *c = wk_ctx_new("cpu");
    const wk_tensor x[2] = {wk_make(c, (double[]){1, 2, 3, 4}, WK_f64, WK_SHAPE(2, 2)),
                            wk_make(c, (double[]){5, 6, 7, 8}, WK_f64, WK_SHAPE(2, 2))};
    wk_gradcheck(c, bad, NULL, 2, x, (wk_gradcheck_opts){0});
    cr_assert(refused(c, WK_EGRADCHECK,
                      "gradcheck: input 0, element 2 [1, 0], output 0, element 2 [1, 0]: analytical 14, "
                      "numerical 7"));
    wk_gradcheck(c, bad, NULL, 2, x, (wk_gradcheck_opts){.fast_mode = true});
    cr_assert(refused(c, WK_EGRADCHECK, "gradcheck: input 0, element 2 [1, 0], along one direction"));
    const wk_gradcheck_opts not_first = {.fixed = 1};
    cr_assert_eq(wk_gradcheck(c, bad, NULL, 2, x, not_first), WK_OK, "%s", wk_ctx_message(c));
    cr_assert_eq(wk_gradcheck(c, cut, NULL, 2, x, (wk_gradcheck_opts){0}), WK_OK, "%s", wk_ctx_message(c));
    wk_gradgradcheck(c, cut, NULL, 2, x, (wk_gradcheck_opts){0});
    cr_assert(
        refused(c, WK_EGRADCHECK, "gradgradcheck: input 1, element 0 [0, 0], output 0, element 0 [0, 0]"));
    const wk_tensor narrow[2] = {wk_cast(c, x[0], WK_f32), x[1]};
    wk_gradcheck(c, bad, NULL, 2, narrow, (wk_gradcheck_opts){0});
    cr_assert(refused(c, WK_EDTYPE, "gradcheck: input 0 is f32"));
    wk_gradcheck(c, bad, NULL, 2, x, (wk_gradcheck_opts){.fixed = 3});
    cr_assert(refused(c, WK_EARG, "gradcheck: no input is checked"));
    wk_gradcheck(c, empty, NULL, 2, x, (wk_gradcheck_opts){0});
    cr_assert(refused(c, WK_EARG, "gradcheck: the function gave no result 0"));
    wk_ctx_free(c);
}
