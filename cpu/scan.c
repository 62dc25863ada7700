/* Scans along a dim: cumsum, cumprod, logcumsumexp, cummax, cummin. Lines that are long and few are cut into
 * chunks by size alone: a first pass finds each chunk's total, a second one scans it from the sum of those
 * before it. So work is linear and results do not depend on threads. */
#include "cpu/kernel.h"

#define COLUMNS 128   /* neighbours scanned together where the dim is not the last */
#define GROUP   16    /* chunks whose values stay in cache between the passes */
#define CHUNK   32768 /* values */

enum kind { SUM, PROD, LOGSUM, MOST, LEAST };

struct scan {
    const wk_call *k;
    enum kind      kind;
    bool           reverse, totals;
    int64_t        n, inner;     /* the dim, and the values between its neighbours */
    int64_t        cols, blocks; /* columns of a unit, units beside each other */
    int64_t        units, chunk, chunks;
    int64_t        from, group; /* chunks being worked on */
    void          *states;
};

#define T            float
#define ACC          double
#define FN(name)     name##_f32
#define LOAD         load_f32
#define DEST         dest_f32
#define STORE        store_f32
#define LOWEST       (-(double)INFINITY)
#define NOT_A_NUMBER ((double)NAN)
#define EXP(x)       exp(x)
#define LOG(x)       log(x)
#define ISNAN(x)     ((x) != (x))
#define IN_RANGE(x)  (fabs(x) > 1e-140 && fabs(x) < 1e140)
#define PLUS(a, b)   ((a) + (b))
#define TIMES(a, b)  ((a) * (b))
#include "cpu/scan_class.h"

#if !defined WK_SET_OF_F64
#define T            double
#define ACC          double
#define FN(name)     name##_f64
#define LOAD         load_f64
#define DEST         dest_f64
#define STORE        store_f64
#define LOWEST       (-(double)INFINITY)
#define NOT_A_NUMBER ((double)NAN)
#define EXP(x)       exp(x)
#define LOG(x)       log(x)
#define ISNAN(x)     ((x) != (x))
#define IN_RANGE(x)  (fabs(x) > 1e-140 && fabs(x) < 1e140)
#define PLUS(a, b)   ((a) + (b))
#define TIMES(a, b)  ((a) * (b))
#include "cpu/scan_class.h"
#endif

#if !defined WK_SET_OF_I64
#define T            int64_t
#define ACC          int64_t
#define FN(name)     name##_i64
#define LOAD         load_i64
#define DEST         dest_i64
#define STORE        store_i64
#define LOWEST       0
#define NOT_A_NUMBER 0
#define EXP(x)       (x)
#define LOG(x)       (x)
#define ISNAN(x)     ((void)(x), false)
#define IN_RANGE(x)  ((void)(x), true)
#define PLUS(a, b)   ((int64_t)((uint64_t)(a) + (uint64_t)(b)))
#define TIMES(a, b)  ((int64_t)((uint64_t)(a) * (uint64_t)(b)))
#include "cpu/scan_class.h"
#endif

/* attr.i: the dim, reverse. Input and results are dense. */
static struct scan plan(const wk_call *k, enum kind kind)
{
    const wk_tensor x = k->in[0];
    struct scan     o = {.k = k, .kind = kind, .reverse = k->attr.i[1] != 0, .n = 1, .inner = 1, .group = 1};
    const int       d = (int)k->attr.i[0];
    if (x->ndim) o.n = x->shape[d];
    for (int i = d + 1; i < x->ndim; i++) o.inner *= x->shape[i];
    o.cols = o.inner < COLUMNS ? o.inner : COLUMNS;
    if (wk_count(x) == 0) return o;
    o.blocks = (o.inner + COLUMNS - 1) / COLUMNS;
    o.units = wk_count(x) / (o.n * o.inner) * o.blocks;
    o.chunk = o.n;
    if (o.units < 8 && o.n * o.cols >= 4 * CHUNK) o.chunk = (CHUNK / o.cols + TILE - 1) / TILE * TILE;
    o.chunks = (o.n + o.chunk - 1) / o.chunk;
    return o;
}

static size_t scratch_for(const wk_call *k)
{
    const struct scan o = plan(k, SUM);
    const size_t      bytes =
        OF_CLASS(k->cls, sizeof(struct state_f32), sizeof(struct state_f64), sizeof(struct state_i64));
    return o.chunks > 1 ? (size_t)(o.units * o.cols * (GROUP + 1)) * bytes : 0;
}

static wk_status run(const wk_call *k, enum kind kind)
{
    struct scan o = plan(k, kind);
    if (o.units == 0) return WK_OK;
    BY_CLASS(k->cls, run, &o);
    return WK_OK;
}

#define KERNEL(name, kind)                                                                                   \
    wk_status CPU(name)(const wk_call *k)                                                                    \
    {                                                                                                        \
        return run(k, kind);                                                                                 \
    }                                                                                                        \
    size_t CPU(name##_scratch)(const wk_call *k)                                                             \
    {                                                                                                        \
        return scratch_for(k);                                                                               \
    }
KERNEL(cumsum, SUM)
KERNEL(cumprod, PROD)
KERNEL(logcumsumexp, LOGSUM)
KERNEL(cummax, MOST)
KERNEL(cummin, LEAST)
