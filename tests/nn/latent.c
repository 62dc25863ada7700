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
