/* What is done with block dtypes besides products of one weight, on a device beside the CPU, without a test
 * framework. */
#ifndef WK_TESTS_BLOCK_USES_H
#define WK_TESTS_BLOCK_USES_H

#include "core/wick.h"

/* Copies, views, picked rows, caches, several weights at once, bad indices; returns how many agreed, 0 after
 * a failure, of which the message tells. */
int64_t check_block_uses(const char *device, char *message, size_t size);

#endif
