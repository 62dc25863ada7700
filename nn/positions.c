/* Positions as tables and as biases of attention. */
#include "layers.h"

#include <math.h>

wk_tensor wk_learned_positions(wk_ctx *c, const struct wk_embedding *e, wk_tensor x, int64_t from)
{
    const int64_t T = wk_size(x, -2);
    if (wk_ctx_status(c) != WK_OK) return WK_NONE;
    if (from < 0 || T > wk_size(e->weight, 0) - from || wk_size(x, -1) != wk_size(e->weight, 1)) {
        wk_fail(c, WK_ESHAPE,
                "learned_positions: %lld from %lld on of %lld values, the table is [%lld, %lld]",
                (long long)T, (long long)from, (long long)wk_size(x, -1), (long long)wk_size(e->weight, 0),
                (long long)wk_size(e->weight, 1));
        return WK_NONE;
    }
    return wk_add(c, x, wk_cast(c, wk_narrow(c, e->weight, 0, from, T), x->dtype));
}

wk_tensor wk_sinusoids(wk_ctx *c, int64_t n, int64_t dim, double base, wk_sinusoid_layout layout, wk_dtype t)
{
    const int64_t half = dim / 2;
    const bool    turns = layout == WK_SINUSOIDS_IN_TURNS;
    if (wk_ctx_status(c) != WK_OK) return WK_NONE;
    if (n < 1 || dim < 2 || dim % 2 != 0 || !(base > 0) || (!turns && half < 2)) {
        wk_fail(c, WK_EARG, "sinusoids: %lld positions, %lld values, base %g", (long long)n, (long long)dim,
                base);
        return WK_NONE;
    }
    double *v = wk_alloc_zero((size_t)n, (size_t)dim * sizeof *v);
    if (!v) {
        wk_fail(c, WK_ENOMEM, "out of memory: sinusoids");
        return WK_NONE;
    }
    for (int64_t p = 0; p < n; p++)
        for (int64_t i = 0; i < half; i++) {
            const double angle = (double)p * pow(base, -(double)i / (double)(turns ? half : half - 1));
            double      *row = v + p * dim;
            row[turns ? 2 * i : i] = sin(angle);
            row[turns ? 2 * i + 1 : half + i] = cos(angle);
        }
    const wk_tensor x = wk_cast(c, wk_make(c, v, WK_f64, WK_SHAPE(n, dim)), t);
    wk_free(v);
    return x;
}

wk_tensor wk_alibi_slopes(wk_ctx *c, int64_t heads)
{
    int64_t power = 1;
    if (wk_ctx_status(c) != WK_OK) return WK_NONE;
    if (heads < 1 || heads > 65536) {
        wk_fail(c, WK_EARG, "alibi_slopes: %lld heads", (long long)heads);
        return WK_NONE;
    }
    while (power * 2 <= heads) power *= 2;
    float *v = wk_alloc((size_t)heads * sizeof *v);
    if (!v) {
        wk_fail(c, WK_ENOMEM, "out of memory: slopes");
        return WK_NONE;
    }
    /* heads beyond a power of two take every other slope of twice as many */
    for (int64_t i = 0; i < heads; i++)
        v[i] = (float)(i < power ? pow(2, -8.0 * (double)(i + 1) / (double)power)
                                 : pow(2, -4.0 * (double)(2 * (i - power) + 1) / (double)power));
    const wk_tensor x = wk_make(c, v, WK_f32, WK_SHAPE(heads));
    wk_free(v);
    return x;
}

/* i64 [T, S]: place of the key minus that of the query. */
static wk_tensor distances(wk_ctx *c, int64_t T, int64_t S, int64_t from)
{
    const wk_tensor t = wk_arange(c, (double)from, (double)(from + T), 1, WK_i64);
    return wk_sub(c, wk_arange(c, 0, (double)S, 1, WK_i64), wk_unsqueeze(c, t, 1));
}

wk_tensor wk_alibi_bias(wk_ctx *c, int64_t heads, int64_t T, int64_t S, int64_t from)
{
    const wk_tensor slopes = wk_reshape(c, wk_neg(c, wk_alibi_slopes(c, heads)), WK_SHAPE(-1, 1, 1));
    return wk_mul(c, slopes, wk_cast(c, wk_abs(c, distances(c, T, S, from)), WK_f32));
}

struct wk_relative_bias wk_relative_bias_load(wk_params p, const char *name, int64_t buckets, int64_t heads,
                                              int64_t max_distance, bool bidirectional)
{
    const double d = p.deviation > 0 ? p.deviation : 1;
    if (buckets < 4 || buckets % 2 != 0 || max_distance <= buckets / 2)
        wk_fail(p.c, WK_EARG, "relative_bias: %lld buckets up to distance %lld", (long long)buckets,
                (long long)max_distance);
    return (struct wk_relative_bias){
        .weight = wk_param(wk_at(p, "%s", name), "weight", WK_SHAPE(buckets, heads), d),
        .max_distance = max_distance,
        .bidirectional = bidirectional};
}

/* Near distances have a bucket each, far ones share them on a logarithmic scale. In f32, whose roundings
 * trained models have seen. */
static int64_t bucket(const struct wk_relative_bias *b, int64_t distance)
{
    int64_t n = wk_size(b->weight, 0), first = 0;
    if (b->bidirectional) {
        n /= 2;
        if (distance > 0) first = n;
        distance = distance < 0 ? -distance : distance;
    } else {
        distance = distance < 0 ? -distance : 0;
    }
    const int64_t exact = n / 2;
    if (distance < exact) return first + distance;
    const float   scale = (float)log((double)b->max_distance / (double)exact);
    const float   far = logf((float)distance / (float)exact) / scale * (float)(n - exact);
    const int64_t at = exact + (int64_t)far;
    return first + (at < n ? at : n - 1);
}

wk_tensor wk_relative_bias(wk_ctx *c, const struct wk_relative_bias *b, int64_t T, int64_t S, int64_t from)
{
    const int64_t n = T + S - 1, least = -(from + T - 1);
    if (wk_ctx_status(c) != WK_OK) return WK_NONE;
    if (T < 1 || S < 1 || from < 0) {
        wk_fail(c, WK_EARG, "relative_bias: %lld queries from %lld on, %lld keys", (long long)T,
                (long long)from, (long long)S);
        return WK_NONE;
    }
    int64_t *v = wk_alloc((size_t)n * sizeof *v);
    if (!v) {
        wk_fail(c, WK_ENOMEM, "out of memory: buckets");
        return WK_NONE;
    }
    for (int64_t i = 0; i < n; i++) v[i] = bucket(b, least + i);
    const wk_tensor table = wk_make(c, v, WK_i64, WK_SHAPE(n));
    wk_free(v);
    const wk_tensor at = wk_sub(c, distances(c, T, S, from), wk_scalar_int(c, least));
    return wk_permute(c, wk_embedding_rows(c, b->weight, wk_take(c, table, at)), WK_DIMS(2, 0, 1));
}
