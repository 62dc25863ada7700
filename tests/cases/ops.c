/* The ops that cases may name, each as a short adapter from PyTorch's arguments to wick's. */
#include "cases.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define ONE(expr)                                                                                            \
    do {                                                                                                     \
        out[0] = (expr);                                                                                     \
        return 1;                                                                                            \
    } while (0)
#define OP(name) static int name(struct run *r, wk_tensor *out)

/* ---- elementwise: one adapter for each line of unary.def and binary.def ---------------------- */

static wk_tensor operand(struct run *r, const char *name)
{
    return tensor(r, name);
}

#define WK_UNARY(name, y, dy)                                                                                \
    OP(op_##name)                                                                                            \
    {                                                                                                        \
        ONE(wk_##name(r->c, operand(r, "input")));                                                           \
    }
#define WK_UNARY_ANY(name, y, dy, iy) WK_UNARY(name, y, dy)
#define WK_UNARY_P(name, y, dy)
#define WK_UNARY_P_ANY(name, y, dy, iy)
#define WK_UNARY_TEST(name, y) WK_UNARY(name, y, 0)
#include "core/unary.def"
#undef WK_UNARY
#undef WK_UNARY_ANY
#undef WK_UNARY_P
#undef WK_UNARY_P_ANY
#undef WK_UNARY_TEST
#define WK_BINARY(name, y, da, db)                                                                           \
    OP(op_##name)                                                                                            \
    {                                                                                                        \
        ONE(wk_##name(r->c, operand(r, "input"), operand(r, "other")));                                      \
    }
#define WK_BINARY_ANY(name, y, da, db, iy) WK_BINARY(name, y, da, db)
#define WK_BINARY_INT(name, y)             WK_BINARY(name, y, 0, 0)
#define WK_COMPARE(name, y)                WK_BINARY(name, y, 0, 0)
#include "core/binary.def"
#undef WK_BINARY
#undef WK_BINARY_ANY
#undef WK_BINARY_INT
#undef WK_COMPARE

static const struct op_row listed[] = {
#define WK_UNARY(name, y, dy)         {#name, "input inplace", op_##name},
#define WK_UNARY_ANY(name, y, dy, iy) WK_UNARY(name, y, dy)
#define WK_UNARY_P(name, y, dy)
#define WK_UNARY_P_ANY(name, y, dy, iy)
#define WK_UNARY_TEST(name, y) WK_UNARY(name, y, 0)
#include "core/unary.def"
#undef WK_UNARY
#undef WK_UNARY_ANY
#undef WK_UNARY_P
#undef WK_UNARY_P_ANY
#undef WK_UNARY_TEST
#define WK_BINARY(name, y, da, db)         {#name, "input other", op_##name},
#define WK_BINARY_ANY(name, y, da, db, iy) WK_BINARY(name, y, da, db)
#define WK_BINARY_INT(name, y)             WK_BINARY(name, y, 0, 0)
#define WK_COMPARE(name, y)                WK_BINARY(name, y, 0, 0)
#include "core/binary.def"
#undef WK_BINARY
#undef WK_BINARY_ANY
#undef WK_BINARY_INT
#undef WK_COMPARE
};

/* ---- activations with parameters ------------------------------------------------------------- */

#define PARAMETERS(name, p, q)                                                                               \
    OP(name)                                                                                                 \
    {                                                                                                        \
        ONE(wk_##name(r->c, tensor(r, "input"), p, q));                                                      \
    }
PARAMETERS(leaky_relu, real(r, "negative_slope", 0.01), 0)
PARAMETERS(elu, real(r, "alpha", 1), 0)
PARAMETERS(celu, real(r, "alpha", 1), 0)
PARAMETERS(softplus, real(r, "beta", 1), real(r, "threshold", 20))
PARAMETERS(hardtanh, real(r, "min_val", -1), real(r, "max_val", 1))
PARAMETERS(softshrink, real(r, "lambd", 0.5), 0)
PARAMETERS(hardshrink, real(r, "lambd", 0.5), 0)
PARAMETERS(threshold, real(r, "threshold", 0), real(r, "value", 0))

OP(lerp)
{
    ONE(wk_lerp(r->c, tensor(r, "input"), tensor(r, "end"), tensor(r, "weight")));
}
OP(bitwise_not)
{
    ONE(wk_bitwise_not(r->c, tensor(r, "input")));
}
OP(logit_eps)
{
    wk_tensor x = tensor(r, "input");
    if (!given(r, "eps")) ONE(wk_logit(r->c, x));
    wk_tensor low = wk_scalar(r->c, real(r, "eps", 0)), high = wk_scalar(r->c, 1 - real(r, "eps", 0));
    ONE(wk_logit(r->c, wk_where(r->c, wk_lt(r->c, x, low), low, wk_minimum(r->c, x, high))));
}

/* a +- alpha b */
static wk_tensor scaled(struct run *r)
{
    wk_tensor b = tensor(r, "other");
    return given(r, "alpha") ? wk_mul(r->c, b, tensor(r, "alpha")) : b;
}
OP(add)
{
    ONE(wk_add(r->c, tensor(r, "input"), scaled(r)));
}
OP(sub)
{
    ONE(wk_sub(r->c, tensor(r, "input"), scaled(r)));
}
/* torch.where, and OpInfo's order of it: input, condition, other */
OP(where)
{
    wk_tensor  a = tensor(r, "condition"), b = tensor(r, "input"), other = tensor(r, "other");
    const bool turned = b->dtype == WK_bool && a->dtype != WK_bool;
    ONE(turned ? wk_where(r->c, b, a, other) : wk_where(r->c, a, b, other));
}

/* ---- views and copies ------------------------------------------------------------------------ */

OP(reshape)
{
    ONE(wk_reshape(r->c, tensor(r, "input"), sizes(r, "shape")));
}
OP(permute)
{
    ONE(wk_permute(r->c, tensor(r, "input"), sizes(r, "dims")));
}
OP(transpose)
{
    ONE(wk_transpose(r->c, tensor(r, "input"), (int)integer(r, "dim0", 0), (int)integer(r, "dim1", 1)));
}
OP(t)
{
    wk_tensor x = tensor(r, "input");
    ONE(x->ndim < 2 ? x : wk_transpose(r->c, x, 0, 1));
}
OP(select_)
{
    ONE(wk_select(r->c, tensor(r, "input"), (int)integer(r, "dim", 0), integer(r, "index", 0)));
}
OP(expand)
{
    ONE(wk_expand(r->c, tensor(r, "input"), sizes(r, "size")));
}
OP(unsqueeze)
{
    ONE(wk_unsqueeze(r->c, tensor(r, "input"), (int)integer(r, "dim", 0)));
}
OP(flatten)
{
    ONE(wk_flatten(r->c, tensor(r, "input"), (int)integer(r, "start_dim", 0),
                   (int)integer(r, "end_dim", -1)));
}
OP(contiguous)
{
    ONE(wk_contiguous(r->c, tensor(r, "input")));
}
OP(clone_)
{
    ONE(wk_clone(r->c, tensor(r, "input")));
}
OP(cast)
{
    wk_tensor x = tensor(r, "input");
    ONE(wk_cast(r->c, x, dtype(r, "dtype", x->dtype)));
}
#define CAST(name, t)                                                                                        \
    OP(to_##name)                                                                                            \
    {                                                                                                        \
        ONE(wk_cast(r->c, tensor(r, "input"), t));                                                           \
    }
CAST(bool, WK_bool)
CAST(byte, WK_u8)
CAST(char, WK_i8)
CAST(short, WK_i16)
CAST(int, WK_i32)
CAST(long, WK_i64)
CAST(half, WK_f16)
CAST(bfloat16, WK_bf16)
CAST(float, WK_f32)
CAST(double, WK_f64)
OP(cat)
{
    wk_tensor x[64];
    const int n = tensors(r, "tensors", x, 64);
    ONE(wk_cat(r->c, n, x, (int)integer(r, "dim", 0)));
}
OP(stack)
{
    wk_tensor x[64];
    const int n = tensors(r, "tensors", x, 64);
    ONE(wk_stack(r->c, n, x, (int)integer(r, "dim", 0)));
}
OP(repeat)
{
    ONE(wk_repeat(r->c, tensor(r, "input"), sizes(r, "repeats")));
}
OP(tril)
{
    ONE(wk_tril(r->c, tensor(r, "input"), integer(r, "diagonal", 0)));
}
OP(triu)
{
    ONE(wk_triu(r->c, tensor(r, "input"), integer(r, "diagonal", 0)));
}

/* ---- index ----------------------------------------------------------------------------------- */

OP(index_select)
{
    ONE(wk_index_select(r->c, tensor(r, "input"), (int)integer(r, "dim", 0), tensor(r, "index")));
}
OP(gather)
{
    only_default(r, "sparse_grad");
    ONE(wk_gather(r->c, tensor(r, "input"), (int)integer(r, "dim", 0), tensor(r, "index")));
}
OP(scatter_add)
{
    ONE(wk_scatter_add(r->c, tensor(r, "input"), (int)integer(r, "dim", 0), tensor(r, "index"),
                       tensor(r, "src")));
}
OP(embedding)
{
    only_default(r, "max_norm");
    only_default(r, "scale_grad_by_freq");
    only_default(r, "sparse");
    wk_tensor  w = tensor(r, "weight"), i = tensor(r, "input");
    const bool turned = w->dtype == WK_i64 || w->dtype == WK_i32; /* OpInfo's order: weight, input */
    wk_tensor  table = turned ? i : w, tokens = turned ? w : i;
    ONE(given(r, "padding_idx") ? wk_embedding_padded(r->c, table, tokens, integer(r, "padding_idx", 0))
                                : wk_embedding_rows(r->c, table, tokens));
}
OP(embedding_bag)
{
    wk_tensor   a = tensor(r, "input"), b = tensor(r, "weight");
    const bool  turned = b->dtype == WK_i64 || b->dtype == WK_i32; /* OpInfo's order: weight, input */
    const char *mode = text(r, "mode", "mean");
    only_default(r, "max_norm");
    only_default(r, "scale_grad_by_freq");
    only_default(r, "sparse");
    ONE(wk_embedding_bag(r->c, turned ? a : b, turned ? b : a, tensor_or_none(r, "offsets"),
                         (wk_bag_opts){.mode = !strcmp(mode, "sum")   ? WK_BAG_SUM
                                               : !strcmp(mode, "max") ? WK_BAG_MAX
                                                                      : WK_BAG_MEAN,
                                       .weights = tensor_or_none(r, "per_sample_weights"),
                                       .has_padding = given(r, "padding_idx"),
                                       .padding = integer(r, "padding_idx", 0),
                                       .last_offset = truth(r, "include_last_offset", false)}));
}
OP(local_response_norm)
{
    ONE(wk_local_response_norm(r->c, tensor(r, "input"), integer(r, "size", 1), real(r, "alpha", 1e-4),
                               real(r, "beta", 0.75), real(r, "k", 1)));
}
OP(topk)
{
    out[0] = wk_topk(r->c, tensor(r, "input"), integer(r, "k", 1), (int)integer(r, "dim", -1),
                     truth(r, "largest", true), &out[1]);
    return 2;
}

/* ---- reductions ------------------------------------------------------------------------------ */

typedef wk_tensor (*reduction)(wk_ctx *, wk_tensor, wk_shape, bool);
static wk_tensor reduce(struct run *r, reduction fn)
{
    wk_tensor x = tensor(r, "input");
    if (given(r, "dtype")) x = wk_cast(r->c, x, dtype(r, "dtype", x->dtype));
    return fn(r->c, x, sizes(r, "dim"), truth(r, "keepdim", false));
}
OP(amax)
{
    ONE(reduce(r, wk_amax));
}
OP(amin)
{
    ONE(reduce(r, wk_amin));
}
OP(any)
{
    ONE(reduce(r, wk_any));
}
OP(all)
{
    ONE(reduce(r, wk_all));
}
OP(logsumexp)
{
    ONE(reduce(r, wk_logsumexp));
}
typedef wk_tensor (*arg_reduction)(wk_ctx *, wk_tensor, int, bool);
static wk_tensor arg_reduce(struct run *r, arg_reduction fn)
{
    const int dim = given(r, "dim") ? (int)integer(r, "dim", 0) : WK_FLAT;
    return fn(r->c, tensor(r, "input"), dim, truth(r, "keepdim", false));
}
OP(argmax)
{
    ONE(arg_reduce(r, wk_argmax));
}
OP(argmin)
{
    ONE(arg_reduce(r, wk_argmin));
}
/* ---- products -------------------------------------------------------------------------------- */

OP(linear)
{
    wk_tensor w = tensor(r, "weight");
    if (w->ndim == 1) {
        wk_tensor y = wk_matmul(r->c, tensor(r, "input"), w);
        ONE(given(r, "bias") ? wk_add(r->c, y, tensor(r, "bias")) : y);
    }
    ONE(wk_affine(r->c, tensor(r, "input"), tensor(r, "weight"), tensor_or_none(r, "bias")));
}

/* ---- transformer ops ------------------------------------------------------------------------- */

static wk_tensor with_dtype(struct run *r, wk_tensor x)
{
    return given(r, "dtype") ? wk_cast(r->c, x, dtype(r, "dtype", x->dtype)) : x;
}
OP(softmax)
{
    wk_tensor x = with_dtype(r, tensor(r, "input"));
    ONE(wk_softmax(r->c, x, (int)integer(r, "dim", -1)));
}
OP(log_softmax)
{
    wk_tensor x = with_dtype(r, tensor(r, "input"));
    ONE(wk_log_softmax(r->c, x, (int)integer(r, "dim", -1)));
}
static wk_tensor flat(struct run *r, wk_tensor x, int n)
{
    return wk_is_none(x) || n == 1 ? x : wk_flatten(r->c, x, x->ndim - n, -1);
}
static wk_tensor like_input(struct run *r, wk_tensor y, wk_tensor x)
{
    return wk_reshape(r->c, y,
                      (wk_shape){x->ndim,
                                 {x->shape[0], x->shape[1], x->shape[2], x->shape[3], x->shape[4],
                                  x->shape[5], x->shape[6], x->shape[7]}});
}
OP(group_norm)
{
    ONE(wk_norm_groups(r->c, tensor(r, "input"), integer(r, "num_groups", 1), tensor_or_none(r, "weight"),
                       tensor_or_none(r, "bias"), real(r, "eps", 1e-5)));
}
static wk_norm_opts norm_options(struct run *r, bool own)
{
    return (wk_norm_opts){.weight = tensor_or_none(r, "weight"),
                          .bias = tensor_or_none(r, "bias"),
                          .running_mean = tensor_or_none(r, "running_mean"),
                          .running_var = tensor_or_none(r, "running_var"),
                          .own = own,
                          .factor = wk_full(r->c, real(r, "momentum", 0.1), WK_f64, WK_SCALAR_SHAPE)};
}
OP(batch_norm)
{
    ONE(wk_norm_batch(r->c, tensor(r, "input"), real(r, "eps", 1e-5),
                      norm_options(r, truth(r, "training", false))));
}
OP(instance_norm)
{
    ONE(wk_norm_instances(r->c, tensor(r, "input"), real(r, "eps", 1e-5),
                          norm_options(r, truth(r, "use_input_stats", true))));
}
OP(layer_norm)
{
    wk_tensor x = tensor(r, "input"), w = tensor_or_none(r, "weight"), b = tensor_or_none(r, "bias");
    const int n = wk_is_none(w) && wk_is_none(b) ? sizes(r, "normalized_shape").ndim : 1;
    ONE(like_input(r, wk_layer_norm(r->c, flat(r, x, n), w, b, real(r, "eps", 1e-5)), x));
}
OP(rms_norm)
{
    wk_tensor    x = tensor(r, "input"), w = tensor_or_none(r, "weight");
    const int    n = wk_is_none(w) ? sizes(r, "normalized_shape").ndim : 1;
    const double eps = x->dtype == WK_f64    ? 2.220446049250313e-16
                       : x->dtype == WK_f16  ? 0.0009765625
                       : x->dtype == WK_bf16 ? 0.0078125
                                             : 1.1920928955078125e-07;
    ONE(like_input(r, wk_rms_norm(r->c, flat(r, x, n), w, real(r, "eps", eps)), x));
}
OP(glu)
{
    ONE(wk_glu(r->c, tensor(r, "input"), (int)integer(r, "dim", -1)));
}
OP(gelu)
{
    wk_tensor x = tensor(r, "input");
    ONE(!strcmp(text(r, "approximate", "none"), "tanh") ? wk_gelu_tanh(r->c, x) : wk_gelu(r->c, x));
}
OP(sdpa)
{
    if (real(r, "dropout_p", 0) != 0) stop(r, CASE_UNSUPPORTED, "dropout_p");
    wk_tensor            q = tensor(r, "query"), k = tensor(r, "key"), v = tensor(r, "value");
    const wk_attend_opts o = {
        .scale = real(r, "scale", 0),
        .causal = truth(r, "is_causal", false),
        .start = truth(r, "is_causal", false) ? wk_make(r->c, &(int64_t){0}, WK_i64, WK_SHAPE(1)) : WK_NONE,
        .mask = tensor_or_none(r, "attn_mask")};
    ONE(wk_attend(r->c, q, k, v, o));
}
const struct op_row basic_ops[] = {
    {"leaky_relu", "input negative_slope inplace", leaky_relu},
    {"elu", "input alpha inplace", elu},
    {"celu", "input alpha inplace", celu},
    {"softplus", "input beta threshold", softplus},
    {"hardtanh", "input min_val max_val inplace", hardtanh},
    {"softshrink", "input lambd", softshrink},
    {"hardshrink", "input lambd", hardshrink},
    {"threshold", "input threshold value inplace", threshold},
    {"lerp", "input end weight", lerp},
    {"bitwise_not", "input", bitwise_not},
    {"logit", "input eps", logit_eps},
    {"expit", "input", op_sigmoid},
    {"psi", "input", op_digamma},
    {"gammaln", "input", op_lgamma},
    {"negative", "input", op_neg},
    {"fix", "input", op_trunc},
    {"arccos", "input", op_acos},
    {"arcsin", "input", op_asin},
    {"arctan", "input", op_atan},
    {"arccosh", "input", op_acosh},
    {"arcsinh", "input", op_asinh},
    {"arctanh", "input", op_atanh},
    {"arctan2", "input other", op_atan2},
    {"not_equal", "input other", op_ne},
    {"less", "input other", op_lt},
    {"less_equal", "input other", op_le},
    {"greater", "input other", op_gt},
    {"greater_equal", "input other", op_ge},
    {"add", "input other alpha", add},
    {"sub subtract", "input other alpha", sub},
    {"floor_divide", "input other", op_floor_div},
    {"where", "condition input other", where},
    {"reshape view view_copy", "input *shape", reshape},
    {"permute permute_copy", "input *dims", permute},
    {"transpose transpose_copy", "input dim0 dim1", transpose},
    {"t t_copy", "input", t},
    {"select", "input dim index", select_},
    {"expand broadcast_to expand_copy", "input *size", expand},
    {"unsqueeze unsqueeze_copy", "input dim", unsqueeze},
    {"flatten", "input start_dim end_dim", flatten},
    {"contiguous", "input", contiguous},
    {"clone alias_copy", "input", clone_},
    {"to type", "input dtype", cast},
    {"bool", "input memory_format", to_bool},
    {"byte", "input memory_format", to_byte},
    {"char", "input memory_format", to_char},
    {"short", "input memory_format", to_short},
    {"int", "input memory_format", to_int},
    {"long", "input memory_format", to_long},
    {"half", "input memory_format", to_half},
    {"bfloat16", "input memory_format", to_bfloat16},
    {"float", "input memory_format", to_float},
    {"double", "input memory_format", to_double},
    {"cat concat concatenate", "tensors dim", cat},
    {"stack", "tensors dim", stack},
    {"repeat", "input *repeats", repeat},
    {"tril", "input diagonal", tril},
    {"triu", "input diagonal", triu},
    {"index_select", "input dim index", index_select},
    {"gather", "input dim index sparse_grad", gather},
    {"scatter_add", "input dim index src", scatter_add},
    {"embedding", "input weight padding_idx max_norm norm_type scale_grad_by_freq sparse", embedding},
    {"topk", "input k dim largest sorted", topk},
    {"amax", "input dim keepdim", amax},
    {"amin", "input dim keepdim", amin},
    {"any", "input dim keepdim", any},
    {"all", "input dim keepdim", all},
    {"logsumexp", "input dim keepdim", logsumexp},
    {"argmax", "input dim keepdim", argmax},
    {"argmin", "input dim keepdim", argmin},
    {"linear", "input weight bias", linear},
    {"softmax", "input dim _stacklevel dtype", softmax},
    {"log_softmax", "input dim _stacklevel dtype", log_softmax},
    {"local_response_norm", "input size alpha beta k", local_response_norm},
    {"embedding_bag",
     "input weight offsets max_norm norm_type scale_grad_by_freq mode sparse per_sample_weights "
     "include_last_offset padding_idx",
     embedding_bag},
    {"group_norm", "input num_groups weight bias eps", group_norm},
    {"batch_norm", "input running_mean running_var weight bias training momentum eps", batch_norm},
    {"instance_norm", "input running_mean running_var weight bias use_input_stats momentum eps",
     instance_norm},
    {"layer_norm", "input normalized_shape weight bias eps", layer_norm},
    {"rms_norm", "input normalized_shape weight eps", rms_norm},
    {"glu", "input dim", glu},
    {"gelu", "input approximate", gelu},
    {"scaled_dot_product_attention", "query key value attn_mask dropout_p is_causal scale enable_gqa", sdpa},
    {0},
};

static bool among(const char *names, const char *name)
{
    const size_t n = strlen(name);
    for (const char *p = names; *p;) {
        const size_t w = strcspn(p, " ");
        if (w == n && !strncmp(p, name, n)) return true;
        p += w + (p[w] == ' ');
    }
    return false;
}

static const struct op_row *find_in(const struct op_row *table, const char *name)
{
    for (; table->names; table++)
        if (among(table->names, name)) return table;
    return NULL;
}

static const struct op_row *find_anywhere(const char *name)
{
    static const struct op_row *const families[] = {
#define FAMILY(name) name##_ops,
#include "families.def"
#undef FAMILY
    };
    for (size_t i = 0; i < sizeof families / sizeof *families; i++) {
        const struct op_row *row = find_in(families[i], name);
        if (row) return row;
    }
    for (size_t i = 0; i < sizeof listed / sizeof *listed; i++)
        if (!strcmp(listed[i].names, name)) return &listed[i];
    return NULL;
}

const struct op_row *find_op(const char *name)
{
    static const char *const places[] = {"nn.functional.", "special.", "linalg.", "Tensor."};
    if (!strncmp(name, "torch.", 6)) name += 6;
    if (!strcmp(name, "linalg.polar")) return NULL; /* a decomposition, not torch.polar */
    const struct op_row *row = find_anywhere(name);
    for (size_t i = 0; !row && i < sizeof places / sizeof *places; i++)
        if (!strncmp(name, places[i], strlen(places[i]))) row = find_anywhere(name + strlen(places[i]));
    return row;
}
