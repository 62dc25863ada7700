/* Discrete Fourier transforms. Part of core/wick.h.
 *
 * Complex values are a last dim of two, real and imaginary part. That dim is not counted: dim -1 of a complex
 * tensor [4, 9, 2] is the one of 9. f32 and f64; integers become f32. Any length takes n log n steps. */
#ifndef WK_API_FFT_H
#define WK_API_FFT_H

#include "../types.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Where the division by n goes: into the way back, its root into both, into the way there. */
typedef enum wk_fft_norm { WK_FFT_BACKWARD, WK_FFT_ORTHO, WK_FFT_FORWARD } wk_fft_norm;

/* A complex tensor from two real ones, which broadcast. */
WK_API wk_tensor wk_complex(wk_ctx *c, wk_tensor re, wk_tensor im);

/* Along one dim. n: x is cut or filled up with zeros to that length; 0: as it is.
 * fft, ifft complex to complex; rfft real [n] to complex [n / 2 + 1]; irfft the way back (n 0: 2 (size - 1));
 * hfft complex half of a signal to its real spectrum; ihfft the way back. */
WK_API wk_tensor wk_fft(wk_ctx *c, wk_tensor x, int64_t n, int dim, wk_fft_norm norm);
WK_API wk_tensor wk_ifft(wk_ctx *c, wk_tensor x, int64_t n, int dim, wk_fft_norm norm);
WK_API wk_tensor wk_rfft(wk_ctx *c, wk_tensor x, int64_t n, int dim, wk_fft_norm norm);
WK_API wk_tensor wk_irfft(wk_ctx *c, wk_tensor x, int64_t n, int dim, wk_fft_norm norm);
WK_API wk_tensor wk_hfft(wk_ctx *c, wk_tensor x, int64_t n, int dim, wk_fft_norm norm);
WK_API wk_tensor wk_ihfft(wk_ctx *c, wk_tensor x, int64_t n, int dim, wk_fft_norm norm);

/* Over several dims; the real side of rfftn, irfftn, hfftn, ihfftn is the last of them. sizes as n above, one
 * for each dim (-1: as it is), or no sizes at all; dims WK_ALL_DIMS: the last ones that sizes speak of, or
 * all.
 * The 2-d ones are the same over the last two dims where none are given. */
WK_API wk_tensor wk_fftn(wk_ctx *c, wk_tensor x, wk_shape sizes, wk_shape dims, wk_fft_norm norm);
WK_API wk_tensor wk_ifftn(wk_ctx *c, wk_tensor x, wk_shape sizes, wk_shape dims, wk_fft_norm norm);
WK_API wk_tensor wk_rfftn(wk_ctx *c, wk_tensor x, wk_shape sizes, wk_shape dims, wk_fft_norm norm);
WK_API wk_tensor wk_irfftn(wk_ctx *c, wk_tensor x, wk_shape sizes, wk_shape dims, wk_fft_norm norm);
WK_API wk_tensor wk_hfftn(wk_ctx *c, wk_tensor x, wk_shape sizes, wk_shape dims, wk_fft_norm norm);
WK_API wk_tensor wk_ihfftn(wk_ctx *c, wk_tensor x, wk_shape sizes, wk_shape dims, wk_fft_norm norm);
WK_API wk_tensor wk_fft2(wk_ctx *c, wk_tensor x, wk_shape sizes, wk_shape dims, wk_fft_norm norm);
WK_API wk_tensor wk_ifft2(wk_ctx *c, wk_tensor x, wk_shape sizes, wk_shape dims, wk_fft_norm norm);
WK_API wk_tensor wk_rfft2(wk_ctx *c, wk_tensor x, wk_shape sizes, wk_shape dims, wk_fft_norm norm);
WK_API wk_tensor wk_irfft2(wk_ctx *c, wk_tensor x, wk_shape sizes, wk_shape dims, wk_fft_norm norm);
WK_API wk_tensor wk_hfft2(wk_ctx *c, wk_tensor x, wk_shape sizes, wk_shape dims, wk_fft_norm norm);
WK_API wk_tensor wk_ihfft2(wk_ctx *c, wk_tensor x, wk_shape sizes, wk_shape dims, wk_fft_norm norm);

/* The frequencies of a transform's results: 0, 1, .., -1 over n d; rfftfreq: 0 .. n / 2 over n d. */
WK_API wk_tensor wk_fftfreq(wk_ctx *c, int64_t n, double d, wk_dtype t);
WK_API wk_tensor wk_rfftfreq(wk_ctx *c, int64_t n, double d, wk_dtype t);
/* Moves the zero frequency to the middle of dims, and back. All dims of x count here, so that of a complex
 * tensor the last one must not be among them: WK_ALL_DIMS is for real ones. */
WK_API wk_tensor wk_fftshift(wk_ctx *c, wk_tensor x, wk_shape dims);
WK_API wk_tensor wk_ifftshift(wk_ctx *c, wk_tensor x, wk_shape dims);

typedef enum wk_stft_pad {
    WK_STFT_REFLECT,
    WK_STFT_CONSTANT,
    WK_STFT_REPLICATE,
    WK_STFT_CIRCULAR
} wk_stft_pad;
typedef struct wk_stft_opts {
    int64_t     n_fft;
    int64_t     hop;         /* 0: n_fft / 4 */
    int64_t     win;         /* length of the window; 0: n_fft */
    wk_tensor   window;      /* [win], or complex [win, 2]; WK_NONE: ones */
    bool        complex;     /* x of stft, or the result of istft, and all n_fft frequencies */
    bool        not_centred; /* frame t begins at t hop instead of having its middle there */
    wk_stft_pad pad;         /* what stands beyond the ends of x when centred */
    bool        normalized;  /* divide by sqrt(n_fft) */
    bool        two_sided;   /* all n_fft frequencies */
    int64_t     length;      /* istft: of the result; 0: what the frames give */
} wk_stft_opts;
/* x [L] or [B, L], real (complex: a last dim of two): [B, frequencies, frames, 2]. */
WK_API wk_tensor wk_stft(wk_ctx *c, wk_tensor x, wk_stft_opts o);
/* The way back, by overlapping sums over the windows' squares: [B, frequencies, frames, 2] to [B, L]. Of two
 * sides the second is not read. */
WK_API wk_tensor wk_istft(wk_ctx *c, wk_tensor x, wk_stft_opts o);

#ifdef __cplusplus
}
#endif
#endif
