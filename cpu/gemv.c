/* Affine maps: x w^T + bias with weights of every real and block dtype. */
#include "cpu/matmul.h"

struct job {
    const wk_call   *k;
    int              n_w;
    struct gemm_plan plan[WK_MAX_OUT];
    int64_t          tiles[WK_MAX_OUT];
    size_t           bytes;
};

/* Elements between rows of x, which the front end made even. */
static int64_t row_step(wk_tensor x)
{
    for (int i = x->ndim - 2; i >= 0; i--)
        if (x->shape[i] != 1) return x->stride[i];
    return 0;
}

static struct job describe(const wk_call *k)
{
    struct job j = {.k = k, .n_w = k->n_out ? k->n_out : 1};
    for (int i = 0; i < j.n_w; i++) {
        const wk_tensor w = k->in[1 + i];
        j.plan[i] = CPU(gemm_plan)(k->cls, wki_rows(k->in[0]), w->shape[0], w->shape[1]);
        j.tiles[i] = CPU(gemm_tiles)(&j.plan[i]);
        const size_t bytes = CPU(gemm_scratch)(&j.plan[i]);
        if (bytes > j.bytes) j.bytes = bytes;
    }
    return j;
}

size_t CPU(affine_scratch)(const wk_call *k)
{
    return describe(k).bytes * (size_t)wki_workers(k->device);
}

static void piece(void *arg, int64_t first, int64_t last, int worker)
{
    const struct job *j = arg;
    const wk_tensor   x = j->k->in[0];
    void             *scratch = (char *)j->k->scratch + (size_t)worker * j->bytes;
    for (int64_t t = first; t < last; t++) {
        int     i = 0;
        int64_t at = t;
        while (at >= j->tiles[i]) at -= j->tiles[i++];
        const wk_tensor      w = j->k->in[1 + i];
        const struct operand a = {x, 0, row_step(x), 1};
        const struct operand b = {w, 0, w->stride[0], 1};
        const struct result  r = {j->k->out[i], j->k->in[1 + j->n_w + i], 0};
        CPU(gemm_tile)(&j->plan[i], &a, &b, at, &r, scratch);
    }
}

wk_status CPU(affine)(const wk_call *k)
{
    struct job j = describe(k);
    int64_t    total = 0;
    for (int i = 0; i < j.n_w; i++) total += j.tiles[i];
    wki_parallel(k->device, total, 1, piece, &j);
    return WK_OK;
}
