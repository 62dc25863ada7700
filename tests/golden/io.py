"""Writes the small files of tests/golden/io: GGUF of every version packed by hand, safetensors, .npy, .npz.
Needs numpy and safetensors; run from the repository's root."""
import json, os, struct
import numpy as np
from safetensors.numpy import save_file, save

OUT = "tests/golden/io"
U8, I8, U16, I16, U32, I32, F32, BOOL, STR, ARR, U64, I64, F64 = range(13)
PACK = {U8: "B", I8: "b", U16: "H", I16: "h", U32: "I", I32: "i", F32: "f", BOOL: "?", U64: "Q", I64: "q", F64: "d"}


def string(s, w):
    b = s if isinstance(s, bytes) else s.encode()
    return struct.pack("<" + w, len(b)) + b


def value(t, v, w):
    if t == STR:
        return string(v, w)
    if t == ARR:
        item, items = v
        return struct.pack("<I" + w, item, len(items)) + b"".join(value(item, x, w) for x in items)
    return struct.pack("<" + PACK[t], v)


def gguf(path, version, keys, tensors, align=32):
    """keys: (name, type, value); tensors: (name, sizes innermost first, type, bytes)"""
    w = "I" if version == 1 else "Q"
    head = b"GGUF" + struct.pack("<I" + w + w, version, len(tensors), len(keys))
    for k, t, v in keys:
        head += string(k, w) + struct.pack("<I", t) + value(t, v, w)
    data = b""
    for name, sizes, t, b in tensors:
        data += bytes(-len(data) % align)
        head += string(name, w) + struct.pack("<I", len(sizes)) + b"".join(struct.pack("<" + w, s) for s in sizes)
        head += struct.pack("<IQ", t, len(data))
        data += b
    open(f"{OUT}/{path}", "wb").write(head + bytes(-len(head) % align) + data)


def f32(*shape):
    return (np.arange(np.prod(shape)) / 4 - 1).astype("<f4").tobytes()


def all_types():
    keys = [("general.architecture", STR, "llama"), ("general.name", STR, "golden \u00e9\U0001f600"),
            ("llama.embedding_length", U32, 32), ("llama.block_count", U32, 1), ("llama.context_length", U64, 128),
            ("llama.attention.head_count", U32, 4), ("llama.attention.head_count_kv", U32, 2),
            ("llama.feed_forward_length", U32, 64), ("llama.attention.layer_norm_rms_epsilon", F32, 1e-5),
            ("llama.rope.freq_base", F32, 10000.0), ("llama.rope.dimension_count", U32, 4)]
    scalars = [(U8, 200), (I8, -5), (U16, 60000), (I16, -30000), (U32, 4000000000), (I32, -2000000000),
               (F32, 0.1), (BOOL, True), (U64, 2**64 - 1), (I64, -2**62), (F64, 1 / 3)]
    for t, v in scalars:
        keys.append((f"test.scalar.{t}", t, v))
        keys.append((f"test.array.{t}", ARR, (t, [v] * 3)))
    keys.append(("test.control", STR, b"a\x1b[31m\x00b\xff\n"))
    keys.append(("test.nested", ARR, (ARR, [(U8, [1, 2]), (STR, ["x", ""]), (ARR, [(I8, [])])])))
    keys.append(("test.empty", ARR, (STR, [])))
    keys.append(("tokenizer.ggml.tokens", ARR, (STR, [b"\xff\x00"] + [f"token {i}" * (i % 3) for i in range(1, 70)])))
    keys.append(("tokenizer.ggml.scores", ARR, (F32, [-i / 2 for i in range(70)])))
    keys.append(("tokenizer.ggml.token_type", ARR, (I32, [1] * 70)))
    q4 = np.frombuffer(np.float16(0.5).tobytes() + bytes(range(16)), "u1")
    q8 = np.frombuffer(np.float16(2).tobytes() + bytes(range(32)), "u1")
    tensors = [("token_embd.weight", [32, 70], 2, np.tile(q4, 70).tobytes()), ("output_norm.weight", [32], 0, f32(32)),
               ("blk.0.attn_q.weight", [32, 2], 8, np.tile(q8, 2).tobytes()),
               ("blk.0.attn_norm.weight", [4], 1, np.arange(4, dtype="<f2").tobytes()),
               ("blk.0.ffn_up.weight", [3, 2], 0, f32(6)), ("scalar", [], 26, struct.pack("<i", -7)),
               ("empty", [0, 5], 0, b""), ("bf", [2, 2], 30, struct.pack("<4H", 0x3f80, 0x4000, 0xc000, 0)),
               ("big", [2], 28, struct.pack("<2d", 1.5, -2.5)), ("strange", [256], 34, bytes(54)),
               ("future", [8], 99, bytes(8))]
    gguf("v3.gguf", 3, keys, tensors)
    gguf("align.gguf", 3, [("general.alignment", U32, 8), ("general.architecture", STR, "qwen2")],
         [("a", [3], 24, b"\1\2\3"), ("b", [2], 25, b"\1\0\2\0")], align=8)
    few = keys[:5] + keys[-3:-2]
    gguf("v2.gguf", 2, few, tensors[1:4])
    gguf("v1.gguf", 1, few, tensors[1:4])
    for i in range(2):
        split = [("split.no", U16, i), ("split.count", U16, 2), ("split.tensors.count", I32, 3)]
        gguf(f"part-{i + 1:05}-of-00002.gguf", 3, (keys[:3] if i == 0 else []) + split,
             tensors[1:3] if i == 0 else tensors[3:4])


def safetensors():
    x = {n: np.arange(6).reshape(2, 3).astype(n) for n in ("bool", "uint8", "int8", "int16", "int32", "int64", "uint32",
                                                          "float16", "float32", "float64", "uint16", "uint64")}
    x["empty"] = np.zeros((0, 4), "f4")
    x["scalar"] = np.array(2.5, "f4")
    save_file(x, f"{OUT}/types.safetensors", {"format": "np", "quote": "a\"b\\c\n\u00e9"})
    body = [("f8", "F8_E4M3", [4], bytes([0x38, 0x40, 0xb8, 0])), ("f8b", "F8_E5M2", [4], bytes([0x3c, 0x40, 0xbc, 0])),
            ("bf", "BF16", [2], struct.pack("<2H", 0x3f80, 0xc000)), ("f4", "F4", [2, 2], b"\x21\x43")]
    head, data = {}, b""
    for name, t, shape, b in body:
        head[name] = {"dtype": t, "shape": shape, "data_offsets": [len(data), len(data) + len(b)]}
        data += b
    text = json.dumps(head).encode()
    text += b" " * (1 - len(text) % 2)  # odd place: bf must not be read where it lies
    open(f"{OUT}/small.safetensors", "wb").write(struct.pack("<Q", len(text)) + text + data)


def folder():
    os.makedirs(f"{OUT}/folder", exist_ok=True)
    shards = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]
    parts = [{"model.embed_tokens.weight": np.arange(32, dtype="f4").reshape(8, 4)},
             {"model.norm.weight": np.ones(4, "f4"), "lm_head.weight": np.full((8, 4), 2, "f2")}]
    for s, p in zip(shards, parts):
        save_file(p, f"{OUT}/folder/{s}", {"format": "pt"})
    index = {"metadata": {"total_size": 208}, "weight_map": {n: s for s, p in zip(shards, parts) for n in p}}
    json.dump(index, open(f"{OUT}/folder/model.safetensors.index.json", "w"), indent=2)
    config = {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 4, "vocab_size": 8,
              "rms_norm_eps": 1e-05, "rope_theta": 500000.0, "tie_word_embeddings": False, "eos_token_id": [1, 2],
              "rope_scaling": {"rope_type": "llama3", "factor": 32.0, "original_max_position_embeddings": 8192},
              "sliding_window": None, "initializer_range": 0.02, "a\u001b]0;b": "c\u001b\"\n\\\u20ac\U0001f600",
              "mixed": [1, -2.5, "x", None, True, [1], {"a": 1}], "huge": 12345678901234567890}
    json.dump(config, open(f"{OUT}/folder/config.json", "w"), indent=2)
    open(f"{OUT}/folder/tokenizer.json", "w").write('{"version": "1.0"}')


def npy():
    a = np.arange(24, dtype="<f4").reshape(2, 3, 4)
    np.save(f"{OUT}/c.npy", a)
    np.save(f"{OUT}/fortran.npy", np.asfortranarray(a))
    np.save(f"{OUT}/scalar.npy", np.float64(3.25))
    np.save(f"{OUT}/bool.npy", np.array([True, False]))
    np.lib.format.write_array(open(f"{OUT}/v2.npy", "wb"), np.arange(3, dtype="<i8"), version=(2, 0))
    np.lib.format.write_array(open(f"{OUT}/v3.npy", "wb"), np.arange(3, dtype="u1"), version=(3, 0))
    np.save(f"{OUT}/big_endian.npy", a.astype(">f4"))


def npz():
    a = np.arange(24, dtype="<f4").reshape(2, 3, 4)
    few = {"c": a, "fortran": np.asfortranarray(a), "big": a.astype(">i2"), "half": a.astype("<f2")[0], "scalar": np.float64(3.25),
           "bool": np.array([True, False]), "empty": np.zeros((0, 4), "i8"), "layer/w\u00e4": np.arange(3, dtype="u4")}
    np.savez(f"{OUT}/stored.npz", **few)
    np.savez_compressed(f"{OUT}/deflated.npz", zeros=np.zeros((64, 64)), **few)
    stored = open(f"{OUT}/stored.npz", "rb").read()
    end = stored.rindex(b"PK\5\6")
    count, size, at = struct.unpack("<HII", stored[end + 10:end + 20])
    large = b"PK\6\6" + struct.pack("<QHHIIQQQQ", 44, 45, 45, 0, 0, count, count, size, at)
    large += b"PK\6\7" + struct.pack("<IQI", 0, end, 1)
    large += b"PK\5\6" + struct.pack("<4HIIH", 0, 0, 0xffff, 0xffff, 0xffffffff, 0xffffffff, 7) + b"comment"
    open(f"{OUT}/zip64.npz", "wb").write(stored[:end] + large)


os.makedirs(OUT, exist_ok=True)
all_types()
safetensors()
folder()
npy()
npz()
