/* Joining, repeating, turning and padding. Part of core/wick.h. */
#ifndef WK_API_SHAPE_H
#define WK_API_SHAPE_H

#include "../types.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Joins after wk_atleast_1d (hstack: along dim 1, 1-d ones along 0), 2d (vstack: dim 0), 3d (dstack: dim 2);
 * column_stack: 1-d ones as columns. */
WK_API wk_tensor wk_hstack(wk_ctx *c, int n, const wk_tensor *x);
WK_API wk_tensor wk_vstack(wk_ctx *c, int n, const wk_tensor *x);
WK_API wk_tensor wk_dstack(wk_ctx *c, int n, const wk_tensor *x);
WK_API wk_tensor wk_column_stack(wk_ctx *c, int n, const wk_tensor *x);
/* Matrices (or less) one after another along the diagonal, zeros beside them. */
WK_API wk_tensor wk_block_diag(wk_ctx *c, int n, const wk_tensor *x);

WK_API wk_tensor wk_tile(wk_ctx *c, wk_tensor x, wk_shape times); /* wk_repeat; dims not named stay */
/* Each value of dim `times` times, or times[i] (integers, 0-d or 1-d) times. */
WK_API wk_tensor wk_repeat_interleave(wk_ctx *c, wk_tensor x, int64_t times, int dim);
WK_API wk_tensor wk_repeat_interleave_each(wk_ctx *c, wk_tensor x, wk_tensor times, int dim);

WK_API wk_tensor wk_flip(wk_ctx *c, wk_tensor x, wk_shape dims); /* WK_ALL_DIMS: all */
/* Moves values on by shifts.dim[i] places of dim dims.dim[i]; those that leave at the end come in again in
 * front. WK_ALL_DIMS: one shift through all elements. */
WK_API wk_tensor wk_roll(wk_ctx *c, wk_tensor x, wk_shape shifts, wk_shape dims);
WK_API wk_tensor wk_rot90(wk_ctx *c, wk_tensor x, int64_t times, int a, int b); /* from dim a towards b */

/* As wk_pad, but with values of x: mirrored without the outermost one (less than x's size of them), the
 * outermost one, or those of the other end. */
typedef enum wk_pad_mode { WK_PAD_REFLECT, WK_PAD_REPLICATE, WK_PAD_CIRCULAR } wk_pad_mode;
WK_API wk_tensor wk_pad_with(wk_ctx *c, wk_tensor x, int n_pads, const int64_t *pads, wk_pad_mode mode);

WK_API wk_tensor wk_fliplr(wk_ctx *c, wk_tensor x); /* dim 1, of two dims at least */
WK_API wk_tensor wk_flipud(wk_ctx *c, wk_tensor x); /* dim 0, of one dim at least */

/* Views of n tensors expanded to the one shape that they broadcast to, into out; all WK_NONE after an
 * error. */
WK_API void wk_broadcast_tensors(wk_ctx *c, int n, const wk_tensor *x, wk_tensor *out);
/* All rows with one value of each of n (at most 8) 1-d tensors of one dtype, the last varying fastest:
 * [product of sizes, n]; of one tensor itself. */
WK_API wk_tensor wk_cartesian_prod(wk_ctx *c, int n, const wk_tensor *x);
/* All ways to take r values of 1-d x in their order, [ways, r], each at most once or, with_replacement, any
 * number of times. r 0: an empty [0]. */
WK_API wk_tensor wk_combinations(wk_ctx *c, wk_tensor x, int64_t r, bool with_replacement);

#ifdef __cplusplus
}
#endif
#endif
