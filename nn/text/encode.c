/* Encodes text: added tokens are cut out, the rest goes through splitters and merging. */
#include "vocab.h"

#include <string.h>

wk_tokenizer *wk_tokenizer_from_json(wk_ctx *c, const char *json, size_t length)
{
    return wk_ctx_status(c) ? NULL : wki_tokenizer_json(c, json, length, NULL);
}

void wk_tokens_free(wk_tokens *t)
{
    wk_free(t->id);
    *t = (wk_tokens){0};
}

/* ---- encoding ---- */

static bool words(struct wki_work *w, int stage, const uint8_t *p, const uint8_t *end)
{
    if (stage == w->t->n_splits) return wki_bpe_word(w, p, (size_t)(end - p));
    while (p < end) {
        const uint8_t *next = wki_split_next(w->t->split[stage], p, end);
        if (!words(w, stage + 1, p, next)) return false;
        p = next;
    }
    return true;
}

/* Text between added tokens. */
static bool fragment(struct wki_work *w, const uint8_t *p, const uint8_t *end, bool after_special)
{
    const wk_tokenizer *t = w->t;
    size_t              n = (size_t)(end - p);
    if (!n) return true;
    if (t->sentencepiece) {
        const bool spaced = *p == ' ' || (n >= 3 && memcmp(p, "\xe2\x96\x81", 3) == 0);
        const bool here = t->first_prefix ? p == w->start : after_special;
        return wki_spm_text(w, p, n, t->space_prefix && here && !(t->bare_prefix && spaced));
    }
    if (t->nfc && !(p = wki_nfc(w, p, &n))) return false;
    if (!t->space_prefix || *p == ' ') return words(w, 0, p, p + n);
    uint8_t *spaced = wk_alloc(n + 1);
    if (!spaced) {
        wk_fail(w->c, WK_ENOMEM, "encode: no memory for %zu bytes", n);
        return false;
    }
    spaced[0] = ' ';
    memcpy(spaced + 1, p, n);
    const bool ok = words(w, 0, spaced, spaced + n + 1);
    wk_free(spaced);
    return ok;
}

static const uint8_t *skip_spaces(const uint8_t *p, const uint8_t *end)
{
    for (int n; p < end && wki_is_space(wki_utf8(p, end, &n));) p += n;
    return p;
}

/* Start of the white space that ends at p. */
static const uint8_t *before_spaces(const uint8_t *start, const uint8_t *p)
{
    while (p > start) {
        const uint8_t *q = p - 1;
        while (q > start && p - q < 4 && (*q & 0xc0) == 0x80) q--;
        int n;
        if (!wki_is_space(wki_utf8(q, p, &n)) || q + n != p) break;
        p = q;
    }
    return p;
}

static bool encode(struct wki_work *w, const uint8_t *p, const uint8_t *end, bool special)
{
    const wk_tokenizer *t = w->t;
    const uint8_t      *start = p;
    bool                after_special = true;
    while (p < end) {
        size_t        n = 0;
        const int32_t id = wki_added_at(t, p, end, special, &n);
        if (id < 0) {
            p++;
            continue;
        }
        const uint8_t *text_end = t->token[id].strip_left ? before_spaces(start, p) : p;
        if (!fragment(w, start, text_end, after_special) || !wki_push(w, id)) return false;
        p += n;
        if (t->token[id].strip_right) p = skip_spaces(p, end);
        start = p;
        after_special = true;
    }
    return fragment(w, start, end, after_special);
}

wk_status wk_encode(wk_ctx *c, const wk_tokenizer *t, const char *text, size_t length, wk_encode_opts o,
                    wk_tokens *out)
{
    if (wk_ctx_status(c)) return wk_ctx_status(c);
    struct wki_work w = {.c = c, .t = t, .out = out};
    const int64_t   before = out->count;
    const uint8_t  *p = (const uint8_t *)(length ? text : "");
    bool            ok = true;
    w.start = p;
    for (int i = 0; o.add_edges && ok && i < t->n_prefix; i++) ok = wki_push(&w, t->prefix[i]);
    ok = ok && encode(&w, p, p + length, o.special);
    for (int i = 0; o.add_edges && ok && i < t->n_suffix; i++) ok = wki_push(&w, t->suffix[i]);
    wk_free(w.symbol);
    wk_free(w.heap);
    wk_free(w.text);
    wk_free(w.code);
    if (!ok) out->count = before;
    return wk_ctx_status(c);
}
