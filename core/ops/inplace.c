/* Elementwise ops that write their result over an operand. */
#include "core/ctx.h"

#include <math.h>

/* May a kernel read x while dst is written? If it lies elsewhere, or is read place for place. */
static bool apart(wk_tensor dst, wk_tensor x)
{
    return x->storage != dst->storage ||
           (x->offset == dst->offset && wk_count(x) == wk_count(dst) && wk_is_dense(x));
}

/* Is the result of dst's dtype and in its places, so that a kernel can write it there? */
static bool direct(const wk_call *k)
{
    const wk_tensor dst = k->in[0];
    bool            fit = wk_is_dense(dst) && !wki_is_block(dst->dtype) && dst->dtype != WK_bool;
    for (int i = 1; i < k->n_in && fit; i++)
        fit = wki_result_dtype(dst, k->in[i]) == dst->dtype && !wki_is_block(k->in[i]->dtype) &&
              apart(dst, k->in[i]);
    return fit && (wki_dtype_class(dst->dtype) == 'F' || (k->op != WK_OP_lerp && k->op != WK_OP_addcdiv));
}

static bool above(wk_dtype t, wk_dtype dst)
{
    const char from = wki_is_block(t) ? 'F' : wki_dtype_class(t), to = wki_dtype_class(dst);
    return from != to && (to == 'B' || from == 'F');
}

/* in[0] becomes the op of all of `in`. */
static void write_over(wk_ctx *c, const char *name, wk_op op, int n, const wk_tensor *in, double value)
{
    const wk_tensor dst = in[0];
    for (int i = 0; i < n; i++)
        if (!wki_goes_into(c, name, dst, in[i])) return;
    if (value != trunc(value) && wki_dtype_class(dst->dtype) != 'F') {
        wk_fail(c, WK_EARG, "%s: %g times integers", name, value);
        return;
    }
    const wk_call k = {
        .op = op, .cls = wki_class_of(dst->dtype), .n_in = n, .in = in, .out = {dst}, .attr.f = {value}};
    if (wki_has(c, op) && direct(&k)) {
        wki_run(c, &k);
        return;
    }
    const wk_scope  s = wk_scope_begin(c);
    const wk_tensor y = op == WK_OP_add       ? wk_add(c, dst, in[1])
                        : op == WK_OP_mul     ? wk_mul(c, dst, in[1])
                        : op == WK_OP_lerp    ? wk_lerp(c, dst, in[1], in[2])
                        : op == WK_OP_addcmul ? wk_addcmul(c, dst, in[1], in[2], value)
                                              : wk_addcdiv(c, dst, in[1], in[2], value);
    if (!wki_failed(c) && (wki_is_block(dst->dtype) || above(y->dtype, dst->dtype)))
        wk_fail(c, WK_EDTYPE, "%s: a result of %s does not go into %s", name, wk_dtype_name(y->dtype),
                wk_dtype_name(dst->dtype));
    wk_copy_into(c, dst, y);
    wk_scope_end(c, s, WK_NONE);
}

void wk_add_into(wk_ctx *c, wk_tensor dst, wk_tensor x, double alpha)
{
    const bool      plain = alpha == 1;
    const wk_tensor in[] = {dst, x, plain ? x : wk_scalar_int(c, 1)};
    write_over(c, "add_into", plain ? WK_OP_add : WK_OP_addcmul, plain ? 2 : 3, in, alpha);
}
void wk_mul_into(wk_ctx *c, wk_tensor dst, wk_tensor x)
{
    write_over(c, "mul_into", WK_OP_mul, 2, (const wk_tensor[]){dst, x}, 1);
}
void wk_lerp_into(wk_ctx *c, wk_tensor dst, wk_tensor end, wk_tensor weight)
{
    write_over(c, "lerp_into", WK_OP_lerp, 3, (const wk_tensor[]){dst, end, weight}, 1);
}
void wk_addcmul_into(wk_ctx *c, wk_tensor dst, wk_tensor a, wk_tensor b, double value)
{
    write_over(c, "addcmul_into", WK_OP_addcmul, 3, (const wk_tensor[]){dst, a, b}, value);
}
void wk_addcdiv_into(wk_ctx *c, wk_tensor dst, wk_tensor a, wk_tensor b, double value)
{
    write_over(c, "addcdiv_into", WK_OP_addcdiv, 3, (const wk_tensor[]){dst, a, b}, value);
}
