/* Writes into the key-value cache. */
#include "cpu/kernel.h"

#include <stdio.h>

struct write {
    wk_tensor x, cache;
    wk_tensor start;                   /* one place, or one for each batch entry */
    int64_t   heads, queries, columns; /* heads over all leading dims */
    int64_t   each;                    /* of them, under one start */
};

static int64_t head_at(wk_tensor x, int64_t h)
{
    int64_t at = 0;
    for (int i = x->ndim - 3; i >= 0; i--) {
        at += h % x->shape[i] * x->stride[i];
        h /= x->shape[i];
    }
    return at;
}

static int64_t start_of(const struct write *w, int64_t h)
{
    int64_t value;
    return *load_i64(w->start, h / w->each, 1, &value);
}

static void write_rows(void *arg, int64_t first, int64_t last, int worker)
{
    const struct write *w = arg;
    float               buffer[TILE];
    (void)worker;
    for (int64_t i = first; i < last; i++) {
        const int64_t h = i / w->queries, t = i % w->queries;
        const int64_t from = head_at(w->x, h) + t * w->x->stride[w->x->ndim - 2];
        const int64_t to = head_at(w->cache, h) + (start_of(w, h) + t) * w->cache->stride[w->cache->ndim - 2];
        for (int64_t e = 0; e < w->columns; e += TILE) {
            const int64_t n = w->columns - e < TILE ? w->columns - e : TILE;
            char         *out = address(w->cache, to + e);
            if (w->x->dtype == w->cache->dtype)
                memcpy(out, address(w->x, from + e),
                       (size_t)(n / wk_dtype_block(w->x->dtype) * wk_dtype_bytes(w->x->dtype)));
            else
                CPU(from_f32)[w->cache->dtype](load_f32(w->x, from + e, n, buffer), out, n);
        }
    }
}

wk_status CPU(cache_write)(const wk_call *k)
{
    struct write  w = {.x = k->in[0], .start = k->in[1], .cache = k->out[0]};
    const int64_t capacity = w.cache->shape[w.cache->ndim - 2];
    w.queries = w.x->shape[w.x->ndim - 2];
    w.columns = wki_cols(w.x);
    w.heads = 1;
    for (int i = 0; i + 2 < w.x->ndim; i++) w.heads *= w.x->shape[i];
    w.each = w.heads > 0 ? w.heads / wk_count(w.start) : 1;
    for (int64_t h = 0; h == 0 || h < w.heads; h += w.each) {
        const int64_t start = start_of(&w, h);
        if (start < 0 || start > capacity - w.queries) {
            snprintf(k->message, WKI_CALL_MESSAGE, "%lld positions from %lld, room for %lld",
                     (long long)w.queries, (long long)start, (long long)capacity);
            return WK_EINDEX;
        }
    }
    if (wk_count(w.x) == 0) return WK_OK;
    wki_parallel(k->device, w.heads * w.queries, 16384 / w.columns + 1, write_rows, &w);
    return WK_OK;
}
