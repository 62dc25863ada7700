/* Writes into the key-value cache, at a position that the device knows. */
#include "cuda/rows.cuh"

struct writing {
    walk<2>                heads; /* cache, x over the dims before the last two */
    const void            *start;
    int                    start_dtype, op;
    int64_t                queries, columns, capacity, step_cache, step_x;
    int64_t                entry; /* heads that share a start */
    struct wki_cuda_fault *fault;
};

template <typename T> __global__ void cache_write_kernel(const __grid_constant__ writing w)
{
    const int64_t head = blockIdx.x / w.queries, t = blockIdx.x % w.queries;
    const int64_t start = load_any<int64_t>(w.start, w.start_dtype, head / w.entry);
    if (start < 0 || start > w.capacity - w.queries) {
        if (threadIdx.x == 0) report_index(w.fault, w.op, start, w.capacity - w.queries + 1);
        return;
    }
    const int64_t to = walk_at(w.heads, 0, head) + (start + t) * w.step_cache;
    const int64_t from = walk_at(w.heads, 1, head) + t * w.step_x;
    for (int64_t i = threadIdx.x; i < w.columns; i += blockDim.x)
        reals<T>::put(w.heads.of[0], to + i, reals<T>::get(w.heads.of[1], from + i));
}

wk_status CUDA(cache_write)(const wk_call *k)
{
    const wk_tensor x = k->in[0], cache = k->out[0];
    writing         w;
    memset((void *)&w, 0, sizeof w);
    if (!wki_cuda_all_plain(k)) return wki_cuda_write_blocks(k);
    if (wki_cuda_count(x) == 0) return WK_OK;
    walk_operand(&w.heads.of[0], cache);
    walk_operand(&w.heads.of[1], x);
    w.heads.n = 1;
    for (int i = 0; i < x->ndim - 2; i++) {
        const int64_t stride[] = {cache->stride[i], x->stride[i]};
        walk_dim(&w.heads, x->shape[i], stride);
        w.heads.n *= x->shape[i];
    }
    walk_close(&w.heads);
    w.start = wki_data(k->in[1]);
    w.start_dtype = (int)k->in[1]->dtype;
    w.entry = w.heads.n / wki_cuda_count(k->in[1]);
    w.op = (int)k->op;
    w.queries = x->shape[x->ndim - 2];
    w.columns = wki_cols(x);
    w.capacity = cache->shape[cache->ndim - 2];
    w.step_cache = cache->stride[cache->ndim - 2];
    w.step_x = x->stride[x->ndim - 2];
    w.fault = wki_cuda_fault_of(k->stream);
    const unsigned blocks = (unsigned)(w.heads.n * w.queries);
    WITH_REALS(w.heads, return launch(k, cache_write_kernel<T>, blocks, w.columns <= 32 ? 32 : 64, 0, w););
}
