/* The case driver's picking and writing by index. */
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
static int dim_of(struct run *r)
{
    return (int)integer(r, "dim", 0);
}
/* a position given as a number or as a tensor of one */
static int64_t position(struct run *r, const char *name)
{
    for (int i = 0; i < r->n_params; i++)
        if (!strcmp(r->params[i], name) && json_is_object(r->values[i]))
            return (int64_t)wk_item(r->c, tensor(r, name));
    return integer(r, name, 0);
}
OP(narrow)
{
    ONE(wk_narrow(r->c, input(r), dim_of(r), position(r, "start"), integer(r, "length", 0)));
}

static wk_tensor as(struct run *r, wk_tensor v, wk_tensor x)
{
    return v->dtype == x->dtype ? v : wk_cast(r->c, v, x->dtype);
}

static wk_reduce reduction(struct run *r, const char *name)
{
    static const char *const names[] = {"sum", "prod", "mean", "amax", "amin", "add", "multiply"};
    static const wk_reduce   hows[] = {WK_REDUCE_SUM,  WK_REDUCE_PROD, WK_REDUCE_MEAN, WK_REDUCE_AMAX,
                                       WK_REDUCE_AMIN, WK_REDUCE_SUM,  WK_REDUCE_PROD};
    const char              *how = text(r, name, "");
    for (int i = 0; i < 7; i++)
        if (!strcmp(how, names[i])) return hows[i];
    stop(r, CASE_UNSUPPORTED, "reduction %s", how);
}

OP(scatter)
{
    wk_tensor x = input(r), index = tensor(r, "index"), src = as(r, tensor(r, "src"), x);
    if (src->ndim == 0 && index->ndim > 0) { /* a number */
        wk_shape shape = {.ndim = index->ndim};
        for (int i = 0; i < shape.ndim; i++) shape.dim[i] = index->shape[i];
        src = wk_expand(r->c, src, shape);
    }
    if (!given(r, "reduce")) ONE(wk_scatter(r->c, x, dim_of(r), index, src));
    ONE(wk_scatter_reduce(r->c, x, dim_of(r), index, src, reduction(r, "reduce"), true));
}
OP(scatter_reduce)
{
    ONE(wk_scatter_reduce(r->c, input(r), dim_of(r), tensor(r, "index"), tensor(r, "src"),
                          reduction(r, "reduce"), truth(r, "include_self", true)));
}
OP(index_add)
{
    ONE(wk_index_add(r->c, input(r), dim_of(r), tensor(r, "index"), tensor(r, "source"),
                     real(r, "alpha", 1)));
}
OP(index_copy)
{
    ONE(wk_index_copy(r->c, input(r), dim_of(r), tensor(r, "index"), tensor(r, "source")));
}
OP(index_fill)
{
    ONE(wk_index_fill(r->c, input(r), dim_of(r), tensor(r, "index"), tensor(r, "value")));
}
OP(index_reduce)
{
    ONE(wk_index_reduce(r->c, input(r), dim_of(r), tensor(r, "index"), tensor(r, "source"),
                        reduction(r, "reduce"), truth(r, "include_self", true)));
}
OP(take)
{
    ONE(wk_take(r->c, input(r), tensor(r, "index")));
}
OP(put)
{
    ONE(wk_put(r->c, input(r), tensor(r, "index"), tensor(r, "source"), truth(r, "accumulate", false)));
}
OP(take_along_dim)
{
    wk_tensor x = input(r), index = tensor(r, "indices");
    if (given(r, "dim")) ONE(wk_take_along_dim(r->c, x, index, dim_of(r)));
    ONE(wk_gather(r->c, wk_flatten(r->c, x, 0, -1), 0, wk_flatten(r->c, index, 0, -1)));
}
OP(masked_select)
{
    ONE(wk_masked_select(r->c, input(r), tensor(r, "mask")));
}
OP(masked_fill)
{
    ONE(wk_masked_fill(r->c, input(r), tensor(r, "mask"), tensor(r, "value")));
}
OP(masked_scatter)
{
    ONE(wk_masked_scatter(r->c, input(r), tensor(r, "mask"), tensor(r, "source")));
}
OP(argwhere)
{
    ONE(wk_argwhere(r->c, input(r)));
}
OP(fill)
{
    wk_tensor all = wk_make(r->c, &(bool){true}, WK_bool, WK_SCALAR_SHAPE);
    ONE(wk_masked_fill(r->c, input(r), all, tensor(r, "value")));
}
OP(one_hot)
{
    ONE(wk_one_hot(r->c, input(r), integer(r, "num_classes", -1)));
}

/* ---- subscripts ------------------------------------------------------------------------------------- */

static wk_subscript entry(struct run *r, const json_t *j)
{
    const json_t *slice = json_object_get(j, "slice");
    if (json_is_null(j)) return WK_NEW;
    if (json_is_boolean(j)) return WK_T(wk_make(r->c, &(bool){json_is_true(j)}, WK_bool, WK_SCALAR_SHAPE));
    if (json_is_integer(j)) return WK_I(json_integer_value(j));
    if (json_object_get(j, "rest")) return WK_REST;
    if (!json_is_array(slice)) return WK_T(from_json(r, j));
    const json_t *a = json_array_get(slice, 0), *b = json_array_get(slice, 1), *s = json_array_get(slice, 2);
    const int64_t step = json_is_integer(s) ? json_integer_value(s) : 1;
    return WK_STEP(json_is_integer(a) ? json_integer_value(a)
                   : step > 0         ? 0
                                      : WK_END,
                   json_is_integer(b) ? json_integer_value(b)
                   : step > 0         ? WK_END
                                      : WK_BEGIN,
                   step);
}

static int subscript(struct run *r, const char *name, wk_subscript *at)
{
    for (int i = 0; i < r->n_params; i++) {
        const json_t *j = r->values[i];
        if (strcmp(r->params[i], name) != 0 || !j) continue;
        if (!json_is_array(j)) {
            at[0] = entry(r, j);
            return 1;
        }
        if (json_array_size(j) > 16) stop(r, CASE_UNSUPPORTED, "%zu subscripts", json_array_size(j));
        for (size_t e = 0; e < json_array_size(j); e++) at[e] = entry(r, json_array_get(j, e));
        return (int)json_array_size(j);
    }
    stop(r, CASE_FAIL, "no subscript");
}

OP(getitem)
{
    wk_subscript at[16];
    const int    n = subscript(r, "index", at);
    ONE(wk_index(r->c, input(r), n, at));
}
OP(index_put)
{
    wk_subscript at[16];
    const int    n = subscript(r, "indices", at);
    ONE(wk_index_put(r->c, input(r), n, at, tensor(r, "values"), truth(r, "accumulate", false)));
}

const struct op_row index_ops[] = {
    {"scatter", "input dim index src reduce", scatter},
    {"scatter_reduce", "input dim index src reduce include_self", scatter_reduce},
    {"index_add", "input dim index source alpha", index_add},
    {"index_copy", "input dim index source", index_copy},
    {"index_fill", "input dim index value", index_fill},
    {"index_reduce", "input dim index source reduce include_self", index_reduce},
    {"narrow narrow_copy", "input dim start length", narrow},
    {"take", "input index", take},
    {"put", "input index source accumulate", put},
    {"take_along_dim", "input indices dim", take_along_dim},
    {"masked_select", "input mask", masked_select},
    {"masked_fill", "input mask value", masked_fill},
    {"masked_scatter", "input mask source", masked_scatter},
    {"argwhere", "input", argwhere},
    {"fill", "input value", fill},
    {"one_hot", "input num_classes", one_hot},
    {"__getitem__", "input index", getitem},
    {"index_put", "input indices values accumulate", index_put},
    {0},
};
