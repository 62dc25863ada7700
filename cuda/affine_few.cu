/* Few rows of x times rows of blocks, in 8-bit codes: sums of sixteen products are exact, and added up in f32
 * in an order of their own. A warp takes two rows of the weight; their bytes pass through shared memory in
 * pieces of 16, the next ones on their way while these are multiplied. */
#include "cuda/affine.cuh"

enum { WARPS = 4, ROWS = 2, LANE_VALUES = 32, CHUNK = 32 * LANE_VALUES };

/* Starts the copy of bytes first .. last of a row to words `to` of the stage. */
template <typename A>
DEVICE void stage_bytes(const A &stage, int to, const char *row, int64_t first, int64_t last, int lane)
{
    const uintptr_t from = (uintptr_t)(row + first) & ~(uintptr_t)15;
    const int       n = (int)(((uintptr_t)(row + last) - from + 15) / 16);
    for (int v = lane; v < n; v += 32) copy_async<16>(&stage[to + 4 * v], (const char *)from + 16 * v);
}

/* 32 codes of a row of x with their scales. */
struct codes32 {
    int    word[8];
    float2 scale, sum;
};
DEVICE codes32 load_codes(const affine &p, int64_t row, int64_t group)
{
    const int4 *w = (const int4 *)((const int8_t *)p.x + row * p.step + 32 * group);
    const int4  a = w[0], b = w[1];
    const auto  at = row * (p.step / 32) + group;
    return {{a.x, a.y, a.z, a.w, b.x, b.y, b.z, b.w}, p.scales[at], p.sums[at]};
}

/* The sum of sixteen products as a float: it counts up from the bits of 1.5 2^23. */
DEVICE float sixteen_products(const uint32_t *w, const int *x)
{
    int sum = 0x4b400000;
#pragma unroll
    for (int i = 0; i < 4; i++) sum = __dp4a((int)w[i], x[i], sum);
    return float_of((uint32_t)sum) - 12582912.0f;
}

/* Blocks of a kernel that a multiprocessor must hold at least, where the compiler would rather spill than
 * have fewer; 0: as it likes. */
template <int T, int M> struct held_blocks {
    enum { least = T == WK_q6_k && M == 8 ? 3 : 0 };
};

template <int T, int M>
__global__ void __launch_bounds__(32 * WARPS, held_blocks<T, M>::least)
    few_kernel(const __grid_constant__ affine p)
{
    typedef format<T> F;
    constexpr int     SLOT = slot_of<T, CHUNK>::bytes / 4, GROUPS = F::values / 32;
    SHARED_DYNAMIC(uint32_t, stage);
    const int     lane = (int)threadIdx.x % 32, warp = (int)threadIdx.x / 32;
    const int64_t row0 = ((int64_t)blockIdx.x * WARPS + warp) * ROWS, m0 = (int64_t)blockIdx.y * M;
    const int     e = expert_at(p, m0);
    if (e < 0) return;
    if (row0 >= p.n) return;
    const char *row[ROWS];
    int64_t     x_row[M];
    float       acc[ROWS][M] = {};
#pragma unroll
    for (int r = 0; r < ROWS; r++)
        row[r] = expert_of(p, e).w + (row0 + r < p.n ? row0 + r : p.n - 1) * p.w_row;
#pragma unroll
    for (int i = 0; i < M; i++) x_row[i] = (m0 + i < p.m ? m0 + i : p.m - 1) / p.repeats;
    const int64_t groups = p.k / 32, chunks = (p.k + CHUNK - 1) / CHUNK, bytes = p.k / F::values * F::bytes;
    const int64_t chunk_bytes = CHUNK / F::values * F::bytes;
    const int     own = warp * 2 * ROWS * SLOT;
    const int     block = lane / GROUPS * F::bytes, g = lane % GROUPS;
    for (int64_t c = -1; c < chunks; c++) {
        if (c + 1 < chunks) {
            const int64_t first = (c + 1) * chunk_bytes;
            const int64_t last = first + chunk_bytes < bytes ? first + chunk_bytes : bytes;
#pragma unroll
            for (int r = 0; r < ROWS; r++)
                stage_bytes(stage, own + (int)((c + 1) % 2 * ROWS + r) * SLOT, row[r], first, last, lane);
        }
        copy_async_commit();
        if (c < 0) continue;
        copy_async_wait<1>();
        __syncwarp();
        const int64_t group = c * 32 + lane;
        if (group < groups) {
            uint32_t w[ROWS][8];
            scale    s[ROWS][2];
#pragma unroll
            for (int r = 0; r < ROWS; r++) {
                const int  skip = (int)((uintptr_t)(row[r] + c * chunk_bytes) & 15);
                const auto all = bytes_at<decltype(stage)>{stage, own + (int)(c % 2 * ROWS + r) * SLOT, 0};
                const auto b = all.from(skip + block);
#pragma unroll
                for (int i = 0; i < 8; i++) w[r][i] = F::word(b, g, i);
                s[r][0] = F::scales(b, g, 0);
                s[r][1] = F::halves != 0 ? F::scales(b, g, 1) : s[r][0];
            }
#pragma unroll
            for (int i = 0; i < M; i++) {
                const codes32 x = load_codes(p, x_row[i], group);
#pragma unroll
                for (int r = 0; r < ROWS; r++) {
                    float *a = &acc[r][i];
                    *a = fmaf(sixteen_products(w[r], x.word), s[r][0].d * x.scale.x, *a);
                    *a = fmaf(sixteen_products(w[r] + 4, x.word + 4), s[r][1].d * x.scale.y, *a);
                    if (F::offset != 0 || F::minima != 0) {
                        const float low = F::offset != 0 ? -(float)F::offset * s[r][0].d : s[r][0].m;
                        const float high = F::offset != 0 ? -(float)F::offset * s[r][1].d : s[r][1].m;
                        *a = F::halves != 0 ? fmaf(low, x.sum.x, fmaf(high, x.sum.y, *a))
                                            : fmaf(low, x.sum.x + x.sum.y, *a);
                    }
                }
            }
        }
        __syncwarp();
    }
    float mine = 0.0f; /* a result to a lane */
#pragma unroll
    for (int r = 0; r < ROWS; r++)
#pragma unroll
        for (int i = 0; i < M; i++) {
            const float v = warp_fold<plus>(acc[r][i]);
            if (lane == r * M + i) mine = v;
        }
    const int64_t column = row0 + lane / M, result = m0 + lane % M;
    if (lane < ROWS * M && column < p.n && result < p.m)
        put_result(p, result, column, expert_of(p, e).bias, mine);
}

template <int T, int M> static wk_status few(const wk_call *k, const affine &p)
{
    const size_t shared = (size_t)WARPS * 2 * ROWS * slot_of<T, CHUNK>::bytes;
    const dim3   blocks(blocks_for(p.n, WARPS * ROWS), blocks_for(p.m, M));
    return launch(k, few_kernel<T, M>, blocks, 32 * WARPS, shared, p);
}
template <int T> static wk_status few_of(const wk_call *k, const affine &p)
{
    return p.ids || p.m == 1 ? few<T, 1>(k, p)
           : p.m == 2        ? few<T, 2>(k, p)
           : p.m <= 4        ? few<T, 4>(k, p)
                             : few<T, 8>(k, p);
}

wk_status wki_cuda_affine_few(const wk_call *k, const affine &p)
{
#define FEW(t)                                                                                               \
    if (p.w_dtype == WK_##t) return few_of<WK_##t>(k, p);
    WK_EACH_FORMAT(FEW)
#undef FEW
    return WK_EDTYPE;
}
