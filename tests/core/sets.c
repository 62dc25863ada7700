/* Different values and slices, runs, counts and bins beside plain loops; what functions made of others
 * refuse; leaks at random. */
#include "tests/core/oracle.h"

#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

static void read_all(wk_ctx *c, wk_tensor x, double *out)
{
    cr_assert_leq(wk_count(x), ORACLE_MOST);
    cr_assert_eq(wk_read(c, wk_cast(c, x, WK_f64), out), WK_OK, "%s", wk_ctx_message(c));
}

static void expect(wk_ctx *c, wk_tensor x, wk_shape shape, const double *want)
{
    double got[ORACLE_MOST];
    cr_assert_eq(wk_ctx_status(c), WK_OK, "%s", wk_ctx_message(c));
    cr_assert_eq(x->ndim, shape.ndim, "%d dims, not %d", x->ndim, shape.ndim);
    for (int d = 0; d < shape.ndim; d++)
        cr_assert_eq(x->shape[d], shape.dim[d], "dim %d is %lld, not %lld", d, (long long)x->shape[d],
                     (long long)shape.dim[d]);
    read_all(c, x, got);
    for (int64_t i = 0; i < wk_count(x); i++)
        cr_assert(got[i] == want[i] || (isnan(got[i]) && isnan(want[i])), "value %lld is %g, not %g",
                  (long long)i, got[i], want[i]);
}

/* ---- the different slices of a matrix of n rows, as indices of rows that are equal to them ---- */

struct found {
    int64_t n, which[ORACLE_MOST]; /* the place of each row among them */
    double  first[ORACLE_MOST], counts[ORACLE_MOST];
};

static int compare(const double *v, int64_t width, int64_t a, int64_t b)
{
    for (int64_t j = 0; j < width; j++)
        if (v[a * width + j] != v[b * width + j]) return v[a * width + j] < v[b * width + j] ? -1 : 1;
    return 0;
}

static void different(const double *v, int64_t n, int64_t width, bool sorted, struct found *f)
{
    f->n = 0;
    for (int64_t i = 0; i < n; i++) {
        int64_t at = sorted ? 0 : f->n - 1;
        int     order = 1;
        if (!sorted && at >= 0) order = compare(v, width, i - 1, i);
        for (; sorted && at < f->n && (order = compare(v, width, (int64_t)f->first[at], i)) < 0; at++) {}
        if (at < 0 || at == f->n || order != 0) { /* a new one, at its place */
            at = sorted ? at : f->n;
            for (int64_t j = f->n; j > at; j--) {
                f->first[j] = f->first[j - 1];
                f->counts[j] = f->counts[j - 1];
            }
            for (int64_t j = 0; j < i; j++) f->which[j] += f->which[j] >= at;
            f->first[at] = (double)i;
            f->counts[at] = 0;
            f->n++;
        }
        f->counts[at]++;
        f->which[i] = at;
    }
}

/* Numbers in [0, 3), of which many are equal, as one of three layouts of the shape. */
static wk_tensor numbers(wk_ctx *c, wk_dtype t, wk_shape shape, uint64_t *state, int layout)
{
    double    v[ORACLE_MOST];
    wk_shape  stored = shape;
    const int last = shape.ndim - 1;
    if (last > 0 && layout == 1) {
        stored.dim[0] = shape.dim[last];
        stored.dim[last] = shape.dim[0];
    }
    if (last >= 0 && layout == 2) stored.dim[last] *= 2;
    for (int64_t i = 0; i < count_of(stored.ndim, stored.dim); i++)
        v[i] = (double)below(state, t == WK_bool ? 2 : 3);
    const wk_tensor x = wk_cast(c, wk_make(c, v, WK_f64, stored), t);
    if (last > 0 && layout == 1) return wk_transpose(c, x, 0, -1);
    return last >= 0 && layout == 2 ? wk_slice(c, x, -1, 0, INT64_MAX, 2) : x;
}

static const wk_dtype dtypes[] = {WK_f32, WK_f64, WK_f16, WK_bf16, WK_bool, WK_u8, WK_i8, WK_i32, WK_i64};

Test(sets, different_values)
{
    wk_ctx      *c = wk_ctx_new("cpu");
    uint64_t     state = 3;
    struct found f;
    double       v[ORACLE_MOST], value[ORACLE_MOST], which[ORACLE_MOST];
    for (int round = 0; round < 600; round++) {
        const wk_scope s = wk_scope_begin(c);
        wk_shape       shape = {.ndim = (int)below(&state, 4)};
        const bool     sorted = round % 2;
        wk_tensor      inverse, counts;
        for (int d = 0; d < shape.ndim; d++) shape.dim[d] = below(&state, 6);
        const wk_tensor x = numbers(c, dtypes[round % 9], shape, &state, (int)below(&state, 3));
        const int64_t   n = wk_count(x);
        read_all(c, x, v);
        different(v, n, 1, sorted, &f);
        for (int64_t i = 0; i < f.n; i++) value[i] = v[(int64_t)f.first[i]];
        for (int64_t i = 0; i < n; i++) which[i] = (double)f.which[i];
        const wk_tensor y =
            sorted ? wk_unique(c, x, &inverse, &counts) : wk_unique_consecutive(c, x, &inverse, &counts);
        cr_assert(y->dtype == x->dtype && inverse->dtype == WK_i64 && counts->dtype == WK_i64);
        expect(c, y, WK_SHAPE(f.n), value);
        expect(c, inverse, shape, which);
        expect(c, counts, WK_SHAPE(f.n), f.counts);
        expect(c, sorted ? wk_unique(c, x, NULL, NULL) : wk_unique_consecutive(c, x, NULL, NULL),
               WK_SHAPE(f.n), value);
        wk_scope_end(c, s, WK_NONE);
    }
    wk_ctx_free(c);
}

Test(sets, different_slices)
{
    wk_ctx      *c = wk_ctx_new("cpu");
    uint64_t     state = 5;
    struct found f;
    double       v[ORACLE_MOST], value[ORACLE_MOST], which[ORACLE_MOST];
    for (int round = 0; round < 600; round++) {
        const wk_scope s = wk_scope_begin(c);
        wk_shape       shape = {.ndim = 1 + (int)below(&state, 3)};
        const bool     sorted = round % 2;
        const int dim = (int)below(&state, shape.ndim), given = below(&state, 2) ? dim : dim - shape.ndim;
        wk_tensor inverse, counts;
        for (int d = 0; d < shape.ndim; d++)
            shape.dim[d] = d == dim ? below(&state, 9) : 1 + below(&state, 3);
        const wk_tensor x = numbers(c, dtypes[round % 9], shape, &state, (int)below(&state, 3));
        const int64_t   n = shape.dim[dim], width = n ? wk_count(x) / n : 0;
        read_all(c, wk_movedim(c, x, WK_DIMS(dim), WK_DIMS(0)), v);
        different(v, n, width, sorted, &f);
        for (int64_t i = 0; i < f.n * width; i++)
            value[i] = v[(int64_t)f.first[i / width] * width + i % width];
        for (int64_t i = 0; i < n; i++) which[i] = (double)f.which[i];
        const wk_tensor y = sorted ? wk_unique_dim(c, x, given, &inverse, &counts)
                                   : wk_unique_consecutive_dim(c, x, given, &inverse, &counts);
        wk_shape        first = {.ndim = shape.ndim, .dim = {f.n}}, whole = shape;
        for (int d = 0, j = 1; d < shape.ndim; d++)
            if (d != dim) first.dim[j++] = shape.dim[d];
        whole.dim[dim] = f.n;
        expect(c, wk_movedim(c, y, WK_DIMS(dim), WK_DIMS(0)), first, value);
        cr_assert(y->dtype == x->dtype && y->shape[dim] == whole.dim[dim]);
        expect(c, inverse, WK_SHAPE(n), which);
        expect(c, counts, WK_SHAPE(f.n), f.counts);
        wk_scope_end(c, s, WK_NONE);
    }
    wk_ctx_free(c);
}

Test(sets, no_NaN_equals_another)
{
    wk_ctx         *c = wk_ctx_new("cpu");
    const wk_tensor x = wk_make(c, (float[]){NAN, 1, NAN, 1}, WK_f32, WK_SHAPE(4));
    wk_tensor       counts;
    expect(c, wk_unique(c, x, NULL, &counts), WK_SHAPE(3), (double[]){1, NAN, NAN});
    expect(c, counts, WK_SHAPE(3), (double[]){2, 1, 1});
    wk_tape_begin(c);
    cr_assert(wk_unique(c, wk_track(c, x), NULL, NULL)->node == 0); /* no gradient, as in PyTorch */
    wk_tape_end(c);
    wk_ctx_free(c);
}

/* ---- counts ---- */

Test(sets, counts_of_numbers)
{
    static const wk_dtype whole[] = {WK_i64, WK_i32, WK_u8, WK_i16, WK_i8};
    static const wk_dtype shares[] = {WK_f32, WK_f64, WK_i32, WK_f16};
    wk_ctx               *c = wk_ctx_new("cpu");
    uint64_t              state = 7;
    double                v[ORACLE_MOST], w[ORACLE_MOST];
    for (int round = 0; round < 200; round++) {
        const wk_scope  s = wk_scope_begin(c);
        const int64_t   n = below(&state, 40), least = below(&state, 6);
        const bool      weighted = round % 2;
        const wk_tensor x = numbers(c, whole[round % 5], WK_SHAPE(n), &state, round % 3);
        const wk_dtype  t = shares[round / 2 % 4];
        const wk_tensor weight = weighted ? numbers(c, t, WK_SHAPE(n), &state, round % 2 * 2) : WK_NONE;
        double          want[8] = {0};
        int64_t         size = least;
        read_all(c, x, v);
        if (weighted) read_all(c, weight, w);
        for (int64_t i = 0; i < n; i++) {
            want[(int)v[i]] += weighted ? w[i] : 1;
            if (size <= (int64_t)v[i]) size = (int64_t)v[i] + 1;
        }
        const wk_tensor y = wk_bincount(c, x, weight, least);
        expect(c, y, WK_SHAPE(size), want);
        cr_assert_eq(y->dtype, !weighted ? WK_i64 : t == WK_f32 ? WK_f32 : WK_f64);
        wk_scope_end(c, s, WK_NONE);
    }
    wk_ctx_free(c);
}

Test(sets, counts_in_bins)
{
    static const wk_dtype real[] = {WK_f32, WK_f64, WK_bf16, WK_f16};
    wk_ctx               *c = wk_ctx_new("cpu");
    uint64_t              state = 9;
    double                v[ORACLE_MOST];
    for (int round = 0; round < 200; round++) {
        const wk_scope s = wk_scope_begin(c);
        wk_shape       shape = {.ndim = (int)below(&state, 3)};
        const int64_t  bins = 1 + below(&state, 5);
        const double low = -1, high = low + (double)bins * 0.5; /* bins whose ends are exact in each dtype */
        double       want[8] = {0};
        for (int d = 0; d < shape.ndim; d++) shape.dim[d] = below(&state, 7);
        wk_tensor x = wk_mul(c, numbers(c, real[round % 4], shape, &state, round % 3), wk_scalar(c, 0.75));
        x = wk_sub(c, x, wk_scalar(c, 1.25));
        read_all(c, x, v);
        for (int64_t i = 0; i < wk_count(x); i++) {
            const double place = floor((v[i] - low) / 0.5);
            if (v[i] == high) want[bins - 1]++;
            if (v[i] >= low && v[i] < high) want[(int)place]++;
        }
        const wk_tensor y = wk_histc(c, x, bins, low, high);
        expect(c, y, WK_SHAPE(bins), want);
        cr_assert_eq(y->dtype, x->dtype);
        wk_scope_end(c, s, WK_NONE);
    }
    const wk_tensor x = wk_make(c, (double[]){1, 2, 2, 5, 3, NAN}, WK_f64, WK_SHAPE(6));
    expect(c, wk_histc(c, wk_narrow(c, x, 0, 0, 5), 4, 0, 0), WK_SHAPE(4), (double[]){1, 2, 1, 1});
    expect(c, wk_histc(c, wk_narrow(c, x, 0, 1, 2), 3, 0, 0), WK_SHAPE(3), (double[]){0, 2, 0});
    expect(c, wk_histc(c, x, 2, 1, 5), WK_SHAPE(2), (double[]){3, 2}); /* NaN is in no bin */
    expect(c, wk_histc(c, wk_cast(c, wk_narrow(c, x, 0, 0, 5), WK_i32), 2, 1, 3), WK_SHAPE(2),
           (double[]){1, 3});
    wk_ctx_free(c);
}

/* ---- refusals ---- */

#define REFUSED(call, status, text)                                                                          \
    cr_assert(wk_is_none(call) && wk_ctx_status(c) == (status) && strstr(wk_ctx_message(c), text), "%s: %s", \
              #call, wk_ctx_message(c));                                                                     \
    wk_ctx_clear(c)

Test(sets, refuse_what_does_not_fit)
{
    wk_ctx         *c = wk_ctx_new("cpu");
    wk_tensor       inverse = wk_scalar(c, 1), counts = inverse;
    const wk_tensor f = wk_zeros(c, WK_f32, WK_SHAPE(2, 3)), one = wk_zeros(c, WK_i64, WK_SHAPE(4)),
                    q = wk_cast(c, wk_zeros(c, WK_f32, WK_SHAPE(1, 32)), WK_q8_0),
                    negative = wk_full(c, -2, WK_i64, WK_SHAPE(3));
    REFUSED(wk_unique(c, q, &inverse, &counts), WK_EARG, "unique: no tensor of plain values");
    cr_assert(wk_is_none(inverse) && wk_is_none(counts));
    REFUSED(wk_unique(c, WK_NONE, NULL, NULL), WK_EARG, "unique: no tensor");
    REFUSED(wk_unique_consecutive(c, q, NULL, NULL), WK_EARG, "unique_consecutive: no tensor");
    REFUSED(wk_unique_dim(c, f, 2, NULL, NULL), WK_EARG, "unique_dim: dim 2 of a tensor [2, 3]");
    REFUSED(wk_unique_dim(c, wk_scalar(c, 1), 0, NULL, NULL), WK_ESHAPE, "unique_dim: a tensor without dims");
    REFUSED(wk_unique_consecutive_dim(c, f, -3, NULL, NULL), WK_EARG,
            "unique_consecutive_dim: dim -3 of a tensor");
    REFUSED(wk_bincount(c, f, WK_NONE, 0), WK_EARG, "bincount: x is f32 [2, 3], not integers in one dim");
    REFUSED(wk_bincount(c, wk_zeros(c, WK_bool, WK_SHAPE(2)), WK_NONE, 0), WK_EARG, "bincount: x is bool");
    REFUSED(wk_bincount(c, one, WK_NONE, -1), WK_EARG, "bincount: at least -1 counts");
    REFUSED(wk_bincount(c, one, f, 0), WK_ESHAPE, "bincount: weights [2, 3] for [4]");
    REFUSED(wk_bincount(c, negative, WK_NONE, 0), WK_EINDEX, "bincount: -2 is negative");
    REFUSED(wk_histc(c, f, 0, 0, 1), WK_EARG, "histc: 0 bins over [0, 1]");
    REFUSED(wk_histc(c, f, 3, 2, 1), WK_EARG, "histc: 3 bins over [2, 1]");
    REFUSED(wk_histc(c, wk_full(c, INFINITY, WK_f32, WK_SHAPE(2)), 3, 0, 0), WK_EARG, "is not finite");
    REFUSED(wk_histc(c, q, 3, 0, 1), WK_EARG, "histc: no tensor of plain values");
    wk_ctx_free(c);
}

Test(sets, compositions_refuse_in_their_own_name)
{
    wk_ctx         *c = wk_ctx_new("cpu");
    const wk_tensor x = wk_zeros(c, WK_f32, WK_SHAPE(2, 3)), none = wk_zeros(c, WK_f32, WK_SHAPE(2, 0)),
                    zero_d = wk_scalar(c, 1), whole = wk_zeros(c, WK_i64, WK_SHAPE(2, 3)),
                    cube = wk_zeros(c, WK_f32, WK_SHAPE(1, 4, 3, 3));
    const wk_tensor both[] = {x, wk_zeros(c, WK_f32, WK_SHAPE(3, 4))}, deep[] = {cube};
    REFUSED(wk_argsort(c, x, 2, false), WK_EARG, "argsort: sort: dim 2 of a tensor [2, 3]");
    REFUSED(wk_swapaxes(c, x, 0, 2), WK_EARG, "swapaxes: transpose: dim 2 of a tensor [2, 3]");
    REFUSED(wk_squeeze_dims(c, x, WK_DIMS(0, 3)), WK_EARG, "squeeze_dims: dim 3 of a tensor [2, 3]");
    REFUSED(wk_squeeze_dims(c, x, WK_DIMS(0, -2)), WK_EARG, "squeeze_dims: dim 0 twice");
    REFUSED(wk_hstack(c, 2, both), WK_ESHAPE, "hstack: ");
    REFUSED(wk_vstack(c, 2, both), WK_ESHAPE, "vstack: ");
    REFUSED(wk_dstack(c, 2, both), WK_ESHAPE, "dstack: ");
    REFUSED(wk_column_stack(c, 2, both), WK_ESHAPE, "column_stack: ");
    REFUSED(wk_hstack(c, 0, both), WK_EARG, "hstack: 0 tensors");
    REFUSED(wk_vstack(c, 1, (const wk_tensor[]){WK_NONE}), WK_EARG, "vstack: ");
    REFUSED(wk_block_diag(c, 1, deep), WK_ESHAPE, "block_diag: operand 0 is [1, 4, 3, 3]");
    REFUSED(wk_tile(c, x, WK_SHAPE(2, -1)), WK_ESHAPE, "tile: repeat: -1 times");
    REFUSED(wk_tile(c, WK_NONE, WK_SHAPE(2)), WK_EARG, "tile: no tensor");
    REFUSED(wk_diagonal_scatter(c, x, wk_zeros(c, WK_f32, WK_SHAPE(3)), 0, 0, 1), WK_ESHAPE,
            "diagonal_scatter: [3] into [2]");
    REFUSED(wk_diagonal_scatter(c, x, x, 0, 0, 2), WK_EARG, "dim 2 of a tensor [2, 3]");
    REFUSED(wk_pixel_shuffle(c, x, 2), WK_ESHAPE, "pixel_shuffle: x is [2, 3]");
    REFUSED(wk_pixel_shuffle(c, cube, 3), WK_ESHAPE, "pixel_shuffle: 4 channels by 3");
    REFUSED(wk_pixel_shuffle(c, cube, 0), WK_ESHAPE, "pixel_shuffle: 4 channels by 0");
    REFUSED(wk_pixel_shuffle(c, cube, (int64_t)1 << 32), WK_ESHAPE,
            "pixel_shuffle: 4 channels by 4294967296");
    REFUSED(wk_pixel_unshuffle(c, cube, 2), WK_ESHAPE, "pixel_unshuffle: x is [1, 4, 3, 3]");
    REFUSED(wk_pixel_unshuffle(c, cube, -1), WK_ESHAPE, "pixel_unshuffle: x is");
    REFUSED(wk_channel_shuffle(c, cube, 3), WK_ESHAPE, "channel_shuffle: 4 channels, 3 groups");
    REFUSED(wk_channel_shuffle(c, x, 1), WK_ESHAPE, "channel_shuffle: x is [2, 3]");
    REFUSED(wk_bucketize(c, x, x, false), WK_ESHAPE, "bucketize: boundaries [2, 3]");
    REFUSED(wk_bucketize(c, WK_NONE, wk_flatten(c, x, 0, -1), false), WK_EARG,
            "bucketize: searchsorted: no sorted values");
    REFUSED(wk_diff(c, zero_d, 1, 0, WK_NONE, WK_NONE), WK_ESHAPE, "diff: x is []");
    REFUSED(wk_diff(c, x, -1, 0, WK_NONE, WK_NONE), WK_EARG, "diff: -1 times");
    REFUSED(wk_diff(c, x, 1, 2, WK_NONE, WK_NONE), WK_EARG, "diff: dim 2 of");
    REFUSED(wk_diff(c, x, 1, 0, both[1], WK_NONE), WK_ESHAPE, "diff: ");
    REFUSED(wk_trapezoid(c, zero_d, WK_NONE, 1, 0), WK_ESHAPE, "trapezoid: y is []");
    REFUSED(wk_trapezoid(c, x, wk_zeros(c, WK_f32, WK_SHAPE(5)), 1, 0), WK_ESHAPE, "trapezoid: 5 points for");
    REFUSED(wk_trapezoid(c, WK_NONE, WK_NONE, 1, 0), WK_ESHAPE, "trapezoid: ");
    REFUSED(wk_cumulative_trapezoid(c, x, WK_NONE, 1, 2), WK_EARG, "cumulative_trapezoid: dim 2 of");
    REFUSED(wk_mode(c, none, 1, false, NULL), WK_ESHAPE, "mode: no values along dim 1 of [2, 0]");
    REFUSED(wk_nanmedian(c, none, 1, false, NULL), WK_ESHAPE, "nanmedian: no values along dim 1 of");
    REFUSED(wk_nanquantile(c, whole, zero_d, 1, false, WK_LINEAR), WK_EDTYPE, "nanquantile: x is i64");
    REFUSED(wk_nanquantile(c, x, wk_scalar(c, 1.5), 1, false, WK_LINEAR), WK_EARG, "outside of [0, 1]");
    REFUSED(wk_nanquantile(c, x, x, 1, false, WK_LINEAR), WK_ESHAPE, "nanquantile: q is [2, 3]");
    REFUSED(wk_nanquantile(c, x, zero_d, 1, false, (wk_between)9), WK_EARG, "nanquantile: way 9");
    REFUSED(wk_softmin(c, x, 2), WK_EARG, "softmin: softmax: dim 2 of a tensor [2, 3]");
    REFUSED(wk_affine_grid(c, x, WK_SHAPE(2, 1, 3, 3), false), WK_ESHAPE, "affine_grid: theta [2, 3]");
    REFUSED(wk_affine_grid(c, wk_zeros(c, WK_i64, WK_SHAPE(1, 2, 3)), WK_SHAPE(1, 1, 3, 3), false), WK_EDTYPE,
            "affine_grid: theta is i64");
    REFUSED(wk_affine_grid(c, wk_zeros(c, WK_f32, WK_SHAPE(1, 2, 3)), WK_SHAPE(1, 1, 0, 3), false), WK_EARG,
            "affine_grid: a size of 0");
    const wk_resize_opts area = {.mode = WK_RESIZE_AREA, .scale = {1e300}};
    REFUSED(wk_interpolate(c, cube, area), WK_ESHAPE, "interpolate: x [1, 4, 3, 3] by 1e+300 along dim 2");
    REFUSED(wk_interpolate(c, cube, ((wk_resize_opts){.mode = WK_RESIZE_AREA, .scale = {NAN}})), WK_ESHAPE,
            "interpolate: x [1, 4, 3, 3] by nan");
    REFUSED(wk_interpolate(c, cube, ((wk_resize_opts){.mode = WK_RESIZE_AREA, .align_corners = true})),
            WK_EARG, "interpolate: align_corners");
    REFUSED(wk_interpolate(c, cube, ((wk_resize_opts){.mode = (wk_resize_mode)9, .scale = {2}})), WK_EARG,
            "interpolate: mode 9");
    REFUSED(wk_rrelu(c, x, 0.5, 0.25, true), WK_EARG, "rrelu: slopes from 0.5 to 0.25");
    REFUSED(wk_rrelu(c, whole, 0.1, 0.2, true), WK_EDTYPE, "rrelu: x is i64");
    wk_ctx_free(c);
}

/* ---- rrelu in training: a slope of its own for each negative value, which its gradient has too ---- */

Test(sets, random_leaks)
{
    static const wk_dtype real[] = {WK_f64, WK_f32, WK_bf16, WK_f16};
    wk_ctx               *c = wk_ctx_new("cpu");
    double                x[3000], y[3000], dx[3000], again[3000];
    for (int t = 0; t < 4; t++) {
        const double slack = t < 2 ? 1e-6 : t == 2 ? 8e-3 : 1e-3;
        double       sum = 0, n = 0;
        wk_seed(c, 5);
        wk_tape_begin(c);
        wk_tensor v = wk_transpose(c, wk_normal(c, 0, 1, WK_f64, WK_SHAPE(50, 60)), 0, 1);
        v = wk_track(c, wk_cast(c, v, real[t]));
        wk_seed(c, 6);
        const wk_tensor out = wk_rrelu(c, v, 0.125, 0.5, true);
        wk_backward(c, wk_sum(c, out, WK_ALL_DIMS, false));
        read_all(c, v, x);
        read_all(c, out, y);
        read_all(c, wk_grad(c, v), dx);
        wk_seed(c, 6);
        read_all(c, wk_rrelu(c, v, 0.125, 0.5, true), again);
        for (int i = 0; i < 3000; i++) {
            cr_assert_eq(again[i], y[i]);
            if (x[i] > 0) cr_assert(y[i] == x[i] && dx[i] == 1, "value %d: %g of %g", i, y[i], x[i]);
            if (x[i] >= 0) continue;
            cr_assert(dx[i] >= 0.125 && dx[i] <= 0.5 && fabs(y[i] - dx[i] * x[i]) <= slack * fabs(y[i]),
                      "value %d: %g of %g, slope %g", i, y[i], x[i], dx[i]);
            sum += dx[i];
            n++;
        }
        cr_assert_float_eq(sum / n, 0.3125, 0.012); /* four deviations of the mean */
        wk_tape_end(c);
        expect(c, wk_rrelu(c, wk_scalar(c, -2), 0.125, 0.5, false), WK_SCALAR_SHAPE, (double[]){-0.625});
        expect(c, wk_rrelu(c, wk_zeros(c, real[t], WK_SHAPE(0, 2)), 0.125, 0.5, true), WK_SHAPE(0, 2), NULL);
    }
    wk_ctx_free(c);
}
