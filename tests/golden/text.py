#!/usr/bin/env python3
"""Makes tests/golden/text: small tokenisers and the ids that the reference gives.

Needs the Python packages tokenizers, gguf, numpy and llama-cpp-python.
NAME.json   a tokenizer.json (byte-level BPE trained on the strings below)
NAME.gguf   a GGUF with that vocabulary, or with a SentencePiece one
NAME.cases  [u32 bytes, text, u32 flags, u32 count, i32 ids]*; flags: 1 special tokens, 2 edges
"""
import json
import os
import io
import random
import struct
import unicodedata

import gguf
import llama_cpp
import numpy as np
import sentencepiece
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

OUT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "text")
QWEN = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
        r"|\s*[\r\n]+|\s+(?!\S)|\s+")
LLAMA3 = QWEN.replace(r"\p{N}|", r"\p{N}{1,3}|")

TEXTS = [
    "", " ", "  ", "   ", "\n", "\n\n", " \n", "\n ", "\t", "\r\n", "\r\n\r\n  x", "a", " a", "  a", "a ", "a  ",
    "Hello world", "Hello, world! How are you today?", "hello\nworld", "hello \n world", "hello\n\n\nworld",
    "I'm sure they're, we've, you'll, he'd, it's, don't", "I'M SURE THEY'RE WE'VE YOU'LL HE'D IT'S DON'T", "''s ''ll 'x '",
    "'\u017f '\u017fe x'\u017f", "\u2019s it\u2019s", "1", "12", "123", "1234", "12345", " 12345 6789", "3.14159", "1,000,000",
    "x1y22z333", "\u0661\u0662\u0663\u0664", "\u2160\u2161 \u00bd \u00b2\u00b3\u00b9", "\u4e00\u4e8c\u4e09", "a1b2 c3",
    "def f(x):\n    return x + 1\n\n\nclass A:\n\tpass\n", "if (a != b) { c++; }  // note", "<html><body>&nbsp;</body></html>",
    "foo_bar __init__ snake_case camelCase", "e-mail@example.com https://example.com/a?b=c&d=%20#f", "...!!!???---***",
    "$100 + 20% = <120> ~ ^_^ |x| `y`", "caf\u00e9 na\u00efve \u00fcber stra\u00dfe", "cafe\u0301 nai\u0308ve u\u0308ber",
    "\u1e9b\u0323 \u1e9b\u0307\u0323 q\u0323\u0307 q\u0307\u0323", "\u212b \u2126 \u00c5 A\u030a", "\uac00\uac01 \u1100\u1161\u11a8",
    "\u0915\u094d\u0937\u093f \u0939\u093f\u0928\u094d\u0926\u0940", "\u05e9\u05dc\u05d5\u05dd \u05e2\u05d5\u05dc\u05dd",
    "\u0645\u0631\u062d\u0628\u0627 \u0628\u0627\u0644\u0639\u0627\u0644\u0645", "\u4f60\u597d\uff0c\u4e16\u754c\uff01", "\u3053\u3093\u306b\u3061\u306f\u4e16\u754c \u30c6\u30b9\u30c8",
    "\ud55c\uad6d\uc5b4 \ud14d\uc2a4\ud2b8", "\u041f\u0440\u0438\u0432\u0435\u0442, \u043c\u0438\u0440!", "\u0395\u03bb\u03bb\u03b7\u03bd\u03b9\u03ba\u03ac",
    "\U0001f600 \U0001f44d\U0001f3fd \U0001f468\u200d\U0001f469\u200d\U0001f467 \U0001f1e9\U0001f1ea", "a\u00a0b\u2003c\u3000d\u2028e\u0085f\u200bg\ufeffh",
    "\x00\x01\x02\x1b[31m\x7f", "\x1c\x1d\x1e\x1f", "a\x0bb\x0cc", " \u00a0 \u00a0x", "\u00a0 x", " \n \n x", "\n\r\n\r x",
    "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n", "<|im_start|", "<<|im_start|>>", "<|im_end|><|im_end|>",
    "<s>[INST] x [/INST]</s>", "word<|endoftext|>word", "\u2581a \u2581\u2581b", "a" * 300, " " * 100, "\n" * 50, "ab" * 100,
    "!" * 65 + "x", "\U0001f600" * 20, "0" * 40, "\u0301" * 30, "a\u0301\u0327" * 10, "The quick brown fox jumps over the lazy dog. " * 3,
    "  <tool> x </tool>  y", "<tool><tool>", "x<mask>y", "x  <mask>  y", "In 1998, the U.S. spent $3.5bn (2.1%).", "\ufffd", "\U0010ffff\ue000",
]


def varied(n, seed):
    """Random strings over the alphabets where pre-tokenisers differ."""
    r = random.Random(seed)
    pools = ["abcdefghij", "  \t\n\r\u00a0\u3000", "0123456789\u0661\u00b2", "'!.,-_<>$#(", "\u00e9\u017f\u0130\u4e2d\u3042\u05d0",
             "\u0301\u0323\u0327\u094d", ["'s", "'LL", "'re", " the", "ing ", "<|im_end|>", "\U0001f600"]]
    for _ in range(n):
        yield "".join(r.choice(r.choice(pools)) for _ in range(r.randrange(1, 40)))


def build(name, pre, post=None, normalizer=None, ignore_merges=False, vocab=640, added=()):
    tok = Tokenizer(models.BPE(ignore_merges=ignore_merges))
    tok.pre_tokenizer = pre
    tok.decoder = decoders.ByteLevel()
    if normalizer:
        tok.normalizer = normalizer
    trainer = trainers.BpeTrainer(vocab_size=vocab, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False,
                                  special_tokens=["<|endoftext|>", "<|im_start|>", "<|im_end|>"])
    tok.train_from_iterator(TEXTS + [unicodedata.normalize("NFKD", x) for x in TEXTS], trainer)
    for a in added:
        tok.add_tokens([a])
    tok.post_processor = post or processors.ByteLevel(trim_offsets=False)
    path = os.path.join(OUT, name + ".json")
    tok.save(path)
    with open(path) as f:
        data = json.load(f)
    with open(path, "w") as f:
        json.dump(data, f, ensure_ascii=True, indent=None, separators=(",", ":"))
    tok = Tokenizer.from_file(path)
    with open(os.path.join(OUT, name + ".cases"), "wb") as f:
        for text in TEXTS + list(varied(300, name)):
            case(f, text, 1, tok.encode(text, add_special_tokens=False).ids)
            if post:
                case(f, text, 3, tok.encode(text).ids)
    return data


def build_fallback(name, normalizer, pre):
    """As Llama 2's and Mistral's: characters, byte fallback, spaces as U+2581."""
    byte = [f"<0x{i:02X}>" for i in range(256)]
    tok = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    tok.pre_tokenizer = pre_tokenizers.Metaspace(split=True)
    trainer = trainers.BpeTrainer(vocab_size=760, special_tokens=["<unk>", "<s>", "</s>"] + byte, show_progress=False,
                                  limit_alphabet=150)
    tok.train_from_iterator([x.replace("\0", "") for x in TEXTS], trainer)
    data = json.loads(tok.to_str())
    data["added_tokens"] = [a for a in data["added_tokens"] if a["id"] < 3]
    tok = Tokenizer.from_str(json.dumps(data))
    if normalizer:
        tok.normalizer = normalizer
    tok.pre_tokenizer = pre or pre_tokenizers.Metaspace()
    tok.decoder = decoders.Sequence([decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    tok.post_processor = processors.TemplateProcessing(single="<s> $A", pair="<s> $A <s> $B", special_tokens=[("<s>", 1)])
    data = json.loads(tok.to_str())
    if not pre:
        data["pre_tokenizer"] = None
    text = json.dumps(data, ensure_ascii=True, separators=(",", ":"))
    with open(os.path.join(OUT, name + ".json"), "w") as f:
        f.write(text)
    tok = Tokenizer.from_str(text)
    with open(os.path.join(OUT, name + ".cases"), "wb") as f:
        for text in TEXTS + list(varied(200, name)):
            case(f, text, 1, tok.encode(text, add_special_tokens=False).ids)
            case(f, text, 3, tok.encode(text).ids)


def case(f, text, flags, ids):
    raw = text.encode()
    f.write(struct.pack("<I", len(raw)) + raw + struct.pack(f"<II{len(ids)}i", flags, len(ids), *ids))


def write_gguf(name, model, tokens, types, extra, merges=None, scores=None, pre=None):
    w = gguf.GGUFWriter(os.path.join(OUT, name + ".gguf"), "llama")
    w.add_tokenizer_model(model)
    if pre:
        w.add_tokenizer_pre(pre)
    w.add_token_list(tokens)
    w.add_token_types(types)
    if merges is not None:
        w.add_token_merges(merges)
    if scores is not None:
        w.add_token_scores(scores)
    for key, value in extra.items():
        (w.add_bool if isinstance(value, bool) else w.add_string if isinstance(value, str) else w.add_uint32)(key, value)
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()
    reference = llama_cpp.Llama(os.path.join(OUT, name + ".gguf"), vocab_only=True, verbose=False)
    with open(os.path.join(OUT, name + "-gguf.cases"), "wb") as f:
        for i, text in enumerate(TEXTS + list(varied(150, name + "g"))):
            # With special tokens llama.cpp's order of cutting differs from leftmost-longest; these strings have no overlaps.
            flags = (0, 1, 3)[i % 3]
            case(f, text, flags, reference.tokenize(text.encode(), add_bos=flags > 1, special=bool(flags & 1)))


def gguf_from(data, name, pre, **extra):
    vocab = data["model"]["vocab"]
    special = {a["content"]: 3 if a["special"] else 4 for a in data["added_tokens"]}
    names = sorted(set(vocab) | set(special), key=lambda x: vocab.get(x) if x in vocab else
                   next(a["id"] for a in data["added_tokens"] if a["content"] == x))
    merges = [m if isinstance(m, str) else " ".join(m) for m in data["model"]["merges"]]
    write_gguf(name, "gpt2", names, [special.get(x, 1) for x in names],
               {"tokenizer.ggml.bos_token_id": 1, "tokenizer.ggml.eos_token_id": 2, **extra}, merges, pre=pre)


def sentencepiece_gguf():
    out = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(x.replace("\0", "") for x in TEXTS if x), model_writer=out, vocab_size=560, model_type="bpe",
        byte_fallback=True, character_coverage=0.98, normalization_rule_name="identity", remove_extra_whitespaces=False,
        user_defined_symbols=["<tool>", "</tool>"], minloglevel=2)
    sp = sentencepiece.SentencePieceProcessor(model_proto=out.getvalue())
    kind = lambda i: 2 if sp.is_unknown(i) else 3 if sp.is_control(i) else 6 if sp.is_byte(i) else 4 if i in (3, 4) else 1
    n = sp.get_piece_size()
    write_gguf("spm", "llama", [sp.id_to_piece(i) for i in range(n)], [kind(i) for i in range(n)],
               {"tokenizer.ggml.bos_token_id": 1, "tokenizer.ggml.eos_token_id": 2, "tokenizer.ggml.unknown_token_id": 0,
                "tokenizer.ggml.add_eos_token": True}, scores=[sp.get_score(i) for i in range(n)])


def chain():
    """A Llama whose layers do nothing and whose head names, for each token, the one that follows it."""
    tokens = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "A", "\u0120B", "\u0120C", "\u0120D", "x", "\u00f0", "\u0141", "\u013a",
              "\u0122", "!", "S", "go", "hello\u0120ST", "OP", "\u0120never", "n", "ST", "AR", "Ax", "B", "C", "D", "E", "F", "G", "H", "I",
              "J", "K"]
    follows = {3: 4, 4: 5, 5: 6, 6: 2, 7: 7, 13: 8, 8: 9, 9: 10, 10: 11, 11: 12, 14: 15, 15: 16, 16: 17, 17: 17, 18: 19, 19: 20}
    n = dim = 32
    code = np.array([[1 - 2 * (bin(i & j).count("1") % 2) for j in range(dim)] for i in range(n)], np.float32)  # orthogonal rows
    head = np.zeros((n, dim), np.float32)
    for i in range(n):
        head[follows.get(i, 2)] += code[i]
    w = gguf.GGUFWriter(os.path.join(OUT, "chain.gguf"), "llama")
    w.add_context_length(256)
    w.add_embedding_length(dim)
    w.add_block_count(1)
    w.add_feed_forward_length(dim)
    w.add_head_count(2)
    w.add_head_count_kv(2)
    w.add_rope_dimension_count(dim // 2)
    w.add_layer_norm_rms_eps(1e-5)
    w.add_vocab_size(n)
    w.add_tokenizer_model("gpt2")
    w.add_tokenizer_pre("gpt-2")
    w.add_token_list(tokens)
    w.add_token_types([3, 3, 3] + [1] * (n - 3))
    w.add_token_merges(["A x"])
    w.add_bos_token_id(1)
    w.add_eos_token_id(2)
    w.add_tensor("token_embd.weight", code)
    w.add_tensor("output.weight", head)
    w.add_tensor("output_norm.weight", np.ones(dim, np.float32))
    for name in ("attn_norm", "ffn_norm"):
        w.add_tensor(f"blk.0.{name}.weight", np.ones(dim, np.float32))
    for name in ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"):
        w.add_tensor(f"blk.0.{name}.weight", np.zeros((dim, dim), np.float16))
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


def main():
    os.makedirs(OUT, exist_ok=True)
    level = pre_tokenizers.ByteLevel
    build("gpt2", level(add_prefix_space=False))
    build("roberta", level(add_prefix_space=True),
          post=processors.RobertaProcessing(("<|im_end|>", 2), ("<|im_start|>", 1), add_prefix_space=True),
          added=[AddedToken("<mask>", lstrip=True, special=True), AddedToken("<tool>", rstrip=True, normalized=False)])
    smollm = build("smollm", pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), level(add_prefix_space=False)]))
    llama3 = build("llama3", pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(LLAMA3), "isolated"),
                                                      level(add_prefix_space=False, use_regex=False)]), ignore_merges=True,
          post=processors.Sequence([processors.ByteLevel(trim_offsets=False), processors.TemplateProcessing(
              single="<|im_start|> $A", pair="<|im_start|> $A <|im_start|> $B", special_tokens=[("<|im_start|>", 1)])]))
    qwen2 = build("qwen2", pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(QWEN), "isolated"),
                                                    level(add_prefix_space=False, use_regex=False)]), normalizer=normalizers.NFC(),
          added=[AddedToken("<tool>", normalized=False), AddedToken("</tool>", normalized=False)])
    build_fallback("llama2", normalizers.Sequence([normalizers.Prepend("\u2581"), normalizers.Replace(" ", "\u2581")]), None)
    build_fallback("mistral", None, pre_tokenizers.Metaspace(prepend_scheme="first", split=False))
    template = ("{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}{{ '<|im_start|>system\nYou are wick."
                "<|im_end|>\n' }}{% endif %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}"
                "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}")
    gguf_from(smollm, "smollm", "smollm", **{"tokenizer.chat_template": template})
    gguf_from(llama3, "llama3", "llama-bpe")
    gguf_from(qwen2, "qwen2", "qwen2", **{"tokenizer.ggml.add_bos_token": False})
    gguf_from(smollm, "default", "default")
    sentencepiece_gguf()
    chain()


if __name__ == "__main__":
    main()
