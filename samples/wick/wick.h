/* What the verbs of the wick program share. */
#ifndef WICK_PROGRAM_H
#define WICK_PROGRAM_H

#include "core/wick.h"
#include "nn/nn.h"
#include "nn/text/text.h"

#include <stdio.h>

/* Exit codes. */
enum { EXIT_OK, EXIT_FAILED, EXIT_USAGE, EXIT_INTERRUPTED = 130 };

/* Every flag of every verb (options.c has the table). */
struct options {
    const char *model, *prompt, *file, *device, *system, *logits, *revision, *cache_type, *key_type,
        *value_type, *stop[8];
    int     n_stop;
    int64_t predict, context, threads, batch, depth, repetitions, top_k, repeat_last, seed;
    double  temperature, top_p, min_p, repeat_penalty;
    bool    precise, all_logits, json, verbose, quiet, ignore_eos, no_special, help, seed_given;
    int     n_args; /* what is left after the flags */
    char  **args;
};

struct verb {
    const char *name, *arguments, *text, *flags; /* flags: the letters and names it takes, comma separated */
    int (*run)(const struct options *o);
};
extern const struct verb verbs[];
extern const int         n_verbs;

/* options.c */
int options_parse(const struct verb *v, int argc, char **argv, struct options *o); /* EXIT_OK or EXIT_USAGE */
void options_help(const struct verb *v, FILE *out);

/* A model with all that running it takes (model.c). */
struct session {
    wk_ctx       *c;
    wk_model     *model;
    wk_tokenizer *tokenizer;
    wk_cache     *cache;
    int64_t       context;
};
/* Opens what options ask for; on failure prints why and returns false. cache: make a key-value cache too. */
bool    session_open(struct session *s, const struct options *o, bool cache);
void    session_close(struct session *s);
wk_ctx *context_open(const struct options *o); /* NULL after printing why */
/* The path of -m: as it is, or a model that `wick pull` fetched. Freed with wk_free. */
char *model_path(const char *name);
char *cache_folder(void); /* where pulled models live; freed with wk_free */
/* Prompt text of -p, -f or standard input; freed with wk_free, NULL after printing why. */
char *prompt_text(const struct options *o, size_t *length);
/* Prints "wick: ..." to standard error; returns EXIT_FAILED. */
int    failed(const char *format, ...) WK_PRINTF(1, 2);
int    failed_ctx(const wk_ctx *c); /* the context's message; EXIT_INTERRUPTED when it was cancelled */
double seconds_now(void);

/* Ctrl-C (interrupt.c): the first cancels the context, the second ends the program. */
void interrupt_watch(wk_ctx *c);
bool interrupted(void);
void interrupt_reset(void);

/* sha256.c (FIPS 180-4) */
struct sha256 {
    uint32_t h[8];
    uint64_t length;
    uint8_t  block[64];
};
void sha256_begin(struct sha256 *s);
void sha256_add(struct sha256 *s, const void *data, size_t n);
void sha256_end(struct sha256 *s, char hex[65]);

int verb_run(const struct options *o);
int verb_chat(const struct options *o);
int verb_perplexity(const struct options *o);
int verb_tokenize(const struct options *o);
int verb_inspect(const struct options *o);
int verb_bench(const struct options *o);
int verb_doctor(const struct options *o);
int verb_pull(const struct options *o);
int verb_list(const struct options *o);

#endif
