/* Scans, sorting, and what is made of them. Part of core/wick.h. */
#ifndef WK_API_SORT_H
#define WK_API_SORT_H

#include "../types.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- scans: x's shape, linear work, any dim --------------------------------------------------- */

/* Sums and products of the values up to each; integers and bool give i64. Halves add up in f32. */
WK_API wk_tensor wk_cumsum(wk_ctx *c, wk_tensor x, int dim);
WK_API wk_tensor wk_cumprod(wk_ctx *c, wk_tensor x, int dim);
/* log of the sum of exp of the values up to each; real dtypes. */
WK_API wk_tensor wk_logcumsumexp(wk_ctx *c, wk_tensor x, int dim);
/* The largest (smallest) value up to each; NaN wins. Where it stands (i64; the last of equal ones) through
 * *indices when that is not NULL. */
WK_API wk_tensor wk_cummax(wk_ctx *c, wk_tensor x, int dim, wk_tensor *indices);
WK_API wk_tensor wk_cummin(wk_ctx *c, wk_tensor x, int dim, wk_tensor *indices);
/* n-th differences of neighbours along dim, with prepend and append (or WK_NONE) joined on first. */
WK_API wk_tensor wk_diff(wk_ctx *c, wk_tensor x, int n, int dim, wk_tensor prepend, wk_tensor append);
/* Area below y along dim by the trapezoidal rule: at points x (1-d or of y's shape), or, where x is WK_NONE,
 * dx apart. cumulative_trapezoid: up to each point after the first. */
WK_API wk_tensor wk_trapezoid(wk_ctx *c, wk_tensor y, wk_tensor x, double dx, int dim);
WK_API wk_tensor wk_cumulative_trapezoid(wk_ctx *c, wk_tensor y, wk_tensor x, double dx, int dim);

/* ---- sorting: stable; NaN counts as largest; linear work -------------------------------------- */

/* Values in order along dim; where they stood (i64) through *indices when that is not NULL. Equal values
 * keep their order, descending too. */
WK_API wk_tensor wk_sort(wk_ctx *c, wk_tensor x, int dim, bool descending, wk_tensor *indices);
WK_API wk_tensor wk_argsort(wk_ctx *c, wk_tensor x, int dim, bool descending);
WK_API wk_tensor wk_msort(wk_ctx *c, wk_tensor x); /* along dim 0 */
/* The k-th smallest value (k from 1) along dim, and where it stands. */
WK_API wk_tensor wk_kthvalue(wk_ctx *c, wk_tensor x, int64_t k, int dim, bool keep, wk_tensor *indices);
/* The lower of the two middle values along dim, or of WK_FLAT; one NaN makes it NaN. nanmedian leaves NaN
 * out. *indices is where it stands, of WK_FLAT in x flattened. The gradient goes to that place; of WK_FLAT
 * equal values share it. */
WK_API wk_tensor wk_median(wk_ctx *c, wk_tensor x, int dim, bool keep, wk_tensor *indices);
WK_API wk_tensor wk_nanmedian(wk_ctx *c, wk_tensor x, int dim, bool keep, wk_tensor *indices);
/* The smallest of the most frequent values along dim, and where it stands last. */
WK_API wk_tensor wk_mode(wk_ctx *c, wk_tensor x, int dim, bool keep, wk_tensor *indices);

/* Quantiles q (0-d or 1-d, in [0, 1]) along dim of x in q's dtype, f32 or f64: q's dim, if it has one, comes
 * first. Between two values it takes what `how` says. One NaN makes it NaN; nanquantile leaves NaN out. With
 * WK_FLAT for dim: of all values. */
typedef enum wk_between { WK_LINEAR, WK_LOWER, WK_HIGHER, WK_MIDPOINT, WK_NEAREST } wk_between;
WK_API wk_tensor wk_quantile(wk_ctx *c, wk_tensor x, wk_tensor q, int dim, bool keep, wk_between how);
WK_API wk_tensor wk_nanquantile(wk_ctx *c, wk_tensor x, wk_tensor q, int dim, bool keep, wk_between how);

/* The different values of x in order (1-d), or with along, its different slices along dim in order. For each
 * element (or slice) of x, which of them it is, through *inverse; how often each occurs through *counts
 * (both i64; NULL: not wanted). NaN differs from NaN. Reads a size back from the device. None of these has a
 * gradient: a tracked x is WK_ENOGRAD while a tape is on. */
WK_API wk_tensor wk_unique(wk_ctx *c, wk_tensor x, wk_tensor *inverse, wk_tensor *counts);
WK_API wk_tensor wk_unique_dim(wk_ctx *c, wk_tensor x, int dim, wk_tensor *inverse, wk_tensor *counts);
/* The same without sorting: runs of equal neighbours become one. */
WK_API wk_tensor wk_unique_consecutive(wk_ctx *c, wk_tensor x, wk_tensor *inverse, wk_tensor *counts);
WK_API wk_tensor wk_unique_consecutive_dim(wk_ctx *c, wk_tensor x, int dim, wk_tensor *inverse,
                                           wk_tensor *counts);

/* Is each value of x among those of set? bool, x's shape; NaN is in no set. */
WK_API wk_tensor wk_isin(wk_ctx *c, wk_tensor x, wk_tensor set);

/* ---- counting and searching ------------------------------------------------------------------- */

/* How often each of 0 .. max(x) occurs in x (integers >= 0, 1-d), at least min_length counts; or the sums of
 * weights (x's shape, or WK_NONE: i64 counts). Tracked weights are WK_ENOGRAD while a tape is on. */
WK_API wk_tensor wk_bincount(wk_ctx *c, wk_tensor x, wk_tensor weights, int64_t min_length);
/* Counts of x's values in equal bins over [low, high], in x's dtype; low == high: the range of x. */
WK_API wk_tensor wk_histc(wk_ctx *c, wk_tensor x, int64_t bins, double low, double high);
/* Sums of weight (x's shape, or WK_NONE: 1 each) over x's values from one of edges (1-d, in order) to the
 * next, in x's dtype, f32 or f64; the last edge belongs to the last bin. density: over their sum and the
 * widths of the bins. Tracked operands are WK_ENOGRAD while a tape is on. */
WK_API wk_tensor wk_histogram(wk_ctx *c, wk_tensor x, wk_tensor edges, wk_tensor weight, bool density);
/* Where each value would go in sorted (1-d, or with value's leading dims) so that its last dim stays in
 * order: before equal values, or with right after them. i64. */
WK_API wk_tensor wk_searchsorted(wk_ctx *c, wk_tensor sorted, wk_tensor values, bool right);
WK_API wk_tensor wk_bucketize(wk_ctx *c, wk_tensor values, wk_tensor boundaries, bool right);

/* The same where `values` are looked for in sorted[sorter], sorter (i64, of sorted's shape) being the order
 * that wk_argsort gives: sorted itself need not be in order. */
WK_API wk_tensor wk_searchsorted_by(wk_ctx *c, wk_tensor sorted, wk_tensor sorter, wk_tensor values,
                                    bool right);

#ifdef __cplusplus
}
#endif
#endif
