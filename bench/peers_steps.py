"""The cases of bench/steps.c beside PyTorch's, interleaved: the cost of a small op, training steps per second.

usage: peers_steps.py [--program build/steps] [-t 2] [-r 5] [--json FILE]
"""
import argparse
import json
import statistics
import subprocess
import time

import torch
import torch.nn.functional as F

CALLS, STEPS = 20000, 200


def call():
    x, y = torch.randn(16), torch.randn(16)
    start = time.perf_counter()
    with torch.inference_mode():
        for _ in range(CALLS):
            x + y
    return 1e9 * (time.perf_counter() - start) / CALLS


def mlp():
    x, target = torch.randn(64, 784), torch.randint(0, 10, (64,))
    model = torch.nn.Sequential(torch.nn.Linear(784, 256), torch.nn.ReLU(), torch.nn.Linear(256, 10))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    start = time.perf_counter()
    for _ in range(STEPS):
        optimizer.zero_grad()
        F.cross_entropy(model(x), target).backward()
        optimizer.step()
    return STEPS / (time.perf_counter() - start)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--program", default="build/steps")
    p.add_argument("-t", type=int, default=2)
    p.add_argument("-r", type=int, default=5)
    p.add_argument("--json")
    o = p.parse_args()
    torch.set_num_threads(o.t)
    rows = []
    for name, run, unit in (("call", call, "ns"), ("mlp", mlp, "steps/s")):
        ours, theirs = [], []
        run()
        for _ in range(o.r):
            line = subprocess.run([o.program, "-t", str(o.t), name], check=True, capture_output=True, text=True).stdout
            ours.append(json.loads(line)["value"])
            theirs.append(run())
        a, b = statistics.median(ours), statistics.median(theirs)
        rows.append({"case": name, "unit": unit, "wick": a, "PyTorch": b, "ratio": b / a if unit == "ns" else a / b})
        print(rows[-1], flush=True)
    line = subprocess.run([o.program, "-t", str(o.t), "faults"], check=True, capture_output=True, text=True).stdout
    rows.append({"case": "page faults of a call with 64 MB of result", "wick": json.loads(line)["value"]})
    print(rows[-1])
    if o.json:
        with open(o.json, "w") as f:
            json.dump({"threads": o.t, "runs": o.r, "results": rows}, f, indent=1)


main()
