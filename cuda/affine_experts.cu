/* Rows that each go to an expert: few of them read their expert's weight one by one; many are sorted by
 * expert, so that a tile of rows reads it once. */
#include "cuda/affine.cuh"

enum { FEW = 8, THREADS = 256 };

/* ---- sorting ---- */

struct row_sorting {
    const int64_t *ids;
    int64_t        n, experts;
    int           *first, *from; /* experts + 1 places; results in the order of experts, then their own */
    int            op;
    struct wki_cuda_fault *fault;
};

/* A block to an expert, and one for the end, which looks for bad indices: those have no place. */
__global__ void sort_kernel(const __grid_constant__ row_sorting s)
{
    SHARED(int, part, 32);
    const int64_t e = blockIdx.x;
    const int     lane = (int)threadIdx.x % 32, warp = (int)threadIdx.x / 32;
    int           at = 0;
    for (int64_t i = threadIdx.x; i < s.n; i += THREADS) {
        const int64_t id = s.ids[i];
        at += id >= 0 && id < e;
        if (e == s.experts && (id < 0 || id >= s.experts)) report_index(s.fault, s.op, id, s.experts);
    }
    at = block_sum(at, part);
    if (threadIdx.x == 0) s.first[e] = at;
    if (e == s.experts) return;
    for (int64_t i0 = 0; i0 < s.n; i0 += THREADS) {
        const int64_t  i = i0 + threadIdx.x;
        const bool     mine = i < s.n && s.ids[i] == e;
        const unsigned all = __ballot_sync(FULL_WARP, mine);
        if (lane == 0) part[warp] = __popc(all);
        __syncthreads();
        int to = at + __popc(all & ((1u << lane) - 1u));
        for (int w = 0; w < THREADS / 32; w++) {
            if (w < warp) to += part[w];
            at += part[w];
        }
        if (mine) s.from[to] = (int)i;
        __syncthreads();
    }
}

/* ---- which way ---- */

struct expert_plan {
    bool      one_by_one;
    enum form form;
    size_t    first, from, bytes; /* places in scratch, behind the form of x */
};

static expert_plan plan_of(const wk_call *k)
{
    const wk_tensor w = k->in[1];
    const int64_t   results = wki_cuda_count(k->in[3]), experts = w->shape[0];
    const bool      known =
        !wki_cuda_plain(w->dtype) || w->dtype == WK_f32 || w->dtype == WK_f16 || w->dtype == WK_bf16;
    expert_plan o;
    o.one_by_one = known && k->cls == WK_CLASS_F32 && (results <= experts || results <= FEW);
    o.form = wki_cuda_form_of(k, w, o.one_by_one ? 1 : FEW + 1);
    if (o.form == FORM_CODES) { /* nothing else reads them */
        o.one_by_one = results <= 65535;
        if (!o.one_by_one) o.form = FORM_F32;
    }
    o.first = wki_cuda_form_bytes(k, o.form);
    o.from = o.first + ((size_t)(experts + 1) * sizeof(int) + 63) / 64 * 64;
    o.bytes = o.one_by_one ? o.first : o.from + (size_t)results * sizeof(int);
    return o;
}

size_t CUDA(affine_experts_scratch)(const wk_call *k)
{
    return plan_of(k).bytes;
}

/* in: x, weights, biases, indices; attr.i[0]: results that a row of x serves */
wk_status CUDA(affine_experts)(const wk_call *k)
{
    const expert_plan o = plan_of(k);
    char             *scratch = (char *)k->scratch;
    affine            p = wki_cuda_affine_part(k, 0);
    if (p.m * p.n == 0) return WK_OK;
    p.repeats = k->attr.i[0];
    WK_TRY(wki_cuda_form(k, o.form, scratch, &p));
    const int64_t *ids = (const int64_t *)wki_data(k->in[3]);
    if (o.one_by_one) {
        p.ids = ids;
        return o.form == FORM_CODES ? wki_cuda_affine_few(k, p) : wki_cuda_affine_few_exact(k, p);
    }
    int *first = (int *)(void *)(scratch + o.first), *from = (int *)(void *)(scratch + o.from);
    p.first = first;
    p.from = from;
    const row_sorting s = {ids, p.m, p.experts, first, from, p.op, p.fault};
    WK_TRY(launch(k, sort_kernel, dim3((unsigned)p.experts + 1), THREADS, 0, s));
    return o.form == FORM_BF16 ? wki_cuda_affine_tiles(k, p, p.experts ? p.m / p.experts : 0)
                               : wki_cuda_affine_exact(k, p);
}
