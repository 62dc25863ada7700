/* Block-quantised rows, laid out as in GGUF files. */
#ifndef WK_CPU_QUANT_H
#define WK_CPU_QUANT_H

#include "cpu/kernel.h"

/* Blocks of 32 (_0, _1) and 256 (_k) values. Rows may start at any address. d and m are f16 codes.
 *   q4_0 q5_0 q8_0   y = d (code - offset)
 *   q4_1 q5_1        y = d code + m
 *   q2_k q4_k q5_k   y = d scale code - m minimum; a scale and a minimum per 16 (q2_k) or 32 values
 *   q3_k q6_k        y = d scale (code - offset); a scale per 16 values
 *   iq4_nl iq4_xs    y = d scale table[code]; a scale per 32 values of iq4_xs (256 in a block)
 *   mxfp4            y = 2^exponent table[code], a 4-bit float (OCP Microscaling Formats 1.0) */
#define WK_BLOCKS(X)                                                                                         \
    X(q4_0)                                                                                                  \
    X(q4_1) X(q5_0) X(q5_1) X(q8_0) X(q2_k) X(q3_k) X(q4_k) X(q5_k) X(q6_k) X(iq4_nl) X(iq4_xs) X(mxfp4)

#define PACKED __attribute__((packed, may_alias))
struct q4_0 {
    uint16_t d;
    uint8_t  q[16]; /* value i below, value i + 16 above */
} PACKED;
struct q4_1 {
    uint16_t d, m;
    uint8_t  q[16];
} PACKED;
struct q5_0 {
    uint16_t d;
    uint8_t  high[4], q[16];
} PACKED;
struct q5_1 {
    uint16_t d, m;
    uint8_t  high[4], q[16];
} PACKED;
struct q8_0 {
    uint16_t d;
    int8_t   q[32];
} PACKED;
struct q2_k {
    uint8_t  scales[16], q[64]; /* a byte: values i, i + 32, i + 64, i + 96 */
    uint16_t d, m;
} PACKED;
struct q3_k {
    uint8_t  high[32], q[64], scales[12]; /* high: bit j of byte i belongs to value i + 32 j */
    uint16_t d;
} PACKED;
struct q4_k {
    uint16_t d, m;
    uint8_t  scales[12], q[128]; /* value i below, value i + 32 above */
} PACKED;
struct q5_k {
    uint16_t d, m;
    uint8_t  scales[12], high[32], q[128];
} PACKED;
struct q6_k {
    uint8_t  q[128], high[64]; /* q: value i below, value i + 64 above; high: as q of q2_k */
    int8_t   scales[16];
    uint16_t d;
} PACKED;

struct iq4_nl {
    uint16_t d;
    uint8_t  q[16]; /* as q4_0 */
} PACKED;
struct iq4_xs {
    uint16_t d, high; /* scale g of 6 bits: the upper two are bits 2 g of high */
    uint8_t  low[4], q[128];
} PACKED;
struct mxfp4 {
    uint8_t exponent, q[16];
} PACKED;

/* The table of iq4_nl and iq4_xs: steps that grow away from 0, fitted to the spread of trained weights (part
 * of the GGUF format). */
static const int8_t nonlinear[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                     1,    13,   25,  38,  53,  69,  89,  113};

/* Twice the values of a float of one sign, two exponent and one mantissa bit: mxfp4. */
static const int8_t e2m1[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

/* n values, a multiple of the block. */
#define WK_BLOCK(t)                                                                                          \
    void CPU(dequantize_##t)(const void *src, float *dst, int64_t n);                                        \
    void CPU(quantize_##t)(const float *src, void *dst, int64_t n);
WK_BLOCKS(WK_BLOCK)
#undef WK_BLOCK

#endif
