/* The CPU backend's door: which instruction set this machine has, and memory. */
#include "core/op.h"
#include "cpu/cpu.h"

#if defined __x86_64__
#include <cpuid.h>
#elif defined __aarch64__
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define WK_ISA_ROW(isa) const wk_backend *wki_cpu_backend_##isa(void);
WK_ISA_LIST
#undef WK_ISA_ROW

/* A build may leave instruction sets out. */
#define MAYBE __attribute__((unused))

#if defined __x86_64__
/* clang 14's __builtin_cpu_supports does not know "f16c": leaf 1, ECX bit 29. */
static bool has_f16c(void)
{
    unsigned a, b, c, d;
    return __get_cpuid(1, &a, &b, &c, &d) && c >> 29 & 1;
}
/* Leaf 7.1, EAX bit 4. */
static bool has_avx_vnni(void)
{
    unsigned a, b, c, d;
    return __get_cpuid_count(7, 1, &a, &b, &c, &d) && a >> 4 & 1 && __builtin_cpu_supports("avx2");
}
MAYBE static bool has_v2(void)
{
    return true;
}
MAYBE static bool has_v3(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
           __builtin_cpu_supports("bmi2") && has_f16c();
}
MAYBE static bool has_v4(void)
{
    return has_v3() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
           __builtin_cpu_supports("avx512cd");
}
#else
MAYBE static bool has_base(void)
{
    return true;
}
#endif

static const struct {
    const char *name;
    bool (*has)(void);
    const wk_backend *(*backend)(void);
} isas[] = {
#define WK_ISA_ROW(isa) {#isa, has_##isa, wki_cpu_backend_##isa},
    WK_ISA_LIST
#undef WK_ISA_ROW
};
enum { N_ISAS = sizeof isas / sizeof *isas };

/* The best table this CPU can run, or the one $WK_ISA names; -1: it names one that is not there. */
static int chosen(void)
{
    const char *forced = getenv("WK_ISA");
    for (int i = N_ISAS - 1; i >= 0; i--)
        if (isas[i].has() && (!forced || !*forced || strcmp(forced, isas[i].name) == 0)) return i;
    return -1;
}

const wk_backend *wki_backend_cpu(void);
const wk_backend *wki_backend_cpu(void)
{
    const int i = chosen();
    return isas[i < 0 ? 0 : i].backend();
}

static bool allowed(const char *feature)
{
    const char *taken = getenv("WK_CPU_FEATURES");
    return !taken || !strstr(taken, feature);
}

/* Those that the kernels of an instruction set can use. */
static unsigned features(const char *isa)
{
    unsigned f = (allowed("-blas") ? WKI_CPU_BLAS : 0) | (allowed("-bytes") ? WKI_CPU_BYTES : 0);
#if defined __x86_64__
    const bool v4 = strcmp(isa, "v4") == 0, v3 = strcmp(isa, "v3") == 0;
    if (v4 && __builtin_cpu_supports("avx512vnni") && allowed("-vnni")) f |= WKI_CPU_VNNI;
    if (v4 && __builtin_cpu_supports("avx512bf16") && __builtin_cpu_is("amd") && allowed("-bf16"))
        f |= WKI_CPU_BF16;
    if (__builtin_cpu_is("intel") && allowed("-ahead")) f |= WKI_CPU_AHEAD;
    if (v3 && has_avx_vnni() && allowed("-avxvnni")) f |= WKI_CPU_AVX_VNNI;
#elif defined __aarch64__
    (void)isa;
    if (getauxval(AT_HWCAP) & HWCAP_ASIMDDP && allowed("-dotprod")) f |= WKI_CPU_DOTPROD;
    if (getauxval(AT_HWCAP2) & HWCAP2_I8MM && allowed("-i8mm")) f |= WKI_CPU_I8MM;
#endif
    return f;
}

/* A device's state: the row of isas, above it the features. */
#define ROW_BITS 4

unsigned wki_cpu_features(const wk_device *d)
{
    return (unsigned)((uintptr_t)d->state >> ROW_BITS);
}

wk_status wki_cpu_open(wk_device *d, int index, char *message, size_t size)
{
    if (index != 0) {
        snprintf(message, size, "device \"cpu:%d\": there is one CPU device, \"cpu\"", index);
        return WK_EDEVICE;
    }
    const int i = chosen();
    if (i < 0) {
        snprintf(message, size, "device \"cpu\": WK_ISA=%s is not built in, or this CPU lacks it",
                 getenv("WK_ISA"));
        return WK_EDEVICE;
    }
    d->state = (void *)((uintptr_t)features(isas[i].name) << ROW_BITS | (uintptr_t)i);
    return WK_OK;
}

void wki_cpu_close(wk_device *d)
{
    d->state = NULL;
}

#define HUGE_PAGE ((size_t)2 << 20)

void *wki_cpu_alloc(wk_device *d, size_t bytes)
{
    (void)d;
    if (bytes < 2 * HUGE_PAGE) return wki_host_block(bytes, 64);
    void *p = wki_host_block(bytes, HUGE_PAGE);
#ifdef MADV_HUGEPAGE
    if (p) madvise(p, bytes, MADV_HUGEPAGE); /* fewer faults on first touch; harmless where refused */
#endif
    return p;
}

void wki_cpu_free(wk_device *d, void *block, size_t bytes)
{
    (void)d;
    (void)bytes;
    wki_host_block_free(block);
}

wk_status wki_cpu_copy_out(wk_device *d, void *stream, void *host, const void *block, size_t bytes)
{
    (void)d;
    (void)stream;
    memcpy(host, block, bytes);
    return WK_OK;
}

wk_status wki_cpu_copy_in(wk_device *d, void *stream, void *block, const void *host, size_t bytes)
{
    return wki_cpu_copy_out(d, stream, block, host, bytes);
}

wk_status wki_cpu_sync(wk_device *d, void *stream)
{
    (void)d;
    (void)stream;
    return WK_OK;
}

/* Appends " name" for each feature that is there. */
#define FEATURE(name)                                                                                        \
    if (__builtin_cpu_supports(name)) strncat(text, " " name, size - strlen(text) - 1)

void wki_cpu_describe(wk_device *d, char *text, size_t size)
{
    snprintf(text, size, "isa: %s\nfeatures:", isas[(uintptr_t)d->state & ((1 << ROW_BITS) - 1)].name);
#if defined __x86_64__
    FEATURE("sse4.2");
    FEATURE("avx");
    if (has_f16c()) strncat(text, " f16c", size - strlen(text) - 1);
    FEATURE("fma");
    FEATURE("avx2");
    FEATURE("avx512f");
    FEATURE("avx512bw");
    FEATURE("avx512vl");
    FEATURE("avx512vnni");
    FEATURE("avx512bf16");
#endif
    const char  *blas = wk_blas_core();
    const size_t n = strlen(text);
    snprintf(text + n, size - n, "\nopenblas: %s\n", *blas ? blas : "none");
}
