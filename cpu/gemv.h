/* Integer dot products of block-quantised weight rows with 8-bit activations, for few rows of x. */
#ifndef WK_CPU_GEMV_H
#define WK_CPU_GEMV_H

#include "cpu/kernel.h"

/* 256 activations: codes in sixteen groups of 16 with a scale each. Group g of the values lies where the
 * weight format's unpacking puts it: at slot s with order[s] == g; its scale is in lane
 * l = 4 (s % 4) + s / 4. Word i of its codes is byte 64 i + 4 l, under its scale. */
struct chunk {
    int8_t code[256];
    float  scale[16];
    float  sum[16]; /* of the group's codes, times its scale */
};

/* y[i][j] = row j of w times row i of x, for m rows of x, n rows of w of k values each. x has
 * ceil(k / 256) chunks per row. */
typedef void (*wki_dot_rows)(const char *w, int64_t row_bytes, int64_t n, const struct chunk *x, int m,
                             int64_t k, float *y, int64_t y_step);

/* NULL: this machine has none for the dtype. dot_rows_bytes: what there is without AVX512-VNNI. */
wki_dot_rows   CPU(dot_rows)(wk_dtype t, unsigned features);
wki_dot_rows   CPU(dot_rows_bytes)(wk_dtype t, unsigned features);
const uint8_t *CPU(dot_order)(wk_dtype t);

#endif
