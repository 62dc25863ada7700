/* GGUF files: values, names, hostile files. */
#include "walk.h"

#include <pthread.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

/* ---- making files ---- */

struct maker {
    unsigned char *p;
    size_t         n, cap;
};
static void put(struct maker *m, const void *p, size_t n)
{
    if (m->cap - m->n < n) m->p = realloc(m->p, m->cap = (m->n + n) * 2);
    memcpy(m->p + m->n, p, n);
    m->n += n;
}
static void put_u(struct maker *m, uint64_t v, size_t bytes)
{
    put(m, &v, bytes);
}
static void put_s(struct maker *m, const char *s)
{
    put_u(m, strlen(s), 8);
    put(m, s, strlen(s));
}
static struct maker begin(uint64_t tensors, uint64_t keys)
{
    struct maker m = {0};
    put(&m, "GGUF", 4);
    put_u(&m, 3, 4);
    put_u(&m, tensors, 8);
    put_u(&m, keys, 8);
    return m;
}
static void put_key(struct maker *m, const char *key, uint32_t type)
{
    put_s(m, key);
    put_u(m, type, 4);
}
static void put_tensor(struct maker *m, const char *name, int ndim, const uint64_t *size, uint32_t type,
                       uint64_t offset)
{
    put_s(m, name);
    put_u(m, (uint64_t)ndim, 4);
    for (int i = 0; i < ndim; i++) put_u(m, size[i], 8);
    put_u(m, type, 4);
    put_u(m, offset, 8);
}
static void put_data(struct maker *m, size_t n)
{
    while (m->n % 32) put_u(m, 0, 1);
    for (size_t i = 0; i < n; i++) put_u(m, i, 1);
}

/* Opens what was made: the message ("" when it loads) into text. Frees m. */
static const char *verdict(struct maker *m, char text[512])
{
    wk_ctx      *c = wk_ctx_new("cpu");
    struct image i = image_new();
    image_put(&i, m->p, m->n);
    visit(c, i.path, "made");
    wk_files *f = wk_files_open(c, i.path);
    snprintf(text, 512, "%s", wk_ctx_message(c));
    wk_files_close(f);
    wk_ctx_free(c);
    image_free(&i);
    free(m->p);
    return text;
}
static void refused(struct maker m, const char *why)
{
    char text[512];
    verdict(&m, text);
    cr_assert(strstr(text, why) != NULL, "expected \"%s\", got \"%s\"", why, text);
}
static void accepted(struct maker m)
{
    char text[512];
    verdict(&m, text);
    cr_assert_str_eq(text, "");
}

/* ---- what good files say ---- */

Test(gguf, values_of_all_types)
{
    wk_ctx   *c = wk_ctx_new("cpu");
    wk_files *f = wk_files_open(c, GOLDEN "v3.gguf");
    cr_assert(f != NULL, "%s", wk_ctx_message(c));
    cr_assert_str_eq(wk_files_format(f), "gguf v3");
    static const struct {
        int     type;
        int64_t value;
    } ints[] = {{0, 200},
                {1, -5},
                {2, 60000},
                {3, -30000},
                {4, 4000000000},
                {5, -2000000000},
                {11, -(INT64_C(1) << 62)}};
    char key[40];
    for (size_t i = 0; i < sizeof ints / sizeof *ints; i++) {
        snprintf(key, sizeof key, "test.scalar.%d", ints[i].type);
        cr_assert_eq(wk_config_int(f, key, 1), ints[i].value, "%s", key);
        cr_assert_eq(wk_config_float(f, key, 1), (double)ints[i].value, "%s", key);
        snprintf(key, sizeof key, "test.array.%d", ints[i].type);
        cr_assert_eq(wk_config_count(f, key), 3, "%s", key);
        cr_assert_eq(wk_config_int_at(f, key, 2, 1), ints[i].value, "%s", key);
        cr_assert_eq(wk_config_int_at(f, key, 3, 77), 77, "%s", key);
    }
    cr_assert_eq(wk_config_int(f, "test.scalar.10", -1), -1, "2^64 - 1 is no int64_t");
    cr_assert_eq(wk_config_float(f, "test.scalar.10", -1), 0x1p64);
    cr_assert_float_eq(wk_config_float(f, "test.scalar.6", 0), 0.1, 1e-8);
    cr_assert_eq(wk_config_float(f, "test.scalar.12", 0), 1.0 / 3);
    cr_assert_eq(wk_config_float_at(f, "test.array.12", 1, 0), 1.0 / 3);
    cr_assert(wk_config_bool(f, "test.scalar.7", false));
    cr_assert_eq(wk_config_int(f, "test.scalar.7", 5), 5, "a bool is no number");
    cr_assert_eq(wk_config_count(f, "test.nested"), 3);
    cr_assert_eq(wk_config_count(f, "test.empty"), 0);
    cr_assert_eq(wk_config_count(f, "test.scalar.0"), -1);
    cr_assert_str_eq(wk_config_string(f, "test.control", "none"), "none", "a NUL inside");
    cr_assert_str_eq(wk_config_string(f, "general.name", ""), "golden \xc3\xa9\xf0\x9f\x98\x80");
    size_t      n = 0;
    const char *s = wk_config_string_at(f, "tokenizer.ggml.tokens", 0, &n);
    cr_assert(s && n == 2 && memcmp(s, "\xff\0", 2) == 0);
    for (int i = 1; i < 70; i++) {
        char want[40] = "", one[20];
        snprintf(one, sizeof one, "token %d", i);
        for (int k = 0; k < i % 3; k++) strcat(want, one);
        s = wk_config_string_at(f, "tokenizer.ggml.tokens", i, &n);
        cr_assert(s && n == strlen(want) && memcmp(s, want, n) == 0, "token %d", i);
    }
    cr_assert_null(wk_config_string_at(f, "tokenizer.ggml.tokens", 70, &n));
    cr_assert_null(wk_config_string_at(f, "tokenizer.ggml.tokens", -1, &n));
    cr_assert_eq(wk_config_float_at(f, "tokenizer.ggml.scores", 3, 0), -1.5);
    wk_files_close(f);
    wk_ctx_free(c);
}

Test(gguf, tensors)
{
    wk_ctx   *c = wk_ctx_new("cpu");
    wk_files *f = wk_files_open(c, GOLDEN "v3.gguf");
    float     v[32];
    cr_assert(f != NULL, "%s", wk_ctx_message(c));
    cr_assert_eq(wk_files_count(f), 11);
    wk_tensor x = wk_files_tensor(c, f, "model.norm.weight"), q = wk_files_tensor(c, f, "token_embd.weight");
    wk_tensor up = wk_files_tensor(c, f, "model.layers.0.mlp.up_proj.weight"),
              s = wk_files_tensor(c, f, "scalar");
    wk_tensor e = wk_files_tensor(c, f, "empty"), d = wk_files_tensor(c, f, "big");
    cr_assert_eq(wk_ctx_status(c), WK_OK, "%s", wk_ctx_message(c));
    wk_files_close(f); /* tensors stay */
    cr_assert_eq(wk_read(c, x, v), WK_OK, "%s", wk_ctx_message(c));
    for (int i = 0; i < 32; i++) cr_assert_eq(v[i], (float)i / 4 - 1);
    cr_assert(q->dtype == WK_q4_0 && q->ndim == 2 && q->shape[0] == 70 && q->shape[1] == 32);
    unsigned char blocks[70 * 18];
    cr_assert_eq(wk_read(c, q, blocks), WK_OK, "%s", wk_ctx_message(c));
    cr_assert(blocks[69 * 18 + 1] == 0x38 && blocks[69 * 18 + 17] == 15);
    cr_assert(up->ndim == 2 && up->shape[0] == 2 && up->shape[1] == 3, "sizes are not outermost first");
    int32_t scalar = 0;
    cr_assert(s->ndim == 0 && wk_read(c, s, &scalar) == WK_OK && scalar == -7);
    cr_assert(e->shape[0] == 5 && e->shape[1] == 0 && wk_count(e) == 0);
    double big[2];
    cr_assert(wk_read(c, d, big) == WK_OK && big[0] == 1.5 && big[1] == -2.5);
    wk_ctx_free(c);
}

Test(gguf, unknown_tensor_types_spoil_only_themselves)
{
    static const char *const names[][2] = {{"strange", "tq1_0"}, {"future", "gguf type 99"}};
    wk_ctx                  *c = wk_ctx_new("cpu");
    wk_files                *f = wk_files_open(c, GOLDEN "v3.gguf");
    for (int i = 0; i < 2; i++) {
        cr_assert(wk_files_has(f, names[i][0]));
        cr_assert(wk_is_none(wk_files_tensor(c, f, names[i][0])));
        cr_assert_eq(wk_ctx_status(c), WK_EUNSUPPORTED);
        cr_assert(strstr(wk_ctx_message(c), names[i][0]) && strstr(wk_ctx_message(c), names[i][1]), "%s",
                  wk_ctx_message(c));
        wk_ctx_clear(c);
    }
    cr_assert(wk_is_none(wk_files_tensor(c, f, "absent.weight")));
    cr_assert(strstr(wk_ctx_message(c), "absent.weight"), "%s", wk_ctx_message(c));
    wk_files_close(f);
    wk_ctx_free(c);
}

Test(gguf, hugging_face_names)
{
    wk_ctx   *c = wk_ctx_new("cpu");
    wk_files *f = wk_files_open(c, GOLDEN "v3.gguf");
    cr_assert_eq(wk_config_int(f, "hidden_size", 0), 32);
    cr_assert_eq(wk_config_int(f, "num_hidden_layers", 0), 1);
    cr_assert_eq(wk_config_int(f, "num_attention_heads", 0), 4);
    cr_assert_eq(wk_config_int(f, "num_key_value_heads", 0), 2);
    cr_assert_eq(wk_config_int(f, "max_position_embeddings", 0), 128);
    cr_assert_eq(wk_config_int(f, "vocab_size", 0), 70, "not from the tokens");
    cr_assert_eq(wk_config_float(f, "rope_theta", 0), 10000.0);
    cr_assert_eq(wk_config_float(f, "partial_rotary_factor", 0), 0.5);
    cr_assert(wk_config_bool(f, "tie_word_embeddings", false));
    cr_assert_str_eq(wk_config_string(f, "model_type", ""), "llama");
    size_t n = 0;
    cr_assert(wk_config_string_at(f, "architectures", 0, &n) && n == 5);
    cr_assert_eq(wk_config_int(f, "head_dim", -3), -3);
    cr_assert(wk_files_has(f, "model.layers.0.self_attn.q_proj.weight"));
    cr_assert(wk_files_has(f, "blk.0.attn_q.weight"));
    cr_assert_not(wk_files_has(f, "model.layers.1.self_attn.q_proj.weight"));
    cr_assert_not(wk_files_has(f, "model.layers.0.self_attn.q_proj.bias"));
    cr_assert_not(wk_files_has(f, "model.layers..self_attn.q_proj.weight"));
    cr_assert_not(wk_files_has(f, "model.layers.00000000000.self_attn.q_proj.weight"));
    wk_files_close(f);
    wk_ctx_free(c);
}

Test(gguf, older_versions_and_parts)
{
    static const char *const names[] = {"v1.gguf", "v2.gguf", "part-00001-of-00002.gguf"};
    static const char *const formats[] = {"gguf v1", "gguf v2", "gguf v3"};
    for (int i = 0; i < 3; i++) {
        wk_ctx *c = wk_ctx_new("cpu");
        char    path[400];
        float   v[32];
        snprintf(path, sizeof path, "%s%s", GOLDEN, names[i]);
        wk_files *f = wk_files_open(c, path);
        cr_assert(f != NULL, "%s", wk_ctx_message(c));
        cr_assert_str_eq(wk_files_format(f), formats[i]);
        cr_assert_eq(wk_files_count(f), 3);
        cr_assert_eq(wk_config_int(f, "hidden_size", 0), 32);
        cr_assert_eq(wk_read(c, wk_files_tensor(c, f, "model.norm.weight"), v), WK_OK, "%s",
                     wk_ctx_message(c));
        cr_assert_eq(v[31], 6.75f);
        cr_assert_eq(wk_files_tensor(c, f, "blk.0.attn_norm.weight")->dtype, WK_f16, "%s", wk_ctx_message(c));
        wk_files_close(f);
        wk_ctx_free(c);
    }
    wk_ctx *c = wk_ctx_new("cpu");
    cr_assert_null(wk_files_open(c, GOLDEN "part-00002-of-00002.gguf"));
    cr_assert(strstr(wk_ctx_message(c), "first part"), "%s", wk_ctx_message(c));
    wk_ctx_free(c);
}

/* ---- hostile files ---- */

Test(gguf, truncated_and_damaged, .timeout = 600)
{
    cr_assert_gt(sweep("v3.gguf"), 0);
    cr_assert_gt(sweep("v2.gguf"), 0);
    cr_assert_gt(sweep("v1.gguf"), 0);
    cr_assert_gt(sweep("align.gguf"), 0);
}

Test(gguf, hostile_integers, .timeout = 600)
{
    hostile_integers("v2.gguf");
    hostile_integers("v1.gguf");
    hostile_integers("align.gguf");
}

Test(gguf, failing_allocations)
{
    failing_allocations(GOLDEN "v3.gguf");
    failing_allocations(GOLDEN "part-00001-of-00002.gguf");
}

Test(gguf, sizes_that_overflow)
{
    static const uint64_t bad[][2] = {{UINT64_C(1) << 32, UINT64_C(1) << 32},
                                      {INT64_MAX, 2},
                                      {UINT64_C(1) << 63, 2},
                                      {UINT64_C(1) << 40, UINT64_C(1) << 40},
                                      {33, 2}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct maker m = begin(1, 0);
        put_tensor(&m, "x", 2, bad[i], 2, 0);
        put_data(&m, 64);
        refused(m, "tensor shape at byte 24");
    }
    struct maker m = begin(1, 0);
    put_tensor(&m, "x", 9, (uint64_t[]){1, 1, 1, 1, 1, 1, 1, 1, 1}, 0, 0);
    put_data(&m, 64);
    refused(m, "9 dims");
    m = begin(1, 0);
    put_tensor(&m, "x", 2, (uint64_t[]){0, UINT64_C(1) << 62}, 0, 0);
    put_data(&m, 64);
    refused(m, "tensor shape");
}

Test(gguf, places_of_tensors)
{
    const uint64_t eight[] = {8};
    struct maker   m = begin(2, 0);
    put_tensor(&m, "x", 1, eight, 0, 0);
    put_tensor(&m, "y", 1, eight, 0, 0);
    put_data(&m, 64);
    refused(m, "overlaps");
    m = begin(1, 0);
    put_tensor(&m, "x", 1, eight, 0, 16);
    put_data(&m, 64);
    refused(m, "multiple of 32");
    m = begin(1, 0);
    put_tensor(&m, "x", 1, eight, 0, 32);
    put_data(&m, 63);
    refused(m, "beyond the file");
    m = begin(1, 0);
    put_tensor(&m, "x", 1, eight, 0, UINT64_MAX - 31);
    put_data(&m, 63);
    refused(m, "multiple of");
    m = begin(2, 0);
    put_tensor(&m, "x", 1, eight, 0, 0);
    put_tensor(&m, "x", 1, eight, 0, 32);
    put_data(&m, 64);
    refused(m, "appears twice");
    m = begin(2, 0);
    put_tensor(&m, "y", 1, eight, 0, 32);
    put_tensor(&m, "x", 1, eight, 0, 0);
    put_data(&m, 64);
    accepted(m);
}

Test(gguf, named_cases)
{
    struct maker m = begin(0, 2);
    for (int i = 0; i < 2; i++) put_key(&m, "k", 7), put_u(&m, 1, 1);
    refused(m, "appears twice");
    static const uint32_t align[] = {0, 3, 0x80000000u, 48};
    for (size_t i = 0; i < sizeof align / sizeof *align; i++) {
        m = begin(0, 1);
        put_key(&m, "general.alignment", 4);
        put_u(&m, align[i], 4);
        refused(m, "general.alignment");
    }
    m = begin(0, 1);
    put_key(&m, "general.alignment", 5);
    put_u(&m, 32, 4);
    refused(m, "wrong type");
    m = begin(0, 1);
    put_key(&m, "general.alignment", 9);
    put_u(&m, 4, 4);
    put_u(&m, 0, 8);
    refused(m, "wrong type");
    m = begin(0, 1);
    put_key(&m, "k", 13);
    refused(m, "unknown value type 13");
    m = begin(0, 1);
    put_key(&m, "k", 7);
    put_u(&m, 2, 1);
    refused(m, "bool");
    m = begin(0, 1);
    put_key(&m, "a\x1b[31m", 7);
    put_u(&m, 1, 1);
    refused(m, "key at byte 24");
    static const char *const names[] = {"", "a\nb", "\x1b]0;x\x07", "\xff", "\xe2\x80\xae"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        m = begin(1, 0);
        put_tensor(&m, names[i], 1, (uint64_t[]){8}, 0, 0);
        put_data(&m, 64);
        refused(m, "tensor name at byte 24");
    }
    m = begin(1, 0);
    put_u(&m, 3, 8), put(&m, "a\0b", 3), put_u(&m, 0, 4), put_u(&m, 0, 4), put_u(&m, 0, 8);
    put_data(&m, 64);
    refused(m, "tensor name");
    m = begin(0, 0);
    memcpy(m.p + 4, "\0\0\0\3", 4);
    refused(m, "big-endian");
    m = begin(0, 0);
    m.p[4] = 4;
    refused(m, "version at byte 4: 4 is not 1, 2 or 3");
    m = begin(0, 1);
    put_key(&m, "split.count", 2);
    put_u(&m, 3, 2);
    refused(m, "-00001-of-00003.gguf");
}

static int64_t resident(void) /* peak, in bytes */
{
    struct rusage r;
    getrusage(RUSAGE_SELF, &r);
    return (int64_t)r.ru_maxrss * 1024;
}

Test(gguf, lengths_beyond_the_file_cost_no_memory)
{
    wk_ctx *c = wk_ctx_new("cpu");
    visit(c, GOLDEN "v3.gguf", "warm");
    const int64_t before = resident();
    for (int k = 0; k < 7; k++) {
        const uint64_t huge = UINT64_C(1) << 40;
        struct maker   m = k == 0 ? begin(huge, 0) : k == 1 ? begin(0, huge) : begin(0, 1);
        if (k == 2) put_u(&m, huge, 8), put(&m, "abcdefgh", 8);
        if (k == 3) put_key(&m, "k", 8), put_u(&m, huge, 8);
        if (k >= 4) put_key(&m, "k", 9), put_u(&m, (uint64_t[]){0, 8, 9}[k - 4], 4), put_u(&m, huge, 8);
        put_data(&m, 16);
        char text[512];
        verdict(&m, text);
        cr_assert(strstr(text, "left") != NULL, "case %d: %s", k, text);
    }
    cr_assert_leq(resident() - before, 16 << 20);
    wk_ctx_free(c);
}

static void *on_small_stack(void *path)
{
    wk_ctx *c = wk_ctx_new("cpu");
    cr_assert_not(visit(c, path, "nesting"));
    wk_ctx_free(c);
    return NULL;
}

Test(gguf, nesting)
{
    struct maker m = begin(0, 1);
    put_key(&m, "k", 9);
    for (int i = 0; i < 100000; i++) put_u(&m, 9, 4), put_u(&m, 1, 8);
    put_u(&m, 0, 4), put_u(&m, 0, 8);
    struct image i = image_new();
    image_put(&i, m.p, m.n);
    pthread_attr_t a;
    pthread_t      t;
    pthread_attr_init(&a);
    pthread_attr_setstacksize(&a, 512 << 10);
    cr_assert_eq(pthread_create(&t, &a, on_small_stack, i.path), 0);
    pthread_join(t, NULL);
    image_free(&i);
    refused(m, "nested deeper");
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

Test(gguf, a_million_keys_and_tensors, .timeout = 120)
{
    const int    n = 1000000;
    char         name[32];
    struct maker m = begin((uint64_t)n, (uint64_t)n + 2);
    for (int i = 0; i < n; i++) {
        snprintf(name, sizeof name, "k%d", i);
        put_key(&m, name, 0), put_u(&m, (uint64_t)i & 255, 1);
    }
    put_key(&m, "tokenizer.ggml.tokens", 9), put_u(&m, 8, 4), put_u(&m, (uint64_t)n, 8);
    for (int i = 0; i < n; i++) put_s(&m, i % 2 ? "" : "t");
    put_key(&m, "ids", 9), put_u(&m, 5, 4), put_u(&m, 10000000, 8);
    const size_t at = m.n;
    put(&m, m.p, 4);
    for (int i = 1; i < 10000000; i++) put_u(&m, (uint64_t)i, 4);
    memset(m.p + at, 0, 4);
    for (int i = 0; i < n; i++) {
        snprintf(name, sizeof name, "t%d", i);
        put_tensor(&m, name, 0, NULL, 24, (uint64_t)(n - 1 - i) * 32);
    }
    put_data(&m, 0);
    struct image im = image_new();
    cr_assert(ftruncate(im.fd, (off_t)(m.n + (size_t)n * 32)) == 0);
    cr_assert(pwrite(im.fd, m.p, m.n, 0) == (ssize_t)m.n);
    free(m.p);
    wk_ctx      *c = wk_ctx_new("cpu");
    const double start = now();
    wk_files    *f = wk_files_open(c, im.path);
    const double opened = now() - start;
    cr_assert(f != NULL, "%s", wk_ctx_message(c));
    for (int i = 0; i < n; i++) {
        snprintf(name, sizeof name, "k%d", i);
        if (wk_config_int(f, name, -1) != (i & 255)) cr_assert_fail("%s", name);
        name[0] = 't';
        if (!wk_files_has(f, name)) cr_assert_fail("%s", name);
    }
    int64_t sum = 0;
    for (int i = 0; i < 10000000; i += 9999) sum += wk_config_int_at(f, "ids", i, -1) - i;
    cr_assert_eq(sum, 0);
    for (int i = 0; i < n; i++) {
        size_t length = 9;
        if (!wk_config_string_at(f, "tokenizer.ggml.tokens", i, &length) || length != !(i % 2))
            cr_assert_fail("token %d", i);
    }
    cr_assert_eq(wk_config_int(f, "vocab_size", 0), n);
    const double all = now() - start;
    cr_assert(opened < 30 && all < 60, "opened in %.1f s, all in %.1f s", opened, all);
    wk_files_close(f);
    wk_ctx_free(c);
    image_free(&im);
}

/* ---- A14: the file is cut short while it is open ---- */

Test(gguf, cut_short_while_open)
{
    for (int copy = 0; copy < 2; copy++) {
        struct image i = image_of("v3.gguf");
        wk_ctx      *c = wk_ctx_new("cpu");
        float        v[32];
        setenv("WK_MAP", copy ? "0" : "1", 1);
        wk_files *f = wk_files_open(c, i.path);
        cr_assert(f != NULL, "%s", wk_ctx_message(c));
        const pid_t child = fork();
        if (child == 0) _exit(ftruncate(i.fd, 100) != 0);
        int status = 1;
        cr_assert(waitpid(child, &status, 0) == child && status == 0);
        wk_tensor x = wk_files_tensor(c, f, "output_norm.weight");
        if (copy) {
            cr_assert(wk_read(c, x, v) == WK_OK && v[31] == 6.75f, "%s", wk_ctx_message(c));
        } else {
            cr_assert(wk_is_none(x) && wk_ctx_status(c) == WK_EIO);
            cr_assert(strstr(wk_ctx_message(c), "cut short"), "%s", wk_ctx_message(c));
        }
        wk_files_close(f);
        wk_ctx_free(c);
        image_free(&i);
    }
}

Test(files, only_regular_files)
{
    wk_ctx *c = wk_ctx_new("cpu");
    char    folder[] = "/tmp/wick-io-XXXXXX", path[200];
    cr_assert(mkdtemp(folder) != NULL);
    snprintf(path, sizeof path, "%s/fifo", folder);
    static const char *const odd[] = {"/dev/zero", "/dev/null", "/no/such/file", ""};
    for (size_t i = 0; i < 4; i++) {
        cr_assert_null(wk_files_open(c, odd[i]), "%s", odd[i]);
        cr_assert_eq(wk_ctx_status(c), WK_EIO);
        wk_ctx_clear(c);
    }
    char command[300];
    snprintf(command, sizeof command, "mkfifo %s", path);
    cr_assert_eq(system(command), 0);
    cr_assert_null(wk_files_open(c, path));
    cr_assert(strstr(wk_ctx_message(c), "not a regular file"), "%s", wk_ctx_message(c));
    wk_ctx_clear(c);
    unlink(path);
    cr_assert_null(wk_files_open(c, folder));
    cr_assert(strstr(wk_ctx_message(c), "no model.safetensors"), "%s", wk_ctx_message(c));
    wk_ctx_clear(c);
    cr_assert_null(wk_files_open(c, NULL));
    cr_assert_eq(wk_ctx_status(c), WK_EARG);
    cr_assert_null(wk_files_open(c, GOLDEN "v3.gguf"), "a failed context opens files");
    rmdir(folder);
    wk_ctx_free(c);
}
