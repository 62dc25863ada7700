/* Feed-forward, encoder and decoder layers as PyTorch's transformer has them. Part of nn/nn.h. */
#ifndef WK_NN_TRANSFORMER_H
#define WK_NN_TRANSFORMER_H

#include "attention.h"

#ifdef __cplusplus
extern "C" {
#endif

/* linear2(dropout(act(linear1 x))); gated: linear1 gives act's operand and a factor side by side
 * (arXiv:2002.05202). glu, reglu, geglu, swiglu are WK_ACT_SIGMOID, _RELU, _GELU, _SILU, gated. */
struct wk_feed_forward {
    struct wk_linear linear1, linear2; /* [hidden or 2 hidden, dim], [dim, hidden] */
    double           dropout;
    int              act; /* enum wk_activation */
    bool             gated;
};
typedef struct wk_feed_forward_opts {
    int64_t dim, hidden; /* 0: 4 dim */
    double  dropout;
    int     act;
    bool    gated, no_bias;
} wk_feed_forward_opts;
WK_API struct wk_feed_forward wk_feed_forward_load(wk_params p, const char *name, wk_feed_forward_opts o);
WK_API wk_tensor              wk_feed_forward(wk_ctx *c, const struct wk_feed_forward *f, wk_tensor x);

typedef struct wk_transformer_opts {
    int64_t dim, heads, hidden; /* hidden 0: 2048, PyTorch's */
    double  dropout, eps;       /* eps 0: 1e-5, negative: none */
    int     act;
    bool    gated, norm_first, batch_first, no_bias;
    int64_t layers;     /* of a stack */
    bool    final_norm; /* a norm after it */
} wk_transformer_opts;

struct wk_encoder_layer {
    struct wk_multihead    self_attn;
    struct wk_feed_forward ff;
    struct wk_norm         norm1, norm2;
    double                 dropout;
    bool                   norm_first;
};
WK_API struct wk_encoder_layer wk_encoder_layer_load(wk_params p, const char *name, wk_transformer_opts o);
WK_API wk_tensor               wk_encoder_layer(wk_ctx *c, const struct wk_encoder_layer *l, wk_tensor x,
                                                wk_multihead_masks masks);

struct wk_decoder_layer {
    struct wk_multihead    self_attn, multihead_attn; /* the second one looks at the encoder's results */
    struct wk_feed_forward ff;
    struct wk_norm         norm1, norm2, norm3;
    double                 dropout;
    bool                   norm_first;
};
WK_API struct wk_decoder_layer wk_decoder_layer_load(wk_params p, const char *name, wk_transformer_opts o);
WK_API wk_tensor wk_decoder_layer(wk_ctx *c, const struct wk_decoder_layer *l, wk_tensor x, wk_tensor memory,
                                  wk_multihead_masks self, wk_multihead_masks cross);

/* Stacks: layers.0, layers.1, .. and norm. The array of layers is theirs: free it. */
struct wk_encoder_stack {
    struct wk_encoder_layer *layers;
    int64_t                  n_layers;
    struct wk_norm           norm; /* weight WK_NONE: none */
};
WK_API struct wk_encoder_stack wk_encoder_stack_load(wk_params p, const char *name, wk_transformer_opts o);
WK_API void                    wk_encoder_stack_free(struct wk_encoder_stack *e);
WK_API wk_tensor               wk_encoder_stack(wk_ctx *c, const struct wk_encoder_stack *e, wk_tensor x,
                                                wk_multihead_masks masks);
struct wk_decoder_stack {
    struct wk_decoder_layer *layers;
    int64_t                  n_layers;
    struct wk_norm           norm;
};
WK_API struct wk_decoder_stack wk_decoder_stack_load(wk_params p, const char *name, wk_transformer_opts o);
WK_API void                    wk_decoder_stack_free(struct wk_decoder_stack *d);
WK_API wk_tensor wk_decoder_stack(wk_ctx *c, const struct wk_decoder_stack *d, wk_tensor x, wk_tensor memory,
                                  wk_multihead_masks self, wk_multihead_masks cross);
/* torch.nn.Transformer is wk_decoder_stack(c, &d, target, wk_encoder_stack(c, &e, source, ..), ..)
 * with final_norm, loaded from "encoder" and "decoder". */

#ifdef __cplusplus
}
#endif
#endif
