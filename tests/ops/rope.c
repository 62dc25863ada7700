/* Rotary positions. */
#include "tests/ops/fused.h"

struct rope_case {
    wk_rope_opts opts;
    int64_t      pairs, first; /* first position */
    bool         narrow;       /* positions i32 */
    bool         turned;       /* x comes as [T, heads, d], seen as [heads, T, d] */
};

static wk_tensor rope(wk_ctx *c, const wk_tensor *x, const void *opts)
{
    const struct rope_case *o = opts;
    const wk_tensor         in = o->turned ? wk_transpose(c, x[0], -2, -3) : x[0];
    const int64_t           n = wk_size(in, -2);
    float                   frequency[64];
    for (int64_t i = 0; i < o->pairs; i++) frequency[i] = (float)pow(10000, -(double)i / (double)o->pairs);
    const wk_tensor at =
        wk_arange(c, (double)o->first, (double)(o->first + n), 1, o->narrow ? WK_i32 : WK_i64);
    return wk_rope(c, in, at, wk_make(c, frequency, WK_f32, WK_SHAPE(o->pairs)), o->opts);
}

static const struct rope_case halves = {.pairs = 8},
                              far_away = {.pairs = 32, .first = 130000, .narrow = true},
                              pairs = {.opts = {.layout = WK_ROPE_INTERLEAVED}, .pairs = 8, .first = 5},
                              part = {.opts = {.dims = 12}, .pairs = 6, .first = 3},
                              part_pairs = {.opts = {.layout = WK_ROPE_INTERLEAVED, .dims = 4}, .pairs = 2},
                              back = {.opts = {.inverse = true, .attention_scale = 1.25},
                                      .pairs = 8,
                                      .first = 9},
                              heads_last = {.pairs = 8, .first = 2, .turned = true};

Test(rope, agrees_with_its_composition)
{
    const struct fused_case cases[] = {
        {"halves", rope, &halves, 1, {WK_SHAPE(3, 5, 16)}, 0},
        {"halves, rows alone", rope, &halves, 1, {WK_SHAPE(5, 16)}, 0},
        {"far away", rope, &far_away, 1, {WK_SHAPE(2, 3, 70, 64)}, 0},
        {"interleaved", rope, &pairs, 1, {WK_SHAPE(3, 5, 16)}, 0},
        {"part of the row", rope, &part, 1, {WK_SHAPE(2, 7, 20)}, 0},
        {"part of the row, interleaved", rope, &part_pairs, 1, {WK_SHAPE(2, 7, 10)}, 0},
        {"backwards, scaled", rope, &back, 1, {WK_SHAPE(2, 3, 16)}, 0},
        {"heads last", rope, &heads_last, 1, {WK_SHAPE(6, 3, 16)}, 0},
    };
    FUSED_RUN(cases);
}

/* One pair at one position, written out: the angle is the f32 product, its sine and cosine exact. */
Test(rope, turns_pairs_by_the_f32_angle)
{
    const int64_t positions[] = {0, 1, 77, 4095, 131071, 1000003};
    const float   x[4] = {0.6f, -0.8f, 1.5f, 0.25f}, frequency[2] = {1.0f, 0.0316227766f};
    for (int isa = 0; isa < FUSED_ISAS; isa++) {
        const char *name = "";
        wk_ctx     *c = fused_open(isa, &name);
        for (size_t i = 0; i < sizeof positions / sizeof *positions && wk_ctx_status(c) == WK_OK; i++)
            for (int layout = 0; layout < 2; layout++) {
                const wk_rope_opts o = {.layout = layout ? WK_ROPE_INTERLEAVED : WK_ROPE_HALVES};
                double            *y = fused_read(c, wk_rope(c, wk_make(c, x, WK_f32, WK_SHAPE(1, 4)),
                                                             wk_make(c, &positions[i], WK_i64, WK_SHAPE(1)),
                                                             wk_make(c, frequency, WK_f32, WK_SHAPE(2)), o));
                for (int p = 0; p < 2; p++) {
                    const int    a = layout ? 2 * p : p, b = layout ? 2 * p + 1 : p + 2;
                    const double angle = (double)((float)positions[i] * frequency[p]);
                    const double u = (double)x[a], v = (double)x[b];
                    cr_assert_float_eq(y[a], u * cos(angle) - v * sin(angle), 4e-7, "%s, position %lld", name,
                                       (long long)positions[i]);
                    cr_assert_float_eq(y[b], v * cos(angle) + u * sin(angle), 4e-7, "%s, position %lld", name,
                                       (long long)positions[i]);
                }
                free(y);
            }
        wk_ctx_free(c);
    }
}

Test(rope, bad_arguments)
{
    wk_ctx         *c = wk_ctx_new("cpu");
    const wk_tensor x = wk_zeros(c, WK_f32, WK_SHAPE(2, 3, 8)), at = wk_zeros(c, WK_i64, WK_SHAPE(3)),
                    f = wk_zeros(c, WK_f32, WK_SHAPE(4));
    const wk_rope_opts plain = {0}, odd = {.dims = 3};
    const struct {
        wk_tensor    x, at, f;
        wk_rope_opts o;
        wk_status    want;
    } bad[] = {
        {x, wk_zeros(c, WK_i64, WK_SHAPE(4)), f, plain, WK_ESHAPE},
        {x, wk_zeros(c, WK_f32, WK_SHAPE(3)), f, plain, WK_EDTYPE},
        {x, at, wk_zeros(c, WK_f32, WK_SHAPE(3)), plain, WK_ESHAPE},
        {x, at, wk_zeros(c, WK_f16, WK_SHAPE(4)), plain, WK_EDTYPE},
        {x, at, f, odd, WK_ESHAPE},
        {wk_zeros(c, WK_i32, WK_SHAPE(2, 3, 8)), at, f, plain, WK_EDTYPE},
        {wk_zeros(c, WK_f32, WK_SHAPE(8)), at, f, plain, WK_ESHAPE},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        cr_assert(wk_is_none(wk_rope(c, bad[i].x, bad[i].at, bad[i].f, bad[i].o)), "case %zu", i);
        cr_assert_eq(wk_ctx_status(c), bad[i].want, "case %zu: %s", i, wk_ctx_message(c));
        wk_ctx_clear(c);
    }
    wk_ctx_free(c);
}
