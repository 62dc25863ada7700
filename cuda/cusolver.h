/* Linear algebra by cuSOLVER, which is opened at run time: the few functions and numbers of its interface
 * that are used, so that no toolkit is needed to compile this. Matrices are column by column. */
#ifndef WK_CUDA_CUSOLVER_H
#define WK_CUDA_CUSOLVER_H

#include <stddef.h>
#include <stdint.h>

enum { SOLVER_F32 = 0, SOLVER_F64 = 1 }; /* cudaDataType */
enum { SOLVER_LOWER = 0, SOLVER_UPPER = 1 };
enum { SOLVER_PLAIN = 0 }; /* not transposed */
enum { SOLVER_VALUES = 0, SOLVER_VECTORS = 1 };

/* Arguments that end every call: work on the device and on the host, and what stopped it (on the device). */
#define WK_SOLVER_WORK void *device, size_t device_bytes, void *host, size_t host_bytes, int *info
#define WK_SOLVER_SIZE size_t *device_bytes, size_t *host_bytes

/* name, arguments; all return 0 on success. type: of values, then of what is computed with. */
#define WK_CUSOLVER_FUNCTIONS(F)                                                                             \
    F(Create, (void **handle))                                                                               \
    F(Destroy, (void *handle))                                                                               \
    F(SetStream, (void *handle, void *stream))                                                               \
    F(CreateParams, (void **params))                                                                         \
    F(DestroyParams, (void *params))                                                                         \
    F(Xpotrf_bufferSize, (void *handle, void *params, int uplo, int64_t n, int type, const void *a,          \
                          int64_t lda, int compute, WK_SOLVER_SIZE))                                         \
    F(Xpotrf, (void *handle, void *params, int uplo, int64_t n, int type, void *a, int64_t lda, int compute, \
               WK_SOLVER_WORK))                                                                              \
    F(Xgetrf_bufferSize, (void *handle, void *params, int64_t m, int64_t n, int type, const void *a,         \
                          int64_t lda, int compute, WK_SOLVER_SIZE))                                         \
    F(Xgetrf, (void *handle, void *params, int64_t m, int64_t n, int type, void *a, int64_t lda,             \
               int64_t *pivots, int compute, WK_SOLVER_WORK))                                                \
    F(Xgetrs, (void *handle, void *params, int trans, int64_t n, int64_t columns, int type, const void *a,   \
               int64_t lda, const int64_t *pivots, int type_b, void *b, int64_t ldb, int *info))             \
    F(Xgeqrf_bufferSize, (void *handle, void *params, int64_t m, int64_t n, int type, const void *a,         \
                          int64_t lda, int type_tau, const void *tau, int compute, WK_SOLVER_SIZE))          \
    F(Xgeqrf, (void *handle, void *params, int64_t m, int64_t n, int type, void *a, int64_t lda,             \
               int type_tau, void *tau, int compute, WK_SOLVER_WORK))                                        \
    F(Sorgqr_bufferSize,                                                                                     \
      (void *handle, int m, int n, int k, const float *a, int lda, const float *tau, int *values))           \
    F(Sorgqr, (void *handle, int m, int n, int k, float *a, int lda, const float *tau, float *work,          \
               int values, int *info))                                                                       \
    F(Dorgqr_bufferSize,                                                                                     \
      (void *handle, int m, int n, int k, const double *a, int lda, const double *tau, int *values))         \
    F(Dorgqr, (void *handle, int m, int n, int k, double *a, int lda, const double *tau, double *work,       \
               int values, int *info))                                                                       \
    F(Xsyevd_bufferSize, (void *handle, void *params, int job, int uplo, int64_t n, int type, const void *a, \
                          int64_t lda, int type_w, const void *w, int compute, WK_SOLVER_SIZE))              \
    F(Xsyevd, (void *handle, void *params, int job, int uplo, int64_t n, int type, void *a, int64_t lda,     \
               int type_w, void *w, int compute, WK_SOLVER_WORK))                                            \
    F(Xgesvd_bufferSize,                                                                                     \
      (void *handle, void *params, signed char job_u, signed char job_v, int64_t m, int64_t n, int type,     \
       const void *a, int64_t lda, int type_s, const void *s, int type_u, const void *u, int64_t ldu,        \
       int type_v, const void *v, int64_t ldv, int compute, WK_SOLVER_SIZE))                                 \
    F(Xgesvd, (void *handle, void *params, signed char job_u, signed char job_v, int64_t m, int64_t n,       \
               int type, void *a, int64_t lda, int type_s, void *s, int type_u, void *u, int64_t ldu,        \
               int type_v, void *v, int64_t ldv, int compute, WK_SOLVER_WORK))

/* Of newer releases. With real types w holds the real parts, then the imaginary ones. */
#define WK_CUSOLVER_NEWER(F)                                                                                 \
    F(Xgeev_bufferSize,                                                                                      \
      (void *handle, void *params, int job_left, int job_right, int64_t n, int type, const void *a,          \
       int64_t lda, int type_w, const void *w, int type_left, const void *left, int64_t ld_left,             \
       int type_right, const void *right, int64_t ld_right, int compute, WK_SOLVER_SIZE))                    \
    F(Xgeev, (void *handle, void *params, int job_left, int job_right, int64_t n, int type, void *a,         \
              int64_t lda, int type_w, void *w, int type_left, void *left, int64_t ld_left, int type_right,  \
              void *right, int64_t ld_right, int compute, WK_SOLVER_WORK))

#endif
