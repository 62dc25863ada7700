/* Cases of rope. */
#include "tests/ops/cases.h"

#include <math.h>

struct rope_case {
    wk_shape     shape;
    wk_rope_opts opts;
    int64_t      pairs, first; /* first position */
    bool         narrow;       /* positions i32 */
    enum layout  layout;
};

static wk_tensor rope(wk_ctx *c, const wk_tensor *x, const struct op_case *k)
{
    const struct rope_case *o = k->row;
    const int64_t           n = wk_size(x[0], -2);
    float                   frequency[64];
    for (int64_t i = 0; i < o->pairs; i++) frequency[i] = (float)pow(10000, -(double)i / (double)o->pairs);
    const wk_tensor at =
        wk_arange(c, (double)o->first, (double)(o->first + n), 1, o->narrow ? WK_i32 : WK_i64);
    return wk_rope(c, x[0], at, wk_make(c, frequency, WK_f32, WK_SHAPE(o->pairs)), o->opts);
}

void family_rope(case_fn visit, void *arg)
{
    static const struct rope_case rows[] = {
        {.shape = WK_SHAPE(3, 5, 16), .pairs = 8},
        {.shape = WK_SHAPE(5, 16), .pairs = 8, .first = 7},
        {.shape = WK_SHAPE(2, 3, 70, 64), .pairs = 32, .first = 130000, .narrow = true},
        {.shape = WK_SHAPE(3, 5, 16), .opts = {.layout = WK_ROPE_INTERLEAVED}, .pairs = 8, .first = 5},
        {.shape = WK_SHAPE(2, 7, 20), .opts = {.dims = 12}, .pairs = 6, .first = 3},
        {.shape = WK_SHAPE(2, 7, 10), .opts = {.layout = WK_ROPE_INTERLEAVED, .dims = 4}, .pairs = 2},
        {.shape = WK_SHAPE(2, 3, 16),
         .opts = {.inverse = true, .attention_scale = 1.25},
         .pairs = 8,
         .first = 9},
        {.shape = WK_SHAPE(3, 6, 16), .pairs = 8, .first = 2, .layout = TURNED},
        {.shape = WK_SHAPE(3, 6, 16), .pairs = 8, .layout = EXPANDED},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        visit_dtypes(
            visit, arg,
            &(struct op_case){.op = "rope",
                              .n_in = 1,
                              .in = {{.shape = rows[i].shape, .dtype = WK_f32, .layout = rows[i].layout}},
                              .run = rope,
                              .row = &rows[i],
                              .gradient = true,
                              .fused = true});
}
