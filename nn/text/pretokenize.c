/* Cuts text into the words that byte-level BPE merges within: the published regular expressions, by hand. */
#include "vocab.h"

#include <string.h>
#include <utf8proc.h>

/* Well-formed UTF-8 only (Unicode, table 3-7). */
int32_t wki_utf8(const uint8_t *p, const uint8_t *end, int *length)
{
    const uint8_t a = p[0];
    const int64_t room = end - p;
    *length = 1;
    if (a < 0x80) return a;
    if (a < 0xc2 || a > 0xf4) return -1;
    const int need = a < 0xe0 ? 2 : a < 0xf0 ? 3 : 4;
    if (room < need) return -1;
    int32_t code = a & (0xff >> (need + 1));
    for (int i = 1; i < need; i++) {
        if ((p[i] & 0xc0) != 0x80) return -1;
        code = (code << 6) | (p[i] & 0x3f);
    }
    if (need == 3 && (code < 0x800 || (code >= 0xd800 && code <= 0xdfff))) return -1;
    if (need == 4 && (code < 0x10000 || code > 0x10ffff)) return -1;
    *length = need;
    return code;
}

/* White_Space of the Unicode character database. */
bool wki_is_space(int32_t c)
{
    if (c < 0x80) return c == ' ' || (c >= 9 && c <= 13);
    return c == 0x85 || c == 0xa0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200a) || c == 0x2028 ||
           c == 0x2029 || c == 0x202f || c == 0x205f || c == 0x3000;
}

enum sort { END, LETTER, NUMBER, SPACE, OTHER };

struct character {
    int32_t   code;
    int       length;
    enum sort sort;
};

static enum sort sort_of(int32_t c)
{
    if (c < 0) return OTHER;
    if (c < 0x80) {
        if ((c | 32) >= 'a' && (c | 32) <= 'z') return LETTER;
        if (c >= '0' && c <= '9') return NUMBER;
        return wki_is_space(c) ? SPACE : OTHER;
    }
    if (wki_is_space(c)) return SPACE;
    const utf8proc_category_t k = utf8proc_category(c);
    if (k >= UTF8PROC_CATEGORY_LU && k <= UTF8PROC_CATEGORY_LO) return LETTER;
    return k >= UTF8PROC_CATEGORY_ND && k <= UTF8PROC_CATEGORY_NO ? NUMBER : OTHER;
}

static inline struct character at(const uint8_t *p, const uint8_t *end)
{
    if (p >= end) return (struct character){.code = -1, .sort = END};
    struct character c;
    c.code = wki_utf8(p, end, &c.length);
    c.sort = sort_of(c.code);
    return c;
}

/* End of the run of that class. */
static const uint8_t *run(const uint8_t *p, const uint8_t *end, enum sort k)
{
    for (struct character c = at(p, end); c.sort == k; c = at(p, end)) p += c.length;
    return p;
}

/* Bytes of 's 't 're 've 'm 'll 'd at p, 0: none. Ignoring case, U+017F is an s (Unicode simple case
 * folding). */
static int contraction(const uint8_t *p, const uint8_t *end, bool any_case)
{
    const int64_t n = end - p;
    if (n < 2 || *p != '\'') return 0;
    const uint8_t fold = any_case ? 32 : 0;
    const uint8_t a = p[1] | fold, b = n > 2 ? p[2] | fold : 0;
    if (a == 's' || a == 't' || a == 'm' || a == 'd') return 2;
    if ((a == 'r' && b == 'e') || (a == 'v' && b == 'e') || (a == 'l' && b == 'l')) return 3;
    return any_case && n > 2 && p[1] == 0xc5 && p[2] == 0xbf ? 3 : 0;
}

/* \s+(?!\S)|\s+: a run of white space, without its last character where a word follows. */
static const uint8_t *spaces(const uint8_t *p, const uint8_t *end)
{
    const uint8_t *last = p, *q = p;
    for (struct character c = at(q, end); c.sort == SPACE; c = at(q, end)) {
        last = q;
        q += c.length;
    }
    return q < end && last > p ? last : q;
}

/* 's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+ */
static const uint8_t *gpt2(const uint8_t *p, const uint8_t *end)
{
    const int k = contraction(p, end, false);
    if (k) return p + k;
    const struct character c = at(p + (*p == ' '), end);
    if (c.sort != END && c.sort != SPACE) return run(p + (*p == ' '), end, c.sort);
    return spaces(p, end);
}

static bool newline(int32_t c)
{
    return c == '\r' || c == '\n';
}

/* (?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,digits}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|
 * \s+(?!\S)|\s+ */
static const uint8_t *llama3(const uint8_t *p, const uint8_t *end, int digits)
{
    const int k = contraction(p, end, true);
    if (k) return p + k;
    struct character c = at(p, end);
    if (c.sort == LETTER) return run(p, end, LETTER);
    if (c.sort == NUMBER) {
        for (int i = 0; i < digits && c.sort == NUMBER; i++, c = at(p, end)) p += c.length;
        return p;
    }
    const struct character next = at(p + c.length, end);
    if (next.sort == LETTER && !newline(c.code)) return run(p + c.length, end, LETTER);
    if (c.sort == OTHER || (c.code == ' ' && next.sort == OTHER)) {
        const uint8_t *q = run(p + (*p == ' '), end, OTHER);
        while (q < end && newline(*q)) q++;
        return q;
    }
    const uint8_t *after = NULL;
    for (const uint8_t *q = p; c.sort == SPACE; c = at(q, end)) {
        q += c.length;
        if (newline(c.code)) after = q;
    }
    return after ? after : spaces(p, end);
}

static bool is_punctuation(int32_t c)
{
    if (c < 0) return false;
    if (c < 0x80 && c > 0 && strchr("$+<=>^~|", c)) return true;
    const utf8proc_category_t k = utf8proc_category(c);
    return k >= UTF8PROC_CATEGORY_PC && k <= UTF8PROC_CATEGORY_PO;
}

static bool belongs(enum wki_split s, struct character c)
{
    return s == WKI_SPLIT_PUNCTUATION ? is_punctuation(c.code) : c.sort == NUMBER;
}

/* Runs of the characters that belong, at most `most` of them, and what lies between. */
static const uint8_t *isolate(enum wki_split s, const uint8_t *p, const uint8_t *end, int most)
{
    struct character c = at(p, end);
    const bool       in = belongs(s, c);
    for (int n = 0; c.sort != END && belongs(s, c) == in && !(in && most && n == most); c = at(p, end)) {
        p += c.length;
        n++;
    }
    return p;
}

static bool digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

static bool three_digits(const uint8_t *p, const uint8_t *end)
{
    return end - p >= 3 && digit(p[0]) && digit(p[1]) && digit(p[2]);
}

/* [0-9][0-9][0-9], and what lies between. */
static const uint8_t *thousand(const uint8_t *p, const uint8_t *end)
{
    if (three_digits(p, end)) return p + 3;
    while (p < end && !three_digits(p, end)) p++;
    return p;
}

const uint8_t *wki_split_next(enum wki_split s, const uint8_t *p, const uint8_t *end)
{
    switch (s) {
    case WKI_SPLIT_GPT2:
        return gpt2(p, end);
    case WKI_SPLIT_LLAMA3:
        return llama3(p, end, 3);
    case WKI_SPLIT_QWEN2:
        return llama3(p, end, 1);
    case WKI_SPLIT_DIGIT:
        return isolate(s, p, end, 1);
    case WKI_SPLIT_THREE:
        return isolate(s, p, end, 3);
    case WKI_SPLIT_THOUSAND:
        return thousand(p, end);
    case WKI_SPLIT_NUMBER:
    case WKI_SPLIT_PUNCTUATION:
        break;
    }
    return isolate(s, p, end, 0);
}
