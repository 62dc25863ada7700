"""Writes tests/golden/layers/*.safetensors: layers of PyTorch with their inputs, parameters, results and
gradients. A case's tensors are CASE.NAME (a parameter or buffer), CASE:x0, .. (inputs), CASE:y0, .. (results),
CASE:g0, .. (their cotangents), CASE:dx0, .. and CASE/NAME (gradients), CASE:after.NAME (buffers after a step
in training), CASE:e0, .. (results in eval mode). Needs torch, transformers, safetensors; run from the root."""
import math, os, sys
import torch
from torch import nn
import torch.nn.functional as F
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence
from safetensors.torch import save_file

OUT = "tests/golden/layers"
files = {}


def put(family, key, t):
    files.setdefault(family, {})[key] = t.detach().clone().contiguous()


def case(family, name, module, inputs, call=None, eval_too=False, extra=None):
    """Runs module in training mode (dropout must be 0), keeps all that a test compares."""
    call = call or (lambda m, *x: m(*x))
    for key, t in module.state_dict().items():
        put(family, f"{name}.{key}", t)
    module.train()
    module.zero_grad()
    xs = [x.clone().requires_grad_(True) if x.is_floating_point() else x for x in inputs]
    ys = call(module, *xs)
    ys = [y for y in (ys if isinstance(ys, (tuple, list)) else [ys])]
    gs = [torch.randn_like(y) for y in ys]
    for i, x in enumerate(inputs):
        put(family, f"{name}:x{i}", x)
    for i, (y, g) in enumerate(zip(ys, gs)):
        put(family, f"{name}:y{i}", y)
        put(family, f"{name}:g{i}", g)
    torch.autograd.backward(ys, gs)
    for i, x in enumerate(xs):
        if x.is_floating_point():
            put(family, f"{name}:dx{i}", x.grad if x.grad is not None else torch.zeros_like(x))
    for key, p in module.named_parameters():
        put(family, f"{name}/{key}", p.grad if p.grad is not None else torch.zeros_like(p))
    for key, b in module.named_buffers():
        put(family, f"{name}:after.{key}", b)
    for key, t in (extra or {}).items():
        put(family, f"{name}:{key}", t)
    if eval_too:
        module.eval()
        with torch.no_grad():
            ys = call(module, *inputs)
        for i, y in enumerate(ys if isinstance(ys, (tuple, list)) else [ys]):
            put(family, f"{name}:e{i}", y)


def lively(module):
    """Parameters that are all zeros or ones by default hide mistakes."""
    with torch.no_grad():
        for p in module.parameters():
            if p.ndim < 2 or p.abs().max() == 0:
                p.add_(torch.randn_like(p) * 0.3)
        for n, b in module.named_buffers():
            if n.endswith("running_mean"):
                b.normal_()
            if n.endswith("running_var"):
                b.uniform_(0.5, 2)
    return module


def norms():
    case("norms", "group", lively(nn.GroupNorm(3, 6)), [torch.randn(2, 6, 4, 3)])
    case("norms", "group_plain", nn.GroupNorm(2, 4, affine=False), [torch.randn(3, 4)])
    for dims, shape in ((0, (5, 4)), (1, (3, 4, 5)), (2, (2, 4, 3, 3)), (3, (2, 4, 2, 2, 3))):
        kind = {0: nn.BatchNorm1d, 1: nn.BatchNorm1d, 2: nn.BatchNorm2d, 3: nn.BatchNorm3d}[dims]
        case("norms", f"batch{dims}", lively(kind(4)), [torch.randn(*shape)], eval_too=True)
    case("norms", "batch_cumulative", lively(nn.BatchNorm1d(3, momentum=None)), [torch.randn(4, 3)], eval_too=True)
    case("norms", "batch_momentum", lively(nn.BatchNorm1d(3, momentum=0.3, eps=1e-3)), [torch.randn(4, 3)],
         eval_too=True)
    case("norms", "batch_untracked", lively(nn.BatchNorm1d(3, affine=False, track_running_stats=False)),
         [torch.randn(4, 3)], eval_too=True)
    for dims, shape in ((1, (2, 3, 5)), (2, (2, 3, 3, 4)), (3, (2, 3, 2, 3, 2))):
        kind = {1: nn.InstanceNorm1d, 2: nn.InstanceNorm2d, 3: nn.InstanceNorm3d}[dims]
        case("norms", f"instance{dims}", kind(3), [torch.randn(*shape)], eval_too=True)
        case("norms", f"instance{dims}_tracked", lively(kind(3, affine=True, track_running_stats=True)),
             [torch.randn(*shape)], eval_too=True)
    case("norms", "instance_single", lively(nn.InstanceNorm2d(3, affine=True)), [torch.randn(3, 4, 2)])


def convolutions():
    kinds = {1: (nn.Conv1d, nn.ConvTranspose1d), 2: (nn.Conv2d, nn.ConvTranspose2d), 3: (nn.Conv3d, nn.ConvTranspose3d)}
    shapes = {1: (9,), 2: (6, 5), 3: (4, 5, 4)}
    for d in (1, 2, 3):
        x = torch.randn(2, 4, *shapes[d])
        case("conv", f"conv{d}", kinds[d][0](4, 6, 3, stride=2, padding=1, groups=2), [x])
        case("conv", f"same{d}", kinds[d][0](4, 2, 2, padding="same", dilation=2, bias=False), [x])
        case("conv", f"transposed{d}", kinds[d][1](4, 2, 3, stride=2, padding=1, output_padding=1, groups=2), [x])
    for mode in ("reflect", "replicate", "circular"):
        case("conv", mode, nn.Conv2d(4, 3, (3, 2), padding=(2, 1), padding_mode=mode), [torch.randn(1, 4, 5, 4)])
        case("conv", f"{mode}_same", nn.Conv1d(4, 3, 4, padding="same", padding_mode=mode), [torch.randn(2, 4, 6)])
    case("conv", "single", nn.Conv2d(2, 3, 3), [torch.randn(2, 5, 4)])
    case("conv", "to", nn.ConvTranspose1d(2, 3, 3, stride=3, padding=1), [torch.randn(2, 2, 4)],
         lambda m, x: m(x, output_size=[12]))


def attention():
    def mha(name, m, shapes, n=3, **kw):
        xs = [torch.randn(*s) for s in shapes]
        masks = {k: v for k, v in kw.items() if k in ("key_padding_mask", "attn_mask")}
        case("attention", name, lively(m), xs,
             lambda mod, *x: mod(*(x if len(x) == 3 else x * 3), **kw),
             extra={{"key_padding_mask": "keys", "attn_mask": "scores"}[k]: v for k, v in masks.items()})
    mha("self", nn.MultiheadAttention(8, 2), [(4, 2, 8)])
    mha("self_batch_first", nn.MultiheadAttention(8, 4, batch_first=True), [(2, 5, 8)], average_attn_weights=False)
    mha("single", nn.MultiheadAttention(8, 2), [(4, 8)])
    mha("cross", nn.MultiheadAttention(8, 2, batch_first=True, kdim=6, vdim=5), [(2, 3, 8), (2, 4, 6), (2, 4, 5)])
    mha("cross_same", nn.MultiheadAttention(8, 2, bias=False), [(3, 2, 8), (4, 2, 8), (4, 2, 8)])
    mha("everything", nn.MultiheadAttention(8, 2, add_bias_kv=True, add_zero_attn=True, batch_first=True),
        [(2, 4, 8)], key_padding_mask=torch.tensor([[False, False, True, False], [False, False, False, True]]),
        attn_mask=torch.triu(torch.ones(4, 4, dtype=torch.bool), 1))
    mha("real_masks", nn.MultiheadAttention(8, 2, batch_first=True), [(2, 4, 8)],
        key_padding_mask=torch.randn(2, 4), attn_mask=torch.randn(4, 4, 4))
    mha("bool_per_head", nn.MultiheadAttention(8, 2, add_zero_attn=True), [(3, 2, 8)],
        attn_mask=torch.rand(4, 3, 3) > 0.6)
    causal = torch.triu(torch.ones(4, 4, dtype=torch.bool), 1)
    case("attention", "causal", lively(nn.MultiheadAttention(8, 2)), [torch.randn(4, 2, 8)],
         lambda m, x: m(x, x, x, attn_mask=causal, is_causal=True, need_weights=False)[0])

    def sdpa(name, q, k, v, **kw):
        case("attention", name, nn.Identity(), [q, k, v],
             lambda m, *x: F.scaled_dot_product_attention(*x, **kw),
             extra={"mask": kw["attn_mask"]} if "attn_mask" in kw else None)
    sdpa("sdpa", torch.randn(2, 3, 4, 5), torch.randn(2, 3, 6, 5), torch.randn(2, 3, 6, 7))
    sdpa("sdpa_flat", torch.randn(4, 5), torch.randn(6, 5), torch.randn(6, 3), scale=0.7)
    sdpa("sdpa_causal", torch.randn(2, 4, 5), torch.randn(2, 6, 5), torch.randn(2, 6, 5), is_causal=True)
    sdpa("sdpa_grouped", torch.randn(1, 4, 3, 5), torch.randn(1, 2, 3, 5), torch.randn(1, 2, 3, 5), is_causal=True,
         enable_gqa=True)
    sdpa("sdpa_bool", torch.randn(2, 4, 5), torch.randn(2, 6, 5), torch.randn(2, 6, 5),
         attn_mask=torch.tensor([[True] * 6, [True, False] * 3, [False] * 5 + [True], [True] * 3 + [False] * 3]))
    sdpa("sdpa_real", torch.randn(2, 4, 5), torch.randn(2, 6, 5), torch.randn(2, 6, 5), attn_mask=torch.randn(2, 4, 6))

    class Sinks(nn.Module):  # the published formula of GPT-OSS
        def __init__(self, heads):
            super().__init__()
            self.sinks = nn.Parameter(torch.randn(heads))

        def forward(self, q, k, v):
            s = q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])
            s = s.masked_fill(torch.triu(torch.ones(s.shape[-2:], dtype=torch.bool), 1), float("-inf"))
            s = torch.cat([s, self.sinks.reshape(1, -1, 1, 1).expand(*s.shape[:-1], 1)], -1)
            return s.softmax(-1)[..., :-1] @ v
    case("attention", "sinks", Sinks(2), [torch.randn(2, 2, 4, 5) for _ in range(3)])

    class Capped(nn.Module):  # Gemma 2's
        def forward(self, q, k, v):
            s = torch.tanh(q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1]) / 0.8) * 0.8
            return s.softmax(-1) @ v
    case("attention", "capped", Capped(), [torch.randn(2, 4, 5) for _ in range(3)])


def latent():
    from transformers.models.deepseek_v2 import modeling_deepseek_v2 as v2
    from transformers import DeepseekV2Config
    for name, rank in (("ranked", 6), ("straight", None)):
        cfg = DeepseekV2Config(hidden_size=12, num_attention_heads=2, num_key_value_heads=2, q_lora_rank=rank,
                               kv_lora_rank=8, qk_rope_head_dim=4, qk_nope_head_dim=6, v_head_dim=5,
                               max_position_embeddings=64, attention_bias=rank is not None,
                               attn_implementation="eager")
        m = lively(v2.DeepseekV2Attention(cfg, 0))
        x, T = torch.randn(2, 5, 12), 5
        rope = v2.DeepseekV2RotaryEmbedding(cfg)
        at = rope(x, torch.arange(T)[None])
        mask = torch.triu(torch.full((T, T), float("-inf")), 1)[None, None]
        case("latent", name, m, [x], lambda mod, x: mod(x, attention_mask=mask, position_embeddings=at)[0])


def transformers_():
    for first in (False, True):
        kw = dict(dim_feedforward=12, dropout=0.0, norm_first=first)
        n = "first" if first else "last"
        pad = torch.tensor([[False, False, False, True], [False] * 4])
        causal = torch.triu(torch.ones(4, 4, dtype=torch.bool), 1)
        case("transformer", f"encoder_{n}", lively(nn.TransformerEncoderLayer(8, 2, activation="gelu" if first else "relu", **kw)),
             [torch.randn(4, 2, 8)], lambda m, x: m(x, src_mask=causal, src_key_padding_mask=pad), extra={"keys": pad})
        case("transformer", f"decoder_{n}", lively(nn.TransformerDecoderLayer(8, 2, batch_first=True, **kw)),
             [torch.randn(2, 3, 8), torch.randn(2, 4, 8)],
             lambda m, x, y: m(x, y, tgt_mask=causal[:3, :3], memory_key_padding_mask=pad), extra={"keys": pad})
    m = nn.Transformer(8, 2, 2, 2, 10, dropout=0.0, batch_first=True)
    case("transformer", "whole", lively(m), [torch.randn(1, 4, 8), torch.randn(1, 3, 8)],
         lambda m, s, t: m(s, t, tgt_mask=causal[:3, :3]))

    class Gated(nn.Module):
        def __init__(self, act):
            super().__init__()
            self.linear1, self.linear2, self.act = nn.Linear(4, 12), nn.Linear(6, 4), act

        def forward(self, x):
            a, b = self.linear1(x).chunk(2, -1)
            return self.linear2(self.act(a) * b)
    for name, act in (("glu", torch.sigmoid), ("reglu", F.relu), ("geglu", F.gelu), ("swiglu", F.silu)):
        case("transformer", name, Gated(act), [torch.randn(3, 4)])
    case("transformer", "bilinear", nn.Bilinear(3, 4, 5), [torch.randn(2, 2, 3), torch.randn(2, 2, 4)])


def recurrent():
    def run(name, m, x, *state):
        flat = lambda out: [out[0]] + (list(out[1]) if isinstance(out[1], tuple) else [out[1]])
        def call(mod, x, *s):
            s = s if len(s) != 1 else s[0]
            return flat(mod(x, s) if len(state) else mod(x))
        case("recurrent", name, m, [x, *state], call)
    for name, m in (("tanh", nn.RNN(3, 4)), ("relu", nn.RNN(3, 4, nonlinearity="relu")), ("gru", nn.GRU(3, 4)),
                    ("lstm", nn.LSTM(3, 4))):
        h = [torch.randn(1, 2, 4)] + ([torch.randn(1, 2, 4)] if name == "lstm" else [])
        run(name, m, torch.randn(3, 2, 3), *h)
        run(name + "_no_state", m, torch.randn(2, 2, 3))
    run("lstm_deep", nn.LSTM(3, 4, 2, bidirectional=True, batch_first=True), torch.randn(2, 3, 3),
        torch.randn(4, 2, 4), torch.randn(4, 2, 4))
    run("lstm_projected", nn.LSTM(3, 5, 2, bidirectional=True, proj_size=2), torch.randn(3, 2, 3),
        torch.randn(4, 2, 2), torch.randn(4, 2, 5))
    run("gru_deep", nn.GRU(3, 4, 2, bias=False, bidirectional=True), torch.randn(3, 2, 3), torch.randn(4, 2, 4))
    run("gru_single", nn.GRU(3, 4, batch_first=True), torch.randn(3, 3), torch.randn(1, 4))
    lengths = torch.tensor([3, 5, 1])

    def packed(m, x):
        p = pack_padded_sequence(x, lengths, enforce_sorted=False)
        y, (h, c) = m(p)
        return [pad_packed_sequence(y, total_length=5)[0], h, c]
    case("recurrent", "lstm_lengths", nn.LSTM(3, 4, 2, bidirectional=True), [torch.randn(5, 3, 3)], packed,
         extra={"lengths": lengths})
    case("recurrent", "lstm_cell", nn.LSTMCell(3, 4), [torch.randn(2, 3), torch.randn(2, 4), torch.randn(2, 4)],
         lambda m, x, h, c: list(m(x, (h, c))))
    case("recurrent", "gru_cell", nn.GRUCell(3, 4), [torch.randn(3), torch.randn(4)])
    case("recurrent", "rnn_cell", nn.RNNCell(3, 4, bias=False), [torch.randn(2, 3), torch.randn(2, 4)])


def experts():
    from transformers.models.deepseek_v3 import modeling_deepseek_v3 as v3
    from transformers import DeepseekV3Config
    from transformers.models.mixtral.modeling_mixtral import load_balancing_loss_func

    class Expert(nn.Module):
        def __init__(self, dim, hidden, names=("gate_proj", "up_proj", "down_proj")):
            super().__init__()
            self.names = names
            for n, (i, o) in zip(names, ((dim, hidden), (dim, hidden), (hidden, dim))):
                setattr(self, n, nn.Linear(i, o, bias=False))

        def forward(self, x):
            g, u, d = (getattr(self, n) for n in self.names)
            return d(F.silu(g(x)) * u(x))

    class Moe(nn.Module):
        def __init__(self, names=("gate_proj", "up_proj", "down_proj"), renormalise=True, shared=0):
            super().__init__()
            self.gate = nn.Linear(6, 4, bias=False)
            self.experts = nn.ModuleList(Expert(6, 5, names) for _ in range(4))
            self.renormalise = renormalise
            if shared:
                self.shared_expert, self.shared_expert_gate = Expert(6, shared), nn.Linear(6, 1, bias=False)

        def forward(self, x):
            p = self.gate(x).softmax(-1)
            w, ids = p.topk(2, -1)
            if self.renormalise:
                w = w / w.sum(-1, keepdim=True)
            y = torch.zeros_like(x)
            for i, e in enumerate(self.experts):
                y = y + e(x) * (w * (ids == i)).sum(-1, keepdim=True)
            if hasattr(self, "shared_expert"):
                y = y + self.shared_expert(x) * torch.sigmoid(self.shared_expert_gate(x))
            return y
    mixtral = Moe(("w1", "w3", "w2"))
    x = torch.randn(2, 3, 6)
    logits = mixtral.gate(x).reshape(-1, 4)
    case("experts", "mixtral", mixtral, [x],
         extra={"balance": load_balancing_loss_func((logits,), 4, 2).reshape(1)})
    case("experts", "qwen", Moe(renormalise=False, shared=7), [x])

    cfg = DeepseekV3Config(hidden_size=6, moe_intermediate_size=5, n_routed_experts=8, num_experts_per_tok=3, n_group=4,
                           topk_group=2, n_shared_experts=1, routed_scaling_factor=2.5, norm_topk_prob=True)
    theirs = v3.DeepseekV3MoE(cfg)
    with torch.no_grad():
        for p in theirs.parameters():
            p.normal_(0, 0.4)
        theirs.gate.e_score_correction_bias.uniform_(0, 0.2)
    x = torch.randn(2, 3, 6)
    case("experts", "deepseek", theirs, [x])
    # their experts are one tensor; checkpoints have one for each
    f = files["experts"]
    for prefix in ("deepseek.", "deepseek/"):
        both, down = f.pop(prefix + "experts.gate_up_proj"), f.pop(prefix + "experts.down_proj")
        for i in range(8):
            for n, t in (("gate_proj", both[i, :5]), ("up_proj", both[i, 5:]), ("down_proj", down[i])):
                f[f"{prefix}experts.{i}.{n}.weight"] = t.clone().contiguous()


def positions():
    from transformers.models.t5.modeling_t5 import T5Attention
    from transformers import T5Config
    for name, both in (("both", True), ("causal", False)):
        cfg = T5Config(d_model=8, d_kv=4, num_heads=2, relative_attention_num_buckets=8,
                       relative_attention_max_distance=20, is_decoder=not both)
        m = T5Attention(cfg, has_relative_attention_bias=True)
        bias = m.relative_attention_bias

        class Bias(nn.Module):
            def __init__(self):
                super().__init__()
                self.bias = bias

            def forward(self):
                at = (torch.arange(30)[None, :] - torch.arange(28)[:, None])
                b = T5Attention._relative_position_bucket(at, both, 8, 20)
                return self.bias(b).permute(2, 0, 1)
        case("positions", name, Bias(), [])
    # the published algorithm of ALiBi (arXiv:2108.12409, appendix), for a power of two and another number
    def slopes(n):
        def of_power(n):
            start = 2 ** (-(2 ** -(math.log2(n) - 3)))
            return [start * start ** i for i in range(n)]
        if math.log2(n).is_integer():
            return of_power(n)
        near = 2 ** math.floor(math.log2(n))
        return of_power(near) + slopes(2 * near)[0::2][: n - near]
    for n in (8, 12):
        put("positions", f"slopes{n}", torch.tensor(slopes(n)))
    # Whisper's table
    scaled = torch.arange(6)[:, None] * torch.exp(-math.log(10000) / 3 * torch.arange(4))[None, :]
    put("positions", "halves", torch.cat([scaled.sin(), scaled.cos()], 1))
    at = torch.arange(6)[:, None] / 10000 ** (torch.arange(0, 8, 2) / 8)
    put("positions", "turns", torch.stack([at.sin(), at.cos()], -1).reshape(6, 8))


def basics():
    case("basics", "linear", nn.Linear(6, 5), [torch.randn(2, 3, 6)])
    case("basics", "linear_plain", nn.Linear(6, 5, bias=False), [torch.randn(4, 6)])
    case("basics", "embedding", nn.Embedding(7, 4), [torch.tensor([[3, 0, 6, 3, 3], [1, 6, 0, 2, 3]])])
    case("basics", "layer_norm", lively(nn.LayerNorm(8)), [torch.randn(2, 3, 8)])
    case("basics", "layer_norm_no_bias", lively(nn.LayerNorm(8, eps=1e-3, bias=False)), [torch.randn(5, 8)])
    case("basics", "rms_norm", lively(nn.RMSNorm(8, eps=1e-5)), [torch.randn(2, 3, 8)])

    from transformers import LlamaConfig, Qwen3Config
    from transformers.models.llama import modeling_llama as llama
    from transformers.models.qwen3 import modeling_qwen3 as qwen3
    sizes = dict(hidden_size=12, num_attention_heads=4, head_dim=6, intermediate_size=20, attn_implementation="eager")
    far = torch.arange(5)[:, None] - torch.arange(5)[None]
    for name, cls, rope, cfg, window in (
            ("grouped", llama.LlamaAttention, llama.LlamaRotaryEmbedding,
             LlamaConfig(num_key_value_heads=2, attention_bias=True, **sizes), 5),
            ("single_key", llama.LlamaAttention, llama.LlamaRotaryEmbedding,
             LlamaConfig(num_key_value_heads=1, **sizes), 5),
            ("normed_window", qwen3.Qwen3Attention, qwen3.Qwen3RotaryEmbedding,
             Qwen3Config(num_key_value_heads=2, **sizes), 3)):
        m, x = lively(cls(cfg, 0)), torch.randn(2, 5, 12)
        at = rope(cfg)(x, torch.arange(5)[None])
        mask = torch.zeros(5, 5).masked_fill((far < 0) | (far >= window), float("-inf"))[None, None]
        case("basics", name, m, [x], lambda mod, x: mod(x, attention_mask=mask, position_embeddings=at)[0])
    case("basics", "mlp_gated", llama.LlamaMLP(LlamaConfig(mlp_bias=True, **sizes)), [torch.randn(2, 3, 12)])

    class Mlp(nn.Module):
        def __init__(self):
            super().__init__()
            self.up_proj, self.down_proj = nn.Linear(12, 20), nn.Linear(20, 12)

        def forward(self, x):
            return self.down_proj(F.gelu(self.up_proj(x)))
    case("basics", "mlp", Mlp(), [torch.randn(4, 12)])
    case("basics", "embedding_padded", lively(nn.Embedding(7, 4, padding_idx=3)),
         [torch.tensor([[3, 0, 6, 3, 3], [1, 6, 0, 2, 3]])])


def pooling():
    shapes = {1: (2, 3, 9), 2: (2, 3, 7, 6), 3: (1, 2, 5, 6, 4)}
    for d, shape in shapes.items():
        def of(kind, *a, **kw):
            return getattr(nn, f"{kind}{d}d")(*a, **kw)
        for name, m in (("max", of("MaxPool", 3, stride=2, padding=1, ceil_mode=True)),
                        ("max_dilated", of("MaxPool", 2, stride=1, dilation=2)),
                        ("avg", of("AvgPool", 3, stride=2, padding=1)),
                        ("avg_inside", of("AvgPool", 3, stride=2, padding=1, ceil_mode=True, count_include_pad=False)),
                        ("lp", of("LPPool", 2, 3, stride=1)),
                        ("adaptive_max", of("AdaptiveMaxPool", 3)), ("adaptive_avg", of("AdaptiveAvgPool", 3))):
            case("pooling", f"{name}{d}", m, [torch.randn(*shape)], eval_too=True)
        for mode in ("nearest", "nearest-exact", "area"):
            case("pooling", f"{mode}{d}", nn.Upsample(scale_factor=2, mode=mode), [torch.randn(*shape)[:1]])
        smooth = {1: "linear", 2: "bilinear", 3: "trilinear"}[d]
        for corners in (False, True):
            case("pooling", f"linear{d}{'_corners' if corners else ''}",
                 nn.Upsample(size=[n + 2 for n in shape[2:]], mode=smooth, align_corners=corners),
                 [torch.randn(*shape)[:1]])
    case("pooling", "cubic", nn.Upsample(scale_factor=1.5, mode="bicubic"), [torch.randn(1, 2, 5, 4)])
    # values that come twice show which place is taken
    for name, shape, kernel, kw in (("fractional_size2", (2, 3, 9, 8), (2, 3), {"output_size": (4, 5)}),
                                    ("fractional_ratio2", (3, 7, 10), 2, {"output_ratio": (0.5, 0.7)}),
                                    ("fractional_size3", (2, 2, 5, 6, 7), (2, 3, 2), {"output_size": (3, 1, 4)}),
                                    ("fractional_ratio3", (2, 6, 5, 8), 2, {"output_ratio": (0.6, 0.5, 0.4)})):
        d = int(name[-1])
        x = torch.randint(0, 6, shape).float()
        samples = torch.rand(shape[0] if len(shape) == d + 2 else 1, shape[-d - 1], d)
        run = lambda x, i=False: getattr(F, f"fractional_max_pool{d}d")(x, kernel, return_indices=i,
                                                                        _random_samples=samples, **kw)
        case("pooling", name, nn.Identity(), [x], lambda m, x: run(x),
             extra={"samples": samples, "indices": run(x, True)[1].float()})


def reparametrized():
    from torch.nn.utils.parametrizations import spectral_norm, weight_norm
    for name, m, dim, x in (("weight0", nn.Linear(4, 5), 0, (3, 4)), ("weight1", nn.Conv1d(3, 4, 2), 1, (2, 3, 5)),
                            ("weight2", nn.Conv1d(3, 4, 2), 2, (2, 3, 5)), ("weight_all", nn.Linear(4, 5), None, (3, 4))):
        m = weight_norm(m, dim=dim)
        with torch.no_grad():
            m.parametrizations.weight.original0.add_(0.5)
        case("reparametrized", name, m, [torch.randn(*x)])
    for name, m, x, kw in (("spectral", nn.Linear(4, 5), (3, 4), {}),
                           ("spectral_twice", nn.Conv1d(3, 4, 2), (2, 3, 5), {"n_power_iterations": 2}),
                           ("spectral_transposed", nn.ConvTranspose1d(3, 4, 2), (2, 3, 5), {})):
        m = spectral_norm(m, **kw)
        with torch.no_grad():  # far from what the power method was begun with
            m.parametrizations.weight.original.normal_()
        x = torch.randn(*x)
        case("reparametrized", name, m, [x], lambda mod, x: [mod(x), mod(2 * x)], eval_too=True)
        # one step of gradient descent, then two forwards more
        m.train()
        with torch.no_grad():
            for p in m.parameters():
                p.sub_(0.1 * p.grad)
        put("reparametrized", f"{name}:s0", m(x))
        put("reparametrized", f"{name}:s1", m(x))
        for key in ("_u", "_v"):
            put("reparametrized", f"{name}:stepped{key}", m.parametrizations.weight[0].get_buffer(key))


if __name__ == "__main__":
    os.makedirs(OUT, exist_ok=True)
    for f in (norms, convolutions, attention, latent, transformers_, recurrent, experts, positions, basics, pooling,
              reparametrized):
        torch.manual_seed(7)
        f()
    for family, tensors in files.items():
        save_file(tensors, f"{OUT}/{family}.safetensors")
    print(sum(os.path.getsize(f"{OUT}/{f}.safetensors") for f in files), "bytes")
