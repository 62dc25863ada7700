/* Norms over groups of channels, batches and instances: torch.nn.functional's. Part of core/wick.h. x is
 * [N, C, ..], real; weights and statistics are [C], real, and may be wider than x; the result has x's shape
 * and dtype, rounded once. The layers over them, which keep statistics, are in nn/api/norms.h. */
#ifndef WK_API_NORMS_H
#define WK_API_NORMS_H

#include "../types.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Each of `groups` equal groups of channels has mean 0 and variance 1 (arXiv:1803.08494), then times weight,
 * plus bias, where they are not WK_NONE. groups that do not divide C are WK_EARG. */
WK_API wk_tensor wk_norm_groups(wk_ctx *c, wk_tensor x, int64_t groups, wk_tensor weight, wk_tensor bias,
                                double eps);

typedef struct wk_norm_opts {
    wk_tensor weight, bias;              /* NULL or WK_NONE: none; so with all tensors here */
    wk_tensor running_mean, running_var; /* both or none */
    bool      own;   /* by x's statistics, which also move the running ones; else by the running ones */
    double momentum; /* running += momentum (now - running), in place, off the tape; 0: 0.1, negative: none */
    wk_tensor factor; /* instead of momentum: 0-d, real */
} wk_norm_opts;
/* (x - mean) / sqrt(var + eps) weight + bias, mean and variance over all dims but the channels
 * (arXiv:1502.03167): torch.nn.functional.batch_norm, own being its `training`. The running variance is moved
 * to the unbiased one. Own statistics want more than one value per channel, else WK_ESHAPE; x without values
 * comes back as it is, and moves none. */
WK_API wk_tensor wk_norm_batch(wk_ctx *c, wk_tensor x, double eps, wk_norm_opts o);
/* The same for each instance by itself, x of three dims or more (arXiv:1607.08022): instance_norm, own being
 * its `use_input_stats`. The running statistics are moved to the means over instances. */
WK_API wk_tensor wk_norm_instances(wk_ctx *c, wk_tensor x, double eps, wk_norm_opts o);

#ifdef __cplusplus
}
#endif
#endif
