/* Golden models: what transformers computed with tests/golden/models (see models.py there). */
#ifndef TESTS_MODELS_GOLDEN_H
#define TESTS_MODELS_GOLDEN_H

#include "nn/nn.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define FOLDER WK_SOURCE_DIR "/tests/golden/models/"
enum { TOKENS = 24, VOCAB = 48 };

struct golden {
    wk_ctx   *c;
    wk_model *m;
    wk_files *files; /* what is expected */
    int64_t   tokens[TOKENS];
    float     logits[TOKENS * VOCAB];
};

static inline void golden_open(struct golden *g, const char *model, const char *expected)
{
    char path[1024];
    *g = (struct golden){.c = wk_ctx_new("cpu")};
    snprintf(path, sizeof path, FOLDER "%s.expected.safetensors", expected);
    g->files = wk_files_open(g->c, path);
    wk_read(g->c, wk_files_tensor(g->c, g->files, "tokens"), g->tokens);
    wk_read(g->c, wk_files_tensor(g->c, g->files, "logits"), g->logits);
    snprintf(path, sizeof path, FOLDER "%s", model);
    g->m = wk_model_open(g->c, path);
    cr_assert_not_null(g->m, "%s: %s", model, wk_ctx_message(g->c));
    cr_assert_eq(wk_model_about(g->m).vocab, VOCAB);
}

static inline void golden_close(struct golden *g)
{
    wk_files_close(g->files);
    wk_model_free(g->m);
    wk_ctx_free(g->c);
}

/* Largest difference over the largest wanted value. */
static inline double relative_error(const float *got, const float *wanted, int64_t n)
{
    double most = 0, top = 1e-12;
    for (int64_t i = 0; i < n; i++) {
        const double e = fabs((double)got[i] - (double)wanted[i]), w = fabs((double)wanted[i]);
        if (!(e <= most)) most = e;
        if (w > top) top = w;
    }
    return most / top;
}

/* Logits of tokens first .. first + n, through the cache unless it is NULL, into out. */
static inline void golden_forward(struct golden *g, wk_cache *cache, int64_t first, int64_t n, float *out)
{
    const wk_scope  s = wk_scope_begin(g->c);
    const wk_tensor tokens = wk_make(g->c, g->tokens + first, WK_i64, WK_SHAPE(n));
    wk_read(g->c, wk_model_forward(g->c, g->m, tokens, cache, (wk_forward_opts){0}), out);
    wk_scope_end(g->c, s, WK_NONE);
}

#endif
