/* The case driver's resizing, sampling and folding. */
#include "cases.h"

#include <string.h>

#define ONE(expr)                                                                                            \
    do {                                                                                                     \
        out[0] = (expr);                                                                                     \
        return 1;                                                                                            \
    } while (0)
#define OP(name) static int name(struct run *r, wk_tensor *out)

static const json_t *value(struct run *r, const char *name)
{
    for (int i = 0; i < r->n_params; i++)
        if (!strcmp(r->params[i], name)) return r->values[i];
    return NULL;
}

/* One integer for all dims, or one each. */
static void each(struct run *r, const char *name, int n, int64_t *to)
{
    if (!given(r, name)) return;
    const wk_shape s = sizes(r, name);
    for (int i = 0; i < n && s.ndim > 0; i++) to[i] = s.dim[i < s.ndim ? i : s.ndim - 1];
}

static void resize_to(struct run *r, wk_tensor x, wk_resize_opts *o)
{
    const int n = x->ndim - 2;
    if (given(r, "size")) {
        o->size.ndim = n;
        each(r, "size", n, o->size.dim);
        return;
    }
    const json_t *scale = value(r, "scale_factor");
    for (int i = 0; i < n && i < 3; i++)
        number(json_is_array(scale) ? json_array_get(scale, (size_t)i) : scale, &o->scale[i]);
}

OP(interpolate)
{
    static const char *const names[] = {"nearest", "nearest-exact", "linear",   "bicubic",
                                        "area",    "bilinear",      "trilinear"};
    wk_resize_opts           o = {.align_corners = truth(r, "align_corners", false),
                                  .antialias = truth(r, "antialias", false),
                                  .recompute_scale = truth(r, "recompute_scale_factor", false)};
    const char              *mode = text(r, "mode", "nearest");
    const wk_tensor          x = tensor(r, "input");
    int                      i = 0;
    while (i < 7 && strcmp(names[i], mode) != 0) i++;
    if (i == 7) stop(r, CASE_UNSUPPORTED, "mode %s", mode);
    o.mode = i > 4 ? WK_RESIZE_LINEAR : (wk_resize_mode)i;
    resize_to(r, x, &o);
    ONE(wk_interpolate(r->c, x, o));
}
OP(upsample_bilinear)
{
    wk_resize_opts  o = {.mode = WK_RESIZE_LINEAR, .align_corners = true};
    const wk_tensor x = tensor(r, "input");
    resize_to(r, x, &o);
    ONE(wk_interpolate(r->c, x, o));
}
OP(upsample_nearest)
{
    wk_resize_opts  o = {.mode = WK_RESIZE_NEAREST};
    const wk_tensor x = tensor(r, "input");
    resize_to(r, x, &o);
    ONE(wk_interpolate(r->c, x, o));
}

OP(grid_sample)
{
    const char *mode = text(r, "mode", "bilinear"), *padding = text(r, "padding_mode", "zeros");
    ONE(wk_grid_sample(r->c, tensor(r, "input"), tensor(r, "grid"),
                       (wk_grid_opts){!strcmp(mode, "nearest")   ? WK_RESIZE_NEAREST
                                      : !strcmp(mode, "bicubic") ? WK_RESIZE_CUBIC
                                                                 : WK_RESIZE_LINEAR,
                                      !strcmp(padding, "border")       ? WK_GRID_BORDER
                                      : !strcmp(padding, "reflection") ? WK_GRID_REFLECTION
                                                                       : WK_GRID_ZEROS,
                                      truth(r, "align_corners", false)}));
}
/* The same with numbers in place of names. */
OP(grid_sampler)
{
    static const wk_resize_mode modes[] = {WK_RESIZE_LINEAR, WK_RESIZE_NEAREST, WK_RESIZE_CUBIC};
    const int64_t mode = integer(r, "interpolation_mode", 0), padding = integer(r, "padding_mode", 0);
    if (mode < 0 || mode > 2) stop(r, CASE_UNSUPPORTED, "mode %d", (int)mode);
    ONE(wk_grid_sample(
        r->c, tensor(r, "input"), tensor(r, "grid"),
        (wk_grid_opts){modes[mode], (wk_grid_padding)padding, truth(r, "align_corners", false)}));
}
OP(affine_grid)
{
    ONE(wk_affine_grid(r->c, tensor(r, "theta"), sizes(r, "size"), truth(r, "align_corners", false)));
}

static wk_fold_opts folding(struct run *r)
{
    wk_fold_opts o = {.kernel = {1, 1}};
    each(r, "kernel_size", 2, o.kernel);
    each(r, "stride", 2, o.stride);
    each(r, "padding", 2, o.padding);
    each(r, "dilation", 2, o.dilation);
    return o;
}
OP(unfold)
{
    ONE(wk_im2col(r->c, tensor(r, "input"), folding(r)));
}
OP(fold)
{
    wk_shape size = {.ndim = 2};
    each(r, "output_size", 2, size.dim);
    ONE(wk_col2im(r->c, tensor(r, "input"), size, folding(r)));
}
OP(pixel_shuffle)
{
    ONE(wk_pixel_shuffle(r->c, tensor(r, "input"), integer(r, "upscale_factor", 1)));
}
OP(pixel_unshuffle)
{
    ONE(wk_pixel_unshuffle(r->c, tensor(r, "input"), integer(r, "downscale_factor", 1)));
}
OP(channel_shuffle)
{
    ONE(wk_channel_shuffle(r->c, tensor(r, "input"), integer(r, "groups", 1)));
}

#define RESIZE                                                                                               \
    "input size scale_factor mode align_corners recompute_scale_factor "                                     \
    "antialias"
const struct op_row resample_ops[] = {
    {"interpolate upsample", RESIZE, interpolate},
    {"upsample_bilinear", "input size scale_factor", upsample_bilinear},
    {"upsample_nearest", "input size scale_factor", upsample_nearest},
    {"grid_sample", "input grid mode padding_mode align_corners", grid_sample},
    {"grid_sampler grid_sampler_2d grid_sampler_3d",
     "input grid interpolation_mode padding_mode align_corners", grid_sampler},
    {"affine_grid", "theta size align_corners", affine_grid},
    {"nn.functional.unfold", "input kernel_size dilation padding stride", unfold},
    {"fold col2im", "input output_size kernel_size dilation padding stride", fold},
    {"pixel_shuffle", "input upscale_factor", pixel_shuffle},
    {"pixel_unshuffle", "input downscale_factor", pixel_unshuffle},
    {"channel_shuffle native_channel_shuffle", "input groups", channel_shuffle},
    {0},
};
