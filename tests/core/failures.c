/* What happens when memory runs out, when a gradient is not there, and when the tape is used wrongly. */
#include "core/wick.h"

#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

static void count_release(void *arg)
{
    ++*(int *)arg;
}

static wk_tensor twice(wk_ctx *c, void *arg, wk_tensor x)
{
    return wk_gelu(c, wk_affine(c, wk_gelu(c, x), *(wk_tensor *)arg, wk_none()));
}

static void halve(wk_ctx *c, void *arg)
{
    wk_tensor x = *(wk_tensor *)arg;
    wk_copy_into(c, x, wk_mul(c, x, wk_scalar(c, 0.5)));
}

struct result {
    float grad, second, attended, picked, replayed;
    int   wrapped, released, forgotten;
    char  text[64];
};

static void square(wk_ctx *c, void *arg, const wk_tensor *x, wk_tensor *y)
{
    (void)arg;
    y[0] = wk_square(c, x[0]);
}
static void square_back(wk_ctx *c, void *arg, const wk_tensor *x, const wk_tensor *y, const wk_tensor *dy,
                        wk_tensor *dx)
{
    (void)arg, (void)y;
    dx[0] = wk_mul(c, dy[0], wk_add(c, x[0], x[0]));
}
static wk_tensor half_of(wk_ctx *c, void *arg, wk_tensor g)
{
    (void)arg;
    return wk_mul(c, g, wk_scalar(c, 0.5));
}
static void sigmoid_of(wk_ctx *c, void *arg, const wk_tensor *x, wk_tensor *y)
{
    (void)arg;
    y[0] = wk_sigmoid(c, x[0]);
}

/* A function of one's own, a hook, second derivatives and their check. */
static void second_order(wk_ctx *c, wk_tensor x, struct result *r)
{
    static const wk_function f = {
        .name = "square", .forward = square, .backward = square_back, .release = count_release, .n_out = 1};
    wk_tensor y, dx;
    wk_tape_begin(c);
    const wk_tensor p = wk_track(c, x);
    wk_apply(c, &f, &r->forgotten, 1, &p, &y);
    wk_register_hook(c, y, half_of, NULL);
    const wk_tensor s = wk_sum(c, wk_prod(c, wk_softmax(c, y, -1), WK_DIMS(1), false), WK_ALL_DIMS, false);
    wk_grad_of(c, 1, &s, NULL, 1, &p, &dx, (wk_grad_opts){.create_graph = true});
    wk_backward(c, wk_sum(c, wk_abs(c, dx), WK_ALL_DIMS, false));
    wk_read(c, wk_sum(c, wk_abs(c, wk_grad(c, p)), WK_ALL_DIMS, false), &r->second);
    wk_tape_end(c);
    const wk_tensor few = wk_cast(c, wk_narrow(c, wk_narrow(c, x, 0, 0, 1), 1, 0, 2), WK_f64);
    wk_gradgradcheck(c, sigmoid_of, NULL, 1, &few, (wk_gradcheck_opts){0});
}

static void both(wk_ctx *c, void *arg, const wk_tensor *x, wk_tensor *y)
{
    y[0] = twice(c, arg, x[0]);
    y[1] = wk_tanh(c, x[1]);
}

/* Checkpoints, gradient, attention, rotation, indices, a step, wrapped memory, text: all on one context. */
static void script(wk_ctx *c, struct result *r)
{
    static const float data[16] = {1, -2, 3, -4, 5, -6, 7, -8, 8, 7, -6, 5, -4, 3, -2, 1};
    *r = (struct result){0};
    const wk_scope s = wk_scope_begin(c);
    wk_tensor      x = wk_wrap(c, data, WK_f32, WK_SHAPE(4, 4), count_release, &r->released);
    r->wrapped = !wk_is_none(x);
    wk_tape_begin(c);
    wk_tensor p = wk_track(c, x), w = wk_track(c, wk_mul(c, x, wk_scalar(c, 0.1)));
    wk_tensor y = wk_checkpoint(c, twice, &w, p);
    wk_tensor two[2];
    wk_checkpoint_n(c, both, &w, 2, (wk_tensor[]){p, y}, 2, two);
    wk_backward(c, wk_mean(c, wk_add(c, wk_square(c, y), wk_mul(c, two[0], two[1])), WK_ALL_DIMS, false));
    wk_tensor g = wk_add(c, wk_grad(c, p), wk_grad(c, w));
    wk_tape_end(c);
    wk_read(c, wk_sum(c, wk_abs(c, g), WK_ALL_DIMS, false), &r->grad);
    second_order(c, wk_mul(c, x, wk_scalar(c, 0.25)), r);
    wk_tensor q = wk_reshape(c, x, WK_SHAPE(1, 4, 4));
    q = wk_rope(c, q, wk_arange(c, 0, 4, 1, WK_i64), wk_full(c, 0.5, WK_f32, WK_SHAPE(2)), (wk_rope_opts){0});
    q = wk_attend(c, q, q, q, (wk_attend_opts){.causal = true});
    wk_read(c, wk_sum(c, q, WK_ALL_DIMS, false), &r->attended);
    wk_tensor i = wk_make(c, (int64_t[]){3, 0, 3}, WK_i64, WK_SHAPE(3));
    wk_tensor picked =
        wk_scatter_add(c, wk_zeros(c, WK_f32, WK_SHAPE(4, 4)), 0,
                       wk_expand(c, wk_unsqueeze(c, i, 1), WK_SHAPE(3, 4)), wk_index_select(c, x, 0, i));
    wk_read(c, wk_amax(c, picked, WK_ALL_DIMS, false), &r->picked);
    wk_tensor cell = wk_full(c, 1, WK_f32, WK_SHAPE(3));
    wk_step  *step = wk_capture(c, halve, &cell);
    wk_replay(step);
    wk_step_free(step);
    wk_read(c, wk_select(c, cell, 0, 2), &r->replayed);
    wk_format(c, wk_cast(c, i, WK_i32), r->text, sizeof r->text);
    wk_tape_end(c);
    wk_scope_end(c, s, wk_none());
}

static void expect_right(const struct result *r, const struct result *right, int64_t n, const char *message)
{
    cr_assert(r->grad == right->grad && r->second == right->second && r->attended == right->attended &&
                  r->picked == right->picked && r->replayed == right->replayed &&
                  strcmp(r->text, right->text) == 0,
              "allocation %lld: %s: %g %g %g %g %s", (long long)n, message, (double)r->grad,
              (double)r->attended, (double)r->picked, (double)r->replayed, r->text);
}

Test(failures, any_allocation_of_any_part)
{
    struct result right, r;
    wk_ctx       *c = wk_ctx_new("cpu");
    wk_set_threads(c, 1);
    script(c, &right);
    cr_assert_eq(wk_ctx_status(c), WK_OK, "%s", wk_ctx_message(c));
    cr_assert(right.second > 0 && right.forgotten == 1);
    cr_assert(right.grad > 0 && isfinite(right.attended) && right.released == 1);
    cr_assert_eq(right.picked, 6.0f, "%g", (double)right.picked); /* twice x[3][1] */
    cr_assert_eq(right.replayed, 0.125f);
    cr_assert_str_eq(right.text, "tensor([3, 0, 3], dtype=i32)");
    wk_ctx_free(c);
    int64_t tried = 0;
    for (int keep = 0; keep < 2; keep++)
        for (int64_t n = 1;; n++, tried++) {
            cr_assert_lt(n, 5000, "the script never gets through");
            c = wk_ctx_new("cpu");
            wk_set_threads(c, 1);
            wk_alloc_fail_at(n, keep);
            script(c, &r);
            const int64_t made = wk_alloc_fail_at(0, false);
            cr_assert_eq(r.released, r.wrapped, "allocation %lld: released %d times", (long long)n,
                         r.released);
            cr_assert_eq(r.forgotten, 1, "allocation %lld: forgotten %d times", (long long)n, r.forgotten);
            const bool failed = wk_ctx_status(c) != WK_OK;
            if (!failed) expect_right(&r, &right, n, "no error");
            if (failed) {
                cr_assert_eq(wk_ctx_status(c), WK_ENOMEM, "allocation %lld: %s", (long long)n,
                             wk_ctx_message(c));
                wk_ctx_clear(c);
            }
            cr_assert_eq(wk_memory_stats(c).in_use, 0, "allocation %lld leaks", (long long)n);
            script(c, &r);
            expect_right(&r, &right, n, wk_ctx_message(c));
            wk_ctx_free(c);
            if (made < n) break;
        }
    cr_assert_gt(tried, 100, "%lld allocations only", (long long)tried);
}

Test(failures, a_failing_wrap_keeps_its_hands_off)
{
    static const float data[2] = {1, 2};
    int                released = 0;
    wk_ctx            *c = wk_ctx_new("cpu");
    cr_assert(wk_is_none(wk_wrap(c, data, WK_f32, WK_SHAPE(-2), count_release, &released)));
    cr_assert_eq(wk_ctx_status(c), WK_ESHAPE, "%s", wk_ctx_message(c));
    wk_wrap(c, data, WK_f32, WK_SHAPE(2), count_release, &released); /* the context has failed */
    wk_ctx_clear(c);
    wk_wrap(c, NULL, WK_f32, WK_SHAPE(2), count_release, &released);
    cr_assert_eq(wk_ctx_status(c), WK_EARG, "%s", wk_ctx_message(c));
    wk_ctx_free(c);
    cr_assert_eq(released, 0);
}

/* Each takes a tracked x [2, 2] through an op without a gradient. */
static void no_gradient(wk_ctx *c, wk_tensor x, int i)
{
    wk_tensor zeros = wk_zeros(c, WK_f32, WK_SHAPE(1, 2, 2)), start = wk_zeros(c, WK_i64, WK_SHAPE(1));
    if (i == 0) wk_copy_into(c, wk_zeros(c, WK_f32, WK_SHAPE(2, 2)), x);
    if (i == 1) wk_cache_write(c, zeros, wk_unsqueeze(c, x, 0), start);
    if (i == 2) wk_add_into(c, wk_zeros(c, WK_f32, WK_SHAPE(2, 2)), x, -0.5);
    if (i == 3) wk_lerp_into(c, wk_zeros(c, WK_f32, WK_SHAPE(2, 2)), x, wk_scalar(c, 0.5));
}

Test(failures, an_op_without_a_gradient_says_so)
{
    static const char *const names[] = {"copy_into", "cache_write", "add_into", "lerp_into"};
    wk_ctx                  *c = wk_ctx_new("cpu");
    for (int i = 0; i < 4; i++) {
        wk_tape_begin(c);
        wk_tensor x = wk_track(c, wk_full(c, 2, WK_f32, WK_SHAPE(2, 2)));
        no_gradient(c, wk_detach(c, x), i);
        cr_assert_eq(wk_ctx_status(c), WK_OK, "%s: %s", names[i], wk_ctx_message(c));
        const bool was = wk_no_grad(c, true);
        no_gradient(c, x, i);
        cr_assert_eq(wk_ctx_status(c), WK_OK, "%s: %s", names[i], wk_ctx_message(c));
        wk_no_grad(c, was);
        no_gradient(c, x, i);
        cr_assert_eq(wk_ctx_status(c), WK_ENOGRAD, "%s: %s", names[i], wk_ctx_message(c));
        cr_assert(strstr(wk_ctx_message(c), names[i]), "%s: %s", names[i], wk_ctx_message(c));
        wk_ctx_clear(c);
        wk_tape_end(c);
    }
    wk_ctx_free(c);
}

static void expect_error(wk_ctx *c, wk_status s, const char *start)
{
    cr_assert_eq(wk_ctx_status(c), s, "%s: %s", start, wk_ctx_message(c));
    cr_assert(strncmp(wk_ctx_message(c), start, strlen(start)) == 0, "%s: %s", start, wk_ctx_message(c));
    wk_ctx_clear(c);
}

Test(failures, wrong_uses_of_the_tape)
{
    wk_ctx   *c = wk_ctx_new("cpu");
    wk_tensor plain = wk_full(c, 3, WK_f32, WK_SCALAR_SHAPE);
    wk_track(c, plain);
    expect_error(c, WK_EARG, "track: no tape");
    wk_backward(c, plain);
    expect_error(c, WK_EARG, "backward: no tape");
    wk_grad(c, plain);
    expect_error(c, WK_EARG, "grad: ");
    wk_tape_begin(c);
    wk_track(c, wk_zeros(c, WK_i64, WK_SHAPE(2)));
    expect_error(c, WK_EDTYPE, "track: i64");
    wk_backward(c, plain);
    expect_error(c, WK_ENOGRAD, "backward: ");
    wk_tensor x = wk_track(c, wk_full(c, 3, WK_f32, WK_SHAPE(2)));
    wk_backward(c, x);
    expect_error(c, WK_ESHAPE, "backward: the result is [2]");
    wk_tensor y = wk_exp(c, x), one = wk_full(c, 1, WK_f32, WK_SHAPE(3));
    wk_backward_from(c, 1, &y, &one);
    expect_error(c, WK_ESHAPE, "backward: ");
    wk_tape_begin(c);
    x = wk_track(c, wk_make(c, (double[]){2, 3}, WK_f64, WK_SHAPE(2)));
    wk_tensor z[2] = {wk_square(c, x), wk_neg(c, x)};
    wk_tensor g[2] = {wk_make(c, (double[]){1, 10}, WK_f64, WK_SHAPE(2)),
                      wk_make(c, (double[]){5, 7}, WK_f64, WK_SHAPE(2))};
    double    out[2];
    cr_assert_eq(wk_backward_from(c, 2, z, g), WK_OK, "%s", wk_ctx_message(c));
    wk_read(c, wk_grad(c, x), out);
    cr_assert(out[0] == 2 * 2 * 1 - 5 && out[1] == 2 * 3 * 10 - 7, "%g %g", out[0], out[1]);
    wk_grad(c, z[0]);
    expect_error(c, WK_EARG, "grad: ");
    wk_ctx_free(c);
}

Test(failures, what_does_not_go_into_a_tensor_is_named)
{
    static const struct {
        wk_dtype    dst, x;
        wk_shape    shape;
        double      alpha;
        wk_status   status;
        const char *said;
    } cases[] = {{WK_f32, WK_f32, {1, {3}}, 1, WK_ESHAPE, "add_into: [3] does not broadcast to [2, 2]"},
                 {WK_f32, WK_f32, {3, {4, 2, 2}}, 1, WK_ESHAPE, "does not broadcast to [2, 2]"},
                 {WK_i32, WK_f32, {1, {2}}, 1, WK_EDTYPE, "add_into: a result of f32 does not go into i32"},
                 {WK_bool, WK_i32, {1, {2}}, 1, WK_EDTYPE, "add_into: a result of i32 does not go into bool"},
                 {WK_i32, WK_i32, {1, {2}}, 0.5, WK_EARG, "add_into: 0.5 times integers"}};
    wk_ctx *c = wk_ctx_new("cpu");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const wk_tensor dst = wk_full(c, 1, cases[i].dst, WK_SHAPE(2, 2));
        wk_add_into(c, dst, wk_full(c, 1, cases[i].x, cases[i].shape), cases[i].alpha);
        cr_assert_eq(wk_ctx_status(c), cases[i].status, "%zu: %s", i, wk_ctx_message(c));
        cr_assert(strstr(wk_ctx_message(c), cases[i].said), "%zu: %s", i, wk_ctx_message(c));
        wk_ctx_clear(c);
        cr_assert_eq(wk_item(c, wk_sum(c, wk_cast(c, dst, WK_f32), WK_ALL_DIMS, false)), 4);
    }
    wk_add_into(c, wk_none(), wk_scalar(c, 1), 1);
    cr_assert_eq(wk_ctx_status(c), WK_EARG, "%s", wk_ctx_message(c));
    wk_ctx_free(c);
}
