/* Multi-head latent attention (DeepSeek V2, arXiv:2405.04434). Part of nn/nn.h. */
#ifndef WK_NN_LATENT_H
#define WK_NN_LATENT_H

#include "layers.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Keys and values of all heads are made of one short row for each position, and only that row and one turned
 * key for all heads are cached. */
struct wk_latent_attention {
    struct wk_linear q;          /* [heads * (plain_dim + turned_dim), dim], or by way of a shorter row: */
    struct wk_linear q_a, q_b;   /* [q_rank, dim] and [heads * .., q_rank] */
    struct wk_norm   q_norm;     /* between them */
    struct wk_linear kv_a, kv_b; /* [kv_rank + turned_dim, dim], [heads * (plain_dim + value_dim), kv_rank] */
    struct wk_norm   kv_norm;
    struct wk_linear o;
    struct wk_rotary rotary; /* of turned_dim */
    int64_t          heads, plain_dim, turned_dim, value_dim, kv_rank;
    double           scale; /* 0: 1 / sqrt(plain_dim + turned_dim) */
};
typedef struct wk_latent_opts {
    int64_t          dim, heads, q_rank, kv_rank; /* q_rank 0: queries straight from x */
    int64_t          plain_dim, turned_dim, value_dim;
    double           eps, scale;
    bool             bias; /* of q_a_proj, kv_a_proj_with_mqa and o_proj */
    struct wk_rotary rotary;
} wk_latent_opts;
/* Hugging Face's names: q_proj or q_a_proj, q_a_layernorm, q_b_proj; kv_a_proj_with_mqa, kv_a_layernorm,
 * kv_b_proj; o_proj. */
WK_API struct wk_latent_attention wk_latent_attention_load(wk_params p, const char *name, wk_latent_opts o);
/* As wk_attention. A layer of a cache of one head, kv_rank + turned_dim to a key and no values (value_dim 0),
 * is read as it is: kv_b is folded into queries and results. */
WK_API wk_tensor wk_latent_attention(wk_ctx *c, const struct wk_latent_attention *a, wk_tensor x,
                                     wk_tensor positions, const struct wk_kv *kv, wk_tensor start);

#ifdef __cplusplus
}
#endif
#endif
