/* Linear systems: LU, Cholesky and triangular factors, and what they solve; a block to a matrix; few large
 * ones by cuSOLVER where that is. A matrix without a result is reported by the next wait. */
#include "cuda/linalg.cuh"

/* ---- LU: in A; out LU packed, pivots, info; attr.i[0]: a zero pivot is no error ---- */

template <typename C>
__global__ void lu_kernel(const __grid_constant__ batch b, const __grid_constant__ matrices x,
                          const __grid_constant__ matrices y, int *pivots, int *infos)
{
    SHARED(C, value, 32);
    SHARED(int64_t, place, 32);
    C *const      a = (C *)(void *)(b.scratch + blockIdx.x * b.bytes);
    const int64_t m = x.m, n = x.n, r = m < n ? m : n;
    for (int64_t index = blockIdx.x; index < b.count; index += gridDim.x) {
        take(x, index, a, n, (int64_t)1);
        __syncthreads();
        const int64_t info = lu(a, m, n, pivots + index * r, value, place);
        if (threadIdx.x == 0) infos[index] = (int)info;
        report_matrix(b, index, info);
        put(y, index, a, n, (int64_t)1);
        __syncthreads();
    }
}

static int *ints(wk_tensor x)
{
    return (int *)wki_data(x);
}
static int64_t rows_of(wk_tensor x)
{
    return x->shape[x->ndim - 2];
}
static int64_t area_of(wk_tensor x)
{
    return rows_of(x) * wki_cols(x);
}

wk_status CUDA(lu_factor)(const wk_call *k)
{
    wk_status status;
    if (wki_cuda_solver_lu(k, nullptr, &status)) return status;
    const batch b = batch_of(k, count_of(k->in[0], 2), area_of(k->in[0]), k->attr.i[0] != 0);
    WITH_REAL_CLASS(k, return launch(k, lu_kernel<C>, blocks_of(b), threads_for(wki_cols(k->in[0])), 0, b,
                                     matrices_of(k->in[0]), matrices_of(k->out[0]), ints(k->out[1]),
                                     ints(k->out[2])););
}
size_t CUDA(lu_factor_scratch)(const wk_call *k)
{
    size_t bytes = scratch_of(count_of(k->in[0], 2), area_of(k->in[0]));
    wki_cuda_solver_lu(k, &bytes, nullptr);
    return bytes;
}

/* ---- LU's row exchanges as a permutation: row i of P L U is row out[i] of L U ---- */

__global__ void order_kernel(const __grid_constant__ batch b, const int *pivots, int64_t *order, int64_t m,
                             int64_t n)
{
    const int64_t at = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (at >= b.count) return;
    int64_t *const mine = order + at * m;
    for (int64_t i = 0; i < m; i++) mine[i] = i;
    for (int64_t i = n - 1; i >= 0; i--) {
        const int64_t j = pivots[at * n + i] - 1, t = mine[i];
        if (j < 0 || j >= m) {
            report_index(b.fault, b.op, j + 1, m);
            return;
        }
        mine[i] = mine[j];
        mine[j] = t;
    }
}
wk_status CUDA(lu_order)(const wk_call *k)
{
    const batch b = batch_of(k, count_of(k->out[0], 1), 0, false);
    if (b.count == 0) return WK_OK;
    return launch(k, order_kernel, blocks_for(b.count, 128), 128, 0, b, (const int *)ints(k->in[0]),
                  (int64_t *)wki_data(k->out[0]), wki_cols(k->out[0]), wki_cols(k->in[0]));
}

/* ---- LU's solutions: in LU, pivots, B; out X; attr.i[0]: of the transposed system ---- */

template <typename C>
__global__ void lu_solve_kernel(const __grid_constant__ batch b, const __grid_constant__ matrices a,
                                const __grid_constant__ matrices x, const __grid_constant__ matrices y,
                                const int *pivots, bool transposed)
{
    SHARED(int, bad, 1);
    C *const      t = (C *)(void *)(b.scratch + blockIdx.x * b.bytes);
    const int64_t n = x.m, columns = x.n;
    for (int64_t index = blockIdx.x; index < b.count; index += gridDim.x) {
        const int *const mine = pivots + index * n;
        const C *const   f = (const C *)a.data + matrix_at(a, index);
        if (threadIdx.x == 0) {
            bad[0] = 0;
            for (int64_t i = 0; i < n && !bad[0]; i++)
                if (mine[i] < 1 || mine[i] > n) bad[0] = (int)i + 1;
        }
        __syncthreads();
        const int info = bad[0];
        report_matrix(b, index, info);
        take(x, index, t, columns, (int64_t)1);
        __syncthreads();
        if (!info) {
            if (!transposed) exchange(t, n, columns, mine, false);
            substitute(f, transposed ? a.cs : a.rs, transposed ? a.rs : a.cs, n, t, columns, false,
                       !transposed);
            substitute(f, transposed ? a.cs : a.rs, transposed ? a.rs : a.cs, n, t, columns, true,
                       transposed);
            if (transposed) exchange(t, n, columns, mine, true);
        }
        put(y, index, t, columns, (int64_t)1);
        __syncthreads();
    }
}
wk_status CUDA(lu_solve)(const wk_call *k)
{
    const batch b = batch_of(k, count_of(k->in[2], 2), area_of(k->in[2]), false);
    WITH_REAL_CLASS(k, return launch(k, lu_solve_kernel<C>, blocks_of(b), threads_for(wki_cols(k->in[0])), 0,
                                     b, matrices_of(k->in[0]), matrices_of(k->in[2]), matrices_of(k->out[0]),
                                     (const int *)ints(k->in[1]), k->attr.i[0] != 0););
}
size_t CUDA(lu_solve_scratch)(const wk_call *k)
{
    return scratch_of(count_of(k->in[2], 2), area_of(k->in[2]));
}

/* ---- systems and inverses: in A, B (an inverse: none); out X, info; attr.i[0]: a singular A is no
 * error ---- */

template <typename C>
__global__ void solve_kernel(const __grid_constant__ batch b, const __grid_constant__ matrices a,
                             const __grid_constant__ matrices x, const __grid_constant__ matrices y,
                             bool inverse, int *infos)
{
    SHARED(C, value, 32);
    SHARED(int64_t, place, 32);
    const int64_t n = y.m, columns = y.n;
    C *const f = (C *)(void *)(b.scratch + blockIdx.x * b.bytes), *const t = f + n * n;
    int *const pivots = (int *)(void *)(t + n * columns);
    for (int64_t index = blockIdx.x; index < b.count; index += gridDim.x) {
        take(a, index, f, n, (int64_t)1);
        if (!inverse) take(x, index, t, columns, (int64_t)1);
        for (int64_t e = threadIdx.x; e < n * n && inverse; e += blockDim.x)
            t[e] = e / n == e % n ? (C)1 : (C)0;
        __syncthreads();
        const int64_t info = lu(f, n, n, pivots, value, place);
        if (threadIdx.x == 0) infos[index] = (int)info;
        report_matrix(b, index, info);
        exchange(t, n, columns, pivots, false);
        substitute(f, n, (int64_t)1, n, t, columns, false, true);
        substitute(f, n, (int64_t)1, n, t, columns, true, false);
        put(y, index, info && inverse ? f : t, columns, (int64_t)1);
        __syncthreads();
    }
}
static int64_t solve_values(int64_t n, int64_t columns)
{
    return n * n + n * columns + n;
}
wk_status CUDA(solve)(const wk_call *k)
{
    wk_status status;
    if (wki_cuda_solver_solve(k, false, nullptr, &status)) return status;
    const int64_t n = rows_of(k->in[1]);
    const batch   b =
        batch_of(k, count_of(k->in[1], 2), solve_values(n, wki_cols(k->in[1])), k->attr.i[0] != 0);
    WITH_REAL_CLASS(k, return launch(k, solve_kernel<C>, blocks_of(b), threads_for(n), 0, b,
                                     matrices_of(k->in[0]), matrices_of(k->in[1]), matrices_of(k->out[0]),
                                     false, ints(k->out[1])););
}
size_t CUDA(solve_scratch)(const wk_call *k)
{
    size_t bytes = scratch_of(count_of(k->in[1], 2), solve_values(rows_of(k->in[1]), wki_cols(k->in[1])));
    wki_cuda_solver_solve(k, false, &bytes, nullptr);
    return bytes;
}
wk_status CUDA(inv)(const wk_call *k)
{
    wk_status status;
    if (wki_cuda_solver_solve(k, true, nullptr, &status)) return status;
    const int64_t n = rows_of(k->in[0]);
    const batch   b = batch_of(k, count_of(k->in[0], 2), solve_values(n, n), k->attr.i[0] != 0);
    WITH_REAL_CLASS(k, return launch(k, solve_kernel<C>, blocks_of(b), threads_for(n), 0, b,
                                     matrices_of(k->in[0]), matrices_of(k->in[0]), matrices_of(k->out[0]),
                                     true, ints(k->out[1])););
}
size_t CUDA(inv_scratch)(const wk_call *k)
{
    size_t bytes = scratch_of(count_of(k->in[0], 2), solve_values(rows_of(k->in[0]), rows_of(k->in[0])));
    wki_cuda_solver_solve(k, true, &bytes, nullptr);
    return bytes;
}

/* ---- determinants: in A; out det, or with attr.i[0] its sign and the logarithm of its size ---- */

template <typename C>
__global__ void det_kernel(const __grid_constant__ batch b, const __grid_constant__ matrices x, C *y, C *logs)
{
    SHARED(C, value, 32);
    SHARED(int64_t, place, 32);
    const int64_t n = x.n;
    C *const      a = (C *)(void *)(b.scratch + blockIdx.x * b.bytes);
    int *const    pivots = (int *)(void *)(a + n * n);
    for (int64_t index = blockIdx.x; index < b.count; index += gridDim.x) {
        take(x, index, a, n, (int64_t)1);
        __syncthreads();
        lu(a, n, n, pivots, value, place);
        if (threadIdx.x == 0) {
            C sign = 1, product = 1, sum = 0;
            for (int64_t i = 0; i < n; i++) {
                const C d = pivots[i] != i + 1 ? -a[i * n + i] : a[i * n + i];
                product *= d;
                sum += log(size_of(d));
                sign *= d > 0 ? (C)1 : d < 0 ? (C)-1 : d; /* 0 and NaN stay */
            }
            y[index] = logs ? sign : product;
            if (logs) logs[index] = sum;
        }
        __syncthreads();
    }
}
wk_status CUDA(det)(const wk_call *k)
{
    wk_status status;
    if (wki_cuda_solver_det(k, nullptr, &status)) return status;
    const int64_t n = rows_of(k->in[0]);
    const batch   b = batch_of(k, count_of(k->in[0], 2), n * n + n, true);
    void *const   logs = k->attr.i[0] ? wki_data(k->out[1]) : nullptr;
    WITH_REAL_CLASS(k, return launch(k, det_kernel<C>, blocks_of(b), threads_for(n), 0, b,
                                     matrices_of(k->in[0]), (C *)wki_data(k->out[0]), (C *)logs););
}
size_t CUDA(det_scratch)(const wk_call *k)
{
    const int64_t n = rows_of(k->in[0]);
    size_t        bytes = scratch_of(count_of(k->in[0], 2), n * n + n);
    wki_cuda_solver_det(k, &bytes, nullptr);
    return bytes;
}

/* ---- Cholesky: in A; out the factor, info; attr.i: upper, an indefinite A is no error ---- */

template <typename C>
__global__ void cholesky_kernel(const __grid_constant__ batch b, const __grid_constant__ matrices x,
                                const __grid_constant__ matrices y, bool upper, int *infos)
{
    C *const      a = (C *)(void *)(b.scratch + blockIdx.x * b.bytes);
    const int64_t n = x.n, ri = upper ? 1 : n, rj = upper ? n : 1; /* an upper one is worked on transposed */
    for (int64_t index = blockIdx.x; index < b.count; index += gridDim.x) {
        int64_t info = 0;
        take(x, index, a, ri, rj);
        __syncthreads();
        for (int64_t j = 0; j < n && !info; j++) {
            const C d = a[j * n + j], root = sqrt(d);
            __syncthreads();
            if (!(d > 0)) {
                info = j + 1;
                break;
            }
            for (int64_t i = j + threadIdx.x; i < n; i += blockDim.x)
                a[i * n + j] = i == j ? root : a[i * n + j] / root;
            __syncthreads();
            const int64_t left = n - j - 1;
            for (int64_t e = threadIdx.x; e < left * left; e += blockDim.x) {
                const int64_t r = j + 1 + e / left, c = j + 1 + e % left;
                if (c <= r) a[r * n + c] -= a[r * n + j] * a[c * n + j];
            }
            __syncthreads();
        }
        for (int64_t e = threadIdx.x; e < n * n; e += blockDim.x)
            if (e % n > e / n) a[e] = 0;
        __syncthreads();
        if (threadIdx.x == 0) infos[index] = (int)info;
        report_matrix(b, index, info);
        put(y, index, a, ri, rj);
        __syncthreads();
    }
}
wk_status CUDA(cholesky)(const wk_call *k)
{
    wk_status status;
    if (wki_cuda_solver_cholesky(k, nullptr, &status)) return status;
    const batch b = batch_of(k, count_of(k->in[0], 2), area_of(k->in[0]), k->attr.i[1] != 0);
    WITH_REAL_CLASS(k, return launch(k, cholesky_kernel<C>, blocks_of(b), threads_for(wki_cols(k->in[0])), 0,
                                     b, matrices_of(k->in[0]), matrices_of(k->out[0]), k->attr.i[0] != 0,
                                     ints(k->out[1])););
}
size_t CUDA(cholesky_scratch)(const wk_call *k)
{
    size_t bytes = scratch_of(count_of(k->in[0], 2), area_of(k->in[0]));
    wki_cuda_solver_cholesky(k, &bytes, nullptr);
    return bytes;
}

/* ---- triangular systems: in A, B; out X; attr.i: upper, ones on the diagonal ---- */

template <typename C>
__global__ void triangular_kernel(const __grid_constant__ batch b, const __grid_constant__ matrices a,
                                  const __grid_constant__ matrices x, const __grid_constant__ matrices y,
                                  bool upper, bool unit)
{
    C *const t = (C *)(void *)(b.scratch + blockIdx.x * b.bytes);
    for (int64_t index = blockIdx.x; index < b.count; index += gridDim.x) {
        take(x, index, t, x.n, (int64_t)1);
        __syncthreads();
        substitute((const C *)a.data + matrix_at(a, index), a.rs, a.cs, x.m, t, x.n, upper, unit);
        put(y, index, t, x.n, (int64_t)1);
        __syncthreads();
    }
}
wk_status CUDA(solve_triangular)(const wk_call *k)
{
    const batch b = batch_of(k, count_of(k->in[1], 2), area_of(k->in[1]), false);
    WITH_REAL_CLASS(k, return launch(k, triangular_kernel<C>, blocks_of(b), threads_for(rows_of(k->in[1])), 0,
                                     b, matrices_of(k->in[0]), matrices_of(k->in[1]), matrices_of(k->out[0]),
                                     k->attr.i[0] != 0, k->attr.i[1] != 0););
}
size_t CUDA(solve_triangular_scratch)(const wk_call *k)
{
    return scratch_of(count_of(k->in[1], 2), area_of(k->in[1]));
}
