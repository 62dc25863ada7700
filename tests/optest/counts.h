/* What the host asked of a device, which the emulated one counts; a real one does not. */
#ifndef WK_OPTEST_COUNTS_H
#define WK_OPTEST_COUNTS_H

#include <dlfcn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

struct counts {
    int64_t allocations, waits, launches;
    int64_t library, searches; /* calls of cuFFT and cuSOLVER; algorithms looked for by cuBLASLt */
};

static inline bool device_counts(struct counts *out)
{
    char        path[512];
    const char *folder = getenv("WK_MODULE_PATH");
    snprintf(path, sizeof path, "%s/libwick_cuda.so.0", folder ? folder : "");
    void *module = dlopen(path, RTLD_NOW | RTLD_NOLOAD);
    union {
        void *object;
        void (*fn)(int64_t *);
    } count = {.object = module ? dlsym(module, "shim_counts") : NULL};
    if (module) dlclose(module); /* it stays open: the device has it */
    if (!count.object) return false;
    int64_t all[5];
    count.fn(all);
    *out = (struct counts){all[0], all[1], all[2], all[3], all[4]};
    return true;
}

#endif
