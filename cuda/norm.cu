/* rms_norm and layer_norm over rows, of one tensor or of a sum, and their gradients. */
#include "cuda/rows.cuh"

/* A weight or a bias: one value per column, or nothing. */
struct column {
    const void *data;
    int         dtype;
};
static column column_of(wk_tensor x)
{
    column c = {nullptr, WK_f32};
    if (!wki_cuda_none(x)) c = {wki_data(x), (int)x->dtype};
    return c;
}
DEVICE float at_column(const column &c, int64_t i, float none)
{
    return !c.data             ? none
           : c.dtype == WK_f32 ? ((const float *)c.data)[i]
                               : load_any<float>(c.data, c.dtype, i);
}

/* Mean (0 unless layer) and 1 / sqrt(mean square + eps) of the row that element() gives. */
template <typename T, typename A>
DEVICE float statistics(const operand &x, int64_t at, int64_t n, bool layer, float eps, A &part, float *mean)
{
    float sum = 0;
    if (layer) {
        for (int64_t i = threadIdx.x; i < n; i += blockDim.x) sum += reals<T>::get(x, at + i);
        sum = block_sum(sum, part);
    }
    *mean = sum / (float)n;
    float squares = 0;
    for (int64_t i = threadIdx.x; i < n; i += blockDim.x) {
        const float v = reals<T>::get(x, at + i) - *mean;
        squares += v * v;
    }
    return 1.0f / sqrtf(block_sum(squares, part) / (float)n + eps);
}

/* y, what is normalised, and for a sum its two terms. */
template <typename T>
__global__ void norm_kernel(const __grid_constant__ walk<4> w, column weight, column bias, int64_t n,
                            bool layer, float eps)
{
    SHARED(float, part, 32);
    const int64_t y = walk_at(w, 0, blockIdx.x), x = walk_at(w, 1, blockIdx.x);
    if (w.of[2].data) { /* each thread reads what it wrote */
        const int64_t a = walk_at(w, 2, blockIdx.x), b = walk_at(w, 3, blockIdx.x);
        for (int64_t i = threadIdx.x; i < n; i += blockDim.x)
            reals<T>::put(w.of[1], x + i, reals<T>::get(w.of[2], a + i) + reals<T>::get(w.of[3], b + i));
    }
    float       mean;
    const float scale = statistics<T>(w.of[1], x, n, layer, eps, part, &mean);
    for (int64_t i = threadIdx.x; i < n; i += blockDim.x) {
        const float v = (reals<T>::get(w.of[1], x + i) - mean) * scale;
        reals<T>::put(w.of[0], y + i, v * at_column(weight, i, 1.0f) + at_column(bias, i, 0.0f));
    }
}

static wk_status norm(const wk_call *k, wk_tensor x, wk_tensor weight, wk_tensor bias, bool layer, bool add)
{
    const wk_tensor all[] = {k->out[0], x, add ? k->in[0] : nullptr, add ? k->in[1] : nullptr};
    const int64_t   n = wki_cols(k->out[0]);
    walk<4>         w;
    walk_rows(&w, all);
    if (w.n == 0 || n == 0) return WK_OK;
    WITH_REALS(w, return launch(k, norm_kernel<T>, (unsigned)w.n, row_threads(n), 0, w, column_of(weight),
                                column_of(bias), n, layer, (float)k->attr.f[0]););
}

wk_status CUDA(rms_norm)(const wk_call *k)
{
    return norm(k, k->in[0], k->in[1], nullptr, false, false);
}
wk_status CUDA(layer_norm)(const wk_call *k)
{
    return norm(k, k->in[0], k->in[1], k->in[2], true, false);
}
wk_status CUDA(add_norm)(const wk_call *k)
{
    return norm(k, k->out[1], k->in[2], k->in[3], k->attr.i[0] != 0, true);
}

/* ---- gradients: inputs x, w, g; outputs dx, dw, db ---- */

/* dx of a row; its mean and scale go to scratch for the columns' sums. */
template <typename T>
__global__ void norm_vjp_kernel(const __grid_constant__ walk<3> w, column weight, int64_t n, bool layer,
                                float eps, float *row)
{
    SHARED(float, part, 32);
    const int64_t dx = walk_at(w, 0, blockIdx.x), x = walk_at(w, 1, blockIdx.x),
                  g = walk_at(w, 2, blockIdx.x);
    float       mean, h = 0, hu = 0;
    const float scale = statistics<T>(w.of[1], x, n, layer, eps, part, &mean);
    for (int64_t i = threadIdx.x; i < n; i += blockDim.x) {
        const float v = reals<T>::get(w.of[2], g + i) * at_column(weight, i, 1.0f);
        h += v;
        hu += v * ((reals<T>::get(w.of[1], x + i) - mean) * scale);
    }
    h = layer ? block_sum(h, part) / (float)n : 0.0f;
    hu = block_sum(hu, part) / (float)n;
    for (int64_t i = threadIdx.x; i < n; i += blockDim.x) {
        const float v = reals<T>::get(w.of[2], g + i) * at_column(weight, i, 1.0f);
        const float u = (reals<T>::get(w.of[1], x + i) - mean) * scale;
        reals<T>::put(w.of[0], dx + i, scale * (v - h - u * hu));
    }
    if (row && threadIdx.x == 0) {
        row[2 * blockIdx.x] = mean;
        row[2 * blockIdx.x + 1] = scale;
    }
}

/* Sums over rows for one column to a thread, in chunks of rows whose number depends on the sizes alone. */
template <typename T>
__global__ void norm_columns_kernel(const __grid_constant__ walk<3> w, const float *row, float *parts,
                                    int64_t n, int64_t per, int sums)
{
    const int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x, first = blockIdx.y * per;
    const int64_t last = first + per < w.n ? first + per : w.n;
    float         dw = 0, db = 0;
    if (i >= n) return;
    for (int64_t r = first; r < last; r++) {
        const float d = reals<T>::get(w.of[2], walk_at(w, 2, r) + i);
        dw += d * ((reals<T>::get(w.of[1], walk_at(w, 1, r) + i) - row[2 * r]) * row[2 * r + 1]);
        db += d;
    }
    parts[(int64_t)blockIdx.y * n + i] = dw;
    if (sums > 1) parts[((int64_t)gridDim.y + blockIdx.y) * n + i] = db;
}
__global__ void norm_join_kernel(const float *parts, void *y, int dtype, int64_t n, int chunks)
{
    const int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    float         sum = 0;
    if (i >= n) return;
    for (int c = 0; c < chunks; c++) sum += parts[c * n + i];
    store_any<float>(y, dtype, i, sum);
}

static int64_t rows_per_chunk(int64_t rows)
{
    const int64_t per = (rows + 63) / 64;
    return per < 16 ? 16 : per;
}
static int64_t chunks_of(int64_t rows)
{
    return (rows + rows_per_chunk(rows) - 1) / rows_per_chunk(rows);
}
static size_t vjp_scratch(const wk_call *k)
{
    const int64_t rows = wki_rows(k->out[0]), n = wki_cols(k->out[0]), sums = k->n_out - 1;
    return sums > 0 ? (size_t)(2 * rows + sums * chunks_of(rows) * n) * sizeof(float) : 0;
}
size_t CUDA(rms_norm_vjp_scratch)(const wk_call *k)
{
    return vjp_scratch(k);
}
size_t CUDA(layer_norm_vjp_scratch)(const wk_call *k)
{
    return vjp_scratch(k);
}

template <typename T> static wk_status norm_vjp_of(const wk_call *k, const walk<3> &w, bool layer)
{
    const int64_t n = wki_cols(k->out[0]), chunks = chunks_of(w.n);
    const int     sums = k->n_out - 1;
    float *const row = sums > 0 ? (float *)k->scratch : nullptr, *const parts = row ? row + 2 * w.n : nullptr;
    WK_TRY(launch(k, norm_vjp_kernel<T>, (unsigned)w.n, row_threads(n), 0, w, column_of(k->in[1]), n, layer,
                  (float)k->attr.f[0], row));
    if (sums < 1) return WK_OK;
    WK_TRY(launch(k, norm_columns_kernel<T>, dim3(blocks_for(n, 128), (unsigned)chunks), 128, 0, w,
                  (const float *)row, parts, n, rows_per_chunk(w.n), sums));
    for (int i = 0; i < sums; i++)
        WK_TRY(launch(k, norm_join_kernel, blocks_for(n, 128), 128, 0, (const float *)parts + i * chunks * n,
                      wki_data(k->out[1 + i]), (int)k->out[1 + i]->dtype, n, (int)chunks));
    return WK_OK;
}

static wk_status norm_vjp(const wk_call *k, bool layer)
{
    const wk_tensor all[] = {k->out[0], k->in[0], k->in[2]};
    walk<3>         w;
    walk_rows(&w, all);
    if (wki_cuda_count(k->out[0]) == 0) {
        for (int i = 1; i < k->n_out; i++) {
            wk_call zero = *k;
            zero.out[0] = k->out[i];
            zero.attr.f[0] = 0;
            WK_TRY(CUDA(fill)(&zero));
        }
        return WK_OK;
    }
    WITH_REALS(w, return norm_vjp_of<T>(k, w, layer););
}

wk_status CUDA(rms_norm_vjp)(const wk_call *k)
{
    return norm_vjp(k, false);
}
wk_status CUDA(layer_norm_vjp)(const wk_call *k)
{
    return norm_vjp(k, true);
}
