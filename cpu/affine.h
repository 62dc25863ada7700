/* Affine maps in the steps that cpu/affine.c and cpu/experts.c take: plan, bring x into shape, run the
 * pieces. */
#ifndef WK_CPU_AFFINE_H
#define WK_CPU_AFFINE_H

#include "cpu/gemm_blocks.h"
#include "cpu/gemv.h"
#include "cpu/matmul.h"

enum path {
    INTEGER, /* few rows, block weights: integer dot products with 8-bit activations */
    PANEL,   /* more rows: integer products, weights unpacked once for many rows */
    STREAM,  /* few rows: each row of w, converted to f32, against all of x */
    CODES,   /* integer dot products, weights unpacked once per panel */
    HALF,    /* bf16 dot products */
    BLOCKED, /* packed panels in the class's type */
};
enum { PATHS = BLOCKED + 1 };

/* One weight's share of the call. */
struct part {
    enum path                path;
    struct gemm_plan         plan;   /* BLOCKED */
    struct dot               dot;    /* INTEGER */
    const struct wki_panels *panels; /* PANEL */
    size_t                   x;      /* where in scratch the activations lie, in the form this part wants */
    int64_t                  grain, pieces, rows; /* rows of x in a piece of PANEL */
};
struct affine {
    const wk_call *k;
    wk_tensor      x;
    int            n_w;
    int64_t        m, k_values, x_step, chunks;
    struct part    part[WK_MAX_OUT];
    size_t         shared, per_worker; /* bytes of scratch: for x's forms, for a worker */
};

/* A call's in: x, weights, biases. Nothing is read but shapes, and k->scratch not yet used. */
struct affine CPU(affine_plan)(const wk_call *k);
/* Bounds of the plans of at most `products` calls like k that have `rows` rows in all, for their sum of
 * `shared` and for any per_worker. */
void CPU(affine_bounds)(const wk_call *k, int64_t rows, int64_t products, size_t *shared, size_t *per_worker);

/* Units of work in forming x for a part (0: an earlier part has the form, or none is needed), of `rows`
 * rows. */
int64_t CPU(affine_units)(const struct affine *j, int part, int64_t *rows);
void    CPU(affine_form)(const struct affine *j, int part, int64_t first, int64_t last);
int64_t CPU(affine_pieces)(const struct affine *j);
void    CPU(affine_piece)(const struct affine *j, int64_t at, char *scratch);

#endif
