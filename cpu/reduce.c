/* Reduction kernels. A set of results is worked on together: as columns where they lie side by side in the
 * input, one by one where the reduced values do. f32 adds up in tiles of 32 partial sums, tiles add up
 * in double; large sets are cut into chunks by size alone, so results do not depend on threads. */
#include "cpu/vmath.h"
#include "cpu/walk.h"

#define RESULTS 1024 /* worked on together */
#define FEW     32   /* reduced values that are not worth a loop of their own */

enum kind {
    SUM,
    PROD,
    MOST,
    LEAST,
    ANY,
    ALL,
    SQUARES,
    EXPONENTIALS,
    NAN_SUM, /* NaN left out */
    COUNT,   /* values that are not 0 */
    SIZES,   /* magnitudes */
    POWERS,  /* of magnitudes */
    WIDEST,  /* magnitude */
    NARROWEST,
    ARG_MOST,
    ARG_LEAST
};

struct job {
    const wk_call *k;
    wk_tensor      x, y;
    struct walk    kept, reduced;
    int64_t        stack; /* results worked on as columns: runs of the innermost kept dim; 1: one by one */
    int64_t        set;   /* results worked on together, at most RESULTS */
    int64_t        sets;
    int64_t        chunk, n_chunk; /* of the reduced values */
    enum kind      first, second; /* second: a pass that needs the first one's results; else equal to first */
    /* where there are several chunks: partial results [chunk][result], then results */
    void    *part, *base;
    int64_t *part_at;
    bool     on_second;
};

/* ---- one class ------------------------------------------------------------------------------- */

#define T            float
#define ACC          double
#define FN(name)     name##_f32
#define LOAD         load_f32
#define LOAD_STRIDED load_f32_strided
#define STORE        store_f32
#define LOWEST       (-(double)INFINITY)
#define HIGHEST      ((double)INFINITY)
#define NOT_A_NUMBER ((double)NAN)
#define EXP(x)       ((double)vm_exp((float)(x)))
#define ISNAN(x)     ((x) != (x))
#define SIZE(x)      ((x) < 0 ? -(x) : (x))
#define PLUS(a, b)   ((a) + (b))
#define TIMES(a, b)  ((a) * (b))
#include "cpu/reduce_class.h"

#define T            double
#define ACC          double
#define FN(name)     name##_f64
#define LOAD         load_f64
#define LOAD_STRIDED load_f64_strided
#define STORE        store_f64
#define LOWEST       (-(double)INFINITY)
#define HIGHEST      ((double)INFINITY)
#define NOT_A_NUMBER ((double)NAN)
#define EXP(x)       exp(x)
#define ISNAN(x)     ((x) != (x))
#define SIZE(x)      ((x) < 0 ? -(x) : (x))
#define PLUS(a, b)   ((a) + (b))
#define TIMES(a, b)  ((a) * (b))
#include "cpu/reduce_class.h"

#define T            int64_t
#define ACC          int64_t
#define FN(name)     name##_i64
#define LOAD         load_i64
#define LOAD_STRIDED load_i64_strided
#define STORE        store_i64
#define LOWEST       INT64_MIN
#define HIGHEST      INT64_MAX
#define NOT_A_NUMBER 0
#define EXP(x)       (x)
#define ISNAN(x)     ((void)(x), false)
#define SIZE(x)      (x)
#define PLUS(a, b)   ((int64_t)((uint64_t)(a) + (uint64_t)(b)))
#define TIMES(a, b)  ((int64_t)((uint64_t)(a) * (uint64_t)(b)))
#include "cpu/reduce_class.h"

/* ---- running --------------------------------------------------------------------------------- */

/* Splits x's dims into kept and reduced ones and fixes the cut into sets and chunks. */
static void plan(struct job *j, const wk_call *k)
{
    const wk_tensor x = k->in[0];
    *j = (struct job){.k = k, .x = x, .y = k->out[0], .kept.n = 1, .reduced.n = 1};
    for (int i = 0; i < x->ndim; i++) {
        struct walk *w = k->attr.i[0] >> i & 1 ? &j->reduced : &j->kept;
        walk_dim(w, 1, x->shape[i], &x->stride[i]);
        w->n *= x->shape[i];
    }
    struct walk *both[] = {&j->kept, &j->reduced};
    for (int i = 0; i < 2; i++)
        if (both[i]->ndim == 0) {
            both[i]->ndim = 1;
            both[i]->shape[0] = 1;
            both[i]->stride[0][0] = 1;
        }
    const int     inner = j->kept.ndim - 1;
    const int64_t run = j->kept.shape[inner];
    const bool    inner_reduced = j->reduced.stride[0][j->reduced.ndim - 1] == 1 && j->reduced.n > FEW;
    const bool side = run > 1 && (j->reduced.n <= FEW || (j->kept.stride[0][inner] == 1 && !inner_reduced)) &&
                      wk_dtype_block(x->dtype) == 1;
    j->stack = side ? run : 1;
    const int64_t worth = (1 << 15) / (j->reduced.n + 1) + 1; /* results that are a piece of work */
    j->set = side || worth > RESULTS ? RESULTS : worth;
    const int64_t in_run = (run + j->set - 1) / j->set;
    j->sets = side ? j->kept.n / run * in_run : (j->kept.n + j->set - 1) / j->set;
    const int64_t work = j->kept.n * j->reduced.n;
    int64_t       chunks = j->sets < 8 && work >= 1 << 18 ? work / j->sets >> 17 : 1;
    chunks = chunks < 1 ? 1 : chunks > 64 ? 64 : chunks;
    j->chunk = (j->reduced.n + chunks - 1) / chunks;
    const int64_t whole = side ? 8 : TILE;
    j->chunk = chunks > 1 ? (j->chunk + whole - 1) / whole * whole : j->chunk;
    j->n_chunk = j->chunk ? (j->reduced.n + j->chunk - 1) / j->chunk : 1;
    if (j->n_chunk < 1) j->n_chunk = 1;
}

static size_t scratch_for(const wk_call *k)
{
    struct job j;
    plan(&j, k);
    return j.n_chunk < 2 ? 0 : (size_t)((2 * j.n_chunk + 1) * j.kept.n) * 8;
}

static wk_status run(const wk_call *k, enum kind first, enum kind second)
{
    struct job     j;
    const wk_dtype t = k->in[0]->dtype;
    plan(&j, k);
    if (j.kept.n == 0) return WK_OK;
    j.first = first;
    j.second = second;
    wk_piece piece, finish;
    if (k->cls == WK_CLASS_F32 ? !CPU(to_f32)[t] : k->cls == WK_CLASS_F64 ? !CPU(to_f64)[t] : !CPU(to_i64)[t])
        return WK_EDTYPE;
    piece = k->cls == WK_CLASS_F32 ? piece_f32 : k->cls == WK_CLASS_F64 ? piece_f64 : piece_i64;
    finish = k->cls == WK_CLASS_F32 ? finish_f32 : k->cls == WK_CLASS_F64 ? finish_f64 : finish_i64;
    const int64_t set_work = j.kept.n / j.sets * (j.n_chunk > 1 ? j.chunk : j.reduced.n) + 64;
    const int64_t grain = 1 + (1 << 15) / set_work;
    if (j.n_chunk > 1) {
        j.base = k->scratch;
        j.part = (char *)k->scratch + j.kept.n * 8;
        j.part_at = (int64_t *)(void *)((char *)j.part + j.kept.n * j.n_chunk * 8);
    }
    wki_parallel(k->device, j.sets * j.n_chunk, grain, piece, &j);
    if (j.n_chunk == 1) return WK_OK;
    if (first != second) {
        finish(&j, 0, j.kept.n, 0);
        j.on_second = true;
        wki_parallel(k->device, j.sets * j.n_chunk, grain, piece, &j);
    }
    finish(&j, 0, j.kept.n, 0);
    return WK_OK;
}

#define KERNEL(name, first, second)                                                                          \
    wk_status CPU(name)(const wk_call *k)                                                                    \
    {                                                                                                        \
        return run(k, first, second);                                                                        \
    }                                                                                                        \
    size_t CPU(name##_scratch)(const wk_call *k)                                                             \
    {                                                                                                        \
        return scratch_for(k);                                                                               \
    }
KERNEL(sum, SUM, SUM)
KERNEL(mean, SUM, SUM)
KERNEL(prod, PROD, PROD)
KERNEL(amax, MOST, MOST)
KERNEL(amin, LEAST, LEAST)
KERNEL(any, ANY, ANY)
KERNEL(all, ALL, ALL)
KERNEL(var, SUM, SQUARES)
KERNEL(logsumexp, MOST, EXPONENTIALS)
KERNEL(argmax, ARG_MOST, ARG_MOST)
KERNEL(argmin, ARG_LEAST, ARG_LEAST)
KERNEL(std, SUM, SQUARES)
KERNEL(nansum, NAN_SUM, NAN_SUM)
KERNEL(count_nonzero, COUNT, COUNT)

/* attr.f[1]: the power */
wk_status CPU(vector_norm)(const wk_call *k)
{
    const double    p = k->attr.f[1];
    const enum kind kind = p == 2                   ? SQUARES
                           : p == 1                 ? SIZES
                           : p == 0                 ? COUNT
                           : p == (double)INFINITY  ? WIDEST
                           : p == -(double)INFINITY ? NARROWEST
                                                    : POWERS;
    return run(k, kind, kind);
}
size_t CPU(vector_norm_scratch)(const wk_call *k)
{
    return scratch_for(k);
}
