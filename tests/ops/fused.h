/* What the tests of the transformer ops share beside their cases: instruction sets, random values, reading.
 * */
#ifndef WK_TESTS_FUSED_H
#define WK_TESTS_FUSED_H

#include "core/wick.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static inline double fused_random(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return ((double)(*state >> 11) / 9007199254740992.0 - 0.5) * 3;
}

/* Opens a context on the i-th instruction set; NULL: there is no such, or not on this machine. */
static inline wk_ctx *fused_open(int i, const char **isa)
{
    static const char *const names[] = {"base", "v2", "v3", "v4"};
    if (i >= (int)(sizeof names / sizeof *names)) return NULL;
    *isa = names[i];
    setenv("WK_ISA", names[i], 1);
    return wk_ctx_new("cpu");
}
#define FUSED_ISAS 4

static inline int64_t fused_count(wk_shape s)
{
    int64_t n = 1;
    for (int i = 0; i < s.ndim; i++) n *= s.dim[i];
    return n;
}

static inline double *fused_read(wk_ctx *c, wk_tensor x)
{
    double *v = malloc((size_t)(wk_count(x) + 1) * sizeof *v);
    cr_assert(v);
    cr_assert_eq(wk_read(c, wk_cast(c, x, WK_f64), v), WK_OK, "%s", wk_ctx_message(c));
    return v;
}

#endif
