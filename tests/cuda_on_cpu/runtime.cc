/* The CUDA runtime on the host: memory of the host, streams that run at once, graphs as lists of what to
 * run. */
#include "tests/cuda_on_cpu/block.h"
#include "tests/cuda_on_cpu/stand_in.h"

#include <stdio.h>
#include <vector>

struct shim_graph {
    std::vector<std::function<cudaError_t()>> steps;
};
struct shim_stream {
    shim_graph *capture;
};

static struct {
    cudaError_t last;
    char        message[256];
} trouble;

/* What the host asked of the device, for tests: allocations, waits, launches, calls of cuFFT and
 * cuSOLVER. */
static struct {
    int64_t allocations, waits, launches, library;
} counted;
extern "C" __attribute__((visibility("default"))) void shim_counts(int64_t *out)
{
    out[0] = counted.allocations;
    out[1] = counted.waits;
    out[2] = counted.launches;
    out[3] = counted.library;
}

const char *cudaGetErrorString(cudaError_t e)
{
    static const char *const names[] = {"no error",
                                        "invalid argument",
                                        "out of memory",
                                        "invalid configuration",
                                        "launch failed",
                                        "invalid device",
                                        "operation not permitted while a stream is captured",
                                        "driver is too old",
                                        "no device",
                                        "no kernel image for this device"};
    return e == cudaErrorLaunchFailure && trouble.message[0] ? trouble.message : names[e];
}

cudaError_t cudaGetLastError()
{
    const cudaError_t e = trouble.last;
    trouble.last = cudaSuccess;
    return e;
}

static cudaError_t failed(cudaError_t e)
{
    if (e != cudaSuccess) trouble.last = e;
    return e;
}

static cudaError_t submit(cudaStream_t s, std::function<cudaError_t()> step)
{
    if (!s) return failed(cudaErrorInvalidValue); /* work names its stream */
    if (!s->capture) return failed(step());
    s->capture->steps.push_back(step);
    return cudaSuccess;
}

cudaError_t shim_submit(cudaStream_t s, std::function<cudaError_t()> step, bool product)
{
    (product ? counted.launches : counted.library)++;
    return submit(s, step);
}

cudaError_t shim_launch(const cudaLaunchConfig_t *c, std::function<void()> thread)
{
    const uint64_t threads = (uint64_t)c->blockDim.x * c->blockDim.y * c->blockDim.z;
    if (threads == 0 || threads > 1024 || c->blockDim.z > 64 || c->gridDim.x == 0 || c->gridDim.y == 0 ||
        c->gridDim.z == 0 || c->gridDim.x > 0x7fffffffu || c->gridDim.y > 65535 || c->gridDim.z > 65535 ||
        c->dynamicSmemBytes > 227 << 10)
        return failed(cudaErrorInvalidConfiguration);
    const cudaLaunchConfig_t config = *c;
    counted.launches++;
    return submit(c->stream, [config, thread] {
        return shim_run(&config, thread, trouble.message, sizeof trouble.message) ? cudaSuccess
                                                                                  : cudaErrorLaunchFailure;
    });
}

cudaError_t cudaGetDeviceCount(int *n)
{
    const char *text = getenv("WK_SHIM_DEVICES");
    *n = text ? atoi(text) : 2;
    return *n > 0 ? cudaSuccess : failed(cudaErrorNoDevice);
}
cudaError_t cudaSetDevice(int device)
{
    int n = 0;
    cudaGetDeviceCount(&n);
    return device >= 0 && device < n ? cudaSuccess : failed(cudaErrorInvalidDevice);
}
cudaError_t cudaGetDeviceProperties(cudaDeviceProp *p, int)
{
    memset(p, 0, sizeof *p);
    snprintf(p->name, sizeof p->name, "cuda (emulated on the host)");
    p->totalGlobalMem = (size_t)4 << 30;
    p->sharedMemPerBlockOptin = 227 << 10;
    const char *text = getenv("WK_SHIM_ARCHITECTURE");
    p->major = (text ? atoi(text) : 90) / 10;
    p->minor = (text ? atoi(text) : 90) % 10;
    p->multiProcessorCount = 4;
    return cudaSuccess;
}
cudaError_t cudaDriverGetVersion(int *v)
{
    *v = 13000;
    return cudaSuccess;
}
cudaError_t cudaRuntimeGetVersion(int *v)
{
    return cudaDriverGetVersion(v);
}
cudaError_t cudaMemGetInfo(size_t *free_bytes, size_t *total)
{
    *free_bytes = *total = (size_t)4 << 30;
    return cudaSuccess;
}
/* Is some stream captured? Then the runtime refuses what would wait or allocate. */
static int captures;

bool shim_allocates()
{
    if (captures) return false;
    counted.allocations++;
    return true;
}

cudaError_t cudaMalloc(void **p, size_t bytes)
{
    *p = nullptr;
    if (!shim_allocates()) return failed(cudaErrorStreamCaptureUnsupported);
    *p = bytes < (size_t)4 << 30 ? aligned_alloc(256, (bytes + 255) / 256 * 256) : nullptr;
    if (*p) memset(*p, 0xff, bytes); /* NaN in every type */
    return *p ? cudaSuccess : failed(cudaErrorMemoryAllocation);
}
cudaError_t cudaFree(void *p)
{
    free(p);
    return cudaSuccess;
}
cudaError_t cudaHostAlloc(void **p, size_t bytes, unsigned)
{
    return cudaMalloc(p, bytes);
}
cudaError_t cudaFreeHost(void *p)
{
    return cudaFree(p);
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t *s, unsigned)
{
    *s = new shim_stream();
    return cudaSuccess;
}
cudaError_t cudaStreamDestroy(cudaStream_t s)
{
    delete s;
    return cudaSuccess;
}
cudaError_t cudaStreamSynchronize(cudaStream_t s)
{
    counted.waits++;
    return s->capture ? failed(cudaErrorStreamCaptureUnsupported) : cudaSuccess;
}
cudaError_t cudaDeviceSynchronize()
{
    counted.waits++;
    if (captures) return failed(cudaErrorStreamCaptureUnsupported);
    return cudaSuccess;
}
cudaError_t cudaMemcpyAsync(void *to, const void *from, size_t bytes, cudaMemcpyKind, cudaStream_t s)
{
    return submit(s, [=] {
        memcpy(to, from, bytes);
        return cudaSuccess;
    });
}
cudaError_t cudaMemsetAsync(void *to, int value, size_t bytes, cudaStream_t s)
{
    return submit(s, [=] {
        memset(to, value, bytes);
        return cudaSuccess;
    });
}

cudaError_t cudaStreamBeginCapture(cudaStream_t s, cudaStreamCaptureMode)
{
    if (s->capture) return failed(cudaErrorStreamCaptureUnsupported);
    s->capture = new shim_graph();
    captures++;
    return cudaSuccess;
}
cudaError_t cudaStreamIsCapturing(cudaStream_t s, cudaStreamCaptureStatus *status)
{
    *status = s->capture ? cudaStreamCaptureStatusActive : cudaStreamCaptureStatusNone;
    return cudaSuccess;
}
cudaError_t cudaStreamEndCapture(cudaStream_t s, cudaGraph_t *g)
{
    *g = s->capture;
    captures -= s->capture != nullptr;
    s->capture = nullptr;
    return *g ? cudaSuccess : failed(cudaErrorStreamCaptureUnsupported);
}
cudaError_t cudaGraphInstantiate(cudaGraphExec_t *e, cudaGraph_t g, unsigned long long)
{
    *e = new shim_graph(*g);
    return cudaSuccess;
}
cudaError_t cudaGraphLaunch(cudaGraphExec_t e, cudaStream_t s)
{
    for (const auto &step : e->steps) {
        const cudaError_t r = submit(s, step);
        if (r != cudaSuccess) return r;
    }
    return cudaSuccess;
}
cudaError_t cudaGraphDestroy(cudaGraph_t g)
{
    delete g;
    return cudaSuccess;
}
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t e)
{
    delete e;
    return cudaSuccess;
}
