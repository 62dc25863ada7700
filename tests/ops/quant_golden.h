/* Block-quantised rows against the reference (tests/golden/quant.py), without a test framework. */
#ifndef WK_TESTS_QUANT_GOLDEN_H
#define WK_TESTS_QUANT_GOLDEN_H

#include "core/wick.h"

/* The bits of every format on one context; returns how many comparisons were made, 0 after a failure, of
 * which the message tells. */
int64_t check_quant_golden(wk_ctx *c, const char *path, char *message, size_t size);

#endif
