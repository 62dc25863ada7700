"""wick beside llama.cpp on the same GGUF file, interleaved: ratios of medians.

usage: peers.py MODEL.gguf [--wick build/wick] [-p 512] [-n 128] [-d 0] [-t 2] [-r 5] [--json FILE]

Needs llama-cpp-python (built for this machine). Each repetition runs wick, then llama.cpp, so that a drift of the
machine meets both. Rates are tokens per second; the ratio is wick's median over llama.cpp's.
"""
import argparse
import ctypes
import json
import os
import platform
import statistics
import subprocess
import sys
import time


class Llama:
    def __init__(self, path, context, threads, batch=512):
        import llama_cpp as ll

        self.ll = ll
        self.quiet = ll.llama_log_callback(lambda level, text, data: None)
        ll.llama_log_set(self.quiet, ctypes.c_void_p(0))
        ll.llama_backend_init()
        mp = ll.llama_model_default_params()
        mp.n_gpu_layers = 0
        self.model = ll.llama_model_load_from_file(path.encode(), mp)
        cp = ll.llama_context_default_params()
        cp.n_ctx, cp.n_batch, cp.n_ubatch = context, batch, batch
        cp.n_threads = cp.n_threads_batch = threads
        self.ctx = ll.llama_init_from_model(self.model, cp)
        self.batch, self.vocab = batch, ll.llama_vocab_n_tokens(ll.llama_model_get_vocab(self.model))
        self.memory = ll.llama_get_memory(self.ctx)

    def feed(self, ids, step):
        for at in range(0, len(ids), step):
            part = ids[at:at + step]
            array = (self.ll.llama_token * len(part))(*part)
            if self.ll.llama_decode(self.ctx, self.ll.llama_batch_get_one(array, len(part))) != 0:
                raise RuntimeError("llama_decode failed")
        self.ll.llama_synchronize(self.ctx)

    def measure(self, ids, depth, n, step):
        self.ll.llama_memory_seq_rm(self.memory, 0, depth, -1)
        start = time.perf_counter()
        self.feed(ids[depth:depth + n], step)
        rate = n / (time.perf_counter() - start)
        self.ll.llama_memory_seq_rm(self.memory, 0, depth, -1)
        return rate


def cpu_name():
    with open("/proc/cpuinfo") as f:
        lines = f.read().splitlines()
    facts = {l.split(":")[0].strip(): l.split(":", 1)[1].strip() for l in lines if ":" in l}
    flags = facts.get("flags", "").split()
    units = [x for x in ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_int8") if x in flags]
    return f"{facts.get('model name', platform.machine())} family {facts.get('cpu family')}, {os.cpu_count()} CPUs, " \
           + " ".join(units)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("model")
    p.add_argument("--wick", default="build/wick")
    p.add_argument("-p", type=int, default=512)
    p.add_argument("-n", type=int, default=128)
    p.add_argument("-d", type=int, default=0)
    p.add_argument("-t", type=int, default=2)
    p.add_argument("-r", type=int, default=5)
    p.add_argument("--json")
    o = p.parse_args()
    peer = Llama(o.model, o.d + max(o.p, o.n) + 64, o.t)
    ids = [(i * 7919 + 13) % peer.vocab for i in range(o.d + max(o.p, o.n))]
    peer.feed(ids[:o.d], peer.batch)
    tests = [(f"pp{o.p}", o.p, peer.batch), (f"tg{o.n}", o.n, 1)]
    peer.measure(ids, o.d, min(o.p, 64), peer.batch)
    rates = {t: {"wick": [], "llama.cpp": []} for t, n, _ in tests if n}
    for _ in range(o.r):
        for test, n, step in tests:
            if not n:
                continue
            flags = ["-p", str(n), "-n", "0"] if test.startswith("pp") else ["-p", "0", "-n", str(n)]
            out = subprocess.run([o.wick, "bench", "-m", o.model, *flags, "-d", str(o.d), "-t", str(o.t), "-r", "1",
                                  "--json"], check=True, capture_output=True, text=True).stdout
            rates[test]["wick"].append(json.loads(out)[0]["tokens_per_second"]["median"])
            rates[test]["llama.cpp"].append(peer.measure(ids, o.d, n, step))
    print(f"{os.path.basename(o.model)}, {o.t} threads, depth {o.d}, {o.r} interleaved runs; {cpu_name()}")
    rows = []
    for test, r in rates.items():
        w, l = statistics.median(r["wick"]), statistics.median(r["llama.cpp"])
        rows.append({"model": os.path.basename(o.model), "test": test, "depth": o.d, "threads": o.t, "wick": w,
                     "llama.cpp": l, "ratio": w / l})
        print(f"{test:8} wick {w:9.1f}   llama.cpp {l:9.1f}   ratio {w / l:5.2f}")
    if o.json:
        with open(o.json, "w") as f:
            json.dump({"cpu": cpu_name(), "results": rows}, f, indent=1)


sys.exit(main())
