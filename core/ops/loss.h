/* What the loss files share. */
#ifndef WKI_LOSS_H
#define WKI_LOSS_H

#include "core/ctx.h"

/* What losses of x are computed in: f64, or f32 for all others. */
static inline wk_dtype wki_loss_dtype(wk_tensor x)
{
    return x->dtype == WK_f64 ? WK_f64 : WK_f32;
}
/* Each value of `rows`, their sum or mean, in dtype t. */
wk_tensor wki_loss_reduce(wk_ctx *c, wk_tensor rows, wk_reduction r, wk_dtype t);
wk_tensor wki_loss_times(wk_ctx *c, wk_tensor x, double v);    /* v x */
wk_tensor wki_loss_at_least(wk_ctx *c, wk_tensor x, double v); /* max(x, v), no gradient below */

#endif
