/* The plug-in seam: a second backend in a module, its missing fused ops, modules that are refused; and what
 * is copied between host and device. */
#include "core/ctx.h"

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

/* ---- what goes between host and device, counted on a CPU whose memory is not the host's ---- */

static struct {
    const wk_backend *cpu;
    size_t            to, from, copies; /* bytes, and how many times */
} counted;

static wk_status count_to_host(wk_device *d, void *stream, void *host, const void *block, size_t bytes)
{
    counted.to += bytes;
    counted.copies++;
    return counted.cpu->to_host(d, stream, host, block, bytes);
}
static wk_status count_from_host(wk_device *d, void *stream, void *block, const void *host, size_t bytes)
{
    counted.from += bytes;
    return counted.cpu->from_host(d, stream, block, host, bytes);
}
static wk_ctx *open_counted(wk_backend *b)
{
    wk_ctx *c = wk_ctx_new("cpu");
    counted.cpu = c->device->backend;
    counted.to = counted.from = counted.copies = 0;
    *b = *counted.cpu;
    b->to_host = count_to_host;
    b->from_host = count_from_host;
    c->device->backend = b;
    return c;
}
static void close_counted(wk_ctx *c)
{
    c->device->backend = counted.cpu;
    wk_ctx_free(c);
}

Test(backend, one_element_of_a_view_is_all_that_is_copied)
{
    wk_backend      b;
    wk_ctx         *c = open_counted(&b);
    float           value;
    const wk_tensor x = wk_reshape(c, wk_arange(c, 0, 1 << 20, 1, WK_f32), WK_SHAPE(64, 128, 128));
    const wk_tensor turned = wk_transpose(c, wk_slice(c, x, 1, 0, 128, 3), 0, 2);
    wk_tensor       one = wk_select(c, wk_select(c, wk_select(c, turned, 0, 5), 0, 7), 0, 9);
    cr_assert_eq(wk_read(c, one, &value), WK_OK);
    cr_assert(value == (9 * 128 + 21) * 128 + 5 && counted.to == 4 && counted.copies == 1, "%zu bytes",
              counted.to);
    cr_assert_eq(wk_item(c, one), value); /* as a double */
    cr_assert(counted.to == 12 && counted.copies == 2, "%zu bytes", counted.to);
    one = wk_index(c, turned, 3, (const wk_subscript[]){WK_I(-1), WK_I(0), WK_I(-1)});
    cr_assert_eq(wk_item(c, one), 63 * 128 * 128 + 127);
    cr_assert(counted.to == 20 && counted.from == 0, "%zu bytes", counted.to);
    float row[43]; /* 43 values with others between them */
    cr_assert_eq(wk_read(c, wk_select(c, wk_select(c, turned, 0, 5), 1, 9), row), WK_OK);
    cr_assert(counted.to == 20 + sizeof row && row[42] == (9 * 128 + 126) * 128 + 5, "%zu bytes", counted.to);
    close_counted(c);
}

Test(backend, tensors_are_made_where_they_will_be)
{
    wk_backend      b;
    wk_ctx         *c = open_counted(&b);
    const wk_shape  s = WK_SHAPE(32, 32);
    const wk_tensor x = wk_ones(c, WK_f32, s),
                    grid_of[] = {wk_arange(c, 0, 9, 1, WK_i64), wk_arange(c, 0, 5, 1, WK_i64)};
    wk_tensor grid[2], places[2];
    wk_meshgrid(c, 2, grid_of, true, grid);
    places[0] = wk_tril_indices(c, 9, 9, 0);
    places[1] = wk_triu_indices(c, 9, 9, 1);
    const wk_tensor all[] = {
        x,
        grid[0],
        grid[1],
        places[0],
        places[1],
        wk_zeros(c, WK_f16, s),
        wk_full(c, 3, WK_i32, s),
        wk_full_like(c, x, 2),
        wk_ones_like(c, x),
        wk_linspace(c, 0, 1, 1000, WK_f64),
        wk_logspace(c, 0, 1, 1000, 10, WK_f32),
        wk_eye(c, 32, 32, WK_f32),
        wk_tri(c, 32, 32, 0, WK_bool),
        wk_scalar(c, 2.5),
        wk_uniform(c, 0, 1, WK_f32, s),
        wk_normal(c, 0, 1, WK_bf16, s),
        wk_randint(c, 0, 9, WK_i64, s),
        wk_randperm(c, 1000, WK_i64),
        wk_bernoulli(c, x),
        wk_exponential(c, 1, WK_f32, s),
        wk_truncated_normal(c, 0, 1, -2, 2, WK_f32, s),
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        cr_assert(!wk_is_none(all[i]), "%zu: %s", i, wk_ctx_message(c));
    cr_assert_eq(wk_ctx_status(c), WK_OK, "%s", wk_ctx_message(c));
    /* bounds and counts, 8 bytes each, and no values */
    cr_assert(counted.from <= 64 && counted.to <= 16, "%zu bytes to the device, %zu back", counted.from,
              counted.to);
    close_counted(c);
}
