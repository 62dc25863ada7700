/* Attention: blocks of keys against the queries that share them, the softmax kept up to date as blocks pass
 * (arXiv:2205.14135), so that the score matrix never exists.
 *
 * The heads that share a key head go through its keys together. Many query rows: keys and values are
 * unpacked once per block and used by small matrix products. Few (decoding): keys and values are read once,
 * in their own format, and the positions are cut into spans that run in parallel and are merged in order.
 * How work is cut depends on shapes and on how many keys there are, so results do not depend on threads. */
#include "cpu/attend_tile.h"
#include "cpu/cpu.h"

#include <stdio.h>

#define FEW  16  /* query rows up to which keys are streamed rather than unpacked */
#define ROWS 256 /* query rows of a tile, at most */

struct plan {
    struct attend a;
    int64_t       tile, tiles, rows; /* queries per tile, tiles, query rows per tile */
    int64_t       pieces;            /* tiles of all heads */
    int64_t       span, spans;       /* keys per span, spans at most */
    bool          few, half;
    bool          code_k, code_v; /* few: integers for scores, for values */
    int64_t       floats;         /* scratch per worker */
    float        *parts;          /* per span: largest score, sum, weighted values of every row */
    int64_t       part;           /* floats of one */
    int64_t       used;           /* spans in use */
};

/* Are 16-bit products for this call, and does the machine have them? Not for keys and values of more bits
 * than a cache has, nor for f16 throughout, whose results are finer. */
static bool in_halves(const struct attend *a)
{
#if defined __AVX512F__
    const bool     f32 = a->k->dtype == WK_f32 || a->v->dtype == WK_f32, f16 = a->q->dtype == WK_f16;
    const unsigned wanted = WKI_CPU_BF16 | WKI_CPU_VNNI;
    return !a->call->precise && !f32 && !f16 && (wki_cpu_features(a->call->device) & wanted) == wanted;
#else
    (void)a;
    return false;
#endif
}

/* Are integer products for keys or values x? */
static bool in_codes(const struct attend *a, wk_tensor x)
{
#if defined __AVX512F__
    return !a->call->precise && (x->dtype == WK_q8_0 || x->dtype == WK_q4_0) &&
           (wki_cpu_features(a->call->device) & WKI_CPU_VNNI) != 0;
#else
    (void)a;
    (void)x;
    return false;
#endif
}

/* Spans are long, as each begins with some work of its own, unless there are too few to share out. Few rows:
 * not so long that one takes much of the whole. */
#define ENOUGH     12
#define LONG       1024
#define SHORT      256
#define MOST_SPANS 64

static int64_t keys_per_span(const struct plan *p, int64_t seen)
{
    const int64_t enough = p->few ? ENOUGH : 32, least = p->few ? SHORT : 512;
    int64_t       span = whole(seen * p->pieces / enough, KEYS);
    if (p->few && span > LONG) span = LONG;
    if (span < least) span = least;
    return span * MOST_SPANS < seen ? whole(seen / MOST_SPANS + 1, KEYS) : span;
}

/* No fewer than the spans of any number of keys up to all. */
static int64_t most_spans(const struct plan *p)
{
    if (p->pieces == 0) return 1;
    const int64_t shared = (p->few ? ENOUGH : 32) / p->pieces + 1, by_length = p->a.keys / LONG + 1;
    const int64_t spans = p->few && by_length > shared ? by_length : shared;
    return spans > MOST_SPANS ? MOST_SPANS : spans;
}

static struct plan plan_of(const wk_call *k)
{
    struct plan          p = {.a = attend_of(k)};
    const struct attend *a = &p.a;
    p.few = a->rep * a->queries <= FEW;
    p.tile = p.few || a->queries == 0 ? a->queries
             : ROWS / a->rep < 1      ? 1
             : ROWS / a->rep > 64     ? 64
                                      : ROWS / a->rep;
    if (p.tile > a->queries) p.tile = a->queries;
    p.tiles = p.tile ? (a->queries + p.tile - 1) / p.tile : 0;
    p.rows = a->rep * p.tile;
    p.pieces = a->batch * a->groups * p.tiles;
    p.spans = most_spans(&p);
    p.part = whole(p.rows * (a->dvp + 2), 16);
    const int64_t width = a->dp > a->dvp ? a->dp : a->dvp;
    p.half = !p.few && in_halves(a);
    p.floats = p.rows * (a->dp + a->dvp + KEYS) + 3 * whole(p.rows, 16) + KEYS * (a->dp + width + a->dvp);
    p.code_k = p.few && in_codes(a, a->k);
    p.code_v = p.few && in_codes(a, a->v);
#if defined __AVX512F__
    const int64_t rows = CPU(half_rows)(p.rows);
    if (p.code_k || p.code_v) p.floats += whole(CPU(code_floats)(a, p.rows), W);
    if (p.half) p.floats = rows * a->dvp + 2 * whole(rows, W) + CPU(half_floats)(a, p.rows);
#endif
    return p;
}

size_t CPU(attend_scratch)(const wk_call *k)
{
    const struct plan p = plan_of(k);
    const int64_t     parts = p.spans > 1 ? p.pieces * p.spans * p.part : 0;
    return (size_t)(wki_workers(k->device) * p.floats + parts) * sizeof(float);
}

static void load_queries(struct tile *t)
{
    const struct attend *a = t->a;
    for (int64_t r = 0; r < t->rows; r++) {
        float *row = t->q + r * a->dp;
        CPU(to_f32)[a->q->dtype](address(a->q, query_at(t, r)), row, a->d);
        for (int64_t i = 0; i < a->d; i++) row[i] *= a->scale;
        for (int64_t i = a->d; i < a->dp; i++) row[i] = 0.0f;
    }
}

/* Gives the tile its places in memory, of p->floats, and begins. */
static void start_tile(const struct plan *p, struct tile *t, float *memory)
{
    const struct attend *a = &p->a;
    int64_t              rows = p->rows;
#if defined __AVX512F__
    if (p->half) rows = CPU(half_rows)(rows);
#endif
    t->o = memory;
    t->most = t->o + rows * a->dvp;
    t->sum = t->most + whole(rows, W);
    float *free = t->sum + whole(rows, W);
    memset(t->o, 0, (size_t)(rows * a->dvp) * sizeof(float));
    for (int64_t r = 0; r < whole(rows, W); r++) {
        t->most[r] = -INFINITY;
        t->sum[r] = 0.0f;
    }
#if defined __AVX512F__
    if (p->half) {
        CPU(half_start)(t, free);
        return;
    }
#endif
    t->top = free;
    t->q = t->top + whole(rows, W);
    t->s = t->q + rows * a->dp;
    t->columns = t->s + rows * KEYS;
    t->k = t->columns + KEYS * a->dp;
    t->v = t->k + KEYS * (a->dp > a->dvp ? a->dp : a->dvp);
    for (int64_t r = 0; r < whole(rows, W); r++) t->top[r] = -INFINITY;
    load_queries(t);
#if defined __AVX512F__
    t->own = t->v + KEYS * a->dvp;
    if (p->code_k) CPU(code_start)(t);
#endif
}

/* ---- the softmax, block by block ------------------------------------------------------------- */

/* The scores of all rows for keys key .. key + n, with what is out of sight set to -inf; the largest of
 * each. */
static void limit_rows(const struct tile *t, int64_t key, int64_t n)
{
    const struct attend *a = t->a;
    const bool           all = sees_all(t, key, n);
    for (int64_t r = 0; r < t->rows; r++) {
        float *s = t->s + r * KEYS;
        if (!all) limit_scores(a, t->b, head_of(t, r), query_of(t, r), key, n, s);
        vf top = v_load(s);
        for (int64_t j = W; j < KEYS; j += W) top = v_max(v_load(s + j), top);
        t->top[r] = v_most(top);
    }
}

/* Takes the new largest scores in; top becomes the factor by which what was summed so far shrinks. */
static void raise_most(const struct tile *t)
{
    for (int64_t r = 0; r < t->rows; r += W) {
        const vf old = v_load(t->most + r), top = v_load(t->top + r), most = v_pick(top > old, top, old);
        const vf factor = v_pick(most > old, v_exp(old - most), v_set(1.0f));
        v_store(t->most + r, most);
        v_store(t->top + r, factor);
        v_store(t->sum + r, v_load(t->sum + r) * factor);
    }
}

/* A row that has seen nothing so far, or only NaN. */
static void soften_blind(const struct tile *t, int64_t r)
{
    float *s = t->s + r * KEYS;
    for (int64_t j = 0; j < KEYS; j++) {
        if (s[j] != s[j]) t->sum[r] = NAN;
        s[j] = 0.0f;
    }
}

/* Scores become weights; the rows' largest scores, sums and weighted values follow. */
static void soften(const struct tile *t, int64_t key, int64_t n)
{
    const struct attend *a = t->a;
    limit_rows(t, key, n);
    raise_most(t);
    for (int64_t r = 0; r < t->rows; r++) {
        float      *s = t->s + r * KEYS, *o = t->o + r * a->dvp;
        const float most = t->most[r], factor = t->top[r];
        if (most == -INFINITY) {
            soften_blind(t, r);
            continue;
        }
        vf sum = v_set(0.0f);
        for (int64_t j = 0; j < KEYS; j += W) {
            const vf e = v_exp(v_load(s + j) - v_set(most));
            v_store(s + j, e);
            sum += e;
        }
        t->sum[r] += v_sum(sum);
        for (int64_t j = 0; factor != 1.0f && j < a->dvp; j += W)
            v_store(o + j, v_load(o + j) * v_set(factor));
    }
}

typedef void (*way)(const struct tile *t, int64_t key, int64_t n);

static void few_block(const struct plan *p, const struct tile *t, int64_t key, int64_t n)
{
    way scores = CPU(few_scores), values = CPU(few_values);
#if defined __AVX512F__
    if (p->code_k) scores = CPU(code_scores);
    if (p->code_v) values = CPU(code_values);
#else
    (void)p;
#endif
    scores(t, key, n);
    soften(t, key, n);
    values(t, key, n);
}

static void block(const struct plan *p, const struct tile *t, int64_t key, int64_t n)
{
#if defined __AVX512F__
    if (p->half) {
        CPU(half_block)(t, key, n);
        return;
    }
#endif
    const struct attend *a = t->a;
    if (p->few) {
        few_block(p, t, key, n);
    } else {
        const int64_t at_k = head_at(a->k, t->b, t->g) + key * row_step(a->k);
        const int64_t at_v = head_at(a->v, t->b, t->g) + key * row_step(a->v);
        int64_t       step;
        const float  *rows = block_rows(a->k, at_k, n, a->dp, t->k, &step);
        block_columns(rows, step, n, a->dp, t->columns);
        product(t->rows, KEYS, a->d, t->q, a->dp, 1, t->columns, KEYS, t->s, KEYS, false);
        soften(t, key, n);
        rows = block_rows(a->v, at_v, n, a->dvp, t->v, &step);
        product(t->rows, a->dvp, n, t->s, KEYS, 1, rows, step, t->o, a->dvp, true);
    }
}

/* ---- results --------------------------------------------------------------------------------- */

/* Row r of the tile: the weighted mean; 0 where nothing was seen. */
static void finish_row(const struct tile *t, int64_t r, float most, float sum, float *o)
{
    const struct attend *a = t->a;
    const wk_tensor      y = a->call->out[0];
    const int64_t        head = head_of(t, r), query = query_of(t, r);
    const float          scale = sum == 0.0f ? 0.0f : 1.0f / sum;
    for (int64_t i = 0; i < a->dv; i++) o[i] *= scale;
    CPU(from_f32)[y->dtype](o, address(y, head_at(y, t->b, head) + query * row_step(y)), a->dv);
    if (a->call->n_out > 1) {
        float *lse = (float *)(void *)address(a->call->out[1], (t->b * a->heads + head) * a->queries + query);
        *lse = sum == 0.0f ? -INFINITY : most + logf(sum);
    }
}

static struct tile tile_at(const struct plan *p, int64_t i)
{
    const struct attend *a = &p->a;
    const int64_t heads = a->batch * a->groups, tile = p->tiles - 1 - i / heads; /* the longest first */
    const int64_t left = a->queries - tile * p->tile, n = left < p->tile ? left : p->tile;
    return (struct tile){.a = a,
                         .b = i % heads / a->groups,
                         .g = i % a->groups,
                         .first = tile * p->tile,
                         .n = n,
                         .rows = a->rep * n};
}

static void span_pieces(void *arg, int64_t from, int64_t to, int worker)
{
    const struct plan   *p = arg;
    const struct attend *a = &p->a;
    for (int64_t i = from; i < to; i++) {
        struct tile   t = tile_at(p, i / p->used);
        const int64_t begin = first_seen(a, t.b, t.first) / KEYS * KEYS + i % p->used * p->span;
        int64_t       end = last_seen(a, t.b, t.first + t.n - 1);
        if (end > begin + p->span) end = begin + p->span;
        start_tile(p, &t, (float *)a->call->scratch + worker * p->floats);
        for (int64_t key = begin; key < end; key += KEYS)
            block(p, &t, key, end - key < KEYS ? end - key : KEYS);
        if (p->used == 1) {
            for (int64_t r = 0; r < t.rows; r++) finish_row(&t, r, t.most[r], t.sum[r], t.o + r * a->dvp);
            continue;
        }
        float *part = p->parts + i * p->part;
        memcpy(part, t.most, (size_t)t.rows * sizeof(float));
        memcpy(part + p->rows, t.sum, (size_t)t.rows * sizeof(float));
        memcpy(part + 2 * p->rows, t.o, (size_t)(t.rows * a->dvp) * sizeof(float));
    }
}

/* The spans of a row, in order, as one. The first part takes the result. */
static void merge_row(const struct plan *p, const struct tile *t, int64_t r, float *parts)
{
    const int64_t dvp = p->a.dvp;
    float         most = -INFINITY, sum = 0.0f, *o = parts + 2 * p->rows + r * dvp;
    for (int64_t i = 0; i < p->used; i++)
        most = parts[i * p->part + r] > most ? parts[i * p->part + r] : most;
    for (int64_t i = 0; i < p->used; i++) {
        const float *part = parts + i * p->part;
        float        weight[W];
        v_store(weight, v_exp(v_set(part[r] == -INFINITY ? -INFINITY : part[r] - most)));
        sum += weight[0] * part[p->rows + r];
        if (part[p->rows + r] != part[p->rows + r]) sum = NAN;
        const float *from = part + 2 * p->rows + r * dvp;
        for (int64_t j = 0; j < dvp; j += W) {
            const vf scaled = v_load(from + j) * v_set(weight[0]);
            v_store(o + j, i ? v_load(o + j) + scaled : scaled);
        }
    }
    finish_row(t, r, most, sum, o);
}

static void merge_pieces(void *arg, int64_t from, int64_t to, int worker)
{
    const struct plan *p = arg;
    (void)worker;
    for (int64_t i = from; i < to; i++) {
        const struct tile t = tile_at(p, i);
        for (int64_t r = 0; r < t.rows; r++) merge_row(p, &t, r, p->parts + i * p->used * p->part);
    }
}

wk_status CPU(attend)(const wk_call *k)
{
    struct plan   p = plan_of(k);
    const int64_t bad = attend_start(&p.a);
    if (bad >= 0) {
        snprintf(k->message, WKI_CALL_MESSAGE, "start %lld with %lld queries: k has %lld keys",
                 (long long)start_of(&p.a, bad), (long long)p.a.queries, (long long)p.a.keys);
        return WK_EINDEX;
    }
    const struct attend *a = &p.a;
    const int64_t        pieces = p.pieces, seen = a->seen > 0 ? a->seen : 1;
    if (wk_count(k->out[0]) == 0) return WK_OK;
    p.span = keys_per_span(&p, seen);
    p.used = (seen + p.span - 1) / p.span;
    p.parts = (float *)k->scratch + wki_workers(k->device) * p.floats;
    const int64_t work = p.rows * (seen < p.span ? seen : p.span) * (a->d + a->dv) * 2;
    wki_parallel(k->device, pieces * p.used, 65536 / work + 1, span_pieces, &p);
    if (p.used > 1) wki_parallel(k->device, pieces, 16384 / (p.rows * p.used * a->dvp) + 1, merge_pieces, &p);
    return WK_OK;
}
