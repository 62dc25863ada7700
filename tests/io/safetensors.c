/* safetensors files, their folders and indexes, and saving. */
#include "walk.h"

#include <dirent.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

/* ---- good files ---- */

Test(safetensors, values_of_all_types)
{
    wk_ctx                  *c = wk_ctx_new("cpu");
    wk_files                *f = wk_files_open(c, GOLDEN "types.safetensors");
    static const char *const names[] = {"bool", "uint8", "int8", "int16", "int32", "int64", "uint32"};
    cr_assert(f != NULL, "%s", wk_ctx_message(c));
    cr_assert_str_eq(wk_files_format(f), "safetensors");
    cr_assert_str_eq(wk_config_string(f, "__metadata__.quote", ""), "a\"b\\c\n\xc3\xa9");
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        wk_tensor x = wk_files_tensor(c, f, names[i]);
        int64_t   v[6] = {0};
        cr_assert(x->ndim == 2 && x->shape[0] == 2 && x->shape[1] == 3, "%s: %s", names[i],
                  wk_ctx_message(c));
        cr_assert_eq(wk_read(c, x, v), WK_OK, "%s", wk_ctx_message(c));
        const size_t w = (size_t)wk_dtype_bytes(x->dtype);
        for (size_t k = 0; k < 6; k++) {
            int64_t one = 0;
            memcpy(&one, (char *)v + k * w, w);
            cr_assert_eq(one, i == 0 ? k > 0 : (int64_t)k, "%s[%zu]", names[i], k);
        }
    }
    float  s = 0;
    double d[6];
    cr_assert(wk_read(c, wk_files_tensor(c, f, "scalar"), &s) == WK_OK && s == 2.5f);
    cr_assert(wk_read(c, wk_files_tensor(c, f, "float64"), d) == WK_OK && d[5] == 5.0);
    cr_assert_eq(wk_count(wk_files_tensor(c, f, "empty")), 0);
    cr_assert_eq(wk_ctx_status(c), WK_OK, "%s", wk_ctx_message(c));
    cr_assert(wk_is_none(wk_files_tensor(c, f, "uint64")));
    cr_assert(strstr(wk_ctx_message(c), "U64"), "%s", wk_ctx_message(c));
    wk_files_close(f);
    wk_ctx_clear(c);
    f = wk_files_open(c, GOLDEN "small.safetensors");
    cr_assert(f != NULL, "%s", wk_ctx_message(c));
    uint16_t bf[2];
    cr_assert(wk_read(c, wk_files_tensor(c, f, "bf"), bf) == WK_OK && bf[1] == 0xc000,
              "a tensor at an odd place");
    cr_assert_eq(wk_files_tensor(c, f, "f8b")->dtype, WK_f8e5m2);
    wk_files_close(f);
    wk_ctx_free(c);
}

Test(safetensors, a_folder)
{
    static const char *const paths[] = {GOLDEN "folder", GOLDEN "folder/",
                                        GOLDEN "folder/model.safetensors.index.json"};
    for (size_t i = 0; i < 3; i++) {
        wk_ctx   *c = wk_ctx_new("cpu");
        wk_files *f = wk_files_open(c, paths[i]);
        float     v[32];
        size_t    n = 0;
        cr_assert(f != NULL, "%s", wk_ctx_message(c));
        cr_assert_str_eq(wk_files_format(f), "huggingface");
        cr_assert_eq(wk_files_count(f), 3);
        cr_assert_eq(wk_config_int(f, "hidden_size", 0), 4);
        cr_assert_eq(wk_config_float(f, "rms_norm_eps", 0), 1e-05);
        cr_assert_eq(wk_config_float(f, "initializer_range", 0), 0.02);
        cr_assert_eq(wk_config_float(f, "rope_scaling.factor", 0), 32.0);
        cr_assert_eq(wk_config_int(f, "rope_scaling.factor", 0), 32, "32.0 is a whole number");
        cr_assert_str_eq(wk_config_string(f, "rope_scaling.rope_type", ""), "llama3");
        cr_assert_eq(wk_config_int(f, "sliding_window", -2), -2, "null is not absent");
        cr_assert_eq(wk_config_int(f, "huge", -2), -2);
        cr_assert_eq(wk_config_float(f, "huge", -2), 12345678901234567890.0);
        cr_assert_not(wk_config_bool(f, "tie_word_embeddings", true));
        cr_assert_eq(wk_config_count(f, "eos_token_id"), 2);
        cr_assert_eq(wk_config_int_at(f, "eos_token_id", 1, 0), 2);
        cr_assert_eq(wk_config_count(f, "mixed"), 7);
        cr_assert_eq(wk_config_float_at(f, "mixed", 1, 0), -2.5);
        const char *s = wk_config_string_at(f, "architectures", 0, &n);
        cr_assert(s && n == 16 && strcmp(s, "LlamaForCausalLM") == 0);
        cr_assert_eq(wk_read(c, wk_files_tensor(c, f, "model.embed_tokens.weight"), v), WK_OK, "%s",
                     wk_ctx_message(c));
        cr_assert_eq(v[31], 31.0f);
        cr_assert(wk_files_has(f, "lm_head.weight") && !wk_files_has(f, "output.weight"));
        char *text = wk_files_read(c, f, "tokenizer.json", &n);
        cr_assert(text && n == 18 && strcmp(text, "{\"version\": \"1.0\"}") == 0);
        wk_free(text);
        cr_assert_null(wk_files_read(c, f, "absent.json", &n));
        cr_assert_eq(wk_ctx_status(c), WK_OK);
        cr_assert_null(wk_files_read(c, f, "../v3.gguf", &n));
        cr_assert_eq(wk_ctx_status(c), WK_EARG);
        wk_files_close(f);
        wk_ctx_free(c);
    }
}

/* ---- a folder of our own to spoil ---- */

struct place {
    char dir[40], path[400];
};
static struct place place_new(void)
{
    struct place d = {.dir = "/tmp/wick-st-XXXXXX"};
    cr_assert(mkdtemp(d.dir) != NULL);
    return d;
}
static const char *in(struct place *d, const char *name)
{
    snprintf(d->path, sizeof d->path, "%s/%s", d->dir, name);
    return d->path;
}
static void write_file(struct place *d, const char *name, const void *p, size_t n)
{
    FILE *f = fopen(in(d, name), "wb");
    cr_assert(f && fwrite(p, 1, n, f) == n && fclose(f) == 0, "%s", d->path);
}
static void write_text(struct place *d, const char *name, const char *text)
{
    write_file(d, name, text, strlen(text));
}
static void place_free(struct place *d)
{
    DIR *dir = opendir(d->dir);
    for (const struct dirent *e; (e = readdir(dir));)
        if (e->d_name[0] != '.' || strlen(e->d_name) > 2) unlink(in(d, e->d_name));
    closedir(dir);
    cr_assert_eq(rmdir(d->dir), 0);
}
/* One tensor "name" of two bytes. */
static void write_shard(struct place *d, const char *file, const char *name)
{
    char      text[300];
    const int n = snprintf(text + 8, sizeof text - 8,
                           "{\"%s\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]}}", name);
    memset(text, 0, 8);
    text[0] = (char)n;
    memcpy(text + 8 + n, "ab", 2);
    write_file(d, file, text, (size_t)n + 10);
}
static void refused(struct place *d, const char *why)
{
    wk_ctx   *c = wk_ctx_new("cpu");
    wk_files *f = wk_files_open(c, d->dir);
    cr_assert_null(f, "expected \"%s\", but it loads", why);
    cr_assert(strstr(wk_ctx_message(c), why), "expected \"%s\", got \"%s\"", why, wk_ctx_message(c));
    wk_ctx_free(c);
}

#define INDEX   "model.safetensors.index.json"
#define SHARD_1 "model-00001-of-00002.safetensors"
#define SHARD_2 "model-00002-of-00002.safetensors"

Test(safetensors, indexes)
{
    struct place d = place_new();
    wk_ctx      *c = wk_ctx_new("cpu");
    write_shard(&d, SHARD_1, "a");
    write_shard(&d, SHARD_2, "b");
    write_text(&d, INDEX, "{\"weight_map\": {\"a\": \"" SHARD_1 "\", \"b\": \"" SHARD_2 "\"}}");
    cr_assert(visit(c, d.dir, "two shards"));
    static const char *const bad[] = {"../x.safetensors",
                                      "/etc/x.safetensors",
                                      "sub/x.safetensors",
                                      ".x.safetensors",
                                      "passwd",
                                      "..",
                                      "a\\u0000.safetensors",
                                      "a\\u001b.safetensors",
                                      ""};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char text[200];
        snprintf(text, sizeof text, "{\"weight_map\": {\"a\": \"%s\"}}", bad[i]);
        write_text(&d, INDEX, text);
        refused(&d, "is no name of a .safetensors file");
        cr_assert_not(visit(c, d.dir, bad[i]));
    }
    write_text(&d, INDEX, "{\"weight_map\": {\"a\": \"model-00003-of-00003.safetensors\"}}");
    refused(&d, "model-00003-of-00003.safetensors: cannot open");
    write_text(&d, INDEX, "{\"weight_map\": {\"a\": \"" SHARD_1 "\", \"a\": \"" SHARD_2 "\"}}");
    refused(&d, "\"a\" appears twice");
    write_text(&d, INDEX, "{\"weight_map\": {\"a\": \"" SHARD_2 "\", \"b\": \"" SHARD_1 "\"}}");
    refused(&d, "tensor \"a\" is not in " SHARD_2);
    write_text(&d, INDEX,
               "{\"weight_map\": {\"a\": \"" SHARD_1 "\", \"b\": \"" SHARD_2 "\", \"c\": \"" SHARD_2 "\"}}");
    refused(&d, "tensor \"c\" is not in " SHARD_2);
    write_text(&d, INDEX, "{\"weight_map\": {}}");
    refused(&d, "empty");
    write_text(&d, INDEX, "{\"weight_map\": {\"a\": \"" SHARD_1 "\", \"b\": \"" SHARD_2 "\"}}");
    write_shard(&d, SHARD_2, "a");
    refused(&d, SHARD_1 " too");
    wk_ctx_free(c);
    place_free(&d);
}

Test(safetensors, links_named_by_data)
{
    struct place d = place_new();
    wk_ctx      *c = wk_ctx_new("cpu");
    char         target[400];
    write_shard(&d, "blob", "a");
    snprintf(target, sizeof target, "%s/blob", d.dir);
    cr_assert_eq(symlink(target, in(&d, "x.safetensors")), 0);
    write_text(&d, INDEX, "{\"weight_map\": {\"a\": \"x.safetensors\"}}");
    refused(&d, "symbolic link");
    unlink(in(&d, "x.safetensors"));
    cr_assert_eq(link(target, in(&d, "x.safetensors")), 0);
    refused(&d, "hard link");
    unlink(in(&d, "x.safetensors"));
    cr_assert_eq(mkdir(in(&d, "x.safetensors"), 0700), 0);
    refused(&d, "not a regular file");
    rmdir(in(&d, "x.safetensors"));
    cr_assert_eq(mkfifo(in(&d, "x.safetensors"), 0600), 0);
    refused(&d, "not a regular file");
    /* A cache keeps links under the usual names. */
    cr_assert_eq(symlink(target, in(&d, "model-00001-of-00001.safetensors")), 0);
    write_text(&d, INDEX, "{\"weight_map\": {\"a\": \"model-00001-of-00001.safetensors\"}}");
    cr_assert(visit(c, d.dir, "cache"));
    unlink(in(&d, INDEX));
    cr_assert_eq(symlink(target, in(&d, "model.safetensors")), 0);
    cr_assert(visit(c, d.dir, "cache"));
    wk_ctx_free(c);
    place_free(&d);
}

/* ---- hostile headers ---- */

static void header(const char *text, size_t data, const char *why)
{
    struct image m = image_new();
    const size_t n = strlen(text);
    char        *p = calloc(1, n + data + 8);
    wk_ctx      *c = wk_ctx_new("cpu");
    memcpy(p, &(uint64_t){n}, 8);
    memcpy(p + 8, text, n);
    image_put(&m, p, n + data + 8);
    cr_assert_eq(visit(c, m.path, text), why == NULL, "%s", text);
    if (why) {
        cr_assert_null(wk_files_open(c, m.path));
        cr_assert(strstr(wk_ctx_message(c), why), "%s: expected \"%s\", got \"%s\"", text, why,
                  wk_ctx_message(c));
    }
    wk_ctx_free(c);
    image_free(&m);
    free(p);
}

#define T(name, shape, from, to)                                                                             \
    "\"" name "\":{\"dtype\":\"F32\",\"shape\":" shape ",\"data_offsets\":[" #from "," #to "]}"

Test(safetensors, named_cases)
{
    header("{}", 0, NULL);
    header("{}   ", 0, NULL);
    header("{" T("a", "[]", 0, 4) "}", 4, NULL);
    header("{" T("a", "[1]", 0, 4) "," T("b", "[0]", 4, 4) "," T("c", "[1]", 4, 8) "}", 8, NULL);
    header("{" T("a", "[1]", 0, 4) "," T("b", "[1]", 0, 4) "}", 4, "overlap");
    header("{" T("a", "[1]", 0, 4) "," T("b", "[1]", 5, 9) "}", 9, "a hole");
    header("{" T("a", "[1]", 4, 8) "}", 8, "a hole");
    header("{" T("a", "[1]", 0, 4) "}", 5, "tensors end at data byte 4, the file has 5");
    header("{" T("a", "[1]", 0, 4) "}", 3, "tensors end at");
    header("{}", 1, "tensors end at");
    header("{" T("a", "[1]", 0, 4) "," T("a", "[1]", 4, 8) "}", 8, "\"a\" appears twice");
    header("{" T("a", "[2]", 0, 4) "}", 4, "shape and dtype need 8");
    header("{" T("a", "[1]", 4, 0) "}", 4, "in order");
    header("{" T("a", "[4294967296,4294967296]", 0, 4) "}", 4, "too many values");
    header("{" T("a", "[9223372036854775807,2]", 0, 4) "}", 4, "too many values");
    header("{" T("a", "[1099511627776,1099511627776,0]", 0, 0) "}", 0, "too many values");
    header("{" T("a", "[18446744073709551617]", 0, 4) "}", 4, "whole number");
    header("{" T("a", "[-1]", 0, 4) "}", 4, "whole number");
    header("{" T("a", "[1.0]", 0, 4) "}", 4, "whole number");
    header("{" T("a", "[1,1,1,1,1,1,1,1,1]", 0, 4) "}", 4, "more than 8 dims");
    header("{" T("a\\u001b[31m", "[1]", 0, 4) "}", 4, "tensor name");
    header("{" T("a\\u0000b", "[1]", 0, 4) "}", 4, "tensor name");
    header("{" T("", "[1]", 0, 4) "}", 4, "tensor name");
    header("{" T("\xff", "[1]", 0, 4) "}", 4, "not UTF-8");
    header("{" T("\\ud800", "[1]", 0, 4) "}", 4, "broken escape");
    header("{\"a\":{\"dtype\":\"F32\",\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0,4]}}", 4,
           "\"dtype\" appears twice");
    header("{\"a\":{\"dtype\":\"F32\",\"d\\u0074ype\":\"F32\",\"shape\":[],\"data_offsets\":[0,4]}}", 4,
           "appears twice");
    header("{\"a\":{\"dtype\":\"F32\",\"shape\":[]}}", 4, "missing");
    header("{\"a\":{\"dtype\":1,\"shape\":[],\"data_offsets\":[0,4]}}", 4, "dtype");
    header("{\"a\":{\"dtype\":\"X9\",\"shape\":[],\"data_offsets\":[0,4]}}", 4, NULL);
    header("{\"__metadata__\":{\"a\":\"b\"}}", 0, NULL);
    header("{\"__metadata__\":{\"a\":1}}", 0, "__metadata__");
    header("{\"__metadata__\":{\"a\":\"b\",\"a\":\"c\"}}", 0, "appears twice");
    header("{\"__metadata__\":{},\"__metadata__\":{}}", 0, "appears twice");
    header("{} x", 0, "text after the end");
    header(" {}", 0, "neither GGUF nor safetensors");
    header("{", 0, "the text ends");
    header("{\"a\"", 0, "the text ends");
    header("{,}", 0, "should be here");
    header("{" T("a", "[01]", 0, 4) "}", 4, "not a number");
}

static int64_t resident(void)
{
    struct rusage r;
    getrusage(RUSAGE_SELF, &r);
    return (int64_t)r.ru_maxrss * 1024;
}

Test(safetensors, lengths_beyond_the_file_cost_no_memory)
{
    struct place d = place_new();
    wk_ctx      *c = wk_ctx_new("cpu");
    char         text[64] = "";
    visit(c, GOLDEN "types.safetensors", "warm");
    const int64_t         before = resident();
    static const uint64_t lengths[] = {UINT64_C(1) << 40, UINT64_MAX, UINT64_MAX - 7, 100000001, 57, 0};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        memcpy(text, &lengths[i], 8);
        text[8] = '{';
        write_file(&d, "model.safetensors", text, sizeof text);
        cr_assert_not(visit(c, d.dir, "length"));
    }
    cr_assert_leq(resident() - before, 16 << 20);
    wk_ctx_free(c);
    place_free(&d);
}

static void *on_small_stack(void *path)
{
    wk_ctx *c = wk_ctx_new("cpu");
    cr_assert_not(visit(c, path, "nesting"));
    wk_ctx_free(c);
    return NULL;
}

Test(safetensors, nesting)
{
    static char  text[400100];
    struct place d = place_new();
    for (int kind = 0; kind < 3; kind++) {
        size_t n = 8;
        n += (size_t)snprintf(text + n, 40, kind == 0 ? "{\"a\":{\"extra\":" : "{\"a\":");
        for (int i = 0; i < 100000; i++) n += (size_t)snprintf(text + n, 8, kind == 2 ? "{\"\":" : "[");
        memcpy(text, &(uint64_t){n - 8}, 8);
        write_file(&d, "model.safetensors", text, n);
        if (kind) write_file(&d, "config.json", text + 8, n - 8);
        pthread_attr_t a;
        pthread_t      t;
        pthread_attr_init(&a);
        pthread_attr_setstacksize(&a, 512 << 10);
        cr_assert_eq(pthread_create(&t, &a, on_small_stack, d.dir), 0);
        pthread_join(t, NULL);
        refused(&d, "nested deeper than 64");
    }
    place_free(&d);
}

Test(safetensors, a_header_of_many_megabytes, .timeout = 120)
{
    const size_t n = 60000000;
    char        *p = malloc(n + 8);
    wk_ctx      *c = wk_ctx_new("cpu");
    struct image m = image_new();
    memcpy(p, &(uint64_t){n}, 8);
    memset(p + 8, '[', n);
    size_t k = 8 + (size_t)sprintf(p + 8, "{\"a\":{\"x\":[");
    while (k + 20 < n + 8) k += (size_t)sprintf(p + k, "[],");
    memcpy(p + k, "1]}}", 4);
    memset(p + k + 4, ' ', n + 8 - k - 4);
    image_put(&m, p, n + 8);
    free(p);
    visit(c, GOLDEN "types.safetensors", "warm");
    const int64_t before = resident();
    cr_assert_null(wk_files_open(c, m.path));
    cr_assert(strstr(wk_ctx_message(c), "missing"), "%s", wk_ctx_message(c));
    cr_assert_leq(resident() - before, (int64_t)n + (16 << 20), "more than the mapping itself");
    wk_ctx_free(c);
    image_free(&m);
}

Test(safetensors, config_files)
{
    static const struct {
        const char *text, *why; /* NULL: loads */
    } rows[] = {
        {"{}", NULL},
        {" {\"a\": [], \"b\": {}} \n", NULL},
        {"{\"a\": -0, \"b\": 1e2, \"c\": -1.5E-3}", NULL},
        {"{\"a\": 1, \"a\": 2}", "\"a\" appears twice"},
        {"{\"a\": {\"b\": 1}, \"a\": {\"b\": 1}}", "\"a.b\" appears twice"},
        {"[]", "'{' should be here"},
        {"", "the text ends"},
        {"{\"a\": 1e999}", "out of range"},
        {"{\"a\": NaN}", "no JSON value"},
        {"{\"a\": +1}", "no JSON value"},
        {"{\"a\": .5}", "no JSON value"},
        {"{\"a\": 1.}", "not a number"},
        {"{\"a\": 1,}", "should be here"},
        {"{\"a\" 1}", "should be here"},
        {"{\"a\": 'x'}", "no JSON value"},
        {"{\"a\": \"\t\"}", "control character"},
        {"{\"a\": \"\\x\"}", "broken escape"},
        {"{\"a\": \"\\udc00\"}", "broken escape"},
        {"{\"a\": [1, 2}", "should be here"},
        {"{\"a\": 1} {}", "text after the end"},
        {"\xef\xbb\xbf{}", "should be here"},
    };
    struct place d = place_new();
    wk_ctx      *c = wk_ctx_new("cpu");
    write_shard(&d, "model.safetensors", "a");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        write_text(&d, "config.json", rows[i].text);
        cr_assert_eq(visit(c, d.dir, rows[i].text), rows[i].why == NULL, "%s", rows[i].text);
        if (rows[i].why) refused(&d, rows[i].why);
    }
    write_file(&d, "config.json", "{}\0", 3);
    refused(&d, "text after the end");
    wk_ctx_free(c);
    place_free(&d);
}

Test(safetensors, truncated_and_damaged, .timeout = 600)
{
    cr_assert_gt(sweep("types.safetensors"), 0);
    cr_assert_gt(sweep("small.safetensors"), 0);
}

Test(safetensors, hostile_integers, .timeout = 600)
{
    hostile_integers("small.safetensors");
}

Test(safetensors, damaged_folders, .timeout = 600)
{
    static const char *const names[] = {"config.json", INDEX, SHARD_1, SHARD_2};
    struct place             d = place_new();
    wk_ctx                  *c = wk_ctx_new("cpu");
    struct image             m[4];
    for (int i = 0; i < 4; i++) {
        char name[100];
        snprintf(name, sizeof name, "folder/%s", names[i]);
        m[i] = image_of(name);
        write_file(&d, names[i], m[i].p, m[i].n);
    }
    cr_assert(visit(c, d.dir, "copy"));
    for (int i = 0; i < 4; i++) {
        char what[200];
        for (size_t n = 0; n < m[i].n; n++) {
            write_file(&d, names[i], m[i].p, n);
            snprintf(what, sizeof what, "%s cut to %zu", names[i], n);
            visit(c, d.dir, what);
        }
        for (size_t k = 0; k < m[i].n; k++)
            for (int v = 0; v < 7; v++) {
                const unsigned char was = m[i].p[k];
                m[i].p[k] = v < 4    ? (unsigned char[]){0, 0xff, 0x7f, 0x80}[v]
                            : v == 4 ? (unsigned char)(was + 1)
                            : v == 5 ? (unsigned char)(was - 1)
                                     : was ^ 0x20;
                write_file(&d, names[i], m[i].p, m[i].n);
                snprintf(what, sizeof what, "%s with byte %zu set to %02x", names[i], k, m[i].p[k]);
                visit(c, d.dir, what);
                m[i].p[k] = was;
            }
        write_file(&d, names[i], m[i].p, m[i].n);
        image_free(&m[i]);
    }
    wk_ctx_free(c);
    place_free(&d);
}

Test(safetensors, failing_allocations)
{
    failing_allocations(GOLDEN "types.safetensors");
    failing_allocations(GOLDEN "folder");
}

/* ---- saving ---- */

static int64_t entries(const char *dir)
{
    int64_t n = 0;
    DIR    *d = opendir(dir);
    while (readdir(d)) n++;
    closedir(d);
    return n - 2;
}

Test(save, what_is_saved_loads)
{
    static const wk_dtype types[] = {WK_bool, WK_u8,   WK_i8,  WK_i16, WK_i32,    WK_i64,   WK_u32,
                                     WK_f16,  WK_bf16, WK_f32, WK_f64, WK_f8e4m3, WK_f8e5m2};
    enum { N = sizeof types / sizeof *types };
    struct place      d = place_new();
    wk_ctx           *c = wk_ctx_new("cpu");
    const char       *names[N + 1];
    wk_tensor         x[N + 1];
    unsigned char     data[64], got[64];
    const char *const metadata[][2] = {{"format", "pt"}, {"no\"te", "a\\b\n\xc3\xa9"}};
    for (size_t i = 0; i < sizeof data; i++) data[i] = (unsigned char)(i & 1);
    for (int i = 0; i < N; i++) {
        names[i] = wk_dtype_name(types[i]);
        x[i] = wk_make(c, data, types[i], WK_SHAPE(2, 3));
    }
    names[N] = "empty \"one\"";
    x[N] = wk_zeros(c, WK_f32, WK_SHAPE(0, 2));
    cr_assert_eq(wk_save(c, in(&d, "model.safetensors"), N + 1, names, x, 2, metadata), WK_OK, "%s",
                 wk_ctx_message(c));
    wk_files *f = wk_files_open(c, d.dir);
    cr_assert(f != NULL, "%s", wk_ctx_message(c));
    cr_assert_eq(wk_files_count(f), N + 1);
    cr_assert_str_eq(wk_config_string(f, "__metadata__.no\"te", ""), metadata[1][1]);
    for (int i = 0; i <= N; i++) {
        wk_tensor y = wk_files_tensor(c, f, names[i]);
        cr_assert(y->dtype == x[i]->dtype && wk_bytes(y) == wk_bytes(x[i]), "%s", names[i]);
        cr_assert_eq(wk_read(c, y, got), WK_OK, "%s", wk_ctx_message(c));
        cr_assert_eq(memcmp(got, data, (size_t)wk_bytes(y)), 0, "%s", names[i]);
    }
    wk_files_close(f);
    cr_assert_eq(entries(d.dir), 1, "a temporary file was left");
    wk_ctx_free(c);
    place_free(&d);
}

Test(save, refusals_leave_the_old_file)
{
    struct place      d = place_new();
    wk_ctx           *c = wk_ctx_new("cpu");
    const char *const one[] = {"a", "a"};
    wk_tensor         x[] = {wk_zeros(c, WK_f32, WK_SHAPE(4)), wk_zeros(c, WK_f32, WK_SHAPE(4))};
    write_text(&d, "model.safetensors", "old");
    cr_assert_eq(wk_save(c, d.path, 2, one, x, 0, NULL), WK_EARG);
    cr_assert(strstr(wk_ctx_message(c), "two tensors"), "%s", wk_ctx_message(c));
    wk_ctx_clear(c);
    cr_assert_eq(wk_save(c, d.path, 1, (const char *const[]){"a\n"}, x, 0, NULL), WK_EARG);
    wk_ctx_clear(c);
    cr_assert_eq(wk_save(c, d.path, 1, one, (wk_tensor[]){WK_NONE}, 0, NULL), WK_EARG);
    wk_ctx_clear(c);
    cr_assert_eq(wk_save(c, "/no/such/folder/x", 1, one, x, 0, NULL), WK_EIO);
    wk_ctx_clear(c);
    cr_assert_eq(wk_save(c, "/dev/full/x", 1, one, x, 0, NULL), WK_EIO);
    wk_ctx_clear(c);
    cr_assert_eq(wk_save(c, d.dir, 1, one, x, 0, NULL), WK_EIO, "a folder was replaced");
    wk_ctx_clear(c);
    /* A disk that is full in the middle of the file. */
    struct rlimit was, small = {.rlim_cur = 60, .rlim_max = RLIM_INFINITY};
    getrlimit(RLIMIT_FSIZE, &was);
    small.rlim_max = was.rlim_max;
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &small);
    const wk_status s = wk_save(c, in(&d, "model.safetensors"), 1, one, x, 0, NULL);
    setrlimit(RLIMIT_FSIZE, &was);
    cr_assert_eq(s, WK_EIO);
    wk_ctx_clear(c);
    char  text[8] = "";
    FILE *f = fopen(in(&d, "model.safetensors"), "rb");
    cr_assert(f && fread(text, 1, 7, f) == 3 && strcmp(text, "old") == 0);
    fclose(f);
    cr_assert_eq(entries(d.dir), 1, "a temporary file was left");
    for (int64_t n = 1, made = n; made >= n; n++) {
        wk_alloc_fail_at(n, true);
        wk_save(c, d.path, 1, one, x, 0, NULL);
        made = wk_alloc_fail_at(0, false);
        cr_assert(made < n || wk_ctx_status(c) == WK_ENOMEM, "allocation %lld: %s", (long long)n,
                  wk_ctx_message(c));
        wk_ctx_clear(c);
        cr_assert_eq(entries(d.dir), 1, "a temporary file was left");
    }
    wk_ctx_free(c);
    place_free(&d);
}
