/* A tile of attention, some queries of the heads that share keys, and the ways to take in a block of keys. */
#ifndef WK_CPU_ATTEND_TILE_H
#define WK_CPU_ATTEND_TILE_H

#include "cpu/attend.h"

/* Row r is head r / n of the group, query first + r % n. A row's result so far is o / sum, its largest score
 * so far `most`. */
struct tile {
    const struct attend *a;
    int64_t              b, g, first, n, rows;
    float               *o, *most, *sum; /* [rows][dvp], [rows], [rows] */
    float               *q;              /* the queries */
    float               *own;            /* of the ways that want more */
    float               *s, *top, *k, *columns,
        *v; /* of the others: [rows][KEYS], [rows]; a block of keys, turned; of values */
};

INLINE int64_t head_of(const struct tile *t, int64_t r)
{
    return t->g * t->a->rep + r / t->n;
}
INLINE int64_t query_of(const struct tile *t, int64_t r)
{
    return t->first + r % t->n;
}
INLINE int64_t query_at(const struct tile *t, int64_t r)
{
    return head_at(t->a->q, t->b, head_of(t, r)) + query_of(t, r) * row_step(t->a->q);
}

/* Does every query of the tile see all the keys key .. key + n, with nothing added to the scores? */
INLINE bool sees_all(const struct tile *t, int64_t key, int64_t n)
{
    const struct attend *a = t->a;
    return n == KEYS && a->softcap <= 0.0f && !a->mask->storage &&
           first_seen(a, t->b, t->first + t->n - 1) <= key && last_seen(a, t->b, t->first) >= key + n;
}

/* ---- few rows: t->s = scores with n <= KEYS keys from `key` on; t->o += t->s times their values ---- */

void CPU(few_scores)(const struct tile *t, int64_t key, int64_t n);
void CPU(few_values)(const struct tile *t, int64_t key, int64_t n);

/* ---- the same with blocks of codes: AVX-512 table only, needs WKI_CPU_VNNI ------------------------ */

int64_t CPU(code_floats)(const struct attend *a, int64_t rows); /* of own */
void    CPU(code_start)(const struct tile *t);                  /* after q is there */
void    CPU(code_scores)(const struct tile *t, int64_t key, int64_t n);
void    CPU(code_values)(const struct tile *t, int64_t key, int64_t n);

/* ---- many rows through bf16 dot products: AVX-512 table only, needs WKI_CPU_BF16 ----------------- */

int64_t CPU(half_rows)(int64_t rows); /* rows that o, most and sum must have room for */
int64_t CPU(half_floats)(const struct attend *a, int64_t rows);        /* of q and own together */
void    CPU(half_start)(struct tile *t, float *memory);                /* places q and own there, loads q */
void    CPU(half_block)(const struct tile *t, int64_t key, int64_t n); /* n <= KEYS keys from `key` on */

#endif
