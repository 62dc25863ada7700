"""Compares wick's text of random tensors with PyTorch's, and writes a sample of them as golden answers.

usage: format.py [--library build/libwick.so] [--count 600] [--seed N] [--golden tests/golden/format.safetensors]

Both print with the same options; PyTorch's dtypes are given wick's names before it breaks its lines. Needs torch and
safetensors. The golden file holds tensors 0, 1, ..; its metadata, under the same names, the five options and the text.
"""
import argparse
import ctypes
import random
import sys

import torch
from safetensors.torch import save_file

NAMES = {torch.bool: "bool", torch.uint8: "u8", torch.int8: "i8", torch.int16: "i16", torch.int32: "i32",
         torch.int64: "i64", torch.float16: "f16", torch.bfloat16: "bf16", torch.float32: "f32", torch.float64: "f64",
         torch.float8_e4m3fn: "f8e4m3", torch.float8_e5m2: "f8e5m2"}


class Shape(ctypes.Structure):
    _fields_ = [("ndim", ctypes.c_int), ("dim", ctypes.c_int64 * 8)]


class Opts(ctypes.Structure):
    _fields_ = [("precision", ctypes.c_int), ("edge", ctypes.c_int), ("width", ctypes.c_int), ("sci", ctypes.c_int),
                ("threshold", ctypes.c_int64)]


def load(path):
    w = ctypes.CDLL(path)
    w.wk_ctx_new.restype = ctypes.c_void_p
    w.wk_make.restype = ctypes.c_void_p
    w.wk_make.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int, Shape]
    w.wk_format_with.restype = ctypes.c_int64
    w.wk_format_with.argtypes = [ctypes.c_void_p, ctypes.c_void_p, Opts, ctypes.c_char_p, ctypes.c_size_t]
    w.wk_ctx_free.argtypes = [ctypes.c_void_p]
    return w


def wicks(w, x, o):
    c = w.wk_ctx_new(b"cpu")
    flat = x.contiguous().reshape(-1)
    data = bytes(flat.view(torch.uint8).tolist()) if flat.numel() else b"\0"
    shape = Shape(x.dim(), (ctypes.c_int64 * 8)(*x.shape))
    t = w.wk_make(c, data, w.wk_dtype_find(NAMES[x.dtype].encode()), shape)
    out = ctypes.create_string_buffer(1 << 20)
    w.wk_format_with(c, t, Opts(*o), out, len(out))
    w.wk_ctx_free(c)
    return out.value.decode()


def pytorchs(x, o):
    torch.set_printoptions(precision=o[0], edgeitems=o[1], linewidth=o[2], sci_mode=(None, True, False)[o[3]],
                           threshold=o[4])
    return str(x)


def rename(own):
    def add(text, suffixes, indent, force_newline):
        for t, name in NAMES.items():
            suffixes = [name.join(s.rsplit(str(t), 1)) if s == f"dtype={t}" else s for s in suffixes]
        return own(text, suffixes, indent, force_newline=force_newline)
    return add


def sample(r):
    kind = r.choice(list(NAMES))
    shape = [r.choice([1, 2, 3, 5, 8]) for _ in range(r.choice([0, 1, 1, 2, 2, 3, 4]))]
    if r.random() < 0.15 and shape:
        shape[r.randrange(len(shape))] = 0
    if r.random() < 0.25 and shape:
        shape[r.randrange(len(shape))] = r.choice([13, 40, 300])
    x = torch.randn(shape, dtype=torch.float64)
    if kind == torch.bool:
        x = x > 0
    elif kind.is_floating_point:
        how = r.randrange(6)
        x = [x, x.round(), x * 10 ** r.uniform(-12, 12), (x * 1000).round(), torch.exp(x * r.uniform(1, 9)),
             x * (torch.rand(shape) < 0.3)][how]
        for special in (float("nan"), float("inf"), -float("inf"), -0.0):
            if r.random() < 0.2:
                x = torch.where(torch.rand(shape) < 0.2, torch.tensor(special, dtype=torch.float64), x)
    else:
        x = (x * 10 ** r.uniform(0, 18)).clamp(torch.iinfo(kind).min, torch.iinfo(kind).max / 2).trunc()
    o = [4, 3, 80, 0, 1000] if r.random() < 0.4 else \
        [r.choice([0, 1, 2, 4, 7, 12]), r.choice([0, 1, 2, 3, 5]), r.choice([20, 40, 80, 120]), r.randrange(3),
         r.choice([0, 5, 30, 1000])]
    return x.to(kind), o


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--library", default="build/libwick.so")
    p.add_argument("--count", type=int, default=600)
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--golden")
    a = p.parse_args()
    torch._tensor_str._add_suffixes = rename(torch._tensor_str._add_suffixes)
    w, r, bad = load(a.library), random.Random(a.seed), 0
    torch.manual_seed(a.seed)
    tensors, texts = {}, {}
    for i in range(a.count):
        x, o = sample(r)
        want = pytorchs(x, o)
        got = wicks(w, x, o)
        if got != want:
            bad += 1
            print(f"-- {i}: {x.dtype} {list(x.shape)} {o}\n{got}\nnot\n{want}")
        if len(want) < 3000 and x.numel() < 2000:
            tensors[str(len(tensors))] = x.contiguous()
            texts[str(len(texts))] = " ".join(map(str, o)) + "\n" + want
    print(f"{a.count - bad} passed, {bad} failed")
    if a.golden:
        save_file(tensors, a.golden, texts)
    return bad > 0


sys.exit(main())
