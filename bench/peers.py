"""wick beside llama.cpp (and PyTorch) on the same files, interleaved: ratios of medians.

usage: peers.py MODEL.gguf.. [-p 512] [-n 128] [-d 0] [-t 2] [-r 5] [--cache-type f16] [--torch]
       peers.py --table FOLDER [-t 2] [-r 5] [--short]     every case of docs/benchmarks, files made in FOLDER
both:  [--wick build/wick] [--json FILE] [--markdown FILE]

Needs llama-cpp-python built for this machine; --torch needs torch and transformers as well, for f16 and bf16 files.
Each repetition runs wick, then the peer, so that a drift of the machine meets both. Rates are tokens per second; the
ratio is wick's median over the peer's. --table makes what is missing in FOLDER with make_model.py, beside it.
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

TYPES = ["q8_0", "q4_0", "q4_k", "q5_k", "q6_k", "f16", "bf16"]
HERE = os.path.dirname(os.path.abspath(__file__))


def median(values):
    return statistics.median(values)


class Llama:
    """llama.cpp through llama-cpp-python's low-level calls."""

    name = "llama.cpp"

    def __init__(self, path, context, threads, batch=512, cache="f16"):
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
        cp.type_k = cp.type_v = {"f16": 1, "q8_0": 8, "q4_0": 2}[cache]
        self.ctx = ll.llama_init_from_model(self.model, cp)
        self.batch, self.vocab = batch, ll.llama_vocab_n_tokens(ll.llama_model_get_vocab(self.model))
        self.memory = ll.llama_get_memory(self.ctx)
        self.filled = 0

    def feed(self, ids, step):
        for at in range(0, len(ids), step):
            part = ids[at:at + step]
            array = (self.ll.llama_token * len(part))(*part)
            if self.ll.llama_decode(self.ctx, self.ll.llama_batch_get_one(array, len(part))) != 0:
                raise RuntimeError("llama_decode failed")
        self.ll.llama_synchronize(self.ctx)

    def rate(self, ids, depth, n, step):
        if self.filled != depth:
            self.ll.llama_memory_seq_rm(self.memory, 0, 0, -1)
            self.feed(ids[:depth], self.batch)
            self.filled = depth
        start = time.perf_counter()
        self.feed(ids[depth:depth + n], step)
        rate = n / (time.perf_counter() - start)
        self.ll.llama_memory_seq_rm(self.memory, 0, depth, -1)
        return rate

    def close(self):
        self.ll.llama_free(self.ctx)
        self.ll.llama_model_free(self.model)


class Torch:
    """PyTorch through transformers, weights as in the file (bf16 or f16)."""

    name = "PyTorch"

    def __init__(self, path, threads):
        import torch
        import transformers

        transformers.logging.set_verbosity_error()
        torch.set_num_threads(threads)
        self.torch = torch
        kind = torch.bfloat16 if "bf16" in os.path.basename(path) else torch.float16
        self.model = transformers.AutoModelForCausalLM.from_pretrained(
            os.path.dirname(os.path.abspath(path)), gguf_file=os.path.basename(path), dtype=kind).eval()

    def rate(self, ids, depth, n, step):
        torch, past = self.torch, None
        with torch.inference_mode():
            if depth:
                past = self.model(torch.tensor([ids[:depth]]), use_cache=True, logits_to_keep=1).past_key_values
            start = time.perf_counter()
            for at in range(depth, depth + n, step):
                part = torch.tensor([ids[at:min(at + step, depth + n)]])
                past = self.model(part, past_key_values=past, use_cache=True, logits_to_keep=1).past_key_values
            return n / (time.perf_counter() - start)

    def close(self):
        del self.model


class Bench:
    def __init__(self, o):
        self.o, self.rows = o, []

    def wick(self, path, flags, threads=None):
        out = subprocess.run([self.o.wick, "bench", "-m", path, "-t", str(threads or self.o.t), "-r", "1", "--json",
                              *map(str, flags)], check=True, capture_output=True, text=True).stdout
        return json.loads(out)[0]

    def row(self, case, file, wick, peer, value, unit="tokens/s", ratio=None, note="", target=None):
        r = {"case": case, "file": os.path.basename(file), "wick": wick, "peer": peer, "value": value, "unit": unit,
             "ratio": ratio if ratio is not None else wick / value, "note": note}
        if target is not None:
            r["wanted"] = target
        self.rows.append(r)
        print(f"{case:34} {r['file']:38} wick {wick:9.4g} {peer} {value:9.4g}  ratio {r['ratio']:5.2f} {note}", flush=True)
        return r

    def rates(self, path, tests, depth=0, cache="f16", torch=False, wanted=None):
        """tests: (name, tokens, step). One row for each test and peer."""
        longest = max(n for _, n, _ in tests)
        peers = [Llama(path, depth + longest + 64, self.o.t, cache=cache)]
        ids = [(i * 7919 + 13) % peers[0].vocab for i in range(depth + longest)]
        if torch:
            peers.append(Torch(path, self.o.t))
        peers[0].rate(ids, 0, min(longest, 64), 512)
        got = {}
        for _ in range(self.o.r):
            for name, n, step in tests:
                flags = ["-p", 0 if step == 1 else n, "-n", n if step == 1 else 0, "-d", depth, "--cache-type", cache]
                ours = self.wick(path, flags)
                g = got.setdefault(name, {"wick": [], "shares": []})
                g["wick"].append(ours["tokens_per_second"]["median"])
                g["shares"].append((ours["percent_of_memory"], ours["percent_of_compute"], ours["compute_unit"]))
                for p in peers:
                    g.setdefault(p.name, []).append(p.rate(ids, depth, n, step))
        for p in peers:
            p.close()
        for i, (name, n, step) in enumerate(tests):
            g = got[name]
            memory, compute, unit = sorted(g["shares"])[len(g["shares"]) // 2]
            note = f"{memory:.0f} % of memory" if step == 1 else f"{compute:.0f} % of {unit}"
            for p in peers:
                self.row(name, path, median(g["wick"]), p.name, median(g[p.name]), note=note,
                         target=wanted[i] if wanted and p.name == "llama.cpp" else None)

    def compare(self, case, path, first, second, per=1.0, wanted=None, note=""):
        """wick beside itself: two lists of flags; the ratio is (first / second) * per."""
        a, b = [], []
        for _ in range(self.o.r):
            a.append(self.wick(path, first)["tokens_per_second"]["median"])
            b.append(self.wick(path, second)["tokens_per_second"]["median"])
        self.row(case, path, median(a), "wick", median(b), ratio=median(a) / median(b) * per, note=note, target=wanted)

    def memory(self, path, wanted):
        """Peak resident memory over the file's size; a context of 512 so that caches stay small."""
        p = subprocess.Popen([self.o.wick, "bench", "-m", path, "-t", str(self.o.t), "-p", "64", "-n", "8", "-r", "1"],
                             stdout=subprocess.DEVNULL)
        peak = 0
        while p.poll() is None:  # what wait4 says counts this process's own memory before the exec
            try:
                with open(f"/proc/{p.pid}/status") as f:
                    lines = f.read().splitlines()
            except (FileNotFoundError, ProcessLookupError):
                break
            name = next((l for l in lines if l.startswith("Name:")), "").split()[-1]
            if name == os.path.basename(self.o.wick):
                peak = max([peak] + [int(l.split()[1]) for l in lines if l.startswith("VmHWM:")])
            time.sleep(0.01)
        if p.wait():
            raise RuntimeError(f"wick bench -m {path} failed")
        self.row("peak memory / file", path, peak * 1024, "file", os.path.getsize(path), unit="bytes",
                 target=wanted)

    def start(self, path, wanted):
        """Seconds from the program's start to the first token's text; llama.cpp: loading and the first token, in a
        process of its own that has its library loaded already."""
        code = ("import sys,time,ctypes,importlib.util\nspec=importlib.util.spec_from_file_location('p',sys.argv[1])\n"
                "p=importlib.util.module_from_spec(spec); spec.loader.exec_module(p)\nimport llama_cpp\n"
                "t=time.perf_counter(); m=p.Llama(sys.argv[2],512,int(sys.argv[3])); m.feed([1,2,3,4,5],512)\n"
                "print(time.perf_counter()-t)")
        ours, theirs = [], []
        for _ in range(2 * self.o.r + 1):
            from_ = time.perf_counter()
            p = subprocess.Popen([self.o.wick, "run", "-m", path, "-p", "The capital of France is", "-n", "1", "-t",
                                  str(self.o.t), "-c", "512"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
            p.stdout.read(1)
            ours.append(time.perf_counter() - from_)
            p.stdout.read()
            p.wait()
            theirs.append(float(subprocess.run([sys.executable, "-c", code, os.path.join(HERE, "peers.py"), path,
                                                str(self.o.t)], check=True, capture_output=True, text=True).stdout))
        self.row("start to first token", path, median(ours), "llama.cpp", median(theirs), unit="s",
                 ratio=median(theirs) / median(ours), target=wanted)

    def busy(self, path, wanted):
        """Decode beside a process that keeps the last CPU busy, over decode alone; llama.cpp the same."""
        cpu = max(os.sched_getaffinity(0))
        got = {"wick": ([], []), "llama.cpp": ([], [])}
        peer = Llama(path, 128, self.o.t)
        ids = [(i * 7919 + 13) % peer.vocab for i in range(64)]
        peer.rate(ids, 0, 8, 1)
        for _ in range(self.o.r):
            for with_ in (0, 1):
                other = None
                if with_:
                    other = subprocess.Popen([sys.executable, "-c", f"import os\nos.sched_setaffinity(0,{{{cpu}}})\n"
                                              "while True: pass"])
                    time.sleep(0.3)
                try:
                    got["wick"][with_].append(self.wick(path, ["-p", 0, "-n", 48])["tokens_per_second"]["median"])
                    got["llama.cpp"][with_].append(peer.rate(ids, 0, 48, 1))
                finally:
                    if other:
                        other.kill()
                        other.wait()
        peer.close()
        w, l = (median(got[x][1]) / median(got[x][0]) for x in ("wick", "llama.cpp"))
        self.row("decode on a shared CPU / alone", path, w, "llama.cpp", l, unit="share", ratio=w, target=wanted)

    def table(self, folder):
        def file(shape, kind):
            path = os.path.join(folder, f"{shape}-{kind}.gguf")
            if not os.path.exists(path):
                subprocess.run([sys.executable, os.path.join(HERE, "make_model.py"), path + ".new", "--shape", shape,
                                "--type", kind], check=True, stdout=subprocess.DEVNULL)
                os.rename(path + ".new", path)
            return path

        both = [("prefill 512", 512, 512), ("decode 128", 128, 1)]
        wanted = {"q8_0": (2.4, 1.6), "q4_0": (2.0, 1.15), "q4_k": (2.0, 1.15), "q5_k": (2.0, 1.15),
                  "q6_k": (3.2, 1.15), "f16": (1.5, 1.3), "bf16": (1.5, 1.3)}
        for kind in ["q4_k"] if self.o.short else TYPES:
            self.rates(file("1.1b", kind), both, wanted=wanted[kind],
                       torch=self.o.torch and kind in ("f16", "bf16"))
        smol = self.o.smollm2
        if smol:
            self.rates(smol, both, wanted=(4.2, 1.6))
            self.start(smol, 3.0)
        q4 = file("1.1b", "q4_k")
        for m, least in ((2, 1.8), (4, 3.0), (8, 4.0)):
            self.compare(f"batch of {m}, all logits", q4, ["-p", 16 * m, "-n", 0, "--batch", m, "--all-logits"],
                         ["-p", 0, "-n", 32], note="against single decodes", wanted=least)
        small = file("135m", "q4_0")
        self.rates(small, both)
        self.rates(small, [("decode 64 at depth 4096", 64, 1)], depth=4096, wanted=(2.0,))
        self.compare("prefill 512, q8_0 cache", small, ["-p", 512, "-n", 0, "--cache-type", "q8_0"],
                     ["-p", 512, "-n", 0], note="against f16 cache", wanted=0.95)
        self.memory(q4, 1.1)
        self.busy(q4, 0.7)
        cpus = len(os.sched_getaffinity(0))
        self.compare(f"decode, -t {2 * cpus} on {cpus} CPUs", q4, ["-p", 0, "-n", 48, "-t", 2 * cpus],
                     ["-p", 0, "-n", 48, "-t", cpus], note=f"against -t {cpus}", wanted=0.9)

    def markdown(self):
        lines = ["| case | file | wick | peer | its figure | ratio | wanted | |", "| --- | --- | --- | --- | --- | --- | --- | --- |"]
        for r in self.rows:
            wanted = f"{r['wanted']:g}" if "wanted" in r else ""
            lines.append(f"| {r['case']} | {r['file']} | {r['wick']:.4g} | {r['peer']} | {r['value']:.4g} | "
                         f"{r['ratio']:.2f} | {wanted} | {r['note']} |")
        return "\n".join(lines) + "\n"


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
    p.add_argument("models", nargs="*")
    p.add_argument("--table")
    p.add_argument("--short", action="store_true")
    p.add_argument("--smollm2")
    p.add_argument("--torch", action="store_true")
    p.add_argument("--wick", default="build/wick")
    p.add_argument("-p", type=int, default=512)
    p.add_argument("-n", type=int, default=128)
    p.add_argument("-d", type=int, default=0)
    p.add_argument("-t", type=int, default=2)
    p.add_argument("-r", type=int, default=5)
    p.add_argument("--cache-type", default="f16")
    p.add_argument("--json")
    p.add_argument("--markdown")
    o = p.parse_args()
    if not o.models and not o.table:
        p.error("a model, or --table FOLDER")
    bench = Bench(o)
    print(f"{o.t} threads, {o.r} interleaved runs; {cpu_name()}")
    for path in o.models:
        tests = [t for t in ((f"prefill {o.p}", o.p, 512), (f"decode {o.n}", o.n, 1)) if t[1]]
        bench.rates(path, tests, o.d, o.cache_type, o.torch)
    if o.table:
        bench.table(o.table)
    if o.json:
        with open(o.json, "w") as f:
            json.dump({"cpu": cpu_name(), "threads": o.t, "runs": o.r, "results": bench.rows}, f, indent=1)
    if o.markdown:
        with open(o.markdown, "w") as f:
            f.write(bench.markdown())


if __name__ == "__main__":
    sys.exit(main())
