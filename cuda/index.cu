/* Picking by index: index_select, index, gather, embedding_rows. A bad index picks nothing and is reported
 * by the next wait. */
#include "cuda/walk.cuh"

struct alignas(16) word16 {
    uint64_t part[2];
};

/* Slices [lead, picks, behind]; offsets, strides and the rest count units of the kernel's T. */
struct picking {
    walk<1> lead, behind; /* of x */
    char   *y;
    int64_t n, picks, inner; /* results; inner: of one pick */
    int     indices, op;
    bool    wrap;
    struct {
        const void *data;
        int         dtype;
        int64_t     stride, size, step; /* of the index; the dim's size, and its stride in x */
    } of[WK_MAX_DIMS];
    struct wki_cuda_fault *fault;
};

DEVICE bool place_of(const picking &p, int i, int64_t pick, int64_t *place)
{
    const int64_t at = load_any<int64_t>(p.of[i].data, p.of[i].dtype, pick * p.of[i].stride);
    *place = p.wrap && at < 0 ? at + p.of[i].size : at;
    if (*place >= 0 && *place < p.of[i].size) return true;
    report_index(p.fault, p.op, at < 0 ? at : *place, p.of[i].size);
    return false;
}

template <typename T> __global__ void pick_kernel(const __grid_constant__ picking p)
{
    const int64_t at = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (at >= p.n) return;
    const int64_t inner = at % p.inner, slice = at / p.inner, pick = slice % p.picks;
    int64_t       from = walk_at(p.lead, 0, slice / p.picks) + walk_at(p.behind, 0, inner);
    for (int i = 0; i < p.indices; i++) {
        int64_t place;
        if (!place_of(p, i, pick, &place)) return;
        from += place * p.of[i].step;
    }
    ((T *)(void *)p.y)[at] = ((const T *)(const void *)p.lead.of[0].data)[from];
}

/* Looks at indices alone: where there is nothing to pick from. */
__global__ void look_kernel(const __grid_constant__ picking p)
{
    const int64_t at = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    int64_t       place;
    if (at < p.picks)
        for (int i = 0; i < p.indices; i++) place_of(p, i, at, &place);
}

static wk_status pick(const wk_call *k, const picking &p, int unit)
{
    const unsigned blocks = blocks_for(p.n, 256);
    return unit == 16  ? launch(k, pick_kernel<word16>, blocks, 256, 0, p)
           : unit == 8 ? launch(k, pick_kernel<uint64_t>, blocks, 256, 0, p)
           : unit == 4 ? launch(k, pick_kernel<uint32_t>, blocks, 256, 0, p)
           : unit == 2 ? launch(k, pick_kernel<uint16_t>, blocks, 256, 0, p)
                       : launch(k, pick_kernel<uint8_t>, blocks, 256, 0, p);
}

/* The widest unit that all of these are multiples of, in bytes. */
static int unit_of(int64_t bits)
{
    return bits % 16 == 0 ? 16 : bits % 8 == 0 ? 8 : bits % 4 == 0 ? 4 : bits % 2 == 0 ? 2 : 1;
}

static wk_status pick_slices(const wk_call *k, int n, bool wrap)
{
    const wk_tensor x = k->in[0];
    const int d = (int)k->attr.i[0], values = wki_cuda_values(x->dtype), bytes = wki_cuda_bytes(x->dtype);
    picking   p;
    memset((void *)&p, 0, sizeof p);
    p.lead.n = p.behind.n = 1;
    walk_operand(&p.lead.of[0], x);
    walk_operand(&p.behind.of[0], x);
    for (int i = 0; i < d; i++) {
        walk_dim(&p.lead, x->shape[i], &x->stride[i]);
        p.lead.n *= x->shape[i];
    }
    for (int i = d + n; i < x->ndim; i++) {
        walk_dim(&p.behind, x->shape[i], &x->stride[i]);
        p.behind.n *= x->shape[i];
    }
    const bool run = p.behind.ndim == 0 || (p.behind.ndim == 1 && p.behind.of[0].stride[0] == 1);
    p.y = (char *)wki_data(k->out[0]);
    p.picks = wki_cuda_count(k->in[1]);
    p.indices = n;
    p.wrap = wrap;
    p.op = (int)k->op;
    p.fault = wki_cuda_fault_of(k->stream);
    int64_t bits = (int64_t)(uintptr_t)p.y | (int64_t)(uintptr_t)wki_data(x) | p.behind.n / values * bytes;
    for (int i = 0; i < n; i++) {
        const wk_tensor index = k->in[1 + i];
        p.of[i].data = wki_data(index);
        p.of[i].dtype = (int)index->dtype;
        p.of[i].stride = index->ndim ? index->stride[0] : 0;
        p.of[i].size = x->ndim ? x->shape[d + i] : 1;
        p.of[i].step = (x->ndim ? x->stride[d + i] : 0) / values * bytes;
        bits |= p.of[i].step;
    }
    for (int i = 0; i < p.lead.ndim; i++)
        bits |= p.lead.of[0].stride[i] = p.lead.of[0].stride[i] / values * bytes;
    const int unit = run ? unit_of(bits) : bytes;
    if (values > 1 && !run) return WK_EDTYPE;
    for (int i = 0; i < n; i++) p.of[i].step /= unit;
    for (int i = 0; i < p.lead.ndim; i++) p.lead.of[0].stride[i] /= unit;
    p.inner = run ? p.behind.n / values * bytes / unit : p.behind.n;
    if (run && p.behind.ndim) p.behind.shape[0] = p.inner;
    p.behind.n = p.inner;
    walk_close(&p.lead);
    walk_close(&p.behind);
    p.n = p.lead.n * p.picks * p.inner;
    if (p.picks == 0) return WK_OK;
    if (p.n == 0) return launch(k, look_kernel, blocks_for(p.picks, 256), 256, 0, p);
    return pick(k, p, unit);
}

/* attr.i[0] the dim */
wk_status CUDA(index_select)(const wk_call *k)
{
    return pick_slices(k, 1, false);
}

/* attr.i: the first dim; in: x, the index of each dim from there on, negative ones from the end */
wk_status CUDA(index)(const wk_call *k)
{
    return pick_slices(k, k->n_in - 1, true);
}

/* ---- gather ---- */

struct gathering {
    walk<3>                w; /* y, index, x without the dim */
    int64_t                size, step;
    int                    op;
    bool                   wrap;
    struct wki_cuda_fault *fault;
};

template <typename T> __global__ void gather_kernel(const __grid_constant__ gathering g)
{
    const int64_t at = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (at >= g.w.n) return;
    const int64_t i = walk_load<int64_t>(g.w, 1, at), place = g.wrap && i < 0 ? i + g.size : i;
    if (place < 0 || place >= g.size) {
        report_index(g.fault, g.op, i, g.size);
        return;
    }
    ((T *)(void *)g.w.of[0].data)[walk_at(g.w, 0, at)] =
        ((const T *)(const void *)g.w.of[2].data)[walk_at(g.w, 2, at) + place * g.step];
}

/* attr.i: the dim, negative indices count from the end */
wk_status CUDA(gather)(const wk_call *k)
{
    const wk_tensor x = k->in[0], y = k->out[0];
    const int       d = (int)k->attr.i[0], bytes = wki_cuda_bytes(x->dtype);
    gathering       g;
    memset((void *)&g, 0, sizeof g);
    g.size = x->ndim ? x->shape[d] : 1;
    g.step = x->ndim ? x->stride[d] : 0;
    g.wrap = k->attr.i[1] != 0;
    g.op = (int)k->op;
    g.fault = wki_cuda_fault_of(k->stream);
    struct wk_tensor_info without = *x;
    if (x->ndim) {
        memcpy(without.shape, y->shape, sizeof without.shape);
        without.stride[d] = 0;
    }
    const wk_tensor others[] = {k->in[1], &without};
    if (!wki_cuda_all_plain(k)) return WK_EDTYPE;
    walk_over(&g.w, y, others);
    if (g.w.n == 0) return WK_OK;
    const unsigned blocks = blocks_for(g.w.n, 256);
    return bytes == 1   ? launch(k, gather_kernel<uint8_t>, blocks, 256, 0, g)
           : bytes == 2 ? launch(k, gather_kernel<uint16_t>, blocks, 256, 0, g)
           : bytes == 4 ? launch(k, gather_kernel<uint32_t>, blocks, 256, 0, g)
                        : launch(k, gather_kernel<uint64_t>, blocks, 256, 0, g);
}

/* ---- embedding_rows: a block to a row ---- */

struct rows {
    walk<1>                index;
    const char            *x;
    void                  *y;
    int                    x_dtype, y_dtype, op;
    int64_t                size, step, inner;
    struct wki_cuda_fault *fault;
};

template <typename C> __global__ void rows_kernel(const __grid_constant__ rows r)
{
    const int64_t at = blockIdx.x, i = walk_load<int64_t>(r.index, 0, at);
    if (i < 0 || i >= r.size) {
        if (threadIdx.x == 0) report_index(r.fault, r.op, i, r.size);
        return;
    }
    for (int64_t e = threadIdx.x; e < r.inner; e += blockDim.x)
        store_any<C>(r.y, r.y_dtype, at * r.inner + e, load_any<C>(r.x, r.x_dtype, i * r.step + e));
}

wk_status CUDA(embedding_rows)(const wk_call *k)
{
    const wk_tensor x = k->in[0], y = k->out[0], index = k->in[1];
    if (x->dtype == y->dtype && index->ndim <= 1) {
        wk_call same = *k;
        same.attr.i[0] = 0;
        return pick_slices(&same, 1, false);
    }
    rows r;
    memset((void *)&r, 0, sizeof r);
    walk_over(&r.index, index, nullptr);
    r.x = (const char *)wki_data(x);
    r.y = wki_data(y);
    r.x_dtype = (int)x->dtype;
    r.y_dtype = (int)y->dtype;
    r.op = (int)k->op;
    r.size = x->shape[0];
    r.step = x->stride[0];
    r.inner = x->shape[1];
    r.fault = wki_cuda_fault_of(k->stream);
    if (!wki_cuda_plain(x->dtype)) return wki_cuda_embed_blocks(k);
    if (wki_cuda_count(y) == 0) return WK_OK;
    const unsigned blocks = (unsigned)r.index.n;
    return y->dtype == WK_f64 ? launch(k, rows_kernel<double>, blocks, 128, 0, r)
                              : launch(k, rows_kernel<float>, blocks, 128, 0, r);
}
