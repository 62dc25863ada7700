/* Opens the tokeniser that comes with a model's weights. */
#include "vocab.h"

wk_tokenizer *wk_tokenizer_open(wk_ctx *c, const wk_files *f)
{
    if (wk_ctx_status(c) || !f) return NULL;
    if (wk_config_string(f, "tokenizer.ggml.model", NULL)) return wki_tokenizer_gguf(c, f);
    size_t length = 0;
    char  *json = wk_files_read(c, f, "tokenizer.json", &length);
    if (!json) {
        if (!wk_ctx_status(c)) wk_fail(c, WK_EUNSUPPORTED, "tokenizer: the model has no tokenizer.json");
        return NULL;
    }
    char         *config = wk_files_read(c, f, "tokenizer_config.json", NULL);
    wk_tokenizer *t = wk_ctx_status(c) ? NULL : wki_tokenizer_json(c, json, length, config);
    wk_free(config);
    wk_free(json);
    if (!t) return NULL;
    const int64_t n = wk_config_count(f, "eos_token_id"); /* config.json: one id or several */
    wki_vocab_end(t, wk_config_int(f, "eos_token_id", -1));
    for (int64_t i = 0; i < n && i < WKI_MAX_ENDS; i++)
        wki_vocab_end(t, wk_config_int_at(f, "eos_token_id", i, -1));
    if (!t->template) {
        t->template = wk_files_read(c, f, "chat_template.jinja", NULL);
        if (wk_ctx_status(c)) {
            wk_tokenizer_free(t);
            return NULL;
        }
    }
    return t;
}
