/* What the CPU backend's tables share, whatever their instruction set. */
#ifndef WK_CPU_H
#define WK_CPU_H

#include "core/op.h"

wk_status wki_cpu_open(wk_device *d, int index, char *message, size_t size);
void      wki_cpu_close(wk_device *d);
void     *wki_cpu_alloc(wk_device *d, size_t bytes);
void      wki_cpu_free(wk_device *d, void *block, size_t bytes);
wk_status wki_cpu_copy_out(wk_device *d, void *stream, void *host, const void *block, size_t bytes);
wk_status wki_cpu_copy_in(wk_device *d, void *stream, void *block, const void *host, size_t bytes);
wk_status wki_cpu_sync(wk_device *d, void *stream);
void      wki_cpu_describe(wk_device *d, char *text, size_t size);

/* What the kernels choose by, beyond the table: features of this CPU less those $WK_CPU_FEATURES takes away,
 * as in "-vnni,-bf16". */
enum {
    WKI_CPU_VNNI = 1,      /* AVX512-VNNI */
    WKI_CPU_BF16 = 2,      /* AVX512-BF16 that outruns f32: not so on Intel's */
    WKI_CPU_BLAS = 8,      /* OpenBLAS may be used for large products */
    WKI_CPU_BYTES = 16,    /* 8-bit products for block-quantised weights, whatever the instruction set */
    WKI_CPU_AVX_VNNI = 32, /* VNNI in vectors of 32 bytes */
    WKI_CPU_DOTPROD = 64,  /* arm64: sums of four 8-bit products */
    WKI_CPU_I8MM = 128,    /* arm64: products of 8-bit matrices */
    WKI_CPU_AHEAD = 256,   /* even a single stream from memory is to be asked for ahead: Intel's */
};
unsigned wki_cpu_features(const wk_device *d);

#endif
