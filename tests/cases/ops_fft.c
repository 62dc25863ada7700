/* The case driver's Fourier transforms. Complex tensors are marked in the case, {"t": NAME, "complex": true},
 * and have a last dim of two. */
#include "cases.h"

#include <math.h>
#include <string.h>

#define ONE(expr)                                                                                            \
    do {                                                                                                     \
        out[0] = (expr);                                                                                     \
        return 1;                                                                                            \
    } while (0)
#define OP(name) static int name(struct run *r, wk_tensor *out)

static wk_tensor real_tensor(struct run *r, const char *name)
{
    if (is_complex(r, name)) stop(r, CASE_UNSUPPORTED, "a real tensor is wanted");
    return tensor(r, name);
}

static wk_fft_norm norm(struct run *r)
{
    const char *n = text(r, "norm", "backward");
    return !strcmp(n, "ortho") ? WK_FFT_ORTHO : !strcmp(n, "forward") ? WK_FFT_FORWARD : WK_FFT_BACKWARD;
}

#define TRANSFORM(name, get)                                                                                 \
    OP(name)                                                                                                 \
    {                                                                                                        \
        ONE(wk_##name(r->c, get(r, "input"), integer(r, "n", 0), (int)integer(r, "dim", -1), norm(r)));      \
    }                                                                                                        \
    OP(name##n)                                                                                              \
    {                                                                                                        \
        ONE(wk_##name##n(r->c, get(r, "input"), sizes(r, "s"), sizes(r, "dim"), norm(r)));                   \
    }                                                                                                        \
    OP(name##2)                                                                                              \
    {                                                                                                        \
        ONE(wk_##name##2(r->c, get(r, "input"), sizes(r, "s"), sizes(r, "dim"), norm(r)));                   \
    }
TRANSFORM(fft, complex_tensor)
TRANSFORM(ifft, complex_tensor)
TRANSFORM(rfft, real_tensor)
TRANSFORM(irfft, complex_tensor)
TRANSFORM(hfft, complex_tensor)
TRANSFORM(ihfft, real_tensor)

static wk_shape shift_dims(struct run *r, wk_tensor x)
{
    wk_shape  dims = sizes(r, "dim");
    const int nd = x->ndim - is_complex(r, "input");
    if (!given(r, "dim"))
        for (dims.ndim = 0; dims.ndim < nd; dims.ndim++) dims.dim[dims.ndim] = dims.ndim;
    for (int i = 0; i < dims.ndim; i++)
        if (dims.dim[i] < 0) dims.dim[i] += nd;
    return dims;
}
OP(fftshift)
{
    wk_tensor x = tensor(r, "input");
    ONE(wk_fftshift(r->c, x, shift_dims(r, x)));
}
OP(ifftshift)
{
    wk_tensor x = tensor(r, "input");
    ONE(wk_ifftshift(r->c, x, shift_dims(r, x)));
}

static wk_stft_pad pad_mode(struct run *r)
{
    static const char *const names[] = {"reflect", "constant", "replicate", "circular"};
    const char              *mode = text(r, "pad_mode", "reflect");
    for (int i = 0; i < 4; i++)
        if (!strcmp(names[i], mode)) return (wk_stft_pad)i;
    stop(r, CASE_UNSUPPORTED, "pad mode %s", mode);
}
static wk_stft_opts stft_opts(struct run *r)
{
    return (wk_stft_opts){.n_fft = integer(r, "n_fft", 0),
                          .hop = integer(r, "hop_length", 0),
                          .win = integer(r, "win_length", 0),
                          .window = tensor_or_none(r, "window"),
                          .not_centred = !truth(r, "center", true),
                          .pad = pad_mode(r),
                          .normalized = truth(r, "normalized", false),
                          .two_sided = !truth(r, "onesided", true),
                          .length = integer(r, "length", 0)};
}
OP(stft)
{
    wk_stft_opts o = stft_opts(r);
    wk_tensor    x = tensor(r, "input");
    o.complex = is_complex(r, "input") || is_complex(r, "window");
    if (o.complex && !is_complex(r, "input"))
        x = wk_complex(r->c, x, wk_zeros(r->c, x->dtype, WK_SCALAR_SHAPE));
    if (!given(r, "onesided")) o.two_sided = o.complex;
    ONE(wk_stft(r->c, x, o));
}
OP(istft)
{
    wk_tensor    x = complex_tensor(r, "input");
    wk_stft_opts o = stft_opts(r);
    o.complex = truth(r, "return_complex", false);
    if (!given(r, "onesided")) o.two_sided = wk_size(x, -3) == o.n_fft;
    ONE(wk_istft(r->c, x, o));
}
OP(complex_of)
{
    ONE(wk_complex(r->c, tensor(r, "real"), tensor(r, "imag")));
}
OP(same)
{
    ONE(tensor(r, "input"));
}

/* ---- windows: torch.signal.windows, symmetric unless told otherwise ---- */

#define SYM !truth(r, "sym", true), dtype(r, "dtype", WK_f32)
#define WINDOW(name)                                                                                         \
    OP(name##_window)                                                                                        \
    {                                                                                                        \
        ONE(wk_##name##_window(r->c, integer(r, "M", 0), SYM));                                              \
    }
WINDOW(hann)
WINDOW(hamming)
WINDOW(blackman)
WINDOW(nuttall)
WINDOW(bartlett)
WINDOW(cosine)
OP(general_hamming_window)
{
    ONE(wk_general_hamming_window(r->c, integer(r, "M", 0), real(r, "alpha", 0.54), SYM));
}
OP(general_cosine_window)
{
    double    a[MAX_RESULTS];
    const int n = numbers(r, "a", a, MAX_RESULTS);
    ONE(wk_general_cosine_window(r->c, integer(r, "M", 0), n, a, SYM));
}
OP(kaiser_window)
{
    ONE(wk_kaiser_window(r->c, integer(r, "M", 0), real(r, "beta", 12), SYM));
}
OP(gaussian_window)
{
    ONE(wk_gaussian_window(r->c, integer(r, "M", 0), real(r, "std", 1), SYM));
}
OP(exponential_window)
{
    ONE(wk_exponential_window(r->c, integer(r, "M", 0), real(r, "center", NAN), real(r, "tau", 1), SYM));
}

#define ROWS(name)                                                                                           \
    {"fft." #name, "input n dim norm", name}, {"fft." #name "n", "input s dim norm", name##n},               \
    {                                                                                                        \
        "fft." #name "2", "input s dim norm", name##2                                                        \
    }
#define WINDOW_HOW "sym dtype device requires_grad"
const struct op_row fft_ops[] = {
    {"signal.windows.hann", "M " WINDOW_HOW, hann_window},
    {"signal.windows.hamming", "M " WINDOW_HOW, hamming_window},
    {"signal.windows.blackman", "M " WINDOW_HOW, blackman_window},
    {"signal.windows.nuttall", "M " WINDOW_HOW, nuttall_window},
    {"signal.windows.bartlett", "M " WINDOW_HOW, bartlett_window},
    {"signal.windows.cosine", "M " WINDOW_HOW, cosine_window},
    {"signal.windows.general_hamming", "M alpha " WINDOW_HOW, general_hamming_window},
    {"signal.windows.general_cosine", "M a " WINDOW_HOW, general_cosine_window},
    {"signal.windows.kaiser", "M beta " WINDOW_HOW, kaiser_window},
    {"signal.windows.gaussian", "M std " WINDOW_HOW, gaussian_window},
    {"signal.windows.exponential", "M center tau " WINDOW_HOW, exponential_window},
    ROWS(fft),
    ROWS(ifft),
    ROWS(rfft),
    ROWS(irfft),
    ROWS(hfft),
    ROWS(ihfft),
    {"fft.fftshift", "input dim", fftshift},
    {"fft.ifftshift", "input dim", ifftshift},
    {"stft", "input n_fft hop_length win_length window center pad_mode normalized onesided return_complex",
     stft},
    {"istft", "input n_fft hop_length win_length window center normalized onesided length return_complex",
     istft},
    {"complex", "real imag", complex_of},
    {"view_as_real view_as_complex", "input", same},
    {0},
};
