/* Streaming decode: whole characters only, and the same text as all bytes at once. */
#include "golden.h"

/* Feeds single bytes; expects text after each, "|" between steps. */
static void steps(const wk_tokenizer *t, const int32_t *byte, const char *bytes, const char *want)
{
    wk_decoder d = wk_decoder_new(t, false);
    char       got[128] = "", out[32];
    for (const char *p = bytes; *p; p++) {
        const size_t n = wk_decode(&d, byte[(unsigned char)*p], out, sizeof out);
        cr_assert_eq(n, strlen(out));
        strcat(strcat(got, out), "|");
    }
    wk_decode(&d, -1, out, sizeof out);
    strcat(got, out);
    cr_assert_str_eq(got, want);
}

Test(decode, holds_back_unfinished_characters)
{
    wk_ctx       *c = wk_ctx_new("cpu");
    wk_tokenizer *t = golden_json(c, "gpt2");
    int32_t       byte[256];
    for (int i = 0; i < 256; i++) {
        wk_tokens  out = {0};
        const char one[] = {(char)i};
        wk_encode(c, t, one, 1, (wk_encode_opts){0}, &out);
        cr_assert_eq(out.count, 1, "byte %d", i);
        byte[i] = out.id[0];
        wk_tokens_free(&out);
    }
    steps(t, byte, "ab", "a|b|");
    steps(t, byte, "\xc3\xa9x", "|\xc3\xa9|x|");
    steps(t, byte, "\xf0\x9f\x98\x80", "|||\xf0\x9f\x98\x80|");
    steps(t, byte, "\xf0\x9f\x98", "|||\xef\xbf\xbd");
    steps(t, byte, "\xf0\x9fz", "||\xef\xbf\xbdz|");
    steps(t, byte, "\xe4\xb8\xe4\xb8\xad", "||\xef\xbf\xbd||\xe4\xb8\xad|");
    steps(t, byte, "\x80\xff\xc0", "\xef\xbf\xbd|\xef\xbf\xbd|\xef\xbf\xbd|");
    steps(t, byte, "\xe0\x80", "|\xef\xbf\xbd\xef\xbf\xbd|");                  /* overlong */
    steps(t, byte, "\xed\xa0\x80", "|\xef\xbf\xbd\xef\xbf\xbd|\xef\xbf\xbd|"); /* surrogate */
    steps(t, byte, "\xf4\x90", "|\xef\xbf\xbd\xef\xbf\xbd|");                  /* beyond U+10FFFF */
    wk_tokenizer_free(t);
    wk_ctx_free(c);
}

Test(decode, golden_texts_come_back)
{
    static const char *const names[] = {"gpt2", "smollm", "llama3"};
    wk_ctx                  *c = wk_ctx_new("cpu");
    for (int i = 0; i < 3; i++) {
        char          file[64];
        size_t        length;
        wk_tokenizer *t = golden_json(c, names[i]);
        snprintf(file, sizeof file, "%s.cases", names[i]);
        char *data = golden_file(file, &length);
        for (const char *p = data; p < data + length;) {
            struct golden_case k = golden_next(&p);
            wk_decoder         d = wk_decoder_new(t, true);
            char               text[4096], piece[4096];
            size_t             n = 0;
            const uint32_t     skip = k.flags & 2 && k.count ? 1 : 0; /* begins with <|im_start|> */
            for (uint32_t j = skip; j < k.count; j++) {
                const size_t m = wk_decode(&d, k.id[j], piece, sizeof piece);
                memcpy(text + n, piece, m);
                n += m;
            }
            cr_assert_eq(wk_decode(&d, -1, piece, sizeof piece), 0);
            cr_assert_eq(n, k.length, "%s '%.*s'", names[i], (int)k.length, k.text);
            cr_assert_arr_eq(text, k.text, n);
            free(k.id);
        }
        free(data);
        wk_tokenizer_free(t);
    }
    wk_ctx_free(c);
}

Test(decode, special_tokens_only_where_asked_for_and_small_buffers_lose_nothing)
{
    wk_ctx       *c = wk_ctx_new("cpu");
    wk_tokenizer *t = golden_json(c, "gpt2");
    const int32_t end = wk_token_find(t, "<|im_end|>");
    char          out[32] = "x";
    wk_decoder    d = wk_decoder_new(t, false), s = wk_decoder_new(t, true);
    cr_assert_eq(wk_decode(&d, end, out, sizeof out), 0);
    cr_assert_str_eq(out, "");
    cr_assert_eq(wk_decode(&s, end, NULL, 0), 10);
    cr_assert_eq(wk_decode(&s, end, out, 10), 10);
    cr_assert_str_eq(out, "");
    cr_assert_eq(wk_decode(&s, end, out, 11), 10);
    cr_assert_str_eq(out, "<|im_end|>");
    cr_assert_eq(wk_decode(&s, 1 << 30, out, sizeof out), 0, "an id that does not exist has no text");
    cr_assert_eq(wk_decode(&s, -5, out, sizeof out), 0);
    wk_tokenizer_free(t);
    wk_ctx_free(c);
}

Test(decode, sentencepiece_drops_the_space_that_encoding_put_in_front)
{
    wk_ctx       *c = wk_ctx_new("cpu");
    wk_files     *f = wk_files_open(c, WK_SOURCE_DIR "/tests/golden/text/spm.gguf");
    wk_tokenizer *t = wk_tokenizer_open(c, f);
    cr_assert_not_null(t, "%s", wk_ctx_message(c));
    static const char *const texts[] = {"hello world", " two", "\xf0\x9f\xa6\x84 \xe4\xbd\xa0\xe5\xa5\xbd",
                                        "a\nb  c",     "",     " "};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        wk_tokens  x = {0};
        wk_decoder d = wk_decoder_new(t, false);
        char       text[128] = "", piece[64];
        wk_encode(c, t, texts[i], strlen(texts[i]), (wk_encode_opts){.add_edges = true}, &x);
        cr_assert_eq(x.id[0], wk_token_bos(t));
        cr_assert_eq(x.id[x.count - 1], wk_token_eos(t));
        for (int64_t k = 0; k < x.count; k++) {
            wk_decode(&d, x.id[k], piece, sizeof piece);
            strcat(text, piece);
        }
        cr_assert_str_eq(text, texts[i]);
        wk_tokens_free(&x);
    }
    wk_tokenizer_free(t);
    wk_files_close(f);
    wk_ctx_free(c);
}
