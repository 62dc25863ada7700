"""wick's tensor ops beside PyTorch's on the CPU, interleaved: ratios of medians (above 1: wick is faster).

usage: peers_ops.py [--program build/ops] [-t 2] [-r 3] [--ops add,sum] [--dtypes f32,bf16] [--sizes 1e4,1e6] [--md]

The program is bench/ops.c. Each repetition runs wick, then PyTorch, on inputs of the same shapes.
"""
import argparse
import json
import math
import statistics
import subprocess
import time

import torch
import torch.nn.functional as F

COLS = 1000
MOST = {"sort": 1e6, "conv2d": 1e6, "depthwise": 1e7, "matmul": 1e6}
SIZES = [1e4, 1e5, 1e6, 1e7, 6e7]


def inputs(op, n, dtype):
    def make(*shape):
        return torch.randn(*shape).to(dtype)

    rows = max(1, n // COLS)
    if op in ("add", "mul", "exp", "gelu", "copy", "sum", "sort"):
        return make(n), make(n)
    if op in ("transpose", "matmul"):
        side = round(math.sqrt(n))
        return make(side, side), make(side, side)
    if op in ("conv2d", "depthwise"):
        side = round(math.sqrt(n // 64))
        return make(1, 64, side, side), make(64, 64 if op == "conv2d" else 1, 3, 3), make(64)
    if op == "cat":
        return make(rows, COLS // 2), make(rows, COLS // 2)
    if op == "index_select":
        return make(rows, COLS), torch.randint(0, rows, (rows,))
    return make(rows, COLS), make(COLS), make(COLS)


RUN = {
    "add": lambda x, y: x + y,
    "mul": lambda x, y: x * y,
    "exp": lambda x, y: torch.exp(x),
    "gelu": lambda x, y: F.gelu(x),
    "copy": lambda x, y: x.clone(),
    "sum": lambda x, y: x.sum(),
    "sum_0": lambda x, w, b: x.sum(0),
    "sum_1": lambda x, w, b: x.sum(1),
    "softmax": lambda x, w, b: torch.softmax(x, -1),
    "rms_norm": lambda x, w, b: F.rms_norm(x, (COLS,), w, 1e-5),
    "layer_norm": lambda x, w, b: F.layer_norm(x, (COLS,), w, b, 1e-5),
    "argmax": lambda x, w, b: x.argmax(-1),
    "transpose": lambda x, y: x.t().contiguous(),
    "cat": lambda x, y: torch.cat([x, y], 1),
    "index_select": lambda x, i: x.index_select(0, i),
    "sort": lambda x, y: torch.sort(x),
    "cumsum": lambda x, w, b: x.cumsum(-1),
    "conv2d": lambda x, w, b: F.conv2d(x, w, b, padding=1),
    "depthwise": lambda x, w, b: F.conv2d(x, w, b, padding=1, groups=64),
    "matmul": lambda x, y: x @ y,
}


def torch_us(fn, args):
    times, total, batch = [], 0.0, 1
    for r in range(-3, 400):
        if len(times) >= 5 and total >= 0.2:
            break
        start = time.perf_counter()
        for _ in range(batch):
            fn(*args)
        one = time.perf_counter() - start
        if r < 0:
            batch = int(2e-5 / one) + 1 if one < 2e-5 else 1
            continue
        total += one
        times.append(one / batch)
    return statistics.median(times) * 1e6


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--program", default="build/ops")
    p.add_argument("-t", type=int, default=2)
    p.add_argument("-r", type=int, default=3)
    p.add_argument("--ops", default=",".join(RUN))
    p.add_argument("--dtypes", default="f32,bf16")
    p.add_argument("--sizes", default=",".join(f"{s:g}" for s in SIZES))
    p.add_argument("--md", action="store_true")
    o = p.parse_args()
    torch.set_num_threads(o.t)
    torch.set_grad_enabled(False)
    wick = subprocess.Popen([o.program, "-t", str(o.t), "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    ratios = []
    if o.md:
        print("| op | dtype | values | wick us | PyTorch us | ratio | of the roof |\n|---|---|---:|---:|---:|---:|---:|")
    for op in o.ops.split(","):
        for name in o.dtypes.split(","):
            for size in map(float, o.sizes.split(",")):
                n = int(size)
                if n > MOST.get(op, n):
                    continue
                args = inputs(op, n, {"f32": torch.float32, "bf16": torch.bfloat16}[name])
                ours, theirs, roof = [], [], []
                for _ in range(o.r):
                    print(op, name, n, file=wick.stdin, flush=True)
                    answer = json.loads(wick.stdout.readline())
                    ours.append(answer["us"] or math.nan)
                    roof.append(answer.get("roof", math.nan))
                    theirs.append(torch_us(RUN[op], args))
                a, b = statistics.median(ours), statistics.median(theirs)
                ratios.append((b / a, op, name, n))
                cells = [op, name, f"{n}", f"{a:.1f}", f"{b:.1f}", f"{b / a:.2f}", f"{100 * max(roof):.0f} %"]
                print("| " + " | ".join(cells) + " |" if o.md else " ".join(f"{c:>12}" for c in cells), flush=True)
    wick.stdin.close()
    good = [r[0] for r in ratios if r[0] == r[0]]
    mean = math.exp(statistics.fmean(map(math.log, good)))
    print(f"geometric mean {mean:.2f} over {len(good)} cases, least {min(good):.2f}, "
          f"below 1: {sum(r < 1 for r in good)}")


main()
