/* Many rows of x times block-quantised weights on vectors of bytes: SSE, AVX2, AVX-512 without VNNI, NEON. */
#include "cpu/gemm_blocks.h"

#include "cpu/blocks_dot.h"
#include "cpu/cpu.h"

#if defined WK_BLOCKS_HERE

/* Vectors and columns of a panel, chunks of 256 values unpacked at a time, rows of a tile at most. */
enum { NV = 2, NR = NV * W, CHUNKS = 4, MOST_ROWS = 6 };

/* 256 values of NR columns: by lanes of scales, then by fours of values, of a column next to each other. */
struct panel {
    uint8_t code[16][4][NV][BYTES];
    float   d[16][NR], m[16][NR];
};

/* n rows of w of so many blocks. */
struct source {
    const char *w;
    int64_t     row_bytes, n, blocks;
    int         per, bytes;
};

/* Four bytes, repeated. */
INLINE vb b_repeat(const int8_t *p)
{
    int32_t four;
    memcpy(&four, p, sizeof four);
    return (vb)(four - (vi){0});
}

/* ---- panels ---------------------------------------------------------------------------------- */

/* W rows of 16 columns of 32 bits, `step` bytes apart, as columns. */
INLINE void columns(const void *rows, int64_t step, sums *y)
{
    for (int i = 0; i < 16; i += 4) {
        for (int a = 0; a < 4; a++)
            y[i + a] = (sums)b_quarters((const char *)rows + a * step + 4 * i, 0, 4, (int)(4 * step));
        transposed(y + i);
    }
}

/* Chunk number `at` of columns j0 ...: codes change by `flip`, which must not change what is meant. */
INLINE void pack(unpack256 f, int offset, enum kind kind, const struct source *from, int64_t j0, int64_t at,
                 int flip, struct panel *to)
{
    const int64_t first = at * from->per, left = from->blocks - first,
                  n = left < from->per ? left : from->per;
    for (int v = 0; v < NV; v++) {
        uint8_t code[W][256];
        float   d[W][16], m[W][16];
        sums    y[16];
        for (int i = 0; i < W; i++) {
            const int64_t j =
                j0 + v * W + i < from->n ? j0 + v * W + i : j0; /* what lies beyond is not used */
            struct codes256 c;
            f(from->w + j * from->row_bytes + first * from->bytes, n < from->per ? n : from->per, &c);
            for (int s = 0; s < CODES; s++) b_store(code[i] + BYTES * s, c.v[s] ^ b_set(flip));
            for (int s = 0; s < SCALES; s++) {
                v_store(d[i] + W * s, c.d[s]);
                v_store(m[i] + W * s, kind == SIGNED ? c.d[s] * v_set((float)-flip)
                                      : offset       ? c.d[s] * v_set((float)-offset)
                                                     : c.m[s]);
            }
        }
        for (int s = 0; s < 16; s += 4) { /* slots */
            columns(code[0] + 16 * s, sizeof *code, y);
            for (int i = 0; i < 16; i++) b_store(to->code[i / 4 * 4 + s / 4][i % 4][v], (vb)y[i]);
        }
        columns(d, sizeof *d, y);
        for (int i = 0; i < 16; i++) v_store(to->d[i] + v * W, (vf)y[i]);
        columns(m, sizeof *m, y);
        for (int i = 0; i < 16; i++) v_store(to->m[i] + v * W, (vf)y[i]);
    }
}

#define PACK(t, block, bytes, offset, kind, order)                                                           \
    static void pack_##t(const struct source *from, int64_t j0, int64_t at, int flip, struct panel *to)      \
    {                                                                                                        \
        pack(unpack_##t, offset, kind, from, j0, at, flip, to);                                              \
    }
WK_BLOCK_FORMATS(PACK)

/* ---- sums of sixteen products for each column ------------------------------------------------ */

/* Product number q of four for each 32-bit lane. */
#if defined __ARM_NEON
INLINE void products_pairs(enum kind kind, int q, vb w, vb x, sums *s, sums *other)
{
    const int8x16_t a = (int8x16_t)w, b = (int8x16_t)x;
    const int8x8_t  a0 = vget_low_s8(a), b0 = vget_low_s8(b);
    if (kind == SIGNED) {
        const int32x4_t zero = vdupq_n_s32(0);
        *s = vpadalq_s16(q ? *s : zero, vmull_s8(a0, b0));
        *other = vpadalq_s16(q ? *other : zero, vmull_high_s8(a, b));
    } else {
        *s = (sums)(q ? vmlal_s8((int16x8_t)*s, a0, b0) : vmull_s8(a0, b0));
        *other = (sums)(q ? vmlal_high_s8((int16x8_t)*other, a, b) : vmull_high_s8(a, b));
    }
}
INLINE sums total_pairs(enum kind kind, sums s, sums other)
{
    if (kind == SIGNED) return vpaddq_s32(s, other);
    return vpaddq_s32(vpaddlq_s16((int16x8_t)s), vpaddlq_s16((int16x8_t)other));
}
#else
INLINE void products_pairs(enum kind kind, int q, vb w, vb x, sums *s, sums *other)
{
    const sums one = TWO_TO_ONE;
    if (kind == SIGNED) {
        const sums p = X86(maddubs_epi16)(X86(abs_epi8)((sums)w), turned((sums)x, (sums)w));
        *s = q ? X86(add_epi32)(*s, X86(madd_epi16)(p, one)) : X86(madd_epi16)(p, one);
        return;
    }
    const sums p = X86(maddubs_epi16)((sums)w, (sums)x);
    if (kind == NARROW)
        *s = q ? X86(add_epi16)(*s, p) : p;
    else if (q % 2 == 0)
        *other = p;
    else
        *s = q == 1 ? X86(madd_epi16)(X86(add_epi16)(*other, p), one)
                    : X86(add_epi32)(*s, X86(madd_epi16)(X86(add_epi16)(*other, p), one));
}
INLINE sums total_pairs(enum kind kind, sums s, sums other)
{
    (void)other;
    return kind == NARROW ? X86(madd_epi16)(s, TWO_TO_ONE) : s;
}
#endif

#if defined                WK_DOTS_TARGET
WK_DOTS_TARGET INLINE void products_dots(enum kind kind, int q, vb w, vb x, sums *s, sums *other)
{
    (void)kind;
    (void)other;
    *s = dots(q ? *s : (sums)b_set(0), w, x);
}
INLINE sums total_dots(enum kind kind, sums s, sums other)
{
    (void)kind;
    (void)other;
    return s;
}
#endif

/* ---- units ----------------------------------------------------------------------------------- */

#define UNIT(name) name##_pairs
#define TARGET
#define FLIP 0
#define ROWS (W == 16 ? 6 : 3)
#include "cpu/gemm_blocks_unit.h"
#undef UNIT
#undef TARGET
#undef FLIP
#undef ROWS

#if defined WK_DOTS_TARGET
#define UNIT(name) name##_dots
#define TARGET     WK_DOTS_TARGET
#if defined __ARM_NEON
#define FLIP 0
#define ROWS 6
#else
#define FLIP 128 /* one operand has no sign */
#define ROWS 3
#endif
#include "cpu/gemm_blocks_unit.h"
#undef UNIT
#undef TARGET
#endif

wki_block_panel CPU(block_panel)(wk_dtype t, unsigned features)
{
    if (!(features & WKI_CPU_BYTES)) return NULL;
#if defined WK_DOTS_TARGET
    if (features & WK_DOTS_FEATURE) return table_dots[t];
#endif
    return table_pairs[t];
}
size_t CPU(block_panel_bytes)(void)
{
    return CHUNKS * sizeof(struct panel);
}

#else

wki_block_panel CPU(block_panel)(wk_dtype t, unsigned features)
{
    (void)t;
    (void)features;
    return NULL;
}
size_t CPU(block_panel_bytes)(void)
{
    return 0;
}

#endif
