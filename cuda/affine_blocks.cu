/* Products with weights in blocks, and of f32 with halves: which way each goes (docs/decisions/0010), the
 * forms of x, scratch. */
#include "cuda/affine.cuh"
#include "cuda/product.cuh"

/* Rows up to which codes serve: more meet the weights on the matrix units. */
enum { FEW = 8 };

enum form wki_cuda_form_of(const wk_call *k, wk_tensor w, int64_t rows)
{
    const bool block = !wki_cuda_plain(w->dtype), half = w->dtype == WK_f16 || w->dtype == WK_bf16;
    if (k->cls == WK_CLASS_F64) return FORM_F64;
    if (k->precise || !(block || half)) return FORM_F32;
    const bool matrix = wki_cuda_architecture(k->device) >= 80;
    if (block && (rows <= FEW || !matrix)) return FORM_CODES;
    return rows > FEW && matrix ? FORM_BF16 : FORM_F32;
}

/* ---- forms ---- */

/* Rows of a form: whole steps of every kernel that reads it. */
static int64_t form_step(const wk_call *k)
{
    return (wki_cols(k->in[0]) + 63) / 64 * 64;
}
static size_t lines(int64_t bytes)
{
    return ((size_t)bytes + 63) / 64 * 64;
}

size_t wki_cuda_form_bytes(const wk_call *k, enum form f)
{
    static const int size[FORMS] = {1, 2, 4, 8};
    const int64_t    values = wki_rows(k->in[0]) * form_step(k);
    return lines(values * size[f]) + (f == FORM_CODES ? 2 * lines(values / 4) : 0);
}

struct forming {
    const void *x;
    int         dtype, kind;
    int64_t     n, k, step, row; /* values of the form; elements between rows of x */
    void       *to;
    float      *scales, *sums; /* codes: of sixteen */
};

/* Sixteen values take four threads: codes to the nearest, a scale, their sum times the scale. Zeros or next
 * to it are 0; what is infinite or no number must show. */
DEVICE void put_codes(const forming &f, int64_t at, const float (&v)[4])
{
    uint32_t most = 0;
#pragma unroll
    for (int i = 0; i < 4; i++) {
        const uint32_t size = bits_of(v[i]) & 0x7fffffffu;
        most = size > most ? size : most;
    }
#pragma unroll
    for (int by = 1; by < 4; by *= 2) {
        const uint32_t other = __shfl_xor_sync(FULL_WARP, most, by);
        most = other > most ? other : most;
    }
    const float largest = float_of(most);
    const bool  finite = most < 0x7f800000u, fine = finite && largest > 1e-35f;
    const float up = fine ? __fdiv_rn(127.0f, largest) : 0.0f;
    uint32_t    codes = 0;
    int         sum = 0;
#pragma unroll
    for (int i = 0; i < 4; i++) {
        const int c = fine ? (int)bits_of(__fadd_rn(__fmul_rn(v[i], up), 12582912.0f)) - 0x4b400000 : 0;
        codes |= (uint32_t)(c & 255) << 8 * i;
        sum += c;
    }
    sum += __shfl_xor_sync(FULL_WARP, sum, 1);
    sum += __shfl_xor_sync(FULL_WARP, sum, 2);
    if (at >= f.n) return;
    ((uint32_t *)f.to)[at / 4] = codes;
    if (at % 16) return;
    const float s = fine ? largest * (1.0f / 127.0f) : finite ? 0.0f : float_of(0x7fc00000u);
    f.scales[at / 16] = s;
    f.sums[at / 16] = s * (float)sum;
}

template <typename C> DEVICE void load_x(const forming &f, int64_t at, C (&v)[4])
{
    const int64_t row = at / f.step, col = at % f.step;
#pragma unroll
    for (int i = 0; i < 4; i++)
        v[i] = at < f.n && col + i < f.k ? load_any<C>(f.x, f.dtype, row * f.row + col + i) : (C)0;
}

/* A thread takes four values. */
__global__ void form_kernel(const __grid_constant__ forming f)
{
    const int64_t at = ((int64_t)blockIdx.x * blockDim.x + threadIdx.x) * 4;
    if (f.kind == FORM_F64) {
        double v[4];
        load_x(f, at, v);
        for (int i = 0; i < 4 && at < f.n; i++) ((double *)f.to)[at + i] = v[i];
        return;
    }
    float v[4];
    load_x(f, at, v);
    if (f.kind == FORM_CODES) {
        put_codes(f, at, v);
        return;
    }
    if (at >= f.n) return;
    if (f.kind == FORM_F32) {
        ((float4 *)f.to)[at / 4] = {v[0], v[1], v[2], v[3]};
        return;
    }
    for (int i = 0; i < 4; i++) narrowed(v[i], ((bf16 *)f.to)[at + i]);
}

/* Elements between rows of x, which the front end made even. */
static int64_t row_step(wk_tensor x)
{
    for (int i = x->ndim - 2; i >= 0; i--)
        if (x->shape[i] != 1) return x->stride[i];
    return 0;
}

wk_status wki_cuda_form(const wk_call *k, enum form f, char *to, affine *p)
{
    const wk_tensor x = k->in[0];
    const int64_t   n = wki_rows(x) * form_step(k);
    forming         o;
    memset((void *)&o, 0, sizeof o);
    o.x = wki_data(x);
    o.dtype = (int)x->dtype;
    o.kind = f;
    o.n = n;
    o.k = wki_cols(x);
    o.step = form_step(k);
    o.row = row_step(x);
    o.to = to;
    if (f == FORM_CODES) {
        o.scales = (float *)(void *)(to + lines(n));
        o.sums = (float *)(void *)(to + lines(n) + lines(n / 4));
    }
    p->x = to;
    p->scales = (const float2 *)(const void *)o.scales;
    p->sums = (const float2 *)(const void *)o.sums;
    p->step = o.step;
    return n ? launch(k, form_kernel, blocks_for(n, 1024), 256, 0, o) : WK_OK;
}

/* ---- affine: in: x, n weights, n biases ---- */

affine wki_cuda_affine_part(const wk_call *k, int part)
{
    const int       outputs = k->op == WK_OP_affine ? k->n_out ? k->n_out : 1 : 1;
    const wk_tensor w = k->in[1 + part], bias = k->in[1 + outputs + part], y = k->out[part];
    const int64_t   bytes = wki_cuda_bytes(w->dtype), values = wki_cuda_values(w->dtype);
    const int       stack = w->ndim - 2; /* of experts */
    affine          p;
    memset((void *)&p, 0, sizeof p);
    p.w = (const char *)wki_data(w);
    p.w_dtype = (int)w->dtype;
    p.w_row = w->stride[stack] / values * bytes;
    p.w_expert = stack ? w->stride[0] / values * bytes : 0;
    p.experts = stack ? w->shape[0] : 1;
    p.y = wki_data(y);
    p.y_dtype = (int)y->dtype;
    p.m = wki_rows(y);
    p.n = wki_cols(y);
    p.k = wki_cols(k->in[0]);
    p.repeats = 1;
    if (!wki_cuda_none(bias)) {
        p.bias = wki_data(bias);
        p.bias_dtype = (int)bias->dtype;
        p.bias_expert = stack ? bias->stride[0] : 0;
    }
    p.op = (int)k->op;
    p.fault = wki_cuda_fault_of(k->stream);
    return p;
}

bool wki_cuda_affine_formed(const wk_call *k, wk_tensor w)
{
    const bool halves = w->dtype == WK_f16 || w->dtype == WK_bf16;
    return !wki_cuda_plain(w->dtype) || (halves && k->in[0]->dtype == WK_f32);
}

/* A form in bf16 times a weight that is bf16, by cuBLASLt. */
static bool by_library(const wk_call *k, const affine &p, following *then, wk_status *status)
{
    product a;
    if (p.w_dtype != WK_bf16) return false;
    memset((void *)&a, 0, sizeof a);
    a.batch.of[0].data = (char *)p.y;
    a.batch.of[0].dtype = p.y_dtype;
    a.batch.of[1].data = (char *)p.x;
    a.batch.of[1].dtype = a.batch.of[2].dtype = WK_bf16;
    a.batch.of[2].data = (char *)p.w;
    a.batch.n = 1;
    walk_close(&a.batch);
    a.m = p.m;
    a.n = p.n;
    a.k = p.k;
    a.am = p.step;
    a.ak = a.bk = a.yn = 1;
    a.bn = p.w_row / (int64_t)sizeof(bf16);
    a.ym = p.n;
    a.bias = p.bias;
    a.bias_dtype = p.bias_dtype;
    return wki_cuda_lt_multiply(k, &a, then, status);
}

size_t wki_cuda_affine_blocks_scratch(const wk_call *k)
{
    bool   used[FORMS] = {};
    size_t bytes = 0;
    for (int o = 0; o < (k->n_out ? k->n_out : 1); o++) {
        const wk_tensor w = k->in[1 + o];
        const enum form f = wki_cuda_form_of(k, w, wki_rows(k->in[0]));
        if (!wki_cuda_affine_formed(k, w) || used[f]) continue;
        used[f] = true;
        bytes += wki_cuda_form_bytes(k, f);
    }
    return bytes;
}

wk_status wki_cuda_affine_blocks(const wk_call *k, following *then)
{
    char  *to = (char *)k->scratch;
    affine formed[FORMS];
    bool   used[FORMS] = {};
    for (int o = 0; o < (k->n_out ? k->n_out : 1); o++) {
        const wk_tensor w = k->in[1 + o];
        if (!wki_cuda_affine_formed(k, w)) continue;
        affine          p = wki_cuda_affine_part(k, o);
        const enum form f = wki_cuda_form_of(k, w, p.m);
        if (p.m * p.n == 0) continue;
        if (!used[f]) {
            used[f] = true;
            WK_TRY(wki_cuda_form(k, f, to, &formed[f]));
            to += wki_cuda_form_bytes(k, f);
        }
        p.x = formed[f].x;
        p.scales = formed[f].scales;
        p.sums = formed[f].sums;
        p.step = formed[f].step;
        wk_status library;
        if (f == FORM_BF16 && by_library(k, p, then, &library)) {
            WK_TRY(library);
            continue;
        }
        WK_TRY(f == FORM_CODES               ? wki_cuda_affine_few(k, p)
               : f == FORM_BF16              ? wki_cuda_affine_tiles(k, p, p.m)
               : f == FORM_F32 && p.m <= FEW ? wki_cuda_affine_few_exact(k, p)
                                             : wki_cuda_affine_exact(k, p));
    }
    return WK_OK;
}
