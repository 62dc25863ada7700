/* wick-modeltest DEVICE: golden models on a device, without a test framework: logits as the reference has
 * them, eager and from captured steps; gradients of a training step as the CPU's; a steady step that
 * allocates nothing and waits once. */
#include "nn/nn.h"
#include "tests/optest/counts.h"
#include "tests/optest/steps.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FOLDER WK_SOURCE_DIR "/tests/golden/models/"
enum { TOKENS = 24, VOCAB = 48, PROMPT = 6 };

static int passed, failed;

static void verdict(bool ok, const char *model, const char *what, wk_ctx *c, double error)
{
    ok ? passed++ : failed++;
    if (ok) return;
    printf("FAIL %s, %s: error %g %s\n", model, what, error, wk_ctx_message(c));
    wk_ctx_clear(c);
}

/* Largest difference over the largest wanted value. */
static double difference(const float *got, const float *wanted, int64_t n)
{
    double most = 0, top = 1e-12;
    for (int64_t i = 0; i < n; i++) {
        const double e = fabs((double)got[i] - (double)wanted[i]), w = fabs((double)wanted[i]);
        if (!(e <= most)) most = e;
        if (w > top) top = w;
    }
    return most / top;
}

struct golden {
    const char *name;
    wk_ctx     *c;
    wk_model   *m;
    wk_files   *files;
    int64_t     tokens[TOKENS];
    float       logits[TOKENS * VOCAB];
};

/* expected: the golden file's name, or NULL: that of the model up to its dot */
static bool open_golden(struct golden *g, const char *device, const char *name, const char *expected)
{
    char path[1024];
    *g = (struct golden){.name = name, .c = wk_ctx_new(device)};
    wk_ctx *cpu = wk_ctx_new("cpu");
    if (!expected) expected = name;
    snprintf(path, sizeof path, FOLDER "%.*s.expected.safetensors", (int)strcspn(expected, "."), expected);
    g->files = wk_files_open(cpu, path);
    wk_read(cpu, wk_files_tensor(cpu, g->files, "tokens"), g->tokens);
    wk_read(cpu, wk_files_tensor(cpu, g->files, "logits"), g->logits);
    wk_files_close(g->files);
    snprintf(path, sizeof path, FOLDER "%s", name);
    g->m = wk_model_open(g->c, path);
    wk_set_precise(g->c, true);
    const bool ok = g->m && wk_ctx_status(cpu) == WK_OK;
    verdict(ok, name, "opens", ok || g->m == NULL ? g->c : cpu, 0);
    wk_ctx_free(cpu);
    return ok;
}
static void close_golden(struct golden *g)
{
    wk_model_free(g->m);
    wk_ctx_free(g->c);
}

static void forward(struct golden *g, wk_cache *cache, int64_t first, int64_t n, float *out)
{
    const wk_scope  s = wk_scope_begin(g->c);
    const wk_tensor tokens = wk_make(g->c, g->tokens + first, WK_i64, WK_SHAPE(n));
    wk_read(g->c, wk_model_forward(g->c, g->m, tokens, cache, (wk_forward_opts){0}), out);
    wk_scope_end(g->c, s, WK_NONE);
}

static void check_logits(struct golden *g, const char *what, const float *got, int64_t from)
{
    const double e = difference(got + from * VOCAB, g->logits + from * VOCAB, (TOKENS - from) * VOCAB);
    verdict(wk_ctx_status(g->c) == WK_OK && e <= 1e-4, g->name, what, g->c, e);
}

static void eager(struct golden *g)
{
    float got[TOKENS * VOCAB];
    forward(g, NULL, 0, TOKENS, got);
    check_logits(g, "whole", got, 0);
    wk_cache *cache = wk_model_cache(g->c, g->m, TOKENS, WK_f32, WK_f32);
    for (int64_t i = 0, n = PROMPT; cache && i < TOKENS; i += n, n = 1)
        forward(g, cache, i, n, got + i * VOCAB);
    check_logits(g, "step by step", got, 0);
    wk_cache_free(cache);
}

/* ---- captured steps ---- */

struct decoding {
    struct golden *g;
    wk_cache      *cache;
    wk_tensor      tokens, logits; /* all tokens; of the step */
};

/* The token at the cache's place, on the device. */
static void decode(wk_ctx *c, void *state)
{
    struct decoding      *d = state;
    const wk_tensor       token = wk_index_select(c, d->tokens, 0, d->cache->start);
    const wk_forward_opts o = {.on_device = true};
    wk_copy_into(c, d->logits, wk_model_forward(c, d->g->m, token, d->cache, o));
}

/* Steps from the prompt on, each of which allocates nothing and waits once, for its logits. */
static void replay_all(struct decoding *d, wk_step *step, float *got)
{
    wk_ctx       *c = d->g->c;
    int64_t       before = 0;
    struct counts from = {0}, to = {0};
    bool          counted = false;
    for (int64_t i = PROMPT; i < TOKENS; i++) {
        if (i == PROMPT + 2) {
            before = wk_alloc_count();
            counted = device_counts(&from);
        }
        wk_replay(step);
        wk_read(c, d->logits, got + i * VOCAB);
    }
    const int64_t made = wk_alloc_count() - before, steps = TOKENS - PROMPT - 2;
    verdict(made == 0, d->g->name, "allocations in steady steps", c, (double)made);
    if (!counted || !device_counts(&to)) return;
    verdict(to.allocations == from.allocations, d->g->name, "device allocations in steady steps", c,
            (double)(to.allocations - from.allocations));
    verdict(to.waits - from.waits <= steps, d->g->name, "waits in steady steps", c,
            (double)(to.waits - from.waits));
}

static void captured(struct golden *g)
{
    float           got[TOKENS * VOCAB];
    const wk_scope  s = wk_scope_begin(g->c);
    wk_cache       *cache = wk_model_cache(g->c, g->m, TOKENS, WK_f32, WK_f32);
    struct decoding d = {.g = g, .cache = cache};
    d.tokens = wk_make(g->c, g->tokens, WK_i64, WK_SHAPE(TOKENS));
    d.logits = wk_zeros(g->c, WK_f32, WK_SHAPE(1, VOCAB));
    if (cache) forward(g, cache, 0, PROMPT, got);
    wk_cache_place(g->c, cache, PROMPT);
    wk_step *step = wk_capture(g->c, decode, &d);
    wk_cache_place(g->c, cache, PROMPT); /* what the capture wrote is written again */
    if (step) replay_all(&d, step, got);
    check_logits(g, "captured", got, 0);
    const int64_t end = wk_item(g->c, cache->start) == TOKENS;
    verdict(end, g->name, "place after the steps", g->c, 0);
    wk_step_free(step);
    wk_cache_free(cache);
    wk_scope_end(g->c, s, WK_NONE);
}

/* Eager steps with a cache in f16: nothing is allocated, one wait each. */
static void steady(struct golden *g)
{
#if !defined __SANITIZE_ADDRESS__
    float         row[VOCAB];
    struct counts from = {0}, to = {0};
    int64_t       before = 0;
    bool          counted = false;
    wk_cache     *cache = wk_model_cache(g->c, g->m, TOKENS, WK_f16, WK_f16);
    for (int64_t i = 0; cache && i < TOKENS; i++) {
        if (i == 12) {
            before = wk_alloc_count();
            counted = device_counts(&from);
        }
        forward(g, cache, i, 1, row);
    }
    const int64_t made = wk_alloc_count() - before;
    verdict(made == 0 && wk_ctx_status(g->c) == WK_OK, g->name, "allocations in eager steps", g->c,
            (double)made);
    if (counted && device_counts(&to)) {
        const int64_t waits = to.waits - from.waits;
        verdict(to.allocations == from.allocations && waits <= TOKENS - 12, g->name, "waits in eager steps",
                g->c, (double)waits);
    }
    wk_cache_free(cache);
#else
    (void)g;
#endif
}

/* ---- a step whose warm-up does not show what it will ask for ---- */

static void growing(wk_ctx *c, void *state)
{
    int *calls = state;
    *calls += 1;
    wk_zeros(c, WK_f32, WK_SHAPE(1000 * *calls * *calls));
}

static void refused(const char *device)
{
    wk_ctx    *c = wk_ctx_new(device);
    int        calls = 0;
    wk_step   *step = wk_capture(c, growing, &calls);
    const bool recorded = strncmp(device, "cpu", 3) != 0; /* the CPU calls the step: nothing to refuse */
    const bool ok = !recorded || (!step && strstr(wk_ctx_message(c), "that its warm-up did not"));
    if (step) wk_step_free(step);
    verdict(ok, "a capture that would allocate", "is refused", c, 0);
    wk_ctx_clear(c);
    const double x = wk_item(c, wk_add(c, wk_scalar(c, 1), wk_scalar(c, 2)));
    verdict(x == 3, "a context", "goes on after it", c, x);
    wk_ctx_free(c);
}

/* ---- training ---- */

/* Loss and gradients of one step, the parameters' gradients end to end; how many values. */
static int64_t train(struct golden *g, float *out, int64_t room)
{
    wk_ctx        *c = g->c;
    wk_param_list *l = wk_model_params(g->m);
    const int64_t  n = wk_param_list_count(l);
    wk_tensor      tracked[64];
    int64_t        at = 0;
    wk_tape_begin(c);
    for (int64_t k = 0; k < n && k < 64; k++) {
        tracked[k] = wk_track(c, wk_param_list_tensor(l, k));
        wk_param_list_set(l, k, tracked[k]);
    }
    const wk_tensor tokens = wk_make(c, g->tokens, WK_i64, WK_SHAPE(TOKENS));
    const wk_tensor logits = wk_model_forward(c, g->m, tokens, NULL, (wk_forward_opts){0});
    const wk_tensor rows = wk_narrow(c, logits, 0, 0, TOKENS - 1),
                    next = wk_narrow(c, tokens, 0, 1, TOKENS - 1);
    const wk_tensor loss = wk_cross_entropy(c, rows, next, (wk_cross_entropy_opts){0});
    out[at++] = (float)wk_item(c, loss);
    wk_backward(c, loss);
    for (int64_t k = 0; k < n && k < 64; k++) {
        const int64_t count = wk_count(tracked[k]);
        if (at + count > room || wk_read(c, wk_grad(c, tracked[k]), out + at) != WK_OK) break;
        at += count;
    }
    wk_tape_end(c);
    return at;
}

static void training(const char *device, const char *name)
{
    enum { ROOM = 1 << 18 };
    static float  here[ROOM], there[ROOM];
    struct golden a, b;
    if (open_golden(&a, device, name, NULL) && open_golden(&b, "cpu", name, NULL)) {
        const int64_t n = train(&a, here, ROOM), m = train(&b, there, ROOM);
        const double  e = difference(here, there, m);
        verdict(n == m && n > 1000 && e <= 2e-4, name, "gradients", a.c, e);
        close_golden(&b);
    }
    close_golden(&a);
}

int main(int argc, char **argv)
{
    /* every row of models.def, and a quantised one */
    static const struct {
        const char *name, *expected;
    } models[] = {{"llama", NULL},      {"mistral", NULL},        {"qwen2", NULL},
                  {"qwen3", NULL},      {"gpt2", NULL},           {"llama-bf16", NULL},
                  {"llama.gguf", NULL}, {"qwen3.gguf", NULL},     {"qwen2.gguf", "qwen2-gguf"},
                  {"gpt2.gguf", NULL},  {"llama-q8_0.gguf", NULL}};
    const char *device = argc > 1 ? argv[1] : "cpu";
    for (size_t i = 0; i < sizeof models / sizeof *models; i++) {
        struct golden g;
        if (argc > 2 && strcmp(argv[2], models[i].name) != 0) continue;
        if (open_golden(&g, device, models[i].name, models[i].expected)) {
            eager(&g);
            captured(&g);
            steady(&g);
        }
        close_golden(&g);
    }
    check_layer_steps(device, &passed, &failed);
    check_answers(device, &passed, &failed);
    refused(device);
    training(device, "llama");
    training(device, "gpt2");
    printf("%d passed, %d failed\n", passed, failed);
    return failed != 0;
}
