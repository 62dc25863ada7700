/* Tensors as index arithmetic in plain C: what views, broadcasting, reductions and indexing should give. */
#ifndef WK_TESTS_ORACLE_H
#define WK_TESTS_ORACLE_H

#include "core/wick.h"

#include <stdlib.h>

#define ORACLE_MOST 4096 /* elements */

/* Dense, outermost first. */
struct array {
    int     ndim;
    int64_t shape[WK_MAX_DIMS], n;
    int64_t v[ORACLE_MOST];
};

static inline int64_t count_of(int ndim, const int64_t *shape)
{
    int64_t n = 1;
    for (int i = 0; i < ndim; i++) n *= shape[i];
    return n;
}
static inline wk_shape shape_of(const struct array *x)
{
    wk_shape s = {.ndim = x->ndim};
    for (int i = 0; i < x->ndim; i++) s.dim[i] = x->shape[i];
    return s;
}
/* The index of element i in each dim, and back. */
static inline void coordinates(const struct array *x, int64_t i, int64_t *at)
{
    for (int d = x->ndim - 1; d >= 0; d--) {
        at[d] = i % x->shape[d];
        i /= x->shape[d];
    }
}
static inline int64_t element(const struct array *x, const int64_t *at)
{
    int64_t i = 0;
    for (int d = 0; d < x->ndim; d++) i = i * x->shape[d] + at[d];
    return i;
}

/* Random numbers of a fixed sequence; below: in [0, n). */
static inline uint64_t next_random(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return *state >> 33;
}
static inline int64_t below(uint64_t *state, int64_t n)
{
    return n > 0 ? (int64_t)(next_random(state) % (uint64_t)n) : 0;
}

/* How many random cases a test runs: what WK_PROPERTIES says, else the number given. */
static inline int64_t cases_of(int64_t usual)
{
    const char *text = getenv("WK_PROPERTIES");
    return text ? strtoll(text, NULL, 10) : usual;
}

#endif
