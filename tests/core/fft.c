/* Fourier transforms beyond the tables of tests/ops/fft.c: frequencies, shifts, threads, what is refused. */
#include "core/wick.h"

#include <criterion/criterion.h>
#include <string.h>

static void expect(wk_ctx *c, wk_tensor x, int64_t n, const double *want)
{
    double got[32];
    cr_assert_eq(wk_count(x), n, "%s", wk_ctx_message(c));
    cr_assert_eq(wk_read(c, wk_cast(c, x, WK_f64), got), WK_OK, "%s", wk_ctx_message(c));
    for (int64_t i = 0; i < n; i++)
        cr_assert_float_eq(got[i], want[i], 1e-12, "value %lld: %g", (long long)i, got[i]);
}

Test(fft, frequencies_and_shifts)
{
    wk_ctx *c = wk_ctx_new("cpu");
    expect(c, wk_fftfreq(c, 5, 2, WK_f64), 5, (double[]){0, 0.1, 0.2, -0.2, -0.1});
    expect(c, wk_fftfreq(c, 4, 0.25, WK_f64), 4, (double[]){0, 1, -2, -1});
    expect(c, wk_fftfreq(c, 1, 1, WK_f64), 1, (double[]){0});
    expect(c, wk_rfftfreq(c, 5, 0.2, WK_f64), 3, (double[]){0, 1, 2});
    wk_tensor x = wk_reshape(c, wk_arange(c, 0, 6, 1, WK_i32), WK_SHAPE(2, 3));
    expect(c, wk_fftshift(c, x, WK_DIMS(-1)), 6, (double[]){2, 0, 1, 5, 3, 4});
    expect(c, wk_ifftshift(c, x, WK_DIMS(-1)), 6, (double[]){1, 2, 0, 4, 5, 3});
    expect(c, wk_fftshift(c, x, WK_ALL_DIMS), 6, (double[]){5, 3, 4, 2, 0, 1});
    expect(c, wk_ifftshift(c, wk_fftshift(c, x, WK_ALL_DIMS), WK_ALL_DIMS), 6, (double[]){0, 1, 2, 3, 4, 5});
    wk_ctx_free(c);
}

/* The 2-d ones and the n-d ones say the same over the last two dims. */
Test(fft, two_dims)
{
    wk_ctx        *c = wk_ctx_new("cpu");
    const wk_shape none = {0}, two = WK_DIMS(-2, -1);
    wk_seed(c, 3);
    wk_tensor x = wk_normal(c, 0, 1, WK_f64, WK_SHAPE(3, 4, 5)),
              z = wk_normal(c, 0, 1, WK_f64, WK_SHAPE(3, 4, 5, 2));
    const wk_tensor pairs[][2] = {
        {wk_fft2(c, z, none, none, WK_FFT_ORTHO), wk_fftn(c, z, none, two, WK_FFT_ORTHO)},
        {wk_ifft2(c, z, none, none, WK_FFT_FORWARD), wk_ifftn(c, z, none, two, WK_FFT_FORWARD)},
        {wk_rfft2(c, x, WK_SHAPE(3, 6), none, WK_FFT_ORTHO),
         wk_rfftn(c, x, WK_SHAPE(3, 6), two, WK_FFT_ORTHO)},
        {wk_irfft2(c, z, none, none, WK_FFT_ORTHO), wk_irfftn(c, z, none, two, WK_FFT_ORTHO)},
        {wk_hfft2(c, z, none, none, WK_FFT_ORTHO), wk_hfftn(c, z, none, two, WK_FFT_ORTHO)},
        {wk_ihfft2(c, x, none, none, WK_FFT_ORTHO), wk_ihfftn(c, x, none, two, WK_FFT_ORTHO)},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        const wk_tensor d = wk_sub(c, pairs[i][0], pairs[i][1]);
        cr_assert_eq(wk_item(c, wk_amax(c, wk_abs(c, d), WK_ALL_DIMS, false)), 0, "pair %zu: %s", i,
                     wk_ctx_message(c));
    }
    wk_ctx_free(c);
}

Test(fft, threads_change_nothing)
{
    static const int64_t sizes[] = {65536, 60000, 4099};
    wk_ctx              *c = wk_ctx_new("cpu");
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        wk_seed(c, 1);
        wk_tensor x = wk_normal(c, 0, 1, WK_f32, WK_SHAPE(2, sizes[i], 2));
        wk_set_threads(c, 1);
        wk_tensor one = wk_fft(c, x, 0, -1, WK_FFT_BACKWARD);
        wk_set_threads(c, 3);
        wk_tensor three = wk_fft(c, x, 0, -1, WK_FFT_BACKWARD);
        cr_assert_eq(wk_item(c, wk_all(c, wk_eq(c, one, three), WK_ALL_DIMS, false)), 1, "%s",
                     wk_ctx_message(c));
        wk_tensor back = wk_sub(c, wk_ifft(c, one, 0, -1, WK_FFT_BACKWARD), x);
        cr_assert_lt(wk_item(c, wk_amax(c, wk_abs(c, back), WK_ALL_DIMS, false)), 4e-6);
    }
    wk_ctx_free(c);
}

Test(fft, refuses_what_does_not_fit)
{
    wk_ctx   *c = wk_ctx_new("cpu");
    wk_tensor x = wk_zeros(c, WK_f32, WK_SHAPE(3, 4)), h = wk_zeros(c, WK_bf16, WK_SHAPE(4, 2));
    wk_tensor z = wk_zeros(c, WK_f32, WK_SHAPE(3, 4, 2));
    wk_tensor none = wk_zeros(c, WK_f32, WK_SHAPE(0));
#define REFUSED(call, text)                                                                                  \
    cr_assert(wk_is_none(call) && strstr(wk_ctx_message(c), text), "%s: %s", #call, wk_ctx_message(c));      \
    wk_ctx_clear(c)
    REFUSED(wk_fft(c, x, 0, -1, WK_FFT_BACKWARD), "fft: x is [3, 4]; complex values");
    REFUSED(wk_fft(c, z, 0, 2, WK_FFT_BACKWARD), "fft: dim 2 of [3, 4, 2]");
    REFUSED(wk_ifft(c, h, 0, -1, WK_FFT_BACKWARD), "ifft: x is bf16");
    REFUSED(wk_rfft(c, none, 0, -1, WK_FFT_BACKWARD), "rfft: 0 values along dim 0");
    REFUSED(wk_irfft(c, z, -3, -1, WK_FFT_BACKWARD), "irfft: -3 values");
    REFUSED(wk_fftn(c, z, WK_DIMS(-1), WK_DIMS(0, 1), WK_FFT_BACKWARD), "fft: 1 sizes, 2 dims");
    REFUSED(wk_fftn(c, z, (wk_shape){0}, WK_DIMS(0, -2), WK_FFT_BACKWARD), "fft: dim 0 twice");
    REFUSED(wk_stft(c, x, (wk_stft_opts){.n_fft = 16}), "stft: [3, 4] is too short for frames of 16");
    REFUSED(wk_istft(c, z, (wk_stft_opts){.n_fft = 16}),
            "istft: x is [3, 4, 2], [.., 9, frames, 2] is wanted");
    REFUSED(wk_istft(c, z, (wk_stft_opts){.n_fft = 4, .hop = 4, .window = wk_zeros(c, WK_f32, WK_SHAPE(4))}),
            "overlap to zero");
    REFUSED(wk_complex(c, x, h), "complex: [3, 4] and [4, 2]");
    wk_ctx_free(c);
}
