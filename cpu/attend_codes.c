/* Attention for few query rows with keys or values in q8_0 or q4_0: integer dot products (AVX512-VNNI) on the
 * codes as they lie in the cache. Queries and weights become integers of 15 bits, so that what is lost is what
 * the cache lost. Rows of four bytes of sixteen keys are turned, so that sums need no folding. */
#include "cpu/attend_tile.h"

#include "cpu/quant.h"

#if defined __AVX512F__

#define VNNI        __attribute__((target("avx512vnni")))
#define INLINE_VNNI VNNI INLINE

#define PART 4     /* query rows that go together */
#define MOST 16256 /* the largest query code: 127 * 128 */

/* A query row's codes are 128 high + low; the sums make up for keys being counted from 0 on. */
struct query {
    int8_t *high, *low; /* [d] */
    int32_t *offset;    /* per block: 128 high sums + low sums */
    float   *scale;     /* [1] */
};

INLINE int64_t query_bytes(const struct attend *a)
{
    return 2 * a->d + whole(a->d / 32, 16) * 4 + 64;
}

int64_t CPU(code_floats)(const struct attend *a, int64_t rows)
{
    return rows * query_bytes(a) / 4 + KEYS * (a->d + a->dv) / 32;
}

INLINE struct query query_row(const struct tile *t, int64_t r)
{
    int8_t *at = (int8_t *)(void *)t->own + r * query_bytes(t->a);
    return (struct query){.high = at,
                          .low = at + t->a->d,
                          .offset = (int32_t *)(void *)(at + 2 * t->a->d),
                          .scale = (float *)(void *)(at + query_bytes(t->a) - 64)};
}

void CPU(code_start)(const struct tile *t)
{
    const struct attend *a = t->a;
    for (int64_t r = 0; r < t->rows; r++) {
        const struct query q = query_row(t, r);
        const float       *row = t->q + r * a->dp;
        float              most = 0.0f, check = 0.0f;
        for (int64_t i = 0; i < a->d; i++) {
            const float size = fabsf(row[i]);
            most = size > most ? size : most;
            check += row[i] * 0.0f;
        }
        const float inverse = most > 1e-30f && check == 0.0f ? MOST / most : 0.0f;
        *q.scale = most / MOST + check;
        for (int64_t b = 0; b < a->d / 32; b++) {
            int32_t high = 0, low = 0;
            for (int64_t i = 32 * b; i < 32 * b + 32; i++) {
                const int32_t code = (int32_t)lrintf(row[i] * inverse), up = (code + 64) >> 7;
                q.high[i] = (int8_t)up;
                q.low[i] = (int8_t)(code - up * 128);
                high += q.high[i];
                low += q.low[i];
            }
            q.offset[b] = 128 * high + low;
        }
    }
}
