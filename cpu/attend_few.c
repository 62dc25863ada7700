/* Attention for few query rows (decoding): keys and values are read once, in their own format, and widened in
 * registers. */
#include "cpu/attend_tile.h"

enum format { F32, F16, BF16, Q8, Q4 };

/* n rows of keys or values, step bytes apart; and the rows that are wanted next, which are called for
 * meanwhile. */
struct stream {
    enum format format;
    const char *rows, *next;
    int64_t     step, n, next_step, next_bytes;
};

/* Values e .. e + W of a row: q8_0 and q4_0 have blocks of 32 values, a half that scales and then the
 * integers; q4_0 keeps value i and i + 16 in the halves of a byte. */
INLINE vf load_block(enum format f, const char *row, int64_t e)
{
    const char    *block = row + e / 32 * (f == Q8 ? 34 : 18), *p = block + 2 + e % (f == Q8 ? 32 : 16);
    const uint16_t code = *(const uint16_t *)(const void *)block;
    const vf       scale = v_set(v_half(code));
    if (f == Q8) return __builtin_convertvector(v_load_i8(p), vf) * scale;
    const vi pair = v_load_u8(p), nibble = e % 32 < 16 ? pair & 15 : pair >> 4;
    return __builtin_convertvector(nibble - 8, vf) * scale;
}

INLINE vf load_format(enum format f, const char *row, int64_t e)
{
    if (f == F32) return v_load((const float *)(const void *)row + e);
    if (f == F16) return v_load_f16((const uint16_t *)(const void *)row + e);
    if (f == BF16) return v_load_bf16((const uint16_t *)(const void *)row + e);
    return load_block(f, row, e);
}
INLINE void call_for(const struct stream *x, int64_t row)
{
    for (int64_t b = 0; b < x->next_bytes; b += 64) __builtin_prefetch(x->next + row * x->next_step + b);
}

/* Vectors of products of four rows of keys with `rows` query rows. */
INLINE void products4(enum format f, int rows, const char *k, int64_t step, const float *q, int64_t dp,
                      vf (*sum)[4])
{
    for (int r = 0; r < rows; r++)
        for (int i = 0; i < 4; i++) sum[r][i] = v_set(0.0f);
    for (int64_t e = 0; e < dp; e += W) {
        vf key[4];
        for (int i = 0; i < 4; i++) key[i] = load_format(f, k + i * step, e);
        for (int r = 0; r < rows; r++) {
            const vf query = v_load(q + r * dp + e);
            for (int i = 0; i < 4; i++) sum[r][i] = v_fma(query, key[i], sum[r][i]);
        }
    }
}

/* s[r][j] = q[r] . row j, for `rows` query rows. */
INLINE void dots_of(enum format f, int rows, const struct stream *x, const float *q, int64_t dp, float *s)
{
    const char *k = x->rows;
    int64_t     j = 0;
    for (; j + W <= x->n; j += W) {
        vf fold[4][W / 4], sum[4][4];
        for (int p = 0; p < W / 4; p++, k += 4 * x->step) {
            for (int i = 0; i < 4; i++) call_for(x, j + 4 * p + i);
            products4(f, rows, k, x->step, q, dp, sum);
            for (int r = 0; r < rows; r++) fold[r][p] = v_fold4(sum[r][0], sum[r][1], sum[r][2], sum[r][3]);
        }
        for (int r = 0; r < rows; r++) v_store(s + r * KEYS + j, v_sum_folds(fold[r]));
    }
    for (; j < x->n; j++, k += x->step)
        for (int r = 0; r < rows; r++) {
            vf sum = v_set(0.0f);
            for (int64_t e = 0; e < dp; e += W)
                sum = v_fma(v_load(q + r * dp + e), load_format(f, k, e), sum);
            s[r * KEYS + j] = v_sum(sum);
        }
}

/* o[r] += sum over j of s[r][j] row j, for `vectors` vectors of the row from element e. */
INLINE void values_tile(enum format f, int rows, int vectors, const struct stream *x, int64_t e,
                        const float *s, float *o, int64_t dvp)
{
    const char *v = x->rows;
    vf          sum[4][4];
    for (int r = 0; r < rows; r++)
        for (int i = 0; i < vectors; i++) sum[r][i] = v_load(o + r * dvp + e + i * W);
    for (int64_t j = 0; j < x->n; j++, v += x->step) {
        vf value[4];
        if (e == 0) call_for(x, j);
        for (int i = 0; i < vectors; i++) value[i] = load_format(f, v, e + i * W);
        for (int r = 0; r < rows; r++) {
            const vf weight = v_set(s[r * KEYS + j]);
            for (int i = 0; i < vectors; i++) sum[r][i] = v_fma(weight, value[i], sum[r][i]);
        }
    }
    for (int r = 0; r < rows; r++)
        for (int i = 0; i < vectors; i++) v_store(o + r * dvp + e + i * W, sum[r][i]);
}

INLINE void values_of(enum format f, int rows, const struct stream *x, const float *s, int64_t dvp, float *o)
{
    int64_t e = 0;
    for (; e + 4 * W <= dvp; e += 4 * W) values_tile(f, rows, 4, x, e, s, o, dvp);
    for (; e < dvp; e += W) values_tile(f, rows, 1, x, e, s, o, dvp);
}

#define BY_ROWS(fn, f, rows, ...)                                                                            \
    switch (rows) {                                                                                          \
    case 1:                                                                                                  \
        fn(f, 1, __VA_ARGS__);                                                                               \
        break;                                                                                               \
    case 2:                                                                                                  \
        fn(f, 2, __VA_ARGS__);                                                                               \
        break;                                                                                               \
    case 3:                                                                                                  \
        fn(f, 3, __VA_ARGS__);                                                                               \
        break;                                                                                               \
    default:                                                                                                 \
        fn(f, 4, __VA_ARGS__);                                                                               \
        break;                                                                                               \
    }

INLINE void dots_format(enum format f, int64_t rows, struct stream x, const float *q, int64_t dp, float *s)
{
    for (int64_t r = 0; r < rows; r += 4, x.next_bytes = 0) {
        BY_ROWS(dots_of, f, rows - r, &x, q + r * dp, dp, s + r * KEYS)
    }
}
INLINE void values_format(enum format f, int64_t rows, struct stream x, const float *s, int64_t dvp, float *o)
{
    for (int64_t r = 0; r < rows; r += 4, x.next_bytes = 0) {
        BY_ROWS(values_of, f, rows - r, &x, s + r * KEYS, dvp, o + r * dvp)
    }
}

static void dots(const struct stream *x, int64_t rows, const float *q, int64_t dp, float *s)
{
    if (x->format == F32) dots_format(F32, rows, *x, q, dp, s);
    if (x->format == F16) dots_format(F16, rows, *x, q, dp, s);
    if (x->format == BF16) dots_format(BF16, rows, *x, q, dp, s);
    if (x->format == Q8) dots_format(Q8, rows, *x, q, dp, s);
    if (x->format == Q4) dots_format(Q4, rows, *x, q, dp, s);
}

static void values(const struct stream *x, int64_t rows, const float *s, int64_t dvp, float *o)
{
    if (x->format == F32) values_format(F32, rows, *x, s, dvp, o);
    if (x->format == F16) values_format(F16, rows, *x, s, dvp, o);
    if (x->format == BF16) values_format(BF16, rows, *x, s, dvp, o);
    if (x->format == Q8) values_format(Q8, rows, *x, s, dvp, o);
    if (x->format == Q4) values_format(Q4, rows, *x, s, dvp, o);
}

/* The format in which rows of x, `width` values each, can be streamed as they lie; -1: in none. */
static int format_of(wk_tensor x, int64_t width)
{
    if (wki_cols(x) != width) return -1;
    static const int8_t formats[WK_DTYPE_COUNT] = {[WK_f32] = 1 + F32,
                                                   [WK_f16] = V_HALF ? 1 + F16 : 0,
                                                   [WK_bf16] = 1 + BF16,
                                                   [WK_q8_0] = 1 + Q8,
                                                   [WK_q4_0] = 1 + Q4};
    return formats[x->dtype] - 1;
}

static int64_t row_bytes(wk_tensor x, int64_t values)
{
    return values / wk_dtype_block(x->dtype) * wk_dtype_bytes(x->dtype);
}

/* n rows of x where they lie, or as f32 in buffer. Meanwhile rows of `next` are called for. */
static struct stream stream_rows(wk_tensor x, int64_t at, int64_t n, int64_t width, float *buffer,
                                 wk_tensor next, int64_t next_at)
{
    struct stream s = {.n = n};
    const int     f = format_of(x, width);
    if (f >= 0) {
        s.format = (enum format)f;
        s.rows = address(x, at);
        s.step = row_bytes(x, row_step(x));
        s.next = address(next, next_at);
        s.next_step = row_bytes(next, row_step(next));
        s.next_bytes = row_bytes(next, wki_cols(next));
        return s;
    }
    s.rows = (const char *)block_rows(x, at, n, width, buffer, &s.step);
    s.step *= (int64_t)sizeof(float);
    return s;
}

/* The values come in while the keys are used, and the next keys with the values. */
void CPU(few_scores)(const struct tile *t, int64_t key, int64_t n)
{
    const struct attend *a = t->a;
    const int64_t        at = head_at(a->k, t->b, t->g) + key * row_step(a->k);
    const struct stream  x =
        stream_rows(a->k, at, n, a->dp, t->k, a->v, head_at(a->v, t->b, t->g) + key * row_step(a->v));
    dots(&x, t->rows, t->q, a->dp, t->s);
}

void CPU(few_values)(const struct tile *t, int64_t key, int64_t n)
{
    const struct attend *a = t->a;
    const int64_t        at = head_at(a->v, t->b, t->g) + key * row_step(a->v);
    const struct stream  x =
        stream_rows(a->v, at, n, a->dvp, t->v, a->k, head_at(a->k, t->b, t->g) + (key + n) * row_step(a->k));
    values(&x, t->rows, t->s, a->dvp, t->o);
}
