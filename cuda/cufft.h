/* Fourier transforms by cuFFT, which is opened at run time: the few functions and numbers of its interface
 * that are used, so that no toolkit is needed to compile this. */
#ifndef WK_CUDA_CUFFT_H
#define WK_CUDA_CUFFT_H

#include <stddef.h>

enum { /* cufftType */
       FFT_R2C = 0x2a,
       FFT_C2R = 0x2c,
       FFT_C2C = 0x29,
       FFT_D2Z = 0x6a,
       FFT_Z2D = 0x6c,
       FFT_Z2Z = 0x69
};
enum { FFT_FORWARD = -1, FFT_INVERSE = 1 };

/* name, arguments; all return 0 on success */
#define WK_CUFFT_FUNCTIONS(F)                                                                                \
    F(Create, (int *plan))                                                                                   \
    F(Destroy, (int plan))                                                                                   \
    F(SetAutoAllocation, (int plan, int automatic))                                                          \
    F(SetStream, (int plan, void *stream))                                                                   \
    F(SetWorkArea, (int plan, void *area))                                                                   \
    F(MakePlanMany64, (int plan, int rank, long long *n, long long *in_dims, long long in_step,              \
                       long long in_next, long long *out_dims, long long out_step, long long out_next,       \
                       int type, long long batch, size_t *bytes))                                            \
    F(ExecC2C, (int plan, void *x, void *y, int direction))                                                  \
    F(ExecZ2Z, (int plan, void *x, void *y, int direction))                                                  \
    F(ExecR2C, (int plan, void *x, void *y))                                                                 \
    F(ExecD2Z, (int plan, void *x, void *y))                                                                 \
    F(ExecC2R, (int plan, void *x, void *y))                                                                 \
    F(ExecZ2D, (int plan, void *x, void *y))

#endif
