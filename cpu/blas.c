/* OpenBLAS by dlopen. Old releases take kernels of decades ago for CPUs that they do not know, unless
 * OPENBLAS_CORETYPE says better before the library is initialised. */
#include "cpu/blas.h"

#include "core/wick.h"
#include "cpu/lapack.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static struct {
    pthread_once_t    once;
    struct wki_blas   blas;
    struct wki_lapack lapack;
    bool              has_lapack;
} state = {.once = PTHREAD_ONCE_INIT};

typedef char *(*core_name)(void);
typedef void (*set_threads)(int);

/* The kernels to ask for. To look at the library's own choice first would be too late: it stays loaded. */
static const char *core_for_this_cpu(void)
{
#if defined __x86_64__
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
        __builtin_cpu_supports("avx512cd"))
        return "SkylakeX";
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return "Haswell";
#endif
    return NULL;
}

/* Are kernels of that name of this CPU's level? */
static bool fits(const char *core)
{
    static const char *const wide[] = {"SkylakeX", "Cooperlake", "SapphireRapids"};
    const char              *own = core_for_this_cpu();
    if (!own || strcmp(own, "Haswell") == 0) return strcmp(core, "Prescott") != 0;
    for (size_t i = 0; i < sizeof wide / sizeof *wide; i++)
        if (strcasecmp(core, wide[i]) == 0) return true;
    return false;
}

/* Sets a variable that the user has not set; true if it must be taken away again. */
static bool lend(const char *name, const char *value)
{
    return value && !getenv(name) && setenv(name, value, 1) == 0;
}

/* Fortran's names: "sgetrf_", "dgetrf_". */
static bool find_lapack(void *library, struct wki_lapack *l)
{
    bool all = true;
#define FIND(name, arguments)                                                                                \
    *(void **)&l->name[0] = dlsym(library, "s" #name "_");                                                   \
    *(void **)&l->name[1] = dlsym(library, "d" #name "_");                                                   \
    all &= l->name[0] && l->name[1];
    WKI_LAPACK(FIND)
#undef FIND
    return all;
}

static void open_once(void)
{
    const bool core = lend("OPENBLAS_CORETYPE", core_for_this_cpu());
    const bool threads = lend("OPENBLAS_NUM_THREADS", "1"); /* or it starts its own at once */
    void      *library = dlopen("libopenblas.so.0", RTLD_NOW | RTLD_LOCAL);
    if (core) unsetenv("OPENBLAS_CORETYPE");
    if (threads) unsetenv("OPENBLAS_NUM_THREADS");
    if (!library) return;
    set_threads     one;
    core_name       name;
    struct wki_blas b = {.core = "?"};
    *(void **)&one = dlsym(library, "openblas_set_num_threads");
    *(void **)&name = dlsym(library, "openblas_get_corename");
    *(void **)&b.sgemm = dlsym(library, "cblas_sgemm");
    *(void **)&b.dgemm = dlsym(library, "cblas_dgemm");
    if (!one || !b.sgemm || !b.dgemm) return;
    if (name) b.core = name();
    b.fit = fits(b.core);
    one(1);
    state.blas = b;
    state.has_lapack = find_lapack(library, &state.lapack);
}

const struct wki_blas *wki_blas(void)
{
    pthread_once(&state.once, open_once);
    return state.blas.sgemm ? &state.blas : NULL;
}

const struct wki_lapack *wki_lapack(void)
{
    return wki_blas() && state.has_lapack ? &state.lapack : NULL;
}

bool wk_has_lapack(void)
{
    return wki_lapack() != NULL;
}

const char *wk_blas_core(void)
{
    const struct wki_blas *b = wki_blas();
    return b ? b->core : "";
}
