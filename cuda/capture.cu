/* Steps as CUDA graphs. */
#include "cuda/kernel.cuh"

wk_status wki_cuda_capture_begin(wk_device *d, void *stream)
{
    if (cudaSetDevice(d->index) != cudaSuccess) return WK_EDEVICE;
    const cudaError_t e = cudaStreamBeginCapture(wki_cuda_stream(stream), cudaStreamCaptureModeThreadLocal);
    if (e != cudaSuccess) cudaGetLastError();
    return e == cudaSuccess ? WK_OK : WK_EDEVICE;
}

void *wki_cuda_capture_end(wk_device *, void *stream)
{
    cudaGraph_t     graph = nullptr;
    cudaGraphExec_t run = nullptr;
    if (cudaStreamEndCapture(wki_cuda_stream(stream), &graph) != cudaSuccess || !graph) {
        cudaGetLastError();
        return nullptr;
    }
    if (cudaGraphInstantiate(&run, graph, 0) != cudaSuccess) {
        cudaGetLastError();
        run = nullptr;
    }
    cudaGraphDestroy(graph);
    return run;
}

wk_status wki_cuda_replay(wk_device *d, void *stream, void *graph)
{
    if (cudaSetDevice(d->index) != cudaSuccess) return WK_EDEVICE;
    const cudaError_t e = cudaGraphLaunch((cudaGraphExec_t)graph, wki_cuda_stream(stream));
    if (e != cudaSuccess) cudaGetLastError();
    return e == cudaSuccess ? WK_OK : WK_EDEVICE;
}

bool wki_cuda_capturing(void *stream)
{
    cudaStreamCaptureStatus status = cudaStreamCaptureStatusNone;
    cudaStreamIsCapturing(wki_cuda_stream(stream), &status);
    return status != cudaStreamCaptureStatusNone;
}

void wki_cuda_graph_free(wk_device *, void *graph)
{
    cudaGraphExecDestroy((cudaGraphExec_t)graph);
}
