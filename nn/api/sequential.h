/* Layers one after another. Part of nn/nn.h. */
#ifndef WK_NN_SEQUENTIAL_H
#define WK_NN_SEQUENTIAL_H

#include "convolution.h"
#include "dropout.h"
#include "norms.h"
#include "transformer.h"

#ifdef __cplusplus
extern "C" {
#endif

/* One of them: run(c, layer, x). The layer must outlive its stage. */
struct wk_stage {
    wk_tensor (*run)(wk_ctx *c, const void *layer, wk_tensor x);
    const void *layer;
};
/* What may stand in a sequence; for others fill in the struct. An encoder layer runs without masks. */
WK_API struct wk_stage wk_linear_stage(const struct wk_linear *l);
WK_API struct wk_stage wk_embedding_stage(const struct wk_embedding *l);
WK_API struct wk_stage wk_norm_stage(const struct wk_norm *l);
WK_API struct wk_stage wk_group_norm_stage(const struct wk_group_norm *l);
WK_API struct wk_stage wk_batch_norm_stage(const struct wk_channel_norm *l);
WK_API struct wk_stage wk_dropout_stage(const struct wk_dropout *l);
WK_API struct wk_stage wk_conv_stage(const struct wk_conv *l);
WK_API struct wk_stage wk_pool_stage(const struct wk_pool *l);
WK_API struct wk_stage wk_upsample_stage(const struct wk_upsample *l);
WK_API struct wk_stage wk_mlp_stage(const struct wk_mlp *l);
WK_API struct wk_stage wk_feed_forward_stage(const struct wk_feed_forward *l);
WK_API struct wk_stage wk_encoder_layer_stage(const struct wk_encoder_layer *l);
/* Functions of one tensor: wk_op_stage(&(wk_op_of_one){wk_relu}); and x [N, ..] as [N, -1]. */
typedef struct wk_op_of_one {
    wk_tensor (*op)(wk_ctx *c, wk_tensor x);
} wk_op_of_one;
WK_API struct wk_stage wk_op_stage(const wk_op_of_one *op);
WK_API struct wk_stage wk_flatten_stage(void);

WK_API wk_tensor wk_sequential(wk_ctx *c, int n, const struct wk_stage *stages, wk_tensor x);

#ifdef __cplusplus
}
#endif
#endif
