/* Products through 8-bit integer dot products (VNNI) for many rows of x. In the AVX-512 table alone. */
#ifndef WK_CPU_GEMM_I8_H
#define WK_CPU_GEMM_I8_H

#include "cpu/kernel.h"

#define WKI_I8_ROWS    6  /* rows in a panel of x */
#define WKI_I8_COLUMNS 32 /* rows of w in one piece of work */

/* What the codes of a weight format are counted from; 0: it has minima; negative: no such product. */
int CPU(i8_offset)(wk_dtype t, unsigned features);
/* Scales of x for 32 values: two where the weights have as many, and for narrow products such as keys and
 * values, which cost little while their rounding reaches far. */
int CPU(i8_parts)(wk_tensor w);
/* Do two weights of equal offset take the same packed x? */
bool CPU(i8_same)(wk_tensor a, wk_tensor b);

int64_t CPU(i8_rows_bytes)(int64_t m, int64_t k); /* of all packed rows of x */
int64_t CPU(i8_panel_bytes)(int64_t k);           /* of scratch for one worker */
/* Quantises and packs rows first .. first + WKI_I8_ROWS of the m rows of x, `step` elements apart, for
 * products with weights of dtype t, with `parts` scales for 32 values. k is a multiple of 32. */
void CPU(i8_pack_rows)(wk_tensor x, int64_t step, int64_t first, int64_t m, int64_t k, wk_dtype t, int parts,
                       void *panel);
/* Columns j0 .. j0 + WKI_I8_COLUMNS of y = x w^T + bias, from the packed rows. */
void CPU(i8_panel)(const void *rows, int64_t m, wk_tensor w, int64_t j0, wk_tensor bias, wk_tensor y,
                   void *scratch);

#endif
