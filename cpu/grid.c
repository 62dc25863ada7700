/* Sampling a picture at the places of a grid, and the gradients for both. */
#include "cpu/kernel.h"

#include <math.h>

enum { GRID_ZEROS, GRID_BORDER, GRID_REFLECTION };
enum { GRID_NEAREST, GRID_LINEAR, GRID_CUBIC };
enum {
    PLACES = 64,     /* worked on together */
    NEIGHBOURS = 64, /* most of a place: 4 x 4 x 4 */
    GROUP = 16       /* channels that share the work of finding neighbours */
};

/* attr.i: mode, padding, align corners, dims. */
struct grid {
    const wk_call *k;
    wk_tensor      x, grid, g, y, dx, dgrid; /* all dense */
    int            mode, padding, dims, each, neighbours;
    bool           align;
    int64_t        images, channels, in[3], area, places, tiles;
};

#define GRID(name) grid_##name##_f32
#define GRID_T     float
#include "cpu/grid_class.h"

#define GRID(name) grid_##name##_f64
#define GRID_T     double
#include "cpu/grid_class.h"

static struct grid plan(const wk_call *k)
{
    static const int8_t each[] = {1, 2, 4};
    struct grid         o = {.k = k, .x = k->in[0], .grid = k->in[1], .mode = (int)k->attr.i[0]};
    o.padding = (int)k->attr.i[1];
    o.align = k->attr.i[2] != 0;
    o.dims = (int)k->attr.i[3];
    o.each = each[o.mode];
    o.neighbours = o.each * o.each * (o.dims > 2 ? o.each : 1);
    o.images = o.x->shape[0];
    o.channels = o.x->shape[1];
    o.area = 1;
    for (int i = 0; i < 3; i++) o.area *= o.in[i] = o.x->shape[2 + i];
    o.places = o.images ? wk_count(o.grid) / o.dims / o.images : 0;
    o.tiles = (o.places + PLACES - 1) / PLACES;
    return o;
}

#define PIECE(name)                                                                                          \
    static void name##_piece(void *arg, int64_t first, int64_t last, int worker)                             \
    {                                                                                                        \
        const struct grid *o = arg;                                                                          \
        char              *mine = (char *)o->k->scratch + (size_t)worker * sizeof(struct grid_places_f64);   \
        for (int64_t i = first; i < last; i++) {                                                             \
            if (o->k->cls == WK_CLASS_F32)                                                                   \
                grid_##name##_f32(o, i, (struct grid_places_f32 *)(void *)mine);                             \
            else                                                                                             \
                grid_##name##_f64(o, i, (struct grid_places_f64 *)(void *)mine);                             \
        }                                                                                                    \
    }
PIECE(sample)
PIECE(turn)
PIECE(spread)

wk_status CPU(grid_sample)(const wk_call *k)
{
    struct grid o = plan(k);
    o.y = k->out[0];
    if (wk_count(o.y) == 0) return WK_OK;
    const int64_t work = PLACES * o.neighbours * (o.channels + 8);
    wki_parallel(k->device, o.images * o.tiles, 32768 / work + 1, sample_piece, &o);
    return WK_OK;
}

/* in: x, grid, the result's gradient; out: those of x and grid. */
wk_status CPU(grid_sample_vjp)(const wk_call *k)
{
    struct grid o = plan(k);
    o.g = k->in[2];
    o.dx = k->out[0];
    o.dgrid = k->out[1];
    const int64_t work = PLACES * o.neighbours * (o.channels + 8) * 3;
    if (wk_count(o.dgrid) > 0) wki_parallel(k->device, o.images * o.tiles, 32768 / work + 1, turn_piece, &o);
    if (wk_count(o.dx) > 0)
        wki_parallel(k->device, o.images * ((o.channels + GROUP - 1) / GROUP), 1, spread_piece, &o);
    return WK_OK;
}

size_t CPU(grid_sample_scratch)(const wk_call *k)
{
    return sizeof(struct grid_places_f64) * (size_t)wki_workers(k->device);
}
size_t CPU(grid_sample_vjp_scratch)(const wk_call *k)
{
    return sizeof(struct grid_places_f64) * (size_t)wki_workers(k->device);
}
