/* Cases of einsum and of the products made of it, against sums over all indices. */
#include "tests/ops/cases.h"

#include <math.h>
#include <string.h>

struct product_case {
    const char *equation; /* explicit, without ellipsis: what `run` must compute */
    const char *given;    /* what wk_einsum gets instead */
    int         n;
    wk_shape    in[4];
    wk_tensor (*run)(wk_ctx *c, const wk_tensor *x);
    bool no_gradient;
};

static wk_tensor run_case(wk_ctx *c, const wk_tensor *x, const struct op_case *k)
{
    const struct product_case *p = k->row;
    return p->run ? p->run(c, x) : wk_einsum(c, p->given ? p->given : p->equation, p->n, x);
}

/* Sums over all values of all indices. */
static void exact(const struct op_case *k, const struct values *x, struct values *y)
{
    const struct product_case *p = k->row;
    int64_t                    size[128] = {0}, index[128] = {0}, total = 1;
    char                       letters[128] = "";
    int                        n = 0, operand = 0;
    const char                *out = strstr(p->equation, "->") + 2;
    for (const char *e = p->equation, *start = e; e < out - 2; e++) {
        if (*e == ',') {
            start = e + 1;
            operand++;
            continue;
        }
        if (!strchr(letters, *e)) letters[n++] = *e;
        const int64_t now = x[operand].shape[e - start];
        if (now != 1 || !size[(int)*e]) size[(int)*e] = now;
    }
    for (int i = 0; i < n; i++) total *= size[(int)letters[i]];
    memset(y->v, 0, (size_t)y->n * sizeof *y->v);
    for (int64_t t = 0; t < total; t++) {
        int64_t rest = t;
        for (int i = 0; i < n; i++) {
            index[(int)letters[i]] = rest % size[(int)letters[i]];
            rest /= size[(int)letters[i]];
        }
        double      value = 1;
        const char *e = p->equation;
        for (int o = 0; o < p->n; o++, e++) {
            int64_t at = 0;
            for (int d = 0; *e != ',' && *e != '-'; e++, d++)
                at = at * x[o].shape[d] + (x[o].shape[d] == 1 ? 0 : index[(int)*e]);
            value *= x[o].v[at];
        }
        int64_t at = 0;
        for (const char *l = out; *l; l++) at = at * size[(int)*l] + index[(int)*l];
        y->v[at] += value;
    }
}

static wk_tensor tensordot2(wk_ctx *c, const wk_tensor *x)
{
    return wk_tensordot(c, x[0], x[1], WK_DIMS(1, 2), WK_DIMS(2, 0));
}
static wk_tensor tensordot0(wk_ctx *c, const wk_tensor *x)
{
    return wk_tensordot(c, x[0], x[1], (wk_shape){0}, (wk_shape){0});
}
static wk_tensor dot(wk_ctx *c, const wk_tensor *x)
{
    return wk_dot(c, x[0], x[1]);
}
static wk_tensor vecdot(wk_ctx *c, const wk_tensor *x)
{
    return wk_vecdot(c, x[0], x[1], 1);
}
static wk_tensor mv(wk_ctx *c, const wk_tensor *x)
{
    return wk_mv(c, x[0], x[1]);
}
static wk_tensor mm(wk_ctx *c, const wk_tensor *x)
{
    return wk_mm(c, x[0], x[1]);
}
static wk_tensor bmm(wk_ctx *c, const wk_tensor *x)
{
    return wk_bmm(c, x[0], x[1]);
}
static wk_tensor outer(wk_ctx *c, const wk_tensor *x)
{
    return wk_outer(c, x[0], x[1]);
}
static wk_tensor inner(wk_ctx *c, const wk_tensor *x)
{
    return wk_inner(c, x[0], x[1]);
}
static wk_tensor kron(wk_ctx *c, const wk_tensor *x)
{
    const wk_tensor y = wk_kron(c, x[0], x[1]); /* [ac, bd] */
    return wk_reshape(c, y, WK_SHAPE(x[0]->shape[0], x[1]->shape[0], x[0]->shape[1], x[1]->shape[1]));
}
static wk_tensor multi_dot(wk_ctx *c, const wk_tensor *x)
{
    return wk_multi_dot(c, 4, x);
}
static wk_tensor addmm(wk_ctx *c, const wk_tensor *x)
{
    return wk_addmm(c, wk_full(c, NAN, x[0]->dtype, WK_SHAPE(1)), x[0], x[1], 0, 1);
}
static wk_tensor addbmm(wk_ctx *c, const wk_tensor *x)
{
    return wk_addbmm(c, wk_zeros(c, x[0]->dtype, WK_SCALAR_SHAPE), x[0], x[1], 1, 1);
}
/* With the same product once more, and taken away again. */
static wk_tensor baddbmm(wk_ctx *c, const wk_tensor *x)
{
    return wk_baddbmm(c, wk_bmm(c, x[0], x[1]), x[0], x[1], -1, 2);
}
static wk_tensor addmv(wk_ctx *c, const wk_tensor *x)
{
    return wk_addmv(c, wk_mv(c, x[0], x[1]), x[0], x[1], -2, 3);
}
static wk_tensor addr(wk_ctx *c, const wk_tensor *x)
{
    return wk_addr(c, wk_outer(c, x[0], x[1]), x[0], x[1], -1, 2);
}

static const struct product_case cases[] = {
    {"ij,jk->ik", "ij,jk", 2, {{2, {4, 5}}, {2, {5, 3}}}, NULL, false},
    {"ij->ji", NULL, 1, {{2, {4, 5}}}, NULL, false},
    {"ij->", NULL, 1, {{2, {4, 5}}}, NULL, false},
    {"ii->i", NULL, 1, {{2, {5, 5}}}, NULL, false},
    {"iji->j", NULL, 1, {{3, {3, 4, 3}}}, NULL, false},
    {"iii->", "iii", 1, {{3, {3, 3, 3}}}, NULL, false},
    {"iijj->ij", NULL, 1, {{4, {3, 3, 4, 4}}}, NULL, false},
    {"bij,bjk->bik", "...ij,...jk", 2, {{3, {2, 3, 4}}, {3, {2, 4, 3}}}, NULL, false},
    {"abij,bjk->abik", "...ij,...jk->...ik", 2, {{4, {3, 2, 3, 4}}, {3, {2, 4, 3}}}, NULL, false},
    {"bij,jk->ikb", "b...j,jk->...kb", 2, {{3, {2, 3, 4}}, {2, {4, 3}}}, NULL, false},
    {"Ba,aC->BC", "Ba,aC", 2, {{2, {2, 3}}, {2, {3, 4}}}, NULL, false},
    {"bi,bj->bij", NULL, 2, {{2, {3, 4}}, {2, {3, 5}}}, NULL, false},
    {"bi,bi->b", NULL, 2, {{2, {3, 4}}, {2, {3, 4}}}, NULL, false},
    {"ijk,kl,lm,mi->j", NULL, 4, {{3, {3, 4, 5}}, {2, {5, 2}}, {2, {2, 6}}, {2, {6, 3}}}, NULL, false},
    {"ab,cd->d", NULL, 2, {{2, {2, 3}}, {2, {4, 5}}}, NULL, false},
    {"ij,jk->ik", NULL, 2, {{2, {4, 1}}, {2, {5, 3}}}, NULL, false},
    {"bnk,bkm->bnm", " b n k , b k m -> b n m ", 2, {{3, {1, 3, 4}}, {3, {5, 4, 2}}}, NULL, false},
    {"iij,ij->i", NULL, 2, {{3, {3, 3, 4}}, {2, {3, 4}}}, NULL, false},
    {"ij,jk->ik", NULL, 2, {{2, {4, 0}}, {2, {0, 3}}}, NULL, true},
    {"ijk,lki->jl", NULL, 2, {{3, {2, 3, 4}}, {3, {5, 4, 2}}}, NULL, false},
    {"ijk,kmj->im", NULL, 2, {{3, {2, 3, 4}}, {3, {4, 5, 3}}}, tensordot2, false},
    {"ij,k->ijk", NULL, 2, {{2, {2, 3}}, {1, {4}}}, tensordot0, false},
    {"i,i->", NULL, 2, {{1, {7}}, {1, {7}}}, dot, false},
    {"ijk,ijk->ik", NULL, 2, {{3, {2, 5, 3}}, {3, {2, 5, 1}}}, vecdot, false},
    {"ij,j->i", NULL, 2, {{2, {4, 5}}, {1, {5}}}, mv, false},
    {"ij,jk->ik", NULL, 2, {{2, {4, 5}}, {2, {5, 3}}}, mm, false},
    {"bij,bjk->bik", NULL, 2, {{3, {2, 4, 5}}, {3, {2, 5, 3}}}, bmm, false},
    {"i,j->ij", NULL, 2, {{1, {4}}, {1, {5}}}, outer, false},
    {"ijk,lk->ijl", NULL, 2, {{3, {2, 3, 4}}, {2, {5, 4}}}, inner, false},
    {"ab,cd->acbd", NULL, 2, {{2, {2, 3}}, {2, {4, 5}}}, kron, false},
    {"a,ab,bc,c->", NULL, 4, {{1, {3}}, {2, {3, 5}}, {2, {5, 4}}, {1, {4}}}, multi_dot, false},
    {"ab,bc,cd,de->ae", NULL, 4, {{2, {2, 3}}, {2, {3, 5}}, {2, {5, 1}}, {2, {1, 4}}}, multi_dot, false},
    {"ij,jk->ik", NULL, 2, {{2, {4, 5}}, {2, {5, 3}}}, addmm, false},
    {"bij,bjk->ik", NULL, 2, {{3, {2, 4, 5}}, {3, {2, 5, 3}}}, addbmm, false},
    {"bij,bjk->bik", NULL, 2, {{3, {2, 4, 5}}, {3, {2, 5, 3}}}, baddbmm, false},
    {"ij,j->i", NULL, 2, {{2, {4, 5}}, {1, {5}}}, addmv, false},
    {"i,j->ij", NULL, 2, {{1, {4}}, {1, {5}}}, addr, false},
};

static wk_tensor run_cross(wk_ctx *c, const wk_tensor *x, const struct op_case *k)
{
    return wk_cross(c, x[0], x[1], (int)k->p);
}
static void exact_cross(const struct op_case *k, const struct values *x, struct values *y)
{
    (void)k;
    for (int64_t i = 0; i < y->n / 3; i++)
        for (int64_t j = 0; j < 3; j++) {
            const double *a = x[0].v + 3 * i, *b = x[1].v;
            const int64_t p = (j + 1) % 3, q = (j + 2) % 3;
            y->v[3 * i + j] = a[p] * b[q] - a[q] * b[p];
        }
}

void family_products(case_fn visit, void *arg)
{
    static const wk_dtype    dtypes[] = {WK_f32, WK_f64, WK_i64, WK_i32};
    static const enum layout layouts[] = {DENSE, TURNED, STEPPED};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (size_t t = 0; t < sizeof dtypes / sizeof *dtypes; t++) {
            const struct product_case *p = &cases[i];
            struct op_case             k = {.op = "matmul",
                                            .note = p->equation,
                                            .n_in = p->n,
                                            .run = run_case,
                                            .exact = exact,
                                            .row = p,
                                            .gradient = t == 0 && !p->no_gradient,
                                            .tolerance = 2e-5};
            if (p->run == addmm && t > 1) continue; /* its NaN */
            for (int o = 0; o < p->n; o++)
                k.in[o] = (struct input){
                    .shape = p->in[o], .dtype = dtypes[t], .layout = layouts[(i + t + (size_t)o) % 3]};
            visit(arg, &k);
        }
    visit(arg, &(struct op_case){.op = "mul",
                                 .note = "cross",
                                 .n_in = 2,
                                 .run = run_cross,
                                 .exact = exact_cross,
                                 .p = -1,
                                 .gradient = true,
                                 .in = {{.shape = WK_SHAPE(4, 3), .dtype = WK_f32},
                                        {.shape = WK_SHAPE(1, 3), .dtype = WK_f32}}});
}
