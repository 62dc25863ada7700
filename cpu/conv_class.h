/* The convolution kernels of one compute class. Included once per class with
 *   CONV(name)  the class's names    CONV_T  its type    CONV_W  lanes of a vector
 *   CONV_FMA(a, b, c)    CONV_SUM(v) of all lanes    CONV_TRANSPOSE4  simd.h's, where there is one
 * CONV_LOAD_STRIDED, CONV_FROM: kernel.h's; CONV_DTYPE: the dtype that is the class's own.
 * CONV_SET(x): x in all lanes    CONV_TARGET: attributes of functions that use CONV_FMA
 * CONV_EACH: channels in one value of the copy; with 2 (conv_pairs.h) values are words of two bf16, of which
 * only CONV_FMA knows. */

typedef CONV_T CONV(vec) __attribute__((vector_size(CONV_W * sizeof(CONV_T))));
typedef CONV_T CONV(vec_any)
    __attribute__((vector_size(CONV_W * sizeof(CONV_T)), aligned(sizeof(CONV_T)), may_alias));

INLINE CONV(vec) CONV(load)(const CONV_T *p)
{
    return *(const CONV(vec_any) *)(const void *)p;
}
INLINE void CONV(put)(CONV_T *p, CONV(vec) v)
{
    *(CONV(vec_any) *)(void *)p = v;
}

/* ---- the padded copy ------------------------------------------------------------------------- */

#if CONV_EACH == 1

/* Every second of 2 n values. */
static void CONV(halve)(const CONV_T *restrict from, int64_t n, CONV_T *restrict to)
{
    for (int64_t j = 0; j < n; j++) to[j] = from[2 * j];
}

/* Every step-th value, converted with those between them. */
static void CONV(load_apart)(const struct conv *o, int64_t at, int64_t step, int64_t n, CONV_T *to)
{
    CONV_T buffer[256];
    for (int64_t first = 0; first < n; first += 64) {
        const int64_t m = n - first < 64 ? n - first : 64;
        const CONV_T *v = CONV_LOAD_STRIDED(o->x, at + first * step, 1, (m - 1) * step + 1, buffer);
        if (step == 2)
            CONV(halve)(v, m, to + first);
        else
            for (int64_t j = 0; j < m; j++) to[first + j] = v[j * step];
    }
}

static void CONV(load_row)(const struct conv *o, int64_t at, int64_t next, int64_t step, int64_t n,
                           CONV_T *to)
{
    const CONV_T *x = (const CONV_T *)o->data + at;
    (void)next;
    if (o->x->dtype != CONV_DTYPE && step > 1 && step <= 4)
        CONV(load_apart)(o, at, step, n, to);
    else if (o->x->dtype != CONV_DTYPE)
        CONV_LOAD_STRIDED(o->x, at, step, n, to); /* converts into `to` */
    else if (step == 1)
        memcpy(to, x, (size_t)n * sizeof *to);
    else if (step == 2)
        CONV(halve)(x, n, to);
    else
        for (int64_t j = 0; j < n; j++) to[j] = x[j * step];
}

#else
#include "cpu/conv_pairs.h"
#endif

/* n values of a row from x at `at`, a second channel `next` further on (0: none): those from low to high are
 * there, the others zeros. */
INLINE void CONV(fill_row)(const struct conv *o, int64_t at, int64_t next, int64_t step, int64_t low,
                           int64_t high, int64_t n, CONV_T *to)
{
    for (int64_t j = 0; j < low; j++) to[j] = 0;
    if (high > low) CONV(load_row)(o, at + low * step, next, step, high - low, to + low);
    for (int64_t j = high; j < n; j++) to[j] = 0;
}

/* One slot of one channel. */
static void CONV(fill_slot)(const struct conv *o, const struct conv_part *p, int64_t at, int64_t next,
                            const int64_t *slot, CONV_T *to)
{
    int64_t first[3], step[3];
    for (int i = 0; i < 3; i++) {
        step[i] = o->turned ? 1 : o->stride[i];
        first[i] = o->turned ? p->first[i] - o->reach[i]
                             : step[i] * p->first[i] + slot_remainder(o, i, slot[i]) - o->pad[i];
    }
    const int64_t n = o->ext[2];
    int64_t       low = first[2] < 0 ? (-first[2] + step[2] - 1) / step[2] : 0, high;
    low = low < n ? low : n;
    high = first[2] < o->in[2] ? (o->in[2] - first[2] + step[2] - 1) / step[2] : 0;
    high = high > n ? n : high < low ? low : high;
    at += first[2] * o->along[2];
    for (int64_t d = 0; d < p->count[0] + o->reach[0]; d++) {
        const int64_t xd = first[0] + step[0] * d;
        for (int64_t h = 0; h < p->count[1] + o->reach[1]; h++) {
            const int64_t xh = first[1] + step[1] * h;
            CONV_T       *row = to + (d * o->ext[1] + h) * o->ext[2];
            if (xd < 0 || xd >= o->in[0] || xh < 0 || xh >= o->in[1])
                memset(row, 0, (size_t)o->ext[2] * sizeof *row);
            else
                CONV(fill_row)
            (o, at + xd * o->along[0] + xh * o->along[1], next, step[2] * o->along[2], low, high, n, row);
        }
    }
}

static void CONV(fill)(const struct conv *o, const struct conv_part *p, CONV_T *to)
{
    const int64_t area = o->ext[0] * o->ext[1] * o->ext[2];
    for (int64_t b = 0; b < p->images; b++)
        for (int64_t c = 0; c < o->c; c++) {
            const int64_t step = o->x->stride[1], next = CONV_EACH * c + 1 < o->channels ? step : 0;
            const int64_t at =
                (p->image + b) * o->x->stride[0] + (p->group * o->channels + CONV_EACH * c) * step;
            int64_t slot[3];
            for (slot[0] = 0; slot[0] < o->slots[0]; slot[0]++)
                for (slot[1] = 0; slot[1] < o->slots[1]; slot[1]++)
                    for (slot[2] = 0; slot[2] < o->slots[2]; slot[2]++, to += area)
                        CONV(fill_slot)(o, p, at, next, slot, to);
        }
}

#include "cpu/conv_tile.h"
#if CONV_EACH == 1
#include "cpu/conv_depth.h"
#include "cpu/conv_dot.h"
#endif

#undef CONV
#undef CONV_T
#undef CONV_W
#undef CONV_FMA
#undef CONV_SET
#undef CONV_TARGET
#undef CONV_EACH
#undef CONV_LOAD_STRIDED
#undef CONV_SUM
#undef CONV_FROM
#undef CONV_DTYPE
#ifdef CONV_TRANSPOSE4
#undef CONV_TRANSPOSE4
#endif
