/* Dropout: its statistics, its scale, its gradient; and that it is nothing outside of training. */
#include "nn/nn.h"

#include <criterion/criterion.h>
#include <math.h>

static double mean(wk_ctx *c, wk_tensor x)
{
    return wk_item(c, wk_mean(c, x, WK_ALL_DIMS, false));
}

Test(dropout, statistics_scale_and_eval)
{
    wk_ctx *c = wk_ctx_new("cpu");
    wk_seed(c, 3);
    wk_tensor x = wk_full(c, 2, WK_f32, WK_SHAPE(100, 1000));
    for (int i = 1; i < 10; i += 2) {
        const struct wk_dropout d = {.p = i / 10.0};
        const double            n = 1e5, spread = 5 * sqrt(d.p * (1 - d.p) / n);
        wk_set_training(c, false);
        cr_assert(wk_dropout(c, &d, x) == x);
        wk_set_training(c, true);
        wk_tensor    y = wk_dropout(c, &d, x);
        const double zeros = 1 - mean(c, wk_cast(c, wk_ne(c, y, wk_scalar(c, 0)), WK_f32));
        cr_assert(fabs(zeros - d.p) < spread, "p %g: %g are 0", d.p, zeros);
        cr_assert(fabs(mean(c, y) - 2) < 2 * spread / (1 - d.p), "p %g: mean %g", d.p, mean(c, y));
        cr_assert(fabs(wk_item(c, wk_amax(c, y, WK_ALL_DIMS, false)) - 2 / (1 - d.p)) < 1e-5);
    }
    const struct wk_dropout all = {.p = 1}, none = {.p = 0}, bad = {.p = 1.5};
    cr_assert_eq(mean(c, wk_dropout(c, &all, x)), 0);
    cr_assert(wk_dropout(c, &none, x) == x);
    cr_assert(wk_is_none(wk_dropout(c, &bad, x)));
    cr_assert_eq(wk_ctx_status(c), WK_EARG);
    wk_ctx_free(c);
}

Test(dropout, one_seed_gives_one_mask)
{
    wk_ctx                 *c = wk_ctx_new("cpu");
    const struct wk_dropout d = {.p = 0.5};
    wk_tensor               x = wk_ones(c, WK_f32, WK_SHAPE(64)), y[3];
    wk_set_training(c, true);
    for (int i = 0; i < 3; i++) {
        if (i != 1) wk_seed(c, 9);
        y[i] = wk_dropout(c, &d, x);
    }
    cr_assert(wk_equal(c, y[0], y[2]));
    cr_assert(!wk_equal(c, y[0], y[1]));
    wk_ctx_free(c);
}

/* Each channel is kept or dropped as a whole, and about p of them are dropped. */
Test(dropout, channels)
{
    wk_ctx *c = wk_ctx_new("cpu");
    wk_set_training(c, true);
    for (int dims = 1; dims <= 3; dims++)
        for (int single = 0; single < 2; single++) {
            const struct wk_dropout d = {.p = 0.25, .dims = dims};
            const int               channel = single && dims != 2 ? 0 : 1;
            wk_shape                s = {.ndim = dims + 2 - single, .dim = {40, 50, 3, 4, 2}};
            if (single) s.dim[channel] = 2000;
            wk_tensor y = wk_dropout(c, &d, wk_ones(c, WK_f32, s));
            wk_shape  over = {.ndim = s.ndim - channel - 1};
            for (int i = 0; i < over.ndim; i++) over.dim[i] = channel + 1 + i;
            wk_tensor least = wk_amin(c, y, over, false), most = wk_amax(c, y, over, false);
            cr_assert(wk_equal(c, least, most), "%d dims", dims);
            const double kept = mean(c, wk_cast(c, wk_gt(c, most, wk_scalar(c, 0)), WK_f32));
            cr_assert(fabs(kept - 0.75) < 0.05, "%d dims: %g kept", dims, kept);
        }
    const struct wk_dropout d = {.p = 0.25, .dims = 3};
    wk_dropout(c, &d, wk_ones(c, WK_f32, WK_SHAPE(2, 3)));
    cr_assert_eq(wk_ctx_status(c), WK_ESHAPE);
    wk_ctx_free(c);
}

Test(dropout, alpha_keeps_mean_and_variance)
{
    wk_ctx *c = wk_ctx_new("cpu");
    wk_set_training(c, true);
    wk_tensor x = wk_normal(c, 0, 1, WK_f32, WK_SHAPE(400, 1000));
    for (int dims = 0; dims < 2; dims++) {
        const struct wk_dropout d = {.p = 0.3, .dims = dims, .alpha = true};
        wk_tensor               y = wk_dropout(c, &d, x);
        const double            var = wk_item(c, wk_var(c, y, WK_ALL_DIMS, 1, false));
        cr_assert(fabs(mean(c, y)) < (dims ? 0.2 : 0.02), "mean %g", mean(c, y));
        cr_assert(fabs(var - 1) < (dims ? 0.15 : 0.02), "variance %g", var);
    }
    wk_ctx_free(c);
}

Test(dropout, gradient_is_the_mask)
{
    wk_ctx *c = wk_ctx_new("cpu");
    wk_set_training(c, true);
    for (int alpha = 0; alpha < 2; alpha++) {
        const struct wk_dropout d = {.p = 0.4, .alpha = alpha};
        wk_tape_begin(c);
        wk_tensor x = wk_track(c, wk_normal(c, 5, 0.1, WK_f32, WK_SHAPE(500)));
        wk_tensor y = wk_dropout(c, &d, x);
        wk_backward(c, wk_sum(c, y, WK_ALL_DIMS, false));
        wk_tensor    g = wk_grad(c, x), kept = wk_gt(c, y, wk_scalar(c, alpha ? 2 : 0));
        const double a = 1.7580993408473766, scale = alpha ? 1 / sqrt(0.6 * (1 + 0.4 * a * a)) : 1 / 0.6;
        cr_assert(wk_allclose(c, g, wk_mul(c, kept, wk_scalar(c, scale)), 1e-5, 1e-6, false), "%s",
                  wk_ctx_message(c));
        wk_tape_end(c);
    }
    wk_ctx_free(c);
}
