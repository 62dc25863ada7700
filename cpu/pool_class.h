/* Pooling in one compute class. Included once per class with POOL(name), its type POOL_T, integers as wide
 * POOL_I, POOL_LEAST below all values and POOL_LAST above all places, and kernel.h's POOL_LOAD, POOL_DEST and
 * POOL_STORE; POOL_SUM(x, n) adds up values side by side,
 * POOL_NAN(x) knows what is no number. */

struct POOL(room) {
    POOL_T *row, *v, *out; /* a row of x, the rows of a window put together, a run of the result */
    POOL_I *at, *from;     /* the places of v and out */
};

static struct POOL(room) POOL(room_of)(const struct pool *o, int worker)
{
    POOL_T *v = (POOL_T *)(void *)(o->scratch + (size_t)worker * o->bytes);
    POOL_I *at = (POOL_I *)(void *)(v + 2 * o->width + o->run);
    return (struct POOL(room)){v, v + o->width, v + 2 * o->width, at, at + o->width};
}

/* ---- the largest value ----------------------------------------------------------------------- */

/* v and at: the larger of what they hold and n values of a row whose first is at place `place`. */
static void POOL(max_row)(const POOL_T *restrict x, POOL_I place, int64_t n, POOL_T *restrict v,
                          POOL_I *restrict at)
{
    for (int64_t j = 0; j < n; j++) {
        const POOL_T a = x[j], b = v[j];
        const POOL_I p = place + (POOL_I)j, q = at[j];
        const bool   take = (a > b) | POOL_NAN(a) | ((a == b) & (p < q));
        v[j] = take ? a : b;
        at[j] = take ? p : q;
    }
}
static void POOL(max_values)(const POOL_T *restrict x, int64_t n, POOL_T *restrict v)
{
    for (int64_t j = 0; j < n; j++) v[j] = ((x[j] > v[j]) | POOL_NAN(x[j])) ? x[j] : v[j];
}

/* The same with every step-th column; of equal values the one that comes first. */
INLINE void POOL(max_column)(const POOL_T *restrict x, const POOL_I *restrict place, int64_t step, int64_t n,
                             POOL_T *restrict v, POOL_I *restrict at)
{
    for (int64_t j = 0; j < n; j++) {
        const POOL_T a = x[j * step], b = v[j];
        const POOL_I p = place[j * step], q = at[j];
        const bool   take = (a > b) | ((a == b) & (p < q)) | (POOL_NAN(a) & (!POOL_NAN(b) | (p > q)));
        v[j] = take ? a : b;
        at[j] = take ? p : q;
    }
}
INLINE void POOL(max_column_values)(const POOL_T *restrict x, int64_t step, int64_t n, POOL_T *restrict v)
{
    for (int64_t j = 0; j < n; j++) {
        const POOL_T a = x[j * step], b = v[j];
        v[j] = ((a > b) | POOL_NAN(a)) ? a : b;
    }
}

static void POOL(max_across)(const struct pool *o, const struct POOL(room) * m, int64_t n, bool places)
{
    const int64_t step = o->stride[2];
    for (int64_t j = 0; j < n; j++) m->out[j] = m->v[j * step];
    for (int64_t j = 0; places && j < n; j++) m->from[j] = m->at[j * step];
    for (int64_t k = 1; k < o->ker[2]; k++) {
        const POOL_T *v = m->v + k * o->dil[2];
        const POOL_I *at = m->at + k * o->dil[2];
        if (places && step == 1)
            POOL(max_column)(v, at, 1, n, m->out, m->from);
        else if (places && step == 2)
            POOL(max_column)(v, at, 2, n, m->out, m->from);
        else if (places)
            POOL(max_column)(v, at, step, n, m->out, m->from);
        else if (step == 1)
            POOL(max_column_values)(v, 1, n, m->out);
        else if (step == 2)
            POOL(max_column_values)(v, 2, n, m->out);
        else
            POOL(max_column_values)(v, step, n, m->out);
    }
}

static void POOL(max_adaptive)(const struct pool *o, const struct POOL(room) * m, int64_t first, int64_t n)
{
    for (int64_t j = 0; j < n; j++) {
        const struct span s = window(o, 2, j);
        m->out[j] = m->v[s.lo - first];
        m->from[j] = m->at[s.lo - first];
        for (int64_t w = s.lo + 1; w < s.hi; w++)
            POOL(max_column)(m->v + w - first, m->at + w - first, 1, 1, m->out + j, m->from + j);
    }
}

/* Puts the rows of a window together: columns first .. first + width of them. */
static void POOL(max_down)(const struct pool *o, const struct POOL(room) * m, int64_t plane,
                           const struct span *s, int64_t first, int64_t width, bool places)
{
    const int64_t lo = first < 0 ? -first : 0, hi = o->in[2] - first < width ? o->in[2] - first : width;
    for (int64_t j = 0; j < width; j++) m->v[j] = POOL_LEAST;
    for (int64_t j = 0; places && j < width; j++) m->at[j] = POOL_LAST;
    if (hi <= lo) return;
    const wk_tensor x = o->x;
    for (int64_t d = s[0].lo; d < s[0].hi; d += o->dil[0])
        for (int64_t h = s[1].lo; h < s[1].hi; h += o->dil[1]) {
            if (d < 0 || d >= o->in[0] || h < 0 || h >= o->in[1]) continue;
            const int64_t from = plane + d * x->stride[2] + h * x->stride[3] + (first + lo) * x->stride[4];
            const POOL_T *row = POOL_LOAD(x, from, x->stride[4], hi - lo, m->row);
            if (places) POOL(max_row)
            (row, (POOL_I)((d * o->in[1] + h) * o->in[2] + first + lo), hi - lo, m->v + lo, m->at + lo);
            else POOL(max_values)(row, hi - lo, m->v + lo);
        }
}

static void POOL(max_unit)(const struct pool *o, const wk_call *k, int64_t unit, int worker)
{
    struct POOL(room) m = POOL(room_of)(o, worker);
    const int64_t     row = unit / o->runs, j0 = unit % o->runs * o->run;
    const int64_t     n = o->out[2] - j0 < o->run ? o->out[2] - j0 : o->run;
    const bool        places = k->n_out > 1;
    const struct span s[2] = {window(o, 0, row / o->out[1] % o->out[0]), window(o, 1, row % o->out[1])};
    const int64_t     first = window(o, 2, j0).lo, width = window(o, 2, j0 + n - 1).hi - first;
    const int64_t     at = row * o->out[2] + j0;
    POOL(max_down)(o, &m, plane_at(o->x, row / o->out[1] / o->out[0]), s, first, width, places);
    m.out = POOL_DEST(o->y, at, m.out);
    if (o->stride[2])
        POOL(max_across)(o, &m, n, places);
    else
        POOL(max_adaptive)(o, &m, first, n);
    POOL_STORE(o->y, at, n, m.out);
    if (!places) return;
    int64_t *index = (int64_t *)(void *)address(k->out[1], at);
    for (int64_t j = 0; j < n; j++) index[j] = m.from[j] == POOL_LAST ? 0 : m.from[j];
}

/* ---- the mean -------------------------------------------------------------------------------- */

static void POOL(add)(const POOL_T *restrict x, int64_t n, POOL_T *restrict v)
{
    for (int64_t j = 0; j < n; j++) v[j] += x[j];
}
INLINE void POOL(add_columns)(const POOL_T *restrict v, int64_t step, int64_t taps, int64_t n,
                              POOL_T *restrict out)
{
    for (int64_t j = 0; j < n; j++) {
        POOL_T sum = v[j * step];
        for (int64_t k = 1; k < taps; k++) sum += v[j * step + k];
        out[j] = sum;
    }
}

/* Divides n sums from column j0 on by the size of their windows, `rows` times as large. */
static void POOL(divide)(const struct pool *o, int64_t rows, int64_t j0, int64_t n, POOL_T *out)
{
    int64_t lo = 0, hi = 0; /* columns of full windows */
    if (o->divisor) {
        hi = n;
    } else if (o->stride[2]) {
        const int64_t before = o->inside ? o->pad[2] : 0, s = o->stride[2];
        const int64_t room = o->in[2] + o->pad[2] + (o->inside ? 0 : o->pad[2]) - o->ker[2];
        lo = (before + s - 1) / s - j0;
        hi = room < 0 ? 0 : room / s + 1 - j0;
        lo = lo < 0 ? 0 : lo > n ? n : lo;
        hi = hi < lo ? lo : hi > n ? n : hi;
    }
    const POOL_T full = (POOL_T)(o->divisor ? o->divisor : rows * o->ker[2]);
    for (int64_t j = 0; j < lo; j++) out[j] /= (POOL_T)(rows * counted(o, 2, window(o, 2, j0 + j)));
    for (int64_t j = lo; j < hi; j++) out[j] /= full;
    for (int64_t j = hi; j < n; j++) out[j] /= (POOL_T)(rows * counted(o, 2, window(o, 2, j0 + j)));
}

static void POOL(avg_across)(const struct pool *o, const POOL_T *v, int64_t first, int64_t n, POOL_T *out)
{
    const int64_t taps = o->ker[2], step = o->stride[2];
    if (step == 0) {
        for (int64_t j = 0; j < n; j++) {
            const struct span s = window(o, 2, j);
            POOL(add_columns)(v + s.lo - first, 1, s.hi - s.lo, 1, out + j);
        }
    } else if (step == 2 && taps == 2) {
        POOL(add_columns)(v, 2, 2, n, out);
    } else if (step == 2 && taps == 3) {
        POOL(add_columns)(v, 2, 3, n, out);
    } else if (step == 1 && taps == 3) {
        POOL(add_columns)(v, 1, 3, n, out);
    } else {
        for (int64_t j = 0; j < n; j++) out[j] = v[j * step];
        for (int64_t k = 1; k < taps; k++) {
            if (step == 1)
                POOL(add)(v + k, n, out);
            else
                for (int64_t j = 0; j < n; j++) out[j] += v[j * step + k];
        }
    }
}

/* The means of planes first .. last, whose values lie end to end. */
static void POOL(avg_planes)(const struct pool *o, int64_t first, int64_t last, int worker)
{
    struct POOL(room) m = POOL(room_of)(o, worker);
    const int64_t n = o->in[2], channels = o->x->shape[1];
    const POOL_T  size = (POOL_T)(o->divisor ? o->divisor : n);
    POOL_T        mean[64];
    int64_t       image = first / channels, c = first % channels, some = 0;
    for (int64_t i = first; i < last; i++) {
        const int64_t at = image * o->x->stride[0] + c * o->x->stride[1];
        mean[some++] = POOL_SUM(POOL_LOAD(o->x, at, 1, n, m.row), n) / size;
        if (some == 64 || i + 1 == last) {
            POOL_STORE(o->y, i + 1 - some, some, mean);
            some = 0;
        }
        if (++c == channels) {
            c = 0;
            image++;
        }
    }
}

static void POOL(avg_unit)(const struct pool *o, int64_t unit, int worker)
{
    struct POOL(room) m = POOL(room_of)(o, worker);
    const wk_tensor   x = o->x;
    const int64_t     row = unit / o->runs, j0 = unit % o->runs * o->run;
    const int64_t     n = o->out[2] - j0 < o->run ? o->out[2] - j0 : o->run;
    const struct span d = window(o, 0, row / o->out[1] % o->out[0]), h = window(o, 1, row % o->out[1]);
    const int64_t     first = window(o, 2, j0).lo, width = window(o, 2, j0 + n - 1).hi - first;
    const int64_t     lo = first < 0 ? -first : 0, most = o->in[2] - first, hi = most < width ? most : width;
    const int64_t     plane = plane_at(x, row / o->out[1] / o->out[0]), at = row * o->out[2] + j0;
    memset(m.v, 0, (size_t)width * sizeof *m.v);
    for (int64_t a = d.lo < 0 ? 0 : d.lo; a < d.hi && a < o->in[0] && hi > lo; a++)
        for (int64_t b = h.lo < 0 ? 0 : h.lo; b < h.hi && b < o->in[1]; b++) POOL(add)
    (POOL_LOAD(x, plane + a * x->stride[2] + b * x->stride[3] + (first + lo) * x->stride[4], x->stride[4],
               hi - lo, m.row),
     hi - lo, m.v + lo);
    m.out = POOL_DEST(o->y, at, m.out);
    POOL(avg_across)(o, m.v, first, n, m.out);
    POOL(divide)(o, counted(o, 0, d) * counted(o, 1, h), j0, n, m.out);
    POOL_STORE(o->y, at, n, m.out);
}

/* ---- its gradient: x is the result's gradient, y that of the input; a unit is a row of y ---------- */

static void POOL(spread_columns)(const struct pool *o, const POOL_T *out, POOL_T *v)
{
    const int64_t taps = o->ker[2], step = o->stride[2], n = o->out[2];
    if (step == 2)
        for (int64_t k = 0; k < taps; k++)
            for (int64_t j = 0; j < n; j++) v[j * 2 + k] += out[j];
    else if (step)
        for (int64_t k = 0; k < taps; k++)
            for (int64_t j = 0; j < n; j++) v[j * step + k] += out[j];
    else
        for (int64_t j = 0; j < n; j++) {
            const struct span s = window(o, 2, j);
            for (int64_t w = s.lo; w < s.hi; w++) v[w] += out[j];
        }
}

/* Planes first .. last whose one window is all of them. */
static void POOL(avg_vjp_planes)(const struct pool *o, int64_t first, int64_t last, int worker)
{
    struct POOL(room) m = POOL(room_of)(o, worker);
    const int64_t n = o->in[2];
    const POOL_T  size = (POOL_T)(o->divisor ? o->divisor : n);
    for (int64_t i = first; i < last; i++) {
        POOL_T       one;
        const POOL_T share = *POOL_LOAD(o->x, i, 1, 1, &one) / size;
        POOL_T      *to = POOL_DEST(o->y, i * n, m.v);
        for (int64_t j = 0; j < n; j++) to[j] = share;
        POOL_STORE(o->y, i * n, n, to);
    }
}

static void POOL(avg_vjp_unit)(const struct pool *o, int64_t row, int worker)
{
    struct POOL(room) m = POOL(room_of)(o, worker);
    const wk_tensor   g = o->x;
    const int64_t     n = o->out[2], plane = row / o->in[1] / o->in[0];
    const struct span d = holders(o, 0, row / o->in[1] % o->in[0]), h = holders(o, 1, row % o->in[1]);
    memset(m.v, 0, (size_t)o->width * sizeof *m.v);
    memset(m.out, 0, (size_t)n * sizeof *m.out);
    for (int64_t a = d.lo; a < d.hi; a++)
        for (int64_t b = h.lo; b < h.hi; b++) {
            const int64_t at = ((plane * o->out[0] + a) * o->out[1] + b) * n;
            const POOL_T *x = POOL_LOAD(g, at, 1, n, m.row);
            const int64_t rows = counted(o, 0, window(o, 0, a)) * counted(o, 1, window(o, 1, b));
            if (o->divisor || rows == 1) {
                POOL(add)(x, n, m.out);
                continue;
            }
            const POOL_T share = (POOL_T)1 / (POOL_T)rows;
            for (int64_t j = 0; j < n; j++) m.out[j] += x[j] * share;
        }
    POOL(divide)(o, 1, 0, n, m.out);
    POOL(spread_columns)(o, m.out, m.v);
    POOL_STORE(o->y, row * o->in[2], o->in[2], m.v + o->pad[2]);
}

/* ---- values back to their places ------------------------------------------------------------- */

static void POOL(unpool_plane)(const struct pool *o, const wk_call *k, int64_t plane, int worker)
{
    const int64_t  n = o->out[2], size = o->in[2], chunk = TILE;
    const int64_t *index = (const int64_t *)(const void *)address(k->in[1], plane * n);
    char          *mine = o->scratch ? o->scratch + (size_t)worker * o->bytes : NULL;
    POOL_T        *y = POOL_DEST(o->y, plane * size, (POOL_T *)(void *)mine);
    POOL_T         buffer[TILE];
    memset(y, 0, (size_t)size * sizeof *y);
    for (int64_t at = 0; at < n; at += chunk) {
        const int64_t m = n - at < chunk ? n - at : chunk;
        const POOL_T *x = POOL_LOAD(o->x, plane * n + at, 1, m, buffer);
        if (k->attr.i[0])
            for (int64_t j = 0; j < m; j++) y[index[at + j]] += x[j];
        else
            for (int64_t j = 0; j < m; j++) y[index[at + j]] = x[j];
    }
    POOL_STORE(o->y, plane * size, size, y);
}

#undef POOL
#undef POOL_T
#undef POOL_I
#undef POOL_LEAST
#undef POOL_LAST
#undef POOL_LOAD
#undef POOL_DEST
#undef POOL_STORE
#undef POOL_SUM
#undef POOL_NAN
