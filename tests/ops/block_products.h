/* Products with block-quantised, f16 and bf16 weights on every path of every instruction set, without a
 * test framework. */
#ifndef WK_TESTS_BLOCK_PRODUCTS_H
#define WK_TESTS_BLOCK_PRODUCTS_H

#include "core/wick.h"

/* Every such format against sums in double; returns how many products were made, 0 after a failure, of which
 * the message tells. Sets WK_ISA and WK_CPU_FEATURES. */
int64_t check_block_products(char *message, size_t size);
/* The block formats on another device. */
int64_t check_block_products_on(const char *device, char *message, size_t size);

#endif
