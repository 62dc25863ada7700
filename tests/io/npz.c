/* .npz archives, and wk_load over every format. */
#include "walk.h"

static wk_tensor find(const wk_named *l, int64_t n, const char *name)
{
    for (int64_t i = 0; i < n; i++)
        if (strcmp(l[i].name, name) == 0) return l[i].x;
    cr_assert_fail("no tensor \"%s\"", name);
    return WK_NONE;
}

static void check(wk_ctx *c, wk_tensor x, wk_dtype t, wk_shape s, const double *want)
{
    double    got[64];
    wk_tensor wide = wk_cast(c, x, WK_f64);
    cr_assert(x->dtype == t && x->ndim == s.ndim);
    for (int i = 0; i < s.ndim; i++) cr_assert_eq(x->shape[i], s.dim[i]);
    cr_assert_eq(wk_read(c, wide, got), WK_OK, "%s", wk_ctx_message(c));
    for (int64_t i = 0; i < wk_count(x); i++) cr_assert_eq(got[i], want[i]);
}

static void check_numpys(const char *path)
{
    wk_ctx   *c = wk_ctx_new("cpu");
    double    v[24];
    int64_t   n = -1;
    wk_named *l = wk_load(c, path, &n);
    for (int i = 0; i < 24; i++) v[i] = i;
    cr_assert(l && n >= 8, "%s", wk_ctx_message(c));
    cr_assert(l[n].name == NULL);
    check(c, find(l, n, "c"), WK_f32, WK_SHAPE(2, 3, 4), v);
    check(c, find(l, n, "fortran"), WK_f32, WK_SHAPE(2, 3, 4), v);
    check(c, find(l, n, "big"), WK_i16, WK_SHAPE(2, 3, 4), v);
    check(c, find(l, n, "half"), WK_f16, WK_SHAPE(3, 4), v);
    check(c, find(l, n, "scalar"), WK_f64, WK_SCALAR_SHAPE, (double[]){3.25});
    check(c, find(l, n, "bool"), WK_bool, WK_SHAPE(2), (double[]){1, 0});
    check(c, find(l, n, "empty"), WK_i64, WK_SHAPE(0, 4), v);
    check(c, find(l, n, "layer/w\303\244"), WK_u32, WK_SHAPE(3), v);
    if (n == 9) {
        const wk_tensor zeros = find(l, n, "zeros");
        cr_assert(zeros->dtype == WK_f64 && wk_count(zeros) == 4096);
        cr_assert_eq(wk_item(c, wk_count_nonzero(c, zeros, WK_ALL_DIMS, false)), 0);
    }
    wk_free(l);
    wk_ctx_free(c);
}

Test(npz, numpys_own_files)
{
    check_numpys(GOLDEN "stored.npz");
    check_numpys(GOLDEN "deflated.npz");
    check_numpys(GOLDEN "zip64.npz");
}

Test(npz, what_is_saved_loads)
{
    static const wk_dtype types[] = {WK_bool, WK_u8,  WK_i8,  WK_i16, WK_i32,
                                     WK_i64,  WK_u32, WK_f16, WK_f32, WK_f64};
    enum { N = sizeof types / sizeof *types };
    const char *names[N];
    wk_tensor   x[N];
    char        folder[] = "/tmp/wick-npz-XXXXXX", path[100];
    wk_ctx     *c = wk_ctx_new("cpu");
    double      v[24];
    cr_assert(mkdtemp(folder) != NULL);
    snprintf(path, sizeof path, "%s/x.npz", folder);
    for (int i = 0; i < 24; i++) v[i] = i & 1;
    for (int i = 0; i < N; i++) {
        names[i] = wk_dtype_name(types[i]);
        x[i] = wk_cast(c, wk_make(c, v, WK_f64, WK_SHAPE(4, 6)), types[i]);
    }
    x[2] = wk_transpose(c, wk_cast(c, wk_make(c, v, WK_f64, WK_SHAPE(6, 4)), WK_i8), 0, 1); /* not dense */
    for (int deflate = 0; deflate < 2; deflate++) {
        int64_t n = 0;
        cr_assert_eq(wk_save_npz(c, path, N, names, x, deflate), WK_OK, "%s", wk_ctx_message(c));
        wk_named *l = wk_load(c, path, &n);
        cr_assert_eq(n, N, "%s", wk_ctx_message(c));
        for (int i = 0; i < N; i++) {
            cr_assert_str_eq(l[i].name, names[i]);
            cr_assert(wk_equal(c, l[i].x, x[i]) && l[i].x->dtype == types[i], "%s", names[i]);
        }
        wk_free(l);
        cr_assert_eq(wk_save_npz(c, path, 0, NULL, NULL, deflate), WK_OK);
        l = wk_load(c, path, &n);
        cr_assert(l && n == 0, "%s", wk_ctx_message(c));
        wk_free(l);
    }
    cr_assert_eq(
        wk_save_npz(c, path, 1, (const char *[]){"b"}, (wk_tensor[]){wk_cast(c, x[0], WK_bf16)}, false),
        WK_EDTYPE);
    wk_ctx_clear(c);
    cr_assert_eq(wk_save_npz(c, path, 2, (const char *[]){"b", "b"}, x, false), WK_EARG);
    wk_ctx_clear(c);
    cr_assert_eq(wk_save_npz(c, path, 1, (const char *[]){"a\n"}, x, false), WK_EARG);
    wk_ctx_clear(c);
    cr_assert_eq(wk_save_npz(c, "/no/such/folder/x.npz", 1, names, x, true), WK_EIO);
    wk_ctx_free(c);
    unlink(path);
    cr_assert_eq(rmdir(folder), 0, "something else was left in the folder");
}

Test(npz, load_takes_every_format)
{
    static const struct {
        const char *path, *name;
        int64_t     n;
    } rows[] = {{GOLDEN "types.safetensors", "float32", 0},
                {GOLDEN "folder", "lm_head.weight", 3},
                {GOLDEN "v2.gguf", "output_norm.weight", 3},
                {GOLDEN "align.gguf", "b", 2}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        wk_ctx   *c = wk_ctx_new("cpu");
        int64_t   n = 0;
        wk_named *l = wk_load(c, rows[i].path, &n);
        if (rows[i].n) {
            cr_assert_eq(n, rows[i].n, "%s: %s", rows[i].path, wk_ctx_message(c));
            cr_assert_not(wk_is_none(find(l, n, rows[i].name)));
        } else { /* holds types wick does not have: an error that names one */
            cr_assert(!l && n == 0 && strstr(wk_ctx_message(c), "cannot compute with"), "%s",
                      wk_ctx_message(c));
        }
        wk_free(l);
        wk_ctx_free(c);
    }
    wk_ctx *c = wk_ctx_new("cpu");
    int64_t n = 0;
    cr_assert(!wk_load(c, NULL, &n) && wk_ctx_status(c) == WK_EARG);
    wk_ctx_clear(c);
    cr_assert(!wk_load(c, "/no/such/file.npz", &n) && wk_ctx_status(c) == WK_EIO);
    wk_ctx_free(c);
}

/* ---- hostile files ---------------------------------------------------------------------------- */

static bool loads(wk_ctx *c, const char *path, const char *what)
{
    int64_t         n = 0;
    const wk_scope  s = wk_scope_begin(c);
    wk_named       *l = wk_load(c, path, &n);
    const wk_status status = wk_ctx_status(c);
    cr_assert(status == WK_OK || status == WK_EFORMAT, "%s: %s", what, wk_ctx_message(c));
    cr_assert((l != NULL) == (status == WK_OK), "%s", what);
    cr_assert(l || strstr(wk_ctx_message(c), path), "%s: %s", what, wk_ctx_message(c));
    for (const char *p = wk_ctx_message(c); *p; p++) cr_assert((unsigned char)*p >= 0x20, "%s", what);
    wk_free(l);
    wk_ctx_clear(c);
    wk_scope_end(c, s, WK_NONE);
    return status == WK_OK;
}

Test(npz, truncated_and_damaged)
{
    static const char *const names[] = {"stored.npz", "deflated.npz", "zip64.npz"};
    wk_ctx                  *c = wk_ctx_new("cpu");
    char                     what[100];
    for (size_t k = 0; k < 3; k++) {
        struct image m = image_of(names[k]);
        for (size_t n = 0; n < m.n; n++) {
            image_put(&m, m.p, n);
            snprintf(what, sizeof what, "%s cut to %zu bytes", names[k], n);
            cr_assert_not(loads(c, m.path, what), "%s", what);
        }
        image_put(&m, m.p, m.n);
        for (size_t i = 0; i < m.n; i++)
            for (int v = 0; v < 4; v++) {
                const unsigned char was = m.p[i], now = (unsigned char)(v == 0   ? 0
                                                                        : v == 1 ? 255
                                                                        : v == 2 ? was + 1
                                                                                 : was ^ 0x20);
                cr_assert(pwrite(m.fd, &now, 1, (off_t)i) == 1);
                snprintf(what, sizeof what, "%s with byte %zu set to %02x", names[k], i, now);
                loads(c, m.path, what);
                cr_assert(pwrite(m.fd, &was, 1, (off_t)i) == 1);
            }
        image_free(&m);
    }
    wk_ctx_free(c);
}

/* Offsets of the first entry's fields in its header and in the directory, from their beginnings. */
enum {
    L_CRC = 14,
    L_NAME = 30,
    D_FLAGS = 8,
    D_METHOD = 10,
    D_CRC = 16,
    D_PACKED = 20,
    D_SIZE = 24,
    D_AT = 42,
    D_NAME = 46
};

static void put(unsigned char *p, uint64_t v, int bytes)
{
    for (int i = 0; i < bytes; i++) p[i] = (unsigned char)(v >> (8 * i));
}

static size_t directory_of(const struct image *m)
{
    for (size_t i = 0; i + 4 < m->n; i++)
        if (memcmp(m->p + i, "PK\1\2", 4) == 0) return i;
    cr_assert_fail("no directory");
    return 0;
}

static void refused(const struct image *m, const char *why)
{
    wk_ctx *c = wk_ctx_new("cpu");
    int64_t n = 0;
    image_put(m, m->p, m->n);
    cr_assert(!wk_load(c, m->path, &n));
    cr_assert(wk_ctx_status(c) == WK_EFORMAT && strstr(wk_ctx_message(c), why), "%s, not: %s",
              wk_ctx_message(c), why);
    wk_ctx_free(c);
}

Test(npz, hostile_archives)
{
    static const struct {
        int         where, bytes;
        uint64_t    value;
        const char *why;
    } rows[] = {
        {D_FLAGS, 2, 1, "encrypted"},
        {D_METHOD, 2, 12, "neither stored nor deflated"},
        {D_METHOD, 2, 0, "cannot stand for"},
        {D_CRC, 4, 0x12345678, "checksum"},
        {D_SIZE, 4, 0xfffffffe, "cannot stand for"}, /* a bomb by its word */
        {D_SIZE, 4, 100, "damaged"},                 /* gives more than it says */
        {D_SIZE, 4, 33000, "damaged"},               /* gives less */
        {D_PACKED, 4, 0x7fffffff, "cannot stand for"},
        {D_AT, 4, 0xfffffff0, "the file has"},
        {D_NAME, 1, '\n', "disagree"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct image m = image_of("deflated.npz");
        put(m.p + directory_of(&m) + rows[i].where, rows[i].value, rows[i].bytes);
        refused(&m, rows[i].why);
        image_free(&m);
    }
}

/* Many entries that share the bytes of one: small file, large sum. */
Test(npz, entries_that_overlap_are_a_bomb)
{
    struct image m = image_of("stored.npz");
    const size_t d = directory_of(&m), one = d + D_NAME + 5; /* "c.npy" */
    memmove(m.p + one, m.p + d, D_NAME + 5);
    const size_t bytes = 2 * (D_NAME + 5), end = d + bytes;
    memcpy(m.p + end, "PK\5\6\0\0\0\0", 8);
    put(m.p + end + 8, 2, 2);
    put(m.p + end + 10, 2, 2);
    put(m.p + end + 12, bytes, 4);
    put(m.p + end + 16, d, 4);
    put(m.p + end + 20, 0, 2);
    m.n = end + 22;
    refused(&m, "appears twice");
    m.p[one + D_NAME] = 'd';
    refused(&m, "disagree");
    m.p[one + D_NAME] = 'c';
    put(m.p + d + D_SIZE, 0xffffffff, 4); /* a 64-bit size that is not there */
    refused(&m, "cannot stand for");
    image_free(&m);
}

Test(npz, names_and_limits)
{
    struct image m = image_of("stored.npz");
    const size_t d = directory_of(&m);
    m.p[d + D_NAME + 4] = m.p[L_NAME + 4] = 'x'; /* "c.npx" */
    refused(&m, "no .npy array");
    m.p[d + D_NAME + 4] = m.p[L_NAME + 4] = 'y';
    m.p[d + D_NAME] = m.p[L_NAME] = 7;
    refused(&m, "printable");
    image_free(&m);
    wk_ctx *c = wk_ctx_new("cpu");
    int64_t n = 0;
    wk_memory_limit(c, 20000);
    cr_assert(!wk_load(c, GOLDEN "deflated.npz", &n));
    cr_assert_eq(wk_ctx_status(c), WK_ELIMIT, "%s", wk_ctx_message(c));
    wk_memory_limit(c, 0);
    wk_ctx_free(c);
}

Test(npz, failing_allocations)
{
    char folder[] = "/tmp/wick-npz-XXXXXX", path[100];
    cr_assert(mkdtemp(folder) != NULL);
    snprintf(path, sizeof path, "%s/x.npz", folder);
    for (int save = 0; save < 2; save++)
        for (int64_t k = 1;; k++) {
            wk_ctx   *c = wk_ctx_new("cpu");
            wk_tensor x = wk_full(c, 1, WK_f32, WK_SHAPE(9));
            int64_t   n = 0;
            wk_alloc_fail_at(k, false);
            wk_named *l = save ? NULL : wk_load(c, GOLDEN "deflated.npz", &n);
            if (save) wk_save_npz(c, path, 1, (const char *[]){"x"}, &x, true);
            const int64_t made = wk_alloc_fail_at(0, false);
            cr_assert(wk_ctx_status(c) == WK_OK || (made >= k && wk_ctx_status(c) == WK_ENOMEM),
                      "allocation %lld: %s", (long long)k, wk_ctx_message(c));
            cr_assert(save || (l != NULL) == (wk_ctx_status(c) == WK_OK));
            wk_free(l);
            wk_ctx_free(c);
            if (made < k) break;
        }
    unlink(path);
    cr_assert_eq(rmdir(folder), 0, "something else was left in the folder");
}
