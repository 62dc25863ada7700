/* Sixteen values as 8-bit codes with a scale. */
#ifndef WK_CPU_CODES8_H
#define WK_CPU_CODES8_H

#include "cpu/simd.h"

/* Sixteen codes, their scale, and `low`, their sum times the scale. Magnitudes are compared as integers,
 * which keep their order and make NaN the largest. Zeros or next to it are 0; what is infinite or NaN must
 * show. */
#if defined __SSE4_1__
INLINE void quantise_group(const float *v, int8_t *code, float *scale, float *low)
{
    const __m128i magnitude = _mm_set1_epi32(0x7fffffff);
    __m128        a[4];
    __m128i       q[4];
    for (int i = 0; i < 4; i++) a[i] = _mm_loadu_ps(v + 4 * i);
    for (int i = 0; i < 4; i++) q[i] = _mm_and_si128(_mm_castps_si128(a[i]), magnitude);
    __m128i most = _mm_max_epi32(_mm_max_epi32(q[0], q[1]), _mm_max_epi32(q[2], q[3]));
    most = _mm_max_epi32(most, _mm_shuffle_epi32(most, 0x4e));
    most = _mm_max_epi32(most, _mm_shuffle_epi32(most, 0xb1));
    const __m128 largest = _mm_castsi128_ps(most), finite = _mm_cmplt_ps(largest, _mm_set1_ps(INFINITY));
    const __m128 fine = _mm_and_ps(finite, _mm_cmpgt_ps(largest, _mm_set1_ps(1e-35f)));
    const __m128 up = _mm_div_ps(_mm_set1_ps(127.0f), largest);
    for (int i = 0; i < 4; i++)
        q[i] = _mm_and_si128(_mm_cvtps_epi32(_mm_mul_ps(a[i], up)), _mm_castps_si128(fine));
    const __m128i all = _mm_packs_epi16(_mm_packs_epi32(q[0], q[1]), _mm_packs_epi32(q[2], q[3]));
    _mm_storeu_si128((__m128i *)(void *)code, all);
    __m128i sum = _mm_add_epi32(_mm_add_epi32(q[0], q[1]), _mm_add_epi32(q[2], q[3]));
    sum = _mm_add_epi32(sum, _mm_shuffle_epi32(sum, 0x4e));
    sum = _mm_add_epi32(sum, _mm_shuffle_epi32(sum, 0xb1));
    const __m128 s = _mm_or_ps(_mm_and_ps(fine, _mm_mul_ps(largest, _mm_set1_ps(1.0f / 127.0f))),
                               _mm_andnot_ps(finite, _mm_set1_ps(NAN)));
    _mm_store_ss(scale, s);
    _mm_store_ss(low, _mm_mul_ps(s, _mm_cvtepi32_ps(sum)));
}
#elif defined __ARM_NEON && defined __aarch64__
INLINE void quantise_group(const float *v, int8_t *code, float *scale, float *low)
{
    int32x4_t most = vdupq_n_s32(0), q[4];
    for (int i = 0; i < 4; i++)
        most =
            vmaxq_s32(most, vandq_s32(vreinterpretq_s32_f32(vld1q_f32(v + 4 * i)), vdupq_n_s32(0x7fffffff)));
    const float largest = vgetq_lane_f32(vreinterpretq_f32_s32(vdupq_n_s32(vmaxvq_s32(most))), 0);
    const bool  fine = largest > 1e-35f && largest < INFINITY;
    const float up = fine ? 127.0f / largest : 0.0f;
    for (int i = 0; i < 4; i++)
        q[i] = fine ? vcvtnq_s32_f32(vmulq_n_f32(vld1q_f32(v + 4 * i), up)) : vdupq_n_s32(0);
    const int8x16_t all = vcombine_s8(vmovn_s16(vcombine_s16(vmovn_s32(q[0]), vmovn_s32(q[1]))),
                                      vmovn_s16(vcombine_s16(vmovn_s32(q[2]), vmovn_s32(q[3]))));
    vst1q_s8(code, all);
    *scale = fine ? largest * (1.0f / 127.0f) : largest < INFINITY ? 0.0f : NAN;
    *low = *scale * (float)vaddlvq_s8(all);
}
#else
INLINE void quantise_group(const float *v, int8_t *code, float *scale, float *low)
{
    int32_t most = 0, sum = 0;
    for (int i = 0; i < 16; i++) { /* as integers, magnitudes keep their order and NaN is the largest */
        int32_t bits;
        memcpy(&bits, v + i, sizeof bits);
        bits &= 0x7fffffff;
        most = bits > most ? bits : most;
    }
    float largest;
    memcpy(&largest, &most, sizeof largest);
    if (!(largest > 1e-35f && largest < INFINITY)) {
        memset(code, 0, 16);
        *scale = *low = largest < INFINITY ? 0.0f : NAN;
        return;
    }
    const float up = 127.0f / largest;
    for (int i = 0; i < 16; i++) {
        const float   r = v[i] * up + 12582912.0f - 12582912.0f; /* to the nearest integer */
        const int32_t q = (int32_t)r;
        code[i] = (int8_t)q;
        sum += q;
    }
    *scale = largest / 127.0f;
    *low = *scale * (float)sum;
}
#endif

#endif
