/* Elementwise kernels: unary.def and binary.def compiled in three classes, run over tiles of broadcast
 * operands. */
#include "core/formula.h"
#include "cpu/halves.h"
#include "cpu/vmath.h"
#include "cpu/walk.h"

#define GRAIN (16 * TILE)

/* ---- loops ----------------------------------------------------------------------------------- */

#define T        float
#define FN(name) f32_##name
/* The fast sine and cosine reduce arguments up to VM_TURN_MAX; a tile with larger ones goes to libm. */
#define WIDE(text, x, n) (strstr(text, "libm_") != NULL && !within_turns(x, n))
static bool within_turns(const float *x, int64_t n)
{
    int far = 0;
    for (int64_t i = 0; i < n; i++) far |= x[i] > VM_TURN_MAX || x[i] < -VM_TURN_MAX;
    return !far;
}
static float libm_sin(float x)
{
    return sinf(x);
}
static float libm_cos(float x)
{
    return cosf(x);
}
#define expf(x)   vm_exp(x)
#define exp2f(x)  vm_exp2(x)
#define expm1f(x) vm_expm1(x)
#define logf(x)   vm_log(x)
#define log2f(x)  vm_log2(x)
#define log10f(x) vm_log10(x)
#define log1pf(x) vm_log1p(x)
#define tanhf(x)  vm_tanh(x)
#define erff(x)   vm_erf(x)
#define erfcf(x)  ((float)erfc((double)(x))) /* libm's own is off by three ulp */
#define sinf(x)   (wide ? libm_sin(x) : vm_sin(x))
#define cosf(x)   (wide ? libm_cos(x) : vm_cos(x))
#pragma push_macro("GELU")
#undef GELU
#define GELU(x) vm_gelu(x)
#include "cpu/formulas.h"
#pragma pop_macro("GELU")
#undef expf
#undef exp2f
#undef expm1f
#undef logf
#undef log2f
#undef log10f
#undef log1pf
#undef tanhf
#undef erff
#undef erfcf
#undef sinf
#undef cosf

#if defined __AVX512F__
static void exp_lanes(const float *const *in, float *restrict out, int64_t n, const wk_call *k)
{
    const int64_t      whole = n - n % W;
    const float *const rest[4] = {in[0] + whole};
    for (int64_t i = 0; i < whole; i += W) v_store(out + i, vm_exp_lanes(v_load(in[0] + i)));
    if (whole < n) f32_exp(rest, out + whole, n - whole, k);
}
#define f32_exp exp_lanes
#endif

#if !defined WK_SET_OF_F64
#define T                double
#define FN(name)         f64_##name
#define WIDE(text, x, n) false
#define expf(x)          exp(x)
#define exp2f(x)         exp2(x)
#define expm1f(x)        expm1(x)
#define logf(x)          log(x)
#define log2f(x)         log2(x)
#define log10f(x)        log10(x)
#define log1pf(x)        log1p(x)
#define sqrtf(x)         sqrt(x)
#define cbrtf(x)         cbrt(x)
#define fabsf(x)         fabs(x)
#define floorf(x)        floor(x)
#define ceilf(x)         ceil(x)
#define rintf(x)         rint(x)
#define truncf(x)        trunc(x)
#define sinf(x)          sin(x)
#define cosf(x)          cos(x)
#define tanf(x)          tan(x)
#define asinf(x)         asin(x)
#define acosf(x)         acos(x)
#define atanf(x)         atan(x)
#define sinhf(x)         sinh(x)
#define coshf(x)         cosh(x)
#define tanhf(x)         tanh(x)
#define asinhf(x)        asinh(x)
#define acoshf(x)        acosh(x)
#define atanhf(x)        atanh(x)
#define erff(x)          erf(x)
#define erfcf(x)         erfc(x)
#define powf(a, b)       pow(a, b)
#define fmodf(a, b)      fmod(a, b)
#define atan2f(a, b)     atan2(a, b)
#define hypotf(a, b)     hypot(a, b)
#define copysignf(a, b)  copysign(a, b)
#define nextafterf(a, b) nextafter(a, b)
#include "cpu/formulas.h"
#endif

#if !defined WK_SET_OF_I64
#define T                int64_t
#define FN(name)         i64_##name
#define WIDE(text, x, n) false
#define INTEGERS
#include "cpu/formulas.h"
#endif

/* ---- running them ---------------------------------------------------------------------------- */

struct job {
    const wk_call *k;
    struct walk    w;
    void (*f32)(const float *const *, float *restrict, int64_t, const wk_call *);
    void (*f64)(const double *const *, double *restrict, int64_t, const wk_call *);
    void (*i64)(const int64_t *const *, int64_t *restrict, int64_t, const wk_call *);
};

/* Is the result written over an operand? Loops do not expect that, and write elsewhere first. */
static bool over_operand(const wk_call *k)
{
    bool over = false;
    for (int o = 0; o < k->n_in; o++) over |= k->in[o]->storage == k->out[0]->storage;
    return over;
}

/* Two operands and a result of one dtype that lie side by side need no tiles between. */
static bool in_place(const struct job *j, wk_dtype t)
{
    const wk_call *k = j->k;
    bool           plain = k->n_in == 2 && k->out[0]->dtype == t && j->w.ndim == 1 && !over_operand(k);
    for (int o = 0; plain && o < 2; o++) plain = k->in[o]->dtype == t && j->w.stride[o][0] == 1;
    return plain;
}

static void plain_f32(void *arg, int64_t first, int64_t last, int worker)
{
    const struct job *j = arg;
    const wk_call    *k = j->k;
    const float      *in[] = {(const float *)(const void *)address(k->in[0], first),
                              (const float *)(const void *)address(k->in[1], first)};
    (void)worker;
    j->f32(in, (float *)(void *)address(k->out[0], first), last - first, k);
}

/* Results [first, last) of a job; operands that are one value are read once. */
#define PIECE(cls, type)                                                                                     \
    static void piece_##cls(void *arg, int64_t first, int64_t last, int worker)                              \
    {                                                                                                        \
        const struct job *j = arg;                                                                           \
        const wk_call    *k = j->k;                                                                          \
        const wk_tensor   y = k->out[0];                                                                     \
        const int64_t     most = last - first < TILE ? last - first : TILE;                                  \
        const type       *in[4] = {NULL};                                                                    \
        _Alignas(64) type buffer[4][TILE], out[TILE];                                                        \
        bool              constant[4] = {false}, over = over_operand(k);                                     \
        (void)worker;                                                                                        \
        for (int o = 0; o < k->n_in; o++) {                                                                  \
            constant[o] = walk_constant(&j->w, o);                                                           \
            if (constant[o]) in[o] = load_##cls##_strided(k->in[o], 0, 0, most, buffer[o]);                  \
        }                                                                                                    \
        for (int64_t at = first; at < last; at += TILE) {                                                    \
            const int64_t n = last - at < TILE ? last - at : TILE;                                           \
            for (int o = 0; o < k->n_in; o++)                                                                \
                if (!constant[o]) in[o] = walk_##cls(&j->w, o, k->in[o], at, n, buffer[o]);                  \
            type *to = over ? out : dest_##cls(y, at, out);                                                  \
            j->cls(in, to, n, k);                                                                            \
            store_##cls(y, at, n, to);                                                                       \
        }                                                                                                    \
    }
PIECE(f32, float)
#if !defined WK_SET_OF_F64
PIECE(f64, double)
#endif
#if !defined WK_SET_OF_I64
PIECE(i64, int64_t)
#endif

/* bf16 of one shape in words of two, without a tile of floats between: the commonest ops, which memory should
 * bound. */
#define HALVES(name, op)                                                                                     \
    static void halves_##name(void *arg, int64_t first, int64_t last, int worker)                            \
    {                                                                                                        \
        const wk_call *k = ((const struct job *)arg)->k;                                                     \
        const char    *a = address(k->in[0], first), *b = address(k->in[1], first);                          \
        char          *y = address(k->out[0], first);                                                        \
        int64_t        n = last - first;                                                                     \
        (void)worker;                                                                                        \
        for (; n > 0; n -= 2 * W, a += 4 * W, b += 4 * W, y += 4 * W) {                                      \
            vi u, v;                                                                                         \
            if (n >= 2 * W) {                                                                                \
                u = *(const vi_any *)(const void *)a;                                                        \
                v = *(const vi_any *)(const void *)b;                                                        \
                *(vi_any *)(void *)y = join_halves(lower(u) op lower(v), upper(u) op upper(v));              \
                continue;                                                                                    \
            }                                                                                                \
            u = v_load_words(a, n);                                                                          \
            v = v_load_words(b, n);                                                                          \
            u = join_halves(lower(u) op lower(v), upper(u) op upper(v));                                     \
            memcpy(y, &u, (size_t)n * 2);                                                                    \
        }                                                                                                    \
    }
HALVES(add, +)
HALVES(sub, -)
HALVES(mul, *)

static wk_piece piece_of(const struct job *j)
{
    const wk_call *k = j->k;
    if (in_place(j, WK_bf16)) {
        if (k->op == WK_OP_add) return halves_add;
        if (k->op == WK_OP_sub) return halves_sub;
        if (k->op == WK_OP_mul) return halves_mul;
    } else if (k->cls == WK_CLASS_F32 && in_place(j, WK_f32)) {
        return plain_f32;
    }
    return OF_CLASS(k->cls, piece_f32, piece_f64, piece_i64);
}

/* Halves that are converted on the way are worth a second thread sooner. */
static int64_t grain_of(const struct job *j, wk_piece piece)
{
    const wk_dtype t = j->k->out[0]->dtype;
    const bool     converted = piece == piece_f32 && (t == WK_bf16 || t == WK_f16);
    return converted && j->w.n > GRAIN / 4 && j->w.n <= GRAIN ? (j->w.n + 127) / 128 * 64 : GRAIN;
}

static wk_status run(struct job *j)
{
    const wk_call *k = j->k;
    walk_over(&j->w, k->out[0], k->n_in, k->in);
    if (j->w.n == 0) return WK_OK;
    for (int o = 0; o < k->n_in; o++) {
        const wk_dtype t = k->in[o]->dtype;
        if (!OF_CLASS(k->cls, CPU(to_f32)[t] != NULL, CPU(to_f64)[t] != NULL, CPU(to_i64)[t] != NULL))
            return WK_EDTYPE;
    }
    if (!OF_CLASS(k->cls, j->f32 != NULL, j->f64 != NULL, j->i64 != NULL)) return WK_EDTYPE;
    const wk_piece piece = piece_of(j);
    wki_parallel(k->device, j->w.n, grain_of(j, piece), piece, j);
    return WK_OK;
}

/* The walk is large and written before it is read: no zeros for it. */
#define KERNEL(name, f, d, i)                                                                                \
    wk_status CPU(name)(const wk_call *k)                                                                    \
    {                                                                                                        \
        struct job j;                                                                                        \
        j.k = k;                                                                                             \
        j.f32 = f;                                                                                           \
        j.f64 = d;                                                                                           \
        j.i64 = i;                                                                                           \
        return run(&j);                                                                                      \
    }
#define REAL(name) KERNEL(name, f32_##name, F64(f64_##name, NULL), NULL)
#define ANY(name)  KERNEL(name, f32_##name, F64(f64_##name, NULL), I64(i64_##name, NULL))
#if !defined WK_SET_256
#define VJP(name) REAL(name##_vjp)
#define VJP_PAIR(name)                                                                                       \
    KERNEL(name##_vjp, k->attr.i[0] ? f32_##name##_db_vjp : f32_##name##_da_vjp,                             \
           F64(k->attr.i[0] ? f64_##name##_db_vjp : f64_##name##_da_vjp, NULL), NULL)
#else
#define VJP(name)                                                                                            \
    wk_status WK_PASTE(wki_cpu_, name##_vjp, WK_SET_256)(const wk_call *k);                                  \
    wk_status CPU(name##_vjp)(const wk_call *k)                                                              \
    {                                                                                                        \
        return WK_PASTE(wki_cpu_, name##_vjp, WK_SET_256)(k);                                                \
    }
#define VJP_PAIR(name) VJP(name)
#endif

#define WK_UNARY(name, y, dy)              REAL(name) VJP(name)
#define WK_UNARY_ANY(name, y, dy, iy)      ANY(name) VJP(name)
#define WK_UNARY_P(name, y, dy)            REAL(name) VJP(name)
#define WK_UNARY_P_ANY(name, y, dy, iy)    ANY(name) VJP(name)
#define WK_UNARY_TEST(name, y)             REAL(name)
#define WK_BINARY(name, y, da, db)         REAL(name) VJP_PAIR(name)
#define WK_BINARY_ANY(name, y, da, db, iy) ANY(name) VJP_PAIR(name)
#define WK_BINARY_INT(name, iy)            KERNEL(name, NULL, NULL, I64(i64_##name, NULL))
#define WK_COMPARE(name, y)                ANY(name)
#include "core/unary.def"
#include "core/binary.def"
ANY(where)
REAL(lerp)
ANY(addcmul)
REAL(addcdiv)
