/* Making tensors of known values. Part of core/wick.h. */
#ifndef WK_API_MAKE_H
#define WK_API_MAKE_H

#include "../types.h"

#ifdef __cplusplus
extern "C" {
#endif

WK_API wk_tensor wk_ones(wk_ctx *c, wk_dtype t, wk_shape shape);
/* Of x's shape and dtype. */
WK_API wk_tensor wk_empty_like(wk_ctx *c, wk_tensor x);
WK_API wk_tensor wk_zeros_like(wk_ctx *c, wk_tensor x);
WK_API wk_tensor wk_ones_like(wk_ctx *c, wk_tensor x);
WK_API wk_tensor wk_full_like(wk_ctx *c, wk_tensor x, double value);
/* n values from start to stop, both included; logspace: base to the power of them. Of an integer dtype
 * start and stop are truncated; logspace rounds them to a half where t is one. */
WK_API wk_tensor wk_linspace(wk_ctx *c, double start, double stop, int64_t n, wk_dtype t);
WK_API wk_tensor wk_logspace(wk_ctx *c, double start, double stop, int64_t n, double base, wk_dtype t);
WK_API wk_tensor wk_eye(wk_ctx *c, int64_t n, int64_t m, wk_dtype t); /* [n, m] */
/* [n, m]: 1 up to a diagonal, 0 beyond it. */
WK_API wk_tensor wk_tri(wk_ctx *c, int64_t n, int64_t m, int64_t diagonal, wk_dtype t);
/* i64 [2, count]: rows and columns of the triangle of an [n, m]. */
WK_API wk_tensor wk_tril_indices(wk_ctx *c, int64_t n, int64_t m, int64_t offset);
WK_API wk_tensor wk_triu_indices(wk_ctx *c, int64_t n, int64_t m, int64_t offset);
/* n grids (views) of the 0-d or 1-d x[i], which vary along dim i; xy: the first two dims change places. */
WK_API void wk_meshgrid(wk_ctx *c, int n, const wk_tensor *x, bool xy, wk_tensor *out);

#ifdef __cplusplus
}
#endif
#endif
