"""Compares wick with transformers on a real GGUF model: KL divergence of the next-token distributions and greedy texts.

usage: python3 tests/kl.py --wick build/wick [--llama] MODEL.gguf    needs torch, transformers, accelerate, gguf, numpy

The reference computes in f32 on the dequantised weights. Five texts of 200 tokens: mean KL(reference || wick) at most
1e-5 with --precise and at most 3e-3 by default; five prompts: the text of the first 32 greedy tokens of
--precise equals the reference's. --llama (needs llama-cpp-python): llama.cpp's mean KL too, which wick's default must
not exceed. Not part of tests/run.sh, since it needs a real model and Python packages.
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile

import numpy as np
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

TEXTS = [
    "The history of the steam engine begins long before the railways. In the first century Hero of Alexandria described "
    "a small vessel that turned when water boiled inside it, a toy without a use. It took another sixteen hundred years "
    "until miners, who had to keep deep shafts dry, found that steam could lift water. Thomas Newcomen built an engine "
    "whose piston was pushed down by the weight of the air after the steam beneath it had been cooled. It was slow, it "
    "burned mountains of coal, and it worked. James Watt, a maker of instruments in Glasgow, was given a model of it to "
    "repair and saw that most of the heat was lost in warming the cylinder again and again. He added a second vessel in "
    "which the steam was condensed, so that the cylinder stayed hot, and with that one change the engine used a quarter "
    "of the coal. Factories no longer had to stand beside rivers; they could be built wherever coal could be brought. "
    "Within two generations the new machines had moved from the mine to the mill, from the mill to the ship and to the "
    "rails, and the country had changed more than in the thousand years before.",
    "def merge_sort(items):\n    \"\"\"Sorts a list by splitting it in the middle.\"\"\"\n    if len(items) < 2:\n"
    "        return items\n    middle = len(items) // 2\n    left = merge_sort(items[:middle])\n    right = "
    "merge_sort(items[middle:])\n    result = []\n    i = j = 0\n    while i < len(left) and j < len(right):\n        if "
    "left[i] <= right[j]:\n            result.append(left[i])\n            i += 1\n        else:\n            result."
    "append(right[j])\n            j += 1\n    return result + left[i:] + right[j:]\n\n\nclass Stack:\n    def "
    "__init__(self):\n        self.items = []\n\n    def push(self, item):\n        self.items.append(item)\n\n    def "
    "pop(self):\n        if not self.items:\n            raise IndexError('pop from an empty stack')\n        return "
    "self.items.pop()\n\n    def __len__(self):\n        return len(self.items)\n\n\nif __name__ == '__main__':\n    "
    "print(merge_sort([5, 2, 9, 1, 5, 6]))\n",
    "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\nWhy is the sky blue, and why is it red "
    "in the evening?<|im_end|>\n<|im_start|>assistant\nSunlight looks white, but it is a mixture of all colours. When it "
    "enters the atmosphere it meets molecules of nitrogen and oxygen, which are much smaller than the wavelength of "
    "light. They scatter short waves far more strongly than long ones, so blue light is sent in all directions and "
    "reaches our eyes from every part of the sky. In the evening the sun stands low and its light takes a much longer "
    "way through the air. Most of the blue has been scattered aside before it arrives, and what remains is orange and "
    "red.<|im_end|>\n<|im_start|>user\nAnd why are clouds white?<|im_end|>\n<|im_start|>assistant\nThe droplets in a "
    "cloud are much larger than the wavelength of light. They scatter all colours about equally, so the light that comes "
    "out of a cloud is as white as the light that went in. Where a cloud is very thick, less light gets through, and its "
    "underside looks grey.<|im_end|>\n",
    "Recipe for a plain loaf of bread. You need 500 grams of flour, 320 millilitres of water, 10 grams of salt and 7 "
    "grams of dry yeast. 1. Mix flour, salt and yeast in a large bowl, add the water and stir until no dry flour is "
    "left. 2. Knead the dough on a floured table for ten minutes; it should become smooth and spring back when you press "
    "it. 3. Cover the bowl and let the dough rise for 90 minutes at 22 to 24 degrees, until it has doubled. 4. Shape a "
    "loaf, put it on a sheet of baking paper and let it rise for another 40 minutes. 5. Heat the oven to 230 degrees and "
    "put a small dish of hot water on its floor. 6. Cut the top of the loaf 1 centimetre deep with a sharp knife and bake "
    "it for 35 minutes. 7. The bread is done when it sounds hollow if you knock on its underside. Let it cool on a grid "
    "for at least an hour before you cut it. Wrapped in a cloth, it keeps for three days.",
    "It was raining when Anna reached the station, and the last train had gone. The clock above the platform said five "
    "past eleven. \"You could wait in the hall,\" said the man behind the window, \"but they turn the heating off at "
    "midnight.\" She thanked him, put down her suitcase and looked out at the street. A single taxi stood there with its "
    "lights off. The driver was asleep. She thought of her brother, who had told her twice to take the earlier train, and "
    "of the letter in her pocket, which nobody but her had read. If she was not there in the morning, they would sign the "
    "papers without her, and the house by the lake would be gone. She knocked on the window of the taxi. The driver "
    "opened one eye. \"How far is it to Lindau?\" she asked. He laughed. \"At night, in this weather? Two hours, if the "
    "pass is open.\" She counted the money in her purse, then counted it again. \"And if I pay you half of it now?\" He "
    "looked at her for a long moment, sat up, and turned the key.",
]
PROMPTS = ["The capital of France is", "Once upon a time, in a small village,", "To sort a list in Python, you can",
           "The three laws of thermodynamics are", "Dear Sir or Madam,\n\nI am writing to"]


def run(*command):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout


def divergence(reference, logits):
    a = torch.log_softmax(reference.double(), -1)
    b = torch.log_softmax(torch.from_numpy(logits).double(), -1)
    return float((a.exp() * (a - b)).sum(-1).mean())


def llama_logits(model, ids):
    """llama.cpp's logits of all positions, with its defaults."""
    import llama_cpp

    llm = llama_cpp.Llama(model, n_ctx=512, n_batch=512, n_threads=2, logits_all=True, verbose=False)
    llm.eval(ids)
    return np.array(llm.scores[:len(ids)], dtype=np.float32)


def cut(tokenize, text, n):
    """The longest start of text that has at most n tokens."""
    low, high = 1, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if len(tokenize(text[:middle])) <= n else (low, middle - 1)
    return text[:low]


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("model")
    p.add_argument("--wick", default="build/wick")
    p.add_argument("--llama", action="store_true")
    o = p.parse_args()
    folder, name = os.path.split(os.path.abspath(o.model))
    reference = AutoModelForCausalLM.from_pretrained(folder, gguf_file=name, dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder, gguf_file=name)

    def tokenize(text):
        return json.loads(run(o.wick, "tokenize", "-m", o.model, "-p", text, "--json", "--no-special"))

    worst = {"precise": [], "default": []}
    llama = []
    with tempfile.TemporaryDirectory() as temporary, torch.no_grad():
        for text in TEXTS:
            text = cut(tokenize, text, 200)
            tokens = torch.tensor([tokenize(text)])
            source, out = os.path.join(temporary, "text"), os.path.join(temporary, "logits.npy")
            with open(source, "w", encoding="utf-8") as f:
                f.write(text)
            wanted = reference(tokens).logits[0]
            for mode, flags in (("precise", ["--precise"]), ("default", [])):
                run(o.wick, "perplexity", "-m", o.model, "-f", source, "--logits", out, *flags)
                worst[mode].append(divergence(wanted, np.load(out)))
            if o.llama:
                llama.append(divergence(wanted, llama_logits(o.model, tokens[0].tolist())))
                print(f"llama.cpp {llama[-1]:.3g}  ", end="")
            print(f"{tokens.shape[1]} tokens  KL precise {worst['precise'][-1]:.3g}  default {worst['default'][-1]:.3g}")
        equal = 0
        for prompt in PROMPTS:
            tokens = torch.tensor([tokenize(prompt)])
            got = run(o.wick, "run", "-m", o.model, "-p", prompt, "-n", "32", "--temp", "0", "--precise").decode()
            full = reference.generate(tokens, attention_mask=torch.ones_like(tokens), max_new_tokens=32, do_sample=False)
            # as text: read again as tokens, a text may fall into others than it was made of
            wanted = tokenizer.decode(full[0, tokens.shape[1]:], skip_special_tokens=True,
                                      clean_up_tokenization_spaces=False)
            equal += got == wanted
            print(f"greedy {'equal' if got == wanted else 'DIFFERENT'}: {prompt!r}")
            if got != wanted:
                print(f"  wick      {got!r}\n  reference {wanted!r}")
    precise, default = np.mean(worst["precise"]), np.mean(worst["default"])
    print(f"mean KL: precise {precise:.3g} (at most 1e-5), default {default:.3g} (at most 3e-3); greedy {equal} of 5")
    if llama:
        print(f"llama.cpp's mean KL on the same tokens: {np.mean(llama):.3g}")
    good = not llama or default <= np.mean(llama)
    return 0 if precise <= 1e-5 and default <= 3e-3 and equal == 5 and good else 1


if __name__ == "__main__":
    sys.exit(main())
