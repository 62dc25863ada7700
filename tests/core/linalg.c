/* Linear algebra: what has no result, sizes of nothing, numbers known by hand, threads. */
#include "core/wick.h"

#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#define NEED_LAPACK                                                                                          \
    if (!wk_has_lapack()) cr_skip("no LAPACK here")

static wk_tensor two(wk_ctx *c, double a, double b, double d, double e)
{
    return wk_make(c, (double[]){a, b, d, e}, WK_f64, WK_SHAPE(2, 2));
}

/* The status a call leaves, and whether its message has a text; clears it. */
static bool refused(wk_ctx *c, wk_status s, const char *text)
{
    const bool as_wanted = wk_ctx_status(c) == s && strstr(wk_ctx_message(c), text);
    if (!as_wanted) cr_log_error("%s", wk_ctx_message(c));
    wk_ctx_clear(c);
    return as_wanted;
}

Test(linalg, matrices_without_a_result_are_errors_that_name_them)
{
    NEED_LAPACK;
    wk_ctx   *c = wk_ctx_new("cpu");
    wk_tensor parts[] = {two(c, 1, 2, 3, 4), two(c, 1, 2, 2, 4)}, both = wk_stack(c, 2, parts, 0), info,
              pivots;
    wk_inv(c, both);
    cr_assert(refused(c, WK_ELINALG, "inv: matrix 1 of the batch: the matrix is singular: pivot 2 is zero"));
    wk_solve(c, parts[1], parts[0], true);
    cr_assert(refused(c, WK_ELINALG, "solve: the matrix is singular: pivot 2 is zero"));
    wk_cholesky(c, parts[0], false);
    cr_assert(refused(c, WK_ELINALG, "cholesky: the leading minor of order 2"));
    wk_lu_factor(c, parts[1], &pivots);
    cr_assert(refused(c, WK_ELINALG, "singular"));
    int32_t got[2];
    wk_inv_ex(c, both, &info);
    wk_read(c, info, got);
    cr_assert(got[0] == 0 && got[1] == 2);
    wk_cholesky_ex(c, both, false, &info);
    wk_read(c, info, got);
    cr_assert(got[0] == 2 && got[1] == 2);
    wk_solve_ex(c, both, parts[0], true, &info);
    wk_read(c, info, got);
    cr_assert(got[0] == 0 && got[1] == 2);
    cr_assert(wk_ctx_status(c) == WK_OK, "%s", wk_ctx_message(c));
    cr_assert(isinf(wk_item(c, wk_cond(c, parts[1], WK_NORM_P, 1))));
    wk_ctx_free(c);
}

Test(linalg, what_does_not_fit_is_refused)
{
    wk_ctx   *c = wk_ctx_new("cpu");
    wk_tensor tall = wk_zeros(c, WK_f32, WK_SHAPE(3, 2)), row = wk_zeros(c, WK_f32, WK_SHAPE(3));
    wk_tensor whole = wk_zeros(c, WK_i32, WK_SHAPE(2, 2)), square = wk_zeros(c, WK_f32, WK_SHAPE(2, 2)), l, u;
    wk_inv(c, tall);
    cr_assert(refused(c, WK_ESHAPE, "inv: a is [3, 2]"));
    wk_det(c, row);
    cr_assert(refused(c, WK_ESHAPE, "det: a is [3]"));
    wk_svdvals(c, whole);
    cr_assert(refused(c, WK_EDTYPE, "i32"));
    wk_solve(c, square, tall, true);
    cr_assert(refused(c, WK_ESHAPE, "solve: 2 unknowns, b is [3, 2]"));
    wk_lu_unpack(c, square, row, &l, &u);
    cr_assert(refused(c, WK_EDTYPE, "lu_unpack"));
    wk_matrix_norm(c, square, WK_NORM_P, 3, WK_ALL_DIMS, false);
    cr_assert(refused(c, WK_EARG, "p is 3"));
    wk_vector_norm(c, wk_zeros(c, WK_f32, WK_SHAPE(0)), -1, WK_ALL_DIMS, false);
    cr_assert(refused(c, WK_ESHAPE, "of no values"));
    wk_tensorinv(c, tall, 1);
    cr_assert(refused(c, WK_ESHAPE, "tensorinv"));
    wk_ctx_free(c);
}

Test(linalg, known_numbers)
{
    NEED_LAPACK;
    wk_ctx   *c = wk_ctx_new("cpu");
    wk_tensor a = two(c, 2, 1, 1, 2), s, vh, rank, values, pivots;
    double    v[4];
    cr_assert_float_eq(wk_item(c, wk_det(c, a)), 3, 1e-14);
    cr_assert_float_eq(wk_item(c, wk_logdet(c, a)), log(3), 1e-14);
    wk_read(c, wk_eigvalsh(c, a, true), v);
    cr_assert_float_eq(v[0], 1, 1e-14);
    cr_assert_float_eq(v[1], 3, 1e-14);
    wk_read(c, wk_eigvals(c, two(c, 0, -1, 1, 0)), v); /* i and -i */
    cr_assert(fabs(v[0]) < 1e-15 && fabs(v[1] - 1) < 1e-15 && fabs(v[3] + 1) < 1e-15);
    wk_read(c, wk_matrix_exp(c, two(c, 0, -1, 1, 0)), v); /* a turn by 1 */
    cr_assert(fabs(v[0] - cos(1)) < 1e-15 && fabs(v[2] - sin(1)) < 1e-15, "%.17g %.17g", v[0], v[2]);
    cr_assert_eq(wk_item(c, wk_matrix_rank(c, two(c, 1, 2, 2, 4), WK_NONE, WK_NONE, false)), 1);
    cr_assert_eq(wk_item(c, wk_matrix_rank(c, a, wk_scalar(c, 1.5), WK_NONE, true)), 1);
    wk_lstsq(c, two(c, 1, 1, 1, 1), a, -1, NULL, &rank, &values);
    cr_assert_eq(wk_item(c, rank), 1);
    wk_read(c, values, v);
    cr_assert_float_eq(v[0], 2, 1e-14);
    wk_read(c, wk_qr(c, a, WK_QR_R, &s), v);
    cr_assert_eq(wk_size(s, 0), 2);
    /* sizes of nothing */
    wk_tensor none = wk_zeros(c, WK_f32, WK_SHAPE(3, 0, 0)), wide = wk_zeros(c, WK_f32, WK_SHAPE(0, 2));
    cr_assert_eq(wk_item(c, wk_sum(c, wk_det(c, none), WK_ALL_DIMS, false)), 3);
    cr_assert_eq(wk_count(wk_svd(c, wide, true, &s, &vh)), 0);
    cr_assert_eq(wk_item(c, wk_trace(c, vh)), 2);
    cr_assert_eq(wk_count(wk_lu_factor(c, wide, &pivots)), 0);
    cr_assert_eq(wk_count(wk_geqrf(c, wide, NULL)), 0);
    cr_assert_eq(wk_count(wk_inv(c, none)), 0);
    cr_assert(wk_ctx_status(c) == WK_OK, "%s", wk_ctx_message(c));
    wk_ctx_free(c);
}

/* f32 results of many matrices have the same bits on one thread and on four. */
Test(linalg, threads_change_nothing)
{
    NEED_LAPACK;
    enum { N = 200, SIDE = 6 };
    static float first[N * SIDE * SIDE], second[N * SIDE * SIDE];
    for (int threads = 1; threads <= 4; threads += 3) {
        wk_ctx *c = wk_ctx_new("cpu");
        wk_set_threads(c, threads);
        wk_tensor x = wk_reshape(c, wk_arange(c, 0, N * SIDE * SIDE, 1, WK_f32), WK_SHAPE(N, SIDE, SIDE)), r;
        x = wk_sin(c, wk_mul(c, x, wk_sqrt(c, x))); /* far from singular */
        wk_tensor q = wk_qr(c, x, WK_QR_REDUCED, &r), y = wk_add(c, wk_inv(c, x), wk_matmul(c, r, q));
        cr_assert(wk_read(c, y, threads == 1 ? first : second) == WK_OK, "%s", wk_ctx_message(c));
        wk_set_threads(c, 0);
        wk_ctx_free(c);
    }
    cr_assert(memcmp(first, second, sizeof first) == 0);
}
