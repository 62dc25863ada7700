/* Products of vectors and matrices with fixed shapes, and sums with them. */
#include "core/ctx.h"

static bool is_half(wk_dtype t)
{
    return wki_dtype_class(t) == 'F' && t != WK_f32 && t != WK_f64;
}

static bool has_dims(wk_ctx *c, const char *op, const char *what, wk_tensor x, int ndim)
{
    if (wki_failed(c)) return false;
    if (wk_is_none(x))
        wk_fail(c, WK_EARG, "%s: %s is empty", op, what);
    else if (x->ndim != ndim)
        wk_fail(c, WK_ESHAPE, "%s: %s is %s, %d dims are wanted", op, what, WKI_TEXT(x), ndim);
    return !wki_failed(c);
}

static bool two_tensors(wk_ctx *c, const char *op, wk_tensor a, wk_tensor b)
{
    if (wki_failed(c)) return false;
    if (wk_is_none(a) || wk_is_none(b)) wk_fail(c, WK_EARG, "%s: an operand is empty", op);
    return !wki_failed(c);
}

static bool inner_fit(wk_ctx *c, const char *op, wk_tensor a, wk_tensor b)
{
    if (wki_failed(c)) return false;
    if (a->shape[a->ndim - 1] != b->shape[b->ndim > 1 ? b->ndim - 2 : 0])
        wk_fail(c, WK_ESHAPE, "%s: %s times %s: inner sizes differ", op, WKI_TEXT(a), WKI_TEXT(b));
    return !wki_failed(c);
}

wk_tensor wk_dot(wk_ctx *c, wk_tensor a, wk_tensor b)
{
    if (!has_dims(c, "dot", "a", a, 1) || !has_dims(c, "dot", "b", b, 1) || !inner_fit(c, "dot", a, b))
        return WK_NONE;
    return wk_matmul(c, a, b);
}

wk_tensor wk_mv(wk_ctx *c, wk_tensor a, wk_tensor x)
{
    if (!has_dims(c, "mv", "the matrix", a, 2) || !has_dims(c, "mv", "the vector", x, 1) ||
        !inner_fit(c, "mv", a, x))
        return WK_NONE;
    return wk_matmul(c, a, x);
}

wk_tensor wk_mm(wk_ctx *c, wk_tensor a, wk_tensor b)
{
    if (!has_dims(c, "mm", "a", a, 2) || !has_dims(c, "mm", "b", b, 2) || !inner_fit(c, "mm", a, b))
        return WK_NONE;
    return wk_matmul(c, a, b);
}

static bool batches_fit(wk_ctx *c, const char *op, wk_tensor a, wk_tensor b)
{
    if (!has_dims(c, op, "a", a, 3) || !has_dims(c, op, "b", b, 3) || !inner_fit(c, op, a, b)) return false;
    if (a->shape[0] != b->shape[0])
        wk_fail(c, WK_ESHAPE, "%s: %s times %s: batches differ", op, WKI_TEXT(a), WKI_TEXT(b));
    return !wki_failed(c);
}

wk_tensor wk_bmm(wk_ctx *c, wk_tensor a, wk_tensor b)
{
    return batches_fit(c, "bmm", a, b) ? wk_matmul(c, a, b) : WK_NONE;
}

wk_tensor wk_outer(wk_ctx *c, wk_tensor a, wk_tensor b)
{
    if (!has_dims(c, "outer", "a", a, 1) || !has_dims(c, "outer", "b", b, 1)) return WK_NONE;
    return wk_mul(c, wk_unsqueeze(c, a, 1), b);
}

wk_tensor wk_inner(wk_ctx *c, wk_tensor a, wk_tensor b)
{
    if (!two_tensors(c, "inner", a, b)) return WK_NONE;
    if (a->ndim == 0 || b->ndim == 0) return wk_mul(c, a, b);
    WK_REQUIRE(c, wki_cols(a) == wki_cols(b), WK_ESHAPE, "inner: %s and %s: last sizes differ", WKI_TEXT(a),
               WKI_TEXT(b));
    return wk_tensordot(c, a, b, WK_DIMS(-1), WK_DIMS(-1));
}

wk_tensor wk_vecdot(wk_ctx *c, wk_tensor a, wk_tensor b, int dim)
{
    if (!two_tensors(c, "vecdot", a, b)) return WK_NONE;
    wk_shape shape;
    WK_REQUIRE(c, wki_broadcast(a, b, &shape) && shape.ndim > 0, WK_ESHAPE,
               "vecdot: %s and %s do not broadcast", WKI_TEXT(a), WKI_TEXT(b));
    a = wk_expand(c, a, shape);
    /* as PyTorch: the products of halves are rounded before they are summed */
    if (is_half(a->dtype)) return wk_sum(c, wk_mul(c, a, b), WK_DIMS(dim), false);
    const int d = wki_failed(c) ? -1 : wki_dim(c, "vecdot", a, dim);
    if (d < 0) return WK_NONE;
    a = wk_unsqueeze(c, wk_transpose(c, a, d, -1), -2);
    b = wk_unsqueeze(c, wk_transpose(c, wk_expand(c, b, shape), d, -1), -1);
    wk_tensor y = wk_squeeze(c, wk_squeeze(c, wk_matmul(c, a, b), -1), -1);
    if (wki_failed(c) || d == shape.ndim - 1) return y;
    wk_shape order = {.ndim = y->ndim}; /* the last dim took the place of d */
    for (int i = 0; i < y->ndim; i++) order.dim[i] = i < d ? i : i == y->ndim - 1 ? d : i + 1;
    return wk_permute(c, y, order);
}

/* Sizes of x and ones in turn: a's before each, b's after. */
wk_tensor wk_kron(wk_ctx *c, wk_tensor a, wk_tensor b)
{
    if (!two_tensors(c, "kron", a, b)) return WK_NONE;
    const int n = a->ndim > b->ndim ? a->ndim : b->ndim;
    WK_REQUIRE(c, 2 * n <= WK_MAX_DIMS, WK_ESHAPE, "kron: %s and %s: at most %d dims are possible",
               WKI_TEXT(a), WKI_TEXT(b), WK_MAX_DIMS / 2);
    wk_shape sa = {.ndim = 2 * n}, sb = sa, shape = {.ndim = n};
    for (int i = 0; i < n; i++) {
        const int ia = i - (n - a->ndim), ib = i - (n - b->ndim);
        sa.dim[2 * i] = ia < 0 ? 1 : a->shape[ia];
        sb.dim[2 * i + 1] = ib < 0 ? 1 : b->shape[ib];
        sa.dim[2 * i + 1] = sb.dim[2 * i] = 1;
        shape.dim[i] = sa.dim[2 * i] * sb.dim[2 * i + 1];
    }
    return wk_reshape(c, wk_mul(c, wk_reshape(c, a, sa), wk_reshape(c, b, sb)), shape);
}

/* x with its three slices along dim moved up by one. */
static wk_tensor turn(wk_ctx *c, wk_tensor x, int dim, int by)
{
    return wk_cat(c, 2, (wk_tensor[]){wk_narrow(c, x, dim, by, 3 - by), wk_narrow(c, x, dim, 0, by)}, dim);
}

wk_tensor wk_cross(wk_ctx *c, wk_tensor a, wk_tensor b, int dim)
{
    if (!two_tensors(c, "cross", a, b)) return WK_NONE;
    wk_shape shape;
    WK_REQUIRE(c, a->ndim == b->ndim && wki_broadcast(a, b, &shape), WK_ESHAPE,
               "cross: %s and %s do not broadcast", WKI_TEXT(a), WKI_TEXT(b));
    const int d = wki_dim(c, "cross", a, dim);
    if (d < 0) return WK_NONE;
    WK_REQUIRE(c, a->shape[d] == 3 && b->shape[d] == 3, WK_ESHAPE,
               "cross: %s and %s: dim %d does not have three values", WKI_TEXT(a), WKI_TEXT(b), d);
    return wk_sub(c, wk_mul(c, turn(c, a, d, 1), turn(c, b, d, 2)),
                  wk_mul(c, turn(c, a, d, 2), turn(c, b, d, 1)));
}

/* ---- chains ---------------------------------------------------------------------------------- */

enum { CHAIN = 32 };

/* x[first] .. x[last], cut where the table says. */
static wk_tensor chain(wk_ctx *c, const wk_tensor *x, int8_t (*cut)[CHAIN], int first, int last)
{
    if (first == last) return x[first];
    const int at = cut[first][last];
    return wk_matmul(c, chain(c, x, cut, first, at), chain(c, x, cut, at + 1, last));
}

/* The order with the fewest multiplications (Cormen et al., Introduction to Algorithms, 15.2). */
static void best_cuts(int n, const int64_t *size, int8_t (*cut)[CHAIN])
{
    double cost[CHAIN][CHAIN] = {{0}};
    for (int len = 1; len < n; len++)
        for (int i = 0; i + len < n; i++) {
            const int j = i + len;
            for (int k = i; k < j; k++) {
                const double here =
                    cost[i][k] + cost[k + 1][j] + (double)size[i] * (double)size[k + 1] * (double)size[j + 1];
                if (k > i && here >= cost[i][j]) continue;
                cost[i][j] = here;
                cut[i][j] = (int8_t)k;
            }
        }
}

wk_tensor wk_multi_dot(wk_ctx *c, int n, const wk_tensor *x)
{
    if (wki_failed(c)) return WK_NONE;
    WK_REQUIRE(c, n >= 2 && n <= CHAIN, WK_EARG, "multi_dot: %d operands, 2 to %d are possible", n, CHAIN);
    wk_tensor m[CHAIN];
    int64_t   size[CHAIN + 1];
    int8_t    cut[CHAIN][CHAIN] = {{0}};
    for (int i = 0; i < n; i++) {
        const bool end = i == 0 || i == n - 1;
        WK_REQUIRE(c, !wk_is_none(x[i]), WK_EARG, "multi_dot: operand %d is empty", i);
        WK_REQUIRE(c, x[i]->ndim == 2 || (end && x[i]->ndim == 1), WK_ESHAPE,
                   "multi_dot: operand %d is %s, a matrix is wanted", i, WKI_TEXT(x[i]));
        m[i] = x[i]->ndim == 2 ? x[i] : wk_unsqueeze(c, x[i], i == 0 ? 0 : 1);
        if (wki_failed(c)) return WK_NONE;
        WK_REQUIRE(c, i == 0 || size[i] == m[i]->shape[0], WK_ESHAPE,
                   "multi_dot: operand %d has %lld columns, operand %d %lld rows", i - 1, (long long)size[i],
                   i, (long long)m[i]->shape[0]);
        size[i] = m[i]->shape[0];
        size[i + 1] = m[i]->shape[1];
    }
    best_cuts(n, size, cut);
    wk_tensor y = chain(c, m, cut, 0, n - 1);
    if (x[n - 1]->ndim == 1) y = wk_squeeze(c, y, -1);
    return x[0]->ndim == 1 ? wk_squeeze(c, y, x[n - 1]->ndim == 1 ? -1 : -2) : y;
}

/* ---- sums with products ---------------------------------------------------------------------- */

/* PyTorch turns the factor into an integer before it multiplies integers by it. */
static wk_tensor factor(wk_ctx *c, wk_tensor x, double by)
{
    if (by == 1) return x;
    return wk_mul(c, x, wki_dtype_class(x->dtype) == 'I' ? wk_scalar_int(c, (int64_t)by) : wk_scalar(c, by));
}

/* What a sum of products is computed in. */
static wk_tensor widen(wk_ctx *c, wk_tensor x)
{
    return is_half(x->dtype) ? wk_cast(c, x, WK_f32) : x;
}

/* beta x + alpha y, in dtype t. */
static wk_tensor blend(wk_ctx *c, const char *op, wk_tensor x, wk_tensor y, double beta, double alpha,
                       wk_dtype t)
{
    wk_shape shape;
    if (wki_failed(c)) return WK_NONE;
    WK_REQUIRE(c, !wk_is_none(x), WK_EARG, "%s: x is empty", op);
    bool fit = wki_broadcast(y, x, &shape) && shape.ndim == y->ndim;
    for (int i = 0; i < y->ndim && fit; i++) fit = shape.dim[i] == y->shape[i];
    WK_REQUIRE(c, fit, WK_ESHAPE, "%s: x is %s, the product %s", op, WKI_TEXT(x), WKI_TEXT(y));
    y = factor(c, y, alpha);
    if (wki_failed(c)) return WK_NONE;
    if (beta != 0) y = wk_add(c, y, factor(c, is_half(y->dtype) ? x : widen(c, x), beta));
    return wk_cast(c, y, t);
}

wk_tensor wk_addmm(wk_ctx *c, wk_tensor x, wk_tensor a, wk_tensor b, double beta, double alpha)
{
    if (!has_dims(c, "addmm", "a", a, 2) || !has_dims(c, "addmm", "b", b, 2) || !inner_fit(c, "addmm", a, b))
        return WK_NONE;
    return blend(c, "addmm", x, wk_matmul(c, widen(c, a), widen(c, b)), beta, alpha, a->dtype);
}

wk_tensor wk_addmv(wk_ctx *c, wk_tensor x, wk_tensor a, wk_tensor v, double beta, double alpha)
{
    if (!has_dims(c, "addmv", "the matrix", a, 2) || !has_dims(c, "addmv", "the vector", v, 1) ||
        !inner_fit(c, "addmv", a, v))
        return WK_NONE;
    return blend(c, "addmv", x, wk_matmul(c, widen(c, a), widen(c, v)), beta, alpha, a->dtype);
}

wk_tensor wk_addr(wk_ctx *c, wk_tensor x, wk_tensor a, wk_tensor b, double beta, double alpha)
{
    if (!has_dims(c, "addr", "a", a, 1) || !has_dims(c, "addr", "b", b, 1)) return WK_NONE;
    /* Only two terms are summed: halves stay halves. A product, so that the gradients' sums are wide. */
    const wk_dtype  t = wk_promote(a->dtype, b->dtype);
    const wk_tensor y =
        t == WK_bool ? wk_outer(c, a, b) : wk_matmul(c, wk_unsqueeze(c, a, 1), wk_unsqueeze(c, b, 0));
    return blend(c, "addr", x, factor(c, y, alpha), beta, 1, t);
}

wk_tensor wk_baddbmm(wk_ctx *c, wk_tensor x, wk_tensor a, wk_tensor b, double beta, double alpha)
{
    if (!batches_fit(c, "baddbmm", a, b)) return WK_NONE;
    return blend(c, "baddbmm", x, wk_matmul(c, widen(c, a), widen(c, b)), beta, alpha, a->dtype);
}

/* One product over batch and inner dim together: no sum over results. */
wk_tensor wk_addbmm(wk_ctx *c, wk_tensor x, wk_tensor a, wk_tensor b, double beta, double alpha)
{
    if (!batches_fit(c, "addbmm", a, b)) return WK_NONE;
    const wk_tensor y = wk_tensordot(c, widen(c, a), widen(c, b), WK_DIMS(0, 2), WK_DIMS(0, 1));
    return blend(c, "addbmm", x, y, beta, alpha, a->dtype);
}
