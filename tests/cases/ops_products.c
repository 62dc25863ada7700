/* The case driver's products. */
#include "cases.h"

#include <string.h>

#define ONE(expr)                                                                                            \
    do {                                                                                                     \
        out[0] = (expr);                                                                                     \
        return 1;                                                                                            \
    } while (0)
#define OP(name) static int name(struct run *r, wk_tensor *out)

OP(einsum)
{
    wk_tensor x[64];
    const int n = tensors(r, "operands", x, 64);
    ONE(wk_einsum(r->c, text(r, "equation", ""), n, x));
}
/* dims: a number of dims or two lists */
OP(tensordot)
{
    wk_tensor     a = tensor(r, "a"), b = tensor(r, "b");
    const json_t *dims = NULL;
    wk_shape      da = {0}, db = {0};
    for (int i = 0; i < r->n_params; i++)
        if (!strcmp(r->params[i], "dims")) dims = r->values[i];
    if (json_is_array(dims) && json_array_size(dims) == 2) {
        wk_shape *const to[] = {&da, &db};
        for (size_t o = 0; o < 2; o++) {
            const json_t *list = json_array_get(dims, o);
            for (size_t i = 0; i < json_array_size(list) && i < WK_MAX_DIMS; i++)
                to[o]->dim[to[o]->ndim++] = json_integer_value(json_array_get(list, i));
        }
        ONE(wk_tensordot(r->c, a, b, da, db));
    }
    da.ndim = db.ndim = (int)integer(r, "dims", 2);
    for (int i = 0; i < da.ndim && i < WK_MAX_DIMS; i++) {
        da.dim[i] = a->ndim - da.ndim + i;
        db.dim[i] = i;
    }
    ONE(wk_tensordot(r->c, a, b, da, db));
}
OP(dot)
{
    ONE(wk_dot(r->c, tensor(r, "input"), tensor(r, "other")));
}
OP(vecdot)
{
    ONE(wk_vecdot(r->c, tensor(r, "input"), tensor(r, "other"), (int)integer(r, "dim", -1)));
}
OP(mv)
{
    ONE(wk_mv(r->c, tensor(r, "input"), tensor(r, "vec")));
}
OP(mm)
{
    ONE(wk_mm(r->c, tensor(r, "input"), tensor(r, "mat2")));
}
OP(bmm)
{
    ONE(wk_bmm(r->c, tensor(r, "input"), tensor(r, "mat2")));
}
OP(rmatmul)
{
    ONE(wk_matmul(r->c, tensor(r, "other"), tensor(r, "input")));
}
OP(outer)
{
    ONE(wk_outer(r->c, tensor(r, "input"), tensor(r, "vec2")));
}
OP(inner)
{
    ONE(wk_inner(r->c, tensor(r, "input"), tensor(r, "other")));
}
OP(kron)
{
    ONE(wk_kron(r->c, tensor(r, "input"), tensor(r, "other")));
}
/* Without dim torch.cross takes the first one with three values, torch.linalg.cross the last. */
OP(cross)
{
    wk_tensor a = tensor(r, "input");
    int       dim = 0;
    while (dim + 1 < a->ndim && a->shape[dim] != 3) dim++;
    ONE(wk_cross(r->c, a, tensor(r, "other"), (int)integer(r, "dim", dim)));
}
OP(linalg_cross)
{
    ONE(wk_cross(r->c, tensor(r, "input"), tensor(r, "other"), (int)integer(r, "dim", -1)));
}
OP(multi_dot)
{
    wk_tensor x[32];
    const int n = tensors(r, "tensors", x, 32);
    ONE(wk_multi_dot(r->c, n, x));
}

typedef wk_tensor (*add_fn)(wk_ctx *, wk_tensor, wk_tensor, wk_tensor, double, double);
static wk_tensor add(struct run *r, add_fn fn)
{
    return fn(r->c, tensor(r, "input"), tensor(r, "a"), tensor(r, "b"), real(r, "beta", 1),
              real(r, "alpha", 1));
}
OP(addmm)
{
    ONE(add(r, wk_addmm));
}
OP(addmv)
{
    ONE(add(r, wk_addmv));
}
OP(addr)
{
    ONE(add(r, wk_addr));
}
OP(baddbmm)
{
    ONE(add(r, wk_baddbmm));
}
OP(addbmm)
{
    ONE(add(r, wk_addbmm));
}

const struct op_row products_ops[] = {
    {"einsum", "operands equation", einsum},
    {"tensordot", "a b dims", tensordot},
    {"dot vdot", "input other", dot},
    {"vecdot", "input other dim", vecdot},
    {"mv", "input vec", mv},
    {"mm", "input mat2", mm},
    {"bmm", "input mat2", bmm},
    {"__rmatmul__", "input other", rmatmul},
    {"outer ger", "input vec2", outer},
    {"inner", "input other", inner},
    {"kron", "input other", kron},
    {"cross", "input other dim", cross},
    {"linalg.cross", "input other dim", linalg_cross},
    {"multi_dot", "tensors", multi_dot},
    {"addmm", "input a b beta alpha", addmm},
    {"addmv", "input a b beta alpha", addmv},
    {"addr", "input a b beta alpha", addr},
    {"baddbmm", "input a b beta alpha", baddbmm},
    {"addbmm", "input a b beta alpha", addbmm},
    {0},
};
