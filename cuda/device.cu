/* The device: opening it, streams, copies between host and device, waiting, and what a wait finds. */
#include "cuda/kernel.cuh"
#include "cuda/library.h"

#include <stdio.h>

struct device {
    char   name[256];
    int    major, minor, multiprocessors, driver, runtime;
    size_t shared;
    void  *lt; /* cuBLASLt, or nothing */
};

/* Of a context. */
struct stream {
    cudaStream_t           queue;
    struct wki_cuda_fault *fault;                     /* of the host, written by the device */
    void                  *part[WKI_CUDA_PARTS];      /* what the libraries keep, or nothing */
    char                   message[WKI_CALL_MESSAGE]; /* of the last wait that failed */
};

cudaStream_t wki_cuda_stream(void *stream)
{
    return ((struct stream *)stream)->queue;
}
struct wki_cuda_fault *wki_cuda_fault_of(void *stream)
{
    return ((struct stream *)stream)->fault;
}
char *wki_cuda_message(void *stream)
{
    return ((struct stream *)stream)->message;
}
int wki_cuda_multiprocessors(const wk_device *d)
{
    return ((const struct device *)d->state)->multiprocessors;
}

int wki_cuda_architecture(const wk_device *d)
{
    const struct device *s = (const struct device *)d->state;
    return s->major * 10 + s->minor;
}
size_t wki_cuda_shared_limit(const wk_device *d)
{
    return ((const struct device *)d->state)->shared;
}

void *wki_cuda_lt_library(const wk_device *d)
{
    return ((const struct device *)d->state)->lt;
}
void **wki_cuda_part_of(void *stream, enum wki_cuda_part part)
{
    return &((struct stream *)stream)->part[part];
}

wk_status wki_cuda_failed(char *message, size_t size, cudaError_t e)
{
    snprintf(message, size, "%s", cudaGetErrorString(e));
    cudaGetLastError();
    return e == cudaErrorMemoryAllocation ? WK_ENOMEM : WK_EDEVICE;
}

__global__ void probe_kernel(int *) {}

/* A kernel of this module runs on the device, or it has none for its architecture. */
static cudaError_t probe(void)
{
    cudaStream_t queue;
    cudaError_t  e = cudaStreamCreateWithFlags(&queue, cudaStreamNonBlocking);
    if (e != cudaSuccess) return e;
    cudaLaunchConfig_t config;
    memset((void *)&config, 0, sizeof config);
    config.gridDim = config.blockDim = dim3(1);
    config.stream = queue;
    e = cudaLaunchKernelEx(&config, probe_kernel, (int *)nullptr);
    if (e == cudaSuccess) e = cudaStreamSynchronize(queue);
    cudaStreamDestroy(queue);
    return e;
}

wk_status wki_cuda_open(wk_device *d, int index, char *message, size_t size)
{
    int            n = 0, driver = 0;
    cudaDeviceProp p;
    cudaDriverGetVersion(&driver);
    const cudaError_t counted = cudaGetDeviceCount(&n);
    if (counted == cudaErrorInsufficientDriver || driver == 0) {
        cudaGetLastError();
        snprintf(message, size,
                 driver ? "device \"cuda:%d\": the driver (CUDA %d.%d) is too old for this module"
                        : "device \"cuda:%d\": there is no CUDA driver",
                 index, driver / 1000, driver % 1000 / 10);
        return WK_EDEVICE;
    }
    if (counted != cudaSuccess && counted != cudaErrorNoDevice) {
        const int at = snprintf(message, size, "device \"cuda:%d\": ", index);
        return wki_cuda_failed(message + at, size - (size_t)at, counted);
    }
    if (index >= n) {
        cudaGetLastError();
        snprintf(message, size, "device \"cuda:%d\": %s", index,
                 n == 0 ? "there is no CUDA device" : "there are fewer CUDA devices");
        return WK_EDEVICE;
    }
    cudaError_t e = cudaSetDevice(index);
    if (e == cudaSuccess) e = cudaGetDeviceProperties(&p, index);
    if (e == cudaSuccess) e = probe();
    if (e == cudaErrorNoKernelImageForDevice) {
        cudaGetLastError();
        snprintf(message, size,
                 "device \"cuda:%d\": %.100s has architecture sm_%d%d, which this module has no code for",
                 index, p.name, p.major, p.minor);
        return WK_EDEVICE;
    }
    if (e != cudaSuccess) {
        const int at = snprintf(message, size, "device \"cuda:%d\": ", index);
        return wki_cuda_failed(message + at, size - (size_t)at, e);
    }
    struct device *s = (struct device *)wki_cuda_state(sizeof *s);
    if (!s) {
        snprintf(message, size, "device \"cuda:%d\": out of memory", index);
        return WK_ENOMEM;
    }
    snprintf(s->name, sizeof s->name, "%s", p.name);
    s->major = p.major;
    s->minor = p.minor;
    s->multiprocessors = p.multiProcessorCount;
    s->shared = p.sharedMemPerBlockOptin;
    s->driver = driver;
    cudaRuntimeGetVersion(&s->runtime);
    s->lt = wki_cuda_lt_open();
    d->state = s;
    return WK_OK;
}

void wki_cuda_close(wk_device *d)
{
    wki_cuda_lt_close(((const struct device *)d->state)->lt);
    wki_cuda_state_free(d->state);
    d->state = nullptr;
}

void wki_cuda_describe(wk_device *d, char *text, size_t size)
{
    const struct device *s = (const struct device *)d->state;
    size_t               left = 0, total = 0;
    bool                 there[WKI_CUDA_LIBRARIES];
    for (int i = 0; i < WKI_CUDA_LIBRARIES; i++) {
        void *const module = wki_cuda_library_open((enum wki_cuda_part)i);
        there[i] = module != nullptr;
        wki_cuda_library_close(module);
    }
    cudaSetDevice(d->index);
    cudaMemGetInfo(&left, &total);
    snprintf(text, size,
             "device: %s\narchitecture: sm_%d%d\nmultiprocessors: %d\nmemory: %zu of %zu MiB free\n"
             "driver: CUDA %d.%d\nruntime: CUDA %d.%d\ncuBLASLt: %s\ncuFFT: %s\ncuSOLVER: %s\n",
             s->name, s->major, s->minor, s->multiprocessors, left >> 20, total >> 20, s->driver / 1000,
             s->driver % 1000 / 10, s->runtime / 1000, s->runtime % 1000 / 10, s->lt ? "yes" : "no",
             there[WKI_CUDA_FFT] ? "yes" : "no", there[WKI_CUDA_SOLVER] ? "yes" : "no");
}

void *wki_cuda_stream_new(wk_device *d)
{
    struct stream *s = (struct stream *)wki_cuda_state(sizeof *s);
    if (!s || cudaSetDevice(d->index) != cudaSuccess) {
        wki_cuda_state_free(s);
        return nullptr;
    }
    cudaDeviceSynchronize(); /* weights that another context made are there when this one begins */
    s->fault = (struct wki_cuda_fault *)wki_cuda_host_block(sizeof *s->fault);
    if (!s->fault || cudaStreamCreateWithFlags(&s->queue, cudaStreamNonBlocking) != cudaSuccess) {
        cudaGetLastError();
        wki_cuda_host_block_free(s->fault);
        wki_cuda_state_free(s);
        return nullptr;
    }
    memset((void *)s->fault, 0, sizeof *s->fault);
    return s;
}

void wki_cuda_stream_free(wk_device *d, void *stream)
{
    struct stream *s = (struct stream *)stream;
    cudaSetDevice(d->index);
    cudaStreamSynchronize(s->queue);
    wki_cuda_lt_stream_free(wki_cuda_lt_library(d), s->part[WKI_CUDA_LT]);
    wki_cuda_fft_free(s->part[WKI_CUDA_FFT]);
    wki_cuda_solver_free(s->part[WKI_CUDA_SOLVER]);
    wki_cuda_copies_free(s->part[WKI_CUDA_COPIES]);
    cudaStreamDestroy(s->queue);
    wki_cuda_host_block_free(s->fault);
    wki_cuda_state_free(s);
}

static const char *op_name(int op)
{
    static const char *const names[] = {
#define WK_OP(name, cpu, cuda, grad, rows) #name,
#include "core/ops.def"
#undef WK_OP
    };
    return op >= 0 && op < WK_OP_COUNT ? names[op] : "?";
}

/* What stopped a matrix, by the op that met it; with a number to be filled in, where one says more. */
static const char *problem_of(int op)
{
    return op == WK_OP_cholesky                   ? "the leading minor of order %d is not positive"
           : op == WK_OP_lu_solve                 ? "pivot %d is no row's number"
           : op == WK_OP_eigh || op == WK_OP_eig  ? "the eigenvalues did not converge"
           : op == WK_OP_svd || op == WK_OP_lstsq ? "the singular values did not converge"
                                                  : "the matrix is singular: pivot %d is zero";
}
static wk_status explain_problem(struct stream *s, int op, long long info, long long matrix)
{
    char why[96];
    snprintf(why, sizeof why, problem_of(op), (int)info);
    snprintf(s->message, sizeof s->message, "%s: matrix %lld of the batch: %s", op_name(op), matrix, why);
    return WK_ELINALG;
}

/* A bad index that a kernel met on the way is the next wait's failure, and forgotten. */
wk_status wki_cuda_waited(void *stream, cudaError_t e)
{
    struct stream *s = (struct stream *)stream;
    s->message[0] = '\0';
    if (e != cudaSuccess) return wki_cuda_failed(s->message, sizeof s->message, e);
    volatile struct wki_cuda_fault *f = s->fault;
    if (!f->op) return WK_OK;
    const int op = f->op - 1, problem = f->problem;
    f->op = f->problem = 0;
    if (problem) return explain_problem(s, op, f->index, f->size);
    snprintf(s->message, sizeof s->message, "%s: index %lld of %lld", op_name(op), f->index, f->size);
    return WK_EINDEX;
}

/* Waits for what is queued. */
static wk_status finish(struct stream *s, cudaError_t e)
{
    return wki_cuda_waited(s, e == cudaSuccess ? cudaStreamSynchronize(s->queue) : e);
}

wk_status wki_cuda_sync(wk_device *d, void *stream)
{
    return finish((struct stream *)stream, cudaSetDevice(d->index));
}

void wki_cuda_explain(wk_device *, void *stream, char *message, size_t size)
{
    snprintf(message, size, "%s", ((const struct stream *)stream)->message);
}

wk_status wki_cuda_to_host(wk_device *d, void *stream, void *host, const void *block, size_t bytes)
{
    struct stream *s = (struct stream *)stream;
    cudaError_t    e = cudaSetDevice(d->index);
    if (e == cudaSuccess) e = cudaMemcpyAsync(host, block, bytes, cudaMemcpyDeviceToHost, s->queue);
    return finish(s, e);
}

/* A few bytes travel in the arguments of a kernel: nobody waits, and a graph can hold them. */
struct few {
    unsigned char byte[256];
};
__global__ void few_kernel(unsigned char *y, const __grid_constant__ few x, int n)
{
    if ((int)threadIdx.x < n) y[threadIdx.x] = x.byte[threadIdx.x];
}

wk_status wki_cuda_from_host(wk_device *d, void *stream, void *block, const void *host, size_t bytes)
{
    struct stream *s = (struct stream *)stream;
    cudaError_t    e = cudaSetDevice(d->index);
    if (e != cudaSuccess) return wki_cuda_failed(s->message, sizeof s->message, e);
    if (bytes > sizeof(few)) {
        e = cudaMemcpyAsync(block, host, bytes, cudaMemcpyHostToDevice, s->queue);
        if (e == cudaSuccess) e = cudaStreamSynchronize(s->queue);
        return e == cudaSuccess ? WK_OK : wki_cuda_failed(s->message, sizeof s->message, e);
    }
    few     values;
    wk_call k;
    memset(&k, 0, sizeof k);
    k.device = d;
    k.stream = stream;
    k.message = s->message;
    memcpy(values.byte, host, bytes);
    memset(values.byte + bytes, 0, sizeof values.byte - bytes);
    return launch(&k, few_kernel, dim3(1), 256, 0, (unsigned char *)block, values, (int)bytes);
}
