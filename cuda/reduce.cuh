/* What a reduction keeps of the values it has seen, and how two such states join. */
#ifndef WK_CUDA_REDUCE_CUH
#define WK_CUDA_REDUCE_CUH

#include "cuda/walk.cuh"

enum kind {
    SUM,
    MEAN,
    PROD,
    MOST,
    LEAST,
    ANY,
    ALL,
    VARIANCE,
    DEVIATION,
    EXPONENTIALS,
    NAN_SUM, /* NaN left out */
    COUNT,   /* values that are not 0 */
    SIZES,   /* magnitudes */
    SQUARES,
    POWERS, /* of magnitudes */
    WIDEST, /* magnitude */
    NARROWEST,
    ARG_MOST,
    ARG_LEAST
};

/* a: sum, product, extreme, mean or largest; b: squares about the mean, or the sum of exp(x - a); n: how
 * many values, or the place of the extreme. */
template <typename C> struct state {
    C       a, b;
    int64_t n;
};

template <typename C> DEVICE bool is_nan(C x)
{
    return x != x;
}
template <typename C> DEVICE C lowest_of()
{
    return (C)-INFINITY;
}
template <> DEVICE int64_t lowest_of<int64_t>()
{
    return INT64_MIN;
}
template <typename C> DEVICE C highest_of()
{
    return (C)INFINITY;
}
template <> DEVICE int64_t highest_of<int64_t>()
{
    return INT64_MAX;
}
DEVICE float e_to(float x)
{
    return expf(x);
}
DEVICE double e_to(double x)
{
    return exp(x);
}
DEVICE int64_t e_to(int64_t x)
{
    return x;
}

DEVICE float plus_of(float a, float b)
{
    return a + b;
}
DEVICE double plus_of(double a, double b)
{
    return a + b;
}
DEVICE int64_t plus_of(int64_t a, int64_t b)
{
    return (int64_t)((uint64_t)a + (uint64_t)b);
}
DEVICE float times_of(float a, float b)
{
    return a * b;
}
DEVICE double times_of(double a, double b)
{
    return a * b;
}
DEVICE int64_t times_of(int64_t a, int64_t b)
{
    return (int64_t)((uint64_t)a * (uint64_t)b);
}

template <typename C> DEVICE state<C> nothing(int kind)
{
    const bool most = kind == MOST || kind == ARG_MOST || kind == EXPONENTIALS;
    const bool least = kind == LEAST || kind == ARG_LEAST || kind == NARROWEST;
    state<C>   s;
    s.a = most ? lowest_of<C>() : least ? highest_of<C>() : kind == PROD || kind == ALL ? (C)1 : (C)0;
    s.b = (C)0;
    s.n = kind == ARG_MOST || kind == ARG_LEAST ? -1 : 0;
    return s;
}

/* Is a, at place i, a better pick than b at j? NaN beats all, the first of equals wins. */
template <typename C> DEVICE bool better(bool most, C a, int64_t i, C b, int64_t j)
{
    if (i < 0) return false;
    if (j < 0) return true;
    if (is_nan(a) || is_nan(b)) return is_nan(a) && (!is_nan(b) || i < j);
    return (most ? a > b : a < b) || (a == b && i < j);
}

template <typename C> DEVICE state<C> join(int kind, state<C> s, const state<C> &t)
{
    switch (kind) {
    case SUM:
    case MEAN:
    case NAN_SUM:
    case SIZES:
    case SQUARES:
    case POWERS:
        s.a = plus_of(s.a, t.a);
        break;
    case PROD:
        s.a = times_of(s.a, t.a);
        break;
    case COUNT:
        s.n += t.n;
        break;
    case MOST:
    case WIDEST:
        s.a = t.a > s.a || is_nan(t.a) ? t.a : s.a;
        break;
    case LEAST:
    case NARROWEST:
        s.a = t.a < s.a || is_nan(t.a) ? t.a : s.a;
        break;
    case ANY:
        s.a = s.a != 0 || t.a != 0 ? (C)1 : (C)0;
        break;
    case ALL:
        s.a = s.a != 0 && t.a != 0 ? (C)1 : (C)0;
        break;
    case VARIANCE:
    case DEVIATION: /* Chan, Golub, LeVeque: Updating formulae for sample variances, 1979 */
        if (t.n == 0) break;
        if (s.n == 0) return t;
        {
            const C d = t.a - s.a, part = (C)((double)t.n / (double)(s.n + t.n));
            s.b += t.b + d * d * (C)s.n * part;
            s.a += d * part;
            s.n += t.n;
        }
        break;
    case EXPONENTIALS: {
        const C top = t.a > s.a || is_nan(t.a) ? t.a : s.a;
        if (is_nan(top) || top == lowest_of<C>()) {
            s.a = top;
            break;
        }
        s.b = (s.a == top ? s.b : s.b * e_to(s.a - top)) + (t.a == top ? t.b : t.b * e_to(t.a - top));
        s.a = top;
        break;
    }
    default:
        if (better(kind == ARG_MOST, t.a, t.n, s.a, s.n)) return t;
    }
    return s;
}

template <typename C> __device__ __noinline__ C to_power(C size, double p)
{
    return (C)pow((double)size, p);
}

/* What a value adds to a sum, or is compared as. */
template <typename C> DEVICE C term(int kind, C x, double power)
{
    switch (kind) {
    case ANY:
    case ALL:
        return (C)(x != 0);
    case NAN_SUM:
        return is_nan(x) ? (C)0 : x;
    case SQUARES:
        return times_of(x, x);
    case SIZES:
    case WIDEST:
    case NARROWEST:
        return x < 0 ? -x : x;
    case POWERS:
        return to_power(x < 0 ? -x : x, power);
    default:
        return x;
    }
}

/* One value, at place i of the reduced ones. */
template <typename C> DEVICE state<C> taken(int kind, const state<C> &s, C x, int64_t i, double power)
{
    state<C> t;
    t.a = term(kind, x, power);
    t.b = kind == EXPONENTIALS ? (C)1 : (C)0;
    t.n = kind == VARIANCE || kind == DEVIATION ? 1 : kind == COUNT ? x != 0 : i;
    return join(kind, s, t);
}

#endif
