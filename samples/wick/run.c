/* wick run: completes a text. */
#include "wick.h"
#include "generate.h"

int verb_run(const struct options *o)
{
    size_t length;
    char  *text = prompt_text(o, &length);
    if (!text) return EXIT_FAILED;
    struct session s;
    if (!session_open(&s, o, true)) {
        wk_free(text);
        return EXIT_FAILED;
    }
    wk_tokens prompt = {0};
    wk_encode(s.c, s.tokenizer, text, length, (wk_encode_opts){.special = !o->no_special, .add_edges = true},
              &prompt);
    wk_free(text);
    int code = EXIT_FAILED;
    if (wk_ctx_status(s.c)) {
        failed_ctx(s.c);
    } else if (prompt.count == 0) {
        failed("the text has no tokens");
    } else {
        code = generate(&s, o, &prompt, NULL, NULL);
        if (isatty(STDOUT_FILENO)) putchar('\n');
    }
    wk_tokens_free(&prompt);
    session_close(&s);
    return code;
}
