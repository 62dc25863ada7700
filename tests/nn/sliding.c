/* The rotating cache gives what a plain one with a window gives; sinks through caches. */
#include "nn/nn.h"

#include <criterion/criterion.h>
#include <stdio.h>

enum { DIM = 16, HEADS = 4, KV = 2, D = 32, W = 5, N = 23 };

static struct wk_attention layer(wk_ctx *c, int64_t window, bool sinks)
{
    wk_params                p = wk_params_new(c, WK_f32, NULL);
    struct wk_attention_opts o = {.dim = DIM,
                                  .heads = HEADS,
                                  .kv_heads = KV,
                                  .head_dim = D,
                                  .window = window,
                                  .sinks = sinks,
                                  .rotary = wk_rotary_load(p, D)};
    struct wk_attention      a = wk_attention_load(p, "a", o);
    if (sinks) a.sinks = wk_normal(c, 0, 1, WK_f32, WK_SHAPE(HEADS));
    return a;
}

/* Feeds x in steps of these sizes. */
static wk_tensor feed(wk_ctx *c, const struct wk_attention *a, wk_tensor x, wk_cache *cache,
                      const int64_t *sizes)
{
    wk_tensor out[N], at = wk_arange(c, 0, N, 1, WK_i64);
    int       n = 0;
    for (int64_t from = 0; from < N; from += sizes[n++]) {
        wk_tensor now = wk_narrow(c, at, 0, from, sizes[n]);
        out[n] = wk_attention(c, a, wk_narrow(c, x, 0, from, sizes[n]), now, &cache->layers[0],
                              wk_narrow(c, at, 0, from, 1));
    }
    return wk_cat(c, n, out, 0);
}

Test(sliding, equals_the_plain_cache)
{
    static const int64_t one[N] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
    static const int64_t mixed[] = {3, 1, 4, 1, 1, 9, 1, 2, 1}, all[] = {N};
    static const int64_t *const steps[] = {one, mixed, all};
    static const int64_t        windows[] = {W, 3, W + 4, 0};
    wk_ctx                     *c = wk_ctx_new("cpu");
    for (int i = 0; i < 24; i++) {
        const int64_t             window = windows[i % 4];
        const struct wk_attention a = layer(c, window, i >= 12);
        struct wk_attention       plain = a;
        plain.window = window && window < W ? window : W; /* a sliding cache has no more to show */
        wk_tensor x = wk_normal(c, 0, 3, WK_f32, WK_SHAPE(N, DIM));
        wk_cache *slides = wk_cache_new_sliding(c, 1, KV, W, D, D, WK_f32, WK_f32);
        wk_cache *keeps = wk_cache_new(c, 1, KV, N, D, D, WK_f32, WK_f32);
        wk_tensor y = feed(c, &a, x, slides, steps[i / 4 % 3]),
                  z = feed(c, &plain, x, keeps, steps[i / 4 % 3]);
        wk_tensor whole = wk_attention(c, &plain, x, wk_arange(c, 0, N, 1, WK_i64), NULL, WK_NONE);
        cr_assert(wk_allclose(c, y, z, 1e-4, 1e-5, false), "%d: %s", i, wk_ctx_message(c));
        cr_assert(wk_allclose(c, z, whole, 1e-4, 1e-5, false), "%d: %s", i, wk_ctx_message(c));
        wk_cache_free(slides);
        wk_cache_free(keeps);
    }
    wk_ctx_free(c);
}

/* Halves and blocks: as near to f32 as their digits allow. */
Test(sliding, other_dtypes)
{
    static const int64_t      mixed[] = {3, 1, 4, 1, 1, 9, 1, 2, 1};
    static const wk_dtype     types[] = {WK_f16, WK_bf16, WK_q8_0};
    wk_ctx                   *c = wk_ctx_new("cpu");
    const struct wk_attention a = layer(c, W, true);
    wk_tensor                 x = wk_normal(c, 0, 3, WK_f32, WK_SHAPE(N, DIM));
    wk_tensor                 whole = wk_attention(c, &a, x, wk_arange(c, 0, N, 1, WK_i64), NULL, WK_NONE);
    for (int i = 0; i < 3; i++) {
        wk_cache *cache = wk_cache_new_sliding(c, 1, KV, W, D, D, types[i], types[i]);
        cr_assert(wk_allclose(c, feed(c, &a, x, cache, mixed), whole, 3e-2, 3e-2, false), "%s: %s",
                  wk_dtype_name(types[i]), wk_ctx_message(c));
        wk_cache_free(cache);
    }
    wk_ctx_free(c);
}

Test(sliding, forgets_all_or_nothing)
{
    wk_ctx   *c = wk_ctx_new("cpu");
    wk_cache *k = wk_cache_new_sliding(c, 2, KV, W, D, D, WK_f32, WK_f32);
    k->length = 4;
    wk_cache_truncate(k, 2);
    cr_assert_eq(k->length, 2);
    k->length = W + 3;
    wk_cache_truncate(k, W);
    cr_assert_eq(k->length, W + 3);
    wk_cache_truncate(k, 0);
    cr_assert_eq(k->length, 0);
    wk_cache_free(k);
    cr_assert_null(wk_cache_new_sliding(c, 1, KV, 0, D, D, WK_f32, WK_f32));
    wk_ctx_free(c);
}
