/* Layers against PyTorch's: reading the golden files, comparing. */
#include "reference.h"

enum { MAX = 4096 };

void reference_open(struct reference *r, const char *family)
{
    char path[300];
    *r = (struct reference){.c = wk_ctx_new("cpu")};
    snprintf(path, sizeof path, WK_SOURCE_DIR "/tests/golden/layers/%s.safetensors", family);
    r->files = wk_files_open(r->c, path);
    cr_assert(r->files, "%s", wk_ctx_message(r->c));
}

void reference_close(struct reference *r)
{
    cr_assert_eq(wk_ctx_status(r->c), WK_OK, "%s", wk_ctx_message(r->c));
    wk_param_list_free(r->list);
    wk_files_close(r->files);
    wk_ctx_free(r->c);
}

static const char *full(struct reference *r, char sign, const char *what, char out[200])
{
    snprintf(out, 200, "%s%c%s", r->name, sign, what);
    return out;
}

bool reference_has(struct reference *r, const char *what)
{
    char name[200];
    return wk_files_has(r->files, full(r, ':', what, name));
}

wk_tensor reference_get(struct reference *r, const char *what)
{
    char name[200];
    return wk_files_tensor(r->c, r->files, full(r, ':', what, name));
}

void reference_same(struct reference *r, const char *what, wk_tensor got, wk_tensor wanted)
{
    static float  a[MAX], b[MAX];
    double        most = 0;
    const int64_t n = wk_count(wanted);
    cr_assert_eq(wk_ctx_status(r->c), WK_OK, "%s, %s: %s", r->name, what, wk_ctx_message(r->c));
    cr_assert(got->ndim == wanted->ndim && n <= MAX, "%s, %s: %d dims, not %d; %lld values", r->name, what,
              got->ndim, wanted->ndim, (long long)n);
    for (int i = 0; i < got->ndim; i++)
        cr_assert(got->shape[i] == wanted->shape[i], "%s, %s: dim %d is %lld, not %lld", r->name, what, i,
                  (long long)got->shape[i], (long long)wanted->shape[i]);
    wk_read(r->c, wk_cast(r->c, got, WK_f32), a);
    wk_read(r->c, wk_cast(r->c, wanted, WK_f32), b);
    for (int64_t i = 0; i < n; i++) most = fmax(most, fabs((double)b[i]));
    for (int64_t i = 0; i < n; i++)
        cr_assert(fabs((double)a[i] - (double)b[i]) <= 2e-5 * (most + 0.1), "%s, %s[%lld]: %g, not %g",
                  r->name, what, (long long)i, (double)a[i], (double)b[i]);
}

void reference_case(struct reference *r, const char *name)
{
    char what[20];
    wk_tape_end(r->c);
    wk_param_list_free(r->list);
    r->name = name;
    r->list = wk_param_list_new(r->c);
    r->p = wk_at(wk_params_from(r->c, r->files, r->list), "%s", name);
    wk_set_training(r->c, true);
    for (r->n_x = 0; r->n_x < REFERENCE_INPUTS; r->n_x++) {
        snprintf(what, sizeof what, "x%d", r->n_x);
        if (!reference_has(r, what)) break;
        r->x[r->n_x] = reference_get(r, what);
    }
}

void reference_bind(struct reference *r, void *layer, size_t size)
{
    cr_assert_eq(wk_ctx_status(r->c), WK_OK, "%s: %s", r->name, wk_ctx_message(r->c));
    wk_bind(r->list, layer, size);
}

void reference_track(struct reference *r)
{
    const int64_t n = wk_param_list_count(r->list);
    cr_assert(n <= REFERENCE_PARAMS);
    wk_tape_begin(r->c);
    for (int64_t i = 0; i < n; i++) {
        if (!wk_param_list_learns(r->list, i)) continue;
        r->tracked[i] = wk_track(r->c, wk_param_list_tensor(r->list, i));
        wk_param_list_set(r->list, i, r->tracked[i]);
    }
    for (int i = 0; i < r->n_x; i++)
        if (r->x[i]->dtype == WK_f32) r->x[i] = wk_track(r->c, r->x[i]);
}

/* CASE/name; of all experts together where the file has them one by one. */
static wk_tensor wanted_gradient(struct reference *r, const char *name)
{
    char      key[200], part[200];
    wk_tensor each[16];
    int       n = 0;
    full(r, '/', name, key);
    if (wk_files_has(r->files, key) || strncmp(name, "experts.", 8))
        return wk_files_tensor(r->c, r->files, key);
    for (; n < 16; n++) {
        snprintf(part, sizeof part, "%s/experts.%d.%.100s", r->name, n, name + 8);
        if (!wk_files_has(r->files, part)) break;
        each[n] = wk_files_tensor(r->c, r->files, part);
    }
    return wk_stack(r->c, n, each, 0);
}

static void check_parameters(struct reference *r)
{
    const size_t skip = strlen(r->name) + 1;
    int64_t      learned = 0, there = 0;
    for (int64_t i = 0; i < wk_param_list_count(r->list); i++) {
        const char *name = wk_param_list_name(r->list, i) + skip;
        char        key[200];
        if (wk_param_list_learns(r->list, i)) {
            reference_same(r, name, wk_grad(r->c, r->tracked[i]), wanted_gradient(r, name));
            learned += strncmp(name, "experts.", 8) != 0;
        } else {
            snprintf(key, sizeof key, "after.%s", name);
            reference_same(r, key, wk_param_list_tensor(r->list, i), reference_get(r, key));
        }
    }
    for (int64_t i = 0; i < wk_files_count(r->files); i++) {
        const char *name = wk_files_at(r->files, i).name;
        if (!strncmp(name, r->name, skip - 1) && name[skip - 1] == '/')
            there += strncmp(name + skip, "experts.", 8) != 0;
    }
    cr_assert_eq(learned, there, "%s: %lld parameters, the reference has %lld", r->name, (long long)learned,
                 (long long)there);
}

void reference_check(struct reference *r, int n, const wk_tensor *y)
{
    wk_tensor cotangent[REFERENCE_INPUTS];
    char      what[20];
    cr_assert(n <= REFERENCE_INPUTS);
    for (int i = 0; i < n; i++) {
        snprintf(what, sizeof what, "y%d", i);
        reference_same(r, what, y[i], reference_get(r, what));
        snprintf(what, sizeof what, "g%d", i);
        cotangent[i] = reference_get(r, what);
    }
    wk_backward_from(r->c, n, y, cotangent);
    for (int i = 0; i < r->n_x; i++) {
        snprintf(what, sizeof what, "dx%d", i);
        if (reference_has(r, what)) reference_same(r, what, wk_grad(r->c, r->x[i]), reference_get(r, what));
    }
    check_parameters(r);
}

void reference_eval(struct reference *r)
{
    wk_set_training(r->c, false);
    wk_no_grad(r->c, true);
}
