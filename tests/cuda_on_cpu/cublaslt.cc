/* cuBLASLt on the host: the functions that cuda/blaslt.h names, by CBLAS out of OpenBLAS, in double whatever the
 * dtype. Without that it cannot be created. */
#include "cuda/blaslt.h"
#include "cpu/blas.h"
#include "cuda/kernel.cuh"
#include "tests/cuda_on_cpu/stand_in.h"

#include <dlfcn.h>
#include <vector>

namespace
{

struct desc {
    int         compute, turn[2], epilogue;
    const void *bias;
};
struct layout {
    int      type;
    int64_t  rows, columns, step, next;
    int32_t  batch;
    uint64_t pad;
};
struct preference {
    uint64_t workspace;
    uint32_t reductions, align[4];
};

int bytes_of(int type)
{
    return type == LT_R_64F ? 8 : type == LT_R_32F ? 4 : 2;
}
double get(const void *p, int type, int64_t i)
{
    return type == LT_R_64F    ? ((const double *)p)[i]
           : type == LT_R_32F  ? (double)((const float *)p)[i]
           : type == LT_R_16BF ? (double)widened(((const bf16 *)p)[i])
                               : (double)widened(((const f16 *)p)[i]);
}
void put(void *p, int type, int64_t i, double v)
{
    if (type == LT_R_64F) ((double *)p)[i] = v;
    if (type == LT_R_32F) ((float *)p)[i] = (float)v;
    if (type == LT_R_16F) narrowed((float)v, ((f16 *)p)[i]);
    if (type == LT_R_16BF) narrowed((float)v, ((bf16 *)p)[i]);
}

/* Do the sizes belong together? */
bool sound(const desc *o, const layout *a, const layout *b, const layout *y)
{
    const int64_t m = o->turn[0] ? a->columns : a->rows, k = o->turn[0] ? a->rows : a->columns;
    const int64_t n = o->turn[1] ? b->rows : b->columns, depth = o->turn[1] ? b->columns : b->rows;
    return m == y->rows && n == y->columns && k == depth && a->step >= a->rows && b->step >= b->rows &&
           y->step >= y->rows && a->batch == y->batch && b->batch == y->batch && a->type == b->type &&
           (a->type == y->type || (bytes_of(a->type) == 2 && y->type == LT_R_32F));
}
bool same(const layout *c, const layout *y) /* all but the steps */
{
    return c->type == y->type && c->rows == y->rows && c->columns == y->columns && c->batch == y->batch &&
           c->step >= c->rows;
}

double ended(const desc &o, double v)
{
    if (o.epilogue & LT_EPILOGUE_RELU) return v > 0 ? v : 0;
    if (o.epilogue & LT_EPILOGUE_GELU)
        return 0.5 * v * (1 + tanh(0.7978845608028654 * (v + 0.044715 * v * v * v)));
    return v;
}

/* CBLAS's product of doubles, or NULL. */
decltype(wki_blas::dgemm) product()
{
    static const auto found = [] {
        void                     *library = dlopen("libopenblas.so.0", RTLD_NOW | RTLD_LOCAL);
        void                     *entry = library ? dlsym(library, "cblas_dgemm") : nullptr;
        decltype(wki_blas::dgemm) dgemm = nullptr;
        memcpy((void *)&dgemm, &entry, sizeof entry);
        return dgemm;
    }();
    return found;
}

/* A batch's matrix as rows of values side by side. */
std::vector<double> rows_of(const layout &l, bool turned, const void *p, int64_t batch, int64_t rows,
                            int64_t columns)
{
    std::vector<double> v((size_t)(rows * columns));
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < columns; j++)
            v[(size_t)(i * columns + j)] =
                get(p, l.type, batch * l.next + (turned ? i * l.step + j : j * l.step + i));
    return v;
}

cudaError_t multiply(const desc &o, const layout &a, const layout &b, const layout &c, const layout &y,
                     const void *pa, const void *pb, double beta, const void *pc, void *py)
{
    const auto    dgemm = product();
    const int64_t k = o.turn[0] ? a.rows : a.columns, m = y.rows, n = y.columns;
    for (int64_t batch = 0; batch < y.batch; batch++) {
        const std::vector<double> left = rows_of(a, o.turn[0] != 0, pa, batch, m, k);
        const std::vector<double> right = rows_of(b, o.turn[1] != 0, pb, batch, k, n);
        std::vector<double>       sum((size_t)(m * n));
        if (beta != 0) sum = rows_of(c, false, pc, batch, m, n);
        dgemm(WKI_ROW_MAJOR, WKI_NO_TRANS, WKI_NO_TRANS, (int)m, (int)n, (int)k, 1, left.data(), (int)k,
              right.data(), (int)n, beta, sum.data(), (int)n);
        for (int64_t j = 0; j < n; j++)
            for (int64_t i = 0; i < m; i++) {
                const double bias = o.epilogue & LT_EPILOGUE_BIAS ? get(o.bias, y.type, i) : 0;
                put(py, y.type, batch * y.next + j * y.step + i, ended(o, sum[(size_t)(i * n + j)] + bias));
            }
    }
    return cudaSuccess;
}

} // namespace

EXPORTED int cublasLtCreate(void **handle)
{
    if (!product()) return 1;
    *handle = new int(1);
    return 0;
}
EXPORTED int cublasLtDestroy(void *handle)
{
    delete (int *)handle;
    return 0;
}
EXPORTED int cublasLtMatmulDescCreate(void **made, int compute, int scale)
{
    desc *d = new desc();
    d->compute = compute;
    *made = d;
    return (compute == LT_COMPUTE_64F) == (scale == LT_R_64F) ? 0 : 7;
}
EXPORTED int cublasLtMatmulDescDestroy(void *d)
{
    delete (desc *)d;
    return 0;
}
EXPORTED int cublasLtMatmulDescSetAttribute(void *made, int what, const void *value, size_t size)
{
    desc *d = (desc *)made;
    if (size != (what == LT_DESC_BIAS_POINTER ? sizeof(void *) : sizeof(int32_t))) return 7;
    if (what == LT_DESC_TRANSA) memcpy(&d->turn[0], value, size);
    if (what == LT_DESC_TRANSB) memcpy(&d->turn[1], value, size);
    if (what == LT_DESC_EPILOGUE) memcpy(&d->epilogue, value, size);
    if (what == LT_DESC_BIAS_POINTER) memcpy((void *)&d->bias, value, size);
    return 0;
}
EXPORTED int cublasLtMatrixLayoutCreate(void **made, int type, uint64_t rows, uint64_t columns, int64_t step)
{
    *made = new layout{type, (int64_t)rows, (int64_t)columns, step, 0, 1, 0};
    return step >= (int64_t)rows ? 0 : 7;
}
EXPORTED int cublasLtMatrixLayoutDestroy(void *l)
{
    delete (layout *)l;
    return 0;
}
EXPORTED int cublasLtMatrixLayoutSetAttribute(void *made, int what, const void *value, size_t size)
{
    layout *l = (layout *)made;
    if (size != (what == LT_LAYOUT_BATCH_COUNT ? sizeof l->batch : sizeof l->next)) return 7;
    if (what == LT_LAYOUT_BATCH_COUNT) memcpy(&l->batch, value, size);
    if (what == LT_LAYOUT_BATCH_OFFSET) memcpy(&l->next, value, size);
    return 0;
}
EXPORTED int cublasLtMatmulPreferenceCreate(void **made)
{
    *made = new preference();
    return 0;
}
EXPORTED int cublasLtMatmulPreferenceDestroy(void *p)
{
    delete (preference *)p;
    return 0;
}
EXPORTED int cublasLtMatmulPreferenceSetAttribute(void *made, int what, const void *value, size_t size)
{
    preference *p = (preference *)made;
    if (what == LT_PREF_WORKSPACE && size == sizeof p->workspace) memcpy(&p->workspace, value, size);
    if (what == LT_PREF_REDUCTIONS && size == sizeof p->reductions) memcpy(&p->reductions, value, size);
    if (what >= LT_PREF_ALIGN_A && what <= LT_PREF_ALIGN_D)
        memcpy(&p->align[what - LT_PREF_ALIGN_A], value, sizeof p->align[0]);
    return 0;
}
EXPORTED int cublasLtMatmulAlgoGetHeuristic(void *, void *d, void *a, void *b, void *c, void *y, void *wanted,
                                            int, struct lt_heuristic *found, int *count)
{
    const preference *p = (const preference *)wanted;
    const layout     *of[] = {(const layout *)a, (const layout *)b, (const layout *)c, (const layout *)y};
    *count = 0;
    shim_searches();
    if (!sound((const desc *)d, of[0], of[1], of[3]) || !same(of[2], of[3]) || p->reductions & 1) return 7;
    if (of[3]->type == LT_R_64F && ((const desc *)d)->epilogue & LT_EPILOGUE_RELU) return 15; /* not there */
    for (int i = 0; i < 4; i++)
        if (p->align[i] == 0 || (int)p->align[i] < bytes_of(of[i]->type)) return 7;
    for (int i = 0; i < 4; i++) found->algo.data[i] = p->align[i];
    found->state = 0;
    found->workspace = 0;
    *count = 1;
    return 0;
}
EXPORTED int cublasLtMatmul(void *, void *d, const void *, const void *a, void *la, const void *b, void *lb,
                            const void *scale, const void *c, void *lc, void *y, void *ly,
                            const struct lt_algo *algo, void *, size_t, void *stream)
{
    const desc   o = *(const desc *)d;
    const layout x = *(const layout *)la, w = *(const layout *)lb, e = *(const layout *)lc,
                 r = *(const layout *)ly;
    const double beta = r.type == LT_R_64F ? *(const double *)scale : *(const float *)scale;
    if (!sound(&o, &x, &w, &r) || !same(&e, &r) || (o.epilogue & LT_EPILOGUE_BIAS && !o.bias)) return 7;
    if ((uintptr_t)a % algo->data[0] || (uintptr_t)b % algo->data[1] || (uintptr_t)c % algo->data[2] ||
        (uintptr_t)y % algo->data[3])
        return 7;
    const auto step = [=] { return multiply(o, x, w, e, r, a, b, beta, c, y); };
    return shim_submit((cudaStream_t)stream, step, true) == cudaSuccess ? 0 : 14;
}
