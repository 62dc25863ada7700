/* LAPACK out of OpenBLAS, where that is installed with it: Fortran's calls as netlib documents them. */
#ifndef WK_CPU_LAPACK_H
#define WK_CPU_LAPACK_H

#include <stddef.h>

/* LAPACK(routine, arguments): pointers to int and to f32 or f64, matrices column by column; for each string
 * its length follows at the end. */
#define WKI_LAPACK(LAPACK)                                                                                   \
    LAPACK(getrf, (const int *m, const int *n, void *a, const int *lda, int *pivots, int *info))             \
    LAPACK(getrs, (const char *trans, const int *n, const int *columns, const void *a, const int *lda,       \
                   const int *pivots, void *b, const int *ldb, int *info, size_t))                           \
    LAPACK(getri, (const int *n, void *a, const int *lda, const int *pivots, void *work, const int *lwork,   \
                   int *info))                                                                               \
    LAPACK(potrf, (const char *uplo, const int *n, void *a, const int *lda, int *info, size_t))              \
    LAPACK(trsm, (const char *side, const char *uplo, const char *trans, const char *diag, const int *m,     \
                  const int *n, const void *alpha, const void *a, const int *lda, void *b, const int *ldb,   \
                  size_t, size_t, size_t, size_t))                                                           \
    LAPACK(geqrf, (const int *m, const int *n, void *a, const int *lda, void *tau, void *work,               \
                   const int *lwork, int *info))                                                             \
    LAPACK(orgqr, (const int *m, const int *n, const int *k, void *a, const int *lda, const void *tau,       \
                   void *work, const int *lwork, int *info))                                                 \
    LAPACK(syevd, (const char *job, const char *uplo, const int *n, void *a, const int *lda, void *w,        \
                   void *work, const int *lwork, int *iwork, const int *liwork, int *info, size_t, size_t))  \
    LAPACK(gesdd, (const char *job, const int *m, const int *n, void *a, const int *lda, void *s, void *u,   \
                   const int *ldu, void *vt, const int *ldvt, void *work, const int *lwork, int *iwork,      \
                   int *info, size_t))                                                                       \
    LAPACK(geev, (const char *left, const char *right, const int *n, void *a, const int *lda, void *wr,      \
                  void *wi, void *vl, const int *ldvl, void *vr, const int *ldvr, void *work,                \
                  const int *lwork, int *info, size_t, size_t))                                              \
    LAPACK(gelsd, (const int *m, const int *n, const int *columns, void *a, const int *lda, void *b,         \
                   const int *ldb, void *s, const void *rcond, int *rank, void *work, const int *lwork,      \
                   int *iwork, int *info))

/* Each routine for f32 and f64. */
struct wki_lapack {
#define LAPACK(name, arguments) void(*name[2]) arguments;
    WKI_LAPACK(LAPACK)
#undef LAPACK
};

/* NULL: not there, or without what is needed. */
const struct wki_lapack *wki_lapack(void);

#endif
