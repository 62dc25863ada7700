/* What attention and its gradient share: a call's sizes, which keys a query sees, small products, packed
 * blocks. */
#ifndef WK_CPU_ATTEND_H
#define WK_CPU_ATTEND_H

#include "cpu/simd.h"

#define KEYS 64 /* keys per block */

struct attend {
    const wk_call *call;
    wk_tensor      q, k, v, mask;             /* mask WK_NONE or [.., H, T, S] */
    int64_t        batch, heads, groups, rep; /* rep: query heads per key head */
    int64_t        queries, keys, d, dv;
    int64_t        dp, dvp; /* padded to whole vectors */
    const int64_t *starts;  /* places of the batch entries' first queries, or NULL: */
    int64_t        start;   /* that of all */
    int64_t        seen;    /* keys that exist, where most do */
    int64_t        window;
    bool           causal;
    float          scale, softcap;
};

INLINE int64_t whole(int64_t n, int64_t unit)
{
    return (n + unit - 1) / unit * unit;
}

INLINE struct attend attend_of(const wk_call *call)
{
    const wk_tensor q = call->in[0], k = call->in[1], v = call->in[2];
    struct attend   a = {.call = call, .q = q, .k = k, .v = v, .mask = call->in[4], .batch = 1};
    for (int i = 0; i + 3 < q->ndim; i++) a.batch *= q->shape[i];
    a.heads = q->shape[q->ndim - 3];
    a.groups = k->shape[k->ndim - 3];
    a.rep = a.heads / a.groups;
    a.queries = q->shape[q->ndim - 2];
    a.keys = k->shape[k->ndim - 2];
    a.d = wki_cols(q);
    a.dv = wki_cols(v);
    a.dp = whole(a.d, W);
    a.dvp = whole(a.dv, W);
    a.causal = call->attr.i[0] != 0;
    a.window = call->attr.i[1];
    a.scale = (float)call->attr.f[0];
    a.softcap = (float)call->attr.f[1];
    return a;
}

/* The place of the first query of batch entry b; the keys that exist there. */
INLINE int64_t start_of(const struct attend *a, int64_t b)
{
    return a->starts ? a->starts[b] : a->start;
}
INLINE int64_t seen_of(const struct attend *a, int64_t b)
{
    return a->starts ? a->starts[b] + a->queries : a->seen;
}

/* Reads the places of the first queries. The first that is not within the keys, or -1. */
INLINE int64_t attend_start(struct attend *a)
{
    const wk_tensor start = a->call->in[3];
    int64_t         value;
    a->start = a->keys - a->queries;
    a->seen = a->keys;
    if (start->storage == NULL) return -1;
    const int64_t n = wk_count(start);
    if (n > 1) a->starts = load_i64(start, 0, n, NULL);
    a->start = *load_i64(start, 0, 1, &value);
    a->seen = 0;
    for (int64_t b = 0; b < n; b++) {
        const int64_t seen = start_of(a, b) + a->queries;
        if (seen > a->keys || seen < a->queries) return b;
        if (seen > a->seen) a->seen = seen;
    }
    return -1;
}

/* Element where the rows of head h in batch entry b begin. */
INLINE int64_t head_at(wk_tensor x, int64_t b, int64_t h)
{
    int64_t at = h * x->stride[x->ndim - 3];
    for (int i = x->ndim - 4; i >= 0; i--) {
        at += b % x->shape[i] * x->stride[i];
        b /= x->shape[i];
    }
    return at;
}
INLINE int64_t row_step(wk_tensor x)
{
    return x->stride[x->ndim - 2];
}

/* Keys first .. last that query t of batch entry b sees. */
INLINE int64_t first_seen(const struct attend *a, int64_t b, int64_t t)
{
    const int64_t from = start_of(a, b) + t - a->window + 1;
    return a->window && from > 0 ? from : 0;
}
INLINE int64_t last_seen(const struct attend *a, int64_t b, int64_t t)
{
    const int64_t to = start_of(a, b) + t + 1, seen = seen_of(a, b);
    return a->causal && to < seen ? to : seen;
}

/* n rows of x from element `at` as f32, in place where they are dense enough: *step apart, readable and
 * zero up to `width` >= the row. buffer: [rows up to a multiple of 4][width], the last ones zero. */
INLINE const float *block_rows(wk_tensor x, int64_t at, int64_t n, int64_t width, float *buffer,
                               int64_t *step)
{
    const int64_t d = wki_cols(x);
    if (x->dtype == WK_f32 && d == width && n % 4 == 0) {
        *step = row_step(x);
        return (const float *)(const void *)address(x, at);
    }
    *step = width;
    for (int64_t i = 0; i < n; i++) {
        CPU(to_f32)[x->dtype](address(x, at + i * row_step(x)), buffer + i * width, d);
        for (int64_t j = d; j < width; j++) buffer[i * width + j] = 0.0f;
    }
    for (int64_t i = n * width; i < whole(n, 4) * width; i++) buffer[i] = 0.0f;
    return buffer;
}

/* [n][width] rows to [width][KEYS] columns; columns from n on (rounded up to 4) are zero. width: multiple
 * of 4. */
INLINE void block_columns(const float *rows, int64_t step, int64_t n, int64_t width, float *columns)
{
    for (int64_t i = 0; i < whole(n, 4); i += 4)
        for (int64_t j = 0; j < width; j += 4)
            v_transpose4(rows + i * step + j, step, columns + j * KEYS + i, KEYS);
    for (int64_t j = 0; j < width && n + 3 < KEYS; j++)
        for (int64_t i = whole(n, 4); i < KEYS; i++) columns[j * KEYS + i] = 0.0f;
}

/* ---- scores of one query for keys key .. key + n, n <= KEYS ---------------------------------- */

/* tanh(x) = 1 - 2 / (exp(2 x) + 1) */
INLINE void cap_scores(float *s, float cap)
{
    const vf limit = v_set(60.0f);
    for (int64_t j = 0; j < KEYS; j += W) {
        vf x = v_load(s + j) * v_set(2.0f / cap);
        x = v_pick(x > limit, limit, x);
        v_store(s + j, v_set(cap) - v_set(2.0f * cap) / (v_exp(x) + v_set(1.0f)));
    }
}

INLINE void mask_scores(wk_tensor m, int64_t at, int64_t n, float *s)
{
    float        buffer[KEYS];
    const float *v = load_f32(m, at, n, buffer);
    if (m->dtype == WK_bool)
        for (int64_t j = 0; j < n; j++) s[j] = v[j] != 0.0f ? s[j] : -INFINITY;
    else
        for (int64_t j = 0; j < n; j++) s[j] += v[j];
}

/* Soft cap, mask, and -inf for the keys out of the query's sight. */
INLINE void limit_scores(const struct attend *a, int64_t b, int64_t head, int64_t query, int64_t key,
                         int64_t n, float *s)
{
    int64_t from = first_seen(a, b, query) - key, to = last_seen(a, b, query) - key;
    from = from < 0 ? 0 : from > KEYS ? KEYS : from;
    to = to > n ? n : to;
    to = to < from ? from : to;
    if (a->softcap > 0.0f) cap_scores(s, a->softcap);
    if (a->mask->storage)
        mask_scores(a->mask, head_at(a->mask, b, head) + query * row_step(a->mask) + key, n, s);
    for (int64_t j = 0; j < from; j++) s[j] = -INFINITY;
    for (int64_t j = to; j < KEYS; j++) s[j] = -INFINITY;
}

/* ---- c [m, n] (+)= a [m, k] b [k, n]: a's element (i, p) at i * ai + p * ap; n whole vectors ---- */

#define PRODUCT_ROWS 6
#if W == 16 || defined __ARM_NEON
#define PRODUCT_VECTORS 4
#else
#define PRODUCT_VECTORS 2
#endif

INLINE void product_tile(int rows, int vectors, int64_t k, const float *a, int64_t ai, int64_t ap,
                         const float *b, int64_t bp, float *c, int64_t ci, bool add)
{
    vf s[PRODUCT_ROWS][PRODUCT_VECTORS];
    for (int i = 0; i < rows; i++)
        for (int j = 0; j < vectors; j++) s[i][j] = add ? v_load(c + i * ci + j * W) : v_set(0.0f);
    for (int64_t p = 0; p < k; p++) {
        vf bv[PRODUCT_VECTORS];
        for (int j = 0; j < vectors; j++) bv[j] = v_load(b + p * bp + j * W);
        for (int i = 0; i < rows; i++) {
            const vf av = v_set(a[i * ai + p * ap]);
            for (int j = 0; j < vectors; j++) s[i][j] = v_fma(av, bv[j], s[i][j]);
        }
    }
    for (int i = 0; i < rows; i++)
        for (int j = 0; j < vectors; j++) v_store(c + i * ci + j * W, s[i][j]);
}

INLINE void product_rows(int vectors, int64_t m, int64_t k, const float *a, int64_t ai, int64_t ap,
                         const float *b, int64_t bp, float *c, int64_t ci, bool add)
{
    int64_t i = 0;
    for (; i + PRODUCT_ROWS <= m; i += PRODUCT_ROWS)
        product_tile(PRODUCT_ROWS, vectors, k, a + i * ai, ai, ap, b, bp, c + i * ci, ci, add);
    for (; i + 2 <= m; i += 2) product_tile(2, vectors, k, a + i * ai, ai, ap, b, bp, c + i * ci, ci, add);
    if (i < m) product_tile(1, vectors, k, a + i * ai, ai, ap, b, bp, c + i * ci, ci, add);
}

static __attribute__((unused)) void product(int64_t m, int64_t n, int64_t k, const float *a, int64_t ai,
                                            int64_t ap, const float *b, int64_t bp, float *c, int64_t ci,
                                            bool add)
{
    int64_t j = 0;
    for (; j + PRODUCT_VECTORS * W <= n; j += PRODUCT_VECTORS * W)
        product_rows(PRODUCT_VECTORS, m, k, a, ai, ap, b + j, bp, c + j, ci, add);
#if PRODUCT_VECTORS == 4
    if (j + 2 * W <= n) {
        product_rows(2, m, k, a, ai, ap, b + j, bp, c + j, ci, add);
        j += 2 * W;
    }
#endif
    if (j < n) product_rows(1, m, k, a, ai, ap, b + j, bp, c + j, ci, add);
}

#endif
