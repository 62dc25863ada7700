/* Dropout of values or channels, plain or for selu. */
#include "nn.h"

#include <math.h>

#define SELU_LOW 1.7580993408473766 /* selu goes to minus this */

/* Shape of the draws: x's, or one for each channel. */
static wk_shape draws(wk_ctx *c, const struct wk_dropout *d, wk_tensor x)
{
    wk_shape   s = {.ndim = x->ndim};
    const bool batch = x->ndim == d->dims + 2 || (d->dims == 2 && x->ndim == 3);
    if (d->dims < 0 || d->dims > 3 || (d->dims && !batch && x->ndim != d->dims + 1))
        wk_fail(c, WK_ESHAPE, "dropout: x has %d dims, channels have %d", x->ndim, d->dims);
    for (int i = 0; i < s.ndim; i++) s.dim[i] = d->dims && i > (batch ? 1 : 0) ? 1 : x->shape[i];
    return s;
}

wk_tensor wk_dropout(wk_ctx *c, const struct wk_dropout *d, wk_tensor x)
{
    if (wk_ctx_status(c) != WK_OK) return WK_NONE;
    if (!(d->p >= 0 && d->p <= 1)) {
        wk_fail(c, WK_EARG, "dropout: p is %g", d->p);
        return WK_NONE;
    }
    if (!wk_training(c) || d->p == 0) return x;
    const double    keep = 1 - d->p;
    const wk_tensor draw = wk_uniform(c, 0, 1, WK_f32, draws(c, d, x));
    const wk_tensor mask = wk_cast(c, wk_lt(c, draw, wk_scalar(c, keep)), x->dtype);
    if (!d->alpha) return wk_mul(c, x, wk_mul(c, mask, wk_scalar(c, keep > 0 ? 1 / keep : 0)));
    /* a (x kept, or low) + b with a, b such that mean 0 and variance 1 stay */
    const double    a = keep > 0 ? 1 / sqrt(keep * (1 + d->p * SELU_LOW * SELU_LOW)) : 0;
    const double    b = a * SELU_LOW * d->p;
    const wk_tensor low = wk_mul(c, wk_sub(c, mask, wk_scalar(c, 1)), wk_scalar(c, a * SELU_LOW));
    return wk_add(c, wk_mul(c, x, wk_mul(c, mask, wk_scalar(c, a))), wk_add(c, low, wk_scalar(c, b)));
}
