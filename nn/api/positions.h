/* Positions other than rotary ones, and the bilinear layer. Part of nn/nn.h. */
#ifndef WK_NN_POSITIONS_H
#define WK_NN_POSITIONS_H

#include "layers.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Learned: row from + t of the table [n, dim] is added to x [.., T, dim] (GPT-2, BERT). */
WK_API wk_tensor wk_learned_positions(wk_ctx *c, const struct wk_embedding *e, wk_tensor x, int64_t from);

/* Sines and cosines [n, dim] of positions from 0 (arXiv:1706.03762, 3.5): of angles p / base^(2 i / dim) in
 * turns, sine at 2 i and cosine at 2 i + 1; or all sines, then all cosines, of p / base^(i / (dim / 2 - 1))
 * (tensor2tensor, Whisper). dim is even. */
typedef enum wk_sinusoid_layout { WK_SINUSOIDS_IN_TURNS, WK_SINUSOIDS_IN_HALVES } wk_sinusoid_layout;
WK_API wk_tensor wk_sinusoids(wk_ctx *c, int64_t n, int64_t dim, double base, wk_sinusoid_layout layout,
                              wk_dtype t);

/* ALiBi (arXiv:2108.12409): slopes [heads] f32; and the bias to be added to scores, -slope * |distance|,
 * [heads, T, S], of queries from position `from` on. */
WK_API wk_tensor wk_alibi_slopes(wk_ctx *c, int64_t heads);
WK_API wk_tensor wk_alibi_bias(wk_ctx *c, int64_t heads, int64_t T, int64_t S, int64_t from);

/* T5's bias by buckets of distances (arXiv:1910.10683). */
struct wk_relative_bias {
    wk_tensor weight; /* [buckets, heads] */
    int64_t   max_distance;
    bool      bidirectional; /* keys after the query have buckets of their own */
};
WK_API struct wk_relative_bias wk_relative_bias_load(wk_params p, const char *name, int64_t buckets,
                                                     int64_t heads, int64_t max_distance, bool bidirectional);
/* [heads, T, S], as a mask for attention. */
WK_API wk_tensor wk_relative_bias(wk_ctx *c, const struct wk_relative_bias *b, int64_t T, int64_t S,
                                  int64_t from);

/* y[o] = a^T W[o] b + bias[o] (torch.nn.Bilinear); a [.., in1], b [.., in2]. */
struct wk_bilinear {
    wk_tensor weight, bias; /* [out, in1, in2]; [out] or WK_NONE */
};
WK_API struct wk_bilinear wk_bilinear_load(wk_params p, const char *name, int64_t in1, int64_t in2,
                                           int64_t out, bool bias);
WK_API wk_tensor          wk_bilinear(wk_ctx *c, const struct wk_bilinear *l, wk_tensor a, wk_tensor b);

#ifdef __cplusplus
}
#endif
#endif
