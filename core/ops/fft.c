/* Fourier transforms: lengths, norms and dims become calls of one op along one dim. */
#include "core/ctx.h"

#include <math.h>

/* ---- one dim --------------------------------------------------------------------------------- */

enum kind { COMPLEX, FROM_REAL, TO_REAL };

/* inverse: the exponent's sign is +. one_sided: the transposed map, where each frequency of a half spectrum
 * counts once on the way to real values and twice on the way from them. */
struct transform {
    enum kind kind;
    bool      inverse, one_sided;
    double    scale;
    int       dim;
    int64_t   n;
};

static wk_tensor run(wk_ctx *c, wk_tensor x, struct transform t)
{
    if (wki_failed(c)) return WK_NONE;
    if (t.kind != FROM_REAL && x->stride[x->ndim - 1] != 1) x = wk_contiguous(c, x);
    wk_shape shape = wki_shape(x);
    if (t.kind == FROM_REAL) {
        shape.dim[t.dim] = t.n / 2 + 1;
        shape.dim[shape.ndim++] = 2;
    } else if (t.kind == TO_REAL) {
        shape.dim[t.dim] = t.n;
        shape.ndim--;
    }
    return wki_run(c, &(wk_call){.op = WK_OP_fft,
                                 .cls = wki_class_of(x->dtype),
                                 WK_IN(x),
                                 .out = {wki_new(c, x->dtype, shape)},
                                 .attr.i = {t.dim, t.inverse, t.kind, t.one_sided, t.n},
                                 .attr.f = {t.scale}});
}

/* The transposed map: the exponent's sign turns, kinds change places. */
void wki_vjp_fft(wk_ctx *c, const wk_call *k, const wk_tensor *g, wk_tensor *dx)
{
    static const enum kind turned[] = {COMPLEX, TO_REAL, FROM_REAL};
    const enum kind        kind = turned[k->attr.i[2]];
    dx[0] = run(c, g[0],
                (struct transform){.kind = kind,
                                   .inverse = !k->attr.i[1],
                                   .one_sided = kind != COMPLEX && !k->attr.i[3],
                                   .scale = k->attr.f[0],
                                   .dim = (int)k->attr.i[0],
                                   .n = k->attr.i[4]});
}

/* The scale of a transform of n values. forward: it is one of fft, rfft, ihfft by name. */
static double scale_of(wk_fft_norm norm, bool forward, int64_t n)
{
    if (norm == WK_FFT_ORTHO) return 1 / sqrt((double)n);
    return (norm == WK_FFT_FORWARD) == forward ? 1 / (double)n : 1;
}

/* Cuts or fills up a dim. */
static wk_tensor fit(wk_ctx *c, wk_tensor x, int dim, int64_t n)
{
    if (wki_failed(c) || x->shape[dim] == n) return x;
    if (x->shape[dim] > n) return wk_narrow(c, x, dim, 0, n);
    int64_t pads[2 * WK_MAX_DIMS] = {0};
    pads[2 * (x->ndim - 1 - dim) + 1] = n - x->shape[dim];
    return wk_pad(c, x, 2 * (x->ndim - dim), pads, 0);
}

/* What the six transforms are: their kind, the sign of the exponent, and their side for norms. */
struct named {
    const char *name;
    enum kind   kind;
    bool        inverse, forward;
};
static const struct named FFT = {"fft", COMPLEX, false, true}, IFFT = {"ifft", COMPLEX, true, false},
                          RFFT = {"rfft", FROM_REAL, false, true}, IRFFT = {"irfft", TO_REAL, true, false},
                          HFFT = {"hfft", TO_REAL, false, true}, IHFFT = {"ihfft", FROM_REAL, true, false};

/* x in a dtype that transforms know; dims without the one of complex values through *nd. */
static wk_tensor operand(wk_ctx *c, const struct named *t, wk_tensor x, int *nd)
{
    if (wki_failed(c)) return WK_NONE;
    WK_REQUIRE(c, !wk_is_none(x), WK_EARG, "%s: no tensor", t->name);
    const bool real = t->kind == FROM_REAL;
    *nd = real ? x->ndim : x->ndim - 1;
    WK_REQUIRE(c, *nd >= 1 && (real || x->shape[*nd] == 2), WK_ESHAPE, "%s: x is %s; %s", t->name,
               WKI_TEXT(x),
               real ? "at least one dim is wanted" : "complex values, a last dim of two, are wanted");
    WK_REQUIRE(c, !real || *nd < WK_MAX_DIMS, WK_ESHAPE, "%s: x is %s, no dim is left for complex values",
               t->name, WKI_TEXT(x));
    const char cls = wki_dtype_class(x->dtype);
    if (cls == 'I' || cls == 'B') return wk_cast(c, x, WK_f32);
    WK_REQUIRE(c, x->dtype == WK_f32 || x->dtype == WK_f64, WK_EDTYPE,
               "%s: x is %s, f32 and f64 are possible", t->name, wk_dtype_name(x->dtype));
    return x;
}

static int dim_of(wk_ctx *c, const struct named *t, wk_tensor x, int nd, int64_t dim)
{
    if (dim >= -nd && dim < nd) return (int)(dim < 0 ? dim + nd : dim);
    wk_fail(c, WK_EARG, "%s: dim %lld of %s", t->name, (long long)dim, WKI_TEXT(x));
    return -1;
}

/* Along dim, with n values on the real side where there is one. */
static wk_tensor along(wk_ctx *c, const struct named *t, wk_tensor x, int64_t n, int dim, double scale)
{
    if (wki_failed(c)) return WK_NONE;
    const int64_t size = t->kind == TO_REAL ? n / 2 + 1 : n;
    WK_REQUIRE(c, n >= 1, WK_ESHAPE, "%s: %lld values along dim %d", t->name, (long long)n, dim);
    return run(
        c, fit(c, x, dim, size),
        (struct transform){.kind = t->kind, .inverse = t->inverse, .scale = scale, .dim = dim, .n = n});
}

static int64_t default_size(const struct named *t, wk_tensor x, int dim)
{
    return t->kind == TO_REAL ? 2 * (x->shape[dim] - 1) : x->shape[dim];
}

static wk_tensor one_dim(wk_ctx *c, const struct named *t, wk_tensor x, int64_t n, int dim, wk_fft_norm norm)
{
    int nd = 0;
    x = operand(c, t, x, &nd);
    if (wki_failed(c)) return WK_NONE;
    const int d = dim_of(c, t, x, nd, dim);
    if (d < 0) return WK_NONE;
    if (n == 0) n = default_size(t, x, d);
    return along(c, t, x, n, d, scale_of(norm, t->forward, n));
}

/* ---- several dims ---------------------------------------------------------------------------- */

/* Resolves sizes and dims; how many dims, or -1. */
static int resolve(wk_ctx *c, const struct named *t, wk_tensor x, int nd, wk_shape sizes, wk_shape dims,
                   int *d, int64_t *n)
{
    int count = dims.ndim ? dims.ndim : sizes.ndim ? sizes.ndim : nd;
    if ((dims.ndim && sizes.ndim && dims.ndim != sizes.ndim) || count > nd) {
        wk_fail(c, WK_EARG, "%s: %d sizes, %d dims for %s", t->name, sizes.ndim, dims.ndim, WKI_TEXT(x));
        return -1;
    }
    for (int i = 0; i < count; i++) {
        d[i] = dim_of(c, t, x, nd, dims.ndim ? dims.dim[i] : nd - count + i);
        if (d[i] < 0) return -1;
        for (int j = 0; j < i; j++)
            if (d[j] == d[i]) {
                wk_fail(c, WK_EARG, "%s: dim %d twice", t->name, d[i]);
                return -1;
            }
        const bool last = i == count - 1;
        n[i] = sizes.ndim && sizes.dim[i] != -1 ? sizes.dim[i]
               : last                           ? default_size(t, x, d[i])
                                                : x->shape[d[i]];
        if (n[i] < 1) {
            wk_fail(c, WK_ESHAPE, "%s: %lld values along dim %d", t->name, (long long)n[i], d[i]);
            return -1;
        }
    }
    return count;
}

static wk_tensor several(wk_ctx *c, const struct named *t, wk_tensor x, wk_shape sizes, wk_shape dims,
                         wk_fft_norm norm)
{
    int     nd = 0, d[WK_MAX_DIMS];
    int64_t n[WK_MAX_DIMS];
    x = operand(c, t, x, &nd);
    if (wki_failed(c)) return WK_NONE;
    const int count = resolve(c, t, x, nd, sizes, dims, d, n);
    if (count < 0) return WK_NONE;
    const int          last = count - 1;
    const struct named others = {t->name, COMPLEX, t->inverse, t->forward};
    if (t->kind == FROM_REAL) {
        /* what the other dims lose goes first */
        for (int i = 0; i < last && !wki_failed(c); i++)
            if (n[i] < x->shape[d[i]]) x = fit(c, x, d[i], n[i]);
        x = along(c, t, x, n[last], d[last], scale_of(norm, t->forward, n[last]));
    }
    const int rest = t->kind == COMPLEX ? count : last;
    for (int i = rest - 1; i >= 0; i--)
        x = along(c, &others, x, n[i], d[i], scale_of(norm, t->forward, n[i]));
    if (t->kind == TO_REAL) x = along(c, t, x, n[last], d[last], scale_of(norm, t->forward, n[last]));
    return x;
}

static wk_shape last_two(wk_shape dims)
{
    return dims.ndim ? dims : WK_DIMS(-2, -1);
}

#define TRANSFORM(name, TABLE)                                                                               \
    wk_tensor wk_##name(wk_ctx *c, wk_tensor x, int64_t n, int dim, wk_fft_norm norm)                        \
    {                                                                                                        \
        return one_dim(c, &TABLE, x, n, dim, norm);                                                          \
    }                                                                                                        \
    wk_tensor wk_##name##n(wk_ctx *c, wk_tensor x, wk_shape sizes, wk_shape dims, wk_fft_norm norm)          \
    {                                                                                                        \
        return several(c, &TABLE, x, sizes, dims, norm);                                                     \
    }                                                                                                        \
    wk_tensor wk_##name##2(wk_ctx * c, wk_tensor x, wk_shape sizes, wk_shape dims, wk_fft_norm norm)         \
    {                                                                                                        \
        return several(c, &TABLE, x, sizes, last_two(dims), norm);                                           \
    }
TRANSFORM(fft, FFT)
TRANSFORM(ifft, IFFT)
TRANSFORM(rfft, RFFT)
TRANSFORM(irfft, IRFFT)
TRANSFORM(hfft, HFFT)
TRANSFORM(ihfft, IHFFT)

/* ---- around them ----------------------------------------------------------------------------- */

wk_tensor wk_complex(wk_ctx *c, wk_tensor re, wk_tensor im)
{
    if (wki_failed(c)) return WK_NONE;
    wk_shape shape;
    WK_REQUIRE(c, !wk_is_none(re) && !wk_is_none(im), WK_EARG, "complex: no tensor");
    WK_REQUIRE(c, wki_broadcast(re, im, &shape) && shape.ndim < WK_MAX_DIMS, WK_ESHAPE,
               "complex: %s and %s do not broadcast", WKI_TEXT(re), WKI_TEXT(im));
    const wk_tensor parts[] = {wk_expand(c, re, shape), wk_expand(c, im, shape)};
    return wk_stack(c, 2, parts, -1);
}

wk_tensor wk_fftfreq(wk_ctx *c, int64_t n, double d, wk_dtype t)
{
    if (wki_failed(c)) return WK_NONE;
    WK_REQUIRE(c, n >= 1, WK_EARG, "fftfreq: %lld values", (long long)n);
    const int64_t   half = (n + 1) / 2;
    const wk_tensor parts[] = {wk_arange(c, 0, (double)half, 1, t),
                               wk_arange(c, (double)(half - n), 0, 1, t)};
    const wk_tensor k = n == 1 ? parts[0] : wk_cat(c, 2, parts, 0);
    return wk_mul(c, k, wk_scalar(c, 1 / ((double)n * d)));
}

wk_tensor wk_rfftfreq(wk_ctx *c, int64_t n, double d, wk_dtype t)
{
    if (wki_failed(c)) return WK_NONE;
    WK_REQUIRE(c, n >= 1, WK_EARG, "rfftfreq: %lld values", (long long)n);
    return wk_mul(c, wk_arange(c, 0, (double)(n / 2 + 1), 1, t), wk_scalar(c, 1 / ((double)n * d)));
}

static wk_tensor shift(wk_ctx *c, const char *op, wk_tensor x, wk_shape dims, bool back)
{
    if (wki_failed(c)) return WK_NONE;
    WK_REQUIRE(c, !wk_is_none(x), WK_EARG, "%s: no tensor", op);
    const int count = dims.ndim ? dims.ndim : x->ndim;
    for (int i = 0; i < count; i++) {
        const int d = wki_dim(c, op, x, dims.ndim ? (int)dims.dim[i] : i);
        if (d < 0) return WK_NONE;
        const int64_t n = x->shape[d], at = back ? n / 2 : n - n / 2;
        if (n < 2) continue;
        const wk_tensor parts[] = {wk_narrow(c, x, d, at, n - at), wk_narrow(c, x, d, 0, at)};
        x = wk_cat(c, 2, parts, d);
        if (wki_failed(c)) return WK_NONE;
    }
    return x;
}

wk_tensor wk_fftshift(wk_ctx *c, wk_tensor x, wk_shape dims)
{
    return shift(c, "fftshift", x, dims, false);
}

wk_tensor wk_ifftshift(wk_ctx *c, wk_tensor x, wk_shape dims)
{
    return shift(c, "ifftshift", x, dims, true);
}
