/* What the files of the CUDA backend share on the host: names, the stream of a context, memory, tensors as
 * shapes. */
#ifndef WK_CUDA_CUDA_H
#define WK_CUDA_CUDA_H

#include "core/op.h"

#ifdef __cplusplus
extern "C" {
#endif

#define CUDA(name) wki_cuda_##name

/* ---- every kernel, and the bytes of scratch some want for a call ---- */

#define KERNEL_1(name) wk_status CUDA(name)(const wk_call *k);
#define KERNEL_0(name)
#define KERNEL_V(name)
#define WK_OP(name, cpu, cuda, grad, rows) KERNEL_##cuda(name)
#include "core/ops.def"
#undef WK_OP
#define WK_SCRATCH(name) size_t CUDA(name##_scratch)(const wk_call *k);
#include "cuda/scratch.def"
#undef WK_SCRATCH

/* ---- the device (device.cu, memory.cu, capture.cu) ---- */

/* The first bad index a kernel met, in memory of the host that the device writes to; or, as a problem
 * of linear algebra, what stopped a matrix (index) and which one of the batch it was (size). */
struct wki_cuda_fault {
    int       op; /* plus 1; 0: none */
    int       problem;
    long long index, size;
};

wk_status wki_cuda_open(wk_device *d, int index, char *message, size_t size);
void      wki_cuda_close(wk_device *d);
void     *wki_cuda_alloc(wk_device *d, size_t bytes);
void      wki_cuda_free(wk_device *d, void *block, size_t bytes);
wk_status wki_cuda_to_host(wk_device *d, void *stream, void *host, const void *block, size_t bytes);
wk_status wki_cuda_from_host(wk_device *d, void *stream, void *block, const void *host, size_t bytes);
wk_status wki_cuda_sync(wk_device *d, void *stream);
void      wki_cuda_explain(wk_device *d, void *stream, char *message, size_t size);
void      wki_cuda_describe(wk_device *d, char *text, size_t size);
wk_status wki_cuda_limits(wk_device *d, void *block, int64_t size, wk_limits *out);
wk_status wki_cuda_copy_begin(wk_device *d, void *stream, enum wki_copy way, void *to, const void *from,
                              size_t bytes, wk_device *other, void *other_stream);
wk_status wki_cuda_copy_end(wk_device *d, void *stream, wk_device *other, void *other_stream, bool wait);
void     *wki_cuda_host_alloc(wk_device *d, size_t bytes);
void      wki_cuda_host_free(wk_device *d, void *block);
void     *wki_cuda_stream_new(wk_device *d);
void      wki_cuda_stream_free(wk_device *d, void *stream);
wk_status wki_cuda_capture_begin(wk_device *d, void *stream);
void     *wki_cuda_capture_end(wk_device *d, void *stream);
wk_status wki_cuda_replay(wk_device *d, void *stream, void *graph);
void      wki_cuda_graph_free(wk_device *d, void *graph);

/* Copies between a block format and another dtype, and rows of a table in one (blocks.cu). */
wk_status wki_cuda_recode(const wk_call *k);
wk_status wki_cuda_embed_blocks(const wk_call *k);
wk_status wki_cuda_write_blocks(const wk_call *k); /* cache_write into one */

struct wki_cuda_fault *wki_cuda_fault_of(void *stream);
char                  *wki_cuda_message(void *stream); /* WKI_CALL_MESSAGE bytes, for explain */
int                    wki_cuda_multiprocessors(const wk_device *d);
int                    wki_cuda_architecture(const wk_device *d); /* 75, 80, 90 .. */
size_t                 wki_cuda_shared_limit(const wk_device *d); /* shared memory a block may ask for */

/* cuBLASLt (blaslt.cu) of a device, NULL where it is missing; what streams keep of the libraries, each made
 * at its first use. */
enum wki_cuda_part {
    WKI_CUDA_LT,
    WKI_CUDA_FFT,
    WKI_CUDA_SOLVER,
    WKI_CUDA_LIBRARIES,
    WKI_CUDA_COPIES = WKI_CUDA_LIBRARIES,
    WKI_CUDA_PARTS
};
void **wki_cuda_part_of(void *stream, enum wki_cuda_part part);
void  *wki_cuda_lt_open(void);
void   wki_cuda_lt_close(void *library);
void   wki_cuda_lt_stream_free(void *library, void *part);
void  *wki_cuda_lt_library(const wk_device *d);
void   wki_cuda_fft_free(void *part);    /* cufft.cu */
void   wki_cuda_copies_free(void *part); /* transfer.cu */
void   wki_cuda_solver_free(void *part); /* cusolver.cu */
bool   wki_cuda_capturing(void *stream);
bool   wki_cuda_able(wk_device *d, void *stream, wk_op op);

/* Few large matrices by cuSOLVER (cusolver.cu, cusolver_spectra.cu). bytes: not NULL: becomes the larger of
 * itself and the scratch wanted, nothing runs; else it runs. false: it does not, the kernels do. */
bool wki_cuda_solver_lu(const wk_call *k, size_t *bytes, wk_status *status);
bool wki_cuda_solver_solve(const wk_call *k, bool inverse, size_t *bytes, wk_status *status);
bool wki_cuda_solver_det(const wk_call *k, size_t *bytes, wk_status *status);
bool wki_cuda_solver_cholesky(const wk_call *k, size_t *bytes, wk_status *status);
bool wki_cuda_solver_qr(const wk_call *k, int64_t columns, size_t *bytes, wk_status *status);
bool wki_cuda_solver_geqrf(const wk_call *k, size_t *bytes, wk_status *status);
bool wki_cuda_solver_product(const wk_call *k, size_t *bytes, wk_status *status);
bool wki_cuda_solver_eigh(const wk_call *k, size_t *bytes, wk_status *status);
bool wki_cuda_solver_svd(const wk_call *k, size_t *bytes, wk_status *status);
bool wki_cuda_solver_lstsq(const wk_call *k, size_t *bytes, wk_status *status);

/* Memory of the host and small blocks (memory.cu). */
void *wki_cuda_block(size_t bytes);
void  wki_cuda_block_free(void *block);
void *wki_cuda_host_block(size_t bytes);
void  wki_cuda_host_block_free(void *block);
void *wki_cuda_state(size_t bytes); /* zeroed memory of this process */
void  wki_cuda_state_free(void *block);

/* ---- looking at tensors: the module links to nothing of the library ---- */

static inline bool wki_cuda_none(wk_tensor x)
{
    return !x || !x->storage;
}
static inline int64_t wki_cuda_count(wk_tensor x)
{
    int64_t n = 1;
    for (int i = 0; i < x->ndim; i++) n *= x->shape[i];
    return n;
}
static inline bool wki_cuda_dense(wk_tensor x)
{
    int64_t step = 1;
    for (int i = x->ndim - 1; i >= 0; i--) {
        if (x->shape[i] != 1 && x->stride[i] != step) return wki_cuda_count(x) == 0;
        step *= x->shape[i];
    }
    return true;
}
/* Values and bytes of a block of this dtype. */
static inline int wki_cuda_values(wk_dtype t)
{
    static const short values[] = {
#define WK_DTYPE(name, block, bytes, cls) block,
#include "core/dtypes.def"
#undef WK_DTYPE
    };
    return values[t];
}
static inline int wki_cuda_bytes(wk_dtype t)
{
    static const short sizes[] = {
#define WK_DTYPE(name, block, bytes, cls) bytes,
#include "core/dtypes.def"
#undef WK_DTYPE
    };
    return sizes[t];
}
static inline bool wki_cuda_plain(wk_dtype t)
{
    return wki_cuda_values(t) == 1;
}
static inline bool wki_cuda_all_plain(const wk_call *k)
{
    for (int i = 0; i < k->n_in; i++)
        if (!wki_cuda_none(k->in[i]) && !wki_cuda_plain(k->in[i]->dtype)) return false;
    return wki_cuda_plain(k->out[0]->dtype);
}

#ifdef __cplusplus
}
#ifdef WK_CUDA_KERNEL_CUH
cudaStream_t wki_cuda_stream(void *stream);
wk_status    wki_cuda_failed(char *message, size_t size, cudaError_t e); /* e as a status, with its text */
wk_status    wki_cuda_waited(void *stream, cudaError_t e); /* what a wait that gave e has found */
#endif
#endif
#endif
