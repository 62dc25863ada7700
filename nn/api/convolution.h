/* Convolutions, pooling and resizing as layers. Part of nn/nn.h. */
#ifndef WK_NN_CONVOLUTION_H
#define WK_NN_CONVOLUTION_H

#include "params.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum wk_conv_padding {
    WK_CONV_ZEROS,
    WK_CONV_REFLECT,
    WK_CONV_REPLICATE,
    WK_CONV_CIRCULAR
} wk_conv_padding;
struct wk_conv {
    wk_tensor weight, bias; /* [out, in / groups, ..], transposed [in, out / groups, ..]; [out] or WK_NONE */
    int       dims;
    bool      transposed;
    wk_conv_opts    opts;
    wk_conv_padding padding; /* what stands beyond x's edges */
};
typedef struct wk_conv_load_opts {
    int64_t         in, out, kernel[3]; /* outermost first; {3}: 3 along every dim */
    bool            no_bias, transposed;
    wk_conv_opts    conv;
    wk_conv_padding padding; /* transposed: zeros alone */
} wk_conv_load_opts;
WK_API struct wk_conv wk_conv_load(wk_params p, const char *name, int dims, wk_conv_load_opts o);
/* x [N, in, ..] or [in, ..] with dims dims behind. */
WK_API wk_tensor wk_conv(wk_ctx *c, const struct wk_conv *l, wk_tensor x);
/* A transposed one whose result has these sizes (PyTorch's output_size): of several sizes that x may stem
 * from, this one. */
WK_API wk_tensor wk_conv_to(wk_ctx *c, const struct wk_conv *l, wk_tensor x, wk_shape size);

/* A pooling function with its options. Of WK_POOL_ADAPTIVE ones `size` says the result's. */
typedef enum wk_pool_kind {
    WK_POOL_MAX,
    WK_POOL_AVG,
    WK_POOL_LP,
    WK_POOL_ADAPTIVE_MAX,
    WK_POOL_ADAPTIVE_AVG
} wk_pool_kind;
struct wk_pool {
    wk_pool_kind kind;
    int          dims; /* 1 to 3 */
    wk_pool_opts opts;
    wk_shape     size;
    double       power; /* of WK_POOL_LP */
};
WK_API wk_tensor wk_pool(wk_ctx *c, const struct wk_pool *l, wk_tensor x);

struct wk_upsample { /* torch.nn.Upsample: wk_interpolate with its options */
    wk_resize_opts opts;
};
WK_API wk_tensor wk_upsample(wk_ctx *c, const struct wk_upsample *l, wk_tensor x);

#ifdef __cplusplus
}
#endif
#endif
