/* Cases of the convolutions. */
#include "tests/ops/cases.h"

#include "core/ctx.h"

struct shape_case {
    const char  *note;
    wk_shape     x, w;
    wk_conv_opts o;
    bool         bias;
    enum layout  layout;
    bool         gradient;
};

static int dims_of(const struct shape_case *r)
{
    return r->w.ndim - 2;
}

static wk_tensor run_conv(wk_ctx *c, const wk_tensor *x, const struct op_case *k)
{
    const struct shape_case *r = k->row;
    const wk_tensor          bias = k->n_in > 2 ? x[2] : NULL;
    wk_tensor (*const fn[])(wk_ctx *, wk_tensor, wk_tensor, wk_tensor, wk_conv_opts) = {wk_conv1d, wk_conv2d,
                                                                                        wk_conv3d};
    return fn[dims_of(r) - 1](c, x[0], x[1], bias, r->o);
}
static wk_tensor run_transposed(wk_ctx *c, const wk_tensor *x, const struct op_case *k)
{
    const struct shape_case *r = k->row;
    const wk_tensor          bias = k->n_in > 2 ? x[2] : NULL;
    wk_tensor (*const fn[])(wk_ctx *, wk_tensor, wk_tensor, wk_tensor,
                            wk_conv_opts) = {wk_conv_transpose1d, wk_conv_transpose2d, wk_conv_transpose3d};
    return fn[dims_of(r) - 1](c, x[0], x[1], bias, r->o);
}

/* Sizes and options of a case on three dims. */
struct geometry {
    int64_t images, groups, c, o, in[3], ker[3], out[3], stride[3], pad[3], dil[3];
};

static struct geometry geometry_of(const struct shape_case *r, const wk_shape *x, const int64_t *out)
{
    const int       n = dims_of(r);
    struct geometry g = {.groups = r->o.groups ? r->o.groups : 1};
    const int       batch = x->ndim == n + 2;
    g.images = batch ? x->dim[0] : 1;
    for (int i = 0; i < 3; i++) {
        const int j = i - (3 - n);
        g.in[i] = j < 0 ? 1 : x->dim[batch + 1 + j];
        g.ker[i] = j < 0 ? 1 : r->w.dim[2 + j];
        g.out[i] = j < 0 ? 1 : out[batch + 1 + j];
        g.stride[i] = j < 0 || !r->o.stride[j] ? 1 : r->o.stride[j];
        g.dil[i] = j < 0 || !r->o.dilation[j] ? 1 : r->o.dilation[j];
        g.pad[i] = j < 0 ? 0 : r->o.same ? g.dil[i] * (g.ker[i] - 1) / 2 : r->o.padding[j];
    }
    return g;
}

/* Values of x, weight and result that meet: n neighbours of the result from y, of x from x by step. */
struct line {
    int64_t x, step, w, y, n;
};
typedef void (*meeting)(void *arg, const struct line *l);

/* Calls visit for all there are; indices are dense. */
static void meet(const struct geometry *g, int64_t channels, int64_t results, meeting visit, void *arg)
{
    const int64_t c = channels / g->groups, o = results / g->groups, *ker = g->ker, *in = g->in;
    const int64_t taps = ker[0] * ker[1] * ker[2];
    for (int64_t i = 0; i < g->images * results * c * taps; i++) {
        const int64_t t = i % taps, of = i / taps % c, row = i / taps / c % results;
        const int64_t image = i / taps / c / results, channel = image * channels + row / o * c + of;
        const int64_t k[3] = {t / ker[2] / ker[1], t / ker[2] % ker[1], t % ker[2]};
        int64_t       first[3], low[3], high[3]; /* of x at place 0; the places that lie inside */
        for (int d = 0; d < 3; d++) {
            first[d] = k[d] * g->dil[d] - g->pad[d];
            for (low[d] = 0; low[d] < g->out[d] && first[d] + low[d] * g->stride[d] < 0;) low[d]++;
            for (high[d] = g->out[d]; high[d] > low[d];) {
                if (first[d] + (high[d] - 1) * g->stride[d] < in[d]) break;
                high[d]--;
            }
        }
        for (int64_t p = low[0]; p < high[0]; p++)
            for (int64_t q = low[1]; q < high[1]; q++) {
                const int64_t plane = channel * in[0] + first[0] + p * g->stride[0];
                const int64_t x = plane * in[1] + first[1] + q * g->stride[1];
                const int64_t y = ((image * results + row) * g->out[0] + p) * g->out[1] + q;
                visit(arg, &(struct line){.x = x * in[2] + first[2] + low[2] * g->stride[2],
                                          .step = g->stride[2],
                                          .w = (row * c + of) * taps + t,
                                          .y = y * g->out[2] + low[2],
                                          .n = high[2] - low[2]});
            }
    }
}

struct sum {
    double       *to;
    const double *a, *b;
};
static void add_y(void *arg, const struct line *l)
{
    const struct sum *s = arg;
    for (int64_t i = 0; i < l->n; i++) s->to[l->y + i] += s->a[l->x + i * l->step] * s->b[l->w];
}
static void add_x(void *arg, const struct line *l)
{
    const struct sum *s = arg;
    for (int64_t i = 0; i < l->n; i++) s->to[l->x + i * l->step] += s->a[l->y + i] * s->b[l->w];
}
static void add_w(void *arg, const struct line *l)
{
    const struct sum *s = arg;
    double            sum = s->to[l->w];
    for (int64_t i = 0; i < l->n; i++) sum += s->a[l->x + i * l->step] * s->b[l->y + i];
    s->to[l->w] = sum;
}

static void start(const struct op_case *k, const struct values *x, struct values *y, int64_t channels)
{
    for (int64_t i = 0; i < y->n; i++) y->v[i] = 0;
    if (k->n_in < 3 || y->n == 0) return;
    int64_t per = 1;
    for (int i = 0; i < k->in[1].shape.ndim - 2; i++) per *= y->shape[y->ndim - 1 - i];
    for (int64_t i = 0; i < y->n; i++) y->v[i] = x[2].v[i / per % channels];
}

static wk_shape shape_of(const struct values *x)
{
    wk_shape s = {.ndim = x->ndim};
    for (int i = 0; i < x->ndim; i++) s.dim[i] = x->shape[i];
    return s;
}

static void exact_conv(const struct op_case *k, const struct values *x, struct values *y)
{
    const struct shape_case *r = k->row;
    const wk_shape           shape = shape_of(&x[0]);
    const struct geometry    g = geometry_of(r, &shape, y->shape);
    start(k, x, y, r->w.dim[0]);
    meet(&g, r->w.dim[1] * g.groups, r->w.dim[0], add_y, &(struct sum){y->v, x[0].v, x[1].v});
}

/* The roles of x and the result exchanged. */
static void exact_transposed(const struct op_case *k, const struct values *x, struct values *y)
{
    const struct shape_case *r = k->row;
    const wk_shape           shape = shape_of(y);
    const struct geometry    g = geometry_of(r, &shape, x[0].shape);
    start(k, x, y, r->w.dim[1] * g.groups);
    meet(&g, r->w.dim[1] * g.groups, r->w.dim[0], add_x, &(struct sum){y->v, x[0].v, x[1].v});
}

static const struct shape_case convs[] = {
    {"1-d", {3, {2, 3, 20}}, {3, {4, 3, 3}}, {.padding = {1}}, true, DENSE, true},
    {"1-d, one image without a batch", {2, {3, 20}}, {3, {4, 3, 5}}, {.stride = {3}}, false, DENSE, true},
    {"1-d, long", {3, {1, 2, 3000}}, {3, {3, 2, 7}}, {.padding = {9}, .dilation = {3}}, true, DENSE, false},
    {"2-d", {4, {2, 3, 9, 8}}, {4, {5, 3, 3, 3}}, {.padding = {1, 1}}, true, DENSE, true},
    {"2-d, turned", {4, {2, 3, 9, 8}}, {4, {5, 3, 3, 3}}, {.padding = {1, 1}}, true, TURNED, true},
    {"2-d, stepped", {4, {2, 3, 9, 8}}, {4, {5, 3, 3, 3}}, {.padding = {0, 1}}, false, STEPPED, true},
    {"2-d, expanded", {4, {3, 4, 7, 7}}, {4, {5, 4, 3, 3}}, {.padding = {1, 0}}, false, EXPANDED, false},
    {"2-d, strides",
     {4, {1, 4, 13, 17}},
     {4, {6, 4, 3, 5}},
     {.stride = {2, 3}, .padding = {1, 2}, .dilation = {2, 1}},
     true,
     DENSE,
     true},
    {"2-d, strides beyond the kernel",
     {4, {1, 2, 20, 20}},
     {4, {3, 2, 2, 2}},
     {.stride = {5, 3}},
     false,
     DENSE,
     true},
    {"2-d, dilated strides",
     {4, {2, 2, 20, 19}},
     {4, {3, 2, 3, 3}},
     {.stride = {2, 2}, .padding = {2, 1}, .dilation = {2, 3}},
     true,
     DENSE,
     true},
    {"2-d, groups",
     {4, {2, 6, 8, 9}},
     {4, {9, 2, 3, 3}},
     {.padding = {1, 1}, .groups = 3},
     true,
     DENSE,
     true},
    {"2-d, depthwise",
     {4, {2, 5, 12, 33}},
     {4, {5, 1, 3, 3}},
     {.padding = {1, 1}, .groups = 5},
     true,
     DENSE,
     true},
    {"2-d, depthwise, strides",
     {4, {2, 5, 12, 35}},
     {4, {5, 1, 5, 5}},
     {.stride = {2, 2}, .padding = {2, 2}, .groups = 5},
     false,
     DENSE,
     true},
    {"2-d, depthwise, small",
     {4, {3, 7, 5, 5}},
     {4, {7, 1, 5, 5}},
     {.padding = {2, 2}, .groups = 7},
     true,
     DENSE,
     true},
    {"2-d, two of each channel",
     {4, {2, 4, 9, 40}},
     {4, {8, 1, 3, 3}},
     {.padding = {1, 1}, .groups = 4},
     true,
     DENSE,
     true},
    {"2-d, pointwise", {4, {3, 20, 6, 7}}, {4, {17, 20, 1, 1}}, {.groups = 1}, true, DENSE, true},
    {"2-d, pointwise, stepped", {4, {3, 20, 6, 7}}, {4, {17, 20, 1, 1}}, {.groups = 1}, true, STEPPED, true},
    {"2-d, pointwise, strides",
     {4, {3, 20, 6, 7}},
     {4, {17, 20, 1, 1}},
     {.stride = {2, 2}},
     true,
     DENSE,
     true},
    {"2-d, same",
     {4, {1, 2, 9, 8}},
     {4, {3, 2, 4, 3}},
     {.dilation = {1, 2}, .same = true},
     true,
     DENSE,
     true},
    {"2-d, many channels", {4, {2, 70, 7, 7}}, {4, {75, 70, 3, 3}}, {.padding = {1, 1}}, true, DENSE, false},
    {"2-d, one channel out",
     {4, {1, 30, 40, 40}},
     {4, {1, 30, 3, 3}},
     {.padding = {1, 1}},
     true,
     DENSE,
     false},
    {"2-d, wide", {4, {1, 16, 20, 600}}, {4, {20, 16, 3, 3}}, {.padding = {1, 1}}, true, DENSE, false},
    {"2-d, kernel as large as x", {4, {3, 2, 7, 6}}, {4, {4, 2, 7, 6}}, {.groups = 1}, true, DENSE, true},
    {"2-d, more padding than x",
     {4, {1, 2, 3, 3}},
     {4, {2, 2, 3, 3}},
     {.padding = {5, 4}},
     true,
     DENSE,
     true},
    {"3-d", {5, {2, 3, 5, 6, 7}}, {5, {4, 3, 3, 3, 3}}, {.padding = {1, 1, 1}}, true, DENSE, true},
    {"3-d, strides",
     {5, {1, 2, 7, 9, 8}},
     {5, {4, 1, 3, 2, 3}},
     {.stride = {2, 1, 2}, .padding = {1, 0, 1}, .dilation = {1, 2, 1}, .groups = 2},
     true,
     DENSE,
     true},
    {"3-d, large planes",
     {5, {1, 12, 4, 60, 70}},
     {5, {5, 12, 3, 3, 3}},
     {.padding = {1, 1, 1}},
     true,
     DENSE,
     false},
    {"no images", {4, {0, 3, 9, 8}}, {4, {5, 3, 3, 3}}, {.padding = {1, 1}}, true, DENSE, false},
};

static const struct shape_case transposed[] = {
    {"1-d", {3, {2, 3, 9}}, {3, {3, 4, 3}}, {.stride = {2}, .output_padding = {1}}, true, DENSE, true},
    {"2-d", {4, {2, 3, 6, 7}}, {4, {3, 5, 3, 3}}, {.padding = {1, 1}}, true, DENSE, true},
    {"2-d, one image without a batch",
     {3, {3, 6, 7}},
     {4, {3, 5, 3, 3}},
     {.padding = {1, 1}},
     true,
     DENSE,
     true},
    {"2-d, strides",
     {4, {2, 4, 6, 7}},
     {4, {4, 6, 4, 3}},
     {.stride = {2, 3}, .padding = {1, 2}, .output_padding = {1, 0}},
     true,
     TURNED,
     true},
    {"2-d, strides beyond the kernel",
     {4, {1, 2, 4, 4}},
     {4, {2, 3, 2, 2}},
     {.stride = {5, 3}},
     true,
     DENSE,
     true},
    {"2-d, dilated strides",
     {4, {1, 2, 5, 4}},
     {4, {2, 3, 3, 3}},
     {.stride = {2, 2}, .padding = {1, 2}, .dilation = {2, 3}, .output_padding = {1, 2}},
     true,
     DENSE,
     true},
    {"2-d, groups",
     {4, {2, 6, 5, 6}},
     {4, {6, 2, 3, 3}},
     {.stride = {2, 2}, .padding = {1, 1}, .groups = 3},
     true,
     STEPPED,
     true},
    {"2-d, depthwise",
     {4, {2, 5, 6, 9}},
     {4, {5, 1, 4, 4}},
     {.stride = {2, 2}, .padding = {1, 1}, .groups = 5},
     true,
     DENSE,
     true},
    {"2-d, many channels",
     {4, {2, 40, 9, 9}},
     {4, {40, 30, 4, 4}},
     {.stride = {2, 2}, .padding = {1, 1}},
     true,
     DENSE,
     false},
    {"2-d, pointwise", {4, {2, 9, 6, 7}}, {4, {9, 17, 1, 1}}, {.groups = 1}, true, DENSE, true},
    {"3-d",
     {5, {1, 4, 3, 4, 5}},
     {5, {4, 2, 3, 2, 3}},
     {.stride = {2, 1, 2}, .padding = {1, 0, 1}, .groups = 2},
     true,
     DENSE,
     true},
};

static void visit_shapes(case_fn visit, void *arg, const struct shape_case *r, bool turned)
{
    static const wk_dtype dtypes[] = {WK_f32, WK_f64, WK_f16, WK_bf16, WK_i64, WK_i32};
    const int64_t groups = r->o.groups ? r->o.groups : 1, out = turned ? r->w.dim[1] * groups : r->w.dim[0];
    for (size_t t = 0; t < sizeof dtypes / sizeof *dtypes; t++)
        visit(arg, &(struct op_case){.op = turned ? "conv_transpose" : "conv",
                                     .note = r->note,
                                     .run = turned ? run_transposed : run_conv,
                                     .exact = turned ? exact_transposed : exact_conv,
                                     .row = r,
                                     .n_in = r->bias ? 3 : 2,
                                     .in = {{.shape = r->x, .dtype = dtypes[t], .layout = r->layout},
                                            {.shape = r->w, .dtype = dtypes[t]},
                                            {.shape = WK_SHAPE(out), .dtype = dtypes[t]}},
                                     .gradient = r->gradient && t == 0,
                                     .tolerance = 6e-5});
}

/* ---- the gradient for the weight, as the op it is -------------------------------------------- */

static wk_tensor run_weight(wk_ctx *c, const wk_tensor *x, const struct op_case *k)
{
    const struct shape_case *r = k->row;
    const struct geometry    g = geometry_of(r, &k->in[0].shape, k->in[1].shape.dim);
    wk_call                  call = {.op = WK_OP_conv_weight,
                                     .cls = wki_class_of(x[0]->dtype),
                                     WK_IN(x[0], x[1]),
                                     .out = {wki_new(c, x[0]->dtype, r->w)}};
    for (int i = 0; i < 3; i++) {
        call.attr.i[i] = g.stride[i];
        call.attr.i[3 + i] = g.pad[i];
        call.attr.i[6 + i] = g.dil[i];
    }
    call.attr.i[9] = g.groups;
    return wki_run(c, &call);
}
static void exact_weight(const struct op_case *k, const struct values *x, struct values *y)
{
    const struct shape_case *r = k->row;
    const struct geometry    g = geometry_of(r, &r->x, k->in[1].shape.dim);
    for (int64_t i = 0; i < y->n; i++) y->v[i] = 0;
    meet(&g, r->w.dim[1] * g.groups, r->w.dim[0], add_w, &(struct sum){y->v, x[0].v, x[1].v});
}

static const struct {
    struct shape_case r;
    wk_shape          y;
} weight_cases[] = {
    {{"few", {5, {2, 3, 1, 9, 8}}, {5, {4, 3, 1, 3, 3}}, {.padding = {0, 1, 1}}, false, DENSE, true},
     {5, {2, 4, 1, 9, 8}}},
    {{"groups, strides",
      {5, {2, 6, 4, 9, 8}},
      {5, {9, 2, 2, 3, 3}},
      {.stride = {2, 2, 1}, .padding = {1, 1, 0}, .groups = 3},
      .gradient = true},
     {5, {2, 9, 3, 5, 6}}},
    {{"many", {5, {3, 20, 1, 60, 50}}, {5, {22, 20, 1, 3, 3}}, {.padding = {0, 1, 1}}, false, DENSE, false},
     {5, {3, 22, 1, 60, 50}}},
    {{"one image",
      {5, {1, 9, 1, 100, 61}},
      {5, {7, 9, 1, 3, 5}},
      {.padding = {0, 1, 2}},
      false,
      DENSE,
      false},
     {5, {1, 7, 1, 100, 61}}},
    {{"volume", {5, {2, 5, 12, 14, 20}}, {5, {6, 5, 3, 3, 3}}, {.dilation = {1, 2, 1}}, false, DENSE, false},
     {5, {2, 6, 10, 10, 18}}},
};

static void visit_weight(case_fn visit, void *arg)
{
    static const wk_dtype dtypes[] = {WK_f32, WK_f64, WK_bf16, WK_i64};
    for (size_t i = 0; i < sizeof weight_cases / sizeof *weight_cases; i++)
        for (size_t t = 0; t < sizeof dtypes / sizeof *dtypes; t++) {
            const struct shape_case *r = &weight_cases[i].r;
            visit(arg, &(struct op_case){
                           .op = "conv_weight",
                           .note = r->note,
                           .run = run_weight,
                           .exact = exact_weight,
                           .row = r,
                           .n_in = 2,
                           .in = {{.shape = r->x, .dtype = dtypes[t], .layout = i % 2 ? TURNED : DENSE},
                                  {.shape = weight_cases[i].y, .dtype = dtypes[t]}},
                           .gradient = r->gradient && t == 0,
                           .tolerance = 2e-4});
        }
}

void family_conv(case_fn visit, void *arg)
{
    for (size_t i = 0; i < sizeof convs / sizeof *convs; i++) visit_shapes(visit, arg, &convs[i], false);
    for (size_t i = 0; i < sizeof transposed / sizeof *transposed; i++)
        visit_shapes(visit, arg, &transposed[i], true);
    visit_weight(visit, arg);
}
