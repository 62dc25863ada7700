/* Convolutions over one to three dims. Part of core/wick.h. */
#ifndef WK_API_CONV_H
#define WK_API_CONV_H

#include "../types.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Entries of dims are outermost first: conv2d reads two of each. Zeros are PyTorch's defaults. In stride and
 * dilation, where 0 says nothing, entries left out are as the first: .stride = {2} is 2 along every dim. Not
 * so in the paddings, where 0 is one: in two dims .padding = {1} pads the rows, {1, 1} all sides. */
typedef struct wk_conv_opts {
    int64_t stride[3];         /* 0: as the first, else 1 */
    int64_t padding[3];        /* zeros before and after */
    int64_t dilation[3];       /* likewise */
    int64_t output_padding[3]; /* of the transposed ones: more places at the end */
    int64_t groups;            /* 0: 1 */
    bool    same;              /* pad until the result is as large as x; an odd zero goes to the end */
} wk_conv_opts;

/* x [N, C, ..] or [C, ..], w [O, C / groups, ..], bias [O] or WK_NONE, all of one dtype: [N, O, ..]. Real
 * dtypes and integers; halves are summed in f32. */
WK_API wk_tensor wk_conv1d(wk_ctx *c, wk_tensor x, wk_tensor w, wk_tensor bias, wk_conv_opts o);
WK_API wk_tensor wk_conv2d(wk_ctx *c, wk_tensor x, wk_tensor w, wk_tensor bias, wk_conv_opts o);
WK_API wk_tensor wk_conv3d(wk_ctx *c, wk_tensor x, wk_tensor w, wk_tensor bias, wk_conv_opts o);
/* The gradient of a convolution for its input, as an op: x [N, C, ..] or [C, ..], w [C, O / groups, ..],
 * bias [O] or WK_NONE. */
WK_API wk_tensor wk_conv_transpose1d(wk_ctx *c, wk_tensor x, wk_tensor w, wk_tensor bias, wk_conv_opts o);
WK_API wk_tensor wk_conv_transpose2d(wk_ctx *c, wk_tensor x, wk_tensor w, wk_tensor bias, wk_conv_opts o);
WK_API wk_tensor wk_conv_transpose3d(wk_ctx *c, wk_tensor x, wk_tensor w, wk_tensor bias, wk_conv_opts o);

#ifdef __cplusplus
}
#endif
#endif
