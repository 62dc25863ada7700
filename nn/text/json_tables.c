/* Reads the large tables of a tokenizer.json without building a tree. */
#include "json_tables.h"

#include <string.h>

static bool failed(wk_ctx *c, const wki_json *j)
{
    if (!wki_bad(&j->b)) return false;
    wk_fail(c, WK_EFORMAT, "tokenizer.json: %s, byte %zu: %s", j->b.field, j->b.where, j->b.why);
    return true;
}

struct cut {
    size_t from, to; /* what lies between a table's brackets */
};

static bool is_key(const wki_span *s, const char *name)
{
    return s->length == strlen(name) && memcmp(s->at, name, s->length) == 0;
}

/* Goes over the model; remembers where its tables are. */
static void find_tables(wki_json *j, struct wki_tables *t, struct cut *vocab, struct cut *merges)
{
    bool     first = true;
    wki_span key;
    if (!wki_json_open(j, '{', "model")) return;
    while (wki_json_more(j, '}', &first, "model") && wki_json_key(j, &key, "model")) {
        const bool  is_vocab = is_key(&key, "vocab") && wki_json_peek(j) == '{' && !t->has_vocab;
        const bool  is_merges = is_key(&key, "merges") && wki_json_peek(j) == '[' && !t->has_merges;
        struct cut *where = is_vocab ? vocab : merges;
        if (is_vocab) t->vocab = *j;
        if (is_merges) t->merges = *j;
        t->has_vocab = t->has_vocab || is_vocab;
        t->has_merges = t->has_merges || is_merges;
        const size_t from = wki_offset(&j->b) + 1;
        if (!wki_json_skip(j, is_vocab ? "vocab" : is_merges ? "merges" : "model")) return;
        if (is_vocab || is_merges) *where = (struct cut){from, wki_offset(&j->b) - 1};
    }
}

char *wki_tables_cut(wk_ctx *c, const char *json, size_t length, struct wki_tables *t, size_t *left)
{
    wki_json   j = {.b = wki_bytes_of(json, length)};
    bool       first = true;
    wki_span   key;
    struct cut vocab = {0, 0}, merges = {0, 0};
    *t = (struct wki_tables){0};
    if (wki_json_open(&j, '{', "document")) {
        while (wki_json_more(&j, '}', &first, "document") && wki_json_key(&j, &key, "document")) {
            if (is_key(&key, "model") && wki_json_peek(&j) == '{')
                find_tables(&j, t, &vocab, &merges);
            else
                (void)wki_json_skip(&j, "document");
        }
        (void)wki_json_end(&j, "document");
    }
    if (failed(c, &j)) return NULL;
    char *text = wk_alloc(length + 1);
    if (!text) {
        wk_fail(c, WK_ENOMEM, "tokenizer.json: no memory for %zu bytes", length);
        return NULL;
    }
    const bool       swap = merges.from < vocab.from;
    const struct cut one = swap ? merges : vocab, two = swap ? vocab : merges;
    size_t           n = one.from;
    memcpy(text, json, n);
    memcpy(text + n, json + one.to, two.from > one.to ? two.from - one.to : 0);
    n += two.from > one.to ? two.from - one.to : 0;
    memcpy(text + n, json + two.to, length - two.to);
    *left = n + length - two.to;
    return text;
}

/* Next entry of the vocabulary; false at its end or after a failure. */
static bool next_entry(wki_json *j, bool *first, wki_span *text, int64_t *id)
{
    wki_item x;
    if (!wki_json_more(j, '}', first, "vocab") || !wki_json_key(j, text, "vocab")) return false;
    const size_t where = wki_offset(&j->b);
    if (!wki_json_number(j, &x, "vocab")) return false;
    *id = x.v.i;
    return x.type == WKI_I64 || wki_reject(&j->b, "vocab", where, "an id is no whole number");
}

bool wki_tables_measure(wk_ctx *c, const struct wki_tables *t, int64_t *entries, size_t *bytes,
                        int64_t *greatest)
{
    wki_json j = t->vocab;
    bool     first = true;
    wki_span text;
    int64_t  id;
    *entries = 0;
    *bytes = 0;
    *greatest = -1;
    if (!wki_json_open(&j, '{', "vocab")) return false;
    for (; next_entry(&j, &first, &text, &id); ++*entries) {
        *bytes += text.length;
        if (id > *greatest || id < 0) *greatest = id < 0 ? INT64_MAX : id;
    }
    return !failed(c, &j);
}

/* What a string means: as it stands, or unescaped in a buffer that grows. */
struct meaning {
    char  *buffer;
    size_t size;
};

static const char *meaning_of(wk_ctx *c, struct meaning *m, const wki_span *s, size_t *length)
{
    *length = s->length;
    if (!memchr(s->at, '\\', s->length)) return (const char *)s->at;
    if (s->length >= m->size) {
        char *more = wk_resize(m->buffer, s->length * 2);
        if (!more) {
            wk_fail(c, WK_ENOMEM, "tokenizer.json: no memory for a token of %zu bytes", s->length);
            return NULL;
        }
        m->buffer = more;
        m->size = s->length * 2;
    }
    if (!wki_span_short(s, m->buffer, m->size)) {
        wk_fail(c, WK_EFORMAT, "tokenizer.json: a token has a NUL in it");
        return NULL;
    }
    *length = strlen(m->buffer);
    return m->buffer;
}

bool wki_tables_vocab(wk_ctx *c, const struct wki_tables *t, wk_tokenizer *out)
{
    wki_json       j = t->vocab;
    struct meaning m = {0};
    bool           first = true, ok = wki_json_open(&j, '{', "vocab");
    wki_span       text;
    int64_t        id;
    while (ok && next_entry(&j, &first, &text, &id)) {
        size_t      n;
        const char *p = meaning_of(c, &m, &text, &n);
        const bool  byte = p && out->sentencepiece && n == 6 && strncmp(p, "<0x", 3) == 0;
        ok = p && wki_vocab_add(c, out, id, p, n, byte ? WKI_BYTE : WKI_NORMAL);
    }
    wk_free(m.buffer);
    return ok && !failed(c, &j);
}

/* A merge is "a b" or ["a", "b"]. */
static bool merge(wk_ctx *c, wki_json *j, struct meaning m[2], int64_t rank, wk_tokenizer *out)
{
    wki_span   a = {0}, b = {0};
    size_t     na = 0, nb = 0;
    bool       first = true, pair = wki_json_peek(j) == '[';
    const bool single = wki_json_peek(j) == '"';
    if (pair) {
        pair = wki_json_open(j, '[', "merges") && wki_json_more(j, ']', &first, "merges") &&
               wki_json_string(j, &a, "merges") && wki_json_more(j, ']', &first, "merges") &&
               wki_json_string(j, &b, "merges") && !wki_json_more(j, ']', &first, "merges");
    }
    if (single && !wki_json_string(j, &a, "merges")) return false;
    const char *p = pair || single ? meaning_of(c, &m[0], &a, &na) : NULL;
    const char *q = pair && p ? meaning_of(c, &m[1], &b, &nb) : NULL;
    if (single && p) {
        const char *space = na > 1 ? memchr(p + 1, ' ', na - 1) : NULL;
        q = space ? space + 1 : NULL;
        nb = space ? (size_t)(p + na - q) : 0;
        na = space ? (size_t)(space - p) : 0;
    }
    if (p && q) return wki_vocab_merge(c, out, rank, p, na, q, nb);
    if (!wki_bad(&j->b)) wk_fail(c, WK_EFORMAT, "tokenizer.json: merge %lld is not a pair", (long long)rank);
    return false;
}

static int64_t count_items(wki_json j)
{
    int64_t n = 0;
    bool    first = true;
    if (!wki_json_open(&j, '[', "merges")) return 0;
    while (wki_json_more(&j, ']', &first, "merges") && wki_json_skip(&j, "merges")) n++;
    return n;
}

bool wki_tables_merges(wk_ctx *c, const struct wki_tables *t, wk_tokenizer *out)
{
    wki_json       j = t->merges;
    struct meaning m[2] = {{0}, {0}};
    bool           first = true;
    if (!t->has_merges) {
        wk_fail(c, WK_EFORMAT, "tokenizer.json: no merges");
        return false;
    }
    bool ok = wki_vocab_merges(c, out, count_items(j)) && wki_json_open(&j, '[', "merges");
    for (int64_t i = 0; ok && wki_json_more(&j, ']', &first, "merges"); i++) ok = merge(c, &j, m, i, out);
    wk_free(m[0].buffer);
    wk_free(m[1].buffer);
    return !failed(c, &j) && ok;
}
