/* Pieces and mirror images by the names of the first three dims. */
#include "core/ctx.h"

/* The dim that a split of rows (0), columns (1) or depth (2) cuts; -1 after recording what is wrong. */
static int side(wk_ctx *c, const char *op, wk_tensor x, int dim)
{
    if (wki_failed(c)) return -1;
    const int least = dim == 1 ? 1 : dim == 0 ? 2 : 3;
    if (!wk_is_none(x) && x->ndim >= least) return dim == 1 && x->ndim == 1 ? 0 : dim;
    wk_fail(c, WK_ESHAPE, "%s: %s, at least %d dims are wanted", op, WKI_TEXT(x), least);
    return -1;
}

static int evenly(wk_ctx *c, const char *op, wk_tensor x, int dim, int64_t n, wk_tensor *out, int most)
{
    const int d = side(c, op, x, dim);
    if (d < 0) return 0;
    if (n >= 1 && x->shape[d] % n == 0) return wk_tensor_split(c, x, n, d, out, most);
    wk_fail(c, n < 1 ? WK_EARG : WK_ESHAPE, "%s: %lld values into %lld equal pieces", op,
            (long long)x->shape[d], (long long)n);
    return 0;
}

static int at_places(wk_ctx *c, const char *op, wk_tensor x, int dim, int n, const int64_t *at,
                     wk_tensor *out, int most)
{
    const int d = side(c, op, x, dim);
    return d < 0 ? 0 : wk_tensor_split_at(c, x, n, at, d, out, most);
}

int wk_hsplit(wk_ctx *c, wk_tensor x, int64_t n, wk_tensor *out, int most)
{
    return evenly(c, "hsplit", x, 1, n, out, most);
}
int wk_vsplit(wk_ctx *c, wk_tensor x, int64_t n, wk_tensor *out, int most)
{
    return evenly(c, "vsplit", x, 0, n, out, most);
}
int wk_dsplit(wk_ctx *c, wk_tensor x, int64_t n, wk_tensor *out, int most)
{
    return evenly(c, "dsplit", x, 2, n, out, most);
}
int wk_hsplit_at(wk_ctx *c, wk_tensor x, int n, const int64_t *at, wk_tensor *out, int most)
{
    return at_places(c, "hsplit_at", x, 1, n, at, out, most);
}
int wk_vsplit_at(wk_ctx *c, wk_tensor x, int n, const int64_t *at, wk_tensor *out, int most)
{
    return at_places(c, "vsplit_at", x, 0, n, at, out, most);
}
int wk_dsplit_at(wk_ctx *c, wk_tensor x, int n, const int64_t *at, wk_tensor *out, int most)
{
    return at_places(c, "dsplit_at", x, 2, n, at, out, most);
}

static wk_tensor mirrored(wk_ctx *c, const char *op, wk_tensor x, int dim)
{
    if (wki_failed(c)) return WK_NONE;
    WK_REQUIRE(c, !wk_is_none(x) && x->ndim > dim, WK_ESHAPE, "%s: %s, at least %d dims are wanted", op,
               WKI_TEXT(x), dim + 1);
    return wk_flip(c, x, WK_DIMS(dim));
}
wk_tensor wk_fliplr(wk_ctx *c, wk_tensor x)
{
    return mirrored(c, "fliplr", x, 1);
}
wk_tensor wk_flipud(wk_ctx *c, wk_tensor x)
{
    return mirrored(c, "flipud", x, 0);
}
