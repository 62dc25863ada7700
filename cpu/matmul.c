/* Matrix products of every plain dtype, any strides: operands are converted on the way into packed panels. */
#include "cpu/matmul.h"

#include "cpu/blas.h"
#include "cpu/cpu.h"
#include "cpu/gemm_half.h"
#include "cpu/simd.h"

/* Register tiles, packed and in place: as many accumulators as the instruction set has registers for. Packed
 * b, KC by COLUMNS values of 4 bytes, is to stay in the second cache; KC holds whole blocks of any format. */
#if defined __AVX512F__
enum { MR_F32 = 8, MR_I64 = 6, NV = 3, SMALL_ROWS = 8, SMALL_VECTORS = 3, KC = 512, COLUMNS = 336 };
#elif defined __ARM_NEON
enum { MR_F32 = 12, MR_I64 = 4, NV = 2, SMALL_ROWS = 6, SMALL_VECTORS = 2, KC = 256, COLUMNS = 240 };
#elif defined __AVX2__
enum { MR_F32 = 6, MR_I64 = 4, NV = 2, SMALL_ROWS = 6, SMALL_VECTORS = 2, KC = 256, COLUMNS = 240 };
#else
enum { MR_F32 = 4, MR_I64 = 4, NV = 2, SMALL_ROWS = 6, SMALL_VECTORS = 2, KC = 256, COLUMNS = 240 };
#endif

typedef double vd __attribute__((vector_size(4 * W)));
INLINE vd      fma_f64(vd a, vd b, vd c)
{
#if defined __AVX512F__
    return (vd)_mm512_fmadd_pd((__m512d)a, (__m512d)b, (__m512d)c);
#elif defined __AVX2__
    return (vd)_mm256_fmadd_pd((__m256d)a, (__m256d)b, (__m256d)c);
#elif defined __ARM_NEON && defined __aarch64__
    return (vd)vfmaq_f64((float64x2_t)c, (float64x2_t)a, (float64x2_t)b);
#else
    return a * b + c;
#endif
}

/* Four rows v of n values become columns of dst. */
INLINE void interleave4_f32(const float *const *v, int64_t n, float *dst, int64_t step)
{
    int64_t k = 0;
    for (; k + 4 <= n; k += 4, dst += 4 * step) {
        const v4 a = *(const v4_any *)(const void *)(v[0] + k), b = *(const v4_any *)(const void *)(v[1] + k);
        const v4 c = *(const v4_any *)(const void *)(v[2] + k), d = *(const v4_any *)(const void *)(v[3] + k);
        const v4 ab0 = __builtin_shufflevector(a, b, 0, 4, 1, 5),
                 ab1 = __builtin_shufflevector(a, b, 2, 6, 3, 7);
        const v4 cd0 = __builtin_shufflevector(c, d, 0, 4, 1, 5),
                 cd1 = __builtin_shufflevector(c, d, 2, 6, 3, 7);
        *(v4_any *)(void *)dst = __builtin_shufflevector(ab0, cd0, 0, 1, 4, 5);
        *(v4_any *)(void *)(dst + step) = __builtin_shufflevector(ab0, cd0, 2, 3, 6, 7);
        *(v4_any *)(void *)(dst + 2 * step) = __builtin_shufflevector(ab1, cd1, 0, 1, 4, 5);
        *(v4_any *)(void *)(dst + 3 * step) = __builtin_shufflevector(ab1, cd1, 2, 3, 6, 7);
    }
    for (; k < n; k++, dst += step)
        for (int r = 0; r < 4; r++) dst[r] = v[r][k];
}
INLINE void interleave4_f64(const double *const *v, int64_t n, double *dst, int64_t step)
{
    for (int64_t k = 0; k < n; k++, dst += step)
        for (int r = 0; r < 4; r++) dst[r] = v[r][k];
}
INLINE void interleave4_i64(const int64_t *const *v, int64_t n, int64_t *dst, int64_t step)
{
    for (int64_t k = 0; k < n; k++, dst += step)
        for (int r = 0; r < 4; r++) dst[r] = v[r][k];
}

#define GEMM(name)        name##_f32
#define GEMM_T            float
#define GEMM_W            W
#define GEMM_DTYPE        WK_f32
#define GEMM_MR           MR_F32
#define GEMM_NV           NV
#define GEMM_FMA          v_fma
#define GEMM_LOAD         load_f32
#define GEMM_LOAD_STRIDED load_f32_strided
#define GEMM_STORE        store_f32
#define GEMM_INTERLEAVE4  interleave4_f32
#include "cpu/gemm.h"

#if !defined WK_SET_OF_F64
#define GEMM(name)        name##_f64
#define GEMM_T            double
#define GEMM_W            (W / 2)
#define GEMM_DTYPE        WK_f64
#define GEMM_MR           MR_F32
#define GEMM_NV           NV
#define GEMM_FMA          fma_f64
#define GEMM_LOAD         load_f64_any
#define GEMM_LOAD_STRIDED load_f64_strided_any
#define GEMM_STORE        store_f64
#define GEMM_INTERLEAVE4  interleave4_f64

/* Block formats have no rows in f64 of their own. */
INLINE const double *load_f64_any(wk_tensor x, int64_t at, int64_t n, double *buffer)
{
    if (CPU(to_f64)[x->dtype]) return load_f64(x, at, n, buffer);
    float *half = (float *)(void *)buffer;
    CPU(to_f32)[x->dtype](address(x, at), half, n);
    for (int64_t i = n - 1; i >= 0; i--) {
        const float v = half[i];
        buffer[i] = (double)v;
    }
    return buffer;
}
INLINE const double *load_f64_strided_any(wk_tensor x, int64_t at, int64_t stride, int64_t n, double *buffer)
{
    return stride == 1 ? load_f64_any(x, at, n, buffer) : load_f64_strided(x, at, stride, n, buffer);
}
#include "cpu/gemm.h"
#endif

#if !defined WK_SET_OF_I64
#define GEMM(name)        name##_i64
#define GEMM_T            int64_t
#define GEMM_W            (W / 2)
#define GEMM_DTYPE        WK_i64
#define GEMM_MR           MR_I64
#define GEMM_NV           2
#define GEMM_FMA(a, b, c) ((vec_i64)((vec_u64)(a) * (vec_u64)(b) + (vec_u64)(c)))
#define GEMM_LOAD         load_i64
#define GEMM_LOAD_STRIDED load_i64_strided
#define GEMM_STORE        store_i64
#define GEMM_INTERLEAVE4  interleave4_i64
typedef uint64_t vec_u64 __attribute__((vector_size(4 * W)));
#include "cpu/gemm.h"
#endif

/* ---- tiles of the result --------------------------------------------------------------------- */

static int64_t round_up(int64_t n, int64_t to)
{
    return (n + to - 1) / to * to;
}

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t pieces_of(int64_t n, int64_t most)
{
    return (n + most - 1) / most;
}

/* Splits n into even tiles of at most `most`, multiples of `step`. */
static int64_t even(int64_t n, int64_t most, int64_t step)
{
    const int64_t pieces = pieces_of(n, most);
    return pieces < 1 ? step : round_up(pieces_of(n, pieces), step);
}

static int64_t columns_of_tiles(const struct gemm_plan *p)
{
    return pieces_of(p->n, p->tn);
}

int64_t CPU(gemm_tiles)(const struct gemm_plan *p)
{
    return pieces_of(p->m, p->tm) * columns_of_tiles(p);
}

#define PACKING   16    /* rows of products that take as long as packing b for them */
#define HAND_OVER 16384 /* multiply-adds in the time that it takes to begin a tile */
#define STAGED    256   /* rows of a tile that is summed in scratch */

/* The time of all tiles in multiply-adds; many are better than few where a worker is held up. */
static double time_of(const struct gemm_plan *p, int workers)
{
    const double tiles = (double)CPU(gemm_tiles)(p),
                 rounds = (double)(((int64_t)tiles + workers - 1) / workers);
    const double narrow =
        p->tn % (NV * (p->cls == WK_CLASS_F32 ? W : W / 2)) ? W / 2 : 0; /* its last register tile */
    return rounds * (((double)p->tm + PACKING) * ((double)p->tn + narrow) * (double)p->k + HAND_OVER) *
           (1 + 0.05 * workers / tiles);
}

/* Tiles of the shortest time, of at most so many rows and columns. */
static void lay_tiles(struct gemm_plan *p, int64_t rows, int64_t columns, int workers)
{
    struct gemm_plan t = *p;
    const int     mr = p->cls == WK_CLASS_I64 ? MR_I64 : MR_F32, lanes = p->cls == WK_CLASS_F32 ? W : W / 2;
    const int64_t down = pieces_of(p->m, rows), across = pieces_of(p->n, columns);
    double        best = 0;
    for (int64_t r = down; r == down || r * across <= 4 * workers; r *= 2)
        for (int64_t c = across; c < across + 4; c++) {
            t.tm = even(p->m, pieces_of(p->m, r), mr);
            t.tn = even(p->n, pieces_of(p->n, c), lanes);
            const double time = time_of(&t, workers);
            if (best > 0 && time >= best) continue;
            best = time;
            *p = t;
        }
}

/* Products from this many steps on are worth packing for, and opening OpenBLAS. */
#define LARGE 67108864.0

static bool large(const struct gemm_plan *p)
{
    return (double)p->m * (double)p->n * (double)p->k >= LARGE;
}

/* Classes of which large products are OpenBLAS's: our own are as fast in f32 with AVX2, faster with AVX-512;
 * f64 has no rows for the widest vectors. */
#if defined WK_SET_OF_F64
#define BY_BLAS(cls) false
#elif defined __AVX2__
#define BY_BLAS(cls) ((cls) == WK_CLASS_F64)
#else
#define BY_BLAS(cls) ((cls) != WK_CLASS_I64)
#endif

static bool in_class(wk_class cls, wk_dtype t)
{
    return t == (cls == WK_CLASS_F32 ? WK_f32 : cls == WK_CLASS_F64 ? WK_f64 : WK_i64);
}

struct gemm_plan CPU(gemm_plan)(wk_class cls, wk_dtype to, int64_t m, int64_t n, int64_t k,
                                const wk_device *d)
{
    struct gemm_plan p = {.cls = cls, .m = m, .n = n, .k = k, .direct = in_class(cls, to)};
    p.tm = p.tn = 1;
    if (m == 0 || n == 0) return p;
    p.blas = BY_BLAS(cls) && wki_cpu_features(d) & WKI_CPU_BLAS && k > 0 && k < INT32_MAX && large(&p) &&
             wki_blas() && wki_blas()->fit;
    /* OpenBLAS's sums may change with the tiles, so these do not with the workers */
    const int64_t columns = p.blas ? 512 : cls == WK_CLASS_F32 ? COLUMNS : COLUMNS / 2;
    lay_tiles(&p, p.blas || p.direct ? 1024 : STAGED, columns, p.blas ? 4 : wki_workers(d));
    return p;
}

size_t CPU(gemm_scratch)(const struct gemm_plan *p)
{
    if (p->cls == WK_CLASS_F32) return (size_t)round_up(scratch_values_f32(p), 16) * sizeof(float);
    return (size_t)round_up(OF_CLASS(p->cls, 0, scratch_values_f64(p), scratch_values_i64(p)), 8) * 8;
}
#include "cpu/gemm_lines.h"

/* Leading dimension of an operand that BLAS can take in place, and whether it is transposed; 0: it cannot. */
static int blas_lead(const struct operand *o, wk_dtype t, int64_t outer, int64_t along, bool *across)
{
    if (o->x->dtype != t) return 0;
    *across = !(o->along == 1 && o->outer >= along);
    if (*across && !(o->outer == 1 && o->along >= outer)) return 0;
    const int64_t lead = *across ? o->along : o->outer;
    return lead > 0 && lead <= INT32_MAX ? (int)lead : 0;
}

/* Adds the bias to the n values of the result from element `at`. */
static void add_bias_f32(const struct result *r, int64_t j0, int64_t n, int64_t at)
{
    float  buffer[TILE];
    float *y = (float *)(void *)address(r->y, at);
    for (int64_t t = 0; t < n; t += TILE) {
        const int64_t len = n - t < TILE ? n - t : TILE;
        const float  *v = load_f32(r->bias, j0 + t, len, buffer);
        for (int64_t j = 0; j < len; j++) y[t + j] += v[j];
    }
}
static void add_bias_f64(const struct result *r, int64_t j0, int64_t n, int64_t at)
{
    double  buffer[TILE];
    double *y = (double *)(void *)address(r->y, at);
    for (int64_t t = 0; t < n; t += TILE) {
        const int64_t len = n - t < TILE ? n - t : TILE;
        const double *v = load_f64(r->bias, j0 + t, len, buffer);
        for (int64_t j = 0; j < len; j++) y[t + j] += v[j];
    }
}

/* One tile through BLAS, where operands and result fit it. */
static bool blas_tile(const struct gemm_plan *p, const struct operand *a, const struct operand *b, int64_t i0,
                      int64_t m, int64_t j0, int64_t n, const struct result *r)
{
    const struct wki_blas *blas = wki_blas();
    const wk_dtype         t = BY_BLAS(WK_CLASS_F32) && p->cls == WK_CLASS_F32 ? WK_f32 : WK_f64;
    bool                   at = false, bt = false;
    const int              lda = blas_lead(a, t, p->m, p->k, &at), ldb = blas_lead(b, t, p->n, p->k, &bt);
    if (!blas || !lda || !ldb || r->y->dtype != t || p->n > INT32_MAX) return false;
    const void *pa = address(a->x, a->at + i0 * a->outer), *pb = address(b->x, b->at + j0 * b->outer);
    void       *pc = address(r->y, r->at + i0 * p->n + j0);
    const int   ta = at ? WKI_TRANS : WKI_NO_TRANS, tb = bt ? WKI_NO_TRANS : WKI_TRANS;
    if (t == WK_f32)
        blas->sgemm(WKI_ROW_MAJOR, ta, tb, (int)m, (int)n, (int)p->k, 1.0f, pa, lda, pb, ldb, 0.0f, pc,
                    (int)p->n);
    else
        blas->dgemm(WKI_ROW_MAJOR, ta, tb, (int)m, (int)n, (int)p->k, 1.0, pa, lda, pb, ldb, 0.0, pc,
                    (int)p->n);
    if (wk_is_none(r->bias)) return true;
    for (int64_t i = 0; i < m; i++)
        if (t == WK_f32)
            add_bias_f32(r, j0, n, r->at + (i0 + i) * p->n + j0);
        else
            add_bias_f64(r, j0, n, r->at + (i0 + i) * p->n + j0);
    return true;
}

void CPU(gemm_tile)(const struct gemm_plan *p, const struct operand *a, const struct operand *b, int64_t tile,
                    const struct result *r, void *scratch)
{
    const int64_t across = columns_of_tiles(p);
    const int64_t i0 = tile / across * p->tm, j0 = tile % across * p->tn;
    const int64_t m = p->m - i0 < p->tm ? p->m - i0 : p->tm, n = p->n - j0 < p->tn ? p->n - j0 : p->tn;
    if (BY_BLAS(p->cls) && p->blas && blas_tile(p, a, b, i0, m, j0, n, r)) return;
    if (!large(p) && lines_fit(p, a, b)) {
        lines_tile(p, a, b, i0, m, j0, n, r, scratch);
        return;
    }
    BY_CLASS(p->cls, tile, p, a, b, i0, m, j0, n, r, scratch);
}

/* ---- matmul ---------------------------------------------------------------------------------- */

/* How the products of a call are done. A unit of work is a tile; for SMALL some rows; for ROW and COLUMN,
 * results with a side of 1, some of their values. */
enum way { TILES, HALF, SMALL, ROW, COLUMN };

/* The call as `batch` products; leading dims that all go through one b become rows. */
struct job {
    const wk_call   *k;
    struct gemm_plan plan;
    enum way         way;
    int64_t          batch, tiles, unit;
    size_t           bytes; /* scratch of a worker */
    int64_t          a_row;
};

/* What a small b may take of the second cache; with sums so long that packing pays; of what size it is near
 * in any case. */
#define SMALL_BYTES 524288
#if defined __AVX512F__
#define DEEP_BYTES 131072
#else
#define DEEP_BYTES SMALL_BYTES
#endif
#define DEEP       128
#define SMALL_NEAR 65536

/* Chooses by shapes, strides and dtypes alone. */
static enum way choose(const struct job *j)
{
    const wk_tensor         a = j->k->in[0], b = j->k->in[1];
    const struct gemm_plan *p = &j->plan;
    const int64_t           a_along = a->stride[a->ndim - 1], b_along = b->stride[b->ndim - 2],
                  b_outer = b->stride[b->ndim - 1];
    if (wk_count(j->k->out[0]) == 0 || p->k == 0) return TILES;
#if defined __AVX512F__
    if (wki_cpu_features(j->k->device) & WKI_CPU_BF16 && CPU(half_fits)(a, j->a_row, a_along) &&
        CPU(half_fits)(b, b_outer, b_along))
        return HALF;
#endif
    if (!in_class(p->cls, a->dtype) || !in_class(p->cls, b->dtype) || !in_class(p->cls, j->k->out[0]->dtype))
        return TILES;
    const bool b_lines = b_along == 1 || b_outer == 1, a_lines = a_along == 1 || j->a_row == 1;
    if (p->m == 1 && p->k > 1 && a_along == 1 && b_lines) return ROW;
    if (p->n == 1 && p->k > 1 && b_along == 1 && a_lines) return COLUMN;
    const int64_t bytes = p->cls == WK_CLASS_F32 ? 4 : 8;
    const int64_t most = p->k > DEEP ? DEEP_BYTES : SMALL_BYTES;
    const bool    fits = p->k < SMALL_BYTES && p->n < SMALL_BYTES && p->k * p->n * bytes <= most;
    return fits && a_lines ? SMALL : TILES;
}

/* At least `fewest` of m rows, so many that two threads, or an even number of them, end together. */
static int64_t unit_of_rows(int64_t m, int64_t fewest)
{
    int64_t best = 0, least_load = INT64_MAX;
    for (int64_t u = round_up(fewest, SMALL_ROWS); u < fewest + 5 * SMALL_ROWS; u += SMALL_ROWS) {
        const int64_t one = least(pieces_of(m, u) / 2 * u, m), load = one > m - one ? one : m - one;
        if (load > least_load) continue;
        least_load = load;
        best = u;
    }
    return best;
}

static void lay_out(struct job *j)
{
    const struct gemm_plan *p = &j->plan;
    const int64_t           bytes = p->cls == WK_CLASS_F32 ? 4 : 8;
    j->way = choose(j);
    if (j->way == TILES) {
        j->plan = CPU(gemm_plan)(p->cls, j->k->out[0]->dtype, p->m, p->n, p->k, j->k->device);
        j->tiles = CPU(gemm_tiles)(p);
        j->bytes = CPU(gemm_scratch)(p);
    } else if (j->way == SMALL) {
        /* few rows where b stays in the first cache, else enough to make up for reading it again */
        const int64_t again = p->k * p->n * bytes;
        const int64_t fewest = again <= SMALL_NEAR ? 2 * SMALL_ROWS : again <= SMALL_BYTES / 2 ? 32 : 64;
        const int64_t worth = least(262144 / (p->k * (p->n + 1)), 64);
        j->unit = unit_of_rows(p->m, worth < fewest ? fewest : worth);
        j->tiles = pieces_of(p->m, j->unit);
        j->bytes = (size_t)(p->k * round_up(p->n, 16) * bytes);
    } else if (j->way == ROW || j->way == COLUMN) {
        const int64_t   n = j->way == ROW ? p->n : p->m, fit = 65536 / p->k / 4 * 4;
        const wk_tensor w = j->k->in[j->way == ROW];
        const bool      dots = w->stride[j->way == ROW ? w->ndim - 2 : w->ndim - 1] == 1;
        j->unit = dots ? (fit < 4 ? 4 : fit) : 1024;
        j->tiles = pieces_of(n, j->unit);
        j->bytes = 0;
    }
#if defined __AVX512F__
    if (j->way != HALF) return;
    const wk_tensor a = j->k->in[0];
    CPU(half_tiles)(&j->plan, a->stride[a->ndim - 1]);
    j->tiles = CPU(gemm_tiles)(p);
    j->bytes = CPU(half_scratch)(p);
#endif
}

static struct job describe(const wk_call *k)
{
    const wk_tensor a = k->in[0], b = k->in[1], y = k->out[0];
    struct job      j = {.k = k, .batch = 1, .a_row = a->stride[a->ndim - 2]};
    int64_t         m = y->shape[y->ndim - 2], b_batch = 1;
    for (int i = 0; i < y->ndim - 2; i++) j.batch *= y->shape[i];
    for (int i = 0; i < b->ndim - 2; i++) b_batch *= b->shape[i];
    /* rows of a one after the other at one stride: a single product of more rows */
    if (b_batch == 1 && j.batch > 1 && a->ndim == y->ndim) {
        bool    even_rows = true;
        int64_t rows = a->shape[a->ndim - 2], step = j.a_row;
        for (int i = a->ndim - 3; i >= 0; i--) {
            even_rows &=
                a->shape[i] == y->shape[i] && (rows == 1 || a->shape[i] == 1 || a->stride[i] == rows * step);
            if (rows == 1) step = a->stride[i];
            rows *= a->shape[i];
        }
        if (even_rows) {
            m = rows;
            j.a_row = step;
            j.batch = 1;
        }
    }
    j.plan =
        (struct gemm_plan){.cls = k->cls, .m = m, .n = y->shape[y->ndim - 1], .k = a->shape[a->ndim - 1]};
    lay_out(&j);
    return j;
}

size_t CPU(matmul_scratch)(const wk_call *k)
{
    const struct job j = describe(k);
    return j.bytes * (size_t)wki_workers(k->device);
}

/* Where matrix number `index` of the result's batch begins in x. */
static int64_t batch_offset(wk_tensor x, wk_tensor y, int64_t index)
{
    int64_t at = 0;
    for (int i = y->ndim - 3, j = x->ndim - 3; i >= 0; i--, j--) {
        if (j >= 0 && x->shape[j] != 1) at += index % y->shape[i] * x->stride[j];
        index /= y->shape[i];
    }
    return at;
}

static void unit(const struct job *j, const struct operand *a, const struct operand *b, int64_t t,
                 const struct result *r, void *scratch)
{
    const struct gemm_plan *p = &j->plan;
    const int64_t           first = t * j->unit;
    switch (j->way) {
    case TILES:
        CPU(gemm_tile)(p, a, b, t, r, scratch);
        return;
    case HALF:
#if defined __AVX512F__
    {
        const int64_t across = columns_of_tiles(p), i0 = t / across * p->tm, j0 = t % across * p->tn;
        CPU(half_tile)
        (p, a, b, i0, least(p->m - i0, p->tm), j0, least(p->n - j0, p->tn), r, scratch);
    }
#endif
        return;
    case SMALL:
        BY_CLASS(p->cls, small, p, a, b, first, least(p->m - first, j->unit), r, scratch);
        return;
    case ROW:
    case COLUMN: {
        const bool            row = j->way == ROW;
        const struct operand *w = row ? b : a, *v = row ? a : b;
        const int64_t         n = least((row ? p->n : p->m) - first, j->unit);
        BY_CLASS(p->cls, vector, w, (const void *)address(v->x, v->at), first, n, p->k,
                 (void *)address(r->y, r->at + first));
    }
    }
}

/* The operands of product `i` of the batch. */
static void operands(const struct job *j, int64_t i, struct operand *oa, struct operand *ob)
{
    const wk_tensor a = j->k->in[0], b = j->k->in[1], y = j->k->out[0];
    *oa = (struct operand){a, batch_offset(a, y, i), j->a_row, a->stride[a->ndim - 1]};
    *ob = (struct operand){b, batch_offset(b, y, i), b->stride[b->ndim - 1], b->stride[b->ndim - 2]};
}

static void piece(void *arg, int64_t first, int64_t last, int worker)
{
    const struct job *j = arg;
    char             *scratch = (char *)j->k->scratch + (size_t)worker * j->bytes;
    for (int64_t t = first; t < last; t++) {
        const int64_t       i = t / j->tiles;
        const struct result r = {j->k->out[0], wk_none(), i * j->plan.m * j->plan.n};
        struct operand      a, b;
        operands(j, i, &a, &b);
        unit(j, &a, &b, t % j->tiles, &r, scratch);
    }
}

wk_status CPU(matmul)(const wk_call *k)
{
    if (wk_count(k->out[0]) == 0) return WK_OK;
    struct job    j = describe(k);
    const double  all = (double)j.plan.m * (double)j.plan.n * (double)(j.plan.k + 1);
    const double  work = all / (double)j.tiles, want = j.way == TILES ? 16384 : 65536;
    const int64_t grain = work < want ? (int64_t)(want / work) + 1 : 1;
    wki_parallel(k->device, j.batch * j.tiles, grain, piece, &j);
    return WK_OK;
}
