/* Writing by index: scatter, scatter_add, scatter_reduce, index_put. The values that go to one place go
 * there in their order, by one thread, so that results are the same each time. A bad index is reported by
 * the next wait. */
#include "cuda/walk.cuh"

/* y[at without the dim, index[at]] takes in src[at], for places `at` of the index. */
struct scattering {
    walk<3>                units;                 /* y, index, src over the dims of the index but the one */
    int64_t                n, size, step, di, ds; /* along the dim: places, room, strides of y, index, src */
    int                    mode, op;
    bool                   wrap;
    struct wki_cuda_fault *fault;
};

DEVICE float added(float a, float b)
{
    return a + b;
}
DEVICE double added(double a, double b)
{
    return a + b;
}
DEVICE int64_t added(int64_t a, int64_t b)
{
    return (int64_t)((uint64_t)a + (uint64_t)b);
}
DEVICE float multiplied(float a, float b)
{
    return a * b;
}
DEVICE double multiplied(double a, double b)
{
    return a * b;
}
DEVICE int64_t multiplied(int64_t a, int64_t b)
{
    return (int64_t)((uint64_t)a * (uint64_t)b);
}

template <typename C> DEVICE C taken_in(int mode, C a, C b)
{
    if (mode == WKI_SCATTER_ADD) return added(a, b);
    if (mode == WKI_SCATTER_PROD) return multiplied(a, b);
    if (a != a || b != b) return added(a, b);
    return mode == WKI_SCATTER_AMAX ? (a > b ? a : b) : (a < b ? a : b);
}

DEVICE bool place_of(const scattering &s, int64_t index, int64_t *place)
{
    const int64_t i = load_any<int64_t>(s.units.of[1].data, s.units.of[1].dtype, index);
    *place = s.wrap && i < 0 ? i + s.size : i;
    if (*place >= 0 && *place < s.size) return true;
    report_index(s.fault, s.op, i, s.size);
    return false;
}

/* SET: elements move as they are. */
template <typename T> __global__ void set_kernel(const __grid_constant__ scattering s)
{
    const int64_t unit = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (unit >= s.units.n) return;
    T *const       y = (T *)(void *)s.units.of[0].data + walk_at(s.units, 0, unit);
    const T *const src = (const T *)(const void *)s.units.of[2].data + walk_at(s.units, 2, unit);
    const int64_t  index = walk_at(s.units, 1, unit);
    int64_t        place;
    for (int64_t j = 0; j < s.n; j++)
        if (place_of(s, index + j * s.di, &place)) y[place * s.step] = src[j * s.ds];
}

/* The others: y is of its class's own dtype. */
template <typename C> __global__ void take_kernel(const __grid_constant__ scattering s)
{
    const int64_t unit = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (unit >= s.units.n) return;
    C *const      y = (C *)(void *)s.units.of[0].data + walk_at(s.units, 0, unit);
    const int64_t src = walk_at(s.units, 2, unit), index = walk_at(s.units, 1, unit);
    int64_t       place;
    for (int64_t j = 0; j < s.n; j++)
        if (place_of(s, index + j * s.di, &place))
            y[place * s.step] =
                taken_in(s.mode, y[place * s.step],
                         load_any<C>(s.units.of[2].data, s.units.of[2].dtype, src + j * s.ds));
}

/* y, index and src with dims in common. */
static wk_status scatter(const wk_call *k, wk_tensor y, wk_tensor index, wk_tensor src, int dim, int mode,
                         bool wrap)
{
    const int  bytes = wki_cuda_bytes(y->dtype);
    scattering s;
    memset((void *)&s, 0, sizeof s);
    walk_operand(&s.units.of[0], y);
    walk_operand(&s.units.of[1], index);
    walk_operand(&s.units.of[2], src);
    s.units.n = s.n = s.size = 1;
    for (int i = 0; i < index->ndim; i++) {
        const int64_t stride[] = {y->stride[i], index->stride[i], src->stride[i]};
        if (i == dim) continue;
        walk_dim(&s.units, index->shape[i], stride);
        s.units.n *= index->shape[i];
    }
    walk_close(&s.units);
    if (index->ndim) {
        s.n = index->shape[dim];
        s.size = y->shape[dim];
        s.step = y->stride[dim];
        s.di = index->stride[dim];
        s.ds = src->stride[dim];
    }
    s.mode = mode;
    s.wrap = wrap;
    s.op = (int)k->op;
    s.fault = wki_cuda_fault_of(k->stream);
    if (s.units.n * s.n == 0) return WK_OK;
    const unsigned blocks = blocks_for(s.units.n, 128);
    if (mode != WKI_SCATTER_SET) WITH_CLASS(k, return launch(k, take_kernel<C>, blocks, 128, 0, s););
    return bytes == 1   ? launch(k, set_kernel<uint8_t>, blocks, 128, 0, s)
           : bytes == 2 ? launch(k, set_kernel<uint16_t>, blocks, 128, 0, s)
           : bytes == 4 ? launch(k, set_kernel<uint32_t>, blocks, 128, 0, s)
                        : launch(k, set_kernel<uint64_t>, blocks, 128, 0, s);
}

/* Narrow dtypes are worked on in their class's own one, and rounded once: in scratch. */
static wk_dtype wide_of(const wk_call *k, int mode)
{
    return mode == WKI_SCATTER_SET  ? k->out[0]->dtype
           : k->cls == WK_CLASS_F32 ? WK_f32
           : k->cls == WK_CLASS_F64 ? WK_f64
                                    : WK_i64;
}
static size_t wide_bytes(const wk_call *k, int mode)
{
    const wk_dtype t = wide_of(k, mode);
    return t == k->out[0]->dtype ? 0 : (size_t)(wki_cuda_count(k->out[0]) * wki_cuda_bytes(t));
}

static wk_status copy(const wk_call *k, wk_tensor y, wk_tensor x)
{
    wk_call copying = *k;
    copying.op = WK_OP_copy;
    copying.in = &x;
    copying.n_in = 1;
    copying.out[0] = y;
    return CUDA(copy)(&copying);
}

/* Seen as y: what is written to, of y's sizes. */
static wk_status write(const wk_call *k, wk_tensor view, wk_tensor index, wk_tensor src, int dim, int mode,
                       bool wrap)
{
    const wk_tensor        x = k->in[0], y = k->out[0];
    struct wk_tensor_info  wide = *y, seen = *view;
    struct wk_storage_head head = {k->scratch};
    wide.dtype = seen.dtype = wide_of(k, mode);
    const bool aside = wide.dtype != y->dtype;
    if (!wki_cuda_all_plain(k)) return WK_EDTYPE;
    if (aside) {
        wide.offset = seen.offset = 0;
        wide.storage = seen.storage = (wk_storage *)(void *)&head;
    }
    if (aside || wki_data(x) != wki_data(y)) WK_TRY(copy(k, &wide, x));
    WK_TRY(scatter(k, &seen, index, src, dim, mode, wrap));
    return aside ? copy(k, y, &wide) : WK_OK;
}

/* attr.i: the dim, enum wki_scatter, negative indices count from the end; in: x, index, src */
static wk_status along_dim(const wk_call *k, int mode)
{
    return write(k, k->out[0], k->in[1], k->in[2], (int)k->attr.i[0], mode, k->attr.i[2] != 0);
}

wk_status CUDA(scatter)(const wk_call *k)
{
    return along_dim(k, WKI_SCATTER_SET);
}
wk_status CUDA(scatter_add)(const wk_call *k)
{
    return along_dim(k, WKI_SCATTER_ADD);
}
wk_status CUDA(scatter_reduce)(const wk_call *k)
{
    return along_dim(k, (int)k->attr.i[1]);
}
size_t CUDA(scatter_add_scratch)(const wk_call *k)
{
    return wide_bytes(k, WKI_SCATTER_ADD);
}
size_t CUDA(scatter_reduce_scratch)(const wk_call *k)
{
    return wide_bytes(k, (int)k->attr.i[1]);
}

/* ---- index_put ---- */

struct places {
    int64_t *linear, picks;
    int      indices, op;
    bool     wrap;
    struct {
        const void *data;
        int         dtype;
        int64_t     stride, size;
    } of[WK_MAX_DIMS];
    struct wki_cuda_fault *fault;
};

/* Places count through all the indexed dims; bad ones become -1. */
__global__ void places_kernel(const __grid_constant__ places p)
{
    const int64_t at = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (at >= p.picks) return;
    int64_t linear = 0;
    bool    bad = false;
    for (int i = 0; i < p.indices; i++) {
        const int64_t index = load_any<int64_t>(p.of[i].data, p.of[i].dtype, at * p.of[i].stride);
        const int64_t place = p.wrap && index < 0 ? index + p.of[i].size : index;
        if (place < 0 || place >= p.of[i].size) {
            report_index(p.fault, p.op, index, p.of[i].size);
            bad = true;
        }
        linear = linear * p.of[i].size + place;
    }
    p.linear[at] = bad ? -1 : linear;
}

size_t CUDA(index_put_scratch)(const wk_call *k)
{
    const size_t wide = wide_bytes(k, (int)k->attr.i[1]);
    return (wide + 63) / 64 * 64 + (size_t)wki_cuda_count(k->in[2]) * sizeof(int64_t);
}

/* attr.i: the first dim, enum wki_scatter (SET or ADD), negative indices count from the end; in: x, values
 * [lead, picks, behind], the index [picks] of each dim from there on */
wk_status CUDA(index_put)(const wk_call *k)
{
    const wk_tensor y = k->out[0], v = k->in[1];
    const int       d = (int)k->attr.i[0], n = k->n_in - 2;
    const size_t    wide = wide_bytes(k, (int)k->attr.i[1]);
    int64_t         sizes[3] = {1, 1, 1};
    places          p;
    memset((void *)&p, 0, sizeof p);
    p.linear = (int64_t *)(void *)((char *)k->scratch + (wide + 63) / 64 * 64);
    p.picks = wki_cuda_count(k->in[2]);
    p.indices = n;
    p.op = (int)k->op;
    p.wrap = k->attr.i[2] != 0;
    p.fault = wki_cuda_fault_of(k->stream);
    for (int i = 0; i < n; i++) {
        const wk_tensor index = k->in[2 + i];
        p.of[i].data = wki_data(index);
        p.of[i].dtype = (int)index->dtype;
        p.of[i].stride = index->ndim ? index->stride[0] : 0;
        p.of[i].size = y->ndim ? y->shape[d + i] : 1;
    }
    for (int i = 0; i < y->ndim; i++) sizes[i < d ? 0 : i < d + n ? 1 : 2] *= y->shape[i];
    if (p.picks) WK_TRY(launch(k, places_kernel, blocks_for(p.picks, 256), 256, 0, p));
    struct wk_tensor_info  view = *y;
    struct wk_storage_head head = {p.linear};
    view.ndim = 3;
    for (int i = 0; i < 3; i++) view.shape[i] = sizes[i];
    view.stride[0] = sizes[1] * sizes[2];
    view.stride[1] = sizes[2];
    view.stride[2] = 1;
    struct wk_tensor_info values = view, index = view;
    index.shape[1] = p.picks;
    index.storage = (wk_storage *)(void *)&head;
    index.offset = 0;
    index.dtype = WK_i64;
    index.stride[0] = index.stride[2] = 0;
    index.stride[1] = 1;
    if (wki_cuda_dense(v)) { /* whatever its own dims */
        values.dtype = v->dtype;
        values.storage = v->storage;
        values.offset = v->offset;
        values.shape[1] = p.picks;
        values.stride[0] = p.picks * sizes[2];
    } else {
        values = *v;
    }
    return write(k, &view, &index, &values, 1, (int)k->attr.i[1], false);
}
