/* Values of a case: JSON to tensors, numbers and lists, bound to an op's parameters. */
#include "cases.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void stop(struct run *r, enum verdict v, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(r->why, sizeof r->why, format, args);
    va_end(args);
    r->verdict = v;
    longjmp(r->out, 1);
}

wk_dtype dtype_of_name(const char *name)
{
    static const struct {
        const char *torch;
        wk_dtype    t;
    } names[] = {{"bool", WK_bool},         {"uint8", WK_u8},    {"int8", WK_i8},
                 {"int16", WK_i16},         {"short", WK_i16},   {"int32", WK_i32},
                 {"int", WK_i32},           {"int64", WK_i64},   {"long", WK_i64},
                 {"uint32", WK_u32},        {"float16", WK_f16}, {"half", WK_f16},
                 {"bfloat16", WK_bf16},     {"float32", WK_f32}, {"float", WK_f32},
                 {"float64", WK_f64},       {"double", WK_f64},  {"float8_e4m3fn", WK_f8e4m3},
                 {"float8_e5m2", WK_f8e5m2}};
    if (!strncmp(name, "torch.", 6)) name += 6;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!strcmp(names[i].torch, name)) return names[i].t;
    return WK_DTYPE_COUNT;
}

bool number(const json_t *j, double *out)
{
    if (json_is_number(j)) {
        *out = json_number_value(j);
        return true;
    }
    if (json_is_boolean(j)) {
        *out = json_is_true(j);
        return true;
    }
    const char *f = json_string_value(json_object_get(j, "f"));
    if (!f) return false;
    *out = !strcmp(f, "inf") ? INFINITY : !strcmp(f, "-inf") ? -INFINITY : NAN;
    return !strcmp(f, "inf") || !strcmp(f, "-inf") || !strcmp(f, "nan");
}

static bool has_gradient(const struct run *r, const char *name)
{
    return r->track && json_object_get(json_object_get(r->spec, "grads"), name);
}

wk_tensor load(struct run *r, const char *name)
{
    for (int i = 0; i < r->n_loaded; i++)
        if (!strcmp(r->loaded[i].name, name)) return r->loaded[i].tracked;
    if (r->n_loaded == (int)(sizeof r->loaded / sizeof *r->loaded)) stop(r, CASE_FAIL, "too many tensors");
    if (!wk_files_has(r->files, name)) stop(r, CASE_FAIL, "the file has no tensor \"%s\"", name);
    wk_tensor x = wk_files_tensor(r->c, r->files, name);
    if (wk_ctx_status(r->c)) {
        const bool unknown = wk_ctx_status(r->c) == WK_EUNSUPPORTED || wk_ctx_status(r->c) == WK_EDTYPE;
        stop(r, unknown ? CASE_UNSUPPORTED : CASE_FAIL, "%s", wk_ctx_message(r->c));
    }
    struct loaded *l = &r->loaded[r->n_loaded++];
    *l = (struct loaded){.name = name, .x = x, .tracked = has_gradient(r, name) ? wk_track(r->c, x) : x};
    return l->tracked;
}

wk_tensor from_json(struct run *r, const json_t *j)
{
    const char *name = json_string_value(json_object_get(j, "t"));
    double      v;
    if (name) return load(r, name);
    if (json_is_boolean(j)) return wk_make(r->c, &(bool){json_is_true(j)}, WK_bool, WK_SCALAR_SHAPE);
    if (json_is_integer(j)) return wk_scalar_int(r->c, json_integer_value(j));
    if (number(j, &v)) return wk_scalar(r->c, v);
    stop(r, CASE_FAIL, "a tensor is wanted");
}

/* ---- binding --------------------------------------------------------------------------------- */

static int param_index(const struct run *r, const char *name)
{
    for (int i = 0; i < r->n_params; i++)
        if (!strcmp(r->params[i], name)) return i;
    return -1;
}

void bind(struct run *r, const char *signature)
{
    const json_t *args = json_object_get(r->spec, "args"), *kwargs = json_object_get(r->spec, "kwargs");
    int           rest = -1;
    r->n_params = 0;
    for (const char *p = signature; *p;) {
        const size_t n = strcspn(p, " ");
        if (r->n_params == MAX_ARGS) stop(r, CASE_FAIL, "signature too long");
        const bool star = *p == '*';
        snprintf(r->params[r->n_params], sizeof r->params[0], "%.*s", (int)n - star, p + star);
        if (star) rest = r->n_params;
        r->values[r->n_params++] = NULL;
        p += n;
        while (*p == ' ') p++;
    }
    if (args && !json_is_array(args)) stop(r, CASE_FAIL, "args is not a list");
    if (kwargs && !json_is_object(kwargs)) stop(r, CASE_FAIL, "kwargs is not an object");
    const size_t n = json_array_size(args);
    for (size_t i = 0; i < n; i++) {
        const json_t *v = json_array_get(args, i);
        if (rest >= 0 && (int)i == rest && !json_is_array(v) && !json_is_null(v) && n - i >= 1 &&
            !json_is_object(v)) {
            /* sizes given one by one: x.reshape(2, 3) */
            json_t *list = json_array();
            for (; i < n; i++) json_array_append(list, json_array_get(args, i));
            r->values[rest] = list;
            json_object_set_new((json_t *)(uintptr_t)r->spec, "bound", list); /* owned by the case */
            break;
        }
        if ((int)i >= r->n_params) stop(r, CASE_UNSUPPORTED, "%zu positional arguments", n);
        r->values[i] = v;
    }
    const char *key;
    json_t     *value;
    json_object_foreach((json_t *)(uintptr_t)kwargs, key, value)
    {
        const int at = param_index(r, key);
        if (at < 0) {
            if (json_is_null(value)) continue;
            stop(r, CASE_UNSUPPORTED, "argument \"%s\"", key);
        }
        if (r->values[at]) stop(r, CASE_FAIL, "argument \"%s\" twice", key);
        r->values[at] = value;
    }
}

static const json_t *value_of(const struct run *r, const char *name)
{
    const int at = param_index(r, name);
    return at >= 0 && r->values[at] && !json_is_null(r->values[at]) ? r->values[at] : NULL;
}

bool given(const struct run *r, const char *name)
{
    return value_of(r, name) != NULL;
}

wk_tensor tensor(struct run *r, const char *name)
{
    const json_t *j = value_of(r, name);
    if (!j) stop(r, CASE_FAIL, "argument \"%s\" is missing", name);
    return from_json(r, j);
}

wk_tensor tensor_or_none(struct run *r, const char *name)
{
    return given(r, name) ? tensor(r, name) : WK_NONE;
}

double real(struct run *r, const char *name, double fallback)
{
    const json_t *j = value_of(r, name);
    double        v;
    if (!j) return fallback;
    if (!number(j, &v)) stop(r, CASE_UNSUPPORTED, "\"%s\" is not a number", name);
    return v;
}

int64_t integer(struct run *r, const char *name, int64_t fallback)
{
    const json_t *j = value_of(r, name);
    if (!j) return fallback;
    if (json_is_boolean(j)) return json_is_true(j);
    if (!json_is_integer(j)) stop(r, CASE_UNSUPPORTED, "\"%s\" is not an integer", name);
    return json_integer_value(j);
}

bool truth(struct run *r, const char *name, bool fallback)
{
    return integer(r, name, fallback) != 0;
}

const char *text(struct run *r, const char *name, const char *fallback)
{
    const json_t *j = value_of(r, name);
    if (!j) return fallback;
    if (!json_is_string(j)) stop(r, CASE_UNSUPPORTED, "\"%s\" is not a string", name);
    return json_string_value(j);
}

wk_dtype dtype(struct run *r, const char *name, wk_dtype fallback)
{
    const json_t *j = value_of(r, name);
    if (!j) return fallback;
    const char    *s = json_string_value(json_object_get(j, "dtype"));
    const wk_dtype t = s ? dtype_of_name(s) : WK_DTYPE_COUNT;
    if (t == WK_DTYPE_COUNT) stop(r, CASE_UNSUPPORTED, "dtype %s", s ? s : "?");
    return t;
}

int integers(struct run *r, const char *name, int64_t *out, int most)
{
    const json_t *j = value_of(r, name), *item;
    size_t        i;
    if (!j) return 0;
    if (json_is_integer(j)) {
        out[0] = json_integer_value(j);
        return 1;
    }
    if (!json_is_array(j)) stop(r, CASE_UNSUPPORTED, "\"%s\" is not a list of integers", name);
    if (json_array_size(j) > (size_t)most)
        stop(r, CASE_UNSUPPORTED, "\"%s\" has %zu items", name, json_array_size(j));
    json_array_foreach((json_t *)(uintptr_t)j, i, item)
    {
        if (!json_is_integer(item)) stop(r, CASE_UNSUPPORTED, "\"%s\" is not a list of integers", name);
        out[i] = json_integer_value(item);
    }
    return (int)json_array_size(j);
}

bool is_list(const struct run *r, const char *name)
{
    return json_is_array(value_of(r, name));
}

bool holds_tensors(const struct run *r, const char *name)
{
    return json_object_get(json_array_get(value_of(r, name), 0), "t") != NULL;
}

bool is_complex(const struct run *r, const char *name)
{
    return json_is_true(json_object_get(value_of(r, name), "complex"));
}

wk_tensor complex_tensor(struct run *r, const char *name)
{
    wk_tensor x = tensor(r, name);
    return is_complex(r, name) ? x : wk_complex(r->c, x, wk_zeros(r->c, x->dtype, WK_SCALAR_SHAPE));
}

int numbers(struct run *r, const char *name, double *out, int most)
{
    const json_t *j = value_of(r, name), *item;
    size_t        i;
    if (!j) return 0;
    if (number(j, out)) return 1;
    if (!json_is_array(j) || json_array_size(j) > (size_t)most)
        stop(r, CASE_UNSUPPORTED, "\"%s\" is not a list of at most %d numbers", name, most);
    json_array_foreach((json_t *)(uintptr_t)j, i, item)
    {
        if (!number(item, &out[i])) stop(r, CASE_UNSUPPORTED, "\"%s\" is not a list of numbers", name);
    }
    return (int)json_array_size(j);
}

wk_shape sizes(struct run *r, const char *name)
{
    wk_shape s = {0};
    s.ndim = integers(r, name, s.dim, WK_MAX_DIMS);
    return s;
}

int tensors(struct run *r, const char *name, wk_tensor *out, int most)
{
    const json_t *j = value_of(r, name), *item;
    size_t        i;
    if (!json_is_array(j)) stop(r, CASE_UNSUPPORTED, "\"%s\" is not a list of tensors", name);
    if (json_array_size(j) > (size_t)most)
        stop(r, CASE_UNSUPPORTED, "\"%s\" has %zu items", name, json_array_size(j));
    json_array_foreach((json_t *)(uintptr_t)j, i, item) out[i] = from_json(r, item);
    return (int)json_array_size(j);
}

void only_default(struct run *r, const char *name)
{
    const json_t *j = value_of(r, name);
    if (j && !json_is_false(j)) stop(r, CASE_UNSUPPORTED, "argument \"%s\"", name);
}
