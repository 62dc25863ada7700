/* Complex arithmetic: values are a last dim of two, real and imaginary part, which is not counted among the
 * dims (see fft.h). Part of core/wick.h. */
#ifndef WK_API_COMPLEX_H
#define WK_API_COMPLEX_H

#include "../types.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Operands are complex, real dtypes, and broadcast over the dims before the last; another last dim than two
 * is WK_ESHAPE. wk_complex (fft.h) makes them of real tensors; sums and differences are wk_add and wk_sub. A
 * gradient holds the derivatives by real and imaginary part, as PyTorch's. */
WK_API wk_tensor wk_real(wk_ctx *c, wk_tensor x); /* views, without the last dim */
WK_API wk_tensor wk_imag(wk_ctx *c, wk_tensor x);
WK_API wk_tensor wk_conj(wk_ctx *c, wk_tensor x);
WK_API wk_tensor wk_complex_mul(wk_ctx *c, wk_tensor a, wk_tensor b);
/* Scaled by b's larger part, so that its square neither overflows nor vanishes. A quotient by 0 is NaN in
 * both parts. */
WK_API wk_tensor wk_complex_div(wk_ctx *c, wk_tensor a, wk_tensor b);
WK_API wk_tensor wk_complex_matmul(wk_ctx *c, wk_tensor a, wk_tensor b); /* as wk_matmul */
WK_API wk_tensor wk_complex_exp(wk_ctx *c, wk_tensor x);
/* Size and angle in (-pi, pi], real; their gradients at 0 are 0. */
WK_API wk_tensor wk_complex_abs(wk_ctx *c, wk_tensor x);
WK_API wk_tensor wk_complex_angle(wk_ctx *c, wk_tensor x);
WK_API wk_tensor wk_complex_sgn(wk_ctx *c, wk_tensor x); /* x / |x|; 0 for 0 */
/* abs (cos(angle) + i sin(angle)) of two real tensors, which broadcast. */
WK_API wk_tensor wk_polar(wk_ctx *c, wk_tensor abs, wk_tensor angle);

#ifdef __cplusplus
}
#endif
#endif
