/* Block formats to values: casts of any strides, rows of a table; and the way into blocks and caches of
 * them. */
#include "cuda/quant.cuh"

/* ---- codes to values: a thread makes four ---- */

struct decoding {
    walk<2>                w; /* y, x */
    walk<1>                index;
    int64_t                columns, step, size; /* of a table whose rows are picked: x has them */
    int                    op;
    struct wki_cuda_fault *fault;
};

DEVICE void store_four(const walk<2> &w, int64_t at, const float (&v)[4])
{
    const operand &y = w.of[0];
    if (w.ndim == 1 && y.dtype == WK_f32 && y.aligned && y.stride[0] == 1) {
        *(float4 *)(void *)((float *)(void *)y.data + at) = {v[0], v[1], v[2], v[3]};
        return;
    }
    for (int i = 0; i < 4; i++) store_any<float>(y.data, y.dtype, walk_at(w, 0, at + i), v[i]);
}

template <int T> __global__ void decode_kernel(const __grid_constant__ decoding d)
{
    const int64_t at = ((int64_t)blockIdx.x * blockDim.x + threadIdx.x) * 4;
    float         v[4];
    if (at >= d.w.n) return;
    int64_t from;
    if (d.columns) {
        const int64_t row = walk_load<int64_t>(d.index, 0, at / d.columns);
        if (row < 0 || row >= d.size) {
            if (at % d.columns == 0) report_index(d.fault, d.op, row, d.size);
            return;
        }
        from = row * d.step + at % d.columns;
    } else {
        from = walk_at(d.w, 1, at);
    }
    four_values<format<T>>(d.w.of[1].data, from, v);
    store_four(d.w, at, v);
}

static wk_status decode(const wk_call *k, const decoding &d)
{
    const unsigned blocks = blocks_for(d.w.n, 1024);
#define DECODE(t)                                                                                            \
    if (d.w.of[1].dtype == WK_##t) return launch(k, decode_kernel<WK_##t>, blocks, 256, 0, d);
    WK_EACH_FORMAT(DECODE)
#undef DECODE
    return WK_EDTYPE;
}

wk_status wki_cuda_embed_blocks(const wk_call *k)
{
    const wk_tensor x = k->in[0], y = k->out[0];
    decoding        d;
    memset((void *)&d, 0, sizeof d);
    walk_over(&d.index, k->in[1], nullptr);
    walk_over(&d.w, y, &y);
    walk_operand(&d.w.of[1], x);
    d.columns = x->shape[1];
    d.size = x->shape[0];
    d.step = x->stride[0];
    d.op = (int)k->op;
    d.fault = wki_cuda_fault_of(k->stream);
    return d.w.n ? decode(k, d) : WK_OK;
}

/* ---- values to codes ---- */

static wk_status encode(const wk_call *k, const recoding &r)
{
    return wki_cuda_values((wk_dtype)r.w.of[0].dtype) == 32 ? wki_cuda_encode(k, r) : wki_cuda_encode_k(k, r);
}

wk_status wki_cuda_recode(const wk_call *k)
{
    const wk_tensor y = k->out[0], x = k->in[0];
    if (wki_cuda_plain(y->dtype)) {
        decoding d;
        memset((void *)&d, 0, sizeof d);
        walk_over(&d.w, y, &x);
        return decode(k, d);
    }
    recoding r;
    memset((void *)&r, 0, sizeof r);
    walk_over(&r.w, y, &x);
    return encode(k, r);
}

/* Blocks as they are, a thread to each. */
__global__ void move_blocks_kernel(const __grid_constant__ recoding r, int values, int bytes)
{
    const int64_t b = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (b * values >= r.w.n) return;
    uint8_t       *to = block_of(r, b, values, bytes);
    const uint8_t *from = (const uint8_t *)r.w.of[1].data + walk_at(r.w, 1, b * values) / values * bytes;
    for (int i = 0; to && i < bytes; i++) to[i] = from[i];
}

wk_status wki_cuda_write_blocks(const wk_call *k)
{
    const wk_tensor x = k->in[0], cache = k->out[0];
    const int64_t   queries = x->shape[x->ndim - 2], capacity = cache->shape[cache->ndim - 2];
    recoding        r;
    memset((void *)&r, 0, sizeof r);
    struct wk_tensor_info room = *cache; /* as many positions as x has */
    room.shape[room.ndim - 2] = queries;
    walk_over(&r.w, &room, &x);
    if (r.w.n == 0) return WK_OK;
    r.start = wki_data(k->in[1]);
    r.start_dtype = (int)k->in[1]->dtype;
    r.entry = r.w.n / wki_cuda_count(k->in[1]);
    r.step = cache->stride[cache->ndim - 2];
    r.room = capacity - queries + 1;
    r.op = (int)k->op;
    r.fault = wki_cuda_fault_of(k->stream);
    if (x->dtype == cache->dtype) {
        const int values = wki_cuda_values(x->dtype);
        return launch(k, move_blocks_kernel, blocks_for(r.w.n, values * 64), 64, 0, r, values,
                      wki_cuda_bytes(x->dtype));
    }
    return wki_cuda_plain(cache->dtype) ? WK_EDTYPE : encode(k, r);
}
