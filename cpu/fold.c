/* Windows of a picture as columns, and the sum of such columns. */
#include "cpu/kernel.h"

/* attr.i: kernel, stride, padding, dilation. */
struct fold {
    const wk_call *k;
    int64_t        channels, in[2], ker[2], out[2], stride[2], pad[2], dil[2];
    size_t         bytes;
};

static struct fold plan(const wk_call *k, wk_tensor picture, wk_tensor columns)
{
    struct fold o = {.k = k, .channels = picture->shape[1]};
    for (int i = 0; i < 2; i++) {
        o.in[i] = picture->shape[2 + i];
        o.ker[i] = columns->shape[2 + i];
        o.out[i] = columns->shape[4 + i];
        o.stride[i] = k->attr.i[2 + i];
        o.pad[i] = k->attr.i[4 + i];
        o.dil[i] = k->attr.i[6 + i];
    }
    return o;
}

/* Windows [*low, *high) along a row whose tap at `shift` is in the picture. */
static void inside(const struct fold *o, int64_t shift, int64_t *low, int64_t *high)
{
    const int64_t s = o->stride[1], n = o->out[1], top = o->in[1] - 1 - shift;
    *low = shift >= 0 ? 0 : (-shift + s - 1) / s;
    *high = top < 0 ? 0 : top / s + 1;
    *high = *high < n ? *high : n;
    *low = *low < *high ? *low : *high;
}

/* A row of columns: one tap of one channel for the windows side by side. */
#define COLUMNS(cls, type)                                                                                   \
    static void row_##cls(const struct fold *o, int64_t row, type *buffer)                                   \
    {                                                                                                        \
        const wk_tensor x = o->k->in[0], y = o->k->out[0];                                                   \
        const int64_t   n = o->out[1], h = row % o->out[0], tap = row / o->out[0], b = tap % o->ker[1];      \
        const int64_t   a = tap / o->ker[1] % o->ker[0], plane = tap / o->ker[1] / o->ker[0];                \
        const int64_t   at = h * o->stride[0] + a * o->dil[0] - o->pad[0];                                   \
        const int64_t   shift = b * o->dil[1] - o->pad[1];                                                   \
        type           *to = dest_##cls(y, row * n, buffer);                                                 \
        int64_t         low, high;                                                                           \
        inside(o, shift, &low, &high);                                                                       \
        if (at < 0 || at >= o->in[0]) low = high = 0;                                                        \
        memset(to, 0, (size_t)n * sizeof *to);                                                               \
        if (low < high) {                                                                                    \
            const int64_t from = plane / o->channels * x->stride[0] + plane % o->channels * x->stride[1] +   \
                                 at * x->stride[2] + (shift + low * o->stride[1]) * x->stride[3];            \
            const type *v =                                                                                  \
                load_##cls##_strided(x, from, o->stride[1] * x->stride[3], high - low, to + low);            \
            if (v != to + low) memcpy(to + low, v, (size_t)(high - low) * sizeof *to);                       \
        }                                                                                                    \
        store_##cls(y, row *n, n, to);                                                                       \
    }
/* A row of the picture: the windows that it is in, tap by tap; buffer: the row, then one of columns. */
#define PICTURE(cls, type)                                                                                   \
    static void back_##cls(const struct fold *o, int64_t row, type *buffer)                                  \
    {                                                                                                        \
        const wk_tensor x = o->k->in[0], y = o->k->out[0];                                                   \
        const int64_t   n = o->out[1], s = o->stride[1], plane = row / o->in[0],                             \
                      at = row % o->in[0] + o->pad[0];                                                       \
        type *to = dest_##cls(y, row * o->in[1], buffer);                                                    \
        memset(to, 0, (size_t)o->in[1] * sizeof *to);                                                        \
        for (int64_t a = 0; a < o->ker[0]; a++) {                                                            \
            const int64_t h = (at - a * o->dil[0]) / o->stride[0];                                           \
            if (at - a * o->dil[0] < 0 || h >= o->out[0] || (at - a * o->dil[0]) % o->stride[0]) continue;   \
            for (int64_t b = 0; b < o->ker[1]; b++) {                                                        \
                const int64_t shift = b * o->dil[1] - o->pad[1];                                             \
                int64_t       low, high;                                                                     \
                inside(o, shift, &low, &high);                                                               \
                const int64_t from = (((plane * o->ker[0] + a) * o->ker[1] + b) * o->out[0] + h) * n;        \
                const type   *v = load_##cls(x, from + low, high - low, buffer + o->in[1]);                  \
                type         *sum = to + shift + low * s;                                                    \
                if (s == 1)                                                                                  \
                    for (int64_t j = 0; j < high - low; j++) sum[j] += v[j];                                 \
                else                                                                                         \
                    for (int64_t j = 0; j < high - low; j++) sum[j * s] += v[j];                             \
            }                                                                                                \
        }                                                                                                    \
        store_##cls(y, row * o->in[1], o->in[1], to);                                                        \
    }
#define BOTH(cls, type) COLUMNS(cls, type) PICTURE(cls, type)
BOTH(f32, float)
BOTH(f64, double)
BOTH(i64, int64_t)

static size_t row_bytes(const struct fold *o)
{
    return ((size_t)(o->in[1] + o->out[1]) * sizeof(double) + 63) / 64 * 64;
}

static void unfold_piece(void *arg, int64_t first, int64_t last, int worker)
{
    const struct fold *o = arg;
    void              *mine = (char *)o->k->scratch + (size_t)worker * row_bytes(o);
    for (int64_t i = first; i < last; i++) {
        if (o->k->cls == WK_CLASS_F32)
            row_f32(o, i, mine);
        else if (o->k->cls == WK_CLASS_F64)
            row_f64(o, i, mine);
        else
            row_i64(o, i, mine);
    }
}
static void fold_piece(void *arg, int64_t first, int64_t last, int worker)
{
    const struct fold *o = arg;
    void              *mine = (char *)o->k->scratch + (size_t)worker * row_bytes(o);
    for (int64_t i = first; i < last; i++) {
        if (o->k->cls == WK_CLASS_F32)
            back_f32(o, i, mine);
        else if (o->k->cls == WK_CLASS_F64)
            back_f64(o, i, mine);
        else
            back_i64(o, i, mine);
    }
}

wk_status CPU(im2col)(const wk_call *k)
{
    if (wk_count(k->out[0]) == 0) return WK_OK;
    struct fold o = plan(k, k->in[0], k->out[0]);
    wki_parallel(k->device, wk_count(k->out[0]) / o.out[1], 32768 / (o.out[1] + 32) + 1, unfold_piece, &o);
    return WK_OK;
}
wk_status CPU(col2im)(const wk_call *k)
{
    if (wk_count(k->out[0]) == 0) return WK_OK;
    struct fold   o = plan(k, k->out[0], k->in[0]);
    const int64_t row = (o.out[1] + 8) * o.ker[0] * o.ker[1] / o.stride[0] + o.in[1];
    wki_parallel(k->device, wk_count(k->out[0]) / o.in[1], 32768 / row + 1, fold_piece, &o);
    return WK_OK;
}
size_t CPU(im2col_scratch)(const wk_call *k)
{
    const struct fold o = plan(k, k->in[0], k->out[0]);
    return row_bytes(&o) * (size_t)wki_workers(k->device);
}
size_t CPU(col2im_scratch)(const wk_call *k)
{
    const struct fold o = plan(k, k->out[0], k->in[0]);
    return row_bytes(&o) * (size_t)wki_workers(k->device);
}
