/* Tokenisers: ids equal to the references', any bytes survive, hostile input is bounded, bad files are
 * refused. */
#include "golden.h"

#include <pthread.h>
#include <time.h>

static void all_cases(wk_ctx *c, const wk_tokenizer *t, const char *file)
{
    size_t      length;
    char       *data = golden_file(file, &length);
    const char *p = data;
    int         n = 0;
    for (; p < data + length; n++) {
        struct golden_case k = golden_next(&p);
        wk_tokens          got = {0};
        cr_assert_eq(
            wk_encode(c, t, k.text, k.length, (wk_encode_opts){k.flags & 1, (k.flags & 2) != 0}, &got),
            WK_OK);
        cr_assert_eq(got.count, k.count, "%s case %d '%.*s': %d tokens, want %u", file, n, (int)k.length,
                     k.text, (int)got.count, k.count);
        for (uint32_t i = 0; i < k.count; i++)
            cr_assert_eq(got.id[i], k.id[i], "%s case %d '%.*s': token %u is %d, want %d", file, n,
                         (int)k.length, k.text, i, got.id[i], k.id[i]);
        wk_tokens_free(&got);
        free(k.id);
    }
    cr_assert_gt(n, 200, "%s: %d cases", file, n);
    free(data);
}

Test(tokenizer, json_equals_reference)
{
    static const char *const names[] = {"gpt2", "roberta", "smollm", "llama3", "qwen2", "llama2", "mistral"};
    wk_ctx                  *c = wk_ctx_new("cpu");
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char file[64];
        snprintf(file, sizeof file, "%s.cases", names[i]);
        wk_tokenizer *t = golden_json(c, names[i]);
        cr_assert_str_eq(wk_tokenizer_kind(t), i < 5 ? "bpe" : "sentencepiece-bpe");
        all_cases(c, t, file);
        wk_tokenizer_free(t);
    }
    wk_ctx_free(c);
}

Test(tokenizer, gguf_equals_reference)
{
    static const char *const names[] = {"smollm", "llama3", "qwen2", "default", "spm"};
    wk_ctx                  *c = wk_ctx_new("cpu");
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char path[512], file[64];
        snprintf(path, sizeof path, WK_SOURCE_DIR "/tests/golden/text/%s.gguf", names[i]);
        snprintf(file, sizeof file, "%s-gguf.cases", names[i]);
        wk_files     *f = wk_files_open(c, path);
        wk_tokenizer *t = wk_tokenizer_open(c, f);
        cr_assert_not_null(t, "%s: %s", names[i], wk_ctx_message(c));
        wk_files_close(f); /* the tokeniser needs the file no longer */
        cr_assert_str_eq(wk_tokenizer_kind(t), strcmp(names[i], "spm") ? "bpe" : "sentencepiece-bpe");
        all_cases(c, t, file);
        wk_tokenizer_free(t);
    }
    wk_ctx_free(c);
}

Test(tokenizer, special_tokens_are_found_and_stay_text_unless_asked_for)
{
    wk_ctx       *c = wk_ctx_new("cpu");
    wk_tokenizer *t = golden_json(c, "qwen2");
    const int32_t start = wk_token_find(t, "<|im_start|>"), tool = wk_token_find(t, "<tool>");
    wk_tokens     out = {0};
    bool          special = false;
    size_t        length = 0;
    cr_assert_eq(start, 1);
    cr_assert_gt(tool, 600);
    cr_assert_eq(wk_token_find(t, "no such token"), -1);
    cr_assert_eq(wk_token_find(t, ""), -1);
    cr_assert_geq(wk_token_find(t, " "), 0);
    const char *bytes = wk_token_bytes(t, start, &length, &special);
    cr_assert_eq(length, 12);
    cr_assert_arr_eq(bytes, "<|im_start|>", length);
    cr_assert(special);
    cr_assert_not_null(wk_token_bytes(t, tool, &length, &special));
    cr_assert(!special);
    cr_assert_null(wk_token_bytes(t, -1, &length, &special));
    cr_assert_null(wk_token_bytes(t, (int32_t)wk_tokenizer_size(t), &length, &special));
    cr_assert(wk_token_ends(t, wk_token_find(t, "<|im_end|>")));
    cr_assert(!wk_token_ends(t, start));
    cr_assert_eq(wk_token_bos(t), -1);
    cr_assert_eq(wk_token_eos(t), -1);
    for (int ask = 0; ask < 2; ask++) {
        wk_encode(c, t, "<|im_start|><tool>", 18, (wk_encode_opts){.special = ask}, &out);
        cr_assert_eq(out.id[0] == start, ask);
        cr_assert_eq(out.id[out.count - 1], tool,
                     "added words that are no control tokens are always cut out");
        cr_assert(ask ? out.count == 2 : out.count > 3);
        wk_tokens_free(&out);
    }
    wk_tokenizer_free(t);
    wk_ctx_free(c);
}

static size_t joined(const wk_tokenizer *t, const wk_tokens *x, char *out)
{
    size_t n = 0, length;
    for (int64_t i = 0; i < x->count; i++) {
        const char *p = wk_token_bytes(t, x->id[i], &length, NULL);
        memcpy(out + n, p, length);
        n += length;
    }
    return n;
}

/* 100,000 random strings, half of them well-formed UTF-8, half any bytes. */
Test(tokenizer, any_bytes_survive)
{
    static const char *const names[] = {"gpt2", "smollm", "llama3"};
    wk_ctx                  *c = wk_ctx_new("cpu");
    uint64_t                 state = 7;
    wk_tokens                out = {0};
    for (int k = 0; k < 3; k++) {
        wk_tokenizer *t = golden_json(c, names[k]);
        for (int i = 0; i < 34000; i++) {
            unsigned char text[160];
            char          back[160];
            size_t        n = 0;
            for (uint32_t len = golden_random(&state) % 30; len; len--) {
                const uint32_t r = golden_random(&state), sort = r % 4;
                const uint32_t code = 0x80 + r / 16 % (sort == 1 ? 0x780 : 0x10ff00);
                if (i % 2 || sort == 0) {
                    text[n++] = (unsigned char)(i % 2 ? r / 4 : 32 + r / 4 % 95);
                } else if (code < 0x800) {
                    text[n++] = (unsigned char)(0xc0 | code >> 6);
                    text[n++] = (unsigned char)(0x80 | (code & 63));
                } else {
                    if (code >= 0x10000) text[n++] = (unsigned char)(0xf0 | code >> 18);
                    text[n++] =
                        (unsigned char)(code >= 0x10000 ? 0x80 | (code >> 12 & 63) : 0xe0 | code >> 12);
                    text[n++] = (unsigned char)(0x80 | (code >> 6 & 63));
                    text[n++] = (unsigned char)(0x80 | (code & 63));
                }
            }
            out.count = 0;
            wk_encode(c, t, (const char *)text, n, (wk_encode_opts){0}, &out);
            cr_assert_eq(joined(t, &out, back), n, "%s string %d", names[k], i);
            cr_assert_arr_eq(back, text, n, "%s string %d", names[k], i);
        }
        wk_tokenizer_free(t);
    }
    cr_assert_eq(wk_ctx_status(c), WK_OK, "%s", wk_ctx_message(c));
    wk_tokens_free(&out);
    wk_ctx_free(c);
}

/* A megabyte of what is hard for splitters, merging or normalising. */
Test(tokenizer, bombs_take_time_n_log_n)
{
    static const char *const names[] = {"gpt2", "llama3", "qwen2"};
    static const char *const bombs[] = {
        "a",           " ", "\n",   "^",           "\xf0\x9f\x98\x80", "ab",
        "a ",          "'", "1",    " \n",         "\xcc\x81",         "\xcc\x81\xcc\xa7",
        "<|im_start|", "<", "\xff", "\xe1\x84\x80"};
    const size_t size = 1 << 20;
    wk_ctx      *c = wk_ctx_new("cpu");
    char        *text = malloc(size + 16);
    for (size_t k = 0; k < 3; k++) {
        wk_tokenizer *t = golden_json(c, names[k]);
        for (size_t b = 0; b <= sizeof bombs / sizeof *bombs; b++) {
            uint64_t     state = 3;
            wk_tokens    out = {0};
            const bool   random = b == sizeof bombs / sizeof *bombs;
            const size_t n = random ? 1 : strlen(bombs[b]);
            for (size_t i = 0; i < size; i += n) {
                if (random)
                    text[i] = (char)golden_random(&state);
                else
                    memcpy(text + i, bombs[b], n);
            }
            const clock_t start = clock();
            cr_assert_eq(wk_encode(c, t, text, size, (wk_encode_opts){.special = true}, &out), WK_OK);
            const double seconds = (double)(clock() - start) / CLOCKS_PER_SEC;
            cr_assert_lt(seconds, 8, "%s: 1 MB of '%s' took %.1f s", names[k], random ? "random" : bombs[b],
                         seconds);
            cr_assert_gt(out.count, 0);
            wk_tokens_free(&out);
        }
        wk_tokenizer_free(t);
    }
    free(text);
    wk_ctx_free(c);
}

/* A whole tokenizer.json with every part in it, small enough to damage everywhere. */
#define HEAD                                                                                                 \
    "{\"added_tokens\":[{\"id\":0,\"content\":\"<e>\",\"special\":true},{\"id\":9,\"content\":\"<u>\","      \
    "\"lstrip\":true}],"
#define NORM "\"normalizer\":{\"type\":\"NFC\"},"
#define PRE                                                                                                  \
    "\"pre_tokenizer\":{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Digits\",\"individual_"         \
    "digits\":true},"                                                                                        \
    "{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"use_regex\":true}]},"
#define POST                                                                                                 \
    "\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":[{\"SpecialToken\":{\"id\":\"<e>\","     \
    "\"type_id\":0}},"                                                                                       \
    "{\"Sequence\":{\"id\":\"A\",\"type_id\":0}}],\"special_tokens\":{\"<e>\":{\"id\":\"<e>\",\"ids\":[0]}}" \
    "},"
#define DECODER "\"decoder\":{\"type\":\"ByteLevel\"},"
#define MODEL                                                                                                \
    "\"model\":{\"type\":\"BPE\",\"unk_token\":null,\"ignore_merges\":false,\"vocab\":{\"h\":1,\"e\":2,"     \
    "\"l\":3,\"o\":4,"                                                                                       \
    "\"\\u0120\":5,\"he\":6,\"ll\":7,\"hell\":8},\"merges\":[\"h e\",[\"l\",\"l\"],\"he ll\"]}}"

static void try_json(wk_ctx *c, const char *json, size_t n)
{
    wk_tokenizer *t = wk_tokenizer_from_json(c, json, n);
    cr_assert((t != NULL) == (wk_ctx_status(c) == WK_OK));
    if (t) {
        wk_tokens out = {0};
        char      text[64];
        wk_encode(c, t, "hello 12 <e> <u>", 16, (wk_encode_opts){true, true}, &out);
        wk_decoder d = wk_decoder_new(t, true);
        for (int64_t i = 0; i < out.count; i++) wk_decode(&d, out.id[i], text, sizeof text);
        wk_tokens_free(&out);
    } else {
        cr_assert(wk_ctx_status(c) == WK_EFORMAT || wk_ctx_status(c) == WK_EUNSUPPORTED, "%s",
                  wk_ctx_message(c));
    }
    wk_tokenizer_free(t);
    wk_ctx_clear(c);
}

Test(tokenizer, a_damaged_json_never_crashes)
{
    static const char json[] = HEAD NORM PRE POST DECODER MODEL;
    wk_ctx                                               *c = wk_ctx_new("cpu");
    char                                                  copy[sizeof json];
    wk_tokens                                             out = {0};
    wk_tokenizer *t = wk_tokenizer_from_json(c, json, sizeof json - 1);
    cr_assert_not_null(t, "%s", wk_ctx_message(c));
    wk_encode(c, t, "hello  <u>", 10, (wk_encode_opts){.add_edges = true}, &out);
    cr_assert_arr_eq(out.id, ((int32_t[]){0, 8, 4, 9}), 4 * sizeof(int32_t));
    cr_assert_eq(out.count, 4);
    wk_tokens_free(&out);
    wk_tokenizer_free(t);
    for (size_t n = 0; n < sizeof json - 1; n++) try_json(c, json, n);
    for (size_t i = 0; i < sizeof json - 1; i++) {
        const char value[] = {0,
                              (char)0xff,
                              0x7f,
                              (char)0x80,
                              (char)(json[i] + 1),
                              (char)(json[i] - 1),
                              (char)(json[i] ^ 0x20),
                              '"',
                              '9',
                              '{',
                              ']'};
        for (size_t k = 0; k < sizeof value; k++) {
            memcpy(copy, json, sizeof json);
            copy[i] = value[k];
            try_json(c, copy, sizeof json - 1);
        }
    }
    wk_ctx_free(c);
}

static void refused(wk_ctx *c, wk_status status, const char *says, const char *json)
{
    wk_tokenizer *t = wk_tokenizer_from_json(c, json, strlen(json));
    cr_assert_null(t, "%s", json);
    cr_assert_eq(wk_ctx_status(c), status, "%s: %s", json, wk_ctx_message(c));
    cr_assert_not_null(strstr(wk_ctx_message(c), says), "'%s' does not say %s", wk_ctx_message(c), says);
    wk_ctx_clear(c);
}

Test(tokenizer, what_is_not_known_is_refused_by_name)
{
    wk_ctx *c = wk_ctx_new("cpu");
    refused(c, WK_EUNSUPPORTED, "Lowercase", HEAD "\"normalizer\":{\"type\":\"Lowercase\"}," PRE MODEL);
    refused(c, WK_EUNSUPPORTED, "Metaspace", HEAD "\"pre_tokenizer\":{\"type\":\"Metaspace\"}," MODEL);
    refused(c, WK_EUNSUPPORTED, "(a+)+$",
            HEAD "\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"Regex\":\"(a+)+$\"},\"behavior\":"
                 "\"Isolated\"}," MODEL);
    refused(c, WK_EUNSUPPORTED, "MergedWithNext",
            HEAD "\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"Regex\":\"\\\\d\"},\"behavior\":"
                 "\"MergedWithNext\"}," MODEL);
    refused(c, WK_EUNSUPPORTED, "Fuse", HEAD PRE "\"decoder\":{\"type\":\"Fuse\"}," MODEL);
    refused(c, WK_EUNSUPPORTED, "Odd", HEAD PRE "\"post_processor\":{\"type\":\"Odd\"}," MODEL);
    refused(c, WK_EUNSUPPORTED, "Unigram", "{\"model\":{\"type\":\"Unigram\",\"vocab\":[]}}");
    refused(c, WK_EUNSUPPORTED, "splits",
            "{\"pre_tokenizer\":{\"type\":\"Metaspace\",\"replacement\":\"\\u2581\"},"
            "\"model\":{\"type\":\"BPE\",\"byte_fallback\":true,\"vocab\":{\"a\":0},\"merges\":[]}}");
    refused(c, WK_EFORMAT, "form",
            "{\"model\":{\"byte_fallback\":true,\"vocab\":{\"<0x-1>\":0},\"merges\":[]}}");
    refused(
        c, WK_EUNSUPPORTED, "single_word",
        "{\"added_tokens\":[{\"id\":0,\"content\":\"x\",\"single_word\":true}],\"model\":{\"vocab\":{}}}");
    refused(c, WK_EFORMAT, "empty", "{\"model\":{\"vocab\":{},\"merges\":[]}}");
    refused(c, WK_EFORMAT, "no vocabulary", "{\"model\":{\"vocab\":[1]}}");
    refused(c, WK_EFORMAT, "out of range", "{\"model\":{\"vocab\":{\"a\":4000000000}}}");
    refused(c, WK_EFORMAT, "out of range", "{\"model\":{\"vocab\":{\"a\":-1}}}");
    refused(c, WK_EFORMAT, "number", "{\"model\":{\"vocab\":{\"a\":\"1\"}}}");
    refused(c, WK_EFORMAT, "whole number", "{\"model\":{\"vocab\":{\"a\":1.5}}}");
    refused(c, WK_EFORMAT, "NUL", "{\"model\":{\"vocab\":{\"\\u0000\":1}}}");
    refused(c, WK_EFORMAT, "duplicate", "{\"model\":{\"vocab\":{\"a\":1},\"vocab\":{\"b\":2}}}");
    refused(c, WK_EFORMAT, "merge 0", "{" PRE "\"model\":{\"vocab\":{\"a\":1},\"merges\":[\"a b\"]}}");
    refused(c, WK_EFORMAT, "pair", "{" PRE "\"model\":{\"vocab\":{\"a\":1},\"merges\":[\"ab\"]}}");
    refused(c, WK_EFORMAT, "pair", "{" PRE "\"model\":{\"vocab\":{\"a\":1},\"merges\":[7]}}");
    refused(c, WK_EFORMAT, "no merges", "{" PRE "\"model\":{\"vocab\":{\"a\":1},\"merges\":{}}}");
    refused(c, WK_EFORMAT, "byte 0", "");
    refused(c, WK_EFORMAT, "byte 9", "{\"model\":");
    cr_assert_null(wk_tokenizer_open(c, NULL));
    wk_ctx_free(c);
}

static void *nested(void *arg)
{
    const size_t n = 100000;
    char        *json = malloc(2 * n + 1);
    wk_ctx      *c = wk_ctx_new("cpu");
    memset(json, *(const char *)arg, n);
    memset(json + n, ']', n);
    json[2 * n] = '\0';
    refused(c, WK_EFORMAT, "byte", json);
    wk_ctx_free(c);
    free(json);
    return NULL;
}

Test(tokenizer, nesting_is_refused_on_a_small_stack)
{
    static char    open[] = "[";
    pthread_t      thread;
    pthread_attr_t small;
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, 512 * 1024);
    cr_assert_eq(pthread_create(&thread, &small, nested, open), 0);
    pthread_join(thread, NULL);
    pthread_attr_destroy(&small);
}

Test(tokenizer, every_allocation_may_fail)
{
    wk_ctx *c = wk_ctx_new("cpu");
    size_t  length;
    char   *json = golden_file("qwen2.json", &length);
    for (int keep = 0; keep < 2; keep++) {
        for (int64_t n = 1;; n++) {
            static const char text[] = "cafe\xcc\x81\xcc\xa7 <tool> "
                                       "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa 123";
            wk_tokens         out = {0};
            wk_alloc_fail_at(n, keep);
            wk_tokenizer *t = wk_tokenizer_from_json(c, json, length);
            if (t) wk_encode(c, t, text, sizeof text - 1, (wk_encode_opts){0}, &out);
            const bool done = wk_alloc_fail_at(0, false) < n;
            const bool failed = wk_ctx_status(c) != WK_OK;
            cr_assert(done || failed, "allocation %d failed unnoticed", (int)n);
            cr_assert(!failed || wk_ctx_status(c) == WK_ENOMEM, "%s", wk_ctx_message(c));
            cr_assert(!failed || out.count == 0);
            wk_ctx_clear(c);
            wk_tokens_free(&out);
            wk_tokenizer_free(t);
            if (done) break;
            cr_assert_lt(n, 1000);
        }
    }
    free(json);
    wk_ctx_free(c);
}

struct worker {
    const wk_tokenizer *t;
    bool                equal;
};

static void *encode_golden(void *arg)
{
    struct worker *w = arg;
    wk_ctx        *c = wk_ctx_new("cpu");
    size_t         length;
    char          *data = golden_file("qwen2.cases", &length);
    wk_tokens      got = {0};
    for (const char *p = data; p < data + length;) {
        struct golden_case k = golden_next(&p);
        got.count = 0;
        wk_encode(c, w->t, k.text, k.length, (wk_encode_opts){.special = true}, &got);
        w->equal =
            w->equal && got.count == k.count && (!k.count || !memcmp(got.id, k.id, 4 * (size_t)k.count));
        free(k.id);
    }
    wk_tokens_free(&got);
    free(data);
    wk_ctx_free(c);
    return NULL;
}

Test(tokenizer, threads_share_one)
{
    wk_ctx       *c = wk_ctx_new("cpu");
    wk_tokenizer *t = golden_json(c, "qwen2");
    pthread_t     thread[4];
    struct worker w[4];
    for (int i = 0; i < 4; i++) {
        w[i] = (struct worker){t, true};
        cr_assert_eq(pthread_create(&thread[i], NULL, encode_golden, &w[i]), 0);
    }
    for (int i = 0; i < 4; i++) {
        pthread_join(thread[i], NULL);
        cr_assert(w[i].equal);
    }
    wk_tokenizer_free(t);
    wk_ctx_free(c);
}
