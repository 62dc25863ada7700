/* Sampling at the places of a grid in one compute class. Included once per
 * class with GRID(name) and its type GRID_T. */

/* The neighbours of PLACES places: neighbour t of place p is value at[t][p] of
 * a plane, with weight w[t][p], whose derivatives by the grid's coordinates are
 * d[0..2][t][p]. */
struct GRID(places) {
    int32_t at[NEIGHBOURS][PLACES];
    GRID_T  w[NEIGHBOURS][PLACES], d[3][NEIGHBOURS][PLACES];
};

/* ---- one coordinate
 * -------------------------------------------------------------------------------
 */

/* Back into [low, low + span] at mirrors on both ends; *slope: its derivative.
 */
static GRID_T GRID(mirrored)(GRID_T v, GRID_T low, GRID_T span, GRID_T *slope)
{
    *slope = 1;
    if (span <= 0) {
        *slope = 0;
        return 0;
    }
    v -= low;
    if (v < 0) {
        v = -v;
        *slope = -1;
    }
    const GRID_T turns = (GRID_T)floor((double)(v / span)), rest = v - turns * span;
    if ((int64_t)turns % 2 == 0) return rest + low;
    *slope = -*slope;
    return span - rest + low;
}

/* Where padding puts v. */
static GRID_T GRID(padded)(const struct grid *o, GRID_T v, int64_t size, GRID_T *slope)
{
    GRID_T turn = 1;
    *slope = 1;
    if (o->padding == GRID_ZEROS) return v;
    if (o->padding == GRID_REFLECTION)
        v = o->align ? GRID(mirrored)(v, 0, (GRID_T)(size - 1), &turn)
                     : GRID(mirrored)(v, (GRID_T)-0.5, (GRID_T)size, &turn);
    *slope = turn;
    if (v > 0 && v < (GRID_T)(size - 1)) return v;
    *slope = 0;
    return v > 0 ? (GRID_T)(size - 1) : 0;
}

/* Keys' kernel with a = -0.75 at distance x, and its derivative. */
static GRID_T GRID(cubic)(GRID_T x, GRID_T *slope)
{
    const GRID_T a = (GRID_T)-0.75, sign = x < 0 ? -1 : 1;
    x *= sign;
    if (x < 1) {
        *slope = sign * (3 * (a + 2) * x - 2 * (a + 3)) * x;
        return ((a + 2) * x - (a + 3)) * x * x + 1;
    }
    *slope = sign * ((3 * x - 10) * x + 8) * a;
    return (((x - 5) * x + 8) * x - 4) * a;
}

static int32_t GRID(index)(GRID_T v, int64_t size)
{
    return v >= 0 && v < (GRID_T)size ? (int32_t)v : -1;
}

/* The neighbours of coordinate g along one dim: indices (-1: none), weights,
 * derivatives. */
static void GRID(axis)(const struct grid *o, int64_t size, GRID_T g, int32_t *at, GRID_T *w, GRID_T *d)
{
    const GRID_T scale = (GRID_T)(o->align ? size - 1 : size) / 2;
    GRID_T       v = o->align ? (g + 1) * scale : ((g + 1) * (GRID_T)size - 1) / 2, slope;
    if (!(v > -1e9 && v < 1e9)) v = -100; /* nowhere */
    if (o->mode != GRID_CUBIC) v = GRID(padded)(o, v, size, &slope);
    if (o->mode == GRID_NEAREST) {
        at[0] = GRID(index)((GRID_T)nearbyint((double)v), size);
        w[0] = 1;
        d[0] = 0;
        return;
    }
    const GRID_T base = (GRID_T)floor((double)v), part = v - base;
    if (o->mode == GRID_LINEAR) {
        at[0] = GRID(index)(base, size);
        at[1] = GRID(index)(base + 1, size);
        w[0] = 1 - part;
        w[1] = part;
        d[0] = -scale * slope;
        d[1] = scale * slope;
        return;
    }
    for (int t = 0; t < 4; t++) {
        GRID_T turn;
        at[t] = GRID(index)(GRID(padded)(o, base + (GRID_T)(t - 1), size, &turn), size);
        w[t] = GRID(cubic)(part - (GRID_T)(t - 1), &d[t]);
        d[t] *= scale;
    }
}

/* ---- places
 * --------------------------------------------------------------------------------------
 */

static void GRID(place)(const struct grid *o, const GRID_T *g, int64_t p, struct GRID(places) * s)
{
    int32_t at[3][4];
    GRID_T  w[3][4], d[3][4];
    for (int i = 0; i < o->dims; i++) GRID(axis)(o, o->in[2 - i], g[i], at[i], w[i], d[i]);
    const int last = o->dims > 2 ? o->each : 1;
    if (o->dims < 3) {
        at[2][0] = 0;
        w[2][0] = 1;
        d[2][0] = 0;
    }
    for (int c = 0, t = 0; c < last; c++)
        for (int b = 0; b < o->each; b++)
            for (int a = 0; a < o->each; a++, t++) {
                const bool there = at[0][a] >= 0 && at[1][b] >= 0 && at[2][c] >= 0;
                s->at[t][p] = there ? (int32_t)((at[2][c] * o->in[1] + at[1][b]) * o->in[2] + at[0][a]) : 0;
                s->w[t][p] = there ? w[0][a] * w[1][b] * w[2][c] : 0;
                s->d[0][t][p] = there ? d[0][a] * w[1][b] * w[2][c] : 0;
                s->d[1][t][p] = there ? w[0][a] * d[1][b] * w[2][c] : 0;
                s->d[2][t][p] = there ? w[0][a] * w[1][b] * d[2][c] : 0;
            }
}

/* Places first .. first + n of an image. */
static void GRID(places_at)(const struct grid *o, int64_t image, int64_t first, int64_t n,
                            struct GRID(places) * s)
{
    const GRID_T *g = (const GRID_T *)(const void *)address(o->grid, (image * o->places + first) * o->dims);
    for (int64_t p = 0; p < n; p++) GRID(place)(o, g + p * o->dims, p, s);
}

static const GRID_T *GRID(plane)(wk_tensor x, int64_t plane, int64_t size)
{
    return (const GRID_T *)(const void *)address(x, plane * size);
}

static void GRID(sample)(const struct grid *o, int64_t unit, struct GRID(places) * s)
{
    const int64_t image = unit / o->tiles, first = unit % o->tiles * PLACES;
    const int64_t n = o->places - first < PLACES ? o->places - first : PLACES;
    GRID(places_at)(o, image, first, n, s);
    for (int64_t c = 0; c < o->channels; c++) {
        const GRID_T *x = GRID(plane)(o->x, image * o->channels + c, o->area);
        GRID_T       *y = (GRID_T *)(void *)address(o->y, (image * o->channels + c) * o->places + first);
        for (int64_t p = 0; p < n; p++) y[p] = s->w[0][p] * x[s->at[0][p]];
        for (int t = 1; t < o->neighbours; t++)
            for (int64_t p = 0; p < n; p++) y[p] += s->w[t][p] * x[s->at[t][p]];
    }
}

/* The gradient for the grid. */
static void GRID(turn)(const struct grid *o, int64_t unit, struct GRID(places) * s)
{
    const int64_t image = unit / o->tiles, first = unit % o->tiles * PLACES;
    const int64_t n = o->places - first < PLACES ? o->places - first : PLACES;
    GRID_T        sum[3][PLACES];
    memset(sum, 0, sizeof sum);
    GRID(places_at)(o, image, first, n, s);
    for (int64_t c = 0; c < o->channels; c++) {
        const GRID_T *x = GRID(plane)(o->x, image * o->channels + c, o->area);
        const GRID_T *g = GRID(plane)(o->g, image * o->channels + c, o->places) + first;
        for (int t = 0; t < o->neighbours; t++)
            for (int i = 0; i < o->dims; i++)
                for (int64_t p = 0; p < n; p++) sum[i][p] += s->d[i][t][p] * x[s->at[t][p]] * g[p];
    }
    GRID_T *y = (GRID_T *)(void *)address(o->dgrid, (image * o->places + first) * o->dims);
    for (int64_t p = 0; p < n; p++)
        for (int i = 0; i < o->dims; i++) y[p * o->dims + i] = sum[i][p];
}

/* The gradient for GROUP channels of an image of x. */
static void GRID(spread)(const struct grid *o, int64_t unit, struct GRID(places) * s)
{
    const int64_t groups = (o->channels + GROUP - 1) / GROUP, image = unit / groups,
                  c0 = unit % groups * GROUP;
    const int64_t c1 = c0 + GROUP < o->channels ? c0 + GROUP : o->channels;
    GRID_T       *y = (GRID_T *)(void *)address(o->dx, (image * o->channels + c0) * o->area);
    memset(y, 0, (size_t)((c1 - c0) * o->area) * sizeof *y);
    for (int64_t first = 0; first < o->places; first += PLACES) {
        const int64_t n = o->places - first < PLACES ? o->places - first : PLACES;
        GRID(places_at)(o, image, first, n, s);
        for (int64_t c = c0; c < c1; c++) {
            const GRID_T *g = GRID(plane)(o->g, image * o->channels + c, o->places) + first;
            GRID_T       *to = y + (c - c0) * o->area;
            for (int t = 0; t < o->neighbours; t++)
                for (int64_t p = 0; p < n; p++) to[s->at[t][p]] += s->w[t][p] * g[p];
        }
    }
}

#undef GRID
#undef GRID_T
