/* Linear algebra. Part of core/wick.h.
 *
 * Matrices are the last two dims, all dims before them a batch; batches of two operands broadcast. f32 and
 * f64. The CPU asks LAPACK in OpenBLAS (libopenblas.so.0, opened when first needed; without it
 * WK_EUNSUPPORTED) and spreads a batch over its threads. Where there is no result (a singular or indefinite
 * matrix, no convergence) that is WK_ELINALG, and the message names the matrix; the _ex forms, like info
 * below, hand LAPACK's info (i32, 0: fine) out instead. Results through pointers: NULL where one is not
 * wanted. All have gradients where PyTorch's have, and second ones. */
#ifndef WK_API_LINALG_H
#define WK_API_LINALG_H

#include "../types.h"

#ifdef __cplusplus
extern "C" {
#endif

WK_API bool wk_has_lapack(void); /* is there a LAPACK for the CPU? */

/* ---- systems ----------------------------------------------------------------------------------- */

/* X of A X = B, or with left false of X A = B. b is a batch of matrices, or (1-d, or of a's shape less one
 * dim) of vectors. */
WK_API wk_tensor wk_solve(wk_ctx *c, wk_tensor a, wk_tensor b, bool left);
WK_API wk_tensor wk_solve_ex(wk_ctx *c, wk_tensor a, wk_tensor b, bool left, wk_tensor *info);
/* The same where a is triangular: its other triangle is not read, and with unitriangular neither is its
 * diagonal, taken as ones. A zero on the diagonal gives infinities, no error. */
WK_API wk_tensor wk_solve_triangular(wk_ctx *c, wk_tensor a, wk_tensor b, bool upper, bool left,
                                     bool unitriangular);
/* torch.triangular_solve: b first, and a may be transposed. */
WK_API wk_tensor wk_triangular_solve(wk_ctx *c, wk_tensor b, wk_tensor a, bool upper, bool transpose,
                                     bool unitriangular);
WK_API wk_tensor wk_inv(wk_ctx *c, wk_tensor a);
WK_API wk_tensor wk_inv_ex(wk_ctx *c, wk_tensor a, wk_tensor *info);
WK_API wk_tensor wk_det(wk_ctx *c, wk_tensor a);
/* The sign of the determinant, and the logarithm of its size. */
WK_API wk_tensor wk_slogdet(wk_ctx *c, wk_tensor a, wk_tensor *logabsdet);
WK_API wk_tensor wk_logdet(wk_ctx *c, wk_tensor a); /* NaN where the determinant is negative */

/* ---- LU: A = P L U ------------------------------------------------------------------------------- */

/* L (below the diagonal, its own being ones) and U in one [m, n]; pivots i32 [min(m, n)], counted from 1: the
 * row that row i changed places with. */
WK_API wk_tensor wk_lu_factor(wk_ctx *c, wk_tensor a, wk_tensor *pivots);
WK_API wk_tensor wk_lu_factor_ex(wk_ctx *c, wk_tensor a, wk_tensor *pivots, wk_tensor *info);
WK_API wk_tensor wk_lu_solve(wk_ctx *c, wk_tensor lu, wk_tensor pivots, wk_tensor b, bool left,
                             bool transpose); /* transpose: A^T X = B */
/* P [m, m]; L [m, min] and U [min, n]. */
WK_API wk_tensor wk_lu_unpack(wk_ctx *c, wk_tensor lu, wk_tensor pivots, wk_tensor *l, wk_tensor *u);
WK_API wk_tensor wk_lu(wk_ctx *c, wk_tensor a, wk_tensor *l, wk_tensor *u); /* both at once */

/* ---- Cholesky: A = L L^T, or U^T U ----------------------------------------------------------------- */

WK_API wk_tensor wk_cholesky(wk_ctx *c, wk_tensor a, bool upper);
WK_API wk_tensor wk_cholesky_ex(wk_ctx *c, wk_tensor a, bool upper, wk_tensor *info);
WK_API wk_tensor wk_cholesky_solve(wk_ctx *c, wk_tensor b, wk_tensor factor, bool upper);
WK_API wk_tensor wk_cholesky_inverse(wk_ctx *c, wk_tensor factor, bool upper);

/* ---- QR ------------------------------------------------------------------------------------------ */

/* A [m, n] = Q R. Reduced: Q [m, min], R [min, n]; complete: Q [m, m], R [m, n]; WK_QR_R: no Q (a tensor of
 * size 0). Complete with m > n and WK_QR_R have no gradient. */
typedef enum wk_qr_mode { WK_QR_REDUCED, WK_QR_COMPLETE, WK_QR_R } wk_qr_mode;
WK_API wk_tensor wk_qr(wk_ctx *c, wk_tensor a, wk_qr_mode mode, wk_tensor *r);
/* As LAPACK packs it: R, below it Householder's vectors, and through *tau their factors. No gradient. */
WK_API wk_tensor wk_geqrf(wk_ctx *c, wk_tensor a, wk_tensor *tau);
/* The first n columns of (I - tau_0 v_0 v_0^T) (I - tau_1 v_1 v_1^T) .., v_i being column i of a [m, n] below
 * the diagonal and a one on it; as many as tau [k] has. */
WK_API wk_tensor wk_householder_product(wk_ctx *c, wk_tensor a, wk_tensor tau);
/* Q other, Q^T other, or with left false other Q, other Q^T, Q [m, m] being that product. */
WK_API wk_tensor wk_ormqr(wk_ctx *c, wk_tensor a, wk_tensor tau, wk_tensor other, bool left, bool transpose);

/* ---- eigenvalues and singular values ------------------------------------------------------------- */

/* Of a symmetric a, of which one triangle is read: eigenvalues, ascending; vectors in columns. */
WK_API wk_tensor wk_eigh(wk_ctx *c, wk_tensor a, bool upper, wk_tensor *vectors);
WK_API wk_tensor wk_eigvalsh(wk_ctx *c, wk_tensor a, bool upper);
/* Of any square a: complex, as a last dim of two: eigenvalues [.., n, 2], vectors [.., n, n, 2]. */
WK_API wk_tensor wk_eig(wk_ctx *c, wk_tensor a, wk_tensor *vectors);
WK_API wk_tensor wk_eigvals(wk_ctx *c, wk_tensor a);
/* A [m, n] = U diag(S) Vh; returns U [m, min], Vh [min, n], or full: [m, m] and [n, n]. S descends. */
WK_API wk_tensor wk_svd(wk_ctx *c, wk_tensor a, bool full, wk_tensor *s, wk_tensor *vh);
WK_API wk_tensor wk_svdvals(wk_ctx *c, wk_tensor a);

/* ---- least squares ------------------------------------------------------------------------------- */

/* Singular values (or with hermitian, where a is symmetric, sizes of eigenvalues) up to max(atol, rtol
 * largest) count as zero. atol, rtol: wk_scalar or a value for each matrix; WK_NONE: 0, and eps max(m, n), or
 * 0 where atol is more than 0. */
WK_API wk_tensor wk_pinv(wk_ctx *c, wk_tensor a, wk_tensor atol, wk_tensor rtol, bool hermitian);
WK_API wk_tensor wk_matrix_rank(wk_ctx *c, wk_tensor a, wk_tensor atol, wk_tensor rtol,
                                bool hermitian); /* i64 */
/* X of least |A X - B|, and of those the smallest; b matrices or, of a's shape less one dim, vectors.
 * rcond: relative cut for singular values; negative: eps max(m, n). residuals: squares of what is left, where
 * m > n and all ranks are full, else of size 0. rank i64. */
WK_API wk_tensor wk_lstsq(wk_ctx *c, wk_tensor a, wk_tensor b, double rcond, wk_tensor *residuals,
                          wk_tensor *rank, wk_tensor *singular_values);

/* ---- norms --------------------------------------------------------------------------------------- */

/* Over two dims: Frobenius, nuclear (sum of singular values), or by p: 1, -1 (largest, smallest column sum),
 * infinity, - infinity (row sum), 2, -2 (largest, smallest singular value). */
typedef enum wk_norm_kind { WK_NORM_FRO, WK_NORM_NUC, WK_NORM_P } wk_norm_kind;
WK_API wk_tensor wk_matrix_norm(wk_ctx *c, wk_tensor a, wk_norm_kind kind, double p, wk_shape dims,
                                bool keep);
/* |A| |A^-1|; p 2 and -2 by singular values. A singular a: infinity. */
WK_API wk_tensor wk_cond(wk_ctx *c, wk_tensor a, wk_norm_kind kind, double p);

/* ---- functions of matrices ----------------------------------------------------------------------- */

WK_API wk_tensor wk_matrix_power(wk_ctx *c, wk_tensor a, int64_t n); /* any dtype where n >= 0 */
WK_API wk_tensor wk_matrix_exp(wk_ctx *c, wk_tensor a);              /* computed in f64 */
WK_API wk_tensor wk_trace(wk_ctx *c, wk_tensor a);                   /* [n, m]: 0-d; integers sum in i64 */
/* Powers 0 .. n - 1 of x's values: [.., n]; n 0: as many as x's last dim has. Any dtype, integers in i64. */
WK_API wk_tensor wk_vander(wk_ctx *c, wk_tensor x, int64_t n);
/* a as a map from its last dims to its first `ind`, inverted; and solved for b, the dims of a in `dims`
 * (WK_ALL_DIMS: none) moved to its end first. */
WK_API wk_tensor wk_tensorinv(wk_ctx *c, wk_tensor a, int ind);
WK_API wk_tensor wk_tensorsolve(wk_ctx *c, wk_tensor a, wk_tensor b, wk_shape dims);

#ifdef __cplusplus
}
#endif
#endif
