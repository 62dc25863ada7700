/* Contexts, scopes, tensors, memory, capture: what everything else stands on. */
#include "core/wick.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static wk_ctx *open_cpu(void)
{
    wk_ctx *c = wk_ctx_new("cpu");
    cr_assert_eq(wk_ctx_status(c), WK_OK, "%s", wk_ctx_message(c));
    return c;
}

Test(basics, the_first_error_sticks_and_nothing_crashes)
{
    wk_ctx   *c = open_cpu();
    wk_tensor x = wk_make(c, (float[]){1, 2, 3, 4, 5, 6}, WK_f32, WK_SHAPE(2, 3));
    wk_tensor w = wk_empty(c, WK_f32, WK_SHAPE(3, 4));
    wk_tensor y = wk_relu(c, wk_affine(c, x, w, WK_NONE));
    cr_assert_eq(wk_ctx_status(c), WK_ESHAPE);
    cr_assert_str_eq(wk_ctx_message(c), "affine: x has 3 columns, weight is [3, 4]");
    cr_assert(wk_is_none(y) && y->shape[0] == 0);
    wk_exp(c, wk_none());
    cr_assert_eq(wk_fail(c, WK_EARG, "second"), WK_ESHAPE, "the first error stays");
    float out[6];
    cr_assert_eq(wk_read(c, x, out), WK_ESHAPE);
    wk_ctx_clear(c);
    cr_assert_eq(wk_read(c, x, out), WK_OK);
    cr_assert_eq(out[5], 6.0f);
    cr_assert_eq(wk_fail(c, WK_EIO, "disk %d", 3), WK_EIO);
    cr_assert_str_eq(wk_ctx_message(c), "disk 3");
    wk_ctx_free(c);
}

Test(basics, devices_that_are_not_there)
{
    static const char *const names[] = {
        "abacus:0", "cpu:3",   "",     "cpu:",
        "CPU",      "cpu:0:0", "../x", "a-very-long-device-name-that-is-none-at-all"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        wk_ctx *c = wk_ctx_new(names[i]);
        cr_assert_eq(wk_ctx_status(c), WK_EDEVICE, "%s", names[i]);
        cr_assert(strlen(wk_ctx_message(c)) > 10, "%s: %s", names[i], wk_ctx_message(c));
        cr_assert(wk_is_none(wk_zeros(c, WK_f32, WK_SHAPE(2))));
        wk_ctx_clear(c); /* a context without a device stays failed */
        cr_assert_eq(wk_ctx_status(c), WK_EDEVICE);
        wk_ctx_free(c);
    }
}

Test(basics, names_and_versions)
{
    wk_ctx *c = open_cpu();
    char    text[1024];
    cr_assert_str_eq(wk_ctx_device(c), "cpu");
    cr_assert(wk_ctx_describe(c, text, sizeof text) > 0 && strstr(text, "isa: "), "%s", text);
    cr_assert_str_eq(wk_version(), WK_VERSION);
    for (int t = 0; t < WK_DTYPE_COUNT; t++) cr_assert_eq((int)wk_dtype_find(wk_dtype_name((wk_dtype)t)), t);
    cr_assert_eq(wk_dtype_find("f31"), WK_DTYPE_COUNT);
    cr_assert_str_eq(wk_status_text(WK_ENOMEM), "out of memory");
    wk_set_threads(c, 1);
    cr_assert_eq(wk_threads(c), 1);
    wk_set_threads(c, 0);
    cr_assert(wk_threads(c) >= 1);
    cr_assert_not(wk_precise(c));
    wk_set_precise(c, true);
    cr_assert(wk_precise(c));
    wk_ctx_free(c);
}

Test(basics, scopes_hand_results_outwards)
{
    wk_ctx        *c = open_cpu();
    const wk_scope outer = wk_scope_begin(c);
    wk_tensor      x = wk_full(c, 1, WK_f32, WK_SHAPE(1000));
    for (int i = 0; i < 20; i++) {
        wk_tensor y = wk_add(c, wk_mul(c, x, wk_scalar(c, 2)), wk_scalar(c, 1));
        x = wk_scope_next(c, outer, y);
    }
    cr_assert_eq(wk_item(c, wk_select(c, x, 0, 999)), 2097151.0);
    const int64_t in_use = wk_memory_stats(c).in_use;
    cr_assert(in_use < 10 * 4096, "%lld bytes in use: scopes do not free", (long long)in_use);
    const wk_scope inner = wk_scope_begin(c);
    wk_tensor      a = wk_neg(c, x), b = wk_exp(c, wk_full(c, 0, WK_f64, WK_SCALAR_SHAPE)), d = wk_neg(c, a);
    wk_scope_end_n(c, inner, 3, (wk_tensor[]){b, wk_none(), a});
    (void)d;
    cr_assert_eq(wk_item(c, b), 1.0);
    cr_assert_eq(wk_item(c, wk_narrow(c, a, 0, 5, 1)), -2097151.0);
    wk_scope_end(c, outer, wk_none());
    cr_assert_eq(wk_ctx_status(c), WK_OK, "%s", wk_ctx_message(c));
    cr_assert_eq(wk_memory_stats(c).in_use, 0);
    wk_ctx_free(c);
}

static void count_release(void *arg)
{
    ++*(int *)arg;
}

Test(basics, wrapped_memory_is_released_once)
{
    static const float data[] = {1, 2, 3, 4};
    int                released = 0;
    wk_ctx            *c = open_cpu();
    const wk_scope     s = wk_scope_begin(c);
    wk_tensor          x = wk_wrap(c, data, WK_f32, WK_SHAPE(2, 2), count_release, &released);
    wk_tensor          view = wk_scope_end(c, s, wk_select(c, x, 0, 1));
    cr_assert_eq(released, 0);
    cr_assert_eq(wk_item(c, wk_select(c, view, 0, 1)), 4.0);
    wk_ctx_free(c);
    cr_assert_eq(released, 1);
}

Test(basics, a_memory_limit_is_an_error_and_no_end)
{
    wk_ctx *c = open_cpu();
    wk_memory_limit(c, 1 << 20);
    wk_tensor x = wk_zeros(c, WK_f32, WK_SHAPE(1000, 1000));
    cr_assert(wk_is_none(x));
    cr_assert_eq(wk_ctx_status(c), WK_ELIMIT, "%s", wk_ctx_message(c));
    wk_ctx_clear(c);
    cr_assert_eq(wk_item(c, wk_sum(c, wk_full(c, 1, WK_f32, WK_SHAPE(1000)), WK_ALL_DIMS, false)), 1000.0);
    wk_memory_limit(c, 0);
    wk_memory_trim(c);
    cr_assert_eq(wk_memory_stats(c).cached, 0);
    wk_ctx_free(c);
}

Test(basics, a_large_block_does_not_crowd_out_small_ones)
{
    wk_ctx  *c = open_cpu();
    int64_t  before = 0;
    wk_scope s = wk_scope_begin(c);
    for (int i = 0; i < 3; i++) wk_empty(c, WK_u8, WK_SHAPE(90 << 20)); /* more than a context keeps */
    wk_scope_end(c, s, WK_NONE);
    for (int i = 0; i < 4; i++) {
        s = wk_scope_begin(c);
        for (int64_t n = 1; n <= 8; n++) wk_empty(c, WK_u8, WK_SHAPE(n << 20));
        wk_scope_end(c, s, WK_NONE);
        if (i == 1) before = wk_memory_stats(c).allocations;
    }
    cr_assert_eq(wk_ctx_status(c), WK_OK, "%s", wk_ctx_message(c));
    cr_assert_eq(wk_memory_stats(c).allocations, before, "small blocks are asked for again");
    wk_ctx_free(c);
}

static void step(wk_ctx *c, void *state)
{
    wk_tensor x = *(wk_tensor *)state;
    wk_copy_into(c, x, wk_add(c, wk_mul(c, x, wk_scalar(c, 0.5)), wk_scalar(c, 1)));
}

Test(basics, a_captured_step_replays_without_allocating)
{
#ifdef __SANITIZE_ADDRESS__
    cr_skip_test("under AddressSanitizer each tensor is an allocation of its own");
#endif
    wk_ctx   *c = open_cpu();
    wk_tensor x = wk_zeros(c, WK_f32, WK_SHAPE(64));
    wk_step  *s = wk_capture(c, step, &x);
    cr_assert_not_null(s, "%s", wk_ctx_message(c));
    cr_assert_not(wk_records(c));
    const int64_t before = wk_alloc_count();
    for (int i = 0; i < 40; i++) cr_assert_eq(wk_replay(s), WK_OK);
    cr_assert_eq(wk_alloc_count(), before, "%lld allocations", (long long)(wk_alloc_count() - before));
    cr_assert_float_eq(wk_item(c, wk_select(c, x, 0, 63)), 2.0, 1e-6);
    wk_step_free(s);
    wk_ctx_free(c);
}

/* Touches every part of core; returns a number that is right only if all of it worked. */
static double script(wk_ctx *c)
{
    float          data[24], sum = 0;
    const wk_scope s = wk_scope_begin(c);
    for (int i = 0; i < 24; i++) data[i] = (float)(i % 7) - 3;
    wk_tensor x = wk_make(c, data, WK_f32, WK_SHAPE(4, 6));
    wk_tape_begin(c);
    wk_tensor p = wk_track(c, x);
    wk_tensor h =
        wk_softmax(c, wk_matmul(c, p, wk_transpose(c, wk_rms_norm(c, p, wk_none(), 1e-5), 0, 1)), -1);
    wk_tensor cut = wk_cat(c, 2, (wk_tensor[]){h, wk_slice(c, h, 0, 3, 0, -1)}, 0);
    wk_tensor indices, top = wk_topk(c, wk_cast(c, cut, WK_f64), 2, 1, true, &indices);
    wk_backward(c, wk_sum(c, wk_mul(c, top, top), WK_ALL_DIMS, false));
    wk_tensor g = wk_grad(c, p);
    wk_tensor all =
        wk_stack(c, 2, (wk_tensor[]){g, wk_pad(c, wk_slice(c, g, 1, 0, 5, 1), 2, (int64_t[]){1, 0}, 0)}, 0);
    if (wk_read(c, wk_sum(c, wk_abs(c, all), WK_ALL_DIMS, false), &sum)) sum = NAN;
    wk_tape_end(c);
    wk_scope_end(c, s, wk_none());
    return (double)sum;
}

Test(basics, every_allocation_may_fail)
{
    wk_ctx *c = open_cpu();
    wk_set_threads(c, 1);
    const double right = script(c);
    cr_assert(right > 0, "%s", wk_ctx_message(c));
    wk_ctx_free(c);
    for (int keep = 0; keep < 2; keep++)
        for (int64_t n = 1;; n++) {
            cr_assert(n < 5000, "the script never gets through");
            wk_alloc_fail_at(n, keep);
            c = wk_ctx_new("cpu");
            wk_set_threads(c, 1);
            const double  got = script(c);
            const bool    failed = wk_ctx_status(c) != WK_OK;
            const int64_t made = wk_alloc_fail_at(0, false);
            if (failed) {
                const wk_status why = wk_ctx_status(c);
                cr_assert(why == WK_ENOMEM, "allocation %lld: %s", (long long)n, wk_ctx_message(c));
                wk_ctx_clear(c);
                if (!wk_ctx_status(c)) {
                    cr_assert_eq(wk_memory_stats(c).in_use, 0, "allocation %lld leaks", (long long)n);
                    cr_assert_eq(script(c), right, "allocation %lld: then %s", (long long)n,
                                 wk_ctx_message(c));
                }
            } else {
                cr_assert_eq(got, right, "allocation %lld", (long long)n);
            }
            wk_ctx_free(c);
            if (!failed && made < n) break;
        }
}

Test(basics, tensors_print_as_pytorch_prints_them)
{
    static const float some[] = {1, -2.5f, 3.25f, 0};
    const struct {
        const void *data;
        wk_dtype    t;
        wk_shape    shape;
        const char *text;
    } rows[] = {
        {some, WK_f32, WK_SHAPE(2, 2), "tensor([[ 1.0000, -2.5000],\n        [ 3.2500,  0.0000]])"},
        {(float[]){1, 2, 3}, WK_f32, WK_SHAPE(3), "tensor([1., 2., 3.])"},
        {(int64_t[]){10, -3}, WK_i64, WK_SHAPE(2), "tensor([10, -3])"},
        {(int32_t[]){7}, WK_i32, WK_SCALAR_SHAPE, "tensor(7, dtype=i32)"},
        {(bool[]){true, false}, WK_bool, WK_SHAPE(2), "tensor([ True, False])"},
        {some, WK_f32, WK_SHAPE(0), "tensor([])"},
        {(float[]){1e-6f, 1}, WK_f32, WK_SHAPE(2), "tensor([1.0000e-06, 1.0000e+00])"},
        {(float[]){INFINITY, NAN, 1.5f}, WK_f32, WK_SHAPE(3), "tensor([   inf,    nan, 1.5000])"},
    };
    wk_ctx *c = open_cpu();
    char    text[512];
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        wk_tensor     x = wk_make(c, rows[i].data, rows[i].t, rows[i].shape);
        const int64_t n = wk_format(c, x, text, sizeof text);
        cr_assert_str_eq(text, rows[i].text);
        cr_assert_eq(n, (int64_t)strlen(text));
        cr_assert_eq(wk_format(c, x, text, 4), n);
        cr_assert_eq(strlen(text), 3);
    }
    wk_format(c, wk_arange(c, 0, 2000, 1, WK_i64), text, sizeof text);
    cr_assert_str_eq(text, "tensor([   0,    1,    2,  ..., 1997, 1998, 1999])");
    wk_ctx_free(c);
}

Test(basics, a_check_finds_the_op_that_makes_nan)
{
    setenv("WK_CHECK", "1", 1);
    wk_ctx   *c = open_cpu();
    wk_tensor x = wk_make(c, (float[]){1, -1}, WK_f32, WK_SHAPE(2));
    wk_exp(c, wk_log(c, x));
    cr_assert_eq(wk_ctx_status(c), WK_ENAN);
    cr_assert_str_eq(wk_ctx_message(c), "log: a value is NaN where no operand has one");
    wk_ctx_clear(c);
    x = wk_make(c, (float[]){NAN, INFINITY}, WK_f32, WK_SHAPE(2));
    wk_exp(c, wk_neg(c, x)); /* what came in may go out */
    cr_assert_eq(wk_ctx_status(c), WK_OK, "%s", wk_ctx_message(c));
    wk_ctx_free(c);
}

Test(basics, limits_are_measured)
{
    wk_ctx         *c = wk_ctx_new("cpu");
    const wk_limits l = wk_measure_limits(c);
    cr_assert_gt(l.read, 1e8, "%g bytes per second", l.read);
    cr_assert_gt(l.f32, 1e7, "%g operations per second", l.f32);
    cr_assert(l.bf16 >= 0 && l.i8 >= 0);
    wk_fail(c, WK_ESHAPE, "an error before");
    const wk_limits none = wk_measure_limits(c);
    cr_assert(none.read == 0 && none.f32 == 0 && none.bf16 == 0 && none.i8 == 0);
    wk_ctx_free(c);
}

Test(basics, host_memory)
{
    unsigned char *block = wk_alloc_zero(7, 3), *more;
    for (int i = 0; i < 21; i++) {
        cr_assert_eq(block[i], 0);
        block[i] = (unsigned char)(i + 1);
    }
    wk_alloc_fail_at(1, false);
    cr_assert_null(wk_resize(block, 4000)); /* the old block stays */
    cr_assert_eq(block[20], 21);
    more = wk_resize(block, 4000);
    for (int i = 0; i < 21; i++) cr_assert_eq(more[i], i + 1);
    more[3999] = 1;
    more = wk_resize(more, 2);
    cr_assert(more[0] == 1 && more[1] == 2);
    wk_free(more);
    cr_assert_null(wk_alloc_zero(SIZE_MAX / 2, 3));
    wk_alloc_fail_at(1, false);
    cr_assert_null(wk_alloc_zero(1, 1));
    wk_free(wk_resize(NULL, 0)); /* a new one, of no bytes */
    wk_free(NULL);
}
