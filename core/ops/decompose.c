/* Orthogonal and spectral decompositions: QR, eigenvalues, singular values, least squares. */
#include "linalg.h"

#include <math.h>

static wk_tensor times(wk_ctx *c, wk_tensor a, wk_tensor b)
{
    return wk_matmul(c, a, b);
}
/* Columns of x times d [.., n]; rows of x times d. */
static wk_tensor columns_times(wk_ctx *c, wk_tensor x, wk_tensor d)
{
    return wk_mul(c, x, wk_unsqueeze(c, d, -2));
}
static wk_tensor rows_times(wk_ctx *c, wk_tensor x, wk_tensor d)
{
    return wk_mul(c, x, wk_unsqueeze(c, d, -1));
}
static wk_tensor sum_of(wk_ctx *c, wk_tensor a, wk_tensor b)
{
    return wk_is_none(a) ? b : wk_is_none(b) ? a : wk_add(c, a, b);
}
static wk_tensor eye_like(wk_ctx *c, int64_t m, int64_t n, wk_tensor like)
{
    return wki_failed(c) ? WK_NONE
                         : wk_clone(c, wk_expand(c, wki_eye(c, m, n, like->dtype), WKI_BATCH(like, m, n)));
}
static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* ---- QR ------------------------------------------------------------------------------------------ */

wk_tensor wk_qr(wk_ctx *c, wk_tensor a, wk_qr_mode mode, wk_tensor *r)
{
    if (r) *r = WK_NONE;
    if (!wki_are_matrices(c, "qr", a, false)) return WK_NONE;
    const int64_t m = wki_m(a), n = wki_n(a), q = mode == WK_QR_COMPLETE ? m : least(m, n);
    wk_call       k = {.op = WK_OP_qr,
                       .cls = wki_class_of(a->dtype),
                       WK_IN(a),
                       .out = {wki_new(c, a->dtype, mode == WK_QR_R ? WK_SHAPE(0) : WKI_BATCH(a, m, q)),
                               wki_new(c, a->dtype, WKI_BATCH(a, q, n))},
                       .n_out = 2,
                       .attr.i = {mode}};
    if (wk_count(a) == 0 && mode != WK_QR_R) k.out[0] = eye_like(c, m, q, a);
    wki_run_filled(c, &k, wk_count(a) == 0);
    if (wki_failed(c)) return WK_NONE;
    if (r) *r = k.out[1];
    return k.out[0];
}

/* m >= n, arXiv:1710.08717: (gQ + Q copyltu(R gR^T - gQ^T Q)) R^-T. */
static wk_tensor qr_square(wk_ctx *c, wk_tensor q, wk_tensor r, wk_tensor gq, wk_tensor gr)
{
    wk_tensor inner = WK_NONE;
    if (!wk_is_none(gr)) inner = times(c, r, wki_t(c, gr));
    if (!wk_is_none(gq)) inner = sum_of(c, inner, wk_neg(c, times(c, wki_t(c, gq), q)));
    inner = wk_add(c, wk_tril(c, inner, 0), wki_t(c, wk_tril(c, inner, -1)));
    return wk_solve_triangular(c, wki_t(c, r), sum_of(c, gq, times(c, q, inner)), false, false, false);
}

void wki_vjp_qr(wk_ctx *c, const wk_call *k, const wk_tensor *g, wk_tensor *dx)
{
    if (wki_no_cotangents(c, k, dx)) return;
    const wk_tensor a = k->in[0], q = k->out[0], r = k->out[1], gr = g[1];
    const int64_t   m = wki_m(a), n = wki_n(a), mode = k->attr.i[0];
    if (mode == WK_QR_R || (mode == WK_QR_COMPLETE && m > n)) {
        wk_fail(c, WK_ENOGRAD, "qr: %s of %s has no gradient", mode == WK_QR_R ? "mode R" : "complete",
                WKI_TEXT(a));
        return;
    }
    if (m >= n) {
        dx[0] = qr_square(c, q, r, g[0], gr);
        return;
    }
    /* A = [X, Y]: X = Q U, V = Q^T Y */
    const wk_tensor u = wk_narrow(c, r, -1, 0, m), y = wk_narrow(c, a, -1, m, n - m);
    wk_tensor       gq = g[0], gu = WK_NONE, dy = WK_NONE;
    if (wk_is_none(gr)) {
        dy = wk_zeros(c, a->dtype, wki_shape(y));
    } else {
        const wk_tensor gv = wk_narrow(c, gr, -1, m, n - m);
        gu = wk_narrow(c, gr, -1, 0, m);
        gq = sum_of(c, gq, times(c, y, wki_t(c, gv)));
        dy = times(c, q, gv);
    }
    dx[0] = wk_cat(c, 2, (const wk_tensor[]){qr_square(c, q, u, gq, gu), dy}, -1);
}

wk_tensor wk_geqrf(wk_ctx *c, wk_tensor a, wk_tensor *tau)
{
    if (tau) *tau = WK_NONE;
    if (!wki_are_matrices(c, "geqrf", a, false)) return WK_NONE;
    const int64_t   n = least(wki_m(a), wki_n(a));
    wk_call         k = {.op = WK_OP_geqrf,
                         .cls = wki_class_of(a->dtype),
                         WK_IN(a),
                         .out = {wki_like(c, a), wki_new(c, a->dtype, WKI_BATCH(a, n))},
                         .n_out = 2};
    const wk_tensor y = wki_run_filled(c, &k, wk_count(a) == 0);
    if (tau && !wki_failed(c)) *tau = k.out[1];
    return y;
}

/* One reflector after the other, with ordinary ops: for gradients. */
static wk_tensor reflect(wk_ctx *c, wk_tensor a, wk_tensor tau)
{
    const int64_t   m = wki_m(a), n = wki_n(a), count = wki_cols(tau);
    const wk_tensor v = wk_add(c, wk_tril(c, a, -1), wki_eye(c, m, n, a->dtype));
    wk_tensor       q = wk_expand(c, wki_eye(c, m, n, a->dtype), wki_shape(a));
    for (int64_t i = count - 1; i >= 0 && !wki_failed(c); i--) {
        const wk_tensor vi = wk_narrow(c, v, -1, i, 1), ti = wk_unsqueeze(c, wk_narrow(c, tau, -1, i, 1), -1);
        q = wk_sub(c, q, wk_mul(c, ti, times(c, vi, times(c, wki_t(c, vi), q))));
    }
    return q;
}

wk_tensor wk_householder_product(wk_ctx *c, wk_tensor a, wk_tensor tau)
{
    if (!wki_are_matrices(c, "householder_product", a, false)) return WK_NONE;
    WK_REQUIRE(c,
               !wk_is_none(tau) && tau->dtype == a->dtype && tau->ndim == a->ndim - 1 &&
                   wki_n(a) <= wki_m(a) && wki_cols(tau) <= wki_n(a),
               WK_ESHAPE,
               "householder_product: a is %s, tau %s %s; at most as many tau as columns, and columns"
               " as rows are wanted",
               WKI_TEXT(a), wk_dtype_name(tau->dtype), WKI_TEXT(tau));
    if (!wki_same_batch(c, "householder_product", &a, 2, &tau, 1)) return WK_NONE;
    const bool tracked = wki_recording(c) && (a->node || tau->node);
    if (tracked || wk_count(a) == 0 || wki_cols(tau) == 0) return wk_clone(c, reflect(c, a, tau));
    return wki_run(c, &(wk_call){.op = WK_OP_householder_product,
                                 .cls = wki_class_of(a->dtype),
                                 WK_IN(a, wk_contiguous(c, tau)),
                                 .out = {wki_like(c, a)}});
}

wk_tensor wk_ormqr(wk_ctx *c, wk_tensor a, wk_tensor tau, wk_tensor other, bool left, bool transpose)
{
    if (!wki_are_matrices(c, "ormqr", a, false) || !wki_are_matrices(c, "ormqr", other, false))
        return WK_NONE;
    const int64_t m = wki_m(a), n = least(m, wki_n(a));
    a = wk_narrow(c, a, -1, 0, n);
    const int64_t pads[2] = {0, m - n};
    wk_tensor     q = wk_householder_product(c, m > n ? wk_pad(c, a, 2, pads, 0) : a, tau);
    if (transpose) q = wki_t(c, q);
    return left ? times(c, q, other) : times(c, other, q);
}

/* ---- symmetric matrices -------------------------------------------------------------------------- */

static wk_tensor eigen(wk_ctx *c, const char *op, wk_tensor a, bool upper, wk_tensor *vectors)
{
    if (vectors) *vectors = WK_NONE;
    if (!wki_are_matrices(c, op, a, true)) return WK_NONE;
    const bool wanted = vectors || (wki_recording(c) && a->node);
    wk_call    k = {.op = WK_OP_eigh,
                    .cls = wki_class_of(a->dtype),
                    WK_IN(a),
                    .out = {wki_new(c, a->dtype, WKI_BATCH(a, wki_n(a)))},
                    .n_out = wanted ? 2 : 1,
                    .attr.i = {wanted, upper}};
    if (wanted) k.out[1] = wki_like(c, a);
    const wk_tensor w = wki_run_filled(c, &k, wk_count(a) == 0);
    if (vectors && !wki_failed(c)) *vectors = k.out[1];
    return w;
}

wk_tensor wk_eigh(wk_ctx *c, wk_tensor a, bool upper, wk_tensor *vectors)
{
    wk_tensor v;
    return eigen(c, "eigh", a, upper, vectors ? vectors : &v);
}
wk_tensor wk_eigvalsh(wk_ctx *c, wk_tensor a, bool upper)
{
    return eigen(c, "eigvalsh", a, upper, NULL);
}

/* d_j - d_i at (i, j), ones on the diagonal. */
static wk_tensor gaps(wk_ctx *c, wk_tensor d)
{
    const wk_tensor e = wk_sub(c, wk_unsqueeze(c, d, -2), wk_unsqueeze(c, d, -1));
    return wki_failed(c) ? WK_NONE : wk_add(c, e, wki_eye(c, wki_cols(d), wki_cols(d), d->dtype));
}
/* x - x^T */
static wk_tensor skew(wk_ctx *c, wk_tensor x)
{
    return wk_sub(c, x, wki_t(c, x));
}

/* V (diag(gw) + skew(V^T gV) / 2 gaps) V^T: symmetric, as changes of a symmetric a are. */
void wki_vjp_eigh(wk_ctx *c, const wk_call *k, const wk_tensor *g, wk_tensor *dx)
{
    if (wki_no_cotangents(c, k, dx)) return;
    const wk_tensor w = k->out[0], v = k->out[1], gv = k->n_out > 1 ? g[1] : WK_NONE;
    wk_tensor       inner = WK_NONE;
    if (!wk_is_none(g[0]) && wk_is_none(gv)) {
        dx[0] = times(c, columns_times(c, v, g[0]), wki_t(c, v));
        return;
    }
    inner = wk_div(c, skew(c, times(c, wki_t(c, v), gv)), gaps(c, w));
    inner = wk_mul(c, inner, wk_scalar(c, 0.5));
    if (!wk_is_none(g[0])) inner = wk_add(c, inner, wki_diagonals(c, g[0]));
    dx[0] = times(c, times(c, v, inner), wki_t(c, v));
}

/* ---- singular values ------------------------------------------------------------------------------- */

/* vectors: 0 none, 1 reduced, 2 full */
static wk_tensor singular(wk_ctx *c, const char *op, wk_tensor a, int vectors, wk_tensor *u, wk_tensor *vh)
{
    *u = *vh = WK_NONE;
    if (!wki_are_matrices(c, op, a, false)) return WK_NONE;
    const int64_t m = wki_m(a), n = wki_n(a), r = least(m, n);
    if (!vectors && wki_recording(c) && a->node) vectors = 1;
    wk_call    k = {.op = WK_OP_svd,
                    .cls = wki_class_of(a->dtype),
                    WK_IN(a),
                    .out = {wki_new(c, a->dtype, WKI_BATCH(a, r))},
                    .n_out = vectors ? 3 : 1,
                    .attr.i = {vectors}};
    const bool empty = wk_count(a) == 0;
    if (vectors) {
        const int64_t left = vectors == 2 ? m : r, right = vectors == 2 ? n : r;
        k.out[1] = empty ? eye_like(c, m, left, a) : wki_new(c, a->dtype, WKI_BATCH(a, m, left));
        k.out[2] = empty ? eye_like(c, right, n, a) : wki_new(c, a->dtype, WKI_BATCH(a, right, n));
    }
    const wk_tensor s = wki_run_filled(c, &k, empty);
    if (vectors && !wki_failed(c)) {
        *u = k.out[1];
        *vh = k.out[2];
    }
    return s;
}

wk_tensor wk_svd(wk_ctx *c, wk_tensor a, bool full, wk_tensor *s, wk_tensor *vh)
{
    wk_tensor       u, v;
    const wk_tensor d = singular(c, "svd", a, full ? 2 : 1, &u, &v);
    if (s) *s = d;
    if (vh) *vh = v;
    return u;
}

wk_tensor wk_svdvals(wk_ctx *c, wk_tensor a)
{
    wk_tensor u, v;
    return singular(c, "svdvals", a, 0, &u, &v);
}

/* arXiv:1909.02659. What U and V lose of the space beyond their columns comes back through the last terms; of
 * full U and V the further columns are any, and their cotangents do not count. */
void wki_vjp_svd(wk_ctx *c, const wk_call *k, const wk_tensor *g, wk_tensor *dx)
{
    if (wki_no_cotangents(c, k, dx)) return;
    const wk_tensor s = k->out[0];
    const int64_t   r = wki_cols(s), m = wki_m(k->out[1]), n = wki_n(k->out[2]);
    const wk_tensor u = wk_narrow(c, k->out[1], -1, 0, r), vh = wk_narrow(c, k->out[2], -2, 0, r);
    const wk_tensor gu = wk_is_none(g[1]) ? WK_NONE : wk_narrow(c, g[1], -1, 0, r);
    const wk_tensor gv = wk_is_none(g[2]) ? WK_NONE : wk_narrow(c, g[2], -2, 0, r);
    wk_tensor       inner = WK_NONE, d = WK_NONE;
    if (wk_is_none(gu) && wk_is_none(gv)) {
        dx[0] = times(c, columns_times(c, u, g[0]), vh);
        return;
    }
    const wk_tensor e = gaps(c, wk_square(c, s));
    if (!wk_is_none(gu)) inner = columns_times(c, wk_div(c, skew(c, times(c, wki_t(c, u), gu)), e), s);
    if (!wk_is_none(gv))
        inner = sum_of(c, inner, rows_times(c, wk_div(c, skew(c, times(c, vh, wki_t(c, gv))), e), s));
    if (!wk_is_none(g[0])) inner = wk_add(c, inner, wki_diagonals(c, g[0]));
    d = times(c, times(c, u, inner), vh);
    const wk_tensor over = wk_reciprocal(c, s);
    if (!wk_is_none(gu) && m > r) {
        const wk_tensor part = columns_times(c, gu, over);
        d = wk_add(c, d, times(c, wk_sub(c, part, times(c, u, times(c, wki_t(c, u), part))), vh));
    }
    if (!wk_is_none(gv) && n > r) {
        const wk_tensor part = rows_times(c, gv, over);
        d = wk_add(c, d, times(c, u, wk_sub(c, part, times(c, times(c, part, wki_t(c, vh)), vh))));
    }
    dx[0] = d;
}

/* ---- any square matrix: complex values ------------------------------------------------------------- */

static wk_tensor complex_eigen(wk_ctx *c, const char *op, wk_tensor a, wk_tensor *vectors);

/* On the host, of a device that has no kernel: into the results of k. Waits for the device. */
static void eigen_on_host(wk_ctx *c, const wk_call *k, wk_ctx *host)
{
    const wk_tensor a = k->in[0];
    void           *values = wk_alloc(2 * (size_t)wk_bytes(a)); /* any of the three */
    wk_tensor       v = WK_NONE, w = WK_NONE;
    if (!values) wk_fail(c, WK_ENOMEM, "eig: out of memory");
    if (values && wk_read(c, a, values) == WK_OK) {
        w = complex_eigen(host, "eig", wk_make(host, values, a->dtype, wki_shape(a)),
                          k->n_out > 1 ? &v : NULL);
        const wk_tensor found[] = {w, v};
        for (int i = 0; i < k->n_out && wk_read(host, found[i], values) == WK_OK; i++)
            wk_copy_into(c, k->out[i], wk_make(c, values, a->dtype, wki_shape(k->out[i])));
        if (wki_failed(host)) wk_fail(c, wk_ctx_status(host), "%s", wk_ctx_message(host));
    }
    wk_free(values);
}

static wk_tensor complex_eigen(wk_ctx *c, const char *op, wk_tensor a, wk_tensor *vectors)
{
    if (vectors) *vectors = WK_NONE;
    if (!wki_are_matrices(c, op, a, true)) return WK_NONE;
    const int64_t n = wki_n(a);
    const bool    wanted = vectors || (wki_recording(c) && a->node);
    WK_REQUIRE(c, a->ndim < WK_MAX_DIMS, WK_ESHAPE, "%s: a is %s, no dim is left for complex values", op,
               WKI_TEXT(a));
    wk_call k = {.op = WK_OP_eig,
                 .cls = wki_class_of(a->dtype),
                 WK_IN(a),
                 .out = {wki_new(c, a->dtype, WKI_BATCH(a, n, 2))},
                 .n_out = wanted ? 2 : 1,
                 .attr.i = {wanted}};
    if (wanted) k.out[1] = wki_new(c, a->dtype, WKI_BATCH(a, n, n, 2));
    const bool elsewhere = !wki_failed(c) && !wki_has(c, WK_OP_eig) && wk_count(a) > 0;
    if (elsewhere) {
        wk_ctx    *host = wk_ctx_new("cpu");
        const bool was = wk_no_grad(c, true);
        eigen_on_host(c, &k, host);
        wk_no_grad(c, was);
        wk_ctx_free(host);
    }
    const wk_tensor w = wki_run_filled(c, &k, elsewhere || wk_count(a) == 0);
    if (vectors && !wki_failed(c)) *vectors = k.out[1];
    return w;
}

wk_tensor wk_eig(wk_ctx *c, wk_tensor a, wk_tensor *vectors)
{
    wk_tensor v;
    return complex_eigen(c, "eig", a, vectors ? vectors : &v);
}
wk_tensor wk_eigvals(wk_ctx *c, wk_tensor a)
{
    return complex_eigen(c, "eigvals", a, NULL);
}

struct pair {
    wk_tensor re, im;
};
static struct pair split(wk_ctx *c, wk_tensor x)
{
    return (struct pair){wk_select(c, x, -1, 0), wk_select(c, x, -1, 1)};
}
/* conj(a)^T b, of matrices. */
static struct pair adjoint_times(wk_ctx *c, struct pair a, struct pair b)
{
    const wk_tensor re = wki_t(c, a.re), im = wki_t(c, a.im);
    return (struct pair){wk_add(c, times(c, re, b.re), times(c, im, b.im)),
                         wk_sub(c, times(c, re, b.im), times(c, im, b.re))};
}
/* conj(V)^-T x, as a real system of twice the size. */
static struct pair adjoint_solve(wk_ctx *c, struct pair v, struct pair x)
{
    const wk_tensor re = wki_t(c, v.re), im = wki_t(c, v.im);
    const wk_tensor top = wk_cat(c, 2, (const wk_tensor[]){re, im}, -1);
    const wk_tensor low = wk_cat(c, 2, (const wk_tensor[]){wk_neg(c, im), re}, -1);
    const wk_tensor a = wk_cat(c, 2, (const wk_tensor[]){top, low}, -2);
    const wk_tensor b = wk_cat(c, 2, (const wk_tensor[]){x.re, x.im}, -2), y = wk_solve(c, a, b, true);
    if (wki_failed(c)) return (struct pair){WK_NONE, WK_NONE};
    const int64_t n = wki_m(x.re);
    return (struct pair){wk_narrow(c, y, -2, 0, n), wk_narrow(c, y, -2, n, n)};
}

/* arXiv:1701.00392: V^-H (diag(gw) + (V^H gV - V^H V diag(Re(V^H gV))) / conj(gaps)) V^H, its real part; the
 * second difference keeps columns of V at length one. */
void wki_vjp_eig(wk_ctx *c, const wk_call *k, const wk_tensor *g, wk_tensor *dx)
{
    if (wki_no_cotangents(c, k, dx)) return;
    const struct pair w = split(c, k->out[0]), v = split(c, k->out[1]);
    struct pair       inner = {WK_NONE, WK_NONE};
    if (k->n_out > 1 && !wk_is_none(g[1])) {
        const struct pair h = adjoint_times(c, v, split(c, g[1])), vv = adjoint_times(c, v, v);
        const wk_tensor   length = wki_diagonal(c, h.re);
        const struct pair x = {wk_sub(c, h.re, columns_times(c, vv.re, length)),
                               wk_sub(c, h.im, columns_times(c, vv.im, length))};
        /* x / conj(e) = x e / |e|^2 */
        const wk_tensor er = gaps(c, w.re);
        const wk_tensor ei = wk_sub(c, wk_unsqueeze(c, w.im, -2), wk_unsqueeze(c, w.im, -1));
        const wk_tensor size = wk_add(c, wk_square(c, er), wk_square(c, ei));
        const wk_tensor off =
            wki_failed(c) ? WK_NONE
                          : wk_div(c, wk_logical_not(c, wki_eye(c, wki_m(er), wki_m(er), WK_bool)), size);
        inner.re = wk_mul(c, wk_sub(c, wk_mul(c, x.re, er), wk_mul(c, x.im, ei)), off);
        inner.im = wk_mul(c, wk_add(c, wk_mul(c, x.re, ei), wk_mul(c, x.im, er)), off);
    }
    if (!wk_is_none(g[0])) {
        const struct pair gw = split(c, g[0]);
        inner.re = sum_of(c, inner.re, wki_diagonals(c, gw.re));
        inner.im = sum_of(c, inner.im, wki_diagonals(c, gw.im));
    }
    /* inner V^H, then V^-H of it; of the result the real part */
    const wk_tensor   vr = wki_t(c, v.re), vi = wki_t(c, v.im);
    const struct pair right = {wk_add(c, times(c, inner.re, vr), times(c, inner.im, vi)),
                               wk_sub(c, times(c, inner.im, vr), times(c, inner.re, vi))};
    dx[0] = adjoint_solve(c, v, right).re;
}

/* ---- least squares ----------------------------------------------------------------------------------- */

static double eps_of(wk_tensor x)
{
    return x->dtype == WK_f64 ? 2.220446049250313e-16 : 1.1920928955078125e-07;
}

/* A cut as [.., 1] beside singular values [.., n]. */
static wk_tensor cut_of(wk_ctx *c, wk_tensor cut, wk_dtype t)
{
    const wk_tensor x = wk_cast(c, wk_detach(c, cut), t);
    return x->ndim ? wk_unsqueeze(c, x, -1) : x;
}

/* Which singular values, or sizes of eigenvalues, do not count as zero. */
static wk_tensor above(wk_ctx *c, wk_tensor a, wk_tensor s, wk_tensor atol, wk_tensor rtol)
{
    if (wki_failed(c)) return WK_NONE;
    const int64_t   m = wki_m(a), n = wki_n(a);
    const wk_tensor zero = wk_zeros(c, a->dtype, WK_SCALAR_SHAPE);
    const wk_tensor least = wk_is_none(atol) ? zero : cut_of(c, atol, a->dtype);
    wk_tensor       part = wk_full(c, eps_of(a) * (double)(m > n ? m : n), a->dtype, WK_SCALAR_SHAPE);
    if (!wk_is_none(rtol))
        part = cut_of(c, rtol, a->dtype);
    else if (!wk_is_none(atol))
        part = wk_where(c, wk_gt(c, least, zero), zero, part);
    return wk_gt(c, s, wk_maximum(c, wk_mul(c, wk_amax(c, s, WK_DIMS(-1), true), part), least));
}

static wk_tensor inverse_where(wk_ctx *c, wk_tensor counts, wk_tensor s)
{
    return wki_failed(c) ? WK_NONE
                         : wk_where(c, counts, wk_reciprocal(c, s), wk_zeros(c, s->dtype, WK_SCALAR_SHAPE));
}

static wk_tensor pseudo_inverse(wk_ctx *c, wk_tensor a, wk_tensor atol, wk_tensor rtol, bool hermitian)
{
    wk_tensor s, vh, v;
    if (hermitian) {
        const wk_tensor w = wk_eigh(c, a, false, &v);
        const wk_tensor over = inverse_where(c, above(c, a, wk_abs(c, w), atol, rtol), w);
        return times(c, columns_times(c, v, over), wki_t(c, v));
    }
    const wk_tensor u = wk_svd(c, a, false, &s, &vh);
    const wk_tensor over = inverse_where(c, above(c, a, s, atol, rtol), s);
    return times(c, columns_times(c, wki_t(c, vh), over), wki_t(c, u));
}

wk_tensor wk_pinv(wk_ctx *c, wk_tensor a, wk_tensor atol, wk_tensor rtol, bool hermitian)
{
    if (!wki_are_matrices(c, "pinv", a, hermitian)) return WK_NONE;
    const bool      was = wk_no_grad(c, true), empty = wk_count(a) == 0;
    const wk_tensor y = wk_contiguous(c, empty ? wki_t(c, a) : pseudo_inverse(c, a, atol, rtol, hermitian));
    wk_no_grad(c, was);
    return wki_run_view(c, &(wk_call){.op = WK_OP_pinv, WK_IN(a), .out = {y}});
}

/* Golub and Pereyra, SIAM J. Numer. Anal. 10 (1973): dP = - P dA P + P P^T dA^T (I - A P)
 * + (I - P A) dA^T P^T P, turned round. */
static wk_tensor pinv_cotangent(wk_ctx *c, wk_tensor a, wk_tensor p, wk_tensor g)
{
    const wk_tensor pt = wki_t(c, p), gt = wki_t(c, g);
    const wk_tensor left = times(c, times(c, gt, p), pt), right = times(c, pt, times(c, p, gt));
    wk_tensor       d = wk_neg(c, times(c, times(c, pt, g), pt));
    d = wk_add(c, d, wk_sub(c, left, times(c, a, times(c, p, left))));
    return wk_add(c, d, wk_sub(c, right, times(c, times(c, right, p), a)));
}

void wki_vjp_pinv(wk_ctx *c, const wk_call *k, const wk_tensor *g, wk_tensor *dx)
{
    if (wki_no_cotangents(c, k, dx)) return;
    dx[0] = pinv_cotangent(c, k->in[0], k->out[0], g[0]);
}

wk_tensor wk_matrix_rank(wk_ctx *c, wk_tensor a, wk_tensor atol, wk_tensor rtol, bool hermitian)
{
    if (!wki_are_matrices(c, "matrix_rank", a, hermitian)) return WK_NONE;
    if (wk_count(a) == 0) return wk_zeros(c, WK_i64, wki_batch(a, 2, 0, NULL));
    const bool      was = wk_no_grad(c, true);
    const wk_tensor s = hermitian ? wk_abs(c, wk_eigvalsh(c, a, false)) : wk_svdvals(c, a);
    const wk_tensor rank = wk_sum(c, above(c, a, s, atol, rtol), WK_DIMS(-1), false);
    wk_no_grad(c, was);
    return rank;
}

static wk_tensor run_lstsq(wk_ctx *c, wk_tensor a, wk_tensor b, double rcond, wk_tensor *rank, wk_tensor *s)
{
    const int64_t m = wki_m(a), n = wki_n(a);
    wk_call       k = {.op = WK_OP_lstsq,
                       .cls = wki_class_of(a->dtype),
                       WK_IN(a, b),
                       .out = {wki_new(c, a->dtype, WKI_BATCH(a, n, wki_n(b))),
                               wk_zeros(c, WK_i64, wki_batch(a, 2, 0, NULL)),
                               wk_zeros(c, a->dtype, WKI_BATCH(a, least(m, n)))},
                       .n_out = 3,
                       .attr.f = {rcond < 0 ? eps_of(a) * (double)(m > n ? m : n) : rcond}};
    *rank = k.out[1];
    *s = k.out[2];
    const bool empty = wk_count(a) == 0 || wki_n(b) == 0;
    if (empty) k.out[0] = wk_zeros(c, a->dtype, WKI_BATCH(a, n, wki_n(b)));
    return wki_run_filled(c, &k, empty);
}

wk_tensor wk_lstsq(wk_ctx *c, wk_tensor a, wk_tensor b, double rcond, wk_tensor *residuals, wk_tensor *rank,
                   wk_tensor *singular_values)
{
    wk_tensor ranks = WK_NONE, s = WK_NONE;
    if (residuals) *residuals = WK_NONE;
    if (rank) *rank = WK_NONE;
    if (singular_values) *singular_values = WK_NONE;
    if (!wki_are_matrices(c, "lstsq", a, false)) return WK_NONE;
    WK_REQUIRE(c, !wk_is_none(b) && b->dtype == a->dtype && b->ndim >= 1, WK_EDTYPE,
               "lstsq: b is %s %s, a %s %s", wk_dtype_name(b->dtype), WKI_TEXT(b), wk_dtype_name(a->dtype),
               WKI_TEXT(a));
    const bool vectors = b->ndim == a->ndim - 1 && wki_cols(b) == wki_m(a);
    if (vectors) b = wk_unsqueeze(c, b, -1);
    WK_REQUIRE(c, wki_failed(c) || (b->ndim >= 2 && wki_m(b) == wki_m(a)), WK_ESHAPE,
               "lstsq: %lld equations, b is %s", (long long)wki_m(a), WKI_TEXT(b));
    if (!wki_same_batch(c, "lstsq", &a, 2, &b, 2)) return WK_NONE;
    const wk_tensor x = run_lstsq(c, a, b, rcond, &ranks, &s);
    if (wki_failed(c)) return WK_NONE;
    if (residuals) {
        const wk_tensor low = wk_lt(c, ranks, wk_scalar_int(c, wki_n(a)));
        const bool      full =
            wki_m(a) > wki_n(a) && wk_count(ranks) > 0 && wk_item(c, wk_any(c, low, WK_ALL_DIMS, false)) == 0;
        const wk_tensor rest = full ? wk_square(c, wk_sub(c, times(c, a, x), b)) : WK_NONE;
        *residuals =
            full ? wk_sum(c, rest, WK_DIMS(-2), false) : wk_narrow(c, wk_flatten(c, x, 0, -1), 0, 0, 0);
    }
    if (rank) *rank = ranks;
    if (singular_values) *singular_values = s;
    return vectors ? wk_squeeze(c, x, -1) : x;
}

/* X = P B: through B, and through P. */
void wki_vjp_lstsq(wk_ctx *c, const wk_call *k, const wk_tensor *g, wk_tensor *dx)
{
    if (wki_no_cotangents(c, k, dx)) return;
    const wk_tensor a = k->in[0], b = k->in[1];
    if (wk_is_none(g[0])) {
        wk_fail(c, WK_ENOGRAD, "lstsq: singular values have no gradient; wk_svdvals has");
        return;
    }
    const wk_tensor p = wk_pinv(c, a, WK_NONE, wk_scalar(c, k->attr.f[0]), false);
    dx[1] = times(c, wki_t(c, p), g[0]);
    if (a->node) dx[0] = pinv_cotangent(c, a, p, times(c, g[0], wki_t(c, b)));
}
