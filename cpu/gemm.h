/* Blocked products of one compute class. Included once per class with
 *   GEMM(name)  the class's names      GEMM_T     its type      GEMM_DTYPE  its dtype
 *   GEMM_W      lanes of a vector
 *   GEMM_MR     rows and    GEMM_NV    vectors of the register tile
 *   GEMM_FMA(a, b, c)
 * GEMM_LOAD, GEMM_LOAD_STRIDED, GEMM_STORE: kernel.h's; GEMM_INTERLEAVE4(v, n, dst, step): four rows v of n
 * values become columns of dst.
 * One piece of work is a tile of the result. Its part of b is packed, converted on the way, into panels as
 * wide as the register tile (the scheme of Goto and van de Geijn, doi:10.1145/1356052.1356053), which stay in
 * the second cache; rows of a are read where they lie, or packed, a few at a time, if they are not of the
 * class or do not lie along k. A value's sums are the same whatever the tiles. */

typedef GEMM_T GEMM(vec) __attribute__((vector_size(GEMM_W * sizeof(GEMM_T))));
typedef GEMM_T GEMM(vec_any)
    __attribute__((vector_size(GEMM_W * sizeof(GEMM_T)), aligned(sizeof(GEMM_T)), may_alias));

#define MR GEMM_MR
#define NR (GEMM_NV * GEMM_W)

/* c[MR][nv vectors] (+)= rows, whose values are `step` apart, times a panel of b over kc steps. */
INLINE void GEMM(micro)(const int nv, const GEMM_T *const *rows, int64_t step, const GEMM_T *restrict b,
                        int64_t kc, GEMM_T *restrict c, int64_t ldc, bool add)
{
    GEMM(vec) acc[MR][GEMM_NV];
    const GEMM_T *row[MR];
    const int     bytes = nv * (int)sizeof acc[0][0];
#pragma GCC unroll 16
    for (int i = 0; i < MR; i++) {
        row[i] = rows[i];
#pragma GCC unroll 3
        for (int j = 0; j < nv; j++) acc[i][j] = (GEMM(vec)){0};
#pragma GCC unroll 3
        for (int l = 0; l < bytes; l += 64) __builtin_prefetch((char *)(c + i * ldc) + l, 1);
    }
    for (int64_t k = 0, at = 0; k < kc; k++, at += step, b += nv * GEMM_W) {
        GEMM(vec) v[GEMM_NV];
#pragma GCC unroll 3
        for (int j = 0; j < nv; j++) v[j] = *(const GEMM(vec_any) *)(const void *)(b + j * GEMM_W);
#pragma GCC unroll 3
        for (int l = 0; l < bytes; l += 64) __builtin_prefetch((const char *)b + 4 * bytes + l);
#pragma GCC unroll 16
        for (int i = 0; i < MR; i++) {
            const GEMM(vec) s = row[i][at] - (GEMM(vec)){0};
#pragma GCC unroll 3
            for (int j = 0; j < nv; j++) acc[i][j] = GEMM_FMA(s, v[j], acc[i][j]);
        }
    }
#pragma GCC unroll 16
    for (int i = 0; i < MR; i++)
#pragma GCC unroll 3
        for (int j = 0; j < nv; j++) {
            GEMM(vec_any) *to = (GEMM(vec_any) *)(void *)(c + i * ldc + j * GEMM_W);
            if (add) acc[i][j] += *to;
            *to = acc[i][j];
        }
}

/* Lanes of a panel for which n places are left: whole vectors of b. */
static int64_t GEMM(width_of)(int64_t n, int64_t most)
{
    return most == MR || n >= most ? most : (n + GEMM_W - 1) / GEMM_W * GEMM_W;
}

/* Panels at most `most` wide from `count` outer places, k0 .. k0 + kc: dst[panel][k][width], zeros beyond
 * count. */
static __attribute__((noinline)) void GEMM(pack)(const struct operand *o, int64_t first, int64_t count,
                                                 int64_t k0, int64_t kc, int most, GEMM_T *restrict dst,
                                                 GEMM_T *row)
{
    const int64_t whole = count - count % most, rest = GEMM(width_of)(count - whole, most);
    if (whole < count) memset(dst + whole * kc, 0, (size_t)(rest * kc) * sizeof *dst);
    if (o->outer == 1 && o->along != 1) {
        for (int64_t k = 0; k < kc; k++) {
            const GEMM_T *v = GEMM_LOAD(o->x, o->at + (k0 + k) * o->along + first, count, row);
            if (most == NR)
                for (int64_t p = 0; p < whole; p += NR)
                    for (int j = 0; j < NR; j += GEMM_W)
                        *(GEMM(vec_any) *)(void *)(dst + p * kc + k * NR + j) =
                            *(const GEMM(vec_any) *)(const void *)(v + p + j);
            else
                for (int64_t p = 0; p < whole; p += MR)
                    memcpy(dst + p * kc + k * MR, v + p, MR * sizeof *dst);
            for (int64_t i = whole; i < count; i++) dst[whole * kc + k * rest + i - whole] = v[i];
        }
        return;
    }
    for (int64_t p = 0; p < count; p += most) {
        const int64_t n = count - p < most ? count - p : most, width = GEMM(width_of)(n, most);
        for (int64_t i = 0; i < n; i += 4) {
            const GEMM_T *v[4];
            GEMM_T       *to = dst + p * kc + i;
            const int64_t rows = n - i < 4 ? n - i : 4;
            for (int64_t r = 0; r < rows; r++)
                v[r] = GEMM_LOAD_STRIDED(o->x, o->at + (first + p + i + r) * o->outer + k0 * o->along,
                                         o->along, kc, row + r * KC);
            if (rows == 4)
                GEMM_INTERLEAVE4(v, kc, to, width);
            else
                for (int64_t r = 0; r < rows; r++)
                    for (int64_t k = 0; k < kc; k++) to[k * width + r] = v[r][k];
        }
    }
}

static int64_t GEMM(scratch_values)(const struct gemm_plan *p)
{
    const int64_t np = (p->tn + NR - 1) / NR * NR;
    return KC * (np + MR) + (p->direct ? MR : p->tm) * np + (4 * KC > np ? 4 * KC : np);
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

/* Rows of a as the register tile reads them. */
struct GEMM(rows) {
    const GEMM_T *row[MR];
    int64_t       step;
};

/* Rows first .. first + m over k0 .. k0 + kc: in place, or packed into pa. A row beyond the last is the last
 * once more, for sums that nobody reads. */
static struct GEMM(rows) GEMM(rows_at)(const struct operand *a, int64_t first, int64_t m, int64_t k0,
                                       int64_t kc, GEMM_T *pa, GEMM_T *row)
{
    struct GEMM(rows) r;
    const bool direct = a->along == 1 && a->x->dtype == GEMM_DTYPE;
    if (!direct) GEMM(pack)(a, first, m, k0, kc, MR, pa, row);
    r.step = direct ? 1 : MR;
    for (int i = 0; i < MR; i++) {
        const int64_t at = a->at + (first + (i < m ? i : m - 1)) * a->outer + k0;
        r.row[i] = direct ? (const GEMM_T *)(const void *)address(a->x, at) : pa + i;
    }
    return r;
}

/* m <= MR rows of c (+)= a times packed b, n columns; what is less than a register tile goes through `edge`,
 * if there is one. */
static void GEMM(strip)(const struct GEMM(rows) * a, int64_t m, const GEMM_T *b, int64_t n, int64_t kc,
                        GEMM_T *c, int64_t ldc, GEMM_T *edge, bool add)
{
    for (int64_t j = 0; j < n; j += NR) {
        const int64_t width = GEMM(width_of)(n - j, NR), left = n - j < width ? n - j : width;
        const bool    whole = !edge || (m == MR && left == width);
        GEMM_T       *to = whole ? c + j : edge;
        const int64_t step = whole ? ldc : NR;
        if (width == NR)
            GEMM(micro)(GEMM_NV, a->row, a->step, b + j * kc, kc, to, step, add && whole);
        else if (GEMM_NV > 2 && width > GEMM_W)
            GEMM(micro)(2, a->row, a->step, b + j * kc, kc, to, step, add && whole);
        else
            GEMM(micro)(1, a->row, a->step, b + j * kc, kc, to, step, add && whole);
        for (int64_t i = 0; !whole && i < m; i++)
            for (int64_t l = 0; l < left; l++)
                c[i * ldc + j + l] = edge[i * NR + l] + (add ? c[i * ldc + j + l] : 0);
    }
}

/* One tile of the result: rows i0 .. i0 + m, columns j0 .. j0 + n. */
static void GEMM(tile)(const struct gemm_plan *p, const struct operand *a, const struct operand *b,
                       int64_t i0, int64_t m, int64_t j0, int64_t n, const struct result *r, GEMM_T *scratch)
{
    const int64_t np = (p->tn + NR - 1) / NR * NR;
    GEMM_T       *pb = scratch, *pa = pb + KC * np, *staged = pa + KC * MR;
    GEMM_T       *row = staged + (p->direct ? MR : p->tm) * np, *edge = p->direct ? staged : NULL;
    GEMM_T       *c = p->direct ? (GEMM_T *)(void *)address(r->y, r->at + i0 * p->n + j0) : staged;
    const int64_t ldc = p->direct ? p->n : np;
    for (int64_t i = 0; p->k == 0 && i < m; i++) memset(c + i * ldc, 0, (size_t)n * sizeof *c);
    for (int64_t k0 = 0; k0 < p->k; k0 += KC) {
        const int64_t kc = p->k - k0 < KC ? p->k - k0 : KC;
        GEMM(pack)(b, j0, n, k0, kc, NR, pb, row);
        for (int64_t i = 0; i < m; i += MR) {
            const int64_t rows = m - i < MR ? m - i : MR;
            const struct GEMM(rows) at = GEMM(rows_at)(a, i0 + i, rows, k0, kc, pa, row);
            GEMM(strip)(&at, rows, pb, n, kc, c + i * ldc, ldc, edge, k0 > 0);
        }
    }
    if (!p->direct || !wk_is_none(r->bias)) GEMM(finish)(p, c, ldc, i0, m, j0, n, r, row);
}

#include "cpu/gemm_small.h"

#undef MR
#undef NR
#undef GEMM
#undef GEMM_T
#undef GEMM_W
#undef GEMM_MR
#undef GEMM_DTYPE
#undef GEMM_NV
#undef GEMM_FMA
#undef GEMM_LOAD
#undef GEMM_LOAD_STRIDED
#undef GEMM_STORE
#undef GEMM_INTERLEAVE4
