/* The case driver's linear algebra. */
#include "cases.h"

#include <math.h>
#include <string.h>

#define ONE(expr)                                                                                            \
    do {                                                                                                     \
        out[0] = (expr);                                                                                     \
        return 1;                                                                                            \
    } while (0)
#define OP(name) static int name(struct run *r, wk_tensor *out)
#define A        tensor(r, "input")

static const json_t *value(const struct run *r, const char *name)
{
    for (int i = 0; i < r->n_params; i++)
        if (!strcmp(r->params[i], name) && r->values[i] && !json_is_null(r->values[i])) return r->values[i];
    return NULL;
}

/* ---- systems ---- */

OP(solve)
{
    ONE(wk_solve(r->c, A, tensor(r, "B"), truth(r, "left", true)));
}
OP(solve_ex)
{
    out[0] = wk_solve_ex(r->c, A, tensor(r, "B"), truth(r, "left", true), &out[1]);
    return 2;
}
OP(solve_triangular)
{
    ONE(wk_solve_triangular(r->c, A, tensor(r, "B"), truth(r, "upper", false), truth(r, "left", true),
                            truth(r, "unitriangular", false)));
}
OP(triangular_solve)
{
    out[1] = wk_clone(r->c, tensor(r, "A"));
    out[0] = wk_triangular_solve(r->c, A, tensor(r, "A"), truth(r, "upper", true),
                                 truth(r, "transpose", false), truth(r, "unitriangular", false));
    return 2;
}
OP(inv)
{
    ONE(wk_inv(r->c, A));
}
OP(inv_ex)
{
    out[0] = wk_inv_ex(r->c, A, &out[1]);
    return 2;
}
OP(det)
{
    ONE(wk_det(r->c, A));
}
OP(logdet)
{
    ONE(wk_logdet(r->c, A));
}
OP(slogdet)
{
    out[0] = wk_slogdet(r->c, A, &out[1]);
    return 2;
}

/* ---- LU ---- */

static void with_pivots(struct run *r)
{
    if (!truth(r, "pivot", true)) stop(r, CASE_UNSUPPORTED, "LU without pivots");
}
OP(lu_factor)
{
    with_pivots(r);
    out[0] = wk_lu_factor(r->c, A, &out[1]);
    return 2;
}
OP(lu_factor_ex)
{
    with_pivots(r);
    out[0] = wk_lu_factor_ex(r->c, A, &out[1], &out[2]);
    return 3;
}
OP(lu)
{
    with_pivots(r);
    out[0] = wk_lu_factor_ex(r->c, A, &out[1], &out[2]);
    return truth(r, "get_infos", false) ? 3 : 2;
}
OP(linalg_lu)
{
    with_pivots(r);
    out[0] = wk_lu(r->c, A, &out[1], &out[2]);
    return 3;
}
OP(lu_unpack)
{
    wk_tensor none = wk_empty(r->c, A->dtype, WK_SHAPE(0));
    out[0] = wk_lu_unpack(r->c, A, tensor(r, "LU_pivots"), &out[1], &out[2]);
    if (!truth(r, "unpack_pivots", true)) out[0] = none;
    if (!truth(r, "unpack_data", true)) out[1] = out[2] = none;
    return 3;
}
OP(linalg_lu_solve)
{
    ONE(wk_lu_solve(r->c, A, tensor(r, "pivots"), tensor(r, "B"), truth(r, "left", true),
                    truth(r, "adjoint", false)));
}
OP(lu_solve)
{
    ONE(wk_lu_solve(r->c, tensor(r, "LU_data"), tensor(r, "LU_pivots"), A, true, false));
}

/* ---- Cholesky, QR ---- */

OP(cholesky)
{
    ONE(wk_cholesky(r->c, A, truth(r, "upper", false)));
}
OP(cholesky_ex)
{
    out[0] = wk_cholesky_ex(r->c, A, truth(r, "upper", false), &out[1]);
    return 2;
}
OP(cholesky_solve)
{
    ONE(wk_cholesky_solve(r->c, A, tensor(r, "input2"), truth(r, "upper", false)));
}
OP(cholesky_inverse)
{
    ONE(wk_cholesky_inverse(r->c, A, truth(r, "upper", false)));
}
OP(qr)
{
    const char *mode = text(r, "mode", "reduced");
    out[0] = wk_qr(r->c, A,
                   !strcmp(mode, "complete") ? WK_QR_COMPLETE
                   : !strcmp(mode, "r")      ? WK_QR_R
                                             : WK_QR_REDUCED,
                   &out[1]);
    return 2;
}
OP(geqrf)
{
    out[0] = wk_geqrf(r->c, A, &out[1]);
    return 2;
}
OP(householder_product)
{
    ONE(wk_householder_product(r->c, A, tensor(r, "tau")));
}
OP(ormqr)
{
    ONE(wk_ormqr(r->c, A, tensor(r, "tau"), tensor(r, "other"), truth(r, "left", true),
                 truth(r, "transpose", false)));
}

/* ---- eigenvalues, singular values ---- */

/* Vectors are given but for their signs: those of x's lines along dim, as result `at` of the case has. */
static wk_tensor signs(struct run *r, wk_tensor x, size_t at, int dim)
{
    const json_t *want = json_array_get(json_object_get(r->spec, "out"), at);
    if (!want || wk_ctx_status(r->c)) return wk_scalar(r->c, 1);
    wk_tensor y = from_json(r, want);
    bool      fits = y->ndim == x->ndim && y->dtype == x->dtype;
    for (int i = 0; i < x->ndim && fits; i++) fits = x->shape[i] == y->shape[i];
    if (!fits) return wk_scalar(r->c, 1);
    wk_no_grad(r->c, true);
    wk_tensor s = wk_sign(r->c, wk_sum(r->c, wk_mul(r->c, x, y), WK_DIMS(dim), true));
    wk_no_grad(r->c, false);
    return s;
}
static wk_tensor signed_as(struct run *r, wk_tensor x, size_t at, int dim)
{
    return wk_mul(r->c, x, signs(r, x, at, dim));
}
/* Of full U and V the columns (rows of Vh) beyond the k-th are any that span the rest: those of the case, as
 * far as x's span them too. */
static wk_tensor spanned_as(struct run *r, wk_tensor x, size_t at, bool rows, int64_t k)
{
    const json_t *want = json_array_get(json_object_get(r->spec, "out"), at);
    const int     dim = rows ? -2 : -1;
    wk_tensor     first = signed_as(r, x, at, rows ? -1 : -2);
    const int64_t rest = wk_size(x, dim) - k;
    if (!want || rest <= 0 || wk_ctx_status(r->c)) return first;
    wk_tensor y = from_json(r, want);
    if (wk_count(y) != wk_count(x) || y->dtype != x->dtype || !wk_count(x)) return first;
    wk_no_grad(r->c, true);
    wk_tensor g = wk_narrow(r->c, x, dim, k, rest), e = wk_narrow(r->c, y, dim, k, rest);
    if (!rows) {
        g = wk_transpose(r->c, g, -1, -2);
        e = wk_transpose(r->c, e, -1, -2);
    }
    e = wk_matmul(r->c, wk_matmul(r->c, e, wk_transpose(r->c, g, -1, -2)), g);
    if (!rows) e = wk_transpose(r->c, e, -1, -2);
    wk_no_grad(r->c, false);
    const wk_tensor parts[] = {wk_narrow(r->c, first, dim, 0, k), e};
    return wk_cat(r->c, 2, parts, dim);
}

static bool upper_side(struct run *r)
{
    return !strcmp(text(r, "UPLO", "L"), "U");
}
OP(eigh)
{
    out[0] = wk_eigh(r->c, A, upper_side(r), &out[1]);
    out[1] = signed_as(r, out[1], 1, -2);
    return 2;
}
OP(eigvalsh)
{
    ONE(wk_eigvalsh(r->c, A, upper_side(r)));
}
OP(eig)
{
    out[0] = wk_eig(r->c, A, &out[1]);
    out[1] = signed_as(r, out[1], 1, -3);
    return 2;
}
OP(eigvals)
{
    ONE(wk_eigvals(r->c, A));
}
OP(linalg_svd)
{
    out[0] = wk_svd(r->c, A, truth(r, "full_matrices", true), &out[1], &out[2]);
    out[0] = spanned_as(r, out[0], 0, false, wk_size(out[1], -1));
    out[2] = spanned_as(r, out[2], 2, true, wk_size(out[1], -1));
    return 3;
}
OP(svd)
{
    out[0] = wk_svd(r->c, A, !truth(r, "some", true), &out[1], &out[2]);
    out[2] = wk_transpose(r->c, out[2], -1, -2);
    out[0] = spanned_as(r, out[0], 0, false, wk_size(out[1], -1));
    out[2] = spanned_as(r, out[2], 2, false, wk_size(out[1], -1));
    return 3;
}
OP(svdvals)
{
    ONE(wk_svdvals(r->c, A));
}

/* ---- least squares ---- */

static wk_tensor cut(struct run *r, const char *name)
{
    return given(r, name) ? tensor(r, name) : WK_NONE;
}
/* The samples of variant "singular" are of a b^T, b in the place of rcond. */
OP(pinv)
{
    wk_tensor b = cut(r, "rcond");
    if (b->ndim >= 2 && wk_size(b, -1) == wk_size(A, -1) && !given(r, "atol") && !given(r, "hermitian"))
        ONE(wk_pinv(r->c, wk_matmul(r->c, A, wk_transpose(r->c, b, -1, -2)), WK_NONE, WK_NONE, false));
    ONE(wk_pinv(r->c, A, cut(r, "atol"), cut(r, given(r, "rcond") ? "rcond" : "rtol"),
                truth(r, "hermitian", false)));
}
OP(pinverse)
{
    ONE(wk_pinv(r->c, A, WK_NONE, given(r, "rcond") ? tensor(r, "rcond") : wk_scalar(r->c, 1e-15), false));
}
OP(matrix_rank)
{
    const bool old = given(r, "tol");
    ONE(wk_matrix_rank(r->c, A, cut(r, old ? "tol" : "atol"), old ? wk_scalar(r->c, 0) : cut(r, "rtol"),
                       truth(r, "hermitian", false)));
}
/* Drivers differ in what they hand out beside the solution. */
OP(lstsq)
{
    const char *driver = text(r, "driver", "gelsy");
    wk_tensor   none = wk_empty(r->c, A->dtype, WK_SHAPE(0));
    out[0] = wk_lstsq(r->c, A, tensor(r, "B"), real(r, "rcond", -1), &out[1], &out[2], &out[3]);
    if (!strcmp(driver, "gels")) out[2] = wk_empty(r->c, WK_i64, WK_SHAPE(0));
    if (!strcmp(driver, "gels") || !strcmp(driver, "gelsy")) out[3] = none;
    if (!strcmp(driver, "gelsy")) out[1] = wk_narrow(r->c, wk_flatten(r->c, out[0], 0, -1), 0, 0, 0);
    return json_array_size(json_object_get(r->spec, "out")) == 2 ? 2 : 4; /* its gradient's own samples */
}

/* ---- norms ---- */

static wk_tensor as_dtype(struct run *r, wk_tensor x)
{
    const wk_dtype t = dtype(r, "dtype", x->dtype);
    return t == x->dtype ? x : wk_cast(r->c, x, t);
}
/* What ord says; false: nothing. */
static bool order(struct run *r, const char *name, wk_norm_kind *kind, double *p)
{
    const json_t *v = value(r, name);
    const char   *word = json_string_value(v);
    *kind = WK_NORM_P;
    *p = 2;
    if (!v) return false;
    if (word)
        *kind = !strcmp(word, "nuc") ? WK_NORM_NUC : WK_NORM_FRO;
    else if (!number(v, p))
        stop(r, CASE_FAIL, "%s is no order", name);
    return true;
}
OP(vector_norm)
{
    wk_norm_kind kind;
    double       p;
    order(r, "ord", &kind, &p);
    ONE(wk_vector_norm(r->c, as_dtype(r, A), p, sizes(r, "dim"), truth(r, "keepdim", false)));
}
OP(matrix_norm)
{
    wk_norm_kind kind;
    double       p;
    if (!order(r, "ord", &kind, &p)) kind = WK_NORM_FRO;
    ONE(wk_matrix_norm(r->c, as_dtype(r, A), kind, p, sizes(r, "dim"), truth(r, "keepdim", false)));
}
/* linalg.norm and norm: of vectors where nothing speaks of matrices. */
static wk_tensor any_norm(struct run *r, const char *name, bool matrices)
{
    wk_norm_kind kind;
    double       p;
    wk_tensor    x = as_dtype(r, A);
    const bool   ordered = order(r, name, &kind, &p), keep = truth(r, "keepdim", false);
    wk_shape     dims = sizes(r, "dim");
    const int    nd = dims.ndim ? dims.ndim : x->ndim;
    if (kind == WK_NORM_NUC || (matrices && ordered && nd == 2))
        return wk_matrix_norm(r->c, x, kind, p, dims, keep);
    return wk_vector_norm(r->c, x, p, dims, keep);
}
OP(linalg_norm)
{
    ONE(any_norm(r, "ord", true));
}
OP(norm)
{
    ONE(any_norm(r, "p", false));
}
OP(cond)
{
    wk_norm_kind kind;
    double       p;
    order(r, "p", &kind, &p);
    ONE(wk_cond(r->c, A, kind, p));
}

/* ---- functions ---- */

OP(matrix_power)
{
    ONE(wk_matrix_power(r->c, A, integer(r, "n", 0)));
}
OP(matrix_exp)
{
    ONE(wk_matrix_exp(r->c, A));
}
OP(trace)
{
    ONE(wk_trace(r->c, A));
}
OP(vander)
{
    ONE(wk_vander(r->c, A, integer(r, "N", 0)));
}
OP(tensorinv)
{
    ONE(wk_tensorinv(r->c, A, (int)integer(r, "ind", 2)));
}
OP(tensorsolve)
{
    ONE(wk_tensorsolve(r->c, A, tensor(r, "B"), sizes(r, "dims")));
}

const struct op_row linalg_ops[] = {
    {"solve", "input B left", solve},
    {"solve_ex", "input B left check_errors", solve_ex},
    {"solve_triangular", "input B upper left unitriangular", solve_triangular},
    {"triangular_solve", "input A upper transpose unitriangular", triangular_solve},
    {"inv inverse", "input", inv},
    {"inv_ex", "input check_errors", inv_ex},
    {"det", "input", det},
    {"logdet", "input", logdet},
    {"slogdet", "input", slogdet},
    {"lu_factor", "input pivot", lu_factor},
    {"lu_factor_ex", "input pivot check_errors", lu_factor_ex},
    {"linalg.lu", "input pivot", linalg_lu},
    {"lu", "input pivot get_infos", lu},
    {"lu_unpack", "input LU_pivots unpack_data unpack_pivots", lu_unpack},
    {"linalg.lu_solve", "input pivots B left adjoint", linalg_lu_solve},
    {"lu_solve", "input LU_data LU_pivots", lu_solve},
    {"cholesky", "input upper", cholesky},
    {"cholesky_ex", "input upper check_errors", cholesky_ex},
    {"cholesky_solve", "input input2 upper", cholesky_solve},
    {"cholesky_inverse", "input upper", cholesky_inverse},
    {"qr", "input mode", qr},
    {"geqrf", "input", geqrf},
    {"householder_product orgqr", "input tau", householder_product},
    {"ormqr", "input tau other left transpose", ormqr},
    {"eigh", "input UPLO", eigh},
    {"eigvalsh", "input UPLO", eigvalsh},
    {"eig", "input", eig},
    {"eigvals", "input", eigvals},
    {"linalg.svd", "input full_matrices driver", linalg_svd},
    {"svd", "input some compute_uv", svd},
    {"svdvals", "input driver", svdvals},
    {"pinv", "input rcond atol rtol hermitian", pinv},
    {"pinverse", "input rcond", pinverse},
    {"matrix_rank", "input tol hermitian atol rtol", matrix_rank},
    {"lstsq", "input B rcond driver", lstsq},
    {"vector_norm", "input ord dim keepdim dtype", vector_norm},
    {"matrix_norm", "input ord dim keepdim dtype", matrix_norm},
    {"linalg.norm", "input ord dim keepdim dtype", linalg_norm},
    {"norm", "input p dim keepdim dtype", norm},
    {"cond", "input p", cond},
    {"matrix_power", "input n", matrix_power},
    {"matrix_exp", "input", matrix_exp},
    {"trace", "input", trace},
    {"vander", "input N", vander},
    {"tensorinv", "input ind", tensorinv},
    {"tensorsolve", "input B dims", tensorsolve},
    {0},
};
