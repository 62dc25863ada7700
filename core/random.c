/* Random numbers: where a context's stream stands. Kernels make the numbers from seed and counter alone. */
#include "ctx.h"

#include "random.h"

#include <math.h>

void wk_seed(wk_ctx *c, uint64_t seed)
{
    if (!c || !c->device) return;
    c->seed = seed;
    c->counter = 0;
}

static wk_tensor draw(wk_ctx *c, enum wki_random kind, double a, double b, int64_t low, int64_t range,
                      wk_dtype t, wk_shape shape)
{
    wk_tensor y = wki_new(c, t, shape);
    if (wk_is_none(y)) return wki_named(c, "random", y);
    const wk_call k = {.op = WK_OP_random,
                       .cls = wki_class_of(t),
                       .out = {y},
                       .attr.i = {kind, (int64_t)c->seed, (int64_t)c->counter, low, range},
                       .attr.f = {a, b}};
    c->counter += ((uint64_t)wk_count(y) + 1) / 2; /* blocks of two values at least */
    return wki_run(c, &k);
}

wk_tensor wk_uniform(wk_ctx *c, double low, double high, wk_dtype t, wk_shape shape)
{
    if (wki_failed(c)) return WK_NONE;
    WK_REQUIRE(c, wki_dtype_class(t) == 'F', WK_EDTYPE, "uniform: %s is not real", wk_dtype_name(t));
    WK_REQUIRE(c, isfinite(low) && isfinite(high) && low <= high, WK_EARG, "uniform: from %g to %g", low,
               high);
    return draw(c, WKI_UNIFORM, low, high - low, 0, 0, t, shape);
}

wk_tensor wk_normal(wk_ctx *c, double mean, double deviation, wk_dtype t, wk_shape shape)
{
    if (wki_failed(c)) return WK_NONE;
    WK_REQUIRE(c, wki_dtype_class(t) == 'F', WK_EDTYPE, "normal: %s is not real", wk_dtype_name(t));
    WK_REQUIRE(c, deviation >= 0, WK_EARG, "normal: deviation %g", deviation);
    return draw(c, WKI_NORMAL, mean, deviation, 0, 0, t, shape);
}

wk_tensor wk_randint(wk_ctx *c, int64_t low, int64_t high, wk_dtype t, wk_shape shape)
{
    if (wki_failed(c)) return WK_NONE;
    int64_t range;
    WK_REQUIRE(c, low < high && !__builtin_sub_overflow(high, low, &range), WK_EARG,
               "randint: from %lld to %lld", (long long)low, (long long)high);
    WK_REQUIRE(c, !wki_is_block(t), WK_EDTYPE, "randint: %s", wk_dtype_name(t));
    int64_t least, most;
    wki_range(t, &least, &most);
    WK_REQUIRE(c, low >= least && high - 1 <= most, WK_EARG,
               "randint: from %lld to %lld, %s holds %lld to %lld", (long long)low, (long long)high,
               wk_dtype_name(t), (long long)least, (long long)most);
    return draw(c, WKI_INTEGER, 0, 0, low, range, t, shape);
}
