/* Attention for few query rows with keys or values in q8_0 or q4_0: integer dot products (AVX512-VNNI) on the
 * codes as they lie in the cache. Queries, and weights times the values' scales, become integers of 15 bits,
 * so that what is lost is what the cache lost. */
#include "cpu/attend_tile.h"

#include "cpu/quant.h"

#if defined __AVX512F__

#define VNNI        __attribute__((target("avx512vnni")))
#define INLINE_VNNI VNNI INLINE

#define ROWS 4     /* query rows that go together */
#define MOST 16256 /* the largest code: 127 * 128 */

/* ---- integers of 15 bits: 128 high + low ----------------------------------------------------- */

/* n values, whole vectors, as codes times the result; their sum times that is left in *total. The result is
 * NaN where a value is not finite. */
INLINE float encode(const float *v, int64_t n, int8_t *high, int8_t *low, int32_t *total)
{
    const __m512i sign = _mm512_set1_epi32(0x7fffffff);
    __m512i       bits = _mm512_setzero_si512(), sum = bits;
    for (int64_t i = 0; i < n; i += W) /* as integers, magnitudes keep their order and NaN is the largest */
        bits = _mm512_max_epi32(bits, _mm512_and_si512((__m512i)v_load(v + i), sign));
    const int32_t most_bits = _mm512_reduce_max_epi32(bits);
    float         most;
    memcpy(&most, &most_bits, sizeof most);
    const bool finite = most < INFINITY;
    const vf   inverse = v_set(finite && most > 1e-30f ? MOST / most : 0.0f);
    for (int64_t i = 0; i < n; i += W) {
        const __m512i code = _mm512_cvtps_epi32((__m512)(v_load(v + i) * inverse));
        const __m512i up = _mm512_srai_epi32(_mm512_add_epi32(code, _mm512_set1_epi32(64)), 7);
        sum = _mm512_add_epi32(sum, code);
        _mm_storeu_si128((__m128i *)(void *)(high + i), _mm512_cvtepi32_epi8(up));
        _mm_storeu_si128((__m128i *)(void *)(low + i),
                         _mm512_cvtepi32_epi8(_mm512_sub_epi32(code, _mm512_slli_epi32(up, 7))));
    }
    *total = finite ? _mm512_reduce_add_epi32(sum) : 0;
    return finite ? most / MOST : NAN;
}

/* What lies in `own`: queries encoded, and a block of keys or of values. */
struct codes {
    int8_t  *high, *low;  /* [rows][d] */
    int32_t *total;       /* [rows][blocks of d]: sums of codes */
    float   *query_scale; /* [rows] */
    float   *scale;       /* [blocks][KEYS] */
    __m512i *panel;       /* the block's codes, from 0 on, four in a lane */
};

INLINE int64_t padded_rows(int64_t rows)
{
    return whole(rows, W);
}

static struct codes codes_of(const struct tile *t)
{
    const struct attend *a = t->a;
    const int64_t        rows = padded_rows(t->rows), wider = a->d > a->dv ? a->d : a->dv;
    struct codes         c = {.query_scale = t->own};
    c.scale = c.query_scale + rows;
    c.panel = (__m512i *)(void *)(c.scale + whole(wider, 32) / 32 * KEYS);
    c.high = (int8_t *)(c.panel + whole(wider, 32) * KEYS / 64);
    c.low = c.high + rows * a->dp;
    c.total = (int32_t *)(void *)(c.low + rows * a->dp);
    return c;
}

int64_t CPU(code_floats)(const struct attend *a, int64_t rows)
{
    const int64_t wider = whole(a->d > a->dv ? a->d : a->dv, 32);
    rows = padded_rows(rows);
    return rows + wider / 32 * KEYS + wider * KEYS / 4 + rows * a->dp / 2 + whole(rows * wider / 32, W);
}

void CPU(code_start)(const struct tile *t)
{
    const struct attend *a = t->a;
    const struct codes   c = codes_of(t);
    for (int64_t r = 0; r < t->rows; r++) {
        int32_t total;
        c.query_scale[r] = encode(t->q + r * a->dp, a->d, c.high + r * a->d, c.low + r * a->d, &total);
        for (int64_t b = 0; b < a->d / 32; b++) {
            total = 0;
            for (int64_t i = 32 * b; i < 32 * b + 32; i++)
                total += 128 * c.high[r * a->d + i] + c.low[r * a->d + i];
            c.total[r * (a->d / 32) + b] = total;
        }
    }
}

/* ---- blocks of keys and values --------------------------------------------------------------- */

/* n rows of blocks where they lie; what is wanted next comes in meanwhile. */
struct rows {
    const char *at[KEYS], *next; /* past the last row, the last */
    int64_t     blocks, bytes;   /* of a row, of a block */
    int64_t     next_bytes;      /* of as many rows as W */
};

static void find_rows(struct rows *r, const struct tile *t, wk_tensor x, int64_t key, int64_t n,
                      wk_tensor next, int64_t next_key)
{
    const int64_t next_at = head_at(next, t->b, t->g) + next_key * row_step(next);
    const int64_t size = wk_dtype_bytes(x->dtype), step = row_step(x) / 32 * size;
    const char   *at = address(x, head_at(x, t->b, t->g) + key * row_step(x));
    for (int64_t j = 0; j < KEYS; j++) r->at[j] = at + (j < n ? j : n - 1) * step;
    r->blocks = wki_cols(x) / 32;
    r->bytes = size;
    r->next = address(next, next_at);
    r->next_bytes = W * row_step(next) / wk_dtype_block(next->dtype) * wk_dtype_bytes(next->dtype);
    const int64_t most = 64 * wki_cols(next); /* rows may be far apart */
    if (r->next_bytes > most) r->next_bytes = most;
}

/* Calls for the next rows j .. j + W. */
INLINE void call_for(const struct rows *x, int64_t j)
{
    const char *from = x->next + j / W * x->next_bytes;
    for (int64_t i = 0; i < x->next_bytes; i += 64) __builtin_prefetch(from + i);
}

/* scale[blocks][KEYS] */
static void load_scales(const struct rows *x, float *scale)
{
    for (int64_t b = 0; b < x->blocks; b++, scale += KEYS) {
        uint16_t half[KEYS];
#pragma GCC unroll 8
        for (int64_t j = 0; j < KEYS; j++) memcpy(half + j, x->at[j] + b * x->bytes, sizeof *half);
        for (int64_t j = 0; j < KEYS; j += W) v_store(scale + j, v_load_f16(half + j));
    }
}

INLINE __m512i pair(const char *a, const char *b)
{
    return _mm512_inserti64x4(_mm512_castsi256_si512(_mm256_loadu_si256((const __m256i *)(const void *)a)),
                              _mm256_loadu_si256((const __m256i *)(const void *)b), 1);
}
INLINE __m512i four(const char *a, const char *b, const char *c, const char *d)
{
    __m512i v = _mm512_castsi128_si512(_mm_loadu_si128((const __m128i *)(const void *)a));
    v = _mm512_inserti32x4(v, _mm_loadu_si128((const __m128i *)(const void *)b), 1);
    v = _mm512_inserti32x4(v, _mm_loadu_si128((const __m128i *)(const void *)c), 2);
    return _mm512_inserti32x4(v, _mm_loadu_si128((const __m128i *)(const void *)d), 3);
}

INLINE __m512i low_nibbles(__m512i v)
{
    return _mm512_and_si512(v, _mm512_set1_epi8(15));
}

/* panel[8] = words 0 .. 8 of block b of sixteen keys from j on, a key in a lane. */
INLINE void turn_keys(bool nibbles, const struct rows *x, int64_t j, int64_t b, __m512i *panel)
{
    const int64_t at = b * x->bytes + 2;
    __m512i       r[8];
    if (nibbles) {
        for (int i = 0; i < 4; i++)
            r[i] =
                four(x->at[j + i] + at, x->at[j + 4 + i] + at, x->at[j + 8 + i] + at, x->at[j + 12 + i] + at);
        turn4(r);
        for (int i = 0; i < 4; i++) {
            _mm512_storeu_si512(panel + i, low_nibbles(r[i]));
            _mm512_storeu_si512(panel + 4 + i, low_nibbles(_mm512_srli_epi16(r[i], 4)));
        }
        return;
    }
    const __m512i flip = _mm512_set1_epi8((char)0x80);
    for (int i = 0; i < 4; i++) {
        r[i] = _mm512_xor_si512(pair(x->at[j + i] + at, x->at[j + 4 + i] + at), flip);
        r[4 + i] = _mm512_xor_si512(pair(x->at[j + 8 + i] + at, x->at[j + 12 + i] + at), flip);
    }
    turn4(r);
    turn4(r + 4);
    for (int i = 0; i < 4; i++) {
        _mm512_storeu_si512(panel + i, _mm512_shuffle_i32x4(r[i], r[4 + i], 0x88));
        _mm512_storeu_si512(panel + 4 + i, _mm512_shuffle_i32x4(r[i], r[4 + i], 0xdd));
    }
}

/* panel[2] = values 0 .. 16 and 16 .. 32 of block b of four keys from j on, a value of each in a lane. */
INLINE void turn_values(bool nibbles, const struct rows *x, int64_t j, int64_t b, __m512i *panel)
{
    const int64_t at = b * x->bytes + 2;
    const char *k0 = x->at[j] + at, *k1 = x->at[j + 1] + at, *k2 = x->at[j + 2] + at, *k3 = x->at[j + 3] + at;
    const __m512i words = _mm512_set_epi32(15, 11, 7, 3, 14, 10, 6, 2, 13, 9, 5, 1, 12, 8, 4, 0);
    const __m512i bytes =
        _mm512_broadcast_i32x4(_mm_set_epi8(15, 11, 7, 3, 14, 10, 6, 2, 13, 9, 5, 1, 12, 8, 4, 0));
    if (nibbles) {
        const __m512i v = _mm512_shuffle_epi8(_mm512_permutexvar_epi32(words, four(k0, k1, k2, k3)), bytes);
        _mm512_storeu_si512(panel, low_nibbles(v));
        _mm512_storeu_si512(panel + 1, low_nibbles(_mm512_srli_epi16(v, 4)));
        return;
    }
    const __m512i flip = _mm512_set1_epi8((char)0x80);
    for (int i = 0; i < 2; i++)
        _mm512_storeu_si512(
            panel + i, _mm512_xor_si512(_mm512_shuffle_epi8(
                                            _mm512_permutexvar_epi32(words, four(k0 + 16 * i, k1 + 16 * i,
                                                                                 k2 + 16 * i, k3 + 16 * i)),
                                            bytes),
                                        flip));
}

/* panel[blocks][KEYS / 16][8] of keys, [blocks][KEYS / 4][2] of values. */
static void key_panels(bool nibbles, const struct rows *x, __m512i *panel)
{
    for (int64_t b = 0; b < x->blocks; b++)
        for (int64_t j = 0; j < KEYS; j += 16, panel += 8) {
            if (b == 0) call_for(x, j);
            if (nibbles)
                turn_keys(true, x, j, b, panel);
            else
                turn_keys(false, x, j, b, panel);
        }
}
static void value_panels(bool nibbles, const struct rows *x, __m512i *panel)
{
    for (int64_t b = 0; b < x->blocks; b++)
        for (int64_t j = 0; j < KEYS; j += 4, panel += 2) {
            if (b == 0 && j % W == 0) call_for(x, j);
            if (nibbles)
                turn_values(true, x, j, b, panel);
            else
                turn_values(false, x, j, b, panel);
        }
}

/* ---- products -------------------------------------------------------------------------------- */

INLINE __m512i word_at(const int8_t *codes)
{
    int32_t word;
    memcpy(&word, codes, sizeof word);
    return _mm512_set1_epi32(word);
}

/* 128 high + low - total, as floats. */
INLINE vf joined(__m512i high, __m512i low, int32_t total)
{
    const __m512i sum = _mm512_add_epi32(_mm512_slli_epi32(high, 7), low);
    return (vf)_mm512_cvtepi32_ps(_mm512_sub_epi32(sum, _mm512_set1_epi32(total)));
}

/* Scores of query rows r .. r + rows for a block of keys; middle: the code that stands for zero. */
INLINE_VNNI void score_rows(int rows, const struct tile *t, const struct codes *c, int64_t r, int32_t middle)
{
    const int64_t d = t->a->d, blocks = d / 32;
    for (int64_t j = 0; j < KEYS; j += 16) {
        vf s[ROWS];
        for (int i = 0; i < rows; i++) s[i] = v_set(0.0f);
        for (int64_t b = 0; b < blocks; b++) {
            const __m512i *panel = c->panel + (b * KEYS + j) / 2;
            const vf       scale = v_load(c->scale + b * KEYS + j);
            __m512i        high[ROWS], low[ROWS];
            for (int i = 0; i < rows; i++) high[i] = low[i] = _mm512_setzero_si512();
            for (int e = 0; e < 8; e++) {
                const __m512i keys = _mm512_loadu_si512(panel + e);
                for (int i = 0; i < rows; i++) {
                    const int64_t at = (r + i) * d + 32 * b + 4 * e;
                    high[i] = _mm512_dpbusd_epi32(high[i], keys, word_at(c->high + at));
                    low[i] = _mm512_dpbusd_epi32(low[i], keys, word_at(c->low + at));
                }
            }
            for (int i = 0; i < rows; i++)
                s[i] = v_fma(joined(high[i], low[i], middle * c->total[(r + i) * blocks + b]), scale, s[i]);
        }
        for (int i = 0; i < rows; i++)
            v_store(t->s + (r + i) * KEYS + j, s[i] * v_set(c->query_scale[r + i]));
    }
}

/* Weighted values of query rows r .. r + rows. */
INLINE_VNNI void weigh_rows(int rows, const struct tile *t, const struct codes *c, int64_t r, int32_t middle)
{
    const int64_t blocks = t->a->dv / 32;
    for (int64_t b = 0; b < blocks; b++) {
        const __m512i *panel = c->panel + b * KEYS / 2;
        int8_t         up[ROWS][KEYS], down[ROWS][KEYS];
        float          scale[ROWS], weight[KEYS];
        int32_t        total[ROWS];
        __m512i        high[ROWS][2], low[ROWS][2];
        for (int i = 0; i < rows; i++) {
            for (int64_t j = 0; j < KEYS; j += W)
                v_store(weight + j, v_load(t->s + (r + i) * KEYS + j) * v_load(c->scale + b * KEYS + j));
            scale[i] = encode(weight, KEYS, up[i], down[i], &total[i]);
            high[i][0] = high[i][1] = low[i][0] = low[i][1] = _mm512_setzero_si512();
        }
        for (int64_t j = 0; j < KEYS; j += 4, panel += 2) {
            const __m512i a = _mm512_loadu_si512(panel), z = _mm512_loadu_si512(panel + 1);
            for (int i = 0; i < rows; i++) {
                const __m512i u = word_at(up[i] + j), l = word_at(down[i] + j);
                high[i][0] = _mm512_dpbusd_epi32(high[i][0], a, u);
                high[i][1] = _mm512_dpbusd_epi32(high[i][1], z, u);
                low[i][0] = _mm512_dpbusd_epi32(low[i][0], a, l);
                low[i][1] = _mm512_dpbusd_epi32(low[i][1], z, l);
            }
        }
        for (int i = 0; i < rows; i++)
            for (int v = 0; v < 2; v++) {
                float *o = t->o + (r + i) * t->a->dvp + 32 * b + 16 * v;
                v_store(o,
                        v_fma(joined(high[i][v], low[i][v], middle * total[i]), v_set(scale[i]), v_load(o)));
            }
    }
}

#define BY_ROWS(fn, ...)                                                                                     \
    for (int64_t r = 0; r < t->rows; r += ROWS) {                                                            \
        if (t->rows - r == 1)                                                                                \
            fn(1, __VA_ARGS__);                                                                              \
        else if (t->rows - r == 2)                                                                           \
            fn(2, __VA_ARGS__);                                                                              \
        else if (t->rows - r == 3)                                                                           \
            fn(3, __VA_ARGS__);                                                                              \
        else                                                                                                 \
            fn(ROWS, __VA_ARGS__);                                                                           \
    }

VNNI void CPU(code_scores)(const struct tile *t, int64_t key, int64_t n)
{
    const struct codes c = codes_of(t);
    struct rows        x;
    const bool         nibbles = t->a->k->dtype == WK_q4_0;
    find_rows(&x, t, t->a->k, key, n, t->a->v, key);
    load_scales(&x, c.scale);
    key_panels(nibbles, &x, c.panel);
    BY_ROWS(score_rows, t, &c, r, nibbles ? 8 : 128)
}

VNNI void CPU(code_values)(const struct tile *t, int64_t key, int64_t n)
{
    const struct codes c = codes_of(t);
    struct rows        x;
    const bool         nibbles = t->a->v->dtype == WK_q4_0;
    find_rows(&x, t, t->a->v, key, n, t->a->k, key + n);
    load_scales(&x, c.scale);
    value_panels(nibbles, &x, c.panel);
    BY_ROWS(weigh_rows, t, &c, r, nibbles ? 8 : 128)
}

#endif
