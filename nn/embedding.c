/* A table of rows looked up by number. */
#include "layers.h"

struct wk_embedding wk_embedding_load(wk_params p, const char *name, int64_t n, int64_t dim)
{
    const double d = p.deviation > 0 ? p.deviation : 1;
    return (struct wk_embedding){wk_param(wk_at(p, "%s", name), "weight", WK_SHAPE(n, dim), d)};
}

/* Activations start here: rows of a half table become f32, so that later sums keep their digits. */
wk_tensor wk_embedding(wk_ctx *c, const struct wk_embedding *e, wk_tensor tokens)
{
    const wk_tensor x = wk_embedding_rows(c, e->weight, tokens);
    return wk_dtype_bytes(x->dtype) < 4 ? wk_cast(c, x, WK_f32) : x;
}

void wki_embedding_bind(wk_param_list *l, struct wk_embedding *x)
{
    wki_bind(l, &x->weight);
}
