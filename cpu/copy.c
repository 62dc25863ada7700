/* Copies between any strides and dtypes, and constants. */
#include "cpu/walk.h"

#define GRAIN      (32 * TILE)
#define BYTE_GRAIN ((int64_t)1 << 18) /* a piece of a long copy; of a shorter one an eighth */

struct job {
    wk_tensor   y, x;
    struct walk w; /* tensor 0: y, 1: x */
    wk_class    cls;
    int         turned; /* dim along which x is dense, for turned copies */
    double      start, step, stop;
    int64_t     diagonal; /* of a triangle */
    bool        upper;
    int64_t     n; /* of a sequence that has to end at stop, or 0 */
};

/* n elements of `bytes` bytes with strides in elements. */
#define MOVE(type)                                                                                           \
    static void move_##type(void *y, int64_t sy, const void *x, int64_t sx, int64_t n)                       \
    {                                                                                                        \
        type       *to = y;                                                                                  \
        const type *from = x;                                                                                \
        if (sy == 1 && sx == -1)                                                                             \
            for (int64_t i = 0; i < n; i++) to[i] = from[-i];                                                \
        else if (sy == 1 && sx == 0)                                                                         \
            for (int64_t i = 0; i < n; i++) to[i] = *from;                                                   \
        else if (sy == 1)                                                                                    \
            for (int64_t i = 0; i < n; i++) to[i] = from[i * sx];                                            \
        else                                                                                                 \
            for (int64_t i = 0; i < n; i++) to[i * sy] = from[i * sx];                                       \
    }
MOVE(any8)
MOVE(any16)
MOVE(any32)
MOVE(any64)
static void move(void *y, int64_t sy, const void *x, int64_t sx, int64_t n, int64_t bytes)
{
    (bytes == 1   ? move_any8
     : bytes == 2 ? move_any16
     : bytes == 4 ? move_any32
                  : move_any64)(y, sy, x, sx, n);
}

static int64_t byte_grain(int64_t bytes)
{
    const int64_t part = bytes / 8 / 64 * 64;
    return bytes <= BYTE_GRAIN || part > BYTE_GRAIN ? BYTE_GRAIN : part;
}

/* ---- one dtype ------------------------------------------------------------------------------- */

static void copy_dense(void *arg, int64_t first, int64_t last, int worker)
{
    const struct job *j = arg;
    (void)worker;
    memcpy((char *)wki_data(j->y) + first, (const char *)wki_data(j->x) + first, (size_t)(last - first));
}

static void copy_runs(void *arg, int64_t first, int64_t last, int worker)
{
    const struct job *j = arg;
    const int         inner = j->w.ndim - 1;
    const int64_t     sy = j->w.stride[0][inner], sx = j->w.stride[1][inner];
    const int64_t     bytes = wk_dtype_bytes(j->y->dtype), block = wk_dtype_block(j->y->dtype);
    (void)worker;
    const int64_t   cols = j->w.shape[inner];
    char           *y0 = wki_data(j->y);
    const char     *x0 = wki_data(j->x);
    struct walk_row y, x;
    walk_row_at(&y, &j->w, 0, first / cols);
    walk_row_at(&x, &j->w, 1, first / cols);
    for (int64_t at = first, col = first % cols, n; at < last; at += n, col = 0) {
        n = cols - col < last - at ? cols - col : last - at;
        char       *to = y0 + (y.offset + col * sy) * bytes;
        const char *from = x0 + (x.offset + col * sx) * bytes;
        if (block > 1)
            memcpy(address(j->y, y.offset + col), address(j->x, x.offset + col), (size_t)(n / block * bytes));
        else if (sy == 1 && sx == 1)
            memcpy(to, from, (size_t)(n * bytes));
        else
            move(to, sy, from, sx, n, bytes);
        walk_row_next(&y, &j->w, 0);
        walk_row_next(&x, &j->w, 1);
    }
}

/* Squares of N by N elements turned in vectors: joining halves of all rows N times by two brings each column
 * together. What is left at the edges goes one by one. */
#define SIDE 32
#define JOINED_64(a, b, half)                                                                                \
    ((half) ? __builtin_shufflevector(a, b, 1, 3) : __builtin_shufflevector(a, b, 0, 2))
#define JOINED_32(a, b, half)                                                                                \
    ((half) ? __builtin_shufflevector(a, b, 2, 6, 3, 7) : __builtin_shufflevector(a, b, 0, 4, 1, 5))
#define JOINED_16(a, b, half)                                                                                \
    ((half) ? __builtin_shufflevector(a, b, 4, 12, 5, 13, 6, 14, 7, 15)                                      \
            : __builtin_shufflevector(a, b, 0, 8, 1, 9, 2, 10, 3, 11))
#define TURN(bits, N)                                                                                        \
    typedef int##bits##_t row##bits __attribute__((vector_size(16)));                                        \
    static void turn_##bits(any##bits *y, int64_t sy, const int##bits##_t *square, int64_t m, int64_t n)     \
    {                                                                                                        \
        const int64_t rows = m / N * N, cols = n / N * N;                                                    \
        for (int64_t r = 0; r < rows; r += N)                                                                \
            for (int64_t c = 0; c < cols; c += N) {                                                          \
                row##bits a[N], b[N];                                                                        \
                for (int i = 0; i < N; i++) memcpy(&a[i], square + (c + i) * SIDE + r, sizeof a[i]);         \
                for (int k = 1; k < N; k *= 2) {                                                             \
                    for (int i = 0; i < N / 2; i++) {                                                        \
                        b[2 * i] = JOINED_##bits(a[i], a[i + N / 2], 0);                                     \
                        b[2 * i + 1] = JOINED_##bits(a[i], a[i + N / 2], 1);                                 \
                    }                                                                                        \
                    for (int i = 0; i < N; i++) a[i] = b[i];                                                 \
                }                                                                                            \
                for (int i = 0; i < N; i++) memcpy(y + (r + i) * sy + c, &a[i], sizeof a[i]);                \
            }                                                                                                \
        for (int64_t r = 0; r < m; r++)                                                                      \
            for (int64_t c = r < rows ? cols : 0; c < n; c++) y[r * sy + c] = square[c * SIDE + r];          \
    }
TURN(64, 2)
TURN(32, 4)
TURN(16, 8)

/* y's rows are dense and x is dense along another dim: squares of SIDE by SIDE stay in the cache. */
static void copy_turned(void *arg, int64_t first, int64_t last, int worker)
{
    const struct job  *j = arg;
    const struct walk *w = &j->w;
    const int          inner = w->ndim - 1, d = j->turned;
    const int64_t      cols = w->shape[inner], rows = w->shape[d], bytes = wk_dtype_bytes(j->y->dtype);
    const int64_t      sy = w->stride[0][d], sx = w->stride[1][inner], blocks = (rows + SIDE - 1) / SIDE;
    (void)worker;
    for (int64_t b = first; b < last; b++) {
        int64_t at = b / blocks, y = 0, x = 0;
        for (int i = inner - 1; i >= 0; i--) {
            if (i == d) continue;
            y += at % w->shape[i] * w->stride[0][i];
            x += at % w->shape[i] * w->stride[1][i];
            at /= w->shape[i];
        }
        const int64_t r0 = b % blocks * SIDE, m = rows - r0 < SIDE ? rows - r0 : SIDE;
        for (int64_t c = 0; c < cols; c += SIDE) {
            _Alignas(64) char square[SIDE * SIDE * 8];
            const int64_t     n = cols - c < SIDE ? cols - c : SIDE;
            for (int64_t i = 0; i < n; i++)
                memcpy(square + i * SIDE * bytes, address(j->x, x + r0 + (c + i) * sx), (size_t)(m * bytes));
            char *to = address(j->y, y + r0 * sy + c);
            if (bytes == 8)
                turn_64((any64 *)(void *)to, sy, (const int64_t *)(const void *)square, m, n);
            else if (bytes == 4)
                turn_32((any32 *)(void *)to, sy, (const int32_t *)(const void *)square, m, n);
            else if (bytes == 2)
                turn_16((any16 *)(void *)to, sy, (const int16_t *)(const void *)square, m, n);
            else
                for (int64_t r = 0; r < m; r++)
                    move(to + r * sy * bytes, 1, square + r * bytes, SIDE, n, bytes);
        }
    }
}

static void copy_same(wk_device *d, struct job *j)
{
    const int     inner = j->w.ndim - 1;
    const int64_t sy = j->w.stride[0][inner], sx = j->w.stride[1][inner];
    if (inner == 0 && ((sy == 1 && sx == 1) || j->w.n == 1)) {
        wki_parallel(d, wk_bytes(j->y), byte_grain(wk_bytes(j->y)), copy_dense, j);
        return;
    }
    j->turned = -1;
    for (int i = 0; i < inner; i++)
        if (sy == 1 && sx > 1 && j->w.stride[1][i] == 1 && j->w.shape[i] >= 8) j->turned = i;
    if (j->turned < 0) {
        const int64_t grain = 4 * GRAIN / wk_dtype_bytes(j->y->dtype) / 256 + 1; /* whole blocks */
        wki_parallel(d, j->w.n, grain * 256, copy_runs, j);
        return;
    }
    const int64_t rows = j->w.shape[j->turned], cols = j->w.shape[inner], blocks = (rows + SIDE - 1) / SIDE;
    wki_parallel(d, j->w.n / rows / cols * blocks, 1 + GRAIN / (SIDE * cols), copy_turned, j);
}

/* attr.i[0]: a bit for each dim that is turned round. Its strides run backwards from its end. */
wk_status CPU(flip)(const wk_call *k)
{
    struct wk_tensor_info x = *k->in[0];
    struct job            j = {.y = k->out[0], .x = &x};
    const wk_tensor       both[] = {j.y, j.x};
    if (wk_count(j.y) == 0) return WK_OK;
    for (int i = 0; i < x.ndim; i++) {
        if (!(k->attr.i[0] >> i & 1)) continue;
        x.offset += (x.shape[i] - 1) * x.stride[i] * wk_dtype_bytes(x.dtype);
        x.stride[i] = -x.stride[i];
    }
    walk_over(&j.w, j.y, 2, both);
    copy_same(k->device, &j);
    return WK_OK;
}

/* ---- cat: attr.i[0] the dim; the values of each input from that dim on lie end to end ------------- */

struct joining {
    const wk_call *k;
    int            d;
    int64_t        row, size, element; /* bytes of y behind the dims before d; of a slice of dim d */
};

static void join_bytes(void *arg, int64_t first, int64_t last, int worker)
{
    const struct joining *o = arg;
    const wk_call        *k = o->k;
    char                 *y = wki_data(k->out[0]);
    (void)worker;
    for (int64_t at = first; at < last;) {
        const int64_t outer = at / o->row;
        int64_t       from = at % o->row; /* in the row, then in the input that is there */
        for (int i = 0; i < k->n_in && at < last; i++) {
            const wk_tensor x = k->in[i];
            const int64_t   bytes = x->shape[o->d] * o->size, left = bytes - from;
            if (left <= 0) {
                from -= bytes;
                continue;
            }
            int64_t offset = 0, rest = outer;
            for (int e = o->d - 1; e > 0; e--) {
                offset += rest % x->shape[e] * x->stride[e];
                rest /= x->shape[e];
            }
            if (o->d) offset += rest * x->stride[0];
            const int64_t n = left < last - at ? left : last - at;
            memcpy(y + at, (const char *)wki_data(x) + offset * o->element + from, (size_t)n);
            at += n;
            from = 0;
        }
    }
}

wk_status CPU(cat)(const wk_call *k)
{
    const wk_tensor y = k->out[0];
    struct joining  o = {.k = k, .d = (int)k->attr.i[0]};
    if (wk_count(y) == 0) return WK_OK;
    o.size = o.element = wk_dtype_bytes(y->dtype);
    for (int i = o.d + 1; i < y->ndim; i++) o.size *= y->shape[i];
    o.row = o.size * y->shape[o.d];
    wki_parallel(k->device, wk_bytes(y), BYTE_GRAIN / 2, join_bytes, &o);
    return WK_OK;
}

/* attr.i: the diagonal, lower */
static void triangle_rows(void *arg, int64_t first, int64_t last, int worker)
{
    const struct job *j = arg;
    const wk_tensor   x = j->x, y = j->y;
    const int64_t     cols = wki_cols(x), rows = x->shape[x->ndim - 2], step = x->stride[x->ndim - 1];
    const int64_t     bytes = wk_dtype_bytes(x->dtype);
    (void)worker;
    for (int64_t r = first; r < last; r++) {
        int64_t at = r % rows + j->diagonal + !j->upper; /* where a part ends and the other begins */
        at = at < 0 ? 0 : at > cols ? cols : at;
        char         *to = address(y, r * cols);
        const char   *from = address(x, wki_row_offset(x, r));
        const int64_t kept = j->upper ? at : 0, n = j->upper ? cols - at : at;
        memset(to + (j->upper ? 0 : at) * bytes, 0, (size_t)((cols - n) * bytes));
        if (step == 1)
            memcpy(to + kept * bytes, from + kept * bytes, (size_t)(n * bytes));
        else
            move(to + kept * bytes, 1, from + kept * step * bytes, step, n, bytes);
    }
}

wk_status CPU(triangle)(const wk_call *k)
{
    struct job j = {.y = k->out[0], .x = k->in[0], .diagonal = k->attr.i[0], .upper = !k->attr.i[1]};
    if (wk_count(j.y) > 0)
        wki_parallel(k->device, wki_rows(j.y), 16384 / wki_cols(j.y) + 1, triangle_rows, &j);
    return WK_OK;
}

/* ---- another dtype --------------------------------------------------------------------------- */

#define CAST(cls, type)                                                                                      \
    static void put_##cls(const struct job *j, int64_t at, int64_t n, const type *v)                         \
    {                                                                                                        \
        _Alignas(64) char raw[8 * TILE];                                                                     \
        const int64_t     stride = j->w.stride[0][j->w.ndim - 1], bytes = wk_dtype_bytes(j->y->dtype);       \
        int64_t           left;                                                                              \
        for (int64_t done = 0, m; done < n; done += m) {                                                     \
            const int64_t to = walk_offset(&j->w, 0, at + done, &left);                                      \
            m = left < n - done ? left : n - done;                                                           \
            if (stride == 1 || m == 1) {                                                                     \
                CPU(from_##cls)[j->y->dtype](v + done, address(j->y, to), m);                                \
            } else {                                                                                         \
                CPU(from_##cls)[j->y->dtype](v + done, raw, m);                                              \
                move(address(j->y, to), stride, raw, 1, m, bytes);                                           \
            }                                                                                                \
        }                                                                                                    \
    }                                                                                                        \
    static void cast_##cls(void *arg, int64_t first, int64_t last, int worker)                               \
    {                                                                                                        \
        const struct job *j = arg;                                                                           \
        _Alignas(64) type buffer[TILE];                                                                      \
        (void)worker;                                                                                        \
        for (int64_t at = first; at < last; at += TILE) {                                                    \
            const int64_t n = last - at < TILE ? last - at : TILE;                                           \
            put_##cls(j, at, n, walk_##cls(&j->w, 1, j->x, at, n, buffer));                                  \
        }                                                                                                    \
    }
CAST(f32, float)
CAST(f64, double)
CAST(i64, int64_t)

wk_status CPU(copy)(const wk_call *k)
{
    struct job      j = {.y = k->out[0], .x = k->in[0]};
    const wk_tensor both[] = {j.y, j.x};
    walk_over(&j.w, j.y, 2, both);
    if (j.w.n == 0) return WK_OK;
    if (j.x->dtype == j.y->dtype) {
        copy_same(k->device, &j);
        return WK_OK;
    }
    const wk_dtype tx = j.x->dtype, ty = j.y->dtype;
    if (CPU(to_i64)[tx] && tx <= WK_u32 && CPU(from_i64)[ty])
        wki_parallel(k->device, j.w.n, GRAIN, cast_i64, &j);
    else if (tx == WK_f64 && CPU(from_f64)[ty])
        wki_parallel(k->device, j.w.n, GRAIN, cast_f64, &j);
    else if (CPU(to_f32)[tx] && CPU(from_f32)[ty])
        wki_parallel(k->device, j.w.n, GRAIN, cast_f32, &j);
    else
        return WK_EDTYPE;
    return WK_OK;
}

/* ---- constants ------------------------------------------------------------------------------- */

static void clear(void *arg, int64_t first, int64_t last, int worker)
{
    const struct job *j = arg;
    (void)worker;
    memset((char *)wki_data(j->y) + first, 0, (size_t)(last - first));
}

/* start + i step for i in [first, last), in double; block types through f32. */
static void sequence(void *arg, int64_t first, int64_t last, int worker)
{
    const struct job   *j = arg;
    const wki_from_f64  put = CPU(from_f64)[j->y->dtype];
    _Alignas(64) double v[TILE];
    _Alignas(64) float  narrow[TILE];
    (void)worker;
    for (int64_t at = first; at < last; at += TILE) {
        const int64_t n = last - at < TILE ? last - at : TILE;
        for (int64_t i = 0; i < n; i++) v[i] = j->start + (double)(at + i) * j->step;
        for (int64_t i = j->n / 2 > at ? j->n / 2 - at : 0; j->n && i < n; i++)
            v[i] = j->stop - (double)(j->n - 1 - at - i) * j->step;
        if (put) {
            put(v, address(j->y, at), n);
            continue;
        }
        for (int64_t i = 0; i < n; i++) narrow[i] = (float)v[i];
        CPU(from_f32)[j->y->dtype](narrow, address(j->y, at), n);
    }
}

static wk_status run_sequence(const wk_call *k, double start, double step)
{
    struct job j = {.y = k->out[0], .start = start, .step = step, .stop = k->attr.f[2], .n = k->attr.i[0]};
    if (!CPU(from_f64)[j.y->dtype] && !CPU(from_f32)[j.y->dtype]) return WK_EDTYPE;
    wki_parallel(k->device, wk_count(j.y), GRAIN, sequence, &j);
    return WK_OK;
}

wk_status CPU(arange)(const wk_call *k)
{
    return run_sequence(k, k->attr.f[0], k->attr.f[1]);
}

wk_status CPU(fill)(const wk_call *k)
{
    struct job j = {.y = k->out[0]};
    if (k->attr.f[0] != 0 || signbit(k->attr.f[0])) return run_sequence(k, k->attr.f[0], 0);
    wki_parallel(k->device, wk_bytes(j.y), BYTE_GRAIN, clear, &j);
    return WK_OK;
}
