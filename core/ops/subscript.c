/* x[...]: numbers, slices, new dims, integer and bool tensors, read and written. */
#include "core/ctx.h"

enum kind { NUMBER, SLICE, REST, NEW, TENSOR };

/* What a subscript makes of x: a view, whose dims d .. d + n - 1 the index tensors pick from. */
struct subscript {
    wk_tensor view, index[WK_MAX_DIMS];
    int       n, d;
    wk_shape  picks;
    unsigned  turned; /* dims of the view that run backwards */
};

/* Dims of x that an entry takes. */
static int taken(const wk_subscript *s)
{
    if (s->kind == REST || s->kind == NEW) return 0;
    return s->kind == TENSOR && s->tensor && s->tensor->dtype == WK_bool ? s->tensor->ndim : 1;
}

#define REFUSE(c, status, ...)                                                                               \
    do {                                                                                                     \
        wk_fail(c, status, __VA_ARGS__);                                                                     \
        return false;                                                                                        \
    } while (0)

/* A bool tensor at dim p becomes an index of each dim it covers. */
static bool expand_mask(wk_ctx *c, struct subscript *o, int *of_dim, int *p, wk_tensor mask)
{
    if (mask->ndim == 0) {
        o->view = wk_unsqueeze(c, o->view, *p);
        mask = wk_unsqueeze(c, mask, 0);
    }
    if (wki_failed(c)) return false;
    if (o->n + mask->ndim > WK_MAX_DIMS) REFUSE(c, WK_EARG, "index: more than %d indices", WK_MAX_DIMS);
    for (int i = 0; i < mask->ndim; i++)
        if (mask->shape[i] != o->view->shape[*p + i])
            REFUSE(c, WK_EINDEX, "index: mask %s for dims %d and on of %s", WKI_TEXT(mask), *p,
                   WKI_TEXT(o->view));
    const wk_tensor where = wk_nonzero(c, mask);
    for (int i = 0; i < mask->ndim && !wki_failed(c); i++) {
        of_dim[o->n] = (*p)++;
        o->index[o->n++] = wk_select(c, where, 1, i);
    }
    return !wki_failed(c);
}

static bool entry(wk_ctx *c, struct subscript *o, int *of_dim, int *p, const wk_subscript *s, bool write)
{
    if (s->kind == NUMBER) {
        o->view = wk_select(c, o->view, *p, s->start);
    } else if (s->kind == NEW) {
        o->view = wk_unsqueeze(c, o->view, (*p)++);
    } else if (s->kind == SLICE && s->step < 0 && write) { /* forwards, and turned later */
        const int64_t   n = o->view->shape[*p];
        const wk_tensor all =
            wk_slice(c, wk_arange(c, 0, (double)n, 1, WK_i64), 0, s->start, s->stop, s->step);
        if (wki_failed(c)) return false;
        const int64_t count = wk_count(all), last = count ? (int64_t)wk_item(c, wk_select(c, all, 0, -1)) : 0;
        o->view = wk_slice(c, o->view, *p, last, count ? last + (count - 1) * -s->step + 1 : last, -s->step);
        o->turned |= 1u << (*p)++;
    } else if (s->kind == SLICE) {
        o->view = wk_slice(c, o->view, *p, s->start, s->stop, s->step);
        (*p)++;
    } else if (s->kind == TENSOR && s->tensor->dtype == WK_bool) {
        return expand_mask(c, o, of_dim, p, s->tensor);
    } else if (o->n == WK_MAX_DIMS) {
        REFUSE(c, WK_EARG, "index: more than %d indices", WK_MAX_DIMS);
    } else {
        o->index[o->n] = wki_as_index(c, "index", s->tensor);
        of_dim[o->n++] = (*p)++;
    }
    return !wki_failed(c);
}

/* The indexed dims side by side: where they are, or in front. */
static bool together(wk_ctx *c, struct subscript *o, const int *of_dim)
{
    bool neighbours = true;
    o->picks = (wk_shape){.ndim = 0};
    for (int i = 0; i < o->n; i++) {
        struct wk_tensor_info all = {.ndim = o->picks.ndim}; /* only its sizes are looked at */
        for (int j = 0; j < all.ndim; j++) all.shape[j] = o->picks.dim[j];
        neighbours &= of_dim[i] == of_dim[0] + i;
        if (!wki_broadcast(&all, o->index[i], &o->picks))
            REFUSE(c, WK_ESHAPE, "index: tensor %d, %s, does not broadcast with those before it", i,
                   WKI_TEXT(o->index[i]));
    }
    o->d = o->n && neighbours ? of_dim[0] : 0;
    if (neighbours) return true;
    wk_shape order = {.ndim = o->view->ndim};
    unsigned seen = 0, turned = 0;
    int      n = 0;
    for (int i = 0; i < o->n; i++) {
        order.dim[n++] = of_dim[i];
        seen |= 1u << of_dim[i];
    }
    for (int i = 0; i < o->view->ndim; i++) {
        if (seen >> i & 1) continue;
        turned |= (o->turned >> i & 1) << n;
        order.dim[n++] = i;
    }
    o->turned = turned;
    o->view = wk_permute(c, o->view, order);
    return !wki_failed(c);
}

static bool parse(wk_ctx *c, struct subscript *o, wk_tensor x, int n, const wk_subscript *at, bool write)
{
    int of_dim[WK_MAX_DIMS], p = 0, named = 0, rests = 0;
    if (wki_failed(c)) return false;
    if (wk_is_none(x)) REFUSE(c, WK_EARG, "index: no tensor");
    for (int i = 0; i < n; i++) {
        if (at[i].kind == TENSOR && wk_is_none(at[i].tensor))
            REFUSE(c, WK_EARG, "index: entry %d is no tensor", i);
        named += taken(&at[i]);
        rests += at[i].kind == REST;
    }
    if (named > x->ndim) REFUSE(c, WK_EARG, "index: %d dims named of a tensor %s", named, WKI_TEXT(x));
    if (rests > 1) REFUSE(c, WK_EARG, "index: WK_REST %d times", rests);
    *o = (struct subscript){.view = x};
    for (int i = 0; i < n; i++)
        if (at[i].kind == REST)
            p += x->ndim - named;
        else if (!entry(c, o, of_dim, &p, &at[i], write))
            return false;
    return together(c, o, of_dim);
}

wk_tensor wk_index(wk_ctx *c, wk_tensor x, int n, const wk_subscript *at)
{
    struct subscript o;
    if (!parse(c, &o, x, n, at, false)) return WK_NONE;
    return o.n ? wki_index(c, o.view, o.d, o.n, o.index, o.picks) : o.view;
}

/* values as the view's dtype and of the shape that the subscript reads; the indices broadcast to the picks.
 */
static wk_tensor fitted(wk_ctx *c, struct subscript *o, wk_tensor values)
{
    wk_shape shape = {.ndim = o->view->ndim - o->n + o->picks.ndim}, turned = {.ndim = 0};
    WK_REQUIRE(c, !wk_is_none(values) && shape.ndim <= WK_MAX_DIMS, WK_EARG, "index_put: no values");
    for (int i = 0; i < shape.ndim; i++) {
        const int  from = i < o->d ? i : i - o->picks.ndim + o->n; /* the view's dim */
        const bool pick = i >= o->d && i < o->d + o->picks.ndim && o->n;
        shape.dim[i] = pick ? o->picks.dim[i - o->d] : o->view->shape[from];
        if (!pick && (o->turned >> from & 1)) turned.dim[turned.ndim++] = i;
    }
    for (int i = 0; i < o->n; i++) o->index[i] = wk_expand(c, o->index[i], o->picks);
    while (values->ndim > shape.ndim && values->shape[0] == 1) values = wk_squeeze(c, values, 0);
    bool fit = values->ndim <= shape.ndim;
    for (int i = 1; i <= values->ndim && fit; i++)
        fit = values->shape[values->ndim - i] == 1 ||
              values->shape[values->ndim - i] == shape.dim[shape.ndim - i];
    struct wk_tensor_info wanted = {.ndim = shape.ndim};
    for (int i = 0; i < shape.ndim; i++) wanted.shape[i] = shape.dim[i];
    WK_REQUIRE(c, fit, WK_ESHAPE, "index_put: values %s for a place of %s", WKI_TEXT(values),
               WKI_TEXT(&wanted));
    values =
        wk_expand(c, values->dtype == o->view->dtype ? values : wk_cast(c, values, o->view->dtype), shape);
    return turned.ndim ? wk_flip(c, values, turned) : values;
}

static wk_tensor put_there(wk_ctx *c, const struct subscript *o, wk_tensor view, wk_tensor values, bool add,
                           wk_tensor out)
{
    return wki_index_put(c, view, o->d, o->n, o->index, values, add, true, out);
}

wk_tensor wk_index_put(wk_ctx *c, wk_tensor x, int n, const wk_subscript *at, wk_tensor values,
                       bool accumulate)
{
    struct subscript there, here;
    if (!parse(c, &there, x, n, at, true)) return WK_NONE;
    values = fitted(c, &there, values);
    if (wki_failed(c)) return WK_NONE;
    if (there.n == 0 && accumulate) values = wk_add(c, there.view, values);
    if (there.n && there.view == x) return put_there(c, &there, x, values, accumulate, WK_NONE);
    const wk_tensor part = there.n ? put_there(c, &there, there.view, values, accumulate, WK_NONE) : values;
    /* the same view of a copy, to write the part into */
    const bool      was = wk_no_grad(c, true);
    const wk_tensor y = wki_failed(c) ? WK_NONE : wk_clone(c, x);
    const bool      ok = parse(c, &here, y, n, at, true);
    wk_no_grad(c, was);
    return ok ? wki_view_scatter(c, x, part, y, here.view) : WK_NONE;
}

void wk_index_write(wk_ctx *c, wk_tensor x, int n, const wk_subscript *at, wk_tensor values)
{
    struct subscript o;
    if (!parse(c, &o, x, n, at, true)) return;
    values = fitted(c, &o, values);
    if (wki_failed(c)) return;
    if (wki_recording(c) && (x->node || values->node)) {
        wk_fail(c, WK_ENOGRAD, "index_write: writing in place has no gradient");
    } else if (o.n == 0) {
        wk_copy_into(c, o.view, values);
    } else {
        if (values->storage == x->storage) values = wk_clone(c, values);
        if (wk_is_dense(o.view))
            put_there(c, &o, o.view, values, false, o.view);
        else
            wk_copy_into(c, o.view, put_there(c, &o, o.view, values, false, WK_NONE));
    }
}
