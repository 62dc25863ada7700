/* Values to blocks of 256 with a scale (and a minimum) for each group: q2_k to q6_k. The scales are found by
 * weighted least squares over several first guesses, a group to a lane; the order of every operation is that
 * of the formats' reference encoder. A warp makes a block. */
#include "cuda/quant.cuh"

enum { WARPS = 2, GROUPS = 16 };

/* What a warp shares: values, with a gap after each group, and what was found of groups and codes. */
struct shared_block {
    float   x[256 + GROUPS];
    float   scale[GROUPS], minimum[GROUPS];
    uint8_t code[256];
};

/* A group of SIZE values as its lane sees it. */
template <int SIZE> struct group_of {
    const float *x;
    real         typical; /* q4_k, q5_k: weights are above it; below 0: weights are |x| */

    DEVICE real value(int i) const { return {x[i]}; }
    DEVICE real weight(int i) const
    {
        return typical.v < 0.0f ? magnitude(value(i)) : typical + magnitude(value(i));
    }
};
DEVICE int place_of(int i, int size)
{
    return i + i / size;
}

/* ---- x ~ scale code + minimum, minimum <= 0, codes 0..top: q2_k, q4_k, q5_k ---- */

struct ramp {
    float first, step; /* the guesses: a range of top + first, + step ... codes */
    int   steps, top;
    bool  absolute; /* compares sums of absolute, not of squared errors */
};

template <int SIZE>
DEVICE int ramp_code(const ramp &r, const group_of<SIZE> &g, int i, real inverse, real low)
{
    return clamped(nearest(inverse * (g.value(i) - low)), 0, r.top);
}
/* Sum of weighted errors with the codes of (inverse, low). */
template <int SIZE>
DEVICE real ramp_error(const ramp &r, const group_of<SIZE> &g, real inverse, real low, real scale,
                       real minimum)
{
    real error = {0.0f};
    for (int i = 0; i < SIZE; i++) {
        const real d = scale * number(ramp_code(r, g, i, inverse, low)) + minimum - g.value(i);
        error = error + g.weight(i) * (r.absolute ? magnitude(d) : d * d);
    }
    return error;
}

template <int SIZE>
DEVICE void fit_ramp(const ramp &r, const group_of<SIZE> &g, float *scale_out, float *minimum_out,
                     uint8_t *code)
{
    const real zero = {0.0f}, one = {1.0f};
    real       least = g.value(0), most = least, sum_w = zero, sum_x = zero;
    for (int i = 0; i < SIZE; i++) {
        const real x = g.value(i), w = g.weight(i);
        least = x < least ? x : least;
        most = x > most ? x : most;
        sum_w = i ? sum_w + w : w;
        sum_x = i ? sum_x + w * x : w * x;
    }
    least = least > zero ? zero : least;
    const bool flat = most == least;
    real       best_inverse = number(r.top) / (most - least), scale = one / best_inverse, from = least;
    real       best = ramp_error(r, g, best_inverse, from, scale, least);
    for (int s = 0; s <= r.steps; s++) { /* from the best minimum so far */
        const real wide = real{r.first} + real{r.step} * number(s) + number(r.top);
        const real inverse = wide / (most - least);
        real       sum_l = zero, sum_ll = zero, sum_xl = zero;
        for (int i = 0; i < SIZE; i++) {
            const real l = number(ramp_code(r, g, i, inverse, least)), w = g.weight(i);
            sum_l = sum_l + w * l;
            sum_ll = sum_ll + w * l * l;
            sum_xl = sum_xl + w * l * g.value(i);
        }
        const real d = sum_w * sum_ll - sum_l * sum_l;
        real       new_scale = (sum_w * sum_xl - sum_x * sum_l) / d;
        real       new_least = (sum_ll * sum_x - sum_l * sum_xl) / d;
        if (new_least > zero) {
            new_scale = sum_xl / sum_ll;
            new_least = zero;
        }
        const real error = ramp_error(r, g, inverse, least, new_scale, new_least);
        if (!(d > zero && error < best)) continue;
        best = error;
        scale = new_scale;
        from = least;
        least = new_least;
        best_inverse = inverse;
    }
    for (int i = 0; i < SIZE; i++) code[i] = flat ? 0 : (uint8_t)ramp_code(r, g, i, best_inverse, from);
    *scale_out = flat ? 0.0f : scale.v;
    *minimum_out = -least.v;
}

/* Scales and minima as integers up to `top`, and the codes that go with them; each lane has its group's. */
template <int SIZE>
DEVICE void round_ramp(shared_block &s, int code_top, int top, int lane, uint8_t *units, int *scale,
                       int *minimum)
{
    const int n = 256 / SIZE, g = lane % n;
    real      most_d = {0.0f}, most_m = {0.0f};
    for (int i = 0; i < n; i++) {
        most_d = s.scale[i] > most_d.v ? real{s.scale[i]} : most_d;
        most_m = s.minimum[i] > most_m.v ? real{s.minimum[i]} : most_m;
    }
    const real     zero = {0.0f};
    const real     inverse_d = most_d > zero ? number(top) / most_d : zero;
    const real     inverse_m = most_m > zero ? number(top) / most_m : zero;
    const uint16_t d = half_bits(most_d / number(top)), m = half_bits(most_m / number(top));
    int            a = nearest(inverse_d * real{s.scale[g]}) & 255;
    int            b = nearest(inverse_m * real{s.minimum[g]}) & 255;
    *scale = a = a > top ? top : a;
    *minimum = b = b > top ? top : b;
    if (lane == 0) {
        put_half(units, d);
        put_half(units + 2, m);
    }
    const real unit = from_half(d) * number(a), low = from_half(m) * number(b);
    if (unit == zero || lane >= n) return;
    for (int i = g * SIZE; i < g * SIZE + SIZE; i++)
        s.code[i] = (uint8_t)clamped(nearest((real{s.x[place_of(i, SIZE)]} + low) / unit), 0, code_top);
}

/* ---- x ~ scale (code - half), codes 0..2 half - 1: q3_k, q6_k; weights are the squares ---- */

#define LEAST_SIZE 1e-15f /* groups below it are 0 */

struct line_sums {
    real xl, ll; /* of w x code and w code code */
};
DEVICE int line_code(const float *x, int i, int half, real inverse)
{
    return clamped(nearest(inverse * real{x[i]}), -half, half - 1);
}
DEVICE line_sums sums_of(const float *x, int half, real inverse)
{
    line_sums s = {{0.0f}, {0.0f}};
    for (int i = 0; i < 16; i++) {
        const real v = {x[i]}, w = v * v, l = number(line_code(x, i, half, inverse));
        s.xl = s.xl + w * v * l;
        s.ll = s.ll + w * l * l;
    }
    return s;
}
/* The value furthest from 0. */
DEVICE real furthest(const float *x, int n, real *size)
{
    real far = {0.0f};
    *size = far;
    for (int i = 0; i < n; i++) {
        const real v = {x[i]}, a = magnitude(v);
        far = a > *size ? v : far;
        *size = a > *size ? a : *size;
    }
    return far;
}

/* Eighteen more guesses around the range that just holds the furthest value. */
DEVICE real fit_q6(const float *x, uint8_t *code)
{
    const real zero = {0.0f};
    real       size;
    const real far = furthest(x, 16, &size);
    real       best_inverse = number(-32) / far;
    line_sums  s = sums_of(x, 32, best_inverse);
    real       scale = s.ll == zero ? zero : s.xl / s.ll, best = scale * s.xl;
    for (int step = -9; step <= 9; step++) {
        if (step == 0) continue;
        const real inverse = -(number(32) + real{0.1f} * number(step)) / far;
        s = sums_of(x, 32, inverse);
        if (!(s.ll > zero && s.xl * s.xl > best * s.ll)) continue;
        scale = s.xl / s.ll;
        best = scale * s.xl;
        best_inverse = inverse;
    }
    const bool none = size.v < LEAST_SIZE;
    for (int i = 0; i < 16; i++) code[i] = none ? 0 : (uint8_t)(line_code(x, i, 32, best_inverse) + 32);
    return none ? zero : scale;
}

/* One code after the other moves to where it fits best, five times over. Codes lie there raised by 4. */
DEVICE real fit_q3(const float *x, uint8_t *code)
{
    const real zero = {0.0f};
    real       size;
    const real far = furthest(x, 16, &size), inverse = number(-4) / far;
    line_sums  s = sums_of(x, 4, inverse);
    for (int i = 0; i < 16; i++) code[i] = (uint8_t)(line_code(x, i, 4, inverse) + 4);
    bool active = true;
    for (int round = 0; round < 5 && active; round++) {
        active = false;
        for (int i = 0; i < 16; i++) {
            const real v = {x[i]}, w = v * v, l = number(code[i] - 4);
            real       xl = s.xl - w * v * l, ll = s.ll - w * l * l;
            if (!(xl > zero)) continue;
            const int moved = clamped(nearest(v * ll / xl), -4, 3);
            xl = xl + w * v * number(moved);
            ll = ll + w * number(moved) * number(moved);
            if (moved == code[i] - 4 || !(ll > zero) || !(xl * xl * s.ll > s.xl * s.xl * ll)) continue;
            code[i] = (uint8_t)(moved + 4);
            s = {xl, ll};
            active = true;
        }
    }
    const bool none = size.v < LEAST_SIZE;
    for (int i = 0; i < 16 && none; i++) code[i] = 0;
    return none || !(s.ll > zero) ? zero : s.xl / s.ll;
}

DEVICE void round_line(shared_block &s, int g, int half, real d)
{
    if (d.v == 0.0f) return;
    for (int i = 16 * g; i < 16 * g + 16; i++)
        s.code[i] = (uint8_t)(clamped(nearest(real{s.x[place_of(i, 16)]} / d), -half, half - 1) + half);
}

/* ---- formats ---- */

/* Byte i of a plane of two bits (64 bytes), of nibbles (128) and of one bit (32). */
DEVICE int pair_byte(const shared_block &s, int i, int shift)
{
    const uint8_t *c = s.code + (i & 32) * 4 + (i & 31);
    return (c[0] >> shift & 3) | (c[32] >> shift & 3) << 2 | (c[64] >> shift & 3) << 4 |
           (c[96] >> shift & 3) << 6;
}
DEVICE int nibble_byte(const shared_block &s, int i)
{
    const uint8_t *c = s.code + (i & ~31) * 2 + (i & 31);
    return (c[0] & 15) | (c[32] & 15) << 4;
}
DEVICE int bit_byte(const shared_block &s, int i, int shift)
{
    int bits = 0;
    for (int j = 0; j < 8; j++) bits |= (s.code[32 * j + i] >> shift & 1) << j;
    return bits;
}
/* Eight scales and eight minima of 6 bits in twelve bytes, a lane to a group. */
DEVICE void put_k4(uint8_t *packed, int lane, int scale, int minimum)
{
    const int s = __shfl_down_sync(FULL_WARP, scale, 4), m = __shfl_down_sync(FULL_WARP, minimum, 4);
    if (lane >= 4) return;
    packed[lane] = (uint8_t)(scale | s >> 4 << 6);
    packed[lane + 4] = (uint8_t)(minimum | m >> 4 << 6);
    packed[lane + 8] = (uint8_t)((s & 15) | (m & 15) << 4);
}

template <int T> struct encoder_k;

template <> struct encoder_k<WK_q2_k> {
    enum { size = 16 };
    static DEVICE void to(shared_block &s, int lane, uint8_t *b)
    {
        const int         g = lane % 16;
        group_of<16>      values = {s.x + 17 * g, {-1.0f}};
        const struct ramp r = {-0.5f, 0.1f, 15, 3, true};
        int               scale, minimum;
        if (lane < 16) fit_ramp(r, values, s.scale + g, s.minimum + g, s.code + 16 * g);
        __syncwarp();
        round_ramp<16>(s, 3, 15, lane, b + 80, &scale, &minimum);
        __syncwarp();
        if (lane < 16) b[lane] = (uint8_t)(scale | minimum << 4);
        for (int i = lane; i < 64; i += 32) b[16 + i] = (uint8_t)pair_byte(s, i, 0);
    }
};

/* Weights favour large values. */
template <int TOP> DEVICE void large(shared_block &s, int lane, uint8_t *b, const ramp &r)
{
    const int    g = lane % 8;
    group_of<32> values = {s.x + 33 * g, {0.0f}};
    int          scale, minimum;
    real         squares = {0.0f};
    for (int i = 0; i < 32; i++) squares = squares + values.value(i) * values.value(i);
    values.typical = {__fsqrt_rn(__fdiv_rn(squares.v, 32.0f))};
    if (lane < 8) fit_ramp(r, values, s.scale + g, s.minimum + g, s.code + 32 * g);
    __syncwarp();
    round_ramp<32>(s, TOP, 63, lane, b, &scale, &minimum);
    __syncwarp();
    put_k4(b + 4, lane, scale, minimum);
}
template <> struct encoder_k<WK_q4_k> {
    enum { size = 32 };
    static DEVICE void to(shared_block &s, int lane, uint8_t *b)
    {
        large<15>(s, lane, b, {-1.0f, 0.1f, 20, 15, false});
        for (int i = lane; i < 128; i += 32) b[16 + i] = (uint8_t)nibble_byte(s, i);
    }
};
template <> struct encoder_k<WK_q5_k> {
    enum { size = 32 };
    static DEVICE void to(shared_block &s, int lane, uint8_t *b)
    {
        large<31>(s, lane, b, {-0.5f, 0.1f, 15, 31, false});
        b[16 + lane] = (uint8_t)bit_byte(s, lane, 4);
        for (int i = lane; i < 128; i += 32) b[48 + i] = (uint8_t)nibble_byte(s, i);
    }
};

template <> struct encoder_k<WK_q3_k> {
    enum { size = 16 };
    static DEVICE void to(shared_block &s, int lane, uint8_t *b)
    {
        const int g = lane % 16;
        real      size;
        if (lane < 16) s.scale[g] = fit_q3(s.x + 17 * g, s.code + 16 * g).v;
        __syncwarp();
        const real     far = furthest(s.scale, 16, &size);
        const bool     some = far.v != 0.0f;
        const real     inverse = some ? number(-32) / far : real{0.0f};
        const uint16_t d = half_bits(some ? number(1) / inverse : real{0.0f});
        const int      raised = some ? clamped(nearest(inverse * real{s.scale[g]}), -32, 31) + 32 : 0;
        if (lane < 16) round_line(s, g, 4, from_half(d) * number(raised - 32));
        __syncwarp();
        const int above = __shfl_down_sync(FULL_WARP, raised, 8);
        const int second = __shfl_down_sync(FULL_WARP, raised, 4),
                  fourth = __shfl_down_sync(FULL_WARP, raised, 12);
        if (lane < 8) b[96 + lane] = (uint8_t)((raised & 15) | (above & 15) << 4);
        if (lane < 4)
            b[104 + lane] = (uint8_t)(raised >> 4 | second >> 4 << 2 | above >> 4 << 4 | fourth >> 4 << 6);
        if (lane == 0) put_half(b + 108, d);
        b[lane] = (uint8_t)bit_byte(s, lane, 2);
        for (int i = lane; i < 64; i += 32) b[32 + i] = (uint8_t)pair_byte(s, i, 0);
    }
};

template <> struct encoder_k<WK_q6_k> {
    enum { size = 16 };
    static DEVICE void to(shared_block &s, int lane, uint8_t *b)
    {
        const int g = lane % 16;
        real      size;
        if (lane < 16) s.scale[g] = fit_q6(s.x + 17 * g, s.code + 16 * g).v;
        __syncwarp();
        const real far = furthest(s.scale, 16, &size);
        const bool some = !(fabsf(far.v) < LEAST_SIZE);
        const real inverse = number(-128) / far;
        const int  near = nearest(inverse * real{s.scale[g]}),
                  scale = some ? (int8_t)(near > 127 ? 127 : near) : 0;
        const uint16_t d = some ? half_bits(number(1) / inverse) : 0;
        if (lane < 16 && some) round_line(s, g, 32, from_half(d) * number(scale));
        if (lane < 16 && !some)
            for (int i = 0; i < 16; i++) s.code[16 * g + i] = 0;
        __syncwarp();
        if (lane < 16) b[192 + g] = (uint8_t)scale;
        if (lane == 0) put_half(b + 208, d);
        for (int i = lane; i < 64; i += 32) {
            const uint8_t *c = s.code + (i & 32) * 4 + (i & 31);
            uint8_t       *q = b + (i & 32) * 2 + (i & 31);
            q[0] = (uint8_t)((c[0] & 15) | (c[64] & 15) << 4);
            q[32] = (uint8_t)((c[32] & 15) | (c[96] & 15) << 4);
            b[128 + i] = (uint8_t)pair_byte(s, i, 4);
        }
    }
};

template <int T> __global__ void encode_k_kernel(const __grid_constant__ recoding r)
{
    SHARED(shared_block, all, WARPS);
    const int     lane = (int)threadIdx.x % 32, warp = (int)threadIdx.x / 32;
    const int64_t b = (int64_t)blockIdx.x * WARPS + warp;
    if (b * 256 >= r.w.n) return;
    shared_block &s = all[warp];
    uint8_t      *to = block_of(r, b, 256, format<T>::bytes);
    if (!to) return;
    for (int i = 4 * lane; i < 256; i += 128) {
        const float4 v = values_at(r, b * 256 + i);
        float       *x = s.x + place_of(i, encoder_k<T>::size);
        x[0] = v.x;
        x[1] = v.y;
        x[2] = v.z;
        x[3] = v.w;
    }
    __syncwarp();
    encoder_k<T>::to(s, lane, to);
}

wk_status wki_cuda_encode_k(const wk_call *k, const recoding &r)
{
    const unsigned blocks = blocks_for(r.w.n, 256 * WARPS);
#define ENCODE(t)                                                                                            \
    if (r.w.of[0].dtype == WK_##t) return launch(k, encode_k_kernel<WK_##t>, blocks, 32 * WARPS, 0, r);
    ENCODE(q2_k)
    ENCODE(q3_k)
    ENCODE(q4_k)
    ENCODE(q5_k)
    ENCODE(q6_k)
#undef ENCODE
    return wki_cuda_encode_table(k, r);
}
