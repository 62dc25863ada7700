/* Pooling over one to three dims. Part of core/wick.h. */
#ifndef WK_API_POOL_H
#define WK_API_POOL_H

#include "../types.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Entries are outermost first: the 2d functions read two of each. Zeros are PyTorch's defaults. In kernel,
 * stride and dilation, where 0 says nothing, entries left out are as the first: .kernel = {3} is 3 along each
 * dim. Not so in padding: in two dims {1} pads the rows, {1, 1} all sides. */
typedef struct wk_pool_opts {
    int64_t kernel[3];
    int64_t stride[3];   /* 0: as the first, else as the kernel */
    int64_t padding[3];  /* before and after, at most half of the kernel */
    int64_t dilation[3]; /* max_pool alone; 0: as the first, else 1 */
    bool    ceil;        /* the last window may reach over the end */
    bool    exclude_pad; /* avg_pool: padding does not count (count_include_pad=False) */
    int64_t divisor;     /* avg_pool: divides by this (divisor_override); 0: by the window's size */
} wk_pool_opts;

/* x [N, C, ..] or [C, ..], real or of integers. Largest value of each window, NaN wins; *indices, unless it
 * is NULL, gets the places of the values, i64, counted over the dims that are pooled. */
WK_API wk_tensor wk_max_pool1d(wk_ctx *c, wk_tensor x, wk_pool_opts o, wk_tensor *indices);
WK_API wk_tensor wk_max_pool2d(wk_ctx *c, wk_tensor x, wk_pool_opts o, wk_tensor *indices);
WK_API wk_tensor wk_max_pool3d(wk_ctx *c, wk_tensor x, wk_pool_opts o, wk_tensor *indices);
WK_API wk_tensor wk_avg_pool1d(wk_ctx *c, wk_tensor x, wk_pool_opts o);
WK_API wk_tensor wk_avg_pool2d(wk_ctx *c, wk_tensor x, wk_pool_opts o);
WK_API wk_tensor wk_avg_pool3d(wk_ctx *c, wk_tensor x, wk_pool_opts o);
/* (sum of x^p)^(1/p) over each window; real dtypes. */
WK_API wk_tensor wk_lp_pool1d(wk_ctx *c, wk_tensor x, double p, wk_pool_opts o);
WK_API wk_tensor wk_lp_pool2d(wk_ctx *c, wk_tensor x, double p, wk_pool_opts o);
WK_API wk_tensor wk_lp_pool3d(wk_ctx *c, wk_tensor x, double p, wk_pool_opts o);
/* Windows that cut x into out.dim[0] x .. parts; an entry of 0 keeps the size. */
WK_API wk_tensor wk_adaptive_avg_pool1d(wk_ctx *c, wk_tensor x, wk_shape out);
WK_API wk_tensor wk_adaptive_avg_pool2d(wk_ctx *c, wk_tensor x, wk_shape out);
WK_API wk_tensor wk_adaptive_avg_pool3d(wk_ctx *c, wk_tensor x, wk_shape out);
WK_API wk_tensor wk_adaptive_max_pool1d(wk_ctx *c, wk_tensor x, wk_shape out, wk_tensor *indices);
WK_API wk_tensor wk_adaptive_max_pool2d(wk_ctx *c, wk_tensor x, wk_shape out, wk_tensor *indices);
WK_API wk_tensor wk_adaptive_max_pool3d(wk_ctx *c, wk_tensor x, wk_shape out, wk_tensor *indices);
/* Zeros, but x at the places `indices` (of x's shape) that max_pool gave. size: of the pooled dims of the
 * result; without dims (ndim 0) it follows from the options. A place outside of it is WK_EINDEX. */
WK_API wk_tensor wk_max_unpool1d(wk_ctx *c, wk_tensor x, wk_tensor indices, wk_pool_opts o, wk_shape size);
WK_API wk_tensor wk_max_unpool2d(wk_ctx *c, wk_tensor x, wk_tensor indices, wk_pool_opts o, wk_shape size);
WK_API wk_tensor wk_max_unpool3d(wk_ctx *c, wk_tensor x, wk_tensor indices, wk_pool_opts o, wk_shape size);

typedef struct wk_fractional_opts {
    int64_t   kernel[3]; /* outermost first */
    int64_t   size[3];   /* of the result; 0: ratio of x's size, rounded down */
    double    ratio[3];  /* in (0, 1) */
    wk_tensor samples;   /* real [N, C, dims] in [0, 1); NULL or WK_NONE: drawn from c's generator */
} wk_fractional_opts;
/* max_pool of x [N, C, ..] or [C, ..], real, by windows that begin at uneven places (arXiv:1412.6071), which
 * a sample of each channel and dim decides: window i of n begins at floor((i + s) a) - floor(s a), a = (size
 * of x - kernel) / (n - 1), the last at the end. samples[.., 0] is the innermost dim's in 2d, the outermost's
 * in 3d, as PyTorch has them. The gradient goes to the places. */
WK_API wk_tensor wk_fractional_max_pool2d(wk_ctx *c, wk_tensor x, wk_fractional_opts o, wk_tensor *indices);
WK_API wk_tensor wk_fractional_max_pool3d(wk_ctx *c, wk_tensor x, wk_fractional_opts o, wk_tensor *indices);

#ifdef __cplusplus
}
#endif
#endif
