"""How far do rounded activations and a rounded KV cache move the answers? The basis of two decisions.

    activation_study.py MODEL.gguf WORKER_GOLDENS

Every prompt of greedy.json is run through at once, with the reference's own output as its continuation; the input of
every linear layer is rounded in one way, keys and values in another. Compared with plain float32: the 20 best
log-probabilities at each of 32 x 64 positions, the best id, and the perplexity of declaration.txt.

Result for SmolLM2-135M-Instruct Q4_1 (torch 2.15.0, transformers 5.23.0):

    activations      KV    max     99.9 %  over 0.05  other best ids (largest gap)  perplexity
    8 bit per 32     f32   1.245   0.731   66.3 %     52 (0.433)                    +0.295 %
    8 bit per 32     f16   1.552   0.737   66.4 %     51 (1.706)                    +0.170 %
    8 bit per 32     bf16  1.239   0.778   66.8 %     54 (0.677)                    +0.745 %
    15 bit per 32    f32   0.018   0.007    0 %        2 (0.00097)                  -0.004 %
    15 bit per 32    f16   0.024   0.014    0 %        2 (0.00097)                  -0.015 %
    15 bit per 32    bf16  0.197   0.103    1.4 %      3 (0.005)                    -0.006 %
    bf16             f32   0.428   0.155    6.6 %      8 (0.037)                    -0.154 %
    bf16             f16   0.326   0.149    6.7 %     11 (0.075)                    -0.035 %
    bf16             bf16  0.277   0.168    9.4 %      7 (0.056)                    -0.129 %
    f32              f16   0.028   0.012    0 %        1 (0.00097)                  +0.002 %
    f32              bf16  0.227   0.096    1.3 %      3 (0.007)                    -0.023 %

So with a bound of 0.05 activations need more than 8 bits and the cache more than bf16; 15 bits and f16 do.
"""

import json
import pathlib
import sys

import numpy as np
import torch
import transformers
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS, sdpa_mask

from reference import Reference

BLOCK = 32
TOP = 20


def blocks(largest):
    """Integers in -largest..largest with one float32 scale for each 32 values."""
    def rounded(x):
        parts = x.reshape(*x.shape[:-1], -1, BLOCK)
        scale = parts.abs().amax(-1, keepdim=True) / largest
        return (torch.where(scale > 0, torch.round(parts / scale), 0) * scale).reshape(x.shape)

    return rounded


def through(dtype):
    return lambda x: x.to(dtype).float()


def unchanged(x):
    return x


ACTIVATIONS = {"8 bit": blocks(127), "15 bit": blocks(16256), "bf16": through(torch.bfloat16), "f32": unchanged}
CACHES = {"f32": unchanged, "f16": through(torch.float16), "bf16": through(torch.bfloat16)}


class Study:
    def __init__(self, model, goldens):
        self.reference = Reference(model)
        self.prompts = json.loads((goldens / "greedy.json").read_text())["prompts"]
        self.text = json.loads((goldens / "perplexity.json").read_text())["ids"]
        self.activation = self.cache = unchanged
        self._hook()
        self.base, self.base_perplexity = self.run()

    def _hook(self):
        for module in self.reference.model.modules():
            if isinstance(module, torch.nn.Linear):
                module.register_forward_pre_hook(lambda _module, inputs: (self.activation(inputs[0]),))

        def attention(module, query, key, value, mask, **more):
            return sdpa_attention_forward(module, query, self.cache(key), self.cache(value), mask, **more)

        transformers.AttentionInterface.register("rounded", attention)
        ALL_MASK_ATTENTION_FUNCTIONS.register("rounded", sdpa_mask)
        self.reference.model.set_attn_implementation("rounded")

    @torch.inference_mode()
    def run(self):
        outputs = []
        for prompt in self.prompts:
            ids = torch.tensor([prompt["prompt"] + prompt["output"][:-1]])
            logits = self.reference.model(ids, logits_to_keep=len(prompt["output"])).logits[0]
            outputs.append(torch.log_softmax(logits.double(), -1))
        logits = self.reference.model(torch.tensor([self.text])).logits[0, :-1].double()
        return outputs, np.exp(torch.nn.functional.cross_entropy(logits, torch.tensor(self.text[1:])).item())

    def report(self, activation, cache):
        self.activation, self.cache = ACTIVATIONS[activation], CACHES[cache]
        outputs, perplexity = self.run()
        moved, gaps = [], []
        for base, output in zip(self.base, outputs):
            best = base.topk(TOP)
            moved.append((output.gather(1, best.indices) - best.values).abs().flatten())
            for at in (output.argmax(-1) != best.indices[:, 0]).nonzero().flatten().tolist():
                gaps.append((best.values[at, 0] - base[at, output[at].argmax()]).item())
        moved = torch.cat(moved).numpy()
        print(
            f"{activation:8} {cache:5} max {moved.max():.3f}  99.9 % {np.quantile(moved, 0.999):.3f}  "
            f"over 0.05 {100 * (moved > 0.05).mean():.1f} %  other best ids {len(gaps)} ({max(gaps, default=0):.5f})  "
            f"perplexity {100 * (perplexity / self.base_perplexity - 1):+.3f} %", flush=True)


def main(model, goldens):
    study = Study(model, pathlib.Path(goldens))
    for activation in ACTIVATIONS:
        for cache in CACHES:
            study.report(activation, cache)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        raise SystemExit(__doc__)
    main(*sys.argv[1:])
