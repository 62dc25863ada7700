/* interpolate: the op resizes [N, C, D, H, W]; fewer dims are dims of size 1.
 */
#include "core/ctx.h"

#include <math.h>

/* i: mode, align corners, antialias; f: scales. */
static wk_tensor run(wk_ctx *c, wk_tensor x, wk_shape shape, const int64_t *i, const double *f, bool turned,
                     bool rounded)
{
    if (wki_failed(c)) return WK_NONE;
    return wki_run(c, &(wk_call){.op = WK_OP_resize,
                                 .cls = wki_class_of(x->dtype),
                                 WK_IN(x),
                                 .attr = {.i = {i[0], i[1], i[2], turned, rounded}, .f = {f[0], f[1], f[2]}},
                                 .out = {wki_new(c, x->dtype, shape)}});
}

/* Resizing is linear: turned around it is its own gradient. */
void wki_vjp_resize(wk_ctx *c, const wk_call *k, const wk_tensor *g, wk_tensor *dx)
{
    dx[0] = run(c, g[0], wki_shape(k->in[0]), k->attr.i, k->attr.f, !k->attr.i[3], false);
}

static bool sizes(wk_ctx *c, wk_tensor x, const wk_resize_opts *o, int64_t *out, double *scale)
{
    const int n = x->ndim - 2;
    if (o->size.ndim != 0 && o->size.ndim != n) {
        wk_fail(c, WK_EARG, "interpolate: %d sizes for x %s", o->size.ndim, WKI_TEXT(x));
        return false;
    }
    for (int i = 0; i < n; i++) {
        const double given = o->scale[i] > 0 || i == 0 ? o->scale[i] : o->scale[0];
        scale[i] = o->size.ndim || o->recompute_scale ? 0 : given;
        const double to = o->size.ndim ? (double)o->size.dim[i] : floor((double)x->shape[2 + i] * given);
        if (!(fabs(to) <= INT32_MAX)) {
            wk_fail(c, WK_ESHAPE, "interpolate: x %s by %g along dim %d", WKI_TEXT(x), given, 2 + i);
            return false;
        }
        out[i] = (int64_t)to;
        if (out[i] < 1 || x->shape[2 + i] < 1 || x->shape[2 + i] > INT32_MAX) {
            wk_fail(c, WK_ESHAPE, "interpolate: x %s to %lld along dim %d", WKI_TEXT(x), (long long)out[i],
                    2 + i);
            return false;
        }
    }
    return true;
}

static wk_tensor area(wk_ctx *c, wk_tensor x, const int64_t *out)
{
    wk_tensor (*const pool[])(wk_ctx *, wk_tensor, wk_shape) = {
        wk_adaptive_avg_pool1d, wk_adaptive_avg_pool2d, wk_adaptive_avg_pool3d};
    return pool[x->ndim - 3](c, x, (wk_shape){x->ndim - 2, {out[0], out[1], out[2]}});
}

/* As f32 that are bytes: cubic weights reach beyond the range. */
static wk_tensor to_bytes(wk_ctx *c, wk_tensor x)
{
    return wk_clamp(c, wk_floor(c, wk_add(c, x, wk_scalar(c, 0.5))), 0, 255);
}

/* Pictures of bytes; as in PyTorch smooth ones are resized across, then down, with bytes between. */
static wk_tensor of_bytes(wk_ctx *c, wk_tensor x, wk_resize_opts o)
{
    wk_tensor y = wk_cast(c, x, WK_f32);
    if (x->ndim == 4 && (o.mode == WK_RESIZE_LINEAR || o.mode == WK_RESIZE_CUBIC)) {
        wk_resize_opts across = o;
        across.size.dim[0] = x->shape[2];
        across.scale[1] = o.scale[1] > 0 ? o.scale[1] : o.scale[0];
        across.scale[0] = o.scale[1] = 1;
        y = to_bytes(c, wk_interpolate(c, y, across));
    }
    return wk_cast(c, to_bytes(c, wk_interpolate(c, y, o)), WK_u8);
}

wk_tensor wk_interpolate(wk_ctx *c, wk_tensor x, wk_resize_opts o)
{
    if (wki_failed(c)) return WK_NONE;
    WK_REQUIRE(c, x->dtype != WK_u8 || o.mode != WK_RESIZE_AREA, WK_EDTYPE,
               "interpolate: area of u8; a real dtype is wanted");
    if (!wk_is_none(x) && x->dtype == WK_u8) return of_bytes(c, x, o);
    WK_REQUIRE(c, x->ndim >= 3 && x->ndim <= 5, WK_ESHAPE, "interpolate: x is %s; 3 to 5 dims are wanted",
               WKI_TEXT(x));
    WK_REQUIRE(c, wki_dtype_class(x->dtype) == 'F', WK_EDTYPE, "interpolate: x is %s",
               wk_dtype_name(x->dtype));
    WK_REQUIRE(c, (unsigned)o.mode <= WK_RESIZE_AREA, WK_EARG, "interpolate: mode %d", (int)o.mode);
    const bool smooth = o.mode == WK_RESIZE_LINEAR || o.mode == WK_RESIZE_CUBIC;
    WK_REQUIRE(c, o.mode != WK_RESIZE_CUBIC || x->ndim == 4, WK_ESHAPE,
               "interpolate: cubic on x %s, not 4 dims", WKI_TEXT(x));
    WK_REQUIRE(c, smooth || !(o.align_corners || o.antialias), WK_EARG,
               "interpolate: align_corners and antialias are of linear and cubic");
    WK_REQUIRE(c, !o.antialias || x->ndim == 4, WK_ESHAPE, "interpolate: antialias on x %s, not 4 dims",
               WKI_TEXT(x));
    int64_t out[3] = {1, 1, 1};
    double  scale[3] = {0}, f[3] = {0};
    if (!sizes(c, x, &o, out, scale)) return WK_NONE;
    if (o.mode == WK_RESIZE_AREA) return area(c, x, out);
    const int n = x->ndim - 2;
    wk_shape  five = {5, {x->shape[0], x->shape[1], 1, 1, 1}}, to = five, shape = wki_shape(x);
    for (int i = 0; i < n; i++) {
        five.dim[5 - n + i] = x->shape[2 + i];
        to.dim[5 - n + i] = shape.dim[2 + i] = out[i];
        f[3 - n + i] = scale[i];
    }
    const int64_t attr[] = {o.mode, o.align_corners, o.antialias};
    /* PyTorch keeps these in the dtype of x; not the linear ones of pictures, nor those against aliasing */
    const bool half = x->dtype == WK_bf16 || x->dtype == WK_f16, plane = n == 2 && o.mode == WK_RESIZE_LINEAR;
    const bool rounded = half && smooth && !plane && !o.antialias;
    return wk_reshape(c, run(c, wk_reshape(c, x, five), to, attr, f, false, rounded), shape);
}
