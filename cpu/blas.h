/* OpenBLAS, where it is installed: opened on first use, with the kernels this CPU deserves, on one thread. */
#ifndef WK_CPU_BLAS_H
#define WK_CPU_BLAS_H

#include <stdbool.h>
#include <stdint.h>

/* CBLAS's row-major interface, as its reference documents it. */
enum { WKI_ROW_MAJOR = 101, WKI_NO_TRANS = 111, WKI_TRANS = 112 };
struct wki_blas {
    void (*sgemm)(int order, int ta, int tb, int m, int n, int k, float alpha, const float *a, int lda,
                  const float *b, int ldb, float beta, float *c, int ldc);
    void (*dgemm)(int order, int ta, int tb, int m, int n, int k, double alpha, const double *a, int lda,
                  const double *b, int ldb, double beta, double *c, int ldc);
    const char *core; /* its name for its kernels: "SkylakeX" */
    bool        fit;  /* they are of this CPU's level: worth using beside our own */
};

/* NULL: not there, or without what is needed. */
const struct wki_blas *wki_blas(void);

#endif
