/* Reduction kernels. A set of results is worked on together: as columns where they lie side by side in the
 * input, one by one where the reduced values do. f32 adds up in runs of 64 partial sums, runs add up
 * in double; large sets are cut into chunks by size alone, so results do not depend on threads. */
#include "cpu/halves.h"
#include "cpu/vmath.h"
#include "cpu/walk.h"

#define RESULTS 1024      /* worked on together */
#define FEW     32        /* reduced values that are not worth a loop of their own */
#define LARGE   (1 << 18) /* values in all that are worth two steps */

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

/* ---- sums of f32 and bf16, in 64 lanes ------------------------------------------------------- */

enum { PARTS = 64 / W, RUN = 8 * TILE };

INLINE double fold64(vf *s)
{
    for (int h = PARTS / 2; h > 0; h /= 2)
#pragma GCC unroll 8
        for (int j = 0; j < h; j++) s[j] += s[j + h];
    return (double)v_sum(s[0]);
}

/* In vectors of eight whatever the instruction set: rows seldom begin where longer ones would. */
typedef float v8 __attribute__((vector_size(32)));
typedef float v8_any __attribute__((vector_size(32), aligned(4), may_alias));

static double run_sum(const float *x, int64_t n)
{
    v8      s[8], last = {0};
    int64_t i = 0;
#pragma GCC unroll 8
    for (int j = 0; j < 8; j++) s[j] = (v8){0};
    for (; i + 64 <= n; i += 64)
#pragma GCC unroll 8
        for (int j = 0; j < 8; j++) s[j] += *(const v8_any *)(const void *)(x + i + 8 * j);
    if (n % 8) memcpy(&last, x + n / 8 * 8, (size_t)(n % 8) * sizeof *x);
#pragma GCC unroll 8
    for (int j = 0; j < 8; j++)
        if (i + 8 * j + 8 <= n)
            s[j] += *(const v8_any *)(const void *)(x + i + 8 * j);
        else if (i + 8 * j < n)
            s[j] += last;
#pragma GCC unroll 4
    for (int j = 0; j < 4; j++) s[j] += s[j + 4];
    const v8 t = (s[0] + s[2]) + (s[1] + s[3]);
    const v4 q = __builtin_shufflevector(t, t, 0, 1, 2, 3) + __builtin_shufflevector(t, t, 4, 5, 6, 7);
    return (double)((q[0] + q[2]) + (q[1] + q[3]));
}

static double run_sum_bf16(const char *x, int64_t n)
{
    vf      s[PARTS];
    int64_t i = 0;
#pragma GCC unroll 16
    for (int p = 0; p < PARTS; p++) s[p] = v_set(0);
    for (; i + 64 <= n; i += 64)
#pragma GCC unroll 8
        for (int p = 0; p < PARTS / 2; p++) {
            const vi word = *(const vi_any *)(const void *)(x + 2 * i + p * (int)sizeof(vi));
            s[2 * p] += lower(word);
            s[2 * p + 1] += upper(word);
        }
    float rest[64];
    CPU(to_f32)[WK_bf16](x + 2 * i, rest, n - i);
    return fold64(s) + run_sum(rest, n - i);
}

/* Positions r0 .. r1 of the reduced set lie side by side; *at: the first one. */
static bool lies_dense(const struct job *j, int64_t r0, int64_t r1, int64_t *at)
{
    int64_t left;
    *at = walk_offset(&j->reduced, 0, r0, &left);
    return j->reduced.stride[0][j->reduced.ndim - 1] == 1 && left >= r1 - r0;
}

/* Adds positions r0 .. r1 to *v where they lie side by side; returns the first one left out. */
static int64_t sum_along(const struct job *j, int64_t from, int64_t r0, int64_t r1, double *v)
{
    int64_t at;
    if (r0 == r1) return r1; /* nothing lies nowhere: a size may be 0 */
    const bool half = j->x->dtype == WK_bf16;
    if (!(half || j->x->dtype == WK_f32) || !lies_dense(j, r0, r1, &at)) return r0;
    const int64_t size = half ? 2 : 4;
    const char   *x = (const char *)wki_data(j->x) + (from + at) * size;
    for (int64_t r = r0; r < r1; r += RUN, x += RUN * size) {
        const int64_t n = r1 - r < RUN ? r1 - r : RUN;
        *v += half ? run_sum_bf16(x, n) : run_sum((const float *)(const void *)x, n);
    }
    return r1;
}

/* The same for results at .. at + n, rows at even distances that are a run each: what a row costs beside its
 * values is little then. Returns how many. */
static int64_t sum_rows_along(const struct job *j, int64_t at, int64_t n, int64_t r0, int64_t r1, double *v)
{
    int64_t    first;
    const bool half = j->x->dtype == WK_bf16;
    if (j->kept.ndim > 1 || r1 - r0 > RUN || r0 == r1 || !(half || j->x->dtype == WK_f32) ||
        !lies_dense(j, r0, r1, &first))
        return 0;
    const int64_t size = half ? 2 : 4, step = j->kept.stride[0][0] * size;
    const char   *x = (const char *)wki_data(j->x) + first * size + at * step;
    for (int64_t i = 0; i < n; i++, x += step)
        v[i] = half ? run_sum_bf16(x, r1 - r0) : run_sum((const float *)(const void *)x, r1 - r0);
    return n;
}

/* Adds eight rows of n values to n sums. */
#define FOUR(x, i) (((x)[0][i] + (x)[1][i]) + ((x)[2][i] + (x)[3][i]))
static void across_eight_f32(float *restrict sum, const float *const *x, int64_t n)
{
    int64_t i = 0;
    for (; i + 8 <= n; i += 8) {
        v8 v[8], *to = (v8 *)(void *)(sum + i);
#pragma GCC unroll 8
        for (int r = 0; r < 8; r++) v[r] = *(const v8_any *)(const void *)(x[r] + i);
        *to += ((v[0] + v[1]) + (v[2] + v[3])) + ((v[4] + v[5]) + (v[6] + v[7]));
    }
    for (; i < n; i++) sum[i] += FOUR(x, i) + FOUR(x + 4, i);
}
#undef FOUR

/* Adds eight rows of n bf16 to n sums, of which every 2 W have those at even places first. */
#define FOUR(half, w)  ((half((w)[0]) + half((w)[1])) + (half((w)[2]) + half((w)[3])))
#define EIGHT(half, w) (FOUR(half, w) + FOUR(half, w + 4))
static void halves_across(float *restrict sum, const float *const *rows, int64_t n)
{
    for (int64_t i = 0; i < n; i += 2 * W) {
        const bool whole = n - i >= 2 * W;
        vi         w[8];
#pragma GCC unroll 8
        for (int r = 0; r < 8 && whole; r++)
            w[r] = *(const vi_any *)(const void *)((const char *)rows[r] + 2 * i);
#pragma GCC unroll 8
        for (int r = 0; r < 8 && !whole; r++) w[r] = v_load_words((const char *)rows[r] + 2 * i, n - i);
        v_store(sum + i, v_load(sum + i) + EIGHT(lower, w));
        v_store(sum + i + W, v_load(sum + i + W) + EIGHT(upper, w));
    }
}
#undef FOUR
#undef EIGHT

static void halves_sort(float *sum, int64_t n)
{
    for (int64_t i = 0; i < n; i += 2 * W) {
        float both[2 * W];
        memcpy(both, sum + i, sizeof both);
        for (int l = 0; l < W; l++) {
            sum[i + 2 * l] = both[l];
            sum[i + 2 * l + 1] = both[W + l];
        }
    }
}

/* ---- one class ------------------------------------------------------------------------------- */

#define HALVES(j, step) ((j)->x->dtype == WK_bf16 && (step) == 1)
#define ACROSS_EIGHT    across_eight_f32
#define HALVES_ACROSS   halves_across
#define HALVES_SORT     halves_sort
#define SUM_ALONG       sum_along
#define SUM_ROWS_ALONG  sum_rows_along
#define T               float
#define ACC             double
#define FN(name)        name##_f32
#define LOAD            load_f32
#define LOAD_STRIDED    load_f32_strided
#define STORE           store_f32
#define LOWEST          (-(double)INFINITY)
#define HIGHEST         ((double)INFINITY)
#define NOT_A_NUMBER    ((double)NAN)
#define EXP(x)          ((double)vm_exp((float)(x)))
#define ISNAN(x)        ((x) != (x))
#define SIZE(x)         ((x) < 0 ? -(x) : (x))
#define PLUS(a, b)      ((a) + (b))
#define TIMES(a, b)     ((a) * (b))
#include "cpu/reduce_class.h"

#if !defined WK_SET_OF_F64
#define HALVES(j, step)                     false
#define HALVES_ACROSS(v, x, n)              (void)0
#define HALVES_SORT(v, n)                   (void)0
#define SUM_ALONG(j, from, r0, r1, v)       (r0)
#define SUM_ROWS_ALONG(j, at, n, r0, r1, v) 0
#define T                                   double
#define ACC                                 double
#define FN(name)                            name##_f64
#define LOAD                                load_f64
#define LOAD_STRIDED                        load_f64_strided
#define STORE                               store_f64
#define LOWEST                              (-(double)INFINITY)
#define HIGHEST                             ((double)INFINITY)
#define NOT_A_NUMBER                        ((double)NAN)
#define EXP(x)                              exp(x)
#define ISNAN(x)                            ((x) != (x))
#define SIZE(x)                             ((x) < 0 ? -(x) : (x))
#define PLUS(a, b)                          ((a) + (b))
#define TIMES(a, b)                         ((a) * (b))
#include "cpu/reduce_class.h"
#endif

#if !defined WK_SET_OF_I64
#define HALVES(j, step)                     false
#define HALVES_ACROSS(v, x, n)              (void)0
#define HALVES_SORT(v, n)                   (void)0
#define SUM_ALONG(j, from, r0, r1, v)       (r0)
#define SUM_ROWS_ALONG(j, at, n, r0, r1, v) 0
#define T                                   int64_t
#define ACC                                 int64_t
#define FN(name)                            name##_i64
#define LOAD                                load_i64
#define LOAD_STRIDED                        load_i64_strided
#define STORE                               store_i64
#define LOWEST                              INT64_MIN
#define HIGHEST                             INT64_MAX
#define NOT_A_NUMBER                        0
#define EXP(x)                              (x)
#define ISNAN(x)                            ((void)(x), false)
#define SIZE(x)                             (x)
#define PLUS(a, b)                          ((int64_t)((uint64_t)(a) + (uint64_t)(b)))
#define TIMES(a, b)                         ((int64_t)((uint64_t)(a) * (uint64_t)(b)))
#include "cpu/reduce_class.h"
#endif

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
    const int64_t work = j->kept.n * j->reduced.n;
    /* columns of a small input are shared out; a larger one is cut into chunks of rows */
    const int64_t columns = work >= 4 * LARGE || worth > RESULTS ? RESULTS
                            : worth < 512                        ? 512
                                                                 : (worth + 63) / 64 * 64;
    j->set = side ? columns : worth > RESULTS ? RESULTS : worth;
    const int64_t in_run = (run + j->set - 1) / j->set;
    j->sets = side ? j->kept.n / run * in_run : (j->kept.n + j->set - 1) / j->set;
    int64_t chunks =
        j->sets < 8 && work >= (side && j->sets > 1 ? 4 * LARGE : LARGE) ? work / j->sets >> 17 : 1;
    chunks = chunks < 1 ? 1 : chunks > 64 ? 64 : chunks > 2 ? (chunks + 3) / 4 * 4 : chunks;
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
    if (!OF_CLASS(k->cls, CPU(to_f32)[t] != NULL, CPU(to_f64)[t] != NULL, CPU(to_i64)[t] != NULL))
        return WK_EDTYPE;
    piece = OF_CLASS(k->cls, piece_f32, piece_f64, piece_i64);
    finish = OF_CLASS(k->cls, finish_f32, finish_f64, finish_i64);
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
