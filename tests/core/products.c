/* Products beyond the tables of tests/ops/products.c: many operands, and what is refused. */
#include "core/wick.h"

#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

static wk_tensor counted(wk_ctx *c, wk_shape shape)
{
    int64_t n = 1;
    for (int i = 0; i < shape.ndim; i++) n *= shape.dim[i];
    return wk_reshape(c, wk_arange(c, 0, (double)n, 1, WK_i64), shape);
}

Test(products, ten_operands)
{
    wk_ctx   *c = wk_ctx_new("cpu");
    wk_tensor x[10], y = WK_NONE;
    for (int i = 0; i < 10; i++) {
        x[i] = counted(c, WK_SHAPE(2, 2));
        y = i ? wk_matmul(c, y, x[i]) : x[i];
    }
    int64_t want[4], got[4];
    cr_assert_eq(wk_read(c, y, want), WK_OK);
    cr_assert_eq(wk_read(c, wk_einsum(c, "ab,bc,cd,de,ef,fg,gh,hi,ij,jk", 10, x), got), WK_OK, "%s",
                 wk_ctx_message(c));
    cr_assert_arr_eq(got, want, sizeof want);
    wk_ctx_free(c);
}

Test(products, beta_zero_reads_nothing)
{
    wk_ctx   *c = wk_ctx_new("cpu");
    wk_tensor a = wk_full(c, 2, WK_f32, WK_SHAPE(2, 2)), nan = wk_full(c, NAN, WK_f32, WK_SHAPE(2, 2));
    cr_assert_eq(wk_item(c, wk_sum(c, wk_addmm(c, nan, a, a, 0, 1), WK_ALL_DIMS, false)), 32);
    wk_ctx_free(c);
}

Test(products, refuses_what_does_not_fit)
{
    static const struct {
        const char *equation, *says;
        wk_status   status;
    } bad[] = {
        {"ij,jk->iz", "'z' is in no operand", WK_EARG},
        {"ij,jk->ii", "'i' comes twice", WK_EARG},
        {"ij", "names less", WK_EARG},
        {"ij,jk,kl", "names more", WK_EARG},
        {"i$,jk", "'$' is no index", WK_EARG},
        {"......ij,jk", "two ellipses", WK_EARG},
        {"ij,jk->ik,", "behind the result", WK_EARG},
        {"ij,ik", "dim 0 of operand 1 is 3, elsewhere it is 2", WK_ESHAPE},
        {"ijk,jk", "its indices name 3 dims", WK_ESHAPE},
        {"ii,jk", "dim 1 of operand 0 is 3, elsewhere it is 2", WK_ESHAPE},
        {"i,jk", "its indices name 1 dims", WK_ESHAPE},
    };
    wk_ctx   *c = wk_ctx_new("cpu");
    wk_tensor x[2] = {counted(c, WK_SHAPE(2, 3)), counted(c, WK_SHAPE(3, 4))};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        cr_assert(wk_is_none(wk_einsum(c, bad[i].equation, 2, x)), "%s", bad[i].equation);
        cr_assert_eq(wk_ctx_status(c), bad[i].status, "%s: %s", bad[i].equation, wk_ctx_message(c));
        cr_assert(strstr(wk_ctx_message(c), bad[i].says), "%s: %s", bad[i].equation, wk_ctx_message(c));
        wk_ctx_clear(c);
    }
    wk_tensor v = counted(c, WK_SHAPE(3)), cube = counted(c, WK_SHAPE(2, 3, 4));
    struct {
        wk_tensor   y;
        const char *says;
    } more[12];
    int n = 0;
#define REFUSED(call, text)                                                                                  \
    more[n].y = call;                                                                                        \
    more[n].says = text;                                                                                     \
    cr_assert(wk_is_none(more[n].y) && strstr(wk_ctx_message(c), more[n].says), "%s: %s", #call,             \
              wk_ctx_message(c));                                                                            \
    wk_ctx_clear(c);                                                                                         \
    n++
    REFUSED(wk_dot(c, v, x[0]), "dot: b is [2, 3], 1 dims are wanted");
    REFUSED(wk_mv(c, x[1], v), "mv: [3, 4] times [3]: inner sizes differ");
    REFUSED(wk_mm(c, x[0], cube), "mm: b is [2, 3, 4], 2 dims are wanted");
    REFUSED(wk_bmm(c, cube, cube), "bmm: [2, 3, 4] times [2, 3, 4]: inner sizes differ");
    REFUSED(wk_outer(c, v, x[0]), "outer: b is [2, 3]");
    REFUSED(wk_inner(c, x[0], x[1]), "inner: [2, 3] and [3, 4]: last sizes differ");
    REFUSED(wk_cross(c, x[1], x[1], -1), "cross: [3, 4] and [3, 4]: dim 1 does not have three values");
    REFUSED(wk_tensordot(c, x[0], x[1], WK_DIMS(0), WK_DIMS(0)),
            "tensordot: [2, 3] and [3, 4]: 2 values by 3");
    REFUSED(wk_tensordot(c, x[0], x[1], WK_DIMS(1, 1), WK_DIMS(0, 1)), "tensordot: dim 1 twice");
    REFUSED(wk_addmm(c, v, x[0], x[1], 1, 1), "addmm: x is [3], the product [2, 4]");
    REFUSED(wk_multi_dot(c, 2, (wk_tensor[]){x[1], x[0]}),
            "multi_dot: operand 0 has 4 columns, operand 1 2 rows");
    REFUSED(wk_vecdot(c, x[0], x[1], -1), "vecdot: [2, 3] and [3, 4] do not broadcast");
    cr_assert(wk_is_none(wk_kron(c, counted(c, (wk_shape){5, {1, 1, 1, 1, 1}}), v)));
    wk_ctx_free(c);
}
