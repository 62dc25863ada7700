/* softmax and log_softmax over rows, and their gradients. */
#include "cuda/rows.cuh"

/* The largest value and the sum of exp(x - largest) in one pass: each thread its own, then joined. */
template <typename T> __global__ void softmax_kernel(const __grid_constant__ walk<2> w, int64_t n, bool log)
{
    SHARED(float, part, 32);
    const int64_t y = walk_at(w, 0, blockIdx.x), x = walk_at(w, 1, blockIdx.x);
    float         most = -INFINITY, sum = 0;
    for (int64_t i = threadIdx.x; i < n; i += blockDim.x) {
        const float v = reals<T>::get(w.of[1], x + i);
        if (v == -INFINITY) continue;
        if (v > most || v != v) {
            sum *= expf(most - v);
            most = v;
        }
        sum += expf(v - most);
    }
    const float top = block_max(most, part, -INFINITY);
    sum = block_sum(most == -INFINITY ? 0.0f : sum * expf(most - top), part);
    const float scale = 1.0f / sum, shift = logf(sum);
    for (int64_t i = threadIdx.x; i < n; i += blockDim.x) {
        const float v = reals<T>::get(w.of[1], x + i) - top;
        reals<T>::put(w.of[0], y + i, log ? v - shift : expf(v) * scale);
    }
}

/* softmax: dx = y (g - sum(g y)); log_softmax: dx = g - exp(y) sum(g). */
template <typename T>
__global__ void softmax_vjp_kernel(const __grid_constant__ walk<3> w, int64_t n, bool log)
{
    SHARED(float, part, 32);
    const int64_t dx = walk_at(w, 0, blockIdx.x), y = walk_at(w, 1, blockIdx.x),
                  g = walk_at(w, 2, blockIdx.x);
    float sum = 0;
    for (int64_t i = threadIdx.x; i < n; i += blockDim.x) {
        const float v = reals<T>::get(w.of[2], g + i);
        sum += log ? v : v * reals<T>::get(w.of[1], y + i);
    }
    sum = block_sum(sum, part);
    for (int64_t i = threadIdx.x; i < n; i += blockDim.x) {
        const float v = reals<T>::get(w.of[1], y + i), d = reals<T>::get(w.of[2], g + i);
        reals<T>::put(w.of[0], dx + i, log ? d - expf(v) * sum : v * (d - sum));
    }
}

static wk_status softmax(const wk_call *k, bool log)
{
    const wk_tensor both[] = {k->out[0], k->in[0]};
    const int64_t   n = wki_cols(k->out[0]);
    walk<2>         w;
    walk_rows(&w, both);
    if (w.n == 0 || n == 0) return WK_OK;
    WITH_REALS(w, return launch(k, softmax_kernel<T>, (unsigned)w.n, row_threads(n), 0, w, n, log););
}
static wk_status softmax_vjp(const wk_call *k, bool log)
{
    const wk_tensor all[] = {k->out[0], k->in[0], k->in[1]};
    const int64_t   n = wki_cols(k->out[0]);
    walk<3>         w;
    walk_rows(&w, all);
    if (w.n == 0 || n == 0) return WK_OK;
    WITH_REALS(w, return launch(k, softmax_vjp_kernel<T>, (unsigned)w.n, row_threads(n), 0, w, n, log););
}

wk_status CUDA(softmax)(const wk_call *k)
{
    return softmax(k, false);
}
wk_status CUDA(log_softmax)(const wk_call *k)
{
    return softmax(k, true);
}
wk_status CUDA(softmax_vjp)(const wk_call *k)
{
    return softmax_vjp(k, false);
}
wk_status CUDA(log_softmax_vjp)(const wk_call *k)
{
    return softmax_vjp(k, true);
}
