/* Windows as columns, and channels that become places. Part of core/wick.h. */
#ifndef WK_API_FOLD_H
#define WK_API_FOLD_H

#include "../types.h"

#ifdef __cplusplus
extern "C" {
#endif

/* As in wk_pool_opts: but in padding, an entry left out is as the first. */
typedef struct wk_fold_opts {
    int64_t kernel[2];
    int64_t stride[2];   /* 0: as the first, else 1 */
    int64_t padding[2];  /* zeros before and after */
    int64_t dilation[2]; /* likewise */
} wk_fold_opts;
/* torch.nn.functional.unfold and fold. x [N, C, H, W] or [C, H, W]: the windows of x as columns,
 * [N, C * kernel places, windows]. */
WK_API wk_tensor wk_im2col(wk_ctx *c, wk_tensor x, wk_fold_opts o);
/* The sum of such columns at the places they came from; size: H and W of the result [N, C, H, W]. */
WK_API wk_tensor wk_col2im(wk_ctx *c, wk_tensor x, wk_shape size, wk_fold_opts o);

/* x [.., C r r, H, W]: [.., C, H r, W r], and back. */
WK_API wk_tensor wk_pixel_shuffle(wk_ctx *c, wk_tensor x, int64_t r);
WK_API wk_tensor wk_pixel_unshuffle(wk_ctx *c, wk_tensor x, int64_t r);
/* x [N, C, ..]: channels of `groups` groups in turn. */
WK_API wk_tensor wk_channel_shuffle(wk_ctx *c, wk_tensor x, int64_t groups);

#ifdef __cplusplus
}
#endif
#endif
