/* A BPE tokeniser from a tokenizer.json: byte-level, or over characters with byte fallback (SentencePiece).
 * What it asks for and is not known is refused by name. */
#include "json_tables.h"

#include <jansson.h>
#include <string.h>

static bool refuse(wk_ctx *c, const char *part, const char *what)
{
    wk_fail(c, WK_EUNSUPPORTED, "tokenizer.json: %s '%.80s' is not supported", part, what);
    return false;
}

static bool malformed(wk_ctx *c, const char *what)
{
    wk_fail(c, WK_EFORMAT, "tokenizer.json: %s", what);
    return false;
}

static const char *text_of(const json_t *object, const char *key)
{
    const char *s = json_string_value(json_object_get(object, key));
    return s ? s : "";
}

static bool is_true(const json_t *object, const char *key)
{
    return json_is_true(json_object_get(object, key));
}

/* ---- normaliser and pre-tokeniser ---- */

#define SPACE "\xe2\x96\x81" /* U+2581 */

static bool normalizer(wk_ctx *c, wk_tokenizer *t, const json_t *x, int depth)
{
    const char *type = text_of(x, "type");
    if (!x || json_is_null(x)) return true;
    if (strcmp(type, "NFC") == 0) return t->nfc = true;
    if (t->sentencepiece && strcmp(type, "Prepend") == 0 && strcmp(text_of(x, "prepend"), SPACE) == 0)
        return t->space_prefix = true;
    if (t->sentencepiece && strcmp(type, "Replace") == 0 && strcmp(text_of(x, "content"), SPACE) == 0 &&
        strcmp(text_of(json_object_get(x, "pattern"), "String"), " ") == 0)
        return true;
    if (strcmp(type, "Sequence") != 0 || depth > 4) return refuse(c, "normalizer", type);
    const json_t *list = json_object_get(x, "normalizers");
    for (size_t i = 0; i < json_array_size(list); i++)
        if (!normalizer(c, t, json_array_get(list, i), depth + 1)) return false;
    return true;
}

static bool add_split(wk_ctx *c, wk_tokenizer *t, enum wki_split s)
{
    if (t->n_splits == WKI_MAX_SPLITS) return malformed(c, "too many pre-tokenizers");
    t->split[t->n_splits++] = s;
    return true;
}

/* The regular expressions that have a splitter here. */
static const struct {
    const char    *regex;
    enum wki_split split;
} regexes[] = {
    {"'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+", WKI_SPLIT_GPT2},
    {"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|"
     "\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
     WKI_SPLIT_LLAMA3},
    {"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|"
     "\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
     WKI_SPLIT_QWEN2},
    {"\\p{N}", WKI_SPLIT_DIGIT},
    {"\\d", WKI_SPLIT_DIGIT},
    {"\\p{N}{1,3}", WKI_SPLIT_THREE},
    {"\\p{N}+", WKI_SPLIT_NUMBER},
};

static bool split(wk_ctx *c, wk_tokenizer *t, const json_t *x)
{
    const char *regex = text_of(json_object_get(x, "pattern"), "Regex");
    const char *behavior = text_of(x, "behavior");
    const bool  invert = is_true(x, "invert");
    const bool  isolated = strcmp(behavior, "Isolated") == 0 && !invert;
    for (size_t i = 0; i < sizeof regexes / sizeof *regexes; i++) {
        if (strcmp(regex, regexes[i].regex) != 0) continue;
        /* The long ones match all of the text, so that keeping only the matches is the same. */
        if (isolated || (strcmp(behavior, "Removed") == 0 && invert && regexes[i].split <= WKI_SPLIT_QWEN2))
            return add_split(c, t, regexes[i].split);
        return refuse(c, "pre_tokenizer Split with behavior", behavior);
    }
    return refuse(c, "pre_tokenizer Split with pattern", regex);
}

static bool pre_tokenizer(wk_ctx *c, wk_tokenizer *t, const json_t *x, bool *byte_level, int depth)
{
    const char *type = text_of(x, "type");
    if (*byte_level) return refuse(c, "pre_tokenizer after ByteLevel", type);
    if (strcmp(type, "Split") == 0) return split(c, t, x);
    if (strcmp(type, "Digits") == 0)
        return add_split(c, t, is_true(x, "individual_digits") ? WKI_SPLIT_DIGIT : WKI_SPLIT_NUMBER);
    if (strcmp(type, "ByteLevel") == 0) {
        *byte_level = true;
        t->space_prefix = is_true(x, "add_prefix_space");
        if (t->space_prefix && t->n_splits)
            return refuse(c, "pre_tokenizer", "add_prefix_space after a split");
        return json_is_false(json_object_get(x, "use_regex")) || add_split(c, t, WKI_SPLIT_GPT2);
    }
    if (strcmp(type, "Sequence") != 0 || depth > 4) return refuse(c, "pre_tokenizer", type);
    const json_t *list = json_object_get(x, "pretokenizers");
    for (size_t i = 0; i < json_array_size(list); i++)
        if (!pre_tokenizer(c, t, json_array_get(list, i), byte_level, depth + 1)) return false;
    return true;
}

/* SentencePiece's: none, or the space in front alone. */
static bool metaspace(wk_ctx *c, wk_tokenizer *t, const json_t *x)
{
    const char *type = text_of(x, "type"), *scheme = text_of(x, "prepend_scheme");
    if (!x || json_is_null(x)) return true;
    if (strcmp(type, "Metaspace") != 0 || strcmp(text_of(x, "replacement"), SPACE) != 0)
        return refuse(c, "pre_tokenizer", type);
    if (!json_is_false(json_object_get(x, "split")))
        return refuse(c, "pre_tokenizer", "Metaspace that splits");
    t->first_prefix = strcmp(scheme, "first") == 0;
    t->space_prefix = t->bare_prefix = t->first_prefix || strcmp(scheme, "always") == 0;
    return true;
}

/* ---- post-processor: what encoding adds at the edges ---- */

static bool edge(wk_ctx *c, const wk_tokenizer *t, json_int_t id, int32_t *list, int *n)
{
    if (id < 0 || id >= t->size || t->token[id].kind == WKI_GAP || *n == WKI_MAX_EDGES)
        return malformed(c, "post_processor names a token that is not there, or too many");
    list[(*n)++] = (int32_t)id;
    return true;
}

static bool template_edges(wk_ctx *c, wk_tokenizer *t, const json_t *x)
{
    const json_t *single = json_object_get(x, "single"), *specials = json_object_get(x, "special_tokens");
    bool          after = false;
    for (size_t i = 0; i < json_array_size(single); i++) {
        const json_t *item = json_array_get(single, i), *token = json_object_get(item, "SpecialToken");
        if (!token) {
            after = true;
            continue;
        }
        const json_t *ids = json_object_get(json_object_get(specials, text_of(token, "id")), "ids");
        for (size_t k = 0; k < json_array_size(ids); k++) {
            const json_t *id = json_array_get(ids, k);
            const bool    ok = after ? edge(c, t, json_integer_value(id), t->suffix, &t->n_suffix)
                                     : edge(c, t, json_integer_value(id), t->prefix, &t->n_prefix);
            if (!ok) return false;
        }
    }
    return true;
}

static bool post_processor(wk_ctx *c, wk_tokenizer *t, const json_t *x, int depth)
{
    const char *type = text_of(x, "type");
    if (!x || json_is_null(x) || strcmp(type, "ByteLevel") == 0) return true;
    if (strcmp(type, "TemplateProcessing") == 0) return template_edges(c, t, x);
    if (strcmp(type, "RobertaProcessing") == 0 || strcmp(type, "BertProcessing") == 0) {
        const json_t *cls = json_array_get(json_object_get(x, "cls"), 1);
        const json_t *sep = json_array_get(json_object_get(x, "sep"), 1);
        return edge(c, t, json_is_integer(cls) ? json_integer_value(cls) : -1, t->prefix, &t->n_prefix) &&
               edge(c, t, json_is_integer(sep) ? json_integer_value(sep) : -1, t->suffix, &t->n_suffix);
    }
    if (strcmp(type, "Sequence") != 0 || depth > 4) return refuse(c, "post_processor", type);
    const json_t *list = json_object_get(x, "processors");
    for (size_t i = 0; i < json_array_size(list); i++)
        if (!post_processor(c, t, json_array_get(list, i), depth + 1)) return false;
    return true;
}

/* ---- vocabulary ---- */

/* Number of ids and bytes of all texts; ids far beyond the number of tokens are refused. */
static int64_t measure(wk_ctx *c, const struct wki_tables *tables, const json_t *added, size_t *bytes)
{
    int64_t entries, greatest;
    if (!wki_tables_measure(c, tables, &entries, bytes, &greatest)) return -1;
    entries += (int64_t)json_array_size(added);
    for (size_t k = 0; k < json_array_size(added); k++) {
        const json_t *a = json_array_get(added, k), *id = json_object_get(a, "id");
        const int64_t i =
            json_is_integer(id) && json_integer_value(id) >= 0 ? json_integer_value(id) : INT64_MAX;
        if (i > greatest) greatest = i;
        *bytes += json_string_length(json_object_get(a, "content"));
    }
    if (greatest >= 0 && greatest <= entries * 8 + 65536) return greatest + 1;
    malformed(c, greatest < 0 ? "the vocabulary is empty" : "a token's id is out of range");
    return -1;
}

static bool added_tokens(wk_ctx *c, wk_tokenizer *t, const json_t *added)
{
    for (size_t k = 0; k < json_array_size(added); k++) {
        const json_t *a = json_array_get(added, k), *content = json_object_get(a, "content");
        const int64_t id = json_integer_value(json_object_get(a, "id"));
        if (!json_string_length(content)) return malformed(c, "an added token has no content");
        if (is_true(a, "single_word"))
            return refuse(c, "added token with single_word", json_string_value(content));
        const enum wki_kind kind = is_true(a, "special") ? WKI_CONTROL : WKI_USER;
        if (!wki_vocab_add(c, t, id, json_string_value(content), json_string_length(content), kind))
            return false;
        t->token[id].strip_left = is_true(a, "lstrip");
        t->token[id].strip_right = is_true(a, "rstrip");
    }
    return true;
}

/* Fields of the model that must have the value byte-level BPE has. */
static bool check_model(wk_ctx *c, const json_t *root, const json_t *model)
{
    const char *type = text_of(model, "type"), *decoder = text_of(json_object_get(root, "decoder"), "type");
    if (*type && strcmp(type, "BPE") != 0) return refuse(c, "model", type);
    if (*text_of(model, "continuing_subword_prefix"))
        return refuse(c, "model", "BPE with continuing_subword_prefix");
    if (*text_of(model, "end_of_word_suffix")) return refuse(c, "model", "BPE with end_of_word_suffix");
    const char *usual = is_true(model, "byte_fallback") ? "Sequence" : "ByteLevel";
    return !*decoder || strcmp(decoder, usual) == 0 || refuse(c, "decoder", decoder);
}

static bool fill(wk_ctx *c, wk_tokenizer *t, const json_t *root, const struct wki_tables *tables)
{
    const json_t *added = json_object_get(root, "added_tokens"), *model = json_object_get(root, "model");
    const json_t *pre = json_object_get(root, "pre_tokenizer");
    bool          byte_level = false;
    t->sentencepiece = is_true(model, "byte_fallback");
    if (!wki_tables_vocab(c, tables, t)) return false;
    if (!added_tokens(c, t, added) || !normalizer(c, t, json_object_get(root, "normalizer"), 0)) return false;
    if (!(t->sentencepiece ? metaspace(c, t, pre) : pre_tokenizer(c, t, pre, &byte_level, 0))) return false;
    if (!byte_level && !t->sentencepiece) return refuse(c, "pre_tokenizer without", "ByteLevel");
    if (!wki_vocab_index(c, t) || !post_processor(c, t, json_object_get(root, "post_processor"), 0))
        return false;
    if (*text_of(model, "unk_token")) t->unknown = wk_token_find(t, text_of(model, "unk_token"));
    t->whole_words = is_true(model, "ignore_merges");
    if (t->n_prefix) t->bos = t->prefix[0];
    return wki_tables_merges(c, tables, t);
}

/* A token named in tokenizer_config.json, as text or as {"content": text}. */
static int32_t named(const wk_tokenizer *t, const json_t *config, const char *key, int32_t fallback)
{
    const json_t *x = json_object_get(config, key);
    const char   *text = json_is_object(x) ? text_of(x, "content") : json_string_value(x);
    const int32_t id = text && *text ? wk_token_find(t, text) : -1;
    return id >= 0 ? id : fallback;
}

/* tokenizer_config.json: which tokens begin and end, and the chat template. */
static bool configure(wk_ctx *c, wk_tokenizer *t, const char *text)
{
    json_error_t error;
    json_t      *config = json_loads(text, 0, &error);
    if (!config) {
        wk_fail(c, WK_EFORMAT, "tokenizer_config.json: line %d: %s", error.line, error.text);
        return false;
    }
    t->bos = named(t, config, "bos_token", t->bos);
    t->eos = named(t, config, "eos_token", -1);
    if (t->eos >= 0) wki_vocab_end(t, t->eos);
    const json_t *template = json_object_get(config, "chat_template");
    for (size_t i = 0; i < json_array_size(json_object_get(config, "chat_template")); i++) {
        const json_t *x = json_array_get(json_object_get(config, "chat_template"), i); /* several, by name */
        if (strcmp(text_of(x, "name"), "default") == 0) template = json_object_get(x, "template");
    }
    bool ok = true;
    if (json_is_string(template)) ok = (t->template = wki_copy_text(c, json_string_value(template))) != NULL;
    json_decref(config);
    return ok;
}

wk_tokenizer *wki_tokenizer_json(wk_ctx *c, const char *json, size_t length, const char *config)
{
    struct wki_tables tables;
    json_error_t      error;
    size_t            left = 0, bytes = 0;
    char             *rest = wki_tables_cut(c, json, length, &tables, &left);
    json_t           *root = rest ? json_loadb(rest, left, JSON_REJECT_DUPLICATES, &error) : NULL;
    wk_tokenizer     *t = NULL;
    if (rest && !root) wk_fail(c, WK_EFORMAT, "tokenizer.json: %s", error.text);
    wk_free(rest);
    bool ok = root && check_model(c, root, json_object_get(root, "model"));
    if (ok && !tables.has_vocab) ok = malformed(c, "no vocabulary");
    const int64_t size = ok ? measure(c, &tables, json_object_get(root, "added_tokens"), &bytes) : -1;
    if (size > 0) t = wki_vocab_new(c, size, bytes);
    ok = t && fill(c, t, root, &tables);
    json_decref(root);
    if (ok && (!config || configure(c, t, config))) return t;
    wk_tokenizer_free(t);
    return NULL;
}
