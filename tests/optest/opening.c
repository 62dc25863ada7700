/* What a device that cannot be opened says: which of module, driver, device and architecture is missing. */
#include "tests/optest/opening.h"

#include "core/wick.h"
#include "tests/optest/counts.h"

#include <string.h>

static bool says(const char *device, const char *variable, const char *value, const char *text)
{
    const char *there = getenv(variable);
    char        before[512] = "";
    if (there) snprintf(before, sizeof before, "%s", there);
    setenv(variable, value, 1);
    wk_ctx    *c = wk_ctx_new(device);
    const bool ok = wk_ctx_status(c) == WK_EDEVICE && strstr(wk_ctx_message(c), text);
    if (!ok)
        printf("FAIL %s with %s=%s: \"%s\" is wanted, not \"%s\"\n", device, variable, value, text,
               wk_ctx_message(c));
    wk_ctx_free(c);
    there ? setenv(variable, before, 1) : unsetenv(variable);
    return ok;
}

bool check_opening(const char *device)
{
    struct counts counts;
    wk_ctx       *c = wk_ctx_new(device);
    const bool    emulated = wk_ctx_status(c) == WK_OK && device_counts(&counts);
    wk_ctx_free(c);
    if (!emulated) return true; /* a real one cannot be told to be absent */
    bool ok = says("cuda:0", "WK_MODULE_PATH", "/nowhere",
                   "its module cannot be loaded: /nowhere/libwick_cuda.so.0");
    ok &= says("cuda:0", "WK_SHIM_DRIVER", "0", "device \"cuda:0\": there is no CUDA driver");
    ok &= says("cuda:0", "WK_SHIM_DRIVER", "11040", "the driver (CUDA 11.4) is too old for this module");
    ok &= says("cuda:0", "WK_SHIM_DEVICES", "0", "device \"cuda:0\": there is no CUDA device");
    ok &= says("cuda:2", "WK_SHIM_DEVICES", "2", "device \"cuda:2\": there are fewer CUDA devices");
    ok &= says("cuda:0", "WK_SHIM_ARCHITECTURE", "70",
               "has architecture sm_70, which this module has no code for");
    c = wk_ctx_new(device);
    ok &= wk_item(c, wk_add(c, wk_scalar(c, 1), wk_scalar(c, 2))) == 3;
    wk_ctx_free(c);
    return ok;
}
