/* Matrix products of every plain dtype, any strides, and affine maps: by cuBLASLt where it can, else tiles
 * pass through shared memory, sums run in the class's type in a fixed order. */
#include "cuda/product.cuh"

enum { TILE = 64, DEPTH = 16, PER = 4 }; /* a thread makes PER by PER results */

DEVICE float fused(float a, float b, float c)
{
    return fmaf(a, b, c);
}
DEVICE double fused(double a, double b, double c)
{
    return fma(a, b, c);
}
DEVICE int64_t fused(int64_t a, int64_t b, int64_t c)
{
    return (int64_t)((uint64_t)a * (uint64_t)b + (uint64_t)c);
}

/* DEPTH by TILE values x[d][i], from element `at`; neighbours in memory go to neighbouring threads. */
template <typename C, typename A>
DEVICE void load_tile(A &tile, const operand &x, int64_t at, int64_t d0, int64_t i0, int64_t depth,
                      int64_t size, int64_t sd, int64_t si)
{
    for (int e = (int)threadIdx.x; e < DEPTH * TILE; e += (int)blockDim.x) {
        const int     d = sd == 1 ? e % DEPTH : e / TILE, i = sd == 1 ? e / DEPTH : e % TILE;
        const bool    in = d0 + d < depth && i0 + i < size;
        const int64_t from = at + (d0 + d) * sd + (i0 + i) * si;
        tile[d * (TILE + 1) + i] = in ? load_any<C>(x.data, x.dtype, from) : (C)0;
    }
}

template <typename C> __global__ void matmul_kernel(const __grid_constant__ product p)
{
    SHARED(C, ta, DEPTH * (TILE + 1));
    SHARED(C, tb, DEPTH * (TILE + 1));
    const int64_t i0 = (int64_t)blockIdx.x / p.tiles_n * TILE, j0 = (int64_t)blockIdx.x % p.tiles_n * TILE;
    const int     row = (int)threadIdx.x / 16, col = (int)threadIdx.x % 16;
    for (int64_t batch = blockIdx.y; batch < p.batch.n; batch += gridDim.y) {
        const int64_t a = walk_at(p.batch, 1, batch), b = walk_at(p.batch, 2, batch),
                      y = walk_at(p.batch, 0, batch);
        C sum[PER][PER] = {};
        for (int64_t d0 = 0; d0 < p.k; d0 += DEPTH) {
            load_tile<C>(ta, p.batch.of[1], a, d0, i0, p.k, p.m, p.ak, p.am);
            load_tile<C>(tb, p.batch.of[2], b, d0, j0, p.k, p.n, p.bk, p.bn);
            __syncthreads();
#pragma unroll 4
            for (int d = 0; d < DEPTH; d++) {
                C va[PER], vb[PER];
#pragma unroll
                for (int i = 0; i < PER; i++) {
                    va[i] = ta[d * (TILE + 1) + row + 16 * i];
                    vb[i] = tb[d * (TILE + 1) + col + 16 * i];
                }
#pragma unroll
                for (int i = 0; i < PER; i++)
#pragma unroll
                    for (int j = 0; j < PER; j++) sum[i][j] = fused(va[i], vb[j], sum[i][j]);
            }
            __syncthreads();
        }
#pragma unroll
        for (int i = 0; i < PER; i++)
#pragma unroll
            for (int j = 0; j < PER; j++) {
                const int64_t r = i0 + row + 16 * i, c = j0 + col + 16 * j;
                if (r >= p.m || c >= p.n) continue;
                const C add = p.bias ? load_any<C>(p.bias, p.bias_dtype, c) : (C)0;
                store_any<C>(p.batch.of[0].data, p.batch.of[0].dtype, y + r * p.ym + c * p.yn,
                             sum[i][j] + add);
            }
    }
}

static wk_status multiply(const wk_call *k, product *p, following *then)
{
    p->tiles_n = (p->n + TILE - 1) / TILE;
    if (p->batch.n * p->m * p->n == 0) return WK_OK;
    wk_status by_library;
    if (wki_cuda_lt_multiply(k, p, then, &by_library)) return by_library;
    const dim3 blocks((unsigned)((p->m + TILE - 1) / TILE * p->tiles_n),
                      (unsigned)(p->batch.n < 65535 ? p->batch.n : 65535));
    WITH_CLASS(k, return launch(k, matmul_kernel<C>, blocks, 256, 0, *p););
}

wk_status CUDA(matmul)(const wk_call *k)
{
    const wk_tensor y = k->out[0], a = k->in[0], b = k->in[1], x[] = {a, b};
    product         p;
    memset((void *)&p, 0, sizeof p);
    p.batch.n = 1;
    walk_operand(&p.batch.of[0], y);
    for (int o = 0; o < 2; o++) walk_operand(&p.batch.of[1 + o], x[o]);
    for (int i = 0; i < y->ndim - 2; i++) {
        int64_t stride[3] = {y->stride[i], 0, 0};
        for (int o = 0; o < 2; o++) {
            const int j = i - (y->ndim - x[o]->ndim);
            if (j >= 0 && x[o]->shape[j] != 1) stride[1 + o] = x[o]->stride[j];
        }
        walk_dim(&p.batch, y->shape[i], stride);
        p.batch.n *= y->shape[i];
    }
    walk_close(&p.batch);
    p.m = y->shape[y->ndim - 2];
    p.n = wki_cols(y);
    p.k = wki_cols(a);
    p.am = a->stride[a->ndim - 2];
    p.ak = a->stride[a->ndim - 1];
    p.bk = b->stride[b->ndim - 2];
    p.bn = b->stride[b->ndim - 1];
    p.ym = y->stride[y->ndim - 2];
    p.yn = y->stride[y->ndim - 1];
    following then = {};
    if (!wki_cuda_all_plain(k)) return WK_EDTYPE;
    return multiply(k, &p, &then);
}

/* in: x, n weights [outputs, inputs], n biases; rows of x at one step from each other */
static wk_status affine_then(const wk_call *k, following *then)
{
    const wk_tensor x = k->in[0];
    WK_TRY(wki_cuda_affine_blocks(k, then));
    for (int o = 0; o < k->n_out; o++) {
        if (wki_cuda_affine_formed(k, k->in[1 + o])) continue;
        const wk_tensor w = k->in[1 + o], bias = k->in[1 + k->n_out + o], y = k->out[o];
        product         p;
        memset((void *)&p, 0, sizeof p);
        walk_operand(&p.batch.of[0], y);
        walk_operand(&p.batch.of[1], x);
        walk_operand(&p.batch.of[2], w);
        p.batch.n = 1;
        walk_close(&p.batch);
        p.m = wki_rows(y);
        p.n = wki_cols(y);
        p.k = wki_cols(x);
        for (int i = x->ndim - 2; i >= 0 && !p.am; i--)
            if (x->shape[i] != 1) p.am = x->stride[i];
        p.ak = p.bk = 1;
        p.bn = w->stride[0];
        p.ym = p.n;
        p.yn = 1;
        if (!wki_cuda_none(bias)) {
            p.bias = wki_data(bias);
            p.bias_dtype = (int)bias->dtype;
        }
        WK_TRY(multiply(k, &p, then));
    }
    return WK_OK;
}

wk_status CUDA(affine)(const wk_call *k)
{
    following then = {};
    return affine_then(k, &then);
}

size_t CUDA(affine_scratch)(const wk_call *k)
{
    return wki_cuda_affine_blocks_scratch(k);
}

/* ---- and what follows it: by the library, else in place ---- */

static wk_call affine_of(const wk_call *k)
{
    wk_call a = *k;
    a.op = WK_OP_affine;
    a.n_in = 3;
    a.n_out = 1;
    return a;
}

wk_status CUDA(affine_act)(const wk_call *k)
{
    const bool    relu = k->attr.i[0] == WKI_AFFINE_RELU;
    const wk_call a = affine_of(k);
    wk_call       act = *k;
    following     then = {relu ? PRODUCT_RELU : PRODUCT_GELU_TANH, nullptr, 0, false};
    WK_TRY(affine_then(&a, &then));
    if (then.done) return WK_OK;
    act.op = relu ? WK_OP_relu : WK_OP_gelu_tanh;
    act.in = k->out;
    act.n_in = 1;
    return relu ? CUDA(relu)(&act) : CUDA(gelu_tanh)(&act);
}

/* in: x, the weight, the bias, what is added */
wk_status CUDA(affine_add)(const wk_call *k)
{
    const wk_tensor r = k->in[3], both[] = {r, k->out[0]};
    const wk_call   a = affine_of(k);
    wk_call         sum = *k;
    following       then = {PRODUCT_ADD, wki_data(r), wki_cols(r), false};
    for (int i = r->ndim - 2; i >= 0; i--)
        if (r->shape[i] != 1) {
            then.step = r->stride[i];
            break;
        }
    WK_TRY(affine_then(&a, &then));
    if (then.done) return WK_OK;
    sum.op = WK_OP_add;
    sum.in = both;
    sum.n_in = 2;
    return CUDA(add)(&sum);
}

size_t CUDA(affine_act_scratch)(const wk_call *k)
{
    const wk_call a = affine_of(k);
    return wki_cuda_affine_blocks_scratch(&a);
}
size_t CUDA(affine_add_scratch)(const wk_call *k)
{
    return CUDA(affine_act_scratch)(k);
}
