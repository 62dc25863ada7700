/* Few rows of x times block-quantised weights on vectors of bytes: SSE, AVX2, AVX-512 without VNNI, NEON. */
#include "cpu/blocks_dot.h"
#include "cpu/cpu.h"

#if defined WK_BLOCKS_HERE

enum { MOST_ROWS = 8 };

/* As many rows of x as the function is for. */
typedef void (*rows_at_once)(unpack256 f, int block, int bytes, int offset, const char *w, int64_t row_bytes,
                             int64_t n, const struct chunk *x, int64_t k, float *y, int64_t y_step);

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
    struct dot d = {NULL, {.step = {0, 1, 2, 3}, .sum = 1}};
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
