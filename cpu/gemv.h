/* Integer dot products of block-quantised weight rows with 8-bit activations, for few rows of x. */
#ifndef WK_CPU_GEMV_H
#define WK_CPU_GEMV_H

#include "cpu/kernel.h"

/* 256 activations: 64 words of four 8-bit codes in sixteen lanes of four, each with a scale. Lane l has the
 * words start[l] + step[i] of the values, i = 0 .. 3, as its format wants them; word i lies at byte
 * 64 i + 4 l. */
struct chunk {
    int8_t code[256];
    float  scale[16];
    float  sum[16]; /* of the lane's codes, times its scale, times the form's `sum` */
};
struct dot_form {
    uint8_t start[16], step[4];
    float   sum;
};

/* y[i][j] = row j of w times row i of x, for m rows of x, n rows of w of k values each. x has
 * ceil(k / 256) chunks per row. ahead: ask for weights before they are wanted, even of a single stream. */
typedef void (*wki_dot_rows)(const char *w, int64_t row_bytes, int64_t n, const struct chunk *x, int m,
                             int64_t k, float *y, int64_t y_step, bool ahead);

/* Rows of weights of a dtype and the form of x that they want. `_bytes`: without AVX512-VNNI. rows is NULL
 * where the machine has none. */
struct dot {
    wki_dot_rows    rows;
    struct dot_form form;
};
struct dot CPU(dot)(wk_dtype t, unsigned features);
struct dot CPU(dot_bytes)(wk_dtype t, unsigned features);
/* Groups of sixteen values in the slots of cpu/blocks.h. */
const uint8_t *CPU(dot_order)(wk_dtype t);

#endif
