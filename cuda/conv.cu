/* Convolutions and transposed ones as products whose second operand is gathered (implicit GEMM); few channels
 * a thread each. A transposed one is a convolution for each remainder of its places by the stride. */
#include "cuda/conv.cuh"

enum { TILE = 64, DEPTH = 16, PER = 4, THREADS = 256 };

/* 64 channels by 64 places. */
template <typename C, typename T> __global__ void conv_kernel(const __grid_constant__ conv o)
{
    typedef typed<C, T> of;
    SHARED(C, tw, DEPTH * (TILE + 1));
    SHARED(C, tx, DEPTH * (TILE + 1));
    const int64_t m0 = (int64_t)blockIdx.y * TILE, p0 = (int64_t)blockIdx.x * TILE, group = blockIdx.z;
    const int     row = (int)threadIdx.x / 16, col = (int)threadIdx.x % 16;
    const int     lane = (int)threadIdx.x % TILE, first = (int)threadIdx.x / TILE;
    const int64_t depth = o.c * o.taps, places = o.images * o.places;
    int64_t       j[3] = {0, 0, 0}, plane = 0, base = 0;
    if (p0 + lane < places) base = conv_place(o, p0 + lane, j, &plane) * o.along[0];
    base += group * o.c * o.along[1];
    const int64_t weights = group * o.groups_step + (m0 + lane) * o.wm;
    C             sum[PER][PER] = {};
    for (int64_t d0 = 0; d0 < depth; d0 += DEPTH) {
        for (int d = first; d < DEPTH; d += THREADS / TILE) {
            int64_t       w = 0;
            const int64_t from = d0 + d < depth ? conv_source(o, d0 + d, j, &w) : -1;
            const bool    in = from >= 0 && p0 + lane < places, weighed = d0 + d < depth && m0 + lane < o.m;
            tx[d * (TILE + 1) + lane] = in ? of::get(o.x, o.dtype, base + from) : (C)0;
            tw[d * (TILE + 1) + lane] = weighed ? of::get(o.w, o.dtype, weights + w) : (C)0;
        }
        __syncthreads();
#pragma unroll 4
        for (int d = 0; d < DEPTH; d++) {
            C a[PER], b[PER];
#pragma unroll
            for (int i = 0; i < PER; i++) {
                a[i] = tw[d * (TILE + 1) + row + 16 * i];
                b[i] = tx[d * (TILE + 1) + col + 16 * i];
            }
#pragma unroll
            for (int i = 0; i < PER; i++)
#pragma unroll
                for (int e = 0; e < PER; e++) sum[i][e] += a[i] * b[e];
        }
        __syncthreads();
    }
#pragma unroll
    for (int e = 0; e < PER; e++) {
        const int64_t p = p0 + col + 16 * e;
        if (p >= places) continue;
        const int64_t image = conv_place(o, p, j, &plane);
#pragma unroll
        for (int i = 0; i < PER; i++) {
            const int64_t m = m0 + row + 16 * i, channel = group * o.m + m;
            if (m >= o.m) continue;
            const C add = o.bias ? of::get(o.bias, o.dtype, channel) : (C)0;
            of::put(o.y, o.dtype, (image * o.groups * o.m + channel) * o.all_places + plane, sum[i][e] + add);
        }
    }
}

/* A result to a thread. */
template <typename C, typename T> __global__ void direct_kernel(const __grid_constant__ conv o)
{
    typedef typed<C, T> of;
    const int64_t       at = (int64_t)blockIdx.x * blockDim.x + threadIdx.x, channels = o.groups * o.m;
    if (at >= o.images * channels * o.places) return;
    const int64_t channel = at / o.places % channels, image = at / o.places / channels;
    const int64_t group = channel / o.m, depth = o.c * o.taps;
    int64_t       j[3], plane, w;
    conv_place(o, at % o.places, j, &plane);
    const int64_t base = image * o.along[0] + group * o.c * o.along[1];
    const int64_t weights = group * o.groups_step + channel % o.m * o.wm;
    C             sum = 0;
    for (int64_t i = 0; i < depth; i++) {
        const int64_t from = conv_source(o, i, j, &w);
        if (from >= 0) sum += of::get(o.x, o.dtype, base + from) * of::get(o.w, o.dtype, weights + w);
    }
    if (o.bias) sum += of::get(o.bias, o.dtype, channel);
    of::put(o.y, o.dtype, (image * channels + channel) * o.all_places + plane, sum);
}

template <typename C, typename T> static wk_status run_as(const wk_call *k, const conv &o)
{
    const int64_t places = o.images * o.places;
    if (o.m < 8 || places < 8 || o.groups > 65535)
        return launch(k, direct_kernel<C, T>, blocks_for(places * o.groups * o.m, 128), 128, 0, o);
    const dim3 blocks(blocks_for(places, TILE), blocks_for(o.m, TILE), (unsigned)o.groups);
    return launch(k, conv_kernel<C, T>, blocks, THREADS, 0, o);
}
static wk_status run(const wk_call *k, const conv &o)
{
    if (o.images * o.places * o.groups * o.m == 0) return WK_OK;
    return k->cls == WK_CLASS_F64   ? run_as<double, double>(k, o)
           : k->cls == WK_CLASS_I64 ? run_as<int64_t, any_type>(k, o)
           : o.dtype == WK_f32      ? run_as<float, float>(k, o)
           : o.dtype == WK_bf16     ? run_as<float, bf16>(k, o)
           : o.dtype == WK_f16      ? run_as<float, f16>(k, o)
                                    : run_as<float, any_type>(k, o);
}

static conv read_call(const wk_call *k)
{
    const wk_tensor x = k->in[0], w = k->in[1], bias = k->in[2], y = k->out[0];
    conv            o;
    memset((void *)&o, 0, sizeof o);
    o.x = wki_data(x);
    o.w = wki_data(w);
    o.bias = wki_cuda_none(bias) ? nullptr : wki_data(bias);
    o.y = wki_data(y);
    o.dtype = (int)x->dtype;
    o.images = x->shape[0];
    o.groups = k->attr.i[9];
    o.c = x->shape[1] / o.groups;
    o.m = y->shape[1] / o.groups;
    o.taps = o.places = o.all_taps = o.all_places = 1;
    for (int i = 0; i < 5; i++) o.along[i] = x->stride[i];
    for (int i = 0; i < 3; i++) {
        o.dim[i].in = x->shape[2 + i];
        o.dim[i].full = o.dim[i].out = y->shape[2 + i];
        o.dim[i].ker = o.dim[i].taps = w->shape[2 + i];
        o.all_taps *= w->shape[2 + i];
        o.all_places *= y->shape[2 + i];
    }
    return o;
}

/* attr.i: stride, padding before and dilation of the three dims, groups. in: x, weight (dense), bias */
wk_status CUDA(conv)(const wk_call *k)
{
    conv o = read_call(k);
    o.wc = o.all_taps;
    o.wm = o.c * o.all_taps;
    o.groups_step = o.m * o.wm;
    o.taps = o.all_taps;
    o.places = o.all_places;
    for (int i = 0; i < 3; i++) {
        o.dim[i].os = o.dim[i].ks = 1;
        o.dim[i].i0 = -k->attr.i[3 + i];
        o.dim[i].is = k->attr.i[i];
        o.dim[i].ts = k->attr.i[6 + i];
    }
    return run(k, o);
}

static int64_t common(int64_t a, int64_t b)
{
    while (b) {
        const int64_t r = a % b;
        a = b;
        b = r;
    }
    return a;
}

/* Every stride-th place of a dim from `first` on: all have the same remainder, and so the same taps. */
static void phase(conv_dim *d, int64_t first, int64_t stride, int64_t pad, int64_t dilation)
{
    const int64_t r = (first + pad) % stride;
    d->o0 = first;
    d->os = stride;
    d->out = d->full > d->o0 ? (d->full - d->o0 + stride - 1) / stride : 0;
    d->ks = stride / common(stride, dilation);
    for (d->k0 = 0; d->k0 < d->ks && d->k0 * dilation % stride != r; d->k0++) continue;
    d->taps = d->k0 < d->ks && d->k0 < d->ker ? (d->ker - d->k0 + d->ks - 1) / d->ks : 0;
    if (d->taps == 0) d->k0 = 0;
    d->i0 = d->taps ? (d->o0 + pad - d->k0 * dilation) / stride : 0;
    d->is = 1;
    d->ts = -(d->ks * dilation / stride);
}

wk_status CUDA(conv_transpose)(const wk_call *k)
{
    conv           o = read_call(k);
    const int64_t *a = k->attr.i;
    o.wm = o.all_taps;
    o.wc = o.m * o.all_taps;
    o.groups_step = o.c * o.wc;
    int64_t r[3];
    for (r[0] = 0; r[0] < a[0] && r[0] < o.dim[0].full; r[0]++)
        for (r[1] = 0; r[1] < a[1] && r[1] < o.dim[1].full; r[1]++)
            for (r[2] = 0; r[2] < a[2] && r[2] < o.dim[2].full; r[2]++) {
                o.taps = o.places = 1;
                for (int i = 0; i < 3; i++) {
                    phase(&o.dim[i], r[i], a[i], a[3 + i], a[6 + i]);
                    o.taps *= o.dim[i].taps;
                    o.places *= o.dim[i].out;
                }
                if (o.places) WK_TRY(run(k, o));
            }
    return WK_OK;
}
