/* Products of block-quantised weights with many rows of x through 8-bit integer dot products (AVX-512 VNNI):
 * the codes of a panel of columns are unpacked once and used for all rows. */
#include "cpu/gemm_i8.h"

#include "cpu/codes.h"
#include "cpu/cpu.h"

#if defined __AVX512F__

#define MR WKI_I8_ROWS
#define NR WKI_I8_COLUMNS

/* A group of 32 values of MR rows of x. A four-byte step of a row is what one instruction takes. */
struct xgroup {
    int32_t code[8][MR];
    float   scale[2][MR]; /* per half of the group */
    union {
        int32_t start[2][MR]; /* codes' sum times what the weights' codes are counted from, negative */
        float   sum[2][MR];   /* codes' sum times their scale, for weights with minima */
    };
};
/* The same group of NR columns of w. */
struct wgroup {
    int8_t code[8][NR][4];
    float  d[2][NR]; /* per half; where groups are of 32 the first counts */
};
struct minima {
    float m[2][NR];
};

static const struct format {
    unpacker       unpack;
    const uint8_t *order;
    int16_t        block, bytes, offset, group;
} formats[WK_DTYPE_COUNT] = {
#define ROW(t, block, bytes, offset, order)                                                                  \
    [WK_##t] = {unpack_##t, order_##order, block, bytes, offset, group_##t},
    FORMATS(ROW)};

int CPU(i8_offset)(wk_dtype t, unsigned features)
{
    return features & WKI_CPU_VNNI && formats[t].unpack ? formats[t].offset : -1;
}
int CPU(i8_parts)(wk_tensor w)
{
    return formats[w->dtype].group == 16 || w->shape[0] <= w->shape[1] / 2 ? 2 : 1;
}
bool CPU(i8_same)(wk_tensor a, wk_tensor b)
{
    const struct format *f = &formats[a->dtype], *g = &formats[b->dtype];
    return f->offset == g->offset && f->group == g->group && CPU(i8_parts)(a) == CPU(i8_parts)(b);
}
int64_t CPU(i8_rows_bytes)(int64_t m, int64_t k)
{
    return (m + MR - 1) / MR * (k / 32) * (int64_t)sizeof(struct xgroup);
}
int64_t CPU(i8_panel_bytes)(int64_t k)
{
    return k / 32 * (int64_t)(sizeof(struct wgroup) + sizeof(struct minima));
}

/* ---- x --------------------------------------------------------------------------------------- */

/* Half a group of 32 or, with n = 32, all of it. */
INLINE void quantise(const float *v, const int n, int r, int h, int offset, struct xgroup *to)
{
    const __m512  a = _mm512_loadu_ps(v), b = n == 32 ? _mm512_loadu_ps(v + 16) : _mm512_setzero_ps();
    const __m512i magnitude = _mm512_set1_epi32(0x7fffffff);
    /* as integers magnitudes keep their order, and NaN is the largest */
    const int32_t most =
        _mm512_reduce_max_epi32(_mm512_max_epi32(_mm512_and_si512(_mm512_castps_si512(a), magnitude),
                                                 _mm512_and_si512(_mm512_castps_si512(b), magnitude)));
    float largest;
    memcpy(&largest, &most, sizeof largest);
    const bool fine = largest > 1e-35f && largest < INFINITY;
    /* zeros or next to it; or infinite or NaN, which must show */
    const float   scale = fine ? largest / 127.0f : largest < INFINITY ? 0.0f : NAN;
    const __m512  up = _mm512_set1_ps(fine ? 127.0f / largest : 0.0f);
    const __m512i p = fine ? _mm512_cvtps_epi32(_mm512_mul_ps(a, up)) : _mm512_setzero_si512();
    const __m512i q = fine ? _mm512_cvtps_epi32(_mm512_mul_ps(b, up)) : _mm512_setzero_si512();
    int32_t       words[8];
    _mm_storeu_si128((__m128i *)(void *)words, _mm512_cvtepi32_epi8(p));
    _mm_storeu_si128((__m128i *)(void *)(words + 4), _mm512_cvtepi32_epi8(q));
    for (int i = 0; i < n / 4; i++) to->code[4 * h + i][r] = words[i];
    to->scale[h][r] = scale;
    const int32_t sum = _mm512_reduce_add_epi32(_mm512_add_epi32(p, q));
    if (offset)
        to->start[h][r] = -offset * sum;
    else
        to->sum[h][r] = scale * (float)sum;
}

static void quantise_row(const float *v, int64_t n, int r, const struct format *f, int parts,
                         struct xgroup *to)
{
    for (const float *end = v + n; v < end; v += 32, to++) {
        if (parts == 1) {
            quantise(v, 32, r, 0, f->offset, to);
            continue;
        }
        quantise(v, 16, r, 0, f->offset, to);
        quantise(v + 16, 16, r, 1, f->offset, to);
        if (!f->offset && f->group == 32) to->sum[0][r] += to->sum[1][r]; /* one minimum for both */
    }
}

void CPU(i8_pack_rows)(wk_tensor x, int64_t step, int64_t first, int64_t m, int64_t k, wk_dtype t, int parts,
                       void *panel)
{
    const struct format *f = &formats[t];
    float                buffer[TILE];
    for (int r = 0; r < MR; r++) {
        for (int64_t at = 0; at < k; at += TILE) {
            const int64_t n = k - at < TILE ? k - at : TILE;
            const float  *v = buffer;
            if (first + r < m)
                v = load_f32(x, (first + r) * step + at, n, buffer);
            else
                memset(buffer, 0, sizeof buffer);
            quantise_row(v, n, r, f, parts, (struct xgroup *)panel + at / 32);
        }
    }
}

/* ---- w --------------------------------------------------------------------------------------- */

/* Sixteen vectors, one for each 16 values in the order of slots, to where the natural order wants them. */
INLINE void place_scales(__m512 *lanes, const uint8_t *order, int64_t groups, float *first, int64_t stride)
{
    __m512i v[16];
    for (int i = 0; i < 16; i++) v[i] = _mm512_castps_si512(lanes[i]);
    transpose16(v);
    for (int lane = 0; lane < 16; lane++) {
        const int g = order[lane % 4 * 4 + lane / 4];
        if (g / 2 < groups) _mm512_storeu_si512((char *)first + g / 2 * stride + g % 2 * NR * 4, v[lane]);
    }
}

/* Columns j0 .. of w, n of them (zeros beyond), 256 values from `at`. */
INLINE_VNNI void unpack_panel(const struct format *f, wk_tensor w, int64_t j0, int64_t n, int64_t at,
                              int half, struct wgroup *to, struct minima *low)
{
    const int64_t left = wki_cols(w) - at < 256 ? wki_cols(w) - at : 256, groups = left / 32;
    const int64_t step = 256 / f->block * f->bytes;
    __m512i       v[4][16];
    __m512        d[16], m[16];
    for (int i = 0; i < 16; i++) {
        struct codes c = {
            {_mm512_setzero_si512(), _mm512_setzero_si512(), _mm512_setzero_si512(), _mm512_setzero_si512()},
            _mm512_setzero_ps(),
            _mm512_setzero_ps()};
        if (i < n) {
            const char *p = address(w, (j0 + i) * w->stride[0] + at);
            for (int64_t ahead = step; ahead < 2 * step; ahead += 64) __builtin_prefetch(p + ahead);
            f->unpack(p, left / f->block, &c);
        }
        for (int q = 0; q < 4; q++) v[q][i] = c.v[q];
        d[i] = c.d;
        m[i] = c.m;
    }
    for (int q = 0; q < 4; q++) {
        transpose16(v[q]);
        for (int j = 0; j < 16; j++) {
            const int g = f->order[4 * q + j / 4];
            if (g / 2 < groups) _mm512_storeu_si512(to[g / 2].code[g % 2 * 4 + j % 4][half * 16], v[q][j]);
        }
    }
    place_scales(d, f->order, groups, to->d[0] + half * 16, sizeof *to);
    if (!f->offset) place_scales(m, f->order, groups, low->m[0] + half * 16, sizeof *low);
}

/* ---- the product ----------------------------------------------------------------------------- */

/* c[MR][NR] = rows times columns over the groups of 32, in which x has xs scales and w has ws. */
INLINE_VNNI void micro(const int rows, const int xs, const int ws, const bool minimum,
                       const struct xgroup *restrict x, const struct wgroup *restrict w,
                       const struct minima *restrict low, int64_t groups, float *restrict c)
{
    __m512 acc[MR][2], part[MR][2];
    for (int r = 0; r < rows; r++) acc[r][0] = acc[r][1] = _mm512_setzero_ps();
    for (int64_t g = 0; g < groups; g++, x++, w++) {
#pragma GCC unroll 2
        for (int h = 0; h < xs; h++) {
            __m512i s[MR][2];
#pragma GCC unroll 8
            for (int r = 0; r < rows; r++)
                s[r][0] = s[r][1] = minimum ? _mm512_setzero_si512() : _mm512_set1_epi32(x->start[h][r]);
#pragma GCC unroll 8
            for (int j = h * 8 / xs; j < (h + 1) * 8 / xs; j++) {
                const __m512i w0 = load512(w->code[j]), w1 = load512(w->code[j][16]);
#pragma GCC unroll 8
                for (int r = 0; r < rows; r++) {
                    const __m512i a = _mm512_set1_epi32(x->code[j][r]);
                    s[r][0] = _mm512_dpbusd_epi32(s[r][0], w0, a);
                    s[r][1] = _mm512_dpbusd_epi32(s[r][1], w1, a);
                }
            }
            const bool   last = ws == 2 || h == xs - 1;
            const int    at = ws == 2 ? h : 0;
            const __m512 d0 = _mm512_loadu_ps(w->d[at]), d1 = _mm512_loadu_ps(w->d[at] + 16);
#pragma GCC unroll 8
            for (int r = 0; r < rows; r++) {
                const __m512 scale = _mm512_set1_ps(x->scale[h][r]);
#pragma GCC unroll 2
                for (int i = 0; i < 2; i++) {
                    const __m512 sum = _mm512_cvtepi32_ps(s[r][i]), d = i ? d1 : d0;
                    part[r][i] = h > 0 && ws == 1 ? _mm512_fmadd_ps(sum, scale, part[r][i])
                                                  : _mm512_mul_ps(sum, scale);
                    if (last) acc[r][i] = _mm512_fmadd_ps(d, part[r][i], acc[r][i]);
                }
            }
            if (!minimum || !last) continue;
            const __m512 m0 = _mm512_loadu_ps(low[g].m[at]), m1 = _mm512_loadu_ps(low[g].m[at] + 16);
#pragma GCC unroll 8
            for (int r = 0; r < rows; r++) {
                const __m512 sum = _mm512_set1_ps(x->sum[at][r]);
                acc[r][0] = _mm512_fmadd_ps(m0, sum, acc[r][0]);
                acc[r][1] = _mm512_fmadd_ps(m1, sum, acc[r][1]);
            }
        }
    }
#pragma GCC unroll 8
    for (int r = 0; r < rows; r++) {
        _mm512_storeu_ps(c + r * NR, acc[r][0]);
        _mm512_storeu_ps(c + r * NR + 16, acc[r][1]);
    }
}

typedef void (*micro_kernel)(const struct xgroup *, const struct wgroup *, const struct minima *, int64_t,
                             float *);
#define MICRO(rows, xs, ws, minimum)                                                                         \
    VNNI static void micro_##rows##_##xs##ws##_##minimum(const struct xgroup *x, const struct wgroup *w,     \
                                                         const struct minima *low, int64_t groups, float *c) \
    {                                                                                                        \
        micro(rows, xs, ws, minimum, x, w, low, groups, c);                                                  \
    }
#define MICROS(xs, ws, minimum) MICRO(2, xs, ws, minimum) MICRO(4, xs, ws, minimum) MICRO(6, xs, ws, minimum)
MICROS(1, 1, 0)
MICROS(1, 1, 1)
MICROS(2, 1, 0)
MICROS(2, 1, 1)
MICROS(2, 2, 0)
MICROS(2, 2, 1)
#define THREE(xsws, minimum)                                                                                 \
    {                                                                                                        \
        micro_2_##xsws##_##minimum, micro_4_##xsws##_##minimum, micro_6_##xsws##_##minimum                   \
    }
static const micro_kernel kernels[3][2][3] = {
    {THREE(11, 0), THREE(11, 1)}, {THREE(21, 0), THREE(21, 1)}, {THREE(22, 0), THREE(22, 1)}};

VNNI void CPU(i8_panel)(const void *rows, int64_t m, wk_tensor w, int64_t j0, wk_tensor bias, wk_tensor y,
                        void *scratch)
{
    const struct format *f = &formats[w->dtype];
    const int64_t        k = w->shape[1], groups = k / 32, n_all = w->shape[0];
    const int64_t        n = n_all - j0 < NR ? n_all - j0 : NR;
    struct wgroup       *panel = scratch;
    struct minima       *low = (struct minima *)(void *)(panel + groups);
    const micro_kernel  *micros = kernels[CPU(i8_parts)(w) - 1 + (f->group == 16)][f->offset == 0];
    float                c[MR * NR], added[NR] = {0}, wide[NR];
    for (int64_t at = 0; at < k; at += 256)
        for (int half = 0; half < 2; half++)
            unpack_panel(f, w, j0 + half * 16, n - half * 16, at, half, panel + at / 32, low + at / 32);
    if (!wk_is_none(bias)) {
        const float *v = load_f32(bias, j0, n, wide);
        for (int64_t j = 0; j < n; j++) added[j] = v[j];
    }
    for (int64_t i = 0; i < m; i += MR) {
        const int64_t left = m - i < MR ? m - i : MR;
        micros[(left - 1) / 2]((const struct xgroup *)rows + i / MR * groups, panel, low, groups, c);
        for (int64_t r = 0; r < left; r++) {
            for (int j = 0; j < NR; j++) c[r * NR + j] += added[j];
            store_f32(y, (i + r) * n_all + j0, n, c + r * NR);
        }
    }
}

#endif
