/* Blocked products of one compute class. Included once per class with
 *   GEMM(name)  the class's names      GEMM_T     its type
 *   GEMM_CLS    f32, f64 or i64        GEMM_W     lanes of a vector
 *   GEMM_MR     most rows (one less where that wastes fewer) and    GEMM_NV    vectors of the register tile
 *   GEMM_FMA(a, b, c)
 * GEMM_LOAD, GEMM_LOAD_STRIDED, GEMM_STORE: kernel.h's; GEMM_INTERLEAVE4(v, n, dst, step): four rows v of n
 * values become columns of dst.
 * One piece of work is a tile of the result. Its operands are packed, converted on the way, into panels as
 * wide as the register tile (the scheme of Goto and van de Geijn, doi:10.1145/1356052.1356053); the tile
 * itself is summed in scratch and stored, converted, at the end. Tiles depend on shapes alone. */

typedef GEMM_T GEMM(vec) __attribute__((vector_size(GEMM_W * sizeof(GEMM_T))));
typedef GEMM_T GEMM(vec_any)
    __attribute__((vector_size(GEMM_W * sizeof(GEMM_T)), aligned(sizeof(GEMM_T)), may_alias));

#define MR GEMM_MR
#define NR (GEMM_NV * GEMM_W)

/* c[mr][NR] (+)= panel a times panel b over kc steps. */
INLINE void GEMM(micro)(const int mr, const GEMM_T *restrict a, const GEMM_T *restrict b, int64_t kc,
                        GEMM_T *restrict c, int64_t ldc, bool add)
{
    GEMM(vec) acc[MR][GEMM_NV];
    for (int i = 0; i < mr; i++)
        for (int j = 0; j < GEMM_NV; j++) acc[i][j] = (GEMM(vec)){0};
    for (int64_t k = 0; k < kc; k++, a += mr, b += NR) {
        GEMM(vec) v[GEMM_NV];
#pragma GCC unroll 8
        for (int j = 0; j < GEMM_NV; j++) v[j] = *(const GEMM(vec_any) *)(const void *)(b + j * GEMM_W);
#pragma GCC unroll 16
        for (int i = 0; i < mr; i++) {
            const GEMM(vec) s = a[i] - (GEMM(vec)){0};
#pragma GCC unroll 8
            for (int j = 0; j < GEMM_NV; j++) acc[i][j] = GEMM_FMA(s, v[j], acc[i][j]);
        }
    }
#pragma GCC unroll 16
    for (int i = 0; i < mr; i++)
#pragma GCC unroll 8
        for (int j = 0; j < GEMM_NV; j++) {
            GEMM(vec_any) *to = (GEMM(vec_any) *)(void *)(c + i * ldc + j * GEMM_W);
            if (add) acc[i][j] += *to;
            *to = acc[i][j];
        }
}

/* Panels of `width` from `count` outer places, k0 .. k0 + kc: dst[panel][k][width], zeros beyond count. */
static void GEMM(pack)(const struct operand *o, int64_t first, int64_t count, int64_t k0, int64_t kc,
                       int width, GEMM_T *restrict dst, GEMM_T *row)
{
    for (int64_t p = 0; p < count; p += width, dst += width * kc) {
        const int64_t n = count - p < width ? count - p : width;
        if (n < width) memset(dst, 0, (size_t)(width * kc) * sizeof *dst);
        if (o->outer == 1 && o->along != 1) {
            for (int64_t k = 0; k < kc; k++) {
                const GEMM_T *v = GEMM_LOAD(o->x, o->at + (k0 + k) * o->along + first + p, n, row);
                for (int64_t i = 0; i < n; i++) dst[k * width + i] = v[i];
            }
        } else {
            for (int64_t i = 0; i < n; i += 4) {
                const GEMM_T *v[4];
                const int64_t rows = n - i < 4 ? n - i : 4;
                for (int64_t r = 0; r < rows; r++)
                    v[r] = GEMM_LOAD_STRIDED(o->x, o->at + (first + p + i + r) * o->outer + k0 * o->along,
                                             o->along, kc, row + r * KC);
                if (rows == 4)
                    GEMM_INTERLEAVE4(v, kc, dst + i, width);
                else
                    for (int64_t r = 0; r < rows; r++)
                        for (int64_t k = 0; k < kc; k++) dst[k * width + i + r] = v[r][k];
            }
        }
    }
}

static int64_t GEMM(scratch_values)(const struct gemm_plan *p)
{
    return KC * (p->tm + p->tn) + p->tm * p->tn + (4 * KC > p->tn ? 4 * KC : p->tn);
}

/* m rows of n sums, `step` apart, with their bias into the result at row i0, column j0. */
static void GEMM(finish)(const struct gemm_plan *p, GEMM_T *c, int64_t step, int64_t i0, int64_t m,
                         int64_t j0, int64_t n, const struct result *r, GEMM_T *row)
{
    const GEMM_T *v = wk_is_none(r->bias) ? NULL : GEMM_LOAD(r->bias, j0, n, row);
    for (int64_t i = 0; i < m; i++, c += step) {
        for (int64_t j = 0; v && j < n; j++) c[j] += v[j];
        GEMM_STORE(r->y, r->at + (i0 + i) * p->n + j0, n, c);
    }
}

/* One tile of the result: rows i0 .. i0 + m, columns j0 .. j0 + n. */
static void GEMM(tile)(const struct gemm_plan *p, const struct operand *a, const struct operand *b,
                       int64_t i0, int64_t m, int64_t j0, int64_t n, const struct result *r, GEMM_T *scratch)
{
    GEMM_T       *pa = scratch, *pb = pa + KC * p->tm, *c = pb + KC * p->tn, *row = c + p->tm * p->tn;
    const int     mr = p->mr;
    const int64_t mp = (m + mr - 1) / mr * mr, np = (n + NR - 1) / NR * NR;
    if (p->k == 0) memset(c, 0, (size_t)(mp * np) * sizeof *c);
    for (int64_t k0 = 0; k0 < p->k; k0 += KC) {
        const int64_t kc = p->k - k0 < KC ? p->k - k0 : KC;
        GEMM(pack)(b, j0, n, k0, kc, NR, pb, row);
        GEMM(pack)(a, i0, m, k0, kc, mr, pa, row);
        for (int64_t j = 0; j < np; j += NR)
            for (int64_t i = 0; i < mp; i += mr)
                if (mr == MR)
                    GEMM(micro)(MR, pa + i * kc, pb + j * kc, kc, c + i * np + j, np, k0 > 0);
                else
                    GEMM(micro)(MR - 1, pa + i * kc, pb + j * kc, kc, c + i * np + j, np, k0 > 0);
    }
    GEMM(finish)(p, c, np, i0, m, j0, n, r, row);
}

#include "cpu/gemm_small.h"

#undef MR
#undef NR
#undef GEMM
#undef GEMM_T
#undef GEMM_W
#undef GEMM_MR
#undef GEMM_NV
#undef GEMM_FMA
#undef GEMM_LOAD
#undef GEMM_LOAD_STRIDED
#undef GEMM_STORE
#undef GEMM_INTERLEAVE4
