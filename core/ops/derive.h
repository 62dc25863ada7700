/* Derivatives of unary.def and binary.def as compositions, from the text of their formulas. */
#ifndef WK_DERIVE_H
#define WK_DERIVE_H

#include "core/ctx.h"

/* What the letters of a formula stand for: tensors (NULL, or without values: not named by it), and two
 * numbers. */
struct wki_letters {
    wk_tensor x, y, a, b, g;
    double    p, q;
};

/* The formula's value, made of recorded ops in f64 where y is and else in f32. `op` is for the message of a
 * formula with a name that no op has. */
wk_tensor wki_derive(wk_ctx *c, wk_op op, const char *formula, struct wki_letters l);
/* The same in y's dtype: halves are rounded after each step. */
wk_tensor wki_derive_stepwise(wk_ctx *c, wk_op op, const char *formula, struct wki_letters l);

#endif
