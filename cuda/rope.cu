/* Rotary positions: a pair to a thread. */
#include "cuda/rows.cuh"

struct turning {
    walk<2>     w; /* rows of y and x */
    const void *position;
    const char *frequency;
    int         position_dtype;
    int64_t     position_step, frequency_step;
    int64_t     positions, columns, half;
    bool        interleaved;
    float       scale, turn;
};

template <typename T> __global__ void rope_kernel(const __grid_constant__ turning t)
{
    const int64_t row = blockIdx.x, y = walk_at(t.w, 0, row), x = walk_at(t.w, 1, row);
    const int64_t at = load_any<int64_t>(t.position, t.position_dtype, row % t.positions * t.position_step);
    for (int64_t i = threadIdx.x; i < t.half; i += blockDim.x) {
        const float   angle = (float)at * ((const float *)(const void *)t.frequency)[i * t.frequency_step];
        const float   c = cosf(angle) * t.scale, s = sinf(angle) * t.turn;
        const int64_t p = t.interleaved ? 2 * i : i, q = t.interleaved ? 2 * i + 1 : t.half + i;
        const float   a = reals<T>::get(t.w.of[1], x + p), b = reals<T>::get(t.w.of[1], x + q);
        reals<T>::put(t.w.of[0], y + p, a * c - b * s);
        reals<T>::put(t.w.of[0], y + q, b * c + a * s);
    }
    for (int64_t i = 2 * t.half + threadIdx.x; i < t.columns; i += blockDim.x)
        reals<T>::put(t.w.of[0], y + i, reals<T>::get(t.w.of[1], x + i));
}

/* in: x, positions, frequencies; attr.i: layout, values turned, inverse; attr.f: scale */
wk_status CUDA(rope)(const wk_call *k)
{
    const wk_tensor y = k->out[0], both[] = {y, k->in[0]};
    turning         t;
    memset((void *)&t, 0, sizeof t);
    walk_rows(&t.w, both);
    t.position = wki_data(k->in[1]);
    t.position_dtype = (int)k->in[1]->dtype;
    t.position_step = k->in[1]->stride[0];
    t.frequency = (const char *)wki_data(k->in[2]);
    t.frequency_step = k->in[2]->stride[0];
    t.positions = y->shape[y->ndim - 2];
    t.columns = wki_cols(y);
    t.half = k->attr.i[1] / 2;
    t.interleaved = k->attr.i[0] != WK_ROPE_HALVES;
    t.scale = (float)k->attr.f[0];
    t.turn = k->attr.i[2] ? -t.scale : t.scale;
    if (wki_cuda_count(y) == 0) return WK_OK;
    WITH_REALS(t.w, return launch(k, rope_kernel<T>, (unsigned)t.w.n, t.half <= 32 ? 32 : 64, 0, t););
}
