/* Picking by index. Indices are checked before anything is moved, so that a bad one leaves no half result. */
#include "cpu/walk.h"

#include <stdio.h>

/* All of index as i64 must be in [0, n). */
static wk_status check(const wk_call *k, wk_tensor index, int64_t n)
{
    int64_t       buffer[TILE];
    const int64_t count = wk_count(index);
    struct walk   w;
    walk_over(&w, index, 1, &index);
    for (int64_t at = 0; at < count; at += TILE) {
        const int64_t  m = count - at < TILE ? count - at : TILE;
        const int64_t *v = walk_i64(&w, 0, index, at, m, buffer);
        for (int64_t i = 0; i < m; i++)
            if (v[i] < 0 || v[i] >= n) {
                snprintf(k->message, WKI_CALL_MESSAGE, "index %lld at position %lld is outside of size %lld",
                         (long long)v[i], (long long)(at + i), (long long)n);
                return WK_EINDEX;
            }
    }
    return WK_OK;
}

static int64_t index_at(wk_tensor index, int64_t at)
{
    const void *p = address(index, at);
    return index->dtype == WK_i64 ? *(const int64_t *)p : *(const int32_t *)p;
}

/* Offset of position `at` (counted over the dims of x but for `skip`, row by row) in elements of x. */
static int64_t offset_without(wk_tensor x, const int64_t *shape, int skip, int64_t at)
{
    int64_t offset = 0;
    for (int i = x->ndim - 1; i >= 0; i--) {
        if (i == skip) continue;
        offset += at % shape[i] * x->stride[i];
        at /= shape[i];
    }
    return offset;
}

/* ---- rows: index_select over an outer dim, embedding_rows ------------------------------------ */

struct rows {
    const wk_call *k;
    wk_tensor      x, index, y;
    int            d;
    int64_t        picks, inner; /* inner: values below dim d */
    bool           run;          /* the values below d lie end to end */
};

static void select_piece(void *arg, int64_t first, int64_t last, int worker)
{
    const struct rows *r = arg;
    const int64_t      size = wk_dtype_bytes(r->x->dtype), block = wk_dtype_block(r->x->dtype);
    const int64_t      step = r->index->ndim ? r->index->stride[0] : 0;
    (void)worker;
    for (int64_t at = first; at < last; at++) { /* at: (outer dims, pick) */
        const int64_t pick = index_at(r->index, at % r->picks * step);
        int64_t       from = pick * (r->x->ndim ? r->x->stride[r->d] : 0), outer = at / r->picks;
        for (int i = r->d - 1; i >= 0; i--) {
            from += outer % r->x->shape[i] * r->x->stride[i];
            outer /= r->x->shape[i];
        }
        char *to = address(r->y, at * r->inner);
        if (r->run) {
            memcpy(to, address(r->x, from), (size_t)(r->inner / block * size));
            continue;
        }
        for (int64_t j = 0; j < r->inner; j++) {
            int64_t below = j, more = from;
            for (int i = r->x->ndim - 1; i > r->d; i--) {
                more += below % r->x->shape[i] * r->x->stride[i];
                below /= r->x->shape[i];
            }
            memcpy(to + j * size, address(r->x, more), (size_t)size);
        }
    }
}

wk_status CPU(index_select)(const wk_call *k)
{
    struct rows r = {
        .k = k, .x = k->in[0], .index = k->in[1], .y = k->out[0], .d = (int)k->attr.i[0], .inner = 1};
    r.picks = wk_count(r.index);
    const int64_t size = r.x->ndim ? r.x->shape[r.d] : 1;
    WK_TRY(check(k, r.index, size));
    if (wk_count(r.y) == 0) return WK_OK;
    r.run = true;
    for (int i = r.x->ndim - 1; i > r.d; i--) {
        if (r.x->shape[i] != 1 && r.x->stride[i] != r.inner) r.run = false;
        r.inner *= r.x->shape[i];
    }
    const int64_t grain = 16384 / r.inner + 1;
    wki_parallel(k->device, wk_count(r.y) / r.inner, grain, select_piece, &r);
    return WK_OK;
}

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
    struct rows r = {.k = k, .x = k->in[0], .index = k->in[1], .y = k->out[0], .inner = k->in[0]->shape[1]};
    WK_TRY(check(k, r.index, r.x->shape[0]));
    if (wk_count(r.y) == 0) return WK_OK;
    wki_parallel(k->device, wk_count(r.index), 16384 / r.inner + 1, embedding_piece, &r);
    return WK_OK;
}

/* ---- gather and scatter_add: lines along the dim, one after another -------------------------- */

struct lines {
    wk_tensor x, index, src, y;
    int       d;
    wk_class  cls;
};

static void gather_piece(void *arg, int64_t first, int64_t last, int worker)
{
    const struct lines *l = arg;
    const int64_t       n = l->index->ndim ? l->index->shape[l->d] : 1, size = wk_dtype_bytes(l->x->dtype);
    const int64_t       si = l->index->ndim ? l->index->stride[l->d] : 0;
    const int64_t       sx = l->x->ndim ? l->x->stride[l->d] : 0, sy = l->y->ndim ? l->y->stride[l->d] : 0;
    (void)worker;
    for (int64_t line = first; line < last; line++) {
        const int64_t i0 = offset_without(l->index, l->index->shape, l->d, line);
        const int64_t x0 = offset_without(l->x, l->index->shape, l->d, line);
        const int64_t y0 = offset_without(l->y, l->index->shape, l->d, line);
        for (int64_t j = 0; j < n; j++)
            memcpy(address(l->y, y0 + j * sy), address(l->x, x0 + index_at(l->index, i0 + j * si) * sx),
                   (size_t)size);
    }
}

wk_status CPU(gather)(const wk_call *k)
{
    struct lines  l = {.x = k->in[0], .index = k->in[1], .y = k->out[0], .d = (int)k->attr.i[0]};
    const int64_t n = l.index->ndim ? l.index->shape[l.d] : 1;
    WK_TRY(check(k, l.index, l.x->ndim ? l.x->shape[l.d] : 1));
    if (wk_count(l.y) == 0) return WK_OK;
    wki_parallel(k->device, wk_count(l.y) / n, 4096 / n + 1, gather_piece, &l);
    return WK_OK;
}

/* Adds a line of src into a line of y, in the order of src, so that the sum does not depend on threads. */
#define ADD_LINE(cls, type)                                                                                  \
    static void add_line_##cls(const struct lines *l, int64_t i0, int64_t s0, int64_t y0, int64_t n)         \
    {                                                                                                        \
        const int64_t si = l->index->ndim ? l->index->stride[l->d] : 0;                                      \
        const int64_t ss = l->src->ndim ? l->src->stride[l->d] : 0,                                          \
                      sy = l->y->ndim ? l->y->stride[l->d] : 0;                                              \
        for (int64_t j = 0; j < n; j++) {                                                                    \
            const int64_t to = y0 + index_at(l->index, i0 + j * si) * sy;                                    \
            type          a, b;                                                                              \
            const type   *p = load_##cls(l->y, to, 1, &a), *q = load_##cls(l->src, s0 + j * ss, 1, &b);      \
            const type    sum = (type)(*p + *q);                                                             \
            CPU(from_##cls)[l->y->dtype](&sum, address(l->y, to), 1);                                        \
        }                                                                                                    \
    }
ADD_LINE(f32, float)
ADD_LINE(f64, double)

/* Integers wrap. */
static void add_line_i64(const struct lines *l, int64_t i0, int64_t s0, int64_t y0, int64_t n)
{
    const int64_t si = l->index->ndim ? l->index->stride[l->d] : 0;
    const int64_t ss = l->src->ndim ? l->src->stride[l->d] : 0, sy = l->y->ndim ? l->y->stride[l->d] : 0;
    for (int64_t j = 0; j < n; j++) {
        const int64_t  to = y0 + index_at(l->index, i0 + j * si) * sy;
        int64_t        a, b;
        const int64_t *p = load_i64(l->y, to, 1, &a), *q = load_i64(l->src, s0 + j * ss, 1, &b);
        const int64_t  sum = (int64_t)((uint64_t)*p + (uint64_t)*q);
        CPU(from_i64)[l->y->dtype](&sum, address(l->y, to), 1);
    }
}

static void scatter_piece(void *arg, int64_t first, int64_t last, int worker)
{
    const struct lines *l = arg;
    const int64_t       n = l->index->ndim ? l->index->shape[l->d] : 1;
    (void)worker;
    for (int64_t line = first; line < last; line++) {
        const int64_t i0 = offset_without(l->index, l->index->shape, l->d, line);
        const int64_t s0 = offset_without(l->src, l->index->shape, l->d, line);
        const int64_t y0 = offset_without(l->y, l->index->shape, l->d, line);
        if (l->cls == WK_CLASS_F32) add_line_f32(l, i0, s0, y0, n);
        if (l->cls == WK_CLASS_F64) add_line_f64(l, i0, s0, y0, n);
        if (l->cls == WK_CLASS_I64) add_line_i64(l, i0, s0, y0, n);
    }
}

/* Halves are summed in f32 and rounded once: through a buffer of the result's size (scratch). */
size_t CPU(scatter_add_scratch)(const wk_call *k)
{
    const bool narrow = k->cls == WK_CLASS_F32 && k->out[0]->dtype != WK_f32;
    return narrow ? (size_t)wk_count(k->out[0]) * sizeof(float) : 0;
}

wk_status CPU(scatter_add)(const wk_call *k)
{
    struct lines l = {
        .index = k->in[1], .src = k->in[2], .y = k->out[0], .d = (int)k->attr.i[0], .cls = k->cls};
    const int64_t n = l.index->ndim ? l.index->shape[l.d] : 1;
    WK_TRY(check(k, l.index, k->in[0]->ndim ? k->in[0]->shape[l.d] : 1));
    WK_TRY(
        CPU(copy)(&(wk_call){.op = WK_OP_copy, .device = k->device, .in = k->in, .n_in = 1, .out = {l.y}}));
    if (wk_count(l.index) == 0) return WK_OK;
    struct wk_tensor_info  wide = *l.y;
    struct wk_storage_head head = {k->scratch};
    const wk_tensor        result = l.y;
    if (k->scratch) {
        CPU(to_f32)[result->dtype](wki_data(result), k->scratch, wk_count(result));
        wide.dtype = WK_f32;
        wide.offset = 0;
        wide.storage = (wk_storage *)(void *)&head;
        l.y = &wide;
    }
    wki_parallel(k->device, wk_count(l.index) / n, 4096 / n + 1, scatter_piece, &l);
    if (k->scratch) CPU(from_f32)[result->dtype](k->scratch, wki_data(result), wk_count(result));
    return WK_OK;
}

/* ---- topk: a heap of the k best, the worst of them on top ------------------------------------ */

struct item {
    double  value; /* of reals */
    int64_t whole, at;
};

struct picks {
    wk_tensor    x, values, indices;
    int          d;
    bool         largest;
    wk_class     cls;
    struct item *heaps; /* k per worker */
    int64_t      k;
};

/* Does a come before b in the result? NaN counts as largest; ties go to the lower index. */
static bool before(const struct picks *p, const struct item *a, const struct item *b)
{
    if (p->cls == WK_CLASS_I64) {
        if (a->whole != b->whole) return (a->whole > b->whole) == p->largest;
        return a->at < b->at;
    }
    const bool na = a->value != a->value, nb = b->value != b->value;
    if (na != nb) return na == p->largest;
    if (!na && a->value != b->value) return (a->value > b->value) == p->largest;
    return a->at < b->at;
}

/* Lets the item at i sink: each parent comes after its children in the result. */
static void sink(const struct picks *p, struct item *heap, int64_t n, int64_t i)
{
    for (;;) {
        int64_t last = i;
        for (int64_t child = 2 * i + 1; child <= 2 * i + 2 && child < n; child++)
            if (before(p, &heap[last], &heap[child])) last = child;
        if (last == i) return;
        const struct item t = heap[i];
        heap[i] = heap[last];
        heap[last] = t;
        i = last;
    }
}

static struct item item_at(const struct picks *p, int64_t offset, int64_t at)
{
    struct item i = {.at = at};
    double      v;
    if (p->cls == WK_CLASS_I64)
        i.whole = *load_i64(p->x, offset, 1, &i.whole);
    else
        i.value = *load_f64(p->x, offset, 1, &v);
    return i;
}

static void topk_piece(void *arg, int64_t first, int64_t last, int worker)
{
    const struct picks *p = arg;
    struct item        *heap = p->heaps + worker * p->k;
    const int64_t       n = p->x->ndim ? p->x->shape[p->d] : 1, sx = p->x->ndim ? p->x->stride[p->d] : 0;
    const int64_t       sy = p->x->ndim ? p->values->stride[p->d] : 0;
    for (int64_t line = first; line < last; line++) {
        const int64_t x0 = offset_without(p->x, p->x->shape, p->d, line);
        const int64_t y0 = offset_without(p->values, p->x->shape, p->d, line);
        for (int64_t j = 0; j < p->k; j++) heap[j] = item_at(p, x0 + j * sx, j);
        for (int64_t j = p->k / 2 - 1; j >= 0; j--) sink(p, heap, p->k, j);
        for (int64_t j = p->k; j < n; j++) {
            const struct item next = item_at(p, x0 + j * sx, j);
            if (!before(p, &next, &heap[0])) continue;
            heap[0] = next;
            sink(p, heap, p->k, 0);
        }
        for (int64_t m = p->k - 1; m >= 0; m--) { /* the top is the last in order */
            const struct item worst = heap[0];
            heap[0] = heap[m];
            sink(p, heap, m, 0);
            memcpy(address(p->values, y0 + m * sy), address(p->x, x0 + worst.at * sx),
                   (size_t)wk_dtype_bytes(p->x->dtype));
            memcpy(address(p->indices, y0 + m * sy), &worst.at, sizeof worst.at);
        }
    }
}

size_t CPU(topk_scratch)(const wk_call *k)
{
    const int64_t most = k->out[0]->ndim ? k->out[0]->shape[k->attr.i[0]] : 1;
    return (size_t)(most * wki_workers(k->device)) * sizeof(struct item);
}

wk_status CPU(topk)(const wk_call *k)
{
    struct picks p = {.x = k->in[0],
                      .values = k->out[0],
                      .indices = k->out[1],
                      .d = (int)k->attr.i[0],
                      .largest = k->attr.i[1] != 0,
                      .cls = k->cls,
                      .heaps = k->scratch};
    p.k = p.x->ndim ? p.values->shape[p.d] : 1;
    if (wk_count(p.values) == 0) return WK_OK;
    const int64_t n = p.x->ndim ? p.x->shape[p.d] : 1;
    wki_parallel(k->device, wk_count(p.x) / n, 4096 / n + 1, topk_piece, &p);
    return WK_OK;
}
