/* Key-value caches. Part of nn/nn.h. */
#ifndef WK_NN_KV_H
#define WK_NN_KV_H

#include "../../core/wick.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Keys and values of one sequence, per layer [kv_heads, capacity, head_dim]: head-major, so that a head's
 * keys are one run of memory. Keys and values each have a dtype of their own, real or in blocks (q8_0, q4_0:
 * a head's size is whole blocks, else WK_EDTYPE). Lives in its own context. */
struct wk_kv {
    wk_tensor k, v;     /* v WK_NONE: what it would hold is part of k (latent attention) */
    bool      rotating; /* position p lies at p modulo the capacity */
};
typedef struct wk_cache {
    wk_ctx       *c;
    struct wk_kv *layers;
    int64_t       n_layers, capacity, length; /* length: positions written */
    bool          sliding;
    wk_tensor     start; /* i64 [1]: length before the step that runs */
} wk_cache;
/* NULL after an error; value_dim 0: keys alone. */
WK_API wk_cache *wk_cache_new(wk_ctx *c, int64_t layers, int64_t kv_heads, int64_t capacity, int64_t key_dim,
                              int64_t value_dim, wk_dtype keys, wk_dtype values);
/* One that keeps the last `window` positions of any number: a new one takes the place of the oldest. Queries
 * see at most these, as with a window in wk_attention, whose results it gives. */
WK_API wk_cache *wk_cache_new_sliding(wk_ctx *c, int64_t layers, int64_t kv_heads, int64_t window,
                                      int64_t key_dim, int64_t value_dim, wk_dtype keys, wk_dtype values);
WK_API void      wk_cache_free(wk_cache *k);
/* Forgets later positions. A sliding one that has lost positions can only forget all (length 0). */
WK_API void wk_cache_truncate(wk_cache *k, int64_t length);
/* Says that `length` positions are written, to cache->length and, in the order of c's work, to cache->start:
 * before steps with wk_forward_opts.on_device, and after them, since only the caller knows how many ran. */
WK_API void wk_cache_place(wk_ctx *c, wk_cache *k, int64_t length);

#ifdef __cplusplus
}
#endif
#endif
