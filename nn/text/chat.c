/* Conversations in ChatML: <|im_start|>role, newline, content, <|im_end|>, newline. */
#include "vocab.h"

#include <string.h>

#define START "<|im_start|>"
#define STOP  "<|im_end|>"

/* ChatML it is when the template uses its two markers and nothing that the variants known add to them. */
static bool is_chatml(wk_ctx *c, const wk_tokenizer *t)
{
    const char *x = t->template;
    bool        special[2] = {false, false};
    (void)wk_token_bytes(t, wk_token_find(t, START), NULL, &special[0]);
    (void)wk_token_bytes(t, wk_token_find(t, STOP), NULL, &special[1]);
    if (x && strstr(x, START) && strstr(x, STOP) && !strstr(x, "<|im_sep|>") && special[0] && special[1])
        return true;
    wk_fail(c, WK_EUNSUPPORTED, "chat: %s; only ChatML (" START ", " STOP ") is known",
            x ? "the model's chat template is of another kind" : "the model has no chat template");
    return false;
}

/* The system prompt that the template itself gives when the conversation has none: the first literal text
 * between "<|im_start|>system\n" and "<|im_end|>", its length through *length. NULL: there is none. */
static const char *default_system(const char *x, size_t *length)
{
    static const char head[] = START "system";
    while ((x = strstr(x, head))) {
        x += sizeof head - 1;
        if (*x == '\n')
            x++;
        else if (x[0] == '\\' && x[1] == 'n')
            x += 2;
        else
            continue;
        const char *stop = strstr(x, STOP);
        *length = stop ? (size_t)(stop - x) : 0;
        if (*length && !memchr(x, '{', *length) && !memchr(x, '\'', *length) && !memchr(x, '"', *length))
            return x;
    }
    return NULL;
}

struct chat {
    wk_ctx             *c;
    const wk_tokenizer *t;
    wk_tokens          *out;
};

static bool text(const struct chat *h, const char *p, size_t n)
{
    return wk_encode(h->c, h->t, p, n, (wk_encode_opts){0}, h->out) == WK_OK;
}

static bool marker(const struct chat *h, const char *name)
{
    return wk_encode(h->c, h->t, name, strlen(name), (wk_encode_opts){.special = true}, h->out) == WK_OK;
}

/* Role and content are encoded in one go, as words may span the newline between them. */
static bool turn(const struct chat *h, const char *role, const char *content, size_t n)
{
    const size_t k = strlen(role);
    char        *both = n < SIZE_MAX - k - 1 ? wk_alloc(k + 1 + n) : NULL;
    if (!both) {
        wk_fail(h->c, WK_ENOMEM, "chat: no memory for %zu bytes", n);
        return false;
    }
    memcpy(both, role, k);
    both[k] = '\n';
    memcpy(both + k + 1, content, n);
    const bool ok = marker(h, START) && text(h, both, k + 1 + n) && marker(h, STOP) && text(h, "\n", 1);
    wk_free(both);
    return ok;
}

wk_status wk_chat_encode(wk_ctx *c, const wk_tokenizer *t, int n, const wk_message *m, bool reply,
                         wk_tokens *out)
{
    const struct chat h = {c, t, out};
    const int64_t     before = out->count;
    size_t            length = 0;
    if (wk_ctx_status(c) || !is_chatml(c, t)) return wk_ctx_status(c);
    bool            ok = true;
    struct wki_work w = {.c = c, .out = out};
    if (strstr(t->template, "bos_token") && t->bos >= 0) ok = wki_push(&w, t->bos);
    const char *system =
        n > 0 && strcmp(m[0].role, "system") != 0 ? default_system(t->template, &length) : NULL;
    if (ok && system) ok = turn(&h, "system", system, length);
    for (int i = 0; ok && i < n; i++) ok = turn(&h, m[i].role, m[i].content, strlen(m[i].content));
    if (ok && reply) ok = marker(&h, START) && text(&h, "assistant\n", 10);
    if (!ok) out->count = before;
    return wk_ctx_status(c);
}
