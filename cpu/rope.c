/* Rotary positions: sines and cosines once per position, used by all its heads. */
#include "cpu/kernel.h"

#define PAIRS 512

/* Sine and cosine of an f32 angle: quarter turns taken off in double, so that large angles keep all their
 * bits, then the Taylor polynomials on [-pi/4, pi/4], which are good to an ulp there. */
INLINE void sine_cosine(float angle, float *sine, float *cosine)
{
    union {
        double  f;
        int64_t i;
    } turns;
    const double magic = 6755399441055744.0; /* 1.5 * 2^52: adding it rounds to an integer in the low bits */
    turns.f = (double)angle * 0.63661977236758134308 + magic;
    const int32_t q = (int32_t)turns.i;
    const float   r = (float)((double)angle - (turns.f - magic) * 1.57079632679489661923), z = r * r;
    float         s = -1.0f / 39916800.0f, c = -1.0f / 3628800.0f;
    s = s * z + 1.0f / 362880.0f;
    s = s * z - 1.0f / 5040.0f;
    s = s * z + 1.0f / 120.0f;
    s = s * z - 1.0f / 6.0f;
    s = s * z * r + r;
    c = c * z + 1.0f / 40320.0f;
    c = c * z - 1.0f / 720.0f;
    c = c * z + 1.0f / 24.0f;
    c = c * z * z - 0.5f * z + 1.0f;
    const float a = q & 1 ? c : s, b = q & 1 ? s : c;
    *sine = q & 2 ? -a : a;
    *cosine = (q + 1) & 2 ? -b : b;
}

struct rope {
    const wk_call *k;
    int64_t        lead, positions, columns, half; /* rows per position, T, d, pairs in a row */
    bool           interleaved;
};

static void turn_halves(const struct rope *o, int64_t from, int64_t to, int64_t p, int64_t n, const float *c,
                        const float *s)
{
    const wk_tensor x = o->k->in[0], y = o->k->out[0];
    float           ba[PAIRS], bb[PAIRS], ya[PAIRS], yb[PAIRS];
    const float    *a = load_f32(x, from + p, n, ba), *b = load_f32(x, from + o->half + p, n, bb);
    float          *ta = dest_f32(y, to + p, ya), *tb = dest_f32(y, to + o->half + p, yb);
    for (int64_t i = 0; i < n; i++) {
        const float u = a[i], v = b[i];
        ta[i] = u * c[i] - v * s[i];
        tb[i] = v * c[i] + u * s[i];
    }
    store_f32(y, to + p, n, ta);
    store_f32(y, to + o->half + p, n, tb);
}

static void turn_pairs(const struct rope *o, int64_t from, int64_t to, int64_t p, int64_t n, const float *c,
                       const float *s)
{
    const wk_tensor x = o->k->in[0], y = o->k->out[0];
    float           bx[2 * PAIRS], by[2 * PAIRS];
    const float    *v = load_f32(x, from + 2 * p, 2 * n, bx);
    float          *t = dest_f32(y, to + 2 * p, by);
    for (int64_t i = 0; i < n; i++) {
        const float a = v[2 * i], b = v[2 * i + 1];
        t[2 * i] = a * c[i] - b * s[i];
        t[2 * i + 1] = b * c[i] + a * s[i];
    }
    store_f32(y, to + 2 * p, 2 * n, t);
}

static void copy_rest(const struct rope *o, int64_t from, int64_t to)
{
    const wk_tensor x = o->k->in[0], y = o->k->out[0];
    const int64_t   bytes = wk_dtype_bytes(x->dtype);
    memcpy(address(y, to + 2 * o->half), address(x, from + 2 * o->half),
           (size_t)((o->columns - 2 * o->half) * bytes));
}

static void angles(const struct rope *o, int64_t t, int64_t p, int64_t n, float *c, float *s)
{
    const float  *frequency = (const float *)(const void *)address(o->k->in[2], 0);
    const int64_t step = o->k->in[2]->stride[0];
    int64_t       position;
    const float   at = (float)*load_i64(o->k->in[1], t * o->k->in[1]->stride[0], 1, &position);
    const float   scale = (float)o->k->attr.f[0], turn = o->k->attr.i[2] ? -scale : scale;
    for (int64_t i = 0; i < n; i++) c[i] = at * frequency[(p + i) * step];
    for (int64_t i = 0; i < n; i++) sine_cosine(c[i], &s[i], &c[i]);
    for (int64_t i = 0; i < n; i++) {
        c[i] *= scale;
        s[i] *= turn;
    }
}

static void rope_positions(void *arg, int64_t first, int64_t last, int worker)
{
    const struct rope *o = arg;
    float              c[PAIRS], s[PAIRS];
    (void)worker;
    for (int64_t t = first; t < last; t++)
        for (int64_t p = 0; p < o->half || p == 0; p += PAIRS) {
            const int64_t n = o->half - p < PAIRS ? o->half - p : PAIRS;
            angles(o, t, p, n, c, s);
            for (int64_t l = 0; l < o->lead; l++) {
                const int64_t row = l * o->positions + t, from = wki_row_offset(o->k->in[0], row);
                const int64_t to = row * o->columns;
                if (o->interleaved)
                    turn_pairs(o, from, to, p, n, c, s);
                else
                    turn_halves(o, from, to, p, n, c, s);
                if (p == 0 && 2 * o->half < o->columns) copy_rest(o, from, to);
            }
        }
}

wk_status CPU(rope)(const wk_call *k)
{
    const wk_tensor y = k->out[0];
    struct rope     o = {.k = k,
                         .positions = y->shape[y->ndim - 2],
                         .columns = wki_cols(y),
                         .half = k->attr.i[1] / 2,
                         .interleaved = k->attr.i[0] != WK_ROPE_HALVES};
    if (wk_count(y) == 0) return WK_OK;
    o.lead = wki_rows(y) / o.positions;
    wki_parallel(k->device, o.positions, 8192 / (o.lead * o.columns) + 1, rope_positions, &o);
    return WK_OK;
}
