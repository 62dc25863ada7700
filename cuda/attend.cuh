/* What the kernels of attention share: a call's sizes and strides, which keys a query sees, and values of
 * caches in their own formats. The query heads that share a key head are rows of one matrix, row r being
 * query r / rep of head r % rep of the group, so that keys and values are read once for all of them. */
#ifndef WK_CUDA_ATTEND_CUH
#define WK_CUDA_ATTEND_CUH

#include "cuda/rows.cuh"

enum { LEAD = WK_MAX_DIMS - 3, FEW_ROWS = 16 };

struct heads { /* a tensor [.., H, T, n] */
    char   *data;
    int     dtype;
    int64_t head, row, lead[LEAD]; /* strides in elements */
};

struct attending {
    heads                  q, k, v, y, mask; /* mask without data: none */
    heads                  dy;               /* the gradient's */
    float                 *lse;              /* [.., H, T], or nothing */
    const void            *start;            /* or nothing */
    bool                   starts;           /* one for each batch entry */
    int                    start_dtype, op, n_lead, d, dv;
    int64_t                lead[LEAD], batch, groups, rep, queries, keys, rows, window;
    bool                   causal;
    float                  scale, softcap;
    struct wki_cuda_fault *fault;
};

static inline void heads_of(heads *h, wk_tensor x)
{
    memset((void *)h, 0, sizeof *h);
    if (wki_cuda_none(x)) return;
    h->data = (char *)wki_data(x);
    h->dtype = (int)x->dtype;
    h->row = x->stride[x->ndim - 2];
    h->head = x->stride[x->ndim - 3];
    for (int i = 0; i + 3 < x->ndim; i++) h->lead[i] = x->stride[i];
}

static inline attending attending_of(const wk_call *c)
{
    const wk_tensor q = c->in[0], k = c->in[1], v = c->in[2], start = c->in[3];
    attending       a;
    memset((void *)&a, 0, sizeof a);
    heads_of(&a.q, q);
    heads_of(&a.k, k);
    heads_of(&a.v, v);
    heads_of(&a.mask, c->in[4]);
    a.start = wki_cuda_none(start) ? nullptr : wki_data(start);
    a.start_dtype = a.start ? (int)start->dtype : 0;
    a.starts = a.start && wki_cuda_count(start) > 1;
    a.op = (int)c->op;
    a.n_lead = q->ndim - 3;
    a.batch = 1;
    for (int i = 0; i < a.n_lead; i++) a.batch *= a.lead[i] = q->shape[i];
    a.groups = k->shape[k->ndim - 3];
    a.rep = q->shape[q->ndim - 3] / a.groups;
    a.queries = q->shape[q->ndim - 2];
    a.rows = a.rep * a.queries;
    a.keys = k->shape[k->ndim - 2];
    a.d = (int)wki_cols(q);
    a.dv = (int)wki_cols(v);
    a.causal = c->attr.i[0] != 0;
    a.window = c->attr.i[1];
    a.scale = (float)c->attr.f[0];
    a.softcap = (float)c->attr.f[1];
    a.fault = wki_cuda_fault_of(c->stream);
    return a;
}

/* ---- places ---- */

/* Element where head h of batch entry b begins. */
DEVICE int64_t head_at(const attending &a, const heads &x, int64_t b, int64_t h)
{
    int64_t at = h * x.head;
    for (int i = a.n_lead - 1; i >= 0; i--) {
        at += b % a.lead[i] * x.lead[i];
        b /= a.lead[i];
    }
    return at;
}
/* Element where row r of the group whose first head begins at `group` lies. */
DEVICE int64_t row_at(const attending &a, const heads &x, int64_t group, int64_t r)
{
    return a.rep == 1 ? group + r * x.row : group + r % a.rep * x.head + r / a.rep * x.row;
}
/* Place of row r among the sums of a batch entry and group. */
DEVICE int64_t sum_at(const attending &a, int64_t b, int64_t g, int64_t r)
{
    return ((b * a.groups + g) * a.rep + r % a.rep) * a.queries + r / a.rep;
}

struct sight {
    int64_t start, seen; /* place of the first query; keys that exist */
};
/* Of batch entry b. False: its start is outside of the keys, which is reported. */
DEVICE bool sight_of(const attending &a, int64_t b, sight *s)
{
    s->start = a.keys - a.queries;
    s->seen = a.keys;
    if (!a.start) return true;
    s->start = load_any<int64_t>(a.start, a.start_dtype, a.starts ? b : 0);
    s->seen = s->start + a.queries;
    if (s->start >= 0 && s->seen <= a.keys) return true;
    if (threadIdx.x == 0) report_index(a.fault, a.op, s->start, a.keys - a.queries + 1);
    return false;
}
/* Keys first .. last that query t sees. */
DEVICE int64_t first_seen(const attending &a, const sight &s, int64_t t)
{
    const int64_t from = s.start + t - a.window + 1;
    return a.window && from > 0 ? from : 0;
}
DEVICE int64_t last_seen(const attending &a, const sight &s, int64_t t)
{
    const int64_t to = s.start + t + 1;
    return !a.causal || to > s.seen ? s.seen : to > 0 ? to : 0;
}

/* ---- scores ---- */

DEVICE float capped(float x, float cap)
{
    return cap * tanhf(x / cap);
}
/* What the mask says of a key that is seen; at: the row's first element. */
template <typename M> DEVICE float masked(const attending &a, int64_t at, float x)
{
    return x + element<float>((const M *)(const void *)a.mask.data + at);
}
template <> DEVICE float masked<bool8>(const attending &a, int64_t at, float x)
{
    return ((const uint8_t *)a.mask.data)[at] ? x : -INFINITY;
}
DEVICE float with_mask(const attending &a, int64_t at, int64_t key, float x)
{
    const int t = a.mask.dtype;
    return t == WK_bool  ? masked<bool8>(a, at + key, x)
           : t == WK_f32 ? masked<float>(a, at + key, x)
           : t == WK_f16 ? masked<f16>(a, at + key, x)
                         : masked<bf16>(a, at + key, x);
}
DEVICE float with_any_mask(const attending &a, int64_t at, int64_t key, float x)
{
    const float m = load_any<float>(a.mask.data, a.mask.dtype, at + key);
    return a.mask.dtype == WK_bool ? (m != 0.0f ? x : -INFINITY) : x + m;
}
/* Is the mask of a dtype that with_mask knows, or is there none? */
static inline bool common_mask(const attending &a)
{
    const int t = a.mask.dtype;
    return !a.mask.data || t == WK_bool || t == WK_f32 || t == WK_f16 || t == WK_bf16;
}

/* ---- values ---- */

DEVICE int quant_q8(const uint8_t *block, int i)
{
    return (int8_t)block[2 + i];
}
DEVICE int quant_q4(const uint8_t *block, int i)
{
    return (i < 16 ? block[2 + i] & 15 : block[2 + i - 16] >> 4) - 8;
}
DEVICE float block_scale(const uint8_t *block)
{
    f16 d;
    d.bits = *(const uint16_t *)(const void *)block;
    return widened(d);
}

/* Of these formats are caches: 18 or 34 bytes for 32 values. */
struct q8_0_type {
};
struct q4_0_type {
};

static __attribute__((unused)) __device__ __noinline__ float load_value(const void *data, int dtype,
                                                                        int64_t at)
{
    if (dtype == WK_q8_0) {
        const uint8_t *b = (const uint8_t *)data + at / 32 * 34;
        return block_scale(b) * (float)quant_q8(b, (int)(at % 32));
    }
    if (dtype == WK_q4_0) {
        const uint8_t *b = (const uint8_t *)data + at / 32 * 18;
        return block_scale(b) * (float)quant_q4(b, (int)(at % 32));
    }
    return load_any<float>(data, dtype, at);
}

template <typename T> DEVICE float value(const heads &x, int64_t at)
{
    return element<float>((const T *)(const void *)x.data + at);
}
template <> DEVICE float value<any_type>(const heads &x, int64_t at)
{
    return load_value(x.data, x.dtype, at);
}

static inline bool attendable(wk_tensor x)
{
    return wki_cuda_plain(x->dtype) || x->dtype == WK_q8_0 || x->dtype == WK_q4_0;
}

/* Runs BODY with T as the element type of q, k and v. */
#define WITH_HEADS(a, ...)                                                                                   \
    WITH_COMMON((a).q.dtype == (a).k.dtype && (a).k.dtype == (a).v.dtype ? (a).q.dtype : -1, __VA_ARGS__)

/* ---- the ways, on the host ---- */

bool      wki_cuda_attend_few_fits(const attending &a);
size_t    wki_cuda_attend_few_scratch(const wk_call *k, const attending &a);
wk_status wki_cuda_attend_few(const wk_call *k, const attending &a);
bool      wki_cuda_attend_half_fits(const wk_call *k, const attending &a);
wk_status wki_cuda_attend_half(const wk_call *k, const attending &a);

#endif
