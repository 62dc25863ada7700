/* Products whose library ends them with an activation or a sum: as the composition, in one launch. */
#include "tests/optest/ends.h"

#include "tests/optest/counts.h"

#include <math.h>

enum { ROWS = 20, IN = 48, OUT = 24, ALL = ROWS * OUT, RELU = 0, GELU, ADD };

static wk_tensor random_of(wk_ctx *c, wk_dtype t, int64_t rows, int64_t columns)
{
    return wk_cast(c, wk_normal(c, 0, 0.5, WK_f32, WK_SHAPE(rows, columns)), t);
}

static wk_tensor fused(wk_ctx *c, int end, const wk_tensor *x)
{
    return end == RELU   ? wk_affine_relu(c, x[0], x[1], x[2])
           : end == GELU ? wk_affine_gelu_tanh(c, x[0], x[1], x[2])
                         : wk_affine_add(c, x[0], x[1], x[2], x[3]);
}

static wk_tensor composed(wk_ctx *c, int end, const wk_tensor *x)
{
    const wk_tensor y = wk_affine(c, x[0], x[1], x[2]);
    return end == RELU ? wk_relu(c, y) : end == GELU ? wk_gelu_tanh(c, y) : wk_add(c, x[3], y);
}

static bool check(wk_ctx *c, int end, wk_dtype of_x, wk_dtype of_w, bool library, int launches, bool precise)
{
    static const char *const names[] = {"relu", "gelu", "a sum"};
    double                   got[ALL], want[ALL];
    struct counts            from = {0}, to = {0};
    const wk_scope           s = wk_scope_begin(c);
    const wk_tensor          x[] = {random_of(c, of_x, ROWS, IN), random_of(c, of_w, OUT, IN),
                                    wk_reshape(c, random_of(c, of_x, 1, OUT), WK_SHAPE(OUT)),
                                    random_of(c, of_x, ROWS, OUT)};
    wk_set_precise(c, precise);
    const wk_tensor y = composed(c, end, x);
    const bool      counted = library && device_counts(&from);
    const wk_tensor z = fused(c, end, x);
    const bool      few = !counted || (device_counts(&to) && to.launches - from.launches == launches);
    wk_set_precise(c, false);
    bool ok = wk_read(c, wk_cast(c, y, WK_f64), want) == WK_OK &&
              wk_read(c, wk_cast(c, z, WK_f64), got) == WK_OK && few;
    const double most = of_x == WK_bf16 || (of_x == WK_f32 && of_w == WK_bf16 && !precise) ? 2e-2 : 1e-5;
    for (int i = 0; i < ALL && ok; i++) ok = fabs(got[i] - want[i]) <= most * (1 + fabs(want[i]));
    if (!ok)
        printf("FAIL a product of %s with %s that ends with %s: %lld launches, not %d: %s\n",
               wk_dtype_name(of_x), wk_dtype_name(of_w), names[end], (long long)(to.launches - from.launches),
               launches, wk_ctx_message(c));
    wk_scope_end(c, s, WK_NONE);
    return ok;
}

/* An algorithm is looked for at a shape's first product and kept; another shape has its own. */
static bool kept(wk_ctx *c, bool library)
{
    struct counts   first = {0}, then = {0}, last = {0};
    const wk_scope  s = wk_scope_begin(c);
    const wk_tensor x = random_of(c, WK_f32, ROWS, IN), w = random_of(c, WK_f32, OUT, IN);
    wk_affine(c, x, w, WK_NONE);
    const bool counted = library && device_counts(&first);
    for (int i = 0; i < 3; i++) wk_affine(c, x, w, WK_NONE);
    bool ok = !counted || (device_counts(&then) && then.searches == first.searches);
    wk_affine(c, wk_narrow(c, x, 0, 0, ROWS - 1), w, WK_NONE);
    ok = ok && (!counted || (device_counts(&last) && last.searches == then.searches + 1));
    ok = wk_sync(c) == WK_OK && ok;
    if (!ok)
        printf("FAIL algorithms of products: %lld, %lld looked for: %s\n",
               (long long)(then.searches - first.searches), (long long)(last.searches - then.searches),
               wk_ctx_message(c));
    wk_scope_end(c, s, WK_NONE);
    return ok;
}

bool check_ends(wk_ctx *c, bool library)
{
    bool ok = kept(c, library);
    /* by the library in one; two: what follows is a launch of its own, or f32 becomes bf16 before */
    for (int end = RELU; end <= ADD; end++) {
        ok &= check(c, end, WK_f32, WK_f32, library, end == GELU ? 2 : 1, false);
        ok &= check(c, end, WK_bf16, WK_bf16, library, 1, false);
        ok &= check(c, end, WK_f32, WK_bf16, library, 2, false);
        ok &= check(c, end, WK_f64, WK_f64, library, end == ADD ? 1 : 2, false);
    }
    ok &= check(c, RELU, WK_f32, WK_f32, library, 2, true);
    ok &= check(c, ADD, WK_f32, WK_f32, library, 1, true);
    return ok;
}
