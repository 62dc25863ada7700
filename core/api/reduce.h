/* Reductions beyond wk_sum and its like. Part of core/wick.h. */
#ifndef WK_API_REDUCE_H
#define WK_API_REDUCE_H

#include "../types.h"

#ifdef __cplusplus
extern "C" {
#endif

/* dims and keep as in wk_sum. Real results of integers are f32. */

/* With a result (and values) in another dtype. */
WK_API wk_tensor wk_sum_as(wk_ctx *c, wk_tensor x, wk_shape dims, bool keep, wk_dtype t);
WK_API wk_tensor wk_mean_as(wk_ctx *c, wk_tensor x, wk_shape dims, bool keep, wk_dtype t);
WK_API wk_tensor wk_prod_as(wk_ctx *c, wk_tensor x, wk_shape dims, bool keep, wk_dtype t);
/* NaN left out. */
WK_API wk_tensor wk_nansum(wk_ctx *c, wk_tensor x, wk_shape dims, bool keep);
WK_API wk_tensor wk_nanmean(wk_ctx *c, wk_tensor x, wk_shape dims, bool keep);
WK_API wk_tensor wk_count_nonzero(wk_ctx *c, wk_tensor x, wk_shape dims, bool keep); /* i64 */

/* The root of wk_var; and both beside the mean, through *mean (NULL: not wanted). */
WK_API wk_tensor wk_std(wk_ctx *c, wk_tensor x, wk_shape dims, double correction, bool keep);
WK_API wk_tensor wk_var_mean(wk_ctx *c, wk_tensor x, wk_shape dims, double correction, bool keep,
                             wk_tensor *mean);
WK_API wk_tensor wk_std_mean(wk_ctx *c, wk_tensor x, wk_shape dims, double correction, bool keep,
                             wk_tensor *mean);

/* (sum |x|^p)^(1/p); p may be 0 (how many are not 0), infinite (largest, smallest magnitude) or negative.
 * The gradient at 0 is 0. */
WK_API wk_tensor wk_vector_norm(wk_ctx *c, wk_tensor x, double p, wk_shape dims, bool keep);
WK_API wk_tensor wk_dist(wk_ctx *c, wk_tensor a, wk_tensor b, double p); /* norm of a - b; integers as f32 */
/* Slices along dim whose norm is above most are scaled down to it. */
WK_API wk_tensor wk_renorm(wk_ctx *c, wk_tensor x, double p, int dim, double most);

/* Largest (smallest) value along a dim, and its index (i64) through *indices (NULL: not wanted). The gradient
 * goes to that value alone; NaN wins. Of WK_FLAT, *indices is the place in x flattened, and equal values
 * share the gradient. */
WK_API wk_tensor wk_max(wk_ctx *c, wk_tensor x, int dim, bool keep, wk_tensor *indices);
WK_API wk_tensor wk_min(wk_ctx *c, wk_tensor x, int dim, bool keep, wk_tensor *indices);
/* The smallest value, and the largest through *most. */
WK_API wk_tensor wk_aminmax(wk_ctx *c, wk_tensor x, wk_shape dims, bool keep, wk_tensor *most);

/* x over its p-norm along dim, or over eps where that is less. */
WK_API wk_tensor wk_normalize(wk_ctx *c, wk_tensor x, double p, int dim, double eps);
/* The p-norm of the difference of each row of a [.., n, d] and each of b [.., m, d]: [.., n, m]. Integers as
 * f32. */
WK_API wk_tensor wk_cdist(wk_ctx *c, wk_tensor a, wk_tensor b, double p);
/* Covariances of the rows of x [variables, samples] (of one variable: 0-d), divided by the number of samples
 * less correction; how often each sample counts, and how much it weighs: [samples] or WK_NONE. And, without
 * these two, scaled to correlations in [-1, 1]. */
WK_API wk_tensor wk_cov(wk_ctx *c, wk_tensor x, double correction, wk_tensor often, wk_tensor weights);
WK_API wk_tensor wk_corrcoef(wk_ctx *c, wk_tensor x);

/* Variance and deviation of what is not NaN: NaN where there are no more than `correction` values. Real
 * dtypes; numpy.nanvar, whose ddof is the correction. */
WK_API wk_tensor wk_nanvar(wk_ctx *c, wk_tensor x, wk_shape dims, double correction, bool keep);
WK_API wk_tensor wk_nanstd(wk_ctx *c, wk_tensor x, wk_shape dims, double correction, bool keep);

#ifdef __cplusplus
}
#endif
#endif
