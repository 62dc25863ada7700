/* Lookups that leave padding out, sums of looked-up rows, sequences of several lengths, norms over
 * neighbouring channels: torch.nn.functional's. Part of core/wick.h. */
#ifndef WK_API_BAGS_H
#define WK_API_BAGS_H

#include "../types.h"

#ifdef __cplusplus
extern "C" {
#endif

/* wk_embedding_rows, but row `padding` of the table (negative: from the end; outside of it WK_EINDEX) gets no
 * gradient. */
WK_API wk_tensor wk_embedding_padded(wk_ctx *c, wk_tensor table, wk_tensor tokens, int64_t padding);

typedef enum wk_bag_mode { WK_BAG_SUM, WK_BAG_MEAN, WK_BAG_MAX } wk_bag_mode;
typedef struct wk_bag_opts {
    wk_bag_mode mode;
    wk_tensor   weights;     /* of tokens' shape, with WK_BAG_SUM alone; NULL or WK_NONE: ones */
    bool        has_padding; /* tokens that are `padding` (negative: from the end) do not count */
    int64_t     padding;
    bool        last_offset; /* offsets end with the number of tokens, which begins no bag */
} wk_bag_opts;
/* Rows of table [n, d] (real) for tokens (i32, i64), summed, averaged, or the largest of each column, bag by
 * bag: [bags, d]. tokens [bags, size] with offsets WK_NONE; or [m], bag i beginning at offsets[i], ascending
 * from 0. An empty bag is 0. */
WK_API wk_tensor wk_embedding_bag(wk_ctx *c, wk_tensor table, wk_tensor tokens, wk_tensor offsets,
                                  wk_bag_opts o);

/* n tensors [L_i, ..] of one dtype and equal dims behind, filled up with value at the end (or, left, in
 * front) to the longest: [L, n, ..], or with batch_first [n, L, ..]. */
WK_API wk_tensor wk_pad_sequence(wk_ctx *c, int n, const wk_tensor *x, bool batch_first, double value,
                                 bool left);

/* x / (k + alpha s)^beta, s the mean of x^2 over `size` channels around each, zeros beyond the ends; x
 * [N, C, ..] of three dims or more (PyTorch: alpha 1e-4, beta 0.75, k 1). As in PyTorch integers give f32,
 * of a mean rounded towards zero. */
WK_API wk_tensor wk_local_response_norm(wk_ctx *c, wk_tensor x, int64_t size, double alpha, double beta,
                                        double k);

#ifdef __cplusplus
}
#endif
#endif
