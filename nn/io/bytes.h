/* The bounded reader every loader goes through, checked sizes and strict numbers. */
#ifndef WKI_BYTES_H
#define WKI_BYTES_H

#include "../../core/wick.h"

/* Bytes from memory, front to back. The first failure sticks: field, offset and reason are kept, every
 * later read gives zero. No loader looks at file bytes in any other way. */
typedef struct wki_bytes {
    const unsigned char *start, *at, *end;
    const char          *field; /* what was being read when it failed; NULL: no failure */
    size_t               where; /* its offset from start */
    char                 why[120];
} wki_bytes;

wki_bytes            wki_bytes_of(const void *data, size_t size);
static inline size_t wki_left(const wki_bytes *b)
{
    return (size_t)(b->end - b->at);
}
static inline size_t wki_offset(const wki_bytes *b)
{
    return (size_t)(b->at - b->start);
}
static inline bool wki_bad(const wki_bytes *b)
{
    return b->field != NULL;
}
/* Records the first failure, at offset where. Always false. */
bool wki_reject(wki_bytes *b, const char *field, size_t where, const char *format, ...) WK_PRINTF(4, 5);

/* The next n bytes; NULL after a failure. field is a name that outlives b. */
const unsigned char *wki_take(wki_bytes *b, size_t n, const char *field);
uint64_t wki_take_u(wki_bytes *b, int bytes, const char *field); /* little endian, 1, 2, 4 or 8 bytes */
/* Checks that count items of at least item_bytes each can still follow: before every loop or allocation. */
bool wki_may_hold(wki_bytes *b, uint64_t count, size_t item_bytes, const char *field);

uint64_t wki_load_u(const unsigned char *at, int bytes); /* little endian */
double   wki_load_f32(const unsigned char *at);
double   wki_load_f64(const unsigned char *at);

static inline bool wki_mul_size(size_t a, size_t b, size_t *out)
{
    return !__builtin_mul_overflow(a, b, out);
}
static inline bool wki_add_size(size_t a, size_t b, size_t *out)
{
    return !__builtin_add_overflow(a, b, out);
}
/* Values and bytes of a tensor of that shape, whose rows are whole blocks; false when something does not fit
 * (a size of 0 counts as 1 in that check, so that later products cannot wrap either). */
bool wki_tensor_size(wk_shape s, size_t block, size_t block_bytes, size_t *values, size_t *bytes);

/* Decimal digits alone, all n of them; no sign, no space. */
bool wki_parse_u64(const char *text, size_t n, uint64_t *out);

bool wki_is_utf8(const void *text, size_t n);
/* UTF-8 without control characters: fit to be printed in a message. */
bool wki_is_printable(const void *text, size_t n);
/* Writes n bytes as one printable line into out[size], NUL-terminated, cut where it does not fit: control
 * characters, quotes, backslashes and broken UTF-8 are escaped. Returns the length. */
size_t wki_escape(char *out, size_t size, const void *text, size_t n);

#endif
