/* A strict pull reader of JSON (RFC 8259) for headers and configurations: it builds nothing, so a file
 * cannot make it use memory, and it stops at 64 levels. */
#ifndef WKI_JSON_H
#define WKI_JSON_H

#include "files.h"

#define WKI_JSON_DEPTH 64

typedef struct wki_json {
    wki_bytes b;
    int       depth;
} wki_json;

typedef struct wki_span { /* a string as written, checked: escapes are sound, UTF-8 is well-formed */
    const unsigned char *at;
    size_t               length;
} wki_span;

char wki_json_peek(wki_json *j);                                  /* next character but space; 0 at the end */
bool wki_json_open(wki_json *j, char bracket, const char *field); /* '{' or '[' */
/* Goes to the next member or item; false at the closing bracket (which it eats) or after a failure. */
bool wki_json_more(wki_json *j, char closing, bool *first, const char *field);
bool wki_json_string(wki_json *j, wki_span *s, const char *field);
bool wki_json_key(wki_json *j, wki_span *s, const char *field); /* and the colon */
/* A whole number becomes WKI_I64, any other WKI_F64; out of range is a failure. */
bool wki_json_number(wki_json *j, wki_item *x, const char *field);
bool wki_json_word(wki_json *j, wki_item *x, const char *field); /* true, false, null */
bool wki_json_skip(wki_json *j, const char *field);              /* any value */
bool wki_json_end(wki_json *j, const char *field);               /* nothing but space is left */

/* What s means, NUL-terminated: at most s->length bytes. In the arena; NULL: out of memory. */
char *wki_span_text(wki_arena *a, const wki_span *s, size_t *length);
/* The same into out; false where it does not fit size - 1 bytes. */
bool wki_span_short(const wki_span *s, char *out, size_t size);

#endif
