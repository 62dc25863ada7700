/* CUDA's libraries, opened at run time. */
#include "cuda/library.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

enum { KEPT = RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE }; /* they register with the driver for good */

/* Of CUDA 13 and 12, and any. */
static const struct {
    const char *variable, *names[3];
} libraries[WKI_CUDA_LIBRARIES] = {
    {"WK_CUBLASLT", {"libcublasLt.so.13", "libcublasLt.so.12", "libcublasLt.so"}},
    {"WK_CUFFT", {"libcufft.so.12", "libcufft.so.11", "libcufft.so"}},
    {"WK_CUSOLVER", {"libcusolver.so.12", "libcusolver.so.11", "libcusolver.so"}},
};

void *wki_cuda_library_open(enum wki_cuda_part which)
{
    const char *own = getenv(libraries[which].variable);
    void       *module = nullptr;
    if (own) return *own ? dlopen(own, KEPT) : nullptr;
    for (int i = 0; i < 3 && !module; i++) module = dlopen(libraries[which].names[i], KEPT);
    return module;
}
void wki_cuda_library_close(void *module)
{
    if (module) dlclose(module);
}

bool wki_cuda_library_find(void *module, const char *name, void *place)
{
    void *const entry = module ? dlsym(module, name) : nullptr;
    memcpy(place, &entry, sizeof entry);
    return entry != nullptr;
}
