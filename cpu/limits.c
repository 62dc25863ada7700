/* What this machine can do at most, measured: bytes read from memory, and multiply-adds of its fastest units,
 * by all threads for a few hundredths of a second. */
#include "cpu/blocks_dot.h"
#include "cpu/cpu.h"
#include "cpu/kernel.h"
#include "cpu/simd.h"

#include <time.h>

#define PIECE  ((int64_t)1 << 20)
#define TRIES  9
#define CHAINS 12 /* sums that do not wait for each other */
#define ROUNDS 20000

struct unit {
    int64_t (*run)(int64_t rounds); /* operations done: a multiply-add is two */
};

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Makes the compiler believe that a value is used, and changed. */
#define KEEP(v)                                                                                              \
    do {                                                                                                     \
        __typeof__(&(v)) keep_ = &(v);                                                                       \
        __asm__ volatile("" : "+r"(keep_)::"memory");                                                        \
    } while (0)

/* ---- memory ---- */

struct reading {
    const char *data;
};

static void fill_piece(void *arg, int64_t first, int64_t last, int worker)
{
    (void)worker;
    uint64_t *data = (void *)((char *)arg + first);
    for (int64_t i = 0; i < (last - first) / 8; i++) data[i] = (uint64_t)(first + i) * 0x9e3779b97f4a7c15u;
}

static void read_piece(void *arg, int64_t first, int64_t last, int worker)
{
    (void)worker;
    const char *data = ((const struct reading *)arg)->data;
    vf          sum[8] = {{0}};
    for (int64_t i = first; i < last; i += (int64_t)sizeof sum)
        for (int j = 0; j < 8; j++) sum[j] += *(const vf *)(const void *)(data + i + j * (int64_t)sizeof(vf));
    KEEP(sum);
}

static double read_rate(wk_device *d, char *buffer, int64_t size)
{
    double best = 0;
    wki_parallel(d, size, PIECE, fill_piece, buffer);
    for (int i = 0; i < TRIES; i++) {
        const double from = seconds();
        wki_parallel(d, size, PIECE, read_piece, &(struct reading){buffer});
        const double rate = (double)size / (seconds() - from);
        if (rate > best) best = rate;
    }
    return best;
}

/* ---- units ---- */

static int64_t f32_ops(int64_t rounds)
{
    vf sum[CHAINS] = {{0}}, a = v_set(1.5f), b = v_set(0.25f);
    KEEP(a);
    KEEP(b);
    for (int64_t i = 0; i < rounds; i++)
        for (int j = 0; j < CHAINS; j++) sum[j] = v_fma(a, b, sum[j]);
    KEEP(sum);
    return rounds * CHAINS * W * 2;
}

#if defined                                          __AVX512F__
__attribute__((target("avx512bf16"))) static int64_t bf16_ops(int64_t rounds)
{
    __m512  sum[CHAINS];
    __m512i a = _mm512_set1_epi16(0x3fc0), b = _mm512_set1_epi16(0x3e80);
    KEEP(a);
    KEEP(b);
    for (int j = 0; j < CHAINS; j++) sum[j] = _mm512_setzero_ps();
    for (int64_t i = 0; i < rounds; i++)
        for (int j = 0; j < CHAINS; j++) sum[j] = _mm512_dpbf16_ps(sum[j], (__m512bh)a, (__m512bh)b);
    KEEP(sum);
    return rounds * CHAINS * 64;
}

__attribute__((target("avx512vnni"))) static int64_t i8_ops(int64_t rounds)
{
    __m512i sum[CHAINS], a = _mm512_set1_epi8(3), b = _mm512_set1_epi8(-5);
    KEEP(a);
    KEEP(b);
    for (int j = 0; j < CHAINS; j++) sum[j] = _mm512_setzero_si512();
    for (int64_t i = 0; i < rounds; i++)
        for (int j = 0; j < CHAINS; j++) sum[j] = _mm512_dpbusd_epi32(sum[j], a, b);
    KEEP(sum);
    return rounds * CHAINS * 128;
}
#define I8_FEATURE WKI_CPU_VNNI
#elif defined WK_DOTS_TARGET
WK_DOTS_TARGET static int64_t i8_ops(int64_t rounds)
{
    sums sum[CHAINS] = {{0}};
    vb   a = (vb){0} + 3, b = (vb){0} - 5;
    KEEP(a);
    KEEP(b);
    for (int64_t i = 0; i < rounds; i++)
        for (int j = 0; j < CHAINS; j++) sum[j] = dots(sum[j], a, b);
    KEEP(sum);
    return rounds * CHAINS * (int64_t)sizeof(vb) * 2;
}
#define I8_FEATURE WK_DOTS_FEATURE
#endif

#if !defined __AVX512F__ && defined WK_BLOCKS_HERE && !defined __ARM_NEON
/* Bytes by pairs: without a unit that sums four products. */
static int64_t i8_pair_ops(int64_t rounds)
{
    sums sum[CHAINS] = {{0}}, a = X86(set1_epi8)(3), b = X86(set1_epi8)(-5), one = TWO_TO_ONE;
    KEEP(a);
    KEEP(b);
    KEEP(one);
    for (int64_t i = 0; i < rounds; i++)
        for (int j = 0; j < CHAINS; j++) {
            sums pairs = X86(maddubs_epi16)(a, b);
            __asm__("" : "+x"(pairs)); /* the same each time, yet to be computed */
            sum[j] = X86(add_epi32)(sum[j], X86(madd_epi16)(pairs, one));
        }
    KEEP(sum);
    return rounds * CHAINS * (int64_t)sizeof(sums) * 2;
}
#endif

static void run_unit(void *arg, int64_t first, int64_t last, int worker)
{
    (void)worker;
    for (int64_t i = first; i < last; i++) ((const struct unit *)arg)->run(ROUNDS);
}

static double ops_rate(wk_device *d, int64_t (*run)(int64_t rounds))
{
    struct unit   u = {run};
    const int64_t n = 4 * wki_workers(d), ops = run(1) * ROUNDS * n;
    double        best = 0;
    for (int i = 0; i < TRIES; i++) {
        const double from = seconds();
        wki_parallel(d, n, 1, run_unit, &u);
        const double rate = (double)ops / (seconds() - from);
        if (rate > best) best = rate;
    }
    return best;
}

wk_status CPU(limits)(wk_device *d, void *block, int64_t size, wk_limits *out)
{
    const unsigned features = wki_cpu_features(d);
    out->read = read_rate(d, block, size / PIECE * PIECE);
    out->f32 = ops_rate(d, f32_ops);
    (void)features;
#if defined __AVX512F__
    if (features & WKI_CPU_BF16) out->bf16 = ops_rate(d, bf16_ops);
#endif
#if defined I8_FEATURE
    if (features & I8_FEATURE) out->i8 = ops_rate(d, i8_ops);
#endif
#if !defined __AVX512F__ && defined WK_BLOCKS_HERE && !defined __ARM_NEON
    if (out->i8 == 0) out->i8 = ops_rate(d, i8_pair_ops);
#endif
    return WK_OK;
}
