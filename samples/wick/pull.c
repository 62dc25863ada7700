/* wick pull: fetches a model from a Hugging Face style endpoint, with resume and SHA-256. */
#include "wick.h"

#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define API_LIMIT ((size_t)16 << 20) /* a listing larger than this is refused */
#define RETRIES   4

struct pull {
    const char        *endpoint, *repo, *revision;
    CURL              *curl;
    struct curl_slist *headers;
    bool               quiet;
    char               error[CURL_ERROR_SIZE];
};

struct entry {
    const char *name, *sha256; /* sha256 NULL: the endpoint tells none */
    int64_t     bytes;         /* -1: unknown */
};

struct body {
    char  *bytes;
    size_t length;
};

static size_t keep_body(char *data, size_t size, size_t n, void *arg)
{
    struct body *b = arg;
    n *= size;
    if (b->length + n > API_LIMIT) return 0;
    char *grown = wk_resize(b->bytes, b->length + n + 1);
    if (!grown) return 0;
    memcpy(grown + b->length, data, n);
    b->bytes = grown;
    b->length += n;
    grown[b->length] = '\0';
    return n;
}

/* A name from the listing may only lead below the model's folder: parts of plain characters, none starting
 * with a dot. */
static bool safe_name(const char *name)
{
    if (!*name || strlen(name) > 512) return false;
    for (const char *p = name; *p; p++) {
        const bool start = p == name || p[-1] == '/';
        if (start && (*p == '.' || *p == '/')) return false;
        if (!((*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || (*p >= '0' && *p <= '9') ||
              strchr("._-/+", *p)))
            return false;
    }
    return name[strlen(name) - 1] != '/';
}

/* Is this a file that running the model needs? */
static bool wanted(const char *name)
{
    static const char *const ends[] = {".safetensors",    ".gguf",      ".json",
                                       "tokenizer.model", "merges.txt", "chat_template.jinja",
                                       "LICENSE",         NULL};
    if (strchr(name, '/')) return false;
    for (int i = 0; ends[i]; i++) {
        const size_t n = strlen(name), m = strlen(ends[i]);
        if (n >= m && strcmp(name + n - m, ends[i]) == 0) return true;
    }
    return false;
}

static void prepare(struct pull *p, const char *url)
{
    curl_easy_reset(p->curl);
    p->error[0] = '\0';
    curl_easy_setopt(p->curl, CURLOPT_URL, url);
    curl_easy_setopt(p->curl, CURLOPT_HTTPHEADER, p->headers);
    curl_easy_setopt(p->curl, CURLOPT_FOLLOWLOCATION, 1L);
    curl_easy_setopt(p->curl, CURLOPT_MAXREDIRS, 8L);
    curl_easy_setopt(p->curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(p->curl, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(p->curl, CURLOPT_FAILONERROR, 1L);
    curl_easy_setopt(p->curl, CURLOPT_ERRORBUFFER, p->error);
    curl_easy_setopt(p->curl, CURLOPT_CONNECTTIMEOUT, 20L);
    curl_easy_setopt(p->curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(p->curl, CURLOPT_LOW_SPEED_TIME, 60L);
    curl_easy_setopt(p->curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(p->curl, CURLOPT_USERAGENT, "wick/" WK_VERSION);
}

static json_t *listing(struct pull *p)
{
    char        url[2048];
    struct body body = {0};
    snprintf(url, sizeof url, "%s/api/models/%s/revision/%s?blobs=true", p->endpoint, p->repo, p->revision);
    prepare(p, url);
    curl_easy_setopt(p->curl, CURLOPT_WRITEFUNCTION, keep_body);
    curl_easy_setopt(p->curl, CURLOPT_WRITEDATA, &body);
    const CURLcode got = curl_easy_perform(p->curl);
    json_t        *root = NULL;
    if (got != CURLE_OK) {
        failed("%s: %s", url, p->error[0] ? p->error : curl_easy_strerror(got));
    } else {
        json_error_t e;
        root = json_loadb(body.bytes ? body.bytes : "", body.length, JSON_REJECT_DUPLICATES, &e);
        if (!root) failed("%s: not JSON: %s", url, e.text);
    }
    wk_free(body.bytes);
    return root;
}

struct progress {
    const char *name;
    double      from, last;
    int64_t     before;
    bool        shown;
};

static int show(void *arg, curl_off_t total, curl_off_t now, curl_off_t ut, curl_off_t un)
{
    struct progress *g = arg;
    (void)ut;
    (void)un;
    const double t = seconds_now();
    if (interrupted()) return 1;
    if (!g->shown || t - g->last < 0.1) return 0;
    g->last = t;
    const double rate = (double)now / (t - g->from + 1e-9), all = (double)(total + g->before);
    const double done = (double)(now + g->before), left = rate > 0 ? (all - done) / rate : 0;
    char         bar[31];
    const int    full = all > 0 ? (int)(30 * done / all) : 0;
    for (int i = 0; i < 30; i++) bar[i] = i < full ? '#' : '.';
    bar[30] = '\0';
    fprintf(stderr, "\r%-28.28s [%s] %7.1f of %.1f MB, %.1f MB/s, %.0f s  ", g->name, bar, done / 1e6,
            all / 1e6, rate / 1e6, left);
    return 0;
}

static bool hash_file(const char *path, char hex[65])
{
    struct sha256 s;
    char         *block = wk_alloc(1 << 20);
    FILE         *f = block ? fopen(path, "rb") : NULL;
    sha256_begin(&s);
    for (size_t n; f && (n = fread(block, 1, 1 << 20, f)) > 0;) sha256_add(&s, block, n);
    const bool ok = f && !ferror(f);
    if (f) fclose(f);
    wk_free(block);
    sha256_end(&s, hex);
    return ok;
}

/* Makes the folders that lead to path. */
static bool make_folders(char *path)
{
    for (char *p = path + 1; *p; p++) {
        if (*p != '/') continue;
        *p = '\0';
        const bool ok = mkdir(path, 0777) == 0 || errno == EEXIST;
        *p = '/';
        if (!ok) return false;
    }
    return true;
}

static int64_t size_of(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 ? (int64_t)st.st_size : -1;
}

/* One try: appends what is missing to part. */
static CURLcode fetch(struct pull *p, const struct entry *e, const char *url, const char *part)
{
    int64_t have = size_of(part);
    if (have < 0) have = 0;
    FILE *f = fopen(part, have ? "ab" : "wb");
    if (!f) {
        snprintf(p->error, sizeof p->error, "%s", strerror(errno));
        return CURLE_WRITE_ERROR;
    }
    struct progress g = {
        .name = e->name, .from = seconds_now(), .before = have, .shown = !p->quiet && isatty(STDERR_FILENO)};
    prepare(p, url);
    curl_easy_setopt(p->curl, CURLOPT_WRITEDATA, f);
    curl_easy_setopt(p->curl, CURLOPT_RESUME_FROM_LARGE, (curl_off_t)have);
    curl_easy_setopt(p->curl, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(p->curl, CURLOPT_XFERINFOFUNCTION, show);
    curl_easy_setopt(p->curl, CURLOPT_XFERINFODATA, &g);
    if (e->bytes >= 0) curl_easy_setopt(p->curl, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)e->bytes);
    CURLcode   got = curl_easy_perform(p->curl);
    const bool flushed = fflush(f) == 0 && fsync(fileno(f)) == 0;
    if ((fclose(f) != 0 || !flushed) && got == CURLE_OK) got = CURLE_WRITE_ERROR;
    if (g.shown) fprintf(stderr, "\r%-100s\r", "");
    return got;
}

static int pull_file(struct pull *p, const struct entry *e, const char *folder)
{
    char path[4096], part[4096 + 8], url[4096], hex[65];
    if (!safe_name(e->name)) return failed("the listing names a file \"%.100s\", which is refused", e->name);
    snprintf(path, sizeof path, "%s/%s/%s", folder, p->repo, e->name);
    snprintf(part, sizeof part, "%s.part", path);
    snprintf(url, sizeof url, "%s/%s/resolve/%s/%s", p->endpoint, p->repo, p->revision, e->name);
    if (!make_folders(path)) return failed("%s: %s", path, strerror(errno));
    if (e->bytes >= 0 && size_of(path) == e->bytes &&
        (!e->sha256 || (hash_file(path, hex) && !strcmp(hex, e->sha256)))) {
        fprintf(stderr, "%s: already there\n", e->name);
        return EXIT_OK;
    }
    if (e->bytes >= 0 && size_of(part) > e->bytes) unlink(part);
    CURLcode got = CURLE_OK;
    for (int i = 0; i < RETRIES && !interrupted(); i++) {
        if (e->bytes >= 0 && size_of(part) == e->bytes) break;
        got = fetch(p, e, url, part);
        if (got == CURLE_OK || got == CURLE_HTTP_RETURNED_ERROR || got == CURLE_WRITE_ERROR) break;
        if (got == CURLE_RANGE_ERROR) unlink(part); /* this server cannot resume */
    }
    if (interrupted()) return EXIT_INTERRUPTED;
    if (got != CURLE_OK) return failed("%s: %s", url, p->error[0] ? p->error : curl_easy_strerror(got));
    if (e->bytes >= 0 && size_of(part) != e->bytes)
        return failed("%s: %lld bytes came, not %lld; pull again to go on", e->name, (long long)size_of(part),
                      (long long)e->bytes);
    if (!hash_file(part, hex)) return failed("%s: %s", part, strerror(errno));
    if (e->sha256 && strcmp(hex, e->sha256) != 0) {
        unlink(part);
        return failed("%s: its SHA-256 is %s, not %s; it was thrown away", e->name, hex, e->sha256);
    }
    if (rename(part, path) != 0) return failed("%s: %s", path, strerror(errno));
    fprintf(stderr, "%s: %s\n", path, hex);
    return EXIT_OK;
}

static struct entry entry_of(const json_t *j)
{
    const json_t *lfs = json_object_get(j, "lfs"), *size = json_object_get(j, "size");
    struct entry  e = {.name = json_string_value(json_object_get(j, "rfilename")), .bytes = -1};
    e.sha256 = json_string_value(json_object_get(lfs, "sha256"));
    if (!e.sha256) e.sha256 = json_string_value(json_object_get(lfs, "oid"));
    if (e.sha256 && !strncmp(e.sha256, "sha256:", 7)) e.sha256 += 7;
    if (json_is_integer(json_object_get(lfs, "size"))) size = json_object_get(lfs, "size");
    if (json_is_integer(size) && json_integer_value(size) >= 0) e.bytes = json_integer_value(size);
    return e;
}

static int pull_all(struct pull *p, const char *only, const char *folder)
{
    json_t *root = listing(p), *files = json_object_get(root, "siblings"), *j;
    int     code = root ? EXIT_OK : EXIT_FAILED, taken = 0;
    size_t  i;
    if (root && !json_is_array(files)) code = failed("%s: the endpoint lists no files", p->repo);
    json_array_foreach(files, i, j)
    {
        const struct entry e = entry_of(j);
        if (code != EXIT_OK || !e.name) continue;
        if (only ? strcmp(only, e.name) != 0 : !wanted(e.name)) continue;
        code = pull_file(p, &e, folder);
        taken++;
    }
    if (code == EXIT_OK && taken == 0)
        code =
            only ? failed("%s has no file \"%s\"", p->repo, only) : failed("%s has no model files", p->repo);
    json_decref(root);
    return code;
}

int verb_pull(const struct options *o)
{
    const char *endpoint = getenv("HF_ENDPOINT"), *token = getenv("HF_TOKEN");
    if (o->n_args < 1 || o->n_args > 2 || !safe_name(o->args[0]) || !safe_name(o->revision)) {
        fprintf(stderr, "wick pull: wants OWNER/MODEL and perhaps a FILE\n");
        return EXIT_USAGE;
    }
    struct pull p = {.endpoint = endpoint && *endpoint ? endpoint : "https://huggingface.co",
                     .repo = o->args[0],
                     .revision = o->revision,
                     .quiet = o->quiet};
    curl_global_init(CURL_GLOBAL_DEFAULT);
    p.curl = curl_easy_init();
    if (token && *token) {
        char line[1024];
        snprintf(line, sizeof line, "Authorization: Bearer %s", token);
        p.headers = curl_slist_append(NULL, line);
    }
    interrupt_watch(NULL);
    char     *folder = cache_folder();
    const int code =
        p.curl && folder ? pull_all(&p, o->n_args > 1 ? o->args[1] : NULL, folder) : failed("out of memory");
    wk_free(folder);
    curl_slist_free_all(p.headers);
    if (p.curl) curl_easy_cleanup(p.curl);
    curl_global_cleanup();
    return code;
}
