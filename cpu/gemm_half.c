/* Products of two bf16 operands through bf16 dot products (AVX512-BF16): pairs of values along k, sums in
 * f32. */
#include "cpu/gemm_half.h"

#include "cpu/codes.h"

#if defined __AVX512F__

#define BF16        __attribute__((target("avx512bf16")))
#define INLINE_BF16 BF16 INLINE

#define MR 8 /* rows and columns of the register tile */
#define NR 48
#define KC 512

bool CPU(half_fits)(wk_tensor x, int64_t outer, int64_t along)
{
    return x->dtype == WK_bf16 && (outer == 1 || along == 1);
}

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t panels_of(int64_t n, int64_t width)
{
    return (n + width - 1) / width;
}

/* Rows of a that hold its pairs already are read where they lie. */
static bool in_place(const struct gemm_plan *p, int64_t along)
{
    return along == 1 && p->k % 2 == 0;
}

/* n cut into even tiles of at most `most`, multiples of `step`. */
static int64_t even(int64_t n, int64_t most, int step)
{
    return panels_of(panels_of(n, panels_of(n, most)), step) * step;
}

/* A tile packs its part of b, so it is tall where rows of a need no packing, and two share the rows, so that
 * two threads do. */
void CPU(half_tiles)(struct gemm_plan *p, int64_t along)
{
    const bool direct = in_place(p, along);
    p->tm = even(p->m, direct ? least(512, even(p->m, panels_of(p->m, 2), MR)) : 224, MR);
    p->tn = even(p->n, direct ? 2 * NR : 5 * NR, NR);
    while (p->tn > NR && panels_of(p->m, p->tm) * panels_of(p->n, p->tn) < 16)
        p->tn = even(p->n, p->tn - NR, NR);
}

size_t CPU(half_scratch)(const struct gemm_plan *p)
{
    return (size_t)(p->tm * p->tn + KC / 2 * (p->tm + p->tn)) * 4;
}

/* Lanes of a panel that has n places left: whole vectors for columns. */
static int width_of(int64_t n, int most)
{
    return most == MR || n > 32 ? most : n > 16 ? 32 : 16;
}

INLINE __mmask32 first_lanes(int64_t n)
{
    return n >= 32 ? 0xffffffffu : n <= 0 ? 0 : (__mmask32)((1u << n) - 1);
}

/* A masked store takes several times as long. */
INLINE void store_lanes(uint32_t *to, int width, __m512i v)
{
    if (width == MR)
        _mm256_storeu_si256((__m256i_u *)to, _mm512_castsi512_si256(v));
    else
        _mm512_storeu_si512(to, v);
}

/* Values along k lie one after the other: sixteen rows of pairs are turned at once. */
static void pack_rows(const uint16_t *x, int64_t outer, int64_t n, int64_t kc, int width, uint32_t *dst)
{
    const int64_t pairs = (kc + 1) / 2;
    for (int h = 0; h < width; h += 16)
        for (int64_t q = 0; q < pairs; q += 16) {
            const __mmask32 mask = first_lanes(kc - 2 * q);
            __m512i         r[16];
            for (int i = 0; i < 16; i++)
                r[i] = h + i < n ? _mm512_maskz_loadu_epi16(mask, x + (h + i) * outer + 2 * q)
                                 : _mm512_setzero_si512();
            transpose16(r);
            for (int i = 0; i < 16; i++) {
                if (q + i >= pairs) break;
                store_lanes(dst + (q + i) * width + h, width, r[i]);
            }
        }
}

INLINE __m512i pairs_of(__m256i low, __m256i high)
{
    return _mm512_or_si512(_mm512_cvtepu16_epi32(low), _mm512_slli_epi32(_mm512_cvtepu16_epi32(high), 16));
}

/* Values across k lie one after the other: two rows are merged, for all panels, as rows are read best. */
static void pack_columns(const uint16_t *x, int64_t along, int64_t n, int64_t kc, int most, uint32_t *dst)
{
    const int64_t pairs = (kc + 1) / 2;
    for (int64_t q = 0; q < pairs; q++) {
        const uint16_t *low = x + 2 * q * along, *high = low + along;
        const bool      odd = 2 * q + 1 == kc;
        for (int64_t p = 0; p < n; p += most) {
            const int width = width_of(n - p, most);
            uint32_t *to = dst + p * pairs + q * width;
            for (int64_t h = p; h < p + width; h += 16, to += 16) {
                if (n - h >= 16 && width != MR && !odd) {
                    _mm512_storeu_si512(to, pairs_of(_mm256_loadu_si256((const __m256i_u *)(low + h)),
                                                     _mm256_loadu_si256((const __m256i_u *)(high + h))));
                    continue;
                }
                const __mmask16 mask = (__mmask16)first_lanes(least(n - h, least(width, 16)));
                store_lanes(to, width,
                            pairs_of(_mm256_maskz_loadu_epi16(mask, low + h),
                                     _mm256_maskz_loadu_epi16(odd ? 0 : mask, high + h)));
            }
        }
    }
}

/* Outer places first .. first + n, steps k0 .. k0 + kc, in panels at most `most` wide. */
static void pack(const struct operand *o, int64_t first, int64_t n, int64_t k0, int64_t kc, int most,
                 uint32_t *dst)
{
    const uint16_t *x =
        (const uint16_t *)(const void *)address(o->x, o->at + first * o->outer + k0 * o->along);
    if (o->along != 1) {
        pack_columns(x, o->along, n, kc, most, dst);
        return;
    }
    for (int64_t p = 0; p < n; p += most)
        pack_rows(x + p * o->outer, o->outer, least(n - p, most), kc, width_of(n - p, most),
                  dst + p * ((kc + 1) / 2));
}

/* ---- tiles ----------------------------------------------------------------------------------- */

/* c[MR][16 nv] (+)= rows, whose pairs are `step` bytes apart, times a panel of b. */
INLINE_BF16 void micro(const int nv, const char *const *rows, int64_t step, const uint32_t *restrict b,
                       int64_t pairs, float *restrict c, int64_t ldc, bool add)
{
    __m512      acc[MR][NR / 16];
    const char *row[MR];
#pragma GCC unroll 8
    for (int i = 0; i < MR; i++) {
        row[i] = rows[i];
#pragma GCC unroll 3
        for (int j = 0; j < nv; j++) acc[i][j] = _mm512_setzero_ps();
    }
    for (int64_t k = 0, at = 0; k < pairs; k++, at += step, b += 16 * nv) {
        __m512bh v[NR / 16];
#pragma GCC unroll 3
        for (int j = 0; j < nv; j++) v[j] = (__m512bh)_mm512_loadu_si512(b + 16 * j);
#pragma GCC unroll 8
        for (int i = 0; i < MR; i++) {
            int pair;
            memcpy(&pair, row[i] + at, sizeof pair);
            const __m512bh s = (__m512bh)_mm512_set1_epi32(pair);
#pragma GCC unroll 3
            for (int j = 0; j < nv; j++) acc[i][j] = _mm512_dpbf16_ps(acc[i][j], v[j], s);
        }
    }
#pragma GCC unroll 8
    for (int i = 0; i < MR; i++)
#pragma GCC unroll 3
        for (int j = 0; j < nv; j++) {
            float *to = c + i * ldc + 16 * j;
            if (add) acc[i][j] = _mm512_add_ps(acc[i][j], _mm512_loadu_ps(to));
            _mm512_storeu_ps(to, acc[i][j]);
        }
}

/* Rows of a as the register tile reads them; bytes between rows, pairs and blocks of MR rows. */
struct rows {
    const char *from;
    int64_t     row, step, block;
};

/* c (+)= a tile of m by n over the pairs of packed b. */
BF16 static void steps(const struct rows *a, const uint32_t *b, int64_t pairs, int64_t m, int64_t n, float *c,
                       int64_t ldc, bool add)
{
    for (int64_t j = 0; j < n; j += NR) {
        const int       width = width_of(n - j, NR);
        const uint32_t *panel = b + j * pairs;
        for (int64_t i = 0; i < m; i += MR) {
            const char *row[MR], *next = a->from + i / MR * a->block;
            float      *to = c + i * ldc + j;
            /* the last block repeats its last row, for sums that nobody reads */
            for (int64_t r = 0; r < MR; r++, next += i + r < m ? a->row : 0) row[r] = next;
            if (width == NR)
                micro(3, row, a->step, panel, pairs, to, ldc, add);
            else if (width == 32)
                micro(2, row, a->step, panel, pairs, to, ldc, add);
            else
                micro(1, row, a->step, panel, pairs, to, ldc, add);
        }
    }
}

BF16 static void store_row(const float *c, int64_t n, uint16_t *y)
{
    int64_t j = 0;
    for (; j + 16 <= n; j += 16)
        _mm256_storeu_si256((__m256i_u *)(y + j), (__m256i)_mm512_cvtneps_pbh(_mm512_loadu_ps(c + j)));
    if (j < n)
        _mm256_mask_storeu_epi16(y + j, (__mmask16)first_lanes(n - j),
                                 (__m256i)_mm512_cvtneps_pbh(_mm512_loadu_ps(c + j)));
}

void CPU(half_tile)(const struct gemm_plan *p, const struct operand *a, const struct operand *b, int64_t i0,
                    int64_t m, int64_t j0, int64_t n, const struct result *r, void *scratch)
{
    const int64_t part = even(p->k, KC, 2), ldc = panels_of(n, NR) * NR;
    float        *c = scratch;
    uint32_t     *pb = (uint32_t *)(void *)(c + p->tm * p->tn), *pa = pb + KC / 2 * p->tn;
    const bool    direct = in_place(p, a->along);
    for (int64_t k0 = 0; k0 < p->k; k0 += part) {
        const int64_t kc = least(p->k - k0, part), pairs = (kc + 1) / 2;
        struct rows   rows = {(const char *)pa, 4, MR * 4, MR * 4 * pairs};
        if (direct)
            rows =
                (struct rows){address(a->x, a->at + i0 * a->outer + k0), 2 * a->outer, 4, 2 * MR * a->outer};
        else
            pack(a, i0, m, k0, kc, MR, pa);
        pack(b, j0, n, k0, kc, NR, pb);
        steps(&rows, pb, pairs, m, n, c, ldc, k0 > 0);
    }
    for (int64_t i = 0; i < m; i++)
        if (r->y->dtype == WK_bf16)
            store_row(c + i * ldc, n, (uint16_t *)(void *)address(r->y, r->at + (i0 + i) * p->n + j0));
        else
            store_f32(r->y, r->at + (i0 + i) * p->n + j0, n, c + i * ldc);
}

#endif
