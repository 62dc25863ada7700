/* Linear, embedding, norms, attention and feed-forward against PyTorch's and Hugging Face's modules. */
#include "reference.h"

Test(basics_of_layers, linear)
{
    struct reference r;
    reference_open(&r, "basics");
    for (int bias = 0; bias < 2; bias++) {
        reference_case(&r, bias ? "linear" : "linear_plain");
        struct wk_linear l = wk_linear_load(r.p, "", 6, 5, bias);
        reference_bind(&r, &l, sizeof l);
        reference_track(&r);
        const wk_tensor y = wk_linear(r.c, &l, r.x[0]);
        reference_check(&r, 1, &y);
    }
    reference_close(&r);
}

Test(basics_of_layers, embedding)
{
    struct reference r;
    reference_open(&r, "basics");
    reference_case(&r, "embedding");
    struct wk_embedding e = wk_embedding_load(r.p, "", 7, 4);
    reference_bind(&r, &e, sizeof e);
    reference_track(&r);
    const wk_tensor y = wk_embedding(r.c, &e, r.x[0]);
    reference_check(&r, 1, &y);
    reference_close(&r);
}

Test(basics_of_layers, padded_embedding)
{
    struct reference r;
    reference_open(&r, "basics");
    for (int end = 0; end < 2; end++) {
        reference_case(&r, "embedding_padded");
        struct wk_embedding e = wk_embedding_load_padded(r.p, "", 7, 4, end ? -4 : 3);
        reference_bind(&r, &e, sizeof e);
        reference_track(&r);
        const wk_tensor y = wk_embedding(r.c, &e, r.x[0]);
        reference_check(&r, 1, &y);
    }
    wk_tape_end(r.c);
    const wk_params           fresh = wk_params_new(r.c, WK_f32, NULL);
    const struct wk_embedding e = wk_embedding_load_padded(fresh, "words", 5, 3, -1);
    float                     v[15];
    wk_read(r.c, e.weight, v);
    cr_assert_eq(wk_ctx_status(r.c), WK_OK, "%s", wk_ctx_message(r.c));
    for (int i = 0; i < 15; i++) cr_assert((v[i] == 0) == (i >= 12), "value %d: %g", i, (double)v[i]);
    wk_embedding_load_padded(fresh, "words", 5, 3, 5);
    cr_assert_eq(wk_ctx_status(r.c), WK_EINDEX);
    cr_assert(strstr(wk_ctx_message(r.c), "padding 5 of a table of 5 rows"), "%s", wk_ctx_message(r.c));
    wk_ctx_clear(r.c);
    reference_close(&r);
}

Test(basics_of_layers, norms)
{
    static const char *const names[] = {"layer_norm", "layer_norm_no_bias", "rms_norm"};
    struct reference         r;
    reference_open(&r, "basics");
    for (int i = 0; i < 3; i++) {
        reference_case(&r, names[i]);
        struct wk_norm n = i == 2 ? wk_rms_norm_load(r.p, "", 8, 1e-5)
                                  : wk_layer_norm_load(r.p, "", 8, i ? 1e-3 : 1e-5, i == 0);
        reference_bind(&r, &n, sizeof n);
        reference_track(&r);
        const wk_tensor y = wk_norm(r.c, &n, r.x[0]);
        reference_check(&r, 1, &y);
    }
    reference_close(&r);
}

Test(basics_of_layers, attention)
{
    static const struct {
        const char *name;
        int64_t     kv_heads, window;
        bool        bias, normed;
    } cases[] = {{"grouped", 2, 0, true, false},
                 {"single_key", 1, 0, false, false},
                 {"normed_window", 2, 3, false, true}};
    struct reference r;
    reference_open(&r, "basics");
    for (int i = 0; i < 3; i++) {
        reference_case(&r, cases[i].name);
        struct wk_attention a =
            wk_attention_load(r.p, "",
                              (struct wk_attention_opts){.dim = 12,
                                                         .heads = 4,
                                                         .kv_heads = cases[i].kv_heads,
                                                         .head_dim = 6,
                                                         .window = cases[i].window,
                                                         .bias = cases[i].bias,
                                                         .out_bias = cases[i].bias,
                                                         .qk_norm = cases[i].normed,
                                                         .eps = 1e-6,
                                                         .rotary = wk_rotary_load(r.p, 6)});
        reference_bind(&r, &a, sizeof a);
        reference_track(&r);
        const wk_tensor at = wk_arange(r.c, 0, 5, 1, WK_i64);
        const wk_tensor y = wk_attention(r.c, &a, r.x[0], at, NULL, WK_NONE);
        reference_check(&r, 1, &y);
        reference_eval(&r);
        reference_same(&r, "eval", wk_attention(r.c, &a, r.x[0], at, NULL, WK_NONE), reference_get(&r, "y0"));
        wk_no_grad(r.c, false);
    }
    reference_close(&r);
}

Test(basics_of_layers, feed_forward)
{
    struct reference r;
    reference_open(&r, "basics");
    for (int gated = 0; gated < 2; gated++) {
        reference_case(&r, gated ? "mlp_gated" : "mlp");
        struct wk_mlp m = wk_mlp_load(r.p, "", 12, 20, gated, true, gated ? WK_ACT_SILU : WK_ACT_GELU);
        reference_bind(&r, &m, sizeof m);
        reference_track(&r);
        const wk_tensor y = wk_mlp(r.c, &m, r.x[0]);
        reference_check(&r, 1, &y);
    }
    reference_close(&r);
}
