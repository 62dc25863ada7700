/* Norms over groups, batches and instances, against PyTorch's. */
#include "reference.h"

Test(norms, groups)
{
    struct reference r;
    reference_open(&r, "norms");
    for (int i = 0; i < 2; i++) {
        reference_case(&r, i ? "group_plain" : "group");
        struct wk_group_norm n = wk_group_norm_load(r.p, "", i ? 2 : 3, i ? 4 : 6, 1e-5, !i);
        reference_bind(&r, &n, sizeof n);
        reference_track(&r);
        const wk_tensor y = wk_group_norm(r.c, &n, r.x[0]);
        reference_check(&r, 1, &y);
    }
    reference_close(&r);
}

static void channels(struct reference *r, const char *name, int64_t n, int instance, wk_channel_norm_opts o)
{
    reference_case(r, name);
    struct wk_channel_norm l = wk_channel_norm_load(r->p, "", n, o);
    reference_bind(r, &l, sizeof l);
    reference_track(r);
    const wk_tensor y =
        instance ? wk_instance_norm(r->c, &l, r->x[0], instance) : wk_batch_norm(r->c, &l, r->x[0]);
    reference_check(r, 1, &y);
    if (!reference_has(r, "e0")) return;
    reference_eval(r);
    reference_same(
        r, "e0", instance ? wk_instance_norm(r->c, &l, r->x[0], instance) : wk_batch_norm(r->c, &l, r->x[0]),
        reference_get(r, "e0"));
}

Test(norms, batches)
{
    static const char *const names[] = {"batch0", "batch1", "batch2", "batch3"};
    struct reference         r;
    reference_open(&r, "norms");
    for (int i = 0; i < 4; i++) channels(&r, names[i], 4, 0, (wk_channel_norm_opts){0});
    channels(&r, "batch_cumulative", 3, 0, (wk_channel_norm_opts){.cumulative = true});
    channels(&r, "batch_momentum", 3, 0, (wk_channel_norm_opts){.momentum = 0.3, .eps = 1e-3});
    channels(&r, "batch_untracked", 3, 0, (wk_channel_norm_opts){.plain = true, .untracked = true});
    reference_close(&r);
}

Test(norms, instances)
{
    static const char *const names[] = {"instance1", "instance2", "instance3"};
    static const char *const tracked[] = {"instance1_tracked", "instance2_tracked", "instance3_tracked"};
    struct reference         r;
    reference_open(&r, "norms");
    for (int i = 0; i < 3; i++) {
        channels(&r, names[i], 3, i + 1, (wk_channel_norm_opts){.plain = true, .untracked = true});
        channels(&r, tracked[i], 3, i + 1, (wk_channel_norm_opts){0});
    }
    channels(&r, "instance_single", 3, 2, (wk_channel_norm_opts){.untracked = true});
    reference_close(&r);
}

/* Negative options are 0, where 0 is the default: no eps, and running statistics that stay. */
Test(norms, neither_eps_nor_momentum)
{
    wk_ctx                      *c = wk_ctx_new("cpu");
    const wk_params              p = wk_params_new(c, WK_f64, NULL);
    const wk_channel_norm_opts   none = {.eps = -1, .momentum = -1};
    const struct wk_channel_norm n = wk_channel_norm_load(p, "bn", 1, none);
    const struct wk_channel_norm d = wk_channel_norm_load(p, "default", 1, (wk_channel_norm_opts){0});
    cr_assert(n.eps == 0 && n.momentum == 0 && d.eps == 1e-5 && d.momentum == 0.1);
    const wk_tensor x = wk_make(c, (double[]){-1e-9, 1e-9, -1e-9, 1e-9}, WK_f64, WK_SHAPE(4, 1));
    double          y[4];
    wk_set_training(c, true);
    wk_read(c, wk_batch_norm(c, &n, x), y);
    for (int i = 0; i < 4; i++) cr_assert(fabs(y[i] - (i % 2 ? 1 : -1)) < 1e-9, "%g", y[i]);
    cr_assert(wk_item(c, n.running_mean) == 0 && wk_item(c, n.running_var) == 1);
    const struct wk_encoder_layer l = wk_encoder_layer_load(
        p, "layer", (wk_transformer_opts){.dim = 4, .heads = 2, .hidden = 8, .eps = -1});
    cr_assert(l.norm1.eps == 0 && l.norm2.eps == 0);
    cr_assert_eq(wk_ctx_status(c), WK_OK, "%s", wk_ctx_message(c));
    wk_ctx_free(c);
}

/* Halves in, halves out, though statistics are f32; f64 keeps its digits. */
Test(norms, dtypes)
{
    wk_ctx        *c = wk_ctx_new("cpu");
    const wk_dtype types[] = {WK_f16, WK_bf16, WK_f64};
    wk_set_training(c, true);
    for (int i = 0; i < 3; i++) {
        const wk_params              p = wk_params_new(c, types[i] == WK_f64 ? WK_f64 : WK_f32, NULL);
        const struct wk_channel_norm n = wk_channel_norm_load(p, "bn", 4, (wk_channel_norm_opts){0});
        const struct wk_group_norm   g = wk_group_norm_load(p, "gn", 2, 4, 1e-5, true);
        wk_tensor                    x = wk_normal(c, 3, 2, types[i], WK_SHAPE(64, 4, 3));
        wk_tensor                    y = wk_batch_norm(c, &n, x), z = wk_group_norm(c, &g, x);
        cr_assert(y->dtype == types[i] && z->dtype == types[i], "%s", wk_dtype_name(types[i]));
        const double mean = wk_item(c, wk_mean_as(c, y, WK_ALL_DIMS, false, WK_f64));
        cr_assert(fabs(mean) < (types[i] == WK_f64 ? 1e-12 : 1e-2), "%s: %g", wk_dtype_name(types[i]), mean);
        cr_assert_eq(n.running_mean->dtype, types[i] == WK_f64 ? WK_f64 : WK_f32);
    }
    cr_assert_eq(wk_ctx_status(c), WK_OK, "%s", wk_ctx_message(c));
    wk_ctx_free(c);
}

Test(norms, fresh_ones_and_what_does_not_fit)
{
    wk_ctx                      *c = wk_ctx_new("cpu");
    wk_param_list               *list = wk_param_list_new(c);
    wk_params                    p = wk_params_new(c, WK_f32, list);
    const struct wk_channel_norm n = wk_channel_norm_load(p, "bn", 3, (wk_channel_norm_opts){0});
    cr_assert_eq(wk_param_list_count(list), 5);
    cr_assert(wk_param_list_learns(list, 0) && !wk_param_list_learns(list, 2) &&
              !wk_param_list_learns(list, 9));
    cr_assert_str_eq(wk_param_list_name(list, 4), "bn.num_batches_tracked");
    /* not in training: mean 0 and variance 1 of a fresh one change nothing */
    wk_tensor x = wk_normal(c, 3, 1, WK_f32, WK_SHAPE(4, 3));
    cr_assert(wk_allclose(c, wk_batch_norm(c, &n, x), x, 1e-4, 1e-4, false));
    cr_assert_eq(wk_item(c, n.num_batches_tracked), 0);
    wk_set_training(c, true);
    cr_assert(wk_training(c));
    for (int i = 0; i < 3; i++) wk_batch_norm(c, &n, x);
    cr_assert_eq(wk_item(c, n.num_batches_tracked), 3);
    cr_assert(wk_is_none(wk_batch_norm(c, &n, wk_zeros(c, WK_f32, WK_SHAPE(1, 3)))));
    cr_assert_eq(wk_ctx_status(c), WK_ESHAPE, "one value per channel");
    wk_ctx_clear(c);
    cr_assert(wk_is_none(wk_batch_norm(c, &n, wk_zeros(c, WK_f32, WK_SHAPE(4, 2)))));
    cr_assert_eq(wk_ctx_status(c), WK_ESHAPE, "two channels");
    wk_ctx_clear(c);
    cr_assert(wk_is_none(wk_instance_norm(c, &n, wk_zeros(c, WK_f32, WK_SHAPE(4, 3)), 3)));
    wk_ctx_clear(c);
    wk_group_norm_load(p, "gn", 4, 6, 1e-5, true);
    cr_assert_eq(wk_ctx_status(c), WK_EARG, "6 channels in 4 groups");
    wk_param_list_free(list);
    wk_ctx_free(c);
}
