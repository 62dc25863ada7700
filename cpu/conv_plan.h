/* The cut of a convolution into tasks (conv.h), and where their taps and places lie: conv.c's alone. */
#ifndef WK_CPU_CONV_PLAN_H
#define WK_CPU_CONV_PLAN_H

#include "cpu/conv.h"
#include "cpu/cpu.h"

/* ---- how a call is cut ------------------------------------------------------------------------------ */

/* The copy that a task works on should stay in the second-level cache, weights beside it: a megabyte where
 * there is AVX-512, elsewhere often half of that. */
#define COPY_VALUES 98304
#if defined __AVX512F__
#define WEIGHT_VALUES 65536
#else
#define WEIGHT_VALUES 16384
#endif
#define DEPTH_PLACES 4096 /* a depthwise one's in the first-level cache */
#define DOT_PLACES   2048 /* and a gradient's rows in the first */
#define DOT_TASKS    8
#define TASK_WORK    2097152.0

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}
static int64_t most(int64_t a, int64_t b)
{
    return a > b ? a : b;
}
static int64_t over(int64_t n, int64_t by)
{
    return (n + by - 1) / by;
}

static int64_t panel_row(const struct conv *o, int64_t panel)
{
    return panel * o->m / o->panels;
}
static int64_t weights_of(const struct conv *o)
{
    return o->groups * o->m * o->c * o->taps;
}
static int64_t max_block_rows(const struct conv *o)
{
    return least(o->m, over(o->panels, o->blocks) * over(o->m, o->panels));
}
static int64_t tile_vectors(const struct conv *o)
{
#define VECTORS(rows, vectors) vectors,
    static const int8_t vectors[CONV_ROWS] = {CONV_TILES(VECTORS)};
#undef VECTORS
    return vectors[most(o->m / o->panels, 1) - 1];
}

/* Which plane of the copy has the values of tap k along dim i, and what remainder its places have. */
static int64_t tap_slot(const struct conv *o, int i, int64_t k)
{
    if (o->turned) return 0;
    return o->stride[i] <= o->ker[i] ? k * o->dil[i] % o->stride[i] : k;
}
static int64_t slot_remainder(const struct conv *o, int i, int64_t slot)
{
    return o->stride[i] <= o->ker[i] ? slot : slot * o->dil[i] % o->stride[i];
}

static wk_dtype own(wk_class cls)
{
    return cls == WK_CLASS_F32 ? WK_f32 : cls == WK_CLASS_F64 ? WK_f64 : WK_i64;
}

/* The dims of a convolution without kernel, stride and padding as one. */
static void flatten(struct conv *o, wk_class cls)
{
    int64_t step = 1;
    bool    even = o->taps == 1;
    for (int i = 2; i >= 0; i--) {
        even &= o->stride[i] == 1 && o->pad[i] == 0 && o->in[i] == o->out[i] &&
                (o->in[i] == 1 || o->along[i] == step);
        step *= o->in[i];
    }
    if (!even) return;
    o->along[2] = 1;
    o->in[2] = o->out[2] = step;
    for (int i = 0; i < 2; i++) o->in[i] = o->out[i] = 1;
    o->whole = o->x->dtype == own(cls);
}

static void read_call(struct conv *o, const wk_call *k)
{
    const wk_tensor x = o->x, w = o->w;
    o->data = wki_data(x);
    o->images = x->shape[0];
    o->groups = k->attr.i[9];
    o->c = o->channels = x->shape[1] / o->groups;
    o->m = o->y->shape[1] / o->groups;
    o->taps = 1;
    o->phases = 1;
    for (int i = 0; i < 3; i++) {
        o->in[i] = x->shape[2 + i];
        o->along[i] = x->stride[2 + i];
        o->out[i] = o->y->shape[2 + i];
        o->ker[i] = w->shape[2 + i];
        o->stride[i] = k->attr.i[i];
        o->pad[i] = k->attr.i[3 + i];
        o->dil[i] = k->attr.i[6 + i];
        o->taps *= o->ker[i];
        o->reach[i] = o->ker[i] ? (o->ker[i] - 1) * o->dil[i] / o->stride[i] : 0;
        o->slots[i] = o->turned ? 1 : least(o->stride[i], o->ker[i]);
        if (o->turned) o->phases *= o->stride[i];
    }
}

/* Bands of at most `places` places (in the copy), whose copy has at most COPY_VALUES where that can be. */
static void cut_bands(struct conv *o, int64_t places)
{
    int64_t  all[3], slots = o->c;
    int64_t *b = o->band + 1;
    for (int i = 0; i < 3; i++) {
        all[i] = b[i] = most(1, o->turned ? over(o->out[i], o->stride[i]) : o->out[i]);
        slots *= o->slots[i];
    }
    const int64_t  room = o->whole ? INT64_MAX : COPY_VALUES / most(slots, 1);
    const int64_t *r = o->reach;
    while (b[2] > 64 && (b[2] > places || (1 + r[0]) * (1 + r[1]) * (b[2] + r[2]) > room))
        b[2] = over(b[2], 2);
    const int64_t row = b[2] + r[2];
    b[1] = least(b[1], most(least(room / ((1 + r[0]) * row) - r[1], places / row), 1 + r[1]));
    const int64_t plane = (b[1] + r[1]) * row;
    b[0] = b[1] < all[1] ? 1 : least(b[0], most(least(room / plane - r[0], places / plane), 1));
    o->band[0] = 1;
    o->bands[0] = o->images;
    for (int i = 0; i < 3; i++) o->bands[1 + i] = over(all[i], b[i]);
}

static int64_t tasks_of(const struct conv *o)
{
    return o->bands[0] * o->bands[1] * o->bands[2] * o->bands[3] * o->groups * o->phases * o->blocks;
}

/* Smaller bands until there are tasks enough. */
static void spread_bands(struct conv *o)
{
    static const int64_t small[] = {2, 8, 128};
    const int64_t all[] = {o->bands[1] * o->band[1], o->bands[2] * o->band[2], o->bands[3] * o->band[3]};
    for (int i = 0; i < 3; i++) {
        while (tasks_of(o) < o->tasks && o->band[1 + i] >= small[i]) {
            o->band[1 + i] = over(o->band[1 + i], 2);
            o->bands[1 + i] = over(all[i], o->band[1 + i]);
        }
    }
}

/* Between n and n + 4 bands of `all` rows: as many as leave the busiest thread the least. */
static int64_t fair_bands(const struct conv *o, int64_t n, int64_t all)
{
    const int64_t others = tasks_of(o) / o->bands[2];
    int64_t       best = n, least_load = INT64_MAX;
    for (int64_t i = n; i <= n + 4 && i <= all; i++) {
        const int64_t rows = over(all, i), load = over(others * over(all, rows), o->workers) * rows;
        if (load >= least_load) continue;
        least_load = load;
        best = i;
    }
    return best;
}

static void even_bands(struct conv *o)
{
    for (int i = 0; i < 3; i++) {
        const int64_t all = most(1, o->turned ? over(o->out[i], o->stride[i]) : o->out[i]);
        if (i == 1 && o->workers > 1 && o->bands[2] > 1) o->bands[2] = fair_bands(o, o->bands[2], all);
        o->band[1 + i] = over(all, o->bands[1 + i]);
        o->bands[1 + i] = over(all, o->band[1 + i]);
        o->ext[i] = o->band[1 + i] + o->reach[i];
    }
}

/* Gathering pays when the products of all rows make up for it, or when there are few places. */
static bool gathering_pays(const struct conv *o)
{
    const int64_t run = (o->band[2] - 1) * o->ext[2] + o->band[3];
    const int64_t plain = o->band[1] * over(run, W) * W;
    const double  packed = (double)(over(o->band[1] * o->band[2] * o->band[3], W) * W);
    return packed * (1 + 3.0 / (double)o->m) < (double)plain;
}

/* Small images share a task, so that few lanes of a tile are empty. */
static void join_images(struct conv *o)
{
    const int64_t places = o->band[1] * o->band[2] * o->band[3];
    if (!o->pack || o->bands[1] * o->bands[2] * o->bands[3] > 1 || places % W == 0) return;
    int64_t n = least(o->images, over(128, places));
    if (!o->whole) n = least(n, most(1, COPY_VALUES / most(1, o->c * o->channel)));
    while (n > 1 && over(o->images, n) * o->groups * o->phases * over(o->m, CONV_ROWS) < o->tasks) n--;
    o->band[0] = most(n, 1);
    o->bands[0] = over(o->images, o->band[0]);
}

static void measure_copy(struct conv *o)
{
    o->channel = o->slots[0] * o->slots[1] * o->slots[2] * o->ext[0] * o->ext[1] * o->ext[2];
    o->image = o->c * o->channel;
    if (!o->whole) return;
    o->channel = o->x->stride[1];
    o->image = o->x->stride[0];
}

static size_t value_bytes(wk_class cls)
{
    return cls == WK_CLASS_F32 ? sizeof(float) : sizeof(double);
}
/* Next place in scratch, on a line of its own. */
static size_t place(size_t *at, int64_t n, size_t size)
{
    const size_t here = *at;
    *at += ((size_t)n * size + 63) / 64 * 64;
    return here;
}

/* One channel in and few out, in places that lie side by side. */
static bool is_depthwise(const struct conv *o)
{
    const bool apart = o->turned && o->phases > 1;
    return o->channels == 1 && o->m <= 4 && o->taps > 1 && o->taps <= 128 && !apart;
}

/* Up to four for each thread, so that nobody waits long for the last one; fewer where the copies that each
 * makes for itself would not pay. */
static int64_t tasks_wanted(const struct conv *o, int64_t workers)
{
    const double places = (double)(o->images * o->out[0] * o->out[1]) * (double)o->out[2];
    const double worth = places * (double)weights_of(o) / (double)workers / TASK_WORK;
    return workers == 1 ? 1 : workers * (worth < 1 ? 1 : worth < 4 ? (int64_t)worth : 4);
}

/* Two channels of bf16 at a time, where there are instructions for that. */
static bool has_pairs(const struct conv *o, const wk_call *k)
{
#if defined __AVX512F__
    return wki_cpu_features(k->device) & WKI_CPU_BF16 && o->channels > 1 && o->x->dtype == WK_bf16 &&
           o->w->dtype == WK_bf16 && k->cls == WK_CLASS_F32;
#else
    (void)o;
    (void)k;
    return false;
#endif
}

static struct conv describe(const wk_call *k, bool turned)
{
    struct conv o = {
        .x = k->in[0], .w = k->in[1], .bias = k->in[2], .y = k->out[0], .turned = turned, .blocks = 1};
    const size_t size = value_bytes(k->cls);
    read_call(&o, k);
    o.pairs = has_pairs(&o, k);
    if (o.pairs) o.c = over(o.channels, 2);
    o.workers = wki_workers(k->device);
    o.tasks = tasks_wanted(&o, o.workers);
    flatten(&o, k->cls);
    o.depth = is_depthwise(&o);
    cut_bands(&o, o.depth ? DEPTH_PLACES : o.whole ? 512 : INT64_MAX);
    spread_bands(&o);
    even_bands(&o);
    measure_copy(&o);
    o.pack = !o.depth && (o.whole || gathering_pays(&o));
    join_images(&o);
    o.panels = most(1, over(o.m, CONV_ROWS));
    o.blocks = o.depth ? 1 : least(o.panels, most(1, over(o.tasks, most(1, tasks_of(&o)))));
    /* weights that do not stay in the second-level cache are read once for several tiles */
    o.strip = (double)o.m * (double)o.c * (double)o.taps > WEIGHT_VALUES ? CONV_STRIP : 1;
    const int64_t tile = o.strip * tile_vectors(&o) * (int64_t)(64 / size); /* no vector is wider */
    size_t        at = 0, mine = 0;
    o.weights = place(&at, o.w->dtype == own(k->cls) ? 0 : weights_of(&o), size);
    o.packed = place(&at, weights_of(&o), size);
    o.offsets = place(&at, o.c * o.taps, sizeof(int64_t));
    o.steps = place(&at, CONV_K, sizeof(int64_t));
    if (o.depth) { /* the copy, and rows before they are converted */
        place(&mine, o.image + CONV_VECTORS * W + o.band[2] * o.band[3] + W, size);
        o.worker_bytes = mine;
        o.worker = at;
        return o;
    }
    place(&mine, (o.pack ? CONV_K * tile + W : 0) + max_block_rows(&o) * tile, size);
    place(&mine, (o.whole ? 0 : o.band[0] * o.image) + CONV_VECTORS * W, size);
    o.worker_bytes = mine;
    o.worker = at;
    return o;
}

static int64_t dot_step(const struct conv *o)
{
    return over(o->ext[0] * o->ext[1] * o->ext[2], W) * W + W;
}

static struct conv describe_dot(const wk_call *k)
{
    struct conv  o = {.x = k->in[0], .y = k->in[1], .w = k->out[0], .bias = wk_none(), .blocks = 1};
    const size_t size = value_bytes(k->cls);
    read_call(&o, k);
    cut_bands(&o, DOT_PLACES);
    even_bands(&o);
    measure_copy(&o);
    o.panels = 1;
    o.blocks = least(most(1, over(o.m, 4 * CONV_DOT_ROWS)), most(1, over(DOT_TASKS, o.groups)));
    const int64_t parts = o.images * o.bands[1] * o.bands[2] * o.bands[3];
    o.chunks = most(1, least(parts, over(DOT_TASKS, o.groups * o.blocks)));
    size_t at = 0, mine = 0;
    o.offsets = place(&at, o.c * o.taps, sizeof(int64_t));
    o.partial = place(&at, o.chunks * wk_count(o.w), size);
    place(&mine, CONV_DOT_ROWS * dot_step(&o) + o.image + CONV_VECTORS * W, size);
    o.worker_bytes = mine;
    o.worker = at;
    return o;
}

/* ---- phases and taps ------------------------------------------------------------------------- */

static struct conv_phase phase_of(const struct conv *o, int64_t index)
{
    struct conv_phase p = {.taps = o->taps};
    if (!o->turned) {
        memcpy(p.count, o->out, sizeof p.count);
        return p;
    }
    int64_t here[3], less[3]; /* taps of the phase's remainder along each dim, and of lesser ones */
    for (int i = 2; i >= 0; i--) {
        const int64_t s = o->stride[i], r = index % s, top = o->out[i] - 1 + o->pad[i] - r;
        index /= s;
        here[i] = less[i] = 0;
        for (int64_t t = 0; t < o->ker[i]; t++) {
            here[i] += t * o->dil[i] % s == r;
            less[i] += t * o->dil[i] % s < r;
        }
        p.r[i] = r;
        p.first[i] = (o->pad[i] - r + s - 1) / s;
        p.count[i] = top < 0 ? 0 : most(0, top / s - p.first[i] + 1);
    }
    p.taps = here[0] * here[1] * here[2];
    p.before = less[0] * o->ker[1] * o->ker[2] + here[0] * (less[1] * o->ker[2] + here[1] * less[2]);
    return p;
}

/* Moves tap to the next of the phase along dims 0 .. 2; false after the last. */
static bool tap_in_phase(const struct conv *o, const struct conv_phase *p, int i, int64_t t)
{
    return !o->turned || t * o->dil[i] % o->stride[i] == p->r[i];
}
static bool tap_from(const struct conv *o, const struct conv_phase *p, int i, int64_t *tap)
{
    while (tap[i] < o->ker[i] && !tap_in_phase(o, p, i, tap[i])) tap[i]++;
    return tap[i] < o->ker[i];
}
static bool first_tap(const struct conv *o, const struct conv_phase *p, int64_t *tap)
{
    for (int i = 0; i < 3; i++) {
        tap[i] = 0;
        if (!tap_from(o, p, i, tap)) return false;
    }
    return true;
}
static bool next_tap(const struct conv *o, const struct conv_phase *p, int64_t *tap)
{
    for (int i = 2; i >= 0; i--) {
        tap[i]++;
        if (tap_from(o, p, i, tap)) return true;
        tap[i] = 0;
        tap_from(o, p, i, tap);
    }
    return false;
}
static int64_t tap_index(const struct conv *o, const int64_t *tap)
{
    return (tap[0] * o->ker[1] + tap[1]) * o->ker[2] + tap[2];
}

static int64_t tap_offset(const struct conv *o, const int64_t *tap)
{
    int64_t slot = 0, at = 0;
    for (int i = 0; i < 3; i++) {
        const int64_t shift = tap[i] * o->dil[i] / o->stride[i];
        slot = slot * o->slots[i] + tap_slot(o, i, tap[i]);
        at = at * o->ext[i] + (o->turned ? o->reach[i] - shift : shift);
    }
    return slot * o->ext[0] * o->ext[1] * o->ext[2] + at;
}

/* Those of the first channel, and from them the others'. */
static void write_offsets(const struct conv *o, const wk_call *k)
{
    int64_t *to = (int64_t *)(void *)((char *)k->scratch + o->offsets), tap[3];
    for (int64_t f = 0; f < o->phases; f++) {
        const struct conv_phase p = phase_of(o, f);
        const int64_t           taps = p.taps, all = o->c * taps;
        int64_t                *next = to;
        for (bool any = o->c > 0 && first_tap(o, &p, tap); any; any = next_tap(o, &p, tap))
            *next++ = tap_offset(o, tap);
        for (int64_t i = taps; i < all; i++) to[i] = to[i - taps] + o->channel;
        to += all;
    }
}

/* ---- parts and their places ------------------------------------------------------------------ */

/* The part of task `index`; false where a phase has no places there. */
static bool part_of(const struct conv *o, int64_t index, struct conv_part *p)
{
    int64_t band[3];
    p->block = index % o->blocks;
    index /= o->blocks;
    for (int i = 2; i >= 0; i--) {
        band[i] = index % o->bands[1 + i];
        index /= o->bands[1 + i];
    }
    p->phase = phase_of(o, index % o->phases);
    index /= o->phases;
    p->group = index % o->groups;
    p->image = index / o->groups * o->band[0];
    p->images = least(o->band[0], o->images - p->image);
    for (int i = 0; i < 3; i++) {
        p->first[i] = p->phase.first[i] + band[i] * o->band[1 + i];
        p->count[i] = least(o->band[1 + i], p->phase.count[i] - band[i] * o->band[1 + i]);
        if (p->count[i] <= 0) return false;
    }
    return true;
}

static struct conv_part dot_part_of(const struct conv *o, int64_t group, int64_t index)
{
    struct conv_part p = {.group = group, .images = 1};
    for (int i = 2; i >= 0; i--) {
        p.first[i] = index % o->bands[1 + i] * o->band[1 + i];
        p.count[i] = least(o->band[1 + i], o->out[i] - p.first[i]);
        index /= o->bands[1 + i];
    }
    p.image = index;
    return p;
}

/* Where the place (b, d, h, w) of a part lies in the first channel of the result. */
static int64_t result_at(const struct conv *o, const struct conv_part *p, int64_t b, int64_t d, int64_t h,
                         int64_t w)
{
    const int64_t u[3] = {p->first[0] + d, p->first[1] + h, p->first[2] + w};
    int64_t       at = (p->image + b) * o->groups * o->m;
    for (int i = 0; i < 3; i++)
        at = at * o->out[i] + (o->turned ? u[i] * o->stride[i] + p->phase.r[i] - o->pad[i] : u[i]);
    return at;
}

/* Places at .. at + n of a part, counted without gaps. */
static int64_t packed_segments(const struct conv *o, const struct conv_part *p, int64_t at, int64_t n,
                               struct conv_segment *s)
{
    int64_t row = at / p->count[2], w = at % p->count[2], count = 0;
    for (int64_t col = 0; col < n; row++, w = 0, count++) {
        const int64_t len = least(n - col, p->count[2] - w), h = row % p->count[1],
                      d = row / p->count[1] % p->count[0], b = row / p->count[1] / p->count[0];
        s[count] = (struct conv_segment){col, len, b * o->image + (d * o->ext[1] + h) * o->ext[2] + w,
                                         result_at(o, p, b, d, h, w)};
        col += len;
    }
    return count;
}

/* Columns q .. q + n of the copy that are places. */
static int64_t plain_segments(const struct conv *o, const struct conv_part *p, int64_t q, int64_t n,
                              struct conv_segment *s)
{
    int64_t row = q / o->ext[2], w = q % o->ext[2], count = 0;
    for (int64_t col = 0; col < n; row++, w = 0) {
        const int64_t len = least(n - col, p->count[2] - w);
        if (len > 0)
            s[count++] =
                (struct conv_segment){col, len, 0, result_at(o, p, 0, row / o->ext[1], row % o->ext[1], w)};
        col += o->ext[2] - w;
    }
    return count;
}

#endif
