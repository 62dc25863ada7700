/* Attention on a rotating cache: position p lies at p modulo its capacity. Where it stands is a tensor, so
 * that a step may be captured. */
#include "layers.h"

/* x [G, T, d] into the slots [T] of cache; dtypes in blocks go one position at a time. */
static void write(wk_ctx *c, wk_tensor cache, wk_tensor x, wk_tensor slots)
{
    if (wk_dtype_block(cache->dtype) == 1) {
        wk_index_write(c, cache, WK_AT(WK_ALL, WK_T(slots)), x);
        return;
    }
    for (int64_t t = 0; t < wk_size(slots, 0); t++)
        wk_cache_write(c, cache, wk_narrow(c, x, -2, t, 1), wk_narrow(c, slots, 0, t, 1));
}

static wk_tensor joined(wk_ctx *c, wk_tensor cache, wk_tensor x)
{
    const wk_tensor both[] = {wk_cast(c, cache, x->dtype), x};
    return wk_cat(c, 2, both, -2);
}

/* bool [T, W + T]: which of the cache's positions, then of the new ones, the new ones see. */
static wk_tensor visible(wk_ctx *c, int64_t T, int64_t W, int64_t window, wk_tensor start)
{
    const wk_tensor last = wk_sub(c, start, wk_scalar_int(c, 1));
    const wk_tensor slot = wk_arange(c, 0, (double)W, 1, WK_i64), now = wk_arange(c, 0, (double)T, 1, WK_i64);
    const wk_tensor age = wk_remainder(c, wk_sub(c, last, slot), wk_scalar_int(c, W));
    const wk_tensor at[] = {wk_sub(c, last, age), wk_add(c, now, start)};
    const wk_tensor key = wk_cat(c, 2, at, 0), query = wk_unsqueeze(c, at[1], 1);
    const wk_tensor near_enough = wk_gt(c, key, wk_sub(c, query, wk_scalar_int(c, window)));
    const wk_tensor past = wk_logical_and(c, wk_le(c, key, query), wk_ge(c, key, wk_scalar_int(c, 0)));
    return wk_logical_and(c, near_enough, past);
}

wk_tensor wki_attend_sliding(wk_ctx *c, wk_tensor q, wk_tensor k, wk_tensor v, const struct wk_kv *kv,
                             wk_attend_opts o)
{
    const int64_t   T = wk_size(q, -2), W = wk_size(kv->k, -2);
    const wk_tensor start = wk_cast(c, o.start, WK_i64), size = wk_scalar_int(c, W);
    if (wk_ctx_status(c) != WK_OK) return WK_NONE;
    if (k->ndim != 3) {
        wk_fail(c, WK_ESHAPE, "attention: keys of %d dims into a cache of one sequence", k->ndim);
        return WK_NONE;
    }
    if (T == 1 && (o.window == 0 || o.window >= W)) { /* all that is there is seen, in whatever order */
        const wk_tensor slot = wk_remainder(c, start, size);
        wk_cache_write(c, kv->k, k, slot);
        wk_cache_write(c, kv->v, v, slot);
        o.start = wk_minimum(c, start, wk_scalar_int(c, W - 1));
        o.window = 0;
        return wk_attend(c, q, kv->k, kv->v, o);
    }
    const int64_t   kept = T < W ? T : W;
    const wk_tensor fresh = wk_arange(c, (double)(T - kept), (double)T, 1, WK_i64);
    o.mask = visible(c, T, W, o.window && o.window < W ? o.window : W, start);
    o.start = WK_NONE;
    o.causal = false;
    o.window = 0;
    const wk_tensor y = wk_attend(c, q, joined(c, kv->k, k), joined(c, kv->v, v), o);
    const wk_tensor slots = wk_remainder(c, wk_add(c, start, fresh), size);
    write(c, kv->k, wk_narrow(c, k, -2, T - kept, kept), slots);
    write(c, kv->v, wk_narrow(c, v, -2, T - kept, kept), slots);
    return y;
}
