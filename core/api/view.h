/* Views beyond the basic ones, and writing into them. Part of core/wick.h. */
#ifndef WK_API_VIEW_H
#define WK_API_VIEW_H

#include "../types.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- dims ------------------------------------------------------------------------------------- */

WK_API wk_tensor wk_swapaxes(wk_ctx *c, wk_tensor x, int a, int b); /* wk_transpose */
WK_API wk_tensor wk_movedim(wk_ctx *c, wk_tensor x, wk_shape from,
                            wk_shape to);                                /* the rest keep their order */
WK_API wk_tensor wk_squeeze_dims(wk_ctx *c, wk_tensor x, wk_shape dims); /* WK_ALL_DIMS: all of size 1 */
WK_API wk_tensor wk_unflatten(wk_ctx *c, wk_tensor x, int dim, wk_shape sizes); /* one size may be -1 */
/* At least 1, 2 or 3 dims. [n] becomes [1, n] and [1, n, 1], [n, m] becomes [n, m, 1]. */
WK_API wk_tensor wk_atleast_1d(wk_ctx *c, wk_tensor x);
WK_API wk_tensor wk_atleast_2d(wk_ctx *c, wk_tensor x);
WK_API wk_tensor wk_atleast_3d(wk_ctx *c, wk_tensor x);

/* ---- cutting in pieces: how many there are, at most `most` are written to out -------------------- */

WK_API int wk_split(wk_ctx *c, wk_tensor x, int64_t size, int dim, wk_tensor *out, int most);
/* sizes.ndim pieces of these sizes, which add up to x's. */
WK_API int wk_split_sizes(wk_ctx *c, wk_tensor x, wk_shape sizes, int dim, wk_tensor *out, int most);
/* At most n pieces of one size but the last. */
WK_API int wk_chunk(wk_ctx *c, wk_tensor x, int64_t n, int dim, wk_tensor *out, int most);
/* n pieces whose sizes differ by at most one. */
WK_API int wk_tensor_split(wk_ctx *c, wk_tensor x, int64_t n, int dim, wk_tensor *out, int most);
/* Cut before each position, as slices are: n + 1 pieces. */
WK_API int wk_tensor_split_at(wk_ctx *c, wk_tensor x, int n, const int64_t *at, int dim, wk_tensor *out,
                              int most);
WK_API int wk_unbind(wk_ctx *c, wk_tensor x, int dim, wk_tensor *out, int most); /* the slices without dim */

/* ---- diagonals, windows, any strides ----------------------------------------------------------- */

/* x[.., i, .., i + offset, ..] of two dims, as a new last dim. */
WK_API wk_tensor wk_diagonal(wk_ctx *c, wk_tensor x, int64_t offset, int a, int b);
/* Windows of `size` values of dim, `step` apart: dim counts windows, a new last dim the values in them. */
WK_API wk_tensor wk_unfold(wk_ctx *c, wk_tensor x, int dim, int64_t size, int64_t step);
/* Elements of dense x from offset on, at strides of its elements; a view that reaches outside is WK_EINDEX.
 */
WK_API wk_tensor wk_as_strided(wk_ctx *c, wk_tensor x, wk_shape shape, wk_shape strides, int64_t offset);
/* The same bits read as another plain dtype; where their widths differ, the last dim (dense) changes size.
 * To bool only from bool. What does not fit without a copy is WK_ESHAPE. No gradient. */
WK_API wk_tensor wk_view_dtype(wk_ctx *c, wk_tensor x, wk_dtype t);
/* [n]: a matrix with it in a diagonal; [n, m]: its diagonal. */
WK_API wk_tensor wk_diag(wk_ctx *c, wk_tensor x, int64_t offset);
/* x's last dim as a diagonal of dims a and b of the result, zeros beside it. */
WK_API wk_tensor wk_diag_embed(wk_ctx *c, wk_tensor x, int64_t offset, int a, int b);
WK_API wk_tensor wk_diagflat(wk_ctx *c, wk_tensor x, int64_t offset);

/* ---- a copy of x with src written into a view of it ---------------------------------------------- */

WK_API wk_tensor wk_slice_scatter(wk_ctx *c, wk_tensor x, wk_tensor src, int dim, int64_t start, int64_t stop,
                                  int64_t step); /* step > 0 */
WK_API wk_tensor wk_select_scatter(wk_ctx *c, wk_tensor x, wk_tensor src, int dim, int64_t index);
WK_API wk_tensor wk_diagonal_scatter(wk_ctx *c, wk_tensor x, wk_tensor src, int64_t offset, int a, int b);

/* n equal pieces of the columns (dim 1; of a 1-d x dim 0), of the rows (dim 0), of dim 2; the size must be a
 * multiple of n. The _at forms cut before each position, as wk_tensor_split_at. x has at least 1, 2, 3
 * dims. */
WK_API int wk_hsplit(wk_ctx *c, wk_tensor x, int64_t n, wk_tensor *out, int most);
WK_API int wk_vsplit(wk_ctx *c, wk_tensor x, int64_t n, wk_tensor *out, int most);
WK_API int wk_dsplit(wk_ctx *c, wk_tensor x, int64_t n, wk_tensor *out, int most);
WK_API int wk_hsplit_at(wk_ctx *c, wk_tensor x, int n, const int64_t *at, wk_tensor *out, int most);
WK_API int wk_vsplit_at(wk_ctx *c, wk_tensor x, int n, const int64_t *at, wk_tensor *out, int most);
WK_API int wk_dsplit_at(wk_ctx *c, wk_tensor x, int n, const int64_t *at, wk_tensor *out, int most);

#ifdef __cplusplus
}
#endif
#endif
