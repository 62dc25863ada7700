/* The op tests: one table of cases per family, used four ways.
 *
 *   value        on every instruction set, the result against a reference in double precision:
 *                the case's own `exact`, or, where there is none, the same op on f64 inputs
 *   gradient     of f64 inputs against central differences (gradient.c): in each layout, and the
 *                gradient's own gradient too
 *   composition  a fused op against itself on a device that lacks its kernel, and its gradient
 *                in the inputs' own dtypes against that of f64 inputs
 *   coverage     every row of ops.def has a case, every row with a gradient a gradient case
 *
 * A family is a function that visits its cases, in tests/ops/NAME.c and in families.def:
 *
 *     static wk_tensor run(wk_ctx *c, const wk_tensor *x, const struct op_case *k)
 *     {
 *         return wk_tanh(c, x[0]);
 *     }
 *     static void exact(const struct op_case *k, const struct values *x, struct values *y)
 *     {
 *         for (int64_t i = 0; i < y->n; i++) y->v[i] = tanh(x[0].v[i]); // y has the result's shape
 *     }
 *     void family_mine(case_fn visit, void *arg)
 *     {
 *         visit(arg, &(struct op_case){.op = "tanh", .run = run, .exact = exact, .gradient = true, .n_in = 1,
 *                                      .in = {{WK_SHAPE(3, 40), WK_f16, TURNED}}});
 *     }
 *
 * Families know nothing of Criterion, so that the program wick-optest runs them on machines without it. */
#ifndef WK_TESTS_CASES_H
#define WK_TESTS_CASES_H

#include "core/wick.h"

#define CASE_INPUTS 6

enum layout {
    DENSE,
    TURNED,   /* dims in memory in reverse order */
    STEPPED,  /* every second value of the last dim */
    EXPANDED, /* the first dim repeats one slice */
};

struct input {
    wk_shape      shape;
    wk_dtype      dtype;
    enum layout   layout;
    double        low, high; /* random values in [low, high); both 0: [-2, 2). Rounded for integers. */
    const double *values;    /* or these */
    bool          fixed;     /* its gradient is not looked at (indices, masks) */
};

/* Dense, outermost first. */
struct values {
    int     ndim;
    int64_t shape[WK_MAX_DIMS], n;
    double *v;
};

struct op_case {
    const char  *op, *note; /* op: its name in ops.def */
    int          n_in;
    struct input in[CASE_INPUTS];
    wk_tensor (*run)(wk_ctx *c, const wk_tensor *x, const struct op_case *k);
    void (*exact)(const struct op_case *k, const struct values *x, struct values *y);
    const void *row;  /* for run and exact */
    double      p, q; /* likewise */
    wk_shape    dims; /* likewise */
    bool        keep; /* likewise */
    double tolerance; /* relative to 1 + |value|, of f32 results; 0: 2e-6. Other dtypes have their own. */
    bool   gradient, fused;
    bool   lapack; /* left out where the CPU has none */
    bool   first;  /* second derivatives are lost in rounding (matrices just not singular) */
    bool   apart;  /* no gradient where slices are equal (order, singular matrices): never EXPANDED */
};

typedef void (*case_fn)(void *arg, const struct op_case *k);

#define FAMILY(name) void family_##name(case_fn visit, void *arg);
#include "tests/ops/families.def"
#undef FAMILY

/* An input as a case asks for it, and the case in words. */
wk_tensor   make_input(wk_ctx *c, const struct input *in, uint64_t seed);
const char *describe(const struct op_case *k, char *text, size_t size);
#define DESCRIBE(k) describe(k, (char[256]){0}, 256)

/* Visits a case as it is and with its real inputs that are not fixed in f16 and bf16. */
void visit_dtypes(case_fn visit, void *arg, const struct op_case *k);

/* Visits the cases of the families named; none: of all. */
void cases_of(int n, char **families, case_fn visit, void *arg);

/* Each returns true, or false with a message. */
bool check_value(wk_ctx *c, const struct op_case *k, char *message, size_t size);
bool check_gradient(wk_ctx *c, const struct op_case *k, char *message, size_t size);
bool check_fused_gradient(wk_ctx *c, const struct op_case *k, char *message, size_t size);
/* Second derivatives of a fused op in f32 against those of f64. */
bool check_fused_second(wk_ctx *c, const struct op_case *k, char *message, size_t size);
bool check_composition(wk_ctx *c, const struct op_case *k, char *message, size_t size);
bool check_coverage(char *message, size_t size);
/* Every row with a gradient was seen by check_gradient in every layout, or there is no input for it. */
bool check_gradient_coverage(char *message, size_t size);

/* Counts go up; the message has the first failures, a line each. */
struct tally {
    int64_t passed, failed, left; /* left out: the device has no kernel for it */
    char    message[4096];
};
/* The cases of the families named (none: of all) on one of this machine's instruction sets, counted from 0;
 * gradients on the first. False where there are none so many. */
bool run_set(int which, int n, char **families, struct tally *t);
/* Likewise on another device: value and gradient against the CPU's. */
void run_on_device(const char *device, int n, char **families, struct tally *t);

#endif
