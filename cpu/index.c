/* Picking by index: index_select, index, gather, embedding_rows. A bad index is found on the way and named
 * afterwards; nobody sees the result then. */
#include "cpu/index.h"

#include <stdatomic.h>
#include <stdio.h>

#define AHEAD 8 /* rows that are asked for before they are copied */

wk_status CPU(bad_index)(const wk_call *k, wk_tensor index, int64_t n, bool wrap)
{
    int64_t       buffer[TILE];
    const int64_t count = wk_count(index), low = wrap ? -n : 0;
    struct walk   w;
    walk_over(&w, index, 1, &index);
    for (int64_t at = 0; at < count; at += TILE) {
        const int64_t  m = count - at < TILE ? count - at : TILE;
        const int64_t *v = walk_i64(&w, 0, index, at, m, buffer);
        for (int64_t i = 0; i < m; i++)
            if (v[i] < low || v[i] >= n) {
                snprintf(k->message, WKI_CALL_MESSAGE, "index %lld at position %lld is outside of size %lld",
                         (long long)v[i], (long long)(at + i), (long long)n);
                return WK_EINDEX;
            }
    }
    return WK_OK;
}

/* ---- gather ----------------------------------------------------------------------------------- */

struct gathering {
    wk_tensor   x, index, y;
    struct walk w;          /* of y's places: y, index, x without the dim */
    int64_t     size, step; /* of the dim */
    bool        wrap;
    atomic_bool bad;
};

/* The n indices as they are, or, where some are negative and may be, counted from the start in out; NULL
 * where one is out of range. */
static const int64_t *in_range(const struct gathering *g, const int64_t *index, int64_t n, int64_t *out)
{
    const uint64_t size = (uint64_t)g->size;
    uint64_t       bad = 0;
    for (int64_t i = 0; i < n; i++) bad |= (uint64_t)((uint64_t)index[i] >= size);
    if (!bad || !g->wrap) return bad ? NULL : index;
    bad = 0;
    for (int64_t i = 0; i < n; i++) {
        out[i] = index[i] + (index[i] < 0 ? g->size : 0);
        bad |= (uint64_t)((uint64_t)out[i] >= size);
    }
    return bad ? NULL : out;
}

/* A row of n values: y[i] is x[i sx + index step]. */
#define GATHER(type)                                                                                         \
    static void gather_##type(const struct gathering *g, void *y, const void *x, int64_t sx,                 \
                              const int64_t *index, int64_t n)                                               \
    {                                                                                                        \
        const int64_t step = g->step;                                                                        \
        const type   *from = x;                                                                              \
        type         *to = y;                                                                                \
        if (step == 1 && sx == 0)                                                                            \
            for (int64_t i = 0; i < n; i++) to[i] = from[index[i]];                                          \
        else                                                                                                 \
            for (int64_t i = 0; i < n; i++) to[i] = from[i * sx + index[i] * step];                          \
    }
GATHER(any8)
GATHER(any16)
GATHER(any32)
GATHER(any64)

static void gather_piece(void *arg, int64_t first, int64_t last, int worker)
{
    struct gathering *g = arg;
    const int         inner = g->w.ndim - 1;
    const int64_t     cols = g->w.shape[inner], bytes = wk_dtype_bytes(g->x->dtype);
    const int64_t     si = g->w.stride[1][inner], sx = g->w.stride[2][inner];
    struct walk_row   index, x;
    int64_t           buffer[TILE];
    bool              bad = false;
    (void)worker;
    walk_row_at(&index, &g->w, 1, first / cols);
    walk_row_at(&x, &g->w, 2, first / cols);
    for (int64_t at = first, from = first % cols, n; at < last; at += n) {
        n = cols - from < last - at ? cols - from : last - at;
        n = n < TILE ? n : TILE;
        const int64_t *v = load_i64_strided(g->index, index.offset + from * si, si, n, buffer);
        const void    *line = (const char *)wki_data(g->x) + (x.offset + from * sx) * bytes;
        char          *y = (char *)wki_data(g->y) + at * bytes;
        v = in_range(g, v, n, buffer);
        bad |= !v;
        if (v)
            (bytes == 1   ? gather_any8
             : bytes == 2 ? gather_any16
             : bytes == 4 ? gather_any32
                          : gather_any64)(g, y, line, sx, v, n);
        from += n;
        if (from < cols) continue;
        from = 0;
        walk_row_next(&index, &g->w, 1);
        walk_row_next(&x, &g->w, 2);
    }
    if (bad) atomic_store_explicit(&g->bad, true, memory_order_relaxed);
}

/* named: the index as the caller gave it, for the message. y is dense. */
static wk_status gather(const wk_call *k, wk_tensor index, wk_tensor named, int d, bool wrap)
{
    struct gathering g = {.x = k->in[0], .index = index, .y = k->out[0], .size = 1, .wrap = wrap};
    if (g.x->ndim) g.size = g.x->shape[d];
    if (g.x->ndim) g.step = g.x->stride[d];
    if (g.size == 0 || wk_count(g.y) == 0)
        return wk_count(g.y) ? CPU(bad_index)(k, named, g.size, wrap) : WK_OK;
    struct wk_tensor_info without = *g.x;
    if (g.x->ndim) {
        memcpy(without.shape, g.y->shape, sizeof without.shape);
        without.stride[d] = 0;
    }
    const wk_tensor all[] = {g.y, g.index, &without};
    walk_over(&g.w, g.y, 3, all);
    wki_parallel(k->device, g.w.n, 8192, gather_piece, &g);
    return atomic_load(&g.bad) ? CPU(bad_index)(k, named, g.size, wrap) : WK_OK;
}

/* attr.i: the dim, negative indices count from the end */
wk_status CPU(gather)(const wk_call *k)
{
    return gather(k, k->in[1], k->in[1], (int)k->attr.i[0], k->attr.i[1] != 0);
}

/* ---- index, index_select: slices [lead, picks, the dims behind] ------------------------------- */

struct slices {
    wk_tensor        x, y;
    const wk_tensor *index; /* of dims d .. d + n - 1, 0-d or 1-d */
    struct walk      behind;
    int              n, d;
    bool             wrap, run; /* run: the values behind lie end to end */
    int64_t          lead, picks, inner, bytes;
    int64_t         *offsets; /* of all picks; NULL: made as they are wanted */
    atomic_bool      bad;
};

static void offsets_of(struct slices *o, int64_t first, int64_t n, int64_t *out)
{
    int64_t buffer[TILE];
    bool    bad = false;
    for (int i = 0; i < o->n; i++) {
        const int64_t  size = o->x->ndim ? o->x->shape[o->d + i] : 1, low = o->wrap ? -size : 0;
        const int64_t  step = o->x->ndim ? o->x->stride[o->d + i] : 0;
        const int64_t  si = o->index[i]->ndim ? o->index[i]->stride[0] : 0;
        const int64_t *v = load_i64_strided(o->index[i], first * si, si, n, buffer);
        for (int64_t j = 0; j < n; j++) {
            const bool    out_of_it = v[j] < low || v[j] >= size;
            const int64_t place = out_of_it ? 0 : v[j] < 0 ? v[j] + size : v[j];
            bad |= out_of_it;
            out[j] = (i ? out[j] : 0) + place * step;
        }
    }
    if (bad) atomic_store_explicit(&o->bad, true, memory_order_relaxed);
}

#define PICK(type)                                                                                           \
    for (int64_t i = 0; i < n; i++) ((type *)(void *)y)[i] = ((const type *)(const void *)x)[offset[i]]

/* n slices from x at the offsets to y. */
static void put_slices(const struct slices *o, char *y, const char *x, const int64_t *offset, int64_t n)
{
    const int64_t row = o->inner / wk_dtype_block(o->x->dtype) * o->bytes;
    if (o->inner == 1 && o->bytes == 1)
        PICK(any8);
    else if (o->inner == 1 && o->bytes == 2)
        PICK(any16);
    else if (o->inner == 1 && o->bytes == 4)
        PICK(any32);
    else if (o->inner == 1 && o->bytes == 8)
        PICK(any64);
    else if (o->run && wk_dtype_block(o->x->dtype) == 1)
        for (int64_t i = 0; i < n; i++) {
            if (i + AHEAD < n) __builtin_prefetch(x + offset[i + AHEAD] * o->bytes);
            memcpy(y + i * row, x + offset[i] * o->bytes, (size_t)row);
        }
    else if (o->run)
        for (int64_t i = 0; i < n; i++)
            memcpy(y + i * row, x + offset[i] / wk_dtype_block(o->x->dtype) * o->bytes, (size_t)row);
    else
        for (int64_t i = 0; i < n; i++) {
            struct walk_row r;
            walk_row_at(&r, &o->behind, 0, 0);
            const int     last = o->behind.ndim - 1;
            const int64_t m = o->behind.shape[last], step = o->behind.stride[0][last];
            for (int64_t j = 0; j < o->inner; j += m) {
                const char *from = x + (offset[i] + r.offset) * o->bytes;
                for (int64_t e = 0; e < m; e++)
                    memcpy(y + i * row + (j + e) * o->bytes, from + e * step * o->bytes, (size_t)o->bytes);
                walk_row_next(&r, &o->behind, 0);
            }
        }
}

static void slices_piece(void *arg, int64_t first, int64_t last, int worker)
{
    struct slices *o = arg;
    int64_t        own[TILE];
    (void)worker;
    for (int64_t at = first, n; at < last; at += n) { /* at: (lead, pick) */
        const int64_t pick = at % o->picks;
        int64_t       from = 0, outer = at / o->picks;
        n = last - at < o->picks - pick ? last - at : o->picks - pick;
        if (!o->offsets && n > TILE) n = TILE;
        for (int i = o->d - 1; i >= 0; i--) {
            from += outer % o->x->shape[i] * o->x->stride[i];
            outer /= o->x->shape[i];
        }
        if (!o->offsets) offsets_of(o, pick, n, own);
        put_slices(o, address(o->y, at * o->inner), address(o->x, from), o->offsets ? o->offsets + pick : own,
                   n);
    }
}

static struct slices slices(const wk_call *k, int n, bool wrap)
{
    struct slices o = {
        .x = k->in[0], .y = k->out[0], .n = n, .d = (int)k->attr.i[0], .wrap = wrap, .run = true};
    o.lead = o.inner = 1;
    o.bytes = wk_dtype_bytes(o.x->dtype);
    o.picks = wk_count(k->in[1]);
    o.index = k->in + 1;
    for (int i = 0; i < o.d; i++) o.lead *= o.x->shape[i];
    for (int i = o.x->ndim - 1; i >= o.d + n; i--) {
        if (o.x->shape[i] != 1 && o.x->stride[i] != o.inner) o.run = false;
        o.inner *= o.x->shape[i];
    }
    return o;
}

static size_t slices_scratch(const wk_call *k)
{
    int64_t lead = 1;
    for (int i = 0; i < k->attr.i[0]; i++) lead *= k->in[0]->shape[i];
    return lead > 1 ? (size_t)wk_count(k->in[1]) * sizeof(int64_t) : 0;
}

/* Single values: gathered, by one index for every line. */
static wk_status pick_values(const wk_call *k, int d, bool wrap)
{
    struct wk_tensor_info lines = *k->in[1];
    lines.ndim = k->out[0]->ndim;
    for (int i = 0; i < lines.ndim; i++) {
        lines.shape[i] = k->out[0]->shape[i];
        lines.stride[i] = i == d && k->in[1]->ndim ? k->in[1]->stride[0] : 0;
    }
    return gather(k, &lines, k->in[1], d, wrap);
}

static wk_status pick_slices(const wk_call *k, int n, bool wrap)
{
    struct slices o = slices(k, n, wrap);
    for (int i = 0; i < n; i++) {
        const int64_t size = o.x->ndim ? o.x->shape[o.d + i] : 1;
        if (size == 0 || wk_count(o.y) == 0) WK_TRY(CPU(bad_index)(k, o.index[i], size, wrap));
    }
    if (wk_count(o.y) == 0) return WK_OK;
    if (n == 1 && o.inner == 1 && o.x->ndim == o.y->ndim) return pick_values(k, o.d, wrap);
    if (!o.run)
        for (int i = o.d + n; i < o.x->ndim; i++) walk_dim(&o.behind, 1, o.x->shape[i], &o.x->stride[i]);
    if (o.lead > 1) {
        o.offsets = k->scratch;
        for (int64_t at = 0; at < o.picks; at += TILE)
            offsets_of(&o, at, o.picks - at < TILE ? o.picks - at : TILE, o.offsets + at);
    }
    wki_parallel(k->device, o.lead * o.picks, 16384 / o.inner + 1, slices_piece, &o);
    for (int i = 0; i < n && atomic_load(&o.bad); i++)
        WK_TRY(CPU(bad_index)(k, o.index[i], o.x->ndim ? o.x->shape[o.d + i] : 1, wrap));
    return WK_OK;
}

/* attr.i[0] the dim */
wk_status CPU(index_select)(const wk_call *k)
{
    return pick_slices(k, 1, false);
}
size_t CPU(index_select_scratch)(const wk_call *k)
{
    return slices_scratch(k);
}

/* attr.i: the first dim; in: x, the index of each dim from there on, negative ones from the end */
wk_status CPU(index)(const wk_call *k)
{
    return pick_slices(k, k->n_in - 1, true);
}
size_t CPU(index_scratch)(const wk_call *k)
{
    return slices_scratch(k);
}

/* ---- embedding_rows ---------------------------------------------------------------------------- */

struct rows {
    wk_tensor x, index, y;
    int64_t   inner;
};

static void embedding_piece(void *arg, int64_t first, int64_t last, int worker)
{
    const struct rows *r = arg;
    const wk_dtype     t = r->x->dtype;
    struct walk        w;
    int64_t            buffer[1];
    (void)worker;
    walk_over(&w, r->index, 1, &r->index);
    for (int64_t at = first; at < last; at++) {
        const int64_t pick = *walk_i64(&w, 0, r->index, at, 1, buffer);
        const char   *from = address(r->x, pick * r->x->stride[0]);
        void         *to = address(r->y, at * r->inner);
        if (t == r->y->dtype)
            memcpy(to, from, (size_t)(r->inner * wk_dtype_bytes(t)));
        else
            CPU(to_f32)[t](from, to, r->inner);
    }
}

wk_status CPU(embedding_rows)(const wk_call *k)
{
    struct rows r = {.x = k->in[0], .index = k->in[1], .y = k->out[0], .inner = k->in[0]->shape[1]};
    WK_TRY(CPU(bad_index)(k, r.index, r.x->shape[0], false));
    if (wk_count(r.y) == 0) return WK_OK;
    wki_parallel(k->device, wk_count(r.index), 16384 / r.inner + 1, embedding_piece, &r);
    return WK_OK;
}
