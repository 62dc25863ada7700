/* topk: a heap of the k best of each line, the worst of them on top. */
#include "cpu/kernel.h"

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
