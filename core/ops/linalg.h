/* What the front ends of linear algebra share: checks, batches, short names for the formulas of gradients. */
#ifndef WK_OPS_LINALG_H
#define WK_OPS_LINALG_H

#include "core/ctx.h"

/* Records what is wrong unless x is a batch of matrices in f32 or f64. */
static inline bool wki_are_matrices(wk_ctx *c, const char *op, wk_tensor x, bool square)
{
    if (wki_failed(c)) return false;
    if (wk_is_none(x))
        wk_fail(c, WK_EARG, "%s: no tensor", op);
    else if (x->ndim < 2 || (square && x->shape[x->ndim - 1] != x->shape[x->ndim - 2]))
        wk_fail(c, WK_ESHAPE, "%s: a is %s; %s matrices are wanted", op, WKI_TEXT(x), square ? "square" : "");
    else if (x->dtype != WK_f32 && x->dtype != WK_f64)
        wk_fail(c, WK_EDTYPE, "%s: a is %s, f32 and f64 are possible", op, wk_dtype_name(x->dtype));
    else if (x->shape[x->ndim - 1] > INT32_MAX / 4 || x->shape[x->ndim - 2] > INT32_MAX / 4)
        wk_fail(c, WK_ESHAPE, "%s: a is %s, too large", op, WKI_TEXT(x));
    return !wki_failed(c);
}

static inline int64_t wki_m(wk_tensor x)
{
    return x->shape[x->ndim - 2];
}
static inline int64_t wki_n(wk_tensor x)
{
    return x->shape[x->ndim - 1];
}

/* x's batch dims, then these. */
static inline wk_shape wki_batch(wk_tensor x, int inner, int n, const int64_t *dims)
{
    wk_shape s = wki_shape(x);
    s.ndim -= inner;
    for (int i = 0; i < n && s.ndim < WK_MAX_DIMS; i++) s.dim[s.ndim++] = dims[i];
    return s;
}
#define WKI_BATCH(x, ...)                                                                                    \
    wki_batch(x, 2, (int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), (int64_t[]){__VA_ARGS__})

static inline wk_tensor wki_t(wk_ctx *c, wk_tensor x)
{
    return wk_transpose(c, x, -1, -2);
}
/* Of nothing: runs no kernel, outputs are as they should be. */
static inline wk_tensor wki_run_filled(wk_ctx *c, const wk_call *k, bool empty)
{
    return empty ? wki_run_view(c, k) : wki_run(c, k);
}
/* The gradients of operands without elements, or of which results have none. */
static inline bool wki_no_cotangents(wk_ctx *c, const wk_call *k, wk_tensor *dx)
{
    bool empty = wk_count(k->out[0]) == 0;
    for (int i = 0; i < k->n_in; i++) empty |= wk_count(k->in[i]) == 0;
    for (int i = 0; i < k->n_in && empty; i++)
        if (k->in[i]->node) dx[i] = wk_zeros(c, k->in[i]->dtype, wki_shape(k->in[i]));
    return empty;
}
/* The identity, [n, m]. */
wk_tensor wki_eye(wk_ctx *c, int64_t n, int64_t m, wk_dtype t);
/* The diagonals of matrices, [.., min]; and matrices with these diagonals. */
wk_tensor wki_diagonal(wk_ctx *c, wk_tensor x);
wk_tensor wki_diagonals(wk_ctx *c, wk_tensor d);
/* Expands the batch dims of a and b (less `inner` dims each) to a common shape. */
bool wki_same_batch(wk_ctx *c, const char *op, wk_tensor *a, int inner_a, wk_tensor *b, int inner_b);

#endif
