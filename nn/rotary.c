/* Rotary frequencies (arXiv:2104.09864) and their published scalings. */
#include "layers.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define PI 3.14159265358979323846

struct source {
    wk_params p;
    bool      gguf;
    int64_t   half;    /* frequencies */
    double    base;    /* rope_theta */
    double    factor;  /* how much longer than trained */
    double    trained; /* positions seen in training */
    double    context; /* positions the model claims */
};

/* A setting, under the name of either generation of config.json. */
static double setting(const struct source *s, const char *key, double fallback)
{
    char name[96];
    snprintf(name, sizeof name, "rope_parameters.%s", key);
    const double newer = wk_config_float(s->p.files, name, NAN);
    if (!isnan(newer)) return newer;
    snprintf(name, sizeof name, "rope_scaling.%s", key);
    return wk_config_float(s->p.files, name, fallback);
}

static void plain(const struct source *s, double base, double *f)
{
    for (int64_t i = 0; i < s->half; i++) f[i] = pow(base, -(double)i / (double)s->half);
}

/* Positions divided by the factor (arXiv:2306.15595). */
static bool linear(const struct source *s, double *f, double *far, double *scale)
{
    (void)far;
    (void)scale;
    for (int64_t i = 0; i < s->half; i++) f[i] /= s->factor;
    return false;
}

/* Up to the trained length nothing changes; beyond, the base grows by a power of dims / (dims - 2)
 * (NTK-aware, arXiv:2309.00071 section 3.3): far are the powers of its frequencies. */
static bool dynamic(const struct source *s, double *f, double *far, double *scale)
{
    (void)f;
    (void)scale;
    for (int64_t i = 0; i < s->half; i++) far[i] = s->half > 1 ? -(double)i / (double)(s->half - 1) : 0;
    return true;
}

/* Llama 3.1 (arXiv:2407.21783 and its reference code): slow turns are stretched, fast ones kept, a ramp
 * between. */
static bool llama3(const struct source *s, double *f, double *far, double *scale)
{
    (void)far;
    (void)scale;
    const double low = setting(s, "low_freq_factor", 1), high = setting(s, "high_freq_factor", 4);
    for (int64_t i = 0; i < s->half; i++) {
        const double turns = s->trained * f[i] / (2 * PI);
        if (turns < low)
            f[i] /= s->factor;
        else if (turns <= high && high > low)
            f[i] *= 1 / s->factor + (1 - 1 / s->factor) * (turns - low) / (high - low);
    }
    return false;
}

/* The (fractional) pair that makes that many turns over the trained length. */
static double pair_of(const struct source *s, double turns)
{
    return (double)s->half * log(s->trained / (turns * 2 * PI)) / log(s->base);
}

static double temperature(double factor, double weight)
{
    return factor <= 1 ? 1 : 0.1 * weight * log(factor) + 1;
}

/* YaRN (arXiv:2309.00071, equations 17-23). */
static bool yarn(const struct source *s, double *f, double *far, double *scale)
{
    (void)far;
    double       low = pair_of(s, setting(s, "beta_fast", 32)), high = pair_of(s, setting(s, "beta_slow", 1));
    const double own = setting(s, "attention_factor", NAN), m = setting(s, "mscale", 0);
    const double all = setting(s, "mscale_all_dim", 0);
    if (wk_config_bool(s->p.files, "rope_parameters.truncate",
                       wk_config_bool(s->p.files, "rope_scaling.truncate", true))) {
        low = floor(low);
        high = ceil(high);
    }
    if (!(low > 0)) low = 0;
    if (!(high < (double)(2 * s->half - 1))) high = (double)(2 * s->half - 1);
    if (low == high) high += 0.001;
    for (int64_t i = 0; i < s->half; i++) {
        const double at = ((double)i - low) / (high - low), ramp = at < 0 ? 0 : at > 1 ? 1 : at;
        f[i] *= 1 - ramp + ramp / s->factor;
    }
    *scale = m != 0 && all != 0 ? temperature(s->factor, m) / temperature(s->factor, all)
                                : temperature(s->factor, 1);
    if (!isnan(own)) *scale = s->gguf ? *scale * own : own; /* GGUF's attn_factor comes on top */
    return false;
}

/* Divides f by a list of factors; false where there is none of the right length. */
static bool divide(const struct source *s, const char *key, const char *tensor, double *f)
{
    wk_ctx *c = s->p.c;
    char    name[96];
    if (wk_files_has(s->p.files, tensor)) {
        const wk_tensor x = wk_cast(c, wk_files_tensor(c, s->p.files, tensor), WK_f32);
        float          *v = wk_count(x) == s->half ? wk_alloc((size_t)s->half * sizeof *v) : NULL;
        const bool      ok = v && wk_read(c, x, v) == WK_OK;
        for (int64_t i = 0; ok && i < s->half; i++) f[i] /= (double)v[i];
        wk_free(v);
        if (!ok)
            wk_fail(c, v ? WK_EFORMAT : WK_ESHAPE, "%s: %lld values, the model needs %lld", tensor,
                    (long long)wk_count(x), (long long)s->half);
        return ok;
    }
    snprintf(name, sizeof name, "rope_parameters.%s", key);
    if (wk_config_count(s->p.files, name) < 0) snprintf(name, sizeof name, "rope_scaling.%s", key);
    if (wk_config_count(s->p.files, name) != s->half) return false;
    for (int64_t i = 0; i < s->half; i++) f[i] /= wk_config_float_at(s->p.files, name, i, 1);
    return true;
}

/* LongRoPE (arXiv:2402.13753): searched factors, one list for short and one for long texts. */
static bool longrope(const struct source *s, double *f, double *far, double *scale)
{
    const double own = setting(s, "attention_factor", NAN);
    memcpy(far, f, (size_t)s->half * sizeof *far);
    if (!divide(s, "short_factor", "rope_factors_short.weight", f) ||
        !divide(s, "long_factor", "rope_factors_long.weight", far))
        wk_fail(s->p.c, WK_EFORMAT, "longrope: short_factor and long_factor need %lld values each",
                (long long)s->half);
    *scale = s->factor <= 1 || s->trained <= 1 ? 1 : sqrt(1 + log(s->factor) / log(s->trained));
    if (!isnan(own)) *scale = own;
    return true;
}

/* Changes the plain frequencies f; true where far holds others for long texts. */
static const struct scaling {
    const char *name;
    bool (*apply)(const struct source *s, double *f, double *far, double *scale);
    bool by_ratio; /* a missing factor is context / trained */
} scalings[] = {{"default", NULL, false},     {"none", NULL, false},     {"linear", linear, false},
                {"dynamic", dynamic, false},  {"llama3", llama3, false}, {"yarn", yarn, true},
                {"longrope", longrope, true}, {"su", longrope, true}};

static const struct scaling *find(const struct source *s)
{
    static const char *const keys[] = {"rope_parameters.rope_type", "rope_parameters.type",
                                       "rope_scaling.rope_type", "rope_scaling.type"};
    const char              *name = NULL;
    for (size_t i = 0; !name && i < sizeof keys / sizeof *keys; i++)
        name = wk_config_string(s->p.files, keys[i], NULL);
    for (size_t i = 0; name && i < sizeof scalings / sizeof *scalings; i++)
        if (!strcmp(name, scalings[i].name)) return &scalings[i];
    if (name)
        wk_fail(s->p.c, WK_EUNSUPPORTED,
                "rope scaling \"%.40s\" is not one of default, none, linear, dynamic, llama3, yarn, longrope",
                name);
    return &scalings[0];
}

static wk_tensor as_tensor(wk_ctx *c, const double *f, int64_t n)
{
    float *v = wk_alloc((size_t)n * sizeof *v);
    if (!v) {
        wk_fail(c, WK_ENOMEM, "out of memory: rotary frequencies");
        return WK_NONE;
    }
    for (int64_t i = 0; i < n; i++) v[i] = (float)f[i];
    const wk_tensor x = wk_make(c, v, WK_f32, WK_SHAPE(n));
    wk_free(v);
    return x;
}

static void scale_as_configured(struct source *s, struct wk_rotary *r, double *f, double *far)
{
    const struct scaling *scaling = find(s);
    const double          own = setting(s, "factor", NAN);
    wk_ctx               *c = s->p.c;
    bool                  has_far = false;
    if (scaling->apply == dynamic) s->trained = s->context;
    s->factor = !isnan(own) ? own : scaling->by_ratio ? s->context / s->trained : 1;
    if (!(s->base > 0) || !(s->factor > 0) || !(s->trained > 0) || isinf(s->base * s->factor * s->trained))
        wk_fail(c, WK_EFORMAT, "rope: theta %g, factor %g, trained length %g must be positive", s->base,
                s->factor, s->trained);
    if (wk_ctx_status(c) != WK_OK) return;
    if (scaling->apply) has_far = scaling->apply(s, f, far, &r->opts.attention_scale);
    if (wk_files_has(s->p.files, "rope_freqs.weight")) divide(s, "", "rope_freqs.weight", f);
    if (!has_far || s->trained >= 9e15) return;
    r->long_freq = as_tensor(c, far, s->half);
    r->long_from = (int64_t)s->trained;
    if (scaling->apply == dynamic) r->growth = s->factor;
}

wk_tensor wki_rotary_freq(wk_ctx *c, const struct wk_rotary *r, int64_t reach)
{
    if (r->long_from == 0 || reach <= r->long_from) return r->inv_freq;
    if (r->growth == 0) return r->long_freq;
    const double    longer = r->growth * ((double)reach / (double)r->long_from - 1) + 1;
    const wk_tensor base = wk_full(c, longer, WK_f64, WK_SCALAR_SHAPE);
    const wk_tensor slower = wk_pow(c, base, wk_cast(c, r->long_freq, WK_f64));
    return wk_cast(c, wk_mul(c, slower, wk_cast(c, r->inv_freq, WK_f64)), WK_f32);
}

struct wk_rotary wk_rotary_load(wk_params p, int64_t head_dim)
{
    struct wk_rotary r = {.inv_freq = WK_NONE, .long_freq = WK_NONE};
    struct source    s = {.p = p, .base = 10000};
    double           part = 1;
    if (p.files) {
        s.gguf = !strncmp(wk_files_format(p.files), "gguf", 4);
        s.base = setting(&s, "rope_theta", wk_config_float(p.files, "rope_theta", s.base));
        s.context = wk_config_float(p.files, "max_position_embeddings", 2048);
        s.trained = setting(&s, "original_max_position_embeddings",
                            wk_config_float(p.files, "original_max_position_embeddings", s.context));
        part = setting(&s, "partial_rotary_factor", wk_config_float(p.files, "partial_rotary_factor", 1));
    }
    if (part > 0 && part <= 1) r.opts.dims = (int64_t)((double)head_dim * part + 1e-6);
    if (r.opts.dims < 2 || r.opts.dims % 2 != 0) {
        wk_fail(p.c, WK_EFORMAT, "rope: %lld of %lld dims turn", (long long)r.opts.dims, (long long)head_dim);
        return r;
    }
    s.half = r.opts.dims / 2;
    double *f = wk_alloc_zero((size_t)s.half * 2, sizeof *f);
    if (!f) {
        wk_fail(p.c, WK_ENOMEM, "out of memory: rotary frequencies");
        return r;
    }
    plain(&s, s.base, f);
    if (p.files) scale_as_configured(&s, &r, f, f + s.half);
    r.inv_freq = as_tensor(p.c, f, s.half);
    wk_free(f);
    return r;
}
