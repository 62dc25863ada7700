/* Large products with block-quantised or bf16 weights through bf16 dot products (AVX512-BF16): weights are
 * unpacked to bf16 once per panel of columns and used for all rows. */
#include "cpu/gemm_bf16.h"

#include "cpu/codes.h"

#if defined __AVX512F__

#define BF16        __attribute__((target("avx512bf16")))
#define INLINE_BF16 BF16 INLINE

#define MR    14 /* rows and columns of the register tile */
#define NR    32
#define BLOCK 256

int64_t CPU(bf16_rows_bytes)(int64_t m, int64_t k)
{
    return (m + MR - 1) / MR * MR * k * 2;
}
int64_t CPU(bf16_panel_bytes)(int64_t k)
{
    return NR * k * 2 + 16 * BLOCK * 4;
}

INLINE_BF16 __m512i to_bf16(const float *v)
{
    return (__m512i)_mm512_cvtne2ps_pbh(_mm512_loadu_ps(v + 16), _mm512_loadu_ps(v));
}

/* Panel of rows first .. first + MR: dst[k / 2][MR] pairs. */
BF16 void CPU(bf16_pack_rows)(wk_tensor x, int64_t step, int64_t first, int64_t m, int64_t k, void *panel)
{
    uint32_t *dst = panel;
    float     buffer[BLOCK];
    uint32_t  pairs[BLOCK / 2];
    for (int64_t i = 0; i < MR; i++)
        for (int64_t at = 0; at < k; at += BLOCK) {
            const int64_t n = k - at < BLOCK ? k - at : BLOCK;
            if (first + i >= m) {
                for (int64_t j = 0; j < n / 2; j++) dst[(at / 2 + j) * MR + i] = 0;
                continue;
            }
            const float *v = load_f32(x, (first + i) * step + at, n, buffer);
            if (n % 32) {
                for (int64_t j = 0; j < n; j++) buffer[j] = v[j];
                for (int64_t j = n; j % 32; j++) buffer[j] = 0.0f;
                v = buffer;
            }
            for (int64_t j = 0; j < n; j += 32) _mm512_storeu_si512(pairs + j / 2, to_bf16(v + j));
            for (int64_t j = 0; j < n / 2; j++) dst[(at / 2 + j) * MR + i] = pairs[j];
        }
}

/* n rows of w from row j0 (zeros beyond): panel[k / 2][NR] pairs. */
BF16 static void unpack(wk_tensor w, int64_t j0, int64_t n, int64_t k, uint32_t *panel, float *buffer)
{
    const bool    raw = w->dtype == WK_bf16;
    const int64_t bytes = BLOCK / wk_dtype_block(w->dtype) * wk_dtype_bytes(w->dtype);
    for (int half = 0; half < 2; half++)
        for (int64_t at = 0; at < k; at += BLOCK) {
            const int64_t len = k - at < BLOCK ? k - at : BLOCK;
            for (int64_t i = 0; i < 16; i++) {
                float *to = buffer + i * BLOCK;
                if (half * 16 + i < n) {
                    const int64_t from = (j0 + half * 16 + i) * w->stride[0] + at;
                    const char   *p = address(w, from);
                    for (int64_t ahead = bytes; ahead < 2 * bytes; ahead += 64) __builtin_prefetch(p + ahead);
                    if (raw) {
                        memcpy(to, p, (size_t)len * 2);
                        memset((char *)to + len * 2, 0, 64);
                        continue;
                    }
                    const float *v = load_f32(w, from, len, to);
                    if (v != to) memcpy(to, v, (size_t)len * sizeof *to);
                    for (int64_t j = len; j % 32; j++) to[j] = 0.0f;
                } else {
                    memset(to, 0, BLOCK * sizeof *to);
                }
            }
            for (int64_t j = 0; j < len; j += 32) {
                __m512i r[16];
                for (int i = 0; i < 16; i++)
                    r[i] = raw ? _mm512_loadu_si512(buffer + i * BLOCK + j / 2)
                               : to_bf16(buffer + i * BLOCK + j);
                transpose16(r);
                for (int i = 0; i < 16; i++)
                    if (j + 2 * i < len)
                        _mm512_storeu_si512(panel + ((at + j) / 2 + i) * NR + half * 16, r[i]);
            }
        }
}

/* c[MR][NR] = rows times columns. */
BF16 static void micro(const uint32_t *restrict a, const uint32_t *restrict b, int64_t pairs,
                       float *restrict c)
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
        _mm512_storeu_ps(c + i * NR, acc[i][0]);
        _mm512_storeu_ps(c + i * NR + 16, acc[i][1]);
    }
}

BF16 void CPU(bf16_panel)(const void *rows, int64_t m, wk_tensor w, int64_t j0, wk_tensor bias, wk_tensor y,
                          void *scratch)
{
    const int64_t k = w->shape[1], n_all = w->shape[0], n = n_all - j0 < NR ? n_all - j0 : NR;
    uint32_t     *panel = scratch;
    float        *buffer = (float *)(void *)(panel + NR * k / 2), c[MR * NR], added[NR] = {0}, wide[NR];
    unpack(w, j0, n, k, panel, buffer);
    if (!wk_is_none(bias)) {
        const float *v = load_f32(bias, j0, n, wide);
        for (int64_t j = 0; j < n; j++) added[j] = v[j];
    }
    for (int64_t i = 0; i < m; i += MR) {
        micro((const uint32_t *)rows + i * (k / 2), panel, k / 2, c);
        for (int64_t r = 0; r < MR && i + r < m; r++) {
            for (int j = 0; j < NR; j++) c[r * NR + j] += added[j];
            store_f32(y, (i + r) * n_all + j0, n, c + r * NR);
        }
    }
}

#endif
