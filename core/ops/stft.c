/* Short-time Fourier transforms: frames by index, a transform of each, and overlapping sums back. */
#include "core/ctx.h"

#include <math.h>

/* Options with their defaults in place; false after recording what is wrong. */
static bool complete(wk_ctx *c, const char *op, wk_stft_opts *o)
{
    if (!o->window) o->window = WK_NONE;
    if (!o->win) o->win = wk_is_none(o->window) ? o->n_fft : wk_count(o->window);
    if (!o->hop) o->hop = o->n_fft / 4;
    if (o->n_fft < 1 || o->hop < 1 || o->win < 1 || o->win > o->n_fft)
        wk_fail(c, WK_EARG, "%s: n_fft %lld, hop %lld, window of %lld", op, (long long)o->n_fft,
                (long long)o->hop, (long long)o->win);
    else if (!wk_is_none(o->window) && (o->window->ndim != 1 || wk_count(o->window) != o->win))
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
    return wk_pad(c, w, 2, (int64_t[]){left, o->n_fft - o->win - left}, 0);
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
    WK_REQUIRE(c, x->ndim == 1 || x->ndim == 2, WK_ESHAPE, "stft: x is %s, [L] or [B, L] is wanted",
               WKI_TEXT(x));
    WK_REQUIRE(c, x->dtype == WK_f32 || x->dtype == WK_f64, WK_EDTYPE, "stft: x is %s",
               wk_dtype_name(x->dtype));
    const int64_t pad = o.not_centred ? 0 : o.n_fft / 2, n = wki_cols(x), room = n + 2 * pad - o.n_fft;
    WK_REQUIRE(c,
               n > 0 && room >= 0 && (o.pad != WK_STFT_REFLECT || pad < n) &&
                   (o.pad != WK_STFT_CIRCULAR || pad <= n),
               WK_ESHAPE, "stft: %s is too short for frames of %lld", WKI_TEXT(x), (long long)o.n_fft);
    const int64_t frames = 1 + room / o.hop;
    const bool    zeros = pad && o.pad == WK_STFT_CONSTANT;
    if (zeros) x = wk_pad(c, x, 2, (int64_t[]){pad, pad}, 0);
    wk_tensor at = places(c, &o, frames, zeros ? 0 : -pad);
    if (pad && !zeros) at = folded(c, at, n, o.pad);
    wk_tensor y = wk_index_select(c, x, -1, at);
    if (wki_failed(c)) return WK_NONE;
    const bool batch = x->ndim == 2;
    y = wk_reshape(c, y, batch ? WK_SHAPE(x->shape[0], frames, o.n_fft) : WK_SHAPE(frames, o.n_fft));
    y = wk_mul(c, y, window_of(c, &o, x->dtype));
    const wk_fft_norm norm = o.normalized ? WK_FFT_ORTHO : WK_FFT_BACKWARD;
    if (o.two_sided)
        y = wk_fft(c, wk_complex(c, y, wk_zeros(c, x->dtype, WK_SCALAR_SHAPE)), 0, -1, norm);
    else
        y = wk_rfft(c, y, 0, -1, norm);
    return wk_transpose(c, y, -3, -2);
}

/* Sums frames [.., frames, n_fft] where they overlap: [.., n]. */
static wk_tensor overlap(wk_ctx *c, wk_tensor frames, wk_tensor at, int64_t n)
{
    if (wki_failed(c)) return WK_NONE;
    const int64_t batch = wk_count(frames) / wk_count(at);
    wk_tensor     to = wk_zeros(c, frames->dtype, WK_SHAPE(batch, n));
    return wk_scatter_add(c, to, 1, wk_expand(c, at, WK_SHAPE(batch, wk_count(at))),
                          wk_reshape(c, frames, WK_SHAPE(batch, wk_count(at))));
}

wk_tensor wk_istft(wk_ctx *c, wk_tensor x, wk_stft_opts o)
{
    if (wki_failed(c) || !complete(c, "istft", &o)) return WK_NONE;
    const int64_t rows = o.two_sided ? o.n_fft : o.n_fft / 2 + 1;
    WK_REQUIRE(c,
               (x->ndim == 3 || x->ndim == 4) && x->shape[x->ndim - 1] == 2 &&
                   x->shape[x->ndim - 3] == rows && x->shape[x->ndim - 2] > 0,
               WK_ESHAPE, "istft: x is %s, [.., %lld, frames, 2] is wanted", WKI_TEXT(x), (long long)rows);
    const int64_t     frames = x->shape[x->ndim - 2], n = o.n_fft + o.hop * (frames - 1);
    const wk_fft_norm norm = o.normalized ? WK_FFT_ORTHO : WK_FFT_BACKWARD;
    const bool        batch = x->ndim == 4;
    x = wk_transpose(c, x, -3, -2);
    wk_tensor y = wk_irfft(c, wk_narrow(c, x, -2, 0, o.n_fft / 2 + 1), o.n_fft, -1, norm);
    if (wki_failed(c)) return WK_NONE;
    const wk_tensor w = window_of(c, &o, y->dtype), at = places(c, &o, frames, 0);
    const wk_tensor squares = wk_expand(c, wk_mul(c, w, w), WK_SHAPE(frames, o.n_fft));
    const int64_t   from = o.not_centred ? 0 : o.n_fft / 2, end = o.length ? from + o.length : n - from;
    const int64_t   have = (end < n ? end : n) - from;
    WK_REQUIRE(c, have > 0, WK_ESHAPE, "istft: %lld frames leave nothing", (long long)frames);
    y = wk_narrow(c, overlap(c, wk_mul(c, y, w), at, n), 1, from, have);
    const wk_tensor sum = wk_narrow(c, overlap(c, squares, at, n), 1, from, have);
    const bool      was = wk_no_grad(c, true);
    const double    least = wk_item(c, wk_amin(c, wk_abs(c, sum), WK_ALL_DIMS, false));
    wk_no_grad(c, was);
    WK_REQUIRE(c, wki_failed(c) || least >= 1e-11, WK_EARG, "istft: the windows overlap to zero");
    y = wk_div(c, y, sum);
    if (end > n) y = wk_pad(c, y, 2, (int64_t[]){0, end - n}, 0);
    return batch ? y : wk_squeeze(c, y, 0);
}
