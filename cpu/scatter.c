/* Writing by index: scatter, scatter_add, scatter_reduce, index_put. The values that go to one place go
 * there in their order, by one thread, so that results do not depend on threads. */
#include "cpu/index.h"

#include <stdatomic.h>

#define COLUMNS 256 /* neighbours written together */

/* y[at without the dim, index[at]] takes in src[at], for places `at` of the index. Of dims of y, index and
 * src, `last` is walked innermost; `dim` comes next when it is another one; the rest are units. */
struct scatter {
    wk_tensor        y, index, src;
    wk_tensor        named; /* the index as the caller gave it, for messages; NULL: as it is */
    enum wki_scatter mode;
    int              dim, last;
    bool             wrap, rows; /* rows: one place for all of a row */
    int64_t          n, m, size; /* places along dim and last; what dim has room for */
    int64_t          units, blocks, parts;
    int64_t          sy, si, ss;   /* strides along last; sy is 0 where that is the dim */
    int64_t          step, di, ds; /* strides along the dim */
    atomic_bool      bad;
};

/* n index values from element `at` on, a stride apart, all in range: bad ones become 0. */
static void places(struct scatter *o, int64_t at, int64_t stride, int64_t n, int64_t *out)
{
    int64_t        buffer[TILE];
    const int64_t *v = load_i64_strided(o->index, at, stride, n, buffer);
    bool           bad = false;
    for (int64_t i = 0; i < n; i++) {
        const int64_t p = o->wrap && v[i] < 0 ? v[i] + o->size : v[i];
        bad |= (uint64_t)p >= (uint64_t)o->size;
        out[i] = (uint64_t)p < (uint64_t)o->size ? p : 0;
    }
    if (bad) atomic_store_explicit(&o->bad, true, memory_order_relaxed);
}

/* ---- runs of n values ---------------------------------------------------------------------------- */

#define MOVE(type)                                                                                           \
    for (int64_t i = 0; i < n; i++)                                                                          \
    ((type *)(void *)y)[i * o->sy + (o->rows ? *at : at[i]) * o->step] =                                     \
        ((const type *)(const void *)x)[i * o->ss]
static void set_run(const struct scatter *o, int64_t to, int64_t from, const int64_t *at, int64_t n)
{
    const int64_t bytes = wk_dtype_bytes(o->y->dtype);
    char         *y = address(o->y, to);
    const char   *x = address(o->src, from);
    if (o->rows && o->ss == 1)
        memcpy(y + *at * o->step * bytes, x, (size_t)(n * bytes));
    else if (bytes == 1)
        MOVE(any8);
    else if (bytes == 2)
        MOVE(any16);
    else if (bytes == 4)
        MOVE(any32);
    else
        MOVE(any64);
}

#define NAN_MOST(a, b)   ((a) != (a) || (b) != (b) ? (a) + (b) : (a) > (b) ? (a) : (b))
#define NAN_LEAST(a, b)  ((a) != (a) || (b) != (b) ? (a) + (b) : (a) < (b) ? (a) : (b))
#define MOST(a, b)       ((a) > (b) ? (a) : (b))
#define LEAST(a, b)      ((a) < (b) ? (a) : (b))
#define PLUS(a, b)       ((a) + (b))
#define TIMES(a, b)      ((a) * (b))
#define WRAP_PLUS(a, b)  ((int64_t)((uint64_t)(a) + (uint64_t)(b)))
#define WRAP_TIMES(a, b) ((int64_t)((uint64_t)(a) * (uint64_t)(b)))

/* A whole row goes to one place, or each value to its own. */
#define EACH(type, op)                                                                                       \
    do {                                                                                                     \
        if (o->rows) {                                                                                       \
            type *row = y + at[0] * o->step;                                                                 \
            for (int64_t i = 0; i < n; i++) row[i] = (type)op(row[i], v[i]);                                 \
        } else {                                                                                             \
            for (int64_t i = 0; i < n; i++) {                                                                \
                type *p = y + i * o->sy + at[i] * o->step;                                                   \
                *p = (type)op(*p, v[i]);                                                                     \
            }                                                                                                \
        }                                                                                                    \
    } while (0)
#define TAKE_IN(cls, type, plus, times, most, least)                                                         \
    static void run_##cls(const struct scatter *o, int64_t to, int64_t from, const int64_t *at, int64_t n)   \
    {                                                                                                        \
        type        buffer[TILE];                                                                            \
        const type *v = load_##cls##_strided(o->src, from, o->ss, n, buffer);                                \
        type       *y = (type *)(void *)address(o->y, to);                                                   \
        if (o->mode == WKI_SCATTER_ADD) EACH(type, plus);                                                    \
        if (o->mode == WKI_SCATTER_PROD) EACH(type, times);                                                  \
        if (o->mode == WKI_SCATTER_AMAX) EACH(type, most);                                                   \
        if (o->mode == WKI_SCATTER_AMIN) EACH(type, least);                                                  \
    }
TAKE_IN(f32, float, PLUS, TIMES, NAN_MOST, NAN_LEAST)
TAKE_IN(f64, double, PLUS, TIMES, NAN_MOST, NAN_LEAST)
TAKE_IN(i64, int64_t, WRAP_PLUS, WRAP_TIMES, MOST, LEAST)

static void run(const struct scatter *o, int64_t to, int64_t from, const int64_t *at, int64_t n)
{
    if (o->mode == WKI_SCATTER_SET)
        set_run(o, to, from, at, n);
    else if (o->y->dtype == WK_f32)
        run_f32(o, to, from, at, n);
    else if (o->y->dtype == WK_f64)
        run_f64(o, to, from, at, n);
    else
        run_i64(o, to, from, at, n);
}

/* ---- units --------------------------------------------------------------------------------------- */

/* Whole rows, each to one place: of y's places along the dim a part, so that threads have some each. */
static void rows(struct scatter *o, int64_t part, int64_t y, int64_t index, int64_t src, int64_t m)
{
    const int64_t low = o->size * part / o->parts, high = o->size * (part + 1) / o->parts;
    int64_t       own[TILE];
    for (int64_t j = 0, n; j < o->n; j += n) {
        n = o->n - j < TILE ? o->n - j : TILE;
        places(o, index + j * o->di, o->di, n, own);
        for (int64_t e = 0; e < n; e++)
            for (int64_t i = 0; i < m && own[e] >= low && own[e] < high; i += TILE)
                run(o, y + i, src + (j + e) * o->ds + i * o->ss, &own[e], m - i < TILE ? m - i : TILE);
    }
}

static void piece(void *arg, int64_t first, int64_t last, int worker)
{
    struct scatter *o = arg;
    int64_t         own[TILE];
    (void)worker;
    for (int64_t u = first; u < last; u++) {
        const int64_t block = u / o->parts % o->blocks, start = block * COLUMNS;
        const int64_t end = o->blocks == 1 || o->m - start < COLUMNS ? o->m : start + COLUMNS;
        int64_t       y = 0, index = 0, src = 0, rest = u / o->parts / o->blocks;
        for (int i = o->index->ndim - 1; i >= 0; i--) {
            if (i == o->last || i == o->dim) continue;
            const int64_t at = rest % o->index->shape[i];
            rest /= o->index->shape[i];
            y += at * o->y->stride[i];
            index += at * o->index->stride[i];
            src += at * o->src->stride[i];
        }
        if (o->rows) {
            rows(o, u % o->parts, y + start, index, src + start * o->ss, end - start);
            continue;
        }
        for (int64_t j = 0; j < o->n; j++)
            for (int64_t i = start, m; i < end; i += m) {
                m = end - i < TILE ? end - i : TILE;
                places(o, index + j * o->di + i * o->si, o->si, m, own);
                run(o, y + i * o->sy, src + j * o->ds + i * o->ss, own, m);
            }
    }
}

/* y is of its class's own dtype, or mode is SET. */
static wk_status scatter(const wk_call *k, struct scatter *o)
{
    const int ndim = o->index->ndim;
    o->blocks = o->n = o->m = 1;
    o->size = ndim ? o->y->shape[o->dim] : 1;
    if (wk_count(o->index) == 0) return o->named ? CPU(bad_index)(k, o->named, o->size, o->wrap) : WK_OK;
    if (o->size == 0) return CPU(bad_index)(k, o->named ? o->named : o->index, 0, o->wrap);
    /* neighbours in memory go together */
    o->last = ndim - 1;
    if (ndim && o->index->shape[ndim - 1] == 1) o->last = o->dim;
    if (ndim) {
        o->m = o->index->shape[o->last];
        o->si = o->index->stride[o->last];
        o->ss = o->src->stride[o->last];
        o->sy = o->last == o->dim ? 0 : o->y->stride[o->last];
        o->step = o->y->stride[o->dim];
    }
    if (ndim && o->last != o->dim) {
        o->n = o->index->shape[o->dim];
        o->di = o->index->stride[o->dim];
        o->ds = o->src->stride[o->dim];
        o->blocks = (o->m + COLUMNS - 1) / COLUMNS;
    }
    o->units = wk_count(o->index) / (o->n * o->m) * o->blocks;
    o->rows = o->si == 0 && o->sy == 1;
    o->parts = o->rows && o->units < 4 && o->n * o->m >= 1 << 16 ? 4 : 1;
    const int64_t work = o->n * (o->blocks > 1 ? COLUMNS : o->m);
    wki_parallel(k->device, o->units * o->parts, 8192 * o->parts / work + 1, piece, o);
    return atomic_load(&o->bad) ? CPU(bad_index)(k, o->named ? o->named : o->index, o->size, o->wrap) : WK_OK;
}

/* ---- kernels ------------------------------------------------------------------------------------- */

/* Narrow dtypes are worked on in their class's own one, and rounded once: in scratch. */
static wk_dtype wide_of(const wk_call *k, enum wki_scatter mode)
{
    return mode == WKI_SCATTER_SET  ? k->out[0]->dtype
           : k->cls == WK_CLASS_F32 ? WK_f32
           : k->cls == WK_CLASS_F64 ? WK_f64
                                    : WK_i64;
}
static size_t wide_bytes(const wk_call *k, enum wki_scatter mode)
{
    const wk_dtype t = wide_of(k, mode);
    return t == k->out[0]->dtype ? 0 : (size_t)(wk_count(k->out[0]) * wk_dtype_bytes(t));
}

static wk_status copy(const wk_call *k, wk_tensor y, wk_tensor x)
{
    return CPU(copy)(&(wk_call){.op = WK_OP_copy, .device = k->device, .in = &x, .n_in = 1, .out = {y}});
}

/* Seen as y: what is written to, of y's sizes. */
static wk_status write(const wk_call *k, struct scatter *o, wk_tensor view)
{
    const wk_tensor        x = k->in[0], y = k->out[0];
    struct wk_tensor_info  wide = *y, seen = *view;
    struct wk_storage_head head = {k->scratch};
    wide.dtype = seen.dtype = wide_of(k, o->mode);
    const bool aside = wide.dtype != y->dtype;
    if (aside) {
        wide.offset = seen.offset = 0;
        wide.storage = seen.storage = (wk_storage *)(void *)&head;
    }
    if (aside || wki_data(x) != wki_data(y)) WK_TRY(copy(k, &wide, x));
    o->y = &seen;
    WK_TRY(scatter(k, o));
    return aside ? copy(k, y, &wide) : WK_OK;
}

/* attr.i: the dim, enum wki_scatter, negative indices count from the end; in: x, index, src */
static wk_status along_dim(const wk_call *k, enum wki_scatter mode)
{
    struct scatter o = {.index = k->in[1],
                        .src = k->in[2],
                        .dim = (int)k->attr.i[0],
                        .wrap = k->attr.i[2] != 0,
                        .mode = mode};
    return write(k, &o, k->out[0]);
}

wk_status CPU(scatter)(const wk_call *k)
{
    return along_dim(k, WKI_SCATTER_SET);
}
wk_status CPU(scatter_add)(const wk_call *k)
{
    return along_dim(k, WKI_SCATTER_ADD);
}
wk_status CPU(scatter_reduce)(const wk_call *k)
{
    return along_dim(k, (enum wki_scatter)k->attr.i[1]);
}
size_t CPU(scatter_add_scratch)(const wk_call *k)
{
    return wide_bytes(k, WKI_SCATTER_ADD);
}
size_t CPU(scatter_reduce_scratch)(const wk_call *k)
{
    return wide_bytes(k, (enum wki_scatter)k->attr.i[1]);
}

/* attr.i: the first dim, enum wki_scatter (SET or ADD), negative indices count from the end; in: x, values
 * [lead, picks, behind] (dense ones may have other dims), the index [picks] of each dim from there on */
size_t CPU(index_put_scratch)(const wk_call *k)
{
    const size_t wide = wide_bytes(k, (enum wki_scatter)k->attr.i[1]);
    if (k->n_in == 3) return wide;
    return (wide + 63) / 64 * 64 + (size_t)wk_count(k->in[2]) * sizeof(int64_t);
}

/* Indices of several dims as places counted through all of them. */
static wk_status count_through(const wk_call *k, int d, int n, int64_t picks, int64_t *linear)
{
    int64_t buffer[TILE];
    for (int i = 0; i < n; i++) {
        const wk_tensor index = k->in[2 + i];
        const int64_t   size = k->out[0]->shape[d + i], si = index->ndim ? index->stride[0] : 0;
        WK_TRY(CPU(bad_index)(k, index, size, k->attr.i[2] != 0));
        for (int64_t at = 0; at < picks; at += TILE) {
            const int64_t  m = picks - at < TILE ? picks - at : TILE;
            const int64_t *p = load_i64_strided(index, at * si, si, m, buffer);
            for (int64_t j = 0; j < m; j++)
                linear[at + j] = (i ? linear[at + j] * size : 0) + (p[j] < 0 ? p[j] + size : p[j]);
        }
    }
    return WK_OK;
}

wk_status CPU(index_put)(const wk_call *k)
{
    const wk_tensor        y = k->out[0], v = k->in[1];
    const int              d = (int)k->attr.i[0], n = k->n_in - 2;
    const int64_t          picks = wk_count(k->in[2]);
    const enum wki_scatter mode = (enum wki_scatter)k->attr.i[1];
    int64_t                sizes[3] = {1, 1, 1};
    for (int i = 0; i < y->ndim; i++) sizes[i < d ? 0 : i < d + n ? 1 : 2] *= y->shape[i];
    struct wk_tensor_info view = *y;
    view.ndim = 3;
    memcpy(view.shape, sizes, sizeof sizes);
    view.stride[0] = sizes[1] * sizes[2];
    view.stride[1] = sizes[2];
    view.stride[2] = 1;
    struct wk_tensor_info  values = view, index = *k->in[2];
    struct wk_storage_head head = {NULL};
    const int64_t          si = index.ndim ? index.stride[0] : 0;
    index.ndim = 3;
    memcpy(index.shape, sizes, sizeof sizes);
    index.shape[1] = picks;
    index.stride[0] = index.stride[2] = 0;
    index.stride[1] = si;
    if (n > 1) {
        head.data = (char *)k->scratch + (wide_bytes(k, mode) + 63) / 64 * 64;
        WK_TRY(count_through(k, d, n, picks, head.data));
        index.storage = (wk_storage *)(void *)&head;
        index.offset = 0;
        index.dtype = WK_i64;
        index.stride[1] = 1;
    }
    if (wk_is_dense(v)) { /* whatever its own dims */
        values.dtype = v->dtype;
        values.storage = v->storage;
        values.offset = v->offset;
        values.shape[1] = picks;
        values.stride[0] = picks * sizes[2];
    } else {
        values = *v;
    }
    struct scatter o = {.index = &index,
                        .src = &values,
                        .dim = 1,
                        .mode = mode,
                        .wrap = n == 1 && k->attr.i[2] != 0,
                        .named = n == 1 ? k->in[2] : NULL};
    return write(k, &o, &view);
}
