/* .npy arrays. */
#include "walk.h"

static void check(wk_ctx *c, wk_tensor x, wk_dtype t, wk_shape s, const void *want)
{
    unsigned char got[200];
    cr_assert_eq(wk_ctx_status(c), WK_OK, "%s", wk_ctx_message(c));
    cr_assert(x->dtype == t && x->ndim == s.ndim);
    for (int i = 0; i < s.ndim; i++) cr_assert_eq(x->shape[i], s.dim[i]);
    cr_assert_eq(wk_read(c, x, got), WK_OK, "%s", wk_ctx_message(c));
    cr_assert_eq(memcmp(got, want, (size_t)wk_bytes(x)), 0);
}

Test(npy, numpys_own_files)
{
    wk_ctx *c = wk_ctx_new("cpu");
    float   v[24];
    for (int i = 0; i < 24; i++) v[i] = (float)i;
    check(c, wk_load_npy(c, GOLDEN "c.npy"), WK_f32, WK_SHAPE(2, 3, 4), v);
    check(c, wk_load_npy(c, GOLDEN "fortran.npy"), WK_f32, WK_SHAPE(2, 3, 4), v);
    check(c, wk_load_npy(c, GOLDEN "scalar.npy"), WK_f64, WK_SCALAR_SHAPE, &(double){3.25});
    check(c, wk_load_npy(c, GOLDEN "bool.npy"), WK_bool, WK_SHAPE(2), "\1\0");
    check(c, wk_load_npy(c, GOLDEN "v2.npy"), WK_i64, WK_SHAPE(3), (int64_t[]){0, 1, 2});
    check(c, wk_load_npy(c, GOLDEN "v3.npy"), WK_u8, WK_SHAPE(3), "\0\1\2");
    check(c, wk_load_npy(c, GOLDEN "big_endian.npy"), WK_f32, WK_SHAPE(2, 3, 4), v);
    wk_ctx_free(c);
}

Test(npy, what_is_saved_loads)
{
    static const wk_shape shapes[] = {
        {0, {0}}, {1, {5}}, {2, {0, 3}}, {3, {2, 3, 4}}, {8, {1, 1, 2, 1, 1, 1, 1, 3}}};
    char          folder[] = "/tmp/wick-npy-XXXXXX", path[100];
    unsigned char data[200], again[200];
    cr_assert(mkdtemp(folder) != NULL);
    snprintf(path, sizeof path, "%s/x.npy", folder);
    for (size_t i = 0; i < sizeof data; i++) data[i] = (unsigned char)(i & 1);
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        static const wk_dtype types[] = {WK_bool, WK_i32, WK_f16, WK_f64};
        for (size_t k = 0; k < 4; k++) {
            wk_ctx   *c = wk_ctx_new("cpu");
            wk_tensor x = wk_make(c, data, types[k], shapes[i]);
            cr_assert_eq(wk_save_npy(c, path, x), WK_OK, "%s", wk_ctx_message(c));
            check(c, wk_load_npy(c, path), types[k], shapes[i], data);
            cr_assert_eq(wk_read(c, x, again), WK_OK);
            wk_ctx_free(c);
        }
    }
    wk_ctx *c = wk_ctx_new("cpu");
    cr_assert_eq(wk_save_npy(c, path, wk_make(c, data, WK_bf16, WK_SHAPE(2))), WK_EDTYPE);
    wk_ctx_clear(c);
    cr_assert_eq(wk_save_npy(c, "/no/such/folder/x.npy", wk_make(c, data, WK_u8, WK_SHAPE(2))), WK_EIO);
    wk_ctx_free(c);
    unlink(path);
    cr_assert_eq(rmdir(folder), 0, "something else was left in the folder");
}

static bool loads(wk_ctx *c, const char *path, const char *what)
{
    unsigned char  *v;
    const wk_scope  s = wk_scope_begin(c);
    wk_tensor       x = wk_load_npy(c, path);
    const wk_status status = wk_ctx_status(c);
    cr_assert(status == WK_OK || status == WK_EFORMAT, "%s: %s", what, wk_ctx_message(c));
    cr_assert(status == WK_OK || strstr(wk_ctx_message(c), path), "%s: %s", what, wk_ctx_message(c));
    v = malloc((size_t)wk_bytes(x) + 1);
    if (status == WK_OK) cr_assert_eq(wk_read(c, x, v), WK_OK);
    free(v);
    wk_ctx_clear(c);
    wk_scope_end(c, s, WK_NONE);
    return status == WK_OK;
}

Test(npy, truncated_and_damaged)
{
    static const char *const names[] = {"c.npy", "fortran.npy", "v2.npy", "scalar.npy", "big_endian.npy"};
    wk_ctx                  *c = wk_ctx_new("cpu");
    for (size_t k = 0; k < 5; k++) {
        struct image m = image_of(names[k]);
        char         what[100];
        for (size_t n = 0; n < m.n; n++) {
            image_put(&m, m.p, n);
            snprintf(what, sizeof what, "%s cut to %zu bytes", names[k], n);
            cr_assert_not(loads(c, m.path, what), "%s", what);
        }
        for (size_t i = 0; i < m.n; i++)
            for (int v = 0; v < 256; v += 5) {
                const unsigned char now = (unsigned char)v, was = m.p[i];
                m.p[i] = now;
                image_put(&m, m.p, m.n);
                snprintf(what, sizeof what, "%s with byte %zu set to %02x", names[k], i, v);
                loads(c, m.path, what);
                m.p[i] = was;
            }
        image_free(&m);
    }
    wk_ctx_free(c);
}

Test(npy, hostile_headers)
{
    static const struct {
        const char *dict, *why;
    } bad[] = {
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967296), }", "too many values"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (1099511627776,), }", "need 4398046511104"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (-1,), }", "whole number"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (18446744073709551616,), }", "whole number"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1,1,1), }", "at most 8"},
        {"{'descr': '|O', 'fortran_order': False, 'shape': (1,), }", "'|O' is not supported"},
        {"{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,), }", "structured"},
        {"{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (1,), }", "twice"},
        {"{'descr': '<f4', 'fortran_order': 0, 'shape': (1,), }", "True or False"},
        {"{'descr': '<f4', 'shape': (1,), }", "missing"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (1,), } x", "after the dict"},
        {"", "'{' should be here"},
    };
    wk_ctx *c = wk_ctx_new("cpu");
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct image m = image_new();
        char         file[300] = "\x93NUMPY\1";
        const size_t n = strlen(bad[i].dict);
        file[8] = (char)n;
        memcpy(file + 10, bad[i].dict, n);
        image_put(&m, file, n + 14);
        cr_assert(wk_is_none(wk_load_npy(c, m.path)), "%s", bad[i].dict);
        cr_assert(strstr(wk_ctx_message(c), bad[i].why), "%s: %s", bad[i].dict, wk_ctx_message(c));
        wk_ctx_clear(c);
        image_free(&m);
    }
    wk_ctx_free(c);
}
