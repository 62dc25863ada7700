/* GGUF files whose tokeniser is wrong: refused with a reason, or harmless. Each case replaces one entry. */
#include "golden.h"

#include <math.h>
#include <unistd.h>

enum { U8, I8, U16, I16, U32, I32, F32, BOOL, STRING, ARRAY }; /* GGUF's value types */

struct file {
    char  *data;
    size_t n;
    int    entries;
};

static void put(struct file *f, const void *p, size_t n)
{
    f->data = realloc(f->data, f->n + n);
    memcpy(f->data + f->n, p, n);
    f->n += n;
}

static void put_u32(struct file *f, uint32_t x)
{
    put(f, &x, sizeof x);
}

static void put_u64(struct file *f, uint64_t x)
{
    put(f, &x, sizeof x);
}

static void put_text(struct file *f, const char *s, size_t n)
{
    put_u64(f, n);
    put(f, s, n);
}

/* One entry of the metadata; value points at text, a number, or an array of numbers or of texts. */
struct entry {
    const char *key;
    int         type;
    int64_t     n; /* 0: one value, else items of an array; -1: an array of none */
    const void *value;
};

static void put_entry(struct file *f, struct entry e)
{
    static const size_t sizes[] = {1, 1, 2, 2, 4, 4, 4, 1};
    const int64_t       n = e.n < 0 ? 0 : e.n ? e.n : 1;
    f->entries++;
    put_text(f, e.key, strlen(e.key));
    if (e.n) {
        put_u32(f, ARRAY);
        put_u32(f, (uint32_t)e.type);
        put_u64(f, (uint64_t)n);
    } else {
        put_u32(f, (uint32_t)e.type);
    }
    if (e.type != STRING) {
        put(f, e.value, (size_t)n * sizes[e.type]);
    } else if (!e.n) {
        put_text(f, e.value, strlen(e.value));
    } else {
        for (int64_t i = 0; i < n; i++) {
            const char *s = ((const char *const *)e.value)[i];
            put_text(f, s, strlen(s));
        }
    }
}

#define KEY(name) "tokenizer.ggml." name
#define TOKENS    8

static const char *const good_tokens[TOKENS] = {"<s>", "<0x41>", "h", "e", "l", "he", "ll", "<t>"};
static const char *const good_merges[2] = {"h e", "l l"};
static const int32_t     good_types[TOKENS] = {3, 6, 1, 1, 1, 1, 1, 4};
static const float       good_scores[TOKENS] = {0, 0, -1, -2, -3, -4, -5, -6};
static const uint32_t    one = 1;

static const struct entry bpe[] = {
    {"general.architecture", STRING, 0, "llama"},
    {KEY("model"), STRING, 0, "gpt2"},
    {KEY("pre"), STRING, 0, "gpt-2"},
    {KEY("tokens"), STRING, TOKENS, good_tokens},
    {KEY("token_type"), I32, TOKENS, good_types},
    {KEY("merges"), STRING, 2, good_merges},
    {KEY("bos_token_id"), U32, 0, &one},
    {NULL, 0, 0, NULL},
};
static const struct entry spm[] = {
    {"general.architecture", STRING, 0, "llama"},
    {KEY("model"), STRING, 0, "llama"},
    {KEY("tokens"), STRING, TOKENS, good_tokens},
    {KEY("token_type"), I32, TOKENS, good_types},
    {KEY("scores"), F32, TOKENS, good_scores},
    {KEY("bos_token_id"), U32, 0, &one},
    {NULL, 0, 0, NULL},
};

/* Opens the tokeniser of the base file with one entry replaced (or left out: type -1); returns the status. */
static wk_status open_with(const struct entry *base, struct entry e, char *message)
{
    char        path[] = "/tmp/wick-hostile-XXXXXX.gguf";
    struct file f = {0};
    bool        placed = false;
    struct file head = {0};
    for (; base->key; base++) {
        const bool here = strcmp(base->key, e.key) == 0;
        placed = placed || here;
        if (here && e.type < 0) continue;
        put_entry(&f, here ? e : *base);
    }
    if (!placed && e.type >= 0) put_entry(&f, e);
    put(&head, "GGUF", 4);
    put_u32(&head, 3);
    put_u64(&head, 0);
    put_u64(&head, (uint64_t)f.entries);
    put(&head, f.data, f.n);
    const int fd = mkstemps(path, 5);
    cr_assert_geq(fd, 0);
    cr_assert_eq(write(fd, head.data, head.n), (ssize_t)head.n);
    close(fd);
    wk_ctx       *c = wk_ctx_new("cpu");
    wk_files     *files = wk_files_open(c, path);
    wk_tokenizer *t = wk_tokenizer_open(c, files);
    unlink(path);
    if (t) {
        wk_tokens out = {0};
        char      text[256];
        wk_encode(c, t, "hello A \xff <t><s>", 16, (wk_encode_opts){true, true}, &out);
        wk_decoder d = wk_decoder_new(t, true);
        for (int64_t i = 0; i < out.count; i++) wk_decode(&d, out.id[i], text, sizeof text);
        wk_tokens_free(&out);
    }
    const wk_status s = wk_ctx_status(c);
    cr_assert((t != NULL) == (s == WK_OK));
    snprintf(message, 512, "%s", wk_ctx_message(c));
    wk_tokenizer_free(t);
    wk_files_close(files);
    wk_ctx_free(c);
    free(f.data);
    free(head.data);
    return s;
}

#define ALL(x)                                                                                               \
    {                                                                                                        \
        x, x, x, x, x, x, x, x                                                                               \
    }

Test(hostile, tokenisers_in_gguf)
{
    static const uint8_t bytes[TOKENS] = ALL(1);
    static const int32_t odd[TOKENS] = {77, -3, 0, INT32_MAX, INT32_MIN, 1, 1, 1}, all_bytes[TOKENS] = ALL(6);
    static const int32_t control[TOKENS] = ALL(3);
    static const float   not_number[TOKENS] = ALL(NAN), huge[TOKENS] = ALL(INFINITY);
    static const uint32_t    far = 8, none = UINT32_MAX;
    static const char *const same[TOKENS] = ALL("he"), *const empty[TOKENS] = ALL("");
    static const char *const unknown[2] = {"h e", "q q"}, *const no_pair[2] = {"he", ""},
                             *const blank[2] = {" ", "  "};
    static const char *const sign[TOKENS] = {"<0x-1>"}, *const blanks[TOKENS] = {"<0x 1>"};
    static const char *const invalid[TOKENS] = {"\xff", "\xc0\x80", "\xe2\x96", "h", "e", "l", "he", "ll"};
    static char              huge_token[700];
    const char *const        long_token[TOKENS] = {huge_token, "b", "c", "h", "e", "he", "l", "ll"};
    memset(huge_token, 'x', sizeof huge_token - 1);
    const struct {
        const struct entry *base;
        struct entry        e;
        wk_status           want;
    } cases[] = {
        {bpe, {"x", U8, 0, bytes}, WK_OK},
        {spm, {"x", U8, 0, bytes}, WK_OK},
        {bpe, {KEY("tokens"), U8, TOKENS, bytes}, WK_EFORMAT},
        {bpe, {KEY("tokens"), -1, 0, NULL}, WK_EFORMAT},
        {bpe, {KEY("tokens"), STRING, -1, NULL}, WK_EFORMAT},
        {bpe, {KEY("tokens"), STRING, 0, "he"}, WK_EFORMAT},
        {bpe, {KEY("tokens"), STRING, TOKENS, empty}, WK_EFORMAT},
        {bpe, {KEY("tokens"), STRING, TOKENS, invalid}, WK_EFORMAT}, /* byte token of another form */
        {spm, {KEY("tokens"), STRING, TOKENS, same}, WK_EFORMAT},
        {bpe, {KEY("token_type"), I32, 3, good_types}, WK_EFORMAT},
        {bpe, {KEY("token_type"), F32, TOKENS, good_scores}, WK_EFORMAT},
        {bpe, {KEY("token_type"), STRING, TOKENS, good_tokens}, WK_EFORMAT},
        {bpe, {KEY("token_type"), I32, TOKENS, odd}, WK_OK},
        {bpe, {KEY("token_type"), I8, TOKENS, bytes}, WK_EFORMAT},
        {bpe, {KEY("token_type"), -1, 0, NULL}, WK_OK},
        {bpe, {KEY("token_type"), I32, TOKENS, all_bytes}, WK_EFORMAT},
        {bpe, {KEY("token_type"), I32, TOKENS, control}, WK_OK},
        {bpe, {KEY("merges"), I32, 2, good_types}, WK_EFORMAT},
        {bpe, {KEY("merges"), -1, 0, NULL}, WK_EFORMAT},
        {bpe, {KEY("merges"), STRING, -1, NULL}, WK_OK},
        {bpe, {KEY("merges"), STRING, 2, unknown}, WK_EFORMAT},
        {bpe, {KEY("merges"), STRING, 2, no_pair}, WK_EFORMAT},
        {bpe, {KEY("merges"), STRING, 2, blank}, WK_EFORMAT},
        {bpe, {KEY("model"), STRING, 0, "bert"}, WK_EUNSUPPORTED},
        {bpe, {KEY("pre"), STRING, 0, "no-such"}, WK_EUNSUPPORTED},
        {bpe, {KEY("bos_token_id"), U32, 0, &far}, WK_EFORMAT},
        {bpe, {KEY("bos_token_id"), U32, 0, &none}, WK_OK},
        {bpe, {KEY("eos_token_id"), U32, 0, &far}, WK_EFORMAT},
        {spm, {KEY("scores"), I8, TOKENS, bytes}, WK_EFORMAT},
        {spm, {KEY("scores"), F32, 3, good_scores}, WK_EFORMAT},
        {spm, {KEY("scores"), -1, 0, NULL}, WK_EFORMAT},
        {spm, {KEY("scores"), F32, TOKENS, not_number}, WK_EFORMAT},
        {spm, {KEY("scores"), F32, TOKENS, huge}, WK_OK},
        {spm, {KEY("tokens"), STRING, 1, sign}, WK_EFORMAT},
        {spm, {KEY("unknown_token_id"), U32, 0, &far}, WK_EFORMAT},
        {spm, {KEY("eot_token_id"), U32, 0, &far}, WK_EFORMAT},
    };
    char message[512];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const wk_status s = open_with(cases[i].base, cases[i].e, message);
        cr_assert_eq(s, cases[i].want, "case %zu (%s): '%s' (%s)", i, cases[i].e.key, wk_status_text(s),
                     message);
    }
    /* Numbers in byte tokens: no sign, no blank; and an added token may not be of any length. */
    struct entry types[] = {bpe[0], bpe[1], bpe[2], bpe[3], {KEY("token_type"), I32, TOKENS, control},
                            bpe[5], bpe[7]};
    cr_assert_eq(open_with(types, (struct entry){KEY("tokens"), STRING, TOKENS, long_token}, message),
                 WK_EUNSUPPORTED, "%s", message);
    const char *const *const bad[] = {sign, blanks};
    for (int i = 0; i < 2; i++) {
        const char *tokens[TOKENS];
        memcpy(tokens, good_tokens, sizeof tokens);
        tokens[1] = bad[i][0];
        cr_assert_eq(open_with(spm, (struct entry){KEY("tokens"), STRING, TOKENS, tokens}, message),
                     WK_EFORMAT, "%s: %s", bad[i][0], message);
    }
}
