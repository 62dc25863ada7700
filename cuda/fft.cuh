/* A Fourier transform along one dim as both ways to run it see it: kernels (fft.cu) and cuFFT (cufft.cu). */
#ifndef WK_CUDA_FFT_CUH
#define WK_CUDA_FFT_CUH

#include "cuda/walk.cuh"

enum { PASSES = 40 };
enum { COMPLEX, FROM_REAL, TO_REAL };

template <typename C> struct value {
    C re, im;
};
template <typename C> DEVICE value<C> times(value<C> a, value<C> b)
{
    return {a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re};
}

/* attr.i: the dim, inverse, kind, one-sided, n; attr.f[0]: the scale. */
struct transform {
    walk<2>     others; /* the lines of y and x */
    const void *x;
    void       *y;
    int64_t     n, lines, xs, ys; /* steps along the dim, in elements */
    int64_t     length;           /* of the transform that is run: n, or a power of two */
    int64_t     have;             /* values of a line of x */
    double      scale;
    int         kind, passes, each, radix[PASSES]; /* each: lines of a block */
    bool        inverse, one_sided, along;         /* along: neighbours in memory are of one line */
};

/* By cuFFT: bytes of scratch, the result into y; false: it does not, the kernels do. */
bool wki_cuda_fft_bytes(const wk_call *k, const transform *o, size_t *bytes);
bool wki_cuda_fft_run(const wk_call *k, const transform *o, wk_status *status);

#endif
