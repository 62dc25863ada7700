/* Sorting along rows, stably, by radix: work is linear in the values. Rows of any number go one to a thread;
 * a long one is dealt into buckets that threads share. The result is one and the same either way. */
#include "cpu/kernel.h"

#define FEW     48        /* records that insertion sorts */
#define LONG    (1 << 16) /* a row that is worth dealing */
#define BUCKETS 256
#define SLOTS   65536
#define SAMPLE  8192

struct sorting {
    wk_tensor x, values, indices;
    int64_t   n;
    bool      descending, whole; /* whole: integers */
    int64_t   low;               /* the smallest of an integer dtype */
    void     *scratch;
};

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

#define KEY      uint64_t
#define REAL     double
#define DIGITS   8
#define FN(name) name##_64
#define LOAD     load_f64
#define FROM     CPU(from_f64)
#include "cpu/sort_class.h"

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

/* ---- searchsorted: attr.i[0] right ------------------------------------------------------------ */

struct search {
    wk_tensor sorted, values, y;
    int64_t   n, m; /* values of a row of each */
    bool      right;
};

/* Is v to go behind s? NaN counts as largest. */
#define SEARCH(cls, type)                                                                                    \
    static void search_##cls(void *arg, int64_t first, int64_t last, int worker)                             \
    {                                                                                                        \
        const struct search *o = arg;                                                                        \
        int64_t             *y = (int64_t *)wki_data(o->y);                                                  \
        (void)worker;                                                                                        \
        for (int64_t i = first; i < last; i++) {                                                             \
            const int64_t row = i / o->m, at = o->sorted->ndim > 1 ? wki_row_offset(o->sorted, row) : 0;     \
            type          own, other;                                                                        \
            const type    v = *load_##cls(o->values, wki_row_offset(o->values, row) + i % o->m, 1, &own);    \
            int64_t       low = 0, high = o->n;                                                              \
            while (low < high) {                                                                             \
                const int64_t mid = (low + high) / 2;                                                        \
                const type    s = *load_##cls(o->sorted, at + mid, 1, &other);                               \
                const bool    behind = o->right ? s <= v || v != v : s < v || (v != v && s == s);            \
                low = behind ? mid + 1 : low;                                                                \
                high = behind ? high : mid;                                                                  \
            }                                                                                                \
            y[i] = low;                                                                                      \
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
