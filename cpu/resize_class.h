/* Resizing in one compute class. Included once per class with RESIZE(name), its
 * type RESIZE_T, and kernel.h's RESIZE_LOAD, RESIZE_DEST and RESIZE_STORE. */

/* Sums of a pattern that repeats: `period` results for every `step` values. */
INLINE void RESIZE(repeat)(const RESIZE_T *restrict x, const int32_t *start, const RESIZE_T *w, int64_t out,
                           int64_t n, int period, int step, int taps, RESIZE_T *restrict y)
{
    RESIZE_T      v[2][4];
    const int64_t second = period > 1 ? start[1] - start[0] : 0;
    for (int p = 0; p < period; p++)
        for (int t = 0; t < taps; t++) v[p][t] = w[t * out + p];
    x += start[0];
    for (int64_t j = 0; j < n; j++) {
        RESIZE_T a = 0, b = 0;
#pragma GCC unroll 4
        for (int t = 0; t < taps; t++) a += v[0][t] * x[j * step + t];
        y[period * j] = a;
        if (period == 1) continue;
#pragma GCC unroll 4
        for (int t = 0; t < taps; t++) b += v[1][t] * x[j * step + second + t];
        y[period * j + 1] = b;
    }
}

INLINE void RESIZE(gather)(const RESIZE_T *restrict x, const int32_t *restrict start,
                           const RESIZE_T *restrict w, int64_t out, int64_t taps, int64_t n,
                           RESIZE_T *restrict y)
{
    for (int64_t j = 0; j < n; j++) {
        const RESIZE_T *v = x + start[j];
        RESIZE_T        sum = w[j] * v[0];
        for (int64_t t = 1; t < taps; t++) sum += w[t * out + j] * v[t];
        y[j] = sum;
    }
}

static void RESIZE(gather_any)(const struct resize_dim *d, const RESIZE_T *x, int64_t from, int64_t to,
                               RESIZE_T *y)
{
    const RESIZE_T *w = (const RESIZE_T *)d->w + from;
    const int32_t  *start = d->start + from;
    y += from;
    if (d->taps == 1)
        for (int64_t j = 0; j < to - from; j++) y[j] = x[start[j]] * w[j];
    else if (d->taps == 2)
        RESIZE(gather)(x, start, w, d->out, 2, to - from, y);
    else if (d->taps == 4)
        RESIZE(gather)(x, start, w, d->out, 4, to - from, y);
    else
        RESIZE(gather)(x, start, w, d->out, d->taps, to - from, y);
}

/* Sums along a row. */
static void RESIZE(across)(const struct resize_dim *d, const RESIZE_T *x, RESIZE_T *y)
{
    const RESIZE_T *w = (const RESIZE_T *)d->w + d->lo;
    const int32_t  *start = d->start + d->lo;
    RESIZE_T       *to = y + d->lo;
    const int64_t   n = (d->hi - d->lo) / (d->period ? d->period : 1);
#define REPEAT(p, s, t)                                                                                      \
    if (n > 0 && d->period == p && d->step == s && d->taps == t)                                             \
    RESIZE(repeat)(x, start, w, d->out, n, p, s, t, to)
    REPEAT(1, 1, 1);
    REPEAT(2, 1, 1);
    REPEAT(2, 1, 2);
    REPEAT(2, 1, 4);
    REPEAT(1, 2, 1);
    REPEAT(1, 2, 2);
    REPEAT(1, 2, 4);
#undef REPEAT
    RESIZE(gather_any)(d, x, 0, d->lo, y);
    RESIZE(gather_any)(d, x, d->hi, d->out, y);
}

/* y (+)= sum of n rows times their weights. */
static void RESIZE(down)(const RESIZE_T *const *row, const RESIZE_T *w, int64_t n, int64_t cols, bool add,
                         RESIZE_T *restrict y)
{
    int64_t t = 0;
    if (!add && n >= 2) {
        const RESIZE_T *a = row[0], *b = row[1];
        for (int64_t j = 0; j < cols; j++) y[j] = a[j] * w[0] + b[j] * w[1];
        t = 2;
    } else if (!add && n == 1) {
        const RESIZE_T *a = row[0];
        for (int64_t j = 0; j < cols; j++) y[j] = a[j] * w[0];
        t = 1;
    } else if (!add) {
        memset(y, 0, (size_t)cols * sizeof *y);
    }
    for (; t + 2 <= n; t += 2) {
        const RESIZE_T *a = row[t], *b = row[t + 1];
        for (int64_t j = 0; j < cols; j++) y[j] += a[j] * w[t] + b[j] * w[t + 1];
    }
    for (; t < n; t++) {
        const RESIZE_T *a = row[t];
        for (int64_t j = 0; j < cols; j++) y[j] += a[j] * w[t];
    }
}

/* Row (d, h) of a plane of x, summed along its columns, from the ring or anew.
 */
static const RESIZE_T *RESIZE(row_of)(const struct resize *o, int64_t plane, int64_t d, int64_t h, char *mine)
{
    const wk_tensor x = o->x;
    const int64_t slot = d % o->dim[0].taps * o->dim[1].taps + h % o->dim[1].taps, at = d * o->dim[1].in + h;
    RESIZE_T     *ring = (RESIZE_T *)(void *)(mine + o->ring) + slot * o->dim[2].out;
    int64_t      *tag = (int64_t *)(void *)(mine + o->tags) + slot;
    if (*tag == at) return ring;
    const int64_t from = plane + d * x->stride[2] + h * x->stride[3];
    RESIZE(across)
    (&o->dim[2], RESIZE_LOAD(x, from, x->stride[4], x->shape[4], (RESIZE_T *)(void *)(mine + o->row)), ring);
    *tag = at;
    return ring;
}

/* Rows first .. last of the result, counted over planes. */
static void RESIZE(rows)(const struct resize *o, int64_t first, int64_t last, char *mine)
{
    const struct resize_dim *dd = &o->dim[0], *dh = &o->dim[1];
    const int64_t            per = dd->out * dh->out, cols = o->dim[2].out, slots = dd->taps * dh->taps;
    const RESIZE_T          *wd = dd->w, *wh = dh->w;
    int64_t                 *tags = (int64_t *)(void *)(mine + o->tags);
    for (int64_t i = first; i < last; i++) {
        const int64_t p = i / per, d = i / dh->out % dd->out, h = i % dh->out;
        const int64_t plane = p / o->x->shape[1] * o->x->stride[0] + p % o->x->shape[1] * o->x->stride[1];
        if (i == first || i % per == 0)
            for (int64_t s = 0; s < slots; s++) tags[s] = -1;
        RESIZE_T       *y = RESIZE_DEST(o->y, i * cols, (RESIZE_T *)(void *)(mine + o->row) + o->dim[2].in);
        const RESIZE_T *row[ROWS];
        RESIZE_T        w[ROWS];
        int64_t         n = 0;
        bool            add = false;
        for (int64_t t = 0; t < slots; t++) {
            const int64_t  a = t / dh->taps, b = t % dh->taps;
            const RESIZE_T v = wd[a * dd->out + d] * wh[b * dh->out + h];
            if (v == 0) continue;
            if (n == ROWS) {
                RESIZE(down)(row, w, n, cols, add, y);
                add = true;
                n = 0;
            }
            row[n] = RESIZE(row_of)(o, plane, dd->start[d] + a, dh->start[h] + b, mine);
            w[n++] = v;
        }
        RESIZE(down)(row, w, n, cols, add, y);
        RESIZE_STORE(o->y, i * cols, cols, y);
    }
}

#undef RESIZE
#undef RESIZE_T
#undef RESIZE_LOAD
#undef RESIZE_DEST
#undef RESIZE_STORE
