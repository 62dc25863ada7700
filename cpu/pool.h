/* How pooling is cut into units: a unit is a run of one row of the result, from the rows of x that it needs.
 * Windows are products of ranges, so rows are put together first and columns after. */
#ifndef WK_CPU_POOL_H
#define WK_CPU_POOL_H

#include "cpu/kernel.h"

/* attr.i: kernel, stride (0: an adaptive dim, its windows cut x into as many parts as there are), padding and
 * dilation of three dims; exclude padding, divisor. */
struct pool {
    wk_tensor x, y;
    int64_t   planes, in[3], out[3], ker[3], stride[3], pad[3], dil[3];
    bool      inside; /* padding does not count */
    int64_t   divisor;
    bool      whole;            /* one window has a whole plane, whose values lie end to end */
    int64_t   run, runs, width; /* of a unit; how many make a row; columns it may need */
    size_t    bytes;            /* of scratch for a worker */
    char     *scratch;
};

struct span {
    int64_t lo, hi;
};

/* Where the window of place u along dim i begins and ends. */
INLINE struct span window(const struct pool *o, int i, int64_t u)
{
    if (o->stride[i] == 0)
        return (struct span){u * o->in[i] / o->out[i], ((u + 1) * o->in[i] + o->out[i] - 1) / o->out[i]};
    const int64_t lo = u * o->stride[i] - o->pad[i];
    return (struct span){lo, lo + (o->ker[i] - 1) * o->dil[i] + 1};
}

/* How many values of a window a mean counts. */
INLINE int64_t counted(const struct pool *o, int i, struct span s)
{
    const int64_t most = o->inside ? o->in[i] : o->in[i] + o->pad[i];
    const int64_t lo = o->inside && s.lo < 0 ? 0 : s.lo;
    return (s.hi < most ? s.hi : most) - lo;
}

/* The places along dim i whose windows hold h. */
INLINE struct span holders(const struct pool *o, int i, int64_t h)
{
    if (o->stride[i] == 0)
        return (struct span){h * o->out[i] / o->in[i], ((h + 1) * o->out[i] + o->in[i] - 1) / o->in[i]};
    const int64_t at = h + o->pad[i], low = at - o->ker[i] + 1;
    const int64_t hi = at / o->stride[i] + 1;
    return (struct span){low <= 0 ? 0 : (low + o->stride[i] - 1) / o->stride[i],
                         hi < o->out[i] ? hi : o->out[i]};
}

/* Elements from the start of x to a plane. */
INLINE int64_t plane_at(wk_tensor x, int64_t plane)
{
    return plane / x->shape[1] * x->stride[0] + plane % x->shape[1] * x->stride[1];
}

#endif
