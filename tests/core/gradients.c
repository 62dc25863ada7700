/* The tape: accumulation, what stops it, recomputation, training. */
#include "core/wick.h"

#include <criterion/criterion.h>
#include <string.h>

static double grad_at(wk_ctx *c, wk_tensor x, int64_t i)
{
    return wk_item(c, wk_select(c, wk_flatten(c, wk_grad(c, x), 0, -1), 0, i));
}

Test(gradients, accumulate_and_stop)
{
    wk_ctx *c = wk_ctx_new("cpu");
    wk_tape_begin(c);
    wk_tensor      x = wk_track(c, wk_make(c, (double[]){1, 2, 3}, WK_f64, WK_SHAPE(3)));
    wk_tensor      unused = wk_track(c, x);
    const wk_scope s = wk_scope_begin(c);
    wk_tensor      y = wk_add(c, wk_mul(c, x, x), wk_mul(c, x, wk_detach(c, x))); /* 2x + x' */
    wk_no_grad(c, true);
    wk_tensor off = wk_exp(c, x);
    wk_no_grad(c, false);
    y = wk_scope_end(c, s, wk_sum(c, wk_add(c, y, off), WK_ALL_DIMS, false));
    cr_assert_eq(wk_backward(c, y), WK_OK, "%s", wk_ctx_message(c));
    for (int i = 0; i < 3; i++) cr_assert_eq(grad_at(c, x, i), 3.0 * (i + 1));
    cr_assert_eq(grad_at(c, unused, 1), 0.0);
    cr_assert_eq(wk_backward(c, y), WK_EARG, "a tape is walked once");
    wk_ctx_clear(c);
    wk_tape_begin(c);
    x = wk_track(c, wk_full(c, 2, WK_f32, WK_SHAPE(2)));
    wk_tensor i = wk_argmax(c, x, 0, false); /* integers stop the gradient */
    cr_assert_eq(i->node, 0);
    cr_assert_eq(wk_ctx_status(c), WK_OK);
    wk_copy_into(c, wk_zeros(c, WK_f32, WK_SHAPE(2)), x);
    cr_assert_eq(wk_ctx_status(c), WK_ENOGRAD);
    cr_assert(strstr(wk_ctx_message(c), "copy_into"), "%s", wk_ctx_message(c));
    wk_ctx_free(c);
}

struct layer {
    wk_tensor w;
};
static wk_tensor block(wk_ctx *c, void *arg, wk_tensor x)
{
    struct layer *l = arg;
    for (int i = 0; i < 6; i++) x = wk_tanh(c, wk_affine(c, x, l->w, wk_none()));
    return x;
}

Test(gradients, a_checkpoint_gives_the_same)
{
    double  g[2][2][9];
    int64_t used[2];
    for (int with = 0; with < 2; with++) {
        wk_ctx *c = wk_ctx_new("cpu");
        wk_seed(c, 3);
        wk_tensor w0 = wk_normal(c, 0, 1, WK_f64, WK_SHAPE(3, 3)),
                  x0 = wk_normal(c, 0, 1, WK_f64, WK_SHAPE(3, 3));
        struct layer l;
        wk_tape_begin(c);
        l.w = wk_track(c, w0);
        wk_tensor      x = wk_track(c, x0);
        const wk_scope s = wk_scope_begin(c);
        wk_tensor      y = wk_scope_end(c, s, with ? wk_checkpoint(c, block, &l, x) : block(c, &l, x));
        used[with] = wk_memory_stats(c).in_use;
        wk_backward(c, wk_sum(c, y, WK_ALL_DIMS, false));
        wk_read(c, wk_grad(c, x), g[with][0]);
        cr_assert_eq(wk_read(c, wk_grad(c, l.w), g[with][1]), WK_OK, "%s", wk_ctx_message(c));
        wk_ctx_free(c);
    }
    cr_assert(memcmp(g[0], g[1], sizeof g[0]) == 0);
    cr_assert(used[1] < used[0], "%lld with a checkpoint, %lld without", (long long)used[1],
              (long long)used[0]);
}

Test(gradients, a_small_network_learns)
{
    wk_ctx *c = wk_ctx_new("cpu");
    wk_seed(c, 1);
    wk_tensor x = wk_make(c, (float[]){0, 0, 0, 1, 1, 0, 1, 1}, WK_f32, WK_SHAPE(4, 2));
    wk_tensor t = wk_make(c, (int64_t[]){0, 1, 1, 0}, WK_i64, WK_SHAPE(4));
    wk_tensor w[4] = {wk_normal(c, 0, 1, WK_f32, WK_SHAPE(16, 2)), wk_zeros(c, WK_f32, WK_SHAPE(16)),
                      wk_normal(c, 0, 0.3, WK_f32, WK_SHAPE(2, 16)), wk_zeros(c, WK_f32, WK_SHAPE(2))};
    double    loss = 1e9;
    int64_t   before = 0;
    for (int i = 0; i < 300; i++) {
        const wk_scope s = wk_scope_begin(c);
        wk_tensor      p[4];
        wk_tape_begin(c);
        for (int k = 0; k < 4; k++) p[k] = wk_track(c, w[k]);
        wk_tensor y = wk_affine(c, wk_tanh(c, wk_affine(c, x, p[0], p[1])), p[2], p[3]);
        wk_tensor e = wk_cross_entropy(c, y, t, (wk_cross_entropy_opts){0});
        wk_backward(c, e);
        wk_no_grad(c, true);
        for (int k = 0; k < 4; k++)
            wk_copy_into(c, w[k], wk_sub(c, w[k], wk_mul(c, wk_grad(c, p[k]), wk_scalar(c, 0.5))));
        loss = wk_item(c, e);
        wk_tape_end(c);
        wk_no_grad(c, false);
        wk_scope_end(c, s, wk_none());
        if (i == 20) before = wk_memory_stats(c).allocations;
    }
    cr_assert_eq(wk_ctx_status(c), WK_OK, "%s", wk_ctx_message(c));
    cr_assert(loss < 0.05, "loss %g", loss);
    cr_assert_eq(wk_memory_stats(c).allocations, before, "blocks are asked for in the steady state");
    wk_ctx_free(c);
}
