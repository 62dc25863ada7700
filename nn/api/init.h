/* First values of parameters. Part of nn/nn.h. */
#ifndef WK_NN_INIT_H
#define WK_NN_INIT_H

#include "../../core/wick.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Fans of a weight [out, in, ..]: in and out, each times the sizes that follow. They need two dims at least
 * (else WK_ESHAPE). */
typedef enum wk_init_kind {
    WK_INIT_FULL,             /* a */
    WK_INIT_UNIFORM,          /* [a, b) */
    WK_INIT_NORMAL,           /* mean a, deviation b */
    WK_INIT_TRUNCATED_NORMAL, /* ... of which only values in [low, high] are taken */
    WK_INIT_XAVIER_UNIFORM,   /* gain a (0: 1), by both fans (Glorot, Bengio; AISTATS 2010) */
    WK_INIT_XAVIER_NORMAL,
    WK_INIT_KAIMING_UNIFORM, /* gain a (0: the one of relu), by one fan (arXiv:1502.01852) */
    WK_INIT_KAIMING_NORMAL,
    WK_INIT_ORTHOGONAL, /* gain a (0: 1): rows or columns at right angles (arXiv:1312.6120) */
    WK_INIT_EYE,        /* ones on the diagonal of two dims */
    WK_INIT_DIRAC,      /* a convolution that hands its channels on, in each of `groups` */
    WK_INIT_SPARSE      /* a: share of zeros in each column of two dims; the rest normal, deviation b */
} wk_init_kind;
typedef struct wk_init {
    wk_init_kind kind;
    double       a, b, low, high;
    bool         fan_out; /* kaiming: keep the size of gradients, not of values */
    int64_t      groups;  /* dirac; 0: 1 */
} wk_init;
/* A tensor of such values, from c's generator. */
WK_API wk_tensor wk_initial(wk_ctx *c, wk_dtype t, wk_shape shape, wk_init how);
/* The gain for a function by PyTorch's name: linear, conv2d, sigmoid 1; tanh 5/3; relu sqrt(2); leaky_relu
 * with a slope; selu 3/4. NaN: not known. */
WK_API double wk_init_gain(const char *function, double slope);

#ifdef __cplusplus
}
#endif
#endif
