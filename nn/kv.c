/* The key-value cache of one sequence. */
#include "nn.h"

static bool whole_blocks(wk_ctx *c, const char *what, wk_dtype t, int64_t dim)
{
    const int64_t block = wk_dtype_block(t);
    if (dim % block == 0) return true;
    wk_fail(c, WK_EDTYPE, "cache: %s of %s come in blocks of %lld values, a head has %lld", what,
            wk_dtype_name(t), (long long)block, (long long)dim);
    return false;
}

wk_cache *wk_cache_new(wk_ctx *c, int64_t layers, int64_t kv_heads, int64_t capacity, int64_t key_dim,
                       int64_t value_dim, wk_dtype keys, wk_dtype values)
{
    if (wk_ctx_status(c) != WK_OK) return NULL;
    if (layers < 1 || kv_heads < 1 || capacity < 1 || key_dim < 1 || value_dim < 0) {
        wk_fail(c, WK_EARG, "cache: %lld layers, %lld heads, %lld positions, keys of %lld, values of %lld",
                (long long)layers, (long long)kv_heads, (long long)capacity, (long long)key_dim,
                (long long)value_dim);
        return NULL;
    }
    if (!whole_blocks(c, "keys", keys, key_dim) || !whole_blocks(c, "values", values, value_dim)) return NULL;
    wk_cache *k = wk_alloc_zero(1, sizeof *k);
    if (k) k->layers = wk_alloc_zero((size_t)layers, sizeof *k->layers);
    if (!k || !k->layers) {
        wk_free(k);
        wk_fail(c, WK_ENOMEM, "out of memory: a cache of %lld layers", (long long)layers);
        return NULL;
    }
    k->c = wk_ctx_new(wk_ctx_device(c));
    k->n_layers = layers;
    k->capacity = capacity;
    k->start = wk_zeros(k->c, WK_i64, WK_SHAPE(1));
    for (int64_t i = 0; i < layers; i++) {
        k->layers[i].k = wk_empty(k->c, keys, WK_SHAPE(kv_heads, capacity, key_dim));
        k->layers[i].v =
            value_dim == 0 ? WK_NONE : wk_empty(k->c, values, WK_SHAPE(kv_heads, capacity, value_dim));
    }
    if (wk_sync(k->c) == WK_OK) return k;
    wk_fail(c, wk_ctx_status(k->c), "cache: %s", wk_ctx_message(k->c));
    wk_cache_free(k);
    return NULL;
}

wk_cache *wk_cache_new_sliding(wk_ctx *c, int64_t layers, int64_t kv_heads, int64_t window, int64_t key_dim,
                               int64_t value_dim, wk_dtype keys, wk_dtype values)
{
    wk_cache *k = wk_cache_new(c, layers, kv_heads, window, key_dim, value_dim, keys, values);
    if (!k) return NULL;
    k->sliding = true;
    for (int64_t i = 0; i < layers; i++) k->layers[i].rotating = true;
    return k;
}

void wk_cache_free(wk_cache *k)
{
    if (!k) return;
    wk_ctx_free(k->c);
    wk_free(k->layers);
    wk_free(k);
}

void wk_cache_truncate(wk_cache *k, int64_t length)
{
    if (!k || length < 0 || length >= k->length) return;
    if (!k->sliding || k->length <= k->capacity || length == 0) k->length = length;
}

void wk_cache_place(wk_ctx *c, wk_cache *k, int64_t length)
{
    if (wk_ctx_status(c) != WK_OK || !k) return;
    if (length < 0 || length > k->capacity) {
        wk_fail(c, WK_EINDEX, "cache: place %lld of %lld", (long long)length, (long long)k->capacity);
        return;
    }
    wk_copy_into(c, k->start, wk_full(c, (double)length, WK_i64, WK_SHAPE(1)));
    k->length = length;
}
