/* The layers that every transformer has. Part of nn/nn.h. */
#ifndef WK_NN_LAYERS_H
#define WK_NN_LAYERS_H

#include "kv.h"
#include "params.h"

#ifdef __cplusplus
extern "C" {
#endif

struct wk_linear {
    wk_tensor weight, bias; /* [out, in] of any dtype; [out] or WK_NONE */
};
WK_API struct wk_linear wk_linear_load(wk_params p, const char *name, int64_t in, int64_t out, bool bias);
WK_API wk_tensor        wk_linear(wk_ctx *c, const struct wk_linear *l, wk_tensor x);

struct wk_embedding {
    wk_tensor weight;      /* [n, dim] */
    bool      has_padding; /* row `padding` (negative: from the end) learns nothing from lookups */
    int64_t   padding;     /* PyTorch's padding_idx */
};
WK_API struct wk_embedding wk_embedding_load(wk_params p, const char *name, int64_t n, int64_t dim);
/* The same with padding, a row of the table (else WK_EINDEX), which is 0 among fresh values. */
WK_API struct wk_embedding wk_embedding_load_padded(wk_params p, const char *name, int64_t n, int64_t dim,
                                                    int64_t padding);
WK_API wk_tensor           wk_embedding(wk_ctx *c, const struct wk_embedding *e, wk_tensor tokens);

struct wk_norm {
    wk_tensor weight, bias; /* [dim]; bias WK_NONE where there is none */
    double    eps;
    bool      layer; /* layer norm; else root mean square */
};
WK_API struct wk_norm wk_rms_norm_load(wk_params p, const char *name, int64_t dim, double eps);
WK_API struct wk_norm wk_layer_norm_load(wk_params p, const char *name, int64_t dim, double eps, bool bias);
WK_API wk_tensor      wk_norm(wk_ctx *c, const struct wk_norm *n, wk_tensor x);
/* *x += y; norm(*x) */
WK_API wk_tensor wk_norm_add(wk_ctx *c, const struct wk_norm *n, wk_tensor *x, wk_tensor y);

/* Rotary positions with every published scaling folded into the frequencies. */
struct wk_rotary {
    wk_tensor    inv_freq; /* f32 [dims / 2]; WK_NONE: no rotation */
    wk_rope_opts opts;
    wk_tensor    long_freq; /* instead of inv_freq where more than long_from positions may come: */
    int64_t      long_from; /* the cache's capacity, or T without one; 0: never */
    double       growth;    /* dynamic NTK's factor: for a length L the frequencies are inv_freq times
                             * (growth (L / long_from - 1) + 1) ^ long_freq; 0: they are long_freq */
};
/* From configuration: rope_theta, rope_scaling (none, linear, dynamic NTK, llama3, yarn, longrope), partial
 * rotary factor; a GGUF's rope_freqs.weight divides the frequencies. Layout: set opts.layout afterwards.
 * Dynamic NTK follows the cache's capacity, so that all keys of a cache turn alike: a text of that length
 * gives, in one piece or in steps, what Hugging Face gives for it in one piece. In steps Hugging Face leaves
 * each key as the length had it turned when it came; then the pieces decide about the result. */
WK_API struct wk_rotary wk_rotary_load(wk_params p, int64_t head_dim);

struct wk_attention {
    struct wk_linear q, k, v, o;
    struct wk_norm   q_norm, k_norm; /* weight WK_NONE: none (Qwen3 has them, per head) */
    wk_tensor        sinks;          /* [heads]: scores that take their share and give nothing; or WK_NONE */
    struct wk_rotary rotary;
    int64_t          heads, kv_heads, head_dim;
    int64_t          window;  /* 0: all */
    double           softcap; /* 0: off */
};
struct wk_attention_opts {
    int64_t          dim, heads, kv_heads, head_dim, window;
    bool             bias, out_bias, qk_norm, sinks;
    double           eps, softcap;
    struct wk_rotary rotary;
};
WK_API struct wk_attention wk_attention_load(wk_params p, const char *name, struct wk_attention_opts o);
/* Causal self-attention of x [.., T, dim] at positions [T] (i64). With a layer of a cache, keys and values
 * are appended to it and start tells where. */
WK_API wk_tensor wk_attention(wk_ctx *c, const struct wk_attention *a, wk_tensor x, wk_tensor positions,
                              const struct wk_kv *kv, wk_tensor start);

struct wk_mlp {
    struct wk_linear gate, up, down; /* gate.weight WK_NONE: down(act(up(x))) */
    int              act;            /* enum wk_activation */
};
enum wk_activation { WK_ACT_SILU, WK_ACT_GELU, WK_ACT_GELU_TANH, WK_ACT_RELU, WK_ACT_SIGMOID, WK_ACT_TANH };
WK_API int           wk_activation_find(const char *name); /* a Hugging Face name; -1: unknown */
WK_API struct wk_mlp wk_mlp_load(wk_params p, const char *name, int64_t dim, int64_t hidden, bool gated,
                                 bool bias, int act); /* names gate_proj, up_proj, down_proj */
WK_API wk_tensor     wk_mlp(wk_ctx *c, const struct wk_mlp *m, wk_tensor x);

#ifdef __cplusplus
}
#endif
#endif
