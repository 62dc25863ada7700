/* Elementwise functions of several operands, and those made of others. Part of core/wick.h; the lists of
 * functions of one and two tensors are unary.def and binary.def. */
#ifndef WK_API_ELEMENTWISE_H
#define WK_API_ELEMENTWISE_H

#include "../types.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Operands broadcast and promote; halves are rounded once. WK_ESHAPE where shapes do not fit. */

WK_API wk_tensor wk_lerp(wk_ctx *c, wk_tensor a, wk_tensor b,
                         wk_tensor weight); /* a + weight (b - a), real */
WK_API wk_tensor wk_addcmul(wk_ctx *c, wk_tensor x, wk_tensor a, wk_tensor b, double value); /* x + v a b */
WK_API wk_tensor wk_addcdiv(wk_ctx *c, wk_tensor x, wk_tensor a, wk_tensor b, double value); /* x + v a / b */
WK_API wk_tensor wk_rsub(wk_ctx *c, wk_tensor a, wk_tensor b);                               /* b - a */
WK_API wk_tensor wk_trunc_div(wk_ctx *c, wk_tensor a, wk_tensor b);   /* quotient rounded towards zero */
WK_API wk_tensor wk_float_power(wk_ctx *c, wk_tensor a, wk_tensor b); /* in f64 */
/* x = mantissa 2^exponent with mantissa in [0.5, 1); the i32 exponent through *exponent. */
WK_API wk_tensor wk_frexp(wk_ctx *c, wk_tensor x, wk_tensor *exponent);
/* Bounds that are tensors, or WK_NONE; where they cross the upper one counts. */
WK_API wk_tensor wk_clamp_to(wk_ctx *c, wk_tensor x, wk_tensor low, wk_tensor high);
/* NaN, infinity and its negative become these numbers; INFINITY and -INFINITY stand for the largest and
 * lowest finite value of x's dtype. */
WK_API wk_tensor wk_nan_to_num(wk_ctx *c, wk_tensor x, double nan, double posinf, double neginf);
/* Rounds to a number of decimals, negative ones before the point. */
WK_API wk_tensor wk_round_to(wk_ctx *c, wk_tensor x, int decimals);
WK_API wk_tensor wk_mvlgamma(wk_ctx *c, wk_tensor x, int p); /* multivariate lgamma of dimension p */

/* |a - b| <= atol + rtol |b|, or equal; NaN are close to NaN where the caller says so. */
WK_API wk_tensor wk_isclose(wk_ctx *c, wk_tensor a, wk_tensor b, double rtol, double atol, bool nan_too);
/* Of all values; read back from the device. equal: shapes too. false after an error. */
WK_API bool wk_allclose(wk_ctx *c, wk_tensor a, wk_tensor b, double rtol, double atol, bool nan_too);
WK_API bool wk_equal(wk_ctx *c, wk_tensor a, wk_tensor b);

/* ---- in place ---------------------------------------------------------------------------------- */

/* dst becomes the result: PyTorch's add_, mul_, lerp_, addcmul_, addcdiv_, of which optimisers are made. It
 * may be a view and keeps shape and dtype: operands broadcast to it (WK_ESHAPE), a real result does not go
 * into integers (WK_EDTYPE). Nothing is allocated where dst is dense, of the result's dtype, and does not
 * partly overlap an operand. Not recorded: WK_ENOGRAD for tracked operands while a tape is on. */
WK_API void wk_add_into(wk_ctx *c, wk_tensor dst, wk_tensor x, double alpha); /* dst + alpha x */
WK_API void wk_mul_into(wk_ctx *c, wk_tensor dst, wk_tensor x);               /* dst x */
WK_API void wk_lerp_into(wk_ctx *c, wk_tensor dst, wk_tensor end, wk_tensor weight);
WK_API void wk_addcmul_into(wk_ctx *c, wk_tensor dst, wk_tensor a, wk_tensor b, double value);
WK_API void wk_addcdiv_into(wk_ctx *c, wk_tensor dst, wk_tensor a, wk_tensor b, double value);

/* ---- activations ------------------------------------------------------------------------------- */

/* x where positive, weight x elsewhere; weight has one value, or one for each place along dim 1. */
WK_API wk_tensor wk_prelu(wk_ctx *c, wk_tensor x, wk_tensor weight);
/* Leaky with slopes drawn from [low, high) in training, with their mean otherwise. */
WK_API wk_tensor wk_rrelu(wk_ctx *c, wk_tensor x, double low, double high, bool training);
WK_API wk_tensor wk_softmin(wk_ctx *c, wk_tensor x, int dim);

#ifdef __cplusplus
}
#endif
#endif
