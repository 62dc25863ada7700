/* Cases of linear algebra: decompositions put together again, and each part's gradient. */
#include "tests/ops/cases.h"

#include <math.h>
#include <string.h>

typedef wk_tensor (*run_fn)(wk_ctx *c, const wk_tensor *x, const struct op_case *k);
#define RUN(name) static wk_tensor name(wk_ctx *c, const wk_tensor *x, const struct op_case *k)

static wk_tensor turned(wk_ctx *c, wk_tensor x)
{
    return wk_transpose(c, x, -1, -2);
}
/* x + n I, far from singular; x x^T + I, positive definite. */
static wk_tensor regular(wk_ctx *c, wk_tensor x)
{
    const int64_t   n = wk_size(x, -1);
    const wk_tensor i = wk_arange(c, 0, (double)n, 1, WK_i32);
    const wk_tensor eye = wk_cast(c, wk_eq(c, wk_unsqueeze(c, i, 1), i), x->dtype);
    return wk_add(c, x, wk_mul(c, eye, wk_scalar(c, (double)n + 1)));
}
static wk_tensor definite(wk_ctx *c, wk_tensor x)
{
    return regular(c, wk_matmul(c, x, turned(c, x)));
}

/* ---- systems: A times what was found gives the right-hand side again ---- */

RUN(solve_back)
{
    const wk_tensor a = regular(c, x[0]);
    return k->p > 0 ? wk_matmul(c, wk_solve(c, a, x[1], false), a)
                    : wk_matmul(c, a, wk_solve(c, a, x[1], true));
}
RUN(solve_alone)
{
    (void)k;
    return wk_solve(c, regular(c, x[0]), x[1], true);
}
RUN(inverse_alone)
{
    (void)k;
    return wk_inv(c, regular(c, x[0]));
}
RUN(inverse_twice)
{
    (void)k;
    return wk_sub(c, wk_inv(c, wk_inv(c, regular(c, x[0]))), regular(c, wk_mul(c, x[0], wk_scalar(c, 0))));
}
RUN(lu_solve_back)
{
    const wk_tensor a = regular(c, x[0]);
    const bool      across = k->p > 0, left = k->q == 0;
    wk_tensor       pivots;
    const wk_tensor lu = wk_lu_factor(c, a, &pivots), y = wk_lu_solve(c, lu, pivots, x[1], left, across);
    const wk_tensor m = across ? turned(c, a) : a;
    return left ? wk_matmul(c, m, y) : wk_matmul(c, y, m);
}
RUN(lu_solve_alone)
{
    wk_tensor       pivots;
    const wk_tensor lu = wk_lu_factor(c, regular(c, x[0]), &pivots);
    return wk_lu_solve(c, lu, pivots, x[1], true, k->p > 0);
}
RUN(triangular_back)
{
    const wk_tensor a = regular(c, x[0]);
    const bool      upper = k->p > 0, left = k->q == 0;
    const wk_tensor y = wk_solve_triangular(c, a, x[1], upper, left, false);
    const wk_tensor half = upper ? wk_triu(c, a, 0) : wk_tril(c, a, 0);
    return left ? wk_matmul(c, half, y) : wk_matmul(c, y, half);
}
RUN(triangular_alone)
{
    const wk_tensor a = wk_mul(c, x[0], wk_scalar(c, 0.2));
    return k->q > 0 ? wk_triangular_solve(c, x[1], regular(c, a), k->p > 0, true, false)
                    : wk_solve_triangular(c, a, x[1], k->p > 0, true, true);
}

/* ---- factors, multiplied ---- */

RUN(lu_back)
{
    (void)k;
    wk_tensor       l, u;
    const wk_tensor p = wk_lu(c, x[0], &l, &u);
    return wk_matmul(c, p, wk_matmul(c, l, u));
}
RUN(lu_alone)
{
    (void)k;
    wk_tensor info, pivots;
    return wk_lu_factor_ex(c, x[0], &pivots, &info);
}
RUN(cholesky_back)
{
    const wk_tensor l = wk_cholesky(c, definite(c, x[0]), k->p > 0);
    const wk_tensor a = k->p > 0 ? wk_matmul(c, turned(c, l), l) : wk_matmul(c, l, turned(c, l));
    return wk_add(c, x[0], wk_sub(c, a, definite(c, x[0])));
}
RUN(cholesky_alone)
{
    return wk_cholesky(c, definite(c, x[0]), k->p > 0);
}
RUN(cholesky_solutions)
{
    const bool      upper = k->p > 0;
    const wk_tensor half = upper ? wk_triu(c, regular(c, x[0]), 0) : wk_tril(c, regular(c, x[0]), 0);
    return wk_add(c, wk_cholesky_solve(c, x[1], half, upper), wk_cholesky_inverse(c, half, upper));
}
RUN(qr_back)
{
    wk_tensor       r;
    const wk_tensor q = wk_qr(c, x[0], k->p > 0 ? WK_QR_COMPLETE : WK_QR_REDUCED, &r);
    return wk_matmul(c, q, r);
}
RUN(qr_alone)
{
    wk_tensor       r;
    const wk_tensor q = wk_qr(c, x[0], WK_QR_REDUCED, &r);
    return k->p > 0 ? q : r;
}
RUN(reflectors_back)
{
    (void)k;
    wk_tensor       tau;
    const wk_tensor a = wk_geqrf(c, x[0], &tau);
    return wk_ormqr(c, a, tau, wk_triu(c, a, 0), true, false);
}
RUN(reflectors_alone)
{
    (void)k;
    return wk_householder_product(c, x[0], x[1]);
}
RUN(eigh_back)
{
    wk_tensor       v;
    const wk_tensor a = wk_add(c, x[0], turned(c, x[0])), w = wk_eigh(c, a, k->p > 0, &v);
    const wk_tensor y = wk_matmul(c, wk_mul(c, v, wk_unsqueeze(c, w, -2)), turned(c, v));
    return wk_add(c, x[0], wk_sub(c, y, a));
}
RUN(eigh_alone)
{
    wk_tensor       v;
    const wk_tensor a = wk_add(c, x[0], turned(c, x[0]));
    if (k->p == 0) return wk_eigvalsh(c, a, false);
    const wk_tensor w = wk_eigh(c, a, false, &v);
    return wk_add(c, wk_square(c, v), wk_unsqueeze(c, w, -2)); /* the same for any signs */
}
RUN(svd_back)
{
    wk_tensor       s, vh;
    const int64_t   m = wk_size(x[0], -2), n = wk_size(x[0], -1), least = m < n ? m : n;
    const wk_tensor u = wk_svd(c, x[0], k->p > 0, &s, &vh);
    return wk_matmul(c, wk_mul(c, wk_narrow(c, u, -1, 0, least), wk_unsqueeze(c, s, -2)),
                     wk_narrow(c, vh, -2, 0, least));
}
RUN(svd_alone)
{
    wk_tensor s, vh;
    if (k->p == 0) return wk_svdvals(c, x[0]);
    const wk_tensor u = wk_svd(c, x[0], false, &s, &vh);
    return k->p == 1 ? wk_square(c, u) : wk_add(c, wk_square(c, vh), wk_unsqueeze(c, s, -1));
}
/* A v = w v, its two halves side by side. */
RUN(eig_back)
{
    (void)k;
    wk_tensor       v;
    const wk_tensor w = wk_eig(c, x[0], &v), re = wk_select(c, v, -1, 0), im = wk_select(c, v, -1, 1);
    const wk_tensor wr = wk_unsqueeze(c, wk_select(c, w, -1, 0), -2);
    const wk_tensor wi = wk_unsqueeze(c, wk_select(c, w, -1, 1), -2);
    const wk_tensor left = wk_matmul(c, x[0], re);
    const wk_tensor right = wk_sub(c, wk_mul(c, re, wr), wk_mul(c, im, wi));
    return wk_add(c, x[0], wk_sub(c, left, right));
}
/* Sizes and their sums: no order of eigenvalues, no phases. */
RUN(eig_alone)
{
    wk_tensor v;
    if (k->p == 0) return wk_sum(c, wk_exp(c, wk_select(c, wk_eigvals(c, x[0]), -1, 0)), WK_DIMS(-1), false);
    const wk_tensor w = wk_eig(c, x[0], &v), size = wk_sum(c, wk_square(c, v), WK_DIMS(-1), false);
    const wk_tensor weight = wk_unsqueeze(c, wk_square(c, wk_select(c, w, -1, 0)), -2);
    return wk_sum(c, wk_mul(c, wk_square(c, size), weight), WK_DIMS(-1), false);
}

/* ---- numbers ---- */

RUN(determinants)
{
    wk_tensor       logs;
    const wk_tensor a = regular(c, x[0]);
    if (k->p == 0) return wk_det(c, x[0]);
    if (k->p == 1) return wk_logdet(c, a);
    const wk_tensor sign = wk_slogdet(c, x[0], &logs);
    return wk_mul(c, sign, wk_exp(c, logs));
}
RUN(of_rank_one_less)
{
    (void)k;
    return wk_det(c, wk_matmul(c, x[0], x[1])); /* [4, 3] [3, 4] */
}
static void exact_zeros(const struct op_case *k, const struct values *x, struct values *y)
{
    (void)k;
    (void)x;
    for (int64_t i = 0; i < y->n; i++) y->v[i] = 0;
}
/* By Laplace's expansion. */
static double laplace(const double *a, int64_t n, int64_t row, unsigned taken)
{
    double sum = 0, sign = 1;
    if (row == n) return 1;
    for (int64_t j = 0; j < n; j++) {
        if (taken >> j & 1) continue;
        sum += sign * a[row * n + j] * laplace(a, n, row + 1, taken | 1u << j);
        sign = -sign;
    }
    return sum;
}
static void exact_det(const struct op_case *k, const struct values *x, struct values *y)
{
    const int64_t n = x->shape[x->ndim - 1];
    (void)k;
    for (int64_t i = 0; i < y->n; i++) y->v[i] = laplace(x->v + i * n * n, n, 0, 0);
}
RUN(pseudo_inverses)
{
    if (k->p == 1) return wk_pinv(c, wk_add(c, x[0], turned(c, x[0])), WK_NONE, WK_NONE, true);
    return k->p == 2 ? wk_pinv(c, wk_matmul(c, x[0], x[1]), wk_scalar(c, 0.001), WK_NONE, false)
                     : wk_pinv(c, x[0], WK_NONE, WK_NONE, false);
}
RUN(least_squares)
{
    wk_tensor rest;
    if (k->p == 0) return wk_lstsq(c, x[0], x[1], -1, NULL, NULL, NULL);
    wk_lstsq(c, x[0], x[1], -1, &rest, NULL, NULL);
    return rest;
}
RUN(conditions)
{
    return wk_cond(c, regular(c, x[0]), k->q > 0 ? WK_NORM_FRO : WK_NORM_P, k->p);
}
RUN(vector_norms)
{
    return wk_vector_norm(c, x[0], k->p, k->dims, k->keep);
}
static void exact_vector_norm(const struct op_case *k, const struct values *x, struct values *y)
{
    const int64_t inner = x->shape[2], n = x->shape[1];
    for (int64_t i = 0; i < y->n; i++) {
        const double *v = x->v + i / inner * n * inner + i % inner;
        double        sum = k->p == -INFINITY ? INFINITY : 0;
        for (int64_t j = 0; j < n; j++) {
            const double size = fabs(v[j * inner]);
            if (isinf(k->p))
                sum = (k->p > 0) == (size > sum) ? size : sum;
            else
                sum += k->p == 0 ? size != 0 : pow(size, k->p);
        }
        y->v[i] = isinf(k->p) || k->p == 0 ? sum : pow(sum, 1 / k->p);
    }
}
RUN(matrix_norms)
{
    return wk_matrix_norm(c, x[0], (wk_norm_kind)(int)k->q, k->p, k->dims, k->keep);
}

/* ---- functions ---- */

RUN(powers)
{
    return wk_matrix_power(c, regular(c, x[0]), (int64_t)k->p);
}
RUN(exponentials)
{
    (void)k;
    return wk_matrix_exp(c, x[0]);
}
RUN(exponential_back)
{
    (void)k; /* exp(x) exp(-x) x = x */
    return wk_matmul(c, wk_matmul(c, wk_matrix_exp(c, x[0]), wk_matrix_exp(c, wk_neg(c, x[0]))), x[0]);
}
RUN(traces)
{
    (void)k;
    return wk_add(c, wk_trace(c, x[0]), wk_sum(c, wk_vander(c, x[0], 4), WK_ALL_DIMS, false));
}
RUN(tensor_maps)
{
    (void)k;
    const wk_tensor a = wk_reshape(c, regular(c, wk_reshape(c, x[0], WK_SHAPE(6, 6))), WK_SHAPE(6, 2, 3));
    const wk_tensor y = wk_tensorsolve(c, a, x[1], WK_ALL_DIMS), over = wk_tensorinv(c, a, 1);
    return wk_add(c, y, wk_tensordot(c, over, x[1], WK_DIMS(2), WK_DIMS(0)));
}

static void exact_first(const struct op_case *k, const struct values *x, struct values *y)
{
    (void)k;
    memcpy(y->v, x[0].v, (size_t)y->n * sizeof *y->v);
}
static void exact_second(const struct op_case *k, const struct values *x, struct values *y)
{
    (void)k;
    memcpy(y->v, x[1].v, (size_t)y->n * sizeof *y->v);
}

/* `other`: of the second operand, or of no dims. FIRST, SECOND: that operand comes back. */
enum check { FIRST = 1, SECOND, WIDE, ZEROS, DET };
static const struct linalg_case {
    const char *op;
    run_fn      run;
    wk_shape    shape, other;
    double      p, q;
    enum check  check;
    bool        gradient;
} cases[] = {
    {"solve", solve_back, {3, {3, 4, 4}}, {2, {4, 2}}, 0, 0, WIDE, true},
    {"solve", solve_back, {2, {40, 40}}, {2, {3, 40}}, 1, 0, SECOND, false},
    {"solve", solve_alone, {2, {4, 4}}, {3, {2, 4, 3}}, 0, 0, WIDE, true},
    {"solve", solve_alone, {3, {2, 3, 3}}, {2, {2, 3}}, 0, 0, WIDE, true},
    {"inv", inverse_alone, {3, {2, 4, 4}}, {0}, 0, 0, WIDE, true},
    {"inv", inverse_twice, {2, {33, 33}}, {0}, 0, 0, FIRST, false},
    {"lu_solve", lu_solve_back, {3, {2, 4, 4}}, {3, {2, 4, 3}}, 0, 0, SECOND, true},
    {"lu_solve", lu_solve_back, {3, {2, 4, 4}}, {3, {2, 4, 3}}, 1, 0, SECOND, true},
    {"lu_solve", lu_solve_back, {2, {4, 4}}, {3, {2, 3, 4}}, 1, 1, SECOND, false},
    {"lu_solve", lu_solve_alone, {2, {4, 4}}, {2, {4, 3}}, 1, 0, WIDE, true},
    {"solve_triangular", triangular_back, {3, {2, 4, 4}}, {2, {4, 3}}, 0, 0, WIDE, true},
    {"solve_triangular", triangular_back, {2, {4, 4}}, {2, {3, 4}}, 1, 1, SECOND, true},
    {"solve_triangular", triangular_alone, {2, {4, 4}}, {2, {4, 3}}, 0, 0, WIDE, true},
    {"solve_triangular", triangular_alone, {2, {4, 4}}, {2, {4, 3}}, 1, 1, WIDE, true},
    {"lu_factor", lu_alone, {3, {2, 4, 4}}, {0}, 0, 0, WIDE, true},
    {"lu_factor", lu_alone, {2, {5, 3}}, {0}, 0, 0, WIDE, true},
    {"lu_factor", lu_alone, {2, {3, 5}}, {0}, 0, 0, WIDE, true},
    {"lu_order", lu_back, {3, {2, 7, 5}}, {0}, 0, 0, FIRST, true},
    {"lu_order", lu_back, {2, {5, 37}}, {0}, 0, 0, FIRST, false},
    {"cholesky", cholesky_back, {3, {2, 6, 6}}, {0}, 0, 0, FIRST, false},
    {"cholesky", cholesky_back, {2, {6, 6}}, {0}, 1, 0, FIRST, false},
    {"cholesky", cholesky_alone, {3, {2, 4, 4}}, {0}, 0, 0, WIDE, true},
    {"cholesky", cholesky_alone, {2, {4, 4}}, {0}, 1, 0, WIDE, true},
    {"cholesky_solve", cholesky_solutions, {3, {2, 3, 3}}, {2, {3, 3}}, 0, 0, WIDE, true},
    {"cholesky_solve", cholesky_solutions, {2, {3, 3}}, {2, {3, 3}}, 1, 0, WIDE, true},
    {"qr", qr_back, {3, {2, 5, 3}}, {0}, 0, 0, FIRST, true},
    {"qr", qr_back, {2, {3, 5}}, {0}, 1, 0, FIRST, true},
    {"qr", qr_back, {2, {37, 20}}, {0}, 1, 0, FIRST, false},
    {"qr", qr_alone, {3, {2, 5, 3}}, {0}, 0, 0, WIDE, true},
    {"qr", qr_alone, {3, {2, 5, 3}}, {0}, 1, 0, WIDE, true},
    {"qr", qr_alone, {2, {3, 5}}, {0}, 0, 0, WIDE, true},
    {"qr", qr_alone, {2, {3, 5}}, {0}, 1, 0, WIDE, true},
    {"geqrf", reflectors_back, {2, {6, 4}}, {0}, 0, 0, FIRST, false},
    {"householder_product", reflectors_alone, {3, {2, 4, 3}}, {2, {2, 2}}, 0, 0, WIDE, true},
    {"eigh", eigh_back, {3, {2, 5, 5}}, {0}, 0, 0, FIRST, true},
    {"eigh", eigh_back, {2, {5, 5}}, {0}, 1, 0, FIRST, false},
    {"eigh", eigh_alone, {3, {2, 4, 4}}, {0}, 0, 0, WIDE, true},
    {"eigh", eigh_alone, {3, {2, 4, 4}}, {0}, 1, 0, WIDE, true},
    {"svd", svd_back, {3, {2, 5, 3}}, {0}, 0, 0, FIRST, true},
    {"svd", svd_back, {2, {3, 6}}, {0}, 1, 0, FIRST, true},
    {"svd", svd_alone, {2, {4, 3}}, {0}, 0, 0, WIDE, true},
    {"svd", svd_alone, {3, {2, 4, 3}}, {0}, 1, 0, WIDE, true},
    {"svd", svd_alone, {2, {3, 4}}, {0}, 1, 0, WIDE, true},
    {"svd", svd_alone, {2, {3, 4}}, {0}, 2, 0, WIDE, true},
    {"eig", eig_back, {3, {2, 5, 5}}, {0}, 0, 0, FIRST, true},
    {"eig", eig_alone, {3, {2, 4, 4}}, {0}, 0, 0, WIDE, true},
    {"eig", eig_alone, {2, {4, 4}}, {0}, 1, 0, WIDE, true},
    {"det", determinants, {3, {3, 4, 4}}, {0}, 0, 0, DET, true},
    {"det", determinants, {3, {2, 4, 4}}, {0}, 1, 0, WIDE, true},
    {"det", determinants, {3, {3, 4, 4}}, {0}, 2, 0, DET, true},
    {"det", of_rank_one_less, {2, {4, 3}}, {2, {3, 4}}, 0, 0, ZEROS, true},
    {"pinv", pseudo_inverses, {3, {2, 4, 3}}, {0}, 0, 0, WIDE, true},
    {"pinv", pseudo_inverses, {2, {3, 5}}, {0}, 0, 0, WIDE, true},
    {"pinv", pseudo_inverses, {2, {3, 3}}, {0}, 1, 0, WIDE, true},
    {"pinv", pseudo_inverses, {2, {4, 2}}, {2, {2, 4}}, 2, 0, WIDE, true},
    {"lstsq", least_squares, {3, {2, 5, 3}}, {3, {2, 5, 2}}, 0, 0, WIDE, true},
    {"lstsq", least_squares, {2, {3, 5}}, {2, {3, 2}}, 0, 0, WIDE, true},
    {"lstsq", least_squares, {2, {5, 2}}, {1, {5}}, 0, 0, WIDE, true},
    {"lstsq", least_squares, {2, {5, 2}}, {2, {5, 2}}, 1, 0, WIDE, true},
    {"svd", conditions, {3, {2, 4, 4}}, {0}, 2, 0, WIDE, true},
    {"svd", conditions, {3, {2, 4, 4}}, {0}, -2, 0, WIDE, true},
    {"inv", conditions, {3, {2, 4, 4}}, {0}, 1, 0, WIDE, true},
    {"inv", conditions, {2, {4, 4}}, {0}, 0, 1, WIDE, true},
    {"matmul", powers, {3, {2, 3, 3}}, {0}, 5, 0, WIDE, true},
    {"inv", powers, {3, {2, 3, 3}}, {0}, -3, 0, WIDE, true},
    {"matmul", exponentials, {3, {2, 3, 3}}, {0}, 0, 0, WIDE, true},
    {"matmul", exponential_back, {3, {2, 4, 4}}, {0}, 0, 0, FIRST, false},
    {"matmul", traces, {2, {3, 4}}, {0}, 0, 0, WIDE, true},
    {"solve", tensor_maps, {3, {6, 2, 3}}, {1, {6}}, 0, 0, WIDE, true},
};

static void visit_norms(case_fn visit, void *arg)
{
    static const double ps[] = {0, 1, 2, 3, 0.5, -1, (double)INFINITY, -(double)INFINITY};
    struct op_case      k = {.op = "vector_norm", .n_in = 1, .run = vector_norms, .exact = exact_vector_norm};
    k.in[0] = (struct input){.shape = WK_SHAPE(2, 5, 3), .dtype = WK_f32, .layout = TURNED};
    k.dims = WK_DIMS(1);
    k.tolerance = 2e-5;
    for (size_t i = 0; i < sizeof ps / sizeof *ps; i++) {
        k.p = ps[i];
        k.keep = i % 2;
        k.gradient = true;
        visit_dtypes(visit, arg, &k);
    }
    k = (struct op_case){.op = "vector_norm", .note = "of matrices", .n_in = 1, .run = matrix_norms};
    k.in[0] = (struct input){.shape = WK_SHAPE(3, 4, 2), .dtype = WK_f32};
    k.lapack = k.gradient = k.apart = true;
    k.tolerance = 1e-5;
    for (size_t i = 1; i < 8; i++) {
        k.p = i == 3 ? -2 : i == 4 ? -1 : ps[i < 6 ? i : i];
        if (i == 5) continue;
        k.q = WK_NORM_P;
        k.dims = i % 2 ? WK_DIMS(0, 1) : WK_DIMS(2, 0);
        k.keep = i % 2;
        visit(arg, &k);
    }
    for (int kind = WK_NORM_FRO; kind <= WK_NORM_NUC; kind++) {
        k.q = kind;
        visit(arg, &k);
    }
}

void family_linalg(case_fn visit, void *arg)
{
    void (*const exact[])(const struct op_case *, const struct values *,
                          struct values *) = {NULL, exact_first, exact_second, NULL, exact_zeros, exact_det};
    static const enum layout layouts[] = {DENSE, TURNED, STEPPED};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct linalg_case *l = &cases[i];
        struct op_case            k = {.op = l->op,
                                       .n_in = l->other.ndim ? 2 : 1,
                                       .run = l->run,
                                       .exact = exact[l->check],
                                       .p = l->p,
                                       .q = l->q,
                                       .gradient = l->gradient,
                                       .first = l->check == ZEROS,
                                       .lapack = true,
                                       .tolerance = 1e-4};
        k.in[0] = (struct input){.shape = l->shape, .dtype = WK_f32, .layout = layouts[i % 3]};
        k.in[1] = (struct input){.shape = l->other, .dtype = WK_f32, .layout = layouts[(i + 1) % 3]};
        visit(arg, &k);
        k.in[0].dtype = k.in[1].dtype = WK_f64;
        k.gradient = false;
        visit(arg, &k);
    }
    visit_norms(visit, arg);
}
