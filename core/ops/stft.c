/* Short-time Fourier transforms: frames by index, a transform of each, and overlapping sums back. */
#include "core/ctx.h"

#include <math.h>

/* [win], or [win, 2] where values are complex. */
static bool window_fits(const wk_stft_opts *o)
{
    const wk_tensor w = o->window;
    if (w->ndim == 2) return o->complex && w->shape[0] == o->win && w->shape[1] == 2;
    return w->ndim == 1 && w->shape[0] == o->win;
}

/* Options with their defaults in place; false after recording what is wrong. */
static bool complete(wk_ctx *c, const char *op, wk_stft_opts *o)
{
    if (!o->window) o->window = WK_NONE;
    if (!o->win) o->win = wk_is_none(o->window) ? o->n_fft : o->window->shape[0];
    if (!o->hop) o->hop = o->n_fft / 4;
    if (o->n_fft < 1 || o->hop < 1 || o->win < 1 || o->win > o->n_fft)
        wk_fail(c, WK_EARG, "%s: n_fft %lld, hop %lld, window of %lld", op, (long long)o->n_fft,
                (long long)o->hop, (long long)o->win);
    else if (!wk_is_none(o->window) && !window_fits(o))
        wk_fail(c, WK_ESHAPE, "%s: the window is %s, %lld values are wanted", op, WKI_TEXT(o->window),
                (long long)o->win);
    return !wki_failed(c);
}

/* The window in the middle of n_fft places. */
static wk_tensor window_of(wk_ctx *c, const wk_stft_opts *o, wk_dtype t)
{
    const int64_t   left = (o->n_fft - o->win) / 2;
    const wk_tensor w = wk_is_none(o->window) ? wk_full(c, 1, t, WK_SHAPE(o->win)) : wk_cast(c, o->window, t);
    if (o->win == o->n_fft) return w;
    const int64_t right = o->n_fft - o->win - left;
    return w->ndim == 2 ? wk_pad(c, w, 4, (int64_t[]){0, 0, left, right}, 0)
                        : wk_pad(c, w, 2, (int64_t[]){left, right}, 0);
}

/* Complex x [.., n, 2] times y [n] or [n, 2]. */
static wk_tensor times(wk_ctx *c, wk_tensor x, wk_tensor y)
{
    if (wki_failed(c)) return WK_NONE;
    if (y->ndim == 1) return wk_mul(c, x, wk_unsqueeze(c, y, 1));
    const wk_tensor a = wk_select(c, x, -1, 0), b = wk_select(c, x, -1, 1), p = wk_select(c, y, -1, 0),
                    q = wk_select(c, y, -1, 1);
    return wk_complex(c, wk_sub(c, wk_mul(c, a, p), wk_mul(c, b, q)),
                      wk_add(c, wk_mul(c, a, q), wk_mul(c, b, p)));
}

/* Of a complex x / y; the conjugate of y over its square. */
static wk_tensor over(wk_ctx *c, wk_tensor x, wk_tensor y)
{
    if (wki_failed(c)) return WK_NONE;
    const wk_tensor sign = wk_make(c, (double[]){1, -1}, WK_f64, WK_SHAPE(2));
    const wk_tensor square = wk_sum(c, wk_square(c, y), WK_DIMS(-1), true);
    return times(c, x, wk_div(c, wk_mul(c, y, wk_cast(c, sign, y->dtype)), square));
}

static wk_tensor as_complex(wk_ctx *c, wk_tensor x)
{
    return wki_failed(c) ? WK_NONE : wk_complex(c, x, wk_zeros(c, x->dtype, WK_SCALAR_SHAPE));
}

/* Places t hop + i + from of all frames, one frame after the other. */
static wk_tensor places(wk_ctx *c, const wk_stft_opts *o, int64_t frames, int64_t from)
{
    const wk_tensor t = wk_mul(c, wk_arange(c, 0, (double)frames, 1, WK_i64), wk_scalar_int(c, o->hop));
    const wk_tensor i = wk_arange(c, (double)from, (double)(from + o->n_fft), 1, WK_i64);
    return wk_reshape(c, wk_add(c, wk_unsqueeze(c, t, 1), i), WK_SHAPE(frames * o->n_fft));
}

/* Places beyond the ends of n values, turned to those that stand for them. */
static wk_tensor folded(wk_ctx *c, wk_tensor at, int64_t n, wk_stft_pad pad)
{
    const wk_tensor zero = wk_scalar_int(c, 0), last = wk_scalar_int(c, n - 1);
    if (pad == WK_STFT_REFLECT) return wk_sub(c, last, wk_abs(c, wk_sub(c, last, wk_abs(c, at))));
    if (pad == WK_STFT_CIRCULAR) return wk_remainder(c, at, wk_scalar_int(c, n));
    return wk_minimum(c, wk_maximum(c, at, zero), last);
}

wk_tensor wk_stft(wk_ctx *c, wk_tensor x, wk_stft_opts o)
{
    if (wki_failed(c) || !complete(c, "stft", &o)) return WK_NONE;
    const int parts = o.complex; /* a last dim that is not counted */
    WK_REQUIRE(c, (x->ndim == 1 + parts || x->ndim == 2 + parts) && (!parts || wk_size(x, -1) == 2),
               WK_ESHAPE, "stft: x is %s, %s is wanted", WKI_TEXT(x),
               parts ? "[L, 2] or [B, L, 2]" : "[L] or [B, L]");
    WK_REQUIRE(c, x->dtype == WK_f32 || x->dtype == WK_f64, WK_EDTYPE, "stft: x is %s",
               wk_dtype_name(x->dtype));
    const int64_t pad = o.not_centred ? 0 : o.n_fft / 2, n = wk_size(x, -1 - parts),
                  room = n + 2 * pad - o.n_fft;
    WK_REQUIRE(c,
               n > 0 && room >= 0 && (o.pad != WK_STFT_REFLECT || pad < n) &&
                   (o.pad != WK_STFT_CIRCULAR || pad <= n),
               WK_ESHAPE, "stft: %s is too short for frames of %lld", WKI_TEXT(x), (long long)o.n_fft);
    const int64_t frames = 1 + room / o.hop, many = x->shape[0];
    const bool    batch = x->ndim == 2 + parts;
    const bool    zeros = pad && o.pad == WK_STFT_CONSTANT;
    if (zeros)
        x = parts ? wk_pad(c, x, 4, (int64_t[]){0, 0, pad, pad}, 0)
                  : wk_pad(c, x, 2, (int64_t[]){pad, pad}, 0);
    wk_tensor at = places(c, &o, frames, zeros ? 0 : -pad);
    if (pad && !zeros) at = folded(c, at, n, o.pad);
    wk_tensor y = wk_index_select(c, x, -1 - parts, at);
    if (wki_failed(c)) return WK_NONE;
    wk_shape shape = {.ndim = 0};
    if (batch) shape.dim[shape.ndim++] = many;
    shape.dim[shape.ndim++] = frames;
    shape.dim[shape.ndim++] = o.n_fft;
    if (parts) shape.dim[shape.ndim++] = 2;
    y = wk_reshape(c, y, shape);
    const wk_tensor   w = window_of(c, &o, x->dtype);
    const wk_fft_norm norm = o.normalized ? WK_FFT_ORTHO : WK_FFT_BACKWARD;
    if (parts)
        y = wk_fft(c, times(c, y, w), 0, -1, norm);
    else if (o.two_sided)
        y = wk_fft(c, as_complex(c, wk_mul(c, y, w)), 0, -1, norm);
    else
        y = wk_rfft(c, wk_mul(c, y, w), 0, -1, norm);
    return wk_transpose(c, y, -3, -2);
}

/* Sums frames [.., frames, n_fft (, 2)] where they overlap: [.., n (, 2)]. */
static wk_tensor overlap(wk_ctx *c, wk_tensor frames, wk_tensor at, int64_t n, bool parts)
{
    if (wki_failed(c)) return WK_NONE;
    const int64_t batch = wk_count(frames) / wk_count(at) / (parts ? 2 : 1), many = wk_count(at);
    if (!parts)
        return wk_scatter_add(c, wk_zeros(c, frames->dtype, WK_SHAPE(batch, n)), 1,
                              wk_expand(c, at, WK_SHAPE(batch, many)),
                              wk_reshape(c, frames, WK_SHAPE(batch, many)));
    return wk_scatter_add(c, wk_zeros(c, frames->dtype, WK_SHAPE(batch, n, 2)), 1,
                          wk_expand(c, wk_unsqueeze(c, at, 1), WK_SHAPE(batch, many, 2)),
                          wk_reshape(c, frames, WK_SHAPE(batch, many, 2)));
}

/* The windows' squares, summed where they overlap: [n] (or complex) as of one batch, from `from` on. */
static wk_tensor envelope(wk_ctx *c, wk_tensor w, wk_tensor at, int64_t frames, int64_t n, int64_t from,
                          int64_t have)
{
    if (wki_failed(c)) return WK_NONE;
    const bool parts = w->ndim == 2;
    wk_shape   shape = {.ndim = 2, .dim = {frames, w->shape[0]}};
    if (parts) shape.dim[shape.ndim++] = 2;
    const wk_tensor squares = parts ? times(c, w, w) : wk_mul(c, w, w);
    const wk_tensor sum = wk_narrow(c, overlap(c, wk_expand(c, squares, shape), at, n, parts), 1, from, have);
    const bool      was = wk_no_grad(c, true);
    const wk_tensor size = parts ? wk_vector_norm(c, sum, 2, WK_DIMS(-1), false) : wk_abs(c, sum);
    const double    least = wk_item(c, wk_amin(c, size, WK_ALL_DIMS, false));
    wk_no_grad(c, was);
    WK_REQUIRE(c, wki_failed(c) || least >= 1e-11, WK_EARG, "istft: the windows overlap to zero");
    return sum;
}

wk_tensor wk_istft(wk_ctx *c, wk_tensor x, wk_stft_opts o)
{
    if (o.complex) o.two_sided = true;
    if (wki_failed(c) || !complete(c, "istft", &o)) return WK_NONE;
    const int64_t rows = o.two_sided ? o.n_fft : o.n_fft / 2 + 1;
    WK_REQUIRE(c,
               (x->ndim == 3 || x->ndim == 4) && x->shape[x->ndim - 1] == 2 &&
                   x->shape[x->ndim - 3] == rows && x->shape[x->ndim - 2] > 0,
               WK_ESHAPE, "istft: x is %s, [.., %lld, frames, 2] is wanted", WKI_TEXT(x), (long long)rows);
    const int64_t     frames = x->shape[x->ndim - 2], n = o.n_fft + o.hop * (frames - 1);
    const wk_fft_norm norm = o.normalized ? WK_FFT_ORTHO : WK_FFT_BACKWARD;
    const bool        batch = x->ndim == 4, parts = o.complex;
    x = wk_transpose(c, x, -3, -2);
    wk_tensor y = parts ? wk_ifft(c, x, 0, -1, norm)
                        : wk_irfft(c, wk_narrow(c, x, -2, 0, o.n_fft / 2 + 1), o.n_fft, -1, norm);
    if (wki_failed(c)) return WK_NONE;
    const wk_tensor w = window_of(c, &o, y->dtype), at = places(c, &o, frames, 0);
    const int64_t   from = o.not_centred ? 0 : o.n_fft / 2, end = o.length ? from + o.length : n - from;
    const int64_t   have = (end < n ? end : n) - from;
    WK_REQUIRE(c, have > 0, WK_ESHAPE, "istft: %lld frames leave nothing", (long long)frames);
    y = wk_narrow(c, overlap(c, parts ? times(c, y, w) : wk_mul(c, y, w), at, n, parts), 1, from, have);
    const wk_tensor sum = envelope(c, w, at, frames, n, from, have);
    if (wki_failed(c)) return WK_NONE;
    const bool turned = sum->ndim == 3; /* a complex window */
    y = turned ? over(c, y, sum) : wk_div(c, y, parts ? wk_unsqueeze(c, sum, 2) : sum);
    if (end > n)
        y = parts ? wk_pad(c, y, 4, (int64_t[]){0, 0, 0, end - n}, 0)
                  : wk_pad(c, y, 2, (int64_t[]){0, end - n}, 0);
    return batch ? y : wk_squeeze(c, y, 0);
}
