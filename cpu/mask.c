/* nonzero: counted piece by piece, then each piece writes from where those before it end. */
#include "cpu/kernel.h"

#define PIECE 16384

struct places {
    wk_tensor x, y;
    int64_t   n;
    int64_t  *from; /* of each piece in the result */
};

static void count_piece(void *arg, int64_t first, int64_t last, int worker)
{
    const struct places *o = arg;
    const uint8_t       *x = wki_data(o->x);
    (void)worker;
    for (int64_t p = first; p < last; p++) {
        const int64_t end = (p + 1) * PIECE < o->n ? (p + 1) * PIECE : o->n;
        int64_t       count = 0;
        for (int64_t i = p * PIECE; i < end; i++) count += x[i] != 0;
        o->from[p] = count;
    }
}

static void write_piece(void *arg, int64_t first, int64_t last, int worker)
{
    const struct places *o = arg;
    const uint8_t       *x = wki_data(o->x);
    const int            ndim = o->x->ndim;
    (void)worker;
    for (int64_t p = first; p < last; p++) {
        const int64_t end = (p + 1) * PIECE < o->n ? (p + 1) * PIECE : o->n;
        int64_t      *y = (int64_t *)wki_data(o->y) + o->from[p] * ndim;
        for (int64_t i = p * PIECE; i < end; i++) {
            if (!x[i]) continue;
            int64_t rest = i;
            for (int d = ndim - 1; d > 0; d--) {
                y[d] = rest % o->x->shape[d];
                rest /= o->x->shape[d];
            }
            if (ndim) y[0] = rest;
            y += ndim;
        }
    }
}

size_t CPU(nonzero_scratch)(const wk_call *k)
{
    return (size_t)(wk_count(k->in[0]) / PIECE + 1) * sizeof(int64_t);
}

wk_status CPU(nonzero)(const wk_call *k)
{
    struct places o = {.x = k->in[0], .y = k->out[0], .n = wk_count(k->in[0]), .from = k->scratch};
    const int64_t pieces = (o.n + PIECE - 1) / PIECE;
    int64_t       sum = 0;
    if (wk_count(o.y) == 0) return WK_OK;
    wki_parallel(k->device, pieces, 1, count_piece, &o);
    for (int64_t p = 0; p < pieces; p++) {
        const int64_t more = o.from[p];
        o.from[p] = sum;
        sum += more;
    }
    wki_parallel(k->device, pieces, 1, write_piece, &o);
    return WK_OK;
}
