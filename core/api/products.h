/* Products beyond wk_matmul. Part of core/wick.h. */
#ifndef WK_API_PRODUCTS_H
#define WK_API_PRODUCTS_H

#include "../types.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Operands are real or integer. Integers are multiplied in 64 bits and wrap into the operands' own dtype,
 * halves are summed in f32. Where nothing else is said a shape that does not fit is WK_ESHAPE. */

/* Einstein's notation as PyTorch's einsum takes it: "bij,bjk->bik", implicit results, an ellipsis in any
 * operand, repeated and missing indices. Operands are contracted two at a time in the cheapest order (of all
 * orders up to 8 operands, greedily beyond); each contraction is a wk_matmul. At most 64 operands; no
 * operand or intermediate may have more than 8 dims. A malformed equation is WK_EARG. */
WK_API wk_tensor wk_einsum(wk_ctx *c, const char *equation, int n, const wk_tensor *x);
/* Sums over pairs of dims; the result has the other dims of a, then those of b. */
WK_API wk_tensor wk_tensordot(wk_ctx *c, wk_tensor a, wk_tensor b, wk_shape dims_a, wk_shape dims_b);

WK_API wk_tensor wk_dot(wk_ctx *c, wk_tensor a, wk_tensor b);             /* [n] [n]: 0-d */
WK_API wk_tensor wk_vecdot(wk_ctx *c, wk_tensor a, wk_tensor b, int dim); /* along a dim, broadcast */
WK_API wk_tensor wk_mv(wk_ctx *c, wk_tensor a, wk_tensor x);              /* [n, k] [k]: [n] */
WK_API wk_tensor wk_mm(wk_ctx *c, wk_tensor a, wk_tensor b);              /* [n, k] [k, m]: [n, m] */
WK_API wk_tensor wk_bmm(wk_ctx *c, wk_tensor a, wk_tensor b);             /* [b, n, k] [b, k, m]: [b, n, m] */
WK_API wk_tensor wk_outer(wk_ctx *c, wk_tensor a, wk_tensor b);           /* [n] [m]: [n, m] */
WK_API wk_tensor wk_inner(wk_ctx *c, wk_tensor a, wk_tensor b);           /* over the last dims of both */
WK_API wk_tensor wk_kron(wk_ctx *c, wk_tensor a, wk_tensor b);            /* Kronecker product, any dims */
WK_API wk_tensor wk_cross(wk_ctx *c, wk_tensor a, wk_tensor b, int dim);  /* dim of size 3, broadcast */
WK_API wk_tensor wk_multi_dot(wk_ctx *c, int n, const wk_tensor *x); /* matrices (ends may be 1-d), cheapest
                                                                        order first */

/* a b scale_a scale_b + bias, as torch._scaled_mm: a [.., n, k] and b [.., k, m] of f8 (or any real dtype,
 * taken as f32), whose products are summed in f32, and all of it rounded once, to t: f32, f16 or bf16. The
 * scales are f32: one (0-d), or one for each row of a ([n] or [n, 1]) and column of b ([m] or [1, m]); bias
 * [m]. WK_NONE leaves out a scale (1) or the bias. wk_matmul of two f8 of one
 * kind rounds its sums to it; of two kinds, for which PyTorch has no rule, it gives f32. */
WK_API wk_tensor wk_scaled_matmul(wk_ctx *c, wk_tensor a, wk_tensor b, wk_tensor scale_a, wk_tensor scale_b,
                                  wk_tensor bias, wk_dtype t);

/* beta x + alpha (product), x broadcast to the product's shape. With beta 0 x is not read, so that its NaN do
 * not spread. Halves are rounded once, at the end. */
WK_API wk_tensor wk_addmm(wk_ctx *c, wk_tensor x, wk_tensor a, wk_tensor b, double beta, double alpha);
WK_API wk_tensor wk_addmv(wk_ctx *c, wk_tensor x, wk_tensor a, wk_tensor v, double beta, double alpha);
WK_API wk_tensor wk_addr(wk_ctx *c, wk_tensor x, wk_tensor a, wk_tensor b, double beta, double alpha);
WK_API wk_tensor wk_baddbmm(wk_ctx *c, wk_tensor x, wk_tensor a, wk_tensor b, double beta, double alpha);
/* ... and summed over the batch */
WK_API wk_tensor wk_addbmm(wk_ctx *c, wk_tensor x, wk_tensor a, wk_tensor b, double beta, double alpha);

#ifdef __cplusplus
}
#endif
#endif
