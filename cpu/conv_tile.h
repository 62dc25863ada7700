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
    for (; i < rows && rows >= 4; i += 4) {
        if (i > rows - 4) i = rows - 4; /* the last four, some of them again */
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
CONV_TARGET INLINE void CONV(product)(int rows, int vectors, const CONV_T *restrict a,
                                      const CONV_T *restrict b, const int64_t *restrict off, int64_t n,
                                      CONV_T *restrict c, int64_t step, bool add)
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
            const CONV(vec) s = CONV_SET(a[i]);
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
    CONV_TARGET static void name(const CONV_T *a, const CONV_T *b, const int64_t *off, int64_t n, CONV_T *c, \
                                 int64_t step, bool add)                                                     \
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

/* The places of a tile for taps off[0 .. n) side by side: [tap][step]. A copy has more behind it, so whole
 * vectors are moved: what they bring too much is overwritten next, or lies behind the last tap. */
static void CONV(gather)(const CONV_T *from, bool whole, const int64_t *off, int64_t n,
                         const struct conv_segment *s, int64_t count, CONV_T *to, int64_t step)
{
    for (int64_t k = 0; k < n; k++, to += step) {
        const CONV_T *tap = from + off[k];
        for (int64_t i = 0; i < count; i++) {
            const CONV_T *v = tap + s[i].from;
            CONV_T       *t = to + s[i].col;
            int64_t       j = 0;
            for (; j + (whole ? CONV_W : 1) <= s[i].n; j += CONV_W) CONV(put)(t + j, CONV(load)(v + j));
            for (; j < s[i].n; j++) t[j] = v[j];
        }
    }
}

/* Rows of a tile, with their bias, into the result: n values side by side. */
#if CONV_EACH == 1 /* else conv_pairs.h */
static void CONV(store_rows)(const CONV_T *c, int64_t step, int64_t rows, int64_t n, const CONV_T *bias,
                             void *to, int64_t area)
{
    CONV_T *y = to;
    for (int64_t r = 0; r < rows; r++, c += step, y += area) {
        const CONV_T b = bias[r];
        int64_t      j = 0;
        for (; j + CONV_W <= n; j += CONV_W) CONV(put)(y + j, CONV(load)(c + j) + b);
        if (j < n && n >= CONV_W) {
            CONV(put)(y + n - CONV_W, CONV(load)(c + n - CONV_W) + b);
            continue;
        }
        for (; j < n; j++) y[j] = c[j] + b;
    }
}

#endif

/* The same where results are converted or lie apart. */
static void CONV(store_apart)(const struct conv *o, const CONV_T *c, int64_t step, int64_t rows, int64_t n,
                              const CONV_T *bias, int64_t at)
{
    const int64_t area = o->out[0] * o->out[1] * o->out[2], every = o->turned ? o->stride[2] : 1;
    const int64_t size = wk_dtype_bytes(o->y->dtype);
    CONV_T        sum[CONV_VECTORS * CONV_W];
    for (int64_t r = 0; r < rows; r++, c += step, at += area) {
        char *to = address(o->y, at);
        for (int64_t j = 0; j < n; j++) sum[j] = c[j] + bias[r];
        if (o->y->dtype == CONV_DTYPE)
            for (int64_t j = 0; j < n; j++) ((CONV_T *)(void *)to)[j * every] = sum[j];
        else if (every == 1)
            CONV_FROM[o->y->dtype](sum, to, n);
        else
            for (int64_t j = 0; j < n; j++) CONV_FROM[o->y->dtype](sum + j, to + j * every * size, 1);
    }
}

/* Tiles that go through the product together. */
struct CONV(strip) {
    int64_t             tiles;
    const CONV_T       *from[CONV_STRIP];
    int64_t             count[CONV_STRIP];
    bool                narrow[CONV_STRIP];
    struct conv_segment s[CONV_STRIP][CONV_VECTORS * CONV_W];
};
/* What a worker's scratch has, and the weights of the part. */
struct CONV(room) {
    CONV_T        *panel, *tile, *copy; /* panel and tile: of step columns, one after the other */
    const CONV_T  *a;
    const int64_t *off, *steps;
    int64_t        step, k, first, last; /* panels */
};

static void CONV(store)(const struct conv *o, const struct conv_part *p, const struct CONV(room) * m,
                        const struct CONV(strip) * t)
{
    const int64_t  area = o->out[0] * o->out[1] * o->out[2];
    const wk_dtype dense = CONV_EACH == 2 ? WK_bf16 : CONV_DTYPE;
    const bool     plain = o->y->dtype == dense && (!o->turned || o->stride[2] == 1);
    for (int64_t panel = m->first, at = 0; panel < m->last; panel++) {
        const int64_t row = panel_row(o, panel), rows = panel_row(o, panel + 1) - row;
        const int64_t channel = p->group * o->m + row;
        CONV_T        bias[CONV_ROWS] = {0};
        if (!wk_is_none(o->bias)) {
            const int64_t step = o->bias->stride[0];
            const CONV_T *v = CONV_LOAD_STRIDED(o->bias, channel * step, step, rows, bias);
            if (v != bias) memcpy(bias, v, (size_t)rows * sizeof *v);
        }
        for (int64_t i = 0; i < t->tiles; i++) {
            const CONV_T *c = m->tile + (i * (panel_row(o, m->last) - panel_row(o, m->first)) + at) * m->step;
            for (int64_t j = 0; j < t->count[i]; j++) {
                const struct conv_segment *s = &t->s[i][j];
                if (plain) CONV(store_rows)
                (c + s->col, m->step, rows, s->n, bias, address(o->y, s->to + channel * area), area);
                else CONV(store_apart)(o, c + s->col, m->step, rows, s->n, bias, s->to + channel * area);
            }
        }
        at += rows;
    }
}

static void CONV(strip_products)(const struct conv *o, const struct CONV(room) * m,
                                 const struct CONV(strip) * t)
{
    const int64_t row0 = panel_row(o, m->first), block = panel_row(o, m->last) - row0;
    const int64_t most = o->pack ? CONV_K : CONV_FAR, pieces = (m->k + most - 1) / most;
    if (m->k == 0) memset(m->tile, 0, (size_t)(t->tiles * block * m->step) * sizeof *m->tile);
    for (int64_t i = 0; i < pieces; i++) {
        const int64_t k0 = m->k * i / pieces, kc = m->k * (i + 1) / pieces - k0;
        for (int64_t n = 0; n < t->tiles && o->pack; n++) CONV(gather)
        (t->from[n], o->whole, m->off + k0, kc, t->s[n], t->count[n], m->panel + n * CONV_K * m->step,
         m->step);
        for (int64_t j = m->first; j < m->last; j++) {
            const int64_t row = panel_row(o, j), rows = panel_row(o, j + 1) - row;
            const CONV_T *a = m->a + row * m->k + k0 * rows;
            for (int64_t n = 0; n < t->tiles; n++) {
                CONV_T *c = m->tile + (n * block + row - row0) * m->step;
                CONV(micros)
                [rows - 1][t->narrow[n]](a, o->pack ? m->panel + n * CONV_K * m->step : t->from[n],
                                         o->pack ? m->steps : m->off + k0, kc, c, m->step, i > 0);
            }
        }
    }
}

static struct CONV(room)
    CONV(room_of)(const struct conv *o, const wk_call *k, const struct conv_part *p, int worker)
{
    char *scratch = k->scratch;
    struct CONV(room) m = {.step = tile_vectors(o) * CONV_W, .k = o->c * p->phase.taps};
    m.panel = (CONV_T *)(void *)(scratch + o->worker + (size_t)worker * o->worker_bytes);
    m.tile = m.panel + (o->pack ? o->strip * CONV_K * m.step + CONV_W : 0);
    m.copy = m.tile + o->strip * max_block_rows(o) * m.step;
    m.a = (const CONV_T *)(const void *)(scratch + o->packed) +
          o->m * o->c * (p->group * o->taps + p->phase.before);
    m.off = (const int64_t *)(const void *)(scratch + o->offsets) + o->c * p->phase.before;
    m.steps = (const int64_t *)(const void *)(scratch + o->steps);
    m.first = p->block * o->panels / o->blocks;
    m.last = (p->block + 1) * o->panels / o->blocks;
    return m;
}

static void CONV(task)(const struct conv *o, const wk_call *k, const struct conv_part *p, int worker)
{
    const struct CONV(room) m = CONV(room_of)(o, k, p, worker);
    const CONV_T *from = m.copy;
    if (o->whole)
        from = (const CONV_T *)o->data + p->image * o->x->stride[0] + p->group * o->c * o->x->stride[1];
    else
        CONV(fill)(o, p, m.copy);
    const int64_t places = p->images * p->count[0] * p->count[1] * p->count[2];
    const int64_t run = (p->count[1] - 1) * o->ext[2] + p->count[2];
    const int64_t all = o->pack ? places : p->count[0] * run;
    for (int64_t at = 0; at < all;) {
        struct CONV(strip) t;
        for (t.tiles = 0; t.tiles < o->strip && at < all; t.tiles++) {
            /* without packing, a tile ends where a plane does */
            const int64_t i = t.tiles, left = o->pack ? all - at : run - at % run;
            t.narrow[i] = left <= m.step / 2;
            const int64_t most = t.narrow[i] ? CONV_W : m.step, n = left < most ? left : most;
            const int64_t q = o->pack ? 0 : at / run * o->ext[1] * o->ext[2] + at % run;
            t.count[i] = o->pack ? packed_segments(o, p, at, n, t.s[i]) : plain_segments(o, p, q, n, t.s[i]);
            t.from[i] = from + q;
            at += n;
        }
        CONV(strip_products)(o, &m, &t);
        CONV(store)(o, p, &m, &t);
    }
}
