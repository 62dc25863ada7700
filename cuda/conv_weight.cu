/* The gradient for a convolution's weight: products summed over all places. Places are cut into chunks by
 * size alone, whose sums are added in order; few weights a block each. */
#include "cuda/conv.cuh"

enum { TILE = 64, DEPTH = 16, PER = 4, THREADS = 256 };

/* x is what the weight goes over, g the result's gradient (dense strides not wanted): weight [m, c,
 * taps] of each group. */
struct weighing {
    conv        o; /* x and its places */
    const void *g;
    int64_t     gs[5]; /* its strides */
    void       *y;
    int64_t     chunk, chunks, places; /* places: of all images */
};

/* Weight column i (tap and channel) at place p of all images: where x is, or -1. */
DEVICE int64_t place_source(const weighing &q, int64_t i, int64_t p, int64_t group)
{
    int64_t       j[3], w;
    const int64_t image = conv_place(q.o, p, j, &w), from = conv_source(q.o, i, j, &w);
    return from < 0 ? -1 : from + image * q.o.along[0] + group * q.o.c * q.o.along[1];
}
DEVICE int64_t gradient_at(const weighing &q, int64_t channel, int64_t p)
{
    int64_t       j[3], plane;
    const int64_t image = conv_place(q.o, p, j, &plane);
    return image * q.gs[0] + channel * q.gs[1] + j[0] * q.gs[2] + j[1] * q.gs[3] + j[2] * q.gs[4];
}

template <typename C, typename T> __global__ void weight_kernel(const __grid_constant__ weighing q, C *parts)
{
    typedef typed<C, T> of;
    SHARED(C, tg, DEPTH * (TILE + 1));
    SHARED(C, tx, DEPTH * (TILE + 1));
    const conv   &o = q.o;
    const int64_t columns = o.c * o.taps, across = (columns + TILE - 1) / TILE;
    const int64_t m0 = (int64_t)blockIdx.x / across * TILE, n0 = (int64_t)blockIdx.x % across * TILE;
    const int64_t group = blockIdx.y, first = blockIdx.z * q.chunk;
    const int64_t last = first + q.chunk < q.places ? first + q.chunk : q.places;
    const int     row = (int)threadIdx.x / 16, col = (int)threadIdx.x % 16;
    const int     d = (int)threadIdx.x % DEPTH, side = (int)threadIdx.x / DEPTH; /* neighbours in memory */
    C             sum[PER][PER] = {};
    for (int64_t p0 = first; p0 < last; p0 += DEPTH) {
        const int64_t p = p0 + d;
        for (int i = side; i < TILE; i += THREADS / DEPTH) {
            const bool    mine = p < last;
            const int64_t from = mine && n0 + i < columns ? place_source(q, n0 + i, p, group) : -1;
            tx[d * (TILE + 1) + i] = from >= 0 ? of::get(o.x, o.dtype, from) : (C)0;
            tg[d * (TILE + 1) + i] =
                mine && m0 + i < o.m ? of::get(q.g, o.dtype, gradient_at(q, group * o.m + m0 + i, p)) : (C)0;
        }
        __syncthreads();
#pragma unroll 4
        for (int e = 0; e < DEPTH; e++) {
            C a[PER], b[PER];
#pragma unroll
            for (int i = 0; i < PER; i++) {
                a[i] = tg[e * (TILE + 1) + row + 16 * i];
                b[i] = tx[e * (TILE + 1) + col + 16 * i];
            }
#pragma unroll
            for (int i = 0; i < PER; i++)
#pragma unroll
                for (int j = 0; j < PER; j++) sum[i][j] += a[i] * b[j];
        }
        __syncthreads();
    }
#pragma unroll
    for (int i = 0; i < PER; i++)
#pragma unroll
        for (int j = 0; j < PER; j++) {
            const int64_t m = m0 + row + 16 * i, n = n0 + col + 16 * j;
            if (m >= o.m || n >= columns) continue;
            const int64_t at = (group * o.m + m) * columns + n;
            if (q.chunks > 1)
                parts[blockIdx.z * o.groups * o.m * columns + at] = sum[i][j];
            else
                of::put(q.y, o.dtype, at, sum[i][j]);
        }
}

/* A weight to a block. */
template <typename C, typename T> __global__ void weight_block_kernel(const __grid_constant__ weighing q)
{
    typedef typed<C, T> of;
    SHARED(C, part, 32);
    const conv   &o = q.o;
    const int64_t columns = o.c * o.taps, i = (int64_t)blockIdx.x % columns,
                  m = (int64_t)blockIdx.x / columns;
    C sum = 0;
    for (int64_t p = threadIdx.x; p < q.places; p += blockDim.x) {
        const int64_t from = place_source(q, i, p, m / o.m);
        if (from >= 0) sum += of::get(o.x, o.dtype, from) * of::get(q.g, o.dtype, gradient_at(q, m, p));
    }
    sum = block_sum(sum, part);
    if (threadIdx.x == 0) of::put(q.y, o.dtype, blockIdx.x, sum);
}

template <typename C>
__global__ void weight_join_kernel(const C *parts, void *y, int dtype, int64_t n, int64_t chunks)
{
    const int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    C             sum = 0;
    if (i >= n) return;
    for (int64_t c = 0; c < chunks; c++) sum += parts[c * n + i];
    store_any<C>(y, dtype, i, sum);
}

/* attr.i: as conv's; in: x, the gradient of a convolution's result; out: that of its weight */
static weighing plan(const wk_call *k)
{
    const wk_tensor x = k->in[0], g = k->in[1], w = k->out[0];
    weighing        q;
    memset((void *)&q, 0, sizeof q);
    conv *o = &q.o;
    o->x = wki_data(x);
    q.g = wki_data(g);
    q.y = wki_data(w);
    o->dtype = (int)x->dtype;
    o->images = x->shape[0];
    o->groups = k->attr.i[9];
    o->c = x->shape[1] / o->groups;
    o->m = g->shape[1] / o->groups;
    o->taps = o->places = 1;
    for (int i = 0; i < 5; i++) {
        o->along[i] = x->stride[i];
        q.gs[i] = g->stride[i];
    }
    for (int i = 0; i < 3; i++) {
        conv_dim *d = &o->dim[i];
        d->in = x->shape[2 + i];
        d->full = d->out = g->shape[2 + i];
        d->ker = d->taps = w->shape[2 + i];
        d->os = d->ks = 1;
        d->i0 = -k->attr.i[3 + i];
        d->is = k->attr.i[i];
        d->ts = k->attr.i[6 + i];
        o->taps *= d->taps;
        o->places *= d->out;
    }
    q.places = o->images * o->places;
    const int64_t tiles = (o->m + TILE - 1) / TILE * ((o->c * o->taps + TILE - 1) / TILE) * o->groups;
    const int64_t room = tiles ? 512 / tiles : 1, most = q.places / 256, chunks = room < most ? room : most;
    q.chunk = chunks > 1 ? (q.places + chunks - 1) / chunks : q.places;
    q.chunks = q.chunk ? (q.places + q.chunk - 1) / q.chunk : 1;
    return q;
}
static bool few(const weighing &q)
{
    return q.o.m * q.o.c * q.o.taps < 512 || q.o.groups > 65535;
}

template <typename C, typename T> static wk_status run_as(const wk_call *k, const weighing &q)
{
    const conv   &o = q.o;
    const int64_t columns = o.c * o.taps, n = o.groups * o.m * columns;
    if (few(q)) return launch(k, weight_block_kernel<C, T>, (unsigned)n, q.places <= 64 ? 32 : 256, 0, q);
    const dim3 blocks(blocks_for(o.m, TILE) * blocks_for(columns, TILE), (unsigned)o.groups,
                      (unsigned)q.chunks);
    WK_TRY(launch(k, weight_kernel<C, T>, blocks, THREADS, 0, q, (C *)k->scratch));
    if (q.chunks == 1) return WK_OK;
    return launch(k, weight_join_kernel<C>, blocks_for(n, 128), 128, 0, (const C *)k->scratch, q.y, o.dtype,
                  n, q.chunks);
}

wk_status CUDA(conv_weight)(const wk_call *k)
{
    const weighing q = plan(k);
    if (wki_cuda_count(k->out[0]) == 0) return WK_OK;
    return k->cls == WK_CLASS_F64   ? run_as<double, double>(k, q)
           : k->cls == WK_CLASS_I64 ? run_as<int64_t, any_type>(k, q)
           : q.o.dtype == WK_f32    ? run_as<float, float>(k, q)
           : q.o.dtype == WK_bf16   ? run_as<float, bf16>(k, q)
           : q.o.dtype == WK_f16    ? run_as<float, f16>(k, q)
                                    : run_as<float, any_type>(k, q);
}
size_t CUDA(conv_weight_scratch)(const wk_call *k)
{
    const weighing q = plan(k);
    return few(q) || q.chunks < 2 ? 0 : (size_t)(q.chunks * wki_cuda_count(k->out[0])) * 8;
}
