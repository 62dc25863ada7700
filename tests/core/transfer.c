/* Tensors between contexts where no device copies beside others: in memory of the host, and to a module
 * that only knows whole copies. tests/optest/transfers.c has the devices that do. */
#include "core/wick.h"

#include <criterion/criterion.h>
#include <stdlib.h>

enum { N = 24 };

static wk_ctx *open_dummy(void)
{
    setenv("WK_MODULE_PATH", WK_BUILD_DIR, 1);
    return wk_ctx_new("dummy:0");
}

static void expect(wk_ctx *c, wk_tensor x, int64_t rows)
{
    float y[N];
    cr_assert_eq(wk_read(c, x, y), WK_OK, "%s", wk_ctx_message(c));
    for (int64_t i = 0; i < N; i++)
        cr_assert_eq(y[i], (float)(i % (N / rows) * rows + i / (N / rows)), "value %d: %g", (int)i,
                     (double)y[i]);
}

Test(transfer, strided_tensors_arrive_dense_in_any_context)
{
    wk_ctx         *a = wk_ctx_new("cpu"), *b = wk_ctx_new("cpu"), *dummy = open_dummy();
    const wk_tensor x = wk_transpose(a, wk_reshape(a, wk_arange(a, 0, N, 1, WK_f32), WK_SHAPE(6, 4)), 0, 1);
    expect(b, wk_transfer(b, a, x), 4);
    expect(a, wk_transfer(a, a, x), 4);
    const wk_tensor there = wk_transfer(dummy, a, x);
    expect(dummy, there, 4);
    expect(b, wk_transfer(b, dummy, there), 4);
    cr_assert_eq(wk_transfer(b, dummy, there)->ndim, 2);
    wk_ctx_free(dummy);
    wk_ctx_free(b);
    wk_ctx_free(a);
}

Test(transfer, halves_of_a_copy_and_ordinary_memory_for_pinned)
{
    wk_ctx         *a = wk_ctx_new("cpu"), *b = wk_ctx_new("cpu");
    void           *memory;
    const wk_tensor x = wk_empty_pinned(a, b, WK_f32, WK_SHAPE(N), &memory);
    cr_assert_not_null(memory);
    for (int i = 0; i < N; i++) ((float *)memory)[i] = (float)i;
    const wk_tensor y = wk_empty(b, WK_f32, WK_SHAPE(N));
    wk_transfer_into(b, y, a, x);
    cr_assert_eq(wk_transfer_end(b, a), WK_OK);
    expect(b, y, 1);
    wk_transfer_into(b, y, a, wk_zeros(a, WK_f64, WK_SHAPE(N)));
    cr_assert_str_eq(wk_ctx_message(b), "transfer: x is f64 [24], y f32 [24]; a dense y like x is wanted");
    cr_assert_eq(wk_transfer_end(b, a), WK_ESHAPE);
    wk_ctx_free(b);
    wk_ctx_free(a);
}

Test(transfer, errors_of_the_giving_context_are_passed_on)
{
    wk_ctx *a = wk_ctx_new("cpu"), *b = wk_ctx_new("cpu"), *none = wk_ctx_new("nothing:0");
    wk_fail(a, WK_EARG, "an error before");
    cr_assert(wk_is_none(wk_transfer(b, a, wk_zeros(b, WK_f32, WK_SHAPE(2)))));
    cr_assert_eq(wk_ctx_status(b), WK_EARG);
    cr_assert_str_eq(wk_ctx_message(b), "transfer: an error before");
    wk_ctx_clear(b);
    cr_assert(wk_is_none(wk_empty_pinned(b, none, WK_f32, WK_SHAPE(2), NULL)));
    cr_assert_eq(wk_ctx_status(b), WK_EDEVICE);
    wk_ctx_free(none);
    wk_ctx_free(b);
    wk_ctx_free(a);
}

Test(transfer, failing_allocations_leak_nothing)
{
    for (int64_t n = 1;; n++) {
        wk_ctx   *a = wk_ctx_new("cpu"), *dummy = open_dummy();
        wk_tensor x = wk_transpose(dummy, wk_zeros(dummy, WK_f32, WK_SHAPE(6, 4)), 0, 1);
        wk_alloc_fail_at(n, false);
        const wk_tensor y = wk_transfer(a, dummy, x);
        wk_empty_pinned(a, dummy, WK_f32, WK_SHAPE(100), NULL);
        const int64_t made = wk_alloc_fail_at(0, false);
        cr_assert_eq(wk_ctx_status(a) == WK_OK, made < n, "allocation %d: %s", (int)n, wk_ctx_message(a));
        if (made < n)
            expect(
                a,
                wk_add(a, y,
                       wk_transpose(a, wk_reshape(a, wk_arange(a, 0, N, 1, WK_f32), WK_SHAPE(6, 4)), 0, 1)),
                4);
        wk_ctx_free(dummy);
        wk_ctx_free(a);
        if (made < n) break;
    }
}
