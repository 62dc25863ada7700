/* cuSOLVER on the host: the functions that cuda/cusolver.h names, by LAPACK out of OpenBLAS. Without that
 * it cannot be created. Work is wanted in the size that was told, and written all over. */
#include "cuda/cusolver.h"
#include "cpu/lapack.h"
#include "tests/cuda_on_cpu/stand_in.h"

#include <dlfcn.h>
#include <vector>

namespace
{

struct handle {
    struct wki_lapack lapack;
    cudaStream_t      stream;
};
enum { HOST_BYTES = 48 };

bool find(struct wki_lapack *l)
{
    void *library = dlopen("libopenblas.so.0", RTLD_NOW | RTLD_LOCAL);
    bool  all = library != nullptr;
#define FIND(name, arguments)                                                                                \
    for (int i = 0; i < 2 && all; i++) {                                                                     \
        void *entry = dlsym(library, i ? "d" #name "_" : "s" #name "_");                                     \
        memcpy((void *)&l->name[i], &entry, sizeof entry);                                                   \
        all = entry != nullptr;                                                                              \
    }
    WKI_LAPACK(FIND)
#undef FIND
    return all;
}

int sized(size_t values, int type, size_t *device, size_t *host)
{
    *device = (values + 1) * (type == SOLVER_F64 ? 8 : 4);
    *host = HOST_BYTES;
    return type == SOLVER_F32 || type == SOLVER_F64 ? 0 : 3;
}
bool has_work(void *device, size_t device_bytes, void *host, size_t host_bytes, const void *info)
{
    if (!device || !host || host_bytes < HOST_BYTES || device_bytes == 0 || !info) return false;
    memset(host, 0xff, host_bytes);
    return true;
}
int submit(const handle *h, std::function<cudaError_t()> step)
{
    return h->stream && shim_submit(h->stream, step) == cudaSuccess ? 0 : 6;
}

/* Work of LAPACK's own, large enough for all. */
struct lapack_work {
    std::vector<double> real;
    std::vector<int>    whole;
    int                 size, whole_size;
    explicit lapack_work(int64_t n)
        : real((size_t)(64 * n + 8 * n * n + 512)), whole((size_t)(8 * n + 64)), size((int)real.size()),
          whole_size((int)whole.size())
    {
    }
};

} // namespace

EXPORTED int cusolverDnCreate(void **made)
{
    handle *h = new handle();
    if (!shim_allocates() || !find(&h->lapack)) {
        delete h;
        return 1;
    }
    *made = h;
    return 0;
}
EXPORTED int cusolverDnDestroy(void *h)
{
    delete (handle *)h;
    return 0;
}
EXPORTED int cusolverDnSetStream(void *h, void *stream)
{
    ((handle *)h)->stream = (cudaStream_t)stream;
    return 0;
}
EXPORTED int cusolverDnCreateParams(void **params)
{
    *params = new int(0);
    return 0;
}
EXPORTED int cusolverDnDestroyParams(void *params)
{
    delete (int *)params;
    return 0;
}

EXPORTED int cusolverDnXpotrf_bufferSize(void *, void *, int, int64_t n, int type, const void *, int64_t, int,
                                         WK_SOLVER_SIZE)
{
    return sized((size_t)n, type, device_bytes, host_bytes);
}
EXPORTED int cusolverDnXpotrf(void *made, void *, int uplo, int64_t n, int type, void *a, int64_t lda, int,
                              WK_SOLVER_WORK)
{
    const handle *h = (const handle *)made;
    if (!has_work(device, device_bytes, host, host_bytes, info)) return 3;
    return submit(h, [=] {
        const int rows = (int)n, step = (int)lda;
        memset(device, 0xff, device_bytes);
        h->lapack.potrf[type](uplo == SOLVER_UPPER ? "U" : "L", &rows, a, &step, info, 1);
        return cudaSuccess;
    });
}
EXPORTED int cusolverDnXgetrf_bufferSize(void *, void *, int64_t m, int64_t n, int type, const void *,
                                         int64_t, int, WK_SOLVER_SIZE)
{
    return sized((size_t)(m + n), type, device_bytes, host_bytes);
}
EXPORTED int cusolverDnXgetrf(void *made, void *, int64_t m, int64_t n, int type, void *a, int64_t lda,
                              int64_t *pivots, int, WK_SOLVER_WORK)
{
    const handle *h = (const handle *)made;
    if (!has_work(device, device_bytes, host, host_bytes, info)) return 3;
    return submit(h, [=] {
        const int        rows = (int)m, columns = (int)n, step = (int)lda;
        std::vector<int> narrow((size_t)(m < n ? m : n));
        memset(device, 0xff, device_bytes);
        h->lapack.getrf[type](&rows, &columns, a, &step, narrow.data(), info);
        for (size_t i = 0; i < narrow.size(); i++) pivots[i] = narrow[i];
        return cudaSuccess;
    });
}
EXPORTED int cusolverDnXgetrs(void *made, void *, int trans, int64_t n, int64_t columns, int type,
                              const void *a, int64_t lda, const int64_t *pivots, int, void *b, int64_t ldb,
                              int *info)
{
    const handle *h = (const handle *)made;
    if (trans != SOLVER_PLAIN) return 3;
    return submit(h, [=] {
        const int        rows = (int)n, count = (int)columns, step = (int)lda, next = (int)ldb;
        std::vector<int> narrow((size_t)n);
        for (size_t i = 0; i < narrow.size(); i++) narrow[i] = (int)pivots[i];
        h->lapack.getrs[type]("N", &rows, &count, a, &step, narrow.data(), b, &next, info, 1);
        return cudaSuccess;
    });
}

EXPORTED int cusolverDnXgeqrf_bufferSize(void *, void *, int64_t, int64_t n, int type, const void *, int64_t,
                                         int, const void *, int, WK_SOLVER_SIZE)
{
    return sized((size_t)n, type, device_bytes, host_bytes);
}
EXPORTED int cusolverDnXgeqrf(void *made, void *, int64_t m, int64_t n, int type, void *a, int64_t lda, int,
                              void *tau, int, WK_SOLVER_WORK)
{
    const handle *h = (const handle *)made;
    if (!has_work(device, device_bytes, host, host_bytes, info)) return 3;
    return submit(h, [=] {
        const int rows = (int)m, columns = (int)n, step = (int)lda, size = (int)n;
        h->lapack.geqrf[type](&rows, &columns, a, &step, tau, device, &size, info);
        return cudaSuccess;
    });
}
static int orgqr(void *made, int type, int m, int n, int k, void *a, int lda, const void *tau, void *work,
                 int values, int *info)
{
    const handle *h = (const handle *)made;
    if (values < n || k > n || n > m) return 3;
    return submit(h, [=] {
        h->lapack.orgqr[type](&m, &n, &k, a, &lda, tau, work, &values, info);
        return cudaSuccess;
    });
}
EXPORTED int cusolverDnSorgqr_bufferSize(void *, int, int n, int, const float *, int, const float *,
                                         int *values)
{
    *values = n;
    return 0;
}
EXPORTED int cusolverDnDorgqr_bufferSize(void *, int, int n, int, const double *, int, const double *,
                                         int *values)
{
    *values = n;
    return 0;
}
EXPORTED int cusolverDnSorgqr(void *h, int m, int n, int k, float *a, int lda, const float *tau, float *work,
                              int values, int *info)
{
    return orgqr(h, SOLVER_F32, m, n, k, a, lda, tau, work, values, info);
}
EXPORTED int cusolverDnDorgqr(void *h, int m, int n, int k, double *a, int lda, const double *tau,
                              double *work, int values, int *info)
{
    return orgqr(h, SOLVER_F64, m, n, k, a, lda, tau, work, values, info);
}

EXPORTED int cusolverDnXsyevd_bufferSize(void *, void *, int, int, int64_t n, int type, const void *, int64_t,
                                         int, const void *, int, WK_SOLVER_SIZE)
{
    return sized((size_t)n, type, device_bytes, host_bytes);
}
EXPORTED int cusolverDnXsyevd(void *made, void *, int job, int uplo, int64_t n, int type, void *a,
                              int64_t lda, int, void *w, int, WK_SOLVER_WORK)
{
    const handle *h = (const handle *)made;
    if (!has_work(device, device_bytes, host, host_bytes, info)) return 3;
    return submit(h, [=] {
        const int   rows = (int)n, step = (int)lda;
        lapack_work own(n);
        memset(device, 0xff, device_bytes);
        h->lapack.syevd[type](job == SOLVER_VECTORS ? "V" : "N", uplo == SOLVER_UPPER ? "U" : "L", &rows, a,
                              &step, w, own.real.data(), &own.size, own.whole.data(), &own.whole_size, info,
                              1, 1);
        return cudaSuccess;
    });
}

EXPORTED int cusolverDnXgesvd_bufferSize(void *, void *, signed char, signed char, int64_t m, int64_t n,
                                         int type, const void *, int64_t, int, const void *, int,
                                         const void *, int64_t, int, const void *, int64_t, int,
                                         WK_SOLVER_SIZE)
{
    return m < n ? 3 : sized((size_t)(m + n), type, device_bytes, host_bytes);
}
EXPORTED int cusolverDnXgesvd(void *made, void *, signed char job_u, signed char job_v, int64_t m, int64_t n,
                              int type, void *a, int64_t lda, int, void *s, int, void *u, int64_t ldu, int,
                              void *v, int64_t ldv, int, WK_SOLVER_WORK)
{
    const handle *h = (const handle *)made;
    if (!has_work(device, device_bytes, host, host_bytes, info) || job_u != job_v || m < n) return 3;
    return submit(h, [=] {
        const char  job[2] = {(char)job_u, 0};
        const int   rows = (int)m, columns = (int)n, step = (int)lda, step_u = (int)ldu, step_v = (int)ldv;
        lapack_work own(n);
        memset(device, 0xff, device_bytes);
        h->lapack.gesdd[type](job, &rows, &columns, a, &step, s, u, &step_u, v, &step_v, own.real.data(),
                              &own.size, own.whole.data(), info, 1);
        return cudaSuccess;
    });
}

EXPORTED int cusolverDnXgeev_bufferSize(void *, void *, int, int, int64_t n, int type, const void *, int64_t,
                                        int, const void *, int, const void *, int64_t, int, const void *,
                                        int64_t, int, WK_SOLVER_SIZE)
{
    return sized((size_t)n, type, device_bytes, host_bytes);
}
EXPORTED int cusolverDnXgeev(void *made, void *, int job_left, int job_right, int64_t n, int type, void *a,
                             int64_t lda, int type_w, void *w, int, void *left, int64_t, int, void *right,
                             int64_t ld_right, int, WK_SOLVER_WORK)
{
    const handle *h = (const handle *)made;
    if (!has_work(device, device_bytes, host, host_bytes, info) || job_left != SOLVER_VALUES ||
        type_w != type)
        return 3;
    return submit(h, [=] {
        const int   rows = (int)n, step = (int)lda, step_v = (int)ld_right;
        void *const imaginary = (char *)w + n * (type == SOLVER_F64 ? 8 : 4);
        lapack_work own(n);
        memset(device, 0xff, device_bytes);
        h->lapack.geev[type]("N", job_right == SOLVER_VECTORS ? "V" : "N", &rows, a, &step, w, imaginary,
                             left, &step, right, &step_v, own.real.data(), &own.size, info, 1, 1);
        return cudaSuccess;
    });
}
