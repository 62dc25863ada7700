/* Blocks of 256 values with a scale (and a minimum) per group: q2_k to q6_k, values to codes. The scales are
 * found by weighted least squares over several first guesses. The order of every operation is that of the
 * formats' reference encoder, so files come out the same byte for byte; the groups of a block lie side by
 * side in vector lanes, each with its own running sums. */
#include "cpu/half.h"
#include "cpu/quant_k.h"
#include "cpu/simd.h"

#define QUANTIZE(t, body)                                                                                    \
    void CPU(quantize_##t)(const float *x, void *dst, int64_t count)                                         \
    {                                                                                                        \
        for (struct t *b = dst; count > 0; b++, x += 256, count -= 256) body(b, x);                          \
    }

#define GROUPS 16 /* lanes kept for the groups of a block; blocks of 8 groups leave the second half 0 */

/* A block turned: value i of group g at [i][g]. */
struct turned {
    float x[32][GROUPS], w[32][GROUPS];
    vi    code[32]; /* of the W groups at work */
};
struct fit {
    float   scale[GROUPS], minimum[GROUPS];
    uint8_t code[256];
};

INLINE vi v_int(int32_t x)
{
    return x - (vi){0};
}
INLINE vf v_abs(vf x)
{
    return (vf)((vi)x & 0x7fffffff);
}
/* The nearest integer, halves to even, for |x| < 2^22. */
INLINE vi v_nearest(vf x)
{
    return ((vi)(x + 12582912.0f) & 0x7fffff) - 0x400000;
}
INLINE int nearest(float x)
{
    return (int)(bits_of(x + 12582912.0f) & 0x7fffffu) - 0x400000;
}
INLINE vi v_clamp(vi x, int least, int most)
{
    const vi low = x<least, high = x> most;
    return (v_int(least) & low) | (v_int(most) & high) | (x & ~low & ~high);
}
INLINE vi v_choose(vi mask, vi a, vi b)
{
    return (a & mask) | (b & ~mask);
}
INLINE vf v_real(vi x)
{
    return __builtin_convertvector(x, vf);
}
INLINE int clamp(int x, int least, int most)
{
    return x < least ? least : x > most ? most : x;
}

/* `size` values in each of 256 / size groups. */
INLINE void turn(const float *x, int size, struct turned *t)
{
    for (int i = 0; i < size; i++)
        for (int g = 0; g < GROUPS; g++) t->x[i][g] = g * size < 256 ? x[g * size + i] : 0.0f;
}
INLINE void keep_codes(const struct turned *t, int size, int first, struct fit *f)
{
    for (int g = first; g < first + W && g * size < 256; g++)
        for (int i = 0; i < size; i++) f->code[g * size + i] = (uint8_t)t->code[i][g - first];
}

/* ---- x ~ scale code + minimum, minimum <= 0, codes 0..top: q2_k, q4_k, q5_k ------------------ */

struct ramp {
    float first, step; /* the guesses: a range of top + first, + step ... codes */
    int   steps, size, top;
    bool  absolute; /* compares sums of absolute, not of squared errors */
};

/* Sum of weighted errors with the codes t->code. */
INLINE vf ramp_error(const struct ramp *r, const struct turned *t, int g, vf scale, vf minimum)
{
    vf error = v_set(0.0f);
    for (int i = 0; i < r->size; i++) {
        const vf d = scale * v_real(t->code[i]) + minimum - v_load(t->x[i] + g);
        error += v_load(t->w[i] + g) * (r->absolute ? v_abs(d) : d * d);
    }
    return error;
}
INLINE void ramp_codes(const struct ramp *r, struct turned *t, int g, vf inverse, vf least)
{
    for (int i = 0; i < r->size; i++)
        t->code[i] = v_clamp(v_nearest(inverse * (v_load(t->x[i] + g) - least)), 0, r->top);
}

/* W groups from g. */
INLINE void fit_ramp(const struct ramp *r, struct turned *t, int g, struct fit *f)
{
    const vf zero = v_set(0.0f), one = v_set(1.0f);
    vf       least = v_load(t->x[0] + g), most = least, sum_w = zero, sum_x = zero;
    for (int i = 0; i < r->size; i++) {
        const vf x = v_load(t->x[i] + g), w = v_load(t->w[i] + g);
        least = v_pick(x < least, x, least);
        most = v_pick(x > most, x, most);
        sum_w = i ? sum_w + w : w;
        sum_x = i ? sum_x + w * x : w * x;
    }
    least = v_pick(least > zero, zero, least);
    const vi flat = most == least;
    vf       best_inverse = v_set((float)r->top) / (most - least), scale = one / best_inverse, from = least;
    ramp_codes(r, t, g, best_inverse, from);
    vf best = ramp_error(r, t, g, scale, least);
    for (int s = 0; s <= r->steps; s++) {
        /* from the best minimum so far */
        const vf inverse = v_set(r->first + r->step * (float)s + (float)r->top) / (most - least);
        ramp_codes(r, t, g, inverse, least);
        vf sum_l = zero, sum_ll = zero, sum_xl = zero;
        for (int i = 0; i < r->size; i++) {
            const vf l = v_real(t->code[i]), w = v_load(t->w[i] + g);
            sum_l += w * l;
            sum_ll += w * l * l;
            sum_xl += w * l * v_load(t->x[i] + g);
        }
        const vf d = sum_w * sum_ll - sum_l * sum_l;
        vf       new_scale = (sum_w * sum_xl - sum_x * sum_l) / d;
        vf       new_least = (sum_ll * sum_x - sum_l * sum_xl) / d;
        const vi above = new_least > zero;
        new_scale = v_pick(above, sum_xl / sum_ll, new_scale);
        new_least = v_pick(above, zero, new_least);
        const vf error = ramp_error(r, t, g, new_scale, new_least);
        const vi better = (d > zero) & (error < best);
        best = v_pick(better, error, best);
        scale = v_pick(better, new_scale, scale);
        from = v_pick(better, least, from);
        least = v_pick(better, new_least, least);
        best_inverse = v_pick(better, inverse, best_inverse);
    }
    ramp_codes(r, t, g, best_inverse, from);
    for (int i = 0; i < r->size; i++) t->code[i] &= ~flat;
    v_store(f->scale + g, v_pick(flat, zero, scale));
    v_store(f->minimum + g, -least);
    keep_codes(t, r->size, g, f);
}

/* Scales and minima as integers up to `top`, their units, and the codes that go with them. */
INLINE void round_ramp(const float *x, int size, int code_top, int top, struct fit *f, uint16_t *d,
                       uint16_t *m, int *scale, int *minimum)
{
    const int n = 256 / size;
    float     most_d = 0.0f, most_m = 0.0f;
    for (int g = 0; g < n; g++) {
        most_d = f->scale[g] > most_d ? f->scale[g] : most_d;
        most_m = f->minimum[g] > most_m ? f->minimum[g] : most_m;
    }
    const float inverse_d = most_d > 0.0f ? (float)top / most_d : 0.0f;
    const float inverse_m = most_m > 0.0f ? (float)top / most_m : 0.0f;
    *d = to_f16(most_d / (float)top);
    *m = to_f16(most_m / (float)top);
    const float unit_d = from_f16(*d), unit_m = from_f16(*m);
    for (int g = 0; g < n; g++) {
        scale[g] = nearest(inverse_d * f->scale[g]) & 255;
        minimum[g] = nearest(inverse_m * f->minimum[g]) & 255;
        scale[g] = scale[g] > top ? top : scale[g];
        minimum[g] = minimum[g] > top ? top : minimum[g];
        const float a = unit_d * (float)scale[g], b = unit_m * (float)minimum[g];
        if (a == 0.0f) continue;
        for (int i = g * size; i < g * size + size; i++)
            f->code[i] = (uint8_t)clamp(nearest((x[i] + b) / a), 0, code_top);
    }
}

INLINE void codes_q2_k(struct q2_k *b, const float *x)
{
    static const struct ramp ramp = {-0.5f, 0.1f, 15, 16, 3, true};
    struct turned            t;
    struct fit               f;
    uint16_t                 d, m;
    int                      scale[16], minimum[16];
    turn(x, 16, &t);
    for (int i = 0; i < 16; i++)
        for (int g = 0; g < GROUPS; g++) t.w[i][g] = fabsf(t.x[i][g]);
    for (int g = 0; g < GROUPS; g += W) fit_ramp(&ramp, &t, g, &f);
    round_ramp(x, 16, 3, 15, &f, &d, &m, scale, minimum);
    b->d = d;
    b->m = m;
    for (int g = 0; g < 16; g++) b->scales[g] = (uint8_t)(scale[g] | minimum[g] << 4);
    for (int i = 0; i < 64; i++) {
        const uint8_t *c = f.code + (i & 32) * 4 + (i & 31);
        b->q[i] = (uint8_t)(c[0] | c[32] << 2 | c[64] << 4 | c[96] << 6);
    }
}

/* Groups of 32; weights favour large values. */
INLINE void fit_large(const struct ramp *r, const float *x, struct fit *f)
{
    struct turned t;
    turn(x, 32, &t);
    for (int g = 0; g < GROUPS; g++) {
        float squares = 0.0f;
        for (int i = 0; i < 32; i++) squares += t.x[i][g] * t.x[i][g];
        const float typical = sqrtf(squares / 32.0f);
        for (int i = 0; i < 32; i++) t.w[i][g] = typical + fabsf(t.x[i][g]);
    }
    for (int g = 0; g < 8; g += W) fit_ramp(r, &t, g, f);
}

INLINE void codes_q4_k(struct q4_k *b, const float *x)
{
    static const struct ramp ramp = {-1.0f, 0.1f, 20, 32, 15, false};
    struct fit               f;
    uint16_t                 d, m;
    int                      scale[8], minimum[8];
    fit_large(&ramp, x, &f);
    round_ramp(x, 32, 15, 63, &f, &d, &m, scale, minimum);
    b->d = d;
    b->m = m;
    pack_q4(scale, minimum, b->scales);
    for (int i = 0; i < 128; i++) {
        const uint8_t *c = f.code + (i & ~31) * 2 + (i & 31);
        b->q[i] = (uint8_t)(c[0] | c[32] << 4);
    }
}

INLINE void codes_q5_k(struct q5_k *b, const float *x)
{
    static const struct ramp ramp = {-0.5f, 0.1f, 15, 32, 31, false};
    struct fit               f;
    uint16_t                 d, m;
    int                      scale[8], minimum[8];
    fit_large(&ramp, x, &f);
    round_ramp(x, 32, 31, 63, &f, &d, &m, scale, minimum);
    b->d = d;
    b->m = m;
    pack_q4(scale, minimum, b->scales);
    for (int i = 0; i < 128; i++) {
        const uint8_t *c = f.code + (i & ~31) * 2 + (i & 31);
        b->q[i] = (uint8_t)((c[0] & 15) | (c[32] & 15) << 4);
    }
    for (int i = 0; i < 32; i++) {
        int bits = 0;
        for (int j = 0; j < 8; j++) bits |= (f.code[32 * j + i] >> 4) << j;
        b->high[i] = (uint8_t)bits;
    }
}

/* ---- x ~ scale (code - half), codes 0..2 half - 1: q3_k, q6_k; weights are the squares ------- */

#define LEAST_SIZE 1e-15f /* groups below it are 0 */

/* The value furthest from 0 of each group. */
INLINE vf furthest(const struct turned *t, int g, vf *size)
{
    vf far = v_set(0.0f);
    *size = far;
    for (int i = 0; i < 16; i++) {
        const vf x = v_load(t->x[i] + g), a = v_abs(x);
        const vi more = a > *size;
        far = v_pick(more, x, far);
        *size = v_pick(more, a, *size);
    }
    return far;
}

struct sums {
    vf xl, ll; /* of w x code and w code code */
};
INLINE struct sums symmetric_codes(struct turned *t, int g, int half, vf inverse)
{
    struct sums s = {v_set(0.0f), v_set(0.0f)};
    for (int i = 0; i < 16; i++) {
        const vf x = v_load(t->x[i] + g), w = x * x;
        t->code[i] = v_clamp(v_nearest(inverse * x), -half, half - 1);
        const vf l = v_real(t->code[i]);
        s.xl += w * x * l;
        s.ll += w * l * l;
    }
    return s;
}
INLINE void keep_symmetric(struct turned *t, int g, int half, vi none, vf scale, struct fit *f)
{
    for (int i = 0; i < 16; i++) t->code[i] = (t->code[i] + half) & ~none;
    v_store(f->scale + g, v_pick(none, v_set(0.0f), scale));
    keep_codes(t, 16, g, f);
}

/* Eighteen more guesses around the range that just holds the furthest value. */
INLINE void fit_q6(struct turned *t, int g, struct fit *f)
{
    const vf    zero = v_set(0.0f);
    vf          size;
    const vf    far = furthest(t, g, &size);
    vf          best_inverse = v_set(-32.0f) / far;
    struct sums s = symmetric_codes(t, g, 32, best_inverse);
    vf          scale = v_pick(s.ll != zero, s.xl / s.ll, zero), best = scale * s.xl;
    for (int step = -9; step <= 9; step++) {
        if (step == 0) continue;
        const vf inverse = v_set(-(32.0f + 0.1f * (float)step)) / far;
        s = symmetric_codes(t, g, 32, inverse);
        const vi better = (s.ll > zero) & (s.xl * s.xl > best * s.ll);
        scale = v_pick(better, s.xl / s.ll, scale);
        best = v_pick(better, scale * s.xl, best);
        best_inverse = v_pick(better, inverse, best_inverse);
    }
    symmetric_codes(t, g, 32, best_inverse);
    keep_symmetric(t, g, 32, size < LEAST_SIZE, scale, f);
}

/* Then one code after the other moves to where it fits best, five times over. */
INLINE void fit_q3(struct turned *t, int g, struct fit *f)
{
    const vf    zero = v_set(0.0f);
    vf          size;
    const vf    far = furthest(t, g, &size);
    struct sums s = symmetric_codes(t, g, 4, v_set(-4.0f) / far);
    vi          active = (vi)(zero == zero);
    for (int round = 0; round < 5; round++) {
        vi changed = v_int(0);
        for (int i = 0; i < 16; i++) {
            const vf x = v_load(t->x[i] + g), w = x * x, l = v_real(t->code[i]);
            vf       xl = s.xl - w * x * l, ll = s.ll - w * l * l;
            const vi positive = xl > zero;
            const vi moved = v_clamp(v_nearest(x * ll / xl), -4, 3);
            const vf new = v_real(moved);
            xl += w * x * new;
            ll += w * new *new;
            const vi better =
                active & positive & (moved != t->code[i]) & (ll > zero) & (xl * xl * s.ll > s.xl * s.xl * ll);
            t->code[i] = v_choose(better, moved, t->code[i]);
            s.xl = v_pick(better, xl, s.xl);
            s.ll = v_pick(better, ll, s.ll);
            changed |= better;
        }
        active = changed;
    }
    keep_symmetric(t, g, 4, size < LEAST_SIZE, v_pick(s.ll > zero, s.xl / s.ll, zero), f);
}

/* The scale furthest from 0, the first of equals. */
INLINE float furthest_scale(const float *scale)
{
    float far = 0.0f, size = 0.0f;
    for (int g = 0; g < 16; g++) {
        const float a = fabsf(scale[g]);
        far = a > size ? scale[g] : far;
        size = a > size ? a : size;
    }
    return far;
}
INLINE void round_symmetric(const float *x, int half, float unit, const int *scale, struct fit *f)
{
    for (int g = 0; g < 16; g++) {
        const float d = unit * (float)scale[g];
        if (d == 0.0f) continue;
        for (int i = 16 * g; i < 16 * g + 16; i++)
            f->code[i] = (uint8_t)(clamp(nearest(x[i] / d), -half, half - 1) + half);
    }
}

INLINE void codes_q3_k(struct q3_k *b, const float *x)
{
    struct turned t;
    struct fit    f;
    int           scale[16], raised[16];
    turn(x, 16, &t);
    for (int g = 0; g < GROUPS; g += W) fit_q3(&t, g, &f);
    const float far = furthest_scale(f.scale), inverse = far != 0.0f ? -32.0f / far : 0.0f;
    b->d = to_f16(far != 0.0f ? 1.0f / inverse : 0.0f);
    for (int g = 0; g < 16; g++) {
        raised[g] = far != 0.0f ? clamp(nearest(inverse * f.scale[g]), -32, 31) + 32 : 0;
        scale[g] = raised[g] - 32;
    }
    pack_q3(raised, b->scales);
    round_symmetric(x, 4, from_f16(b->d), scale, &f);
    for (int i = 0; i < 64; i++) {
        const uint8_t *c = f.code + (i & 32) * 4 + (i & 31);
        b->q[i] = (uint8_t)((c[0] & 3) | (c[32] & 3) << 2 | (c[64] & 3) << 4 | (c[96] & 3) << 6);
    }
    for (int i = 0; i < 32; i++) {
        int bits = 0;
        for (int j = 0; j < 8; j++) bits |= (f.code[32 * j + i] >> 2) << j;
        b->high[i] = (uint8_t)bits;
    }
}

INLINE void codes_q6_k(struct q6_k *b, const float *x)
{
    struct turned t;
    struct fit    f;
    int           scale[16];
    turn(x, 16, &t);
    for (int g = 0; g < GROUPS; g += W) fit_q6(&t, g, &f);
    const float far = furthest_scale(f.scale);
    if (fabsf(far) < LEAST_SIZE) {
        memset(b, 0, sizeof *b);
        return;
    }
    const float inverse = -128.0f / far;
    b->d = to_f16(1.0f / inverse);
    for (int g = 0; g < 16; g++) {
        const int s = nearest(inverse * f.scale[g]);
        b->scales[g] = (int8_t)(s > 127 ? 127 : s);
        scale[g] = b->scales[g];
    }
    round_symmetric(x, 32, from_f16(b->d), scale, &f);
    for (int i = 0; i < 64; i++) {
        const uint8_t *c = f.code + (i & 32) * 4 + (i & 31);
        uint8_t       *q = b->q + (i & 32) * 2 + (i & 31);
        q[0] = (uint8_t)((c[0] & 15) | (c[64] & 15) << 4);
        q[32] = (uint8_t)((c[32] & 15) | (c[96] & 15) << 4);
        b->high[i] = (uint8_t)(c[0] >> 4 | (c[32] >> 4) << 2 | (c[64] >> 4) << 4 | (c[96] >> 4) << 6);
    }
}

QUANTIZE(q2_k, codes_q2_k)
QUANTIZE(q3_k, codes_q3_k)
QUANTIZE(q4_k, codes_q4_k)
QUANTIZE(q5_k, codes_q5_k)
QUANTIZE(q6_k, codes_q6_k)
