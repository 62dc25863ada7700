/* einsum and tensordot: labelled dims, contracted two operands at a time. */
#include "core/ctx.h"

#include <string.h>

/* Labels: the letters, A first, then up to eight dims of the ellipsis. */
enum { LETTERS = 52, LABELS = LETTERS + WK_MAX_DIMS, MOST_OPERANDS = 64, ORDERED = 8 };

/* An operand whose dims have labels, each at most once. */
struct term {
    wk_tensor x;
    int       label[WK_MAX_DIMS];
    uint64_t  set;
};

static uint64_t bit(int label)
{
    return (uint64_t)1 << label;
}

static int place_of(const struct term *t, int label)
{
    for (int i = 0; i < t->x->ndim; i++)
        if (t->label[i] == label) return i;
    return -1;
}

static struct term nothing(void)
{
    return (struct term){.x = WK_NONE};
}

/* ---- one operand ----------------------------------------------------------------------------- */

/* Dims in the given order; those of `set` alone are named. */
static struct term arrange(wk_ctx *c, struct term t, int n, const int *labels)
{
    wk_shape    dims = {.ndim = n};
    struct term y = {.set = t.set};
    for (int i = 0; i < n; i++) {
        dims.dim[i] = place_of(&t, labels[i]);
        y.label[i] = labels[i];
    }
    y.x = wk_permute(c, t.x, dims);
    return y;
}

/* Puts the dims at i and j, of one size, side by side, flattens them and keeps every (n + 1)-th value. */
static wk_tensor diagonal(wk_ctx *c, wk_tensor x, int i, int j)
{
    wk_shape order = {.ndim = x->ndim}, flat = {.ndim = x->ndim - 1};
    int      at = 0;
    for (int d = 0; d < x->ndim; d++)
        if (d != i && d != j) {
            flat.dim[at] = x->shape[d];
            order.dim[at++] = d;
        }
    const int64_t n = x->shape[i];
    order.dim[at] = i;
    order.dim[at + 1] = j;
    flat.dim[at] = n * n;
    x = wk_reshape(c, wk_permute(c, x, order), flat);
    return wk_slice(c, x, -1, 0, n * n, n + 1);
}

/* Labels that come twice become one, of the diagonal. */
static struct term once(wk_ctx *c, struct term t)
{
    for (int i = 0; i < t.x->ndim; i++)
        for (int j = i + 1; j < t.x->ndim; j++) {
            if (t.label[i] != t.label[j]) continue;
            const int label = t.label[i];
            if (t.x->shape[i] != t.x->shape[j]) {
                wk_fail(c, WK_ESHAPE, "einsum: a repeated index has the sizes %lld and %lld in one operand",
                        (long long)t.x->shape[i], (long long)t.x->shape[j]);
                return nothing();
            }
            int at = 0, kept[WK_MAX_DIMS];
            for (int d = 0; d < t.x->ndim; d++)
                if (d != i && d != j) kept[at++] = t.label[d];
            kept[at] = label;
            t.x = diagonal(c, t.x, i, j);
            if (wki_failed(c)) return nothing();
            memcpy(t.label, kept, sizeof kept);
            i = -1;
            break;
        }
    t.set = 0;
    for (int i = 0; i < t.x->ndim; i++) t.set |= bit(t.label[i]);
    return t;
}

static void forget(struct term *t, int i, int ndim)
{
    t->set &= ~bit(t->label[i]);
    for (; i + 1 < ndim; i++) t->label[i] = t->label[i + 1];
}

/* Drops dims of size 1 whose label has another size elsewhere. */
static struct term squeeze(wk_ctx *c, struct term t, const int64_t *size)
{
    for (int i = t.x->ndim - 1; i >= 0; i--)
        if (t.x->shape[i] == 1 && size[t.label[i]] != 1) {
            forget(&t, i, t.x->ndim);
            t.x = wk_squeeze(c, t.x, i);
            if (wki_failed(c)) return nothing();
        }
    return t;
}

static struct term sum_over(wk_ctx *c, struct term t, uint64_t set)
{
    wk_shape dims = {0};
    if (!set || wki_failed(c)) return t;
    const int ndim = t.x->ndim;
    for (int i = 0; i < ndim; i++)
        if (set & bit(t.label[i])) dims.dim[dims.ndim++] = i;
    t.x = wk_cast(c, wk_sum(c, t.x, dims, false), t.x->dtype);
    for (int i = dims.ndim - 1; i >= 0; i--) forget(&t, (int)dims.dim[i], ndim);
    return t;
}

/* ---- two operands ---------------------------------------------------------------------------- */

static int collect(const struct term *t, uint64_t set, int *labels)
{
    int n = 0;
    for (int i = 0; i < t->x->ndim; i++)
        if (set & bit(t->label[i])) labels[n++] = t->label[i];
    return n;
}

/* t as [batch.., first, second], the two groups of labels each flattened into one dim. */
static wk_tensor as_matrices(wk_ctx *c, struct term t, const int *labels, int batch, int first, int second)
{
    t = arrange(c, t, batch + first + second, labels);
    if (wki_failed(c)) return WK_NONE;
    wk_shape shape = {.ndim = batch + 2};
    for (int i = 0; i < batch; i++) shape.dim[i] = t.x->shape[i];
    shape.dim[batch] = shape.dim[batch + 1] = 1;
    for (int i = 0; i < first + second; i++) shape.dim[batch + (i >= first)] *= t.x->shape[batch + i];
    return wk_reshape(c, t.x, shape);
}

/* The two without a common dim to sum over: one broadcast product. */
static wk_tensor multiply(wk_ctx *c, struct term a, struct term b, const int *labels, int batch, int left,
                          int right)
{
    int other[2 * WK_MAX_DIMS];
    memcpy(other, labels, (size_t)batch * sizeof *labels);
    memcpy(other + batch, labels + batch + left, (size_t)right * sizeof *labels);
    a = arrange(c, a, batch + left, labels);
    b = arrange(c, b, batch + right, other);
    for (int i = 0; i < right; i++) a.x = wk_unsqueeze(c, a.x, -1);
    for (int i = 0; i < left; i++) b.x = wk_unsqueeze(c, b.x, batch);
    return wk_mul(c, a.x, b.x);
}

/* Contracts a and b; `keep` are the labels still needed. */
static struct term pair(wk_ctx *c, struct term a, struct term b, uint64_t keep)
{
    a = sum_over(c, a, a.set & ~(b.set | keep));
    b = sum_over(c, b, b.set & ~(a.set | keep));
    if (wki_failed(c)) return nothing();
    const uint64_t shared = a.set & b.set;
    int            labels[2 * WK_MAX_DIMS + LABELS], sums[WK_MAX_DIMS], other[2 * WK_MAX_DIMS];
    const int      batch = collect(&a, shared & keep, labels), inner = collect(&a, shared & ~keep, sums);
    const int      left = collect(&a, a.set & ~b.set, labels + batch);
    const int      right = collect(&b, b.set & ~a.set, labels + batch + left), n = batch + left + right;
    if (n > WK_MAX_DIMS) {
        wk_fail(c, WK_ESHAPE, "einsum: a product of two operands has %d dims, %d are possible", n,
                WK_MAX_DIMS);
        return nothing();
    }
    struct term y = {.set = 0};
    wk_shape    shape = {.ndim = n};
    for (int i = 0; i < n; i++) {
        y.label[i] = labels[i];
        y.set |= bit(labels[i]);
        const struct term *from = i < batch + left ? &a : &b;
        shape.dim[i] = from->x->shape[place_of(from, labels[i])];
    }
    if (inner == 0 || batch + 2 > WK_MAX_DIMS) {
        y.x = multiply(c, a, b, labels, batch, left, right);
        return y;
    }
    memcpy(other, labels, (size_t)(batch + left) * sizeof *other);
    memcpy(other + batch + left, sums, (size_t)inner * sizeof *other);
    const wk_tensor ma = as_matrices(c, a, other, batch, left, inner);
    memcpy(other + batch, sums, (size_t)inner * sizeof *other);
    memcpy(other + batch + inner, labels + batch + left, (size_t)right * sizeof *other);
    const wk_tensor mb = as_matrices(c, b, other, batch, inner, right);
    if (wki_failed(c)) return nothing();
    y.x = wk_reshape(c, wk_matmul(c, ma, mb), shape);
    return y;
}

/* ---- the order of contractions --------------------------------------------------------------- */

struct network {
    int            n;
    uint64_t       out, set[MOST_OPERANDS];
    const int64_t *size;
};

static double values_of(const struct network *w, uint64_t set)
{
    double n = 1;
    for (; set; set &= set - 1) n *= (double)w->size[__builtin_ctzll(set)];
    return n;
}

/* Labels that the product of the operands in `chosen` has. */
static uint64_t result_of(const struct network *w, unsigned chosen)
{
    uint64_t in = 0, rest = w->out;
    for (int i = 0; i < w->n; i++) *(chosen >> i & 1 ? &in : &rest) |= w->set[i];
    return in & rest;
}

/* The cheapest way to each subset, from the cheapest ways to its two parts; split[s] is one part. */
static void best_splits(const struct network *w, unsigned *split)
{
    double   cost[1 << ORDERED];
    uint64_t set[1 << ORDERED];
    for (unsigned s = 1; s < 1u << w->n; s++) {
        set[s] = (s & (s - 1)) == 0 ? w->set[__builtin_ctz(s)] : result_of(w, s);
        cost[s] = 0;
        split[s] = 0;
        for (unsigned a = (s - 1) & s; a; a = (a - 1) & s) {
            const unsigned b = s & ~a;
            if (a < b) continue;
            const double here = cost[a] + cost[b] + values_of(w, set[a] | set[b]);
            if (split[s] && here >= cost[s]) continue;
            cost[s] = here;
            split[s] = a;
        }
    }
}

static struct term contract(wk_ctx *c, const struct network *w, const struct term *t, const unsigned *split,
                            unsigned s)
{
    if (!split[s]) return t[__builtin_ctz(s)];
    const struct term a = contract(c, w, t, split, split[s]), b = contract(c, w, t, split, s & ~split[s]);
    return wki_failed(c) ? nothing() : pair(c, a, b, result_of(w, s));
}

/* Too many operands to look at all orders: always the pair that leaves the smallest growth. */
static struct term contract_greedily(wk_ctx *c, struct network *w, struct term *t)
{
    while (w->n > 1 && !wki_failed(c)) {
        int      best_i = 0, best_j = 1;
        double   best = 0;
        uint64_t best_keep = 0;
        for (int i = 0; i < w->n; i++)
            for (int j = i + 1; j < w->n; j++) {
                uint64_t keep = w->out;
                for (int k = 0; k < w->n; k++)
                    if (k != i && k != j) keep |= w->set[k];
                const double growth = values_of(w, (w->set[i] | w->set[j]) & keep) - values_of(w, w->set[i]) -
                                      values_of(w, w->set[j]);
                if ((i || j > 1) && growth >= best) continue;
                best = growth;
                best_i = i;
                best_j = j;
                best_keep = keep;
            }
        t[best_i] = pair(c, t[best_i], t[best_j], best_keep);
        w->set[best_i] = t[best_i].set;
        w->n--;
        t[best_j] = t[w->n];
        w->set[best_j] = w->set[w->n];
    }
    return t[0];
}

/* The terms' product with dims as in labels. */
static wk_tensor product(wk_ctx *c, int n, struct term *t, const int64_t *size, int n_out, const int *labels)
{
    struct network w = {.n = n, .size = size};
    struct term    y;
    for (int i = 0; i < n_out; i++) w.out |= bit(labels[i]);
    for (int i = 0; i < n && !wki_failed(c); i++) {
        t[i] = squeeze(c, t[i], size);
        w.set[i] = t[i].set;
    }
    if (wki_failed(c)) return WK_NONE;
    if (n <= ORDERED) {
        unsigned split[1 << ORDERED];
        best_splits(&w, split);
        y = contract(c, &w, t, split, (1u << n) - 1);
    } else {
        y = contract_greedily(c, &w, t);
    }
    if (wki_failed(c)) return WK_NONE;
    y = sum_over(c, y, y.set & ~w.out);
    if (wki_failed(c)) return WK_NONE;
    return arrange(c, y, n_out, labels).x;
}

/* ---- einsum ---------------------------------------------------------------------------------- */

enum { ELLIPSIS = -1 };

/* Reads one operand's indices up to a comma, "->" or the end into marks; how many, or -1. */
static int read_marks(wk_ctx *c, const char **at, int *marks, int most, bool *ellipsis)
{
    int n = 0;
    *ellipsis = false;
    for (const char *p = *at;; p++) {
        const bool dots = !strncmp(p, "...", 3);
        const char l = *p;
        if (l == ' ') continue;
        *at = p;
        if (l == ',' || l == '\0' || !strncmp(p, "->", 2)) return n;
        if (n == most) {
            wk_fail(c, WK_ESHAPE, "einsum: more than %d indices in one operand", most - 1);
            return -1;
        }
        if (dots && !*ellipsis) {
            *ellipsis = true;
            marks[n++] = ELLIPSIS;
            p += 2;
        } else if (l >= 'A' && l <= 'Z') {
            marks[n++] = l - 'A';
        } else if (l >= 'a' && l <= 'z') {
            marks[n++] = 26 + l - 'a';
        } else {
            wk_fail(c, WK_EARG, dots ? "einsum: two ellipses in one operand" : "einsum: '%c' is no index", l);
            return -1;
        }
    }
}

struct parsed {
    int     marks[MOST_OPERANDS][WK_MAX_DIMS + 1], n_marks[MOST_OPERANDS];
    int     out[LABELS + 1], n_out;
    bool    explicit_out, out_ellipsis;
    int     ellipsis; /* dims it stands for at most */
    int64_t size[LABELS];
    int     seen[LABELS]; /* times in the operands' marks */
};

static bool read_equation(wk_ctx *c, const char *at, int n, const wk_tensor *x, struct parsed *p)
{
    for (int i = 0; i < n; i++) {
        bool ellipsis;
        p->n_marks[i] = read_marks(c, &at, p->marks[i], WK_MAX_DIMS + 1, &ellipsis);
        if (p->n_marks[i] < 0) return false;
        const int rest = x[i]->ndim - (p->n_marks[i] - ellipsis);
        if (rest < 0 || (rest > 0 && !ellipsis)) {
            wk_fail(c, WK_ESHAPE, "einsum: operand %d is %s, its indices name %d dims", i, WKI_TEXT(x[i]),
                    p->n_marks[i] - ellipsis);
            return false;
        }
        if (rest > p->ellipsis) p->ellipsis = rest;
        if ((*at == ',') != (i + 1 < n)) {
            wk_fail(c, WK_EARG, "einsum: %d operands, the equation names %s", n,
                    *at == ',' ? "more" : "less");
            return false;
        }
        at += *at == ',';
    }
    if (!*at) return true;
    at += 2;
    p->explicit_out = true;
    p->n_out = read_marks(c, &at, p->out, LABELS + 1, &p->out_ellipsis);
    if (p->n_out >= 0 && *at) wk_fail(c, WK_EARG, "einsum: \"%.20s\" behind the result's indices", at);
    return !wki_failed(c);
}

/* An operand's dims with their labels, and what they say about sizes. */
static bool label_dims(wk_ctx *c, struct parsed *p, int i, wk_tensor x, struct term *t)
{
    const int rest = x->ndim - p->n_marks[i] + 1;
    int       at = 0;
    t->x = x;
    for (int m = 0; m < p->n_marks[i]; m++) {
        const int mark = p->marks[i][m];
        for (int e = 0; e < (mark == ELLIPSIS ? rest : 1); e++)
            t->label[at++] = mark == ELLIPSIS ? LETTERS + p->ellipsis - rest + e : mark;
        if (mark != ELLIPSIS) p->seen[mark]++;
    }
    for (int d = 0; d < x->ndim; d++) {
        int64_t *size = &p->size[t->label[d]];
        if (*size >= 0 && *size != 1 && x->shape[d] != 1 && x->shape[d] != *size) {
            wk_fail(c, WK_ESHAPE, "einsum: dim %d of operand %d is %lld, elsewhere it is %lld", d, i,
                    (long long)x->shape[d], (long long)*size);
            return false;
        }
        if (*size < 0 || *size == 1) *size = x->shape[d];
    }
    *t = once(c, *t);
    return !wki_failed(c);
}

/* The result's labels in order; how many, or -1. */
static int result_labels(wk_ctx *c, const struct parsed *p, int *labels)
{
    int      n = 0;
    uint64_t set = 0;
    if (!p->explicit_out) {
        for (int e = 0; e < p->ellipsis; e++) labels[n++] = LETTERS + e;
        for (int l = 0; l < LETTERS; l++)
            if (p->seen[l] == 1) labels[n++] = l;
        return n;
    }
    for (int i = 0; i < p->n_out; i++) {
        const int mark = p->out[i];
        if (mark == ELLIPSIS) {
            for (int e = 0; e < p->ellipsis; e++) labels[n++] = LETTERS + e;
            continue;
        }
        const char letter = (char)(mark < 26 ? 'A' + mark : 'a' + mark - 26);
        if (!p->seen[mark] || set & bit(mark)) {
            wk_fail(c, WK_EARG, "einsum: the result's index '%c' %s", letter,
                    p->seen[mark] ? "comes twice" : "is in no operand");
            return -1;
        }
        set |= bit(mark);
        labels[n++] = mark;
    }
    return n;
}

static wk_tensor einsum(wk_ctx *c, const char *equation, int n, const wk_tensor *x, struct parsed *p,
                        struct term *t)
{
    int labels[2 * LABELS];
    if (!read_equation(c, equation, n, x, p)) return WK_NONE;
    for (int l = 0; l < LABELS; l++) p->size[l] = -1;
    for (int i = 0; i < n; i++)
        if (!label_dims(c, p, i, x[i], &t[i])) return WK_NONE;
    const int n_out = result_labels(c, p, labels);
    if (n_out < 0) return WK_NONE;
    WK_REQUIRE(c, n_out <= WK_MAX_DIMS, WK_ESHAPE, "einsum: the result has %d dims, %d are possible", n_out,
               WK_MAX_DIMS);
    return product(c, n, t, p->size, n_out, labels);
}

wk_tensor wk_einsum(wk_ctx *c, const char *equation, int n, const wk_tensor *x)
{
    if (wki_failed(c)) return WK_NONE;
    WK_REQUIRE(c, equation && n >= 1 && n <= MOST_OPERANDS, WK_EARG,
               "einsum: %d operands, 1 to %d are possible", n, MOST_OPERANDS);
    for (int i = 0; i < n; i++) WK_REQUIRE(c, !wk_is_none(x[i]), WK_EARG, "einsum: operand %d is empty", i);
    struct parsed *p = wk_alloc_zero(1, sizeof *p);
    struct term   *t = wk_alloc_zero((size_t)n, sizeof *t);
    wk_tensor      y = WK_NONE;
    if (p && t)
        y = einsum(c, equation, n, x, p, t);
    else
        wk_fail(c, WK_ENOMEM, "einsum: out of memory");
    wk_free(p);
    wk_free(t);
    return y;
}

/* ---- tensordot: labels by position ----------------------------------------------------------- */

wk_tensor wk_tensordot(wk_ctx *c, wk_tensor a, wk_tensor b, wk_shape dims_a, wk_shape dims_b)
{
    if (wki_failed(c)) return WK_NONE;
    WK_REQUIRE(c, !wk_is_none(a) && !wk_is_none(b), WK_EARG, "tensordot: an operand is empty");
    WK_REQUIRE(c, dims_a.ndim == dims_b.ndim && dims_a.ndim <= WK_MAX_DIMS, WK_EARG,
               "tensordot: %d dims of a, %d of b", dims_a.ndim, dims_b.ndim);
    struct term t[2] = {{.x = a}, {.x = b}};
    int64_t     size[LABELS] = {0};
    int         labels[2 * WK_MAX_DIMS], n_out = 0;
    for (int o = 0; o < 2; o++)
        for (int d = 0; d < t[o].x->ndim; d++) t[o].label[d] = 2 * WK_MAX_DIMS + o * WK_MAX_DIMS + d;
    for (int i = 0; i < dims_a.ndim; i++)
        for (int o = 0; o < 2; o++) {
            const int d = wki_dim(c, "tensordot", t[o].x, (int)(o ? dims_b : dims_a).dim[i]);
            if (d < 0) return WK_NONE;
            WK_REQUIRE(c, t[o].label[d] >= 2 * WK_MAX_DIMS, WK_EARG, "tensordot: dim %d twice", d);
            t[o].label[d] = i;
            const int64_t now = t[o].x->shape[d];
            WK_REQUIRE(c, o == 0 || size[i] == now || size[i] == 1 || now == 1, WK_ESHAPE,
                       "tensordot: %s and %s: %lld values by %lld", WKI_TEXT(a), WKI_TEXT(b),
                       (long long)size[i], (long long)now);
            if (o == 0 || size[i] == 1) size[i] = now;
        }
    for (int o = 0; o < 2; o++)
        for (int d = 0; d < t[o].x->ndim; d++) {
            t[o].set |= bit(t[o].label[d]);
            if (t[o].label[d] < 2 * WK_MAX_DIMS) continue;
            size[t[o].label[d]] = t[o].x->shape[d];
            labels[n_out++] = t[o].label[d];
        }
    WK_REQUIRE(c, n_out <= WK_MAX_DIMS, WK_ESHAPE, "tensordot: %s and %s: the result has %d dims",
               WKI_TEXT(a), WKI_TEXT(b), n_out);
    return product(c, 2, t, size, n_out, labels);
}
