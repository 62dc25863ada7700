/* The plug-in seam: a second backend in a module, its missing fused ops, modules that are refused. */
#include "core/wick.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static wk_ctx *open_dummy(const char *name)
{
    setenv("WK_MODULE_PATH", WK_BUILD_DIR, 1);
    return wk_ctx_new(name);
}

enum { ROWS = 3, COLS = 7, N = ROWS * COLS };

/* Ops that the dummy lacks but for their compositions. */
static wk_tensor fused(wk_ctx *c, int which, wk_tensor x, wk_tensor w)
{
    if (which == 0) return wk_softmax(c, x, -1);
    if (which == 1) return wk_rms_norm(c, x, w, 1e-5);
    if (which == 2) return wk_swiglu(c, x, wk_mul(c, x, x));
    return wk_log_softmax(c, x, 0);
}

Test(backend, what_a_module_lacks_runs_as_compositions)
{
    wk_ctx *cpu = wk_ctx_new("cpu"), *dummy = open_dummy("dummy:0");
    float   data[N], a[N], b[N];
    cr_assert_eq(wk_ctx_status(dummy), WK_OK, "%s", wk_ctx_message(dummy));
    cr_assert_str_eq(wk_ctx_device(dummy), "dummy:0");
    for (int i = 0; i < N; i++) data[i] = (float)sin(i) * 2;
    for (int which = 0; which < 4; which++) {
        wk_tensor x = wk_make(cpu, data, WK_f32, WK_SHAPE(ROWS, COLS)),
                  w = wk_make(cpu, data, WK_f32, WK_SHAPE(COLS));
        wk_tensor y = wk_make(dummy, data, WK_f32, WK_SHAPE(ROWS, COLS));
        wk_tensor v = wk_make(dummy, data, WK_f32, WK_SHAPE(COLS));
        cr_assert_eq(wk_read(cpu, fused(cpu, which, x, w), a), WK_OK, "%d: %s", which, wk_ctx_message(cpu));
        cr_assert_eq(wk_read(dummy, fused(dummy, which, y, v), b), WK_OK, "%d: %s", which,
                     wk_ctx_message(dummy));
        for (int i = 0; i < N; i++)
            cr_assert(fabsf(a[i] - b[i]) <= 2e-6f * (1 + fabsf(a[i])), "op %d, value %d: %g, not %g", which,
                      i, (double)b[i], (double)a[i]);
    }
    wk_ctx_free(dummy);
    wk_ctx_free(cpu);
}

Test(backend, gradients_run_there_too)
{
    wk_ctx *c = open_dummy("dummy:1");
    wk_tape_begin(c);
    wk_tensor x = wk_track(c, wk_make(c, (float[]){1, 2, 3}, WK_f32, WK_SHAPE(3)));
    wk_tensor y = wk_sum(c, wk_add(c, x, wk_reshape(c, x, WK_SHAPE(3, 1))), WK_ALL_DIMS, false);
    cr_assert_eq(wk_backward(c, y), WK_OK, "%s", wk_ctx_message(c));
    float g[3];
    cr_assert_eq(wk_read(c, wk_grad(c, x), g), WK_OK, "%s", wk_ctx_message(c));
    for (int i = 0; i < 3; i++) cr_assert_eq(g[i], 6.0f);
    wk_ctx_free(c);
}

Test(backend, what_is_nowhere_is_an_error)
{
    wk_ctx *cpu = wk_ctx_new("cpu"), *dummy = open_dummy("dummy:0");
    wk_sin(dummy, wk_full(dummy, 1, WK_f32, WK_SHAPE(2)));
    cr_assert_eq(wk_ctx_status(dummy), WK_EUNSUPPORTED);
    cr_assert_str_eq(wk_ctx_message(dummy), "sin: no kernel on dummy:0");
    wk_ctx_clear(dummy);
    wk_add(dummy, wk_full(dummy, 1, WK_f32, WK_SHAPE(2)), wk_full(cpu, 1, WK_f32, WK_SHAPE(2)));
    cr_assert_eq(wk_ctx_status(dummy), WK_EDEVICE);
    cr_assert_str_eq(wk_ctx_message(dummy), "add: an operand is on cpu, the context on dummy:0");
    wk_ctx_free(dummy);
    wk_ctx_free(cpu);
}

Test(backend, modules_that_are_refused)
{
    static const struct {
        const char *name, *why;
    } rows[] = {{"oldabi:0", "another version of wick"},
                {"noentry:0", "is not a wick backend"},
                {"absent:0", "cannot be loaded"},
                {"dummy:2", "there are two"},
                {"cuda:0", "cannot be loaded"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        wk_ctx *c = open_dummy(rows[i].name);
        cr_assert_eq(wk_ctx_status(c), WK_EDEVICE, "%s", rows[i].name);
        cr_assert(strstr(wk_ctx_message(c), rows[i].why), "%s: %s", rows[i].name, wk_ctx_message(c));
        wk_ctx_free(c);
    }
}
