/* wick-optest: the op cases without a test framework, for machines that have none. */
#include "tests/ops/block_products.h"
#include "tests/ops/block_uses.h"
#include "tests/ops/cases.h"
#include "tests/ops/quant_golden.h"
#include "tests/optest/counts.h"
#include "tests/optest/ends.h"
#include "tests/optest/opening.h"
#include "tests/optest/transfers.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* The bits of the block dtypes, on the instruction set that is chosen by itself. */
static bool quantised_rows(const char *device)
{
#ifdef WK_OPTEST_FILES
    char          message[256];
    wk_ctx       *c = wk_ctx_new(device);
    const int64_t n =
        check_quant_golden(c, WK_SOURCE_DIR "/tests/golden/quant.safetensors", message, sizeof message);
    wk_ctx_free(c);
    if (n) printf("%lld block dtypes agree with the reference\n", (long long)n);
    if (!n) printf("FAIL\n%s\n", message);
    return n > 0;
#else /* a build that reads no files */
    return device != NULL;
#endif
}

/* Products with them, on every instruction set there is. */
static bool block_products(void)
{
    char          message[256];
    const int64_t n = check_block_products(message, sizeof message);
    if (n) printf("%lld products with block weights agree with sums in double\n", (long long)n);
    if (!n) printf("FAIL\n%s\n", message);
    return n > 0;
}

/* A bad index is the next read's failure, which names it; the context is usable afterwards. */
static bool bad_index(wk_ctx *c)
{
    const wk_scope  s = wk_scope_begin(c);
    float           y[2] = {0};
    const wk_tensor x = wk_make(c, (const float[]){3, 4, 5, 6}, WK_f32, WK_SHAPE(4));
    const wk_tensor bad = wk_make(c, (const int64_t[]){1, 9}, WK_i64, WK_SHAPE(2));
    const wk_tensor good = wk_make(c, (const int64_t[]){1, 3}, WK_i64, WK_SHAPE(2));
    const wk_status failed = wk_read(c, wk_gather(c, x, 0, bad), y);
    bool            ok = failed == WK_EINDEX && strstr(wk_ctx_message(c), "index 9 of 4");
    if (!ok) printf("FAIL a bad index gives \"%s\"\n", wk_ctx_message(c));
    wk_ctx_clear(c);
    ok = wk_read(c, wk_gather(c, x, 0, good), y) == WK_OK && y[0] == 4 && y[1] == 6 && ok;
    if (!ok) printf("FAIL after a bad index: %g %g %s\n", (double)y[0], (double)y[1], wk_ctx_message(c));
    wk_scope_end(c, s, WK_NONE);
    return ok;
}

/* x = softmax(x + 1) w, step by step. */
struct stepping {
    wk_tensor x, w;
};
static void step(wk_ctx *c, void *state)
{
    const struct stepping *s = state;
    const wk_tensor        y = wk_softmax(c, wk_add(c, s->x, wk_scalar(c, 1)), -1);
    wk_copy_into(c, s->x, wk_matmul(c, y, s->w));
}

/* A captured step gives what the same step gives when it is called. */
static bool replayed(wk_ctx *c)
{
    static const float start[6] = {1, 2, 3, 4, 5, 6}, weights[9] = {1, 2, 0, -1, 1, 3, 0.5f, 1, 2};
    float              called[6], got[6];
    const wk_scope     s = wk_scope_begin(c);
    struct stepping    state = {wk_make(c, start, WK_f32, WK_SHAPE(2, 3)),
                                wk_make(c, weights, WK_f32, WK_SHAPE(3, 3))};
    for (int i = 0; i < 3; i++) step(c, &state);
    bool ok = wk_read(c, state.x, called) == WK_OK;
    wk_copy_into(c, state.x, wk_make(c, start, WK_f32, WK_SHAPE(2, 3)));
    wk_step *captured = wk_capture(c, step, &state); /* calls it twice */
    ok = ok && captured && wk_replay(captured) == WK_OK && wk_read(c, state.x, got) == WK_OK;
    wk_step_free(captured);
    for (int i = 0; i < 6; i++) ok = ok && got[i] == called[i];
    if (!ok) printf("FAIL a captured step: %s\n", wk_ctx_message(c));
    wk_scope_end(c, s, WK_NONE);
    return ok;
}

/* ---- CUDA's libraries: found once, then asked again and again ---- */

static wk_tensor spectra(wk_ctx *c, wk_tensor x)
{
    const wk_tensor half = wk_rfft(c, x, 0, 1, WK_FFT_ORTHO);
    const wk_tensor all = wk_fft(c, half, 0, 0, WK_FFT_BACKWARD);
    return wk_irfft(c, wk_ifft(c, all, 0, 0, WK_FFT_BACKWARD), wk_size(x, 1), 1, WK_FFT_ORTHO);
}
static void spectra_step(wk_ctx *c, void *state)
{
    const struct stepping *s = state;
    wk_copy_into(c, s->w, spectra(c, s->x));
}

/* x again, out of factors of a = x x^T and of itself. */
static wk_tensor factors(wk_ctx *c, wk_tensor x)
{
    wk_tensor       r, s, vh, v;
    const wk_tensor a = wk_matmul(c, x, wk_transpose(c, x, 0, 1)), l = wk_cholesky(c, a, false);
    const wk_tensor w = wk_eigh(c, a, false, &v);
    const wk_tensor again = wk_matmul(c, wk_mul(c, v, wk_unsqueeze(c, w, 0)), wk_transpose(c, v, 0, 1));
    wk_tensor       y = wk_solve(c, wk_matmul(c, l, wk_transpose(c, l, 0, 1)), wk_matmul(c, again, x), true);
    const wk_tensor q = wk_qr(c, y, WK_QR_REDUCED, &r), u = wk_svd(c, wk_matmul(c, q, r), false, &s, &vh);
    y = wk_matmul(c, wk_mul(c, u, wk_unsqueeze(c, s, 0)), vh);
    return wk_div(c, y, wk_exp(c, wk_sub(c, wk_logdet(c, a), wk_logdet(c, wk_inv(c, wk_inv(c, a))))));
}
static void factors_step(wk_ctx *c, void *state)
{
    const struct stepping *s = state;
    wk_copy_into(c, s->w, factors(c, s->x));
}

/* The same calls again make nothing new, captured ones least of all; uses: a library must have been asked.
 * The step leaves x in w. */
static bool steady(wk_ctx *c, const char *what, wk_step_fn there_and_back, bool uses)
{
    enum { ROWS = 6, COLUMNS = 40, ALL = ROWS * COLUMNS };
    float          start[ALL], got[ALL];
    struct counts  first = {0}, from = {0}, to = {0};
    const wk_scope s = wk_scope_begin(c);
    for (int i = 0; i < ALL; i++) start[i] = (float)sin(i * i);
    const wk_shape  shape = WK_SHAPE(ROWS, COLUMNS);
    struct stepping state = {wk_make(c, start, WK_f32, shape), wk_zeros(c, WK_f32, shape)};
    const bool      counted = device_counts(&first);
    for (int i = 0; i < 5; i++) {
        if (i == 2) device_counts(&from);
        const wk_scope turn = wk_scope_begin(c);
        there_and_back(c, &state);
        wk_scope_end(c, turn, WK_NONE);
    }
    device_counts(&to);
    bool ok = wk_read(c, state.w, got) == WK_OK;
    for (int i = 0; i < ALL; i++) ok = ok && fabsf(got[i] - start[i]) < 1e-4f;
    if (!ok) printf("FAIL %s: %s\n", what, wk_ctx_message(c));
    wk_step *captured = wk_capture(c, there_and_back, &state);
    wk_copy_into(c, state.w, wk_zeros(c, WK_f32, shape));
    ok = captured && wk_replay(captured) == WK_OK && wk_read(c, state.w, got) == WK_OK && ok;
    for (int i = 0; i < ALL; i++) ok = ok && fabsf(got[i] - start[i]) < 1e-4f;
    wk_step_free(captured);
    if (!ok) printf("FAIL %s, captured: %s\n", what, wk_ctx_message(c));
    const bool quiet = !counted || (to.allocations == from.allocations && to.waits == from.waits);
    const bool asked = !counted || (to.library > from.library) == uses;
    if (!quiet || !asked)
        printf("FAIL %s: %lld allocations, %lld calls of a library\n", what,
               (long long)(to.allocations - from.allocations), (long long)(to.library - from.library));
    wk_scope_end(c, s, WK_NONE);
    return ok && quiet && asked;
}

/* ---- random numbers: those drawn are equal, what functions make of them is so but for rounding ---- */

static wk_tensor draw(wk_ctx *c, int i, wk_dtype t)
{
    const wk_shape  shape = WK_SHAPE(3, 401);
    const wk_tensor weights = wk_make(c, (const float[]){0.5f, 0, 3, 1, 0.25f}, WK_f32, WK_SHAPE(5));
    wk_seed(c, 77 + (uint64_t)i);
    switch (i) {
    case 0:
        return wk_uniform(c, -2, 5, t, shape);
    case 1:
        return wk_normal(c, 1, 3, t, shape);
    case 2:
        return wk_randint(c, -40, 90, WK_i32, shape);
    case 3:
        return wk_bernoulli(c, wk_full(c, 0.3, t, shape));
    case 4:
        return wk_randperm(c, 1000, WK_i64);
    case 5:
        return wk_multinomial(c, weights, 3, false);
    case 6:
        return wk_multinomial(c, weights, 300, true);
    case 7:
        return wk_exponential(c, 1.5, t, shape);
    case 8:
        return wk_log_normal(c, 0.5, 0.75, t, shape);
    case 9:
        return wk_cauchy(c, 1, 2, t, shape);
    case 10:
        return wk_geometric(c, 0.4, t, shape);
    default:
        return wk_truncated_normal(c, 0.5, 2, -1, 4, t, shape);
    }
}
static bool draws(wk_ctx *c)
{
    enum { MOST = 3 * 401, DRAWN = 7, ALL = 12 };
    static const wk_dtype dtypes[] = {WK_f32, WK_f64, WK_f16, WK_bf16};
    wk_ctx               *cpu = wk_ctx_new("cpu");
    bool                  ok = true;
    for (int i = 0; i < ALL; i++)
        for (int j = 0; j < 4; j++) {
            double          a[MOST], b[MOST];
            const wk_scope  s = wk_scope_begin(c), at = wk_scope_begin(cpu);
            const wk_tensor x = draw(c, i, dtypes[j]), y = draw(cpu, i, dtypes[j]);
            const int64_t   n = wk_count(y);
            const double    most = i < DRAWN             ? 0
                                   : dtypes[j] == WK_f64 ? 1e-13
                                   : dtypes[j] == WK_f32 ? 1e-6
                                                         : 1e-2;
            bool            same = wk_count(x) == n && wk_read(c, wk_cast(c, x, WK_f64), a) == WK_OK &&
                        wk_read(cpu, wk_cast(cpu, y, WK_f64), b) == WK_OK;
            for (int64_t v = 0; v < n && same; v++)
                same = a[v] == b[v] || fabs(a[v] - b[v]) <= most * (1 + fabs(b[v]));
            if (!same)
                printf("FAIL random numbers of kind %d, %s: %s\n", i, wk_dtype_name(dtypes[j]),
                       wk_ctx_message(c));
            ok = ok && same;
            wk_scope_end(c, s, WK_NONE);
            wk_scope_end(cpu, at, WK_NONE);
        }
    wk_ctx_free(cpu);
    return ok;
}

/* ---- what stops a matrix, or is no place of a plane, is the next read's failure ---- */

static bool stops(wk_ctx *c, wk_tensor x, wk_status want, const char *text)
{
    float           y[16];
    const wk_status got = wk_read(c, x, y);
    const bool      ok = got == want && strstr(wk_ctx_message(c), text);
    if (!ok) printf("FAIL \"%s\" is wanted, not \"%s\"\n", text, wk_ctx_message(c));
    wk_ctx_clear(c);
    return ok;
}
static bool late_failures(wk_ctx *c)
{
    static const float ones[4] = {1, 1, 1, 1}, eye[4] = {2, 0, 0, 4};
    const wk_scope     s = wk_scope_begin(c);
    const wk_shape     square = WK_SHAPE(2, 2);
    wk_tensor          pivots, v;
    bool ok = stops(c, wk_inv(c, wk_make(c, ones, WK_f32, square)), WK_ELINALG, "pivot 2 is zero");
    ok &= stops(c, wk_cholesky(c, wk_neg(c, wk_make(c, eye, WK_f32, square)), false), WK_ELINALG, "order 1");
    ok &= stops(c, wk_eigh(c, wk_full(c, NAN, WK_f32, square), false, &v), WK_ELINALG, "converge");
    ok &= stops(c, wk_svdvals(c, wk_full(c, NAN, WK_f32, square)), WK_ELINALG, "converge");
    const wk_tensor lu = wk_lu_factor(c, wk_make(c, eye, WK_f32, square), &pivots);
    pivots = wk_make(c, (const int32_t[]){1, 7}, WK_i32, WK_SHAPE(2));
    ok &= stops(c, wk_lu_solve(c, lu, pivots, wk_make(c, eye, WK_f32, square), true, false), WK_ELINALG,
                "pivot 2");
    ok &= stops(c, wk_lu_unpack(c, lu, pivots, NULL, NULL), WK_EINDEX, "index 7 of 2");
    const wk_tensor x = wk_make(c, ones, WK_f32, WK_SHAPE(1, 1, 2, 2));
    const wk_tensor at = wk_make(c, (const int64_t[]){0, 5, 99, 3}, WK_i64, WK_SHAPE(1, 1, 2, 2));
    ok &= stops(c, wk_max_unpool2d(c, x, at, (wk_pool_opts){.kernel = {2, 2}}, WK_SHAPE(2, 3)), WK_EINDEX,
                "index 99 of 6");
    float y[4] = {0};
    ok = wk_read(c, wk_inv(c, wk_make(c, eye, WK_f32, square)), y) == WK_OK && y[0] == 0.5f &&
         y[3] == 0.25f && ok;
    if (!ok) printf("FAIL after a matrix that stopped: %s\n", wk_ctx_message(c));
    wk_scope_end(c, s, WK_NONE);
    return ok;
}

/* The block dtypes there: their bits, what is done with them, products. */
static bool on_blocks(const char *device)
{
    char          message[256] = "";
    const bool    bits = quantised_rows(device);
    const int64_t uses = check_block_uses(device, message, sizeof message);
    const int64_t products = uses ? check_block_products_on(device, message, sizeof message) : 0;
    if (uses && products)
        printf("%lld uses of block dtypes agree with the CPU, %lld products with sums in double\n",
               (long long)uses, (long long)products);
    else
        printf("FAIL\n%s\n", message);
    return bits && uses && products;
}

static bool named(const char *name, int n, char **families)
{
    bool found = n == 0;
    for (int i = 0; i < n; i++) found |= strcmp(families[i], name) == 0;
    return found;
}

/* wick-optest DEVICE FAMILY...: the cases on another device, against the CPU; "blocks": the block dtypes,
 * "alone": what is no case. */
static int on_device(const char *device, int n, char **families)
{
    struct tally t = {0};
    char         text[1024] = "";
    const bool   others = named("alone", n, families), opening = !others || check_opening(device);
    wk_ctx      *c = wk_ctx_new(device);
    bool         alone = opening;
    wk_ctx_describe(c, text, sizeof text);
    if (others) {
        const char *fft = getenv("WK_CUFFT"), *solver = getenv("WK_CUSOLVER");
        alone = replayed(c) && draws(c) && alone;
        alone = steady(c, "transforms", spectra_step, fft && *fft) && alone;
        alone = steady(c, "factors", factors_step, solver && *solver) && alone;
        const char *products = getenv("WK_CUBLASLT");
        alone = check_ends(c, products && *products) && alone;
        alone = bad_index(c) && late_failures(c) && alone;
        alone = check_transfers(device) && alone;
    }
    wk_ctx_free(c);
    printf("%.*s\n", (int)strcspn(text, "\n"), text);
    const bool blocks = !named("blocks", n, families) || on_blocks(device);
    run_on_device(device, n, families, &t);
    if (t.failed) printf("FAIL\n%s", t.message);
    printf("%lld passed, %lld failed, %lld have no kernel there\n", (long long)t.passed, (long long)t.failed,
           (long long)t.left);
    return t.failed != 0 || t.passed == 0 || !alone || !blocks;
}

/* wick-optest: everything on the CPU, on every instruction set; wick-optest sets FAMILY...: some cases. */
int main(int argc, char **argv)
{
    const bool some = argc > 1 && strcmp(argv[1], "sets") == 0;
    if (argc > 1 && !some) return on_device(argv[1], argc - 2, argv + 2);
    const int    first = some ? 2 : argc;
    struct tally t = {0};
    char         missing[512];
    for (int i = 0; run_set(i, argc - first, argv + first, &t); i++) {}
    if (!check_coverage(missing, sizeof missing)) printf("no case: %s\n", missing);
    if (!some && !check_gradient_coverage(missing, sizeof missing)) printf("no gradient case: %s\n", missing);
    if (t.failed) printf("FAIL\n%s", t.message);
    printf("%lld passed, %lld failed\n", (long long)t.passed, (long long)t.failed);
    const bool ok = t.failed == 0 && t.passed > 0 && (some || quantised_rows("cpu"));
    return !ok || !(some || block_products());
}
