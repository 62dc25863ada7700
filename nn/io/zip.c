/* Reading and writing zip archives; zlib does the deflating. */
#include "zip.h"

#include <string.h>
#include <zlib.h>

#define ENTRY     0x02014b50u /* signatures */
#define LOCAL     0x04034b50u
#define END       0x06054b50u
#define END64     0x06064b50u
#define LOCATOR64 0x07064b50u
#define FULL16    0xffffu /* "the value is among the 64-bit fields" */
#define FULL32    0xffffffffu
#define PIECE     (1u << 30) /* zlib counts in 32 bits */
#define GROWTH    1032u      /* deflate's largest */

static void *zlib_alloc(void *arg, unsigned n, unsigned size)
{
    (void)arg;
    return wk_alloc_zero(n, size);
}
static void zlib_free(void *arg, void *p)
{
    (void)arg;
    wk_free(p);
}

static bool go(wki_bytes *b, uint64_t at, const char *field)
{
    const size_t size = (size_t)(b->end - b->start);
    if (wki_bad(b)) return false;
    if (at > size)
        return wki_reject(b, field, wki_offset(b), "at byte %llu, the file has %zu", (unsigned long long)at,
                          size);
    b->at = b->start + at;
    return true;
}

static bool signature(wki_bytes *b, uint32_t want, const char *field)
{
    const size_t where = wki_offset(b);
    return wki_take_u(b, 4, field) == want || wki_reject(b, field, where, "its signature is not here");
}

/* ---- reading --------------------------------------------------------------------------------- */

/* The end record is the file's last 22 bytes, unless a comment follows it. */
static bool find_end(wki_bytes *b)
{
    const size_t size = wki_left(b), most = size < 22 + FULL16 ? size : 22 + FULL16;
    for (size_t back = 22; back <= most; back++) {
        const unsigned char *p = b->end - back;
        if (wki_load_u(p, 4) == END && wki_load_u(p + 20, 2) == back - 22) {
            b->at = p;
            return true;
        }
    }
    return wki_reject(b, "zip directory", size, "no end record: not a zip file, or cut short");
}

static bool read_end64(wki_bytes *b, size_t end, uint64_t *count, uint64_t *bytes, uint64_t *at)
{
    static const char field[] = "zip64 end record";
    if (end < 20) return wki_reject(b, field, end, "its locator is missing");
    go(b, end - 20, field);
    if (!signature(b, LOCATOR64, field)) return false;
    wki_take_u(b, 4, field);
    if (!go(b, wki_take_u(b, 8, field), field) || !signature(b, END64, field)) return false;
    wki_take(b, 20, field);
    wki_take_u(b, 8, field);
    *count = wki_take_u(b, 8, field);
    *bytes = wki_take_u(b, 8, field);
    *at = wki_take_u(b, 8, field);
    return !wki_bad(b);
}

bool wki_zip_open(wki_zip *z, const void *data, size_t size)
{
    static const char field[] = "zip directory";
    *z = (wki_zip){.b = wki_bytes_of(data, size)};
    wki_bytes *b = &z->b;
    if (!find_end(b)) return false;
    const size_t end = wki_offset(b);
    wki_take(b, 4, field);
    const uint64_t part = wki_take_u(b, 2, field), first = wki_take_u(b, 2, field);
    wki_take(b, 2, field);
    uint64_t count = wki_take_u(b, 2, field), bytes = wki_take_u(b, 4, field), at = wki_take_u(b, 4, field);
    if ((part != 0 || first != 0) && (part != FULL16 || first != FULL16))
        return wki_reject(b, field, end, "an archive of several parts");
    if ((count == FULL16 || bytes == FULL32 || at == FULL32) && !read_end64(b, end, &count, &bytes, &at))
        return false;
    if (at > end || bytes > end - at || count > bytes / 46)
        return wki_reject(b, field, end, "%llu entries in %llu bytes at byte %llu do not fit before it",
                          (unsigned long long)count, (unsigned long long)bytes, (unsigned long long)at);
    z->count = (size_t)count;
    z->directory = z->next = (size_t)at;
    return true;
}

/* 64-bit sizes for those that are FULL32. */
static bool read_extra(wki_bytes *b, size_t length, uint64_t *const value[3])
{
    static const char    field[] = "zip64 sizes";
    const unsigned char *stop = b->at + length;
    while (stop - b->at >= 4) {
        const uint64_t id = wki_take_u(b, 2, field), n = wki_take_u(b, 2, field);
        if (n > (size_t)(stop - b->at))
            return wki_reject(b, field, wki_offset(b), "%llu bytes, %td are left", (unsigned long long)n,
                              stop - b->at);
        const unsigned char *after = b->at + n;
        for (int i = 0; id == 1 && i < 3; i++) {
            if (*value[i] != FULL32) continue;
            if (after - b->at < 8) return wki_reject(b, field, wki_offset(b), "one is missing");
            *value[i] = wki_take_u(b, 8, field);
        }
        b->at = after;
    }
    b->at = stop;
    return true;
}

/* Where the entry's bytes are: after a header of their own. */
static bool find_data(wki_zip *z, wki_zip_entry *e, uint64_t at, uint64_t method)
{
    static const char field[] = "zip entry";
    wki_bytes        *b = &z->b;
    if (!go(b, at, field) || !signature(b, LOCAL, field)) return false;
    wki_take(b, 4, field);
    const uint64_t own = wki_take_u(b, 2, field);
    wki_take(b, 16, field);
    const size_t         name = (size_t)wki_take_u(b, 2, field), extra = (size_t)wki_take_u(b, 2, field);
    const unsigned char *text = wki_take(b, name, field);
    wki_take(b, extra, field);
    if (wki_bad(b)) return false;
    if (own != method || name != e->name_length || memcmp(text, e->name, name) != 0)
        return wki_reject(b, field, (size_t)at, "its header and the directory disagree");
    e->data = b->at;
    const size_t head = wki_offset(b) - (size_t)at, room = z->directory - z->used;
    if (wki_offset(b) > z->directory || e->packed > z->directory - wki_offset(b) || head > room ||
        e->packed > room - head)
        return wki_reject(b, field, (size_t)at, "%zu bytes overlap the directory or other entries",
                          e->packed);
    z->used += head + e->packed;
    return true;
}

bool wki_zip_next(wki_zip *z, wki_zip_entry *e)
{
    static const char field[] = "zip directory";
    wki_bytes        *b = &z->b;
    const size_t      where = z->next;
    if (z->count == 0 || !go(b, where, field) || !signature(b, ENTRY, field)) return false;
    wki_take(b, 4, field);
    const uint64_t flags = wki_take_u(b, 2, field), method = wki_take_u(b, 2, field);
    wki_take(b, 4, field);
    *e = (wki_zip_entry){.crc = (uint32_t)wki_take_u(b, 4, field), .deflated = method == 8};
    uint64_t       packed = wki_take_u(b, 4, field), size = wki_take_u(b, 4, field);
    const size_t   name = (size_t)wki_take_u(b, 2, field), extra = (size_t)wki_take_u(b, 2, field);
    const uint64_t comment = wki_take_u(b, 2, field);
    wki_take(b, 8, field);
    uint64_t at = wki_take_u(b, 4, field);
    e->name = (const char *)wki_take(b, name, field);
    e->name_length = name;
    if (wki_bad(b) || !wki_may_hold(b, extra, 1, field) ||
        !read_extra(b, extra, (uint64_t *const[]){&size, &packed, &at}))
        return false;
    wki_take(b, (size_t)comment, field);
    z->next = wki_offset(b);
    z->count--;
    if (flags & 1) return wki_reject(b, field, where, "an encrypted entry");
    if (method != 0 && method != 8)
        return wki_reject(b, field, where, "method %llu is neither stored nor deflated",
                          (unsigned long long)method);
    if (packed > wki_left(&(wki_bytes){.at = b->start, .end = b->end}) ||
        (method == 0 ? size != packed : size / GROWTH > packed))
        return wki_reject(b, field, where, "%llu bytes cannot stand for %llu", (unsigned long long)packed,
                          (unsigned long long)size);
    e->packed = (size_t)packed;
    e->size = (size_t)size;
    return !wki_bad(b) && find_data(z, e, at, method);
}

static bool inflate_all(wk_ctx *c, wki_zip *z, const wki_zip_entry *e, unsigned char *out)
{
    static const char field[] = "zip entry";
    const size_t      where = (size_t)(e->data - z->b.start);
    z_stream          s = {.zalloc = zlib_alloc, .zfree = zlib_free};
    size_t            read = 0, made = 0;
    int               code = Z_OK;
    unsigned char     none;
    if (inflateInit2(&s, -MAX_WBITS) != Z_OK) return wk_fail(c, WK_ENOMEM, "zip: out of memory"), false;
    while (code == Z_OK) {
        const size_t in = e->packed - read < PIECE ? e->packed - read : PIECE;
        const size_t room = e->size - made < PIECE ? e->size - made : PIECE;
        s.next_in = (unsigned char *)(uintptr_t)(e->data + read);
        s.next_out = room ? out + made : &none;
        s.avail_in = (unsigned)in;
        s.avail_out = (unsigned)room;
        code = inflate(&s, Z_NO_FLUSH);
        read += in - s.avail_in;
        made += room - s.avail_out;
    }
    inflateEnd(&s);
    if (code == Z_MEM_ERROR) return wk_fail(c, WK_ENOMEM, "zip: out of memory"), false;
    return (code == Z_STREAM_END && read == e->packed && made == e->size) ||
           wki_reject(&z->b, field, where, "damaged: gives %zu bytes of %zu from %zu of %zu", made, e->size,
                      read, e->packed);
}

bool wki_zip_read(wk_ctx *c, wki_zip *z, const wki_zip_entry *e, void *out)
{
    if (!e->deflated && e->size) memcpy(out, e->data, e->size);
    if (e->deflated && !inflate_all(c, z, e, out)) return false;
    const uint32_t crc = (uint32_t)crc32_z(0, out, e->size);
    return crc == e->crc || wki_reject(&z->b, "zip entry", (size_t)(e->data - z->b.start),
                                       "checksum is %08x, should be %08x", crc, e->crc);
}

/* ---- writing --------------------------------------------------------------------------------- */

struct head { /* a header being put together */
    unsigned char p[96];
    size_t        n;
};
static void put(struct head *h, int bytes, uint64_t v)
{
    for (int i = 0; i < bytes; i++) h->p[h->n++] = (unsigned char)(v >> (8 * i));
}

static bool remember(wki_zip_writer *z, const void *p, size_t n)
{
    if (z->capacity - z->length < n) {
        const size_t capacity = 2 * (z->length + n) + 256;
        char        *grown = wk_resize(z->directory, capacity);
        if (!grown) return wki_no_memory(z->s->c, z->s->path);
        z->directory = grown;
        z->capacity = capacity;
    }
    memcpy(z->directory + z->length, p, n);
    z->length += n;
    return true;
}

/* What both headers of an entry share, and their names and 64-bit sizes; offset only in the directory. */
static void put_entry(struct head *h, const wki_zip_entry *e, const uint64_t *offset)
{
    const bool large = e->size >= FULL32 || e->packed >= FULL32 || (offset && *offset >= FULL32);
    put(h, 4, offset ? ENTRY : LOCAL);
    if (offset) put(h, 2, 45);
    put(h, 2, large ? 45 : 20);
    put(h, 2, 1u << 11); /* the name is UTF-8 */
    put(h, 2, e->deflated ? 8 : 0);
    put(h, 4, 0x00210000u); /* 1980-01-01 00:00, so that the same tensors give the same file */
    put(h, 4, e->crc);
    put(h, 4, large ? FULL32 : e->packed);
    put(h, 4, large ? FULL32 : e->size);
    put(h, 2, e->name_length);
    put(h, 2, large ? offset ? 28 : 20 : 0);
    if (offset) {
        put(h, 8, 0);
        put(h, 2, 0);
        put(h, 4, large ? FULL32 : *offset);
    }
}
static void put_large(struct head *h, const wki_zip_entry *e, const uint64_t *offset)
{
    if (e->size < FULL32 && e->packed < FULL32 && !(offset && *offset >= FULL32)) return;
    put(h, 2, 1);
    put(h, 2, offset ? 24 : 16);
    put(h, 8, e->size);
    put(h, 8, e->packed);
    if (offset) put(h, 8, *offset);
}

static bool write_part(wki_zip_writer *z, const void *p, size_t n)
{
    z->at += n;
    return wki_save_write(z->s, p, n);
}

/* Deflates two pieces into one block from wk_alloc; NULL: out of memory. */
static unsigned char *deflate_all(const void *const piece[2], const size_t size[2], size_t *packed)
{
    z_stream s = {.zalloc = zlib_alloc, .zfree = zlib_free};
    if (deflateInit2(&s, 6, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY) != Z_OK) return NULL;
    const size_t   room = deflateBound(&s, size[0] + size[1]);
    unsigned char *out = wk_alloc(room);
    bool           fine = out != NULL;
    *packed = 0;
    for (int i = 0; i < 2 && fine; i++)
        for (size_t read = 0; fine && (read < size[i] || (i == 1 && read == 0));) {
            const size_t n = size[i] - read < PIECE ? size[i] - read : PIECE;
            const bool   last = i == 1 && read + n == size[i];
            s.next_in = (unsigned char *)((uintptr_t)piece[i] + read);
            s.avail_in = (unsigned)n;
            int code;
            do {
                const size_t left = room - *packed < PIECE ? room - *packed : PIECE;
                s.next_out = out + *packed;
                s.avail_out = (unsigned)left;
                code = deflate(&s, last ? Z_FINISH : Z_NO_FLUSH);
                *packed += left - s.avail_out;
            } while (code == Z_OK && (s.avail_in > 0 || last));
            fine = last ? code == Z_STREAM_END : code == Z_OK || code == Z_BUF_ERROR;
            read += n;
            if (last) break;
        }
    deflateEnd(&s);
    if (fine) return out;
    wk_free(out);
    return NULL;
}

bool wki_zip_add(wki_zip_writer *z, const char *name, const void *head, size_t head_size, const void *body,
                 size_t body_size, bool deflate)
{
    const uint64_t at = z->at;
    size_t         packed = head_size + body_size;
    unsigned char *small = NULL;
    if (deflate) {
        small =
            deflate_all((const void *const[]){head, body}, (const size_t[]){head_size, body_size}, &packed);
        if (!small) return wki_no_memory(z->s->c, z->s->path);
    }
    const wki_zip_entry e = {.name_length = strlen(name),
                             .packed = packed,
                             .size = head_size + body_size,
                             .crc = (uint32_t)crc32_z(crc32_z(0, head, head_size), body, body_size),
                             .deflated = deflate};
    struct head         local = {.n = 0}, listed = {.n = 0}, sizes = {.n = 0};
    put_entry(&local, &e, NULL);
    put_large(&sizes, &e, NULL);
    bool fine = write_part(z, local.p, local.n) && write_part(z, name, e.name_length) &&
                write_part(z, sizes.p, sizes.n);
    fine = fine && (small ? write_part(z, small, packed)
                          : write_part(z, head, head_size) && write_part(z, body, body_size));
    wk_free(small);
    put_entry(&listed, &e, &at);
    sizes.n = 0;
    put_large(&sizes, &e, &at);
    z->count++;
    return fine && remember(z, listed.p, listed.n) && remember(z, name, e.name_length) &&
           remember(z, sizes.p, sizes.n);
}

bool wki_zip_finish(wki_zip_writer *z, bool fine)
{
    const uint64_t at = z->at, bytes = z->length;
    const bool     large = z->count >= FULL16 || at >= FULL32 || bytes >= FULL32;
    struct head    h = {.n = 0};
    fine = fine && write_part(z, z->directory, z->length);
    wk_free(z->directory);
    z->directory = NULL;
    if (large) {
        put(&h, 4, END64);
        put(&h, 8, 44);
        put(&h, 4, 45u << 16 | 45u);
        put(&h, 8, 0);
        put(&h, 8, z->count);
        put(&h, 8, z->count);
        put(&h, 8, bytes);
        put(&h, 8, at);
        fine = fine && wki_save_write(z->s, h.p, h.n);
        h.n = 0;
        put(&h, 4, LOCATOR64);
        put(&h, 4, 0);
        put(&h, 8, at + bytes);
        put(&h, 4, 1);
    }
    put(&h, 4, END);
    put(&h, 4, 0);
    put(&h, 2, large ? FULL16 : z->count);
    put(&h, 2, large ? FULL16 : z->count);
    put(&h, 4, large ? FULL32 : bytes);
    put(&h, 4, large ? FULL32 : at);
    put(&h, 2, 0);
    return fine && wki_save_write(z->s, h.p, h.n);
}
