/* Many rows of x times block-quantised weights on vectors of bytes: SSE, AVX2, AVX-512 without VNNI, NEON. */
#include "cpu/gemm_blocks.h"

#include "cpu/blocks_dot.h"
#include "cpu/codes8.h"
#include "cpu/cpu.h"

#if defined WK_BLOCKS_HERE

/* Rows of a tile, vectors and columns of it, groups of 32 values unpacked at a time. */
enum { NV = 2, NR = NV * W, GROUPS = 32 };
#if W == 16
#define MR 6
#elif defined __ARM_NEON
#define MR 4
#else
#define MR 4
#endif

/* 32 values of MR rows of x: fours of values, of all rows next to each other. */
struct rows32 {
    int32_t code[8 * MR];
    float   scale[2][MR], sum[3][MR]; /* per half; sums of codes times scales, the third of both halves */
};
/* The same of NR columns of w; where groups are of 32 the first scale and minimum count. */
struct columns32 {
    uint8_t code[8 * NR][4];
    float   d[2][NR], m[2][NR];
};

/* The place of four number j (of eight) of row or column i of n. The products of 8-bit matrices take eight
 * values of one row next to each other. */
INLINE int place(bool eights, int j, int i, int n)
{
    return eights ? j / 2 * 2 * n + 2 * i + j % 2 : j * n + i;
}

/* ---- rows of x ------------------------------------------------------------------------------- */

INLINE void pack_group(const float *v, bool eights, int r, struct rows32 *to)
{
    for (int h = 0; h < 2; h++) {
        int8_t  code[16];
        int32_t fours[4];
        quantise_group(v + 16 * h, code, &to->scale[h][r], &to->sum[h][r]);
        memcpy(fours, code, sizeof fours);
        for (int i = 0; i < 4; i++) to->code[place(eights, 4 * h + i, r, MR)] = fours[i];
    }
    to->sum[2][r] = to->sum[0][r] + to->sum[1][r];
}

/* ---- columns of w ---------------------------------------------------------------------------- */

/* Scales of 16 groups in the order of lanes, in W columns, to where they belong. */
INLINE void place_scales(const float (*lanes)[16], const uint8_t *order, int64_t groups, float *first)
{
    sums y[16];
    columns(lanes, sizeof *lanes, y);
    for (int lane = 0; lane < 16; lane++) {
        const int g = order[lane % 4 * 4 + lane / 4];
        if (g / 2 < groups)
            v_store(first + g / 2 * (int64_t)(sizeof(struct columns32) / sizeof(float)) + g % 2 * NR,
                    (vf)y[lane]);
    }
}

/* Fours number j of W columns. */
INLINE void place_fours(const sums *y, bool eights, int j, int v, uint8_t (*code)[4])
{
    if (!eights) {
        b_store(code[place(false, j, v * W, NR)], (vb)*y);
        return;
    }
    for (int l = 0; l < W; l++) memcpy(code[place(true, j, v * W + l, NR)], (const char *)y + 4 * l, 4);
}

/* How a unit multiplies: by kind and number of scales; what codes change by (their meaning does not); are
 * eight values of a row next to each other? */
typedef void (*micro_kernel)(const struct rows32 *, const struct columns32 *, int64_t, float *, bool);
struct unit {
    micro_kernel micro[3][2];
    int          flip;
    bool         eights;
};

/* What the weights' formats have of their own. */
static const struct format {
    unpack256 unpack;
    int16_t   block, offset, kind, parts;
} formats[WK_DTYPE_COUNT] = {
#define ROW(t, block, bytes, offset, kind, parts, order) [WK_##t] = {unpack_##t, block, offset, kind, parts},
    WK_BLOCK_FORMATS(ROW)
#undef ROW
};

/* 256 values of rows j0 .. j0 + n of w from `at` on. */
static void pack(const struct format *f, wk_tensor w, int64_t j0, int64_t n, int64_t at, const struct unit *u,
                 struct columns32 *to)
{
    const int64_t  left = w->shape[1] - at < 256 ? w->shape[1] - at : 256, groups = left / 32;
    const uint8_t *order = CPU(dot_order)(w->dtype);
    const bool     is_signed = f->kind == SIGNED;
    const int      flip = is_signed ? u->flip : 0;
    for (int v = 0; v < NV; v++) {
        uint8_t code[W][256];
        float   d[W][16], m[W][16];
        for (int i = 0; i < W; i++) {
            const int64_t   j = j0 + (v * W + i < n ? v * W + i : 0); /* beyond n nothing is used */
            struct codes256 c;
            f->unpack(address(w, j * w->stride[0] + at), left / f->block, &c);
            for (int s = 0; s < CODES; s++) b_store(code[i] + BYTES * s, c.v[s] ^ b_set(flip));
            for (int s = 0; s < SCALES; s++) {
                v_store(d[i] + W * s, c.d[s]);
                v_store(m[i] + W * s, is_signed   ? c.d[s] * v_set((float)-flip)
                                      : f->offset ? c.d[s] * v_set((float)-f->offset)
                                                  : c.m[s]);
            }
        }
        for (int s = 0; s < 16; s += 4) { /* slots */
            sums y[16];
            columns(code[0] + 16 * s, sizeof *code, y);
            for (int i = 0; i < 16; i++) {
                const int g = order[s + i / 4];
                if (g / 2 < groups) place_fours(&y[i], u->eights, g % 2 * 4 + i % 4, v, to[g / 2].code);
            }
        }
        place_scales((const float(*)[16])d, order, groups, to->d[0] + v * W);
        place_scales((const float(*)[16])m, order, groups, to->m[0] + v * W);
    }
}

/* ---- sums of sixteen products for each row and column ---------------------------------------- */

/* Four bytes, repeated. */
INLINE vb b_repeat(const int32_t *four)
{
    return (vb)(*four - (vi){0});
}

#if defined __ARM_NEON
INLINE void sixteen_pairs(enum kind kind, const int32_t *x, const uint8_t (*w)[4], sums (*s)[NV])
{
    int16x8_t a[MR][NV], b[MR][NV]; /* the lower and the upper half's products */
#pragma GCC unroll 4
    for (int q = 0; q < 4; q++) {
        vb code[NV];
#pragma GCC unroll 2
        for (int v = 0; v < NV; v++) code[v] = b_load(w[q * NR + v * W]);
#pragma GCC unroll 8
        for (int r = 0; r < MR; r++) {
            const int8x16_t four = (int8x16_t)b_repeat(x + q * MR + r);
#pragma GCC unroll 2
            for (int v = 0; v < NV; v++) {
                const int8x16_t c = (int8x16_t)code[v];
                if (q == 0 || kind == SIGNED) {
                    a[r][v] = vmull_s8(vget_low_s8(c), vget_low_s8(four));
                    b[r][v] = vmull_high_s8(c, four);
                } else {
                    a[r][v] = vmlal_s8(a[r][v], vget_low_s8(c), vget_low_s8(four));
                    b[r][v] = vmlal_high_s8(b[r][v], c, four);
                }
                if (kind == SIGNED || q == 3) {
                    const sums p = vpaddq_s32(vpaddlq_s16(a[r][v]), vpaddlq_s16(b[r][v]));
                    s[r][v] = kind == SIGNED && q ? vaddq_s32(s[r][v], p) : p;
                }
            }
        }
    }
}
#else
/* s (+)= the sums of two pairs each. */
INLINE sums doubled(bool add, sums s, sums pairs)
{
    const sums p = X86(madd_epi16)(pairs, TWO_TO_ONE);
    return add ? X86(add_epi32)(s, p) : p;
}
/* Pairs of products are 16-bit numbers: they hold the sum of eight products of narrow codes, four of medium
 * ones and two of signed ones. */
INLINE void sixteen_pairs(enum kind kind, const int32_t *x, const uint8_t (*w)[4], sums (*s)[NV])
{
    const int at_once = kind == NARROW ? 4 : kind == MEDIUM ? 2 : 1;
    sums      pairs[MR][NV];
#pragma GCC unroll 4
    for (int q = 0; q < 4; q++) {
        sums code[NV];
#pragma GCC unroll 2
        for (int v = 0; v < NV; v++) code[v] = (sums)b_load(w[q * NR + v * W]);
#pragma GCC unroll 8
        for (int r = 0; r < MR; r++) {
            const sums four = (sums)b_repeat(x + q * MR + r);
#pragma GCC unroll 2
            for (int v = 0; v < NV; v++) {
                const sums p = kind == SIGNED
                                   ? X86(maddubs_epi16)(X86(abs_epi8)(code[v]), turned(four, code[v]))
                                   : X86(maddubs_epi16)(code[v], four);
                pairs[r][v] = q % at_once ? X86(add_epi16)(pairs[r][v], p) : p;
                SETTLE(pairs[r][v]);
                if ((q + 1) % at_once) continue;
                s[r][v] = doubled(q >= at_once, s[r][v], pairs[r][v]);
                if (at_once < 4) SETTLE(s[r][v]);
            }
        }
    }
}
#endif

#if defined                WK_DOTS_TARGET
WK_DOTS_TARGET INLINE void sixteen_dots(enum kind kind, const int32_t *x, const uint8_t (*w)[4],
                                        sums (*s)[NV])
{
    (void)kind;
#pragma GCC unroll 4
    for (int q = 0; q < 4; q++) {
        vb code[NV];
#pragma GCC unroll 2
        for (int v = 0; v < NV; v++) code[v] = b_load(w[q * NR + v * W]);
#pragma GCC unroll 8
        for (int r = 0; r < MR; r++) {
            const vb four = b_repeat(x + q * MR + r);
#pragma GCC unroll 2
            for (int v = 0; v < NV; v++) {
                s[r][v] = dots(q ? s[r][v] : (sums)b_set(0), code[v], four);
                SETTLE(s[r][v]);
            }
        }
    }
}
#endif

#if defined                  WK_MATRIX_TARGET
WK_MATRIX_TARGET INLINE void sixteen_matrix(enum kind kind, const int32_t *x, const uint8_t (*w)[4],
                                            sums (*s)[NV])
{
    sums p[MR / 2][NR / 2]; /* two rows by two columns */
    (void)kind;
#pragma GCC unroll 2
    for (int q = 0; q < 2; q++) {
        int8x16_t rows[MR / 2];
#pragma GCC unroll 4
        for (int r = 0; r < MR / 2; r++) rows[r] = vld1q_s8((const int8_t *)(x + q * 2 * MR + 4 * r));
#pragma GCC unroll 8
        for (int j = 0; j < NR / 2; j++) {
            const int8x16_t code = (int8x16_t)b_load(w[q * 2 * NR + 4 * j]);
#pragma GCC unroll 4
            for (int r = 0; r < MR / 2; r++)
                p[r][j] = vmmlaq_s32(q ? p[r][j] : vdupq_n_s32(0), rows[r], code);
        }
    }
#pragma GCC unroll 4
    for (int r = 0; r < MR / 2; r++)
#pragma GCC unroll 2
        for (int v = 0; v < NV; v++) {
            const int64x2_t a = vreinterpretq_s64_s32(p[r][2 * v]),
                            b = vreinterpretq_s64_s32(p[r][2 * v + 1]);
            s[2 * r][v] = vreinterpretq_s32_s64(vzip1q_s64(a, b));
            s[2 * r + 1][v] = vreinterpretq_s32_s64(vzip2q_s64(a, b));
        }
}
#endif

/* ---- units ----------------------------------------------------------------------------------- */

#define UNIT(name) name##_pairs
#define TARGET
#define EIGHTS false
#define FLIP   0
#include "cpu/gemm_blocks_unit.h"
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
#include "cpu/gemm_blocks_unit.h"
#undef UNIT
#undef TARGET
#undef FLIP
#endif
#undef EIGHTS

#if defined WK_MATRIX_TARGET
#define UNIT(name) name##_matrix
#define TARGET     WK_MATRIX_TARGET
#define EIGHTS     true
#define FLIP       0
#include "cpu/gemm_blocks_unit.h"
#undef UNIT
#undef TARGET
#undef EIGHTS
#undef FLIP
#endif

static const struct unit *best_unit(unsigned features)
{
#if defined WK_MATRIX_TARGET
    if (features & WKI_CPU_I8MM) return &unit_matrix;
#endif
#if defined WK_DOTS_TARGET
    if (features & WK_DOTS_FEATURE) return &unit_dots;
#endif
    (void)features;
    return &unit_pairs;
}

static int64_t rows_bytes(int64_t m, int64_t k)
{
    return (m + MR - 1) / MR * (k / 32) * (int64_t)sizeof(struct rows32);
}

static void pack_rows(wk_tensor x, int64_t step, int64_t first, int64_t m, int64_t k, unsigned features,
                      void *to)
{
    const bool eights = best_unit(features)->eights;
    float      buffer[TILE];
    for (int r = 0; r < MR; r++) {
        struct rows32 *p = to;
        for (int64_t at = 0; at < k; at += TILE) {
            const int64_t n = k - at < TILE ? k - at : TILE;
            if (first + r < m) {
                const float *v = load_f32(x, (first + r) * step + at, n, buffer);
                for (int64_t i = 0; i < n; i += 32) pack_group(v + i, eights, r, p++);
            } else {
                memset(buffer, 0, 32 * sizeof *buffer);
                for (int64_t i = 0; i < n; i += 32) pack_group(buffer, eights, r, p++);
            }
        }
    }
}

static void panel(const void *rows, int64_t m, wk_tensor w, int64_t j0, int64_t n, unsigned features,
                  float *y, void *scratch)
{
    const struct unit   *u = best_unit(features);
    const struct format *f = &formats[w->dtype];
    const int64_t        groups = w->shape[1] / 32;
    for (int64_t j = 0; j < n; j += NR)
        for (int64_t at = 0; at < groups; at += GROUPS) {
            const int64_t        now = groups - at < GROUPS ? groups - at : GROUPS;
            const struct rows32 *x = (const struct rows32 *)rows + at;
            for (int64_t g = 0; g < now; g += 8)
                pack(f, w, j0 + j, n - j, 32 * (at + g), u, (struct columns32 *)scratch + g);
            for (int64_t i = 0; i < m; i += MR, x += groups)
                u->micro[f->kind][f->parts - 1](x, scratch, now, y + i * WKI_BLOCK_COLUMNS + j, at > 0);
        }
}
static size_t panel_bytes(void)
{
    return GROUPS * sizeof(struct columns32);
}

const struct wki_panels *CPU(block_panels)(wk_dtype t, unsigned features)
{
    static const struct wki_panels p = {MR, 264, rows_bytes, pack_rows, panel, panel_bytes};
    return features & WKI_CPU_BYTES && formats[t].unpack ? &p : NULL;
}

#else

const struct wki_panels *CPU(block_panels)(wk_dtype t, unsigned features)
{
    (void)t;
    (void)features;
    return NULL;
}

#endif
