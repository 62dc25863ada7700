/* Mixtures of experts. Part of core/wick.h. */
#ifndef WK_API_EXPERTS_H
#define WK_API_EXPERTS_H

#include "../types.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Affine maps by index: y[.., i, :] = x w[ids[.., i]]^T + bias[ids[.., i]]. w [experts, n, k] of any real
 * or block dtype, bias [experts, n] or WK_NONE, ids [.., u] integers. x is [.., k], a row for the u
 * experts together, or [.., u, k], a row for each of them; the result is [.., u, n] in x's dtype. Rows are
 * sorted by expert, so that each weight is read once. As wk_affine in precision and in errors; an index
 * outside of the experts is WK_EINDEX. Gradients: of x, and, through the products of all rows with all
 * experts, of real w and bias. */
WK_API wk_tensor wk_affine_experts(wk_ctx *c, wk_tensor x, wk_tensor w, wk_tensor bias, wk_tensor ids);

#ifdef __cplusplus
}
#endif
#endif
