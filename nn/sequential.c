/* Layers one after another, each behind a function of one shape. */
#include "layers.h"

#define STAGE(name, type, verb)                                                                              \
    static wk_tensor run_##name(wk_ctx *c, const void *layer, wk_tensor x)                                   \
    {                                                                                                        \
        return verb;                                                                                         \
    }                                                                                                        \
    struct wk_stage wk_##name##_stage(const type *l)                                                         \
    {                                                                                                        \
        return (struct wk_stage){run_##name, l};                                                             \
    }

STAGE(linear, struct wk_linear, wk_linear(c, layer, x))
STAGE(embedding, struct wk_embedding, wk_embedding(c, layer, x))
STAGE(norm, struct wk_norm, wk_norm(c, layer, x))
STAGE(group_norm, struct wk_group_norm, wk_group_norm(c, layer, x))
STAGE(batch_norm, struct wk_channel_norm, wk_batch_norm(c, layer, x))
STAGE(dropout, struct wk_dropout, wk_dropout(c, layer, x))
STAGE(conv, struct wk_conv, wk_conv(c, layer, x))
STAGE(pool, struct wk_pool, wk_pool(c, layer, x))
STAGE(upsample, struct wk_upsample, wk_upsample(c, layer, x))
STAGE(mlp, struct wk_mlp, wk_mlp(c, layer, x))
STAGE(feed_forward, struct wk_feed_forward, wk_feed_forward(c, layer, x))
STAGE(encoder_layer, struct wk_encoder_layer,
      wk_encoder_layer(c, layer, x, (wk_multihead_masks){.keys = WK_NONE}))
STAGE(op, wk_op_of_one, ((const wk_op_of_one *)layer)->op(c, x))

static wk_tensor run_flatten(wk_ctx *c, const void *layer, wk_tensor x)
{
    (void)layer;
    return x->ndim > 2 ? wk_flatten(c, x, 1, -1) : x;
}

struct wk_stage wk_flatten_stage(void)
{
    return (struct wk_stage){run_flatten, NULL};
}

wk_tensor wk_sequential(wk_ctx *c, int n, const struct wk_stage *stages, wk_tensor x)
{
    for (int i = 0; i < n && wk_ctx_status(c) == WK_OK; i++) {
        const wk_scope s = wk_scope_begin(c);
        x = wk_scope_end(c, s, stages[i].run(c, stages[i].layer, x));
    }
    return wk_ctx_status(c) == WK_OK ? x : WK_NONE;
}
