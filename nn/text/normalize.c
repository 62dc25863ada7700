/* Unicode normal form C, in time n log n whatever the text (UAX 15). */
#include "vocab.h"

#include <string.h>
#include <utf8proc.h>

/* Below U+0300 everything is in normal form C already. */
static bool plain(const uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (p[i] >= 0xcc) return false;
    return true;
}

static int ccc(int32_t code)
{
    return (int)utf8proc_get_property(code)->combining_class;
}

/* Sorts combining marks by class, keeping the order of equals: counting, since a run may be the whole
 * text. */
static bool sort_marks(struct wki_work *w, int32_t *code, size_t n)
{
    if (n < 2) return true;
    size_t at[257] = {0};
    for (size_t i = 0; i < n; i++) at[ccc(code[i]) + 1]++;
    for (int i = 0; i < 256; i++) at[i + 1] += at[i];
    int32_t *sorted = wk_alloc(n * sizeof *sorted);
    if (!sorted) {
        wk_fail(w->c, WK_ENOMEM, "encode: no memory for %zu characters", n);
        return false;
    }
    for (size_t i = 0; i < n; i++) sorted[at[ccc(code[i])]++] = code[i];
    memcpy(code, sorted, n * sizeof *sorted);
    wk_free(sorted);
    return true;
}

/* Sorts every run of marks that is out of order. */
static bool order(struct wki_work *w, int32_t *code, size_t n)
{
    for (size_t i = 0; i < n;) {
        size_t k = i;
        bool   sorted = true;
        for (int last = 0; k < n && ccc(code[k]) > 0; k++) {
            const int class = ccc(code[k]);
            sorted = sorted && class >= last;
            last = class;
        }
        if (!sorted && !sort_marks(w, code + i, k - i)) return false;
        i = k + 1;
    }
    return true;
}

/* One run of well-formed text; appends to w->text. */
static bool compose(struct wki_work *w, const uint8_t *p, const uint8_t *end, size_t *length)
{
    size_t  n = 0;
    int64_t have = (int64_t)w->code_size;
    for (int bytes; p < end; p += bytes) {
        const int32_t code = wki_utf8(p, end, &bytes);
        void         *block = w->code;
        if (!wki_room(w->c, &block, &have, (int64_t)n + 8, sizeof *w->code)) return false;
        w->code = block;
        w->code_size = (size_t)have;
        int bound = 0;
        n += (size_t)utf8proc_decompose_char(code, w->code + n, 8, UTF8PROC_DECOMPOSE | UTF8PROC_STABLE,
                                             &bound);
    }
    if (!order(w, w->code, n)) return false;
    const int64_t left =
        utf8proc_normalize_utf32(w->code, (utf8proc_ssize_t)n, UTF8PROC_COMPOSE | UTF8PROC_STABLE);
    for (int64_t i = 0; i < left; i++) {
        void   *block = w->text;
        int64_t room = (int64_t)w->text_size;
        if (!wki_room(w->c, &block, &room, (int64_t)*length + 4, 1)) return false;
        w->text = block;
        w->text_size = (size_t)room;
        *length += (size_t)utf8proc_encode_char(w->code[i], w->text + *length);
    }
    return true;
}

const uint8_t *wki_nfc(struct wki_work *w, const uint8_t *p, size_t *n)
{
    if (plain(p, *n)) return p;
    const uint8_t *end = p + *n;
    size_t         length = 0;
    while (p < end) {
        const uint8_t *q = p;
        for (int bytes; q < end && wki_utf8(q, end, &bytes) >= 0;) q += bytes;
        if (!compose(w, p, q, &length)) return NULL;
        for (int bytes; q < end && wki_utf8(q, end, &bytes) < 0; q++) { /* not UTF-8: stays as it is */
            void   *block = w->text;
            int64_t room = (int64_t)w->text_size;
            if (!wki_room(w->c, &block, &room, (int64_t)length + 1, 1)) return NULL;
            w->text = block;
            w->text_size = (size_t)room;
            w->text[length++] = *q;
        }
        p = q;
    }
    *n = length;
    return w->text;
}
