/* Views made of the basic ones: other orders of dims, and pieces. */
#include "core/ctx.h"

wk_tensor wk_swapaxes(wk_ctx *c, wk_tensor x, int a, int b)
{
    return wki_failed(c) ? WK_NONE : wki_within(c, "swapaxes", wk_transpose(c, x, a, b));
}

wk_tensor wk_movedim(wk_ctx *c, wk_tensor x, wk_shape from, wk_shape to)
{
    if (wki_failed(c) || wk_is_none(x)) return WK_NONE;
    WK_REQUIRE(c, from.ndim == to.ndim, WK_EARG, "movedim: %d dims to %d places", from.ndim, to.ndim);
    wk_shape order = {.ndim = x->ndim};
    unsigned taken = 0, filled = 0;
    for (int i = 0; i < from.ndim; i++) {
        const int a = wki_dim(c, "movedim", x, (int)from.dim[i]),
                  b = wki_dim(c, "movedim", x, (int)to.dim[i]);
        if (a < 0 || b < 0) return WK_NONE;
        WK_REQUIRE(c, !(taken >> a & 1) && !(filled >> b & 1), WK_EARG, "movedim: a dim twice");
        taken |= 1u << a;
        filled |= 1u << b;
        order.dim[b] = a;
    }
    for (int i = 0, next = 0; i < x->ndim; i++) {
        if (filled >> i & 1) continue;
        while (taken >> next & 1) next++;
        order.dim[i] = next++;
    }
    return wk_permute(c, x, order);
}

wk_tensor wk_squeeze_dims(wk_ctx *c, wk_tensor x, wk_shape dims)
{
    if (wki_failed(c) || wk_is_none(x)) return WK_NONE;
    unsigned wanted = dims.ndim ? 0 : ~0u;
    for (int i = 0; i < dims.ndim; i++) {
        const int d = wki_dim(c, "squeeze_dims", x, (int)dims.dim[i]);
        if (d < 0) return WK_NONE;
        WK_REQUIRE(c, !(wanted >> d & 1), WK_EARG, "squeeze_dims: dim %d twice", d);
        wanted |= 1u << d;
    }
    for (int d = x->ndim - 1; d >= 0; d--)
        if (wanted >> d & 1) x = wk_squeeze(c, x, d);
    return x;
}

wk_tensor wk_unflatten(wk_ctx *c, wk_tensor x, int dim, wk_shape sizes)
{
    if (wki_failed(c) || wk_is_none(x)) return WK_NONE;
    const int d = wki_dim(c, "unflatten", x, dim);
    if (d < 0) return WK_NONE;
    WK_REQUIRE(c, sizes.ndim > 0 && x->ndim > 0 && x->ndim - 1 + sizes.ndim <= WK_MAX_DIMS, WK_ESHAPE,
               "unflatten: dim %d of %s into %d", d, WKI_TEXT(x), sizes.ndim);
    int64_t known = 1;
    int     open = -1;
    for (int i = 0; i < sizes.ndim; i++)
        if (sizes.dim[i] == -1 && open < 0)
            open = i;
        else
            WK_REQUIRE(c, sizes.dim[i] >= 0 && !__builtin_mul_overflow(known, sizes.dim[i], &known),
                       WK_ESHAPE, "unflatten: size %lld", (long long)sizes.dim[i]);
    if (open >= 0 && known > 0) {
        sizes.dim[open] = x->shape[d] / known;
        known *= sizes.dim[open];
    }
    WK_REQUIRE(c, known == x->shape[d] && (open < 0 || sizes.dim[open] >= 0), WK_ESHAPE,
               "unflatten: %lld values into sizes that hold %lld", (long long)x->shape[d], (long long)known);
    wk_shape shape = {.ndim = x->ndim - 1 + sizes.ndim};
    for (int i = 0; i < shape.ndim; i++)
        shape.dim[i] = i < d                ? x->shape[i]
                       : i < d + sizes.ndim ? sizes.dim[i - d]
                                            : x->shape[i - sizes.ndim + 1];
    return wk_reshape(c, x, shape);
}

wk_tensor wk_atleast_1d(wk_ctx *c, wk_tensor x)
{
    return wki_failed(c) || x->ndim ? x : wk_unsqueeze(c, x, 0);
}
wk_tensor wk_atleast_2d(wk_ctx *c, wk_tensor x)
{
    x = wk_atleast_1d(c, x);
    return wki_failed(c) || x->ndim > 1 ? x : wk_unsqueeze(c, x, 0);
}
wk_tensor wk_atleast_3d(wk_ctx *c, wk_tensor x)
{
    x = wk_atleast_2d(c, x);
    return wki_failed(c) || x->ndim > 2 ? x : wk_unsqueeze(c, x, -1);
}

/* ---- pieces ---------------------------------------------------------------------------------------- */

/* The dim to cut, or -1. */
static int cut_dim(wk_ctx *c, const char *op, wk_tensor x, int dim)
{
    if (wki_failed(c)) return -1;
    if (wk_is_none(x) || x->ndim == 0) {
        wk_fail(c, WK_ESHAPE, "%s: %s", op, wk_is_none(x) ? "no tensor" : "a tensor without dims");
        return -1;
    }
    return wki_dim(c, op, x, dim);
}

/* Cuts n pieces; piece i ends at end(i). */
static int pieces(wk_ctx *c, const char *op, wk_tensor x, int d, int64_t n,
                  int64_t (*end)(const void *, int64_t), const void *arg, wk_tensor *out, int most)
{
    if (n > most) {
        wk_fail(c, WK_EARG, "%s: %lld pieces, but room for %d", op, (long long)n, most);
        return 0;
    }
    int64_t from = 0;
    for (int64_t i = 0; i < n && !wki_failed(c); i++) {
        const int64_t to = end(arg, i);
        out[i] = wk_narrow(c, x, d, from, to - from);
        from = to;
    }
    return wki_failed(c) ? 0 : (int)n;
}

struct parts {
    int64_t size, total, n;
};
static int64_t end_of_size(const void *arg, int64_t i)
{
    const struct parts *p = arg;
    return (i + 1) * p->size < p->total ? (i + 1) * p->size : p->total;
}
static int64_t end_of_share(const void *arg, int64_t i)
{
    const struct parts *p = arg;
    const int64_t       larger = p->total % p->n, size = p->total / p->n;
    return (i + 1) * size + (i + 1 < larger ? i + 1 : larger);
}
static int64_t end_of_listed(const void *arg, int64_t i)
{
    const int64_t *ends = arg;
    return ends[i];
}

int wk_split(wk_ctx *c, wk_tensor x, int64_t size, int dim, wk_tensor *out, int most)
{
    const int d = cut_dim(c, "split", x, dim);
    if (d < 0) return 0;
    const int64_t n = x->shape[d];
    if (size < 0 || (size == 0 && n > 0)) {
        wk_fail(c, WK_EARG, "split: pieces of %lld values", (long long)size);
        return 0;
    }
    const int64_t count = n == 0 ? 1 : (n + size - 1) / size;
    return pieces(c, "split", x, d, count, end_of_size, &(struct parts){size, n, 0}, out, most);
}

int wk_split_sizes(wk_ctx *c, wk_tensor x, wk_shape sizes, int dim, wk_tensor *out, int most)
{
    const int d = cut_dim(c, "split_sizes", x, dim);
    if (d < 0) return 0;
    int64_t ends[WK_MAX_DIMS], sum = 0;
    bool    fit = sizes.ndim <= WK_MAX_DIMS;
    for (int i = 0; i < sizes.ndim && fit; i++) {
        fit = sizes.dim[i] >= 0 && sizes.dim[i] <= x->shape[d];
        ends[i] = sum += sizes.dim[i];
    }
    if (!fit || sum != x->shape[d]) {
        wk_fail(c, WK_ESHAPE, "split_sizes: sizes that add up to %lld for dim %d of %s", (long long)sum, d,
                WKI_TEXT(x));
        return 0;
    }
    return pieces(c, "split_sizes", x, d, sizes.ndim, end_of_listed, ends, out, most);
}

int wk_chunk(wk_ctx *c, wk_tensor x, int64_t n, int dim, wk_tensor *out, int most)
{
    const int d = cut_dim(c, "chunk", x, dim);
    if (d < 0) return 0;
    if (n < 1) {
        wk_fail(c, WK_EARG, "chunk: into %lld", (long long)n);
        return 0;
    }
    const int64_t total = x->shape[d], size = (total + n - 1) / n;
    const int64_t count = size ? (total + size - 1) / size : n; /* of nothing, n times nothing */
    return pieces(c, "chunk", x, d, count, end_of_size, &(struct parts){size, total, 0}, out, most);
}

int wk_tensor_split(wk_ctx *c, wk_tensor x, int64_t n, int dim, wk_tensor *out, int most)
{
    const int d = cut_dim(c, "tensor_split", x, dim);
    if (d < 0) return 0;
    if (n < 1) {
        wk_fail(c, WK_EARG, "tensor_split: into %lld", (long long)n);
        return 0;
    }
    return pieces(c, "tensor_split", x, d, n, end_of_share, &(struct parts){0, x->shape[d], n}, out, most);
}

int wk_tensor_split_at(wk_ctx *c, wk_tensor x, int n, const int64_t *at, int dim, wk_tensor *out, int most)
{
    const int d = cut_dim(c, "tensor_split_at", x, dim);
    if (d < 0) return 0;
    if (n < 0 || n + 1 > most) {
        wk_fail(c, WK_EARG, "tensor_split_at: %d pieces, but room for %d", n + 1, most);
        return 0;
    }
    for (int i = 0; i <= n && !wki_failed(c); i++)
        out[i] = wk_slice(c, x, d, i ? at[i - 1] : 0, i < n ? at[i] : INT64_MAX, 1);
    return wki_failed(c) ? 0 : n + 1;
}

int wk_unbind(wk_ctx *c, wk_tensor x, int dim, wk_tensor *out, int most)
{
    const int d = cut_dim(c, "unbind", x, dim);
    if (d < 0) return 0;
    if (x->shape[d] > most) {
        wk_fail(c, WK_EARG, "unbind: %lld slices, but room for %d", (long long)x->shape[d], most);
        return 0;
    }
    for (int64_t i = 0; i < x->shape[d] && !wki_failed(c); i++) out[i] = wk_select(c, x, d, i);
    return wki_failed(c) ? 0 : (int)x->shape[d];
}
