/* Products with weights in blocks, and of rows that each go to an expert: what their kernels share. */
#ifndef WK_CUDA_AFFINE_CUH
#define WK_CUDA_AFFINE_CUH

#include "cuda/blocks.cuh"

/* The forms of x that kernels read: 8-bit codes with a scale for each sixteen, bf16, f32 or f64. */
enum form { FORM_CODES, FORM_BF16, FORM_F32, FORM_F64, FORMS };

/* y = x w^T + bias; x in its form has rows of `step` values, zeros behind the k that are meant. */
struct affine {
    const char            *w;
    void                  *y; /* dense */
    const void            *bias;
    const void            *x;               /* in its form; codes: */
    const float2          *scales, *sums;   /* a pair for each 32: of their halves; codes' sums times these */
    const int64_t         *ids;             /* of experts, or nothing */
    const int             *first, *from;    /* sorted results of each expert; the result of each place */
    int64_t                m, n, k, step;   /* m: results */
    int64_t                w_row, w_expert; /* bytes */
    int64_t                bias_expert;     /* elements */
    int64_t                experts, repeats; /* results that a row of x serves */
    int                    w_dtype, y_dtype, bias_dtype, op;
    struct wki_cuda_fault *fault;
};

/* The weight and bias of an expert. */
struct expert {
    const char *w;
    int64_t     bias;
};
DEVICE expert expert_of(const affine &p, int64_t e)
{
    return {p.w + e * p.w_expert, e * p.bias_expert};
}
/* The expert of row m, 0 where there are none; below 0: one is asked for that is not there, which the next
 * wait reports. All blocks of a row come here. */
DEVICE int expert_at(const affine &p, int64_t m)
{
    if (!p.ids) return 0;
    const int64_t id = p.ids[m];
    if (id >= 0 && id < p.experts) return (int)id;
    if (blockIdx.x == 0 && threadIdx.x == 0) report_index(p.fault, p.op, id, p.experts);
    return -1;
}

/* Rows first .. first + rows of those that are sorted, of one expert, that tile t of `size` rows has; false:
 * there are no more. Without experts they are all rows. Whole warps come here. */
struct tile_rows {
    int64_t first, rows, expert;
};
DEVICE bool find_tile(const affine &p, int64_t t, int size, tile_rows *o)
{
    if (!p.first) {
        *o = {t * size, p.m - t * size < size ? p.m - t * size : size, 0};
        return o->rows > 0;
    }
    const int lane = (int)threadIdx.x % 32;
    int64_t   before = 0; /* tiles of the experts before */
    for (int64_t e = 0; e < p.experts; e += 32) {
        const bool    in = e + lane < p.experts;
        const int     begin = in ? p.first[e + lane] : 0, end = in ? p.first[e + lane + 1] : 0;
        const int64_t own = (end - begin + size - 1) / size;
        int64_t       sum = own;
#pragma unroll
        for (int by = 1; by < 32; by *= 2) {
            const int64_t other = __shfl_up_sync(FULL_WARP, sum, (unsigned)by);
            if (lane >= by) sum += other;
        }
        const unsigned here = __ballot_sync(FULL_WARP, t < before + sum);
        if (here) {
            const int     l = __ffs((int)here) - 1;
            const int64_t skip = __shfl_sync(FULL_WARP, before + sum - own, l);
            const int64_t at = __shfl_sync(FULL_WARP, begin, l) + (t - skip) * size;
            const int64_t left = __shfl_sync(FULL_WARP, end, l) - at;
            *o = {at, left < size ? left : size, e + l};
            return true;
        }
        before += __shfl_sync(FULL_WARP, sum, 31);
    }
    return false;
}
/* The result of a sorted row, and the row of x it takes. */
DEVICE int64_t result_of(const affine &p, int64_t place)
{
    return p.from ? p.from[place] : place;
}

DEVICE void put_result(const affine &p, int64_t row, int64_t column, int64_t bias, float v)
{
    if (p.bias) v += load_any<float>(p.bias, p.bias_dtype, bias + column);
    store_any<float>(p.y, p.y_dtype, row * p.n + column, v);
}

/* ---- plain weights as formats: 32 values to a block ---- */

template <typename T, int DTYPE> struct plain_format {
    enum { dtype = DTYPE, values = 32, bytes = 32 * sizeof(T), plain = 1 };
    template <typename B> static DEVICE void sixteen(const B &b, int h, float (&v)[16])
    {
        const B from = b.from(16 * h * (int)sizeof(T));
#pragma unroll
        for (int i = 0; i < 4 * (int)sizeof(T); i++) {
            union {
                uint32_t word;
                T        x[4 / sizeof(T)];
            } raw;
            raw.word = from.word(i);
#pragma unroll
            for (int j = 0; j < 4 / (int)sizeof(T); j++) v[4 / sizeof(T) * i + j] = widened(raw.x[j]);
        }
    }
};
template <> struct format<WK_f32> : plain_format<float, WK_f32> {
};
template <> struct format<WK_f16> : plain_format<f16, WK_f16> {
};
template <> struct format<WK_bf16> : plain_format<bf16, WK_bf16> {
};
#define WK_EACH_PLAIN(X) X(f32) X(f16) X(bf16)

/* Sixteen weights of half h of group g of 32 of a block, whatever the format. */
template <int T> struct weights {
    template <typename B> static DEVICE void sixteen(const B &b, int g, int h, float (&v)[16])
    {
        if constexpr (T < WK_q4_0)
            format<T>::sixteen(b, h, v);
        else
            values_of<format<T>>(b, g, h, v);
    }
};

/* Bytes that VALUES weights take at most where they begin at any address, read in pieces of 16 bytes. */
template <int T, int VALUES> struct slot_of {
    enum { bytes = (VALUES / (int)format<T>::values * (int)format<T>::bytes + 30) / 16 * 16 };
};

/* ---- launches ---- */

wk_status wki_cuda_affine_few(const wk_call *k, const affine &p);       /* codes */
wk_status wki_cuda_affine_few_exact(const wk_call *k, const affine &p); /* f32 */
wk_status wki_cuda_affine_tiles(const wk_call *k, const affine &p,
                                int64_t rows);                      /* bf16; rows of an expert */
wk_status wki_cuda_affine_exact(const wk_call *k, const affine &p); /* f32, f64 */

/* A call's operands, without a form of x. */
affine wki_cuda_affine_part(const wk_call *k, int part);
/* Queues the making of a form at `to`, and has p read it; bytes of it. */
wk_status wki_cuda_form(const wk_call *k, enum form f, char *to, affine *p);
size_t    wki_cuda_form_bytes(const wk_call *k, enum form f);
/* Which form the product of `rows` rows with w takes. */
enum form wki_cuda_form_of(const wk_call *k, wk_tensor w, int64_t rows);

#endif
