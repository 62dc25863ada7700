/* The gradient of attention: scores are made again block by block from the row sums that the forward pass
 * kept (arXiv:2205.14135, 2307.08691). A key head and the query heads that share it are one piece of work,
 * done in one order, so that the sums over queries do not depend on threads. */
#include "cpu/attend.h"

#define BLOCK 64 /* query rows at a time */

struct vjp {
    struct attend a;
    wk_tensor     y, lse, dy;
    int64_t       rows;   /* query rows that share a key head */
    int64_t       floats; /* scratch per worker */
};

static struct vjp vjp_of(const wk_call *k)
{
    struct vjp o = {.a = attend_of(k), .y = k->in[5], .lse = k->in[6], .dy = k->in[7]};
    o.rows = o.a.rep * o.a.queries;
    o.floats =
        whole(o.rows * (2 * o.a.dp + o.a.dvp + 2) + KEYS * 3 * (o.a.dp + o.a.dvp) + 3 * BLOCK * KEYS, 16);
    return o;
}

size_t CPU(attend_vjp_scratch)(const wk_call *k)
{
    const struct vjp o = vjp_of(k);
    return (size_t)(wki_workers(k->device) * o.floats) * sizeof(float);
}

struct group {
    const struct vjp *o;
    int64_t           b, g;
    float            *q, *dy, *dq, *mean, *lse; /* all query rows: [rows][dp] or [dvp], [rows] */
    float            *k, *k_columns, *v, *v_columns, *dk, *dv; /* a block of keys */
    float            *p, *dp, *slope;                          /* [BLOCK][KEYS] */
};

static void carve(struct group *t, float *m)
{
    const struct attend *a = &t->o->a;
    const int64_t        rows = t->o->rows;
    t->q = m;
    t->dq = t->q + rows * a->dp;
    t->dy = t->dq + rows * a->dp;
    t->mean = t->dy + rows * a->dvp;
    t->lse = t->mean + rows;
    t->k = t->lse + rows;
    t->k_columns = t->k + KEYS * a->dp;
    t->dk = t->k_columns + KEYS * a->dp;
    t->v = t->dk + KEYS * a->dp;
    t->v_columns = t->v + KEYS * a->dvp;
    t->dv = t->v_columns + KEYS * a->dvp;
    t->p = t->dv + KEYS * a->dvp;
    t->dp = t->p + BLOCK * KEYS;
    t->slope = t->dp + BLOCK * KEYS;
}

static void load_row(wk_tensor x, int64_t at, float *row, int64_t d, int64_t width)
{
    CPU(to_f32)[x->dtype](address(x, at), row, d);
    for (int64_t i = d; i < width; i++) row[i] = 0.0f;
}

static void load_queries(struct group *t)
{
    const struct attend *a = &t->o->a;
    const wk_tensor      y = t->o->y, dy = t->o->dy;
    for (int64_t r = 0; r < t->o->rows; r++) {
        const int64_t h = t->g * a->rep + r / a->queries, i = r % a->queries;
        float        *q = t->q + r * a->dp, *from = t->dq + r * a->dp, *g = t->dy + r * a->dvp;
        load_row(a->q, head_at(a->q, t->b, h) + i * row_step(a->q), q, a->d, a->dp);
        for (int64_t e = 0; e < a->d; e++) q[e] *= a->scale;
        load_row(dy, head_at(dy, t->b, h) + i * row_step(dy), g, a->dv, a->dvp);
        double mean = 0;
        for (int64_t e = 0; e < a->dv; e += TILE) {
            const int64_t n = a->dv - e < TILE ? a->dv - e : TILE;
            float         buffer[TILE];
            mean +=
                (double)dot_f32(load_f32(y, head_at(y, t->b, h) + i * row_step(y) + e, n, buffer), g + e, n);
        }
        t->mean[r] = (float)mean;
        const float lse =
            *(const float *)(const void *)address(t->o->lse, (t->b * a->heads + h) * a->queries + i);
        t->lse[r] = lse == -INFINITY ? INFINITY : lse; /* nothing seen: weights are 0 */
        memset(from, 0, (size_t)a->dp * sizeof(float));
    }
}

/* Weights p of rows r .. r + n for a block of keys, and the slope of the soft cap where there is one. */
static void weights(const struct group *t, int64_t r, int64_t n, int64_t key, int64_t n_keys)
{
    const struct attend *a = &t->o->a;
    product(n, KEYS, a->d, t->q + r * a->dp, a->dp, 1, t->k_columns, KEYS, t->p, KEYS, false);
    for (int64_t i = 0; i < n; i++) {
        float *p = t->p + i * KEYS, *slope = t->slope + i * KEYS;
        if (a->softcap > 0.0f) {
            memcpy(slope, p, KEYS * sizeof(float));
            cap_scores(slope, a->softcap);
            for (int64_t j = 0; j < KEYS; j++) {
                const float u = slope[j] / a->softcap;
                slope[j] = 1.0f - u * u;
            }
        }
        limit_scores(a, t->b, t->g * a->rep + (r + i) / a->queries, (r + i) % a->queries, key, n_keys, p);
        for (int64_t j = 0; j < KEYS; j += W) v_store(p + j, v_exp(v_load(p + j) - v_set(t->lse[r + i])));
    }
}

/* Where one block holds all keys: weights that sum to 1, and their mean of dp. The kept sum, rounded to f32,
 * and the kept result, rounded to its dtype, would leave their errors in dp - mean, which may be far less. */
static float own_mean(float *p, const float *dp, int64_t n)
{
    const float sum = sum_f32(p, n);
    if (sum > 0.0f)
        for (int64_t j = 0; j < n; j++) p[j] /= sum;
    return dot_f32(p, dp, n);
}

/* Rows r .. r + n of one head against a block of keys. */
static void rows_and_keys(const struct group *t, int64_t r, int64_t n, int64_t key, int64_t n_keys)
{
    const struct attend *a = &t->o->a;
    weights(t, r, n, key, n_keys);
    product(n, KEYS, a->dv, t->dy + r * a->dvp, a->dvp, 1, t->v_columns, KEYS, t->dp, KEYS, false);
    for (int64_t i = 0; i < n && a->keys <= KEYS; i++)
        t->mean[r + i] = own_mean(t->p + i * KEYS, t->dp + i * KEYS, n_keys);
    product(KEYS, a->dvp, n, t->p, 1, KEYS, t->dy + r * a->dvp, a->dvp, t->dv, a->dvp, true);
    for (int64_t i = 0; i < n; i++) {
        float      *d = t->dp + i * KEYS;
        const float mean = t->mean[r + i];
        for (int64_t j = 0; j < KEYS; j++) d[j] = t->p[i * KEYS + j] * (d[j] - mean);
        if (a->softcap > 0.0f)
            for (int64_t j = 0; j < KEYS; j++) d[j] *= t->slope[i * KEYS + j];
    }
    product(KEYS, a->dp, n, t->dp, 1, KEYS, t->q + r * a->dp, a->dp, t->dk, a->dp, true);
    product(n, a->dp, n_keys, t->dp, KEYS, 1, t->k, a->dp, t->dq + r * a->dp, a->dp, true);
}

static void store_rows(wk_tensor y, int64_t at, int64_t n, const float *rows, int64_t width)
{
    for (int64_t i = 0; i < n; i++)
        CPU(from_f32)[y->dtype](rows + i * width, address(y, at + i * row_step(y)), wki_cols(y));
}

/* A block of rows as f32, copied even where it need not be, with its columns. */
static void load_block(wk_tensor x, int64_t at, int64_t n, int64_t width, float *rows, float *columns)
{
    for (int64_t i = 0; i < n; i++) load_row(x, at + i * row_step(x), rows + i * width, wki_cols(x), width);
    memset(rows + n * width, 0, (size_t)((KEYS - n) * width) * sizeof(float));
    block_columns(rows, width, n, width, columns);
}

static void key_block(const struct group *t, int64_t key, int64_t n)
{
    const struct attend *a = &t->o->a;
    const wk_tensor      dk = a->call->out[1], dv = a->call->out[2];
    memset(t->dk, 0, (size_t)(KEYS * a->dp) * sizeof(float));
    memset(t->dv, 0, (size_t)(KEYS * a->dvp) * sizeof(float));
    const int64_t exist = seen_of(a, t->b);
    if (key < exist) {
        const int64_t seen = exist - key < n ? exist - key : n;
        load_block(a->k, head_at(a->k, t->b, t->g) + key * row_step(a->k), seen, a->dp, t->k, t->k_columns);
        load_block(a->v, head_at(a->v, t->b, t->g) + key * row_step(a->v), seen, a->dvp, t->v, t->v_columns);
        for (int64_t h = 0; h < a->rep; h++)
            for (int64_t i = 0; i < a->queries; i += BLOCK) {
                const int64_t rows = a->queries - i < BLOCK ? a->queries - i : BLOCK;
                if (last_seen(a, t->b, i + rows - 1) <= key || first_seen(a, t->b, i) >= key + seen) continue;
                rows_and_keys(t, h * a->queries + i, rows, key, seen);
            }
    }
    store_rows(dk, head_at(dk, t->b, t->g) + key * row_step(dk), n, t->dk, a->dp);
    store_rows(dv, head_at(dv, t->b, t->g) + key * row_step(dv), n, t->dv, a->dvp);
}

static void groups(void *arg, int64_t from, int64_t to, int worker)
{
    const struct vjp    *o = arg;
    const struct attend *a = &o->a;
    const wk_tensor      dq = a->call->out[0];
    for (int64_t i = from; i < to; i++) {
        struct group t = {.o = o, .b = i / a->groups, .g = i % a->groups};
        carve(&t, (float *)a->call->scratch + worker * o->floats);
        load_queries(&t);
        for (int64_t key = 0; key < a->keys; key += KEYS)
            key_block(&t, key, a->keys - key < KEYS ? a->keys - key : KEYS);
        for (int64_t r = 0; r < o->rows * a->dp; r++) t.dq[r] *= a->scale;
        for (int64_t h = 0; h < a->rep; h++)
            store_rows(dq, head_at(dq, t.b, t.g * a->rep + h), a->queries, t.dq + h * a->queries * a->dp,
                       a->dp);
    }
}

wk_status CPU(attend_vjp)(const wk_call *k)
{
    struct vjp o = vjp_of(k);
    if (attend_start(&o.a) >= 0) return WK_EINDEX;
    wki_parallel(k->device, o.a.batch * o.a.groups, 1, groups, &o);
    return WK_OK;
}
