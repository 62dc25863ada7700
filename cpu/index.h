/* What the kernels that pick and write by index share. */
#ifndef WK_CPU_INDEX_H
#define WK_CPU_INDEX_H

#include "cpu/walk.h"

/* WK_EINDEX, with the first index that is not in [0, n) (wrap: in [-n, n)) named; WK_OK when there is none.
 */
wk_status CPU(bad_index)(const wk_call *k, wk_tensor index, int64_t n, bool wrap);

#endif
