/* Affine maps of which each row takes its own expert: rows are sorted by expert, so that each expert's weight
 * is read once, then every expert is an affine map of its rows. */
#include "cpu/affine.h"
#include "cpu/cpu.h"

#include <stdio.h>

/* An expert that has rows: a call of its own on them, in sorted order. */
struct expert {
    wk_call               call;
    wk_tensor             in[3];
    struct wk_tensor_info x, w, bias, y;
    struct affine         plan;
    int64_t               units, pieces; /* of forming x and of the products, before this expert */
};

/* What the call is made of. in: x, weights, bias, indices. */
struct experts {
    const wk_call         *k;
    int64_t                n_experts, rows, repeats, used; /* rows of x serve `repeats` results each */
    int64_t                x_step, x_bytes, y_bytes;       /* of a row */
    struct wk_storage_head x_head, y_head;
    int64_t               *first, *from; /* sorted rows of each expert; result of each sorted row */
    struct expert         *expert;
    char                  *x, *y, *shared, *own;
    size_t                 per_worker;
};

static size_t lines(size_t bytes)
{
    return (bytes + 63) / 64 * 64;
}
static int64_t row_step(wk_tensor x)
{
    for (int i = x->ndim - 2; i >= 0; i--)
        if (x->shape[i] != 1) return x->stride[i];
    return 0;
}

/* `rows` dense rows of x's dtype at a place in memory. */
static struct wk_tensor_info dense_rows(wk_tensor x, struct wk_storage_head *head, int64_t at, int64_t rows)
{
    struct wk_tensor_info t = {.storage = (wk_storage *)(void *)head, .ndim = 2, .dtype = x->dtype};
    const int64_t         n = wki_cols(x);
    for (int i = 2; i < WK_MAX_DIMS; i++) t.shape[i] = 1;
    t.shape[0] = rows;
    t.shape[1] = n;
    t.stride[0] = n;
    t.stride[1] = 1;
    t.offset = at;
    return t;
}

/* What is left of a stack of weights or biases for one expert. */
static struct wk_tensor_info one_of(wk_tensor all, int64_t expert)
{
    struct wk_tensor_info t = *all;
    if (all->ndim == 0) return t;
    t.offset += expert * all->stride[0] / wk_dtype_block(all->dtype) * wk_dtype_bytes(all->dtype);
    for (int i = 1; i < all->ndim; i++) {
        t.shape[i - 1] = all->shape[i];
        t.stride[i - 1] = all->stride[i];
    }
    t.shape[all->ndim - 1] = 1;
    t.ndim--;
    return t;
}

/* Fills in what an expert with rows first .. first + rows is called with. */
static void call_expert(const struct experts *o, struct expert *e, int64_t expert, int64_t first,
                        int64_t rows)
{
    e->x = dense_rows(o->k->in[0], (struct wk_storage_head *)(uintptr_t)&o->x_head, first * o->x_bytes, rows);
    e->y =
        dense_rows(o->k->out[0], (struct wk_storage_head *)(uintptr_t)&o->y_head, first * o->y_bytes, rows);
    e->w = one_of(o->k->in[1], expert);
    e->bias = one_of(o->k->in[2], expert);
    e->in[0] = &e->x;
    e->in[1] = &e->w;
    e->in[2] = wk_is_none(o->k->in[2]) ? o->k->in[2] : &e->bias;
    e->call = *o->k;
    e->call.in = e->in;
    e->call.n_in = 3;
    e->call.n_out = 1;
    e->call.out[0] = &e->y;
}

/* Bytes of scratch; the parts of it are placed where they are wanted. */
static size_t place(const wk_call *k, struct experts *o)
{
    const wk_tensor x = k->in[0], y = k->out[0];
    *o = (struct experts){.k = k,
                          .n_experts = k->in[1]->shape[0],
                          .rows = wk_count(k->in[3]),
                          .repeats = k->attr.i[0],
                          .x_step = row_step(x),
                          .x_bytes = wki_cols(x) * wk_dtype_bytes(x->dtype),
                          .y_bytes = wki_cols(y) * wk_dtype_bytes(y->dtype)};
    const int64_t most = o->n_experts < o->rows ? o->n_experts : o->rows;
    struct expert one;
    size_t        shared, at = 0;
    call_expert(o, &one, 0, 0, o->rows);
    CPU(affine_bounds)(&one.call, o->rows, most, &shared, &o->per_worker);
    char *base = k->scratch;
#define TAKE(member, type, bytes)                                                                            \
    o->member = (type *)(void *)(base + at);                                                                 \
    at += lines((size_t)(bytes))
    if (!base) base = (char *)(uintptr_t)64; /* only sizes are asked for */
    TAKE(first, int64_t, (o->n_experts + 1) * (int64_t)sizeof(int64_t));
    TAKE(from, int64_t, o->rows * (int64_t)sizeof(int64_t));
    TAKE(expert, struct expert, most * (int64_t)sizeof(struct expert));
    TAKE(x, char, o->rows * o->x_bytes);
    TAKE(y, char, o->rows * o->y_bytes);
    TAKE(shared, char, shared);
    TAKE(own, char, 0);
#undef TAKE
    o->x_head.data = o->x;
    o->y_head.data = o->y;
    return at + o->per_worker * (size_t)wki_workers(k->device);
}

size_t CPU(affine_experts_scratch)(const wk_call *k)
{
    struct experts o;
    return place(k, &o);
}

/* ---- the steps ------------------------------------------------------------------------------- */

/* Which rows each expert has, in their own order. */
static wk_status sort_rows(struct experts *o)
{
    const int64_t *id = (const int64_t *)(const void *)address(o->k->in[3], 0);
    memset(o->first, 0, (size_t)(o->n_experts + 1) * sizeof *o->first);
    for (int64_t i = 0; i < o->rows; i++) {
        if (id[i] < 0 || id[i] >= o->n_experts) {
            snprintf(o->k->message, WKI_CALL_MESSAGE, "expert %lld at position %lld is outside of size %lld",
                     (long long)id[i], (long long)i, (long long)o->n_experts);
            return WK_EINDEX;
        }
        o->first[id[i] + 1]++;
    }
    for (int64_t e = 0; e < o->n_experts; e++) o->first[e + 1] += o->first[e];
    for (int64_t i = 0; i < o->rows; i++) o->from[o->first[id[i]]++] = i;
    for (int64_t e = o->n_experts; e > 0; e--) o->first[e] = o->first[e - 1];
    o->first[0] = 0;
    return WK_OK;
}

static void gather(void *arg, int64_t first, int64_t last, int worker)
{
    const struct experts *o = arg;
    (void)worker;
    for (int64_t i = first; i < last; i++)
        memcpy(o->x + i * o->x_bytes, address(o->k->in[0], o->from[i] / o->repeats * o->x_step),
               (size_t)o->x_bytes);
}
static void scatter(void *arg, int64_t first, int64_t last, int worker)
{
    const struct experts *o = arg;
    (void)worker;
    for (int64_t i = first; i < last; i++)
        memcpy((char *)wki_data(o->k->out[0]) + o->from[i] * o->y_bytes, o->y + i * o->y_bytes,
               (size_t)o->y_bytes);
}

/* Plans of all experts that have rows; how many units and pieces there are. */
static void plan(struct experts *o, int64_t *units, int64_t *pieces, int64_t *unit_rows)
{
    char *shared = o->shared;
    *units = *pieces = 0;
    *unit_rows = 1;
    for (int64_t e = 0; e < o->n_experts; e++) {
        const int64_t  rows = o->first[e + 1] - o->first[e];
        struct expert *x = &o->expert[o->used];
        int64_t        together;
        if (rows == 0) continue;
        call_expert(o, x, e, o->first[e], rows);
        x->call.scratch = shared;
        x->plan = CPU(affine_plan)(&x->call);
        x->units = *units;
        x->pieces = *pieces;
        *units += CPU(affine_units)(&x->plan, 0, &together);
        *pieces += CPU(affine_pieces)(&x->plan);
        if (together > *unit_rows) *unit_rows = together;
        shared += lines(x->plan.shared);
        o->used++;
    }
}

static void form(void *arg, int64_t first, int64_t last, int worker)
{
    const struct experts *o = arg;
    int64_t               e = 0;
    (void)worker;
    for (int64_t t = first; t < last; t++) {
        while (e + 1 < o->used && o->expert[e + 1].units <= t) e++;
        CPU(affine_form)(&o->expert[e].plan, 0, t - o->expert[e].units, t - o->expert[e].units + 1);
    }
}
static void multiply(void *arg, int64_t first, int64_t last, int worker)
{
    const struct experts *o = arg;
    int64_t               e = 0;
    for (int64_t t = first; t < last; t++) {
        while (e + 1 < o->used && o->expert[e + 1].pieces <= t) e++;
        CPU(affine_piece)
        (&o->expert[e].plan, t - o->expert[e].pieces, o->own + (size_t)worker * o->per_worker);
    }
}

wk_status CPU(affine_experts)(const wk_call *k)
{
    struct experts o;
    int64_t        units, pieces, unit_rows;
    if (wk_count(k->out[0]) == 0) return WK_OK;
    place(k, &o);
    WK_TRY(sort_rows(&o));
    plan(&o, &units, &pieces, &unit_rows);
    const int64_t columns = wki_cols(k->in[0]) + 1, wide = wki_cols(k->out[0]);
    wki_parallel(k->device, o.rows, 65536 / columns + 1, gather, &o);
    wki_parallel(k->device, units, 16384 / (columns * unit_rows) + 1, form, &o);
    wki_parallel(k->device, pieces, 1, multiply, &o);
    wki_parallel(k->device, o.rows, 65536 / wide + 1, scatter, &o);
    return WK_OK;
}
