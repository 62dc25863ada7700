/* Values to blocks of 32, a thread to a block, rounded as the formats' reference encoder does. */
#include "cuda/quant.cuh"

/* Towards 0; what has no code (a scale so small that its inverse is infinite) is 0. */
DEVICE int truncated(float x)
{
    return x > -129.0f && x < 256.0f ? (int)x : 0;
}

/* The value furthest from 0, the first of equals. */
DEVICE float furthest(const float (&x)[32])
{
    float far = 0.0f, size = 0.0f;
#pragma unroll
    for (int i = 0; i < 32; i++) {
        const float a = fabsf(x[i]);
        far = a > size ? x[i] : far;
        size = a > size ? a : size;
    }
    return far;
}

DEVICE float inverse_of(float d)
{
    return d != 0.0f ? __fdiv_rn(1.0f, d) : 0.0f;
}

/* Codes (x - minimum) / d + lift up to `top`: nibbles at q, fifth bits at `high`. */
DEVICE void encode(const float (&x)[32], float minimum, float d, float lift, int top, uint8_t *q,
                   uint8_t *high)
{
    const float inverse = inverse_of(d);
    uint32_t    fifth = 0;
#pragma unroll
    for (int i = 0; i < 16; i++) {
        int code[2];
#pragma unroll
        for (int h = 0; h < 2; h++) {
            const float t = __fadd_rn(__fmul_rn(__fsub_rn(x[i + 16 * h], minimum), inverse), lift);
            const int   c = truncated(t);
            code[h] = c > top ? top : c;
            fifth |= (uint32_t)(code[h] >> 4 & 1) << (i + 16 * h);
        }
        q[i] = (uint8_t)((code[0] & 15) | (code[1] & 15) << 4);
    }
    if (!high) return;
    for (int i = 0; i < 4; i++) high[i] = (uint8_t)(fifth >> 8 * i);
}

DEVICE void around(const float (&x)[32], int half, uint8_t *to, uint8_t *high, uint8_t *q)
{
    const float d = __fdiv_rn(furthest(x), (float)-half);
    put_half(to, half_bits({d}));
    encode(x, 0.0f, d, (float)half + 0.5f, 2 * half - 1, q, high);
}
DEVICE void above(const float (&x)[32], int top, uint8_t *to, uint8_t *high, uint8_t *q)
{
    float low = x[0], most = x[0];
#pragma unroll
    for (int i = 0; i < 32; i++) {
        low = x[i] < low ? x[i] : low;
        most = x[i] > most ? x[i] : most;
    }
    const float d = __fdiv_rn(__fsub_rn(most, low), (float)top);
    put_half(to, half_bits({d}));
    put_half(to + 2, half_bits({low}));
    encode(x, low, d, 0.5f, top, q, high);
}

/* To the nearest, halves away from 0. */
DEVICE void eight_bits(const float (&x)[32], uint8_t *to)
{
    const float d = __fdiv_rn(fabsf(furthest(x)), 127.0f), inverse = inverse_of(d);
    put_half(to, half_bits({d}));
#pragma unroll
    for (int i = 0; i < 32; i++) {
        const float t = __fmul_rn(x[i], inverse), whole = (float)truncated(t), rest = __fsub_rn(t, whole);
        const float up = rest >= 0.5f && rest < 1.0f ? 1.0f : rest <= -0.5f && rest > -1.0f ? -1.0f : 0.0f;
        to[2 + i] = (uint8_t)(int8_t)(whole + up);
    }
}

/* The exponent that puts the furthest value into the last octave; the first of the nearest entries. The
 * logarithm is the nearest f32, which may be the next whole number. */
DEVICE void micro_float(const float (&x)[32], uint8_t *to)
{
    float size = 0.0f;
#pragma unroll
    for (int i = 0; i < 32; i++) size = fabsf(x[i]) > size ? fabsf(x[i]) : size;
    const float e = size > 0.0f ? floorf((float)log2((double)size)) - 2.0f + 127.0f : 0.0f;
    const int   exponent = e < 255.0f ? (uint8_t)(int)e : 254;
    const float d = half_power((uint32_t)exponent);
    const uint4 table = e2m1_table();
    to[0] = (uint8_t)exponent;
#pragma unroll
    for (int i = 0; i < 16; i++) {
        int code[2] = {0, 0};
#pragma unroll
        for (int h = 0; h < 2; h++) {
            float near = 0.0f;
#pragma unroll
            for (int j = 0; j < 16; j++) {
                const uint32_t four = j < 4 ? table.x : j < 8 ? table.y : j < 12 ? table.z : table.w;
                const float    v = (float)(int8_t)(four >> 8 * (j & 3));
                const float    error = fabsf(__fsub_rn(__fmul_rn(v, d), x[i + 16 * h]));
                code[h] = j && error < near ? j : code[h];
                near = j == 0 || error < near ? error : near;
            }
        }
        to[1 + i] = (uint8_t)(code[0] | code[1] << 4);
    }
}

template <int T> struct encoder;
#define ENCODER(t, ...)                                                                                      \
    template <> struct encoder<WK_##t> {                                                                     \
        static DEVICE void to(const float (&x)[32], uint8_t *b) { __VA_ARGS__; }                             \
    };
ENCODER(q4_0, around(x, 8, b, nullptr, b + 2))
ENCODER(q5_0, around(x, 16, b, b + 2, b + 6))
ENCODER(q4_1, above(x, 15, b, nullptr, b + 4))
ENCODER(q5_1, above(x, 31, b, b + 4, b + 8))
ENCODER(q8_0, eight_bits(x, b))
ENCODER(mxfp4, micro_float(x, b))

template <int T> __global__ void encode_kernel(const __grid_constant__ recoding r)
{
    const int64_t b = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (b * 32 >= r.w.n) return;
    uint8_t *to = block_of(r, b, 32, format<T>::bytes);
    if (!to) return;
    float x[32];
#pragma unroll
    for (int i = 0; i < 32; i += 4) {
        const float4 v = values_at(r, b * 32 + i);
        x[i] = v.x;
        x[i + 1] = v.y;
        x[i + 2] = v.z;
        x[i + 3] = v.w;
    }
    encoder<T>::to(x, to);
}

wk_status wki_cuda_encode(const wk_call *k, const recoding &r)
{
    const unsigned blocks = blocks_for(r.w.n, 32 * 64);
#define ENCODE(t)                                                                                            \
    if (r.w.of[0].dtype == WK_##t) return launch(k, encode_kernel<WK_##t>, blocks, 64, 0, r);
    ENCODE(q4_0)
    ENCODE(q4_1)
    ENCODE(q5_0)
    ENCODE(q5_1)
    ENCODE(q8_0)
    ENCODE(mxfp4)
#undef ENCODE
    return wki_cuda_encode_table(k, r);
}
