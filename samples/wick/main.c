/* wick: run, inspect and measure transformers from the command line. */
#include "wick.h"

#include <string.h>

const struct verb verbs[] = {
    {"run", "", "complete a text",
     "m,p,f,n,c,t,temp,top-k,top-p,min-p,repeat-penalty,repeat-last,seed,stop,device,"
     "precise,cache-type,ctk,ctv,batch,ignore-eos,no-special,verbose",
     verb_run},
    {"chat", "", "hold a conversation; with -p answer once",
     "m,p,f,system,n,c,t,temp,top-k,top-p,min-p,"
     "repeat-penalty,repeat-last,seed,stop,device,precise,cache-type,ctk,ctv,batch,verbose",
     verb_chat},
    {"perplexity", "", "how well a model predicts a text",
     "m,p,f,c,t,logits,device,precise,cache-type,ctk,ctv,batch,json", verb_perplexity},
    {"tokenize", "", "a text as tokens", "m,p,f,no-special,json", verb_tokenize},
    {"inspect", "", "what is in a model file or folder", "m,json", verb_inspect},
    {"bench", "", "tokens per second", "m,p,n,d,t,r,batch,all-logits,device,precise,cache-type,ctk,ctv,json",
     verb_bench},
    {"doctor", "", "what this machine offers", "device,t,json", verb_doctor},
    {"pull", "OWNER/MODEL [FILE]", "fetch a model into the cache folder", "revision,quiet", verb_pull},
    {"list", "", "models in the cache folder", "json", verb_list},
};
const int n_verbs = sizeof verbs / sizeof *verbs;

static void help(FILE *out)
{
    fprintf(out, "wick %s: transformers on CPUs and GPUs\n\nusage: wick VERB [flags]\n\n", wk_version());
    for (int i = 0; i < n_verbs; i++) fprintf(out, "  %-11s %s\n", verbs[i].name, verbs[i].text);
    fprintf(out, "\nexamples:\n"
                 "  wick run -m model.gguf -p \"The capital of France is\" -n 20 --temp 0\n"
                 "  wick chat -m model.gguf\n"
                 "  wick bench -m model.gguf -p 512 -n 128\n"
                 "\nwick VERB --help tells a verb's flags. Answers go to standard output, all else to "
                 "standard error.\n"
                 "exit codes: 0 done, 1 failed, 2 wrong usage, 130 interrupted\n");
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        help(stderr);
        return EXIT_USAGE;
    }
    if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help")) {
        help(stdout);
        return EXIT_OK;
    }
    if (!strcmp(argv[1], "--version") || !strcmp(argv[1], "version")) {
        printf("wick %s\n", wk_version());
        return EXIT_OK;
    }
    for (int i = 0; i < n_verbs; i++) {
        if (strcmp(argv[1], verbs[i].name) != 0) continue;
        struct options o;
        const int      code = options_parse(&verbs[i], argc - 1, argv + 1, &o);
        if (code != EXIT_OK) return code;
        if (o.help) {
            options_help(&verbs[i], stdout);
            return EXIT_OK;
        }
        const int result = verbs[i].run(&o);
        if (fflush(stdout) != 0 || ferror(stdout)) return failed("standard output cannot be written");
        return result;
    }
    fprintf(stderr, "wick: no verb \"%s\"; wick --help lists them\n", argv[1]);
    return EXIT_USAGE;
}
