/* Windows as columns and back; channels that become places. */
#include "core/ctx.h"

/* attr.i: kernel, stride, padding and dilation of the two dims. im2col sees [N,
 * C, H, W] and makes [N, C, kernel, windows]: six dims. */
enum { KERNEL = 0, STRIDE = 2, PADDING = 4, DILATION = 6, ATTRIBUTES = 8 };

static bool options(wk_ctx *c, const char *op, const wk_fold_opts *o, int64_t *attr)
{
    if (wki_failed(c)) return false;
    for (int i = 0; i < 2; i++) {
        const int64_t stride = wki_entry(o->stride, i, 1), dilation = wki_entry(o->dilation, i, 1),
                      kernel = wki_entry(o->kernel, i, 0);
        if (kernel < 1 || stride < 1 || dilation < 1 || o->padding[i] < 0 || kernel > INT32_MAX ||
            stride > INT32_MAX || dilation > INT32_MAX || o->padding[i] > INT32_MAX) {
            wk_fail(c, WK_EARG, "%s: kernel %lld, stride %lld, padding %lld, dilation %lld", op,
                    (long long)kernel, (long long)stride, (long long)o->padding[i], (long long)dilation);
            return false;
        }
        attr[KERNEL + i] = kernel;
        attr[STRIDE + i] = stride;
        attr[PADDING + i] = o->padding[i];
        attr[DILATION + i] = dilation;
    }
    return true;
}

static int64_t windows(const int64_t *attr, int i, int64_t in)
{
    const int64_t room = in + 2 * attr[PADDING + i] - attr[DILATION + i] * (attr[KERNEL + i] - 1) - 1;
    return room < 0 ? 0 : room / attr[STRIDE + i] + 1;
}

static wk_tensor run(wk_ctx *c, wk_op op, wk_tensor x, wk_shape shape, const int64_t *attr)
{
    if (wki_failed(c)) return WK_NONE;
    wk_call k = {.op = op, .cls = wki_class_of(x->dtype), WK_IN(x), .out = {wki_new(c, x->dtype, shape)}};
    for (int i = 0; i < ATTRIBUTES; i++) k.attr.i[i] = attr[i];
    return wki_run(c, &k);
}

static bool is_plain(wk_tensor x)
{
    return !wk_is_none(x) && !wki_is_block(x->dtype);
}

wk_tensor wk_im2col(wk_ctx *c, wk_tensor x, wk_fold_opts o)
{
    int64_t a[ATTRIBUTES];
    if (!options(c, "im2col", &o, a)) return WK_NONE;
    WK_REQUIRE(c, is_plain(x) && (x->ndim == 3 || x->ndim == 4), WK_ESHAPE,
               "im2col: x is %s; 3 or 4 dims are wanted", WKI_TEXT(x));
    const bool batch = x->ndim == 4;
    if (!batch) x = wk_unsqueeze(c, x, 0);
    if (wki_failed(c)) return WK_NONE;
    const int64_t h = windows(a, 0, x->shape[2]), w = windows(a, 1, x->shape[3]);
    WK_REQUIRE(c, h > 0 && w > 0, WK_ESHAPE, "im2col: x %s has no window of %lld x %lld", WKI_TEXT(x),
               (long long)a[KERNEL], (long long)a[KERNEL + 1]);
    const wk_shape  all = WK_SHAPE(x->shape[0], x->shape[1], a[KERNEL], a[KERNEL + 1], h, w);
    const wk_tensor y = run(c, WK_OP_im2col, x, all, a);
    if (wki_failed(c)) return WK_NONE;
    const int64_t rows = x->shape[1] * a[KERNEL] * a[KERNEL + 1];
    return wk_reshape(c, y, batch ? WK_SHAPE(x->shape[0], rows, h * w) : WK_SHAPE(rows, h * w));
}

wk_tensor wk_col2im(wk_ctx *c, wk_tensor x, wk_shape size, wk_fold_opts o)
{
    int64_t a[ATTRIBUTES];
    if (!options(c, "col2im", &o, a)) return WK_NONE;
    WK_REQUIRE(c, is_plain(x) && (x->ndim == 2 || x->ndim == 3) && size.ndim == 2, WK_ESHAPE,
               "col2im: x is %s, %d sizes; 2 or 3 dims and 2 are wanted", WKI_TEXT(x), size.ndim);
    const bool batch = x->ndim == 3;
    if (!batch) x = wk_unsqueeze(c, x, 0);
    if (wki_failed(c)) return WK_NONE;
    const int64_t h = windows(a, 0, size.dim[0]), w = windows(a, 1, size.dim[1]),
                  taps = a[KERNEL] * a[KERNEL + 1];
    WK_REQUIRE(c, h > 0 && w > 0 && x->shape[2] == h * w && x->shape[1] % taps == 0, WK_ESHAPE,
               "col2im: x is %s; %lld x %lld windows of %lld values each are wanted", WKI_TEXT(x),
               (long long)h, (long long)w, (long long)taps);
    const int64_t n = x->shape[0], channels = x->shape[1] / taps;
    x = wk_reshape(c, x, WK_SHAPE(n, channels, a[KERNEL], a[KERNEL + 1], h, w));
    const wk_tensor y = run(c, WK_OP_col2im, x, WK_SHAPE(n, channels, size.dim[0], size.dim[1]), a);
    return batch || wki_failed(c) ? y : wk_squeeze(c, y, 0);
}

void wki_vjp_im2col(wk_ctx *c, const wk_call *k, const wk_tensor *g, wk_tensor *dx)
{
    dx[0] = run(c, WK_OP_col2im, g[0], wki_shape(k->in[0]), k->attr.i);
}
void wki_vjp_col2im(wk_ctx *c, const wk_call *k, const wk_tensor *g, wk_tensor *dx)
{
    dx[0] = run(c, WK_OP_im2col, g[0], wki_shape(k->in[0]), k->attr.i);
}

/* ---- channels and places
 * --------------------------------------------------------------------- */

/* The dims before the last three as one. */
static wk_tensor four(wk_ctx *c, const char *op, wk_tensor x)
{
    if (wki_failed(c)) return WK_NONE;
    WK_REQUIRE(c, is_plain(x) && x->ndim >= 3, WK_ESHAPE, "%s: x is %s; 3 dims or more are wanted", op,
               WKI_TEXT(x));
    int64_t n = 1;
    for (int i = 0; i < x->ndim - 3; i++) n *= x->shape[i];
    const int64_t *s = x->shape + x->ndim - 3;
    return wk_reshape(c, x, WK_SHAPE(n, s[0], s[1], s[2]));
}

static wk_shape with_last(wk_tensor x, int64_t channels, int64_t height, int64_t width)
{
    wk_shape s = wki_shape(x);
    s.dim[x->ndim - 3] = channels;
    s.dim[x->ndim - 2] = height;
    s.dim[x->ndim - 1] = width;
    return s;
}

wk_tensor wk_pixel_shuffle(wk_ctx *c, wk_tensor x, int64_t r)
{
    const wk_tensor h = four(c, "pixel_shuffle", x);
    if (wki_failed(c)) return WK_NONE;
    WK_REQUIRE(c, r > 0 && r <= INT32_MAX && h->shape[1] % (r * r) == 0, WK_ESHAPE,
               "pixel_shuffle: %lld channels by %lld", (long long)h->shape[1], (long long)r);
    const int64_t n = h->shape[0], channels = h->shape[1] / (r * r), height = h->shape[2],
                  width = h->shape[3];
    const wk_tensor six = wk_reshape(c, h, WK_SHAPE(n, channels, r, r, height, width));
    return wk_reshape(c, wk_permute(c, six, WK_DIMS(0, 1, 4, 2, 5, 3)),
                      with_last(x, channels, height * r, width * r));
}

wk_tensor wk_pixel_unshuffle(wk_ctx *c, wk_tensor x, int64_t r)
{
    const wk_tensor h = four(c, "pixel_unshuffle", x);
    if (wki_failed(c)) return WK_NONE;
    WK_REQUIRE(c, r > 0 && h->shape[2] % r == 0 && h->shape[3] % r == 0, WK_ESHAPE,
               "pixel_unshuffle: x is %s, not of multiples of %lld", WKI_TEXT(x), (long long)r);
    const int64_t n = h->shape[0], channels = h->shape[1], height = h->shape[2] / r, width = h->shape[3] / r;
    const wk_tensor six = wk_reshape(c, h, WK_SHAPE(n, channels, height, r, width, r));
    return wk_reshape(c, wk_permute(c, six, WK_DIMS(0, 1, 3, 5, 2, 4)),
                      with_last(x, channels * r * r, height, width));
}

wk_tensor wk_channel_shuffle(wk_ctx *c, wk_tensor x, int64_t groups)
{
    if (wki_failed(c)) return WK_NONE;
    WK_REQUIRE(c, is_plain(x) && x->ndim >= 3, WK_ESHAPE,
               "channel_shuffle: x is %s; 3 dims or more are wanted", WKI_TEXT(x));
    WK_REQUIRE(c, groups > 0 && x->shape[1] % groups == 0, WK_ESHAPE,
               "channel_shuffle: %lld channels, %lld groups", (long long)x->shape[1], (long long)groups);
    int64_t area = 1;
    for (int i = 2; i < x->ndim; i++) area *= x->shape[i];
    const wk_tensor four_dims = wk_reshape(c, x, WK_SHAPE(x->shape[0], groups, x->shape[1] / groups, area));
    return wk_reshape(c, wk_permute(c, four_dims, WK_DIMS(0, 2, 1, 3)), wki_shape(x));
}
