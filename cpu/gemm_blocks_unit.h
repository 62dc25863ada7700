/* The register tile of cpu/gemm_blocks.c by UNIT(products). Included once for each unit. */

/* c [M][NR] (+)= M rows of x times the columns of a panel over n chunks. */
TARGET INLINE void UNIT(micro)(enum kind kind, bool low, const int M, const struct chunk *x, int64_t x_step,
                               const struct panel *w, int64_t n, float *c, bool add)
{
    vf acc[MOST_ROWS][NV];
#pragma GCC unroll 8
    for (int r = 0; r < M; r++)
#pragma GCC unroll 2
        for (int v = 0; v < NV; v++)
            acc[r][v] = add ? v_load(c + r * WKI_PANEL_COLUMNS + v * W) : v_set(0.0f);
    for (int64_t t = 0; t < n; t++, w++, x++)
#pragma GCC unroll 1
        for (int L = 0; L < 4; L++)
#pragma GCC unroll 4
            for (int j = 0; j < 4; j++) {
                const int lane = 4 * L + j;
                sums      s[MOST_ROWS][NV], other[MOST_ROWS][NV];
#pragma GCC unroll 4
                for (int q = 0; q < 4; q++) {
                    vb code[NV];
#pragma GCC unroll 2
                    for (int v = 0; v < NV; v++) code[v] = b_load(w->code[lane][q][v]);
#pragma GCC unroll 8
                    for (int r = 0; r < M; r++) {
                        const vb four = b_repeat(x[r * x_step].code + 64 * j + 16 * L + 4 * q);
#pragma GCC unroll 2
                        for (int v = 0; v < NV; v++)
                            UNIT(products)(kind, q, code[v], four, &s[r][v], &other[r][v]);
                    }
                }
#pragma GCC unroll 8
                for (int r = 0; r < M; r++) {
                    const vf scale = v_set(x[r * x_step].scale[lane]), sum = v_set(x[r * x_step].sum[lane]);
#pragma GCC unroll 2
                    for (int v = 0; v < NV; v++) {
                        const vf p = __builtin_convertvector((vi)UNIT(total)(kind, s[r][v], other[r][v]), vf);
                        acc[r][v] = v_fma(p, v_load(w->d[lane] + v * W) * scale, acc[r][v]);
                        if (low) acc[r][v] = v_fma(v_load(w->m[lane] + v * W), sum, acc[r][v]);
                    }
                }
            }
#pragma GCC unroll 8
    for (int r = 0; r < M; r++)
#pragma GCC unroll 2
        for (int v = 0; v < NV; v++) v_store(c + r * WKI_PANEL_COLUMNS + v * W, acc[r][v]);
}

#define MICRO(kind, low)                                                                                     \
    TARGET static void UNIT(micro_##kind)(const struct chunk *x, int64_t x_step, int64_t m,                  \
                                          const struct panel *w, int64_t n, float *c, bool add)              \
    {                                                                                                        \
        int64_t i = 0;                                                                                       \
        for (; m - i >= ROWS; i += ROWS, x += ROWS * x_step, c += ROWS * WKI_PANEL_COLUMNS)                  \
            UNIT(micro)(kind, low, ROWS, x, x_step, w, n, c, add);                                           \
        for (; i < m; i++, x += x_step, c += WKI_PANEL_COLUMNS)                                              \
            UNIT(micro)(kind, low, 1, x, x_step, w, n, c, add);                                              \
    }
MICRO(NARROW, true)
MICRO(MEDIUM, true)
MICRO(SIGNED, FLIP != 0)
#undef MICRO

#define PANEL(t, block, bytes, offset, kind, order)                                                          \
    TARGET static void UNIT(panel_##t)(const char *w, int64_t row_bytes, int64_t n, const struct chunk *x,   \
                                       int64_t m, int64_t k, float *y, void *scratch)                        \
    {                                                                                                        \
        const struct source from = {w, row_bytes, n, k / (block), 256 / (block), bytes};                     \
        for (int64_t j = 0; j < n; j += NR)                                                                  \
            for (int64_t at = 0; at < k; at += 256 * CHUNKS) {                                               \
                const int64_t left = (k - at + 255) / 256, chunks = left < CHUNKS ? left : CHUNKS;           \
                for (int64_t t = 0; t < chunks; t++)                                                         \
                    pack_##t(&from, j, at / 256 + t, kind == SIGNED ? FLIP : 0,                              \
                             (struct panel *)scratch + t);                                                   \
                UNIT(micro_##kind)                                                                           \
                (x + at / 256, (k + 255) / 256, m, scratch, chunks, y + j, at > 0);                          \
            }                                                                                                \
    }
WK_BLOCK_FORMATS(PANEL)
#undef PANEL

#define ROW(t, block, bytes, offset, kind, order) [WK_##t] = UNIT(panel_##t),
static const wki_block_panel UNIT(table)[WK_DTYPE_COUNT] = {WK_BLOCK_FORMATS(ROW)};
#undef ROW
