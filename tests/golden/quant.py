#!/usr/bin/env python3
"""Golden block-quantised rows: writes quant.safetensors beside this file.

Needs numpy, safetensors and llama_cpp (whose library libggml-base is the reference encoder and decoder).

  x           f32 [rows, 512]: inputs of many distributions, one a row
  T.bytes     u8: x quantised to T by ggml_quantize_chunk without an importance matrix
  T.random    u8: blocks of random codes with finite scales
  T.values    f32 [512]: T.random decoded

The library is built without contracting a b + c into one rounding, as wick is, so all bits can be compared.
"""
import ctypes
import glob
import os

import llama_cpp
import numpy as np
from safetensors.numpy import save_file

# name: GGUF type, values and bytes per block, byte offsets of the f16 fields
TYPES = {
    "q4_0": (2, 32, 18, [0]),
    "q4_1": (3, 32, 20, [0, 2]),
    "q5_0": (6, 32, 22, [0]),
    "q5_1": (7, 32, 24, [0, 2]),
    "q8_0": (8, 32, 34, [0]),
    "q2_k": (10, 256, 84, [80, 82]),
    "q3_k": (11, 256, 110, [108]),
    "q4_k": (12, 256, 144, [0, 2]),
    "q5_k": (13, 256, 176, [0, 2]),
    "q6_k": (14, 256, 210, [208]),
    "iq4_nl": (20, 32, 18, [0]),
    "iq4_xs": (23, 256, 136, [0]),
    "mxfp4": (39, 32, 17, []),
}
COLS, VALUES = 512, 512

here = os.path.dirname(os.path.abspath(__file__))
found = glob.glob(os.path.join(os.path.dirname(llama_cpp.__file__), "lib", "libggml-base.so*"))
ggml = ctypes.CDLL(sorted(found)[0])
ggml.ggml_quantize_chunk.restype = ctypes.c_size_t
ggml.ggml_quantize_chunk.argtypes = [ctypes.c_int] + [ctypes.c_void_p] * 2 + [ctypes.c_int64] * 3 + [ctypes.c_void_p]


def inputs(r):
    n = COLS
    rows = [
        r.normal(size=n),
        r.uniform(-1, 1, n),
        r.uniform(0.1, 1, n),  # one sign
        -r.uniform(0.1, 1, n),
        r.normal(size=n) * (r.random(n) < 0.05),  # sparse
        r.normal(size=n) * (r.random(n) < 0.004),
        np.repeat([3.7, -0.125], n // 2),  # constant
        np.zeros(n),
        r.normal(size=n) * 1e-9,  # tiny: scales vanish in f16
        r.normal(size=n) * 1e-16,
        r.normal(size=n) * 1e-30,
        r.normal(size=n) * 1e-38,  # inverse scales overflow
        r.normal(size=n) * 1e-42,  # denormal
        r.normal(size=n) * 3e4,  # huge: scales near the end of f16
        r.normal(size=n) * 1e8,
        r.integers(-8, 9, n) / 8,  # ties
        r.integers(-127, 128, n) / 2,
        r.integers(0, 2, n) - 0.5,
        r.standard_t(2, n),  # heavy tails
        r.normal(size=n) * np.exp(4 * r.normal(size=n // 16)).repeat(16),  # groups of very different size
        np.where(np.arange(n) % 97 == 5, 5.0, 0.01 * r.normal(size=n)),  # outliers
        np.linspace(-1, 1, n),
        np.where(r.random(n) < 0.5, 0.0, -0.0),
    ]
    return np.array(rows, dtype=np.float32)


def encode(t, x):
    number, block, size, _ = TYPES[t]
    out = np.zeros(x.size // block * size, dtype=np.uint8)
    ggml.ggml_quantize_chunk(number, x.ctypes.data, out.ctypes.data, 0, x.shape[0], x.shape[1], None)
    return out


def decode(t, raw, n):
    f = getattr(ggml, "dequantize_row_" + t.replace("_k", "_K"))
    f.argtypes, f.restype = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64], None
    out = np.empty(n, dtype=np.float32)
    f(raw.ctypes.data, out.ctypes.data, n)
    return out


def main():
    r = np.random.default_rng(20)
    x = inputs(r)
    tensors = {"x": x}
    for t, (_, block, size, halves) in TYPES.items():
        tensors[t + ".bytes"] = encode(t, x)
        raw = r.integers(0, 256, (VALUES // block, size)).astype(np.uint8)
        for at in halves:
            scale = (r.normal(size=VALUES // block) * 0.05).astype(np.float16)
            raw[:, at : at + 2] = scale.view(np.uint8).reshape(-1, 2)
        if t == "mxfp4":  # the last exponent means NaN; the two before it overflow
            raw[:, 0] = np.concatenate([[0, 1, 2, 252], r.integers(100, 150, VALUES // block - 4)])
        raw = np.ascontiguousarray(raw.reshape(-1))
        tensors[t + ".random"] = raw
        tensors[t + ".values"] = decode(t, raw, VALUES)
        assert np.isfinite(tensors[t + ".values"]).all(), t
    path = os.path.join(here, "quant.safetensors")
    save_file(tensors, path)
    print(path, os.path.getsize(path), "bytes")


main()
