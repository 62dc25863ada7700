"""Writes GGUF files of known shapes with seeded random weights, for benchmarks.

usage: make_model.py OUT.gguf --shape 135m|1.1b --type q4_0|q4_1|q5_0|q5_1|q8_0|q2_k|...|q6_k|f16|bf16|f32 [--seed N]

135m is SmolLM2-135M's shape, 1.1b TinyLlama's. Weights are drawn from a pool of 2^22 normal values, quantised once by
the reference (ggml, through llama-cpp-python's library) and picked block by block, so that a file takes seconds and no
two rows are equal. Types whose blocks do not fit a row fall back as quantisers do: q4_k to q5_0, q5_k to q5_1, q6_k to
q8_0, q2_k and q3_k to q4_0.
"""
import argparse
import ctypes
import glob
import os

import gguf
import numpy as np

SHAPES = {
    "135m": dict(layers=30, dim=576, heads=9, kv=3, hidden=1536, vocab=49152, tied=True, base=1e5, context=8192),
    "1.1b": dict(layers=22, dim=2048, heads=32, kv=4, hidden=5632, vocab=32000, tied=False, base=1e4, context=2048),
}
FALLBACK = {"Q4_K": "Q5_0", "Q5_K": "Q5_1", "Q6_K": "Q8_0", "Q2_K": "Q4_0", "Q3_K": "Q4_0"}
POOL = 1 << 22


def reference():
    import llama_cpp

    folder = os.path.join(os.path.dirname(llama_cpp.__file__), "lib")
    lib = ctypes.CDLL(glob.glob(os.path.join(folder, "libggml-base.so*"))[0])
    lib.ggml_quantize_chunk.restype = ctypes.c_size_t
    lib.ggml_quantize_chunk.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64,
                                        ctypes.c_int64, ctypes.c_int64, ctypes.c_void_p]
    return lib


class Maker:
    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)
        self.pool = (self.rng.standard_normal(POOL) * 0.02).astype(np.float32)
        self.quantised, self.lib = {}, None

    def blocks(self, name):
        """The pool in a type, as an array [blocks, bytes of a block]."""
        if name not in self.quantised:
            t = gguf.GGMLQuantizationType[name]
            block, size = gguf.GGML_QUANT_SIZES[t]
            if name == "F32":
                data = self.pool.view(np.uint8)
            elif name == "F16":
                data = self.pool.astype(np.float16).view(np.uint8)
            elif name == "BF16":
                data = (self.pool.view(np.uint32) >> 16).astype(np.uint16).view(np.uint8)
            else:
                self.lib = self.lib or reference()
                data = np.zeros(POOL // block * size, np.uint8)
                self.lib.ggml_quantize_chunk(int(t), self.pool.ctypes.data, data.ctypes.data, 0, POOL // 4096, 4096,
                                             None)
            unit = max(1, 32 // block)  # plain types are picked 32 values at a time
            self.quantised[name] = data.reshape(-1, size * unit)
        return self.quantised[name]

    def tensor(self, name, rows, cols):
        t = gguf.GGMLQuantizationType[name]
        block, size = gguf.GGML_QUANT_SIZES[t]
        if cols % block:
            return self.tensor(FALLBACK[name], rows, cols)
        pool = self.blocks(name)
        picks = self.rng.integers(0, len(pool), rows * cols // max(block, 32))
        return t, pool[picks].reshape(rows, cols // block * size)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("out")
    p.add_argument("--shape", choices=SHAPES, required=True)
    p.add_argument("--type", required=True)
    p.add_argument("--seed", type=int, default=1)
    o = p.parse_args()
    s, name = SHAPES[o.shape], o.type.upper()
    m = Maker(o.seed)
    w = gguf.GGUFWriter(o.out, "llama")
    w.add_name(f"random {o.shape} {o.type}")
    w.add_block_count(s["layers"])
    w.add_context_length(s["context"])
    w.add_embedding_length(s["dim"])
    w.add_feed_forward_length(s["hidden"])
    w.add_head_count(s["heads"])
    w.add_head_count_kv(s["kv"])
    w.add_rope_dimension_count(s["dim"] // s["heads"])
    w.add_rope_freq_base(s["base"])
    w.add_layer_norm_rms_eps(1e-5)
    w.add_vocab_size(s["vocab"])
    w.add_tokenizer_model("none")

    def put(key, rows, cols):
        t, data = m.tensor(name, rows, cols)
        w.add_tensor(key, data, raw_dtype=t)

    def norm(key):
        w.add_tensor(key, (1 + 0.1 * m.rng.standard_normal(s["dim"])).astype(np.float32))

    kv = s["dim"] // s["heads"] * s["kv"]
    put("token_embd.weight", s["vocab"], s["dim"])
    norm("output_norm.weight")
    if not s["tied"]:
        put("output.weight", s["vocab"], s["dim"])
    for i in range(s["layers"]):
        b = f"blk.{i}."
        norm(b + "attn_norm.weight")
        norm(b + "ffn_norm.weight")
        put(b + "attn_q.weight", s["dim"], s["dim"])
        put(b + "attn_k.weight", kv, s["dim"])
        put(b + "attn_v.weight", kv, s["dim"])
        put(b + "attn_output.weight", s["dim"], s["dim"])
        put(b + "ffn_gate.weight", s["hidden"], s["dim"])
        put(b + "ffn_up.weight", s["hidden"], s["dim"])
        put(b + "ffn_down.weight", s["dim"], s["hidden"])
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


main()
