/* Sorting along rows, stably and of any length: tiles are sorted in shared memory, then merged in passes.
 * topk finds the key up to which values are wanted digit by digit, gathers them in the order of the row and
 * sorts those. */
#include "cuda/sort.cuh"

/* Do 32 bits hold the keys and the positions? */
static bool narrow(wk_dtype t, int64_t n)
{
    return t != WK_f64 && t != WK_i64 && n <= UINT32_MAX;
}

static int64_t lowest(wk_dtype t)
{
    return t == WK_i8    ? INT8_MIN
           : t == WK_i16 ? INT16_MIN
           : t == WK_i32 ? INT32_MIN
           : t == WK_i64 ? INT64_MIN
                         : 0;
}

static sorting plan(const wk_call *k)
{
    const wk_tensor x = k->in[0];
    sorting         s;
    memset((void *)&s, 0, sizeof s);
    s.x = wki_data(x);
    s.values = wki_data(k->out[0]);
    s.indices = (int64_t *)wki_data(k->out[1]);
    s.dtype = (int)x->dtype;
    s.bytes = wki_cuda_bytes(x->dtype);
    s.n = wki_cols(x);
    s.m = wki_cols(k->out[0]);
    s.low = lowest(x->dtype);
    s.descending = k->attr.i[0] != 0;
    s.whole = k->cls == WK_CLASS_I64;
    return s;
}

template <typename R> static wk_status sort_as(const wk_call *k, const sorting &s, int64_t rows)
{
    R *const a = (R *)k->scratch;
    return sort_rows<R>(k, s, rows, s.n, nullptr, a, a + rows * s.n);
}

/* attr.i[0]: descending */
wk_status CUDA(sort)(const wk_call *k)
{
    const sorting s = plan(k);
    const int64_t rows = wki_rows(k->in[0]);
    if (rows * s.n == 0) return WK_OK;
    return narrow(k->in[0]->dtype, s.n) ? sort_as<narrow_record>(k, s, rows)
                                        : sort_as<wide_record>(k, s, rows);
}
size_t CUDA(sort_scratch)(const wk_call *k)
{
    const int64_t n = wki_cols(k->in[0]);
    const size_t  record = narrow(k->in[0]->dtype, n) ? sizeof(narrow_record) : sizeof(wide_record);
    return n <= TILE ? 0 : 2 * (size_t)(wki_rows(k->in[0]) * n) * record;
}

/* ---- topk: attr.i[0] largest ---- */

/* The records of a row's first m values, in the order of the row. */
template <typename R> __global__ void select_kernel(const __grid_constant__ sorting s, R *to)
{
    typedef typename record_of<R>::key K;
    SHARED(unsigned, count, 256);
    SHARED(uint64_t, part, 32);
    SHARED(int64_t, chosen, 2);
    const int64_t row = (int64_t)blockIdx.x * s.n;
    K             prefix = 0, mask = 0;
    int64_t       left = s.m;
    for (int shift = 8 * (int)sizeof(K) - 8; shift >= 0; shift -= 8) {
        for (int i = (int)threadIdx.x; i < 256; i += (int)blockDim.x) count[i] = 0;
        __syncthreads();
        for (int64_t i = threadIdx.x; i < s.n; i += blockDim.x) {
            const K key = key_of<R>(s, row + i);
            if ((key & mask) == prefix) atomicAdd(&count[(int)(key >> shift & 255)], 1u);
        }
        __syncthreads();
        if (threadIdx.x == 0) {
            int     digit = 0;
            int64_t sum = 0;
            for (; sum + count[digit] < left; digit++) sum += count[digit];
            chosen[0] = digit;
            chosen[1] = left - sum;
        }
        __syncthreads();
        prefix = (K)(prefix | (K)chosen[0] << shift);
        mask = (K)(mask | (K)255 << shift);
        left = chosen[1];
    }
    int64_t before = 0, equal = 0; /* values kept, and those of the last key that have been met */
    for (int64_t first = 0; first < s.n; first += blockDim.x) {
        const int64_t  i = first + threadIdx.x;
        const K        key = i < s.n ? key_of<R>(s, row + i) : (K) ~(K)0;
        const bool     in = i < s.n && key < prefix, same = i < s.n && key == prefix;
        uint64_t       total;
        const uint64_t sum = block_prefix((uint64_t)in | (uint64_t)same << 32, part, &total);
        const int64_t  equals = equal + (int64_t)(sum >> 32), room = equals < left ? equals : left;
        if (in || (same && equals < left))
            to[(int64_t)blockIdx.x * s.m + before + (int64_t)(sum & UINT32_MAX) + room] =
                record_of<R>::make(key, i);
        before += (int64_t)(total & UINT32_MAX);
        equal += (int64_t)(total >> 32);
    }
}

template <typename R> static wk_status topk_as(const wk_call *k, const sorting &s, int64_t rows)
{
    R *const a = (R *)k->scratch, *const b = a + rows * s.m;
    const unsigned threads = s.n <= 128 ? 32 : s.n <= 4096 ? 256 : 1024;
    WK_TRY(launch(k, select_kernel<R>, (unsigned)rows, threads, 0, s, b));
    return sort_rows<R>(k, s, rows, s.m, b, a, b);
}

wk_status CUDA(topk)(const wk_call *k)
{
    const sorting s = plan(k);
    const int64_t rows = wki_rows(k->in[0]);
    if (rows * s.m == 0) return WK_OK;
    return narrow(k->in[0]->dtype, s.n) ? topk_as<narrow_record>(k, s, rows)
                                        : topk_as<wide_record>(k, s, rows);
}
size_t CUDA(topk_scratch)(const wk_call *k)
{
    return 2 * (size_t)(wki_rows(k->in[0]) * wki_cols(k->out[0])) * sizeof(wide_record);
}

/* ---- searchsorted: attr.i[0] right ---- */

struct search {
    const void *values;
    int64_t    *y;
    int         dtype;
    int64_t     n, m, count; /* values of a row of each, and of all results */
    bool        right;
    int64_t     shape[WK_MAX_DIMS], sorted[WK_MAX_DIMS], wanted[WK_MAX_DIMS];
    int         dims;
};

/* How many of the n sorted values each v is to go behind; NaN counts as largest. */
template <typename C> __global__ void search_kernel(const C *sorted, const __grid_constant__ search o)
{
    const int64_t at = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (at >= o.count) return;
    int64_t rest = at / o.m, from = 0, row = 0;
    for (int d = o.dims - 1; d >= 0; d--) {
        const int64_t i = rest % o.shape[d];
        rest /= o.shape[d];
        from += i * o.wanted[d];
        row += i * o.sorted[d];
    }
    const C v = load_any<C>(o.values, o.dtype, from + at % o.m);
    int64_t low = 0, high = o.n;
    while (low < high) {
        const int64_t mid = (low + high) / 2;
        const C       x = sorted[row + mid];
        const bool    behind = v != v ? o.right || x == x : o.right ? x <= v : x < v;
        if (behind)
            low = mid + 1;
        else
            high = mid;
    }
    o.y[at] = low;
}

wk_status CUDA(searchsorted)(const wk_call *k)
{
    const wk_tensor sorted = k->in[0], values = k->in[1];
    search          o;
    memset((void *)&o, 0, sizeof o);
    o.values = wki_data(values);
    o.y = (int64_t *)wki_data(k->out[0]);
    o.dtype = (int)values->dtype;
    o.n = wki_cols(sorted);
    o.m = wki_cols(values);
    o.right = k->attr.i[0] != 0;
    o.dims = values->ndim ? values->ndim - 1 : 0;
    o.count = wki_cuda_count(k->out[0]);
    for (int i = 0; i < o.dims; i++) {
        o.shape[i] = values->shape[i];
        o.wanted[i] = values->stride[i];
        o.sorted[i] = sorted->ndim > 1 ? sorted->stride[i] : 0;
    }
    if (o.count == 0) return WK_OK;
    WITH_CLASS(k, return launch(k, search_kernel<C>, blocks_for(o.count, 128), 128, 0,
                                (const C *)wki_data(sorted), o););
}
