/* Many rows of x times weights in blocks, on the matrix units in bf16: bytes of the weight arrive in shared
 * memory as they are, become bf16 there once for all rows of a tile, and meet rows of x that were made bf16
 * before. Few rows share the depth among warps, whose sums are added in a fixed order. From sm_80 on. */
#include "cuda/affine.cuh"
#include "cuda/mma.cuh"

/* DEPTH values at a time, in rows with a gap that lets eight be read at once; bytes come 256 values at a
 * time. */
enum { DEPTH = 64, LINE = (DEPTH + 8) / 2, CHUNK = 256, THREADS = 256 };

/* ROWS of x by COLUMNS (rows of w): warps along columns, rows and depth; tiles of 16 columns and 8 rows of
 * each. */
template <int ROWS_> struct shape {
    enum {
        ROWS = ROWS_,
        COLUMNS = ROWS_ == 128 ? 64 : 32,
        ACROSS = ROWS_ / 32 ? ROWS_ / 32 : 1,
        ALONG = 2,
        DEEP = THREADS / 32 / ALONG / ACROSS,
        MT = COLUMNS / 16 / ALONG,
        NT = ROWS / 8 / ACROSS
    };
};

/* Four codes as floats, without their offset: 2^23 + a byte is one. */
template <typename F> DEVICE void quick_values(uint32_t codes, scale s, float *v)
{
    const uint32_t raw = F::sign ? codes ^ 0x80808080u : codes;
    const float    from = 8388608.0f + (F::sign ? 128.0f : (float)F::offset);
#pragma unroll
    for (int i = 0; i < 4; i++)
        v[i] = fmaf(float_of(__byte_perm(raw, 0x4b000000u, 0x7440u + (unsigned)i)) - from, s.d, s.m);
}
template <int T, typename B> DEVICE void quick_sixteen(const B &b, int g, int h, float (&v)[16])
{
    if constexpr (T < WK_q4_0) {
        format<T>::sixteen(b, h, v);
    } else {
        const scale s = format<T>::scales(b, g, h);
#pragma unroll
        for (int k = 0; k < 4; k++) quick_values<format<T>>(format<T>::word(b, g, 4 * h + k), s, v + 4 * k);
    }
}

/* Where things lie in shared memory, in words. */
template <int T, int ROWS> struct layout {
    enum {
        SLOT = slot_of<T, CHUNK>::bytes / 4,
        RAW = 0,
        W = RAW + 2 * (int)shape<ROWS>::COLUMNS * SLOT,
        X = W + (int)shape<ROWS>::COLUMNS * LINE,
        END = X + 2 * ROWS * LINE
    };
};

/* Starts the copies of chunk c of the weight's rows from column j0 on. */
template <int T, int ROWS, typename A>
DEVICE void copy_weights(const affine &p, const A &s, const char *w, int64_t j0, int64_t c)
{
    typedef layout<T, ROWS> L;
    typedef format<T>       F;
    const int64_t           bytes = (p.k + F::values - 1) / F::values * F::bytes;
    const int64_t           first = c * (CHUNK / F::values * F::bytes);
    const int64_t           end = first + CHUNK / F::values * F::bytes, last = end < bytes ? end : bytes;
    for (int i = (int)threadIdx.x; i < shape<ROWS>::COLUMNS * (L::SLOT / 4); i += THREADS) {
        const int       r = i / (L::SLOT / 4), v = i % (L::SLOT / 4);
        const char     *row = w + (j0 + r < p.n ? j0 + r : p.n - 1) * p.w_row;
        const uintptr_t from = ((uintptr_t)(row + first) & ~(uintptr_t)15) + 16 * (uintptr_t)v;
        if (from < (uintptr_t)(row + last))
            copy_async<16>(&s[L::RAW + ((int)(c % 2) * shape<ROWS>::COLUMNS + r) * L::SLOT + 4 * v],
                           (const void *)from);
    }
}
/* Starts those of step t of x. */
template <int T, int ROWS, typename A, typename I>
DEVICE void copy_x(const affine &p, const A &s, const I &x_row, int64_t t)
{
    for (int i = (int)threadIdx.x; i < ROWS * (DEPTH / 8); i += THREADS) {
        const int   r = i / (DEPTH / 8), v = i % (DEPTH / 8);
        const bf16 *from = (const bf16 *)p.x + x_row[r] * p.step + t * DEPTH + 8 * v;
        copy_async<16>(&s[layout<T, ROWS>::X + ((int)(t % 2) * ROWS + r) * LINE + 4 * v], from);
    }
}

/* Step t of the weight in bf16, sixteen values to a thread at a time; zeros behind the last. */
template <int T, int ROWS, typename A>
DEVICE void decode_weights(const affine &p, const A &s, const char *w, int64_t j0, int64_t t)
{
    typedef layout<T, ROWS> L;
    typedef format<T>       F;
    const int64_t           c = t / (CHUNK / DEPTH), first = c * (CHUNK / F::values * F::bytes);
    for (int i = (int)threadIdx.x; i < shape<ROWS>::COLUMNS * (DEPTH / 16); i += THREADS) {
        const int     r = i / (DEPTH / 16), part = i % (DEPTH / 16);
        const int64_t at = t * DEPTH + 16 * part;
        const int     group = (int)(at % CHUNK) / 32, block = group / (F::values / 32);
        const char   *row = w + (j0 + r < p.n ? j0 + r : p.n - 1) * p.w_row;
        const int     skip = (int)((uintptr_t)(row + first) & 15);
        const auto    all =
            bytes_at<A>{s, L::RAW + ((int)(c % 2) * (int)shape<ROWS>::COLUMNS + r) * (int)L::SLOT, 0};
        float v[16] = {};
        if (at < p.k)
            quick_sixteen<T>(all.from(skip + block * F::bytes), group % (F::values / 32), part % 2, v);
        uint4 *to = (uint4 *)(void *)&s[L::W + r * LINE + 8 * part];
#pragma unroll
        for (int h = 0; h < 2; h++)
            to[h] = {packed<bf16>(v[8 * h], v[8 * h + 1]), packed<bf16>(v[8 * h + 2], v[8 * h + 3]),
                     packed<bf16>(v[8 * h + 4], v[8 * h + 5]), packed<bf16>(v[8 * h + 6], v[8 * h + 7])};
    }
}

/* What a warp has of a tile. */
template <int ROWS> struct sums_of {
    float v[shape<ROWS>::MT][shape<ROWS>::NT][4];
};

template <int T, int ROWS, typename A>
DEVICE void multiply_step(const A &s, int64_t t, int along, int across, int deep, sums_of<ROWS> &acc)
{
    typedef shape<ROWS>     S;
    typedef layout<T, ROWS> L;
    const int               lane = (int)threadIdx.x % 32, x = L::X + (int)(t % 2) * ROWS * LINE;
#pragma unroll
    for (int k = deep; k < DEPTH / 16; k += S::DEEP) {
        uint32_t a[S::MT][4];
#pragma unroll
        for (int i = 0; i < S::MT; i++)
            warp_load(a[i], &s[L::W + ((along * S::MT + i) * 16 + lane % 16) * LINE + 8 * k + lane / 16 * 4]);
#pragma unroll
        for (int j = 0; j < S::NT; j += 2) {
            uint32_t  b[4];
            const int row = (across * S::NT + j) * 8 + lane / 16 * 8 + lane % 8;
            warp_load(b, &s[x + row * LINE + 8 * k + lane / 8 % 2 * 4]);
#pragma unroll
            for (int i = 0; i < S::MT; i++) {
                warp_multiply(acc.v[i][j], a[i], b[0], b[1], bf16{0});
                warp_multiply(acc.v[i][j + 1], a[i], b[2], b[3], bf16{0});
            }
        }
    }
}

/* A tile's results in shared memory, which is free for them; warps that share the depth add theirs one after
 * the other. A row has a gap, as lanes write eight columns of four rows. */
template <int ROWS, typename A>
DEVICE void place_results(const A &s, int along, int across, int deep, const sums_of<ROWS> &acc)
{
    typedef shape<ROWS> S;
    const int           lane = (int)threadIdx.x % 32;
    for (int d = 0; d < S::DEEP; d++) {
        __syncthreads();
        if (deep != d) continue;
#pragma unroll
        for (int e = 0; e < S::MT * S::NT * 4; e++) {
            const int i = e / 4 / S::NT, j = e / 4 % S::NT, v = e % 4;
            const int column = (along * S::MT + i) * 16 + lane / 4 + v / 2 * 8;
            const int row = (across * S::NT + j) * 8 + 2 * (lane % 4) + v % 2;
            uint32_t &to = s[row * (S::COLUMNS + 4) + column];
            to = bits_of(d ? float_of(to) + acc.v[i][j][v] : acc.v[i][j][v]);
        }
    }
    __syncthreads();
}

template <int T, int ROWS>
__global__ void __launch_bounds__(THREADS, 1) tiles_kernel(const __grid_constant__ affine p)
{
    typedef shape<ROWS> S;
    SHARED_DYNAMIC(uint32_t, s);
    SHARED(int64_t, result, ROWS);
    SHARED(int64_t, x_row, ROWS);
    tile_rows tile;
    if (!find_tile(p, blockIdx.y, ROWS, &tile)) return;
    const int warp = (int)threadIdx.x / 32;
    const int along = warp % S::ALONG, across = warp / S::ALONG % S::ACROSS,
              deep = warp / S::ALONG / S::ACROSS;
    const int64_t j0 = (int64_t)blockIdx.x * S::COLUMNS, steps = (p.k + DEPTH - 1) / DEPTH;
    const expert  e = expert_of(p, tile.expert);
    for (int i = (int)threadIdx.x; i < ROWS; i += THREADS) {
        result[i] = result_of(p, tile.first + (i < tile.rows ? i : 0));
        x_row[i] = result[i] / p.repeats;
    }
    __syncthreads();
    sums_of<ROWS> acc = {};
    if (steps > 0) {
        copy_weights<T, ROWS>(p, s, e.w, j0, 0);
        copy_x<T, ROWS>(p, s, x_row, 0);
    }
    for (int64_t t = 0; t < steps; t++) {
        copy_async_commit();
        copy_async_wait<0>();
        __syncthreads(); /* step t is there, step t - 1 has been read */
        if (t + 1 < steps) copy_x<T, ROWS>(p, s, x_row, t + 1);
        if (t % (CHUNK / DEPTH) == 0 && (t / (CHUNK / DEPTH) + 1) * CHUNK < p.k)
            copy_weights<T, ROWS>(p, s, e.w, j0, t / (CHUNK / DEPTH) + 1);
        decode_weights<T, ROWS>(p, s, e.w, j0, t);
        __syncthreads();
        multiply_step<T, ROWS>(s, t, along, across, deep, acc);
    }
    place_results<ROWS>(s, along, across, deep, acc);
#pragma unroll 1
    for (int i = (int)threadIdx.x; i < (int)tile.rows * S::COLUMNS; i += THREADS) {
        const int     row = i / S::COLUMNS, column = i % S::COLUMNS;
        const int64_t to = j0 + column;
        if (to >= p.n) continue;
        float v = float_of(s[row * (S::COLUMNS + 4) + column]); /* no call, which would cost registers */
        if (p.bias) v += load<float>(p.bias, p.bias_dtype, e.bias + to);
        store(p.y, p.y_dtype, result[row] * p.n + to, v);
    }
}

template <int T, int ROWS> static wk_status tiles(const wk_call *k, const affine &p)
{
    /* experts leave up to one tile each unfilled */
    const int64_t more = p.first ? (p.experts < p.m ? p.experts : p.m) : 0,
                  rows = (p.m + ROWS - 1) / ROWS + more;
    const dim3 blocks(blocks_for(p.n, shape<ROWS>::COLUMNS), (unsigned)rows);
    return launch(k, tiles_kernel<T, ROWS>, blocks, THREADS, (size_t)layout<T, ROWS>::END * 4, p);
}
template <int T> static wk_status tiles_of(const wk_call *k, const affine &p, int64_t rows)
{
    if (rows <= 16) return tiles<T, 16>(k, p);
    if constexpr (T >= WK_q4_0)
        if (rows > 64) return tiles<T, 128>(k, p);
    return tiles<T, 64>(k, p);
}

wk_status wki_cuda_affine_tiles(const wk_call *k, const affine &p, int64_t rows)
{
#define TILES(t)                                                                                             \
    if (p.w_dtype == WK_##t) return tiles_of<WK_##t>(k, p, rows);
    WK_EACH_FORMAT(TILES)
    TILES(f16)
    TILES(bf16)
#undef TILES
    return WK_EDTYPE;
}
