/* Products through bf16 dot products. Present in the AVX-512 table alone; needs WKI_CPU_BF16 at run time. */
#ifndef WK_CPU_GEMM_BF16_H
#define WK_CPU_GEMM_BF16_H

#include "cpu/kernel.h"

#define WKI_BF16_ROWS    14 /* rows in a panel of x */
#define WKI_BF16_COLUMNS 32 /* rows of w in one piece of work */

int64_t CPU(bf16_rows_bytes)(int64_t m, int64_t k); /* of all packed rows of x */
int64_t CPU(bf16_panel_bytes)(int64_t k);           /* of scratch for one worker */
/* Packs rows first .. first + WKI_BF16_ROWS of the m rows of x, `step` elements apart. k is even. */
void CPU(bf16_pack_rows)(wk_tensor x, int64_t step, int64_t first, int64_t m, int64_t k, void *panel);
/* Columns j0 .. j0 + WKI_BF16_COLUMNS of y = x w^T + bias, from the packed rows. */
void CPU(bf16_panel)(const void *rows, int64_t m, wk_tensor w, int64_t j0, wk_tensor bias, wk_tensor y,
                     void *scratch);

#endif
