/* A table of rows looked up by number. */
#include "layers.h"

struct wk_embedding wk_embedding_load(wk_params p, const char *name, int64_t n, int64_t dim)
{
    const double d = p.deviation > 0 ? p.deviation : 1;
    return (struct wk_embedding){.weight = wk_param(wk_at(p, "%s", name), "weight", WK_SHAPE(n, dim), d)};
}

struct wk_embedding wk_embedding_load_padded(wk_params p, const char *name, int64_t n, int64_t dim,
                                             int64_t padding)
{
    struct wk_embedding e = {.weight = WK_NONE, .has_padding = true, .padding = padding};
    if (padding < -n || padding >= n) {
        wk_fail(p.c, WK_EINDEX, "embedding: padding %lld of a table of %lld rows", (long long)padding,
                (long long)n);
        return e;
    }
    e.weight = wk_embedding_load(p, name, n, dim).weight;
    if (!p.files) wk_copy_into(p.c, wk_select(p.c, e.weight, 0, padding), wk_scalar(p.c, 0));
    return e;
}

/* Activations start here: rows of a half table become f32, so that later sums keep their digits. */
wk_tensor wk_embedding(wk_ctx *c, const struct wk_embedding *e, wk_tensor tokens)
{
    const wk_tensor x = e->has_padding ? wk_embedding_padded(c, e->weight, tokens, e->padding)
                                       : wk_embedding_rows(c, e->weight, tokens);
    return wk_dtype_bytes(x->dtype) < 4 ? wk_cast(c, x, WK_f32) : x;
}

void wki_embedding_bind(wk_param_list *l, struct wk_embedding *x)
{
    wki_bind(l, &x->weight);
}
