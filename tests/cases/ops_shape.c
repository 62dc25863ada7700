/* The case driver's making, viewing and rearranging. */
#include "cases.h"

#include <string.h>

#define ONE(expr)                                                                                            \
    do {                                                                                                     \
        out[0] = (expr);                                                                                     \
        return 1;                                                                                            \
    } while (0)
#define OP(name) static int name(struct run *r, wk_tensor *out)

static wk_tensor input(struct run *r)
{
    return tensor(r, "input");
}
static wk_shape shape_of(wk_tensor x)
{
    wk_shape s = {.ndim = x->ndim};
    for (int i = 0; i < x->ndim; i++) s.dim[i] = x->shape[i];
    return s;
}
static const json_t *raw(struct run *r, const char *name)
{
    for (int i = 0; i < r->n_params; i++)
        if (!strcmp(r->params[i], name)) return r->values[i];
    return NULL;
}

/* ---- making ----------------------------------------------------------------------------------------- */

/* The dtype asked for, or that of a number. */
static wk_dtype made(struct run *r, const char *value)
{
    const json_t *j = raw(r, value);
    return dtype(r, "dtype", json_is_boolean(j) ? WK_bool : json_is_integer(j) ? WK_i64 : WK_f32);
}
OP(ones)
{
    ONE(wk_ones(r->c, dtype(r, "dtype", WK_f32), sizes(r, "size")));
}
OP(zeros)
{
    ONE(wk_zeros(r->c, dtype(r, "dtype", WK_f32), sizes(r, "size")));
}
OP(full)
{
    ONE(wk_full(r->c, real(r, "fill_value", 0), made(r, "fill_value"), sizes(r, "size")));
}
OP(scalar_tensor)
{
    ONE(wk_full(r->c, real(r, "s", 0), dtype(r, "dtype", WK_f32), WK_SCALAR_SHAPE));
}
static int filled_like(struct run *r, wk_tensor *out, double value)
{
    wk_tensor x = input(r);
    wk_tensor y = value == 0   ? wk_zeros_like(r->c, x)
                  : value == 1 ? wk_ones_like(r->c, x)
                               : wk_full_like(r->c, x, value);
    if (given(r, "dtype")) y = wk_full(r->c, value, dtype(r, "dtype", x->dtype), shape_of(x));
    ONE(y);
}
OP(zeros_like)
{
    return filled_like(r, out, 0);
}
OP(ones_like)
{
    return filled_like(r, out, 1);
}
OP(full_like)
{
    return filled_like(r, out, real(r, "fill_value", 0));
}
static int filled_new(struct run *r, wk_tensor *out, double value)
{
    ONE(wk_full(r->c, value, dtype(r, "dtype", input(r)->dtype), sizes(r, "size")));
}
OP(new_zeros)
{
    return filled_new(r, out, 0);
}
OP(new_ones)
{
    return filled_new(r, out, 1);
}
OP(new_full)
{
    return filled_new(r, out, real(r, "fill_value", 0));
}
OP(arange)
{
    const bool   from = given(r, "end");
    const double a = real(r, "start", 0), b = real(r, "end", 0);
    bool         whole = true;
    const char  *names[] = {"start", "end", "step"};
    for (int i = 0; i < 3; i++) whole &= !given(r, names[i]) || !json_is_real(raw(r, names[i]));
    ONE(wk_arange(r->c, from ? a : 0, from ? b : a, real(r, "step", 1),
                  dtype(r, "dtype", whole ? WK_i64 : WK_f32)));
}
static double number_of(struct run *r, const char *name)
{
    return json_is_object(raw(r, name)) && json_object_get(raw(r, name), "t") ? wk_item(r->c, tensor(r, name))
                                                                              : real(r, name, 0);
}
OP(linspace)
{
    ONE(wk_linspace(r->c, number_of(r, "start"), number_of(r, "end"), integer(r, "steps", 100),
                    dtype(r, "dtype", WK_f32)));
}
OP(logspace)
{
    ONE(wk_logspace(r->c, number_of(r, "start"), number_of(r, "end"), integer(r, "steps", 100),
                    real(r, "base", 10), dtype(r, "dtype", WK_f32)));
}
OP(eye)
{
    const int64_t n = integer(r, "n", 0);
    ONE(wk_eye(r->c, n, integer(r, "m", n), dtype(r, "dtype", WK_f32)));
}
OP(tril_indices)
{
    ONE(wk_tril_indices(r->c, integer(r, "row", 0), integer(r, "col", 0), integer(r, "offset", 0)));
}
OP(triu_indices)
{
    ONE(wk_triu_indices(r->c, integer(r, "row", 0), integer(r, "col", 0), integer(r, "offset", 0)));
}

/* Tensors given as a list, or one after another. */
static int listed(struct run *r, wk_tensor *x, int most)
{
    const json_t *args = json_object_get(r->spec, "args"), *first = json_array_get(args, 0);
    const json_t *list = json_is_array(first) ? first : args;
    if (json_array_size(list) > (size_t)most) stop(r, CASE_UNSUPPORTED, "%zu tensors", json_array_size(list));
    for (size_t i = 0; i < json_array_size(list); i++) x[i] = from_json(r, json_array_get(list, i));
    return (int)json_array_size(list);
}
OP(meshgrid)
{
    wk_tensor   x[WK_MAX_DIMS];
    const int   n = listed(r, x, WK_MAX_DIMS);
    const char *how = json_string_value(json_object_get(json_object_get(r->spec, "kwargs"), "indexing"));
    wk_meshgrid(r->c, n, x, how && !strcmp(how, "xy"), out);
    return n;
}
OP(broadcast_tensors)
{
    wk_tensor x[MAX_RESULTS];
    const int n = listed(r, x, MAX_RESULTS);
    wk_broadcast_tensors(r->c, n, x, out);
    return n;
}
OP(block_diag)
{
    wk_tensor x[16];
    const int n = listed(r, x, 16);
    ONE(wk_block_diag(r->c, n, x));
}
OP(cartesian_prod)
{
    wk_tensor x[WK_MAX_DIMS];
    const int n = listed(r, x, WK_MAX_DIMS);
    ONE(wk_cartesian_prod(r->c, n, x));
}
OP(combinations)
{
    ONE(wk_combinations(r->c, input(r), integer(r, "r", 2), truth(r, "with_replacement", false)));
}

/* ---- views ------------------------------------------------------------------------------------------ */

OP(movedim)
{
    ONE(wk_movedim(r->c, input(r), sizes(r, "source"), sizes(r, "destination")));
}
OP(swapaxes)
{
    ONE(wk_swapaxes(r->c, input(r), (int)integer(r, "a", 0), (int)integer(r, "b", 1)));
}
OP(turned)
{
    wk_tensor x = input(r);
    ONE(x->ndim < 2 ? x : wk_transpose(r->c, x, -1, -2));
}
OP(squeeze)
{
    wk_tensor      x = input(r);
    const wk_shape dims = sizes(r, "dim");
    if (given(r, "dim") && dims.ndim == 0) ONE(x);
    ONE(wk_squeeze_dims(r->c, x, dims));
}
OP(unflatten)
{
    ONE(wk_unflatten(r->c, input(r), (int)integer(r, "dim", 0), sizes(r, "sizes")));
}
static int at_least(struct run *r, wk_tensor *out, wk_tensor (*fn)(wk_ctx *, wk_tensor))
{
    wk_tensor x[MAX_RESULTS];
    const int n = listed(r, x, MAX_RESULTS);
    for (int i = 0; i < n; i++) out[i] = fn(r->c, x[i]);
    return n;
}
OP(atleast_1d)
{
    return at_least(r, out, wk_atleast_1d);
}
OP(atleast_2d)
{
    return at_least(r, out, wk_atleast_2d);
}
OP(atleast_3d)
{
    return at_least(r, out, wk_atleast_3d);
}
OP(split)
{
    const int      d = (int)integer(r, "dim", 0);
    const wk_shape s = sizes(r, "size");
    if (json_is_array(raw(r, "size"))) return wk_split_sizes(r->c, input(r), s, d, out, MAX_RESULTS);
    return wk_split(r->c, input(r), s.dim[0], d, out, MAX_RESULTS);
}
OP(chunk)
{
    return wk_chunk(r->c, input(r), integer(r, "chunks", 1), (int)integer(r, "dim", 0), out, MAX_RESULTS);
}
/* in equal parts, or before each position of a list or tensor */
static int parted(struct run *r, wk_tensor *out, int d)
{
    int64_t       at[MAX_RESULTS] = {0};
    int           n = 0;
    const json_t *j = raw(r, "at");
    if (json_is_object(j)) {
        wk_tensor t = wk_cast(r->c, tensor(r, "at"), WK_i64);
        n = (int)wk_count(t);
        if (n > MAX_RESULTS) stop(r, CASE_UNSUPPORTED, "%d positions", n);
        wk_read(r->c, t, at);
        if (t->ndim == 0) return wk_tensor_split(r->c, input(r), at[0], d, out, MAX_RESULTS);
    } else {
        n = integers(r, "at", at, MAX_RESULTS);
        if (!json_is_array(j)) return wk_tensor_split(r->c, input(r), at[0], d, out, MAX_RESULTS);
    }
    return wk_tensor_split_at(r->c, input(r), n, at, d, out, MAX_RESULTS);
}
OP(tensor_split)
{
    return parted(r, out, (int)integer(r, "dim", 0));
}
#define SIDES(name)                                                                                          \
    OP(name)                                                                                                 \
    {                                                                                                        \
        int64_t   at[MAX_RESULTS];                                                                           \
        const int n = integers(r, "at", at, MAX_RESULTS);                                                    \
        if (!is_list(r, "at")) return wk_##name(r->c, input(r), at[0], out, MAX_RESULTS);                    \
        return wk_##name##_at(r->c, input(r), n, at, out, MAX_RESULTS);                                      \
    }
SIDES(hsplit)
SIDES(vsplit)
SIDES(dsplit)
OP(unbind)
{
    return wk_unbind(r->c, input(r), (int)integer(r, "dim", 0), out, MAX_RESULTS);
}
OP(diagonal)
{
    ONE(wk_diagonal(r->c, input(r), integer(r, "offset", 0), (int)integer(r, "dim1", 0),
                    (int)integer(r, "dim2", 1)));
}
OP(linalg_diagonal)
{
    ONE(wk_diagonal(r->c, input(r), integer(r, "offset", 0), (int)integer(r, "dim1", -2),
                    (int)integer(r, "dim2", -1)));
}
OP(unfold)
{
    ONE(wk_unfold(r->c, input(r), (int)integer(r, "dimension", 0), integer(r, "size", 1),
                  integer(r, "step", 1)));
}
OP(as_strided)
{
    ONE(wk_as_strided(r->c, input(r), sizes(r, "size"), sizes(r, "stride"), integer(r, "storage_offset", 0)));
}
OP(diag)
{
    ONE(wk_diag(r->c, input(r), integer(r, "diagonal", 0)));
}
OP(diag_embed)
{
    ONE(wk_diag_embed(r->c, input(r), integer(r, "offset", 0), (int)integer(r, "dim1", -2),
                      (int)integer(r, "dim2", -1)));
}
OP(diagflat)
{
    ONE(wk_diagflat(r->c, input(r), integer(r, "offset", 0)));
}
OP(trace)
{
    ONE(wk_sum(r->c, wk_diagonal(r->c, input(r), 0, 0, 1), WK_ALL_DIMS, false));
}
OP(slice)
{
    ONE(wk_slice(r->c, input(r), (int)integer(r, "dim", 0), integer(r, "start", 0),
                 integer(r, "end", INT64_MAX), integer(r, "step", 1)));
}
OP(slice_scatter)
{
    ONE(wk_slice_scatter(r->c, input(r), tensor(r, "src"), (int)integer(r, "dim", 0), integer(r, "start", 0),
                         integer(r, "end", INT64_MAX), integer(r, "step", 1)));
}
OP(select_scatter)
{
    ONE(wk_select_scatter(r->c, input(r), tensor(r, "src"), (int)integer(r, "dim", 0),
                          integer(r, "index", 0)));
}
OP(diagonal_scatter)
{
    ONE(wk_diagonal_scatter(r->c, input(r), tensor(r, "src"), integer(r, "offset", 0),
                            (int)integer(r, "dim1", 0), (int)integer(r, "dim2", 1)));
}
OP(ravel)
{
    ONE(wk_flatten(r->c, input(r), 0, -1));
}
OP(reshape_as)
{
    ONE(wk_reshape(r->c, input(r), shape_of(tensor(r, "other"))));
}
OP(expand_as)
{
    ONE(wk_expand(r->c, input(r), shape_of(tensor(r, "other"))));
}
OP(sum_to_size)
{
    wk_tensor      x = input(r);
    const wk_shape s = sizes(r, "size");
    wk_shape       dims = {0};
    for (int i = 0; i < x->ndim; i++) {
        const int j = i - (x->ndim - s.ndim);
        if (j < 0 || s.dim[j] != x->shape[i]) dims.dim[dims.ndim++] = i;
    }
    ONE(dims.ndim                             ? wk_reshape(r->c, wk_sum(r->c, x, dims, true), s)
        : x->dtype == WK_bool && x->ndim == 0 ? wk_cast(r->c, x, WK_i64)
                                              : x);
}

/* ---- rearranging ------------------------------------------------------------------------------------ */

typedef wk_tensor (*joining)(wk_ctx *, int, const wk_tensor *);
static int joined(struct run *r, wk_tensor *out, joining fn)
{
    wk_tensor x[64];
    const int n = tensors(r, "tensors", x, 64);
    ONE(fn(r->c, n, x));
}
OP(hstack)
{
    return joined(r, out, wk_hstack);
}
OP(vstack)
{
    return joined(r, out, wk_vstack);
}
OP(dstack)
{
    return joined(r, out, wk_dstack);
}
OP(column_stack)
{
    return joined(r, out, wk_column_stack);
}
OP(tile)
{
    ONE(wk_tile(r->c, input(r), sizes(r, "dims")));
}
OP(repeat_interleave)
{
    wk_tensor  x = input(r);
    const bool whole = !given(r, "dim");
    if (whole) x = wk_flatten(r->c, x, 0, -1);
    const int d = whole ? 0 : (int)integer(r, "dim", 0);
    if (json_is_object(raw(r, "repeats"))) ONE(wk_repeat_interleave_each(r->c, x, tensor(r, "repeats"), d));
    ONE(wk_repeat_interleave(r->c, x, integer(r, "repeats", 1), d));
}
OP(flip)
{
    wk_tensor x = input(r);
    ONE(sizes(r, "dims").ndim ? wk_flip(r->c, x, sizes(r, "dims")) : x);
}
OP(fliplr)
{
    ONE(wk_fliplr(r->c, input(r)));
}
OP(flipud)
{
    ONE(wk_flipud(r->c, input(r)));
}
OP(roll)
{
    ONE(wk_roll(r->c, input(r), sizes(r, "shifts"), sizes(r, "dims")));
}
OP(rot90)
{
    const wk_shape dims = sizes(r, "dims");
    ONE(wk_rot90(r->c, input(r), integer(r, "k", 1), dims.ndim == 2 ? (int)dims.dim[0] : 0,
                 dims.ndim == 2 ? (int)dims.dim[1] : 1));
}
OP(pad)
{
    static const char *const modes[] = {"reflect", "replicate", "circular"};
    int64_t                  pads[2 * WK_MAX_DIMS];
    const int                n = integers(r, "pad", pads, 2 * WK_MAX_DIMS);
    const char              *mode = text(r, "mode", "constant");
    if (!strcmp(mode, "constant")) ONE(wk_pad(r->c, input(r), n, pads, real(r, "value", 0)));
    for (int i = 0; i < 3; i++)
        if (!strcmp(mode, modes[i])) ONE(wk_pad_with(r->c, input(r), n, pads, (wk_pad_mode)i));
    stop(r, CASE_UNSUPPORTED, "mode %s", mode);
}
OP(constant_pad)
{
    int64_t   pads[2 * WK_MAX_DIMS];
    const int n = integers(r, "pad", pads, 2 * WK_MAX_DIMS);
    ONE(wk_pad(r->c, input(r), n, pads, real(r, "value", 0)));
}

#define MADE " dtype device layout requires_grad pin_memory memory_format"

const struct op_row shape_ops[] = {
    {"ones", "size" MADE, ones},
    {"zeros", "size" MADE, zeros},
    {"full", "size fill_value" MADE, full},
    {"scalar_tensor", "s" MADE, scalar_tensor},
    {"zeros_like", "input" MADE, zeros_like},
    {"ones_like", "input" MADE, ones_like},
    {"full_like", "input fill_value" MADE, full_like},
    {"new_zeros", "input size" MADE, new_zeros},
    {"new_ones", "input size" MADE, new_ones},
    {"new_full", "input size fill_value" MADE, new_full},
    {"arange", "start end step" MADE, arange},
    {"linspace", "start end steps" MADE, linspace},
    {"logspace", "start end steps base" MADE, logspace},
    {"eye", "n m" MADE, eye},
    {"tril_indices", "row col offset" MADE, tril_indices},
    {"triu_indices", "row col offset" MADE, triu_indices},
    {"meshgrid", "t0 t1 t2 t3 t4 t5 t6 t7 indexing", meshgrid},
    {"broadcast_tensors", "t0 t1 t2 t3 t4 t5 t6 t7", broadcast_tensors},
    {"block_diag", "t0 t1 t2 t3 t4 t5 t6 t7", block_diag},
    {"cartesian_prod", "t0 t1 t2 t3 t4 t5 t6 t7", cartesian_prod},
    {"combinations", "input r with_replacement", combinations},
    {"movedim moveaxis", "input source destination", movedim},
    {"swapaxes swapdims", "input a b", swapaxes},
    {"mT mH T H adjoint", "input", turned},
    {"squeeze squeeze_copy", "input dim", squeeze},
    {"unflatten", "input dim sizes", unflatten},
    {"atleast_1d", "t0 t1 t2 t3 t4 t5 t6 t7", atleast_1d},
    {"atleast_2d", "t0 t1 t2 t3 t4 t5 t6 t7", atleast_2d},
    {"atleast_3d", "t0 t1 t2 t3 t4 t5 t6 t7", atleast_3d},
    {"split split_with_sizes split_with_sizes_copy unsafe_split", "input size dim", split},
    {"chunk unsafe_chunk", "input chunks dim", chunk},
    {"tensor_split", "input at dim", tensor_split},
    {"hsplit", "input at", hsplit},
    {"vsplit", "input at", vsplit},
    {"dsplit", "input at", dsplit},
    {"unbind unbind_copy", "input dim", unbind},
    {"diagonal diagonal_copy", "input offset dim1 dim2", diagonal},
    {"linalg.diagonal", "input offset dim1 dim2", linalg_diagonal},
    {"Tensor.unfold unfold_copy", "input dimension size step", unfold},
    {"as_strided as_strided_copy", "input size stride storage_offset", as_strided},
    {"diag", "input diagonal", diag},
    {"diag_embed", "input offset dim1 dim2", diag_embed},
    {"diagflat", "input offset", diagflat},
    {"trace", "input", trace},
    {"slice", "input dim start end step", slice},
    {"slice_scatter", "input src dim start end step", slice_scatter},
    {"select_scatter", "input src dim index", select_scatter},
    {"diagonal_scatter", "input src offset dim1 dim2", diagonal_scatter},
    {"ravel", "input", ravel},
    {"reshape_as view_as", "input other", reshape_as},
    {"expand_as", "input other", expand_as},
    {"sum_to_size", "input *size", sum_to_size},
    {"hstack", "tensors", hstack},
    {"vstack row_stack", "tensors", vstack},
    {"dstack", "tensors", dstack},
    {"column_stack", "tensors", column_stack},
    {"tile", "input *dims", tile},
    {"repeat_interleave", "input repeats dim output_size", repeat_interleave},
    {"flip", "input *dims", flip},
    {"fliplr", "input", fliplr},
    {"flipud", "input", flipud},
    {"roll", "input shifts dims", roll},
    {"rot90", "input k dims", rot90},
    {"pad", "input pad mode value", pad},
    {"constant_pad_nd", "input pad value", constant_pad},
    {0},
};
