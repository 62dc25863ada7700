/* From tokens back to text, one token at a time, never half a character. */
#include "vocab.h"

#include <string.h>

wk_decoder wk_decoder_new(const wk_tokenizer *t, bool special)
{
    return (wk_decoder){.t = t, .special = special};
}

struct text {
    char  *out;
    size_t length, size; /* length may pass size: then nothing more is written */
};

static void put(struct text *x, const unsigned char *p, size_t n)
{
    if (x->length + n < x->size) memcpy(x->out + x->length, p, n);
    x->length += n;
}

/* What may follow `held` (n bytes, the valid start of a character): Unicode, table 3-7. */
static bool goes_on(const unsigned char *held, int n, unsigned char b)
{
    if (n == 1) {
        const unsigned char a = held[0];
        const unsigned char low = a == 0xe0 ? 0xa0 : a == 0xf0 ? 0x90 : 0x80;
        const unsigned char high = a == 0xed ? 0x9f : a == 0xf4 ? 0x8f : 0xbf;
        return b >= low && b <= high;
    }
    return (b & 0xc0) == 0x80;
}

static int character_length(unsigned char a)
{
    return a < 0x80 ? 1 : a < 0xc2 ? 0 : a < 0xe0 ? 2 : a < 0xf0 ? 3 : a < 0xf5 ? 4 : 0;
}

static void broken(wk_decoder *d, struct text *x)
{
    put(x, (const unsigned char *)"\xef\xbf\xbd", 3);
    d->n_held = 0;
}

static void feed(wk_decoder *d, struct text *x, unsigned char b)
{
    if (d->n_held && !goes_on(d->held, d->n_held, b)) broken(d, x);
    d->held[d->n_held++] = b;
    const int n = character_length(d->held[0]);
    if (n == 0) {
        broken(d, x);
    } else if (d->n_held == n) {
        put(x, d->held, (size_t)n);
        d->n_held = 0;
    }
}

size_t wk_decode(wk_decoder *d, int32_t id, char *out, size_t size)
{
    wk_decoder  next = *d; /* taken over only if all fits */
    struct text x = {.out = out, .size = size};
    size_t      n = 0;
    bool        special = false;
    const char *p = id == -1 ? NULL : wk_token_bytes(d->t, id, &n, &special);
    if (id == -1 && next.n_held) broken(&next, &x);
    if (p && (!special || d->special)) {
        const bool space = !next.started && !special && d->t->sentencepiece && d->t->space_prefix;
        size_t     i = space && n && p[0] == ' '; /* the space that encoding put in front */
        for (; i < n; i++) feed(&next, &x, (unsigned char)p[i]);
        if (!special) next.started = true;
    }
    const bool fits = x.length < size;
    if (fits) *d = next;
    if (size) out[fits ? x.length : 0] = '\0';
    return x.length;
}
