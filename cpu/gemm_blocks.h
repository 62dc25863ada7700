/* Products of block-quantised weights with many rows of x in 8-bit integers: the codes of some rows of w are
 * unpacked once for many rows of x. */
#ifndef WK_CPU_GEMM_BLOCKS_H
#define WK_CPU_GEMM_BLOCKS_H

#include "cpu/kernel.h"

#define WKI_BLOCK_COLUMNS 64  /* rows of w in one piece of work; elements between rows of its results */
#define WKI_BLOCK_ROWS    264 /* rows of x in one piece at most */

bool CPU(has_block_panel)(wk_dtype t, unsigned features);
/* y [m][WKI_BLOCK_COLUMNS] = m packed rows of x times rows j0 .. j0 + n of w. All of y may be written, and m
 * up to the next multiple of 12. */
void   CPU(block_panel)(const void *rows, int64_t m, wk_tensor w, int64_t j0, int64_t n, unsigned features,
                      float *y, void *scratch);
size_t CPU(block_panel_bytes)(void); /* of scratch */

/* Rows of x are packed together, in this number; bytes of so many rows, a multiple of it or all. */
int64_t CPU(block_rows)(void);
int64_t CPU(block_rows_bytes)(int64_t m, int64_t k);
/* Quantises and packs rows first .. first + block_rows() of the m rows of x, `step` elements apart. k is a
 * multiple of 32. */
void CPU(block_pack_rows)(wk_tensor x, int64_t step, int64_t first, int64_t m, int64_t k, unsigned features,
                          void *to);

#endif
