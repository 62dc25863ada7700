/* wick-case: runs test cases that others wrote, from safetensors files whose metadata lists them. */
#include "cases.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct options {
    const char *device;
    bool        dtype_report, quiet;
};

/* Verdicts per op and dtype of the first tensor, for --dtype-report. */
struct tally {
    char op[96], dtype[12];
    int  count[3];
};
struct totals {
    int           count[3];
    struct tally *rows;
    int           n_rows, cap_rows;
};

static void add(struct totals *t, const char *op, const char *dtype, enum verdict v)
{
    t->count[v]++;
    for (int i = 0; i < t->n_rows; i++)
        if (!strcmp(t->rows[i].op, op) && !strcmp(t->rows[i].dtype, dtype)) {
            t->rows[i].count[v]++;
            return;
        }
    if (t->n_rows == t->cap_rows) {
        const int     cap = t->cap_rows ? 2 * t->cap_rows : 64;
        struct tally *grown = wk_resize(t->rows, (size_t)cap * sizeof *grown);
        if (!grown) return;
        t->rows = grown;
        t->cap_rows = cap;
    }
    struct tally *row = &t->rows[t->n_rows++];
    *row = (struct tally){.count = {0}};
    snprintf(row->op, sizeof row->op, "%s", op);
    snprintf(row->dtype, sizeof row->dtype, "%s", dtype);
    row->count[v] = 1;
}

static double *values_of(struct run *r, wk_tensor x)
{
    double   *v = wk_alloc((size_t)wk_count(x) * sizeof *v);
    wk_tensor wide = wk_dtype_block(x->dtype) > 1 ? wk_cast(r->c, x, WK_f32) : x;
    if (!v) stop(r, CASE_FAIL, "out of memory");
    wk_no_grad(r->c, true);
    wk_read(r->c, wk_cast(r->c, wide, WK_f64), v);
    wk_no_grad(r->c, false);
    if (!wk_ctx_status(r->c)) return v;
    wk_free(v);
    stop(r, CASE_FAIL, "%s", wk_ctx_message(r->c));
}

static void shape_text(wk_tensor x, char *out, size_t size)
{
    int n = snprintf(out, size, "[");
    for (int i = 0; i < x->ndim; i++)
        n += snprintf(out + n, size - (size_t)n, "%s%lld", i ? ", " : "", (long long)x->shape[i]);
    snprintf(out + n, size - (size_t)n, "]");
}

/* The result in f64 that the case may name, as values of a tensor like x; NULL: none. */
static double *exact_values(struct run *r, const char *name, wk_tensor x)
{
    if (!name) return NULL;
    wk_tensor e = load(r, name);
    return wk_count(e) == wk_count(x) ? values_of(r, e) : NULL;
}

/* How a result is compared. pairs: neighbours are a complex value; exact: the name of the result in f64, or
 * NULL. */
struct rule {
    double      rtol, atol;
    bool        pairs;
    const char *exact;
};

/* How far value i is beyond what the rule allows; not above 0: it is close. NaN equals NaN. */
static double beyond(const struct rule *rule, const double *x, const double *y, int64_t i)
{
    if (rule->pairs) {
        const double *a = x + i / 2 * 2, *b = y + i / 2 * 2;
        if ((a[0] == b[0] && a[1] == b[1]) || (isnan(a[0] + a[1]) && isnan(b[0] + b[1]))) return 0;
        const double size = hypot(b[0], b[1]);
        return isfinite(size) ? hypot(a[0] - b[0], a[1] - b[1]) - (rule->atol + rule->rtol * size) : INFINITY;
    }
    if (x[i] == y[i] || (isnan(x[i]) && isnan(y[i]))) return 0;
    return isfinite(y[i]) ? fabs(x[i] - y[i]) - (rule->atol + rule->rtol * fabs(y[i])) : INFINITY;
}

/* PyTorch's: |got - want| <= atol + rtol |want|. */
static void compare(struct run *r, const char *what, wk_tensor got, wk_tensor want, struct rule rule)
{
    char a[120], b[120];
    shape_text(got, a, sizeof a);
    shape_text(want, b, sizeof b);
    if (got->ndim != want->ndim ||
        memcmp(got->shape, want->shape, (size_t)got->ndim * sizeof *got->shape) != 0)
        stop(r, CASE_FAIL, "%s has the shape %s, expected is %s", what, a, b);
    if (got->dtype != want->dtype)
        stop(r, CASE_FAIL, "%s is %s, expected is %s", what, wk_dtype_name(got->dtype),
             wk_dtype_name(want->dtype));
    const int64_t n = wk_count(got);
    double       *x = values_of(r, got), *y = values_of(r, want), worst = 0;
    int64_t       at = -1;
    for (int64_t i = 0; i < n; i++) {
        const double error = beyond(&rule, x, y, i);
        if (error <= 0) continue;
        const double size = isnan(error) ? INFINITY : error;
        if (at < 0 || size > worst) {
            worst = size;
            at = i;
        }
    }
    const double g = at >= 0 ? x[at] : 0, w = at >= 0 ? y[at] : 0;
    wk_free(x);
    wk_free(y);
    double      *z = at >= 0 ? exact_values(r, rule.exact, got) : NULL;
    const double e = z ? z[at] : 0;
    wk_free(z);
    if (z)
        stop(r, CASE_FAIL, "%s%s: element %lld is %.9g, expected is %.9g (from f64: %.3g here, %.3g there)",
             what, a, (long long)at, g, w, fabs(g - e), fabs(w - e));
    if (at >= 0)
        stop(r, CASE_FAIL, "%s%s: element %lld is %.9g, expected is %.9g (error %.3g)", what, a,
             (long long)at, g, w, fabs(g - w));
}

static double tolerance(struct run *r, const char *name, double fallback)
{
    const json_t *j = json_object_get(r->spec, name);
    double        v;
    if (!j || json_is_null(j)) return fallback;
    if (!number(j, &v) || !(v >= 0)) stop(r, CASE_FAIL, "%s is not a tolerance", name);
    return v;
}

static const char *exact_result(const struct run *r, int i)
{
    const json_t *all = json_object_get(json_object_get(r->spec, "exact"), "out");
    return json_string_value(json_array_get(all, (size_t)i));
}
static const char *exact_gradient(const struct run *r, const char *name)
{
    const json_t *all = json_object_get(json_object_get(r->spec, "exact"), "grads");
    return json_string_value(json_object_get(all, name));
}

/* The rule for the gradient in tensor `name`, if the case has one of its own. */
static struct rule gradient_rule(struct run *r, const char *name, double rtol, double atol)
{
    const json_t *own = json_object_get(json_object_get(r->spec, "rules"), name), *j;
    struct rule   rule = {.rtol = rtol, .atol = atol, .pairs = json_is_true(json_object_get(own, "complex"))};
    if ((j = json_object_get(own, "rtol"))) number(j, &rule.rtol);
    if ((j = json_object_get(own, "atol"))) number(j, &rule.atol);
    return rule;
}

static void check_gradients(struct run *r, const wk_tensor *out, int n, double rtol, double atol)
{
    const json_t *cotangents = json_object_get(r->spec, "cotangents"),
                 *grads = json_object_get(r->spec, "grads");
    wk_tensor y[MAX_RESULTS], g[MAX_RESULTS];
    int       used = 0;
    for (int i = 0; i < n; i++) {
        const char kind = wk_dtype_name(out[i]->dtype)[0];
        if (kind != 'f' && strcmp(wk_dtype_name(out[i]->dtype), "bf16") != 0) continue;
        const char *name = json_string_value(json_array_get(cotangents, (size_t)used));
        if (!name) stop(r, CASE_FAIL, "no cotangent for result %d", i);
        y[used] = out[i];
        g[used++] = load(r, name);
    }
    wk_backward_from(r->c, used, y, g);
    if (wk_ctx_status(r->c))
        stop(r, wk_ctx_status(r->c) == WK_EUNSUPPORTED ? CASE_UNSUPPORTED : CASE_FAIL, "gradient: %s",
             wk_ctx_message(r->c));
    const char *name;
    json_t     *expected;
    json_object_foreach((json_t *)(uintptr_t)grads, name, expected)
    {
        if (!json_is_string(expected)) stop(r, CASE_FAIL, "grads holds something other than names");
        char what[80];
        snprintf(what, sizeof what, "gradient of %.60s", name);
        wk_tensor d = wk_grad(r->c, load(r, name));
        if (wk_ctx_status(r->c)) stop(r, CASE_FAIL, "%s: %s", what, wk_ctx_message(r->c));
        struct rule rule = gradient_rule(r, json_string_value(expected), rtol, atol);
        rule.exact = exact_gradient(r, name);
        const wk_tensor want = load(r, json_string_value(expected));
        if (rule.pairs && wk_count(want) % 2) stop(r, CASE_FAIL, "%s is not complex", what);
        compare(r, what, d, want, rule);
    }
}

static void run_case(struct run *r)
{
    const char   *op = json_string_value(json_object_get(r->spec, "op"));
    const json_t *out = json_object_get(r->spec, "out");
    if (!op) stop(r, CASE_FAIL, "no op");
    if (!out) stop(r, CASE_FAIL, "no out");
    const struct op_row *row = find_op(op);
    if (!row) stop(r, CASE_UNSUPPORTED, "no such op here");
    const double rtol = tolerance(r, "rtol", 1.3e-6), atol = tolerance(r, "atol", 1e-5);
    r->track = json_object_size(json_object_get(r->spec, "grads")) > 0;
    if (r->track) wk_tape_begin(r->c);
    bind(r, row->signature);
    wk_tensor got[MAX_RESULTS];
    const int n = row->run(r, got);
    if (wk_ctx_status(r->c))
        stop(r, wk_ctx_status(r->c) == WK_EUNSUPPORTED ? CASE_UNSUPPORTED : CASE_FAIL, "%s",
             wk_ctx_message(r->c));
    const bool   list = json_is_array(out);
    const size_t want = list ? json_array_size(out) : 1;
    if ((size_t)n != want) stop(r, CASE_FAIL, "%d results, expected are %zu", n, want);
    for (int i = 0; i < n; i++) {
        char          what[32];
        const json_t *j = list ? json_array_get(out, (size_t)i) : out;
        snprintf(what, sizeof what, n > 1 ? "result %d " : "result ", i);
        if (json_object_get(j, "t")) {
            const wk_tensor y = from_json(r, j);
            const bool      pairs = json_is_true(json_object_get(j, "complex")) && wk_count(y) % 2 == 0;
            compare(r, what, got[i], y, (struct rule){rtol, atol, pairs, exact_result(r, i)});
            continue;
        }
        double w;
        if (!number(j, &w)) stop(r, CASE_FAIL, "out is neither tensor nor number");
        wk_no_grad(r->c, true);
        const double g = wk_item(r->c, got[i]);
        wk_no_grad(r->c, false);
        if (wk_ctx_status(r->c)) stop(r, CASE_FAIL, "%s", wk_ctx_message(r->c));
        if (!(g == w || (isnan(g) && isnan(w)) || fabs(g - w) <= atol + rtol * fabs(w)))
            stop(r, CASE_FAIL, "%sis %.9g, expected is %.9g", what, g, w);
    }
    if (r->track) check_gradients(r, got, n, rtol, atol);
}

static const char *first_dtype(const struct run *r)
{
    return r->n_loaded ? wk_dtype_name(r->loaded[0].x->dtype) : "-";
}

static void one(const struct options *o, const wk_files *files, json_t *spec, struct totals *totals)
{
    const char *name = json_string_value(json_object_get(spec, "name"));
    const char *op = json_string_value(json_object_get(spec, "op"));
    struct run *r = wk_alloc_zero(1, sizeof *r);
    if (!r) return;
    r->c = wk_ctx_new(o->device);
    r->files = files;
    r->spec = spec;
    if (wk_ctx_status(r->c)) {
        r->verdict = CASE_FAIL;
        snprintf(r->why, sizeof r->why, "%s", wk_ctx_message(r->c));
    } else if (!json_is_object(spec)) {
        r->verdict = CASE_FAIL;
        snprintf(r->why, sizeof r->why, "not an object");
    } else if (setjmp(r->out) == 0) {
        run_case(r);
    }
    static const char *const words[] = {"ok", "FAIL", "unsupported"};
    if (!o->quiet || r->verdict == CASE_FAIL)
        printf("%-11s %s%s%s\n", words[r->verdict],
               name ? name
               : op ? op
                    : "(no name)",
               r->why[0] ? ": " : "", r->why);
    add(totals, op ? op : "?", first_dtype(r), r->verdict);
    wk_ctx_free(r->c);
    wk_free(r);
}

static void run_file(const struct options *o, const char *path, struct totals *totals)
{
    wk_ctx   *c = wk_ctx_new("cpu");
    wk_files *files = wk_files_open(c, path);
    json_t   *cases = NULL;
    if (files) {
        const char  *text = wk_config_string(files, "__metadata__.cases", NULL);
        json_error_t e;
        cases = text ? json_loads(text, 0, &e) : NULL;
        if (!json_is_array(cases)) {
            printf("%-11s %s: %s\n", "FAIL", path,
                   text ? "its cases are not a JSON list" : "no metadata \"cases\"");
            totals->count[CASE_FAIL]++;
        }
    } else {
        printf("%-11s %s\n", "FAIL", wk_ctx_message(c));
        totals->count[CASE_FAIL]++;
    }
    size_t  i;
    json_t *spec;
    if (json_is_array(cases)) json_array_foreach(cases, i, spec) one(o, files, spec, totals);
    json_decref(cases);
    wk_files_close(files);
    wk_ctx_free(c);
}

static int usage(void)
{
    fprintf(stderr, "usage: wick-case [--device NAME] [--dtype-report] [--quiet] FILE...\n");
    return 2;
}

int main(int argc, char **argv)
{
    struct options o = {.device = "cpu"};
    struct totals  totals = {.count = {0}};
    int            files = 0;
    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--device")) {
            if (++i == argc) return usage();
            o.device = argv[i];
        } else if (!strcmp(argv[i], "--dtype-report")) {
            o.dtype_report = true;
        } else if (!strcmp(argv[i], "--quiet")) {
            o.quiet = true;
        } else if (argv[i][0] == '-') {
            return usage();
        } else {
            run_file(&o, argv[i], &totals);
            files++;
        }
    }
    if (!files) return usage();
    if (o.dtype_report) {
        printf("\n%-56s %-8s %6s %6s %12s\n", "op", "dtype", "ok", "FAIL", "unsupported");
        for (int i = 0; i < totals.n_rows; i++)
            printf("%-56s %-8s %6d %6d %12d\n", totals.rows[i].op, totals.rows[i].dtype,
                   totals.rows[i].count[0], totals.rows[i].count[1], totals.rows[i].count[2]);
    }
    printf("%d passed, %d failed, %d skipped\n", totals.count[CASE_OK], totals.count[CASE_FAIL],
           totals.count[CASE_UNSUPPORTED]);
    wk_free(totals.rows);
    return totals.count[CASE_FAIL] != 0;
}
