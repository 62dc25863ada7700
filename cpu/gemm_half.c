/* Products of two bf16 operands through bf16 dot products (AVX512-BF16): pairs of values along k, packed as
 * gemm.h packs single ones, sums in f32. */
#include "cpu/gemm_half.h"

#include "cpu/codes.h"

#if defined __AVX512F__

#define BF16 __attribute__((target("avx512bf16")))

#define MR 14 /* rows and columns of the register tile */
#define NR 32
#define KC 512

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
    return n >= 32 ? 0xffffffffu : (__mmask32)((1u << n) - 1);
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
                _mm512_storeu_si512(dst + (q + i) * width + h, r[i]);
            }
        }
}

/* Values across k lie one after the other: two rows are merged. */
static void pack_columns(const uint16_t *x, int64_t along, int64_t n, int64_t kc, int width, uint32_t *dst)
{
    for (int64_t q = 0; 2 * q < kc; q++)
        for (int h = 0; h < width; h += 16) {
            const __mmask16 mask = (__mmask16)first_lanes(n - h < 0 ? 0 : n - h > 16 ? 16 : n - h);
            const uint16_t *at = x + 2 * q * along + h;
            const __m256i   low = _mm256_maskz_loadu_epi16(mask, at);
            const __m256i   high =
                2 * q + 1 < kc ? _mm256_maskz_loadu_epi16(mask, at + along) : _mm256_setzero_si256();
            const __m512i pair = _mm512_or_si512(_mm512_cvtepu16_epi32(low),
                                                 _mm512_slli_epi32(_mm512_cvtepu16_epi32(high), 16));
            _mm512_storeu_si512(dst + q * width + h, pair);
        }
}

/* dst[panel][pair][width]. A row of 14 pairs is stored as 16: the next one covers what is too much. */
static void pack(const struct operand *o, int64_t first, int64_t count, int64_t k0, int64_t kc, int width,
                 uint32_t *dst)
{
    const int64_t pairs = (kc + 1) / 2;
    for (int64_t p = 0; p < count; p += width, dst += width * pairs) {
        const int64_t   n = count - p < width ? count - p : width;
        const uint16_t *x =
            (const uint16_t *)(const void *)address(o->x, o->at + (first + p) * o->outer + k0 * o->along);
        if (o->along == 1)
            pack_rows(x, o->outer, n, kc, width, dst);
        else
            pack_columns(x, o->along, n, kc, width, dst);
    }
}

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

void CPU(half_tile)(const struct gemm_plan *p, const struct operand *a, const struct operand *b, int64_t i0,
                    int64_t m, int64_t j0, int64_t n, const struct result *r, void *scratch)
{
    const int64_t mp = (m + MR - 1) / MR * MR, np = (n + NR - 1) / NR * NR;
    float        *c = scratch;
    uint32_t     *pb = (uint32_t *)(void *)(c + p->tm * p->tn), *pa = pb + KC / 2 * p->tn;
    if (p->k == 0) memset(c, 0, (size_t)(mp * np) * sizeof *c);
    for (int64_t k0 = 0; k0 < p->k; k0 += KC) {
        const int64_t kc = p->k - k0 < KC ? p->k - k0 : KC, pairs = (kc + 1) / 2;
        pack(b, j0, n, k0, kc, NR, pb);
        pack(a, i0, m, k0, kc, MR, pa);
        for (int64_t j = 0; j < np; j += NR)
            for (int64_t i = 0; i < mp; i += MR)
                micro(pa + i * pairs, pb + j * pairs, pairs, c + i * np + j, np, k0 > 0);
    }
    for (int64_t i = 0; i < m; i++) store_f32(r->y, r->at + (i0 + i) * p->n + j0, n, c + i * np);
}

#endif
