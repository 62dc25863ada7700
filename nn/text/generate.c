/* Text from a model: feeds a prompt, then samples and decodes token by token. */
#include "vocab.h"

#include <math.h>
#include <string.h>
#include <time.h>

#define MAX_STOP 256 /* strings, and bytes of one */

struct writer { /* holds back text that may turn out to be the start of a stop string */
    const wk_generate_opts *o;
    char                   *held;
    size_t                  n, size, longest_stop;
};

/* The steps, recorded where the device can: in a context of their own, whose blocks they keep. */
struct steps {
    wk_ctx   *c;
    wk_step  *recorded;
    wk_tensor token, logits; /* i32 [1]; f32 [1, vocab] */
};

struct run {
    wk_ctx             *c;
    const wk_model     *m;
    const wk_tokenizer *t;
    wk_cache           *cache;
    wk_generate_opts    o;
    wk_tokens          *out;
    int64_t             vocab; /* of the model */
    wk_sampler         *sampler;
    float              *logits;
    wk_decoder          decoder;
    struct writer       writer;
    struct steps        steps;
    wk_generated        made;
};

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* ---- stop strings ---- */

static bool emit(struct writer *w, size_t n)
{
    const bool more = !n || !w->o->piece || w->o->piece(w->o->arg, w->held, n);
    memmove(w->held, w->held + n, w->n - n);
    w->n -= n;
    return more;
}

/* Where the first stop string begins in the held text; w->n: nowhere. */
static size_t find_stop(const struct writer *w)
{
    size_t first = w->n;
    for (int i = 0; i < w->o->n_stop; i++) {
        const size_t k = strlen(w->o->stop[i]);
        const char  *p = memmem(w->held, w->n, w->o->stop[i], k);
        if (p && (size_t)(p - w->held) < first) first = (size_t)(p - w->held);
    }
    return first;
}

/* How much of the held text cannot be the beginning of a stop string. */
static size_t safe_length(const struct writer *w)
{
    size_t from = w->n > w->longest_stop ? w->n - w->longest_stop : 0;
    for (; from < w->n; from++)
        for (int i = 0; i < w->o->n_stop; i++)
            if (strncmp(w->o->stop[i], w->held + from, w->n - from) == 0) return from;
    return from;
}

/* Takes over what was appended to the held text; false when the generation ends, with the reason in
 * *finish. */
static bool advance(struct writer *w, enum wk_finish *finish)
{
    const size_t stop = find_stop(w);
    if (stop < w->n) {
        *finish = WK_FINISH_STOP;
        if (!emit(w, stop)) *finish = WK_FINISH_CALLER;
        w->n = 0;
        return false;
    }
    if (emit(w, safe_length(w))) return true;
    *finish = WK_FINISH_CALLER;
    return false;
}

/* ---- the steps ---- */

/* Runs tokens through the model; their last logits go to r->logits. */
static bool feed(struct run *r, const int32_t *id, int64_t n, bool want_logits)
{
    wk_ctx        *c = r->c;
    const wk_scope s = wk_scope_begin(c);
    wk_tensor      x = wk_make(c, id, WK_i32, WK_SHAPE(n));
    wk_tensor      y = wk_model_forward(c, r->m, x, r->cache, (wk_forward_opts){.last_only = true});
    if (want_logits && !wk_ctx_status(c)) {
        if (wk_count(y) == r->vocab && y->dtype == WK_f32)
            wk_read(c, y, r->logits);
        else
            wk_fail(c, WK_EINTERNAL, "generate: the model gave %lld logits, not %lld", (long long)wk_count(y),
                    (long long)r->vocab);
    }
    wk_scope_end(c, s, WK_NONE);
    return !wk_ctx_status(c);
}

/* Steps that run as they are called, before the rest is recorded; how many more there must be to come. */
enum { RECORD_AFTER = 3, RECORD_FROM = 8 };

static bool worth_recording(const struct run *r)
{
    const int64_t room = r->cache->capacity - r->cache->length;
    const int64_t most = r->o.max_tokens ? r->o.max_tokens - r->made.tokens : room;
    return r->made.tokens > RECORD_AFTER && most >= RECORD_FROM && room >= RECORD_FROM && wk_records(r->c);
}

static void step(wk_ctx *c, void *state)
{
    struct run           *r = state;
    const wk_forward_opts o = {.last_only = true, .on_device = true};
    wk_copy_into(c, r->steps.logits, wk_model_forward(c, r->m, r->steps.token, r->cache, o));
}

/* What a recording writes into the cache on its way is written again by the steps. */
static bool record(struct run *r)
{
    struct steps *s = &r->steps;
    const int64_t length = r->cache->length;
    s->c = wk_ctx_new(wk_ctx_device(r->c));
    wk_set_precise(s->c, wk_precise(r->c));
    s->token = wk_zeros(s->c, WK_i32, WK_SHAPE(1));
    s->logits = wk_zeros(s->c, WK_f32, WK_SHAPE(1, r->vocab));
    wk_cache_place(s->c, r->cache, length);
    s->recorded = wk_capture(s->c, step, r);
    wk_cache_place(s->c, r->cache, length);
    return wk_ctx_status(s->c) == WK_OK;
}

/* As feed, by the recorded step. */
static bool feed_recorded(struct run *r, int32_t id, bool want_logits)
{
    struct steps *s = &r->steps;
    if (wk_cancelled(r->c)) return false;
    if (s->recorded || record(r)) {
        const wk_scope scope = wk_scope_begin(s->c);
        wk_copy_into(s->c, s->token, wk_full(s->c, id, WK_i32, WK_SHAPE(1)));
        wk_replay(s->recorded);
        if (want_logits)
            wk_read(s->c, s->logits, r->logits);
        else
            wk_sync(s->c); /* the last one: c goes on with the cache */
        wk_scope_end(s->c, scope, WK_NONE);
        r->cache->length++;
    }
    if (wk_ctx_status(s->c)) wk_fail(r->c, wk_ctx_status(s->c), "generate: %s", wk_ctx_message(s->c));
    return !wk_ctx_status(r->c);
}

static bool feed_token(struct run *r, int32_t id, bool want_logits)
{
    if (r->steps.recorded || worth_recording(r)) return feed_recorded(r, id, want_logits);
    return feed(r, &id, 1, want_logits);
}

static bool feed_prompt(struct run *r, const wk_tokens *prompt)
{
    const int64_t batch = r->o.batch > 0 ? r->o.batch : 512;
    const double  start = seconds();
    for (int64_t i = 0; i < prompt->count; i += batch) {
        const int64_t n = prompt->count - i < batch ? prompt->count - i : batch;
        if (!feed(r, prompt->id + i, n, i + n == prompt->count)) return false;
        r->made.prompt_tokens += n;
        for (int64_t k = i; k < i + n; k++) wk_sampler_accept(r->sampler, prompt->id[k]);
    }
    r->made.prompt_seconds = seconds() - start;
    return true;
}

static bool append(struct run *r, int32_t id)
{
    r->made.tokens++;
    if (!r->out) return true;
    struct wki_work w = {.c = r->c, .out = r->out};
    return wki_push(&w, id);
}

/* The text that a token completes; false ends the generation. */
static bool write_token(struct run *r, int32_t id)
{
    struct writer *w = &r->writer;
    w->n += wk_decode(&r->decoder, id, w->held + w->n, w->size - w->n);
    return advance(w, &r->made.finish);
}

static int32_t choose(struct run *r)
{
    for (int i = 0; r->o.ignore_eos && i < r->t->n_ends; i++)
        if (r->t->ends[i] < r->vocab) r->logits[r->t->ends[i]] = -INFINITY;
    const int32_t id = wk_sample(r->sampler, r->logits);
    if (id < 0) wk_fail(r->c, WK_ENAN, "generate: the model gave no finite logit");
    return id;
}

static void loop(struct run *r)
{
    const double start = seconds();
    for (;;) {
        const int32_t id = choose(r);
        if (id < 0 || !append(r, id)) break;
        wk_sampler_accept(r->sampler, id);
        const bool end = wk_token_ends(r->t, id) && !r->o.ignore_eos;
        r->made.finish = end ? WK_FINISH_END : WK_FINISH_LENGTH;
        const bool full = r->cache->length >= r->cache->capacity;
        bool       last = !write_token(r, id) || end || full;
        last = last || (r->o.max_tokens && r->made.tokens >= r->o.max_tokens);
        if (!full && !feed_token(r, id, !last))
            break; /* the last one too, so that the cache has the whole answer */
        if (last) break;
    }
    if (!wk_ctx_status(r->c) && (r->made.finish == WK_FINISH_END || r->made.finish == WK_FINISH_LENGTH)) {
        const enum wk_finish finish = r->made.finish;
        if (write_token(r, -1)) {
            r->made.finish = emit(&r->writer, r->writer.n) ? finish : WK_FINISH_CALLER;
        }
    }
    r->made.seconds = seconds() - start;
}

static bool check(struct run *r, const wk_tokens *prompt)
{
    const int64_t room = r->cache->capacity - r->cache->length;
    const char   *wrong = NULL;
    if (prompt->count < 1) wrong = "the prompt is empty";
    if (r->o.max_tokens < 0) wrong = "max_tokens is negative";
    if (r->o.n_stop < 0 || r->o.n_stop > MAX_STOP) wrong = "too many stop strings";
    for (int i = 0; !wrong && i < r->o.n_stop; i++) {
        const size_t n = strnlen(r->o.stop[i], MAX_STOP + 1);
        if (n == 0 || n > MAX_STOP) wrong = "a stop string is empty or longer than 256 bytes";
        if (n > r->writer.longest_stop) r->writer.longest_stop = n;
    }
    if (wrong) wk_fail(r->c, WK_EARG, "generate: %s", wrong);
    if (prompt->count > room)
        wk_fail(r->c, WK_EINDEX, "generate: %lld tokens of prompt, and the context has room for %lld",
                (long long)prompt->count, (long long)room);
    return !wk_ctx_status(r->c);
}

/* All memory that the steps need, so that they allocate nothing. */
static bool prepare(struct run *r, const wk_tokens *prompt)
{
    const int64_t room = r->cache->capacity - r->cache->length - prompt->count + 1;
    const int64_t most = r->o.max_tokens && r->o.max_tokens < room ? r->o.max_tokens : room;
    const int64_t size = wk_tokenizer_size(r->t);
    bool          special = true;
    r->vocab = wk_model_about(r->m).vocab;
    r->sampler =
        wk_sampler_new(r->c, r->o.sample, r->vocab < size ? r->vocab : size); /* ids that have a text */
    r->logits = r->vocab > 0 ? wk_alloc((size_t)r->vocab * sizeof *r->logits) : NULL;
    r->writer.o = &r->o;
    r->writer.size =
        r->writer.longest_stop + 3 * ((size_t)r->t->longest + 8); /* a stray byte becomes U+FFFD: 3 */
    r->writer.held = wk_alloc(r->writer.size);
    if (!wk_ctx_status(r->c) && (!r->logits || !r->writer.held))
        wk_fail(r->c, WK_ENOMEM, "generate: no memory for logits or text");
    if (r->out && !wk_ctx_status(r->c)) {
        void *p = r->out->id;
        if (!wki_room(r->c, &p, &r->out->capacity, r->out->count + most, sizeof *r->out->id)) return false;
        r->out->id = p;
    }
    /* An answer begins a text; a completion goes on with one and keeps its leading space. */
    r->decoder = wk_decoder_new(r->t, r->o.special);
    (void)wk_token_bytes(r->t, prompt->id[prompt->count - 1], NULL, &special);
    r->decoder.started = !special;
    return !wk_ctx_status(r->c);
}

wk_generated wk_generate(wk_ctx *c, const wk_model *m, const wk_tokenizer *t, wk_cache *cache,
                         const wk_tokens *prompt, wk_generate_opts o, wk_tokens *out)
{
    struct run r = {.c = c, .m = m, .t = t, .cache = cache, .o = o, .out = out};
    if (!wk_ctx_status(c) && check(&r, prompt) && prepare(&r, prompt) && feed_prompt(&r, prompt)) loop(&r);
    wk_step_free(r.steps.recorded);
    wk_ctx_free(r.steps.c);
    wk_sampler_free(r.sampler);
    wk_free(r.logits);
    wk_free(r.writer.held);
    if (wk_ctx_status(c)) r.made.finish = WK_FINISH_ERROR;
    return r.made;
}
