"""PyTorch's OpInfo samples through wick-case: a table of pass rates, worst ops first.

usage: opinfo.py [--driver build/wick-case] [--cases FOLDER] [--below 99]
                 [make_cases.py's options: --seed, --samples, --ops, ..]

Samples are written by make_cases.py into FOLDER (a temporary one if none is given). Of ops that wick has every sample
counts, also one whose arguments the driver does not take; ops that wick does not have are listed at the end.
"""
import argparse
import collections
import glob
import os
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--driver", default="build/wick-case")
    p.add_argument("--cases")
    p.add_argument("--below", type=float, default=99, help="ops shown by name: those with a lower rate")
    o, rest = p.parse_known_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = o.cases or temporary
        subprocess.run([sys.executable, os.path.join(HERE, "make_cases.py"), folder, *rest], check=True,
                       stderr=subprocess.DEVNULL)
        files = sorted(glob.glob(os.path.join(folder, "*.safetensors")))
        out = subprocess.run([o.driver, *files], stdout=subprocess.PIPE, text=True).stdout
    ops, dtypes = (collections.defaultdict(collections.Counter) for _ in range(2))
    absent = set()
    for line in out.splitlines():
        words = line.split()
        if len(words) < 3 or words[0] not in ("ok", "FAIL", "unsupported"):
            continue
        if "no such op" in line:
            absent.add(words[1])
            continue
        ops[words[1]][words[0]] += 1
        dtypes[words[2].removeprefix("torch.")][words[0]] += 1

    def rate(c):
        return 100 * c["ok"] / sum(c.values())

    def show(title, table):
        print(f"{title:<44} {'ok':>6} {'FAIL':>6} {'refused':>7} {'rate':>7}")
        for name, c in table:
            print(f"{name:<44} {c['ok']:>6} {c['FAIL']:>6} {c['unsupported']:>7} {rate(c):>6.1f} %")

    low = [(name, c) for name, c in ops.items() if rate(c) < o.below]
    show(f"op (below {o.below:g} %)", sorted(low, key=lambda row: rate(row[1])))
    total = sum(ops.values(), collections.Counter())
    show("dtype", [*sorted(dtypes.items()), (f"all {len(ops)} ops", total)])
    print(f"not here: {' '.join(sorted(absent))}")


main()
