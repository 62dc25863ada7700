/* Gated activations, act(gate) * up, and their gradients: an element to a thread. */
#include "cuda/rows.cuh"

enum { SILU, GELU, GELU_TANH, RELU }; /* attr.i[0], as in core/ops/gated.c */

DEVICE float sigmoid(float x)
{
    return 1.0f / (1.0f + expf(-x));
}
/* The share of x that gelu lets through: (1 + tanh(u)) / 2 = sigmoid(2 u), or by erf. */
DEVICE float tanh_share(float x)
{
    return sigmoid(1.59576912f * (x + 0.044715f * x * x * x));
}
DEVICE float erf_share(float x)
{
    return 0.5f * (1.0f + erff(x * 0.70710678f));
}
/* act(g), and its derivative. */
DEVICE float activated(int act, float g, float *d)
{
    if (act == RELU) {
        *d = g > 0.0f ? 1.0f : 0.0f;
        return g < 0.0f ? 0.0f : g;
    }
    const float s = act == SILU ? sigmoid(g) : act == GELU ? erf_share(g) : tanh_share(g), a = g * s;
    *d = act == SILU   ? s + a * (1.0f - s)
         : act == GELU ? s + g * 0.39894228f * expf(-0.5f * g * g)
                       : s + a * (1.0f - s) * (1.59576912f * (1.0f + 0.134145f * g * g));
    return a;
}

template <typename T> __global__ void gated_kernel(const __grid_constant__ walk<3> w, int64_t n, int act)
{
    const int64_t at = (int64_t)blockIdx.x * blockDim.x + threadIdx.x, row = at / n, i = at % n;
    float         d;
    if (row >= w.n) return;
    const float a = activated(act, reals<T>::get(w.of[1], walk_at(w, 1, row) + i), &d);
    reals<T>::put(w.of[0], walk_at(w, 0, row) + i, a * reals<T>::get(w.of[2], walk_at(w, 2, row) + i));
}

/* Of gate and up: dg, du, gate, up, g. */
template <typename T> __global__ void gated_vjp_kernel(const __grid_constant__ walk<5> w, int64_t n, int act)
{
    const int64_t at = (int64_t)blockIdx.x * blockDim.x + threadIdx.x, row = at / n, i = at % n;
    float         d;
    if (row >= w.n) return;
    const float a = activated(act, reals<T>::get(w.of[2], walk_at(w, 2, row) + i), &d);
    const float up = reals<T>::get(w.of[3], walk_at(w, 3, row) + i);
    const float g = reals<T>::get(w.of[4], walk_at(w, 4, row) + i);
    reals<T>::put(w.of[0], walk_at(w, 0, row) + i, g * up * d);
    reals<T>::put(w.of[1], walk_at(w, 1, row) + i, g * a);
}

wk_status CUDA(gated)(const wk_call *k)
{
    const wk_tensor all[] = {k->out[0], k->in[0], k->in[1]};
    const int64_t   n = wki_cols(k->out[0]);
    walk<3>         w;
    walk_rows(&w, all);
    if (w.n * n == 0) return WK_OK;
    WITH_REALS(w,
               return launch(k, gated_kernel<T>, blocks_for(w.n * n, 256), 256, 0, w, n, (int)k->attr.i[0]););
}
wk_status CUDA(gated_vjp)(const wk_call *k)
{
    const wk_tensor all[] = {k->out[0], k->out[1], k->in[0], k->in[1], k->in[2]};
    const int64_t   n = wki_cols(k->out[0]);
    walk<5>         w;
    walk_rows(&w, all);
    if (w.n * n == 0) return WK_OK;
    WITH_REALS(
        w, return launch(k, gated_vjp_kernel<T>, blocks_for(w.n * n, 256), 256, 0, w, n, (int)k->attr.i[0]););
}
