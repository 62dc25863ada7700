/* Tiles of attention in f32: small products of rows, through shared memory. 256 threads; a thread has rows
 * row + 16 i and columns col + 16 j of a tile. */
#ifndef WK_CUDA_ATTEND_TILE_CUH
#define WK_CUDA_ATTEND_TILE_CUH

#include "cuda/attend.cuh"

enum { TILE = 64, DEPTH = 16, PER = 4, COLUMNS = 128, WIDE = COLUMNS / 16, STEP = TILE + 1 };
enum { BUFFER = 2 * DEPTH * STEP, SQUARE = TILE * STEP }; /* floats products pass through, floats of a tile */

/* Rows of a tensor: those of a group's queries (packed), or of one head. */
struct rows_of {
    const heads *x;
    int64_t      at, first, n; /* element where the head begins; first row; rows that exist from there on */
    bool         packed;
};

template <typename T> DEVICE float row_value(const attending &a, const rows_of &r, int64_t i, int column)
{
    const int64_t row = r.first + i;
    return value<T>(*r.x, (r.packed ? row_at(a, *r.x, r.at, row) : r.at + row * r.x->row) + column);
}

/* x += p q over `depth` columns of their rows. */
template <typename T, typename A>
DEVICE void product(const attending &a, A &buffer, const rows_of &p, const rows_of &q, int depth,
                    float (&x)[PER][PER])
{
    const int row = (int)threadIdx.x / 16, col = (int)threadIdx.x % 16;
    for (int d0 = 0; d0 < depth; d0 += DEPTH) {
        __syncthreads();
        for (int e = (int)threadIdx.x; e < DEPTH * TILE; e += (int)blockDim.x) {
            const int  d = e % DEPTH, i = e / DEPTH;
            const bool in = d0 + d < depth;
            buffer[d * STEP + i] = in && i < p.n ? row_value<T>(a, p, i, d0 + d) : 0.0f;
            buffer[(DEPTH + d) * STEP + i] = in && i < q.n ? row_value<T>(a, q, i, d0 + d) : 0.0f;
        }
        __syncthreads();
#pragma unroll 4
        for (int d = 0; d < DEPTH; d++) {
            float vp[PER], vq[PER];
#pragma unroll
            for (int i = 0; i < PER; i++) {
                vp[i] = buffer[d * STEP + row + 16 * i];
                vq[i] = buffer[(DEPTH + d) * STEP + col + 16 * i];
            }
#pragma unroll
            for (int i = 0; i < PER; i++)
#pragma unroll
                for (int j = 0; j < PER; j++) x[i][j] = fmaf(vp[i], vq[j], x[i][j]);
        }
    }
}

/* Scores to what the softmax takes: scaled, capped, masked; slope: of the cap, where it is wanted. */
DEVICE void limit(const attending &a, const sight &s, int64_t mask, int64_t row0, int64_t key0,
                  float (&x)[PER][PER], float (*slope)[PER])
{
    const int row = (int)threadIdx.x / 16, col = (int)threadIdx.x % 16;
#pragma unroll
    for (int i = 0; i < PER; i++) {
        const int64_t r = row0 + row + 16 * i, t = r / a.rep;
        const int64_t from = first_seen(a, s, t), to = r < a.rows ? last_seen(a, s, t) : 0;
        const int64_t at = a.mask.data && r < a.rows ? row_at(a, a.mask, mask, r) : 0;
#pragma unroll
        for (int j = 0; j < PER; j++) {
            const int64_t key = key0 + col + 16 * j;
            float         v = x[i][j] * a.scale;
            if (a.softcap > 0.0f) v = capped(v, a.softcap);
            if (slope) slope[i][j] = a.softcap > 0.0f ? 1.0f - v / a.softcap * (v / a.softcap) : 1.0f;
            if (key < from || key >= to)
                v = -INFINITY;
            else if (a.mask.data)
                v = with_any_mask(a, at, key, v);
            x[i][j] = v;
        }
    }
}

/* o += w x, over the rows of x, columns c0 .. c0 + width. Weight of row i of o and row k of x: at
 * i * STEP + k in w, or, turned, at k * STEP + i. */
template <typename T, bool TURNED, typename A, typename B>
DEVICE void accumulate(const attending &a, A &w, B &buffer, const rows_of &x, int c0, int width,
                       float (&o)[PER][WIDE])
{
    const int row = (int)threadIdx.x / 16, col = (int)threadIdx.x % 16;
    for (int k0 = 0; k0 < TILE && k0 < x.n; k0 += DEPTH) {
        __syncthreads();
        for (int e = (int)threadIdx.x; e < DEPTH * COLUMNS; e += (int)blockDim.x) {
            const int k = k0 + e / COLUMNS, c = e % COLUMNS;
            if (c < width) buffer[e] = k < x.n ? row_value<T>(a, x, k, c0 + c) : 0.0f;
        }
        __syncthreads();
#pragma unroll 2
        for (int k = 0; k < DEPTH; k++) {
            float v[PER];
#pragma unroll
            for (int i = 0; i < PER; i++)
                v[i] = w[TURNED ? (k0 + k) * STEP + row + 16 * i : (row + 16 * i) * STEP + k0 + k];
#pragma unroll
            for (int j = 0; j < WIDE; j++) {
                if (16 * j >= width) break;
                const float f = col + 16 * j < width ? buffer[k * COLUMNS + col + 16 * j] : 0.0f;
#pragma unroll
                for (int i = 0; i < PER; i++) o[i][j] = fmaf(v[i], f, o[i][j]);
            }
        }
    }
    __syncthreads();
}

#endif
