/* Derivatives of elementwise ops while they are themselves recorded: the text of their formula is read and
 * each of its operators and functions becomes an op, which has a gradient in turn. */
#include "derive.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct reader {
    wk_ctx            *c;
    wk_op              op;
    wk_dtype           t;
    const char        *at;
    struct wki_letters l;
    int                depth;
};

/* A tensor, or, where t is NULL, the number n. */
struct value {
    wk_tensor t;
    double    n;
};

static const struct {
    const char *name;
    wk_tensor (*fn)(wk_ctx *c, wk_tensor x);
} functions[] = {
#define WK_UNARY(name, y, dy)         {#name, wk_##name},
#define WK_UNARY_ANY(name, y, dy, iy) {#name, wk_##name},
#define WK_UNARY_P(name, y, dy)
#define WK_UNARY_P_ANY(name, y, dy, iy)
#define WK_UNARY_TEST(name, y)
#include "core/unary.def"
};

/* Functions of formula.h and special.h that are no ops. */
static const struct {
    const char *name, *formula;
} defined[] = {
    {"SIGN", "sign(x)"},
    {"SIGMOID", "sigmoid(x)"},
    {"MISH", "tanh(-logsigmoid(-x))"},
    {"GELU_ARG", "0.797884560802865355880 * (x + 0.044715 * x * x * x)"},
    {"GELU_TANH_D", "0.5 * (1 + tanh(GELU_ARG(x))) + 0.398942280401432677940 * x * (1 - tanh(GELU_ARG(x)) * "
                    "tanh(GELU_ARG(x))) * (1 + 0.134145 * x * x)"},
    {"wki_exponent", "frexp_exponent(x)"},
    {"wki_trigamma", "wki_polygamma(1, x)"},
    {"wki_sinc_slope", "x * x < 0.0001 ? x * (-3.28986813369645287295 + x * x * (3.24696970113341457455 - "
                       "1.14451094473250528 * "
                       "x * x)) : (cos(3.14159265358979323846 * x) - sinc(x)) / x"},
    {"wki_i1_slope", "x == 0 ? 0.5 : i0(x) - i1(x) / x"},
    {"wki_i0e_slope", "i1e(x) - sign(x) * i0e(x)"},
    {"wki_i1e_slope", "x == 0 ? 0.5 : i0e(x) - i1e(x) * (sign(x) + 1 / x)"},
    {"wki_log_ndtr_slope", "0.797884560802865355880 / erfcx(-0.707106781186547524401 * x)"},
};

static struct value ternary(struct reader *r);

static struct value number(double n)
{
    return (struct value){.n = n};
}
static struct value tensor(wk_tensor t)
{
    return (struct value){.t = t};
}
static wk_tensor tensor_of(struct reader *r, struct value v)
{
    if (v.t) return v.t;
    const bool half = r->t != WK_f32 && r->t != WK_f64; /* numbers are not rounded to it */
    return half ? wk_scalar(r->c, v.n) : wk_full(r->c, v.n, r->t, WK_SCALAR_SHAPE);
}

/* ---- reading --------------------------------------------------------------------------------- */

static bool next_is(struct reader *r, const char *token)
{
    while (isspace((unsigned char)*r->at)) r->at++;
    const size_t n = strlen(token);
    if (strncmp(r->at, token, n) != 0) return false;
    r->at += n;
    return true;
}

static void unknown(struct reader *r)
{
    wk_fail(r->c, WK_ENOGRAD, "%s: has no gradient", wki_op_name(r->op));
}

static struct value number_or_tensor(struct reader *r, wk_tensor t, double n)
{
    if (!t) return number(n);
    return tensor(t->dtype == r->t ? t : wk_cast(r->c, t, r->t));
}

/* Another formula, of one x. */
static struct value formula_of(struct reader *r, const char *formula, struct value x)
{
    struct reader inner = {.c = r->c, .op = r->op, .t = r->t, .at = formula, .depth = r->depth + 1};
    inner.l.x = tensor_of(r, x);
    if (inner.depth > 8) unknown(r);
    return wki_failed(r->c) ? number(0) : ternary(&inner);
}

static struct value call(struct reader *r, const char *name, size_t n, struct value a, struct value b,
                         bool two)
{
    if (n == 4 && two && strncmp(name, "powf", n) == 0)
        return tensor(wk_pow(r->c, tensor_of(r, a), tensor_of(r, b)));
    if (n == 13 && two && strncmp(name, "wki_polygamma", n) == 0 && !a.t)
        return tensor(wk_polygamma(r->c, tensor_of(r, b), a.n, 0));
    for (size_t i = 0; i < sizeof defined / sizeof *defined && !two; i++)
        if (strlen(defined[i].name) == n && strncmp(defined[i].name, name, n) == 0)
            return formula_of(r, defined[i].formula, a);
    if (n > 4 && strncmp(name, "wki_", 4) == 0) { /* wki_i0 */
        name += 4;
        n -= 4;
    }
    for (size_t i = 0; i < sizeof functions / sizeof *functions && !two; i++) {
        const char  *f = functions[i].name;
        const size_t m = strlen(f);
        const bool   same = (m == n || (m + 1 == n && name[m] == 'f')) && strncmp(f, name, m) == 0; /* expf */
        if (same || (n == 5 && strncmp(name, "fabsf", n) == 0 && strcmp(f, "abs") == 0))
            return tensor(functions[i].fn(r->c, tensor_of(r, a)));
    }
    unknown(r);
    return number(0);
}

static struct value named(struct reader *r)
{
    const char *name = r->at;
    while (isalnum((unsigned char)*r->at) || *r->at == '_') r->at++;
    const size_t n = (size_t)(r->at - name);
    if (next_is(r, "(")) {
        const struct value a = ternary(r);
        const bool         two = next_is(r, ",");
        const struct value b = two ? ternary(r) : number(0);
        if (!next_is(r, ")") && !wki_failed(r->c)) unknown(r);
        if (wki_failed(r->c) || (n == 1 && *name == 'K')) return a;
        return call(r, name, n, a, b, two);
    }
    if (n == 8 && strncmp(name, "INFINITY", n) == 0) return number((double)INFINITY);
    const struct wki_letters *l = &r->l;
    if (n == 1 && *name == 'x' && l->x) return number_or_tensor(r, l->x, 0);
    if (n == 1 && *name == 'y' && l->y) return number_or_tensor(r, l->y, 0);
    if (n == 1 && *name == 'a' && l->a) return number_or_tensor(r, l->a, 0);
    if (n == 1 && *name == 'b' && l->b) return number_or_tensor(r, l->b, 0);
    if (n == 1 && *name == 'g' && l->g) return number_or_tensor(r, l->g, 0);
    if (n == 1 && *name == 'p') return number(l->p);
    if (n == 1 && *name == 'q') return number(l->q);
    unknown(r);
    return number(0);
}

static struct value primary(struct reader *r)
{
    if (wki_failed(r->c)) return number(0);
    if (next_is(r, "(T)") || next_is(r, "(double)")) return primary(r);
    if (next_is(r, "-")) {
        const struct value v = primary(r);
        return v.t ? tensor(wk_neg(r->c, v.t)) : number(-v.n);
    }
    if (next_is(r, "(")) {
        const struct value v = ternary(r);
        if (!next_is(r, ")") && !wki_failed(r->c)) unknown(r);
        return v;
    }
    if (isdigit((unsigned char)*r->at)) {
        char        *end;
        const double n = strtod(r->at, &end);
        r->at = end;
        return number(n);
    }
    return named(r);
}

/* ---- operators ------------------------------------------------------------------------------- */

static const struct operator
{
    const char *token;
    int         level; /* how tight it binds; longer tokens stand before those they begin with */
    wk_tensor (*fn)(wk_ctx * c, wk_tensor a, wk_tensor b);
}
operators[] = {
    {"||", 1, wk_logical_or}, {"&&", 2, wk_logical_and}, {"==", 3, wk_eq}, {"!=", 3, wk_ne},
    {"<=", 4, wk_le},         {">=", 4, wk_ge},          {"<", 4, wk_lt},  {">", 4, wk_gt},
    {"+", 5, wk_add},         {"-", 5, wk_sub},          {"*", 6, wk_mul}, {"/", 6, wk_div},
};

static double of_numbers(char token, double a, double b)
{
    return token == '+' ? a + b : token == '-' ? a - b : token == '*' ? a * b : a / b;
}

static struct value operation(struct reader *r, int level)
{
    struct value v = level > 6 ? primary(r) : operation(r, level + 1);
    for (size_t i = 0; i < sizeof operators / sizeof *operators && level <= 6; i++) {
        const struct operator o = operators[i];
        if (o.level != level || wki_failed(r->c) || !next_is(r, o.token)) continue;
        const struct value b = operation(r, level + 1);
        if (!v.t && !b.t && level >= 5)
            v = number(of_numbers(*o.token, v.n, b.n));
        else
            v = tensor(o.fn(r->c, tensor_of(r, v), tensor_of(r, b)));
        i = (size_t)-1; /* another one of this level may follow */
    }
    return v;
}

/* Letters where a branch is taken, elsewhere a half: what the branch does there must not reach its gradient
 * as infinity times zero. */
static struct wki_letters where_taken(struct reader *r, wk_tensor condition, bool taken)
{
    struct wki_letters l = r->l;
    wk_tensor *const   each[] = {&l.x, &l.y, &l.a, &l.b};
    const wk_tensor    half = wk_full(r->c, 0.5, r->t, WK_SCALAR_SHAPE);
    for (size_t i = 0; i < sizeof each / sizeof *each; i++)
        if (*each[i] && !wk_is_none(*each[i])) {
            const wk_tensor v = number_or_tensor(r, *each[i], 0).t;
            *each[i] = taken ? wk_where(r->c, condition, v, half) : wk_where(r->c, condition, half, v);
        }
    return l;
}

static struct value ternary(struct reader *r)
{
    const struct value condition = operation(r, 1);
    if (wki_failed(r->c) || !next_is(r, "?")) return condition;
    const struct wki_letters all = r->l;
    if (condition.t) r->l = where_taken(r, condition.t, true);
    const struct value a = ternary(r);
    r->l = all;
    if (!next_is(r, ":") && !wki_failed(r->c)) unknown(r);
    if (condition.t) r->l = where_taken(r, condition.t, false);
    const struct value b = ternary(r);
    r->l = all;
    if (wki_failed(r->c)) return number(0);
    if (!condition.t) return condition.n != 0 ? a : b;
    return tensor(wk_where(r->c, condition.t, tensor_of(r, a), tensor_of(r, b)));
}

static wk_tensor derive(wk_ctx *c, wk_op op, const char *formula, struct wki_letters l, wk_dtype t)
{
    struct reader      r = {.c = c, .op = op, .t = t, .at = formula, .l = l};
    const struct value v = ternary(&r);
    if (!wki_failed(c) && *r.at) unknown(&r);
    return wki_failed(c) ? WK_NONE : tensor_of(&r, v);
}

wk_tensor wki_derive(wk_ctx *c, wk_op op, const char *formula, struct wki_letters l)
{
    return derive(c, op, formula, l, l.y->dtype == WK_f64 ? WK_f64 : WK_f32);
}
wk_tensor wki_derive_stepwise(wk_ctx *c, wk_op op, const char *formula, struct wki_letters l)
{
    return derive(c, op, formula, l, l.y->dtype);
}
