/* cuSOLVER: opened at a stream's first use of it, its work in the call's scratch; and linear systems by
 * it. */
#include "cuda/cusolver.cuh"
#include "cuda/library.h"

#include <stdio.h>

static bool find_functions(struct solver *s)
{
    bool whole = s->module != nullptr;
#define WK_SOLVER_FIND(name, arguments)                                                                      \
    whole = whole && wki_cuda_library_find(s->module, "cusolverDn" #name, (void *)&s->name);
    WK_CUSOLVER_FUNCTIONS(WK_SOLVER_FIND)
#undef WK_SOLVER_FIND
#define WK_SOLVER_FIND(name, arguments)                                                                      \
    wki_cuda_library_find(s->module, "cusolverDn" #name, (void *)&s->name);
    WK_CUSOLVER_NEWER(WK_SOLVER_FIND)
#undef WK_SOLVER_FIND
    return whole;
}

static struct solver *part_of(void *stream, int device)
{
    void         **place = wki_cuda_part_of(stream, WKI_CUDA_SOLVER);
    struct solver *s = (struct solver *)*place;
    if (!s && !wki_cuda_capturing(stream)) {
        *place = s = (struct solver *)wki_cuda_state(sizeof *s);
        if (!s) return nullptr;
        s->module = wki_cuda_library_open(WKI_CUDA_SOLVER);
        cudaSetDevice(device);
        if (!find_functions(s) || s->Create(&s->handle) != 0)
            s->handle = nullptr;
        else if (s->CreateParams(&s->params) != 0 ||
                 s->SetStream(s->handle, (void *)wki_cuda_stream(stream)) != 0) {
            s->Destroy(s->handle);
            s->handle = nullptr;
        }
    }
    return s && s->handle ? s : nullptr;
}

void wki_cuda_solver_free(void *part)
{
    struct solver *s = (struct solver *)part;
    if (!s) return;
    if (s->handle && s->params) s->DestroyParams(s->params);
    if (s->handle) s->Destroy(s->handle);
    wki_cuda_library_close(s->module);
    wki_cuda_state_free(s->host);
    wki_cuda_state_free(s);
}

bool wki_cuda_able(wk_device *d, void *stream, wk_op op)
{
    if (op != WK_OP_eig) return true;
    const struct solver *s = part_of(stream, d->index);
    return s && s->Xgeev && s->Xgeev_bufferSize;
}

/* ---- jobs ---- */

bool solver_begin(struct job *j, const wk_call *k, bool sizing, int64_t m, int64_t n, bool any, bool tolerant)
{
    const int64_t less = m < n ? m : n, count = count_of(k->in[0], 2);
    memset((void *)j, 0, sizeof *j);
    if (!k->stream || (!any && (less < WK_SOLVER_LEAST || count * (WK_SOLVER_LEAST / 2) > less)))
        return false;
    j->s = part_of(k->stream, k->device->index);
    if (!j->s || (!sizing && wki_cuda_capturing(k->stream))) return false; /* it waits where it likes */
    j->k = k;
    j->sizing = sizing;
    j->type = k->cls == WK_CLASS_F64 ? SOLVER_F64 : SOLVER_F32;
    j->all = batch_of(k, count, 0, tolerant);
    j->info = (int *)solver_bytes(j, sizeof *j->info);
    cudaSetDevice(k->device->index);
    return true;
}

void *solver_bytes(struct job *j, size_t bytes)
{
    char *const at = j->sizing ? nullptr : (char *)j->k->scratch + j->used;
    j->used += (bytes + 255) / 256 * 256;
    return at;
}
void *solver_room(struct job *j, int64_t values)
{
    return solver_bytes(j, (size_t)values * (j->type == SOLVER_F64 ? 8 : 4));
}

int64_t solver_ready(struct job *j)
{
    struct solver *s = j->s;
    j->work = solver_bytes(j, j->device);
    j->refused = j->failed != 0;
    if (j->sizing || j->refused) return 0;
    if (j->host > s->host_bytes) {
        wki_cuda_state_free(s->host);
        s->host = wki_cuda_state(j->host);
        s->host_bytes = s->host ? j->host : 0;
        if (!s->host) j->status = WK_ENOMEM;
    }
    return j->status == WK_OK ? j->all.count : 0;
}

bool solver_end(struct job *j, size_t *bytes, wk_status *status)
{
    if (j->refused) return false;
    if (bytes) {
        if (j->used > *bytes) *bytes = j->used; /* a step that is captured takes our own kernels */
        return true;
    }
    *status = j->failed ? WK_EDEVICE : j->status;
    if (j->failed) snprintf(j->k->message, WKI_CALL_MESSAGE, "cuSOLVER gives status %d", j->failed);
    return true;
}

template <typename C>
__global__ void settle_kernel(const __grid_constant__ batch b, int64_t index, const int *info, int *infos,
                              const C *values, int64_t n)
{
    SHARED(int, part, 32);
    int bad = 0;
    for (int64_t i = threadIdx.x; i < n; i += blockDim.x) bad |= values[i] != values[i];
    bad = block_sum(bad, part);
    const int stopped = *info > 0 ? *info : bad ? 1 : 0;
    if (threadIdx.x == 0 && infos) infos[index] = stopped;
    report_matrix(b, index, stopped);
}
bool solver_settle(struct job *j, int64_t index, int *infos, const void *values, int64_t n)
{
    WITH_REAL_CLASS(j->k, return solver_goes_on(j, launch(j->k, settle_kernel<C>, dim3(1), 256, 0, j->all,
                                                          index, (const int *)j->info, infos,
                                                          (const C *)values, values ? n : 0)););
}

/* ---- LU, and what it gives ---- */

static void ask_lu(struct job *j, int64_t m, int64_t n, const void *a)
{
    solver_did(j, j->s->Xgetrf_bufferSize(j->s->handle, j->s->params, m, n, j->type, a, m, j->type,
                                          &j->device, &j->host));
}
static bool factor(struct job *j, int64_t m, int64_t n, void *a, int64_t *pivots)
{
    struct solver *s = j->s;
    return solver_did(j, s->Xgetrf(s->handle, s->params, m, n, j->type, a, m, pivots, j->type, j->work,
                                   j->device, s->host, j->host, j->info));
}

static __global__ void pivots_kernel(const int64_t *from, int *to, int64_t n)
{
    const int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) to[i] = (int)from[i];
}

bool wki_cuda_solver_lu(const wk_call *k, size_t *bytes, wk_status *status)
{
    const matrices x = matrices_of(k->in[0]);
    const int64_t  m = x.m, n = x.n, r = m < n ? m : n;
    struct job     j;
    if (!solver_begin(&j, k, bytes != nullptr, m, n, false, k->attr.i[0] != 0)) return false;
    void    *a = solver_room(&j, m * n);
    int64_t *pivots = (int64_t *)solver_bytes(&j, (size_t)r * 8);
    ask_lu(&j, m, n, a);
    for (int64_t i = 0, count = solver_ready(&j); i < count; i++)
        WITH_REAL_CLASS(k, {
            if (solver_take(&j, x, i, (C *)a, 1, m) && factor(&j, m, n, a, pivots) &&
                solver_put(&j, matrices_of(k->out[0]), i, (const C *)a, 1, m, SOLVER_WHOLE) &&
                solver_settle(&j, i, (int *)wki_data(k->out[2]), nullptr, 0))
                solver_goes_on(&j, launch(k, pivots_kernel, blocks_for(r, 256), 256, 0,
                                          (const int64_t *)pivots, (int *)wki_data(k->out[1]) + i * r, r));
        });
    return solver_end(&j, bytes, status);
}

template <typename C> __global__ void eye_kernel(C *to, int64_t n)
{
    const int64_t e = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (e < n * n) to[e] = e / n == e % n ? (C)1 : (C)0;
}

/* One of them; inverse: B is the identity. */
template <typename C>
static void solve_one(struct job *j, int64_t index, bool inverse, C *f, C *t, int64_t *pivots)
{
    const wk_call *k = j->k;
    struct solver *s = j->s;
    const matrices a = matrices_of(k->in[0]), y = matrices_of(k->out[0]);
    const int64_t  n = y.m, columns = y.n;
    bool           ok = solver_take(j, a, index, f, 1, n);
    if (inverse)
        ok = ok && solver_goes_on(j, launch(k, eye_kernel<C>, blocks_for(n * n, 256), 256, 0, t, n));
    else
        ok = ok && solver_take(j, matrices_of(k->in[1]), index, t, 1, n);
    ok = ok && factor(j, n, n, f, pivots) && solver_settle(j, index, (int *)wki_data(k->out[1]), nullptr, 0);
    int *const spare = j->info + 1; /* solving says nothing of the matrix */
    ok = ok && solver_did(j, s->Xgetrs(s->handle, s->params, SOLVER_PLAIN, n, columns, j->type, f, n, pivots,
                                       j->type, t, n, spare));
    if (ok)
        solver_goes_on(j, launch(k, solver_put_kernel<C>, solver_blocks(n * columns), 256, 0, y, index,
                                 (const C *)t, inverse ? (const C *)f : nullptr, (const int *)j->info,
                                 (int64_t)1, n, (int)SOLVER_WHOLE));
}
bool wki_cuda_solver_solve(const wk_call *k, bool inverse, size_t *bytes, wk_status *status)
{
    const matrices y = matrices_of(k->out[0]);
    struct job     j;
    if (!solver_begin(&j, k, bytes != nullptr, y.m, y.m, false, k->attr.i[0] != 0)) return false;
    void    *f = solver_room(&j, y.m * y.m), *t = solver_room(&j, y.m * y.n);
    int64_t *pivots = (int64_t *)solver_bytes(&j, (size_t)y.m * 8);
    ask_lu(&j, y.m, y.m, f);
    for (int64_t i = 0, count = solver_ready(&j); i < count; i++)
        WITH_REAL_CLASS(k, solve_one(&j, i, inverse, (C *)f, (C *)t, pivots););
    return solver_end(&j, bytes, status);
}

template <typename C>
__global__ void determinant_kernel(const C *a, const int64_t *pivots, int64_t n, C *y, C *logs)
{
    SHARED(C, part, 32);
    C sign = 1, product = 1, sum = 0;
    if (threadIdx.x == 0)
        for (int64_t i = 0; i < n; i++) {
            const C d = pivots[i] != i + 1 ? -a[i * n + i] : a[i * n + i];
            product *= d;
            sign *= d > 0 ? (C)1 : d < 0 ? (C)-1 : d; /* 0 and NaN stay */
        }
    for (int64_t i = threadIdx.x; i < n && logs; i += blockDim.x) sum += log(size_of(a[i * n + i]));
    sum = block_sum(sum, part);
    if (threadIdx.x != 0) return;
    *y = logs ? sign : product;
    if (logs) *logs = sum;
}
bool wki_cuda_solver_det(const wk_call *k, size_t *bytes, wk_status *status)
{
    const matrices x = matrices_of(k->in[0]);
    const int64_t  n = x.n;
    struct job     j;
    if (!solver_begin(&j, k, bytes != nullptr, n, n, false, true)) return false;
    void    *a = solver_room(&j, n * n), *logs = k->attr.i[0] ? wki_data(k->out[1]) : nullptr;
    int64_t *pivots = (int64_t *)solver_bytes(&j, (size_t)n * 8);
    ask_lu(&j, n, n, a);
    for (int64_t i = 0, count = solver_ready(&j); i < count; i++)
        WITH_REAL_CLASS(k, {
            if (solver_take(&j, x, i, (C *)a, 1, n) && factor(&j, n, n, a, pivots))
                solver_goes_on(&j, launch(k, determinant_kernel<C>, dim3(1), 256, 0, (const C *)a,
                                          (const int64_t *)pivots, n, (C *)wki_data(k->out[0]) + i,
                                          logs ? (C *)logs + i : nullptr));
        });
    return solver_end(&j, bytes, status);
}

/* Rows of ours are columns of the library's: our lower triangle is its upper one. */
bool wki_cuda_solver_cholesky(const wk_call *k, size_t *bytes, wk_status *status)
{
    const matrices x = matrices_of(k->in[0]);
    const int64_t  n = x.n;
    const bool     upper = k->attr.i[0] != 0;
    const int      uplo = upper ? SOLVER_LOWER : SOLVER_UPPER;
    struct job     j;
    if (!solver_begin(&j, k, bytes != nullptr, n, n, false, k->attr.i[1] != 0)) return false;
    struct solver *s = j.s;
    void          *a = solver_room(&j, n * n);
    solver_did(&j,
               s->Xpotrf_bufferSize(s->handle, s->params, uplo, n, j.type, a, n, j.type, &j.device, &j.host));
    for (int64_t i = 0, count = solver_ready(&j); i < count; i++)
        WITH_REAL_CLASS(k, {
            if (solver_take(&j, x, i, (C *)a, n, 1) &&
                solver_did(&j, s->Xpotrf(s->handle, s->params, uplo, n, j.type, a, n, j.type, j.work,
                                         j.device, s->host, j.host, j.info)) &&
                solver_put(&j, matrices_of(k->out[0]), i, (const C *)a, n, 1,
                           upper ? SOLVER_NO_LOWER : SOLVER_NO_UPPER))
                solver_settle(&j, i, (int *)wki_data(k->out[1]), nullptr, 0);
        });
    return solver_end(&j, bytes, status);
}
