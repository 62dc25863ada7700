/* The bounded reader: bytes, numbers and text of files that may be hostile. */
#include "bytes.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

wki_bytes wki_bytes_of(const void *data, size_t size)
{
    const unsigned char *p = data;
    return (wki_bytes){.start = p, .at = p, .end = p + size};
}

bool wki_reject(wki_bytes *b, const char *field, size_t where, const char *format, ...)
{
    if (b->field) return false;
    b->field = field;
    b->where = where;
    va_list args;
    va_start(args, format);
    vsnprintf(b->why, sizeof b->why, format, args);
    va_end(args);
    return false;
}

const unsigned char *wki_take(wki_bytes *b, size_t n, const char *field)
{
    if (b->field) return NULL;
    if (n > wki_left(b)) {
        wki_reject(b, field, wki_offset(b), "needs %zu bytes, %zu are left", n, wki_left(b));
        return NULL;
    }
    const unsigned char *p = b->at;
    b->at += n;
    return p;
}

uint64_t wki_load_u(const unsigned char *at, int bytes)
{
    uint64_t v = 0;
    for (int i = bytes - 1; i >= 0; i--) v = v << 8 | at[i];
    return v;
}

uint64_t wki_take_u(wki_bytes *b, int bytes, const char *field)
{
    const unsigned char *p = wki_take(b, (size_t)bytes, field);
    return p ? wki_load_u(p, bytes) : 0;
}

double wki_load_f32(const unsigned char *at)
{
    const uint32_t bits = (uint32_t)wki_load_u(at, 4);
    float          v;
    memcpy(&v, &bits, sizeof v);
    return (double)v;
}

double wki_load_f64(const unsigned char *at)
{
    const uint64_t bits = wki_load_u(at, 8);
    double         v;
    memcpy(&v, &bits, sizeof v);
    return v;
}

bool wki_may_hold(wki_bytes *b, uint64_t count, size_t item_bytes, const char *field)
{
    if (b->field) return false;
    if (count <= wki_left(b) / item_bytes) return true;
    return wki_reject(b, field, wki_offset(b), "says %llu items, %zu bytes are left",
                      (unsigned long long)count, wki_left(b));
}

bool wki_tensor_size(wk_shape s, size_t block, size_t block_bytes, size_t *values, size_t *bytes)
{
    size_t n = 1;
    bool   zero = false;
    if (block > 1 && (s.ndim == 0 || (uint64_t)s.dim[s.ndim - 1] % block != 0)) return false;
    for (int i = 0; i < s.ndim; i++) {
        zero |= s.dim[i] == 0;
        if (s.dim[i] < 0 || !wki_mul_size(n, s.dim[i] ? (size_t)s.dim[i] : 1, &n)) return false;
    }
    if (n > INT64_MAX / 16 || !wki_mul_size(n / block, block_bytes, bytes) || *bytes > INT64_MAX)
        return false;
    *values = zero ? 0 : n;
    if (zero) *bytes = 0;
    return true;
}

bool wki_parse_u64(const char *text, size_t n, uint64_t *out)
{
    uint64_t v = 0;
    if (n == 0) return false;
    for (size_t i = 0; i < n; i++) {
        if (text[i] < '0' || text[i] > '9') return false;
        if (__builtin_mul_overflow(v, 10u, &v) || __builtin_add_overflow(v, (uint64_t)(text[i] - '0'), &v))
            return false;
    }
    *out = v;
    return true;
}

/* Length of the character at p (at most n bytes), 0 if it is not well-formed (Unicode 15, table 3-7). */
static size_t utf8_length(const unsigned char *p, size_t n)
{
    const unsigned char c = p[0];
    if (c < 0x80) return 1;
    const size_t need = c >= 0xc2 && c <= 0xdf ? 2 : (c & 0xf0) == 0xe0 ? 3 : c >= 0xf0 && c <= 0xf4 ? 4 : 0;
    if (need == 0 || n < need) return 0;
    for (size_t i = 1; i < need; i++)
        if ((p[i] & 0xc0) != 0x80) return 0;
    if ((c == 0xe0 && p[1] < 0xa0) || (c == 0xed && p[1] > 0x9f) || (c == 0xf0 && p[1] < 0x90) ||
        (c == 0xf4 && p[1] > 0x8f))
        return 0;
    return need;
}

bool wki_is_utf8(const void *text, size_t n)
{
    const unsigned char *p = text;
    for (size_t i = 0; i < n;) {
        const size_t k = utf8_length(p + i, n - i);
        if (k == 0) return false;
        i += k;
    }
    return true;
}

/* C0, DEL, C1 and the characters that turn or break lines of a terminal. */
static bool is_control(const unsigned char *p, size_t k)
{
    if (k == 1) return p[0] < 0x20 || p[0] == 0x7f;
    if (k == 2) return p[0] == 0xc2 && p[1] < 0xa0;
    if (k != 3 || p[0] != 0xe2) return false;
    return (p[1] == 0x80 && (p[2] == 0xa8 || p[2] == 0xa9 || (p[2] >= 0xaa && p[2] <= 0xae))) ||
           (p[1] == 0x81 && p[2] >= 0xa6 && p[2] <= 0xa9);
}

bool wki_is_printable(const void *text, size_t n)
{
    const unsigned char *p = text;
    for (size_t i = 0; i < n;) {
        const size_t k = utf8_length(p + i, n - i);
        if (k == 0 || is_control(p + i, k)) return false;
        i += k;
    }
    return true;
}

size_t wki_escape(char *out, size_t size, const void *text, size_t n)
{
    const unsigned char *p = text;
    size_t               used = 0;
    if (size == 0) return 0;
    for (size_t i = 0; i < n;) {
        const size_t k = utf8_length(p + i, n - i);
        char         one[20];
        int          w;
        if (p[i] == '\n')
            w = snprintf(one, sizeof one, "\\n");
        else if (p[i] == '"' || p[i] == '\\')
            w = snprintf(one, sizeof one, "\\%c", p[i]);
        else if (k == 0)
            w = snprintf(one, sizeof one, "\\x%02x", p[i]);
        else if (is_control(p + i, k)) {
            w = 0;
            for (size_t j = 0; j < k; j++)
                w += snprintf(one + w, sizeof one - (size_t)w, "\\x%02x", p[i + j]);
        } else {
            memcpy(one, p + i, k);
            w = (int)k;
        }
        if (used + (size_t)w + 1 > size) break;
        memcpy(out + used, one, (size_t)w);
        used += (size_t)w;
        i += k ? k : 1;
    }
    out[used] = '\0';
    return used;
}
