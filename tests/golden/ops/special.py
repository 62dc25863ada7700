"""Writes special.safetensors: NAME.x, f32 points, and NAME.y, what mpmath gives for the function there with 60 digits
or more, rounded to f64, of the elementary and special functions (polygamma0 to polygamma3: of that order).

usage: special.py        needs mpmath, numpy, safetensors
"""
import os

import mpmath as mp
import numpy as np
from mpmath import mpf
from safetensors.numpy import save_file

POINTS = 240
ROOT_HALF = lambda: 1 / mp.sqrt(2)


def lgamma(x):
    if x > 0:
        return mp.loggamma(x)
    return mp.log(mp.pi / abs(mp.sinpi(x))) - mp.loggamma(1 - x)


def log_ndtr(x):
    return mp.log(mp.erfc(-x * ROOT_HALF()) / 2)


def ndtri(x):
    return mp.sqrt(2) * mp.erfinv(2 * x - 1)


def sinc(x):
    return mpf(1) if x == 0 else mp.sinpi(x) / (mp.pi * x)


# name: (function, intervals of even points, smallest and largest magnitude of points whose logarithms are even,
#        signs of these)
BOTH, PLUS, MINUS = (1, -1), (1,), (-1,)
FUNCTIONS = {
    "exp": (mp.exp, [(-104, 89), (-1, 1)], (1e-38, 80), BOTH),
    "exp2": (lambda x: mp.power(2, x), [(-149, 128), (-1, 1)], (1e-38, 120), BOTH),
    "expm1": (mp.expm1, [(-20, 88), (-1, 1)], (1e-44, 80), BOTH),
    "log": (mp.log, [(0.5, 2), (0.99, 1.01)], (1e-44, 3e38), PLUS),
    "log2": (lambda x: mp.log(x, 2), [(0.5, 2), (0.99, 1.01)], (1e-44, 3e38), PLUS),
    "log10": (mp.log10, [(0.5, 2), (0.99, 1.01)], (1e-44, 3e38), PLUS),
    "log1p": (mp.log1p, [(-0.999, 2), (-0.1, 0.1)], (1e-44, 3e38), PLUS),
    "sqrt": (mp.sqrt, [(0, 4)], (1e-44, 3e38), PLUS),
    "rsqrt": (lambda x: 1 / mp.sqrt(x), [(0.1, 4)], (1e-44, 3e38), PLUS),
    "cbrt": (lambda x: mp.sign(x) * mp.cbrt(abs(x)), [(-4, 4)], (1e-44, 3e38), BOTH),
    "reciprocal": (lambda x: 1 / x, [(1, 4)], (1e-38, 3e38), BOTH),
    "square": (lambda x: x * x, [(-4, 4)], (1e-18, 1e19), BOTH),
    "sin": (mp.sin, [(-10, 10), (-1e4, 1e4)], (1e-38, 3e38), BOTH),
    "cos": (mp.cos, [(-10, 10), (-1e4, 1e4)], (1e-38, 3e38), BOTH),
    "tan": (mp.tan, [(-10, 10), (-1e4, 1e4)], (1e-38, 3e38), BOTH),
    "asin": (mp.asin, [(-1, 1), (0.99, 1)], (1e-38, 1), BOTH),
    "acos": (mp.acos, [(-1, 1), (0.99, 1)], (1e-38, 1), BOTH),
    "atan": (mp.atan, [(-5, 5)], (1e-38, 3e38), BOTH),
    "sinh": (mp.sinh, [(-89, 89), (-1, 1)], (1e-38, 80), BOTH),
    "cosh": (mp.cosh, [(-89, 89), (-1, 1)], (1e-38, 80), BOTH),
    "tanh": (mp.tanh, [(-10, 10), (-1, 1)], (1e-38, 3e38), BOTH),
    "asinh": (mp.asinh, [(-10, 10)], (1e-38, 3e38), BOTH),
    "acosh": (mp.acosh, [(1, 1.1), (1, 20)], (1, 3e38), PLUS),
    "atanh": (mp.atanh, [(-1, 1), (0.99, 1)], (1e-38, 0.999), BOTH),
    "erf": (mp.erf, [(-4, 4), (-0.5, 0.5)], (1e-38, 10), BOTH),
    "erfc": (mp.erfc, [(-4, 10.2), (-0.5, 0.5)], (1e-38, 10), BOTH),
    "erfcx": (lambda x: mp.exp(x * x) * mp.erfc(x), [(-9, 30), (-1, 1)], (1e-38, 1e6), PLUS),
    "erfinv": (mp.erfinv, [(-1, 1), (0.99, 1)], (1e-38, 0.9), BOTH),
    "lgamma": (lgamma, [(-20, 20), (0.5, 3), (-4, 0)], (1e-44, 1e36), PLUS),
    "digamma": (mp.digamma, [(-20, 20), (1, 2), (-4, 0)], (1e-38, 3e38), PLUS),
    "sigmoid": (lambda x: 1 / (1 + mp.exp(-x)), [(-100, 20), (-1, 1)], (1e-38, 80), BOTH),
    "logit": (lambda x: mp.log(x / (1 - x)), [(0, 1), (0.2, 0.8), (0.49, 0.51)], (1e-44, 0.9), PLUS),
    "sinc": (sinc, [(-10, 10)], (1e-38, 1e6), BOTH),
    "i0": (lambda x: mp.besseli(0, x), [(-88, 88), (-9, 9)], (1e-38, 80), BOTH),
    "i0e": (lambda x: mp.besseli(0, x) * mp.exp(-abs(x)), [(-20, 20)], (1e-38, 1e4), BOTH),
    "i1": (lambda x: mp.besseli(1, x), [(-88, 88), (-9, 9)], (1e-38, 80), BOTH),
    "i1e": (lambda x: mp.besseli(1, x) * mp.exp(-abs(x)), [(-20, 20)], (1e-38, 1e4), BOTH),
    "ndtr": (lambda x: mp.erfc(-x * ROOT_HALF()) / 2, [(-14, 6), (-1, 1)], (1e-38, 10), BOTH),
    "log_ndtr": (log_ndtr, [(-20, 8), (-1, 1)], (1e-38, 1e8), MINUS),
    "ndtri": (ndtri, [(0, 1), (0.4, 0.6)], (1e-40, 0.9), PLUS),
    "entr": (lambda x: -x * mp.log(x), [(0, 2), (0.99, 1.01)], (1e-38, 1e36), PLUS),
    **{f"polygamma{n}": (lambda x, n=n: mp.polygamma(n, x), [(0, 20), (-6, 0)], (1e-3, 1e4), PLUS) for n in range(4)},
}


# The f32 numbers around these too: where the functions are zero, and where their formulas change.
AROUND = {
    "digamma": [1.4616321449683623, -0.5040830082644554, -1.5734984731623904, -2.6107208684441446,
                -9.7026725400018637],
    "lgamma": [1, 2, -2.4570247382208, -2.7476826467274126, -3.1435808883499799, -3.9552942848585979,
               -4.9915446405600482],
    "log": [1], "log2": [1], "log10": [1], "acosh": [1], "entr": [1], "logit": [0.25, 0.5, 0.75],
    "ndtri": [0.25, 0.5, 0.75],
    "sin": [np.pi, 22 * np.pi], "cos": [np.pi / 2, 11 * np.pi / 2], "tan": [np.pi / 2, np.pi], "sinc": [1, 7, 1000],
    "atanh": [1], "erfinv": [1], "acos": [1, -1], "asin": [1, -1],
}
AROUND["polygamma0"] = AROUND["digamma"]


def around(at):
    below = above = np.float32(at)
    yield below
    for _ in range(4):
        below, above = np.nextafter(below, np.float32(-np.inf)), np.nextafter(above, np.float32(np.inf))
        yield from (below, above)


def points(rng, spans, magnitudes, signs):
    even = [rng.uniform(low, high, POINTS // (len(spans) + 1)) for low, high in spans]
    n = POINTS - sum(len(e) for e in even)
    far = np.exp(rng.uniform(np.log(magnitudes[0]), np.log(magnitudes[1]), n)) * rng.choice(signs, n)
    return np.unique(np.concatenate([*even, far]).astype(np.float32))


def main():
    rng, out = np.random.default_rng(11), {}
    for name, (f, *where) in FUNCTIONS.items():
        mp.mp.dps = 120 if name in ("ndtri", "erfinv", "log_ndtr", "expm1", "log1p", "atanh", "logit") else 60
        kept = []
        near = [x for at in AROUND.get(name, ()) for x in around(at)]
        for x in [*points(rng, *where), *near]:
            try:
                y = f(mpf(float(x)))
            except (ValueError, ZeroDivisionError):  # a pole
                continue
            if mp.im(y) == 0 and mp.isfinite(y):
                kept.append((x, float(mp.re(y))))
        out[name + ".x"] = np.array([k[0] for k in kept], np.float32)
        out[name + ".y"] = np.array([k[1] for k in kept], np.float64)
    save_file(out, os.path.join(os.path.dirname(os.path.abspath(__file__)), "special.safetensors"))


if __name__ == "__main__":
    main()
