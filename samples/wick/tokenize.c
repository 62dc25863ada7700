/* wick tokenize: a text as tokens. */
#include "wick.h"

static void print_token(const wk_tokenizer *t, int32_t id)
{
    size_t      n;
    bool        special;
    const char *bytes = wk_token_bytes(t, id, &n, &special);
    printf("%6d  ", id);
    for (size_t i = 0; bytes && i < n; i++) {
        const unsigned char b = (unsigned char)bytes[i];
        if (b == '\n')
            printf("\\n");
        else if (b == '\\')
            printf("\\\\");
        else if (b < 32 || b == 127)
            printf("\\x%02x", b);
        else
            putchar(b);
    }
    putchar('\n');
}

int verb_tokenize(const struct options *o)
{
    size_t length;
    char  *text = prompt_text(o, &length);
    if (!text) return EXIT_FAILED;
    wk_ctx       *c = wk_ctx_new("cpu");
    char         *path = model_path(o->model);
    wk_files     *files = path ? wk_files_open(c, path) : NULL;
    wk_tokenizer *t = files ? wk_tokenizer_open(c, files) : NULL;
    wk_tokens     tokens = {0};
    if (t)
        wk_encode(c, t, text, length, (wk_encode_opts){.special = !o->no_special, .add_edges = true},
                  &tokens);
    const int code = wk_ctx_status(c) ? failed_ctx(c) : EXIT_OK;
    if (code == EXIT_OK && o->json) {
        printf("[");
        for (int64_t i = 0; i < tokens.count; i++) printf("%s%d", i ? ", " : "", tokens.id[i]);
        printf("]\n");
    } else if (code == EXIT_OK) {
        for (int64_t i = 0; i < tokens.count; i++) print_token(t, tokens.id[i]);
    }
    wk_tokens_free(&tokens);
    wk_tokenizer_free(t);
    wk_files_close(files);
    wk_free(path);
    wk_free(text);
    wk_ctx_free(c);
    return code;
}
