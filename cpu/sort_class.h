/* Sorting with keys of one width: unsigned numbers in the order of the values. Included by sort.c, before
 * topk_class.h.
 *
 * KEY is their type; REAL the type that real values are read as; DIGITS the bytes of a key. */

struct FN(record) {
    KEY key, at;
};

/* Reals: flips the sign, and all other bits of negative ones, so that order is that of unsigned numbers; both
 * zeros are one key, every NaN is the largest. Integers: less the smallest of their dtype. */
static void FN(keys)(const struct sorting *s, int64_t at, int64_t n, KEY *out)
{
    const KEY flip = s->descending ? ~(KEY)0 : 0, low = (KEY)s->low;
    if (s->whole) {
        int64_t        buffer[TILE];
        const int64_t *v = load_i64(s->x, at, n, buffer);
        for (int64_t i = 0; i < n; i++) out[i] = ((KEY)v[i] - low) ^ flip;
        return;
    }
    REAL        buffer[TILE];
    const REAL *v = LOAD(s->x, at, n, buffer);
    for (int64_t i = 0; i < n; i++) {
        const REAL x = v[i] + 0; /* -0 becomes 0 */
        KEY        u;
        memcpy(&u, &x, sizeof u);
        const KEY sign = (KEY)0 - (u >> (8 * DIGITS - 1));
        u ^= sign | (KEY)1 << (8 * DIGITS - 1);
        out[i] = (x != x ? ~(KEY)0 : u) ^ flip;
    }
}

/* Results of records [0, n) of a row from its place `from` on. Zeros and NaN are copied, as their key has
 * lost which one they were. */
static void FN(emit)(const struct sorting *s, int64_t row, int64_t from, const struct FN(record) * r,
                     int64_t n)
{
    const KEY    flip = s->descending ? ~(KEY)0 : 0, low = (KEY)s->low, top = (KEY)1 << (8 * DIGITS - 1);
    const size_t size = (size_t)wk_dtype_bytes(s->x->dtype);
    int64_t     *indices = (int64_t *)wki_data(s->indices) + row * s->m;
    struct FN(record) own[TILE];
    for (int64_t i = 0; i < n; i += TILE) {
        const int64_t m = n - i < TILE ? n - i : TILE, at = row * s->m + from + i;
        memcpy(own, r + i, (size_t)m * sizeof *r); /* the indices may take its place */
        for (int64_t j = 0; j < m; j++) indices[from + i + j] = (int64_t)own[j].at;
        if (s->whole) {
            int64_t v[TILE];
            for (int64_t j = 0; j < m; j++) v[j] = (int64_t)((own[j].key ^ flip) + low);
            CPU(from_i64)[s->values->dtype](v, address(s->values, at), m);
            continue;
        }
        REAL v[TILE];
        bool odd = false;
        for (int64_t j = 0; j < m; j++) {
            const KEY k = own[j].key ^ flip, u = k ^ (k & top ? top : ~(KEY)0);
            memcpy(&v[j], &u, sizeof u);
            odd |= k == top || k == ~(KEY)0;
        }
        FROM[s->values->dtype](v, address(s->values, at), m);
        for (int64_t j = 0; odd && j < m; j++) {
            const KEY k = own[j].key ^ flip;
            if (k == top || k == ~(KEY)0)
                memcpy(address(s->values, at + j), address(s->x, row * s->n + (int64_t)own[j].at), size);
        }
    }
}

static void FN(insertion)(struct FN(record) * r, int64_t n)
{
    for (int64_t i = 1; i < n; i++) {
        const struct FN(record) v = r[i];
        int64_t j = i;
        for (; j > 0 && r[j - 1].key > v.key; j--) r[j] = r[j - 1];
        r[j] = v;
    }
}

/* Sorts n records in a, byte by byte from the lowest, with b as room; returns where they are then. Bytes in
 * which all keys agree are passed over. */
static struct FN(record) * FN(radix)(struct FN(record) * a, struct FN(record) * b, int64_t n)
{
    KEY count[DIGITS][256];
    if (n <= FEW) {
        FN(insertion)(a, n);
        return a;
    }
    memset(count, 0, sizeof count);
    for (int64_t i = 0; i < n; i++)
        for (int d = 0; d < DIGITS; d++) count[d][a[i].key >> (8 * d) & 255]++;
    for (int d = 0; d < DIGITS; d++) {
        KEY *to = count[d], sum = 0;
        if (to[a[0].key >> (8 * d) & 255] == (KEY)n) continue;
        for (int i = 0; i < 256; i++) {
            const KEY more = to[i];
            to[i] = sum;
            sum += more;
        }
        for (int64_t i = 0; i < n; i++) b[to[a[i].key >> (8 * d) & 255]++] = a[i];
        struct FN(record) *t = a;
        a = b;
        b = t;
    }
    return a;
}

/* ---- rows, one by one --------------------------------------------------------------------------- */

static void FN(rows)(void *arg, int64_t first, int64_t last, int worker)
{
    const struct sorting *s = arg;
    struct FN(record) *a = (struct FN(record) *)s->scratch + 2 * s->n * worker;
    KEY key[TILE];
    for (int64_t row = first; row < last; row++) {
        for (int64_t i = 0; i < s->n; i += TILE) {
            const int64_t m = s->n - i < TILE ? s->n - i : TILE;
            FN(keys)(s, row * s->n + i, m, key);
            for (int64_t j = 0; j < m; j++) a[i + j] = (struct FN(record)){key[j], (KEY)(i + j)};
        }
        FN(emit)(s, row, 0, FN(radix)(a, a + s->n, s->n), s->n);
    }
}

/* ---- one long row: dealt into buckets by key, each sorted in cache ------------------------------ */

struct FN(deal) {
    const struct sorting *s;
    int64_t               row, piece, pieces;
    KEY                   low;
    int                   shift;
    uint8_t              *bucket_of; /* [SLOTS], rising */
    int64_t              *place;     /* [pieces][BUCKETS]: counts, then where the next one goes */
    struct FN(record) * a, *b;
};

INLINE int FN(bucket)(const struct FN(deal) * d, KEY key)
{
    const KEY slot = key < d->low ? 0 : (key - d->low) >> d->shift;
    return d->bucket_of[slot < SLOTS ? slot : SLOTS - 1];
}

/* Cuts the range of a sample of the keys into slots, and the slots into buckets of like weight. */
static void FN(cut)(struct FN(deal) * d)
{
    const struct sorting *s = d->s;
    const int64_t         n = s->n < SAMPLE ? s->n : SAMPLE;
    KEY                  *sample = (KEY *)(void *)d->a, low = ~(KEY)0, high = 0;
    uint32_t             *weight = (uint32_t *)(void *)(sample + SAMPLE);
    int64_t               sum = 0;
    for (int64_t i = 0; i < n; i++) {
        const int64_t at = n == s->n ? i : (int64_t)((uint64_t)i * 0x9E3779B97F4A7C15u % (uint64_t)s->n);
        FN(keys)(s, d->row * s->n + at, 1, &sample[i]);
        low = sample[i] < low ? sample[i] : low;
        high = sample[i] > high ? sample[i] : high;
    }
    d->low = low;
    d->shift = 0;
    while ((high - low) >> d->shift >= SLOTS) d->shift++;
    memset(weight, 0, SLOTS * sizeof *weight);
    for (int64_t i = 0; i < n; i++) weight[(sample[i] - low) >> d->shift]++;
    for (int64_t i = 0; i < SLOTS; i++) {
        d->bucket_of[i] = (uint8_t)(sum * BUCKETS / (n + 1));
        sum += weight[i];
    }
}

static void FN(count)(void *arg, int64_t first, int64_t last, int worker)
{
    const struct FN(deal) *d = arg;
    KEY key[TILE];
    (void)worker;
    for (int64_t p = first; p < last; p++) {
        const int64_t end = (p + 1) * d->piece < d->s->n ? (p + 1) * d->piece : d->s->n;
        int64_t      *count = d->place + p * BUCKETS;
        memset(count, 0, BUCKETS * sizeof *count);
        for (int64_t i = p * d->piece; i < end; i += TILE) {
            const int64_t m = end - i < TILE ? end - i : TILE;
            FN(keys)(d->s, d->row * d->s->n + i, m, key);
            for (int64_t j = 0; j < m; j++) count[FN(bucket)(d, key[j])]++;
        }
    }
}

static void FN(spread)(void *arg, int64_t first, int64_t last, int worker)
{
    const struct FN(deal) *d = arg;
    KEY key[TILE];
    (void)worker;
    for (int64_t p = first; p < last; p++) {
        const int64_t end = (p + 1) * d->piece < d->s->n ? (p + 1) * d->piece : d->s->n;
        int64_t      *to = d->place + p * BUCKETS;
        for (int64_t i = p * d->piece; i < end; i += TILE) {
            const int64_t m = end - i < TILE ? end - i : TILE;
            FN(keys)(d->s, d->row * d->s->n + i, m, key);
            for (int64_t j = 0; j < m; j++)
                d->a[to[FN(bucket)(d, key[j])]++] = (struct FN(record)){key[j], (KEY)(i + j)};
        }
    }
}

/* Once all pieces are dealt, a bucket ends where the last piece's next one would go. */
static void FN(finish)(void *arg, int64_t first, int64_t last, int worker)
{
    const struct FN(deal) *d = arg;
    const int64_t *end = d->place + (d->pieces - 1) * BUCKETS;
    (void)worker;
    for (int64_t i = first; i < last; i++) {
        const int64_t from = i ? end[i - 1] : 0;
        FN(emit)(d->s, d->row, from, FN(radix)(d->a + from, d->b + from, end[i] - from), end[i] - from);
    }
}

/* Scratch: records, more records where the indices have no room for them, places, buckets. */
static void FN(long_row)(const struct sorting *s, wk_device *device, int64_t row)
{
    struct FN(deal) d = {.s = s, .row = row, .piece = piece_of(s->n), .a = s->scratch};
    d.pieces = (s->n + d.piece - 1) / d.piece;
    const bool room = sizeof(struct FN(record)) == sizeof(int64_t);
    d.b = room ? (struct FN(record) *)((char *)wki_data(s->indices) + row * s->n * 8) : d.a + s->n;
    d.place = (int64_t *)(void *)(d.a + (room ? 1 : 2) * s->n);
    d.bucket_of = (uint8_t *)(d.place + d.pieces * BUCKETS);
    FN(cut)(&d);
    wki_parallel(device, d.pieces, 1, FN(count), &d);
    int64_t sum = 0;
    for (int64_t b = 0; b < BUCKETS; b++)
        for (int64_t p = 0; p < d.pieces; p++) {
            const int64_t more = d.place[p * BUCKETS + b];
            d.place[p * BUCKETS + b] = sum;
            sum += more;
        }
    wki_parallel(device, d.pieces, 1, FN(spread), &d);
    wki_parallel(device, BUCKETS, 1, FN(finish), &d);
}

#undef LOAD
#undef FROM
