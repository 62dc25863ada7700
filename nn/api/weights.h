/* Weights made of other parameters: torch.nn.utils.parametrizations'. Part of nn/nn.h. The tensor that comes
 * out is a layer's weight for one forward: struct wk_linear l = {.weight = wk_weight_norm(c, &n)}. */
#ifndef WK_NN_WEIGHTS_H
#define WK_NN_WEIGHTS_H

#include "params.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Length and direction apart (arXiv:1602.07868): g v / |v|, each slice of v at an index of dim by itself. */
struct wk_weight_norm {
    wk_tensor g, v; /* g: what wk_norm_except gives for v's shape; v: the weight's shape, real */
    int       dim;  /* -1: v as a whole (PyTorch's dim=None) */
};
/* Parameters NAME.parametrizations.WHAT.original0 (g) and original1 (v); what: "weight" of most layers. Fresh
 * ones give the weight that a layer would begin with. A dim outside of -1 .. ndim - 1 is WK_EINDEX. */
WK_API struct wk_weight_norm wk_weight_norm_load(wk_params p, const char *name, const char *what,
                                                 wk_shape shape, int dim);
WK_API wk_tensor             wk_weight_norm(wk_ctx *c, const struct wk_weight_norm *n);
/* Euclidean norms over all dims but dim: v's shape with 1 elsewhere; for dim -1 over all, 0-d. */
WK_API wk_tensor wk_norm_except(wk_ctx *c, wk_tensor v, int dim);

/* The weight over its largest singular value (arXiv:1802.05957), which the power method approaches: u and v
 * move on in place with each call while wk_training, and stay otherwise. */
struct wk_spectral_norm {
    wk_tensor weight;     /* seen as a matrix [n, the rest], n the size of dim; of one dim: over its norm */
    wk_tensor u, v;       /* [n], [the rest]: near the singular vectors; WK_NONE for a weight of one dim */
    int       dim;        /* 0; PyTorch has 1 for transposed convolutions */
    int       iterations; /* of each call */
    double    eps;        /* least norm that is divided by */
};
typedef struct wk_spectral_norm_opts {
    int    dim;
    int    iterations; /* 0: 1 */
    double eps;        /* 0: 1e-12 */
} wk_spectral_norm_opts;
/* Parameter NAME.parametrizations.WHAT.original, buffers NAME.parametrizations.WHAT.0._u and _v; fresh ones
 * have 15 iterations behind them. */
WK_API struct wk_spectral_norm wk_spectral_norm_load(wk_params p, const char *name, const char *what,
                                                     wk_shape shape, wk_spectral_norm_opts o);
WK_API wk_tensor               wk_spectral_norm(wk_ctx *c, const struct wk_spectral_norm *n);

#ifdef __cplusplus
}
#endif
#endif
