/* Copies between any strides and dtypes, constants and sequences. */
#include "cuda/walk.cuh"

/* ---- one dtype ---- */

template <typename T> __global__ void move_kernel(const __grid_constant__ walk<2> w)
{
    const int64_t at = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (at < w.n)
        ((T *)(void *)w.of[0].data)[walk_at(w, 0, at)] = ((const T *)(void *)w.of[1].data)[walk_at(w, 1, at)];
}

/* y's rows are dense and x is dense along dim d of two: squares pass through shared memory, so that both
 * sides are read and written in whole lines. */
enum { SIDE = 32, SIDE_ROWS = 8 };
struct turn {
    int64_t rows, cols, sy, sx; /* y[r sy + c] = x[r + c sx] */
    int64_t n, batch_y, batch_x;
};
template <typename T> __global__ void turn_kernel(T *y, const T *x, const __grid_constant__ turn t)
{
    SHARED(T, square, SIDE * (SIDE + 1));
    const int     lane = (int)threadIdx.x % SIDE, row = (int)threadIdx.x / SIDE;
    const int64_t across = (t.cols + SIDE - 1) / SIDE;
    const int64_t r0 = (int64_t)blockIdx.x / across * SIDE, c0 = (int64_t)blockIdx.x % across * SIDE;
    for (int64_t b = blockIdx.y; b < t.n; b += gridDim.y) {
        for (int i = row; i < SIDE; i += SIDE_ROWS)
            if (c0 + i < t.cols && r0 + lane < t.rows)
                square[i * (SIDE + 1) + lane] = x[b * t.batch_x + r0 + lane + (c0 + i) * t.sx];
        __syncthreads();
        for (int i = row; i < SIDE; i += SIDE_ROWS)
            if (r0 + i < t.rows && c0 + lane < t.cols)
                y[b * t.batch_y + (r0 + i) * t.sy + c0 + lane] = square[lane * (SIDE + 1) + i];
        __syncthreads();
    }
}

/* Two dims turned round, under at most one that is common. */
static bool turns(const walk<2> &w, turn *t)
{
    const int64_t *sy = w.of[0].stride, *sx = w.of[1].stride;
    const int      r = w.ndim - 2, c = w.ndim - 1;
    if (w.ndim != 2 && w.ndim != 3) return false;
    if (sy[c] != 1 || sx[r] != 1 || sx[c] == 1 || w.shape[r] < 8 || w.shape[c] < 8) return false;
    *t = {w.shape[r], w.shape[c], sy[r], sx[c], 1, 0, 0};
    if (w.ndim == 3) {
        t->n = w.shape[0];
        t->batch_y = sy[0];
        t->batch_x = sx[0];
    }
    return true;
}

template <typename T> static wk_status move(const wk_call *k, const walk<2> &w)
{
    turn t;
    if (!turns(w, &t)) return launch(k, move_kernel<T>, blocks_for(w.n, 256), 256, 0, w);
    const int64_t tiles = (t.rows + SIDE - 1) / SIDE * ((t.cols + SIDE - 1) / SIDE);
    return launch(k, turn_kernel<T>, dim3((unsigned)tiles, (unsigned)(t.n < 65535 ? t.n : 65535)),
                  SIDE * SIDE_ROWS, 0, (T *)(void *)w.of[0].data, (const T *)(const void *)w.of[1].data, t);
}

static wk_status move_dense(const wk_call *k, void *y, const void *x, int64_t bytes)
{
    cudaError_t e = cudaSetDevice(k->device->index);
    if (e == cudaSuccess)
        e = cudaMemcpyAsync(y, x, (size_t)bytes, cudaMemcpyDeviceToDevice, wki_cuda_stream(k->stream));
    return e == cudaSuccess ? WK_OK : wki_cuda_failed(k->message, WKI_CALL_MESSAGE, e);
}

static wk_status copy_same(const wk_call *k, wk_tensor y, wk_tensor x)
{
    walk<2>   w;
    const int bytes = wki_cuda_bytes(y->dtype), values = wki_cuda_values(y->dtype);
    walk_over(&w, y, &x);
    if (w.n == 0) return WK_OK;
    if (w.ndim == 1 && (w.n == 1 || (w.of[0].stride[0] == 1 && w.of[1].stride[0] == 1)))
        return move_dense(k, w.of[0].data, w.of[1].data, w.n / values * bytes);
    if (values > 1) { /* rows are whole blocks; one byte is the unit */
        const int last = w.ndim - 1;
        if (w.of[0].stride[last] != 1 || w.of[1].stride[last] != 1) return WK_EDTYPE;
        for (int o = 0; o < 2; o++)
            for (int i = 0; i < last; i++) w.of[o].stride[i] = w.of[o].stride[i] / values * bytes;
        w.shape[last] = w.shape[last] / values * bytes;
        w.n = w.n / values * bytes;
        return move<uint8_t>(k, w);
    }
    return bytes == 1   ? move<uint8_t>(k, w)
           : bytes == 2 ? move<uint16_t>(k, w)
           : bytes == 4 ? move<uint32_t>(k, w)
                        : move<uint64_t>(k, w);
}

/* attr.i[0]: a bit for each dim that is turned round. Its strides run backwards from its end. */
wk_status CUDA(flip)(const wk_call *k)
{
    struct wk_tensor_info x = *k->in[0];
    for (int i = 0; i < x.ndim; i++) {
        if (!(k->attr.i[0] >> i & 1)) continue;
        x.offset += (x.shape[i] - 1) * x.stride[i] * wki_cuda_bytes(x.dtype);
        x.stride[i] = -x.stride[i];
    }
    return wki_cuda_count(&x) ? copy_same(k, k->out[0], &x) : WK_OK;
}

/* A triangle of each matrix; zeros elsewhere. */
template <typename T>
__global__ void triangle_kernel(const __grid_constant__ walk<2> w, int64_t rows, int64_t cols,
                                int64_t diagonal, bool lower)
{
    const int64_t at = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (at >= w.n) return;
    const int64_t above = at % cols - at / cols % rows;
    const bool    kept = lower ? above <= diagonal : above >= diagonal;
    ((T *)(void *)w.of[0].data)[walk_at(w, 0, at)] =
        kept ? ((const T *)(const void *)w.of[1].data)[walk_at(w, 1, at)] : (T)0;
}

/* attr.i: the diagonal, lower */
wk_status CUDA(triangle)(const wk_call *k)
{
    const wk_tensor x = k->in[0];
    const int       bytes = wki_cuda_bytes(x->dtype);
    const int64_t   rows = x->shape[x->ndim - 2], cols = wki_cols(x), diagonal = k->attr.i[0];
    const bool      lower = k->attr.i[1] != 0;
    walk<2>         w;
    walk_over(&w, k->out[0], k->in);
    if (!wki_cuda_all_plain(k)) return WK_EDTYPE;
    if (w.n == 0) return WK_OK;
    const unsigned blocks = blocks_for(w.n, 256);
    return bytes == 1   ? launch(k, triangle_kernel<uint8_t>, blocks, 256, 0, w, rows, cols, diagonal, lower)
           : bytes == 2 ? launch(k, triangle_kernel<uint16_t>, blocks, 256, 0, w, rows, cols, diagonal, lower)
           : bytes == 4
               ? launch(k, triangle_kernel<uint32_t>, blocks, 256, 0, w, rows, cols, diagonal, lower)
               : launch(k, triangle_kernel<uint64_t>, blocks, 256, 0, w, rows, cols, diagonal, lower);
}

/* ---- cat: the values of each input from the dim on lie end to end ---- */

enum { JOINED = 16 }; /* inputs of a launch */
struct joining {
    int64_t outer, row; /* slices before the dim; units of a row of y */
    int64_t shape[WK_MAX_DIMS];
    int     dims;
    struct {
        const void *data;
        int64_t     begin, size, stride[WK_MAX_DIMS]; /* in units */
    } in[JOINED];
};
template <typename T> __global__ void join_kernel(T *y, const __grid_constant__ joining o)
{
    const auto   &in = o.in[blockIdx.y];
    const int64_t at = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (at >= o.outer * in.size) return;
    const int64_t outer = at / in.size, i = at % in.size;
    const int64_t from = o.dims ? walk_offset(o.shape, in.stride, o.dims, false, outer) : 0;
    y[outer * o.row + in.begin + i] = ((const T *)in.data)[from + i];
}

/* In units of so many bytes; false where they are no whole ones. */
static bool join_units(const wk_call *k, int64_t unit, int64_t begin, int first, int n, joining *o)
{
    const wk_tensor y = k->out[0];
    const int       d = (int)k->attr.i[0];
    int64_t         bytes = wki_cuda_bytes(y->dtype);
    memset((void *)o, 0, sizeof *o);
    o->dims = d;
    o->outer = 1;
    for (int i = 0; i < d; i++) o->outer *= o->shape[i] = y->shape[i];
    int64_t row = bytes;
    for (int i = d; i < y->ndim; i++) row *= y->shape[i];
    const int64_t slice = y->shape[d] ? row / y->shape[d] : 0;
    bool          fit = row % unit == 0 && (uintptr_t)wki_data(y) % (uintptr_t)unit == 0;
    o->row = row / unit;
    for (int j = 0; j < n && fit; j++) {
        const wk_tensor x = k->in[first + j];
        const int64_t   size = x->shape[d] * slice;
        fit = begin % unit == 0 && size % unit == 0 && (uintptr_t)wki_data(x) % (uintptr_t)unit == 0;
        o->in[j].data = wki_data(x);
        o->in[j].begin = begin / unit;
        o->in[j].size = size / unit;
        for (int i = 0; i < d; i++) {
            fit = fit && (x->shape[i] == 1 || x->stride[i] * bytes % unit == 0);
            o->in[j].stride[i] = x->stride[i] * bytes / unit;
        }
        begin += size;
    }
    return fit;
}

template <typename T> static wk_status join_as(const wk_call *k, const joining &o, int n)
{
    int64_t most = 0;
    for (int j = 0; j < n; j++) most = o.in[j].size > most ? o.in[j].size : most;
    if (most * o.outer == 0) return WK_OK;
    return launch(k, join_kernel<T>, dim3(blocks_for(most * o.outer, 256), (unsigned)n), 256, 0,
                  (T *)wki_data(k->out[0]), o);
}

/* attr.i[0]: the dim */
wk_status CUDA(cat)(const wk_call *k)
{
    const int d = (int)k->attr.i[0], bytes = wki_cuda_bytes(k->out[0]->dtype);
    int64_t   begin = 0, slice = bytes;
    for (int i = d + 1; i < k->out[0]->ndim; i++) slice *= k->out[0]->shape[i];
    if (wki_cuda_count(k->out[0]) == 0) return WK_OK;
    for (int first = 0; first < k->n_in; first += JOINED) {
        const int n = k->n_in - first < JOINED ? k->n_in - first : JOINED;
        joining   o;
        if (join_units(k, 16, begin, first, n, &o)) {
            WK_TRY(join_as<uint4>(k, o, n));
        } else {
            join_units(k, bytes, begin, first, n, &o);
            WK_TRY(bytes == 1   ? join_as<uint8_t>(k, o, n)
                   : bytes == 2 ? join_as<uint16_t>(k, o, n)
                   : bytes == 4 ? join_as<uint32_t>(k, o, n)
                                : join_as<uint64_t>(k, o, n));
        }
        for (int j = 0; j < n; j++) begin += k->in[first + j]->shape[d] * slice;
    }
    return WK_OK;
}

/* ---- another dtype ---- */

template <typename C> __global__ void cast_kernel(const __grid_constant__ walk<2> w)
{
    const int64_t at = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (at < w.n) walk_store(w, 0, at, walk_load<C>(w, 1, at));
}

/* Four values to a thread between dense tensors of f32, f16 and bf16. */
template <typename Y, typename X> __global__ void cast_dense_kernel(Y *y, const X *x, int64_t n)
{
    const int64_t at = ((int64_t)blockIdx.x * blockDim.x + threadIdx.x) * 4;
#pragma unroll
    for (int i = 0; i < 4; i++)
        if (at + i < n) y[at + i] = element_of<Y>::value(element<float>(x + at + i));
}
template <typename Y, typename X> static wk_status cast_dense(const wk_call *k, const walk<2> &w)
{
    return launch(k, cast_dense_kernel<Y, X>, blocks_for(w.n, 1024), 256, 0, (Y *)(void *)w.of[0].data,
                  (const X *)(const void *)w.of[1].data, w.n);
}

static wk_status cast(const wk_call *k, const walk<2> &w)
{
    const int  y = w.of[0].dtype, x = w.of[1].dtype;
    const bool dense = w.ndim == 1 && w.of[0].stride[0] == 1 && w.of[1].stride[0] == 1;
    if (dense && y == WK_f32 && x == WK_bf16) return cast_dense<float, bf16>(k, w);
    if (dense && y == WK_f32 && x == WK_f16) return cast_dense<float, f16>(k, w);
    if (dense && y == WK_bf16 && x == WK_f32) return cast_dense<bf16, float>(k, w);
    if (dense && y == WK_f16 && x == WK_f32) return cast_dense<f16, float>(k, w);
    const unsigned blocks = blocks_for(w.n, 256);
    return x <= WK_u32   ? launch(k, cast_kernel<int64_t>, blocks, 256, 0, w)
           : x == WK_f64 ? launch(k, cast_kernel<double>, blocks, 256, 0, w)
                         : launch(k, cast_kernel<float>, blocks, 256, 0, w);
}

wk_status CUDA(copy)(const wk_call *k)
{
    const wk_tensor y = k->out[0], x = k->in[0];
    if (y->dtype == x->dtype) return copy_same(k, y, x);
    walk<2> w;
    walk_over(&w, y, &x);
    if (w.n == 0) return WK_OK;
    return wki_cuda_all_plain(k) ? cast(k, w) : wki_cuda_recode(k);
}

/* ---- constants ---- */

/* start + i step in double; the second half counts back from stop, where that has to be met. */
struct sequence {
    double  start, step, stop;
    int64_t n, stop_n;
};
__global__ void sequence_kernel(void *y, int dtype, const __grid_constant__ sequence s)
{
    const int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= s.n) return;
    double v = s.step == 0 ? s.start : s.start + (double)i * s.step;
    if (s.stop_n && i >= s.stop_n / 2) v = s.stop - (double)(s.stop_n - 1 - i) * s.step;
    store_any<double>(y, dtype, i, v);
}

static wk_status run_sequence(const wk_call *k, double start, double step)
{
    const wk_tensor y = k->out[0];
    const sequence  s = {start, step, k->attr.f[2], wki_cuda_count(y), k->attr.i[0]};
    if (!wki_cuda_plain(y->dtype)) return WK_EDTYPE;
    if (s.n == 0) return WK_OK;
    return launch(k, sequence_kernel, blocks_for(s.n, 256), 256, 0, wki_data(y), (int)y->dtype, s);
}

wk_status CUDA(arange)(const wk_call *k)
{
    return run_sequence(k, k->attr.f[0], k->attr.f[1]);
}

wk_status CUDA(fill)(const wk_call *k)
{
    const wk_tensor y = k->out[0];
    const int64_t   bytes = wki_cuda_count(y) / wki_cuda_values(y->dtype) * wki_cuda_bytes(y->dtype);
    if (k->attr.f[0] != 0 || signbit(k->attr.f[0])) return run_sequence(k, k->attr.f[0], 0);
    if (bytes == 0) return WK_OK;
    cudaError_t e = cudaSetDevice(k->device->index);
    if (e == cudaSuccess) e = cudaMemsetAsync(wki_data(y), 0, (size_t)bytes, wki_cuda_stream(k->stream));
    return e == cudaSuccess ? WK_OK : wki_cuda_failed(k->message, WKI_CALL_MESSAGE, e);
}
