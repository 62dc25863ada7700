/* Products of two bf16 operands through bf16 dot products (AVX512-BF16): pairs of values along k, packed as
 * gemm.h packs single ones, sums in f32. */
#include "cpu/gemm_half.h"

#include "cpu/codes.h"

#if defined __AVX512F__

#define BF16 __attribute__((target("avx512bf16")))

#define MR 14 /* rows and columns of the register tile */
#define NR 32
#define KC 384

bool CPU(half_fits)(wk_tensor x, int64_t outer, int64_t along)
{
    return x->dtype == WK_bf16 && (outer == 1 || along == 1);
}

size_t CPU(half_scratch)(const struct gemm_plan *p)
{
    const int64_t values = KC / 2 * (p->tm + p->tn) + 64 + p->tm * p->tn;
    return (size_t)((values + 15) / 16 * 16) * sizeof(float);
}

INLINE __mmask32 first_lanes(int64_t n)
{
    return n >= 32 ? 0xffffffffu : n <= 0 ? 0 : (__mmask32)((1u << n) - 1);
}

/* Values along k lie one after the other: sixteen rows of pairs are turned at once. */
static void pack_rows(const uint16_t *x, int64_t outer, int64_t n, int64_t kc, int width, uint32_t *dst)
{
    const int64_t pairs = (kc + 1) / 2;
    for (int h = 0; h < width; h += 16) {
        const __mmask16 wide = (__mmask16)first_lanes(width - h < 16 ? width - h : 16);
        for (int64_t q = 0; q < pairs; q += 16) {
            const __mmask32 mask = first_lanes(kc - 2 * q);
            __m512i         r[16];
            for (int i = 0; i < 16; i++)
                r[i] = h + i < n ? _mm512_maskz_loadu_epi16(mask, x + (h + i) * outer + 2 * q)
                                 : _mm512_setzero_si512();
            transpose16(r);
            for (int i = 0; i < 16; i++) {
                if (q + i >= pairs) break;
                _mm512_mask_storeu_epi32(dst + (q + i) * width + h, wide, r[i]);
            }
        }
    }
}

/* Values across k lie one after the other: two rows are merged, for all panels, as rows are read best. */
static void pack_columns(const uint16_t *x, int64_t along, int64_t n, int64_t kc, int width, uint32_t *dst,
                         int64_t panel)
{
    for (int64_t q = 0; 2 * q < kc; q++, dst += width) {
        const uint16_t *row = x + 2 * q * along;
        uint32_t       *to = dst;
        for (int64_t p = 0; p < n; p += width, to += panel)
            for (int h = 0; h < width; h += 16) {
                const int64_t   left = n - p - h, lanes = width - h < 16 ? width - h : 16;
                const __mmask16 mask = (__mmask16)first_lanes(left < lanes ? left : lanes);
                const __m256i   low = _mm256_maskz_loadu_epi16(mask, row + p + h);
                const __m256i   high = 2 * q + 1 < kc ? _mm256_maskz_loadu_epi16(mask, row + along + p + h)
                                                      : _mm256_setzero_si256();
                const __m512i   pair = _mm512_or_si512(_mm512_cvtepu16_epi32(low),
                                                       _mm512_slli_epi32(_mm512_cvtepu16_epi32(high), 16));
                _mm512_mask_storeu_epi32(to + h, (__mmask16)first_lanes(lanes), pair);
            }
    }
}

/* Panels of outer places first .. first + count, steps k0 .. k0 + kc, `panel` words apart. */
static void pack(const struct operand *o, int64_t first, int64_t count, int64_t k0, int64_t kc, int width,
                 uint32_t *dst, int64_t panel)
{
    const uint16_t *x =
        (const uint16_t *)(const void *)address(o->x, o->at + first * o->outer + k0 * o->along);
    if (o->along != 1) {
        pack_columns(x, o->along, count, kc, width, dst, panel);
        return;
    }
    for (int64_t p = 0; p < count; p += width, dst += panel)
        pack_rows(x + p * o->outer, o->outer, count - p < width ? count - p : width, kc, width, dst);
}

/* ---- both operands packed once, before the tiles --------------------------------------------- */

#define SHARED_WORDS ((int64_t)16 << 20)
#define STEPS        64 /* along k, in a unit of a packing by columns */

static int64_t panels_of(int64_t n, int width)
{
    return (n + width - 1) / width;
}

size_t CPU(half_shared)(const struct gemm_plan *p)
{
    const int64_t pairs = (p->k + 1) / 2;
    const int64_t words = (panels_of(p->m, MR) * MR + panels_of(p->n, NR) * NR) * pairs;
    const bool    one = p->m <= p->tm && p->n <= p->tn;
    return one || words > SHARED_WORDS ? 0 : (size_t)((words + 15) / 16 * 16) * sizeof(uint32_t);
}

static int64_t units_of(const struct operand *o, int64_t n, int64_t k, int width)
{
    return o->along == 1 ? panels_of(n, width) : (k + STEPS - 1) / STEPS;
}

int64_t CPU(half_units)(const struct gemm_plan *p, const struct operand *a, const struct operand *b)
{
    return units_of(a, p->m, p->k, MR) + units_of(b, p->n, p->k, NR);
}

static void pack_unit(const struct operand *o, int64_t n, int64_t k, int width, int64_t unit, uint32_t *dst)
{
    const int64_t panel = (k + 1) / 2 * width;
    if (o->along == 1) {
        const int64_t first = unit * width;
        pack(o, first, n - first < width ? n - first : width, 0, k, width, dst + unit * panel, panel);
    } else {
        const int64_t k0 = unit * STEPS;
        pack(o, 0, n, k0, k - k0 < STEPS ? k - k0 : STEPS, width, dst + k0 / 2 * width, panel);
    }
}

void CPU(half_pack)(const struct gemm_plan *p, const struct operand *a, const struct operand *b, int64_t unit,
                    void *shared)
{
    const int64_t of_a = units_of(a, p->m, p->k, MR);
    uint32_t     *pa = shared, *pb = pa + panels_of(p->m, MR) * MR * ((p->k + 1) / 2);
    if (unit < of_a)
        pack_unit(a, p->m, p->k, MR, unit, pa);
    else
        pack_unit(b, p->n, p->k, NR, unit - of_a, pb);
}

/* ---- tiles ----------------------------------------------------------------------------------- */

/* c[MR][NR] (+)= panel a times panel b. */
BF16 static void micro(const uint32_t *restrict a, const uint32_t *restrict b, int64_t pairs,
                       float *restrict c, int64_t ldc, bool add)
{
    __m512 acc[MR][2];
    for (int i = 0; i < MR; i++) acc[i][0] = acc[i][1] = _mm512_setzero_ps();
    for (int64_t k = 0; k < pairs; k++, a += MR, b += NR) {
        const __m512bh v0 = (__m512bh)_mm512_loadu_si512(b), v1 = (__m512bh)_mm512_loadu_si512(b + 16);
#pragma GCC unroll 16
        for (int i = 0; i < MR; i++) {
            const __m512bh s = (__m512bh)_mm512_set1_epi32((int)a[i]);
            acc[i][0] = _mm512_dpbf16_ps(acc[i][0], v0, s);
            acc[i][1] = _mm512_dpbf16_ps(acc[i][1], v1, s);
        }
    }
#pragma GCC unroll 16
    for (int i = 0; i < MR; i++) {
        float *to = c + i * ldc;
        if (add) {
            acc[i][0] = _mm512_add_ps(acc[i][0], _mm512_loadu_ps(to));
            acc[i][1] = _mm512_add_ps(acc[i][1], _mm512_loadu_ps(to + 16));
        }
        _mm512_storeu_ps(to, acc[i][0]);
        _mm512_storeu_ps(to + 16, acc[i][1]);
    }
}

/* c (+)= kc steps of a tile, from panels `a_panel` and `b_panel` words apart. */
static void steps(const uint32_t *a, int64_t a_panel, const uint32_t *b, int64_t b_panel, int64_t pairs,
                  float *c, int64_t mp, int64_t np, bool add)
{
    for (int64_t j = 0; j < np; j += NR, b += b_panel)
        for (int64_t i = 0; i < mp; i += MR) micro(a + i / MR * a_panel, b, pairs, c + i * np + j, np, add);
}

BF16 static void store_row(const float *c, int64_t n, void *y)
{
    for (int64_t j = 0; j < n; j += 16)
        _mm256_mask_storeu_epi16((uint16_t *)y + j, (__mmask16)first_lanes(n - j < 16 ? n - j : 16),
                                 (__m256i)_mm512_cvtneps_pbh(_mm512_loadu_ps(c + j)));
}

void CPU(half_tile)(const struct gemm_plan *p, const struct operand *a, const struct operand *b, int64_t i0,
                    int64_t m, int64_t j0, int64_t n, const struct result *r, const void *shared,
                    void *scratch)
{
    const int64_t   mp = (m + MR - 1) / MR * MR, np = (n + NR - 1) / NR * NR, all = (p->k + 1) / 2;
    float          *c = scratch;
    uint32_t       *pb = (uint32_t *)(void *)(c + p->tm * p->tn), *pa = pb + KC / 2 * p->tn;
    const uint32_t *ready_a = shared, *ready_b = ready_a + panels_of(p->m, MR) * MR * all;
    const int64_t   parts = p->k > KC ? (p->k + KC - 1) / KC : 1,
                  part = ((p->k + parts - 1) / parts + 1) / 2 * 2;
    if (p->k == 0) memset(c, 0, (size_t)(mp * np) * sizeof *c);
    for (int64_t k0 = 0; k0 < p->k; k0 += part) {
        const int64_t kc = p->k - k0 < part ? p->k - k0 : part, pairs = (kc + 1) / 2;
        if (shared) {
            steps(ready_a + i0 * all + k0 / 2 * MR, all * MR, ready_b + j0 * all + k0 / 2 * NR, all * NR,
                  pairs, c, mp, np, k0 > 0);
            continue;
        }
        pack(b, j0, n, k0, kc, NR, pb, NR * pairs);
        pack(a, i0, m, k0, kc, MR, pa, MR * pairs);
        steps(pa, MR * pairs, pb, NR * pairs, pairs, c, mp, np, k0 > 0);
    }
    for (int64_t i = 0; i < m; i++)
        if (r->y->dtype == WK_bf16)
            store_row(c + i * np, n, address(r->y, r->at + (i0 + i) * p->n + j0));
        else
            store_f32(r->y, r->at + (i0 + i) * p->n + j0, n, c + i * np);
}

#endif
