/* Sampling a picture at the places of a grid, and the gradients for both. The picture's gradient is gathered:
 * what goes to each of its places is sorted by place, in the order of the grid. */
#include "cuda/sort.cuh"

enum { ZEROS, BORDER, REFLECTION };
enum { AT_NEAREST, AT_LINEAR, AT_CUBIC };

/* attr.i: mode, padding, align corners, dims. */
struct grid {
    const void *x, *grid, *g;
    void       *y, *dx, *dgrid; /* all dense and of the class's own dtype */
    int         mode, padding, dims, each, neighbours;
    bool        align;
    int64_t     images, channels, in[3], area, places;
};

/* Back into [low, low + span] at mirrors on both ends; *slope: its derivative. */
template <typename C> DEVICE C mirrored(C v, C low, C span, C *slope)
{
    *slope = 1;
    if (span <= 0) {
        *slope = 0;
        return 0;
    }
    v -= low;
    if (v < 0) {
        v = -v;
        *slope = -1;
    }
    const C turns = (C)floor((double)(v / span)), rest = v - turns * span;
    if ((int64_t)turns % 2 == 0) return rest + low;
    *slope = -*slope;
    return span - rest + low;
}

/* Where padding puts v. */
template <typename C> DEVICE C padded(const grid &o, C v, int64_t size, C *slope)
{
    C turn = 1;
    *slope = 1;
    if (o.padding == ZEROS) return v;
    if (o.padding == REFLECTION)
        v = o.align ? mirrored<C>(v, 0, (C)(size - 1), &turn) : mirrored<C>(v, (C)-0.5, (C)size, &turn);
    *slope = turn;
    if (v > 0 && v < (C)(size - 1)) return v;
    *slope = 0;
    return v > 0 ? (C)(size - 1) : 0;
}

/* Keys' kernel with a = -0.75 at distance x, and its derivative. */
template <typename C> DEVICE C cubic(C x, C *slope)
{
    const C a = (C)-0.75, sign = x < 0 ? -1 : 1;
    x *= sign;
    if (x < 1) {
        *slope = sign * (3 * (a + 2) * x - 2 * (a + 3)) * x;
        return ((a + 2) * x - (a + 3)) * x * x + 1;
    }
    *slope = sign * ((3 * x - 10) * x + 8) * a;
    return (((x - 5) * x + 8) * x - 4) * a;
}

template <typename C> DEVICE int index_of(C v, int64_t size)
{
    return v >= 0 && v < (C)size ? (int)v : -1;
}

/* The neighbours of a coordinate along one dim: indices (-1: none), weights, derivatives. */
template <typename C> struct axis {
    int at[4];
    C   w[4], d[4];
};
template <typename C> __device__ __noinline__ void find(const grid &o, int64_t size, C g, axis<C> &s)
{
    const C scale = (C)(o.align ? size - 1 : size) / 2;
    C       v = o.align ? (g + 1) * scale : ((g + 1) * (C)size - 1) / 2, slope = 1;
    if (!(v > (C)-1e9 && v < (C)1e9)) v = -100; /* nowhere */
    if (o.mode != AT_CUBIC) v = padded(o, v, size, &slope);
    if (o.mode == AT_NEAREST) {
        s.at[0] = index_of((C)nearbyint((double)v), size);
        s.w[0] = 1;
        s.d[0] = 0;
        return;
    }
    const C base = (C)floor((double)v), part = v - base;
    if (o.mode == AT_LINEAR) {
        for (int t = 0; t < 2; t++) {
            s.at[t] = index_of(base + (C)t, size);
            s.w[t] = t ? part : 1 - part;
            s.d[t] = t ? scale * slope : -scale * slope;
        }
        return;
    }
    for (int t = 0; t < 4; t++) {
        C turn;
        s.at[t] = index_of(padded(o, base + (C)(t - 1), size, &turn), size);
        s.w[t] = cubic(part - (C)(t - 1), &s.d[t]);
        s.d[t] *= scale;
    }
}

/* All dims of a place. */
template <typename C> struct place {
    axis<C> dim[3];
};
template <typename C> DEVICE void find_place(const grid &o, int64_t at, place<C> &p)
{
    const C *g = (const C *)o.grid + at * o.dims;
    p.dim[2].at[0] = 0;
    p.dim[2].w[0] = 1;
    p.dim[2].d[0] = 0;
    for (int i = 0; i < o.dims; i++) find(o, o.in[2 - i], g[i], p.dim[i]);
}
/* Neighbour t: its place in a plane (-1: none), its weight; turn: with the derivative along that dim. */
template <typename C> DEVICE int64_t neighbour(const grid &o, const place<C> &p, int t, int turn, C *w)
{
    const int      a = t % o.each, b = t / o.each % o.each, c = t / o.each / o.each;
    const axis<C> &x = p.dim[0], &y = p.dim[1], &z = p.dim[2];
    *w = (turn == 0 ? x.d[a] : x.w[a]) * (turn == 1 ? y.d[b] : y.w[b]) * (turn == 2 ? z.d[c] : z.w[c]);
    if (x.at[a] < 0 || y.at[b] < 0 || z.at[c] < 0) return -1;
    return ((int64_t)z.at[c] * o.in[1] + y.at[b]) * o.in[2] + x.at[a];
}

template <typename C> __global__ void sample_kernel(const __grid_constant__ grid o)
{
    const int64_t at = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (at >= o.images * o.places) return;
    const int64_t image = at / o.places, first = at % o.places;
    place<C>      p;
    find_place(o, at, p);
    for (int64_t c = blockIdx.y; c < o.channels; c += gridDim.y) {
        const C *x = (const C *)o.x + (image * o.channels + c) * o.area;
        C        sum = 0, w;
        for (int t = 0; t < o.neighbours; t++) {
            const int64_t from = neighbour(o, p, t, -1, &w);
            if (from >= 0) sum += w * x[from];
        }
        ((C *)o.y)[(image * o.channels + c) * o.places + first] = sum;
    }
}

/* The gradient for the grid. */
template <typename C> __global__ void turn_kernel(const __grid_constant__ grid o)
{
    const int64_t at = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (at >= o.images * o.places) return;
    const int64_t image = at / o.places, first = at % o.places;
    place<C>      p;
    find_place(o, at, p);
    for (int i = 0; i < o.dims; i++) {
        C sum = 0, w;
        for (int64_t c = 0; c < o.channels; c++) {
            const C *x = (const C *)o.x + (image * o.channels + c) * o.area;
            const C  g = ((const C *)o.g)[(image * o.channels + c) * o.places + first];
            C        part = 0;
            for (int t = 0; t < o.neighbours; t++) {
                const int64_t from = neighbour(o, p, t, i, &w);
                if (from >= 0) part += w * x[from];
            }
            sum += part * g;
        }
        ((C *)o.dgrid)[at * o.dims + i] = sum;
    }
}

/* Where neighbours lie, as records, and their weights. */
template <typename C>
__global__ void spread_kernel(const __grid_constant__ grid o, narrow_record *r, C *weight)
{
    const int64_t at = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (at >= o.images * o.places) return;
    const int64_t first = at % o.places;
    place<C>      p;
    find_place(o, at, p);
    for (int t = 0; t < o.neighbours; t++) {
        C             w;
        const int64_t to = neighbour(o, p, t, -1, &w), entry = at * o.neighbours + t;
        r[entry] =
            record_of<narrow_record>::make(to < 0 ? UINT32_MAX : (uint32_t)to, first * o.neighbours + t);
        weight[entry] = w;
    }
}
template <typename C>
__global__ void collect_kernel(const __grid_constant__ grid o, const narrow_record *r, const C *weight)
{
    const int64_t at = (int64_t)blockIdx.x * blockDim.x + threadIdx.x, n = o.places * o.neighbours;
    if (at >= o.images * o.area) return;
    const int64_t        image = at / o.area;
    const uint32_t       to = (uint32_t)(at % o.area);
    const narrow_record *mine = r + image * n;
    const int64_t        begin = first_of(mine, n, to);
    for (int64_t c = blockIdx.y; c < o.channels; c += gridDim.y) {
        const C *g = (const C *)o.g + (image * o.channels + c) * o.places;
        C        sum = 0;
        for (int64_t i = begin; i < n && (uint32_t)(mine[i] >> 32) == to; i++) {
            const int64_t entry = record_of<narrow_record>::place(mine[i]);
            sum += weight[image * n + entry] * g[entry / o.neighbours];
        }
        ((C *)o.dx)[(image * o.channels + c) * o.area + to] = sum;
    }
}

static grid plan(const wk_call *k)
{
    static const int8_t each[] = {1, 2, 4};
    const wk_tensor     x = k->in[0];
    grid                o;
    memset((void *)&o, 0, sizeof o);
    o.mode = (int)k->attr.i[0];
    o.padding = (int)k->attr.i[1];
    o.align = k->attr.i[2] != 0;
    o.dims = (int)k->attr.i[3];
    o.each = each[o.mode];
    o.neighbours = o.each * o.each * (o.dims > 2 ? o.each : 1);
    o.images = x->shape[0];
    o.channels = x->shape[1];
    o.area = 1;
    for (int i = 0; i < 3; i++) o.area *= o.in[i] = x->shape[2 + i];
    o.places = o.images ? wki_cuda_count(k->in[1]) / o.dims / o.images : 0;
    return o;
}

/* Blocks for n threads, and several times as many where those are few: channels are dealt out. */
static dim3 blocks_of(int64_t n, int64_t channels)
{
    const int64_t blocks = blocks_for(n, 128), more = blocks < 512 ? 512 / blocks : 1;
    return dim3((unsigned)blocks, (unsigned)(more < channels ? more : channels));
}

wk_status CUDA(grid_sample)(const wk_call *k)
{
    grid          o = plan(k);
    const int64_t n = o.images * o.places;
    if (wki_cuda_count(k->out[0]) == 0) return WK_OK;
    o.x = wki_data(k->in[0]);
    o.grid = wki_data(k->in[1]);
    o.y = wki_data(k->out[0]);
    return k->cls == WK_CLASS_F64 ? launch(k, sample_kernel<double>, blocks_of(n, o.channels), 128, 0, o)
                                  : launch(k, sample_kernel<float>, blocks_of(n, o.channels), 128, 0, o);
}

template <typename C> static wk_status back(const wk_call *k, const grid &o)
{
    const int64_t  places = o.images * o.places, entries = places * o.neighbours;
    narrow_record *a = (narrow_record *)k->scratch, *b = a + entries;
    C             *weight = (C *)(void *)(b + entries);
    sorting        s;
    memset((void *)&s, 0, sizeof s);
    if (places) {
        WK_TRY(launch(k, turn_kernel<C>, blocks_for(places, 128), 128, 0, o));
        WK_TRY(launch(k, spread_kernel<C>, blocks_for(places, 128), 128, 0, o, b, weight));
        WK_TRY(sort_rows<narrow_record>(k, s, o.images, o.places * o.neighbours, b, a, b));
    }
    if (o.images * o.area * o.channels == 0) return WK_OK;
    return launch(k, collect_kernel<C>, blocks_of(o.images * o.area, o.channels), 128, 0, o,
                  (const narrow_record *)sorted_in(o.places * o.neighbours, a, b), (const C *)weight);
}

/* in: x, grid, the result's gradient; out: those of x and grid. */
wk_status CUDA(grid_sample_vjp)(const wk_call *k)
{
    grid o = plan(k);
    o.x = wki_data(k->in[0]);
    o.grid = wki_data(k->in[1]);
    o.g = wki_data(k->in[2]);
    o.dx = wki_data(k->out[0]);
    o.dgrid = wki_data(k->out[1]);
    return k->cls == WK_CLASS_F64 ? back<double>(k, o) : back<float>(k, o);
}
size_t CUDA(grid_sample_vjp_scratch)(const wk_call *k)
{
    const grid o = plan(k);
    return (size_t)(o.images * o.places * o.neighbours) * (2 * sizeof(narrow_record) + sizeof(double));
}
