/* Convolutions, pooling and resizing as layers, against PyTorch's. */
#include "reference.h"

static void run(struct reference *r, const char *name, int dims, wk_conv_load_opts o)
{
    reference_case(r, name);
    struct wk_conv l = wk_conv_load(r->p, "", dims, o);
    reference_bind(r, &l, sizeof l);
    reference_track(r);
    const wk_tensor y = wk_conv(r->c, &l, r->x[0]);
    reference_check(r, 1, &y);
}

/* Entries of kernel, stride and dilation that are left out are as the first. */
Test(convolution, every_dim)
{
    static const char *const names[3][3] = {{"conv1", "conv2", "conv3"},
                                            {"same1", "same2", "same3"},
                                            {"transposed1", "transposed2", "transposed3"}};
    struct reference         r;
    reference_open(&r, "conv");
    for (int d = 1; d <= 3; d++) {
        run(&r, names[0][d - 1], d,
            (wk_conv_load_opts){.in = 4,
                                .out = 6,
                                .kernel = {3},
                                .conv = {.stride = {2}, .padding = {1, 1, 1}, .groups = 2}});
        run(&r, names[1][d - 1], d,
            (wk_conv_load_opts){
                .in = 4, .out = 2, .kernel = {2}, .no_bias = true, .conv = {.dilation = {2}, .same = true}});
        run(&r, names[2][d - 1], d,
            (wk_conv_load_opts){
                .in = 4,
                .out = 2,
                .kernel = {3},
                .transposed = true,
                .conv = {.stride = {2}, .padding = {1, 1, 1}, .output_padding = {1, 1, 1}, .groups = 2}});
    }
    reference_close(&r);
}

Test(convolution, edges)
{
    static const struct {
        const char     *name, *same;
        wk_conv_padding padding;
    } modes[] = {{"reflect", "reflect_same", WK_CONV_REFLECT},
                 {"replicate", "replicate_same", WK_CONV_REPLICATE},
                 {"circular", "circular_same", WK_CONV_CIRCULAR}};
    struct reference r;
    reference_open(&r, "conv");
    for (int i = 0; i < 3; i++) {
        run(&r, modes[i].name, 2,
            (wk_conv_load_opts){.in = 4,
                                .out = 3,
                                .kernel = {3, 2},
                                .conv = {.padding = {2, 1}},
                                .padding = modes[i].padding});
        run(&r, modes[i].same, 1,
            (wk_conv_load_opts){
                .in = 4, .out = 3, .kernel = {4}, .conv = {.same = true}, .padding = modes[i].padding});
    }
    run(&r, "single", 2, (wk_conv_load_opts){.in = 2, .out = 3, .kernel = {3, 3}});
    reference_case(&r, "to");
    struct wk_conv l = wk_conv_load(
        r.p, "", 1,
        (wk_conv_load_opts){
            .in = 2, .out = 3, .kernel = {3}, .transposed = true, .conv = {.stride = {3}, .padding = {1}}});
    reference_bind(&r, &l, sizeof l);
    reference_track(&r);
    const wk_tensor y = wk_conv_to(r.c, &l, r.x[0], WK_SHAPE(12));
    reference_check(&r, 1, &y);
    cr_assert(wk_is_none(wk_conv_to(r.c, &l, r.x[0], WK_SHAPE(13))));
    cr_assert_str_eq(wk_ctx_message(r.c), "conv_to: size 13 of dim 0, possible are 10 to 12");
    wk_ctx_clear(r.c);
    reference_close(&r);
}

Test(convolution, pooling_and_resizing_call_the_ops)
{
    wk_ctx            *c = wk_ctx_new("cpu");
    const wk_pool_opts o = {.kernel = {2, 2, 2}};
    const wk_shape     half = WK_SHAPE(3, 3, 3);
    wk_tensor          x = wk_normal(c, 0, 1, WK_f32, WK_SHAPE(2, 3, 6, 6, 6));
    for (int k = 0; k < 5; k++) {
        const struct wk_pool l = {.kind = (wk_pool_kind)k, .dims = 3, .opts = o, .size = half, .power = 2};
        const wk_tensor      wanted = k == WK_POOL_MAX            ? wk_max_pool3d(c, x, o, NULL)
                                      : k == WK_POOL_AVG          ? wk_avg_pool3d(c, x, o)
                                      : k == WK_POOL_LP           ? wk_lp_pool3d(c, x, 2, o)
                                      : k == WK_POOL_ADAPTIVE_MAX ? wk_adaptive_max_pool3d(c, x, half, NULL)
                                                                  : wk_adaptive_avg_pool3d(c, x, half);
        cr_assert(wk_equal(c, wk_pool(c, &l, x), wanted), "kind %d: %s", k, wk_ctx_message(c));
    }
    const struct wk_upsample up = {{.mode = WK_RESIZE_NEAREST, .scale = {2}}};
    cr_assert_eq(wk_size(wk_upsample(c, &up, x), 2), 12);
    cr_assert(wk_is_none(wk_pool(c, &(struct wk_pool){.dims = 4}, x)));
    cr_assert_eq(wk_ctx_status(c), WK_EARG);
    wk_ctx_free(c);
}

/* In training and in eval mode, which differ in nothing. */
static void run_pool(struct reference *r, const char *name, struct wk_pool l)
{
    char full[40];
    snprintf(full, sizeof full, "%s%d", name, l.dims);
    reference_case(r, full);
    reference_track(r);
    const wk_tensor y = wk_pool(r->c, &l, r->x[0]);
    reference_check(r, 1, &y);
    reference_eval(r);
    reference_same(r, "eval", wk_pool(r->c, &l, r->x[0]), reference_get(r, "e0"));
    wk_no_grad(r->c, false);
}

Test(convolution, pooling)
{
    static const wk_pool_opts padded = {.kernel = {3, 3, 3}, .stride = {2, 2, 2}, .padding = {1, 1, 1}};
    struct reference          r;
    reference_open(&r, "pooling");
    for (int d = 1; d <= 3; d++) {
        const wk_shape three = {d, {3, 3, 3}};
        wk_pool_opts   up = padded, inside = padded;
        up.ceil = inside.ceil = inside.exclude_pad = true;
        run_pool(&r, "max", (struct wk_pool){.kind = WK_POOL_MAX, .dims = d, .opts = up});
        run_pool(&r, "max_dilated",
                 (struct wk_pool){.kind = WK_POOL_MAX,
                                  .dims = d,
                                  .opts = {.kernel = {2, 2, 2}, .stride = {1, 1, 1}, .dilation = {2, 2, 2}}});
        run_pool(&r, "avg", (struct wk_pool){.kind = WK_POOL_AVG, .dims = d, .opts = padded});
        run_pool(&r, "avg_inside", (struct wk_pool){.kind = WK_POOL_AVG, .dims = d, .opts = inside});
        run_pool(&r, "lp",
                 (struct wk_pool){.kind = WK_POOL_LP,
                                  .dims = d,
                                  .opts = {.kernel = {3, 3, 3}, .stride = {1, 1, 1}},
                                  .power = 2});
        run_pool(&r, "adaptive_max",
                 (struct wk_pool){.kind = WK_POOL_ADAPTIVE_MAX, .dims = d, .size = three});
        run_pool(&r, "adaptive_avg",
                 (struct wk_pool){.kind = WK_POOL_ADAPTIVE_AVG, .dims = d, .size = three});
    }
    reference_close(&r);
}

static void run_upsample(struct reference *r, const char *name, struct wk_upsample l)
{
    reference_case(r, name);
    reference_track(r);
    const wk_tensor y = wk_upsample(r->c, &l, r->x[0]);
    reference_check(r, 1, &y);
}

Test(convolution, upsampling)
{
    static const char *const names[][3] = {{"nearest1", "nearest2", "nearest3"},
                                           {"nearest-exact1", "nearest-exact2", "nearest-exact3"},
                                           {"area1", "area2", "area3"},
                                           {"linear1", "linear2", "linear3"},
                                           {"linear1_corners", "linear2_corners", "linear3_corners"}};
    static const wk_shape    sizes[] = {{1, {11}}, {2, {9, 8}}, {3, {7, 8, 6}}};
    struct reference         r;
    reference_open(&r, "pooling");
    for (int d = 0; d < 3; d++) {
        run_upsample(&r, names[0][d], (struct wk_upsample){{.mode = WK_RESIZE_NEAREST, .scale = {2}}});
        run_upsample(&r, names[1][d], (struct wk_upsample){{.mode = WK_RESIZE_NEAREST_EXACT, .scale = {2}}});
        run_upsample(&r, names[2][d], (struct wk_upsample){{.mode = WK_RESIZE_AREA, .scale = {2}}});
        run_upsample(&r, names[3][d], (struct wk_upsample){{.mode = WK_RESIZE_LINEAR, .size = sizes[d]}});
        run_upsample(
            &r, names[4][d],
            (struct wk_upsample){{.mode = WK_RESIZE_LINEAR, .size = sizes[d], .align_corners = true}});
    }
    run_upsample(&r, "cubic", (struct wk_upsample){{.mode = WK_RESIZE_CUBIC, .scale = {1.5}}});
    reference_close(&r);
}

Test(convolution, fresh_weights_are_pytorchs)
{
    wk_ctx        *c = wk_ctx_new("cpu");
    wk_params      p = wk_params_new(c, WK_f32, NULL);
    struct wk_conv l = wk_conv_load(p, "a", 2, (wk_conv_load_opts){.in = 16, .out = 64, .kernel = {3, 3}});
    const double   bound = 1 / sqrt(16.0 * 9),
                 most = wk_item(c, wk_amax(c, wk_abs(c, l.weight), WK_ALL_DIMS, false));
    cr_assert(most <= bound && most > 0.99 * bound, "%g of %g", most, bound);
    cr_assert(wk_item(c, wk_amax(c, wk_abs(c, l.bias), WK_ALL_DIMS, false)) <= bound);
    wk_conv_load(p, "a", 2, (wk_conv_load_opts){.in = 3, .out = 64, .kernel = {3, 3}, .conv = {.groups = 2}});
    cr_assert_eq(wk_ctx_status(c), WK_EARG);
    wk_ctx_free(c);
}

Test(pooling, fractional)
{
    static const struct {
        const char        *name;
        int                dims;
        wk_fractional_opts o;
    } cases[] = {{"fractional_size2", 2, {.kernel = {2, 3}, .size = {4, 5}}},
                 {"fractional_ratio2", 2, {.kernel = {2, 2}, .ratio = {0.5, 0.7}}},
                 {"fractional_size3", 3, {.kernel = {2, 3, 2}, .size = {3, 1, 4}}},
                 {"fractional_ratio3", 3, {.kernel = {2, 2, 2}, .ratio = {0.6, 0.5, 0.4}}}};
    struct reference r;
    reference_open(&r, "pooling");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        wk_fractional_opts o = cases[i].o;
        wk_tensor          at;
        reference_case(&r, cases[i].name);
        o.samples = reference_get(&r, "samples");
        reference_track(&r);
        const wk_tensor y = cases[i].dims == 2 ? wk_fractional_max_pool2d(r.c, r.x[0], o, &at)
                                               : wk_fractional_max_pool3d(r.c, r.x[0], o, &at);
        reference_check(&r, 1, &y);
        cr_assert_eq(at->dtype, WK_i64);
        reference_same(&r, "indices", at, reference_get(&r, "indices"));
    }
    reference_close(&r);
}

/* Whatever is drawn, each value is the one at its place, windows lie in order, and the last ends with x. */
Test(pooling, fractional_by_chance)
{
    enum { PLANES = 6, IN = 40, OUT = 12 };
    wk_ctx   *c = wk_ctx_new("cpu");
    float     y[PLANES * OUT], x[PLANES * IN];
    int64_t   at[PLANES * OUT];
    bool      differ = false;
    wk_tensor indices;
    for (int i = 0; i < PLANES * IN; i++) x[i] = (float)(i % IN); /* the largest is a window's last */
    wk_seed(c, 5);
    const wk_tensor t = wk_make(c, x, WK_f32, WK_SHAPE(2, 3, 1, IN));
    const wk_tensor z =
        wk_fractional_max_pool2d(c, t, (wk_fractional_opts){.kernel = {1, 4}, .size = {1, OUT}}, &indices);
    wk_read(c, z, y);
    wk_read(c, indices, at);
    cr_assert_eq(wk_ctx_status(c), WK_OK, "%s", wk_ctx_message(c));
    for (int i = 0; i < PLANES * OUT; i++) {
        const int64_t place = at[i], window = i % OUT;
        cr_assert((float)place == y[i], "value %d: %g of place %lld", i, (double)y[i], (long long)place);
        const int64_t step = window ? place - at[i - 1] : 3;
        cr_assert(window || place == 3, "plane %d begins at %lld", i / OUT, (long long)place - 3);
        cr_assert(step >= 3 && step <= 4, "window %d: a step of %lld", i, (long long)step);
        cr_assert(window != OUT - 1 || place == IN - 1);
        differ |= i >= OUT && at[i] != at[i % OUT];
    }
    cr_assert(differ, "all planes have the same windows");
    wk_ctx_free(c);
}

#define FRACTIONAL_REFUSED(x, text, ...)                                                                     \
    cr_assert(wk_is_none(wk_fractional_max_pool2d(c, x, (wk_fractional_opts){__VA_ARGS__}, NULL)));          \
    cr_assert(strstr(wk_ctx_message(c), text), "%s", wk_ctx_message(c));                                     \
    wk_ctx_clear(c)

Test(pooling, fractional_errors)
{
    wk_ctx         *c = wk_ctx_new("cpu");
    const wk_tensor x = wk_zeros(c, WK_f32, WK_SHAPE(2, 6, 5));
    FRACTIONAL_REFUSED(x, "kernel 3, size 4, ratio 0 on 5 places; at most 3 windows", .kernel = {2, 3},
                       .size = {4, 4});
    FRACTIONAL_REFUSED(x, "kernel 7", .kernel = {7, 3}, .size = {1, 1});
    FRACTIONAL_REFUSED(x, "size 0, ratio 1.5", .kernel = {2, 2}, .ratio = {1.5, 0.5});
    FRACTIONAL_REFUSED(x, "samples are f32 [2, 6, 5], real [1, 2, 2]", .kernel = {2, 2}, .size = {2, 2},
                       .samples = x);
    FRACTIONAL_REFUSED(wk_cast(c, x, WK_i32), "x is i32", .kernel = {2, 2}, .size = {2, 2});
    FRACTIONAL_REFUSED(wk_select(c, x, 0, 0), "x is [6, 5]; 3 or 4 dims", .kernel = {2, 2}, .size = {2, 2});
    wk_ctx_free(c);
}
