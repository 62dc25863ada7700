/* Integer dot products of block-quantised rows: AVX-512 with VNNI. */
#include "cpu/gemv.h"

#include "cpu/codes.h"
#include "cpu/cpu.h"

#if defined __AVX512F__

/* Slot 4 j + L is quarter L of v[j]: its four words to lane 4 L + j of v[0] .. v[3], so that products with
 * them add up under the slot's scale. */
INLINE void words_under_scales(__m512i *v)
{
    const __m512i a = _mm512_unpacklo_epi32(v[0], v[1]), b = _mm512_unpackhi_epi32(v[0], v[1]);
    const __m512i c = _mm512_unpacklo_epi32(v[2], v[3]), d = _mm512_unpackhi_epi32(v[2], v[3]);
    v[0] = _mm512_unpacklo_epi64(a, c);
    v[1] = _mm512_unpackhi_epi64(a, c);
    v[2] = _mm512_unpacklo_epi64(b, d);
    v[3] = _mm512_unpackhi_epi64(b, d);
}

INLINE_VNNI void step(const struct codes *c, const struct chunk *x, __m512 *acc)
{
    __m512i s = _mm512_dpbusd_epi32(_mm512_setzero_si512(), c->v[0], load512(x->code));
    for (int i = 1; i < 4; i++) s = _mm512_dpbusd_epi32(s, c->v[i], load512(x->code + 64 * i));
    const __m512 scale = _mm512_mul_ps(c->d, _mm512_loadu_ps(x->scale));
    *acc = _mm512_fmadd_ps(c->m, _mm512_loadu_ps(x->sum), *acc);
    *acc = _mm512_fmadd_ps(_mm512_cvtepi32_ps(s), scale, *acc);
}

/* Rows of x whose sums stay in registers. */
#define MOST 8

/* 256 weights of R rows, `blocks` blocks of them, with M rows of x. */
INLINE_VNNI void rows_step(unpacker f, int64_t blocks, float offset, const int R, const int M, const char **p,
                           const struct chunk *x, int64_t chunks, __m512 acc[2][MOST])
{
    struct codes c[2];
    for (int r = 0; r < R; r++) {
        f(p[r], blocks, &c[r]);
        words_under_scales(c[r].v);
        if (offset > 0) c[r].m = _mm512_mul_ps(c[r].m, _mm512_set1_ps(-offset));
    }
    for (int i = 0; i < M; i++)
        for (int r = 0; r < R; r++) step(&c[r], x + i * chunks, &acc[r][i]);
}

/* n rows of w, R at a time, against M <= MOST rows of x; the format's block, bytes, offset of codes (0: it
 * has minima). Two at a time halve the reads of x, where it no longer fits the first cache. The order of sums
 * is the same for every R and M. */
INLINE_VNNI void rows(unpacker f, int64_t block, int64_t bytes, float offset, const int R, const int M,
                      const char *w, int64_t row_bytes, int64_t n, const struct chunk *x, int64_t k, float *y,
                      int64_t y_step)
{
    const int64_t per = 256 / block, chunks = (k + 255) / 256, full = k / 256, rest = k % 256 / block;
    const int64_t half = (n + R - 1) / R; /* far apart: two steady streams from memory */
    for (int64_t j = 0; j < half; j++) {
        __m512      acc[2][MOST];
        const char *p[2];
        for (int r = 0; r < R; r++) {
            p[r] = w + (j + r * half < n ? j + r * half : j) * row_bytes;
            for (int i = 0; i < M; i++) acc[r][i] = _mm512_setzero_ps();
        }
        for (int64_t t = 0; t < full; t++) {
            rows_step(f, per, offset, R, M, p, x + t, chunks, acc);
            for (int r = 0; r < R; r++) p[r] += per * bytes;
        }
        if (rest) rows_step(f, rest, offset, R, M, p, x + full, chunks, acc);
        for (int r = 0; r < R && j + r * half < n; r++)
            for (int i = 0; i < M; i++) y[i * y_step + j + r * half] = _mm512_reduce_add_ps(acc[r][i]);
    }
}

INLINE_VNNI void rows_any(unpacker f, int64_t block, int64_t bytes, float offset, const char *w,
                          int64_t row_bytes, int64_t n, const struct chunk *x, int m, int64_t k, float *y,
                          int64_t y_step)
{
    const int64_t chunks = (k + 255) / 256;
    for (; m >= MOST; m -= MOST, x += MOST * chunks, y += MOST * y_step)
        rows(f, block, bytes, offset, 2, MOST, w, row_bytes, n, x, k, y, y_step);
    if (m >= 4) {
        rows(f, block, bytes, offset, 1, 4, w, row_bytes, n, x, k, y, y_step);
        m -= 4, x += 4 * chunks, y += 4 * y_step;
    }
    if (m == 3) rows(f, block, bytes, offset, 1, 3, w, row_bytes, n, x, k, y, y_step);
    if (m == 2) rows(f, block, bytes, offset, 1, 2, w, row_bytes, n, x, k, y, y_step);
    if (m == 1) rows(f, block, bytes, offset, 1, 1, w, row_bytes, n, x, k, y, y_step);
}

#define DOT(t, block, bytes, offset, order)                                                                  \
    VNNI static void dot_##t(const char *w, int64_t row_bytes, int64_t n, const struct chunk *x, int m,      \
                             int64_t k, float *y, int64_t y_step)                                            \
    {                                                                                                        \
        rows_any(unpack_##t, block, bytes, offset, w, row_bytes, n, x, m, k, y, y_step);                     \
    }
FORMATS(DOT)

#define ROW(t, block, bytes, offset, order) [WK_##t] = dot_##t,
static const wki_dot_rows table[WK_DTYPE_COUNT] = {FORMATS(ROW)};

wki_dot_rows CPU(dot_rows)(wk_dtype t, unsigned features)
{
    return features & WKI_CPU_VNNI && table[t] ? table[t] : CPU(dot_rows_bytes)(t, features);
}

#else

wki_dot_rows CPU(dot_rows)(wk_dtype t, unsigned features)
{
    return CPU(dot_rows_bytes)(t, features);
}

#endif
