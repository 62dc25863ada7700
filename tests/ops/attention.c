/* Cases of attention and of writes into the key-value cache. */
#include "tests/ops/cases.h"

struct attend_case {
    const char *note;
    wk_shape    q, k, v;
    bool        causal;
    int         window, mask; /* mask: 1 bool, 2 real, 3 real and learnt (input 3), 4 lengths of a batch */
    double      softcap;
    bool        turned; /* inputs [T, H, d] in memory */
    int         start;  /* plus 1: the place of the first query; 0: the last places; EACH: of three entries */
    wk_dtype    cache;  /* of keys and values, where it is not theirs */
    bool        sinks;  /* learnt ones (input 3) */
};

enum { EACH = -1 };

/* Where queries begin: one place, or the last, a third of it and 0. */
static wk_tensor start_of(wk_ctx *c, int start, int64_t last)
{
    if (start == 0) return WK_NONE;
    if (start == EACH) return wk_make(c, (const int64_t[]){last, last / 3, 0}, WK_i64, WK_SHAPE(3));
    return wk_full(c, start - 1, WK_i64, WK_SHAPE(1));
}

static wk_tensor attend(wk_ctx *c, const wk_tensor *x, const struct op_case *given)
{
    const struct attend_case *k = given->row;
    wk_tensor                 in[3], mask = k->mask == 3 ? x[3] : WK_NONE;
    for (int i = 0; i < 3; i++) in[i] = k->turned ? wk_transpose(c, x[i], -2, -3) : x[i];
    if (k->mask == 1 || k->mask == 2) {
        const int64_t t = wk_size(in[0], -2), s = wk_size(in[1], -2);
        mask = wk_reshape(c, wk_cos(c, wk_arange(c, 0, (double)(t * s), 1, WK_f32)), WK_SHAPE(t, s));
        if (k->mask == 1) mask = wk_gt(c, mask, wk_scalar(c, 0));
    }
    if (k->mask == 4) { /* all, a third, one */
        const int64_t   s = wk_size(in[1], -2);
        const wk_tensor n = wk_make(c, (const int64_t[]){s, s / 3, 1}, WK_i64, WK_SHAPE(3, 1, 1, 1));
        mask = wk_lt(c, wk_arange(c, 0, (double)s, 1, WK_i64), n);
    }
    for (int i = 1; i < 3 && k->cache; i++) in[i] = wk_cast(c, in[i], k->cache);
    const wk_attend_opts o = {.causal = k->causal,
                              .window = k->window,
                              .softcap = k->softcap,
                              .mask = mask,
                              .sinks = k->sinks ? x[3] : WK_NONE,
                              .start = start_of(c, k->start, wk_size(in[1], -2) - wk_size(in[0], -2))};
    return wk_attend(c, in[0], in[1], in[2], o);
}

/* The cache after a write from position 2 on. */
static wk_tensor write(wk_ctx *c, const wk_tensor *x, const struct op_case *k)
{
    const wk_tensor cache = wk_clone(c, x[0]);
    (void)k;
    wk_cache_write(c, cache, x[1], wk_full(c, 2, WK_i64, WK_SHAPE(1)));
    return cache;
}
static void exact_write(const struct op_case *k, const struct values *x, struct values *y)
{
    const int64_t capacity = k->in[0].shape.dim[1], n = k->in[1].shape.dim[1], d = k->in[0].shape.dim[2];
    for (int64_t i = 0; i < y->n; i++) {
        const int64_t h = i / (capacity * d), t = i / d % capacity - 2;
        y->v[i] = t >= 0 && t < n ? x[1].v[(h * n + t) * d + i % d] : x[0].v[i];
    }
}

/* Caches of three sequences with 4, 1 and 0 positions, of dtype `row` where it has one. */
static const wk_dtype blocks = WK_q8_0;
static const int64_t  taken[] = {4, 1, 0};

static wk_tensor write_each(wk_ctx *c, const wk_tensor *x, const struct op_case *k)
{
    const wk_dtype *t = k->row;
    const wk_tensor cache = t ? wk_cast(c, x[0], *t) : wk_clone(c, x[0]);
    wk_cache_write(c, cache, x[1], wk_make(c, taken, WK_i64, WK_SHAPE(3)));
    return wk_cast(c, cache, x[0]->dtype);
}
static void exact_write_each(const struct op_case *k, const struct values *x, struct values *y)
{
    const int64_t *cache = k->in[0].shape.dim, n = k->in[1].shape.dim[2], d = cache[3];
    for (int64_t i = 0; i < y->n; i++) {
        const int64_t h = i / (cache[2] * d), t = i / d % cache[2] - taken[h / cache[1]];
        y->v[i] = t >= 0 && t < n ? x[1].v[(h * n + t) * d + i % d] : x[0].v[i];
    }
}

/* Of a learnt mask, or of sinks. */
static wk_shape fourth(const struct attend_case *k)
{
    return k->sinks ? WK_SHAPE(k->q.dim[k->q.ndim - (k->turned ? 2 : 3)]) : WK_SHAPE(2, 1, 5);
}

void family_attention(case_fn visit, void *arg)
{
    static const struct attend_case rows[] = {
        {.note = "plain", .q = WK_SHAPE(2, 5, 8), .k = WK_SHAPE(2, 7, 8), .v = WK_SHAPE(2, 7, 6)},
        {.note = "causal",
         .causal = true,
         .q = WK_SHAPE(6, 20, 16),
         .k = WK_SHAPE(2, 20, 16),
         .v = WK_SHAPE(2, 20, 16)},
        {.note = "decoding",
         .causal = true,
         .q = WK_SHAPE(9, 1, 64),
         .k = WK_SHAPE(3, 300, 64),
         .v = WK_SHAPE(3, 300, 64)},
        {.note = "batch",
         .causal = true,
         .q = WK_SHAPE(2, 3, 4, 5, 8),
         .k = WK_SHAPE(2, 3, 2, 5, 8),
         .v = WK_SHAPE(2, 3, 2, 5, 8)},
        {.note = "many blocks",
         .causal = true,
         .q = WK_SHAPE(2, 150, 20),
         .k = WK_SHAPE(1, 170, 20),
         .v = WK_SHAPE(1, 170, 20)},
        {.note = "window",
         .causal = true,
         .window = 9,
         .q = WK_SHAPE(2, 80, 8),
         .k = WK_SHAPE(2, 90, 8),
         .v = WK_SHAPE(2, 90, 8)},
        {.note = "soft cap",
         .causal = true,
         .softcap = 2,
         .q = WK_SHAPE(2, 20, 16),
         .k = WK_SHAPE(2, 20, 16),
         .v = WK_SHAPE(2, 20, 16)},
        {.note = "bool mask",
         .mask = 1,
         .q = WK_SHAPE(2, 10, 16),
         .k = WK_SHAPE(2, 20, 16),
         .v = WK_SHAPE(2, 20, 16)},
        {.note = "real mask",
         .mask = 2,
         .q = WK_SHAPE(2, 10, 16),
         .k = WK_SHAPE(2, 20, 16),
         .v = WK_SHAPE(2, 20, 16)},
        {.note = "learnt mask",
         .causal = true,
         .mask = 3,
         .q = WK_SHAPE(2, 5, 8),
         .k = WK_SHAPE(1, 5, 8),
         .v = WK_SHAPE(1, 5, 8)},
        {.note = "nothing seen",
         .causal = true,
         .q = WK_SHAPE(1, 6, 8),
         .k = WK_SHAPE(1, 3, 8),
         .v = WK_SHAPE(1, 3, 8)},
        {.note = "heads last",
         .causal = true,
         .turned = true,
         .q = WK_SHAPE(10, 4, 8),
         .k = WK_SHAPE(10, 2, 8),
         .v = WK_SHAPE(10, 2, 8)},
        {.note = "tiles of 32 columns",
         .causal = true,
         .q = WK_SHAPE(6, 70, 32),
         .k = WK_SHAPE(2, 130, 32),
         .v = WK_SHAPE(2, 130, 24)},
        {.note = "tiles of 64 columns",
         .causal = true,
         .softcap = 3,
         .q = WK_SHAPE(2, 1, 133, 64),
         .k = WK_SHAPE(2, 1, 133, 64),
         .v = WK_SHAPE(2, 1, 133, 64)},
        {.note = "tiles of 96 columns",
         .mask = 2,
         .q = WK_SHAPE(2, 20, 80),
         .k = WK_SHAPE(1, 70, 80),
         .v = WK_SHAPE(1, 70, 80)},
        {.note = "tiles of 128 columns",
         .causal = true,
         .window = 40,
         .turned = true,
         .q = WK_SHAPE(100, 2, 128),
         .k = WK_SHAPE(100, 1, 128),
         .v = WK_SHAPE(100, 1, 112)},
        {.note = "tiles of 256 columns",
         .causal = true,
         .q = WK_SHAPE(1, 40, 256),
         .k = WK_SHAPE(1, 40, 256),
         .v = WK_SHAPE(1, 40, 200)},
        {.note = "a cache that is not full",
         .causal = true,
         .start = 21,
         .q = WK_SHAPE(4, 30, 16),
         .k = WK_SHAPE(2, 90, 16),
         .v = WK_SHAPE(2, 90, 16)},
        {.note = "decoding from a cache that is not full",
         .causal = true,
         .start = 411,
         .window = 350,
         .q = WK_SHAPE(8, 2, 32),
         .k = WK_SHAPE(2, 1100, 32),
         .v = WK_SHAPE(2, 1100, 40)},
        {.note = "decoding, soft cap and mask",
         .softcap = 2,
         .mask = 1,
         .q = WK_SHAPE(2, 3, 20),
         .k = WK_SHAPE(1, 140, 20),
         .v = WK_SHAPE(1, 140, 12)},
        {.note = "sequences of different lengths",
         .mask = 4,
         .q = WK_SHAPE(3, 2, 20, 64),
         .k = WK_SHAPE(3, 1, 37, 64),
         .v = WK_SHAPE(3, 1, 37, 64)},
        {.note = "decoding, sequences of different lengths",
         .mask = 4,
         .q = WK_SHAPE(3, 4, 1, 32),
         .k = WK_SHAPE(3, 2, 150, 32),
         .v = WK_SHAPE(3, 2, 150, 32)},
        {.note = "sequences that begin at places of their own",
         .causal = true,
         .start = EACH,
         .q = WK_SHAPE(3, 2, 20, 64),
         .k = WK_SHAPE(3, 1, 150, 64),
         .v = WK_SHAPE(3, 1, 150, 64)},
        {.note = "sequences that begin at places of their own, not causal, in a window",
         .window = 30,
         .start = EACH,
         .q = WK_SHAPE(3, 1, 5, 24),
         .k = WK_SHAPE(3, 1, 90, 24),
         .v = WK_SHAPE(3, 1, 90, 16)},
        {.note = "decoding, sequences at places of their own",
         .causal = true,
         .start = EACH,
         .q = WK_SHAPE(3, 4, 1, 32),
         .k = WK_SHAPE(3, 2, 1100, 32),
         .v = WK_SHAPE(3, 2, 1100, 32)},
        {.note = "q8_0 cache, sequences at places of their own",
         .causal = true,
         .start = EACH,
         .cache = WK_q8_0,
         .q = WK_SHAPE(3, 4, 2, 64),
         .k = WK_SHAPE(3, 2, 300, 64),
         .v = WK_SHAPE(3, 2, 300, 64)},
        {.note = "q8_0 cache, decoding",
         .causal = true,
         .cache = WK_q8_0,
         .q = WK_SHAPE(6, 1, 96),
         .k = WK_SHAPE(2, 300, 96),
         .v = WK_SHAPE(2, 300, 64)},
        {.note = "q4_0 cache, decoding",
         .causal = true,
         .cache = WK_q4_0,
         .q = WK_SHAPE(2, 1, 64),
         .k = WK_SHAPE(2, 300, 64),
         .v = WK_SHAPE(2, 300, 64)},
        {.note = "q8_0 cache",
         .causal = true,
         .cache = WK_q8_0,
         .q = WK_SHAPE(4, 20, 32),
         .k = WK_SHAPE(2, 50, 32),
         .v = WK_SHAPE(2, 50, 32)},
        {.note = "sinks",
         .causal = true,
         .softcap = 2,
         .turned = true,
         .sinks = true,
         .q = WK_SHAPE(20, 4, 16),
         .k = WK_SHAPE(20, 2, 16),
         .v = WK_SHAPE(20, 2, 12)},
        {.note = "sinks where nothing is seen",
         .causal = true,
         .sinks = true,
         .q = WK_SHAPE(2, 2, 6, 8),
         .k = WK_SHAPE(2, 1, 3, 8),
         .v = WK_SHAPE(2, 1, 3, 8)},
        {.note = "sinks, decoding from a q8_0 cache",
         .causal = true,
         .window = 300,
         .start = 411,
         .cache = WK_q8_0,
         .sinks = true,
         .q = WK_SHAPE(6, 1, 64),
         .k = WK_SHAPE(2, 500, 64),
         .v = WK_SHAPE(2, 500, 64)},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        visit_dtypes(visit, arg,
                     &(struct op_case){.op = "attend",
                                       .note = rows[i].note,
                                       .n_in = rows[i].mask == 3 || rows[i].sinks ? 4 : 3,
                                       .in = {{.shape = rows[i].q, .dtype = WK_f32},
                                              {.shape = rows[i].k, .dtype = WK_f32},
                                              {.shape = rows[i].v, .dtype = WK_f32},
                                              {.shape = fourth(&rows[i]), .dtype = WK_f32}},
                                       .run = attend,
                                       .row = &rows[i],
                                       .tolerance = rows[i].cache ? 2e-2 : 4e-6,
                                       .gradient = rows[i].cache == 0,
                                       .fused = true});
    visit_dtypes(visit, arg,
                 &(struct op_case){.op = "cache_write",
                                   .n_in = 2,
                                   .in = {{.shape = WK_SHAPE(3, 9, 8), .dtype = WK_f32},
                                          {.shape = WK_SHAPE(3, 4, 8), .dtype = WK_f32, .layout = TURNED}},
                                   .run = write,
                                   .exact = exact_write});
    struct op_case each = {.op = "cache_write",
                           .note = "sequences at places of their own",
                           .n_in = 2,
                           .in = {{.shape = WK_SHAPE(3, 2, 9, 32), .dtype = WK_f32},
                                  {.shape = WK_SHAPE(3, 2, 4, 32), .dtype = WK_f32, .layout = TURNED}},
                           .run = write_each,
                           .exact = exact_write_each};
    visit_dtypes(visit, arg, &each);
    each.note = "sequences at places of their own, q8_0";
    each.row = &blocks;
    each.tolerance = 2e-2;
    visit(arg, &each);
}
