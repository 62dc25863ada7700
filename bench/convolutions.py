"""wick beside PyTorch's CPU build on convolutions, pooling and resizing: milliseconds and ratios.

usage: convolutions.py [--lib build/libwick.so] [--threads 2] [--only TEXT] [--seconds 0.15] [--rounds 3]

Rounds alternate between the two, each of many calls; the better round of each counts. "grad" rows are the forward and
the gradients of all operands.
"""
import argparse
import ctypes as C
import math
import time

import torch
import torch.nn.functional as F

I3 = C.c_int64 * 3


class Shape(C.Structure):
    _fields_ = [("ndim", C.c_int), ("dim", C.c_int64 * 8)]


class Conv(C.Structure):
    _fields_ = [("stride", I3), ("padding", I3), ("dilation", I3), ("output_padding", I3), ("groups", C.c_int64),
                ("same", C.c_bool)]


class Pool(C.Structure):
    _fields_ = [("kernel", I3), ("stride", I3), ("padding", I3), ("dilation", I3), ("ceil", C.c_bool),
                ("exclude_pad", C.c_bool), ("divisor", C.c_int64)]


class Resize(C.Structure):
    _fields_ = [("mode", C.c_int), ("size", Shape), ("scale", C.c_double * 3), ("align_corners", C.c_bool),
                ("antialias", C.c_bool), ("recompute_scale", C.c_bool)]


class Scope(C.Structure):
    _fields_ = [("mark", C.c_int64)]


class Wick:
    def __init__(self, lib, threads):
        self.lib = lib = C.CDLL(lib)
        lib.wk_ctx_new.restype = C.c_void_p
        self.c = C.c_void_p(lib.wk_ctx_new(b"cpu"))
        lib.wk_set_threads(self.c, threads)
        lib.wk_scope_begin.restype = Scope
        lib.wk_none.restype = C.c_void_p
        lib.wk_ctx_message.restype = C.c_char_p
        lib.wk_dtype_find.restype = C.c_int
        for name in ("wk_make", "wk_cast", "wk_track", "wk_scope_end"):
            getattr(lib, name).restype = C.c_void_p
        self.none = C.c_void_p(lib.wk_none())

    def make(self, x, dtype):
        shape = Shape(x.dim(), (C.c_int64 * 8)(*x.shape))
        f32 = self.lib.wk_dtype_find(b"f32")
        t = C.c_void_p(self.lib.wk_make(self.c, C.c_void_p(x.data_ptr()), f32, shape))
        return t if dtype == "f32" else C.c_void_p(self.lib.wk_cast(self.c, t, self.lib.wk_dtype_find(dtype.encode())))

    def call(self, name, *args):
        fn = getattr(self.lib, name)
        fn.restype = C.c_void_p
        return C.c_void_p(fn(self.c, *args))

    def forward(self, run, x):
        s = self.lib.wk_scope_begin(self.c)
        run(self, *x)
        self.lib.wk_scope_end(self.c, s, self.none)

    def gradient(self, run, x, g):
        s = self.lib.wk_scope_begin(self.c)
        self.lib.wk_tape_begin(self.c)
        t = [C.c_void_p(self.lib.wk_track(self.c, v)) for v in x]
        y = run(self, *t)
        ys, gs = (C.c_void_p * 1)(y), (C.c_void_p * 1)(g)
        self.lib.wk_backward_from(self.c, 1, ys, gs)
        self.lib.wk_tape_end(self.c)
        self.lib.wk_scope_end(self.c, s, self.none)
        message = self.lib.wk_ctx_message(self.c)
        if message:
            raise RuntimeError(message.decode())


def three(v):
    v = v if isinstance(v, (tuple, list)) else (v,)
    return I3(*v, *([0] * (3 - len(v))))


def conv(n, xs, ws, stride=1, padding=0, groups=1, transposed=False, out=0):
    name = f"{'transpose' if transposed else ''}{n}d"
    o = Conv(three([stride] * n), three([padding] * n), I3(), three([out] * n), groups, False)
    fn = "wk_conv_" + name if transposed else "wk_conv" + name
    tf = getattr(F, "conv_" + name if transposed else "conv" + name)
    extra = {"output_padding": out} if transposed else {}
    bias = (ws[1] * groups if transposed else ws[0],)
    return [xs, ws, bias], lambda k, x, w, b: k.call(fn, x, w, b, o), \
        lambda x, w, b: tf(x, w, b, stride=stride, padding=padding, groups=groups, **extra)


def pool(kind, n, xs, kernel, stride, padding=0):
    o = Pool(three([kernel] * n), three([stride] * n), three([padding] * n))
    tf = getattr(F, f"{kind}_pool{n}d")
    more = (None,) if kind == "max" else ()
    return [xs], lambda k, x: k.call(f"wk_{kind}_pool{n}d", x, o, *more), \
        lambda x: tf(x, kernel, stride, padding)


def adaptive(n, xs, size):
    s = Shape(n, (C.c_int64 * 8)(*size))
    return [xs], lambda k, x: k.call(f"wk_adaptive_avg_pool{n}d", x, s), \
        lambda x: getattr(F, f"adaptive_avg_pool{n}d")(x, size)


MODES = ["nearest", "nearest-exact", "linear", "bicubic", "area"]


def resize(mode, xs, size, align=False, antialias=False):
    o = Resize(MODES.index("linear" if "linear" in mode else mode), Shape(len(size), (C.c_int64 * 8)(*size)),
               (C.c_double * 3)(), align, antialias, False)
    a = {} if mode in ("nearest", "nearest-exact", "area") else {"align_corners": align, "antialias": antialias}
    return [xs], lambda k, x: k.call("wk_interpolate", x, o), lambda x: F.interpolate(x, size, mode=mode, **a)


CASES = {
    "conv2d 7x7 s2 3->64 224": conv(2, (1, 3, 224, 224), (64, 3, 7, 7), 2, 3),
    "conv2d 3x3 64 56": conv(2, (1, 64, 56, 56), (64, 64, 3, 3), 1, 1),
    "conv2d 3x3 64 56 batch 8": conv(2, (8, 64, 56, 56), (64, 64, 3, 3), 1, 1),
    "conv2d 3x3 128 28": conv(2, (1, 128, 28, 28), (128, 128, 3, 3), 1, 1),
    "conv2d 3x3 s2 128->256 28": conv(2, (1, 128, 28, 28), (256, 128, 3, 3), 2, 1),
    "conv2d 3x3 256 14": conv(2, (1, 256, 14, 14), (256, 256, 3, 3), 1, 1),
    "conv2d 3x3 512 7": conv(2, (1, 512, 7, 7), (512, 512, 3, 3), 1, 1),
    "conv2d 3x3 512 7 batch 8": conv(2, (8, 512, 7, 7), (512, 512, 3, 3), 1, 1),
    "conv2d 1x1 256->64 56": conv(2, (1, 256, 56, 56), (64, 256, 1, 1)),
    "conv2d 1x1 64->256 56": conv(2, (1, 64, 56, 56), (256, 64, 1, 1)),
    "conv2d 1x1 1024->256 14": conv(2, (1, 1024, 14, 14), (256, 1024, 1, 1)),
    "conv2d 1x1 s2 256->512 56": conv(2, (1, 256, 56, 56), (512, 256, 1, 1), 2),
    "depthwise 3x3 96 112": conv(2, (1, 96, 112, 112), (96, 1, 3, 3), 1, 1, 96),
    "depthwise 3x3 s2 144 56": conv(2, (1, 144, 56, 56), (144, 1, 3, 3), 2, 1, 144),
    "depthwise 3x3 576 14": conv(2, (1, 576, 14, 14), (576, 1, 3, 3), 1, 1, 576),
    "depthwise 7x7 96 56": conv(2, (1, 96, 56, 56), (96, 1, 7, 7), 1, 3, 96),
    "groups 32 3x3 128 56": conv(2, (1, 128, 56, 56), (128, 4, 3, 3), 1, 1, 32),
    "conv1d 80->384 k3 3000": conv(1, (1, 80, 3000), (384, 80, 3), 1, 1),
    "conv1d 384 k3 s2 3000": conv(1, (1, 384, 3000), (384, 384, 3), 2, 1),
    "conv3d 3x3x3 16->32": conv(3, (1, 16, 16, 32, 32), (32, 16, 3, 3, 3), 1, 1),
    "conv_transpose2d 4x4 s2 128->64 28": conv(2, (1, 128, 28, 28), (128, 64, 4, 4), 2, 1, transposed=True),
    "conv_transpose2d 2x2 s2 256->128 28": conv(2, (1, 256, 28, 28), (256, 128, 2, 2), 2, 0, transposed=True),
    "conv_transpose1d k16 s8 256->128": conv(1, (1, 256, 400), (256, 128, 16), 8, 4, transposed=True),
    "max_pool2d 3 s2 64 112": pool("max", 2, (1, 64, 112, 112), 3, 2, 1),
    "max_pool2d 2 s2 64 56 batch 8": pool("max", 2, (8, 64, 56, 56), 2, 2),
    "max_pool1d 3 s2": pool("max", 1, (4, 64, 4000), 3, 2, 1),
    "max_pool3d 2 s2": pool("max", 3, (1, 32, 16, 56, 56), 2, 2),
    "avg_pool2d 2 s2 64 112": pool("avg", 2, (1, 64, 112, 112), 2, 2),
    "avg_pool2d 3 s1 64 56": pool("avg", 2, (1, 64, 56, 56), 3, 1, 1),
    "adaptive_avg 1 2048 7 batch 8": adaptive(2, (8, 2048, 7, 7), (1, 1)),
    "adaptive_avg 7 512 30": adaptive(2, (1, 512, 30, 30), (7, 7)),
    "nearest 2x 128 56": resize("nearest", (1, 128, 56, 56), (112, 112)),
    "bilinear 2x 128 56": resize("bilinear", (1, 128, 56, 56), (112, 112)),
    "bilinear 2x align 128 56": resize("bilinear", (1, 128, 56, 56), (112, 112), True),
    "bilinear 480x640 -> 224": resize("bilinear", (4, 3, 480, 640), (224, 224)),
    "bilinear antialias -> 224": resize("bilinear", (4, 3, 480, 640), (224, 224), antialias=True),
    "bicubic 480x640 -> 224": resize("bicubic", (4, 3, 480, 640), (224, 224)),
    "bicubic 2x 3 256": resize("bicubic", (1, 3, 256, 256), (512, 512)),
    "linear 2x 64 4000": resize("linear", (1, 64, 4000), (8000,)),
    "trilinear 2x 16 28": resize("trilinear", (1, 16, 14, 28, 28), (28, 56, 56)),
    "area 480x640 -> 224": resize("area", (4, 3, 480, 640), (224, 224)),
}


def timed(fn, seconds):
    fn()
    start = time.perf_counter()
    n = 0
    while True:
        fn()
        n += 1
        t = time.perf_counter() - start
        if t > seconds and n > 2:
            return t / n


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--lib", default="build/libwick.so")
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--only", default="")
    p.add_argument("--seconds", type=float, default=0.15)
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--dtypes", default="f32,bf16")
    p.add_argument("--no-grad", action="store_true")
    o = p.parse_args()
    torch.set_num_threads(o.threads)
    k = Wick(o.lib, o.threads)
    logs = {}
    for name, (shapes, wick, peer) in CASES.items():
        if not any(t in name for t in o.only.split(",")):
            continue
        for dtype in o.dtypes.split(","):
            values = [torch.randn(s) * 0.1 for s in shapes]
            mine = [k.make(v, dtype) for v in values]
            theirs = [v.to(torch.bfloat16 if dtype == "bf16" else torch.float32) for v in values]
            try:
                with torch.no_grad():
                    y = peer(*theirs)
            except NotImplementedError:  # of this dtype
                continue
            g = torch.randn(y.shape)
            mine_g, theirs_g = k.make(g, dtype), g.to(y.dtype)
            tracked = [v.detach().requires_grad_() for v in theirs]

            def forward():
                with torch.no_grad():
                    peer(*theirs)

            rows = {"": (lambda: k.forward(wick, mine), forward)}
            if not o.no_grad:
                rows["grad"] = (lambda: k.gradient(wick, mine, mine_g),
                                lambda: torch.autograd.grad(peer(*tracked), tracked, theirs_g))
            for row, (a, b) in rows.items():
                best = [math.inf, math.inf]
                for _ in range(o.rounds):
                    best = [min(t, timed(f, o.seconds)) for t, f in zip(best, (a, b))]
                ratio = best[1] / best[0]
                logs.setdefault((dtype, row), []).append(math.log(ratio))
                print(f"{name:38} {dtype:4} {row:4} wick {best[0] * 1e3:8.3f}  peer {best[1] * 1e3:8.3f}  "
                      f"{ratio:5.2f}{' *' if ratio < 1 else ''}", flush=True)
    for (dtype, row), v in logs.items():
        print(f"geometric mean {dtype} {row or 'forward'}: {math.exp(sum(v) / len(v)):.2f} over {len(v)}, least {math.exp(min(v)):.2f}")


main()
