/* Encoder and decoder layers, their stacks, feed-forward and bilinear layers, against PyTorch's. */
#include "reference.h"

static wk_transformer_opts options(bool first)
{
    return (wk_transformer_opts){.dim = 8, .heads = 2, .hidden = 12, .norm_first = first, .act = WK_ACT_RELU};
}

Test(transformer, layers)
{
    struct reference r;
    reference_open(&r, "transformer");
    for (int first = 0; first < 2; first++) {
        wk_transformer_opts o = options(first);
        reference_case(&r, first ? "encoder_first" : "encoder_last");
        o.act = first ? WK_ACT_GELU : WK_ACT_RELU;
        struct wk_encoder_layer e = wk_encoder_layer_load(r.p, "", o);
        wk_multihead_masks      masks = {.keys = reference_get(&r, "keys"), .causal = true};
        reference_bind(&r, &e, sizeof e);
        reference_track(&r);
        wk_tensor y = wk_encoder_layer(r.c, &e, r.x[0], masks);
        reference_check(&r, 1, &y);
        reference_eval(&r);
        reference_same(&r, "eval", wk_encoder_layer(r.c, &e, r.x[0], masks), reference_get(&r, "y0"));
        wk_no_grad(r.c, false);

        reference_case(&r, first ? "decoder_first" : "decoder_last");
        o = options(first);
        o.batch_first = true;
        struct wk_decoder_layer d = wk_decoder_layer_load(r.p, "", o);
        wk_multihead_masks      cross = {.keys = reference_get(&r, "keys")};
        reference_bind(&r, &d, sizeof d);
        reference_track(&r);
        y = wk_decoder_layer(r.c, &d, r.x[0], r.x[1], (wk_multihead_masks){.causal = true}, cross);
        reference_check(&r, 1, &y);
    }
    reference_close(&r);
}

Test(transformer, whole)
{
    struct reference    r;
    wk_transformer_opts o = options(false);
    o.hidden = 10;
    o.layers = 2;
    o.final_norm = o.batch_first = true;
    reference_open(&r, "transformer");
    reference_case(&r, "whole");
    struct wk_encoder_stack e = wk_encoder_stack_load(r.p, "encoder", o);
    struct wk_decoder_stack d = wk_decoder_stack_load(r.p, "decoder", o);
    reference_bind(&r, &e, sizeof e);
    reference_bind(&r, e.layers, (size_t)e.n_layers * sizeof *e.layers);
    reference_bind(&r, &d, sizeof d);
    reference_bind(&r, d.layers, (size_t)d.n_layers * sizeof *d.layers);
    reference_track(&r);
    const wk_multihead_masks none = {.keys = WK_NONE}, causal = {.causal = true};
    const wk_tensor          memory = wk_encoder_stack(r.c, &e, r.x[0], none);
    const wk_tensor          y = wk_decoder_stack(r.c, &d, r.x[1], memory, causal, none);
    reference_check(&r, 1, &y);
    wk_encoder_stack_free(&e);
    wk_decoder_stack_free(&d);
    cr_assert(!e.layers && e.n_layers == 0);
    reference_close(&r);
}

Test(transformer, feed_forward_and_bilinear)
{
    static const struct {
        const char *name;
        int         act;
    } rows[] = {
        {"glu", WK_ACT_SIGMOID}, {"reglu", WK_ACT_RELU}, {"geglu", WK_ACT_GELU}, {"swiglu", WK_ACT_SILU}};
    struct reference r;
    wk_tensor        y;
    reference_open(&r, "transformer");
    for (int i = 0; i < 4; i++) {
        reference_case(&r, rows[i].name);
        struct wk_feed_forward f = wk_feed_forward_load(
            r.p, "", (wk_feed_forward_opts){.dim = 4, .hidden = 6, .act = rows[i].act, .gated = true});
        reference_bind(&r, &f, sizeof f);
        reference_track(&r);
        y = wk_feed_forward(r.c, &f, r.x[0]);
        reference_check(&r, 1, &y);
    }
    reference_case(&r, "bilinear");
    struct wk_bilinear b = wk_bilinear_load(r.p, "", 3, 4, 5, true);
    reference_bind(&r, &b, sizeof b);
    reference_track(&r);
    y = wk_bilinear(r.c, &b, r.x[0], r.x[1]);
    reference_check(&r, 1, &y);
    cr_assert(wk_is_none(wk_bilinear(r.c, &b, r.x[1], r.x[0])));
    cr_assert_eq(wk_ctx_status(r.c), WK_ESHAPE);
    wk_ctx_clear(r.c);
    reference_close(&r);
}

/* Dropout is wherever PyTorch has it: with p 1 only the residual path is left. */
Test(transformer, dropout_of_everything_leaves_the_residual)
{
    wk_ctx             *c = wk_ctx_new("cpu");
    wk_transformer_opts o = options(true);
    wk_tensor           x = wk_normal(c, 0, 1, WK_f32, WK_SHAPE(4, 2, 8));
    o.dropout = 1;
    o.gated = true;
    struct wk_encoder_layer e = wk_encoder_layer_load(wk_params_new(c, WK_f32, NULL), "e", o);
    cr_assert(!wk_allclose(c, wk_encoder_layer(c, &e, x, (wk_multihead_masks){0}), x, 1e-3, 1e-3, false));
    wk_set_training(c, true);
    cr_assert(wk_equal(c, wk_encoder_layer(c, &e, x, (wk_multihead_masks){0}), x));
    cr_assert_eq(wk_size(e.ff.linear1.weight, 0), 24);
    o.layers = 0;
    cr_assert(!wk_encoder_stack_load(wk_params_new(c, WK_f32, NULL), "e", o).layers);
    cr_assert_eq(wk_ctx_status(c), WK_EARG);
    wk_ctx_free(c);
}
