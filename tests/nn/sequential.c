/* Layers one after another: each stage is the layer's own call. */
#include "nn/nn.h"

#include <criterion/criterion.h>

Test(sequential, a_convolutional_net)
{
    wk_ctx              *c = wk_ctx_new("cpu");
    wk_params            p = wk_params_new(c, WK_f32, NULL);
    const struct wk_conv conv =
        wk_conv_load(p, "0", 2, (wk_conv_load_opts){.in = 3, .out = 4, .kernel = {3, 3}});
    const struct wk_channel_norm bn = wk_channel_norm_load(p, "1", 4, (wk_channel_norm_opts){0});
    const wk_op_of_one           relu = {wk_relu};
    const struct wk_pool         pool = {.kind = WK_POOL_MAX, .dims = 2, .opts = {.kernel = {2, 2}}};
    const struct wk_group_norm   gn = wk_group_norm_load(p, "4", 2, 4, 1e-5, true);
    const struct wk_upsample     up = {{.mode = WK_RESIZE_NEAREST, .scale = {2}}};
    const struct wk_dropout      drop = {.p = 0.5};
    const struct wk_linear       head = wk_linear_load(p, "6", 4 * 36, 5, true);
    const struct wk_stage        stages[] = {
               wk_conv_stage(&conv),    wk_batch_norm_stage(&bn), wk_op_stage(&relu),
               wk_pool_stage(&pool),    wk_group_norm_stage(&gn), wk_upsample_stage(&up),
               wk_dropout_stage(&drop), wk_flatten_stage(),       wk_linear_stage(&head)};
    wk_tensor x = wk_normal(c, 0, 1, WK_f32, WK_SHAPE(2, 3, 8, 8));
    wk_tensor y = wk_sequential(c, 9, stages, x);
    wk_tensor h = wk_pool(c, &pool, wk_relu(c, wk_batch_norm(c, &bn, wk_conv(c, &conv, x))));
    h = wk_upsample(c, &up, wk_group_norm(c, &gn, h));
    cr_assert(wk_equal(c, y, wk_linear(c, &head, wk_flatten(c, h, 1, -1))), "%s", wk_ctx_message(c));
    wk_set_training(c, true);
    cr_assert(!wk_equal(c, y, wk_sequential(c, 9, stages, x)));
    cr_assert(wk_sequential(c, 0, NULL, x) == x);
    cr_assert(wk_is_none(wk_sequential(c, 9, stages, wk_ones(c, WK_f32, WK_SHAPE(2, 9, 8, 8)))));
    wk_ctx_free(c);
}

Test(sequential, a_language_model)
{
    wk_ctx                       *c = wk_ctx_new("cpu");
    wk_params                     p = wk_params_new(c, WK_f32, NULL);
    const wk_transformer_opts     o = {.dim = 8, .heads = 2, .hidden = 16, .batch_first = true};
    const struct wk_embedding     words = wk_embedding_load(p, "0", 20, 8);
    const struct wk_encoder_layer block = wk_encoder_layer_load(p, "1", o);
    const struct wk_norm          norm = wk_layer_norm_load(p, "2", 8, 1e-5, true);
    const struct wk_mlp           mlp = wk_mlp_load(p, "3", 8, 16, true, false, WK_ACT_SILU);
    const struct wk_feed_forward  ff = wk_feed_forward_load(p, "4", (wk_feed_forward_opts){.dim = 8});
    const struct wk_stage         stages[] = {wk_embedding_stage(&words), wk_encoder_layer_stage(&block),
                                              wk_norm_stage(&norm), wk_mlp_stage(&mlp), wk_feed_forward_stage(&ff)};
    wk_tensor                     tokens = wk_randint(c, 0, 20, WK_i64, WK_SHAPE(2, 5));
    wk_tensor h = wk_encoder_layer(c, &block, wk_embedding(c, &words, tokens), (wk_multihead_masks){0});
    h = wk_feed_forward(c, &ff, wk_mlp(c, &mlp, wk_norm(c, &norm, h)));
    cr_assert(wk_equal(c, wk_sequential(c, 5, stages, tokens), h), "%s", wk_ctx_message(c));
    cr_assert_eq(wk_size(ff.linear1.weight, 0), 32, "four times 8");
    wk_ctx_free(c);
}
