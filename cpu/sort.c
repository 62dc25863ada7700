/* Sorting along rows, stably, by radix: work is linear in the values. Rows of any number go one to a thread;
 * a long one is dealt into buckets that threads share. The result is one and the same either way. */
#include "cpu/kernel.h"

#define FEW        48        /* records that insertion sorts */
#define LONG       (1 << 16) /* a row that is worth dealing */
#define BUCKETS    256
#define SLOTS      65536
#define SAMPLE     8192
#define BLOCK      32 /* values that topk passes over together */
#define CLASS_BITS 11 /* sign, exponent and a little more */
#define CLASSES    (1 << CLASS_BITS)

struct sorting {
    wk_tensor x, values, indices;
    int64_t   n, m;                   /* values of a row, and of its result */
    int64_t   piece, pieces, workers; /* topk: of a row */
    bool      descending, whole;      /* whole: integers */
    bool      counted;                /* topk: by counts of keys */
    int64_t   low;                    /* the smallest of an integer dtype */
    void     *scratch;
};

/* Candidates of topk that there is room for. */
static int64_t room_for(const struct sorting *s)
{
    return s->counted ? s->n + 1 : (s->m < 8 ? 16 : 2 * s->m) + BLOCK;
}

static int64_t piece_of(int64_t n)
{
    const int64_t piece = (n + 63) / 64;
    return piece < 16384 ? 16384 : (piece + TILE - 1) / TILE * TILE;
}

#define KEY      uint32_t
#define REAL     float
#define DIGITS   4
#define FN(name) name##_32
#define LOAD     load_f32
#define FROM     CPU(from_f32)
#include "cpu/sort_class.h"
#include "cpu/topk_class.h"

#define KEY      uint64_t
#define REAL     double
#define DIGITS   8
#define FN(name) name##_64
#define LOAD     load_f64
#define FROM     CPU(from_f64)
#include "cpu/sort_class.h"
#include "cpu/topk_class.h"

/* Do 32 bits hold the keys and the positions? */
static bool narrow(wk_dtype t, int64_t n)
{
    return t != WK_f64 && t != WK_i64 && n <= UINT32_MAX;
}

static int64_t lowest(wk_dtype t)
{
    return t == WK_i8    ? INT8_MIN
           : t == WK_i16 ? INT16_MIN
           : t == WK_i32 ? INT32_MIN
           : t == WK_i64 ? INT64_MIN
                         : 0;
}

size_t CPU(sort_scratch)(const wk_call *k)
{
    const int64_t n = wki_cols(k->in[0]), rows = wki_rows(k->in[0]), workers = wki_workers(k->device);
    const bool    small = narrow(k->in[0]->dtype, n);
    const size_t  record = small ? 8 : 16;
    if (n < LONG) return (size_t)(2 * n * (rows < workers ? rows : workers)) * record;
    const int64_t pieces = (n + piece_of(n) - 1) / piece_of(n);
    return (size_t)n * record * (small ? 1 : 2) + (size_t)(pieces * BUCKETS) * 8 + SLOTS;
}

wk_status CPU(sort)(const wk_call *k)
{
    struct sorting s = {.x = k->in[0],
                        .values = k->out[0],
                        .indices = k->out[1],
                        .n = wki_cols(k->in[0]),
                        .m = wki_cols(k->in[0]),
                        .descending = k->attr.i[0] != 0,
                        .whole = k->cls == WK_CLASS_I64,
                        .scratch = k->scratch};
    const int64_t  rows = wki_rows(s.x);
    const bool     small = narrow(s.x->dtype, s.n);
    s.low = lowest(s.x->dtype);
    if (s.n == 0 || rows == 0) return WK_OK;
    if (s.n < LONG) {
        wki_parallel(k->device, rows, 4096 / s.n + 1, small ? rows_32 : rows_64, &s);
        return WK_OK;
    }
    for (int64_t row = 0; row < rows; row++)
        if (small)
            long_row_32(&s, k->device, row);
        else
            long_row_64(&s, k->device, row);
    return WK_OK;
}

/* ---- topk: attr.i[0] largest ------------------------------------------------------------------- */

/* A long row is cut into pieces where there are few, each a good deal longer than the result. */
static void plan(struct sorting *s, const wk_call *k)
{
    const int64_t rows = wki_rows(s->x);
    s->workers = wki_workers(k->device);
    s->pieces = 1;
    if (rows < 16) s->pieces = s->n / (8192 + 16 * s->m);
    if (s->pieces > 16) s->pieces = 16;
    if (s->pieces < 1) s->pieces = 1;
    s->counted = s->m > 16 && s->pieces == 1 && s->n >= 512 && s->n < LONG;
    s->piece = (s->n + s->pieces - 1) / s->pieces;
    if (s->workers > rows * s->pieces) s->workers = rows * s->pieces;
}

size_t CPU(topk_scratch)(const wk_call *k)
{
    struct sorting s = {.x = k->in[0], .n = wki_cols(k->in[0]), .m = wki_cols(k->out[0])};
    plan(&s, k);
    const size_t  record = narrow(s.x->dtype, s.n) ? 8 : 16;
    const int64_t kept = s.pieces > 1 ? (wki_rows(s.x) + 1) * s.pieces * s.m : 0;
    return (size_t)(2 * room_for(&s) * wki_workers(k->device) + kept) * record;
}

wk_status CPU(topk)(const wk_call *k)
{
    struct sorting s = {.x = k->in[0],
                        .values = k->out[0],
                        .indices = k->out[1],
                        .n = wki_cols(k->in[0]),
                        .m = wki_cols(k->out[0]),
                        .descending = k->attr.i[0] != 0,
                        .whole = k->cls == WK_CLASS_I64,
                        .low = lowest(k->in[0]->dtype),
                        .scratch = k->scratch};
    const int64_t  rows = wki_rows(s.x);
    if (wk_count(s.values) == 0) return WK_OK;
    plan(&s, k);
    s.workers = wki_workers(k->device);
    const bool small = narrow(s.x->dtype, s.n);
    wki_parallel(k->device, rows * s.pieces, s.pieces > 1 ? 1 : 8192 / s.n + 1,
                 small ? best_piece_32 : best_piece_64, &s);
    if (s.pieces > 1) (small ? best_join_32 : best_join_64)(&s, rows);
    return WK_OK;
}

/* ---- searchsorted: attr.i[0] right ------------------------------------------------------------ */

#define ABREAST 16 /* searches that do not wait for each other */

struct search {
    wk_tensor sorted, values, y; /* sorted is of its class's own dtype */
    int64_t   n, m;              /* values of a row of each */
    bool      right;
};

/* How many of the n sorted values each v is to go behind; NaN counts as largest. */
#define SEARCH(cls, type)                                                                                    \
    INLINE void halve_##cls(const type *s, int64_t n, const type *v, int64_t *y, bool right)                 \
    {                                                                                                        \
        int64_t at[ABREAST] = {0};                                                                           \
        for (int64_t left = n, half; left > 0; left -= half) {                                               \
            half = (left + 1) / 2;                                                                           \
            for (int j = 0; j < ABREAST; j++) {                                                              \
                const type x = s[at[j] + half - 1];                                                          \
                const bool none = v[j] != v[j], in = right ? x <= v[j] : x < v[j];                           \
                const bool behind = in | (none & (right | (x == x)));                                        \
                at[j] += half & -(int64_t)behind;                                                            \
            }                                                                                                \
        }                                                                                                    \
        memcpy(y, at, sizeof at);                                                                            \
    }                                                                                                        \
    static void found_left_##cls(const type *s, int64_t n, const type *v, int64_t *y)                        \
    {                                                                                                        \
        halve_##cls(s, n, v, y, false);                                                                      \
    }                                                                                                        \
    static void found_right_##cls(const type *s, int64_t n, const type *v, int64_t *y)                       \
    {                                                                                                        \
        halve_##cls(s, n, v, y, true);                                                                       \
    }                                                                                                        \
    static void search_##cls(void *arg, int64_t first, int64_t last, int worker)                             \
    {                                                                                                        \
        const struct search *o = arg;                                                                        \
        int64_t             *y = (int64_t *)wki_data(o->y), found[ABREAST];                                  \
        type                 own[ABREAST], v[ABREAST];                                                       \
        (void)worker;                                                                                        \
        for (int64_t i = first, n; i < last; i += n) {                                                       \
            const int64_t row = i / o->m, col = i % o->m;                                                    \
            const type   *s = (const type *)(void *)address(                                                 \
                  o->sorted, o->sorted->ndim > 1 ? wki_row_offset(o->sorted, row) : 0);                      \
            n = o->m - col < last - i ? o->m - col : last - i;                                               \
            n = n < ABREAST ? n : ABREAST;                                                                   \
            const type *values = load_##cls(o->values, wki_row_offset(o->values, row) + col, n, own);        \
            for (int64_t j = 0; j < ABREAST; j++) v[j] = values[j < n ? j : 0];                              \
            (o->right ? found_right_##cls : found_left_##cls)(s, o->n, v, found);                            \
            memcpy(y + i, found, (size_t)n * sizeof *y);                                                     \
        }                                                                                                    \
    }
SEARCH(f32, float)
SEARCH(f64, double)
SEARCH(i64, int64_t)

wk_status CPU(searchsorted)(const wk_call *k)
{
    struct search  o = {.sorted = k->in[0],
                        .values = k->in[1],
                        .y = k->out[0],
                        .n = wki_cols(k->in[0]),
                        .m = wki_cols(k->in[1]),
                        .right = k->attr.i[0] != 0};
    const wk_piece pieces[] = {search_f32, search_f64, search_i64};
    wki_parallel(k->device, wk_count(o.y), 1024, pieces[k->cls], &o);
    return WK_OK;
}
