/* Resizing as sums along each dim: a place of the result is a sum over
 * neighbours in x. The gradient is the same with the tables of neighbours
 * turned around. */
#ifndef WK_CPU_RESIZE_H
#define WK_CPU_RESIZE_H

#include "cpu/kernel.h"

enum { RESIZE_NEAREST, RESIZE_NEAREST_EXACT, RESIZE_LINEAR, RESIZE_CUBIC };

/* One dim: place u of `out` sums taps weights from start[u] on; weight t of u
 * is w[t * out + u]. Between lo and hi the weights repeat every `period`
 * places, while start grows by `step`. */
struct resize_dim {
    int64_t  in, out, taps; /* as the sums see them */
    int64_t  from, to;      /* the sizes before and after resizing: the other way round
                       when turned */
    double   scale;         /* places of x for one of the result */
    int32_t *start;
    void    *w;
    int64_t  period, step, lo, hi;
};

struct resize {
    wk_tensor         x, y;
    int               mode;
    bool              align, antialias, turned, rounded, wide;
    int64_t           planes;
    struct resize_dim dim[3];
    size_t            row, ring, tags, worker, bytes; /* scratch: a worker's parts, where the first begins */
};

#endif
