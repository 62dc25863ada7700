/* Attention in all its forms beyond wk_attention. Part of nn/nn.h. */
#ifndef WK_NN_ATTENTION_H
#define WK_NN_ATTENTION_H

#include "layers.h"

#ifdef __cplusplus
extern "C" {
#endif

/* softmax(scale q k^T + mask) v as PyTorch's function of this name: q [.., T, d], k [.., S, d], v [.., S, dv];
 * with a dim of heads before T, q may have a multiple of k's (grouped and multi-query). Runs as wk_attend
 * where neither weights nor dropout are wanted. A query that sees no key gives 0. */
typedef struct wk_sdpa_opts {
    double    scale;   /* 0: 1 / sqrt(d) */
    wk_tensor mask;    /* bool (true: seen) or real (added), broadcast to [.., T, S]; WK_NONE or NULL */
    bool      causal;  /* query t sees keys 0 .. t, as PyTorch has it where T and S differ */
    int64_t   window;  /* ... and of them the last ones, itself included; 0: all */
    double    softcap; /* scores become softcap * tanh(score / softcap); 0: off */
    double    dropout; /* of the weights, while wk_training */
    wk_tensor sinks;   /* [H] or [1]: a score per head that takes its share and gives nothing (GPT-OSS) */
} wk_sdpa_opts;
/* *weights, unless it is NULL: the weights after dropout, [.., T, S]. */
WK_API wk_tensor wk_scaled_dot_product_attention(wk_ctx *c, wk_tensor q, wk_tensor k, wk_tensor v,
                                                 wk_sdpa_opts o, wk_tensor *weights);

/* Which blocks of keys (columns) the blocks of queries (rows) see; block queries and keys each, the last
 * ones of T and S maybe fewer. */
typedef struct wk_block_layout {
    int64_t     block, rows, columns;
    const bool *seen; /* [rows * columns] */
} wk_block_layout;
/* Fills seen with a pattern: `near` blocks to each side, the first `global` ones as rows and as columns, each
 * `step`-th column (0: none); causal: nothing above the diagonal (arXiv:1904.10509, 2004.05150, 2007.14062). */
WK_API void wk_block_pattern(bool *seen, int64_t rows, int64_t columns, int64_t near_blocks, int64_t global,
                             int64_t step, bool causal);
/* Attention over the blocks that are seen, with work in proportion to them. q, k, v, scale, softcap, causal as
 * above; of the options no others. */
WK_API wk_tensor wk_block_sparse_attention(wk_ctx *c, wk_tensor q, wk_tensor k, wk_tensor v,
                                           wk_block_layout layout, wk_sdpa_opts o);

/* torch.nn.MultiheadAttention (arXiv:1706.03762). */
struct wk_multihead {
    wk_tensor        in_weight; /* [3 dim, dim] of q, k and v one after another; or WK_NONE */
    wk_tensor        q_weight, k_weight, v_weight; /* and these where k's or v's size differs */
    wk_tensor        in_bias;                      /* [3 dim] or WK_NONE */
    wk_tensor        bias_k, bias_v;               /* one more key and value: [1, 1, dim] or WK_NONE */
    struct wk_linear out;
    int64_t          dim, heads;
    double           dropout;
    bool             add_zero;    /* one more key and value of zeros */
    bool             batch_first; /* [N, T, dim], not [T, N, dim] */
};
typedef struct wk_multihead_opts {
    int64_t dim, heads, key_dim, value_dim; /* 0: dim */
    double  dropout;
    bool    no_bias, bias_kv, add_zero, batch_first;
} wk_multihead_opts;
WK_API struct wk_multihead wk_multihead_load(wk_params p, const char *name, wk_multihead_opts o);
typedef struct wk_multihead_masks {
    wk_tensor keys;     /* key_padding_mask [N, S]: bool (true: left out) or real (added) */
    wk_tensor scores;   /* attn_mask [T, S] or [N heads, T, S]: likewise */
    bool      causal;   /* key s is left out of query t < s */
    bool      per_head; /* weights not averaged over heads */
} wk_multihead_masks;
/* q [N, T, dim], k [N, S, key_dim], v [N, S, value_dim], laid out as batch_first says, or without N. *weights,
 * unless it is NULL: [N, T, S], or [N, heads, T, S]. */
WK_API wk_tensor wk_multihead(wk_ctx *c, const struct wk_multihead *m, wk_tensor q, wk_tensor k, wk_tensor v,
                              wk_multihead_masks masks, wk_tensor *weights);

#ifdef __cplusplus
}
#endif
#endif
