/* wick chat: a conversation through the model's chat template. */
#include "generate.h"

#include <histedit.h>
#include <string.h>

#define MAX_MESSAGES 4096

struct chat {
    struct session s;
    wk_message     messages[MAX_MESSAGES];
    int            n, system; /* system: 1 when the first message is the system's */
    wk_tokens      fed;       /* what the cache holds */
};

static char *copy(const char *text, size_t n)
{
    char *s = wk_alloc(n + 1);
    if (s) {
        memcpy(s, text, n);
        s[n] = '\0';
    }
    return s;
}

static bool say(struct chat *h, const char *role, const char *text, size_t n)
{
    char *own = h->n < MAX_MESSAGES ? copy(text, n) : NULL;
    if (own) h->messages[h->n++] = (wk_message){role, own};
    return own != NULL;
}

static void forget(struct chat *h, int from)
{
    while (h->n > from) wk_free((void *)(uintptr_t)h->messages[--h->n].content);
}

/* Appends; without memory for it the cache is merely reused less. */
static void join(wk_tokens *to, const wk_tokens *more)
{
    int32_t *grown = wk_resize(to->id, (size_t)(to->count + more->count + 1) * sizeof *grown);
    if (!grown) return;
    to->id = grown;
    to->capacity = to->count + more->count + 1;
    if (more->count) memcpy(grown + to->count, more->id, (size_t)more->count * sizeof *grown);
    to->count += more->count;
}

/* Drops what the cache holds beyond its common beginning with tokens; returns the length of that. */
static int64_t reuse(struct chat *h, const wk_tokens *tokens)
{
    int64_t same = 0, most = tokens->count - 1; /* at least one token must be fed */
    if (h->fed.count < most) most = h->fed.count;
    if (h->s.cache->length < most) most = h->s.cache->length;
    while (same < most && h->fed.id[same] == tokens->id[same]) same++;
    wk_cache_truncate(h->s.cache, same);
    return same;
}

/* Answers the conversation so far, and adds the answer to it. */
static int answer(struct chat *h, const struct options *o)
{
    wk_tokens tokens = {0};
    if (wk_chat_encode(h->s.c, h->s.tokenizer, h->n, h->messages, true, &tokens)) {
        wk_tokens_free(&tokens);
        return failed_ctx(h->s.c);
    }
    wk_tokens made = {0};
    int       code = EXIT_FAILED;
    if (tokens.count >= h->s.context) {
        failed("the conversation has %lld tokens, the context %lld (-c)", (long long)tokens.count,
               (long long)h->s.context);
    } else {
        const int64_t   same = reuse(h, &tokens);
        const wk_tokens rest = {.id = tokens.id + same, .count = tokens.count - same};
        struct text     text = {0};
        code = generate(&h->s, o, &rest, &text, &made);
        putchar('\n');
        fflush(stdout);
        if (!say(h, "assistant", text.bytes ? text.bytes : "", text.length) && code == EXIT_OK)
            code = failed("the conversation is too long");
        wk_free(text.bytes);
    }
    wk_tokens_free(&h->fed);
    h->fed = tokens;
    join(&h->fed, &made);
    wk_tokens_free(&made);
    return code;
}

static const char *prompt_sign(EditLine *e)
{
    (void)e;
    return "> ";
}

static void help(void)
{
    fprintf(stderr,
            "/clear starts anew, /system TEXT sets the system message and starts anew,\n"
            "/save FILE writes the conversation, /quit (or Ctrl-D) ends; a line ending in \\ goes on.\n");
}

static void save(const struct chat *h, const char *path)
{
    FILE *f = fopen(path, "w");
    for (int i = 0; f && i < h->n; i++) fprintf(f, "%s: %s\n\n", h->messages[i].role, h->messages[i].content);
    if (!f || fclose(f) != 0) failed("%s: cannot be written", path);
}

/* A line that starts with a slash. Returns false to end. */
static bool command(struct chat *h, char *line)
{
    if (!strcmp(line, "/quit") || !strcmp(line, "/exit")) return false;
    if (!strcmp(line, "/clear")) {
        forget(h, h->system);
    } else if (!strncmp(line, "/system ", 8)) {
        forget(h, 0);
        h->system = say(h, "system", line + 8, strlen(line + 8));
    } else if (!strncmp(line, "/save ", 6)) {
        save(h, line + 6);
    } else {
        help();
    }
    return true;
}

/* One message, over several lines where they end in a backslash. Returns false at the end of the input. */
static bool read_message(EditLine *edit, struct text *message)
{
    message->length = 0;
    for (;;) {
        int         n = 0;
        const char *line = el_gets(edit, &n);
        if (!line || n <= 0) return message->length > 0;
        while (n > 0 && (line[n - 1] == '\n' || line[n - 1] == '\r')) n--;
        const bool more = n > 0 && line[n - 1] == '\\';
        if (more) n--;
        if (message->length + (size_t)n + 2 > message->capacity) {
            message->capacity = 2 * (message->length + (size_t)n + 2);
            char *grown = wk_resize(message->bytes, message->capacity);
            if (!grown) return false;
            message->bytes = grown;
        }
        memcpy(message->bytes + message->length, line, (size_t)n);
        message->length += (size_t)n;
        if (more) message->bytes[message->length++] = '\n';
        message->bytes[message->length] = '\0';
        if (!more) return true;
    }
}

static int converse(struct chat *h, const struct options *o)
{
    EditLine   *edit = el_init("wick", stdin, stderr, stderr);
    History    *past = history_init();
    HistEvent   event;
    struct text message = {0};
    int         code = EXIT_OK;
    if (!edit || !past) return failed("the line editor cannot start");
    history(past, &event, H_SETSIZE, 500);
    el_set(edit, EL_PROMPT, prompt_sign);
    el_set(edit, EL_EDITOR, "emacs");
    el_set(edit, EL_HIST, history, past);
    fprintf(stderr, "/help tells the commands; Ctrl-C stops an answer, Ctrl-D ends.\n");
    while (code != EXIT_FAILED && read_message(edit, &message)) {
        interrupt_reset();
        if (message.length == 0) continue;
        history(past, &event, H_ENTER, message.bytes);
        if (message.bytes[0] == '/') {
            if (!command(h, message.bytes)) break;
            continue;
        }
        if (!say(h, "user", message.bytes, message.length)) {
            code = failed("the conversation is too long; /clear starts anew");
            break;
        }
        code = answer(h, o);
        interrupt_reset();
    }
    wk_free(message.bytes);
    history_end(past);
    el_end(edit);
    return code == EXIT_INTERRUPTED ? EXIT_OK : code;
}

int verb_chat(const struct options *o)
{
    struct chat *h = wk_alloc_zero(1, sizeof *h);
    if (!h) return failed("out of memory");
    if (!session_open(&h->s, o, true)) {
        wk_free(h);
        return EXIT_FAILED;
    }
    int code = EXIT_OK;
    if (o->system) h->system = say(h, "system", o->system, strlen(o->system));
    if (o->prompt || o->file) {
        size_t length = 0;
        char  *text = prompt_text(o, &length);
        code = text && say(h, "user", text, length) ? answer(h, o) : EXIT_FAILED;
        wk_free(text);
    } else {
        code = converse(h, o);
    }
    forget(h, 0);
    wk_tokens_free(&h->fed);
    session_close(&h->s);
    wk_free(h);
    return code;
}
