/* The scans of one class: T the values' type, ACC the sums'. Included by scan.c. */

/* What a scan has seen of one column: the sum, product or best value; for logcumsumexp a the largest value
 * and b the sum of exp(x - a); for cummax and cummin at is where a stands. */
struct FN(state) {
    ACC     a;
    ACC     b;
    int64_t at;
};

static struct FN(state) FN(begin)(enum kind kind)
{
    const ACC zero = 0, one = 1;
    return (struct FN(state)){.a = kind == PROD ? one : kind == LOGSUM ? (ACC)LOWEST : zero, .at = -1};
}

/* x joins the state; cummax and cummin take the latest of equal values, and NaN over all others. */
INLINE void FN(join)(enum kind kind, struct FN(state) * s, const struct FN(state) * x)
{
    if (kind == SUM) {
        s->a = PLUS(s->a, x->a);
    } else if (kind == PROD) {
        s->a = TIMES(s->a, x->a);
    } else if (kind == LOGSUM) {
        const bool nan = ISNAN(s->a) || ISNAN(x->a);
        const ACC  top = nan ? (ACC)NOT_A_NUMBER : s->a > x->a ? s->a : x->a;
        if (top == (ACC)LOWEST) return;
        /* equal ends cover infinities, whose difference is no number */
        const ACC old = s->a == top ? 1 : EXP(s->a - top), more = x->a == top ? 1 : EXP(x->a - top);
        s->b = s->b * old + x->b * more;
        s->a = top;
    } else if (s->at < 0 || ISNAN(x->a) || (!ISNAN(s->a) && (kind == MOST ? x->a >= s->a : x->a <= s->a))) {
        s->a = x->a;
        s->at = x->at;
    }
}

INLINE T FN(result)(enum kind kind, const struct FN(state) * s)
{
    return kind == LOGSUM ? (T)(s->a + LOG(s->b)) : (T)s->a;
}

/* Sums of eight neighbours do not wait for the ones before them. */
static void FN(sum_line)(struct FN(state) * s, const T *x, T *y, int64_t n)
{
    ACC     carry = s->a;
    int64_t i = 0;
    for (; i + 8 <= n; i += 8) {
        ACC p[8];
        for (int j = 0; j < 8; j++) p[j] = (ACC)x[i + j];
        for (int j = 7; j >= 1; j--) p[j] = PLUS(p[j], p[j - 1]);
        for (int j = 7; j >= 2; j--) p[j] = PLUS(p[j], p[j - 2]);
        for (int j = 7; j >= 4; j--) p[j] = PLUS(p[j], p[j - 4]);
        for (int j = 0; j < 8; j++) y[i + j] = (T)PLUS(carry, p[j]);
        carry = PLUS(carry, p[7]);
    }
    for (; i < n; i++) {
        carry = PLUS(carry, (ACC)x[i]);
        y[i] = (T)carry;
    }
    s->a = carry;
}

static ACC FN(total)(const T *x, int64_t n)
{
    ACC     p[16] = {0};
    int64_t i = 0;
    for (; i + 16 <= n; i += 16)
        for (int j = 0; j < 16; j++) p[j] = PLUS(p[j], (ACC)x[i + j]);
    for (int j = 0; i < n; i++, j++) p[j] = PLUS(p[j], (ACC)x[i]);
    for (int j = 1; j < 16; j++) p[0] = PLUS(p[0], p[j]);
    return p[0];
}

static void FN(line)(enum kind kind, struct FN(state) * s, const T *x, T *y, int64_t *at, int64_t from,
                     int64_t n)
{
    if (kind == SUM) {
        FN(sum_line)(s, x, y, n);
        return;
    }
    for (int64_t i = 0; i < n; i++) {
        FN(join)(kind, s, &(struct FN(state)){.a = (ACC)x[i], .b = 1, .at = from + i});
        y[i] = FN(result)(kind, s);
        if (at) at[i] = s->at;
    }
}

/* One value of each of m columns; sums has the states' sums side by side. */
static void FN(columns)(enum kind kind, struct FN(state) * s, ACC *sums, const T *x, T *y, int64_t *at,
                        int64_t from, int64_t m)
{
    if (kind == SUM) {
        for (int64_t j = 0; j < m; j++) {
            sums[j] = PLUS(sums[j], (ACC)x[j]);
            y[j] = (T)sums[j];
        }
        return;
    }
    for (int64_t j = 0; j < m; j++) {
        FN(join)(kind, &s[j], &(struct FN(state)){.a = (ACC)x[j], .b = 1, .at = from});
        y[j] = FN(result)(kind, &s[j]);
        if (at) at[j] = s[j].at;
    }
}

static void FN(turn)(const T *x, T *y, int64_t n)
{
    for (int64_t i = 0; i < n; i++) y[i] = x[n - 1 - i];
}

/* A chunk of a unit's values; without results where only its total is wanted. */
static void FN(chunk)(const struct scan *o, int64_t unit, int64_t chunk, struct FN(state) * s, bool results)
{
    const wk_tensor x = o->k->in[0], y = o->k->out[0];
    const int64_t   outer = unit / o->blocks, col = unit % o->blocks * COLUMNS;
    const int64_t   m = o->inner - col < COLUMNS ? o->inner - col : COLUMNS, end = (chunk + 1) * o->chunk;
    const int64_t   last = end < o->n ? end : o->n, base = outer * o->n * o->inner + col;
    int64_t        *indices = results && o->k->n_out > 1 ? (int64_t *)wki_data(o->k->out[1]) : NULL;
    const int64_t   step = o->inner == 1 ? TILE : 1;
    T               bx[TILE], by[TILE], turned[TILE];
    ACC             sums[COLUMNS];
    for (int64_t j = 0; j < m; j++) sums[j] = s ? s[j].a : 0;
    for (int64_t i = chunk * o->chunk; i < last; i += step) {
        const int64_t rows = last - i < step ? last - i : step, wide = o->inner == 1 ? rows : m;
        const int64_t at = base + (o->reverse ? o->n - i - rows : i) * o->inner;
        const T      *v = LOAD(x, at, wide, bx);
        const bool    turn = o->reverse && o->inner == 1;
        T            *to = turn || !results ? by : DEST(y, at, by);
        if (turn) {
            FN(turn)(v, turned, wide);
            v = turned;
        }
        if (!results && o->inner == 1 && o->kind == SUM)
            s->a = PLUS(s->a, FN(total)(v, wide));
        else if (o->inner == 1)
            FN(line)(o->kind, s, v, to, indices ? indices + at : NULL, i, wide);
        else
            FN(columns)(o->kind, s, sums, v, to, indices ? indices + at : NULL, i, wide);
        if (turn && results) {
            FN(turn)(to, turned, wide);
            to = turned;
        }
        if (results) STORE(y, at, wide, to);
    }
    for (int64_t j = 0; j < m && s && o->kind == SUM && o->inner > 1; j++) s[j].a = sums[j];
}

/* Pieces of the second and, where there are several chunks, the first pass: states hold what comes before
 * each chunk, or its total. */
static void FN(piece)(void *arg, int64_t first, int64_t last, int worker)
{
    const struct scan *o = arg;
    (void)worker;
    for (int64_t p = first; p < last; p++) {
        const int64_t unit = p / o->group, chunk = o->from + p % o->group;
        struct FN(state) own[COLUMNS];
        struct FN(state) *kept = o->states;
        if (chunk >= o->chunks) continue;
        if (kept) kept += (unit * o->group + chunk - o->from) * o->cols;
        if (!kept && o->kind == SUM && o->inner > 1) { /* sums alone, from nothing */
            FN(chunk)(o, unit, chunk, NULL, true);
            continue;
        }
        for (int64_t j = 0; j < o->cols; j++) own[j] = kept && !o->totals ? kept[j] : FN(begin)(o->kind);
        FN(chunk)(o, unit, chunk, own, !o->totals);
        if (kept && o->totals) memcpy(kept, own, (size_t)o->cols * sizeof *own);
    }
}

/* A product of a chunk that left the range of its type says nothing about the product of more. */
static bool FN(sound)(const struct scan *o, const struct FN(state) * s, int64_t n)
{
    for (int64_t i = 0; o->kind == PROD && i < n; i++)
        if (!IN_RANGE(s[i].a)) return false;
    return true;
}

/* Totals of a group of chunks become what comes before each; *before moves on. */
static void FN(prefix)(const struct scan *o, struct FN(state) * before)
{
    struct FN(state) *s = o->states;
    for (int64_t unit = 0; unit < o->units; unit++)
        for (int64_t g = 0; g < o->group; g++)
            for (int64_t j = 0; j < o->cols; j++) {
                struct FN(state) *here = &s[(unit * o->group + g) * o->cols + j];
                const struct FN(state) total = *here;
                *here = before[unit * o->cols + j];
                if (o->from + g < o->chunks) FN(join)(o->kind, &before[unit * o->cols + j], &total);
            }
}

static void FN(serial)(struct scan *o, struct FN(state) * before)
{
    for (int64_t unit = 0; unit < o->units; unit++)
        for (int64_t g = 0; g < o->group && o->from + g < o->chunks; g++)
            FN(chunk)(o, unit, o->from + g, before + unit * o->cols, true);
}

static void FN(run)(struct scan *o)
{
    struct FN(state) *before = o->k->scratch;
    const int64_t work = o->chunk * o->cols, grain = (1 << 14) / (work + 1) + 1;
    if (o->chunks == 1) {
        wki_parallel(o->k->device, o->units, grain, FN(piece), o);
        return;
    }
    o->group = GROUP;
    o->states = before + o->units * o->cols;
    for (int64_t i = 0; i < o->units * o->cols; i++) before[i] = FN(begin)(o->kind);
    for (o->from = 0; o->from < o->chunks; o->from += GROUP) {
        o->totals = true;
        wki_parallel(o->k->device, o->units * GROUP, grain, FN(piece), o);
        const int64_t left = o->chunks - o->from < GROUP ? o->chunks - o->from : GROUP;
        bool          sound = true;
        for (int64_t u = 0; u < o->units; u++)
            sound &= FN(sound)(o, (struct FN(state) *)o->states + u * GROUP * o->cols, left * o->cols);
        if (!sound) {
            FN(serial)(o, before);
            continue;
        }
        FN(prefix)(o, before);
        o->totals = false;
        wki_parallel(o->k->device, o->units * GROUP, grain, FN(piece), o);
    }
}

#undef T
#undef ACC
#undef FN
#undef LOAD
#undef DEST
#undef STORE
#undef LOWEST
#undef NOT_A_NUMBER
#undef EXP
#undef LOG
#undef ISNAN
#undef IN_RANGE
#undef PLUS
#undef TIMES
