"""Writes umath.inc: every 40th f32 point of NumPy's validation sets of its elementary functions, as bit patterns of
the argument and of the correctly rounded result.

usage: umath.py [FOLDER WITH umath-validation-set-*.csv]   (default: that of the NumPy which is installed)
"""
import glob
import os
import sys

import numpy

folder = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(numpy.__file__), "_core", "tests", "data")
with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "umath.inc"), "w") as f:
    f.write("/* Made by umath.py: UMATH(function, {bits of x, bits of the result}..) */\n")
    for path in sorted(glob.glob(os.path.join(folder, "umath-validation-set-*.csv"))):
        name = os.path.basename(path)[len("umath-validation-set-"):-len(".csv")].replace("arc", "a")
        rows = [line.strip().split(",") for line in open(path) if line.startswith("np.float32,")]
        points = [f"{{{row[1]}, {row[2]}}}" for row in rows[::40]]
        f.write(f"UMATH({name}")
        for i in range(0, len(points), 4):
            f.write(",\n      " + ", ".join(points[i:i + 4]))
        f.write(")\n")
