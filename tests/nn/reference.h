/* Layers against PyTorch's: the files that tests/golden/layers.py writes, and what is compared with them. */
#ifndef TESTS_REFERENCE_H
#define TESTS_REFERENCE_H

#include "nn/nn.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { REFERENCE_INPUTS = 4, REFERENCE_PARAMS = 96 };

struct reference {
    wk_ctx        *c;
    wk_files      *files;
    const char    *name; /* the case's */
    wk_param_list *list;
    wk_params      p; /* where the case's parameters are */
    wk_tensor      x[REFERENCE_INPUTS];
    int            n_x;
    wk_tensor      tracked[REFERENCE_PARAMS];
};

void reference_open(struct reference *r, const char *family);
void reference_close(struct reference *r);
/* Begins a case: inputs are read, training is on. Then the layer is loaded from r->p and bound. */
void reference_case(struct reference *r, const char *name);
void reference_bind(struct reference *r, void *layer, size_t size);
/* Begins a tape that tracks the real inputs and all parameters. */
void reference_track(struct reference *r);
/* Compares n results, then the gradients of inputs and parameters, then the buffers. */
void reference_check(struct reference *r, int n, const wk_tensor *y);
/* Compares results in eval mode with CASE:e0, .., from untracked parameters. */
void reference_eval(struct reference *r);
/* CASE:what of the file. */
wk_tensor reference_get(struct reference *r, const char *what);
bool      reference_has(struct reference *r, const char *what);
void      reference_same(struct reference *r, const char *what, wk_tensor got, wk_tensor wanted);

#endif
