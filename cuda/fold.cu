/* Windows of a picture as columns, and the sum of such columns: each result is gathered. */
#include "cuda/kernel.cuh"

/* attr.i: kernel, stride, padding, dilation. */
struct fold {
    const void *x;
    void       *y;
    int         x_dtype, y_dtype;
    int64_t     n, channels, in[2], ker[2], out[2], stride[2], pad[2], dil[2], along[4];
};

template <typename C> __global__ void im2col_kernel(const __grid_constant__ fold o)
{
    const int64_t at = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (at >= o.n) return;
    int64_t       rest = at;
    const int64_t v = rest % o.out[1], u = (rest /= o.out[1]) % o.out[0], b = (rest /= o.out[0]) % o.ker[1],
                  a = (rest /= o.ker[1]) % o.ker[0], plane = rest / o.ker[0];
    const int64_t h = u * o.stride[0] + a * o.dil[0] - o.pad[0],
                  w = v * o.stride[1] + b * o.dil[1] - o.pad[1];
    C x = 0;
    if (h >= 0 && h < o.in[0] && w >= 0 && w < o.in[1])
        x = load_any<C>(o.x, o.x_dtype,
                        plane / o.channels * o.along[0] + plane % o.channels * o.along[1] + h * o.along[2] +
                            w * o.along[3]);
    store_any<C>(o.y, o.y_dtype, at, x);
}

/* Is a value at `at` in a window of dim i by tap k? *u: the window. */
DEVICE bool holds(const fold &o, int i, int64_t at, int64_t k, int64_t *u)
{
    const int64_t from = at + o.pad[i] - k * o.dil[i];
    *u = from / o.stride[i];
    return from >= 0 && from % o.stride[i] == 0 && *u < o.out[i];
}

template <typename C> __global__ void col2im_kernel(const __grid_constant__ fold o)
{
    const int64_t at = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (at >= o.n) return;
    const int64_t w = at % o.in[1], h = at / o.in[1] % o.in[0], plane = at / o.in[1] / o.in[0];
    C             sum = 0;
    int64_t       u, v;
    for (int64_t a = 0; a < o.ker[0]; a++) {
        if (!holds(o, 0, h, a, &u)) continue;
        for (int64_t b = 0; b < o.ker[1]; b++)
            if (holds(o, 1, w, b, &v))
                sum += load_any<C>(o.x, o.x_dtype,
                                   (((plane * o.ker[0] + a) * o.ker[1] + b) * o.out[0] + u) * o.out[1] + v);
    }
    store_any<C>(o.y, o.y_dtype, at, sum);
}

static fold plan(const wk_call *k, wk_tensor picture, wk_tensor columns)
{
    fold o;
    memset((void *)&o, 0, sizeof o);
    o.x = wki_data(k->in[0]);
    o.y = wki_data(k->out[0]);
    o.x_dtype = (int)k->in[0]->dtype;
    o.y_dtype = (int)k->out[0]->dtype;
    o.n = wki_cuda_count(k->out[0]);
    o.channels = picture->shape[1];
    for (int i = 0; i < 4; i++) o.along[i] = picture->stride[i];
    for (int i = 0; i < 2; i++) {
        o.in[i] = picture->shape[2 + i];
        o.ker[i] = columns->shape[2 + i];
        o.out[i] = columns->shape[4 + i];
        o.stride[i] = k->attr.i[2 + i];
        o.pad[i] = k->attr.i[4 + i];
        o.dil[i] = k->attr.i[6 + i];
    }
    return o;
}

wk_status CUDA(im2col)(const wk_call *k)
{
    const fold o = plan(k, k->in[0], k->out[0]);
    if (o.n == 0) return WK_OK;
    WITH_CLASS(k, return launch(k, im2col_kernel<C>, blocks_for(o.n, 256), 256, 0, o););
}
wk_status CUDA(col2im)(const wk_call *k)
{
    const fold o = plan(k, k->out[0], k->in[0]);
    if (o.n == 0) return WK_OK;
    WITH_CLASS(k, return launch(k, col2im_kernel<C>, blocks_for(o.n, 256), 256, 0, o););
}
