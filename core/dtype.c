/* Dtypes and statuses: names, sizes, classes, promotion. */
#include "ctx.h"

#include <float.h>
#include <string.h>

static const struct {
    const char *name;
    int16_t     block, bytes;
    char        cls;
} dtypes[WK_DTYPE_COUNT] = {
#define WK_DTYPE(name, block, bytes, cls) {#name, block, bytes, #cls[0]},
#include "dtypes.def"
#undef WK_DTYPE
};

static const char *const statuses[WK_STATUS_COUNT] = {
#define WK_STATUS(name, text) text,
#include "status.def"
#undef WK_STATUS
};

static bool known(wk_dtype t)
{
    return (unsigned)t < WK_DTYPE_COUNT;
}

const char *wk_status_text(wk_status s)
{
    return (unsigned)s < WK_STATUS_COUNT ? statuses[s] : "?";
}
const char *wk_dtype_name(wk_dtype t)
{
    return known(t) ? dtypes[t].name : "?";
}
int64_t wk_dtype_block(wk_dtype t)
{
    return known(t) ? dtypes[t].block : 1;
}
int64_t wk_dtype_bytes(wk_dtype t)
{
    return known(t) ? dtypes[t].bytes : 0;
}
char wki_dtype_class(wk_dtype t)
{
    return known(t) ? dtypes[t].cls : '?';
}
bool wki_is_block(wk_dtype t)
{
    return known(t) && dtypes[t].cls == 'Q';
}
const char *wk_version(void)
{
    return WK_VERSION;
}

wk_dtype wk_dtype_find(const char *name)
{
    for (int i = 0; name && i < WK_DTYPE_COUNT; i++)
        if (strcmp(dtypes[i].name, name) == 0) return (wk_dtype)i;
    return WK_DTYPE_COUNT;
}

wk_class wki_class_of(wk_dtype t)
{
    if (t == WK_f64) return WK_CLASS_F64;
    const char cls = wki_dtype_class(t);
    return cls == 'B' || cls == 'I' ? WK_CLASS_I64 : WK_CLASS_F32;
}

static bool is_signed(wk_dtype t)
{
    return t == WK_i8 || t == WK_i16 || t == WK_i32 || t == WK_i64;
}

double wki_largest(wk_dtype t)
{
    switch (t) {
    case WK_f16:
        return 65504;
    case WK_bf16:
        return 3.38953138925153547590e38;
    case WK_f64:
        return DBL_MAX;
    case WK_f8e4m3:
        return 448;
    case WK_f8e5m2:
        return 57344;
    default:
        return (double)FLT_MAX;
    }
}

void wki_range(wk_dtype t, int64_t *least, int64_t *most)
{
    const char cls = wki_dtype_class(t);
    const int  bits = (int)wk_dtype_bytes(t) * 8;
    if (cls == 'B') {
        *most = 1;
    } else if (cls == 'I') {
        *most = INT64_MAX >> (64 - bits) << (is_signed(t) ? 0 : 1) | 1;
    } else {
        const double top = wki_largest(t);
        *most = top < 9.2e18 ? (int64_t)top : INT64_MAX;
    }
    *least = cls == 'B' || (cls == 'I' && !is_signed(t)) ? 0 : -*most - (cls == 'I');
    if (*most == INT64_MAX) *least = INT64_MIN;
}

/* Integers as in PyTorch: the wider wins; u8 with a signed type takes at least i16; u32 with a signed type
 * takes i64 (PyTorch has no entry for that pair: this is NumPy's). */
static wk_dtype promote_integers(wk_dtype a, wk_dtype b)
{
    const int64_t wa = dtypes[a].bytes, wb = dtypes[b].bytes;
    if (is_signed(a) == is_signed(b)) return wa >= wb ? a : b;
    const wk_dtype s = is_signed(a) ? a : b, u = is_signed(a) ? b : a;
    if (dtypes[s].bytes > dtypes[u].bytes) return s;
    return u == WK_u8 ? WK_i16 : WK_i64;
}

wk_dtype wk_promote(wk_dtype a, wk_dtype b)
{
    if (!known(a) || !known(b)) return WK_DTYPE_COUNT;
    if (a == b) return a;
    const char ca = dtypes[a].cls, cb = dtypes[b].cls;
    if (ca == 'Q' || cb == 'Q') { /* block types stand for f32 values */
        if (ca == 'Q' && cb == 'Q') return WK_f32;
        return wk_promote(ca == 'Q' ? WK_f32 : a, cb == 'Q' ? WK_f32 : b);
    }
    if (ca == 'B') return b;
    if (cb == 'B') return a;
    if (ca == 'I' && cb == 'I') return promote_integers(a, b);
    if (ca == 'I') return b;
    if (cb == 'I') return a;
    if (a == WK_f64 || b == WK_f64) return WK_f64;
    if (a == WK_f32 || b == WK_f32) return WK_f32;
    const bool narrow_a = dtypes[a].bytes == 1, narrow_b = dtypes[b].bytes == 1;
    if (narrow_a != narrow_b) return narrow_a ? b : a;
    return WK_f32; /* f16 with bf16; f8 kinds with each other */
}

/* PyTorch ranks operands: with dims, 0-d, Python numbers. A lower rank changes the result only when its
 * category (bool, integer, real) is higher. */
static int category(wk_dtype t)
{
    const char cls = wki_dtype_class(t);
    return cls == 'B' ? 0 : cls == 'I' ? 1 : 2;
}

wk_dtype wki_result_dtype(wk_tensor a, wk_tensor b)
{
    const int ra = a->weak ? 0 : a->ndim == 0 ? 1 : 2, rb = b->weak ? 0 : b->ndim == 0 ? 1 : 2;
    wk_dtype  ta = a->dtype, tb = b->dtype;
    if (ra == rb) return wk_promote(ta, tb);
    const wk_tensor high = ra > rb ? a : b, low = ra > rb ? b : a;
    if (category(low->dtype) <= category(high->dtype))
        return wki_is_block(high->dtype) ? WK_f32 : high->dtype;
    /* Python numbers and 0-d tensors of a higher category: a real one gives the default type unless high is
     * real */
    if (low->weak) return category(low->dtype) == 2 ? WK_f32 : low->dtype;
    return low->dtype;
}
