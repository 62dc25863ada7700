/* Cases of the Fourier transforms, against the sum that defines them. */
#include "tests/ops/cases.h"

#include <math.h>
#include <string.h>

static const double TAU = 6.283185307179586476925;

enum which { FFT, IFFT, RFFT, IRFFT, HFFT, IHFFT };

static wk_tensor run_one(wk_ctx *c, const wk_tensor *x, const struct op_case *k)
{
    wk_tensor (*const fn[])(wk_ctx *, wk_tensor, int64_t, int, wk_fft_norm) = {wk_fft,   wk_ifft, wk_rfft,
                                                                               wk_irfft, wk_hfft, wk_ihfft};
    return fn[(int)k->p](c, x[0], (int64_t)k->q, (int)k->dims.dim[0], (wk_fft_norm)k->dims.dim[1]);
}

static bool from_real(enum which w)
{
    return w == RFFT || w == IHFFT;
}
static bool to_real(enum which w)
{
    return w == IRFFT || w == HFFT;
}

/* Value k of a line of x that has `size` values, in full. */
static void value_of(enum which w, const double *x, int64_t step, int64_t size, int64_t n, int64_t k,
                     double *re, double *im)
{
    const bool    mirror = to_real(w) && 2 * k > n;
    const int64_t i = mirror ? n - k : k;
    *re = *im = 0;
    if (i >= size) return;
    *re = x[i * step];
    if (from_real(w)) return;
    *im = mirror ? -x[i * step + 1] : x[i * step + 1];
    if (to_real(w) && (k == 0 || 2 * k == n)) *im = 0;
}

static void exact_one(const struct op_case *k, const struct values *x, struct values *y)
{
    const enum which w = (enum which)(int)k->p;
    const int        nx = x->ndim - !from_real(w), dim = (int)k->dims.dim[0];
    const int64_t    size = x->shape[dim];
    const int64_t    n = k->q > 0 ? (int64_t)k->q : to_real(w) ? 2 * (size - 1) : size;
    int64_t          inner = 1, outer = 1;
    for (int i = dim + 1; i < nx; i++) inner *= x->shape[i];
    for (int i = 0; i < dim; i++) outer *= x->shape[i];
    const int64_t px = from_real(w) ? 1 : 2, py = to_real(w) ? 1 : 2, out = y->shape[dim];
    const double  sign = w == IFFT || w == IRFFT || w == IHFFT ? 1 : -1;
    const int     norm = (int)k->dims.dim[1];
    const double  scale = norm == WK_FFT_ORTHO                     ? 1 / sqrt((double)n)
                          : (norm == WK_FFT_FORWARD) == (sign < 0) ? 1 / (double)n
                                                                   : 1;
    double       *root = wk_alloc((size_t)n * 2 * sizeof *root); /* cos and sin of each part of the circle */
    if (!root) return;
    for (int64_t j = 0; j < n; j++) {
        const double a = sign * TAU * (double)j / (double)n;
        root[2 * j] = cos(a), root[2 * j + 1] = sin(a);
    }
    for (int64_t o = 0; o < outer * inner; o++)
        for (int64_t f = 0; f < out; f++) {
            const double *from = x->v + (o / inner * size * inner + o % inner) * px;
            double       *to = y->v + ((o / inner * out + f) * inner + o % inner) * py, sum[2] = {0, 0};
            for (int64_t j = 0; j < n; j++) {
                double        re, im;
                const double *a = root + f * j % n * 2;
                value_of(w, from, inner * px, size, n, j, &re, &im);
                sum[0] += re * a[0] - im * a[1];
                sum[1] += re * a[1] + im * a[0];
            }
            for (int p = 0; p < py; p++) to[p] = sum[p] * scale;
        }
    wk_free(root);
}

/* Shape of x without the two, the dim, and the length asked for. */
struct transform_case {
    wk_shape shape;
    int      dim;
    int64_t  n;
};
static const struct transform_case cases[] = {
    {{1, {1}}, 0, 0},      {{1, {2}}, 0, 0},         {{1, {7}}, 0, 0},         {{1, {8}}, 0, 0},
    {{2, {3, 30}}, 1, 0},  {{2, {33, 12}}, 1, 0},    {{2, {40, 9}}, 1, 0},     {{2, {24, 35}}, 0, 0},
    {{2, {11, 35}}, 0, 0}, {{3, {2, 6, 20}}, 1, 0},  {{2, {2, 37}}, 1, 0},     {{2, {2, 20}}, 1, 13},
    {{2, {2, 20}}, 1, 32}, {{3, {2, 11, 3}}, 1, 14}, {{2, {2, 120}}, 1, 0},    {{2, {1, 105}}, 1, 0},
    {{2, {2, 74}}, 1, 0},  {{2, {2, 900}}, 1, 0},    {{3, {2, 150, 2}}, 1, 0},
};

static wk_tensor run_2d(wk_ctx *c, const wk_tensor *x, const struct op_case *k)
{
    const wk_tensor y = wk_rfft2(c, x[0], (wk_shape){0}, (wk_shape){0}, WK_FFT_BACKWARD);
    (void)k;
    return wk_irfft2(c, y, WK_SHAPE(x[0]->shape[0], x[0]->shape[1]), (wk_shape){0}, WK_FFT_BACKWARD);
}
static wk_tensor run_nd(wk_ctx *c, const wk_tensor *x, const struct op_case *k)
{
    const wk_shape none = {0};
    const int64_t  last = x[0]->shape[x[0]->ndim - 1];
    (void)k;
    wk_tensor y = wk_ihfftn(c, x[0], none, none, WK_FFT_ORTHO);
    y = wk_ifftn(c, wk_fftn(c, y, none, WK_DIMS(0), WK_FFT_BACKWARD), none, WK_DIMS(0), WK_FFT_BACKWARD);
    return wk_hfftn(c, y, WK_SHAPE(-1, -1, last), none, WK_FFT_ORTHO);
}
static wk_tensor run_stft(wk_ctx *c, const wk_tensor *x, const struct op_case *k)
{
    const wk_stft_opts o = {
        .n_fft = 8, .hop = 3, .win = 6, .window = x[1], .normalized = true, .pad = (wk_stft_pad)(int)k->p};
    wk_stft_opts back = o;
    back.length = wk_size(x[0], -1);
    return wk_istft(c, wk_stft(c, x[0], o), back);
}
static void exact_same(const struct op_case *k, const struct values *x, struct values *y)
{
    (void)k;
    memcpy(y->v, x->v, (size_t)y->n * sizeof *y->v);
}

static void visit_round_trips(case_fn visit, void *arg)
{
    struct op_case k = {.op = "fft",
                        .note = "2-d there and back",
                        .n_in = 1,
                        .run = run_2d,
                        .exact = exact_same,
                        .gradient = true,
                        .in = {{.shape = WK_SHAPE(6, 9), .dtype = WK_f32, .layout = TURNED}}};
    visit(arg, &k);
    k.note = "n-d there and back";
    k.run = run_nd;
    k.in[0].shape = WK_SHAPE(4, 3, 10);
    visit(arg, &k);
    k.note = "stft there and back";
    k.run = run_stft;
    k.n_in = 2;
    k.in[0].shape = WK_SHAPE(2, 31);
    k.in[1] = (struct input){.shape = WK_SHAPE(6), .dtype = WK_f32, .low = 0.5, .high = 1};
    for (int pad = WK_STFT_REFLECT; pad <= WK_STFT_CIRCULAR; pad++) {
        k.p = pad;
        visit(arg, &k);
    }
}

void family_fft(case_fn visit, void *arg)
{
    static const wk_dtype    dtypes[] = {WK_f32, WK_f64};
    static const enum layout layouts[] = {DENSE, TURNED, STEPPED};
    static const char *const names[] = {"fft", "ifft", "rfft", "irfft", "hfft", "ihfft"};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int w = FFT; w <= IHFFT; w++)
            for (size_t t = 0; t < 2; t++) {
                struct op_case k = {.op = "fft",
                                    .note = names[w],
                                    .n_in = 1,
                                    .run = run_one,
                                    .exact = exact_one,
                                    .p = w,
                                    .q = (double)cases[i].n,
                                    .dims = WK_DIMS(cases[i].dim, (int64_t)(i + (size_t)w) % 3),
                                    .gradient = t == 0 && i % 2 == (size_t)w % 2,
                                    .tolerance = 3e-5};
                k.in[0] = (struct input){
                    .shape = cases[i].shape, .dtype = dtypes[t], .layout = layouts[(i + (size_t)w) % 3]};
                wk_shape *s = &k.in[0].shape;
                if (to_real((enum which)w) && s->dim[cases[i].dim] < 2) continue;
                if (!from_real((enum which)w)) s->dim[s->ndim++] = 2;
                if (!from_real((enum which)w) && k.in[0].layout == STEPPED) k.in[0].layout = DENSE;
                visit(arg, &k);
            }
    visit_round_trips(visit, arg);
}
