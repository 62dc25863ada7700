/* Integer dot products of block-quantised rows: AVX-512 with VNNI. */
#include "cpu/gemv.h"

#include "cpu/cpu.h"
#include "cpu/gemv_lanes.h"

#if defined __AVX512F__

typedef void (*lanes)(const char *p, int64_t n, struct codes *c);

/* Rows of x whose sums stay in registers. */
#define MOST 8

/* What R rows of weights use. */
INLINE __m512i read_by(const int R, const void *p)
{
    return R > 1 ? load_once(p) : load512(p);
}

/* 256 weights of R rows with row i of x. */
INLINE_VNNI void step(const int R, const struct codes *c, bool min, const struct chunk *x,
                      __m512 acc[2][MOST], const int i)
{
    __m512i s[2] = {_mm512_setzero_si512(), _mm512_setzero_si512()};
#pragma GCC unroll 4
    for (int v = 0; v < 4; v++) {
        const __m512i code = read_by(R, x->code + 64 * v);
#pragma GCC unroll 2
        for (int r = 0; r < R; r++) s[r] = _mm512_dpbusd_epi32(s[r], c[r].v[v], code);
    }
    const __m512 scale = (__m512)read_by(R, x->scale), sum = (__m512)read_by(R, x->sum);
#pragma GCC unroll 2
    for (int r = 0; r < R; r++) {
        const __m512 y = _mm512_cvtepi32_ps(s[r]);
        if (min)
            acc[r][i] =
                _mm512_fmadd_ps(_mm512_mul_ps(y, scale), c[r].d, _mm512_fmadd_ps(c[r].m, sum, acc[r][i]));
        else
            acc[r][i] = _mm512_fmadd_ps(_mm512_fmadd_ps(y, scale, sum), c[r].d, acc[r][i]);
    }
}

/* 256 weights of R rows, `blocks` blocks of them, with M rows of x. */
INLINE_VNNI void rows_step(lanes f, int64_t blocks, bool min, const int R, const int M, const char **p,
                           const struct chunk *x, int64_t chunks, __m512 acc[2][MOST])
{
    struct codes c[2];
#pragma GCC unroll 2
    for (int r = 0; r < R; r++) f(p[r], blocks, &c[r]);
#pragma GCC unroll 8
    for (int i = 0; i < M; i++) step(R, c, min, x + i * chunks, acc, i);
}

/* Bytes asked for ahead, and where all is, over the end of a piece too, as pieces follow each other; bytes of
 * weights that are worth reading as two streams. */
enum { AHEAD = 4096, FAR_AHEAD = 8192, LONG = 65536 };

/* n rows of w, R at a time, against M <= MOST rows of x; the format's block and bytes, and whether it has
 * minima. Two rows halve the reads of x and hide each other's latencies. One row of x meets one row of w, a
 * single steady stream, where codes are bytes, which take memory's time, or where there are few rows; not
 * every CPU follows that by itself (docs/decisions/0018). The order of sums is the same for every R and M. */
INLINE_VNNI void rows(lanes f, int64_t block, int64_t bytes, bool min, const int R, const int M,
                      const char *w, int64_t row_bytes, int64_t n, const struct chunk *x, int64_t k, float *y,
                      int64_t y_step, bool ahead)
{
    const int64_t per = 256 / block, chunks = (k + 255) / 256, full = k / 256, left = k % 256 / block;
    const int64_t half = (n + R - 1) / R; /* far apart: two steady streams from memory */
    const char   *last = w + half * row_bytes - (ahead ? 0 : AHEAD);
    const int64_t distance = ahead ? FAR_AHEAD : AHEAD;
    for (int64_t j = 0; j < half; j++) {
        __m512      acc[2][MOST];
        const char *p[2];
        for (int r = 0; r < R; r++) {
            p[r] = w + (j + r * half < n ? j + r * half : j) * row_bytes;
            for (int i = 0; i < M; i++) acc[r][i] = _mm512_setzero_ps();
        }
        for (int64_t t = 0; t < full; t++) {
            if ((R > 1 || ahead) && p[0] < last)
                for (int r = 0; r < R; r++)
                    for (int64_t i = 0; i < per * bytes; i += 64)
                        __builtin_prefetch(p[r] + distance + i, 0, 2);
            rows_step(f, per, min, R, M, p, x + t, chunks, acc);
            for (int r = 0; r < R; r++) p[r] += per * bytes;
        }
        if (left) rows_step(f, left, min, R, M, p, x + full, chunks, acc);
        for (int r = 0; r < R && j + r * half < n; r++)
            for (int i = 0; i < M; i++) y[i * y_step + j + r * half] = _mm512_reduce_add_ps(acc[r][i]);
    }
}

INLINE_VNNI void rows_any(lanes f, int64_t block, int64_t bytes, bool min, const char *w, int64_t row_bytes,
                          int64_t n, const struct chunk *x, int m, int64_t k, float *y, int64_t y_step,
                          bool ahead)
{
    const int64_t chunks = (k + 255) / 256;
    for (; m >= MOST; m -= MOST, x += MOST * chunks, y += MOST * y_step)
        rows(f, block, bytes, min, 2, MOST, w, row_bytes, n, x, k, y, y_step, ahead);
    if (m >= 4) {
        rows(f, block, bytes, min, 2, 4, w, row_bytes, n, x, k, y, y_step, ahead);
        m -= 4, x += 4 * chunks, y += 4 * y_step;
    }
    if (m >= 2) {
        rows(f, block, bytes, min, 2, 2, w, row_bytes, n, x, k, y, y_step, ahead);
        m -= 2, x += 2 * chunks, y += 2 * y_step;
    }
    if (m == 1 && bytes < block && n * row_bytes >= LONG)
        rows(f, block, bytes, min, 2, 1, w, row_bytes, n, x, k, y, y_step, ahead);
    else if (m == 1)
        rows(f, block, bytes, min, 1, 1, w, row_bytes, n, x, k, y, y_step, ahead);
}

#define DOT(t, block, bytes, offset, order)                                                                  \
    VNNI static void dot_##t(const char *w, int64_t row_bytes, int64_t n, const struct chunk *x, int m,      \
                             int64_t k, float *y, int64_t y_step, bool ahead)                                \
    {                                                                                                        \
        rows_any(lanes_##t, block, bytes, (offset) == 0, w, row_bytes, n, x, m, k, y, y_step, ahead);        \
    }
FORMATS(DOT)

#define ROW(t, block, bytes, offset, order)                                                                  \
    [WK_##t] = {.rows = dot_##t, .form = {FORM_##t, (offset) ? -(offset) : 1}},
static const struct dot table[WK_DTYPE_COUNT] = {FORMATS(ROW)};

struct dot CPU(dot)(wk_dtype t, unsigned features)
{
    return features & WKI_CPU_VNNI && table[t].rows ? table[t] : CPU(dot_bytes)(t, features);
}

#else

struct dot CPU(dot)(wk_dtype t, unsigned features)
{
    return CPU(dot_bytes)(t, features);
}

#endif
