/* Many rows of x times f16 or bf16 weights in 16-bit integers, on x86: both sides become codes of 13 bits
 * with a scale per 64 values. That is finer than bf16, and a product of pairs does twice what a multiply-
 * add of floats does. */
#include "cpu/blocks_dot.h"
#include "cpu/cpu.h"
#include "cpu/gemm_blocks.h"

#if defined WK_BLOCKS_HERE && !defined __ARM_NEON

/* Vectors and columns of a tile, values under one scale, groups of them unpacked at a time, rows of a
 * tile. */
enum { NV = 2, NR = NV * W, GROUP = 64, PAIRED = GROUP / 2, GROUPS = 8 };
#if W == 16
#define MR 12
#elif W == 8
#define MR 6
#else
#define MR 4
#endif

/* 64 products of two such codes stay below 2^31. */
#define MOST_CODE 4095.0f

/* 64 values of MR rows of x: pairs of values, of all rows next to each other. */
struct rows64 {
    int32_t code[PAIRED * MR];
    float   scale[MR];
};
/* The same of NR columns of w. */
struct columns64 {
    int32_t code[PAIRED][NR];
    float   d[NR];
};

/* 64 values as pairs of codes, and their scale. As quantise_group of cpu/codes8.h. */
INLINE void quantise_pairs(const float *v, int32_t *pairs, float *scale)
{
    const __m128i magnitude = _mm_set1_epi32(0x7fffffff);
    __m128i       q[GROUP / 4], most = _mm_setzero_si128();
    for (int i = 0; i < GROUP / 4; i++)
        most = _mm_max_epi32(most, _mm_and_si128(_mm_castps_si128(_mm_loadu_ps(v + 4 * i)), magnitude));
    most = _mm_max_epi32(most, _mm_shuffle_epi32(most, 0x4e));
    most = _mm_max_epi32(most, _mm_shuffle_epi32(most, 0xb1));
    const __m128 largest = _mm_castsi128_ps(most), finite = _mm_cmplt_ps(largest, _mm_set1_ps(INFINITY));
    const __m128 fine = _mm_and_ps(finite, _mm_cmpgt_ps(largest, _mm_set1_ps(1e-33f)));
    const __m128 up = _mm_div_ps(_mm_set1_ps(MOST_CODE), largest);
    for (int i = 0; i < GROUP / 4; i++)
        q[i] =
            _mm_and_si128(_mm_cvtps_epi32(_mm_mul_ps(_mm_loadu_ps(v + 4 * i), up)), _mm_castps_si128(fine));
    for (int i = 0; i < GROUP / 8; i++)
        _mm_storeu_si128((__m128i *)(void *)(pairs + 4 * i), _mm_packs_epi32(q[2 * i], q[2 * i + 1]));
    _mm_store_ss(scale, _mm_or_ps(_mm_and_ps(fine, _mm_mul_ps(largest, _mm_set1_ps(1.0f / MOST_CODE))),
                                  _mm_andnot_ps(finite, _mm_set1_ps(NAN))));
}

/* n <= TILE values from element `at` as f32, zeros after them up to a multiple of 64. */
INLINE const float *padded(wk_tensor x, int64_t at, int64_t n, float *buffer)
{
    const float *v = load_f32(x, at, n, buffer);
    if (n % GROUP == 0) return v;
    if (v != buffer) memcpy(buffer, v, (size_t)n * sizeof *v);
    for (int64_t i = n; i % GROUP; i++) buffer[i] = 0.0f;
    return buffer;
}

static int64_t groups_of(int64_t k)
{
    return (k + GROUP - 1) / GROUP;
}
static int64_t rows_bytes(int64_t m, int64_t k)
{
    return (m + MR - 1) / MR * groups_of(k) * (int64_t)sizeof(struct rows64);
}

static void pack_rows(wk_tensor x, int64_t step, int64_t first, int64_t m, int64_t k, unsigned features,
                      void *to)
{
    float   buffer[TILE];
    int32_t pairs[PAIRED];
    (void)features;
    for (int r = 0; r < MR; r++) {
        struct rows64 *p = to;
        for (int64_t at = 0; at < k; at += TILE) {
            const int64_t n = k - at < TILE ? k - at : TILE;
            const float  *v = buffer;
            if (first + r < m)
                v = padded(x, (first + r) * step + at, n, buffer);
            else
                memset(buffer, 0, sizeof buffer);
            for (int64_t i = 0; i < n; i += GROUP, p++) {
                quantise_pairs(v + i, pairs, &p->scale[r]);
                for (int j = 0; j < PAIRED; j++) p->code[j * MR + r] = pairs[j];
            }
        }
    }
}

/* Values from `at` on, `groups` groups of 64, of rows j0 .. j0 + n of w. */
static void pack_columns(wk_tensor w, int64_t j0, int64_t n, int64_t at, int64_t groups, struct columns64 *to)
{
    _Static_assert(GROUPS * GROUP <= TILE, "a row's share fits a buffer");
    const int64_t left = w->shape[1] - at, len = left < groups * GROUP ? left : groups * GROUP;
    for (int v = 0; v < NV; v++) {
        int32_t pairs[GROUPS][W][PAIRED];
        float   buffer[TILE];
        for (int i = 0; i < W; i++) {
            const int64_t j = j0 + (v * W + i < n ? v * W + i : 0); /* beyond n nothing is used */
            const float  *values = padded(w, j * w->stride[0] + at, len, buffer);
            for (int64_t g = 0; g < groups; g++)
                quantise_pairs(values + GROUP * g, pairs[g][i], &to[g].d[v * W + i]);
        }
        for (int64_t g = 0; g < groups; g++) {
            for (int h = 0; h < PAIRED; h += 16) {
                sums y[16];
                columns(pairs[g][0] + h, sizeof pairs[g][0], y);
                for (int j = 0; j < 16; j++) b_store(&to[g].code[h + j][v * W], (vb)y[j]);
            }
        }
    }
}

/* ---- units ----------------------------------------------------------------------------------- */

#define UNIT(name) name##_pairs
#define TARGET
#define PAIRS(s, w, x) X86(add_epi32)(s, X86(madd_epi16)(w, x))
#include "cpu/gemm_words_unit.h"
#undef UNIT
#undef TARGET
#undef PAIRS

#if W == 16
#define UNIT(name)     name##_dots
#define TARGET         __attribute__((target("avx512vnni")))
#define PAIRS(s, w, x) _mm512_dpwssd_epi32(s, w, x)
#define WITH_DOTS      WKI_CPU_VNNI
#include "cpu/gemm_words_unit.h"
#elif W == 8
#define UNIT(name)     name##_dots
#define TARGET         WK_DOTS_TARGET
#define PAIRS(s, w, x) _mm256_dpwssd_avx_epi32(s, w, x)
#define WITH_DOTS      WKI_CPU_AVX_VNNI
#include "cpu/gemm_words_unit.h"
#endif

static void panel(const void *rows, int64_t m, wk_tensor w, int64_t j0, int64_t n, unsigned features,
                  float *y, void *scratch)
{
    const int64_t groups = groups_of(w->shape[1]);
    (void)features;
    for (int64_t j = 0; j < n; j += NR)
        for (int64_t at = 0; at < groups; at += GROUPS) {
            const int64_t        now = groups - at < GROUPS ? groups - at : GROUPS;
            const struct rows64 *x = (const struct rows64 *)rows + at;
            pack_columns(w, j0 + j, n - j, GROUP * at, now, scratch);
            for (int64_t i = 0; i < m; i += MR, x += groups) {
                float *c = y + i * WKI_BLOCK_COLUMNS + j;
#if defined WITH_DOTS
                if (features & WITH_DOTS) {
                    micro_dots(x, scratch, now, c, at > 0);
                    continue;
                }
#endif
                micro_pairs(x, scratch, now, c, at > 0);
            }
        }
}
static size_t panel_bytes(void)
{
    return GROUPS * sizeof(struct columns64);
}

const struct wki_panels *CPU(word_panels)(wk_dtype t, unsigned features)
{
    static const struct wki_panels p = {MR, 528, rows_bytes, pack_rows, panel, panel_bytes};
    return features & WKI_CPU_BYTES && (t == WK_f16 || t == WK_bf16) ? &p : NULL;
}

#else

const struct wki_panels *CPU(word_panels)(wk_dtype t, unsigned features)
{
    (void)t;
    (void)features;
    return NULL;
}

#endif
