/* wick bench: tokens per second of prompt and generation, and how near they are to the limits. */
#include "wick.h"

#include <jansson.h>
#include <stdlib.h>

#define MAX_REPS 1000

struct result {
    char    test[32];
    int64_t reps;
    double  rate[MAX_REPS];
    double  of_memory, of_compute; /* percent of what the machine can read, and multiply and add */
};

/* What steps move and compute, and the limits of both. */
struct work {
    double      weights, cache; /* bytes: of the weights a step reads, of one cached position */
    double      layers, output; /* operations of a token in the products of the layers, of the output layer */
    double      attention;      /* with one cached position */
    wk_limits   limits;
    const char *unit; /* the fastest that the products may run on */
    double      peak; /* its operations per second */
};

static int compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(const struct result *r)
{
    return r->reps % 2 ? r->rate[r->reps / 2] : (r->rate[r->reps / 2 - 1] + r->rate[r->reps / 2]) / 2;
}

/* Tokens that look like text: any ids but never one alone, from a fixed sequence. */
static void fill(int32_t *id, int64_t n, int64_t vocab)
{
    uint64_t x = 88172645463325252u;
    for (int64_t i = 0; i < n; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        id[i] = (int32_t)(x % (uint64_t)vocab);
    }
}

/* Feeds n tokens, at most `batch` in a step; logits of all, or of the last one. */
static bool feed(struct session *s, const int32_t *id, int64_t n, int64_t batch, bool all)
{
    for (int64_t at = 0; at < n; at += batch) {
        const int64_t  m = n - at < batch ? n - at : batch;
        const wk_scope scope = wk_scope_begin(s->c);
        wk_tensor      tokens = wk_make(s->c, id + at, WK_i32, WK_SHAPE(m));
        wk_tensor      y =
            wk_model_forward(s->c, s->model, tokens, s->cache, (wk_forward_opts){.last_only = !all});
        wk_item(s->c, wk_argmax(s->c, wk_flatten(s->c, y, 0, -1), 0, false)); /* waits for the device */
        wk_scope_end(s->c, scope, WK_NONE);
        if (wk_ctx_status(s->c)) return false;
    }
    return true;
}

/* A step of one token, as wk_generate records it where the device can. */
struct stepping {
    struct session *s;
    wk_tensor       token, next; /* i32 [1]; i64 [1]: the likeliest one */
    wk_step        *recorded;
};

static void step(wk_ctx *c, void *state)
{
    struct stepping      *g = state;
    const wk_forward_opts o = {.last_only = true, .on_device = true};
    const wk_tensor       y = wk_model_forward(c, g->s->model, g->token, g->s->cache, o);
    wk_copy_into(c, g->next, wk_argmax(c, wk_flatten(c, y, 0, -1), 0, true));
}

static void record(struct stepping *g, struct session *s)
{
    *g = (struct stepping){
        .s = s, .token = wk_zeros(s->c, WK_i32, WK_SHAPE(1)), .next = wk_zeros(s->c, WK_i64, WK_SHAPE(1))};
    wk_cache_place(s->c, s->cache, s->cache->length);
    g->recorded = wk_capture(s->c, step, g);
}

static bool feed_recorded(struct stepping *g, const int32_t *id, int64_t n, int64_t depth)
{
    struct session *s = g->s;
    wk_cache_place(s->c, s->cache, depth);
    for (int64_t at = 0; at < n && !wk_ctx_status(s->c); at++) {
        const wk_scope scope = wk_scope_begin(s->c);
        wk_copy_into(s->c, g->token, wk_full(s->c, id[at], WK_i32, WK_SHAPE(1)));
        wk_replay(g->recorded);
        wk_item(s->c, g->next); /* waits for the device */
        wk_scope_end(s->c, scope, WK_NONE);
    }
    return !wk_ctx_status(s->c);
}

/* A table of [vocab, dim] is looked up, unless it is the only one: then the output layer reads it. */
static void look_at_tables(const wk_model_info *info, const wk_param_list *p, struct work *w)
{
    const double table = (double)info->vocab * (double)info->dim;
    int64_t      n = 0, first = 0;
    for (int64_t i = 0; i < wk_param_list_count(p); i++) {
        const wk_tensor x = wk_param_list_tensor(p, i);
        if (x->ndim != 2 || x->shape[0] != info->vocab || x->shape[1] != info->dim) continue;
        if (n++ == 0) first = wk_bytes(x);
    }
    w->weights = (double)(info->bytes - (n > 1 ? first : 0));
    w->layers = 2 * ((double)info->parameters - table * (double)(n > 1 ? 2 : 1));
    w->output = 2 * table;
}

static void choose_unit(wk_ctx *c, const char *weights, struct work *w)
{
    const wk_dtype t = wk_dtype_find(weights);
    w->unit = "f32";
    w->peak = w->limits.f32;
    if (wk_precise(c)) return;
    if (wk_dtype_block(t) > 1 && w->limits.i8 > w->peak) {
        w->unit = "int8";
        w->peak = w->limits.i8;
    } else if ((t == WK_f16 || t == WK_bf16) && w->limits.bf16 > w->peak) {
        w->unit = "bf16";
        w->peak = w->limits.bf16;
    }
}

static struct work work_of(struct session *s)
{
    const wk_model_info info = wk_model_about(s->model);
    struct work         w = {.limits = wk_measure_limits(s->c)};
    look_at_tables(&info, wk_model_params(s->model), &w);
    choose_unit(s->c, info.quantization, &w);
    for (int64_t i = 0; i < s->cache->n_layers; i++)
        w.cache += (double)(wk_bytes(s->cache->layers[i].k) + wk_bytes(s->cache->layers[i].v)) /
                   (double)s->cache->capacity;
    w.attention = 4.0 * (double)(info.layers * info.heads * info.head_dim);
    return w;
}

/* The share of the limits, in percent, that a rate of n tokens in steps of `batch` makes; 0: not known. */
static void share_of_limits(const struct work *w, double depth, double n, double batch, struct result *r)
{
    const double steps = batch < n ? n / batch : 1, seen = depth + n / 2;
    const double bytes = (w->weights + w->cache * seen) * steps / n;
    const double ops = w->layers + w->output * steps / n + w->attention * seen;
    r->of_memory = w->limits.read > 0 ? 100 * median(r) * bytes / w->limits.read : 0;
    r->of_compute = w->peak > 0 ? 100 * median(r) * ops / w->peak : 0;
}

/* Runs one test, once more than asked for: the first run warms up. */
static bool measure(struct session *s, const struct options *o, const int32_t *id, int64_t n, bool one_by_one,
                    struct result *r)
{
    snprintf(r->test, sizeof r->test, "%s%lld", one_by_one ? "tg" : "pp", (long long)n);
    r->reps = o->repetitions < MAX_REPS ? o->repetitions : MAX_REPS;
    wk_cache_truncate(s->cache, 0);
    if (!feed(s, id, o->depth, o->batch, false)) return false;
    struct stepping g = {0};
    if (one_by_one && wk_records(s->c)) record(&g, s);
    for (int64_t i = -1; i < r->reps; i++) {
        const int64_t count = i < 0 && one_by_one && n > 8 ? 8 : n;
        const double  from = seconds_now();
        if (!(g.recorded ? feed_recorded(&g, id + o->depth, count, o->depth)
                         : feed(s, id + o->depth, count, one_by_one ? 1 : o->batch, o->all_logits)))
            break;
        if (i >= 0) r->rate[i] = (double)count / (seconds_now() - from);
        wk_cache_truncate(s->cache, o->depth);
    }
    wk_step_free(g.recorded);
    qsort(r->rate, (size_t)r->reps, sizeof *r->rate, compare);
    return !wk_ctx_status(s->c);
}

static json_t *result_json(const struct session *s, const struct options *o, const struct result *r,
                           const struct work *w)
{
    const wk_model_info info = wk_model_about(s->model);
    return json_pack(
        "{s:s, s:I, s:s, s:i, s:I, s:s, s:I, s:{s:f, s:f, s:f}, s:f, s:f, s:s, s:{s:f, s:f, s:f, s:f}}",
        "model", info.name, "bytes", (json_int_t)wk_files_bytes(wk_model_files(s->model)), "device",
        wk_ctx_device(s->c), "threads", wk_threads(s->c), "depth", (json_int_t)o->depth, "test", r->test,
        "reps", (json_int_t)r->reps, "tokens_per_second", "median", median(r), "min", r->rate[0], "max",
        r->rate[r->reps - 1], "percent_of_memory", r->of_memory, "percent_of_compute", r->of_compute,
        "compute_unit", w->unit, "limits", "read_bytes", w->limits.read, "f32", w->limits.f32, "bf16",
        w->limits.bf16, "int8", w->limits.i8);
}

static void print_limits(const struct work *w, int threads)
{
    printf("%d thread%s of this machine: %.1f GB/s read", threads, threads == 1 ? "" : "s",
           1e-9 * w->limits.read);
    if (w->limits.f32 > 0) printf(", %.0f GFLOP/s f32", 1e-9 * w->limits.f32);
    if (w->limits.bf16 > 0) printf(", %.0f bf16", 1e-9 * w->limits.bf16);
    if (w->limits.i8 > 0) printf(", %.0f int8", 1e-9 * w->limits.i8);
    printf("\n\n");
}

static void print_row(const struct session *s, const struct options *o, const struct result *r,
                      const struct work *w, bool first)
{
    const wk_model_info info = wk_model_about(s->model);
    if (first)
        printf(
            "| model | bytes | device | threads | depth | test | tokens/s | min | max | of memory | of %s |\n"
            "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n",
            w->unit);
    printf("| %s | %lld | %s | %d | %lld | %s | %.1f | %.1f | %.1f | %.0f %% | %.0f %% |\n", info.name,
           (long long)wk_files_bytes(wk_model_files(s->model)), wk_ctx_device(s->c), wk_threads(s->c),
           (long long)o->depth, r->test, median(r), r->rate[0], r->rate[r->reps - 1], r->of_memory,
           r->of_compute);
}

int verb_bench(const struct options *given)
{
    struct options o = *given;
    char          *end = NULL;
    const int64_t  pp = o.prompt ? strtoll(o.prompt, &end, 10) : 512, tg = o.predict >= 0 ? o.predict : 128;
    if ((end && *end) || pp < 0 || pp > 1000000) {
        fprintf(stderr, "wick bench: -p \"%s\": a number of tokens\n", o.prompt);
        return EXIT_USAGE;
    }
    o.context = o.depth + (pp > tg ? pp : tg) + 1;
    struct session s;
    if (!session_open(&s, &o, false)) return EXIT_FAILED;
    const int64_t  n = o.context;
    int32_t       *id = wk_alloc((size_t)n * sizeof *id);
    struct result *r = wk_alloc_zero(2, sizeof *r);
    json_t        *all = json_array();
    int            code = id && r ? EXIT_OK : failed("out of memory"), done = 0;
    struct work    w = {0};
    if (code == EXIT_OK) {
        fill(id, n, wk_model_about(s.model).vocab);
        w = work_of(&s);
        if (wk_ctx_status(s.c) != WK_OK)
            code = failed_ctx(s.c);
        else if (!o.json)
            print_limits(&w, wk_threads(s.c));
    }
    for (int test = 0; test < 2 && code == EXIT_OK; test++) {
        const int64_t count = test ? tg : pp;
        if (count == 0) continue;
        if (!measure(&s, &o, id, count, test, &r[test])) {
            code = failed_ctx(s.c);
            break;
        }
        share_of_limits(&w, (double)o.depth, (double)count, test ? 1 : (double)o.batch, &r[test]);
        if (o.json) {
            json_array_append_new(all, result_json(&s, &o, &r[test], &w));
        } else {
            print_row(&s, &o, &r[test], &w, done++ == 0);
            fflush(stdout);
        }
    }
    if (code == EXIT_OK && o.json) {
        json_dumpf(all, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(8));
        putchar('\n');
    }
    json_decref(all);
    wk_free(r);
    wk_free(id);
    session_close(&s);
    return code;
}
