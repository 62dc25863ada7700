/* Linear systems: solve, inverse, determinant, LU, Cholesky and triangular factors. */
#include "linalg.h"

/* ---- what the family shares -------------------------------------------------------------------- */

wk_tensor wki_eye(wk_ctx *c, int64_t n, int64_t m, wk_dtype t)
{
    const wk_tensor i = wk_arange(c, 0, (double)n, 1, WK_i32), j = wk_arange(c, 0, (double)m, 1, WK_i32);
    return wk_cast(c, wk_eq(c, wk_unsqueeze(c, i, 1), j), t);
}

wk_tensor wki_diagonal(wk_ctx *c, wk_tensor x)
{
    if (wki_failed(c)) return WK_NONE;
    const int64_t m = wki_m(x), n = wki_n(x), k = m < n ? m : n;
    x = wk_narrow(c, wk_narrow(c, x, -1, 0, k), -2, 0, k);
    return wk_sum(c, wk_where(c, wki_eye(c, k, k, WK_bool), x, wk_zeros(c, x->dtype, WK_SCALAR_SHAPE)),
                  WK_DIMS(-1), false);
}

wk_tensor wki_diagonals(wk_ctx *c, wk_tensor d)
{
    if (wki_failed(c)) return WK_NONE;
    const int64_t n = wki_cols(d);
    return wk_where(c, wki_eye(c, n, n, WK_bool), wk_unsqueeze(c, d, -1),
                    wk_zeros(c, d->dtype, WK_SCALAR_SHAPE));
}

bool wki_same_batch(wk_ctx *c, const char *op, wk_tensor *a, int inner_a, wk_tensor *b, int inner_b)
{
    if (wki_failed(c)) return false;
    const int na = (*a)->ndim - inner_a, nb = (*b)->ndim - inner_b, n = na > nb ? na : nb;
    wk_shape  sa = {.ndim = n + inner_a}, sb = {.ndim = n + inner_b};
    for (int i = 1; i <= n; i++) {
        const int64_t da = i <= na ? (*a)->shape[na - i] : 1, db = i <= nb ? (*b)->shape[nb - i] : 1;
        if ((da != db && da != 1 && db != 1) || sa.ndim > WK_MAX_DIMS || sb.ndim > WK_MAX_DIMS) {
            wk_fail(c, WK_ESHAPE, "%s: %s and %s: leading dims do not broadcast", op, WKI_TEXT(*a),
                    WKI_TEXT(*b));
            return false;
        }
        sa.dim[n - i] = sb.dim[n - i] = da == 1 ? db : da;
    }
    for (int i = 0; i < inner_a; i++) sa.dim[n + i] = (*a)->shape[na + i];
    for (int i = 0; i < inner_b; i++) sb.dim[n + i] = (*b)->shape[nb + i];
    *a = wk_expand(c, *a, sa);
    *b = wk_expand(c, *b, sb);
    return !wki_failed(c);
}

static bool same_dtype(wk_ctx *c, const char *op, wk_tensor a, wk_tensor b)
{
    if (wk_is_none(b))
        wk_fail(c, WK_EARG, "%s: no tensor", op);
    else if (a->dtype != b->dtype)
        wk_fail(c, WK_EDTYPE, "%s: %s and %s; operands of one dtype are wanted", op, wk_dtype_name(a->dtype),
                wk_dtype_name(b->dtype));
    return !wki_failed(c);
}

/* Right-hand sides as matrices that fit A X = B; `vectors` if they were no matrices. */
static bool right_sides(wk_ctx *c, const char *op, wk_tensor *a, wk_tensor *b, bool left, bool *vectors)
{
    const int nd = (*a)->ndim;
    *vectors = (*b)->ndim == 1;
    if ((*b)->ndim == nd - 1 && nd > 2) {
        *vectors = true;
        for (int i = 0; i < nd - 1; i++) *vectors &= (*b)->shape[i] == (*a)->shape[i];
    }
    if (*vectors) *b = wk_unsqueeze(c, *b, -1);
    if ((*b)->ndim < 2) {
        wk_fail(c, WK_ESHAPE, "%s: b is %s", op, WKI_TEXT(*b));
        return false;
    }
    if (!left && !*vectors) *b = wki_t(c, *b);
    if (!left) *a = wki_t(c, *a);
    if (!wki_failed(c) && wki_m(*b) != wki_n(*a))
        wk_fail(c, WK_ESHAPE, "%s: %lld unknowns, b is %s", op, (long long)wki_n(*a), WKI_TEXT(*b));
    return !wki_failed(c);
}

/* ---- solve ------------------------------------------------------------------------------------- */

static wk_tensor run_solve(wk_ctx *c, wk_tensor a, wk_tensor b, bool tolerant, wk_tensor *info)
{
    if (!wki_same_batch(c, "solve", &a, 2, &b, 2)) return WK_NONE;
    if (info) *info = wk_zeros(c, WK_i32, wki_batch(b, 2, 0, NULL));
    if (wk_count(b) == 0) return wk_clone(c, b);
    wk_call         k = {.op = WK_OP_solve,
                         .cls = wki_class_of(a->dtype),
                         WK_IN(a, b),
                         .out = {wki_like(c, b), wk_zeros(c, WK_i32, wki_batch(b, 2, 0, NULL))},
                         .n_out = 2,
                         .attr.i = {tolerant}};
    const wk_tensor x = wki_run_filled(c, &k, wk_count(b) == 0);
    if (info) *info = wki_failed(c) ? WK_NONE : k.out[1];
    return x;
}

/* One A for a batch of right-hand sides: they become columns of one system. */
static wk_tensor solve_columns(wk_ctx *c, wk_tensor a, wk_tensor b, bool tolerant, wk_tensor *info)
{
    const int nd = b->ndim;
    wk_shape  order = {.ndim = nd}, back = {.ndim = nd}, wide = {.ndim = nd};
    order.dim[0] = nd - 2;
    for (int i = 1; i < nd; i++) order.dim[i] = i == nd - 1 ? nd - 1 : i - 1;
    for (int i = 0; i < nd; i++) {
        back.dim[order.dim[i]] = i;
        wide.dim[i] = b->shape[order.dim[i]];
    }
    const wk_tensor flat = wk_reshape(c, wk_permute(c, b, order), WK_SHAPE(wki_m(b), wk_count(b) / wki_m(b)));
    return wk_permute(c, wk_reshape(c, run_solve(c, a, flat, tolerant, info), wide), back);
}

static wk_tensor solve(wk_ctx *c, wk_tensor a, wk_tensor b, bool left, bool tolerant, wk_tensor *info)
{
    bool vectors = false;
    if (info) *info = WK_NONE;
    if (!wki_are_matrices(c, "solve", a, true) || !same_dtype(c, "solve", a, b) ||
        !right_sides(c, "solve", &a, &b, left, &vectors))
        return WK_NONE;
    wk_tensor x = a->ndim == 2 && b->ndim > 2 && wk_count(b) > 0 ? solve_columns(c, a, b, tolerant, info)
                                                                 : run_solve(c, a, b, tolerant, info);
    if (vectors) return wk_squeeze(c, x, -1);
    return left ? x : wki_t(c, x);
}

wk_tensor wk_solve(wk_ctx *c, wk_tensor a, wk_tensor b, bool left)
{
    return solve(c, a, b, left, false, NULL);
}
wk_tensor wk_solve_ex(wk_ctx *c, wk_tensor a, wk_tensor b, bool left, wk_tensor *info)
{
    return solve(c, a, b, left, true, info);
}

/* A X = B: the cotangent of B is A^-T g, that of A the negative of its product with X^T. */
void wki_vjp_solve(wk_ctx *c, const wk_call *k, const wk_tensor *g, wk_tensor *dx)
{
    if (wki_no_cotangents(c, k, dx)) return;
    const wk_tensor d = wk_solve(c, wki_t(c, k->in[0]), g[0], true);
    dx[1] = d;
    if (k->in[0]->node) dx[0] = wk_neg(c, wk_matmul(c, d, wki_t(c, k->out[0])));
}

/* ---- triangular systems --------------------------------------------------------------------------- */

static wk_tensor run_triangular(wk_ctx *c, wk_tensor a, wk_tensor b, bool upper, bool unit)
{
    if (!wki_same_batch(c, "solve_triangular", &a, 2, &b, 2)) return WK_NONE;
    const wk_call k = {.op = WK_OP_solve_triangular,
                       .cls = wki_class_of(a->dtype),
                       WK_IN(a, b),
                       .out = {wki_like(c, b)},
                       .attr.i = {upper, unit}};
    return wki_run_filled(c, &k, wk_count(b) == 0);
}

wk_tensor wk_solve_triangular(wk_ctx *c, wk_tensor a, wk_tensor b, bool upper, bool left, bool unitriangular)
{
    if (!wki_are_matrices(c, "solve_triangular", a, true) || !same_dtype(c, "solve_triangular", a, b) ||
        !wki_are_matrices(c, "solve_triangular", b, false))
        return WK_NONE;
    if (!left) b = wki_t(c, b);
    WK_REQUIRE(c, wki_failed(c) || wki_m(b) == wki_n(a), WK_ESHAPE,
               "solve_triangular: %lld unknowns, b is %s", (long long)wki_n(a), WKI_TEXT(b));
    const wk_tensor x = run_triangular(c, left ? a : wki_t(c, a), b, left == upper, unitriangular);
    return left ? x : wki_t(c, x);
}

wk_tensor wk_triangular_solve(wk_ctx *c, wk_tensor b, wk_tensor a, bool upper, bool transpose,
                              bool unitriangular)
{
    if (!wki_are_matrices(c, "triangular_solve", a, true)) return WK_NONE;
    return wk_solve_triangular(c, transpose ? wki_t(c, a) : a, b, upper != transpose, true, unitriangular);
}

void wki_vjp_solve_triangular(wk_ctx *c, const wk_call *k, const wk_tensor *g, wk_tensor *dx)
{
    if (wki_no_cotangents(c, k, dx)) return;
    const bool      upper = k->attr.i[0], unit = k->attr.i[1];
    const wk_tensor d = run_triangular(c, wki_t(c, k->in[0]), g[0], !upper, unit);
    dx[1] = d;
    if (!k->in[0]->node) return;
    const wk_tensor whole = wk_neg(c, wk_matmul(c, d, wki_t(c, k->out[0])));
    dx[0] = upper ? wk_triu(c, whole, unit) : wk_tril(c, whole, unit ? -1 : 0);
}

/* ---- inverse --------------------------------------------------------------------------------------- */

wk_tensor wk_inv_ex(wk_ctx *c, wk_tensor a, wk_tensor *info)
{
    if (info) *info = WK_NONE;
    if (!wki_are_matrices(c, "inv", a, true)) return WK_NONE;
    wk_call         k = {.op = WK_OP_inv,
                         .cls = wki_class_of(a->dtype),
                         WK_IN(a),
                         .out = {wki_like(c, a), wk_zeros(c, WK_i32, wki_batch(a, 2, 0, NULL))},
                         .n_out = 2,
                         .attr.i = {info != NULL}};
    const wk_tensor y = wki_run_filled(c, &k, wk_count(a) == 0);
    if (info && !wki_failed(c)) *info = k.out[1];
    return y;
}

wk_tensor wk_inv(wk_ctx *c, wk_tensor a)
{
    return wk_inv_ex(c, a, NULL);
}

void wki_vjp_inv(wk_ctx *c, const wk_call *k, const wk_tensor *g, wk_tensor *dx)
{
    if (wki_no_cotangents(c, k, dx)) return;
    const wk_tensor y = wki_t(c, k->out[0]);
    dx[0] = wk_neg(c, wk_matmul(c, wk_matmul(c, y, g[0]), y));
}

/* ---- determinants ---------------------------------------------------------------------------------- */

static wk_tensor determinant(wk_ctx *c, const char *op, wk_tensor a, bool logarithm, wk_tensor *logs)
{
    if (logs) *logs = WK_NONE;
    if (!wki_are_matrices(c, op, a, true)) return WK_NONE;
    const wk_shape shape = wki_batch(a, 2, 0, NULL);
    wk_call        k = {.op = WK_OP_det,
                        .cls = wki_class_of(a->dtype),
                        WK_IN(a),
                        .out = {wk_full(c, 1, a->dtype, shape)},
                        .n_out = 1,
                        .attr.i = {logarithm}};
    if (logarithm) k.out[k.n_out++] = wk_zeros(c, a->dtype, shape);
    const wk_tensor y = wki_run_filled(c, &k, wk_count(a) == 0);
    if (logs && !wki_failed(c)) *logs = k.out[1];
    return y;
}

wk_tensor wk_det(wk_ctx *c, wk_tensor a)
{
    return determinant(c, "det", a, false, NULL);
}
wk_tensor wk_slogdet(wk_ctx *c, wk_tensor a, wk_tensor *logabsdet)
{
    return determinant(c, "slogdet", a, true, logabsdet);
}
wk_tensor wk_logdet(wk_ctx *c, wk_tensor a)
{
    wk_tensor       logs;
    const wk_tensor sign = determinant(c, "logdet", a, true, &logs);
    return wk_add(c, logs, wk_log(c, wk_detach(c, sign)));
}

/* Cofactors by singular values, whatever the rank: det(U) det(Vh) U diag(products of the others) Vh. */
static wk_tensor cofactors(wk_ctx *c, wk_tensor a)
{
    wk_tensor       s, vh;
    const wk_tensor u = wk_svd(c, a, false, &s, &vh);
    if (wki_failed(c)) return WK_NONE;
    const int64_t   n = wki_n(a);
    const wk_tensor ones = wk_full(c, 1, a->dtype, WK_SCALAR_SHAPE);
    const wk_tensor others =
        wk_prod(c, wk_where(c, wki_eye(c, n, n, WK_bool), ones, wk_unsqueeze(c, s, -2)), WK_DIMS(-1), false);
    const wk_tensor sign = wk_detach(c, wk_mul(c, wk_det(c, u), wk_det(c, vh)));
    const wk_tensor sum = wk_matmul(c, wk_mul(c, u, wk_unsqueeze(c, others, -2)), vh);
    return wk_mul(c, wk_unsqueeze(c, wk_unsqueeze(c, wk_sign(c, sign), -1), -1), sum);
}

/* Is any of them zero? */
static bool any_zero(wk_ctx *c, wk_tensor x)
{
    const bool      was = wk_no_grad(c, true);
    const wk_tensor zero = wk_any(c, wk_logical_not(c, x), WK_ALL_DIMS, false);
    const bool      found = wk_count(x) > 0 && wk_item(c, zero) != 0;
    wk_no_grad(c, was);
    return found;
}

void wki_vjp_det(wk_ctx *c, const wk_call *k, const wk_tensor *g, wk_tensor *dx)
{
    if (wki_no_cotangents(c, k, dx)) return;
    const bool      logarithm = k->attr.i[0];
    const wk_tensor a = k->in[0], seen = logarithm ? g[1] : g[0];
    if (wk_is_none(seen)) {
        dx[0] = wk_zeros(c, a->dtype, wki_shape(a));
        return;
    }
    if (!logarithm && any_zero(c, k->out[0])) {
        dx[0] = wk_mul(c, cofactors(c, a), wk_unsqueeze(c, wk_unsqueeze(c, seen, -1), -1));
        return;
    }
    const wk_tensor scale = logarithm ? seen : wk_mul(c, seen, k->out[0]);
    dx[0] = wk_mul(c, wki_t(c, wk_inv(c, a)), wk_unsqueeze(c, wk_unsqueeze(c, scale, -1), -1));
}

/* ---- LU ---------------------------------------------------------------------------------------------- */

wk_tensor wk_lu_factor_ex(wk_ctx *c, wk_tensor a, wk_tensor *pivots, wk_tensor *info)
{
    if (pivots) *pivots = WK_NONE;
    if (info) *info = WK_NONE;
    if (!wki_are_matrices(c, "lu_factor", a, false)) return WK_NONE;
    const int64_t   n = wki_m(a) < wki_n(a) ? wki_m(a) : wki_n(a);
    wk_call         k = {.op = WK_OP_lu_factor,
                         .cls = wki_class_of(a->dtype),
                         WK_IN(a),
                         .out = {wki_like(c, a), wki_new(c, WK_i32, WKI_BATCH(a, n)),
                                 wk_zeros(c, WK_i32, wki_batch(a, 2, 0, NULL))},
                         .n_out = 3,
                         .attr.i = {info != NULL}};
    const wk_tensor lu = wki_run_filled(c, &k, wk_count(a) == 0);
    if (wki_failed(c)) return WK_NONE;
    if (pivots) *pivots = k.out[1];
    if (info) *info = k.out[2];
    return lu;
}

wk_tensor wk_lu_factor(wk_ctx *c, wk_tensor a, wk_tensor *pivots)
{
    return wk_lu_factor_ex(c, a, pivots, NULL);
}

/* P from pivots, [.., m, m]. */
static wk_tensor permutation(wk_ctx *c, wk_tensor pivots, int64_t m, wk_dtype t)
{
    if (wki_failed(c)) return WK_NONE;
    const wk_tensor order =
        wki_run(c, &(wk_call){.op = WK_OP_lu_order,
                              WK_IN(pivots),
                              .out = {wki_new(c, WK_i64, wki_batch(pivots, 1, 1, (int64_t[]){m}))}});
    return wk_cast(c, wk_eq(c, wk_unsqueeze(c, order, -1), wk_arange(c, 0, (double)m, 1, WK_i64)), t);
}

static wk_tensor lower_of(wk_ctx *c, wk_tensor lu)
{
    const int64_t m = wki_m(lu), n = wki_n(lu), k = m < n ? m : n;
    return wk_add(c, wk_tril(c, wk_narrow(c, lu, -1, 0, k), -1), wki_eye(c, m, k, lu->dtype));
}
static wk_tensor upper_of(wk_ctx *c, wk_tensor lu)
{
    const int64_t m = wki_m(lu), n = wki_n(lu), k = m < n ? m : n;
    return wk_triu(c, wk_narrow(c, lu, -2, 0, k), 0);
}

wk_tensor wk_lu_unpack(wk_ctx *c, wk_tensor lu, wk_tensor pivots, wk_tensor *l, wk_tensor *u)
{
    if (l) *l = WK_NONE;
    if (u) *u = WK_NONE;
    if (!wki_are_matrices(c, "lu_unpack", lu, false)) return WK_NONE;
    WK_REQUIRE(c, !wk_is_none(pivots) && pivots->dtype == WK_i32 && pivots->ndim == lu->ndim - 1, WK_EDTYPE,
               "lu_unpack: pivots are %s; i32 ones, a row for each matrix, are wanted", WKI_TEXT(pivots));
    if (l) *l = lower_of(c, lu);
    if (u) *u = upper_of(c, lu);
    return permutation(c, wk_contiguous(c, pivots), wki_m(lu), lu->dtype);
}

wk_tensor wk_lu(wk_ctx *c, wk_tensor a, wk_tensor *l, wk_tensor *u)
{
    wk_tensor       pivots, info;
    const wk_tensor lu = wk_lu_factor_ex(c, a, &pivots, &info);
    return wk_lu_unpack(c, lu, pivots, l, u);
}

/* By blocks: with A = P L U, dA = P (dL U + L dU). A wide A is [L U1, L U2], a tall one [L1 U; L2 U]. */
void wki_vjp_lu_factor(wk_ctx *c, const wk_call *k, const wk_tensor *g, wk_tensor *dx)
{
    if (wki_no_cotangents(c, k, dx)) return;
    const wk_tensor lu = k->out[0];
    const int64_t   m = wki_m(lu), n = wki_n(lu), r = m < n ? m : n;
    const wk_tensor p = permutation(c, k->out[1], m, lu->dtype);
    const wk_tensor square = wk_narrow(c, wk_narrow(c, lu, -1, 0, r), -2, 0, r);
    const wk_tensor gs = wk_narrow(c, wk_narrow(c, g[0], -1, 0, r), -2, 0, r);
    const wk_tensor l = lower_of(c, square), u = upper_of(c, square);
    wk_tensor       inner = wk_matmul(c, wki_t(c, l), wk_tril(c, gs, -1));
    wk_tensor       outer = wk_matmul(c, wk_triu(c, gs, 0), wki_t(c, u));
    wk_tensor       rest = WK_NONE;
    if (wki_failed(c)) return;
    if (m < n) {
        const wk_tensor u2 = wk_narrow(c, lu, -1, r, n - r), g2 = wk_narrow(c, g[0], -1, r, n - r);
        inner = wk_sub(c, inner, wk_matmul(c, g2, wki_t(c, u2)));
        rest = wk_solve_triangular(c, wki_t(c, l), g2, true, true, true);
    } else if (m > n) {
        const wk_tensor l2 = wk_narrow(c, lu, -2, r, m - r), g2 = wk_narrow(c, g[0], -2, r, m - r);
        outer = wk_sub(c, outer, wk_matmul(c, wki_t(c, l2), g2));
        rest = wk_solve_triangular(c, wki_t(c, u), g2, false, false, false);
    }
    wk_tensor d = wk_add(c, wk_tril(c, inner, -1), wk_triu(c, outer, 0));
    d = wk_solve_triangular(c, wki_t(c, l), d, true, true, true);
    d = wk_solve_triangular(c, wki_t(c, u), d, false, false, false);
    if (m != n && !wki_failed(c)) d = wk_cat(c, 2, (const wk_tensor[]){d, rest}, m < n ? -1 : -2);
    dx[0] = wk_matmul(c, p, d);
}

static wk_tensor run_lu_solve(wk_ctx *c, wk_tensor lu, wk_tensor pivots, wk_tensor b, bool transpose)
{
    wk_tensor on = b;
    if (!wki_same_batch(c, "lu_solve", &lu, 2, &b, 2) || !wki_same_batch(c, "lu_solve", &pivots, 1, &on, 2) ||
        !wki_same_batch(c, "lu_solve", &pivots, 1, &lu, 2))
        return WK_NONE;
    const wk_call k = {.op = WK_OP_lu_solve,
                       .cls = wki_class_of(b->dtype),
                       WK_IN(lu, wk_contiguous(c, pivots), b),
                       .out = {wki_like(c, b)},
                       .attr.i = {transpose}};
    return wki_run_filled(c, &k, wk_count(b) == 0);
}

wk_tensor wk_lu_solve(wk_ctx *c, wk_tensor lu, wk_tensor pivots, wk_tensor b, bool left, bool transpose)
{
    if (!wki_are_matrices(c, "lu_solve", lu, true) || !same_dtype(c, "lu_solve", lu, b) ||
        !wki_are_matrices(c, "lu_solve", b, false))
        return WK_NONE;
    WK_REQUIRE(c,
               !wk_is_none(pivots) && pivots->dtype == WK_i32 && pivots->ndim >= 1 &&
                   wki_cols(pivots) == wki_n(lu),
               WK_EDTYPE, "lu_solve: pivots are %s %s; i32 and one for each row of %s are wanted",
               wk_dtype_name(pivots->dtype), WKI_TEXT(pivots), WKI_TEXT(lu));
    if (!left) b = wki_t(c, b);
    WK_REQUIRE(c, wki_failed(c) || wki_m(b) == wki_n(lu), WK_ESHAPE, "lu_solve: %lld unknowns, b is %s",
               (long long)wki_n(lu), WKI_TEXT(b));
    const wk_tensor x = run_lu_solve(c, lu, pivots, b, transpose == left);
    return left ? x : wki_t(c, x);
}

void wki_vjp_lu_solve(wk_ctx *c, const wk_call *k, const wk_tensor *g, wk_tensor *dx)
{
    if (wki_no_cotangents(c, k, dx)) return;
    const wk_tensor lu = k->in[0], x = k->out[0];
    const bool      transposed = k->attr.i[0];
    const wk_tensor d = run_lu_solve(c, lu, k->in[1], g[0], !transposed);
    dx[2] = d;
    if (!lu->node) return;
    const wk_tensor p = permutation(c, k->in[1], wki_m(lu), lu->dtype);
    const wk_tensor da =
        transposed ? wk_matmul(c, x, wki_t(c, d)) : wk_matmul(c, d, wki_t(c, x)); /* less its sign */
    const wk_tensor turned = wk_matmul(c, wki_t(c, p), da);
    const wk_tensor dl = wk_tril(c, wk_matmul(c, turned, wki_t(c, upper_of(c, lu))), -1);
    const wk_tensor du = wk_triu(c, wk_matmul(c, wki_t(c, lower_of(c, lu)), turned), 0);
    dx[0] = wk_neg(c, wk_add(c, dl, du));
}

/* ---- Cholesky ------------------------------------------------------------------------------------------ */

wk_tensor wk_cholesky_ex(wk_ctx *c, wk_tensor a, bool upper, wk_tensor *info)
{
    if (info) *info = WK_NONE;
    if (!wki_are_matrices(c, "cholesky", a, true)) return WK_NONE;
    wk_call         k = {.op = WK_OP_cholesky,
                         .cls = wki_class_of(a->dtype),
                         WK_IN(a),
                         .out = {wki_like(c, a), wk_zeros(c, WK_i32, wki_batch(a, 2, 0, NULL))},
                         .n_out = 2,
                         .attr.i = {upper, info != NULL}};
    const wk_tensor l = wki_run_filled(c, &k, wk_count(a) == 0);
    if (info && !wki_failed(c)) *info = k.out[1];
    return l;
}

wk_tensor wk_cholesky(wk_ctx *c, wk_tensor a, bool upper)
{
    return wk_cholesky_ex(c, a, upper, NULL);
}

/* arXiv:1602.07527: L^-T sym(low(L^T g)) L^-1, low halving the diagonal. */
void wki_vjp_cholesky(wk_ctx *c, const wk_call *k, const wk_tensor *g, wk_tensor *dx)
{
    if (wki_no_cotangents(c, k, dx)) return;
    const bool      upper = k->attr.i[0];
    const wk_tensor l = upper ? wki_t(c, k->out[0]) : k->out[0], gl = upper ? wki_t(c, g[0]) : g[0];
    const wk_tensor low = wk_tril(c, wk_matmul(c, wki_t(c, l), gl), 0);
    wk_tensor       d = wk_add(c, low, wki_t(c, wk_tril(c, low, -1)));
    d = wk_mul(c, d, wk_scalar(c, 0.5));
    d = wk_solve_triangular(c, wki_t(c, l), d, true, true, false);
    dx[0] = wk_solve_triangular(c, l, d, false, false, false);
}

/* As of L L^T X = B in all of L's elements, though one triangle is not read: so PyTorch has it. */
wk_tensor wk_cholesky_solve(wk_ctx *c, wk_tensor b, wk_tensor factor, bool upper)
{
    if (!wki_are_matrices(c, "cholesky_solve", factor, true) || !same_dtype(c, "cholesky_solve", factor, b) ||
        !wki_are_matrices(c, "cholesky_solve", b, false) ||
        !wki_same_batch(c, "cholesky_solve", &factor, 2, &b, 2))
        return WK_NONE;
    const bool      was = wk_no_grad(c, true);
    const wk_tensor turned = wki_t(c, factor), low = upper ? turned : factor, high = upper ? factor : turned;
    const wk_tensor half = wk_solve_triangular(c, low, b, false, true, false);
    const wk_tensor x = wk_solve_triangular(c, high, half, true, true, false);
    wk_no_grad(c, was);
    return wki_run_view(
        c, &(wk_call){.op = WK_OP_cholesky_solve, WK_IN(b, factor), .out = {x}, .attr.i = {upper}});
}

void wki_vjp_cholesky_solve(wk_ctx *c, const wk_call *k, const wk_tensor *g, wk_tensor *dx)
{
    if (wki_no_cotangents(c, k, dx)) return;
    const wk_tensor factor = k->in[1], x = k->out[0];
    const bool      upper = k->attr.i[0];
    const wk_tensor d = wk_cholesky_solve(c, g[0], factor, upper);
    dx[0] = d;
    if (!factor->node) return;
    const wk_tensor part = wk_matmul(c, d, wki_t(c, x)), both = wk_neg(c, wk_add(c, part, wki_t(c, part)));
    dx[1] = upper ? wk_matmul(c, factor, both) : wk_matmul(c, both, factor);
}

wk_tensor wk_cholesky_inverse(wk_ctx *c, wk_tensor factor, bool upper)
{
    if (!wki_are_matrices(c, "cholesky_inverse", factor, true)) return WK_NONE;
    return wk_cholesky_solve(c, wki_eye(c, wki_n(factor), wki_n(factor), factor->dtype), factor, upper);
}
