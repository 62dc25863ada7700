/* Norms over channels, batches and instances. Part of nn/nn.h. x is [N, C, ..]. */
#ifndef WK_NN_NORMS_H
#define WK_NN_NORMS_H

#include "params.h"

#ifdef __cplusplus
extern "C" {
#endif

struct wk_group_norm {
    wk_tensor weight, bias; /* [C], or WK_NONE */
    int64_t   groups, channels;
    double    eps;
};
/* Each of the groups of channels has mean 0 and variance 1 (arXiv:1803.08494). affine: weight and bias. */
WK_API struct wk_group_norm wk_group_norm_load(wk_params p, const char *name, int64_t groups,
                                               int64_t channels, double eps, bool affine);
WK_API wk_tensor            wk_group_norm(wk_ctx *c, const struct wk_group_norm *n, wk_tensor x);

/* What batch and instance norm keep: PyTorch's names and defaults. */
struct wk_channel_norm {
    wk_tensor weight, bias;              /* [C], or WK_NONE */
    wk_tensor running_mean, running_var; /* [C], or WK_NONE: statistics of the input always */
    wk_tensor num_batches_tracked;       /* i64, 0-d: batches a batch norm has seen */
    double    eps, momentum;
    bool cumulative; /* running statistics are plain means over all batches (momentum=None); of batch norm */
};
typedef struct wk_channel_norm_opts {
    double eps;        /* 0: 1e-5; negative: none */
    double momentum;   /* 0: 0.1; negative: none, the running statistics stay as they are */
    bool   cumulative; /* instead of momentum */
    bool   plain;      /* no weight, no bias: the default of an instance norm (affine=False) */
    bool   untracked;  /* no running statistics: likewise (track_running_stats=False) */
} wk_channel_norm_opts;
WK_API struct wk_channel_norm wk_channel_norm_load(wk_params p, const char *name, int64_t channels,
                                                   wk_channel_norm_opts o);
/* Batch norm (arXiv:1502.03167) of x [N, C] or [N, C, ..]: while wk_training, by mean and variance of x over
 * all dims but the channels, which also move the running ones (in place); else by the running ones. */
WK_API wk_tensor wk_batch_norm(wk_ctx *c, const struct wk_channel_norm *n, wk_tensor x);
/* Instance norm (arXiv:1607.08022) of x [N, C, ..] over `dims` (1 to 3) dims; or of one x [C, ..]. Statistics
 * of each instance and channel, but for the running ones outside of training. */
WK_API wk_tensor wk_instance_norm(wk_ctx *c, const struct wk_channel_norm *n, wk_tensor x, int dims);

#ifdef __cplusplus
}
#endif
#endif
