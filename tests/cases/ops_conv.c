/* The case driver's convolutions. */
#include "cases.h"

#include <string.h>

#define ONE(expr)                                                                                            \
    do {                                                                                                     \
        out[0] = (expr);                                                                                     \
        return 1;                                                                                            \
    } while (0)
#define OP(name) static int name(struct run *r, wk_tensor *out)

/* One integer for all dims, or one each. */
static void each(struct run *r, const char *name, int n, int64_t *to)
{
    const wk_shape s = sizes(r, name);
    for (int i = 0; i < n && s.ndim > 0; i++) to[i] = s.dim[i < s.ndim ? i : s.ndim - 1];
}

static bool is_text(struct run *r, const char *name)
{
    for (int i = 0; i < r->n_params; i++)
        if (!strcmp(r->params[i], name)) return r->values[i] && json_is_string(r->values[i]);
    return false;
}

typedef wk_tensor (*conv_fn)(wk_ctx *, wk_tensor, wk_tensor, wk_tensor, wk_conv_opts);

static wk_tensor convolve(struct run *r, conv_fn fn, int n)
{
    wk_conv_opts o = {.groups = integer(r, "groups", 1)};
    each(r, "stride", n, o.stride);
    each(r, "dilation", n, o.dilation);
    if (is_text(r, "padding"))
        o.same = !strcmp(text(r, "padding", ""), "same");
    else
        each(r, "padding", n, o.padding);
    if (fn == wk_conv_transpose1d || fn == wk_conv_transpose2d || fn == wk_conv_transpose3d)
        each(r, "output_padding", n, o.output_padding);
    return fn(r->c, tensor(r, "input"), tensor(r, "weight"), tensor_or_none(r, "bias"), o);
}
OP(conv1d)
{
    ONE(convolve(r, wk_conv1d, 1));
}
OP(conv2d)
{
    ONE(convolve(r, wk_conv2d, 2));
}
OP(conv3d)
{
    ONE(convolve(r, wk_conv3d, 3));
}
OP(conv_transpose1d)
{
    ONE(convolve(r, wk_conv_transpose1d, 1));
}
OP(conv_transpose2d)
{
    ONE(convolve(r, wk_conv_transpose2d, 2));
}
OP(conv_transpose3d)
{
    ONE(convolve(r, wk_conv_transpose3d, 3));
}

#define CONV       "input weight bias stride padding dilation groups"
#define TRANSPOSED "input weight bias stride padding output_padding groups dilation"
const struct op_row conv_ops[] = {
    {"conv1d", CONV, conv1d},
    {"conv2d", CONV, conv2d},
    {"conv3d", CONV, conv3d},
    {"conv_transpose1d", TRANSPOSED, conv_transpose1d},
    {"conv_transpose2d", TRANSPOSED, conv_transpose2d},
    {"conv_transpose3d", TRANSPOSED, conv_transpose3d},
    {0},
};
