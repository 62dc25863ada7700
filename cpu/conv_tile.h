/* Products of a convolution's weights with the places of a task; part of conv_class.h. */

/* ---- weights: panels of rows, [tap][row] ----------------------------------------------------- */

static const CONV_T *CONV(weights)(const struct conv *o, const wk_call *k)
{
    return o->w->dtype == CONV_DTYPE ? (const CONV_T *)(const void *)address(o->w, 0)
                                     : (const CONV_T *)(const void *)((const char *)k->scratch + o->weights);
}

/* rows of n values side by side become columns. */
static void CONV(columns)(const CONV_T *w, int64_t rows, int64_t n, CONV_T *to)
{
    int64_t i = 0;
#ifdef CONV_TRANSPOSE4
    for (; i + 4 <= rows; i += 4) {
        int64_t t = 0;
        for (; t + 4 <= n; t += 4) CONV_TRANSPOSE4(w + i * n + t, n, to + t * rows + i, rows);
        for (; t < n; t++)
            for (int64_t r = i; r < i + 4; r++) to[t * rows + r] = w[r * n + t];
    }
#endif
    for (; i < rows; i++)
        for (int64_t t = 0; t < n; t++) to[t * rows + i] = w[i * n + t];
}

static void CONV(pack_panel)(const struct conv *o, const wk_call *k, int64_t group, int64_t panel)
{
    const int64_t row = panel_row(o, panel), rows = panel_row(o, panel + 1) - row;
    const CONV_T *w = CONV(weights)(o, k);
    CONV_T       *to = (CONV_T *)(void *)((char *)k->scratch + o->packed) + group * o->m * o->c * o->taps;
    if (!o->turned) {
        CONV(columns)
        (w + (group * o->m + row) * o->c * o->taps, rows, o->c * o->taps, to + row * o->c * o->taps);
        return;
    }
    for (int64_t f = 0; f < o->phases; f++) {
        const struct conv_phase p = phase_of(o, f);
        CONV_T                 *next = to + o->c * (o->m * p.before + row * p.taps);
        for (int64_t c = 0; c < o->c; c++) {
            const CONV_T *from = w + ((group * o->c + c) * o->m + row) * o->taps;
            int64_t       tap[3];
            for (bool any = first_tap(o, &p, tap); any; any = next_tap(o, &p, tap), next += rows)
                for (int64_t r = 0; r < rows; r++) next[r] = from[r * o->taps + tap_index(o, tap)];
        }
    }
}

/* ---- the product ----------------------------------------------------------------------------- */

/* c[rows][vectors] (+)= panel a times the places at b, whose tap k is off[k] further on. */
INLINE void CONV(product)(int rows, int vectors, const CONV_T *restrict a, const CONV_T *restrict b,
                          const int64_t *restrict off, int64_t n, CONV_T *restrict c, int64_t step, bool add)
{
    CONV(vec) acc[CONV_ROWS][CONV_VECTORS];
#pragma GCC unroll 16
    for (int i = 0; i < rows; i++)
#pragma GCC unroll 8
        for (int j = 0; j < vectors; j++) acc[i][j] = (CONV(vec)){0};
    for (int64_t k = 0; k < n; k++, a += rows) {
        const CONV_T *from = b + off[k];
        CONV(vec) v[CONV_VECTORS];
#pragma GCC unroll 8
        for (int j = 0; j < vectors; j++) v[j] = CONV(load)(from + j * CONV_W);
#pragma GCC unroll 16
        for (int i = 0; i < rows; i++) {
            const CONV(vec) s = a[i] - (CONV(vec)){0};
#pragma GCC unroll 8
            for (int j = 0; j < vectors; j++) acc[i][j] = CONV_FMA(s, v[j], acc[i][j]);
        }
    }
#pragma GCC unroll 16
    for (int i = 0; i < rows; i++)
#pragma GCC unroll 8
        for (int j = 0; j < vectors; j++) {
            CONV_T *to = c + i * step + j * CONV_W;
            if (add) acc[i][j] += CONV(load)(to);
            CONV(put)(to, acc[i][j]);
        }
}

typedef void (*CONV(micro))(const CONV_T *a, const CONV_T *b, const int64_t *off, int64_t n, CONV_T *c,
                            int64_t step, bool add);
#define MICRO(name, rows, vectors)                                                                           \
    static void name(const CONV_T *a, const CONV_T *b, const int64_t *off, int64_t n, CONV_T *c,             \
                     int64_t step, bool add)                                                                 \
    {                                                                                                        \
        CONV(product)(rows, vectors, a, b, off, n, c, step, add);                                            \
    }
#define BOTH(rows, vectors)                                                                                  \
    MICRO(CONV(micro_##rows), rows, vectors) MICRO(CONV(micro_##rows##_narrow), rows, 1)
CONV_TILES(BOTH)
#undef BOTH
#undef MICRO
#define ROW(rows, vectors) {CONV(micro_##rows), CONV(micro_##rows##_narrow)},
static const CONV(micro) CONV(micros)[CONV_ROWS][2] = {CONV_TILES(ROW)};
#undef ROW

/* ---- tiles ----------------------------------------------------------------------------------- */

/* The places of a tile for taps off[0 .. n) side by side: [tap][step]. */
static void CONV(gather)(const CONV_T *from, const int64_t *off, int64_t n, const struct conv_segment *s,
                         int64_t count, CONV_T *to, int64_t step)
{
    for (int64_t k = 0; k < n; k++, to += step) {
        const CONV_T *tap = from + off[k];
        for (int64_t i = 0; i < count; i++) {
            const CONV_T *v = tap + s[i].from;
            CONV_T       *t = to + s[i].col;
            int64_t       j = 0;
            for (; j + CONV_W <= s[i].n; j += CONV_W) CONV(put)(t + j, CONV(load)(v + j));
            for (; j < s[i].n; j++) t[j] = v[j];
        }
    }
}

/* One row of a tile, with its bias, into the result. */
static void CONV(store)(const struct conv *o, int64_t channel, const CONV_T *c, const struct conv_segment *s,
                        int64_t count)
{
    const int64_t area = o->out[0] * o->out[1] * o->out[2], step = o->turned ? o->stride[2] : 1;
    const size_t  size = (size_t)wk_dtype_bytes(o->y->dtype);
    CONV_T        bias = 0, sum[CONV_VECTORS * CONV_W];
    if (!wk_is_none(o->bias)) bias = *CONV_LOAD_STRIDED(o->bias, channel * o->bias->stride[0], 1, 1, &bias);
    for (int64_t i = 0; i < count; i++, s++) {
        char *to = address(o->y, s->to + channel * area);
        if (o->y->dtype == CONV_DTYPE) {
            CONV_T *y = (CONV_T *)(void *)to;
            if (step == 1)
                for (int64_t j = 0; j < s->n; j++) y[j] = c[s->col + j] + bias;
            else
                for (int64_t j = 0; j < s->n; j++) y[j * step] = c[s->col + j] + bias;
            continue;
        }
        for (int64_t j = 0; j < s->n; j++) sum[j] = c[s->col + j] + bias;
        if (step == 1)
            CONV_FROM[o->y->dtype](sum, to, s->n);
        else
            for (int64_t j = 0; j < s->n; j++)
                CONV_FROM[o->y->dtype](sum + j, to + (size_t)(j * step) * size, 1);
    }
}

/* Where a worker's scratch has what. */
struct CONV(room) {
    CONV_T *copy, *panel, *tile;
};

/* The places of the segments, for the rows of the part's block. */
static void CONV(tile)(const struct conv *o, const wk_call *k, const struct conv_part *p,
                       const struct CONV(room) * room, const CONV_T *from, const struct conv_segment *s,
                       int64_t count, bool narrow)
{
    const int64_t  n = o->c * p->phase.taps, step = tile_vectors(o) * CONV_W;
    const int64_t *off =
        (const int64_t *)(const void *)((const char *)k->scratch + o->offsets) + o->c * p->phase.before;
    const int64_t *steps = (const int64_t *)(const void *)((const char *)k->scratch + o->steps);
    const CONV_T  *a = (const CONV_T *)(const void *)((const char *)k->scratch + o->packed) +
                      o->m * o->c * (p->group * o->taps + p->phase.before);
    const int64_t first = p->block * o->panels / o->blocks, last = (p->block + 1) * o->panels / o->blocks;
    const int64_t row0 = panel_row(o, first), pieces = (n + CONV_K - 1) / CONV_K;
    if (n == 0) memset(room->tile, 0, (size_t)((panel_row(o, last) - row0) * step) * sizeof *room->tile);
    for (int64_t i = 0; i < pieces; i++) {
        const int64_t k0 = n * i / pieces, kc = n * (i + 1) / pieces - k0;
        if (o->pack) CONV(gather)(from, off + k0, kc, s, count, room->panel, step);
        for (int64_t j = first; j < last; j++) {
            const int64_t row = panel_row(o, j), rows = panel_row(o, j + 1) - row;
            CONV(micros)
            [rows - 1][narrow](a + row * n + k0 * rows, o->pack ? room->panel : from,
                               o->pack ? steps : off + k0, kc, room->tile + (row - row0) * step, step, i > 0);
        }
    }
    for (int64_t row = row0; row < panel_row(o, last); row++)
        CONV(store)(o, p->group * o->m + row, room->tile + (row - row0) * step, s, count);
}

static void CONV(task)(const struct conv *o, const wk_call *k, const struct conv_part *p, int worker)
{
    const int64_t step = tile_vectors(o) * CONV_W;
    struct CONV(room) room;
    room.panel = (CONV_T *)(void *)((char *)k->scratch + o->worker + (size_t)worker * o->worker_bytes);
    room.tile = room.panel + (o->pack ? CONV_K * step : 0);
    room.copy = room.tile + (max_block_rows(o) * step);
    const CONV_T *from = room.copy;
    if (o->whole)
        from = (const CONV_T *)(const void *)address(o->x, p->image * o->x->stride[0] +
                                                               p->group * o->c * o->x->stride[1]);
    else
        CONV(fill)(o, p, room.copy);
    struct conv_segment s[CONV_VECTORS * CONV_W];
    const int64_t       places = p->images * p->count[0] * p->count[1] * p->count[2];
    const int64_t       run = (p->count[1] - 1) * o->ext[2] + p->count[2];
    const int64_t       all = o->pack ? places : p->count[0] * run;
    for (int64_t at = 0; at < all;) {
        /* without packing, a tile ends where a plane does */
        const int64_t left = o->pack ? all - at : run - at % run;
        const bool    narrow = left <= step / 2;
        const int64_t most = narrow ? CONV_W : step, n = left < most ? left : most;
        const int64_t q = o->pack ? 0 : at / run * o->ext[1] * o->ext[2] + at % run;
        const int64_t count = o->pack ? packed_segments(o, p, at, n, s) : plain_segments(o, p, q, n, s);
        CONV(tile)(o, k, p, &room, from + q, s, count, narrow);
        at += n;
    }
}
