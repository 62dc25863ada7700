"""Writes tests/golden/models: tiny random models and what transformers computes with them.

usage: python3 models.py        needs torch, transformers, safetensors, gguf

NAME/ is a Hugging Face folder, NAME.gguf a GGUF file; NAME.expected.safetensors holds tokens [T], logits [T, vocab] and,
for some, the loss (mean cross entropy of the next token) and its gradient by every parameter, as grad.PARAMETER; of
dynamic NTK also short, the logits of as many tokens as it was trained for, which turn otherwise.
"""
import json
import os
import shutil

import gguf
import numpy as np
import torch
from safetensors.numpy import save_file
from transformers import (GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM, MistralConfig,
                          MistralForCausalLM, Qwen2Config, Qwen2ForCausalLM, Qwen3Config, Qwen3ForCausalLM)

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "models")
T, VOCAB, SHORT = 24, 48, 10
SIZES = dict(vocab_size=VOCAB, hidden_size=32, intermediate_size=32, num_hidden_layers=2, num_attention_heads=4,
             num_key_value_heads=2, max_position_embeddings=64, initializer_range=0.25, bos_token_id=1, eos_token_id=2,
             pad_token_id=0)


def rope(kind, **more):
    return dict(rope_parameters=dict(rope_type=kind, rope_theta=100.0, **more), head_dim=16)


def factors(low, high):
    return [float(x) for x in np.linspace(low, high, 8)]


LLAMA3 = rope("llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=32)
YARN = rope("yarn", factor=4.0, original_max_position_embeddings=16)
LINEAR = rope("linear", factor=4.0)
MODELS = {
    "llama": (LlamaForCausalLM, LlamaConfig(**SIZES)),
    "llama-tied": (LlamaForCausalLM, LlamaConfig(**SIZES, tie_word_embeddings=True, attention_bias=True, mlp_bias=True)),
    "llama-llama3": (LlamaForCausalLM, LlamaConfig(**SIZES, **LLAMA3)),
    "llama-yarn": (LlamaForCausalLM, LlamaConfig(**SIZES, **YARN)),
    "llama-linear": (LlamaForCausalLM, LlamaConfig(**SIZES, **LINEAR)),
    "llama-dynamic": (LlamaForCausalLM, LlamaConfig(**SIZES, **rope("dynamic", factor=2.0))),
    "llama-longrope-short": (LlamaForCausalLM, LlamaConfig(**SIZES, **rope(
        "longrope", factor=4.0, short_factor=factors(1, 2), long_factor=factors(2, 6),
        original_max_position_embeddings=32))),
    "llama-longrope-long": (LlamaForCausalLM, LlamaConfig(**SIZES, **rope(
        "longrope", factor=4.0, short_factor=factors(1, 2), long_factor=factors(2, 6),
        original_max_position_embeddings=16))),
    "llama-bf16": (LlamaForCausalLM, LlamaConfig(**SIZES)),
    "mistral": (MistralForCausalLM, MistralConfig(**SIZES, sliding_window=7)),
    "qwen2": (Qwen2ForCausalLM, Qwen2Config(**SIZES, use_sliding_window=True, sliding_window=5, max_window_layers=1)),
    "qwen3": (Qwen3ForCausalLM, Qwen3Config(**SIZES, head_dim=16)),
    "gpt2": (GPT2LMHeadModel, GPT2Config(vocab_size=VOCAB, n_positions=32, n_embd=32, n_layer=2, n_head=4, n_inner=64,
                                         initializer_range=0.25, bos_token_id=1, eos_token_id=2)),
    "llama-dynamic-long": (LlamaForCausalLM, LlamaConfig(**{**SIZES, "max_position_embeddings": SHORT, "hidden_size": 16},
                                                         **rope("dynamic", factor=2.0))),
}
GRADIENTS = ("llama", "gpt2")


def randomise(model):
    """Biases and norms too must matter."""
    with torch.no_grad():
        for name, p in model.named_parameters():
            if p.dim() == 1:
                p.add_(torch.randn_like(p) * 0.2)


def expect(name, model, tokens, gradients=False):
    # before the longer text: the frequencies of its length stay for one that is not shorter than max_position_embeddings
    short = model(tokens[None, :SHORT]).logits[0] if name == "llama-dynamic-long" else None
    logits = model(tokens[None]).logits[0]
    out = {"tokens": tokens.numpy(), "logits": logits.detach().numpy()}
    if short is not None:
        out["short"] = short.detach().numpy()
    if gradients:
        loss = torch.nn.functional.cross_entropy(logits[:-1], tokens[1:])
        loss.backward()
        out["loss"] = loss.detach().numpy().reshape(1)
        for key, p in model.named_parameters():
            out["grad." + key] = p.grad.numpy()
    save_file({k: np.ascontiguousarray(v) for k, v in out.items()}, os.path.join(HERE, name + ".expected.safetensors"))


def make_folder(name, model):
    folder = os.path.join(HERE, name)
    model.save_pretrained(folder)
    os.remove(os.path.join(folder, "generation_config.json"))
    path = os.path.join(folder, "config.json")
    config = json.load(open(path))
    for key in ("transformers_version", "_name_or_path"):
        config.pop(key, None)
    if name == "llama-llama3":  # the older form of the configuration
        scaling = config.pop("rope_parameters")
        config["rope_theta"] = scaling.pop("rope_theta")
        config["rope_scaling"] = scaling
    json.dump(config, open(path, "w"), indent=1, sort_keys=True)


# ---- GGUF ----

LLAMA_NAMES = {"model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output"}
LAYER_NAMES = {"input_layernorm": "attn_norm", "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k",
               "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output", "self_attn.q_norm": "attn_q_norm",
               "self_attn.k_norm": "attn_k_norm", "post_attention_layernorm": "ffn_norm", "mlp.gate_proj": "ffn_gate",
               "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down"}
GPT2_NAMES = {"transformer.wte": "token_embd", "transformer.wpe": "position_embd", "transformer.ln_f": "output_norm"}
GPT2_LAYERS = {"ln_1": "attn_norm", "attn.c_attn": "attn_qkv", "attn.c_proj": "attn_output", "ln_2": "ffn_norm",
               "mlp.c_fc": "ffn_up", "mlp.c_proj": "ffn_down"}


def gguf_name(key):
    stem, end = key.rsplit(".", 1)
    for top, names, layers in (("model.layers.", LLAMA_NAMES, LAYER_NAMES), ("transformer.h.", GPT2_NAMES, GPT2_LAYERS)):
        if stem in names:
            return f"{names[stem]}.{end}"
        if stem.startswith(top):
            layer, rest = stem[len(top):].split(".", 1)
            return f"blk.{layer}.{layers[rest]}.{end}"
    raise KeyError(key)


def interleave(w, heads):
    """Rows of each head from halves (i, i + d/2) to pairs (2i, 2i + 1)."""
    return w.reshape(heads, 2, -1, *w.shape[1:]).swapaxes(1, 2).reshape(w.shape)


def undo(w, heads):
    return w.reshape(heads, -1, 2, *w.shape[1:]).swapaxes(1, 2).reshape(w.shape)


def make_gguf(name, model, arch, tokens, kind=None, rope_freqs=None, meta=()):
    config = model.config
    w = gguf.GGUFWriter(os.path.join(HERE, name + ".gguf"), arch)
    w.add_name(name)
    w.add_uint32(f"{arch}.context_length", config.max_position_embeddings)
    w.add_uint32(f"{arch}.embedding_length", config.hidden_size)
    w.add_uint32(f"{arch}.block_count", config.num_hidden_layers)
    w.add_uint32(f"{arch}.attention.head_count", config.num_attention_heads)
    w.add_uint32(f"{arch}.vocab_size", VOCAB)
    if arch == "gpt2":
        w.add_uint32("gpt2.feed_forward_length", config.n_inner)
        w.add_float32("gpt2.attention.layer_norm_epsilon", config.layer_norm_epsilon)
    else:
        w.add_uint32(f"{arch}.feed_forward_length", config.intermediate_size)
        w.add_uint32(f"{arch}.attention.head_count_kv", config.num_key_value_heads)
        w.add_float32(f"{arch}.attention.layer_norm_rms_epsilon", config.rms_norm_eps)
        w.add_float32(f"{arch}.rope.freq_base", config.rope_parameters["rope_theta"])
        head_dim = model.model.layers[0].self_attn.head_dim
        w.add_uint32(f"{arch}.attention.key_length", head_dim)
        w.add_uint32(f"{arch}.rope.dimension_count", head_dim)
    for key, value in meta:
        add = w.add_string if isinstance(value, str) else w.add_uint32 if isinstance(value, int) else w.add_float32
        add(f"{arch}.{key}", value)
    if rope_freqs is not None:
        w.add_tensor("rope_freqs.weight", rope_freqs)
    with torch.no_grad():
        for key, p in model.named_parameters():
            x, heads = p.numpy(), 0
            if arch == "llama" and ("q_proj" in key or "k_proj" in key):
                heads = config.num_attention_heads if "q_proj" in key else config.num_key_value_heads
                x = interleave(x, heads)
            if arch == "gpt2" and x.ndim == 2 and ".h." in key:
                x = x.T
            x = np.ascontiguousarray(x)
            if kind is None or x.ndim == 1:
                w.add_tensor(gguf_name(key), x)
                continue
            data = gguf.quants.quantize(x, kind)
            w.add_tensor(gguf_name(key), data, raw_dtype=kind)
            x = gguf.quants.dequantize(data, kind)
            p.copy_(torch.from_numpy(np.ascontiguousarray(undo(x, heads) if heads else x)))
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()
    if kind is not None:
        expect(name, model, tokens)


def main():
    shutil.rmtree(HERE, ignore_errors=True)
    os.makedirs(HERE)
    made = {}
    for i, (name, (cls, config)) in enumerate(MODELS.items()):
        torch.manual_seed(i + 1)
        config._attn_implementation = "eager"
        model = cls(config).eval()
        randomise(model)
        tokens = torch.randint(3, VOCAB, (T,))
        if name == "llama-bf16":  # rounds the weights alone; the rotary frequencies stay as they are
            make_folder(name, model.to(torch.bfloat16))
            model = cls.from_pretrained(os.path.join(HERE, name), dtype=torch.float32, attn_implementation="eager")
        else:
            make_folder(name, model)
        expect(name, model, tokens, name in GRADIENTS)
        made[name] = model, tokens
    q = gguf.GGMLQuantizationType
    for name, arch in (("llama", "llama"), ("qwen3", "qwen3"), ("gpt2", "gpt2"), ("llama-tied", "llama")):
        make_gguf(name, made[name][0], arch, made[name][1])
    model, tokens = made["llama-linear"]
    make_gguf("llama-linear", model, "llama", tokens, meta=[("rope.scaling.type", "linear"), ("rope.scaling.factor", 4.0)])
    model, tokens = made["llama-yarn"]
    make_gguf("llama-yarn", model, "llama", tokens, meta=[
        ("rope.scaling.type", "yarn"), ("rope.scaling.factor", 4.0), ("rope.scaling.original_context_length", 16)])
    model, tokens = made["llama-llama3"]
    base = 1 / 100.0 ** (np.arange(8) / 8)
    scaled = model.model.rotary_emb.inv_freq.numpy()
    make_gguf("llama-llama3", model, "llama", tokens, rope_freqs=(base / scaled).astype(np.float32))
    model, tokens = made["qwen2"]  # GGUF has no per-layer windows for it
    model.config.use_sliding_window, model.config.layer_types = False, ["full_attention"] * 2
    plain = Qwen2ForCausalLM(Qwen2Config(**SIZES)).eval()
    plain.load_state_dict(model.state_dict())
    make_gguf("qwen2", plain, "qwen2", tokens)
    expect("qwen2-gguf", plain, tokens)
    make_gguf("llama-q8_0", made["llama"][0], "llama", made["llama"][1], q.Q8_0)
    make_gguf("llama-q4_0", made["llama-bf16"][0], "llama", made["llama-bf16"][1], q.Q4_0)
    for folder, _, files in os.walk(HERE):
        for file in files:
            os.chmod(os.path.join(folder, file), 0o644)


if __name__ == "__main__":
    main()
