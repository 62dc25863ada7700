"""Writes promotion.inc, PyTorch's result dtypes of a + b for all pairs of dtypes and kinds of operands, and
elementwise.inc, its values of the elementwise functions in f64 and i64."""
import textwrap

import torch

DTYPES = {
    "bool": torch.bool, "u8": torch.uint8, "i8": torch.int8, "i16": torch.int16, "i32": torch.int32,
    "i64": torch.int64, "f16": torch.float16, "bf16": torch.bfloat16, "f32": torch.float32,
    "f64": torch.float64,
}
BACK = {v: k for k, v in DTYPES.items()}


def operand(kind, dtype):
    if kind == "D":
        return torch.ones(2, dtype=dtype)
    if kind == "Z":
        return torch.ones((), dtype=dtype)
    return 1.0 if dtype == torch.float64 else 1


with open("promotion.inc", "w") as f:
    f.write("/* Made by torch_ops.py: PROMOTION(kind of a, dtype, kind of b, dtype, result), with D a\n"
            " * tensor with dims, Z a 0-d one, P a Python number (f64: a float, i64: an int). */\n")
    for ka, kb in ("DD", "DZ", "ZD", "ZZ", "DP", "PD", "ZP", "PZ"):
        for na, a in DTYPES.items():
            for nb, b in DTYPES.items():
                if (ka == "P" and na not in ("i64", "f64")) or (kb == "P" and nb not in ("i64", "f64")):
                    continue
                r = torch.result_type(operand(ka, a), operand(kb, b))
                f.write(f"PROMOTION({ka}, {na}, {kb}, {nb}, {BACK[r]})\n")
F = torch.nn.functional
SPECIAL = {
    "gelu_tanh": lambda x: F.gelu(x, approximate="tanh"), "leaky_relu": lambda x: F.leaky_relu(x, 0.3),
    "elu": lambda x: F.elu(x, 0.3), "celu": lambda x: F.celu(x, 0.3),
    "softplus": lambda x: F.softplus(x, 0.3, 0.7),
    "hardtanh": lambda x: F.hardtanh(x, 0.3, 0.7), "softshrink": lambda x: F.softshrink(x, 0.3),
    "hardshrink": lambda x: F.hardshrink(x, 0.3), "threshold": lambda x: F.threshold(x, 0.3, 0.7),
    "frexp_mantissa": lambda x: torch.frexp(x)[0], "frexp_exponent": lambda x: torch.frexp(x)[1],
    "clamp": lambda x: torch.clamp(x, 0.3, 0.7), "cbrt": lambda x: torch.sign(x) * torch.abs(x) ** (1 / 3),
}
X = [-3.7, -1.25, -0.6, -0.3, 0.35, 0.8, 1.6, 4.2]
UNARY = """exp exp2 expm1 log log2 log10 log1p sqrt rsqrt cbrt reciprocal square abs neg sign floor ceil round
trunc frac sin cos tan asin acos atan sinh cosh tanh asinh acosh atanh erf erfc erfinv lgamma
digamma sigmoid logit relu relu6 leaky_relu elu celu selu gelu gelu_tanh silu mish softplus softsign
hardtanh hardsigmoid hardswish logsigmoid tanhshrink softshrink hardshrink threshold clamp isnan
isinf isfinite logical_not frexp_mantissa frexp_exponent deg2rad rad2deg sinc angle erfcx i0 i0e i1 i1e entr
ndtr ndtri log_ndtr isposinf isneginf signbit""".split()
BINARY = """add sub mul div floor_div remainder fmod pow atan2 hypot maximum minimum fmax fmin copysign leak eq
ne lt le gt ge logical_and logical_or logical_xor nextafter heaviside xlogy xlog1py logaddexp logaddexp2""".split()
INTEGER = """add sub mul floor_div remainder fmod pow maximum minimum bitwise_and bitwise_or bitwise_xor
bitwise_left_shift bitwise_right_shift gcd lcm heaviside""".split()


def text(v):
    v = float(v)
    if v != v:
        return "NAN"
    return repr(v) if abs(v) != float("inf") else "INFINITY" if v > 0 else "-INFINITY"


def row(macro, name, values):
    line = f"{macro}({name}, {', '.join(text(v) for v in values)})"
    return "\n".join(textwrap.wrap(line, 108, subsequent_indent="    ")) + "\n"


with open("elementwise.inc", "w") as f:
    f.write("/* Made by torch_ops.py: UNARY(name, values at X), BINARY(name, at X and Y), INTEGER(name, at I\n"
            " * and J); parameters p = 0.3, q = 0.7. */\n")
    x = torch.tensor(X, dtype=torch.float64)
    y = torch.tensor([2.0, -0.6, -0.6, 3.0, 0.35, -1.5, 0.5, 0.0], dtype=torch.float64)
    for name in UNARY:
        fn = SPECIAL.get(name) or getattr(torch, name, None) or getattr(torch.special, name, None) or getattr(F, name)
        f.write(row("UNARY", name, fn(x)))
    for name in BINARY:
        fn = {"floor_div": torch.floor_divide, "leak": lambda a, b: torch.where(a > 0, a, a * b)}.get(name)
        f.write(row("BINARY", name, (fn or getattr(torch, name, None) or getattr(torch.special, name))(x, y)))
    i = torch.tensor([-7, 7, -7, 7, 100, -128, 3, 0])
    j = torch.tensor([2, 3, 5, 1, 4, 6, 3, 2])
    for name in INTEGER:
        fn = {"floor_div": torch.floor_divide}.get(name) or getattr(torch, name)
        f.write(row("INTEGER", name, fn(i, j)))
