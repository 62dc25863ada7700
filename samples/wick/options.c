/* Flags: one table gives the parser and the help. */
#include "wick.h"

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

enum kind { TEXT, INT, REAL, SWITCH, LIST };

static const struct flag {
    const char *name; /* of a flag with an alias: it comes after one dash */
    const char *alias;
    enum kind   kind;
    size_t      at;
    const char *argument, *text;
    double      low, high;
} flags[] = {
#define AT(field) offsetof(struct options, field)
    {"m", "model", TEXT, AT(model), "PATH", "model: a GGUF or safetensors file, a folder, or a pulled name",
     0, 0},
    {"p", "prompt", TEXT, AT(prompt), "TEXT", "the text (bench: prompt tokens, 512)", 0, 0},
    {"f", "file", TEXT, AT(file), "FILE", "the text, from a file (- is standard input)", 0, 0},
    {"n", "predict", INT, AT(predict), "N", "tokens to make (bench: 128; else until the end)", -1, 1e9},
    {"c", "ctx-size", INT, AT(context), "N", "context in tokens (the model's own, at most 4096)", 0, 1e8},
    {"t", "threads", INT, AT(threads), "N", "threads (all that are free)", 0, 4096},
    {"d", "depth", INT, AT(depth), "N", "bench: tokens already in the cache (0)", 0, 1e8},
    {"r", "repetitions", INT, AT(repetitions), "N", "bench: runs of each test (5)", 1, 1e6},
    {"temp", NULL, REAL, AT(temperature), "X", "temperature, 0 is greedy (0.8)", 0, 1e6},
    {"top-k", NULL, INT, AT(top_k), "N", "only the N likeliest, 0 is off (40)", 0, 1e9},
    {"top-p", NULL, REAL, AT(top_p), "X", "only the likeliest that sum to X, 1 is off (0.95)", 0, 1},
    {"min-p", NULL, REAL, AT(min_p), "X", "only those of X times the best or more, 0 is off (0.05)", 0, 1},
    {"repeat-penalty", NULL, REAL, AT(repeat_penalty), "X", "penalty for repeating, 1 is off (1)", 0.01, 100},
    {"repeat-last", NULL, INT, AT(repeat_last), "N", "tokens the penalty looks back at (64; -1: all)", -1,
     1e9},
    {"seed", NULL, INT, AT(seed), "N", "seed of the random choice (by the clock)", -1, 9e15},
    {"stop", NULL, LIST, AT(stop), "TEXT", "end where this text appears (up to 8 times)", 0, 0},
    {"system", NULL, TEXT, AT(system), "TEXT", "the system message", 0, 0},
    {"batch", NULL, INT, AT(batch), "N", "prompt tokens per step (512)", 1, 1e6},
    {"all-logits", NULL, SWITCH, AT(all_logits), NULL,
     "bench: logits of every prompt token, as a check of guesses wants", 0, 0},
    {"cache-type", NULL, TEXT, AT(cache_type), "TYPE",
     "dtype of the key-value cache: f32, f16, bf16, q8_0, q4_0 (f16; f32 if precise)", 0, 0},
    {"ctk", "cache-type-k", TEXT, AT(key_type), "TYPE", "dtype of the keys alone", 0, 0},
    {"ctv", "cache-type-v", TEXT, AT(value_type), "TYPE", "dtype of the values alone", 0, 0},
    {"device", NULL, TEXT, AT(device), "NAME", "cpu or cuda:N (cpu)", 0, 0},
    {"precise", NULL, SWITCH, AT(precise), NULL, "products in f32 on dequantised weights", 0, 0},
    {"logits", NULL, TEXT, AT(logits), "FILE", "write f32 logits [tokens, vocabulary] as .npy", 0, 0},
    {"ignore-eos", NULL, SWITCH, AT(ignore_eos), NULL, "go on after the end token", 0, 0},
    {"no-special", NULL, SWITCH, AT(no_special), NULL, "take control tokens in the text as plain text", 0, 0},
    {"revision", NULL, TEXT, AT(revision), "NAME", "branch, tag or commit (main)", 0, 0},
    {"json", NULL, SWITCH, AT(json), NULL, "answer as JSON", 0, 0},
    {"quiet", NULL, SWITCH, AT(quiet), NULL, "no progress", 0, 0},
    {"verbose", NULL, SWITCH, AT(verbose), NULL, "timings on standard error", 0, 0},
};
enum { N_FLAGS = sizeof flags / sizeof *flags };

/* Is name one of the comma separated list? */
static bool listed(const char *list, const char *name)
{
    const size_t n = strlen(name);
    for (const char *p = list; *p;) {
        const size_t w = strcspn(p, ",");
        if (w == n && strncmp(p, name, n) == 0) return true;
        p += w + (p[w] == ',');
    }
    return false;
}

void options_help(const struct verb *v, FILE *out)
{
    fprintf(out, "usage: wick %s [flags]%s%s\n%s\n\n", v->name, *v->arguments ? " " : "", v->arguments,
            v->text);
    for (int i = 0; i < N_FLAGS; i++) {
        const struct flag *f = &flags[i];
        if (!listed(v->flags, f->name)) continue;
        char left[64];
        if (f->alias)
            snprintf(left, sizeof left, "-%s, --%s %s", f->name, f->alias, f->argument ? f->argument : "");
        else
            snprintf(left, sizeof left, "--%s %s", f->name, f->argument ? f->argument : "");
        fprintf(out, "  %-26s %s\n", left, f->text);
    }
}

static int bad(const struct verb *v, const struct flag *f, const char *value, const char *why)
{
    fprintf(stderr, "wick %s: %s%s \"%s\": %s\n", v->name, f->alias ? "-" : "--", f->name, value, why);
    return EXIT_USAGE;
}

static int store(const struct verb *v, const struct flag *f, const char *value, struct options *o)
{
    void *field = (char *)o + f->at;
    char *end;
    errno = 0;
    if (f->kind == SWITCH) {
        *(bool *)field = true;
    } else if (f->kind == TEXT) {
        *(const char **)field = value;
    } else if (f->kind == LIST) {
        if (!*value) return bad(v, f, value, "empty");
        if (o->n_stop == (int)(sizeof o->stop / sizeof *o->stop)) return bad(v, f, value, "too many");
        o->stop[o->n_stop++] = value;
    } else if (f->kind == INT) {
        const long long n = strtoll(value, &end, 10);
        if (end == value || *end || errno || isspace((unsigned char)*value))
            return bad(v, f, value, "not an integer");
        if ((double)n < f->low || (double)n > f->high) return bad(v, f, value, "out of range");
        *(int64_t *)field = n;
        if (field == (void *)&o->seed) o->seed_given = n >= 0;
    } else {
        const double x = strtod(value, &end);
        if (end == value || *end || !isfinite(x)) return bad(v, f, value, "not a number");
        if (x < f->low || x > f->high) return bad(v, f, value, "out of range");
        *(double *)field = x;
    }
    return EXIT_OK;
}

/* Names of several letters after one dash, which getopt would read as short flags. */
static void spell_out(int argc, char **argv)
{
    static char longs[][16] = {"--cache-type-k", "--cache-type-v"};
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (!strcmp(argv[i], "-ctk")) argv[i] = longs[0];
        if (!strcmp(argv[i], "-ctv")) argv[i] = longs[1];
    }
}

int options_parse(const struct verb *v, int argc, char **argv, struct options *o)
{
    *o = (struct options){.device = "cpu",
                          .predict = -1,
                          .batch = 512,
                          .repetitions = 5,
                          .top_k = 40,
                          .temperature = 0.8,
                          .top_p = 0.95,
                          .min_p = 0.05,
                          .repeat_penalty = 1,
                          .repeat_last = 64,
                          .revision = "main"};
    struct option longs[2 * N_FLAGS + 2] = {{0}};
    char          shorts[2 * N_FLAGS + 8] = ":h";
    int           n = 0;
    for (int i = 0; i < N_FLAGS; i++) {
        const struct flag *f = &flags[i];
        if (!listed(v->flags, f->name)) continue;
        const int wants = f->kind == SWITCH ? no_argument : required_argument;
        if (f->alias && !f->name[1]) snprintf(shorts + strlen(shorts), 3, "%s%s", f->name, wants ? ":" : "");
        longs[n++] = (struct option){f->alias ? f->alias : f->name, wants, NULL, 1000 + i};
    }
    longs[n] = (struct option){"help", no_argument, NULL, 'h'};
    opterr = 0;
    spell_out(argc, argv);
    for (int got; (got = getopt_long(argc, argv, shorts, longs, NULL)) != -1;) {
        int at = got - 1000;
        if (got == 'h') {
            o->help = true;
            return EXIT_OK;
        }
        if (got == '?' || got == ':') {
            fprintf(stderr, "wick %s: %s: %s (wick %s --help)\n", v->name, argv[optind - 1],
                    got == '?' ? "no such flag" : "wants a value", v->name);
            return EXIT_USAGE;
        }
        for (int i = 0; at < 0 && i < N_FLAGS; i++)
            if (flags[i].alias && !flags[i].name[1] && flags[i].name[0] == got) at = i;
        const int code = store(v, &flags[at], optarg, o);
        if (code != EXIT_OK) return code;
    }
    o->n_args = argc - optind;
    o->args = argv + optind;
    if (o->n_args && !*v->arguments) {
        fprintf(stderr, "wick %s: what is \"%s\"? (wick %s --help)\n", v->name, o->args[0], v->name);
        return EXIT_USAGE;
    }
    if (listed(v->flags, "m") && !o->model) {
        fprintf(stderr, "wick %s: no model; -m PATH names one\n", v->name);
        return EXIT_USAGE;
    }
    return EXIT_OK;
}
