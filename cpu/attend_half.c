/* Attention for many query rows through 16-bit dot products (AVX512-VNNI and -BF16): a block of keys and
 * values becomes panels of pairs once and serves all rows of the tile. Scores want more than bf16's eight
 * bits (their errors are errors of exponents): queries and keys are integers of as many bits as their sums
 * leave room for, with a scale per row. Weights and values are bf16. Scores, sums and results stay f32. */
#include "cpu/attend_tile.h"

#if defined __AVX512F__

#define BF16        __attribute__((target("avx512bf16,avx512vnni")))
#define INLINE_BF16 BF16 INLINE

#define ROWS 6          /* rows and */
#define COLS (KEYS / W) /* vectors of the register tile: a block of keys */

/* What lies in `own`. */
struct panels {
    int32_t  *keys;  /* [pairs of elements][KEYS] */
    float    *scale; /* [KEYS], of the keys */
    float    *query_scale;
    uint32_t *values; /* [KEYS / 2 pairs of keys][width of a value] */
    float    *rows;   /* [KEYS][width of the wider] */
};

INLINE int64_t wide(int64_t d)
{
    return whole(d, 32);
}

int64_t CPU(half_rows)(int64_t rows)
{
    return whole(rows, ROWS);
}

INLINE int64_t widest(const struct attend *a)
{
    return wide(a->d > a->dv ? a->d : a->dv);
}

int64_t CPU(half_floats)(const struct attend *a, int64_t rows)
{
    rows = whole(rows, ROWS);
    return rows * wide(a->d) / 2 + whole(rows, W) + KEYS * (wide(a->d) / 2 + 1 + wide(a->dv) / 2 + widest(a));
}

static struct panels panels_of(const struct tile *t)
{
    struct panels p = {.query_scale = t->own};
    p.scale = p.query_scale + whole(whole(t->rows, ROWS), W);
    p.rows = p.scale + KEYS;
    p.keys = (int32_t *)(void *)(p.rows + KEYS * widest(t->a));
    p.values = (uint32_t *)(void *)(p.keys + wide(t->a->d) / 2 * KEYS);
    return p;
}

INLINE_BF16 __m512i pack(vf low, vf high)
{
    return (__m512i)_mm512_cvtne2ps_pbh((__m512)high, (__m512)low);
}

/* Values e .. e + 32 of a row. */
INLINE void row_values(wk_dtype t, const char *row, int64_t e, vf *low, vf *high)
{
    const uint16_t *codes = (const uint16_t *)(const void *)row + e;
    const float    *values = (const float *)(const void *)row + e;
    if (t == WK_f32) *low = v_load(values), *high = v_load(values + W);
    if (t == WK_f16) *low = v_load_f16(codes), *high = v_load_f16(codes + W);
    if (t == WK_bf16) *low = v_load_bf16(codes), *high = v_load_bf16(codes + W);
    if (t == WK_q8_0 || t == WK_q4_0) {
        const char *block = row + e / 32 * (t == WK_q8_0 ? 34 : 18);
        const vf    d = v_set(v_half(*(const uint16_t *)(const void *)block));
        vi          a = v_load_i8(block + 2), b;
        if (t == WK_q8_0)
            b = v_load_i8(block + 2 + W);
        else
            b = (a >> 4 & 15) - 8, a = (a & 15) - 8;
        *low = __builtin_convertvector(a, vf) * d;
        *high = __builtin_convertvector(b, vf) * d;
    }
}

/* The same as bf16. */
INLINE_BF16 __m512i half_values(wk_dtype t, const char *row, int64_t e)
{
    vf low = v_set(0.0f), high = low;
    if (t == WK_bf16) return _mm512_loadu_si512((const uint16_t *)(const void *)row + e);
    row_values(t, row, e, &low, &high);
    return pack(low, high);
}

/* ---- rows as integers ------------------------------------------------------------------------ */

/* The largest code: `width` products of two of them stay below 2^31. */
INLINE float largest_code(int64_t width)
{
    return floorf(sqrtf(2147483392.0f / (float)width)) - 1.0f;
}

/* The largest absolute value; inf or NaN if there is one. */
INLINE float largest(wk_dtype t, const char *row, int64_t width)
{
    const __m512i sign = _mm512_set1_epi32(0x7fffffff);
    __m512i       most = _mm512_setzero_si512();
    for (int64_t e = 0; e < width; e += 32) {
        vf low = v_set(0.0f), high = low;
        row_values(t, row, e, &low, &high);
        most = _mm512_max_epi32(most, _mm512_and_si512((__m512i)low, sign));
        most = _mm512_max_epi32(most, _mm512_and_si512((__m512i)high, sign));
    }
    return _mm512_cvtss_f32(_mm512_castsi512_ps(_mm512_set1_epi32(_mm512_reduce_max_epi32(most))));
}

/* From the largest values of rows: what turns values into codes; *scale turns them back, NaN where a row is
 * not finite. */
INLINE vf code_scale(vf most, float code, vf *scale)
{
    *scale = most * v_set(1.0f / code) + (most - most);
    return v_pick(most > v_set(1e-30f), v_set(code) / most, v_set(0.0f));
}

/* Codes of values e .. e + 32, in an order of their own that is the same in all rows. */
INLINE __m512i code_values(wk_dtype t, const char *row, int64_t e, float inverse)
{
    vf low = v_set(0.0f), high = low;
    row_values(t, row, e, &low, &high);
    return _mm512_packs_epi32(_mm512_cvtps_epi32((__m512)(low * v_set(inverse))),
                              _mm512_cvtps_epi32((__m512)(high * v_set(inverse))));
}

/* Sixteen rows of sixteen 32-bit values become sixteen columns. */
INLINE void transpose16(__m512i *r)
{
    __m512i t[16];
    for (int i = 0; i < 16; i += 4) {
        const __m512i a = _mm512_unpacklo_epi32(r[i], r[i + 1]), b = _mm512_unpackhi_epi32(r[i], r[i + 1]);
        const __m512i c = _mm512_unpacklo_epi32(r[i + 2], r[i + 3]),
                      d = _mm512_unpackhi_epi32(r[i + 2], r[i + 3]);
        t[i] = _mm512_unpacklo_epi64(a, c);
        t[i + 1] = _mm512_unpackhi_epi64(a, c);
        t[i + 2] = _mm512_unpacklo_epi64(b, d);
        t[i + 3] = _mm512_unpackhi_epi64(b, d);
    }
    for (int i = 0; i < 4; i++) { /* t[4 q + i]: rows 4 q .., columns i, 4 + i, 8 + i, 12 + i */
        const __m512i a = _mm512_shuffle_i32x4(t[i], t[4 + i], 0x88),
                      b = _mm512_shuffle_i32x4(t[i], t[4 + i], 0xdd);
        const __m512i c = _mm512_shuffle_i32x4(t[8 + i], t[12 + i], 0x88),
                      d = _mm512_shuffle_i32x4(t[8 + i], t[12 + i], 0xdd);
        r[i] = _mm512_shuffle_i32x4(a, c, 0x88);
        r[4 + i] = _mm512_shuffle_i32x4(b, d, 0x88);
        r[8 + i] = _mm512_shuffle_i32x4(a, c, 0xdd);
        r[12 + i] = _mm512_shuffle_i32x4(b, d, 0xdd);
    }
}

/* n rows, `step` bytes apart, of `width` values: panel[width / 2][KEYS] and the rows' scales, zeros from n
 * on. */
INLINE void key_panel(wk_dtype t, const char *rows, int64_t step, int64_t n, int64_t width, int32_t *panel,
                      float *scale)
{
    const float code = largest_code(width);
    for (int64_t j = 0; j < KEYS; j += 16) {
        float most[16] = {0}, inverse[16];
        vf    back;
        for (int64_t i = 0; i < 16 && j + i < n; i++) most[i] = largest(t, rows + (j + i) * step, width);
        v_store(inverse, code_scale(v_load(most), code, &back));
        v_store(scale + j, back);
        for (int64_t e = 0; e < width; e += 32) {
            __m512i r[16];
            for (int64_t i = 0; i < 16; i++)
                r[i] =
                    j + i < n ? code_values(t, rows + (j + i) * step, e, inverse[i]) : _mm512_setzero_si512();
            transpose16(r);
            for (int64_t i = 0; i < 16; i++) _mm512_storeu_si512(panel + (e / 2 + i) * KEYS + j, r[i]);
        }
    }
}

/* The same of values in bf16: panel[KEYS / 2][width], a key and the next in a pair. */
INLINE_BF16 void value_panel(wk_dtype t, const char *rows, int64_t step, int64_t n, int64_t width,
                             uint32_t *panel)
{
    const __m512i places = _mm512_set_epi16(47, 15, 46, 14, 45, 13, 44, 12, 43, 11, 42, 10, 41, 9, 40, 8, 39,
                                            7, 38, 6, 37, 5, 36, 4, 35, 3, 34, 2, 33, 1, 32, 0);
    const __m512i upper = _mm512_add_epi16(places, _mm512_set1_epi16(16));
    for (int64_t j = 0; j < KEYS; j += 2, panel += width)
        for (int64_t e = 0; e < width; e += 32) {
            const __m512i zero = _mm512_setzero_si512();
            const __m512i a = j < n ? half_values(t, rows + j * step, e) : zero;
            const __m512i b = j + 1 < n ? half_values(t, rows + (j + 1) * step, e) : zero;
            _mm512_storeu_si512(panel + e, _mm512_permutex2var_epi16(a, places, b));
            _mm512_storeu_si512(panel + e + 16, _mm512_permutex2var_epi16(a, upper, b));
        }
}

#define BY_DTYPE(fn, t, ...)                                                                                 \
    do {                                                                                                     \
        if (t == WK_f32) fn(WK_f32, __VA_ARGS__);                                                            \
        if (t == WK_f16) fn(WK_f16, __VA_ARGS__);                                                            \
        if (t == WK_bf16) fn(WK_bf16, __VA_ARGS__);                                                          \
        if (t == WK_q8_0) fn(WK_q8_0, __VA_ARGS__);                                                          \
        if (t == WK_q4_0) fn(WK_q4_0, __VA_ARGS__);                                                          \
    } while (0)

BF16 static void key_panels(wk_dtype t, const char *rows, int64_t step, int64_t n, int64_t width,
                            int32_t *panel, float *scale)
{
    BY_DTYPE(key_panel, t, rows, step, n, width, panel, scale);
}

BF16 static void value_panels(wk_dtype t, const char *rows, int64_t step, int64_t n, int64_t width,
                              uint32_t *panel)
{
    BY_DTYPE(value_panel, t, rows, step, n, width, panel);
}

/* n rows of x from element `at`, where they lie if the panels can be made of them, else as f32. */
static const char *rows_of(wk_tensor x, int64_t at, int64_t n, float *buffer, wk_dtype *t, int64_t *step)
{
    const int64_t d = wki_cols(x);
    const bool    known =
        x->dtype == WK_f16 || x->dtype == WK_bf16 || x->dtype == WK_q8_0 || x->dtype == WK_q4_0;
    *t = x->dtype;
    if (known && d % 32 == 0) {
        *step = row_step(x) / wk_dtype_block(*t) * wk_dtype_bytes(*t);
        return address(x, at);
    }
    const float *rows = block_rows(x, at, n, wide(d), buffer, step);
    *t = WK_f32;
    *step *= (int64_t)sizeof(float);
    return (const char *)rows;
}

void CPU(half_start)(struct tile *t, float *memory)
{
    const struct attend *a = t->a;
    const int64_t        width = wide(a->d), rows = whole(t->rows, ROWS);
    const float          code = largest_code(width);
    t->q = memory;
    t->own = memory + rows * width / 2;
    const struct panels p = panels_of(t);
    for (int64_t r = 0; r < rows; r++) {
        float *row = p.rows, inverse[W];
        vf     back;
        memset(row, 0, (size_t)width * sizeof *row);
        if (r < t->rows) CPU(to_f32)[a->q->dtype](address(a->q, query_at(t, r)), row, a->d);
        for (int64_t e = 0; e < width; e += W) v_store(row + e, v_load(row + e) * v_set(a->scale));
        v_store(inverse, code_scale(v_set(largest(WK_f32, (char *)row, width)), code, &back));
        p.query_scale[r] = back[0];
        for (int64_t e = 0; e < width; e += 32)
            _mm512_storeu_si512((int32_t *)(void *)t->q + (r * width + e) / 2,
                                code_values(WK_f32, (char *)row, e, inverse[0]));
    }
}

/* s += pairs of a times pairs of b. As an intrinsic, gcc 12 moves every sum to another register and back. */
#define ADD_PAIRS(s, a, b) __asm__("vpdpwssd %2, %1, %0" : "+v"(s) : "v"(a), "v"(b))

/* s[ROWS][KEYS] = queries times keys. */
INLINE_BF16 void scores(const int32_t *q, const float *q_scale, int64_t pairs, const struct panels *p,
                        float *s)
{
    const int32_t *keys = p->keys;
    __m512i        sum[ROWS][COLS];
    for (int i = 0; i < ROWS; i++)
        for (int j = 0; j < COLS; j++) sum[i][j] = _mm512_setzero_si512();
    for (int64_t e = 0; e < pairs; e++, keys += KEYS) {
        __m512i k[COLS];
        for (int j = 0; j < COLS; j++) k[j] = _mm512_loadu_si512(keys + j * W);
#pragma GCC unroll 6
        for (int i = 0; i < ROWS; i++) {
            const __m512i pair = _mm512_set1_epi32(q[i * pairs + e]);
            for (int j = 0; j < COLS; j++) ADD_PAIRS(sum[i][j], k[j], pair);
        }
    }
    for (int j = 0; j < COLS; j++) {
        const vf scale = v_load(p->scale + j * W);
        for (int i = 0; i < ROWS; i++)
            v_store(s + i * KEYS + j * W, (vf)_mm512_cvtepi32_ps(sum[i][j]) * (scale * v_set(q_scale[i])));
    }
}

/* 2^x to 3e-6 of it, 0 for -inf. */
INLINE __m512 power(__m512 x)
{
    const __m512 r = _mm512_reduce_ps(x, 0x09); /* x less its floor */
    __m512       p = _mm512_fmadd_ps(r, _mm512_set1_ps(1.353416791e-2f), _mm512_set1_ps(5.201146062e-2f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(2.414427569e-1f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(6.930038345e-1f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.000002593f));
    return _mm512_scalef_ps(p, x);
}

#define LOG2_E 1.44269504f

/* A row's scores become weights in bf16, exp(s - most); returns the sum of them as rounded. */
INLINE_BF16 float weights(const float *s, float most, uint32_t *w)
{
    const __m512  scale = _mm512_set1_ps(LOG2_E), shift = _mm512_set1_ps(-most * LOG2_E);
    const __m512i upper = _mm512_set1_epi32((int)0xffff0000);
    vf            sum = v_set(0.0f);
    for (int j = 0; j < KEYS; j += 2 * W) {
        const __m512  a = power(_mm512_fmadd_ps(_mm512_loadu_ps(s + j), scale, shift));
        const __m512  b = power(_mm512_fmadd_ps(_mm512_loadu_ps(s + j + W), scale, shift));
        const __m512i pairs = pack((vf)a, (vf)b);
        _mm512_storeu_si512(w + j / 2, pairs);
        sum += (vf)_mm512_slli_epi32(pairs, 16) + (vf)_mm512_and_si512(pairs, upper);
    }
    return v_sum(sum);
}

/* A row that has seen nothing so far, or only NaN: no weights; the sum tells. */
static float no_weights(const float *s, uint32_t *w)
{
    float sum = 0.0f;
    for (int j = 0; j < KEYS; j++)
        if (s[j] != s[j]) sum = NAN;
    memset(w, 0, KEYS / 2 * sizeof *w);
    return sum;
}

/* o[ROWS][.. step] = factor o + weights times values, `vectors` vectors from `values` on. */
INLINE_BF16 void weigh(int vectors, const uint32_t *w, const uint32_t *values, int64_t width,
                       const float *factor, float *o, int64_t step)
{
    __m512 sum[ROWS][4];
    for (int i = 0; i < ROWS; i++)
        for (int j = 0; j < vectors; j++)
            sum[i][j] = _mm512_mul_ps(_mm512_loadu_ps(o + i * step + j * W), _mm512_set1_ps(factor[i]));
    for (int64_t p = 0; p < KEYS / 2; p++, values += width) {
        __m512bh v[4];
        for (int j = 0; j < vectors; j++) v[j] = (__m512bh)_mm512_loadu_si512(values + j * W);
#pragma GCC unroll 6
        for (int i = 0; i < ROWS; i++) {
            const __m512bh pair = (__m512bh)_mm512_set1_epi32((int)w[i * (KEYS / 2) + p]);
            for (int j = 0; j < vectors; j++) sum[i][j] = _mm512_dpbf16_ps(sum[i][j], v[j], pair);
        }
    }
    for (int i = 0; i < ROWS; i++)
        for (int j = 0; j < vectors; j++) _mm512_storeu_ps(o + i * step + j * W, sum[i][j]);
}

/* Scores of rows r .. r + ROWS become weights; factor: by how much what was summed so far shrinks. */
INLINE_BF16 void soften(const struct tile *t, int64_t r, int64_t key, int64_t n, bool all, float *s,
                        uint32_t *w, float *factor)
{
    const struct attend *a = t->a;
    float                tops[W] = {0};
    for (int64_t i = 0; i < ROWS; i++) {
        float *row = s + i * KEYS;
        if (!all && r + i < t->rows)
            limit_scores(a, t->b, head_of(t, r + i), query_of(t, r + i), key, n, row);
        vf top = v_load(row);
        for (int64_t j = W; j < KEYS; j += W) top = v_max(v_load(row + j), top);
        tops[i] = v_most(top);
    }
    const __mmask16 some = (1 << ROWS) - 1;
    const vf        old = (vf)_mm512_maskz_loadu_ps(some, t->most + r), top = v_load(tops);
    const vf        most = v_pick(top > old, top, old);
    v_store(factor, v_pick(most > old, v_exp(old - most), v_set(1.0f)));
    _mm512_mask_storeu_ps(t->most + r, some, (__m512)most);
    for (int64_t i = 0; i < ROWS; i++) {
        const float top_i = t->most[r + i];
        const float sum = top_i == -INFINITY ? no_weights(s + i * KEYS, w + i * KEYS / 2)
                                             : weights(s + i * KEYS, top_i, w + i * KEYS / 2);
        t->sum[r + i] = t->sum[r + i] * factor[i] + sum;
    }
}

BF16 void CPU(half_block)(const struct tile *t, int64_t key, int64_t n)
{
    const struct attend *a = t->a;
    const struct panels  p = panels_of(t);
    const int64_t        pairs = wide(a->d) / 2, width = wide(a->dv);
    const bool           all = sees_all(t, key, n);
    wk_dtype             type;
    int64_t              step;
    const char          *rows =
        rows_of(a->k, head_at(a->k, t->b, t->g) + key * row_step(a->k), n, p.rows, &type, &step);
    key_panels(type, rows, step, n, 2 * pairs, p.keys, p.scale);
    rows = rows_of(a->v, head_at(a->v, t->b, t->g) + key * row_step(a->v), n, p.rows, &type, &step);
    value_panels(type, rows, step, n, width, p.values);
    for (int64_t r = 0; r < t->rows; r += ROWS) {
        float    s[ROWS * KEYS], factor[W];
        uint32_t w[ROWS * KEYS / 2];
        scores((const int32_t *)(const void *)t->q + r * pairs, p.query_scale + r, pairs, &p, s);
        soften(t, r, key, n, all, s, w, factor);
        int64_t e = 0;
        float  *o = t->o + r * a->dvp;
        for (; e + 4 * W <= a->dvp; e += 4 * W) weigh(4, w, p.values + e, width, factor, o + e, a->dvp);
        for (; e < a->dvp; e += W) weigh(1, w, p.values + e, width, factor, o + e, a->dvp);
    }
}

#endif
