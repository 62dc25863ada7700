/* Products of block-quantised weights with many rows of x in 8-bit integers: the codes of some rows of w are
 * unpacked once for all rows of x. */
#ifndef WK_CPU_GEMM_BLOCKS_H
#define WK_CPU_GEMM_BLOCKS_H

#include "cpu/gemv.h"

#define WKI_PANEL_COLUMNS 64 /* elements between rows of y; all of them may be written */

/* As wki_dot_rows, for at most WKI_PANEL_COLUMNS rows of w. */
typedef void (*wki_block_panel)(const char *w, int64_t row_bytes, int64_t n, const struct chunk *x, int64_t m,
                                int64_t k, float *y, void *scratch);

/* NULL: this machine has none for the dtype. */
wki_block_panel CPU(block_panel)(wk_dtype t, unsigned features);
size_t          CPU(block_panel_bytes)(void); /* of scratch */

#endif
