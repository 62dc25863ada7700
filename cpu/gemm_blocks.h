/* Products of many rows of x in integers: the codes of some rows of w are unpacked once for many rows of
 * x. */
#ifndef WK_CPU_GEMM_BLOCKS_H
#define WK_CPU_GEMM_BLOCKS_H

#include "cpu/kernel.h"

#define WKI_BLOCK_COLUMNS 64 /* rows of w in one piece of work; elements between rows of its results */

struct wki_panels {
    int64_t rows;                                /* of x that are packed together, a divisor of 12 */
    int64_t most;                                /* rows of x in one piece of work */
    int64_t (*rows_bytes)(int64_t m, int64_t k); /* m: a multiple of `rows`, or all */
    /* Quantises and packs rows first .. first + rows of the m rows of x, `step` elements apart. */
    void (*pack_rows)(wk_tensor x, int64_t step, int64_t first, int64_t m, int64_t k, unsigned features,
                      void *to);
    /* y [m][WKI_BLOCK_COLUMNS] = m packed rows of x times rows j0 .. j0 + n of w. All of y may be written,
     * and m up to the next multiple of 12. */
    void (*panel)(const void *rows, int64_t m, wk_tensor w, int64_t j0, int64_t n, unsigned features,
                  float *y, void *scratch);
    size_t (*panel_bytes)(void); /* of scratch */
};

/* NULL: not for the dtype, or not on this machine. Block weights in 8 bits, f16 and bf16 in 16. */
const struct wki_panels *CPU(block_panels)(wk_dtype t, unsigned features);
const struct wki_panels *CPU(word_panels)(wk_dtype t, unsigned features);

#endif
