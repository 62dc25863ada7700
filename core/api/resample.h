/* Resizing, sampling at given places, and the grids for it. Part of
 * core/wick.h. */
#ifndef WK_API_RESAMPLE_H
#define WK_API_RESAMPLE_H

#include "../types.h"

#ifdef __cplusplus
extern "C" {
#endif

/* On two dims WK_RESIZE_LINEAR is bilinear, on three trilinear; WK_RESIZE_CUBIC is for two dims. */
typedef enum wk_resize_mode {
    WK_RESIZE_NEAREST,
    WK_RESIZE_NEAREST_EXACT,
    WK_RESIZE_LINEAR,
    WK_RESIZE_CUBIC,
    WK_RESIZE_AREA
} wk_resize_mode;
typedef struct wk_resize_opts {
    wk_resize_mode mode;
    wk_shape       size;            /* of the dims after the channels; without dims: from scale */
    double         scale[3];        /* one for each dim; a single one serves all */
    bool           align_corners;   /* linear and cubic: the outermost values keep their places */
    bool           antialias;       /* linear and cubic on two dims: widens the filter when it shrinks x */
    bool           recompute_scale; /* places follow from the sizes, not from scale */
} wk_resize_opts;
/* x [N, C, ..] with one to three dims after the channels, real or u8 (not by area). As in PyTorch the weights
 * of halves are halves, but for linear ones on two dims. Bytes are computed in f32 and rounded, 0.5 up,
 * within 0 to 255; on two dims linear and cubic after each, as in PyTorch, whose weights of 16 bits may make
 * it differ by 1. */
WK_API wk_tensor wk_interpolate(wk_ctx *c, wk_tensor x, wk_resize_opts o);

typedef enum wk_grid_padding { WK_GRID_ZEROS, WK_GRID_BORDER, WK_GRID_REFLECTION } wk_grid_padding;
typedef struct wk_grid_opts {
    wk_resize_mode  mode; /* WK_RESIZE_NEAREST, WK_RESIZE_LINEAR or WK_RESIZE_CUBIC */
    wk_grid_padding padding;
    bool            align_corners;
} wk_grid_opts;
/* x [N, C, H, W] at grid [N, h, w, 2], or x [N, C, D, H, W] at grid [N, d, h, w, 3], real and of one dtype:
 * [N, C, h, w]. The last dim of grid is (x, y) or (x, y, z), -1 and 1 being the ends of x. */
WK_API wk_tensor wk_grid_sample(wk_ctx *c, wk_tensor x, wk_tensor grid, wk_grid_opts o);
/* theta [N, 2, 3] for size [N, C, H, W], [N, 3, 4] for [N, C, D, H, W]: the grid of an affine map. */
WK_API wk_tensor wk_affine_grid(wk_ctx *c, wk_tensor theta, wk_shape size, bool align_corners);

#ifdef __cplusplus
}
#endif
#endif
