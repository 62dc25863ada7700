/* Records that are sorted: a key in the order of the values, and where the value stood. No two are equal, so
 * any sort of them is stable. */
#ifndef WK_CUDA_SORT_CUH
#define WK_CUDA_SORT_CUH

#include "cuda/kernel.cuh"

enum { SORTERS = 256, EACH = 8 };
static const int64_t TILE = SORTERS * EACH;

struct wide_record {
    uint64_t key, at;
};
typedef uint64_t narrow_record; /* the key above, the place below */

template <typename R> struct record_of;
template <> struct record_of<narrow_record> {
    typedef uint32_t            key;
    typedef float               real;
    static DEVICE narrow_record make(uint32_t key, int64_t at) { return (uint64_t)key << 32 | (uint32_t)at; }
    static DEVICE narrow_record last() { return ~(uint64_t)0; }
    static DEVICE int64_t       place(narrow_record r) { return (int64_t)(uint32_t)r; }
    static DEVICE bool          less(narrow_record a, narrow_record b) { return a < b; }
};
template <> struct record_of<wide_record> {
    typedef uint64_t          key;
    typedef double            real;
    static DEVICE wide_record make(uint64_t key, int64_t at) { return {key, (uint64_t)at}; }
    static DEVICE wide_record last() { return {~(uint64_t)0, ~(uint64_t)0}; }
    static DEVICE int64_t     place(wide_record r) { return (int64_t)r.at; }
    static DEVICE bool        less(wide_record a, wide_record b)
    {
        return a.key < b.key || (a.key == b.key && a.at < b.at);
    }
};

/* Rows of x, in the order of their keys; the first m of each are wanted. */
struct sorting {
    const void *x;
    void       *values;
    int64_t    *indices;
    int         dtype, bytes;
    int64_t     n, m, low;         /* low: the smallest of an integer dtype */
    bool        descending, whole; /* whole: integers */
};

DEVICE uint32_t raw_of(float x)
{
    return bits_of(x);
}
DEVICE uint64_t raw_of(double x)
{
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

/* Reals: flips the sign, and all other bits of negative ones, so that order is that of unsigned numbers; both
 * zeros are one key, every NaN is the largest. Integers: less the smallest of their dtype. */
template <typename R> DEVICE typename record_of<R>::key key_of(const sorting &s, int64_t at)
{
    typedef typename record_of<R>::key  K;
    typedef typename record_of<R>::real T;
    const K                             flip = s.descending ? (K) ~(K)0 : (K)0;
    if (s.whole) return (K)((uint64_t)load_any<int64_t>(s.x, s.dtype, at) - (uint64_t)s.low) ^ flip;
    const T x = load_any<T>(s.x, s.dtype, at);
    const K top = (K)1 << (8 * sizeof(K) - 1), u = raw_of(x == 0 ? (T)0 : x);
    return (x != x ? (K) ~(K)0 : (K)(u ^ (u & top ? (K) ~(K)0 : top))) ^ flip;
}

/* The result at place i of a row. */
template <typename R> DEVICE void emit(const sorting &s, int64_t row, int64_t i, const R &r)
{
    const int64_t from = record_of<R>::place(r), x = row * s.n + from, y = row * s.m + i;
    s.indices[y] = from;
    switch (s.bytes) {
    case 1:
        ((uint8_t *)s.values)[y] = ((const uint8_t *)s.x)[x];
        break;
    case 2:
        ((uint16_t *)s.values)[y] = ((const uint16_t *)s.x)[x];
        break;
    case 4:
        ((uint32_t *)s.values)[y] = ((const uint32_t *)s.x)[x];
        break;
    default:
        ((uint64_t *)s.values)[y] = ((const uint64_t *)s.x)[x];
    }
}

/* Sorts size records, a power of two (Batcher 1968). */
template <typename R, typename A> DEVICE void bitonic(A &r, int size)
{
    for (int run = 2; run <= size; run *= 2)
        for (int step = run / 2; step > 0; step /= 2) {
            __syncthreads();
            for (int i = (int)threadIdx.x; i < size / 2; i += (int)blockDim.x) {
                const int  low = 2 * i - (i & (step - 1)), high = low + step;
                const R    a = r[low], b = r[high];
                const bool rising = (low & run) == 0;
                if (record_of<R>::less(b, a) != rising) continue;
                r[low] = b;
                r[high] = a;
            }
        }
    __syncthreads();
}

/* How many of the first `diagonal` of the merged a and b are a's. */
template <typename R, typename P>
DEVICE int64_t merge_path(const P &a, int64_t na, const P &b, int64_t nb, int64_t diagonal)
{
    int64_t low = diagonal > nb ? diagonal - nb : 0, high = diagonal < na ? diagonal : na;
    while (low < high) {
        const int64_t mid = (low + high) / 2;
        if (record_of<R>::less(a[mid], b[diagonal - 1 - mid]))
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

/* A tile of a row: of records made of values, or of those in `from`. Where values are wanted, rows of one
 * tile are done. */
template <typename R>
__global__ void tiles_kernel(const __grid_constant__ sorting s, const R *from, R *to, int64_t n, int size)
{
    SHARED_DYNAMIC(R, r);
    const int64_t tiles = (n + TILE - 1) / TILE, row = blockIdx.x / tiles, first = blockIdx.x % tiles * TILE;
    for (int i = (int)threadIdx.x; i < size; i += (int)blockDim.x) {
        const int64_t at = first + i;
        r[i] = at >= n ? record_of<R>::last()
               : from  ? from[row * n + at]
                       : record_of<R>::make(key_of<R>(s, row * s.n + at), at);
    }
    bitonic<R>(r, size);
    for (int i = (int)threadIdx.x; i < size && first + i < n; i += (int)blockDim.x) {
        if (tiles == 1 && s.indices)
            emit(s, row, i, r[i]);
        else
            to[row * n + first + i] = r[i];
    }
}

/* A tile of what two sorted runs make. */
template <typename R>
__global__ void merge_kernel(const __grid_constant__ sorting s, const R *from, R *to, int64_t n, int64_t run)
{
    SHARED_DYNAMIC(R, r);
    SHARED(int64_t, split, 2);
    const int64_t tiles = (n + TILE - 1) / TILE, row = blockIdx.x / tiles, first = blockIdx.x % tiles * TILE;
    const int64_t begin = first / (2 * run) * (2 * run), middle = begin + run < n ? begin + run : n;
    const int64_t end = middle + run < n ? middle + run : n, m = n - first < TILE ? n - first : TILE;
    const R      *a = from + row * n + begin, *b = from + row * n + middle;
    if (threadIdx.x < 2)
        split[threadIdx.x] =
            merge_path<R>(a, middle - begin, b, end - middle, first - begin + (threadIdx.x ? m : (int64_t)0));
    __syncthreads();
    const int64_t a0 = split[0], b0 = first - begin - a0, na = split[1] - a0, nb = m - na;
    for (int i = (int)threadIdx.x; i < m; i += (int)blockDim.x) r[i] = i < na ? a[a0 + i] : b[b0 + i - na];
    __syncthreads();
    R             mine[EACH];
    const int64_t at = (int64_t)threadIdx.x * EACH < m ? (int64_t)threadIdx.x * EACH : m;
    int64_t       i = 0, j = 0;
    {
        const R *const left = &r[0], *const right = left + na;
        i = merge_path<R>(left, na, right, nb, at);
        j = at - i;
    }
#pragma unroll
    for (int e = 0; e < EACH; e++) {
        const bool take = i < na && (j >= nb || record_of<R>::less(r[i], r[na + j]));
        if (i < na || j < nb) mine[e] = r[take ? i : na + j];
        i += take;
        j += !take;
    }
    __syncthreads();
#pragma unroll
    for (int e = 0; e < EACH; e++)
        if (at + e < m) r[at + e] = mine[e];
    __syncthreads();
    const bool last = 2 * run >= n && s.indices;
    for (int e = (int)threadIdx.x; e < m; e += (int)blockDim.x) {
        if (last)
            emit(s, row, first + e, r[e]);
        else
            to[row * n + first + e] = r[e];
    }
}

/* Sorts rows of n: values (from: nothing) or records. Works in a and b, which have room for all records; from
 * may be b. Without indices that are wanted the sorted records are what comes of it, where sorted_in says. */
template <typename R>
static wk_status sort_rows(const wk_call *k, const sorting &s, int64_t rows, int64_t n, const R *from, R *a,
                           R *b)
{
    const int64_t tiles = (n + TILE - 1) / TILE;
    int           size = 2;
    while (size < n && size < TILE) size *= 2;
    const unsigned threads = size <= 64 ? 32 : size <= 512 ? 64 : SORTERS;
    WK_TRY(launch(k, tiles_kernel<R>, (unsigned)(rows * tiles), threads, (size_t)size * sizeof(R), s, from, a,
                  n, size));
    for (int64_t run = TILE; run < n; run *= 2) {
        WK_TRY(launch(k, merge_kernel<R>, (unsigned)(rows * tiles), SORTERS, TILE * sizeof(R), s,
                      (const R *)a, b, n, run));
        R *const t = a;
        a = b;
        b = t;
    }
    return WK_OK;
}

template <typename R> static inline R *sorted_in(int64_t n, R *a, R *b)
{
    bool second = false;
    for (int64_t run = TILE; run < n; run *= 2) second = !second;
    return second ? b : a;
}

/* Of the n sorted records of a row, the first whose key is not below this one. */
DEVICE int64_t first_of(const narrow_record *r, int64_t n, uint32_t key)
{
    int64_t low = 0, high = n;
    while (low < high) {
        const int64_t mid = (low + high) / 2;
        if ((uint32_t)(r[mid] >> 32) < key)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

#endif
