/* A strict pull reader of JSON. */
#include "json.h"

#include <math.h>
#include <string.h>

char wki_json_peek(wki_json *j)
{
    wki_bytes *b = &j->b;
    if (wki_bad(b)) return 0;
    while (b->at < b->end && (*b->at == ' ' || *b->at == '\n' || *b->at == '\r' || *b->at == '\t')) b->at++;
    return b->at < b->end ? (char)*b->at : 0;
}

static bool want(wki_json *j, char ch, const char *field)
{
    const char got = wki_json_peek(j);
    wki_bytes *b = &j->b;
    if (got == ch && b->at < b->end) {
        b->at++;
        return !wki_bad(b);
    }
    if (b->at == b->end) return wki_reject(b, field, wki_offset(b), "the text ends where '%c' should be", ch);
    return wki_reject(b, field, wki_offset(b), "'%c' should be here, not byte %02x", ch,
                      (unsigned char)*b->at);
}

bool wki_json_open(wki_json *j, char bracket, const char *field)
{
    if (j->depth >= WKI_JSON_DEPTH)
        return wki_reject(&j->b, field, wki_offset(&j->b), "nested deeper than %d", WKI_JSON_DEPTH);
    if (!want(j, bracket, field)) return false;
    j->depth++;
    return true;
}

bool wki_json_more(wki_json *j, char closing, bool *first, const char *field)
{
    const char c = wki_json_peek(j);
    if (c == closing) {
        j->b.at++;
        j->depth--;
        return false;
    }
    const bool ok = *first ? !wki_bad(&j->b) : want(j, ',', field);
    *first = false;
    return ok;
}

static int hex4(const unsigned char *p)
{
    int v = 0;
    for (int i = 0; i < 4; i++) {
        const int c = p[i], low = c | 0x20;
        if (c >= '0' && c <= '9')
            v = v * 16 + c - '0';
        else if (low >= 'a' && low <= 'f')
            v = v * 16 + low - 'a' + 10;
        else
            return -1;
    }
    return v;
}

/* Length of the escape at p (a backslash), its character in *code; 0: unsound. */
static size_t escape(const unsigned char *p, size_t n, int *code)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    if (n < 2) return 0;
    const char *hit = p[1] ? strchr(from, p[1]) : NULL;
    if (hit) {
        *code = to[hit - from];
        return 2;
    }
    if (p[1] != 'u' || n < 6) return 0;
    *code = hex4(p + 2);
    if (*code < 0 || (*code >= 0xdc00 && *code < 0xe000)) return 0;
    if (*code < 0xd800 || *code >= 0xe000) return 6;
    if (n < 12 || p[6] != '\\' || p[7] != 'u') return 0;
    const int low = hex4(p + 8);
    if (low < 0xdc00 || low >= 0xe000) return 0;
    *code = 0x10000 + ((*code - 0xd800) << 10) + (low - 0xdc00);
    return 12;
}

bool wki_json_string(wki_json *j, wki_span *s, const char *field)
{
    if (!want(j, '"', field)) return false;
    wki_bytes           *b = &j->b;
    const unsigned char *p = b->at;
    const size_t         opened = wki_offset(b) - 1;
    while (p < b->end && *p != '"') {
        int          code;
        const size_t k = *p == '\\' ? escape(p, (size_t)(b->end - p), &code) : *p >= 0x20;
        if (k == 0)
            return wki_reject(b, field, (size_t)(p - b->start),
                              *p == '\\' ? "broken escape in a string" : "control character in a string");
        p += k;
    }
    if (p >= b->end) return wki_reject(b, field, opened, "string without end");
    *s = (wki_span){b->at, (size_t)(p - b->at)};
    if (!wki_is_utf8(s->at, s->length)) return wki_reject(b, field, opened, "string is not UTF-8");
    b->at = p + 1;
    return true;
}

bool wki_json_key(wki_json *j, wki_span *s, const char *field)
{
    return wki_json_string(j, s, field) && want(j, ':', field);
}

static size_t put_utf8(int code, char *out)
{
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    const size_t n = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    for (size_t i = n - 1; i > 0; i--, code >>= 6) out[i] = (char)(0x80 | (code & 0x3f));
    out[0] = (char)((0xf0 << (4 - n) & 0xff) | code);
    return n;
}

/* Unescapes into out, which has room for s->length bytes. */
static size_t unescape(const wki_span *s, char *out)
{
    size_t n = 0;
    for (size_t i = 0; i < s->length;) {
        int code = 0;
        if (s->at[i] != '\\') {
            out[n++] = (char)s->at[i++];
            continue;
        }
        const size_t k = escape(s->at + i, s->length - i, &code);
        i += k ? k : 1;
        n += put_utf8(code, out + n);
    }
    return n;
}

char *wki_span_text(wki_arena *a, const wki_span *s, size_t *length)
{
    char *p = wki_arena_take(a, s->length + 1);
    if (p) *length = unescape(s, p);
    return p;
}

bool wki_span_short(const wki_span *s, char *out, size_t size)
{
    if (s->length >= size) return false;
    const size_t n = unescape(s, out);
    out[n] = '\0';
    return memchr(out, 0, n) == NULL;
}

/* mantissa * 10^exponent: exact where both parts are (Clinger 1990), within an ulp otherwise. */
static double scale10(uint64_t mantissa, int64_t exponent)
{
    if (mantissa == 0) return 0.0;
    if (exponent < -400) return 0.0;
    if (exponent > 400) return INFINITY;
    double p = 1.0;
    if (mantissa < UINT64_C(1) << 53 && exponent >= -22 && exponent <= 22) {
        for (int64_t i = exponent < 0 ? -exponent : exponent; i > 0; i--) p *= 10.0;
        return exponent < 0 ? (double)mantissa / p : (double)mantissa * p;
    }
    return (double)((long double)mantissa * powl(10.0L, (long double)exponent));
}

static const unsigned char *digits(const unsigned char *p, const unsigned char *end, uint64_t *v,
                                   int64_t *dropped)
{
    for (; p < end && *p >= '0' && *p <= '9'; p++) {
        if (*v < UINT64_MAX / 10 - 1)
            *v = *v * 10 + (uint64_t)(*p - '0');
        else
            (*dropped)++;
    }
    return p;
}

bool wki_json_number(wki_json *j, wki_item *x, const char *field)
{
    (void)wki_json_peek(j);
    wki_bytes *b = &j->b;
    if (wki_bad(b)) return false;
    const unsigned char *p = b->at, *const start = p, *const end = b->end;
    const bool minus = p < end && *p == '-';
    p += minus;
    uint64_t             v = 0, e = 0;
    int64_t              dropped = 0, lost = 0;
    const unsigned char *q = digits(p, end, &v, &dropped);
    bool                 sound = q > p && !(*p == '0' && q > p + 1), whole = dropped == 0;
    p = q;
    if (sound && p < end && *p == '.') {
        int64_t over = 0;
        q = digits(p + 1, end, &v, &over);
        sound = q > p + 1;
        dropped -= (q - p - 1) - over;
        whole = false;
        p = q;
    }
    if (sound && p < end && (*p | 0x20) == 'e') {
        p++;
        const bool down = p < end && *p == '-';
        p += p < end && (*p == '-' || *p == '+');
        q = digits(p, end, &e, &lost);
        sound = q > p;
        const int64_t exponent = lost || e > 100000000 ? 100000000 : (int64_t)e;
        dropped += down ? -exponent : exponent;
        whole = false;
        p = q;
    }
    if (!sound) return wki_reject(b, field, (size_t)(start - b->start), "not a number");
    if (whole && v <= (uint64_t)INT64_MAX) {
        *x = (wki_item){.type = WKI_I64, .v.i = minus ? -(int64_t)v : (int64_t)v};
    } else {
        const double d = scale10(v, dropped);
        if (isinf(d)) return wki_reject(b, field, (size_t)(start - b->start), "number out of range");
        *x = (wki_item){.type = WKI_F64, .v.f = minus ? -d : d};
    }
    b->at = p;
    return true;
}

bool wki_json_word(wki_json *j, wki_item *x, const char *field)
{
    (void)wki_json_peek(j);
    wki_bytes   *b = &j->b;
    const size_t n = wki_left(b);
    if (wki_bad(b)) return false;
    if (n >= 4 && memcmp(b->at, "true", 4) == 0)
        *x = (wki_item){.type = WKI_BOOL, .v.i = 1};
    else if (n >= 5 && memcmp(b->at, "false", 5) == 0)
        *x = (wki_item){.type = WKI_BOOL};
    else if (n >= 4 && memcmp(b->at, "null", 4) == 0)
        *x = (wki_item){.type = WKI_NULL};
    else
        return wki_reject(b, field, wki_offset(b),
                          n ? "no JSON value" : "the text ends where a value should be");
    b->at += x->type == WKI_BOOL && x->v.i == 0 ? 5 : 4;
    return true;
}

bool wki_json_skip(wki_json *j, const char *field)
{
    const char c = wki_json_peek(j);
    bool       first = true;
    wki_span   s;
    wki_item   x;
    if (c == '"') return wki_json_string(j, &s, field);
    if (c == '-' || (c >= '0' && c <= '9')) return wki_json_number(j, &x, field);
    if (c != '{' && c != '[') return wki_json_word(j, &x, field);
    if (!wki_json_open(j, c, field)) return false;
    while (wki_json_more(j, c == '{' ? '}' : ']', &first, field))
        if ((c == '{' && !wki_json_key(j, &s, field)) || !wki_json_skip(j, field)) return false;
    return !wki_bad(&j->b);
}

bool wki_json_end(wki_json *j, const char *field)
{
    (void)wki_json_peek(j);
    if (wki_bad(&j->b)) return false;
    return wki_left(&j->b) == 0 ||
           wki_reject(&j->b, field, wki_offset(&j->b), "text after the end of the JSON value");
}
