/* Indexing: picking, writing, masks. Part of core/wick.h. */
#ifndef WK_API_INDEX_H
#define WK_API_INDEX_H

#include "../types.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- masks ------------------------------------------------------------------------------------- */

/* Where x is not zero: i64 [count, dims of x], in order. Reads the count back from the device. */
WK_API wk_tensor wk_nonzero(wk_ctx *c, wk_tensor x);

#ifdef __cplusplus
}
#endif
#endif
