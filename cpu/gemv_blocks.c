/* Few rows of x times block-quantised weights on vectors of bytes: SSE, AVX2, AVX-512 without VNNI, NEON. */
#include "cpu/blocks_dot.h"
#include "cpu/cpu.h"

#if defined WK_BLOCKS_HERE

enum { MOST_ROWS = 8, RUN = 8 };
/* From so many rows of x on all formats of a kind share one loop, which calls theirs to unpack RUN chunks. */
#if defined __AVX2__ && !defined __AVX512F__
#define FEWEST_ROWS 4
#else
#define FEWEST_ROWS 2
#endif

/* 256 weights ready for products: words under their slots' scales, the scales, the minima. */
struct words {
    vb w[SCALES][4];
    vf d[SCALES], m[SCALES];
};

INLINE void words_of(unpack256 f, int64_t blocks, int offset, enum kind kind, int flip, const char *p,
                     struct words *to)
{
    struct codes256 c;
    f(p, blocks, &c);
    for (int L = 0; L < SCALES; L++) {
        sums t[4];
        for (int j = 0; j < 4; j++) t[j] = (sums)c.v[j * SCALES + L];
        transposed(t); /* products add up under their slot's scale */
        for (int j = 0; j < 4; j++) to->w[L][j] = kind == SIGNED ? (vb)t[j] ^ b_set(flip) : (vb)t[j];
        to->d[L] = c.d[L];
        to->m[L] = kind == SIGNED ? c.d[L] * v_set((float)-flip)
                   : offset       ? c.d[L] * v_set((float)-offset)
                                  : c.m[L];
    }
}

/* n chunks of a row from p on; of chunk number `full` there are only `rest` bytes. */
typedef void (*unpack_run)(const char *p, int64_t n, int64_t full, int64_t rest, int flip, struct words *to);
INLINE void unpack_each(unpack256 f, int block, int bytes, int offset, enum kind kind, const char *p,
                        int64_t n, int64_t full, int64_t rest, int flip, struct words *to)
{
    const int per = 256 / block;
    for (int64_t t = 0; t < n; t++, p += per * bytes) {
        const char *from = p;
        char        part[320]; /* what is missing counts as zeros: one step serves both */
        if (t == full) from = memset(part, 0, sizeof part), memcpy(part, p, (size_t)rest);
        for (int line = 0; line < per * bytes; line += 64) __builtin_prefetch(p + 2048 + line);
        words_of(f, per, offset, kind, flip, from, to + t);
    }
}
#define RUNS(t, block, bytes, offset, kind, parts, order)                                                    \
    INLINE void each_##t(const char *p, int64_t n, int64_t full, int64_t rest, int flip, struct words *to)   \
    {                                                                                                        \
        unpack_each(unpack_##t, block, bytes, offset, kind, p, n, full, rest, flip, to);                     \
    }                                                                                                        \
    static void run_##t(const char *p, int64_t n, int64_t full, int64_t rest, int flip, struct words *to)    \
    {                                                                                                        \
        each_##t(p, n, full, rest, flip, to);                                                                \
    }
WK_BLOCK_FORMATS(RUNS)
#undef RUNS

/* As many rows of x as the function is for. */
typedef void (*rows_at_once)(unpack_run f, int64_t run_bytes, int64_t full, int64_t rest, const char *w,
                             int64_t row_bytes, int64_t n, const struct chunk *x, int64_t chunks, float *y,
                             int64_t y_step);

#define UNIT(name) name##_pairs
#define TARGET
#define FLIP 0
#include "cpu/gemv_blocks_unit.h"
#undef UNIT
#undef TARGET
#undef FLIP

#if defined WK_DOTS_TARGET
#define UNIT(name) name##_dots
#define TARGET     WK_DOTS_TARGET
#if defined __ARM_NEON
#define FLIP 0
#else
#define FLIP 128 /* one operand has no sign */
#endif
#include "cpu/gemv_blocks_unit.h"
#undef UNIT
#undef TARGET
#undef FLIP
#endif

struct dot CPU(dot_bytes)(wk_dtype t, unsigned features)
{
    struct dot d = {.form = {.step = {0, 1, 2, 3}, .sum = 1}};
    if (!(features & WKI_CPU_BYTES) || !table_pairs[t]) return d;
    for (int s = 0; s < 16; s++) d.form.start[s % 4 * 4 + s / 4] = (uint8_t)(4 * CPU(dot_order)(t)[s]);
    d.rows = table_pairs[t];
#if defined WK_DOTS_TARGET
    if (features & WK_DOTS_FEATURE) d.rows = table_dots[t];
#endif
    return d;
}

#else

struct dot CPU(dot_bytes)(wk_dtype t, unsigned features)
{
    (void)t;
    (void)features;
    return (struct dot){0};
}

#endif

const uint8_t *CPU(dot_order)(wk_dtype t)
{
    static const uint8_t plain[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    static const uint8_t blocks[16] = {0, 2, 4, 6, 1, 3, 5, 7, 8, 10, 12, 14, 9, 11, 13, 15};
    static const uint8_t k2[16] = {0, 1, 8, 9, 2, 3, 10, 11, 4, 5, 12, 13, 6, 7, 14, 15};
    static const uint8_t k4[16] = {0, 1, 4, 5, 2, 3, 6, 7, 8, 9, 12, 13, 10, 11, 14, 15};
#define ORDER(t, block, bytes, offset, kind, parts, order) [WK_##t] = order,
    static const uint8_t *const table[WK_DTYPE_COUNT] = {WK_BLOCK_FORMATS(ORDER)};
    return table[t];
}
