/* The case driver's parts: values from JSON, arguments bound to a signature, the table of ops. */
#ifndef WK_CASES_H
#define WK_CASES_H

#include "core/wick.h"
#include "nn/nn.h"

#include <jansson.h>
#include <setjmp.h>

#define MAX_ARGS    16
#define MAX_RESULTS 32

enum verdict { CASE_OK, CASE_FAIL, CASE_UNSUPPORTED };

/* One case as it runs. A problem with the case ends it through stop(). */
struct run {
    wk_ctx         *c;
    const wk_files *files;
    const json_t   *spec;
    /* tensors already loaded, so that a name used twice is one tensor */
    struct loaded {
        const char *name;
        wk_tensor   x, tracked;
    } loaded[64];
    int          n_loaded;
    bool         track; /* the case wants gradients */
    enum verdict verdict;
    char         why[256];
    jmp_buf      out;
    /* arguments, bound to the op's signature */
    int           n_params;
    char          params[MAX_ARGS][32];
    const json_t *values[MAX_ARGS]; /* NULL: not given */
};
_Noreturn void stop(struct run *r, enum verdict v, const char *format, ...) WK_PRINTF(3, 4);

/* ---- arguments (args.c) ---------------------------------------------------------------------- */

/* Binds args and kwargs to a signature: "input dim=None keepdim=False"; *name takes the remaining
 * positionals. */
void bind(struct run *r, const char *signature);
bool given(const struct run *r, const char *name); /* there, and not null */
/* Each stops the case when the value is of another type; the fallback is for one that is not given. */
wk_tensor   tensor(struct run *r, const char *name); /* a number becomes a weak scalar */
wk_tensor   tensor_or_none(struct run *r, const char *name);
bool        is_list(const struct run *r, const char *name);
bool        holds_tensors(const struct run *r, const char *name); /* a list that begins with one */
bool        is_complex(const struct run *r, const char *name);
wk_tensor   complex_tensor(struct run *r, const char *name); /* a real one gets an imaginary part of 0 */
double      real(struct run *r, const char *name, double fallback);
int64_t     integer(struct run *r, const char *name, int64_t fallback);
bool        truth(struct run *r, const char *name, bool fallback);
const char *text(struct run *r, const char *name, const char *fallback);
wk_dtype    dtype(struct run *r, const char *name, wk_dtype fallback);
wk_shape  sizes(struct run *r, const char *name); /* a list of integers or one integer; not given: no dims */
int       tensors(struct run *r, const char *name, wk_tensor *out, int most); /* a list of tensors */
int       integers(struct run *r, const char *name, int64_t *out, int most);
int       numbers(struct run *r, const char *name, double *out, int most); /* a list of numbers, or one */
void      only_default(struct run *r, const char *name); /* stops with unsupported when it is given */
wk_tensor load(struct run *r, const char *name);         /* a tensor of the file */
wk_tensor from_json(struct run *r, const json_t *j);
bool      number(const json_t *j, double *out); /* numbers, booleans, {"f": "inf"} */
wk_dtype  dtype_of_name(const char *name);      /* "float32"; WK_DTYPE_COUNT: unknown */

/* ---- the ops (ops.c) ------------------------------------------------------------------------- */

/* Computes into out, returns how many results. */
typedef int (*op_fn)(struct run *r, wk_tensor *out);
struct op_row {
    const char
        *names; /* separated by spaces, without torch. etc.: "sum" serves torch.sum and torch.Tensor.sum */
    const char *signature;
    op_fn       run;
};
/* Each ops_FAMILY.c of families.def has such a table, closed by a row without names. */
#define FAMILY(name) extern const struct op_row name##_ops[];
#include "families.def"
#undef FAMILY
/* NULL: no such op. A row named "linalg.norm" or "fft.rfft" serves that place alone. */
const struct op_row *find_op(const char *name);

#endif
