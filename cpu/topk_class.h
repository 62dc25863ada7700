/* The first of a row in sorted order. Included by sort.c after sort_class.h.
 *
 * Values are read once. Those that come before the last of the best so far join the candidates; when these
 * have no more room they are sorted and cut to the best. As candidates stand in the order of the row, equal
 * values keep it. */

/* Sorts m candidates in a (b: room for as many) and keeps the best; how many those are. */
static int64_t FN(cut_to)(int64_t most, struct FN(record) * a, struct FN(record) * b, int64_t m)
{
    const struct FN(record) *r = FN(radix)(a, b, m);
    m = m < most ? m : most;
    if (r != a) memcpy(a, r, (size_t)m * sizeof *a);
    return m;
}

/* The best of values [from, to) of a row, in a. */
static int64_t FN(best)(const struct sorting *s, int64_t row, int64_t from, int64_t to, struct FN(record) * a,
                        struct FN(record) * b)
{
    KEY     key[TILE + BLOCK], limit = ~(KEY)0;
    bool    full = false;
    int64_t m = 0;
    for (int64_t i = from; i < to; i += TILE) {
        const int64_t n = to - i < TILE ? to - i : TILE;
        FN(keys)(s, row * s->n + i, n, key);
        for (int64_t j = n; j % BLOCK; j++) key[j] = ~(KEY)0;
        for (int64_t j = 0; j < n; j += BLOCK) {
            const int64_t w = n - j < BLOCK ? n - j : BLOCK;
            KEY           low = ~(KEY)0;
            for (int64_t e = 0; e < BLOCK; e++) low = key[j + e] < low ? key[j + e] : low;
            if (full && low >= limit) continue;
            for (int64_t e = 0; e < w; e++) {
                a[m] = (struct FN(record)){key[j + e], (KEY)(i + j + e)};
                m += !full || key[j + e] < limit;
            }
            if (m + BLOCK <= room_for(s)) continue;
            m = FN(cut_to)(s->m, a, b, m);
            limit = a[m - 1].key;
            full = m == s->m;
        }
    }
    return FN(cut_to)(s->m, a, b, m);
}

/* The best of a row of which they are a good part: a count of the keys by their upper bits says up to where
 * they reach; what does not lie beyond is sorted. */
static int64_t FN(best_by_count)(const struct sorting *s, int64_t row, struct FN(record) * a,
                                 struct FN(record) * b)
{
    KEY          *key = (KEY *)(void *)b; /* read before b is written */
    uint32_t      count[CLASSES] = {0}, more[CLASSES] = {0};
    const int     shift = 8 * DIGITS - CLASS_BITS;
    const int64_t n = s->n;
    for (int64_t i = 0; i < n; i += TILE) FN(keys)(s, row * n + i, n - i < TILE ? n - i : TILE, key + i);
    for (int64_t i = 0; i + 1 < n; i += 2) { /* two, as neighbours are often of one class */
        count[key[i] >> shift]++;
        more[key[i + 1] >> shift]++;
    }
    if (n % 2) count[key[n - 1] >> shift]++;
    int64_t sum = 0;
    KEY     last = 0;
    for (; sum < s->m; last++) sum += count[last] + more[last];
    const KEY limit = (last << shift) - 1; /* of the last class that is wanted */
    int64_t   m = 0;
    for (int64_t i = 0; i < n; i++) {
        a[m] = (struct FN(record)){key[i], (KEY)i};
        m += key[i] <= limit;
    }
    return FN(cut_to)(s->m, a, b, m);
}

static void FN(best_piece)(void *arg, int64_t first, int64_t last, int worker)
{
    const struct sorting *s = arg;
    struct FN(record) *a = (struct FN(record) *)s->scratch + 2 * room_for(s) * worker;
    struct FN(record) *kept = (struct FN(record) *)s->scratch + 2 * room_for(s) * s->workers;
    for (int64_t at = first; at < last; at++) {
        const int64_t row = at / s->pieces, from = at % s->pieces * s->piece;
        const int64_t to = s->n - from < s->piece ? s->n : from + s->piece;
        const int64_t m = s->counted ? FN(best_by_count)(s, row, a, a + room_for(s))
                                     : FN(best)(s, row, from, to, a, a + room_for(s));
        if (s->pieces == 1)
            FN(emit)(s, row, 0, a, m);
        else
            memcpy(kept + at * s->m, a, (size_t)m * sizeof *a);
    }
}

/* What the pieces of the rows have kept, each the whole number of them, joined. */
static void FN(best_join)(const struct sorting *s, int64_t rows)
{
    struct FN(record) *kept = (struct FN(record) *)s->scratch + 2 * room_for(s) * s->workers;
    const int64_t n = s->pieces * s->m;
    for (int64_t row = 0; row < rows; row++) {
        const int64_t m = FN(cut_to)(s->m, kept + row * n, kept + rows * n, n);
        FN(emit)(s, row, 0, kept + row * n, m);
    }
}

#undef KEY
#undef REAL
#undef DIGITS
#undef FN
