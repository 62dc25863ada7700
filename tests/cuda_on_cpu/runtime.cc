/* The CUDA runtime on the host: memory of the host, streams that run at once but for copies that nobody has
 * waited for, graphs as lists of what to run. */
#include "tests/cuda_on_cpu/block.h"
#include "tests/cuda_on_cpu/stand_in.h"

#include <map>
#include <stdio.h>
#include <time.h>
#include <vector>

struct shim_graph {
    std::vector<std::function<cudaError_t()>> steps;
};
struct shim_stream {
    shim_graph                               *capture;
    int                                       device;
    std::vector<std::function<cudaError_t()>> late; /* copies that run beside kernels: done when waited for */
};
struct shim_event {
    shim_stream *stream; /* where it was recorded last */
    double       at;
    int          device;
    bool         timed;
};

static thread_local int          current; /* device */
static std::vector<cudaStream_t> streams;
/* Blocks by their address: the device, or -1: pinned memory of the host; and bytes. */
static std::map<const void *, std::pair<int, size_t>> blocks;

/* Whose memory is it? -2: ordinary memory of the host. */
static int owner(const void *p)
{
    auto at = blocks.upper_bound(p);
    if (at == blocks.begin()) return -2;
    --at;
    return (const char *)p < (const char *)at->first + at->second.second ? at->second.first : -2;
}
static cudaError_t run_late(cudaStream_t s)
{
    cudaError_t                               e = cudaSuccess;
    std::vector<std::function<cudaError_t()>> late;
    late.swap(s->late);
    for (const auto &step : late)
        if (e == cudaSuccess) e = step();
    return e;
}
static void run_all_late()
{
    for (cudaStream_t s : streams) run_late(s);
}

static struct {
    cudaError_t last;
    char        message[256];
} trouble;

/* What the host asked of the device, for tests: allocations, waits, launches, calls of cuFFT and cuSOLVER,
 * algorithms looked for by cuBLASLt. */
static struct {
    int64_t allocations, waits, launches, library, searches;
} counted;
extern "C" __attribute__((visibility("default"))) void shim_counts(int64_t *out)
{
    out[0] = counted.allocations;
    out[1] = counted.waits;
    out[2] = counted.launches;
    out[3] = counted.library;
    out[4] = counted.searches;
}
void shim_searches()
{
    counted.searches++;
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
                                        "no kernel image for this device",
                                        "invalid resource handle",
                                        "peer access is already enabled"};
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
    if (s->device != current) return failed(cudaErrorInvalidResourceHandle);
    if (!s->capture) {
        const cudaError_t e = run_late(s);
        return failed(e == cudaSuccess ? step() : e);
    }
    s->capture->steps.push_back(step);
    return cudaSuccess;
}

cudaError_t shim_submit(cudaStream_t s, std::function<cudaError_t()> step, bool product)
{
    (product ? counted.launches : counted.library)++;
    return submit(s, step);
}

static int architecture()
{
    const char *text = getenv("WK_SHIM_ARCHITECTURE");
    return text ? atoi(text) : 90;
}
static int driver()
{
    const char *text = getenv("WK_SHIM_DRIVER");
    return text ? atoi(text) : 13000;
}

cudaError_t shim_launch(const cudaLaunchConfig_t *c, std::function<void()> thread)
{
    const uint64_t threads = (uint64_t)c->blockDim.x * c->blockDim.y * c->blockDim.z;
    if (threads == 0 || threads > 1024 || c->blockDim.z > 64 || c->gridDim.x == 0 || c->gridDim.y == 0 ||
        c->gridDim.z == 0 || c->gridDim.x > 0x7fffffffu || c->gridDim.y > 65535 || c->gridDim.z > 65535 ||
        c->dynamicSmemBytes > 227 << 10)
        return failed(cudaErrorInvalidConfiguration);
    if (architecture() < 75) return failed(cudaErrorNoKernelImageForDevice);
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
    *n = driver() < 12000 ? 0 : text ? atoi(text) : 2;
    if (driver() < 12000) return failed(cudaErrorInsufficientDriver);
    return *n > 0 ? cudaSuccess : failed(cudaErrorNoDevice);
}
cudaError_t cudaSetDevice(int device)
{
    int n = 0;
    cudaGetDeviceCount(&n);
    if (device < 0 || device >= n) return failed(cudaErrorInvalidDevice);
    current = device;
    return cudaSuccess;
}
cudaError_t cudaGetDeviceProperties(cudaDeviceProp *p, int)
{
    memset(p, 0, sizeof *p);
    snprintf(p->name, sizeof p->name, "cuda (emulated on the host)");
    p->totalGlobalMem = (size_t)4 << 30;
    p->sharedMemPerBlockOptin = 227 << 10;
    p->major = architecture() / 10;
    p->minor = architecture() % 10;
    p->multiProcessorCount = 4;
    return cudaSuccess;
}
cudaError_t cudaDriverGetVersion(int *v)
{
    *v = driver();
    return cudaSuccess;
}
cudaError_t cudaRuntimeGetVersion(int *v)
{
    *v = 13000;
    return cudaSuccess;
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

static cudaError_t take(void **p, size_t bytes, int device)
{
    *p = nullptr;
    if (!shim_allocates()) return failed(cudaErrorStreamCaptureUnsupported);
    *p = bytes < (size_t)4 << 30 ? aligned_alloc(256, (bytes + 255) / 256 * 256) : nullptr;
    if (!*p) return failed(cudaErrorMemoryAllocation);
    memset(*p, 0xff, bytes); /* NaN in every type */
    blocks[*p] = {device, bytes};
    return cudaSuccess;
}
cudaError_t cudaMalloc(void **p, size_t bytes)
{
    return take(p, bytes, current);
}
cudaError_t cudaFree(void *p)
{
    run_all_late(); /* it waits for what still uses the block */
    blocks.erase(p);
    free(p);
    return cudaSuccess;
}
cudaError_t cudaHostAlloc(void **p, size_t bytes, unsigned)
{
    return take(p, bytes, -1);
}
cudaError_t cudaFreeHost(void *p)
{
    return cudaFree(p);
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t *s, unsigned)
{
    *s = new shim_stream();
    (*s)->device = current;
    streams.push_back(*s);
    return cudaSuccess;
}
cudaError_t cudaStreamDestroy(cudaStream_t s)
{
    run_late(s);
    for (size_t i = 0; i < streams.size(); i++)
        if (streams[i] == s) streams.erase(streams.begin() + (long)i);
    delete s;
    return cudaSuccess;
}
cudaError_t cudaStreamSynchronize(cudaStream_t s)
{
    counted.waits++;
    return s->capture ? failed(cudaErrorStreamCaptureUnsupported) : failed(run_late(s));
}
cudaError_t cudaDeviceSynchronize()
{
    counted.waits++;
    if (captures) return failed(cudaErrorStreamCaptureUnsupported);
    run_all_late();
    return cudaSuccess;
}

/* ---- events ---- */

cudaError_t cudaEventCreateWithFlags(cudaEvent_t *e, unsigned flags)
{
    *e = new shim_event();
    (*e)->device = current;
    (*e)->timed = !(flags & cudaEventDisableTiming);
    return cudaSuccess;
}
cudaError_t cudaEventDestroy(cudaEvent_t e)
{
    delete e;
    return cudaSuccess;
}
cudaError_t cudaEventRecord(cudaEvent_t e, cudaStream_t s)
{
    timespec now;
    if (!s || s->device != e->device) return failed(cudaErrorInvalidResourceHandle);
    if (s->capture) return failed(cudaErrorStreamCaptureUnsupported);
    clock_gettime(CLOCK_MONOTONIC, &now);
    e->stream = s;
    e->at = (double)now.tv_sec * 1e3 + (double)now.tv_nsec * 1e-6;
    return cudaSuccess;
}
cudaError_t cudaEventSynchronize(cudaEvent_t e)
{
    counted.waits++;
    return e->stream ? failed(run_late(e->stream)) : cudaSuccess;
}
cudaError_t cudaEventElapsedTime(float *ms, cudaEvent_t from, cudaEvent_t to)
{
    *ms = (float)(to->at - from->at);
    return from->timed && to->timed ? cudaSuccess : failed(cudaErrorInvalidResourceHandle);
}
cudaError_t cudaStreamWaitEvent(cudaStream_t s, cudaEvent_t e, unsigned)
{
    if (!s || s->device != current) return failed(cudaErrorInvalidResourceHandle);
    return e->stream ? failed(run_late(e->stream)) : cudaSuccess;
}

/* ---- copies ---- */

/* One that touches ordinary memory of the host runs at once, as do those of a stream that is captured; the
 * others are late. */
cudaError_t cudaMemcpyAsync(void *to, const void *from, size_t bytes, cudaMemcpyKind kind, cudaStream_t s)
{
    const int  target = owner(to), source = owner(from);
    const bool beside = s && !s->capture && target != -2 && source != -2;
    const auto step = [=] {
        memcpy(to, from, bytes);
        return cudaSuccess;
    };
    if ((kind != cudaMemcpyHostToDevice && source < 0) || (kind != cudaMemcpyDeviceToHost && target < 0))
        return failed(cudaErrorInvalidValue);
    if (!beside) return submit(s, step);
    s->late.push_back(step);
    return cudaSuccess;
}
cudaError_t cudaMemcpyPeerAsync(void *to, int to_device, const void *from, int from_device, size_t bytes,
                                cudaStream_t s)
{
    if (owner(to) != to_device || owner(from) != from_device) return failed(cudaErrorInvalidValue);
    return cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, s);
}
cudaError_t cudaDeviceCanAccessPeer(int *can, int device, int peer)
{
    *can = device != peer;
    return cudaSuccess;
}
cudaError_t cudaDeviceEnablePeerAccess(int peer, unsigned)
{
    return peer != current ? cudaSuccess : failed(cudaErrorInvalidDevice);
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
