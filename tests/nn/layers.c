/* Layers with fresh weights, against their formulas written with plain ops. */
#include "nn/nn.h"

#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#define MAX 4096

static void same(wk_ctx *c, const char *what, wk_tensor a, wk_tensor b, double tolerance)
{
    static float x[MAX], y[MAX];
    cr_assert(wk_count(a) == wk_count(b) && wk_count(a) > 0 && wk_count(a) <= MAX, "%s: %s", what,
              wk_ctx_message(c));
    wk_read(c, a, x);
    wk_read(c, b, y);
    cr_assert_eq(wk_ctx_status(c), WK_OK, "%s: %s", what, wk_ctx_message(c));
    for (int64_t i = 0; i < wk_count(a); i++)
        cr_assert(fabs((double)x[i] - (double)y[i]) <= tolerance * (1 + fabs((double)y[i])),
                  "%s[%lld]: %g, not %g", what, (long long)i, (double)x[i], (double)y[i]);
}

static wk_tensor product(wk_ctx *c, wk_tensor x, const struct wk_linear *l)
{
    const wk_tensor y = wk_matmul(c, x, wk_transpose(c, l->weight, 0, 1));
    return wk_is_none(l->bias) ? y : wk_add(c, y, l->bias);
}

Test(layers, linear_embedding_and_norms)
{
    wk_ctx        *c = wk_ctx_new("cpu");
    wk_param_list *list = wk_param_list_new(c);
    wk_params      p = wk_params_new(c, WK_f32, list);
    wk_seed(c, 1);
    const struct wk_linear    l = wk_linear_load(p, "one", 16, 24, true);
    const struct wk_embedding e = wk_embedding_load(p, "words", 10, 16);
    const struct wk_norm      rms = wk_rms_norm_load(p, "rms", 16, 1e-5);
    const struct wk_norm      ln = wk_layer_norm_load(p, "ln", 16, 1e-5, true);
    cr_assert_eq(wk_param_list_count(list), 6);
    cr_assert_str_eq(wk_param_list_name(list, 0), "one.weight");

    wk_tensor tokens = wk_make(c, (int64_t[]){3, 9, 3, 0, 1, 2}, WK_i64, WK_SHAPE(2, 3));
    wk_tensor x = wk_embedding(c, &e, tokens);
    same(c, "embedding", wk_flatten(c, x, 0, 1), wk_index_select(c, e.weight, 0, wk_flatten(c, tokens, 0, 1)),
         0);
    same(c, "linear", wk_linear(c, &l, x), product(c, x, &l), 1e-5);
    same(c, "rms_norm", wk_norm(c, &rms, x), wk_rms_norm(c, x, rms.weight, 1e-5), 0);
    same(c, "layer_norm", wk_norm(c, &ln, x), wk_layer_norm(c, x, ln.weight, ln.bias, 1e-5), 0);
    wk_tensor y = wk_mul(c, x, wk_scalar(c, 0.5)), sum = x;
    wk_tensor h = wk_norm_add(c, &rms, &sum, y);
    same(c, "sum", sum, wk_add(c, x, y), 1e-6);
    same(c, "norm of sum", h, wk_norm(c, &rms, wk_add(c, x, y)), 1e-5);
    sum = x;
    h = wk_norm_add(c, &ln, &sum, y);
    same(c, "layer norm of sum", h, wk_norm(c, &ln, wk_add(c, x, y)), 1e-4);
    wk_param_list_free(list);
    wk_ctx_free(c);
}

Test(layers, half_tables_give_f32_activations)
{
    wk_ctx                   *c = wk_ctx_new("cpu");
    const struct wk_embedding e = {.weight = wk_cast(c, wk_normal(c, 0, 1, WK_f32, WK_SHAPE(4, 8)), WK_bf16)};
    wk_tensor                 x = wk_embedding(c, &e, wk_arange(c, 0, 4, 1, WK_i64));
    cr_assert_eq(x->dtype, WK_f32);
    same(c, "rows", x, wk_cast(c, e.weight, WK_f32), 0);
    wk_ctx_free(c);
}

Test(layers, mlp_of_every_activation)
{
    static const struct {
        const char *name;
        wk_tensor (*act)(wk_ctx *, wk_tensor);
    } acts[] = {{"silu", wk_silu}, {"gelu", wk_gelu}, {"gelu_new", wk_gelu_tanh}, {"relu", wk_relu}};
    wk_ctx *c = wk_ctx_new("cpu");
    cr_assert_eq(wk_activation_find("nothing"), -1);
    for (size_t i = 0; i < 4; i++)
        for (int gated = 0; gated < 2; gated++) {
            const int           act = wk_activation_find(acts[i].name);
            const struct wk_mlp m =
                wk_mlp_load(wk_params_new(c, WK_f32, NULL), "mlp", 16, 24, gated, true, act);
            wk_tensor x = wk_normal(c, 0, 20, WK_f32, WK_SHAPE(5, 16));
            wk_tensor h = acts[i].act(c, product(c, x, gated ? &m.gate : &m.up));
            if (gated) h = wk_mul(c, h, product(c, x, &m.up));
            same(c, acts[i].name, wk_mlp(c, &m, x), product(c, h, &m.down), 1e-4);
        }
    wk_ctx_free(c);
}

Test(layers, attention_is_the_formula)
{
    enum { T = 6, DIM = 12, HEADS = 4, KV = 2, D = 8 };
    wk_ctx                        *c = wk_ctx_new("cpu");
    wk_params                      p = wk_params_new(c, WK_f32, NULL);
    const struct wk_attention_opts o = {.dim = DIM,
                                        .heads = HEADS,
                                        .kv_heads = KV,
                                        .head_dim = D,
                                        .qk_norm = true,
                                        .bias = true,
                                        .eps = 1e-6,
                                        .rotary = wk_rotary_load(p, D)};
    const struct wk_attention      a = wk_attention_load(p, "attn", o);
    wk_tensor x = wk_normal(c, 0, 5, WK_f32, WK_SHAPE(T, DIM)), at = wk_arange(c, 0, T, 1, WK_i64);
    wk_tensor q = wk_reshape(c, product(c, x, &a.q), WK_SHAPE(T, HEADS, D));
    wk_tensor k = wk_reshape(c, product(c, x, &a.k), WK_SHAPE(T, KV, D));
    wk_tensor v = wk_reshape(c, product(c, x, &a.v), WK_SHAPE(T, KV, D));
    q = wk_transpose(c, wk_norm(c, &a.q_norm, q), 0, 1);
    k = wk_transpose(c, wk_norm(c, &a.k_norm, k), 0, 1);
    q = wk_rope(c, q, at, a.rotary.inv_freq, a.rotary.opts);
    k = wk_rope(c, k, at, a.rotary.inv_freq, a.rotary.opts);
    /* each of the two key heads serves two query heads */
    k = wk_reshape(c, wk_expand(c, wk_unsqueeze(c, k, 1), WK_SHAPE(KV, 2, T, D)), WK_SHAPE(HEADS, T, D));
    v = wk_reshape(c, wk_expand(c, wk_unsqueeze(c, wk_transpose(c, v, 0, 1), 1), WK_SHAPE(KV, 2, T, D)),
                   WK_SHAPE(HEADS, T, D));
    wk_tensor s = wk_mul(c, wk_matmul(c, q, wk_transpose(c, k, 1, 2)), wk_scalar(c, 1 / sqrt(D)));
    wk_tensor seen = wk_le(c, at, wk_unsqueeze(c, at, 1));
    s = wk_softmax(c, wk_where(c, seen, s, wk_scalar(c, -INFINITY)), -1);
    wk_tensor y = wk_reshape(c, wk_transpose(c, wk_matmul(c, s, v), 0, 1), WK_SHAPE(T, HEADS * D));
    same(c, "attention", wk_attention(c, &a, x, at, NULL, WK_NONE), product(c, y, &a.o), 1e-4);

    wk_cache *cache = wk_cache_new(c, 1, KV, T, D, D, WK_f32, WK_f32);
    wk_tensor step[T];
    for (int64_t t = 0; t < T; t++) {
        wk_tensor now = wk_narrow(c, at, 0, t, 1);
        step[t] = wk_attention(c, &a, wk_narrow(c, x, 0, t, 1), now, &cache->layers[0], now);
    }
    same(c, "through the cache", wk_cat(c, T, step, 0), product(c, y, &a.o), 1e-4);
    wk_cache_free(cache);
    wk_ctx_free(c);
}

Test(layers, a_failed_context_gives_nothing_and_crashes_nothing)
{
    wk_ctx             *c = wk_ctx_new("cpu");
    wk_params           p = wk_params_new(c, WK_f32, NULL);
    struct wk_mlp       m = wk_mlp_load(p, "mlp", 8, 8, true, false, WK_ACT_SILU);
    struct wk_attention a = wk_attention_load(
        p, "a",
        (struct wk_attention_opts){
            .dim = 8, .heads = 2, .kv_heads = 1, .head_dim = 4, .rotary = wk_rotary_load(p, 4)});
    wk_tensor            x = wk_zeros(c, WK_f32, WK_SHAPE(3, 8)), sum = x;
    const struct wk_norm n = wk_rms_norm_load(p, "n", 8, 1e-6);
    wk_tensor            deep = wk_zeros(c, WK_f32, WK_SHAPE(1, 1, 1, 1, 1, 1, 3, 8));
    wk_attention(c, &a, deep, wk_arange(c, 0, 3, 1, WK_i64), NULL, WK_NONE);
    cr_assert_eq(wk_ctx_status(c), WK_ESHAPE, "%s", wk_ctx_message(c));
    cr_assert(wk_is_none(wk_mlp(c, &m, x)));
    cr_assert(wk_is_none(wk_norm_add(c, &n, &sum, x)));
    cr_assert(wk_is_none(wk_attention(c, &a, x, WK_NONE, NULL, WK_NONE)));
    cr_assert(wk_is_none(wk_mlp_load(p, "mlp", 8, 8, true, false, WK_ACT_SILU).up.weight));
    wk_ctx_free(c);
}
