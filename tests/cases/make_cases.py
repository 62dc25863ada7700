"""Writes case files for wick-case from PyTorch's own OpInfo samples.

usage: make_cases.py OUT_FOLDER [--seed N] [--samples N] [--dtypes float32,...] [--ops name,name] [--numel N]

One safetensors file per op; the metadata key "cases" holds the list of cases. Expected results and gradients are
PyTorch's on the CPU, tolerances those of torch.testing.assert_close for the dtype. Samples whose arguments cannot be
written down (generators) and those whose result is random (dropout) are left out and counted. With --exact, cases of
f32, f16 and bf16 also say what PyTorch gives for the same values in f64 ("exact"), so that a difference can be judged. Complex values, of the ops that wick has for them, are
written as a last dim of two: {"t": NAME, "complex": true}.
"""
import argparse
import inspect
import json
import math
import os
import sys

import torch
from safetensors.torch import save_file
from torch.testing._internal.common_device_type import precisionOverride, toleranceOverride
from torch.testing._internal.common_methods_invocations import op_db
from torch.testing._internal.opinfo.core import OpInfo

TOLERANCE = {torch.float16: (1e-3, 1e-5), torch.bfloat16: (1.6e-2, 1e-5), torch.float32: (1.3e-6, 1e-5),
             torch.float64: (1e-7, 1e-7), torch.complex64: (1.3e-6, 1e-5), torch.complex128: (1e-7, 1e-7)}

# Newer versions seed before each op by themselves, so that all runs would have the same samples.
OWN_SEED = {"set_seed": False} if "set_seed" in inspect.getsource(OpInfo.sample_inputs) else {}

# With complex values as arguments or results; of REAL_ONLY only as results.
REAL_ONLY = {"linalg.eig", "linalg.eigvals"}
COMPLEX = {"stft", "istft", "complex", "real", "imag", "view_as_real", "view_as_complex", "linalg.eig", "linalg.eigvals",
           "conj", "conj_physical", "abs", "angle", "exp", "sgn", "mul", "div", "matmul", "polar"}


class CannotWrite(Exception):
    pass


def subscript(v):
    """What x[v] takes: a list stands for an index tensor, a tuple for several entries."""
    if isinstance(v, list):
        return torch.tensor(v)
    return tuple(subscript(i) for i in v) if isinstance(v, tuple) else v


class File:
    def __init__(self, op_name):
        self.tensors, self.cases = {}, []
        self.complex = op_name in COMPLEX or op_name.startswith("fft.")

    def put(self, x):
        if x.layout != torch.strided or x.is_complex() and not self.complex:
            raise CannotWrite("tensor kind")
        if x.is_complex():
            x = torch.view_as_real(x.detach().resolve_conj())
        name = f"t{len(self.tensors)}"
        self.tensors[name] = x.detach().clone().contiguous()
        return name

    def value(self, v):
        if isinstance(v, torch.Tensor):
            return {"t": self.put(v), "complex": True} if v.is_complex() else {"t": self.put(v)}
        if isinstance(v, torch.dtype):
            return {"dtype": str(v).removeprefix("torch.")}
        if v is None or isinstance(v, (bool, int, str)):
            return v
        if isinstance(v, float):
            if math.isnan(v) or math.isinf(v):
                return {"f": "nan" if math.isnan(v) else "inf" if v > 0 else "-inf"}
            return v
        if isinstance(v, (list, tuple)):
            return [self.value(i) for i in v]
        if isinstance(v, slice):
            return {"slice": [v.start, v.stop, v.step]}
        if v is Ellipsis:
            return {"rest": True}
        raise CannotWrite(type(v).__name__)


def tolerance(op, dtype):
    """assert_close's for the dtype, or what PyTorch's tests of this op on the CPU allow beyond it."""
    rtol, atol = TOLERANCE.get(dtype, (0, 0))
    for decorator in op.decorators:
        where = f"{getattr(decorator, 'cls_name', '')}.{getattr(decorator, 'test_name', '')}"
        device = getattr(decorator, "device_type", None)
        if "Inductor" in where or "DTensor" in where or not getattr(decorator, "active_if", True):
            continue
        if device and "cpu" not in ([device] if isinstance(device, str) else device):
            continue
        for d in getattr(decorator, "decorators", [decorator]):
            if isinstance(d, toleranceOverride) and dtype in d.d:
                rtol, atol = max(rtol, d.d[dtype].rtol), max(atol, d.d[dtype].atol)
            if isinstance(d, precisionOverride) and dtype in d.d:
                atol = max(atol, d.d[dtype])
    return rtol, atol


def rule(op, x, first):
    """How x is compared where that is not as the first result: by its own dtype, complex values as such."""
    result = {"complex": True} if x.is_complex() else {}
    if x.dtype != first.dtype:
        result["rtol"], result["atol"] = tolerance(op, x.dtype)
    return result


def stable_kth(x, k, dim=-1, keepdim=False):
    if x.dim() == 0:
        return torch.kthvalue(x, k, dim, keepdim)
    rank = torch.tensor([k - 1])
    both = [t.index_select(dim, rank) for t in torch.sort(x, dim=dim, stable=True)]
    return tuple(t if keepdim else t.squeeze(dim) for t in both)


def last_mode(x, dim=-1, keepdim=False):
    value, at = torch.mode(x, dim, True)
    if x.dim():
        along = torch.arange(x.shape[dim]).reshape([-1 if d == dim % x.dim() else 1 for d in range(x.dim())])
        at = torch.where(x == value, along, -1).amax(dim, True)
        value = x.gather(dim, at)
    return (value, at) if keepdim or not x.dim() else (value.squeeze(dim), at.squeeze(dim))


def stable_sort(x, dim=-1, descending=False, stable=True):
    return tuple(torch.sort(x, dim=dim, descending=descending, stable=True))


def stable_topk(x, k, dim=-1, largest=True, sorted=True):
    if x.dim() == 0:
        return tuple(torch.topk(x, k, dim, largest))
    return tuple(t.narrow(dim, 0, k) for t in torch.sort(x, dim=dim, descending=largest, stable=True))


# Which of equal values PyTorch takes here is left to its algorithm; the samples want the stable order's answer.
STABLE = {
    "sort": stable_sort,
    "argsort": lambda *a, **k: stable_sort(*a, **k)[1],
    "msort": lambda x: stable_sort(x, 0)[0],
    "topk": stable_topk,
    "kthvalue": stable_kth,
    "mode": last_mode,
    "unique": lambda x, sorted=True, **k: torch.unique(x, **k),
}


def leaves(value):
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, (list, tuple)):
        for v in value:
            yield from leaves(v)


def random(run):
    """Does the result depend on the generator's state? OpInfo seeds it before such ops, which is undone here."""
    seed, both = torch.manual_seed, []
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        for start in (1, 2):
            seed(start)
            torch.manual_seed = lambda _: None
            try:
                both.append([t.clone() for t in leaves(run())])
            finally:
                torch.manual_seed = seed
    return any(a.shape != b.shape or not torch.equal(torch.nan_to_num(a), torch.nan_to_num(b)) for a, b in zip(*both))


def wider(v, made):
    """v with its real tensors in f64; made: from id to the new tensor."""
    if isinstance(v, torch.Tensor):
        if not v.is_floating_point():
            return v
        if id(v) not in made:
            made[id(v)] = v.detach().double().requires_grad_(v.requires_grad)
        return made[id(v)]
    if isinstance(v, (list, tuple)):
        return type(v)(wider(i, made) for i in v)
    return torch.float64 if v in (torch.float32, torch.bfloat16, torch.float16) else v


def compared(sample, out):
    """What PyTorch's tests differentiate: of vectors with any sign or phase, for one, what does not depend on it."""
    return [o for o in leaves(sample.output_process_fn_grad(out)) if differentiable(o) and o.requires_grad]


def exact(f, run, sample, wanted, written, cotangents):
    made = {}
    out = run(wider(sample.input, made), *wider(sample.args, made), **{k: wider(v, made) for k, v in sample.kwargs.items()})
    result = {"out": [f.put(o) if differentiable(o) else None for o in leaves(out)], "grads": {}}
    if cotangents:
        sources = [made[id(t)] for t in wanted]
        ends = compared(sample, out)
        wide = [c.to(o.dtype) for o, c in zip(ends, cotangents)]
        grads = torch.autograd.grad(ends, sources, wide, allow_unused=True)
        result["grads"] = {written[id(t)]["t"]: f.put(g) for t, g in zip(wanted, grads) if g is not None}
    return result


def differentiable(t):
    return t.is_floating_point() or t.is_complex()


def add_case(f, op, name, sample, dtype, gradient, with_exact):
    before = dict(f.tensors)
    try:
        if op.name == "__getitem__":
            sample.args = (subscript(sample.args[0]),)
        args = [sample.input, *sample.args]
        if op.name == "where":  # OpInfo's order is not the function's
            args[:2] = args[1::-1]
        if op.name.startswith("as_strided") and sample.input.untyped_storage().size() != sample.input.nbytes:
            raise CannotWrite("memory beyond the tensor")
        inputs = [t for a in args + list(sample.kwargs.values()) for t in leaves(a)]
        for t in inputs:
            t.requires_grad_(gradient and differentiable(t))
        written = {}
        case = {"name": f"{name} {dtype} {len(f.cases)}".replace("torch.", "", 1), "op": name}

        def put(v):
            if isinstance(v, torch.Tensor):
                if id(v) not in written:
                    written[id(v)] = f.value(v)
                return written[id(v)]
            if isinstance(v, (list, tuple)):
                return [put(i) for i in v]
            return f.value(v)

        case["args"] = [put(args[i]) for i in ORDER.get(op.name, range(len(args)))]
        case["kwargs"] = {k: put(v) for k, v in sample.kwargs.items()}
        run = STABLE.get(op.name, op)
        if random(lambda: run(sample.input, *sample.args, **sample.kwargs)):
            raise CannotWrite("random result")
        out = run(sample.input, *sample.args, **sample.kwargs)
        outs = list(leaves(out))
        if not outs:
            raise CannotWrite("result")
        case["out"] = [f.value(o) for o in outs] if isinstance(out, (list, tuple)) else f.value(out)
        case["rtol"], case["atol"] = tolerance(op, outs[0].dtype)
        real = [o for o in outs if differentiable(o)]
        wanted = [t for t in inputs if t.requires_grad]
        cotangents = []
        if gradient and real and wanted and all(o.requires_grad for o in real):
            ends = compared(sample, out)
            cotangents = [torch.randn(o.shape, dtype=torch.complex128 if o.is_complex() else torch.float64).to(o.dtype) for o in ends]
            at = torch.autograd.grad(ends, real, cotangents, retain_graph=True, allow_unused=True)
            at = [torch.zeros_like(o) if g is None else g for o, g in zip(real, at)]
            grads = torch.autograd.grad(real, wanted, at, allow_unused=True)
            case["cotangents"] = [f.put(g) for g in at]
            found = [(t, g, f.put(g)) for t, g in zip(wanted, grads) if g is not None]
            case["grads"] = {written[id(t)]["t"]: name for t, _, name in found}
            own = {name: rule(op, g, outs[0]) for _, g, name in found if rule(op, g, outs[0])}
            if own:
                case["rules"] = own
        if with_exact and dtype in (torch.float32, torch.float16, torch.bfloat16):
            try:
                case["exact"] = exact(f, run, sample, wanted, written, cotangents)
            except (CannotWrite, RuntimeError, NotImplementedError, ValueError, KeyError, TypeError):
                pass
        f.cases.append(case)
        return True
    except (CannotWrite, RuntimeError, NotImplementedError, ValueError, AssertionError):  # the last: ops of CUDA alone
        f.tensors = before
        return False


# OpInfo samples whose first argument is not the function's own first one.
ORDER = {"polygamma": (1, 0), "special.polygamma": (1, 0)}


def place(op):
    holder = torch
    for part in op.name.split("."):
        holder = getattr(holder, part, None)
    return f"torch.{op.name}" if holder is not None else f"torch.Tensor.{op.name}"


def main():
    p = argparse.ArgumentParser()
    p.add_argument("out")
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--samples", type=int, default=1000)
    p.add_argument("--numel", type=int, default=1 << 16, help="largest tensor")
    p.add_argument("--dtypes", default="float32,float64,bfloat16,int64,bool,complex64")
    p.add_argument("--ops", default="")
    p.add_argument("--exact", action="store_true", help="add results in f64")
    o = p.parse_args()
    os.makedirs(o.out, exist_ok=True)
    wanted = set(filter(None, o.ops.split(",")))
    left_out = 0
    for op in op_db:
        if wanted and op.name not in wanted:
            continue
        f = File(op.name)
        for dtype in (getattr(torch, d) for d in o.dtypes.split(",")):
            if dtype not in op.dtypes or dtype.is_complex and (not f.complex or op.name in REAL_ONLY):
                continue
            torch.manual_seed(o.seed)
            gradient = (dtype.is_floating_point or dtype.is_complex) and op.supports_autograd
            try:
                samples = list(op.sample_inputs("cpu", dtype, requires_grad=gradient, **OWN_SEED))
            except Exception as e:  # an OpInfo that needs what is not installed
                print(f"{op.name} {dtype}: {e}", file=sys.stderr)
                continue
            for sample in samples[:o.samples]:
                if any(t.numel() > o.numel for a in [sample.input, *sample.args] for t in leaves(a)):
                    continue
                left_out += not add_case(f, op, place(op), sample, dtype, gradient, o.exact)
        if f.cases:
            suffix = f"_{op.variant_test_name}" if op.variant_test_name else ""
            save_file(f.tensors or {"none": torch.zeros(1)}, os.path.join(o.out, f"{op.name}{suffix}.safetensors"),
                      {"cases": json.dumps(f.cases)})
    print(f"{left_out} samples left out", file=sys.stderr)


main()
