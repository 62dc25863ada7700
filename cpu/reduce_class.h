/* The loops of reduce.c for one class: values T, accumulators ACC, functions FN(name). Included once per
 * class. */

static ACC FN(start)(enum kind kind)
{
    const bool most = kind == MOST || kind == ARG_MOST;
    const bool least = kind == LEAST || kind == ARG_LEAST || kind == NARROWEST;
    return most ? LOWEST : least ? HIGHEST : kind == PROD || kind == ALL ? (ACC)1 : (ACC)0;
}

/* One tile in two times sixteen lanes, so that one addition need not wait for the one before. STEP changes s,
 * the lane, by v; JOIN is the same for a further lane. */
#define LANES(name, type, from, STEP, JOIN)                                                                  \
    static ACC FN(name)(const T *x, int64_t n, ACC base)                                                     \
    {                                                                                                        \
        type    lane[32];                                                                                    \
        int64_t i = 0;                                                                                       \
        (void)base;                                                                                          \
        for (int l = 0; l < 32; l++) lane[l] = (type)(from);                                                 \
        for (; i + 32 <= n; i += 32)                                                                         \
            for (int l = 0; l < 32; l++) {                                                                   \
                const T    v = x[i + l];                                                                     \
                const type s = lane[l];                                                                      \
                lane[l] = (type)(STEP);                                                                      \
            }                                                                                                \
        for (int l = 0; i < n; i++, l++) {                                                                   \
            const T    v = x[i];                                                                             \
            const type s = lane[l];                                                                          \
            lane[l] = (type)(STEP);                                                                          \
        }                                                                                                    \
        for (int h = 16; h > 0; h /= 2)                                                                      \
            for (int l = 0; l < h; l++) {                                                                    \
                const type s = lane[l], v = lane[l + h];                                                     \
                lane[l] = (type)(JOIN);                                                                      \
            }                                                                                                \
        return (ACC)lane[0];                                                                                 \
    }

LANES(tile_sum, T, 0, PLUS(s, v), PLUS(s, v))
LANES(tile_prod, ACC, 1, TIMES(s, (ACC)v), TIMES(s, v))
LANES(tile_highest, T, LOWEST, v > s ? v : s, v > s ? v : s)
LANES(tile_lowest, T, HIGHEST, v < s ? v : s, v < s ? v : s)
LANES(tile_any, T, 0, v != 0 ? 1 : s, v != 0 ? 1 : s)
LANES(tile_zeros, T, 0, v == 0 ? 1 : s, v != 0 ? 1 : s)
LANES(tile_nans, T, 0, ISNAN(v) ? 1 : s, v != 0 ? 1 : s)
LANES(tile_squares, ACC, 0, s + ((ACC)v - base) * ((ACC)v - base), s + v)
LANES(tile_numbers, T, 0, ISNAN(v) ? s : PLUS(s, v), PLUS(s, v))
LANES(tile_count, T, 0, v != 0 ? s + 1 : s, s + v)
LANES(tile_sizes, T, 0, PLUS(s, SIZE(v)), PLUS(s, v))
LANES(tile_powers, ACC, 0, s + (ACC)pow((double)SIZE(v), (double)base), s + v)
LANES(tile_widest, T, 0, SIZE(v) > s ? SIZE(v) : s, v > s ? v : s)
LANES(tile_narrowest, T, HIGHEST, SIZE(v) < s ? SIZE(v) : s, v < s ? v : s)
LANES(tile_exponentials, T, 0, s + (T)EXP(v - (T)base), s + v)

/* NaN wins: looked for apart, so that the lanes stay simple. */
static ACC FN(tile_most)(const T *x, int64_t n)
{
    return FN(tile_nans)(x, n, 0) != 0 ? NOT_A_NUMBER : FN(tile_highest)(x, n, 0);
}
static ACC FN(tile_least)(const T *x, int64_t n)
{
    return FN(tile_nans)(x, n, 0) != 0 ? NOT_A_NUMBER : FN(tile_lowest)(x, n, 0);
}

/* Is a the better pick? NaN beats all, the first of equals stays. */
INLINE bool FN(better)(enum kind kind, ACC a, ACC b)
{
    return (kind == ARG_MOST ? a > b : a < b) || (ISNAN(a) && !ISNAN(b));
}

/* Brings n values, the first one at position `at` of the reduced set, into result *v. */
static void FN(along)(enum kind kind, ACC *v, int64_t *best, ACC base, const T *x, int64_t n, int64_t at)
{
    ACC t;
    switch (kind) {
    case SUM:
        *v = PLUS(*v, FN(tile_sum)(x, n, 0));
        break;
    case PROD:
        *v = TIMES(*v, FN(tile_prod)(x, n, 0));
        break;
    case MOST:
        t = FN(tile_most)(x, n), *v = t > *v || ISNAN(t) ? t : *v;
        break;
    case LEAST:
        t = FN(tile_least)(x, n), *v = t < *v || ISNAN(t) ? t : *v;
        break;
    case ANY:
        *v = FN(tile_any)(x, n, 0) != 0 ? 1 : *v;
        break;
    case ALL:
        *v = FN(tile_zeros)(x, n, 0) != 0 ? 0 : *v;
        break;
    case SQUARES:
        *v += FN(tile_squares)(x, n, base);
        break;
    case EXPONENTIALS:
        *v += FN(tile_exponentials)(x, n, base);
        break;
    case NAN_SUM:
        *v = PLUS(*v, FN(tile_numbers)(x, n, 0));
        break;
    case COUNT:
        *v += FN(tile_count)(x, n, 0);
        break;
    case SIZES:
        *v = PLUS(*v, FN(tile_sizes)(x, n, 0));
        break;
    case POWERS:
        *v += FN(tile_powers)(x, n, base);
        break;
    case WIDEST:
        t = FN(tile_nans)(x, n, 0) != 0 ? NOT_A_NUMBER : FN(tile_widest)(x, n, 0);
        *v = t > *v || ISNAN(t) ? t : *v;
        break;
    case NARROWEST:
        t = FN(tile_nans)(x, n, 0) != 0 ? NOT_A_NUMBER : FN(tile_narrowest)(x, n, 0);
        *v = t < *v || ISNAN(t) ? t : *v;
        break;
    case ARG_MOST:
    case ARG_LEAST:
        t = kind == ARG_MOST ? FN(tile_most)(x, n) : FN(tile_least)(x, n);
        if (*best >= 0 && !FN(better)(kind, t, *v)) break;
        const T want = (T)t;
        int64_t i = 0;
        for (int hit = 0; i + 64 < n; i += 64) { /* whole blocks first, which the compiler compares at once */
            for (int l = 0; l < 64; l++) hit |= x[i + l] == want || (ISNAN(want) && ISNAN(x[i + l]));
            if (hit) break;
        }
        while (i < n - 1 && !(x[i] == want || (ISNAN(want) && ISNAN(x[i])))) i++;
        *v = t;
        *best = at + i;
    }
}

/* One value each, x[0..n), into n results side by side. */
#define EACH(f)                                                                                              \
    for (int64_t i = 0; i < n; i++) {                                                                        \
        const ACC s = v[i], u = (ACC)x[i];                                                                   \
        v[i] = (f);                                                                                          \
    }
static void FN(across)(enum kind kind, ACC *restrict v, int64_t *restrict best, const ACC *restrict base,
                       const T *restrict x, int64_t n, int64_t at)
{
    switch (kind) {
    case SUM:
        EACH(PLUS(s, u)) break;
    case PROD:
        EACH(TIMES(s, u)) break;
    case MOST:
        EACH(u > s || ISNAN(u) ? u : s) break;
    case LEAST:
        EACH(u < s || ISNAN(u) ? u : s) break;
    case ANY:
        EACH(u != 0 ? (ACC)1 : s) break;
    case ALL:
        EACH(u == 0 ? (ACC)0 : s) break;
    case SQUARES:
        EACH(s + (u - base[i]) * (u - base[i])) break;
    case EXPONENTIALS:
        EACH(s + EXP(u - base[i])) break;
    case NAN_SUM:
        EACH(ISNAN(u) ? s : PLUS(s, u)) break;
    case COUNT:
        EACH(u != 0 ? s + 1 : s) break;
    case SIZES:
        EACH(PLUS(s, SIZE(u))) break;
    case POWERS:
        EACH(s + (ACC)pow((double)SIZE(u), (double)base[i])) break;
    case WIDEST:
        EACH(SIZE(u) > s || ISNAN(u) ? SIZE(u) : s) break;
    case NARROWEST:
        EACH(SIZE(u) < s || ISNAN(u) ? SIZE(u) : s) break;
    case ARG_MOST:
    case ARG_LEAST:
        for (int64_t i = 0; i < n; i++) {
            const bool take = best[i] < 0 || FN(better)(kind, (ACC)x[i], v[i]);
            v[i] = take ? (ACC)x[i] : v[i];
            best[i] = take ? at : best[i];
        }
    }
}

#if !defined ACROSS_EIGHT
/* Adds eight rows of n values to sums of n. */
#define FOUR(x, i) PLUS(PLUS((x)[0][i], (x)[1][i]), PLUS((x)[2][i], (x)[3][i]))
static void FN(across_eight)(T *restrict sum, const T *const *restrict x, int64_t n)
{
    for (int64_t i = 0; i < n; i++) sum[i] = PLUS(sum[i], PLUS(FOUR(x, i), FOUR(x + 4, i)));
}
#undef FOUR
#define ACROSS_EIGHT FN(across_eight)
#endif

/* Adds rows r0 .. r1 to n results, 64 at a time in T, then in ACC; returns the first one left. */
static int64_t FN(sum_rows)(const struct job *j, int64_t from, int64_t step, int64_t n, int64_t r0,
                            int64_t r1, ACC *v)
{
    const bool     halves = HALVES(j, step);
    int64_t        r = r0, left;
    _Alignas(64) T sum[RESULTS], rows[8][RESULTS];
    while (r + 8 <= r1) {
        memset(sum, 0, (size_t)((n + 31) / 32 * 32) * sizeof *sum);
        for (int64_t end = r1 - r < 64 ? r1 : r + 64; r + 8 <= end; r += 8) {
            const T *x[8];
            for (int i = 0; i < 8; i++) {
                const int64_t offset = from + walk_offset(&j->reduced, 0, r + i, &left);
                x[i] = halves ? (const T *)(const void *)address(j->x, offset)
                              : LOAD_STRIDED(j->x, offset, step, n, rows[i]);
            }
            if (halves)
                HALVES_ACROSS(sum, x, n);
            else
                ACROSS_EIGHT(sum, x, n);
        }
        if (halves) HALVES_SORT(sum, n);
        for (int64_t i = 0; i < n; i++) v[i] = PLUS(v[i], (ACC)sum[i]);
    }
    return r;
}

/* Up to TILE values of the reduced set of the result at offset `from`, from position `at` on. */
static const T *FN(collect)(const struct job *j, int64_t from, int64_t at, int64_t n, T *buffer)
{
    const int64_t stride = j->reduced.stride[0][j->reduced.ndim - 1];
    for (int64_t done = 0;;) {
        int64_t       left;
        const int64_t offset = from + walk_offset(&j->reduced, 0, at + done, &left);
        const int64_t m = left < n - done ? left : n - done;
        const T      *v = LOAD_STRIDED(j->x, offset, stride, m, buffer + done);
        if (m == n) return v;
        if (v != buffer + done) memcpy(buffer + done, v, (size_t)m * sizeof *v);
        if ((done += m) == n) return buffer;
    }
}

/* One pass over positions [r0, r1) of the reduced set for n results from `at` on. */
static void FN(pass)(const struct job *j, enum kind kind, int64_t at, int64_t n, int64_t r0, int64_t r1,
                     ACC *v, int64_t *best, const ACC *base)
{
    _Alignas(64) T buffer[TILE];
    int64_t        left;
    for (int64_t i = 0; i < n; i++) v[i] = FN(start)(kind);
    for (int64_t i = 0; i < n && kind >= ARG_MOST; i++) best[i] = -1;
    if (j->stack > 1) {
        const int64_t from = walk_offset(&j->kept, 0, at, &left), step = j->kept.stride[0][j->kept.ndim - 1];
        for (int64_t r = kind == SUM ? FN(sum_rows)(j, from, step, n, r0, r1, v) : r0; r < r1; r++) {
            const int64_t offset = from + walk_offset(&j->reduced, 0, r, &left);
            FN(across)(kind, v, best, base, LOAD_STRIDED(j->x, offset, step, n, buffer), n, r);
        }
        return;
    }
    for (int64_t i = kind == SUM ? SUM_ROWS_ALONG(j, at, n, r0, r1, v) : 0; i < n; i++) {
        const int64_t from = walk_offset(&j->kept, 0, at + i, &left);
        for (int64_t r = kind == SUM ? SUM_ALONG(j, from, r0, r1, &v[i]) : r0; r < r1; r += TILE) {
            const int64_t m = r1 - r < TILE ? r1 - r : TILE;
            FN(along)(kind, &v[i], &best[i], base[i], FN(collect)(j, from, r, m, buffer), m, r);
        }
    }
}

/* What the second pass subtracts: the mean, or the largest value where it is finite. */
static void FN(rebase)(const struct job *j, int64_t n, const ACC *v, ACC *base)
{
    for (int64_t i = 0; i < n; i++)
        base[i] = j->second == SQUARES                ? v[i] / (ACC)j->reduced.n
                  : v[i] == LOWEST || v[i] == HIGHEST ? 0
                                                      : v[i];
}

/* Accumulators to results. */
static void FN(put)(const struct job *j, int64_t at, int64_t n, const ACC *v, const int64_t *best,
                    const ACC *base)
{
    T            out[RESULTS];
    const double count = (double)j->reduced.n, rest = count - j->k->attr.f[0], p = j->k->attr.f[1];
    (void)p;
    if (j->first >= ARG_MOST) {
        memcpy(address(j->y, at), best, (size_t)n * sizeof *best);
        return;
    }
    if (j->k->op == WK_OP_sum) {
        for (int64_t i = 0; i < n; i++) out[i] = (T)v[i];
        STORE(j->y, at, n, out);
        return;
    }
    for (int64_t i = 0; i < n; i++) {
        ACC r = v[i];
        if (j->k->op == WK_OP_vector_norm) {
            r = j->first == SQUARES  ? (ACC)sqrt((double)r)
                : j->first == POWERS ? (ACC)pow((double)r, 1 / p)
                                     : r;
        } else if (j->second == SQUARES) {
            const double var = (double)r / (rest > 0 ? rest : 0);
            r = (ACC)(j->k->op == WK_OP_std ? sqrt(var) : var);
        }
        if (j->second == EXPONENTIALS) r = (ACC)(log((double)r) + (double)base[i]);
        if (j->k->op == WK_OP_mean) r = (ACC)((double)r / count);
        out[i] = (T)r;
    }
    STORE(j->y, at, n, out);
}

/* Where set s begins, and how many results it has. */
static int64_t FN(set)(const struct job *j, int64_t s, int64_t *n)
{
    const int64_t span = j->stack > 1 ? j->stack : j->kept.n, sets = (span + j->set - 1) / j->set;
    const int64_t in = s % sets * j->set;
    *n = span - in < j->set ? span - in : j->set;
    return s / sets * span + in;
}

static void FN(piece)(void *arg, int64_t first, int64_t last, int worker)
{
    const struct job *j = arg;
    (void)worker;
    for (int64_t p = first; p < last; p++) {
        ACC           v[RESULTS], base[RESULTS];
        int64_t       best[RESULTS], n;
        const int64_t c = p / j->sets, at = FN(set)(j, p % j->sets, &n);
        const int64_t r0 = c * j->chunk, r1 = r0 + j->chunk < j->reduced.n ? r0 + j->chunk : j->reduced.n;
        for (int64_t i = 0; i < n; i++) base[i] = j->first == POWERS ? (ACC)j->k->attr.f[1] : 0;
        if (j->on_second) memcpy(base, (const ACC *)j->base + at, (size_t)n * sizeof *base);
        FN(pass)(j, j->on_second ? j->second : j->first, at, n, r0, r1, v, best, base);
        if (j->n_chunk > 1) {
            memcpy((ACC *)j->part + c * j->kept.n + at, v, (size_t)n * sizeof *v);
            if (j->first >= ARG_MOST) memcpy(j->part_at + c * j->kept.n + at, best, (size_t)n * sizeof *best);
            continue;
        }
        if (j->second != j->first) {
            FN(rebase)(j, n, v, base);
            FN(pass)(j, j->second, at, n, r0, r1, v, best, base);
        }
        FN(put)(j, at, n, v, best, base);
    }
}

/* Joins one chunk's n results to v. */
static void FN(join)(enum kind kind, ACC *restrict v, int64_t *restrict best, const ACC *restrict x,
                     const int64_t *restrict at, int64_t n)
{
    switch (kind) {
    case PROD:
        EACH(TIMES(s, u)) break;
    case MOST:
    case WIDEST:
        EACH(u > s || ISNAN(u) ? u : s) break;
    case LEAST:
    case NARROWEST:
        EACH(u < s || ISNAN(u) ? u : s) break;
    case ANY:
        EACH(u != 0 ? (ACC)1 : s) break;
    case ALL:
        EACH(u == 0 ? (ACC)0 : s) break;
    case ARG_MOST:
    case ARG_LEAST:
        for (int64_t i = 0; i < n; i++) {
            if (!FN(better)(kind, x[i], v[i])) continue;
            v[i] = x[i];
            best[i] = at[i];
        }
        break;
    default:
        EACH(PLUS(s, u))
    }
}

/* Joins the chunks of results [first, last), in order; after the first of two passes leaves the base. */
static void FN(finish)(void *arg, int64_t first, int64_t last, int worker)
{
    const struct job *j = arg;
    const enum kind   kind = j->on_second ? j->second : j->first;
    (void)worker;
    for (int64_t i = first; i < last; i += RESULTS) {
        const int64_t n = last - i < RESULTS ? last - i : RESULTS;
        ACC           v[RESULTS];
        int64_t       best[RESULTS];
        memcpy(v, (const ACC *)j->part + i, (size_t)n * sizeof *v);
        if (kind >= ARG_MOST) memcpy(best, j->part_at + i, (size_t)n * sizeof *best);
        for (int64_t c = 1; c < j->n_chunk; c++) FN(join)
        (kind, v, best, (const ACC *)j->part + c * j->kept.n + i, j->part_at + c * j->kept.n + i, n);
        if (j->first != j->second && !j->on_second)
            FN(rebase)(j, n, v, (ACC *)j->base + i);
        else
            FN(put)(j, i, n, v, best, (const ACC *)j->base + i);
    }
}

#undef T
#undef ACC
#undef FN
#undef LOWEST
#undef HIGHEST
#undef EXP
#undef ISNAN
#undef SIZE
#undef PLUS
#undef TIMES
#undef LOAD
#undef LOAD_STRIDED
#undef STORE
#undef LANES
#undef HALVES
#undef ACROSS_EIGHT
#undef HALVES_ACROSS
#undef HALVES_SORT
#undef SUM_ALONG
#undef SUM_ROWS_ALONG
#undef NOT_A_NUMBER
#undef EACH
