/* Where a mask is true: pieces are counted, the counts added up, then each piece writes its places behind
 * those of the pieces before it. */
#include "cuda/kernel.cuh"

enum { PIECE = 4096, COUNTERS = 256 };

struct mask_places {
    const uint8_t *x;
    int64_t       *y, *from; /* from: where the places of each piece begin */
    int64_t        n, pieces, shape[WK_MAX_DIMS];
    int            ndim;
};

__global__ void count_kernel(const __grid_constant__ mask_places o)
{
    SHARED(int, part, 32);
    const int64_t first = (int64_t)blockIdx.x * PIECE;
    int           count = 0;
    for (int i = (int)threadIdx.x; i < PIECE; i += COUNTERS)
        if (first + i < o.n) count += o.x[first + i] != 0;
    count = block_sum(count, part);
    if (threadIdx.x == 0) o.from[blockIdx.x] = count;
}

/* Counts to sums of those before; one block. */
__global__ void begin_kernel(const __grid_constant__ mask_places o)
{
    SHARED(int64_t, part, 32);
    int64_t before = 0, total;
    for (int64_t i = 0; i < o.pieces; i += COUNTERS) {
        const int64_t p = i + threadIdx.x, count = p < o.pieces ? o.from[p] : 0;
        const int64_t sum = block_prefix(count, part, &total);
        if (p < o.pieces) o.from[p] = before + sum;
        before += total;
    }
}

__global__ void write_kernel(const __grid_constant__ mask_places o)
{
    SHARED(int, part, 32);
    const int64_t first = (int64_t)blockIdx.x * PIECE;
    int64_t       before = o.from[blockIdx.x];
    int           total;
    for (int i = (int)threadIdx.x; i < PIECE; i += COUNTERS) {
        const int64_t at = first + i;
        const int     hit = at < o.n && o.x[at] != 0;
        const int64_t to = before + block_prefix(hit, part, &total);
        before += total;
        if (!hit) continue;
        int64_t rest = at;
        for (int d = o.ndim - 1; d >= 0; d--) {
            o.y[to * o.ndim + d] = rest % o.shape[d];
            rest /= o.shape[d];
        }
    }
}

wk_status CUDA(nonzero)(const wk_call *k)
{
    const wk_tensor x = k->in[0];
    mask_places     o;
    memset((void *)&o, 0, sizeof o);
    o.x = (const uint8_t *)wki_data(x);
    o.y = (int64_t *)wki_data(k->out[0]);
    o.from = (int64_t *)k->scratch;
    o.n = wki_cuda_count(x);
    o.pieces = (o.n + PIECE - 1) / PIECE;
    o.ndim = x->ndim;
    for (int i = 0; i < x->ndim; i++) o.shape[i] = x->shape[i];
    if (wki_cuda_count(k->out[0]) == 0) return WK_OK;
    WK_TRY(launch(k, count_kernel, (unsigned)o.pieces, COUNTERS, 0, o));
    WK_TRY(launch(k, begin_kernel, 1, COUNTERS, 0, o));
    return launch(k, write_kernel, (unsigned)o.pieces, COUNTERS, 0, o);
}
size_t CUDA(nonzero_scratch)(const wk_call *k)
{
    return (size_t)((wki_cuda_count(k->in[0]) + PIECE - 1) / PIECE) * sizeof(int64_t);
}
