"""PyTorch's OpInfo samples through wick-case: a table of pass rates, worst ops first.

usage: opinfo.py [--driver build/wick-case] [--device cpu] [--cases FOLDER] [--below 99] [--reasons] [--reuse]
                 [make_cases.py's options: --seed, --samples, --ops, ..]

Samples are written by make_cases.py into FOLDER (a temporary one if none is given; --reuse: they are there already). Of
ops that wick has every sample counts, also one whose arguments the driver does not take; ops that wick does not have are
listed at the end. --reasons: a second table, of the samples that do not pass grouped by what was said of them; where
two roundings differ, by which of the two is nearer to PyTorch's own result in f64.
"""
import argparse
import collections
import glob
import os
import re
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))


def reason(dtype, text):
    """What a line of wick-case says after the sample's name, without its numbers."""
    judged = re.search(r"from f64: (\S+) here, (\S+) there", text)
    what = "gradient" if text.startswith("gradient") else "result"
    if judged:
        here, there = map(float, judged.groups())
        side = "wick is nearer to f64" if here < there else "as near to f64" if here == there else "PyTorch is nearer to f64"
        return f"{dtype} {what}: {side}"
    if "element" in text:
        return f"{dtype} {what} differs"
    return re.sub(r"\[[^]]*\]|\d+", "#", text)[:60]


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--driver", default="build/wick-case")
    p.add_argument("--device", default="cpu")
    p.add_argument("--cases")
    p.add_argument("--below", type=float, default=99, help="ops shown by name: those with a lower rate")
    p.add_argument("--reasons", action="store_true")
    p.add_argument("--reuse", action="store_true")
    o, rest = p.parse_known_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = o.cases or temporary
        if not o.reuse:
            command = [sys.executable, os.path.join(HERE, "make_cases.py"), folder, *rest]
            subprocess.run(command + ["--exact"] * o.reasons, check=True, stderr=subprocess.DEVNULL)
        files = sorted(glob.glob(os.path.join(folder, "*.safetensors")))
        out = subprocess.run([o.driver, "--device", o.device, *files], stdout=subprocess.PIPE, text=True).stdout
    ops, dtypes, reasons = (collections.defaultdict(collections.Counter) for _ in range(3))
    absent = set()
    for line in out.splitlines():
        words = line.split()
        if len(words) < 3 or words[0] not in ("ok", "FAIL", "unsupported"):
            continue
        if "no such op" in line:
            absent.add(words[1])
            continue
        dtype = words[2].removeprefix("torch.")
        ops[words[1]][words[0]] += 1
        dtypes[dtype][words[0]] += 1
        if words[0] != "ok":
            reasons[reason(dtype, line.split(": ", 1)[1])][words[1]] += 1

    def rate(c):
        return 100 * c["ok"] / sum(c.values())

    def show(title, table):
        print(f"{title:<44} {'ok':>6} {'FAIL':>6} {'refused':>7} {'rate':>7}")
        for name, c in table:
            print(f"{name:<44} {c['ok']:>6} {c['FAIL']:>6} {c['unsupported']:>7} {rate(c):>6.2f} %")

    low = [(name, c) for name, c in ops.items() if rate(c) < o.below]
    show(f"op (below {o.below:g} %)", sorted(low, key=lambda row: rate(row[1])))
    total = sum(ops.values(), collections.Counter())
    show("dtype", [*sorted(dtypes.items()), (f"all {len(ops)} ops", total)])
    if o.reasons:
        nearer = sum(sum(c.values()) for text, c in reasons.items() if "wick is nearer" in text)
        print(f"passing, or nearer to f64 than PyTorch: {100 * (total['ok'] + nearer) / sum(total.values()):.2f} %")
        print(f"{'reason':<62} {'samples':>7}  ops")
        for text, c in sorted(reasons.items(), key=lambda row: -sum(row[1].values())):
            names = " ".join(f"{op}:{n}" for op, n in c.most_common())
            print(f"{text:<62} {sum(c.values()):>7}  {names}")
    print(f"not here: {' '.join(sorted(absent))}")


main()
