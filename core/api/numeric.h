/* Derivatives of samples, interpolation, convolution of signals. Part of core/wick.h. */
#ifndef WK_API_NUMERIC_H
#define WK_API_NUMERIC_H

#include "../types.h"

#ifdef __cplusplus
extern "C" {
#endif

/* torch.gradient: the derivatives of samples x along dims (WK_ALL_DIMS: each) into out, by central
 * differences of second order and, at both ends, ones of edge_order 1 or 2. n spacings: none, they are 1; a
 * single one is for all dims. Integers give f32. How many derivatives; 0 after an error. */
WK_API int wk_gradient(wk_ctx *c, wk_tensor x, wk_shape dims, int n, const double *spacing, int edge_order,
                       wk_tensor *out);
/* The same of samples taken at places at[i] (1-d, of the dim's size, ascending), a tensor for each dim. */
WK_API int wk_gradient_at(wk_ctx *c, wk_tensor x, wk_shape dims, const wk_tensor *at, int edge_order,
                          wk_tensor *out);

/* numpy.interp: the piecewise linear function through points (xp, fp), 1-d and xp ascending, at x: of x's
 * shape. Real dtypes are promoted, integers give f32. Beyond the ends it is fp's first and last value, or
 * left and right. period > 0: x and xp are taken modulo it, and xp need not ascend. Gradients by x, xp and
 * fp. */
typedef struct wk_interp_opts {
    bool   has_left, has_right; /* use left, right */
    double left, right;
    double period; /* 0: none */
} wk_interp_opts;
WK_API wk_tensor wk_interp(wk_ctx *c, wk_tensor x, wk_tensor xp, wk_tensor fp, wk_interp_opts o);

/* numpy.convolve of 1-d a and b, of n and m values: all n + m - 1 sums, the max(n, m) in their middle, or the
 * max - min + 1 to which all values of the shorter one contribute. Integers wrap in their promoted dtype. */
typedef enum wk_convolve_mode { WK_CONVOLVE_FULL, WK_CONVOLVE_SAME, WK_CONVOLVE_VALID } wk_convolve_mode;
WK_API wk_tensor wk_convolve(wk_ctx *c, wk_tensor a, wk_tensor b, wk_convolve_mode mode);

#ifdef __cplusplus
}
#endif
#endif
