/* Orthogonal decompositions and eigenvalues of symmetric matrices, a block to a matrix; few large ones
 * by cuSOLVER where that is. Eigenvalues by
 * Jacobi's rotations, in rounds of pairs that do not touch each other (Brent, Luk: SIAM J. Sci. Stat.
 * Comput. 6(1), 1985). */
#include "cuda/linalg.cuh"

static int64_t rows_of(wk_tensor x)
{
    return x->shape[x->ndim - 2];
}

/* ---- QR: in A; out Q, R; attr.i[0]: 0 reduced, 1 complete, 2 no Q. Packed: reflectors and R, tau ---- */

template <typename C>
__global__ void qr_kernel(const __grid_constant__ batch b, const __grid_constant__ matrices x,
                          const __grid_constant__ matrices q, const __grid_constant__ matrices r, C *taus)
{
    SHARED(C, part, 32);
    C *const      a = (C *)(void *)(b.scratch + blockIdx.x * b.bytes);
    const int64_t m = x.m, n = x.n, count = m < n ? m : n;
    C *const own = a + m * n, *const to = own + count;
    for (int64_t index = blockIdx.x; index < b.count; index += gridDim.x) {
        C *const tau = taus ? taus + index * count : own;
        take(x, index, a, (int64_t)1, m);
        __syncthreads();
        reflectors(a, m, n, tau, part);
        if (taus) {
            put(r, index, a, (int64_t)1, m);
        } else {
            C *const y = (C *)r.data + index * r.m * r.n;
            for (int64_t e = threadIdx.x; e < r.m * r.n; e += blockDim.x)
                y[e] = e / n > e % n ? (C)0 : a[e / n + e % n * m];
        }
        __syncthreads();
        if (!q.data) continue;
        product_of(a, tau, m, count, to, q.n);
        put(q, index, to, (int64_t)1, m);
        __syncthreads();
    }
}

static int64_t q_columns(const wk_call *k)
{
    const int64_t m = rows_of(k->in[0]), n = wki_cols(k->in[0]);
    return k->attr.i[0] == 2 ? 0 : k->attr.i[0] == 1 || m < n ? m : n;
}
static int64_t qr_values(const wk_call *k, int64_t columns)
{
    const int64_t m = rows_of(k->in[0]), n = wki_cols(k->in[0]);
    return m * n + (m < n ? m : n) + m * columns;
}
wk_status CUDA(qr)(const wk_call *k)
{
    wk_status status;
    if (wki_cuda_solver_qr(k, q_columns(k), nullptr, &status)) return status;
    const int64_t columns = q_columns(k);
    const batch   b = batch_of(k, count_of(k->in[0], 2), qr_values(k, columns), false);
    matrices      q;
    memset((void *)&q, 0, sizeof q);
    if (columns) q = matrices_of(k->out[0]);
    WITH_REAL_CLASS(k, return launch(k, qr_kernel<C>, blocks_of(b), threads_for(wki_cols(k->in[0])), 0, b,
                                     matrices_of(k->in[0]), q, matrices_of(k->out[1]), (C *)nullptr););
}
size_t CUDA(qr_scratch)(const wk_call *k)
{
    size_t bytes = scratch_of(count_of(k->in[0], 2), qr_values(k, q_columns(k)));
    wki_cuda_solver_qr(k, q_columns(k), &bytes, nullptr);
    return bytes;
}
wk_status CUDA(geqrf)(const wk_call *k)
{
    wk_status status;
    if (wki_cuda_solver_geqrf(k, nullptr, &status)) return status;
    const batch b = batch_of(k, count_of(k->in[0], 2), qr_values(k, 0), false);
    matrices    q;
    memset((void *)&q, 0, sizeof q);
    WITH_REAL_CLASS(k, return launch(k, qr_kernel<C>, blocks_of(b), threads_for(wki_cols(k->in[0])), 0, b,
                                     matrices_of(k->in[0]), q, matrices_of(k->out[0]),
                                     (C *)wki_data(k->out[1])););
}
size_t CUDA(geqrf_scratch)(const wk_call *k)
{
    size_t bytes = scratch_of(count_of(k->in[0], 2), qr_values(k, 0));
    wki_cuda_solver_geqrf(k, &bytes, nullptr);
    return bytes;
}

/* in A, tau (dense); out Q */
template <typename C>
__global__ void product_kernel(const __grid_constant__ batch b, const __grid_constant__ matrices x,
                               const C *taus, int64_t count, const __grid_constant__ matrices y)
{
    C *const a = (C *)(void *)(b.scratch + blockIdx.x * b.bytes), *const q = a + x.m * x.n;
    for (int64_t index = blockIdx.x; index < b.count; index += gridDim.x) {
        take(x, index, a, (int64_t)1, x.m);
        __syncthreads();
        product_of(a, taus + index * count, x.m, count, q, x.n);
        put(y, index, q, (int64_t)1, x.m);
        __syncthreads();
    }
}
static int64_t product_values(const wk_call *k)
{
    return 2 * rows_of(k->in[0]) * wki_cols(k->in[0]);
}
wk_status CUDA(householder_product)(const wk_call *k)
{
    wk_status status;
    if (wki_cuda_solver_product(k, nullptr, &status)) return status;
    const batch b = batch_of(k, count_of(k->in[0], 2), product_values(k), false);
    WITH_REAL_CLASS(k, return launch(k, product_kernel<C>, blocks_of(b), threads_for(wki_cols(k->in[0])), 0,
                                     b, matrices_of(k->in[0]), (const C *)wki_data(k->in[1]),
                                     wki_cols(k->in[1]), matrices_of(k->out[0])););
}
size_t CUDA(householder_product_scratch)(const wk_call *k)
{
    size_t bytes = scratch_of(count_of(k->in[0], 2), product_values(k));
    wki_cuda_solver_product(k, &bytes, nullptr);
    return bytes;
}

/* ---- symmetric A: out eigenvalues, with attr.i[0] vectors too; attr.i[1]: the upper triangle ---- */

enum { SWEEPS = 40 };

/* Sum of squares off the diagonal, or of all. */
template <typename C, typename A> DEVICE C squares(const C *a, int64_t n, bool all, A &part)
{
    C sum = 0;
    for (int64_t e = threadIdx.x; e < n * n; e += blockDim.x)
        if (all || e / n != e % n) sum += a[e] * a[e];
    return block_sum(sum, part);
}

/* One round: rotations of its pairs, then rows, then columns and vectors. */
template <typename C> DEVICE void turn(C *a, C *v, C *turns, int64_t n, int64_t round)
{
    const int64_t even = n + n % 2, pairs = even / 2;
    for (int64_t i = threadIdx.x; i < pairs; i += blockDim.x) {
        int64_t p, q;
        pair_of(even, round, i, &p, &q);
        C cosine = 1, sine = 0;
        if (q < n && a[p * n + q] != 0) {
            const C theta = (a[q * n + q] - a[p * n + p]) / (2 * a[p * n + q]);
            const C t = (theta < 0 ? (C)-1 : (C)1) / (size_of(theta) + (C)hypot(theta, (C)1));
            cosine = 1 / sqrt(t * t + 1);
            sine = t * cosine;
        }
        turns[2 * i] = cosine;
        turns[2 * i + 1] = sine;
    }
    __syncthreads();
    for (int side = 0; side < 2; side++) {
        for (int64_t e = threadIdx.x; e < pairs * n; e += blockDim.x) {
            const int64_t i = e / n, k = e % n;
            int64_t       p, q;
            pair_of(even, round, i, &p, &q);
            const C c = turns[2 * i], s = turns[2 * i + 1];
            if (q >= n || s == 0) continue;
            rotate(side ? &a[k * n + p] : &a[p * n + k], side ? &a[k * n + q] : &a[q * n + k], c, s);
            if (side && v) rotate(&v[k * n + p], &v[k * n + q], c, s);
        }
        __syncthreads();
    }
    for (int64_t i = threadIdx.x; i < pairs; i += blockDim.x) { /* what rounding has left of them */
        int64_t p, q;
        pair_of(even, round, i, &p, &q);
        if (q < n) a[p * n + q] = a[q * n + p] = 0;
    }
    __syncthreads();
}

template <typename C>
__global__ void eigh_kernel(const __grid_constant__ batch b, const __grid_constant__ matrices x, C *values,
                            const __grid_constant__ matrices y, bool upper)
{
    SHARED(C, part, 32);
    const int64_t n = x.n;
    C *const a = (C *)(void *)(b.scratch + blockIdx.x * b.bytes), *const v = a + n * n,
             *const turns = v + n * n;
    for (int64_t index = blockIdx.x; index < b.count; index += gridDim.x) {
        const C *from = (const C *)x.data + matrix_at(x, index);
        for (int64_t e = threadIdx.x; e < n * n; e += blockDim.x) {
            const int64_t i = e / n, j = e % n;
            const bool    as_is = upper ? i <= j : i >= j;
            a[e] = from[(as_is ? i : j) * x.rs + (as_is ? j : i) * x.cs];
            v[e] = i == j ? (C)1 : (C)0;
        }
        __syncthreads();
        const C norm = squares(a, n, true, part), enough = norm * epsilon<C>() * epsilon<C>() / 16;
        int     sweep = 0;
        while (sweep < SWEEPS && squares(a, n, false, part) > enough) {
            for (int64_t round = 0; round < n + n % 2 - 1; round++)
                turn(a, y.data ? v : nullptr, turns, n, round);
            sweep++;
        }
        report_matrix(b, index, sweep == SWEEPS || norm != norm ? SWEEPS : 0);
        C *const to = (C *)y.data + index * n * n; /* in rising order */
        for (int64_t j = threadIdx.x / 32; j < n; j += blockDim.x / 32) {
            const C w = a[j * n + j];
            int     before = 0;
            for (int64_t i = threadIdx.x % 32; i < n; i += 32)
                before += a[i * n + i] < w || (a[i * n + i] == w && i < j);
            const int64_t rank = warp_fold<plus>(before);
            if (threadIdx.x % 32 == 0) values[index * n + rank] = w;
            for (int64_t i = threadIdx.x % 32; i < n && y.data; i += 32) to[i * n + rank] = v[i * n + j];
        }
        __syncthreads();
    }
}

static int64_t eigh_values(const wk_call *k)
{
    const int64_t n = wki_cols(k->in[0]);
    return 2 * n * n + n + 1;
}
wk_status CUDA(eigh)(const wk_call *k)
{
    wk_status status;
    if (wki_cuda_solver_eigh(k, nullptr, &status)) return status;
    const int64_t n = wki_cols(k->in[0]);
    const batch   b = batch_of(k, count_of(k->in[0], 2), eigh_values(k), false);
    matrices      y;
    memset((void *)&y, 0, sizeof y);
    if (k->attr.i[0]) y = matrices_of(k->out[1]);
    WITH_REAL_CLASS(k, return launch(k, eigh_kernel<C>, blocks_of(b), threads_for(n), 0, b,
                                     matrices_of(k->in[0]), (C *)wki_data(k->out[0]), y, k->attr.i[1] != 0););
}
size_t CUDA(eigh_scratch)(const wk_call *k)
{
    size_t bytes = scratch_of(count_of(k->in[0], 2), eigh_values(k));
    wki_cuda_solver_eigh(k, &bytes, nullptr);
    return bytes;
}
