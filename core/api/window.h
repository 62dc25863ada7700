/* Window functions. Part of core/wick.h. */
#ifndef WK_API_WINDOW_H
#define WK_API_WINDOW_H

#include "../types.h"

#ifdef __cplusplus
extern "C" {
#endif

/* [n] of a real dtype t, computed in f64. Symmetric, or with periodic one period of what the next n values
 * would repeat (what stft wants): torch.hann_window and its like are periodic unless told otherwise,
 * torch.signal.windows symmetric. */
WK_API wk_tensor wk_hann_window(wk_ctx *c, int64_t n, bool periodic, wk_dtype t);
WK_API wk_tensor wk_hamming_window(wk_ctx *c, int64_t n, bool periodic, wk_dtype t);
WK_API wk_tensor wk_blackman_window(wk_ctx *c, int64_t n, bool periodic, wk_dtype t);
WK_API wk_tensor wk_nuttall_window(wk_ctx *c, int64_t n, bool periodic, wk_dtype t);
WK_API wk_tensor wk_bartlett_window(wk_ctx *c, int64_t n, bool periodic, wk_dtype t); /* a triangle */
WK_API wk_tensor wk_cosine_window(wk_ctx *c, int64_t n, bool periodic, wk_dtype t);   /* half a sine */
/* alpha - (1 - alpha) cos: alpha is 0.5 for hann, 0.54 for hamming. */
WK_API wk_tensor wk_general_hamming_window(wk_ctx *c, int64_t n, double alpha, bool periodic, wk_dtype t);
/* a[0] - a[1] cos(x) + a[2] cos(2 x) - .., count terms. */
WK_API wk_tensor wk_general_cosine_window(wk_ctx *c, int64_t n, int count, const double *a, bool periodic,
                                          wk_dtype t);
/* I0(beta sqrt(1 - x^2)) / I0(beta); beta >= 0 (PyTorch: 12). */
WK_API wk_tensor wk_kaiser_window(wk_ctx *c, int64_t n, double beta, bool periodic, wk_dtype t);
/* exp(-x^2 / (2 deviation^2)), x in places from the middle; deviation > 0 (PyTorch: 1). */
WK_API wk_tensor wk_gaussian_window(wk_ctx *c, int64_t n, double deviation, bool periodic, wk_dtype t);
/* exp(-|x - centre| / tau), tau > 0 (PyTorch: 1). centre NaN: the middle, which symmetric ones must have. */
WK_API wk_tensor wk_exponential_window(wk_ctx *c, int64_t n, double centre, double tau, bool periodic,
                                       wk_dtype t);

#ifdef __cplusplus
}
#endif
#endif
