/* Latent attention against the published model's, and through its cache. */
#include "reference.h"

enum { DIM = 12, HEADS = 2, RANK = 8, PLAIN = 6, TURNED = 4, VALUE = 5, T = 5 };

static wk_latent_opts options(wk_ctx *c, bool ranked)
{
    return (wk_latent_opts){.dim = DIM,
                            .heads = HEADS,
                            .q_rank = ranked ? 6 : 0,
                            .kv_rank = RANK,
                            .plain_dim = PLAIN,
                            .turned_dim = TURNED,
                            .value_dim = VALUE,
                            .eps = 1e-6,
                            .bias = ranked,
                            .rotary = wk_rotary_load(wk_params_new(c, WK_f32, NULL), TURNED)};
}

Test(latent, as_deepseeks)
{
    struct reference r;
    reference_open(&r, "latent");
    for (int ranked = 0; ranked < 2; ranked++) {
        reference_case(&r, ranked ? "ranked" : "straight");
        struct wk_latent_attention a = wk_latent_attention_load(r.p, "", options(r.c, ranked));
        const wk_tensor            at = wk_arange(r.c, 0, T, 1, WK_i64);
        reference_bind(&r, &a, sizeof a);
        reference_track(&r);
        const wk_tensor y = wk_latent_attention(r.c, &a, r.x[0], at, NULL, WK_NONE);
        reference_check(&r, 1, &y);
    }
    reference_close(&r);
}

/* Where more positions may come than the model was trained on, the far frequencies turn: by the cache's
 * capacity, or T without one. A layer that has these alone says what is right. */
Test(latent, long_texts_turn_by_the_far_frequencies)
{
    wk_ctx                    *c = wk_ctx_new("cpu");
    const wk_params            p = wk_params_new(c, WK_f32, NULL);
    struct wk_latent_attention a = wk_latent_attention_load(p, "a", options(c, false)), near = a, far = a;
    const wk_tensor            x = wk_normal(c, 0, 1, WK_f32, WK_SHAPE(T, DIM));
    const wk_tensor            at = wk_arange(c, 0, T, 1, WK_i64), first = wk_narrow(c, at, 0, 0, 1);
    wk_cache                  *small = wk_cache_new(c, 1, 1, T, RANK + TURNED, 0, WK_f32, WK_f32);
    wk_cache                  *large = wk_cache_new(c, 1, 1, 2 * T, RANK + TURNED, 0, WK_f32, WK_f32);
    a.rotary.long_freq = far.rotary.inv_freq = wk_make(c, (float[]){0.3f, 0.002f}, WK_f32, WK_SHAPE(2));
    a.rotary.long_from = T;
    const wk_tensor by_near = wk_latent_attention(c, &near, x, at, NULL, WK_NONE);
    const wk_tensor by_far = wk_latent_attention(c, &far, x, at, NULL, WK_NONE);
    cr_assert(!wk_allclose(c, by_near, by_far, 1e-3, 1e-3, false));
    cr_assert(wk_allclose(c, wk_latent_attention(c, &a, x, at, NULL, WK_NONE), by_near, 1e-5, 1e-6, false));
    cr_assert(wk_allclose(c, wk_latent_attention(c, &a, x, at, &small->layers[0], first), by_near, 1e-4, 1e-5,
                          false));
    cr_assert(wk_allclose(c, wk_latent_attention(c, &a, x, at, &large->layers[0], first), by_far, 1e-4, 1e-5,
                          false));
    a.rotary.long_from = T - 1;
    cr_assert(wk_allclose(c, wk_latent_attention(c, &a, x, at, NULL, WK_NONE), by_far, 1e-5, 1e-6, false));
    /* dynamic NTK of factor 1, T times the length: frequencies times T^exponent */
    a.rotary.growth = 1;
    a.rotary.long_from = 1;
    a.rotary.long_freq = wk_make(c, (float[]){0, -1}, WK_f32, WK_SHAPE(2));
    far.rotary.inv_freq =
        wk_mul(c, near.rotary.inv_freq, wk_make(c, (float[]){1, 1.0f / T}, WK_f32, WK_SHAPE(2)));
    cr_assert(wk_allclose(c, wk_latent_attention(c, &a, x, at, NULL, WK_NONE),
                          wk_latent_attention(c, &far, x, at, NULL, WK_NONE), 1e-5, 1e-6, false));
    cr_assert_eq(wk_ctx_status(c), WK_OK, "%s", wk_ctx_message(c));
    wk_cache_free(small);
    wk_cache_free(large);
    wk_ctx_free(c);
}

Test(latent, the_cache_holds_rows_and_gives_the_same)
{
    wk_ctx                          *c = wk_ctx_new("cpu");
    const struct wk_latent_attention a =
        wk_latent_attention_load(wk_params_new(c, WK_f32, NULL), "a", options(c, true));
    wk_tensor x = wk_normal(c, 0, 1, WK_f32, WK_SHAPE(T, DIM)), at = wk_arange(c, 0, T, 1, WK_i64),
              step[T - 2];
    wk_tensor whole = wk_latent_attention(c, &a, x, at, NULL, WK_NONE);
    wk_cache *cache = wk_cache_new(c, 1, 1, T + 2, RANK + TURNED, 0, WK_f32, WK_f32);
    cr_assert(cache && wk_is_none(cache->layers[0].v));
    step[0] = wk_latent_attention(c, &a, wk_narrow(c, x, 0, 0, 3), wk_narrow(c, at, 0, 0, 3),
                                  &cache->layers[0], wk_narrow(c, at, 0, 0, 1));
    for (int64_t t = 3; t < T; t++) {
        wk_tensor now = wk_narrow(c, at, 0, t, 1);
        step[t - 2] = wk_latent_attention(c, &a, wk_narrow(c, x, 0, t, 1), now, &cache->layers[0], now);
    }
    cr_assert(wk_allclose(c, wk_cat(c, T - 2, step, 0), whole, 1e-4, 1e-5, false), "%s", wk_ctx_message(c));
    wk_cache *other = wk_cache_new(c, 1, 2, T, 4, 4, WK_f32, WK_f32);
    wk_latent_attention(c, &a, x, at, &other->layers[0], wk_narrow(c, at, 0, 0, 1));
    cr_assert_eq(wk_ctx_status(c), WK_ESHAPE);
    wk_cache_free(cache);
    wk_cache_free(other);
    wk_ctx_free(c);
}
