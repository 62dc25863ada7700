/* Copies that run beside kernels: a stream of their own for each context that copies, and events between it
 * and the contexts' streams, so that nobody on the host waits. */
#include "cuda/kernel.cuh"

/* Of a stream. */
struct copies {
    cudaStream_t queue;
    cudaEvent_t  reached, done; /* places in the context's stream and in this one */
    uint64_t     peers;         /* devices that have been asked for direct access */
};

static cudaError_t make(struct copies *c)
{
    cudaError_t e = cudaStreamCreateWithFlags(&c->queue, cudaStreamNonBlocking);
    if (e == cudaSuccess) e = cudaEventCreateWithFlags(&c->reached, cudaEventDisableTiming);
    if (e == cudaSuccess) e = cudaEventCreateWithFlags(&c->done, cudaEventDisableTiming);
    return e;
}

/* The stream's part, made at its first copy; its device is the current one then. */
static cudaError_t copies_of(wk_device *d, void *stream, struct copies **out)
{
    void      **place = wki_cuda_part_of(stream, WKI_CUDA_COPIES);
    cudaError_t e = cudaSetDevice(d->index);
    if (e == cudaSuccess && !*place) {
        struct copies *c = (struct copies *)wki_cuda_state(sizeof *c);
        e = c ? make(c) : cudaErrorMemoryAllocation;
        if (e == cudaSuccess)
            *place = c;
        else
            wki_cuda_copies_free(c);
    }
    *out = (struct copies *)*place;
    return e;
}

void wki_cuda_copies_free(void *part)
{
    struct copies *c = (struct copies *)part;
    if (!c) return;
    if (c->done) { /* at once, if nothing was begun */
        cudaEventSynchronize(c->done);
        cudaEventDestroy(c->done);
    }
    if (c->reached) cudaEventDestroy(c->reached);
    if (c->queue) cudaStreamDestroy(c->queue);
    wki_cuda_state_free(c);
}

/* This device reads the other's memory without the host in between, where the hardware lets it. */
static void ask_for_access(struct copies *c, const wk_device *d, const wk_device *other)
{
    int can = 0;
    if (other->index >= 64 || c->peers >> other->index & 1) return;
    c->peers |= (uint64_t)1 << other->index;
    if (cudaDeviceCanAccessPeer(&can, d->index, other->index) == cudaSuccess && can)
        cudaDeviceEnablePeerAccess(other->index, 0);
    cudaGetLastError(); /* it has it already, or copies go another way */
}

/* The copies of d wait for what a stream, maybe of another device, has queued. */
static cudaError_t follow(struct copies *c, const wk_device *d, wk_device *its, void *stream)
{
    struct copies *there;
    cudaError_t    e = copies_of(its, stream, &there);
    if (e == cudaSuccess) e = cudaEventRecord(there->reached, wki_cuda_stream(stream));
    if (e == cudaSuccess) e = cudaSetDevice(d->index);
    if (e == cudaSuccess) e = cudaStreamWaitEvent(c->queue, there->reached, 0);
    return e;
}

wk_status wki_cuda_copy_begin(wk_device *d, void *stream, enum wki_copy way, void *to, const void *from,
                              size_t bytes, wk_device *other, void *other_stream)
{
    struct copies *c;
    cudaError_t    e = copies_of(d, stream, &c);
    if (e == cudaSuccess && other_stream) e = follow(c, d, other, other_stream);
    if (e == cudaSuccess) e = follow(c, d, d, stream);
    if (e == cudaSuccess && way != WKI_FROM_DEVICE)
        e = cudaMemcpyAsync(to, from, bytes,
                            way == WKI_FROM_HOST ? cudaMemcpyHostToDevice : cudaMemcpyDeviceToHost, c->queue);
    if (e == cudaSuccess && way == WKI_FROM_DEVICE && other->index == d->index)
        e = cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, c->queue);
    if (e == cudaSuccess && way == WKI_FROM_DEVICE && other->index != d->index) {
        ask_for_access(c, d, other);
        e = cudaMemcpyPeerAsync(to, d->index, from, other->index, bytes, c->queue);
    }
    if (e == cudaSuccess) e = cudaEventRecord(c->done, c->queue);
    return e == cudaSuccess ? WK_OK : wki_cuda_failed(wki_cuda_message(stream), WKI_CALL_MESSAGE, e);
}

wk_status wki_cuda_copy_end(wk_device *d, void *stream, wk_device *other, void *other_stream, bool wait)
{
    struct copies *c;
    cudaError_t    e = copies_of(d, stream, &c);
    if (e == cudaSuccess) e = cudaStreamWaitEvent(wki_cuda_stream(stream), c->done, 0);
    if (e == cudaSuccess && other) e = cudaSetDevice(other->index);
    if (e == cudaSuccess && other) e = cudaStreamWaitEvent(wki_cuda_stream(other_stream), c->done, 0);
    if (!wait)
        return e == cudaSuccess ? WK_OK : wki_cuda_failed(wki_cuda_message(stream), WKI_CALL_MESSAGE, e);
    if (e == cudaSuccess) e = cudaEventSynchronize(c->done);
    return wki_cuda_waited(stream, e);
}

void *wki_cuda_host_alloc(wk_device *d, size_t bytes)
{
    return cudaSetDevice(d->index) == cudaSuccess ? wki_cuda_host_block(bytes) : nullptr;
}
void wki_cuda_host_free(wk_device *d, void *block)
{
    if (cudaSetDevice(d->index) == cudaSuccess) wki_cuda_host_block_free(block);
}
