/* Zip archives (PKWARE's APPNOTE 6.3): entries stored or deflated, 64-bit sizes; no encryption, one part. */
#ifndef WKI_ZIP_H
#define WKI_ZIP_H

#include "save.h"

/* ---- reading, from memory ---- */

typedef struct wki_zip {
    wki_bytes b;                /* over the whole archive; keeps the first failure */
    size_t    count, directory; /* entries, and where their list begins */
    size_t    next, used;       /* the next entry of the list; bytes that entries before it lie in */
} wki_zip;
typedef struct wki_zip_entry {
    const char          *name; /* not NUL-terminated */
    size_t               name_length;
    const unsigned char *data;
    size_t               packed, size; /* bytes here, and of what they stand for */
    uint32_t             crc;
    bool                 deflated;
} wki_zip_entry;
bool wki_zip_open(wki_zip *z, const void *data, size_t size);
/* The next entry in the directory's order. False at the end, and where z->b tells of a failure. Entries do
 * not overlap and deflated ones grow at most 1032-fold (deflate's own limit), so all of them together have
 * at most 1032 times the archive's size. */
bool wki_zip_next(wki_zip *z, wki_zip_entry *e);
/* e->size bytes into out, checksum compared. False: z->b or c tells. */
bool wki_zip_read(wk_ctx *c, wki_zip *z, const wki_zip_entry *e, void *out);

/* ---- writing ---- */

typedef struct wki_zip_writer {
    wki_save *s;
    char     *directory; /* grows */
    size_t    length, capacity, count;
    uint64_t  at; /* bytes written to s */
} wki_zip_writer;
/* An entry of two pieces, one after the other. */
bool wki_zip_add(wki_zip_writer *z, const char *name, const void *head, size_t head_size, const void *body,
                 size_t body_size, bool deflate);
bool wki_zip_finish(wki_zip_writer *z, bool fine); /* frees the directory; writes it when all is fine */

#endif
