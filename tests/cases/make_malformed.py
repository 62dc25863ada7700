"""Writes malformed case files: wick-case must answer FAIL to each, without a crash.

usage: make_malformed.py OUT_FOLDER
"""
import json
import os
import struct
import sys

X = {"x": ("F32", [2, 2], struct.pack("<4f", 1, 2, 3, 4)), "i": ("I64", [1], struct.pack("<q", 99))}


def write(path, cases, tensors=None, raw=None):
    header, data = {}, b""
    if raw is None:
        raw = json.dumps(cases)
    if raw != "":
        header["__metadata__"] = {"cases": raw}
    for name, (dtype, shape, values) in (tensors or X).items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(data), len(data) + len(values)]}
        data += values
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text + data)


def case(**more):
    base = {"name": "a case", "op": "torch.exp", "args": [{"t": "x"}], "kwargs": {}, "out": {"t": "x"}, "rtol": 0,
            "atol": 0}
    base.update(more)
    return [{k: v for k, v in base.items() if v != "absent"}]


out = sys.argv[1]
os.makedirs(out, exist_ok=True)
files = {
    "wrong_result": case(),
    "no_op": case(op="absent"),
    "op_is_a_number": case(op=7),
    "no_out": case(out="absent"),
    "unknown_tensor": case(args=[{"t": "nowhere"}]),
    "unknown_out": case(out={"t": "nowhere"}),
    "no_args": case(args="absent"),
    "args_is_a_string": case(args="x"),
    "kwargs_is_a_list": case(kwargs=[1]),
    "argument_twice": case(kwargs={"input": {"t": "x"}}),
    "tensor_is_a_string": case(args=["x"]),
    "negative_tolerance": case(rtol=-1),
    "tolerance_is_a_list": case(atol=[]),
    "too_many_results": case(out=[{"t": "x"}, {"t": "x"}]),
    "out_is_a_string": case(out="x"),
    "no_cotangent": case(grads={"x": "x"}, op="torch.neg", out={"f": "nan"}),
    "grads_of_nothing": case(op="torch.abs", grads={"nowhere": "x"}, cotangents=["x"]),
    "index_out_of_range": case(op="torch.index_select", args=[{"t": "x"}, 0, {"t": "i"}]),
    "dim_out_of_range": case(op="torch.softmax", args=[{"t": "x"}, 7]),
    "case_is_a_number": [3],
    "cases_is_an_object": {"name": "x"},
}
for name, cases in files.items():
    write(os.path.join(out, name + ".safetensors"), cases)
write(os.path.join(out, "cases_is_not_json.safetensors"), None, raw="[{")
write(os.path.join(out, "nested.safetensors"), None, raw="[" * 3000)
write(os.path.join(out, "no_cases.safetensors"), None, raw="")
with open(os.path.join(out, "no_safetensors.safetensors"), "wb") as f:
    f.write(b"this is not a file of tensors")
