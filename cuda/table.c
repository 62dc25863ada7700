/* The CUDA backend's table: complete, or it does not link. And the module's door. */
#include "cuda/cuda.h"

static const wk_backend table = {
    .name = "cuda",
    .abi = WK_BACKEND_ABI,
    .open = wki_cuda_open,
    .close = wki_cuda_close,
    .alloc = wki_cuda_alloc,
    .free = wki_cuda_free,
    .to_host = wki_cuda_to_host,
    .from_host = wki_cuda_from_host,
    .sync = wki_cuda_sync,
    .copy_begin = wki_cuda_copy_begin,
    .copy_end = wki_cuda_copy_end,
    .host_alloc = wki_cuda_host_alloc,
    .host_free = wki_cuda_host_free,
    .explain = wki_cuda_explain,
    .describe = wki_cuda_describe,
    .limits = wki_cuda_limits,
    .able = wki_cuda_able,
    .stream_new = wki_cuda_stream_new,
    .stream_free = wki_cuda_stream_free,
    .capture_begin = wki_cuda_capture_begin,
    .capture_end = wki_cuda_capture_end,
    .replay = wki_cuda_replay,
    .graph_free = wki_cuda_graph_free,
    .kernels =
        {
#define WK_OP(name, cpu, cuda, grad, rows) [WK_OP_##name] = WK_SLOT_##cuda(CUDA(name)),
#include "core/ops.def"
#undef WK_OP
        },
    .scratch =
        {
#define WK_SCRATCH(name) [WK_OP_##name] = CUDA(name##_scratch),
#include "cuda/scratch.def"
#undef WK_SCRATCH
        },
};

WK_API const wk_backend *wki_cuda_entry(void) __asm__("wk_backend_entry");
const wk_backend        *wki_cuda_entry(void)
{
    return &table;
}
