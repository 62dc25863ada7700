/* Integer dot products of block-quantised rows: AVX-512 with VNNI. */
#include "cpu/gemv.h"

#include "cpu/codes.h"
#include "cpu/cpu.h"

#if defined __AVX512F__

/* Lane 4 L + j: the sum of quarter L of v[j]. */
INLINE __m512i fold_quarters(__m512i a, __m512i b, __m512i c, __m512i d)
{
    const __m512i ab = _mm512_add_epi32(_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b));
    const __m512i cd = _mm512_add_epi32(_mm512_unpacklo_epi32(c, d), _mm512_unpackhi_epi32(c, d));
    return _mm512_add_epi32(_mm512_unpacklo_epi64(ab, cd), _mm512_unpackhi_epi64(ab, cd));
}

INLINE_VNNI void step(const struct codes *c, const struct chunk *x, __m512 *acc, __m512 *low)
{
    const __m512i zero = _mm512_setzero_si512();
    const __m512i s = fold_quarters(_mm512_dpbusd_epi32(zero, c->v[0], load512(x->code)),
                                    _mm512_dpbusd_epi32(zero, c->v[1], load512(x->code + 64)),
                                    _mm512_dpbusd_epi32(zero, c->v[2], load512(x->code + 128)),
                                    _mm512_dpbusd_epi32(zero, c->v[3], load512(x->code + 192)));
    const __m512  scale = _mm512_mul_ps(c->d, _mm512_loadu_ps(x->scale));
    *acc = _mm512_fmadd_ps(_mm512_cvtepi32_ps(s), scale, *acc);
    *low = _mm512_fmadd_ps(c->m, _mm512_loadu_ps(x->sum), *low);
}

/* How far ahead of their use weights are asked for: about what memory delivers during its latency. */
#define AHEAD 4096

/* n rows of w against M <= 4 rows of x; the format's block, bytes, offset of codes (0: it has minima). */
INLINE_VNNI void rows(unpacker f, int64_t block, int64_t bytes, float offset, const int M, const char *w,
                      int64_t row_bytes, int64_t n, const struct chunk *x, int64_t k, float *y,
                      int64_t y_step)
{
    const int64_t per = 256 / block, chunks = (k + 255) / 256, full = k / 256, rest = k % 256 / block;
    const __m512  low_scale = _mm512_set1_ps(offset > 0 ? -offset : 1.0f);
    for (int64_t j = 0; j < n; j++, w += row_bytes) {
        __m512      acc[4], low[4];
        const char *p = w;
        for (int i = 0; i < M; i++) acc[i] = low[i] = _mm512_setzero_ps();
        for (int64_t t = 0; t < full; t++, p += per * bytes) {
            struct codes c;
            for (int64_t line = 0; line < per * bytes; line += 64)
                _mm_prefetch(p + AHEAD + line, _MM_HINT_T0);
            f(p, per, &c);
            for (int i = 0; i < M; i++) step(&c, x + i * chunks + t, &acc[i], &low[i]);
        }
        if (rest) {
            struct codes c;
            f(p, rest, &c);
            for (int i = 0; i < M; i++) step(&c, x + i * chunks + full, &acc[i], &low[i]);
        }
        for (int i = 0; i < M; i++)
            y[i * y_step + j] = _mm512_reduce_add_ps(_mm512_fmadd_ps(low[i], low_scale, acc[i]));
    }
}

INLINE_VNNI void rows_any(unpacker f, int64_t block, int64_t bytes, float offset, const char *w,
                          int64_t row_bytes, int64_t n, const struct chunk *x, int m, int64_t k, float *y,
                          int64_t y_step)
{
    const int64_t chunks = (k + 255) / 256;
    for (; m >= 4; m -= 4, x += 4 * chunks, y += 4 * y_step)
        rows(f, block, bytes, offset, 4, w, row_bytes, n, x, k, y, y_step);
    if (m == 3) rows(f, block, bytes, offset, 3, w, row_bytes, n, x, k, y, y_step);
    if (m == 2) rows(f, block, bytes, offset, 2, w, row_bytes, n, x, k, y, y_step);
    if (m == 1) rows(f, block, bytes, offset, 1, w, row_bytes, n, x, k, y, y_step);
}

#define DOT(t, block, bytes, offset, order)                                                                  \
    VNNI static void dot_##t(const char *w, int64_t row_bytes, int64_t n, const struct chunk *x, int m,      \
                             int64_t k, float *y, int64_t y_step)                                            \
    {                                                                                                        \
        rows_any(unpack_##t, block, bytes, offset, w, row_bytes, n, x, m, k, y, y_step);                     \
    }
FORMATS(DOT)

wki_dot_rows CPU(dot_rows)(wk_dtype t, unsigned features)
{
#define ROW(t, block, bytes, offset, order) [WK_##t] = dot_##t,
    static const wki_dot_rows table[WK_DTYPE_COUNT] = {FORMATS(ROW)};
    return features & WKI_CPU_VNNI && table[t] ? table[t] : CPU(dot_rows_bytes)(t, features);
}

#else

wki_dot_rows CPU(dot_rows)(wk_dtype t, unsigned features)
{
    return CPU(dot_rows_bytes)(t, features);
}

#endif
